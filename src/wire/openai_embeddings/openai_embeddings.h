/*
 * OpenAI's embeddings, both sides (http-api §13, surfaces §3.4, providers-openai §5). The neutral request keeps the input as
 * the JSON that it is; vectors are JSON, too, and a number keeps its digits. What a provider answers in the other of the
 * two encodings is converted. Pure.
 */
#ifndef SIGNET_WIRE_OPENAI_EMBEDDINGS_H
#define SIGNET_WIRE_OPENAI_EMBEDDINGS_H

#include "base/json.h"
#include "inference/envelope.h"
#include "wire/wire.h"

/* /v1 and TensorZero's route. */
extern const struct surface_options openai_embeddings_options, tensorzero_embeddings_options;

/* NULL: ERR_JSON_REQUEST, ERR_INVALID_OPENAI_REQUEST with `param`. `body` must live as long as the request. */
struct envelope *openai_embeddings_read_request(struct bytes body, const struct surface_options *,
						struct arena *);
int openai_embeddings_write_result(const struct answer *, const struct result *, struct buf *out);

/* ---- a vector in its two encodings; both are JSON ---- */

/* A list of numbers as the string of its little-endian f32; unset: it is none, or no memory. */
struct bytes embedding_to_base64(yyjson_val *numbers, struct arena *);
/* The string as a list of the shortest decimals; unset: it is no base64 of whole f32, holds what is no number, or no
 * memory. */
struct bytes embedding_to_numbers(struct bytes base64, struct arena *);

#endif
