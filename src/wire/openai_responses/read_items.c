/*
 * The items of a Responses request -> messages of blocks (surfaces §4.4, §6.1-6.6). What an assistant did stands in items
 * side by side: thoughts, texts and calls of one turn become one message, results that follow each other another.
 * An item of a type that nobody here knows is never an error: clients add types faster than anyone lists them.
 */
#include "wire/openai_responses/read_request.h"

#include "base/error.h"
#include "base/pen.h"
#include "wire/media.h"
#include "wire/openai_chat/read_request.h"
#include "wire/seal.h"

#define MAX_JSON (100u << 20)

/* ---- messages ---- */

/* The last message, if it is of that role and may be added to. */
static struct message *open_message(struct responses_reader *r, enum role role)
{
	struct inference *inf = r->inf;
	struct message *last = inf->nmessages ? &inf->messages[inf->nmessages - 1] : NULL;

	return last && last->role == role && (role == ROLE_ASSISTANT || r->open_user) ? last : NULL;
}

static struct message *message_of(struct responses_reader *r, enum role role)
{
	struct inference *inf = r->inf;
	struct message *open = open_message(r, role);

	r->turned = true;
	if (open)
		return open;
	if (!arena_push(r->arena, inf->messages, inf->nmessages, inf->cmessages,
			((struct message){ .role = role })))
		return NULL;
	r->open_user = false;
	return &inf->messages[inf->nmessages - 1];
}

static int block_add(struct responses_reader *r, struct message *m, struct block b)
{
	return m && arena_push(r->arena, m->content, m->len, m->cap, b) ? 0 : -1;
}

/* A text that must be there. */
static int member(const struct where *w, yyjson_val *obj, const char *key, struct bytes *out)
{
	yyjson_val *v = json_get(obj, key);

	return v ? expect_string(&WHERE_KEY(w, bytes_of(key)), v, out) : expect_field(w, key);
}

/* ---- parts ---- */

/* Blocks of one item, before it is known where they go. */
struct parts {
	struct block *at;
	size_t len, cap, files;
};

static int part_add(struct responses_reader *r, struct parts *to, struct block b)
{
	return arena_push(r->arena, to->at, to->len, to->cap, b) ? 0 : -1;
}

static int text_add(struct responses_reader *r, struct parts *to, struct bytes text)
{
	if (!text.n)
		return 0;
	return part_add(r, to, (struct block){ .type = BLOCK_TEXT, .text = text });
}

static int file_add(struct responses_reader *r, struct parts *to, struct file f)
{
	struct file *copy = arena_new(r->arena, struct file);

	if (!copy)
		return -1;
	*copy = f;
	to->files++;
	r->env->has_files = true;
	return part_add(r, to, (struct block){ .type = BLOCK_FILE, .file = copy });
}

static int read_data_url(struct responses_reader *r, const struct where *w, struct bytes url,
			 struct file *f)
{
	switch (media_data_url(url, r->arena, &f->mime_type, &f->data)) {
	case DATA_URL_OK: return 0;
	case DATA_URL_BAD_MIME:
		if (bytes_chr(f->mime_type, '/') > 0)
			return 0; /* whoever gets it may know it */
		break;
	case DATA_URL_MEMORY: return -1;
	case DATA_URL_NO_PREFIX:
	case DATA_URL_NO_BASE64: break;
	}
	return openai_refuse(
		w, "invalid_value",
		"Expected a base64-encoded data URL with MIME type (such as `data:image/png;base64,SGVsbG8sIFdvcmxkIQ==`)");
}

static int read_location(struct responses_reader *r, const struct where *w, struct bytes url,
			 struct file *f)
{
	const char *bad;

	if (bytes_istarts(url, B("data:")))
		return read_data_url(r, w, url, f);
	bad = media_url(url, r->arena, &f->url);
	if (bad)
		return expect_fail(w, "invalid_value", "%s", bad);
	f->is_url = true;
	return 0;
}

static int read_image(struct responses_reader *r, struct parts *to, const struct where *w,
		      yyjson_val *part)
{
	struct where at = WHERE_KEY(w, B("image_url"));
	yyjson_val *v = json_get(part, "image_url");
	struct file f = { .detail = json_str(json_get(part, "detail")) };
	struct bytes url;

	if (yyjson_is_obj(v))
		v = json_get(v, "url");
	if ((!v || yyjson_is_null(v)) && yyjson_is_str(json_get(part, "file_id")))
		return responses_unsayable(
			r, &WHERE_KEY(w, B("file_id")),
			"`file_id` names a file that only OpenAI's own servers have: send it as `image_url`");
	if (expect_string(&at, v ? v : part, &url) || read_location(r, &at, url, &f))
		return -1;
	return file_add(r, to, f);
}

static int read_file(struct responses_reader *r, struct parts *to, const struct where *w,
		     yyjson_val *part)
{
	yyjson_val *data = json_get(part, "file_data"), *url = json_get(part, "file_url");
	struct where data_at = WHERE_KEY(w, B("file_data")), url_at = WHERE_KEY(w, B("file_url"));
	struct file f = { .filename = json_str(json_get(part, "filename")) };
	struct bytes text;
	char why[80];

	if (yyjson_is_str(url)) {
		if (read_location(r, &url_at, json_str(url), &f))
			return -1;
		return file_add(r, to, f);
	}
	if (!yyjson_is_str(data) && yyjson_is_str(json_get(part, "file_id")))
		return responses_unsayable(
			r, &WHERE_KEY(w, B("file_id")),
			"`file_id` names a file that only OpenAI's own servers have: send it as `file_data`");
	if (expect_string(&data_at, data ? data : part, &text))
		return -1;
	if (bytes_istarts(text, B("data:"))) {
		if (read_data_url(r, &data_at, text, &f))
			return -1;
		return file_add(r, to, f);
	}
	if (!media_base64(text, why))
		return openai_refuse(&data_at, "invalid_value", "Invalid base64 data: %s", why);
	f.data = text;
	f.mime_type = media_sniff(text);
	if (!bytes_set(f.mime_type))
		f.mime_type = bytes_ends(f.filename, B(".txt")) ? B("text/plain")
								: B("application/octet-stream");
	return file_add(r, to, f);
}

static int read_audio(struct responses_reader *r, struct parts *to, const struct where *w,
		      yyjson_val *part)
{
	yyjson_val *inner = json_get(part, "input_audio"), *url = json_get(part, "audio_url");
	struct where at = WHERE_KEY(w, B("input_audio"));
	struct file f = { 0 };
	char why[80];

	if (yyjson_is_str(url)) {
		if (read_location(r, &WHERE_KEY(w, B("audio_url")), json_str(url), &f))
			return -1;
		return file_add(r, to, f);
	}
	if (!inner)
		return expect_field(w, "input_audio");
	if (member(&at, inner, "data", &f.data))
		return -1;
	if (!media_base64(f.data, why))
		return openai_refuse(&at, "invalid_value", "Invalid base64 data in input_audio: %s",
				     why);
	f.mime_type = media_sniff(f.data);
	if (!bytes_set(f.mime_type))
		f.mime_type = bytes_eq(json_str(json_get(inner, "format")), B("wav"))
				      ? B("audio/wav")
				      : B("audio/mpeg");
	return file_add(r, to, f);
}

static int read_part(struct responses_reader *r, struct parts *to, const struct where *w,
		     yyjson_val *part)
{
	struct bytes type = json_str(json_get(part, "type"));

	if (yyjson_is_str(part))
		return text_add(r, to, json_str(part));
	if (!yyjson_is_obj(part))
		return expect_type(w, part, "a content part");
	if (bytes_eq(type, B("input_image")) || bytes_eq(type, B("image_url")))
		return read_image(r, to, w, part);
	if (bytes_eq(type, B("input_file")))
		return read_file(r, to, w, part);
	if (bytes_eq(type, B("input_audio")))
		return read_audio(r, to, w, part);
	if (bytes_eq(type, B("refusal")))
		return text_add(r, to, json_str(json_get(part, "refusal")));
	if (bytes_eq(type, B("input_text")) || bytes_eq(type, B("output_text")) ||
	    bytes_eq(type, B("text")) || !bytes_set(type)) {
		struct bytes text;

		if (member(w, part, "text", &text))
			return -1;
		return text_add(r, to, text);
	}
	return 0; /* to OpenAI's own servers it goes in the client's own body */
}

static int read_parts(struct responses_reader *r, struct parts *to, const struct where *w,
		      yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *part;

	if (yyjson_is_str(v))
		return text_add(r, to, json_str(v));
	if (!v || yyjson_is_null(v))
		return 0;
	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a string or a list of content parts");
	for (size_t i = 0; (part = yyjson_arr_iter_next(&it)); i++) {
		struct where at = WHERE_AT(w, i);

		if (read_part(r, to, &at, part))
			return -1;
	}
	return 0;
}

/* Texts joined, a line between them. */
static struct bytes joined(struct responses_reader *r, const struct parts *p, struct bytes between)
{
	struct bytes text = B("");
	bool any = false;

	for (size_t i = 0; i < p->len && bytes_set(text); i++) {
		if (p->at[i].type != BLOCK_TEXT)
			continue;
		text = any ? arena_printf(r->arena, "%.*s%.*s%.*s", BFMT(text), BFMT(between),
					  BFMT(p->at[i].text))
			   : p->at[i].text;
		any = true;
	}
	return text;
}

/* ---- message items ---- */

static int read_system(struct responses_reader *r, const struct parts *p)
{
	struct bytes text = joined(r, p, B("\n"));

	if (!bytes_set(text))
		return -1;
	if (!text.n)
		return 0;
	if (!r->turned)
		return arena_push(r->arena, r->system, r->nsystem, r->csystem, text) ? 0 : -1;
	text = arena_printf(r->arena, "<system>%.*s</system>", BFMT(text));
	r->open_user = false;
	return bytes_set(text) ? block_add(r, message_of(r, ROLE_USER),
					   (struct block){ .type = BLOCK_TEXT, .text = text })
			       : -1;
}

static int read_message(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	static const struct bytes roles[] = { B("user"), B("assistant"), B("system"),
					      B("developer") };
	struct bytes role = { NULL, 0 };
	struct parts p = { 0 };
	struct message *m;
	int which;

	if (member(w, item, "role", &role))
		return -1;
	which = expect_one_of(&WHERE_KEY(w, B("role")), role, roles, COUNT(roles));
	if (which < 0 || read_parts(r, &p, &WHERE_KEY(w, B("content")), json_get(item, "content")))
		return -1;
	if (which >= 2)
		return read_system(r, &p);
	if (!p.len)
		return 0;
	if (which == 0)
		r->open_user = false;
	m = message_of(r, which ? ROLE_ASSISTANT : ROLE_USER);
	for (size_t i = 0; i < p.len; i++)
		if (block_add(r, m, p.at[i]))
			return -1;
	return 0;
}

/* ---- calls ---- */

static int call_add(struct responses_reader *r, struct block b)
{
	b.type = BLOCK_TOOL_CALL;
	if (!bytes_set(b.id) || !bytes_set(b.name) || !bytes_set(b.arguments) ||
	    map_put(&r->calls, b.id, r))
		return -1;
	if (b.id.n > 64)
		r->inf->source_edit = true;
	return block_add(r, message_of(r, ROLE_ASSISTANT), b);
}

static int call_id(const struct where *w, yyjson_val *item, struct bytes *id)
{
	yyjson_val *v = json_get(item, "call_id");

	if (v && !yyjson_is_null(v))
		return member(w, item, "call_id", id);
	return json_get(item, "id") ? member(w, item, "id", id) : expect_field(w, "call_id");
}

static struct bytes json_of(struct responses_reader *r, yyjson_val *v)
{
	if (!v || yyjson_is_null(v) || (yyjson_is_str(v) && !json_str(v).n))
		return B("{}");
	return yyjson_is_str(v) ? json_str(v) : json_print_arena(v, r->arena);
}

static int read_call(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	bool custom = bytes_eq(json_str(json_get(item, "type")), B("custom_tool_call"));
	struct block b = { .custom = custom, .item_id = json_str(json_get(item, "id")) };

	if (call_id(w, item, &b.id) || member(w, item, "name", &b.name))
		return -1;
	b.name = responses_space_name(r, json_str(json_get(item, "namespace")), b.name);
	if (custom && member(w, item, "input", &b.arguments))
		return -1;
	if (!custom)
		b.arguments = json_of(r, json_get(item, "arguments"));
	return call_add(r, b);
}

/* The members of an action that a function of that kind has, under its names. */
static struct bytes shell_arguments(struct responses_reader *r, yyjson_val *action)
{
	static const struct {
		const char *from, *to;
	} members[] = { { "command", "command" },
			{ "commands", "commands" },
			{ "working_directory", "workdir" },
			{ "timeout_ms", "timeout_ms" },
			{ "max_output_length", "max_output_length" } };
	struct bytes out = { NULL, 0 };
	struct buf b;
	struct pen p = { .b = &b };

	buf_init(&b, MAX_JSON);
	pen_open(&p, '{');
	for (size_t i = 0; i < COUNT(members); i++) {
		yyjson_val *v = json_get(action, members[i].from);

		if (!v || yyjson_is_null(v))
			continue;
		pen_item(&p);
		pen_string(&p, bytes_of(members[i].to));
		pen_lit(&p, ":");
		p.failed |= json_print(v, &b) != 0;
	}
	pen_close(&p, '}');
	if (!pen_done(&p))
		out = arena_dup(r->arena, buf_bytes(&b));
	buf_deinit(&b);
	return out;
}

static int read_built_in_call(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	struct bytes type = json_str(json_get(item, "type"));
	struct block b = { .name = bytes_slice(type, 0, type.n - (sizeof "_call" - 1)) };

	if (call_id(w, item, &b.id))
		return -1;
	if (bytes_eq(b.name, B("apply_patch")))
		b.arguments = json_of(r, json_get(item, "operation"));
	else if (bytes_eq(b.name, B("tool_search")))
		b.arguments = json_of(r, json_get(item, "arguments"));
	else
		b.arguments = shell_arguments(r, json_get(item, "action"));
	return call_add(r, b);
}

/* ---- results ---- */

static int result_add(struct responses_reader *r, const struct where *w, struct block b)
{
	struct message *m;

	if (!map_get(&r->calls, b.id) &&
	    responses_unsayable(r, w,
				"No tool call found for function call output with call_id %.*s.",
				BFMT(b.id)))
		return -1;
	b.type = BLOCK_TOOL_RESULT;
	b.name = B("");
	if (b.id.n > 64)
		r->inf->source_edit = true;
	m = message_of(r, ROLE_USER);
	r->open_user = true;
	return block_add(r, m, b);
}

static int read_output(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	yyjson_val *output = json_get(item, "output");
	bool parts = yyjson_is_arr(output) &&
		     !bytes_eq(json_str(json_get(item, "type")), B("shell_call_output"));
	struct parts p = { 0 };
	struct block b = { .is_error = bytes_eq(json_str(json_get(item, "status")), B("failed")) };

	if (call_id(w, item, &b.id))
		return -1;
	if (parts) {
		if (read_parts(r, &p, &WHERE_KEY(w, B("output")), output))
			return -1;
		b.text = joined(r, &p, B("\n"));
		if (p.files || p.len > 1) {
			b.parts = p.at;
			b.nparts = p.len;
		}
	} else if (!output || yyjson_is_null(output)) {
		b.text = B("");
	} else {
		b.text = yyjson_is_str(output) ? json_str(output)
					       : json_print_arena(output, r->arena);
	}
	return bytes_set(b.text) ? result_add(r, w, b) : -1;
}

/* What was found are tools of the request from here on. */
static int read_found(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	struct where at = WHERE_KEY(w, B("tools"));
	yyjson_val *one, *list = json_get(item, "tools");
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	struct block b = { .text = B("") };

	if (responses_read_tools(r, &at, list))
		return -1;
	if (bytes_eq(json_str(json_get(item, "type")), B("additional_tools")))
		return 0;
	if (call_id(w, item, &b.id))
		return -1;
	while ((one = yyjson_arr_iter_next(&it)) && bytes_set(b.text))
		b.text = arena_printf(r->arena, "%.*s%s%.*s", BFMT(b.text), b.text.n ? ", " : "",
				      BFMT(json_str(json_get(one, "name"))));
	return bytes_set(b.text) ? result_add(r, w, b) : -1;
}

/* ---- thoughts ---- */

static int read_summaries(struct responses_reader *r, yyjson_val *list, struct block *b)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t cap = 0;

	while ((one = yyjson_arr_iter_next(&it))) {
		struct summary s = { .text = json_str(json_get(one, "text")) };

		if (bytes_set(s.text) && !arena_push(r->arena, b->summaries, b->nsummaries, cap, s))
			return -1;
	}
	return 0;
}

/* Summaries or raw texts as the one text that other families have. */
static struct bytes visible_text(struct responses_reader *r, const struct block *b,
				 yyjson_val *content)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(content);
	struct bytes text = { NULL, 0 };
	yyjson_val *one;

	for (size_t i = 0; i < b->nsummaries; i++)
		text = bytes_set(text) ? arena_printf(r->arena, "%.*s\n\n%.*s", BFMT(text),
						      BFMT(b->summaries[i].text))
				       : b->summaries[i].text;
	while (!b->nsummaries && (one = yyjson_arr_iter_next(&it))) {
		struct bytes more = json_str(json_get(one, "text"));

		if (bytes_set(more))
			text = bytes_set(text) ? arena_cat(r->arena, text, more) : more;
	}
	return text;
}

static int read_thought(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	struct bytes sealed = json_str(json_get(item, "encrypted_content"));
	struct block b = { .type = BLOCK_THOUGHT, .item_id = json_str(json_get(item, "id")) };
	struct seal seal;

	(void)w;
	if (read_summaries(r, json_get(item, "summary"), &b))
		return -1;
	b.text = visible_text(r, &b, json_get(item, "content"));
	if (!sealed.n) {
		r->inf->source_edit = true;
		if (!bytes_set(b.text))
			return 0;
		b.nsummaries = 0;
		return block_add(r, message_of(r, ROLE_ASSISTANT), b);
	}
	if (!seal_read(sealed, r->arena, &seal)) {
		if (bytes_starts(sealed, B("sgn1.")))
			return 0;
		b.provider_type = B("openai");
		b.signature = sealed;
		b.text = (struct bytes){ NULL, 0 };
		return block_add(r, message_of(r, ROLE_ASSISTANT), b);
	}
	r->inf->source_edit = true;
	b.provider_type = bytes_set(seal.provider_type) ? seal.provider_type : B("unknown");
	b.signature = bytes_set(seal.encrypted) ? seal.encrypted : seal.signature;
	if (bytes_set(seal.item_id))
		b.item_id = seal.item_id;
	if (bytes_set(seal.text))
		b.text = seal.text;
	if (bytes_set(seal.encrypted))
		b.text = (struct bytes){ NULL, 0 };
	else
		b.nsummaries = 0;
	if (bytes_set(seal.redacted)) { /* a thought without a text, not even an empty one */
		b.signature = seal.redacted;
		b.text = (struct bytes){ NULL, 0 };
	} else if (!bytes_set(b.text) && !bytes_set(seal.encrypted)) {
		b.text = B("");
	}
	return block_add(r, message_of(r, ROLE_ASSISTANT), b);
}

/* ---- items ---- */

typedef int item_fn(struct responses_reader *, const struct where *, yyjson_val *);

static const struct {
	struct bytes type;
	item_fn *read;
} items[] = {
	{ B("message"), read_message },
	{ B("function_call"), read_call },
	{ B("custom_tool_call"), read_call },
	{ B("function_call_output"), read_output },
	{ B("custom_tool_call_output"), read_output },
	{ B("reasoning"), read_thought },
	{ B("local_shell_call"), read_built_in_call },
	{ B("local_shell_call_output"), read_output },
	{ B("shell_call"), read_built_in_call },
	{ B("shell_call_output"), read_output },
	{ B("apply_patch_call"), read_built_in_call },
	{ B("apply_patch_call_output"), read_output },
	{ B("tool_search_call"), read_built_in_call },
	{ B("tool_search_output"), read_found },
	{ B("additional_tools"), read_found },
};

bool responses_knows_item(struct bytes type)
{
	for (size_t i = 0; i < COUNT(items); i++)
		if (bytes_eq(items[i].type, type))
			return true;
	return false;
}

static int read_item(struct responses_reader *r, const struct where *w, yyjson_val *item)
{
	struct bytes type = json_str(json_get(item, "type"));

	if (!yyjson_is_obj(item))
		return expect_type(w, item, "an input item");
	if (!json_get(item, "type") && json_get(item, "role"))
		return read_message(r, w, item);
	if (bytes_eq(type, B("item_reference")))
		return openai_refuse(w, NULL, "Item with id '%.*s' not found.",
				     BFMT(json_str(json_get(item, "id"))));
	for (size_t i = 0; i < COUNT(items); i++)
		if (bytes_eq(items[i].type, type))
			return items[i].read(r, w, item);
	return 0;
}

int responses_read_input(struct responses_reader *r, yyjson_val *v)
{
	struct where at = WHERE_KEY(&r->root, B("input"));
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *item;

	if (yyjson_is_str(v))
		return block_add(r, message_of(r, ROLE_USER),
				 (struct block){ .type = BLOCK_TEXT, .text = json_str(v) });
	if (!v || yyjson_is_null(v))
		return 0;
	if (!yyjson_is_arr(v))
		return expect_type(&at, v, "a string or a list of input items");
	for (size_t i = 0; (item = yyjson_arr_iter_next(&it)); i++) {
		struct where one = WHERE_AT(&at, i);

		if (read_item(r, &one, item))
			return -1;
	}
	return 0;
}
