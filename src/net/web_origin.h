/* Origins of web pages (RFC 6454), as browsers send them: scheme://host, and :port if it is not the scheme's own. Pure. */
#ifndef SIGNET_NET_WEB_ORIGIN_H
#define SIGNET_NET_WEB_ORIGIN_H

#include "base/bytes.h"

/* Whether it is one: no path, no user, no list, no "null". */
bool web_origin_is_valid(struct bytes);
/* Whether it is an http(s) page of this machine: localhost, 127.0.0.0/8, [::1], any port. A name that only begins or ends
 * like one is none. */
bool web_origin_is_loopback(struct bytes);
/* Whether a Host header names this machine as it is called from here: localhost, 127.0.0.1, [::1], with a port or without. */
bool web_host_is_local(struct bytes);
/* Whether both are the same one: any case, a scheme's own port written or not. */
bool web_origin_same(struct bytes, struct bytes);

#endif
