/*
 * GET /v1/models and /v1/models/{id}, in OpenAI's form or in Anthropic's, by who asks (surfaces §2). Answered from memory,
 * with the configuration's hash as etag, so that clients that ask before each session cost nothing. No upstream is
 * asked: of discovered models those are listed that are known already.
 */
#include "api/api.h"
#include "api/errors.h"
#include "api/internal.h"
#include "base/time.h"
#include "base/pen.h"
#include "route/target.h"
#include "upstream/upstream.h"

#define LIST_MAX  (16u << 20)
#define PAGE_FEW  20 /* models on a page of Anthropic's form */
#define PAGE_MOST 1000

struct listed {
	struct bytes id, owned_by;
	const struct alias *alias; /* NULL: it is no alias */
};

/* The list under construction; a map would cost more than looking through the few names there are. */
struct list {
	struct listed *at;
	size_t len, cap;
	struct arena *arena;
};

static bool list_add(struct list *l, struct bytes id, struct bytes owner, const struct alias *alias)
{
	for (size_t i = 0; i < l->len; i++)
		if (bytes_eq(l->at[i].id, id))
			return true;
	return arena_push(l->arena, l->at, l->len, l->cap, ((struct listed){ id, owner, alias }));
}

/* Type of the first provider of a model; of a shorthand what stands before its colons. */
static struct bytes owner_of(const struct config *c, struct bytes model)
{
	struct bytes prefix = B("tensorzero::model_name::"), rest;
	const struct model_config *m;

	if (bytes_starts(model, prefix))
		model = bytes_slice(model, prefix.n, model.n);
	m = config_model(c, model);
	if (m && m->nrouting)
		return m->routing[0]->type;
	rest = model;
	return bytes_find(model, B("::")) > 0 ? bytes_cut(&rest, ':') : B("signet");
}

/* Aliases, models, discovered models, each as configured. -1: out of memory. */
static int list_make(const struct config *c, struct list *l)
{
	struct model_list found = { .arena = l->arena };
	bool room = true;

	for (size_t i = 0; room && i < c->surfaces.naliases; i++) {
		const struct alias *alias = &c->surfaces.aliases[i];

		if (!alias->prefix && c->surfaces.list & LIST_ALIASES)
			room = list_add(l, alias->name, owner_of(c, alias->target), alias);
	}
	for (size_t i = 0; room && i < c->nmodels && c->surfaces.list & LIST_MODELS; i++)
		room = list_add(l, c->models[i]->name, owner_of(c, c->models[i]->name), NULL);
	if (c->surfaces.list & LIST_DISCOVERED && upstream_models(c, &found))
		room = false;
	for (size_t i = 0; room && i < found.len; i++)
		room = list_add(l, found.at[i].name, found.at[i].provider->type, NULL);
	return room ? 0 : -1;
}

/* Anthropic's clients say the version that they speak, or have a base of their own. */
static bool is_anthropic(const struct exchange *ex)
{
	return exchange_get(ex, B("anthropic-version")).n ||
	       bytes_starts(bytes_of(ex->route), B("/anthropic/"));
}

/* "2026-06-04T00:00:00Z": whole seconds. */
static void put_moment(struct pen *p, uint64_t unix_ms)
{
	char text[25];

	time_rfc3339_ms(unix_ms, text);
	pen_lit(p, "\"");
	pen_bytes(p, (struct bytes){ text, 19 });
	pen_lit(p, "Z\"");
}

static void put_anthropic(struct pen *p, const struct config *c, const struct listed *m)
{
	bool named = m->alias && bytes_set(m->alias->display_name);

	pen_head(p, "{\"type\":\"model\"");
	pen_text(p, "id", m->id);
	pen_text(p, "display_name", named ? m->alias->display_name : m->id);
	pen_key(p, "created_at");
	put_moment(p, c->loaded_unix_ms);
	if (m->alias && m->alias->max_input_tokens >= 0)
		pen_number(p, "max_input_tokens", (uint64_t)m->alias->max_input_tokens);
	if (m->alias && m->alias->max_output_tokens >= 0)
		pen_number(p, "max_tokens", (uint64_t)m->alias->max_output_tokens);
	pen_close(p, '}');
}

static void put_model(struct pen *p, const struct config *c, const struct listed *m)
{
	pen_open(p, '{');
	pen_text(p, "id", m->id);
	pen_text(p, "object", B("model"));
	pen_number(p, "created", c->loaded_unix_ms / 1000);
	pen_text(p, "owned_by", m->owned_by);
	if (m->alias) {
		pen_set(p, "display_name", m->alias->display_name);
		if (m->alias->max_input_tokens >= 0)
			pen_number(p, "context_length", (uint64_t)m->alias->max_input_tokens);
		if (m->alias->max_output_tokens >= 0)
			pen_number(p, "max_output_tokens", (uint64_t)m->alias->max_output_tokens);
	}
	pen_close(p, '}');
}

static int put_list(struct pen *p, const struct config *c, struct arena *a)
{
	struct list l = { .arena = a };

	if (list_make(c, &l))
		return -1;
	pen_lit(p, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < l.len; i++) {
		pen_item(p);
		put_model(p, c, &l.at[i]);
	}
	pen_lit(p, "]}");
	return pen_done(p);
}

/* ---- a page of them, in Anthropic's form ---- */

/* Where the model of that parameter stands; `missing`: nothing is asked for. -1: ERR_INVALID_REQUEST. */
static int find_id(const struct exchange *ex, const struct list *l, struct bytes name,
		   size_t missing, size_t *place)
{
	struct bytes id = query_get(ex, name);

	*place = missing;
	if (!id.n)
		return 0;
	for (size_t i = 0; i < l->len; i++)
		if (bytes_eq(l->at[i].id, id)) {
			*place = i;
			return 0;
		}
	return fail(ERR_INVALID_REQUEST, "%.*s: there is no model `%.*s`", BFMT(name), BFMT(id));
}

static int put_page(struct pen *p, const struct exchange *ex, const struct config *c)
{
	struct list l = { .arena = ex->arena };
	struct bytes none = { NULL, 0 };
	size_t from, to, after, n;
	uint64_t limit;

	if (list_make(c, &l) || query_count(ex, B("limit"), PAGE_FEW, PAGE_MOST, &limit) ||
	    find_id(ex, &l, B("after_id"), SIZE_MAX, &after) ||
	    find_id(ex, &l, B("before_id"), l.len, &to))
		return -1;
	from = after + 1; /* SIZE_MAX: the first */
	n = to > from ? to - from : 0;
	if (n > limit && query_get(ex, B("before_id")).n && after == SIZE_MAX)
		from = to - limit;
	to = n > limit ? from + limit : from + n;
	pen_lit(p, "{\"data\":[");
	for (size_t i = from; i < to; i++) {
		pen_item(p);
		put_anthropic(p, c, &l.at[i]);
	}
	pen_lit(p, "],\"first_id\":");
	pen_string_or_null(p, to > from ? l.at[from].id : none);
	pen_lit(p, ",\"has_more\":");
	pen_bytes(p, n > limit ? B("true") : B("false"));
	pen_lit(p, ",\"last_id\":");
	pen_string_or_null(p, to > from ? l.at[to - 1].id : none);
	pen_lit(p, "}");
	return pen_done(p);
}

/* One model under the name that was asked for: every form that a request may name. That a credential is
 * missing is not this route's matter. */
static int put_one(struct pen *p, const struct config *c, struct bytes asked, bool anthropic,
		   struct arena *a)
{
	const struct alias *alias = config_model(c, asked) ? NULL : config_alias(c, asked);
	struct listed m = { asked, owner_of(c, alias ? alias->target : asked), alias };
	struct target target;

	if (!target_resolve(c, c->shorthands, false, asked, a, &target)) {
		if (target.model->nrouting)
			m.owned_by = target.model->routing[0]->type;
	} else {
		enum error_kind kind = error_last()->kind;

		if (kind != ERR_API_KEY_MISSING && kind != ERR_CONFIG && kind != ERR_SIGNER)
			return -1;
	}
	if (anthropic)
		put_anthropic(p, c, &m);
	else
		put_model(p, c, &m);
	return pen_done(p);
}

/* RFC 9110 §13.1.2: a list of etags, weak or strong, or "*". */
static bool etag_matches(struct bytes header, struct bytes etag)
{
	while (header.n) {
		struct bytes one = bytes_trim(bytes_cut(&header, ','));

		if (bytes_starts(one, B("W/")))
			one = bytes_slice(one, 2, one.n);
		if (bytes_eq(one, B("*")) || bytes_eq(one, etag))
			return true;
	}
	return false;
}

void api_models(struct exchange *ex)
{
	const struct config *c = api_config(ex);
	struct bytes id = api_path_id(ex), etag = arena_printf(ex->arena, "\"%s\"", c->hash);
	struct buf out;
	struct pen p = { .b = &out };
	bool anthropic = is_anthropic(ex);
	int bad;

	buf_init(&out, LIST_MAX);
	if (bytes_set(id))
		bad = put_one(&p, c, id, anthropic, ex->arena);
	else
		bad = anthropic ? put_page(&p, ex, c) : put_list(&p, c, ex->arena);
	if (bad) {
		api_respond_error(ex, anthropic ? write_anthropic_error : write_openai_error, 0,
				  B(""));
	} else if (etag_matches(exchange_get(ex, B("if-none-match")), etag)) {
		exchange_header(ex, B("etag"), etag);
		exchange_respond(ex, 304, (struct bytes){ 0 }, B(""));
	} else {
		exchange_header(ex, B("etag"), etag);
		exchange_respond(ex, 200, B("application/json"), buf_bytes(&out));
	}
	buf_deinit(&out);
}
