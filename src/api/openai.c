/*
 * OpenAI's chat completions: POST /v1/chat/completions as OpenAI's clients expect it of OpenAI itself, and
 * POST /openai/v1/chat/completions, TensorZero's route byte for byte. One format, one reader, one writer; what sets
 * the two apart are the options of their rows (surfaces §3).
 */
#include "api/surface.h"

#include "wire/openai_chat/openai_chat.h"

#define TENSORZERO_PING_MS 15000

#define CHAT_FORMAT                                                                               \
	.read = openai_chat_read_request, .write_result = openai_chat_write_result,               \
	.writer_new = openai_chat_writer_new, .write_delta = openai_chat_write_delta,             \
	.write_end = openai_chat_write_end, .write_stream_error = openai_chat_write_stream_error, \
	.write_error = write_openai_error, .write_error_members = openai_chat_write_error_members

extern const struct surface surface_openai_chat, surface_tensorzero_chat;

const struct surface surface_openai_chat = {
	.name = B("chat"),
	.profile = "openai",
	.twin = &surface_tensorzero_chat,
	.options = &openai_chat_options,
	.upstream_errors = true,
	.attributes = true,
	.ping = B(": ping\n\n"),
	CHAT_FORMAT,
};

const struct surface surface_tensorzero_chat = {
	.name = B("openai"),
	.profile = "tensorzero",
	.twin = &surface_openai_chat,
	.options = &tensorzero_chat_options,
	.model_prefix = B("tensorzero::model_name::"),
	.needs_object_storage = true,
	.ping = B(":\n\n"),
	.ping_ms = TENSORZERO_PING_MS,
	CHAT_FORMAT,
};
