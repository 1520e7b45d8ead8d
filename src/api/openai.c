/*
 * POST /v1/chat/completions and /openai/v1/chat/completions: one handler, two profiles.
 *
 * The order is that of http-api §12.2 and §9; the first step that fails answers. A plain answer is
 * recorded before it leaves; of a stream everything but the last chunks leaves as it comes, and the record is
 * written before these. Whatever happens, one record is made: of an answer, of a broken one, of an error.
 */
#include <stdlib.h>
#include <time.h>

#include "api/api.h"
#include "api/counters.h"
#include "api/errors.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "fiber/fiber.h"
#include "route/check.h"
#include "route/episode.h"
#include "route/model_call.h"
#include "route/record.h"
#include "route/target.h"
#include "wire/openai_chat/openai_chat.h"

#define IGNORED_MAX        1024
#define USER_TAG_MAX       256
#define TENSORZERO_PING_MS 15000
#define HEADER_SHOWN       1024

/* One request. In its arena. */
struct chat {
	struct exchange *x;
	struct app *app;
	struct config *cfg;
	struct arena *arena;
	enum profile profile;
	const struct surface_options *options;
	struct envelope *req;
	struct target target;
	struct uuid inference_id, episode_id;
	uint64_t started_ms;
	int64_t created;
	struct buf ignored;
	struct call_context cx;
	struct model_call mc;
	bool called; /* model_call_open ran: its close is due */
	struct answer answer;
	struct tag *tags;
	size_t ntags, ctags;
	/* a stream */
	struct chat_writer *writer;
	struct gather *gather;
	uv_timer_t *timer;
	uint64_t last_ms; /* when the client last got something */
	bool head, gone, broken;
	struct error *broke;
};

/* ---- before the call ---- */

static int add_tag(struct chat *c, struct bytes key, struct bytes value)
{
	struct tag t = { key, arena_dup(c->arena, value) };

	if (value.n == 0)
		return 0;
	for (size_t i = 0; i < c->ntags; i++)
		if (bytes_eq(c->tags[i].key, key))
			return 0; /* the request's own comes first */
	return bytes_set(t.value) && arena_push(c->arena, c->tags, c->ntags, c->ctags, t) ? 0 : -1;
}

/* First product token of user-agent: "OpenAI/Python 1.2" is OpenAI. */
static struct bytes product(struct bytes agent)
{
	size_t n = 0;

	while (n < agent.n && agent.p[n] != '/' && agent.p[n] != ' ')
		n++;
	return bytes_slice(agent, 0, n);
}

/* Claude Code's two forms of a user: {"device_id":…,"account_uuid":…,"session_id":…} as text, and
 * user_‹id›_account_‹id›_session_‹id›. *user is narrowed to who it is. Returns the session, if any. */
static struct bytes split_user(struct chat *c, struct bytes *user)
{
	ptrdiff_t at = bytes_find(*user, B("_session_"));
	yyjson_val *v;
	struct bytes who;

	if (at >= 0)
		return bytes_slice(*user, (size_t)at + 9, user->n);
	if (!user->n || user->p[0] != '{')
		return B("");
	v = json_parse(*user, c->arena);
	if (!v) {
		error_clear();
		return B("");
	}
	who = json_str(json_get(v, "account_uuid"));
	if (!who.n)
		who = json_str(json_get(v, "device_id"));
	if (who.n)
		*user = who;
	return json_str(json_get(v, "session_id"));
}

/* The caller's session (surfaces §1.8), the first that is said. */
static struct bytes session_of(struct chat *c, struct bytes *user)
{
	const struct envelope *r = c->req;
	struct bytes session = exchange_get(c->x, B("x-claude-code-session-id")),
		     of_user = split_user(c, user), id;

	for (size_t i = 0; i < r->ntags && !session.n; i++)
		if (bytes_eq(r->tags[i].key, B("user_id"))) {
			id = r->tags[i].value;
			session = split_user(c, &id);
		}
	if (!session.n)
		session = of_user;
	if (!session.n)
		session = exchange_get(c->x, B("session-id"));
	if (!session.n)
		session = exchange_get(c->x, B("session_id"));
	return session.n ? session : r->prompt_cache_key;
}

/* The request's tags, and on /v1 what its headers and fields say of the caller (surfaces §1.8). */
static int collect_tags(struct chat *c)
{
	const struct envelope *r = c->req;
	struct bytes user = bytes_set(r->safety_identifier) ? r->safety_identifier : r->user;
	struct bytes session, agent = exchange_get(c->x, B("x-claude-code-agent-id")), client;

	for (size_t i = 0; i < r->ntags; i++) {
		if (bytes_starts(r->tags[i].key, B("tensorzero::")))
			return fail(ERR_INVALID_REQUEST,
				    "Tag name cannot start with 'tensorzero::': %.*s",
				    BFMT(r->tags[i].key));
		if (!arena_push(c->arena, c->tags, c->ntags, c->ctags, r->tags[i]))
			return -1;
	}
	if (c->profile != PROFILE_OPENAI)
		return 0;
	session = session_of(c, &user);
	if (!agent.n)
		agent = exchange_get(c->x, B("x-openai-subagent"));
	client = product(exchange_get(c->x, B("user-agent")));
	if (!client.n)
		client = exchange_get(c->x, B("x-app"));
	if (user.n > USER_TAG_MAX) {
		size_t n = USER_TAG_MAX;

		while (n && ((unsigned char)user.p[n] & 0xc0) == 0x80)
			n--; /* between two characters */
		user.n = n;
	}
	return add_tag(c, B("signet::user"), user) || add_tag(c, B("signet::session"), session) ||
			       add_tag(c, B("signet::agent"), agent) ||
			       add_tag(c, B("signet::parent_agent"),
				       exchange_get(c->x, B("x-claude-code-parent-agent-id"))) ||
			       add_tag(c, B("signet::client"), client) ||
			       add_tag(c, B("signet::surface"), B("chat"))
		       ? -1
		       : 0;
}

static int check_namespace(struct chat *c)
{
	struct bytes have = c->req->namespace_, want = c->target.model->namespace_;

	if (!bytes_set(want) || (bytes_set(have) && bytes_eq(have, want)))
		return 0;
	return fail(
		ERR_INVALID_REQUEST,
		"Model `%.*s` has namespace `%.*s`, but the request namespace is `%s%.*s%s`. Namespaced models can only be used with a matching namespace.",
		BFMT(c->target.model->name), BFMT(want), bytes_set(have) ? "Some(\"" : "None",
		BFMT(have), bytes_set(have) ? "\")" : "");
}

static int check_target(struct chat *c)
{
	bool model_call = !bytes_starts(c->req->model, B("tensorzero::function_name::"));

	if (model_call && bytes_set(c->req->variant_name))
		return fail(
			ERR_INVALID_TARGET,
			"Invalid inference target: `variant_name` cannot be provided when using `model_name`");
	if (model_call && c->req->dynamic_variant)
		return fail(
			ERR_INVALID_TARGET,
			"Invalid inference target: If a dynamic variant config is passed, `function_name` must be specified.");
	return target_resolve(c->cfg, c->options->prefixed_names, c->req->model, c->arena,
			      &c->target) ||
			       check_namespace(c)
		       ? -1
		       : 0;
}

/* http-api §9, steps 1 to 13. */
static int prepare(struct chat *c)
{
	struct envelope *r = c->req;
	struct bytes episode = r->episode_id;

	if (!bytes_set(episode) && exchange_get(c->x, B("x-tensorzero-episode-id")).n)
		episode = exchange_get(c->x, B("x-tensorzero-episode-id"));
	if (collect_tags(c) || episode_id(episode, &c->episode_id) || check_target(c) ||
	    check_input(r, c->arena) ||
	    target_check_filters(c->cfg, &c->target, &r->inf.extra_body) ||
	    target_check_filters(c->cfg, &c->target, &r->inf.extra_headers) || check_tools(r))
		return -1;
	if (!r->dryrun)
		count_inference(B("inference"), c->target.function_name, c->target.model->name, 1);
	if (r->has_files && !c->cfg->object_storage_set && c->profile == PROFILE_TENSORZERO)
		return fail(
			ERR_OBJECT_STORE_UNCONFIGURED,
			"Object storage is not configured. You must configure `[object_storage]` before making requests containing a `file` content block. If you don't want to use object storage, you can explicitly set `object_storage.type = \"disabled\"` in your configuration.");
	r->inf.fetch_files = c->cfg->gateway.fetch_files;
	r->inf.stream = r->stream;
	return 0;
}

static int set_context(struct chat *c)
{
	struct worker *w = c->x->user;
	struct answer *a = &c->answer;

	c->cx = (struct call_context){
		.config = c->cfg,
		.client = w->client,
		.arena = c->arena,
		.credentials = c->req->credentials,
		.ncredentials = c->req->ncredentials,
		.request_id = api_request_id(c->x),
		.authorization = exchange_get(c->x, B("authorization")),
		.x_api_key = exchange_get(c->x, B("x-api-key")),
		.exchange = c->x,
		.variant_name = c->target.variant_name,
		.model_name = c->target.model->name,
		.ignored = &c->ignored,
	};
	*a = (struct answer){
		.asked = c->req,
		.options = c->options,
		.inference_id = c->inference_id,
		.episode_id = c->episode_id,
		.created = c->created,
		.model = c->req->model,
		.include_usage = c->req->include_usage == 1 || c->req->include_raw_usage,
		.include_raw_usage = c->req->include_raw_usage,
		.include_raw_response = c->req->include_raw_response,
		.include_original_response = c->req->include_original_response,
		.reasoning_to_client = c->cfg->surfaces.reasoning_to_client,
		.json_tool = c->req->inf.json_tool,
	};
	if (c->profile == PROFILE_TENSORZERO)
		a->model =
			arena_cat(c->arena, B("tensorzero::model_name::"), c->target.model->name);
	return bytes_set(a->model) ? 0 : -1;
}

/* ---- headers, record, errors ---- */

static int header(struct chat *c, struct bytes name, struct bytes value)
{
	/* header values are printable and short: model names of a configuration, ids of an upstream may be anything */
	if (value.n > HEADER_SHOWN)
		return 0;
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < 0x20 || (unsigned char)value.p[i] == 0x7f)
			return 0;
	return value.n ? exchange_header(c->x, name, value) : 0;
}

/* A pass-through answer keeps the upstream's own id in request-id; x-request-id is ours (surfaces §1.5). */
static void keep_upstream_id(struct exchange *x, struct bytes id)
{
	for (size_t i = 0; i < x->nout; i++)
		if (bytes_eq(x->out[i].name, B("request-id")))
			x->out[i].value = id;
}

/* At most IGNORED_MAX bytes, whole names. */
static struct bytes ignored_names(struct chat *c)
{
	struct bytes all = buf_bytes(&c->ignored), cut = bytes_slice(all, 0, IGNORED_MAX);

	while (cut.n < all.n && cut.n && all.p[cut.n] != ',')
		cut.n--;
	return cut;
}

/* `provider`: whether the one that answers is known; a head that goes out early must not name another. */
static int set_headers(struct chat *c, bool provider)
{
	char id[UUID_TEXT + 1], episode[UUID_TEXT + 1];
	bool known = memcmp(&c->episode_id, &(struct uuid){ 0 }, sizeof c->episode_id) != 0;

	if (c->req && c->req->ignored.n) { /* NULL: the body was no request */
		if (c->ignored.len)
			buf_append(&c->ignored, B(", "));
		buf_append(&c->ignored, bytes_slice(c->req->ignored, 0, IGNORED_MAX + 1));
	}
	if (header(c, B("x-signet-inference-id"), uuid_text(c->inference_id, id)) ||
	    (known && header(c, B("x-signet-episode-id"), uuid_text(c->episode_id, episode))) ||
	    header(c, B("x-signet-variant"), c->target.variant_name) ||
	    header(c, B("x-signet-ignored"), ignored_names(c)))
		return -1;
	if (c->target.model && header(c, B("x-signet-model"), c->target.model->name))
		return -1;
	if (provider && c->called && c->mc.provider &&
	    (header(c, B("x-signet-provider"), c->mc.provider->name) ||
	     header(c, B("x-signet-upstream-request-id"), c->mc.attempt.request_id)))
		return -1;
	if (c->answer.pass_through &&
	    bytes_eq(c->x->out[c->x->nout - 1].name, B("x-signet-upstream-request-id")))
		keep_upstream_id(c->x, c->x->out[c->x->nout - 1].value);
	return 0;
}

static void count_tokens(const struct usage *u)
{
	if (u->input_tokens > 0)
		METRIC_ADD(&tensorzero_input_tokens_total, (double)u->input_tokens);
	if (u->output_tokens > 0)
		METRIC_ADD(&tensorzero_output_tokens_total, (double)u->output_tokens);
}

static bool leaves_record(const struct chat *c)
{
	return c->app->store && c->req && c->target.model && !c->req->dryrun;
}

static void record(struct chat *c, enum answer_state state, const struct result *result,
		   const struct error *e, int status)
{
	struct answer_facts f = {
		.config = c->cfg,
		.inference_id = c->inference_id,
		.episode_id = c->episode_id,
		.function_name = c->target.function_name,
		.variant_name = c->target.variant_name,
		.surface = c->profile == PROFILE_OPENAI ? B("chat") : B("openai"),
		.request = c->req,
		.call = c->called ? &c->mc : NULL,
		.result = result,
		.error = e,
		.tags = c->tags,
		.ntags = c->ntags,
		.state = state,
		.status = status,
		.processing_ms = turn_ms() - c->started_ms,
		.ttft_ms = c->mc.first_ms ? c->mc.first_ms - c->started_ms : 0,
		.raw_cut = c->gather && gather_raw_cut(c->gather),
	};

	if (state == ANSWER_CANCELLED)
		METRIC_ADD(&signet_cancelled_total, 1);
	if (result && state != ANSWER_ERROR)
		count_tokens(&result->usage);
	if (!leaves_record(c))
		return;
	fiber_cancel_reset(); /* a client that left does not take the record with it */
	record_answer(c->app->store, &f);
}

static bool client_credential(const struct chat *c)
{
	const struct credential *k = c->mc.provider ? &c->mc.provider->api_key : NULL;

	return k && k->kind == CREDENTIAL_DYNAMIC && bytes_starts(k->key, B("client_"));
}

/* Entries of failed attempts for tensorzero_raw_response (http-api §10.4). */
static int failed_raw(struct chat *c)
{
	struct buf out;

	if (!c->req->include_raw_response || c->mc.nfailed == 0)
		return 0;
	buf_init(&out, 64u << 20);
	for (size_t i = 0; i < c->mc.nfailed; i++) {
		const struct failed_attempt *f = &c->mc.failed[i];

		if (!bytes_set(f->attempt.raw_response))
			continue;
		buf_append(&out, out.len ? B(",") : B(""));
		buf_append(&out, B("{\"provider_type\":"));
		buf_json_string(&out, f->provider->type);
		buf_append(&out, B(",\"api_type\":\"chat_completions\",\"data\":"));
		buf_json_string(&out, f->attempt.raw_response);
		buf_append(&out, B("}"));
	}
	c->answer.failed_raw = arena_adopt(c->arena, &out);
	buf_deinit(&out);
	return bytes_set(c->answer.failed_raw) ? 0 : -1;
}

/* The last error answers: recorded, then sent. */
static void answer_error(struct chat *c)
{
	arena_open_reserve(c->arena);
	struct error *e = error_save(c->arena);
	struct chat_error_way way = { .profile = c->profile,
				      .same_family = c->called && c->mc.provider &&
						     c->mc.provider->kind == PROVIDER_OPENAI &&
						     c->req &&
						     c->req->inf.source_wire == &wire_openai_chat,
				      .client_credential = client_credential(c) };
	bool gone = c->x->client_gone || (e && e->kind == ERR_CANCELLED);

	if (!e) {
		api_respond_openai_error(c->x, 503);
		return;
	}
	record(c, gone ? ANSWER_CANCELLED : ANSWER_ERROR, NULL, gone ? NULL : e,
	       api_error_status(e, c->profile, c->cfg));
	if (gone)
		return;
	if (c->called && failed_raw(c) == 0 && c->answer.failed_raw.n)
		way.members = arena_printf(c->arena, ",\"tensorzero_raw_response\":[%.*s]",
					   BFMT(c->answer.failed_raw));
	set_headers(c, true);
	fail_with(e);
	api_respond_chat_error(c->x, c->cfg, &way);
}

/* What only the attempt that answered can tell. */
static int complete_answer(struct chat *c)
{
	c->answer.model_inference_id = c->mc.inf.id;
	c->answer.provider_type = c->mc.provider->type;
	c->answer.pass_through = c->profile == PROFILE_OPENAI &&
				 c->mc.inf.source_wire == &wire_openai_chat &&
				 c->mc.provider->kind == PROVIDER_OPENAI;
	return failed_raw(c);
}

/* ---- plain ---- */

static void answer_plain(struct chat *c)
{
	struct result *r = c->mc.result;
	struct buf out;

	if (c->answer.json_tool)
		result_json_tool_to_text(r);
	buf_init(&out, 256u << 20);
	if (complete_answer(c) || set_headers(c, true) ||
	    openai_chat_write_result(&c->answer, r, &out)) {
		answer_error(c);
	} else if (
		c->x->client_gone) { /* [server] on_disconnect = "finish": the answer is whole all the same */
		record(c, c->cfg->server.finish_on_disconnect ? ANSWER_OK : ANSWER_CANCELLED, r,
		       NULL, 200);
	} else {
		record(c, ANSWER_OK, r, NULL, 200);
		exchange_respond(c->x, 200, B("application/json"), buf_bytes(&out));
	}
	buf_deinit(&out);
}

/* ---- streams ---- */

static int begin_stream(struct chat *c, bool provider)
{
	if (c->head)
		return 0;
	if (set_headers(c, provider) || exchange_header(c->x, B("cache-control"), B("no-cache")) ||
	    exchange_stream_begin(c->x, 200, B("text/event-stream")))
		return -1;
	c->head = true;
	return 0;
}

/* surfaces §1.3: the key is profile openai's; TensorZero's interval is fixed. */
static uint64_t ping_ms(const struct chat *c)
{
	return c->profile == PROFILE_OPENAI ? c->cfg->surfaces.ping_ms : TENSORZERO_PING_MS;
}

/* Silence: the head after head_after_ms (profile openai), a comment after ping_ms. Runs on the loop. */
static void on_timer(uv_timer_t *t)
{
	struct chat *c = t->data;
	uint64_t now = turn_ms();

	if (c->gone)
		return;
	if (!c->head) {
		if (c->profile != PROFILE_OPENAI ||
		    now - c->started_ms < c->cfg->surfaces.head_after_ms || begin_stream(c, false))
			return;
	} else if (now - c->last_ms < ping_ms(c)) {
		return;
	}
	if (exchange_stream_write(c->x,
				  c->profile == PROFILE_OPENAI ? B(": ping\n\n") : B(":\n\n")))
		return;
	c->last_ms = now;
	exchange_stream_try_flush(c->x);
}

static void timer_closed(uv_handle_t *h)
{
	free(h);
}

static void start_timer(struct chat *c)
{
	uint64_t ping = ping_ms(c), head = c->cfg->surfaces.head_after_ms, every;

	every = (c->profile == PROFILE_OPENAI && head && head < ping ? head : ping) / 4;
	c->timer = calloc(1, sizeof *c->timer);
	if (!c->timer)
		return; /* a stream without pings is still a stream */
	uv_timer_init(loop_uv(loop_self()), c->timer);
	c->timer->data = c;
	uv_timer_start(c->timer, on_timer, every < 10 ? 10 : every, every < 10 ? 10 : every);
}

static void stop_timer(struct chat *c)
{
	if (c->timer)
		uv_close((uv_handle_t *)c->timer, timer_closed);
	c->timer = NULL;
}

/* Before a wait for the upstream: what is buffered leaves. */
static int flush(void *arg)
{
	struct chat *c = arg;

	if (c->gone)
		return 0; /* on_disconnect = "finish": the rest is read for the record */
	if (exchange_stream_flush(c->x) == 0) {
		c->last_ms = turn_ms();
		return 0;
	}
	c->gone = true;
	return c->cfg->server.finish_on_disconnect ? 0 : -1;
}

/* An error inside a stream: an event; a fatal one ends it. */
static int stream_error(struct chat *c, const struct error *e)
{
	struct error *shown = (struct error *)(uintptr_t)e;
	int status = api_error_status(e, c->profile, c->cfg);

	if (c->profile == PROFILE_OPENAI)
		shown = api_openai_error(e, status, c->arena);
	if (e->fatal) {
		c->broken = true;
		c->broke = shown;
	}
	log_warn("api", "an error inside a stream", LB("request_id", c->cx.request_id),
		 LB("model", c->target.model->name), LB("error", bytes_slice(e->message, 0, 512)));
	return shown ? openai_chat_write_stream_error(c->writer, shown, status,
						      exchange_stream_buf(c->x))
		     : -1;
}

static int pump(struct chat *c)
{
	struct delta *d;
	int r;

	while ((r = model_call_next(&c->mc, &d, flush, c)) == 1) {
		if (gather_add(c->gather, d))
			return -1;
		if (c->gone)
			continue;
		if (d->error ? stream_error(c, d->error)
			     : openai_chat_write_delta(c->writer, d, exchange_stream_buf(c->x)))
			return -1;
	}
	return r;
}

/* What the stream came to, with the record's times. */
static struct result *gathered(struct chat *c)
{
	struct result *r = arena_new(c->arena, struct result);

	if (!r || gather_finish(c->gather, r))
		return NULL;
	r->raw_request = c->mc.attempt.raw_request;
	r->response_ms = turn_ms() - c->mc.attempt.started_ms;
	r->ttft_ms = c->mc.first_ms - c->mc.attempt.started_ms;
	if (c->answer.json_tool)
		result_json_tool_to_text(r);
	return r;
}

static void end_stream(struct chat *c, int pumped)
{
	struct result *r;
	bool gone = c->gone || c->x->client_gone;

	c->mc.attempt.end_ms = turn_ms();
	r = gathered(c);
	if (gone && !c->cfg->server.finish_on_disconnect) {
		record(c, ANSWER_CANCELLED, r && gather_has_content(c->gather) ? r : NULL, NULL,
		       200);
		return;
	}
	if (!r ||
	    pumped <
		    0) { /* out of memory, or the drain's end: the client must see that it is not whole */
		struct error *e = error_save(c->arena);

		record(c, r ? ANSWER_TRUNCATED : ANSWER_ERROR, r, e, 200);
		if (!gone)
			exchange_abort(c->x);
		return;
	}
	if (!gone && openai_chat_write_end(c->writer, r, exchange_stream_buf(c->x))) {
		record(c, ANSWER_TRUNCATED, r, error_save(c->arena), 200);
		exchange_abort(c->x);
		return;
	}
	record(c, c->broken ? ANSWER_TRUNCATED : ANSWER_OK, r, c->broke, 200);
	if (!gone)
		exchange_stream_end(c->x);
}

static void answer_stream(struct chat *c)
{
	c->gather = gather_new(c->arena, (size_t)c->cfg->max_raw_kib * 1024 + 4096);
	if (c->gather && !leaves_record(c))
		gather_outline(c->gather);
	c->writer = c->gather && complete_answer(c) == 0
			    ? openai_chat_writer_new(&c->answer, c->arena)
			    : NULL;
	if (!c->writer || begin_stream(c, true)) {
		answer_error(c);
		return;
	}
	c->x->first_ms = c->mc.first_ms;
	METRIC_ADD(&signet_streams, 1);
	end_stream(c, pump(c));
	METRIC_ADD(&signet_streams, -1);
}

/* The head is out already (head_after_ms) and then every provider failed: the error is an event. */
static void answer_late_error(struct chat *c)
{
	struct error *e = error_save(c->arena), *shown = NULL;
	int status;

	if (!e || c->x->client_gone || e->kind == ERR_CANCELLED) {
		record(c, ANSWER_CANCELLED, NULL, NULL, 200);
		return;
	}
	status = api_error_status(e, c->profile, c->cfg);
	shown = api_openai_error(e, status, c->arena);
	c->writer = openai_chat_writer_new(&c->answer, c->arena);
	record(c, ANSWER_ERROR, NULL, e, status);
	if (!shown || !c->writer ||
	    openai_chat_write_stream_error(c->writer, shown, status, exchange_stream_buf(c->x)) ||
	    exchange_stream_write(c->x, B("data: [DONE]\n\n")))
		exchange_abort(c->x);
	else
		exchange_stream_end(c->x);
}

/* ---- the handler ---- */

struct reading {
	struct chat *chat;
	struct bytes body;
};

static void read_request(void *arg)
{
	struct reading *r = arg;

	r->chat->req = openai_chat_read_request(r->body, r->chat->options, r->chat->arena);
}

static void run(struct chat *c)
{
	struct reading reading = { .chat = c };

	if (c->app->store && store_refuses(c->app->store)) {
		fail(ERR_BUSY,
		     "The record is full and this gateway is configured not to serve without it (`journal.on_full = \"refuse\"`)");
		answer_error(c);
		return;
	}
	if (exchange_body(c->x, &reading.body)) {
		if (error_last()->kind == ERR_PROTOCOL) /* broken compression or framing */
			error_last()->kind = ERR_INVALID_REQUEST;
		answer_error(c);
		return;
	}
	if (offload_if_big(reading.body.n, read_request, &reading)) {
		answer_error(c);
		return;
	}
	if (!c->req || prepare(c) || set_context(c)) {
		answer_error(c);
		return;
	}
	if (c->req->stream)
		start_timer(c);
	c->called = true;
	if (model_call_open(&c->mc, c->target.model, &c->req->inf, &c->cx)) {
		if (error_last()->kind != ERR_CANCELLED)
			fail_variants(c->target.variant_name, c->arena);
		if (c->head)
			answer_late_error(c);
		else
			answer_error(c);
	} else if (c->req->stream) {
		answer_stream(c);
	} else {
		answer_plain(c);
	}
}

void api_chat_completions(struct exchange *x)
{
	struct worker *w = x->user;
	struct chat *c = arena_new(x->arena, struct chat);

	if (!c) {
		api_respond_openai_error(x, 503);
		return;
	}
	c->x = x;
	c->app = w->app;
	c->cfg = w->app->config;
	config_ref(c->cfg);
	c->arena = x->arena;
	c->profile = api_profile(x);
	c->options = c->profile == PROFILE_OPENAI ? &openai_chat_options : &tensorzero_chat_options;
	c->inference_id = uuid_v7();
	c->started_ms = c->last_ms = turn_ms();
	c->created = (int64_t)time(NULL);
	buf_init(&c->ignored, 4 * IGNORED_MAX);
	x->state = c;
	run(c);
	stop_timer(c);
	if (c->called)
		model_call_close(&c->mc);
	if (c->gather)
		gather_free(c->gather);
	buf_deinit(&c->ignored);
	config_unref(c->cfg);
}
