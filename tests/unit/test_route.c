/* Kinds of failure, spans, episode ids (surfaces §6.9, config §3.5, http-api §5.4). */
#include "unit.h"

#include <stdio.h>

#include "base/error.h"
#include "base/time.h"
#include "fiber/loop.h"
#include "inference/options.h"
#include "route/classify.h"
#include "route/check.h"
#include "route/model_call.h"
#include "route/target.h"
#include "upstream/provider_type.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static void test_failures_are_told_by_code_words_and_status(void **state)
{
	static const struct {
		struct error e;
		const char *name;
	} cases[] = {
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 400 }, "client" },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 401 }, "auth" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 402 }, "quota" },
		{ { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 429 }, "rate_limit" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 503 }, "overload" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 529 }, "overload" },
		{ { .kind = ERR_INFERENCE_SERVER, .upstream_status = 500 }, "server" },
		{ { .kind = ERR_INFERENCE_CLIENT }, "server" }, /* not reached at all */
		{ { .kind = ERR_PROVIDER_TIMEOUT }, "timeout" },
		{ { .kind = ERR_SIGNER }, "signer" },
		{ { .kind = ERR_API_KEY_MISSING }, "auth" },
		{ { .kind = ERR_OUT_OF_MEMORY }, "internal" },
		{ { .kind = ERR_UNSUPPORTED_CONTENT }, "client" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("context_length_exceeded") },
		  "context" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 429,
		    .upstream_code = B("insufficient_quota") },
		  "quota" },
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_message = B("This model's Maximum context length is 8192") },
		  "context" },
		/* providers-openai §8 #29 */
		{ { .kind = ERR_INFERENCE_CLIENT,
		    .upstream_status = 400,
		    .upstream_code = B("content_filter") },
		  "content_filter" },
		{ { .kind = ERR_SHUTDOWN }, "shutdown" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_string_equal(failure_name(classify(&cases[i].e)), cases[i].name);
}

static void test_the_last_nested_error_decides(void **state)
{
	struct error inner[] = { { .kind = ERR_INFERENCE_CLIENT, .upstream_status = 401 },
				 { .kind = ERR_INFERENCE_SERVER, .upstream_status = 503 } };
	struct bytes names[] = { B("a"), B("b") };
	struct error_list list = { .names = names, .errors = inner, .len = 2, .cap = 2 };
	struct error model = { .kind = ERR_ALL_PROVIDERS_FAILED, .nested = &list };
	struct error_list outer = { .names = names, .errors = &model, .len = 1, .cap = 1 };
	struct error all = { .kind = ERR_ALL_VARIANTS_FAILED, .nested = &outer };

	(void)state;
	assert_ptr_equal(error_leaf(&all), &inner[1]);
	assert_int_equal(classify(&all), FAILURE_OVERLOAD);
}

static void test_spans_read_as_tensorzero_prints_them(void **state)
{
	(void)state;
	assert_string_equal(duration_text(100, &arena).p, "100ms");
	assert_string_equal(duration_text(1000, &arena).p, "1s");
	assert_string_equal(duration_text(1500, &arena).p, "1.5s");
	assert_string_equal(duration_text(900000, &arena).p, "900s");
	assert_string_equal(duration_text(1001, &arena).p, "1.001s");
}

static struct bytes v7_at(uint64_t seconds)
{
	uint64_t ms = seconds * 1000;

	return arena_printf(&arena, "%08llx-%04llx-7abc-8def-0123456789ab",
			    (unsigned long long)(ms >> 16), (unsigned long long)(ms & 0xffff));
}

static void refused(struct bytes text, enum error_kind kind, const char *message)
{
	struct uuid id;

	assert_int_equal(episode_id(text, &id), -1);
	assert_int_equal(error_last()->kind, kind);
	assert_string_equal(arena_dup(&arena, error_last()->message).p, message);
}

static void test_episode_ids_are_version_7_of_a_plausible_time(void **state)
{
	uint64_t now = clock_unix_ms() / 1000;
	struct uuid id;

	(void)state;
	assert_int_equal(episode_id((struct bytes){ NULL, 0 }, &id), 0);
	assert_int_equal(uuid_version(id), 7);
	assert_int_equal(episode_id(v7_at(now), &id), 0);
	assert_int_equal(episode_id(v7_at(1579751960), &id), 0);
	refused(v7_at(1579751959), ERR_INVALID_EPISODE,
		"Invalid Episode ID: Timestamp is too early");
	refused(v7_at(now + 60), ERR_INVALID_EPISODE,
		"Invalid Episode ID: Timestamp is in the future");
	refused(B("00000000-0000-0000-0000-000000000000"), ERR_INVALID_UUID,
		"Failed to parse UUID as v7: 00000000-0000-0000-0000-000000000000");
	refused(B("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"), ERR_INVALID_UUID,
		"Failed to parse UUID as v7: f81d4fae-7dec-41d0-a765-00a0c91e6bf6");
	refused(B("f81d4fae-7dec-11d0-a765-00a0c91e6bf6"), ERR_INVALID_EPISODE,
		"Invalid Episode ID: Version must be 7, got 1");
}

/* ---- providers that fail ---- */

static int write_nothing(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	(void)inf, (void)d, (void)out, (void)ignored;
	return fail(ERR_INVALID_REQUEST, "not this one");
}

static const struct wire no_wire = { .write_request = write_nothing };
static const struct provider_type no_type = { .wire = &no_wire, .kind = { .label = "X" } };
static int opened;
static enum error_kind open_kind;
static char open_message[200];

static void open_all(void *arg)
{
	static const struct config config;
	static const struct surface_options options;
	static const struct inference inf = { .options = &options };
	struct provider_config p0 = { .kind = &no_type.kind,
				      .endpoint = B("http://h/"),
				      .name = B("p0") };
	struct provider_config p1 = { .kind = &no_type.kind,
				      .endpoint = B("http://h/"),
				      .name = B("p1") };
	struct provider_config *routing[] = { &p0, &p1 };
	struct model_config model = { .name = B("m"), .routing = routing, .nrouting = 2 };
	struct call_context context = { .arena = arg, .config = &config };
	struct model_call call;

	p0.model = p1.model = &model;
	opened = model_call_open(&call, &model, &inf, &context);
	open_kind = opened ? error_last()->kind : ERR_NONE;
	snprintf(open_message, sizeof open_message, "%.*s", BFMT(error_last()->message));
	model_call_close(&call);
}

/* In an arena of that size, some of which is taken. */
static void open_within(size_t size, size_t taken)
{
	struct loop *loop = loop_new(0);
	struct arena a;

	arena_init(&a, size);
	if (taken)
		assert_non_null(arena_alloc_raw(&a, taken));
	assert_non_null(loop);
	assert_non_null(fiber_spawn("open", open_all, &a));
	loop_stop(loop);
	loop_run(loop);
	loop_free(loop);
	arena_deinit(&a);
	assert_int_equal(opened, -1);
}

/* Wherever the arena ends: all of it, or that memory is out; never an answer. */
static void test_when_all_providers_fail_it_is_an_error(void **state)
{
	size_t whole = 0, out_of_memory = 0;

	(void)state;
	open_within(1u << 16, 0);
	assert_int_equal(open_kind, ERR_ALL_PROVIDERS_FAILED);
	assert_string_equal(
		open_message,
		"All model providers failed to infer with errors: p0: not this one, p1: not this one");
	for (size_t taken = 0; taken < 4064; taken += 16) {
		open_within(4096, taken);
		if (open_kind == ERR_ALL_PROVIDERS_FAILED)
			whole++;
		else if (open_kind == ERR_OUT_OF_MEMORY || open_kind == ERR_TOO_LARGE)
			out_of_memory++;
		else
			fail_msg("%zu: %d %s", taken, (int)open_kind, open_message);
	}
	assert_true(whole > 10 && out_of_memory > 10);
	error_clear();
}

/* ---- names ---- */

static void test_a_name_that_nobody_has_comes_with_the_nearest(void **state)
{
#define MODEL_TOML(m)                                                                        \
	"[models." m "]\nrouting = [\"p\"]\n[models." m ".providers.p]\ntype = \"openai\"\n" \
	"model_name = \"x\"\napi_key_location = \"none\"\n"
	struct config_options options = {
		.text = B(MODEL_TOML("far-away") MODEL_TOML("abb") MODEL_TOML("aba")
				  MODEL_TOML("abcd") MODEL_TOML("a") MODEL_TOML("abc") MODEL_TOML(
					  "abx") "[surfaces.aliases]\n\"zz*\" = \"a\"\n"),
		.offline = true,
	};
	struct config_issues issues;
	struct config *c = config_load(&options, &issues);
	struct shorthands *s;
	struct target t;

	(void)state;
	if (!c)
		fail_msg("%.*s", BFMT(issues.at[0].text));
	config_issues_deinit(&issues);
	s = shorthands_new(c);
	assert_int_equal(target_resolve(c, s, false, B("abc"), &arena, &t), 0);
	assert_true(bytes_eq(t.model->name, B("abc")));
	assert_int_equal(target_resolve(c, s, false, B("abc!"), &arena, &t), -1);
	assert_int_equal(error_last()->kind, ERR_MODEL_NOT_FOUND);
	assert_string_equal(arena_dup(&arena, error_last()->message).p,
			    "The model `abc!` does not exist. Known: abcd, abc, abb, aba, abx");
	assert_string_equal(error_last()->param.p, "model");
	assert_string_equal(error_last()->code.p, "model_not_found");
	assert_int_equal(target_resolve(c, s, false, B("a"), &arena, &t), 0);
	shorthands_free(s);
	config_unref(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures_are_told_by_code_words_and_status),
		cmocka_unit_test(test_the_last_nested_error_decides),
		cmocka_unit_test(test_spans_read_as_tensorzero_prints_them),
		cmocka_unit_test(test_when_all_providers_fail_it_is_an_error),
		cmocka_unit_test(test_a_name_that_nobody_has_comes_with_the_nearest),
		cmocka_unit_test(test_episode_ids_are_version_7_of_a_plausible_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
