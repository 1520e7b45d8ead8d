/*
 * The neutral request -> the body of POST responses (providers-openai §4.1-4.3), keys in the order in which TensorZero
 * writes them. A conversation is a flat list of items: texts and files are messages, calls and their results stand beside
 * them, and a thought must stand directly before the item that it led to, or the API refuses it.
 */
#include "wire/openai_responses/write_request.h"

#include "base/error.h"
#include "wire/call_ids.h"
#include "wire/media.h"
#include "wire/openai_chat/write_request.h"
#include "wire/params.h"

#define HINT "Respond using JSON."

/* ---- content parts ---- */

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT;
}

static void put_data_url(struct pen *p, const struct file *f)
{
	bool any = false;

	pen_more(p, B("data:"), &any);
	pen_more(p, f->mime_type, &any);
	pen_more(p, B(";base64,"), &any);
	pen_more(p, f->data, &any);
}

static int put_document(struct pen *p, const struct file *f)
{
	char space[MEDIA_EXTENSION];
	struct bytes extension = media_extension(f->mime_type, space);
	bool any = false;

	if (!bytes_set(f->filename) && !bytes_set(extension))
		return fail(ERR_INVALID_MESSAGE, "Mime type %.*s has no filetype suffix",
			    BFMT(f->mime_type));
	pen_lit(p, "{\"type\":\"input_file\",\"file_data\":");
	put_data_url(p, f);
	pen_lit(p, ",\"filename\":");
	if (!bytes_set(f->filename))
		pen_more(p, B("input."), &any);
	pen_more(p, bytes_set(f->filename) ? f->filename : extension, &any);
	pen_lit(p, "}");
	return 0;
}

static int put_file(struct pen *p, const struct file *f)
{
	bool there = bytes_set(f->data), image;

	image = (!there && !bytes_set(f->mime_type)) || bytes_starts(f->mime_type, B("image/"));
	if (!there && !image) /* upstream/files.c comes before */
		return fail(ERR_BAD_FILE_FETCH, "Error fetching file from %.*s: it was not fetched",
			    BFMT(f->url));
	if (bytes_starts(f->mime_type, B("audio/")))
		return fail(ERR_UNSUPPORTED_CONTENT,
			    "Audio input is not supported in the OpenAI Responses API");
	if (!image)
		return put_document(p, f);
	pen_lit(p, "{\"type\":\"input_image\",\"image_url\":");
	if (there)
		put_data_url(p, f);
	else
		pen_string(p, f->url);
	pen_set(p, "detail", f->detail);
	pen_lit(p, "}");
	return 0;
}

static int put_part(struct pen *p, const struct block *b)
{
	if (b->type == BLOCK_FILE)
		return put_file(p, b->file);
	pen_lit(p, "{\"type\":\"input_text\",\"text\":");
	pen_string(p, b->text);
	pen_lit(p, "}");
	return 0;
}

/* ---- items ---- */

static void message_begin(struct responses_out *o, struct bytes role)
{
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"type\":\"message\",\"role\":");
	pen_string(&o->pen, role);
	pen_lit(&o->pen, ",\"content\":[");
	o->pen.comma = false;
}

static void message_end(struct responses_out *o)
{
	pen_lit(&o->pen, "]}");
	o->pen.comma = true;
}

static void put_id(struct responses_out *o, struct bytes id)
{
	char out[ID_ROOM];

	pen_lit(&o->pen, ",\"call_id\":");
	pen_string(&o->pen,
		   o->inf->options->short_ids ? id_mapped(&id_openai_responses, id, out) : id);
}

void responses_put_name(struct responses_out *o, struct bytes name)
{
	char out[ID_ROOM];

	pen_string(&o->pen, o->inf->options->short_ids ? id_mapped(&name_openai, name, out) : name);
}

static bool is_custom_tool(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; t && i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return t->tools[i].custom;
	return false;
}

/* Whether the call that a result belongs to was one of a custom tool. */
static bool answers_custom(const struct inference *inf, const struct block *result)
{
	for (size_t i = inf->nmessages; i-- > 0;)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			if (b->type == BLOCK_TOOL_CALL && bytes_eq(b->id, result->id))
				return b->custom || is_custom_tool(inf->tools, b->name);
		}
	return false;
}

static int put_parts(struct responses_out *o, const struct block *b)
{
	pen_open(&o->pen, '[');
	if (b->is_error) {
		pen_item(&o->pen);
		pen_lit(&o->pen, "{\"type\":\"input_text\",\"text\":\"Error:\"}");
	}
	for (size_t i = 0; i < b->nparts; i++) {
		pen_item(&o->pen);
		if (put_part(&o->pen, &b->parts[i]))
			return -1;
	}
	pen_close(&o->pen, ']');
	return 0;
}

static int put_result(struct responses_out *o, const struct block *b)
{
	bool any = false;

	pen_item(&o->pen);
	pen_bytes(&o->pen, answers_custom(o->inf, b) ? B("{\"type\":\"custom_tool_call_output\"")
						     : B("{\"type\":\"function_call_output\""));
	put_id(o, b->id);
	pen_lit(&o->pen, ",\"output\":");
	if (b->parts) {
		if (put_parts(o, b))
			return -1;
	} else {
		if (b->is_error && !bytes_istarts(b->text, B("Error: ")))
			pen_more(&o->pen, B("Error: "), &any);
		pen_more(&o->pen, b->text, &any);
	}
	pen_lit(&o->pen, "}");
	return 0;
}

static void put_unknown(struct responses_out *o, const struct block *b)
{
	pen_item(&o->pen);
	pen_bytes(&o->pen, b->text);
}

static bool answers(const struct message *m, struct bytes id)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].type == BLOCK_TOOL_RESULT && bytes_eq(m->content[i].id, id))
			return true;
	return false;
}

/* The API refuses a conversation that goes on while a call has no output. */
static int put_missing_results(struct responses_out *o, const struct message *before,
			       const struct message *m)
{
	if (!o->inf->options->fill_results || !before || before->role != ROLE_ASSISTANT)
		return 0;
	for (size_t i = 0; i < before->len; i++) {
		struct block none = { .type = BLOCK_TOOL_RESULT,
				      .id = before->content[i].id,
				      .text = B("[no result]") };

		if (before->content[i].type != BLOCK_TOOL_CALL ||
		    (m->role == ROLE_USER && answers(m, none.id)))
			continue;
		if (put_result(o, &none))
			return -1;
	}
	return 0;
}

/* Neighbouring texts and files of one message are one item: the API takes items for turns. */
static int put_user(struct responses_out *o, const struct message *m)
{
	bool open = false;

	for (size_t i = 0; i < m->len; i++) {
		const struct block *b = &m->content[i];
		bool inner = is_text(b) || b->type == BLOCK_FILE;

		if (b->type == BLOCK_TOOL_CALL)
			return fail(ERR_INVALID_MESSAGE,
				    "Tool calls are not supported in user messages");
		if (open && !inner)
			message_end(o);
		if (inner && !open)
			message_begin(o, B("user"));
		open = inner;
		if (inner) {
			pen_item(&o->pen);
			if (put_part(&o->pen, b))
				return -1;
		} else if (b->type == BLOCK_TOOL_RESULT) {
			if (put_result(o, b))
				return -1;
		} else if (b->type == BLOCK_UNKNOWN) {
			put_unknown(o, b);
		}
	}
	if (open)
		message_end(o);
	return 0;
}

static void put_said(struct responses_out *o, const struct block *b)
{
	message_begin(o, B("assistant"));
	pen_bytes(&o->pen, b->type == BLOCK_REFUSAL ? B("{\"type\":\"refusal\",\"refusal\":")
						    : B("{\"type\":\"output_text\",\"text\":"));
	pen_string(&o->pen, b->text);
	pen_lit(&o->pen, "}");
	message_end(o);
}

static void put_call(struct responses_out *o, const struct block *b)
{
	bool custom = b->custom || is_custom_tool(o->inf->tools, b->name);

	pen_item(&o->pen);
	pen_bytes(&o->pen,
		  custom ? B("{\"type\":\"custom_tool_call\"") : B("{\"type\":\"function_call\""));
	put_id(o, b->id);
	pen_lit(&o->pen, ",\"name\":");
	responses_put_name(o, b->name);
	pen_bytes(&o->pen, custom ? B(",\"input\":") : B(",\"arguments\":"));
	pen_string(&o->pen, b->arguments.n == 0 && !custom ? B("{}") : b->arguments);
	pen_lit(&o->pen, "}");
}

static void put_thought(struct responses_out *o, const struct block *b)
{
	pen_item(&o->pen);
	pen_lit(&o->pen, "{\"type\":\"reasoning\",\"encrypted_content\":");
	pen_string(&o->pen, b->signature);
	pen_lit(&o->pen, ",\"summary\":");
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < b->nsummaries; i++) {
		pen_item(&o->pen);
		pen_lit(&o->pen, "{\"type\":\"summary_text\",\"text\":");
		pen_string(&o->pen, b->summaries[i].text);
		pen_lit(&o->pen, "}");
	}
	pen_lit(&o->pen, "]}");
	o->pen.comma = true;
}

/* A block that becomes an item which a thought may lead to. */
static bool is_item(const struct block *b)
{
	return is_text(b) || b->type == BLOCK_REFUSAL || b->type == BLOCK_TOOL_CALL ||
	       b->type == BLOCK_UNKNOWN;
}

static bool leads_to_item(const struct message *m, size_t thought)
{
	for (size_t i = thought + 1; i < m->len; i++)
		if (is_item(&m->content[i]))
			return true;
	return false;
}

static int put_assistant(struct responses_out *o, const struct message *m)
{
	for (size_t i = 0; i < m->len; i++) {
		const struct block *b = &m->content[i];

		switch (b->type) {
		case BLOCK_TEXT:
		case BLOCK_RAW_TEXT:
		case BLOCK_REFUSAL: put_said(o, b); break;
		case BLOCK_TOOL_CALL: put_call(o, b); break;
		case BLOCK_UNKNOWN: put_unknown(o, b); break;
		case BLOCK_THOUGHT:
			if (b->signature.n && leads_to_item(m, i))
				put_thought(o, b);
			break;
		case BLOCK_TOOL_RESULT:
			return fail(ERR_INVALID_MESSAGE,
				    "Tool results are not supported in assistant messages");
		case BLOCK_FILE:
			return fail(ERR_INVALID_MESSAGE,
				    "Files are not supported in assistant messages");
		case BLOCK_TEMPLATE:
		case BLOCK_AUDIO: break;
		}
	}
	return 0;
}

/* ---- system text ---- */

/* text.format json_object, for which the API wants the word in the prompt. */
static bool is_json_object(const struct inference *inf)
{
	return inf->json_mode == JSON_MODE_ON ||
	       (inf->json_mode == JSON_MODE_STRICT && !bytes_set(inf->output_schema));
}

static bool says_json(const struct inference *inf)
{
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			if (inf->messages[i].role == ROLE_USER && is_text(b) &&
			    bytes_ifind(b->text, B("json")) >= 0)
				return true;
		}
	return false;
}

static void put_system(struct responses_out *o)
{
	struct bytes system = o->inf->system;
	bool hint =
		is_json_object(o->inf) &&
		(!bytes_set(system) || (bytes_ifind(system, B("json")) < 0 && !says_json(o->inf)));
	bool any = false;

	if (!bytes_set(system) && !hint)
		return;
	message_begin(o, B("system"));
	pen_lit(&o->pen, "{\"type\":\"input_text\",\"text\":");
	if (hint)
		pen_more(&o->pen, bytes_set(system) ? B(HINT "\n\n") : B(HINT), &any);
	if (bytes_set(system))
		pen_more(&o->pen, system, &any);
	pen_lit(&o->pen, "}");
	message_end(o);
}

int responses_put_input(struct responses_out *o)
{
	const struct message *before = NULL;

	pen_open(&o->pen, '[');
	put_system(o);
	for (size_t i = 0; i < o->inf->nmessages; i++) {
		const struct message *m = &o->inf->messages[i];

		if (put_missing_results(o, before, m) ||
		    (m->role == ROLE_USER ? put_user(o, m) : put_assistant(o, m)))
			return -1;
		before = m;
	}
	pen_close(&o->pen, ']');
	return 0;
}

/* ---- tools ---- */

static void put_function(struct responses_out *o, const struct tool *t)
{
	struct pen *p = &o->pen;

	pen_lit(p, "{\"type\":\"function\",\"name\":");
	responses_put_name(o, t->name);
	pen_text(p, "description", t->description);
	pen_json(p, "parameters", t->parameters);
	pen_bytes(p, t->strict ? B(",\"strict\":true}") : B(",\"strict\":false}"));
}

/* The grammar is flat here, nested in chat completions. */
static void put_format(struct pen *p, struct bytes format)
{
	struct json_member grammar;

	pen_key(p, "format");
	if (!json_find_member(format, B("grammar"), &grammar) || *grammar.value.p != '{') {
		pen_bytes(p, format);
		return;
	}
	pen_lit(p, "{\"type\":\"grammar\",");
	pen_bytes(p, bytes_slice(grammar.value, 1, grammar.value.n));
}

static void put_custom(struct responses_out *o, const struct tool *t)
{
	pen_lit(&o->pen, "{\"type\":\"custom\",\"name\":");
	responses_put_name(o, t->name);
	if (t->described)
		pen_text(&o->pen, "description", t->description);
	if (bytes_set(t->format))
		put_format(&o->pen, t->format);
	pen_lit(&o->pen, "}");
}

/* Functions first, then custom tools; the provider's own, as they are. */
void responses_put_tools(struct responses_out *o)
{
	const struct tool_config *t = o->inf->tools;

	pen_open(&o->pen, '[');
	for (int custom = 0; t && custom < 2; custom++)
		for (size_t i = 0; i < t->len; i++) {
			if (t->tools[i].custom != custom)
				continue;
			pen_item(&o->pen);
			if (custom)
				put_custom(o, &t->tools[i]);
			else
				put_function(o, &t->tools[i]);
		}
	for (size_t i = 0; i < o->options->ntools; i++) {
		pen_item(&o->pen);
		pen_bytes(&o->pen, o->options->tools[i]);
	}
	for (size_t i = 0; t && i < t->nprovider_tools; i++) {
		pen_item(&o->pen);
		pen_bytes(&o->pen, t->provider_tools[i].tool);
	}
	pen_close(&o->pen, ']');
}

static void put_named(struct responses_out *o, struct bytes name, bool custom)
{
	pen_bytes(&o->pen, custom ? B("{\"type\":\"custom\",\"name\":")
				  : B("{\"type\":\"function\",\"name\":"));
	responses_put_name(o, name);
	pen_lit(&o->pen, "}");
}

static void put_allowed(struct responses_out *o, const struct bytes *names, size_t n, bool required)
{
	pen_bytes(&o->pen, required ? B("{\"mode\":\"required\",\"tools\":")
				    : B("{\"mode\":\"auto\",\"tools\":"));
	pen_open(&o->pen, '[');
	for (size_t i = 0; i < n; i++) {
		pen_item(&o->pen);
		put_named(o, names[i], is_custom_tool(o->inf->tools, names[i]));
	}
	pen_lit(&o->pen, "],\"type\":\"allowed_tools\"}");
	o->pen.comma = true;
}

void responses_put_tool_choice(struct responses_out *o)
{
	const struct tool_config *t = o->inf->tools;

	if (t->allowed_explicit && t->choice != TOOL_CHOICE_NONE) {
		put_allowed(o, t->allowed, t->nallowed, t->choice == TOOL_CHOICE_REQUIRED);
		return;
	}
	switch (t->choice) {
	case TOOL_CHOICE_NONE: pen_lit(&o->pen, "\"none\""); break;
	case TOOL_CHOICE_REQUIRED: pen_lit(&o->pen, "\"required\""); break;
	case TOOL_CHOICE_SPECIFIC: put_allowed(o, &t->specific, 1, true); break;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_lit(&o->pen, "\"auto\"");
	}
}

/* ---- the body ---- */

/* A member under the parameter's own name, but for the one that has another here. */
static void put_param(struct responses_out *o, enum param param)
{
	if (!param_is_set(o->inf, param))
		return;
	pen_item(&o->pen);
	pen_string(&o->pen,
		   param == PARAM_MAX_TOKENS ? B("max_output_tokens") : param_field(param));
	pen_lit(&o->pen, ":");
	param_write(&o->pen, o->inf, param);
}

void responses_put_text(struct responses_out *o)
{
	const struct inference *inf = o->inf;
	struct pen *p = &o->pen;

	pen_lit(p, "{\"format\":");
	if (is_json_object(inf)) {
		pen_lit(p, "{\"type\":\"json_object\"}");
	} else if (inf->json_mode == JSON_MODE_STRICT) {
		pen_lit(p, "{\"type\":\"json_schema\",\"name\":\"response_schema\",\"schema\":");
		pen_bytes(p, inf->output_schema);
		pen_lit(p, ",\"strict\":true}");
	} else {
		pen_lit(p, "{\"type\":\"text\"}");
	}
	p->comma = true;
	put_param(o, PARAM_VERBOSITY);
	pen_lit(p, "}");
}

/* A budget of thinking is said as an effort, but to TensorZero's clients. */
static struct bytes effort_of(const struct inference *inf)
{
	struct bytes effort = inf->params[PARAM_REASONING_EFFORT];

	return bytes_set(effort) || !inf->options->lenient
		       ? effort
		       : effort_of_budget(inf->params[PARAM_THINKING_BUDGET]);
}

void responses_put_reasoning(struct responses_out *o)
{
	pen_open(&o->pen, '{');
	pen_set(&o->pen, "effort", effort_of(o->inf));
	pen_set(&o->pen, "summary", o->inf->reasoning_summary);
	pen_close(&o->pen, '}');
}

static void put_params(struct responses_out *o)
{
	const struct inference *inf = o->inf;
	struct pen *p = &o->pen;
	bool tools = inf->tools != NULL;

	pen_key(p, "tools");
	responses_put_tools(o);
	if (tools && inf->tools->parallel >= 0) {
		pen_key(p, "parallel_tool_calls");
		pen_bytes(p, inf->tools->parallel ? B("true") : B("false"));
	}
	if (tools) {
		pen_key(p, "tool_choice");
		responses_put_tool_choice(o);
	}
	put_param(o, PARAM_TEMPERATURE);
	put_param(o, PARAM_MAX_TOKENS);
	put_param(o, PARAM_TOP_P);
	put_param(o, PARAM_PRESENCE_PENALTY);
	put_param(o, PARAM_FREQUENCY_PENALTY);
	if (o->options->encrypted_reasoning || inf->wants_seals)
		pen_lit(p, ",\"include\":[\"reasoning.encrypted_content\"]");
	if (bytes_set(effort_of(inf)) || bytes_set(inf->reasoning_summary)) {
		pen_key(p, "reasoning");
		responses_put_reasoning(o);
	}
	put_param(o, PARAM_SERVICE_TIER);
}

/* What the API has no field for. */
static void name_ignored(struct responses_out *o)
{
	static const enum param unknown[] = { PARAM_SEED, PARAM_STOP, PARAM_THINKING_BUDGET };

	for (size_t i = 0; i < COUNT(unknown); i++)
		if (param_is_set(o->inf, unknown[i]) &&
		    (unknown[i] != PARAM_THINKING_BUDGET || !bytes_set(effort_of(o->inf))))
			chat_ignored(o->ignored, param_field(unknown[i]).n
							 ? param_field(unknown[i])
							 : param_rows[unknown[i]].name);
}

static int write_neutral(struct responses_out *o)
{
	struct pen *p = &o->pen;

	name_ignored(o);
	pen_head(p, "{\"model\":");
	pen_string(p, o->dialect->model);
	pen_key(p, "input");
	if (responses_put_input(o))
		return -1;
	pen_key(p, "text");
	responses_put_text(o);
	put_params(o);
	pen_bytes(p, o->inf->stream ? B(",\"stream\":true") : B(",\"stream\":false"));
	/* what the gateway keeps itself is not kept there */
	if (o->inf->wants_seals)
		pen_lit(p, ",\"store\":false");
	pen_lit(p, "}");
	return pen_done(p);
}

int openai_responses_write_request(const struct inference *inf, const struct dialect *d,
				   struct buf *out, struct buf *ignored)
{
	static const struct responses_options none = { 0 };
	struct responses_out o = { .pen = { .b = out },
				   .inf = inf,
				   .dialect = d,
				   .options = d->options ? d->options : &none,
				   .ignored = ignored };

	return openai_responses_passes(inf) ? openai_responses_write_edited(&o) : write_neutral(&o);
}
