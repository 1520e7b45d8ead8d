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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_whole),
		cmocka_unit_test(test_no_name_means_two),
		cmocka_unit_test(test_what_is_not_built_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
