/*
 * The list of prices, a TOML file of its own, so that it can be dated, shared and renewed without touching the configuration:
 *
 *	date = 2026-11-30
 *	[openai]
 *	"gpt-4o*" = { input = 2.5, output = 10, cache_read = 1.25 }
 *
 * The trap: a price that is wrong looks like one that is right, so whatever the file says that is no price stops the load.
 */
#include "config/cost.h"

#include <string.h>

#include "base/time.h"
#include "config/files.h"
#include "config/models.h"

#define DAY_MS   86400000
#define OLD_DAYS 180
#define ANY      B("*")

static const char *const price_names[PRICES] = {
	[PRICE_INPUT] = "input",
	[PRICE_OUTPUT] = "output",
	[PRICE_CACHE_READ] = "cache_read",
	[PRICE_CACHE_WRITE] = "cache_write",
	[PRICE_CACHE_WRITE_1H] = "cache_write_1h",
	[PRICE_REASONING] = "reasoning",
};

/* Whose price it is, where the list has none: these two have to be there. */
static const enum price_kind instead[PRICES] = {
	[PRICE_INPUT] = PRICE_INPUT,      [PRICE_OUTPUT] = PRICE_OUTPUT,
	[PRICE_CACHE_READ] = PRICE_INPUT, [PRICE_CACHE_WRITE] = PRICE_INPUT,
	[PRICE_REASONING] = PRICE_OUTPUT, [PRICE_CACHE_WRITE_1H] = PRICE_CACHE_WRITE,
};

const char *price_name(enum price_kind kind)
{
	return price_names[kind];
}

/* ---- reading ---- */

static enum price_kind kind_named(struct bytes name)
{
	enum price_kind k = 0;

	while (k < PRICES && !bytes_eq(name, bytes_of(price_names[k])))
		k++;
	return k;
}

static void unknown_price(struct loader *l, const struct toml *t, struct bytes path)
{
	struct bytes names[PRICES], hint;

	for (size_t i = 0; i < PRICES; i++)
		names[i] = bytes_of(price_names[i]);
	hint = name_hint(l, t->key, names, PRICES, B("remove it"));
	error_at(l, t, path, "unknown field `%.*s`, expected one of %.*s%.*s", BFMT(t->key),
		 BFMT(join_names(l->arena, names, PRICES, "`", ", ")), BFMT(hint));
}

static void read_amount(struct loader *l, struct toml *t, struct bytes path, struct decimal *out)
{
	if (t->type != TOML_FLOAT && t->type != TOML_INTEGER)
		return type_error(l, t, path, "f64", "write dollars a million tokens");
	if (t->radix || !decimal_read(t->text, out) || out->digits < 0)
		return error_at(l, t, path,
				"`%.*s` is no price (write dollars a million tokens, 0 for none)",
				BFMT(t->text));
	out->scale += out->digits ? 6 : 0;
}

/* A set of prices; `beside` is the one key in its table that is none. */
static void read_set(struct loader *l, const struct toml *t, struct bytes path, const char *beside,
		     struct prices *out)
{
	bool has[PRICES] = { false };

	for (struct toml *c = t->child; c; c = c->next) {
		enum price_kind k = kind_named(c->key);
		struct bytes at = path_join(l, path, ".", c->key);

		if (k == PRICES && !bytes_eq(c->key, bytes_of(beside)))
			unknown_price(l, c, at);
		if (k == PRICES)
			continue;
		has[k] = true;
		read_amount(l, c, at, &out->at[k]);
	}
	for (enum price_kind k = 0; k < PRICES; k++) {
		if (!has[k] && instead[k] == k)
			missing_field(l, t, path, price_names[k], "dollars a million tokens");
		else if (!has[k])
			out->at[k] = out->at[instead[k]];
	}
}

/* The table `over`: prices of long prompts, and from where on. */
static void read_over(struct loader *l, struct toml *t, struct bytes path, struct price *out)
{
	const struct toml *tokens = toml_get(t, "tokens");
	uint64_t n;

	if (!want_table(l, t, path, "a table of prices"))
		return;
	read_set(l, t, path, "tokens", &out->over);
	if (!tokens || tokens->type != TOML_INTEGER || !bytes_to_u64(tokens->text, &n) ||
	    n > INT32_MAX)
		return error_at(l, tokens ? tokens : t, path,
				"has no `tokens` (write from how many tokens of input on: 200000)");
	out->over_tokens = (int64_t)n;
}

static void read_price(struct loader *l, struct toml *t, struct bytes path, struct bytes type)
{
	struct price_list *list = &l->config->prices;
	struct price price = { .type = type, .pattern = t->key, .over_tokens = INT64_MAX };
	struct toml *over = toml_get(t, "over");

	if (!want_table(l, t, path, "a table of prices"))
		return;
	read_set(l, t, path, "over", &price.usual);
	if (over)
		read_over(l, over, path_join(l, path, ".", over->key), &price);
	(void)arena_push(l->arena, list->at, list->len, list->cap, price);
}

/* The type's own name; unset: it is none. */
static struct bytes type_named(struct bytes name)
{
	if (bytes_eq(name, ANY))
		return name;
	for (size_t i = 0; i < provider_nentries; i++) {
		const struct provider_kind *kind = provider_entries[i].kind;
		struct bytes own = kind ? kind->name : bytes_of(provider_entries[i].name);

		if (bytes_eq(name, own) || (kind && kind->alias.n && bytes_eq(name, kind->alias)))
			return own;
	}
	return (struct bytes){ NULL, 0 };
}

static void unknown_type(struct loader *l, const struct toml *t)
{
	struct bytes names[64], hint;
	size_t n = 0;

	for (; n < provider_nentries && n < COUNT(names); n++)
		names[n] = provider_entries[n].kind ? provider_entries[n].kind->name
						    : bytes_of(provider_entries[n].name);
	hint = name_hint(l, t->key, names, n, B("write one, or \"*\" for any"));
	error_at(l, t, t->key, "is no provider type%.*s", BFMT(hint));
}

static void read_type(struct loader *l, struct toml *t)
{
	struct bytes type = type_named(t->key);

	if (!bytes_set(type))
		return unknown_type(l, t);
	if (!want_table(l, t, t->key, "a map of models"))
		return;
	for (struct toml *c = t->child; c; c = c->next)
		read_price(l, c, path_join(l, t->key, ".", c->key), type);
}

static void read_date(struct loader *l, const struct toml *t)
{
	struct price_list *list = &l->config->prices;
	struct bytes midnight;
	uint64_t ms;

	midnight = arena_printf(l->arena, "%.*sT00:00:00Z", BFMT(t->text));
	if (!is_text(t) || t->text.n != B("2026-11-30").n || !time_parse_rfc3339(midnight, &ms))
		return error_at(
			l, t, t->key,
			"is no day (write the one on which the prices were looked up, 2026-11-30)");
	list->date = t->text;
	list->age_days = ((int64_t)clock_unix_ms() - (int64_t)ms) / DAY_MS;
	if (list->age_days > OLD_DAYS)
		warn_at(l, t, t->key,
			"the prices are %lld days old (look them up again, and write the day here)",
			(long long)list->age_days);
}

void read_prices(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct price_list *list = &((struct config *)into)->prices;
	struct toml *root, *date;

	if (!want_string(l, t, path, &list->path))
		return;
	list->path = path_beside(list->path, t->file->dir, l->arena);
	root = file_tree(list->path, l->issues, l->arena);
	if (!root)
		return;
	date = toml_get(root, "date");
	if (date)
		read_date(l, date);
	else
		error_at(l, root->child ? root->child : t, B("date"),
			 "is missing in `%.*s` (write the day of the prices: date = 2026-11-30)",
			 BFMT(list->path));
	for (struct toml *c = root->child; c; c = c->next)
		if (c != date)
			read_type(l, c);
}

/* ---- finding ---- */

/* Whether the text fits a pattern in which "*" is any text. */
static bool fits(struct bytes pattern, struct bytes text)
{
	size_t p = 0, i = 0, star = SIZE_MAX, from = 0;

	while (i < text.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			from = i;
		} else if (p < pattern.n && pattern.p[p] == text.p[i]) {
			p++;
			i++;
		} else if (star != SIZE_MAX) { /* the last star takes one more */
			p = star + 1;
			i = ++from;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* How much a pattern says: a name beats a pattern, and the longer of two patterns. */
static size_t weight(const struct price *p)
{
	size_t letters = 0;

	for (size_t i = 0; i < p->pattern.n; i++)
		letters += p->pattern.p[i] != '*';
	return 2 * letters + (letters == p->pattern.n);
}

const struct price *price_find(const struct price_list *list, struct bytes type, struct bytes model)
{
	const struct price *best = NULL;

	for (size_t i = 0; i < list->len; i++) {
		const struct price *p = &list->at[i];
		bool own = bytes_eq(p->type, type);

		if ((!own && !bytes_eq(p->type, ANY)) || !bytes_set(model) ||
		    !fits(p->pattern, model))
			continue;
		if (!best || own > bytes_eq(best->type, type) ||
		    (own == bytes_eq(best->type, type) && weight(p) > weight(best)))
			best = p;
	}
	return best;
}

/* ---- what has none ---- */

static void say_unpriced(struct loader *l, const struct provider_config *p)
{
	const struct config *c = l->config;
	struct bytes path = arena_printf(l->arena, "models.%.*s.providers.%.*s",
					 BFMT(p->model->name), BFMT(p->name)),
		     list = bytes_set(c->prices.path) ? c->prices.path
						      : B("a list of [store] prices");

	warn_at(l, p->node, path,
		"`%.*s` of type `%.*s` has no price%s (add it to %.*s, or `cost` here)",
		BFMT(p->model_name), BFMT(p->type),
		c->unpriced == UNPRICED_REFUSE
			? ": it is not called ([store] unpriced = \"refuse\")"
			: ": what its answers cost is not known",
		BFMT(list));
}

void prices_apply(struct loader *l)
{
	const struct config *c = l->config;
	bool tell = c->unpriced == UNPRICED_REFUSE ||
		    (c->unpriced == UNPRICED_WARN && bytes_set(c->prices.path));

	for (size_t i = 0; i < c->nmodels; i++)
		for (size_t k = 0; k < c->models[i]->nrouting; k++) {
			struct provider_config *p = c->models[i]->routing[k];

			provider_price(c, p);
			if (tell && !provider_is_priced(p) && p->kind)
				say_unpriced(l, p);
		}
}

void provider_price(const struct config *c, struct provider_config *p)
{
	p->price = price_find(&c->prices, p->type, p->model_name);
}

bool provider_is_priced(const struct provider_config *p)
{
	return p->cost.set || p->price;
}
