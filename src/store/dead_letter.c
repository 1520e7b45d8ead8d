#include "store/dead_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/metrics.h"
#include "base/time.h"
#include "store/segment.h"

static METRIC(metric_dead, METRIC_COUNTER, "signet_sink_dead_rows_total", "sink",
	      "Rows that were put into journal/dead");

static int dead_file(int data_dir, const char *sink)
{
	time_t now = time(NULL);
	struct tm tm;
	char month[8], name[80];

	if (mkdirat(data_dir, "journal/dead", 0700) && errno != EEXIST)
		return -1;
	gmtime_r(&now, &tm);
	strftime(month, sizeof(month), "%Y%m", &tm);
	snprintf(name, sizeof(name), "journal/dead/%.40s-%s.ndjson", sink, month);
	return openat(data_dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int print_line(const struct dead_row *r, struct buf *out)
{
	char t[25], code[16] = "null";

	time_rfc3339_ms(clock_unix_ms(), t);
	if (r->code)
		snprintf(code, sizeof(code), "%d", r->code);
	return buf_printf(out,
			  "{\"t\":\"%s\",\"sink\":\"%s\",\"table\":%u,\"recno\":%" PRIu64
			  ",\"code\":%s,\"error\":",
			  t, r->sink, r->table, r->number, code) ||
			       buf_json_string(out, r->error) || buf_append(out, B(",\"row\":")) ||
			       buf_append(out, r->row) || buf_append(out, B("}\n"))
		       ? -1
		       : 0;
}

int dead_letter_add(int data_dir, const struct dead_row *r)
{
	int fd = dead_file(data_dir, r->sink), bad;
	struct buf line;

	if (fd < 0)
		return -1;
	buf_init(&line, (size_t)RECORD_MAX * 2);
	bad = print_line(r, &line) || write(fd, line.data, line.len) != (ssize_t)line.len;
	buf_deinit(&line);
	close(fd);
	if (!bad)
		METRIC_ADD(&metric_dead, 1, bytes_of(r->sink));
	return bad ? -1 : 0;
}
