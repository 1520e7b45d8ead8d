/*
 * Editing an object's text in place: members are taken one after the other, kept as they stand or written anew;
 * what stands between them (white space) stays. The text must have been found valid by a parser.
 */
#ifndef SIGNET_WIRE_JSON_EDIT_H
#define SIGNET_WIRE_JSON_EDIT_H

#include "base/json.h"
#include "base/pen.h"

struct json_edit {
	struct bytes text;
	struct pen *pen;
	size_t pos;  /* of json_next_member */
	size_t done; /* text up to here was dealt with */
};

void edit_begin(struct json_edit *, struct bytes object, struct pen *);
/* 1: the next member; 0: no more; -1: not an object. A member that is neither kept nor written is dropped. */
int edit_next(struct json_edit *, struct json_member *);
void edit_keep(struct json_edit *, const struct json_member *);
/* Writes the key as it stands, or another one, and the colon: a value must follow. */
void edit_value(struct json_edit *, const struct json_member *);
void edit_renamed(struct json_edit *, const struct json_member *, struct bytes key);
/* A member that was not there; `key` with its quotes and colon. */
void edit_add(struct json_edit *, struct bytes key);
void edit_end(struct json_edit *);

/* Walks the elements of an array's text. *pos starts at 0. 1, 0, or -1: not an array. */
int json_next_element(struct bytes text, size_t *pos, struct bytes *out);
/* The text of a JSON string value without its quotes, unescaped into `out` where it has escapes. Unset: it
 * is no string, or memory is out. */
struct bytes json_span_string(struct bytes value, struct buf *out);

#endif
