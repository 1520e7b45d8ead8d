/*
 * The provider's side (providers-openai §5): one body, one answer, no streams. What comes must be as many vectors as there
 * were inputs, in the order of their indexes, in the encoding that was asked for.
 */
#include "wire/openai_embeddings/openai_embeddings.h"

#include "base/error.h"
#include "base/pen.h"

/* ---- the request ---- */

static int write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	const struct embedding_request *e = inf->embedding;
	struct pen p = { .b = out };

	(void)ignored;
	pen_open(&p, '{');
	if (!d->model_in_url)
		pen_text(&p, "model", d->model);
	pen_json(&p, "input", e->input);
	pen_json(&p, "dimensions", e->dimensions);
	pen_text(&p, "encoding_format", e->base64 ? B("base64") : B("float"));
	pen_set(&p, "user", e->user);
	pen_close(&p, '}');
	return pen_done(&p);
}

/* ---- the answer ---- */

static struct result *bad_answer(const struct dialect *d, struct bytes detail)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, d->type, "Error parsing JSON response: %.*s",
		  BFMT(detail));
	return NULL;
}

/* As it was asked for, whatever came. */
static struct bytes vector_of(yyjson_val *v, bool base64, struct arena *a)
{
	if (yyjson_is_str(v))
		return base64 ? json_print_arena(v, a) : embedding_to_numbers(json_str(v), a);
	if (yyjson_is_arr(v))
		return base64 ? embedding_to_base64(v, a) : json_print_arena(v, a);
	return (struct bytes){ NULL, 0 };
}

static struct result *wrong_count(const struct dialect *d, size_t want, size_t got)
{
	wire_fail(ERR_INFERENCE_SERVER, 0, d->type, "Expected %zu embeddings, got %zu", want, got);
	return NULL;
}

/* Each of the list at its index; where none is said, at its place. */
static struct result *read_vectors(struct result *r, yyjson_val *list, const struct inference *inf,
				   const struct dialect *d, struct arena *a)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	size_t want = inf->embedding->inputs, place = 0, n = yyjson_arr_size(list);
	yyjson_val *one;

	if (n != want)
		return wrong_count(d, want, n);
	r->vectors = arena_array(a, struct bytes, want);
	if (!r->vectors)
		return NULL;
	r->nvectors = want;
	for (; (one = yyjson_arr_iter_next(&it)); place++) {
		uint64_t index = place;

		json_u64(json_get(one, "index"), &index);
		if (index >= want || bytes_set(r->vectors[index]))
			return bad_answer(d, B("`index` of an embedding is not its own"));
		r->vectors[index] =
			vector_of(json_get(one, "embedding"), inf->embedding->base64, a);
		if (!bytes_set(r->vectors[index]))
			return bad_answer(d,
					  B("`embedding` is neither numbers nor base64 of them"));
	}
	return r;
}

static int read_usage(struct result *r, yyjson_val *root, struct arena *a)
{
	yyjson_val *usage = json_get(root, "usage");
	uint64_t n;

	usage_init(&r->usage);
	if (!yyjson_is_obj(usage))
		return 0;
	if (json_u64(json_get(usage, "prompt_tokens"), &n) && n <= UINT32_MAX) {
		r->usage.input_tokens = (int64_t)n;
		r->usage.output_tokens = 0;
	}
	r->raw_usage = json_print_arena(usage, a);
	return bytes_set(r->raw_usage) ? 0 : -1;
}

static int fail_upstream(yyjson_val *err, const struct dialect *d, struct arena *a)
{
	struct upstream_said said = { .provider_type = d->type };

	said.message = yyjson_is_str(err) ? json_str(err) : json_str(json_get(err, "message"));
	said.message =
		bytes_set(said.message) ? arena_dup(a, said.message) : json_print_arena(err, a);
	return wire_fail_said(ERR_INFERENCE_SERVER, &said);
}

static struct result *read_result(struct bytes body, const struct inference *inf,
				  const struct dialect *d, struct arena *a)
{
	struct result *r = arena_new(a, struct result);
	yyjson_val *root = json_parse(body, a), *data = json_get(root, "data"),
		   *err = json_get(root, "error");

	if (!r || (!root && error_last()->kind != ERR_JSON_REQUEST))
		return NULL;
	if (!root)
		return bad_answer(d, arena_dup(a, error_last()->message));
	if (!data && err && !yyjson_is_null(err)) {
		fail_upstream(err, d, a);
		return NULL;
	}
	if (!yyjson_is_arr(data))
		return bad_answer(d, B("missing field `data`"));
	if (!read_vectors(r, data, inf, d, a) || read_usage(r, root, a))
		return NULL;
	r->raw_response = body;
	r->provider_model = json_str(json_get(root, "model"));
	return r;
}

const struct wire wire_openai_embeddings = {
	.name = B("openai_embeddings"),
	.has_choices = true,
	.write_request = write_request,
	.read_result = read_result,
};
