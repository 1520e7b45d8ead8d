/*
 * The one life of a request, from its body to its record, on whatever surface it came: nothing here knows a format.
 *
 * The order of checks is that of http-api §12.2 and §9; the first step that fails answers. A plain answer is
 * recorded before it leaves; of a stream everything but the last chunks leaves as it comes, and the record is
 * written before these. Whatever happens, one record is made: of an answer, of a broken one, of an error.
 */
#include <stdlib.h>
#include <time.h>

#include "api/access_log.h"
#include "api/api.h"
#include "api/auth.h"
#include "api/clients.h"
#include "api/counters.h"
#include "api/surface.h"
#include "base/answer_memory.h"
#include "base/metrics.h"
#include "base/pen.h"
#include "fiber/fiber.h"
#include "route/check.h"
#include "route/model_call.h"
#include "route/record.h"
#include "route/target.h"
#include "upstream/upstream.h"

#define IGNORED_MAX   1024         /* of x-signet-ignored */
#define ROOM_RETRY_MS 10           /* of a stream that is read slower */
#define ANSWER_MAX    (256u << 20) /* a plain answer as the client gets it */
#define RAW_MAX       (64u << 20)  /* what failed attempts brought */

/* One request. In its arena. */
struct request {
	struct exchange *x;
	const struct surface *surface;
	struct app *app;
	const struct config *config;
	struct arena *arena;
	struct envelope *env; /* NULL: the body was no request */
	struct target target;
	struct uuid inference_id, episode_id;
	uint64_t started_ms;
	struct buf ignored;
	struct call_context context;
	struct model_call call;
	bool called; /* model_call_open ran: its close is due */
	bool store_refused;
	void *kept; /* the surface's own */
	struct answer answer;
	/* a stream */
	struct wire_writer *writer;
	struct gather *gathers[CHOICES_MAX]; /* one a call of the provider */
	struct result *results;              /* what they came to, of several calls */
	uv_timer_t *timer;
	uint64_t last_ms; /* when the client last got something */
	bool head_sent, client_gone;
	const struct error *fatal_error; /* it ended the stream, as the client was told */
};

/* ---- before the call ---- */

static int check_target(struct request *rq)
{
	const struct envelope *env = rq->env;
	bool model_call = !bytes_starts(env->model, B("tensorzero::function_name::"));

	if (model_call && bytes_set(env->variant_name))
		return fail(
			ERR_INVALID_TARGET,
			"Invalid inference target: `variant_name` cannot be provided when using `model_name`");
	if (model_call && env->dynamic_variant)
		return fail(
			ERR_INVALID_TARGET,
			"Invalid inference target: If a dynamic variant config is passed, `function_name` must be specified.");
	if (rq->surface->options->embeddings)
		return target_resolve_embedding(rq->config, rq->config->shorthands,
						rq->surface->options->prefixed_names, env->model,
						rq->arena, &rq->target);
	if (target_resolve(rq->config, rq->config->shorthands, rq->surface->options->prefixed_names,
			   env->model, rq->arena, &rq->target))
		return -1;
	return check_namespace(env, rq->target.model);
}

static void count_request(const struct request *rq)
{
	const struct embedding_request *e = rq->env->inf.embedding;
	struct bytes endpoint = rq->surface->endpoint, none = { NULL, 0 };

	count_inference(bytes_set(endpoint) ? endpoint : B("inference"),
			e ? none : rq->target.function_name, model_label(rq->target.model),
			e ? (double)e->inputs : 1);
}

/* http-api §9, steps 1 to 13. */
static int prepare(struct request *rq)
{
	struct envelope *env = rq->env;
	struct bytes episode = env->episode_id,
		     header = exchange_get(rq->x, B("x-tensorzero-episode-id"));

	if (!bytes_set(episode) && header.n)
		episode = header;
	if (clients_attribute_key(rq->x, env))
		return -1;
	if (rq->surface->attributes && clients_attribute(rq->x, env, rq->surface->name))
		return -1;
	if (episode_id(episode, &rq->episode_id) || check_target(rq) ||
	    target_check_filters(rq->config, &rq->target, &env->inf) ||
	    check_input(env, rq->arena) || check_tools(env))
		return -1;
	if (!env->dryrun)
		count_request(rq);
	if (env->has_files && rq->surface->needs_object_storage && !rq->config->object_storage_set)
		return fail(
			ERR_OBJECT_STORE_UNCONFIGURED,
			"Object storage is not configured. You must configure `[object_storage]` before making requests containing a `file` content block. If you don't want to use object storage, you can explicitly set `object_storage.type = \"disabled\"` in your configuration.");
	env->inf.fetch_files = rq->config->gateway.fetch_files;
	env->inf.raw_usage = env->include_raw_usage;
	return 0;
}

static int set_context(struct request *rq)
{
	const struct envelope *env = rq->env;
	struct worker *w = rq->x->user;

	rq->context = (struct call_context){
		.config = rq->config,
		.client = w->client,
		.arena = rq->arena,
		.credentials = env->credentials,
		.ncredentials = env->ncredentials,
		.request_id = api_request_id(rq->x),
		.authorization = auth_client_header(rq->x, B("authorization")),
		.x_api_key = auth_client_header(rq->x, B("x-api-key")),
		.exchange = rq->x,
		.variant_name = rq->target.variant_name,
		.model_name = rq->target.model->name,
		.session = clients_belong(rq->x, rq->config, rq->target.model->name, env),
		.ignored = &rq->ignored,
	};
	rq->answer = (struct answer){
		.asked = env,
		.options = rq->surface->options,
		.inference_id = rq->inference_id,
		.episode_id = rq->episode_id,
		.created = (int64_t)time(NULL),
		.model = env->model,
		.include_usage = env->include_usage == 1 || env->include_raw_usage,
		.include_raw_usage = env->include_raw_usage,
		.include_raw_response = env->include_raw_response,
		.include_original_response = env->include_original_response,
		.reasoning_to_client = rq->config->surfaces.reasoning_to_client,
		.json_tool = env->inf.json_tool,
	};
	if (bytes_set(rq->surface->model_prefix))
		rq->answer.model =
			arena_cat(rq->arena, rq->surface->model_prefix, rq->target.model->name);
	return bytes_set(rq->answer.model) ? 0 : -1;
}

/* ---- headers ---- */

static int set_header(struct request *rq, struct bytes name, struct bytes value)
{
	return api_header_fits(value) ? exchange_header(rq->x, name, value) : 0;
}

static int set_provider_headers(struct request *rq)
{
	struct bytes id = rq->call.attempt.request_id;

	if (set_header(rq, B("x-signet-provider"), rq->call.provider->name) ||
	    set_header(rq, B("x-signet-upstream-request-id"), id))
		return -1;
	if (rq->answer.pass_through && api_header_fits(id))
		api_keep_upstream_id(rq->x, id);
	return api_returned_headers(rq->x, &rq->call.attempt);
}

/* `provider`: whether the one that answers is known; a head that goes out early must not name another. */
static int set_headers(struct request *rq, bool provider)
{
	char id[UUID_TEXT + 1], episode[UUID_TEXT + 1];
	bool known = memcmp(&rq->episode_id, &(struct uuid){ 0 }, sizeof rq->episode_id) != 0;

	if (rq->env && rq->env->ignored.n) {
		if (rq->ignored.len)
			buf_append(&rq->ignored, B(", "));
		buf_append(&rq->ignored, bytes_slice(rq->env->ignored, 0, IGNORED_MAX + 1));
	}
	if (set_header(rq, B("x-signet-inference-id"), uuid_text(rq->inference_id, id)) ||
	    (known &&
	     set_header(rq, B("x-signet-episode-id"), uuid_text(rq->episode_id, episode))) ||
	    set_header(rq, B("x-signet-variant"), rq->target.variant_name) ||
	    set_header(rq, B("x-signet-ignored"),
		       api_whole_names(buf_bytes(&rq->ignored), IGNORED_MAX)) ||
	    (rq->target.model && set_header(rq, B("x-signet-model"), rq->target.model->name)))
		return -1;
	return provider && rq->called && rq->call.provider ? set_provider_headers(rq) : 0;
}

/* ---- the record ---- */

/* Also a request that was refused before its model was known, or was none: its sender asks why. */
static bool leaves_record(const struct request *rq)
{
	return rq->app->store && !rq->surface->unrecorded && !(rq->env && rq->env->dryrun) &&
	       !rq->store_refused;
}

/* The calls that the answer is of, each with its own result. Nearly always it is one, with the answer's. */
static size_t recorded_calls(const struct request *rq, const struct result *result,
			     struct recorded_call *calls)
{
	size_t n = model_call_count(&rq->call);
	struct model_call *each = n > 1 ? arena_array(rq->arena, struct model_call, n) : NULL;

	calls[0] = (struct recorded_call){ &rq->call, result };
	for (size_t i = 0; each && i < n; i++) {
		each[i] = model_call_at(&rq->call, i);
		calls[i] = (struct recorded_call){ &each[i], result };
		if (result)
			calls[i].result = rq->results ? &rq->results[i] : each[i].result;
	}
	return !rq->called ? 0 : each ? n : 1;
}

static bool is_raw_cut(const struct request *rq)
{
	for (size_t i = 0; i < CHOICES_MAX && rq->gathers[i]; i++)
		if (gather_raw_cut(rq->gathers[i]))
			return true;
	return false;
}

/* The surface's own rows, of an answer that it wrote. */
static int add_rows(void *ctx, const struct result *result, struct record *rec)
{
	struct request *rq = ctx;

	return rq->surface->add_rows(&rq->answer, rq->writer, result, rec);
}

/* `status`: what the client will be sent. A client that left was sent what had left before, or nothing. */
static void record(struct request *rq, enum answer_state state, const struct result *result,
		   const struct error *e, int status)
{
	static const struct envelope no_request;
	struct recorded_call calls[CHOICES_MAX];
	struct answer_facts facts = {
		.config = rq->config,
		.inference_id = rq->inference_id,
		.episode_id = rq->episode_id,
		.function_name = rq->target.function_name,
		.variant_name = rq->target.variant_name,
		.surface = rq->surface->name,
		.key_public_id = rq->x->key_public_id,
		.request = rq->env ? rq->env : &no_request,
		.calls = calls,
		.ncalls = recorded_calls(rq, result, calls),
		.result = result,
		.error = e,
		.state = state,
		.status = rq->x->status || rq->x->client_gone ? rq->x->status : status,
		.processing_ms = turn_ms() - rq->started_ms,
		.ttft_ms = rq->call.first_ms ? (int64_t)(rq->call.first_ms - rq->started_ms) : -1,
		.raw_cut = is_raw_cut(rq),
		.add_rows = rq->surface->add_rows && result ? add_rows : NULL,
		.ctx = rq,
	};

	if (state == ANSWER_CANCELLED)
		METRIC_ADD(&signet_cancelled_total, 1);
	if (result && state != ANSWER_ERROR) {
		count_answer(&facts);
		cost_count(model_label(rq->target.model), &result->usage);
	}
	access_note(rq->x, answer_state_name(state), facts.request->inf.stream, result);
	if (!leaves_record(rq))
		return;
	fiber_cancel_reset(); /* a client that left does not take the record with it */
	record_answer(rq->app->store, &facts);
}

/* ---- errors ---- */

/* Whether the request's format is that of the provider which was tried last. */
static bool is_same_family(const struct request *rq)
{
	return rq->called && rq->call.provider && rq->env->inf.source_wire &&
	       rq->env->inf.source_wire == provider_wire(rq->call.provider);
}

/* What failed attempts brought, for a client that asked for it. */
static int set_failed(struct request *rq)
{
	struct failed_raw *list;

	if (!rq->env->include_raw_response || rq->call.nfailed == 0)
		return 0;
	list = arena_array(rq->arena, struct failed_raw, rq->call.nfailed);
	if (!list)
		return -1;
	rq->answer.failed = list;
	for (size_t i = 0; i < rq->call.nfailed; i++)
		if (bytes_set(rq->call.failed[i].attempt.raw_response))
			list[rq->answer.nfailed++] = (struct failed_raw){
				.provider_type = rq->call.failed[i].provider->type,
				.api_type = provider_wire(rq->call.failed[i].provider)->api_type,
				.data = rq->call.failed[i].attempt.raw_response,
			};
	return 0;
}

/* Beside the error, as the surface writes it; without room the error goes out alone. */
static struct bytes error_members(struct request *rq)
{
	struct bytes members = { NULL, 0 };
	struct buf out;

	if (!rq->surface->write_error_members || !rq->called || set_failed(rq))
		return members;
	buf_init(&out, RAW_MAX);
	if (rq->surface->write_error_members(&rq->answer, &out) == 0)
		members = arena_adopt(rq->arena, &out);
	buf_deinit(&out);
	return members;
}

/* Records the error and sends it, in the surface's shape, or what the upstream said where that may go out as it is. */
static void respond_error(struct request *rq, struct error *e, int status)
{
	struct bytes members, body = { NULL, 0 };
	bool shown = rq->surface->upstream_errors && !rq->config->surfaces.error_status_gateway;

	if (shown && is_same_family(rq))
		body = api_upstream_body(e, &rq->call.provider->api_key, &status);
	record(rq, ANSWER_ERROR, NULL, e, status);
	set_headers(rq, true);
	if (bytes_set(body)) {
		api_retry_after(rq->x, e, status);
		exchange_respond(rq->x, status, B("application/json"), body);
		return;
	}
	e = shown ? surface_error(rq->surface, e, status, rq->arena) : e;
	members = error_members(rq);
	if (e)
		fail_with(e);
	api_respond_error(rq->x, rq->surface->write_error, status, members);
}

/* The last error answers: recorded, then sent. */
static void answer_error(struct request *rq)
{
	struct error *e;
	int status;

	arena_open_reserve(rq->arena);
	cut_off_by_shutdown(rq->x);
	e = error_save(rq->arena);
	if (!e) {
		api_respond_error(rq->x, rq->surface->write_error, 503, B(""));
		return;
	}
	status = surface_status(rq->surface, e, rq->config);
	if (rq->x->client_gone || e->kind == ERR_CANCELLED)
		record(rq, ANSWER_CANCELLED, NULL, NULL, 503);
	else
		respond_error(rq, e, status);
}

/* What only the attempt that answered can tell. */
static int complete_answer(struct request *rq)
{
	rq->answer.model_inference_id = rq->call.inf.id;
	rq->answer.provider_type = rq->call.provider->type;
	rq->answer.api_type = provider_wire(rq->call.provider)->api_type;
	rq->answer.pass_through = is_same_family(rq);
	return set_failed(rq);
}

/* ---- plain ---- */

static void answer_plain(struct request *rq)
{
	struct result *result = rq->call.result;
	struct buf out;

	if (rq->answer.json_tool)
		result_json_tool_to_text(result);
	rq->answer.ended = (int64_t)time(NULL);
	buf_init(&out, ANSWER_MAX);
	if (complete_answer(rq) || set_headers(rq, true) ||
	    rq->surface->write_result(&rq->answer, result, &out)) {
		answer_error(rq);
	} else if (rq->x->client_gone) {
		/* [server] on_disconnect = "finish": the answer is whole all the same */
		record(rq, rq->config->server.finish_on_disconnect ? ANSWER_OK : ANSWER_CANCELLED,
		       result, NULL, 200);
	} else {
		record(rq, ANSWER_OK, result, NULL, 200);
		exchange_respond(rq->x, 200, B("application/json"), buf_bytes(&out));
	}
	buf_deinit(&out);
}

/* ---- streams ---- */

static int begin_stream(struct request *rq, bool provider)
{
	if (rq->head_sent)
		return 0;
	if (set_headers(rq, provider) ||
	    exchange_header(rq->x, B("cache-control"), B("no-cache")) ||
	    exchange_stream_begin(rq->x, 200, B("text/event-stream")))
		return -1;
	rq->x->idle = rq->surface->ping;
	rq->head_sent = true;
	return 0;
}

static uint64_t ping_ms(const struct request *rq)
{
	return rq->surface->ping_ms ? rq->surface->ping_ms : rq->config->surfaces.ping_ms;
}

/* When the head may leave although nothing has come; 0: never. */
static uint64_t early_head_ms(const struct request *rq)
{
	return rq->surface->ping_ms ? 0 : rq->config->surfaces.head_after_ms;
}

/* Silence: the head after early_head_ms, a comment after ping_ms. Runs on the loop. */
static void on_timer(uv_timer_t *t)
{
	struct request *rq = t->data;
	uint64_t now = turn_ms(), early = early_head_ms(rq);

	if (rq->client_gone)
		return;
	if (rq->head_sent ? now - rq->last_ms < ping_ms(rq)
			  : !early || now - rq->started_ms < early || begin_stream(rq, false))
		return;
	if (exchange_stream_write(rq->x, rq->surface->ping))
		return;
	rq->last_ms = now;
	exchange_stream_try_flush(rq->x);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h);
}

static void start_timer(struct request *rq)
{
	uint64_t ping = ping_ms(rq), early = early_head_ms(rq), every;

	every = (early && early < ping ? early : ping) / 4;
	every = every < 10 ? 10 : every;
	rq->timer = calloc(1, sizeof *rq->timer);
	if (!rq->timer)
		return; /* a stream without pings is still a stream */
	uv_timer_init(loop_uv(loop_self()), rq->timer);
	rq->timer->data = rq;
	uv_timer_start(rq->timer, on_timer, every, every);
}

static void stop_timer(struct request *rq)
{
	if (rq->timer)
		uv_close((uv_handle_t *)rq->timer, on_timer_closed);
	rq->timer = NULL;
}

/* Before a wait for the upstream: what is buffered leaves. */
static int flush(void *arg)
{
	struct request *rq = arg;

	if (rq->client_gone)
		return 0; /* on_disconnect = "finish": the rest is read for the record */
	if (exchange_stream_flush(rq->x) == 0) {
		rq->last_ms = turn_ms();
		return 0;
	}
	if (cut_off_by_shutdown(rq->x))
		return -1;
	rq->client_gone = true;
	return rq->config->server.finish_on_disconnect ? 0 : -1;
}

/* The error as an event, as the surface shows it. NULL: out of memory. */
static const struct error *write_error_event(struct request *rq, const struct error *e, int status)
{
	if (rq->surface->upstream_errors)
		e = surface_error(rq->surface, e, status, rq->arena);
	if (!e ||
	    rq->surface->write_stream_error(rq->writer, e, status, exchange_stream_buf(rq->x)))
		return NULL;
	return e;
}

/* An error inside a stream; a fatal one ends it. */
static int stream_error(struct request *rq, const struct error *e)
{
	int status = surface_status(rq->surface, e, rq->config);
	const struct error *shown = write_error_event(rq, e, status);

	if (e->fatal)
		rq->fatal_error = shown ? shown : e;
	return shown ? 0 : -1;
}

/* While answers hold all the memory that they may, upstreams are read slower; what then still finds no room is not kept for
 * the record, but goes on to its client. */
static int wait_for_room(struct request *rq, uint64_t *waited)
{
	if (*waited >= ANSWER_ROOM_WAIT_MS || !answer_memory_full())
		return 0;
	*waited += ROOM_RETRY_MS;
	return flush(rq) || fiber_sleep(ROOM_RETRY_MS) ? -1 : 0;
}

static int pump(struct request *rq)
{
	struct delta *d;
	uint64_t waited = 0;
	int r;

	while ((r = model_call_next(&rq->call, &d, flush, rq)) == 1) {
		struct gather *gather = rq->gathers[rq->call.from];

		if (gather_has_content(gather) && wait_for_room(rq, &waited))
			return -1;
		if (gather_add(gather, d))
			return -1;
		if (rq->client_gone)
			continue;
		if (d->error ? stream_error(rq, d->error)
			     : rq->surface->write_delta(rq->writer, d, exchange_stream_buf(rq->x)))
			return -1;
	}
	return r;
}

/* What one call's stream came to, with the record's times. */
static int gathered_call(struct request *rq, size_t i, struct result *result)
{
	struct model_call one = model_call_at(&rq->call, i);

	if (gather_finish(rq->gathers[i], result))
		return -1;
	result->raw_request = one.attempt.raw_request;
	result->response_ms = turn_ms() - one.attempt.started_ms;
	result->ttft_ms = rq->call.first_ms - one.attempt.started_ms;
	model_call_cost(&rq->call, i, result);
	if (rq->answer.json_tool)
		result_json_tool_to_text(result);
	return 0;
}

/* What the stream came to: the answer, and what it was made of. */
static struct result *gathered(struct request *rq)
{
	size_t n = model_call_count(&rq->call);
	struct result *results = arena_array(rq->arena, struct result, 2 * n);

	for (size_t i = 0; results && i < n; i++)
		if (gathered_call(rq, i, &results[i]))
			return NULL;
	if (!results || n == 1)
		return results;
	rq->results = results;
	results = arena_new(rq->arena, struct result);
	if (results)
		fan_combine(rq->results, n, rq->results + n, results);
	return results;
}

static bool has_content(const struct request *rq)
{
	for (size_t i = 0; i < CHOICES_MAX && rq->gathers[i]; i++)
		if (gather_has_content(rq->gathers[i]))
			return true;
	return false;
}

/* Out of memory: the client must see that the answer is not whole. */
static void break_stream(struct request *rq, const struct result *result, bool gone)
{
	record(rq, result ? ANSWER_TRUNCATED : ANSWER_ERROR, result, error_save(rq->arena), 200);
	if (!gone)
		exchange_abort(rq->x);
}

/* What was cut off by the end of a drain says so as any fatal error does. */
static int shut_stream(struct request *rq, int pumped, bool gone)
{
	struct error *e =
		pumped < 0 && !gone && cut_off_by_shutdown(rq->x) ? error_save(rq->arena) : NULL;

	if (e)
		e->fatal = true;
	return e ? stream_error(rq, e) : pumped;
}

static void end_stream(struct request *rq, int pumped)
{
	bool gone = rq->client_gone || rq->x->client_gone;
	struct result *result;

	rq->call.attempt.end_ms = turn_ms();
	rq->answer.ended = (int64_t)time(NULL);
	pumped = shut_stream(rq, pumped, gone);
	result = gathered(rq);
	if (gone && !rq->config->server.finish_on_disconnect) {
		record(rq, ANSWER_CANCELLED, result && has_content(rq) ? result : NULL, NULL, 200);
	} else if (!result || pumped < 0 ||
		   (!gone &&
		    rq->surface->write_end(rq->writer, result, exchange_stream_buf(rq->x)))) {
		break_stream(rq, result, gone);
	} else {
		record(rq, rq->fatal_error ? ANSWER_TRUNCATED : ANSWER_OK, result, rq->fatal_error,
		       200);
		if (!gone)
			exchange_stream_end(rq->x);
	}
}

static int gathers_new(struct request *rq)
{
	for (size_t i = 0; i < model_call_count(&rq->call); i++) {
		rq->gathers[i] = gather_new(rq->arena, (size_t)rq->config->max_raw_kib * 1024);
		if (!rq->gathers[i])
			return -1;
		gather_choice(rq->gathers[i], (unsigned)i);
		if (!leaves_record(rq))
			gather_outline(rq->gathers[i]);
	}
	return 0;
}

static void answer_stream(struct request *rq)
{
	if (gathers_new(rq) == 0 && complete_answer(rq) == 0)
		rq->writer = rq->surface->writer_new(&rq->answer, rq->arena);
	if (!rq->writer || begin_stream(rq, true)) {
		answer_error(rq);
		return;
	}
	rq->x->first_ms = rq->call.first_ms;
	METRIC_ADD(&signet_streams, 1);
	end_stream(rq, pump(rq));
	METRIC_ADD(&signet_streams, -1);
}

/* The head is out already (early_head_ms) and then every provider failed: the error is an event. */
static void answer_late_error(struct request *rq)
{
	struct result nothing = { 0 };
	struct error *e;
	int status;

	cut_off_by_shutdown(rq->x);
	e = error_save(rq->arena);
	if (!e || rq->x->client_gone || e->kind == ERR_CANCELLED) {
		record(rq, ANSWER_CANCELLED, NULL, NULL, 200);
		return;
	}
	status = surface_status(rq->surface, e, rq->config);
	rq->writer = rq->surface->writer_new(&rq->answer, rq->arena);
	record(rq, ANSWER_ERROR, NULL, e, status);
	if (!rq->writer || !write_error_event(rq, e, status) ||
	    rq->surface->write_end(rq->writer, &nothing, exchange_stream_buf(rq->x)))
		exchange_abort(rq->x);
	else
		exchange_stream_end(rq->x);
}

/* ---- the handler ---- */

struct reading {
	struct request *request;
	struct bytes body;
};

static void read_here(void *arg)
{
	struct reading *reading = arg;
	struct request *rq = reading->request;

	rq->env = rq->surface->read(reading->body, rq->surface->options, rq->arena);
}

static int read_request(struct request *rq)
{
	struct reading reading = { .request = rq };

	rq->store_refused = rq->app->store && store_refuses(rq->app->store);
	if (rq->store_refused)
		return fail(
			ERR_BUSY,
			"The record is full and this gateway is configured not to serve without it (`journal.on_full = \"refuse\"`)");
	if (exchange_body(rq->x, &reading.body)) {
		if (error_last()->kind == ERR_PROTOCOL) /* broken compression or framing */
			fail_as(ERR_INVALID_REQUEST);
		return -1;
	}
	if (rq->surface->begin && rq->surface->begin(rq->x, &reading.body, &rq->kept))
		return -1;
	if (offload_if_big(reading.body.n, read_here, &reading) || !rq->env)
		return -1;
	return rq->surface->admit ? rq->surface->admit(rq->x, rq->env, rq->kept) : 0;
}

static void answer(struct request *rq)
{
	if (read_request(rq) || prepare(rq) || set_context(rq)) {
		answer_error(rq);
		return;
	}
	if (rq->env->stream)
		start_timer(rq);
	rq->called = true;
	if (model_call_open(&rq->call, rq->target.model, &rq->env->inf, &rq->context)) {
		if (error_last()->kind != ERR_CANCELLED && !rq->call.refused &&
		    !rq->surface->without_variants)
			fail_variants(rq->target.variant_name, rq->arena);
		if (rq->head_sent)
			answer_late_error(rq);
		else
			answer_error(rq);
	} else if (rq->env->stream) {
		answer_stream(rq);
	} else {
		answer_plain(rq);
	}
}

static struct request *request_new(struct exchange *x, const struct surface *surface)
{
	struct request *rq = arena_new(x->arena, struct request);

	if (!rq)
		return NULL;
	rq->x = x;
	rq->surface = surface;
	rq->app = api_app(x);
	rq->config = api_config(x);
	rq->arena = x->arena;
	rq->inference_id = api_inference_id(x);
	rq->started_ms = rq->last_ms = turn_ms();
	buf_init(&rq->ignored, 4 * IGNORED_MAX);
	return rq;
}

static void request_end(struct request *rq)
{
	stop_timer(rq);
	if (rq->called)
		model_call_close(&rq->call);
	for (size_t i = 0; i < CHOICES_MAX; i++)
		gather_free(rq->gathers[i]);
	if (rq->writer && rq->surface->writer_free)
		rq->surface->writer_free(rq->writer);
	model_call_free(&rq->call);
	buf_deinit(&rq->ignored);
}

void answer_request(struct exchange *x, const struct surface *surface)
{
	struct request *rq = request_new(x, surface);

	if (!rq) {
		api_respond_error(x, surface->write_error, 503, B(""));
		return;
	}
	answer(rq);
	request_end(rq);
}

void answer_refused(struct exchange *x, const struct surface *surface, int status)
{
	struct error *e = error_save(x->arena);
	struct request *rq = e ? request_new(x, surface) : NULL;

	if (!rq)
		return;
	rq->store_refused = rq->app->store && store_refuses(rq->app->store);
	record(rq, ANSWER_ERROR, NULL, e, status);
	request_end(rq);
	fail_with(e);
}
