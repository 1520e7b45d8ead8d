/* The Converse API's format (providers-others §5): what no client of OpenAI's chat can say, and streams in any order. */
#include "unit.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/bedrock/bedrock.h"

static const struct surface_options surface = { .lenient = true };

static struct dialect dialect_of(const char *model)
{
	return (struct dialect){ .type = B("aws_bedrock"),
				 .label = B("AWS Bedrock"),
				 .model = bytes_of(model) };
}

static void assert_written(const struct inference *inf, const char *model, const char *want)
{
	struct dialect d = dialect_of(model);
	struct buf out;

	buf_init(&out, 1 << 20);
	assert_int_equal(wire_bedrock.write_request(inf, &d, &out, NULL), 0);
	assert_bytes(buf_bytes(&out), want);
	buf_deinit(&out);
}

/* providers-others §13 A38: a cache point stands behind what was marked, in tools, system and results. */
static void test_cache_points(void **state)
{
	struct block result = { .type = BLOCK_TOOL_RESULT,
				.id = B("t"),
				.name = B("w"),
				.text = B("1"),
				.cache = CACHE_5M };
	struct block call = {
		.type = BLOCK_TOOL_CALL, .id = B("t"), .name = B("w"), .arguments = B("{}")
	};
	struct message messages[] = { { .role = ROLE_ASSISTANT, .content = &call, .len = 1 },
				      { .role = ROLE_USER, .content = &result, .len = 1 } };
	struct tool tool = {
		.name = B("w"), .description = B("d"), .parameters = B("{}"), .cache = CACHE_1H
	};
	struct tool_config tools = { .tools = &tool, .len = 1, .parallel = -1 };
	struct system_part parts[] = { { .text = B("a") }, { .text = B("b"), .cache = CACHE_5M } };
	struct inference inf = { .options = &surface,
				 .messages = messages,
				 .nmessages = 2,
				 .tools = &tools,
				 .system = B("a\nb"),
				 .system_parts = parts,
				 .nsystem_parts = 2 };

	(void)state;
	assert_written(
		&inf, "anthropic.claude-sonnet-4-6",
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"w\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t\",\"content\":[{\"text\":\"1\"}]}},{\"cachePoint\":{\"type\":\"default\"}}]}],"
		"\"system\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"cachePoint\":{\"type\":\"default\"}}],\"inferenceConfig\":{},"
		"\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"w\",\"description\":\"d\",\"inputSchema\":{\"json\":{}}}},{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}]}}");
	tools.len = 0;
	inf.system_parts = NULL;
	inf.nsystem_parts = 0;
	inf.system = (struct bytes){ NULL, 0 };
	assert_written(
		&inf, "meta.llama3",
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"w\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":\"t\",\"content\":[{\"text\":\"1\"}]}}]}],\"inferenceConfig\":{},\"toolConfig\":{\"tools\":[{\"toolSpec\":{\"name\":\"w\",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}]}}");
}

/* At most four; those that come first are dropped. */
static void test_too_many_cache_points(void **state)
{
	struct block blocks[6];
	struct message message = { .role = ROLE_USER, .content = blocks, .len = 6 };
	struct inference inf = { .options = &surface, .messages = &message, .nmessages = 1 };

	(void)state;
	for (size_t i = 0; i < COUNT(blocks); i++)
		blocks[i] = (struct block){ .type = BLOCK_TEXT, .text = B("x"), .cache = CACHE_5M };
#define MARKED "{\"text\":\"x\"},{\"cachePoint\":{\"type\":\"default\"}}"
	assert_written(
		&inf, "claude",
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"},{\"text\":\"x\"}," MARKED
		"," MARKED "," MARKED "," MARKED "]}],\"inferenceConfig\":{}}");
}

/* Thoughts: with their signature, redacted ones, and of Claude none without. */
static void test_thoughts(void **state)
{
	struct block blocks[] = {
		{ .type = BLOCK_THOUGHT, .text = B("a"), .signature = B("c2ln") },
		{ .type = BLOCK_THOUGHT, .text = B("unsigned") },
		{ .type = BLOCK_THOUGHT, .signature = B("cmVk") },
		{ .type = BLOCK_THOUGHT },
		{ .type = BLOCK_UNKNOWN, .text = B("{\"x\":1}") },
	};
	struct message message = { .role = ROLE_ASSISTANT,
				   .content = blocks,
				   .len = COUNT(blocks) };
	struct inference inf = { .options = &surface, .messages = &message, .nmessages = 1 };

	(void)state;
	assert_written(
		&inf, "claude",
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"a\",\"signature\":\"c2ln\"}}},{\"reasoningContent\":{\"redactedContent\":\"cmVk\"}},{\"x\":1}]}],\"inferenceConfig\":{}}");
	blocks[2].type = BLOCK_TEXT;
	blocks[2].text = B("");
	assert_written(
		&inf, "deepseek.r1",
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"reasoningContent\":{\"reasoningText\":{\"text\":\"a\",\"signature\":\"c2ln\"}}},{\"reasoningContent\":{\"reasoningText\":{\"text\":\"unsigned\"}}},{\"x\":1}]}],\"inferenceConfig\":{}}");
}

/* A result with an image, that failed. */
static void test_a_result_of_parts(void **state)
{
	struct file png = { .data = B("AAAA"), .mime_type = B("image/png") };
	struct block parts[] = { { .type = BLOCK_TEXT, .text = B("no") },
				 { .type = BLOCK_FILE, .file = &png } };
	struct block result = { .type = BLOCK_TOOL_RESULT,
				.id = B("t"),
				.parts = parts,
				.nparts = 2,
				.is_error = true };
	struct message message = { .role = ROLE_USER, .content = &result, .len = 1 };
	struct inference inf = { .options = &surface, .messages = &message, .nmessages = 1 };
	struct dialect d = dialect_of("x");
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	assert_int_equal(wire_bedrock.write_request(&inf, &d, &out, NULL), 0);
	assert_true(
		bytes_find(
			buf_bytes(&out),
			B("{\"toolResult\":{\"toolUseId\":\"t\",\"content\":[{\"text\":\"no\"},{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"AAAA\"}}}],\"status\":\"error\"}}")) >
		0);
	buf_deinit(&out);
}

static void ask_budget(struct inference *inf, const char *budget, const char *max)
{
	inf->params[PARAM_THINKING_BUDGET] = bytes_of(budget);
	inf->params[PARAM_MAX_TOKENS] = bytes_of(max);
}

/* providers-others §13 A24-A27 of Converse: what a generation does not take becomes what is nearest. */
static void test_budgets(void **state)
{
	struct inference inf = { .options = &surface };
	struct dialect d = dialect_of("claude-sonnet-4-5");
	struct buf out;

	(void)state;
	ask_budget(&inf, "4096", "8000");
	assert_written(
		&inf, "claude-sonnet-4-5",
		"{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":8000},\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}}}");
	assert_written(
		&inf, "claude-opus-4-7",
		"{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":8000},\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"medium\"}}}");
	assert_written(
		&inf, "meta.llama3",
		"{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":8000},\"additionalModelRequestFields\":{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}}}");
	ask_budget(&inf, "0", "8000");
	assert_written(&inf, "claude-sonnet-4-5",
		       "{\"messages\":[],\"inferenceConfig\":{\"maxTokens\":8000}}");
	ask_budget(&inf, "4096", "1000");
	buf_init(&out, 4096);
	assert_int_equal(wire_bedrock.write_request(&inf, &d, &out, NULL), -1);
	assert_bytes(error_last()->message,
		     "`thinking_budget_tokens` (4096) must be below `max_tokens` (1000)");
	assert_int_equal(error_last()->kind, ERR_INVALID_REQUEST);
	buf_deinit(&out);
}

/* ---- usage ---- */

static void assert_usage(const char *json, int64_t input, int64_t output, int64_t read,
			 int64_t write, int64_t hour)
{
	struct usage u;
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_true(bedrock_read_usage(json_parse(bytes_of(json), &a), &u));
	assert_int_equal(u.input_tokens, input);
	assert_int_equal(u.output_tokens, output);
	assert_int_equal(u.cache_read, read);
	assert_int_equal(u.cache_write, write);
	assert_int_equal(u.cache_write_1h, hour);
	arena_deinit(&a);
}

static void test_usage(void **state)
{
	struct usage u;

	(void)state;
	assert_usage(
		"{\"inputTokens\":20,\"outputTokens\":30,\"cacheReadInputTokens\":10,\"cacheWriteInputTokens\":5}",
		35, 30, 10, 5, -1);
	assert_usage("{\"inputTokens\":20,\"outputTokens\":30}", 20, 30, -1, -1, -1);
	assert_usage(
		"{\"inputTokens\":1,\"outputTokens\":2,\"cacheWriteInputTokens\":9,\"cacheDetails\":[{\"ttl\":\"5m\",\"inputTokens\":2},{\"ttl\":\"1h\",\"inputTokens\":7}]}",
		10, 2, -1, 9, 7);
	assert_usage("{}", -1, -1, -1, -1, -1);
	assert_false(bedrock_read_usage(NULL, &u));
}

/* ---- streams ---- */

struct event {
	const char *name, *data;
};

/* What comes of events, told as text. */
static void tell(const struct event *events, size_t n, struct buf *out)
{
	struct inference inf = { .options = &surface };
	struct dialect d = dialect_of("claude");
	struct wire_stream *s;
	struct delta delta;
	struct arena a;

	arena_init(&a, 1 << 20);
	s = wire_bedrock.stream_new(&inf, &d, &a);
	for (size_t i = 0; i <= n; i++) {
		struct sse_event event = { B(""), B("") };
		int r;

		if (i < n)
			event = (struct sse_event){ bytes_of(events[i].name),
						    bytes_of(events[i].data) };
		r = i < n ? wire_bedrock.read_event(s, &event, &delta)
			  : wire_bedrock.read_end(s, &delta);
		if (r == 0)
			continue;
		assert_int_equal(r, 1);
		if (delta.error)
			buf_printf(out, "[error%s %.*s]", delta.error->fatal ? "!" : "",
				   BFMT(delta.error->message));
		for (size_t k = 0; k < delta.len; k++)
			buf_printf(out, "[%d %.*s %.*s%.*s%.*s%.*s]", delta.parts[k].type,
				   BFMT(delta.parts[k].id), BFMT(delta.parts[k].name),
				   BFMT(delta.parts[k].text), BFMT(delta.parts[k].arguments),
				   BFMT(delta.parts[k].signature));
		if (delta.finish)
			buf_printf(out, "[finish %.*s]", BFMT(finish_reason_name(delta.finish)));
		if (delta.has_usage)
			buf_printf(out, "[usage %lld]", (long long)delta.usage.input_tokens);
	}
	wire_bedrock.stream_free(s);
	arena_deinit(&a);
}

#define assert_told(events, want)                     \
	do {                                          \
		struct buf out_;                      \
		buf_init(&out_, 4096);                \
		tell((events), COUNT(events), &out_); \
		assert_bytes(buf_bytes(&out_), want); \
		buf_deinit(&out_);                    \
	} while (0)

static void test_events_out_of_order(void **state)
{
	static const struct event early[] = {
		{ "contentBlockDelta",
		  "{\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":\"x\"}}}" },
		{ "contentBlockStop", "{\"contentBlockIndex\":9}" },
		{ "contentBlockDelta", "{\"delta\":{\"text\":\"a\"}}" },
		{ "metadata", "{\"usage\":{\"inputTokens\":3}}" },
		{ "messageStop", "{}" },
	};
	static const struct event broken[] = {
		{ "messageStart", "{}" },
		{ "contentBlockDelta", "{" },
		{ "contentBlockDelta", "{\"delta\":{\"text\":\"a\"}}" },
		{ "contentBlockDelta", "{\"delta\":5}" },
		{ "contentBlockStart", "[]" },
	};
	static const struct event unknown[] = {
		{ "contentBlockStart",
		  "{\"contentBlockIndex\":0,\"start\":{\"image\":{\"format\":\"png\"}}}" },
		{ "contentBlockDelta",
		  "{\"contentBlockIndex\":0,\"delta\":{\"image\":{\"x\":1}}}" },
		{ "contentBlockDelta",
		  "{\"contentBlockIndex\":1,\"delta\":{\"citation\":{\"title\":\"t\"}}}" },
		{ "tomorrow", "{" },
		{ "messageStop", "{\"stopReason\":\"end_turn\"}" },
	};

	(void)state;
	assert_told(
		early,
		"[error Error from aws_bedrock server: Got tool use delta without current tool id][0 0 a][usage 3]");
	assert_told(
		broken,
		"[error Error from aws_bedrock server: Error parsing chunk. Error: EOF while parsing an object at line 1 column 1][0 0 a][error! Inference stream closed due to error from aws_bedrock server: stream ended before messageStop]");
	assert_told(
		unknown,
		"[3 0 {\"image\":{\"format\":\"png\"}}][3 0 {\"image\":{\"x\":1}}][finish stop]");
}

static void test_too_many_blocks(void **state)
{
	static char texts[1100][64];
	static struct event events[1100];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		snprintf(texts[i], sizeof texts[i],
			 "{\"contentBlockIndex\":%zu,\"delta\":{\"text\":\"a\"}}", i);
		events[i] = (struct event){ "contentBlockDelta", texts[i] };
	}
	buf_init(&out, 1 << 20);
	tell(events, COUNT(events), &out);
	assert_true(
		bytes_find(
			buf_bytes(&out),
			B("[error! Error from aws_bedrock server: the answer has more than 1024 blocks]")) >
		0);
	buf_deinit(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache_points),
		cmocka_unit_test(test_too_many_cache_points),
		cmocka_unit_test(test_thoughts),
		cmocka_unit_test(test_a_result_of_parts),
		cmocka_unit_test(test_budgets),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_events_out_of_order),
		cmocka_unit_test(test_too_many_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
