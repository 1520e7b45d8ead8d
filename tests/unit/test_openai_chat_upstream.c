/*
 * The body that a provider of chat completions gets: from the neutral model (golden bytes of providers-openai §6.1,
 * §2.3-2.8), and by pass-through, where the client's own bytes survive.
 */
#include "unit.h"

#include "base/error.h"
#include "route/check.h"
#include "wire/openai_chat/openai_chat.h"

struct fixture {
	struct arena arena;
	struct envelope *r;
	struct dialect d;
	struct buf body, ignored;
};

static void setup(struct fixture *f, const struct surface_options *options, const char *request)
{
	arena_init(&f->arena, 1u << 28);
	buf_init(&f->body, 1u << 24);
	buf_init(&f->ignored, 1u << 16);
	f->d = (struct dialect){ .type = B("openai"),
				 .label = B("OpenAI"),
				 .max_tokens_key = B("max_completion_tokens"),
				 .model = B("gpt-4.1-mini") };
	f->r = openai_chat_read_request(bytes_of(request), options, &f->arena);
	if (!f->r || check_input(f->r, &f->arena) < 0 || check_tools(f->r) < 0)
		fail_msg("%.*s", BFMT(error_last()->message));
}

static void teardown(struct fixture *f)
{
	buf_deinit(&f->body);
	buf_deinit(&f->ignored);
	arena_deinit(&f->arena);
}

static void write_is(struct fixture *f, const char *want)
{
	buf_reset(&f->body);
	if (wire_openai_chat.write_request(&f->r->inf, &f->d, &f->body, &f->ignored) < 0)
		fail_msg("%.*s", BFMT(error_last()->message));
	if (!bytes_eq(buf_bytes(&f->body), bytes_of(want)))
		fail_msg("want %s\ngot  %.*s", want, BFMT(buf_bytes(&f->body)));
}

/* Through the neutral model, in OpenAI's. */
static void neutral_is(const char *request, const char *want)
{
	struct fixture f;

	setup(&f, &openai_chat_options, request);
	f.r->inf.source = (struct bytes){ NULL, 0 };
	write_is(&f, want);
	teardown(&f);
}

static void tensorzero_is(const char *request, const char *want)
{
	struct fixture f;

	setup(&f, &tensorzero_chat_options, request);
	write_is(&f, want);
	teardown(&f);
}

static void pass_is(const char *request, const char *want)
{
	struct fixture f;

	setup(&f, &openai_chat_options, request);
	write_is(&f, want);
	teardown(&f);
}

#define HI         "\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"
#define HI_NEUTRAL "{" HI ",\"model\":\"gpt-4.1-mini\""
#define TZ         "\"model\":\"tensorzero::model_name::m\""
#define F_TOOL                                                                                     \
	"{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\"}" \
	"}}"

/* ---- golden (providers-openai §6.1) ---- */

#define GOLDEN_TOOL(inner, outer)                                                                  \
	"{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"Weather " \
	"of a city.\","                                                                            \
	"\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},"     \
	"\"required\":[\"city\"],"                                                                 \
	"\"additionalProperties\":false}" inner "}" outer "}"
#define GOLDEN_SCHEMA                                                                      \
	"{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"temp_c\":{" \
	"\"type\":\"integer\"}},"                                                          \
	"\"required\":[\"city\",\"temp_c\"],\"additionalProperties\":false}"

static const char golden_request[] =
	"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Which city is this, how warm is it?\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\",\"detail\":\"low\"}}]},{\"role\":\"assistant\",\"content\":\"Looks like Oslo.\",\"tool_calls\":[{\"id\":\"call_A1\",\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":\\\"Oslo\\\"}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"call_A1\",\"content\":\"{\\\"temp_c\\\":4}\"},{\"role\":\"user\",\"content\":\"Use the schema.\"}],\"max_tokens\":64,\"temperature\":0.25,\"seed\":7,\"stop\":[\"END\"],\"service_tier\":\"default\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":" GOLDEN_SCHEMA
	"}},\"tools\":[" GOLDEN_TOOL(",\"strict\":true",
				     "") "],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true}";

#define GOLDEN_BODY(inner, outer)                                                                  \
	"{\"messages\":["                                                                          \
	"{\"role\":\"system\",\"content\":\"Be brief.\"},"                                         \
	"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Which city is this, how "   \
	"warm is it?\"},"                                                                          \
	"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/"                             \
	"png;base64,iVBORw0KGgo=\",\"detail\":\"low\"}}]},"                                        \
	"{\"role\":\"assistant\",\"content\":\"Looks like "                                        \
	"Oslo.\",\"tool_calls\":[{\"id\":\"call_A1\",\"type\":"                                    \
	"\"function\",\"function\":{\"name\":\"get_weather\",\"arguments\":\"{\\\"city\\\":"       \
	"\\\"Oslo\\\"}\"}}]},"                                                                     \
	"{\"role\":\"tool\",\"content\":\"{\\\"temp_c\\\":4}\",\"tool_call_id\":\"call_A1\"},"     \
	"{\"role\":\"user\",\"content\":\"Use the schema.\"}],"                                    \
	"\"model\":\"gpt-4.1-mini\",\"temperature\":0.25,\"max_completion_tokens\":64,\"seed\":7," \
	"\"stream\":false,"                                                                        \
	"\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"response\","    \
	"\"strict\":true,"                                                                         \
	"\"schema\":" GOLDEN_SCHEMA "}},"                                                          \
	"\"tools\":[" GOLDEN_TOOL(inner,                                                           \
				  outer) "],"                                                      \
					 "\"tool_choice\":\"auto\",\"parallel_tool_calls\":true,"  \
					 "\"stop\":[\"END\"],\"service_tier\":\"default\"}"

static void test_golden_request_of_both_surfaces(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options, golden_request);
	f.r->inf.source = (struct bytes){ NULL, 0 };
	write_is(&f, GOLDEN_BODY(",\"strict\":true", ""));
	f.r->inf.options = &tensorzero_chat_options;
	write_is(&f, GOLDEN_BODY("", ",\"strict\":true"));
	f.d.tool_strict = STRICT_INNER; /* the provider's key tool_strict */
	write_is(&f, GOLDEN_BODY(",\"strict\":true", ""));
	teardown(&f);
}

/* ---- the neutral model ---- */

/* providers-openai §8 #45: reasoning models refuse max_tokens; §8 #47: a temperature goes out as set */
/* OpenAI's new name on TensorZero's route; where the client's own body goes on, each under the name that the client said */
static void test_max_tokens_by_its_name(void **state)
{
	(void)state;
	neutral_is("{\"model\":\"m\"," HI ",\"max_tokens\":5,\"temperature\":1.70}", HI_NEUTRAL
		   ",\"temperature\":1.70,\"max_completion_tokens\":5,\"stream\":false}");
	pass_is("{\"model\":\"m\",\"max_tokens\": 5," HI ",\"temperature\":1.70}",
		"{\"model\":\"gpt-4.1-mini\",\"max_tokens\": 5," HI ",\"temperature\":1.70}");
	pass_is("{\"model\":\"m\",\"max_completion_tokens\":6," HI ",\"max_tokens\":-1}",
		"{\"model\":\"gpt-4.1-mini\",\"max_completion_tokens\":6," HI
		",\"max_tokens\":-1}");
}

/* providers-openai §8 #46: a dialect that wants the old name gets it */
static void test_max_tokens_by_its_old_name(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options,
	      "{\"model\":\"tensorzero::model_name::m\"," HI ",\"max_completion_tokens\":5}");
	f.d.max_tokens_key = B("max_tokens");
	write_is(&f, HI_NEUTRAL ",\"max_tokens\":5,\"stream\":false}");
	teardown(&f);
}

/* providers-openai §8 #12: a call without arguments goes back as {} */
static void test_empty_arguments_go_out_as_an_object(void **state)
{
	(void)state;
	neutral_is(
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}]}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
	pass_is("{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}], \"x\":1}]}",
		"{\"model\":\"gpt-4.1-mini\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}], \"x\":1}]}");
}

/* providers-openai §8 #49: reasoning beside tool calls, also when there is no text */
static void test_reasoning_goes_back_beside_calls(void **state)
{
	(void)state;
	neutral_is(
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"reasoning_content\":\"r\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}]}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}],\"reasoning_content\":\"r\"}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
}

/* providers-openai §8 #72, #73 */
static void test_nothing_about_tools_without_tools(void **state)
{
	(void)state;
	tensorzero_is("{" TZ "," HI
		      ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false,\"tools\":[]}",
		      HI_NEUTRAL ",\"stream\":false}");
	neutral_is("{\"model\":\"m\"," HI ",\"tool_choice\":\"auto\",\"parallel_tool_calls\":true}",
		   HI_NEUTRAL ",\"stream\":false}");
}

/* providers-openai §8 #77 */
static void test_digits_stay_as_written(void **state)
{
	(void)state;
	tensorzero_is(
		"{" TZ "," HI
		",\"temperature\":0.7,\"top_p\":1e-7,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"maximum\": 123456789012345678901234567890, \"x\": 1e-7, \"y\": 1.0}}}]}",
		HI_NEUTRAL
		",\"temperature\":0.7,\"top_p\":1e-7,\"stream\":false,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"\",\"parameters\":{\"maximum\":123456789012345678901234567890,\"x\":1e-7,\"y\":1.0}},\"strict\":false}],\"tool_choice\":\"auto\"}");
}

/* surfaces §8.4 #11, #13: ids over 40 bytes and names over 64, alike in call and result */
static void test_long_ids_and_names(void **state)
{
#define LONG_ID    "call_0123456789012345678901234567890123456789"
#define SHORT_ID   "call_01234567890123456789012345_fa264738"
#define LONG_NAME  "n12345678901234567890123456789012345678901234567890123456789012345678901"
#define SHORT_NAME "n123456789012345678901234567890123456789012345678901234_077b4c39"
#define HISTORY(id, name)                                                       \
	"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" id                \
	"\",\"type\":\"function\",\"function\":{\"name\":\"" name               \
	"\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"" id \
	"\",\"content\":\"x\"}]"
#define HISTORY_NEUTRAL(id, name)                                                                 \
	"[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" id                                  \
	"\",\"type\":\"function\",\"function\":{\"name\":\"" name                                 \
	"\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"" id \
	"\"}]"
	(void)state;
	neutral_is("{\"model\":\"m\",\"messages\":" HISTORY(LONG_ID, LONG_NAME) "}",
		   "{\"messages\":" HISTORY_NEUTRAL(
			   SHORT_ID, SHORT_NAME) ",\"model\":\"gpt-4.1-mini\",\"stream\":false}");
	pass_is("{\"model\":\"m\",\"messages\":" HISTORY(LONG_ID, LONG_NAME) "}",
		"{\"model\":\"gpt-4.1-mini\",\"messages\":" HISTORY(SHORT_ID, SHORT_NAME) "}");
	pass_is("{\"model\":\"m\"," HI
		",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"" LONG_NAME
		"\",\"parameters\":{}}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" LONG_NAME
		"\"}}}",
		"{\"model\":\"gpt-4.1-mini\"," HI
		",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"" SHORT_NAME
		"\",\"description\":\"\",\"parameters\":{}}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"" SHORT_NAME
		"\"}}}");
	/* TensorZero's routes send what they were given */
	tensorzero_is(
		"{" TZ ",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" LONG_ID
		"\",\"type\":\"function\",\"function\":{\"name\":\"a.b\",\"arguments\":\"{}\"}}]}]}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" LONG_ID
		"\",\"type\":\"function\",\"function\":{\"name\":\"a.b\",\"arguments\":\"{}\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
}

/* surfaces §8.4 #14, #15: images of tool results follow all tool messages, never as text */
static void test_files_of_tool_results(void **state)
{
	(void)state;
	neutral_is(
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}},{\"id\":\"b\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":[{\"type\":\"text\",\"text\":\"see\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"two\"}]}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}},{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}]},{\"role\":\"tool\",\"content\":\"see\\n[image 1]\",\"tool_call_id\":\"a\"},{\"role\":\"tool\",\"content\":\"two\",\"tool_call_id\":\"b\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Attachments of tool result a:\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
}

static void test_a_call_without_result_gets_one(void **state)
{
	(void)state;
	neutral_is(
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}},{\"id\":\"b\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"b\",\"content\":\"x\"},{\"role\":\"user\",\"content\":\"go on\"}]}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"1\"}},{\"id\":\"b\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"2\"}}]},{\"role\":\"tool\",\"content\":\"x\",\"tool_call_id\":\"b\"},{\"role\":\"tool\",\"content\":\"[no result]\",\"tool_call_id\":\"a\"},{\"role\":\"user\",\"content\":\"go on\"}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
}

static void test_custom_tools_go_back_as_custom(void **state)
{
	(void)state;
	neutral_is(
		"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"\"}}]}],\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"lark\",\"definition\":\"x\"}}}}],\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}}",
		"{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"input\":\"\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false,\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\",\"format\":{\"type\":\"grammar\",\"grammar\":{\"syntax\":\"lark\",\"definition\":\"x\"}}}}],\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}}");
}

static void test_type_overrides_of_files(void **state)
{
	static const struct mime_override overrides[] = { { B("application/pdf"), FILE_IMAGE_URL },
							  { B("image/png"), FILE_FILE } };
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options,
	      "{" TZ
	      ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_data\":\"data:application/pdf;base64,AA==\"}},{\"type\":\"file\",\"file\":{\"file_data\":\"data:image/png;base64,AA==\"}}]}]}");
	f.d.overrides = overrides;
	f.d.noverrides = 2;
	write_is(
		&f,
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:application/pdf;base64,AA==\"}},{\"type\":\"file\",\"file\":{\"file_data\":\"data:image/png;base64,AA==\",\"filename\":\"input.png\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
	teardown(&f);
}

static void test_file_data_cannot_break_out_of_its_string(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options,
	      "{" TZ
	      ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,A\\\"},\\\"x\"}}]}]}");
	write_is(
		&f,
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,A\\\"},\\\"x\"}}]}],\"model\":\"gpt-4.1-mini\",\"stream\":false}");
	teardown(&f);
}

static void test_streaming_asks_for_usage(void **state)
{
	(void)state;
	tensorzero_is("{" TZ "," HI ",\"stream\":true}",
		      HI_NEUTRAL ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
}

static void test_thinking_budget_is_named_as_ignored(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, &tensorzero_chat_options,
	      "{" TZ "," HI
	      ",\"tensorzero::params\":{\"chat_completion\":{\"thinking_budget_tokens\":5}}}");
	write_is(&f, HI_NEUTRAL ",\"stream\":false}");
	assert_true(bytes_eq(buf_bytes(&f.ignored), B("thinking_budget_tokens")));
	teardown(&f);
}

/* ---- pass-through (providers-openai §7.1, surfaces §1.6) ---- */

static void test_pass_through_keeps_what_it_does_not_know(void **state)
{
	(void)state;
	pass_is("{ \"x_new\": [1.0, 1e-7],\n  \"model\" : \"m\", \"messages\": [ {\"role\":\"user\", \"content\":\"hi\",\"name\":\"n\", \"cache_control\":{\"a\": 1}} ], \"temperature\": 0.70, \"logit_bias\":{\"5\":-100},\"n\":1, \"tensorzero::tags\":{\"a\":\"b\"}, \"stop\": \"x\", \"user\":\"u\" }",
		"{ \"x_new\": [1.0, 1e-7],\n  \"model\" : \"gpt-4.1-mini\", \"messages\": [ {\"role\":\"user\", \"content\":\"hi\",\"name\":\"n\", \"cache_control\":{\"a\": 1}} ], \"temperature\": 0.70, \"logit_bias\":{\"5\":-100},\"n\":1, \"stop\": \"x\", \"user\":\"u\" }");
}

static void test_pass_through_keeps_tools_as_the_client_wrote_them(void **state)
{
	(void)state;
	pass_is("{\"model\":\"m\"," HI
		",\"tools\":[{\"function\":{\"strict\":true,\"name\":\"f\",\"x\":1},\"type\":\"function\"},{\"type\":\"web_search\"}],\"tool_choice\":\"auto\",\"parallel_tool_calls\":false}",
		"{\"model\":\"gpt-4.1-mini\"," HI
		",\"tools\":[{\"function\":{\"strict\":true,\"name\":\"f\",\"x\":1},\"type\":\"function\"},{\"type\":\"web_search\"}],\"tool_choice\":\"auto\",\"parallel_tool_calls\":false}");
}

static void test_pass_through_asks_for_usage_of_streams(void **state)
{
	(void)state;
	pass_is("{\"model\":\"m\"," HI ",\"stream\":true}",
		"{\"model\":\"gpt-4.1-mini\"," HI
		",\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
	pass_is("{\"model\":\"m\"," HI
		",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}}",
		"{\"model\":\"gpt-4.1-mini\"," HI
		",\"stream\":true,\"stream_options\":{\"include_obfuscation\":false,\"include_usage\":true}}");
	pass_is("{\"model\":\"m\"," HI
		",\"stream_options\":{\"include_usage\":false,\"x\":1},\"stream\":true}",
		"{\"model\":\"gpt-4.1-mini\"," HI
		",\"stream_options\":{\"include_usage\":true,\"x\":1},\"stream\":true}");
}

static void test_pass_through_lets_params_win(void **state)
{
	(void)state;
	pass_is("{\"temperature\":1,\"model\":\"m\"," HI
		",\"tensorzero::params\":{\"chat_completion\":{\"temperature\":0.5,\"seed\":3,\"stop_sequences\":[\"a\"]}}}",
		"{\"temperature\":0.5,\"model\":\"gpt-4.1-mini\"," HI
		",\"seed\":3,\"stop\":[\"a\"]}");
	pass_is("{\"model\":\"m\",\"max_tokens\":9,\"max_completion_tokens\":5," HI
		",\"tensorzero::params\":{\"chat_completion\":{\"max_tokens\":3}}}",
		"{\"model\":\"gpt-4.1-mini\",\"max_completion_tokens\":3," HI "}");
}

static void test_pass_through_drops_fields_of_the_provider(void **state)
{
	static const struct bytes drop[] = { B("user"), B("seed") };
	struct fixture f;

	(void)state;
	setup(&f, &openai_chat_options, "{\"user\":\"u\",\"model\":\"m\",\"seed\":3," HI "}");
	f.d.drop_fields = drop;
	f.d.ndrop_fields = 2;
	write_is(&f, "{\"model\":\"gpt-4.1-mini\"," HI "}");
	assert_true(bytes_eq(buf_bytes(&f.ignored), B("user, seed")));
	teardown(&f);
}

static void test_pass_through_of_deprecated_functions(void **state)
{
	(void)state;
	pass_is("{\"model\":\"m\",\"functions\":[{\"name\":\"f\",\"parameters\":{}}],\"function_call\":\"auto\"," HI
		"}",
		"{\"model\":\"gpt-4.1-mini\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"\",\"parameters\":{}}}],\"tool_choice\":\"auto\"," HI
		"}");
}

static void test_pass_through_takes_signets_own_keys_out(void **state)
{
	(void)state;
	pass_is("{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"r\",\"tensorzero_extra_content\":[{\"type\":\"thought\",\"text\":\"r\",\"signature\":\"s\"}]}]}",
		"{\"model\":\"gpt-4.1-mini\",\"messages\":[{\"role\":\"assistant\",\"content\":\"x\",\"reasoning_content\":\"r\"}]}");
	pass_is("{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"tensorzero::raw_text\",\"value\":\"v\"}]}],\"x\":1}",
		"{\"model\":\"gpt-4.1-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"v\"}],\"x\":1}");
}

static void test_pass_through_of_escaped_keys(void **state)
{
	(void)state;
	pass_is("{\"mo\\u0064el\":\"m\"," HI ",\"a\\\"b\":\"c\\\\\"}",
		"{\"mo\\u0064el\":\"gpt-4.1-mini\"," HI ",\"a\\\"b\":\"c\\\\\"}");
#define ESCAPED \
	"\\u0074\\u0065\\u006e\\u0073\\u006f\\u0072\\u007a\\u0065\\u0072\\u006f\\u003a\\u003a"
#define LONG_KEY \
	"a_key_of_some_provider_that_is_longer_than_each_of_the_names_that_are_looked_for_here_and_has_\\u0065"
	/* ours, however it is written */
	pass_is("{\"model\":\"m\"," HI ",\"" ESCAPED "tags\":{\"a\":\"b\"},\"y\":2}",
		"{\"model\":\"gpt-4.1-mini\"," HI ",\"y\":2}");
	pass_is("{\"model\":\"m\"," HI ",\"" ESCAPED "credentials\":{\"a\":\"b\"},\"y\":2}",
		"{\"model\":\"gpt-4.1-mini\"," HI ",\"y\":2}");
	/* and what is not */
	pass_is("{\"model\":\"m\"," HI ",\"" LONG_KEY "\":1,\"\\u0074ensorzero:x\":2}",
		"{\"model\":\"gpt-4.1-mini\"," HI ",\"" LONG_KEY "\":1,\"\\u0074ensorzero:x\":2}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_request_of_both_surfaces),
		cmocka_unit_test(test_max_tokens_by_its_name),
		cmocka_unit_test(test_max_tokens_by_its_old_name),
		cmocka_unit_test(test_empty_arguments_go_out_as_an_object),
		cmocka_unit_test(test_reasoning_goes_back_beside_calls),
		cmocka_unit_test(test_nothing_about_tools_without_tools),
		cmocka_unit_test(test_digits_stay_as_written),
		cmocka_unit_test(test_long_ids_and_names),
		cmocka_unit_test(test_files_of_tool_results),
		cmocka_unit_test(test_a_call_without_result_gets_one),
		cmocka_unit_test(test_custom_tools_go_back_as_custom),
		cmocka_unit_test(test_type_overrides_of_files),
		cmocka_unit_test(test_file_data_cannot_break_out_of_its_string),
		cmocka_unit_test(test_streaming_asks_for_usage),
		cmocka_unit_test(test_thinking_budget_is_named_as_ignored),
		cmocka_unit_test(test_pass_through_keeps_what_it_does_not_know),
		cmocka_unit_test(test_pass_through_keeps_tools_as_the_client_wrote_them),
		cmocka_unit_test(test_pass_through_asks_for_usage_of_streams),
		cmocka_unit_test(test_pass_through_lets_params_win),
		cmocka_unit_test(test_pass_through_drops_fields_of_the_provider),
		cmocka_unit_test(test_pass_through_of_deprecated_functions),
		cmocka_unit_test(test_pass_through_takes_signets_own_keys_out),
		cmocka_unit_test(test_pass_through_of_escaped_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
