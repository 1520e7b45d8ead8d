/*
 * A plain answer: its items, one after the other (surfaces §4.6), in the response object of write_object.c.
 */
#include "wire/openai_responses/write_response.h"

#include "base/error.h"
#include "base/json.h"
#include "wire/call_ids.h"
#include "wire/json_edit.h"
#include "wire/seal.h"

#define SCRATCH_MAX (256u << 20)

/* ---- items ---- */

enum responses_call response_call_of(const struct answer *a, const struct response_item *i,
				     const struct responses_tool **tool)
{
	const struct responses_request *req = responses_request_of(a);

	*tool = NULL;
	for (size_t k = 0; k < req->ntools; k++)
		if (bytes_eq(req->tools[k].name, i->name)) {
			*tool = &req->tools[k];
			return i->custom ? RESPONSES_CUSTOM : req->tools[k].call;
		}
	return i->custom ? RESPONSES_CUSTOM : RESPONSES_FUNCTION;
}

bool response_call_is_whole(const struct answer *a, const struct response_item *i)
{
	const struct responses_tool *tool;
	enum responses_call call = response_call_of(a, i, &tool);

	return call != RESPONSES_FUNCTION && call != RESPONSES_CUSTOM;
}

void response_put_item_id(struct pen *p, const struct answer *a, const struct response_item *i)
{
	static const struct bytes prefixes[] = { [ITEM_REASONING] = B("\"rs_"),
						 [ITEM_MESSAGE] = B("\"msg_"),
						 [ITEM_REFUSAL] = B("\"msg_"),
						 [ITEM_CALL] = B("\"fc_") };
	char hex[33];

	if (bytes_set(i->upstream_id)) {
		pen_string(p, i->upstream_id);
		return;
	}
	uuid_hex(a->inference_id, hex);
	pen_bytes(p, i->kind == ITEM_CALL && i->custom ? B("\"ctc_") : prefixes[i->kind]);
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "_");
	pen_u64(p, i->index);
	pen_lit(p, "\"");
}

void response_put_summary(struct pen *p, struct bytes text)
{
	pen_lit(p, "{\"type\":\"summary_text\",\"text\":");
	pen_string(p, text);
	pen_lit(p, "}");
}

static void put_sealed(struct pen *p, const struct response_item *i)
{
	struct seal seal = { .provider_type = i->provider_type };
	struct buf text;

	if (bytes_set(i->upstream_id)) { /* this API's own */
		pen_set(p, "encrypted_content", i->signature);
		return;
	}
	if (i->redacted)
		seal.redacted = i->signature;
	else
		seal.signature = i->signature;
	seal.text = i->hidden;
	buf_init(&text, SEAL_MAX + 16);
	if (seal_write(&seal, &text) == 0)
		pen_text(p, "encrypted_content", buf_bytes(&text));
	buf_deinit(&text);
}

static void put_reasoning(struct pen *p, const struct answer *a, const struct response_item *i,
			  bool sealed)
{
	pen_lit(p, "{\"id\":");
	response_put_item_id(p, a, i);
	pen_lit(p, ",\"type\":\"reasoning\",\"summary\":[");
	pen_bytes(p, i->summary);
	pen_lit(p, "]");
	p->comma = true;
	if (bytes_set(i->raw)) {
		pen_lit(p, ",\"content\":[{\"type\":\"reasoning_text\",\"text\":");
		pen_string(p, i->raw);
		pen_lit(p, "}]");
	}
	if (sealed && bytes_set(i->signature))
		put_sealed(p, i);
	pen_lit(p, "}");
}

static void put_status(struct pen *p, const struct response_item *i)
{
	pen_bytes(p, i->incomplete ? B("\"incomplete\"") : B("\"completed\""));
}

static void put_message(struct pen *p, const struct answer *a, const struct response_item *i)
{
	pen_lit(p, "{\"id\":");
	response_put_item_id(p, a, i);
	pen_lit(p, ",\"type\":\"message\",\"status\":");
	put_status(p, i);
	pen_lit(p, ",\"role\":\"assistant\",\"content\":[");
	if (i->kind == ITEM_REFUSAL) {
		pen_lit(p, "{\"type\":\"refusal\",\"refusal\":");
	} else {
		pen_lit(p, "{\"type\":\"output_text\",\"annotations\":");
		pen_bytes(p, bytes_set(i->annotations) ? i->annotations : B("[]"));
		pen_lit(p, ",\"logprobs\":[],\"text\":");
	}
	pen_string(p, i->text);
	pen_lit(p, "}]}");
}

void response_put_call_id(struct pen *p, struct bytes id)
{
	char out[ID_ROOM];

	pen_string(p, id_mapped(&id_openai_responses, id, out));
}

static void call_begin(struct pen *p, const struct answer *a, const struct response_item *i,
		       struct bytes type)
{
	pen_lit(p, "{\"id\":");
	response_put_item_id(p, a, i);
	pen_lit(p, ",\"type\":");
	pen_string(p, type);
	pen_lit(p, ",\"status\":");
	put_status(p, i);
}

/* The members of a shell's action, as the API names them. */
static void put_action(struct pen *p, yyjson_val *arguments, bool local)
{
	static const struct {
		const char *from, *to;
	} members[] = { { "command", "command" },
			{ "commands", "commands" },
			{ "timeout_ms", "timeout_ms" },
			{ "workdir", "working_directory" },
			{ "max_output_length", "max_output_length" } };

	pen_lit(p, ",\"action\":");
	pen_open(p, '{');
	if (local) {
		pen_text(p, "type", B("exec"));
		pen_json(p, "env", B("{}"));
	}
	for (size_t k = 0; k < COUNT(members); k++) {
		yyjson_val *v = json_get(arguments, members[k].from);

		if (!v || yyjson_is_null(v))
			continue;
		pen_item(p);
		pen_string(p, bytes_of(members[k].to));
		pen_lit(p, ":");
		p->failed |= json_print(v, p->b) != 0;
	}
	pen_close(p, '}');
}

static void put_built_in(struct pen *p, const struct answer *a, const struct response_item *i,
			 enum responses_call call, yyjson_val *arguments)
{
	static const struct bytes types[] = {
		[RESPONSES_LOCAL_SHELL] = B("local_shell_call"),
		[RESPONSES_SHELL] = B("shell_call"),
		[RESPONSES_APPLY_PATCH] = B("apply_patch_call"),
		[RESPONSES_TOOL_SEARCH] = B("tool_search_call"),
	};

	call_begin(p, a, i, types[call]);
	pen_lit(p, ",\"call_id\":");
	response_put_call_id(p, i->call_id);
	p->comma = true;
	if (call == RESPONSES_LOCAL_SHELL || call == RESPONSES_SHELL) {
		put_action(p, arguments, call == RESPONSES_LOCAL_SHELL);
	} else {
		pen_bytes(p, call == RESPONSES_APPLY_PATCH ? B(",\"operation\":")
							   : B(",\"arguments\":"));
		p->failed |= json_print(arguments, p->b) != 0;
		if (call == RESPONSES_TOOL_SEARCH)
			pen_lit(p, ",\"execution\":\"client\"");
	}
	pen_lit(p, "}");
}

/* False: the arguments are no object, and it is a function's call all the same. */
static bool put_as_built_in(struct pen *p, const struct answer *a, const struct response_item *i,
			    enum responses_call call)
{
	struct arena scratch;
	yyjson_val *arguments;
	bool good;

	arena_init(&scratch, SCRATCH_MAX);
	arguments = json_parse_lenient(i->arguments.n ? i->arguments : B("{}"), &scratch);
	good = yyjson_is_obj(arguments);
	if (good)
		put_built_in(p, a, i, call, arguments);
	arena_deinit(&scratch);
	return good;
}

static void put_call(struct pen *p, const struct answer *a, const struct response_item *i)
{
	const struct responses_tool *tool;
	enum responses_call call = response_call_of(a, i, &tool);
	bool custom = call == RESPONSES_CUSTOM;

	if (call != RESPONSES_FUNCTION && !custom && put_as_built_in(p, a, i, call))
		return;
	call_begin(p, a, i, custom ? B("custom_tool_call") : B("function_call"));
	if (!custom)
		pen_lit(p, ",\"arguments\":");
	if (!custom)
		pen_string(p, i->arguments);
	pen_lit(p, ",\"call_id\":");
	response_put_call_id(p, i->call_id);
	if (custom) {
		pen_lit(p, ",\"input\":");
		pen_string(p, i->arguments);
	}
	pen_lit(p, ",\"name\":");
	pen_string(p, tool && bytes_set(tool->own_name) ? tool->own_name : i->name);
	if (tool && bytes_set(tool->space)) {
		pen_lit(p, ",\"namespace\":");
		pen_string(p, tool->space);
	}
	pen_lit(p, "}");
}

void response_put_item(struct pen *p, const struct answer *a, const struct response_item *i,
		       bool sealed)
{
	switch (i->kind) {
	case ITEM_REASONING: put_reasoning(p, a, i, sealed); break;
	case ITEM_MESSAGE:
	case ITEM_REFUSAL: put_message(p, a, i); break;
	case ITEM_CALL: put_call(p, a, i); break;
	}
}

/* ---- a plain answer ---- */

enum response_status response_status_of(enum finish_reason f)
{
	return f == FINISH_LENGTH || f == FINISH_CONTENT_FILTER ? RESPONSE_INCOMPLETE
								: RESPONSE_COMPLETED;
}

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT || b->type == BLOCK_REFUSAL;
}

/* The summary's parts of a thought, as JSON. */
static void put_summaries(struct pen *p, const struct block *b)
{
	for (size_t i = 0; i < b->nsummaries; i++) {
		if (i)
			pen_lit(p, ",");
		response_put_summary(p, b->summaries[i].text);
	}
	if (!b->nsummaries && b->text.n)
		response_put_summary(p, b->text);
}

/* 1: it is an item; 0: it shows nothing. */
static int thought_item(const struct answer *a, const struct block *b, struct buf *summary,
			struct response_item *i)
{
	const struct responses_request *req = responses_request_of(a);
	struct pen p = { .b = summary };
	bool raw = !req->summaries && !b->nsummaries && b->text.n;

	i->kind = ITEM_REASONING;
	i->signature = b->signature;
	i->provider_type = b->provider_type;
	i->upstream_id = b->item_id;
	i->redacted = !bytes_set(b->text) && !b->nsummaries;
	i->summary = B("");
	buf_reset(summary);
	if (!a->reasoning_to_client) {
		i->hidden = b->text;
	} else if (raw) {
		i->raw = b->text;
	} else {
		put_summaries(&p, b);
		i->summary = buf_bytes(summary);
	}
	return i->summary.n || bytes_set(i->raw) ||
	       (b->signature.n && (req->wants_encrypted || req->kept));
}

static int block_item(const struct answer *a, const struct block *b, struct buf *summary,
		      struct response_item *i)
{
	if (b->type == BLOCK_THOUGHT)
		return thought_item(a, b, summary, i);
	if (is_text(b)) {
		i->kind = b->type == BLOCK_REFUSAL ? ITEM_REFUSAL : ITEM_MESSAGE;
		i->text = b->text;
		i->annotations = b->annotations;
		return b->text.n > 0;
	}
	if (b->type != BLOCK_TOOL_CALL)
		return 0;
	i->kind = ITEM_CALL;
	i->call_id = b->id;
	i->name = b->name;
	i->arguments = b->arguments;
	i->custom = b->custom;
	return 1;
}

static void put_items(struct pen *p, const struct answer *a, const struct result *r, bool sealed)
{
	bool cut = response_status_of(r->finish) == RESPONSE_INCOMPLETE;
	struct buf summary;
	size_t n = 0;

	buf_init(&summary, RESPONSES_OUTPUT_MAX);
	for (size_t k = 0; k < r->len; k++) {
		struct response_item i = { .index = n, .incomplete = cut && k + 1 == r->len };

		if (!block_item(a, &r->content[k], &summary, &i))
			continue;
		if (n++)
			pen_lit(p, ",");
		response_put_item(p, a, &i, sealed);
	}
	if (r->finish == FINISH_CONTENT_FILTER && r->stop_explanation.n) {
		struct response_item i = { .kind = ITEM_REFUSAL,
					   .index = n,
					   .text = r->stop_explanation };

		if (n)
			pen_lit(p, ",");
		response_put_item(p, a, &i, sealed);
	}
	buf_deinit(&summary);
}

static int write_result(const struct answer *a, const struct result *r, bool sealed,
			struct buf *out)
{
	struct pen p = { .b = out }, items = { 0 };
	struct response whole = { .status = response_status_of(r->finish),
				  .finish = r->finish,
				  .usage = &r->usage,
				  .service_tier = r->service_tier };
	struct buf output;

	if (a->pass_through && bytes_set(r->document) && !a->json_tool)
		return response_edit(&p, a, r->document, (struct bytes){ NULL, 0 }, sealed);
	buf_init(&output, RESPONSES_OUTPUT_MAX);
	items.b = &output;
	put_items(&items, a, r, sealed);
	p.failed = items.failed;
	whole.output = buf_bytes(&output);
	response_put(&p, a, &whole);
	buf_deinit(&output);
	return pen_done(&p);
}

int openai_responses_write_result(const struct answer *a, const struct result *r, struct buf *out)
{
	return write_result(a, r, responses_request_of(a)->wants_encrypted, out);
}

int openai_responses_write_kept(const struct answer *a, const struct result *r, struct buf *out)
{
	return write_result(a, r, true, out);
}
