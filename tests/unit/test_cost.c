/*
 * The golden table of usage and cost (config §3.14): what a provider of each family says, what Signet makes of it, and what its
 * bill comes to by examples/prices.toml. Of families whose wire has its own tests the row begins with the canonical usage.
 * And pointers: where they look, and when nobody knows.
 */
#include "unit.h"

#include <stdio.h>

#include "base/error.h"
#include "config/config.h"
#include "route/cost.h"
#include "route/fan.h"
#include "upstream/provider_type.h"

static struct config_issues issues;
static struct config *prices; /* with the sample list */
static struct arena arena;

static struct config *load(const char *toml)
{
	struct config_options options = { .text = bytes_of(toml), .offline = true };
	struct config *c = config_load(&options, &issues);

	for (size_t i = 0; !c && i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	assert_non_null(c);
	config_issues_deinit(&issues);
	return c;
}

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 16 << 20);
	prices = load("[store]\nprices = \"examples/prices.toml\"\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	config_unref(prices);
	arena_deinit(&arena);
	return 0;
}

static void cost_is(const struct usage *u, const char *want, const char *where)
{
	struct buf out;

	buf_init(&out, 64);
	assert_int_equal(money_print(u->cost, &out), 0);
	if (!bytes_eq(buf_bytes(&out), bytes_of(want)))
		fail_msg("%s: costs %.*s, not %s", where, BFMT(buf_bytes(&out)), want);
	buf_deinit(&out);
}

/* ---- the table ---- */

#define U USAGE_UNKNOWN

static const struct row {
	const char *type, *model;
	const char *raw; /* the provider's own usage; NULL: its wire's tests have it */
	/* in, out, cache read, cache write, of these for an hour, reasoning */
	int64_t in, out, read, write, hour, reasoning;
	const char *cost; /* as the bill adds it up */
} rows[] = {
	/* (2006 - 1920) × 2.5 + 1920 × 1.25 + 300 × 10 */
	{ "openai", "gpt-4o-2024-08-06",
	  "{\"prompt_tokens\":2006,\"completion_tokens\":300,\"total_tokens\":2306,\"prompt_tokens_details\":{\"cached_tokens\":1920,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
	  2006, 300, 1920, U, U, 0, "0.005615" },
	/* reasoning is of the output: 1000 × 0.25 + 900 × 2 */
	{ "openai", "gpt-5-mini",
	  "{\"prompt_tokens\":1000,\"completion_tokens\":900,\"total_tokens\":1900,\"completion_tokens_details\":{\"reasoning_tokens\":832}}",
	  1000, 900, U, U, U, 832, "0.00205" },
	{ "openai", "gpt-4o", "{\"prompt_tokens\":1000,\"total_tokens\":1000}", 1000, U, U, U, U, U,
	  "null" },
	{ "openai", "text-embedding-3-small", "{\"prompt_tokens\":8,\"total_tokens\":8}", 8, U, U,
	  U, U, U, "1.6e-7" },
	{ "openai", "no-such-model", "{\"prompt_tokens\":8,\"completion_tokens\":8}", 8, 8, U, U, U,
	  U, "null" },
	{ "openai", "gpt-4o", "{\"prompt_tokens\":0,\"completion_tokens\":0}", 0, 0, U, U, U, U,
	  "0.0" },
	{ "azure", "gpt-4o",
	  "{\"prompt_tokens\":2000,\"completion_tokens\":100,\"prompt_tokens_details\":{\"cached_tokens\":1024}}",
	  2000, 100, 1024, U, U, U, "0.00472" },
	{ "groq", "llama-3.3-70b-versatile",
	  "{\"queue_time\":0.03,\"prompt_tokens\":100,\"prompt_time\":0.01,\"completion_tokens\":50,\"total_tokens\":150}",
	  100, 50, U, U, U, U, "0.0000985" },
	{ "mistral", "mistral-small-latest",
	  "{\"prompt_tokens\":100,\"total_tokens\":150,\"completion_tokens\":50}", 100, 50, U, U, U,
	  U, "0.000025" },
	{ "together", "meta-llama/Llama-3.3-70B-Instruct-Turbo",
	  "{\"prompt_tokens\":100,\"completion_tokens\":50,\"total_tokens\":150,\"cached_tokens\":0}",
	  100, 50, 0, U, U, U, "0.000132" },
	/* other places of the same family: any server by its api_base */
	{ "openai", "gpt-4o",
	  "{\"prompt_tokens\":1000,\"completion_tokens\":0,\"cached_tokens\":400}", 1000, 0, 400, U,
	  U, U, "0.002" },
	{ "openai", "gpt-4o",
	  "{\"prompt_tokens\":1000,\"completion_tokens\":0,\"prompt_cache_hit_tokens\":400,\"prompt_cache_miss_tokens\":600}",
	  1000, 0, 400, U, U, U, "0.002" },
	{ "openrouter", "anthropic/claude-sonnet-4.5",
	  "{\"prompt_tokens\":1000,\"completion_tokens\":10,\"prompt_tokens_details\":{\"cached_tokens\":100,\"cache_write_tokens\":500}}",
	  1000, 10, 100, 500, U, U, "0.003255" },
	/* what follows is read by wires with tests of their own: misses are a cache write, reasoning is in the output */
	{ "deepseek", "deepseek-chat", NULL, 1000, 100, 640, 360, U, U, "0.00016072" },
	{ "xai", "grok-4-0709", NULL, 1000, 700, 200, U, U, 500, "0.01305" },
	{ "openai", "gpt-5", NULL, 1000, 500, 600, U, U, 320, "0.005575" },
	/* Anthropic tells the three parts of its input apart: 100 + 2000 read + 3000 written, 1000 of them for an hour */
	{ "anthropic", "claude-sonnet-4-5-20250929", NULL, 5100, 400, 2000, 3000, 1000, U,
	  "0.0204" },
	{ "anthropic", "claude-sonnet-4-20250514", NULL, 5100, 400, 2000, 3000, U, U, "0.01815" },
	{ "anthropic", "claude-opus-4-5", NULL, 1000, 100, 0, 0, 0, U, "0.0075" },
	{ "gcp_vertex_anthropic", "claude-haiku-4-5@20251001", NULL, 1100, 100, 1000, 0, U, U,
	  "0.0007" },
	{ "aws_bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", NULL, 1200, 100, 1000, 100,
	  U, U, "0.002475" },
	{ "aws_bedrock", "amazon.nova-micro-v1:0", NULL, 1000, 1000, U, U, U, U, "0.000175" },
	/* Gemini: thoughts are of the output */
	{ "google_ai_studio_gemini", "gemini-2.5-pro", NULL, 1000, 900, 250, U, U, 800,
	  "0.00996875" },
	/* a long prompt costs more, all of it: 200001 is over, 200000 is not */
	{ "google_ai_studio_gemini", "gemini-2.5-pro", NULL, 200001, 100, U, U, U, U, "0.5015025" },
	{ "google_ai_studio_gemini", "gemini-2.5-pro", NULL, 200000, 100, U, U, U, U, "0.251" },
	{ "anthropic", "claude-sonnet-4-5", NULL, 300000, 1000, 200000, 50000, 0, U, "0.8175" },
	{ "google_ai_studio_gemini", "gemini-2.5-flash-lite", NULL, 1000, 100, U, U, U, U,
	  "0.00014" },
	{ "gcp_vertex_gemini", "gemini-2.5-flash", NULL, 1000, 100, U, U, U, U, "0.00055" },
	{ "openrouter", "anthropic/claude-sonnet-4.5", NULL, 1000, 100, 500, U, U, U, "0.00315" },
	/* what cannot be: more read from the cache than read at all counts no token twice, nor less than none */
	{ "openai", "gpt-4o", NULL, 100, 0, 4000, 500, 600, 7, "0.000125" },
	{ "vllm", "llama", NULL, 1000, 100, U, U, U, U, "null" },
	{ "rust-proxy", "gpt-4o", NULL, 1000, 100, U, U, U, U, "null" },
};

static struct provider_config priced(const struct row *r)
{
	struct provider_config p = { .type = bytes_of(r->type), .model_name = bytes_of(r->model) };
	static struct model_config model;

	model.name = B("m");
	p.model = &model;
	provider_price(prices, &p);
	return p;
}

/* By the type's own row, or the family's first where the type is not built yet. */
static const struct provider_type *type_of(const char *name)
{
	const struct provider_type *first = NULL;

	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;

		if (kind && bytes_eq(kind->name, bytes_of(name)))
			return (const struct provider_type *)kind;
		if (kind && bytes_eq(kind->name, B("openai")))
			first = (const struct provider_type *)kind;
	}
	return first;
}

static struct usage usage_read(const struct row *r)
{
	static const struct surface_options options;
	const struct provider_type *type = type_of(r->type);
	struct inference inf = { .options = &options };
	struct bytes body = arena_printf(
		&arena,
		"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":%s}",
		r->raw);
	struct result *result = type->wire->read_result(body, &inf, &type->dialect, &arena);

	assert_non_null(result);
	return result->usage;
}

static void test_raw_usage_ours_and_the_bill(void **state)
{
	size_t with_raw = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct row *r = &rows[i];
		struct provider_config p = priced(r);
		struct result result = { .usage = { r->in, r->out, r->read, r->write, r->hour,
						    r->reasoning } };

		if (r->raw) {
			result.usage = usage_read(r);
			if (result.usage.input_tokens != r->in ||
			    result.usage.output_tokens != r->out ||
			    result.usage.cache_read != r->read ||
			    result.usage.cache_write != r->write ||
			    result.usage.cache_write_1h != r->hour ||
			    result.usage.reasoning_tokens != r->reasoning)
				fail_msg("%s %s: another usage", r->type, r->model);
			with_raw++;
		}
		cost_of_plain(&p, &result, &arena);
		cost_is(&result.usage, r->cost, r->model);
	}
	assert_true(with_raw >= 10);
}

static void test_the_price_that_fits_best_counts(void **state)
{
	static const struct price all[] = {
		{ B("*"), B("*"), { { { 1 } } } },
		{ B("*"), B("gpt-4o"), { { { 2 } } } },
		{ B("openai"), B("gpt-*"), { { { 3 } } } },
		{ B("openai"), B("gpt-4o-2*"), { { { 4 } } } },
		{ B("openai"), B("gpt-4o-20*6"), { { { 5 } } } },
		{ B("openai"), B("gpt-4o-2024"), { { { 6 } } } },
		{ B("openai"), B("a*b*c"), { { { 7 } } } },
	};
	static const struct {
		const char *type, *model;
		int64_t want;
	} asked[] = {
		{ "groq", "x", 1 },
		{ "groq", "gpt-4o", 2 },
		{ "openai", "gpt-4o", 3 },
		{ "openai", "gpt-4o-2", 4 },
		{ "openai", "gpt-4o-2024-08-06", 5 },
		{ "openai", "gpt-4o-2024", 6 },
		{ "openai", "abc", 7 },
		{ "openai", "aXbbYc", 7 },
		{ "openai", "abcd", 1 },
		{ "openai", "GPT-4o", 1 },
	};
	struct price_list list = { .at = (struct price *)(uintptr_t)all, .len = COUNT(all) };

	(void)state;
	for (size_t i = 0; i < COUNT(asked); i++) {
		const struct price *p =
			price_find(&list, bytes_of(asked[i].type), bytes_of(asked[i].model));

		assert_non_null(p);
		if (p->usual.at[0].digits != asked[i].want)
			fail_msg("%s: price %lld", asked[i].model,
				 (long long)p->usual.at[0].digits);
	}
	list.len = 0;
	assert_null(price_find(&list, B("openai"), B("gpt-4o")));
}

/* ---- pointers ---- */

static struct config *pointed; /* models.m.providers.p of the last pointers() */

static const struct provider_config *pointers(const char *cost)
{
	static const char toml[] =
		"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = \"gpt-4o\"\napi_key_location = \"none\"\ncost = [%s]\n[store]\nprices = \"examples/prices.toml\"\n";
	char text[2048];

	snprintf(text, sizeof(text), toml, cost);
	config_unref(pointed);
	pointed = load(text);
	return pointed->models[0]->routing[0];
}

static void plain_costs(const char *cost, const char *body, const char *want)
{
	struct result result = { .raw_response = bytes_of(body) };

	usage_init(&result.usage);
	cost_of_plain(pointers(cost), &result, &arena);
	cost_is(&result.usage, want, body);
}

static void test_pointers_into_a_plain_answer(void **state)
{
	(void)state;
	/* pointers go before the list, which has this model */
	plain_costs("{pointer=\"/u/n\",cost_per_unit=2}", "{\"u\":{\"n\":3}}", "6.0");
	plain_costs("{pointer=\"/u/n\",cost_per_million=2}", " {\"u\" : {\"n\" : 3 }}", "6e-6");
	plain_costs("{pointer=\"/a/1/n\",cost_per_unit=1}", "{\"a\":[{\"n\":1},{\"n\":2}]}", "2.0");
	plain_costs("{pointer=\"/a/01/n\",cost_per_unit=1}", "{\"a\":[{\"n\":1},{\"n\":2}]}",
		    "0.0");
	plain_costs("{pointer=\"/a/2/n\",cost_per_unit=1}", "{\"a\":[{\"n\":1},{\"n\":2}]}", "0.0");
	plain_costs("{pointer=\"/a~1b/c~0d/\",cost_per_unit=1}", "{\"a/b\":{\"c~d\":{\"\":4}}}",
		    "4.0");
	plain_costs("{pointer=\"/n\",cost_per_unit=1}", "{\"n\":1,\"n\":5}", "5.0");
	plain_costs("{pointer=\"/caf\xc3\xa9\",cost_per_unit=1}", "{\"caf\\u00e9\":5}", "5.0");
	plain_costs("{pointer=\"\",cost_per_unit=2}", " 7", "14.0");
	plain_costs("{pointer=\"/n/x\",cost_per_unit=1,required=true}", "{\"n\":\"x\"}", "null");
	plain_costs("{pointer=\"/n\",cost_per_unit=1}", "{\"n\":\"1e1\"}", "10.0");
	plain_costs("{pointer=\"/n\",cost_per_unit=1}", "{\"n\":\"\\u0031\"}", "null");
	plain_costs("{pointer=\"/n\",cost_per_unit=1},{pointer=\"/m\",cost_per_unit=-1}",
		    "{\"n\":1,\"m\":1}", "0.0");
	plain_costs("{pointer=\"/n\",cost_per_unit=1},{pointer=\"/m\",cost_per_unit=-1}",
		    "{\"n\":1,\"m\":2}", "null");
	plain_costs("{pointer=\"/n\",cost_per_unit=1}", "", "0.0");
	plain_costs("{pointer=\"/n\",cost_per_unit=1,required=true}", "{\"n", "null");
	plain_costs("", "{}", "0.0");
}

/* Events ends with NULL. */
static void stream_costs(const char *cost, const char *const *events, bool whole, const char *want)
{
	const struct provider_config *p = pointers(cost);
	struct result result = { 0 };
	struct cost_meter meter;

	assert_int_equal(cost_meter_init(&meter, p, &arena), 0);
	for (; *events; events++) {
		struct delta d = { .raw = bytes_of(*events) };

		cost_meter_add(&meter, p, &d);
	}
	cost_of_stream(p, &meter, whole, &result);
	cost_is(&result.usage, want, cost);
}

#define EVENTS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ANTHROPIC                                                                                                           \
	"{pointer_nonstreaming=\"/usage/input_tokens\",pointer_streaming=\"/message/usage/input_tokens\",cost_per_unit=3}," \
	"{pointer=\"/usage/output_tokens\",cost_per_unit=15}"

static void test_pointers_into_a_stream(void **state)
{
	(void)state;
	stream_costs(ANTHROPIC,
		     EVENTS("{\"message\":{\"usage\":{\"input_tokens\":2,\"output_tokens\":1}}}",
			    "{\"usage\":{\"output_tokens\":1}}",
			    "{\"usage\":{\"output_tokens\":3}}"),
		     true, "51.0");
	/* the largest counts, not the last */
	stream_costs("{pointer=\"/n\",cost_per_unit=1}", EVENTS("{\"n\":5}", "{\"n\":2}", "{}"),
		     true, "5.0");
	stream_costs("{pointer=\"/n\",cost_per_unit=-1},{pointer=\"/m\",cost_per_unit=1}",
		     EVENTS("{\"n\":1,\"m\":9}", "{\"n\":3,\"m\":8}"), true, "6.0");
	stream_costs("{pointer=\"/a/0\",cost_per_unit=1}", EVENTS("{\"a\":[4]}"), true, "4.0");
	/* one that is no number spoils it, wherever it stands */
	stream_costs("{pointer=\"/n\",cost_per_unit=1}", EVENTS("{\"n\":null}", "{\"n\":2}"), true,
		     "null");
	stream_costs("{pointer=\"/n\",cost_per_unit=1}", EVENTS("{\"n\":2}", "{\"n\":{}}"), true,
		     "null");
	stream_costs("{pointer=\"/n\",cost_per_unit=1}",
		     EVENTS("[1]", "no JSON \"n\"", "{\"n\":2}"), true, "2.0");
	/* a stream that broke: what was seen, or nobody knows */
	stream_costs(ANTHROPIC, EVENTS("{\"message\":{\"usage\":{\"input_tokens\":2}}}"), false,
		     "6.0");
	stream_costs("{pointer=\"/n\",cost_per_unit=1}", EVENTS("{}"), false, "null");
	stream_costs("{pointer=\"/n\",cost_per_unit=1}", EVENTS("{}"), true, "0.0");
	stream_costs("{pointer=\"/n\",cost_per_unit=1,required=true}", EVENTS("{}"), true, "null");
	config_unref(pointed);
	pointed = NULL;
}

static void test_an_event_of_a_kind_that_was_seen_is_not_read_again(void **state)
{
	const struct provider_config *p = pointers("{pointer=\"/n\",cost_per_unit=1}");
	struct bytes alike = B("of one address");
	struct delta first = { .raw = B("{\"n\":1}"), .alike = alike },
		     second = { .raw = B("{\"n\":2}"), .alike = alike };
	struct result result = { 0 };
	struct cost_meter meter;

	(void)state;
	assert_int_equal(cost_meter_init(&meter, p, &arena), 0);
	cost_meter_add(&meter, p, &first);
	cost_meter_add(&meter, p, &second);
	cost_of_stream(p, &meter, true, &result);
	cost_is(&result.usage, "1.0", "alike");
	config_unref(pointed);
	pointed = NULL;
}

static void test_several_calls_cost_their_sum_or_nobody_knows(void **state)
{
	struct result calls[3] = { 0 }, others[3], joined;

	(void)state;
	for (int i = 0; i < 3; i++) {
		usage_init(&calls[i].usage);
		calls[i].usage.cost = money_nothing();
		money_add_product(&calls[i].usage.cost, (struct decimal){ 1, 1 },
				  (struct decimal){ 1, 0 });
	}
	fan_combine(calls, 3, others, &joined);
	cost_is(&joined.usage, "0.3", "three");
	calls[1].usage.cost = (struct money){ 0 };
	fan_combine(calls, 3, others, &joined);
	cost_is(&joined.usage, "null", "two of three");
}

static void test_what_has_no_price_is_called_unless_that_is_refused(void **state)
{
	struct model_config model = { .name = B("m") };
	struct provider_config p = { .name = B("p"), .model = &model, .model_name = B("x") };
	static const struct price price;
	struct config c = { .unpriced = UNPRICED_REFUSE };

	(void)state;
	assert_int_equal(prices->unpriced, UNPRICED_WARN); /* the default */
	assert_int_equal(cost_admit(&c, &p), -1);
	assert_int_equal(error_last()->kind, ERR_CONFIG);
	p.price = &price;
	assert_int_equal(cost_admit(&c, &p), 0);
	p.price = NULL;
	p.cost.set = true;
	assert_int_equal(cost_admit(&c, &p), 0);
	p.cost.set = false;
	c.unpriced = UNPRICED_WARN;
	assert_int_equal(cost_admit(&c, &p), 0);
	c.unpriced = UNPRICED_IGNORE;
	assert_int_equal(cost_admit(&c, &p), 0);
}

/* ---- the record ---- */

static void test_the_price_in_the_record(void **state)
{
	struct provider_config p = { .type = B("anthropic"), .model_name = B("claude-sonnet-4-5") };
	struct usage u = { .input_tokens = 200000 };
	struct buf out;
	struct pen pen = { .b = &out };

	(void)state;
	buf_init(&out, 1024);
	provider_price(prices, &p);
	cost_put_price(&pen, prices, &p, &u);
	assert_bytes(
		buf_bytes(&out),
		"{\"from\":\"prices\",\"date\":\"2025-11-30\",\"match\":\"claude-sonnet-4-5*\",\"input\":3.0,\"output\":15.0,\"cache_read\":0.3,\"cache_write\":3.75,\"cache_write_1h\":6.0,\"reasoning\":15.0}");
	buf_reset(&out);
	u.input_tokens++; /* a long prompt */
	cost_put_price(&pen, prices, &p, &u);
	assert_bytes(
		buf_bytes(&out),
		"{\"from\":\"prices\",\"date\":\"2025-11-30\",\"match\":\"claude-sonnet-4-5*\",\"input\":6.0,\"output\":22.5,\"cache_read\":0.6,\"cache_write\":7.5,\"cache_write_1h\":12.0,\"reasoning\":22.5}");
	buf_reset(&out);
	p.price = NULL;
	cost_put_price(&pen, prices, &p, &u);
	assert_bytes(buf_bytes(&out), "null");
	buf_reset(&out);
	cost_put_price(&pen, prices, pointers(""), &u);
	assert_bytes(buf_bytes(&out), "{\"from\":\"cost\"}");
	buf_deinit(&out);
	config_unref(pointed);
	pointed = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_usage_ours_and_the_bill),
		cmocka_unit_test(test_the_price_that_fits_best_counts),
		cmocka_unit_test(test_pointers_into_a_plain_answer),
		cmocka_unit_test(test_pointers_into_a_stream),
		cmocka_unit_test(test_an_event_of_a_kind_that_was_seen_is_not_read_again),
		cmocka_unit_test(test_several_calls_cost_their_sum_or_nobody_knows),
		cmocka_unit_test(test_what_has_no_price_is_called_unless_that_is_refused),
		cmocka_unit_test(test_the_price_in_the_record),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
