/*
 * What a surface wants of a request and its answer where surfaces differ. Whoever took the request at the door chose
 * one constant set of these; nothing below asks which surface that was.
 */
#ifndef SIGNET_INFERENCE_OPTIONS_H
#define SIGNET_INFERENCE_OPTIONS_H

#include <stdbool.h>

struct surface_options {
	/* reading a request */
	bool lenient; /* takes all that real clients send: further fields, flat and older forms, kinds of
			       * parts and tools that are not known, null for what is absent */
	bool unique_keys; /* a key twice in an object refuses the request, else the last one counts */
	bool prefixed_names;  /* a model has a name only as tensorzero::model_name::… */
	bool keeps_source;    /* the client's own body is kept, for pass-through */
	bool system_in_place; /* late system texts stay where they stand, else all go to the front */
	bool results_as_sent; /* tool results are texts as they came, else JSON once more */

	bool embeddings; /* its models are those of [embedding_models] */

	/* writing it for a provider */
	bool strict_inner;  /* `strict` of a function stands inside of `function` */
	bool short_ids;     /* ids and names that the provider takes */
	bool custom_choice; /* a custom tool is chosen as such, not as a function */
	bool fill_results;  /* every call gets a result */
	bool gap_filled_by_last; /* extra_body: a member that is taken out leaves its place to the last one */
	bool auto_cache; /* long prompts get cache marks where a provider takes them: the format has none */
	bool thoughts_unasked; /* who asks for effort gets the thoughts in words: the format cannot ask */
	bool client_headers; /* some of the client's headers go on to its own family */

	/* the answer */
	bool tensorzero_shape;  /* TensorZero's object, key for key */
	bool error_ends_stream; /* after an error nothing but the end mark comes */
	bool begun_by_any; /* where no other provider is left, a stream has begun with its first event, whatever
			    * that says: a failure behind it is an event, too */
};

#endif
