/*
 * Pass-through of a request (surfaces §1.6, providers-openai §7.1): the client's own JSON with as few bytes
 * changed as possible. Keys that Signet knows are written anew only where the neutral request says something else
 * than the client did (inference.own), all others stay as they are, and with them whatever OpenAI adds to its
 * API tomorrow.
 */
#include "wire/json_edit.h"
#include "wire/call_ids.h"
#include "wire/openai_chat/write_request.h"

#include "base/map.h"

#define KEYS_SPARE (64u << 10) /* names of keys beside those of the source */

bool openai_chat_renames(const struct inference *inf)
{
	return inf->options->short_ids && names_mapped(&name_openai, inf);
}

bool openai_chat_passes(const struct inference *inf)
{
	return inf->source_wire == &wire_openai_chat && bytes_set(inf->source);
}

/* ---- messages ---- */

/* Strings of the history that may have escapes are unescaped into `scratch`. */
struct history {
	struct chat_out *o;
	struct buf scratch;
};

static int edit_function(struct history *h, struct bytes object)
{
	char out[ID_ROOM];
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, object, &h->o->pen);
	while ((n = edit_next(&e, &m)) > 0) {
		struct bytes text = json_span_string(m.value, &h->scratch);

		if (json_key_is(m.key, B("name")) && bytes_set(text) &&
		    !id_fits(&name_openai, text)) {
			edit_value(&e, &m);
			pen_string(&h->o->pen, id_mapped(&name_openai, text, out));
		} else if (json_key_is(m.key, B("arguments")) && bytes_set(text) && text.n == 0) {
			edit_value(&e, &m);
			pen_lit(&h->o->pen, "\"{}\"");
		} else {
			edit_keep(&e, &m);
		}
	}
	edit_end(&e);
	return n;
}

static void edit_id(struct history *h, struct json_edit *e, const struct json_member *m)
{
	struct bytes text = json_span_string(m->value, &h->scratch), sent;
	char out[ID_ROOM];

	sent = bytes_set(text) ? chat_call_id(h->o, text, out) : text;
	if (sent.p == text.p) {
		edit_keep(e, m);
		return;
	}
	edit_value(e, m);
	pen_string(&h->o->pen, sent);
}

static int edit_call(struct history *h, struct bytes object)
{
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, object, &h->o->pen);
	while ((n = edit_next(&e, &m)) > 0) {
		if (json_key_is(m.key, B("id"))) {
			edit_id(h, &e, &m);
		} else if ((json_key_is(m.key, B("function")) || json_key_is(m.key, B("custom"))) &&
			   *m.value.p == '{') {
			edit_value(&e, &m);
			if (edit_function(h, m.value))
				return -1;
		} else {
			edit_keep(&e, &m);
		}
	}
	edit_end(&e);
	return n;
}

typedef int element_fn(struct history *, struct bytes object);

static int edit_array(struct history *h, struct bytes array, element_fn *each)
{
	struct bytes element;
	size_t pos = 0;
	int n;

	pen_open(&h->o->pen, '[');
	while ((n = json_next_element(array, &pos, &element)) > 0) {
		pen_item(&h->o->pen);
		if (*element.p != '{')
			pen_bytes(&h->o->pen, element);
		else if (each(h, element))
			return -1;
	}
	pen_close(&h->o->pen, ']');
	return n;
}

/* A thought that the API has no place for. */
static bool is_refused_thought(const struct chat_out *o, struct bytes key)
{
	return o->dialect->chat.thoughts == CHAT_THOUGHTS_NONE &&
	       (json_key_is(key, B("reasoning_content")) || json_key_is(key, B("reasoning")));
}

static int edit_message(struct history *h, struct bytes object)
{
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, object, &h->o->pen);
	while ((n = edit_next(&e, &m)) > 0) {
		if (json_key_is(m.key, B("tool_call_id"))) {
			edit_id(h, &e, &m);
		} else if (json_key_is(m.key, B("tool_calls")) && *m.value.p == '[') {
			edit_value(&e, &m);
			if (edit_array(h, m.value, edit_call))
				return -1;
		} else if (is_refused_thought(h->o, m.key)) {
			chat_ignored(h->o->ignored, B("messages[].reasoning_content"));
		} else if (!json_key_is(m.key, B("tensorzero_extra_content"))) {
			edit_keep(&e, &m);
		}
	}
	edit_end(&e);
	return n;
}

static int edit_messages(struct chat_out *o, struct bytes array)
{
	struct history h = { .o = o };
	int n;

	buf_init(&h.scratch, CHAT_MAX_TEXT);
	n = edit_array(&h, array, edit_message);
	buf_deinit(&h.scratch);
	return n;
}

/* ---- the body ---- */

struct body {
	struct chat_out *o;
	struct json_edit e;
	bool mapped;         /* names go out in a form that OpenAI takes */
	unsigned written;    /* PARAM_BIT of those that need not be added at the end */
	bool stream_options; /* the same */
	/* if a name stands there twice: its last value, by name; names that had escapes are in the arena */
	struct map last;
	struct arena keys;
};

/* PARAMS: none that Signet knows. */
static enum param param_of(const struct json_member *m)
{
	static const struct {
		struct bytes name;
		enum param param;
	} others[] = {
		{ B("max_completion_tokens"), PARAM_MAX_TOKENS },
		{ B("functions"), PARAM_TOOLS },
		{ B("function_call"), PARAM_TOOL_CHOICE },
	};

	if (json_key_is(m->key, B("model")) || json_key_is(m->key, B("messages")))
		return PARAMS; /* every request has them: they are not looked for */
	for (enum param p = 0; p < PARAMS; p++)
		if (param_field(p).n > 0 && json_key_is(m->key, param_field(p)))
			return p;
	for (size_t i = 0; i < COUNT(others); i++)
		if (json_key_is(m->key, others[i].name))
			return others[i].param;
	return PARAMS;
}

static bool is_set(const struct chat_out *o, enum param p)
{
	if ((p == PARAM_TOOL_CHOICE || p == PARAM_RESPONSE_FORMAT) && !param_is_set(o->inf, p))
		return false; /* the API's own default */
	return openai_chat_sends(o, p);
}

static bool is_own(const struct body *b, enum param p)
{
	if (b->mapped && (p == PARAM_TOOLS || p == PARAM_TOOL_CHOICE) && is_set(b->o, p))
		return false; /* names that OpenAI refuses: written anew, with the names that fit */
	if (is_set(b->o, p) && !chat_takes_as_is(b->o, p))
		return false;
	return b->o->inf->own & PARAM_BIT(p);
}

/* Whether the server knows the limit under the new name, which means the old one as well. */
static bool has_both_names(const struct chat_out *o)
{
	return json_key_is(o->dialect->max_tokens_key, B("max_completion_tokens"));
}

/* An older name gives way to the one under which it goes out, in place. */
static void write_param(struct body *b, const struct json_member *m, enum param p)
{
	struct bytes key = openai_chat_key(b->o, p);
	bool renamed = !json_key_is(m->key, key), null = bytes_eq(m->value, B("null"));
	bool winner = p == PARAM_MAX_TOKENS && !has_both_names(b->o); /* of the two names */
	bool kept = null || (is_own(b, p) && !winner);

	if (p == PARAM_MAX_TOKENS && has_both_names(b->o) &&
	    (is_own(b, p) || (null && !is_set(b->o, p)))) {
		b->written |=
			PARAM_BIT(p); /* each of its two names says what the client said under it */
		edit_keep(&b->e, m);
		return;
	}
	if (b->written & PARAM_BIT(p))
		return;
	if (is_set(b->o, p) ? null : !kept) /* of two spellings, the one that holds no value */
		return;
	b->written |= PARAM_BIT(p);
	if (kept && !renamed) {
		edit_keep(&b->e, m);
		return;
	}
	if (renamed)
		edit_renamed(&b->e, m, key);
	else
		edit_value(&b->e, m);
	if (kept)
		pen_bytes(&b->o->pen, m->value);
	else
		openai_chat_put_param(b->o, p);
}

static int write_messages(struct body *b, const struct json_member *m)
{
	const struct chat_dialect *chat = &b->o->dialect->chat;
	bool intact = b->o->inf->source_intact && !chat_plain_roles(b->o);
	bool edit =
		b->o->inf->source_edit || chat->call_ids || chat->thoughts == CHAT_THOUGHTS_NONE;

	if (intact && !edit) {
		edit_keep(&b->e, m);
		return 0;
	}
	edit_value(&b->e, m);
	return intact ? edit_messages(b->o, m->value) : openai_chat_put_messages(b->o);
}

static int write_stream_options(struct body *b, const struct json_member *m)
{
	struct json_edit e;
	struct json_member inner;
	bool seen = false;
	int n;

	if (!b->o->inf->stream) {
		edit_keep(&b->e, m);
		return 0;
	}
	b->stream_options = true;
	edit_value(&b->e, m);
	if (*m->value.p != '{') {
		pen_lit(&b->o->pen, "{\"include_usage\":true}");
		return 0;
	}
	edit_begin(&e, m->value, &b->o->pen);
	while ((n = edit_next(&e, &inner)) > 0) {
		if (!json_key_is(inner.key, B("include_usage"))) {
			edit_keep(&e, &inner);
		} else if (!seen) {
			seen = true;
			edit_value(&e, &inner);
			pen_lit(&b->o->pen, "true");
		}
	}
	if (!seen) {
		edit_add(&e, B("\"include_usage\":"));
		pen_lit(&b->o->pen, "true");
	}
	edit_end(&e);
	return n;
}

static bool is_dropped(const struct dialect *d, struct bytes key)
{
	for (size_t i = 0; i < d->ndrop_fields; i++)
		if (json_key_is(key, d->drop_fields[i]))
			return true;
	return false;
}

/* Whether the client sent tools at all; of kinds that Signet knows or not. An empty list is none. */
static bool client_has_tools(const struct inference *inf)
{
	static const struct bytes names[] = { B("tools"), B("functions") };
	struct json_member m;
	struct bytes element;

	for (size_t i = 0; i < COUNT(names); i++) {
		size_t pos = 0;

		if (json_find_member(inf->source, names[i], &m) && *m.value.p == '[' &&
		    json_next_element(m.value, &pos, &element) > 0)
			return true;
	}
	return false;
}

/* Keys that the API refuses without tools (providers-openai §8 #72, #73). */
static bool lacks_tools(const struct inference *inf, enum param p)
{
	return !param_is_recorded(p) && !param_is_set(inf, PARAM_TOOLS) && !client_has_tools(inf);
}

/* Where the last member of each name stands, if one stands there twice. The names are unescaped: an upstream sees
 * "model" in "mod\u0065l" too. */
static int find_last(struct body *b, struct bytes source)
{
	struct json_member m;
	size_t pos = 0;
	int n;

	while ((n = json_next_member(source, &pos, &m)) > 0) {
		struct bytes key = json_key(m.key, &b->keys);

		if (!bytes_set(key) || map_put(&b->last, key, (void *)(uintptr_t)m.value.p))
			return -1;
	}
	return n;
}

static bool is_last(struct body *b, const struct json_member *m)
{
	struct bytes key = json_key(m->key, &b->keys);

	return !bytes_set(key) || map_get(&b->last, key) == m->value.p;
}

/* TensorZero's fields are ours, however their names are escaped: some hold credentials. */
static bool is_own_field(struct bytes key)
{
	const struct bytes prefix = B("tensorzero::");
	char name[6 * sizeof "tensorzero::"]; /* each character may be an escape of six */

	if (bytes_chr(key, '\\') < 0)
		return bytes_starts(key, prefix);
	key = bytes_slice(key, 0, sizeof name);
	return bytes_starts((struct bytes){ name, json_unescape(key, name) }, prefix);
}

/* What the server would refuse; parameters among it are named where all are that have no place. */
static bool is_without_place(const struct chat_out *o, struct bytes key, enum param p)
{
	if (p != PARAMS)
		return !chat_takes(o, p) ||
		       (p == PARAM_RESPONSE_FORMAT && o->dialect->chat.json == CHAT_JSON_GUIDED) ||
		       (p == PARAM_SERVICE_TIER && param_is_set(o->inf, p) &&
			!openai_chat_sends(o, p));
	return (json_key_is(key, B("model")) && !chat_takes_key(o, CHAT_MODEL)) ||
	       (json_key_is(key, B("stream_options")) && !chat_takes_key(o, CHAT_STREAM_OPTIONS));
}

static int write_member(struct body *b, const struct json_member *m)
{
	enum param p = param_of(m);

	if (b->o->inf->source_repeats && !is_last(b, m))
		return 0;
	if (is_own_field(m->key))
		return 0;
	if (is_dropped(b->o->dialect, m->key)) {
		chat_ignored(b->o->ignored, m->key);
		if (p != PARAMS && is_own(b, p))
			b->written |=
				PARAM_BIT(p); /* it is not added under its other name either */
		return 0;
	}
	if (is_without_place(b->o, m->key, p))
		return 0;
	if (json_key_is(m->key, B("model"))) {
		edit_value(&b->e, m);
		pen_string(&b->o->pen, b->o->dialect->model);
		return 0;
	}
	if (json_key_is(m->key, B("messages")))
		return write_messages(b, m);
	if (json_key_is(m->key, B("stream_options")))
		return write_stream_options(b, m);
	if (p == PARAMS)
		edit_keep(&b->e, m);
	else if (!lacks_tools(b->o->inf, p))
		write_param(b, m, p);
	return 0;
}

/* Keys that the provider's configuration sets; a client that says them itself has its way. */
static void add_configured(struct body *b)
{
	static const struct {
		struct bytes name;
		enum chat_key key;
	} names[] = { { B("reasoning_format"), CHAT_REASONING_FORMAT },
		      { B("prompt_mode"), CHAT_PROMPT_MODE },
		      { B("guided_json"), CHAT_GUIDED_JSON } };
	struct json_member m;

	for (size_t i = 0; i < COUNT(names); i++)
		if (chat_takes_key(b->o, names[i].key) &&
		    !json_find_member(b->o->inf->source, names[i].name, &m))
			chat_put_key(b->o, names[i].key);
}

static void add_missing(struct body *b)
{
	if (b->o->inf->stream && !b->stream_options && chat_takes_key(b->o, CHAT_STREAM_OPTIONS)) {
		edit_add(&b->e, B("\"stream_options\":"));
		pen_lit(&b->o->pen, "{\"include_usage\":true}");
	}
	for (enum param p = 0; p < PARAMS; p++) {
		struct bytes key = openai_chat_key(b->o, p);

		if (key.n == 0 || (b->written & PARAM_BIT(p)) || !is_set(b->o, p) ||
		    is_dropped(b->o->dialect, key))
			continue;
		edit_add(&b->e, B(""));
		pen_string(&b->o->pen, key);
		pen_lit(&b->o->pen, ":");
		openai_chat_put_param(b->o, p);
	}
	add_configured(b);
}

int openai_chat_write_edited(struct chat_out *o)
{
	struct body b = { .o = o, .mapped = openai_chat_renames(o->inf) };
	struct json_member m;
	struct bytes source = o->inf->source;
	int n;

	arena_init(&b.keys, 4 * source.n + KEYS_SPARE);
	n = o->inf->source_repeats ? find_last(&b, source) : 0;
	edit_begin(&b.e, source, &o->pen);
	while (n >= 0 && (n = edit_next(&b.e, &m)) > 0)
		n = write_member(&b, &m);
	map_deinit(&b.last);
	arena_deinit(&b.keys);
	if (n < 0)
		return -1;
	add_missing(&b);
	edit_end(&b.e);
	return pen_done(&o->pen);
}
