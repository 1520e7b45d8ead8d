/*
 * The Rust engines behind one C header: TOML, BLAKE3, JSON Schema, and the words of TensorZero's readers
 * of JSON, globs and URLs. (Wasmtime's own C API is linked from the same library; its headers are wasm.h
 * and wasmtime.h.)
 *
 * Every function may be called from any thread; a handle is immutable once made and may be shared.
 * What a function hands out belongs to the caller, who gives it back to the function named beside it.
 * A panic inside an engine is caught and comes back as an error; it never unwinds into C. Texts are
 * UTF-8, not NUL-terminated. Run the engines on a thread's own stack, not on a fiber's.
 */
#ifndef SIGNET_ENGINES_H
#define SIGNET_ENGINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A text owned by the engines. p == NULL: there is none. */
struct engine_text {
	char *p;
	size_t n;
};
void engine_text_free(struct engine_text *); /* and clears it; NULL and {NULL, 0} are fine */

/* ---- TOML 1.x ---- */

enum engine_toml_type {
	ENGINE_TOML_TABLE,
	ENGINE_TOML_ARRAY,
	ENGINE_TOML_STRING,
	ENGINE_TOML_INTEGER, /* text: decimal digits with a sign if negative, any size */
	ENGINE_TOML_FLOAT, /* text: as it was written, without underscores ("1e3", "+1.5", "-inf") */
	ENGINE_TOML_BOOL,  /* text: "true" or "false" */
	ENGINE_TOML_DATETIME, /* text: in RFC 3339's form */
};

/*
 * One value. Node 0 is the document's table. The children of a table or array follow by `child` and
 * `next` (0 = none) in the order of the document. Spans are byte offsets in the document: of a table
 * made by a header, the header; of one made by dotted keys, the first key.
 */
struct engine_toml_node {
	uint32_t type; /* enum engine_toml_type */
	uint32_t child, next;
	uint32_t key_from, key_to; /* span of the key as written; both 0 in arrays and for node 0 */
	uint32_t from, to;         /* span of the value as written */
	const char *key;           /* unquoted; NULL in arrays and for node 0 */
	size_t key_n;
	const char *text; /* the value, unquoted; NULL for tables and arrays */
	size_t text_n;
};

struct engine_toml_error {
	size_t line, column; /* from 1; columns count characters */
	size_t from, to;     /* span in the document */
	const char *message; /* one line, such as "unclosed table, expected `]`" */
	size_t message_n;
};

struct engine_toml; /* a parsed document with all its texts */

/*
 * Parses. Documents over 16 MiB, deep nesting (80 levels in one key or value, 128 in all) and text that
 * is no UTF-8 are errors.
 * With errors the nodes hold what could be read. NULL only if `error` was set: the engine panicked.
 */
struct engine_toml *engine_toml_parse(const char *text, size_t n, struct engine_text *error);
const struct engine_toml_node *engine_toml_nodes(const struct engine_toml *, size_t *n);
/* All syntax errors in the order of the document; n == 0: it is valid. */
const struct engine_toml_error *engine_toml_errors(const struct engine_toml *, size_t *n);
void engine_toml_free(struct engine_toml *); /* NULL is fine */

/* ---- BLAKE3 ---- */

void engine_blake3(const void *data, size_t n, uint8_t out[32]);

/* ---- JSON Schema ---- */

struct engine_schema;

/*
 * Compiles a schema, given as JSON text. The draft follows "$schema", else 2020-12. References to
 * anything outside of the schema (http:, https:, file:) are refused. NULL: `error` says why.
 */
struct engine_schema *engine_schema_compile(const char *json, size_t n, struct engine_text *error);
/* 0: the JSON text is valid. -1: it is not, or it is no JSON; `error` holds the first failure with its
 * place ("\"x\" is not of type \"integer\" at /age"). */
int engine_schema_validate(const struct engine_schema *, const char *json, size_t n,
			   struct engine_text *error);
void engine_schema_free(struct engine_schema *); /* NULL is fine */

/* ---- JSON that is none ---- */

/*
 * 0: serde_json takes the text. -1: `error` has its words ("expected value at line 1 column 9"), `path` the
 * place as serde_path_to_error names it ("messages[0].content"; empty: the document as a whole). Takes the
 * time of a parse, no memory but for keys, and some hundred KiB of stack for deep nesting.
 */
int engine_json_check(const char *json, size_t n, struct engine_text *path,
		      struct engine_text *error);

/* ---- globs ---- */

struct engine_glob;

/* By globset: `*` and `?` stay within a folder, `**` as a whole component stands for any number of them,
 * [a-z] [!a-z] and {a,b} work, `\` takes the next character as it is. NULL: `error` says why. */
struct engine_glob *engine_glob_compile(const char *pattern, size_t n, struct engine_text *error);
bool engine_glob_match(const struct engine_glob *, const char *path, size_t n);
void engine_glob_free(struct engine_glob *); /* NULL is fine */

/* ---- URLs ---- */

/* A URL as a WHATWG parser prints it, and where its parts stand in that text. */
struct engine_url {
	struct engine_text text; /* the caller's to free */
	size_t scheme_end;       /* before the colon */
	size_t user;             /* user and password stand from here to the host */
	size_t host, host_end;   /* equal: no host. Brackets of an IPv6 address are in it */
	size_t path, path_end;
	size_t query_end; /* a query begins at path_end with its '?' */
};

/* 0, or -1 and `error` ("relative URL without a base"). Host names beyond ASCII become xn-- names. */
int engine_url_parse(const char *text, size_t n, struct engine_url *, struct engine_text *error);

/* ---- words ---- */

/* The ending that TensorZero gives a file of this media type ("csv"); {NULL, 0}: it knows none. */
void engine_mime_extension(const char *mime, size_t n, struct engine_text *extension);
/* Why a text is no UUID, in the words of TensorZero's crate; {NULL, 0}: it is one. */
void engine_uuid_fault(const char *text, size_t n, struct engine_text *fault);
/* A text as Rust's {:?} prints it, in quotes. */
void engine_quote(const char *text, size_t n, struct engine_text *quoted);
/* A body as a text: by its byte order mark, else by the label of its charset ("iso-8859-1"), else as UTF-8. */
void engine_decode(const char *body, size_t n, const char *label, size_t label_n,
		   struct engine_text *text);
/* What TensorZero's reader says of a chat completion, or of a chunk of one; {NULL, 0}: it takes it. */
void engine_answer_fault(const char *json, size_t n, bool chunk, struct engine_text *fault);

#endif
