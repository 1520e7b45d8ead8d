/* The list of provider types: every row is whole, no name means two, and what is not built is told so. */
#include <stdio.h>

#include "unit.h"

#include "base/error.h"
#include "config/shorthand.h"
#include "upstream/provider_type.h"

static const struct provider_type *built(size_t i)
{
	return (const struct provider_type *)provider_entries[i].kind;
}

static void test_every_row_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_type *t = built(i);

		if (!t) {
			assert_non_null(provider_entries[i].name);
			continue;
		}
		assert_true(t->kind.name.n && t->kind.label && t->kind.keys && t->kind.check);
		assert_true(t->kind.nkeys < 48); /* the common ones stand behind them */
		assert_true(!t->kind.key_variable == !t->kind.key_forms);
		assert_true(!t->kind.protocol == !t->signed_content);
		assert_true(!provider_entries[i].settings || t->kind.key_variable);
		assert_true(t->wire && t->wire->write_request && t->wire->read_result);
		assert_true(t->wire->stream_new && t->wire->read_event && t->wire->read_end);
		assert_true(t->headers && t->client_statuses && t->status_text && t->read_error);
		assert_true(t->request_id_header.n && t->words.send.n);
		assert_true(t->words.send_kind == ERR_INFERENCE_CLIENT ||
			    t->words.send_kind == ERR_INFERENCE_SERVER);
		assert_true(!t->takes_url || t->takes_files);
	}
}

static struct bytes name_of(const struct provider_entry *e)
{
	return e->kind ? e->kind->name : bytes_of(e->name);
}

static void test_no_name_means_two(void **state)
{
	unsigned places = 0, count = 0;

	(void)state;
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_entry *e = &provider_entries[i];

		for (size_t j = 0; j < provider_nentries; j++) {
			const struct provider_kind *other = provider_entries[j].kind;

			assert_true(i == j || !bytes_eq(name_of(e), name_of(&provider_entries[j])));
			assert_true(!other || !other->alias.n ||
				    !bytes_eq(name_of(e), other->alias));
		}
		if (e->settings) {
			assert_false(places & 1u << e->settings);
			places |= 1u << e->settings;
			count++;
		}
	}
	assert_int_equal(places, (1u << (count + 1)) - 2); /* from 1 on, without a gap */
}

static void test_what_is_not_built_is_told_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < provider_nentries; i++) {
		struct bytes name = name_of(&provider_entries[i]);
		struct config_options options = { .offline = true };
		struct config_issues issues;
		struct config *c;
		char toml[256], want[128];

		snprintf(toml, sizeof toml,
			 "[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"%.*s\"\n",
			 BFMT(name));
		options.text = bytes_of(toml);
		c = config_load(&options, &issues); /* all of them have keys that must be there */
		assert_null(c);
		snprintf(want, sizeof want, "does not support `type = \"%.*s\"` yet", BFMT(name));
		assert_int_equal(bytes_find(issues.at[0].text, bytes_of(want)) > 0,
				 !provider_entries[i].kind);
		config_issues_deinit(&issues);
		snprintf(want, sizeof want, "%.*s::x", BFMT(name));
		assert_int_equal(shorthand_is_reserved(bytes_of(want)),
				 provider_entries[i].shorthand);
	}
}

static const struct provider_type *type_named(struct bytes name)
{
	for (size_t i = 0; i < provider_nentries; i++)
		if (built(i) && bytes_eq(built(i)->kind.name, name))
			return built(i);
	return NULL;
}

static void expect_text(const char *type, int status, const char *body, const char *id, bool stream,
			const char *want)
{
	struct arena a;
	struct bytes got;

	arena_init(&a, 1 << 20);
	got = type_named(bytes_of(type))
		      ->status_text(status, B("Reason"), bytes_of(body), bytes_of(id), stream, &a);
	if (!bytes_eq(got, bytes_of(want)))
		fail_msg("got %.*s, want %s", BFMT(got), want);
	arena_deinit(&a);
}

static bool is_the_requests_fault(const char *type, int status)
{
	for (const int *s = type_named(bytes_of(type))->client_statuses; *s; s++)
		if (*s == status)
			return true;
	return false;
}

static void test_words_and_statuses_of_each_type(void **state)
{
	static const int of_openai[] = { 400, 401, 403, 429 };
	static const int of_rust_proxy[] = { 400, 401, 403, 404, 413, 422, 429 };
	char body[5000], want[5000];

	(void)state;
	expect_text("openai", 400, "{\"a\":1}", NULL, false, "{\"a\":1}");
	expect_text("openai", 400, "{\"a\":1}", "up-1", false, "{\"a\":1} [request_id: up-1]");
	expect_text("openai", 503, "busy", NULL, true, "Invalid status code: 503 Reason: busy");
	expect_text("openai", 503, "busy", "up-1", true,
		    "Invalid status code: 503 Reason: busy [request_id: up-1]");
	expect_text("rust-proxy", 500, "body", "up-1", true, "Dev API Error (500): body");
	expect_text("rust-proxy", 404, "", NULL, false, "Dev API Error (404): ");
	memset(body, 'x', sizeof body - 1);
	body[sizeof body - 1] = 0;
	snprintf(want, sizeof want, "Dev API Error (500): %.*s", 4096, body);
	expect_text("rust-proxy", 500, body, NULL, false, want);
	for (int status = 300, i = 0, j = 0; status < 600; status++) {
		bool openai = i < 4 && of_openai[i] == status;
		bool rust_proxy = j < 7 && of_rust_proxy[j] == status;

		assert_int_equal(is_the_requests_fault("openai", status), openai);
		assert_int_equal(is_the_requests_fault("rust-proxy", status), rust_proxy);
		i += openai;
		j += rust_proxy;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_whole),
		cmocka_unit_test(test_no_name_means_two),
		cmocka_unit_test(test_what_is_not_built_is_told_so),
		cmocka_unit_test(test_words_and_statuses_of_each_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
