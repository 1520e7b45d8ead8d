/* What a client sees of an error: status, codes, body, headers (http-api §2.2, surfaces §1.6, §1.7). */
#include "unit.h"

#include <stdio.h>

#include "api/errors.h"
#include "base/arena.h"
#include "base/error.h"

static struct arena arena;
static struct config config;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	config = (struct config){ 0 };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

/* ---- statuses ---- */

static void test_a_status_is_the_upstreams_only_where_the_request_is_at_fault(void **state)
{
	static const struct {
		struct error e;
		int native, openai;
		const char *code;
	} cases[] = {
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 400 }, 500, 400, NULL },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 404 }, 500, 404, NULL },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 422 }, 500, 422, NULL },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 401 },
		  500,
		  502,
		  "upstream_auth" },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 403 },
		  500,
		  502,
		  "upstream_auth" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 402 },
		  500,
		  429,
		  "insufficient_quota" },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 429 },
		  500,
		  429,
		  "rate_limit_exceeded" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 500 },
		  500,
		  502,
		  "upstream_error" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 503 },
		  500,
		  503,
		  "server_is_overloaded" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 529 },
		  500,
		  503,
		  "server_is_overloaded" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 504 }, 500, 504, "timeout" },
		{ { .kind = ERR_FATAL_STREAM, .upstream_status = 400 }, 500, 400, NULL },
		{ { .kind = ERR_INFERENCE_CLIENT }, 500, 502, "upstream_error" }, /* not reached */
		{ { .kind = ERR_PROVIDER_TIMEOUT }, 408, 504, "timeout" },
		{ { .kind = ERR_MODEL_TIMEOUT }, 408, 504, "timeout" },
		{ { .kind = ERR_DEADLINE }, 408, 504, "timeout" },
		{ { .kind = ERR_SIGNER }, 500, 500, "signer_failed" },
		{ { .kind = ERR_API_KEY_MISSING }, 400, 400, NULL },
		{ { .kind = ERR_MODEL_NOT_FOUND }, 404, 404, NULL },
		{ { .kind = ERR_INVALID_REQUEST }, 400, 400, NULL },
		{ { .kind = ERR_BODY_TOO_LARGE }, 413, 413, NULL },
		{ { .kind = ERR_OUT_OF_MEMORY }, 503, 503, NULL },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("context_length_exceeded") },
		  500,
		  400,
		  "context_length_exceeded" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("content_filter") },
		  500,
		  400,
		  "content_policy_violation" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("cyber_policy") },
		  500,
		  400,
		  "cyber_policy" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("invalid_prompt") },
		  500,
		  400,
		  "invalid_prompt" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct error e = cases[i].e;
		struct error *out;

		e.message = B("why");
		e.retry_after_ms = -1;
		config.surfaces.error_status_gateway = false;
		if (api_error_status(&e, false, &config) != cases[i].native ||
		    api_error_status(&e, true, &config) != cases[i].openai)
			fail_msg("case %zu: %d and %d", i, api_error_status(&e, false, &config),
				 api_error_status(&e, true, &config));
		config.surfaces.error_status_gateway = true; /* error_status = "gateway" */
		assert_int_equal(api_error_status(&e, true, &config), cases[i].native);
		out = api_openai_error(&e, cases[i].openai, &arena);
		assert_non_null(out);
		assert_bytes(out->code, cases[i].code);
		assert_bytes(out->message, "why");
	}
}

static void test_the_innermost_failure_decides_under_the_whole_text(void **state)
{
	struct error leaf = { .kind = ERR_INFERENCE_CLIENT,
			      .message = B("Error 429 Too Many Requests from openai client: leaf"),
			      .provider_type = B("openai"),
			      .upstream_status = 429,
			      .upstream_message = B("slow"),
			      .request_id = B("up-9"),
			      .retry_after_ms = 1001 };
	struct bytes name = B("p");
	struct error_list list = {
		.of = B("m"), .names = &name, .errors = &leaf, .len = 1, .cap = 1
	};
	struct error all = { .kind = ERR_ALL_PROVIDERS_FAILED,
			     .message = B("All failed: p: leaf."),
			     .retry_after_ms = -1,
			     .nested = &list };
	struct error *out;

	(void)state;
	config.surfaces.error_status_gateway = false;
	assert_int_equal(api_error_status(&all, true, &config), 429);
	out = api_openai_error(&all, 429, &arena);
	assert_int_equal(out->kind, ERR_INFERENCE_CLIENT);
	assert_null(out->nested);
	assert_int_equal(out->upstream_status, 429);
	assert_bytes(out->request_id, "up-9");
	assert_bytes(out->code, "rate_limit_exceeded");
	assert_bytes(
		out->message,
		"no provider of \"m\" answered. p: 429 Too Many Requests: slow Please try again in 2s.");
	/* not under another status, not without a time, not for a quota */
	assert_bytes(api_openai_error(&all, 503, &arena)->message,
		     "no provider of \"m\" answered. p: 429 Too Many Requests: slow");
	leaf.retry_after_ms = 0;
	assert_bytes(
		api_openai_error(&all, 429, &arena)->message,
		"no provider of \"m\" answered. p: 429 Too Many Requests: slow Please try again in 0s.");
	leaf.retry_after_ms = -1;
	assert_bytes(api_openai_error(&all, 429, &arena)->message,
		     "no provider of \"m\" answered. p: 429 Too Many Requests: slow");
	leaf.retry_after_ms = 1000;
	assert_bytes(
		api_openai_error(&all, 429, &arena)->message,
		"no provider of \"m\" answered. p: 429 Too Many Requests: slow Please try again in 1s.");
	leaf.upstream_code = B("insufficient_quota");
	assert_bytes(api_openai_error(&all, 429, &arena)->message,
		     "no provider of \"m\" answered. p: 429 Too Many Requests: slow");
	assert_bytes(api_openai_error(&all, 429, &arena)->code, "insufficient_quota");
	leaf.code = B("its own");
	assert_bytes(api_openai_error(&all, 429, &arena)->code, "its own");
}

/* ---- the upstream's own body ---- */

#define OBJECT "{\"error\":{\"message\":\"no\"}}"

static bool passes(int status, bool own_credential, const char *body, const char *message)
{
	struct error e = { .kind = ERR_INFERENCE_CLIENT,
			   .upstream_status = status,
			   .upstream_body = bytes_of(body),
			   .upstream_message = bytes_of(message) };
	const struct credential of_client = { .kind = CREDENTIAL_DYNAMIC,
					      .key = B("client_authorization") },
				of_gateway = { .kind = CREDENTIAL_STATIC };
	int sent = 200;
	struct bytes got = api_upstream_body(&e, own_credential ? &of_client : &of_gateway, &sent);

	assert_int_equal(sent, bytes_set(got) ? status : 200);
	if (bytes_set(got))
		assert_bytes(got, body);
	return bytes_set(got);
}

static void test_an_upstreams_body_passes_if_it_is_an_error_about_the_request(void **state)
{
	static const int fine[] = { 400, 404, 413, 422, 429, 500, 503, 599 };
	static const int credentials[] = { 401, 402, 403 };
	static const int never[] = { 0, 200, 302, 399, 600 };

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		assert_true(passes(fine[i], false, OBJECT, "no"));
		assert_true(passes(fine[i], true, OBJECT, "no"));
	}
	for (size_t i = 0; i < 3; i++) { /* whose credential it is decides who must know */
		assert_false(passes(credentials[i], false, OBJECT, "no"));
		assert_true(passes(credentials[i], true, OBJECT, "no"));
	}
	for (size_t i = 0; i < 5; i++)
		assert_false(passes(never[i], true, OBJECT, "no"));
	assert_true(passes(400, false, "{\"a\":1,\"error\":\"no\"}", "no"));
	assert_false(passes(400, false, "{\"a\":1}", "no"));
	assert_false(passes(400, false, "[\"error\"]", "no"));
	assert_false(passes(400, false, "", "no"));
	assert_false(passes(400, false, NULL, "no"));
	assert_false(passes(400, false, OBJECT, NULL));   /* no parser has read it */
	assert_false(passes(400, false, OBJECT, OBJECT)); /* nor found a message in it */
}

/* ---- shapes ---- */

static void shape(error_writer *write, const struct error *e, int status,
		  struct error_context context, const char *want)
{
	struct buf out;

	buf_init(&out, 1 << 16);
	assert_int_equal(write(e, status, &context, &out), 0);
	assert_bytes(buf_bytes(&out), want);
	buf_deinit(&out);
}

static void test_shapes_of_a_plain_error(void **state)
{
	static const struct {
		int status;
		const char *type;
	} types[] = { { 400, "invalid_request_error" },
		      { 401, "authentication_error" },
		      { 403, "permission_error" },
		      { 404, "not_found_error" },
		      { 405, "invalid_request_error" },
		      { 413, "request_too_large" },
		      { 429, "rate_limit_error" },
		      { 499, "invalid_request_error" },
		      { 500, "api_error" },
		      { 502, "api_error" },
		      { 503, "overloaded_error" },
		      { 529, "overloaded_error" } };
	struct error e = { .kind = ERR_INVALID_REQUEST,
			   .message = B("It \"broke\"."),
			   .retry_after_ms = -1 };
	char want[256];

	(void)state;
	shape(write_native_error, &e, 400, (struct error_context){ 0 },
	      "{\"error\":\"It \\\"broke\\\".\"}");
	shape(write_native_error, &e, 400, (struct error_context){ .with_json = true },
	      "{\"error\":\"It \\\"broke\\\".\",\"error_json\":{\"InvalidRequest\":{\"message\":\"It \\\"broke\\\".\"}}}");
	shape(write_openai_error, &e, 400, (struct error_context){ 0 },
	      "{\"error\":{\"message\":\"It \\\"broke\\\".\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}");
	shape(write_openai_error, &e, 400, (struct error_context){ .members = B(",\"a\":[1]") },
	      "{\"error\":{\"message\":\"It \\\"broke\\\".\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null},\"a\":[1]}");
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		snprintf(
			want, sizeof want,
			"{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"It \\\"broke\\\".\"},\"request_id\":\"req_1\"}",
			types[i].type);
		shape(write_anthropic_error, &e, types[i].status,
		      (struct error_context){ .request_id = B("req_1") }, want);
	}
	shape(write_anthropic_error, &e, 400, (struct error_context){ 0 },
	      "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"It \\\"broke\\\".\"},\"request_id\":null}");
}

static void test_nested_errors_as_a_map_by_name(void **state)
{
	struct error leaves[] = {
		{ .kind = ERR_INFERENCE_SERVER, .message = B("one"), .retry_after_ms = -1 },
		{ .kind = ERR_INFERENCE_CLIENT, .message = B("two"), .retry_after_ms = -1 }
	};
	struct bytes names[] = { B("a"), B("b\"") };
	struct error_list list = { .names = names, .errors = leaves, .len = 2, .cap = 2 };
	struct error all = { .kind = ERR_ALL_PROVIDERS_FAILED,
			     .message = B("all"),
			     .retry_after_ms = -1,
			     .nested = &list };

	(void)state;
	shape(write_native_error, &all, 502, (struct error_context){ .with_json = true },
	      "{\"error\":\"all\",\"error_json\":{\"AllModelProvidersFailed\":{\"errors\":{\"a\":{\"InferenceServer\":{\"message\":\"one\"}},\"b\\\"\":{\"InferenceClient\":{\"message\":\"two\"}}}}}}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_status_is_the_upstreams_only_where_the_request_is_at_fault),
		cmocka_unit_test(test_the_innermost_failure_decides_under_the_whole_text),
		cmocka_unit_test(test_an_upstreams_body_passes_if_it_is_an_error_about_the_request),
		cmocka_unit_test(test_shapes_of_a_plain_error),
		cmocka_unit_test(test_nested_errors_as_a_map_by_name),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
