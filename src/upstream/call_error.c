/*
 * What goes wrong in a call, in TensorZero's words: alerts of its users match on them. The type's row says which of them
 * its upstreams' errors have.
 */
#include <time.h>

#include "base/error.h"
#include "fiber/fiber.h"
#include "upstream/call.h"

int call_with_debug(const struct call *c)
{
	struct bytes sent = c->attempt->raw_request, came = c->attempt->raw_response;
	struct error e = *error_last();

	if (!c->context->config->gateway.debug || !bytes_set(sent))
		return -1;
	e.message =
		arena_printf(c->context->arena, "%.*s\nRaw request: %.*s%s%.*s", BFMT(e.message),
			     BFMT(sent), bytes_set(came) ? "\nRaw response: " : "", BFMT(came));
	return bytes_set(e.message) ? fail_with(&e) : -1;
}

int call_fail(const struct call *c, enum error_kind kind, int status, struct bytes inner)
{
	struct error *e;

	wire_fail(kind, status, c->provider->type, "%.*s", BFMT(inner));
	e = error_last();
	e->upstream_message = inner;
	e->request_id = c->attempt->request_id;
	e->fatal = kind == ERR_FATAL_STREAM;
	return call_with_debug(c);
}

int call_fail_transport(const struct call *c, bool in_stream)
{
	const struct transport_words *words = &c->type->words;
	struct bytes inner;

	switch (error_last()->kind) {
	case ERR_BUSY:
	case ERR_CANCELLED:
	case ERR_OUT_OF_MEMORY: return -1;
	case ERR_DEADLINE:
		/* net's own read_idle and head deadlines report the same kind: the fiber's comes first */
		if (turn_passed(fiber_deadline()) && !turn_passed(c->deadline))
			return -1;
		return call_fail(
			c, ERR_INFERENCE_CLIENT, 0,
			B("Request timed out due to `gateway.global_outbound_http_timeout_ms` (total deadline) or `gateway.global_outbound_http_intra_stream_read_timeout_ms` (time between reads)"));
	default: break;
	}
	inner = arena_dup(c->context->arena, error_last()->message);
	if (!bytes_set(inner))
		return -1;
	if (in_stream)
		return call_fail(c, ERR_FATAL_STREAM, 0, inner);
	return call_fail(c, words->send_kind, 0, arena_cat(c->context->arena, words->send, inner));
}

bool call_ended_above(void)
{
	enum error_kind kind = error_last()->kind;

	return kind == ERR_CANCELLED || kind == ERR_DEADLINE || kind == ERR_OUT_OF_MEMORY ||
	       kind == ERR_BUSY;
}

int call_fail_body(const struct call *c)
{
	struct bytes words = c->type->words.body, inner;

	if (call_ended_above() || !words.n)
		return call_fail_transport(c, false);
	inner = arena_printf(c->context->arena, "%.*s%.*s", BFMT(words),
			     BFMT(error_last()->message));
	return call_fail(c, ERR_INFERENCE_SERVER, 0, bytes_set(inner) ? inner : B("out of memory"));
}

struct bytes error_code_name(struct bytes code)
{
	ptrdiff_t hash = bytes_chr(code, '#');

	if (hash >= 0)
		code = bytes_slice(code, (size_t)hash + 1, code.n);
	return bytes_set(code) ? bytes_trim(bytes_cut(&code, ':')) : code;
}

/* "ns#ThrottlingException:http://…" -> "ThrottlingException". Unset: no header says it. */
static struct bytes header_code(const struct call *c)
{
	struct bytes code = c->type->error_code_header;

	if (code.n)
		code = http_call_header(c->http, code);
	return arena_dup(c->context->arena, error_code_name(code));
}

/* Keeps beside the text of the last error what the upstream's body says. */
static int with_body(const struct call *c, int status, struct bytes body, int64_t wait_ms)
{
	/* reading the body may fail and overwrite it */
	struct error *e = error_save(c->context->arena);

	if (!e)
		return -1;
	e->upstream_status = status;
	e->upstream_body = body;
	e->upstream_code = header_code(c);
	c->type->read_error(e, body, c->context->arena);
	if (wait_ms >= 0)
		e->retry_after_ms = wait_ms;
	return fail_with(e);
}

/* The body of an answer that is an error, as far as it can be had and up to ERROR_MAX. Waits. -1: cancelled. */
static int read_error_body(struct call *c)
{
	struct arena *a = c->context->arena;
	struct bytes body, piece;
	struct buf text;
	int r = 0;

	buf_init(&text, ERROR_MAX);
	buf_append(&text, c->peeked);
	while (text.len < ERROR_MAX && (r = http_call_read(c->http, &piece)) > 0)
		if (buf_append(&text, bytes_slice(piece, 0, ERROR_MAX - text.len)))
			break;
	body = arena_adopt(a, &text);
	buf_deinit(&text);
	if (r < 0 && error_last()->kind == ERR_CANCELLED)
		return -1;
	body = wire_body_text(body, http_call_header(c->http, B("content-type")), a);
	c->attempt->raw_response = call_redact(c, bytes_set(body) ? body : B(""));
	error_clear();
	return 0;
}

static bool is_one_of(const int *statuses, int status)
{
	while (*statuses && *statuses != status)
		statuses++;
	return *statuses;
}

int call_fail_status(struct call *c)
{
	const struct http_call *http = c->http;
	int status = http_call_status(http);
	bool stream = c->inf->stream && !c->type->always_streams,
	     client = is_one_of(c->type->client_statuses, status);
	enum error_kind kind = stream && !c->type->stream_status_plain ? ERR_FATAL_STREAM
			       : client                                ? ERR_INFERENCE_CLIENT
								       : ERR_INFERENCE_SERVER;
	int64_t wait = retry_after_ms(http_call_header(http, B("retry-after-ms")),
				      http_call_header(http, B("retry-after")), time(NULL));

	if (read_error_body(c))
		return -1;
	call_fail(c, kind, kind == ERR_INFERENCE_CLIENT ? status : 0,
		  c->type->status_text(status, http_status_phrase(status), c->attempt->raw_response,
				       c->attempt->request_id, stream, c->context->arena));
	return with_body(c, status, c->attempt->raw_response, wait);
}

int call_fail_exception(const struct call *c)
{
	const struct frame *f = &c->framer->frame;
	struct arena *a = c->context->arena;
	struct error *e;

	call_fail(c, ERR_INFERENCE_SERVER, 0,
		  arena_printf(a, "%.*s%.*s%s%.*s", BFMT(c->type->exception_words), BFMT(f->name),
			       f->message.n ? ": " : "", BFMT(f->message)));
	e = error_save(a);
	if (!e)
		return -1;
	e->fatal = true;
	e->upstream_code = arena_dup(a, f->name);
	e->upstream_body = arena_dup(a, f->payload);
	c->type->read_exception(e, f, a);
	return fail_with(e);
}

int call_fail_content_type(struct call *c, struct bytes expected, struct bytes got)
{
	if (read_error_body(c))
		return -1;
	call_fail(c, ERR_FATAL_STREAM, 0,
		  arena_printf(c->context->arena,
			       "Expected content-type '%.*s', got \"%.*s\": %.*s", BFMT(expected),
			       BFMT(got), BFMT(c->attempt->raw_response)));
	return with_body(c, 0, c->attempt->raw_response, -1);
}
