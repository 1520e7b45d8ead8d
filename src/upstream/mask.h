/* The copy of a request's body for the record: files are large and kept elsewhere. */
#ifndef SIGNET_UPSTREAM_MASK_H
#define SIGNET_UPSTREAM_MASK_H

#include "inference/inference.h"

/* The body with <TENSORZERO_FILE_i> in the place of each file's base64 text; itself where it has none, or memory is out. */
struct bytes mask_files(struct bytes body, const struct inference *, struct arena *);

#endif
