/*
 * The record's lists and single inferences. Rows are printed on the reader's thread, where they are found; the loop only
 * sends them. A list carries no body: those are parts, sent as they are kept, in ranges.
 */
#include "api/internal.h"

#include "base/ids.h"
#include "store/row.h"

#define LOGS_LIMIT 1000

/* ---- the list ---- */

struct logs {
	struct read_filter filter;
	struct read_page page;
	struct reply *reply;
	struct arena *arena;
	size_t n;
	int64_t last;
};

/* A row of ui §5 as the next item. */
static int put_row(struct pen *p, const struct log_entry *e, struct arena *a)
{
	pen_item(p);
	if (log_print_row_json(e, p->b, a))
		return -1;
	p->b->len--; /* its line's end */
	return 0;
}

static int on_row(const struct log_entry *e, void *arg)
{
	struct logs *l = arg;
	struct arena scratch;
	int bad;

	arena_init(&scratch, READ_ENTRY_MAX);
	bad = put_row(&l->reply->pen, e, &scratch);
	arena_deinit(&scratch);
	l->n++;
	l->last = e->seq;
	return bad;
}

static int read_logs(struct reader *r, void *arg)
{
	struct logs *l = arg;

	return read_rows(r, &l->filter, &l->page, on_row, l);
}

/* A cursor is the id behind which the page begins: its time alone counts, so that any id will do. */
static int take_cursor(const struct exchange *ex, int64_t *before)
{
	struct bytes text = query_get(ex, B("cursor"));
	struct uuid id;

	*before = INT64_MAX;
	if (!text.n)
		return 0;
	if (!uuid_parse(text, &id) || uuid_version(id) != 7)
		return fail(ERR_INVALID_REQUEST, "cursor=%.*s is none that this route gave out",
			    BFMT(bytes_head(text, 100)));
	*before = row_seq(id);
	return 0;
}

static void put_place(struct pen *p, bool there, int64_t seq)
{
	char text[UUID_TEXT + 1];

	pen_string_or_null(p, there ? seq_text(seq, text) : (struct bytes){ 0 });
}

static void get_logs(struct exchange *ex, const struct bytes *params)
{
	struct logs l = { .arena = ex->arena };
	struct reply reply;
	uint64_t limit;
	int bad;

	(void)params;
	reply_begin(&reply, ex);
	l.reply = &reply;
	bad = query_filter(ex, &l.filter) || take_cursor(ex, &l.page.before) ||
	      query_count(ex, B("limit"), 100, LOGS_LIMIT, &limit);
	if (!bad) {
		l.page.limit = limit;
		pen_key(&reply.pen, "rows");
		pen_open(&reply.pen, '[');
		bad = internal_read(ex, READ_LIST_MS, read_logs, &l);
	}
	if (!bad) {
		bool more = l.page.partial || l.n == l.page.limit;

		pen_close(&reply.pen, ']');
		pen_key(&reply.pen, "next");
		put_place(&reply.pen, more, l.page.partial ? l.page.reached : l.last);
		pen_key(&reply.pen, "searched_to");
		put_place(&reply.pen, l.page.partial, l.page.reached);
		reply.partial = l.page.partial;
	}
	reply_end(&reply, bad);
}

/* ---- one inference ---- */

struct finding {
	struct bytes id;
	struct buf *out;
	struct arena *arena;
	const char *part; /* NULL: the detail */
	bool of_model;    /* the id is that of a model inference */
	bool found;
	struct bytes text; /* of the part */
};

/* Every form that carries an id. */
static bool take_id(struct bytes text, struct arena *a, struct bytes *out)
{
	char id[UUID_TEXT + 1];
	struct uuid u;

	if (!uuid_parse(text, &u) &&
	    (text.n < 33 || (text.p[text.n - 33] != '-' && text.p[text.n - 33] != '_') ||
	     !uuid_parse(bytes_slice(text, text.n - 32, 32), &u)))
		return fail(ERR_INVALID_UUID, "%.*s is no id", BFMT(bytes_head(text, 100))), false;
	*out = arena_dup(a, uuid_text(u, id));
	return bytes_set(*out);
}

static int read_detail(struct reader *r, void *arg)
{
	struct finding *f = arg;
	struct log_entry e;
	int found = read_find(r, f->id, &e, f->arena);

	f->found = found > 0;
	if (found <= 0)
		return found;
	return log_print_detail_json(&e, f->out, f->arena);
}

static void not_there(struct exchange *ex, struct bytes id)
{
	fail(ERR_NOT_FOUND, "%.*s is not in the record or the journal", BFMT(id));
	reply_error(ex, 404);
}

static void get_inference(struct exchange *ex, const struct bytes *params)
{
	struct finding f = { .arena = ex->arena };
	struct reply reply;
	int bad;

	if (!take_id(params[0], ex->arena, &f.id)) {
		reply_error(ex, 0);
		return;
	}
	reply_begin(&reply, ex);
	buf_reset(&reply.out);
	f.out = &reply.out;
	bad = internal_read(ex, READ_ENTRY_MS, read_detail, &f);
	if (!bad && !f.found) {
		buf_deinit(&reply.out);
		not_there(ex, f.id);
		return;
	}
	if (!bad) {
		reply.out.len -= 2; /* "}\n": it goes on */
		reply.pen.comma = true;
	}
	reply_end(&reply, bad);
}

/* ---- parts ---- */

static const struct cell *part_of(const struct log_entry *e, const struct finding *f)
{
	static const struct {
		const char *name;
		bool of_model;
		int cell;
	} parts[] = {
		{ N_INPUT, false, C_INPUT },
		{ N_OUTPUT, false, C_OUTPUT },
		{ N_RAW_REQUEST, true, M_RAW_REQUEST },
		{ N_RAW_RESPONSE, true, M_RAW_RESPONSE },
		{ "chunks", true, M_RAW_RESPONSE },
	};

	for (size_t i = 0; i < COUNT(parts); i++) {
		if (strcmp(parts[i].name, f->part) != 0 || parts[i].of_model != f->of_model)
			continue;
		if (!f->of_model)
			return e->has_chat ? &e->chat[parts[i].cell] : NULL;
		for (size_t k = 0; k < e->nmodels; k++)
			if (bytes_eq(cell_text(&e->models[k].m[M_ID]), f->id))
				return &e->models[k].m[parts[i].cell];
	}
	return NULL;
}

static int read_part(struct reader *r, void *arg)
{
	struct finding *f = arg;
	struct log_entry e;
	int found = read_find(r, f->id, &e, f->arena);
	const struct cell *c = found > 0 ? part_of(&e, f) : NULL;

	f->found = c && c->type == CELL_TEXT;
	if (f->found)
		f->text = c->text;
	return found < 0 ? -1 : 0;
}

/* "bytes=0-99", "bytes=100-", "bytes=-5" of n bytes. 1: a range; 0: none that is understood, the whole is sent; -1: it
 * lies outside. */
static int take_range(struct bytes header, size_t n, size_t *from, size_t *to)
{
	struct bytes first, last = header;
	uint64_t a = 0, b = n;

	if (!bytes_starts(header, B("bytes=")) || bytes_chr(header, ',') >= 0)
		return 0;
	last = bytes_slice(header, 6, header.n);
	first = bytes_trim(bytes_cut(&last, '-'));
	last = bytes_trim(last);
	if ((first.n && !bytes_to_u64(first, &a)) || (last.n && !bytes_to_u64(last, &b)) ||
	    (!first.n && !last.n) || (first.n && last.n && b < a))
		return 0;
	if (!first.n) {
		a = b < n ? n - b : 0;
		b = n;
	} else {
		b = last.n && b < n ? b + 1 : n;
	}
	if (a >= n)
		return -1;
	*from = (size_t)a;
	*to = (size_t)b;
	return 1;
}

static void part_headers(struct exchange *ex, const struct finding *f, struct bytes etag)
{
	exchange_header(ex, B("etag"), etag);
	exchange_header(ex, B("accept-ranges"), B("bytes"));
	if (bytes_eq(query_get(ex, B("download")), B("1")))
		exchange_header(ex, B("content-disposition"),
				arena_printf(ex->arena, "attachment; filename=\"%.*s-%s.txt\"",
					     BFMT(f->id), f->part));
}

/* A part never changes: its name and size are its tag. */
static void send_part(struct exchange *ex, const struct finding *f)
{
	struct bytes etag =
		arena_printf(ex->arena, "\"%.*s-%s-%zu\"", BFMT(f->id), f->part, f->text.n);
	struct bytes condition = exchange_get(ex, B("if-range"));
	struct bytes type = B("text/plain; charset=utf-8");
	size_t from = 0, to = f->text.n;
	int range = 0;

	part_headers(ex, f, etag);
	if (bytes_eq(exchange_get(ex, B("if-none-match")), etag)) {
		exchange_respond(ex, 304, (struct bytes){ 0 }, B(""));
		return;
	}
	if (!condition.n || bytes_eq(condition, etag))
		range = take_range(exchange_get(ex, B("range")), f->text.n, &from, &to);
	if (range < 0) {
		exchange_header(ex, B("content-range"),
				arena_printf(ex->arena, "bytes */%zu", f->text.n));
		fail(ERR_INVALID_REQUEST, "The part has %zu bytes", f->text.n);
		reply_error(ex, 416);
		return;
	}
	if (range)
		exchange_header(
			ex, B("content-range"),
			arena_printf(ex->arena, "bytes %zu-%zu/%zu", from, to - 1, f->text.n));
	exchange_respond(ex, range ? 206 : 200, type, bytes_slice(f->text, from, to - from));
}

static void get_part(struct exchange *ex, const struct bytes *params, bool of_model)
{
	struct finding f = { .arena = ex->arena, .of_model = of_model };

	f.part = params[1].p ? arena_dup(ex->arena, params[1]).p : "";
	if (!f.part || !take_id(params[0], ex->arena, &f.id) ||
	    internal_read(ex, READ_ENTRY_MS, read_part, &f)) {
		reply_error(ex, 0);
	} else if (!f.found) {
		fail(ERR_NOT_FOUND, "%.*s has no part %s in the record or the journal", BFMT(f.id),
		     f.part);
		reply_error(ex, 404);
	} else {
		send_part(ex, &f);
	}
}

static void get_inference_part(struct exchange *ex, const struct bytes *params)
{
	get_part(ex, params, false);
}

static void get_model_part(struct exchange *ex, const struct bytes *params)
{
	get_part(ex, params, true);
}

const struct internal_route internal_record_routes[] = {
	{ "GET", "/internal/signet/logs", ROLE_VIEWER, get_logs },
	{ "GET", "/internal/signet/inferences/{id}", ROLE_VIEWER, get_inference },
	{ "GET", "/internal/signet/inferences/{id}/parts/{part}", ROLE_VIEWER, get_inference_part },
	{ "GET", "/internal/signet/model_inferences/{id}/parts/{part}", ROLE_VIEWER,
	  get_model_part },
	{ 0 },
};
