/*
 * The small tables of the neutral model. Names are TensorZero's, as they stand in rows and on the
 * native surface; the OpenAI surface has its own table beside its writer.
 */
#include "inference/inference.h"

struct bytes finish_reason_name(enum finish_reason f)
{
	switch (f) {
	case FINISH_UNSET: break;
	case FINISH_STOP: return B("stop");
	case FINISH_STOP_SEQUENCE: return B("stop_sequence");
	case FINISH_LENGTH: return B("length");
	case FINISH_TOOL_CALL: return B("tool_call");
	case FINISH_CONTENT_FILTER: return B("content_filter");
	case FINISH_UNKNOWN: return B("unknown");
	}
	return (struct bytes){ NULL, 0 };
}

void usage_init(struct usage *u)
{
	*u = (struct usage){ .input_tokens = USAGE_UNKNOWN,
			     .output_tokens = USAGE_UNKNOWN,
			     .cache_read = USAGE_UNKNOWN,
			     .cache_write = USAGE_UNKNOWN,
			     .cache_write_1h = USAGE_UNKNOWN,
			     .reasoning_tokens = USAGE_UNKNOWN };
}

static void grow(int64_t *into, int64_t from)
{
	if (from > *into) /* unknown is the smallest */
		*into = from;
}

void usage_max(struct usage *into, const struct usage *from)
{
	grow(&into->input_tokens, from->input_tokens);
	grow(&into->output_tokens, from->output_tokens);
	grow(&into->cache_read, from->cache_read);
	grow(&into->cache_write, from->cache_write);
	grow(&into->cache_write_1h, from->cache_write_1h);
	grow(&into->reasoning_tokens, from->reasoning_tokens);
	into->estimated |= from->estimated;
}

void result_json_tool_to_text(struct result *r)
{
	for (size_t i = 0; i < r->nothers; i++)
		result_json_tool_to_text(&r->others[i]);
	for (size_t i = 0; i < r->len; i++) {
		struct block *b = &r->content[i];

		if (b->type == BLOCK_TOOL_CALL)
			*b = (struct block){ .type = BLOCK_TEXT, .text = b->arguments };
	}
}
