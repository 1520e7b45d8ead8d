/*
 * Answers that are kept (surfaces §4.5): a row of the record beside those of the inference, written with them, before the last event
 * leaves. A later request that names one gets its items, and those before it, in front of its own: whatever provider answers
 * then sees the whole conversation, in its own format.
 */
#include "api/responses.h"

#include <inttypes.h>

#include "api/api.h"
#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"
#include "base/time.h"
#include "store/columns.h"
#include "wire/json_edit.h"
#include "wire/openai_responses/openai_responses.h"

#define LINKS_MAX 64
#define CHAIN_MAX (32u << 20)
#define BODY_MAX  (192u << 20)
#define ID_HEX    32

/* ---- finding ---- */

struct chain {
	struct exchange *x;
	struct bytes id;                    /* where it begins */
	struct kept_response at[LINKS_MAX]; /* the newest first */
	size_t len, bytes;
	bool broken, too_long; /* a link is missing; there are too many */
};

/* Whether it may be seen by who asks. */
static bool is_mine(const struct exchange *x, const struct kept_response *r)
{
	if (r->expires && r->expires < (int64_t)(clock_unix_ms() / 1000))
		return false;
	return !bytes_set(x->key_public_id) || bytes_eq(r->key, x->key_public_id);
}

static int find_chain(struct reader *reader, void *arg)
{
	struct chain *c = arg;
	struct bytes id = c->id;

	while (id.n && !c->broken && !c->too_long) {
		struct kept_response *r = &c->at[c->len];
		int found;

		c->too_long = c->len == LINKS_MAX || c->bytes > CHAIN_MAX;
		if (c->too_long)
			break;
		found = read_response(reader, id, r, c->x->arena);
		if (found < 0)
			return -1;
		c->broken = !found || !is_mine(c->x, r);
		if (c->broken)
			break;
		c->bytes += r->input.n + r->object.n;
		c->len++;
		id = r->previous;
	}
	return 0;
}

static int find_one(struct reader *reader, void *arg)
{
	struct chain *c = arg;
	int found = read_response(reader, c->id, c->at, c->x->arena);

	c->len = found > 0 && is_mine(c->x, c->at);
	return found < 0 ? -1 : 0;
}

static int look(struct chain *c, read_fn *fn)
{
	struct app *app = api_app(c->x);

	if (!app->reads || reads_answers_only(app->reads)) {
		c->broken = true;
		return 0;
	}
	return reads_run(app->reads, READ_CHART_MS, fn, c, c->x->arena);
}

/* ---- a request that goes on ---- */

static int no_previous(struct bytes id)
{
	return fail_param(ERR_INVALID_OPENAI_REQUEST, B("previous_response_id"),
			  "previous_response_not_found",
			  "Previous response with id '%.*s' not found.", BFMT(id));
}

/* An element of what stands in a kept object's `output`, or in an input. */
static void put_items(struct pen *p, struct bytes list, size_t *n)
{
	struct bytes one;
	size_t pos = 0;

	while (list.n && *list.p == '[' && json_next_element(list, &pos, &one) > 0) {
		pen_item(p);
		pen_bytes(p, one);
		++*n;
	}
}

static struct bytes output_of(const struct kept_response *r)
{
	struct json_member m;

	return r->object.n && *r->object.p == '{' && json_find_member(r->object, B("output"), &m)
		       ? m.value
		       : (struct bytes){ NULL, 0 };
}

/* "msg_0197…_2" names the answer that it is of. Unset: it does not. */
static struct bytes response_of_item(struct bytes id, struct arena *a)
{
	ptrdiff_t from = bytes_chr(id, '_');
	struct bytes hex =
		from < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(id, (size_t)from + 1, ID_HEX);

	if (hex.n != ID_HEX)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < hex.n; i++)
		if (hex_digit(hex.p[i]) < 0)
			return (struct bytes){ NULL, 0 };
	return arena_cat(a, B("resp_"), hex);
}

static bool has_id(struct bytes item, struct bytes id, struct arena *a)
{
	struct json_member m;
	struct buf text;
	bool same;

	(void)a;
	if (*item.p != '{' || !json_find_member(item, B("id"), &m))
		return false;
	buf_init(&text, CHAIN_MAX);
	same = bytes_eq(json_span_string(m.value, &text), id);
	buf_deinit(&text);
	return same;
}

static struct bytes item_in(struct bytes list, struct bytes id, struct arena *a)
{
	struct bytes one;
	size_t pos = 0;

	while (list.n && *list.p == '[' && json_next_element(list, &pos, &one) > 0)
		if (has_id(one, id, a))
			return one;
	return (struct bytes){ NULL, 0 };
}

/* What a reference stands for, in the chain or in the answer that its id names. Unset: nothing. */
static struct bytes resolve(const struct chain *c, struct bytes id)
{
	struct arena *a = c->x->arena;
	struct chain *one = arena_new(a, struct chain);
	struct bytes item = { NULL, 0 };

	for (size_t i = 0; i < c->len && !bytes_set(item); i++) {
		item = item_in(output_of(&c->at[i]), id, a);
		if (!bytes_set(item))
			item = item_in(c->at[i].input, id, a);
	}
	if (bytes_set(item) || !one)
		return item;
	one->x = c->x;
	one->id = response_of_item(id, a);
	if (!bytes_set(one->id) || look(one, find_one) || !one->len)
		return item;
	return item_in(output_of(one->at), id, a);
}

/* The request's own items, with what references stand for; one that stands for nothing is told by the reader. */
static void put_own(struct pen *p, const struct chain *c, yyjson_val *input)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(input);
	yyjson_val *item;

	if (yyjson_is_str(input)) {
		pen_item(p);
		pen_lit(p,
			"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":");
		pen_string(p, json_str(input));
		pen_lit(p, "}]}");
		p->comma = true;
		return;
	}
	while ((item = yyjson_arr_iter_next(&it))) {
		struct bytes meant = { NULL, 0 };

		if (bytes_eq(json_str(json_get(item, "type")), B("item_reference")))
			meant = resolve(c, json_str(json_get(item, "id")));
		pen_item(p);
		if (bytes_set(meant))
			pen_bytes(p, meant);
		else
			p->failed |= json_print(item, p->b) != 0;
	}
}

static void put_input(struct pen *p, const struct chain *c, yyjson_val *input, size_t *earlier)
{
	pen_open(p, '[');
	for (size_t i = c->len; i-- > 0;) {
		put_items(p, c->at[i].input, earlier);
		put_items(p, output_of(&c->at[i]), earlier);
	}
	put_own(p, c, input);
	pen_close(p, ']');
}

static struct bytes with_chain(const struct chain *c, yyjson_val *root, struct bytes body,
			       size_t *earlier)
{
	struct bytes whole = { NULL, 0 };
	yyjson_val *input = json_get(root, "input");
	struct json_member m;
	struct json_edit e;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, BODY_MAX);
	edit_begin(&e, body, &p);
	while (edit_next(&e, &m) > 0) {
		if (json_key_is(m.key, B("input"))) {
			edit_value(&e, &m);
			put_input(&p, c, input, earlier);
		} else {
			edit_keep(&e, &m);
		}
	}
	if (!input) {
		edit_add(&e, B("\"input\":"));
		put_input(&p, c, NULL, earlier);
	}
	if (!json_get(root, "model") && c->len) {
		edit_add(&e, B("\"model\":"));
		pen_string(&p, c->at[0].model);
	}
	edit_end(&e);
	if (!pen_done(&p))
		whole = arena_adopt(c->x->arena, &out);
	buf_deinit(&out);
	return whole;
}

static int go_on(struct exchange *x, yyjson_val *root, struct bytes *body,
		 struct responses_state *state)
{
	struct bytes previous = json_str(json_get(root, "previous_response_id"));
	struct chain *c = arena_new(x->arena, struct chain);

	if (!c)
		return -1;
	c->x = x;
	c->id = previous;
	if (previous.n && look(c, find_chain))
		return -1;
	if (previous.n && c->broken)
		return no_previous(previous);
	if (c->too_long)
		return fail_param(
			ERR_INVALID_OPENAI_REQUEST, B("previous_response_id"), NULL,
			"The conversation has more than %d answers, or more than %u MiB (begin another one)",
			LINKS_MAX, CHAIN_MAX >> 20);
	*body = with_chain(c, root, *body, &state->earlier);
	return bytes_set(*body) ? 0 : -1;
}

int responses_begin(struct exchange *x, struct bytes *body, void **kept)
{
	const struct config *config = api_config(x);
	struct responses_state *state = arena_new(x->arena, struct responses_state);
	yyjson_val *root;

	if (!state)
		return -1;
	*kept = state;
	state->key = x->key_public_id;
	state->days = config->surfaces.responses_days;
	if (config->surfaces.responses_upstream_state ||
	    (bytes_find(*body, B("previous_response_id")) < 0 &&
	     bytes_find(*body, B("item_reference")) < 0))
		return 0;
	root = json_parse(*body, x->arena);
	if (!yyjson_is_obj(root) || yyjson_is_obj(json_get(root, "input")) ||
	    json_get(root, "conversation"))
		return 0; /* the reader finds what is wrong */
	return go_on(x, root, body, state);
}

/* ---- the row ---- */

static int object_of(const struct answer *a, const struct wire_writer *w, const struct result *r,
		     struct buf *out)
{
	if (!w)
		return openai_responses_write_kept(a, r, out);
	return buf_append(out, bytes_set(openai_responses_writer_kept(w))
				       ? openai_responses_writer_kept(w)
				       : B(""));
}

/* What the request itself brought. */
static void put_own_input(struct pen *p, const struct responses_request *req)
{
	const struct responses_state *state = req->caller;
	struct json_member m;
	struct bytes one;
	size_t pos = 0;

	pen_open(p, '[');
	if (json_find_member(req->chat.env.inf.source, B("input"), &m) && *m.value.p == '"') {
		pen_lit(p,
			"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":");
		pen_bytes(p, m.value);
		pen_lit(p, "}]}");
	} else if (bytes_set(m.value) && *m.value.p == '[') {
		for (size_t i = 0; json_next_element(m.value, &pos, &one) > 0; i++) {
			if (i < state->earlier)
				continue;
			pen_item(p);
			pen_bytes(p, one);
		}
	}
	pen_close(p, ']');
}

static void put_row(struct pen *p, const struct answer *a, struct bytes object)
{
	const struct responses_request *req = responses_request_of(a);
	const struct responses_state *state = req->caller;
	char id[5 + ID_HEX + 1] = "resp_";

	uuid_hex(a->inference_id, id + 5);
	pen_open(p, '{');
	pen_text(p, N_ID, bytes_of(id));
	pen_set(p, N_KEY, state->key);
	pen_number(p, N_CREATED, (uint64_t)a->created);
	pen_number(p, N_EXPIRES, (uint64_t)a->created + state->days * 86400);
	pen_json(p, N_PREVIOUS, req->echo[ECHO_PREVIOUS]);
	pen_text(p, N_ASKED, a->model);
	pen_key(p, N_INPUT);
	put_own_input(p, req);
	pen_json(p, N_OBJECT, object);
	pen_close(p, '}');
}

int responses_add_rows(const struct answer *a, const struct wire_writer *w, const struct result *r,
		       struct record *rec)
{
	struct buf object;
	struct pen p = { 0 };
	int bad = 0;

	if (!responses_request_of(a)->kept)
		return 0;
	buf_init(&object, 1u << 30);
	bad = object_of(a, w, r, &object);
	if (!bad && object.len) {
		p.b = record_open_part(rec, ROW_RESPONSE);
		if (p.b)
			put_row(&p, a, buf_bytes(&object));
		bad = !p.b || p.failed || record_close_part(rec);
	}
	buf_deinit(&object);
	return bad ? -1 : 0;
}

/* ---- asking for one ---- */

static void respond_not_found(struct exchange *x, struct bytes id)
{
	fail_param(ERR_ROUTE_NOT_FOUND, B("response_id"), NULL,
		   "Response with id '%.*s' not found.", BFMT(id));
	api_respond_error(x, write_openai_error, 404, B(""));
}

/* The kept answer of the path; NULL: an error was sent. */
static const struct kept_response *find_kept(struct exchange *x, struct bytes id)
{
	struct chain *c = arena_new(x->arena, struct chain);

	if (!c) {
		api_respond_error(x, write_openai_error, 503, B(""));
		return NULL;
	}
	c->x = x;
	c->id = id;
	if (look(c, find_one)) {
		api_respond_error(x, write_openai_error, 0, B(""));
		return NULL;
	}
	if (c->len)
		return c->at;
	respond_not_found(x, id);
	return NULL;
}

/* What stands behind `name` in the query. */
static struct bytes query(const struct exchange *x, struct bytes name)
{
	struct bytes rest = x->query;

	while (rest.n) {
		struct bytes value = bytes_cut(&rest, '&'), key = bytes_cut(&value, '=');

		if (bytes_eq(key, name))
			return value;
	}
	return (struct bytes){ NULL, 0 };
}

static void put_shown_output(struct pen *p, struct bytes list, bool sealed)
{
	struct bytes one;
	struct json_member m;
	struct json_edit e;
	size_t pos = 0;

	pen_open(p, '[');
	while (*list.p == '[' && json_next_element(list, &pos, &one) > 0) {
		pen_item(p);
		if (sealed || *one.p != '{' || !json_find_member(one, B("encrypted_content"), &m)) {
			pen_bytes(p, one);
			continue;
		}
		edit_begin(&e, one, p);
		while (edit_next(&e, &m) > 0)
			if (!json_key_is(m.key, B("encrypted_content")))
				edit_keep(&e, &m);
		edit_end(&e);
	}
	pen_close(p, ']');
}

static int put_shown(struct pen *p, struct bytes object, bool sealed)
{
	struct json_member m;
	struct json_edit e;

	edit_begin(&e, object, p);
	while (edit_next(&e, &m) > 0) {
		if (!json_key_is(m.key, B("output"))) {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		put_shown_output(p, m.value, sealed);
	}
	edit_end(&e);
	return pen_done(p);
}

/* Its events, made of what was kept. */
static void put_event(struct pen *p, uint64_t *n, uint64_t after, const char *type,
		      const char *member, struct bytes value, int64_t index)
{
	if (*n > after || after == UINT64_MAX) {
		pen_printf(p, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%" PRIu64,
			   type, type, *n);
		if (index >= 0)
			pen_printf(p, ",\"output_index\":%" PRId64, index);
		pen_printf(p, ",\"%s\":", member);
		pen_bytes(p, value);
		pen_lit(p, "}\n\n");
	}
	++*n;
}

static void put_events(struct pen *p, struct bytes object, uint64_t after)
{
	struct bytes one, status = { NULL, 0 }, output = { NULL, 0 };
	struct json_member m;
	uint64_t n = 0;
	size_t pos = 0;
	char end[40];

	if (json_find_member(object, B("status"), &m))
		status = m.value;
	if (json_find_member(object, B("output"), &m))
		output = m.value;
	put_event(p, &n, after, "response.created", "response", object, -1);
	put_event(p, &n, after, "response.in_progress", "response", object, -1);
	for (int64_t i = 0; output.n && json_next_element(output, &pos, &one) > 0; i++) {
		put_event(p, &n, after, "response.output_item.added", "item", one, i);
		put_event(p, &n, after, "response.output_item.done", "item", one, i);
	}
	snprintf(end, sizeof end, "response.%s",
		 bytes_eq(status, B("\"failed\""))       ? "failed"
		 : bytes_eq(status, B("\"incomplete\"")) ? "incomplete"
							 : "completed");
	put_event(p, &n, after, end, "response", object, -1);
}

static void respond_object(struct exchange *x, const struct kept_response *r)
{
	bool sealed = bytes_find(x->query, B("reasoning.encrypted_content")) >= 0;
	uint64_t after = UINT64_MAX;
	struct buf object, events;
	struct pen p = { .b = &object }, e = { .b = &events };

	buf_init(&object, 1u << 30);
	buf_init(&events, 1u << 30);
	if (put_shown(&p, r->object, sealed)) {
		api_respond_error(x, write_openai_error, 0, B(""));
	} else if (bytes_eq(query(x, B("stream")), B("true"))) {
		bytes_to_u64(query(x, B("starting_after")), &after);
		put_events(&e, buf_bytes(&object), after);
		exchange_respond(x, 200, B("text/event-stream"), buf_bytes(&events));
	} else {
		exchange_respond(x, 200, B("application/json"), buf_bytes(&object));
	}
	buf_deinit(&object);
	buf_deinit(&events);
}

/* ---- its input ---- */

/* An item has an id to be told by, also where the client gave none. */
static void put_listed(struct pen *p, struct bytes item, struct bytes id)
{
	struct json_member m;
	struct json_edit e;

	if (*item.p != '{' || json_find_member(item, B("id"), &m)) {
		pen_bytes(p, item);
		return;
	}
	edit_begin(&e, item, p);
	edit_add(&e, B("\"id\":"));
	pen_string(p, id);
	while (edit_next(&e, &m) > 0)
		edit_keep(&e, &m);
	edit_end(&e);
}

struct listed {
	struct bytes item, id;
};

static struct listed *list_input(const struct kept_response *r, size_t *n, struct arena *a)
{
	struct listed *at = NULL, one = { 0 };
	struct json_member m;
	size_t pos = 0, cap = 0;

	*n = 0;
	while (r->input.n && json_next_element(r->input, &pos, &one.item) > 0) {
		one.id = arena_printf(a, "in_%.*s_%zu", BFMT(bytes_slice(r->id, 5, ID_HEX)), *n);
		if (*one.item.p == '{' && json_find_member(one.item, B("id"), &m) &&
		    m.value.n > 2 && *m.value.p == '"')
			one.id = bytes_slice(m.value, 1, m.value.n - 2);
		if (!arena_push(a, at, *n, cap, one))
			return NULL;
	}
	return at;
}

static void respond_input(struct exchange *x, const struct kept_response *r)
{
	bool oldest_first = bytes_eq(query(x, B("order")), B("asc"));
	struct bytes after = query(x, B("after")), first = { NULL, 0 }, last = { NULL, 0 };
	uint64_t limit = 20, given = 0;
	size_t n, i = 0;
	struct listed *at = list_input(r, &n, x->arena);
	struct buf out;
	struct pen p = { .b = &out };

	bytes_to_u64(query(x, B("limit")), &limit);
	limit = limit < 1 ? 1 : limit > 100 ? 100 : limit;
	if (after.n) {
		while (i < n && !bytes_eq(at[oldest_first ? i : n - 1 - i].id, after))
			i++;
		i++;
	}
	buf_init(&out, 1u << 30);
	pen_lit(&p, "{\"object\":\"list\",\"data\":");
	pen_open(&p, '[');
	for (; i < n && given < limit; i++, given++) {
		const struct listed *one = &at[oldest_first ? i : n - 1 - i];

		if (!given)
			first = one->id;
		last = one->id;
		pen_item(&p);
		put_listed(&p, one->item, one->id);
	}
	pen_lit(&p, "],\"first_id\":");
	pen_string_or_null(&p, first);
	pen_lit(&p, ",\"last_id\":");
	pen_string_or_null(&p, last);
	pen_bytes(&p, i < n ? B(",\"has_more\":true}") : B(",\"has_more\":false}"));
	if (pen_done(&p))
		api_respond_error(x, write_openai_error, 0, B(""));
	else
		exchange_respond(x, 200, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

void api_response_get(struct exchange *x)
{
	static const struct bytes items = B("/input_items");
	struct bytes id = api_path_id(x);
	bool input = bytes_ends(id, items);
	const struct kept_response *r;

	if (input)
		id = bytes_slice(id, 0, id.n - items.n);
	r = find_kept(x, id);
	if (!r)
		return;
	if (input)
		respond_input(x, r);
	else
		respond_object(x, r);
}

/* ---- deleting ---- */

static int forget(struct exchange *x, const struct kept_response *r)
{
	struct record rec;
	struct pen p = { 0 };
	int bad;

	record_init(&rec);
	p.b = record_open_part(&rec, ROW_RESPONSE);
	if (p.b) {
		pen_open(&p, '{');
		pen_text(&p, N_ID, r->id);
		pen_close(&p, '}');
	}
	bad = !p.b || p.failed || record_close_part(&rec) ||
	      store_append(api_app(x)->store, &rec) != 0;
	record_deinit(&rec);
	return bad ? fail(ERR_BUSY, "The record has no room for it") : 0;
}

void api_response_delete(struct exchange *x)
{
	struct bytes id = api_path_id(x);
	const struct kept_response *r = find_kept(x, id);
	struct buf out;
	struct pen p = { .b = &out };

	if (!r)
		return;
	if (forget(x, r)) {
		api_respond_error(x, write_openai_error, 503, B(""));
		return;
	}
	buf_init(&out, 4096);
	pen_open(&p, '{');
	pen_text(&p, "id", r->id);
	pen_text(&p, "object", B("response"));
	pen_json(&p, "deleted", B("true"));
	pen_close(&p, '}');
	exchange_respond(x, 200, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}
