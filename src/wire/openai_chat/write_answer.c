/*
 * A result -> the client's plain answer, in TensorZero's shape, key for key, or in OpenAI's (http-api §12.5, surfaces
 * §3.2). Where the upstream is of the same family its own document goes out, with only `id` and `model` changed.
 */
#include "wire/openai_chat/write_answer.h"

#include "base/json.h"
#include "wire/json_edit.h"

bool chat_is_legacy(const struct answer *a)
{
	return a->asked && ((const struct chat_request *)(const void *)a->asked)->legacy_functions;
}

bool chat_passes(const struct answer *a)
{
	return a->pass_through && !chat_is_legacy(a) && !a->cached && !a->json_tool;
}

void chat_put_uuid(struct pen *p, struct uuid id)
{
	char text[UUID_TEXT + 3];

	text[0] = '"';
	uuid_print(id, text + 1);
	text[UUID_TEXT + 1] = '"';
	pen_bytes(p, (struct bytes){ text, UUID_TEXT + 2 });
}

void chat_put_id(struct pen *p, const struct answer *a)
{
	char hex[33];

	if (a->options->tensorzero_shape) {
		chat_put_uuid(p, a->inference_id);
		return;
	}
	uuid_hex(a->inference_id, hex);
	pen_lit(p, "\"chatcmpl-");
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "\"");
}

/* ---- usage, finish ---- */

static void count(struct pen *p, struct bytes key, int64_t n, bool *first)
{
	if (n == USAGE_UNKNOWN)
		return;
	if (!*first)
		pen_lit(p, ",");
	*first = false;
	pen_bytes(p, key);
	pen_u64(p, (uint64_t)n);
}

static void put_usage_tensorzero(struct pen *p, const struct answer *a, const struct usage *u)
{
	int64_t total = u->input_tokens == USAGE_UNKNOWN || u->output_tokens == USAGE_UNKNOWN
				? USAGE_UNKNOWN
				: u->input_tokens + u->output_tokens;
	bool first = true;

	pen_lit(p, "{");
	count(p, B("\"prompt_tokens\":"), a->cached ? 0 : u->input_tokens, &first);
	count(p, B("\"completion_tokens\":"), a->cached ? 0 : u->output_tokens, &first);
	count(p, B("\"total_tokens\":"), a->cached ? 0 : total, &first);
	if (u->cache_read != USAGE_UNKNOWN && !a->cached) {
		count(p, B("\"prompt_tokens_details\":{\"cached_tokens\":"), u->cache_read, &first);
		pen_lit(p, "}");
	}
	count(p, B("\"tensorzero_provider_cache_write_input_tokens\":"),
	      a->cached ? USAGE_UNKNOWN : u->cache_write, &first);
	if (!first)
		pen_lit(p, ",");
	pen_bytes(p, a->cached ? B("\"tensorzero_cost\":0.0}") : B("\"tensorzero_cost\":null}"));
}

static uint64_t known(int64_t n)
{
	return n == USAGE_UNKNOWN ? 0 : (uint64_t)n;
}

void chat_put_usage(struct pen *p, const struct answer *a, const struct usage *u)
{
	if (a->options->tensorzero_shape) {
		put_usage_tensorzero(p, a, u);
		return;
	}
	pen_lit(p, "{\"prompt_tokens\":");
	pen_u64(p, known(u->input_tokens));
	pen_lit(p, ",\"completion_tokens\":");
	pen_u64(p, known(u->output_tokens));
	pen_lit(p, ",\"total_tokens\":");
	pen_u64(p, known(u->input_tokens) + known(u->output_tokens));
	pen_lit(p, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	pen_u64(p, known(u->cache_read));
	if (u->cache_write != USAGE_UNKNOWN) {
		pen_lit(p, ",\"cache_write_tokens\":");
		pen_u64(p, known(u->cache_write));
	}
	pen_lit(p, "},\"completion_tokens_details\":{\"reasoning_tokens\":");
	pen_u64(p, known(u->reasoning_tokens));
	pen_lit(p, "}}");
}

void chat_put_finish(struct pen *p, const struct answer *a, enum finish_reason f, bool called)
{
	static const struct bytes names[] = {
		[FINISH_UNSET] = B("\"stop\""),
		[FINISH_STOP] = B("\"stop\""),
		[FINISH_STOP_SEQUENCE] = B("\"stop\""),
		[FINISH_LENGTH] = B("\"length\""),
		[FINISH_TOOL_CALL] = B("\"tool_calls\""),
		[FINISH_CONTENT_FILTER] = B("\"content_filter\""),
		[FINISH_UNKNOWN] = B("\"stop\""),
	};

	if (!a->options->tensorzero_shape && called &&
	    (f == FINISH_UNSET || f == FINISH_STOP || f == FINISH_UNKNOWN))
		f = FINISH_TOOL_CALL;
	if (chat_is_legacy(a) && f == FINISH_TOOL_CALL)
		pen_lit(p, "\"function_call\"");
	else
		pen_bytes(p, names[f]);
}

void chat_put_annotations(struct pen *p, struct bytes list)
{
	struct bytes one;
	struct json_member m;
	size_t pos = 0;
	bool first = true;

	pen_lit(p, "[");
	while (json_next_element(list, &pos, &one) > 0) {
		struct json_edit e;
		bool nested = json_find_member(one, B("url_citation"), &m);

		if (!first)
			pen_lit(p, ",");
		first = false;
		if (nested || *one.p != '{') {
			pen_bytes(p, one);
			continue;
		}
		pen_lit(p, "{\"type\":\"url_citation\",\"url_citation\":");
		edit_begin(&e, one, p);
		while (edit_next(&e, &m) > 0)
			if (!json_key_is(m.key, B("type")))
				edit_keep(&e, &m);
		edit_end(&e);
		pen_lit(p, "}");
	}
	pen_lit(p, "]");
}

/* ---- raw entries ---- */

static void entry_begin(struct pen *p, const struct answer *a)
{
	pen_lit(p, "{\"model_inference_id\":");
	chat_put_uuid(p, a->model_inference_id);
	pen_lit(p, ",\"provider_type\":");
	pen_string(p, a->provider_type);
	pen_lit(p, ",\"api_type\":\"chat_completions\",\"data\":");
}

void chat_put_raw_usage(struct pen *p, const struct answer *a, struct bytes data)
{
	pen_lit(p, "[");
	if (bytes_set(data) && !a->cached) {
		entry_begin(p, a);
		pen_bytes(p, data);
		pen_lit(p, "}");
	}
	pen_lit(p, "]");
}

static void put_raws(struct pen *p, const struct answer *a, const struct result *r)
{
	if (a->include_raw_usage) {
		pen_lit(p, ",\"tensorzero_raw_usage\":");
		chat_put_raw_usage(p, a, r->raw_usage);
	}
	if (a->include_original_response) {
		pen_lit(p, ",\"tensorzero_original_response\":");
		pen_string(p, r->raw_response);
	}
	if (!a->include_raw_response)
		return;
	pen_lit(p, ",\"tensorzero_raw_response\":[");
	pen_bytes(p, a->failed_raw);
	if (!a->cached) {
		if (a->failed_raw.n > 0)
			pen_lit(p, ",");
		entry_begin(p, a);
		pen_string(p, r->raw_response);
		pen_lit(p, "}");
	}
	pen_lit(p, "]");
}

/* ---- the message ---- */

static bool as_text(const struct answer *a, const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT ||
	       (a->json_tool && b->type == BLOCK_TOOL_CALL);
}

static bool as_call(const struct answer *a, const struct block *b)
{
	return b->type == BLOCK_TOOL_CALL && !a->json_tool;
}

static bool has_call(const struct answer *a, const struct result *r)
{
	for (size_t i = 0; i < r->len; i++)
		if (as_call(a, &r->content[i]))
			return true;
	return false;
}

static void put_text(struct pen *p, const struct answer *a, const struct result *r)
{
	bool any = false;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (as_text(a, b))
			pen_more(p, b->type == BLOCK_TOOL_CALL ? b->arguments : b->text, &any);
	}
	if (!any)
		pen_lit(p, "null");
}

static void put_call(struct pen *p, const struct block *b, bool custom)
{
	pen_lit(p, "{\"id\":");
	pen_string(p, b->id);
	if (custom)
		pen_lit(p, ",\"type\":\"custom\",\"custom\":{\"name\":");
	else
		pen_lit(p, ",\"type\":\"function\",\"function\":{\"name\":");
	pen_string(p, b->name);
	if (custom)
		pen_lit(p, ",\"input\":");
	else
		pen_lit(p, ",\"arguments\":");
	pen_string(p, b->arguments);
	pen_lit(p, "}}");
}

static void put_calls(struct pen *p, const struct answer *a, const struct result *r)
{
	bool first = true;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (!as_call(a, b))
			continue;
		if (chat_is_legacy(a)) { /* that form has room for one */
			pen_lit(p, ",\"function_call\":{\"name\":");
			pen_string(p, b->name);
			pen_lit(p, ",\"arguments\":");
			pen_string(p, b->arguments);
			pen_lit(p, "}");
			return;
		}
		pen_bytes(p, first ? B(",\"tool_calls\":[") : B(","));
		first = false;
		put_call(p, b, b->custom && !a->options->tensorzero_shape);
	}
	if (!first)
		pen_lit(p, "]");
}

static void put_thought(struct pen *p, const struct block *b, size_t index)
{
	pen_lit(p, "{\"type\":\"thought\",\"insert_index\":");
	pen_u64(p, index);
	pen_lit(p, ",\"text\":");
	pen_string_or_null(p, b->text);
	pen_field(p, ",\"signature\":", b->signature);
	if (b->nsummaries > 0) {
		pen_lit(p, ",\"summary\":[");
		for (size_t i = 0; i < b->nsummaries; i++) {
			pen_bytes(p, i ? B(",{\"type\":\"summary_text\",\"text\":")
				       : B("{\"type\":\"summary_text\",\"text\":"));
			pen_string(p, b->summaries[i].text);
			pen_lit(p, "}");
		}
		pen_lit(p, "]");
	}
	pen_field(p, ",\"provider_type\":", b->provider_type);
	if (bytes_set(b->extra_data)) {
		pen_lit(p, ",\"extra_data\":");
		pen_bytes(p, b->extra_data);
	}
	pen_lit(p, "}");
}

static void put_unknown(struct pen *p, const struct block *b, size_t index)
{
	pen_lit(p, "{\"type\":\"unknown\",\"insert_index\":");
	pen_u64(p, index);
	pen_lit(p, ",\"data\":");
	pen_bytes(p, b->text);
	pen_field(p, ",\"model_name\":", b->model_name);
	pen_field(p, ",\"provider_name\":", b->provider_name);
	pen_lit(p, "}");
}

/* What must come back with the next turn but has no place in the format. */
static bool is_extra(const struct answer *a, const struct block *b)
{
	if (a->options->tensorzero_shape)
		return b->type == BLOCK_THOUGHT || b->type == BLOCK_UNKNOWN;
	return b->type == BLOCK_THOUGHT && bytes_set(b->signature);
}

static void put_extra(struct pen *p, const struct answer *a, const struct result *r)
{
	bool first = true;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (!is_extra(a, b))
			continue;
		pen_bytes(p, first ? B(",\"tensorzero_extra_content\":[") : B(","));
		first = false;
		if (b->type == BLOCK_THOUGHT)
			put_thought(p, b, i);
		else
			put_unknown(p, b, i);
	}
	if (!first)
		pen_lit(p, "]");
}

static void put_reasoning(struct pen *p, const struct answer *a, const struct result *r)
{
	bool any = false;

	for (size_t i = 0; a->reasoning_to_client && i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (b->type != BLOCK_THOUGHT || !bytes_set(b->text))
			continue;
		if (!any)
			pen_lit(p, ",\"reasoning_content\":");
		pen_more(p, b->text, &any);
	}
}

static const struct block *first_of(const struct result *r, enum block_type type)
{
	for (size_t i = 0; i < r->len; i++)
		if (r->content[i].type == type)
			return &r->content[i];
	return NULL;
}

/* ---- the documents ---- */

static void write_tensorzero(struct pen *p, const struct answer *a, const struct result *r)
{
	const struct block *refusal = first_of(r, BLOCK_REFUSAL);

	pen_lit(p, "{\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"episode_id\":");
	chat_put_uuid(p, a->episode_id);
	pen_lit(p, ",\"choices\":[{\"index\":0,\"finish_reason\":");
	chat_put_finish(p, a, r->finish, has_call(a, r));
	pen_lit(p, ",\"message\":{\"role\":\"assistant\",\"content\":");
	put_text(p, a, r);
	if (refusal)
		pen_field(p, ",\"refusal\":", refusal->text);
	put_calls(p, a, r);
	put_extra(p, a, r);
	pen_lit(p, "}}],\"created\":");
	pen_u64(p, (uint64_t)a->created);
	pen_lit(p, ",\"model\":");
	pen_string(p, a->model);
	pen_lit(p,
		",\"system_fingerprint\":\"\",\"service_tier\":null,\"object\":\"chat.completion\",\"usage\":");
	chat_put_usage(p, a, &r->usage);
	put_raws(p, a, r);
	pen_lit(p, "}");
}

static void put_message_openai(struct pen *p, const struct answer *a, const struct result *r)
{
	const struct block *refusal = first_of(r, BLOCK_REFUSAL), *audio = first_of(r, BLOCK_AUDIO);
	struct bytes none = { NULL, 0 };

	pen_lit(p, "{\"role\":\"assistant\",\"content\":");
	put_text(p, a, r);
	pen_lit(p, ",\"refusal\":");
	pen_string_or_null(p, refusal ? refusal->text : none);
	pen_lit(p, ",\"annotations\":");
	if (bytes_set(r->annotations))
		chat_put_annotations(p, r->annotations);
	else
		pen_lit(p, "[]");
	if (audio) {
		pen_lit(p, ",\"audio\":");
		pen_bytes(p, audio->text);
	}
	put_calls(p, a, r);
	put_reasoning(p, a, r);
	put_extra(p, a, r);
	pen_lit(p, "}");
}

static void write_openai(struct pen *p, const struct answer *a, const struct result *r)
{
	const struct block *text = first_of(r, BLOCK_TEXT);

	pen_lit(p, "{\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"object\":\"chat.completion\",\"created\":");
	pen_u64(p, (uint64_t)a->created);
	pen_lit(p, ",\"model\":");
	pen_string(p, a->model);
	pen_lit(p, ",\"choices\":[{\"index\":0,\"message\":");
	put_message_openai(p, a, r);
	pen_lit(p, ",\"logprobs\":");
	pen_bytes(p, text && bytes_set(text->logprobs) ? text->logprobs : B("null"));
	pen_lit(p, ",\"finish_reason\":");
	chat_put_finish(p, a, r->finish, has_call(a, r));
	pen_lit(p, "}],\"usage\":");
	chat_put_usage(p, a, &r->usage);
	pen_field(p, ",\"service_tier\":", r->service_tier);
	pen_field(p, ",\"system_fingerprint\":", r->system_fingerprint);
	put_raws(p, a, r);
	pen_lit(p, "}");
}

/* The upstream's own document; false: it cannot be edited. */
static int write_edited(struct pen *p, const struct answer *a, const struct result *r)
{
	struct json_edit e;
	struct json_member m;
	bool id = false, model = false;
	int n;

	edit_begin(&e, r->document, p);
	while ((n = edit_next(&e, &m)) > 0) {
		if (json_key_is(m.key, B("id"))) {
			edit_value(&e, &m);
			chat_put_id(p, a);
			id = true;
		} else if (json_key_is(m.key, B("model"))) {
			edit_value(&e, &m);
			pen_string(p, a->model);
			model = true;
		} else {
			edit_keep(&e, &m);
		}
	}
	if (n < 0)
		return -1;
	if (!id) {
		edit_add(&e, B("\"id\":"));
		chat_put_id(p, a);
	}
	if (!model) {
		edit_add(&e, B("\"model\":"));
		pen_string(p, a->model);
	}
	put_raws(p, a, r);
	edit_end(&e);
	return pen_done(p);
}

int openai_chat_write_result(const struct answer *a, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (chat_passes(a) && bytes_set(r->document))
		return write_edited(&p, a, r);
	if (a->options->tensorzero_shape)
		write_tensorzero(&p, a, r);
	else
		write_openai(&p, a, r);
	return pen_done(&p);
}
