/*
 * Where servers of OpenAI's family count a prompt's cached tokens that do not count them where OpenAI does (surfaces §6.8): DeepSeek's
 * hits and misses, Moonshot's `cached_tokens` beside the sums, OpenRouter's `cache_write_tokens`. Without them a cached prompt
 * would be billed at its full price. The trap: TensorZero reads none of these, so its route does not either.
 */
#include "wire/openai_chat/read_answer.h"

static void take(yyjson_val *obj, const char *key, int64_t *to)
{
	uint64_t n;

	if (*to == USAGE_UNKNOWN && json_u64(json_get(obj, key), &n) && n <= UINT32_MAX)
		*to = (int64_t)n;
}

void openai_chat_other_usage(yyjson_val *usage, const struct inference *inf, struct usage *u)
{
	yyjson_val *prompt = json_get(usage, "prompt_tokens_details");

	if (inf->options && inf->options->tensorzero_shape)
		return;
	take(usage, "prompt_cache_hit_tokens", &u->cache_read);
	take(usage, "cached_tokens", &u->cache_read);
	take(prompt, "cache_write_tokens", &u->cache_write);
}
