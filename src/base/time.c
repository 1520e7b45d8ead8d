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
