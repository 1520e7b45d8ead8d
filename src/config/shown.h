/*
 * What messages about a configuration may show of it. Keys are pasted where they do not belong: as a location, behind `env::`,
 * in a URL, on a line with a missing quote; a message that repeats them ends up in logs and in tickets. Pure.
 */
#ifndef SIGNET_CONFIG_SHOWN_H
#define SIGNET_CONFIG_SHOWN_H

#include "base/bytes.h"

/* Whether a word looks like a key, a token or a session rather than a name. */
bool looks_secret(struct bytes word);
/* Appends a message without what looks secret in it: words, users and passwords of URLs, secret parameters. */
int show_text(struct bytes message, struct buf *out);
/* Appends the line of a document that begins at `from`: its keys and punctuation, each value as "…". A line inside of a string,
 * or longer than is of use, is left out. */
int show_line(struct bytes document, size_t from, struct buf *out);

#endif
