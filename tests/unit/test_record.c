/*
 * The rows of a finished request, whole or not at all: whatever allocation fails, a record is either in the tables, the
 * same as every other one of its kind, or counted as unrecorded.
 */
#include "route/record.h" /* first: the store's PART_TEXT is a macro, inference/'s an enumerator */

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

static void make(struct kept *k)
{
	*k = (struct kept){ .request = openai_chat_read_request(bytes_of(body), PROFILE_OPENAI,
								&arena) };
	assert_non_null(k->request);
	k->result = (struct result){ .content = content,
				     .len = 2,
				     .finish = FINISH_TOOL_CALL,
				     .raw_response = B("{\"raw\":1}"),
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
	k->facts = (struct answer_facts){ .config = &config,
					  .function_name = B("tensorzero::default"),
					  .variant_name = B("m"),
					  .surface = B("chat"),
					  .request = k->request,
					  .call = &k->call,
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

	o.sync = 2;
	s = store_open(&o);
	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static void expect(const char *sql, const char *want)
{
	const char *got = db_text(dir, sql);

	if (strcmp(got, want))
		fail_msg("%s\ngot  %s\nwant %s", sql, got, want);
}

static void test_rows_of_an_answer_after_a_fallback(void **state)
{
	struct store *s = open_store();
	struct kept k;

	(void)state;
	make(&k);
	new_ids(&k);
	assert_int_equal(record_answer(s, &k.facts), 0);
	store_close(s);
	expect("SELECT input FROM ChatInference",
	       "{\"system\":\"be\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a \\\"b\\\"\"}]}]}");
	expect("SELECT output FROM ChatInference",
	       "[{\"type\":\"text\",\"text\":\"Hello \xc3\xa9\"},{\"type\":\"tool_call\",\"id\":\"c1\",\"raw_name\":\"f\",\"raw_arguments\":\"{\\\"a\\\":1}\",\"name\":\"f\",\"arguments\":{\"a\":1}}]");
	expect("SELECT output FROM ModelInference",
	       "[{\"type\":\"text\",\"text\":\"Hello \xc3\xa9\"},{\"type\":\"tool_call\",\"id\":\"c1\",\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}]");
	expect("SELECT raw_request||'|'||raw_response||'|'||system||'|'||input_tokens||'|'||output_tokens||'|'||response_time_ms||'|'||model_name||'|'||model_provider_name||'|'||finish_reason||'|'||provider_cache_read_input_tokens||'|'||provider_cache_write_input_tokens||'|'||attempt||'|'||http_status FROM ModelInference",
	       "{\"try\":2}|{\"raw\":1}|be|11|7|20|m|p1|tool_call|3|0|2|200");
	expect("SELECT signature FROM ModelInference",
	       "{\"signer\":\"s\",\"module_sha256\":\"ab\",\"abi\":\"wasm-bindgen\",\"nonce\":\"n\",\"timestamp\":\"17\",\"us\":5,\"headers\":[\"sign\"],\"head\":\"abcdefgh\",\"bytes\":9}");
	expect("SELECT spans FROM ModelInference",
	       "[{\"name\":\"prepare\",\"start_ms\":10,\"end_ms\":11},{\"name\":\"wait\",\"start_ms\":11,\"end_ms\":20},{\"name\":\"answer\",\"start_ms\":20,\"end_ms\":30}]");
	expect("SELECT state||'|'||status||'|'||surface||'|'||stream||'|'||cached||'|'||signed||'|'||attempts||'|'||estimated||'|'||tools||'|'||preview_in||'|'||preview_out||'|'||processing_time_ms||'|'||cut FROM InferenceById",
	       "ok|200|chat|0|0|1|2|0|1|a \"b\"|Hello \xc3\xa9|30|0");
	expect("SELECT attempts FROM RequestError",
	       "[{\"variant\":\"m\",\"model\":\"m\",\"provider\":\"p0\",\"why\":\"first\",\"delay_ms\":5,\"status\":503,\"error\":\"Error 503 \\\"busy\\\"\",\"signature\":null,\"raw_request\":\"{\\\"try\\\":1}\",\"raw_response\":\"busy \\n\"}]");
	expect("SELECT error FROM RequestError", "(null)");
	expect("SELECT group_concat(key||'='||value) FROM (SELECT key, value FROM TagInference ORDER BY key)",
	       "k=v,l=w");
}

static void test_rows_of_a_failure_that_came_to_no_call(void **state)
{
	struct store *s = open_store();
	struct kept k;

	(void)state;
	make(&k);
	new_ids(&k);
	k.facts.call = NULL;
	k.facts.result = NULL;
	k.facts.state = ANSWER_ERROR;
	k.facts.error = &refused;
	k.facts.status = 503;
	assert_int_equal(record_answer(s, &k.facts), 0);
	store_close(s);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 0);
	expect("SELECT state||'|'||status||'|'||error_kind||'|'||model_name||'|'||ifnull(model_provider_name,'none')||'|'||attempts||'|'||signed||'|'||ifnull(input_tokens,'none')||'|'||ifnull(finish_reason,'none')||'|'||processing_time_ms FROM InferenceById",
	       "error|503|overload|m|none|0|0|none|none|30");
	expect("SELECT error||'|'||attempts FROM RequestError", "Error 503 \"busy\"|[]");
}

static void test_bodies_over_the_cap_keep_their_ends(void **state)
{
	static char large[5000];
	struct store *s = open_store();
	struct kept k;

	(void)state;
	for (size_t i = 0; i < sizeof large; i++)
		large[i] = (char)('a' + i % 26);
	for (int over = 0; over < 2; over++) {
		make(&k);
		new_ids(&k);
		k.call.nfailed = 0;
		k.result.raw_response = (struct bytes){ large, 1024 + (size_t)over };
		assert_int_equal(record_answer(s, &k.facts), 0);
	}
	store_close(s);
	assert_int_equal(db_int(dir, "SELECT sum(cut) FROM InferenceById"), 1);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM ModelInference WHERE length(raw_response) = 1024"),
		1);
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM ModelInference WHERE raw_response LIKE '%xyzabcdefghijklmnopqr' || char(10) || '… 1 bytes cut …' || char(10) || 'tuvwxyz%'"),
		1);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM RequestError"), 0);
}

static void test_spans_that_make_no_sense_are_left_out(void **state)
{
	struct store *s = open_store();
	struct kept k;

	(void)state;
	make(&k);
	new_ids(&k);
	k.call.attempt.sent_ms = 0;
	k.call.attempt.signature.set = false;
	k.call.attempt.status = 0;
	k.result.usage.cache_read = k.result.usage.cache_write = -1;
	assert_int_equal(record_answer(s, &k.facts), 0);
	new_ids(&k);
	k.call.attempt.sent_ms = 1040; /* behind the head */
	assert_int_equal(record_answer(s, &k.facts), 0);
	new_ids(&k);
	k.call.started_ms = 1021; /* all but the end of it was before */
	assert_int_equal(record_answer(s, &k.facts), 0);
	store_close(s);
	expect("SELECT group_concat(spans, ' ') FROM (SELECT spans FROM ModelInference ORDER BY rowid)",
	       "[{\"name\":\"answer\",\"start_ms\":20,\"end_ms\":30}] "
	       "[{\"name\":\"prepare\",\"start_ms\":10,\"end_ms\":40},{\"name\":\"answer\",\"start_ms\":20,\"end_ms\":30}] []");
	assert_int_equal(
		db_int(dir,
		       "SELECT count(*) FROM ModelInference WHERE signature IS NULL AND http_status IS NULL AND provider_cache_read_input_tokens IS NULL AND provider_cache_write_input_tokens IS NULL"),
		3);
}

#ifdef SIGNET_FAULTS
static void test_each_failing_allocation_leaves_a_whole_record_or_none(void **state)
{
	struct store *s = open_store();
	struct store_status status;
	struct kept k;
	unsigned n = 1, built = 0, refused_ones = 0;

	(void)state;
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
		T(test_rows_of_an_answer_after_a_fallback),
		T(test_rows_of_a_failure_that_came_to_no_call),
		T(test_bodies_over_the_cap_keep_their_ends),
		T(test_spans_that_make_no_sense_are_left_out),
#ifdef SIGNET_FAULTS
		T(test_each_failing_allocation_leaves_a_whole_record_or_none),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
