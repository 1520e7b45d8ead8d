/*
 * Rows as route/record.c makes them of a finished request, read back from signet.db whole: with tools, a stream, failed
 * attempts, a signature; failed; cancelled half way; without anything that can be left out.
 */
#include "store_rows.h"

#include "base/error.h"
#include "route/record.h"

static char dir[256];
static struct store *store;
static struct config config = { .max_raw_kib = 1, .hash_decimal = FULL_HASH };
static struct model_config model = { .name = B("mm") };
static struct provider_config provider = { .name = B("pp") }, before = { .name = B("old") };

static int setup(void **state)
{
	struct store_options o;

	(void)state;
	temp_dir(dir, sizeof(dir));
	o = test_options(dir);
	store = store_open(&o);
	assert_non_null(store);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	store_close(store);
	remove_tree(dir);
	return 0;
}

static struct uuid id_of(const char *text)
{
	struct uuid u;

	assert_true(uuid_parse(bytes_of(text), &u));
	return u;
}

static const char *dump(const char *sql)
{
	return db_dump(dir, sql);
}

/* What all of them share; each test changes what it is about. */
struct facts {
	struct block asked[1], said[3];
	struct message messages[1];
	struct envelope envelope;
	struct result result;
	struct model_call call;
	struct recorded_call calls[2];
	struct answer_facts f;
};

static void plain(struct facts *x)
{
	*x = (struct facts){
		.asked = { { .type = BLOCK_TEXT, .text = B("Say \"hi\"\n") } },
		.said = { { .type = BLOCK_TEXT, .text = B("Hi!") } },
		.messages = { { .role = ROLE_USER, .content = x->asked, .len = 1 } },
	};
	x->envelope.inf = (struct inference){ .messages = x->messages, .nmessages = 1 };
	x->result = (struct result){ .content = x->said,
				     .len = 1,
				     .usage = { 7, 2, USAGE_UNKNOWN, USAGE_UNKNOWN, USAGE_UNKNOWN,
						USAGE_UNKNOWN, false },
				     .finish = FINISH_STOP,
				     .raw_response = B("{\"answer\":1}"),
				     .response_ms = 31 };
	x->call = (struct model_call){ .model = &model,
				       .provider = &provider,
				       .inf = x->envelope.inf,
				       .attempt = { .raw_request = B("{\"ask\":1}"),
						    .status = 200,
						    .started_ms = 1000,
						    .sent_ms = 1010,
						    .head_ms = 1030,
						    .end_ms = 1060 },
				       .started_ms = 1000 };
	x->call.inf.id = id_of("0197c0de-1235-7abc-8def-000000000002");
	x->calls[0] = (struct recorded_call){ &x->call, &x->result };
	x->f = (struct answer_facts){
		.config = &config,
		.inference_id = id_of(FULL_ID),
		.episode_id = id_of("0197c0de-1234-7abc-8def-0000000000e1"),
		.function_name = B("tensorzero::default"),
		.variant_name = B("mm"),
		.surface = B("chat"),
		.request = &x->envelope,
		.calls = x->calls,
		.ncalls = 1,
		.result = &x->result,
		.state = ANSWER_OK,
		.status = 200,
		.processing_ms = 44,
		.ttft_ms = -1,
	};
}

/* Records it and ends the store, so that all of it is in the tables. */
static void record(struct facts *x)
{
	assert_int_equal(record_answer(store, &x->f), 0);
	assert_int_equal(store_close(store), 0);
	store = NULL;
}

static void test_a_plain_answer(void **state)
{
	struct facts x;

	(void)state;
	plain(&x);
	record(&x);
	assert_string_equal(
		dump("SELECT * FROM InferenceById"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=2 state='ok' status=200 error_kind=null surface='chat' stream=0 cached=0 signed=0 cut=0 model_name='mm' model_provider_name='pp' key_public_id=null attempts=1 input_tokens=7 output_tokens=2 estimated=0 cost_nano=null processing_time_ms=44 ttft_ms=null finish_reason='stop' tools=0 preview_in='Say \"hi\"' preview_out='Hi!' timestamp=1751287468596\n");
	assert_string_equal(
		dump("SELECT * FROM ChatInference"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' input='{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Say \\\"hi\\\"\\n\"}]}]}' output='[{\"type\":\"text\",\"text\":\"Hi!\"}]' tool_params='' inference_params='{\"chat_completion\":{}}' processing_time_ms=44 tags='{}' extra_body='[]' ttft_ms=null dynamic_tools='[]' dynamic_provider_tools='[]' allowed_tools=null tool_choice=null parallel_tool_calls=null snapshot_hash=2 timestamp=1751287468596\n");
	assert_string_equal(
		dump("SELECT * FROM ModelInference"),
		"seq=57386187771008481 id='0197c0de-1235-7abc-8def-000000000002' inference_id='0197c0de-1234-7abc-8def-000000000001' raw_request='{\"ask\":1}' raw_response='{\"answer\":1}' model_name='mm' model_provider_name='pp' input_tokens=7 output_tokens=2 response_time_ms=31 ttft_ms=null system=null input_messages='[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Say \\\"hi\\\"\\n\"}]}]' output='[{\"type\":\"text\",\"text\":\"Hi!\"}]' cached=0 finish_reason='stop' snapshot_hash=2 cost_nano=null provider_cache_read_input_tokens=null provider_cache_write_input_tokens=null function_name='tensorzero::default' variant_name='mm' attempt=1 http_status=200 signature=null spans='[{\"name\":\"prepare\",\"start_ms\":0,\"end_ms\":10},{\"name\":\"wait\",\"start_ms\":10,\"end_ms\":30},{\"name\":\"answer\",\"start_ms\":30,\"end_ms\":60}]' other_choices=null provider_cache_write_1h_input_tokens=null reasoning_tokens=null price=null timestamp=1751287468597\n");
	assert_string_equal(dump("SELECT * FROM RequestError"), "");
	assert_string_equal(dump("SELECT * FROM TagInference"), "");
}

static void test_a_streamed_answer_with_tools_read_back_whole(void **state)
{
	static struct tool tools[] = {
		{ .name = B("weather"),
		  .description = B("of a \"place\""),
		  .described = true,
		  .parameters = B(
			  "{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\"}},\"required\":[\"at\"]}"),
		  .strict = true }
	};
	static struct bytes allowed[] = { B("weather") };
	static struct provider_tool own[] = { { .tool = B("{\"type\":\"search\"}") } };
	struct tool_config t = { .tools = tools,
				 .len = 1,
				 .provider_tools = own,
				 .nprovider_tools = 1,
				 .choice = TOOL_CHOICE_SPECIFIC,
				 .specific = B("weather"),
				 .parallel = 0,
				 .allowed = allowed,
				 .nallowed = 1,
				 .allowed_explicit = true };
	struct tag tags[] = { { B("user"), B("7") }, { B("a\"b"), B("\xc3\xa9") } };
	struct extra extra = { .pointer = B("/seed"), .value = B("5") };
	struct error failure = { .kind = ERR_INFERENCE_SERVER, .message = B("boom") };
	struct failed_attempt failed = { .provider = &before,
					 .attempt = { .raw_request = B("{\"ask\":0}"),
						      .raw_response = B("no \xff bytes"),
						      .status = 500,
						      .started_ms = 1003 },
					 .error = &failure };
	struct facts x;

	(void)state;
	plain(&x);
	x.envelope.inf.tools = &t;
	x.envelope.inf.stream = x.envelope.stream = true;
	x.envelope.inf.system = B("be kind");
	x.envelope.inf.extra_body = (struct extras){ &extra, 1, 1 };
	x.envelope.inf.params[PARAM_TEMPERATURE] = B("0.5");
	x.said[1] = (struct block){ .type = BLOCK_TOOL_CALL,
				    .id = B("call_1"),
				    .name = B("weather"),
				    .arguments = B("{\"at\":\"sea\"}") };
	x.said[2] = (struct block){ .type = BLOCK_TOOL_CALL,
				    .id = B("call_2"),
				    .name = B("weather"),
				    .arguments = B("{\"at\":5}") };
	x.result.len = 3;
	x.result.finish = FINISH_TOOL_CALL;
	x.result.usage = (struct usage){ 70, 20, 30, 0, USAGE_UNKNOWN, 5, true };
	x.result.ttft_ms = 11;
	x.call.inf.tools = &t;
	x.call.inf.stream = true;
	x.call.inf.system = B("be kind");
	x.call.failed = &failed;
	x.call.nfailed = 1;
	x.call.attempt.signature = (struct sign_facts){ .set = true,
							.signer = B("models.mm.providers.pp"),
							.module_sha256 = B("ab12"),
							.abi = B("1"),
							.nonce = B("n"),
							.timestamp = B("t"),
							.headers = B("[\"x-sign\"]"),
							.head = B("he"),
							.us = 77,
							.bytes = 88 };
	x.envelope.tags = tags;
	x.envelope.ntags = 2;
	x.f.ttft_ms = 12;
	record(&x);
	assert_string_equal(
		dump("SELECT * FROM InferenceById"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=2 state='ok' status=200 error_kind=null surface='chat' stream=1 cached=0 signed=1 cut=0 model_name='mm' model_provider_name='pp' key_public_id=null attempts=2 input_tokens=70 output_tokens=20 estimated=1 cost_nano=null processing_time_ms=44 ttft_ms=12 finish_reason='tool_call' tools=2 preview_in='Say \"hi\"' preview_out='Hi!' timestamp=1751287468596\n");
	assert_string_equal(
		dump("SELECT * FROM ChatInference"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' input='{\"system\":\"be kind\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Say \\\"hi\\\"\\n\"}]}]}' output='[{\"type\":\"text\",\"text\":\"Hi!\"},{\"type\":\"tool_call\",\"id\":\"call_1\",\"raw_name\":\"weather\",\"raw_arguments\":\"{\\\"at\\\":\\\"sea\\\"}\",\"name\":\"weather\",\"arguments\":{\"at\":\"sea\"}},{\"type\":\"tool_call\",\"id\":\"call_2\",\"raw_name\":\"weather\",\"raw_arguments\":\"{\\\"at\\\":5}\",\"name\":\"weather\",\"arguments\":null}]' tool_params='{\"tools_available\":[{\"description\":\"of a \\\"place\\\"\",\"parameters\":{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\"}},\"required\":[\"at\"]},\"name\":\"weather\",\"strict\":true}],\"tool_choice\":{\"specific\":\"weather\"},\"parallel_tool_calls\":false}' inference_params='{\"chat_completion\":{\"temperature\":0.5}}' processing_time_ms=44 tags='{\"user\":\"7\",\"a\\\"b\":\"\303\251\"}' extra_body='[{\"pointer\":\"/seed\",\"value\":5}]' ttft_ms=12 dynamic_tools='[{\"type\":\"function\",\"description\":\"of a \\\"place\\\"\",\"parameters\":{\"type\":\"object\",\"properties\":{\"at\":{\"type\":\"string\"}},\"required\":[\"at\"]},\"name\":\"weather\",\"strict\":true}]' dynamic_provider_tools='[{\"scope\":null,\"tool\":{\"type\":\"search\"}}]' allowed_tools='{\"tools\":[\"weather\"],\"choice\":\"explicit\"}' tool_choice='{\"specific\":\"weather\"}' parallel_tool_calls=0 snapshot_hash=2 timestamp=1751287468596\n");
	assert_string_equal(
		dump("SELECT * FROM ModelInference"),
		"seq=57386187771008481 id='0197c0de-1235-7abc-8def-000000000002' inference_id='0197c0de-1234-7abc-8def-000000000001' raw_request='{\"ask\":1}' raw_response='{\"answer\":1}' model_name='mm' model_provider_name='pp' input_tokens=70 output_tokens=20 response_time_ms=31 ttft_ms=11 system='be kind' input_messages='[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Say \\\"hi\\\"\\n\"}]}]' output='[{\"type\":\"text\",\"text\":\"Hi!\"},{\"type\":\"tool_call\",\"id\":\"call_1\",\"name\":\"weather\",\"arguments\":\"{\\\"at\\\":\\\"sea\\\"}\"},{\"type\":\"tool_call\",\"id\":\"call_2\",\"name\":\"weather\",\"arguments\":\"{\\\"at\\\":5}\"}]' cached=0 finish_reason='tool_call' snapshot_hash=2 cost_nano=null provider_cache_read_input_tokens=30 provider_cache_write_input_tokens=0 function_name='tensorzero::default' variant_name='mm' attempt=2 http_status=200 signature='{\"signer\":\"models.mm.providers.pp\",\"module_sha256\":\"ab12\",\"abi\":\"1\",\"nonce\":\"n\",\"timestamp\":\"t\",\"us\":77,\"headers\":[\"x-sign\"],\"head\":\"he\",\"bytes\":88}' spans='[{\"name\":\"prepare\",\"start_ms\":0,\"end_ms\":10},{\"name\":\"wait\",\"start_ms\":10,\"end_ms\":30},{\"name\":\"answer\",\"start_ms\":30,\"end_ms\":60}]' other_choices=null provider_cache_write_1h_input_tokens=null reasoning_tokens=5 price=null timestamp=1751287468597\n");
	assert_string_equal(
		dump("SELECT * FROM RequestError"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' error=null attempts='[{\"variant\":\"mm\",\"model\":\"mm\",\"provider\":\"old\",\"why\":\"first\",\"delay_ms\":3,\"status\":500,\"error\":\"boom\",\"signature\":null,\"raw_request\":\"{\\\"ask\\\":0}\",\"raw_response\":\"no \377 bytes\"}]' timestamp=1751287468596\n");
	assert_string_equal(dump("SELECT key, value FROM TagInference ORDER BY key"),
			    "key='a\"b' value='\303\251'\n"
			    "key='user' value='7'\n");
	assert_string_equal(
		dump("SELECT config, hash FROM ConfigSnapshot ORDER BY n"),
		"config='[gateway]\n"
		"' hash='111577600112233445566778899001122334455667788990011223344556677889900776'\n"
		"config='' hash='123456789012345678901234567890123456789012345678901234567890123456789012345678'\n");
}

static void test_a_failed_request(void **state)
{
	struct error one = { .kind = ERR_INFERENCE_SERVER,
			     .upstream_status = 503,
			     .message = B("busy") };
	struct error two = { .kind = ERR_PROVIDER_TIMEOUT, .message = B("too \"late\"") };
	struct error all = { .kind = ERR_ALL_PROVIDERS_FAILED, .message = B("all failed") };
	struct failed_attempt failed[] = {
		{ .provider = &before,
		  .attempt = { .raw_request = B("{}"),
			       .status = 503,
			       .started_ms = 1000,
			       .raw_response = B("b") },
		  .error = &one },
		{ .provider = &provider, .attempt = { .started_ms = 1250 }, .error = &two },
	};
	struct facts x;

	(void)state;
	plain(&x);
	x.call.failed = failed;
	x.call.nfailed = 2;
	x.f.result = x.calls[0].result = NULL;
	x.f.error = &all;
	x.f.state = ANSWER_ERROR;
	x.f.status = 502;
	record(&x);
	assert_string_equal(
		dump("SELECT * FROM InferenceById"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=2 state='error' status=502 error_kind='internal' surface='chat' stream=0 cached=0 signed=0 cut=0 model_name='mm' model_provider_name='pp' key_public_id=null attempts=2 input_tokens=null output_tokens=null estimated=0 cost_nano=null processing_time_ms=44 ttft_ms=null finish_reason=null tools=0 preview_in='Say \"hi\"' preview_out='' timestamp=1751287468596\n");
	assert_string_equal(dump("SELECT * FROM ChatInference"), "");
	assert_string_equal(dump("SELECT * FROM ModelInference"), "");
	assert_string_equal(
		dump("SELECT * FROM RequestError"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' error='all failed' attempts='[{\"variant\":\"mm\",\"model\":\"mm\",\"provider\":\"old\",\"why\":\"first\",\"delay_ms\":0,\"status\":503,\"error\":\"busy\",\"signature\":null,\"raw_request\":\"{}\",\"raw_response\":\"b\"},{\"variant\":\"mm\",\"model\":\"mm\",\"provider\":\"pp\",\"why\":\"fallback\",\"delay_ms\":250,\"status\":null,\"error\":\"too \\\"late\\\"\",\"signature\":null,\"raw_request\":\"\",\"raw_response\":\"\"}]' timestamp=1751287468596\n");
}

/* Two models were asked one after the other, and the first one's answer was not what the client got. */
static void test_several_calls_of_one_request(void **state)
{
	struct error failure = { .kind = ERR_INFERENCE_SERVER, .message = B("boom") };
	struct failed_attempt failed = { .provider = &before,
					 .attempt = { .status = 500, .started_ms = 1100 },
					 .error = &failure };
	struct block draft[1] = { { .type = BLOCK_TEXT, .text = B("draft") } };
	struct message again[1] = { { .role = ROLE_USER, .content = draft, .len = 1 } };
	struct model_config judge = { .name = B("judge") };
	struct model_call last;
	struct result first;
	struct facts x;

	(void)state;
	plain(&x);
	first = x.result;
	first.content = draft;
	last = x.call;
	last.model = &judge;
	last.inf.id = id_of("0197c0de-1236-7abc-8def-000000000003");
	last.inf.messages = again;
	last.failed = &failed;
	last.nfailed = 1;
	x.calls[0].result = &first;
	x.calls[1] = (struct recorded_call){ &last, &x.result };
	x.f.ncalls = 2;
	record(&x);
	assert_string_equal(dump("SELECT model_name, attempts, preview_out FROM InferenceById"),
			    "model_name='judge' attempts=3 preview_out='Hi!'\n");
	assert_string_equal(dump("SELECT output FROM ChatInference"),
			    "output='[{\"type\":\"text\",\"text\":\"Hi!\"}]'\n");
	assert_string_equal(
		dump("SELECT id, inference_id, model_name, attempt, input_messages, output FROM ModelInference ORDER BY seq"),
		"id='0197c0de-1235-7abc-8def-000000000002' inference_id='0197c0de-1234-7abc-8def-000000000001' model_name='mm' attempt=1 input_messages='[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Say \\\"hi\\\"\\n"
		"\"}]}]' output='[{\"type\":\"text\",\"text\":\"draft\"}]'\n"
		"id='0197c0de-1236-7abc-8def-000000000003' inference_id='0197c0de-1234-7abc-8def-000000000001' model_name='judge' attempt=3 input_messages='[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"draft\"}]}]' output='[{\"type\":\"text\",\"text\":\"Hi!\"}]'\n");
	assert_string_equal(
		dump("SELECT attempts FROM RequestError"),
		"attempts='[{\"variant\":\"mm\",\"model\":\"judge\",\"provider\":\"old\",\"why\":\"fallback\",\"delay_ms\":100,\"status\":500,\"error\":\"boom\",\"signature\":null,\"raw_request\":\"\",\"raw_response\":\"\"}]'\n");
}

/* The client left: what there is of the answer is kept, and that no error is known. */
static void test_a_cancelled_stream(void **state)
{
	struct facts x;

	(void)state;
	plain(&x);
	x.envelope.inf.stream = x.call.inf.stream = true;
	x.result.finish = FINISH_UNSET;
	x.result.usage.output_tokens = USAGE_UNKNOWN;
	x.f.state = ANSWER_CANCELLED;
	x.f.raw_cut = true;
	record(&x);
	assert_string_equal(
		dump("SELECT state, stream, cut, ttft_ms, output_tokens, finish_reason, attempts, preview_out FROM InferenceById"),
		"state='cancelled' stream=1 cut=1 ttft_ms=null output_tokens=null finish_reason=null attempts=1 preview_out='Hi!'\n");
	assert_string_equal(dump("SELECT output, ttft_ms FROM ChatInference"),
			    "output='[{\"type\":\"text\",\"text\":\"Hi!\"}]' ttft_ms=null\n");
	assert_string_equal(
		dump("SELECT ttft_ms, finish_reason, input_tokens, output_tokens FROM ModelInference"),
		"ttft_ms=0 finish_reason=null input_tokens=7 output_tokens=null\n");
	assert_string_equal(dump("SELECT id, error, attempts FROM RequestError"),
			    "id='0197c0de-1234-7abc-8def-000000000001' error=null attempts='[]'\n");
}

/* It came to no model call: there is a list row and an error row, and they say so. */
static void test_a_request_without_a_call(void **state)
{
	struct error e = { .kind = ERR_API_KEY_MISSING, .message = B("no key") };
	struct facts x;

	(void)state;
	plain(&x);
	x.f.ncalls = 0;
	x.f.result = x.calls[0].result = NULL;
	x.f.error = &e;
	x.f.state = ANSWER_ERROR;
	x.f.status = 400;
	record(&x);
	assert_string_equal(
		dump("SELECT * FROM InferenceById"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='tensorzero::default' variant_name='mm' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=2 state='error' status=400 error_kind='auth' surface='chat' stream=0 cached=0 signed=0 cut=0 model_name='mm' model_provider_name=null key_public_id=null attempts=0 input_tokens=null output_tokens=null estimated=0 cost_nano=null processing_time_ms=44 ttft_ms=null finish_reason=null tools=0 preview_in='Say \"hi\"' preview_out='' timestamp=1751287468596\n");
	assert_string_equal(
		dump("SELECT * FROM RequestError"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' error='no key' attempts='[]' timestamp=1751287468596\n");
}

/* A body over the cap loses its middle, at whole characters, and the row says how much. */
static void test_a_long_body_keeps_both_ends(void **state)
{
	static char body[3000];
	struct facts x;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(body); i += 2)
		memcpy(body + i, "\xc3\xa9", 2);
	body[0] = body[sizeof(body) - 1] = '"';
	body[1] = 'a';
	plain(&x);
	x.call.attempt.raw_request = (struct bytes){ body, sizeof(body) - 1 };
	memcpy(body + sizeof(body) - 2, "zz", 2);
	x.result.raw_response = (struct bytes){ body, 1024 };
	record(&x);
	assert_int_equal(db_int(dir, "SELECT cut FROM InferenceById"), 1);
	assert_string_equal(
		dump("SELECT substr(raw_request, 1, 3) AS head, instr(raw_request, char(10)) AS at, substr(raw_request, instr(raw_request, char(10)), 22) AS gap, length(CAST(raw_request AS BLOB)) AS n, substr(raw_request, -2) AS tail, raw_request GLOB '*' || char(65533) || '*' AS broken, length(CAST(raw_response AS BLOB)) AS whole FROM ModelInference"),
		"head='\"a\303\251' at=258 gap='\n"
		"\342\200\246 1976 bytes cut \342\200\246\n"
		"\303\251\303\251' n=1047 tail='\303\251z' broken=0 whole=1024\n");
}

/* What is no UTF-8 cannot stand beside its row; it is in it, byte for byte. */
static void test_bytes_that_are_no_text(void **state)
{
	struct facts x;

	(void)state;
	plain(&x);
	x.call.attempt.raw_request = B("ask \xff\"");
	x.result.raw_response = B("\xc3(");
	x.call.inf.system = B("sys\xfe\n");
	record(&x);
	assert_string_equal(
		dump("SELECT hex(raw_request) AS q, hex(raw_response) AS a, hex(system) AS s FROM ModelInference"),
		"q='61736B20FF22' a='C328' s='737973FE0A'\n");
}

/* An answer that turned into an error has no rows of its own, but the list says what is known of it. */
static void test_an_error_after_an_answer(void **state)
{
	struct error e = { .kind = ERR_OUT_OF_MEMORY, .message = B("no room") };
	struct facts x;

	(void)state;
	plain(&x);
	x.f.state = ANSWER_ERROR;
	x.f.error = &e;
	record(&x);
	assert_string_equal(
		dump("SELECT state, model_name, model_provider_name, input_tokens, output_tokens, finish_reason, attempts, preview_out FROM InferenceById"),
		"state='error' model_name='mm' model_provider_name='pp' input_tokens=7 output_tokens=2 finish_reason='stop' attempts=1 preview_out='Hi!'\n");
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM RequestError"), 1);
}

/* Times that were not reached, or run backwards, are no spans. */
static void test_spans_of_what_was_reached(void **state)
{
	struct facts x;

	(void)state;
	plain(&x);
	x.call.started_ms = 900;
	x.call.attempt.head_ms = 0;
	x.call.attempt.end_ms = 0;
	x.call.attempt.status = 0;
	record(&x);
	assert_string_equal(
		dump("SELECT spans, http_status FROM ModelInference"),
		"spans='[{\"name\":\"prepare\",\"start_ms\":100,\"end_ms\":110}]' http_status=null\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_a_plain_answer),
		T(test_a_streamed_answer_with_tools_read_back_whole),
		T(test_a_failed_request),
		T(test_several_calls_of_one_request),
		T(test_a_cancelled_stream),
		T(test_a_request_without_a_call),
		T(test_a_long_body_keeps_both_ends),
		T(test_bytes_that_are_no_text),
		T(test_an_error_after_an_answer),
		T(test_spans_of_what_was_reached),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
