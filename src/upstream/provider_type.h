/*
 * A provider type is one row: what its TOML is (struct provider_kind, for config/), where and how it is called, what its
 * answers and errors are. It stands in a file of its own and once in the list of provider_types.c. Nothing outside of
 * the type's own file asks which type a provider has.
 */
#ifndef SIGNET_UPSTREAM_PROVIDER_TYPE_H
#define SIGNET_UPSTREAM_PROVIDER_TYPE_H

#include "config/provider_kind.h"
#include "net/event_stream.h"
#include "upstream/extra.h"
#include "upstream/upstream.h"
#include "wire/wire.h"

/* How a stream of answers is cut into events. */
enum framing {
	FRAMING_SSE,                 /* text/event-stream */
	FRAMING_EVENT_STREAM,        /* AWS: an event is a frame */
	FRAMING_SSE_IN_EVENT_STREAM, /* AWS: frames hold pieces of a text/event-stream */
};

/* The words in front of what the net says, and what kind of error it is then. */
struct transport_words {
	struct bytes send; /* nothing could be sent, or no head came */
	enum error_kind send_kind;
	bool fatal_stream; /* ... of a stream: it counts as broken in its middle, without the words */
	struct bytes body; /* a plain answer broke off; unset: as `send` */
};

struct provider_type {
	struct provider_kind kind;
	const struct provider_kind
		*kin; /* another type whose thoughts count as its own; may be NULL */
	const struct wire *wire;
	const struct wire *embeddings; /* of embedding models; NULL: it has none (kind.embeds) */
	/* The format, if the provider's options choose it; NULL: `wire`. */
	const struct wire *(*wire_of)(const struct provider_config *);
	struct dialect dialect; /* the base */
	/* Adds what the provider's options say of it. May be NULL. */
	void (*set_dialect)(const struct provider_config *, struct dialect *);

	/* ---- the request ---- */
	/* The URL, if it depends on the request (the model, streaming) or on its credentials; NULL: provider_config.endpoint. */
	int (*endpoint)(const struct provider_config *, const struct inference *,
			const struct call_context *, struct bytes *url);
	/* The type's own headers, credentials included. -1: ERR_API_KEY_MISSING, ... May wait. */
	int (*headers)(const struct provider_config *, const struct inference *,
		       const struct call_context *, struct header_list *);
	/* Headers of a client of the same wire that pass on (options.client_headers); "x-*": all that begin so, "!x-a" before it:
	 * not this one. Ends with an unset one. NULL: none. */
	const struct bytes *passed_headers;
	/* Whose its thoughts are, where that is not the type's name. NULL: it is. */
	struct bytes (*thoughts_of)(const struct provider_config *);
	/* In the same way, headers of a 200 or a 429 that go back to such a client; and to one whose own key was used, if
	 * those are others. */
	const struct bytes *returned_headers, *returned_to_owner;
	/* Whether the provider takes thoughts of other types that speak its format. NULL: only its own type's. */
	bool (*shares_thoughts)(const struct provider_config *);
	bool takes_files;
	bool (*takes_url)(const struct file *); /* whether it fetches this one itself; NULL: none */
	/* What the protocol's own input of the signature is (signer_protocol.content). */
	struct bytes (*signed_content)(struct bytes body, struct arena *);
	/* The type's own signature over what is sent, anew each time; it may set headers. NULL: none. May wait. */
	int (*sign)(const struct provider_config *, const struct call_context *,
		    const struct http_send *, struct header_list *);
	/* Looks at the head of an answer that is no success. True: what the request was signed with is at fault and there is
	 * something better, so that it is sent once more, signed anew. NULL: never. May wait. */
	bool (*sign_better)(const struct provider_config *, const struct call_context *,
			    const struct http_call *);
	/* Called before each attempt; -1 refuses it. May change the model's name. May be NULL. Waits. */
	int (*admit)(const struct provider_config *, const struct call_context *,
		     struct bytes *model_name);

	/* ---- counting (upstream_count); NULL: it cannot ---- */
	int (*count_endpoint)(const struct provider_config *, const struct call_context *,
			      struct bytes *url);
	bool (*read_count)(struct bytes answer, struct arena *, uint64_t *tokens);

	/* ---- the answer ---- */
	bool always_streams; /* the upstream answers with events also when asked plainly */
	enum framing framing;
	/* Of a framing whose frames may tell of an error: the words in front of its name, and who fills upstream_* from it. */
	struct bytes exception_words;
	void (*read_exception)(struct error *, const struct frame *, struct arena *);
	struct bytes request_id_header,
		other_request_id_header; /* the other one where the first is not there */
	struct bytes
		cached_tokens_header; /* of a plain answer: input tokens read from a cache; unset: none has it */
	struct bytes error_code_header; /* names what went wrong; unset: the body alone does */
	bool stream_status_plain; /* a status that is no success is no broken stream where one was asked for */
	const int *client_statuses; /* of HTTP, that are the request's fault; ends with 0 */
	/* The inner text of an error for a status that is not 2xx; `body` as it came. */
	struct bytes (*status_text)(int status, struct bytes reason, struct bytes body,
				    struct bytes request_id, bool stream, struct arena *);
	/* Fills upstream_* of the error from its body; what it is known by (status, the header's code) is there already. */
	void (*read_error)(struct error *, struct bytes body, struct arena *);
	struct transport_words words;
	/* Logged when the wire left something out of a request; NULL: nothing is. */
	const char *ignored_warning;

	/* ---- its models ---- */
	/* Adds what the provider's upstream is known to offer; never asks it. NULL: it has no list. -1: out of memory. */
	int (*list_models)(const struct provider_config *, struct model_list *);
	/* upstream_discovered(). NULL: it has no list. May wait. */
	int (*discovered)(const struct provider_config *, const struct call_context *, bool fetch,
			  struct discovered *);
};

_Static_assert(offsetof(struct provider_type, kind) == 0,
	       "a provider's kind is the beginning of its type");

static inline const struct provider_type *provider_type_of(const struct provider_config *p)
{
	return (const struct provider_type *)p->kind; /* its first member */
}

/* Whether it may be sent thoughts that come from a provider of that type. */
bool provider_takes_thoughts_of(const struct provider_config *, struct bytes type);
/* Adds one, unless one of that name is there. -1: out of memory. */
int model_list_add(struct model_list *, struct bytes name, const struct provider_config *);

/* The secret of a location for this request. {NULL, 0} with 0: none is to be sent. -1: ERR_API_KEY_MISSING;
 * `label` is the provider's name in TensorZero's text ("OpenAI"). */
int credential_get(const struct credential *, const struct call_context *, const char *label,
		   struct bytes *out);

#endif
