/*
 * A whole gateway in this process, with an upstream that the test plays, and too little memory: each allocation of a request
 * fails once, at bounds that a header of growing length moves. The client sees the same answer as with plenty, an error
 * of the surface's own shape, or a transfer that is visibly broken; never half an answer that looks whole, and the next
 * request is answered.
 */
#include "net_harness.h"

#include "api/api.h"
#include "base/fault.h"
#include "sign/signer.h"

#ifdef SIGNET_FAULTS

#define PAD_STEP 176u
#define PAD_MAX  4096u

/* ---- the upstream ---- */

static int up_listen;
static uint16_t up_port;

static const char plain_answer[] =
	"{\"id\":\"up\",\"object\":\"chat.completion\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hello \\u00e9\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}";
static const char stream_answer[] =
	"data: {\"id\":\"up\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
	"data: {\"id\":\"up\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n"
	"data: {\"id\":\"up\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
	"data: {\"id\":\"up\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"x\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,\"total_tokens\":18}}\n\n"
	"data: [DONE]\n\n";
static const char refusal[] =
	"{\"error\":{\"message\":\"busy, try again\",\"type\":\"server_error\",\"code\":\"slow_down\"}}";

static const char listed[] =
	"[{\"displayName\":\"D\",\"modelName\":\"dm-1\",\"modelType\":\"base\",\"isNew\":false,\"usageLeft\":1}]";
static const char events[] =
	"event: c\ndata: Hel\n\nevent: c\ndata: lo\n\nevent: finish\ndata: \n\n";

/* A signer that answers "xxxx" (test_wasm_forms.c assembles the same). */
static const char module[] =
	"\x00\x61\x73\x6d\x01\x00\x00\x00\x01\x1a\x03\x60\x08\x7f\x7f\x7f\x7f\x7f\x7f\x7f"
	"\x7f\x02\x7f\x7f\x60\x02\x7f\x7f\x01\x7f\x60\x03\x7f\x7f\x7f\x00\x03\x04\x03\x00"
	"\x01\x02\x05\x03\x01\x00\x20\x07\x37\x04\x06\x6d\x65\x6d\x6f\x72\x79\x02\x00\x04"
	"\x73\x69\x67\x6e\x00\x00\x11\x5f\x5f\x77\x62\x69\x6e\x64\x67\x65\x6e\x5f\x6d\x61"
	"\x6c\x6c\x6f\x63\x00\x01\x0f\x5f\x5f\x77\x62\x69\x6e\x64\x67\x65\x6e\x5f\x66\x72"
	"\x65\x65\x00\x02\x0a\x1e\x03\x13\x00\x41\x80\x10\x41\xf8\xf0\xe1\xc3\x07\x36\x02"
	"\x00\x41\x80\x10\x41\x04\x0b\x05\x00\x41\x80\x08\x0b\x02\x00\x0b";

static void serve_one(int fd, const char *request)
{
	char text[4096]; /* in one piece: two would wait for each other's acknowledgement */
	bool fails = strstr(request, "POST /bad/") != NULL,
	     streams = strstr(request, "\"stream\":true") != NULL;
	const char *body = fails ? refusal : streams ? stream_answer : plain_answer;

	if (strstr(request, "/dev/models"))
		body = listed;
	if (strstr(request, "/dev/stream/chat")) {
		streams = true;
		body = events;
	}

	snprintf(
		text, sizeof text,
		"HTTP/1.1 %s\r\ncontent-type: %s\r\nx-request-id: up-1\r\ncontent-length: %zu\r\n%s\r\n%s",
		fails ? "503 Service Unavailable" : "200 OK",
		streams && !fails ? "text/event-stream" : "application/json", strlen(body),
		fails ? "retry-after: 2\r\n" : "", body);
	send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void *serve_connection(void *arg)
{
	int fd = (int)(intptr_t)arg;
	static _Thread_local char text[65536];
	size_t n = 0;
	ssize_t r;

	while ((r = recv(fd, text + n, sizeof text - 1 - n, 0)) > 0) {
		char *end, *length;

		n += (size_t)r;
		text[n] = 0;
		end = strstr(text, "\r\n\r\n");
		length = strstr(text, "content-length: ");
		if (!end ||
		    (length && n < (size_t)(end + 4 - text) + strtoul(length + 16, NULL, 10)))
			continue;
		serve_one(fd, text);
		n = 0;
	}
	close(fd);
	return NULL;
}

static void *serve_all(void *arg)
{
	int fd;

	while ((fd = accept(up_listen, NULL, NULL)) >= 0) {
		pthread_t t;

		pthread_create(&t, NULL, serve_connection, (void *)(intptr_t)fd);
		pthread_detach(t);
	}
	return arg;
}

/* ---- the gateway ---- */

static struct harness harness;
static struct app app;
static struct worker worker;
static char module_path[64];

static void set_client(struct harness *h)
{
	worker.client = h->client;
}

static int setup(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;
	struct config_issues issues;
	static char toml[4096];
	struct config_options options = { 0 };
	FILE *f;
	pthread_t t;

	(void)state;
	up_listen = socket(AF_INET, SOCK_STREAM, 0);
	bind(up_listen, (struct sockaddr *)&a, sizeof a);
	listen(up_listen, 64);
	getsockname(up_listen, (struct sockaddr *)&a, &len);
	up_port = ntohs(a.sin_port);
	pthread_create(&t, NULL, serve_all, NULL);
	pthread_detach(t);
	snprintf(module_path, sizeof module_path, "/tmp/signet-room-%d.wasm", (int)getpid());
	f = fopen(module_path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(module, 1, sizeof module - 1, f), sizeof module - 1);
	fclose(f);
	if (signing_init())
		return -1;
	snprintf(
		toml, sizeof toml,
		"[gateway]\nunstable_error_json = true\n"
		"[models.m]\nrouting = [\"p\"]\n[models.m.providers.p]\ntype = \"openai\"\nmodel_name = \"x\"\n"
		"api_base = \"http://127.0.0.1:%u/good/v1/\"\napi_key_location = \"dynamic::key\"\n"
		"extra_headers = [{ name = \"x-own\", value = \"1\" }]\n"
		"[models.two]\nrouting = [\"p0\", \"p1\"]\n[models.two.providers.p0]\ntype = \"openai\"\nmodel_name = \"x\"\n"
		"api_base = \"http://127.0.0.1:%u/bad/v1/\"\napi_key_location = \"none\"\n"
		"[models.two.providers.p1]\ntype = \"openai\"\nmodel_name = \"x\"\n"
		"api_base = \"http://127.0.0.1:%u/good/v1/\"\napi_key_location = \"none\"\n"
		"[models.bad]\nrouting = [\"p0\"]\n[models.bad.providers.p0]\ntype = \"openai\"\nmodel_name = \"x\"\n"
		"api_base = \"http://127.0.0.1:%u/bad/v1/\"\napi_key_location = \"none\"\n"
		"[signing]\ncache_dir = \"\"\n"
		"[models.dev]\nrouting = [\"d\"]\n[models.dev.providers.d]\ntype = \"rust-proxy\"\nmodel_name = \"dm\"\n"
		"api_endpoint = \"http://127.0.0.1:%u/dev/stream/chat\"\nmodel_filter = { include_types = [\"base\"] }\n"
		"device_id = \"device\"\nsession_id = \"session\"\nos_type = \"1\"\nsigner = { path = \"%s\" }\n"
		"[surfaces.aliases]\nfast = { target = \"m\", display_name = \"Fast\", max_input_tokens = 10 }\n",
		up_port, up_port, up_port, up_port, up_port, module_path);
	options.text = bytes_of(toml);
	app.config = config_load(&options, &issues);
	for (size_t i = 0; !app.config && i < issues.len; i++)
		print_error("%.*s\n", BFMT(issues.at[i].text));
	config_issues_deinit(&issues);
	if (!app.config)
		return -1;
	worker.config = app.config;
	app.workers = &worker;
	app.nworkers = 1;
	worker.app = &app;
	harness_init(&harness, api_handle);
	harness.options.malformed = api_malformed;
	harness.options.done = api_done;
	harness.options.user = &worker;
	harness.want_client = true;
	harness_start(&harness);
	harness_begin(&harness, set_client);
	harness_join(&harness);
	return 0;
}

/* What the loop's thread did before is done, and seen by this one. */
static void nothing(struct harness *h)
{
	(void)h;
}

static void end_signers(struct harness *h)
{
	(void)h;
	signer_thread_end();
}

static int teardown(void **state)
{
	(void)state;
	fault_setup(NULL);
	for (int i = 0; i < 1000 && (http_server_connections() || fiber_count()); i++)
		usleep(5000);
	harness_begin(&harness, nothing);
	harness_join(&harness);
	config_unref(app.config);
	harness_begin(&harness, end_signers);
	harness_join(&harness);
	harness_stop_but(&harness, 1); /* the list of models */
	signing_deinit();
	unlink(module_path);
	shutdown(up_listen, SHUT_RDWR);
	close(up_listen);
	return 0;
}

/* ---- asking ---- */

static void drop_line(char *text, const char *name)
{
	char *at = strstr(text, name), *end = at ? strstr(at + 2, "\r\n") : NULL;

	if (end)
		memmove(at, end, strlen(end) + 1);
}

/* Ids and times become '#'. The three headers that every answer carries, and an etag, are missing where there was no room
 * for them. */
static char *without_chance(char *text)
{
	char *to = text;

	undated(text);
	drop_line(text, "\r\nx-tensorzero-gateway-version: ");
	drop_line(text, "\r\nx-request-id: ");
	drop_line(text, "\r\nrequest-id: ");
	drop_line(text, "\r\netag: ");
	for (char *p = text; *p;) {
		size_t n = strspn(p, "0123456789abcdef-");
		bool id = n >= 8 && strcspn(p, "0123456789") < n;

		if (id)
			*to++ = '#';
		else
			memmove(to, p, n ? n : 1);
		to += id ? 0 : n ? n : 1;
		p += n ? n : 1;
	}
	*to = 0;
	return text;
}

static char *ask(const char *request, size_t pad)
{
	static char text[PAD_MAX + 4096];
	const char *rest = strstr(request, "\r\n") + 2;
	int fd = dial(harness.port), n;
	char *got;

	n = snprintf(text, sizeof text,
		     "%.*sHost: x\r\nConnection: close\r\nx-pad: ", (int)(rest - request), request);
	memset(text + n, 'p', pad);
	snprintf(text + n + pad, sizeof text - (size_t)n - pad, "\r\n%s", rest);
	send(fd, text, strlen(text), MSG_NOSIGNAL);
	got = hear(fd, NULL, 10000);
	close(fd);
	return without_chance(got);
}

static const char *body_of(const char *answer)
{
	const char *at = strstr(answer, "\r\n\r\n");

	return at ? at + 4 : "";
}

static char *post(const char *path, const char *body)
{
	char *out = malloc(4096);

	snprintf(
		out, 4096,
		"POST %s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		path, strlen(body), body);
	return out;
}

static bool is_of_trouble(int status)
{
	return status == 400 || status == 500 || status == 502 || status == 503;
}

/* What else an answer may be. */
static const char *fault_of(const char *got, const char *whole, bool streams)
{
	const char *body = body_of(got);
	int status = strncmp(got, "HTTP/1.1 ", 9) ? 0 : atoi(got + 9);

	if (!*got)
		return NULL; /* the connection ended */
	if (is_of_trouble(status) || (status >= 400 && strncmp(got, whole, 12) == 0))
		return !*body || strstr(body, "\"error\"") ? NULL : "an error without an error";
	if (status != 200)
		return "an odd status";
	if (!streams)
		return "half an answer that looks whole";
	if (!strstr(body, "[DONE]"))
		return NULL; /* broken, and it shows */
	return strstr(body, "\"error\"") ? NULL : "half a stream that looks whole";
}

/* `varies`: what is in it changes all the time. */
static void walk(const char *request, bool streams, bool varies)
{
	char *whole = ask(request, 0), spec[32], *got;
	unsigned failed = 0;

	for (size_t pad = 0; pad < PAD_MAX; pad += PAD_STEP)
		for (unsigned n = 1, clean = 0; clean < 4; n++) {
			const char *fault;
			bool same;

			snprintf(spec, sizeof spec, "alloc:%u", n);
			fault_setup(spec);
			got = ask(request, pad);
			fault_setup(NULL);
			same = varies ? strncmp(got, whole, 12) == 0 : strcmp(got, whole) == 0;
			fault = same ? NULL : fault_of(got, whole, streams);
			if (fault) {
				print_error("%s behind %zu: %s\ngot\n%s\nwant\n%s\n", spec, pad,
					    fault, got, whole);
				assert_true(false);
			}
			clean = same ? clean + 1 : 0;
			failed += !same;
			free(got);
			assert_true(n < 200);
		}
	assert_true(failed > 5);
	got = ask(request, 0);
	if (varies)
		assert_memory_equal(got, whole, 12);
	else
		assert_string_equal(got, whole);
	free(got);
	free(whole);
}

static void walk_post(const char *path, const char *body, bool streams)
{
	char *request = post(path, body);

	walk(request, streams, false);
	free(request);
}

#define HI      "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]"
#define KEY     "\"tensorzero::credentials\":{\"key\":\"secret\"},"
#define TZ      "\"model\":\"tensorzero::model_name::"
#define CHAT    "/v1/chat/completions"
#define TZ_CHAT "/openai/v1/chat/completions"

static void test_plain_answers(void **state)
{
	(void)state;
	walk_post(CHAT, "{" KEY "\"model\":\"fast\",\"user\":\"u\"," HI "}", false);
	walk_post(
		TZ_CHAT,
		"{" KEY TZ
		"m\",\"tensorzero::tags\":{\"a\":\"b\"},\"tensorzero::include_raw_response\":true,\"tensorzero::extra_body\":[{\"pointer\":\"/top_k\",\"value\":5}]," HI
		"}",
		false);
	walk_post("/v1/completions", "{" KEY "\"model\":\"m\",\"prompt\":\"Hi\"}", false);
}

static void test_streams(void **state)
{
	(void)state;
	walk_post(CHAT,
		  "{" KEY
		  "\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}," HI
		  "}",
		  true);
	walk_post(TZ_CHAT, "{" KEY TZ "m\",\"stream\":true," HI "}", true);
	walk_post("/v1/completions", "{" KEY "\"model\":\"m\",\"stream\":true,\"prompt\":\"Hi\"}",
		  true);
}

static void test_fallbacks(void **state)
{
	(void)state;
	walk_post(CHAT, "{\"model\":\"two\"," HI "}", false);
	walk_post(TZ_CHAT, "{" TZ "two\"," HI "}", false);
}

static void test_signed_calls(void **state)
{
	(void)state;
	walk_post(CHAT, "{\"model\":\"dev\"," HI "}", false);
	walk_post(TZ_CHAT, "{" TZ "dev\",\"stream\":true," HI "}", true);
	walk("GET /v1/models/dm-1 HTTP/1.1\r\n\r\n", false, false);
	walk_post(CHAT, "{\"model\":\"dm-1\"," HI "}", false); /* as it is listed */
}

static void test_errors(void **state)
{
	(void)state;
	walk_post(CHAT, "{\"model\":\"bad\"," HI "}", false);
	walk_post(TZ_CHAT, "{" TZ "bad\",\"tensorzero::include_raw_response\":true," HI "}", false);
	walk_post(CHAT, "{\"model\":\"nothing\"," HI "}", false);
	walk_post(TZ_CHAT, "{" TZ "nothing\"," HI "}", false);
	walk_post(CHAT, "{\"model\":\"m\"," HI "}", false); /* without its credential */
	walk_post(TZ_CHAT, "{\"messages\":5}", false);
	walk("GET /v1/messages/x HTTP/1.1\r\n\r\n", false, false);
	walk("DELETE /v1/models HTTP/1.1\r\n\r\n", false, false);
}

/* What the server refuses before a handler sees it has the shape of its route, and the kind of its status. */
static void test_what_is_malformed(void **state)
{
	struct arena a;
	struct buf body;

	(void)state;
	for (int code = 400; code <= 503; code += 103) {
		struct exchange ex = { .path = B("/inference"), .user = &worker, .arena = &a };

		arena_init(&a, 1 << 16);
		buf_init(&body, 1 << 16);
		api_malformed(&ex, code, "why", &body);
		buf_putc(&body, 0);
		assert_string_equal(
			body.data,
			code == 503
				? "{\"error\":\"why\",\"error_json\":{\"InternalError\":{\"message\":\"why\"}}}"
				: "{\"error\":\"why\",\"error_json\":{\"InvalidRequest\":{\"message\":\"why\"}}}");
		buf_deinit(&body);
		arena_deinit(&a);
	}
}

static void test_the_other_routes(void **state)
{
	(void)state;
	walk("GET /v1/models HTTP/1.1\r\n\r\n", false, false);
	walk("GET /v1/models/fa%73t HTTP/1.1\r\n\r\n", false, false);
	walk("GET /health HTTP/1.1\r\n\r\n", false, false);
	walk("GET /status HTTP/1.1\r\n\r\n", false, true);
	walk("GET /metrics HTTP/1.1\r\n\r\n", false, true);
}
#endif

int main(void)
{
#ifdef SIGNET_FAULTS
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_answers),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_fallbacks),
		cmocka_unit_test(test_signed_calls),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_the_other_routes),
		cmocka_unit_test(test_what_is_malformed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
#else
	return 0; /* a release build injects nothing */
#endif
}
