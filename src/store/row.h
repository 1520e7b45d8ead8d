/*
 * A row of the record as it stands in the journal, one JSON object, taken apart into the cells that a sink
 * binds, without a tree in between. Pure.
 */
#ifndef SIGNET_STORE_ROW_H
#define SIGNET_STORE_ROW_H

#include "base/bytes.h"
#include "base/ids.h"
#include "store/segment.h"

enum column_kind {
	COL_TEXT, /* a string; null stays null */
	COL_JSON, /* any value, kept as its compact text; a string (kind B of storage §2.2) as what it holds */
	COL_HASH, /* a configuration's hash in decimal; a store keeps a number of its own for it */
	COL_INT,
	COL_BOOL,
	COL_NANO /* a number of dollars, kept in 10^-9 */
};

enum column_need {
	NULLABLE,
	REQUIRED, /* missing or null: the row is at fault */
	FILLED    /* list_fill() sees to it before it is stored */
};

struct column {
	struct bytes name;
	enum column_kind kind;
	enum column_need need;
	const char *missing; /* what stands when it is missing or null; NULL = null */
	unsigned place;      /* in the table of a store (columns.h) */
};

struct cell {
	enum { CELL_NULL, CELL_TEXT, CELL_INT } type;
	struct bytes text;
	int64_t num;
};
static inline struct bytes cell_text(const struct cell *c)
{
	return c->type == CELL_TEXT ? c->text : (struct bytes){ 0 };
}
static inline int64_t cell_int(const struct cell *c, int64_t missing)
{
	return c->type == CELL_INT ? c->num : missing;
}

/*
 * Fills cells[0..n) in the order of the columns. Text points into `json` or into `scratch`, which must have
 * room for json.n more bytes (it does not grow, because it must not move). -1: ERR_STORE naming the column.
 */
int row_read(struct bytes json, const struct column *columns, size_t n, struct cell *cells,
	     struct buf *scratch);
/* The same with the texts that stand beside the row; those point where they stand. */
int row_read_part(const struct record_part *, const struct column *columns, size_t n,
		  struct cell *cells, struct buf *scratch);
/* The next member of an object of strings (tags). *pos starts at 0. 1, 0: no more, -1: not such an object.
 * Text goes to `scratch` as above. */
int row_next_string(struct bytes object, size_t *pos, struct bytes *key, struct bytes *value,
		    struct buf *scratch);
/* A string's text without quotes and escapes, into `scratch`; other values as they stand. Unset: no room. */
struct bytes row_text(struct bytes value, struct buf *scratch);

/* Dollars as decimal text -> 10^-9 dollars; further digits are cut. false: not a number that fits. */
bool row_nano(struct bytes decimal, int64_t *out);
/* seq of storage §6.2: milliseconds << 15 | the first 15 bits after the version, so that it sorts as ids do. */
int64_t row_seq(struct uuid);
/* The first id of that seq. */
struct uuid row_seq_id(int64_t seq);
/* A hash, which rows have as the decimal text of a 256-bit number, in 64 hex digits; what is no such text stays. Unset: none. */
struct bytes row_hash_hex(struct bytes decimal, char out[65]);

#endif
