/*
 * Text of a SELECT over TensorZero's tables (storage §1.1-1.2). What comes from outside goes in through sql_string(), sql_uuid()
 * or as a number, never otherwise. Pure.
 */
#ifndef SIGNET_STORE_CLICKHOUSE_SQL_H
#define SIGNET_STORE_CLICKHOUSE_SQL_H

#include "base/ids.h"
#include "store/columns.h"
#include "store/read_filter.h"

#define CLICKHOUSE_TEXT_MAX (8u << 20)
/* Where TensorZero, and we, put the key that an answer was asked for with. */
#define CLICKHOUSE_KEY "nullIf(i." N_TAGS "['tensorzero::api_key_public_id'], '')"

struct clickhouse_text {
	struct buf text;
	bool failed; /* out of memory, or over the maximum */
};
void sql_init(struct clickhouse_text *);
void sql_deinit(struct clickhouse_text *);
void sql_put(struct clickhouse_text *, const char *);
void sql_printf(struct clickhouse_text *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* As a literal of ClickHouse's with its quotes; whatever bytes it has. */
void sql_string(struct clickhouse_text *, struct bytes);
void sql_uuid(struct clickhouse_text *, struct uuid);
/* As a plain literal, for long lists: a server bounds the number of a statement's nodes. */
void sql_id(struct clickhouse_text *, struct uuid);
/* The 128-bit number of the least id with that seq: ids compare as these numbers do. */
void sql_bound(struct clickhouse_text *, int64_t seq);

/* A range of seq: from <= x < to; INT64_MAX: open. */
struct seq_range {
	int64_t from, to;
};
/* AND conditions that the inference's id, in the column, lies in it. */
void sql_in_range(struct clickhouse_text *, const char *id_column, struct seq_range);
/* The same of tables that have a timestamp, which is smaller than an id and tried first; `late`: a row of theirs may be younger
 * than the inference. */
void sql_in_time(struct clickhouse_text *, const char *id_column, struct seq_range, bool late);

/* Which tables say what a filter asks. */
struct clickhouse_needs {
	bool of_answer; /* ChatInference, JsonInference */
	bool of_calls;  /* ModelInference */
	bool never;     /* no row that is stored here can match */
};
struct clickhouse_needs clickhouse_needs(const struct read_filter *);
/* Whether a table says what the condition asks: else it holds for all rows here, or for none. */
bool clickhouse_decides(const struct condition *);

/* AND conditions over InferenceById's columns, others by their ids in the range. */
void sql_list_conditions(struct clickhouse_text *, const struct read_filter *, struct seq_range);
/* AND conditions over the columns of sql_wide(). */
void sql_wide_conditions(struct clickhouse_text *, const struct read_filter *);
/* FROM a row an inference: id, function_name, variant_name, episode_id, function_type, the times, tags as `i`, and of its calls,
 * if asked for, as `m` (sql_calls()). */
void sql_wide(struct clickhouse_text *, struct seq_range, bool of_calls);
/* SELECT of a row an inference over its calls: inference_id, model, provider (of the last), tokens, cost (of all), finish, cached. */
void sql_calls_head(struct clickhouse_text *);
/* The column behind a cell in sql_wide(); NULL: no table here says it. */
const char *clickhouse_column(enum list_cell);
bool clickhouse_column_of_calls(enum list_cell);

/* OR'ed: texts in which all words that were typed may stand; looked at closer where they are read. */
void sql_words(struct clickhouse_text *, const struct read_filter *);

#endif
