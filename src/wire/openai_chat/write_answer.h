/* Shared by write_answer.c (plain answers) and the files that write streams (write_chunks.h). */
#ifndef SIGNET_WIRE_OPENAI_CHAT_ANSWER_H
#define SIGNET_WIRE_OPENAI_CHAT_ANSWER_H

#include "base/pen.h"
#include "wire/openai_chat/openai_chat.h"

/* "chatcmpl-…" or the inference id, with quotes. */
void chat_put_id(struct pen *, const struct answer *);
void chat_put_uuid(struct pen *, struct uuid);
/* A list of url_citation, flat ones in the form of chat. */
void chat_put_annotations(struct pen *, struct bytes list);
/* Entries of the list tensorzero_raw_response for the attempts that failed (http-api §10.4). */
void chat_put_failed(struct pen *, const struct answer *);
/* tensorzero_raw_usage: [{"model_inference_id","provider_type","api_type","data":usage}] */
void chat_put_raw_usage(struct pen *, const struct answer *, struct bytes data);
/* Whether the request spoke of `functions`: then the answer has function_call. */
bool chat_is_legacy(const struct answer *);
bool chat_passes(const struct answer *);

#endif
