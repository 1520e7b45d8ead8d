/*
 * llhttp does the grammar, in its strict mode: it refuses a bare LF, obs-fold, a blank before the colon,
 * content-length together with transfer-encoding, two content-lengths and bad chunk sizes. What it leaves
 * open is refused here: other transfer codings than one "chunked", HTTP/0.9, a missing or doubled host,
 * and heads, trailers and chunk extensions without end.
 *
 * The idea: a head is nearly always in one piece, so it is parsed where it lies and copied to the arena in
 * one block when it is done. Until then `p` of every string holds an offset into the head (pieces may be
 * moved, and a string may begin in one piece and end in the next); settle() turns offsets to pointers.
 */
#include "net/http_message.h"

#include "base/error.h"

const char http_got_tls[] =
	"TLS came to a port that speaks plain HTTP: write http:// in the client's base URL, or put a proxy that ends TLS before it";

static struct http_message *of(llhttp_t *p)
{
	return p->data;
}

static int refuse(struct http_message *m, int status, const char *why)
{
	m->bad_status = status;
	m->bad = why;
	return HPE_USER;
}

/* Where `at` stands in the head, as a string of no length. */
static struct bytes offset_of(struct http_message *m, const char *at, size_t n)
{
	size_t off = m->base + (size_t)(at - m->piece);

	m->head_end = off + n;
	return (struct bytes){ (const char *)(uintptr_t)off, n };
}

static void extend(struct http_message *m, struct bytes *b, const char *at, size_t n)
{
	struct bytes more = offset_of(m, at, n);

	if (!b->p)
		*b = more;
	else
		b->n = (size_t)(more.p - b->p) + n;
}

/* Bytes of trailers and chunk extensions: read and forgotten, but not without end. */
static int count_extra(struct http_message *m, size_t n)
{
	m->extra += n;
	if (m->extra > m->max_head)
		return refuse(m, 431, "trailers or chunk extensions are too long");
	return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
	extend(of(p), &of(p)->target, at, n);
	return 0;
}

/* The reason phrase is not kept, but it counts. */
static int on_status(llhttp_t *p, const char *at, size_t n)
{
	offset_of(of(p), at, n);
	return 0;
}

static int on_url_complete(llhttp_t *p)
{
	of(p)->target_done = true;
	return 0;
}

/* llhttp would skip further blanks before "HTTP/". */
static int on_version(llhttp_t *p, const char *at, size_t n)
{
	struct http_message *m = of(p);
	size_t target_end = (uintptr_t)m->target.p + m->target.n;

	(void)n;
	if (m->response || m->version_seen)
		return 0;
	m->version_seen = true;
	if (m->base + (size_t)(at - m->piece) != target_end + sizeof " HTTP/" - 1)
		return refuse(m, 400, "more than one blank in the request line");
	return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
	struct http_message *m = of(p);

	if (m->head_done)
		return count_extra(m, n);
	if (m->in_value || m->nheaders == 0) {
		if (m->nheaders == m->max_headers)
			return refuse(m, 431, "too many headers");
		if (!arena_push(m->arena, m->headers, m->nheaders, m->cheaders,
				((struct http_header){ 0 })))
			return refuse(m, 503, "out of memory");
		m->in_value = false;
	}
	extend(m, &m->headers[m->nheaders - 1].name, at, n);
	return 0;
}

static int on_header_field_complete(llhttp_t *p)
{
	of(p)->in_value = true;
	return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
	struct http_message *m = of(p);

	if (m->head_done)
		return count_extra(m, n);
	extend(m, &m->headers[m->nheaders - 1].value, at, n);
	return 0;
}

static int on_chunk_extension(llhttp_t *p, const char *at, size_t n)
{
	(void)at;
	return count_extra(of(p), n);
}

static int on_headers_complete(llhttp_t *p)
{
	struct http_message *m = of(p);

	m->status = p->status_code;
	m->minor = p->http_minor;
	m->interim = m->response && m->status < 200;
	if (m->response && (m->status < 100 || m->status == 101))
		return refuse(m, 502, "an answer with an unusable status");
	if (p->http_major != 1 || p->http_minor > 1)
		return refuse(m, 505, "HTTP version is not 1.0 or 1.1");
	if (m->interim)
		return 0;
	m->head_done = true;
	m->has_length = (p->flags & F_CONTENT_LENGTH) != 0;
	m->length = p->content_length;
	m->chunked = (p->flags & F_CHUNKED) != 0;
	p->upgrade = 0; /* no other protocol is spoken here: what follows is a body or a message */
	return m->no_body ? 1 : 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
	struct http_message *m = of(p);
	char *to;

	if (!m->body.p)
		m->body.p = m->compact ? m->piece : at;
	to = (char *)m->body.p + m->body.n;
	if (to != at)
		memmove(to, at, n);
	m->body.n += n;
	return 0;
}

static int on_message_complete(llhttp_t *p)
{
	struct http_message *m = of(p);

	if (m->interim) { /* the real answer follows */
		m->nheaders = 0;
		m->in_value = false;
		return 0;
	}
	m->complete = true;
	m->keep_alive = llhttp_should_keep_alive(p) != 0;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_status = on_status,
	.on_version = on_version,
	.on_url_complete = on_url_complete,
	.on_header_field = on_header_field,
	.on_header_field_complete = on_header_field_complete,
	.on_header_value = on_header_value,
	.on_chunk_extension_name = on_chunk_extension,
	.on_chunk_extension_value = on_chunk_extension,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void init(struct http_message *m, llhttp_type_t type, struct arena *a, size_t max_head,
		 size_t max_headers)
{
	*m = (struct http_message){ .arena = a, .max_head = max_head, .max_headers = max_headers };
	llhttp_init(&m->parser, type, &settings);
	m->parser.data = m;
}

void http_request_init(struct http_message *m, struct arena *a, size_t max_head, size_t max_headers)
{
	init(m, HTTP_REQUEST, a, max_head, max_headers);
}

void http_response_init(struct http_message *m, struct arena *a, size_t max_head,
			size_t max_headers, bool no_body)
{
	init(m, HTTP_RESPONSE, a, max_head, max_headers);
	m->response = true;
	m->no_body = no_body;
}

/* The head's bytes of this piece go behind those of earlier ones. */
static int keep_head(struct http_message *m, const char *piece, size_t n)
{
	size_t need = m->base + n, cap = m->head_cap;
	char *to;

	if (need > cap) {
		cap = m->base ? need * 2 : need; /* it came in parts: there will be more */
		to = arena_realloc(m->arena, m->head, m->base, cap ? cap : 1);
		if (!to)
			return -1;
		m->head = to;
		m->head_cap = cap;
	}
	if (piece && n)
		memcpy(m->head + m->base, piece, n);
	return 0;
}

static void settle(struct http_message *m, struct bytes *b)
{
	if (b->p || b->n)
		*b = bytes_trim((struct bytes){ m->head + (uintptr_t)b->p, b->n });
	else
		b->p = "";
}

static int broken(struct http_message *m, enum error_kind kind, int status, const char *why)
{
	m->bad_status = status;
	m->bad = why;
	return fail(kind, "%s", why);
}

static int too_long(struct http_message *m, bool line)
{
	return line ? broken(m, ERR_TOO_LARGE, 414, "the request line is too long")
		    : broken(m, ERR_TOO_LARGE, 431, "the headers are too long");
}

/* What llhttp leaves open. */
static int check_head(struct http_message *m)
{
	size_t hosts = 0, codings = 0;

	if (m->head_end > m->max_head)
		return too_long(m, m->target.n >= m->max_head);
	for (size_t i = 0; i < m->nheaders; i++) {
		struct http_header *h = &m->headers[i];

		if (bytes_ieq(h->name, B("transfer-encoding"))) {
			if (codings++ || !bytes_ieq(h->value, B("chunked")))
				return broken(m, ERR_PROTOCOL, 400, "unknown transfer-encoding");
		} else if (!m->response && bytes_ieq(h->name, B("host"))) {
			hosts++;
		} else if (!m->response && bytes_ieq(h->name, B("expect"))) {
			if (!bytes_ieq(h->value, B("100-continue")))
				return broken(m, ERR_PROTOCOL, 417, "unknown expectation");
			m->expect = m->minor == 1;
		}
	}
	if (codings && m->minor == 0)
		return broken(m, ERR_PROTOCOL, 400, "transfer-encoding in HTTP/1.0");
	if (m->response)
		return 0;
	if (hosts > 1 || (hosts == 0 && m->minor == 1))
		return broken(m, ERR_PROTOCOL, 400,
			      hosts ? "more than one host header" : "no host header");
	return 0;
}

static void settle_line(struct http_message *m)
{
	m->method =
		m->response ? (struct bytes){ 0 } : bytes_of(llhttp_method_name(m->parser.method));
	settle(m, &m->target);
}

static int finish_head(struct http_message *m)
{
	uintptr_t at = (uintptr_t)m->target.p;
	bool blanks = !m->response && at >= 2 && m->head[at - 2] == ' ';

	settle_line(m);
	if (blanks) /* llhttp would skip them */
		return broken(m, ERR_PROTOCOL, 400, "more than one blank in the request line");
	for (size_t i = 0; i < m->nheaders; i++) {
		settle(m, &m->headers[i].name);
		settle(m, &m->headers[i].value);
	}
	return check_head(m);
}

/* A head that failed: the log may have the request line if it was read, nothing else. */
static void give_up_head(struct http_message *m, const char *piece)
{
	m->nheaders = 0;
	m->complete = false;
	if (m->target_done &&
	    !keep_head(m, piece, m->head_end > m->base ? m->head_end - m->base : 0))
		settle_line(m);
	else
		m->target = (struct bytes)B("");
}

/* The first byte of a ClientHello's record; a method has none such. */
static bool begins_tls(const struct http_message *m, const char *piece)
{
	return !m->response && !m->head_done && m->base == 0 && piece[0] == 0x16;
}

static int push(struct http_message *m, char *piece, size_t n, bool compact, size_t *used)
{
	bool had_head = m->head_done;
	llhttp_errno_t e;

	*used = n;
	m->piece = piece;
	m->compact = compact && had_head; /* the head lies at the front until it is copied */
	m->body = (struct bytes){ 0 };
	e = llhttp_execute(&m->parser, piece, n);
	if (e == HPE_PAUSED && m->complete)
		*used = (size_t)(llhttp_get_error_pos(&m->parser) - piece);
	else if (e != HPE_OK && m->bad) /* callbacks have said why */
		return broken(m,
			      m->bad_status == 431 && !m->head_done ? ERR_TOO_LARGE : ERR_PROTOCOL,
			      m->bad_status, m->bad);
	else if (e != HPE_OK)
		return broken(m, ERR_PROTOCOL, 400,
			      begins_tls(m, piece) ? http_got_tls
			      : m->parser.reason   ? m->parser.reason
						   : "not HTTP");
	if (had_head)
		return 0;
	if (m->head_done) {
		if (keep_head(m, piece, m->head_end > m->base ? m->head_end - m->base : 0))
			return broken(m, ERR_OUT_OF_MEMORY, 503, "out of memory");
		return finish_head(m);
	}
	if (keep_head(m, piece, n))
		return broken(m, ERR_OUT_OF_MEMORY, 503, "out of memory");
	m->base += n;
	if (m->base > m->max_head)
		return too_long(m, !m->target_done && !m->response);
	return 0;
}

int http_message_push(struct http_message *m, char *piece, size_t n, bool compact, size_t *used)
{
	bool had_head = m->head_done;

	if (push(m, piece, n, compact, used) == 0)
		return 0;
	if (!had_head && !m->method.p)
		give_up_head(m, piece);
	return -1;
}

void http_message_give_up(struct http_message *m)
{
	if (!m->head_done && !m->bad)
		give_up_head(m, "");
}

int http_message_eof(struct http_message *m)
{
	if (m->head_done && !m->complete && llhttp_message_needs_eof(&m->parser) &&
	    !m->has_length && !m->chunked) {
		m->complete = true;
		m->keep_alive = false;
		return 0;
	}
	return fail(ERR_CLOSED, "the connection was closed before the end of the message");
}

struct bytes http_header_get(const struct http_header *headers, size_t n, struct bytes name)
{
	for (size_t i = 0; i < n; i++)
		if (headers[i].name.n == name.n && bytes_ieq(headers[i].name, name))
			return headers[i].value;
	return (struct bytes){ 0 };
}
