/*
 * The drainer: it moves records from the journal to the sink (storage §7.6). Private to store/.
 *
 * Two threads take turns at it, and only the one whose turn it is touches what is not atomic or locked. The gentle one
 * gives way to whoever answers requests (base/thread.h); it does not fall behind without end: when it has not caught up
 * for URGENT_MS, when an eighth of the journal waits, or when the process wants to end, the urgent one goes on, until
 * nothing is left.
 */
#ifndef SIGNET_STORE_DRAINER_H
#define SIGNET_STORE_DRAINER_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/journal_read.h"
#include "store/sink.h"

enum sink_state { SINK_STATE_OK, SINK_STATE_SLOW, SINK_STATE_DOWN, SINK_STATE_BLOCKED };

enum pace { GENTLE, URGENT, PACES };

struct drain_thread {
	struct drainer *d;
	enum pace pace;
	pthread_t id;
};

/* A configuration that came into force while the store was open; one allocation. */
struct config_note {
	struct bytes hash, text;
	char texts[];
};

struct drainer {
	struct journal *j;
	struct journal_reader reader;
	unsigned id;       /* which of the journal's readers this is */
	struct sink *sink; /* the store's */
	bool sink_is_open;
	int dir;                               /* ‹data› */
	struct bytes config_hash, config_text; /* decimal; texts of the store or of `note` */
	struct config_note *note;              /* the last one that was told of; NULL: none */
	struct drain_thread threads[PACES];
	bool running;

	pthread_mutex_t turn_lock;
	pthread_cond_t turn_cond;
	enum pace turn;
	bool over;
	uint64_t behind_since_ms; /* it has not caught up since; 0: it has */

	uint64_t backoff_ms, idle_since_ms;
	bool config_told;
	_Atomic(struct config_note *) next_note; /* to be told of; NULL: none */

	atomic_bool stopping;
	atomic_uint_fast64_t stop_at_ms;
	atomic_uint_fast64_t delivered; /* record number in the sink */
	atomic_int state;               /* enum sink_state */
	pthread_mutex_t lock;           /* alarms */
	char alarm[400];                /* passes with its reason */
	char standing[400];             /* stays */
};

/* The journal is open, the sink too or not (sink_is_open); of a remote one the position is known all the same.
 * -1: error set. */
int drainer_start(struct drainer *);
/* The sink hears of it before the next batch. Any thread. -1: out of memory. */
int drainer_config(struct drainer *, struct bytes hash, struct bytes text);
/* Tells it to end, so that several do at once; drainer_stop() follows. */
void drainer_hurry(struct drainer *, uint64_t ms);
/* Lets it work until nothing is left or `ms` are over; joins. The sink is closed then. */
void drainer_stop(struct drainer *, uint64_t ms);
/* What the turn after this one should be. Pure. */
enum pace drainer_pace(enum pace now, uint64_t behind_ms, uint64_t waiting_bytes,
		       uint64_t max_bytes);

#endif
