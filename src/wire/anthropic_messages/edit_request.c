/*
 * Pass-through of a request (surfaces §1.6): the client's own JSON with as few bytes changed as possible. The model's name
 * is the provider's, TensorZero's keys go, parameters are written anew only where something else than the client set them.
 */
#include "wire/anthropic_messages/write_request.h"

#include "wire/json_edit.h"
#include "wire/params.h"

bool claude_passes(const struct inference *inf)
{
	unsigned tools = PARAM_BIT(PARAM_TOOLS);

	return inf->source_wire == &wire_anthropic_messages && bytes_set(inf->source) &&
	       (inf->own & tools) && !inf->json_tool;
}

/* Parameters that may be laid over, by a configuration or by tensorzero::params. */
static const enum param params[] = { PARAM_MAX_TOKENS, PARAM_TEMPERATURE, PARAM_TOP_P };

struct body {
	struct claude_out *o;
	struct json_edit e;
	unsigned written; /* PARAM_BIT of each that stands there */
};

static bool is_dropped(const struct dialect *d, struct bytes key)
{
	for (size_t i = 0; i < d->ndrop_fields; i++)
		if (json_key_is(key, d->drop_fields[i]))
			return true;
	return false;
}

/* TensorZero's fields are ours, however their names are escaped: some hold credentials. */
static bool is_tensorzero(const struct body *b, struct bytes key)
{
	key = json_key(key, b->o->scratch);
	return !bytes_set(key) || bytes_starts(key, B("tensorzero::"));
}

static bool write_param(struct body *b, const struct json_member *m)
{
	for (size_t i = 0; i < COUNT(params); i++) {
		enum param p = params[i];

		if (!json_key_is(m->key, param_rows[p].name))
			continue;
		b->written |= PARAM_BIT(p);
		if (b->o->inf->own & PARAM_BIT(p) || !param_is_set(b->o->inf, p)) {
			edit_keep(&b->e, m);
		} else {
			edit_value(&b->e, m);
			param_write(&b->o->pen, b->o->inf, p);
		}
		return true;
	}
	return false;
}

static int write_member(struct body *b, const struct json_member *m)
{
	const struct inference *inf = b->o->inf;
	struct bytes version = b->o->options->body_version;

	if (is_tensorzero(b, m->key))
		return 0;
	if (is_dropped(b->o->dialect, m->key)) {
		claude_ignored(b->o->ignored, m->key);
		return 0;
	}
	if (json_key_is(m->key, B("model"))) {
		if (bytes_set(version))
			return 0;
		edit_value(&b->e, m);
		pen_string(&b->o->pen, b->o->dialect->model);
		return 0;
	}
	if (json_key_is(m->key, B("messages")) && (!inf->source_intact || inf->source_edit)) {
		edit_value(&b->e, m);
		return claude_put_messages(b->o);
	}
	if (!write_param(b, m))
		edit_keep(&b->e, m);
	return 0;
}

static void add_missing(struct body *b)
{
	struct bytes version = b->o->options->body_version;

	for (size_t i = 0; i < COUNT(params) && !b->o->dialect->counts; i++) {
		enum param p = params[i];

		if (b->written & PARAM_BIT(p) || b->o->inf->own & PARAM_BIT(p) ||
		    !param_is_set(b->o->inf, p) || is_dropped(b->o->dialect, param_rows[p].name))
			continue;
		edit_add(&b->e, B(""));
		pen_string(&b->o->pen, param_rows[p].name);
		pen_lit(&b->o->pen, ":");
		param_write(&b->o->pen, b->o->inf, p);
	}
	if (bytes_set(version)) {
		edit_add(&b->e, B("\"anthropic_version\":"));
		pen_string(&b->o->pen, version);
	}
}

int claude_write_edited(struct claude_out *o)
{
	struct body b = { .o = o };
	struct json_member m;
	int n;

	edit_begin(&b.e, o->inf->source, &o->pen);
	while ((n = edit_next(&b.e, &m)) > 0)
		if (write_member(&b, &m))
			return -1;
	if (n < 0)
		return -1;
	add_missing(&b);
	edit_end(&b.e);
	return pen_done(&o->pen);
}
