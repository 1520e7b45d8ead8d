/*
 * Errors in OpenAI's object (surfaces §1.7). `type` and `code` come from the status and from what deciding failure
 * lies inside: the last one of those that were nested. SDKs retry by them, so a bad request must never look like an
 * outage.
 */
#include "wire/openai_chat/openai_chat.h"

#include "base/pen.h"

#define NULL_CODE       \
	{               \
		NULL, 0 \
	}
#define MAX_NESTING 8
#define MAX_TEXT    (64u << 20) /* of a message made UTF-8 */

static const struct error *deciding(const struct error *e)
{
	for (int i = 0; i < MAX_NESTING && e->nested && e->nested->len > 0; i++)
		e = &e->nested->errors[e->nested->len - 1];
	return e;
}

/* What upstreams say in their codes and texts (surfaces §6.9). */
static const struct {
	struct bytes needle, code;
	int status; /* only with this one */
} meanings[] = {
	{ B("context_length_exceeded"), B("context_length_exceeded"), 400 },
	{ B("prompt is too long"), B("context_length_exceeded"), 400 },
	{ B("exceed context limit"), B("context_length_exceeded"), 400 },
	{ B("exceeds the maximum number of tokens"), B("context_length_exceeded"), 400 },
	{ B("maximum context length"), B("context_length_exceeded"), 400 },
	{ B("content_policy_violation"), B("content_policy_violation"), 400 },
	{ B("content_filter"), B("content_policy_violation"), 400 },
	{ B("cyber_policy"), B("cyber_policy"), 400 },
	{ B("invalid_prompt"), B("invalid_prompt"), 400 },
	{ B("insufficient_quota"), B("insufficient_quota"), 429 },
	{ B("credit balance is too low"), B("insufficient_quota"), 429 },
};

static struct bytes meaning(const struct error *e, int status)
{
	for (size_t i = 0; i < COUNT(meanings); i++) {
		if (meanings[i].status != status)
			continue;
		if (bytes_ifind(e->upstream_code, meanings[i].needle) >= 0 ||
		    bytes_ifind(e->upstream_message, meanings[i].needle) >= 0)
			return meanings[i].code;
	}
	return (struct bytes)NULL_CODE;
}

static const struct row {
	int status;
	struct bytes type, code;
} rows[] = {
	{ 400, B("invalid_request_error"), NULL_CODE },
	{ 401, B("invalid_request_error"), B("invalid_api_key") },
	{ 403, B("permission_error"), B("model_not_allowed") },
	{ 404, B("invalid_request_error"), NULL_CODE },
	{ 405, B("invalid_request_error"), NULL_CODE },
	{ 408, B("server_error"), B("timeout") },
	{ 409, B("invalid_request_error"), NULL_CODE },
	{ 413, B("invalid_request_error"), B("request_too_large") },
	{ 415, B("invalid_request_error"), NULL_CODE },
	{ 422, B("invalid_request_error"), NULL_CODE },
	{ 429, B("rate_limit_error"), B("rate_limit_exceeded") },
	{ 502, B("server_error"), B("upstream_error") },
	{ 503, B("server_error"), B("server_is_overloaded") },
	{ 504, B("server_error"), B("timeout") },
};

struct shape {
	struct bytes type, code;
};

static struct shape shape_of(const struct error *e, int status)
{
	const struct error *last = deciding(e);
	struct shape s = { status >= 500 || status < 400 ? B("server_error")
							 : B("invalid_request_error"),
			   NULL_CODE };
	struct bytes known = meaning(last, status);

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].status == status)
			s = (struct shape){ rows[i].type, rows[i].code };
	if (status == 404 && e->kind == ERR_MODEL_NOT_FOUND)
		s.code = B("model_not_found");
	if (status == 502 && (last->upstream_status == 401 || last->upstream_status == 403))
		s.code = B("upstream_auth");
	if (status == 500 && last->kind == ERR_SIGNER)
		s.code = B("signer_failed");
	if (bytes_eq(known, B("insufficient_quota")))
		s.type = known;
	if (bytes_set(known))
		s.code = known;
	if (bytes_set(e->code))
		s.code = e->code;
	return s;
}

/* An upstream's page in another encoding must not break the object. */
static void put_text(struct pen *p, struct bytes text)
{
	struct arena a;

	arena_init(&a, MAX_TEXT);
	text = wire_utf8(text, &a);
	pen_string(p, bytes_set(text) ? text : B(""));
	arena_deinit(&a);
}

static void put_message(struct pen *p, const struct error *e, int status)
{
	int64_t wait = e->retry_after_ms >= 0 ? e->retry_after_ms : deciding(e)->retry_after_ms;
	size_t from = p->b->len;

	put_text(p, e->message);
	if (status != 429 || wait < 0 || bytes_ifind(e->message, B("try again in")) >= 0 ||
	    p->failed)
		return;
	p->b->len--; /* before the quote */
	pen_bytes(p, p->b->len > from + 1 && p->b->data[p->b->len - 1] == '.'
			     ? B(" Please try again in ")
			     : B(". Please try again in "));
	pen_u64(p, (uint64_t)(wait + 999) / 1000);
	pen_lit(p, "s.\"");
}

static void put_kind(struct pen *p, const struct error *e, int depth)
{
	pen_lit(p, "{");
	pen_string(p, bytes_of(error_kind_name(e->kind)));
	pen_lit(p, ":{");
	if (e->nested && e->nested->len > 0 && depth < MAX_NESTING) {
		pen_lit(p, "\"errors\":");
		pen_open(p, '{');
		for (size_t i = 0; i < e->nested->len; i++) {
			pen_item(p);
			pen_string(p, e->nested->names[i]);
			pen_lit(p, ":");
			put_kind(p, &e->nested->errors[i], depth + 1);
		}
		pen_close(p, '}');
	} else {
		pen_lit(p, "\"message\":");
		put_text(p, e->message);
	}
	pen_lit(p, "}}");
}

void openai_put_error_kind(struct pen *p, const struct error *e)
{
	put_kind(p, e, 0);
}

static int write_object(const struct error *e, int status, bool json, struct buf *out)
{
	struct shape s = shape_of(e, status);
	struct pen p = { .b = out };

	pen_head(&p, "{\"error\":{\"message\":");
	put_message(&p, e, status);
	pen_text(&p, "type", s.type);
	pen_key(&p, "param");
	pen_string_or_null(&p, e->param);
	pen_key(&p, "code");
	pen_string_or_null(&p, s.code);
	if (json) {
		pen_key(&p, "error_json");
		put_kind(&p, e, 0);
		pen_key(&p, "tensorzero_error_json");
		put_kind(&p, e, 0);
	}
	pen_lit(&p, "}}");
	return pen_done(&p);
}

int openai_write_error(const struct error *e, int status, struct buf *out)
{
	return write_object(e, status, false, out);
}

int openai_write_error_json(const struct error *e, int status, struct buf *out)
{
	return write_object(e, status, true, out);
}

/* ---- HTML ---- */

#define HTML_SHOWN 200

static bool begins_page(struct bytes s)
{
	return bytes_istarts(s, B("<!doctype")) || bytes_istarts(s, B("<html")) ||
	       bytes_istarts(s, B("<head")) || bytes_istarts(s, B("<body"));
}

static struct bytes without_tags(struct bytes page, struct arena *a)
{
	char *text = arena_alloc_raw(a, HTML_SHOWN + 4);
	size_t n = 0, characters = 0;
	bool tag = false, blank = true;

	if (!text)
		return (struct bytes){ NULL, 0 };
	for (size_t i = 0; i < page.n && characters < HTML_SHOWN && n < HTML_SHOWN; i++) {
		char c = page.p[i];

		if (c == '<' || c == '>') {
			tag = c == '<';
			continue;
		}
		if (tag)
			continue;
		if ((unsigned char)c <= ' ') {
			if (!blank)
				text[n++] = ' ';
			blank = true;
			continue;
		}
		blank = false;
		characters += !utf8_continues(c);
		text[n++] = c;
	}
	return bytes_whole((struct bytes){ text, n });
}

int openai_error_without_html(struct error *e, struct arena *a)
{
	for (size_t i = 0; i + 5 < e->message.n; i++) {
		struct bytes page = bytes_slice(e->message, i, e->message.n), text;

		if (e->message.p[i] != '<' || !begins_page(page))
			continue;
		text = without_tags(page, a);
		if (!bytes_set(text))
			return -1;
		e->message = arena_cat(a, bytes_slice(e->message, 0, i), bytes_trim(text));
		return bytes_set(e->message) ? 0 : -1;
	}
	return 0;
}
