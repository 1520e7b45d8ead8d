/* The trap: a header is no string; strptime needs one that ends. */
#include "upstream/call.h"

#include <string.h>
#include <time.h>

#define RETRY_MAX_MS (INT64_C(366) * 86400 * 1000) /* nobody waits longer */
#define DATE_MAX     64                            /* an HTTP date has 29 */

/* "2", "1.5": some upstreams count in parts of a second. */
static bool decimal_ms(struct bytes v, int64_t *ms)
{
	struct bytes rest = v, whole = bytes_cut(&rest, '.');
	uint64_t n, scale = 100;

	if (!bytes_to_u64(whole, &n))
		return false;
	*ms = n < RETRY_MAX_MS / 1000 ? (int64_t)n * 1000 : RETRY_MAX_MS;
	for (size_t i = 0; i < rest.n; i++, scale /= 10) {
		if (rest.p[i] < '0' || rest.p[i] > '9')
			return false;
		*ms += (int64_t)(scale * (uint64_t)(rest.p[i] - '0'));
	}
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": how far ahead that is. */
static int64_t date_ms(struct bytes date, int64_t now)
{
	char text[DATE_MAX];
	struct tm tm = { 0 };
	int64_t ms;

	if (date.n == 0 || date.n >= sizeof text)
		return -1;
	memcpy(text, date.p, date.n);
	text[date.n] = 0;
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return -1;
	ms = ((int64_t)timegm(&tm) - now) * 1000;
	return ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms > 0 ? ms : 0;
}

int64_t retry_after_ms(struct bytes ms, struct bytes after, int64_t now)
{
	int64_t wait;
	uint64_t n;

	if (bytes_to_u64(ms, &n))
		return n < RETRY_MAX_MS ? (int64_t)n : RETRY_MAX_MS;
	return decimal_ms(after, &wait) ? wait : date_ms(after, now);
}

/* A number and its unit at the front of the text, which goes on behind them. -1: there is none. */
static int64_t span_ms(struct bytes *text)
{
	static const struct {
		struct bytes unit;
		int64_t ms;
	} units[] = { { B("ms"), 1 }, { B("s"), 1000 }, { B("m"), 60000 }, { B("h"), 3600000 } };
	size_t n = 0;
	int64_t ms;

	while (n < text->n && ((text->p[n] >= '0' && text->p[n] <= '9') || text->p[n] == '.'))
		n++;
	if (n == 0 || !decimal_ms(bytes_slice(*text, 0, n), &ms))
		return -1;
	*text = bytes_slice(*text, n, text->n);
	for (size_t i = 0; i < COUNT(units); i++) {
		if (!bytes_starts(*text, units[i].unit))
			continue;
		*text = bytes_slice(*text, units[i].unit.n, text->n);
		return ms / 1000 * units[i].ms + ms % 1000 * units[i].ms / 1000;
	}
	return -1;
}

static int64_t bounded(int64_t ms)
{
	return ms < 0 ? 0 : ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
}

/* A moment or a span, by its size. */
static int64_t number_ms(uint64_t n, int64_t now)
{
	if (n >= UINT64_C(100000000000)) /* milliseconds since 1970 */
		return n < INT64_MAX ? bounded((int64_t)n - now * 1000) : RETRY_MAX_MS;
	if (n >= UINT64_C(1000000000))
		return bounded(((int64_t)n - now) * 1000);
	return bounded((int64_t)n * 1000);
}

/* "2026-12-01T00:00:00Z": what stands behind the seconds is not looked at. */
static int64_t moment_ms(struct bytes date, int64_t now)
{
	char text[DATE_MAX];
	struct tm tm = { 0 };

	if (date.n == 0 || date.n >= sizeof text)
		return -1;
	memcpy(text, date.p, date.n);
	text[date.n] = 0;
	return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm)
		       ? bounded(((int64_t)timegm(&tm) - now) * 1000)
		       : -1;
}

int64_t reset_after_ms(struct bytes reset, int64_t now)
{
	int64_t all = 0, one;
	uint64_t n;

	if (bytes_to_u64(reset, &n))
		return number_ms(n, now);
	if (decimal_ms(reset, &one) && reset.n)
		return bounded(one);
	if (bytes_chr(reset, 'T') > 0)
		return moment_ms(reset, now);
	if (reset.n == 0)
		return -1;
	while (reset.n) {
		one = span_ms(&reset);
		if (one < 0)
			return -1;
		all = bounded(all + one);
	}
	return all;
}
