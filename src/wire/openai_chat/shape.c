/* See shape.h. Each object of the schema is a table: one member is one row, with what it must be and what mends it. */
#include "wire/openai_chat/shape.h"

#include "wire/openai_chat/read_answer.h"

#define PLACES_MAX 128u /* as many as may be asked for; what stands behind them is left out */

struct mender {
	struct pen *p;
	const struct shape_choice *choices;
	size_t nchoices;
	bool whole;      /* an answer, else a chunk */
	size_t place[3]; /* in the lists that were entered: choices, calls */
	size_t depth;
	const struct shape_choice *at; /* that is mended; NULL: none of the reader's */
	size_t block, calls; /* of its result: where block_at_hand() is, and the calls before it */
	yyjson_val *object;  /* whose member is mended */
};

enum want { STRING, WORD, NUMBER, NUMBERS, FLOAT, OBJECT, LIST };

struct object;
struct member {
	struct bytes name;
	enum want want;
	bool required, nullable;
	const struct bytes *words;   /* of a WORD; an unset one ends them */
	const struct object *inside; /* of an OBJECT (NULL: any) and of a LIST's elements */
	struct bytes
		instead; /* JSON for what is missing or wrong; unset with no `mend`: it is left out */
	/* Writes the value; false: it is left out. `v` is what stands there, NULL: nothing. */
	bool (*mend)(struct mender *, yyjson_val *v);
	bool own; /* in the reader's own choice it is always written from what the reader made of it */
	bool filled; /* a STRING that is not empty */
	bool vital;  /* an object that has none of these says nothing: null in its place */
	bool whole; /* an object that has not its shape is not mended; of a list: nor are its elements */
	struct bytes unless; /* not required where this member stands */
	bool once; /* a LIST whose elements' `index` differ: of those alike only the first counts */
};

struct object {
	const struct member *members;
	size_t n;
};
#define OBJECT_OF(list)             \
	{                           \
		(list), COUNT(list) \
	}

static bool has_shape(yyjson_val *v, const struct object *shape);
static void put_object(struct mender *m, yyjson_val *v, const struct object *shape);

/* ---- looking ---- */

/* Members mostly come in the schema's order: the look begins at *next, and moves it. */
static const struct member *member_of(const struct object *shape, struct bytes name, size_t *next)
{
	for (size_t i = *next, left = shape->n; left; left--, i++) {
		const struct member *f = &shape->members[i = i < shape->n ? i : 0];

		if (bytes_eq(f->name, name)) {
			*next = i + 1;
			return f;
		}
	}
	return NULL;
}

static bool is_word(yyjson_val *v, const struct bytes *words)
{
	struct bytes word = json_str(v);

	for (; bytes_set(*words); words++)
		if (bytes_eq(*words, word))
			return true;
	return false;
}

static bool is_count(yyjson_val *v)
{
	struct bytes digits = json_raw(v);

	for (size_t i = 0; i < digits.n; i++)
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
	return digits.n > 0 && digits.n < 20;
}

uint64_t shape_index(yyjson_val *element, size_t place)
{
	yyjson_val *index = json_get(element, "index");
	uint64_t n;

	return is_count(index) && json_u64(index, &n) ? n : place;
}

/* Whether an element before this one, which has this place, has the same index. */
static bool is_repeated(yyjson_val *list, yyjson_val *element, size_t place)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	uint64_t index = shape_index(element, place);
	yyjson_val *one;
	size_t at = 0;

	while ((one = yyjson_arr_iter_next(&it)) && one != element)
		if (yyjson_is_obj(one) && shape_index(one, at++) == index)
			return true;
	return false;
}

static bool is_own_place(yyjson_val *list, yyjson_val *element, size_t place)
{
	return place < PLACES_MAX && !is_repeated(list, element, place);
}

static bool is_list_of(yyjson_val *v, const struct member *f)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	size_t place = 0;

	while ((one = yyjson_arr_iter_next(&it)))
		if (!has_shape(one, f->inside) || (f->once && !is_own_place(v, one, place++)))
			return false;
	return true;
}

static bool are_counts(yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (!is_count(one))
			return false;
	return yyjson_is_arr(v);
}

static bool is_wanted(yyjson_val *v, const struct member *f)
{
	if (yyjson_is_null(v))
		return f->nullable;
	switch (f->want) {
	case STRING: return yyjson_is_str(v) && (!f->filled || yyjson_get_len(v) > 0);
	case WORD: return is_word(v, f->words);
	case NUMBER: return is_count(v);
	case NUMBERS: return are_counts(v);
	case FLOAT: return bytes_set(json_raw(v));
	case OBJECT: return yyjson_is_obj(v) && has_shape(v, f->inside);
	case LIST: return yyjson_is_arr(v) && is_list_of(v, f);
	}
	return false;
}

static bool is_required(const struct member *f, yyjson_val *object)
{
	return f->required && !(bytes_set(f->unless) &&
				yyjson_is_obj(json_get_n(object, f->unless.p, f->unless.n)));
}

/* One walk over the document's members: most are known, and a document has few. */
static bool has_shape(yyjson_val *v, const struct object *shape)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	unsigned seen = 0;
	size_t next = 0;
	yyjson_val *key;

	if (!yyjson_is_obj(v))
		return false;
	while (shape && (key = yyjson_obj_iter_next(&it))) {
		const struct member *f = member_of(shape, json_str(key), &next);

		if (!f)
			continue;
		if (!is_wanted(yyjson_obj_iter_get_val(key), f))
			return false;
		seen |= 1u << (f - shape->members);
	}
	for (size_t i = 0; shape && i < shape->n; i++)
		if (!(seen & 1u << i) && is_required(&shape->members[i], v))
			return false;
	return true;
}

/* ---- mending ---- */

static void put_value(struct mender *m, yyjson_val *v)
{
	if (json_print(v, m->p->b))
		m->p->failed = true;
}

static bool in_own_choice(const struct mender *m)
{
	return m->depth > 0 && m->at;
}

static bool put_place(struct mender *m, yyjson_val *v)
{
	(void)v;
	pen_u64(m->p, m->place[m->depth - 1]);
	return true;
}

static bool put_part_text(struct mender *m, enum part_type type)
{
	bool any = false;

	for (size_t i = 0; i < m->at->nparts; i++)
		if (m->at->parts[i].type == type && bytes_set(m->at->parts[i].text))
			pen_more(m->p, m->at->parts[i].text, &any);
	return any;
}

/* Content as a list of parts, as some servers send it: their text. */
static bool put_content(struct mender *m, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	bool any = false;

	if (in_own_choice(m) && put_part_text(m, PART_TEXT))
		return true;
	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes text = json_str(yyjson_is_str(one) ? one : json_get(one, "text"));

		if (bytes_set(text))
			pen_more(m->p, text, &any);
	}
	if (!any && !v)
		return false;
	if (!any && yyjson_is_str(v))
		pen_string(m->p, json_str(v));
	else if (!any)
		pen_lit(m->p, "null");
	return true;
}

/* It comes under two names; what no event has a place for is `reasoning_content`. */
static bool put_thought(struct mender *m, yyjson_val *v)
{
	if (!v && json_get(m->object, "reasoning"))
		return false;
	if (in_own_choice(m) && put_part_text(m, PART_THOUGHT))
		return true;
	if (v)
		put_value(m, v);
	return v != NULL;
}

static bool put_other_thought(struct mender *m, yyjson_val *v)
{
	return v && put_thought(m, v);
}

static bool put_finish(struct mender *m, yyjson_val *v)
{
	static const struct bytes names[] = {
		[FINISH_STOP] = B("\"stop\""),
		[FINISH_STOP_SEQUENCE] = B("\"stop\""),
		[FINISH_LENGTH] = B("\"length\""),
		[FINISH_TOOL_CALL] = B("\"tool_calls\""),
		[FINISH_CONTENT_FILTER] = B("\"content_filter\""),
		[FINISH_UNKNOWN] = B("\"stop\""),
	};
	enum finish_reason finish = openai_chat_finish(v);

	if (finish == FINISH_UNSET && m->whole)
		finish = json_get(json_get(m->object, "message"), "tool_calls") ? FINISH_TOOL_CALL
										: FINISH_STOP;
	pen_bytes(m->p, finish == FINISH_UNSET ? B("null") : names[finish]);
	return true;
}

/* The part of the call at hand; NULL: of another choice. */
static const struct part *call_at_hand(const struct mender *m)
{
	size_t nth = m->depth > 1 ? m->place[1] : 0;

	for (size_t i = 0; in_own_choice(m) && i < m->at->nparts; i++)
		if (m->at->parts[i].type == PART_TOOL_CALL && nth-- == 0)
			return &m->at->parts[i];
	return NULL;
}

static bool put_call_index(struct mender *m, yyjson_val *v)
{
	const struct part *call = call_at_hand(m);

	(void)v;
	pen_u64(m->p, call ? call->index : m->place[1]);
	return true;
}

/* Calls are come by in their order, so the look goes on where the one before ended. */
static const struct block *block_at_hand(struct mender *m)
{
	const struct result *result = in_own_choice(m) ? m->at->result : NULL;
	size_t nth = m->depth > 1 ? m->place[1] : 0;

	for (; result && m->block < result->len; m->block++)
		if (result->content[m->block].type == BLOCK_TOOL_CALL && m->calls++ == nth)
			return &result->content[m->block++];
	return NULL;
}

/* The id under which the record has it. */
static bool put_call_id(struct mender *m, yyjson_val *v)
{
	const struct part *call = call_at_hand(m);
	const struct block *block = block_at_hand(m);

	if (call && call->begins)
		pen_string(m->p, call->id);
	else if (block)
		pen_string(m->p, block->id);
	else if (m->whole)
		pen_printf(m->p, "\"call_%zu\"", m->place[1]);
	else if (yyjson_is_str(v))
		pen_string(m->p, json_str(v));
	else
		return false;
	return true;
}

/* A name that was said before is not said again. */
static bool put_name(struct mender *m, yyjson_val *v)
{
	const struct part *call = call_at_hand(m);

	if (call ? !bytes_set(call->name) : !yyjson_is_str(v))
		return false;
	pen_string(m->p, call ? call->name : json_str(v));
	return true;
}

/* Arguments that are a JSON value are its text. */
static bool put_arguments(struct mender *m, yyjson_val *v)
{
	const struct part *call = call_at_hand(m);
	struct buf text;

	if (call) {
		pen_string(m->p, call->arguments);
		return true;
	}
	if (!v || yyjson_is_null(v) || yyjson_is_str(v)) {
		pen_string(m->p, v && yyjson_is_str(v) ? json_str(v) : B(""));
		return true;
	}
	buf_init(&text, m->p->b->max);
	if (json_print(v, &text))
		m->p->failed = true;
	else
		pen_string(m->p, buf_bytes(&text));
	buf_deinit(&text);
	return true;
}

static const struct object chunk_call, whole_call;

/* One call that stands for a list of one. */
static bool put_calls(struct mender *m, yyjson_val *v)
{
	if (!yyjson_is_obj(v))
		return false;
	pen_open(m->p, '[');
	pen_item(m->p);
	m->place[m->depth++] = 0;
	put_object(m, v, m->whole ? &whole_call : &chunk_call);
	m->depth--;
	pen_close(m->p, ']');
	return true;
}

static bool put_total(struct mender *m, yyjson_val *v)
{
	uint64_t in = 0, out = 0;

	(void)v;
	json_u64(json_get(m->object, "prompt_tokens"), &in);
	json_u64(json_get(m->object, "completion_tokens"), &out);
	pen_u64(m->p, in + out);
	return true;
}

static void enter_choice(struct mender *m, yyjson_val *one)
{
	m->at = NULL;
	m->block = m->calls = 0;
	for (size_t i = 0; i < m->nchoices; i++)
		if (m->choices[i].json == one)
			m->at = &m->choices[i];
}

static void put_list(struct mender *m, yyjson_val *v, const struct member *f)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	size_t n = 0;

	pen_open(m->p, '[');
	while ((one = yyjson_arr_iter_next(&it))) {
		size_t place = n;

		n += yyjson_is_obj(one);
		if (!yyjson_is_obj(one) || (f->once && !is_own_place(v, one, place)) ||
		    (f->whole && !has_shape(one, f->inside)))
			continue; /* nothing of it can be read */
		pen_item(m->p);
		if (m->depth == 0)
			enter_choice(m, one);
		m->place[m->depth++] = place;
		put_object(m, one, f->inside);
		m->depth--;
	}
	pen_close(m->p, ']');
}

static bool says_nothing(yyjson_val *v, const struct object *shape)
{
	bool vital = false;
	uint64_t count;

	for (size_t i = 0; i < shape->n; i++) {
		const struct member *f = &shape->members[i];

		if (f->vital && json_u64(json_get_n(v, f->name.p, f->name.n), &count))
			return false;
		vital |= f->vital;
	}
	return vital;
}

/* The value of a known member; false: it is left out, its key with it. `v` may be NULL. */
static bool mend_value(struct mender *m, const struct member *f, yyjson_val *v)
{
	bool right = v && is_wanted(v, f);
	bool object = f->want == OBJECT && f->inside && !f->whole && yyjson_is_obj(v);
	uint64_t count;

	if (object && !says_nothing(v, f->inside))
		put_object(m, v, f->inside);
	else if (yyjson_is_arr(v) && f->want == LIST)
		put_list(m, v, f);
	else if (right && !f->own)
		put_value(m, v);
	else if (f->want == NUMBER && !f->own && json_u64(v, &count)) /* 3.0 */
		pen_u64(m->p, count);
	else if (f->mend)
		return f->mend(m, v);
	else if (bytes_set(f->instead))
		pen_bytes(m->p, f->instead);
	else if (v && f->nullable)
		pen_lit(m->p, "null");
	else
		return false;
	return true;
}

static void put_member(struct mender *m, const struct member *f, yyjson_val *v)
{
	size_t before = m->p->b->len;
	bool comma = m->p->comma;

	pen_item(m->p);
	pen_string(m->p, f->name);
	pen_lit(m->p, ":");
	if (!mend_value(m, f, v) && !m->p->failed) {
		m->p->b->len = before;
		m->p->comma = comma;
	}
}

/* Of a known member that comes twice the last value counts, as for the reader; it stands where the first did. */
static void put_object(struct mender *m, yyjson_val *v, const struct object *shape)
{
	yyjson_val *key, *outer = m->object;
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	unsigned seen = 0;
	size_t next = 0;

	m->object = v;
	pen_open(m->p, '{');
	while ((key = yyjson_obj_iter_next(&it))) {
		const struct member *f = member_of(shape, json_str(key), &next);
		unsigned bit = f ? 1u << (f - shape->members) : 0;

		if (!f) {
			pen_item(m->p);
			pen_string(m->p, json_str(key));
			pen_lit(m->p, ":");
			put_value(m, yyjson_obj_iter_get_val(key));
		} else if (!(seen & bit)) {
			put_member(m, f, json_get_n(v, f->name.p, f->name.n));
		}
		seen |= bit;
	}
	for (size_t i = 0; i < shape->n; i++)
		if (!(seen & 1u << i) && (is_required(&shape->members[i], v) ||
					  (shape->members[i].own && in_own_choice(m))))
			put_member(m, &shape->members[i], NULL);
	pen_close(m->p, '}');
	m->object = outer;
}

/* ---- the schema ---- */

static const struct bytes roles[] = { B("assistant"), B("developer"), B("system"),
				      B("user"),      B("tool"),      { NULL, 0 } },
			  assistant[] = { B("assistant"), { NULL, 0 } },
			  finishes[] = { B("stop"),           B("length"),        B("tool_calls"),
					 B("content_filter"), B("function_call"), { NULL, 0 } },
			  tiers[] = { B("auto"),  B("default"),  B("flex"),
				      B("scale"), B("priority"), { NULL, 0 } },
			  citation_type[] = { B("url_citation"), { NULL, 0 } },
			  call_types[] = { B("function"), B("custom"), { NULL, 0 } },
			  chunk_name[] = { B("chat.completion.chunk"), { NULL, 0 } },
			  answer_name[] = { B("chat.completion"), { NULL, 0 } };

#define NAME(text) .name = B(text)

static const struct member prompt_members[] = {
	{ NAME("cached_tokens"), NUMBER, .nullable = true },
	{ NAME("audio_tokens"), NUMBER, .nullable = true },
};
static const struct object prompt_counts = OBJECT_OF(prompt_members);

static const struct member completion_members[] = {
	{ NAME("reasoning_tokens"), NUMBER, .nullable = true },
	{ NAME("audio_tokens"), NUMBER, .nullable = true },
	{ NAME("accepted_prediction_tokens"), NUMBER, .nullable = true },
	{ NAME("rejected_prediction_tokens"), NUMBER, .nullable = true },
};
static const struct object completion_counts = OBJECT_OF(completion_members);

static const struct member usage_members[] = {
	{ NAME("prompt_tokens"), NUMBER, .required = true, .vital = true, .instead = B("0") },
	{ NAME("completion_tokens"), NUMBER, .required = true, .vital = true, .instead = B("0") },
	{ NAME("total_tokens"), NUMBER, .required = true, .mend = put_total },
	{ NAME("prompt_tokens_details"), OBJECT, .nullable = true, .inside = &prompt_counts },
	{ NAME("completion_tokens_details"), OBJECT, .nullable = true,
	  .inside = &completion_counts },
};
static const struct object usage = OBJECT_OF(usage_members);

static const struct member top_token_members[] = {
	{ NAME("token"), STRING, .required = true },
	{ NAME("logprob"), FLOAT, .required = true },
	{ NAME("bytes"), NUMBERS, .nullable = true },
};
static const struct object top_token = OBJECT_OF(top_token_members);

static const struct member token_members[] = {
	{ NAME("token"), STRING, .required = true },
	{ NAME("logprob"), FLOAT, .required = true },
	{ NAME("bytes"), NUMBERS, .nullable = true },
	{ NAME("top_logprobs"), LIST, .required = true, .inside = &top_token },
};
static const struct object token = OBJECT_OF(token_members);

static const struct member logprobs_members[] = {
	{ NAME("content"), LIST, .nullable = true, .inside = &token },
	{ NAME("refusal"), LIST, .nullable = true, .inside = &token },
};
static const struct object logprobs = OBJECT_OF(logprobs_members);

#define USAGE        NAME("usage"), OBJECT, .nullable = true, .inside = &usage
#define TIER         NAME("service_tier"), WORD, .nullable = true, .words = tiers
#define PRINT        NAME("system_fingerprint"), STRING, .nullable = true
#define ID           NAME("id"), STRING, .required = true, .instead = B("\"\"")
#define MODEL        NAME("model"), STRING, .required = true, .instead = B("\"\"")
#define MADE         NAME("created"), NUMBER, .required = true, .instead = B("0")
#define PLACE        NAME("index"), NUMBER, .required = true, .mend = put_place
#define LOGS         NAME("logprobs"), OBJECT, .nullable = true, .inside = &logprobs, .whole = true
#define CONTENT      NAME("content"), STRING, .nullable = true, .mend = put_content, .own = true
#define THOUGHT(key) NAME(key), STRING, .nullable = true, .own = true

/* Of a chunk. */
static const struct member chunk_function_members[] = {
	{ NAME("name"), STRING, .nullable = true, .mend = put_name, .own = true },
	{ NAME("arguments"), STRING, .nullable = true, .mend = put_arguments, .own = true },
};
static const struct object chunk_function = OBJECT_OF(chunk_function_members);

static const struct member chunk_call_members[] = {
	{ NAME("index"), NUMBER, .required = true, .mend = put_call_index, .own = true },
	{ NAME("id"), STRING, .nullable = true, .mend = put_call_id, .own = true },
	{ NAME("type"), WORD, .nullable = true, .words = call_types, .instead = B("\"function\"") },
	{ NAME("function"), OBJECT, .nullable = true, .inside = &chunk_function },
};
static const struct object chunk_call = OBJECT_OF(chunk_call_members);

static const struct member delta_members[] = {
	{ CONTENT },
	{ NAME("role"), WORD, .nullable = true, .words = roles, .instead = B("\"assistant\"") },
	{ NAME("refusal"), STRING, .nullable = true },
	{ THOUGHT("reasoning_content"), .mend = put_thought },
	{ THOUGHT("reasoning"), .mend = put_other_thought },
	{ NAME("tool_calls"), LIST, .nullable = true, .inside = &chunk_call, .mend = put_calls },
	{ NAME("function_call"), OBJECT, .nullable = true, .inside = &chunk_function },
};
static const struct object delta = OBJECT_OF(delta_members);

static const struct member chunk_choice_members[] = {
	{ PLACE },
	{ NAME("delta"), OBJECT, .required = true, .inside = &delta, .instead = B("{}") },
	{ LOGS },
	{ NAME("finish_reason"), WORD, .nullable = true, .words = finishes, .mend = put_finish },
};
static const struct object chunk_choice = OBJECT_OF(chunk_choice_members);

static const struct member chunk_members[] = {
	{ ID },
	{ NAME("object"), WORD, .required = true, .words = chunk_name,
	  .instead = B("\"chat.completion.chunk\"") },
	{ MADE },
	{ MODEL },
	{ NAME("choices"), LIST, .required = true, .inside = &chunk_choice, .once = true,
	  .instead = B("[]") },
	{ USAGE },
	{ TIER },
	{ PRINT },
	{ NAME("obfuscation"), STRING, .nullable = true },
};
static const struct object chunk = OBJECT_OF(chunk_members);

/* Of a whole answer. */
static const struct member whole_function_members[] = {
	{ NAME("name"), STRING, .required = true, .instead = B("\"\"") },
	{ NAME("arguments"), STRING, .required = true, .mend = put_arguments },
};
static const struct object whole_function = OBJECT_OF(whole_function_members);

static const struct member whole_call_members[] = {
	{ NAME("id"), STRING, .required = true, .filled = true, .mend = put_call_id },
	{ NAME("type"), WORD, .required = true, .words = call_types, .instead = B("\"function\"") },
	{ NAME("function"), OBJECT, .required = true, .inside = &whole_function,
	  .instead = B("{\"name\":\"\",\"arguments\":\"\"}"), .unless = B("custom") },
};
static const struct object whole_call = OBJECT_OF(whole_call_members);

static const struct member citation_members[] = {
	{ NAME("start_index"), NUMBER, .required = true },
	{ NAME("end_index"), NUMBER, .required = true },
	{ NAME("title"), STRING, .required = true },
	{ NAME("url"), STRING, .required = true },
};
static const struct object citation = OBJECT_OF(citation_members);

static const struct member annotation_members[] = {
	{ NAME("type"), WORD, .required = true, .words = citation_type },
	{ NAME("url_citation"), OBJECT, .required = true, .inside = &citation },
};
static const struct object annotation = OBJECT_OF(annotation_members);

static const struct member audio_members[] = {
	{ NAME("id"), STRING, .required = true },
	{ NAME("data"), STRING, .required = true },
	{ NAME("expires_at"), NUMBER, .required = true },
	{ NAME("transcript"), STRING, .required = true },
};
static const struct object audio = OBJECT_OF(audio_members);

static const struct member message_members[] = {
	{ NAME("role"), WORD, .required = true, .words = assistant, .instead = B("\"assistant\"") },
	{ NAME("content"), STRING, .nullable = true, .mend = put_content },
	{ NAME("refusal"), STRING, .nullable = true },
	{ NAME("tool_calls"), LIST, .nullable = true, .inside = &whole_call, .mend = put_calls },
	{ NAME("function_call"), OBJECT, .nullable = true, .inside = &whole_function },
	{ NAME("annotations"), LIST, .nullable = true, .inside = &annotation, .whole = true },
	{ NAME("audio"), OBJECT, .nullable = true, .inside = &audio, .whole = true },
};
static const struct object message = OBJECT_OF(message_members);

static const struct member whole_choice_members[] = {
	{ PLACE },
	{ NAME("message"), OBJECT, .required = true, .inside = &message,
	  .instead = B("{\"role\":\"assistant\",\"content\":null}") },
	{ LOGS },
	{ NAME("finish_reason"), WORD, .required = true, .words = finishes, .mend = put_finish },
};
static const struct object whole_choice = OBJECT_OF(whole_choice_members);

static const struct member answer_members[] = {
	{ ID },
	{ NAME("object"), WORD, .required = true, .words = answer_name,
	  .instead = B("\"chat.completion\"") },
	{ MADE },
	{ MODEL },
	{ NAME("choices"), LIST, .required = true, .inside = &whole_choice, .once = true,
	  .instead = B("[]") },
	{ USAGE },
	{ TIER },
	{ PRINT },
};
static const struct object answer = OBJECT_OF(answer_members);

bool shape_is_chunk(yyjson_val *root)
{
	return has_shape(root, &chunk);
}

bool shape_is_answer(yyjson_val *root)
{
	return has_shape(root, &answer);
}

bool shape_is_usage(yyjson_val *v)
{
	return has_shape(v, &usage);
}

void shape_mend_chunk(struct pen *p, yyjson_val *root, const struct shape_choice *own, size_t n)
{
	struct mender m = { .p = p, .choices = own, .nchoices = n };

	put_object(&m, root, &chunk);
}

void shape_mend_answer(struct pen *p, yyjson_val *root, const struct shape_choice *own, size_t n)
{
	struct mender m = { .p = p, .choices = own, .nchoices = n, .whole = true };

	put_object(&m, root, &answer);
}
