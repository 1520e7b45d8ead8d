/*
 * Every error of a provider moves on to the next one; only cancellation, the model's own timeout and a
 * caller's deadline end the walk. A stream's provider counts as good with its first content, after which there
 * is no way back: a timeout or a break then is an error inside the stream.
 *
 * Deadlines nest by narrowing the fiber's: which one struck is found by comparing the clock with each, the
 * innermost first.
 */
#include "route/model_call.h"

#include <stdio.h>

#include "base/log.h"
#include "base/metrics.h"
#include "fiber/fiber.h"
#include "route/classify.h"
#include "route/keys.h"
#include "sign/signer.h"
#include "upstream/files.h"
#include "upstream/provider_type.h"

#define TEXT_MAX (16u << 20) /* of the errors of all providers in one */

static METRIC(requests, METRIC_COUNTER, "signet_upstream_requests_total", "model,provider,result",
	      "Attempts at an upstream by result");
static METRIC(seconds, METRIC_HISTOGRAM, "signet_upstream_seconds", "model,provider",
	      "Time of an attempt from its first byte to the end of the answer");
static METRIC(ttft_seconds, METRIC_HISTOGRAM, "signet_upstream_ttft_seconds", "model,provider",
	      "Time to the first content of a stream");
static METRIC(fallbacks, METRIC_COUNTER, "signet_fallbacks_total", "model",
	      "Attempts that followed a failed one of the same request");

struct bytes duration_text(uint64_t ms, struct arena *a)
{
	char digits[32];
	int n;

	if (ms == 0)
		return B("0ns");
	if (ms < 1000)
		return arena_printf(a, "%llums", (unsigned long long)ms);
	n = snprintf(digits, sizeof digits, "%llu.%03llu", (unsigned long long)(ms / 1000),
		     (unsigned long long)(ms % 1000));
	while (n > 0 && digits[n - 1] == '0')
		n--;
	if (n > 0 && digits[n - 1] == '.')
		n--;
	return arena_printf(a, "%.*ss", n, digits);
}

static uint64_t after(uint64_t from, uint64_t ms)
{
	if (ms == TIMEOUT_AT_ONCE)
		return from;
	return ms ? from + ms : TIME_NEVER;
}

/* ---- what a provider may see ---- */

/* Whether what names a model and a provider, or leaves them open, is for this one. */
static bool is_meant_for(const struct provider_config *p, struct bytes model, struct bytes provider)
{
	return (!bytes_set(model) || bytes_eq(model, p->model->name)) &&
	       (!bytes_set(provider) || bytes_eq(provider, p->name));
}

static bool block_fits(const struct inference *inf, const struct block *b,
		       const struct provider_config *p)
{
	bool family = !bytes_set(b->source) || inf->source_wire == provider_wire(p);

	if (b->type == BLOCK_THOUGHT)
		return bytes_set(b->provider_type) ? provider_takes_thoughts_of(p, b->provider_type)
						   : family;
	return b->type != BLOCK_UNKNOWN ||
	       (family && is_meant_for(p, b->model_name, b->provider_name));
}

static bool all_fit(const struct inference *inf, const struct provider_config *p)
{
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (!block_fits(inf, &inf->messages[i].content[j], p))
				return false;
	return true;
}

/* Takes out thoughts of other vendors and unknown blocks that are meant for others (config §3.3). */
static int filter_blocks(struct inference *inf, const struct provider_config *p, struct arena *a)
{
	struct message *messages;

	if (all_fit(inf, p))
		return 0;
	messages = arena_array(a, struct message, inf->nmessages);
	if (!messages)
		return -1;
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *from = &inf->messages[i];
		struct message *to = &messages[i];

		*to = *from;
		to->content = arena_array(a, struct block, from->len ? from->len : 1);
		to->len = 0;
		if (!to->content)
			return -1;
		for (size_t j = 0; j < from->len; j++)
			if (block_fits(inf, &from->content[j], p))
				to->content[to->len++] = from->content[j];
	}
	inf->messages = messages;
	if (inf->source_wire != provider_wire(p) || !provider_wire(p)->edits_thoughts)
		inf->source_intact = false;
	return 0;
}

/* Leaves those in scope. One fails the attempt at a format that has none (providers-openai §1.3). */
static int scope_provider_tools(struct inference *inf, const struct provider_config *p,
				struct arena *a)
{
	size_t n = 0, all = inf->tools ? inf->tools->nprovider_tools : 0;
	struct tool_config *scoped = all ? arena_new(a, struct tool_config) : NULL;

	if (!all)
		return 0;
	if (!scoped)
		return -1;
	*scoped = *inf->tools;
	scoped->provider_tools = arena_array(a, struct provider_tool, all);
	if (!scoped->provider_tools)
		return -1;
	for (size_t i = 0; i < all; i++) {
		const struct provider_tool *t = &inf->tools->provider_tools[i];

		if (is_meant_for(p, t->model_name, t->provider_name))
			scoped->provider_tools[n++] = *t;
	}
	scoped->nprovider_tools = scoped->cprovider_tools = n;
	if (n == 0 || provider_wire(p)->takes_provider_tools) {
		inf->tools = scoped;
		return 0;
	}
	return fail(
		ERR_INVALID_REQUEST,
		"Provider `%.*s` does not support `provider_tools`, but %zu provider tool(s) were configured for model `%.*s` / provider `%.*s`. Provider tools are only supported by: Anthropic, GCP Vertex Anthropic, and OpenAI (Responses API only).",
		BFMT(p->type), n, BFMT(p->model->name), BFMT(p->name));
}

/* ---- one attempt ---- */

/* Names the configured timeout that strikes first, and its span. */
static const char *timeout_name(const struct timeouts *t, bool stream, bool first, uint64_t *ms)
{
	if (!stream) {
		*ms = t->total_ms;
		return "non_streaming.total_ms";
	}
	if (first && t->ttft_ms && after(0, t->ttft_ms) < after(0, t->stream_total_ms)) {
		*ms = t->ttft_ms;
		return "streaming.ttft_ms";
	}
	*ms = t->stream_total_ms;
	return "streaming.total_ms";
}

/* Fails with the timeout that struck, the model's or the provider's. */
static int timed_out(const struct model_call *call, bool of_model, bool first)
{
	const struct timeouts *t = of_model ? &call->model->timeouts : &call->provider->timeouts;
	uint64_t ms;
	const char *name = timeout_name(t, call->inf.stream, first, &ms);
	struct bytes span = duration_text(ms == TIMEOUT_AT_ONCE ? 0 : ms, call->context->arena);

	return fail(of_model ? ERR_MODEL_TIMEOUT : ERR_PROVIDER_TIMEOUT,
		    "%s %.*s timed out due to configured `%s` timeout (%.*s)",
		    of_model ? "Model" : "Model provider",
		    BFMT(of_model ? call->model->name : call->provider->name), name, BFMT(span));
}

/* Whether the last error is this deadline's, and not that of who called with the one before. */
static bool struck(uint64_t deadline, uint64_t before)
{
	return error_last()->kind == ERR_DEADLINE && turn_passed(deadline) && !turn_passed(before);
}

static void count_attempt(const struct model_call *call, const char *result)
{
	struct bytes model = model_label(call->model), provider = call->provider->name;
	size_t n = model_call_count(call);

	METRIC_ADD(&requests, (double)n, model, provider, bytes_of(result));
	for (size_t i = 0; i < n; i++)
		METRIC_OBSERVE(&seconds, (double)(turn_ms() - call->attempt.started_ms) / 1e3,
			       model, provider);
}

void model_call_counters_begin(const struct model_config *m, const struct provider_config *p)
{
	static const struct bytes results[] = { B("ok"), B("server"), B("timeout"),
						B("rate_limit") };

	for (size_t i = 0; i < COUNT(results); i++)
		METRIC_ADD(&requests, 0, m->name, p->name, results[i]);
	METRIC_ADD(&fallbacks, 0, m->name);
	cost_counters_begin(m->name);
	keys_counters_begin(p);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When an answer that begins now must be there, of a stream its first delta; *all: a stream's end. */
static uint64_t deadline_of(const struct timeouts *t, bool stream, uint64_t now, uint64_t *all)
{
	*all = after(now, t->stream_total_ms);
	return stream ? sooner(after(now, t->ttft_ms), *all) : after(now, t->total_ms);
}

static int open_one(struct model_call *call)
{
	call->upstream = upstream_open(call->provider, &call->inf, call->context, &call->attempt);
	if (!call->upstream || call->inf.stream)
		return call->upstream ? 0 : -1;
	call->result = upstream_result(call->upstream);
	if (call->result)
		cost_of_plain(call->provider, call->result, call->context->arena);
	return call->result ? 0 : -1;
}

/* The answers of plain calls as one. */
static int join_results(struct model_call *call)
{
	struct arena *a = call->context->arena;
	size_t n = fan_len(call->fan);
	struct result *all = arena_array(a, struct result, n),
		      *others = arena_array(a, struct result, n),
		      *joined = arena_new(a, struct result);

	if (!all || !others || !joined)
		return -1;
	for (size_t i = 0; i < n; i++) {
		cost_of_plain(call->provider, fan_at(call->fan, i)->result, a);
		all[i] = *fan_at(call->fan, i)->result;
	}
	fan_combine(all, n, others, joined);
	call->result = joined;
	return 0;
}

/* As many calls as choices are asked for. */
static int open_several(struct model_call *call, bool last)
{
	int r;

	if (call->nfans == FANS_MAX)
		return fail(ERR_TOO_LARGE, "`n` at more than %d providers", FANS_MAX);
	r = fan_open(call->provider, &call->inf, call->context, last, &call->fan, &call->attempt);
	if (!call->fan)
		return -1;
	call->fans[call->nfans++] = call->fan;
	if (r)
		return -1;
	call->inf.id = fan_at(call->fan, 0)->inf.id;
	call->attempt = fan_at(call->fan, 0)->attempt;
	return call->inf.stream ? 0 : join_results(call);
}

static int start_meters(struct model_call *call)
{
	size_t n = model_call_count(call);
	struct arena *a = call->context->arena;

	call->meters = arena_array(a, struct cost_meter, n);
	for (size_t i = 0; call->meters && i < n; i++)
		if (cost_meter_init(&call->meters[i], call->provider, a))
			return -1;
	return call->meters ? 0 : -1;
}

/* Opens the call at one provider and, if it is plain, reads the result. `last`: there is no other to ask. */
static int attempt(struct model_call *call, const struct provider_config *p,
		   const struct inference *inf, bool last)
{
	uint64_t now = turn_ms(), before,
		 limit = deadline_of(&p->timeouts, inf->stream, now, &call->provider_deadline);
	int r = -1;

	call->provider = p;
	call->inf = *inf;
	call->inf.id = uuid_v7();
	call->attempt = (struct attempt){ .started_ms = now, .stream = inf->stream, .last = last };
	if (filter_blocks(&call->inf, p, call->context->arena) ||
	    scope_provider_tools(&call->inf, p, call->context->arena))
		return -1;
	before = fiber_deadline_narrow(limit);
	if (cost_admit(call->context->config, p))
		r = -1;
	else if (files_fetch(&call->inf, p, call->context))
		call->refused = files_refused();
	else
		r = inf->n > 1 && !provider_wire(p)->has_choices ? open_several(call, last)
								 : open_one(call);
	fiber_deadline_restore(before);
	if (r && struck(limit, before))
		timed_out(call, false, true);
	if (r == 0 && inf->stream)
		r = start_meters(call);
	if (r == 0 && inf->stream) {
		call->first_ms = turn_ms();
		METRIC_OBSERVE(&ttft_seconds,
			       (double)(call->first_ms - call->attempt.started_ms) / 1e3,
			       model_label(call->model), p->name);
	} else if (r == 0) {
		count_attempt(call, "ok");
	}
	return r;
}

/* The signer that the attempt failed by; unset: by something else. */
static struct bytes failed_signer(const struct failed_attempt *f)
{
	if (classify(f->error) != FAILURE_SIGNER || !f->provider->signer.signer)
		return (struct bytes){ NULL, 0 };
	return signer_id(f->provider->signer.signer);
}

static int note_failure(struct model_call *call)
{
	struct failed_attempt f = { .provider = call->provider,
				    .attempt = call->attempt,
				    .error = error_save(call->context->arena) };

	model_call_close(
		call); /* also when memory is out: the next attempt has a call of its own */
	if (!f.error)
		return -1;
	f.attempt.end_ms = turn_ms();
	count_attempt(call, f.error->kind == ERR_CANCELLED ? "cancelled"
							   : failure_name(classify(f.error)));
	if (!arena_push(call->context->arena, call->failed, call->nfailed, call->cfailed, f))
		return -1;
	if (f.error->kind == ERR_CANCELLED)
		return fail_with(f.error);
	log_warn("route", "an attempt failed", LB("model", call->model->name),
		 LB("provider", call->provider->name), LI("attempt", call->nfailed),
		 LI("status", f.attempt.status), LS("error_kind", failure_name(classify(f.error))),
		 LB("signer", failed_signer(&f)),
		 LB("error", bytes_slice(f.error->message, 0, 512)));
	return fail_with(f.error);
}

/* An error that others have led to. */
static int fail_around(enum error_kind kind, struct bytes message, struct error_list *nested)
{
	struct error e = {
		.kind = kind, .message = message, .nested = nested, .retry_after_ms = -1
	};

	return bytes_set(message) ? fail_with(&e) : -1;
}

static int fail_providers(struct model_call *call)
{
	struct arena *a = call->context->arena;
	struct error_list *nested = arena_new(a, struct error_list);
	struct buf text;
	struct bytes message;

	if (!nested)
		return -1;
	nested->of = call->model->name;
	buf_init(&text, TEXT_MAX);
	buf_append(&text, B("All model providers failed to infer with errors: "));
	for (size_t i = 0; i < call->nfailed; i++) {
		const struct failed_attempt *f = &call->failed[i];

		if (error_list_add(nested, f->provider->name, f->error, a))
			break;
		buf_append(&text, i ? B(", ") : B(""));
		buf_append(&text, f->provider->name);
		buf_append(&text, B(": "));
		buf_append(&text, f->error->message);
	}
	message = arena_adopt(a, &text);
	buf_deinit(&text);
	return fail_around(ERR_ALL_PROVIDERS_FAILED, message, nested);
}

struct limits {
	uint64_t limit, before; /* of the model's time */
	bool last;              /* no other provider is left */
};

/* The keys of a provider, one after the other. 0: one has answered; 1: none has; -1: the call is over. */
static int try_keys(struct model_call *call, struct key_walk *walk, const struct inference *inf,
		    const struct limits *limits)
{
	const struct provider_config *p;
	bool more = true;

	while (more && (p = key_walk_next(walk, call->context->arena))) {
		if (call->nfailed)
			METRIC_ADD(&fallbacks, 1, model_label(call->model));
		if (attempt(call, p, inf, limits->last && !key_walk_has_more(walk)) == 0)
			return 0;
		if (struck(limits->limit, limits->before)) {
			timed_out(call, true, true);
			return note_failure(call);
		}
		note_failure(call);
		call->refused |= error_last()->kind == ERR_BUSY;
		if (call_ended_above() || call->refused)
			return -1;
		more = key_walk_failed(walk, error_last());
	}
	return more && error_last()->kind == ERR_OUT_OF_MEMORY ? -1 : 1;
}

/* The place in routing that is tried as number i, if `first` goes before the others. */
static size_t in_turn(size_t i, size_t first)
{
	if (i == 0)
		return first;
	return i <= first ? i - 1 : i;
}

static int try_providers(struct model_call *call, const struct inference *inf, uint64_t limit,
			 uint64_t before)
{
	const struct model_config *model = call->model;
	uint64_t session = call->context->session;
	struct affinity kept = { .key = API_KEYS_MAX };
	bool known = affinity_find(call->context->config, session, &kept) &&
		     kept.provider < model->nrouting;

	for (size_t i = 0; i < model->nrouting; i++) {
		size_t at = in_turn(i, known ? kept.provider : 0);
		struct key_walk walk;
		int r;

		key_walk_begin(&walk, model->routing[at], session,
			       known && at == kept.provider ? kept.key : API_KEYS_MAX);
		r = try_keys(call, &walk, inf,
			     &(struct limits){ limit, before, i + 1 == model->nrouting });
		if (r == 0)
			affinity_keep(call->context->config, session,
				      (struct affinity){ at, walk.key });
		if (r <= 0)
			return r;
	}
	return fail_providers(call);
}

int model_call_open(struct model_call *call, const struct model_config *model,
		    const struct inference *inf, const struct call_context *context)
{
	uint64_t now = turn_ms(), before, limit;
	int r;

	*call = (struct model_call){ .model = model, .context = context, .started_ms = now };
	limit = deadline_of(&model->timeouts, inf->stream, now, &call->model_deadline);
	before = fiber_deadline_narrow(limit);
	r = try_providers(call, inf, limit, before);
	fiber_deadline_restore(before);
	return r;
}

/* The error of a stream that ran out of time, as its last delta. */
static int late_delta(struct model_call *call, struct delta **out)
{
	struct error *e;

	timed_out(call, !turn_passed(call->provider_deadline), false);
	e = error_save(call->context->arena);
	if (!e)
		return -1;
	e->fatal = true;
	call->late = (struct delta){ .error = e };
	*out = &call->late;
	return 1;
}

static void tell_stream_error(const struct model_call *call, const struct error *e)
{
	log_warn("route", "an error inside a stream", LB("model", call->model->name),
		 LB("provider", call->provider->name), LI("status", e->upstream_status),
		 LS("error_kind", failure_name(classify(e))),
		 LB("error", bytes_slice(e->message, 0, 512)));
}

int model_call_next(struct model_call *call, struct delta **out, int (*idle)(void *), void *arg)
{
	uint64_t before, limit = sooner(call->provider_deadline, call->model_deadline);
	int r;

	if (call->ended)
		return 0;
	before = fiber_deadline_narrow(limit);
	r = call->fan ? fan_next(call->fan, out, &call->from, idle, arg)
		      : upstream_next(call->upstream, out, idle, arg);
	fiber_deadline_restore(before);
	if (r < 0 && struck(limit, before))
		r = late_delta(call, out);
	if (r == 1)
		cost_meter_add(&call->meters[call->from], call->provider, *out);
	if (r == 1 && (*out)->error)
		tell_stream_error(call, (*out)->error);
	if (r != 1 || ((*out)->error && (*out)->error->fatal)) {
		call->ended = true;
		call->whole = r == 0;
		call->attempt.end_ms = turn_ms();
		count_attempt(call, r < 0    ? "cancelled"
				    : r == 1 ? failure_name(classify((*out)->error))
					     : "ok");
	}
	return r;
}

void model_call_close(struct model_call *call)
{
	upstream_close(call->upstream);
	call->upstream = NULL;
	if (call->fan)
		fan_stop(call->fan);
	call->fan = NULL;
}

void model_call_free(struct model_call *call)
{
	while (call->nfans)
		fan_free(call->fans[--call->nfans]);
}

size_t model_call_count(const struct model_call *call)
{
	return call->fan ? fan_len(call->fan) : 1;
}

struct model_call model_call_at(const struct model_call *call, size_t i)
{
	struct model_call one = *call;

	if (!call->fan)
		return one;
	one.inf.id = fan_at(call->fan, i)->inf.id;
	one.attempt = fan_at(call->fan, i)->attempt;
	one.result = fan_at(call->fan, i)->result;
	if (i)
		one.nfailed = 0;
	return one;
}

void model_call_cost(const struct model_call *call, size_t i, struct result *result)
{
	cost_of_stream(call->provider, &call->meters[i], call->whole, result);
}

int fail_variants(struct bytes variant_name, struct arena *a)
{
	struct error_list *nested = arena_new(a, struct error_list);
	struct error *inner = error_save(a);

	if (!inner || !nested || error_list_add(nested, variant_name, inner, a))
		return -1;
	return fail_around(ERR_ALL_VARIANTS_FAILED,
			   arena_printf(a, "All variants failed with errors: %.*s: %.*s",
					BFMT(variant_name), BFMT(inner->message)),
			   nested);
}
