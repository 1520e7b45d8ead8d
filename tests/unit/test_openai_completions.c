/* wire/openai_completions: what is read, and the bytes of answers and chunks (OpenAI's legacy text completions). */
#include "unit.h"

#include "base/error.h"
#include "wire/openai_completions/openai_completions.h"

struct fixture {
	struct arena arena;
	struct answer answer;
	struct buf out;
};

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	arena_init(&f.arena, 1u << 20);
	buf_init(&f.out, 1u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&f.out);
	arena_deinit(&f.arena);
	return 0;
}

static struct envelope *read_body(const char *body)
{
	return openai_completions_read_request(bytes_of(body), &openai_chat_options, &f.arena);
}

static const struct answer *answer_to(const char *body)
{
	struct envelope *env = read_body(body);

	assert_non_null(env);
	f.answer = (struct answer){ .asked = env,
				    .options = &openai_chat_options,
				    .created = 1767225600,
				    .model = B("m\"1"),
				    .include_usage = env->include_usage == 1 };
	return &f.answer;
}

static void assert_written(const char *want)
{
	if (f.out.len != strlen(want) || memcmp(f.out.data, want, f.out.len))
		fail_msg("got\n%.*s\nwant\n%s", (int)f.out.len, f.out.data, want);
}

static struct result *text_result(const char *text)
{
	struct result *r = arena_new(&f.arena, struct result);

	r->content = arena_array(&f.arena, struct block, 3);
	r->content[0] = (struct block){ .type = BLOCK_THOUGHT, .text = B("hm") };
	r->content[1] = (struct block){ .type = BLOCK_TEXT, .text = bytes_of(text) };
	r->content[2] = (struct block){ .type = BLOCK_REFUSAL, .text = B("no") };
	r->len = 3;
	usage_init(&r->usage);
	r->usage.input_tokens = 3;
	r->usage.output_tokens = 2;
	r->finish = FINISH_LENGTH;
	return r;
}

#define ID \
	"{\"id\":\"cmpl-00000000000000000000000000000000\",\"object\":\"text_completion\",\"created\":1767225600,\"model\":\"m\\\"1\",\"choices\":["
#define USAGE \
	"\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}"

static void test_the_prompt_becomes_the_one_message(void **state)
{
	struct envelope *env = read_body(
		" {\"model\": \"m\", \"prompt\": \"a\\u00e9\\n\", \"suffix\": null, \"stream\":true, \"max_tokens\": 5, \"top_k\":1}");

	(void)state;
	assert_non_null(env);
	assert_true(bytes_eq(env->model, B("m")) && env->stream);
	assert_int_equal(1, env->inf.nmessages);
	assert_int_equal(ROLE_USER, env->inf.messages[0].role);
	assert_true(bytes_eq(env->inf.messages[0].content[0].text, B("a\xc3\xa9\n")));
	/* what goes on to an upstream of the family: the client's own bytes, but for this format's fields */
	assert_true(bytes_find(env->inf.source, B("\"top_k\":1")) > 0);
	assert_true(bytes_find(env->inf.source, B("prompt")) < 0);
	assert_true(bytes_find(env->inf.source, B("suffix")) < 0);
}

static void test_two_prompts_are_refused(void **state)
{
	(void)state;
	assert_null(
		read_body("{\"prompt\":\"a\",\"model\":\"m\",\"prompt\":\"b\",\"messages\":7}"));
	assert_int_equal(error_last()->kind, ERR_INVALID_REQUEST);
	assert_true(bytes_eq(error_last()->param, B("prompt")));
}

static void test_refusals_name_the_field(void **state)
{
	static const struct {
		const char *body, *param, *code;
	} cases[] = {
		{ "{\"model\":\"m\",\"prompt\":[]}", "prompt", "unsupported_parameter" },
		{ "{\"model\":\"m\",\"prompt\":[[1]]}", "prompt", "unsupported_parameter" },
		{ "{\"model\":\"m\",\"prompt\":\"x\",\"n\":3}", "n", "unsupported_parameter" },
		{ "{\"model\":\"m\",\"prompt\":\"x\",\"best_of\":\"1\"}", "best_of",
		  "unsupported_parameter" },
		{ "{\"model\":\"m\",\"prompt\":\"x\",\"suffix\":\"y\"}", "suffix",
		  "unsupported_parameter" },
		{ "{\"model\":\"m\"}", "prompt", "missing_required_parameter" },
		{ "{\"prompt\":\"x\"}", "model", "missing_required_parameter" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_null(read_body(cases[i].body));
		assert_true(bytes_eq(error_last()->param, bytes_of(cases[i].param)));
		assert_true(bytes_eq(error_last()->code, bytes_of(cases[i].code)));
	}
}

static void test_logprobs_are_named_behind_what_was_left_out_anyway(void **state)
{
	struct envelope *env = read_body("{\"model\":\"m\",\"prompt\":\"x\",\"logprobs\":0}");

	(void)state;
	assert_non_null(env);
	assert_true(bytes_ends(env->ignored, B("logprobs")));
}

static void test_a_plain_answer(void **state)
{
	(void)state;
	assert_int_equal(0, openai_completions_write_result(
				    answer_to("{\"model\":\"m\",\"prompt\":\"say \\\"\"}"),
				    text_result("a\n"), &f.out));
	assert_written(
		ID
		"{\"text\":\"a\\nno\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}]," USAGE
		"}");
}

static void test_a_plain_answer_with_the_prompt_in_front(void **state)
{
	(void)state;
	assert_int_equal(
		0, openai_completions_write_result(
			   answer_to("{\"model\":\"m\",\"prompt\":\"say \\\"\",\"echo\":true}"),
			   text_result("a\n"), &f.out));
	assert_written(
		ID
		"{\"text\":\"say \\\"a\\nno\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}]," USAGE
		"}");
}

static void write_stream(const char *body, bool error)
{
	const struct answer *a = answer_to(body);
	struct wire_writer *w = openai_completions_writer_new(a, &f.arena);
	struct part parts[] = { { .type = PART_THOUGHT, .text = B("hm") },
				{ .type = PART_TEXT, .text = B("a\"") },
				{ .type = PART_TEXT } };
	struct error e = { .kind = ERR_INFERENCE_SERVER,
			   .message = B("broke"),
			   .retry_after_ms = -1 };

	assert_non_null(w);
	assert_int_equal(0, openai_completions_write_delta(
				    w, &(struct delta){ .parts = parts, .len = 3 }, &f.out));
	if (error) {
		assert_int_equal(0, openai_completions_write_stream_error(w, &e, 502, &f.out));
		assert_int_equal(0, openai_completions_write_stream_error(w, &e, 502,
									  &f.out)); /* told once */
	}
	assert_int_equal(0, openai_completions_write_end(w, text_result("a\""), &f.out));
}

static void test_a_stream(void **state)
{
	(void)state;
	write_stream("{\"model\":\"m\",\"prompt\":\"x\",\"stream\":true}", false);
	assert_written(
		"data: " ID
		"{\"text\":\"a\\\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}]}\n\n"
		"data: " ID
		"{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}]}\n\n"
		"data: [DONE]\n\n");
}

static void test_a_stream_with_usage_and_echo(void **state)
{
	(void)state;
	write_stream(
		"{\"model\":\"m\",\"prompt\":\"x\",\"echo\":true,\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		false);
	assert_written(
		"data: " ID
		"{\"text\":\"x\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
		"data: " ID
		"{\"text\":\"a\\\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n"
		"data: " ID
		"{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"length\"}],\"usage\":null}\n\n"
		"data: " ID "]," USAGE "}\n\n"
		"data: [DONE]\n\n");
}

static void test_after_an_error_only_the_end_mark_comes(void **state)
{
	(void)state;
	write_stream("{\"model\":\"m\",\"prompt\":\"x\",\"stream\":true}", true);
	assert_written(
		"data: " ID
		"{\"text\":\"a\\\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":null}]}\n\n"
		"data: {\"error\":{\"message\":\"broke\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n"
		"data: [DONE]\n\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_prompt_becomes_the_one_message),
		TEST(test_two_prompts_are_refused),
		TEST(test_refusals_name_the_field),
		TEST(test_logprobs_are_named_behind_what_was_left_out_anyway),
		TEST(test_a_plain_answer),
		TEST(test_a_plain_answer_with_the_prompt_in_front),
		TEST(test_a_stream),
		TEST(test_a_stream_with_usage_and_echo),
		TEST(test_after_an_error_only_the_end_mark_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
