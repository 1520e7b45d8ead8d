/*
 * The neutral request -> the body of POST chat/completions (providers-openai §2.3-2.8), keys and values in the
 * order in which TensorZero writes them: recorded bodies are compared, cached and signed as bytes.
 *
 * A surface's options change that where TensorZero's form never worked (`strict` beside `function`, custom tools sent
 * back as functions), and where OpenAI's server insists: on short ids and names, and on a result for every call.
 */
#include "wire/openai_chat/write_request.h"

#include <stdio.h>

#include "base/error.h"
#include "wire/media.h"
#include "wire/call_ids.h"
#include "wire/params.h"

#define HINT        "Respond using JSON."
#define IGNORED_MAX 1024
#define TURNS_MAX   (64u << 20) /* of a list of messages that take turns; texts are not copied */

void chat_ignored(struct buf *ignored, struct bytes path)
{
	if (!ignored || ignored->len + path.n + 2 > IGNORED_MAX)
		return;
	if (ignored->len > 0)
		buf_append(ignored, B(", "));
	buf_append(ignored, path);
}

/* ---- blocks ---- */

static enum file_form form_of(const struct dialect *d, struct bytes mime)
{
	if (d->chat.all_images)
		return FILE_IMAGE_URL;
	for (size_t i = 0; i < d->noverrides; i++)
		if (bytes_eq(d->overrides[i].mime_type, mime))
			return d->overrides[i].form;
	if (bytes_starts(mime, B("image/")))
		return FILE_IMAGE_URL;
	return bytes_starts(mime, B("audio/")) ? FILE_INPUT_AUDIO : FILE_FILE;
}

/* JSON inside quotes is only safe without quotes, backslashes and controls. */
static bool is_plain(struct bytes s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == '"' || s.p[i] == '\\')
			return false;
	return true;
}

static void put_data_url(struct pen *p, const struct file *f)
{
	bool any = false;

	if (is_plain(f->mime_type) && is_plain(f->data)) {
		pen_lit(p, "\"data:");
		pen_bytes(p, f->mime_type);
		pen_lit(p, ";base64,");
		pen_bytes(p, f->data);
		pen_lit(p, "\"");
		return;
	}
	pen_more(p, B("data:"), &any); /* base64 with line breaks, a quoted parameter */
	pen_more(p, f->mime_type, &any);
	pen_more(p, B(";base64,"), &any);
	pen_more(p, f->data, &any);
}

static void put_image(struct chat_out *o, const struct file *f)
{
	struct pen *p = &o->pen;

	pen_lit(p, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
	if (bytes_set(f->data))
		put_data_url(p, f);
	else
		pen_string(p, f->url);
	if (!o->dialect->chat.no_detail)
		pen_set(p, "detail", f->detail);
	else if (bytes_set(f->detail))
		chat_ignored(o->ignored, B("messages[].image_url.detail"));
	pen_lit(p, "}}");
}

static int put_audio(struct chat_out *o, const struct file *f)
{
	char space[MEDIA_EXTENSION];
	struct bytes format = media_extension(f->mime_type, space);

	if (!bytes_set(format))
		return fail(
			ERR_INVALID_MESSAGE,
			"Unsupported audio MIME type: %.*s. Supported types: audio/midi, audio/mpeg, audio/m4a, audio/mp4, audio/ogg, audio/x-flac, audio/x-wav, audio/amr, audio/aac, audio/x-aiff, audio/x-dsf, audio/x-ape. Please open a feature request if your provider supports another audio format: https://github.com/tensorzero/tensorzero/discussions/categories/feature-requests",
			BFMT(f->mime_type));
	pen_lit(&o->pen, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":");
	pen_string(&o->pen, f->data);
	pen_text(&o->pen, "format", format);
	pen_lit(&o->pen, "}}");
	return 0;
}

static int put_document(struct chat_out *o, const struct file *f)
{
	struct pen *p = &o->pen;
	char space[MEDIA_EXTENSION];
	struct bytes extension = media_extension(f->mime_type, space);
	bool any = false;

	if (!bytes_set(f->filename) && !bytes_set(extension))
		return fail(ERR_INVALID_MESSAGE, "Mime type %.*s has no filetype suffix",
			    BFMT(f->mime_type));
	pen_lit(p, "{\"type\":\"file\",\"file\":{\"file_data\":");
	put_data_url(p, f);
	pen_key(p, "filename");
	if (!bytes_set(f->filename))
		pen_more(p, B("input."), &any);
	pen_more(p, bytes_set(f->filename) ? f->filename : extension, &any);
	pen_lit(p, "}}");
	return 0;
}

static int put_file(struct chat_out *o, const struct file *f)
{
	bool there = bytes_set(f->data);

	if (!there && (!bytes_set(f->mime_type) || bytes_starts(f->mime_type, B("image/")))) {
		put_image(o, f);
		return 0;
	}
	if (!there) /* upstream/files.c comes before */
		return fail(ERR_BAD_FILE_FETCH, "Error fetching file from %.*s: it was not fetched",
			    BFMT(f->url));
	switch (form_of(o->dialect, f->mime_type)) {
	case FILE_IMAGE_URL: put_image(o, f); return 0;
	case FILE_INPUT_AUDIO: return put_audio(o, f);
	case FILE_FILE: break;
	}
	return put_document(o, f);
}

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT;
}

/* What stands in `content`: everything but calls, results, refusals, and mostly thoughts. */
static bool in_content(const struct chat_out *o, const struct block *b)
{
	return is_text(b) || b->type == BLOCK_FILE || b->type == BLOCK_UNKNOWN ||
	       chat_is_thinking_part(o, b);
}

static int put_part(struct chat_out *o, const struct block *b)
{
	if (b->type == BLOCK_FILE)
		return put_file(o, b->file);
	if (b->type == BLOCK_UNKNOWN) {
		pen_bytes(&o->pen, b->text);
		return 0;
	}
	if (b->type == BLOCK_THOUGHT) {
		chat_put_thinking_part(o, b);
		return 0;
	}
	pen_lit(&o->pen, "{\"type\":\"text\",\"text\":");
	pen_string(&o->pen, b->text);
	pen_lit(&o->pen, "}");
	return 0;
}

/* Thoughts as a part of the text, in front of it. */
static void put_tagged_part(struct chat_out *o, const struct message *m)
{
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"type\":\"text\",\"text\":");
	chat_put_tagged(o, m);
	pen_lit(&o->pen, "}");
}

/* The value of `content`; `n` of the blocks from `from` to `to` are in it, with the thoughts in tags. */
static int put_content(struct chat_out *o, const struct message *m, size_t from, size_t to,
		       size_t n)
{
	const struct block *blocks = m->content;
	bool tagged = m->role == ROLE_ASSISTANT && chat_has_tagged(o, m);
	size_t first = from;

	while (first < to && !in_content(o, &blocks[first]))
		first++;
	if (n == 1 && !tagged && is_text(&blocks[first]) && !o->dialect->chat.parts_always) {
		pen_string(&o->pen, blocks[first].text);
		return 0;
	}
	pen_open(&o->pen, '[');
	if (tagged)
		put_tagged_part(o, m);
	for (size_t i = first; i < to; i++) {
		if (!in_content(o, &blocks[i]))
			continue;
		pen_item(&o->pen);
		if (put_part(o, &blocks[i]))
			return -1;
	}
	pen_close(&o->pen, ']');
	return 0;
}

/* ---- messages ---- */

static void put_name(struct chat_out *o, struct bytes name)
{
	char out[ID_ROOM];

	pen_string(&o->pen, o->inf->options->short_ids ? id_mapped(&name_openai, name, out) : name);
}

static void tool_message_begin(struct chat_out *o)
{
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"tool\",\"content\":");
}

static void tool_message_end(struct chat_out *o, struct bytes id)
{
	char out[ID_ROOM];

	pen_lit(&o->pen, ",\"tool_call_id\":");
	pen_string(&o->pen, chat_call_id(o, id, out));
	pen_lit(&o->pen, "}");
}

/* How a file is named in the text that stands in its place. */
static const char *kind_of(const struct block *b)
{
	if (b->type != BLOCK_FILE || b->file->is_url)
		return "image";
	return bytes_starts(b->file->mime_type, B("image/")) ? "image" : "file";
}

/* Texts, a line each, and a mark where each file stood; the files follow in a user message. */
static void put_result_parts(struct chat_out *o, const struct block *b, bool *any)
{
	size_t files = 0;

	for (size_t i = 0; i < b->nparts; i++) {
		const struct block *part = &b->parts[i];
		char mark[40];

		if (i > 0)
			pen_more(&o->pen, B("\n"), any);
		if (is_text(part)) {
			pen_more(&o->pen, part->text, any);
			continue;
		}
		snprintf(mark, sizeof mark, "[%s %zu]", kind_of(part), ++files);
		pen_more(&o->pen, bytes_of(mark), any);
	}
}

static void put_result(struct chat_out *o, const struct block *b)
{
	bool any = false;

	tool_message_begin(o);
	if (b->is_error && !bytes_istarts(b->text, B("Error: ")))
		pen_more(&o->pen, B("Error: "), &any);
	if (b->parts)
		put_result_parts(o, b, &any);
	else
		pen_more(&o->pen, b->text, &any);
	tool_message_end(o, b->id);
}

static int put_attachments(struct chat_out *o, const struct block *b)
{
	char out[ID_ROOM];
	bool any = false;

	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":");
	pen_more(&o->pen, B("Attachments of tool result "), &any);
	pen_more(&o->pen, chat_call_id(o, b->id, out), &any);
	pen_more(&o->pen, B(":"), &any);
	pen_lit(&o->pen, "}");
	for (size_t i = 0; i < b->nparts; i++) {
		if (is_text(&b->parts[i]))
			continue;
		pen_lit(&o->pen, ",");
		if (put_part(o, &b->parts[i]))
			return -1;
	}
	pen_lit(&o->pen, "]}");
	return 0;
}

static bool answers(const struct message *m, struct bytes id)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].type == BLOCK_TOOL_RESULT && bytes_eq(m->content[i].id, id))
			return true;
	return false;
}

/* OpenAI refuses a conversation that goes on while a call has no result. */
static void put_missing_results(struct chat_out *o, const struct message *before,
				const struct message *m)
{
	if (!o->inf->options->fill_results || !before || before->role != ROLE_ASSISTANT)
		return;
	for (size_t i = 0; i < before->len; i++) {
		const struct block *b = &before->content[i];

		if (b->type != BLOCK_TOOL_CALL || (m->role == ROLE_USER && answers(m, b->id)))
			continue;
		tool_message_begin(o);
		pen_lit(&o->pen, "\"[no result]\"");
		tool_message_end(o, b->id);
	}
}

/* What the blocks from `from` to `to` have beside results. */
static int put_user_content(struct chat_out *o, const struct message *m, size_t from, size_t to)
{
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		n += in_content(o, &m->content[i]);
	if (n == 0)
		return 0;
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"user\",\"content\":");
	if (put_content(o, m, from, to, n))
		return -1;
	pen_lit(&o->pen, "}");
	return 0;
}

/* Results come first, where they need not stay behind what the client put before them. */
static int put_user(struct chat_out *o, const struct message *m, const struct message *before)
{
	bool in_place = o->dialect->chat.results_in_place;
	size_t from = 0;

	for (size_t i = 0; i < m->len; i++) {
		if (m->content[i].type == BLOCK_TOOL_CALL)
			return fail(ERR_INVALID_MESSAGE,
				    "Tool calls are not supported in user messages");
		if (m->content[i].type != BLOCK_TOOL_RESULT)
			continue;
		if (in_place && put_user_content(o, m, from, i))
			return -1;
		from = in_place ? i + 1 : 0;
		put_result(o, &m->content[i]);
	}
	put_missing_results(o, before, m);
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].parts && put_attachments(o, &m->content[i]))
			return -1;
	return put_user_content(o, m, from, m->len);
}

static bool is_custom(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return t->tools[i].custom;
	return false;
}

static bool sends_custom(const struct chat_out *o, const struct block *b)
{
	return b->custom || (o->inf->tools && is_custom(o->inf->tools, b->name));
}

/* A call, a tool or a choice of one, up to its name. */
static void named_begin(struct chat_out *o, struct bytes name, bool custom)
{
	pen_bytes(&o->pen, custom ? B("\"type\":\"custom\",\"custom\":{\"name\":")
				  : B("\"type\":\"function\",\"function\":{\"name\":"));
	put_name(o, name);
}

static void put_call(struct chat_out *o, const struct block *b)
{
	bool custom = sends_custom(o, b);
	char out[ID_ROOM];

	pen_lit(&o->pen, "{\"id\":");
	pen_string(&o->pen, chat_call_id(o, b->id, out));
	pen_lit(&o->pen, ",");
	named_begin(o, b->name, custom);
	pen_bytes(&o->pen, custom ? B(",\"input\":") : B(",\"arguments\":"));
	pen_string(&o->pen, b->arguments.n == 0 && !custom ? B("{}") : b->arguments);
	pen_lit(&o->pen, "}}");
}

static void put_calls(struct chat_out *o, const struct message *m)
{
	bool any = false;

	for (size_t i = 0; i < m->len; i++) {
		if (m->content[i].type != BLOCK_TOOL_CALL)
			continue;
		pen_list_item(&o->pen, "tool_calls", &any);
		put_call(o, &m->content[i]);
	}
	pen_list_end(&o->pen, any);
}

static int put_assistant(struct chat_out *o, const struct message *m)
{
	size_t n = 0, calls = 0;
	const struct block *refusal = NULL;

	for (size_t i = 0; i < m->len; i++) {
		if (m->content[i].type == BLOCK_TOOL_RESULT)
			return fail(ERR_INVALID_MESSAGE,
				    "Tool results are not supported in assistant messages");
		n += in_content(o, &m->content[i]);
		calls += m->content[i].type == BLOCK_TOOL_CALL;
		if (m->content[i].type == BLOCK_REFUSAL)
			refusal = &m->content[i];
	}
	n += chat_has_tagged(o, m);
	if (n == 0 && calls == 0 && !refusal && !o->dialect->chat.empty_assistant &&
	    !chat_thoughts_suffice(o, m))
		return 0;
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"assistant\"");
	if (n > 0) {
		pen_key(&o->pen, "content");
		if (put_content(o, m, 0, m->len, n))
			return -1;
	} else if (o->dialect->chat.thoughts == CHAT_THINKING_PARTS) {
		pen_lit(&o->pen, ",\"content\":null");
	}
	if (refusal)
		pen_text(&o->pen, "refusal", refusal->text);
	put_calls(o, m);
	chat_put_thoughts(o, m);
	pen_lit(&o->pen, "}");
	return 0;
}

/* ---- system text ---- */

static bool says_json(const struct inference *inf)
{
	for (size_t i = 0; i < inf->nmessages; i++) {
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			if ((is_text(b) || b->type == BLOCK_TOOL_RESULT) &&
			    bytes_ifind(b->text, B("json")) >= 0)
				return true;
		}
	}
	return false;
}

/* Whether the prompt must be made to say that JSON is wanted. */
static bool needs_hint(const struct chat_out *o)
{
	struct bytes system = o->inf->system;

	if (o->dialect->chat.no_hint ||
	    (o->inf->json_mode != JSON_MODE_ON && !chat_sends_json_object(o)))
		return false;
	if (!bytes_set(system))
		return !o->dialect->chat.hint_if_unsaid || !says_json(o->inf);
	return bytes_ifind(system, B("json")) < 0 && !says_json(o->inf);
}

static void put_system(struct chat_out *o)
{
	struct bytes system = o->inf->system;
	bool hint = needs_hint(o), any = false;

	if (!bytes_set(system) && !hint)
		return;
	pen_item(&o->pen);
	if (!o->dialect->chat.no_o1_mini && bytes_istarts(o->dialect->model, B("o1-mini")))
		pen_lit(&o->pen, "{\"role\":\"user\",\"content\":");
	else
		pen_lit(&o->pen, "{\"role\":\"system\",\"content\":");
	if (hint)
		pen_more(&o->pen, bytes_set(system) ? B(HINT "\n\n") : B(HINT), &any);
	if (bytes_set(system))
		pen_more(&o->pen, system, &any);
	pen_lit(&o->pen, "}");
}

static int put_messages(struct chat_out *o, const struct message *messages, size_t n)
{
	const struct message *before = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct message *m = &messages[i];

		if (m->role == ROLE_USER) {
			if (put_user(o, m, before))
				return -1;
		} else {
			put_missing_results(o, before, m);
			if (put_assistant(o, m))
				return -1;
		}
		before = m;
	}
	return 0;
}

static int put_turns(struct chat_out *o)
{
	struct arena a;
	struct message *messages;
	size_t n;
	int r = -1;

	arena_init(&a, TURNS_MAX);
	if (chat_take_turns(o, &a, &messages, &n))
		r = put_messages(o, messages, n);
	arena_deinit(&a);
	return r;
}

int openai_chat_put_messages(struct chat_out *o)
{
	int r;

	pen_open(&o->pen, '[');
	if (!chat_plain_roles(o))
		put_system(o);
	r = o->dialect->chat.take_turns ? put_turns(o)
					: put_messages(o, o->inf->messages, o->inf->nmessages);
	pen_close(&o->pen, ']');
	return r;
}

/* ---- tools ---- */

static void put_function(struct chat_out *o, const struct tool *t)
{
	struct pen *p = &o->pen;
	bool inner =
		o->dialect->tool_strict == STRICT_INNER ||
		(o->dialect->tool_strict == STRICT_BY_SURFACE && o->inf->options->strict_inner);

	pen_lit(p, "{");
	named_begin(o, t->name, false);
	pen_text(p, "description", t->description);
	pen_json(p, "parameters", t->parameters);
	if (o->dialect->chat.never_strict && o->dialect->tool_strict == STRICT_BY_SURFACE)
		pen_lit(p, "}}");
	else if (inner)
		pen_bytes(p, t->strict ? B(",\"strict\":true}}") : B("}}"));
	else
		pen_bytes(p, t->strict ? B("},\"strict\":true}") : B("},\"strict\":false}"));
}

static void put_custom(struct chat_out *o, const struct tool *t)
{
	pen_lit(&o->pen, "{");
	named_begin(o, t->name, true);
	if (t->described)
		pen_text(&o->pen, "description", t->description);
	pen_json(&o->pen, "format", t->format);
	pen_lit(&o->pen, "}}");
}

static bool is_sent(const struct chat_out *o, struct bytes name)
{
	const struct tool_config *t = o->inf->tools;

	if (!o->dialect->chat.only_allowed || !t->allowed_explicit)
		return true;
	for (size_t i = 0; i < t->nallowed; i++)
		if (bytes_eq(t->allowed[i], name))
			return true;
	return false;
}

/* Functions first. */
static void put_tools(struct chat_out *o)
{
	const struct tool_config *t = o->inf->tools;

	pen_open(&o->pen, '[');
	for (int custom = 0; custom < 2; custom++) {
		for (size_t i = 0; i < t->len; i++) {
			if (t->tools[i].custom != custom || !is_sent(o, t->tools[i].name))
				continue;
			pen_item(&o->pen);
			if (custom)
				put_custom(o, &t->tools[i]);
			else
				put_function(o, &t->tools[i]);
		}
	}
	pen_close(&o->pen, ']');
}

static void put_named(struct chat_out *o, struct bytes name, bool custom)
{
	pen_lit(&o->pen, "{");
	named_begin(o, name, custom);
	pen_lit(&o->pen, "}}");
}

static void put_allowed(struct chat_out *o, const struct tool_config *t)
{
	pen_lit(&o->pen, "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":");
	pen_bytes(&o->pen, t->choice == TOOL_CHOICE_REQUIRED ? B("\"required\"") : B("\"auto\""));
	pen_lit(&o->pen, ",\"tools\":");
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < t->nallowed; i++) {
		pen_item(&o->pen);
		put_named(o, t->allowed[i], is_custom(t, t->allowed[i]));
	}
	pen_close(&o->pen, ']');
	pen_lit(&o->pen, "}}");
}

static void put_tool_choice(struct chat_out *o)
{
	const struct tool_config *t = o->inf->tools;

	if (t->allowed_explicit && t->choice != TOOL_CHOICE_NONE &&
	    !o->dialect->chat.only_allowed) {
		put_allowed(o, t);
		return;
	}
	switch (t->choice) {
	case TOOL_CHOICE_NONE: pen_lit(&o->pen, "\"none\""); return;
	case TOOL_CHOICE_REQUIRED: {
		struct bytes word = o->dialect->chat.required_as;

		pen_string(&o->pen, bytes_set(word) ? word : B("required"));
		return;
	}
	case TOOL_CHOICE_SPECIFIC: /* TensorZero's routes name custom tools as functions */
		put_named(o, t->specific,
			  o->inf->options->custom_choice && is_custom(t, t->specific));
		return;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_lit(&o->pen, "\"auto\"");
	}
}

/* ---- parameters ---- */

void openai_chat_put_param(struct chat_out *o, enum param p)
{
	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE: chat_put_response_format(o); break;
	case PARAM_TOOL_LIST: put_tools(o); break;
	case PARAM_TOOL_NAME: put_tool_choice(o); break;
	case PARAM_BOOL:
		pen_bytes(&o->pen, o->inf->tools->parallel ? B("true") : B("false"));
		break;
	case PARAM_STRING:
		if (!param_is_set(o->inf, p)) {
			pen_string(&o->pen, chat_budget_effort(o->inf));
			break;
		}
		/* fallthrough */
	default: param_write(&o->pen, o->inf, p);
	}
}

static void put_param(struct chat_out *o, enum param p)
{
	struct bytes key = openai_chat_key(o, p);

	if (key.n == 0 || !openai_chat_sends(o, p))
		return;
	pen_lit(&o->pen, ",");
	pen_string(&o->pen, key);
	pen_lit(&o->pen, ":");
	openai_chat_put_param(o, p);
}

/* ---- the body ---- */

/* In the order of OpenAI's row, or in the dialect's own. */
static void put_keys(struct chat_out *o)
{
	const unsigned char *keys = o->dialect->chat.keys;

	if (!keys) {
		chat_put_key(o, CHAT_MODEL);
		for (enum param p = 0; p < PARAM_RESPONSE_FORMAT; p++)
			put_param(o, p);
		chat_put_key(o, CHAT_STREAM);
		chat_put_key(o, CHAT_STREAM_OPTIONS);
		for (enum param p = PARAM_RESPONSE_FORMAT; p < PARAMS; p++)
			put_param(o, p);
		return;
	}
	for (; *keys != CHAT_KEYS_END; keys++) {
		if (*keys < PARAMS)
			put_param(o, (enum param) * keys);
		else
			chat_put_key(o, (enum chat_key) * keys);
	}
}

static int write_neutral(struct chat_out *o)
{
	pen_head(&o->pen, "{\"messages\":");
	if (openai_chat_put_messages(o))
		return -1;
	put_keys(o);
	pen_lit(&o->pen, "}");
	return pen_done(&o->pen);
}

int openai_chat_write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			      struct buf *ignored)
{
	struct chat_out o = { .pen = { .b = out }, .inf = inf, .dialect = d, .ignored = ignored };

	if (chat_check(&o))
		return -1;
	chat_name_ignored(&o);
	return openai_chat_passes(inf) ? openai_chat_write_edited(&o) : write_neutral(&o);
}
