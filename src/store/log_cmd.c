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
#include "config/config.h"
#include "sign/signer.h"
#include "store/log_read.h"
#include "store/store.h"

#define FOLLOW_MS  200
#define ENTRY_MAX  (1u << 30) /* memory of one entry with its bodies */
#define OUTPUT_MAX (1u << 30)
#define LIMIT_MAX  100000

#define WRONG_TIME(flag) \
	flag " wants a number and s, m, h or d, or a time like 2026-01-31T12:00:00Z, not '%s'"

struct options {
	const char *dir, *config_file, *since_text, *until_text, *model, *provider;
	char **words; /* to look for; ends with NULL */
	bool json, raw, colour, errors;
	uint64_t limit, slow_ms;
	int64_t since, until; /* seq; since 0, until INT64_MAX: none */
};

static const char help_text[] =
	"signet log: reads the record, beside a running gateway or without one\n"
	"\n"
	"usage: signet log tail         the last answers, then each new one as it ends\n"
	"       signet log show ID      one answer: conversation, output, parameters, attempts, signatures\n"
	"       signet log grep WORDS   answers that hold all the words, any case, newest first\n"
	"\n"
	"  --data-dir D        the data directory (SIGNET_DATA_DIR, default ./signet-data)\n"
	"  --config-file GLOB  the data directory that this configuration names\n"
	"  --json              JSON, one object a line\n"
	"  --limit N           how many answers to begin with, or to find (default 20)\n"
	"  --since 1h          only answers of that long ago or less: s, m, h, d, or a time (2026-01-31T12:00:00Z)\n"
	"  --until 10m         only answers from before then; tail does not follow\n"
	"  --errors            only what failed: state error, truncated\n"
	"  --model M           only of this model\n"
	"  --provider P        only of this provider: the one that answered, or was tried last\n"
	"  --slow MS           only what took this long or longer\n"
	"  --raw               show: the bodies of each attempt as sent and received\n"
	"\n"
	"ID is the one of a line, of the x-request-id header (req_...), of an answer (chatcmpl-...) or of a model inference.\n"
	"A line: local time and zone, status (- none was sent), model/provider, marks (stream, signed, R retries, F fallbacks, cut), ms, ttft,\n"
	"tokens in and out (~ estimated), id, input -> output or error.\n"
	"\n"
	"  signet log tail --limit 5\n"
	"  signet log show chatcmpl-01a2b3c4d5e67f808182838485868788\n"
	"  signet log grep invoice overdue --since 2d --json\n";

/* A time ago, or one of the calendar. */
static bool parse_when(const char *text, int64_t *seq)
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
	if (!time_parse_rfc3339(t, &n))
		return false;
	*seq = (int64_t)(n << 15);
	return true;
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

static int failed(void)
{
	return flags_failed("signet log: ");
}

/* ---- what is kept until its turn ---- */

/* A printed line that waits for its turn. */
struct shown {
	int64_t seq;
	struct buf line;
};

/* A command at its work. */
struct work {
	const struct options *o;
	struct log_reader r;
	struct log_entry e; /* the one at hand, and its memory */
	struct arena a;
	struct buf out;
	struct shown *kept;
	size_t nkept, cap;
};

static int print_entry(struct work *w)
{
	return w->o->json ? log_print_row_json(&w->e, &w->out, &w->a)
			  : log_print_line(&w->e, w->o->colour, &w->out, &w->a);
}

/* A backlog of millions must not be held for the sake of its last lines: it comes oldest first. */
static void drop_oldest(struct work *w, size_t most)
{
	size_t drop = w->nkept - most;

	for (size_t i = 0; i < drop; i++)
		buf_deinit(&w->kept[i].line);
	if (most)
		memmove(w->kept, w->kept + drop, most * sizeof(*w->kept));
	w->nkept = most;
}

static int keep_entry(struct work *w)
{
	uint64_t limit = w->o->limit;

	if (print_entry(w))
		return -1;
	if (w->nkept > limit && w->nkept - limit >= limit + 64)
		drop_oldest(w, limit);
	if (w->nkept == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 64;
		struct shown *grown = realloc(w->kept, cap * sizeof(*grown));

		if (!grown)
			return fail(ERR_OUT_OF_MEMORY, "out of memory");
		w->kept = grown;
		w->cap = cap;
	}
	w->kept[w->nkept++] = (struct shown){ .seq = w->e.seq, .line = w->out };
	buf_init(&w->out, OUTPUT_MAX);
	return 0;
}

static int by_seq(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void sort_kept(struct work *w)
{
	if (w->nkept)
		qsort(w->kept, w->nkept, sizeof(*w->kept), by_seq);
}

/* Whether one of two texts of a row holds the word. */
static bool hold(const struct cell *cells, size_t a, size_t b, struct bytes word)
{
	return bytes_ifind(cell_text(&cells[a]), word) >= 0 ||
	       bytes_ifind(cell_text(&cells[b]), word) >= 0;
}

static bool entry_holds(const struct log_entry *e, struct bytes word)
{
	if (hold(e->list, L_PREVIEW_IN, L_PREVIEW_OUT, word) ||
	    (e->has_chat && hold(e->chat, C_INPUT, C_OUTPUT, word)) ||
	    (e->has_error && hold(e->error, E_ERROR, E_ATTEMPTS, word)))
		return true;
	for (size_t i = 0; i < e->nmodels; i++)
		if (hold(e->models[i].m, M_RAW_REQUEST, M_RAW_RESPONSE, word))
			return true;
	return false;
}

static bool is_cell(const struct cell *c, const char *wanted)
{
	return !wanted || bytes_eq(cell_text(c), bytes_of(wanted));
}

/* Whether the flags let it through. */
static bool is_wanted(const struct work *w)
{
	const struct options *o = w->o;
	const struct cell *list = w->e.list;
	struct bytes state = cell_text(&list[L_STATE]);

	if (w->e.seq < o->since || w->e.seq > o->until)
		return false;
	if (o->errors && !bytes_eq(state, B("error")) && !bytes_eq(state, B("truncated")))
		return false;
	if (o->slow_ms && cell_int(&list[L_MS], -1) < (int64_t)o->slow_ms)
		return false;
	return is_cell(&list[L_MODEL], o->model) && is_cell(&list[L_PROVIDER], o->provider);
}

static bool matches(const struct work *w)
{
	if (!is_wanted(w))
		return false;
	for (char **word = w->o->words; *word; word++)
		if (!entry_holds(&w->e, bytes_of(*word)))
			return false;
	return true;
}

/* What waits in the journal and holds the words, oldest first. */
static int keep_journal(struct work *w)
{
	int found, bad = 0;

	while (!bad && (found = log_next_in_journal(&w->r, &w->e, &w->a)) > 0) {
		if (matches(w))
			bad = keep_entry(w);
		arena_deinit(&w->a);
	}
	sort_kept(w);
	return bad || found < 0 ? -1 : 0;
}

/* ---- tail ---- */

/* Where the walk through the store begins: older than this. */
static int64_t newest(const struct options *o)
{
	return o->until == INT64_MAX ? INT64_MAX : o->until + 1;
}

/* What is there already: all that waits in the journal, and the newest of the store. */
static int keep_newest(struct work *w)
{
	int64_t seq = newest(w->o);
	int found;

	if (keep_journal(w))
		return -1;
	for (uint64_t n = 0; n < w->o->limit;) {
		found = log_next_stored(&w->r, &seq, &w->e, &w->a);
		if (found < 0)
			return -1;
		if (!found || w->e.seq < w->o->since)
			break;
		if (!is_wanted(w)) {
			arena_deinit(&w->a);
			continue;
		}
		n++;
		if ((w->o->json && log_load_bodies(&w->r, &w->e, &w->a)) || keep_entry(w))
			return -1; /* bodies: for its tags */
		arena_deinit(&w->a);
	}
	sort_kept(w);
	return 0;
}

static int tail(struct work *w)
{
	uint64_t limit = w->o->limit;
	int closed = 0, found;

	if (keep_newest(w))
		return failed();
	log_let_go(&w->r);
	for (size_t i = w->nkept > limit ? w->nkept - limit : 0; !closed && i < w->nkept; i++)
		closed = emit(&w->kept[i].line);
	drop_oldest(w, 0);
	while (!closed && w->o->until == INT64_MAX) {
		while (!closed && (found = log_next_in_journal(&w->r, &w->e, &w->a)) > 0) {
			if (is_wanted(w)) {
				if (print_entry(w))
					return failed();
				closed = emit(&w->out);
			}
			arena_deinit(&w->a);
		}
		if (found < 0)
			return failed();
		nanosleep(&(struct timespec){ 0, FOLLOW_MS * 1000000 }, NULL);
	}
	return 0;
}

/* ---- show ---- */

static int show(struct work *w)
{
	const struct options *o = w->o;
	char id[UUID_TEXT + 1];
	int found;

	if (!parse_id(bytes_of(o->words[0]), id)) {
		fprintf(stderr, "signet log: '%s' is no inference id\n", o->words[0]);
		return 2;
	}
	found = log_find(&w->r, bytes_of(id), &w->e, &w->a);
	if (!found)
		fprintf(stderr, "signet log: %s is not in %s\n", id, o->dir);
	if (found <= 0)
		return found ? failed() : 1;
	if (o->json ? log_print_detail_json(&w->e, &w->out, &w->a)
		    : log_print_page(&w->e, o->colour, o->raw, &w->out, &w->a))
		return failed();
	emit(&w->out);
	return 0;
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

static int grep(struct work *w)
{
	uint64_t n = 0, limit = w->o->limit;
	int64_t seq = INT64_MAX;
	int found = 1, closed = 0;

	if (keep_journal(w))
		return failed();
	for (size_t i = w->nkept; !closed && i-- > 0 && n < limit; n++) {
		closed = emit(&w->kept[i].line);
		seq = w->kept[i].seq;
	}
	if (n < limit)
		seq = newest(w->o); /* the journal is done, the store begins anew */
	while (!closed && n < limit) {
		found = log_next_stored(&w->r, &seq, &w->e, &w->a);
		if (found <= 0 || w->e.seq < w->o->since)
			break;
		found = log_load_bodies(&w->r, &w->e, &w->a);
		if (found)
			break;
		if (matches(w)) {
			closed = print_entry(w) || emit(&w->out);
			n++;
		}
		arena_deinit(&w->a);
	}
	if (found < 0)
		return failed();
	if (!closed)
		tell_reach(seq, n);
	return 0;
}

static const struct reading {
	const char *name;
	int (*run)(struct work *);
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
		{ "--until", .text = &o->until_text },
		{ "--config-file", .text = &o->config_file, .not_empty = true },
		{ "--errors", .on = &o->errors },
		{ "--model", .text = &o->model },
		{ "--provider", .text = &o->provider },
		{ "--slow", .number = &o->slow_ms, .most = UINT32_MAX },
	};
	const struct command log = { "signet log", help_text, flags, COUNT(flags), true };
	int status = flags_read(&log, argc, argv);

	if (status >= 0)
		return status;
	if (o->since_text && !parse_when(o->since_text, &o->since))
		return flags_wrong(&log, WRONG_TIME("--since"), o->since_text);
	if (o->until_text && !parse_when(o->until_text, &o->until))
		return flags_wrong(&log, WRONG_TIME("--until"), o->until_text);
	if (o->config_file && o->dir && o->dir != getenv("SIGNET_DATA_DIR"))
		return flags_wrong(&log, "give --data-dir or --config-file, not both");
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

/* The data directory of a configuration, in `room`. -1: it is not valid, which is said. */
static int dir_of_config(struct options *o, char *room, size_t n)
{
	struct config_options from = { .offline = true, .glob = o->config_file };
	struct config_issues issues = { 0 };
	struct config *config = config_load(&from, &issues);
	bool valid = config != NULL;
	struct buf line;

	buf_init(&line, OUTPUT_MAX);
	for (size_t i = 0; i < issues.len && !valid; i++) {
		buf_reset(&line);
		if (!config_issue_print(&issues.at[i], &line))
			fprintf(stderr, "%.*s\n", (int)line.len, line.data);
	}
	buf_deinit(&line);
	if (valid) {
		snprintf(room, n, "%.*s", BFMT(config->data_dir));
		o->dir = room;
	}
	config_issues_deinit(&issues);
	config_unref(config);
	return valid ? 0 : -1;
}

int store_log_main(int argc, char **argv)
{
	struct options o = { .dir = getenv("SIGNET_DATA_DIR"), .limit = 20, .until = INT64_MAX };
	char room[4096];
	const struct reading *reading = NULL;
	struct work w = { .o = &o };
	int status = read_options(argc, argv, &o, &reading);

	if (status >= 0 || !reading)
		return status;
	if (o.config_file) {
		if (signing_init())
			return failed();
		status = dir_of_config(&o, room, sizeof(room));
		signing_deinit();
		if (status)
			return 1;
	}
	if (!o.dir || !*o.dir)
		o.dir = "signet-data";
	o.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	signal(SIGPIPE, SIG_IGN); /* a closed pipe is a short write */
	buf_init(&w.out, OUTPUT_MAX);
	arena_init(&w.a, ENTRY_MAX);
	status = log_reader_open(&w.r, o.dir) ? failed() : reading->run(&w);
	log_reader_close(&w.r);
	drop_oldest(&w, 0);
	free(w.kept);
	arena_deinit(&w.a);
	buf_deinit(&w.out);
	return status;
}
