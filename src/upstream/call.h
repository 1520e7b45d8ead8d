/*
 * One call while it is under way, between the files of upstream/ that share the work: upstream.c writes and sends it,
 * answer.c reads what comes, call_error.c words what goes wrong.
 */
#ifndef SIGNET_UPSTREAM_CALL_H
#define SIGNET_UPSTREAM_CALL_H

#include "upstream/custom_tools.h"
#include "upstream/framing.h"
#include "upstream/provider_type.h"
#include "upstream/redact.h"
#include "upstream/stop_cut.h"

#define ERROR_MAX (1u << 20) /* of a body that says what is wrong (providers-openai §2.12) */

enum stream_state {
	STREAM_EVENTS,  /* events may stand in what was read */
	STREAM_WAITS,   /* none does: the socket is next */
	STREAM_LAST,    /* the body is over: an event without its blank line may be left */
	STREAM_CLOSING, /* the wire may hold a last delta */
	STREAM_ENDED,
};

struct call {
	const struct provider_config *provider;
	const struct provider_type *type;
	const struct wire *wire; /* provider_wire() */
	const struct inference *inf;
	const struct inference
		*asked; /* where custom tools go out as functions: what was asked; else NULL */
	struct custom_stream *custom; /* the same, of a stream */
	struct stop_cut *stops;       /* the provider has no stop sequences; else NULL */
	const struct call_context *context;
	struct attempt *attempt;
	struct dialect dialect;
	struct http_call *http;
	struct bytes body, endpoint;
	bool signed_better; /* it was sent once more with better credentials */
	struct url url;
	struct header_list headers; /* without the signer's */
	struct secrets *secrets;    /* that were sent so far; NULL: nothing was */
	uint64_t deadline;          /* of the whole outbound request; absolute ms */
	bool encoded, counts;
	/* a stream */
	enum stream_state state;
	struct framer *framer;
	struct wire_stream *stream;
	struct delta delta;
	struct bytes peeked; /* how the body begins, where that was looked at; unset: nowhere */
	struct delta
		*held; /* deltas from before the first content; `given` of them are handed out */
	size_t nheld, cheld, given;
	bool first_waits;  /* the first delta with content is read, but not yet handed out */
	uint64_t received; /* bytes of the body so far */
};

/* begin.c: reads a stream up to its first content (surfaces §1.7). Waits. -1: the attempt failed. */
int answer_begin(struct call *);
/* Looks at how the body of an answer begins that is not labelled as a stream: 1: it is one all the same; 0. Waits. -1:
 * the attempt failed. */
int answer_peek(struct call *);

/* ---- steps of a call ---- */

/* passed_headers.c: the client's headers that its own family's upstream gets; and, once the head is there, what that
 * upstream says for its client (attempt.returned). -1: out of memory. */
int call_pass_headers(struct call *);
int call_take_returned(struct call *);

/* signing.c: sets the signer's headers on the list, over what stands there, with a fresh nonce and timestamp; no signer:
 * does nothing. Waits (a large body is signed off the loop). -1: ERR_SIGNER "Signing failed: REASON", ERR_API_KEY_MISSING
 * for a dynamic device id. */
int sign_attempt(const struct call *, struct bytes method, struct header_list *);
/* retry_after.c: milliseconds that an upstream asks to wait, a year at most: `ms` is the value of retry-after-ms, `after`
 * that of retry-after (RFC 9110 §10.2.3: seconds, also with a fraction, or a date), unset where the header is not there;
 * `now` in Unix seconds. -1: nothing is asked. */
int64_t retry_after_ms(struct bytes ms, struct bytes after, int64_t now);
/* What a reset header says, in the same way: "1m2.5s", "250ms", seconds, Unix seconds or milliseconds, RFC 3339. */
int64_t reset_after_ms(struct bytes reset, int64_t now);
/* mask.c: the body for the record, files being large and kept elsewhere: <TENSORZERO_FILE_i> in the place of each file's
 * base64 text; itself where it has none, or memory is out. */
struct bytes mask_files(struct bytes body, const struct inference *, struct arena *);

/* ---- secrets: call_secrets.c ---- */

/* Notes what these headers, the URL, the signer's device id and the proxy's password give away. -1: out of memory. */
int call_take_secrets(struct call *, const struct header_list *sent);
/* redact() with what the call has sent; "[redacted]" when memory is out. Waits (a long text is read on another thread). */
struct bytes call_redact(const struct call *, struct bytes text);
/* The same of what is no error; unset when memory is out. */
struct bytes call_redact_good(const struct call *, struct bytes text);
void call_redact_error(const struct call *, struct error *); /* all of its texts */

/* ---- what goes wrong: call_error.c; all return -1 with the error set ---- */

/* "ns#Name:uri" -> "Name". */
struct bytes error_code_name(struct bytes);
/* gateway.debug: what was sent and what came stands behind the last error's text. */
int call_with_debug(const struct call *);
/* An error of this provider: TensorZero's frame around the inner text, which lives in the arena. */
int call_fail(const struct call *, enum error_kind, int status, struct bytes inner);
/* What a failed wait or transfer means; the error of net/ is the inner text. Cancellation and deadlines of the callers
 * above pass as they are. */
int call_fail_transport(const struct call *, bool in_stream);
/* A plain answer's body could not be read to its end. */
int call_fail_body(const struct call *);
/* The answer's status is not 2xx: reads the body for the error. Waits. */
int call_fail_status(struct call *);
/* The stream itself tells of an error, in the frame that came last. */
int call_fail_exception(const struct call *);
/* The answer to a streamed request is no stream: the same. */
int call_fail_content_type(struct call *, struct bytes expected, struct bytes got);

#endif
