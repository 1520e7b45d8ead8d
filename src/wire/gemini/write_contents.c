/*
 * Messages -> `contents` (providers-others §9.3). Spelling inside of parts is mixed as in TensorZero (thoughtSignature beside
 * function_call): users' extra_body pointers name it, the API takes both.
 *
 * Neighbours of one role are one content. In a user's, results of calls come first, in the order of the calls, since the
 * API wants one for each call right behind them; what files they have follows. In a model's, a thought that is a
 * signature alone is no part: it goes onto the part behind it, which is where the API gave it. A history of calls that
 * another provider made has none; the API refuses that, unless the first call of each turn says so in its stead.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/map.h"
#include "wire/call_ids.h"
#include "wire/gemini/write.h"

#define NO_SIGNATURE      B("skip_thought_signature_validator") /* the API's documented word for none */
#define RESULT_PARTS_FROM 30       /* the first generation that takes files inside of a result */
#define NO_CALL           SIZE_MAX /* of a result whose call nobody made: it comes last */

/* One content while it is written: it is there with its first part. */
struct content {
	struct gemini_out *o;
	enum role role;
	bool any;
	struct bytes pending; /* a signature that waits for the next part */
	bool unsigned_call;   /* the next call gets NO_SIGNATURE */
};

/* A call of the conversation, by its id. */
struct known_call {
	const struct block *call;
	size_t place;
};

struct calls {
	struct map by_id;
	size_t len;
};

static void part_begin(struct content *c)
{
	struct pen *p = &c->o->pen;

	if (!c->any) {
		pen_item(p);
		pen_bytes(p, c->role == ROLE_USER ? B("{\"role\":\"user\",\"parts\":[")
						  : B("{\"role\":\"model\",\"parts\":["));
		p->comma = false;
	}
	c->any = true;
	pen_item(p);
	pen_open(p, '{');
}

static void part_end(struct content *c)
{
	pen_close(&c->o->pen, '}');
}

static void content_end(struct content *c)
{
	if (c->any)
		pen_lit(&c->o->pen, "]}");
}

/* ---- signatures ---- */

static bool is_seal(const struct block *b)
{
	return b->type == BLOCK_THOUGHT && !bytes_set(b->text) && b->signature.n;
}

static void put_pending(struct content *c)
{
	pen_set(&c->o->pen, "thoughtSignature", c->pending);
	c->pending = (struct bytes){ NULL, 0 };
}

/* What nothing follows is a part of its own. */
static void flush_pending(struct content *c)
{
	if (!bytes_set(c->pending))
		return;
	part_begin(c);
	put_pending(c);
	pen_text(&c->o->pen, "text", B(""));
	part_end(c);
}

/* Whether its signature is that of the call behind it: a chat client's stream has both in one thought. */
static bool leads_call(const struct message *m, size_t i)
{
	return m->content[i].type == BLOCK_THOUGHT && m->content[i].signature.n && i + 1 < m->len &&
	       m->content[i + 1].type == BLOCK_TOOL_CALL;
}

static void put_thought(struct content *c, const struct block *b, bool leads)
{
	if (is_seal(b) || leads) {
		flush_pending(c);
		c->pending = b->signature;
		return;
	}
	if (!bytes_set(b->text))
		return;
	if (b->signature.n) {
		flush_pending(c);
		c->pending = b->signature;
	}
	part_begin(c);
	pen_json(&c->o->pen, "thought", B("true"));
	put_pending(c);
	pen_text(&c->o->pen, "text", b->text);
	part_end(c);
}

/* ---- the other blocks ---- */

static void put_text(struct content *c, struct bytes text)
{
	if (!text.n && !bytes_set(c->pending))
		return;
	part_begin(c);
	put_pending(c);
	pen_text(&c->o->pen, "text", bytes_set(text) ? text : B(""));
	part_end(c);
}

bool gemini_takes_url(const struct file *f)
{
	return bytes_starts(f->url, B("gs://")) ||
	       bytes_starts(f->url, B("https://generativelanguage.googleapis.com/v1beta/files/"));
}

static int put_file_data(struct pen *p, const struct file *f)
{
	if (bytes_set(f->data)) {
		pen_key(p, "inline_data");
		pen_open(p, '{');
		pen_text(p, "mime_type", f->mime_type);
		pen_text(p, "data", f->data);
	} else if (gemini_takes_url(f)) {
		pen_key(p, "file_data");
		pen_open(p, '{');
		pen_set(p, "mime_type", f->mime_type);
		pen_text(p, "file_uri", f->url);
	} else { /* upstream/files.c comes before */
		return fail(ERR_BAD_FILE_FETCH, "Error fetching file from %.*s: it was not fetched",
			    BFMT(f->url));
	}
	pen_close(p, '}');
	return 0;
}

static int put_file(struct content *c, const struct file *f)
{
	part_begin(c);
	put_pending(c);
	if (put_file_data(&c->o->pen, f))
		return -1;
	part_end(c);
	return 0;
}

/* As it came from the API, with the signature that belongs to it. */
static void put_unknown(struct content *c, struct bytes data)
{
	struct pen *p = &c->o->pen;
	bool object = bytes_starts(data, B("{"));
	struct json_member m;

	if (!object)
		flush_pending(c);
	else if (json_find_member(data, B("thoughtSignature"), &m))
		c->pending = (struct bytes){ NULL, 0 };
	part_begin(c);
	if (object && bytes_set(c->pending)) {
		put_pending(c);
		data = bytes_slice(data, 1, data.n);
		pen_bytes(p, bytes_starts(bytes_trim(data), B("}")) ? B("") : B(","));
	} else {
		p->b->len--; /* the data has a bracket of its own, or needs none */
	}
	pen_bytes(p, data);
	p->comma = true;
}

/* ---- calls ---- */

/*
 * Only an id that the API itself gave goes back to it. It has no mark of its own; but what other APIs and this gateway
 * make is known by its look: a UUID, or one of these beginnings.
 */
static bool is_own_id(struct bytes id)
{
	static const struct bytes others[] = { B("call_"),     B("toolu_"),         B("tooluse_"),
					       B("fc_"),       B("chatcmpl-tool-"), B("srvtoolu_"),
					       B("functions.") };
	struct uuid uuid;

	for (size_t i = 0; i < COUNT(others); i++)
		if (bytes_starts(id, others[i]))
			return false;
	return id.n && !uuid_parse(id, &uuid);
}

static void put_id(struct pen *p, struct bytes id)
{
	if (is_own_id(id))
		pen_text(p, "id", id);
}

static int bad_arguments(const struct gemini_out *o, struct bytes why)
{
	if (!bytes_set(why))
		return wire_fail(ERR_INFERENCE_CLIENT, 400, o->dialect->type,
				 "Tool call arguments must be a JSON object");
	return wire_fail(ERR_INFERENCE_CLIENT, 400, o->dialect->type,
			 "Error parsing tool call arguments as JSON Value: %.*s", BFMT(why));
}

static int put_arguments(struct gemini_out *o, const struct block *b)
{
	struct bytes text = b->arguments, why;
	yyjson_val *v;

	if (b->custom) { /* free text, as the tool's only argument */
		pen_lit(&o->pen, "{\"input\":");
		pen_string(&o->pen, text);
		pen_lit(&o->pen, "}");
		return 0;
	}
	if (!bytes_trim(text).n) {
		pen_lit(&o->pen, "{}");
		return 0;
	}
	v = json_parse(text, &o->scratch);
	if (!v) {
		why = arena_dup(&o->scratch, error_last()->message);
		return bad_arguments(o, bytes_set(why) ? why : B("out of memory"));
	}
	if (!yyjson_is_obj(v))
		return bad_arguments(o, (struct bytes){ NULL, 0 });
	return json_compact(text, o->pen.b);
}

static int put_call(struct content *c, const struct block *b)
{
	struct pen *p = &c->o->pen;

	if (!bytes_set(c->pending) && c->unsigned_call)
		c->pending = NO_SIGNATURE;
	c->unsigned_call = false;
	part_begin(c);
	put_pending(c);
	pen_key(p, "function_call");
	pen_open(p, '{');
	put_id(p, b->id);
	pen_key(p, "name");
	gemini_put_name(c->o, b->name);
	pen_key(p, "args");
	if (put_arguments(c->o, b))
		return -1;
	pen_close(p, '}');
	part_end(c);
	return 0;
}

/* ---- results ---- */

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT;
}

static void put_result_text(struct pen *p, const struct block *b)
{
	bool any = false, first = true;

	if (b->is_error && !bytes_istarts(b->text, B("Error: ")))
		pen_more(p, B("Error: "), &any);
	if (bytes_set(b->text) || !b->parts) {
		pen_more(p, bytes_set(b->text) ? b->text : B(""), &any);
		return;
	}
	for (size_t i = 0; i < b->nparts; i++) {
		if (!is_text(&b->parts[i]))
			continue;
		if (!first)
			pen_more(p, B("\n"), &any);
		pen_more(p, b->parts[i].text, &any);
		first = false;
	}
	if (!any)
		pen_lit(p, "\"\"");
}

static int put_result_files(struct gemini_out *o, const struct block *b)
{
	bool any = false;

	for (size_t i = 0; i < b->nparts; i++) {
		if (b->parts[i].type != BLOCK_FILE)
			continue;
		pen_list_item(&o->pen, "parts", &any);
		pen_open(&o->pen, '{');
		if (put_file_data(&o->pen, b->parts[i].file))
			return -1;
		pen_close(&o->pen, '}');
	}
	pen_list_end(&o->pen, any);
	return 0;
}

static int put_result(struct content *c, const struct block *b, struct bytes name)
{
	struct pen *p = &c->o->pen;

	part_begin(c);
	pen_key(p, "function_response");
	pen_open(p, '{');
	put_id(p, b->id);
	pen_key(p, "name");
	gemini_put_name(c->o, name);
	pen_key(p, "response");
	pen_lit(p, "{\"name\":");
	gemini_put_name(c->o, name);
	pen_lit(p, ",\"content\":");
	put_result_text(p, b);
	pen_close(p, '}');
	if (c->o->generation >= RESULT_PARTS_FROM && put_result_files(c->o, b))
		return -1;
	pen_close(p, '}');
	part_end(c);
	return 0;
}

struct placed {
	size_t place, order;
	const struct block *result;
	struct bytes name;
};

static int compare_placed(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static struct placed placed_of(const struct calls *calls, const struct block *b, size_t order)
{
	const struct known_call *known = map_get(&calls->by_id, b->id);
	struct bytes name = b->name;

	if (!name.n && known)
		name = known->call->name;
	return (struct placed){ known ? known->place : NO_CALL, order, b, name.n ? name : b->id };
}

/* The results of these messages, then their files if they are not in them. */
static int put_results(struct content *c, const struct message *m, size_t n,
		       const struct calls *calls)
{
	struct placed *results = NULL;
	size_t len = 0, cap = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m[i].len; j++) {
			struct placed one = placed_of(calls, &m[i].content[j], len);

			if (one.result->type == BLOCK_TOOL_RESULT &&
			    !arena_push(&c->o->scratch, results, len, cap, one))
				return -1;
		}
	if (len)
		qsort(results, len, sizeof *results, compare_placed);
	for (size_t i = 0; i < len; i++)
		if (put_result(c, results[i].result, results[i].name))
			return -1;
	for (size_t i = 0; c->o->generation < RESULT_PARTS_FROM && i < len; i++) {
		const struct block *b = results[i].result;

		for (size_t j = 0; j < b->nparts; j++)
			if (b->parts[j].type == BLOCK_FILE && put_file(c, b->parts[j].file))
				return -1;
	}
	return 0;
}

/* ---- contents ---- */

static int put_block(struct content *c, const struct message *m, size_t i)
{
	const struct block *b = &m->content[i];

	switch (b->type) {
	case BLOCK_TEXT:
	case BLOCK_RAW_TEXT:
	case BLOCK_REFUSAL: put_text(c, b->text); return 0;
	case BLOCK_THOUGHT: put_thought(c, b, leads_call(m, i)); return 0;
	case BLOCK_TOOL_CALL: return put_call(c, b);
	case BLOCK_FILE: return put_file(c, b->file);
	case BLOCK_UNKNOWN: put_unknown(c, b->text); return 0;
	case BLOCK_TOOL_RESULT: /* they stand in front already */
	case BLOCK_AUDIO:
	case BLOCK_TEMPLATE: break;
	}
	return 0;
}

/* Whether one of the calls bears a signature. */
static bool has_signed_call(const struct message *m, size_t n)
{
	bool pending = false;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m[i].len; j++) {
			const struct block *b = &m[i].content[j];

			if (b->type == BLOCK_TOOL_CALL && pending)
				return true;
			pending = is_seal(b) || leads_call(&m[i], j) ||
				  (pending && b->type == BLOCK_THOUGHT && !bytes_set(b->text));
		}
	return false;
}

static int note_calls(struct gemini_out *o, struct calls *calls, const struct message *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m[i].len; j++) {
			struct known_call *known;

			if (m[i].content[j].type != BLOCK_TOOL_CALL)
				continue;
			known = arena_new(&o->scratch, struct known_call);
			if (!known)
				return -1;
			*known = (struct known_call){ &m[i].content[j], calls->len++ };
			if (map_put(&calls->by_id, known->call->id, known))
				return -1;
		}
	return 0;
}

/* Models of that family have no signatures at all. */
static bool takes_signatures(struct bytes model)
{
	return !bytes_istarts(model, B("gemma"));
}

static int put_content(struct gemini_out *o, const struct message *m, size_t n, struct calls *calls)
{
	struct content c = { .o = o,
			     .role = m->role,
			     .unsigned_call = takes_signatures(o->dialect->model) &&
					      !has_signed_call(m, n) };

	if (note_calls(o, calls, m, n) || put_results(&c, m, n, calls))
		return -1;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m[i].len; j++)
			if (put_block(&c, &m[i], j))
				return -1;
	flush_pending(&c);
	content_end(&c);
	return 0;
}

int gemini_put_contents(struct gemini_out *o)
{
	const struct inference *inf = o->inf;
	struct calls calls = { .len = 0 };
	int r = 0;

	map_init(&calls.by_id);
	pen_open(&o->pen, '[');
	for (size_t i = 0, n; i < inf->nmessages && !r; i += n) {
		for (n = 1;
		     i + n < inf->nmessages && inf->messages[i + n].role == inf->messages[i].role;)
			n++;
		r = put_content(o, &inf->messages[i], n, &calls);
	}
	pen_close(&o->pen, ']');
	map_deinit(&calls.by_id);
	return r;
}
