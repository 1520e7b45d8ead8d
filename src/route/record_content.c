#include "route/record_content.h"

#include <openssl/sha.h>

static void print_hash(struct bytes body, char out[CONTENT_TEXT])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	struct bytes name = B("sha256:");

	SHA256((const uint8_t *)body.p, body.n, digest);
	memcpy(out, name.p, name.n);
	hex_print(digest, sizeof(digest), out + name.n);
}

struct bytes content_text(const struct config *c, struct bytes text, char room[CONTENT_TEXT])
{
	if (c->record_content == CONTENT_FULL || !bytes_set(text))
		return text;
	if (c->record_content == CONTENT_METADATA)
		return (struct bytes)B("");
	print_hash(text, room);
	return bytes_of(room);
}

void content_json(const struct config *c, struct pen *p, size_t from, enum content_form form)
{
	static const struct {
		struct bytes before, after; /* of a text block */
		struct bytes nothing;
	} forms[CONTENT_FORMS] = {
		[FORM_INPUT] = { B("{\"messages\":[{\"role\":\"user\",\"content\":["), B("]}]}"),
				 B("{\"messages\":[]}") },
		[FORM_MESSAGES] = { B("[{\"role\":\"user\",\"content\":["), B("]}]"), B("[]") },
		[FORM_BLOCKS] = { B("["), B("]"), B("[]") },
	};
	char hash[CONTENT_TEXT];

	if (c->record_content == CONTENT_FULL || p->failed)
		return;
	print_hash((struct bytes){ p->b->data + from, p->b->len - from }, hash);
	p->b->len = from;
	if (c->record_content == CONTENT_METADATA) {
		pen_bytes(p, forms[form].nothing);
		return;
	}
	pen_bytes(p, forms[form].before);
	pen_lit(p, "{\"type\":\"text\",\"text\":\"");
	pen_bytes(p, bytes_of(hash));
	pen_lit(p, "\"}");
	pen_bytes(p, forms[form].after);
}
