/*
 * A request becomes one text (the canonical request), its hash goes into a second one with time and scope, and that is
 * signed with a key that is derived of the secret for one day, region and service.
 *
 * Traps. The path is signed encoded once more than it is sent: a model's ':' leaves as %3A and is signed as %253A; only
 * S3 takes the path as it is. Headers that something on the way may set or change must stay out, or
 * the signature breaks there.
 */
#include "sign/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"

#define CANONICAL_MAX (256u << 10)
#define HEADERS_MAX   512u

/* ---- pieces ---- */

void hmac_sha256(struct bytes key, struct bytes text, unsigned char out[32])
{
	unsigned n = 32;

	HMAC(EVP_sha256(), key.p ? key.p : "", (int)key.n, (const unsigned char *)text.p, text.n,
	     out, &n);
}

static void hash_hex(struct bytes text, char out[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)text.p, text.n, digest);
	hex_print(digest, sizeof digest, out);
}

struct bytes sigv4_time(uint64_t unix_ms, char out[SIGV4_TIME])
{
	time_t s = (time_t)(unix_ms / 1000);
	struct tm tm;

	gmtime_r(&s, &tm);
	return (struct bytes){ out, strftime(out, SIGV4_TIME, "%Y%m%dT%H%M%SZ", &tm) };
}

static bool is_unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

static int put_encoded(struct buf *out, struct bytes text, bool keep_slash)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		char escape[3] = { '%', hex[c >> 4], hex[c & 15] };
		bool plain = is_unreserved(text.p[i]) || (keep_slash && c == '/');

		if (buf_append(out, plain ? bytes_slice(text, i, 1) : (struct bytes){ escape, 3 }))
			return -1;
	}
	return 0;
}

int sigv4_segment(struct buf *out, struct bytes text)
{
	return put_encoded(out, text, false);
}

/* ---- the path ---- */

/* Cuts the last segment off what stands behind `from`: "/a/b" -> "/a". */
static void drop_segment(struct buf *out, size_t from)
{
	while (out->len > from && out->data[out->len - 1] != '/')
		out->len--;
	if (out->len > from)
		out->len--;
}

/* RFC 3986 §5.2.4, double slashes made one, then encoded. */
static int put_path(struct buf *out, struct bytes path)
{
	size_t from = out->len;
	bool directory = true;

	while (path.n) {
		struct bytes segment = bytes_cut(&path, '/');

		directory =
			segment.n == 0 || bytes_eq(segment, B(".")) || bytes_eq(segment, B(".."));
		if (bytes_eq(segment, B("..")))
			drop_segment(out, from);
		if (!directory && (buf_putc(out, '/') || put_encoded(out, segment, false)))
			return -1;
		if (!path.n && path.p && path.p[-1] == '/')
			directory = true;
	}
	return directory || out->len == from ? buf_putc(out, '/') : 0;
}

/* ---- the query ---- */

struct pair {
	struct bytes name, value; /* encoded */
};

static int pair_order(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int order = bytes_cmp(x->name, y->name);

	return order ? order : bytes_cmp(x->value, y->value);
}

/* Decoded, then encoded in the one way. Unset: no memory. */
static struct bytes encoded_again(struct bytes text, struct arena *a)
{
	char *decoded = arena_alloc_raw(a, text.n + 1);
	struct bytes result = { NULL, 0 };
	struct buf out;

	if (!decoded)
		return result;
	buf_init(&out, CANONICAL_MAX);
	if (!put_encoded(&out, (struct bytes){ decoded, bytes_percent_decode(text, decoded) },
			 false))
		result = arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return result;
}

static int put_query(struct buf *out, struct bytes query, struct arena *a)
{
	struct pair *pairs = NULL;
	size_t n = 0, cap = 0;

	while (query.n) {
		struct bytes value = bytes_cut(&query, '&'), name = bytes_cut(&value, '=');
		struct pair pair = { encoded_again(name, a),
				     encoded_again(bytes_set(value) ? value : B(""), a) };

		if (!bytes_set(pair.name) || !bytes_set(pair.value) ||
		    !arena_push(a, pairs, n, cap, pair))
			return -1;
	}
	if (n)
		qsort(pairs, n, sizeof *pairs, pair_order);
	for (size_t i = 0; i < n; i++)
		if (buf_printf(out, "%s%.*s=%.*s", i ? "&" : "", BFMT(pairs[i].name),
			       BFMT(pairs[i].value)))
			return -1;
	return 0;
}

/* ---- the headers ---- */

static bool is_left_out(struct bytes name)
{
	static const struct bytes names[] = {
		B("authorization"), B("user-agent"),     B("x-amzn-trace-id"),   B("connection"),
		B("expect"),        B("keep-alive"),     B("transfer-encoding"), B("te"),
		B("trailer"),       B("upgrade"),        B("traceparent"),       B("tracestate"),
		B("baggage"),       B("content-length"),
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (bytes_ieq(names[i], name))
			return true;
	return bytes_istarts(name, B("proxy-"));
}

struct entry {
	struct bytes name; /* lower case */
	const struct sigv4_header *header;
	size_t place; /* of several of one name the first sent comes first */
};

static int entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = bytes_cmp(x->name, y->name);

	return order ? order : x->place < y->place ? -1 : 1;
}

static struct bytes lower(struct bytes text, struct arena *a)
{
	char *out = arena_alloc_raw(a, text.n + 1);

	for (size_t i = 0; out && i < text.n; i++)
		out[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] | 32) : text.p[i];
	return (struct bytes){ out, text.n };
}

/* Trimmed, inner runs of spaces made one. */
static int put_value(struct buf *out, struct bytes value)
{
	value = bytes_trim(value);
	for (size_t i = 0; i < value.n; i++) {
		bool blank = value.p[i] == ' ' || value.p[i] == '\t';

		if (blank && (value.p[i - 1] == ' ' || value.p[i - 1] == '\t'))
			continue;
		if (buf_putc(out, blank ? ' ' : value.p[i]))
			return -1;
	}
	return 0;
}

/* The block of headers into `out`, their names into `names`. */
static int put_headers(const struct sigv4 *s, struct buf *out, struct buf *names, struct arena *a)
{
	struct entry *entries = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < s->nheaders; i++) {
		struct entry e = { .header = &s->headers[i], .place = i };

		if (is_left_out(s->headers[i].name))
			continue;
		e.name = lower(s->headers[i].name, a);
		if (!bytes_set(e.name) || !arena_push(a, entries, n, cap, e))
			return -1;
	}
	if (n > HEADERS_MAX)
		return fail(ERR_TOO_LARGE, "more than %u headers are to be signed", HEADERS_MAX);
	if (n)
		qsort(entries, n, sizeof *entries, entry_order);
	for (size_t i = 0; i < n; i++) {
		bool first = i == 0 || !bytes_eq(entries[i].name, entries[i - 1].name);
		bool last = i + 1 == n || !bytes_eq(entries[i].name, entries[i + 1].name);

		if (first && (buf_printf(out, "%.*s:", BFMT(entries[i].name)) ||
			      buf_printf(names, "%s%.*s", i ? ";" : "", BFMT(entries[i].name))))
			return -1;
		if (put_value(out, entries[i].header->value) || buf_putc(out, last ? '\n' : ','))
			return -1;
	}
	return 0;
}

/* ---- signing ---- */

static int put_canonical(const struct sigv4 *s, struct buf *out, struct buf *names, struct arena *a)
{
	struct bytes query = s->target, path = bytes_cut(&query, '?');
	char hash[65];

	hash_hex(s->body, hash);
	if (buf_printf(out, "%.*s\n", BFMT(s->method)) ||
	    (bytes_eq(s->service, B("s3")) ? buf_append(out, path.n ? path : B("/"))
					   : put_path(out, path)) ||
	    buf_putc(out, '\n') || put_query(out, query, a) || buf_putc(out, '\n') ||
	    put_headers(s, out, names, a))
		return -1;
	return buf_printf(out, "\n%.*s\n%s", BFMT(buf_bytes(names)), hash);
}

static struct bytes scope_of(const struct sigv4 *s, struct arena *a)
{
	return arena_printf(a, "%.*s/%.*s/%.*s/aws4_request", BFMT(bytes_slice(s->time, 0, 8)),
			    BFMT(s->region), BFMT(s->service));
}

/* The key of one day, region and service. */
static int derive_key(const struct sigv4 *s, struct arena *a, unsigned char key[32])
{
	struct bytes first = arena_cat(a, B("AWS4"), s->secret);
	struct bytes steps[] = { s->region, s->service, B("aws4_request") };

	if (!bytes_set(first))
		return -1;
	hmac_sha256(first, bytes_slice(s->time, 0, 8), key);
	for (size_t i = 0; i < COUNT(steps); i++) {
		unsigned char before[32];

		memcpy(before, key, sizeof before);
		hmac_sha256((struct bytes){ (const char *)before, sizeof before }, steps[i], key);
	}
	return 0;
}

static int sign_canonical(const struct sigv4 *s, struct arena *a, struct sigv4_parts *out)
{
	struct bytes scope = scope_of(s, a);
	unsigned char key[32], signature[32];
	char hash[65];

	hash_hex(out->canonical, hash);
	out->to_sign = arena_printf(a, "AWS4-HMAC-SHA256\n%.*s\n%.*s\n%s", BFMT(s->time),
				    BFMT(scope), hash);
	if (!bytes_set(scope) || !bytes_set(out->to_sign) || derive_key(s, a, key))
		return -1;
	hmac_sha256((struct bytes){ (const char *)key, sizeof key }, out->to_sign, signature);
	hex_print(signature, sizeof signature, out->signature);
	return 0;
}

int sigv4_sign(const struct sigv4 *s, struct arena *a, struct sigv4_parts *out)
{
	struct buf canonical, names;
	int r;

	buf_init(&canonical, CANONICAL_MAX);
	buf_init(&names, CANONICAL_MAX);
	r = put_canonical(s, &canonical, &names, a);
	if (r == 0) {
		out->canonical = arena_adopt(a, &canonical);
		out->signed_headers = arena_adopt(a, &names);
		r = bytes_set(out->canonical) && bytes_set(out->signed_headers) ? 0 : -1;
	}
	buf_deinit(&canonical);
	buf_deinit(&names);
	return r ? -1 : sign_canonical(s, a, out);
}

struct bytes sigv4_authorization(const struct sigv4 *s, struct arena *a)
{
	struct bytes scope = scope_of(s, a);
	struct sigv4_parts parts;

	if (!bytes_set(scope) || sigv4_sign(s, a, &parts))
		return (struct bytes){ NULL, 0 };
	return arena_printf(
		a, "AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=%.*s, Signature=%s",
		BFMT(s->key_id), BFMT(scope), BFMT(parts.signed_headers), parts.signature);
}
