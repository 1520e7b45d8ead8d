/*
 * One request to ClickHouse's HTTP interface. The statement goes in the query string where rows follow in the body, so that
 * the body can be compressed by itself; the password goes in a header, never in a URL that somebody logs.
 *
 * The trap is what an answer proves. 200 with its whole body: done. An error code: the server is done with it, though a part
 * may have been written. No connection: nothing happened. Everything else is unclear, and the sink must look (storage §7.8).
 */
#include "store/clickhouse.h"

#include <stdio.h>
#include <zstd.h>

#include "base/error.h"

#define ANSWER_MAX (64u << 20)
#define URL_MAX    (1u << 20)

/* TensorZero's three (storage §2.1): what a newer server calls by default may differ. */
#define STRICT \
	"&input_format_skip_unknown_fields=0&input_format_null_as_default=0&output_format_json_quote_64bit_integers=1"

/* ---- the URL ---- */

static struct bytes decoded(struct bytes text, struct arena *a)
{
	char *out = arena_alloc(a, text.n + 1);

	return out ? (struct bytes){ out, bytes_percent_decode(text, out) } : (struct bytes){ 0 };
}

/* user[:password]@ off the authority. */
static void take_login(struct bytes *authority, struct arena *a, struct clickhouse_server *out)
{
	ptrdiff_t at = -1, colon;
	struct bytes login;

	for (size_t i = 0; i < authority->n; i++)
		if (authority->p[i] == '@')
			at = (ptrdiff_t)i;
	out->user = B("default");
	out->password = B("");
	if (at < 0)
		return;
	login = bytes_slice(*authority, 0, (size_t)at);
	*authority = bytes_slice(*authority, (size_t)at + 1, authority->n);
	colon = bytes_chr(login, ':');
	if (colon >= 0)
		out->password = decoded(bytes_slice(login, (size_t)colon + 1, login.n), a);
	out->user = decoded(colon < 0 ? login : bytes_slice(login, 0, (size_t)colon), a);
}

/* The path is the database; the query's parameters stay. */
static int take_target(struct bytes target, struct arena *a, struct clickhouse_server *out)
{
	struct bytes path = bytes_cut(&target, '?'), one;
	struct buf kept;

	if (path.n && path.p[0] == '/')
		path = bytes_slice(path, 1, path.n);
	if (bytes_ends(path, B("/")))
		path.n--;
	if (bytes_chr(path, '/') >= 0)
		return fail(ERR_CONFIG,
			    "its path has more than one segment (write http://host:8123/DATABASE)");
	out->database = path.n ? decoded(path, a) : (struct bytes)B("default");
	buf_init(&kept, URL_MAX);
	while (target.n) {
		one = bytes_cut(&target, '&');
		if (bytes_starts(one, B("database="))) {
			buf_deinit(&kept);
			return fail(
				ERR_CONFIG,
				"the database stands in its query (write http://host:8123/DATABASE)");
		}
		if (one.n && (buf_putc(&kept, '&') || buf_append(&kept, one)))
			break;
	}
	out->parameters = arena_dup(a, buf_bytes(&kept));
	buf_deinit(&kept);
	return bytes_set(out->database) ? 0 : fail(ERR_OUT_OF_MEMORY, "out of memory");
}

int clickhouse_server_parse(struct bytes text, struct arena *a, struct clickhouse_server *out)
{
	ptrdiff_t scheme = bytes_find(text, B("://"));
	struct bytes authority, target, plain;
	size_t n;

	*out = (struct clickhouse_server){ 0 };
	if (!bytes_starts(text, B("http://")) && !bytes_starts(text, B("https://")))
		return fail(ERR_CONFIG, "it begins with neither http:// nor https://");
	authority = bytes_slice(text, (size_t)scheme + 3, text.n);
	for (n = 0; n < authority.n && authority.p[n] != '/' && authority.p[n] != '?'; n++)
		;
	target = bytes_slice(authority, n, authority.n);
	authority.n = n;
	take_login(&authority, a, out);
	plain = arena_printf(a, "%.*s://%.*s/", (int)scheme, text.p, BFMT(authority));
	if (!bytes_set(plain) || !bytes_set(out->user) || !bytes_set(out->password))
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	return url_parse(plain, a, &out->url) || take_target(target, a, out) ? -1 : 0;
}

/* ---- one request ---- */

static int put_encoded(struct buf *out, struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';

		if (plain ? buf_putc(out, (char)c) : buf_printf(out, "%%%02X", c))
			return -1;
	}
	return 0;
}

static int put_target(struct buf *out, const struct clickhouse_server *s,
		      const struct clickhouse_query *q)
{
	if (buf_append(out, B("/?default_format=TabSeparatedRaw")))
		return -1;
	if (!q->outside && (buf_append(out, B("&database=")) || put_encoded(out, s->database)))
		return -1;
	if (buf_append(out, B(STRICT)) || buf_append(out, s->parameters) ||
	    buf_append(out, q->settings))
		return -1;
	return bytes_set(q->rows) && (buf_append(out, B("&query=")) || put_encoded(out, q->sql))
		       ? -1
		       : 0;
}

/* Unset: out of memory. */
static struct bytes packed(struct bytes rows, struct arena *a)
{
	size_t room = ZSTD_compressBound(rows.n), n;
	char *out = arena_alloc_raw(a, room);
	ZSTD_CCtx *z =
		ZSTD_createCCtx(); /* ZSTD_compress() has it on the stack, which a fiber's is not made for */

	n = out && z ? ZSTD_compressCCtx(z, out, room, rows.p, rows.n, 1) : 0;
	ZSTD_freeCCtx(z);
	return n && !ZSTD_isError(n) ? (struct bytes){ out, n } : (struct bytes){ 0 };
}

static struct clickhouse_answer no_answer(bool unclear, struct arena *a)
{
	return (struct clickhouse_answer){ .code = -1,
					   .unclear = unclear,
					   .text = arena_dup(a, error_last()->message) };
}

/* "Code: 60. DB::Exception: ..." of a body; 0: it has none. */
static int code_in(struct bytes text)
{
	uint64_t code = 0;
	size_t n = 0;

	if (!bytes_starts(text, B("Code: ")))
		return 0;
	text = bytes_slice(text, 6, text.n);
	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return bytes_to_u64(bytes_slice(text, 0, n), &code) && code < 100000 ? (int)code : 0;
}

static struct clickhouse_answer read_answer(struct http_call *call, struct arena *a)
{
	struct clickhouse_answer r = { 0 };
	struct bytes header = http_call_header(call, B("x-clickhouse-exception-code"));
	uint64_t code = 0;

	if (http_call_read_all(call, ANSWER_MAX, &r.text))
		return no_answer(true, a);
	if (bytes_set(header) && bytes_to_u64(header, &code) && code)
		r.code = (int)code;
	else if (http_call_status(call) != 200)
		r.code = code_in(r.text);
	if (!r.code && http_call_status(call) != 200) {
		/* a proxy's word: it may have passed the request on */
		r.code = -1;
		r.unclear = true;
		r.text = arena_printf(a, "HTTP %d %.*s", http_call_status(call),
				      BFMT(bytes_head(r.text, 200)));
	}
	r.text = bytes_trim(r.text);
	while (r.code && r.text.n && r.text.p[r.text.n - 1] == '\n')
		r.text.n--;
	return r;
}

/* Whether the request may have reached the server: not if there was no connection. */
static bool may_have_arrived(const struct error *e)
{
	return e->kind != ERR_IO && e->kind != ERR_CONFIG && e->kind != ERR_OUT_OF_MEMORY;
}

struct clickhouse_answer clickhouse_ask(struct http_client *client,
					const struct clickhouse_server *s,
					const struct clickhouse_query *q, struct arena *a)
{
	struct http_header headers[] = { { B("x-clickhouse-user"), s->user },
					 { B("x-clickhouse-key"), s->password },
					 { B("content-encoding"), B("zstd") } };
	bool rows = bytes_set(q->rows);
	struct url url = s->url;
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + q->timeout_ms);
	struct http_send send = { .url = &url,
				  .method = B("POST"),
				  .headers = headers,
				  .nheaders = COUNT(headers) - !rows,
				  .body = rows ? packed(q->rows, a) : q->sql,
				  .head_deadline = TIME_NEVER,
				  .arena = a };
	struct clickhouse_answer r;
	struct http_call *call;
	struct buf target;

	buf_init(&target, URL_MAX);
	if (put_target(&target, s, q) || !bytes_set(send.body)) {
		fail(ERR_OUT_OF_MEMORY, "out of memory");
		r = no_answer(false, a);
	} else {
		url.target = buf_bytes(&target);
		call = http_send(client, &send);
		r = call ? read_answer(call, a) : no_answer(may_have_arrived(error_last()), a);
		if (call)
			http_call_close(call);
	}
	buf_deinit(&target);
	fiber_deadline_restore(before);
	return r;
}

/* ---- what a code means (storage §7.6) ---- */

enum clickhouse_fault clickhouse_fault_of(int code)
{
	static const int setup[] = { 16, 60, 81, 164, 192, 193, 194, 291, 497, 516 };
	static const int rows[] = {
		6, 26, 27, 33, 38, 41, 53, 69, 72, 117, 131, 349, 376, 467, 691
	};

	if (!code)
		return FAULT_NONE;
	for (size_t i = 0; i < COUNT(setup); i++)
		if (setup[i] == code)
			return FAULT_SETUP;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i] == code)
			return FAULT_ROWS;
	return FAULT_RETRY;
}
