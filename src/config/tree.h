/*
 * The configuration as a tree: one node per TOML key or element, each with the file and line it came
 * from, merged over all files. Nodes and texts live in the arena they were read with.
 */
#ifndef SIGNET_CONFIG_TREE_H
#define SIGNET_CONFIG_TREE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "config/config.h"

enum toml_type {
	TOML_TABLE,
	TOML_ARRAY,
	TOML_STRING,
	TOML_INTEGER, /* text: decimal digits, maybe with '-' */
	TOML_FLOAT,
	TOML_BOOL,
	TOML_DATETIME,
};

struct toml_file {
	struct bytes path, dir; /* dir: "." if the path has none */
	bool others_read, others_write;
};

struct toml {
	enum toml_type type;
	struct bytes key;  /* unset: the root or an element of an array */
	struct bytes text; /* of what is neither table nor array */
	struct toml *child, *next;
	const struct toml_file *file; /* NULL: the root */
	size_t line;                  /* of the key, of the value in arrays */
	bool radix;                   /* an integer that is written as 0x, 0o or 0b */
	bool secret;                  /* printed as "<secret>" in the canonical form */
};

/* Reads one document into a tree of its own. Syntax errors become issues. NULL: out of memory. */
struct toml *toml_read(const struct toml_file *, struct bytes text, struct config_issues *,
		       struct arena *);
/* Moves what is in `from` into `into`; clashes become issues (config §1.3). False: out of memory. */
bool toml_merge(struct toml *into, struct toml *from, struct config_issues *);
/* NULL: not there; also of what is no table, or NULL. */
struct toml *toml_get(const struct toml *table, const char *key);

const char *toml_type_name(enum toml_type); /* "table", "integer", ... */
/* "\"x\"", "integer `3`", "map": a value as serde's messages name it. */
struct bytes toml_describe(const struct toml *, struct arena *);
/* Compact JSON: integers and floats as they were written, nan and inf as null, dates as strings. */
int toml_json(const struct toml *, struct buf *);
/* The canonical form: TOML, tables sorted by key, comments gone, secrets replaced. */
int toml_print(const struct toml *root, struct buf *);

#endif
