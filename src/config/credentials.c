/*
 * Where secrets come from.
 *
 * A location is read in two steps: its form is checked where it stands, and what it names is fetched;
 * that something is missing is only an error where somebody needs it (a default that no provider uses
 * is never missed). The trap: no message may hold a secret, so problems name variables and files only.
 */
#include "config/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/extras.h"

#define MAX_FILE 65536

static const struct form {
	struct bytes prefix;
	enum credential_form form;
} forms[] = {
	{ B("env::"), FORM_ENV },
	{ B("path_from_env::"), FORM_PATH_FROM_ENV },
	{ B("path::"), FORM_PATH },
	{ B("dynamic::"), FORM_DYNAMIC },
};

struct credential credential_env(const char *name, struct arena *arena)
{
	const char *value = getenv(name);
	struct credential c = { .kind = CREDENTIAL_MISSING };

	if (value) {
		c.kind = CREDENTIAL_STATIC;
		c.value = arena_dup(arena, bytes_of(value));
	}
	c.key = arena_dup(arena, bytes_of(name));
	return c;
}

/* `key` of a missing one that is no variable: the whole problem, marked by its first byte. */
#define PROBLEM "\x01"

static struct credential problem(struct arena *arena, const char *text, int error)
{
	struct bytes key = error ? arena_printf(arena, PROBLEM "%s - %s (os error %d)", text,
						strerror(error), error)
				 : arena_printf(arena, PROBLEM "%s", text);

	return (struct credential){ .kind = CREDENTIAL_MISSING, .key = key };
}

/* A file's contents without the line end an editor leaves. */
static struct credential credential_file(const char *path, struct arena *arena)
{
	struct credential c = { .kind = CREDENTIAL_STATIC };
	char *text = arena_alloc_raw(arena, MAX_FILE + 1);
	ssize_t got = 0;
	size_t n = 0;
	int fd;

	if (!text)
		return problem(arena, "out of memory", 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return problem(arena, "Failed to read credentials file", errno);
	while (n <= MAX_FILE && (got = read(fd, text + n, MAX_FILE + 1 - n)) > 0)
		n += (size_t)got;
	if (got < 0) {
		int error = errno;

		close(fd);
		return problem(arena, "Failed to read credentials file", error);
	}
	close(fd);
	if (n > MAX_FILE)
		return problem(arena, "The credentials file is larger than 64 KiB", 0);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	c.value = arena_dup(arena, (struct bytes){ text, n });
	return c;
}

static struct credential fetch(enum credential_form form, struct bytes rest, struct arena *arena)
{
	const char *path;

	switch (form) {
	case FORM_ENV:
		return credential_env(rest.p, arena);
	case FORM_DYNAMIC:
		return (struct credential){ .kind = CREDENTIAL_DYNAMIC, .key = rest };
	case FORM_PATH:
		return credential_file(rest.p, arena);
	case FORM_PATH_FROM_ENV:
		path = getenv(rest.p);
		if (path)
			return credential_file(path, arena);
		return (struct credential){
			.kind = CREDENTIAL_MISSING,
			.key = arena_printf(
				arena,
				PROBLEM
				"Environment variable `%.*s` for credentials path is missing",
				BFMT(rest))
		};
	case FORM_NONE:
	case FORM_TABLE:
		break;
	}
	return (struct credential){ .kind = CREDENTIAL_NONE };
}

static bool read_text(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		      const char *label, struct credential *out)
{
	struct bytes text = t->text;
	unsigned form = 0;

	for (size_t i = 0; i < COUNT(forms) && !form; i++) {
		if (bytes_starts(text, forms[i].prefix)) {
			form = forms[i].form;
			text = bytes_slice(text, forms[i].prefix.n, text.n);
		}
	}
	if (bytes_eq(t->text, B("none")))
		form = FORM_NONE;
	if (!form && !bytes_eq(t->text, B("sdk"))) {
		/* what looks like a key that was pasted in here is not echoed */
		bool pasted = t->text.n > 20 || bytes_starts(t->text, B("sk-"));

		t->secret = pasted;
		error_at(
			l, t, path,
			"%.*s: Invalid credential location format: `%.*s%s`. Use `env::VAR_NAME`, `path::FILE_PATH`, `dynamic::KEY_NAME`, or `sdk`.%s",
			BFMT(path), BFMT(bytes_slice(t->text, 0, pasted ? 3 : 20)),
			pasted ? "..." : "",
			pasted ? " (a key itself does not belong here: put it into a variable)"
			       : "");
		return false;
	}
	if (!(form & allowed)) {
		ptrdiff_t key = bytes_find(
			path, B(": ")); /* this one TensorZero reports for the provider */

		error_at(
			l, t, path,
			"%.*s: Invalid api_key_location for %s provider (`%.*s`; use `env::VAR_NAME`%s)",
			BFMT(bytes_slice(path, 0, key > 0 ? (size_t)key : path.n)), label,
			BFMT(t->text), allowed & FORM_DYNAMIC ? " or `dynamic::KEY_NAME`" : "");
		return false;
	}
	if (form != FORM_NONE && text.n == 0) {
		error_at(l, t, path, "%.*s: `%.*s` names nothing (write a name behind the `::`)",
			 BFMT(path), BFMT(t->text));
		return false;
	}
	*out = fetch((enum credential_form)form, text, l->arena);
	return true;
}

static bool read_pair(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		      const char *label, struct credential *out)
{
	static const char *const names[] = { "default", "fallback" };
	struct credential *pair = arena_array(l->arena, struct credential, 2);
	bool ok = pair != NULL;

	for (const struct toml *c = t->child; c; c = c->next) {
		if (!bytes_eq(c->key, B("default")) && !bytes_eq(c->key, B("fallback"))) {
			error_at(
				l, c, path,
				"%.*s: unknown field `%.*s`, expected `default` or `fallback` (remove it)",
				BFMT(path), BFMT(c->key));
			ok = false;
		}
	}
	for (int i = 0; i < 2; i++) {
		struct toml *c = toml_get(t, names[i]);

		if (!c) {
			missing_field(l, t, path, names[i],
				      "it: a location as in `api_key_location`");
			ok = false;
		} else if (c->type != TOML_STRING) {
			type_error(l, c, path_join(l, path, ".", c->key), "a string",
				   "write one location in quotes");
			ok = false;
		} else if (pair && !read_text(l, c, path, allowed, label, &pair[i])) {
			ok = false;
		}
	}
	if (ok)
		*out = (struct credential){ .kind = CREDENTIAL_FALLBACK,
					    .first = &pair[0],
					    .second = &pair[1] };
	return ok;
}

bool credential_read(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		     const char *label, struct credential *out)
{
	if (t->type == TOML_STRING)
		return read_text(l, t, path, allowed, label, out);
	if (t->type == TOML_TABLE && (allowed & FORM_TABLE))
		return read_pair(l, t, path, allowed, label, out);
	type_error(l, t, path,
		   allowed & FORM_TABLE
			   ? "a string or an object with 'default' and 'fallback' fields"
			   : "a string",
		   "such as \"env::VAR_NAME\"");
	return false;
}

bool credential_usable(const struct credential *c)
{
	if (c->kind == CREDENTIAL_FALLBACK)
		return credential_usable(c->first) || credential_usable(c->second);
	return c->kind != CREDENTIAL_MISSING;
}

struct bytes credential_problem(const struct credential *c, struct arena *arena)
{
	if (c->kind == CREDENTIAL_FALLBACK)
		return credential_problem(c->first, arena);
	if (bytes_starts(c->key, B(PROBLEM)))
		return bytes_slice(c->key, 1, c->key.n);
	return arena_printf(arena, "Environment variable `%.*s` is missing", BFMT(c->key));
}

/* ---- secrets that may stand in the TOML themselves ---- */

const struct secret_source device_id_source = { "device_id", "device_id_location", "DEVICE_ID",
						"xxxx" };

void missing_add(struct missing *m, struct bytes name)
{
	if (m->len < COUNT(m->names))
		m->names[m->len++] = name;
}

bool secret_is_usable(struct bytes value, const char *placeholder)
{
	return value.n > 0 && !bytes_eq(value, bytes_of(placeholder)) && is_header_value(value);
}

/* Puts what cannot be used among the missing, by the name under which an operator knows it. */
static void judge(const struct credential *c, const struct secret_source *s,
		  struct missing *missing, struct arena *arena)
{
	struct bytes name = bytes_set(c->key) ? c->key : bytes_of(s->key);

	if (c->kind == CREDENTIAL_MISSING && bytes_starts(c->key, B(PROBLEM)))
		missing->problem = credential_problem(c, arena);
	else if (c->kind == CREDENTIAL_MISSING ||
		 (c->kind == CREDENTIAL_STATIC && !secret_is_usable(c->value, s->placeholder)))
		missing_add(missing, name);
}

void secret_read(struct loader *l, struct toml *t, struct bytes path, const char *separator,
		 const struct secret_source *s, const char *label, struct missing *missing,
		 struct credential *out)
{
	struct toml *literal = t ? toml_get(t, s->key) : NULL,
		    *location = t ? toml_get(t, s->location) : NULL;
	unsigned allowed = FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC | FORM_NONE;

	if (literal)
		literal->secret = true;
	if (literal && location)
		return error_at(l, location, path,
				"%.*s%s%s: `%s` and `%s` exclude each other (remove one)",
				BFMT(path), separator, s->location, s->key, s->location);
	if (location) {
		if (!credential_read(l, location, path_join(l, path, separator, location->key),
				     allowed, label, out))
			return;
	} else if (literal) {
		*out = (struct credential){ .kind = CREDENTIAL_STATIC };
		if (!want_string(l, literal, path_join(l, path, separator, literal->key),
				 &out->value))
			return;
	} else {
		*out = credential_env(s->variable, l->arena);
	}
	judge(out, s, missing, l->arena);
}
