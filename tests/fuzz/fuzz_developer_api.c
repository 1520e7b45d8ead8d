/*
 * Any bytes as what a developer API says: as a finished body, as an event stream that arrives in two pieces, as its list
 * of models, and as a request from which the signed content is read. What comes out of a stream must be text that can
 * go into JSON, and a failure must say why.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "net/sse.h"
#include "wire/developer_api/developer_api.h"
#include "wire/openai_chat/openai_chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

/* Each event that leaves is one line of JSON. */
static void check_events(struct bytes text, struct arena *a)
{
	while (text.n > 0) {
		ptrdiff_t end = bytes_find(text, B("\n\n"));
		struct bytes event = bytes_slice(text, 0, end < 0 ? text.n : (size_t)end);

		require(end > 0 && bytes_starts(event, B("data: ")), "an event is whole");
		event = bytes_slice(event, 6, event.n);
		require(bytes_chr(event, '\n') < 0, "an event is one line");
		require(bytes_eq(event, B("[DONE]")) || json_parse_lenient(event, a),
			"an event is JSON");
		text = bytes_slice(text, (size_t)end + 2, text.n);
	}
}

struct flow {
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
		f->done = true;
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
		take(f, wire_developer_api.read_event(f->stream, &e, &d), &d);
}

static void stream(struct bytes body, const struct inference *inf, const struct dialect *dialect,
		   struct arena *a)
{
	struct answer answer = { .options = inf->options,
				 .model = B("m"),
				 .provider_type = dialect->type,
				 .reasoning_to_client = true,
				 .include_usage = true };
	size_t cut = body.n ? (unsigned char)body.p[0] % (body.n + 1) : 0;
	struct flow f = { 0 };
	struct delta d;
	struct sse sse;

	buf_init(&f.out, 64u << 20);
	f.stream = wire_developer_api.stream_new(inf, dialect, a);
	f.writer = openai_chat_writer_new(&answer, a);
	require(f.stream && f.writer, "a stream begins");
	sse_init(&sse, SSE_MAX_EVENT);
	feed(&f, &sse, bytes_slice(body, 0, cut));
	feed(&f, &sse, bytes_slice(body, cut, body.n));
	if (!f.done)
		take(&f, wire_developer_api.read_end(f.stream, &d), &d);
	check_events(buf_bytes(&f.out), a);
	sse_deinit(&sse);
	wire_developer_api.stream_free(f.stream);
	buf_deinit(&f.out);
}

static void plain(struct bytes body, const struct inference *inf, const struct dialect *dialect,
		  struct arena *a)
{
	struct result *r = wire_developer_api.read_result(body, inf, dialect, a);
	struct buf out;

	require(r || error_last()->kind != ERR_NONE, "a failure says why");
	buf_init(&out, 64u << 20);
	for (size_t i = 0; r && i < r->len; i++) {
		buf_reset(&out);
		require(buf_json_string(&out, r->content[i].text) == 0, "a block is written");
		require(json_parse_lenient(buf_bytes(&out), a), "a block is text");
	}
	buf_deinit(&out);
}

static void models(struct bytes body, struct arena *a)
{
	struct developer_api_model *list;
	size_t n;

	if (developer_api_read_models(body, a, &list, &n))
		return;
	for (size_t i = 0; i < n; i++)
		require(list[i].usage_left >= -1, "what is left is a number or unknown");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n };

	for (int i = 0; i < 2; i++) {
		struct developer_api_options options = { .search_mode = B("web"),
							 .plugin_for = B("vscode"),
							 .estimate_usage = i };
		struct dialect dialect = { .type = B("rust-proxy"),
					   .label = B("rust-proxy"),
					   .options = &options };
		struct inference inf = { .options = i ? &openai_chat_options
						      : &tensorzero_chat_options };
		struct arena a;

		arena_init(&a, 256u << 20);
		error_clear();
		plain(body, &inf, &dialect, &a);
		error_clear();
		stream(body, &inf, &dialect, &a);
		models(body, &a);
		(void)developer_api_content(body, &a);
		arena_deinit(&a);
	}
	error_clear();
	return 0;
}
