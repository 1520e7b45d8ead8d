/*
 * A surface: a format that clients speak, with everything that sets it apart. A row stands in the surface's own file
 * (openai.c, completions.c), the routes table of router.c points at it, and answer.c, which knows no format, walks it.
 */
#ifndef SIGNET_API_SURFACE_H
#define SIGNET_API_SURFACE_H

#include "api/errors.h"
#include "inference/envelope.h"
#include "store/store.h"
#include "wire/wire.h"

struct surface {
	struct bytes name;          /* in the record, and as the tag signet::surface */
	const char *profile;        /* as the access log and x-signet-profile name it */
	const struct surface *twin; /* the same format in the other profile; NULL: there is none */
	const struct surface_options *options; /* of reader, writers and what lies between */
	struct bytes
		model_prefix; /* of the model's name in answers; unset: the client's own word stands there */
	bool upstream_errors; /* an upstream's status and error reach the client (surfaces §1.7) */
	const struct error_face *face; /* of upstream_errors; NULL: OpenAI's */
	bool attributes;               /* headers and body say who calls (clients.h) */
	bool needs_object_storage;     /* for files */
	struct bytes ping;             /* what a silent stream gets */
	uint64_t ping_ms; /* 0: [surfaces] ping_ms, and the head may leave before the first delta */

	/* Before the body is read: may put another in its place, such as one with what was said earlier, and keeps what it
	 * needs later. NULL: nothing. -1: error set. Waits. */
	int (*begin)(struct exchange *, struct bytes *body, void **kept);
	/* Behind it: what needs the configuration or the record. NULL: nothing. -1: error set. */
	int (*admit)(struct exchange *, struct envelope *, void *kept);
	/* Rows of its own beside those of the inference; `writer` NULL: a plain answer. NULL: it has none. -1: no room. */
	int (*add_rows)(const struct answer *, const struct wire_writer *, const struct result *,
			struct record *);
	/* Reads a body. NULL: error set. Pure, like all that follow; may run on another thread. */
	struct envelope *(*read)(struct bytes body, const struct surface_options *, struct arena *);
	int (*write_result)(const struct answer *, const struct result *, struct buf *);
	/* A stream. The writer lives in the arena. */
	struct wire_writer *(*writer_new)(const struct answer *, struct arena *);
	void (*writer_free)(struct wire_writer *); /* what is not in the arena; NULL: nothing */
	int (*write_delta)(struct wire_writer *, const struct delta *, struct buf *);
	int (*write_end)(struct wire_writer *, const struct result *, struct buf *);
	int (*write_stream_error)(struct wire_writer *, const struct error *, int status,
				  struct buf *);
	error_writer *write_error; /* before the head */
	/* What the error's body has beside the error, once a model was called: ",…". NULL: nothing. */
	int (*write_error_members)(const struct answer *, struct buf *);
};

/* errors.c: an error's status, and the error itself, as the surface shows them. */
int surface_status(const struct surface *, const struct error *, const struct config *);
struct error *surface_error(const struct surface *, const struct error *, int status,
			    struct arena *);
/* The handler of every surface: the one life of a request. Waits. */
void answer_request(struct exchange *, const struct surface *);
/* Of a request that was refused on its way there, with this status and the last error, which stays: only its row. Waits. */
void answer_refused(struct exchange *, const struct surface *, int status);

#endif
