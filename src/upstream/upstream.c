/*
 * A call, from the neutral request to the head of its answer; what comes then is answer.c's.
 *
 * The body is written once; signing and sending may happen twice, because a pooled connection can turn out
 * to have been closed by the peer (http_send: ERR_STALE), and a signature must never be used twice.
 */
#include "base/error.h"
#include "base/metrics.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "upstream/auto_cache.h"
#include "upstream/call.h"

#define COUNT_MAX (1u << 20)   /* of the answer to a count */
#define BODY_MAX  (160u << 20) /* what we send: 100 MiB of files in base64 and the rest */
#define EDITS     64u          /* bytes that a body mostly gains by what is edited in it */

static METRIC(retries, METRIC_COUNTER, "signet_retries_total", "model",
	      "Requests sent once more, a reused connection having closed before an answer");

/* ---- the body ---- */

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

/* What the upstream cannot carry is warned of once (the log joins what repeats) beside being named in
 * x-signet-ignored. */
static void warn_ignored(const struct call *c, size_t before)
{
	const struct buf *ignored = c->context->ignored;

	if (!c->type->ignored_warning || !ignored || ignored->len <= before)
		return;
	log_warn("upstream", c->type->ignored_warning, LB("model", c->provider->model->name),
		 LB("provider", c->provider->name),
		 LB("key", bytes_slice(buf_bytes(ignored), before ? before + 2 : 0, ignored->len)));
}

static struct extra_scope scope_of(const struct call *c)
{
	return (struct extra_scope){ c->context->variant_name, c->context->model_name,
				     c->provider->name, c->inf->options->gap_filled_by_last };
}

static int write_body(struct call *c)
{
	const struct call_context *context = c->context;
	const struct wire *wire = c->wire, *source = c->inf->source_wire;
	struct extra_scope scope = scope_of(c);
	size_t before = context->ignored ? context->ignored->len : 0;
	struct buf out;
	int r;

	if (source && source != wire && source->foreign_fields &&
	    source->foreign_fields(c->inf, context->ignored))
		return -1;
	buf_init(&out, BODY_MAX);
	r = buf_reserve(&out, source && source == wire ? c->inf->source.n + EDITS : 0);
	if (r == 0)
		r = wire->write_request(c->inf, &c->dialect, &out, context->ignored);
	if (r == 0) {
		warn_ignored(c, before);
		c->body = arena_adopt(context->arena, &out);
		r = bytes_set(c->body) ? 0 : -1;
	}
	buf_deinit(&out);
	if (r || extra_body_apply(&c->body, &c->provider->extra_body, &c->inf->extra_body, &scope,
				  context->arena))
		return -1;
	c->attempt->raw_request = mask_files(c->body, c->inf, context->arena);
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

/* ---- the headers ---- */

/* What came with the request may hold anything, but a header ends at a line break: TensorZero's words for it. */
static int check_values(const struct call *c)
{
	bool stream = c->inf->stream && c->type->words.fatal_stream;

	for (size_t i = 0; i < c->headers.len; i++) {
		if (is_header_value(c->headers.at[i].value))
			continue;
		fail(ERR_PROTOCOL, "%s",
		     stream ? "Reqwest error; caused by: builder error; caused by: failed to parse header value"
			    : "builder error");
		return call_fail_transport(c, stream);
	}
	return 0;
}

static int write_headers(struct call *c)
{
	const struct provider_config *p = c->provider;
	struct arena *a = c->context->arena;
	struct extra_scope scope = scope_of(c);

	if (header_set(&c->headers, B("user-agent"), B("Signet/" SIGNET_VERSION), a) ||
	    c->type->headers(p, c->inf, c->context, &c->headers) || check_values(c) ||
	    call_pass_headers(c))
		return -1;
	return extra_headers_apply(&c->headers, &p->extra_headers, &c->inf->extra_headers, &scope,
				   a);
}

/* ---- sending ---- */

/* A signer's failure is one of this provider, but stays what it is to who counts. */
static int signing_failed(const struct call *c)
{
	if (error_last()->kind == ERR_SIGNER) {
		call_fail(c, ERR_INFERENCE_SERVER, 0,
			  arena_dup(c->context->arena, error_last()->message));
		fail_as(ERR_SIGNER);
	}
	return -1;
}

/* Signs and sends, once more on a fresh connection if a pooled one was dead. Waits. */
static int transmit(struct call *c)
{
	uint64_t read_idle = c->context->config->gateway.outbound_read_timeout_ms;
	bool streamed = c->inf->stream || c->type->always_streams;
	struct http_send s = { .url = &c->url,
			       .method = B("POST"),
			       .body = c->body,
			       .arena = c->context->arena,
			       .head_deadline = c->deadline,
			       .read_idle_ms = streamed ? read_idle : 0 };

	for (;;) {
		struct header_list headers = { 0 };

		for (size_t i = 0; i < c->headers.len; i++)
			if (!arena_push(c->context->arena, headers.at, headers.len, headers.cap,
					c->headers.at[i]))
				return -1;
		if ((c->type->sign || c->provider->signer.set) && call_take_secrets(c, &headers))
			return -1; /* what fails there may name them */
		if (c->type->sign && c->type->sign(c->provider, c->context, &s, &headers))
			return -1;
		if (sign_attempt(c, s.method, &headers))
			return signing_failed(c);
		if (call_take_secrets(c, &headers))
			return -1;
		s.headers = headers.at;
		s.nheaders = headers.len;
		c->attempt->sent_ms = turn_ms();
		c->http = http_send(c->context->client, &s);
		if (c->http)
			return 0;
		if (error_last()->kind != ERR_STALE || s.fresh)
			return call_fail_transport(c,
						   c->inf->stream && c->type->words.fatal_stream);
		s.fresh = true;
		METRIC_ADD(&retries, 1, model_label(c->provider->model));
	}
}

static int check_head(struct call *c)
{
	struct bytes type = http_call_header(c->http, B("content-type")),
		     expected = framing_content_type(c->type->framing), id;
	int status = http_call_status(c->http);

	c->attempt->status = status;
	c->attempt->head_ms = turn_ms();
	id = http_call_header(c->http, c->type->request_id_header);
	if (!bytes_set(id) && c->type->other_request_id_header.n)
		id = http_call_header(c->http, c->type->other_request_id_header);
	c->attempt->request_id = call_redact_good(c, arena_dup(c->context->arena, id));
	if (bytes_set(id) && !bytes_set(c->attempt->request_id))
		return -1;
	if (call_take_returned(c))
		return -1;
	if (status < 200 || status > 299)
		return call_fail_status(c);
	if (!c->inf->stream || c->type->always_streams || bytes_istarts(type, expected))
		return 0;
	switch (c->type->framing == FRAMING_SSE ? answer_peek(c) : 0) {
	case 1: return 0;
	case 0: return call_fail_content_type(c, expected, type);
	default: return call_fail_transport(c, false);
	}
}

/* ---- opening ---- */

static struct dialect dialect_of(const struct provider_config *p, const struct provider_type *t,
				 const struct config *config)
{
	struct dialect d = t->dialect;

	d.type = p->type;
	d.label = bytes_of(t->kind.label);
	if (t->thoughts_of)
		d.thoughts_of = t->thoughts_of(p);
	d.model = p->model_name;
	d.of_model = p->model->name;
	d.of_provider = p->name;
	d.drop_fields = p->drop_fields.at;
	d.ndrop_fields = p->drop_fields.len;
	d.unsupported_as_placeholder = p->unsupported_as_placeholder >= 0
					       ? p->unsupported_as_placeholder
					       : config->surfaces.unsupported_as_placeholder;
	if (t->set_dialect)
		t->set_dialect(p, &d);
	return d;
}

static int find_endpoint(struct call *c)
{
	c->endpoint = c->provider->endpoint;
	if (c->counts)
		return c->type->count_endpoint(c->provider, c->context, &c->endpoint) ||
				       url_parse(c->endpoint, c->context->arena, &c->url)
			       ? -1
			       : 0;
	if (c->type->endpoint && c->type->endpoint(c->provider, c->inf, c->context, &c->endpoint))
		return -1;
	if (!c->type->endpoint && c->provider->url) {
		c->url = *c->provider->url;
		return 0;
	}
	return url_parse(c->endpoint, c->context->arena, &c->url);
}

/* Sends, once more if there is something better to sign with than what the upstream refused. Waits. */
static int send_signed(struct call *c)
{
	int status;

	if (transmit(c))
		return -1;
	status = http_call_status(c->http);
	if (c->type->sign_better && (status < 200 || status > 299) && !c->signed_better &&
	    c->type->sign_better(c->provider, c->context, c->http)) {
		c->signed_better = true;
		http_call_close(c->http);
		c->http = NULL;
		c->headers = (struct header_list){ 0 };
		return write_headers(c) || transmit(c) ? -1 : 0;
	}
	return 0;
}

/* Custom tools go out as functions where the provider has none; TensorZero's routes fail there. */
static int emulate_custom_tools(struct call *c)
{
	struct arena *a = c->context->arena;

	if ((c->wire->custom_tools && !c->dialect.chat.no_custom) ||
	    c->inf->source_wire == c->wire || !c->inf->options->lenient ||
	    !custom_tools_any(c->inf))
		return 0;
	c->asked = c->inf;
	c->inf = custom_tools_as_functions(c->asked, a);
	c->custom = custom_stream_new(c->asked, a);
	return c->inf && c->custom ? 0 : -1;
}

/* TensorZero's routes leave them out and say so in the log. */
static int cut_at_stops(struct call *c)
{
	if (!c->wire->no_stop || !c->inf->options->lenient || !c->inf->nstop)
		return 0;
	c->stops = stop_cut_new(c->inf, c->context->arena);
	return c->stops ? 0 : -1;
}

static int mark_cache(struct call *c)
{
	if (!c->wire->takes_cache_marks || !c->inf->options->auto_cache ||
	    !c->context->config->surfaces.auto_cache)
		return 0;
	c->inf = auto_cached(c->inf, c->context->arena);
	return c->inf ? 0 : -1;
}

/* Providers that think unseen do it in words where they are asked to (surfaces §1.3, §6.6). */
static int ask_for_thoughts(struct call *c)
{
	struct bytes effort = c->inf->params[PARAM_REASONING_EFFORT];
	struct inference *inf;

	if (!c->wire->sums_up_when_asked || !c->inf->options->thoughts_unasked ||
	    bytes_set(c->inf->reasoning_summary) ||
	    !c->context->config->surfaces.reasoning_to_client || !effort.n ||
	    bytes_eq(effort, B("none")))
		return 0;
	inf = arena_new(c->context->arena, struct inference);
	if (!inf)
		return -1;
	*inf = *c->inf;
	inf->reasoning_summary = B("auto");
	inf->wants_seals = true; /* so that they can go back */
	c->inf = inf;
	return 0;
}

static int open_call(struct call *c)
{
	if (emulate_custom_tools(c) || cut_at_stops(c) || ask_for_thoughts(c) || mark_cache(c))
		return -1;
	if (c->type->admit && c->type->admit(c->provider, c->context, &c->dialect.model))
		return -1;
	if (find_endpoint(c) || encode(c) || write_headers(c) || send_signed(c) || check_head(c))
		return -1;
	return c->inf->stream ? answer_begin(c) : 0;
}

/* NULL: out of memory. */
static struct call *call_new(const struct provider_config *p, const struct inference *inf,
			     const struct call_context *context, struct attempt *attempt)
{
	struct call *c = arena_new(context->arena, struct call);

	*attempt = (struct attempt){ .started_ms = turn_ms(),
				     .stream = inf->stream,
				     .last = attempt->last };
	if (!c)
		return NULL;
	c->provider = p;
	if (p->in_flight)
		__atomic_fetch_add(p->in_flight, 1, __ATOMIC_RELAXED);
	c->type = provider_type_of(p);
	c->wire = provider_wire(p);
	c->inf = inf;
	c->context = context;
	c->attempt = attempt;
	c->dialect = dialect_of(p, c->type, context->config);
	c->deadline = attempt->started_ms + context->config->gateway.outbound_timeout_ms;
	return c;
}

int upstream_count(const struct provider_config *p, const struct inference *inf,
		   const struct call_context *context, uint64_t *tokens, struct bytes *answer)
{
	struct attempt attempt = { 0 };
	struct call *c;
	uint64_t before;
	int r;

	if (!provider_type_of(p)->count_endpoint)
		return 1;
	c = call_new(p, inf, context, &attempt);
	if (!c)
		return -1;
	c->counts = c->dialect.counts = true;
	before = fiber_deadline_narrow(attempt.started_ms + COUNT_MS);
	r = open_call(c) || http_call_read_all(c->http, COUNT_MAX, answer);
	fiber_deadline_restore(before);
	upstream_close(c);
	if (r || !c->type->read_count(*answer, context->arena, tokens))
		return -1;
	return 0;
}

struct call *upstream_open(const struct provider_config *p, const struct inference *inf,
			   const struct call_context *context, struct attempt *attempt)
{
	struct call *c = call_new(p, inf, context, attempt);
	struct error *failure;
	uint64_t before;
	int r;

	if (!c)
		return NULL;
	before = fiber_deadline_narrow(c->deadline);
	r = open_call(c);
	fiber_deadline_restore(before);
	attempt->end_ms = turn_ms();
	if (r == 0)
		return c;
	failure = error_save(context->arena);
	if (failure)
		call_redact_error(c, failure);
	attempt->raw_response = call_redact(c, attempt->raw_response);
	upstream_close(c);
	if (failure)
		fail_with(failure);
	return NULL;
}

int upstream_discovered(const struct provider_config *p, const struct call_context *context,
			bool fetch, struct discovered *out)
{
	const struct provider_type *type = provider_type_of(p);

	*out = (struct discovered){ 0 };
	return type->discovered ? type->discovered(p, context, fetch, out) : 0;
}

const struct wire *provider_wire(const struct provider_config *p)
{
	const struct provider_type *type = provider_type_of(p);

	if (p->embeds)
		return type->embeddings;
	return type->wire_of ? type->wire_of(p) : type->wire;
}
