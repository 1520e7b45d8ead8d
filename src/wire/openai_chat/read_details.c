/* See read_details.h. */
#include "wire/openai_chat/read_details.h"

#include "base/pen.h"

#define DATA_MAX (16u << 20) /* of what is kept of one beside its text */

enum detail_kind { DETAIL_TEXT, DETAIL_SUMMARY, DETAIL_ENCRYPTED, DETAIL_OTHER };

static enum detail_kind kind_of(yyjson_val *detail)
{
	static const struct bytes names[] = {
		[DETAIL_TEXT] = B("reasoning.text"),
		[DETAIL_SUMMARY] = B("reasoning.summary"),
		[DETAIL_ENCRYPTED] = B("reasoning.encrypted"),
	};
	struct bytes type = json_str(json_get(detail, "type"));
	size_t i = 0;

	while (i < COUNT(names) && !bytes_eq(names[i], type))
		i++;
	return (enum detail_kind)i;
}

static void put_member(struct pen *p, struct bytes key, yyjson_val *v)
{
	if (!v || yyjson_is_null(v))
		return;
	pen_item(p);
	pen_string(p, key);
	pen_lit(p, ":");
	if (json_print(v, p->b))
		p->failed = true;
}

/* What must come back with it and has no place in the neutral model. {NULL, 0} with *failed unset: there is nothing. */
static struct bytes data_of(yyjson_val *detail, enum detail_kind kind, struct arena *a,
			    bool *failed)
{
	struct bytes out = { NULL, 0 };
	struct buf text;
	struct pen p = { .b = &text };

	buf_init(&text, DATA_MAX);
	pen_open(&p, '{');
	put_member(&p, B("format"), json_get(detail, "format"));
	if (kind == DETAIL_ENCRYPTED) {
		pen_key(&p, "encrypted");
		pen_lit(&p, "true");
	}
	put_member(&p, B("id"), json_get(detail, "id"));
	if (kind == DETAIL_OTHER)
		put_member(&p, B("detail"), detail);
	pen_close(&p, '}');
	if (text.len > 2)
		out = arena_dup(a, buf_bytes(&text));
	*failed = pen_done(&p) || (text.len > 2 && !bytes_set(out));
	buf_deinit(&text);
	return out;
}

/* An index, else the place. A text, its signature and its summary are one thought; what is encrypted is another. */
static struct bytes id_of(yyjson_val *detail, enum detail_kind kind, size_t place, struct arena *a)
{
	static const char *const suffixes[] = { "", "", ".encrypted", ".other" };
	uint64_t index = place;

	json_u64(json_get(detail, "index"), &index);
	return arena_printf(a, "%llu%s", (unsigned long long)index, suffixes[kind]);
}

bool chat_read_detail(yyjson_val *detail, size_t place, const struct dialect *d, struct arena *a,
		      struct part *out)
{
	enum detail_kind kind = kind_of(detail);
	bool failed;

	*out = (struct part){ .type = PART_THOUGHT,
			      .id = id_of(detail, kind, place, a),
			      .provider_type = dialect_thoughts_of(d),
			      .extra_data = data_of(detail, kind, a, &failed) };
	if (kind == DETAIL_TEXT) {
		out->text = json_str(json_get(detail, "text"));
		out->signature = json_str(json_get(detail, "signature"));
	} else if (kind == DETAIL_SUMMARY) {
		out->summary_id = out->id;
		out->summary_text = json_str(json_get(detail, "summary"));
	} else if (kind == DETAIL_ENCRYPTED) {
		out->signature = json_str(json_get(detail, "data"));
	}
	return !failed && bytes_set(out->id);
}

struct bytes chat_thinking_text(yyjson_val *part, struct arena *a)
{
	yyjson_val *list = json_get(part, "thinking"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	struct bytes text = { NULL, 0 };

	if (!bytes_eq(json_str(json_get(part, "type")), B("thinking")))
		return text;
	if (!yyjson_is_arr(list))
		return json_str(list);
	text = B("");
	while (bytes_set(text) && (one = yyjson_arr_iter_next(&it))) {
		struct bytes more = json_str(json_get(one, "text"));

		if (more.n)
			text = text.n ? arena_cat(a, text, more) : more;
	}
	return text;
}

struct bytes chat_thought_id(const struct dialect *d)
{
	return bytes_set(d->chat.thought_id) ? d->chat.thought_id : B("1");
}
