/* The table of sampling parameters: what is printed of it, in which order, and what merging leaves. */
#include "unit.h"

#include "inference/inference.h"

static void assert_is(struct buf *got, const char *want)
{
	assert_int_equal(buf_putc(got, '\0'), 0);
	assert_string_equal(got->data, want);
	buf_deinit(got);
}

static void prints(const struct inference *inf, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	assert_int_equal(params_print(inf, &out), 0);
	assert_is(&out, want);
}

/* storage §2.2: only what is set, in TensorZero's order, numbers as they were written */
static void test_the_record_has_what_is_set_in_its_order(void **state)
{
	struct bytes stop[] = { B("a"), B("\"") };
	struct inference inf = {
		.stop = stop, .nstop = 2, .stop_set = true, .json_mode = JSON_MODE_TOOL
	};
	struct tool_config tools = { .parallel = 1, .choice = TOOL_CHOICE_AUTO };

	(void)state;
	prints(&(struct inference){ 0 }, "{}");
	prints(&(struct inference){ .stop_set = true }, "{\"stop_sequences\":[]}");
	inf.tools = &tools; /* has columns of its own */
	for (enum param p = 0; p < PARAMS; p++)
		inf.params[p] = B("0.70");
	prints(&inf,
	       "{\"temperature\":0.70,\"max_tokens\":0.70,\"seed\":0.70,\"top_p\":0.70,\"presence_penalty\":0.70,\"frequency_penalty\":0.70,\"json_mode\":\"tool\",\"stop_sequences\":[\"a\",\"\\\"\"],\"reasoning_effort\":\"0.70\",\"service_tier\":\"0.70\",\"thinking_budget_tokens\":0.70,\"verbosity\":\"0.70\"}");
}

static void test_what_is_laid_over_is_no_longer_the_clients_own(void **state)
{
	struct bytes stop[] = { B("a") };
	struct inference from = {
		.params = { [PARAM_SEED] = B("7") }, .stop = stop, .nstop = 1, .stop_set = true
	};
	struct inference to = { .params = { [PARAM_SEED] = B("1"), [PARAM_TOP_P] = B("0.5") },
				.json_mode = JSON_MODE_ON,
				.own = PARAM_BIT(PARAM_SEED) | PARAM_BIT(PARAM_TOP_P) |
				       PARAM_BIT(PARAM_STOP) | PARAM_BIT(PARAM_RESPONSE_FORMAT) };

	(void)state;
	params_overlay(&to, &from);
	prints(&to, "{\"seed\":7,\"top_p\":0.5,\"json_mode\":\"on\",\"stop_sequences\":[\"a\"]}");
	assert_int_equal(to.own, PARAM_BIT(PARAM_TOP_P) | PARAM_BIT(PARAM_RESPONSE_FORMAT));
}

static void collect(void *out, struct bytes name)
{
	assert_int_equal(buf_printf(out, "%.*s ", BFMT(name)), 0);
}

static void left_out(const struct inference *inf, const char *want)
{
	struct buf out;

	buf_init(&out, 4096);
	params_left_out(inf, collect, &out);
	assert_is(&out, want);
}

/* What asks nothing of a provider is not missed: json_mode off, an empty list. */
static void test_what_a_provider_left_out_is_named_as_the_client_names_it(void **state)
{
	struct provider_tool web = { .tool = B("{}") };
	struct tool_config tools = { .parallel = -1, .provider_tools = &web, .nprovider_tools = 1 };
	struct bytes stop[] = { B("a") };
	struct inference inf = { .params = { [PARAM_THINKING_BUDGET] = B("5") },
				 .stop_set = true,
				 .json_mode = JSON_MODE_OFF };

	(void)state;
	left_out(&inf, "thinking_budget_tokens ");
	inf.json_mode = JSON_MODE_STRICT;
	inf.stop = stop;
	inf.nstop = 1;
	inf.tools = &tools;
	left_out(&inf, "stop response_format thinking_budget_tokens tools ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_record_has_what_is_set_in_its_order),
		cmocka_unit_test(test_what_is_laid_over_is_no_longer_the_clients_own),
		cmocka_unit_test(test_what_a_provider_left_out_is_named_as_the_client_names_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
