/*
 * Rows are printed straight into the record's buffer, in the order that TensorZero writes (storage §2.4). What is
 * Signet's own goes into the list row. Bodies stand beside their row as they are, and what a column repeats of
 * another one is pointed at instead (decision 0005): escaping text twice was half of a record's cost.
 */
#include "route/record.h"

#include <stdatomic.h>

#include <inttypes.h>
#include <engines.h>

#include "base/answer_memory.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "route/classify.h"
#include "route/record_content.h"
#include "store/columns.h"
#include "wire/native.h"

#define PREVIEW     160
#define PREVIEW_MAX 4096 /* bytes of it */

/* Members of a row: null where there is nothing, or (known_) left out. */
#define text(p, name, value)   (pen_key((p), name), pen_string_or_null((p), (value)))
#define number(p, name, value) (pen_key((p), name), put_count((p), (value)))
#define truth(p, name, value)  (pen_key((p), name), pen_bytes((p), (value) ? B("true") : B("false")))
#define uuid(p, name, id)      (pen_key((p), name), put_uuid((p), (id)))
#define known_number(p, name, value)                \
	do {                                        \
		if ((value) >= 0)                   \
			number((p), name, (value)); \
	} while (0)

static void put_count(struct pen *p, int64_t n)
{
	if (n < 0)
		pen_lit(p, "null");
	else
		pen_u64(p, (uint64_t)n);
}

static void put_uuid(struct pen *p, struct uuid id)
{
	char digits[UUID_TEXT + 1];

	pen_string(p, uuid_text(id, digits));
}

/* Rows are written in the record's own buffer. */
static int row_open(struct pen *p, struct record *rec, enum row_table table)
{
	*p = (struct pen){ .b = record_open_part(rec, table) };
	if (!p->b)
		return -1;
	pen_open(p, '{');
	return 0;
}

static int row_close(struct pen *p, struct record *rec)
{
	pen_close(p, '}');
	if (!p->failed)
		return record_close_part(rec);
	rec->too_large |= error_last()->kind == ERR_TOO_LARGE;
	return -1;
}

static void snapshot(struct pen *p, const struct config *cfg)
{
	text(p, N_HASH, bytes_of(cfg->hash_decimal));
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

static void tool_columns(struct pen *p, const struct tool_config *t)
{
	pen_key(p, N_DYNAMIC_TOOLS);
	native_put_dynamic_tools(p, t);
	pen_key(p, N_PROVIDER_TOOLS);
	native_put_dynamic_provider_tools(p, t);
	pen_key(p, N_ALLOWED_TOOLS);
	native_put_allowed_tools(p, t);
	pen_key(p, N_TOOL_CHOICE);
	native_put_tool_choice(p, t);
	pen_key(p, N_PARALLEL);
	pen_bytes(p, t->parallel < 0 ? B("null") : t->parallel ? B("true") : B("false"));
	pen_key(p, N_TOOL_PARAMS);
	native_put_tool_params(p, t);
}

static void tags(struct pen *p, const struct answer_facts *f)
{
	pen_key(p, N_TAGS);
	pen_open(p, '{');
	for (size_t i = 0; i < f->request->ntags; i++) {
		pen_item(p);
		pen_string(p, f->request->tags[i].key);
		pen_lit(p, ":");
		pen_string(p, f->request->tags[i].value);
	}
	if (bytes_set(f->request->namespace_)) {
		pen_item(p);
		pen_lit(p, "\"tensorzero::namespace\":");
		pen_string(p, f->request->namespace_);
	}
	pen_close(p, '}');
}

/* Where texts stand in the payload that a later row has too. */
struct repeated {
	size_t messages, messages_len, output, output_len;
};

static int chat_row(struct record *rec, const struct answer_facts *f, struct repeated *again)
{
	const struct inference *inf = &f->request->inf;
	struct pen p;
	size_t from;

	if (row_open(&p, rec, ROW_CHAT_INFERENCE))
		return -1;
	uuid(&p, N_ID, f->inference_id);
	text(&p, N_FUNCTION, f->function_name);
	text(&p, N_VARIANT, f->variant_name);
	uuid(&p, N_EPISODE, f->episode_id);
	pen_key(&p, N_INPUT);
	from = p.b->len;
	native_put_input(&p, inf, &again->messages);
	again->messages_len = p.b->len - 1 - again->messages;
	content_json(f->config, &p, from, FORM_INPUT);
	pen_key(&p, N_OUTPUT);
	again->output = p.b->len;
	native_put_output(&p, f->result->content, f->result->len, inf->tools, arguments_fit, NULL);
	again->output_len = p.b->len - again->output;
	content_json(f->config, &p, again->output, FORM_BLOCKS);
	if (inf->tools && !f->config->record_content)
		tool_columns(&p, inf->tools);
	pen_key(&p, N_PARAMS);
	pen_lit(&p, "{\"chat_completion\":");
	p.failed |= params_print(inf, p.b) != 0;
	pen_lit(&p, "}");
	number(&p, N_MS, (int64_t)f->processing_ms);
	number(&p, N_TTFT, inf->stream ? f->ttft_ms : -1);
	tags(&p, f);
	pen_key(&p, N_EXTRA_BODY);
	if (f->config->record_content)
		pen_lit(&p, "[]");
	else
		native_put_extra_body(&p, &inf->extra_body);
	snapshot(&p, f->config);
	return row_close(&p, rec);
}

static size_t tool_calls(const struct result *res)
{
	size_t n = 0;

	for (size_t i = 0; res && i < res->len; i++)
		n += res->content[i].type == BLOCK_TOOL_CALL;
	return n;
}

/* What went over the wire, as far as it was kept. */
struct raw {
	struct bytes text;
	size_t gap; /* where `missing` bytes of it are */
	uint64_t missing;
};

/* The body, or if it is over the cap its two ends in `joined`, and the record says so: what is kept may be longer than
 * the body was, by the words that stand in the gap. */
static struct bytes cut_body(struct record *rec, struct raw body, uint64_t max_kib,
			     struct buf *joined)
{
	size_t max = (size_t)max_kib * 1024, n = body.text.n;
	struct bytes head = bytes_slice(body.text, 0, body.missing ? body.gap : n),
		     tail = bytes_slice(body.text, body.missing ? body.gap : 0, n);

	if (n <= max && !body.missing)
		return bytes_set(body.text) ? body.text : B("");
	head = bytes_head(head, max / 2);
	tail = bytes_tail(tail, max / 2);
	rec->cut = true;
	if (buf_append(joined, head) ||
	    buf_printf(joined, "\n… %" PRIu64 " bytes cut …\n",
		       n + body.missing - head.n - tail.n) ||
	    buf_append(joined, tail))
		return (struct bytes){ NULL, 0 };
	return buf_bytes(joined);
}

/* A raw body as a JSON string. */
static void raw_body(struct pen *p, struct record *rec, struct raw body, uint64_t max_kib)
{
	struct buf joined;
	struct bytes kept;

	buf_init(&joined, (size_t)max_kib * 1024 + 64);
	kept = cut_body(rec, body, max_kib, &joined);
	p->failed |= !bytes_set(kept);
	pen_string_or_null(p, kept);
	buf_deinit(&joined);
}

/* A column beside the row that follows. *beside: false if it is not UTF-8, and must be escaped in the row. */
static int text_beside(struct record *rec, enum row_text column, struct bytes value, bool *beside)
{
	struct buf *out;

	*beside = !bytes_set(value) || bytes_is_utf8(value);
	if (!bytes_set(value) || !*beside)
		return 0;
	out = record_open_part(rec, TEXT_PART | column);
	return !out || buf_append(out, value) || record_close_part(rec) ? -1 : 0;
}

static int raw_beside(struct record *rec, enum row_text column, struct raw body, uint64_t max_kib,
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

/* The input tells raw text from text, the model does not. */
static bool has_raw_text(const struct inference *in)
{
	for (size_t i = 0; i < in->nmessages; i++)
		for (size_t k = 0; k < in->messages[i].len; k++)
			if (in->messages[i].content[k].type == BLOCK_RAW_TEXT)
				return true;
	return false;
}

/* The messages as the model got them: those of the input, unless a template made others. */
static int messages_beside(struct record *rec, const struct config *c, const struct inference *in,
			   const struct inference *sent, const struct repeated *again)
{
	struct pen p = { 0 };
	size_t from;

	if (!c->record_content && sent->messages == in->messages &&
	    sent->nmessages == in->nmessages && !has_raw_text(in))
		return record_add_same(rec, TEXT_INPUT_MESSAGES, again->messages,
				       again->messages_len);
	p.b = record_open_part(rec, TEXT_PART | TEXT_INPUT_MESSAGES);
	if (!p.b)
		return -1;
	from = p.b->len;
	native_put_messages(&p, sent);
	content_json(c, &p, from, FORM_MESSAGES);
	return p.failed ? -1 : record_close_part(rec);
}

/* The blocks as the provider sent them: in the client's answer only tool calls look otherwise. */
static int output_beside(struct record *rec, const struct config *c, const struct result *res,
			 const struct result *client_got, const struct repeated *again)
{
	struct pen p = { 0 };
	size_t from;

	if (!c->record_content && res == client_got && !tool_calls(res))
		return record_add_same(rec, TEXT_OUTPUT, again->output, again->output_len);
	p.b = record_open_part(rec, TEXT_PART | TEXT_OUTPUT);
	if (!p.b)
		return -1;
	from = p.b->len;
	native_put_blocks(&p, res->content, res->len);
	content_json(c, &p, from, FORM_BLOCKS);
	return p.failed ? -1 : record_close_part(rec);
}

static int model_row(struct record *rec, const struct answer_facts *f,
		     const struct recorded_call *rc, const struct repeated *again)
{
	const struct model_call *mc = rc->call;
	const struct result *res = rc->result;
	const struct usage *u = &res->usage;
	uint64_t cap = f->config->max_raw_kib;
	bool request, response, system;
	char room[3][CONTENT_TEXT];
	struct raw sent = { .text = content_text(f->config, mc->attempt.raw_request, room[0]) },
		   came = { .text = content_text(f->config, res->raw_response, room[1]),
			    .gap = res->raw_gap,
			    .missing = f->config->record_content ? 0 : res->raw_missing };
	struct bytes prompt = content_text(f->config, mc->inf.system, room[2]);
	struct pen p;

	if (raw_beside(rec, TEXT_RAW_REQUEST, sent, cap, &request) ||
	    raw_beside(rec, TEXT_RAW_RESPONSE, came, cap, &response) ||
	    text_beside(rec, TEXT_SYSTEM, prompt, &system) ||
	    messages_beside(rec, f->config, &f->request->inf, &mc->inf, again) ||
	    output_beside(rec, f->config, res, f->result, again) ||
	    row_open(&p, rec, ROW_MODEL_INFERENCE))
		return -1;
	uuid(&p, N_ID, mc->inf.id);
	uuid(&p, N_INFERENCE, f->inference_id);
	text(&p, N_FUNCTION, f->function_name);
	text(&p, N_VARIANT, f->variant_name);
	if (!request) {
		pen_key(&p, N_RAW_REQUEST);
		raw_body(&p, rec, sent, cap);
	}
	if (!response) {
		pen_key(&p, N_RAW_RESPONSE);
		raw_body(&p, rec, came, cap);
	}
	if (!system)
		text(&p, N_SYSTEM, prompt);
	number(&p, N_IN, u->input_tokens);
	number(&p, N_OUT, u->output_tokens);
	number(&p, N_RESPONSE_MS, (int64_t)res->response_ms);
	text(&p, N_MODEL, mc->model->name);
	text(&p, N_PROVIDER, mc->provider->name);
	number(&p, N_TTFT, mc->inf.stream ? (int64_t)res->ttft_ms : -1);
	truth(&p, N_CACHED, false);
	pen_key(&p, N_COST);
	p.failed |= money_print(u->cost, p.b) != 0;
	text(&p, N_FINISH, finish_reason_name(res->finish));
	snapshot(&p, f->config);
	known_number(&p, N_CACHE_READ, u->cache_read);
	known_number(&p, N_CACHE_WRITE, u->cache_write);
	return row_close(&p, rec);
}

/* ---- Signet's own ---- */

static void signature(struct pen *p, const struct sign_facts *s)
{
	if (!s->set) {
		pen_lit(p, "null");
		return;
	}
	pen_open(p, '{');
	text(p, "signer", s->signer);
	text(p, "module_sha256", s->module_sha256);
	text(p, "abi", s->abi);
	text(p, "nonce", s->nonce);
	text(p, "timestamp", s->timestamp);
	number(p, "us", (int64_t)s->us);
	pen_json(p, "headers", bytes_set(s->headers) ? s->headers : B("[]"));
	text(p, "head", s->head);
	number(p, "bytes", (int64_t)s->bytes);
	pen_close(p, '}');
}

static void span(struct pen *p, const char *name, uint64_t zero, uint64_t from, uint64_t to)
{
	if (!from || !to || to < from || from < zero)
		return;
	pen_item(p);
	pen_open(p, '{');
	text(p, "name", bytes_of(name));
	number(p, "start_ms", (int64_t)(from - zero));
	number(p, "end_ms", (int64_t)(to - zero));
	pen_close(p, '}');
}

/* Attempts that the calls before `end` took. */
static size_t attempts(const struct answer_facts *f, size_t end)
{
	size_t n = 0;

	for (size_t i = 0; i < end; i++)
		n += f->calls[i].call->nfailed + (f->calls[i].result != NULL);
	return n;
}

/* Of several choices those beside the answer's output, which is the first call's. */
static void other_choices(struct pen *p, const struct answer_facts *f)
{
	pen_key(p, N_OTHERS);
	pen_open(p, '[');
	for (size_t i = 0; i < f->result->nothers; i++) {
		const struct result *one = &f->result->others[i];
		size_t from;

		pen_item(p);
		pen_open(p, '{');
		number(p, "index", (int64_t)one->choice);
		text(p, N_FINISH, finish_reason_name(one->finish));
		pen_key(p, N_OUTPUT);
		from = p->b->len;
		native_put_blocks(p, one->content, one->len);
		content_json(f->config, p, from, FORM_BLOCKS);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

/* `calls` of the list row: Signet's columns of the ModelInference rows. */
static void calls(struct pen *p, const struct answer_facts *f)
{
	pen_key(p, N_CALLS);
	pen_open(p, '[');
	for (size_t i = 0; i < f->ncalls; i++) {
		const struct model_call *mc = f->calls[i].call;
		const struct attempt *at = &mc->attempt;

		if (!f->calls[i].result)
			continue;
		pen_item(p);
		pen_open(p, '{');
		uuid(p, N_ID, mc->inf.id);
		number(p, N_ATTEMPT, (int64_t)attempts(f, i + 1));
		known_number(p, N_HTTP_STATUS, at->status ? at->status : -1);
		if (at->signature.set) {
			pen_key(p, N_SIGNATURE);
			signature(p, &at->signature);
		}
		pen_key(p, N_SPANS);
		pen_open(p, '[');
		span(p, "prepare", mc->started_ms, at->started_ms, at->sent_ms);
		span(p, "wait", mc->started_ms, at->sent_ms, at->head_ms);
		span(p, "answer", mc->started_ms, at->head_ms, at->end_ms);
		pen_close(p, ']');
		known_number(p, N_CACHE_WRITE_1H, f->calls[i].result->usage.cache_write_1h);
		known_number(p, N_REASONING, f->calls[i].result->usage.reasoning_tokens);
		if (f->calls[i].result->usage.cost.known) {
			pen_key(p, N_PRICE);
			cost_put_price(p, f->config, mc->provider, &f->calls[i].result->usage);
		}
		if (i == 0 && f->result && f->result->nothers)
			other_choices(p, f);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static const char *const states[] = { "ok", "error", "cancelled", "truncated" };

const char *answer_state_name(enum answer_state state)
{
	return states[state];
}

/* Whether a chat row and a model row stand before the list row, which then leaves out what they say (list_fill()). */
static bool has_rows(const struct answer_facts *f)
{
	return f->result && f->state != ANSWER_ERROR;
}

static void put_cost_nano(struct pen *p, const struct result *res)
{
	if (res->usage.cost.known)
		number(p, N_COST_NANO, money_nano(res->usage.cost));
}

static int list_row(struct record *rec, const struct answer_facts *f)
{
	const struct model_call *mc = f->ncalls ? f->calls[f->ncalls - 1].call : NULL;
	const struct result *res = f->result;
	const struct inference *inf = &f->request->inf;
	bool alone = !has_rows(f);
	struct bytes kind = bytes_of(f->error ? failure_name(classify(f->error)) : NULL);
	struct buf preview;
	struct pen p;

	if (row_open(&p, rec, ROW_INFERENCE_BY_ID))
		return -1;
	uuid(&p, N_ID, f->inference_id);
	if (alone) { /* else the chat row has them */
		pen_set(&p, N_FUNCTION, f->function_name);
		pen_set(&p, N_VARIANT, f->variant_name);
		if (uuid_version(f->episode_id)) /* else it was refused before it had one */
			uuid(&p, N_EPISODE, f->episode_id);
		snapshot(&p, f->config);
		number(&p, N_MS, (int64_t)f->processing_ms);
	}
	text(&p, N_STATE, bytes_of(states[f->state]));
	known_number(&p, N_STATUS, f->status ? f->status : -1);
	pen_set(&p, N_ERROR_KIND, kind);
	pen_set(&p, N_SURFACE, f->surface);
	pen_set(&p, N_KEY, f->key_public_id);
	truth(&p, N_STREAM, inf->stream);
	truth(&p, N_CACHED, false);
	truth(&p, N_SIGNED, mc && mc->attempt.signature.set);
	if (res && f->ncalls > 1) { /* of all calls; the model rows have each its own */
		known_number(&p, N_IN, res->usage.input_tokens);
		known_number(&p, N_OUT, res->usage.output_tokens);
		put_cost_nano(&p, res);
		pen_set(&p, N_FINISH, finish_reason_name(res->finish));
	}
	if (alone) { /* else the model row has them */
		pen_set(&p, N_MODEL, mc ? mc->model->name : f->variant_name);
		if (mc && mc->provider)
			pen_set(&p, N_PROVIDER, mc->provider->name);
		if (res && f->ncalls == 1) {
			known_number(&p, N_IN, res->usage.input_tokens);
			known_number(&p, N_OUT, res->usage.output_tokens);
			put_cost_nano(&p, res);
			pen_set(&p, N_FINISH, finish_reason_name(res->finish));
		}
	}
	number(&p, N_ATTEMPTS, (int64_t)attempts(f, f->ncalls));
	truth(&p, N_ESTIMATED, res && res->usage.estimated);
	if (inf->stream && f->ttft_ms >= 0)
		number(&p, N_TTFT, f->ttft_ms);
	number(&p, N_TOOLS, (int64_t)tool_calls(res));
	buf_init(&preview, PREVIEW_MAX);
	if (!f->config->record_content)
		p.failed |= native_preview_input(inf, PREVIEW, &preview) != 0;
	text(&p, N_PREVIEW_IN, buf_bytes(&preview));
	buf_reset(&preview);
	if (res && !f->config->record_content)
		p.failed |= native_preview_output(res->content, res->len, PREVIEW, &preview) != 0;
	text(&p, N_PREVIEW_OUT, buf_bytes(&preview));
	buf_deinit(&preview);
	if (mc && res)
		calls(&p, f);
	return row_close(&p, rec);
}

/* Attempts that failed, of all calls; times are those of the first one. */
static void failed_attempts(struct pen *p, struct record *rec, const struct answer_facts *f)
{
	uint64_t cap = f->config->max_raw_kib;
	char room[CONTENT_TEXT];

	pen_key(p, N_ATTEMPTS);
	pen_open(p, '[');
	for (size_t c = 0; c < f->ncalls; c++) {
		const struct model_call *mc = f->calls[c].call;

		for (size_t i = 0; i < mc->nfailed; i++) {
			const struct failed_attempt *a = &mc->failed[i];
			uint64_t began = f->calls[0].call->started_ms;

			pen_item(p);
			pen_open(p, '{');
			text(p, "variant", f->variant_name);
			text(p, "model", mc->model->name);
			text(p, "provider", a->provider->name);
			text(p, "why", c + i ? B("fallback") : B("first"));
			number(p, "delay_ms", (int64_t)(a->attempt.started_ms - began));
			number(p, N_STATUS, a->attempt.status ? a->attempt.status : -1);
			text(p, N_ERROR, content_text(f->config, a->error->message, room));
			pen_key(p, N_SIGNATURE);
			signature(p, &a->attempt.signature);
			pen_key(p, N_RAW_REQUEST);
			raw_body(p, rec,
				 (struct raw){ .text = content_text(f->config,
								    a->attempt.raw_request, room) },
				 cap);
			pen_key(p, N_RAW_RESPONSE);
			raw_body(p, rec,
				 (struct raw){ .text = content_text(
						       f->config, a->attempt.raw_response, room) },
				 cap);
			pen_close(p, '}');
		}
	}
	pen_close(p, ']');
}

static int error_row(struct record *rec, const struct answer_facts *f)
{
	struct bytes message = f->error ? f->error->message : (struct bytes){ NULL, 0 };
	char room[CONTENT_TEXT];
	struct pen p;

	if (row_open(&p, rec, ROW_REQUEST_ERROR))
		return -1;
	uuid(&p, N_ID, f->inference_id);
	text(&p, N_ERROR, content_text(f->config, message, room));
	failed_attempts(&p, rec, f);
	return row_close(&p, rec);
}

struct building {
	struct record rec;
	const struct answer_facts *facts;
	int failed;
};

#define LARGE_RECORD (1u << 20)
#define PRINTING_MAX (128u << 20)
#define KEPT_MEMORY  (64u << 20) /* results with shorter texts, without the texts */
#define TURN_MS      5

/* What of a raw body is printed; for its hash all of it is read. */
static size_t raw_weight(const struct config *c, struct bytes body)
{
	size_t cap = (size_t)c->max_raw_kib * 1024;

	return body.n > cap && !c->record_content ? cap : body.n;
}

/* About how much there is to print. */
static size_t weight(const struct answer_facts *f)
{
	size_t n = f->request->inf.source.n;

	for (size_t i = 0; i < f->ncalls; i++) {
		const struct model_call *mc = f->calls[i].call;
		const struct result *result = f->calls[i].result;

		n += raw_weight(f->config, mc->attempt.raw_request);
		if (result)
			n += raw_weight(f->config, result->raw_response) + result_size(result);
		for (size_t k = 0; k < mc->nfailed; k++)
			n += raw_weight(f->config, mc->failed[k].attempt.raw_request) +
			     raw_weight(f->config, mc->failed[k].attempt.raw_response);
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
	int r;

	record_init(&b->rec);
	b->rec.cut = f->raw_cut;
	r = buf_reserve(&b->rec.payload, guess(f));
	if (r == 0 && has_rows(f))
		r = answer_rows(&b->rec, f);
	if (r == 0)
		r = list_row(&b->rec, f);
	if (r == 0 && f->add_rows)
		r = f->add_rows(f->ctx, f->result, &b->rec);
	if (r == 0 && (f->error || f->state == ANSWER_CANCELLED || any_failed(f)))
		r = error_row(&b->rec, f);
	b->failed = r;
}

static atomic_size_t
	printing; /* bytes of large records that are printed, or wait for the journal */

/* A large record waits for its turn before it is printed, not after; at last it goes on without. */
static void wait_for_turn(size_t n)
{
	uint64_t until = clock_mono_ms() + ANSWER_ROOM_WAIT_MS;

	for (;;) {
		size_t before = atomic_fetch_add(&printing, n);

		if (!before || before + n <= PRINTING_MAX || !fiber_self() ||
		    clock_mono_ms() >= until)
			return;
		atomic_fetch_sub(&printing, n);
		if (fiber_sleep(TURN_MS)) /* cancelled: its record is printed all the same */
			until = 0;
	}
}

/* The answer and those of its calls as far as they are kept, before anything of them is printed. Calls whose result is the
 * client's still have the same one. -1: out of memory. */
static int keep(struct answer_facts *f, struct arena *a)
{
	size_t room = RESULT_KEPT / (f->ncalls ? f->ncalls : 1);
	struct recorded_call *calls = arena_array(a, struct recorded_call, f->ncalls + 1);
	const struct result *all = f->result;

	f->result = all ? result_kept(all, RESULT_KEPT, a, &f->raw_cut) : NULL;
	if (!calls || (all && !f->result))
		return -1;
	for (size_t i = 0; i < f->ncalls; i++) {
		calls[i] = f->calls[i];
		if (calls[i].result == all)
			calls[i].result = f->result;
		else if (calls[i].result &&
			 !(calls[i].result = result_kept(calls[i].result, room, a, &f->raw_cut)))
			return -1;
	}
	f->calls = calls;
	return 0;
}

static int record_kept(struct store *store, const struct answer_facts *f, int failed)
{
	struct building b = { .facts = f, .failed = -1 };
	size_t large = weight(f) > LARGE_RECORD ? weight(f) : 0;

	if (large)
		wait_for_turn(large);
	if (failed || offload_if_big(weight(f), build, &b) || b.failed) {
		log_error("route", "a record could not be built",
			  LB("error", error_last()->message));
		b.failed = -1;
		b.rec.too_large = true; /* refused by the journal, and counted there */
	}
	store_append(store, &b.rec);
	record_deinit(&b.rec);
	atomic_fetch_sub(&printing, large);
	return b.failed ? -1 : 0;
}

int record_answer(struct store *store, const struct answer_facts *f)
{
	struct answer_facts kept = *f;
	struct arena shorter;
	int r;

	arena_init(&shorter, KEPT_MEMORY);
	r = record_kept(store, &kept, keep(&kept, &shorter));
	arena_deinit(&shorter);
	return r;
}
