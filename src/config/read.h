/*
 * Typed reading of TOML tables by tables of keys, with serde's messages (config §1.6). Every reader
 * goes on after an error, so that one run reports them all.
 */
#ifndef SIGNET_CONFIG_READ_H
#define SIGNET_CONFIG_READ_H

#include "config/issue.h"
#include "config/tree.h"

struct signer_cache;

/* What one load works on. `arena` is the configuration's. */
struct loader {
	struct config *config;
	struct config_issues *issues;
	const struct config_options *options;
	struct arena *arena;
	struct toml *root;
};

struct key;

/* One table of the configuration. */
struct table {
	const char *expected; /* serde's name: "struct TimeoutsConfig", "a map" */
	const struct key *keys;
	size_t nkeys;
	bool lax; /* an unknown key is a warning */
	bool walked; /* TensorZero walks through it before it is typed: "Expected a table, found integer" */
};

enum key_kind {
	KEY_STRING,  /* struct bytes */
	KEY_BOOL,    /* bool */
	KEY_FLAG,    /* int: 0 or 1, for those with an unset state */
	KEY_U64,     /* uint64_t, from min to max */
	KEY_U32,     /* uint32_t */
	KEY_INT,     /* int */
	KEY_I64,     /* int64_t, from 0 */
	KEY_CHOICE,  /* int: index into `choices` */
	KEY_TABLE,   /* the struct at `offset`, by `table` */
	KEY_CHECKED, /* a table of which nothing is kept: read into a struct checked of its own */
	KEY_SWITCH,  /* bool: whether it is the second of two `choices` */
	KEY_CALL, /* `call` reads it; `into` is the table's own struct, or what `offset` points at */
	KEY_STRINGS, /* struct strings */
	KEY_LATER,   /* TensorZero knows it, this version does not: an error unless it is empty */
	KEY_PASS,    /* somebody else reads it */
};

/* Where values go that are only checked. */
struct checked {
	bool enabled;
	int flag, choice;
	uint64_t number;
	struct bytes text;
	struct strings strings;
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	bool required, secret;
	bool own;   /* of a provider type: `into` is not the provider but its options */
	bool outer; /* of a tagged table: not in serde's list of fields, and its path has dots only */
	uint64_t min, max;          /* max 0: no bound */
	const char *const *choices; /* ends with NULL */
	const struct table *table;
	void (*call)(struct loader *, struct toml *, struct bytes path, void *into);
	const char *fix; /* what to write, for "missing field" */
};

/* The separator between a table's path and the name of one of its keys: ".", or ": " for the own keys
 * of tagged tables (models.m.providers.p: api_base). */
void read_table(struct loader *, const struct table *, struct toml *, struct bytes path,
		const char *separator, void *into);
/* Reads one key of a table that is walked by hand. */
void read_key(struct loader *, const struct key *, struct toml *, struct bytes path, void *into);

struct bytes path_join(struct loader *, struct bytes path, const char *separator,
		       struct bytes name);
struct bytes path_index(struct loader *, struct bytes path, size_t i);

/* Issues at a node. */
#define error_at(l, t, path, ...) \
	issue_add((l)->issues, false, node_file(t), (t)->line, (path), __VA_ARGS__)
#define warn_at(l, t, path, ...) \
	issue_add((l)->issues, true, node_file(t), (t)->line, (path), __VA_ARGS__)
struct bytes node_file(const struct toml *);

/* "‹path›: invalid type: ‹value›, expected ‹expected› (‹fix›)"; fix may be NULL. */
void type_error(struct loader *, const struct toml *, struct bytes path, const char *expected,
		const char *fix);
/* False: it is not of that type, which is reported. */
bool want_table(struct loader *, const struct toml *, struct bytes path, const char *expected);
bool want_array(struct loader *, const struct toml *, struct bytes path);
bool want_string(struct loader *, const struct toml *, struct bytes path, struct bytes *out);
/* -1: none of them, which is reported. */
int want_choice(struct loader *, const struct toml *, struct bytes path,
		const char *const *choices);
void missing_field(struct loader *, const struct toml *, struct bytes path, const char *name,
		   const char *fix);
/* "this version of Signet does not support `‹what›` yet", unless the value is an empty table or array. */
void not_yet(struct loader *, const struct toml *, struct bytes path, struct bytes what);
bool is_empty(const struct toml *);
/* For a boolean of TensorZero's that changes nothing here: its type is checked, the value not kept. */
void read_ignored_bool(struct loader *, struct toml *, struct bytes path, void *into);

/* The nearest of the names by edit distance, unset if none is near. */
struct bytes nearest(struct bytes word, const struct bytes *names, size_t n);

#define TABLE(expected_, keys_, ...)                                                         \
	{                                                                                    \
		.expected = (expected_), .keys = (keys_), .nkeys = COUNT(keys_), __VA_ARGS__ \
	}

#endif
