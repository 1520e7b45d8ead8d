/*
 * An assistant's thoughts on their way back to the server that they came from (providers-openai §3.4-3.8). Those of other
 * vendors were taken out before.
 */
#include "wire/openai_chat/write_request.h"

#include "base/json.h"

static enum chat_thoughts form_of(const struct chat_out *o)
{
	return o->dialect->chat.thoughts;
}

static bool is_thought(const struct block *b)
{
	return b->type == BLOCK_THOUGHT;
}

static bool is_tagged(const struct chat_out *o, const struct block *b)
{
	return is_thought(b) && o->dialect->chat.tagged && bytes_set(b->text) &&
	       bytes_set(b->extra_data) && bytes_eq(b->extra_data, o->dialect->chat.tag_data);
}

bool chat_is_thinking_part(const struct chat_out *o, const struct block *b)
{
	return is_thought(b) && form_of(o) == CHAT_THINKING_PARTS && bytes_set(b->text);
}

void chat_put_thinking_part(struct chat_out *o, const struct block *b)
{
	pen_lit(&o->pen, "{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":");
	pen_string(&o->pen, b->text);
	pen_lit(&o->pen, "}]}");
}

/* ---- texts ---- */

/* Those that go out as one text; a blank line between them. */
static bool put_texts(struct chat_out *o, const struct message *m, bool tagged, struct bytes key)
{
	bool any = false;

	for (size_t i = 0; i < m->len; i++) {
		const struct block *b = &m->content[i];

		if (!is_thought(b) || !bytes_set(b->text) || is_tagged(o, b) != tagged)
			continue;
		if (any)
			pen_more(&o->pen, B("\n\n"), &any);
		else if (bytes_set(key))
			pen_member(&o->pen, key);
		else
			pen_more(&o->pen, B("<think>"), &any);
		pen_more(&o->pen, b->text, &any);
	}
	return any;
}

bool chat_has_tagged(const struct chat_out *o, const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (is_tagged(o, &m->content[i]))
			return true;
	return false;
}

void chat_put_tagged(struct chat_out *o, const struct message *m)
{
	bool any = put_texts(o, m, true, (struct bytes){ NULL, 0 });

	pen_more(&o->pen, B("</think>"), &any);
}

/* ---- details ---- */

/* A member of a thought's extra_data, as JSON; unset: it has none. */
static struct bytes extra(const struct block *b, struct bytes name)
{
	struct json_member m;

	return bytes_set(b->extra_data) && *b->extra_data.p == '{' &&
			       json_find_member(b->extra_data, name, &m)
		       ? m.value
		       : (struct bytes){ NULL, 0 };
}

static bool goes_as_detail(const struct block *b)
{
	return is_thought(b) && bytes_set(b->provider_type);
}

bool chat_thoughts_suffice(const struct chat_out *o, const struct message *m)
{
	for (size_t i = 0; form_of(o) == CHAT_REASONING_DETAILS && i < m->len; i++)
		if (goes_as_detail(&m->content[i]))
			return true;
	return false;
}

static void detail_end(struct chat_out *o, const struct block *b, struct bytes format)
{
	pen_json(&o->pen, "format", format);
	pen_json(&o->pen, "id", extra(b, B("id")));
	pen_lit(&o->pen, "}");
}

static void put_details(struct chat_out *o, const struct block *b, bool *any)
{
	struct pen *p = &o->pen;
	struct bytes whole = extra(b, B("detail")), format = extra(b, B("format"));

	if (bytes_set(whole)) { /* of a kind that nobody knows */
		pen_list_item(p, "reasoning_details", any);
		pen_bytes(p, whole);
		return;
	}
	if (bytes_eq(extra(b, B("encrypted")), B("true"))) {
		pen_list_item(p, "reasoning_details", any);
		pen_lit(p, "{\"type\":\"reasoning.encrypted\"");
		pen_text(p, "data", bytes_set(b->signature) ? b->signature : B(""));
		detail_end(o, b, bytes_set(format) ? format : B("\"raw\""));
		return;
	}
	if (bytes_set(b->text) || bytes_set(b->signature)) {
		pen_list_item(p, "reasoning_details", any);
		pen_lit(p, "{\"type\":\"reasoning.text\"");
		pen_set(p, "text", b->text);
		pen_set(p, "signature", b->signature);
		detail_end(o, b, format);
	}
	for (size_t i = 0; i < b->nsummaries; i++) {
		pen_list_item(p, "reasoning_details", any);
		pen_lit(p, "{\"type\":\"reasoning.summary\"");
		pen_text(p, "summary", b->summaries[i].text);
		detail_end(o, b, format);
	}
}

/* ---- all of them ---- */

static bool has_text(const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (is_thought(&m->content[i]) && bytes_set(m->content[i].text))
			return true;
	return false;
}

void chat_put_thoughts(struct chat_out *o, const struct message *m)
{
	bool any = false;

	switch (form_of(o)) {
	case CHAT_REASONING_CONTENT: put_texts(o, m, false, B(",\"reasoning_content\":")); return;
	case CHAT_REASONING_TEXT: put_texts(o, m, false, B(",\"reasoning\":")); return;
	case CHAT_REASONING_DETAILS:
		for (size_t i = 0; i < m->len; i++)
			if (goes_as_detail(&m->content[i]))
				put_details(o, &m->content[i], &any);
		pen_list_end(&o->pen, any);
		return;
	case CHAT_THINKING_PARTS: return; /* they stand in `content` */
	case CHAT_THOUGHTS_NONE:
		if (has_text(m))
			chat_ignored(o->ignored, B("messages[].reasoning_content"));
	}
}
