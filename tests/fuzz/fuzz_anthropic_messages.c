/*
 * Any bytes as a client's Messages request (read, written for an upstream of the family and through the neutral model) and
 * as what such an upstream answers, whole and as a stream in two pieces that goes to a client of either format. What comes
 * out is JSON, and a failure says why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "wire/anthropic_messages/anthropic_messages.h"
#include "wire/estimate.h"
#include "wire/openai_chat/openai_chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static const struct dialect dialect = { .type = B("anthropic"),
					.label = B("Anthropic"),
					.model = B("claude-sonnet-4-6") };

static void write(const struct inference *inf, const struct wire *wire, struct arena *a)
{
	struct buf out, ignored;

	buf_init(&out, 64u << 20);
	buf_init(&ignored, 4096);
	if (wire->write_request(inf, &dialect, &out, &ignored) == 0)
		require(json_parse_lenient(buf_bytes(&out), a) != NULL, "a request is JSON");
	else
		require(error_last()->kind != ERR_NONE, "a refusal says why");
	buf_deinit(&out);
	buf_deinit(&ignored);
}

static void request(struct bytes body, struct arena *a)
{
	struct envelope *env = anthropic_read_request(body, &messages_options, a);
	struct buf ignored;

	if (!env) {
		require(error_last()->kind != ERR_NONE, "a refusal says why");
		return;
	}
	(void)estimate_input(&env->inf);
	write(&env->inf, &wire_anthropic_messages, a);
	buf_init(&ignored, 4096);
	(void)anthropic_foreign_fields(&env->inf, &ignored);
	buf_deinit(&ignored);
	write(&env->inf, &wire_openai_chat, a);
	env->inf.source = (struct bytes){ NULL, 0 };
	write(&env->inf, &wire_anthropic_messages, a);
	env->inf.source_wire = NULL;
	write(&env->inf, &wire_anthropic_messages, a);
}

/* ---- answers ---- */

static const struct inference neutral = { .options = &messages_options };
static const struct inference own = { .options = &messages_options,
				      .source = { "{}", 2 },
				      .source_wire = &wire_anthropic_messages,
				      .own = PARAM_BIT(PARAM_TOOLS) };

/* Each event that leaves is a line of its name and one of JSON. */
static void check_events(struct bytes text, struct arena *a)
{
	while (text.n > 0) {
		ptrdiff_t end = bytes_find(text, B("\n\n")), line;
		struct bytes event = bytes_slice(text, 0, end < 0 ? text.n : (size_t)end);

		require(end > 0 && bytes_starts(event, B("event: ")), "an event is whole");
		line = bytes_find(event, B("\ndata: "));
		require(line > 0, "an event has data");
		event = bytes_slice(event, (size_t)line + 7, event.n);
		if (bytes_chr(event, '\n') >= 0 || !json_parse_lenient(event, a))
			fprintf(stderr, "%.*s\n", BFMT(event));
		require(bytes_chr(event, '\n') < 0 && json_parse_lenient(event, a),
			"data is one line of JSON");
		text = bytes_slice(text, (size_t)end + 2, text.n);
	}
}

struct flow {
	struct wire_stream *stream;
	struct wire_writer *writer;
	struct gather *gather;
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
		require(anthropic_write_stream_error(f->writer, d->error, 502, &f->out) == 0,
			"an error is written");
		f->done |= d->error->fatal;
	} else if (gather_add(f->gather, d) || anthropic_write_delta(f->writer, d, &f->out)) {
		require(error_last()->kind != ERR_NONE, "a failure says why");
		f->done = true;
	}
}

static void stream(struct bytes body, const struct inference *inf, struct arena *a)
{
	struct answer answer = { .options = &messages_options,
				 .model = B("m"),
				 .provider_type = dialect.type,
				 .pass_through = inf == &own,
				 .reasoning_to_client = true };
	size_t cut = body.n ? (unsigned char)body.p[0] % (body.n + 1) : 0;
	struct flow f = { 0 };
	struct result result = { 0 };
	struct sse_event e;
	struct delta d;
	struct sse sse;

	buf_init(&f.out, 64u << 20);
	f.stream = wire_anthropic_messages.stream_new(inf, &dialect, a);
	f.writer = anthropic_writer_new(&answer, a);
	f.gather = gather_new(a, 1 << 16);
	require(f.stream && f.writer && f.gather, "a stream begins");
	sse_init(&sse, SSE_MAX_EVENT);
	for (int piece = 0; piece < 2; piece++) {
		sse_feed(&sse, piece ? bytes_slice(body, cut, body.n) : bytes_slice(body, 0, cut));
		while (!f.done && sse_next(&sse, &e) == 1)
			take(&f, wire_anthropic_messages.read_event(f.stream, &e, &d), &d);
	}
	take(&f, wire_anthropic_messages.read_end(f.stream, &d), &d);
	require(gather_finish(f.gather, &result) == 0, "a stream comes to a result");
	require(anthropic_write_end(f.writer, &result, &f.out) == 0, "an end is written");
	check_events(buf_bytes(&f.out), a);
	gather_free(f.gather);
	sse_deinit(&sse);
	wire_anthropic_messages.stream_free(f.stream);
	buf_deinit(&f.out);
}

static void plain(struct bytes body, const struct inference *inf, struct arena *a)
{
	struct answer answer = { .options = &messages_options,
				 .model = B("m"),
				 .provider_type = dialect.type,
				 .pass_through = inf == &own,
				 .reasoning_to_client = true };
	struct result *r = wire_anthropic_messages.read_result(body, inf, &dialect, a);
	struct buf out;

	require(r || error_last()->kind != ERR_NONE, "a failure says why");
	buf_init(&out, 64u << 20);
	if (r) {
		require(anthropic_write_result(&answer, r, &out) == 0, "an answer is written");
		require(json_parse_lenient(buf_bytes(&out), a) != NULL, "an answer is JSON");
	}
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n };
	struct arena a;

	arena_init(&a, 256u << 20);
	error_clear();
	request(body, &a);
	error_clear();
	plain(body, &neutral, &a);
	plain(body, &own, &a);
	error_clear();
	stream(body, &neutral, &a);
	stream(body, &own, &a);
	arena_deinit(&a);
	error_clear();
	return 0;
}
