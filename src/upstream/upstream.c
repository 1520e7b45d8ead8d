/*
 * A call, from the neutral request to deltas or a result.
 *
 * The body is written once; signing and sending may happen twice, because a pooled connection can turn out
 * to have been closed by the peer (http_send: ERR_STALE), and a signature must never be used twice. What
 * the upstream does wrong after its head becomes a delta with an error, so that one loop in the caller
 * serves good and bad streams alike; only cancellation and the fiber's deadline end the loop with -1.
 */
#include "upstream/upstream.h"

#include <stdlib.h>
#include <time.h>

#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fiber/fiber.h"
#include "upstream/extra.h"
#include "upstream/provider_type.h"
#include "upstream/signing.h"
#include "wire/developer_api.h"
#include "wire/openai_chat/openai_chat.h"

#define BODY_MAX     (160u << 20) /* what we send: 100 MiB of files in base64 and the rest */
#define ANSWER_MAX   (100u << 20) /* providers-openai §2.11 */
#define ERROR_MAX    (1u << 20)   /* providers-openai §2.12 */
#define RETRY_MAX_MS (INT64_C(366) * 86400 * 1000) /* nobody waits longer */

static METRIC(retries, METRIC_COUNTER, "signet_retries_total", "model",
	      "Requests sent once more, a reused connection having closed before an answer");

struct call {
	const struct provider_config *provider;
	const struct provider_type *type;
	const struct inference *inf;
	const struct call_context *cx;
	struct attempt *attempt;
	struct dialect dialect;
	struct http_call *http;
	struct bytes body;
	struct url url;
	struct header_list headers; /* without the signer's */
	uint64_t deadline;          /* of the whole outbound request; absolute ms */
	/* a stream */
	struct sse sse;
	struct wire_stream *stream;
	struct delta delta;
	bool encoded, sse_open, has_first, ended, body_ended;
	uint64_t received; /* bytes of the body so far */
};

/* ---- words for errors ---- */

static bool passed(uint64_t deadline)
{
	return deadline != TIME_NEVER && turn_ms() >= deadline;
}

/* gateway.debug: what was sent and what came stands behind the text. */
static int with_debug(struct call *c)
{
	struct bytes sent = c->attempt->raw_request, came = c->attempt->raw_response;
	struct error e = *error_last();

	if (!c->cx->config->gateway.debug || !bytes_set(sent))
		return -1;
	e.message = arena_printf(c->cx->arena, "%.*s\nRaw request: %.*s%s%.*s", BFMT(e.message),
				 BFMT(sent), bytes_set(came) ? "\nRaw response: " : "", BFMT(came));
	return bytes_set(e.message) ? fail_with(&e) : -1;
}

/* The last error becomes one of this provider: TensorZero's frame around the inner text. `inner` lives in the
 * arena. */
static int provider_error(struct call *c, enum error_kind kind, int status, struct bytes inner)
{
	struct error *e;

	wire_fail(kind, status, c->provider->type, "%.*s", BFMT(inner));
	e = error_last();
	e->upstream_message = inner;
	e->request_id = c->attempt->request_id;
	e->fatal = kind == ERR_FATAL_STREAM;
	return with_debug(c);
}

/* The outbound limits of the gateway, as TensorZero words them. */
static int outbound_timeout(struct call *c)
{
	return provider_error(
		c, ERR_INFERENCE_CLIENT, 0,
		B("Request timed out due to `gateway.global_outbound_http_timeout_ms` (total deadline) or `gateway.global_outbound_http_intra_stream_read_timeout_ms` (time between reads)"));
}

/* What a failed wait or transfer means; the error of net/ is the inner text. Cancellation and deadlines of
 * the callers above pass as they are. */
static int transport_error(struct call *c, bool in_stream)
{
	struct error *e = error_last();
	struct bytes inner;

	switch (e->kind) {
	case ERR_CANCELLED:
	case ERR_OUT_OF_MEMORY:
		return -1;
	case ERR_DEADLINE:
		/* net's own read_idle and head deadlines report the same kind: the fiber's comes first */
		if (passed(fiber_deadline()) && !passed(c->deadline))
			return -1;
		return outbound_timeout(c);
	default:
		break;
	}
	inner = arena_dup(c->cx->arena, e->message);
	if (!bytes_set(inner))
		return -1;
	if (in_stream)
		return provider_error(c, ERR_FATAL_STREAM, 0, inner);
	if (c->provider->kind == PROVIDER_RUST_PROXY)
		return provider_error(c, ERR_INFERENCE_SERVER, 0,
				      arena_cat(c->cx->arena, B("Request failed: "), inner));
	return provider_error(c, ERR_INFERENCE_CLIENT, 0,
			      arena_cat(c->cx->arena, B("Error sending request: "), inner));
}

/* "2", "1.5": some upstreams count in parts of a second. */
static bool decimal_ms(struct bytes v, int64_t *ms)
{
	struct bytes rest = v, whole = bytes_cut(&rest, '.');
	uint64_t n, scale = 100;

	if (!bytes_to_u64(whole, &n))
		return false;
	*ms = n < RETRY_MAX_MS / 1000 ? (int64_t)n * 1000 : RETRY_MAX_MS;
	for (size_t i = 0; i < rest.n; i++, scale /= 10) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
		*ms += (int64_t)(scale * (uint64_t)(rest.p[i] - '0'));
	}
	return true;
}

static int64_t retry_after(const struct http_call *h)
{
	struct bytes v = http_call_header(h, B("retry-after-ms"));
	int64_t ms;
	uint64_t n;
	struct tm tm = { 0 };
	char text[64];

	if (bytes_to_u64(v, &n))
		return n < RETRY_MAX_MS ? (int64_t)n : RETRY_MAX_MS;
	v = http_call_header(h, B("retry-after"));
	if (decimal_ms(v, &ms))
		return ms;
	if (v.n == 0 || v.n >= sizeof text)
		return -1;
	memcpy(text, v.p, v.n);
	text[v.n] = 0;
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm)) /* RFC 9110 §10.2.3 */
		return -1;
	ms = ((int64_t)timegm(&tm) - (int64_t)time(NULL)) * 1000;

	return ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms > 0 ? ms : 0;
}

/* Keeps beside the text of the last error what the upstream's body says. */
static int with_body(struct call *c, int status, struct bytes body, int64_t wait_ms)
{
	struct error *e = error_save(c->cx->arena); /* reading the body may fail and overwrite it */

	if (!e)
		return -1;
	wire_read_error_body(e, body, c->cx->arena);
	e->upstream_status = status;
	e->upstream_body = body;
	if (wait_ms >= 0)
		e->retry_after_ms = wait_ms;
	return fail_with(e);
}

/* The answer's status is not 2xx: reads the body and fails. Waits. */
static int status_error(struct call *c)
{
	struct arena *a = c->cx->arena;
	int status = http_call_status(c->http);
	struct bytes body = B(""), inner;
	bool stream = c->inf->stream && !c->type->always_streams,
	     client = c->type->client_status(status);
	int64_t wait = retry_after(c->http);

	if (http_call_read_all(c->http, ERROR_MAX, &body) && error_last()->kind == ERR_CANCELLED)
		return -1;
	if (!bytes_set(body))
		body = B("");
	c->attempt->raw_response = body;
	error_clear();
	inner = c->type->status_text(status, http_call_reason(c->http), body,
				     c->attempt->request_id, stream, a);
	provider_error(c,
		       stream   ? ERR_FATAL_STREAM
		       : client ? ERR_INFERENCE_CLIENT
				: ERR_INFERENCE_SERVER,
		       client && !stream ? status : 0, inner);
	return with_body(c, status, body, wait);
}

/* ---- opening ---- */

/* Puts <TENSORZERO_FILE_i> where the file's base64 text stands in *rest and moves *rest behind it. */
static int mask_file(const struct block *b, struct bytes *rest, unsigned *count, struct buf *out)
{
	ptrdiff_t at = -1;

	if (b->type == BLOCK_FILE && b->file->data.n)
		at = bytes_find(*rest, b->file->data);
	if (at < 0)
		return 0;
	if (buf_append(out, bytes_slice(*rest, 0, (size_t)at)) ||
	    buf_printf(out, "<TENSORZERO_FILE_%u>", (*count)++))
		return -1;
	*rest = bytes_slice(*rest, (size_t)at + b->file->data.n, rest->n);
	return 0;
}

/* The copy for the record: files are large and kept elsewhere. */
static struct bytes masked(struct bytes body, const struct inference *inf, struct arena *a)
{
	struct buf out;
	unsigned count = 0;
	struct bytes rest = body, copy = { NULL, 0 };
	int r = 0;

	buf_init(&out, BODY_MAX);
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			r |= mask_file(b, &rest, &count, &out);
			for (size_t k = 0; k < b->nparts; k++)
				r |= mask_file(&b->parts[k], &rest, &count, &out);
		}
	if (r == 0 && count && buf_append(&out, rest) == 0)
		copy = arena_adopt(a, &out);
	buf_deinit(&out);
	return bytes_set(copy) ? copy : body;
}

/* How much the request holds, roughly: what decides where it is encoded. */
static size_t weight(const struct inference *inf)
{
	size_t n = inf->source.n + inf->system.n;

	for (size_t i = 0; !inf->source.n && i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			n += b->text.n + b->arguments.n + (b->file ? b->file->data.n : 0);
		}
	return n;
}

/* spec/rust-proxy.md: what the developer API cannot carry is warned of once (the log joins what repeats)
 * beside being named in x-signet-ignored. */
static void warn_ignored(const struct call *c, size_t before)
{
	const struct buf *ignored = c->cx->ignored;

	if (c->provider->kind != PROVIDER_RUST_PROXY || !ignored || ignored->len <= before)
		return;
	log_warn("upstream", "the developer API does not take all of a request",
		 LB("model", c->provider->model->name), LB("provider", c->provider->name),
		 LB("key", bytes_slice(buf_bytes(ignored), before ? before + 2 : 0, ignored->len)));
}

static int write_body(struct call *c)
{
	const struct provider_config *p = c->provider;
	const struct call_context *cx = c->cx;
	struct extra_scope scope = { cx->variant_name, cx->model_name, p->name,
				     c->inf->options->gap_filled_by_last };
	size_t before = cx->ignored ? cx->ignored->len : 0;
	struct buf out;
	int r;

	if (cx->ignored && c->inf->source_wire == &wire_openai_chat &&
	    c->type->wire != c->inf->source_wire)
		openai_chat_foreign_fields(c->inf, cx->ignored);
	buf_init(&out, BODY_MAX);
	r = c->type->wire->write_request(c->inf, &c->dialect, &out, cx->ignored);
	if (r == 0) {
		warn_ignored(c, before);
		c->body = arena_adopt(cx->arena, &out);
		r = bytes_set(c->body) ? 0 : -1;
	}
	buf_deinit(&out);
	if (r || extra_body_apply(&c->body, &p->extra_body, &c->inf->extra_body, &scope, cx->arena))
		return -1;
	c->attempt->raw_request = masked(c->body, c->inf, cx->arena);
	return 0;
}

static void encode_here(void *arg)
{
	struct call *c = arg;

	c->encoded = write_body(c) == 0;
}

static int encode(struct call *c)
{
	return offload_if_big(weight(c->inf), encode_here, c) || !c->encoded ? -1 : 0;
}

/* Headers of an OpenAI client that go on to an upstream of its own family (surfaces §1.6). */
static int pass_headers(struct call *c)
{
	static const struct bytes names[] = { B("openai-beta"), B("session_id"), B("session-id"),
					      B("thread-id"),   B("originator"), B("user-agent") };
	const struct exchange *x = c->cx->exchange;

	for (size_t i = 0; i < x->nheaders; i++) {
		bool on = bytes_istarts(x->headers[i].name, B("x-codex-"));

		for (size_t j = 0; !on && j < sizeof names / sizeof *names; j++)
			on = bytes_ieq(names[j], x->headers[i].name);
		if (on &&
		    header_set(&c->headers, x->headers[i].name, x->headers[i].value, c->cx->arena))
			return -1;
	}
	return 0;
}

static int write_headers(struct call *c)
{
	const struct provider_config *p = c->provider;
	const struct call_context *cx = c->cx;
	struct extra_scope scope = { cx->variant_name, cx->model_name, p->name,
				     c->inf->options->gap_filled_by_last };

	if (header_set(&c->headers, B("user-agent"), B("Signet/" SIGNET_VERSION), cx->arena) ||
	    c->type->headers(p, c->inf, cx, &c->headers))
		return -1;
	if (cx->exchange && c->inf->options->client_headers &&
	    c->inf->source_wire == c->type->wire && p->kind == PROVIDER_OPENAI && pass_headers(c))
		return -1;
	return extra_headers_apply(&c->headers, &p->extra_headers, &c->inf->extra_headers, &scope,
				   cx->arena);
}

/* Signs and sends, once more on a fresh connection if a pooled one was dead. Waits. */
static int transmit(struct call *c)
{
	const struct config *cfg = c->cx->config;
	struct http_send s = { .url = &c->url,
			       .method = B("POST"),
			       .body = c->body,
			       .arena = c->cx->arena,
			       .head_deadline = c->deadline,
			       .read_idle_ms = c->inf->stream || c->type->always_streams
						       ? cfg->gateway.outbound_read_timeout_ms
						       : 0 };

	for (;;) {
		struct header_list headers = { 0 };

		for (size_t i = 0; i < c->headers.len; i++)
			if (!arena_push(c->cx->arena, headers.at, headers.len, headers.cap,
					c->headers.at[i]))
				return -1;
		if (sign_attempt(c->provider, c->cx, s.method, c->provider->endpoint, c->url.target,
				 c->body, &headers, &c->attempt->signature)) {
			if (error_last()->kind == ERR_SIGNER) {
				struct bytes inner = arena_dup(c->cx->arena, error_last()->message);

				provider_error(c, ERR_INFERENCE_SERVER, 0, inner);
				error_last()->kind = ERR_SIGNER;
			}
			return -1;
		}
		s.headers = headers.at;
		s.nheaders = headers.len;
		c->attempt->sent_ms = turn_ms();
		c->http = http_send(c->cx->client, &s);
		if (c->http)
			return 0;
		if (error_last()->kind != ERR_STALE || s.fresh)
			return transport_error(c, c->inf->stream &&
							  c->provider->kind == PROVIDER_OPENAI);
		s.fresh = true;
		METRIC_ADD(&retries, 1, c->cx->model_name);
	}
}

static int check_head(struct call *c)
{
	struct bytes type;
	int status = http_call_status(c->http);

	c->attempt->status = status;
	c->attempt->head_ms = turn_ms();
	c->attempt->request_id =
		arena_dup(c->cx->arena, http_call_header(c->http, B("x-request-id")));
	if (status < 200 || status > 299)
		return status_error(c);
	if (!c->inf->stream || c->type->always_streams)
		return 0;
	type = http_call_header(c->http, B("content-type"));
	if (bytes_istarts(type, B("text/event-stream")))
		return 0;
	struct bytes body = B("");

	if (http_call_read_all(c->http, ERROR_MAX, &body) && error_last()->kind == ERR_CANCELLED)
		return -1;
	if (!bytes_set(body))
		body = B("");
	c->attempt->raw_response = body;
	error_clear();
	provider_error(c, ERR_FATAL_STREAM, 0,
		       arena_printf(c->cx->arena,
				    "Expected content-type 'text/event-stream', got \"%.*s\": %.*s",
				    BFMT(type), BFMT(body)));
	return with_body(c, 0, body, -1);
}

static struct dialect dialect_of(const struct provider_config *p, const struct provider_type *t,
				 const struct config *cfg)
{
	struct dialect d = *t->dialect;

	d.model = p->model_name;
	d.tool_strict = p->tool_strict;
	d.drop_fields = p->drop_fields;
	d.ndrop_fields = p->ndrop_fields;
	d.overrides = p->overrides;
	d.noverrides = p->noverrides;
	d.unsupported_as_placeholder = p->unsupported_as_placeholder >= 0
					       ? p->unsupported_as_placeholder
					       : cfg->surfaces.unsupported_as_placeholder;
	d.developer_api = &p->developer_api;
	return d;
}

static int first_delta(struct call *c)
{
	struct delta *d;
	int r;

	sse_init(&c->sse, SSE_MAX_EVENT);
	c->sse_open = true;
	c->stream = c->type->wire->stream_new(c->inf, &c->dialect, c->cx->arena);
	if (!c->stream)
		return -1;
	r = upstream_next(c, &d, NULL, NULL);
	if (r < 0)
		return -1;
	if (r == 0) { /* TensorZero names the provider here, not its type */
		wire_fail(ERR_INFERENCE_SERVER, 0, c->provider->name,
			  "Stream ended before first chunk");
		error_last()->provider_type = c->provider->type;
		return with_debug(c);
	}
	if (d->error) {
		if (bytes_set(d->raw))
			c->attempt->raw_response = arena_dup(c->cx->arena, d->raw);
		return fail_with(d->error);
	}
	c->has_first = true;
	return 0;
}

struct call *upstream_open(const struct provider_config *p, const struct inference *inf,
			   const struct call_context *cx, struct attempt *attempt)
{
	struct call *c = arena_new(cx->arena, struct call);
	const struct provider_type *type = provider_type_of(p->kind);
	uint64_t before;
	int r;

	*attempt = (struct attempt){ .started_ms = turn_ms(), .stream = inf->stream };
	if (!c)
		return NULL;
	c->provider = p;
	c->type = type;
	c->inf = inf;
	c->cx = cx;
	c->attempt = attempt;
	c->dialect = dialect_of(p, type, cx->config);
	c->deadline = attempt->started_ms + cx->config->gateway.outbound_timeout_ms;
	before = fiber_deadline_narrow(c->deadline);
	r = -1;
	if (type->admit && type->admit(p, cx, &c->dialect.model))
		goto out;
	if (url_parse(p->endpoint, cx->arena, &c->url) || encode(c) || write_headers(c) ||
	    transmit(c) || check_head(c))
		goto out;
	if (inf->stream && first_delta(c))
		goto out;
	r = 0;
out:
	fiber_deadline_restore(before);
	attempt->end_ms = turn_ms();
	if (r == 0)
		return c;
	struct error *saved = error_save(cx->arena);

	upstream_close(c);
	if (saved)
		fail_with(saved);
	return NULL;
}

/* ---- answers ---- */

/* A plain answer's body could not be read to its end. */
static void body_error(struct call *c)
{
	struct bytes inner;

	if (error_last()->kind == ERR_CANCELLED || error_last()->kind == ERR_DEADLINE ||
	    error_last()->kind == ERR_OUT_OF_MEMORY || c->provider->kind == PROVIDER_RUST_PROXY) {
		transport_error(c, false);
		return;
	}
	inner = arena_printf(c->cx->arena, "Error parsing text response: %.*s",
			     BFMT(error_last()->message));
	provider_error(c, ERR_INFERENCE_SERVER, 0, bytes_set(inner) ? inner : B("out of memory"));
}

/* spec/rust-proxy.md: unknown events are ignored and counted; the log joins what repeats. */
static void tell_unknown_events(const struct call *c, uint64_t n)
{
	if (n)
		log_warn("upstream", "events of names that Signet does not know were left out",
			 LB("model", c->provider->model->name), LB("provider", c->provider->name),
			 LI("records", (int64_t)n));
}

struct decoding {
	struct call *call;
	struct bytes body;
	struct result *result;
};

static void decode_here(void *arg)
{
	struct decoding *d = arg;
	struct call *c = d->call;

	d->result = c->type->wire->read_result(d->body, c->inf, &c->dialect, c->cx->arena);
}

struct result *upstream_result(struct call *c)
{
	uint64_t before = fiber_deadline_narrow(c->deadline);
	struct decoding d = { .call = c };
	struct bytes body = { NULL, 0 };
	struct result *r;
	int failed = http_call_read_all(c->http, ANSWER_MAX, &body);

	fiber_deadline_restore(before);
	c->attempt->end_ms = turn_ms();
	if (failed) {
		body_error(c);
		return NULL;
	}
	c->attempt->raw_response = body;
	d.body = body;
	if (offload_if_big(body.n, decode_here, &d))
		return NULL;
	r = d.result;
	if (!r) {
		with_debug(c);
		return NULL;
	}
	tell_unknown_events(c, r->unknown_events);
	r->raw_request = c->attempt->raw_request;
	if (!bytes_set(r->raw_response))
		r->raw_response = body;
	r->request_id = c->attempt->request_id;
	r->response_ms = c->attempt->end_ms - c->attempt->started_ms;
	return r;
}

/* The last error as a delta, so that the caller's loop sees it like any other event. */
static int error_delta(struct call *c, struct delta **out)
{
	struct error *e = error_save(c->cx->arena);

	if (!e)
		return -1;
	e->fatal = true;
	c->delta = (struct delta){ .error = e };
	c->ended = true;
	*out = &c->delta;
	return 1;
}

/* One event through the wire: 1 a delta, 0 none, -1. */
static int take_event(struct call *c, const struct sse_event *ev)
{
	int r = c->type->wire->read_event(c->stream, ev, &c->delta);

	if (r == 2) {
		c->ended = true;
		r = c->type->wire->read_end(c->stream, &c->delta) == 1;
	}
	if (r == 1 && c->delta.error)
		c->ended |= c->delta.error->fatal;
	return r;
}

/* The body is over: what the parser and the wire still hold. */
static int take_end(struct call *c)
{
	struct sse_event ev;
	int r;

	if (!c->body_ended) {
		c->body_ended = true;
		if (sse_end(&c->sse, &ev)) {
			r = take_event(c, &ev);
			if (r || c->ended)
				return r;
		}
	}
	c->ended = true;
	r = c->type->wire->read_end(c->stream, &c->delta) == 1;
	return r;
}

static int read_more(struct call *c)
{
	struct bytes piece;
	uint64_t before = fiber_deadline_narrow(c->deadline);
	int r = http_call_read(c->http, &piece);

	fiber_deadline_restore(before);
	if (r == 1) {
		c->received += piece.n;
		if (c->received > ANSWER_MAX) {
			fail(ERR_TOO_LARGE, "the upstream's answer is longer than %u bytes",
			     ANSWER_MAX);
			return -1;
		}
		sse_feed(&c->sse, piece);
	}
	return r;
}

int upstream_next(struct call *c, struct delta **out, int (*idle)(void *), void *arg)
{
	struct sse_event ev;
	int r;

	*out = &c->delta;
	if (c->has_first) {
		c->has_first = false;
		return 1;
	}
	while (!c->ended) {
		r = c->body_ended ? 0 : sse_next(&c->sse, &ev);
		if (r == 1)
			r = take_event(c, &ev);
		else if (r == 0) {
			if (idle && idle(arg))
				return -1;
			r = c->body_ended ? 0 : read_more(c);
			if (r == 0) {
				r = take_end(c);
				if (r == 0)
					return 0;
			} else if (r == 1) {
				continue;
			}
		}
		if (r == 1)
			return 1;
		if (r < 0) {
			if (transport_error(c, true) && (error_last()->kind == ERR_CANCELLED ||
							 error_last()->kind == ERR_DEADLINE ||
							 error_last()->kind == ERR_OUT_OF_MEMORY))
				return -1;
			return error_delta(c, out);
		}
	}
	return 0;
}

void upstream_close(struct call *c)
{
	if (!c)
		return;
	if (c->http)
		http_call_close(c->http);
	c->http = NULL;
	if (c->stream && c->type->wire == &wire_developer_api)
		tell_unknown_events(c, developer_api_unknown_events(c->stream));
	if (c->stream)
		c->type->wire->stream_free(c->stream);
	c->stream = NULL;
	if (c->sse_open)
		sse_deinit(&c->sse);
	c->sse_open = false;
}
