/*
 * JSON: yyjson on an arena, numbers kept as their text, and a scanner that finds the spans of an
 * object's members in the source, for edits that leave every other byte alone.
 */
#ifndef SIGNET_BASE_JSON_H
#define SIGNET_BASE_JSON_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/bytes.h"

#define JSON_MAX_DEPTH 128

/* An allocator for yyjson on the arena (realloc grows in place, free does nothing). */
yyjson_alc json_alc(struct arena *);

/*
 * Parses; numbers are raw (yyjson_is_raw), duplicate keys are all there (json_get takes the last).
 * Nesting over JSON_MAX_DEPTH, invalid UTF-8 and trailing text are errors. Strings point into a copy
 * that lives in the arena. NULL: ERR_JSON_REQUEST in serde_json's words ("expected value at line 1 column 9").
 */
yyjson_val *json_parse(struct bytes text, struct arena *);
/* The same, and with the error where it stands: "messages[0].content"; empty: the document as a whole. */
yyjson_val *json_parse_path(struct bytes text, struct arena *, struct bytes *path);
/*
 * The same for what an upstream says, where half a surrogate pair ("\\ud83d", cut between two events) is
 * real: it is kept as its three bytes of WTF-8. buf_json_string() prints two halves that met as their character and
 * one alone as U+FFFD, so that no output ever has a broken UTF-8 byte.
 */
yyjson_val *json_parse_lenient(struct bytes text, struct arena *);
/* The same, telling whether there was such a half: then the text itself must not go on. */
yyjson_val *json_parse_halves(struct bytes text, struct arena *, bool *had_halves);

/* Line (from 1) and column of the byte at `offset`, as serde_json counts: the column is the number of bytes
 * between the last line feed and `offset`, so that an error behind the first byte stands in column 1. */
void json_position(struct bytes text, size_t offset, size_t *line, size_t *column);

/* The last member of that name, as serde's generic value keeps it. NULL: none, or not an object. */
yyjson_val *json_get_n(yyjson_val *obj, const char *key, size_t n);
static inline yyjson_val *json_get(yyjson_val *obj, const char *key)
{
	return json_get_n(obj, key,
			  strlen(key)); /* inline: keys are literals, their length a constant */
}
/* A key that stands twice in one object, at any depth: 1, with its path ("messages[0].role"); 0: none; -1: out of memory. Of
 * what was parsed, no deeper than JSON_MAX_DEPTH. */
int json_repeated_key(yyjson_val *, struct arena *, struct bytes *path);
struct bytes json_str(yyjson_val *);        /* {NULL,0} unless it is a string */
struct bytes json_raw(yyjson_val *);        /* the digits of a number, {NULL,0} otherwise */
bool json_u64(yyjson_val *, uint64_t *out); /* an integer (also written 3.0) >= 0 that fits */

/* Compact text of the value, numbers as they were written, key order kept; "null" for NULL. */
int json_print(yyjson_val *, struct buf *);
struct bytes json_print_arena(yyjson_val *, struct arena *);

/* A member of an object as it stands in the source text. */
struct json_member {
	struct bytes key;   /* between the quotes, still escaped */
	struct bytes value; /* first to last byte of the value */
	size_t from, to;    /* from the key's quote to the end of the value */
};

/*
 * Walks the members of the object whose text begins at `text` (which a parser has found valid).
 * *pos starts at 0. 1: a member; 0: no more; -1: not an object.
 */
int json_next_member(struct bytes text, size_t *pos, struct json_member *out);
/* Walks the elements of an array's text in the same way. -1: not an array. */
int json_next_element(struct bytes text, size_t *pos, struct bytes *out);
/* Whether brackets are nested deeper than JSON_MAX_DEPTH, in a text that may be broken in any way. */
bool json_too_deep(struct bytes text);
/* Whether a member's key, which may have escapes, spells `name`. */
bool json_escaped_key_is(struct bytes escaped, struct bytes name);
static inline bool json_key_is(struct bytes escaped, struct bytes name)
{
	if (escaped.n <= name.n || !name.n) /* an escape is longer than what it stands for */
		return bytes_eq(escaped, name);
	return (*escaped.p == *name.p || *escaped.p == '\\') && json_escaped_key_is(escaped, name);
}
/* The key without its escapes: itself if it has none, else in the arena. Unset: out of memory. */
struct bytes json_key(struct bytes escaped, struct arena *);
/* The inside of a string without its escapes, of which half a surrogate pair becomes WTF-8 and what is none stays. `out`
 * has room for inner.n bytes. The length. */
size_t json_unescape(struct bytes inner, char *out);
/* The text of a string's value, unescaped into `out` where it has escapes. Unset: no string, or no memory. */
struct bytes json_span_string(struct bytes value, struct buf *out);
/* The document with each escape of a half surrogate as its WTF-8 bytes. Unset: out of memory. */
struct bytes json_without_halves(struct bytes text, struct arena *);
/* The last member of that name. false: none. */
bool json_find_member(struct bytes text, struct bytes key, struct json_member *out);
/* Removes white space outside of strings; the bytes of everything else stay. */
int json_compact(struct bytes text, struct buf *out);

#endif
