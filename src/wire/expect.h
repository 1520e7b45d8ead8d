/*
 * Reading JSON with the words of TensorZero's reader (http-api §5.3), which clients' tests match:
 * "temperature: invalid type: string \"x\", expected f32". Beside the text an error gets `param` (the whole path)
 * and `code` for the error objects that have them.
 */
#ifndef SIGNET_WIRE_EXPECT_H
#define SIGNET_WIRE_EXPECT_H

#include "base/json.h"

/*
 * A place in the request; a chain on the stack from the value up to the root. How a step shows in the text:
 * TensorZero loses the path inside tagged unions (hidden) and begins a new one inside messages (inner).
 */
struct where {
	const struct where *up; /* NULL: the root, which only holds the arena */
	struct arena *arena;    /* root only */
	struct bytes key;       /* p == NULL: `index` */
	size_t index;
	enum { WHERE_SHOWN, WHERE_HIDDEN } show;
	bool inner; /* the steps below are a path of their own: "messages[0]: tool_calls.[0].id" */
};

#define WHERE_KEY(w, k)               \
	(struct where)                \
	{                             \
		.up = (w), .key = (k) \
	}
#define WHERE_AT(w, i)                  \
	(struct where)                  \
	{                               \
		.up = (w), .index = (i) \
	}
#define WHERE_LOST(w, k)                                    \
	(struct where)                                      \
	{                                                   \
		.up = (w), .key = (k), .show = WHERE_HIDDEN \
	}
#define WHERE_LOST_AT(w, i)                                   \
	(struct where)                                        \
	{                                                     \
		.up = (w), .index = (i), .show = WHERE_HIDDEN \
	}

/* All set ERR_JSON_REQUEST and return -1. */
int expect_fail(const struct where *, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int expect_type(const struct where *, yyjson_val *got, const char *expected);
int expect_value(const struct where *, yyjson_val *got, const char *expected);
int expect_field(const struct where *, const char *missing);
int expect_variant(const struct where *, struct bytes got, const char *list);

/* 0, or the above. Numbers come as the text that was written. */
int expect_string(const struct where *, yyjson_val *, struct bytes *out);
int expect_bool(const struct where *, yyjson_val *, bool *out);
int expect_u32(const struct where *, yyjson_val *, struct bytes *out);
int expect_i32(const struct where *, yyjson_val *, struct bytes *out);
int expect_i64(const struct where *, yyjson_val *, struct bytes *out);
int expect_usize(const struct where *, yyjson_val *);
int expect_f32(const struct where *, yyjson_val *, struct bytes *out);

/* The index of `got` among the names; -1: the error that lists them. */
int expect_one_of(const struct where *, struct bytes got, const struct bytes *names, size_t n);
/* The same of a value as serde reads an enumeration: a string, or a map of one name to null. */
int expect_choice(const struct where *, yyjson_val *, const struct bytes *names, size_t n);
/* That every key of the object is one of the names, or "type" if it is tagged. */
int expect_only(const struct where *, yyjson_val *obj, const struct bytes *names, size_t n,
		bool tagged);
/* `key` of an object, which must be there. */
int expect_member(const struct where *, yyjson_val *obj, const char *key, yyjson_val **out);

/* "messages[0].content[1].text" in the root's arena; unset for the root itself or without memory. */
struct bytes where_param(const struct where *);
/* Sets `param` and `code` of the current error. */
void where_mark(const struct where *, const char *code);
/* The value as serde's Unexpected prints it, for a message (as far as there is room): integer `5`, string "x", map. */
void expect_print(yyjson_val *, struct buf *out);

#endif
