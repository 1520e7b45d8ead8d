/* Texts count by their bytes, images by their pixels, PDFs by their size; what is base64 is never counted as text. */
#include "wire/estimate.h"

#include "base/base64.h"

#define A_MESSAGE    4
#define A_TOOL       8
#define ANY_TOOL     340
#define IMAGE_MOST   1600
#define IMAGE_PIXELS 750    /* a token */
#define PDF_PART     102400 /* bytes, each begun one of which */
#define PDF_TOKENS   1800   /* comes to so many */
#define TOOL_FRAME   B("{\"name\":\"\",\"description\":\"\",\"input_schema\":}")
#define JPEG_LOOKED  65536

static uint64_t of_text(size_t bytes)
{
	return ((uint64_t)bytes * 2 + 6) / 7;
}

/* ---- images ---- */

static unsigned be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static unsigned le16(const unsigned char *p)
{
	return (unsigned)p[1] << 8 | p[0];
}

/* The frame header of a JPEG, behind its other segments. */
static bool jpeg_size(const unsigned char *p, size_t n, unsigned *w, unsigned *h)
{
	for (size_t i = 2; i + 9 < n && p[i] == 0xff; i += 2 + be16(p + i + 2)) {
		unsigned char marker = p[i + 1];

		if (marker < 0xc0 || marker > 0xcf || marker == 0xc4 || marker == 0xc8 ||
		    marker == 0xcc)
			continue;
		*h = be16(p + i + 5);
		*w = be16(p + i + 7);
		return true;
	}
	return false;
}

static bool size_of(const unsigned char *p, size_t n, unsigned *w, unsigned *h)
{
	if (n >= 24 && memcmp(p, "\x89PNG", 4) == 0 && !p[16] && !p[17] && !p[20] && !p[21]) {
		*w = be16(p + 18);
		*h = be16(p + 22);
		return true;
	}
	if (n >= 10 && memcmp(p, "GIF8", 4) == 0) {
		*w = le16(p + 6);
		*h = le16(p + 8);
		return true;
	}
	return n >= 4 && memcmp(p, "\xff\xd8\xff", 3) == 0 && jpeg_size(p, n, w, h);
}

static uint64_t of_image(struct bytes base64)
{
	struct bytes head = bytes_slice(base64, 0, JPEG_LOOKED / 4 * 4), bytes;
	unsigned w = 0, h = 0;
	struct arena a;
	uint64_t tokens = IMAGE_MOST;

	arena_init(&a, 4 * JPEG_LOOKED);
	bytes = base64_read(head.n < base64.n ? head : base64, &a);
	if (bytes_set(bytes) && size_of((const unsigned char *)bytes.p, bytes.n, &w, &h) && w && h)
		tokens = ((uint64_t)w * h + IMAGE_PIXELS - 1) / IMAGE_PIXELS;
	arena_deinit(&a);
	return tokens < IMAGE_MOST ? tokens : IMAGE_MOST;
}

static uint64_t of_file(const struct file *f)
{
	uint64_t bytes = (uint64_t)f->data.n / 4 * 3;

	if (bytes_starts(f->mime_type, B("application/pdf")))
		return (bytes / PDF_PART + 1) * PDF_TOKENS;
	if (bytes_starts(f->mime_type, B("text/")))
		return of_text(bytes);
	return of_image(f->data);
}

/* ---- the whole ---- */

static uint64_t of_block(const struct block *b)
{
	uint64_t n = 0;

	switch (b->type) {
	case BLOCK_THOUGHT:
	case BLOCK_AUDIO: return 0;
	case BLOCK_FILE: return of_file(b->file);
	case BLOCK_TOOL_CALL: return of_text(b->arguments.n);
	case BLOCK_TOOL_RESULT:
		if (!b->parts)
			return of_text(b->text.n);
		for (size_t i = 0; i < b->nparts; i++)
			n += of_block(&b->parts[i]);
		return n;
	default: return of_text(b->text.n);
	}
}

static uint64_t of_tools(const struct tool_config *t)
{
	uint64_t n = t->len ? ANY_TOOL : 0;

	for (size_t i = 0; i < t->len; i++) {
		const struct tool *tool = &t->tools[i];
		size_t bytes =
			TOOL_FRAME.n + tool->name.n + tool->description.n + tool->parameters.n;

		n += of_text(bytes_set(tool->source) ? tool->source.n : bytes) + A_TOOL;
	}
	return n;
}

uint64_t estimate_input(const struct inference *inf)
{
	uint64_t n = inf->tools ? of_tools(inf->tools) : 0;

	if (!inf->system_parts)
		n += of_text(inf->system.n);
	for (size_t i = 0; inf->system_parts && i < inf->nsystem_parts; i++)
		n += of_text(inf->system_parts[i].text.n);
	for (size_t i = 0; i < inf->nmessages; i++) {
		n += A_MESSAGE;
		for (size_t j = 0; j < inf->messages[i].len; j++)
			n += of_block(&inf->messages[i].content[j]);
	}
	return n;
}
