/*
 * Signers: what they are, what they did since the start, and a signature for a test. That one is made for whatever the
 * administrator types, so it could stand in for a device: the configured device id is never used, each is logged, and
 * there are few a minute.
 */
#include "api/internal.h"

#include <stdlib.h>
#include <time.h>

#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "sign/signer.h"

#define INSPECT_MAX   (1u << 20)
#define TESTS_PER_MIN 10
#define REPEAT_MAX    1000
#define CONTENT_MAX   (1u << 20)
#define TEST_DEVICE   "signet-test"

/* ---- what they are ---- */

struct inspection {
	const struct provider_config *provider;
	struct buf text; /* of signer_inspect() */
};

static void inspect(void *arg)
{
	struct inspection *in = arg;
	char *path = strndup(in->provider->signer.path.p, in->provider->signer.path.n);

	if (path && signer_inspect(path, &in->text))
		buf_reset(&in->text);
	free(path);
}

/* The lines of a section of signer_inspect()'s text: "imports  a: function ...", and those below that are indented. */
static void put_section(struct pen *p, struct bytes key, struct bytes text, struct bytes name)
{
	bool inside = false;

	pen_member(p, key);
	pen_open(p, '[');
	while (text.n) {
		struct bytes line = bytes_cut(&text, '\n');

		if (!bytes_starts(line, B(" ")))
			inside = bytes_starts(line, name);
		line = bytes_trim(bytes_slice(line, 9, line.n));
		if (!inside || !line.n || bytes_eq(line, B("none")))
			continue;
		pen_item(p);
		pen_string(p, line);
	}
	pen_close(p, ']');
}

static void put_text_or_null(struct pen *p, struct bytes key, struct bytes value)
{
	pen_member(p, key);
	pen_string_or_null(p, value);
}

static void put_times(struct pen *p, const struct signer_times *t)
{
	pen_key(p, "us");
	if (t->n)
		pen_printf(p, "{\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"max\":%" PRIu64 "}",
			   t->p50, t->p99, t->max);
	else
		pen_lit(p, "{\"p50\":null,\"p99\":null,\"max\":null}");
	pen_key(p, "by_size");
	pen_open(p, '[');
	for (size_t i = 0; i < SIGNER_SIZES; i++) {
		pen_item(p);
		pen_lit(p, "{\"le\":");
		if (t->by_size[i].up_to == SIZE_MAX)
			pen_lit(p, "null");
		else
			pen_u64(p, t->by_size[i].up_to);
		pen_printf(p, ",\"n\":%" PRIu64 ",\"us50\":", t->by_size[i].n);
		if (t->by_size[i].n)
			pen_u64(p, t->by_size[i].p50);
		else
			pen_lit(p, "null");
		pen_lit(p, "}");
	}
	pen_close(p, ']');
}

static void put_signer(struct pen *p, const struct provider_config *provider)
{
	const struct signer_config *c = &provider->signer;
	struct inspection in = { .provider = provider };
	struct signer_counts n = signer_counts(c->signer);
	struct signer_times t;

	buf_init(&in.text, INSPECT_MAX);
	if (offload(inspect, &in))
		buf_reset(&in.text);
	signer_times(c->signer, &t);
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "id", signer_id(c->signer));
	pen_text(p, "kind", B("wasm"));
	put_text_or_null(p, B(",\"path\":"), c->path);
	pen_number(p, "bytes", signer_bytes(c->signer));
	pen_text(p, "sha256", signer_sha256(c->signer));
	pen_key(p, "pinned");
	pen_bytes(p, bytes_set(c->sha256) ? B("true") : B("false"));
	pen_text(p, "abi", signer_abi(c->signer));
	put_text_or_null(p, B(",\"abi_why\":"), (struct bytes){ 0 });
	put_section(p, B(",\"exports\":"), buf_bytes(&in.text), B("exports"));
	put_section(p, B(",\"imports\":"), buf_bytes(&in.text), B("imports"));
	pen_number(p, "pages", n.memory / 65536);
	pen_number(p, "limit_mb", c->memory_mb);
	pen_number(p, "timeout_ms", c->timeout_ms);
	pen_number(p, "calls", n.calls);
	pen_number(p, "traps", t.traps);
	pen_number(p, "timeouts", t.timeouts);
	pen_printf(p,
		   ",\"pool\":{\"size\":%u,\"busy\":%" PRIu64 ",\"made\":%" PRIu64
		   ",\"discarded\":%" PRIu64 "}",
		   c->pool, t.running, n.made, n.failures);
	put_times(p, &t);
	put_text_or_null(p, B(",\"last_error\":"),
			 *t.last_error ? bytes_of(t.last_error) : (struct bytes){ 0 });
	pen_close(p, '}');
	buf_deinit(&in.text);
}

static void get_signers(struct exchange *ex, const struct bytes *params)
{
	const struct config *c = api_config(ex);
	struct reply reply;

	(void)params;
	reply_begin(&reply, ex);
	pen_key(&reply.pen, "signers");
	pen_open(&reply.pen, '[');
	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t k = 0; k < c->models[i]->nrouting; k++)
			if (c->models[i]->routing[k]->signer.signer)
				put_signer(&reply.pen, c->models[i]->routing[k]);
	pen_close(&reply.pen, ']');
	reply_end(&reply, 0);
}

/* ---- a test ---- */

struct sign_test {
	const struct signer_config *signer;
	struct bytes content, device_id, nonce, timestamp;
	uint64_t repeat, *us;
	struct signature first;
};

static const struct provider_config *signer_named(const struct config *c, struct bytes id)
{
	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t k = 0; k < c->models[i]->nrouting; k++) {
			const struct provider_config *p = c->models[i]->routing[k];

			if (p->signer.signer && bytes_eq(signer_id(p->signer.signer), id))
				return p;
		}
	return NULL;
}

/* Of the process. */
static bool test_is_allowed(void)
{
	static atomic_uint_fast64_t minute, tests;
	uint64_t now = clock_mono_ms() / 60000;

	if (atomic_exchange(&minute, now) != now)
		atomic_store(&tests, 0);
	return atomic_fetch_add(&tests, 1) < TESTS_PER_MIN;
}

static struct bytes member(yyjson_val *body, const char *name, struct bytes missing)
{
	struct bytes text = json_str(json_get(body, name));

	return bytes_set(text) ? text : missing;
}

static int read_test(struct exchange *ex, struct sign_test *t)
{
	struct bytes text, now;
	char nonce[UUID_TEXT + 1];
	yyjson_val *body;

	if (exchange_body(ex, &text))
		return -1;
	body = json_parse(text, ex->arena);
	if (!body)
		return -1;
	now = arena_printf(ex->arena, "%lld", (long long)time(NULL));
	t->content = json_str(json_get(body, "content"));
	if (!bytes_set(t->content) || t->content.n > CONTENT_MAX)
		return fail(ERR_INVALID_REQUEST, "content: wanted is a text of at most %u bytes",
			    CONTENT_MAX);
	t->device_id = member(body, "device_id", B(TEST_DEVICE));
	t->nonce = member(body, "nonce", arena_dup(ex->arena, uuid_text(uuid_v4(), nonce)));
	t->timestamp = member(body, "timestamp", now);
	t->repeat = 1;
	if (json_get(body, "repeat") && (!json_u64(json_get(body, "repeat"), &t->repeat) ||
					 t->repeat < 1 || t->repeat > REPEAT_MAX))
		return fail(ERR_INVALID_REQUEST, "repeat: wanted is a number from 1 to %d",
			    REPEAT_MAX);
	t->us = arena_array(ex->arena, uint64_t, t->repeat);
	return t->us ? 0 : -1;
}

static struct bytes input_of(const struct sign_test *t, struct bytes name)
{
	if (bytes_eq(name, B("nonce")))
		return t->nonce;
	if (bytes_eq(name, B("timestamp")))
		return t->timestamp;
	if (bytes_eq(name, B("device_id")))
		return t->device_id;
	if (bytes_eq(name, B("method")))
		return B("POST");
	if (!name.n || bytes_eq(name, B("url")) || bytes_eq(name, B("path")))
		return B("");
	return t->content; /* the body, or what the protocol makes of it */
}

static int by_number(const void *x, const void *y)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;

	return a < b ? -1 : a > b;
}

static int run_test(struct sign_test *t, struct arena *a)
{
	struct bytes args[SIGNER_INPUTS];
	uint64_t first;

	for (int i = 0; i < SIGNER_INPUTS; i++)
		args[i] = input_of(t, t->signer->inputs[i]);
	for (uint64_t i = 0; i < t->repeat; i++) {
		struct signature s;

		if (signer_sign(t->signer->signer, args, a, &s))
			return -1;
		if (!i)
			t->first = s;
		t->us[i] = s.us;
		fiber_yield();
	}
	first = t->us[0];
	qsort(t->us, t->repeat, sizeof(*t->us), by_number);
	t->first.us = first;
	return 0;
}

static void put_header(struct pen *p, struct bytes name, struct bytes value)
{
	if (!name.n)
		return;
	pen_item(p);
	pen_string(p, name);
	pen_lit(p, ":");
	pen_string(p, value);
}

static void put_test(struct pen *p, const struct sign_test *t)
{
	pen_key(p, "headers");
	pen_open(p, '{');
	put_header(p, t->signer->nonce_header, t->nonce);
	put_header(p, t->signer->timestamp_header, t->timestamp);
	put_header(p, t->signer->device_id_header, t->device_id);
	put_header(p, t->signer->header, t->first.text);
	pen_close(p, '}');
	pen_printf(p, ",\"us\":{\"first\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 "}",
		   t->first.us, t->us[t->repeat / 2], t->us[(t->repeat - 1) * 99 / 100]);
	pen_number(p, "pages", signer_counts(t->signer->signer).memory / 65536);
}

static void test_signer(struct exchange *ex, const struct bytes *params)
{
	const struct provider_config *provider = signer_named(api_config(ex), params[0]);
	struct sign_test t = { 0 };
	struct reply reply;
	int bad;

	if (!provider) {
		fail(ERR_NOT_FOUND, "%.*s is no signer (GET /internal/signet/signers lists them)",
		     BFMT(bytes_head(params[0], 200)));
		reply_error(ex, 404);
		return;
	}
	if (!test_is_allowed()) {
		fail(ERR_BUSY, "At most %d test signatures a minute", TESTS_PER_MIN);
		exchange_header(ex, B("retry-after"), B("60"));
		reply_error(ex, 429);
		return;
	}
	t.signer = &provider->signer;
	bad = read_test(ex, &t) || run_test(&t, ex->arena);
	if (!bad)
		log_info("api", "a signature was made for a test",
			 LB("request_id", api_request_id(ex)), LB("signer", params[0]));
	reply_begin(&reply, ex);
	if (!bad)
		put_test(&reply.pen, &t);
	reply_end(&reply, bad);
}

const struct internal_route internal_signer_routes[] = {
	{ "GET", "/internal/signet/signers", ROLE_VIEWER, get_signers },
	{ "POST", "/internal/signet/signers/{id}/test", ROLE_ADMIN, test_signer },
	{ 0 },
};
