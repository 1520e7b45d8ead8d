/*
 * Any bytes as a client's chat request, for both surfaces: read or refused with an error, and what was read can be
 * written for a provider, as JSON, by pass-through and through the neutral model alike.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "wire/native.h"
#include "route/check.h"
#include "wire/openai_chat/openai_chat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void require_json(const struct buf *b, struct arena *a, const char *text)
{
	require(bytes_is_utf8(buf_bytes(b)), text);
	require(json_parse_lenient(buf_bytes(b), a) || error_last()->kind != ERR_JSON_REQUEST,
		text);
}

static void write_all(struct envelope *r, struct arena *a)
{
	const struct dialect d = { .type = B("openai"),
				   .label = B("OpenAI"),
				   .max_tokens_key = B("max_completion_tokens"),
				   .model = B("m") };
	struct buf out, ignored;
	struct pen pen = { .b = &out };
	size_t messages;

	buf_init(&out, 64u << 20);
	buf_init(&ignored, 4096);
	for (int i = 0; i < 2; i++) {
		buf_reset(&out);
		if (wire_openai_chat.write_request(&r->inf, &d, &out, &ignored) == 0)
			require_json(&out, a, "a body for a provider is JSON");
		r->inf.source = (struct bytes){ NULL, 0 };
	}
	buf_reset(&out);
	native_put_input(&pen, &r->inf, &messages);
	require(!pen.failed, "the input is written");
	require(messages < out.len && out.data[messages] == '[', "the messages are found in it");
	require_json(&out, a, "the input of a row is JSON");
	buf_reset(&out);
	require(buf_append(&out, r->inference_params) == 0, "parameters are there");
	require_json(&out, a, "parameters of a row are JSON");
	buf_deinit(&out);
	buf_deinit(&ignored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	for (int i = 0; i < 2; i++) {
		struct arena a;
		struct envelope *r;
		struct buf out;

		arena_init(&a, 64u << 20);
		error_clear();
		r = openai_chat_read_request((struct bytes){ (const char *)data, n },
					     i ? &openai_chat_options : &tensorzero_chat_options,
					     &a);
		if (r && check_input(r, &a) == 0 && check_tools(r) == 0) {
			write_all(r, &a);
		} else {
			require(error_last()->kind != ERR_NONE, "a refusal says why");
			buf_init(&out, 64u << 20);
			require(openai_write_error(error_last(), 400, &out) == 0,
				"errors are written");
			buf_deinit(&out);
		}
		arena_deinit(&a);
	}
	error_clear();
	return 0;
}
