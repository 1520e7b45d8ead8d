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
	bool lax;      /* an unknown key is a warning */
	bool partial;  /* another table has the others: unknown keys are not its matter */
	bool sequence; /* a list is read as its values in the order of the keys, as serde does */
	bool walked; /* TensorZero walks through it before it is typed: "Expected a table, found integer" */
	bool at_start; /* its keys are read at start only: a reload changes none (but those `at_once`) */
};

enum key_kind {
	KEY_STRING,   /* struct bytes */
	KEY_BOOL,     /* bool */
	KEY_FLAG,     /* int: 0 or 1, for those with an unset state */
	KEY_OFF,      /* a bool that may only be false in this version; not kept */
	KEY_U64,      /* uint64_t, from min to max */
	KEY_U32,      /* uint32_t */
	KEY_INT,      /* int */
	KEY_I64,      /* int64_t, from 0 */
	KEY_CHOICE,   /* int: `min` and the index into `choices` */
	KEY_SWITCH,   /* bool: whether it is the second of two `choices` */
	KEY_BITS,     /* unsigned: from a list, a bit for each of `choices` */
	KEY_ANY_BOOL, /* this one and the next two: the type is checked, the value not kept */
	KEY_ANY_U64,
	KEY_ANY_CHOICE,
	KEY_TABLE, /* the struct at `offset`, by `table` */
	KEY_CALL, /* `call` reads it; `into` is the table's own struct, or what `offset` points at */
	KEY_STRINGS, /* struct strings; of `choices` if there are any */
	KEY_LATER,   /* TensorZero knows it, this version does not: an error unless it is empty */
	KEY_REFUSED, /* must not be there */
	KEY_PASS,    /* somebody else reads it */
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	bool required;
	bool own;   /* of a provider type: `into` is not the provider but its options */
	bool outer; /* of a tagged table: not in serde's list of fields, and its path has dots only */
	uint64_t min, max;          /* max 0: no bound */
	uint64_t normal;            /* of a number that nothing sets (tables_defaults) */
	const char *zero_text;      /* what is said of a 0 */
	const char *const *choices; /* ends with NULL */
	bool or_bool; /* of KEY_CHOICE: false is 0, below `min`, and true the last of the choices */
	unsigned later; /* of KEY_ANY_CHOICE: bits of those that this version has not yet */
	bool type_wide; /* of a provider type: also a key of provider_types.T.defaults */
	const struct table *table;
	void (*call)(struct loader *, struct toml *, struct bytes path, void *into);
	const char *
		fix; /* what to write, for "missing field" and choices of `later`; KEY_REFUSED: why */
	const char *warning;    /* said where the key is there */
	bool at_start, at_once; /* whether a reload changes it, where its table says otherwise */
	size_t kept_offset,
		kept_size; /* of a key at_start that is no plain member: where its value is kept */
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

/* Issues at a node, in the words "‹path›: ..." or as they are. */
#define error_at(l, t, path, fmt, ...) \
	error_text(l, t, path, "%.*s: " fmt, BFMT(path), ##__VA_ARGS__)
#define warn_at(l, t, path, fmt, ...) warn_text(l, t, path, "%.*s: " fmt, BFMT(path), ##__VA_ARGS__)
#define error_text(l, t, path, ...) \
	issue_add((l)->issues, false, node_file(t), (t)->line, (path), __VA_ARGS__)
#define warn_text(l, t, path, ...) \
	issue_add((l)->issues, true, node_file(t), (t)->line, (path), __VA_ARGS__)
struct bytes node_file(const struct toml *);

/* "‹path›: invalid type: ‹value›, expected ‹expected› (‹fix›)"; fix may be NULL. */
void type_error(struct loader *, const struct toml *, struct bytes path, const char *expected,
		const char *fix);
/* A text, or a date, which TensorZero reads as one. */
bool is_text(const struct toml *);
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

/* The names, each in quotes, with `between` between them. */
struct bytes join_names(struct arena *, const struct bytes *names, size_t n, const char *quote,
			const char *between);
/* " (did you mean `‹name›`?)", if one is near by edit distance; else " (‹otherwise›)", or nothing if that is unset. */
struct bytes name_hint(struct loader *, struct bytes word, const struct bytes *names, size_t n,
		       struct bytes otherwise);

/* ---- extra_body and extra_headers (config §2.19): extras.c ---- */

/* Both fill a struct extras. */
void read_extra_body(struct loader *, struct toml *, struct bytes path, void *into);
void read_extra_headers(struct loader *, struct toml *, struct bytes path, void *into);
bool is_secret_header(struct bytes); /* by its name: its value is shown to nobody */
bool is_header_name(struct bytes);   /* RFC 9110 token */
bool is_header_value(struct bytes);  /* no control characters but tab */

#define TABLE(expected_, keys_, ...)                                                         \
	{                                                                                    \
		.expected = (expected_), .keys = (keys_), .nkeys = COUNT(keys_), __VA_ARGS__ \
	}

#endif
