/* Widths are counted in characters: names may be anything, and a code point is a column but for East Asian and combining ones. */
#include "store/log_columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int column_time(struct buf *out, int64_t seq)
{
	time_t t = (time_t)(seq >> 15) / 1000;
	char text[40], zone[12];
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%F %H:%M:%S", &tm);
	strftime(zone, sizeof(zone), "%z", &tm);
	return buf_printf(out, "%s.%03d%s", text, (int)((seq >> 15) % 1000), zone);
}

int column_fill(struct buf *out, size_t from, size_t width)
{
	size_t shown = 0;

	for (size_t i = from; i < out->len; i++)
		shown += !utf8_continues(out->data[i]);
	return shown < width ? buf_printf(out, "%*s", (int)(width - shown), "") : 0;
}

int column_figure(struct buf *out, const struct figure *f, int64_t number)
{
	char text[32];

	if (number < 0)
		return buf_printf(out, "%*s",
				  (int)(1 + strlen(f->before) + strlen(f->after)) + f->width, "");
	snprintf(text, sizeof(text), "%s%" PRId64, f->mark, number);
	return buf_printf(out, " %s%*s%s", f->before, f->width, text, f->after);
}
