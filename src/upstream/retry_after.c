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
