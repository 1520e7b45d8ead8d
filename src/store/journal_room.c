/*
 * Room for the journal on its disk. A file is held in reserve and given up once when the disk is full, which is enough to
 * end what runs; until there is room for it and a segment again, the journal counts as full.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/time.h"
#include "store/journal_write.h"

bool journal_is_full_errno(int e)
{
	return e == ENOSPC || e == EDQUOT || e == EFBIG;
}

bool journal_release_reserve(struct journal *j)
{
	if (j->reserve_gone)
		return false;
	j->reserve_gone = true;
	return !unlinkat(j->dir, JOURNAL_RESERVE, 0);
}

int journal_make_reserve(struct journal *j)
{
	int fd, e = 0;

	if (!j->o.reserve_bytes)
		return 0;
	fd = openat(j->dir, JOURNAL_RESERVE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (fallocate(fd, 0, 0, (off_t)j->o.reserve_bytes) && errno != EOPNOTSUPP &&
	    errno != ENOSYS)
		e = errno;
	close(fd);
	if (!e) {
		j->reserve_gone = false;
		return 0;
	}
	unlinkat(j->dir, JOURNAL_RESERVE, 0);
	j->reserve_gone = true;
	errno = e;
	return -1;
}

void journal_look_at_disk(struct journal *j)
{
	struct statvfs v;
	uint64_t free_bytes, need = j->o.reserve_bytes + j->o.segment_bytes, ahead = 0;
	uint64_t backlog = journal_totals(j).backlog;
	bool full, was = atomic_load(&j->full);

	j->space_checked_ms = clock_mono_ms();
	journal_age_sample(j, backlog);
	if (fstatvfs(j->dir, &v))
		return;
	free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	atomic_store(&j->disk_free, free_bytes);
	if (j->allocated > j->offset)
		ahead = j->allocated - j->offset;
	if (j->reserve_gone)
		need += j->o.reserve_bytes;
	full = free_bytes + ahead < need || backlog > j->o.max_bytes;
	if (full) {
		journal_drop_delivered(j, 0);
	} else if (j->reserve_gone && journal_make_reserve(j)) {
		full = true;
	}
	atomic_store(&j->full, full);
	if (full && !was)
		log_error("store", "the journal's disk is full", LI("bytes", free_bytes));
	else if (was && !full)
		log_info("store", "the journal's disk has room again", LI("bytes", free_bytes));
}
