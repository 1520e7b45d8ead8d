/* The letters are the object's keys. An unset text is no member, an empty one is. */
#include "wire/seal.h"

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "base/pen.h"

#define PREFIX B("sgn1.")

static const struct {
	const char *key;
	size_t offset;
} members[] = {
	{ "p", offsetof(struct seal, provider_type) }, { "i", offsetof(struct seal, item_id) },
	{ "e", offsetof(struct seal, encrypted) },     { "s", offsetof(struct seal, signature) },
	{ "d", offsetof(struct seal, redacted) },      { "t", offsetof(struct seal, text) },
};

static struct bytes *member(struct seal *s, size_t i)
{
	return (struct bytes *)((char *)s + members[i].offset);
}

static void put_members(struct pen *p, struct seal seal)
{
	pen_open(p, '{');
	for (size_t i = 0; i < COUNT(members); i++) {
		struct bytes value = *member(&seal, i);

		if (!bytes_set(value))
			continue;
		pen_item(p);
		pen_string(p, bytes_of(members[i].key));
		pen_lit(p, ":");
		pen_string(p, value);
	}
	pen_close(p, '}');
}

int seal_write(const struct seal *seal, struct buf *out)
{
	struct buf json;
	struct pen p = { .b = &json };
	int r;

	buf_init(&json, SEAL_MAX / 4 * 3 - PREFIX.n);
	put_members(&p, *seal);
	r = p.failed || buf_append(out, PREFIX) || buf_base64url(out, buf_bytes(&json)) ? -1 : 0;
	buf_deinit(&json);
	return r;
}

bool seal_read(struct bytes text, struct arena *a, struct seal *out)
{
	struct bytes json;
	yyjson_val *root;

	*out = (struct seal){ 0 };
	if (!bytes_starts(text, PREFIX) || text.n > SEAL_MAX)
		return false;
	json = base64_read(bytes_slice(text, PREFIX.n, text.n), a);
	root = bytes_set(json) ? json_parse(json, a) : NULL;
	if (!yyjson_is_obj(root))
		return false;
	for (size_t i = 0; i < COUNT(members); i++)
		*member(out, i) = json_str(json_get(root, members[i].key));
	return true;
}
