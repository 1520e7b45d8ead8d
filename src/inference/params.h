/*
 * The sampling parameters: one parameter is one row, which every reader, writer, merger and printer walks. A new one
 * is a row here and nothing else.
 *
 * Values are text: of a number its decimals as the client wrote them, of a string its characters. What is no text (a
 * list, a mode, tools) has a place of its own in struct inference; its row says how it is called.
 */
#ifndef SIGNET_INFERENCE_PARAMS_H
#define SIGNET_INFERENCE_PARAMS_H

#include "base/bytes.h"

/* What a value may be; its range is the type's. */
enum param_kind {
	PARAM_F32,
	PARAM_U32,
	PARAM_I32,
	PARAM_STRING,
	PARAM_TIER, /* a string, of a short list where the list is TensorZero's */
	PARAM_JSON_MODE, /* from here on no text: each of these is the kind of one parameter, which has its own place */
	PARAM_TEXT_LIST,
	PARAM_TOOL_LIST, /* from here on not in TensorZero's `params` nor in the record's */
	PARAM_TOOL_NAME,
	PARAM_BOOL,
};

/*
 * In the order of the record (storage §2.2), of TensorZero's error texts and of a provider's body (providers-openai
 * §2.3). The columns: name in the record and in tensorzero::params; OpenAI's field, where it has another name or
 * none; kind; place in the list of what a provider left out, 0: not there.
 */
#define PARAM_ROWS(ROW)                                                             \
	ROW(TEMPERATURE, "temperature", SAME, PARAM_F32, 1)                         \
	ROW(MAX_TOKENS, "max_tokens", SAME, PARAM_U32, 5)                           \
	ROW(SEED, "seed", SAME, PARAM_U32, 6)                                       \
	ROW(TOP_P, "top_p", SAME, PARAM_F32, 2)                                     \
	ROW(PRESENCE_PENALTY, "presence_penalty", SAME, PARAM_F32, 3)               \
	ROW(FREQUENCY_PENALTY, "frequency_penalty", SAME, PARAM_F32, 4)             \
	ROW(RESPONSE_FORMAT, "json_mode", B("response_format"), PARAM_JSON_MODE, 8) \
	ROW(TOOLS, "tools", SAME, PARAM_TOOL_LIST, 13)                              \
	ROW(TOOL_CHOICE, "tool_choice", SAME, PARAM_TOOL_NAME, 0)                   \
	ROW(PARALLEL, "parallel_tool_calls", SAME, PARAM_BOOL, 14)                  \
	ROW(STOP, "stop_sequences", B("stop"), PARAM_TEXT_LIST, 7)                  \
	ROW(REASONING_EFFORT, "reasoning_effort", SAME, PARAM_STRING, 9)            \
	ROW(SERVICE_TIER, "service_tier", SAME, PARAM_TIER, 11)                     \
	ROW(THINKING_BUDGET, "thinking_budget_tokens", B(""), PARAM_I32, 12)        \
	ROW(VERBOSITY, "verbosity", SAME, PARAM_STRING, 10)

enum param {
#define ROW(id, name, field, kind, place) PARAM_##id,
	PARAM_ROWS(ROW)
#undef ROW
		PARAMS
};

struct param_row {
	struct bytes name, field;
	enum param_kind kind;
	size_t place;
};
extern const struct param_row param_rows[PARAMS];

#define PARAM_BIT(param) (1u << (param))

struct inference;

static inline bool param_is_text(enum param p)
{
	return param_rows[p].kind < PARAM_JSON_MODE;
}

/* OpenAI's name of it; empty: it has none. */
static inline struct bytes param_field(enum param p)
{
	return bytes_set(param_rows[p].field) ? param_rows[p].field : param_rows[p].name;
}

/* Whether TensorZero's `params` and the record's have it. */
static inline bool param_is_recorded(enum param p)
{
	return param_rows[p].kind < PARAM_TOOL_LIST;
}

bool param_is_set(const struct inference *, enum param);
/* The effort that a budget of thinking comes to, for providers that take no budget: "low", "medium", "high"; unset: none is
 * asked for. */
struct bytes effort_of_budget(struct bytes tokens);
/* Every parameter that is set in `from` takes the place of the one in `to`, which is no longer the client's own. */
void params_overlay(struct inference *to, const struct inference *from);
/* The value of one that is set and recorded, as JSON: quoted or not as its kind says. */
int param_print(const struct inference *, enum param, struct buf *out);
/* The JSON object of what is set, as it stands in the record under "chat_completion". */
int params_print(const struct inference *, struct buf *out);
/* Calls `each` for what is set and asks something of a provider, in the order of `place`: for one that takes none. */
void params_left_out(const struct inference *, void (*each)(void *ctx, struct bytes name),
		     void *ctx);

#endif
