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

#endif
