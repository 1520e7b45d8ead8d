/* wire/openai_responses: the bytes of a client's stream (surfaces §7.2), streams of an upstream cut anywhere, envelopes. */
#include "unit.h"

#include <openssl/sha.h>

#include "base/error.h"
#include "net/sse.h"
#include "wire/openai_responses/openai_responses.h"

struct fixture {
	struct arena arena;
	struct answer answer;
	struct buf out;
};

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	arena_init(&f.arena, 8u << 20);
	buf_init(&f.out, 8u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_deinit(&f.out);
	arena_deinit(&f.arena);
	return 0;
}

static const char golden_request[] =
	"{\"model\":\"box\",\"instructions\":\"You sort boxes.\",\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Weigh B\"}]}],"
	"\"tools\":[{\"type\":\"function\",\"name\":\"weigh\",\"description\":\"Weigh a box\",\"strict\":false,\"parameters\":{\"type\":\"object\",\"properties\":{\"box\":{\"type\":\"string\"}},\"required\":[\"box\"]}}],"
	"\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"},\"store\":false,\"stream\":true,\"include\":[\"reasoning.encrypted_content\"],\"prompt_cache_key\":\"s1\"}";

static struct envelope *read_body(const char *body)
{
	return openai_responses_read_request(bytes_of(body), &openai_responses_options, &f.arena);
}

static const struct answer *answer_to(const char *body)
{
	struct envelope *env = read_body(body);
	struct uuid id;

	assert_non_null(env);
	assert_true(uuid_parse(B("0197c0de000070008000000000000001"), &id));
	f.answer = (struct answer){ .asked = env,
				    .options = &openai_responses_options,
				    .inference_id = id,
				    .created = 1750000000,
				    .ended = 1750000002,
				    .model = env->model,
				    .reasoning_to_client = true };
	return &f.answer;
}

static void give(struct wire_writer *w, struct part part)
{
	struct delta d = { .parts = &part, .len = 1 };

	usage_init(&d.usage);
	assert_int_equal(openai_responses_write_delta(w, &d, &f.out), 0);
}

static void test_the_golden_stream(void **state)
{
	struct wire_writer *w = openai_responses_writer_new(answer_to(golden_request), &f.arena);
	struct result r = { .finish = FINISH_TOOL_CALL };
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	unsigned char digest[SHA256_DIGEST_LENGTH];

	(void)state;
	usage_init(&r.usage);
	r.usage.input_tokens = 25;
	r.usage.cache_read = 5;
	r.usage.output_tokens = 30;
	give(w, (struct part){ .type = PART_THOUGHT,
			       .id = B("0"),
			       .text = B("Use the scale."),
			       .provider_type = B("anthropic") });
	give(w, (struct part){ .type = PART_THOUGHT,
			       .id = B("0"),
			       .signature = B("c2ln"),
			       .provider_type = B("anthropic") });
	give(w, (struct part){ .type = PART_TEXT, .id = B("1"), .text = B("On it.") });
	give(w, (struct part){ .type = PART_TOOL_CALL,
			       .id = B("toolu_9"),
			       .name = B("weigh"),
			       .arguments = B(""),
			       .begins = true });
	give(w, (struct part){
			.type = PART_TOOL_CALL, .id = B("toolu_9"), .arguments = B("{\"box\": ") });
	give(w,
	     (struct part){ .type = PART_TOOL_CALL, .id = B("toolu_9"), .arguments = B("\"B\"}") });
	assert_int_equal(openai_responses_write_end(w, &r, &f.out), 0);
	openai_responses_writer_free(w);
	SHA256((const unsigned char *)f.out.data, f.out.len, digest);
	hex_print(digest, sizeof digest, hex);
	if (strcmp(hex, "55aebf671509489f4a9115373af8502ba6c12356fba382d4e575e72e6082bdf9") != 0)
		fail_msg("%zu bytes, %s:\n%.*s", f.out.len, hex, (int)f.out.len, f.out.data);
}

/* ---- an upstream's stream, cut anywhere ---- */

static const char upstream[] =
	"event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_2\",\"status\":\"in_progress\",\"output\":[],\"usage\":null}}\n\n"
	"data: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"id\":\"rs_2\",\"type\":\"reasoning\",\"summary\":[]}}\n\n"
	"data: {\"type\":\"response.reasoning_summary_text.delta\",\"item_id\":\"rs_2\",\"output_index\":0,\"summary_index\":0,\"delta\":\"Need the \"}\n\n"
	"data: {\"type\":\"response.reasoning_summary_text.delta\",\"item_id\":\"rs_2\",\"output_index\":0,\"summary_index\":0,\"delta\":\"tool.\"}\n\n"
	"data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"id\":\"rs_2\",\"type\":\"reasoning\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"Need the tool.\"}],\"encrypted_content\":\"gAAA3\"}}\n\n"
	"data: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"id\":\"fc_2\",\"type\":\"function_call\",\"call_id\":\"call_R3\",\"name\":\"get_weather\",\"arguments\":\"\"}}\n\n"
	"data: {\"type\":\"response.function_call_arguments.delta\",\"item_id\":\"fc_2\",\"output_index\":1,\"delta\":\"{\\\"city\\\":\"}\n\n"
	"data: {\"type\":\"response.function_call_arguments.delta\",\"item_id\":\"fc_2\",\"output_index\":1,\"delta\":\"\\\"\xc3\x98slo\\\"}\"}\n\n"
	"data: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg\",\"output_index\":2,\"content_index\":0,\"delta\":\"Hi\"}\n\n"
	"data: {\"type\":\"response.new_thing\",\"x\":1}\n\n"
	"data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_2\",\"status\":\"completed\",\"incomplete_details\":null,\"usage\":{\"input_tokens\":40,\"output_tokens\":25,\"total_tokens\":65}}}\n\n";

static const struct dialect openai = { .type = B("openai"), .label = B("OpenAI") };

struct flow {
	struct wire_stream *s;
	struct gather *g;
	int end; /* 2: the stream said so; 1: an error did */
};

static void take(struct flow *fl, int n, const struct delta *d)
{
	assert_true(n >= 0);
	if (n == 2) {
		struct delta last;

		fl->end = 2;
		if (wire_openai_responses.read_end(fl->s, &last) == 1)
			assert_int_equal(gather_add(fl->g, &last), 0);
	}
	if (n != 1)
		return;
	if (d->error)
		fl->end = 1;
	else
		assert_int_equal(gather_add(fl->g, d), 0);
}

static void feed(struct flow *fl, struct sse *sse, struct bytes piece)
{
	struct sse_event e;
	struct delta d;

	sse_feed(sse, piece);
	while (!fl->end && sse_next(sse, &e) == 1)
		take(fl, wire_openai_responses.read_event(fl->s, &e, &d), &d);
}

/* The stream in two pieces, or only the first of them. */
static void run(const struct inference *inf, size_t cut, bool rest, struct flow *fl,
		struct result *r)
{
	struct bytes all = B(upstream);
	struct delta d;
	struct sse sse;

	*fl = (struct flow){ .s = wire_openai_responses.stream_new(inf, &openai, &f.arena),
			     .g = gather_new(&f.arena, 1u << 20) };
	sse_init(&sse, SSE_MAX_EVENT);
	feed(fl, &sse, bytes_slice(all, 0, cut));
	if (rest)
		feed(fl, &sse, bytes_slice(all, cut, all.n));
	if (!fl->end)
		take(fl, wire_openai_responses.read_end(fl->s, &d), &d);
	assert_int_equal(gather_finish(fl->g, r), 0);
	sse_deinit(&sse);
}

static void done(struct flow *fl)
{
	wire_openai_responses.stream_free(fl->s);
	gather_free(fl->g);
}

static void test_a_stream_is_the_same_wherever_it_is_split(void **state)
{
	const struct inference inf = { .options = &openai_chat_options };

	(void)state;
	for (size_t cut = 0; cut < sizeof upstream - 1; cut++) {
		struct flow fl;
		struct result r;

		run(&inf, cut, true, &fl, &r);
		assert_int_equal(fl.end, 2);
		assert_int_equal(r.len, 4);
		assert_int_equal(r.content[0].type, BLOCK_THOUGHT);
		assert_true(bytes_eq(r.content[0].signature, B("gAAA3")));
		assert_int_equal(r.content[0].nsummaries, 1);
		assert_true(bytes_eq(r.content[0].summaries[0].text, B("Need the tool.")));
		assert_true(bytes_eq(r.content[0].item_id, B("rs_2")));
		assert_true(bytes_eq(r.content[1].id, B("call_R3")));
		assert_true(bytes_eq(r.content[1].arguments, B("{\"city\":\"\xc3\x98slo\"}")));
		assert_true(bytes_eq(r.content[2].text, B("Hi")));
		assert_int_equal(r.content[3].type, BLOCK_UNKNOWN);
		assert_int_equal(r.finish, FINISH_TOOL_CALL);
		assert_int_equal(r.usage.input_tokens, 40);
		done(&fl);
		arena_deinit(&f.arena);
		arena_init(&f.arena, 8u << 20);
	}
}

/* A stream that stops anywhere is a failure, never a success; before its first event it is nothing at all. */
static void test_a_stream_that_is_cut_is_a_failure(void **state)
{
	const struct inference inf = { .options = &openai_chat_options };

	(void)state;
	for (size_t cut = 0; cut < sizeof upstream - 2; cut++) {
		size_t first = strlen("event: response.created\n") + 1;
		struct flow fl;
		struct result r;

		run(&inf, cut, false, &fl, &r);
		if (fl.end == 0)
			assert_true(cut <= first + 160);
		else
			assert_int_equal(fl.end, 1);
		done(&fl);
		arena_deinit(&f.arena);
		arena_init(&f.arena, 8u << 20);
	}
}

/* ---- requests ---- */

static void test_a_thought_in_its_envelope(void **state)
{
	const struct envelope *env = read_body(
		"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[{\"type\":\"summary_text\",\"text\":\"Use the scale.\"}],\"encrypted_content\":\"sgn1.eyJwIjoiYW50aHJvcGljIiwicyI6ImMybG4ifQ\"},"
		"{\"type\":\"function_call\",\"call_id\":\"toolu_9\",\"name\":\"weigh\",\"arguments\":\"\"},{\"type\":\"function_call_output\",\"call_id\":\"toolu_9\",\"output\":\"3\"}]}");
	const struct message *m;

	(void)state;
	assert_non_null(env);
	assert_int_equal(env->inf.nmessages, 3);
	m = &env->inf.messages[1];
	assert_int_equal(m->len, 2);
	assert_true(bytes_eq(m->content[0].provider_type, B("anthropic")));
	assert_true(bytes_eq(m->content[0].signature, B("c2ln")));
	assert_true(bytes_eq(m->content[0].text, B("Use the scale.")));
	assert_true(bytes_eq(m->content[1].arguments, B("{}")));
}

static void test_results_that_follow_each_other_are_one_message(void **state)
{
	const struct envelope *env = read_body(
		"{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\"},{\"type\":\"function_call\",\"call_id\":\"2\",\"name\":\"g\",\"arguments\":\"{}\"},"
		"{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":\"x\"},{\"type\":\"function_call_output\",\"call_id\":\"2\",\"output\":[{\"type\":\"input_text\",\"text\":\"y\"}]},{\"role\":\"user\",\"content\":\"b\"}]}");

	(void)state;
	assert_non_null(env);
	assert_int_equal(env->inf.nmessages, 4);
	assert_int_equal(env->inf.messages[1].len, 2);
	assert_int_equal(env->inf.messages[2].len, 2);
	assert_true(bytes_eq(env->inf.messages[2].content[1].text, B("y")));
	assert_true(bytes_eq(env->inf.messages[3].content[0].text, B("b")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_the_golden_stream),
		TEST(test_a_stream_is_the_same_wherever_it_is_split),
		TEST(test_a_stream_that_is_cut_is_a_failure),
		TEST(test_a_thought_in_its_envelope),
		TEST(test_results_that_follow_each_other_are_one_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
