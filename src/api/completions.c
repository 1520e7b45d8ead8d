/* OpenAI's legacy text completions: POST /v1/completions. TensorZero has no such route, so there is one profile. */
#include "api/surface.h"

#include "wire/openai_completions/openai_completions.h"

const struct surface surface_openai_completions = {
	.name = B("completions"),
	.profile = "openai",
	.options = &openai_chat_options,
	.upstream_errors = true,
	.attributes = true,
	.ping = B(": ping\n\n"),
	.read = openai_completions_read_request,
	.write_result = openai_completions_write_result,
	.writer_new = openai_completions_writer_new,
	.write_delta = openai_completions_write_delta,
	.write_end = openai_completions_write_end,
	.write_stream_error = openai_completions_write_stream_error,
	.write_error = write_openai_error,
};
