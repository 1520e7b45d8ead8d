/*
 * The drainer. It reads segments forward, a batch at a time, and gives each batch to the sink in one
 * transaction that also holds the number of the last record; when that fails it goes back to where the
 * batch began. So nothing here needs to be remembered across a crash.
 *
 * Counts are added only when their batch is in the sink, so that a batch tried five times counts once.
 */
#include "store/drainer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include "store/dead_letter.h"
#include "store/store.h"

#define BATCH_ROWS       100
#define BATCH_MS         20
#define BATCH_ROWS_MAX   2000 /* with a backlog batches grow to this */
#define BATCH_BYTES      (7u << 20)
#define CALM_ROWS        300 /* of a batch: the sink has time for what it put off ... */
#define WORK_MS          20  /* ... for so long */
#define SLOW_MS          60000
#define URGENT_MS        30000
#define BUSY_PAUSE_MS    200
#define BLOCKED_PAUSE_MS 30000
#define ROOM_EVERY_MS    200
#define ROOM_BYTES       (1u << 20) /* that much more is room again */

static METRIC(metric_rows, METRIC_COUNTER, "signet_sink_rows_total", "sink,table", "Rows stored");
static METRIC(metric_batches, METRIC_COUNTER, "signet_sink_batches_total", "sink,result",
	      "Batches given to the sink");
static METRIC(metric_retries, METRIC_COUNTER, "signet_sink_retries_total", NULL,
	      "Batches that had to be given again");
static const double batch_bounds[] = { 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
				       0.1,    0.2,   0.5,   1,     5,    0 };
static METRIC(metric_batch, METRIC_HISTOGRAM, "signet_sink_batch_seconds", NULL,
	      "How long a batch took, commit included", .bounds = batch_bounds);

/* ---- alarms ---- */

static void set_alarm(struct drainer *d, const char *text)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->alarm, sizeof(d->alarm), "%s", text);
	pthread_mutex_unlock(&d->lock);
}

static void stand_alarm(struct drainer *d, const char *text)
{
	pthread_mutex_lock(&d->lock);
	snprintf(d->standing, sizeof(d->standing), "%s", text);
	pthread_mutex_unlock(&d->lock);
	log_error("store", text, LS("sink", d->sink->type->name));
}

/* ---- dead letters ---- */

/* How an operator knows the store. */
static const char *file_of(const struct drainer *d)
{
	return d->sink->type->files[0] ? d->sink->type->files[0] : d->sink->type->name;
}

/* 0: the rows stand in the dead letter. */
static int bury(struct drainer *d, const struct record_view *v)
{
	struct bytes payload;
	struct record_part part;
	struct buf row, unpacked;
	char text[100];
	size_t pos = 0;
	int failed = 0;

	buf_init(&row, (size_t)RECORD_MAX * 2);
	buf_init(&unpacked, (size_t)RECORD_MAX + 1);
	record_payload(v, &unpacked, &payload); /* what is damaged has no rows to keep */
	while (!failed && record_next_part(payload, &pos, &part) > 0) {
		struct dead_row dead = { .sink = d->sink->type->name,
					 .table = part.table,
					 .number = v->number,
					 .error = bytes_of(d->sink->error) };

		buf_reset(&row);
		failed = record_print_row(&part, &row);
		dead.row = buf_bytes(&row);
		failed = failed || dead_letter_add(d->dir, &dead);
	}
	buf_deinit(&row);
	buf_deinit(&unpacked);
	if (failed)
		return -1;
	d->sink->dead_rows++;
	snprintf(text, sizeof(text), "a record does not fit %s", file_of(d));
	log_error("store", text, LS("error", d->sink->error), LI("records", 1));
	return 0;
}

static void tell_dead_rows(struct drainer *d)
{
	char text[100];

	if (!d->sink->dead_rows)
		return;
	d->sink->dead_rows = 0;
	snprintf(text, sizeof(text), "rows that do not fit %s are in journal/dead", file_of(d));
	stand_alarm(d, text);
}

/* ---- the sink and its troubles ---- */

static void note_state(struct drainer *d, enum sink_state state)
{
	static const char *const told[] = { "the sink is ok again", "the sink is slow",
					    "the sink is down", "the sink is blocked" };

	if (atomic_exchange(&d->state, state) == (int)state)
		return;
	log_info("store", told[state], LS("sink", d->sink->type->name));
}

static void pause_for(struct drainer *d, uint64_t ms)
{
	uint64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until && !atomic_load(&d->stopping))
		nanosleep(&(struct timespec){ 0, 20000000 }, NULL);
}

static void lengthen_back_off(struct drainer *d)
{
	uint64_t first = d->sink->type->remote ? 200 : 1000;

	d->backoff_ms = !d->backoff_ms ? first : d->backoff_ms >= 15000 ? 30000 : d->backoff_ms * 2;
}

/* Of a server that many wait for, +-20 %. */
static void back_off(struct drainer *d)
{
	uint64_t ms;
	uint8_t dice;

	lengthen_back_off(d);
	random_bytes(&dice, 1);
	ms = d->sink->type->remote ? d->backoff_ms * (80 + dice * 40u / 255) / 100 : d->backoff_ms;
	pause_for(d, ms);
}

static uint64_t free_bytes(const struct drainer *d)
{
	struct statvfs v;

	return fstatvfs(d->dir, &v) ? 0 : (uint64_t)v.f_bavail * v.f_frsize;
}

/* The same, but room that comes back ends the wait: a full disk is mended from one moment to the next. */
static void back_off_until_room(struct drainer *d)
{
	uint64_t had = free_bytes(d), until;

	lengthen_back_off(d);
	until = clock_mono_ms() + d->backoff_ms;
	while (clock_mono_ms() < until && !atomic_load(&d->stopping)) {
		pause_for(d, ROOM_EVERY_MS);
		if (free_bytes(d) >= had + ROOM_BYTES) {
			d->backoff_ms = 0;
			return;
		}
	}
}

static void close_sink(struct drainer *d)
{
	d->sink->type->close(d->sink);
	d->sink_is_open = false;
}

/* From the sink's position on, as far as it is known. */
static void read_from_sink(struct drainer *d)
{
	bool known = d->sink_is_open || d->sink->type->remote;
	uint64_t position = known ? d->sink->position : 0;

	journal_stop_reading(&d->reader);
	d->reader.at = (struct place){ .last = position };
	d->reader.baseline_unknown = known && !position;
	atomic_store(&d->delivered, position);
}

static void replace_corrupt(struct drainer *d)
{
	const struct sink_type *type = d->sink->type;
	char text[400];

	close_sink(d);
	if (type->set_aside(d->sink, clock_unix_ms())) {
		snprintf(text, sizeof(text), "%s is damaged and cannot be renamed: %.*s",
			 file_of(d), BFMT(error_last()->message));
		set_alarm(d, text);
		note_state(d, SINK_STATE_DOWN);
		back_off(d);
		return;
	}
	snprintf(
		text, sizeof(text),
		"%s was damaged (%.150s): it is kept as %s*, a new file was made and the journal's segments are replayed",
		file_of(d), d->sink->error, type->aside);
	stand_alarm(d, text);
	journal_stop_reading(&d->reader);
	d->reader.at = (struct place){ 0 };
	d->reader.baseline_unknown = true;
	atomic_store(&d->sink->damaged, false);
}

static void trouble(struct drainer *d, enum sink_result r)
{
	struct bytes name = bytes_of(d->sink->type->name);
	char text[400];

	METRIC_ADD(&metric_batches, 1, name, B("failed"));
	METRIC_ADD(&metric_retries, 1);
	if (r == SINK_CORRUPT) {
		replace_corrupt(d);
		return;
	}
	d->sink->type->explain(d->sink, r, text, sizeof(text));
	set_alarm(d, text);
	note_state(d, r == SINK_BUSY                         ? SINK_STATE_SLOW
		      : r == SINK_NEWER || r == SINK_BLOCKED ? SINK_STATE_BLOCKED
							     : SINK_STATE_DOWN);
	log_warn("store", text);
	if (r == SINK_BUSY)
		pause_for(d, BUSY_PAUSE_MS);
	else if (r == SINK_BLOCKED)
		pause_for(d, fault("clickhouse.soon") ? BUSY_PAUSE_MS : BLOCKED_PAUSE_MS);
	else if (r == SINK_FULL)
		back_off_until_room(d);
	else
		back_off(d);
}

int drainer_config(struct drainer *d, struct bytes hash, struct bytes text)
{
	struct config_note *note = malloc(sizeof(*note) + hash.n + text.n);

	if (!note)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(note->texts, hash.p, hash.n);
	memcpy(note->texts + hash.n, text.p, text.n);
	note->hash = (struct bytes){ note->texts, hash.n };
	note->text = (struct bytes){ note->texts + hash.n, text.n };
	free(atomic_exchange(&d->next_note, note));
	return 0;
}

static void take_note(struct drainer *d)
{
	struct config_note *note = atomic_exchange(&d->next_note, NULL);

	if (!note)
		return;
	free(d->note);
	d->note = note;
	d->config_hash = note->hash;
	d->config_text = note->text;
	d->config_told = false;
}

/* Opens what is closed, tells the configuration. The sink's own position is where reading goes on. */
static bool sink_is_ready(struct drainer *d)
{
	struct sink *sink = d->sink;
	enum sink_result r = SINK_OK;

	take_note(d);
	if (atomic_load(&sink->damaged)) {
		snprintf(sink->error, sizeof(sink->error),
			 "found by the check after an unclean stop");
		trouble(d, SINK_CORRUPT);
	}
	if (!d->sink_is_open) {
		r = sink->type->open(sink);
		d->sink_is_open = r == SINK_OK;
		d->config_told = false;
		if (r == SINK_OK)
			read_from_sink(d);
	}
	if (r == SINK_OK && !d->config_told) {
		r = sink->type->config(sink, d->config_hash, d->config_text);
		d->config_told = r == SINK_OK;
	}
	if (r != SINK_OK)
		trouble(d, r);
	return r == SINK_OK;
}

/* ---- batches ---- */

struct batch {
	struct place from;
	bool baseline_unknown; /* as it was before the batch */
	uint64_t rows, bytes, records;
	bool more; /* it ended because it was full */
};

static uint64_t batch_rows(const struct drainer *d)
{
	return d->sink->batch_rows ? d->sink->batch_rows : BATCH_ROWS;
}

static uint64_t batch_ms(const struct drainer *d)
{
	return d->sink->batch_ms ? d->sink->batch_ms : BATCH_MS;
}

static bool batch_is_full(const struct drainer *d, const struct batch *b, uint64_t number)
{
	const struct sink *s = d->sink;
	uint64_t most = s->batch_rows_max ? s->batch_rows_max : BATCH_ROWS_MAX;

	return b->rows >= most || b->bytes >= BATCH_BYTES ||
	       (s->batch_ends_at && number >= s->batch_ends_at);
}

/* Reads and adds until there is no more, or enough. */
static enum sink_result fill_batch(struct drainer *d, struct batch *b)
{
	const struct sink_type *type = d->sink->type;
	struct record_view v;
	enum sink_result r;
	int found;

	while ((found = journal_next(&d->reader, &v)) > 0) {
		if (!b->records) {
			r = type->begin(d->sink);
			if (r != SINK_OK)
				return r;
		}
		b->records++;
		b->rows += v.parts;
		b->bytes += v.size;
		r = type->add(d->sink, &v);
		if (r == SINK_ROW && !bury(d, &v))
			r = SINK_OK;
		if (r != SINK_OK)
			return r == SINK_ROW ? SINK_DOWN : r;
		if (batch_is_full(d, b, v.number)) {
			b->more = true;
			break;
		}
	}
	if (found < 0) {
		snprintf(d->sink->error, sizeof(d->sink->error), "the journal cannot be read: %s",
			 strerror(errno));
		return b->records ? SINK_OK : SINK_DOWN; /* what was read is stored first */
	}
	return SINK_OK;
}

/* The oldest record that the sink has not has waited for longer than it should. */
static bool is_slow(struct drainer *d)
{
	uint64_t since = journal_waiting_since(d->j, atomic_load(&d->delivered));

	return since && clock_unix_ms() > since + (fault("drainer.soon") ? 1500 : SLOW_MS);
}

static void count_rows(struct sink *s)
{
	for (size_t t = 0; t < TABLES; t++)
		if (s->rows[t])
			METRIC_ADD(&metric_rows, (double)s->rows[t], bytes_of(s->type->name),
				   bytes_of(tables[t].name));
	memset(s->rows, 0, sizeof(s->rows));
}

/* The batch is stored: the journal may forget it. */
static void batch_is_stored(struct drainer *d)
{
	struct journal_reader *r = &d->reader;
	struct journal *j = d->j;
	const char *warning;

	METRIC_ADD(&metric_batches, 1, bytes_of(d->sink->type->name), B("ok"));
	count_rows(d->sink);
	if (r->lost && !d->id) { /* told once, by the first */
		METRIC_ADD(&metric_lost, (double)r->lost);
		log_error("store", "records are missing in the journal", LI("records", r->lost));
	}
	if (r->corrupt && !d->id)
		METRIC_ADD(&metric_corrupt, (double)r->corrupt);
	r->lost = r->corrupt = 0;
	atomic_store(&d->delivered, r->at.last);
	journal_move_reader(j, d->id, (struct journal_place){ r->at.first, r->at.offset });
	journal_drop_delivered(j, atomic_load(&j->full) ? 0 : j->o.keep_bytes);
	journal_let_pages_go(r, false);
	journal_age_stored(j, d->id, r->at.last);
	tell_dead_rows(d);
	d->backoff_ms = 0;
	set_alarm(d, "");
	note_state(d, is_slow(d) ? SINK_STATE_SLOW : SINK_STATE_OK);
	warning = d->sink->type->idle(d->sink, 0);
	if (*warning)
		set_alarm(d, warning);
}

/* The batch goes back to where it began. */
static void undo_batch(struct drainer *d, const struct batch *b, enum sink_result why)
{
	d->sink->type->rollback(d->sink);
	memset(d->sink->rows, 0, sizeof(d->sink->rows));
	journal_go_back(&d->reader, b->from, b->baseline_unknown);
	if (why == SINK_DOWN ||
	    why == SINK_BLOCKED) /* whatever the connection thinks, the file knows better */
		close_sink(d);
	trouble(d, why);
}

/* 1: stored something; 0: nothing was there; -1: it will be tried again. */
static int run_batch(struct drainer *d, struct batch *b)
{
	uint64_t began = clock_mono_ns();
	enum sink_result r;

	*b = (struct batch){ .from = d->reader.at, .baseline_unknown = d->reader.baseline_unknown };
	d->reader.lost = d->reader.corrupt = 0;
	r = fill_batch(d, b);
	if (r == SINK_OK && !b->records)
		return 0;
	if (r == SINK_OK)
		r = d->sink->type->commit(d->sink, d->reader.at.last);
	if (r != SINK_OK) {
		undo_batch(d, b, r);
		return -1;
	}
	METRIC_OBSERVE(&metric_batch, (double)(clock_mono_ns() - began) / 1e9);
	batch_is_stored(d);
	return 1;
}

static void watch_age(struct drainer *d)
{
	if (atomic_load(&d->state) == SINK_STATE_OK && is_slow(d)) {
		note_state(d, SINK_STATE_SLOW);
		log_warn("store", "rows have been waiting for the sink for over a minute",
			 LI("records", atomic_load(&d->j->written) - atomic_load(&d->delivered)));
	}
}

/* A step of what the sink has put off. True: there is more. */
static bool work(struct drainer *d)
{
	return d->sink->type->work && d->sink->type->work(d->sink, WORK_MS);
}

/* Nothing waits: put the house in order, then sleep. */
static void idle(struct drainer *d, uint64_t seen_rows)
{
	uint64_t now = clock_mono_ms();

	if (!d->idle_since_ms)
		d->idle_since_ms = now;
	d->sink->type->idle(d->sink, now - d->idle_since_ms + 1);
	if (!atomic_load(&d->stopping) && work(d)) {
		d->idle_since_ms = 0;
		return;
	}
	journal_wait_rows(d->j, d->id, seen_rows, 1, 1000);
	if (!atomic_load(&d->stopping))
		journal_wait_rows(d->j, d->id, seen_rows, batch_rows(d), batch_ms(d));
}

/* ---- turns ---- */

enum pace drainer_pace(enum pace now, uint64_t behind_ms, uint64_t waiting_bytes,
		       uint64_t max_bytes)
{
	if (!behind_ms)
		return GENTLE;
	if (behind_ms >= URGENT_MS || waiting_bytes >= max_bytes / 8)
		return URGENT;
	return now;
}

static enum pace next_pace(struct drainer *d)
{
	uint64_t since = d->behind_since_ms;

	if (atomic_load(&d->stopping))
		return URGENT;
	return drainer_pace(d->turn, since ? clock_mono_ms() - since + 1 : 0,
			    since ? journal_backlog(d->j, d->id) : 0, d->j->o.max_bytes);
}

/* Waits until it is this thread's turn. False: there will be no more. */
static bool take_turn(struct drainer *d, enum pace mine)
{
	bool over;

	pthread_mutex_lock(&d->turn_lock);
	while (!d->over && d->turn != mine)
		pthread_cond_wait(&d->turn_cond, &d->turn_lock);
	over = d->over;
	pthread_mutex_unlock(&d->turn_lock);
	return !over;
}

static void end_turn(struct drainer *d, bool over)
{
	enum pace next = next_pace(d);

	if (next == d->turn && !over)
		return;
	if (!atomic_load(&d->stopping))
		log_info("store",
			 next == URGENT
				 ? "the record has fallen behind: the drainer gives way no more"
				 : "the record has caught up: the drainer gives way again",
			 LI("records", atomic_load(&d->j->written) - atomic_load(&d->delivered)));
	pthread_mutex_lock(&d->turn_lock);
	d->turn = next;
	d->over = over;
	pthread_cond_broadcast(&d->turn_cond);
	pthread_mutex_unlock(&d->turn_lock);
}

/* A batch, and what is to be done after it. False: that was the last. */
static bool drain(struct drainer *d)
{
	/* Asked before reading: nothing is written any more once this is true. */
	bool last = atomic_load(&d->stopping);
	uint64_t seen = atomic_load(&d->j->written_rows);
	struct batch b = { 0 };
	int r = -1;

	if (last && clock_mono_ms() >= atomic_load(&d->stop_at_ms))
		return false;
	if (sink_is_ready(d)) {
		watch_age(d);
		r = run_batch(d, &b);
	}
	if (last && r <= 0)
		return false; /* nothing is left, or the journal keeps it for the next start */
	if (r > 0)
		d->idle_since_ms = 0;
	if (r == 0 || (r > 0 && !b.more))
		d->behind_since_ms = 0;
	else if (!d->behind_since_ms)
		d->behind_since_ms = clock_mono_ms();
	if (r > 0 && !b.more && !last && b.rows <= CALM_ROWS)
		work(d);
	if (r > 0 && !b.more && !last)
		journal_wait_rows(d->j, d->id, atomic_load(&d->j->written_rows), batch_rows(d),
				  batch_ms(d));
	else if (!r)
		idle(d, seen);
	return true;
}

static void finish(struct drainer *d)
{
	if (d->sink_is_open)
		d->sink->type->idle(d->sink, UINT64_MAX);
	journal_stop_reading(&d->reader);
	close_sink(d);
}

static void *drain_thread(void *arg)
{
	struct drain_thread *t = arg;
	struct drainer *d = t->d;

	pthread_setname_np(pthread_self(), "signet-drainer");
	if (t->pace == GENTLE)
		thread_give_way();
	while (take_turn(d, t->pace)) {
		bool more = drain(d);

		if (!more)
			finish(d);
		end_turn(d, !more);
	}
	error_clear(); /* a thread's last error is its own to free */
	return NULL;
}

static void join(struct drainer *d, int threads)
{
	while (threads-- > 0)
		pthread_join(d->threads[threads].id, NULL);
	pthread_cond_destroy(&d->turn_cond);
	pthread_mutex_destroy(&d->turn_lock);
	pthread_mutex_destroy(&d->lock);
}

int drainer_start(struct drainer *d)
{
	int e = 0, started = 0;

	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->turn_lock, NULL);
	pthread_cond_init(&d->turn_cond, NULL);
	read_from_sink(d);
	journal_place_reader(d->j, d->id, atomic_load(&d->delivered));
	d->turn = PACES; /* nobody's until all are there */
	for (; started < PACES && !e; started += !e) {
		struct drain_thread *t = &d->threads[started];

		*t = (struct drain_thread){ .d = d, .pace = (enum pace)started };
		e = thread_start(&t->id, drain_thread, t);
	}
	pthread_mutex_lock(&d->turn_lock);
	d->turn = GENTLE;
	d->over = e != 0;
	pthread_cond_broadcast(&d->turn_cond);
	pthread_mutex_unlock(&d->turn_lock);
	if (e) {
		join(d, started);
		return fail(ERR_STORE, "the drainer's thread: %s", strerror(e));
	}
	d->running = true;
	return 0;
}

void drainer_hurry(struct drainer *d, uint64_t ms)
{
	if (!d->running || atomic_load(&d->stopping))
		return;
	atomic_store(&d->stop_at_ms, clock_mono_ms() + ms);
	atomic_store(&d->stopping, true);
	pthread_mutex_lock(&d->j->more_lock);
	pthread_cond_broadcast(&d->j->more_cond);
	pthread_mutex_unlock(&d->j->more_lock);
	if (d->sink->type->hurry)
		d->sink->type->hurry(d->sink, atomic_load(&d->stop_at_ms));
}

void drainer_stop(struct drainer *d, uint64_t ms)
{
	if (!d->running)
		return;
	drainer_hurry(d, ms);
	join(d, PACES);
	d->running = false;
}
