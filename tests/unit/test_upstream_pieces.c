/* The small pieces of a call: credentials, files in the copy for the record, edits that fail, lists of models. */
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/time.h"
#include "fiber/loop.h"
#include "upstream/call.h"
#include "inference/options.h"
#include "sign/signer.h"
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
	fault_setup(NULL);
	arena_deinit(&arena);
	error_clear();
	return 0;
}

/* ---- credentials ---- */

static void test_where_a_credential_comes_from(void **state)
{
	static const struct tag given[] = { { B("k"), B("first") },
					    { B("other"), B("x") },
					    { B("k"), B("last") } };
	struct call_context context = { .credentials = given, .ncredentials = 3 };
	struct credential fixed = { .kind = CREDENTIAL_STATIC, .value = B("secret") };
	struct credential none = { .kind = CREDENTIAL_NONE };
	struct credential asked = { .kind = CREDENTIAL_DYNAMIC, .key = B("k") };
	struct credential absent = { .kind = CREDENTIAL_DYNAMIC, .key = B("z") };
	struct credential missing = { .kind = CREDENTIAL_MISSING,
				      .value =
					      B("Environment variable `OPENAI_API_KEY` is missing"),
				      .key = B("OPENAI_API_KEY") };
	struct credential header = { .kind = CREDENTIAL_DYNAMIC, .key = B("client_authorization") };
	struct credential x_header = { .kind = CREDENTIAL_DYNAMIC, .key = B("client_x_api_key") };
	struct credential second = { .kind = CREDENTIAL_FALLBACK,
				     .first = &absent,
				     .second = &fixed };
	struct credential first = { .kind = CREDENTIAL_FALLBACK,
				    .first = &asked,
				    .second = &missing };
	struct credential neither = { .kind = CREDENTIAL_FALLBACK,
				      .first = &absent,
				      .second = &missing };
	struct bytes out;

	(void)state;
	assert_int_equal(credential_get(&none, &context, "X", &out), 0);
	assert_bytes(out, NULL);
	assert_int_equal(credential_get(&fixed, &context, "X", &out), 0);
	assert_bytes(out, "secret");
	assert_int_equal(credential_get(&asked, &context, "X", &out), 0);
	assert_bytes(out, "last"); /* as serde's map keeps it */
	assert_int_equal(credential_get(&second, &context, "X", &out), 0);
	assert_bytes(out, "secret");
	assert_int_equal(credential_get(&first, &context, "X", &out), 0);
	assert_bytes(out, "last");
	assert_int_equal(credential_get(&absent, &context, "X", &out), -1);
	assert_bytes(error_last()->message,
		     "API key missing for provider X: Dynamic api key `z` is missing");
	assert_int_equal(error_last()->kind, ERR_API_KEY_MISSING);
	assert_int_equal(credential_get(&missing, &context, "OpenAI", &out), -1);
	assert_bytes(
		error_last()->message,
		"API key missing for provider OpenAI: Environment variable `OPENAI_API_KEY` is missing");
	assert_int_equal(credential_get(&neither, &context, "X", &out), -1);
	assert_bytes(
		error_last()->message,
		"API key missing for provider X: Environment variable `OPENAI_API_KEY` is missing");
	assert_bytes(out, NULL);
	assert_int_equal(credential_get(&header, &context, "X", &out), -1);
	context.authorization = B("Bearer a");
	context.x_api_key = B("b");
	assert_int_equal(credential_get(&header, &context, "X", &out), 0);
	assert_bytes(out, "Bearer a");
	assert_int_equal(credential_get(&x_header, &context, "X", &out), 0);
	assert_bytes(out, "b");
}

/* ---- where a body is written ---- */

static pthread_t loops_thread;
static bool elsewhere;
static struct inference weighed;

static int write_nothing(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	(void)inf, (void)d, (void)out, (void)ignored;
	elsewhere = !pthread_equal(pthread_self(), loops_thread);
	return fail(ERR_INVALID_REQUEST, "enough seen");
}

static const struct wire no_wire = { .write_request = write_nothing };
static const struct provider_type no_type = { .wire = &no_wire, .kind = { .label = "X" } };

static void open_one(void *arg)
{
	static const struct config config;
	static struct model_config model = { .name = B("m") };
	struct provider_config p = { .kind = &no_type.kind,
				     .endpoint = B("http://h/"),
				     .model = &model };
	struct call_context context = { .arena = arg, .config = &config };
	struct attempt attempt;
	struct call *c;

	context.config = &config;
	c = upstream_open(&p, &weighed, &context, &attempt);
	elsewhere |= c != NULL; /* not to happen */
}

static bool written_elsewhere(struct inference inf)
{
	static const struct surface_options options;
	struct loop *loop = loop_new(0);
	struct arena a;

	assert_non_null(loop);
	arena_init(&a, 1 << 20);
	loops_thread = pthread_self();
	weighed = inf;
	weighed.options = &options;
	elsewhere = false;
	assert_non_null(fiber_spawn("open", open_one, &a));
	loop_stop(loop);
	loop_run(loop);
	loop_free(loop);
	arena_deinit(&a);
	error_clear();
	return elsewhere;
}

static void test_a_large_body_is_written_off_the_loop(void **state)
{
	static char much[OFFLOAD_BYTES];
	const struct bytes all = { much, sizeof much }, half = { much, sizeof much / 2 };

	(void)state;
	memset(much, 'x', sizeof much);
	for (int more = 0; more < 2; more++) { /* a byte over the bound */
		struct bytes one = { much, (size_t)more };
		struct file f = { .data = half };
		struct block text = { .type = BLOCK_TEXT, .text = half };
		struct block call = { .type = BLOCK_TOOL_CALL, .arguments = half };
		struct block file = { .type = BLOCK_FILE, .file = &f };
		struct block last = { .type = BLOCK_TEXT, .text = one };
		struct block texts[] = { text, text, last }, calls[] = { call, call, last },
			     files[] = { file, file, last };
		struct message whole[] = { { .content = texts, .len = 3 },
					   { .content = calls, .len = 3 },
					   { .content = files, .len = 3 } };
		struct message split[] = { { .content = texts, .len = 1 },
					   { .content = calls, .len = 1 },
					   { .content = &last, .len = 1 } };

		assert_int_equal(written_elsewhere((struct inference){
					 .source = { much, sizeof much - 1 },
					 .system = { much, 1 + (size_t)more } }),
				 more);
		assert_int_equal(written_elsewhere((struct inference){
					 .system = all, .messages = split + 2, .nmessages = 1 }),
				 more);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(written_elsewhere((struct inference){
						 .messages = whole + i, .nmessages = 1 }),
					 more);
		assert_int_equal(
			written_elsewhere((struct inference){ .messages = split, .nmessages = 3 }),
			more);
		/* who has the client's own bytes has the messages in them */
		assert_false(written_elsewhere((struct inference){
			.source = B("{}"), .messages = whole, .nmessages = 3 }));
	}
}

/* ---- files in the copy for the record ---- */

static void test_each_file_of_a_body_has_its_number(void **state)
{
	static struct file a = { .data = B("AAAA") }, b = { .data = B("BBBB") },
			   absent = { .data = B("ZZZZ") }, empty = { .data = B("") };
	static struct block parts[] = { { .type = BLOCK_FILE, .file = &b },
					{ .type = BLOCK_TEXT, .text = B("t") } };
	static struct block first[] = { { .type = BLOCK_TEXT, .text = B("AAAA") },
					{ .type = BLOCK_FILE, .file = &a },
					{ .type = BLOCK_FILE, .file = &empty },
					{ .type = BLOCK_FILE, .file = &absent } };
	static struct block second[] = { { .type = BLOCK_TOOL_RESULT, .parts = parts, .nparts = 2 },
					 { .type = BLOCK_FILE, .file = &a } };
	struct message messages[] = { { .content = first, .len = 4 },
				      { .content = second, .len = 2 } };
	struct inference inf = { .messages = messages, .nmessages = 2 };
	struct bytes body = B("[\"AAAA\",\"BBBB\",\"AAAA\",\"AAAA\"]"), out;

	(void)state;
	out = mask_files(body, &inf, &arena);
	assert_bytes(
		out,
		"[\"<TENSORZERO_FILE_0>\",\"<TENSORZERO_FILE_1>\",\"<TENSORZERO_FILE_2>\",\"AAAA\"]");
	assert_bytes(mask_files(B("[\"CCCC\"]"), &inf, &arena), "[\"CCCC\"]");
	assert_bytes(mask_files(B("data:a/b;base64,AAAA\",\"BBBB\",\"AAAABBBB\""), &inf, &arena),
		     "data:a/b;base64,<TENSORZERO_FILE_0>\",\"<TENSORZERO_FILE_1>\",\"AAAABBBB\"");
	inf.nmessages = 0;
	assert_true(mask_files(body, &inf, &arena).p == body.p); /* itself */
#ifdef SIGNET_FAULTS
	inf.nmessages = 2;
	for (int n = 1; n < 3; n++) { /* without memory the body itself, never half a copy */
		char spec[16];

		snprintf(spec, sizeof spec, "alloc:%d", n);
		fault_setup(spec);
		out = mask_files(body, &inf, &arena);
		fault_setup(NULL);
		assert_true(out.p == body.p || bytes_find(out, B("<TENSORZERO_FILE_2>")) > 0);
	}
#endif
}

/* None of a thousand files is in a body of 16 MB: one walk, where a search for each would take minutes. */
static void test_files_that_are_not_there_cost_one_walk(void **state)
{
	static struct file files[1000];
	static struct block blocks[1000];
	struct message message = { .content = blocks, .len = COUNT(blocks) };
	struct inference inf = { .messages = &message, .nmessages = 1 };
	static char names[1000][16];
	size_t n = 16u << 20;
	char *body = malloc(n);
	uint64_t before = clock_mono_ms();

	(void)state;
	memset(body, 'A', n);
	for (size_t i = 0; i < n; i += 4096)
		body[i] = '"';
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(names[i], sizeof names[i], "AAAAAAAA%zu", i);
		files[i].data = bytes_of(names[i]);
		blocks[i] = (struct block){ .type = BLOCK_FILE, .file = &files[i] };
	}
	assert_true(mask_files((struct bytes){ body, n }, &inf, &arena).p == body);
	assert_true(clock_mono_ms() - before < 8000);
	free(body);
}

#ifdef SIGNET_FAULTS
/* The copy grows where the second file lies, inside of a tool's result. */
static void test_a_copy_that_breaks_off_inside_is_none(void **state)
{
	static char text[50000];
	static struct file a = { .data = B("AAAA") }, b = { .data = B("BBBB") };
	static struct block parts[] = { { .type = BLOCK_FILE, .file = &b } };
	static struct block blocks[] = { { .type = BLOCK_FILE, .file = &a },
					 { .type = BLOCK_TOOL_RESULT, .parts = parts, .nparts = 1 },
					 { .type = BLOCK_FILE, .file = &a } };
	struct message message = { .content = blocks, .len = 3 };
	struct inference inf = { .messages = &message, .nmessages = 1 };
	struct bytes body, out;
	unsigned failed = 0;

	(void)state;
	memset(text, 'x', sizeof text);
	body = arena_printf(&arena, "AAAA,%.*s,BBBB AAAA", (int)sizeof text, text);
	for (int n = 1; n < 8; n++) {
		char spec[16];

		snprintf(spec, sizeof spec, "alloc:%d", n);
		fault_setup(spec);
		out = mask_files(body, &inf, &arena);
		fault_setup(NULL);
		failed += out.p == body.p;
		if (out.p != body.p &&
		    !bytes_ends(out, B("x,<TENSORZERO_FILE_1> <TENSORZERO_FILE_2>")))
			fail_msg("%s: %.*s", spec, BFMT(bytes_tail(out, 100)));
	}
	assert_true(failed > 1);
}
#endif

/* ---- edits that fail ---- */

#ifdef SIGNET_FAULTS
static void test_an_edit_without_memory_is_an_error_and_the_body_as_it_was(void **state)
{
	static struct extra entries[] = {
		{ .pointer = B("/a/b~1c"), .value = B("{\"d\":[1,2]}") },
		{ .pointer = B("/l/-"), .value = B("3") },
		{ .pointer = B("/new/deep"), .value = B("true") },
		{ .pointer = B("/gone"), .remove = true },
	};
	struct extras list = { entries, 4, 4 }, none = { 0 };
	struct extra_scope scope = { B("v"), B("m"), B("p"), false };
	static const char body[] = "{\"a\":{},\"l\":[1,2],\"gone\":1}";
	static const char whole[] =
		"{\"a\":{\"b/c\":{\"d\":[1,2]}},\"l\":[1,2,3],\"new\":{\"deep\":true}}";
	unsigned failed = 0;

	(void)state;
	for (size_t room = 0; room < 4096; room += 16) {
		struct arena small;
		struct bytes b = B(body);
		int r;

		arena_init(&small, 4096);
		if (room)
			assert_non_null(arena_alloc_raw(&small, room < 4064 ? room : 4064));
		r = extra_body_apply(&b, &list, &none, &scope, &small);
		assert_bytes(b, r ? body : whole);
		failed += r != 0;
		arena_deinit(&small);
	}
	assert_true(failed > 20);
}
#endif

static void test_what_is_nothing_to_delete_changes_nothing(void **state)
{
	static const char *const pointers[] = {
		"/x", "/x/y", "/l/5", "/l/01", "/a/0", "/l/0/", NULL
	};
	struct extra_scope scope = { B("v"), B("m"), B("p"), true };
	struct extras none = { 0 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct extra e = { .pointer = bytes_of(pointers[i]), .remove = true };
		struct extras list = { &e, 1, 1 };
		struct bytes b = B("{\"l\":[1],\"a\":{\"b\":2}}");

		assert_int_equal(extra_body_apply(&b, &list, &none, &scope, &arena), 0);
		assert_bytes(b, "{\"l\":[1],\"a\":{\"b\":2}}");
	}
}

static void test_headers_are_set_once_whatever_their_case(void **state)
{
	struct extra configured[] = {
		{ .pointer = B("X-A"), .value = B("1") },
		{ .pointer = B("x-b"), .value = B("2") },
		{ .pointer = B("x-c"), .value = B("3") },
		{ .pointer = B("x-d"), .value = B("4"), .model_name = B("other") }
	};
	struct extra asked[] = { { .pointer = B("x-a"), .value = B("9") },
				 { .pointer = B("X-B"), .remove = true },
				 { .pointer = B("accept"), .remove = true } };
	struct extras own = { configured, 4, 4 }, request = { asked, 3, 3 };
	struct extra_scope scope = { B("v"), B("m"), B("p"), false };
	struct header_list l = { 0 };
	struct extra bad = { .pointer = B("x y"), .value = B("1") };
	struct extras wrong = { &bad, 1, 1 };

	(void)state;
	assert_int_equal(header_set(&l, B("Accept"), B("a"), &arena), 0);
	assert_int_equal(header_set(&l, B("accept"), B("b"), &arena), 0);
	assert_int_equal(l.len, 1);
	assert_int_equal(extra_headers_apply(&l, &own, &request, &scope, &arena), 0);
	assert_int_equal(l.len, 3); /* of the request's own headers none is taken away */
	assert_bytes(l.at[0].name, "Accept");
	assert_bytes(l.at[0].value, "b");
	assert_bytes(l.at[1].name, "X-A");
	assert_bytes(l.at[1].value, "9");
	assert_bytes(l.at[2].name, "x-c");
	assert_int_equal(extra_headers_apply(&l, &wrong, &request, &scope, &arena), -1);
	assert_bytes(error_last()->message, "Invalid header name `x y`: invalid HTTP header name");
	bad = (struct extra){ .pointer = B("x"), .value = B("a\nb") };
	assert_int_equal(extra_headers_apply(&l, &own, &wrong, &scope, &arena), -1);
	assert_bytes(error_last()->message,
		     "Invalid header value `a\nb`: failed to parse header value");
	assert_int_equal(l.len, 3);
}

/* ---- signatures ---- */

/* A signer that answers "xxxx" (test_wasm_forms.c assembles the same). */
static const char module[] =
	"\x00\x61\x73\x6d\x01\x00\x00\x00\x01\x1a\x03\x60\x08\x7f\x7f\x7f\x7f\x7f\x7f\x7f"
	"\x7f\x02\x7f\x7f\x60\x02\x7f\x7f\x01\x7f\x60\x03\x7f\x7f\x7f\x00\x03\x04\x03\x00"
	"\x01\x02\x05\x03\x01\x00\x20\x07\x37\x04\x06\x6d\x65\x6d\x6f\x72\x79\x02\x00\x04"
	"\x73\x69\x67\x6e\x00\x00\x11\x5f\x5f\x77\x62\x69\x6e\x64\x67\x65\x6e\x5f\x6d\x61"
	"\x6c\x6c\x6f\x63\x00\x01\x0f\x5f\x5f\x77\x62\x69\x6e\x64\x67\x65\x6e\x5f\x66\x72"
	"\x65\x65\x00\x02\x0a\x1e\x03\x13\x00\x41\x80\x10\x41\xf8\xf0\xe1\xc3\x07\x36\x02"
	"\x00\x41\x80\x10\x41\x04\x0b\x05\x00\x41\x80\x08\x0b\x02\x00\x0b";

static bool has(const struct header_list *l, const char *name, struct bytes value)
{
	for (size_t i = 0; i < l->len; i++)
		if (bytes_eq(l->at[i].name, bytes_of(name)))
			return bytes_eq(l->at[i].value, value);
	return false;
}

static int sign_it(const struct provider_config *p, const struct call_context *context,
		   struct bytes method, struct bytes url, struct bytes target, struct bytes body,
		   struct header_list *l, struct sign_facts *facts)
{
	struct attempt attempt = { 0 };
	struct call c = { .provider = p,
			  .type = provider_type_of(p),
			  .context = context,
			  .attempt = &attempt,
			  .body = body,
			  .endpoint = url,
			  .url = { .target = target } };
	int r = sign_attempt(&c, method, l);

	*facts = attempt.signature;
	return r;
}

static const struct provider_kind *kind_of(const char *name)
{
	for (size_t i = 0; i < provider_nentries; i++)
		if (provider_entries[i].kind &&
		    bytes_eq(provider_entries[i].kind->name, bytes_of(name)))
			return provider_entries[i].kind;
	return NULL;
}

static void test_a_signature_and_what_is_kept_of_it(void **state)
{
	static const struct signer_limits limits = { 16, 1000, 1 };
	char path[64];
	struct call_context context = { .arena = &arena };
	struct provider_config p = { .kind = kind_of("openai") };
	struct signer_config *s = &p.signer;
	struct sign_facts facts = { 0 }, again = { 0 };
	struct header_list l = { 0 };
	FILE *f;

	(void)state;
	assert_int_equal(sign_it(&p, &context, B("POST"), B("u"), B("t"), B("body"), &l, &facts),
			 0);
	assert_false(facts.set); /* no signer */
	assert_int_equal(l.len, 0);
	snprintf(path, sizeof path, "/tmp/signet-pieces-%d.wasm", (int)getpid());
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(module, 1, sizeof module - 1, f), sizeof module - 1);
	fclose(f);
	assert_int_equal(signing_init(), 0);
	*s = (struct signer_config){
		.set = true,
		.inputs = { B("method"), B("url"), B("path"), B("body") },
		.header = B("sign"),
		.nonce_header = B("n"),
		.timestamp_header = B("ts"),
		.device_id_header = B("device"),
	};
	s->signer = signer_load(path, B("me"), (struct bytes){ 0 }, &limits, NULL);
	assert_non_null(s->signer);
	header_set(&l, B("sign"), B("old"), &arena);
	assert_int_equal(
		sign_it(&p, &context, B("POST"), B("http://h/t"), B("/t"), B("body"), &l, &facts),
		0);
	assert_true(facts.set);
	assert_int_equal(facts.bytes, 4 + 10 + 2 + 4);
	assert_bytes(facts.headers, "[\"n\",\"ts\",\"sign\"]");
	assert_bytes(facts.head, "xxxx");
	assert_bytes(facts.signer, "me");
	assert_bytes(facts.abi, "wasm-bindgen (multi-value)");
	assert_int_equal(facts.nonce.n, 36);
	assert_int_equal(facts.timestamp.n, 10);
	assert_int_equal(facts.module_sha256.n, 64);
	assert_int_equal(l.len, 3);
	assert_true(has(&l, "sign", B("xxxx")));
	assert_true(has(&l, "n", facts.nonce));
	assert_true(has(&l, "ts", facts.timestamp));
	assert_int_equal(
		sign_it(&p, &context, B("POST"), B("http://h/t"), B("/t"), B("body"), &l, &again),
		0);
	assert_false(bytes_eq(facts.nonce, again.nonce)); /* never twice */
	/* with the device id among the inputs its header goes, too; it is the request's to give */
	s->inputs[0] = B("device_id");
	s->device_id = (struct credential){ .kind = CREDENTIAL_DYNAMIC, .key = B("k") };
	assert_int_equal(sign_it(&p, &context, B("POST"), B("u"), B("t"), B(""), &l, &facts), -1);
	assert_int_equal(error_last()->kind, ERR_API_KEY_MISSING);
	context.credentials = &(struct tag){ B("k"), B("dev-7") };
	context.ncredentials = 1;
	assert_int_equal(sign_it(&p, &context, B("POST"), B("u"), B("t"), B(""), &l, &facts), 0);
	assert_true(has(&l, "device", B("dev-7")));
	assert_bytes(facts.headers, "[\"n\",\"ts\",\"device\",\"sign\"]");
	assert_int_equal(facts.bytes, 5 + 1 + 1);
	s->nonce_header = s->timestamp_header = s->device_id_header = B(""); /* not sent */
	l.len = 0;
	assert_int_equal(sign_it(&p, &context, B("POST"), B("u"), B("t"), B(""), &l, &facts), 0);
	assert_int_equal(l.len, 1);
	assert_bytes(facts.headers, "[\"sign\"]");
#ifdef SIGNET_FAULTS
	for (size_t taken = 0; taken < 4096; taken += 16) {
		struct arena small;
		struct header_list headers = { 0 };
		int r;

		arena_init(&small, 4096);
		if (taken)
			assert_non_null(arena_alloc_raw(&small, taken < 4064 ? taken : 4064));
		context.arena = &small;
		again = (struct sign_facts){ 0 };
		r = sign_it(&p, &context, B("POST"), B("u"), B("t"), B(""), &headers, &again);
		if (r == 0)
			assert_true(has(&headers, "sign", B("xxxx")) && again.set);
		else
			assert_false(again.set);
		arena_deinit(&small);
	}
#endif
	signer_unref(s->signer);
	signer_thread_end();
	signing_deinit();
	unlink(path);
}

/* ---- lists of models ---- */

static void test_a_listed_name_stands_there_once(void **state)
{
	struct provider_config p = { 0 }, q = { 0 };
	struct model_list l = { .arena = &arena };

	(void)state;
	assert_int_equal(model_list_add(&l, B("a"), &p), 0);
	assert_int_equal(model_list_add(&l, B("b"), &q), 0);
	assert_int_equal(model_list_add(&l, B("A"), &q), 0);
	assert_int_equal(l.len, 2);
	assert_bytes(l.at[0].name, "a");
	assert_ptr_equal(l.at[0].provider, &p);
	assert_ptr_equal(l.at[1].provider, &q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_a_credential_comes_from),
		cmocka_unit_test(test_each_file_of_a_body_has_its_number),
		cmocka_unit_test(test_files_that_are_not_there_cost_one_walk),
		cmocka_unit_test(test_a_large_body_is_written_off_the_loop),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_a_copy_that_breaks_off_inside_is_none),
		cmocka_unit_test(test_an_edit_without_memory_is_an_error_and_the_body_as_it_was),
#endif
		cmocka_unit_test(test_what_is_nothing_to_delete_changes_nothing),
		cmocka_unit_test(test_headers_are_set_once_whatever_their_case),
		cmocka_unit_test(test_a_signature_and_what_is_kept_of_it),
		cmocka_unit_test(test_a_listed_name_stands_there_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
