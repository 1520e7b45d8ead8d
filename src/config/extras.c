/*
 * extra_body and extra_headers.
 *
 * A value becomes compact JSON here, numbers as the TOML wrote them, so that nothing is parsed or
 * printed again per request. What TensorZero only refuses at the request (a pointer without its slash,
 * an illegal header name) starts here too, with a warning: a file that starts there must start here.
 * The trap: with both `value` and `delete` the one that stands first counts, as serde takes it.
 */
#include "config/read.h"

#define MAX_VALUE (1 << 20)

bool is_header_name(struct bytes name)
{
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
			return false;
	}
	return name.n > 0;
}

bool is_header_value(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Asked of each header of each request: one look at a letter decides nearly always. */
static bool begins_secret(struct bytes text)
{
	switch (*text.p | 0x20) {
	case 'a': return bytes_istarts(text, B("auth"));
	case 'c': return bytes_istarts(text, B("credential"));
	case 'k': return bytes_istarts(text, B("key"));
	case 'p': return bytes_istarts(text, B("passw"));
	case 's': return bytes_istarts(text, B("secret")) || bytes_istarts(text, B("signature"));
	case 't': return bytes_istarts(text, B("token"));
	default: return false;
	}
}

bool is_secret_header(struct bytes name)
{
	static const struct bytes whole[] = { B("sid"), B("sign"), B("sig"), B("device-id"),
					      B("cookie") };

	for (size_t i = 0; i < COUNT(whole); i++)
		if (bytes_ieq(name, whole[i]))
			return true;
	for (; name.n; name.p++, name.n--)
		if (begins_secret(name))
			return true;
	return false;
}

struct kind {
	const char *element, *choice; /* serde's names */
	const char *place;            /* "pointer", "name" */
	bool headers;
};
static const struct kind body_kind = { "struct ExtraBodyReplacement", "ExtraBodyReplacementKind",
				       "pointer", false };
static const struct kind header_kind = { "struct ExtraHeader", "ExtraHeaderKind", "name", true };

/* Depth is bounded by that of the file (tree.h). */
static bool holds_nan(const struct toml *t)
{
	if (t->type == TOML_FLOAT)
		return bytes_chr(t->text, 'n') >= 0;
	for (const struct toml *c = t->child; c; c = c->next)
		if (holds_nan(c))
			return true;
	return false;
}

static bool read_value(struct loader *l, struct toml *t, struct bytes path, const struct kind *kind,
		       struct extra *out)
{
	struct buf json;

	if (kind->headers) {
		t->secret = is_secret_header(out->pointer);
		if (!want_string(l, t, path, &out->value))
			return false;
		if (!is_header_value(out->value))
			warn_at(l, t, path,
				"the value is no legal header value: every request to this provider will fail");
		return true;
	}
	if (holds_nan(t)) {
		error_text(
			l, t, path,
			"Failed to serialize stored config: unsupported unit type (%.*s: JSON has no NaN and no infinity)",
			BFMT(path));
		return false;
	}
	buf_init(&json, MAX_VALUE);
	if (toml_json(t, &json) == 0)
		out->value = arena_dup(l->arena, buf_bytes(&json));
	else
		error_at(l, t, path, "the value is larger than 1 MiB");
	buf_deinit(&json);
	return bytes_set(out->value);
}

static bool read_delete(struct loader *l, const struct toml *t, struct bytes path,
			struct extra *out)
{
	if (t->type != TOML_BOOL)
		type_error(l, t, path, "a boolean", "write delete = true");
	else if (!bytes_eq(t->text, B("true")))
		error_at(
			l, t, path,
			"Error deserializing replacement config: `delete` must be `true`, or not set");
	else
		out->remove = true;
	return out->remove;
}

static bool read_entry(struct loader *l, struct toml *t, struct bytes path, const struct kind *kind,
		       struct extra *out)
{
	struct toml *place, *what = NULL;

	if (!want_table(l, t, path, kind->element))
		return false;
	place = toml_get(t, kind->place);
	if (!place) {
		missing_field(l, t, path, kind->place, NULL);
		return false;
	}
	if (!want_string(l, place, path_join(l, path, ".", place->key), &out->pointer))
		return false;
	for (struct toml *c = t->child; c; c = c->next) {
		if (bytes_eq(c->key, B("value")) || bytes_eq(c->key, B("delete")))
			what = what ? what : c;
		else if (c != place)
			warn_at(l, c, path, "`%.*s` has no effect here (remove it)", BFMT(c->key));
	}
	if (!what) {
		error_at(
			l, t, path,
			"no variant of enum %s found in flattened data (add `value` or `delete = true`)",
			kind->choice);
		return false;
	}
	if (!kind->headers &&
	    (!bytes_starts(out->pointer, B("/")) || bytes_ends(out->pointer, B("/"))))
		warn_at(l, place, path,
			"`%.*s` is no JSON pointer: every request to this provider will fail (begin with `/`, do not end with it)",
			BFMT(out->pointer));
	if (kind->headers && !is_header_name(out->pointer))
		warn_at(l, place, path,
			"`%.*s` is no legal header name: every request to this provider will fail",
			BFMT(out->pointer));
	return bytes_eq(what->key, B("value")) ? read_value(l, what, path, kind, out)
					       : read_delete(l, what, path, out);
}

static void read_extras(struct loader *l, struct toml *t, struct bytes path,
			const struct kind *kind, struct extras *out)
{
	size_t i = 0;

	if (!want_array(l, t, path))
		return;
	for (struct toml *e = t->child; e; e = e->next, i++) {
		struct extra entry = { 0 };

		if (read_entry(l, e, path_index(l, path, i), kind, &entry))
			(void)arena_push(l->arena, out->at, out->len, out->cap, entry);
	}
}

void read_extra_body(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_extras(l, t, path, &body_kind, into);
}

void read_extra_headers(struct loader *l, struct toml *t, struct bytes path, void *into)
{
	read_extras(l, t, path, &header_kind, into);
}
