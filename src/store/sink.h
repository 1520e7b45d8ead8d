/*
 * A sink is a store of rows as the drainer sees it: a struct sink_type makes one, and everything that the drainer does
 * goes through it. One thread at a time calls (the drainer's), but for `damaged`, which any thread may set.
 */
#ifndef SIGNET_STORE_SINK_H
#define SIGNET_STORE_SINK_H

#include <stdatomic.h>

#include "store/columns.h"
#include "store/segment.h"

enum sink_result {
	SINK_OK,
	SINK_BUSY,    /* another process holds a lock: the same batch again */
	SINK_FULL,    /* no room on its disk */
	SINK_DOWN,    /* I/O error, read-only, cannot be opened or reached */
	SINK_BLOCKED, /* schema, login or rights: an operator must act, nothing is given up */
	SINK_CORRUPT, /* not a store of ours, or a damaged one: set it aside */
	SINK_NEWER,   /* of a later schema: the start must be refused */
	SINK_ROW      /* the record itself is at fault: dead letter */
};

/* What each sink begins with. */
struct sink {
	const struct sink_type *type;
	uint64_t position;     /* record number of the last commit */
	uint64_t rows[TABLES]; /* stored since somebody set them to 0, committed or not */
	atomic_bool damaged;   /* found beside the work: it will be set aside */
	uint64_t dead_rows;    /* put into the dead letter since somebody set it to 0 */
	/* How batches are cut; 0: as the drainer thinks best. A batch ends with record `batch_ends_at` at the latest: one
	 * that was tried keeps its borders. */
	uint64_t batch_rows, batch_rows_max, batch_ms, batch_ends_at;
	char error[300]; /* of the last result that was not SINK_OK */
};

struct clickhouse_options;
struct dead_row;

/* A command that brings rows once, in place of the drainer: rows are always looked for before any is sent, batches are noted
 * under a name of its own, and what is refused for good is the command's to keep. */
struct sink_visit {
	const char *name; /* journal/‹name›.cursor */
	int (*refused)(struct sink_visit *, const struct dead_row *); /* -1: errno */
};

struct sink_options {
	int dir_fd; /* ‹data›, of the caller */
	const char *dir;
	uint8_t node[16];
	bool list_only;                              /* no bodies: they go to another sink */
	const struct clickhouse_options *clickhouse; /* of the caller */
	struct sink_visit *visit;                    /* of the caller; NULL: a drainer */
	bool search_off;                             /* no word index */
	struct retention_options retention;
};

struct sink_type {
	const char *name; /* in Delivered, metrics, dead letters and log lines */
	const char *files
		[3]; /* what stands in ‹data›, NULL at the end; the first one's name is for operators */
	const char *
		aside; /* what the name of a file that was set aside begins with; NULL: it has none */
	/* A server: its position is known before it is open, so that a start does not wait for it. */
	bool remote;

	struct sink *(*make)(const struct sink_options *); /* closed. NULL: out of memory */
	void (*free)(struct sink *);                       /* closes it too */

	/* Opens or makes it. Everything is ready or nothing is left open. */
	enum sink_result (*open)(struct sink *);
	void (*close)(struct sink *);

	/* A batch: begin, add..., commit with the number of its last record; or roll back. */
	enum sink_result (*begin)(struct sink *);
	/* All rows of one record. SINK_ROW leaves the batch as it was. */
	enum sink_result (*add)(struct sink *, const struct record_view *);
	enum sink_result (*commit)(struct sink *, uint64_t number);
	void (*rollback)(struct sink *);

	/* The configuration in force: its row, made or touched. In a transaction of its own. */
	enum sink_result (*config)(struct sink *, struct bytes hash_decimal, struct bytes text);
	/* Between batches: nothing has waited for `idle_ms`; 0: right after one; UINT64_MAX: the process ends. What an
	 * operator must know, or "". */
	const char *(*idle)(struct sink *, uint64_t idle_ms);
	/* A step of what can wait, of about `ms`, while nothing waits. True: there is more. NULL: it has no such work. */
	bool (*work)(struct sink *, unsigned ms);
	/* The alarm for a result, for an operator. */
	void (*explain)(struct sink *, enum sink_result, char *text, size_t n);
	/* Whatever waits gives up at this time (clock_mono_ms()). Any thread; NULL: nothing ever waits for long. */
	void (*hurry)(struct sink *, uint64_t until);
	/* Renames a closed one to ‹aside›‹UTC time›. -1: error set. */
	int (*set_aside)(struct sink *, uint64_t unix_ms);
};

#define CLICKHOUSE_SINK "clickhouse" /* its name */
/* Whether rows of this table of the journal go to ClickHouse. */
bool clickhouse_takes(uint64_t row);

/* The stores that there are. */
extern const struct sink_type sink_sqlite, sink_clickhouse;

#endif
