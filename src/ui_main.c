/*
 * `signet ui`: serves the web application's files at / and passes on to a gateway what its pages ask for, no more.
 * It keeps nothing. One thread is enough for people; streams go through piece by piece.
 * The trap: the gateway trusts its own machine (ui §7). To it every request from here comes from there, so this
 * process judges its peer itself and marks what is not local with x-signet-remote, which the gateway never takes as
 * local; and it refuses foreign origins here, where the browser's own origin is known.
 */
#include "ui_main.h"

#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/ui.h"
#include "base/error.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/process.h"
#include "fiber/loop.h"
#include "net/http_client.h"
#include "net/socket.h"
#include "net/web_origin.h"
#include "serve_args.h"
#include "ui_sign_in_main.h"

#define CONNECT_MS     5000
#define HEAD_MS        120000 /* a Playground's plain answer takes its time */
#define MAX_BODY       (100u << 20)
#define MAX_HEADERS    64
#define MAX_CLIENTS    1024
#define END_MS         3000 /* what running requests may still take */
#define URL_MEMORY     (64u << 10)
#define DEFAULT_LISTEN "127.0.0.1:4000"

static const char help[] =
	"signet ui: serves the web application before a gateway that runs elsewhere\n"
	"\n"
	"usage: signet ui --gateway-url URL [--bind-address 127.0.0.1:4000]\n"
	"       signet ui link            makes a link that signs in once\n"
	"       signet ui hash-password   prints the hash of a password, for [ui.users]\n"
	"\n"
	"  --gateway-url URL        the gateway (also TENSORZERO_GATEWAY_URL)\n"
	"  --bind-address IP:PORT   where to listen (also SIGNET_UI_BIND_ADDRESS); port 0: a free one\n"
	"  --help                   this text\n"
	"\n"
	"The gateway serves the same pages itself, at /ui. TENSORZERO_UI_READ_ONLY=1 lets nobody change or\n"
	"spend anything, TENSORZERO_UI_LOG_LEVEL sets what is logged; the other variables and flags of\n"
	"TensorZero's UI container are accepted and not used.\n"
	"\n"
	"Exit status: 0 ended by SIGTERM or SIGINT, 1 the start was refused (the reason is on standard\n"
	"error), 2 wrong usage.\n"
	"\n"
	"  signet ui --gateway-url http://localhost:3000\n";

static struct {
	struct url gateway; /* its target: what stands before every path */
	struct http_client *client;
	struct http_server *server;
	struct loop *loop;
	bool read_only, ending;
	uv_signal_t signals[2];
} ui;

/* ---- what is passed on ---- */

/* What a read-only UI shows nobody: it is for administrators. */
static const char *const for_admins[] = { "/internal/signet/keys", "/internal/signet/sessions",
					  "/internal/signet/audit" };

/* Headers of a request that end at this hop, or that this process makes anew. */
static const char *const dropped[] = { "host",
				       "connection",
				       "content-length",
				       "transfer-encoding",
				       "upgrade",
				       "te",
				       "trailer",
				       "keep-alive",
				       "accept-encoding",
				       "expect",
				       "forwarded",
				       "via",
				       "x-signet-remote",
				       "content-encoding",
				       "origin",
				       "authorization",
				       "proxy-authorization" };

/* Headers of an answer that the pages look at. */
static const char *const answered[] = { "cache-control",         "etag",
					"content-range",         "accept-ranges",
					"content-disposition",   "set-cookie",
					"retry-after",           "x-request-id",
					"x-signet-inference-id", "x-signet-model",
					"x-signet-provider",     "x-tensorzero-gateway-version" };

static bool is_one_of(struct bytes name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_ieq(name, bytes_of(list[i])))
			return true;
	return false;
}

static bool changes(const struct exchange *ex)
{
	return !bytes_eq(ex->method, B("GET")) && !ex->head;
}

/* ---- who asks ---- */

static bool is_forwarding(struct bytes name)
{
	return bytes_ieq(name, B("forwarded")) || bytes_ieq(name, B("via")) ||
	       bytes_istarts(name, B("x-forwarded-"));
}

static bool peer_is_loopback(const struct exchange *ex)
{
	struct sockaddr_storage a = { 0 };
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a;

	if (!exchange_peer(ex, &a))
		return false;
	if (a.ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return a.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_remote(const struct exchange *ex)
{
	for (size_t i = 0; i < ex->nheaders; i++)
		if (is_forwarding(ex->headers[i].name))
			return true;
	return !peer_is_loopback(ex) || !web_host_is_local(exchange_get(ex, B("host")));
}

/* A page of another site asks: its origin is not where this request went. */
static bool is_foreign(const struct exchange *ex)
{
	struct bytes origin = exchange_get(ex, B("origin"));
	ptrdiff_t at = bytes_find(origin, B("://"));
	struct bytes site = exchange_get(ex, B("sec-fetch-site"));

	if (bytes_set(site) && !bytes_eq(site, B("same-origin")) && !bytes_eq(site, B("none")))
		return true;
	return bytes_set(origin) &&
	       (at < 0 || !bytes_ieq(bytes_slice(origin, (size_t)at + 3, origin.n),
				     exchange_get(ex, B("host"))));
}

/* ---- passing on ---- */

static void refuse(struct exchange *ex, int status, const char *why)
{
	struct buf out;

	buf_init(&out, URL_MEMORY);
	exchange_header(ex, B("cache-control"), B("no-store"));
	if (!buf_append(&out, B("{\"error\":")) && !buf_json_string(&out, bytes_of(why)) &&
	    !buf_putc(&out, '}'))
		exchange_respond(ex, status, B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

static size_t copy_headers(const struct exchange *ex, struct http_header *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ex->nheaders && n < MAX_HEADERS - 1; i++) {
		struct bytes name = ex->headers[i].name;

		if (!is_one_of(name, dropped, COUNT(dropped)) && !is_forwarding(name))
			out[n++] = ex->headers[i];
	}
	if (is_remote(ex))
		out[n++] = (struct http_header){ B("x-signet-remote"), B("1") };
	return n;
}

/* The answer's body, as it comes. */
static void pass_body(struct exchange *ex, struct http_call *call, int status)
{
	struct bytes piece;
	int r;

	if (exchange_stream_begin(ex, status, http_call_header(call, B("content-type"))))
		return;
	while ((r = http_call_read(call, &piece)) > 0)
		if (exchange_stream_write(ex, piece) || exchange_stream_flush(ex))
			return;
	if (r < 0)
		exchange_abort(ex);
	else
		exchange_stream_end(ex);
}

static void pass_answer(struct exchange *ex, struct http_call *call)
{
	int status = http_call_status(call);

	for (size_t i = 0; i < COUNT(answered); i++) {
		struct bytes name = bytes_of(answered[i]), value = http_call_header(call, name);

		if (bytes_set(value))
			exchange_header(ex, name, value);
	}
	if (status == 204 || status == 304 || ex->head)
		exchange_respond(ex, status, (struct bytes){ 0 }, B(""));
	else
		pass_body(ex, call, status);
}

static struct http_call *send_on(struct exchange *ex, struct bytes body)
{
	struct http_header headers[MAX_HEADERS];
	struct url url = ui.gateway;
	struct http_send send = { .url = &url,
				  .method = ex->method,
				  .headers = headers,
				  .nheaders = copy_headers(ex, headers),
				  .body = body,
				  .head_deadline = clock_mono_ms() + HEAD_MS,
				  .arena = ex->arena };
	struct http_call *call;

	url.target = arena_printf(ex->arena, "%.*s%.*s", BFMT(ui.gateway.target), BFMT(ex->target));
	if (!bytes_set(url.target))
		return NULL;
	call = http_send(ui.client, &send);
	if (!call && error_last()->kind == ERR_STALE) {
		send.fresh = true;
		call = http_send(ui.client, &send);
	}
	return call;
}

static void pass(struct exchange *ex)
{
	struct bytes body = B("");
	struct http_call *call;

	if (changes(ex) && is_foreign(ex)) {
		refuse(ex, 403, "This request comes from a page of another site.");
		return;
	}
	if (changes(ex) && exchange_body(ex, &body)) {
		refuse(ex, error_kind_status(error_last()->kind),
		       "The request's body could not be read.");
		return;
	}
	call = send_on(ex, body);
	if (call) {
		pass_answer(ex, call);
		http_call_close(call);
		return;
	}
	if (ex->client_gone)
		return;
	log_warn("ui", "the gateway was not reached", LB("error", error_last()->message));
	exchange_header(ex, B("x-signet-ui"), B("gateway-down"));
	refuse(ex, 502, "The gateway does not answer. Is it running, and is --gateway-url right?");
}

/* ---- the door ---- */

static bool read_only_forbids(const struct exchange *ex)
{
	struct bytes path = ex->path;

	for (size_t i = 0; i < COUNT(for_admins); i++)
		if (bytes_starts(path, bytes_of(for_admins[i])))
			return true;
	return changes(ex) && !bytes_eq(path, B("/internal/signet/session"));
}

static void answer(struct exchange *ex)
{
	static const struct ui_place here = { .base = { "", 0 } };
	static const struct ui_place here_read_only = { .base = { "", 0 }, .read_only = true };

	if (bytes_eq(ex->path, B("/health")))
		exchange_respond(ex, 200, (struct bytes){ 0 }, B(""));
	else if (ui_asks_for(ex->path) && ui.read_only && read_only_forbids(ex))
		refuse(ex, 403, "This UI is read-only (TENSORZERO_UI_READ_ONLY).");
	else if (ui_asks_for(ex->path))
		pass(ex);
	else if (changes(ex))
		refuse(ex, 405, "Only the gateway's own routes take this method.");
	else
		ui_serve(ex, ui.read_only ? &here_read_only : &here,
			 bytes_slice(ex->path, 1, ex->path.n));
}

/* ---- start and end ---- */

static void end_fiber(void *unused)
{
	uint64_t until = clock_mono_ms() + END_MS;

	(void)unused;
	http_server_drain(ui.server);
	while (http_server_running(ui.server) && clock_mono_ms() < until)
		fiber_sleep(20);
	http_server_cancel_all(ui.server);
	loop_stop(ui.loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)handle;
	if (ui.ending)
		_exit(128 + number);
	ui.ending = true;
	for (size_t i = 0; i < COUNT(ui.signals); i++)
		uv_close((uv_handle_t *)&ui.signals[i], NULL);
	if (!fiber_spawn("end", end_fiber, NULL))
		_exit(1);
}

static const char *env_of(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* Variables and flags that have no meaning here, but are in compose files. */
static void log_unused(const char *config_file, bool default_config)
{
	static const char *const names[] = {
		"TENSORZERO_POSTGRES_URL",      "TENSORZERO_CLICKHOUSE_URL",
		"TENSORZERO_UI_CONFIG_PATH",    "TENSORZERO_UI_CONFIG_FILE",
		"TENSORZERO_UI_DEFAULT_CONFIG", "TENSORZERO_API_KEY"
	};
	bool any = config_file || default_config;

	for (size_t i = 0; i < COUNT(names); i++)
		any |= env_of(names[i]) != NULL;
	if (any)
		log_info(
			"ui",
			"configuration, databases and keys are the gateway's: what names them here is not used");
}

static void set_log(void)
{
	const char *level = env_of("TENSORZERO_UI_LOG_LEVEL");
	const char *own = env_of("SIGNET_LOG");

	if (level && !strcmp(level, "trace"))
		level = "debug";
	if (log_setup(LOG_AUTO, own ? own : level))
		log_setup(LOG_AUTO, NULL);
}

/* -1: go on. */
static int gateway_of(const struct command *command, const char *text, struct arena *arena)
{
	if (!text) {
		fprintf(stderr,
			"signet ui: set TENSORZERO_GATEWAY_URL (or --gateway-url) to the gateway's address, such as http://localhost:3000\n");
		return 1;
	}
	if (url_parse(bytes_of(text), arena, &ui.gateway))
		return flags_wrong(command, "--gateway-url %s: %.*s", text,
				   BFMT(error_last()->message));
	if (bytes_ends(ui.gateway.target, B("/")))
		ui.gateway.target.n--;
	return -1;
}

static int listen_at(struct sockaddr_storage *addr, socklen_t n)
{
	const struct http_server_options options = { .handler = answer,
						     .max_connections = MAX_CLIENTS,
						     .max_header_bytes = 64u << 10,
						     .max_headers = MAX_HEADERS * 2,
						     .max_body = MAX_BODY,
						     .body_memory = 4 * (size_t)MAX_BODY,
						     .header_timeout_ms = 10000,
						     .body_idle_ms = 30000,
						     .keepalive_ms = 75000,
						     .write_idle_ms = 300000 };
	const struct http_client_options client = {
		.connect_timeout_ms = CONNECT_MS, .idle_ms = 30000, .max_idle = 64, .dns_ttl_s = 10
	};

	if (http_bind_test((struct sockaddr *)addr, n))
		return -1;
	ui.loop = loop_new(0);
	ui.client = ui.loop ? http_client_new(&client) : NULL;
	ui.server = ui.client ? http_server_listen((struct sockaddr *)addr, n, &options) : NULL;
	return ui.server ? 0 : -1;
}

static int serve_pages(struct sockaddr_storage *addr, socklen_t n)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	char text[32 + SOCK_ADDRESS_TEXT] = "the web UI is at http://";
	int bad = listen_at(addr, n);

	if (!bad) {
		for (size_t i = 0; i < COUNT(ui.signals); i++) {
			uv_signal_init(loop_uv(ui.loop), &ui.signals[i]);
			uv_signal_start(&ui.signals[i], on_signal, numbers[i]);
		}
		sock_address_text((struct sockaddr *)addr, text + strlen(text));
		log_info("ui", text);
		loop_run(ui.loop);
	} else {
		flags_failed("");
	}
	if (ui.server)
		http_server_free(ui.server);
	if (ui.client)
		http_client_free(ui.client);
	if (ui.loop)
		loop_free(ui.loop);
	return bad ? 1 : 0;
}

static int pages_main(int argc, char **argv)
{
	const char *url = env_of("TENSORZERO_GATEWAY_URL"), *config_file = NULL;
	const char *bind = env_of("SIGNET_UI_BIND_ADDRESS"),
		   *read_only = env_of("TENSORZERO_UI_READ_ONLY");
	bool default_config = false;
	const struct flag flags[] = {
		{ "--gateway-url", .text = &url },
		{ "--bind-address", .text = &bind },
		{ "--config-file", .text = &config_file },
		{ "--default-config", .on = &default_config },
	};
	const struct command command = { "signet ui", help, flags, COUNT(flags), false };
	int status = flags_read(&command, argc, argv);
	struct sockaddr_storage addr;
	struct arena arena;
	socklen_t n;

	if (status >= 0)
		return status;
	arena_init(&arena, URL_MEMORY);
	set_log();
	signal(SIGPIPE, SIG_IGN);
	process_raise_file_limit();
	ui.read_only = read_only && strcmp(read_only, "0") != 0;
	status = gateway_of(&command, url, &arena);
	if (status < 0 && !sock_address_parse(bytes_of(bind ? bind : DEFAULT_LISTEN), &addr, &n))
		status = flags_wrong(&command,
				     "--bind-address %s: write 127.0.0.1:4000 or [::]:4000", bind);
	if (status < 0) {
		log_unused(config_file, default_config);
		status = serve_pages(&addr, n);
	}
	error_slot_deinit(error_last());
	arena_deinit(&arena);
	log_flush();
	return status;
}

int ui_main(int argc, char **argv)
{
	if (argc > 0 && !strcmp(argv[0], "link"))
		return ui_link_main(argc - 1, argv + 1);
	if (argc > 0 && !strcmp(argv[0], "hash-password"))
		return ui_hash_password_main(argc - 1, argv + 1);
	return pages_main(argc, argv);
}
