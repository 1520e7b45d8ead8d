/*
 * Clocks. CLOCK_MONOTONIC for every span and deadline, CLOCK_REALTIME only for what is shown or stored:
 * the wall clock may jump, and nothing that waits may jump with it. The printed form is computed here and
 * not by strftime, because gmtime_r takes a lock of the C library and this is on the path of each log line.
 */
#include "base/time.h"

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t clock_unix_ms(void)
{
	return read_clock(CLOCK_REALTIME) / 1000000u;
}

uint64_t clock_thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar, counted in eras of 400 years from March, so
 * that the leap day is the last of its year. */
static void civil_from_days(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*year = (unsigned)(yoe + era * 400 + (*month <= 2));
}

static void put(char *out, unsigned value, int digits)
{
	while (digits--) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void time_rfc3339_ms(uint64_t unix_ms, char out[25])
{
	uint64_t s = unix_ms / 1000, of_day = s % 86400;
	unsigned year, month, day;

	civil_from_days(s / 86400, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00.000Z", 25);
	put(out, year, 4);
	put(out + 5, month, 2);
	put(out + 8, day, 2);
	put(out + 11, (unsigned)(of_day / 3600), 2);
	put(out + 14, (unsigned)(of_day / 60 % 60), 2);
	put(out + 17, (unsigned)(of_day % 60), 2);
	put(out + 20, (unsigned)(unix_ms % 1000), 3);
}

/* The inverse of civil_from_days(). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
	int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* `digits` of them at the front of *rest, behind `before` unless that is 0. -1: they are not there. */
static int64_t take(struct bytes *rest, char before, size_t digits)
{
	size_t skip = before != 0;
	uint64_t n;

	if (rest->n < digits + skip || (before && rest->p[0] != before) ||
	    !bytes_to_u64(bytes_slice(*rest, skip, digits), &n))
		return -1;
	*rest = bytes_slice(*rest, digits + skip, rest->n);
	return (int64_t)n;
}

/* ".705": its milliseconds, further digits are dropped. -1: a point without digits. */
static int64_t take_fraction(struct bytes *rest)
{
	int64_t ms = 0, unit = 100;
	size_t n = 1;

	if (!rest->n || rest->p[0] != '.')
		return 0;
	for (; n < rest->n && rest->p[n] >= '0' && rest->p[n] <= '9'; n++, unit /= 10)
		ms += unit * (rest->p[n] - '0');
	*rest = bytes_slice(*rest, n, rest->n);
	return n > 1 ? ms : -1;
}

/* Minutes east of UTC. false: neither Z nor ±HH:MM, or something stands behind it. */
static bool take_offset(struct bytes rest, int64_t *minutes)
{
	int64_t sign = bytes_starts(rest, B("-")) ? -1 : 1, h, m;

	*minutes = 0;
	if (bytes_ieq(rest, B("z")))
		return true;
	h = take(&rest, sign < 0 ? '-' : '+', 2);
	m = take(&rest, ':', 2);
	*minutes = sign * (h * 60 + m);
	return h >= 0 && h < 24 && m >= 0 && m < 60 && !rest.n;
}

bool time_parse_rfc3339(struct bytes rest, uint64_t *unix_ms)
{
	static const int most[12] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int64_t year = take(&rest, 0, 4), month = take(&rest, '-', 2), day = take(&rest, '-', 2);
	char between = rest.n ? rest.p[0] : '\0';
	int64_t hour, minute, second, ms, offset, all;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	if (between != 'T' && between != 't' && between != ' ')
		return false;
	hour = take(&rest, between, 2);
	minute = take(&rest, ':', 2);
	second = take(&rest, ':', 2);
	ms = take_fraction(&rest);
	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > most[month - 1] ||
	    (month == 2 && day == 29 && !leap) || hour < 0 || hour > 23 || minute < 0 ||
	    minute > 59 || second < 0 || second > 60 || ms < 0 || !take_offset(rest, &offset))
		return false;
	all = days_from_civil(year, month, day) * 86400 + hour * 3600 + (minute - offset) * 60 +
	      second;
	*unix_ms = (uint64_t)(all * 1000 + ms);
	return all >= 0;
}
