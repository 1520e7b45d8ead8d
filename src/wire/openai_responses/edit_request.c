/*
 * Pass-through of a request (surfaces §1.6, providers-openai §7.1): the client's own JSON with as few bytes changed as
 * possible. What the gateway keeps itself (earlier answers, §4.5) is not asked of the upstream; items that it would
 * refuse are left out or set right, one by one.
 */
#include "wire/openai_responses/write_request.h"

#include "wire/call_ids.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/write_request.h"
#include "wire/params.h"
#include "wire/seal.h"

#define SEAL_ROOM (4u << 20)

bool openai_responses_renames(const struct inference *inf)
{
	return inf->options->short_ids && names_mapped(&name_openai, inf);
}

bool openai_responses_passes(const struct inference *inf)
{
	return inf->source_wire == &wire_openai_responses && bytes_set(inf->source);
}

/* ---- items ---- */

struct history {
	struct responses_out *o;
	struct buf scratch;
	struct arena arena; /* of one item */
};

static struct bytes text_of(struct history *h, struct bytes item, struct bytes key)
{
	struct json_member m;

	buf_reset(&h->scratch);
	return json_find_member(item, key, &m) ? json_span_string(m.value, &h->scratch)
					       : (struct bytes){ NULL, 0 };
}

/* A thought of this family in its envelope goes back as it was. */
static void put_sealed(struct history *h, struct bytes item, const struct seal *seal)
{
	struct pen *p = &h->o->pen;
	struct json_member m;
	struct json_edit e;

	edit_begin(&e, item, p);
	while (edit_next(&e, &m) > 0) {
		bool id = json_key_is(m.key, B("id")) && bytes_set(seal->item_id);

		if (!id && !json_key_is(m.key, B("encrypted_content"))) {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		pen_string(p, id ? seal->item_id : seal->encrypted);
	}
	edit_end(&e);
}

/* 1: it is left out: the upstream, which keeps nothing, cannot find it, or it is another family's. */
static int edit_thought(struct history *h, struct bytes item)
{
	struct bytes sealed = text_of(h, item, B("encrypted_content"));
	struct seal seal;

	if (!sealed.n)
		return h->o->inf->source_state ? 0 : 1;
	if (!seal_read(sealed, &h->arena, &seal))
		return bytes_starts(sealed, B("sgn1.")) ? 1 : 0;
	if (!bytes_eq(seal.provider_type, h->o->dialect->type) || !bytes_set(seal.encrypted))
		return 1;
	pen_item(&h->o->pen);
	put_sealed(h, item, &seal);
	return 1;
}

static void edit_call(struct history *h, struct bytes item)
{
	struct pen *p = &h->o->pen;
	char out[ID_ROOM];
	struct json_member m;
	struct json_edit e;

	pen_item(p);
	edit_begin(&e, item, p);
	while (edit_next(&e, &m) > 0) {
		struct bytes id = { NULL, 0 };

		buf_reset(&h->scratch);
		if (json_key_is(m.key, B("call_id")))
			id = json_span_string(m.value, &h->scratch);
		if (!bytes_set(id) || id_fits(&id_openai_responses, id)) {
			edit_keep(&e, &m);
			continue;
		}
		edit_value(&e, &m);
		pen_string(p, id_mapped(&id_openai_responses, id, out));
	}
	edit_end(&e);
}

static int edit_items(struct responses_out *o, struct bytes list)
{
	struct history h = { .o = o };
	struct bytes item;
	size_t pos = 0;
	int n;

	buf_init(&h.scratch, CHAT_MAX_TEXT);
	pen_open(&o->pen, '[');
	while ((n = json_next_element(list, &pos, &item)) > 0) {
		bool thought =
			*item.p == '{' && bytes_eq(text_of(&h, item, B("type")), B("reasoning"));

		arena_init(&h.arena, SEAL_ROOM);
		if (thought && edit_thought(&h, item)) {
			arena_deinit(&h.arena);
			continue;
		}
		arena_deinit(&h.arena);
		if (*item.p == '{') {
			edit_call(&h, item);
		} else {
			pen_item(&o->pen);
			pen_bytes(&o->pen, item);
		}
	}
	pen_close(&o->pen, ']');
	buf_deinit(&h.scratch);
	return n;
}

/* ---- the body ---- */

#define NO_SECOND PARAMS

/* Members that are parameters, which keep their bytes while their values are the client's own. */
static const struct row {
	struct bytes key;
	enum param param, second;
} rows[] = {
	{ B("tools"), PARAM_TOOLS, NO_SECOND },
	{ B("parallel_tool_calls"), PARAM_PARALLEL, NO_SECOND },
	{ B("tool_choice"), PARAM_TOOL_CHOICE, NO_SECOND },
	{ B("temperature"), PARAM_TEMPERATURE, NO_SECOND },
	{ B("max_output_tokens"), PARAM_MAX_TOKENS, NO_SECOND },
	{ B("top_p"), PARAM_TOP_P, NO_SECOND },
	{ B("reasoning"), PARAM_REASONING_EFFORT, NO_SECOND },
	{ B("text"), PARAM_RESPONSE_FORMAT, PARAM_VERBOSITY },
	{ B("service_tier"), PARAM_SERVICE_TIER, NO_SECOND },
};

struct body {
	struct responses_out *o;
	struct json_edit e;
	bool renames, rewrites; /* rewrites: the conversation is no longer the client's */
	unsigned seen;          /* bits of `rows` */
	bool store, include;
};

static bool is_set(const struct body *b, const struct row *r)
{
	const struct inference *inf = b->o->inf;

	if (r->param == PARAM_TOOLS)
		return param_is_set(inf, PARAM_TOOLS) || b->o->options->ntools ||
		       (inf->tools && inf->tools->nprovider_tools);
	return param_is_set(inf, r->param) ||
	       (r->second != NO_SECOND && param_is_set(inf, r->second));
}

/* Whether the member that the client sent says what is to be said. */
static bool is_own(const struct body *b, const struct row *r)
{
	const struct inference *inf = b->o->inf;
	unsigned bits = PARAM_BIT(r->param) | (r->second != NO_SECOND ? PARAM_BIT(r->second) : 0);

	if ((r->param == PARAM_TOOLS || r->param == PARAM_TOOL_CHOICE) && b->renames)
		return false;
	return (inf->own & bits) == bits || !is_set(b, r);
}

static void put_value(struct body *b, const struct row *r)
{
	struct responses_out *o = b->o;

	switch (r->param) {
	case PARAM_TOOLS: responses_put_tools(o); break;
	case PARAM_TOOL_CHOICE: responses_put_tool_choice(o); break;
	case PARAM_REASONING_EFFORT: responses_put_reasoning(o); break;
	case PARAM_RESPONSE_FORMAT: responses_put_text(o); break;
	case PARAM_PARALLEL:
		pen_bytes(&o->pen, o->inf->tools->parallel ? B("true") : B("false"));
		break;
	default: param_write(&o->pen, o->inf, r->param);
	}
}

/* The client's tools as they are, and the provider's own behind them. */
static void put_more_tools(struct body *b, struct bytes list)
{
	const struct responses_options *options = b->o->options;
	struct pen *p = &b->o->pen;
	struct bytes one;
	size_t pos = 0;

	pen_open(p, '[');
	while (json_next_element(list, &pos, &one) > 0) {
		pen_item(p);
		pen_bytes(p, one);
	}
	for (size_t i = 0; i < options->ntools; i++) {
		pen_item(p);
		pen_bytes(p, options->tools[i]);
	}
	pen_close(p, ']');
}

static void write_row(struct body *b, const struct json_member *m, size_t row)
{
	const struct row *r = &rows[row];

	b->seen |= 1u << row;
	if (!is_own(b, r)) {
		edit_value(&b->e, m);
		put_value(b, r);
	} else if (r->param == PARAM_TOOLS && b->o->options->ntools && *m->value.p == '[') {
		edit_value(&b->e, m);
		put_more_tools(b, m->value);
	} else {
		edit_keep(&b->e, m);
	}
}

static int write_input(struct body *b, const struct json_member *m)
{
	const struct inference *inf = b->o->inf;

	if (!b->rewrites && (!inf->source_edit || *m->value.p != '[')) {
		edit_keep(&b->e, m);
		return 0;
	}
	edit_value(&b->e, m);
	return b->rewrites ? responses_put_input(b->o) : edit_items(b->o, m->value);
}

/* What was asked for, and encrypted reasoning where the answer is kept. */
static void write_include(struct body *b, const struct json_member *m)
{
	static const struct bytes wanted = B("\"reasoning.encrypted_content\"");
	struct pen *p = &b->o->pen;
	struct bytes one;
	size_t pos = 0;
	bool there = false;

	b->include = true;
	if (!b->o->inf->wants_seals) {
		edit_keep(&b->e, m);
		return;
	}
	edit_value(&b->e, m);
	pen_open(p, '[');
	while (*m->value.p == '[' && json_next_element(m->value, &pos, &one) > 0) {
		there |= bytes_eq(one, wanted);
		pen_item(p);
		pen_bytes(p, one);
	}
	if (!there) {
		pen_item(p);
		pen_bytes(p, wanted);
	}
	pen_close(p, ']');
}

static bool is_dropped(const struct body *b, struct bytes key)
{
	const struct dialect *d = b->o->dialect;

	for (size_t i = 0; i < d->ndrop_fields; i++)
		if (json_key_is(key, d->drop_fields[i]))
			return true;
	return false;
}

/* TensorZero's fields are ours, however their names are escaped: some hold credentials. */
static bool is_own_field(struct bytes key)
{
	char name[6 * sizeof "tensorzero::"]; /* each character may be an escape of six */

	key = bytes_slice(key, 0, sizeof name);
	return bytes_starts((struct bytes){ name, json_unescape(key, name) }, B("tensorzero::"));
}

static bool stays_here(const struct body *b, struct bytes key)
{
	return is_own_field(key) || json_key_is(key, B("generate")) ||
	       (json_key_is(key, B("client_metadata")) && !b->o->options->vendor) ||
	       (json_key_is(key, B("previous_response_id")) && !b->o->inf->source_state) ||
	       (json_key_is(key, B("instructions")) && b->rewrites);
}

static int write_member(struct body *b, const struct json_member *m)
{
	if (stays_here(b, m->key))
		return 0;
	if (is_dropped(b, m->key)) {
		chat_ignored(b->o->ignored, m->key);
		return 0;
	}
	if (json_key_is(m->key, B("model"))) {
		edit_value(&b->e, m);
		pen_string(&b->o->pen, b->o->dialect->model);
		return 0;
	}
	if (json_key_is(m->key, B("input")))
		return write_input(b, m);
	if (json_key_is(m->key, B("include"))) {
		write_include(b, m);
		return 0;
	}
	if (json_key_is(m->key, B("store"))) {
		b->store = true;
		if (b->o->inf->source_state) {
			edit_keep(&b->e, m);
			return 0;
		}
		edit_value(&b->e, m);
		pen_lit(&b->o->pen, "false");
		return 0;
	}
	for (size_t i = 0; i < COUNT(rows); i++)
		if (json_key_is(m->key, rows[i].key)) {
			write_row(b, m, i);
			return 0;
		}
	edit_keep(&b->e, m);
	return 0;
}

static void add_missing(struct body *b)
{
	struct pen *p = &b->o->pen;

	for (size_t i = 0; i < COUNT(rows); i++) {
		bool more = rows[i].param == PARAM_TOOLS && b->o->options->ntools;

		if (b->seen & 1u << i || !is_set(b, &rows[i]) || is_dropped(b, rows[i].key) ||
		    (is_own(b, &rows[i]) && !more))
			continue;
		edit_add(&b->e, B(""));
		pen_string(p, rows[i].key);
		pen_lit(p, ":");
		put_value(b, &rows[i]);
	}
	if (!b->store && !b->o->inf->source_state && !is_dropped(b, B("store"))) {
		edit_add(&b->e, B("\"store\":"));
		pen_lit(p, "false");
	}
	if (!b->include && b->o->inf->wants_seals && !is_dropped(b, B("include"))) {
		edit_add(&b->e, B("\"include\":"));
		pen_lit(p, "[\"reasoning.encrypted_content\"]");
	}
}

int openai_responses_write_edited(struct responses_out *o)
{
	struct body b = { .o = o, .renames = openai_responses_renames(o->inf) };
	struct json_member m;
	int n = 0;

	b.rewrites = b.renames || !o->inf->source_intact;
	edit_begin(&b.e, o->inf->source, &o->pen);
	while (n >= 0 && (n = edit_next(&b.e, &m)) > 0)
		n = write_member(&b, &m);
	if (n < 0)
		return -1;
	add_missing(&b);
	edit_end(&b.e);
	return pen_done(&o->pen);
}
