/* The developer API's format (spec/rust-proxy.md): a conversation as one text, events as deltas. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/developer_api/developer_api.h"
#include "unit.h"

static struct developer_api_options options = {
	.search_mode = B("web"),
	.language = B("en"),
	.plugin_for = B("vscode"),
};
static struct dialect dialect = {
	.type = B("rust-proxy"),
	.label = B("RustProxy"),
	.model = B("claude-3.5-sonnet"),
	.options = &options,
};
static const struct wire *const wire = &wire_developer_api;

static struct block text(const char *s)
{
	return (struct block){ .type = BLOCK_TEXT, .text = bytes_of(s) };
}

static struct message message(enum role role, struct block *blocks, size_t n)
{
	return (struct message){ .role = role, .content = blocks, .len = n };
}

static void assert_body(const struct inference *inf, const char *want, const char *want_ignored)
{
	struct buf out, ignored;

	buf_init(&out, 1 << 20);
	buf_init(&ignored, 1024);
	assert_int_equal(wire->write_request(inf, &dialect, &out, &ignored), 0);
	assert_bytes(buf_bytes(&out), want);
	assert_bytes(buf_bytes(&ignored), want_ignored);
	buf_deinit(&out);
	buf_deinit(&ignored);
}

/* ---- requests ---- */

static void test_a_request_as_the_page_shows_it(void **state)
{
	struct block hello[] = { text("Hello, world!") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct inference inf = { .messages = messages, .nmessages = 1 };

	(void)state;
	assert_body(
		&inf,
		"{\"content\":\"User: Hello, world!\",\"extra\":{\"searchMode\":\"web\",\"model\":\"claude-3.5-sonnet\",\"isExpert\":false,\"pluginFor\":\"vscode\",\"language\":\"en\"}}",
		"");
}

#define EXTRA                                                                                      \
	"\",\"extra\":{\"searchMode\":\"web\",\"model\":\"claude-3.5-sonnet\",\"isExpert\":false," \
	"\"pluginFor\":\"vscode\",\"language\":\"en\"}}"

static void test_a_conversation_is_a_line_a_message(void **state)
{
	struct block one[] = { text("Hi"), text("there\"") }, two[] = { text("Hello!") };
	struct block call[] = {
		{ .type = BLOCK_THOUGHT, .text = B("hm") },
		text("Let me look."),
		{ .type = BLOCK_TOOL_CALL,
		  .name = B("get_weather"),
		  .arguments = B("{\"city\":\"Oslo\"}") },
		text("Wait."),
	};
	struct block result[] = {
		{ .type = BLOCK_TOOL_RESULT, .name = B("get_weather"), .text = B("5 °C") },
		text("Thanks"),
		{ .type = BLOCK_RAW_TEXT, .text = B("a lot") },
	};
	struct message messages[] = { message(ROLE_USER, one, 2), message(ROLE_ASSISTANT, two, 1),
				      message(ROLE_ASSISTANT, call, 4),
				      message(ROLE_USER, result, 3) };
	struct inference inf = { .system = B("Be brief."), .messages = messages, .nmessages = 4 };

	(void)state;
	assert_body(
		&inf,
		"{\"content\":\"System: Be brief.\\nUser: Hi there\\\"\\nAssistant: Hello!\\n"
		"Assistant: Let me look.\\nAssistant: get_weather {\\\"city\\\":\\\"Oslo\\\"}\\n"
		"Assistant: Wait.\\nTool: 5 °C\\nUser: Thanks a lot" EXTRA,
		"");
}

static void test_an_empty_system_prompt_is_left_out(void **state)
{
	struct block hello[] = { text("x") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct inference inf = { .system = B(""), .messages = messages, .nmessages = 1 };

	(void)state;
	assert_body(&inf, "{\"content\":\"User: x" EXTRA, "");
}

static void test_last_user_sends_a_single_message_bare(void **state)
{
	struct block hello[] = { text("Hello,"), text("world!") }, reply[] = { text("Hi") };
	struct message messages[] = { message(ROLE_USER, hello, 2),
				      message(ROLE_ASSISTANT, reply, 1) };
	struct inference inf = { .messages = messages, .nmessages = 1 };

	(void)state;
	options.last_user = true;
	assert_body(&inf, "{\"content\":\"Hello, world!" EXTRA, "");
	inf.nmessages = 2;
	assert_body(&inf, "{\"content\":\"User: Hello, world!\\nAssistant: Hi" EXTRA, "");
	inf.nmessages = 1;
	inf.system = B("S");
	assert_body(&inf, "{\"content\":\"System: S\\nUser: Hello, world!" EXTRA, "");
	options.last_user = false;
}

static void test_absent_optional_members_are_left_out(void **state)
{
	struct developer_api_options bare = { .is_expert = true };
	struct block hello[] = { text("x") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct inference inf = { .messages = messages, .nmessages = 1 };

	(void)state;
	dialect.options = &bare;
	assert_body(
		&inf,
		"{\"content\":\"User: x\",\"extra\":{\"model\":\"claude-3.5-sonnet\",\"isExpert\":true}}",
		"");
	dialect.options = &options;
}

static void test_what_cannot_be_carried_is_named(void **state)
{
	struct block hello[] = { text("x") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct bytes stop[] = { B("END") };
	struct tool tool = { .name = B("t") };
	struct tool_config tools = {
		.tools = &tool, .len = 1, .choice = TOOL_CHOICE_AUTO, .parallel = -1
	};
	struct inference inf = {
		.messages = messages,
		.nmessages = 1,
		.tools = &tools,
		.params = { [PARAM_TEMPERATURE] = B("0.7"), [PARAM_MAX_TOKENS] = B("5") },
		.stop = stop,
		.nstop = 1,
		.json_mode = JSON_MODE_STRICT
	};

	(void)state;
	assert_body(&inf, "{\"content\":\"User: x" EXTRA,
		    "temperature, max_tokens, stop, response_format, tools");
	tools.parallel = 0;
	for (enum param p = 0; p < PARAMS; p++)
		inf.params[p] = B("1");
	assert_body(
		&inf, "{\"content\":\"User: x" EXTRA,
		"temperature, top_p, presence_penalty, frequency_penalty, max_tokens, seed, stop, response_format, reasoning_effort, verbosity, service_tier, thinking_budget_tokens, tools, parallel_tool_calls");
}

static void assert_request_fails(const struct inference *inf, enum error_kind kind,
				 const char *want)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(wire->write_request(inf, &dialect, &out, NULL), -1);
	assert_int_equal(error_last()->kind, kind);
	assert_bytes(error_last()->message, want);
	buf_deinit(&out);
}

static void test_a_forced_tool_choice_fails_the_attempt(void **state)
{
	struct block hello[] = { text("x") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct tool tool = { .name = B("t") };
	struct tool_config tools = { .tools = &tool, .len = 1, .choice = TOOL_CHOICE_REQUIRED };
	struct inference inf = { .messages = messages, .nmessages = 1, .tools = &tools };

	(void)state;
	assert_request_fails(&inf, ERR_INVALID_REQUEST, "RustProxy provider cannot call tools");
	tools.choice = TOOL_CHOICE_SPECIFIC;
	assert_request_fails(&inf, ERR_INVALID_REQUEST, "RustProxy provider cannot call tools");
	assert_int_equal(error_kind_status(error_last()->kind), 400);
}

static void test_content_that_is_no_text(void **state)
{
	struct file image = { .data = B("AAAA"), .mime_type = B("image/png") };
	struct file pdf = { .data = B("AAAA"), .mime_type = B("application/pdf") };
	struct block blocks[] = { text("Look:"), { .type = BLOCK_FILE, .file = &image } };
	struct message messages[] = { message(ROLE_USER, blocks, 2) };
	struct inference inf = { .messages = messages, .nmessages = 1 };

	(void)state;
	assert_request_fails(&inf, ERR_UNSUPPORTED_CONTENT,
			     "Unsupported content block type `image` for provider `rust-proxy`");
	blocks[1].file = &pdf;
	assert_request_fails(&inf, ERR_UNSUPPORTED_CONTENT,
			     "Unsupported content block type `file` for provider `rust-proxy`");
	dialect.unsupported_as_placeholder = true;
	assert_body(&inf, "{\"content\":\"User: Look: [Non-text content]" EXTRA, "");
	dialect.unsupported_as_placeholder = false;
}

static void test_the_signed_content_is_that_of_the_finished_body(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_bytes(developer_api_content(
			     B("{\"content\":\"User: a\",\"extra\":{\"content\":\"no\"}}"), &arena),
		     "User: a");
	assert_bytes(developer_api_content(B("{\"extra\":{},\"content\":\"a\\n\\u00e9\\\"\\/\"}"),
					   &arena),
		     "a\n\xc3\xa9\"/");
	assert_bytes(developer_api_content(B("{\"content\":\"\"}"), &arena), "");
	assert_true(bytes_set(developer_api_content(B("{\"content\":\"\"}"), &arena)));
	assert_false(bytes_set(developer_api_content(B("{\"extra\":{}}"), &arena)));
	assert_false(bytes_set(developer_api_content(B("{\"content\":7}"), &arena)));
	arena_deinit(&arena);
}

/* ---- streams ---- */

/* What a stream's deltas amount to, one line each: "text a", "thought b", "finish", … */
struct trace {
	struct buf lines, raw;
};

static void note(struct trace *t, const struct delta *d)
{
	if (d->error) {
		buf_printf(&t->lines, "error%s %.*s\n", d->error->fatal ? " fatal" : "",
			   BFMT(d->error->message));
		return;
	}
	for (size_t i = 0; i < d->len; i++)
		buf_printf(&t->lines, "%s %.*s <%.*s>\n",
			   d->parts[i].type == PART_THOUGHT ? "thought" : "text",
			   BFMT(d->parts[i].id), BFMT(d->parts[i].text));
	if (bytes_set(d->annotations))
		buf_printf(&t->lines, "annotations %.*s\n", BFMT(d->annotations));
	if (d->has_usage)
		buf_printf(&t->lines, "usage %lld %lld%s\n", (long long)d->usage.input_tokens,
			   (long long)d->usage.output_tokens,
			   d->usage.estimated ? " estimated" : "");
	if (d->finish == FINISH_STOP)
		buf_printf(&t->lines, "finish\n");
	if (t->raw.len)
		buf_putc(&t->raw, '\n');
	buf_append(&t->raw, d->raw);
}

/* As upstream/ drives a wire: 1 the stream goes on. */
static int take(struct wire_stream *s, const struct sse_event *ev, struct trace *t)
{
	struct delta d;
	int r = wire->read_event(s, ev, &d);

	assert_int_not_equal(r, -1);
	if (r == 1)
		note(t, &d);
	return r == 2 || (r == 1 && d.error) ? 0 : 1;
}

/* Feeds the body in pieces: cut at `a` and `b`. */
static void run(struct bytes body, size_t a, size_t b, struct trace *t)
{
	struct bytes pieces[] = { bytes_slice(body, 0, a), bytes_slice(body, a, b - a),
				  bytes_slice(body, b, body.n) };
	struct block hello[] = { text("Hello") };
	struct message messages[] = { message(ROLE_USER, hello, 1) };
	struct inference inf = { .messages = messages, .nmessages = 1, .stream = true };
	struct wire_stream *s;
	struct sse_event ev;
	struct arena arena;
	struct delta d;
	struct sse sse;
	int on = 1;

	arena_init(&arena, 1 << 20);
	s = wire->stream_new(&inf, &dialect, &arena);
	assert_non_null(s);
	buf_init(&t->lines, 1 << 20);
	buf_init(&t->raw, 1 << 20);
	sse_init(&sse, SSE_MAX_EVENT);
	for (int i = 0; i < 3 && on; i++) {
		/* on the heap, so that a reader that keeps a piece too long is caught by ASan */
		char *copy = malloc(pieces[i].n + 1);

		memcpy(copy, pieces[i].p, pieces[i].n);
		sse_feed(&sse, (struct bytes){ copy, pieces[i].n });
		while (on && sse_next(&sse, &ev) == 1)
			on = take(s, &ev, t);
		free(copy);
	}
	if (on && sse_end(&sse, &ev) == 1)
		take(s, &ev, t);
	if (wire->read_end(s, &d) == 1)
		note(t, &d);
	assert_int_equal(wire->read_end(s, &d), 0);
	sse_deinit(&sse);
	wire->stream_free(s);
	arena_deinit(&arena);
}

static void trace_free(struct trace *t)
{
	buf_deinit(&t->lines);
	buf_deinit(&t->raw);
}

static void assert_stream(const char *body, const char *want)
{
	struct trace t;

	run(bytes_of(body), strlen(body), strlen(body), &t);
	assert_bytes(buf_bytes(&t.lines), want);
	trace_free(&t);
}

static const char full[] =
	"event: threadId\ndata: t-1\n\n"
	": a comment\n\n"
	"event: r\ndata: {\"text\": \"Gr\xc3\xbc\xc3\x9f"
	"e\"}\n\n"
	"event: r\ndata: plain\n\n"
	"event: c\ndata: \xe4\xbd\xa0\xe5\xa5\xbd \n\n"
	"event: content\r\ndata: two\r\ndata: lines\r\n\r\n"
	"event: novelty\ndata: x\n\n"
	"data: \xf0\x9f\x91\x8b\n\n"
	"event: sources\ndata: [{\"title\":\"A \\\"b\\\"\",\"url\":\"https://a/\"},{\"title\":\"no url\"}]\n\n"
	"event: repoSources\ndata: [{\"repo\":\"r\",\"filePath\":\"f\"}]\n\n"
	"event: rlq\ndata: What?\n\n"
	"event: finish\ndata: \n\n";
static const char full_deltas[] =
	"thought 1 <Gr\xc3\xbc\xc3\x9f"
	"e>\n"
	"thought 1 <plain>\n"
	"text 0 <\xe4\xbd\xa0\xe5\xa5\xbd >\n"
	"text 0 <two\nlines>\n"
	"text 0 <\xf0\x9f\x91\x8b>\n"
	"annotations [{\"type\":\"url_citation\",\"url\":\"https://a/\",\"title\":\"A \\\"b\\\"\",\"start_index\":0,\"end_index\":0}]\n"
	"finish\n";

static void test_stream_survives_every_split(void **state)
{
	size_t n = sizeof(full) - 1;

	(void)state;
	for (size_t a = 0; a <= n; a++)
		for (size_t b = a; b <= n; b += 1 + (b - a) % 7) {
			struct trace t;

			run((struct bytes){ full, n }, a, b, &t);
			assert_bytes(buf_bytes(&t.lines), full_deltas);
			trace_free(&t);
		}
}

static void test_raw_response_has_every_event_with_its_name(void **state)
{
	struct trace t;

	(void)state;
	run((struct bytes){ full, sizeof(full) - 1 }, 0, 0, &t);
	assert_bytes(
		buf_bytes(&t.raw),
		"event: threadId\ndata: t-1\n\n"
		"event: r\ndata: {\"text\": \"Gr\xc3\xbc\xc3\x9f"
		"e\"}\n\n"
		"event: r\ndata: plain\n\n"
		"event: c\ndata: \xe4\xbd\xa0\xe5\xa5\xbd \n\n"
		"event: content\ndata: two\ndata: lines\n\n"
		"event: novelty\ndata: x\n\n"
		"data: \xf0\x9f\x91\x8b\n\n"
		"event: sources\ndata: [{\"title\":\"A \\\"b\\\"\",\"url\":\"https://a/\"},{\"title\":\"no url\"}]\n\n"
		"event: repoSources\ndata: [{\"repo\":\"r\",\"filePath\":\"f\"}]\n\n"
		"event: rlq\ndata: What?\n\n"
		"event: finish\ndata: \n");
	trace_free(&t);
}

static void test_a_body_without_finish_or_last_blank_line_ends_well(void **state)
{
	(void)state;
	assert_stream("event: c\ndata: a\n\nevent: c\ndata: b", "text 0 <a>\ntext 0 <b>\nfinish\n");
	assert_stream("event: c\ndata: a\n\nevent: c\ndata: b\n",
		      "text 0 <a>\ntext 0 <b>\nfinish\n");
	assert_stream("event: finish\ndata\n\n", "finish\n");
	/* the last character is incomplete */
	assert_stream("data: ok\n\ndata: \xe4\xbd", "text 0 <ok>\ntext 0 <\xef\xbf\xbd>\nfinish\n");
	assert_stream("data: a\xff\xe4\xbd\xa0z\xc3\n\n",
		      "text 0 <a\xef\xbf\xbd\xe4\xbd\xa0z\xef\xbf\xbd>\nfinish\n");
}

static void test_nothing_before_the_first_text_is_a_delta(void **state)
{
	/* so that an error still falls through to the next provider */
	(void)state;
	assert_stream(
		"event: threadId\ndata: t\n\nevent: c\ndata: \n\nevent: error\ndata: no quota\n\n",
		"error fatal Error from rust-proxy server: no quota\n");
}

static void test_an_error_event_after_text_ends_the_stream(void **state)
{
	(void)state;
	assert_stream("event: c\ndata: a\n\nevent: error\ndata: broken\n\nevent: c\ndata: b\n\n",
		      "text 0 <a>\nerror fatal Error from rust-proxy server: broken\n");
	assert_stream(
		"event: error\ndata:\n\n",
		"error fatal Error from rust-proxy server: the developer API reports an error without a text\n");
}

static void test_a_body_of_another_kind_is_an_error(void **state)
{
	static const char want[] =
		"error fatal Error from rust-proxy server: Request failed: the answer has no events of the developer API\n";

	(void)state;
	assert_stream("", want);
	assert_stream("<html><body>Bad gateway</body></html>", want);
	assert_stream("event: novelty\ndata: x\n\n", want);
}

static void test_usage_is_estimated_when_asked(void **state)
{
	(void)state;
	options.estimate_usage = true;
	/* "User: Hello" is 11 bytes; "thinking" and "answer" are 14 */
	assert_stream("event: r\ndata: thinking\n\nevent: c\ndata: answer\n\n",
		      "thought 1 <thinking>\ntext 0 <answer>\nusage 3 4 estimated\nfinish\n");
	options.estimate_usage = false;
	assert_stream("event: c\ndata: answer\n\n", "text 0 <answer>\nfinish\n");
}

static void test_unknown_events_are_counted(void **state)
{
	struct inference inf = { 0 };
	struct arena arena;
	struct wire_stream *s;
	struct sse_event ev = { B("novelty"), B("x") };
	struct delta d;

	(void)state;
	arena_init(&arena, 1 << 20);
	s = wire->stream_new(&inf, &dialect, &arena);
	assert_int_equal(wire->read_event(s, &ev, &d), 0);
	assert_int_equal(wire->read_event(s, &ev, &d), 0);
	assert_int_equal(wire->unknown_events(s), 2);
	wire->stream_free(s);
	arena_deinit(&arena);
}

/* ---- plain answers ---- */

static void test_a_plain_answer_is_the_same_stream_collected(void **state)
{
	struct inference inf = { 0 };
	struct arena arena;
	struct result *r;

	(void)state;
	arena_init(&arena, 1 << 20);
	r = wire->read_result((struct bytes){ full, sizeof(full) - 1 }, &inf, &dialect, &arena);
	assert_non_null(r);
	assert_int_equal(r->len, 2);
	assert_int_equal(r->content[0].type, BLOCK_THOUGHT);
	assert_bytes(r->content[0].text, "Gr\xc3\xbc\xc3\x9f"
					 "eplain");
	assert_int_equal(r->content[1].type, BLOCK_TEXT);
	assert_bytes(r->content[1].text, "\xe4\xbd\xa0\xe5\xa5\xbd two\nlines\xf0\x9f\x91\x8b");
	assert_bytes(
		r->annotations,
		"[{\"type\":\"url_citation\",\"url\":\"https://a/\",\"title\":\"A \\\"b\\\"\",\"start_index\":0,\"end_index\":0}]");
	assert_bytes(
		r->content[1].annotations,
		"[{\"type\":\"url_citation\",\"url\":\"https://a/\",\"title\":\"A \\\"b\\\"\",\"start_index\":0,\"end_index\":0}]");
	assert_int_equal(r->finish, FINISH_STOP);
	assert_int_equal(r->usage.input_tokens, USAGE_UNKNOWN);
	assert_int_equal(r->usage.output_tokens, USAGE_UNKNOWN);
	assert_bytes(r->raw_response, full);
	arena_deinit(&arena);
}

static void assert_result_fails(const char *body, const char *want, const char *upstream)
{
	struct inference inf = { 0 };
	struct arena arena;

	arena_init(&arena, 1 << 20);
	assert_null(wire->read_result(bytes_of(body), &inf, &dialect, &arena));
	assert_int_equal(error_last()->kind, ERR_INFERENCE_SERVER);
	assert_bytes(error_last()->message, want);
	assert_bytes(error_last()->upstream_message, upstream);
	arena_deinit(&arena);
	error_clear();
}

static void test_a_plain_answer_that_failed(void **state)
{
	(void)state;
	assert_result_fails("event: error\ndata: no quota\n\n",
			    "Error from rust-proxy server: no quota", "no quota");
	assert_result_fails("event: c\ndata: a\n\nevent: error\ndata: late\n\n",
			    "Error from rust-proxy server: late", "late");
	assert_result_fails(
		"<html></html>",
		"Error from rust-proxy server: Request failed: the answer has no events of the developer API",
		"");
}

/* ---- the list of models ---- */

#define ITEM                                                                                      \
	"{\"displayName\":\"Claude\",\"modelName\":\"claude-3.5-sonnet-20241022\",\"modelType\":" \
	"\"premium\",\"isNew\":true,\"usageLeft\":12,\"icon\":\"i\"}"

static void assert_models(const char *body)
{
	struct developer_api_model *m;
	struct arena arena;
	size_t n;

	arena_init(&arena, 1 << 20);
	assert_int_equal(developer_api_read_models(bytes_of(body), &arena, &m, &n), 0);
	assert_int_equal(n, 2);
	assert_bytes(m[0].name, "claude-3.5-sonnet-20241022");
	assert_bytes(m[0].display_name, "Claude");
	assert_bytes(m[0].type, "premium");
	assert_true(m[0].is_new);
	assert_int_equal(m[0].usage_left, 12);
	assert_bytes(m[1].name, "b");
	assert_false(m[1].is_new);
	assert_int_equal(m[1].usage_left, -1);
	arena_deinit(&arena);
}

static void test_model_lists(void **state)
{
	struct developer_api_model *m;
	struct arena arena;
	size_t n;

	(void)state;
	assert_models("[" ITEM ",{\"modelName\":\"b\"},{\"displayName\":\"no name\"},7]");
	assert_models("{\"data\":[" ITEM ",{\"modelName\":\"b\",\"usageLeft\":null}]}");
	arena_init(&arena, 1 << 20);
	assert_int_equal(developer_api_read_models(B("[]"), &arena, &m, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(developer_api_read_models(B("{}"), &arena, &m, &n), -1);
	assert_int_equal(developer_api_read_models(B("<html>"), &arena, &m, &n), -1);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_as_the_page_shows_it),
		cmocka_unit_test(test_a_conversation_is_a_line_a_message),
		cmocka_unit_test(test_an_empty_system_prompt_is_left_out),
		cmocka_unit_test(test_last_user_sends_a_single_message_bare),
		cmocka_unit_test(test_absent_optional_members_are_left_out),
		cmocka_unit_test(test_what_cannot_be_carried_is_named),
		cmocka_unit_test(test_a_forced_tool_choice_fails_the_attempt),
		cmocka_unit_test(test_content_that_is_no_text),
		cmocka_unit_test(test_the_signed_content_is_that_of_the_finished_body),
		cmocka_unit_test(test_stream_survives_every_split),
		cmocka_unit_test(test_raw_response_has_every_event_with_its_name),
		cmocka_unit_test(test_a_body_without_finish_or_last_blank_line_ends_well),
		cmocka_unit_test(test_nothing_before_the_first_text_is_a_delta),
		cmocka_unit_test(test_an_error_event_after_text_ends_the_stream),
		cmocka_unit_test(test_a_body_of_another_kind_is_an_error),
		cmocka_unit_test(test_usage_is_estimated_when_asked),
		cmocka_unit_test(test_unknown_events_are_counted),
		cmocka_unit_test(test_a_plain_answer_is_the_same_stream_collected),
		cmocka_unit_test(test_a_plain_answer_that_failed),
		cmocka_unit_test(test_model_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
