/*
 * What a page may have the gateway ask of an upstream: a test of one provider, and its list of models. A test is a request
 * like any other, with its row (tagged tensorzero::ui), but only this provider is tried. It costs what it costs.
 */
#include "api/internal.h"

#include "base/json.h"
#include "route/model_call.h"
#include "route/record.h"
#include "wire/openai_chat/openai_chat.h"

#define PROMPT        "Say hello in one short sentence."
#define PROMPT_MAX    (64u << 10)
#define TOKENS        64
#define TOKENS_MAX    100000
#define TEST_MAX_MS   120000
#define TEST_TEXT_MAX (1u << 20)

struct test {
	struct exchange *ex;
	const struct provider_config *provider;
	struct model_config model; /* with this provider alone */
	struct provider_config *routing[1];
	struct envelope *env;
	struct call_context context;
	struct model_call call;
	struct gather *gather;
	struct result result;
	struct buf text; /* what was answered */
	uint64_t started_ms;
};

static const struct provider_config *provider_named(const struct config *c,
						    const struct bytes *params)
{
	const struct model_config *m = config_model(c, params[0]);

	for (size_t i = 0; m && i < m->nrouting; i++)
		if (bytes_eq(m->routing[i]->name, params[1]))
			return m->routing[i];
	fail(ERR_ROUTE_NOT_FOUND, "%.*s has no provider %.*s", BFMT(bytes_head(params[0], 200)),
	     BFMT(bytes_head(params[1], 200)));
	return NULL;
}

/* ---- the request ---- */

static struct bytes chat_body(struct arena *a, struct bytes model, struct bytes prompt,
			      uint64_t tokens)
{
	struct buf out;
	struct bytes body;
	struct pen p = { .b = &out };

	buf_init(&out, PROMPT_MAX * 8);
	pen_open(&p, '{');
	pen_text(&p, "model", model);
	pen_key(&p, "messages");
	pen_lit(&p, "[{\"role\":\"user\",\"content\":");
	pen_string(&p, prompt);
	pen_lit(&p, "}]");
	pen_number(&p, "max_tokens", tokens);
	pen_lit(&p, ",\"stream\":true}");
	body = pen_done(&p) ? (struct bytes){ 0 } : arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return body;
}

static int read_test(struct test *t)
{
	static const struct tag ours = { B("tensorzero::ui"), B("true") };
	struct arena *a = t->ex->arena;
	struct bytes text, prompt = B(PROMPT);
	uint64_t tokens = TOKENS;
	yyjson_val *body;

	if (exchange_body(t->ex, &text))
		return -1;
	body = json_parse(text.n ? text : B("{}"), a);
	if (!body)
		return -1;
	if (json_get(body, "prompt"))
		prompt = json_str(json_get(body, "prompt"));
	if (!prompt.n || prompt.n > PROMPT_MAX)
		return fail(ERR_INVALID_REQUEST, "prompt: wanted is a text of at most %u bytes",
			    PROMPT_MAX);
	if (json_get(body, "max_tokens") &&
	    (!json_u64(json_get(body, "max_tokens"), &tokens) || !tokens || tokens > TOKENS_MAX))
		return fail(ERR_INVALID_REQUEST, "max_tokens: wanted is a number from 1 to %d",
			    TOKENS_MAX);
	text = chat_body(a, t->provider->model->name, prompt, tokens);
	t->env = bytes_set(text) ? openai_chat_read_request(text, &openai_chat_options, a) : NULL;
	return t->env && arena_push(a, t->env->tags, t->env->ntags, t->env->ctags, ours) ? 0 : -1;
}

/* ---- what happens, as events ---- */

static int send_event(struct test *t, struct pen *p)
{
	struct buf *out = p->b;
	int bad = pen_done(p) || exchange_stream_write(t->ex, B("data: ")) ||
		  exchange_stream_write(t->ex, buf_bytes(out)) ||
		  exchange_stream_write(t->ex, B("\n\n")) || exchange_stream_flush(t->ex);

	buf_deinit(out);
	return bad;
}

/* `at`: clock_mono_ms(); 0: it was not reached. */
static int tell_stage(struct test *t, struct bytes stage, uint64_t at)
{
	struct buf out;
	struct pen p = { .b = &out };

	if (!at)
		return 0;
	buf_init(&out, 1024);
	pen_open(&p, '{');
	pen_text(&p, "stage", stage);
	pen_number(&p, "ms", at > t->started_ms ? at - t->started_ms : 0);
	pen_close(&p, '}');
	return send_event(t, &p);
}

static const struct attempt *last_attempt(const struct test *t)
{
	const struct model_call *c = &t->call;

	return c->upstream || !c->nfailed ? &c->attempt : &c->failed[c->nfailed - 1].attempt;
}

static void put_tokens(struct pen *p, struct bytes key, int64_t n)
{
	pen_member(p, key);
	if (n == USAGE_UNKNOWN)
		pen_lit(p, "null");
	else
		pen_printf(p, "%" PRId64, n);
}

static int tell_result(struct test *t, const struct error *e)
{
	const struct attempt *attempt = last_attempt(t);
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, TEST_TEXT_MAX * 8);
	pen_open(&p, '{');
	pen_key(&p, "ok");
	pen_bytes(&p, e ? B("false") : B("true"));
	pen_key(&p, "http_status");
	if (attempt->status)
		pen_printf(&p, "%d", attempt->status);
	else
		pen_lit(&p, "null");
	pen_text(&p, "text", buf_bytes(&t->text));
	pen_key(&p, "usage");
	pen_open(&p, '{');
	put_tokens(&p, B(",\"input_tokens\":"), e ? USAGE_UNKNOWN : t->result.usage.input_tokens);
	put_tokens(&p, B(",\"output_tokens\":"), e ? USAGE_UNKNOWN : t->result.usage.output_tokens);
	pen_close(&p, '}');
	pen_key(&p, "cost");
	p.failed |= money_print(e ? (struct money){ 0 } : t->result.usage.cost, p.b) != 0;
	pen_key(&p, "error");
	pen_string_or_null(&p, e ? e->message : (struct bytes){ 0 });
	pen_close(&p, '}');
	return send_event(t, &p);
}

/* ---- the call ---- */

static int flush_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static void gather_text(struct test *t, const struct delta *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->parts[i].type == PART_TEXT)
			(void)buf_append(&t->text, d->parts[i].text);
}

/* To the end of the stream. -1: it broke. */
static int pump(struct test *t)
{
	struct delta *d;
	int r;

	while ((r = model_call_next(&t->call, &d, flush_nothing, NULL)) == 1) {
		if (d->error)
			return fail_with(d->error);
		if (gather_add(t->gather, d))
			return -1;
		gather_text(t, d);
	}
	if (r || gather_finish(t->gather, &t->result))
		return -1;
	model_call_cost(&t->call, 0, &t->result);
	return 0;
}

static int run(struct test *t)
{
	const struct attempt *attempt;
	int bad = model_call_open(&t->call, &t->model, &t->env->inf, &t->context);

	attempt = last_attempt(t);
	if (attempt->signature.set && tell_stage(t, B("sign"), attempt->started_ms))
		return -1;
	if (tell_stage(t, B("sent"), attempt->sent_ms) ||
	    tell_stage(t, B("first byte"), attempt->head_ms))
		return -1;
	if (bad)
		return -1;
	if (tell_stage(t, B("first token"), t->call.first_ms) || pump(t))
		return -1;
	return tell_stage(t, B("done"), clock_mono_ms());
}

static void record(struct test *t, const struct error *e)
{
	struct recorded_call call = { &t->call, e ? NULL : &t->result };
	struct answer_facts facts = {
		.config = t->context.config,
		.inference_id = uuid_v7(),
		.episode_id = uuid_v7(),
		.function_name = B("tensorzero::default"),
		.variant_name = t->provider->model->name,
		.surface = B("ui"),
		.request = t->env,
		.calls = &call,
		.ncalls = 1,
		.result = call.result,
		.error = e,
		.state = e ? ANSWER_ERROR : ANSWER_OK,
		.status = e ? error_kind_status(e->kind) : 200,
		.processing_ms = clock_mono_ms() - t->started_ms,
		.ttft_ms = t->call.first_ms ? t->call.first_ms - t->started_ms : 0,
		.raw_cut = gather_raw_cut(t->gather),
	};

	if (!api_app(t->ex)->store)
		return;
	fiber_cancel_reset();
	record_answer(api_app(t->ex)->store, &facts);
}

static void run_test(struct test *t)
{
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + TEST_MAX_MS);
	const struct error *e = NULL;

	t->started_ms = clock_mono_ms();
	if (run(t))
		e = error_save(t->ex->arena);
	fiber_deadline_restore(before);
	if (!tell_result(t, e))
		exchange_stream_end(t->ex);
	record(t, e);
}

static void test_provider(struct exchange *ex, const struct bytes *params)
{
	struct test *t = arena_new(ex->arena, struct test);

	if (t) {
		t->ex = ex;
		t->provider = provider_named(api_config(ex), params);
	}
	if (!t || !t->provider || read_test(t) ||
	    !(t->gather = gather_new(ex->arena, api_config(ex)->max_raw_kib << 10))) {
		reply_error(ex, 0);
		return;
	}
	t->model = *t->provider->model;
	t->routing[0] = (struct provider_config *)t->provider;
	t->model.routing = t->routing;
	t->model.nrouting = 1;
	t->context = internal_context(ex, t->model.name);
	buf_init(&t->text, TEST_TEXT_MAX);
	ex->idle = B(":\n\n");
	if (!exchange_stream_begin(ex, 200, B("text/event-stream")))
		run_test(t);
	model_call_close(&t->call);
	gather_free(t->gather);
	buf_deinit(&t->text);
}

/* ---- its list of models ---- */

static void discover(struct exchange *ex, const struct bytes *params)
{
	const struct provider_config *p = provider_named(api_config(ex), params);
	struct call_context context = internal_context(ex, params[0]);
	struct discovered d;
	struct reply reply;
	int found = p ? upstream_discovered(p, &context, true, &d) : -1;

	if (!found) {
		fail(ERR_ROUTE_NOT_FOUND, "The upstream of %.*s has no list of models",
		     BFMT(params[1]));
		found = -1;
	}
	reply_begin(&reply, ex);
	if (found > 0)
		put_discovered(&reply.pen, p, &d);
	reply_end(&reply, found < 0 ? -1 : 0);
}

const struct internal_route internal_action_routes[] = {
	{ "POST", "/internal/signet/models/{m}/providers/{p}/test", ROLE_EDITOR, test_provider },
	{ "POST", "/internal/signet/models/{m}/providers/{p}/discover", ROLE_EDITOR, discover },
	{ 0 },
};
