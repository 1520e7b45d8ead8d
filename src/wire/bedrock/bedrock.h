/*
 * Amazon Bedrock's Converse API, the provider's side (providers-others §5). Pure.
 */
#ifndef SIGNET_WIRE_BEDROCK_BEDROCK_H
#define SIGNET_WIRE_BEDROCK_BEDROCK_H

#include "base/json.h"
#include "base/pen.h"
#include "wire/bedrock/thinking.h"
#include "wire/wire.h"

/* dialect.options of this wire; NULL: nothing is known but the model's id. */
struct bedrock_options {
	struct bytes
		model_family; /* names the model where its id hides it (an ARN); unset: the id tells */
};

extern const struct wire wire_bedrock;

/* The model as far as its name tells: the family's, else the id. */
struct bytes bedrock_model(const struct dialect *);

/* ---- between the files of this folder ---- */

/* A request on its way out. */
struct bedrock_out {
	struct pen pen;
	const struct inference *inf;
	const struct dialect *dialect;
	struct buf *ignored;         /* names of what was left out; may be NULL */
	const struct claude *claude; /* NULL: another model */
	struct arena *scratch;       /* until the body is written */
	size_t marks_dropped;        /* of the cache marks, those that come first are too many */
	bool thinks;                 /* in a way that no tool can be forced with */
	struct map *document_names;  /* that were given; the value: how many documents wanted it */
};

/* The list of messages. -1: the attempt fails, or no memory. */
int bedrock_put_messages(struct bedrock_out *);
/* A cache point behind what bears the mark, while there may be one. Nothing where the model has none. */
void bedrock_put_mark(struct bedrock_out *, enum cache_mark);
/* Whether any message has a call or a result, which needs toolConfig. */
bool bedrock_has_calls(const struct inference *);
/* "toolConfig", if there is anything to say of tools. -1: as above. */
int bedrock_put_tools(struct bedrock_out *);
/* Which choice goes out, the model's own limits considered. */
enum tool_choice bedrock_choice(const struct bedrock_out *);
void bedrock_ignore(struct bedrock_out *, struct bytes name);
bool bedrock_is_blank(struct bytes); /* the vendor refuses such text anywhere */
/* write_files.c: a file as the block that its type asks for. -1: it has none. */
int bedrock_put_file(struct bedrock_out *, const struct file *);
bool bedrock_is_document(const struct file *);

struct result *bedrock_read_result(struct bytes body, const struct inference *,
				   const struct dialect *, struct arena *);
enum finish_reason bedrock_finish(struct bytes reason);
/* The tier that an answer names, where others know it by that word, too. */
struct bytes bedrock_tier(yyjson_val *root);
/* The `usage` object. false: it is none. */
bool bedrock_read_usage(yyjson_val *, struct usage *);

struct wire_stream *bedrock_stream_new(const struct inference *, const struct dialect *,
				       struct arena *);
void bedrock_stream_free(struct wire_stream *);
int bedrock_read_event(struct wire_stream *, const struct sse_event *, struct delta *);
int bedrock_read_end(struct wire_stream *, struct delta *);
uint64_t bedrock_unknown_events(const struct wire_stream *);

#endif
