/*
 * A result -> the client's plain message (surfaces §5.7). Where the upstream is of the same family its own document goes
 * out, with only `id` and `model` changed.
 */
#include "wire/anthropic_messages/write_answer.h"

#include "base/json.h"
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

void messages_put_usage(struct pen *p, const struct answer *a, const struct usage *u, bool details)
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
	if (details && u->reasoning_tokens > 0) {
		pen_lit(p, ",\"output_tokens_details\":{\"thinking_tokens\":");
		pen_u64(p, known(u->reasoning_tokens));
		pen_lit(p, "}");
	}
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
	pen_close(p, '}');
}

static void put_text(struct pen *p, struct bytes text)
{
	if (messages_is_blank(text))
		return;
	pen_item(p);
	pen_head(p, "{\"type\":\"text\"");
	pen_text(p, "text", text);
	pen_close(p, '}');
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
	for (size_t i = 0; i < r->len; i++)
		put_block(&p, a, &r->content[i]);
	pen_close(&p, ']');
	messages_put_stop(&p, r, has_call(r));
	pen_key(&p, "usage");
	messages_put_usage(&p, a, &r->usage, true);
	pen_close(&p, '}');
	return pen_done(&p);
}
