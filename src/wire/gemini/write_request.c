/*
 * The neutral request -> the body of generateContent (providers-others §9.2, §9.4), keys in TensorZero's order: users'
 * extra_body pointers name them, and recorded bodies are compared.
 *
 * The trap is thinking: models up to 2.5 take a budget of tokens, later ones a level, and both at once is a 400. So the
 * model's name decides which of the two is said, and what the client gave is turned into that.
 */
#include "wire/gemini/write.h"

#include "base/error.h"
#include "wire/call_ids.h"
#include "wire/gemini/read.h"
#include "wire/params.h"

#define LEVELS_FROM 30 /* the first generation that takes levels */
#define IGNORED_MAX 1024

const struct gemini_options *gemini_options_of(const struct dialect *d)
{
	static const struct gemini_options none = { 0 };

	return d->options ? d->options : &none;
}

/* The list is bounded (x-signet-ignored: 1 KiB); what does not fit is not worth failing for. */
static void ignore(struct gemini_out *o, struct bytes name)
{
	struct buf *b = o->ignored;

	if (b && b->len + name.n + 2 <= IGNORED_MAX)
		(void)buf_printf(b, "%s%.*s", b->len ? ", " : "", BFMT(name));
}

/* "gemini-2.5-flash-lite" is 25, "models/gemini-3-pro" 30. */
static int generation_of(struct bytes model)
{
	static const struct bytes family = B("gemini-");
	ptrdiff_t at = bytes_ifind(model, family);
	struct bytes rest;

	if (at < 0)
		return 0;
	rest = bytes_slice(model, (size_t)at + family.n, model.n);
	if (!rest.n || rest.p[0] < '1' || rest.p[0] > '9')
		return 0;
	return (rest.p[0] - '0') * 10 +
	       (rest.n > 2 && rest.p[1] == '.' && rest.p[2] >= '0' && rest.p[2] <= '9'
			? rest.p[2] - '0'
			: 0);
}

/* ---- tools ---- */

void gemini_put_name(struct gemini_out *o, struct bytes name)
{
	char out[ID_ROOM];

	pen_string(&o->pen, id_mapped(&name_gemini, name, out));
}

/* An explicit choice of some tools that forces none of them: only these are declared. */
static bool declares_allowed(const struct tool_config *t)
{
	return t->allowed_explicit &&
	       (t->choice == TOOL_CHOICE_AUTO || t->choice == TOOL_CHOICE_UNSET);
}

static bool is_allowed(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->nallowed; i++)
		if (bytes_eq(t->allowed[i], name))
			return true;
	return false;
}

static bool has_tools(const struct inference *inf)
{
	const struct tool_config *t = inf->tools;
	size_t n = 0;

	for (size_t i = 0; t && i < t->len; i++)
		n += !declares_allowed(t) || is_allowed(t, t->tools[i].name);
	return n > 0;
}

/* A schema under the key that takes it: as it came, or as the subset. */
static int put_schema(struct gemini_out *o, struct bytes subset_key, struct bytes json_key,
		      struct bytes schema)
{
	bool whole = o->options->json_schema;
	struct json_member m;
	size_t pos = 0;

	if (!bytes_set(schema))
		return 0;
	pen_member(&o->pen, whole ? json_key : subset_key);
	if (!whole)
		return gemini_schema(schema, o->pen.b);
	pen_open(&o->pen, '{');
	while (json_next_member(schema, &pos, &m) == 1) {
		if (json_key_is(m.key, B("$schema")) || json_key_is(m.key, B("$id")))
			continue;
		pen_item(&o->pen);
		pen_lit(&o->pen, "\"");
		pen_bytes(&o->pen, m.key);
		pen_lit(&o->pen, "\":");
		pen_bytes(&o->pen, m.value);
	}
	pen_close(&o->pen, '}');
	return 0;
}

static int put_declaration(struct gemini_out *o, const struct tool *t)
{
	struct pen *p = &o->pen;

	pen_item(p);
	pen_lit(p, "{\"name\":");
	gemini_put_name(o, t->name);
	p->comma = true;
	pen_text(p, "description", t->description);
	if (put_schema(o, B(",\"parameters\":"), B(",\"parametersJsonSchema\":"), t->parameters))
		return -1;
	pen_close(p, '}');
	return 0;
}

static void put_mode(struct gemini_out *o)
{
	const struct tool_config *t = o->inf->tools;
	bool specific = t->choice == TOOL_CHOICE_SPECIFIC, any = false;

	pen_key(&o->pen, "toolConfig");
	pen_lit(&o->pen, "{\"functionCallingConfig\":{\"mode\":");
	switch (t->choice) {
	case TOOL_CHOICE_NONE: pen_lit(&o->pen, "\"none\""); break;
	case TOOL_CHOICE_REQUIRED:
	case TOOL_CHOICE_SPECIFIC: pen_lit(&o->pen, "\"any\""); break;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_lit(&o->pen, "\"auto\""); break;
	}
	o->pen.comma = true;
	if (specific) {
		pen_list_item(&o->pen, "allowedFunctionNames", &any);
		gemini_put_name(o, t->specific);
	}
	for (size_t i = 0;
	     t->choice == TOOL_CHOICE_REQUIRED && t->allowed_explicit && i < t->nallowed; i++) {
		pen_list_item(&o->pen, "allowedFunctionNames", &any);
		gemini_put_name(o, t->allowed[i]);
	}
	pen_list_end(&o->pen, any);
	pen_lit(&o->pen, "}}");
}

static int put_tools(struct gemini_out *o)
{
	const struct tool_config *t = o->inf->tools;

	if (!has_tools(o->inf)) {
		if (o->options->tools_null)
			pen_lit(&o->pen, ",\"tools\":null");
		return 0;
	}
	pen_key(&o->pen, "tools");
	pen_lit(&o->pen, "[{\"functionDeclarations\":");
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < t->len; i++) {
		if (declares_allowed(t) && !is_allowed(t, t->tools[i].name))
			continue;
		if (t->tools[i].custom)
			return fail(ERR_INVALID_REQUEST,
				    "OpenAI custom tools are not supported by this provider");
		if (put_declaration(o, &t->tools[i]))
			return -1;
	}
	pen_lit(&o->pen, "]}]");
	put_mode(o);
	if (t->parallel == 0)
		ignore(o, param_field(PARAM_PARALLEL));
	return 0;
}

/* ---- thinking ---- */

static const struct {
	struct bytes effort;
	const char *budget; /* up to 2.5 */
	struct bytes level; /* later */
} efforts[] = {
	{ B("none"), "0", B("minimal") },  { B("minimal"), "1024", B("minimal") },
	{ B("low"), "1024", B("low") },    { B("medium"), "8192", B("medium") },
	{ B("high"), "24576", B("high") }, { B("xhigh"), "24576", B("high") },
	{ B("max"), "24576", B("high") },
};

/* The level that stands for a budget (surfaces §6.6); unset: the model's own choice. */
static struct bytes level_of_budget(struct bytes budget)
{
	uint64_t n;

	if (!bytes_to_u64(budget, &n))
		return (struct bytes){ NULL, 0 };
	return n == 0 ? B("minimal") : n < 4096 ? B("low") : n < 16384 ? B("medium") : B("high");
}

struct thinking {
	struct bytes budget, level;
};

static struct thinking thinking_of(const struct gemini_out *o)
{
	struct bytes effort = o->inf->params[PARAM_REASONING_EFFORT],
		     budget = o->inf->params[PARAM_THINKING_BUDGET];
	size_t i = 0;

	while (i < COUNT(efforts) && !bytes_eq(efforts[i].effort, effort))
		i++;
	if (o->generation && o->generation < LEVELS_FROM) {
		if (bytes_set(budget))
			return (struct thinking){ .budget = budget };
		if (i < COUNT(efforts))
			return (struct thinking){ .budget = bytes_of(efforts[i].budget) };
		return (struct thinking){ .level =
						  effort }; /* the API says what is wrong with it */
	}
	if (bytes_set(effort))
		return (struct thinking){ .level = i < COUNT(efforts) ? efforts[i].level : effort };
	if (!o->generation)
		return (struct thinking){ .budget = budget };
	return (struct thinking){ .level = level_of_budget(budget) };
}

static bool is_thinking_off(const struct inference *inf)
{
	return bytes_eq(inf->params[PARAM_REASONING_EFFORT], B("none")) ||
	       bytes_eq(inf->params[PARAM_THINKING_BUDGET], B("0"));
}

static void put_thinking(struct gemini_out *o)
{
	enum gemini_thoughts choice = o->options->include_thoughts;
	struct thinking t = thinking_of(o);
	struct pen *p = &o->pen;

	if (!bytes_set(t.budget) && !bytes_set(t.level))
		return;
	pen_key(p, "thinkingConfig");
	pen_open(p, '{');
	pen_json(p, "thinkingBudget", t.budget);
	pen_set(p, "thinkingLevel", t.level);
	if (!is_thinking_off(o->inf) &&
	    (choice == THOUGHTS_INCLUDED ||
	     (choice == THOUGHTS_BY_SURFACE && !o->inf->options->tensorzero_shape)))
		pen_json(p, "includeThoughts", B("true"));
	pen_close(p, '}');
}

/* ---- generationConfig ---- */

static void put_stop(struct gemini_out *o)
{
	const struct inference *inf = o->inf;

	if (!inf->stop_set)
		return;
	pen_key(&o->pen, "stopSequences");
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < inf->nstop; i++) {
		pen_item(&o->pen);
		pen_string(&o->pen, inf->stop[i]);
	}
	pen_close(&o->pen, ']');
}

static void put_param(struct gemini_out *o, struct bytes member, enum param p)
{
	if (!param_is_set(o->inf, p))
		return;
	pen_member(&o->pen, member);
	param_write(&o->pen, o->inf, p);
}

static int put_json_mode(struct gemini_out *o)
{
	const struct inference *inf = o->inf;

	if (inf->json_mode != JSON_MODE_ON && inf->json_mode != JSON_MODE_STRICT)
		return 0;
	pen_text(&o->pen, "responseMimeType", B("application/json"));
	return put_schema(o, B(",\"responseSchema\":"), B(",\"responseJsonSchema\":"),
			  inf->output_schema);
}

static int put_generation_config(struct gemini_out *o)
{
	struct bytes max_tokens = B(",\"maxOutputTokens\":");
	bool first = o->options->max_tokens_first;

	pen_key(&o->pen, "generationConfig");
	pen_open(&o->pen, '{');
	put_stop(o);
	put_param(o, B(",\"temperature\":"), PARAM_TEMPERATURE);
	put_thinking(o);
	if (first)
		put_param(o, max_tokens, PARAM_MAX_TOKENS);
	put_param(o, B(",\"topP\":"), PARAM_TOP_P);
	put_param(o, B(",\"presencePenalty\":"), PARAM_PRESENCE_PENALTY);
	put_param(o, B(",\"frequencyPenalty\":"), PARAM_FREQUENCY_PENALTY);
	if (!first)
		put_param(o, max_tokens, PARAM_MAX_TOKENS);
	put_param(o, B(",\"seed\":"), PARAM_SEED);
	if (put_json_mode(o))
		return -1;
	pen_close(&o->pen, '}');
	return 0;
}

/* ---- the body ---- */

static void put_system(struct gemini_out *o)
{
	if (!o->inf->system.n)
		return;
	pen_key(&o->pen, "systemInstruction");
	pen_lit(&o->pen, "{\"role\":\"model\",\"parts\":[{\"text\":");
	pen_string(&o->pen, o->inf->system);
	pen_lit(&o->pen, "}]}");
}

static int put_body(struct gemini_out *o)
{
	pen_head(&o->pen, "{\"contents\":");
	if (gemini_put_contents(o) || put_tools(o) || put_generation_config(o))
		return -1;
	put_system(o);
	pen_lit(&o->pen, "}");
	return pen_done(&o->pen);
}

static int write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	static const enum param left_out[] = { PARAM_SERVICE_TIER, PARAM_VERBOSITY };
	struct gemini_out o = { .pen = { .b = out },
				.inf = inf,
				.dialect = d,
				.options = gemini_options_of(d),
				.ignored = ignored,
				.generation = generation_of(d->model) };
	int r;

	if (!inf->nmessages)
		return fail(ERR_INVALID_REQUEST, "%.*s requires at least one message",
			    BFMT(d->label));
	for (size_t i = 0; i < COUNT(left_out); i++)
		if (param_is_set(inf, left_out[i]))
			ignore(&o, param_field(left_out[i]));
	arena_init(&o.scratch, GEMINI_SCRATCH_MAX);
	r = put_body(&o);
	arena_deinit(&o.scratch);
	return r;
}

const struct wire wire_gemini = {
	.name = B("gemini"),
	.write_request = write_request,
	.read_result = gemini_read_result,
	.stream_new = gemini_stream_new,
	.stream_free = gemini_stream_free,
	.read_event = gemini_read_event,
	.read_end = gemini_read_end,
};
