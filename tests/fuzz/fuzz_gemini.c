/*
 * Any bytes as what Google says and as what it is asked: a finished answer, an event stream that arrives in two pieces, an
 * error body, a schema, a chat request that is written in its format, a credentials file. What goes out must be JSON, a
 * schema without references, and a failure must say why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "route/check.h"
#include "upstream/gcp_sources.h"
#include "wire/gemini/gemini.h"
#include "wire/google_error.h"
#include "wire/openai_chat/openai_chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void require_json(struct bytes text, struct arena *a, const char *what)
{
	require(bytes_is_utf8(text) && json_parse_lenient(text, a), what);
}

static const struct dialect *dialect_of(unsigned which)
{
	static const struct gemini_options options[] = {
		{ .tools_null = true },
		{ .max_tokens_first = true,
		  .json_schema = true,
		  .include_thoughts = THOUGHTS_INCLUDED },
	};
	static const struct dialect dialects[] = {
		{ .type = B("google_ai_studio_gemini"),
		  .label = B("G"),
		  .model = B("gemini-2.5-pro"),
		  .options = &options[0] },
		{ .type = B("gcp_vertex_gemini"),
		  .label = B("V"),
		  .model = B("gemini-3-pro"),
		  .options = &options[1] },
	};

	return &dialects[which];
}

/* ---- answers ---- */

struct flow {
	const struct wire *wire;
	struct wire_stream *stream;
	struct wire_writer *writer;
	struct buf out;
	bool done;
};

static void take(struct flow *f, int n, const struct delta *d)
{
	require(n >= 0 || error_last()->kind != ERR_NONE, "a failure says why");
	f->done |= n == 2 || n < 0;
	if (n != 1)
		return;
	if (d->error) {
		require(openai_chat_write_stream_error(f->writer, d->error, 502, &f->out) == 0,
			"an error is written");
		f->done |= d->error->fatal;
	} else {
		require(openai_chat_write_delta(f->writer, d, &f->out) >= 0, "a delta is written");
	}
}

static void feed(struct flow *f, struct sse *sse, struct bytes piece)
{
	struct sse_event e;
	struct delta d;

	sse_feed(sse, piece);
	while (!f->done && sse_next(sse, &e) == 1)
		take(f, f->wire->read_event(f->stream, &e, &d), &d);
}

static void check_events(struct bytes text, struct arena *a)
{
	while (text.n > 0) {
		ptrdiff_t end = bytes_find(text, B("\n\n"));
		struct bytes event = bytes_slice(text, 0, end < 0 ? text.n : (size_t)end);

		require(end > 0 && bytes_starts(event, B("data: ")), "an event is whole");
		require_json(bytes_slice(event, 6, event.n), a, "an event is JSON");
		text = bytes_slice(text, (size_t)end + 2, text.n);
	}
}

static void stream(struct bytes body, const struct inference *inf, const struct dialect *d,
		   struct arena *a)
{
	struct answer answer = { .options = inf->options,
				 .model = B("m"),
				 .provider_type = d->type,
				 .reasoning_to_client = true };
	size_t cut = body.n ? (unsigned char)body.p[0] % (body.n + 1) : 0;
	struct flow f = { .wire = &wire_gemini };
	struct delta last;
	struct sse sse;

	buf_init(&f.out, 64u << 20);
	f.stream = f.wire->stream_new(inf, d, a);
	f.writer = openai_chat_writer_new(&answer, a);
	require(f.stream && f.writer, "a stream begins");
	sse_init(&sse, SSE_MAX_EVENT);
	feed(&f, &sse, bytes_slice(body, 0, cut));
	feed(&f, &sse, bytes_slice(body, cut, body.n));
	if (!f.done)
		take(&f, f.wire->read_end(f.stream, &last), &last);
	check_events(buf_bytes(&f.out), a);
	sse_deinit(&sse);
	f.wire->stream_free(f.stream);
	buf_deinit(&f.out);
}

static void plain(struct bytes body, const struct inference *inf, const struct dialect *d,
		  struct arena *a)
{
	struct result *r = wire_gemini.read_result(body, inf, d, a);
	struct error e = { .retry_after_ms = -1 };

	require(r || error_last()->kind != ERR_NONE, "a failure says why");
	for (size_t i = 0; r && i < r->len; i++)
		if (r->content[i].type == BLOCK_TOOL_CALL)
			require(r->content[i].id.n > 0, "a call has an id");
	google_read_error(&e, body, a);
	require(bytes_set(e.upstream_message), "an error has a text");
}

/* ---- requests ---- */

static void schema(struct bytes text, struct arena *a)
{
	struct buf out;

	buf_init(&out, 64u << 20);
	if (gemini_schema(text, &out) == 0) {
		require_json(buf_bytes(&out), a, "a schema is JSON");
		require(json_get(json_parse_lenient(buf_bytes(&out), a), "$ref") == NULL,
			"a schema has no references");
	}
	buf_deinit(&out);
}

static void request(struct bytes body, const struct surface_options *options,
		    const struct dialect *d, struct arena *a)
{
	struct envelope *r = openai_chat_read_request(body, options, a);
	struct buf out, ignored;

	if (!r || check_input(r, a) || check_tools(r))
		return;
	buf_init(&out, 64u << 20);
	buf_init(&ignored, 1024);
	if (wire_gemini.write_request(&r->inf, d, &out, &ignored) == 0)
		require_json(buf_bytes(&out), a, "a body is JSON");
	else
		require(error_last()->kind != ERR_NONE, "a refusal says why");
	buf_deinit(&out);
	buf_deinit(&ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n };

	for (unsigned i = 0; i < 2; i++) {
		const struct surface_options *options =
			i ? &openai_chat_options : &tensorzero_chat_options;
		struct inference inf = { .options = options };
		struct arena a;

		arena_init(&a, 256u << 20);
		error_clear();
		plain(body, &inf, dialect_of(i), &a);
		error_clear();
		stream(body, &inf, dialect_of(i), &a);
		schema(body, &a);
		request(body, options, dialect_of(i), &a);
		arena_deinit(&a);
	}
	(void)gcp_document_check(body);
	error_clear();
	return 0;
}
