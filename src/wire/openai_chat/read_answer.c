/*
 * A provider's plain answer -> struct result (providers-openai §2.9). Compatible servers leave out what OpenAI
 * always sends, so everything but `choices[0].message` is optional; what TensorZero would refuse for that is read.
 */
#include "wire/openai_chat/read_answer.h"

#include "base/error.h"
#include "base/words.h"
#include "wire/expect.h"
#include "wire/openai_chat/openai_chat.h"
#include "wire/call_ids.h"
#include "wire/openai_chat/read_details.h"
#include "wire/openai_chat/shape.h"
#include "wire/openai_chat/think_tags.h"
#include "wire/openai_chat/write_request.h"

#define MAX_SHOWN  (64u << 10)  /* of a value that is told in an error */
#define MAX_MENDED (256u << 20) /* of a document that is printed anew */

static int64_t count(yyjson_val *obj, const char *key)
{
	uint64_t n;

	if (!json_u64(json_get(obj, key), &n) || n > UINT32_MAX)
		return USAGE_UNKNOWN;
	return (int64_t)n;
}

/* Where a server counts otherwise than OpenAI. */
static void adapt_usage(yyjson_val *usage, const struct dialect *d, struct usage *u)
{
	if (d->chat.adds_reasoning && u->reasoning_tokens != USAGE_UNKNOWN)
		u->output_tokens = u->reasoning_tokens +
				   (u->output_tokens == USAGE_UNKNOWN ? 0 : u->output_tokens);
	if (d->chat.cache_hits) {
		u->cache_read = count(usage, "prompt_cache_hit_tokens");
		u->cache_write = count(usage, "prompt_cache_miss_tokens");
	}
}

yyjson_val *openai_chat_read_usage(yyjson_val *root, const struct dialect *d, struct usage *u)
{
	yyjson_val *usage = json_get(root, "usage"), *prompt, *completion;

	usage_init(u);
	if (!yyjson_is_obj(usage))
		usage = json_get(json_get(root, "x_groq"), "usage");
	if (!yyjson_is_obj(usage))
		return NULL;
	prompt = json_get(usage, "prompt_tokens_details");
	completion = json_get(usage, "completion_tokens_details");
	u->input_tokens = count(usage, "prompt_tokens");
	u->output_tokens = count(usage, "completion_tokens");
	u->cache_read = count(prompt, "cached_tokens");
	u->reasoning_tokens = count(completion, "reasoning_tokens");
	adapt_usage(usage, d, u);
	return usage;
}

struct bytes openai_chat_no_choices(struct bytes document, struct arena *a)
{
	size_t line, column;

	while (document.n > 0 && (unsigned char)document.p[document.n - 1] <= ' ')
		document.n--;
	json_position(document, document.n, &line, &column);
	return arena_printf(a, "missing field `choices` at line %zu column %zu", line, column);
}

enum finish_reason openai_chat_finish(yyjson_val *v)
{
	static const struct {
		struct bytes name;
		enum finish_reason finish;
	} reasons[] = {
		{ B("stop"), FINISH_STOP },
		{ B("eos"), FINISH_STOP },
		{ B("stop_sequence"), FINISH_STOP_SEQUENCE },
		{ B("length"), FINISH_LENGTH },
		{ B("model_length"), FINISH_LENGTH },
		{ B("tool_calls"), FINISH_TOOL_CALL },
		{ B("function_call"), FINISH_TOOL_CALL },
		{ B("content_filter"), FINISH_CONTENT_FILTER },
	};
	struct bytes name = json_str(v);

	if (name.n == 0)
		return FINISH_UNSET;
	for (size_t i = 0; i < COUNT(reasons); i++)
		if (bytes_eq(reasons[i].name, name))
			return reasons[i].finish;
	return FINISH_UNKNOWN;
}

yyjson_val *openai_chat_first_object(yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one = yyjson_arr_iter_next(&it);

	while (one && !yyjson_is_obj(one))
		one = yyjson_arr_iter_next(&it);
	return one;
}

struct bytes openai_chat_reasoning(yyjson_val *message)
{
	struct bytes a = json_str(json_get(message, "reasoning"));
	struct bytes b = json_str(json_get(message, "reasoning_content"));

	if (a.n > 0)
		return a;
	return b.n > 0 || !bytes_set(a) ? b : a;
}

static bool is_nothing(yyjson_val *v)
{
	return yyjson_is_ctn(v) ? unsafe_yyjson_get_len(v) == 0 : json_str(v).n == 0;
}

bool openai_chat_has_more(yyjson_val *delta)
{
	static const struct bytes parts[] = { B("role"),         B("content"),
					      B("refusal"),      B("reasoning_content"),
					      B("reasoning"),    B("tool_calls"),
					      B("function_call") };
	yyjson_obj_iter it = yyjson_obj_iter_with(delta);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		size_t i = 0;

		while (i < COUNT(parts) && !bytes_eq(parts[i], json_str(key)))
			i++;
		if (i == COUNT(parts) && !is_nothing(yyjson_obj_iter_get_val(key)))
			return true;
	}
	return false;
}

int openai_chat_fail_upstream(yyjson_val *err, const struct dialect *d, bool stream,
			      struct arena *a)
{
	yyjson_val *code = json_get(err, "code");
	struct upstream_said said = { .provider_type = d->type,
				      .code = json_str(code),
				      .fatal = stream };
	bool refused;
	uint64_t number = 0;

	said.message = yyjson_is_str(err) ? json_str(err) : json_str(json_get(err, "message"));
	if (!bytes_set(said.message))
		said.message = json_print_arena(err, a);
	if (!json_u64(code, &number) && bytes_set(said.code))
		bytes_to_u64(said.code, &number);
	if (number >= 400 && number <= 599)
		said.status = (int)number;
	if (!bytes_set(said.code))
		said.code = json_raw(code);
	if (!bytes_set(said.code))
		said.code = json_str(json_get(err, "type"));
	said.message = arena_dup(a, said.message);
	said.code = arena_dup(a, said.code);
	refused = said.status == 400 || said.status == 401 || said.status == 403 ||
		  said.status == 429;
	return wire_fail_said(refused ? ERR_INFERENCE_CLIENT : ERR_INFERENCE_SERVER, &said);
}

/* ---- blocks ---- */

struct reply {
	struct arena *arena;
	const struct inference *inf;
	const struct dialect *dialect;
	struct result *result;
	struct bytes body;
	size_t calls;
	bool reshaped; /* what the answer says stands otherwise in its document */
};

static int add(struct reply *r, struct block b)
{
	struct result *to = r->result;

	return arena_push(r->arena, to->content, to->len, to->cap, b) ? 0 : -1;
}

static int add_thought(struct reply *r, struct bytes text, struct bytes extra_data)
{
	return add(r, (struct block){ .type = BLOCK_THOUGHT,
				      .text = text,
				      .provider_type = dialect_thoughts_of(r->dialect),
				      .extra_data = extra_data });
}

/* A detail is a thought of its own. */
static int add_details(struct reply *r, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	struct part p;

	for (size_t place = 0; (one = yyjson_arr_iter_next(&it)); place++) {
		struct block b = { .type = BLOCK_THOUGHT,
				   .provider_type = dialect_thoughts_of(r->dialect) };

		if (!yyjson_is_obj(one))
			continue;
		if (!chat_read_detail(one, place, r->dialect, r->arena, &p))
			return -1;
		b.text = p.text;
		b.signature = p.signature;
		b.extra_data = p.extra_data;
		if (bytes_set(p.summary_text)) {
			b.summaries = arena_new(r->arena, struct summary);
			if (!b.summaries)
				return -1;
			b.summaries[b.nsummaries++] = (struct summary){ .text = p.summary_text };
		}
		if (add(r, b))
			return -1;
	}
	return 0;
}

static int add_thoughts(struct reply *r, yyjson_val *message)
{
	yyjson_val *details = json_get(message, "reasoning_details");
	struct bytes text = openai_chat_reasoning(message);

	if (r->dialect->chat.details && yyjson_arr_size(details) > 0)
		return add_details(r, details);
	return bytes_set(text) ? add_thought(r, text, r->dialect->chat.text_data) : 0;
}

/* A text with thoughts in tags: these first, then what is left of it, if anything is. */
struct tagged {
	struct reply *reply;
	struct bytes text;
	unsigned pair; /* of the thought that stands last */
};

static int tagged_piece(void *ctx, bool thought, unsigned pair, struct bytes piece)
{
	struct tagged *t = ctx;
	struct result *to = t->reply->result;

	if (!thought) {
		t->text = bytes_set(t->text) ? arena_cat(t->reply->arena, t->text, piece) : piece;
		return bytes_set(t->text) ? 0 : -1;
	}
	if (t->pair != pair) {
		t->pair = pair;
		return add_thought(t->reply, piece, t->reply->dialect->chat.tag_data);
	}
	to->content[to->len - 1].text =
		arena_cat(t->reply->arena, to->content[to->len - 1].text, piece);
	return bytes_set(to->content[to->len - 1].text) ? 0 : -1;
}

/* The rest of the text; unset: nothing is left. -1: out of memory. */
static int take_tagged(struct reply *r, struct bytes *text)
{
	struct think_tags tags = { 0 };
	struct tagged t = { .reply = r };

	if (!r->dialect->chat.tagged || !bytes_set(*text) || text->n == 0)
		return 0;
	if (think_feed(&tags, *text, r->arena, tagged_piece, &t) ||
	    think_end(&tags, r->arena, tagged_piece, &t))
		return -1;
	r->reshaped |= tags.pairs > 0;
	if (tags.pairs > 0)
		*text = t.text;
	return 0;
}

/* Text parts are one text; others stay as they came. */
static int add_parts(struct reply *r, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	struct bytes text = { NULL, 0 };
	yyjson_val *part;

	while ((part = yyjson_arr_iter_next(&it))) {
		struct bytes one = json_str(json_get(part, "text"));
		struct block b = { .type = BLOCK_UNKNOWN };
		struct bytes thinking;

		if (yyjson_is_str(part))
			one = json_str(part);
		thinking = chat_thinking_text(part, r->arena);
		if (bytes_set(thinking)) {
			r->reshaped = true;
			if (thinking.n && add_thought(r, thinking, r->dialect->chat.text_data))
				return -1;
			continue;
		}
		if (bytes_set(one)) {
			text = bytes_set(text) ? arena_cat(r->arena, text, one) : one;
			if (!bytes_set(text))
				return -1;
			continue;
		}
		b.text = json_print_arena(part, r->arena);
		if (!bytes_set(b.text) || add(r, b))
			return -1;
	}
	return bytes_set(text) ? add(r, (struct block){ .type = BLOCK_TEXT, .text = text }) : 0;
}

/* What TensorZero says of the document, else `detail`. */
static struct result *bad_answer(const struct reply *r, struct bytes detail)
{
	struct bytes fault = words_answer_fault(r->body, false, r->arena);

	wire_fail(ERR_INFERENCE_SERVER, 0, r->dialect->type, "Error parsing JSON response: %.*s",
		  BFMT(bytes_set(fault) ? fault : detail));
	return NULL;
}

static int wrong_content(struct reply *r, yyjson_val *content)
{
	struct buf b;

	buf_init(&b, MAX_SHOWN);
	buf_append(&b, B("invalid type: "));
	expect_print(content, &b);
	buf_append(&b, B(", expected a string"));
	bad_answer(r, buf_bytes(&b));
	buf_deinit(&b);
	return -1;
}

static int add_text(struct reply *r, yyjson_val *choice, yyjson_val *message)
{
	yyjson_val *content = json_get(message, "content"), *one;
	struct bytes refusal = json_str(json_get(message, "refusal"));
	struct block b = { .type = BLOCK_TEXT, .text = json_str(content) };

	if (refusal.n > 0) {
		if (add(r, (struct block){ .type = BLOCK_REFUSAL, .text = refusal }))
			return -1;
		if (b.text.n == 0 && !yyjson_is_arr(content))
			return 0;
	}
	if (yyjson_is_arr(content))
		return add_parts(r, content);
	if (!bytes_set(b.text))
		return content && !yyjson_is_null(content) ? wrong_content(r, content) : 0;
	if (b.text.n == 0 && (r->dialect->chat.no_empty_text || r->dialect->chat.tagged))
		return 0;
	if (take_tagged(r, &b.text))
		return -1;
	if (!bytes_set(b.text))
		return 0;
	one = json_get(message, "annotations");
	if (yyjson_arr_size(one) > 0)
		b.annotations = r->result->annotations = json_print_arena(one, r->arena);
	one = json_get(choice, "logprobs");
	if (one && !yyjson_is_null(one))
		b.logprobs = json_print_arena(one, r->arena);
	return add(r, b);
}

/* Arguments that are a JSON value instead of a string are kept as its text. */
static struct bytes arguments_of(struct reply *r, yyjson_val *v)
{
	if (!v || yyjson_is_null(v))
		return B("");
	return yyjson_is_str(v) ? json_str(v) : json_print_arena(v, r->arena);
}

/* `f` holds name and arguments. */
static int add_call(struct reply *r, struct bytes id, yyjson_val *f, bool custom)
{
	struct block b = { .type = BLOCK_TOOL_CALL, .id = id, .custom = custom };
	char made[16];

	b.name = json_str(json_get(f, "name"));
	if (r->inf->options->short_ids)
		b.name = name_back(&name_openai, r->inf, b.name);
	b.arguments = arguments_of(r, json_get(f, custom ? "input" : "arguments"));
	if (b.id.n == 0)
		b.id = arena_dup(r->arena, call_id_made(r->inf->id, r->calls, made));
	r->calls++;
	if (!bytes_set(b.name))
		b.name = B("");
	return bytes_set(b.id) && bytes_set(b.arguments) ? add(r, b) : -1;
}

static int add_entry(struct reply *r, yyjson_val *one)
{
	yyjson_val *f = json_get(one, "function"), *custom = json_get(one, "custom");
	bool is_custom =
		!yyjson_is_str(json_get(f, "name")) && yyjson_is_str(json_get(custom, "name"));

	return add_call(r, json_str(json_get(one, "id")), is_custom ? custom : f, is_custom);
}

static int add_calls(struct reply *r, yyjson_val *message)
{
	yyjson_val *one, *old = json_get(message, "function_call"),
			 *list = json_get(message, "tool_calls");
	yyjson_arr_iter it = yyjson_arr_iter_with(list);

	if (yyjson_is_obj(list) && add_entry(r, list)) /* one call, not in a list */
		return -1;
	while ((one = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(one) && add_entry(r, one))
			return -1;
	return yyjson_is_obj(old) && r->calls == 0 ? add_call(r, B(""), old, false) : 0;
}

static int add_message(struct reply *r, yyjson_val *choice, yyjson_val *message)
{
	yyjson_val *audio = json_get(message, "audio");
	struct block b = { .type = BLOCK_AUDIO };

	if (add_thoughts(r, message) || add_text(r, choice, message) || add_calls(r, message))
		return -1;
	if (!yyjson_is_obj(audio))
		return 0;
	b.text = json_print_arena(audio, r->arena);
	return bytes_set(b.text) ? add(r, b) : -1;
}

/* ---- the answer ---- */

/* The choices that are read, the first of them being the result's own. */
struct choices {
	struct shape_choice at[CHOICES_MAX];
	size_t n;
};

/* What the client gets of a document that is no answer as its reader expects one. */
static int mend(yyjson_val *root, struct result *result, const struct choices *own, struct arena *a)
{
	struct buf text;
	struct pen p = { .b = &text };

	buf_init(&text, MAX_MENDED);
	shape_mend_answer(&p, root, own->at, own->n);
	result->document = pen_done(&p) ? (struct bytes){ NULL, 0 } : arena_adopt(a, &text);
	buf_deinit(&text);
	return bytes_set(result->document) ? 0 : -1;
}

static int read_usage(struct reply *r, yyjson_val *root)
{
	yyjson_val *usage = openai_chat_read_usage(root, r->dialect, &r->result->usage);

	if (!usage)
		return 0;
	openai_chat_other_usage(usage, r->inf, &r->result->usage);
	if (!r->inf->raw_usage)
		return 0;
	r->result->raw_usage = json_print_arena(usage, r->arena);
	return bytes_set(r->result->raw_usage) ? 0 : -1;
}

/* The one of index 0, else the first; and what was asked for beside it, each once. */
static void find_choices(yyjson_val *list, unsigned n, struct choices *own)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one, *first = yyjson_arr_get_first(list), *main = n > 1 ? NULL : first;
	unsigned seen = 1; /* that of index 0 stands in front */
	size_t place = 0;

	own->n = 1;
	while (n > 1 && (one = yyjson_arr_iter_next(&it))) {
		uint64_t index = yyjson_is_obj(one) ? shape_index(one, place++) : n;

		if (index == 0 && !main)
			main = one;
		if (index >= n || seen & 1u << index)
			continue;
		seen |= 1u << index;
		own->at[own->n++] = (struct shape_choice){ .json = one, .index = (unsigned)index };
	}
	own->at[0] = (struct shape_choice){ .json = main ? main : first };
}

static int add_choice(struct reply *r, yyjson_val *choice, struct result *to)
{
	r->result = to;
	to->finish = openai_chat_finish(json_get(choice, "finish_reason"));
	return add_message(r, choice, json_get(choice, "message"));
}

/* Of further choices what cannot be read is left out. */
static int add_choices(struct reply *r, struct result *result, struct choices *own)
{
	size_t n = own->n;

	if (add_choice(r, own->at[0].json, result))
		return -1;
	own->at[0].result = result;
	if (n > 1 && !(result->others = arena_array(r->arena, struct result, n - 1)))
		return -1;
	own->n = 1;
	for (size_t i = 1; i < n; i++) {
		struct shape_choice one = own->at[i];
		struct result *other = &result->others[result->nothers];

		if (one.json == own->at[0].json || !yyjson_is_obj(json_get(one.json, "message")))
			continue;
		*other = (struct result){ .choice = one.index };
		usage_init(&other->usage);
		one.result = other;
		if (add_choice(r, one.json, other))
			return -1;
		own->at[own->n++] = one;
		result->nothers++;
	}
	r->result = result;
	return 0;
}

struct result *openai_chat_read_result(struct bytes body, const struct inference *inf,
				       const struct dialect *d, struct arena *a)
{
	struct result *result = arena_new(a, struct result);
	struct reply r = { .arena = a, .inf = inf, .dialect = d, .result = result, .body = body };
	struct choices own;
	bool halves;
	yyjson_val *root = json_parse_halves(body, a, &halves),
		   *choices = json_get(root, "choices"), *err = json_get(root, "error");

	if (!result || (!root && error_last()->kind != ERR_JSON_REQUEST))
		return NULL;
	if (!root)
		return bad_answer(&r, arena_dup(a, error_last()->message));
	if (!yyjson_is_arr(choices) && err && !yyjson_is_null(err)) {
		openai_chat_fail_upstream(err, d, false, a);
		return NULL;
	}
	if (!choices)
		return bad_answer(&r, openai_chat_no_choices(body, a));
	if (!yyjson_is_arr(choices))
		return bad_answer(&r, B("`choices` is not a list"));
	find_choices(choices, inf->n, &own);
	if (!own.at[0].json && bytes_set(words_answer_fault(body, false, a)))
		return bad_answer(&r, B(""));
	if (!own.at[0].json) {
		wire_fail(ERR_INFERENCE_SERVER, 0, d->type,
			  "Response has invalid number of choices: 0. Expected 1.");
		return NULL;
	}
	if (!yyjson_is_obj(json_get(own.at[0].json, "message")))
		return bad_answer(&r, B("missing field `message`"));
	if (add_choices(&r, result, &own) || read_usage(&r, root))
		return NULL;
	result->raw_response = body;
	result->provider_id = json_str(json_get(root, "id"));
	result->provider_model = json_str(json_get(root, "model"));
	result->service_tier = json_str(json_get(root, "service_tier"));
	result->system_fingerprint = json_str(json_get(root, "system_fingerprint"));
	if (!openai_chat_passes(inf) || openai_chat_renames(inf) || r.reshaped)
		return result;
	result->document = body;
	return (!halves && shape_is_answer(root)) || mend(root, result, &own, a) == 0 ? result
										      : NULL;
}

const struct wire wire_openai_chat = {
	.name = B("openai_chat"),
	.has_choices = true,
	.custom_tools = true,
	.foreign_fields = openai_chat_foreign_fields,
	.write_request = openai_chat_write_request,
	.read_result = openai_chat_read_result,
	.stream_new = openai_chat_stream_new,
	.stream_free = openai_chat_stream_free,
	.rest = openai_chat_rest,
	.read_event = openai_chat_read_event,
	.read_end = openai_chat_read_end,
	.unknown_events = openai_chat_unknown_events,
};
