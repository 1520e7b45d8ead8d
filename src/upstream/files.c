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

static int take(struct file *f, struct http_call *call, struct arena *a)
{
	struct encoding e = { .raw = B(""), .arena = a };

	if (http_call_status(call) != 200)
		return fail(ERR_BAD_FILE_FETCH, "the server answered with status %d",
			    http_call_status(call));
	if (http_call_read_all(call, FILE_MAX, &e.raw))
		return -1;
	if (!e.raw.n)
		return fail(ERR_BAD_FILE_FETCH, "the file is empty");
	if (offload_if_big(e.raw.n, encode, &e) || !bytes_set(e.text) ||
	    set_type(f, http_call_header(call, B("content-type")), e.text, a))
		return -1;
	f->data = e.text;
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

static int fetch(struct file *f, const struct call_context *context)
{
	static const struct http_header headers[] = {
		{ B("accept"), B("*/*") },
		{ B("user-agent"), B("Signet/" SIGNET_VERSION) },
	};
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
		r = take(f, call, context->arena);
		http_call_close(call);
	}
	if (r == 0 || error_last()->kind == ERR_CANCELLED ||
	    error_last()->kind == ERR_OUT_OF_MEMORY || clock_mono_ms() >= fiber_deadline())
		return r;
	fail_context("Error fetching file from %.*s: ", BFMT(f->url));
	return fail_as(ERR_BAD_FILE_FETCH);
}

/* `by_url`: what the upstream fetches itself; NULL: nothing. */
static int visit(const struct block *blocks, size_t n, const struct call_context *context,
		 bool (*by_url)(const struct file *), bool *fetched)
{
	for (size_t i = 0; i < n; i++) {
		struct file *f = blocks[i].type == BLOCK_FILE ? blocks[i].file : NULL;

		if (visit(blocks[i].parts, blocks[i].nparts, context, by_url, fetched))
			return -1;
		if (!f || !f->is_url || (by_url && by_url(f)))
			continue;
		if (!bytes_set(f->data) && fetch(f, context))
			return -1;
		*fetched = true;
	}
	return 0;
}

int files_fetch(struct inference *inf, const struct provider_config *p,
		const struct call_context *context)
{
	const struct provider_type *type = provider_type_of(p);
	bool fetched = false;

	if (!type->takes_files)
		return 0;
	for (size_t i = 0; i < inf->nmessages; i++)
		if (visit(inf->messages[i].content, inf->messages[i].len, context,
			  inf->fetch_files ? NULL : type->takes_url, &fetched))
			return -1;
	if (fetched)
		inf->source_intact = false;
	return 0;
}
