/*
 * Any bytes as a client's request for embeddings, and as what a provider answers to one of two inputs, in both encodings:
 * what is written is JSON.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "wire/openai_embeddings/openai_embeddings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct dialect openai = { .type = B("openai"), .label = B("OpenAI"), .model = B("m") };

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void require_json(struct buf *text, struct arena *a, const char *what)
{
	require(json_parse_lenient(buf_bytes(text), a) || error_last()->kind != ERR_JSON_REQUEST,
		what);
	buf_reset(text);
}

static void request(struct bytes body, const struct surface_options *options, struct arena *a)
{
	struct envelope *e = openai_embeddings_read_request(body, options, a);
	struct buf out;

	if (!e) {
		require(error_last()->kind != ERR_NONE, "a failure says why");
		return;
	}
	buf_init(&out, 64u << 20);
	require(wire_openai_embeddings.write_request(&e->inf, &openai, &out, NULL) == 0,
		"a request is written");
	require_json(&out, a, "a request is JSON");
	buf_deinit(&out);
}

static void reply(struct bytes body, bool base64, struct arena *a)
{
	const struct embedding_request asked = { .input = B("[\"a\",\"b\"]"),
						 .inputs = 2,
						 .base64 = base64 };
	const struct inference inf = { .options = &openai_embeddings_options, .embedding = &asked };
	const struct answer answer = { .options = &openai_embeddings_options, .model = B("m") };
	struct result *r = wire_openai_embeddings.read_result(body, &inf, &openai, a);
	struct buf out;

	if (!r) {
		require(error_last()->kind != ERR_NONE, "a failure says why");
		return;
	}
	require(r->nvectors == 2, "as many vectors as inputs");
	buf_init(&out, 64u << 20);
	require(openai_embeddings_write_result(&answer, r, &out) == 0, "an answer is written");
	require_json(&out, a, "an answer is JSON");
	buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n };

	for (int k = 0; k < 4; k++) {
		struct arena a;

		arena_init(&a, 1u << 28);
		error_clear();
		if (k < 2)
			request(body,
				k ? &openai_embeddings_options : &tensorzero_embeddings_options,
				&a);
		else
			reply(body, k == 3, &a);
		arena_deinit(&a);
	}
	return 0;
}
