/*
 * The two surfaces that speak this format: OpenAI's own, as its clients know it, and TensorZero's route of the same
 * form, byte for byte (surfaces §3).
 */
#include "wire/openai_chat/openai_chat.h"

const struct surface_options openai_chat_options = {
	.lenient = true,
	.unique_keys = true,
	.keeps_source = true,
	.system_in_place = true,
	.results_as_sent = true,
	.strict_inner = true,
	.short_ids = true,
	.custom_choice = true,
	.fill_results = true,
	.auto_cache = true,
	.thoughts_unasked = true,
	.client_headers = true,
	.error_ends_stream = true,
};

const struct surface_options tensorzero_chat_options = {
	.prefixed_names = true,
	.gap_filled_by_last = true,
	.tensorzero_shape = true,
	.begun_by_any = true,
};
