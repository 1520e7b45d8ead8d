/*
 * A surface: a format that clients speak, with everything that sets it apart. A row stands in the surface's own file
 * (openai.c, completions.c), the routes table of router.c points at it, and answer.c, which knows no format, walks it.
 */
#ifndef SIGNET_API_SURFACE_H
#define SIGNET_API_SURFACE_H

#include "api/errors.h"
#include "inference/envelope.h"
#include "wire/wire.h"

struct surface {
	struct bytes name;          /* in the record, and as the tag signet::surface */
	const char *profile;        /* as the access log and x-signet-profile name it */
	const struct surface *twin; /* the same format in the other profile; NULL: there is none */
	const struct surface_options *options; /* of reader, writers and what lies between */
	struct bytes
		model_prefix; /* of the model's name in answers; unset: the client's own word stands there */
	bool upstream_errors; /* an upstream's status and error reach the client (surfaces §1.7) */
	bool attributes;      /* headers and body say who calls (clients.h) */
	bool needs_object_storage; /* for files */
	struct bytes endpoint;     /* in TensorZero's metrics; unset: "inference" */
	bool unrecorded;           /* leaves no row */
	bool without_variants; /* all providers failed: that is the error, without the variant around it */
	struct bytes ping; /* what a silent stream gets */
	uint64_t ping_ms; /* 0: [surfaces] ping_ms, and the head may leave before the first delta */

	/* Reads a body. NULL: error set. Pure, like all of these; may run on another thread. */
	struct envelope *(*read)(struct bytes body, const struct surface_options *, struct arena *);
	int (*write_result)(const struct answer *, const struct result *, struct buf *);
	/* A stream. The writer lives in the arena. */
	struct wire_writer *(*writer_new)(const struct answer *, struct arena *);
	int (*write_delta)(struct wire_writer *, const struct delta *, struct buf *);
	int (*write_end)(struct wire_writer *, const struct result *, struct buf *);
	int (*write_stream_error)(struct wire_writer *, const struct error *, int status,
				  struct buf *);
	error_writer *write_error; /* before the head */
	/* What the error's body has beside the error, once a model was called: ",…". NULL: nothing. */
	int (*write_error_members)(const struct answer *, struct buf *);
};

/* The handler of every surface: the one life of a request. Waits. */
void answer_request(struct exchange *, const struct surface *);
/* Of a request that was refused on its way there, with this status and the last error, which stays: only its row. Waits. */
void answer_refused(struct exchange *, const struct surface *, int status);

#endif
