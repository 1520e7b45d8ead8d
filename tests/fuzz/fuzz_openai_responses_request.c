/*
 * Any bytes as a client's Responses request: read or refused with an error; what was read goes out as valid JSON, to a provider of
 * the same format and, with all that it says, to one of chat completions.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "wire/openai_responses/openai_responses.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void send(const struct wire *wire, const struct inference *inf, struct arena *a)
{
	const struct dialect d = { .type = B("openai"),
				   .label = B("OpenAI"),
				   .max_tokens_key = B("max_completion_tokens"),
				   .model = B("up") };
	struct buf out, ignored;

	buf_init(&out, 256u << 20);
	buf_init(&ignored, 4096);
	if (wire->write_request(inf, &d, &out, &ignored) == 0)
		require(yyjson_is_obj(json_parse(buf_bytes(&out), a)) ||
				error_last()->kind != ERR_JSON_REQUEST,
			"what goes out is JSON");
	else
		require(error_last()->kind != ERR_NONE, "a refusal says why");
	openai_responses_foreign_fields(inf, &ignored);
	buf_deinit(&out);
	buf_deinit(&ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct envelope *env;
	struct arena a;

	arena_init(&a, 256u << 20);
	error_clear();
	env = openai_responses_read_request((struct bytes){ (const char *)data, n },
					    &openai_responses_options, &a);
	if (env) {
		struct inference anew = env->inf;

		env->inf.wants_seals = true;
		send(&wire_openai_responses, &env->inf, &a);
		send(&wire_openai_chat, &env->inf, &a);
		anew.source_intact = false;
		send(&wire_openai_responses, &anew, &a);
	} else {
		require(error_last()->kind != ERR_NONE, "a refusal says why");
	}
	arena_deinit(&a);
	return 0;
}
