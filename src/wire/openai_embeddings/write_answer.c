/* What the client gets: the vectors in the order of its inputs (http-api §13, surfaces §3.4). */
#include "wire/openai_embeddings/openai_embeddings.h"

#include "base/pen.h"

#define API_TYPE ",\"api_type\":\"embeddings\",\"data\":"

static void put_vectors(struct pen *p, const struct result *r)
{
	pen_key(p, "data");
	pen_open(p, '[');
	for (size_t i = 0; i < r->nvectors; i++) {
		pen_item(p);
		pen_lit(p, "{\"object\":\"embedding\",\"embedding\":");
		pen_bytes(p, r->vectors[i]);
		pen_number(p, "index", i);
		pen_lit(p, "}");
	}
	pen_close(p, ']');
}

static void put_count(struct pen *p, int64_t n, bool null)
{
	if (n == USAGE_UNKNOWN && null)
		pen_lit(p, "null");
	else
		pen_u64(p, n == USAGE_UNKNOWN ? 0 : (uint64_t)n);
}

/* To clients of OpenAI a count that nobody knows is 0. */
static void put_usage(struct pen *p, const struct answer *a, const struct usage *u)
{
	bool tensorzero = a->options->tensorzero_shape;

	pen_key(p, "usage");
	pen_open(p, '{');
	pen_key(p, "prompt_tokens");
	put_count(p, u->input_tokens, tensorzero);
	pen_key(p, "total_tokens");
	put_count(p, u->input_tokens, tensorzero);
	if (tensorzero) {
		pen_key(p, "tensorzero_cost");
		pen_lit(p, "null");
	}
	pen_close(p, '}');
}

static void put_raw(struct pen *p, const struct answer *a, const struct result *r)
{
	char id[UUID_TEXT + 1];

	pen_key(p, "tensorzero::raw_response");
	pen_open(p, '[');
	for (size_t i = 0; i < a->nfailed; i++) {
		pen_item(p);
		pen_lit(p, "{\"provider_type\":");
		pen_string(p, a->failed[i].provider_type);
		pen_lit(p, API_TYPE);
		pen_string(p, a->failed[i].data);
		pen_lit(p, "}");
	}
	pen_item(p);
	pen_lit(p, "{\"model_inference_id\":");
	pen_string(p, uuid_text(a->model_inference_id, id));
	pen_text(p, "provider_type", a->provider_type);
	pen_lit(p, API_TYPE);
	pen_string(p, r->raw_response);
	pen_lit(p, "}");
	pen_close(p, ']');
}

int openai_embeddings_write_result(const struct answer *a, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	pen_head(&p, "{\"object\":\"list\"");
	put_vectors(&p, r);
	pen_text(&p, "model", a->model);
	put_usage(&p, a, &r->usage);
	if (a->include_raw_response)
		put_raw(&p, a, r);
	pen_close(&p, '}');
	return pen_done(&p);
}
