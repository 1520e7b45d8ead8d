/*
 * The list as a stream: what arrives now (server-sent events), and all of it as a file. Each look is a question of its
 * own to the record, so that a reader who stays for hours holds no connection to it between two looks.
 */
#include "api/internal.h"

#include "store/row.h"

#define LOOK_MS     500
#define ROWS_A_LOOK 10 /* 20 a second: more cannot be read */
#define BEAT_MS     10000
#define CATCH_UP    200 /* rows, for a reader whose last one is not in the journal any more */
#define PAGE_ROWS   500
#define PAGE_WHOLE  20 /* with bodies */
#define LIVE_MAX    (64u << 20)

static int put_row(struct buf *out, const struct log_entry *e)
{
	struct arena scratch;
	int bad;

	arena_init(&scratch, READ_ENTRY_MAX);
	bad = log_print_row_json(e, out, &scratch);
	arena_deinit(&scratch);
	return bad;
}

/* ---- live ---- */

struct live {
	struct read_filter filter;
	struct read_live live;
	struct bytes since; /* Last-Event-ID; unset: from now on */
	int64_t since_seq;
	struct buf out;
	struct buf rows[CATCH_UP]; /* of catching up, newest first */
	size_t nrows;
};

static int put_event(struct buf *out, const struct log_entry *e)
{
	return buf_printf(out, "event: row\nid: %.*s\ndata: ", BFMT(cell_text(&e->list[L_ID]))) |
	       put_row(out, e) | buf_putc(out, '\n');
}

static int on_row(const struct log_entry *e, void *arg)
{
	return put_event(&((struct live *)arg)->out, e);
}

static int on_missed(const struct log_entry *e, void *arg)
{
	struct live *l = arg;

	if (l->nrows == CATCH_UP)
		return 1;
	buf_init(&l->rows[l->nrows], LIVE_MAX);
	return put_event(&l->rows[l->nrows++], e);
}

/* What a reader who comes back has missed, the oldest first. */
static int catch_up(struct reader *r, struct live *l)
{
	struct read_page page = { .before = INT64_MAX, .limit = CATCH_UP };
	struct read_filter f = l->filter;
	int bad;

	f.from = l->since_seq + 1;
	bad = read_live(r, &l->filter, &l->live, on_row, l) ||
	      read_rows(r, &f, &page, on_missed, l);
	while (l->nrows) {
		struct buf *row = &l->rows[--l->nrows];

		bad |= buf_append(&l->out, buf_bytes(row));
		buf_deinit(row);
	}
	return bad ? -1 : 0;
}

static int look(struct reader *r, void *arg)
{
	struct live *l = arg;
	int found;

	if (l->since.n) {
		found = read_live_place(r, l->since, &l->live);
		l->since.n = 0;
		if (found <= 0)
			return found < 0 ? -1 : catch_up(r, l);
	}
	if (read_live(r, &l->filter, &l->live, on_row, l))
		return -1;
	if (l->live.skipped)
		return buf_printf(&l->out,
				  "event: skipped\nid: %s\ndata: {\"n\":%zu,\"until\":\"%s\"}\n\n",
				  l->live.last_id, l->live.skipped, l->live.last_id);
	return 0;
}

static int put_beat(struct exchange *ex, struct buf *out)
{
	struct app *app = api_app(ex);
	struct store_status st = { 0 };
	struct arena a;
	char t[25];

	arena_init(&a, 1u << 16);
	store_status(app->store, &st, &a);
	arena_deinit(&a);
	time_rfc3339_ms(clock_unix_ms(), t);
	return buf_printf(out, "event: beat\ndata: {\"t\":\"%s\",\"backlog\":%" PRIu64 "}\n\n", t,
			  st.backlog_records);
}

static int send_out(struct exchange *ex, struct buf *out)
{
	int bad = exchange_stream_write(ex, buf_bytes(out)) || exchange_stream_flush(ex);

	buf_deinit(out);
	buf_init(out, LIVE_MAX);
	return bad ? -1 : 0;
}

static void follow(struct exchange *ex, struct live *l)
{
	uint64_t beat = 0;
	struct arena errors; /* a look's, for hours cannot gather them in the request's */
	int bad = 0;

	arena_init(&errors, 1u << 20);
	while (!bad && !atomic_load(&api_app(ex)->draining)) {
		bad = reads_run(api_app(ex)->reads, READ_LIST_MS, look, l, &errors);
		if (bad && error_last()->kind != ERR_CANCELLED &&
		    error_last()->kind != ERR_CLOSED) {
			bad = 0; /* the store is away for a moment: the reader keeps its place */
			arena_deinit(&errors);
		}
		if (!bad && clock_mono_ms() >= beat) {
			bad = put_beat(ex, &l->out);
			beat = clock_mono_ms() + BEAT_MS;
		}
		if (!bad && l->out.len)
			bad = send_out(ex, &l->out);
		if (!bad)
			bad = fiber_sleep(LOOK_MS);
	}
	arena_deinit(&errors);
	if (!bad)
		exchange_stream_end(ex);
}

static int take_last_event(struct exchange *ex, struct live *l)
{
	struct bytes id = exchange_get(ex, B("last-event-id"));
	struct uuid u;

	if (!id.n)
		return 0;
	if (!uuid_parse(id, &u))
		return fail(ERR_INVALID_REQUEST, "last-event-id: %.*s is no id of an inference",
			    BFMT(bytes_head(id, 100)));
	l->since = id;
	l->since_seq = row_seq(u);
	return 0;
}

static void get_live(struct exchange *ex, const struct bytes *params)
{
	struct live *l = arena_new(ex->arena, struct live);

	(void)params;
	if (l)
		l->live.most = ROWS_A_LOOK;
	if (!l || query_filter(ex, &l->filter) || take_last_event(ex, l) ||
	    internal_needs_record(ex)) {
		reply_error(ex, 0);
		return;
	}
	l->filter.to = INT64_MAX;
	buf_init(&l->out, LIVE_MAX);
	ex->idle = B(":\n\n");
	if (!exchange_stream_begin(ex, 200, B("text/event-stream")))
		follow(ex, l);
	buf_deinit(&l->out);
}

/* ---- export ---- */

struct export
{
	struct read_filter filter;
	struct read_page page;
	struct reader *reader;
	bool csv, parts;
	struct buf out;
	uint64_t rows;
	size_t n; /* of the page */
	int64_t last;
};

static int put_whole(struct export *x, const struct log_entry *e)
{
	struct log_entry whole = *e;
	struct arena scratch;
	int bad;

	arena_init(&scratch, READ_ENTRY_MAX);
	bad = read_bodies(x->reader, &whole, &scratch) ||
	      log_print_whole_json(&whole, &x->out, &scratch);
	arena_deinit(&scratch);
	return bad;
}

static int on_exported(const struct log_entry *e, void *arg)
{
	struct export *x = arg;

	x->n++;
	x->rows++;
	x->last = e->seq;
	if (x->csv)
		return log_print_csv(e, &x->out);
	return x->parts ? put_whole(x, e) : put_row(&x->out, e);
}

static int export_page(struct reader *r, void *arg)
{
	struct export *x = arg;

	x->reader = r;
	x->n = 0;
	return read_rows(r, &x->filter, &x->page, on_exported, x);
}

static int take_format(struct exchange *ex, struct export *x)
{
	struct bytes format = query_get(ex, B("format"));

	x->csv = bytes_eq(format, B("csv"));
	x->parts = bytes_eq(query_get(ex, B("parts")), B("1"));
	if (format.n && !x->csv && !bytes_eq(format, B("ndjson")))
		return fail(ERR_INVALID_REQUEST, "format=%.*s: wanted is ndjson or csv",
			    BFMT(bytes_head(format, 40)));
	return x->csv && x->parts ? fail(ERR_INVALID_REQUEST, "parts=1: a CSV has no parts") : 0;
}

/* Page by page; each begins behind the last row of the one before. */
static int send_pages(struct exchange *ex, struct export *x)
{
	bool more = true;

	x->page = (struct read_page){ .before = INT64_MAX, .lean = x->csv };
	x->page.limit = x->parts ? PAGE_WHOLE : PAGE_ROWS;
	while (more) {
		if (internal_read(ex, READ_CHART_MS, export_page, x) || send_out(ex, &x->out))
			return -1;
		more = x->page.partial || x->n == x->page.limit;
		x->page.before = x->page.partial ? x->page.reached : x->last;
	}
	return 0;
}

static void get_export(struct exchange *ex, const struct bytes *params)
{
	struct export x = { 0 };
	int bad;

	(void)params;
	if (query_filter(ex, &x.filter) || take_format(ex, &x) || internal_needs_record(ex)) {
		reply_error(ex, 0);
		return;
	}
	exchange_header(ex, B("content-disposition"),
			x.csv ? B("attachment; filename=\"inferences.csv\"")
			      : B("attachment; filename=\"inferences.ndjson\""));
	buf_init(&x.out, INTERNAL_ANSWER);
	bad = exchange_stream_begin(
		ex, 200, x.csv ? B("text/csv; charset=utf-8") : B("application/x-ndjson"));
	if (!bad && x.csv)
		bad = log_print_csv_head(&x.out);
	if (!bad)
		bad = send_pages(ex, &x);
	if (!bad && !x.csv)
		bad = buf_printf(&x.out, "{\"end\":true,\"rows\":%" PRIu64 "}\n", x.rows) ||
		      send_out(ex, &x.out);
	buf_deinit(&x.out);
	if (bad)
		exchange_abort(ex); /* a broken transfer, not a short file */
	else
		exchange_stream_end(ex);
}

const struct internal_route internal_live_routes[] = {
	{ "GET", "/internal/signet/logs/live", ROLE_VIEWER, get_live },
	{ "GET", "/internal/signet/logs/export", ROLE_VIEWER, get_export },
	{ 0 },
};
