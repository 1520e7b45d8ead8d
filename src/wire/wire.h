/*
 * Formats: a folder each, whose header is its contract, pure: no I/O, no clock, no globals. struct wire is a format's
 * provider side (writing requests, reading answers); its client side, if it has one, is what api/surface.h points at.
 *
 * An error that a wire sets, or puts into a delta, has the whole text of http-api §2.3 as its message
 * ("Error from openai server: …", made by wire_fail), `provider_type` set, and the upstream's own words in
 * upstream_*. Whoever passes it on adds nothing but the names of provider and variant.
 */
#ifndef SIGNET_WIRE_WIRE_H
#define SIGNET_WIRE_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "inference/inference.h"
#include "net/sse.h"
#include "wire/openai_chat/dialect.h"

enum strict_place { STRICT_BY_SURFACE, STRICT_OUTER, STRICT_INNER };

/* How one provider's dialect differs from its wire's base. */
struct dialect {
	struct bytes type, label;    /* "openai", "OpenAI" */
	struct bytes thoughts_of;    /* whose thoughts its are; unset: the type's */
	struct bytes max_tokens_key; /* "max_completion_tokens" */
	/* from the provider's configuration */
	struct bytes model; /* the provider's model_name */
	struct bytes of_model,
		of_provider; /* as the configuration names them: whose unknown blocks are */
	enum strict_place tool_strict;
	const struct bytes *drop_fields; /* pass-through: keys that do not go out */
	size_t ndrop_fields;
	const struct mime_override *overrides; /* content_type_overrides */
	size_t noverrides;
	bool counts; /* the body asks how many tokens its input is: only what shapes the prompt */
	bool unsupported_as_placeholder; /* unsupported_content = "placeholder" */
	struct chat_dialect chat;        /* of chat completions */
	bool model_in_url;               /* embeddings: the body does not name it */
	const void *options; /* what only one wire knows: its header says what; may be NULL */
};

static inline struct bytes dialect_thoughts_of(const struct dialect *d)
{
	return d->thoughts_of.n ? d->thoughts_of : d->type;
}

enum file_form { FILE_IMAGE_URL, FILE_FILE, FILE_INPUT_AUDIO };
struct mime_override {
	struct bytes mime_type;
	enum file_form form;
};

/* What a stream's reader remembers between events, one per call; and what the writer of a client's stream does. Each
 * format has its own. */
struct wire_stream;
struct wire_writer;

struct wire {
	struct bytes name;     /* "openai_chat", "developer_api" */
	struct bytes api_type; /* as raw entries name it: "responses"; unset: "chat_completions" */
	bool has_choices;      /* a request may ask for several (inference.n) */
	bool custom_tools;     /* has tools whose input is free text */
	bool sums_up_when_asked; /* thoughts come in words only where a summary was asked for */
	bool no_stop;            /* the API has no stop sequences: the text is cut when it comes */
	bool edits_thoughts;    /* a pass-through leaves out thoughts of other families by itself */
	bool takes_cache_marks; /* the API keeps a prompt up to where the request says */
	bool takes_provider_tools; /* tools of the provider's own go into a request; else one that is meant for it fails the attempt */

	/* Client side. Names for x-signet-ignored what the client's body (inference.source, of this format) says and
	 * another format cannot. -1: refused, where it must not be left out. May be NULL. */
	int (*foreign_fields)(const struct inference *, struct buf *ignored);

	/* Provider side. The body as sent; `ignored` collects paths of what was left out (for
	 * x-signet-ignored). -1: the attempt fails with the error set. */
	int (*write_request)(const struct inference *, const struct dialect *, struct buf *out,
			     struct buf *ignored);
	struct result *(*read_result)(struct bytes body, const struct inference *,
				      const struct dialect *, struct arena *);
	struct wire_stream *(*stream_new)(const struct inference *, const struct dialect *,
					  struct arena *);
	void (*stream_free)(struct wire_stream *);
	/* 1: a delta (valid until the next call). 0: nothing for anyone in this event. 2: the stream has
	 * ended ([DONE], finish). -1: out of memory. What the upstream did wrong is a delta with `error`. */
	int (*read_event)(struct wire_stream *, const struct sse_event *, struct delta *out);
	/* The body has ended: 1 a delta is left (held text, or the error that says what is missing), 0 no. A
	 * stream without any event is the caller's to name. */
	int (*read_end)(struct wire_stream *, struct delta *out);
	/* No event is at hand and the last delta was used: what reading took may be given back. NULL: nothing was kept. */
	void (*rest)(struct wire_stream *);
	/* Events that were left out so far, since the wire does not know them. NULL: it passes all on. */
	uint64_t (*unknown_events)(const struct wire_stream *);
};

/* Whether a body begins as server-sent events do, whatever its label says. No JSON does. */
bool wire_is_events(struct bytes body);
/* A whole event stream as the one answer that it makes. All of it lives in the arena. NULL: the stream's own error, or no
 * memory. */
struct result *wire_collect(const struct wire *, struct bytes body, const struct inference *,
			    const struct dialect *, struct arena *);

/* Sets the error of one attempt: ERR_INFERENCE_CLIENT ("Error 401 Unauthorized from openai client: …", status 0:
 * none known), ERR_INFERENCE_SERVER, ERR_FATAL_STREAM. Returns -1. `type` must outlive the error. */
int wire_fail(enum error_kind, int status, struct bytes type, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The same of what an upstream said, whose message is the text. Its strings live in the arena. */
int wire_fail_said(enum error_kind, const struct upstream_said *);
/*
 * Fills upstream_code, upstream_message, retry_after_ms (only from the text) of `e` from an error body of the
 * OpenAI family: {"error":{…}}, {"error":"…"}, {"message"}, {"detail"}. Strings go into the arena.
 */
void wire_read_error_body(struct error *e, struct bytes body, struct arena *);

/* The text itself if it is UTF-8 (also with half surrogates as base/json.h keeps them), else a copy with U+FFFD for
 * what is not. p == NULL: out of memory. */
struct bytes wire_utf8(struct bytes text, struct arena *);
/* A body as TensorZero's client decodes it: by its byte order mark, which goes, else by the charset of its type, else as UTF-8
 * with U+FFFD for each sequence that is none. Itself if it is text already; unset: out of memory. */
struct bytes wire_body_text(struct bytes body, struct bytes content_type, struct arena *);

extern const struct wire wire_openai_chat, wire_openai_responses, wire_anthropic_messages,
	wire_openai_embeddings;

#endif
