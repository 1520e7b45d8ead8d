/*
 * A file's text stands in the body as one run of base64 between quotes, or behind "base64,". So the body is read once, run
 * by run, and each run is looked up among the files: as long as the body and the files together, however many there are
 * and whether they are in it or not.
 */
#include "base/map.h"
#include "upstream/call.h"

#define COPY_MAX (160u << 20) /* as of the body itself */

struct files {
	struct map left; /* by their text: how many of it are still to come, unsigned */
	struct arena *arena;
};

static int note_files(const struct block *b, struct files *files)
{
	if (b->type == BLOCK_FILE && b->file->data.n) {
		unsigned *left = map_get(&files->left, b->file->data);

		if (!left && (!(left = arena_new(files->arena, unsigned)) ||
			      map_put(&files->left, b->file->data, left)))
			return -1;
		++*left;
	}
	for (size_t i = 0; i < b->nparts; i++)
		if (note_files(&b->parts[i], files))
			return -1;
	return 0;
}

static bool in_base64(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '+' || c == '/' || c == '=' || c == '-' || c == '_';
}

/* Puts <TENSORZERO_FILE_i> in the place of each file. */
static int mask_runs(struct bytes body, const struct map *files, struct buf *out)
{
	unsigned *left;
	unsigned masked = 0;
	size_t copied = 0;

	for (size_t i = 0, end; i < body.n; i = end + 1) {
		struct bytes run;

		for (end = i; end < body.n && in_base64(body.p[end]);)
			end++;
		run = bytes_slice(body, i, end - i);
		left = run.n ? map_get(files, run) : NULL;
		if (!left || !*left)
			continue;
		--*left;
		if (buf_append(out, bytes_slice(body, copied, i - copied)) ||
		    buf_printf(out, "<TENSORZERO_FILE_%u>", masked++))
			return -1;
		copied = end;
	}
	return masked ? buf_append(out, bytes_slice(body, copied, body.n)) : 0;
}

struct bytes mask_files(struct bytes body, const struct inference *inf, struct arena *a)
{
	struct bytes copy = { NULL, 0 };
	struct files files = { .arena = a };
	struct buf out;
	int r = 0;

	map_init(&files.left);
	buf_init(&out, COPY_MAX);
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len && !r; j++)
			r = note_files(&inf->messages[i].content[j], &files);
	if (r == 0 && files.left.len && mask_runs(body, &files.left, &out) == 0 && out.len)
		copy = arena_adopt(a, &out);
	buf_deinit(&out);
	map_deinit(&files.left);
	return bytes_set(copy) ? copy : body;
}
