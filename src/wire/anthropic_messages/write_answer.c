/*
 * A result -> the client's plain message (surfaces §5.7). Where the upstream is of the same family its own document goes
 * out, with only `id` and `model` changed.
 */
#include "wire/anthropic_messages/write_answer.h"

#include "base/json.h"
#include "wire/anthropic_messages/read_answer.h"
#include "wire/call_ids.h"
#include "wire/estimate.h"
#include "wire/json_edit.h"
#include "wire/seal.h"

#define INPUT_MAX (256u << 20) /* memory for reading a call's arguments */

bool messages_is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return false;
	return true;
}

void messages_put_id(struct pen *p, const struct answer *a)
{
	char hex[33];

	uuid_hex(a->inference_id, hex);
	pen_lit(p, "\"msg_");
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "\"");
}

/* ---- usage, stop ---- */

static uint64_t known(int64_t n)
{
	return n > 0 ? (uint64_t)n : 0;
}

/* What both forms have; the object stays open. */
static void put_counts(struct pen *p, const struct answer *a, const struct usage *u)
{
	uint64_t cached = known(u->cache_read) + known(u->cache_write), input;

	if (u->input_tokens == USAGE_UNKNOWN)
		input = a->asked ? estimate_input(&a->asked->inf) : 0;
	else
		input = known(u->input_tokens) > cached ? known(u->input_tokens) - cached : 0;
	pen_open(p, '{');
	pen_number(p, "input_tokens", input);
	pen_number(p, "cache_creation_input_tokens", known(u->cache_write));
	pen_number(p, "cache_read_input_tokens", known(u->cache_read));
	pen_number(p, "output_tokens", known(u->output_tokens));
	pen_key(p, "output_tokens_details");
	if (u->reasoning_tokens == USAGE_UNKNOWN) {
		pen_lit(p, "null");
	} else {
		pen_lit(p, "{\"thinking_tokens\":");
		pen_u64(p, known(u->reasoning_tokens));
		pen_lit(p, "}");
	}
	pen_lit(p, ",\"server_tool_use\":null");
}

/* By how long what was written stays; a provider that does not tell this is no reason to guess. */
static void put_cache_creation(struct pen *p, const struct usage *u)
{
	uint64_t all = known(u->cache_write), hour = known(u->cache_write_1h);

	pen_key(p, "cache_creation");
	if (u->cache_write == USAGE_UNKNOWN || u->cache_write_1h == USAGE_UNKNOWN) {
		pen_lit(p, "null");
		return;
	}
	pen_open(p, '{');
	pen_number(p, "ephemeral_5m_input_tokens", all > hour ? all - hour : 0);
	pen_number(p, "ephemeral_1h_input_tokens", hour);
	pen_close(p, '}');
}

void messages_put_usage(struct pen *p, const struct answer *a, const struct usage *u,
			struct bytes service_tier)
{
	put_counts(p, a, u);
	put_cache_creation(p, u);
	pen_key(p, "service_tier");
	pen_string_or_null(p, claude_tier_said(service_tier));
	pen_lit(p, ",\"inference_geo\":null");
	pen_close(p, '}');
}

void messages_put_end_usage(struct pen *p, const struct answer *a, const struct usage *u)
{
	put_counts(p, a, u);
	pen_close(p, '}');
}

void messages_put_stop(struct pen *p, const struct result *r, bool called)
{
	static const struct bytes names[] = {
		[FINISH_UNSET] = B("end_turn"),
		[FINISH_STOP] = B("end_turn"),
		[FINISH_STOP_SEQUENCE] = B("stop_sequence"),
		[FINISH_LENGTH] = B("max_tokens"),
		[FINISH_TOOL_CALL] = B("tool_use"),
		[FINISH_CONTENT_FILTER] = B("refusal"),
		[FINISH_UNKNOWN] = B("end_turn"),
	};
	enum finish_reason f = r->finish;

	if (called && (f == FINISH_UNSET || f == FINISH_STOP || f == FINISH_UNKNOWN))
		f = FINISH_TOOL_CALL;
	pen_text(p, "stop_reason", names[f]);
	pen_key(p, "stop_sequence");
	pen_string_or_null(p, f == FINISH_STOP_SEQUENCE ? r->stop_sequence
							: (struct bytes){ NULL, 0 });
	pen_key(p, "stop_details");
	if (f == FINISH_CONTENT_FILTER) {
		pen_lit(p, "{\"type\":\"refusal\",\"category\":null,\"explanation\":");
		pen_string_or_null(p, r->stop_explanation);
		pen_lit(p, "}");
	} else {
		pen_lit(p, "null");
	}
	pen_lit(p, ",\"container\":null");
}

/* ---- blocks ---- */

void messages_put_seal(struct pen *p, const struct answer *a, const struct block *b)
{
	bool redacted = !bytes_set(b->text) && !b->nsummaries, item = bytes_set(b->item_id);
	struct bytes none = { NULL, 0 };
	struct seal seal = { .provider_type = bytes_set(b->provider_type) ? b->provider_type
									  : a->provider_type };
	struct buf text;

	if (a->pass_through && bytes_eq(seal.provider_type, a->provider_type)) {
		pen_string(p, bytes_set(b->signature) ? b->signature : B(""));
		return;
	}
	seal.item_id = b->item_id;
	seal.encrypted = item ? b->signature : none;
	seal.redacted = !item && redacted ? b->signature : none;
	seal.signature = !item && !redacted ? b->signature : none;
	buf_init(&text, SEAL_MAX);
	if (seal_write(&seal, &text))
		buf_reset(&text); /* too long to come back: it does without */
	pen_string(p, buf_bytes(&text));
	buf_deinit(&text);
}

/* What of it is shown: its text, or its summaries, a blank line between them. */
static void put_thought_text(struct pen *p, const struct block *b)
{
	bool any = false;

	if (bytes_set(b->text) || !b->nsummaries) {
		pen_string(p, bytes_set(b->text) ? b->text : B(""));
		return;
	}
	for (size_t i = 0; i < b->nsummaries; i++) {
		if (any)
			pen_more(p, B("\n\n"), &any);
		pen_more(p, b->summaries[i].text, &any);
	}
}

static void put_thought(struct pen *p, const struct answer *a, const struct block *b)
{
	if (!bytes_set(b->text) && !b->nsummaries) {
		if (!b->signature.n)
			return;
		pen_item(p);
		pen_head(p, "{\"type\":\"redacted_thinking\"");
		pen_key(p, "data");
	} else {
		pen_item(p);
		pen_lit(p, "{\"type\":\"thinking\",\"thinking\":");
		put_thought_text(p, b);
		pen_key(p, "signature");
	}
	messages_put_seal(p, a, b);
	pen_lit(p, "}");
}

/* An object, whatever the model wrote. */
static void put_input(struct pen *p, struct bytes arguments)
{
	struct arena a;
	yyjson_val *input;

	arena_init(&a, INPUT_MAX);
	input = messages_is_blank(arguments) ? NULL : json_parse_lenient(arguments, &a);
	if (yyjson_is_obj(input)) {
		if (json_print(input, p->b))
			p->failed = true;
	} else if (messages_is_blank(arguments)) {
		pen_lit(p, "{}");
	} else {
		pen_lit(p, "{\"_raw\":");
		pen_string(p, arguments);
		pen_lit(p, "}");
	}
	arena_deinit(&a);
}

static void put_call(struct pen *p, const struct block *b)
{
	char out[ID_ROOM];

	pen_item(p);
	pen_head(p, "{\"type\":\"tool_use\"");
	pen_text(p, "id", id_mapped(&id_anthropic, b->id, out));
	pen_text(p, "name", b->name);
	pen_key(p, "input");
	put_input(p, b->arguments);
	pen_lit(p, ",\"caller\":{\"type\":\"direct\"}}");
}

static void put_text(struct pen *p, struct bytes text)
{
	if (messages_is_blank(text))
		return;
	pen_item(p);
	pen_head(p, "{\"type\":\"text\"");
	pen_text(p, "text", text);
	pen_lit(p, ",\"citations\":[]}");
}

static void put_block(struct pen *p, const struct answer *a, const struct block *b)
{
	switch (b->type) {
	case BLOCK_THOUGHT:
		if (a->reasoning_to_client)
			put_thought(p, a, b);
		break;
	case BLOCK_TOOL_CALL: put_call(p, b); break;
	case BLOCK_UNKNOWN:
		if (!a->pass_through)
			break;
		pen_item(p);
		pen_bytes(p, b->text);
		break;
	case BLOCK_TEXT:
	case BLOCK_RAW_TEXT:
	case BLOCK_REFUSAL: put_text(p, b->text); break;
	default: break;
	}
}

/* ---- the message ---- */

static bool has_call(const struct result *r)
{
	for (size_t i = 0; i < r->len; i++)
		if (r->content[i].type == BLOCK_TOOL_CALL)
			return true;
	return false;
}

static int write_edited(struct pen *p, const struct answer *a, struct bytes document)
{
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, document, p);
	while ((n = edit_next(&e, &m)) > 0) {
		bool id = json_key_is(m.key, B("id"));

		if (!id && !json_key_is(m.key, B("model"))) {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		if (id)
			messages_put_id(p, a);
		else
			pen_string(p, a->model);
	}
	edit_end(&e);
	return n < 0 ? -1 : pen_done(p);
}

/* A seal without a thought. */
static bool is_bare_seal(const struct block *b)
{
	return b->type == BLOCK_THOUGHT && !bytes_set(b->text) && !b->nsummaries;
}

/* The last text, if only seals follow it: clients take the last block for the answer, so the seals go before it. */
static size_t last_text(const struct result *r)
{
	size_t i = r->len;

	while (i && is_bare_seal(&r->content[i - 1]))
		i--;
	return i && r->content[i - 1].type == BLOCK_TEXT ? i - 1 : r->len;
}

static void put_blocks(struct pen *p, const struct answer *a, const struct result *r)
{
	size_t text = last_text(r);

	for (size_t i = 0; i < text; i++)
		put_block(p, a, &r->content[i]);
	for (size_t i = text + 1; i < r->len; i++)
		put_block(p, a, &r->content[i]);
	if (text < r->len)
		put_block(p, a, &r->content[text]);
}

int anthropic_write_result(const struct answer *a, const struct result *r, struct buf *out)
{
	struct pen p = { .b = out };

	if (a->pass_through && bytes_set(r->document) && !a->json_tool)
		return write_edited(&p, a, r->document);
	pen_head(&p, "{\"id\":");
	messages_put_id(&p, a);
	pen_lit(&p, ",\"type\":\"message\",\"role\":\"assistant\"");
	pen_text(&p, "model", a->model);
	pen_key(&p, "content");
	pen_open(&p, '[');
	put_blocks(&p, a, r);
	pen_close(&p, ']');
	messages_put_stop(&p, r, has_call(r));
	pen_key(&p, "usage");
	messages_put_usage(&p, a, &r->usage, r->service_tier);
	pen_close(&p, '}');
	return pen_done(&p);
}
