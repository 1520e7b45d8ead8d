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
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "config/files.h"

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

/* What a line of a file, an editor or a copied page leaves around a key; none of it can be a part of one. */
static struct bytes without_white(struct bytes text)
{
	static const struct bytes white[] = { B(" "),        B("\t"),           B("\n"),
					      B("\r"),       B("\v"),           B("\f"),
					      B("\xc2\xa0"), B("\xe2\x80\x8b"), B("\xef\xbb\xbf") };
	bool cut;

	do {
		cut = false;
		for (size_t i = 0; i < COUNT(white); i++) {
			size_t n = white[i].n;

			if (bytes_starts(text, white[i]))
				cut = true, text = bytes_slice(text, n, text.n);
			if (bytes_ends(text, white[i]))
				cut = true, text.n -= n;
		}
	} while (cut);
	return text;
}

struct credential credential_env(const char *name, struct arena *arena)
{
	struct bytes value = bytes_of(getenv(name)), text = without_white(value);
	struct credential c = { .kind = CREDENTIAL_MISSING,
				.key = arena_dup(arena, bytes_of(name)) };

	if (text.n) {
		c.kind = CREDENTIAL_STATIC;
		c.value = arena_dup(arena, text);
		c.trimmed = text.n < value.n;
		return c;
	}
	c.blank = bytes_set(value);
	c.value = arena_printf(arena, "Environment variable `%s` is %s", name,
			       !c.blank  ? "missing"
			       : value.n ? "blank"
					 : "empty");
	return c;
}

/* Folders of secrets whose modes are their maker's, and which others cannot enter. */
static bool is_guarded(const char *path)
{
	struct bytes p = bytes_of(path);

	return bytes_starts(p, B("/run/secrets/")) || bytes_starts(p, B("/run/credentials/"));
}

static void warn_if_open(int fd, const char *path)
{
	struct stat st;

	if (!is_guarded(path) && !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_mode & 004)
		log_warn("config", "a file with a secret can be read by every user (chmod 600)",
			 LS("file", path));
}

struct credential credential_file(const char *path, struct arena *arena)
{
	struct bytes text = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && file_read(fd, MAX_FILE, &text, arena);
	int error = errno;
	struct bytes inner;

	if (fd >= 0) {
		warn_if_open(fd, path);
		close(fd);
	}
	while (bytes_ends(text, B("\n")) || bytes_ends(text, B("\r")))
		text.n--;
	inner = without_white(text);
	if (!ok)
		text = arena_printf(arena, "Failed to read credentials file - %s (os error %d): %s",
				    strerror(error), error, path);
	else if (text.n > MAX_FILE)
		text = arena_printf(arena, "The credentials file %s is larger than 64 KiB", path);
	else if (!inner.n)
		return (struct credential){
			.kind = CREDENTIAL_MISSING,
			.blank = true,
			.value = arena_printf(arena, "The credentials file %s is empty", path)
		};
	else
		return (struct credential){ .kind = CREDENTIAL_STATIC,
					    .trimmed = inner.n < text.n,
					    .value = arena_dup(arena, inner) };
	return (struct credential){ .kind = CREDENTIAL_MISSING, .value = text };
}

struct credential credential_path_from_env(const char *name, struct arena *arena)
{
	struct credential path = credential_env(name, arena), file;

	if (path.kind == CREDENTIAL_STATIC) {
		file = credential_file(path.value.p, arena);
		file.trimmed |= path.trimmed;
		return file;
	}
	return (struct credential){
		.kind = CREDENTIAL_MISSING,
		.blank = path.blank,
		.value = arena_printf(arena, "Environment variable `%s` for credentials path is %s",
				      name, path.blank ? "empty" : "missing")
	};
}

static struct credential fetch(enum credential_form form, struct bytes rest, struct arena *arena)
{
	switch (form) {
	case FORM_ENV: return credential_env(rest.p, arena);
	case FORM_DYNAMIC: return (struct credential){ .kind = CREDENTIAL_DYNAMIC, .key = rest };
	case FORM_PATH: return credential_file(rest.p, arena);
	case FORM_PATH_FROM_ENV: return credential_path_from_env(rest.p, arena);
	case FORM_SDK: return (struct credential){ .kind = CREDENTIAL_SDK };
	case FORM_NONE:
	case FORM_TABLE: break;
	}
	return (struct credential){ .kind = CREDENTIAL_NONE };
}

/* As keys and passwords have both and words that were mistyped have not. */
static bool has_digit_and_letter(struct bytes text)
{
	bool digit = false, letter = false;

	for (size_t i = 0; i < text.n; i++) {
		digit |= text.p[i] >= '0' && text.p[i] <= '9';
		letter |= (text.p[i] | 32) >= 'a' && (text.p[i] | 32) <= 'z';
	}
	return digit && letter && text.n > 5;
}

static bool read_text(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		      const char *label, struct credential *out)
{
	struct bytes text = t->text;
	unsigned form = 0;

	if (bytes_eq(text, B("none")))
		form = FORM_NONE;
	if (bytes_eq(text, B("sdk")))
		form = FORM_SDK;
	for (size_t i = 0; i < COUNT(forms) && !form; i++) {
		if (bytes_starts(text, forms[i].prefix)) {
			form = forms[i].form;
			text = bytes_slice(text, forms[i].prefix.n, text.n);
		}
	}
	if (!form) {
		/* what looks like a key that was pasted in here is not echoed */
		bool pasted = t->text.n > 20 || bytes_starts(t->text, B("sk-")) ||
			      has_digit_and_letter(t->text);

		t->secret = pasted;
		error_at(
			l, t, path,
			"Invalid credential location format: `%.*s%s`. Use `env::VAR_NAME`, `path::FILE_PATH`, `dynamic::KEY_NAME`, or `sdk`.%s",
			BFMT(bytes_slice(t->text, 0, pasted ? 3 : 20)), pasted ? "..." : "",
			pasted ? " (a key itself does not belong here: put it into a variable)"
			       : "");
	} else if (!(form & allowed)) {
		/* this one TensorZero reports for the provider */
		ptrdiff_t key = bytes_find(path, B(": "));

		error_text(l, t, path,
			   "%.*s: Invalid api_key_location for %s provider (`%.*s`; use `%s`%s)",
			   BFMT(bytes_slice(path, 0, key > 0 ? (size_t)key : path.n)), label,
			   BFMT(t->text), allowed & FORM_ENV ? "env::VAR_NAME" : "path::FILE_PATH",
			   allowed & FORM_DYNAMIC ? " or `dynamic::KEY_NAME`" : "");
	} else if (form != FORM_NONE && form != FORM_SDK && text.n == 0) {
		error_at(l, t, path, "`%.*s` names nothing (write a name behind the `::`)",
			 BFMT(t->text));
	} else {
		*out = fetch((enum credential_form)form, text, l->arena);
		return true;
	}
	return false;
}

static bool read_pair(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		      const char *label, struct credential *out)
{
	static const char *const names[] = { "default", "fallback" };
	struct credential *pair = arena_array(l->arena, struct credential, 2);
	int good = 0;

	for (const struct toml *c = t->child; c; c = c->next)
		if (!bytes_eq(c->key, B("default")) && !bytes_eq(c->key, B("fallback")))
			error_at(
				l, c, path,
				"unknown field `%.*s`, expected `default` or `fallback` (remove it)",
				BFMT(c->key));
	for (int i = 0; i < 2 && pair; i++) {
		struct toml *c = toml_get(t, names[i]);

		if (!c)
			missing_field(l, t, path, names[i],
				      "it: a location as in `api_key_location`");
		else if (!is_text(c))
			type_error(l, c, path_join(l, path, ".", c->key), "a string",
				   "write one location in quotes");
		else
			good += read_text(l, c, path, allowed, label, &pair[i]);
	}
	if (good == 2)
		*out = (struct credential){ .kind = CREDENTIAL_FALLBACK,
					    .first = &pair[0],
					    .second = &pair[1] };
	return good == 2;
}

/* One is one; of several each is a location of its own. */
static bool read_several(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
			 const char *label, struct credential *out)
{
	struct key_ring *ring = arena_new(l->arena, struct key_ring);
	size_t good = 0;

	if (!ring || !(ring->keys = arena_array(l->arena, struct credential, API_KEYS_MAX)))
		return false;
	for (struct toml *c = t->child; c; c = c->next, ring->n++) {
		struct bytes at = path_index(l, path, ring->n);

		if (ring->n == API_KEYS_MAX) {
			error_at(l, t, path, "a list of more than %d keys (remove some)",
				 API_KEYS_MAX);
			return false;
		}
		good += c->type == TOML_ARRAY
				? (type_error(l, c, at, "a string", "write one location"), 0)
				: credential_read(l, c, at, allowed, label, &ring->keys[ring->n]);
	}
	if (ring->n == 0)
		error_at(l, t, path, "an empty list of keys (write at least one location)");
	*out = ring->n == 1 ? ring->keys[0]
			    : (struct credential){ .kind = CREDENTIAL_SEVERAL, .ring = ring };
	return ring->n > 0 && good == ring->n;
}

bool credential_read(struct loader *l, struct toml *t, struct bytes path, unsigned allowed,
		     const char *label, struct credential *out)
{
	if (t->type == TOML_ARRAY && (allowed & FORM_TABLE))
		return read_several(l, t, path, allowed, label, out);
	if (is_text(t))
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

/* The one of several that cannot be used; NULL: all can. */
static const struct credential *first_unusable(const struct key_ring *ring)
{
	for (size_t i = 0; i < ring->n; i++)
		if (!credential_usable(&ring->keys[i]))
			return &ring->keys[i];
	return NULL;
}

bool credential_usable(const struct credential *c)
{
	if (c->kind == CREDENTIAL_SEVERAL)
		return !first_unusable(c->ring);
	if (c->kind == CREDENTIAL_FALLBACK)
		return credential_usable(c->first) || credential_usable(c->second);
	return c->kind != CREDENTIAL_MISSING;
}

struct bytes credential_problem(const struct credential *c)
{
	if (c->kind == CREDENTIAL_SEVERAL)
		c = first_unusable(c->ring);
	return c->kind == CREDENTIAL_FALLBACK ? credential_problem(c->first) : c->value;
}

/* Where it is, for messages. */
static struct bytes place_of(const struct credential *c, struct arena *a)
{
	return bytes_set(c->key) ? arena_printf(a, "Environment variable `%.*s`", BFMT(c->key))
				 : B("The credentials file");
}

struct bytes credential_flaw(const struct credential *c, struct arena *a)
{
	struct bytes flaw = { NULL, 0 };

	for (size_t i = 0; c->kind == CREDENTIAL_SEVERAL && i < c->ring->n; i++) {
		flaw = credential_flaw(&c->ring->keys[i], a);
		if (bytes_set(flaw))
			return flaw;
	}
	if (c->kind == CREDENTIAL_FALLBACK) {
		flaw = credential_flaw(c->first, a);
		return bytes_set(flaw) ? flaw : credential_flaw(c->second, a);
	}
	if (c->blank)
		return c->value;
	if (c->kind == CREDENTIAL_STATIC && !is_header_value(c->value))
		flaw = arena_printf(a, "%.*s holds a line break or another control character",
				    BFMT(place_of(c, a)));
	return flaw;
}

static bool ends_in_return(struct bytes variable)
{
	return bytes_ends(bytes_of(getenv(variable.p)), B("\r"));
}

void credential_warn(struct loader *l, const struct toml *t, struct bytes path,
		     const struct credential *c)
{
	for (size_t i = 0; c->kind == CREDENTIAL_SEVERAL && i < c->ring->n; i++)
		credential_warn(l, t, path, &c->ring->keys[i]);
	if (c->kind == CREDENTIAL_FALLBACK) {
		credential_warn(l, t, path, c->first);
		credential_warn(l, t, path, c->second);
	}
	if (c->trimmed && c->key.n && ends_in_return(c->key))
		warn_at(l, t, path,
			"%.*s ends in a carriage return, which is cut off (it came from a file with Windows line ends: sed -i 's/\\r$//' on that file)",
			BFMT(place_of(c, l->arena)));
	else if (c->trimmed)
		warn_at(l, t, path,
			"%.*s has white space around its value, which is cut off (remove it)",
			BFMT(place_of(c, l->arena)));
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
	return without_white(value).n > 0 && !bytes_eq(value, bytes_of(placeholder)) &&
	       is_header_value(value);
}

/* Puts what cannot be used among the missing, by the name under which an operator knows it. */
static void judge(const struct credential *c, const struct secret_source *s,
		  struct missing *missing, struct arena *a)
{
	bool empty = c->blank && bytes_set(c->key);
	struct bytes flaw = !empty && (bytes_set(c->key) || c->blank) ? credential_flaw(c, a)
								      : (struct bytes){ NULL, 0 };

	missing->blank |= empty;
	if (bytes_set(flaw))
		missing->problem = flaw;
	else if (c->kind == CREDENTIAL_MISSING && !bytes_set(c->key))
		missing->problem = c->value;
	else if (c->kind == CREDENTIAL_MISSING ||
		 (c->kind == CREDENTIAL_STATIC && !secret_is_usable(c->value, s->placeholder)))
		missing_add(missing, bytes_set(c->key) ? c->key : bytes_of(s->key));
}

void secret_read(struct loader *l, struct toml *t, struct bytes path, const char *separator,
		 const struct secret_source *s, const char *label, struct missing *missing,
		 struct credential *out)
{
	struct toml *literal = toml_get(t, s->key), *location = toml_get(t, s->location);
	unsigned allowed = FORM_ENV | FORM_PATH | FORM_PATH_FROM_ENV | FORM_DYNAMIC | FORM_NONE;

	if (literal)
		literal->secret = true;
	if (literal && location)
		return error_text(l, location, path,
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
	if (t)
		credential_warn(l, t, path, out);
}
