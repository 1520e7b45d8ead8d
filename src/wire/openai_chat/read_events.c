/*
 * A provider's event stream -> deltas (providers-openai §2.10, §2.11).
 *
 * An event is parsed once, into a block of memory that the stream keeps: no allocation while events fit into it.
 * Big events get memory of their own for as long as they live. An event that differs from an earlier one in its text
 * alone is not parsed at all (alike.h).
 *
 * Tool calls come in fragments that name their call by id, by index, by both or by neither, and servers get it
 * wrong in every possible way; struct call is the table that fragments are resolved by. A delta's strings point
 * into the event's document, so everything in it lives until the next event.
 */
#include "wire/openai_chat/read_answer.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/words.h"
#include "wire/openai_chat/alike.h"
#include "wire/openai_chat/calls.h"
#include "wire/openai_chat/read_details.h"
#include "wire/call_ids.h"
#include "wire/openai_chat/shape.h"
#include "wire/openai_chat/think_tags.h"
#include "wire/openai_chat/write_request.h"

#define PARTS_FIRST 2
#define POOL_FIRST  2048
#define POOL_MAX    (128u << 10) /* beyond this an event's memory goes when it does */
#define SCRATCH_MAX (512u << 20)
#define TEXT_ID     B("0")

struct wire_stream {
	const struct inference *inf;
	const struct dialect *dialect;
	struct arena *arena; /* the request's: for what lives as long as the stream */
	bool forwards, mapped;
	char *pool; /* of the current event; unset while there is none */
	size_t pool_size;
	struct arena scratch; /* of one event that did not fit, or went wrong */
	struct buf text;      /* what had to be printed for the current delta */
	struct part *parts;   /* heap, kept from event to event; nearly always one */
	size_t nparts, cparts;
	struct call_table calls;
	/* the choice that is read, the most of them; bits of those that came, and of those that have a finish reason */
	unsigned choice, n, came, ended;
	struct think_tags tags[CHOICES_MAX]; /* of a dialect that has them */
	bool events, finished, begun;        /* begun: some event had content */
	bool mend; /* the current event: the client cannot read it as it came */
	struct part
		held; /* text: the first half of a character that the next event ends; unset: there is none */
	char half[3];
	uint64_t unknown; /* events that were left out */
	size_t event_n;   /* bytes of the current event: the most that is printed of it */
	struct alike alike;
};

struct wire_stream *openai_chat_stream_new(const struct inference *inf, const struct dialect *d,
					   struct arena *a)
{
	struct wire_stream *s = arena_new(a, struct wire_stream);

	if (!s)
		return NULL;
	s->inf = inf;
	s->dialect = d;
	s->arena = a;
	s->mapped = openai_chat_renames(inf);
	s->calls = (struct call_table){ .arena = a, .id = inf->id };
	s->forwards = openai_chat_passes(inf) && !s->mapped && !d->chat.tagged;
	s->n = inf->n > 1 ? inf->n : 1;
	arena_init(&s->scratch, SCRATCH_MAX);
	buf_init(&s->text, SCRATCH_MAX);
	return s;
}

void openai_chat_stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	arena_deinit(&s->scratch);
	buf_deinit(&s->text);
	free(s->parts);
	free(s->pool);
}

/* A stream waits much longer than it reads: the memory of an event serves other streams meanwhile. */
void openai_chat_rest(struct wire_stream *s)
{
	free(s->pool);
	s->pool = NULL;
	s->pool_size = 0;
}

/* ---- parsing an event ---- */

static bool pool_fits(struct wire_stream *s, size_t need)
{
	size_t size = s->pool_size ? s->pool_size : POOL_FIRST;
	char *grown;

	if (need > POOL_MAX)
		return false;
	while (size < need)
		size *= 2;
	if (size == s->pool_size)
		return true;
	grown = malloc(size);
	if (!grown)
		return false;
	free(s->pool);
	s->pool = grown;
	s->pool_size = size;
	return true;
}

static bool is_deep(struct bytes t)
{
	size_t depth = 0;

	for (size_t i = 0; i < t.n; i++) {
		char c = t.p[i];

		if (c == '"') {
			for (i++; i < t.n && t.p[i] != '"'; i++)
				i += t.p[i] == '\\';
		} else if ((c == '{' || c == '[') && ++depth >= JSON_MAX_DEPTH) {
			return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

/* The slow path sees what the fast one does not: half surrogates, limits, and the words for what is wrong. */
static yyjson_val *parse_event(struct wire_stream *s, struct bytes data)
{
	size_t need = yyjson_read_max_memory_usage(data.n, YYJSON_READ_NUMBER_AS_RAW);
	yyjson_doc *doc = NULL;
	yyjson_alc alc;

	if (pool_fits(s, need) && yyjson_alc_pool_init(&alc, s->pool, s->pool_size))
		doc = yyjson_read_opts((char *)data.p, data.n, YYJSON_READ_NUMBER_AS_RAW, &alc,
				       NULL);
	if (doc && (yyjson_doc_get_val_count(doc) < JSON_MAX_DEPTH || !is_deep(data)))
		return yyjson_doc_get_root(doc);
	return json_parse_halves(data, &s->scratch, &s->mend);
}

/* ---- errors ---- */

/* The current error becomes the delta's. */
static int error_delta(struct wire_stream *s, bool fatal, struct delta *out)
{
	struct bytes raw = wire_utf8(out->raw, &s->scratch);

	*out = (struct delta){ .raw = raw, .error = error_save(&s->scratch) };
	usage_init(&out->usage);
	if (!out->error || !bytes_set(raw))
		return -1;
	out->error->fatal = fatal;
	out->error->upstream_body = raw;
	return 1;
}

static int bad_event(struct wire_stream *s, struct bytes detail, struct delta *out)
{
	struct bytes copy = arena_dup(&s->scratch, detail); /* it may be the current error's */
	struct bytes fault = words_answer_fault(out->raw, true, &s->scratch);

	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "Error parsing chunk. Error: %.*s",
		  BFMT(bytes_set(fault) ? fault : copy));
	return error_delta(s, false, out);
}

static int limit(struct wire_stream *s, const char *what, struct delta *out)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "%s", what);
	return error_delta(s, true, out);
}

/* ---- tool calls ---- */

/* Prints a part of the event. What was printed must not move while it is looked at, so the first one takes room for
 * all: parts of an event, printed compact, are never longer than the event. */
static struct bytes print_part(struct wire_stream *s, yyjson_val *v)
{
	size_t from = s->text.len;

	if (from == 0 && buf_reserve(&s->text, s->event_n) < 0)
		return (struct bytes){ NULL, 0 };
	if (json_print(v, &s->text) < 0)
		return (struct bytes){ NULL, 0 };
	return bytes_slice(buf_bytes(&s->text), from, s->text.len);
}

/* Arguments that are no string are kept as their text. */
static struct bytes text_of(struct wire_stream *s, yyjson_val *v)
{
	if (!v || yyjson_is_null(v))
		return B("");
	return yyjson_is_str(v) ? json_str(v) : print_part(s, v);
}

static int entry_read(struct wire_stream *s, yyjson_val *v, struct entry *e)
{
	yyjson_val *f = json_get(v, "function"), *custom = json_get(v, "custom");

	*e = (struct entry){ .id = json_str(json_get(v, "id")) };
	e->has_index = json_u64(json_get(v, "index"), &e->index);
	if (!yyjson_is_obj(f) && yyjson_is_obj(custom) && yyjson_obj_size(custom) > 0) {
		e->custom = true;
		f = custom;
	}
	e->name = json_str(json_get(f, "name"));
	e->arguments = text_of(s, json_get(f, e->custom ? "input" : "arguments"));
	return bytes_set(e->arguments) ? 0 : -1;
}

/* What of the name is new: parts append, repetitions are dropped. */
static int name_part(struct wire_stream *s, struct call *c, struct bytes name, struct part *p)
{
	if (name.n == 0 || c->has_arguments || bytes_eq(name, c->name))
		return 0;
	c->name =
		bytes_set(c->name) ? arena_cat(s->arena, c->name, name) : arena_dup(s->arena, name);
	if (!bytes_set(c->name))
		return -1;
	p->name = s->mapped ? name_back(&name_openai, s->inf, name) : name;
	return 0;
}

/* What is over the limit is left out; tool calls look first. */
static int part_add(struct wire_stream *s, struct part p)
{
	size_t cap = s->cparts ? s->cparts * 2 : PARTS_FIRST;
	struct part *grown;

	if (s->nparts == DELTA_PARTS)
		return 0;
	if (s->nparts == s->cparts) {
		grown = realloc(s->parts, cap * sizeof *grown);
		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		s->parts = grown;
		s->cparts = cap;
	}
	s->parts[s->nparts++] = p;
	return 0;
}

/* A fragment becomes a part. A name that was said already is none. */
static int fragment_add(struct wire_stream *s, struct call *c, const struct entry *e, bool begins)
{
	struct part p = { .type = PART_TOOL_CALL,
			  .id = c->id,
			  .custom = c->custom,
			  .begins = begins,
			  .choice = s->choice,
			  .index = c->shown };

	p.arguments = e->arguments;
	s->mend |= !e->has_index || e->index != c->shown || (begins && e->id.n == 0);
	if (name_part(s, c, e->name, &p))
		return -1;
	s->mend |= e->name.n > 0 && !bytes_set(p.name);
	c->touched = ++s->calls.touches;
	c->has_arguments |= e->arguments.n > 0;
	return part_add(s, p);
}

/* 0; -1 out of memory; 1 an error delta is in *out. */
static int call_part(struct wire_stream *s, yyjson_val *v, struct delta *out)
{
	bool full = false, lost = false;
	size_t before = s->calls.len;
	struct entry e;
	struct call *c;

	if (entry_read(s, v, &e))
		return -1;
	if (s->nparts == DELTA_PARTS)
		return limit(s, "More than 130 parts in one event", out);
	s->calls.choice = s->choice;
	c = call_resolve(&s->calls, &e, &full, &lost);
	if (full)
		return limit(s, "More than 128 tool calls in one answer", out);
	if (lost) {
		wire_fail(
			ERR_INFERENCE_SERVER, 0, s->dialect->type,
			"Tool call index out of bounds (meaning we haven't seen this many ids in the stream)");
		return error_delta(s, false, out);
	}
	return c ? fragment_add(s, c, &e, s->calls.len > before) : -1;
}

static int call_parts(struct wire_stream *s, yyjson_val *list, struct delta *out)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	int n;

	if (yyjson_is_obj(list)) /* one call, not in a list */
		return call_part(s, list, out);
	while ((one = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(one) && (n = call_part(s, one, out)) != 0)
			return n;
	return 0;
}

/* ---- the delta ---- */

static int part_text(struct wire_stream *s, enum part_type type, struct bytes text)
{
	struct part p = { .type = type, .choice = s->choice, .id = TEXT_ID, .text = text };

	if (type == PART_THOUGHT) {
		p.id = chat_thought_id(s->dialect);
		p.provider_type = dialect_thoughts_of(s->dialect);
		p.extra_data = s->dialect->chat.text_data;
	}
	return bytes_set(text) ? part_add(s, p) : -1;
}

/* Before, inside of and behind the first pair of tags the ids are 0, 1 and 2. */
static int tagged_piece(void *ctx, bool thought, unsigned pair, struct bytes piece)
{
	struct wire_stream *s = ctx;
	struct part p = { .type = thought ? PART_THOUGHT : PART_TEXT,
			  .choice = s->choice,
			  .id = thought ? B("1")
				: pair  ? B("2")
					: TEXT_ID,
			  .text = piece };

	if (thought && pair > 1)
		p.id = arena_printf(&s->scratch, "1.%u", pair - 1);
	if (thought) {
		p.provider_type = dialect_thoughts_of(s->dialect);
		p.extra_data = s->dialect->chat.tag_data;
	}
	return bytes_set(p.id) ? part_add(s, p) : -1;
}

static int text_add(struct wire_stream *s, enum part_type type, struct bytes text)
{
	if (type == PART_TEXT && text.n == 0 && bytes_set(text) && s->dialect->chat.no_empty_text)
		return 0;
	if (type != PART_TEXT || !s->dialect->chat.tagged || text.n == 0)
		return part_text(s, type, text);
	return think_feed(&s->tags[s->choice], text, &s->scratch, tagged_piece, s);
}

/* The text of a choice that has ended: what may have been a tag is none. */
static int tags_end(struct wire_stream *s)
{
	return s->dialect->chat.tagged
		       ? think_end(&s->tags[s->choice], &s->scratch, tagged_piece, s)
		       : 0;
}

static int details_add(struct wire_stream *s, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	struct part p;

	for (size_t place = 0; (one = yyjson_arr_iter_next(&it)); place++) {
		if (!yyjson_is_obj(one))
			continue;
		if (!chat_read_detail(one, place, s->dialect, &s->scratch, &p))
			return -1;
		p.choice = s->choice;
		if (part_add(s, p))
			return -1;
	}
	return 0;
}

/* As details where the dialect has them, else as a text. */
static int thoughts_add(struct wire_stream *s, yyjson_val *d)
{
	yyjson_val *details = json_get(d, "reasoning_details");
	struct bytes thought = openai_chat_reasoning(d);

	if (s->dialect->chat.details && yyjson_arr_size(details) > 0)
		return details_add(s, details);
	return bytes_set(thought) ? text_add(s, PART_THOUGHT, thought) : 0;
}

/* Content as a list of parts, as some servers send it. */
static int content_parts(struct wire_stream *s, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while (s->nparts < DELTA_PARTS && (one = yyjson_arr_iter_next(&it))) {
		struct bytes text = json_str(yyjson_is_str(one) ? one : json_get(one, "text")),
			     thinking = chat_thinking_text(one, &s->scratch);
		bool known = bytes_set(text);

		if (yyjson_is_null(one))
			continue;
		if (bytes_set(thinking) ? text_add(s, PART_THOUGHT, thinking)
					: text_add(s, known ? PART_TEXT : PART_UNKNOWN,
						   known ? text : print_part(s, one)))
			return -1;
	}
	return 0;
}

/* function_call, the old form: one call of index 0. */
static int old_call(struct wire_stream *s, yyjson_val *old)
{
	struct entry e = { .has_index = true, .name = json_str(json_get(old, "name")) };
	bool full = false, lost = false, mend = s->mend;
	struct call *c;
	int bad;

	e.arguments = text_of(s, json_get(old, "arguments"));
	s->calls.choice = s->choice;
	c = bytes_set(e.arguments) ? call_resolve(&s->calls, &e, &full, &lost) : NULL;
	if (!c)
		return lost ? 0 : -1;
	bad = fragment_add(s, c, &e, false);
	s->mend = mend; /* that form knows no index and no id */
	return bad;
}

static int delta_parts(struct wire_stream *s, yyjson_val *d, struct delta *out)
{
	struct bytes refusal = json_str(json_get(d, "refusal"));
	yyjson_val *content = json_get(d, "content"), *old = json_get(d, "function_call");
	struct bytes text = json_str(content);
	int n;

	if (thoughts_add(s, d) || (yyjson_is_arr(content) && content_parts(s, content)) ||
	    (bytes_set(text) && (refusal.n == 0 || text.n > 0) && text_add(s, PART_TEXT, text)) ||
	    (refusal.n > 0 && text_add(s, PART_REFUSAL, refusal)))
		return -1;
	n = call_parts(s, json_get(d, "tool_calls"), out);
	return n != 0 || !yyjson_is_obj(old) ? n : old_call(s, old);
}

static int read_usage(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *usage = openai_chat_read_usage(root, s->dialect, &out->usage);

	out->has_usage = usage != NULL;
	if (!usage)
		return 0;
	openai_chat_other_usage(usage, s->inf, &out->usage);
	out->raw_usage = print_part(s, usage);
	return bytes_set(out->raw_usage) ? 0 : -1;
}

static bool is_error(yyjson_val *v)
{
	return v && !yyjson_is_null(v) && !(yyjson_is_obj(v) && yyjson_obj_size(v) == 0) &&
	       !yyjson_is_false(v);
}

static int upstream_error(struct wire_stream *s, yyjson_val *err, struct delta *out)
{
	openai_chat_fail_upstream(err, s->dialect, true, &s->scratch);
	return error_delta(s, true, out);
}

static void event_begin(struct wire_stream *s, struct bytes data, struct delta *out)
{
	arena_deinit(&s->scratch);
	arena_init(&s->scratch, SCRATCH_MAX);
	if (s->text.cap > POOL_MAX) {
		buf_deinit(&s->text);
		buf_init(&s->text, SCRATCH_MAX);
	}
	buf_reset(&s->text);
	s->nparts = 0;
	s->mend = false;
	s->event_n = data.n;
	*out = (struct delta){ .raw = data };
	usage_init(&out->usage);
	s->events = true;
}

static int read_choice(struct wire_stream *s, yyjson_val *choice, struct delta *out)
{
	enum finish_reason finish;
	int n;

	if (is_error(json_get(choice, "error")))
		return upstream_error(s, json_get(choice, "error"), out);
	n = delta_parts(s, json_get(choice, "delta"), out);
	if (n != 0)
		return n;
	finish = openai_chat_finish(json_get(choice, "finish_reason"));
	*(s->choice ? &out->finishes[s->choice] : &out->finish) = finish;
	s->came |= 1u << s->choice;
	out->choices |= 1u << s->choice;
	if (finish != FINISH_UNSET && tags_end(s))
		return -1;
	if (finish != FINISH_UNSET)
		s->ended |= 1u << s->choice;
	s->finished |= s->ended && !(s->came & ~s->ended);
	out->beyond |= s->forwards && !s->begun && openai_chat_has_more(json_get(choice, "delta"));
	return 0;
}

/* ---- characters in two halves ---- */

static struct bytes *text_in(struct part *p)
{
	return p->type == PART_TOOL_CALL ? &p->arguments : &p->text;
}

/* What waited goes before the text of the same block that comes now, in the parts from `first` on; without one it is a
 * part of its own. */
static int release_half(struct wire_stream *s, size_t first)
{
	struct part held = s->held;
	size_t i = first;

	if (!bytes_set(held.text) || held.choice != s->choice)
		return 0;
	s->held.text = (struct bytes){ NULL, 0 };
	s->mend = true;
	held.text = arena_dup(&s->scratch, held.text);
	while (i < s->nparts &&
	       (s->parts[i].type != held.type || !bytes_eq(s->parts[i].id, held.id)))
		i++;
	if (i < s->nparts) {
		struct bytes *text = text_in(&s->parts[i]);

		*text = arena_cat(&s->scratch, held.text, *text);
		return bytes_set(*text) ? 0 : -1;
	}
	if (held.type == PART_TOOL_CALL) {
		held.arguments = held.text;
		held.text = (struct bytes){ NULL, 0 };
	}
	if (part_add(s, held))
		return -1;
	held = s->parts[s->nparts - 1];
	memmove(s->parts + first + 1, s->parts + first, (s->nparts - 1 - first) * sizeof *s->parts);
	s->parts[first] = held;
	return 0;
}

/* A text that ends in the first half of a pair waits for the other, which comes with the next event. */
static int hold_half(struct wire_stream *s, size_t first)
{
	for (size_t i = first; i < s->nparts && !bytes_set(s->held.text); i++) {
		struct bytes *text = text_in(&s->parts[i]), id;
		const unsigned char *end;

		if (text->n < 3) /* or without one: a detail of a kind that nobody knows */
			continue;
		end = (const unsigned char *)text->p + text->n;
		if (end[-3] != 0xed || end[-2] < 0xa0 || end[-2] > 0xaf)
			continue;
		id = arena_dup(s->arena, s->parts[i].id);
		if (!bytes_set(id))
			return -1;
		memcpy(s->half, end - 3, 3);
		s->held = (struct part){ .type = s->parts[i].type,
					 .choice = s->choice,
					 .id = id,
					 .text = { s->half, 3 },
					 .custom = s->parts[i].custom,
					 .index = s->parts[i].index };
		text->n -= 3;
	}
	return 0;
}

/* The choices of an event that are read. */
struct choices {
	struct shape_choice at[CHOICES_MAX];
	size_t n;
};

/* What the client gets of an event that is no chunk as its reader expects one. */
static int mend(struct wire_stream *s, yyjson_val *root, const struct choices *own,
		struct delta *out)
{
	struct buf text;
	struct pen p = { .b = &text };

	buf_init(&text, SSE_MAX_EVENT * 2);
	shape_mend_chunk(&p, root, own->at, own->n);
	if (!pen_done(&p))
		out->mended = arena_dup(&s->scratch, buf_bytes(&text));
	buf_deinit(&text);
	return bytes_set(out->mended) ? 0 : -1;
}

/* An event of another kind among the chunks, such as a ping: left out, counted and told. */
static bool is_no_chunk(yyjson_val *root)
{
	yyjson_val *choices = json_get(root, "choices");

	return !yyjson_is_arr(choices) && !(choices && yyjson_is_null(choices));
}

/* The first choice of index 0, or of none. Others only a pass-through shows. */
static yyjson_val *own_choice(yyjson_val *choices)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(choices);
	yyjson_val *one;
	uint64_t index;

	while ((one = yyjson_arr_iter_next(&it)))
		if (yyjson_is_obj(one) && (!json_u64(json_get(one, "index"), &index) || index == 0))
			return one;
	return NULL;
}

/* Those that were asked for, each once. */
static void find_choices(const struct wire_stream *s, yyjson_val *list, struct choices *own)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	/* of a single one nobody asks the index, where it is not passed on */
	yyjson_val *one = s->n > 1      ? NULL
			  : s->forwards ? own_choice(list)
					: openai_chat_first_object(list);
	unsigned seen = 0;
	size_t place = 0;

	if (one)
		own->at[own->n++] = (struct shape_choice){ .json = one };
	while (s->n > 1 && (one = yyjson_arr_iter_next(&it))) {
		uint64_t index = yyjson_is_obj(one) ? shape_index(one, place++) : s->n;

		if (index >= s->n || seen & 1u << index)
			continue;
		seen |= 1u << index;
		own->at[own->n++] = (struct shape_choice){ .json = one, .index = (unsigned)index };
	}
}

static int read_choices(struct wire_stream *s, struct choices *own, struct delta *out)
{
	for (size_t i = 0; i < own->n; i++) {
		int bad;

		s->choice = own->at[i].index;
		own->at[i].first = s->nparts;
		bad = read_choice(s, own->at[i].json, out);
		if (bad != 0)
			return bad;
		if (release_half(s, own->at[i].first) ||
		    (delta_finish(out, s->choice) == FINISH_UNSET &&
		     hold_half(s, own->at[i].first)))
			return -1;
		own->at[i].nparts = s->nparts - own->at[i].first;
	}
	for (size_t i = 0; i < own->n; i++)
		own->at[i].parts = own->at[i].nparts ? s->parts + own->at[i].first : NULL;
	return 0;
}

static int read_document(struct wire_stream *s, yyjson_val *root, struct delta *out)
{
	yyjson_val *choices = json_get(root, "choices"), *err = json_get(root, "error");
	size_t n = yyjson_arr_size(choices);
	struct choices own = { .n = 0 };
	int bad;

	if (is_error(err))
		return upstream_error(s, err, out);
	if (is_no_chunk(root)) {
		s->unknown++;
		return 0;
	}
	if (n > s->n && !s->forwards) {
		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "Response has invalid number of choices: %zu. Expected 1.", n);
		return error_delta(s, false, out);
	}
	find_choices(s, choices, &own);
	bad = read_choices(s, &own, out);
	if (bad != 0 || read_usage(s, root, out))
		return bad > 0 ? bad : -1;
	if (own.n == 0 && release_half(s, s->nparts))
		return -1;
	out->parts = s->parts;
	out->len = s->nparts;
	out->provider_id = json_str(json_get(root, "id"));
	out->provider_model = json_str(json_get(root, "model"));
	out->service_tier = json_str(json_get(root, "service_tier"));
	out->system_fingerprint = json_str(json_get(root, "system_fingerprint"));
	out->forward = s->forwards;
	s->begun = s->begun || delta_has_content(out);
	if (s->forwards && (s->mend || !shape_is_chunk(root)) && mend(s, root, &own, out))
		return -1;
	return 1;
}

/* "event: error" with a text that is not JSON. */
static int error_event(struct wire_stream *s, struct bytes text, struct delta *out)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "%.*s",
		  BFMT(bytes_slice(text, 0, 4096)));
	return error_delta(s, true, out);
}

/* What an event says depends on others, or stands in it twice. */
static bool is_by_turns(const struct wire_stream *s)
{
	return s->dialect->chat.tagged || s->dialect->chat.details;
}

int openai_chat_read_event(struct wire_stream *s, const struct sse_event *e, struct delta *out)
{
	bool error = bytes_eq(e->event, B("error"));
	yyjson_val *root, *inner;
	int n;

	if (!error && s->cparts > 0 && !bytes_set(s->held.text) && !is_by_turns(s) &&
	    alike_read(&s->alike, e->data, s->parts, out))
		return 1;

	if (bytes_eq(e->data, B("[DONE]"))) {
		s->events = s->finished = true;
		return 2;
	}
	if (e->data.n == 0 || *e->data.p == ':')
		return 0; /* a badly sent comment */
	event_begin(s, e->data, out);
	root = parse_event(s, e->data);
	if (!root && error_last()->kind != ERR_JSON_REQUEST && error_last()->kind != ERR_TOO_LARGE)
		return -1;
	if (error) {
		inner = json_get(root, "error");
		if (root)
			return upstream_error(s, inner ? inner : root, out);
		return error_event(s, e->data, out);
	}
	if (!root)
		return bad_event(s, error_last()->message, out);
	n = read_document(s, root, out);
	if (n == 1 && !bytes_set(out->mended) && !is_by_turns(s))
		alike_learn(&s->alike, e->data, out, s->arena);
	return n;
}

uint64_t openai_chat_unknown_events(const struct wire_stream *s)
{
	return s->unknown;
}

/* What a stream has held back that ended without a finish reason. */
static int rest_of_tags(struct wire_stream *s, struct delta *out)
{
	event_begin(s, B(""), out);
	for (s->choice = 0; s->choice < s->n; s->choice++)
		if (tags_end(s))
			return -1;
	out->parts = s->parts;
	out->len = s->nparts;
	return s->nparts > 0;
}

int openai_chat_read_end(struct wire_stream *s, struct delta *out)
{
	if (s->finished && s->dialect->chat.tagged)
		return rest_of_tags(s, out);
	if (s->finished || !s->events) /* a stream without any event is the caller's to name */
		return 0;
	event_begin(s, B(""), out);
	wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type, "Stream ended without finish reason");
	return error_delta(s, true, out);
}
