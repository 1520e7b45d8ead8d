/* Files stand in the body in the order of the conversation, so each is looked for behind the one before. */
#include "upstream/call.h"

#define COPY_MAX (160u << 20) /* as of the body itself */

/* Puts <TENSORZERO_FILE_i> where a file's base64 text stands in *rest and moves *rest behind it. */
static int mask_block(const struct block *b, struct bytes *rest, unsigned *masked, struct buf *out)
{
	bool file = b->type == BLOCK_FILE && b->file->data.n;
	ptrdiff_t at = file ? bytes_find(*rest, b->file->data) : -1;

	if (at >= 0) {
		if (buf_append(out, bytes_slice(*rest, 0, (size_t)at)) ||
		    buf_printf(out, "<TENSORZERO_FILE_%u>", (*masked)++))
			return -1;
		*rest = bytes_slice(*rest, (size_t)at + b->file->data.n, rest->n);
	}
	for (size_t i = 0; i < b->nparts; i++)
		if (mask_block(&b->parts[i], rest, masked, out))
			return -1;
	return 0;
}

struct bytes mask_files(struct bytes body, const struct inference *inf, struct arena *a)
{
	struct bytes rest = body, copy = { NULL, 0 };
	struct buf out;
	unsigned masked = 0;
	int r = 0;

	buf_init(&out, COPY_MAX);
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len && !r; j++)
			r = mask_block(&inf->messages[i].content[j], &rest, &masked, &out);
	if (r == 0 && masked && buf_append(&out, rest) == 0)
		copy = arena_adopt(a, &out);
	buf_deinit(&out);
	return bytes_set(copy) ? copy : body;
}
