/*
 * Any bytes as what a provider of the Responses API says: as a plain answer, and as an event stream that arrives in two pieces.
 * What is read goes to a client of the same format, as its own bytes or anew, and every event that leaves is JSON in one line.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "wire/openai_responses/openai_responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct dialect openai = { .type = B("openai"), .label = B("OpenAI") };

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void require_json(struct bytes text, struct arena *a, const char *what)
{
	require(json_parse_lenient(text, a) || error_last()->kind != ERR_JSON_REQUEST, what);
}

static void plain(struct bytes body, const struct inference *inf, const struct answer *answer,
		  struct arena *a)
{
	struct result *r = wire_openai_responses.read_result(body, inf, &openai, a);
	struct buf out;

	if (!r) {
		require(error_last()->kind != ERR_NONE, "a failure says why");
		return;
	}
	buf_init(&out, 64u << 20);
	require(openai_responses_write_result(answer, r, &out) == 0, "an answer is written");
	require_json(buf_bytes(&out), a, "an answer is JSON");
	buf_reset(&out);
	require(openai_responses_write_kept(answer, r, &out) == 0, "a row is written");
	require_json(buf_bytes(&out), a, "a row is JSON");
	buf_deinit(&out);
}

/* Each event is a name and one line of JSON. */
static void check_events(struct bytes text, struct arena *a)
{
	while (text.n > 0) {
		ptrdiff_t end = bytes_find(text, B("\n\n")), data;
		struct bytes event = bytes_slice(text, 0, end < 0 ? text.n : (size_t)end);

		require(end > 0 && bytes_starts(event, B("event: ")), "an event is whole");
		data = bytes_find(event, B("\ndata: "));
		require(data > 0, "an event has data");
		event = bytes_slice(event, (size_t)data + 7, event.n);
		require(bytes_chr(event, '\n') < 0 && bytes_chr(event, '\r') < 0,
			"an event is one line");
		require_json(event, a, "an event is JSON");
		text = bytes_slice(text, (size_t)end + 2, text.n);
	}
}

struct flow {
	struct wire_stream *stream;
	struct wire_writer *writer;
	struct gather *gather;
	struct buf *out;
	bool done;
};

static void take(struct flow *f, int n, const struct delta *d)
{
	struct delta last;

	require(n >= 0 || error_last()->kind != ERR_NONE, "a failure says why");
	f->done |= n == 2 || n < 0;
	if (n == 2 && wire_openai_responses.read_end(f->stream, &last) == 1) {
		d = &last;
		n = 1;
	}
	if (n != 1)
		return;
	if (d->error) {
		require(openai_responses_write_stream_error(f->writer, d->error, 502, f->out) == 0,
			"an error is written");
		f->done |= d->error->fatal;
	} else if (gather_add(f->gather, d) < 0 ||
		   openai_responses_write_delta(f->writer, d, f->out) < 0) {
		require(error_last()->kind == ERR_TOO_LARGE, "only limits end a stream");
		f->done = true;
	}
}

static void feed(struct flow *f, struct sse *sse, struct bytes piece)
{
	struct sse_event e;
	struct delta d;

	sse_feed(sse, piece);
	while (!f->done && sse_next(sse, &e) == 1)
		take(f, wire_openai_responses.read_event(f->stream, &e, &d), &d);
}

static void stream(struct bytes body, const struct inference *inf, const struct answer *answer,
		   struct arena *a)
{
	size_t cut = body.n ? (unsigned char)body.p[0] % (body.n + 1) : 0;
	struct flow f = { 0 };
	struct result r = { 0 };
	struct delta d;
	struct buf out;
	struct sse sse;

	buf_init(&out, 64u << 20);
	f.out = &out;
	f.stream = wire_openai_responses.stream_new(inf, &openai, a);
	f.writer = openai_responses_writer_new(answer, a);
	f.gather = gather_new(a, 4096);
	require(f.stream && f.writer && f.gather, "a stream begins");
	sse_init(&sse, SSE_MAX_EVENT);
	feed(&f, &sse, bytes_slice(body, 0, cut));
	feed(&f, &sse, bytes_slice(body, cut, body.n));
	if (!f.done)
		take(&f, wire_openai_responses.read_end(f.stream, &d), &d);
	require(gather_finish(f.gather, &r) == 0, "a result is there");
	require(openai_responses_write_end(f.writer, &r, &out) == 0, "a stream ends");
	check_events(buf_bytes(&out), a);
	sse_deinit(&sse);
	gather_free(f.gather);
	openai_responses_writer_free(f.writer);
	wire_openai_responses.stream_free(f.stream);
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n };

	for (int i = 0; i < 3; i++) {
		struct inference inf = { .options = &openai_responses_options };
		struct responses_request req = { .kept = i & 1,
						 .wants_encrypted = !i,
						 .summaries = i == 1 };
		struct answer answer = { .asked = &req.chat.env,
					 .options = &openai_responses_options,
					 .model = B("m"),
					 .provider_type = B("openai"),
					 .reasoning_to_client = i != 1,
					 .pass_through = i == 2 };
		struct arena a;

		if (i == 2) {
			inf.source = B("{}");
			inf.source_wire = &wire_openai_responses;
			inf.source_intact = true;
		}
		arena_init(&a, 256u << 20);
		error_clear();
		plain(body, &inf, &answer, &a);
		stream(body, &inf, &answer, &a);
		arena_deinit(&a);
	}
	error_clear();
	return 0;
}
