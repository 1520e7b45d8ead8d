/*
 * Files of a request (providers-others §5.2): images, documents, audio and video have a block each. The trap: a document
 * has a name that the service wants short, of few characters, and twice in no request.
 */
#include "base/error.h"
#include "base/map.h"
#include "wire/bedrock/bedrock.h"
#include "wire/media.h"

#define NAME_MAX_BYTES 190u /* of 200, the rest for a number */

static struct bytes subtype(struct bytes mime)
{
	bytes_cut(&mime, '/');
	return bytes_trim(bytes_cut(&mime, ';'));
}

/* Names of formats that differ from the media type's. */
static const struct {
	struct bytes subtype, format;
} formats[] = {
	{ B("jpg"), B("jpeg") },    { B("x-wav"), B("wav") },     { B("wave"), B("wav") },
	{ B("x-flac"), B("flac") }, { B("quicktime"), B("mov") }, { B("x-matroska"), B("mkv") },
	{ B("x-flv"), B("flv") },   { B("x-ms-wmv"), B("wmv") },  { B("3gpp"), B("three_gp") },
	{ B("x-m4a"), B("m4a") },
};

static struct bytes format_of(struct bytes mime)
{
	struct bytes name = subtype(mime);

	for (size_t i = 0; i < COUNT(formats); i++)
		if (bytes_ieq(formats[i].subtype, name))
			return formats[i].format;
	return name;
}

/* ---- a document's name ---- */

static bool name_takes(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '(' || c == ')' || c == '[' || c == ']';
}

/* "a_b/c (1).v2.pdf" -> "a-b-c (1)-v2": without its extension, of what is allowed, blanks alone. */
static struct bytes cleaned(struct bytes filename, struct arena *a)
{
	struct bytes name = bytes_slice(filename, 0, NAME_MAX_BYTES);
	char *out = arena_alloc_raw(a, name.n + 1);
	size_t n = 0;

	for (size_t i = filename.n; out && i > 1; i--)
		if (filename.p[i - 1] == '.') {
			name = bytes_slice(name, 0, i - 1);
			break;
		}
	for (size_t i = 0; out && i < name.n; i++) {
		bool blank = name.p[i] == ' ' || name.p[i] == '\t';

		if (utf8_continues(name.p[i]) || (blank && (!n || out[n - 1] == ' ')))
			continue;
		out[n++] = blank ? ' ' : name_takes(name.p[i]) ? name.p[i] : '-';
	}
	while (n && out[n - 1] == ' ')
		n--;
	return n ? (struct bytes){ out, n } : B("input");
}

/* The first takes the name, the others get a number behind it. Unset: no memory. */
static struct bytes unique(struct bedrock_out *o, struct bytes name)
{
	struct bytes numbered = name;
	size_t *wanted = map_get(o->document_names, name), *one = arena_new(o->scratch, size_t);

	while (wanted && map_get(o->document_names, numbered)) {
		numbered = arena_printf(o->scratch, "%.*s-%zu", BFMT(name), ++*wanted);
		if (!bytes_set(numbered))
			return numbered;
	}
	if (!one || map_put(o->document_names, numbered, one))
		return (struct bytes){ NULL, 0 };
	*one = 1;
	return numbered;
}

/* ---- blocks ---- */

static void put_source(struct pen *p, struct bytes data)
{
	pen_lit(p, ",\"source\":{\"bytes\":");
	pen_string(p, data);
	pen_lit(p, "}}}");
}

static void put_media(struct bedrock_out *o, const struct file *f, struct bytes kind)
{
	pen_lit(&o->pen, "{");
	pen_string(&o->pen, kind);
	pen_lit(&o->pen, ":{\"format\":");
	pen_string(&o->pen, format_of(f->mime_type));
	put_source(&o->pen, f->data);
}

static int put_document(struct bedrock_out *o, const struct file *f)
{
	char space[MEDIA_EXTENSION];
	struct bytes format = media_extension(f->mime_type, space), name;

	if (!bytes_set(format))
		return fail(ERR_INVALID_MESSAGE, "Mime type %.*s has no filetype suffix",
			    BFMT(f->mime_type));
	name = unique(o, bytes_set(f->filename) ? cleaned(f->filename, o->scratch) : B("input"));
	if (!bytes_set(name))
		return -1;
	pen_lit(&o->pen, "{\"document\":{\"format\":");
	pen_string(&o->pen, format);
	pen_lit(&o->pen, ",\"name\":");
	pen_string(&o->pen, name);
	put_source(&o->pen, f->data);
	return 0;
}

static bool is_kind(const struct file *f, struct bytes kind)
{
	return bytes_istarts(f->mime_type, kind);
}

bool bedrock_is_document(const struct file *f)
{
	return !is_kind(f, B("image/")) && !is_kind(f, B("audio/")) && !is_kind(f, B("video/"));
}

int bedrock_put_file(struct bedrock_out *o, const struct file *f)
{
	if (!bytes_set(f->data)) /* upstream/files.c comes before */
		return fail(ERR_BAD_FILE_FETCH, "Error fetching file from %.*s: it was not fetched",
			    BFMT(f->url));
	if (bedrock_is_document(f))
		return put_document(o, f);
	put_media(o, f,
		  is_kind(f, B("image/"))   ? B("image")
		  : is_kind(f, B("audio/")) ? B("audio")
					    : B("video"));
	return 0;
}
