/*
 * The gateway stands where clients do not: an address inside of its network, or of the machine's own metadata
 * service, must not be read on a client's behalf. So files come from public addresses only, judged by what the
 * name resolved to when the connection is made, on connections that are shared with nothing else. Redirects are
 * not followed, for the same reason as everywhere.
 */
#include "upstream/files.h"

#include <openssl/evp.h>

#include "base/fault.h"
#include "fiber/fiber.h"
#include "upstream/provider_type.h"
#include "wire/media.h"

#define FILE_MAX     (20u << 20) /* surfaces §6 */
#define READ_IDLE_MS 30000
#define LOOPBACK_TOO "files.loopback" /* for tests, which have no other address; debug builds */

struct encoding {
	struct bytes raw, text;
	struct arena *arena;
};

static void encode(void *arg)
{
	struct encoding *e = arg;
	char *out = arena_alloc_raw(e->arena, (e->raw.n + 2) / 3 * 4 + 1);

	if (out)
		e->text = (struct bytes){
			out, (size_t)EVP_EncodeBlock((unsigned char *)out,
						     (const unsigned char *)e->raw.p, (int)e->raw.n)
		};
}

/* One file that was fetched, for all blocks that name it. */
struct fetched {
	struct bytes url, data, header; /* header: content-type */
};

struct walk {
	const struct call_context *context;
	bool (*by_url)(const struct file *); /* what the upstream fetches itself; NULL: nothing */
	struct fetched *list;                /* max_files */
	size_t len;
	uint64_t bytes; /* of all, as often as they are named */
	bool any;
};

/* What the client said it is, else the server, else its first bytes. */
static int set_type(struct file *f, struct bytes header, struct bytes data, struct arena *a)
{
	struct bytes type = bytes_trim(bytes_cut(&header, ';')), printed;
	char why[MEDIA_WORDS];

	if (bytes_set(f->mime_type))
		return 0;
	if (!type.n || !media_mime(type, a, &printed, why) ||
	    bytes_ieq(type, B("application/octet-stream")))
		type = media_sniff(data);
	if (!type.n)
		return fail(ERR_BAD_FILE_FETCH,
			    "No mime type provided and unable to infer from data");
	f->mime_type = arena_dup(a, type);
	return bytes_set(f->mime_type) ? 0 : -1;
}

static uint64_t bytes_max(const struct call_context *context)
{
	return context->config->upstream.max_files_mib << 20;
}

static int too_many_bytes(const struct call_context *context)
{
	return fail_param(
		ERR_INVALID_REQUEST, B("messages"), NULL,
		"The files that the request names by URL are larger than %llu MiB together, the most that one request may have here (`[upstream] max_files_mib`)",
		(unsigned long long)context->config->upstream.max_files_mib);
}

static int take(struct walk *w, struct fetched *f, struct http_call *call)
{
	struct arena *a = w->context->arena;
	struct encoding e = { .raw = B(""), .arena = a };
	uint64_t left = bytes_max(w->context) - w->bytes;

	if (http_call_status(call) != 200)
		return fail(ERR_BAD_FILE_FETCH, "the server answered with status %d",
			    http_call_status(call));
	if (http_call_read_all(call, left < FILE_MAX ? (size_t)left : FILE_MAX, &e.raw))
		return error_last()->kind == ERR_TOO_LARGE && left < FILE_MAX
			       ? too_many_bytes(w->context)
			       : -1;
	if (!e.raw.n)
		return fail(ERR_BAD_FILE_FETCH, "the file is empty");
	if (offload_if_big(e.raw.n, encode, &e) || !bytes_set(e.text))
		return -1;
	f->data = e.text;
	f->header = arena_dup(a, http_call_header(call, B("content-type")));
	return 0;
}

struct http_call *send_unsigned(struct http_client *client, struct http_send *s)
{
	struct http_call *call = http_send(client, s);

	if (call || error_last()->kind != ERR_STALE)
		return call;
	s->fresh = true;
	return http_send(client, s);
}

/* Not the server's fault: it ends the request, not this attempt alone. */
static int as_it_is(void)
{
	switch (error_last()->kind) {
	case ERR_BUSY:
	case ERR_BODY_TOO_LARGE:
		return fail(ERR_BUSY, "no memory for the files that the request names by URL");
	case ERR_CANCELLED:
	case ERR_OUT_OF_MEMORY:
	case ERR_INVALID_REQUEST: return -1;
	default: return clock_mono_ms() >= fiber_deadline() ? -1 : 0;
	}
}

static int fetch(struct walk *w, struct fetched *f)
{
	static const struct http_header headers[] = {
		{ B("accept"), B("*/*") },
		{ B("user-agent"), B("Signet/" SIGNET_VERSION) },
	};
	const struct call_context *context = w->context;
	struct url url;
	struct http_send s = {
		.url = &url,
		.method = B("GET"),
		.headers = headers,
		.nheaders = COUNT(headers),
		.arena = context->arena,
		.head_deadline = clock_mono_ms() + context->config->gateway.outbound_timeout_ms,
		.read_idle_ms = READ_IDLE_MS,
	};
	struct http_call *call = NULL;
	int r = -1;

	if (url_parse(f->url, context->arena, &url) == 0) {
		url.public_only = !fault(LOOPBACK_TOO);
		call = send_unsigned(context->client, &s);
	}
	if (call) {
		r = take(w, f, call);
		http_call_close(call);
	}
	return r;
}

static struct fetched *known(const struct walk *w, struct bytes url)
{
	for (size_t i = 0; i < w->len; i++)
		if (bytes_eq(w->list[i].url, url))
			return &w->list[i];
	return NULL;
}

/* Names the file among those to fetch; one that an attempt before has fetched is in it with its data. */
static int note(struct walk *w, struct file *f)
{
	uint64_t max = w->context->config->upstream.max_files;

	w->any = true;
	if (known(w, f->url))
		return 0;
	if (w->len == max)
		return fail_param(
			ERR_INVALID_REQUEST, B("messages"), NULL,
			"The request names more than %llu files by URL, the most that one request may here (`[upstream] max_files`)",
			(unsigned long long)max);
	if (!w->list)
		w->list = arena_array(w->context->arena, struct fetched, max + 1);
	if (!w->list)
		return -1;
	w->list[w->len++] = (struct fetched){ .url = f->url };
	return 0;
}

/* Gives the file its data, fetched for this block or for one before. */
static int give(struct walk *w, struct file *f)
{
	struct fetched *one = known(w, f->url);
	int r = 0;

	if (bytes_set(f->data)) {
		one->data = f->data;
	} else {
		if (!bytes_set(one->data))
			r = fetch(w, one);
		if (r == 0) {
			f->data = one->data;
			r = set_type(f, one->header, one->data, w->context->arena);
		}
		if (r) {
			f->data = (struct bytes){ NULL, 0 };
			if (as_it_is())
				return -1;
			fail_context("Error fetching file from %.*s: ", BFMT(f->url));
			return fail_as(ERR_BAD_FILE_FETCH);
		}
	}
	w->bytes += f->data.n / 4 * 3;
	return w->bytes > bytes_max(w->context) ? too_many_bytes(w->context) : 0;
}

static int visit(struct walk *w, const struct block *blocks, size_t n,
		 int (*fn)(struct walk *, struct file *))
{
	for (size_t i = 0; i < n; i++) {
		struct file *f = blocks[i].type == BLOCK_FILE ? blocks[i].file : NULL;

		if (visit(w, blocks[i].parts, blocks[i].nparts, fn) ||
		    (f && f->is_url && !(w->by_url && w->by_url(f)) && fn(w, f)))
			return -1;
	}
	return 0;
}

int files_fetch(struct inference *inf, const struct provider_config *p,
		const struct call_context *context)
{
	static int (*const steps[])(struct walk *, struct file *) = { note, give };
	const struct provider_type *type = provider_type_of(p);
	struct walk w = { .context = context, .by_url = inf->fetch_files ? NULL : type->takes_url };

	if (!type->takes_files)
		return 0;
	for (size_t k = 0; k < COUNT(steps); k++)
		for (size_t i = 0; i < inf->nmessages; i++)
			if (visit(&w, inf->messages[i].content, inf->messages[i].len, steps[k]))
				return -1;
	if (w.any)
		inf->source_intact = false;
	return 0;
}

bool files_refused(void)
{
	enum error_kind kind = error_last()->kind;

	return kind == ERR_INVALID_REQUEST || kind == ERR_BUSY || kind == ERR_OUT_OF_MEMORY;
}
