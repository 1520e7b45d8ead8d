/*
 * What `signet log` prints of one inference. Texts come from clients and upstreams and go to a terminal: what
 * could steer it (control characters, C1 in UTF-8) is shown escaped, everywhere but in `--raw` to a pipe.
 * The counts R and F are not stored: attempts are walked, the same provider again is a retry, another one a
 * fallback.
 */
#include "store/log_columns.h"
#include "store/log_read.h"
#include "store/sink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <stdio.h>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "store/clickhouse.h"
#include "store/schema.h"

#define INLINE_MAX   65536
#define TARGET_WIDTH 30 /* columns of a line */
#define MARKS_WIDTH  14 /* " stream signed" */

/* One attempt, failed or not, in the order in which they ran. */
struct attempt {
	int64_t n;
	struct bytes why, variant, model, provider, error, signature;
	int64_t status, delay_ms; /* -1: unknown */
	struct bytes raw_request, raw_response;
	const struct log_model *model_row; /* NULL: it failed */
};

static struct bytes member(yyjson_val *obj, const char *key, struct arena *a)
{
	yyjson_val *v = json_get(obj, key);

	if (!v || yyjson_is_null(v))
		return (struct bytes){ 0 };
	return yyjson_is_str(v) ? json_str(v) : json_print_arena(v, a);
}

static int64_t member_int(yyjson_val *obj, const char *key)
{
	uint64_t v;

	return json_u64(json_get(obj, key), &v) ? (int64_t)v : -1;
}

static int by_n(const void *x, const void *y)
{
	const struct attempt *a = x, *b = y;

	return a->n < b->n ? -1 : a->n > b->n;
}

/* Failed attempts have no number of their own: they take those that good ones leave. */
static void number_attempts(struct attempt *at, size_t failed, size_t n)
{
	int64_t next = 1;

	for (size_t i = 0; i < failed; i++) {
		for (size_t k = failed; k < n; k++)
			if (at[k].n == next) {
				next++;
				k = failed - 1;
			}
		at[i].n = next++;
	}
	for (size_t k = failed; k < n; k++)
		if (at[k].n < 1)
			at[k].n = next++;
	qsort(at, n, sizeof(*at), by_n);
}

static struct attempt *list_attempts(const struct log_entry *e, size_t *n, struct arena *a)
{
	struct bytes text = e->has_error ? cell_text(&e->error[E_ATTEMPTS]) : (struct bytes){ 0 };
	yyjson_val *failed = text.n ? json_parse(text, a) : NULL, *v;
	size_t nfailed = yyjson_is_arr(failed) ? yyjson_arr_size(failed) : 0, i, max;
	struct attempt *at = arena_array(a, struct attempt, nfailed + e->nmodels + 1);

	*n = 0;
	if (!at)
		return NULL;
	if (nfailed) {
		yyjson_arr_foreach(failed, i, max, v)
		{
			at[(*n)++] =
				(struct attempt){ .why = member(v, "why", a),
						  .variant = member(v, "variant", a),
						  .model = member(v, "model", a),
						  .provider = member(v, "provider", a),
						  .error = member(v, N_ERROR, a),
						  .signature = member(v, N_SIGNATURE, a),
						  .status = member_int(v, N_STATUS),
						  .delay_ms = member_int(v, "delay_ms"),
						  .raw_request = member(v, N_RAW_REQUEST, a),
						  .raw_response = member(v, N_RAW_RESPONSE, a) };
		}
	}
	for (i = 0; i < e->nmodels; i++) {
		const struct log_model *m = &e->models[i];

		at[(*n)++] = (struct attempt){ .n = cell_int(&m->call[CALL_ATTEMPT], 0),
					       .variant = cell_text(&m->m[M_VARIANT]),
					       .model = cell_text(&m->m[M_MODEL]),
					       .provider = cell_text(&m->m[M_PROVIDER]),
					       .signature = cell_text(&m->call[CALL_SIGNATURE]),
					       .status = cell_int(&m->call[CALL_HTTP_STATUS], -1),
					       .delay_ms = -1,
					       .raw_request = cell_text(&m->m[M_RAW_REQUEST]),
					       .raw_response = cell_text(&m->m[M_RAW_RESPONSE]),
					       .model_row = m };
	}
	number_attempts(at, nfailed, *n);
	return at;
}

static const char *why_of(const struct attempt *at, size_t i)
{
	if (!i)
		return "first";
	if (bytes_eq(at[i].why, B("retry")))
		return "retry";
	if (bytes_eq(at[i].why, B("fallback")))
		return "fallback";
	return bytes_eq(at[i].provider, at[i - 1].provider) &&
			       bytes_eq(at[i].model, at[i - 1].model)
		       ? "retry"
		       : "fallback";
}

/* ---- text ---- */

/* A character at the front that turns the direction of text round, so that it reads other than it is, or breaks its line: the
 * bidirectional controls, U+2028 and U+2029. */
static bool is_turning(struct bytes t, unsigned *code)
{
	if (t.n < 2 || !utf8_length(bytes_slice(t, 0, 4)))
		return false;
	*code = ((unsigned char)t.p[0] & 0x1fu) << 6 | ((unsigned char)t.p[1] & 0x3fu);
	if (utf8_continues(t.p[1]) && *code == 0x61c && (unsigned char)t.p[0] == 0xd8)
		return true;
	if (t.n < 3 || (unsigned char)t.p[0] != 0xe2)
		return false;
	*code = 0x2000u | ((unsigned char)t.p[1] & 0x3fu) << 6 | ((unsigned char)t.p[2] & 0x3fu);
	return *code == 0x200e || *code == 0x200f || (*code >= 0x2028 && *code <= 0x202e) ||
	       (*code >= 0x2066 && *code <= 0x2069);
}

/* As it is, but for what could steer a terminal or its reader. `lines`: newlines and tabs stay. */
static int put_safe(struct buf *out, struct bytes t, bool lines)
{
	size_t from = 0;
	int bad = 0;

	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];
		bool c1 = c == 0xc2 && i + 1 < t.n && (unsigned char)t.p[i + 1] < 0xa0;
		unsigned code;

		if (c >= 0xd8 && is_turning(bytes_slice(t, i, t.n), &code)) {
			bad |= buf_append(out, bytes_slice(t, from, i - from)) ||
			       buf_printf(out, "\\u%04x", code);
			from = i + (code == 0x61c ? 2 : 3);
			i = from - 1;
			continue;
		}
		if (!c1 && c >= 32 && c != 127)
			continue;
		if (lines && (c == '\n' || c == '\t'))
			continue;
		bad |= buf_append(out, bytes_slice(t, from, i - from));
		if (c1)
			c = (unsigned char)t.p[++i];
		bad |= c == '\n' ? buf_append(out, B("\\n")) : buf_printf(out, "\\x%02x", c);
		from = i + 1;
	}
	return bad | buf_append(out, bytes_slice(t, from, t.n));
}

static int put_quoted(struct buf *out, struct bytes t)
{
	int bad = buf_putc(out, '"');

	for (size_t i = 0, from = 0; i <= t.n; i++)
		if (i == t.n || t.p[i] == '"' || t.p[i] == '\\') {
			bad |= put_safe(out, bytes_slice(t, from, i - from), false);
			if (i < t.n)
				bad |= buf_printf(out, "\\%c", t.p[i]);
			from = i + 1;
		}
	return bad | buf_putc(out, '"');
}

/* 34500 -> 0.0000345 */
static int put_dollars(struct buf *out, int64_t nano)
{
	char text[40];
	int n = snprintf(text, sizeof(text), "%s%" PRId64 ".%09" PRId64, nano < 0 ? "-" : "",
			 (int64_t)(llabs(nano) / 1000000000), (int64_t)(llabs(nano) % 1000000000));

	while (text[n - 1] == '0' && text[n - 2] != '.')
		n--;
	return buf_append(out, (struct bytes){ text, (size_t)n });
}

static const char *paint(bool colour, const char *code)
{
	return colour ? code : "";
}

static int put_status(struct buf *out, const struct log_entry *e, bool colour)
{
	int64_t status = cell_int(&e->list[L_STATUS], 0);
	struct bytes state = cell_text(&e->list[L_STATE]);
	const char *code = bytes_eq(state, B("ok"))      ? "\033[32m"
			   : bytes_eq(state, B("error")) ? "\033[31m"
							 : "\033[33m";
	int bad = buf_append(out, bytes_of(paint(colour, code)));

	bad |= status ? buf_printf(out, " %" PRId64, status) : buf_append(out, B("   -"));
	return bad | buf_append(out, bytes_of(paint(colour, "\033[0m")));
}

static int put_marks(struct buf *out, const struct log_entry *e, struct arena *a)
{
	struct bytes state = cell_text(&e->list[L_STATE]);
	size_t n, retries = 0, fallbacks = 0;
	struct attempt *at = list_attempts(e, &n, a);
	int bad = 0;

	if (!at)
		return -1;
	/* A plain list row has no attempt rows: its last attempt is then the one it names. Of a request that was cancelled
	 * before an answer that one is among the failed already. */
	if (!e->nmodels && n && !bytes_eq(state, B("error")) &&
	    (int64_t)n < cell_int(&e->list[L_ATTEMPTS], INT64_MAX)) {
		at[n] = (struct attempt){ .model = cell_text(&e->list[L_MODEL]),
					  .provider = cell_text(&e->list[L_PROVIDER]) };
		n++;
	}
	for (size_t i = 1; i < n; i++)
		*(*why_of(at, i) == 'r' ? &retries : &fallbacks) += 1;
	if (cell_int(&e->list[L_STREAM], 0))
		bad |= buf_append(out, B(" stream"));
	if (cell_int(&e->list[L_SIGNED], 0))
		bad |= buf_append(out, B(" signed"));
	if (retries)
		bad |= buf_printf(out, " R%zu", retries);
	if (fallbacks)
		bad |= buf_printf(out, " F%zu", fallbacks);
	if (e->cut)
		bad |= buf_append(out, B(" cut"));
	if (!bytes_eq(state, B("ok")) && !bytes_eq(state, B("error")))
		bad |= buf_putc(out, ' ') | put_safe(out, state, false);
	return bad;
}

static int put_figures(struct buf *out, const struct log_entry *e)
{
	const char *about = cell_int(&e->list[L_ESTIMATED], 0) ? "~" : "";
	const struct {
		enum list_cell cell;
		struct figure f;
	} figures[] = { { L_MS, { "", "", " ms", 6 } },
			{ L_TTFT, { "ttft ", "", "", 5 } },
			{ L_IN, { "in ", "", "", 6 } },
			{ L_OUT, { "out ", about, "", 6 } } };
	int bad = 0;

	for (size_t i = 0; i < COUNT(figures); i++)
		bad |= column_figure(out, &figures[i].f, cell_int(&e->list[figures[i].cell], -1));
	return bad;
}

static int put_target(struct buf *out, const struct log_entry *e)
{
	struct bytes model = cell_text(&e->list[L_MODEL]),
		     provider = cell_text(&e->list[L_PROVIDER]);
	struct bytes function = cell_text(&e->list[L_FUNCTION]);
	int bad = buf_putc(out, ' ') | put_safe(out, model.n ? model : B("-"), false);

	if (provider.n)
		bad |= buf_putc(out, '/') | put_safe(out, provider, false);
	if (function.n && !bytes_eq(function, B("tensorzero::default"))) {
		bad |= buf_append(out, B(" (")) | put_safe(out, function, false) |
		       buf_putc(out, '/');
		bad |= put_safe(out, cell_text(&e->list[L_VARIANT]), false) | buf_putc(out, ')');
	}
	return bad;
}

static int put_outcome(struct buf *out, const struct log_entry *e, bool colour)
{
	struct bytes text = e->has_error ? cell_text(&e->error[E_ERROR]) : (struct bytes){ 0 };
	struct bytes kind = cell_text(&e->list[L_ERROR_KIND]);
	int bad = put_quoted(out, cell_text(&e->list[L_PREVIEW_IN])) | buf_append(out, B(" -> "));

	if (!bytes_eq(cell_text(&e->list[L_STATE]), B("error")))
		return bad | put_quoted(out, cell_text(&e->list[L_PREVIEW_OUT]));
	bad |= buf_append(out, bytes_of(paint(colour, "\033[31m")));
	if (kind.n)
		bad |= put_safe(out, kind, false) | buf_append(out, B(": "));
	bad |= put_safe(out, text.n ? bytes_slice(text, 0, 400) : B("error"), false);
	return bad | buf_append(out, bytes_of(paint(colour, "\033[0m")));
}

int log_print_line(const struct log_entry *e, bool colour, struct buf *out, struct arena *a)
{
	int bad = column_time(out, e->seq) | put_status(out, e, colour);
	size_t target = out->len, marks;

	bad |= put_target(out, e) | column_fill(out, target, TARGET_WIDTH);
	marks = out->len;
	bad |= put_marks(out, e, a) | column_fill(out, marks, MARKS_WIDTH);
	bad |= put_figures(out, e);
	bad |= buf_printf(out, " %s%.*s%s ", paint(colour, "\033[2m"),
			  BFMT(cell_text(&e->list[L_ID])), paint(colour, "\033[0m"));
	bad |= put_outcome(out, e, colour) | buf_putc(out, '\n');
	return bad ? -1 : 0;
}

/* ---- the page ---- */

static int put_block(struct buf *out, yyjson_val *block, struct arena *a)
{
	struct bytes text = json_str(json_get(block, "text"));

	if (bytes_eq(json_str(json_get(block, "type")), B("text")) && bytes_set(text))
		return put_safe(out, text, true) | buf_putc(out, '\n');
	return put_safe(out, json_print_arena(block, a), true) | buf_putc(out, '\n');
}

static int put_blocks(struct buf *out, yyjson_val *blocks, struct arena *a)
{
	yyjson_val *b;
	size_t i, max;
	int bad = 0;

	if (yyjson_is_str(blocks))
		return put_safe(out, json_str(blocks), true) | buf_putc(out, '\n');
	if (!yyjson_is_arr(blocks))
		return blocks ? put_safe(out, json_print_arena(blocks, a), true) |
					buf_putc(out, '\n')
			      : 0;
	yyjson_arr_foreach(blocks, i, max, b) bad |= put_block(out, b, a);
	return bad;
}

static int put_head(struct buf *out, const char *title, bool colour)
{
	return buf_printf(out, "\n%s%s%s\n", paint(colour, "\033[1m"), title,
			  paint(colour, "\033[0m"));
}

/* Choices beside the output, of an answer of several. */
static int put_choices(struct buf *out, const struct log_entry *e, bool colour, struct arena *a)
{
	int bad = 0;

	for (size_t i = 0; i < e->nmodels; i++) {
		struct bytes text = cell_text(&e->models[i].call[CALL_OTHERS]);
		yyjson_val *list = text.n ? json_parse(text, a) : NULL, *one;
		yyjson_arr_iter it = yyjson_arr_iter_with(list);
		char title[64];

		while ((one = yyjson_arr_iter_next(&it))) {
			snprintf(title, sizeof(title), "output of choice %" PRId64,
				 member_int(one, "index"));
			bad |= put_head(out, title, colour);
			bad |= put_blocks(out, json_get(one, N_OUTPUT), a);
		}
	}
	return bad;
}

static int put_conversation(struct buf *out, const struct log_entry *e, bool colour,
			    struct arena *a)
{
	yyjson_val *input = json_parse(cell_text(&e->chat[C_INPUT]), a), *messages, *m, *system;
	yyjson_val *output = json_parse(cell_text(&e->chat[C_OUTPUT]), a);
	size_t i, max;
	int bad = 0;

	system = json_get(input, "system");
	if (system)
		bad |= put_head(out, "system", colour) | put_blocks(out, system, a);
	messages = json_get(input, "messages");
	if (yyjson_is_arr(messages)) {
		yyjson_arr_foreach(messages, i, max, m)
		{
			struct bytes role = json_str(json_get(m, "role"));

			bad |= put_head(out, bytes_eq(role, B("assistant")) ? "assistant" : "user",
					colour);
			bad |= put_blocks(out, json_get(m, "content"), a);
		}
	}
	bad |= put_head(out, "output", colour);
	return bad | put_blocks(out, output, a) | put_choices(out, e, colour, a);
}

static int put_named(struct buf *out, const struct column *c, const struct cell *cell)
{
	struct bytes value = cell_text(cell);

	if (!value.n || bytes_eq(value, B("[]")) || bytes_eq(value, B("{}")))
		return 0;
	return buf_append(out, c->name) | buf_putc(out, ' ') | put_safe(out, value, false) |
	       buf_putc(out, '\n');
}

static int put_parameters(struct buf *out, const struct log_entry *e, bool colour)
{
	static const enum chat_cell of_chat[] = { C_PARAMS,        C_TOOL_CHOICE, C_ALLOWED_TOOLS,
						  C_DYNAMIC_TOOLS, C_EXTRA_BODY,  C_TAGS };
	int bad = put_head(out, "parameters", colour);

	for (size_t i = 0; i < COUNT(of_chat); i++)
		bad |= put_named(out, &chat_columns[of_chat[i]], &e->chat[of_chat[i]]);
	bad |= put_named(out, &list_columns[L_EPISODE], &e->list[L_EPISODE]);
	return bad | put_named(out, &list_columns[L_SURFACE], &e->list[L_SURFACE]);
}

static int put_signature(struct buf *out, struct bytes json, struct arena *a)
{
	static const char *const facts[] = { "signer",  "module_sha256", "abi",
					     "nonce",   "timestamp",     "us",
					     "headers", "head",          "bytes" };
	yyjson_val *v = json.n ? json_parse(json, a) : NULL;
	int bad = 0;

	if (!yyjson_is_obj(v))
		return 0;
	bad |= buf_append(out, B("  signature"));
	for (size_t i = 0; i < COUNT(facts); i++) {
		struct bytes fact = member(v, facts[i], a);

		if (bytes_set(fact))
			bad |= buf_printf(out, " %s ", facts[i]) | put_safe(out, fact, false);
	}
	return bad | buf_putc(out, '\n');
}

/* A count; "-": nobody told it, which is not none. */
static int put_tokens(struct buf *out, const char *label, const struct cell *c)
{
	return buf_append(out, bytes_of(label)) |
	       (c->type == CELL_INT ? buf_printf(out, "%" PRId64, c->num) : buf_putc(out, '-'));
}

static int put_attempt(struct buf *out, const struct attempt *at, size_t i, bool colour, bool raw,
		       struct arena *a)
{
	const struct attempt *t = &at[i];
	char title[64];
	int bad;

	snprintf(title, sizeof(title), "attempt %" PRId64 " (%s)", t->n, why_of(at, i));
	bad = put_head(out, title, colour) | buf_append(out, B("  "));
	bad |= put_safe(out, t->model.n ? t->model : B("-"), false);
	if (t->provider.n)
		bad |= buf_putc(out, '/') | put_safe(out, t->provider, false);
	if (t->status >= 0)
		bad |= buf_printf(out, " %" PRId64, t->status);
	if (t->delay_ms > 0)
		bad |= buf_printf(out, " after %" PRId64 " ms", t->delay_ms);
	if (t->model_row) {
		const struct cell *m = t->model_row->m;

		bad |= buf_printf(out, " %" PRId64 " ms", cell_int(&m[M_RESPONSE_MS], 0));
		bad |= put_tokens(out, " in ", &m[M_IN]) | put_tokens(out, " out ", &m[M_OUT]);
		bad |= buf_append(out, B(" finish "));
		bad |= put_safe(out, cell_text(&m[M_FINISH]).n ? cell_text(&m[M_FINISH]) : B("-"),
				false);
		if (m[M_COST].type == CELL_INT)
			bad |= buf_append(out, B(" cost $")) | put_dollars(out, m[M_COST].num);
		bad |= buf_printf(out, "\n  %.*s", BFMT(cell_text(&m[M_ID])));
	}
	bad |= buf_putc(out, '\n');
	if (t->error.n)
		bad |= buf_append(out, B("  ")) | put_safe(out, t->error, true) |
		       buf_putc(out, '\n');
	bad |= put_signature(out, t->signature, a);
	if (!raw)
		return bad;
	bad |= put_head(out, "raw request", colour);
	bad |= colour ? put_safe(out, t->raw_request, true) : buf_append(out, t->raw_request);
	bad |= buf_putc(out, '\n') | put_head(out, "raw response", colour);
	bad |= colour ? put_safe(out, t->raw_response, true) : buf_append(out, t->raw_response);
	return bad | buf_putc(out, '\n');
}

int log_print_page(const struct log_entry *e, bool colour, bool raw, struct buf *out,
		   struct arena *a)
{
	size_t n;
	struct attempt *at = list_attempts(e, &n, a);
	int bad = log_print_line(e, colour, out, a);

	if (!at)
		return -1;
	if (!raw && e->has_chat)
		bad |= put_conversation(out, e, colour, a) | put_parameters(out, e, colour);
	if (!raw && e->has_error && cell_text(&e->error[E_ERROR]).n) {
		bad |= put_head(out, "error", colour);
		bad |= put_safe(out, cell_text(&e->error[E_ERROR]), true) | buf_putc(out, '\n');
	}
	for (size_t i = 0; i < n; i++)
		bad |= put_attempt(out, at, i, colour, raw, a);
	return bad ? -1 : 0;
}

/* ---- JSON ---- */

static int key(struct buf *out, const char *name)
{
	char last = out->len ? out->data[out->len - 1] : '{';
	int bad = last == '{' || last == '[' ? 0 : buf_putc(out, ',');

	return bad | buf_printf(out, "\"%s\":", name);
}

static int put_str(struct buf *out, const char *name, struct bytes v)
{
	return key(out, name) |
	       (bytes_set(v) ? buf_json_string(out, v) : buf_append(out, B("null")));
}

static int put_int(struct buf *out, const char *name, const struct cell *c)
{
	return key(out, name) | (c->type == CELL_INT ? buf_printf(out, "%" PRId64, c->num)
						     : buf_append(out, B("null")));
}

static int put_bool(struct buf *out, const char *name, bool v)
{
	return key(out, name) | buf_append(out, v ? B("true") : B("false"));
}

/* Whether a kept text may stand in an answer as it is: another program may have written it, or a disk damaged it. */
static bool is_json(struct bytes v)
{
	yyjson_doc *doc = yyjson_read(v.p, v.n, YYJSON_READ_NUMBER_AS_RAW);

	yyjson_doc_free(doc);
	return doc != NULL;
}

/* Text that is JSON already, or `missing`. */
static int put_json(struct buf *out, const char *name, struct bytes v, struct bytes missing)
{
	return key(out, name) | buf_append(out, v.n && is_json(v) ? v : missing);
}

static int put_cost(struct buf *out, const struct cell *c)
{
	return key(out, N_COST) |
	       (c->type == CELL_INT ? put_dollars(out, c->num) : buf_append(out, B("null")));
}

static int put_tags(struct buf *out, const struct log_entry *e, size_t most, struct arena *a)
{
	yyjson_val *tags = e->has_chat ? json_parse(cell_text(&e->chat[C_TAGS]), a) : NULL, *k, *v;
	size_t i, max;
	int bad = key(out, N_TAGS) | buf_putc(out, '{');

	if (yyjson_is_obj(tags)) {
		yyjson_obj_foreach(tags, i, max, k, v)
		{
			if (i == most)
				break;
			bad |= i ? buf_putc(out, ',') : 0;
			bad |= buf_json_string(out, json_str(k)) | buf_putc(out, ':') |
			       json_print(v, out);
		}
	}
	return bad | buf_putc(out, '}');
}

const struct row_member log_row_members[] = {
	{ L_STATE, NULL },          { L_STATUS, NULL },
	{ L_ERROR_KIND, NULL },     { L_FUNCTION, "function" },
	{ L_VARIANT, "variant" },   { L_MODEL, "model" },
	{ L_PROVIDER, "provider" }, { L_SURFACE, NULL },
	{ L_TYPE, "type" },         { L_STREAM, NULL },
	{ L_CACHED, NULL },         { L_SIGNED, NULL },
	{ L_ATTEMPTS, NULL },       { L_MS, "ms" },
	{ L_TTFT, NULL },           { L_IN, "in" },
	{ L_OUT, "out" },           { L_ESTIMATED, NULL },
	{ L_COST_NANO, NULL },      { L_FINISH, "finish" },
	{ L_KEY, "key" },           { L_EPISODE, NULL },
	{ L_TOOLS, NULL },
};
const size_t log_nrow_members = COUNT(log_row_members);

static int put_member(struct buf *out, const struct log_entry *e, enum list_cell cell,
		      const char *name)
{
	const struct cell *c = &e->list[cell];

	if (!name)
		name = list_columns[cell].name.p;
	if (cell == L_COST_NANO)
		return put_cost(out, c);
	if (list_columns[cell].kind == COL_BOOL)
		return put_bool(out, name, cell_int(c, 0));
	return list_columns[cell].kind == COL_INT ? put_int(out, name, c)
						  : put_str(out, name, cell_text(c));
}

static int put_row(const struct log_entry *e, struct buf *out, struct arena *a)
{
	char t[25];
	int bad = buf_putc(out, '{') | put_member(out, e, L_ID, NULL);

	time_rfc3339_ms((uint64_t)e->seq >> 15, t);
	bad |= put_str(out, "t", bytes_of(t));
	for (size_t i = 0; i < COUNT(log_row_members); i++)
		bad |= put_member(out, e, log_row_members[i].cell, log_row_members[i].name);
	bad |= put_tags(out, e, 8, a) | put_json(out, "metrics", B("{}"), B("{}"));
	bad |= put_member(out, e, L_PREVIEW_IN, NULL) | put_member(out, e, L_PREVIEW_OUT, NULL);
	return bad | buf_putc(out, '}');
}

int log_print_row_json(const struct log_entry *e, struct buf *out, struct arena *a)
{
	return put_row(e, out, a) | buf_putc(out, '\n') ? -1 : 0;
}

static int put_whole(struct buf *out, const char *name, struct bytes v)
{
	return key(out, name) | (!bytes_set(v) ? buf_append(out, B("null"))
				 : is_json(v)  ? buf_append(out, v)
					       : buf_json_string(out, v));
}

int log_print_whole_json(const struct log_entry *e, struct buf *out, struct arena *a)
{
	int bad = put_row(e, out, a);

	out->len--; /* the object goes on */
	bad |= put_whole(out, N_INPUT, cell_text(&e->chat[C_INPUT]));
	bad |= put_whole(out, N_OUTPUT, cell_text(&e->chat[C_OUTPUT]));
	bad |= put_str(out, N_ERROR, cell_text(&e->error[E_ERROR]));
	return bad | buf_append(out, B("}\n")) ? -1 : 0;
}

/* `json`: the value is JSON as it stands, else text. */
static int put_part(struct buf *out, const char *name, struct bytes v, bool json, bool cut)
{
	int bad = key(out, name);

	if (!bytes_set(v))
		return bad | buf_append(out, B("null"));
	bad |= buf_printf(out, "{\"bytes\":%zu,\"inline\":", v.n);
	if (v.n > INLINE_MAX)
		bad |= buf_append(out, B("null"));
	else
		bad |= json && v.n && is_json(v) ? buf_append(out, v) : buf_json_string(out, v);
	return bad | buf_printf(out, ",\"cut\":%s}", cut ? "true" : "false");
}

static int put_params(struct buf *out, const struct log_entry *e, struct arena *a)
{
	yyjson_val *all = e->has_chat ? json_parse(cell_text(&e->chat[C_PARAMS]), a) : NULL, *k, *v;
	yyjson_val *chat = json_get(all, "chat_completion");
	size_t i, max;
	int bad = key(out, "params") | buf_putc(out, '[');

	if (yyjson_is_obj(chat)) {
		yyjson_obj_foreach(chat, i, max, k, v)
		{
			bad |= i ? buf_putc(out, ',') : 0;
			bad |= buf_append(out, B("{\"key\":")) | buf_json_string(out, json_str(k));
			bad |= buf_append(out, B(",\"value\":")) | json_print(v, out);
			bad |= buf_append(out, B(",\"from\":\"request\"}"));
		}
	}
	return bad | buf_putc(out, ']');
}

static int put_tools(struct buf *out, const struct log_entry *e)
{
	const struct cell *c = e->chat;
	int bad = key(out, N_TOOLS) | buf_putc(out, '{');
	struct bytes choice = cell_text(&c[C_TOOL_CHOICE]);

	bad |= put_json(out, N_DYNAMIC_TOOLS, cell_text(&c[C_DYNAMIC_TOOLS]), B("[]"));
	bad |= put_json(out, N_ALLOWED_TOOLS, cell_text(&c[C_ALLOWED_TOOLS]), B("null"));
	bad |= choice.n && *choice.p == '{' ? put_json(out, N_TOOL_CHOICE, choice, B("null"))
					    : put_str(out, N_TOOL_CHOICE, choice);
	bad |= key(out, N_PARALLEL);
	bad |= c[C_PARALLEL].type == CELL_INT
		       ? buf_append(out, c[C_PARALLEL].num ? B("true") : B("false"))
		       : buf_append(out, B("null"));
	return bad | buf_putc(out, '}');
}

static int put_spans(struct buf *out, const struct log_entry *e)
{
	int bad = key(out, N_SPANS) | buf_putc(out, '[');
	bool any = false;

	for (size_t i = 0; i < e->nmodels; i++) {
		struct bytes s = bytes_trim(cell_text(&e->models[i].call[CALL_SPANS]));

		if (s.n <= 2 || !is_json(s))
			continue;
		bad |= any ? buf_putc(out, ',') : 0;
		bad |= buf_append(out, bytes_slice(s, 1, s.n - 2));
		any = true;
	}
	return bad | buf_putc(out, ']');
}

static int put_attempt_json(struct buf *out, const struct attempt *at, size_t i, bool cut)
{
	static const struct cell none[M_CELLS];
	const struct attempt *t = &at[i];
	const struct cell *m = t->model_row ? t->model_row->m : none;
	const struct cell *call = t->model_row ? t->model_row->call : none;
	struct cell n = { .type = CELL_INT, .num = t->n };
	struct cell delay = { .type = CELL_INT, .num = t->delay_ms > 0 ? t->delay_ms : 0 };
	struct cell status = { .type = t->status >= 0 ? CELL_INT : CELL_NULL, .num = t->status };
	int bad = (i ? buf_putc(out, ',') : 0) | buf_putc(out, '{');

	bad |= put_int(out, "n", &n) | put_str(out, "why", bytes_of(why_of(at, i)));
	bad |= put_int(out, "delay_ms", &delay) | put_str(out, "variant", t->variant);
	bad |= put_str(out, "model", t->model) | put_str(out, "provider", t->provider);
	bad |= put_str(out, "model_inference_id", cell_text(&m[M_ID]));
	bad |= put_int(out, N_HTTP_STATUS, &status) | put_str(out, N_ERROR, t->error);
	bad |= key(out, "usage") | buf_putc(out, '{');
	bad |= put_int(out, N_IN, &m[M_IN]);
	bad |= put_int(out, N_OUT, &m[M_OUT]);
	bad |= put_int(out, "cache_read_tokens", &m[M_CACHE_READ]);
	bad |= put_int(out, "cache_write_tokens", &m[M_CACHE_WRITE]);
	bad |= put_int(out, "cache_write_1h_tokens", &call[CALL_CACHE_WRITE_1H]);
	bad |= put_int(out, N_REASONING, &call[CALL_REASONING]) | buf_putc(out, '}');
	bad |= put_cost(out, &m[M_COST]);
	bad |= put_json(out, N_PRICE, cell_text(&call[CALL_PRICE]), B("null"));
	bad |= put_str(out, "finish", cell_text(&m[M_FINISH]));
	bad |= put_part(out, N_RAW_REQUEST, t->raw_request, false, cut);
	bad |= put_part(out, N_RAW_RESPONSE, t->raw_response, false, cut);
	bad |= put_json(out, N_SIGNATURE, t->signature, B("null"));
	if (t->model_row && cell_text(&t->model_row->call[CALL_OTHERS]).n)
		bad |= put_json(out, N_OTHERS, cell_text(&t->model_row->call[CALL_OTHERS]),
				B("[]"));
	return bad | buf_putc(out, '}');
}

int log_print_detail_json(const struct log_entry *e, struct buf *out, struct arena *a)
{
	struct bytes none = { 0 };
	char hex[65];
	size_t n;
	struct attempt *at = list_attempts(e, &n, a);
	int bad = buf_putc(out, '{') | key(out, "row") | put_row(e, out, a);

	if (!at)
		return -1;
	bad |= put_part(out, N_INPUT, e->has_chat ? cell_text(&e->chat[C_INPUT]) : none, true,
			false);
	bad |= put_part(out, N_OUTPUT, e->has_chat ? cell_text(&e->chat[C_OUTPUT]) : none, true,
			false);
	bad |= put_params(out, e, a) | put_tools(out, e);
	bad |= put_json(out, N_EXTRA_BODY, cell_text(&e->chat[C_EXTRA_BODY]), B("[]"));
	bad |= put_tags(out, e, SIZE_MAX, a) |
	       put_str(out, "config_hash", row_hash_hex(e->hash, hex));
	bad |= put_json(out, "limits", B("[]"), none) | put_spans(out, e);
	bad |= key(out, "record");
	bad |= buf_printf(out, "{\"state\":\"%s\",\"sink\":\"%s\",\"journal_ms\":null}",
			  e->stored ? "stored" : "journal",
			  e->remote ? CLICKHOUSE_SINK : SQLITE_SINK);
	bad |= put_str(out, N_ERROR, e->has_error ? cell_text(&e->error[E_ERROR]) : none);
	bad |= key(out, N_ATTEMPTS) | buf_putc(out, '[');
	for (size_t i = 0; i < n; i++)
		bad |= put_attempt_json(out, at, i, e->cut);
	return bad | buf_append(out, B("]}\n")) ? -1 : 0;
}
