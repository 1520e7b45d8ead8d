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

static void put_image(struct pen *p, const struct file *f)
{
	pen_lit(p, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
	if (bytes_set(f->data))
		put_data_url(p, f);
	else
		pen_string(p, f->url);
	pen_set(p, "detail", f->detail);
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
		put_image(&o->pen, f);
		return 0;
	}
	if (!there) /* upstream/files.c comes before */
		return fail(ERR_BAD_FILE_FETCH, "Error fetching file from %.*s: it was not fetched",
			    BFMT(f->url));
	switch (form_of(o->dialect, f->mime_type)) {
	case FILE_IMAGE_URL: put_image(&o->pen, f); return 0;
	case FILE_INPUT_AUDIO: return put_audio(o, f);
	case FILE_FILE: break;
	}
	return put_document(o, f);
}

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT;
}

/* What stands in `content`: everything but calls, results, thoughts and refusals. */
static bool in_content(const struct block *b)
{
	return is_text(b) || b->type == BLOCK_FILE || b->type == BLOCK_UNKNOWN;
}

static int put_part(struct chat_out *o, const struct block *b)
{
	if (b->type == BLOCK_FILE)
		return put_file(o, b->file);
	if (b->type == BLOCK_UNKNOWN) {
		pen_bytes(&o->pen, b->text);
		return 0;
	}
	pen_lit(&o->pen, "{\"type\":\"text\",\"text\":");
	pen_string(&o->pen, b->text);
	pen_lit(&o->pen, "}");
	return 0;
}

/* The value of `content`; `n` of the blocks are in it. */
static int put_content(struct chat_out *o, const struct block *blocks, size_t len, size_t n)
{
	size_t first = 0;

	while (!in_content(&blocks[first])) /* there is one */
		first++;
	if (n == 1 && is_text(&blocks[first])) {
		pen_string(&o->pen, blocks[first].text);
		return 0;
	}
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < len; i++) {
		if (!in_content(&blocks[i]))
			continue;
		pen_item(&o->pen);
		if (put_part(o, &blocks[i]))
			return -1;
	}
	pen_close(&o->pen, ']');
	return 0;
}

/* ---- messages ---- */

/* A call's id and a tool's name as the provider takes them. */
static struct bytes sent_id(const struct chat_out *o, struct bytes id, char out[ID_ROOM])
{
	return o->inf->options->short_ids ? id_mapped(&id_openai_chat, id, out) : id;
}

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
	pen_string(&o->pen, sent_id(o, id, out));
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
	pen_more(&o->pen, sent_id(o, b->id, out), &any);
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

static int put_user(struct chat_out *o, const struct message *m, const struct message *before)
{
	size_t n = 0;

	for (size_t i = 0; i < m->len; i++) {
		if (m->content[i].type == BLOCK_TOOL_CALL)
			return fail(ERR_INVALID_MESSAGE,
				    "Tool calls are not supported in user messages");
		if (m->content[i].type == BLOCK_TOOL_RESULT)
			put_result(o, &m->content[i]);
		n += in_content(&m->content[i]);
	}
	put_missing_results(o, before, m);
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].parts && put_attachments(o, &m->content[i]))
			return -1;
	if (n == 0)
		return 0;
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"user\",\"content\":");
	if (put_content(o, m->content, m->len, n))
		return -1;
	pen_lit(&o->pen, "}");
	return 0;
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
	pen_string(&o->pen, sent_id(o, b->id, out));
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

/* Texts of the thoughts, a blank line between them. */
static void put_thoughts(struct chat_out *o, const struct message *m)
{
	bool any = false;

	for (size_t i = 0; i < m->len; i++) {
		const struct block *b = &m->content[i];

		if (b->type != BLOCK_THOUGHT || !bytes_set(b->text))
			continue;
		if (any)
			pen_more(&o->pen, B("\n\n"), &any);
		else
			pen_key(&o->pen, "reasoning_content");
		pen_more(&o->pen, b->text, &any);
	}
}

static int put_assistant(struct chat_out *o, const struct message *m)
{
	size_t n = 0, calls = 0;
	const struct block *refusal = NULL;

	for (size_t i = 0; i < m->len; i++) {
		if (m->content[i].type == BLOCK_TOOL_RESULT)
			return fail(ERR_INVALID_MESSAGE,
				    "Tool results are not supported in assistant messages");
		n += in_content(&m->content[i]);
		calls += m->content[i].type == BLOCK_TOOL_CALL;
		if (m->content[i].type == BLOCK_REFUSAL)
			refusal = &m->content[i];
	}
	if (n == 0 && calls == 0 && !refusal)
		return 0;
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"role\":\"assistant\"");
	if (n > 0) {
		pen_key(&o->pen, "content");
		if (put_content(o, m->content, m->len, n))
			return -1;
	}
	if (refusal)
		pen_text(&o->pen, "refusal", refusal->text);
	put_calls(o, m);
	put_thoughts(o, m);
	pen_lit(&o->pen, "}");
	return 0;
}

/* ---- system text ---- */

/* response_format json_object, for which the API wants the word in the prompt. */
static bool is_json_object(const struct chat_out *o)
{
	if (o->inf->json_mode == JSON_MODE_ON)
		return true;
	return o->inf->json_mode == JSON_MODE_STRICT &&
	       (!bytes_set(o->inf->output_schema) || bytes_find(o->dialect->model, B("3.5")) >= 0);
}

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

static void put_system(struct chat_out *o)
{
	struct bytes system = o->inf->system;
	bool hint =
		is_json_object(o) &&
		(!bytes_set(system) || (bytes_ifind(system, B("json")) < 0 && !says_json(o->inf)));
	bool any = false;

	if (!bytes_set(system) && !hint)
		return;
	pen_item(&o->pen);
	if (bytes_istarts(o->dialect->model, B("o1-mini")))
		pen_lit(&o->pen, "{\"role\":\"user\",\"content\":");
	else
		pen_lit(&o->pen, "{\"role\":\"system\",\"content\":");
	if (hint)
		pen_more(&o->pen, bytes_set(system) ? B(HINT "\n\n") : B(HINT), &any);
	if (bytes_set(system))
		pen_more(&o->pen, system, &any);
	pen_lit(&o->pen, "}");
}

int openai_chat_put_messages(struct chat_out *o)
{
	const struct inference *inf = o->inf;
	const struct message *before = NULL;

	pen_open(&o->pen, '[');
	put_system(o);
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *m = &inf->messages[i];

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
	pen_close(&o->pen, ']');
	return 0;
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
	if (inner)
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

/* Functions first. */
static void put_tools(struct chat_out *o)
{
	const struct tool_config *t = o->inf->tools;

	pen_open(&o->pen, '[');
	for (int custom = 0; custom < 2; custom++) {
		for (size_t i = 0; i < t->len; i++) {
			if (t->tools[i].custom != custom)
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

	if (t->allowed_explicit && t->choice != TOOL_CHOICE_NONE) {
		put_allowed(o, t);
		return;
	}
	switch (t->choice) {
	case TOOL_CHOICE_NONE: pen_lit(&o->pen, "\"none\""); return;
	case TOOL_CHOICE_REQUIRED: pen_lit(&o->pen, "\"required\""); return;
	case TOOL_CHOICE_SPECIFIC: /* TensorZero's routes name custom tools as functions */
		put_named(o, t->specific,
			  o->inf->options->custom_choice && is_custom(t, t->specific));
		return;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_lit(&o->pen, "\"auto\"");
	}
}

/* ---- parameters ---- */

static void put_response_format(struct chat_out *o)
{
	if (is_json_object(o)) {
		pen_lit(&o->pen, "{\"type\":\"json_object\"}");
		return;
	}
	pen_lit(&o->pen,
		"{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"response\",\"strict\":true,\"schema\":");
	pen_bytes(&o->pen, o->inf->output_schema);
	pen_lit(&o->pen, "}}");
}

struct bytes openai_chat_key(const struct chat_out *o, enum param p)
{
	return p == PARAM_MAX_TOKENS ? o->dialect->max_tokens_key : param_field(p);
}

/* A budget of thinking is said as an effort, but to TensorZero's clients. */
static struct bytes budget_effort(const struct inference *inf)
{
	struct bytes none = { NULL, 0 };

	return inf->options->lenient ? effort_of_budget(inf->params[PARAM_THINKING_BUDGET]) : none;
}

bool openai_chat_sends(const struct chat_out *o, enum param p)
{
	const struct inference *inf = o->inf;

	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE:
		return inf->json_mode == JSON_MODE_ON || inf->json_mode == JSON_MODE_STRICT;
	case PARAM_TOOL_NAME: return param_is_set(inf, PARAM_TOOLS);
	case PARAM_BOOL: /* models named o1 refuse `false` */
		return param_is_set(inf, PARAM_TOOLS) && param_is_set(inf, p) &&
		       (inf->tools->parallel || !bytes_istarts(o->dialect->model, B("o1")));
	default:
		return param_is_set(inf, p) ||
		       (p == PARAM_REASONING_EFFORT && bytes_set(budget_effort(inf)));
	}
}

void openai_chat_put_param(struct chat_out *o, enum param p)
{
	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE: put_response_format(o); break;
	case PARAM_TOOL_LIST: put_tools(o); break;
	case PARAM_TOOL_NAME: put_tool_choice(o); break;
	case PARAM_BOOL:
		pen_bytes(&o->pen, o->inf->tools->parallel ? B("true") : B("false"));
		break;
	case PARAM_STRING:
		if (!param_is_set(o->inf, p)) {
			pen_string(&o->pen, budget_effort(o->inf));
			break;
		}
		/* fallthrough */
	default: param_write(&o->pen, o->inf, p);
	}
}

static void put_params(struct chat_out *o, enum param from, enum param to)
{
	for (enum param p = from; p < to; p++) {
		struct bytes key = openai_chat_key(o, p);

		if (key.n == 0 || !openai_chat_sends(o, p))
			continue;
		pen_lit(&o->pen, ",");
		pen_string(&o->pen, key);
		pen_lit(&o->pen, ":");
		openai_chat_put_param(o, p);
	}
}

/* ---- the body ---- */

static int write_neutral(struct chat_out *o)
{
	struct pen *p = &o->pen;

	pen_head(p, "{\"messages\":");
	if (openai_chat_put_messages(o))
		return -1;
	pen_text(p, "model", o->dialect->model);
	put_params(o, 0, PARAM_RESPONSE_FORMAT);
	if (o->inf->stream)
		pen_lit(p, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
	else
		pen_lit(p, ",\"stream\":false");
	put_params(o, PARAM_RESPONSE_FORMAT, PARAMS);
	pen_lit(p, "}");
	return pen_done(p);
}

int openai_chat_write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			      struct buf *ignored)
{
	struct chat_out o = { .pen = { .b = out }, .inf = inf, .dialect = d, .ignored = ignored };

	if (param_is_set(inf, PARAM_THINKING_BUDGET) && !bytes_set(budget_effort(inf)))
		chat_ignored(ignored, param_rows[PARAM_THINKING_BUDGET].name);
	return openai_chat_passes(inf) ? openai_chat_write_edited(&o) : write_neutral(&o);
}
