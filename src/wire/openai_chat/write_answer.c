/*
 * A result -> the client's plain answer, in TensorZero's shape, key for key, or in OpenAI's (http-api §12.5, surfaces
 * §3.2). Where the upstream is of the same family its own document goes out, with only `id` and `model` changed.
 */
#include "wire/openai_chat/write_answer.h"

#include "base/json.h"
#include "wire/json_edit.h"
#include "wire/native.h"

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

#define pen_count(pen, key, n)                               \
	do {                                                 \
		if ((n) != USAGE_UNKNOWN)                    \
			pen_number(pen, key, (uint64_t)(n)); \
	} while (0)

static void put_usage_tensorzero(struct pen *p, const struct answer *a, const struct usage *u)
{
	static const struct usage nothing = { .cache_read = USAGE_UNKNOWN,
					      .cache_write = USAGE_UNKNOWN,
					      .cost.known = true };

	if (a->cached)
		u = &nothing;
	pen_open(p, '{');
	pen_count(p, "prompt_tokens", u->input_tokens);
	pen_count(p, "completion_tokens", u->output_tokens);
	if (u->input_tokens != USAGE_UNKNOWN && u->output_tokens != USAGE_UNKNOWN)
		pen_count(p, "total_tokens", u->input_tokens + u->output_tokens);
	if (u->cache_read != USAGE_UNKNOWN) {
		pen_key(p, "prompt_tokens_details");
		pen_open(p, '{');
		pen_number(p, "cached_tokens", (uint64_t)u->cache_read);
		pen_close(p, '}');
	}
	pen_count(p, "tensorzero_provider_cache_write_input_tokens", u->cache_write);
	pen_key(p, "tensorzero_cost");
	p->failed |= money_print(u->cost, p->b) != 0;
	pen_close(p, '}');
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
	pen_open(p, '{');
	pen_number(p, "prompt_tokens", known(u->input_tokens));
	pen_number(p, "completion_tokens", known(u->output_tokens));
	pen_number(p, "total_tokens", known(u->input_tokens) + known(u->output_tokens));
	pen_lit(p, ",\"prompt_tokens_details\":{\"cached_tokens\":");
	pen_u64(p, known(u->cache_read));
	pen_count(p, "cache_write_tokens", u->cache_write);
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
	struct json_edit e;
	size_t pos = 0;

	pen_open(p, '[');
	while (json_next_element(list, &pos, &one) > 0) {
		pen_item(p);
		if (*one.p != '{' || json_find_member(one, B("url_citation"), &m)) {
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
	pen_close(p, ']');
}

/* ---- raw entries ---- */

/* ... and the key of the data. Most formats are chat completions to whoever reads these. */
static void put_api_type(struct pen *p, struct bytes type)
{
	pen_lit(p, ",\"api_type\":");
	pen_string(p, bytes_set(type) ? type : B("chat_completions"));
	pen_lit(p, ",\"data\":");
}

void chat_put_failed(struct pen *p, const struct answer *a)
{
	p->comma = false;
	for (size_t i = 0; i < a->nfailed; i++) {
		pen_item(p);
		pen_lit(p, "{\"provider_type\":");
		pen_string(p, a->failed[i].provider_type);
		put_api_type(p, a->failed[i].api_type);
		pen_string(p, a->failed[i].data);
		pen_lit(p, "}");
	}
}

int openai_chat_write_error_members(const struct answer *a, struct buf *out)
{
	struct pen p = { .b = out };

	if (!a->nfailed)
		return 0;
	pen_lit(&p, ",\"tensorzero_raw_response\":[");
	chat_put_failed(&p, a);
	pen_lit(&p, "]");
	return pen_done(&p);
}

/* An entry of one of the raw lists, up to its data. */
static void entry_begin(struct pen *p, const struct answer *a)
{
	pen_item(p);
	pen_lit(p, "{\"model_inference_id\":");
	chat_put_uuid(p, a->model_inference_id);
	pen_text(p, "provider_type", a->provider_type);
	put_api_type(p, a->api_type);
}

void chat_put_raw_usage(struct pen *p, const struct answer *a, struct bytes data)
{
	pen_key(p, "tensorzero_raw_usage");
	pen_open(p, '[');
	if (bytes_set(data) && !a->cached) {
		entry_begin(p, a);
		pen_bytes(p, data);
		pen_lit(p, "}");
	}
	pen_close(p, ']');
}

static void put_raws(struct pen *p, const struct answer *a, const struct result *r)
{
	if (a->include_raw_usage)
		chat_put_raw_usage(p, a, r->raw_usage);
	if (a->include_original_response)
		pen_text(p, "tensorzero_original_response", r->raw_response);
	if (!a->include_raw_response)
		return;
	pen_key(p, "tensorzero_raw_response");
	pen_open(p, '[');
	chat_put_failed(p, a);
	if (!a->cached) {
		entry_begin(p, a);
		pen_string(p, r->raw_response);
		pen_lit(p, "}");
	}
	pen_close(p, ']');
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
	pen_open(p, '{');
	pen_text(p, "id", b->id);
	pen_bytes(p, custom ? B(",\"type\":\"custom\",\"custom\":{\"name\":")
			    : B(",\"type\":\"function\",\"function\":{\"name\":"));
	pen_string(p, b->name);
	pen_bytes(p, custom ? B(",\"input\":") : B(",\"arguments\":"));
	pen_string(p, b->arguments);
	pen_lit(p, "}}");
}

static void put_calls(struct pen *p, const struct answer *a, const struct result *r)
{
	bool any = false;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (!as_call(a, b))
			continue;
		if (chat_is_legacy(a)) { /* that form has room for one */
			pen_lit(p, ",\"function_call\":{\"name\":");
			pen_string(p, b->name);
			pen_text(p, "arguments", b->arguments);
			pen_lit(p, "}");
			return;
		}
		pen_list_item(p, "tool_calls", &any);
		put_call(p, b, b->custom && !a->options->tensorzero_shape);
	}
	pen_list_end(p, any);
}

/* What must come back with the next turn but has no place in the format. */
static bool is_extra(const struct answer *a, const struct block *b)
{
	if (a->options->tensorzero_shape)
		return b->type == BLOCK_THOUGHT || b->type == BLOCK_UNKNOWN;
	return b->type == BLOCK_THOUGHT && bytes_set(b->signature);
}

/* Where it stands among the blocks that come back: a thought without a signature does not. */
static size_t place_of(const struct answer *a, const struct result *r, size_t block)
{
	size_t n = 0;

	for (size_t i = 0; i < block; i++)
		n += r->content[i].type != BLOCK_THOUGHT || is_extra(a, &r->content[i]);
	return n;
}

static void put_extra(struct pen *p, const struct answer *a, const struct result *r)
{
	bool any = false;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];
		bool thought = b->type == BLOCK_THOUGHT;

		if (!is_extra(a, b))
			continue;
		pen_list_item(p, "tensorzero_extra_content", &any);
		pen_open(p, '{');
		pen_text(p, "type", thought ? B("thought") : B("unknown"));
		pen_number(p, "insert_index", place_of(a, r, i));
		if (thought)
			native_put_thought(p, b);
		else
			native_put_unknown(p, b);
		pen_close(p, '}');
	}
	pen_list_end(p, any);
}

/* One text, which more follow: `between` stands before each but the first. */
static void put_reasoning_text(struct pen *p, struct bytes text, struct bytes between, bool *any)
{
	if (!bytes_set(text))
		return;
	if (!*any)
		pen_key(p, "reasoning_content");
	else if (between.n)
		pen_more(p, between, any);
	pen_more(p, text, any);
}

/* Thoughts in their words, or as far as the provider sums them up: a blank line between summaries. */
static void put_reasoning(struct pen *p, const struct result *r)
{
	bool any = false;

	for (size_t i = 0; i < r->len; i++) {
		const struct block *b = &r->content[i];

		if (b->type != BLOCK_THOUGHT)
			continue;
		put_reasoning_text(p, b->text, B(""), &any);
		for (size_t k = 0; !bytes_set(b->text) && k < b->nsummaries; k++)
			put_reasoning_text(p, b->summaries[k].text, B("\n\n"), &any);
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

	pen_head(p, "{\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"episode_id\":");
	chat_put_uuid(p, a->episode_id);
	pen_lit(p, ",\"choices\":[{\"index\":0,\"finish_reason\":");
	chat_put_finish(p, a, r->finish, has_call(a, r));
	pen_lit(p, ",\"message\":{\"role\":\"assistant\",\"content\":");
	put_text(p, a, r);
	if (refusal)
		pen_set(p, "refusal", refusal->text);
	put_calls(p, a, r);
	put_extra(p, a, r);
	pen_lit(p, "}}]");
	pen_number(p, "created", (uint64_t)a->created);
	pen_text(p, "model", a->model);
	pen_lit(p,
		",\"system_fingerprint\":\"\",\"service_tier\":null,\"object\":\"chat.completion\",\"usage\":");
	chat_put_usage(p, a, &r->usage);
	put_raws(p, a, r);
	pen_lit(p, "}");
}

static void put_message_openai(struct pen *p, const struct answer *a, const struct result *r)
{
	const struct block *refusal = first_of(r, BLOCK_REFUSAL), *audio = first_of(r, BLOCK_AUDIO);

	pen_lit(p, ",\"message\":{\"role\":\"assistant\",\"content\":");
	put_text(p, a, r);
	pen_key(p, "refusal");
	pen_string_or_null(p, refusal ? refusal->text : (struct bytes){ NULL, 0 });
	pen_key(p, "annotations");
	chat_put_annotations(p, bytes_set(r->annotations) ? r->annotations : B("[]"));
	if (audio)
		pen_json(p, "audio", audio->text);
	put_calls(p, a, r);
	if (a->reasoning_to_client)
		put_reasoning(p, r);
	put_extra(p, a, r);
	pen_lit(p, "}");
}

static void put_choice(struct pen *p, const struct answer *a, const struct result *r)
{
	const struct block *text = first_of(r, BLOCK_TEXT);

	pen_lit(p, "{\"index\":");
	pen_u64(p, r->choice);
	put_message_openai(p, a, r);
	pen_json(p, "logprobs", text && bytes_set(text->logprobs) ? text->logprobs : B("null"));
	pen_key(p, "finish_reason");
	chat_put_finish(p, a, r->finish, has_call(a, r));
	pen_lit(p, "}");
}

static void write_openai(struct pen *p, const struct answer *a, const struct result *r)
{
	pen_head(p, "{\"id\":");
	chat_put_id(p, a);
	pen_lit(p, ",\"object\":\"chat.completion\"");
	pen_number(p, "created", (uint64_t)a->created);
	pen_text(p, "model", a->model);
	pen_lit(p, ",\"choices\":[");
	put_choice(p, a, r);
	for (size_t i = 0; i < r->nothers; i++) {
		pen_lit(p, ",");
		put_choice(p, a, &r->others[i]);
	}
	pen_lit(p, "],\"usage\":");
	chat_put_usage(p, a, &r->usage);
	pen_set(p, "service_tier", r->service_tier);
	pen_set(p, "system_fingerprint", r->system_fingerprint);
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
		} else if (json_key_is(m.key, B("created")) && bytes_eq(m.value, B("0"))) {
			edit_value(&e, &m);
			pen_u64(p, (uint64_t)a->created);
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
