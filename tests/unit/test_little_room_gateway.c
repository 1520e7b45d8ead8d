/*
 * The gateway's own writers and readers with too little room (little_room.h): errors as clients get them, edits of
 * bodies and headers, names and addresses, heads of HTTP messages.
 */
#include "little_room.h"

#include "api/errors.h"
#include "config/shorthand.h"
#include "net/http_client.h"
#include "net/http_message.h"
#include "net/proxy.h"
#include "route/model_call.h"
#include "route/target.h"
#include "sign/signer.h"
#include "upstream/extra.h"
#include "wire/openai_chat/openai_chat.h"

static int out_of_room(void)
{
	return fail(ERR_OUT_OF_MEMORY, "out of memory");
}

/* ---- errors ---- */

static struct error leaves[] = {
	{ .kind = ERR_INFERENCE_SERVER,
	  .message = B("Error 500 from \"a\""),
	  .upstream_status = 500,
	  .retry_after_ms = -1 },
	{ .kind = ERR_INFERENCE_CLIENT,
	  .message = B("Error 429 \xc3\xa9"),
	  .upstream_status = 429,
	  .upstream_message = B("slow down"),
	  .provider_type = B("openai"),
	  .request_id = B("up-1"),
	  .param = B("model"),
	  .retry_after_ms = 2500 },
};
static struct bytes leaf_names[] = { B("a\"b"), B("c") };
static struct error_list leaf_list = { .names = leaf_names, .errors = leaves, .len = 2, .cap = 2 };
static struct error providers = { .kind = ERR_ALL_PROVIDERS_FAILED,
				  .message = B("All model providers failed"),
				  .retry_after_ms = -1,
				  .nested = &leaf_list };
static struct bytes variant_names[] = { B("m") };
static struct error_list variant_list = {
	.names = variant_names, .errors = &providers, .len = 1, .cap = 1
};
static const struct error nested = { .kind = ERR_ALL_VARIANTS_FAILED,
				     .message = B("All variants failed: \"m\""),
				     .retry_after_ms = -1,
				     .nested = &variant_list };
static const struct error plain = { .kind = ERR_MODEL_NOT_FOUND,
				    .message = B("The model `x` does not exist."),
				    .param = B("model"),
				    .code = B("model_not_found"),
				    .retry_after_ms = -1 };

static int each_shape(struct bytes input, const struct surface_options *p, struct arena *a,
		      struct buf *out)
{
	static error_writer *const writers[] = { write_native_error, write_openai_error,
						 write_anthropic_error };
	const struct error *e = bytes_eq(input, B("nested")) ? &nested : &plain;
	struct error_context context = { .request_id = B("req_1"), .members = B(",\"more\":[1]") };

	(void)a;
	context.with_json = p == &tensorzero_chat_options;
	for (size_t i = 0; i < sizeof writers / sizeof *writers; i++) {
		if (writers[i](e, 429, &context, out) || buf_putc(out, '\n'))
			return -1;
		context.request_id = context.members = (struct bytes){ NULL, 0 };
	}
	return 0;
}

static void test_each_shape_of_an_error(void **state)
{
	(void)state;
	for (int p = 0; p < 2; p++) {
		whole_or_an_error(&(struct work){
			each_shape, p ? &openai_chat_options : &tensorzero_chat_options,
			"nested" });
		whole_or_an_error(&(struct work){
			each_shape, p ? &openai_chat_options : &tensorzero_chat_options, "plain" });
	}
}

static int print_error_whole(const struct error *e, struct buf *out)
{
	if (buf_printf(out, "%d %.*s|%d|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%lld|%d\n", (int)e->kind,
		       BFMT(e->message), e->upstream_status, BFMT(e->upstream_code),
		       BFMT(e->upstream_message), BFMT(e->upstream_body), BFMT(e->provider_type),
		       BFMT(e->request_id), BFMT(e->param), BFMT(e->code),
		       (long long)e->retry_after_ms, e->fatal))
		return -1;
	for (size_t i = 0; e->nested && i < e->nested->len; i++)
		if (buf_append(out, e->nested->names[i]) ||
		    print_error_whole(&e->nested->errors[i], out))
			return -1;
	return 0;
}

static int for_openai(struct bytes input, const struct surface_options *p, struct arena *a,
		      struct buf *out)
{
	struct error *e;

	(void)input, (void)p;
	e = api_openai_error(&nested, 429, a);
	if (!e || !bytes_set(e->message)) /* its kind and codes are whole, the words did not fit */
		return out_of_room();
	return print_error_whole(e, out);
}

static int of_variants(struct bytes input, const struct surface_options *p, struct arena *a,
		       struct buf *out)
{
	struct error *e;

	(void)p;
	fail_with(&providers);
	assert_int_equal(fail_variants(input, a), -1);
	e = error_save(a);
	if (!e)
		return -1;
	/* one that could not be built is whole as what it was about, or says that memory is out */
	if (e->kind != ERR_ALL_VARIANTS_FAILED)
		return out_of_room();
	return print_error_whole(e, out);
}

static void test_an_error_on_its_way_to_a_client(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){ for_openai, &openai_chat_options, "" });
	whole_or_an_error(&(struct work){ of_variants, &tensorzero_chat_options, "variant" });
}

/* ---- edits ---- */

#define ENTRY(p, v)                            \
	{                                      \
		.pointer = B(p), .value = B(v) \
	}

static const struct extra_scope scope = { B("v"), B("m"), B("p"), false };

static int edited_headers(struct bytes input, const struct surface_options *p, struct arena *a,
			  struct buf *out)
{
	struct extra configured[] = { ENTRY("x-a", "1"), ENTRY("x-b", "2"), ENTRY("x-c", "3"),
				      ENTRY("x-d", "4"), ENTRY("x-e", "5") };
	struct extra asked[] = { { .pointer = B("X-B"), .remove = true }, ENTRY("X-A", "one") };
	struct extras own = { configured, 5, 5 }, request = { asked, 2, 2 };
	struct header_list l = { 0 };

	(void)p;
	if (header_set(&l, B("accept"), input, a) || header_set(&l, B("x-e"), B("old"), a) ||
	    extra_headers_apply(&l, &own, &request, &scope, a))
		return -1;
	for (size_t i = 0; i < l.len; i++)
		if (buf_printf(out, "%.*s: %.*s\n", BFMT(l.at[i].name), BFMT(l.at[i].value)))
			return -1;
	return 0;
}

static void test_edits_of_headers(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){ edited_headers, &openai_chat_options, "*/*" });
}

/* ---- names and addresses ---- */

static struct config *config;
static struct shorthands *shorthands;

static int resolved(struct bytes input, const struct surface_options *p, struct arena *a,
		    struct buf *out)
{
	struct target t;

	if (target_resolve(config, shorthands, p->prefixed_names, input, a, &t))
		return -1;
	return buf_printf(out, "%.*s %.*s %.*s", BFMT(t.model->name), BFMT(t.variant_name),
			  BFMT(t.function_name));
}

static void test_names_of_models(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){ resolved, &openai_chat_options, "m" });
	whole_or_an_error(&(struct work){ resolved, &openai_chat_options, "claude-3" });
	whole_or_an_error(
		&(struct work){ resolved, &tensorzero_chat_options, "tensorzero::model_name::m" });
}

static int address(struct bytes input, const struct surface_options *p, struct arena *a,
		   struct buf *out)
{
	struct url u;

	(void)p;
	if (url_parse(input, a, &u))
		return -1;
	return buf_printf(out, "%d %.*s %u %.*s %.*s", u.tls, BFMT(u.host), u.port,
			  BFMT(u.authority), BFMT(u.target));
}

static int proxy(struct bytes input, const struct surface_options *p, struct arena *a,
		 struct buf *out)
{
	struct proxy x;

	(void)p;
	if (proxy_parse(input.p, a, &x))
		return -1;
	return buf_printf(out, "%.*s %u %.*s", BFMT(x.host), x.port, BFMT(x.authorization));
}

static void test_addresses(void **state)
{
	(void)state;
	whole_or_an_error(&(struct work){ address, &openai_chat_options,
					  "https://[::1]:8443/a b\xc3\xa9?c={d}" });
	whole_or_an_error(
		&(struct work){ proxy, &openai_chat_options, "http://user:p%40ss@proxy:3128/" });
	whole_or_an_error(&(struct work){ proxy, &openai_chat_options, "user@proxy" });
}

/* ---- heads ---- */

static int print_head(const struct http_message *m, struct buf *out)
{
	if (buf_printf(out, "%.*s %.*s %d %d\n", BFMT(m->method), BFMT(m->target), m->status,
		       m->minor))
		return -1;
	for (size_t i = 0; i < m->nheaders; i++)
		if (buf_printf(out, "%.*s=%.*s\n", BFMT(m->headers[i].name),
			       BFMT(m->headers[i].value)))
			return -1;
	return 0;
}

/* Pieces of `step` bytes; profile openai: an answer. */
static int head_by(size_t step, struct bytes input, const struct surface_options *p,
		   struct arena *a, struct buf *out)
{
	struct http_message m;
	char piece[512];
	size_t used;

	if (p == &openai_chat_options)
		http_response_init(&m, a, 4096, 16, false);
	else
		http_request_init(&m, a, 4096, 16);
	for (size_t at = 0; at < input.n && !m.complete; at += step) {
		struct bytes part = bytes_slice(input, at, step);

		memcpy(piece, part.p, part.n);
		if (http_message_push(&m, piece, part.n, true, &used)) {
			/* what a server would say to it */
			assert_int_equal(m.bad_status, 503);
			return out_of_room();
		}
		if (buf_append(out, m.body))
			return -1;
	}
	assert_true(m.complete);
	return print_head(&m, out);
}

static int at_once(struct bytes input, const struct surface_options *p, struct arena *a,
		   struct buf *out)
{
	return head_by(500, input, p, a, out);
}

static int in_sevens(struct bytes input, const struct surface_options *p, struct arena *a,
		     struct buf *out)
{
	return head_by(7, input, p, a, out);
}

static void test_heads_of_messages(void **state)
{
	static const char request[] =
		"POST /v1/chat HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE:\r\nF: g h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
	static const char answer[] =
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Fine\r\nA: b\r\nC: d\r\nE:\r\nF: g\r\nContent-Length: 5\r\n\r\nabcde";

	(void)state;
	whole_or_an_error(&(struct work){ at_once, &tensorzero_chat_options, request });
	whole_or_an_error(&(struct work){ in_sevens, &tensorzero_chat_options, request });
	whole_or_an_error(&(struct work){ at_once, &openai_chat_options, answer });
	whole_or_an_error(&(struct work){ in_sevens, &openai_chat_options, answer });
}

static int setup(void **state)
{
	static const char toml[] =
		"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = \"x\"\n"
		"api_key_location = \"none\"\n[surfaces.aliases]\n\"claude-*\" = \"m\"\n";
	struct config_options options = { .text = B(toml), .offline = true };
	struct config_issues issues;

	(void)state;
	config = config_load(&options, &issues);
	config_issues_deinit(&issues);
	shorthands = config ? shorthands_new(config) : NULL;
	return shorthands ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	shorthands_free(shorthands);
	config_unref(config);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_shape_of_an_error),
		cmocka_unit_test(test_an_error_on_its_way_to_a_client),
		cmocka_unit_test(test_edits_of_headers),
		cmocka_unit_test(test_names_of_models),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_heads_of_messages),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
