/*
 * What stands in signet.db, compared whole: every table's shape, and every column of every row after the sink.
 * A column that is bound one place too far, a null that became 0, a count that went to its neighbour shows here.
 */
#include "store_dir.h"

#include <stdatomic.h>

#include "base/metrics.h"
#include "store/journal.h"

static struct store *open_store(void)
{
	struct store_options o = test_options(dir);
	struct store *s = store_open(&o);

	if (!s)
		fail_msg("%.*s", BFMT(error_last()->message));
	return s;
}

static void append(struct store *s, struct record *r)
{
	assert_int_equal(store_append(s, r), 0);
	record_deinit(r);
}

/* ---- every column ---- */

static void append_full(struct store *s)
{
	struct record r;

	make_full_record(&r);
	append(s, &r);
}

/* Only what must be there. */
static void append_bare(struct store *s)
{
	struct record r;

	record_init(&r);
	add_row(&r, ROW_CHAT_INFERENCE,
		"{\"id\":\"0197c0de-2234-7abc-8def-000000000001\",\"function_name\":\"g\",\"variant_name\":\"w\",\"episode_id\":\"0197c0de-2234-7abc-8def-0000000000e1\",\"input\":{},\"output\":[]}");
	add_row(&r, ROW_INFERENCE_BY_ID, "{\"id\":\"0197c0de-2234-7abc-8def-000000000001\"}");
	append(s, &r);
	record_init(&r); /* a list row that says everything itself */
	add_row(&r, ROW_INFERENCE_BY_ID,
		"{\"id\":\"0197c0de-2235-7abc-8def-000000000001\",\"function_name\":\"h\",\"variant_name\":\"x\",\"episode_id\":\"0197c0de-2235-7abc-8def-0000000000e1\",\"function_type\":\"json\",\"snapshot_hash\":\"" ROWS_HASH
		"\",\"state\":\"error\",\"status\":502,\"error_kind\":\"server\",\"surface\":\"openai\",\"stream\":false,\"cached\":false,\"signed\":false,\"model_name\":\"m3\",\"model_provider_name\":\"p3\",\"key_public_id\":\"key8\",\"attempts\":0,\"input_tokens\":401,\"output_tokens\":402,\"estimated\":false,\"cost_nano\":403,\"processing_time_ms\":404,\"ttft_ms\":405,\"finish_reason\":\"stop\",\"tools\":0,\"preview_in\":\"i\",\"preview_out\":\"\"}");
	append(s, &r);
	record_init(&r);
	add_row(&r, ROW_INFERENCE_BY_ID, "{\"id\":\"0197c0de-2236-7abc-8def-000000000001\"}");
	add_row(&r, ROW_REQUEST_ERROR, "{\"id\":\"0197c0de-2236-7abc-8def-000000000001\"}");
	append(s, &r);
}

static void test_every_column_of_every_table(void **state)
{
	struct store *s = open_store();

	(void)state;
	append_full(s);
	append_bare(s);
	assert_int_equal(store_close(s), 0);
	assert_string_equal(
		db_dump(dir, "SELECT * FROM InferenceById ORDER BY seq"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=2 state='truncated' status=299 error_kind='timeout' surface='chat' stream=1 cached=1 signed=1 cut=1 model_name='m1' model_provider_name='p1' key_public_id='key7' attempts=3 input_tokens=201 output_tokens=202 estimated=1 cost_nano=null processing_time_ms=101 ttft_ms=301 finish_reason='length' tools=302 preview_in='in?' preview_out='out!' timestamp=1751287468596\n"
		"seq=57386187905193441 id='0197c0de-2234-7abc-8def-000000000001' function_name='g' variant_name='w' episode_id='0197c0de-2234-7abc-8def-0000000000e1' function_type='chat' snapshot_hash=null state='ok' status=null error_kind=null surface=null stream=null cached=null signed=null cut=0 model_name=null model_provider_name=null key_public_id=null attempts=null input_tokens=null output_tokens=null estimated=null cost_nano=null processing_time_ms=null ttft_ms=null finish_reason=null tools=null preview_in=null preview_out=null timestamp=1751287472692\n"
		"seq=57386187905226209 id='0197c0de-2235-7abc-8def-000000000001' function_name='h' variant_name='x' episode_id='0197c0de-2235-7abc-8def-0000000000e1' function_type='json' snapshot_hash=1 state='error' status=502 error_kind='server' surface='openai' stream=0 cached=0 signed=0 cut=0 model_name='m3' model_provider_name='p3' key_public_id='key8' attempts=0 input_tokens=401 output_tokens=402 estimated=0 cost_nano=403 processing_time_ms=404 ttft_ms=405 finish_reason='stop' tools=0 preview_in='i' preview_out='' timestamp=1751287472693\n"
		"seq=57386187905258977 id='0197c0de-2236-7abc-8def-000000000001' function_name='' variant_name='' episode_id=null function_type='chat' snapshot_hash=null state='ok' status=null error_kind=null surface=null stream=null cached=null signed=null cut=0 model_name=null model_provider_name=null key_public_id=null attempts=null input_tokens=null output_tokens=null estimated=null cost_nano=null processing_time_ms=null ttft_ms=null finish_reason=null tools=null preview_in=null preview_out=null timestamp=1751287472694\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM ChatInference ORDER BY seq"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' episode_id='0197c0de-1234-7abc-8def-0000000000e1' input='{\"messages\":[1]}' output='[{\"type\":\"text\"}]' tool_params='{\"tp\":1}' inference_params='{\"chat_completion\":{\"seed\":1}}' processing_time_ms=101 tags='{\"k1\":\"v1\",\"k2\":\"\\u00e9\"}' extra_body='[{\"e\":1}]' ttft_ms=102 dynamic_tools='[\"dt\"]' dynamic_provider_tools='[\"dpt\"]' allowed_tools='{\"tools\":[\"at\"]}' tool_choice='auto' parallel_tool_calls=1 snapshot_hash=2 timestamp=1751287468596\n"
		"seq=57386187905193441 id='0197c0de-2234-7abc-8def-000000000001' function_name='g' variant_name='w' episode_id='0197c0de-2234-7abc-8def-0000000000e1' input='{}' output='[]' tool_params='' inference_params='' processing_time_ms=null tags='{}' extra_body=null ttft_ms=null dynamic_tools='[]' dynamic_provider_tools='[]' allowed_tools=null tool_choice=null parallel_tool_calls=null snapshot_hash=null timestamp=1751287472692\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM ModelInference ORDER BY seq"),
		"seq=57386187771008481 id='0197c0de-1235-7abc-8def-000000000002' inference_id='0197c0de-1234-7abc-8def-000000000001' raw_request='{\"q\":1}' raw_response='{\"a\":1}' model_name='m1' model_provider_name='p1' input_tokens=201 output_tokens=202 response_time_ms=203 ttft_ms=204 system='be \"kind\"' input_messages='[1]' output='[2]' cached=1 finish_reason='length' snapshot_hash=2 cost_nano=205 provider_cache_read_input_tokens=206 provider_cache_write_input_tokens=207 function_name='f' variant_name='v' attempt=1 http_status=298 signature='{\"signer\":\"s\"}' spans='[{\"name\":\"wait\"}]' other_choices=null provider_cache_write_1h_input_tokens=null reasoning_tokens=null price=null timestamp=1751287468597\n"
		"seq=57386187771041249 id='0197c0de-1236-7abc-8def-000000000003' inference_id='0197c0de-1234-7abc-8def-000000000001' raw_request='q2' raw_response='a2' model_name='m2' model_provider_name='p2' input_tokens=null output_tokens=null response_time_ms=null ttft_ms=null system=null input_messages='[3]' output='[4]' cached=0 finish_reason=null snapshot_hash=null cost_nano=null provider_cache_read_input_tokens=null provider_cache_write_input_tokens=null function_name='' variant_name='' attempt=2 http_status=null signature=null spans=null other_choices=null provider_cache_write_1h_input_tokens=null reasoning_tokens=null price=null timestamp=1751287468598\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM RequestError ORDER BY seq"),
		"seq=57386187770975713 id='0197c0de-1234-7abc-8def-000000000001' error='why' attempts='[{\"model\":\"m\"}]' timestamp=1751287468596\n"
		"seq=57386187905258977 id='0197c0de-2236-7abc-8def-000000000001' error=null attempts='[]' timestamp=1751287472694\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM TagInference ORDER BY key"),
		"key='k1' value='v1' seq=57386187770975713 inference_id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat'\n"
		"key='k2' value='\303\251' seq=57386187770975713 inference_id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' episode_id='0197c0de-1234-7abc-8def-0000000000e1' function_type='chat'\n");
	assert_string_equal(
		db_dump(dir,
			"SELECT n, config, extra_templates, hash, tensorzero_version, created_at > 0, last_used >= created_at, tags FROM ConfigSnapshot ORDER BY n"),
		"n=1 config='[gateway]\n"
		"' extra_templates='{}' hash='111577600112233445566778899001122334455667788990011223344556677889900776' tensorzero_version='2026.6.0' created_at > 0=1 last_used >= created_at=1 tags='{}'\n"
		"n=2 config='' extra_templates='{}' hash='123456789012345678901234567890123456789012345678901234567890123456789012345678' tensorzero_version='2026.6.0' created_at > 0=1 last_used >= created_at=1 tags='{}'\n");
	assert_string_equal(db_dump(dir, "SELECT * FROM Delivered"), "sink='sqlite' recno=5\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM inferences ORDER BY time"),
		"id='0197c0de-1234-7abc-8def-000000000001' time='2025-06-30T12:44:28.596Z' state='truncated' status=299 error_kind='timeout' function_name='f' variant_name='v' model_name='m1' model_provider_name='p1' surface='chat' stream=1 cached=1 signed=1 attempts=3 processing_time_ms=101 ttft_ms=301 input_tokens=201 output_tokens=202 estimated=1 cost=null finish_reason='length' key_public_id='key7' episode_id='0197c0de-1234-7abc-8def-0000000000e1' snapshot_hash='123456789012345678901234567890123456789012345678901234567890123456789012345678' tags='{\"k1\":\"v1\",\"k2\":\"\\u00e9\"}' input='{\"messages\":[1]}' output='[{\"type\":\"text\"}]' inference_params='{\"chat_completion\":{\"seed\":1}}' error='why'\n"
		"id='0197c0de-2234-7abc-8def-000000000001' time='2025-06-30T12:44:32.692Z' state='ok' status=null error_kind=null function_name='g' variant_name='w' model_name=null model_provider_name=null surface=null stream=null cached=null signed=null attempts=null processing_time_ms=null ttft_ms=null input_tokens=null output_tokens=null estimated=null cost=null finish_reason=null key_public_id=null episode_id='0197c0de-2234-7abc-8def-0000000000e1' snapshot_hash=null tags='{}' input='{}' output='[]' inference_params='' error=null\n"
		"id='0197c0de-2235-7abc-8def-000000000001' time='2025-06-30T12:44:32.693Z' state='error' status=502 error_kind='server' function_name='h' variant_name='x' model_name='m3' model_provider_name='p3' surface='openai' stream=0 cached=0 signed=0 attempts=0 processing_time_ms=404 ttft_ms=405 input_tokens=401 output_tokens=402 estimated=0 cost=4.03e-07 finish_reason='stop' key_public_id='key8' episode_id='0197c0de-2235-7abc-8def-0000000000e1' snapshot_hash='111577600112233445566778899001122334455667788990011223344556677889900776' tags=null input=null output=null inference_params=null error=null\n"
		"id='0197c0de-2236-7abc-8def-000000000001' time='2025-06-30T12:44:32.694Z' state='ok' status=null error_kind=null function_name='' variant_name='' model_name=null model_provider_name=null surface=null stream=null cached=null signed=null attempts=null processing_time_ms=null ttft_ms=null input_tokens=null output_tokens=null estimated=null cost=null finish_reason=null key_public_id=null episode_id=null snapshot_hash=null tags=null input=null output=null inference_params=null error=null\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM model_inferences ORDER BY time"),
		"id='0197c0de-1235-7abc-8def-000000000002' time='2025-06-30T12:44:28.597Z' inference_id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' model_name='m1' model_provider_name='p1' input_tokens=201 output_tokens=202 response_time_ms=203 ttft_ms=204 cached=1 finish_reason='length' cost=2.05e-07 attempt=1 http_status=298 snapshot_hash='123456789012345678901234567890123456789012345678901234567890123456789012345678' system='be \"kind\"' input_messages='[1]' output='[2]' raw_request='{\"q\":1}' raw_response='{\"a\":1}'\n"
		"id='0197c0de-1236-7abc-8def-000000000003' time='2025-06-30T12:44:28.598Z' inference_id='0197c0de-1234-7abc-8def-000000000001' function_name='' variant_name='' model_name='m2' model_provider_name='p2' input_tokens=null output_tokens=null response_time_ms=null ttft_ms=null cached=0 finish_reason=null cost=null attempt=2 http_status=null snapshot_hash=null system=null input_messages='[3]' output='[4]' raw_request='q2' raw_response='a2'\n");
	assert_string_equal(
		db_dump(dir, "SELECT * FROM InferenceTag ORDER BY key"),
		"function_name='f' key='k1' value='v1' inference_id='0197c0de-1234-7abc-8def-000000000001'\n"
		"function_name='f' key='k2' value='\303\251' inference_id='0197c0de-1234-7abc-8def-000000000001'\n");
}

static void append_row(struct store *s, enum row_table table, const char *json)
{
	struct record r;

	record_init(&r);
	add_row(&r, table, json);
	append(s, &r);
}

/* From a foreign writer: a chat row stands for its list row, a snapshot for itself; of what belongs to nothing the rows
 * go to the dead letter, and what is around them is stored. */
static void test_records_without_a_list_row(void **state)
{
	static const char chat[] =
		"{\"id\":\"0197c0de-1234-7abc-8def-000000000001\",\"function_name\":\"f\",\"variant_name\":\"v\",\"episode_id\":\"0197c0de-1234-7abc-8def-0000000000e1\",\"input\":{},\"output\":[],\"ttft_ms\":5,\"processing_time_ms\":6}";
	struct store *s = open_store();
	char path[400], text[2000];
	struct record r;
	time_t now = time(NULL);
	struct tm tm;
	FILE *dead;

	(void)state;
	append_row(s, ROW_CHAT_INFERENCE, chat);
	append_row(s, ROW_CONFIG_SNAPSHOT, "{\"hash\":\"77\",\"config\":\"[a]\"}");
	append_row(s, ROW_REQUEST_ERROR, "{\"id\":\"0197c0de-1235-7abc-8def-000000000001\"}");
	append_row(s, ROW_INFERENCE_BY_ID,
		   "{\"id\":\"0197c0de-1236-7abc-8def-000000000001\",\"snapshot_hash\":\"77\"}");
	record_init(&r);
	add_row(&r, ROW_INFERENCE_BY_ID, "{\"id\":\"0197c0de-1237-7abc-8def-000000000001\"}");
	r.payload.data[0] = 9; /* a frame longer than what is there */
	r.payload.data[1] = r.payload.data[2] = r.payload.data[3] = r.payload.data[4] = (char)0xff;
	append(s, &r);
	assert_int_equal(store_close(s), 0);
	assert_string_equal(
		db_dump(dir,
			"SELECT id, function_name, variant_name, function_type, state, ttft_ms, processing_time_ms, snapshot_hash IS NULL AS no_hash FROM InferenceById ORDER BY seq"),
		"id='0197c0de-1234-7abc-8def-000000000001' function_name='f' variant_name='v' function_type='chat' state='ok' ttft_ms=5 processing_time_ms=6 no_hash=1\n"
		"id='0197c0de-1236-7abc-8def-000000000001' function_name='' variant_name='' function_type='chat' state='ok' ttft_ms=null processing_time_ms=null no_hash=0\n");
	assert_string_equal(
		db_dump(dir, "SELECT n, hash, config FROM ConfigSnapshot WHERE hash = '77'"),
		"n=2 hash='77' config='[a]'\n");
	assert_int_equal(db_int(dir, "SELECT count(*) FROM RequestError"), 0);
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y%m", &tm);
	snprintf(path, sizeof(path), "%s/journal/dead/sqlite-%.6s.ndjson", dir, text);
	dead = fopen(path, "r");
	assert_non_null(dead);
	assert_non_null(fgets(text, sizeof(text), dead));
	assert_non_null(strstr(text, "\"table\":65,\"recno\":3,"));
	assert_non_null(
		strstr(text, "\"error\":\"rows without the inference that they belong to\""));
	assert_null(fgets(text, sizeof(text), dead)); /* damaged parts leave none */
	fclose(dead);
}

/* ---- the schema: what an existing file has, a new one has too ---- */

static void test_the_schema_is_what_it_was(void **state)
{
	(void)state;
	assert_int_equal(store_close(open_store()), 0);
	assert_string_equal(
		db_dump(dir,
			"SELECT t.name AS t, group_concat(c.name || ' ' || c.type || iif(c.\"notnull\", ' NN', '') || iif(c.pk, ' pk' || c.pk, '') || iif(c.hidden, ' hidden' || c.hidden, '') || coalesce(' default ' || c.dflt_value, ''), ', ') AS columns FROM (SELECT * FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name) t, pragma_table_xinfo(t.name) c GROUP BY t.name"),
		"t='ChatInference' columns='seq INTEGER pk1, id TEXT NN, function_name TEXT NN, variant_name TEXT NN, episode_id TEXT NN, input TEXT NN, output TEXT NN, tool_params TEXT NN, inference_params TEXT NN, processing_time_ms INTEGER, tags TEXT NN, extra_body TEXT, ttft_ms INTEGER, dynamic_tools TEXT NN, dynamic_provider_tools TEXT NN, allowed_tools TEXT, tool_choice TEXT, parallel_tool_calls INTEGER, snapshot_hash INTEGER, timestamp INTEGER hidden2'\n"
		"t='ConfigSnapshot' columns='n INTEGER pk1, config TEXT NN, extra_templates TEXT NN, hash TEXT NN, tensorzero_version TEXT NN, created_at INTEGER NN, last_used INTEGER NN, tags TEXT NN'\n"
		"t='Delivered' columns='sink TEXT NN pk1, recno INTEGER NN'\n"
		"t='Facet' columns='dim TEXT NN pk1, value TEXT NN pk2, hour INTEGER NN, count INTEGER NN'\n"
		"t='InferenceById' columns='seq INTEGER pk1, id TEXT NN, function_name TEXT NN, variant_name TEXT NN, episode_id TEXT, function_type TEXT NN, snapshot_hash INTEGER, state TEXT NN, status INTEGER, error_kind TEXT, surface TEXT, stream INTEGER, cached INTEGER, signed INTEGER, cut INTEGER, model_name TEXT, model_provider_name TEXT, key_public_id TEXT, attempts INTEGER, input_tokens INTEGER, output_tokens INTEGER, estimated INTEGER, cost_nano INTEGER, processing_time_ms INTEGER, ttft_ms INTEGER, finish_reason TEXT, tools INTEGER, preview_in TEXT, preview_out TEXT, timestamp INTEGER hidden2'\n"
		"t='ModelInference' columns='seq INTEGER pk1, id TEXT NN, inference_id TEXT NN, raw_request TEXT NN, raw_response TEXT NN, model_name TEXT NN, model_provider_name TEXT NN, input_tokens INTEGER, output_tokens INTEGER, response_time_ms INTEGER, ttft_ms INTEGER, system TEXT, input_messages TEXT NN, output TEXT NN, cached INTEGER NN, finish_reason TEXT, snapshot_hash INTEGER, cost_nano INTEGER, provider_cache_read_input_tokens INTEGER, provider_cache_write_input_tokens INTEGER, function_name TEXT NN, variant_name TEXT NN, attempt INTEGER, http_status INTEGER, signature TEXT, spans TEXT, other_choices TEXT, provider_cache_write_1h_input_tokens INTEGER, reasoning_tokens INTEGER, price TEXT, timestamp INTEGER hidden2'\n"
		"t='Progress' columns='what TEXT NN pk1, at INTEGER NN'\n"
		"t='RequestError' columns='seq INTEGER pk1, id TEXT NN, error TEXT, attempts TEXT NN, timestamp INTEGER hidden2'\n"
		"t='Response' columns='id TEXT pk1, key_public_id TEXT, created INTEGER, expires INTEGER, previous TEXT, model TEXT, input TEXT, object TEXT'\n"
		"t='Rollup' columns='dim TEXT NN pk1, value TEXT NN pk2, step INTEGER NN pk3, hour INTEGER NN pk4, count INTEGER NN, errors INTEGER NN, cached INTEGER NN, input_tokens INTEGER NN, output_tokens INTEGER NN, cost_nano INTEGER NN, priced INTEGER NN, ms_sum INTEGER NN, ms BLOB NN, ttft_sum INTEGER NN, ttft BLOB NN'\n"
		"t='RollupWide' columns='dim TEXT NN pk2, value TEXT NN pk3, step INTEGER NN pk1, hour INTEGER NN pk4, count INTEGER NN, errors INTEGER NN, cached INTEGER NN, input_tokens INTEGER NN, output_tokens INTEGER NN, cost_nano INTEGER NN, priced INTEGER NN, ms_sum INTEGER NN, ms BLOB NN, ttft_sum INTEGER NN, ttft BLOB NN'\n"
		"t='TagInference' columns='key TEXT NN pk1, value TEXT NN pk2, seq INTEGER NN pk3, inference_id TEXT NN, function_name TEXT NN, variant_name TEXT NN, episode_id TEXT, function_type TEXT NN'\n"
		"t='TextPending' columns='seq INTEGER pk1'\n");
	assert_string_equal(
		db_dump(dir,
			"SELECT name AS t, wr, strict FROM pragma_table_list WHERE schema = 'main' ORDER BY name"),
		"t='ChatInference' wr=0 strict=0\n"
		"t='ConfigSnapshot' wr=0 strict=0\n"
		"t='Delivered' wr=1 strict=0\n"
		"t='Facet' wr=1 strict=0\n"
		"t='InferenceById' wr=0 strict=0\n"
		"t='InferenceTag' wr=0 strict=0\n"
		"t='ModelInference' wr=0 strict=0\n"
		"t='Progress' wr=1 strict=0\n"
		"t='RequestError' wr=0 strict=0\n"
		"t='Response' wr=0 strict=0\n"
		"t='Rollup' wr=1 strict=0\n"
		"t='RollupWide' wr=1 strict=0\n"
		"t='TagInference' wr=1 strict=0\n"
		"t='TextPending' wr=0 strict=0\n"
		"t='attempts' wr=0 strict=0\n"
		"t='inferences' wr=0 strict=0\n"
		"t='model_inferences' wr=0 strict=0\n"
		"t='sqlite_schema' wr=0 strict=0\n");
	assert_string_equal(
		db_dump(dir,
			"SELECT m.name AS i, l.\"unique\" AS u, l.partial AS p, group_concat(x.name, ', ') AS columns, substr(m.sql, instr(m.sql, ' WHERE ')) AS sql FROM (SELECT * FROM sqlite_schema WHERE type = 'index' ORDER BY name) m, pragma_index_list(m.tbl_name) l, pragma_index_info(m.name) x WHERE l.name = m.name GROUP BY m.name"),
		"i='InferenceById_episode' u=0 p=0 columns='episode_id' sql='CREATE INDEX InferenceById_episode ON InferenceById(episode_id)'\n"
		"i='InferenceById_function' u=0 p=0 columns='function_name' sql='CREATE INDEX InferenceById_function ON InferenceById(function_name)'\n"
		"i='InferenceById_key' u=0 p=1 columns='key_public_id' sql=' WHERE key_public_id IS NOT NULL'\n"
		"i='InferenceById_model' u=0 p=0 columns='model_name' sql='CREATE INDEX InferenceById_model ON InferenceById(model_name)'\n"
		"i='InferenceById_provider' u=0 p=0 columns='model_provider_name' sql='CREATE INDEX InferenceById_provider ON InferenceById(model_provider_name)'\n"
		"i='InferenceById_rare' u=0 p=1 columns='seq, status, error_kind, finish_reason, function_type, signed, cached, processing_time_ms, ttft_ms, cost_nano, input_tokens, output_tokens' sql=' WHERE (status <> 200 OR error_kind IS NOT NULL OR finish_reason <> 'stop' OR function_type <> 'chat' OR signed = 1 OR cached = 1 OR processing_time_ms >= 10000 OR processing_time_ms <= 200 OR ttft_ms >= 2000 OR cost_nano >= 10000000 OR input_tokens >= 4000 OR output_tokens >= 1000)'\n"
		"i='InferenceById_state' u=0 p=1 columns='state' sql=' WHERE state <> 'ok''\n"
		"i='InferenceById_surface' u=0 p=0 columns='surface' sql='CREATE INDEX InferenceById_surface ON InferenceById(surface)'\n"
		"i='InferenceById_time' u=0 p=0 columns=null sql='CREATE INDEX InferenceById_time ON InferenceById(strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1000.0, 'unixepoch'))'\n"
		"i='InferenceById_variant' u=0 p=0 columns='function_name, variant_name' sql='CREATE INDEX InferenceById_variant ON InferenceById(function_name, variant_name)'\n"
		"i='ModelInference_inference' u=0 p=0 columns='inference_id' sql='CREATE INDEX ModelInference_inference ON ModelInference(inference_id)'\n"
		"i='Response_expires' u=0 p=0 columns='expires' sql='CREATE INDEX Response_expires ON Response(expires)'\n"
		"i='Response_previous' u=0 p=1 columns='previous' sql=' WHERE previous IS NOT NULL'\n"
		"i='sqlite_autoindex_ConfigSnapshot_1' u=1 p=0 columns='hash' sql=null\n"
		"i='sqlite_autoindex_InferenceById_1' u=1 p=0 columns='id' sql=null\n"
		"i='sqlite_autoindex_ModelInference_1' u=1 p=0 columns='id' sql=null\n"
		"i='sqlite_autoindex_Response_1' u=1 p=0 columns='id' sql=null\n");
	assert_string_equal(
		db_dump(dir,
			"SELECT m.name AS v, group_concat(c.name, ', ') AS columns FROM (SELECT * FROM sqlite_schema WHERE type = 'view' ORDER BY name) m, pragma_table_xinfo(m.name) c GROUP BY m.name"),
		"v='InferenceTag' columns='function_name, key, value, inference_id'\n"
		"v='attempts' columns='time, inference_id, attempt, state, model_name, model_provider_name, http_status, error, input_tokens, output_tokens, cost, response_time_ms, ttft_ms, function_name, variant_name, key_public_id'\n"
		"v='inferences' columns='id, time, state, status, error_kind, function_name, variant_name, model_name, model_provider_name, surface, stream, cached, signed, attempts, processing_time_ms, ttft_ms, input_tokens, output_tokens, estimated, cost, finish_reason, key_public_id, episode_id, snapshot_hash, tags, input, output, inference_params, error'\n"
		"v='model_inferences' columns='id, time, inference_id, function_name, variant_name, model_name, model_provider_name, input_tokens, output_tokens, response_time_ms, ttft_ms, cached, finish_reason, cost, attempt, http_status, snapshot_hash, system, input_messages, output, raw_request, raw_response'\n");
	assert_int_equal(db_int(dir, "PRAGMA user_version"), 7);
	assert_int_equal(db_int(dir, "PRAGMA application_id"), 0x53474E54);
	assert_int_equal(db_int(dir, "PRAGMA page_size"), 16384);
	assert_int_equal(db_int(dir, "PRAGMA auto_vacuum"), 2);
	assert_string_equal(db_text(dir, "PRAGMA journal_mode"), "wal");
}

/* ---- once, and no more ---- */

/* Rows of a finished process, taken out behind its back: the next one must not put them there again. */
static void test_nothing_is_delivered_again_after_a_clean_restart(void **state)
{
	struct store *s = open_store();

	(void)state;
	append_full(s);
	append_bare(s);
	assert_int_equal(store_close(s), 0);
	db_int(dir, "DELETE FROM InferenceById");
	db_int(dir, "DELETE FROM ChatInference");
	s = open_store();
	wait_caught_up(s);
	usleep(100000);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ChatInference"), 0);
	assert_int_equal(db_int(dir, "SELECT recno FROM Delivered"), 5);
}

#ifdef SIGNET_FAULTS
static const char *counted(const char *series)
{
	static char value[40];
	struct buf page;
	ptrdiff_t at;

	buf_init(&page, 1 << 20);
	assert_int_equal(metrics_print(&page), 0);
	at = bytes_find(buf_bytes(&page), bytes_of(series));
	snprintf(value, sizeof(value), "%.*s", 20,
		 at < 0 ? "none" : page.data + at + strlen(series) + 1);
	value[strcspn(value, "\n")] = 0;
	buf_deinit(&page);
	return value;
}

static void test_a_commit_that_fails_once_and_the_next_batch_goes_in(void **state)
{
	struct store *s = open_store();
	double failed =
		atof(counted("signet_sink_batches_total{sink=\"sqlite\",result=\"failed\"}"));
	double again = atof(counted("\nsignet_sink_retries_total"));
	double rows =
		atof(counted("signet_sink_rows_total{sink=\"sqlite\",table=\"ModelInference\"}"));
	struct store_status st;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	fault_setup("sqlite.commit:1");
	append_full(s);
	append_bare(s);
	wait_caught_up(s);
	store_status(s, &st, &a);
	assert_string_equal(st.state, "ok");
	assert_null(st.alarm.p);
	assert_int_equal(st.unrecorded, 0);
	assert_true(atof(counted("signet_sink_batches_total{sink=\"sqlite\",result=\"failed\"}")) ==
		    failed + 1);
	assert_true(atof(counted("\nsignet_sink_retries_total")) == again + 1);
	/* a batch that was tried twice counts once */
	assert_true(
		atof(counted("signet_sink_rows_total{sink=\"sqlite\",table=\"ModelInference\"}")) ==
		rows + 2);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 4);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM ModelInference"), 2);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM TagInference"), 2);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM RequestError"), 2);
	arena_deinit(&a);
}
#endif

static void test_the_backlog_has_no_age_once_it_is_gone(void **state)
{
	struct store *s = open_store();
	struct store_status st;
	struct arena a;
	char path[512];
	sqlite3 *db;

	(void)state;
	arena_init(&a, 1 << 20);
	snprintf(path, sizeof(path), "%s/signet.db", dir);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	append_full(s);
	usleep(1300000);
	store_status(s, &st, &a);
	assert_int_equal(st.backlog_records, 1);
	assert_true(st.backlog_bytes > 1000);
	assert_true(st.oldest_s >= 1 && st.oldest_s < 60);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	wait_caught_up(s);
	store_status(s, &st, &a);
	assert_int_equal(st.oldest_s, 0);
	assert_int_equal(st.backlog_bytes, 0);
	arena_deinit(&a);
	assert_int_equal(store_close(s), 0);
}

/* It stays while the gateway runs, also when all is well with the next batch. */
static void test_a_standing_alarm_is_seen_in_the_status(void **state)
{
	static const char want[] = "rows that do not fit signet.db are in journal/dead";
	struct store *s = open_store();
	struct store_status st;
	struct record r;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	record_init(&r);
	add_row(&r, ROW_INFERENCE_BY_ID, "{\"id\":\"no id\"}");
	append(s, &r);
	wait_caught_up(s);
	append_full(s);
	wait_caught_up(s);
	store_status(s, &st, &a);
	assert_string_equal(st.state, "ok");
	assert_int_equal(st.alarm.n, strlen(want));
	assert_memory_equal(st.alarm.p, want, strlen(want));
	arena_deinit(&a);
	assert_int_equal(store_close(s), 0);
	assert_int_equal(db_int(dir, "SELECT count(*) FROM InferenceById"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_every_column_of_every_table),
		T(test_records_without_a_list_row),
		T(test_the_schema_is_what_it_was),
		T(test_nothing_is_delivered_again_after_a_clean_restart),
#ifdef SIGNET_FAULTS
		T(test_a_commit_that_fails_once_and_the_next_batch_goes_in),
#endif
		T(test_the_backlog_has_no_age_once_it_is_gone),
		T(test_a_standing_alarm_is_seen_in_the_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
