/* [store.sqlite]: what SQLite keeps, and what it can be asked (storage §6.5, §6.6). */
#include "config/tables.h"

#define OFF(member) offsetof(struct config, sqlite.member)
#define NUMBER(name, top)                                           \
	{                                                           \
#name, KEY_U64, OFF(retention_##name), .max = (top) \
	}
#define YEARS_100 36500
#define LEAST_MB  16 /* sums and indexes have a size of their own */

static void read_max_mb(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	static const struct key any = { "max_mb", KEY_U64, OFF(retention_max_mb), .max = 1 << 24 };
	struct config *c = into;

	read_key(l, &any, t, path, into);
	if (c->sqlite.retention_max_mb && c->sqlite.retention_max_mb < LEAST_MB)
		error_at(l, t, path, "`%llu` is too small (0 for no bound, or at least %d)",
			 (unsigned long long)c->sqlite.retention_max_mb, LEAST_MB);
}

static const struct key retention_keys[] = {
	NUMBER(days, YEARS_100),
	NUMBER(body_days, YEARS_100),
	{ "max_mb", KEY_CALL, .call = read_max_mb },
};
static const struct table retention_table = TABLE("struct RetentionConfig", retention_keys);

static const char *const search_choices[] = { "words", "off", NULL };
static const struct key sqlite_keys[] = {
	{ "search", KEY_SWITCH, OFF(search_off), .choices = search_choices },
	{ "retention", KEY_TABLE, .table = &retention_table },
};
const struct table sqlite_table = TABLE("struct SqliteConfig", sqlite_keys);
