/* Files that a request names by URL, fetched before the provider gets it (http-api §6.2, surfaces §6). */
#ifndef SIGNET_UPSTREAM_FILES_H
#define SIGNET_UPSTREAM_FILES_H

#include "upstream/upstream.h"

/*
 * Fetches what the provider shall not or cannot fetch itself: all files with gateway.fetch_and_encode_…, else those
 * that are no images. They keep their URL and get `data` and `mime_type`; an attempt that follows finds them there.
 * One URL is fetched once, however often it is named. Waits. -1: ERR_BAD_FILE_FETCH, or what files_refused() tells.
 */
int files_fetch(struct inference *, const struct provider_config *, const struct call_context *);
/* Whether files_fetch() failed with what no other provider changes: [upstream] max_files or max_files_mib is exceeded
 * (ERR_INVALID_REQUEST), memory is out (ERR_BUSY, ERR_OUT_OF_MEMORY). */
bool files_refused(void);

/* http_send() of what bears no signature: sent once more if a pooled connection was dead. */
struct http_call *send_unsigned(struct http_client *, struct http_send *);

#endif
