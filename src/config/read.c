/*
 * Reading tables by tables of keys.
 *
 * A `struct table` lists keys in the order in which serde would list them, because its "expected one
 * of" text is part of what deployments grep for; Signet's own keys follow behind TensorZero's. Behind
 * each text stands, in parentheses, what to write instead. The trap: a value that is marked secret must not
 * be echoed, also not by a type error.
 */
#include "config/read.h"

#define NAMES_TEXT_MAX (64 << 10) /* of a message's list of names */
#define NAMES_LISTED   64

struct bytes node_file(const struct toml *t)
{
	return t->file ? t->file->path : B("");
}

struct bytes path_join(struct loader *l, struct bytes path, const char *separator,
		       struct bytes name)
{
	if (path.n == 0)
		return name;
	return arena_printf(l->arena, "%.*s%s%.*s", BFMT(path), separator, BFMT(name));
}

struct bytes path_index(struct loader *l, struct bytes path, size_t i)
{
	return arena_printf(l->arena, "%.*s[%zu]", BFMT(path), i);
}

bool is_empty(const struct toml *t)
{
	return (t->type == TOML_TABLE || t->type == TOML_ARRAY) && !t->child;
}

/* TensorZero reads dates as the texts that they are. */
bool is_text(const struct toml *t)
{
	return t->type == TOML_STRING || t->type == TOML_DATETIME;
}

/* ---- messages ---- */

static struct bytes nearest(struct bytes word, const struct bytes *names, size_t n)
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

struct bytes name_hint(struct loader *l, struct bytes word, const struct bytes *names, size_t n,
		       struct bytes otherwise)
{
	struct bytes near = nearest(word, names, n);

	if (bytes_set(near))
		return arena_printf(l->arena, " (did you mean `%.*s`?)", BFMT(near));
	return bytes_set(otherwise) ? arena_printf(l->arena, " (%.*s)", BFMT(otherwise)) : B("");
}

struct bytes join_names(struct arena *arena, const struct bytes *names, size_t n, const char *quote,
			const char *between)
{
	struct bytes joined;
	struct buf text;

	buf_init(&text, NAMES_TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		buf_printf(&text, "%s%s%.*s%s", i ? between : "", quote, BFMT(names[i]), quote);
	joined = arena_dup(arena, buf_bytes(&text));
	buf_deinit(&text);
	return joined;
}

/* "`a`", "`a` or `b`", "one of `a`, `b`, `c`": serde's list of names. */
static struct bytes expected_names(struct loader *l, const struct bytes *names, size_t n)
{
	struct bytes list = join_names(l->arena, names, n, "`", n == 2 ? " or " : ", ");

	return n > 2 ? arena_cat(l->arena, B("one of "), list) : list;
}

/* What TensorZero, which reads numbers before all else, says of one that it cannot; NULL: it can. */
static const char *unreadable_integer(const struct toml *t)
{
	struct bytes digits = bytes_slice(t->text, bytes_starts(t->text, B("-")), t->text.n);
	uint64_t number;

	if (t->type != TOML_INTEGER)
		return NULL;
	if (t->radix)
		return "invalid digit found in string";
	return bytes_to_u64(digits, &number) && number <= INT64_MAX
		       ? NULL
		       : "number too large to fit in target type";
}

void type_error(struct loader *l, const struct toml *t, struct bytes path, const char *expected,
		const char *fix)
{
	struct bytes value = toml_describe(t, l->arena);

	if (!t->secret && unreadable_integer(t))
		return error_text(l, t, path, "Failed to parse integer: %s (%.*s = %.*s)",
				  unreadable_integer(t), BFMT(path), BFMT(t->text));
	/* the own keys of tagged tables come to TensorZero's reader as JSON */
	if (t->type == TOML_FLOAT && bytes_chr(t->text, 'n') >= 0 && bytes_find(path, B(": ")) >= 0)
		value = B("null");
	error_at(l, t, path, "invalid type: %.*s, expected %s%s%s%s", BFMT(value), expected,
		 fix ? " (" : "", fix ? fix : "", fix ? ")" : "");
}

void missing_field(struct loader *l, const struct toml *t, struct bytes path, const char *name,
		   const char *fix)
{
	error_text(l, t, path, "%.*s%smissing field `%s` (add %s)", BFMT(path), path.n ? ": " : "",
		   name, fix ? fix : "it");
}

void not_yet(struct loader *l, const struct toml *t, struct bytes path, struct bytes what)
{
	if (!is_empty(t))
		error_at(
			l, t, path,
			"this version of Signet does not support `%.*s` yet (remove it, or keep TensorZero for what needs it)",
			BFMT(what));
}

static void unknown_field(struct loader *l, const struct table *table, const struct toml *t,
			  struct bytes path)
{
	struct bytes names[NAMES_LISTED] = { 0 }, fields[NAMES_LISTED], hint, expected;
	size_t n = 0, nfields = 0;

	for (; n < table->nkeys && n < COUNT(names); n++) {
		names[n] = bytes_of(table->keys[n].name);
		if (!table->keys[n].outer)
			fields[nfields++] = names[n];
	}
	hint = name_hint(l, t->key, names, n, B("remove it"));
	expected =
		nfields ? expected_names(l, fields, nfields) : B("no fields"); /* BFMT asks twice */
	issue_add(l->issues, table->lax, node_file(t), t->line, path,
		  "%.*s: unknown field `%.*s`, expected %.*s%.*s", BFMT(path), BFMT(t->key),
		  BFMT(expected), BFMT(hint));
}

/* ---- values ---- */

bool want_table(struct loader *l, const struct toml *t, struct bytes path, const char *expected)
{
	if (t->type != TOML_TABLE)
		type_error(l, t, path, expected, "write a table");
	return t->type == TOML_TABLE;
}

bool want_array(struct loader *l, const struct toml *t, struct bytes path)
{
	if (t->type != TOML_ARRAY)
		type_error(l, t, path, "a sequence", "write a list: [...]");
	return t->type == TOML_ARRAY;
}

bool want_string(struct loader *l, const struct toml *t, struct bytes path, struct bytes *out)
{
	if (is_text(t))
		*out = t->text;
	else if (t->type == TOML_TABLE || t->type == TOML_ARRAY)
		type_error(l, t, path, "a string", "write one text in quotes");
	else
		type_error(l, t, path, "a string", "put it in quotes");
	return is_text(t);
}

/* The words for a value that cannot be an enumeration's: of a provider's own keys others than elsewhere. */
static struct bytes no_choice(struct loader *l, const struct toml *t, struct bytes path)
{
	bool tagged = bytes_find(path, B(": ")) >= 0;
	struct bytes value = toml_describe(t, l->arena);

	if (t->type == TOML_TABLE)
		return tagged     ? B("invalid value: map, expected map with a single key")
		       : t->child ? B("wanted exactly 1 element, more than 1 element")
				  : B("wanted exactly 1 element, found 0 elements");
	if (!tagged)
		return B("invalid type: unit variant, expected string only");
	return arena_printf(l->arena, "invalid type: %.*s, expected string or map", BFMT(value));
}

/* An enumeration as a table of one name, whose value serde wants to be nothing: TOML has none. */
static int want_variant(struct loader *l, const struct toml *t, struct bytes path,
			const struct bytes *names, size_t n, struct bytes list)
{
	size_t i = 0;

	while (i < n && !bytes_eq(names[i], t->key))
		i++;
	if (i == n)
		error_at(l, t, path, "unknown variant `%.*s`, expected %.*s", BFMT(t->key),
			 BFMT(list));
	else
		type_error(l, t, path_join(l, path, ".", t->key), "unit",
			   "write the name alone, in quotes");
	return -1;
}

int want_choice(struct loader *l, const struct toml *t, struct bytes path,
		const char *const *choices)
{
	struct bytes names[NAMES_LISTED], list, said;
	size_t n = 0;

	for (; choices[n] && n < COUNT(names); n++) {
		names[n] = bytes_of(choices[n]);
		if (is_text(t) && bytes_eq(names[n], t->text))
			return (int)n;
	}
	list = expected_names(l, names, n);
	said = is_text(t) ? name_hint(l, t->text, names, n, (struct bytes){ 0 })
			  : no_choice(l, t, path);
	if (is_text(t))
		error_at(l, t, path, "unknown variant `%.*s`, expected %.*s%.*s", BFMT(t->text),
			 BFMT(list), BFMT(said));
	else if (t->type == TOML_TABLE && t->child && !t->child->next)
		return want_variant(l, t->child, path, names, n, list);
	else
		error_at(l, t, path, "%.*s (write %.*s in quotes)", BFMT(said), BFMT(list));
	return -1;
}

static bool want_bool(struct loader *l, const struct toml *t, struct bytes path, bool *out)
{
	if (t->type != TOML_BOOL)
		type_error(l, t, path, "a boolean", "write true or false, without quotes");
	*out = bytes_eq(t->text, B("true"));
	return t->type == TOML_BOOL;
}

/* Whole numbers, also written 5.0 as serde does not: TensorZero refuses those, and so does this. */
static bool want_u64(struct loader *l, const struct toml *t, struct bytes path, const struct key *k,
		     uint64_t *out)
{
	struct bytes value = toml_describe(t, l->arena);
	uint64_t max = k->max ? k->max : INT64_MAX;

	if (t->type != TOML_INTEGER)
		type_error(l, t, path, "u64", "write a whole number, without quotes");
	else if (bytes_starts(t->text, B("-")))
		error_at(l, t, path, "invalid value: %.*s, expected u64 (at least %llu)",
			 BFMT(value), (unsigned long long)k->min);
	else if (!bytes_to_u64(t->text, out) || *out > INT64_MAX)
		error_text(
			l, t, path,
			"Failed to parse integer: number too large to fit in target type (%.*s = %.*s; at most %llu)",
			BFMT(path), BFMT(t->text), (unsigned long long)max);
	else if (*out < k->min || *out > max)
		error_at(l, t, path, "`%.*s` is out of range (from %llu to %llu)", BFMT(t->text),
			 (unsigned long long)k->min, (unsigned long long)max);
	else if (*out == 0 && k->zero_text)
		error_text(l, t, path, "%s (%.*s = 0)", k->zero_text, BFMT(path));
	else
		return true;
	return false;
}

static void read_strings(struct loader *l, struct toml *t, struct bytes path,
			 const char *const *choices, struct strings *out)
{
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	out->set = true;
	for (struct toml *e = t->child; e; e = e->next) {
		struct bytes at = path_index(l, path, i++), text;

		if (choices ? want_choice(l, e, at, choices) >= 0 : want_string(l, e, at, &text))
			(void)arena_push(l->arena, out->at, out->len, out->cap, e->text);
	}
}

static void read_bits(struct loader *l, struct toml *t, struct bytes path,
		      const char *const *choices, unsigned *out)
{
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	*out = 0;
	for (struct toml *e = t->child; e; e = e->next) {
		int choice = want_choice(l, e, path_index(l, path, i++), choices);

		*out |= choice >= 0 ? 1u << choice : 0;
	}
}

/* One that is only checked. */
static void check_choice(struct loader *l, const struct key *k, struct toml *t, struct bytes path)
{
	int choice = want_choice(l, t, path, k->choices);

	if (choice >= 0 && k->later & 1u << choice)
		error_at(l, t, path,
			 "this version of Signet does not support `%s = \"%s\"` yet (%s)", k->name,
			 k->choices[choice], k->fix);
}

static void check_off(struct loader *l, struct toml *t, struct bytes path)
{
	bool on;

	if (want_bool(l, t, path, &on) && on)
		error_at(
			l, t, path,
			"this version of Signet does not support `%.*s = true` yet (write false, or keep TensorZero for what needs it)",
			BFMT(path));
}

/* Whether it is a table; else said in the words of the table's readers. */
static bool right_table(struct loader *l, const struct table *table, const struct toml *t,
			struct bytes path)
{
	if (t->type != TOML_TABLE && table->walked)
		error_text(l, t, path, "`%.*s`: Expected a table, found %s (write [%.*s])",
			   BFMT(path), toml_type_name(t->type), BFMT(path));
	else
		want_table(l, t, path, table->expected);
	return t->type == TOML_TABLE;
}

static int last_choice(const struct key *k)
{
	int n = 0;

	while (k->choices[n])
		n++;
	return n - 1 + (int)k->min;
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
	switch (k->kind) {
	case KEY_STRING: want_string(l, t, path, (struct bytes *)at); break;
	case KEY_BOOL:
		if (want_bool(l, t, path, &flag))
			*(bool *)at = flag;
		break;
	case KEY_FLAG:
		if (want_bool(l, t, path, &flag))
			*(int *)at = flag;
		break;
	case KEY_OFF: check_off(l, t, path); break;
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
		if (k->or_bool && t->type == TOML_BOOL) {
			*(int *)at = bytes_eq(t->text, B("true")) ? last_choice(k) : 0;
			break;
		}
		if ((choice = want_choice(l, t, path, k->choices)) >= 0)
			*(int *)at = choice + (int)k->min;
		break;
	case KEY_SWITCH:
		if ((choice = want_choice(l, t, path, k->choices)) >= 0)
			*(bool *)at = choice == 1;
		break;
	case KEY_BITS: read_bits(l, t, path, k->choices, (unsigned *)at); break;
	case KEY_ANY_BOOL: want_bool(l, t, path, &flag); break;
	case KEY_ANY_U64: want_u64(l, t, path, k, &number); break;
	case KEY_ANY_CHOICE: check_choice(l, k, t, path); break;
	case KEY_TABLE: read_table(l, k->table, t, path, ".", at); break;
	case KEY_CALL: k->call(l, t, path, at); break;
	case KEY_STRINGS: read_strings(l, t, path, k->choices, (struct strings *)at); break;
	case KEY_LATER:
		if (!k->table || right_table(l, k->table, t, path))
			not_yet(l, t, path, bytes_of(k->name));
		break;
	case KEY_REFUSED: error_at(l, t, path, "%s", k->fix); break;
	case KEY_PASS: break;
	}
	if (k->warning)
		warn_text(l, t, path, "%s", k->warning);
}

static const struct key *find_key(const struct table *table, struct bytes name)
{
	for (size_t i = 0; i < table->nkeys; i++)
		if (bytes_eq(name, bytes_of(table->keys[i].name)))
			return &table->keys[i];
	return NULL;
}

static void read_sequence(struct loader *l, const struct table *table, struct toml *t,
			  struct bytes path, void *into)
{
	struct toml *c = t->child;
	size_t n = 0;

	for (; c && n < table->nkeys; c = c->next, n++)
		read_key(l, &table->keys[n], c, path_index(l, path, n), into);
	if (n < table->nkeys)
		error_at(l, t, path,
			 "invalid length %zu, expected %s with %zu element%s (write a table)", n,
			 table->expected, table->nkeys, table->nkeys == 1 ? "" : "s");
	else if (c)
		type_error(l, t, path, table->expected, "write a table");
}

void read_table(struct loader *l, const struct table *table, struct toml *t, struct bytes path,
		const char *separator, void *into)
{
	if (t->type == TOML_ARRAY && table->sequence)
		return read_sequence(l, table, t, path, into);
	if (!right_table(l, table, t, path))
		return;
	for (struct toml *c = t->child; c; c = c->next) {
		const struct key *k = find_key(table, c->key);
		struct bytes inner = path_join(l, path, k && k->outer ? "." : separator, c->key);

		if (k)
			read_key(l, k, c, inner, into);
		else if (!table->partial)
			unknown_field(l, table, c, inner);
	}
	for (size_t i = 0; i < table->nkeys; i++)
		if (table->keys[i].required && !toml_get(t, table->keys[i].name))
			missing_field(l, t, path, table->keys[i].name, table->keys[i].fix);
}
