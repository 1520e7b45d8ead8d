/*
 * Every error of a provider moves on to the next one; only cancellation, the model's own timeout and a
 * caller's deadline end the walk. A stream's provider counts as good with its first delta, after which there
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
#include "upstream/files.h"

static METRIC(requests, METRIC_COUNTER, "signet_upstream_requests_total", "model,provider,result",
	      "Attempts at an upstream by result");
static METRIC(seconds, METRIC_HISTOGRAM, "signet_upstream_seconds", "model,provider",
	      "Time of an attempt from its first byte to the end of the answer");
static METRIC(ttft_seconds, METRIC_HISTOGRAM, "signet_upstream_ttft_seconds", "model,provider",
	      "Time to the first delta of a stream");
static METRIC(fallbacks, METRIC_COUNTER, "signet_fallbacks_total", "model",
	      "Attempts that followed a failed one of the same request");

struct bytes duration_text(uint64_t ms, struct arena *a)
{
	char digits[32];
	int n;

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
	return ms ? from + ms : TIME_NEVER;
}

static bool passed(uint64_t deadline)
{
	return deadline != TIME_NEVER && turn_ms() >= deadline;
}

/* ---- what a provider may see ---- */

static bool fits(const struct block *b, const struct model_config *m,
		 const struct provider_config *p)
{
	if (b->type == BLOCK_THOUGHT)
		return !bytes_set(b->provider_type) || bytes_eq(b->provider_type, p->type);
	if (b->type == BLOCK_UNKNOWN)
		return (!bytes_set(b->model_name) || bytes_eq(b->model_name, m->name)) &&
		       (!bytes_set(b->provider_name) || bytes_eq(b->provider_name, p->name));
	return true;
}

static bool all_fit(const struct inference *inf, const struct model_config *m,
		    const struct provider_config *p)
{
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (!fits(&inf->messages[i].content[j], m, p))
				return false;
	return true;
}

/* Takes out thoughts of other vendors and unknown blocks that are meant for others (config §3.3). */
static int filter(struct inference *inf, const struct model_config *m,
		  const struct provider_config *p, struct arena *a)
{
	struct message *messages;

	if (all_fit(inf, m, p))
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
			if (fits(&from->content[j], m, p))
				to->content[to->len++] = from->content[j];
	}
	inf->messages = messages;
	inf->source_intact = false;
	return 0;
}

/* Provider tools exist for the Responses API only; one in scope fails the attempt (providers-openai §1.3). */
static int check_provider_tools(const struct inference *inf, const struct model_config *m,
				const struct provider_config *p)
{
	size_t n = 0;

	for (size_t i = 0; inf->tools && i < inf->tools->nprovider_tools; i++) {
		const struct provider_tool *t = &inf->tools->provider_tools[i];

		n += (!bytes_set(t->model_name) || bytes_eq(t->model_name, m->name)) &&
		     (!bytes_set(t->provider_name) || bytes_eq(t->provider_name, p->name));
	}
	if (n == 0)
		return 0;
	return fail(
		ERR_INVALID_REQUEST,
		"Provider `%.*s` does not support `provider_tools`, but %zu provider tool(s) were configured for model `%.*s` / provider `%.*s`. Provider tools are only supported by: Anthropic, GCP Vertex Anthropic, and OpenAI (Responses API only).",
		BFMT(p->type), n, BFMT(m->name), BFMT(p->name));
}

/* ---- one attempt ---- */

/* Names the configured timeout that struck, and its span. */
static const char *timeout_name(const struct timeouts *t, bool stream, bool first, uint64_t *ms)
{
	if (!stream) {
		*ms = t->total_ms;
		return "non_streaming.total_ms";
	}
	if (first && t->ttft_ms && (!t->stream_total_ms || t->ttft_ms < t->stream_total_ms)) {
		*ms = t->ttft_ms;
		return "streaming.ttft_ms";
	}
	*ms = t->stream_total_ms;
	return "streaming.total_ms";
}

static int provider_timeout(struct model_call *mc, bool stream, bool first)
{
	uint64_t ms;
	const char *name = timeout_name(&mc->provider->timeouts, stream, first, &ms);

	return fail(ERR_PROVIDER_TIMEOUT,
		    "Model provider %.*s timed out due to configured `%s` timeout (%.*s)",
		    BFMT(mc->provider->name), name, BFMT(duration_text(ms, mc->cx->arena)));
}

static int model_timeout(struct model_call *mc, bool stream, bool first)
{
	uint64_t ms;
	const char *name = timeout_name(&mc->model->timeouts, stream, first, &ms);

	return fail(ERR_MODEL_TIMEOUT, "Model %.*s timed out due to configured `%s` timeout (%.*s)",
		    BFMT(mc->model->name), name, BFMT(duration_text(ms, mc->cx->arena)));
}

static void count(const struct model_call *mc, const char *result)
{
	struct bytes model = mc->model->name, provider = mc->provider->name;

	METRIC_ADD(&requests, 1, model, provider, bytes_of(result));
	METRIC_OBSERVE(&seconds, (double)(turn_ms() - mc->attempt.started_ms) / 1e3, model,
		       provider);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Opens the call at one provider and, if it is plain, reads the result. */
static int attempt(struct model_call *mc, const struct provider_config *p,
		   const struct inference *inf)
{
	const struct timeouts *t = &p->timeouts;
	uint64_t now = turn_ms(), before, limit;
	int r = -1;

	mc->provider = p;
	mc->inf = *inf;
	mc->inf.id = uuid_v7();
	mc->attempt = (struct attempt){ .started_ms = now, .stream = inf->stream };
	mc->provider_deadline = after(now, t->stream_total_ms);
	limit = inf->stream ? sooner(after(now, t->ttft_ms), mc->provider_deadline)
			    : after(now, t->total_ms);
	if (filter(&mc->inf, mc->model, p, mc->cx->arena) ||
	    check_provider_tools(&mc->inf, mc->model, p))
		return -1;
	before = fiber_deadline_narrow(limit);
	if (files_fetch(&mc->inf, p, mc->cx) == 0)
		mc->call = upstream_open(p, &mc->inf, mc->cx, &mc->attempt);
	if (mc->call && !inf->stream)
		mc->result = upstream_result(mc->call);
	if (mc->call && (inf->stream || mc->result))
		r = 0;
	fiber_deadline_restore(before);
	if (r && error_last()->kind == ERR_DEADLINE && passed(limit) && !passed(before))
		r = provider_timeout(mc, inf->stream, true);
	if (r == 0 && inf->stream) {
		mc->first_ms = turn_ms();
		METRIC_OBSERVE(&ttft_seconds, (double)(mc->first_ms - mc->attempt.started_ms) / 1e3,
			       mc->model->name, p->name);
	} else if (r == 0) {
		count(mc, "ok");
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

static int note_failure(struct model_call *mc)
{
	struct failed_attempt f = { .provider = mc->provider,
				    .attempt = mc->attempt,
				    .error = error_save(mc->cx->arena) };

	if (mc->call) /* also when memory is out: the next attempt has a call of its own */
		upstream_close(mc->call);
	mc->call = NULL;
	if (!f.error)
		return -1;
	f.attempt.end_ms = turn_ms();
	count(mc, f.error->kind == ERR_CANCELLED ? "cancelled" : failure_name(classify(f.error)));
	if (!arena_push(mc->cx->arena, mc->failed, mc->nfailed, mc->cfailed, f))
		return -1;
	if (f.error->kind == ERR_CANCELLED)
		return fail_with(f.error);
	log_warn("route", "an attempt failed", LB("request_id", mc->cx->request_id),
		 LB("model", mc->model->name), LB("provider", mc->provider->name),
		 LI("attempt", mc->nfailed), LI("status", f.attempt.status),
		 LS("error_kind", failure_name(classify(f.error))), LB("signer", failed_signer(&f)),
		 LB("error", bytes_slice(f.error->message, 0, 512)));
	return fail_with(f.error);
}

static int fail_providers(struct model_call *mc)
{
	struct arena *a = mc->cx->arena;
	struct error e = { .kind = ERR_ALL_PROVIDERS_FAILED, .retry_after_ms = -1 };
	struct buf text;

	e.nested = arena_new(a, struct error_list);
	if (!e.nested)
		return -1;
	buf_init(&text, 16u << 20);
	buf_append(&text, B("All model providers failed to infer with errors: "));
	for (size_t i = 0; i < mc->nfailed; i++) {
		const struct failed_attempt *f = &mc->failed[i];

		if (error_list_add(e.nested, f->provider->name, f->error, a))
			break;
		buf_append(&text, i ? B(", ") : B(""));
		buf_append(&text, f->provider->name);
		buf_append(&text, B(": "));
		buf_append(&text, f->error->message);
	}
	e.message = arena_adopt(a, &text);
	buf_deinit(&text);
	if (!bytes_set(e.message))
		return -1;
	return fail_with(&e);
}

static bool ends_walk(enum error_kind kind)
{
	return kind == ERR_CANCELLED || kind == ERR_DEADLINE || kind == ERR_OUT_OF_MEMORY;
}

int model_call_open(struct model_call *mc, const struct model_config *model,
		    const struct inference *inf, const struct call_context *cx)
{
	const struct timeouts *t = &model->timeouts;
	uint64_t now = turn_ms(), before, limit;
	int r = -1;

	*mc = (struct model_call){ .model = model, .cx = cx, .started_ms = now };
	mc->model_deadline = after(now, t->stream_total_ms);
	limit = inf->stream ? sooner(after(now, t->ttft_ms), mc->model_deadline)
			    : after(now, t->total_ms);
	before = fiber_deadline_narrow(limit);
	for (size_t i = 0; r && i < model->nrouting; i++) {
		if (i)
			METRIC_ADD(&fallbacks, 1, model->name);
		r = attempt(mc, model->routing[i], inf);
		if (r == 0)
			break;
		if (error_last()->kind == ERR_DEADLINE && passed(limit) && !passed(before)) {
			model_timeout(mc, inf->stream, true);
			note_failure(mc);
			goto out;
		}
		if (note_failure(mc) && ends_walk(error_last()->kind))
			goto out;
	}
	if (r)
		fail_providers(mc);
out:
	fiber_deadline_restore(before);
	return r;
}

int model_call_next(struct model_call *mc, struct delta **out, int (*idle)(void *), void *arg)
{
	uint64_t before, limit = sooner(mc->provider_deadline, mc->model_deadline);
	int r;

	if (mc->over)
		return 0;
	before = fiber_deadline_narrow(limit);
	r = upstream_next(mc->call, out, idle, arg);
	fiber_deadline_restore(before);
	if (r < 0 && error_last()->kind == ERR_DEADLINE && passed(limit) && !passed(before)) {
		struct error *e;

		if (passed(mc->provider_deadline))
			provider_timeout(mc, true, false);
		else
			model_timeout(mc, true, false);
		e = error_save(mc->cx->arena);
		if (!e)
			return -1;
		e->fatal = true;
		mc->late = (struct delta){ .error = e };
		*out = &mc->late;
		r = 1;
	}
	if (r != 1 || ((*out)->error && (*out)->error->fatal)) {
		mc->over = true;
		mc->attempt.end_ms = turn_ms();
		count(mc, r < 0    ? "cancelled"
			  : r == 1 ? failure_name(classify((*out)->error))
				   : "ok");
	}
	return r;
}

void model_call_close(struct model_call *mc)
{
	if (mc->call)
		upstream_close(mc->call);
	mc->call = NULL;
}

int fail_variants(struct bytes variant_name, struct arena *a)
{
	struct error *inner = error_save(a),
		     e = { .kind = ERR_ALL_VARIANTS_FAILED, .retry_after_ms = -1 };

	if (!inner)
		return -1;
	e.nested = arena_new(a, struct error_list);
	e.message = arena_printf(a, "All variants failed with errors: %.*s: %.*s",
				 BFMT(variant_name), BFMT(inner->message));
	if (!e.nested || !bytes_set(e.message) || error_list_add(e.nested, variant_name, inner, a))
		return -1;
	return fail_with(&e);
}
