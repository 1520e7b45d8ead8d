/*
 * Reading tables by tables of keys.
 *
 * A `struct table` lists keys in the order in which serde would list them, because its "expected one
 * of" text is part of what deployments grep for; Signet's own keys follow behind TensorZero's. Behind
 * each text stands, in parentheses, what to write instead. The trap: a value under a key marked secret
 * must not be echoed, also not by a type error.
 */
#include "config/read.h"

#include <stdlib.h>

#define NAMES_MAX (16 << 10) /* of a message's list of keys or choices */

struct bytes node_file(const struct toml *t)
{
	return t->file ? t->file->path : B("");
}

struct bytes path_join(struct loader *l, struct bytes path, const char *separator,
		       struct bytes name)
{
	struct bytes out;

	if (path.n == 0)
		return name;
	out = arena_printf(l->arena, "%.*s%s%.*s", BFMT(path), separator, BFMT(name));
	return bytes_set(out) ? out : B("");
}

struct bytes path_index(struct loader *l, struct bytes path, size_t i)
{
	struct bytes out = arena_printf(l->arena, "%.*s[%zu]", BFMT(path), i);

	return bytes_set(out) ? out : B("");
}

bool is_empty(const struct toml *t)
{
	return (t->type == TOML_TABLE || t->type == TOML_ARRAY) && !t->child;
}

/* ---- nearest key ---- */

struct bytes nearest(struct bytes word, const struct bytes *names, size_t n)
{
	struct bytes found = { 0 };
	size_t best = word.n / 3 + 1;

	for (size_t i = 0; i < n; i++) {
		size_t d = bytes_ieq(word, names[i]) ? 0 : bytes_distance(word, names[i]);

		if (d <= best && (!bytes_set(found) || d < best)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}

static struct bytes nearest_key(struct bytes word, const struct table *table)
{
	struct bytes names[64];
	size_t n = 0;

	for (size_t i = 0; i < table->nkeys && n < COUNT(names); i++)
		names[n++] = bytes_of(table->keys[i].name);
	return nearest(word, names, n);
}

/* ---- messages ---- */

void type_error(struct loader *l, const struct toml *t, struct bytes path, const char *expected,
		const char *fix)
{
	struct bytes value = toml_describe(t, l->arena);

	error_at(l, t, path, "%.*s: invalid type: %.*s, expected %s%s%s%s", BFMT(path), BFMT(value),
		 expected, fix ? " (" : "", fix ? fix : "", fix ? ")" : "");
}

void missing_field(struct loader *l, const struct toml *t, struct bytes path, const char *name,
		   const char *fix)
{
	error_at(l, t, path, "%.*s%smissing field `%s` (add %s)", BFMT(path), path.n ? ": " : "",
		 name, fix ? fix : "it");
}

void not_yet(struct loader *l, const struct toml *t, struct bytes path, struct bytes what)
{
	if (is_empty(t))
		return;
	error_at(
		l, t, path,
		"%.*s: this version of Signet does not support `%.*s` yet (remove it, or keep TensorZero for what needs it)",
		BFMT(path), BFMT(what));
}

/* "`a`", "`a` or `b`", "one of `a`, `b`, `c`": serde's list of names. */
static void put_names(struct buf *b, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s`%s`",
			   i == 0   ? (n > 2 ? "one of " : "")
			   : n == 2 ? " or "
				    : ", ",
			   names[i]);
}

static void unknown_field(struct loader *l, const struct table *table, const struct toml *t,
			  struct bytes path)
{
	const char *names[64];
	struct bytes near = nearest_key(t->key, table);
	struct buf list;
	size_t n = 0;

	for (size_t i = 0; i < table->nkeys && n < COUNT(names); i++) {
		if (!table->keys[i].outer)
			names[n++] = table->keys[i].name;
	}
	buf_init(&list, NAMES_MAX);
	put_names(&list, names, n);
	if (list.len == 0)
		buf_printf(&list, "no fields");
	issue_add(l->issues, table->lax, node_file(t), t->line, path,
		  "%.*s: unknown field `%.*s`, expected %.*s (%s%.*s%s)", BFMT(path), BFMT(t->key),
		  BFMT(buf_bytes(&list)), bytes_set(near) ? "did you mean `" : "remove it",
		  BFMT(near), bytes_set(near) ? "`?" : "");
	buf_deinit(&list);
}

bool want_table(struct loader *l, const struct toml *t, struct bytes path, const char *expected)
{
	if (t->type == TOML_TABLE)
		return true;
	type_error(l, t, path, expected, "write a table");
	return false;
}

bool want_array(struct loader *l, const struct toml *t, struct bytes path)
{
	if (t->type == TOML_ARRAY)
		return true;
	type_error(l, t, path, "a sequence", "write a list: [...]");
	return false;
}

bool want_string(struct loader *l, const struct toml *t, struct bytes path, struct bytes *out)
{
	if (t->type != TOML_STRING && t->type != TOML_DATETIME) {
		bool plain = t->type != TOML_TABLE && t->type != TOML_ARRAY;

		type_error(l, t, path, "a string",
			   plain ? "put it in quotes" : "write one text in quotes");
		return false;
	}
	*out = t->text;
	return true;
}

int want_choice(struct loader *l, const struct toml *t, struct bytes path,
		const char *const *choices)
{
	struct bytes names[32], near;
	struct buf list;
	size_t n = 0;

	for (; choices[n] && n < COUNT(names); n++) {
		names[n] = bytes_of(choices[n]);
		if ((t->type == TOML_STRING || t->type == TOML_DATETIME) &&
		    bytes_eq(names[n], t->text))
			return (int)n;
	}
	buf_init(&list, NAMES_MAX);
	put_names(&list, choices, n);
	if (t->type != TOML_STRING && t->type != TOML_DATETIME) {
		error_at(
			l, t, path,
			"%.*s: invalid type: unit variant, expected string only (write %.*s in quotes)",
			BFMT(path), BFMT(buf_bytes(&list)));
	} else {
		near = nearest(t->text, names, n);
		error_at(l, t, path, "%.*s: unknown variant `%.*s`, expected %.*s%s%.*s%s",
			 BFMT(path), BFMT(t->text), BFMT(buf_bytes(&list)),
			 bytes_set(near) ? " (did you mean `" : "", BFMT(near),
			 bytes_set(near) ? "`?)" : "");
	}
	buf_deinit(&list);
	return -1;
}

/* ---- values ---- */

static bool want_bool(struct loader *l, const struct toml *t, struct bytes path, bool *out)
{
	if (t->type != TOML_BOOL) {
		type_error(l, t, path, "a boolean", "write true or false, without quotes");
		return false;
	}
	*out = bytes_eq(t->text, B("true"));
	return true;
}

/* Whole numbers, also written 5.0 as serde does not: TensorZero refuses those, and so does this. */
static bool want_u64(struct loader *l, const struct toml *t, struct bytes path, const struct key *k,
		     uint64_t *out)
{
	uint64_t max = k->max ? k->max : INT64_MAX;

	if (t->type != TOML_INTEGER) {
		type_error(l, t, path, "u64", "write a whole number, without quotes");
		return false;
	}
	if (t->text.n && t->text.p[0] == '-') {
		error_at(l, t, path, "%.*s: invalid value: %.*s, expected u64 (at least %llu)",
			 BFMT(path), BFMT(toml_describe(t, l->arena)), (unsigned long long)k->min);
		return false;
	}
	if (!bytes_to_u64(t->text, out) || *out > INT64_MAX) {
		error_at(
			l, t, path,
			"Failed to parse integer: number too large to fit in target type (%.*s = %.*s; at most %llu)",
			BFMT(path), BFMT(t->text), (unsigned long long)max);
		return false;
	}
	if (*out < k->min || *out > max) {
		error_at(l, t, path, "%.*s: `%.*s` is out of range (from %llu to %llu)", BFMT(path),
			 BFMT(t->text), (unsigned long long)k->min, (unsigned long long)max);
		return false;
	}
	return true;
}

static void read_strings(struct loader *l, struct toml *t, struct bytes path, struct strings *out)
{
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	out->set = true;
	for (struct toml *e = t->child; e; e = e->next, i++) {
		struct bytes text;

		if (want_string(l, e, path_index(l, path, i), &text) &&
		    !arena_push(l->arena, out->at, out->len, out->cap, text))
			error_at(l, e, path, "out of memory");
	}
}

static void mark_secret(struct toml *t)
{
	t->secret = true;
	for (struct toml *c = t->child; c; c = c->next)
		mark_secret(c);
}

void read_key(struct loader *l, const struct key *k, struct toml *t, struct bytes path, void *into)
{
	uint64_t number;
	bool flag;
	int choice;
	char *at;

	if (k->own)
		into = ((struct provider_config *)into)->options;
	at = (char *)into + k->offset;
	if (k->secret)
		mark_secret(t);
	switch (k->kind) {
	case KEY_STRING:
		want_string(l, t, path, (struct bytes *)at);
		break;
	case KEY_BOOL:
		want_bool(l, t, path, (bool *)at);
		break;
	case KEY_FLAG:
		if (want_bool(l, t, path, &flag))
			*(int *)at = flag;
		break;
	case KEY_U64:
		if (want_u64(l, t, path, k, &number))
			*(uint64_t *)at = number;
		break;
	case KEY_U32:
		if (want_u64(l, t, path, k, &number))
			*(uint32_t *)at = (uint32_t)number;
		break;
	case KEY_INT:
		if (want_u64(l, t, path, k, &number))
			*(int *)at = (int)number;
		break;
	case KEY_I64:
		if (want_u64(l, t, path, k, &number))
			*(int64_t *)at = (int64_t)number;
		break;
	case KEY_CHOICE:
		if ((choice = want_choice(l, t, path, k->choices)) >= 0)
			*(int *)at = choice;
		break;
	case KEY_SWITCH:
		if ((choice = want_choice(l, t, path, k->choices)) >= 0)
			*(bool *)at = choice == 1;
		break;
	case KEY_TABLE:
		read_table(l, k->table, t, path, ".", at);
		break;
	case KEY_CHECKED:
		read_table(l, k->table, t, path, ".", &(struct checked){ 0 });
		break;
	case KEY_CALL:
		k->call(l, t, path, at);
		break;
	case KEY_STRINGS:
		read_strings(l, t, path, (struct strings *)at);
		break;
	case KEY_LATER:
		not_yet(l, t, path, bytes_of(k->name));
		break;
	case KEY_PASS:
		break;
	}
}

void read_ignored_bool(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	bool value;

	(void)into;
	want_bool(l, t, path, &value);
}

static const struct key *find_key(const struct table *table, struct bytes name)
{
	for (size_t i = 0; i < table->nkeys; i++) {
		if (bytes_eq(name, bytes_of(table->keys[i].name)))
			return &table->keys[i];
	}
	return NULL;
}

void read_table(struct loader *l, const struct table *table, struct toml *t, struct bytes path,
		const char *separator, void *into)
{
	if (t->type != TOML_TABLE && table->walked) {
		error_at(l, t, path, "`%.*s`: Expected a table, found %s (write [%.*s])",
			 BFMT(path), toml_type_name(t->type), BFMT(path));
		return;
	}
	if (!want_table(l, t, path, table->expected))
		return;
	for (struct toml *c = t->child; c; c = c->next) {
		const struct key *k = find_key(table, c->key);
		struct bytes inner = path_join(l, path, k && k->outer ? "." : separator, c->key);

		if (k)
			read_key(l, k, c, inner, into);
		else
			unknown_field(l, table, c, inner);
	}
	for (size_t i = 0; i < table->nkeys; i++) {
		if (table->keys[i].required && !toml_get(t, table->keys[i].name))
			missing_field(l, t, path, table->keys[i].name, table->keys[i].fix);
	}
}
