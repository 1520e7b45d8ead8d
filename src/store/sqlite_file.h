/* The descriptor of a database's file, which SQLite keeps to itself. */
#ifndef SIGNET_STORE_SQLITE_FILE_H
#define SIGNET_STORE_SQLITE_FILE_H

#include <sqlite3.h>

/*
 * sqlite3_open_v2(), and in *fd the descriptor that SQLite opened for it; -1 if it took one that it had. It is for
 * advice and fstat() until the database is closed: closing it, or another one of the same file, would drop every
 * lock that this process holds on it.
 */
int sqlite_open(const char *path, sqlite3 **db, int flags, int *fd);

#endif
