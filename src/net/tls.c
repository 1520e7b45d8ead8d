/*
 * OpenSSL 3 on the socket's own descriptor (a memory BIO would copy every record once more). Read-ahead
 * takes header and record in one system call; the 16 KiB buffers go while a connection is idle.
 *
 * Traps. The error queue is the thread's: it is cleared before each call, or an old failure is taken for a
 * new one. SSL_free without a shutdown marks the session as not resumable. TLS 1.3 tickets come after the
 * handshake, with the first read: on_session may be called at any time while the connection lives.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fault.h"
#include "fiber/fiber.h"

#define CA_SMALL     16384
#define CONTEXTS_MAX 4 /* one a CA file; a reload may bring another */

struct context {
	char *ca_file; /* NULL: the system's */
	SSL_CTX *ssl;
};

struct session_target {
	void (*fn)(void *, SSL_SESSION *);
	void *arg;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context contexts[CONTEXTS_MAX];
static size_t ncontexts;
static int target_index = -1;

static const char *why(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	return reason ? reason : "unknown reason";
}

static const char *or_environment(const char *ca_file)
{
	const char *e = ca_file && *ca_file ? ca_file : getenv("SSL_CERT_FILE");

	return e && *e ? e : NULL;
}

static int on_new_session(SSL *ssl, SSL_SESSION *s)
{
	struct session_target *t = SSL_get_ex_data(ssl, target_index);

	if (!t)
		return 0;
	t->fn(t->arg, s);
	return 1; /* the reference is theirs now */
}

static SSL_CTX *context_make(const char *ca_file)
{
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());
	static const unsigned char alpn[] = { 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };

	if (!c)
		return fail_null(ERR_OUT_OF_MEMORY, "out of memory");
	if (ca_file ? SSL_CTX_load_verify_locations(c, ca_file, NULL) != 1
		    : SSL_CTX_set_default_verify_paths(c) != 1) {
		fail(ERR_CONFIG, "cannot read the certificates of %s: %s",
		     ca_file ? ca_file : "the system", why());
		SSL_CTX_free(c);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_alpn_protos(c, alpn, sizeof alpn);
	SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, on_new_session);
	return c;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && bytes_eq(bytes_of(a), bytes_of(b)));
}

/* With the lock held. */
static SSL_CTX *find_context(const char *ca_file)
{
	for (size_t i = 0; i < ncontexts; i++)
		if (same(contexts[i].ca_file, ca_file))
			return contexts[i].ssl;
	return NULL;
}

/* With the lock held: makes it and keeps it for the life of the process. */
static SSL_CTX *add(const char *ca_file)
{
	char *name = ca_file && !fault("ca_name") ? strdup(ca_file) : NULL;
	SSL_CTX *c = NULL;

	ERR_clear_error();
	if (ncontexts == CONTEXTS_MAX)
		fail(ERR_CONFIG, "too many different CA files");
	else if (ca_file && !name)
		fail(ERR_OUT_OF_MEMORY, "out of memory");
	else
		c = context_make(ca_file);
	if (c)
		contexts[ncontexts++] = (struct context){ name, c };
	else
		free(name);
	return c;
}

struct loading {
	const char *ca_file;
	SSL_CTX *context;
};

static void load(void *arg)
{
	struct loading *l = arg;

	pthread_mutex_lock(&lock);
	if (target_index < 0)
		target_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	l->context = find_context(l->ca_file);
	if (!l->context)
		l->context = add(l->ca_file);
	pthread_mutex_unlock(&lock);
}

/* The shared context of that file. In a fiber its first use waits: hundreds of certificates are read. */
static SSL_CTX *context_for(const char *ca_file)
{
	struct loading l = { .ca_file = or_environment(ca_file) };

	pthread_mutex_lock(&lock);
	l.context = find_context(l.ca_file);
	pthread_mutex_unlock(&lock);
	return l.context || !offload(load, &l) ? l.context : NULL;
}

/* A bundle of all authorities takes some 30 ms to parse, which a start without TLS need not pay: large files
 * are only looked into. */
int tls_check_ca_file(const char *ca_file)
{
	char head[CA_SMALL];
	FILE *f;
	size_t n;

	ca_file = or_environment(ca_file);
	if (!ca_file)
		return 0;
	f = fopen(ca_file, "re");
	if (!f)
		return fail(ERR_CONFIG, "cannot read the certificates of %s: %s", ca_file,
			    strerror(errno));
	n = fread(head, 1, sizeof head, f);
	fclose(f);
	if (n < sizeof head)
		return context_for(ca_file) ? 0 : -1;
	if (bytes_find((struct bytes){ head, n }, B("-----BEGIN ")) < 0)
		return fail(ERR_CONFIG, "cannot read the certificates of %s: no PEM", ca_file);
	return 0;
}

static bool name_the_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
	unsigned char ip[16];

	if (inet_pton(AF_INET, host, ip) == 1 || inet_pton(AF_INET6, host, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(p, host) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set_tlsext_host_name(ssl, host) == 1 &&
	       X509_VERIFY_PARAM_set1_host(p, host, 0) == 1;
}

SSL *tls_new(const char *ca_file, int fd, struct bytes host, SSL_SESSION *resume,
	     void (*on_session)(void *, SSL_SESSION *), void *arg)
{
	SSL_CTX *context = context_for(ca_file);
	struct session_target *t;
	char name[256];
	SSL *ssl;

	if (!context)
		return NULL;
	if (host.n >= sizeof name)
		return fail_null(ERR_IO, "TLS: the host name is too long");
	memcpy(name, host.p, host.n);
	name[host.n] = 0;
	ERR_clear_error();
	ssl = fault("tls") ? NULL : SSL_new(context);
	t = malloc(sizeof *t);
	if (!ssl || !t || !SSL_set_fd(ssl, fd) || !SSL_set_ex_data(ssl, target_index, t) ||
	    !name_the_host(ssl, name)) {
		SSL_free(ssl);
		free(t);
		return fail_null(ERR_OUT_OF_MEMORY, "TLS: out of memory");
	}
	*t = (struct session_target){ on_session, arg };
	if (resume)
		SSL_set_session(ssl, resume);
	SSL_set_connect_state(ssl);
	return ssl;
}

void tls_free(SSL *ssl, bool healthy)
{
	if (!ssl)
		return;
	ERR_clear_error();
	if (!healthy)
		SSL_set_quiet_shutdown(ssl, 1);
	SSL_shutdown(ssl);
	free(SSL_get_ex_data(ssl, target_index));
	SSL_set_ex_data(ssl, target_index, NULL);
	SSL_free(ssl);
	ERR_clear_error();
}

static enum tls_result result_of(SSL *ssl, int r)
{
	switch (SSL_get_error(ssl, r)) {
	case SSL_ERROR_NONE: return TLS_OK;
	case SSL_ERROR_WANT_READ: return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE: return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN: return TLS_CLOSED;
	case SSL_ERROR_SYSCALL: return TLS_CLOSED;
	default:
		/* Closing without a close_notify is common; framing tells whether bytes are missing. */
		if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return TLS_CLOSED;
		fail(ERR_PROTOCOL, "TLS: %s", why());
		return TLS_FAILED;
	}
}

struct shake {
	SSL *ssl;
	struct bytes host;
	enum tls_result result;
};

static void shake(void *arg)
{
	struct shake *s = arg;
	long verdict;

	ERR_clear_error();
	s->result = result_of(s->ssl, SSL_do_handshake(s->ssl));
	if (s->result != TLS_FAILED && s->result != TLS_CLOSED)
		return;
	verdict = SSL_get_verify_result(s->ssl);
	if (verdict != X509_V_OK)
		fail(ERR_IO, "TLS: the certificate of %.*s is not accepted: %s", BFMT(s->host),
		     X509_verify_cert_error_string(verdict));
	else if (s->result == TLS_CLOSED)
		fail(ERR_IO, "TLS: %.*s closed the connection during the handshake", BFMT(s->host));
	else
		fail(ERR_IO, "TLS handshake with %.*s: %s", BFMT(s->host), why());
	s->result = TLS_FAILED;
}

enum tls_result tls_handshake(SSL *ssl, struct bytes host)
{
	struct shake s = { .ssl = ssl, .host = host };

	fiber_on_thread_stack(shake, &s);
	return s.result;
}

enum tls_result tls_read(SSL *ssl, char *to, size_t room, size_t *n)
{
	ERR_clear_error();
	return result_of(ssl, SSL_read_ex(ssl, to, room, n));
}

enum tls_result tls_write(SSL *ssl, struct bytes b, size_t *n)
{
	ERR_clear_error();
	*n = 0;
	return result_of(ssl, SSL_write_ex(ssl, b.p, b.n, n));
}
