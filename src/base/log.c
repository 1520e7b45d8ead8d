/*
 * The log. A line is put together and leaves in one write(2) under a lock, so lines of
 * different threads never mix, whatever they are written to. Whether a line is wanted is decided before
 * anything is formatted, by one relaxed load.
 * A warning that repeats (base/log_repeats.c) is written once a minute; what was held back is told by log_tick() when its minute
 * is over, and by log_flush() at the end: the last one's fields, and in `count` how many they were.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log_repeats.h"
#include "base/time.h"

#define MAX_LINE      16384 /* longer lines lose their last fields */
#define MAX_AREAS     16
#define FIELDS_MAX    16  /* of a warning */
#define WRITE_WAIT_MS 100 /* how long a full pipe is waited for before the line is given up */

/* Printed: those that clients see, and that of the record. */
struct request_ids {
	char request[4 + 32 + 1], inference[UUID_TEXT + 1];
};

struct line {
	char *p;
	size_t n, max;
};

static struct {
	pthread_mutex_t lock;
	int fd;
	char *path; /* of --log-file, for log_reopen */
	bool pretty, colours;
	enum log_format format;
	struct repeats repeats;
	bool (*ids)(struct uuid *); /* of the request that the caller works for; NULL: none knows */
} out = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = STDERR_FILENO, .format = LOG_JSON };

/* Set once at start, read by all threads after. */
static atomic_int highest = LOG_INFO;       /* of all areas */
static atomic_int default_level = LOG_INFO; /* may change while all run: log_level() */
static struct {
	char name[24];
	enum log_level level;
} areas[MAX_AREAS];
static size_t nareas;

static const struct {
	const char *name, *padded, *colour;
} levels[] = {
	[LOG_ERROR] = { "error", "ERROR", "\033[31m" },
	[LOG_WARN] = { "warn", " WARN", "\033[33m" },
	[LOG_INFO] = { "info", " INFO", "\033[32m" },
	[LOG_DEBUG] = { "debug", "DEBUG", "\033[34m" },
};

static bool level_parse(struct bytes text, enum log_level *level)
{
	for (size_t i = 0; i < COUNT(levels); i++) {
		if (bytes_ieq(text, bytes_of(levels[i].name))) {
			*level = (enum log_level)i;
			return true;
		}
	}
	if (!bytes_ieq(text, B("trace"))) /* a level of RUST_LOG */
		return false;
	*level = LOG_DEBUG;
	return true;
}

static int filter_part(struct bytes part)
{
	struct bytes level = part, area = bytes_cut(&level, '=');
	bool of_all = area.n == part.n;
	enum log_level parsed;

	if (!area.n || area.n >= sizeof(areas[0].name))
		return fail(ERR_CONFIG, "\"%.*s\" is no log area", BFMT(area));
	level = of_all ? part : level;
	if (!level_parse(level, &parsed))
		return fail(ERR_CONFIG, "\"%.*s\" is no log level (use error, warn, info or debug)",
			    BFMT(level));
	if (of_all) {
		atomic_store(&default_level, (int)parsed);
		return 0;
	}
	if (nareas == MAX_AREAS)
		return fail(ERR_CONFIG, "more than %d log areas", MAX_AREAS);
	memcpy(areas[nareas].name, area.p, area.n);
	areas[nareas].name[area.n] = 0;
	areas[nareas++].level = parsed;
	return 0;
}

static int filter_set(const char *filter)
{
	struct bytes rest = bytes_of(filter ? filter : "info");
	int top, bad = 0;

	nareas = 0;
	default_level = LOG_INFO;
	while (rest.n && !bad) {
		struct bytes part = bytes_trim(bytes_cut(&rest, ','));

		if (part.n)
			bad = filter_part(part);
	}
	top = default_level;
	for (size_t i = 0; i < nareas; i++)
		top = (int)areas[i].level > top ? (int)areas[i].level : top;
	atomic_store(&highest, top);
	return bad;
}

void log_level(enum log_level level)
{
	int top = (int)level;

	for (size_t i = 0; i < nareas; i++)
		top = (int)areas[i].level > top ? (int)areas[i].level : top;
	atomic_store(&default_level, (int)level);
	atomic_store(&highest, top);
}

static void look_decide(void)
{
	bool terminal = isatty(out.fd);
	const char *no_color = getenv("NO_COLOR");

	out.pretty = out.format == LOG_PRETTY || (out.format == LOG_AUTO && terminal);
	out.colours = out.pretty && terminal && !(no_color && *no_color);
}

int log_setup(enum log_format format, const char *filter)
{
	pthread_mutex_lock(&out.lock);
	out.format = format;
	look_decide();
	pthread_mutex_unlock(&out.lock);
	return filter_set(filter);
}

/* Opens the file anew and puts it in place of the old one, which stays if that fails. */
static int file_open(void)
{
	int fd = open(out.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0)
		return fail(ERR_IO, "cannot open the log file %s: %s", out.path, strerror(errno));
	if (out.fd != STDERR_FILENO)
		close(out.fd);
	out.fd = fd;
	look_decide();
	return 0;
}

int log_open_file(const char *path)
{
	char *copy = strdup(path);
	int bad;

	if (!copy)
		return fail(ERR_OUT_OF_MEMORY, "no memory for the name of the log file");
	pthread_mutex_lock(&out.lock);
	free(out.path);
	out.path = copy;
	bad = file_open();
	pthread_mutex_unlock(&out.lock);
	return bad;
}

void log_reopen(void)
{
	int bad = 0;

	pthread_mutex_lock(&out.lock);
	if (out.path)
		bad = file_open();
	pthread_mutex_unlock(&out.lock);
	if (bad)
		log_error("log", "the log file was not reopened",
			  LB("error", error_last()->message));
}

bool log_enabled(enum log_level level, const char *area)
{
	if ((int)level > atomic_load_explicit(&highest, memory_order_relaxed))
		return false;
	for (size_t i = 0; i < nareas; i++)
		if (!strcmp(areas[i].name, area))
			return level <= areas[i].level;
	return (int)level <= atomic_load_explicit(&default_level, memory_order_relaxed);
}

static void put(struct line *l, const char *p, size_t n)
{
	if (n > l->max - l->n)
		n = l->max - l->n;
	memcpy(l->p + l->n, p, n);
	l->n += n;
}

static void put_cstr(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* As JSON, which the pretty form uses too: one line stays one line, a terminal sees no control bytes. What is
 * no UTF-8 becomes U+FFFD, byte by byte, since a log reader would drop the whole line otherwise. */
static void put_escaped(struct line *l, struct bytes s)
{
	bool valid = bytes_is_utf8(s);
	char hex[8];

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			put(l, "\\", 1);
			put(l, &s.p[i], 1);
		} else if (c == '\n') {
			put(l, "\\n", 2);
		} else if (c < 0x20 || c == 0x7f) {
			snprintf(hex, sizeof(hex), "\\u%04x", c);
			put_cstr(l, hex);
		} else if (c == 0xc2 && valid &&
			   (unsigned char)s.p[i + 1] < 0xa0) { /* C1: a terminal obeys */
			snprintf(hex, sizeof(hex), "\\u%04x", (unsigned char)s.p[++i]);
			put_cstr(l, hex);
		} else if (c >= 0x80 && !valid) {
			put(l, "\xef\xbf\xbd", 3);
		} else {
			put(l, &s.p[i], 1);
		}
	}
}

static void put_value(struct line *l, const struct log_field *f, bool quoted)
{
	char number[32];

	switch (f->type) {
	case LOG_TEXT:
		if (quoted)
			put(l, "\"", 1);
		put_escaped(l, f->text);
		if (quoted)
			put(l, "\"", 1);
		return;
	case LOG_INT: snprintf(number, sizeof(number), "%lld", (long long)f->num); break;
	case LOG_REAL:
		snprintf(number, sizeof(number), isfinite(f->real) ? "%.6g" : "null", f->real);
		break;
	case LOG_END: return;
	}
	put_cstr(l, number);
}

/* A field is written whole or not at all, so that a JSON line that is too long stays JSON. */
static void put_field(struct line *l, const struct log_field *f)
{
	size_t before = l->n;

	if (f->type == LOG_TEXT && !bytes_set(f->text))
		return;
	if (out.pretty) {
		put_cstr(l, " ");
		put_cstr(l, f->key);
		put_cstr(l, "=");
		put_value(l, f,
			  f->type == LOG_TEXT && (!f->text.n || bytes_chr(f->text, ' ') >= 0));
	} else {
		put_cstr(l, ",\"");
		put_cstr(l, f->key);
		put_cstr(l, "\":");
		put_value(l, f, true);
	}
	if (l->n == l->max)
		l->n = before;
}

static void put_head(struct line *l, enum log_level level, const char *area, const char *msg)
{
	char t[25];

	time_rfc3339_ms(clock_unix_ms(), t);
	if (!out.pretty) {
		put_cstr(l, "{\"t\":\"");
		put_cstr(l, t);
		put_cstr(l, "\",\"level\":\"");
		put_cstr(l, levels[level].name);
		put_cstr(l, "\",\"msg\":\"");
		put_escaped(l, bytes_slice(bytes_of(msg), 0, MAX_LINE / 8));
		put_cstr(l, "\"");
		return;
	}
	put_cstr(l, t);
	put_cstr(l, " ");
	put_cstr(l, out.colours ? levels[level].colour : "");
	put_cstr(l, levels[level].padded);
	put_cstr(l, out.colours ? "\033[0m " : " ");
	put_cstr(l, area);
	put_cstr(l, ": ");
	put_escaped(l, bytes_slice(bytes_of(msg), 0, MAX_LINE / 8));
}

/* A pipe whose reader sleeps must not stop a worker for long: the line is dropped then. */
static void write_all(const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(out.fd, p, n);

		if (w >= 0) {
			p += w;
			n -= (size_t)w;
		} else if (errno == EAGAIN) {
			struct pollfd wait = { .fd = out.fd, .events = POLLOUT };

			if (poll(&wait, 1, WRITE_WAIT_MS) <= 0)
				return;
		} else if (errno != EINTR) {
			return;
		}
	}
}

/* Under the lock, which also guards the text: fibers have no room for it on their stacks. */
static void emit(enum log_level level, const char *area, const char *msg,
		 const struct log_field *fields, uint64_t count)
{
	static char text[MAX_LINE];
	struct line l = { text, 0, sizeof(text) - 2 };

	put_head(&l, level, area, msg);
	if (count)
		put_field(&l, &LI("count", count));
	for (; fields && fields->key; fields++)
		put_field(&l, fields);
	l.max = sizeof(text); /* the last two places were kept free for the end */
	put_cstr(&l, out.pretty ? "\n" : "}\n");
	write_all(text, l.n);
}

/* Writes a warning that was held back. */
static void tell(const struct repeat *r)
{
	emit(LOG_WARN, r->area, r->msg, r->fields, r->count);
}

/* With the ids of the caller's request behind the fields, unless they are there. Of 0 to FIELDS_MAX fields. */
static void add_ids(struct log_field *to, const struct log_field *fields, struct request_ids *ids)
{
	size_t n = 0;
	struct uuid id;

	for (; fields && fields->key && n < FIELDS_MAX; fields++) {
		if (strcmp(fields->key, "request_id") != 0)
			to[n++] = *fields;
	}
	to[n] = (struct log_field){ 0 };
	if (!out.ids(&id))
		return;
	memcpy(ids->request, "req_", 4);
	uuid_hex(id, ids->request + 4);
	uuid_print(id, ids->inference);
	to[n++] = LB("request_id", ((struct bytes){ ids->request, 4 + 32 }));
	to[n++] = LS("inference_id", ids->inference);
	to[n] = (struct log_field){ 0 };
}

static void write_line(enum log_level level, const char *area, const char *msg,
		       const struct log_field *fields)
{
	uint64_t count = 0;

	pthread_mutex_lock(&out.lock);
	if (level != LOG_WARN ||
	    !repeats_hold(&out.repeats, area, msg, fields, clock_mono_ms(), &count))
		emit(level, area, msg, fields, count);
	pthread_mutex_unlock(&out.lock);
}

void log_write(enum log_level level, const char *area, const char *msg,
	       const struct log_field *fields)
{
	struct log_field all[FIELDS_MAX + 3];
	struct request_ids ids;

	if (level <= LOG_WARN && out.ids) {
		add_ids(all, fields, &ids);
		fields = all;
	}
	write_line(level, area, msg, fields);
}

void log_ids_from(bool (*ids)(struct uuid *))
{
	out.ids = ids;
}

void log_tick(uint64_t now)
{
	pthread_mutex_lock(&out.lock);
	repeats_due(&out.repeats, now, tell);
	pthread_mutex_unlock(&out.lock);
}

void log_flush(void)
{
	log_tick(TIME_NEVER);
}
