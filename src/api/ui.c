/*
 * Serving the web application. Files with a hash in their name never change and are kept by browsers; index.html is
 * made anew for each request, because it carries the nonce that the content security policy of this one answer admits.
 * A path that is no file is index.html too: which page it is, the application finds out.
 * The trap: everything here must stay free of data, for it is served before any login.
 */
#include "api/ui.h"

#include <zlib.h>

#include "api/api.h"
#include "base/ids.h"

#define INDEX_MAX   (64u << 10)
#define GZIP_WINDOW (16 + MAX_WBITS)

static const struct {
	const char *end, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },   { ".svg", "image/svg+xml" },
	{ ".json", "application/json" },
};

/* Where the pages of TensorZero's UI went (ui §3). What follows the old path follows the new one. */
static const struct {
	const char *old, *now;
} moved[] = {
	{ "observability/inferences", "logs" },
	{ "observability/models", "models" },
	{ "api-keys", "keys" },
	{ "config", "settings" },
};

static struct bytes type_of(struct bytes path)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (bytes_ends(path, bytes_of(types[i].end)))
			return bytes_of(types[i].type);
	return B("application/octet-stream");
}

static const struct ui_file *find(struct bytes path)
{
	for (const struct ui_file *f = ui_files; f->path; f++)
		if (bytes_eq(path, bytes_of(f->path)))
			return f;
	return NULL;
}

static struct bytes content_of(const struct ui_file *f)
{
	return (struct bytes){ f->from, (size_t)(f->end - f->from) };
}

static void safe_headers(struct exchange *ex)
{
	exchange_header(ex, B("x-content-type-options"), B("nosniff"));
	exchange_header(ex, B("referrer-policy"), B("no-referrer"));
	exchange_header(ex, B("cross-origin-opener-policy"), B("same-origin"));
	exchange_header(ex, B("cross-origin-resource-policy"), B("same-origin"));
}

static void policy(struct exchange *ex, struct bytes nonce)
{
	struct bytes text = arena_printf(
		ex->arena,
		"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-%.*s'; img-src 'self' data: blob:; connect-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'",
		BFMT(nonce));

	exchange_header(ex, B("content-security-policy"), text);
}

static void plain(struct exchange *ex, int status, struct bytes text)
{
	exchange_header(ex, B("cache-control"), B("no-store"));
	exchange_respond(ex, status, B("text/plain; charset=utf-8"), text);
}

/* ---- a file ---- */

/* For the few clients that take no gzip. NULL: no memory. */
static char *unpack(const struct ui_file *f, struct arena *a)
{
	struct bytes packed = content_of(f);
	char *out = arena_alloc_raw(a, f->bytes + 1);
	z_stream z = { .next_in = (Bytef *)(uintptr_t)packed.p,
		       .avail_in = (uInt)packed.n,
		       .next_out = (Bytef *)out,
		       .avail_out = (uInt)f->bytes + 1 };
	int status;

	if (!out || inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return NULL;
	status = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return status == Z_STREAM_END && z.total_out == f->bytes ? out : NULL;
}

static void file(struct exchange *ex, const struct ui_file *f)
{
	struct bytes body = content_of(f), etag = bytes_of(f->etag);
	bool packed = bytes_find(exchange_get(ex, B("accept-encoding")), B("gzip")) >= 0;

	exchange_header(ex, B("etag"), etag);
	exchange_header(ex, B("vary"), B("accept-encoding"));
	exchange_header(ex, B("cache-control"), B("public, max-age=31536000, immutable"));
	if (bytes_find(exchange_get(ex, B("if-none-match")), etag) >= 0) {
		exchange_respond(ex, 304, (struct bytes){ 0 }, B(""));
		return;
	}
	if (packed)
		exchange_header(ex, B("content-encoding"), B("gzip"));
	else
		body = (struct bytes){ unpack(f, ex->arena), f->bytes };
	if (!body.p)
		plain(ex, 503, B("no memory\n"));
	else
		exchange_respond(ex, 200, type_of(bytes_of(f->path)), body);
}

/* ---- index.html ---- */

/* Puts values where the page has __NONCE__, __BASE__ and __MODE__. -1: too large. */
static int fill(struct buf *out, struct bytes page, const struct ui_place *at, struct bytes nonce)
{
	const struct {
		struct bytes name, value;
	} holes[] = {
		{ B("__NONCE__"), nonce },
		{ B("__BASE__"), at->base },
		{ B("__MODE__"), at->read_only ? B("read-only") : B("full") },
	};

	while (page.n) {
		ptrdiff_t next = bytes_find(page, B("__"));
		size_t used = next < 0 ? page.n : (size_t)next;

		if (buf_append(out, bytes_slice(page, 0, used)))
			return -1;
		page = bytes_slice(page, used, page.n);
		for (used = 0; used < COUNT(holes); used++)
			if (bytes_starts(page, holes[used].name))
				break;
		if (used < COUNT(holes)) {
			if (buf_append(out, holes[used].value))
				return -1;
			page = bytes_slice(page, holes[used].name.n, page.n);
		} else if (page.n) {
			if (buf_append(out, bytes_slice(page, 0, 2)))
				return -1;
			page = bytes_slice(page, 2, page.n);
		}
	}
	return 0;
}

static void left_out(struct exchange *ex)
{
	policy(ex, B("none"));
	exchange_header(ex, B("cache-control"), B("no-store"));
	exchange_respond(
		ex, 200, type_of(B(".html")),
		B("<!doctype html><html lang=\"en\"><title>Signet</title><h1>The web application was left out of this build</h1>"
		  "<p>Node 20.19 or newer and npm were missing when this binary was made. Install them and run <code>./dev build</code>.</p>"
		  "<p>Until then the record is read with <code>signet log tail</code>.</p></html>\n"));
}

static void index_page(struct exchange *ex, const struct ui_place *at)
{
	const struct ui_file *f = find(B("index.html"));
	char text[33];
	struct bytes nonce = { text, 32 };
	struct buf page;

	if (!f) {
		left_out(ex);
		return;
	}
	uuid_hex(uuid_v4(), text);
	policy(ex, nonce);
	exchange_header(ex, B("cache-control"), B("no-store"));
	buf_init(&page, INDEX_MAX);
	if (fill(&page, content_of(f), at, nonce))
		plain(ex, 503, B("no memory\n"));
	else
		exchange_respond(ex, 200, type_of(B(".html")), buf_bytes(&page));
	buf_deinit(&page);
}

/* ---- the door ---- */

/* Whether the path is an old one: then it was answered. */
static bool redirected(struct exchange *ex, const struct ui_place *at, struct bytes path)
{
	for (size_t i = 0; i < COUNT(moved); i++) {
		struct bytes old = bytes_of(moved[i].old), rest, to;

		if (!bytes_starts(path, old) || (path.n > old.n && path.p[old.n] != '/'))
			continue;
		rest = bytes_slice(path, old.n, path.n);
		to = arena_printf(ex->arena, "%.*s/%s%.*s%s%.*s", BFMT(at->base), moved[i].now,
				  BFMT(rest), bytes_set(ex->query) ? "?" : "", BFMT(ex->query));
		exchange_header(ex, B("location"), to);
		plain(ex, 308, B(""));
		return true;
	}
	return false;
}

void ui_serve(struct exchange *ex, const struct ui_place *at, struct bytes path)
{
	const struct ui_file *f = find(path);

	safe_headers(ex);
	if (f && !bytes_eq(path, B("index.html")))
		file(ex, f);
	else if (bytes_starts(path, B("assets/")))
		plain(ex, 404, B("no such file\n"));
	else if (!redirected(ex, at, path))
		index_page(ex, at);
}

/* ---- a port of their own ---- */

bool ui_asks_for(struct bytes path)
{
	static const struct bytes tops[] = {
		B("/internal/"), B("/v1/datasets/"), B("/v1/inferences/"),      B("/inference"),
		B("/feedback"),  B("/status"),       B("/v1/chat/completions"),
	};

	for (size_t i = 0; i < COUNT(tops); i++)
		if (bytes_starts(path, tops[i]) &&
		    (bytes_ends(tops[i], B("/")) || path.n == tops[i].n))
			return true;
	return false;
}

/* As by `signet ui`, but in this process: what pages ask for goes the way of every request. */
void api_pages(struct exchange *ex)
{
	static const struct ui_place here = { .base = { "", 0 } };
	struct bytes base = api_config(ex)->gateway.base_path;

	if (ui_asks_for(ex->path)) {
		if (base.n)
			ex->path = arena_cat(ex->arena, base, ex->path);
		api_handle(ex);
	} else if (bytes_eq(ex->path, B("/health"))) {
		exchange_respond(ex, 200, (struct bytes){ 0 }, B(""));
	} else if (!ex->head && !bytes_eq(ex->method, B("GET"))) {
		exchange_header(ex, B("allow"), B("GET,HEAD"));
		plain(ex, 405, B("pages are read with GET\n"));
	} else {
		ex->route = "/ui";
		ui_serve(ex, &here, bytes_slice(ex->path, 1, ex->path.n));
	}
}

void api_ui(struct exchange *ex)
{
	struct bytes base = api_config(ex)->gateway.base_path;
	struct ui_place at = { .base = arena_printf(ex->arena, "%.*s/ui", BFMT(base)) };

	ui_serve(ex, &at, api_path_id(ex));
}
