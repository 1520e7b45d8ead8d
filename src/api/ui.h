/*
 * The web application's files, as they stand in the binary (ui §7). They hold nothing of the record, so that whoever
 * reaches the port may have them: what a page shows comes from /internal/signet/….
 */
#ifndef SIGNET_API_UI_H
#define SIGNET_API_UI_H

#include "net/http_server.h"

/* From the build (tools/dev/ui.sh), or ui/none.c where the application was left out. */
struct ui_file {
	const char *path;       /* below the application's base, without a slash before it */
	const char *from, *end; /* gzip, but for index.html, which is edited as it leaves */
	size_t bytes;           /* unpacked */
	const char *etag;
};
extern const struct ui_file ui_files[]; /* ends with a row without path */

struct ui_place {
	struct bytes
		base; /* what stands before every path of the application: "/gw/ui", "" on a port of its own */
	bool read_only; /* the pages offer nothing that changes anything */
};

/* Answers GET and HEAD of one path below the base: a file, a redirect from a path of TensorZero's UI, or index.html,
 * which finds the page itself. Waits. */
void ui_serve(struct exchange *, const struct ui_place *, struct bytes path);
/* Whether a path (below the base path) is one of the gateway's that pages ask for: on a port of their own no other is there. */
bool ui_asks_for(struct bytes path);

#endif
