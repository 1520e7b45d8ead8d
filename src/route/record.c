/*
 * Rows are printed straight into the record's buffer, in the order that TensorZero writes (storage §2.4). What is
 * Signet's own goes into the list row. Bodies stand beside their row as they are, and what a column repeats of
 * another one is pointed at instead (decision 0005): escaping text twice was half of a record's cost.
 */
#include "route/record.h"

#include <engines.h>

#include "base/log.h"
#include "fiber/fiber.h"
#include "route/classify.h"
#include "store/columns.h"
#include "wire/native.h"

#define PREVIEW 160

/* A row under construction, in the record's own buffer: keys are literals, errors are sticky. An object inside of it
 * is a row of its own on the same buffer. A terse one leaves out what is null. */
struct row {
	struct record *rec;
	struct buf *out;
	bool failed, first, terse;
};

static void raw(struct row *r, struct bytes text)
{
	r->failed |= buf_append(r->out, text) != 0;
}

/* `name` is a literal: its length is known when this is compiled, and one look at the buffer serves. */
static inline __attribute__((always_inline)) void key(struct row *r, const char *name)
{
	size_t n = strlen(name);
	char *at;

	if (buf_reserve(r->out, n + 4)) {
		r->failed = true;
		return;
	}
	at = r->out->data + r->out->len;
	if (!r->first)
		*at++ = ',';
	*at++ = '"';
	memcpy(at, name, n);
	at += n;
	*at++ = '"';
	*at++ = ':';
	r->out->len = (size_t)(at - r->out->data);
	r->first = false;
}

static inline __attribute__((always_inline)) void null(struct row *r, const char *name)
{
	if (r->terse)
		return;
	key(r, name);
	raw(r, B("null"));
}

static inline __attribute__((always_inline)) void text(struct row *r, const char *name,
						       struct bytes value)
{
	if (!bytes_set(value)) {
		null(r, name);
		return;
	}
	key(r, name);
	r->failed |= buf_json_string(r->out, value) != 0;
}

static inline __attribute__((always_inline)) void number(struct row *r, const char *name,
							 int64_t value)
{
	if (value < 0) {
		null(r, name);
		return;
	}
	key(r, name);
	r->failed |= buf_put_u64(r->out, (uint64_t)value) != 0;
}

static inline __attribute__((always_inline)) void boolean(struct row *r, const char *name,
							  bool value)
{
	key(r, name);
	raw(r, value ? B("true") : B("false"));
}

static void uuid(struct row *r, const char *name, struct uuid id)
{
	char digits[UUID_TEXT + 1];

	text(r, name, uuid_text(id, digits));
}

static int row_open(struct row *r, struct record *rec, enum row_table table)
{
	*r = (struct row){ .rec = rec, .out = record_open_row(rec, table), .first = true };
	if (!r->out)
		return -1;
	raw(r, B("{"));
	return 0;
}

static int row_close(struct row *r)
{
	raw(r, B("}"));
	if (!r->failed)
		return record_close_row(r->rec);
	r->rec->too_large |= error_last()->kind == ERR_TOO_LARGE;
	return -1;
}

static struct row object_open(struct row *outer)
{
	struct row in = { .rec = outer->rec, .out = outer->out, .first = true };

	raw(outer, B("{"));
	return in;
}

static void object_close(struct row *outer, struct row *in)
{
	raw(in, B("}"));
	outer->failed |= in->failed;
}

static void snapshot(struct row *r, const struct config *cfg)
{
	text(r, N_HASH, bytes_of(cfg->hash_decimal));
}

/* ---- bodies ---- */

struct fit {
	struct bytes schema, arguments;
	bool fits;
};

/* On the thread's own stack: the engine's recursion is not made for a fiber's. */
static void check_fit(void *arg)
{
	struct fit *f = arg;
	struct engine_text why = { 0 };
	struct engine_schema *schema = engine_schema_compile(f->schema.p, f->schema.n, &why);

	f->fits =
		schema && engine_schema_validate(schema, f->arguments.p, f->arguments.n, &why) == 0;
	engine_schema_free(schema);
	engine_text_free(&why);
}

/* Whether a tool call's arguments fit its tool's schema (native_valid_fn). */
static bool arguments_fit(void *ctx, const struct tool *tool, struct bytes arguments)
{
	struct fit f = { .schema = tool->parameters, .arguments = arguments };

	(void)ctx;
	fiber_on_thread_stack(check_fit, &f);
	return f.fits;
}

static void tool_columns(struct row *r, const struct tool_config *t)
{
	key(r, N_DYNAMIC_TOOLS);
	r->failed |= native_write_dynamic_tools(t, r->out) != 0;
	key(r, N_PROVIDER_TOOLS);
	r->failed |= native_write_dynamic_provider_tools(t, r->out) != 0;
	key(r, N_ALLOWED_TOOLS);
	r->failed |= native_write_allowed_tools(t, r->out) != 0;
	key(r, N_TOOL_CHOICE);
	r->failed |= native_write_tool_choice(t, r->out) != 0;
	key(r, N_PARALLEL);
	raw(r, t->parallel < 0 ? B("null") : t->parallel ? B("true") : B("false"));
	key(r, N_TOOL_PARAMS);
	r->failed |= native_write_tool_params(t, r->out) != 0;
}

static void tags(struct row *r, const struct answer_facts *f)
{
	key(r, N_TAGS);
	raw(r, B("{"));
	for (size_t i = 0; i < f->request->ntags; i++) {
		raw(r, i ? B(",") : B(""));
		r->failed |= buf_json_string(r->out, f->request->tags[i].key) ||
			     buf_putc(r->out, ':') ||
			     buf_json_string(r->out, f->request->tags[i].value);
	}
	raw(r, B("}"));
}

/* Where texts stand in the payload that a later row has too. */
struct repeated {
	size_t messages, messages_len, output, output_len;
};

static int chat_row(struct record *rec, const struct answer_facts *f, struct repeated *again)
{
	const struct inference *inf = &f->request->inf;
	struct row r;

	if (row_open(&r, rec, ROW_CHAT_INFERENCE))
		return -1;
	uuid(&r, N_ID, f->inference_id);
	text(&r, N_FUNCTION, f->function_name);
	text(&r, N_VARIANT, f->variant_name);
	uuid(&r, N_EPISODE, f->episode_id);
	key(&r, N_INPUT);
	r.failed |= native_write_input(inf, r.out, &again->messages) != 0;
	again->messages_len = r.out->len - 1 - again->messages;
	key(&r, N_OUTPUT);
	again->output = r.out->len;
	r.failed |= native_write_output(f->result->content, f->result->len, inf->tools,
					arguments_fit, NULL, r.out) != 0;
	again->output_len = r.out->len - again->output;
	if (inf->tools)
		tool_columns(&r, inf->tools);
	key(&r, N_PARAMS);
	raw(&r, B("{\"chat_completion\":"));
	raw(&r, bytes_set(f->request->inference_params) ? f->request->inference_params : B("{}"));
	raw(&r, B("}"));
	number(&r, N_MS, (int64_t)f->processing_ms);
	number(&r, N_TTFT, inf->stream ? (int64_t)f->ttft_ms : -1);
	tags(&r, f);
	key(&r, N_EXTRA_BODY);
	r.failed |= native_write_extra_body(&inf->extra_body, r.out) != 0;
	snapshot(&r, f->config);
	return row_close(&r);
}

static size_t tool_calls(const struct result *res)
{
	size_t n = 0;

	for (size_t i = 0; res && i < res->len; i++)
		n += res->content[i].type == BLOCK_TOOL_CALL;
	return n;
}

/* The body, or if it is over the cap its two ends in `joined`, and the record says so: what is kept may be longer than
 * the body was, by the words that stand in the gap. */
static struct bytes cut_body(struct record *rec, struct bytes body, uint64_t max_kib,
			     struct buf *joined)
{
	size_t max = (size_t)max_kib * 1024;
	struct bytes head = bytes_head(body, max / 2), tail = bytes_tail(body, max / 2);

	if (body.n <= max)
		return bytes_set(body) ? body : B("");
	rec->cut = true;
	if (buf_append(joined, head) ||
	    buf_printf(joined, "\n… %zu bytes cut …\n", body.n - head.n - tail.n) ||
	    buf_append(joined, tail))
		return (struct bytes){ NULL, 0 };
	return buf_bytes(joined);
}

/* Appends a raw body as a JSON string. */
static void raw_body(struct row *r, const char *name, struct bytes body, uint64_t max_kib)
{
	struct buf joined;
	struct bytes kept;

	buf_init(&joined, (size_t)max_kib * 1024 + 64);
	kept = cut_body(r->rec, body, max_kib, &joined);
	r->failed |= !bytes_set(kept);
	text(r, name, kept);
	buf_deinit(&joined);
}

static int text_part(struct record *rec, enum row_text column, struct bytes value)
{
	struct buf *out = record_open_text(rec, column);

	return !out || buf_append(out, value) || record_close_text(rec) ? -1 : 0;
}

/* A column beside the row that follows. *beside: false if it is not UTF-8, and must be escaped in the row. */
static int text_beside(struct record *rec, enum row_text column, struct bytes value, bool *beside)
{
	*beside = !bytes_set(value) || bytes_is_utf8(value);
	return bytes_set(value) && *beside ? text_part(rec, column, value) : 0;
}

static int raw_beside(struct record *rec, enum row_text column, struct bytes body, uint64_t max_kib,
		      bool *beside)
{
	struct buf joined;
	struct bytes kept;
	int r;

	buf_init(&joined, (size_t)max_kib * 1024 + 64);
	kept = cut_body(rec, body, max_kib, &joined);
	r = bytes_set(kept) ? text_beside(rec, column, kept, beside) : -1;
	buf_deinit(&joined);
	return r;
}

/* The messages as the model got them: those of the input, unless a template made others. */
static int messages_beside(struct record *rec, const struct inference *in,
			   const struct inference *sent, const struct repeated *again)
{
	struct buf *out;

	if (sent->messages == in->messages && sent->nmessages == in->nmessages)
		return record_add_same(rec, TEXT_INPUT_MESSAGES, again->messages,
				       again->messages_len);
	out = record_open_text(rec, TEXT_INPUT_MESSAGES);
	return !out || native_write_messages(sent, out) || record_close_text(rec) ? -1 : 0;
}

/* The blocks as the provider sent them: in the client's answer only tool calls look otherwise. */
static int output_beside(struct record *rec, const struct result *res,
			 const struct result *client_got, const struct repeated *again)
{
	struct buf *out;

	if (res == client_got && !tool_calls(res))
		return record_add_same(rec, TEXT_OUTPUT, again->output, again->output_len);
	out = record_open_text(rec, TEXT_OUTPUT);
	return !out || native_write_raw_output(res->content, res->len, out) ||
			       record_close_text(rec)
		       ? -1
		       : 0;
}

static int model_row(struct record *rec, const struct answer_facts *f,
		     const struct recorded_call *rc, const struct repeated *again)
{
	const struct model_call *mc = rc->call;
	const struct result *res = rc->result;
	const struct usage *u = &res->usage;
	uint64_t cap = f->config->max_raw_kib;
	bool request, response, system;
	struct row r;

	if (raw_beside(rec, TEXT_RAW_REQUEST, mc->attempt.raw_request, cap, &request) ||
	    raw_beside(rec, TEXT_RAW_RESPONSE, res->raw_response, cap, &response) ||
	    text_beside(rec, TEXT_SYSTEM, mc->inf.system, &system) ||
	    messages_beside(rec, &f->request->inf, &mc->inf, again) ||
	    output_beside(rec, res, f->result, again) || row_open(&r, rec, ROW_MODEL_INFERENCE))
		return -1;
	uuid(&r, N_ID, mc->inf.id);
	uuid(&r, N_INFERENCE, f->inference_id);
	text(&r, N_FUNCTION, f->function_name);
	text(&r, N_VARIANT, f->variant_name);
	if (!request)
		raw_body(&r, N_RAW_REQUEST, mc->attempt.raw_request, cap);
	if (!response)
		raw_body(&r, N_RAW_RESPONSE, res->raw_response, cap);
	if (!system)
		text(&r, N_SYSTEM, mc->inf.system);
	number(&r, N_IN, u->input_tokens);
	number(&r, N_OUT, u->output_tokens);
	number(&r, N_RESPONSE_MS, (int64_t)res->response_ms);
	text(&r, N_MODEL, mc->model->name);
	text(&r, N_PROVIDER, mc->provider->name);
	number(&r, N_TTFT, mc->inf.stream ? (int64_t)res->ttft_ms : -1);
	boolean(&r, N_CACHED, false);
	null(&r, N_COST);
	text(&r, N_FINISH, finish_reason_name(res->finish));
	snapshot(&r, f->config);
	if (u->cache_read >= 0)
		number(&r, N_CACHE_READ, u->cache_read);
	if (u->cache_write >= 0)
		number(&r, N_CACHE_WRITE, u->cache_write);
	return row_close(&r);
}

/* ---- Signet's own ---- */

static void signature(struct row *r, const struct sign_facts *s)
{
	struct row in;

	if (!s->set) {
		null(r, N_SIGNATURE);
		return;
	}
	key(r, N_SIGNATURE);
	in = object_open(r);
	text(&in, "signer", s->signer);
	text(&in, "module_sha256", s->module_sha256);
	text(&in, "abi", s->abi);
	text(&in, "nonce", s->nonce);
	text(&in, "timestamp", s->timestamp);
	number(&in, "us", (int64_t)s->us);
	key(&in, "headers");
	raw(&in, bytes_set(s->headers) ? s->headers : B("[]"));
	text(&in, "head", s->head);
	number(&in, "bytes", (int64_t)s->bytes);
	object_close(r, &in);
}

static void span(struct row *r, bool *first, const char *name, uint64_t zero, uint64_t from,
		 uint64_t to)
{
	struct row in;

	if (!from || !to || to < from || from < zero)
		return;
	if (!*first)
		raw(r, B(","));
	*first = false;
	in = object_open(r);
	text(&in, "name", bytes_of(name));
	number(&in, "start_ms", (int64_t)(from - zero));
	number(&in, "end_ms", (int64_t)(to - zero));
	object_close(r, &in);
}

/* Attempts that the calls before `end` took. */
static size_t attempts(const struct answer_facts *f, size_t end)
{
	size_t n = 0;

	for (size_t i = 0; i < end; i++)
		n += f->calls[i].call->nfailed + (f->calls[i].result != NULL);
	return n;
}

/* `calls` of the list row: Signet's columns of the ModelInference rows. */
static void calls(struct row *r, const struct answer_facts *f)
{
	bool first_call = true;

	key(r, N_CALLS);
	raw(r, B("["));
	for (size_t i = 0; i < f->ncalls; i++) {
		const struct model_call *mc = f->calls[i].call;
		const struct attempt *at = &mc->attempt;
		struct row in;
		bool first = true;

		if (!f->calls[i].result)
			continue;
		if (!first_call)
			raw(r, B(","));
		first_call = false;
		in = object_open(r);
		in.terse = true;
		uuid(&in, N_ID, mc->inf.id);
		number(&in, N_ATTEMPT, (int64_t)attempts(f, i + 1));
		number(&in, N_HTTP_STATUS, at->status ? at->status : -1);
		signature(&in, &at->signature);
		key(&in, N_SPANS);
		raw(&in, B("["));
		span(&in, &first, "prepare", mc->started_ms, at->started_ms, at->sent_ms);
		span(&in, &first, "wait", mc->started_ms, at->sent_ms, at->head_ms);
		span(&in, &first, "answer", mc->started_ms, at->head_ms, at->end_ms);
		raw(&in, B("]"));
		object_close(r, &in);
	}
	raw(r, B("]"));
}

static const char *const states[] = { "ok", "error", "cancelled", "truncated" };

/* Whether a chat row and a model row stand before the list row, which then leaves out what they say (list_fill()). */
static bool has_rows(const struct answer_facts *f)
{
	return f->result && f->state != ANSWER_ERROR;
}

static int list_row(struct record *rec, const struct answer_facts *f)
{
	const struct model_call *mc = f->ncalls ? f->calls[f->ncalls - 1].call : NULL;
	const struct result *res = f->result;
	const struct inference *inf = &f->request->inf;
	bool alone = !has_rows(f);
	struct buf preview;
	struct row r;

	if (row_open(&r, rec, ROW_INFERENCE_BY_ID))
		return -1;
	r.terse = true;
	uuid(&r, N_ID, f->inference_id);
	if (alone) { /* else the chat row has them */
		text(&r, N_FUNCTION, f->function_name);
		text(&r, N_VARIANT, f->variant_name);
		uuid(&r, N_EPISODE, f->episode_id);
		snapshot(&r, f->config);
		number(&r, N_MS, (int64_t)f->processing_ms);
	}
	text(&r, N_STATE, bytes_of(states[f->state]));
	number(&r, N_STATUS, f->status);
	text(&r, N_ERROR_KIND,
	     f->error ? bytes_of(failure_name(classify(f->error))) : (struct bytes){ NULL, 0 });
	text(&r, N_SURFACE, f->surface);
	boolean(&r, N_STREAM, inf->stream);
	boolean(&r, N_CACHED, false);
	boolean(&r, N_SIGNED, mc && mc->attempt.signature.set);
	if (alone) { /* else the model row has them */
		text(&r, N_MODEL, mc ? mc->model->name : f->variant_name);
		text(&r, N_PROVIDER,
		     mc && mc->provider ? mc->provider->name : (struct bytes){ NULL, 0 });
		number(&r, N_IN, res ? res->usage.input_tokens : -1);
		number(&r, N_OUT, res ? res->usage.output_tokens : -1);
		text(&r, N_FINISH,
		     res ? finish_reason_name(res->finish) : (struct bytes){ NULL, 0 });
	}
	number(&r, N_ATTEMPTS, (int64_t)attempts(f, f->ncalls));
	boolean(&r, N_ESTIMATED, res && res->usage.estimated);
	number(&r, N_TTFT, inf->stream && f->ttft_ms ? (int64_t)f->ttft_ms : -1);
	number(&r, N_TOOLS, (int64_t)tool_calls(res));
	buf_init(&preview, 4096);
	r.failed |= native_preview_input(inf, PREVIEW, &preview) != 0;
	text(&r, N_PREVIEW_IN, buf_bytes(&preview));
	buf_reset(&preview);
	if (res)
		r.failed |= native_preview_output(res->content, res->len, PREVIEW, &preview) != 0;
	text(&r, N_PREVIEW_OUT, buf_bytes(&preview));
	buf_deinit(&preview);
	if (mc && res)
		calls(&r, f);
	return row_close(&r);
}

/* Attempts that failed, of all calls; times are those of the first one. */
static void failed_attempts(struct row *r, const struct answer_facts *f)
{
	uint64_t cap = f->config->max_raw_kib;
	bool first = true;

	key(r, N_ATTEMPTS);
	raw(r, B("["));
	for (size_t c = 0; c < f->ncalls; c++) {
		const struct model_call *mc = f->calls[c].call;

		for (size_t i = 0; i < mc->nfailed; i++) {
			const struct failed_attempt *a = &mc->failed[i];
			uint64_t began = f->calls[0].call->started_ms;
			struct row in;

			if (!first)
				raw(r, B(","));
			in = object_open(r);
			text(&in, "variant", f->variant_name);
			text(&in, "model", mc->model->name);
			text(&in, "provider", a->provider->name);
			text(&in, "why", c + i ? B("fallback") : B("first"));
			number(&in, "delay_ms", (int64_t)(a->attempt.started_ms - began));
			number(&in, N_STATUS, a->attempt.status ? a->attempt.status : -1);
			text(&in, N_ERROR, a->error->message);
			signature(&in, &a->attempt.signature);
			raw_body(&in, N_RAW_REQUEST, a->attempt.raw_request, cap);
			raw_body(&in, N_RAW_RESPONSE, a->attempt.raw_response, cap);
			object_close(r, &in);
			first = false;
		}
	}
	raw(r, B("]"));
}

static int error_row(struct record *rec, const struct answer_facts *f)
{
	struct row r;

	if (row_open(&r, rec, ROW_REQUEST_ERROR))
		return -1;
	uuid(&r, N_ID, f->inference_id);
	text(&r, N_ERROR, f->error ? f->error->message : (struct bytes){ NULL, 0 });
	failed_attempts(&r, f);
	return row_close(&r);
}

struct building {
	struct record rec;
	const struct answer_facts *facts;
	int failed;
};

/* About how much there is to print. */
static size_t weight(const struct answer_facts *f)
{
	size_t n = f->request->inf.source.n;

	for (size_t i = 0; i < f->ncalls; i++) {
		const struct model_call *mc = f->calls[i].call;

		n += mc->attempt.raw_request.n;
		if (f->calls[i].result)
			n += 2 * f->calls[i].result->raw_response.n;
		for (size_t k = 0; k < mc->nfailed; k++)
			n += mc->failed[k].attempt.raw_request.n +
			     mc->failed[k].attempt.raw_response.n;
	}
	return n;
}

static bool any_failed(const struct answer_facts *f)
{
	for (size_t i = 0; i < f->ncalls; i++)
		if (f->calls[i].call->nfailed)
			return true;
	return false;
}

/* One allocation for a common record instead of several that double; an odd one grows. */
static size_t guess(const struct answer_facts *f)
{
	size_t n = weight(f);

	return n < (1u << 20) ? n + n / 2 + 2560 : n;
}

/* The answer, and each model's own under it. */
static int answer_rows(struct record *rec, const struct answer_facts *f)
{
	struct repeated again = { 0 };

	if (chat_row(rec, f, &again))
		return -1;
	for (size_t i = 0; i < f->ncalls; i++)
		if (f->calls[i].result && model_row(rec, f, &f->calls[i], &again))
			return -1;
	return 0;
}

static void build(void *arg)
{
	struct building *b = arg;
	const struct answer_facts *f = b->facts;
	int r = record_init(&b->rec);

	b->rec.cut = f->raw_cut;
	if (r == 0)
		r = buf_reserve(&b->rec.payload, guess(f));
	if (r == 0 && has_rows(f))
		r = answer_rows(&b->rec, f);
	if (r == 0)
		r = list_row(&b->rec, f);
	if (r == 0 && (f->error || f->state == ANSWER_CANCELLED || any_failed(f)))
		r = error_row(&b->rec, f);
	b->failed = r;
}

int record_answer(struct store *store, const struct answer_facts *f)
{
	struct building b = { .facts = f, .failed = -1 };

	if (offload_if_big(weight(f), build, &b) || b.failed) {
		log_error("route", "a record could not be built",
			  LB("error", error_last()->message));
		b.failed = -1;
		b.rec.too_large = true; /* refused by the journal, and counted there */
	}
	store_append(store, &b.rec);
	record_deinit(&b.rec);
	return b.failed ? -1 : 0;
}
