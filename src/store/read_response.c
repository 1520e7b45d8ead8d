/*
 * An answer of the Responses API that is kept, by its id. What the store has not yet stands in the journal; there the last word
 * counts, which may be that it was deleted.
 */
#include "base/error.h"
#include "store/read_own.h"

#define SQL_TEXT                                                                             \
	"SELECT " N_ID ", " N_KEY ", " N_CREATED ", " N_EXPIRES ", " N_PREVIOUS ", " N_ASKED \
	", " N_INPUT ", " N_OBJECT " FROM Response WHERE " N_ID " = ?1"

static int keep(struct bytes *text, struct arena *a)
{
	if (!bytes_set(*text))
		return 0;
	*text = arena_dup(a, *text);
	return bytes_set(*text) ? 0 : -1;
}

static int take(const struct cell *c, struct kept_response *out, struct arena *a)
{
	*out = (struct kept_response){
		.id = cell_text(&c[R_ID]),
		.key = cell_text(&c[R_KEY]),
		.previous = cell_text(&c[R_PREVIOUS]),
		.model = cell_text(&c[R_ASKED]),
		.input = cell_text(&c[R_INPUT]),
		.object = cell_text(&c[R_OBJECT]),
		.created = cell_int(&c[R_CREATED], 0),
		.expires = cell_int(&c[R_EXPIRES], 0),
	};
	return keep(&out->id, a) || keep(&out->key, a) || keep(&out->previous, a) ||
			       keep(&out->model, a) || keep(&out->input, a) || keep(&out->object, a)
		       ? -1
		       : 0;
}

/* 1: it is in the record; 0: not; -1. */
static int in_record(struct bytes payload, struct bytes id, struct kept_response *out,
		     struct arena *a)
{
	struct record_part part;
	struct cell c[R_CELLS];
	struct buf scratch;
	size_t pos = 0;
	int found = 0;

	buf_init(&scratch, payload.n * 2 + 64);
	if (buf_reserve(&scratch, payload.n * 2 + 64))
		return -1;
	while (!found && record_next_part(payload, &pos, &part) > 0) {
		if (part.table != ROW_RESPONSE ||
		    row_read(part.json, response_columns, R_CELLS, c, &scratch) ||
		    !bytes_eq(cell_text(&c[R_ID]), id))
			continue;
		found = take(c, out, a) ? -1 : 1;
	}
	buf_deinit(&scratch);
	return found;
}

static int find_in_journal(struct log_reader *r, struct bytes id, struct kept_response *out,
			   struct arena *a)
{
	struct record_view v;
	struct bytes payload;
	int found = 0;

	log_rewind_journal(r);
	while (log_next_record(r, &v) > 0) {
		int here;

		if (v.type != RECORD_GROUP || record_payload(&v, &r->unpacked, &payload) ||
		    bytes_find(payload, id) < 0)
			continue;
		here = in_record(payload, id, out, a);
		if (here)
			found = here;
		if (here < 0)
			break;
	}
	return found;
}

static struct bytes column(sqlite3_stmt *st, int i)
{
	const void *text = sqlite3_column_text(st, i);

	return (struct bytes){ text, text ? (size_t)sqlite3_column_bytes(st, i) : 0 };
}

static int find_stored(struct log_reader *r, struct bytes id, struct kept_response *out,
		       struct arena *a)
{
	struct cell c[R_CELLS] = { 0 };
	sqlite3_stmt *st;
	int rc, found = 0;

	if (!r->db)
		return 0;
	if (sqlite3_prepare_v2(r->db, SQL_TEXT, -1, &st, NULL))
		return fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
	sqlite3_bind_text(st, 1, id.p, (int)id.n, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		for (int i = 0; i < R_CELLS; i++) {
			if (i == R_CREATED || i == R_EXPIRES)
				c[i] = (struct cell){ .type = CELL_INT,
						      .num = sqlite3_column_int64(st, i) };
			else if (sqlite3_column_type(st, i) != SQLITE_NULL)
				c[i] = (struct cell){ .type = CELL_TEXT, .text = column(st, i) };
		}
		found = take(c, out, a) ? -1 : 1;
	} else if (rc != SQLITE_DONE) {
		found = fail(ERR_STORE, "%s", sqlite3_errmsg(r->db));
	}
	sqlite3_finalize(st);
	return found;
}

int read_response(struct reader *r, struct bytes id, struct kept_response *out, struct arena *a)
{
	int found = find_in_journal(&r->log, id, out, a);

	if (!found)
		found = find_stored(&r->log, id, out, a);
	return found > 0 && !out->object.n ? 0 : found;
}
