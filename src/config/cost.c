/*
 * `cost` and `batch_cost` of a provider (config §2.18), in TensorZero's words. Pointers are cut into their steps here, so that
 * an answer only walks them. The trap: TensorZero types the whole list before it looks at what the entries say, and names
 * neither entry nor key then.
 */
#include "config/cost.h"

#include "config/read.h"

static const char rates[] =
	"must specify exactly one of `cost_per_million` or `cost_per_unit` (write one of the two)";
static const char pointers[] =
	"invalid pointer configuration: specify either `pointer` alone, or both `pointer_nonstreaming` and `pointer_streaming` (write one of the two)";

/* One entry as it stands there. */
struct raw_entry {
	struct bytes pointer, plain, streamed;
	struct decimal million, unit;
	bool has_million, has_unit, required;
};

/* ---- what the keys hold ---- */

static void read_rate(struct loader *l, struct toml *t, struct bytes path, struct decimal *out,
		      bool *has)
{
	*has = true;
	if (t->type != TOML_FLOAT && t->type != TOML_INTEGER)
		type_error(l, t, path, "f64", "write a number, without quotes");
	else if (t->radix)
		type_error(l, t, path, "f64", "write it in decimal");
	else if (!decimal_read(t->text, out))
		error_at(l, t, path, "Error while converting to Decimal (`%.*s`; write dollars)",
			 BFMT(t->text));
}

static void read_million(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct raw_entry *e = into;

	read_rate(l, t, path, &e->million, &e->has_million);
	e->million.scale += e->million.digits ? 6 : 0;
}

static void read_unit(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct raw_entry *e = into;

	read_rate(l, t, path, &e->unit, &e->has_unit);
}

#define ENTRY(member) offsetof(struct raw_entry, member)
static const struct key required_key = { "required", KEY_BOOL, ENTRY(required) };
static const struct key entry_keys[] = {
	{ "pointer", KEY_STRING, ENTRY(pointer) },
	{ "pointer_nonstreaming", KEY_STRING, ENTRY(plain) },
	{ "pointer_streaming", KEY_STRING, ENTRY(streamed) },
	{ "cost_per_million", KEY_CALL, .call = read_million },
	{ "cost_per_unit", KEY_CALL, .call = read_unit },
};

/* Types are told at the entry, of `required` at the key, as TensorZero flattens all others. */
static bool read_entry(struct loader *l, struct toml *t, struct bytes path, bool batch,
		       struct raw_entry *out)
{
	size_t errors = issues_errors(l->issues);

	if (!want_table(l, t, path,
			batch ? "struct UninitializedUnifiedCostConfigEntry"
			      : "struct UninitializedCostConfigEntry"))
		return false;
	for (struct toml *c = t->child; c; c = c->next) {
		const struct key *k = NULL;

		for (size_t i = 0; i < COUNT(entry_keys) && !k; i++)
			if (bytes_eq(c->key, bytes_of(entry_keys[i].name)) &&
			    !(batch && entry_keys[i].kind == KEY_STRING && i))
				k = &entry_keys[i];
		if (k)
			read_key(l, k, c, path, out);
		else if (bytes_eq(c->key, bytes_of(required_key.name)))
			read_key(l, &required_key, c, path_join(l, path, ".", c->key), out);
		else
			warn_at(l, c, path, "`%.*s` has no effect here (remove it)", BFMT(c->key));
	}
	if (batch && !bytes_set(out->pointer) && issues_errors(l->issues) == errors)
		missing_field(l, t, path, "pointer", "where the count stands");
	return issues_errors(l->issues) == errors;
}

/* ---- what they mean ---- */

/* "~1" is "/", "~0" is "~". false: a "~" of something else, of which *bad is the text. */
static bool unescape(struct bytes step, struct arena *a, struct bytes *out, struct bytes *bad)
{
	char *to = arena_alloc_raw(a, step.n + 1);
	size_t n = 0;

	for (size_t i = 0; to && i < step.n; i++) {
		char next = i + 1 < step.n ? step.p[i + 1] : 0;

		to[n++] = step.p[i];
		if (step.p[i] != '~')
			continue;
		if (next != '0' && next != '1') {
			*bad = bytes_slice(step, i, 2);
			return false;
		}
		to[n - 1] = next == '1' ? '/' : '~';
		i++;
	}
	*out = (struct bytes){ to, n };
	return to != NULL;
}

static bool read_place(struct loader *l, const struct toml *t, struct bytes path,
		       struct bytes pointer, struct json_place *out)
{
	struct bytes rest = pointer, step, bad = { 0 };
	bool good = true;

	if (rest.n && *rest.p != '/') {
		error_at(
			l, t, path,
			"invalid JSON pointer `%.*s`: NoLeadingSlash (write one such as `/usage/prompt_tokens`)",
			BFMT(pointer));
		return false;
	}
	while (rest.n && good) {
		rest = bytes_slice(rest, 1, rest.n);
		for (step = rest, step.n = 0; step.n < rest.n && rest.p[step.n] != '/';)
			step.n++;
		rest = bytes_slice(rest, step.n, rest.n);
		good = unescape(step, l->arena, &step, &bad) &&
		       arena_push(l->arena, out->steps, out->len, out->cap, step);
	}
	if (bad.n)
		error_at(
			l, t, path,
			"invalid JSON pointer `%.*s`: InvalidEscape(\"%.*s\") (`~1` is a slash, `~0` a tilde)",
			BFMT(pointer), BFMT(bad));
	return good;
}

static bool finish(struct loader *l, const struct toml *t, struct bytes path,
		   const struct raw_entry *e, struct cost_entry *out)
{
	bool one = bytes_set(e->pointer), both = bytes_set(e->plain) && bytes_set(e->streamed),
	     any = bytes_set(e->plain) || bytes_set(e->streamed);

	if (one ? any : !both) {
		error_at(l, t, path, "%s", pointers);
		return false;
	}
	if (e->has_million == e->has_unit) {
		error_at(l, t, path, "%s", rates);
		return false;
	}
	out->price = e->has_unit ? e->unit : e->million;
	out->required = e->required;
	return read_place(l, t, path, one ? e->pointer : e->plain, &out->plain) &&
	       read_place(l, t, path, one ? e->pointer : e->streamed, &out->streamed);
}

static void read_entries(struct loader *l, struct toml *t, struct bytes path, bool batch,
			 struct cost_entries *out)
{
	struct cost_entry entry;
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	out->set = true;
	for (struct toml *e = t->child; e; e = e->next, i++) {
		struct raw_entry raw = { 0 };

		entry = (struct cost_entry){ 0 };
		if (read_entry(l, e, path_index(l, path, i), batch, &raw) &&
		    finish(l, e, path, &raw, &entry))
			(void)arena_push(l->arena, out->at, out->len, out->cap, entry);
	}
}

void read_cost(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_entries(l, t, path, false, into);
}

/* There is no batch inference to use it. */
void read_batch_cost(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	struct cost_entries unused = { 0 };

	(void)into;
	read_entries(l, t, path, true, &unused);
	if (t->type == TOML_ARRAY)
		warn_at(l, t, path,
			"has no effect: this version of Signet has no batch inference yet");
}
