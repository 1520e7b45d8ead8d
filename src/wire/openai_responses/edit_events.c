/*
 * An upstream's own response and its own events, edited (surfaces §1.6, §4.7): they go out as they came, but for what is the
 * gateway's (`id`, `model`, `store`, `previous_response_id`) and encrypted reasoning that only the record wants. Items that are
 * done are kept: upstreams that store nothing end with an empty output.
 */
#include "wire/openai_responses/write_events.h"

#include "base/json.h"
#include "wire/json_edit.h"

#define EVENT_MAX (32u << 20)

/* ---- items ---- */

void response_edit_item(struct pen *p, struct bytes item, bool sealed)
{
	struct json_member m;
	struct json_edit e;

	if (sealed || *item.p != '{' || !json_find_member(item, B("encrypted_content"), &m)) {
		pen_bytes(p, item);
		return;
	}
	edit_begin(&e, item, p);
	while (edit_next(&e, &m) > 0)
		if (!json_key_is(m.key, B("encrypted_content")))
			edit_keep(&e, &m);
	edit_end(&e);
}

static size_t elements(struct bytes list)
{
	struct bytes one;
	size_t pos = 0, n = 0;

	while (*list.p == '[' && json_next_element(list, &pos, &one) > 0)
		n++;
	return n;
}

static size_t items_in(struct bytes items)
{
	size_t depth = 0, n = items.n > 0;

	for (size_t i = 0; i < items.n; i++) {
		char c = items.p[i];

		if (c == '"')
			for (i++; i < items.n && items.p[i] != '"'; i++)
				i += items.p[i] == '\\';
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		else if (c == ',' && !depth)
			n++;
	}
	return n;
}

static void edit_output(struct pen *p, struct bytes list, struct bytes items, bool sealed)
{
	struct bytes one;
	size_t pos = 0;

	pen_open(p, '[');
	if (bytes_set(items) && elements(list) < items_in(items)) {
		pen_bytes(p, items);
	} else {
		while (*list.p == '[' && json_next_element(list, &pos, &one) > 0) {
			pen_item(p);
			response_edit_item(p, one, sealed);
		}
	}
	pen_close(p, ']');
}

/* ---- the object ---- */

static void put_id(struct pen *p, const struct answer *a)
{
	char hex[33];

	uuid_hex(a->inference_id, hex);
	pen_lit(p, "\"resp_");
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "\"");
}

int response_edit(struct pen *p, const struct answer *a, struct bytes object, struct bytes items,
		  bool sealed)
{
	const struct responses_request *req = responses_request_of(a);
	bool state = a->asked->inf.source_state;
	struct json_member m;
	struct json_edit e;
	int n;

	edit_begin(&e, object, p);
	while ((n = edit_next(&e, &m)) > 0) {
		if (json_key_is(m.key, B("id")) && !state) {
			edit_value(&e, &m);
			put_id(p, a);
		} else if (json_key_is(m.key, B("model"))) {
			edit_value(&e, &m);
			pen_string(p, a->model);
		} else if (json_key_is(m.key, B("store")) && !state) {
			edit_value(&e, &m);
			pen_bytes(p, req->kept ? B("true") : B("false"));
		} else if (json_key_is(m.key, B("previous_response_id")) && !state) {
			edit_value(&e, &m);
			pen_bytes(p, bytes_set(req->echo[ECHO_PREVIOUS]) ? req->echo[ECHO_PREVIOUS]
									 : B("null"));
		} else if (json_key_is(m.key, B("output")) && *m.value.p == '[') {
			edit_value(&e, &m);
			edit_output(p, m.value, items, sealed || (state && !bytes_set(items)));
		} else {
			edit_keep(&e, &m);
		}
	}
	edit_end(&e);
	return n || pen_done(p) ? -1 : 0;
}

/* ---- events ---- */

static struct bytes member_of(struct bytes object, struct bytes key)
{
	struct json_member m;

	return json_find_member(object, key, &m) ? m.value : (struct bytes){ NULL, 0 };
}

/* What stands between the quotes; types have no escapes. */
static struct bytes type_of(struct bytes event)
{
	struct bytes type = member_of(event, B("type"));

	return type.n > 1 && *type.p == '"' ? bytes_slice(type, 1, type.n - 2) : B("message");
}

static bool is_end(struct bytes type)
{
	return bytes_eq(type, B("response.completed")) ||
	       bytes_eq(type, B("response.incomplete")) || bytes_eq(type, B("response.failed"));
}

static int keep_object(struct wire_writer *w, struct bytes object)
{
	struct pen p = { .b = &w->kept };

	return w->req->kept && object.n && *object.p == '{'
		       ? response_edit(&p, w->a, object, buf_bytes(&w->sealed), true)
		       : 0;
}

static void remember(struct wire_writer *w, struct pen *p, struct bytes item)
{
	struct pen shown = { .b = &w->shown }, sealed = { .b = &w->sealed };

	if (w->shown.len)
		pen_lit(&shown, ",");
	response_edit_item(&shown, item, w->req->wants_encrypted);
	if (w->req->kept) {
		if (w->sealed.len)
			pen_lit(&sealed, ",");
		pen_bytes(&sealed, item);
	}
	p->failed |= shown.failed | sealed.failed;
}

static int edit_members(struct wire_writer *w, struct pen *p, struct bytes event, struct bytes type)
{
	bool end = is_end(type), item_done = bytes_eq(type, B("response.output_item.done"));
	bool sealed = w->req->wants_encrypted;
	struct json_member m;
	struct json_edit e;
	uint64_t seq;
	int n;

	edit_begin(&e, event, p);
	while ((n = edit_next(&e, &m)) > 0) {
		if (json_key_is(m.key, B("sequence_number")) && bytes_to_u64(m.value, &seq))
			w->seq = seq + 1;
		if (json_key_is(m.key, B("response")) && *m.value.p == '{') {
			edit_value(&e, &m);
			if (response_edit(p, w->a, m.value,
					  end ? buf_bytes(&w->shown) : (struct bytes){ NULL, 0 },
					  sealed) ||
			    (end && keep_object(w, m.value)))
				return -1;
		} else if (json_key_is(m.key, B("item"))) {
			edit_value(&e, &m);
			response_edit_item(p, m.value, sealed);
			if (item_done)
				remember(w, p, m.value);
		} else if (json_key_is(m.key, B("type"))) {
			edit_value(&e, &m);
			pen_lit(p, "\"");
			pen_bytes(p, type);
			pen_lit(p, "\"");
		} else {
			edit_keep(&e, &m);
		}
	}
	edit_end(&e);
	return n;
}

static int pass_line(struct wire_writer *w, struct pen *p, struct bytes event)
{
	struct bytes type = type_of(event);

	if (bytes_eq(type, B("response.done")))
		type = B("response.completed");
	pen_lit(p, "event: ");
	pen_bytes(p, type);
	pen_lit(p, "\ndata: ");
	w->begun = true;
	if (edit_members(w, p, event, type))
		return -1;
	pen_lit(p, "\n\n");
	w->over |= is_end(type);
	return pen_done(p);
}

/* An event whose data came in several lines goes out in one. */
static int pass(struct wire_writer *w, struct pen *p, struct bytes event)
{
	struct buf line;
	int bad;

	if (bytes_chr(event, '\n') < 0 && bytes_chr(event, '\r') < 0)
		return pass_line(w, p, event);
	buf_init(&line, EVENT_MAX);
	bad = json_compact(event, &line) || pass_line(w, p, buf_bytes(&line));
	buf_deinit(&line);
	return bad ? -1 : 0;
}

int responses_pass_event(struct wire_writer *w, struct pen *p, const struct delta *d)
{
	return pass(w, p, d->raw);
}

bool responses_pass_error(struct wire_writer *w, struct pen *p, const struct error *e)
{
	struct bytes event = e->upstream_body;
	struct arena scratch;
	bool is_event;

	if (!event.n || *event.p != '{')
		return false;
	arena_init(&scratch, 8 * EVENT_MAX);
	is_event = yyjson_is_obj(json_parse(event, &scratch));
	arena_deinit(&scratch);
	if (!is_event)
		return false;
	if (bytes_eq(type_of(event), B("response.failed")))
		return pass(w, p, event) == 0 && w->over;
	if (bytes_eq(type_of(event), B("error")))
		p->failed |= pass(w, p, event) != 0;
	return false;
}
