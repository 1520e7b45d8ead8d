/*
 * Does a ClickHouse server still know a token (storage §7.8 rule 7)? A table remembers the tokens of its last
 * `non_replicated_deduplication_window` blocks. A block that comes once more under a token that is forgotten is stored
 * twice, and a view's table that never remembered any adds it twice, so all of this must be so:
 *
 * - the table and every table that views of the database fill name their window;
 * - no view of another database reads from it;
 * - since the token was first sent none of them took nearly as many blocks: block numbers only grow, and a part that was
 *   last changed before that time holds none that is younger. Parts that were merged since prove nothing, and then all of
 *   the table's blocks count.
 *
 * One question asks for a table of which it is not so.
 */
#include <inttypes.h>

#include "base/time.h"
#include "store/sink_clickhouse.h"

#define CLOCKS_MS 10000 /* that far the server's clock may be from ours */
#define SPARE     16    /* blocks: this one, and what a view may make of it */

/* %s: the table, %u: seconds since the token was first sent */
static const char question[] =
	"WITH (SELECT groupUniqArray(replaceAll(extract(create_table_query, ' TO (\\\\S+)'), '`', '')) FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView') AS filled, "
	"numbers AS (SELECT table, max(max_block_number) - maxIf(max_block_number, modification_time < now() - %" PRIu64
	") AS blocks FROM system.parts WHERE database = currentDatabase() GROUP BY table), "
	"knowing AS (SELECT concat(t.database, '.', t.name) FROM system.tables AS t LEFT JOIN numbers AS n ON n.table = t.name WHERE t.database = currentDatabase() AND NOT startsWith(t.engine, 'Replicated') AND toUInt64OrZero(extract(t.engine_full, 'non_replicated_deduplication_window = (\\\\d+)')) > n.blocks + %d) "
	"SELECT name FROM (SELECT arrayJoin(arrayPushBack(filled, concat(currentDatabase(), '.%s'))) AS name) WHERE name NOT IN knowing "
	"UNION ALL SELECT concat('a view of database ', arrayJoin(arrayFilter(d -> d != currentDatabase(), dependencies_database))) FROM system.tables WHERE database = currentDatabase() LIMIT 1";

enum sink_result clickhouse_token_is_known(struct clickhouse_sink *s, const struct table_batch *t,
					   bool *known, struct bytes *why)
{
	uint64_t now = clock_unix_ms();
	struct clickhouse_query q = { .timeout_ms = clickhouse_patience_ms() };
	struct clickhouse_answer a;
	struct bytes name;

	*known = false;
	*why = B("the clock was set back");
	if (now < t->token_ms)
		return SINK_OK;
	q.sql = arena_printf(&s->arena, question, (now - t->token_ms + CLOCKS_MS) / 1000, SPARE,
			     t->table->name);
	a = clickhouse_ask(s->client, &s->server, &q, &s->arena);
	if (a.code < 0)
		return clickhouse_failed(s, FAULT_RETRY, a.text);
	*why = a.text;
	if (a.code)
		return SINK_OK;
	*known = !a.text.n;
	name = bytes_cut(&a.text, '\n');
	*why = arena_printf(&s->arena, "%.*s may have forgotten the block's token", BFMT(name));
	return SINK_OK;
}
