/*
 * Pass-through of a request (surfaces §1.6, providers-openai §7.1): the client's own JSON with as few bytes
 * changed as possible. Keys that Signet knows are written anew only where the neutral request says something else
 * than the client did (inference.own), all others stay as they are, and with them whatever OpenAI adds to its
 * API tomorrow.
 */
#include "wire/json_edit.h"
#include "wire/openai_chat/ids.h"
#include "wire/openai_chat/write_request.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/map.h"

bool openai_chat_passes(const struct inference *inf)
{
	return inf->profile == PROFILE_OPENAI && inf->source_wire == &wire_openai_chat &&
	       bytes_set(inf->source);
}

/* --- messages --------------------------------------------------------------------------------- */

/* Strings of the history that may have escapes are unescaped into `scratch`. */
struct history {
	struct chat_out *o;
	struct buf scratch;
};

static int edit_function(struct history *h, struct bytes object)
{
	char out[CHAT_NAME_MAX];
	struct json_edit e;
	struct json_member m;
	int n;

	edit_begin(&e, object, &h->o->pen);
	while ((n = edit_next(&e, &m)) > 0) {
		struct bytes text = json_span_string(m.value, &h->scratch);

		if (json_key_is(m.key, B("name")) && bytes_set(text) && !chat_name_fits(text)) {
			edit_value(&e, &m);
			pen_string(&h->o->pen, chat_name(text, out));
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

static int edit_id(struct history *h, struct json_edit *e, const struct json_member *m)
{
	struct bytes text = json_span_string(m->value, &h->scratch);
	char out[CHAT_ID_MAX];

	if (!bytes_set(text) || text.n <= CHAT_ID_MAX) {
		edit_keep(e, m);
		return 0;
	}
	edit_value(e, m);
	pen_string(&h->o->pen, chat_id(text, out));
	return 0;
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
			if (edit_function(h, m.value) < 0)
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
	bool first = true;
	size_t pos = 0;
	int n;

	pen_lit(&h->o->pen, "[");
	while ((n = json_next_element(array, &pos, &element)) > 0) {
		if (!first)
			pen_lit(&h->o->pen, ",");
		first = false;
		if (*element.p != '{')
			pen_bytes(&h->o->pen, element);
		else if (each(h, element) < 0)
			return -1;
	}
	pen_lit(&h->o->pen, "]");
	return n;
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
			if (edit_array(h, m.value, edit_call) < 0)
				return -1;
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

	buf_init(&h.scratch, 100u << 20);
	n = edit_array(&h, array, edit_message);
	buf_deinit(&h.scratch);
	return n;
}

/* --- the body --------------------------------------------------------------------------------- */

/* What was written of the keys that the neutral request may add at the end. */
struct body {
	struct chat_out *o;
	struct json_edit e;
	unsigned written; /* bits of enum own_param */
	bool messages, model, stream, stream_options;
	/* if a name stands there twice: its last value, by name; names that had escapes are in the arena */
	struct map last;
	struct arena keys;
};

typedef void put_fn(struct chat_out *);

static void put_temperature(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->temperature);
}

static void put_top_p(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->top_p);
}

static void put_presence_penalty(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->presence_penalty);
}

static void put_frequency_penalty(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->frequency_penalty);
}

static void put_seed(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->seed);
}

static void put_max_tokens(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->max_tokens);
}

static void put_reasoning_effort(struct chat_out *o)
{
	pen_string(&o->pen, o->inf->reasoning_effort);
}

static void put_verbosity(struct chat_out *o)
{
	pen_string(&o->pen, o->inf->verbosity);
}

static void put_service_tier(struct chat_out *o)
{
	pen_string(&o->pen, o->inf->service_tier);
}

static void put_parallel(struct chat_out *o)
{
	pen_bytes(&o->pen, o->inf->tools->parallel ? B("true") : B("false"));
}

static bool is_set(const struct chat_out *o, unsigned own)
{
	const struct inference *i = o->inf;

	switch (own) {
	case OWN_TEMPERATURE:
		return bytes_set(i->temperature);
	case OWN_TOP_P:
		return bytes_set(i->top_p);
	case OWN_PRESENCE_PENALTY:
		return bytes_set(i->presence_penalty);
	case OWN_FREQUENCY_PENALTY:
		return bytes_set(i->frequency_penalty);
	case OWN_MAX_TOKENS:
		return bytes_set(i->max_tokens);
	case OWN_SEED:
		return bytes_set(i->seed);
	case OWN_STOP:
		return i->stop_set;
	case OWN_REASONING_EFFORT:
		return bytes_set(i->reasoning_effort);
	case OWN_VERBOSITY:
		return bytes_set(i->verbosity);
	case OWN_SERVICE_TIER:
		return bytes_set(i->service_tier);
	case OWN_RESPONSE_FORMAT:
		return openai_chat_has_format(i);
	case OWN_TOOLS:
		return openai_chat_has_tools(i);
	case OWN_TOOL_CHOICE: /* without tools only the client itself may say one */
		return openai_chat_has_tools(i) && i->tools->choice != TOOL_CHOICE_UNSET;
	case OWN_PARALLEL:
		return openai_chat_sends_parallel(o);
	}
	return false;
}

/* In the order of providers-openai §2.3, in which missing ones are added. */
static const struct known {
	struct bytes name;
	unsigned own;
	put_fn *put;
} knowns[] = {
	{ B("temperature"), OWN_TEMPERATURE, put_temperature },
	{ B("max_completion_tokens"), OWN_MAX_TOKENS, put_max_tokens },
	{ B("max_tokens"), OWN_MAX_TOKENS, put_max_tokens },
	{ B("seed"), OWN_SEED, put_seed },
	{ B("top_p"), OWN_TOP_P, put_top_p },
	{ B("presence_penalty"), OWN_PRESENCE_PENALTY, put_presence_penalty },
	{ B("frequency_penalty"), OWN_FREQUENCY_PENALTY, put_frequency_penalty },
	{ B("response_format"), OWN_RESPONSE_FORMAT, openai_chat_put_response_format },
	{ B("tools"), OWN_TOOLS, openai_chat_put_tools },
	{ B("functions"), OWN_TOOLS, openai_chat_put_tools },
	{ B("tool_choice"), OWN_TOOL_CHOICE, openai_chat_put_tool_choice },
	{ B("function_call"), OWN_TOOL_CHOICE, openai_chat_put_tool_choice },
	{ B("parallel_tool_calls"), OWN_PARALLEL, put_parallel },
	{ B("stop"), OWN_STOP, openai_chat_put_stop },
	{ B("reasoning_effort"), OWN_REASONING_EFFORT, put_reasoning_effort },
	{ B("service_tier"), OWN_SERVICE_TIER, put_service_tier },
	{ B("verbosity"), OWN_VERBOSITY, put_verbosity },
};

static const struct known *known_of(struct bytes key)
{
	for (size_t i = 0; i < sizeof knowns / sizeof *knowns; i++)
		if (json_key_is(key, knowns[i].name))
			return &knowns[i];
	return NULL;
}

/* The key under which it goes out: an older name gives way in place. */
static struct bytes key_of(const struct body *b, const struct known *k)
{
	if (k->own == OWN_MAX_TOKENS)
		return b->o->dialect->max_tokens_key;
	if (k->own == OWN_TOOLS)
		return B("tools");
	return k->own == OWN_TOOL_CHOICE ? B("tool_choice") : k->name;
}

static void write_known(struct body *b, const struct json_member *m, const struct known *k,
			bool mapped)
{
	unsigned own = b->o->inf->own;
	struct bytes key = key_of(b, k);

	if (b->written & k->own)
		return;
	if (mapped && (k->own == OWN_TOOLS || k->own == OWN_TOOL_CHOICE))
		own &= ~k->own; /* names that OpenAI refuses: written anew, with the names that fit */
	if ((own & k->own) || bytes_eq(m->value, B("null"))) {
		if (bytes_eq(m->value, B("null")) && is_set(b->o, k->own))
			return; /* the other spelling holds the value */
		b->written |= k->own;
		if (bytes_eq(key, k->name)) {
			edit_keep(&b->e, m);
		} else {
			edit_renamed(&b->e, m, key);
			pen_bytes(&b->o->pen, m->value);
		}
		return;
	}
	if (!is_set(b->o, k->own))
		return;
	b->written |= k->own;
	if (bytes_eq(key, k->name))
		edit_value(&b->e, m);
	else
		edit_renamed(&b->e, m, key);
	k->put(b->o);
}

static int write_messages(struct body *b, const struct json_member *m)
{
	b->messages = true;
	if (b->o->inf->source_intact && !b->o->inf->source_edit) {
		edit_keep(&b->e, m);
		return 0;
	}
	edit_value(&b->e, m);
	return b->o->inf->source_intact ? edit_messages(b->o, m->value)
					: openai_chat_put_messages(b->o);
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

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t pos = 0;

		if (json_find_member(inf->source, names[i], &m) && *m.value.p == '[' &&
		    json_next_element(m.value, &pos, &element) > 0)
			return true;
	}
	return false;
}

/* Keys that the API refuses without tools (providers-openai §8 #72, #73). */
static bool lacks_tools(const struct inference *inf, const struct known *k)
{
	return k->own & (OWN_TOOLS | OWN_TOOL_CHOICE | OWN_PARALLEL) &&
	       !openai_chat_has_tools(inf) && !client_has_tools(inf);
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

static int write_member(struct body *b, const struct json_member *m, bool mapped)
{
	const struct known *k;

	if (b->o->inf->source_repeats && !is_last(b, m))
		return 0;
	if (bytes_starts(m->key, B("tensorzero::")))
		return 0;
	if (is_dropped(b->o->dialect, m->key)) {
		chat_ignored(b->o->ignored, m->key);
		return 0;
	}
	if (json_key_is(m->key, B("model"))) {
		edit_value(&b->e, m);
		pen_string(&b->o->pen, b->o->dialect->model);
		return 0;
	}
	if (json_key_is(m->key, B("messages")))
		return write_messages(b, m);
	if (json_key_is(m->key, B("stream_options")))
		return write_stream_options(b, m);
	k = known_of(m->key);
	if (k && lacks_tools(b->o->inf, k))
		return 0;
	if (k)
		write_known(b, m, k, mapped);
	else
		edit_keep(&b->e, m);
	return 0;
}

static void add_missing(struct body *b)
{
	if (b->o->inf->stream && !b->stream_options) {
		edit_add(&b->e, B("\"stream_options\":"));
		pen_lit(&b->o->pen, "{\"include_usage\":true}");
	}
	for (size_t i = 0; i < sizeof knowns / sizeof *knowns; i++) {
		const struct known *k = &knowns[i];

		if ((b->written & k->own) || !is_set(b->o, k->own) ||
		    is_dropped(b->o->dialect, k->name))
			continue;
		b->written |= k->own;
		edit_add(&b->e, B(""));
		pen_string(&b->o->pen, key_of(b, k));
		pen_lit(&b->o->pen, ":");
		k->put(b->o);
	}
}

int openai_chat_write_edited(struct chat_out *o)
{
	struct body b = { .o = o };
	bool mapped = chat_names_mapped(o->inf);
	struct json_member m;
	struct bytes source = o->inf->source;
	int n;

	while (source.n > 0 && *source.p != '{')
		source = bytes_slice(source, 1, source.n);
	arena_init(&b.keys, 4 * source.n + (64u << 10));
	n = o->inf->source_repeats ? find_last(&b, source) : 0;
	edit_begin(&b.e, source, &o->pen);
	while (n >= 0 && (n = edit_next(&b.e, &m)) > 0)
		n = write_member(&b, &m, mapped);
	map_deinit(&b.last);
	arena_deinit(&b.keys);
	if (n < 0)
		return -1;
	add_missing(&b);
	edit_end(&b.e);
	return pen_done(&o->pen);
}
