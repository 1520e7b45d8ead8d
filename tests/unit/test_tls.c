/*
 * TLS of the client against servers whose certificates are made here: a good one, one of an unknown
 * authority, an expired one, one for another name.
 */
#include <dlfcn.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net_harness.h"

#include "base/arena.h"
#include "base/fault.h"
#include "net/tls.h"

struct identity {
	EVP_PKEY *key;
	X509 *cert;
};

static struct identity authority, good, expired, wrong_host, by_address, unknown;
static char ca_path[] = "/tmp/signet-test-ca-XXXXXX";

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* A certificate for `san`, or an authority when that is NULL. Self-signed without `by`. */
static struct identity issue(const char *cn, const char *san, const struct identity *by, long days)
{
	static long serial = 1;
	struct identity id = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *name = X509_get_subject_name(id.cert);

	X509_set_version(id.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
	X509_gmtime_adj(X509_getm_notBefore(id.cert), -3L * 86400);
	X509_gmtime_adj(X509_getm_notAfter(id.cert), days * 86400);
	X509_set_pubkey(id.cert, id.key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(id.cert, by ? X509_get_subject_name(by->cert) : name);
	if (san)
		add_ext(id.cert, by ? by->cert : id.cert, NID_subject_alt_name, san);
	else
		add_ext(id.cert, id.cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(id.cert, by ? by->key : id.key, EVP_sha256()) > 0);
	return id;
}

static void identity_free(struct identity *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
}

static int make_certificates(void **state)
{
	int fd = mkstemp(ca_path);
	FILE *f = fdopen(fd, "w");

	(void)state;
	authority = issue("Test CA", NULL, NULL, 10);
	good = issue("localhost", "DNS:localhost", &authority, 10);
	expired = issue("localhost", "DNS:localhost", &authority, -1);
	wrong_host = issue("localhost", "DNS:example.org", &authority, 10);
	by_address = issue("x", "IP:127.0.0.1", &authority, 10);
	unknown = issue("localhost", "DNS:localhost", NULL, 10);
	PEM_write_X509(f, authority.cert);
	fclose(f);
	return 0;
}

static int drop_certificates(void **state)
{
	(void)state;
	unlink(ca_path);
	identity_free(&authority);
	identity_free(&good);
	identity_free(&expired);
	identity_free(&wrong_host);
	identity_free(&by_address);
	identity_free(&unknown);
	return 0;
}

/* ---- the server: blocking, a thread a test ---- */

static struct {
	int listen, connections, resumed, requests_each;
	uint16_t port;
	const struct identity *id;
	int max_version;
	char sni[64], alpn[16];
	bool proxy;   /* speaks CONNECT before TLS */
	bool refuses; /* the first request: answers it and is gone, most of it unread */
	bool pauses;  /* in the middle of the answer's second record */
	clock_t busy; /* all threads, meanwhile */
	char connect[200];
	pthread_t thread;
} up;

static int choose_alpn(SSL *s, const unsigned char **out, unsigned char *outlen,
		       const unsigned char *in, unsigned int inlen, void *arg)
{
	(void)s;
	(void)arg;
	(void)inlen;
	*out = in + 1;
	*outlen = in[0];
	return SSL_TLSEXT_ERR_OK;
}

/* Reads up to the blank line of a request with the body "{}". */
static bool read_request(SSL *s)
{
	char b[4096];
	size_t n = 0;

	while (n < 2 || memcmp(b + n - 2, "{}", 2)) {
		int r = SSL_read(s, b + n, (int)(sizeof b - n));

		if (r <= 0)
			return false;
		n += (size_t)r;
	}
	return true;
}

static void refuse_one(SSL *s)
{
	static const char answer[] =
		"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 3\r\n\r\nbig";
	char b[1024];
	int on = 1; /* what waits to be sent when the socket is closed is lost */

	setsockopt(SSL_get_fd(s), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (SSL_read(s, b, sizeof b) > 0)
		SSL_write(s, answer, sizeof answer - 1);
	up.refuses = false;
}

/* The first record and a part of the second leave together, its rest a second later. */
static void answer_in_parts(SSL *s, int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
	BIO *made = BIO_new(BIO_s_mem());
	char *p;
	long n;

	SSL_set0_wbio(s, made);
	SSL_write(s, head, sizeof head - 1);
	SSL_write(s, "again", 5);
	n = BIO_get_mem_data(made, &p);
	say_n(fd, p, (size_t)n - 7);
	up.busy = clock();
	sleep(1);
	up.busy = clock() - up.busy;
	say_n(fd, p + n - 7, 7);
	BIO_up_ref(SSL_get_rbio(s));
	SSL_set0_wbio(s, SSL_get_rbio(s));
}

static void serve_one(SSL_CTX *ctx, int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	SSL *s = SSL_new(ctx);
	const unsigned char *alpn;
	const char *sni;
	unsigned n;

	SSL_set_fd(s, fd);
	if (SSL_accept(s) == 1) {
		up.resumed += SSL_session_reused(s);
		sni = SSL_get_servername(s, TLSEXT_NAMETYPE_host_name);
		snprintf(up.sni, sizeof up.sni, "%s", sni ? sni : "");
		SSL_get0_alpn_selected(s, &alpn, &n);
		snprintf(up.alpn, sizeof up.alpn, "%.*s", (int)n, alpn ? (const char *)alpn : "");
		if (up.refuses)
			refuse_one(s);
		else if (up.pauses && read_request(s))
			answer_in_parts(s, fd);
		else
			for (int i = 0; i < up.requests_each && read_request(s); i++) {
				SSL_write(s, head, sizeof head - 1);
				SSL_write(s, "5\r\nhello\r\n", 10);
				SSL_write(s, "0\r\n\r\n", 5);
			}
		SSL_shutdown(s);
	}
	SSL_free(s);
	ERR_clear_error();
}

static void *serve(void *arg)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	(void)arg;
	SSL_CTX_use_certificate(ctx, up.id->cert);
	SSL_CTX_use_PrivateKey(ctx, up.id->key);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	if (up.max_version)
		SSL_CTX_set_max_proto_version(ctx, up.max_version);
	SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0");
	for (int i = 0; i < up.connections; i++) {
		int fd = accept(up.listen, NULL, NULL);

		if (up.proxy) {
			char *got = hear(fd, "\r\n\r\n", 3000);

			snprintf(up.connect, sizeof up.connect, "%s", got);
			free(got);
			say(fd, "HTTP/1.1 200 Connection established\r\n\r\n");
		}
		serve_one(ctx, fd);
		close(fd);
	}
	SSL_CTX_free(ctx);
	return NULL;
}

static void up_start(const struct identity *id, int connections)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof a;

	memset(&up, 0, sizeof up);
	up.id = id;
	up.connections = connections;
	up.requests_each = 1;
	up.listen = socket(AF_INET, SOCK_STREAM, 0);
	bind(up.listen, (struct sockaddr *)&a, sizeof a);
	listen(up.listen, 16);
	getsockname(up.listen, (struct sockaddr *)&a, &len);
	up.port = ntohs(a.sin_port);
}

/* ---- the calls ---- */

static char url[100], message[300], body[32];
static int kind, calls, reused;

static void nothing(struct exchange *ex)
{
	exchange_respond(ex, 404, (struct bytes){ 0 }, B(""));
}

static void run_calls(struct harness *h)
{
	for (int i = 0; i < calls; i++) {
		struct arena a;
		struct url u;
		struct http_call *c;
		struct bytes b = B("");
		struct http_send s = { .url = &u,
				       .method = B("POST"),
				       .body = B("{}"),
				       .head_deadline = clock_mono_ms() + 5000,
				       .arena = &a };

		kind = ERR_NONE;
		arena_init(&a, 1 << 20);
		if (url_parse(bytes_of(url), &a, &u) || !(c = http_send(h->client, &s))) {
			kind = error_last()->kind;
			snprintf(message, sizeof message, "%.*s", BFMT(error_last()->message));
		} else {
			if (http_call_read_all(c, 1000, &b))
				kind = error_last()->kind;
			reused += http_call_reused(c);
			http_call_close(c);
			snprintf(body, sizeof body, "%.*s", BFMT(b));
		}
		arena_deinit(&a);
		fiber_sleep(30);
	}
}

/* One call after the other, without a turn of the loop between them. */
static void run_large_then_small(struct harness *h)
{
	static char large[8 << 20];
	struct bytes bodies[] = { { large, sizeof large }, B("{}") }, b = B("");

	memset(large, 'x', sizeof large);
	for (int i = 0; i < 2; i++) {
		struct arena a;
		struct url u;
		struct http_call *c = NULL;
		struct http_send s = { .url = &u,
				       .method = B("POST"),
				       .body = bodies[i],
				       .head_deadline = clock_mono_ms() + 5000,
				       .arena = &a };

		kind = ERR_NONE;
		arena_init(&a, 1 << 20);
		if (!url_parse(bytes_of(url), &a, &u))
			c = http_send(h->client, &s);
		if (!c || http_call_read_all(c, 1000, &b)) {
			kind = error_last()->kind;
			snprintf(message, sizeof message, "%.*s", BFMT(error_last()->message));
		} else {
			snprintf(body + strlen(body), sizeof body - strlen(body), "%d %.*s ",
				 http_call_status(c), BFMT(b));
		}
		reused += c && http_call_reused(c);
		if (c)
			http_call_close(c);
		arena_deinit(&a);
	}
}

static void (*job)(struct harness *) = run_calls;

static void call_host(const char *host, int n, const char *ca, const char *proxy)
{
	struct harness h;

	harness_init(&h, nothing);
	h.want_client = true;
	h.client_options.ca_file = ca;
	h.client_options.https_proxy = proxy;
	calls = n;
	reused = 0;
	body[0] = message[0] = 0;
	snprintf(url, sizeof url, "https://%s:%u/", host, up.port);
	pthread_create(&up.thread, NULL, serve, NULL);
	harness_start(&h);
	harness_begin(&h, job);
	harness_join(&h);
	harness_stop(&h);
	pthread_join(up.thread, NULL);
	close(up.listen);
}

static void test_a_good_certificate_is_accepted(void **state)
{
	(void)state;
	up_start(&good, 1);
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_NONE, kind);
	assert_string_equal("hello", body);
	assert_string_equal("localhost", up.sni);
	assert_string_equal("http/1.1", up.alpn);
}

static void test_connections_are_kept_alive(void **state)
{
	(void)state;
	up_start(&good, 1);
	up.requests_each = 3;
	call_host("localhost", 3, ca_path, NULL);
	assert_string_equal("hello", body);
	assert_int_equal(2, reused);
}

static void test_an_address_is_checked_against_the_addresses(void **state)
{
	(void)state;
	up_start(&by_address, 1);
	call_host("127.0.0.1", 1, ca_path, NULL);
	assert_int_equal(ERR_NONE, kind);
	assert_string_equal("hello", body);
	assert_string_equal("", up.sni);
	up_start(&good, 1);
	call_host("127.0.0.1", 1, ca_path, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_string_equal(
		"TLS: the certificate of 127.0.0.1 is not accepted: IP address mismatch", message);
}

static void test_sessions_are_resumed(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (int i = 0; i < 2; i++) {
		up_start(&good, 4);
		up.max_version = versions[i];
		call_host("localhost", 4, ca_path, NULL);
		assert_string_equal("hello", body);
		assert_int_equal(3, up.resumed);
	}
}

static void test_an_unknown_authority_is_refused(void **state)
{
	(void)state;
	up_start(&unknown, 1);
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_string_equal(
		"TLS: the certificate of localhost is not accepted: self-signed certificate",
		message);
	up_start(&good, 1); /* the system does not know ours */
	call_host("localhost", 1, NULL, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_string_equal(
		"TLS: the certificate of localhost is not accepted: unable to get local issuer certificate",
		message);
}

static void test_an_expired_certificate_is_refused(void **state)
{
	(void)state;
	up_start(&expired, 1);
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_string_equal(
		"TLS: the certificate of localhost is not accepted: certificate has expired",
		message);
}

static void test_a_certificate_of_another_host_is_refused(void **state)
{
	(void)state;
	up_start(&wrong_host, 1);
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_string_equal("TLS: the certificate of localhost is not accepted: hostname mismatch",
			    message);
}

static void test_old_versions_are_refused(void **state)
{
	(void)state;
	up_start(&good, 1);
	up.max_version = TLS1_1_VERSION;
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_IO, kind);
	assert_memory_equal("TLS handshake with localhost: ", message, 30);
}

static void test_tls_goes_through_a_proxys_tunnel(void **state)
{
	char proxy[64], want[200];

	(void)state;
	up_start(&good, 1);
	up.proxy = true;
	snprintf(proxy, sizeof proxy, "http://u:p@127.0.0.1:%u/", up.port);
	call_host("localhost", 1, ca_path, proxy);
	snprintf(want, sizeof want,
		 "CONNECT localhost:%u HTTP/1.1\r\nhost: localhost:%u\r\n"
		 "proxy-authorization: Basic dTpw\r\n\r\n",
		 up.port, up.port);
	assert_string_equal(want, up.connect);
	assert_int_equal(ERR_NONE, kind);
	assert_string_equal("hello", body);
}

static void test_an_answer_before_the_request_was_read_is_the_connections_last(void **state)
{
	(void)state;
	up_start(&good, 2);
	up.refuses = true;
	job = run_large_then_small;
	call_host("localhost", 0, ca_path, NULL);
	job = run_calls;
	assert_string_equal("413 big 200 hello ", body);
	assert_int_equal(ERR_NONE, kind);
	assert_int_equal(0, reused);
}

static void test_a_record_in_parts_is_waited_for(void **state)
{
	(void)state;
	up_start(&good, 1);
	up.pauses = true;
	call_host("localhost", 1, ca_path, NULL);
	assert_int_equal(ERR_NONE, kind);
	assert_string_equal("helloagain", body);
	assert_true(up.busy < 0.1 * CLOCKS_PER_SEC); /* the loop slept meanwhile */
}

/* OpenSSL's, which fails for clients while this is set. */
static _Atomic bool writes_fail;

int SSL_write_ex(SSL *s, const void *p, size_t n, size_t *wrote)
{
	static int (*real)(SSL *, const void *, size_t, size_t *);

	if (writes_fail && !SSL_is_server(s)) {
		ERR_raise(ERR_LIB_SSL, SSL_R_BAD_LENGTH);
		return 0;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "SSL_write_ex");
	return real(s, p, n, wrote);
}

static void test_what_tls_cannot_send_says_why(void **state)
{
	(void)state;
	up_start(&good, 1);
	writes_fail = true;
	call_host("localhost", 1, ca_path, NULL);
	writes_fail = false;
	assert_int_equal(ERR_PROTOCOL, kind);
	assert_string_equal("TLS: bad length", message);
}

#ifdef SIGNET_FAULTS
static void test_without_memory_for_its_name_no_ca_file_is_taken(void **state)
{
	char path[] = "/tmp/signet-test-ca-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");

	(void)state;
	PEM_write_X509(f, authority.cert);
	fclose(f);
	fault_setup("ca_name");
	assert_int_equal(-1, tls_check_ca_file(path));
	fault_setup(NULL);
	assert_int_equal(ERR_OUT_OF_MEMORY, error_last()->kind);
	error_clear();
	assert_int_equal(0, tls_check_ca_file(path));
	unlink(path);
}
#endif

static void test_an_unreadable_ca_file_stops_the_start(void **state)
{
	(void)state;
	assert_int_equal(-1, tls_check_ca_file("/nonexistent/ca.pem"));
	assert_int_equal(ERR_CONFIG, error_last()->kind);
	assert_memory_equal("cannot read the certificates of /nonexistent/ca.pem: ",
			    error_last()->message.p, 53);
	error_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_certificate_is_accepted),
		cmocka_unit_test(test_connections_are_kept_alive),
		cmocka_unit_test(test_an_address_is_checked_against_the_addresses),
		cmocka_unit_test(test_sessions_are_resumed),
		cmocka_unit_test(test_an_unknown_authority_is_refused),
		cmocka_unit_test(test_an_expired_certificate_is_refused),
		cmocka_unit_test(test_a_certificate_of_another_host_is_refused),
		cmocka_unit_test(test_old_versions_are_refused),
		cmocka_unit_test(test_tls_goes_through_a_proxys_tunnel),
		cmocka_unit_test(
			test_an_answer_before_the_request_was_read_is_the_connections_last),
		cmocka_unit_test(test_a_record_in_parts_is_waited_for),
		cmocka_unit_test(test_what_tls_cannot_send_says_why),
#ifdef SIGNET_FAULTS
		cmocka_unit_test(test_without_memory_for_its_name_no_ca_file_is_taken),
#endif
		cmocka_unit_test(test_an_unreadable_ca_file_stops_the_start),
	};
	unsetenv("SSL_CERT_FILE");
	return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
