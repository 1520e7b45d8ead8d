/*
 * Words that TensorZero takes from Rust's crates and that its clients see (engines.h, words). From any fiber or thread; none waits.
 * What comes out is in the arena; unset as said, or without memory.
 */
#ifndef SIGNET_BASE_WORDS_H
#define SIGNET_BASE_WORDS_H

#include "base/arena.h"
#include "base/bytes.h"

/* The ending of files of a media type, parameters aside ("csv"), in `space`; unset: none is known. */
struct bytes words_extension(struct bytes mime, char *space, size_t n);
/* Why a text is no UUID; unset: it is one. */
struct bytes words_uuid_fault(struct bytes text, struct arena *);
/* What TensorZero's reader says of a chat completion, or of a chunk of one; unset: it takes it. */
struct bytes words_answer_fault(struct bytes json, bool chunk, struct arena *);
/* A body of another charset than UTF-8 as a text, by its byte order mark, else by the label. */
struct bytes words_decode(struct bytes body, struct bytes label, struct arena *);
/* Appends a text as Rust's {:?} prints it, in quotes. */
void words_quote(struct bytes text, struct buf *);

#endif
