/*
 * Messages on their way out (providers-others §5.2).
 *
 * Converse wants roles to alternate, results of tools in the message right behind their calls, and no message empty. So
 * neighbours of one role are one message (a run), whatever stands between them without anything to send is skipped, and
 * of a run of the user's the results come first.
 */
#include "base/error.h"
#include "base/map.h"
#include "wire/bedrock/bedrock.h"
#include "wire/call_ids.h"

struct run {
	const struct message *first,
		*end; /* of one role, those that have nothing to send among them */
	enum role role;
};

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT || b->type == BLOCK_REFUSAL;
}

static bool sends_thought(const struct bedrock_out *o, const struct block *b)
{
	if (!bytes_set(b->text))
		return b->signature.n > 0;
	return o->claude ? b->signature.n > 0 : b->text.n || b->signature.n;
}

/* Whether anything of the block goes out. */
static bool sends(const struct bedrock_out *o, const struct block *b)
{
	switch (b->type) {
	case BLOCK_THOUGHT: return sends_thought(o, b);
	case BLOCK_TOOL_CALL:
	case BLOCK_TOOL_RESULT:
	case BLOCK_FILE:
	case BLOCK_UNKNOWN: return true;
	default: return is_text(b) && !bedrock_is_blank(b->text);
	}
}

static bool sends_any(const struct bedrock_out *o, const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (sends(o, &m->content[i]))
			return true;
	return false;
}

/* ---- blocks ---- */

static void put_text(struct bedrock_out *o, struct bytes text)
{
	pen_lit(&o->pen, "{\"text\":");
	pen_string(&o->pen, text);
	pen_lit(&o->pen, "}");
}

static void put_id(struct bedrock_out *o, struct bytes id)
{
	char out[ID_ROOM];

	pen_lit(&o->pen, "\"toolUseId\":");
	pen_string(&o->pen, id_mapped(&id_anthropic, id, out));
}

static int put_call(struct bedrock_out *o, const struct block *b)
{
	struct bytes arguments = bedrock_is_blank(b->arguments) ? B("{}") : b->arguments;
	yyjson_val *input = json_parse(arguments, o->scratch);
	char out[ID_ROOM];

	if (!input && error_last()->kind != ERR_JSON_REQUEST)
		return -1;
	if (!input)
		return fail(ERR_INVALID_REQUEST, "Error parsing tool call arguments as JSON: %.*s",
			    BFMT(arena_dup(o->scratch, error_last()->message)));
	if (!yyjson_is_obj(input))
		return fail(ERR_INVALID_REQUEST, "Tool call arguments must be a JSON object");
	pen_lit(&o->pen, "{\"toolUse\":{");
	put_id(o, b->id);
	pen_lit(&o->pen, ",\"name\":");
	pen_string(&o->pen, id_mapped(&name_bedrock, b->name, out));
	pen_lit(&o->pen, ",\"input\":");
	o->pen.failed |= json_print(input, o->pen.b) != 0;
	pen_lit(&o->pen, "}}");
	return 0;
}

/* The contents of a result. Blank text is refused: an empty object says the same. */
static int put_result_parts(struct bedrock_out *o, const struct block *b)
{
	const struct block *parts = b->parts ? b->parts : b;
	size_t n = b->parts ? b->nparts : 1;
	bool any = false;

	pen_open(&o->pen, '[');
	for (size_t i = 0; i < n; i++) {
		const struct block *part = &parts[i];

		if (part->type != BLOCK_FILE && bedrock_is_blank(part->text))
			continue;
		pen_item(&o->pen);
		any = true;
		if (part->type != BLOCK_FILE)
			put_text(o, part->text);
		else if (bedrock_put_file(o, part->file))
			return -1;
	}
	if (!any)
		pen_lit(&o->pen, "{\"json\":{}}");
	pen_close(&o->pen, ']');
	return 0;
}

static int put_result(struct bedrock_out *o, const struct block *b)
{
	pen_lit(&o->pen, "{\"toolResult\":{");
	put_id(o, b->id);
	pen_lit(&o->pen, ",\"content\":");
	if (put_result_parts(o, b))
		return -1;
	pen_bytes(&o->pen, b->is_error ? B(",\"status\":\"error\"}}") : B("}}"));
	return 0;
}

static void put_thought(struct bedrock_out *o, const struct block *b)
{
	pen_lit(&o->pen, "{\"reasoningContent\":{");
	if (!bytes_set(b->text)) {
		pen_lit(&o->pen, "\"redactedContent\":");
		pen_string(&o->pen, b->signature);
		pen_lit(&o->pen, "}}");
		return;
	}
	pen_lit(&o->pen, "\"reasoningText\":{\"text\":");
	pen_string(&o->pen, b->text);
	if (b->signature.n) {
		pen_lit(&o->pen, ",\"signature\":");
		pen_string(&o->pen, b->signature);
	}
	pen_lit(&o->pen, "}}}");
}

static int put_block(struct bedrock_out *o, const struct block *b)
{
	int r = 0;

	pen_item(&o->pen);
	switch (b->type) {
	case BLOCK_TOOL_CALL: r = put_call(o, b); break;
	case BLOCK_TOOL_RESULT: r = put_result(o, b); break;
	case BLOCK_FILE: r = bedrock_put_file(o, b->file); break;
	case BLOCK_THOUGHT: put_thought(o, b); break;
	case BLOCK_UNKNOWN: pen_bytes(&o->pen, b->text); break;
	default: put_text(o, b->text);
	}
	o->pen.comma = true;
	bedrock_put_mark(o, b->cache);
	return r;
}

/* ---- results that are missing ---- */

/* Ids of the run's results. -1: no memory. */
static int note_results(const struct run *run, struct map *ids)
{
	for (const struct message *m = run->first; m < run->end; m++)
		for (size_t i = 0; i < m->len; i++)
			if (m->content[i].type == BLOCK_TOOL_RESULT &&
			    map_put(ids, m->content[i].id, (void *)m))
				return -1;
	return 0;
}

/* The service refuses a conversation that goes on while a call has no result. */
static int put_missing_results(struct bedrock_out *o, const struct run *calls,
			       const struct run *run)
{
	struct map ids;
	int r;

	if (!o->inf->options->fill_results || calls->first == calls->end)
		return 0;
	map_init(&ids);
	r = note_results(run, &ids);
	for (const struct message *m = calls->first; m < calls->end && !r; m++)
		for (size_t i = 0; i < m->len && !r; i++) {
			struct block none = { .type = BLOCK_TOOL_RESULT,
					      .id = m->content[i].id,
					      .text = B("[no result]"),
					      .is_error = true };

			if (m->content[i].type == BLOCK_TOOL_CALL && !map_get(&ids, none.id))
				r = put_block(o, &none);
		}
	map_deinit(&ids);
	return r;
}

/* ---- runs ---- */

/* Results, or all but them. */
static int put_some(struct bedrock_out *o, const struct run *run, bool results)
{
	for (const struct message *m = run->first; m < run->end; m++)
		for (size_t i = 0; i < m->len; i++) {
			const struct block *b = &m->content[i];

			if ((b->type == BLOCK_TOOL_RESULT) == results && sends(o, b) &&
			    put_block(o, b))
				return -1;
		}
	return 0;
}

/* A document alone is refused. */
static bool wants_text(const struct run *run)
{
	bool document = false;

	for (const struct message *m = run->first; m < run->end; m++)
		for (size_t i = 0; i < m->len; i++) {
			const struct block *b = &m->content[i];

			if (is_text(b) && !bedrock_is_blank(b->text))
				return false;
			document |= b->type == BLOCK_FILE && bedrock_is_document(b->file);
		}
	return document;
}

static int check_run(const struct run *run)
{
	enum block_type wrong = run->role == ROLE_USER ? BLOCK_TOOL_CALL : BLOCK_TOOL_RESULT;

	for (const struct message *m = run->first; m < run->end; m++)
		for (size_t i = 0; i < m->len; i++)
			if (m->content[i].type == wrong)
				return fail(
					ERR_INVALID_MESSAGE,
					run->role == ROLE_USER
						? "Tool calls are not supported in user messages"
						: "Tool results are not supported in assistant messages");
	return 0;
}

static int put_run(struct bedrock_out *o, const struct run *before, const struct run *run)
{
	if (check_run(run))
		return -1;
	pen_item(&o->pen);
	pen_bytes(&o->pen, run->role == ROLE_USER ? B("{\"role\":\"user\",\"content\":")
						  : B("{\"role\":\"assistant\",\"content\":"));
	pen_open(&o->pen, '[');
	if (run->role == ROLE_USER &&
	    (put_some(o, run, true) || put_missing_results(o, before, run)))
		return -1;
	if (put_some(o, run, false))
		return -1;
	if (wants_text(run)) {
		pen_item(&o->pen);
		put_text(o, B("."));
	}
	pen_lit(&o->pen, "]}");
	o->pen.comma = true;
	return 0;
}

int bedrock_put_messages(struct bedrock_out *o)
{
	const struct message *m = o->inf->messages, *end = m + o->inf->nmessages;
	struct run before = { 0 };

	pen_open(&o->pen, '[');
	while (m < end) {
		struct run run = { .first = m, .role = m->role };

		if (!sends_any(o, m)) {
			m++;
			continue;
		}
		while (m < end && (m->role == run.role || !sends_any(o, m)))
			m++;
		run.end = m;
		if (put_run(o, &before, &run))
			return -1;
		before = run;
	}
	pen_close(&o->pen, ']');
	return 0;
}
