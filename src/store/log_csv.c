/* A row for a spreadsheet (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe in front. */
#include "store/log_read.h"

#include <inttypes.h>

#include "base/time.h"

static int put_text(struct buf *out, struct bytes t)
{
	bool formula = t.n && memchr("=+-@\t\r", *t.p, 6);
	bool quoted = formula || bytes_chr(t, '"') >= 0 || bytes_chr(t, ',') >= 0 ||
		      bytes_chr(t, '\n') >= 0 || bytes_chr(t, '\r') >= 0;
	int bad = 0;

	if (!quoted)
		return buf_append(out, t);
	bad |= buf_putc(out, '"') | (formula ? buf_putc(out, '\'') : 0);
	for (size_t i = 0; i < t.n; i++) {
		bad |= t.p[i] == '"' ? buf_putc(out, '"') : 0;
		bad |= buf_putc(out, t.p[i]);
	}
	return bad | buf_putc(out, '"');
}

static int put_cell(struct buf *out, const struct cell *c, const struct column *column)
{
	if (c->type == CELL_NULL)
		return 0;
	if (c->type == CELL_TEXT)
		return put_text(out, c->text);
	if (column == &list_columns[L_COST_NANO])
		return buf_printf(out, "%.9f", (double)c->num / 1e9);
	return buf_printf(out, "%" PRId64, c->num);
}

int log_print_csv_head(struct buf *out)
{
	int bad = buf_append(out, B("id,t"));

	for (size_t i = 0; i < log_nrow_members; i++) {
		const struct row_member *m = &log_row_members[i];

		bad |= buf_printf(out, ",%s",
				  m->cell == L_COST_NANO ? N_COST
				  : m->name              ? m->name
							 : list_columns[m->cell].name.p);
	}
	return bad | buf_append(out, B("," N_PREVIEW_IN "," N_PREVIEW_OUT "\r\n"));
}

int log_print_csv(const struct log_entry *e, struct buf *out)
{
	char t[25];
	int bad = put_text(out, cell_text(&e->list[L_ID]));

	time_rfc3339_ms((uint64_t)e->seq >> 15, t);
	bad |= buf_printf(out, ",%s", t);
	for (size_t i = 0; i < log_nrow_members; i++) {
		enum list_cell cell = log_row_members[i].cell;

		bad |= buf_putc(out, ',') | put_cell(out, &e->list[cell], &list_columns[cell]);
	}
	bad |= buf_putc(out, ',') | put_text(out, cell_text(&e->list[L_PREVIEW_IN]));
	bad |= buf_putc(out, ',') | put_text(out, cell_text(&e->list[L_PREVIEW_OUT]));
	return bad | buf_append(out, B("\r\n"));
}
