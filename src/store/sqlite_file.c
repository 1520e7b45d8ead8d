/*
 * SQLite's Unix layer lets its system calls be replaced by name (sqlite3_vfs.xSetSystemCall). open() is, once, by
 * one that also notes the descriptor while this thread is inside sqlite_open().
 */
#include "store/sqlite_file.h"

#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

typedef int open_fn(const char *path, int flags, int mode);

static open_fn *real_open;
static _Thread_local const char *noted_name; /* the file's own: SQLite makes the path absolute */
static _Thread_local int noted_fd;

static const char *name_in(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static int open_and_note(const char *path, int flags, int mode)
{
	int fd = real_open(path, flags, mode);

	if (noted_name && !strcmp(name_in(path), noted_name))
		noted_fd = fd;
	return fd;
}

static void replace_open(void)
{
	sqlite3_vfs *vfs = sqlite3_initialize() ? NULL : sqlite3_vfs_find(NULL);

	if (!vfs || vfs->iVersion < 3 || !vfs->xGetSystemCall || !vfs->xSetSystemCall)
		return;
	real_open = (open_fn *)vfs->xGetSystemCall(vfs, "open");
	if (real_open)
		vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_and_note);
}

int sqlite_open(const char *path, sqlite3 **db, int flags, int *fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int rc;

	pthread_once(&once, replace_open);
	noted_name = name_in(path);
	noted_fd = -1;
	rc = sqlite3_open_v2(path, db, flags, NULL);
	noted_name = NULL;
	*fd = noted_fd;
	return rc;
}
