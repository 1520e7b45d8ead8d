/* Who may call /internal/signet (ui §7). */
#ifndef SIGNET_API_GUARD_H
#define SIGNET_API_GUARD_H

#include "net/http_server.h"

/* What a caller of /internal/signet may do; each includes those before it (ui §7). (`enum role` is a message's.) */
enum guard_role { ROLE_NONE, ROLE_VIEWER, ROLE_EDITOR, ROLE_ADMIN };
/* Whether the caller has this role. If not, 401 or 403 was answered. Waits. */
bool guard_admits(struct exchange *, enum guard_role needed);

#endif
