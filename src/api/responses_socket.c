/*
 * The Responses API's own WebSocket (GET /v1/responses with an upgrade): a message `response.create` a turn, whose members are those
 * of the POST, and its events as text messages.
 *
 * A turn is that POST, sent to this gateway itself: so it comes through the same door, with the caller's own headers, and is
 * recorded, limited and cancelled as any other. What a connection said last is remembered here, so that a turn may go on
 * from it by its id also where nothing is kept (`store: false`).
 */
#include "api/responses.h"

#include "api/api.h"
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"
#include "base/time.h"
#include "net/http_client.h"
#include "net/socket.h"
#include "net/sse.h"
#include "net/websocket.h"
#include "wire/json_edit.h"

#define MESSAGE_MAX (100u << 20)
#define TURN_MAX    (512u << 20) /* memory of one turn */
#define PING_MS     20000
#define LIFE_MS     3600000 /* of a connection: clients are made to begin anew */
#define OUT_MAX     (64u << 20)

struct talk {
	struct exchange *x;
	struct url url;
	struct ws_reader reader;
	struct bytes in; /* bytes that were read and not taken yet */
	char room[16384];
	struct buf out;
	struct buf id,
		said; /* of the last answer; its items and those before it, a comma between them */
	uint64_t until;
};

/* ---- frames ---- */

static int send_out(struct talk *t)
{
	int bad = t->out.len ? exchange_raw_write(t->x, buf_bytes(&t->out)) : 0;

	buf_reset(&t->out);
	return bad;
}

static void say_error(struct talk *t, int status, const char *code, const char *text)
{
	struct buf json;
	struct pen p = { .b = &json };

	buf_init(&json, 8192);
	pen_printf(
		&p,
		"{\"type\":\"error\",\"status\":%d,\"error\":{\"type\":\"invalid_request_error\",\"code\":",
		status);
	pen_string(&p, bytes_of(code));
	pen_lit(&p, ",\"message\":");
	pen_string(&p, bytes_of(text));
	pen_lit(&p, ",\"param\":null}}");
	ws_put(&t->out, WS_TEXT, buf_bytes(&json));
	buf_deinit(&json);
}

static int say_goodbye(struct talk *t, int code)
{
	ws_put_close(&t->out, code);
	send_out(t);
	return -1;
}

/* More bytes of the client, or a ping while it says nothing. -1: it has left, or its time is over. */
static int more(struct talk *t)
{
	ssize_t n;

	for (;;) {
		uint64_t now = clock_mono_ms();

		if (now >= t->until || exchange_draining(t->x))
			return say_goodbye(t, 1001);
		n = exchange_raw_read(t->x, t->room, sizeof t->room, now + PING_MS);
		if (n > 0) {
			t->in = (struct bytes){ t->room, (size_t)n };
			return 0;
		}
		if (n == 0 || error_last()->kind != ERR_DEADLINE ||
		    ws_put(&t->out, WS_PING, B("")) || send_out(t))
			return -1;
	}
}

/* The next message. -1: there is none. */
static int next_message(struct talk *t)
{
	for (;;) {
		switch (ws_take(&t->reader, &t->in)) {
		case WS_GOT_TEXT: return 0;
		case WS_GOT_PING:
			if (ws_put(&t->out, WS_PONG,
				   (struct bytes){ t->reader.control, t->reader.ncontrol }) ||
			    send_out(t))
				return -1;
			break;
		case WS_GOT_PONG: break;
		case WS_GOT_CLOSE: return say_goodbye(t, 1000);
		case WS_GOT_WRONG: return say_goodbye(t, t->reader.code);
		case WS_GOT_NOTHING:
			if (more(t))
				return -1;
		}
	}
}

/* ---- a turn's request ---- */

struct turn {
	struct talk *talk;
	struct arena arena;
	yyjson_val *root;
	struct bytes body;
	struct buf items; /* what it asks with, as `said` */
};

static bool goes_on_here(const struct turn *t)
{
	struct bytes previous = json_str(json_get(t->root, "previous_response_id"));

	return previous.n && bytes_eq(previous, buf_bytes(&t->talk->id));
}

static void put_own_items(struct pen *p, yyjson_val *input)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(input);
	yyjson_val *one;

	if (yyjson_is_str(input)) {
		pen_item(p);
		pen_lit(p,
			"{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":");
		pen_string(p, json_str(input));
		pen_lit(p, "}]}");
	}
	while ((one = yyjson_arr_iter_next(&it))) {
		pen_item(p);
		p->failed |= json_print(one, p->b) != 0;
	}
}

static int make_items(struct turn *t)
{
	struct pen p = { .b = &t->items };

	if (goes_on_here(t)) {
		pen_bytes(&p, buf_bytes(&t->talk->said));
		p.comma = t->talk->said.len > 0;
	}
	put_own_items(&p, json_get(t->root, "input"));
	return pen_done(&p);
}

/* The POST's body: all but what is the socket's own. */
static int make_body(struct turn *t, struct bytes message)
{
	bool here = goes_on_here(t);
	struct json_member m;
	struct json_edit e;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, 2 * MESSAGE_MAX);
	edit_begin(&e, message, &p);
	while (edit_next(&e, &m) > 0) {
		bool own = json_key_is(m.key, B("type")) || json_key_is(m.key, B("event_id")) ||
			   json_key_is(m.key, B("stream")) || json_key_is(m.key, B("generate")) ||
			   (here && (json_key_is(m.key, B("previous_response_id")) ||
				     json_key_is(m.key, B("input"))));

		if (!own)
			edit_keep(&e, &m);
	}
	if (here) {
		edit_add(&e, B("\"input\":"));
		pen_lit(&p, "[");
		pen_bytes(&p, buf_bytes(&t->items));
		pen_lit(&p, "]");
	}
	edit_add(&e, B("\"stream\":"));
	pen_lit(&p, "true");
	edit_end(&e);
	if (!pen_done(&p))
		t->body = arena_adopt(&t->arena, &out);
	buf_deinit(&out);
	return bytes_set(t->body) ? 0 : -1;
}

/* Those of the handshake that a POST has too. */
static bool passes_on(struct bytes name)
{
	static const struct bytes not [] = {
		B("host"),
		B("connection"),
		B("upgrade"),
		B("content-length"),
		B("content-type"),
		B("transfer-encoding"),
		B("accept-encoding"),
		B("accept"),
		B("keep-alive"),
		B("te"),
		B("expect"),
		B("proxy-connection"),
	};

	for (size_t i = 0; i < COUNT(not ); i++)
		if (bytes_ieq(name, not [i]))
			return false;
	return !bytes_istarts(name, B("sec-"));
}

static struct http_call *post(struct turn *t)
{
	const struct exchange *x = t->talk->x;
	struct worker *w = x->user;
	struct http_header *headers = arena_array(&t->arena, struct http_header, x->nheaders + 2);
	struct http_send s = { .url = &t->talk->url,
			       .method = B("POST"),
			       .headers = headers,
			       .body = t->body,
			       .fresh = true,
			       .once = true,
			       .head_deadline = TIME_NEVER,
			       .arena = &t->arena };

	if (!headers)
		return NULL;
	for (size_t i = 0; i < x->nheaders; i++)
		if (passes_on(x->headers[i].name))
			headers[s.nheaders++] = x->headers[i];
	headers[s.nheaders++] = (struct http_header){ B("content-type"), B("application/json") };
	headers[s.nheaders++] = (struct http_header){ B("accept"), B("text/event-stream") };
	return http_send(w->client, &s);
}

/* ---- its answer ---- */

/* What the connection remembers: the answer's id, and all items up to its end. */
static int remember(struct turn *t, struct bytes event)
{
	struct talk *talk = t->talk;
	struct bytes one, id = { NULL, 0 }, output = { NULL, 0 };
	struct json_member response, m;
	struct pen p = { .b = &talk->said };
	size_t pos = 0;

	if (!json_find_member(event, B("response"), &response) || *response.value.p != '{')
		return 0;
	if (json_find_member(response.value, B("id"), &m) && m.value.n > 2)
		id = bytes_slice(m.value, 1, m.value.n - 2);
	if (json_find_member(response.value, B("output"), &m))
		output = m.value;
	buf_reset(&talk->id);
	buf_reset(&talk->said);
	pen_bytes(&p, buf_bytes(&t->items));
	p.comma = t->items.len > 0;
	while (output.n && *output.p == '[' && json_next_element(output, &pos, &one) > 0) {
		pen_item(&p);
		pen_bytes(&p, one);
	}
	return pen_done(&p) || buf_append(&talk->id, id) ? -1 : 0;
}

static bool is_end(struct bytes event)
{
	static const struct bytes ends[] = { B("\"response.completed\""),
					     B("\"response.incomplete\"") };
	struct json_member m;

	if (!json_find_member(event, B("type"), &m))
		return false;
	for (size_t i = 0; i < COUNT(ends); i++)
		if (bytes_eq(m.value, ends[i]))
			return true;
	return false;
}

static int pass_events(struct turn *t, struct sse *sse)
{
	struct sse_event e;

	while (sse_next(sse, &e) == 1) {
		if (!e.data.n || *e.data.p != '{')
			continue;
		if (ws_put(&t->talk->out, WS_TEXT, e.data) ||
		    (is_end(e.data) && remember(t, e.data)))
			return -1;
	}
	return send_out(t->talk);
}

static int pass_stream(struct turn *t, struct http_call *call)
{
	struct bytes piece;
	struct sse sse;
	int r, bad = 0;

	sse_init(&sse, SSE_MAX_EVENT);
	while (!bad && (r = http_call_read(call, &piece)) == 1) {
		sse_feed(&sse, piece);
		bad = pass_events(t, &sse);
	}
	sse_deinit(&sse);
	return bad || r < 0 ? -1 : 0;
}

/* An error's body as an event. */
static int pass_error(struct turn *t, struct http_call *call)
{
	int status = http_call_status(call);
	struct bytes body;
	struct buf json;
	struct pen p = { .b = &json };

	if (http_call_read_all(call, OUT_MAX / 4, &body))
		return -1;
	buf_init(&json, OUT_MAX / 2);
	pen_printf(&p, "{\"type\":\"error\",\"status\":%d", status);
	if (body.n > 2 && *body.p == '{') {
		pen_lit(&p, ",");
		pen_bytes(&p, bytes_slice(body, 1, body.n));
	} else {
		pen_lit(&p, "}");
	}
	if (!pen_done(&p))
		ws_put(&t->talk->out, WS_TEXT, buf_bytes(&json));
	buf_deinit(&json);
	return send_out(t->talk);
}

static int answer_turn(struct turn *t, struct bytes message)
{
	struct http_call *call;
	int bad;

	t->root = json_parse(message, &t->arena);
	if (!yyjson_is_obj(t->root)) {
		say_error(t->talk, 400, "invalid_json", "A message must be a JSON object");
		return send_out(t->talk);
	}
	if (!bytes_eq(json_str(json_get(t->root, "type")), B("response.create"))) {
		say_error(t->talk, 400, "unknown_type",
			  "A message's `type` must be `response.create`");
		return send_out(t->talk);
	}
	if (make_items(t) || make_body(t, message) || !(call = post(t))) {
		if (t->talk->x->client_gone || error_last()->kind == ERR_CANCELLED)
			return -1;
		say_error(t->talk, 500, "server_error", "The turn could not be begun");
		return send_out(t->talk);
	}
	bad = http_call_status(call) == 200 ? pass_stream(t, call) : pass_error(t, call);
	http_call_close(call);
	return bad;
}

static int take_turn(struct talk *talk)
{
	struct turn *t;
	int bad = -1;

	if (next_message(talk))
		return -1;
	t = calloc(1, sizeof *t);
	if (!t)
		return -1;
	t->talk = talk;
	arena_init(&t->arena, TURN_MAX);
	buf_init(&t->items, MESSAGE_MAX * 2);
	bad = answer_turn(t, buf_bytes(&talk->reader.message));
	buf_deinit(&t->items);
	arena_deinit(&t->arena);
	free(t);
	return bad;
}

/* ---- the connection ---- */

/* This gateway's own address, as the client reached it, and the path of the POST. */
static int own_url(struct exchange *x, struct url *out)
{
	char host[SOCK_ADDRESS_TEXT];
	struct bytes text;

	if (!exchange_own_address(x, host))
		return fail(ERR_CLOSED, "the client closed the connection");
	text = arena_printf(x->arena, "http://%s%.*s", host, BFMT(x->path));
	return bytes_set(text) ? url_parse(text, x->arena, out) : -1;
}

static bool has_token(struct bytes list, struct bytes token)
{
	while (list.n)
		if (bytes_ieq(bytes_trim(bytes_cut(&list, ',')), token))
			return true;
	return false;
}

static void refuse(struct exchange *x)
{
	if (!exchange_get(x, B("upgrade")).n) {
		exchange_header(x, B("allow"), B("POST"));
		fail(ERR_METHOD_NOT_ALLOWED, "Method not allowed: %.*s %.*s (allowed: POST)",
		     BFMT(x->method), BFMT(x->path));
		api_respond_error(x, write_openai_error, 405, B(""));
		return;
	}
	exchange_header(x, B("connection"), B("close"));
	exchange_header(x, B("sec-websocket-version"), B("13"));
	fail(ERR_METHOD_NOT_ALLOWED,
	     "No WebSocket handshake of version 13 with a key: send one, or POST the request");
	api_respond_error(x, write_openai_error, 426, B(""));
}

void api_responses_upgrade(struct exchange *x)
{
	struct bytes key = bytes_trim(exchange_get(x, B("sec-websocket-key")));
	char accept[WS_ACCEPT + 1];
	struct talk *t;

	if (!has_token(exchange_get(x, B("upgrade")), B("websocket")) || key.n != 24 ||
	    !bytes_eq(exchange_get(x, B("sec-websocket-version")), B("13"))) {
		refuse(x);
		return;
	}
	t = arena_new(x->arena, struct talk);
	if (!t || own_url(x, &t->url)) {
		api_respond_error(x, write_openai_error, 503, B(""));
		return;
	}
	t->x = x;
	t->until = clock_mono_ms() + LIFE_MS;
	ws_reader_init(&t->reader, MESSAGE_MAX);
	buf_init(&t->out, OUT_MAX);
	buf_init(&t->id, 256);
	buf_init(&t->said, MESSAGE_MAX * 2);
	if (exchange_upgrade(x, B("websocket"), ws_accept(key, accept)) == 0)
		while (take_turn(t) == 0)
			;
	ws_reader_deinit(&t->reader);
	buf_deinit(&t->out);
	buf_deinit(&t->id);
	buf_deinit(&t->said);
}
