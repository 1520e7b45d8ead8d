/*
 * The conversation as the API wants it (providers-others §2.3, §12): messages of one role that follow each other are one,
 * results stand before all else in theirs, empty texts and what nobody signed are left out, and with them the messages of
 * which nothing is left. A block of a client of this same format goes out as it came.
 */
#include "wire/anthropic_messages/write_request.h"

#include "base/base64.h"
#include "base/error.h"
#include "wire/call_ids.h"

/* Messages that go out as one: those from `from` up to `to`. */
struct run {
	enum role role;
	size_t from, to;
};

static bool is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return false;
	return true;
}

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT || b->type == BLOCK_REFUSAL;
}

static bool is_sent(const struct block *b)
{
	if (is_text(b))
		return !is_blank(b->text);
	if (b->type == BLOCK_THOUGHT)
		return b->signature.n > 0;
	return b->type != BLOCK_AUDIO;
}

static bool has_sent(const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (is_sent(&m->content[i]))
			return true;
	return false;
}

/* The run that begins at or behind message `i`. False: there is none. */
static bool next_run(const struct inference *inf, size_t i, struct run *run)
{
	while (i < inf->nmessages && !has_sent(&inf->messages[i]))
		i++;
	if (i == inf->nmessages)
		return false;
	*run = (struct run){ .role = inf->messages[i].role, .from = i, .to = i };
	while (run->to < inf->nmessages &&
	       (inf->messages[run->to].role == run->role || !has_sent(&inf->messages[run->to])))
		run->to++;
	return true;
}

static bool run_has(const struct inference *inf, const struct run *run, enum block_type type)
{
	for (size_t i = run->from; i < run->to; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (inf->messages[i].content[j].type == type &&
			    is_sent(&inf->messages[i].content[j]))
				return true;
	return false;
}

bool claude_turn_has_thought(const struct inference *inf, bool *under_way)
{
	struct run run = { 0 };
	bool thought = false;

	*under_way = false;
	while (next_run(inf, run.to, &run)) {
		if (run.role == ROLE_ASSISTANT) {
			thought |= run_has(inf, &run, BLOCK_THOUGHT);
			continue;
		}
		*under_way = run_has(inf, &run, BLOCK_TOOL_RESULT);
		if (!*under_way)
			thought = false;
	}
	return thought;
}

bool claude_has_calls(const struct inference *inf)
{
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (inf->messages[i].content[j].type == BLOCK_TOOL_CALL ||
			    inf->messages[i].content[j].type == BLOCK_TOOL_RESULT)
				return true;
	return false;
}

void claude_put_cache(struct pen *p, enum cache_mark mark, size_t *skip)
{
	if (mark == CACHE_UNMARKED)
		return;
	if (*skip > 0) {
		--*skip;
		return;
	}
	pen_bytes(p, mark == CACHE_1H
			     ? B(",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}")
			     : B(",\"cache_control\":{\"type\":\"ephemeral\"}"));
	p->comma = true;
}

/* ---- blocks ---- */

static int refuse_file(const struct claude_out *o, struct bytes mime)
{
	return wire_fail(
		ERR_INFERENCE_CLIENT, 400, o->dialect->type,
		"%.*s takes images, application/pdf and text/plain, but no file of type `%.*s`",
		BFMT(o->dialect->label), BFMT(mime));
}

static int put_source(struct claude_out *o, const struct file *f)
{
	struct pen *p = &o->pen;
	struct bytes text;

	pen_key(p, "source");
	if (!bytes_set(f->data)) {
		pen_head(p, "{\"type\":\"url\"");
		pen_text(p, "url", f->url);
	} else if (bytes_starts(f->mime_type, B("text/plain"))) {
		text = base64_read(f->data, o->scratch);
		text = bytes_set(text) ? wire_utf8(text, o->scratch) : text;
		if (!bytes_set(text))
			return refuse_file(o, f->mime_type);
		pen_head(p, "{\"type\":\"text\",\"media_type\":\"text/plain\"");
		pen_text(p, "data", text);
	} else {
		pen_head(p, "{\"type\":\"base64\"");
		pen_text(p, "media_type", f->mime_type);
		pen_text(p, "data", f->data);
	}
	pen_close(p, '}');
	return 0;
}

static int put_file(struct claude_out *o, const struct block *b)
{
	const struct file *f = b->file;
	bool image = !bytes_set(f->mime_type) || bytes_starts(f->mime_type, B("image/"));

	if (!image && !bytes_starts(f->mime_type, B("application/pdf")) &&
	    !bytes_starts(f->mime_type, B("text/plain")))
		return refuse_file(o, f->mime_type);
	pen_bytes(&o->pen, image ? B("{\"type\":\"image\"") : B("{\"type\":\"document\""));
	o->pen.comma = true;
	if (put_source(o, f))
		return -1;
	if (!image)
		pen_set(&o->pen, "title", f->filename);
	return 0;
}

static void put_text(struct claude_out *o, struct bytes text)
{
	pen_head(&o->pen, "{\"type\":\"text\"");
	pen_text(&o->pen, "text", text);
}

static void put_thought(struct claude_out *o, const struct block *b)
{
	struct pen *p = &o->pen;

	if (!bytes_set(b->text)) {
		pen_head(p, "{\"type\":\"redacted_thinking\"");
		pen_text(p, "data", b->signature);
		return;
	}
	pen_head(p, "{\"type\":\"thinking\"");
	pen_text(p, "thinking", b->text);
	pen_text(p, "signature", b->signature);
}

static void put_id(struct claude_out *o, struct bytes id)
{
	char out[ID_ROOM];

	pen_string(&o->pen, id_mapped(&id_anthropic, id, out));
}

static int put_call(struct claude_out *o, const struct block *b)
{
	struct pen *p = &o->pen;
	yyjson_val *input = is_blank(b->arguments) ? NULL : json_parse(b->arguments, o->scratch);
	char out[ID_ROOM];

	if (!input && !is_blank(b->arguments)) {
		struct bytes why = arena_dup(o->scratch, error_last()->message);

		return wire_fail(ERR_INFERENCE_CLIENT, 400, o->dialect->type,
				 "Error parsing tool call arguments as JSON Value: %.*s",
				 BFMT(why));
	}
	if (input && !yyjson_is_obj(input))
		return wire_fail(ERR_INFERENCE_CLIENT, 400, o->dialect->type,
				 "Tool call arguments must be a JSON object");
	pen_head(p, "{\"type\":\"tool_use\",\"id\":");
	put_id(o, b->id);
	pen_text(p, "name", id_mapped(&name_anthropic, b->name, out));
	pen_key(p, "input");
	if (!input)
		pen_lit(p, "{}");
	else if (json_print(input, p->b))
		p->failed = true;
	return 0;
}

static int put_block(struct claude_out *o, const struct block *b);

static int put_result(struct claude_out *o, const struct block *b)
{
	struct pen *p = &o->pen;

	pen_head(p, "{\"type\":\"tool_result\",\"tool_use_id\":");
	put_id(o, b->id);
	pen_key(p, "content");
	pen_open(p, '[');
	if (!b->parts && b->text.n) {
		put_text(o, b->text);
		pen_close(p, '}');
	}
	for (size_t i = 0; b->parts && i < b->nparts; i++)
		if (is_sent(&b->parts[i]) && put_block(o, &b->parts[i]))
			return -1;
	pen_close(p, ']');
	if (b->is_error)
		pen_lit(p, ",\"is_error\":true");
	return 0;
}

static int put_inside(struct claude_out *o, const struct block *b)
{
	switch (b->type) {
	case BLOCK_TOOL_CALL: return put_call(o, b);
	case BLOCK_TOOL_RESULT: return put_result(o, b);
	case BLOCK_FILE: return put_file(o, b);
	case BLOCK_THOUGHT: put_thought(o, b); return 0;
	default: put_text(o, b->text); return 0;
	}
}

/* Whether the client's own JSON of it goes out. */
static bool is_own(const struct claude_out *o, const struct block *b)
{
	return bytes_set(b->source) && o->inf->source_wire == &wire_anthropic_messages &&
	       !(b->cache != CACHE_UNMARKED && o->skip_messages);
}

static int put_block(struct claude_out *o, const struct block *b)
{
	pen_item(&o->pen);
	if (is_own(o, b)) {
		pen_bytes(&o->pen, b->source);
		return 0;
	}
	if (b->type == BLOCK_UNKNOWN) {
		pen_bytes(&o->pen, b->text);
		return 0;
	}
	if (put_inside(o, b))
		return -1;
	claude_put_cache(&o->pen, b->cache, &o->skip_messages);
	pen_close(&o->pen, '}');
	return 0;
}

/* ---- results ---- */

/* All results of a run by their id, of two the first. */
static int find_results(const struct claude_out *o, const struct run *run, struct map *results)
{
	for (size_t i = run->from; i < run->to; i++)
		for (size_t j = 0; j < o->inf->messages[i].len; j++) {
			struct block *b = &o->inf->messages[i].content[j];

			if (b->type != BLOCK_TOOL_RESULT)
				continue;
			if (map_get(results, b->id))
				claude_ignored(o->ignored, B("tool_result"));
			else if (map_put(results, b->id, b))
				return -1;
		}
	return 0;
}

static void put_filled(struct claude_out *o, struct bytes id, struct bytes text)
{
	pen_item(&o->pen);
	pen_head(&o->pen, "{\"type\":\"tool_result\",\"tool_use_id\":");
	put_id(o, id);
	pen_lit(&o->pen, ",\"content\":[{\"type\":\"text\",\"text\":");
	pen_string(&o->pen, text);
	pen_lit(&o->pen, "}],\"is_error\":true}");
}

/* Of calls of the run before that nobody answered. */
static void fill_results(struct claude_out *o, const struct run *before, const struct map *results)
{
	struct bytes text = o->options->repair_history ? B("interrupted") : B("[no result]");

	if (!o->inf->options->fill_results && !o->options->repair_history)
		return;
	for (size_t i = before->from; i < before->to; i++)
		for (size_t j = 0; j < o->inf->messages[i].len; j++) {
			const struct block *b = &o->inf->messages[i].content[j];

			if (b->type == BLOCK_TOOL_CALL && !map_get(results, b->id))
				put_filled(o, b->id, text);
		}
}

static int put_results(struct claude_out *o, const struct run *run, const struct run *before)
{
	struct map results;
	int r;

	map_init(&results);
	r = find_results(o, run, &results);
	for (size_t i = run->from; i < run->to && !r; i++)
		for (size_t j = 0; j < o->inf->messages[i].len && !r; j++) {
			const struct block *b = &o->inf->messages[i].content[j];

			if (b->type == BLOCK_TOOL_RESULT && map_get(&results, b->id) == b)
				r = put_block(o, b);
		}
	if (!r)
		fill_results(o, before, &results);
	map_deinit(&results);
	return r;
}

/* ---- messages ---- */

/* The API refuses an answer's beginning that ends in white space. */
static struct block trimmed(const struct block *b)
{
	struct block cut = *b;

	while (cut.text.n && (unsigned char)cut.text.p[cut.text.n - 1] <= ' ')
		cut.text.n--;
	if (cut.text.n < b->text.n)
		cut.source = (struct bytes){ NULL, 0 };
	return cut;
}

static const struct block *last_block(const struct inference *inf, const struct run *run)
{
	for (size_t i = run->to; i-- > run->from;)
		for (size_t j = inf->messages[i].len; j-- > 0;)
			if (is_sent(&inf->messages[i].content[j]))
				return &inf->messages[i].content[j];
	return NULL;
}

static int put_rest(struct claude_out *o, const struct run *run, bool last)
{
	const struct block *prefill =
		last && run->role == ROLE_ASSISTANT ? last_block(o->inf, run) : NULL;

	for (size_t i = run->from; i < run->to; i++)
		for (size_t j = 0; j < o->inf->messages[i].len; j++) {
			const struct block *b = &o->inf->messages[i].content[j];
			struct block cut;

			if (b->type == BLOCK_TOOL_RESULT || !is_sent(b))
				continue;
			if (b == prefill && is_text(b)) {
				cut = trimmed(b);
				b = &cut;
			}
			if (put_block(o, b))
				return -1;
		}
	return 0;
}

int claude_put_messages(struct claude_out *o)
{
	struct run run = { 0 }, before = { 0 }, after;
	struct pen *p = &o->pen;

	pen_open(p, '[');
	while (next_run(o->inf, run.to, &run)) {
		bool user = run.role == ROLE_USER;

		pen_item(p);
		pen_bytes(p, user ? B("{\"role\":\"user\",\"content\":")
				  : B("{\"role\":\"assistant\",\"content\":"));
		pen_open(p, '[');
		if ((user && put_results(o, &run, &before)) ||
		    put_rest(o, &run, !next_run(o->inf, run.to, &after)))
			return -1;
		pen_close(p, ']');
		pen_close(p, '}');
		before = run;
	}
	pen_close(p, ']');
	return 0;
}
