/*
 * Gemini's format, the provider's side (providers-others §9): generateContent and streamGenerateContent as Google AI Studio
 * and Vertex AI serve them. Pure. The folder's one contract; write.h is its files' own.
 */
#ifndef SIGNET_WIRE_GEMINI_H
#define SIGNET_WIRE_GEMINI_H

#include "wire/wire.h"

enum gemini_thoughts { THOUGHTS_BY_SURFACE, THOUGHTS_LEFT_OUT, THOUGHTS_INCLUDED };

/* What of it a provider chooses (dialect.options; NULL: all zero). */
struct gemini_options {
	bool tools_null;                       /* a request without tools says so with a null */
	bool max_tokens_first;                 /* maxOutputTokens stands before topP */
	enum gemini_thoughts include_thoughts; /* thoughts are asked for in words */
	bool json_schema; /* schemas go out whole, in the fields that take JSON Schema; else as the subset of §9.5 */
};

extern const struct wire wire_gemini;

/* Whether the API reads the file from where it is: Cloud Storage, and what was uploaded to its own Files API. */
bool gemini_takes_url(const struct file *);

/* A JSON Schema as the subset of OpenAPI that the API takes (§9.5). Text that is no JSON object becomes {"type":"object"}.
 * What grows without end by `$ref` is cut to plain objects. -1: no room. */
#define GEMINI_SCHEMA_NODES 20000u /* of one schema, once its references are written out */
int gemini_schema(struct bytes schema, struct buf *out);

#endif
