/* The trap: a shorthand's model name comes from a client, so that nothing in it may become a query or another path's end. */
#include "upstream/google.h"

#include "config/models.h"

#define URL_MAX (64u << 10)

const char *const google_schema_keys[] = { "openapi", "json_schema", NULL };

void google_read_api_base(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct provider_config *p = into;
	const char *problem;

	if (!is_text(t))
		return type_error(l, t, path, "a string representing an URL",
				  "such as \"http://localhost:9000/v1beta\"");
	problem = url_problem(t->text);
	if (!problem && (bytes_chr(t->text, '?') >= 0 || bytes_chr(t->text, '#') >= 0))
		problem = "a query does not belong into an `api_base`";
	if (problem)
		return error_at(l, t, path, "%s: %.*s (such as \"http://localhost:9000/v1beta\")",
				problem, BFMT(url_quoted(t->text, l->arena)));
	p->endpoint = bytes_slice(t->text, 0, t->text.n - bytes_ends(t->text, B("/")));
}

void google_read_thoughts(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	static const struct key key = { "include_thoughts", KEY_BOOL };
	enum gemini_thoughts *choice = into;
	bool on = false;

	read_key(l, &key, t, path, &on);
	*choice = on ? THOUGHTS_INCLUDED : THOUGHTS_LEFT_OUT;
}

static bool stands_in_path(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~/:@", c));
}

static void put_path(struct buf *b, struct bytes path)
{
	for (size_t i = 0; i < path.n; i++)
		if (stands_in_path(path.p[i]))
			buf_putc(b, path.p[i]);
		else
			buf_printf(b, "%%%02X", (unsigned)(unsigned char)path.p[i]);
}

int google_url(struct bytes base, struct bytes path, struct bytes method, struct arena *a,
	       struct bytes *url)
{
	struct buf b;
	int r;

	buf_init(&b, URL_MAX);
	buf_append(&b, base);
	buf_append(&b, B("/"));
	put_path(&b, path);
	r = buf_printf(&b, ":%.*s", BFMT(method));
	*url = r ? (struct bytes){ NULL, 0 } : arena_dup(a, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(*url) ? 0 : -1;
}

int google_headers(const struct inference *inf, const struct call_context *context,
		   struct header_list *l)
{
	if (header_set(l, B("content-type"), B("application/json"), context->arena))
		return -1;
	return inf->stream ? header_set(l, B("accept"), B("text/event-stream"), context->arena) : 0;
}

const int google_client_statuses[] = { 400, 401, 413, 429, 0 };

struct bytes google_status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)request_id;
	if (!stream)
		return body;
	if (!reason.n)
		reason = B("<unknown status code>");
	return arena_printf(a, "Invalid status code: %d %.*s: %.*s", status, BFMT(reason),
			    BFMT(body));
}
