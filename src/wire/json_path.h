/* The path to a JSON syntax error, as TensorZero's reader names it: "messages[0].content". */
#ifndef SIGNET_WIRE_JSON_PATH_H
#define SIGNET_WIRE_JSON_PATH_H

#include "base/arena.h"
#include "base/bytes.h"

/* `message` is what json_parse() left: "‹what› at line L column C". Empty: the error stands at the top. */
struct bytes json_error_path(struct bytes text, struct bytes message, struct arena *);

#endif
