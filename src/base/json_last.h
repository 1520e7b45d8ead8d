/* Keys that stand twice in an object. */
#ifndef SIGNET_BASE_JSON_LAST_H
#define SIGNET_BASE_JSON_LAST_H

#include "base/json.h"

/*
 * The document as a reader sees it for whom the last of several equal keys counts, at the first one's place: `root` itself, a
 * document of json_parse() or its kin, unless there are such keys at any depth. NULL: out of memory.
 */
yyjson_val *json_last_of_keys(yyjson_val *root, struct arena *);

#endif
