/* Any bytes as a client's text completion: read or refused with an error; what was read goes out as valid JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "wire/openai_completions/openai_completions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void write_answer(const struct envelope *env, struct arena *a)
{
	const struct answer answer = { .asked = env,
				       .options = &openai_chat_options,
				       .model = env->model };
	struct block block = { .type = BLOCK_TEXT, .text = B("text") };
	struct result result = { .content = &block, .len = 1 };
	struct buf out;

	buf_init(&out, 64u << 20);
	usage_init(&result.usage);
	require(openai_completions_write_result(&answer, &result, &out) == 0,
		"an answer is written");
	require(json_parse_lenient(buf_bytes(&out), a) != NULL, "an answer is JSON");
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct envelope *env;
	struct arena a;

	arena_init(&a, 64u << 20);
	error_clear();
	env = openai_completions_read_request((struct bytes){ (const char *)data, n },
					      &openai_chat_options, &a);
	if (env) {
		require(json_parse(env->inf.source, &a) != NULL, "the chat request's body is JSON");
		require(env->inf.nmessages == 1, "there is one message");
		write_answer(env, &a);
	} else {
		require(error_last()->kind != ERR_NONE, "a refusal says why");
	}
	arena_deinit(&a);
	return 0;
}
