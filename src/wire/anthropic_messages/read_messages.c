/*
 * System and messages -> blocks (surfaces §5.3, §5.4, §6.6). Each block keeps the client's own JSON, so that a provider of
 * this same family gets it unchanged, however the conversation around it is put together anew.
 *
 * Thoughts come back with their seals. One of our own seals says whose thought it is and what of it has no place here; any
 * other is Anthropic's, and goes to nobody else.
 */
#include "wire/anthropic_messages/read_request.h"

#include "base/base64.h"
#include "base/error.h"
#include "wire/media.h"
#include "wire/seal.h"

#define TOP_BLOCKS 100000 /* of a message */

static int read_blocks(struct messages_reader *r, const struct where *w, yyjson_val *list,
		       bool inside, struct message *m);

static int add(struct messages_reader *r, struct message *m, struct block b)
{
	return arena_push(r->arena, m->content, m->len, m->cap, b) ? 0 : -1;
}

/* ---- system ---- */

/* Claude Code's own note, which differs from version to version and would spoil every cache of prompts. */
static bool is_billing(struct bytes text)
{
	return bytes_starts(text, B("x-anthropic-billing-header:"));
}

static int system_add(struct messages_reader *r, struct bytes text, enum cache_mark cache,
		      size_t *cap)
{
	struct inference *inf = r->inf;
	struct system_part part = { text, cache };

	if (is_billing(text))
		return 0;
	inf->system = bytes_set(inf->system) ? arena_printf(r->arena, "%.*s\n\n%.*s",
							    BFMT(inf->system), BFMT(text))
					     : text;
	return bytes_set(inf->system) && arena_push(r->arena, inf->system_parts, inf->nsystem_parts,
						    *cap, part)
		       ? 0
		       : -1;
}

int messages_read_system(struct messages_reader *r, yyjson_val *v)
{
	struct where at = WHERE_KEY(&r->root, B("system"));
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	struct bytes text;
	size_t cap = 0, i = 0;

	if (!v || yyjson_is_null(v))
		return 0;
	if (yyjson_is_str(v)) {
		if (json_str(v).n)
			r->inf->system = json_str(v);
		return 0;
	}
	if (!yyjson_is_arr(v))
		return messages_refuse(&at, "Input should be a string or a list");
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where inner = WHERE_AT(&at, i++);

		if (messages_string(&inner, one, "text", &text) ||
		    system_add(r, text, messages_cache(one), &cap))
			return -1;
	}
	return 0;
}

/* ---- files ---- */

static struct bytes without_breaks(struct bytes data, struct arena *a)
{
	char *out;
	size_t n = 0;

	if (bytes_chr(data, '\n') < 0 && bytes_chr(data, '\r') < 0)
		return data;
	out = arena_alloc_raw(a, data.n + 1);
	for (size_t i = 0; out && i < data.n; i++)
		if (data.p[i] != '\n' && data.p[i] != '\r')
			out[n++] = data.p[i];
	return (struct bytes){ out, out ? n : 0 };
}

static int read_base64(struct messages_reader *r, const struct where *w, yyjson_val *source,
		       struct file *f)
{
	struct bytes sniffed;
	char why[80];

	if (messages_string(w, source, "media_type", &f->mime_type) ||
	    messages_string(w, source, "data", &f->data))
		return -1;
	f->data = without_breaks(f->data, r->arena);
	if (!bytes_set(f->data))
		return -1;
	if (!media_base64(f->data, why))
		return messages_refuse(&WHERE_KEY(w, B("data")), "Invalid base64: %s", why);
	sniffed = media_sniff(f->data);
	if (bytes_set(sniffed) && bytes_starts(sniffed, B("image/")) &&
	    bytes_starts(f->mime_type, B("image/")))
		f->mime_type = sniffed;
	return 0;
}

/* A source by the type of it. 1: it became a block already. */
static int read_source(struct messages_reader *r, const struct where *w, yyjson_val *block,
		       struct message *m, struct file *f)
{
	struct where at = WHERE_KEY(w, B("source"));
	yyjson_val *source = json_get(block, "source"), *content = json_get(source, "content");
	struct bytes type = json_str(json_get(source, "type")), text;
	struct bytes title = json_str(json_get(block, "title"));

	if (!yyjson_is_obj(source))
		return messages_refuse(&at, "Field required");
	if (bytes_eq(type, B("base64")))
		return read_base64(r, &at, source, f);
	if (bytes_eq(type, B("url"))) {
		f->is_url = true;
		return messages_string(&at, source, "url", &f->url);
	}
	if (bytes_eq(type, B("text"))) {
		if (messages_string(&at, source, "data", &text))
			return -1;
		if (title.n)
			text = arena_printf(r->arena, "%.*s\n%.*s", BFMT(title), BFMT(text));
		return bytes_set(text) &&
				       add(r, m,
					   (struct block){ .type = BLOCK_TEXT, .text = text }) == 0
			       ? 1
			       : -1;
	}
	if (bytes_eq(type, B("content"))) {
		if (yyjson_is_str(content))
			return add(r, m,
				   (struct block){ .type = BLOCK_TEXT, .text = json_str(content) })
				       ? -1
				       : 1;
		return read_blocks(r, &WHERE_KEY(&at, B("content")), content, true, m) ? -1 : 1;
	}
	if (bytes_eq(type, B("file")))
		return messages_only_here(r, &at, "a file of Anthropic's own store") ? -1 : 1;
	return messages_refuse(&WHERE_KEY(&at, B("type")),
			       "Input should be 'base64', 'url', 'text', 'content' or 'file'");
}

static int read_file(struct messages_reader *r, const struct where *w, yyjson_val *v,
		     struct message *m)
{
	struct file *f = arena_new(r->arena, struct file);
	int done;

	if (!f)
		return -1;
	done = read_source(r, w, v, m, f);
	if (done)
		return done < 0 ? -1 : 0;
	f->filename = json_str(json_get(v, "title"));
	r->env->has_files = true;
	return add(r, m, (struct block){ .type = BLOCK_FILE, .file = f });
}

/* ---- thoughts ---- */

static int read_thought(struct messages_reader *r, const struct where *w, yyjson_val *v,
			struct message *m, bool redacted)
{
	struct bytes visible = { NULL, 0 }, sealed;
	struct block b = { .type = BLOCK_THOUGHT };
	struct seal seal;

	if (!redacted && messages_string(w, v, "thinking", &visible))
		return -1;
	sealed = json_str(json_get(v, redacted ? "data" : "signature"));
	if (seal_read(sealed, r->arena, &seal)) {
		r->inf->source_edit = true; /* it is no other server's to read */
		b.provider_type = bytes_set(seal.provider_type) ? seal.provider_type : B("");
		b.item_id = seal.item_id;
		b.text = bytes_set(seal.text) ? seal.text : visible;
		b.signature = bytes_set(seal.signature)   ? seal.signature
			      : bytes_set(seal.encrypted) ? seal.encrypted
							  : seal.redacted;
		return add(r, m, b);
	}
	b.text = visible;
	b.signature = sealed;
	b.source = json_print_arena(v, r->arena);
	return bytes_set(b.source) ? add(r, m, b) : -1;
}

/* ---- calls and results ---- */

static int read_call(struct messages_reader *r, const struct where *w, yyjson_val *v,
		     struct message *m)
{
	struct block b = { .type = BLOCK_TOOL_CALL };
	struct bytes *name;
	yyjson_val *input = json_get(v, "input");

	if (messages_string(w, v, "id", &b.id) || messages_string(w, v, "name", &b.name))
		return -1;
	if (input && !yyjson_is_obj(input) && !yyjson_is_null(input))
		return messages_refuse(&WHERE_KEY(w, B("input")),
				       "Input should be a valid dictionary");
	b.arguments = yyjson_is_obj(input) ? json_print_arena(input, r->arena) : B("{}");
	name = arena_new(r->arena, struct bytes);
	if (!name || !bytes_set(b.arguments))
		return -1;
	*name = b.name;
	return map_put(&r->calls, b.id, name) ? -1 : add(r, m, b);
}

static bool is_one_text(const struct message *m)
{
	return m->len == 1 && m->content[0].type == BLOCK_TEXT;
}

/* Texts of the parts, a line each: what rows and formats without parts show. */
static struct bytes joined(const struct message *m, struct arena *a)
{
	struct bytes text = B("");

	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].type == BLOCK_TEXT)
			text = text.n ? arena_printf(a, "%.*s\n%.*s", BFMT(text),
						     BFMT(m->content[i].text))
				      : m->content[i].text;
	return text;
}

static int read_result(struct messages_reader *r, const struct where *w, yyjson_val *v,
		       struct message *m)
{
	struct where at = WHERE_KEY(w, B("content"));
	struct block b = { .type = BLOCK_TOOL_RESULT, .text = B("") };
	yyjson_val *content = json_get(v, "content");
	struct message parts = { 0 };
	const struct bytes *called;

	if (messages_string(w, v, "tool_use_id", &b.id))
		return -1;
	b.is_error = yyjson_is_true(json_get(v, "is_error"));
	called = map_get(&r->calls, b.id);
	b.name = called ? *called : B("");
	if (!called && messages_only_here(r, w, "tool call id not found: a result of no call"))
		return -1;
	if (yyjson_is_str(content)) {
		b.text = json_str(content);
		return add(r, m, b);
	}
	if (content && !yyjson_is_null(content) && read_blocks(r, &at, content, true, &parts))
		return -1;
	b.text = joined(&parts, r->arena);
	if (parts.len && !is_one_text(&parts)) {
		b.parts = parts.content;
		b.nparts = parts.len;
	}
	return bytes_set(b.text) ? add(r, m, b) : -1;
}

/* ---- others ---- */

static int read_search_result(struct messages_reader *r, const struct where *w, yyjson_val *v,
			      struct message *m)
{
	struct bytes text, source = json_str(json_get(v, "source")),
			   title = json_str(json_get(v, "title"));
	struct message inner = { 0 };

	if (read_blocks(r, &WHERE_KEY(w, B("content")), json_get(v, "content"), true, &inner))
		return -1;
	text = joined(&inner, r->arena);
	text = arena_printf(r->arena, "%.*s (%.*s)\n%.*s", BFMT(title), BFMT(source), BFMT(text));
	return bytes_set(text) ? add(r, m, (struct block){ .type = BLOCK_TEXT, .text = text }) : -1;
}

static int read_reference(struct messages_reader *r, yyjson_val *v, struct message *m)
{
	struct bytes name = json_str(json_get(v, "tool_name")),
		     text = arena_printf(r->arena, "Tool %.*s is available.", BFMT(name));

	return bytes_set(text) ? add(r, m, (struct block){ .type = BLOCK_TEXT, .text = text }) : -1;
}

/* What the provider itself did and told of: nobody else has words for it, and nobody misses it. */
static bool is_hosted(struct bytes type)
{
	static const struct bytes names[] = { B("server_tool_use"), B("mcp_tool_use"),
					      B("mcp_tool_result"), B("container_upload"),
					      B("fallback") };

	for (size_t i = 0; i < COUNT(names); i++)
		if (bytes_eq(names[i], type))
			return true;
	return bytes_ends(type, B("_tool_result"));
}

static int read_other(struct messages_reader *r, const struct where *w, yyjson_val *v,
		      struct bytes type, struct message *m)
{
	struct block b = { .type = BLOCK_UNKNOWN };

	if (bytes_eq(type, B("compaction")) && json_str(json_get(v, "content")).n)
		return add(r, m,
			   (struct block){ .type = BLOCK_TEXT,
					   .text = json_str(json_get(v, "content")) });
	b.text = b.source = json_print_arena(v, r->arena);
	if (!bytes_set(b.text) ||
	    (!is_hosted(type) &&
	     messages_only_here(r, w, "a block of a type that only Anthropic knows")))
		return -1;
	return add(r, m, b);
}

/* ---- a block ---- */

static int read_typed(struct messages_reader *r, const struct where *w, yyjson_val *v,
		      struct bytes type, struct message *m)
{
	struct block text = { .type = BLOCK_TEXT };

	if (bytes_eq(type, B("text")))
		return messages_string(w, v, "text", &text.text) ? -1 : add(r, m, text);
	if (bytes_eq(type, B("image")) || bytes_eq(type, B("document")))
		return read_file(r, w, v, m);
	if (bytes_eq(type, B("thinking")) || bytes_eq(type, B("redacted_thinking")))
		return read_thought(r, w, v, m, bytes_eq(type, B("redacted_thinking")));
	if (bytes_eq(type, B("tool_use")))
		return read_call(r, w, v, m);
	if (bytes_eq(type, B("tool_result")))
		return read_result(r, w, v, m);
	if (bytes_eq(type, B("search_result")))
		return read_search_result(r, w, v, m);
	if (bytes_eq(type, B("tool_reference")))
		return read_reference(r, v, m);
	return read_other(r, w, v, type, m);
}

/* `inside`: of another block, whose own JSON is kept. */
static int read_block(struct messages_reader *r, const struct where *w, yyjson_val *v, bool inside,
		      struct message *m)
{
	size_t before = m->len;
	struct bytes type;

	if (messages_string(w, v, "type", &type) || read_typed(r, w, v, type, m))
		return -1;
	if (inside || m->len != before + 1)
		return 0;
	m->content[before].cache = messages_cache(v);
	if (m->content[before].type == BLOCK_THOUGHT)
		return 0;
	m->content[before].source = json_print_arena(v, r->arena);
	return bytes_set(m->content[before].source) ? 0 : -1;
}

static int read_blocks(struct messages_reader *r, const struct where *w, yyjson_val *list,
		       bool inside, struct message *m)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(list))
		return messages_refuse(w, list ? "Input should be a string or a list"
					       : "Field required");
	if (yyjson_arr_size(list) > TOP_BLOCKS)
		return messages_refuse(w, "more than %d blocks", TOP_BLOCKS);
	while ((one = yyjson_arr_iter_next(&it)))
		if (read_block(r, &WHERE_AT(w, i++), one, inside, m))
			return -1;
	return 0;
}

/* ---- messages ---- */

/* A system turn among the others: as the user's words, between tags. */
static int late_system(struct messages_reader *r, struct message *m)
{
	struct bytes text = joined(m, r->arena);

	text = arena_printf(r->arena, "<system>\n%.*s\n</system>", BFMT(text));
	if (!bytes_set(text))
		return -1;
	m->content[0] = (struct block){ .type = BLOCK_TEXT, .text = text };
	m->len = 1;
	return 0;
}

static int read_message(struct messages_reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("content"));
	struct inference *inf = r->inf;
	yyjson_val *content = json_get(v, "content");
	struct message m = { 0 };
	struct bytes role;
	bool system;

	if (messages_string(w, v, "role", &role))
		return -1;
	system = bytes_eq(role, B("system"));
	m.role = bytes_eq(role, B("assistant")) ? ROLE_ASSISTANT : ROLE_USER;
	if (!system && m.role == ROLE_USER && !bytes_eq(role, B("user")))
		return messages_refuse(&WHERE_KEY(w, B("role")),
				       "Input should be 'user', 'assistant' or 'system'");
	if (yyjson_is_str(content)) {
		if (add(r, &m, (struct block){ .type = BLOCK_TEXT, .text = json_str(content) }))
			return -1;
	} else if (read_blocks(r, &at, content, false, &m)) {
		return -1;
	}
	if (system && m.len && late_system(r, &m))
		return -1;
	return arena_push(r->arena, inf->messages, inf->nmessages, inf->cmessages, m) ? 0 : -1;
}

int messages_read_messages(struct messages_reader *r, yyjson_val *list)
{
	struct where at = WHERE_KEY(&r->root, B("messages"));
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(list))
		return messages_refuse(&at,
				       list ? "Input should be a valid list" : "Field required");
	if (!yyjson_arr_size(list))
		return messages_refuse(&at, "at least one message is required");
	while ((one = yyjson_arr_iter_next(&it)))
		if (read_message(r, &WHERE_AT(&at, i++), one))
			return -1;
	return 0;
}
