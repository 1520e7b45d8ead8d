/*
 * The rows of a finished request, whole or not at all: whatever allocation fails, a record is either in the tables, the
 * same as every other one of its kind, or counted as unrecorded.
 */
#include "route/record.h"
#include "store_rows.h"

#include "base/fault.h"
#include "wire/openai_chat/openai_chat.h"

static char dir[256];
static struct arena arena;
static struct config config;

static struct provider_config first = { .name = B("p0"), .type = B("openai") };
static struct provider_config second = { .name = B("p1"), .type = B("openai") };
static struct model_config model = { .name = B("m") };

/* A request with tools, answered by its second provider with a call and a text. */
struct kept {
	struct envelope *request;
	struct model_call call;
	struct result result;
	struct recorded_call calls[1];
	struct answer_facts facts;
};

static const struct error refused = { .kind = ERR_INFERENCE_SERVER,
				      .message = B("Error 503 \"busy\""),
				      .upstream_status = 503,
				      .retry_after_ms = -1 };

static struct failed_attempt failed[] = {
	{ .provider = &first,
	  .attempt = { .raw_request = B("{\"try\":1}"),
		       .raw_response = B("busy \n"),
		       .status = 503,
		       .started_ms = 1005 },
	  .error = &refused },
};

static struct block content[] = {
	{ .type = BLOCK_TEXT, .text = B("Hello \xc3\xa9") },
	{ .type = BLOCK_TOOL_CALL, .id = B("c1"), .name = B("f"), .arguments = B("{\"a\":1}") },
};

static const char body[] =
	"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be\"},{\"role\":\"user\",\"content\":\"a \\\"b\\\"\"}],"
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},\"strict\":true}}],"
	"\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,\"temperature\":0.5,\"tensorzero::tags\":{\"k\":\"v\",\"l\":\"w\"}}";

/* The raw answer: short, over the cap and cut, or that and no UTF-8, which stands escaped in the row. */
static struct bytes raw = B("{\"raw\":1}");

static void make(struct kept *k)
{
	*k = (struct kept){ .request = openai_chat_read_request(bytes_of(body),
								&openai_chat_options, &arena) };
	assert_non_null(k->request);
	k->result = (struct result){ .content = content,
				     .len = 2,
				     .finish = FINISH_TOOL_CALL,
				     .raw_response = raw,
				     .response_ms = 20 };
	usage_init(&k->result.usage);
	k->result.usage.input_tokens = 11;
	k->result.usage.output_tokens = 7;
	k->result.usage.cache_read = 3;
	k->result.usage.cache_write = 0;
	k->call = (struct model_call){
		.model = &model,
		.provider = &second,
		.inf = k->request->inf,
		.attempt = { .raw_request = B("{\"try\":2}"),
			     .status = 200,
			     .started_ms = 1010,
			     .sent_ms = 1011,
			     .head_ms = 1020,
			     .end_ms = 1030,
			     .signature = { .set = true,
					    .signer = B("s"),
					    .module_sha256 = B("ab"),
					    .abi = B("wasm-bindgen"),
					    .nonce = B("n"),
					    .timestamp = B("17"),
					    .headers = B("[\"sign\"]"),
					    .head = B("abcdefgh"),
					    .us = 5,
					    .bytes = 9 } },
		.failed = failed,
		.nfailed = 1,
		.started_ms = 1000,
	};
	k->calls[0] = (struct recorded_call){ &k->call, &k->result };
	k->facts = (struct answer_facts){ .config = &config,
					  .function_name = B("tensorzero::default"),
					  .variant_name = B("m"),
					  .surface = B("chat"),
					  .request = k->request,
					  .calls = k->calls,
					  .ncalls = 1,
					  .result = &k->result,
					  .status = 200,
					  .processing_ms = 30 };
}

static void new_ids(struct kept *k)
{
	k->facts.inference_id = uuid_v7();
	k->facts.episode_id = k->facts.inference_id;
	k->call.inf.id = uuid_v7();
}

static struct store *open_store(void)
{
	struct store_options o = test_options(dir);
	struct store *s;

	o.sync = SYNC_NEVER;
	s = store_open(&o);
	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

#ifdef SIGNET_FAULTS
static void each_failing_allocation_leaves_a_whole_record_or_none(void)
{
	struct store *s = open_store();
	struct store_status status;
	struct kept k;
	unsigned n = 1, built = 0, refused_ones = 0;

	for (int clean = 0; clean < 3; n++) {
		char spec[32];
		int r;

		arena_deinit(&arena);
		arena_init(&arena, 1 << 24);
		make(&k);
		new_ids(&k);
		snprintf(spec, sizeof spec, "alloc:%u", n);
		fault_setup(spec);
		r = record_answer(s, &k.facts);
		fault_setup(NULL);
		built += r == 0;
		refused_ones += r != 0;
		clean = r ? 0 : clean + 1;
		assert_true(n < 500);
	}
	assert_true(refused_ones > 1);
	store_status(s, &status, &arena);
	assert_int_equal(status.unrecorded, refused_ones);
	store_close(s);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), built);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), built);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), built);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM RequestError"), built);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM (SELECT DISTINCT input, output, tags, inference_params, extra_body, dynamic_tools, dynamic_provider_tools, allowed_tools, tool_choice, parallel_tool_calls, tool_params FROM ChatInference)"),
		1);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM (SELECT DISTINCT raw_request, raw_response, system, input_messages, output, signature, spans, model_name, model_provider_name, attempt, http_status FROM ModelInference)"),
		1);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM (SELECT DISTINCT attempts, error FROM RequestError)"),
		1);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM (SELECT DISTINCT state, status, surface, preview_in, preview_out, attempts, tools, signed FROM InferenceById)"),
		1);
}

static void test_each_failing_allocation(void **state)
{
	(void)state;
	each_failing_allocation_leaves_a_whole_record_or_none();
}

static void test_each_failing_allocation_of_a_cut_body(void **state)
{
	static char text[3000];

	(void)state;
	memset(text, 'r', sizeof text);
	raw = (struct bytes){ text, sizeof text };
	each_failing_allocation_leaves_a_whole_record_or_none();
	assert_int_equal(db_int(dir, "SELECT max(length(raw_response)) FROM ModelInference"),
			 1024 + 20);
}

static void test_each_failing_allocation_of_a_cut_body_of_odd_bytes(void **state)
{
	static char text[3000];

	(void)state;
	memset(text, 'r', sizeof text);
	text[0] = '\xff';
	raw = (struct bytes){ text, sizeof text };
	each_failing_allocation_leaves_a_whole_record_or_none();
	assert_int_equal(db_int(dir, "SELECT max(length(raw_response)) FROM ModelInference"),
			 1024 + 20);
}
#endif

static int setup(void **state)
{
	(void)state;
	temp_dir(dir, sizeof dir);
	arena_init(&arena, 1 << 24);
	config = (struct config){ .max_raw_kib = 1 };
	snprintf(config.hash_decimal, sizeof config.hash_decimal, "%s", ROWS_HASH);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	remove_tree(dir);
	error_clear();
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef SIGNET_FAULTS
		T(test_each_failing_allocation),
		T(test_each_failing_allocation_of_a_cut_body),
		T(test_each_failing_allocation_of_a_cut_body_of_odd_bytes),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
