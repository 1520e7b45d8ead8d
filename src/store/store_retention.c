/*
 * `signet store retention --clickhouse-days N`: rows of a ClickHouse database that are older than N days, by lightweight
 * deletes over a range of ids (storage §8). Ids are UUIDs of version 7, whose first 48 bits are their time. Never DDL: no TTL, no
 * partition, no setting changes. Lists go before the bodies they lead to, so that an interrupted run leaves no row that cannot
 * be opened; sums, datasets, workflow runs, batch requests and configurations stay, as with SQLite.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"
#include "base/time.h"
#include "store/store_cmd.h"

#define DAY_MS  86400000ull
#define SQL_MAX 4096

enum id_kind { ID_UUID, ID_NUMBER, ID_TIME };

static const struct {
	const char *table, *id;
	enum id_kind kind;
} aged[] = {
	{ "InferenceById", "id_uint", ID_NUMBER },
	{ "InferenceByEpisodeId", "id_uint", ID_NUMBER },
	{ "EpisodeById", "max_inference_id_uint", ID_NUMBER },
	{ "InferenceTag", "inference_id", ID_UUID },
	{ "TagInference", "inference_id", ID_UUID },
	{ "FeedbackTag", "feedback_id", ID_UUID },
	{ "BooleanMetricFeedbackByVariant", "id_uint", ID_NUMBER },
	{ "FloatMetricFeedbackByVariant", "id_uint", ID_NUMBER },
	{ "BooleanMetricFeedbackByTargetId", "id", ID_UUID },
	{ "FloatMetricFeedbackByTargetId", "id", ID_UUID },
	{ "CommentFeedbackByTargetId", "id", ID_UUID },
	{ "DemonstrationFeedbackByInferenceId", "id", ID_UUID },
	{ "BooleanMetricFeedback", "id", ID_UUID },
	{ "FloatMetricFeedback", "id", ID_UUID },
	{ "CommentFeedback", "id", ID_UUID },
	{ "DemonstrationFeedback", "id", ID_UUID },
	{ "ModelInference", "id", ID_UUID },
	{ "ChatInference", "id", ID_UUID },
	{ "JsonInference", "id", ID_UUID },
	{ "ModelInferenceCache", "timestamp", ID_TIME },
};

/* The condition of rows that are older. */
static int put_older(struct buf *out, size_t i, uint64_t ms)
{
	if (aged[i].kind == ID_TIME)
		return buf_printf(out, "%s < toDateTime(%" PRIu64 ")", aged[i].id, ms / 1000);
	return buf_printf(out,
			  aged[i].kind == ID_UUID ? "toUInt128(%s) < toUInt128(toUUID('%08" PRIx64
						    "-%04" PRIx64 "-0000-0000-000000000000'))"
						  : "%s < toUInt128(toUUID('%08" PRIx64
						    "-%04" PRIx64 "-0000-0000-000000000000'))",
			  aged[i].id, ms >> 16, ms & 0xffff);
}

static int ask(struct store_clickhouse *c, const char *verb, size_t i, uint64_t ms,
	       struct buf *answer)
{
	struct buf sql;
	int bad;

	buf_init(&sql, SQL_MAX);
	bad = buf_printf(&sql, "%s FROM %s WHERE ", verb, aged[i].table) ||
	      put_older(&sql, i, ms) || store_clickhouse_ask(c, buf_bytes(&sql), answer);
	buf_deinit(&sql);
	return bad ? -1 : 0;
}

static int delete_older(struct store_clickhouse *c, size_t i, uint64_t ms, struct buf *answer)
{
	struct bytes text;
	uint64_t rows = 0;

	if (ask(c, "SELECT count()", i, ms, answer))
		return -1;
	text = buf_bytes(answer);
	bytes_to_u64(bytes_cut(&text, '\n'), &rows);
	if (!rows)
		return 0;
	fprintf(stderr, "%s: deleting %" PRIu64 " rows\n", aged[i].table, rows);
	if (ask(c, "DELETE", i, ms, answer))
		return -1;
	printf("%s: %" PRIu64 " rows deleted\n", aged[i].table, rows);
	return 0;
}

int store_retention(struct store_cmd *cmd)
{
	uint64_t now = clock_unix_ms(), ms;
	struct store_clickhouse c;
	struct buf answer;
	int bad;

	if (!cmd->clickhouse_days) {
		fprintf(stderr,
			"signet store: retention wants --clickhouse-days N (SQLite's is [store.sqlite.retention])\n");
		return 2;
	}
	ms = cmd->clickhouse_days * DAY_MS < now ? now - cmd->clickhouse_days * DAY_MS : 0;
	buf_init(&answer, SQL_MAX);
	bad = store_clickhouse_open(&c, NULL, NULL, -1);
	for (size_t i = 0; !bad && i < COUNT(aged); i++)
		bad = delete_older(&c, i, ms, &answer);
	store_clickhouse_close(&c, false);
	buf_deinit(&answer);
	return bad ? store_failed() : 0;
}
