/*
 * Reading a client's chat request, for both surfaces. The bulk of TensorZero's is a table of requests that
 * TensorZero 2026.6.0 itself was asked (openai_chat_cases.txt): what it refused, in which words, and what its
 * provider was sent.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "route/check.h"
#include "wire/openai_chat/openai_chat.h"

static const struct dialect openai = { .type = B("openai"),
				       .label = B("OpenAI"),
				       .max_tokens_key = B("max_completion_tokens"),
				       .model = B("mock-model") };

/* ---- the table ---- */

static void expand(struct bytes line, struct buf *out)
{
	for (size_t i = 0; i < line.n; i++) {
		struct bytes rest = bytes_slice(line, i, line.n);

		if (bytes_starts(rest, B("@M")))
			buf_append(out, B("\"model\":\"tensorzero::model_name::m\""));
		else if (bytes_starts(rest, B("@H")))
			buf_append(out, B("\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"));
		else {
			buf_putc(out, line.p[i]);
			continue;
		}
		i++;
	}
}

static void outcome(struct bytes body, const struct surface_options *options, struct buf *out)
{
	struct envelope *r;
	struct dialect d = openai;
	struct arena a;
	struct buf sent;

	arena_init(&a, 1u << 28);
	buf_init(&sent, 1u << 24);
	r = openai_chat_read_request(body, options, &a);
	if (r && (check_input(r, &a) < 0 || check_tools(r) < 0))
		r = NULL;
	if (r && bytes_ends(r->model, B("m2")))
		d.model = B("o1-mini-3.5");
	if (r && wire_openai_chat.write_request(&r->inf, &d, &sent, NULL) == 0)
		buf_printf(out, "UP %.*s", BFMT(buf_bytes(&sent)));
	else
		buf_printf(out, "%d %.*s", r ? 502 : error_kind_status(error_last()->kind),
			   BFMT(error_last()->message));
	buf_deinit(&sent);
	arena_deinit(&a);
}

static void test_requests_of_the_table(void **state)
{
	FILE *f = fopen("tests/unit/openai_chat_cases.txt", "r");
	struct buf body, got;
	char *line = NULL;
	size_t cap = 0, cases = 0;
	ssize_t n;

	(void)state;
	assert_non_null(f);
	buf_init(&body, 1u << 20);
	buf_init(&got, 1u << 20);
	while ((n = getline(&line, &cap, f)) > 0) {
		struct bytes l = { line, (size_t)n - (line[n - 1] == '\n') };

		if (l.n == 0 || *line == '#')
			continue;
		if (bytes_starts(l, B("> "))) {
			buf_reset(&body);
			expand(bytes_slice(l, 2, l.n), &body);
			continue;
		}
		buf_reset(&got);
		outcome(buf_bytes(&body), &tensorzero_chat_options, &got);
		if (!bytes_eq(l, buf_bytes(&got)))
			fail_msg("%.*s\n  want %.*s\n  got  %.*s", BFMT(buf_bytes(&body)), BFMT(l),
				 BFMT(buf_bytes(&got)));
		cases++;
	}
	assert_true(cases > 400);
	free(line);
	fclose(f);
	buf_deinit(&body);
	buf_deinit(&got);
}

/* ---- single fields ---- */

struct fixture {
	struct arena arena;
	struct envelope *r;
};

static struct envelope *read_as(struct fixture *f, const struct surface_options *options,
				const char *body)
{
	arena_init(&f->arena, 1u << 28);
	f->r = openai_chat_read_request(bytes_of(body), options, &f->arena);
	return f->r;
}

static struct envelope *read_ok(struct fixture *f, const struct surface_options *options,
				const char *body)
{
	struct envelope *r = read_as(f, options, body);

	if (!r)
		fail_msg("%.*s", BFMT(error_last()->message));
	return r;
}

static void same(struct bytes got, const char *want)
{
	if (!bytes_eq(got, bytes_of(want)))
		fail_msg("want %s, got %.*s", want, BFMT(got));
}

static void same_params(const struct envelope *r, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	assert_int_equal(params_print(&r->inf, &b), 0);
	same(buf_bytes(&b), want);
	buf_deinit(&b);
}

/* Refused in OpenAI's: message, param, code. */
static void refused(const char *body, const char *message, const char *param, const char *code)
{
	struct fixture f;

	assert_null(read_as(&f, &openai_chat_options, body));
	assert_int_equal(400, error_kind_status(error_last()->kind));
	same(error_last()->message, message);
	same(error_last()->param, param);
	same(error_last()->code, code);
	arena_deinit(&f.arena);
}

#define HI     "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define PREFIX "Invalid request to OpenAI-compatible endpoint: "

static void test_tensorzero_fields(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &tensorzero_chat_options,
		"{\"model\":\"tensorzero::function_name::f\"," HI
		",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"tensorzero::variant_name\":\"v\",\"tensorzero::dryrun\":true,\"tensorzero::episode_id\":\"{01A2109E-BE66-7301-AEC3-D18092EF2125}\",\"tensorzero::namespace\":\"n\",\"tensorzero::cache_options\":{\"enabled\": \"on\"},\"tensorzero::tags\":{\"a\":\"b\"},\"tensorzero::credentials\":{\"k\":\"s\"},\"tensorzero::extra_body\":[{\"pointer\":\"/a/b\",\"value\":{\"x\": 1.0}},{\"pointer\":\"/c\",\"delete\":true,\"model_name\":\"m\",\"provider_name\":\"p\"}],\"tensorzero::extra_headers\":[{\"name\":\"x\",\"value\":\"y\"}],\"tensorzero::include_raw_response\":true,\"foo\":1,\"bar\":2}");

	(void)state;
	assert_true(r->stream && r->inf.stream && r->dryrun && r->include_raw_response);
	assert_int_equal(1, r->include_usage);
	same(r->model, "tensorzero::function_name::f");
	same(r->variant_name, "v");
	same(r->namespace_, "n");
	same(r->episode_id, "01a2109e-be66-7301-aec3-d18092ef2125");
	same(r->cache_options, "{\"enabled\":\"on\"}");
	assert_int_equal(1, r->ntags);
	same(r->tags[0].value, "b");
	same(r->credentials[0].key, "k");
	assert_int_equal(2, r->inf.extra_body.len);
	same(r->inf.extra_body.at[0].value, "{\"x\":1.0}");
	assert_true(r->inf.extra_body.at[1].remove);
	same(r->inf.extra_body.at[1].provider_name, "p");
	same(r->inf.extra_headers.at[0].pointer, "x");
	same(r->ignored, "bar, foo");
	same_params(r, "{}");
	assert_false(bytes_set(r->inf.source)); /* this surface never passes through */
	arena_deinit(&f.arena);
}

static void test_inference_params_in_the_order_of_rows(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &tensorzero_chat_options,
		"{\"model\":\"tensorzero::model_name::m\"," HI
		",\"verbosity\":\"low\",\"stop\":[\"a\",\"\\n\"],\"seed\":7,\"max_tokens\":5,\"temperature\":0.7,\"top_p\":1e-7,\"presence_penalty\":1,\"frequency_penalty\":0,\"reasoning_effort\":\"high\",\"service_tier\":\"flex\",\"response_format\":{\"type\":\"json_object\"},\"tensorzero::params\":{\"chat_completion\":{\"thinking_budget_tokens\":9,\"seed\":8}}}");

	(void)state;
	same_params(
		r,
		"{\"temperature\":0.7,\"max_tokens\":5,\"seed\":8,\"top_p\":1e-7,\"presence_penalty\":1,\"frequency_penalty\":0,\"json_mode\":\"on\",\"stop_sequences\":[\"a\",\"\\n\"],\"reasoning_effort\":\"high\",\"service_tier\":\"flex\",\"thinking_budget_tokens\":9,\"verbosity\":\"low\"}");
	arena_deinit(&f.arena);
}

/* ---- OpenAI's ---- */

static void test_openai_errors_name_param_and_code(void **state)
{
	(void)state;
	refused("{" HI "}", "missing field `model`", "model", "missing_required_parameter");
	refused("{\"model\":5," HI "}", "model: invalid type: integer `5`, expected a string",
		"model", "invalid_type");
	refused("{\"model\":\"\"," HI "}", PREFIX "`model` cannot be empty", "model",
		"missing_required_parameter");
	refused("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}",
		PREFIX "Invalid content block: missing field `image_url`",
		"messages[0].content[0].image_url", "missing_required_parameter");
	refused("{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":5}]}]}",
		"messages[0]: tool_calls.[0].id: invalid type: integer `5`, expected a string",
		"messages[0].tool_calls[0].id", "invalid_type");
	refused("{\"model\":\"m\"," HI
		",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":5}}]}",
		"tools[0]: invalid type: integer `5`, expected a string", "tools[0].function.name",
		"invalid_type");
	refused("{\"model\":\"m\"," HI ",\"n\":9}", PREFIX "`n` must be from 1 to 8", "n",
		"unsupported_value");
	refused("{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"x\",\"content\":\"y\"}]}",
		PREFIX "tool call id not found", "messages[0]", "invalid_value");
}

/* surfaces §8.4 #55: max_tokens 0 */
static void test_openai_limits(void **state)
{
	struct fixture f;
	struct envelope *r =
		read_ok(&f, &openai_chat_options,
			"{\"model\":\"m\"," HI ",\"max_tokens\":-1,\"seed\":-9223372036854775808}");

	(void)state;
	same(r->inf.params[PARAM_SEED], "-9223372036854775808");
	assert_int_equal(openai_chat_foreign_fields(&r->inf, NULL), -1);
	same(error_last()->message, "`max_tokens` must be at least 1");
	same(error_last()->param, "max_tokens");
	arena_deinit(&f.arena);
	refused("{\"model\":\"m\"," HI ",\"max_tokens\":0}",
		PREFIX "`max_tokens` must be at least 1", "max_tokens", "invalid_value");
	refused("{\"model\":\"m\"," HI ",\"seed\":9223372036854775808}",
		"seed: invalid value: integer `9223372036854775808`, expected i64", "seed",
		"invalid_value");
	refused("{\"model\":\"m\"," HI ",\"max_completion_tokens\":1.5}",
		"max_completion_tokens: invalid type: floating point `1.5`, expected i64",
		"max_completion_tokens", "invalid_type");
}

static void test_openai_refuses_misspelt_own_fields_only(void **state)
{
	struct fixture f;

	(void)state;
	refused("{\"model\":\"m\"," HI ",\"tensorzero::dryrum\":true}",
		PREFIX "unknown field `tensorzero::dryrum`", "tensorzero::dryrum",
		"unsupported_parameter");
	read_ok(&f, &openai_chat_options,
		"{\"model\":\"m\"," HI ",\"logit_bias\":{},\"x_new\":[1]}");
	arena_deinit(&f.arena);
}

static void test_openai_input_is_named_as_not_built(void **state)
{
	(void)state;
	refused("{\"model\":\"m\",\"input\":\"hi\"}",
		PREFIX "`input` in the place of `messages` (a Responses body) is not built yet",
		"input", "unsupported_parameter");
}

static void test_openai_attribution(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"gpt\"," HI
		",\"user\":\"u1\",\"safety_identifier\":\"s1\",\"prompt_cache_key\":\"k\",\"metadata\":{\"team\":\"a\"}}");

	(void)state;
	same(r->user, "u1");
	same(r->safety_identifier, "s1");
	same(r->prompt_cache_key, "k");
	assert_int_equal(1, r->ntags);
	same(r->tags[0].key, "team");
	arena_deinit(&f.arena);
	refused("{\"model\":\"m\"," HI ",\"metadata\":{\"signet::x\":\"y\"}}",
		PREFIX "`metadata` key is reserved: signet::x", "metadata.signet::x",
		"invalid_value");
}

static void test_openai_metadata_limits(void **state)
{
	char body[2048];
	int n = snprintf(body, sizeof body, "{\"model\":\"m\"," HI ",\"metadata\":{");
	struct fixture f;

	(void)state;
	for (int i = 0; i < 17; i++)
		n += snprintf(body + n, sizeof body - (size_t)n, "%s\"k%d\":\"v\"", i ? "," : "",
			      i);
	snprintf(body + n, sizeof body - (size_t)n, "}}");
	refused(body, PREFIX "`metadata` has 17 pairs, at most 16 are allowed", "metadata",
		"invalid_value");
	snprintf(body, sizeof body, "{\"model\":\"m\"," HI ",\"metadata\":{\"a\":\"%0513d\"}}", 0);
	assert_null(read_as(&f, &openai_chat_options, body));
	arena_deinit(&f.arena);
	snprintf(body, sizeof body, "{\"model\":\"m\"," HI ",\"metadata\":{\"a\":\"%0512d\"}}", 0);
	assert_non_null(read_as(&f, &openai_chat_options, body));
	arena_deinit(&f.arena);
}

static void test_openai_late_system_text_stays_in_place(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"developer\",\"content\":\"b\"},{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"d\"},{\"type\":\"text\",\"text\":\"e\"}]}]}");

	(void)state;
	same(r->inf.system, "a\nb");
	assert_int_equal(2, r->inf.nmessages);
	same(r->inf.messages[1].content[0].text, "<system>d\ne</system>");
	assert_int_equal(ROLE_USER, r->inf.messages[1].role);
	arena_deinit(&f.arena);
}

/* surfaces §8.4 #14, #15: text and files of a tool result */
static void test_openai_tool_results(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"id\":\"b\",\"function\":{\"name\":\"g\"}},{\"id\":\"c\",\"type\":\"custom\",\"custom\":{\"name\":\"h\",\"input\":\"i\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"sunny\"},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":\"text\",\"text\":\"y\"}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":[{\"type\":\"text\",\"text\":\"z\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}]}");
	const struct message *m = r->inf.messages;

	(void)state;
	assert_int_equal(2, r->inf.nmessages);
	assert_int_equal(3, m[0].len); /* no text block of the empty content */
	same(m[0].content[1].arguments, "");
	assert_true(m[0].content[2].custom);
	assert_int_equal(3, m[1].len);
	same(m[1].content[0].text, "sunny");
	same(m[1].content[0].name, "f");
	assert_null(m[1].content[0].parts);
	same(m[1].content[1].text, "x\ny");
	assert_int_equal(2, m[1].content[2].nparts);
	assert_true(r->has_files);
	arena_deinit(&f.arena);
}

static void test_openai_reasoning_that_comes_back(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"a\"},{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"a\",\"reasoning\":\"b\"},{\"role\":\"assistant\",\"content\":\"x\",\"reasoning\":\"b\",\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"c\",\"signature\":\"s\"}]},{\"role\":\"assistant\",\"content\":\"x\",\"reasoning\":\"b\",\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":1,\"text\":\"d\",\"signature\":\"s\",\"provider_type\":\"p\"}]},{\"role\":\"assistant\",\"content\":null,\"refusal\":\"no\"}]}");
	const struct message *m = r->inf.messages;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static const char *const texts[] = { "a", "b", "c" };

		assert_int_equal(2, m[i].len);
		assert_int_equal(BLOCK_THOUGHT, m[i].content[0].type);
		same(m[i].content[0].text, texts[i]);
	}
	same(m[2].content[0].signature, "s");
	assert_int_equal(BLOCK_THOUGHT, m[3].content[1].type);
	same(m[3].content[1].provider_type, "p");
	assert_int_equal(BLOCK_TEXT, m[4].content[0].type);
	same(m[4].content[0].text, "no");
	arena_deinit(&f.arena);
}

/* As the official client puts a stream together: the text in one place, the signature in another. */
static void test_a_thought_of_a_stream_meets_its_signature_again(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"a\",\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":0,\"text\":null,\"signature\":\"s\",\"provider_type\":\"p\"}]},{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"a\",\"tensorzero_extra_content\":[{\"type\":\"thought\",\"insert_index\":0,\"signature\":\"s\"},{\"type\":\"thought\",\"insert_index\":1,\"signature\":\"t\"}]}]}");
	const struct message *m = r->inf.messages;

	(void)state;
	assert_int_equal(2, m[0].len);
	same(m[0].content[0].text, "a");
	same(m[0].content[0].signature, "s");
	same(m[0].content[0].provider_type, "p");
	assert_false(bytes_set(m[1].content[0].text)); /* whose of two it is, nobody can tell */
	arena_deinit(&f.arena);
}

static void test_openai_deprecated_functions(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"functions\":[{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}},{\"name\":\"g\"}],\"function_call\":{\"name\":\"g\"},\"messages\":[{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":\"4\"}]}");
	const struct tool_config *t = r->inf.tools;

	(void)state;
	assert_true(((struct chat_request *)r)->legacy_functions);
	assert_int_equal(2, t->len);
	same(t->tools[1].parameters, "{\"type\":\"object\",\"properties\":{}}");
	assert_int_equal(TOOL_CHOICE_SPECIFIC, t->choice);
	same(t->specific, "g");
	same(r->inf.messages[1].content[0].id, "call_fn_0");
	same(r->inf.messages[2].content[0].id, "call_fn_0");
	same(r->inf.messages[2].content[0].text, "4");
	assert_false(r->inf.source_intact);
	arena_deinit(&f.arena);
}

static void test_openai_flat_tools_and_parts_it_does_not_know(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}},{\"type\":\"custom\",\"name\":\"c\",\"description\":\"d\"},{\"type\":\"web_search\"}],\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"video\",\"video\":{\"x\":1}},{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}},{\"type\":\"file\",\"file\":{\"file_url\":\"https://a/b.pdf\"}}]}]}");
	const struct message *m = r->inf.messages;

	(void)state;
	assert_int_equal(2, r->inf.tools->len);
	assert_true(r->inf.tools->tools[1].custom);
	same(r->inf.tools->specific, "f");
	assert_int_equal(BLOCK_UNKNOWN, m->content[0].type);
	same(m->content[0].text, "{\"type\":\"video\",\"video\":{\"x\":1}}");
	assert_int_equal(BLOCK_UNKNOWN, m->content[1].type);
	assert_true(m->content[2].file->is_url);
	arena_deinit(&f.arena);
}

static void test_nulls_are_absent_to_openai(void **state)
{
	struct fixture f;

	(void)state;
	read_ok(&f, &openai_chat_options,
		"{\"model\":\"m\"," HI
		",\"tools\":null,\"stop\":null,\"metadata\":null,\"tensorzero::tags\":null,\"tensorzero::params\":{},\"stream_options\":{\"include_usage\":null},\"user\":null,\"functions\":null}");
	arena_deinit(&f.arena);
}

/* surfaces §3.1: what another family cannot take is named */
static void test_foreign_fields(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &openai_chat_options,
		"{\"logit_bias\":{},\"model\":\"m\"," HI
		",\"user\":\"u\",\"prompt_cache_key\":\"k\",\"store\":true,\"temperature\":1,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"web_search\"}],\"x\":1}");
	struct buf ignored;

	(void)state;
	buf_init(&ignored, 4096);
	openai_chat_foreign_fields(&r->inf, &ignored);
	same(buf_bytes(&ignored), "logit_bias, prompt_cache_key, tools[1]:web_search, x");
	buf_deinit(&ignored);
	arena_deinit(&f.arena);
}

/* JSON mode tool (http-api §7) */
static void test_json_mode_tool_makes_its_tool(void **state)
{
	struct fixture f;
	struct envelope *r = read_ok(
		&f, &tensorzero_chat_options,
		"{\"model\":\"tensorzero::model_name::m\"," HI
		",\"tensorzero::params\":{\"chat_completion\":{\"json_mode\":\"tool\"}},\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}}");

	(void)state;
	assert_int_equal(0, check_input(r, &f.arena));
	assert_true(r->inf.json_tool);
	same(r->inf.tools->specific, "respond");
	same_params(r, "{\"json_mode\":\"tool\"}");
	arena_deinit(&f.arena);
}

static void test_huge_and_broken_bodies(void **state)
{
	struct fixture f;
	struct buf b;

	(void)state;
	buf_init(&b, 8u << 20);
	for (int i = 0; i < 200; i++)
		buf_putc(&b, '[');
	buf_putc(&b, '\0');
	assert_null(read_as(&f, &tensorzero_chat_options, b.data));
	assert_int_equal(ERR_JSON_REQUEST, error_last()->kind);
	assert_true(bytes_find(error_last()->message,
			       B("recursion limit exceeded at line 1 column 128")) > 0);
	arena_deinit(&f.arena);
	assert_null(read_as(&f, &tensorzero_chat_options, "{\"model\":\"\xff\xfe\"," HI "}"));
	assert_int_equal(ERR_JSON_REQUEST, error_last()->kind);
	arena_deinit(&f.arena);
	buf_deinit(&b);
}

/* Out of memory at any point is an error, never a crash. */
static void test_every_size_of_arena(void **state)
{
	const char *body =
		"{\"model\":\"m\",\"metadata\":{\"a\":\"b\"},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"stop\":\"x\",\"messages\":[{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://A.b/c\"}}]},{\"role\":\"system\",\"content\":\"a\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\"}}],\"reasoning\":\"r\"},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":\"x\"}]}]}";

	(void)state;
	for (size_t max = 0; max < 40000; max += 61) {
		struct arena a;

		arena_init(&a, max);
		if (!openai_chat_read_request(bytes_of(body), &openai_chat_options, &a))
			assert_int_not_equal(ERR_NONE, error_last()->kind);
		arena_deinit(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_of_the_table),
		cmocka_unit_test(test_tensorzero_fields),
		cmocka_unit_test(test_inference_params_in_the_order_of_rows),
		cmocka_unit_test(test_openai_errors_name_param_and_code),
		cmocka_unit_test(test_openai_limits),
		cmocka_unit_test(test_openai_refuses_misspelt_own_fields_only),
		cmocka_unit_test(test_openai_input_is_named_as_not_built),
		cmocka_unit_test(test_openai_attribution),
		cmocka_unit_test(test_openai_metadata_limits),
		cmocka_unit_test(test_openai_late_system_text_stays_in_place),
		cmocka_unit_test(test_openai_tool_results),
		cmocka_unit_test(test_openai_reasoning_that_comes_back),
		cmocka_unit_test(test_a_thought_of_a_stream_meets_its_signature_again),
		cmocka_unit_test(test_openai_deprecated_functions),
		cmocka_unit_test(test_openai_flat_tools_and_parts_it_does_not_know),
		cmocka_unit_test(test_nulls_are_absent_to_openai),
		cmocka_unit_test(test_foreign_fields),
		cmocka_unit_test(test_json_mode_tool_makes_its_tool),
		cmocka_unit_test(test_huge_and_broken_bodies),
		cmocka_unit_test(test_every_size_of_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
