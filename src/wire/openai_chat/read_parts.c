/*
 * The parts of a message's content -> blocks (http-api §12.3): texts, files in their four forms, TensorZero's own
 * parts. What cannot be read is named in TensorZero's words, which begin at the part ("image_url: missing field
 * `url`"). A lenient surface keeps part types that it does not know, for upstreams of OpenAI's family.
 */
#include "wire/openai_chat/read_request.h"

#include "base/error.h"
#include "base/words.h"
#include "wire/media.h"

#define URL_SHOWN 2048 /* bytes of a bad one in the error */

int chat_block_add(struct reader *r, struct draft *d, struct block b)
{
	return arena_push(r->arena, d->m.content, d->m.len, d->m.cap, b) ? 0 : -1;
}

static bool has_own_key(yyjson_val *part)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(part);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it)))
		if (bytes_starts(json_str(key), B("tensorzero::")))
			return true;
	return false;
}

/* A part that cannot be read: the prefix depends on what it has. */
static int part_refuse(const struct where *w, yyjson_val *part)
{
	bool ours = has_own_key(part);
	struct bytes detail, param = error_last()->param, code = error_last()->code;
	const struct where *root = w;

	if (error_last()->kind == ERR_OUT_OF_MEMORY)
		return -1;
	while (root->up)
		root = root->up;
	detail = arena_dup(root->arena, error_last()->message);
	openai_refuse(w, NULL, "%s: %.*s",
		      ours ? "Invalid TensorZero content block" : "Invalid content block",
		      BFMT(detail));
	if (bytes_set(param))
		error_last()->param = param;
	error_last()->code = code;
	return -1;
}

static int part_fail(const struct where *w, yyjson_val *part, const char *text)
{
	fail(ERR_JSON_REQUEST, "%s", text);
	where_mark(w, "invalid_value");
	return part_refuse(w, part);
}

static int read_template(struct reader *r, struct draft *d, struct bytes name,
			 yyjson_val *arguments)
{
	struct block b = { .type = BLOCK_TEMPLATE, .name = name };

	b.text = json_print_arena(arguments, r->arena);
	r->inf->source_intact = false;
	return bytes_set(b.text) ? chat_block_add(r, d, b) : -1;
}

static struct bytes template_of_role(enum chat_role role)
{
	return role == CHAT_USER        ? B("user")
	       : role == CHAT_ASSISTANT ? B("assistant")
					: B("system");
}

static int read_text(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	yyjson_val *text = json_get(part, "text"),
		   *arguments = json_get(part, "tensorzero::arguments");

	if (text && arguments)
		return part_fail(
			w, part,
			"Only one of `text` or `tensorzero::arguments` can be set when using `\"type\": \"text\"`");
	if (!text && !arguments)
		return part_fail(
			w, part,
			"Either `text` or `tensorzero::arguments` must be set when using `\"type\": \"text\"`");
	if (text && !yyjson_is_str(text))
		return part_fail(w, part,
				 "`text` must be a string when using `\"type\": \"text\"`");
	if (text)
		return chat_block_add(r, d,
				      (struct block){ .type = BLOCK_TEXT, .text = json_str(text) });
	if (!yyjson_is_obj(arguments))
		return part_fail(
			w, part,
			"`tensorzero::arguments` must be an object when using `\"type\": \"text\"`");
	return read_template(r, d, template_of_role(d->role), arguments);
}

/* An image_url part as it is read. */
struct image {
	struct bytes url;
	struct file f;
};

static int file_add(struct reader *r, struct draft *d, struct file f)
{
	struct file *copy = arena_new(r->arena, struct file);

	if (!copy)
		return -1;
	*copy = f;
	r->env->has_files = true;
	return chat_block_add(r, d, (struct block){ .type = BLOCK_FILE, .file = copy });
}

static int read_data_url(struct reader *r, const struct where *w, struct bytes url, struct file *f)
{
	bool begins = r->options->lenient ? bytes_istarts(url, B("data:"))
					  : bytes_starts(url, B("data:"));

	switch (begins ? media_data_url(url, r->arena, &f->mime_type, &f->data)
		       : DATA_URL_NO_PREFIX) {
	case DATA_URL_OK: return 0;
	case DATA_URL_NO_PREFIX:
	case DATA_URL_NO_BASE64:
		return openai_refuse(
			w, "invalid_value",
			"Expected a base64-encoded data URL with MIME type (e.g. `data:image/png;base64,SGVsbG8sIFdvcmxkIQ==`), but got a value without the `%s.",
			begins ? ";base64,` separator" : "data:` prefix");
	case DATA_URL_BAD_MIME:
		if (r->options->lenient && bytes_chr(f->mime_type, '/') > 0)
			return 0; /* whoever gets it may know it */
		return openai_refuse(w, "invalid_value", "Unknown MIME type `%.*s` in data URL",
				     BFMT(f->mime_type));
	case DATA_URL_MEMORY: break;
	}
	return -1;
}

/* `key` of a part as an object; to TensorZero's reader the part has no other keys. */
static int inner_object(struct reader *r, const struct where *w, yyjson_val *part, const char *key,
			const char *type, yyjson_val **out)
{
	struct bytes known = bytes_of(key);
	struct where at = WHERE_KEY(w, known);

	if (!r->options->lenient && expect_only(w, part, &known, 1, true))
		return -1;
	if (expect_member(w, part, key, out))
		return -1;
	return yyjson_is_obj(*out) ? 0 : expect_type(&at, *out, type);
}

static int inner_string(const struct where *w, yyjson_val *obj, const char *key, bool required,
			struct bytes *out)
{
	struct where at = WHERE_KEY(w, bytes_of(key));
	yyjson_val *v = json_get(obj, key);

	if (!v && required)
		return expect_field(w, key);
	if (!v || (!required && yyjson_is_null(v)))
		return 0;
	return expect_string(&at, v, out);
}

static int read_detail(struct reader *r, const struct where *w, yyjson_val *v, struct image *to)
{
	static const struct bytes levels[] = { B("low"), B("high"), B("auto") };
	int which;

	if (yyjson_is_null(v))
		return 0;
	if (r->options->lenient && yyjson_is_str(v)) { /* a list that the upstream owns */
		to->f.detail = json_str(v);
		return 0;
	}
	which = expect_choice(w, v, levels, COUNT(levels));
	if (which < 0)
		return -1;
	to->f.detail = levels[which];
	return 0;
}

/* A WHATWG parser changes nothing in it (it drops line breaks and blanks at the ends, escapes controls): data URLs may be long. */
static bool is_printed(struct bytes url)
{
	if (url.p[url.n - 1] == ' ' || !bytes_starts(url, B("data:")) ||
	    bytes_starts(url, B("data:/")))
		return false;
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] < ' ' || url.p[i] > '~' || url.p[i] == '?' || url.p[i] == '#')
			return false;
	return true;
}

static int read_url(struct reader *r, const struct where *w, yyjson_val *v, struct image *to)
{
	struct bytes text = json_str(v);
	struct buf quoted;
	const char *bad;

	if (!yyjson_is_str(v))
		return expect_type(w, v, "a string representing an URL");
	to->url = text;
	if (r->options->lenient ? bytes_istarts(text, B("data:")) : text.n > 0 && is_printed(text))
		return 0;
	bad = media_url(text, r->arena, &to->url);
	if (!bad)
		return 0;
	buf_init(&quoted, 8 * URL_SHOWN);
	words_quote(bytes_slice(text, 0, URL_SHOWN), &quoted);
	expect_fail(w, "invalid_value", "%s: %.*s", bad, BFMT(buf_bytes(&quoted)));
	buf_deinit(&quoted);
	return -1;
}

static int read_mime(struct reader *r, const struct where *w, yyjson_val *v, struct image *to)
{
	char why[MEDIA_WORDS];
	struct bytes text;

	if (yyjson_is_null(v))
		return 0;
	if (!yyjson_is_str(v))
		return expect_type(w, v, r->options->lenient ? "a string" : "a valid MediaType");
	text = json_str(v);
	if (!media_mime(text, r->arena, &to->f.mime_type, why))
		return *why ? expect_fail(w, "invalid_value", "invalid MIME: %s", why) : -1;
	r->inf->source_intact = false;
	return 0;
}

/* Members in the order of the document: the first that is wrong is told. */
static int read_image_url(struct reader *r, const struct where *w, yyjson_val *part,
			  struct image *to)
{
	static const struct bytes names[] = { B("url"), B("tensorzero::mime_type"), B("detail") };
	static int (*const read[])(struct reader *, const struct where *, yyjson_val *,
				   struct image *) = { read_url, read_mime, read_detail };
	struct where at = WHERE_KEY(w, B("image_url"));
	yyjson_val *image, *key;
	yyjson_obj_iter it;

	if (inner_object(r, w, part, "image_url", "struct OpenAICompatibleImageUrl", &image))
		return -1;
	it = yyjson_obj_iter_with(image);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where member = WHERE_KEY(&at, json_str(key));
		size_t i = 0;

		while (i < COUNT(names) && !bytes_eq(names[i], member.key))
			i++;
		if (i < COUNT(names) ? read[i](r, &member, yyjson_obj_iter_get_val(key), to)
				     : !r->options->lenient &&
					       expect_only(&at, image, names, COUNT(names), false))
			return -1;
	}
	return bytes_set(to->url) ? 0 : expect_field(&at, "url");
}

static int read_image(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	struct where at = WHERE_KEY(w, B("image_url"));
	struct image image = { 0 };

	if (read_image_url(r, w, part, &image))
		return part_refuse(w, part);
	if (!bytes_istarts(image.url, B("data:"))) {
		image.f.is_url = true;
		image.f.url = image.url;
	} else if (read_data_url(r, &at, image.url, &image.f)) {
		return -1;
	}
	return file_add(r, d, image.f);
}

static int unknown_add(struct reader *r, struct draft *d, yyjson_val *part)
{
	struct block b = { .type = BLOCK_UNKNOWN, .text = json_print_arena(part, r->arena) };

	return bytes_set(b.text) ? chat_block_add(r, d, b) : -1;
}

static int read_file(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	static const struct chat_member members[] = { { B("file_data"), chat_is_string },
						      { B("filename"), chat_is_string, true } };
	struct where at = WHERE_KEY(w, B("file"));
	struct bytes data = { NULL, 0 };
	struct file f = { 0 };
	yyjson_val *file;

	if (inner_object(r, w, part, "file", "struct OpenAICompatibleFile", &file))
		return part_refuse(w, part);
	if (r->options->lenient && !json_get(file, "file_data")) {
		if (yyjson_is_str(json_get(file, "file_id")))
			return unknown_add(r, d, part); /* only OpenAI's own servers know it */
		if (inner_string(&at, file, "file_url", false, &f.url))
			return part_refuse(w, part);
	}
	f.is_url = bytes_set(f.url);
	if (!r->options->lenient && chat_check_members(r, &at, file, members, COUNT(members)))
		return part_refuse(w, part);
	if ((!f.is_url && inner_string(&at, file, "file_data", true, &data)) ||
	    inner_string(&at, file, "filename", false, &f.filename))
		return part_refuse(w, part);
	if (!f.is_url && read_data_url(r, &at, data, &f))
		return -1;
	return file_add(r, d, f);
}

static int read_audio(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	static const struct chat_member members[] = { { B("data"), chat_is_string },
						      { B("format"), chat_is_string } };
	struct where at = WHERE_KEY(w, B("input_audio"));
	struct bytes format = { NULL, 0 };
	struct file f = { 0 };
	yyjson_val *audio;
	char err[80];

	if (inner_object(r, w, part, "input_audio", "struct OpenAICompatibleInputAudio", &audio) ||
	    chat_check_members(r, &at, audio, members, COUNT(members)) ||
	    inner_string(&at, audio, "data", true, &f.data) ||
	    inner_string(&at, audio, "format", true, &format))
		return part_refuse(w, part);
	if (!media_base64(f.data, err))
		return openai_refuse(&at, "invalid_value", "Invalid base64 data in input_audio: %s",
				     err);
	f.mime_type = media_sniff(f.data);
	if (r->options->lenient && !bytes_starts(f.mime_type, B("audio/")))
		return unknown_add(r, d, part); /* raw samples, and what comes tomorrow */
	if (!bytes_set(f.mime_type))
		return openai_refuse(
			&at, "invalid_value",
			"Could not detect audio format from file content. Format field was: %.*s",
			BFMT(format));
	if (!bytes_starts(f.mime_type, B("audio/")))
		return openai_refuse(
			&at, "invalid_value",
			"Expected audio file for input_audio, but detected %.*s (type: %.*s)",
			BFMT(f.mime_type), (int)bytes_chr(f.mime_type, '/'), f.mime_type.p);
	return file_add(r, d, f);
}

static int read_raw_text(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	static const struct bytes known = B("value");
	struct block b = { .type = BLOCK_RAW_TEXT };

	r->inf->source_intact = false;
	if (expect_only(w, part, &known, 1, true) || inner_string(w, part, "value", true, &b.text))
		return part_refuse(w, part);
	return chat_block_add(r, d, b);
}

static int read_template_part(struct reader *r, struct draft *d, const struct where *w,
			      yyjson_val *part)
{
	struct where at = WHERE_KEY(w, B("arguments"));
	struct bytes name = { NULL, 0 };
	yyjson_val *arguments;

	if (inner_string(w, part, "name", true, &name) ||
	    expect_member(w, part, "arguments", &arguments) ||
	    (!yyjson_is_obj(arguments) && expect_type(&at, arguments, "a map")))
		return part_refuse(w, part);
	return read_template(r, d, name, arguments);
}

static int read_refusal(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	struct block b = { .type = BLOCK_TEXT };

	if (inner_string(w, part, "refusal", true, &b.text))
		return part_refuse(w, part);
	return chat_block_add(r, d, b);
}

typedef int part_fn(struct reader *, struct draft *, const struct where *, yyjson_val *);

static const struct {
	struct bytes type;
	part_fn *read;
	bool lenient; /* unknown to TensorZero's reader */
} parts[] = {
	{ B("text"), read_text },
	{ B("image_url"), read_image },
	{ B("file"), read_file },
	{ B("input_audio"), read_audio },
	{ B("tensorzero::raw_text"), read_raw_text },
	{ B("tensorzero::template"), read_template_part },
	{ B("refusal"), read_refusal, true },
};

static int read_part(struct reader *r, struct draft *d, const struct where *w, yyjson_val *part)
{
	yyjson_val *type = json_get(part, "type");

	if (!yyjson_is_obj(part)) {
		struct bytes text = json_print_arena(part, r->arena);

		return openai_refuse(w, "invalid_type", "Content block `%.*s` is not an object",
				     BFMT(text));
	}
	if (!type && !has_own_key(part))
		return read_template(r, d, template_of_role(d->role), part);
	if (!yyjson_is_str(type))
		return part_fail(w, part, "TensorZeroDerive: missing tag field `type`");
	for (size_t i = 0; i < COUNT(parts); i++)
		if (bytes_eq(parts[i].type, json_str(type)) &&
		    (!parts[i].lenient || r->options->lenient))
			return parts[i].read(r, d, w, part);
	if (r->options->lenient && !bytes_starts(json_str(type), B("tensorzero::")))
		return unknown_add(r, d, part);
	fail(ERR_JSON_REQUEST,
	     "unknown variant `%.*s`, expected one of `text`, `image_url`, `file`, `input_audio`, `tensorzero::raw_text`, `tensorzero::template`",
	     BFMT(json_str(type)));
	where_mark(w, "unsupported_value");
	return part_refuse(w, part);
}

int chat_read_content(struct reader *r, struct draft *d, yyjson_val *v)
{
	struct where at = WHERE_LOST(d->at, B("content")); /* a part's errors begin at the part */
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *part;
	size_t i = 0;

	if (yyjson_is_str(v))
		return chat_block_add(r, d,
				      (struct block){ .type = BLOCK_TEXT, .text = json_str(v) });
	if (!yyjson_is_arr(v))
		return openai_refuse(
			&at, "invalid_type",
			"message content must either be a string or an array of length 1 containing structured TensorZero inputs");
	while ((part = yyjson_arr_iter_next(&it))) {
		struct where one = WHERE_LOST_AT(&at, i++);

		if (read_part(r, d, &one, part))
			return -1;
	}
	return 0;
}
