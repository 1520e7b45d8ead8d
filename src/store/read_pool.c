/*
 * The threads that read the record. They are started when a question comes and none is idle, at most READERS; each has a
 * connection of its own to the store, which it keeps. A fiber that asks sleeps until its question is answered: when it is
 * cancelled meanwhile (its client has left) the question is told, and SQLite's progress handler ends the statement.
 */
#include "store/read_own.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/thread.h"
#include "fiber/loop.h"
#include "store/read_clickhouse.h"
#include "store/read_sql.h"
#include "store/schema.h"

#define BUSY_MS        500  /* a foreign process may hold a lock for so long */
#define PROGRESS_STEPS 2000 /* of SQLite's machine between two looks at the clock: some 20 us */

struct question {
	struct loop_task done; /* first: see answered() */
	struct question *next;
	struct loop *loop;
	struct fiber *fiber;
	read_fn *fn;
	void *arg;
	struct arena *arena;
	uint64_t deadline;
	atomic_bool cancelled;
	bool taken, over;
	int result;
	struct error *error;
};

struct reads {
	char *dir;
	struct clickhouse_reads *clickhouse; /* NULL: SQLite has everything */
	bool no_sqlite;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct question *first, **last;
	size_t queued;
	bool ending;
	unsigned nthreads, idle;
	struct reader readers[READERS];
};

/* ---- a reader ---- */

bool read_over(const struct reader *r)
{
	return atomic_load_explicit(&r->question->cancelled, memory_order_relaxed) ||
	       clock_mono_ms() >= r->question->deadline;
}

bool read_left(const struct reader *r)
{
	return atomic_load_explicit(&r->question->cancelled, memory_order_relaxed);
}

uint64_t read_left_ms(const struct reader *r)
{
	uint64_t now = clock_mono_ms();

	return now < r->question->deadline ? r->question->deadline - now : 0;
}

static int on_progress(void *arg)
{
	struct reader *r = arg;

	return r->question && read_over(r);
}

static bool is_over(void *arg)
{
	return read_over(arg);
}

static void reader_close(struct reader *r)
{
	if (r->open)
		log_reader_close(&r->log);
	r->open = false;
}

/* The store was made, or set aside and made anew, since it was opened. */
static bool is_another_file(const struct reader *r)
{
	struct stat st;
	char path[4096];

	if (r->reads->no_sqlite)
		return false;
	snprintf(path, sizeof(path), "%s/" SQLITE_FILE, r->reads->dir);
	if (stat(path, &st))
		return r->log.db != NULL;
	return !r->log.db || st.st_ino != r->inode || st.st_dev != r->device;
}

/* The oldest row that SQLite has: what is older is ClickHouse's. */
static int set_horizon(struct reader *r)
{
	sqlite3_stmt *st;

	r->ids.n = 0;
	r->horizon = INT64_MAX;
	if (!r->clickhouse || !r->log.db)
		return 0;
	st = read_statement(r, "SELECT min(seq) FROM InferenceById");
	if (!st)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_type(st, 0) != SQLITE_NULL)
		r->horizon = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return 0;
}

static int reader_open(struct reader *r)
{
	struct stat st;
	char path[4096];

	r->clickhouse = r->reads->clickhouse;
	if (r->open && !is_another_file(r))
		return log_look_anew(&r->log) || set_horizon(r) ? -1 : 0;
	reader_close(r);
	snprintf(path, sizeof(path), "%s/" SQLITE_FILE, r->reads->dir);
	r->inode = 0;
	if (!stat(path, &st)) {
		r->inode = st.st_ino;
		r->device = st.st_dev;
	}
	r->open = true;
	if (r->reads->no_sqlite ? log_reader_open_journal(&r->log, r->reads->dir, CLICKHOUSE_SINK)
				: log_reader_open(&r->log, r->reads->dir))
		return -1;
	r->log.over = is_over;
	r->log.over_arg = r;
	if (r->log.db) {
		sqlite3_busy_timeout(r->log.db, BUSY_MS);
		sqlite3_progress_handler(r->log.db, PROGRESS_STEPS, on_progress, r);
		if (read_functions(r))
			return -1;
	}
	return set_horizon(r);
}

static void answer(struct reader *r, struct question *q)
{
	r->question = q;
	error_clear();
	q->result = reader_open(r) ? -1 : q->fn(r, q->arg);
	if (q->result < 0) {
		q->error = error_save(q->arena);
		reader_close(r); /* whatever it was, the next one begins afresh */
	} else {
		log_let_go(&r->log);
	}
	r->question = NULL;
}

/* On the loop of the one who asked. */
static void answered(struct loop_task *task)
{
	struct question *q = (struct question *)task;

	q->over = true;
	fiber_wake(q->fiber);
}

static struct question *take_question(struct reads *rs)
{
	struct question *q = rs->first;

	rs->first = q->next;
	if (!rs->first)
		rs->last = &rs->first;
	rs->queued--;
	q->taken = true;
	return q;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct reads *rs = r->reads;

	thread_give_way();
	pthread_mutex_lock(&rs->lock);
	for (;;) {
		struct question *q;

		while (!rs->first && !rs->ending) {
			rs->idle++;
			pthread_cond_wait(&rs->more, &rs->lock);
			rs->idle--;
		}
		if (!rs->first)
			break;
		q = take_question(rs);
		pthread_mutex_unlock(&rs->lock);
		answer(r, q);
		loop_post(q->loop, &q->done);
		pthread_mutex_lock(&rs->lock);
	}
	pthread_mutex_unlock(&rs->lock);
	reader_close(r);
	judge_deinit(&r->judge);
	free(r->ids.at);
	error_slot_deinit(error_last());
	return NULL;
}

/* ---- those who ask ---- */

/* Under the lock: somebody will take what was queued. -1: nobody. */
static int see_to_a_thread(struct reads *rs)
{
	struct reader *r = &rs->readers[rs->nthreads];

	if (rs->idle >= rs->queued || rs->nthreads == READERS)
		return 0;
	*r = (struct reader){ .reads = rs };
	if (!thread_start(&r->thread, reader_main, r))
		rs->nthreads++;
	return rs->nthreads ? 0 : -1;
}

static int enqueue(struct reads *rs, struct question *q)
{
	int bad = 0;

	pthread_mutex_lock(&rs->lock);
	if (rs->queued >= READ_QUEUE) {
		bad = fail(ERR_BUSY, "too many pages are being read: %d questions wait",
			   READ_QUEUE);
	} else {
		*rs->last = q;
		rs->last = &q->next;
		rs->queued++;
		pthread_cond_signal(&rs->more);
		if (see_to_a_thread(rs)) {
			take_question(rs); /* it is the only one */
			bad = fail(ERR_BUSY, "no thread to read the record with");
		}
	}
	pthread_mutex_unlock(&rs->lock);
	return bad;
}

/* Out of the queue, if nobody has taken it. */
static bool withdraw(struct reads *rs, struct question *q)
{
	bool withdrawn = false;

	pthread_mutex_lock(&rs->lock);
	for (struct question **at = &rs->first; *at && !q->taken; at = &(*at)->next)
		if (*at == q) {
			*at = q->next;
			if (!q->next)
				rs->last = at;
			rs->queued--;
			withdrawn = true;
			break;
		}
	pthread_mutex_unlock(&rs->lock);
	return withdrawn;
}

/* Until it is over, whatever happens to the fiber meanwhile: the question lies on its stack. */
static void wait_for_answer(struct reads *rs, struct question *q)
{
	uint64_t deadline = fiber_deadline();

	while (!q->over) {
		if (!fiber_park())
			continue;
		fiber_cancel_reset();
		fiber_deadline_restore(TIME_NEVER);
		atomic_store(&q->cancelled, true);
		if (withdraw(rs, q))
			break;
	}
	fiber_deadline_restore(deadline);
}

int reads_run(struct reads *rs, uint64_t ms, read_fn *fn, void *arg, struct arena *a)
{
	struct question q = { .done.fn = answered,
			      .loop = loop_self(),
			      .fiber = fiber_self(),
			      .fn = fn,
			      .arg = arg,
			      .arena = a,
			      /* a test that compares must not depend on how busy the machine is */
			      .deadline =
				      clock_mono_ms() + (fault("reads.patient") ? ms * 30 : ms) };

	if (enqueue(rs, &q))
		return -1;
	wait_for_answer(rs, &q);
	if (atomic_load(&q.cancelled)) {
		fiber_cancel(fiber_self()); /* as it was */
		return fail(ERR_CANCELLED, "cancelled");
	}
	if (q.result >= 0)
		return q.result;
	return q.error ? fail_with(q.error) : fail(ERR_OUT_OF_MEMORY, "out of memory");
}

struct reads *reads_new(const struct reads_options *o)
{
	struct reads *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	rs->no_sqlite = o->no_sqlite;
	rs->dir = strdup(o->data_dir);
	if (o->clickhouse && rs->dir)
		rs->clickhouse = clickhouse_reads_new(o->clickhouse);
	if (!rs->dir || (o->clickhouse && !rs->clickhouse)) {
		free(rs->dir);
		free(rs);
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	}
	pthread_mutex_init(&rs->lock, NULL);
	pthread_cond_init(&rs->more, NULL);
	rs->last = &rs->first;
	return rs;
}

bool reads_answers_only(const struct reads *rs)
{
	return rs && rs->no_sqlite;
}

void reads_free(struct reads *rs)
{
	if (!rs)
		return;
	pthread_mutex_lock(&rs->lock);
	rs->ending = true;
	pthread_cond_broadcast(&rs->more);
	pthread_mutex_unlock(&rs->lock);
	for (unsigned i = 0; i < rs->nthreads; i++)
		pthread_join(rs->readers[i].thread, NULL);
	pthread_mutex_destroy(&rs->lock);
	pthread_cond_destroy(&rs->more);
	clickhouse_reads_free(rs->clickhouse);
	free(rs->dir);
	free(rs);
}
