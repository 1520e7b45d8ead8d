/*
 * Events that differ in their text alone.
 *
 * Nearly every event of a stream repeats the one before it but for a few bytes of its text (and of `obfuscation`,
 * OpenAI's padding). Once one was parsed it is kept with a mark in the place of these strings; an event with the same
 * bytes around plain strings is the same document with other strings in it, so neither the reader nor the writer of
 * a pass-through has to look inside.
 *
 * Plain: valid UTF-8 without quotes, backslashes and control characters, which stands for itself in JSON.
 */
#ifndef SIGNET_WIRE_OPENAI_CHAT_ALIKE_H
#define SIGNET_WIRE_OPENAI_CHAT_ALIKE_H

#include "inference/inference.h"

/* Stands for a string's characters in delta.alike. No valid JSON has it. */
#define ALIKE_MARK '\x01'
/* An event that is longer than this is always parsed. */
#define ALIKE_MAX 2048

struct alike {
	struct delta delta; /* what the event was read as; .alike unset: none is known */
	struct part part;   /* its only one, but for the text */
	struct bytes pieces[DELTA_HOLES + 1];
	size_t nholes, text; /* which of the holes is the part's text */
	unsigned learned;    /* events so far; one that is different each time is not worth it */
};

/* Reads an event that is like the one that is known: into a delta of one part whose strings are views of `event`.
 * false: it is another; nothing was written. */
bool alike_read(const struct alike *, struct bytes event, struct part *, struct delta *out);
/* Keeps a valid event that was read as `d`, if it may come again. What is kept lives in the arena; running out of
 * memory only means that nothing is known. */
void alike_learn(struct alike *, struct bytes event, const struct delta *d, struct arena *);
/* Cuts a text at its marks; false: there are not `holes` of them. The pieces, one more than holes, are
 * views of the text. */
bool alike_cut(struct bytes text, size_t holes, struct bytes *pieces);

#endif
