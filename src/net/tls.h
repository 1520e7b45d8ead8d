/*
 * TLS for the client: certificates and names are always checked, TLS 1.2 at least, sessions are resumed.
 * Works on a non-blocking descriptor; whoever calls does the waiting.
 */
#ifndef SIGNET_NET_TLS_H
#define SIGNET_NET_TLS_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "base/bytes.h"

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_CLOSED, /* the peer closed */
	TLS_FAILED, /* the error is set: ERR_IO (not trusted, handshake), ERR_PROTOCOL */
};

/* Checks that the file can be read as certificates; NULL asks SSL_CERT_FILE. -1: ERR_CONFIG. */
int tls_check_ca_file(const char *ca_file);

/* A new connection; the context is shared by the process and loaded at the first use (waits then).
 * `on_session` is told of each session that can be resumed and takes its reference. NULL: error set. */
SSL *tls_new(const char *ca_file, int fd, struct bytes host, SSL_SESSION *resume,
	     void (*on_session)(void *, SSL_SESSION *), void *arg);
void tls_free(SSL *, bool healthy); /* healthy: says goodbye to the peer */

/* Runs on the thread's own stack when called from a fiber: certificates take more than a fiber has. */
enum tls_result tls_handshake(SSL *, struct bytes host);
enum tls_result tls_read(SSL *, char *to, size_t room, size_t *n);
enum tls_result tls_write(SSL *, struct bytes, size_t *n);

#endif
