/*
 * OpenAI's embeddings: POST /v1/embeddings, and POST /openai/v1/embeddings as TensorZero has it, which keeps no record of
 * them and tells the providers' errors without a variant around them (http-api §13).
 */
#include "api/surface.h"

#include "wire/openai_embeddings/openai_embeddings.h"

extern const struct surface surface_openai_embeddings, surface_tensorzero_embeddings;

const struct surface surface_openai_embeddings = {
	.name = B("embeddings"),
	.profile = "openai",
	.twin = &surface_tensorzero_embeddings,
	.options = &openai_embeddings_options,
	.endpoint = B("embeddings"),
	.upstream_errors = true,
	.attributes = true,
	.read = openai_embeddings_read_request,
	.write_result = openai_embeddings_write_result,
	.write_error = write_openai_error,
};

const struct surface surface_tensorzero_embeddings = {
	.name = B("embeddings"),
	.profile = "tensorzero",
	.twin = &surface_openai_embeddings,
	.options = &tensorzero_embeddings_options,
	.endpoint = B("embeddings"),
	.model_prefix = B("tensorzero::embedding_model_name::"),
	.unrecorded = true,
	.without_variants = true,
	.read = openai_embeddings_read_request,
	.write_result = openai_embeddings_write_result,
	.write_error = write_openai_error,
};
