/*
 * `signet log tail|show ID|grep WORDS`: the record read from outside, beside a running gateway or without one.
 * tail shows the last inferences and follows the journal, where an answer stands before it is complete;
 * a pipe that closes ends it. Nothing here writes into the data directory.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/flags.h"
#include "base/time.h"
#include "store/log_print.h"
#include "store/store.h"

#define FOLLOW_MS  200
#define ENTRY_MAX  (1u << 30) /* memory of one entry with its bodies */
#define OUTPUT_MAX (1u << 30)
#define LIMIT_MAX  100000

struct options {
	const char *dir, *since_text;
	char **words; /* to look for; ends with NULL */
	bool json, raw, colour;
	uint64_t limit;
	int64_t since; /* seq; 0 = none */
};

static const char help_text[] =
	"signet log: reads the record, beside a running gateway or without one\n"
	"\n"
	"usage: signet log tail         the last answers, then each new one as it ends\n"
	"       signet log show ID      one answer: conversation, output, parameters, attempts, signatures\n"
	"       signet log grep WORDS   answers that hold all the words, any case, newest first\n"
	"\n"
	"  --data-dir D   the data directory (SIGNET_DATA_DIR, default ./signet-data)\n"
	"  --json         JSON, one object a line\n"
	"  --limit N      how many answers to begin with, or to find (default 20)\n"
	"  --since 1h     only answers of that long ago or less: s, m, h, d\n"
	"  --raw          show: the bodies of each attempt as sent and received\n"
	"\n"
	"ID is an inference id (chatcmpl-..., the x-signet-inference-id header) or that of a model inference.\n"
	"A line: time, status, model/provider, marks (stream, signed, R retries, F fallbacks, cut), ms, ttft,\n"
	"tokens in and out (~ estimated), id, input -> output or error.\n"
	"\n"
	"  signet log tail --limit 5\n"
	"  signet log show chatcmpl-01a2b3c4d5e67f808182838485868788\n"
	"  signet log grep invoice overdue --since 2d --json\n";

static bool parse_since(const char *text, int64_t *seq)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = { { 's', 1000 }, { 'm', 60000 }, { 'h', 3600000 }, { 'd', 86400000 } };
	struct bytes t = bytes_of(text);
	uint64_t n;

	for (size_t i = 0; t.n > 1 && i < sizeof(units) / sizeof(*units); i++)
		if (t.p[t.n - 1] == units[i].unit && bytes_to_u64(bytes_slice(t, 0, t.n - 1), &n) &&
		    n < 100000000) {
			uint64_t ago = n * units[i].ms, now = clock_unix_ms();

			*seq = (int64_t)((now > ago ? now - ago : 0) << 15);
			return true;
		}
	return false;
}

/* Every form that carries an inference id: canonical, 32 digits, with a prefix of a surface. */
static bool parse_id(struct bytes text, char out[UUID_TEXT + 1])
{
	struct uuid u;

	if (!uuid_parse(text, &u)) {
		if (text.n < 33 || (text.p[text.n - 33] != '-' && text.p[text.n - 33] != '_') ||
		    !uuid_parse(bytes_slice(text, text.n - 32, 32), &u))
			return false;
	}
	uuid_print(u, out);
	return true;
}

/* 0; 1: stdout is closed, which is no error of ours. */
static int emit(struct buf *out)
{
	size_t n = fwrite(out->data ? out->data : "", 1, out->len, stdout);
	bool closed = n != out->len || fflush(stdout);

	buf_reset(out);
	return closed;
}

static int print_entry(const struct options *o, const struct log_entry *e, struct buf *out,
		       struct arena *a)
{
	return o->json ? log_print_row_json(e, out, a) : log_print_line(e, o->colour, out, a);
}

static int failed(void)
{
	return flags_failed("signet log: ");
}

/* ---- what is kept until its turn ---- */

/* A printed line that waits for its turn. */
struct shown {
	int64_t seq;
	char *text;
	size_t len;
};

struct shelf {
	struct shown *at;
	size_t len, cap;
};

/* A backlog of millions must not be held for the sake of its last lines: it comes oldest first. */
static void drop_oldest(struct shelf *s, size_t most)
{
	size_t drop = s->len - most;

	for (size_t i = 0; i < drop; i++)
		free(s->at[i].text);
	memmove(s->at, s->at + drop, most * sizeof(*s->at));
	s->len = most;
}

static int keep(struct shelf *s, const struct log_entry *e, uint64_t limit, struct buf *out)
{
	struct shown *x;

	if (s->len > limit && s->len - limit >= limit + 64)
		drop_oldest(s, limit);
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 64;
		struct shown *grown = realloc(s->at, cap * sizeof(*grown));

		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		s->at = grown;
		s->cap = cap;
	}
	x = &s->at[s->len];
	*x = (struct shown){ .seq = e->seq, .len = out->len, .text = malloc(out->len + 1) };
	if (!x->text)
		return fail(ERR_OUT_OF_MEMORY, "out of memory");
	memcpy(x->text, out->data, out->len);
	s->len++;
	buf_reset(out);
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void clear(struct shelf *s)
{
	for (size_t i = 0; i < s->len; i++)
		free(s->at[i].text);
	free(s->at);
}

static bool holds(struct bytes text, struct bytes word)
{
	return text.n && bytes_ifind(text, word) >= 0;
}

static bool entry_holds(const struct log_entry *e, struct bytes word)
{
	if (holds(cell_text(&e->list[L_PREVIEW_IN]), word) ||
	    holds(cell_text(&e->list[L_PREVIEW_OUT]), word))
		return true;
	if (e->has_chat && (holds(cell_text(&e->chat[C_INPUT]), word) ||
			    holds(cell_text(&e->chat[C_OUTPUT]), word)))
		return true;
	if (e->has_error && (holds(cell_text(&e->error[E_ERROR]), word) ||
			     holds(cell_text(&e->error[E_ATTEMPTS]), word)))
		return true;
	for (size_t i = 0; i < e->nmodels; i++)
		if (holds(cell_text(&e->models[i].m[M_RAW_REQUEST]), word) ||
		    holds(cell_text(&e->models[i].m[M_RAW_RESPONSE]), word))
			return true;
	return false;
}

static bool matches(const struct options *o, const struct log_entry *e)
{
	for (char **word = o->words; *word; word++)
		if (!entry_holds(e, bytes_of(*word)))
			return false;
	return true;
}

/* What waits in the journal and holds the words, oldest first. */
static int shelve_journal(struct log_reader *r, const struct options *o, struct shelf *s,
			  struct buf *out)
{
	struct log_entry e;
	struct arena a;
	int found, bad = 0;

	arena_init(&a, ENTRY_MAX);
	while (!bad && (found = log_next_in_journal(r, &e, &a)) > 0) {
		if (e.seq >= o->since && matches(o, &e))
			bad = print_entry(o, &e, out, &a) || keep(s, &e, o->limit, out);
		arena_deinit(&a);
	}
	arena_deinit(&a);
	if (s->len)
		qsort(s->at, s->len, sizeof(*s->at), by_seq);
	return bad || found < 0 ? -1 : 0;
}

/* ---- tail ---- */

/* What is there already: all that waits in the journal, and the newest of the store. */
static int collect(struct log_reader *r, const struct options *o, struct shelf *s, struct buf *out)
{
	int64_t seq = INT64_MAX;
	struct log_entry e;
	struct arena a;
	int found, bad = shelve_journal(r, o, s, out);

	arena_init(&a, ENTRY_MAX);
	for (uint64_t n = 0; !bad && n < o->limit; n++) {
		found = log_next_stored(r, &seq, &e, &a);
		if (found <= 0 || e.seq < o->since) {
			bad = found < 0;
			break;
		}
		if (o->json && log_load_bodies(r, &e, &a)) { /* for its tags */
			bad = 1;
			break;
		}
		bad = print_entry(o, &e, out, &a) || keep(s, &e, o->limit, out);
		arena_deinit(&a);
	}
	arena_deinit(&a);
	if (s->len)
		qsort(s->at, s->len, sizeof(*s->at), by_seq);
	return bad;
}

static int show_shelf(const struct options *o, struct shelf *s, struct buf *out)
{
	size_t from = s->len > o->limit ? s->len - o->limit : 0;
	int closed = 0;

	for (size_t i = from; !closed && i < s->len; i++) {
		if (buf_append(out, (struct bytes){ s->at[i].text, s->at[i].len }))
			return -1;
		closed = emit(out);
	}
	return closed;
}

static int tail(struct log_reader *r, const struct options *o, struct buf *out)
{
	struct shelf shelf = { 0 };
	struct log_entry e;
	struct arena a;
	int closed, found;

	if (collect(r, o, &shelf, out)) {
		clear(&shelf);
		return failed();
	}
	log_let_go(r);
	closed = show_shelf(o, &shelf, out);
	clear(&shelf);
	arena_init(&a, ENTRY_MAX);
	while (!closed) {
		while (!closed && (found = log_next_in_journal(r, &e, &a)) > 0) {
			if (print_entry(o, &e, out, &a))
				return failed();
			closed = emit(out);
			arena_deinit(&a);
		}
		if (found < 0)
			return failed();
		nanosleep(&(struct timespec){ 0, FOLLOW_MS * 1000000 }, NULL);
	}
	return 0;
}

/* ---- show ---- */

static int show(struct log_reader *r, const struct options *o, struct buf *out)
{
	char id[UUID_TEXT + 1];
	struct log_entry e;
	struct arena a;
	int found, status = 1;

	if (!parse_id(bytes_of(o->words[0]), id)) {
		fprintf(stderr, "signet log: '%s' is no inference id\n", o->words[0]);
		return 2;
	}
	arena_init(&a, ENTRY_MAX);
	found = log_find(r, bytes_of(id), &e, &a);
	if (found < 0) {
		failed();
	} else if (!found) {
		fprintf(stderr, "signet log: %s is not in %s\n", id, o->dir);
	} else if (o->json ? log_print_detail_json(&e, out, &a)
			   : log_print_page(&e, o->colour, o->raw, out, &a)) {
		failed();
	} else {
		emit(out);
		status = 0;
	}
	arena_deinit(&a);
	return status;
}

/* ---- grep ---- */

/* How far back it looked, for the reader who misses something. */
static void tell_reach(int64_t seq, uint64_t found)
{
	char t[25];

	if (seq == INT64_MAX) {
		fprintf(stderr, "%" PRIu64 " found; nothing older is stored\n", found);
		return;
	}
	time_rfc3339_ms((uint64_t)seq >> 15, t);
	fprintf(stderr, "%" PRIu64 " found, looked back to %s\n", found, t);
}

static int grep(struct log_reader *r, const struct options *o, struct buf *out)
{
	struct shelf shelf = { 0 };
	int64_t seq = INT64_MAX;
	struct log_entry e;
	struct arena a;
	uint64_t n = 0;
	int found = 1, closed = 0;

	if (shelve_journal(r, o, &shelf, out)) {
		clear(&shelf);
		return failed();
	}
	for (size_t i = shelf.len; !closed && i-- > 0 && n < o->limit; n++) {
		closed = buf_append(out, (struct bytes){ shelf.at[i].text, shelf.at[i].len }) ||
			 emit(out);
		seq = shelf.at[i].seq;
	}
	clear(&shelf);
	if (n < o->limit)
		seq = INT64_MAX; /* the journal is done, the store begins anew */
	arena_init(&a, ENTRY_MAX);
	while (!closed && n < o->limit) {
		found = log_next_stored(r, &seq, &e, &a);
		if (found <= 0 || e.seq < o->since || log_load_bodies(r, &e, &a))
			break;
		if (matches(o, &e)) {
			closed = print_entry(o, &e, out, &a) || emit(out);
			n++;
		}
		arena_deinit(&a);
	}
	arena_deinit(&a);
	if (found < 0)
		return failed();
	if (!closed)
		tell_reach(seq, n);
	return 0;
}

static const struct reading {
	const char *name;
	int (*run)(struct log_reader *, const struct options *, struct buf *);
	bool words;
} readings[] = { { "tail", tail, false }, { "show", show, true }, { "grep", grep, true } };

static const struct reading *find_reading(const char *name)
{
	for (size_t i = 0; name && i < COUNT(readings); i++)
		if (strcmp(readings[i].name, name) == 0)
			return &readings[i];
	return NULL;
}

/* -1: go on; else the exit status. */
static int read_options(int argc, char **argv, struct options *o, const struct reading **reading)
{
	const struct flag flags[] = {
		{ "--data-dir", .text = &o->dir },
		{ "--json", .on = &o->json },
		{ "--raw", .on = &o->raw },
		{ "--limit", .number = &o->limit, .most = LIMIT_MAX },
		{ "--since", .text = &o->since_text },
	};
	const struct command log = { "signet log", help_text, flags, COUNT(flags), true };
	int status = flags_read(&log, argc, argv);

	if (status >= 0)
		return status;
	if (o->since_text && !parse_since(o->since_text, &o->since))
		return flags_wrong(&log, "--since wants a number and s, m, h or d, not '%s'",
				   o->since_text);
	*reading = find_reading(argv[0]);
	if (!*reading)
		return argv[0] ? flags_wrong(&log, "unknown command %s", argv[0])
			       : flags_wrong(&log, "tail, show or grep is missing");
	o->words = argv + 1;
	if ((*reading)->words != (o->words[0] != NULL))
		return flags_wrong(&log, o->words[0] ? "tail takes no words"
						     : "an id or words are missing");
	return -1;
}

int store_log_main(int argc, char **argv)
{
	struct options o = { .dir = getenv("SIGNET_DATA_DIR"), .limit = 20 };
	const struct reading *reading = NULL;
	struct log_reader r;
	struct buf out;
	int status = read_options(argc, argv, &o, &reading);

	if (status >= 0)
		return status;
	if (!o.dir || !*o.dir)
		o.dir = "signet-data";
	o.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is a short write */
	buf_init(&out, OUTPUT_MAX);
	status = log_reader_open(&r, o.dir) ? failed() : reading->run(&r, &o, &out);
	log_reader_close(&r);
	buf_deinit(&out);
	return status;
}
