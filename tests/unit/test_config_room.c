/*
 * A configuration with too little memory, at every place in turn: a comment of growing length in front moves the bounds of
 * the arena's chunks, one of which then fails. Whatever fails: an issue that says so, or the same configuration.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "config/config.h"
#include "config/shorthand.h"
#include "sign/signer.h"

#ifdef SIGNET_FAULTS

#define MODEL(name)                                                                                             \
	"[models." name "]\nrouting = [\"p\", \"q\"]\ntimeouts = { non_streaming.total_ms = 5 }\n"              \
	"[models." name                                                                                         \
	".providers.p]\ntype = \"openai\"\nmodel_name = \"x\"\napi_base = \"http://h/v1\"\n"                    \
	"api_key_location = { default = \"dynamic::k\", fallback = \"none\" }\ndrop_fields = [\"a\", \"b\"]\n"  \
	"content_type_overrides = { \"image/png\" = \"file\" }\n"                                               \
	"extra_body = [{ pointer = \"/a\", value = [1, { b = 2.50 }] }, { pointer = \"/c\", delete = true }]\n" \
	"extra_headers = [{ name = \"x-a\", value = \"1\" }]\n"                                                 \
	"signer = { path = \"s.wasm\", inputs = [\"nonce\", \"timestamp\", \"\", \"body\"] }\n"                 \
	"[models." name                                                                                         \
	".providers.q]\ntype = \"rust-proxy\"\nmodel_name = \"y\"\nsession_id = \"s\"\n"                        \
	"device_id = \"d\"\nos_type = \"1\"\napi_endpoint = \"http://h/stream/chat\"\n"                         \
	"model_filter = { include_types = [\"base\"] }\n"

static const char good[] = MODEL("m") MODEL(
	"n") "[gateway]\nbase_path = \"/llm/\"\nmetrics.tensorzero_inference_latency_overhead_seconds_buckets = [0.5, 1]\n"
	     "[surfaces]\nlist = [\"models\"]\naliases.fast = { target = \"m\", display_name = \"F\" }\naliases.\"c-*\" = \"n\"\n"
	     "[object_storage]\ntype = \"disabled\"\n";

/* With a warning, and what is wrong in many ways: each line needs memory, too. */
static const char wrong[] =
	"[gateway]\nbindaddress = \"x\"\nbase_path = \"x\"\n[server]\nworkers = 0\non_disconnect = \"stay\"\n"
	"[models.m]\nrouting = [\"q\"]\n[models.m.providers.p]\ntype = \"opnai\"\n[surfaces.aliases]\n\"a*b\" = \"m\"\n";

static struct config_issues issues;
static char text[16384];

static struct config *load(const char *toml, size_t pad, const char *spec)
{
	struct config_options options = { .text = bytes_of(text), .offline = true };
	struct config *c;

	text[0] = '#';
	memset(text + 1, 'x', pad);
	snprintf(text + 1 + pad, sizeof text - 1 - pad, "\n%s", toml);
	options.text = bytes_of(text);
	fault_setup(spec);
	c = config_load(&options, &issues);
	fault_setup(NULL);
	return c;
}

static void drop(struct config *c)
{
	config_unref(c);
	config_issues_deinit(&issues);
}

static void print(const struct config *c, struct buf *out)
{
	buf_printf(out, "%s %.*s %zu %g %u %zu\n%.*s\n", c->hash, BFMT(c->gateway.base_path),
		   c->gateway.noverhead_buckets, c->gateway.overhead_buckets[1], c->surfaces.list,
		   c->surfaces.naliases, BFMT(c->snapshot));
	for (size_t i = 0; i < c->surfaces.naliases; i++)
		buf_printf(out, "%.*s=%.*s ", BFMT(c->surfaces.aliases[i].name),
			   BFMT(c->surfaces.aliases[i].target));
	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t j = 0; j < c->models[i]->nrouting; j++) {
			const struct provider_config *p = c->models[i]->routing[j];

			buf_printf(out, "\n%.*s %.*s %.*s %.*s %.*s %d %zu %zu %zu",
				   BFMT(c->models[i]->name), BFMT(p->name), BFMT(p->type),
				   BFMT(p->model_name), BFMT(p->endpoint), (int)p->api_key.kind,
				   p->extra_body.len, p->extra_headers.len, p->drop_fields.len);
			for (size_t k = 0; k < p->extra_body.len; k++)
				buf_printf(out, " %.*s:%.*s:%d", BFMT(p->extra_body.at[k].pointer),
					   BFMT(p->extra_body.at[k].value),
					   p->extra_body.at[k].remove);
			for (size_t k = 0; k < p->drop_fields.len; k++)
				buf_printf(out, " %.*s", BFMT(p->drop_fields.at[k]));
			if (p->api_key.kind == CREDENTIAL_FALLBACK)
				buf_printf(out, " %.*s %d", BFMT(p->api_key.first->key),
					   (int)p->api_key.second->kind);
			buf_printf(out, " %.*s %.*s %.*s", BFMT(p->signer.path),
				   BFMT(p->signer.inputs[3]), BFMT(p->signer.header));
		}
}

static void test_a_good_one(void **state)
{
	struct buf whole, got;
	unsigned refused = 0, same = 0;
	struct config *c = load(good, 0, NULL);

	(void)state;
	for (size_t i = 0; !c && i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	assert_non_null(c);
	buf_init(&whole, 1 << 16);
	buf_init(&got, 1 << 16);
	print(c, &whole);
	drop(c);
	for (size_t pad = 0; pad < 4096; pad += 48)
		for (int n = 1, clean = 0; clean < 2; n++) {
			char spec[32];

			snprintf(spec, sizeof spec, "alloc:%d", n);
			c = load(good, pad, spec);
			if (c) {
				buf_reset(&got);
				print(c, &got);
				if (!bytes_eq(buf_bytes(&got), buf_bytes(&whole)))
					fail_msg("%s behind %zu:\n%.*s\nwant\n%.*s", spec, pad,
						 BFMT(buf_bytes(&got)), BFMT(buf_bytes(&whole)));
				same++;
				clean++;
			} else {
				bool said = false;

				for (size_t i = 0; i < issues.len; i++)
					said |= !issues.at[i].warning &&
						bytes_find(issues.at[i].text, B("memory")) >= 0;
				if (!said)
					fail_msg("%s behind %zu: %zu issues, the last one %.*s",
						 spec, pad, issues.len,
						 BFMT(issues.at[issues.len - 1].text));
				refused++;
				clean = 0;
			}
			drop(c);
		}
	assert_true(refused > 100 && same > 100);
	buf_deinit(&whole);
	buf_deinit(&got);
}

static void test_a_wrong_one_is_never_taken(void **state)
{
	(void)state;
	for (size_t pad = 0; pad < 4096; pad += 112)
		for (int n = 1; n < 12; n++) {
			char spec[32];

			snprintf(spec, sizeof spec, "alloc:%d", n);
			assert_null(load(wrong, pad, spec));
			assert_true(issues.len > 0);
			drop(NULL);
		}
}

static void test_a_shorthand_is_whole_or_an_error(void **state)
{
	struct config *c;
	unsigned failed = 0;

	(void)state;
	setenv("OPENAI_API_KEY", "secret", 1);
	c = load("", 0, NULL);
	assert_non_null(c);
	for (size_t taken = 0; taken < 4096; taken += 64)
		for (int n = 1; n < 5; n++) {
			struct shorthands *s = shorthands_new(c);
			struct model_config *m;
			struct arena a;
			char spec[32];

			arena_init(&a, 1 << 20);
			if (taken)
				assert_non_null(arena_alloc_raw(&a, taken));
			snprintf(spec, sizeof spec, "alloc:%d", n);
			fault_setup(spec);
			error_clear();
			m = shorthand_model(s, B("openai::gpt-x"), &a);
			fault_setup(NULL);
			if (m) {
				const struct provider_config *p = m->routing[0];

				assert_int_equal(m->nrouting, 1);
				assert_true(bytes_eq(m->name, B("openai::gpt-x")));
				assert_true(bytes_eq(p->model_name, B("gpt-x")));
				assert_true(bytes_eq(p->type, B("openai")));
				assert_true(
					bytes_eq(p->endpoint,
						 B("https://api.openai.com/v1/chat/completions")));
				assert_true(bytes_eq(p->api_key.value, B("secret")));
			} else {
				assert_int_equal(error_last()->kind, ERR_OUT_OF_MEMORY);
				failed++;
			}
			arena_deinit(&a);
			shorthands_free(s);
		}
	assert_true(failed > 5);
	drop(c);
	unsetenv("OPENAI_API_KEY");
}
#endif

static int fresh_environment(void **state)
{
	(void)state;
	clearenv();
	return setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1);
}

int main(void)
{
#ifdef SIGNET_FAULTS
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_one),
		cmocka_unit_test(test_a_wrong_one_is_never_taken),
		cmocka_unit_test(test_a_shorthand_is_whole_or_an_error),
	};
	int failed;

	if (signing_init())
		return 1;
	failed = cmocka_run_group_tests(tests, fresh_environment, NULL);
	signing_deinit();
	return failed;
#else
	(void)fresh_environment;
	return 0; /* a release build injects nothing */
#endif
}
