/*
 * Blocks as they stand in rows (storage §2.2), key for key as TensorZero writes them: its UI, its ClickHouse
 * queries and other people's scripts read these columns.
 *
 * Three forms of the same blocks: input at rest, what the provider said (raw), and what the client got (checked:
 * a tool call's arguments parsed if they fit its schema). What TensorZero has no block for (a refusal, audio)
 * stands as `unknown` with its data.
 */
#include "wire/native.h"

#include <stdlib.h>

#include "base/json.h"
#include "engines.h"
#include "wire/media.h"

/* ---- blocks ---- */

void native_put_thought(struct pen *p, const struct block *b)
{
	bool any = false;

	pen_key(p, "text");
	pen_string_or_null(p, b->text);
	pen_set(p, "signature", b->signature);
	for (size_t i = 0; i < b->nsummaries; i++) {
		pen_list_item(p, "summary", &any);
		pen_lit(p, "{\"type\":\"summary_text\"");
		pen_text(p, "text", b->summaries[i].text);
		pen_lit(p, "}");
	}
	pen_list_end(p, any);
	if (b->summaries && !b->nsummaries)
		pen_json(p, "summary", B("[]"));
	pen_set(p, "provider_type", b->provider_type);
	pen_json(p, "extra_data", b->extra_data);
}

void native_put_unknown(struct pen *p, const struct block *b)
{
	pen_json(p, "data", bytes_set(b->text) ? b->text : B("null"));
	pen_set(p, "model_name", b->model_name);
	pen_set(p, "provider_name", b->provider_name);
}

static struct bytes type_by_name(struct bytes url)
{
	static const struct {
		struct bytes end, mime;
	} types[] = {
		{ B(".png"), B("image/png") },   { B(".jpg"), B("image/jpeg") },
		{ B(".jpeg"), B("image/jpeg") }, { B(".gif"), B("image/gif") },
		{ B(".webp"), B("image/webp") }, { B(".pdf"), B("application/pdf") },
	};
	ptrdiff_t query = bytes_chr(url, '?');

	if (query >= 0)
		url.n = (size_t)query;
	for (size_t i = 0; i < COUNT(types); i++)
		if (bytes_ends(url, types[i].end))
			return types[i].mime;
	return B("application/octet-stream");
}

/* TensorZero's path in the object store: BLAKE3 of the base64 text. */
static void put_storage_path(struct pen *p, const struct file *f)
{
	char space[MEDIA_EXTENSION];
	struct bytes extension = media_extension(f->mime_type, space);
	uint8_t digest[32];
	char hex[65];

	engine_blake3(f->data.p, f->data.n, digest);
	hex_print(digest, sizeof digest, hex);
	pen_lit(p, "observability/files/");
	pen_bytes(p, (struct bytes){ hex, 64 });
	if (!bytes_set(extension))
		return;
	pen_lit(p, ".");
	pen_bytes(p, extension);
}

static void put_file(struct pen *p, const struct file *f)
{
	pen_key(p, "source_url");
	pen_string_or_null(p, f->is_url ? f->url : (struct bytes){ NULL, 0 });
	pen_text(p, "mime_type", bytes_set(f->mime_type) ? f->mime_type : type_by_name(f->url));
	pen_lit(p, ",\"storage_path\":{\"kind\":{\"type\":\"disabled\"},\"path\":\"");
	if (bytes_set(f->data))
		put_storage_path(p, f);
	pen_lit(p, "\"}");
	pen_set(p, "detail", f->detail);
	pen_set(p, "filename", f->filename);
}

static struct bytes type_name(enum block_type type)
{
	static const struct bytes names[] = {
		[BLOCK_TEXT] = B("text"),
		[BLOCK_RAW_TEXT] = B("raw_text"),
		[BLOCK_TEMPLATE] = B("template"),
		[BLOCK_TOOL_CALL] = B("tool_call"),
		[BLOCK_TOOL_RESULT] = B("tool_result"),
		[BLOCK_THOUGHT] = B("thought"),
		[BLOCK_FILE] = B("file"),
		[BLOCK_UNKNOWN] = B("unknown"),
		[BLOCK_REFUSAL] = B("unknown"),
		[BLOCK_AUDIO] = B("unknown"),
	};

	return names[type];
}

static void block_begin(struct pen *p, const struct block *b)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "type", type_name(b->type));
}

/* The form that input at rest and raw output share. */
static void put_block(struct pen *p, const struct block *b)
{
	block_begin(p, b);
	switch (b->type) {
	case BLOCK_TEXT: pen_text(p, "text", b->text); break;
	case BLOCK_RAW_TEXT: pen_text(p, "value", b->text); break;
	case BLOCK_TEMPLATE:
		pen_text(p, "name", b->name);
		pen_json(p, "arguments", b->text);
		break;
	case BLOCK_TOOL_CALL:
		pen_text(p, "id", b->id);
		pen_text(p, "name", b->name);
		pen_text(p, "arguments", b->arguments);
		break;
	case BLOCK_TOOL_RESULT:
		pen_text(p, "name", b->name);
		pen_text(p, "result", b->text);
		pen_text(p, "id", b->id);
		break;
	case BLOCK_THOUGHT: native_put_thought(p, b); break;
	case BLOCK_FILE: put_file(p, b->file); break;
	case BLOCK_UNKNOWN: native_put_unknown(p, b); break;
	case BLOCK_REFUSAL:
		pen_lit(p, ",\"data\":{\"type\":\"refusal\"");
		pen_text(p, "refusal", b->text);
		pen_lit(p, "}");
		break;
	case BLOCK_AUDIO:
		pen_lit(p, ",\"data\":{\"type\":\"audio\"");
		pen_json(p, "audio", b->text);
		pen_lit(p, "}");
		break;
	}
	pen_close(p, '}');
}

void native_put_blocks(struct pen *p, const struct block *b, size_t n)
{
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++)
		put_block(p, &b[i]);
	pen_close(p, ']');
}

/* ---- input ---- */

/* What no template touches is told apart in the input; to the model it is text. */
static void put_sent_blocks(struct pen *p, const struct block *b, size_t n)
{
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		struct block sent = b[i];

		if (sent.type == BLOCK_RAW_TEXT)
			sent.type = BLOCK_TEXT;
		put_block(p, &sent);
	}
	pen_close(p, ']');
}

static void put_messages(struct pen *p, const struct inference *inf,
			 void (*blocks)(struct pen *, const struct block *, size_t))
{
	pen_open(p, '[');
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *m = &inf->messages[i];

		pen_item(p);
		pen_bytes(p, m->role == ROLE_USER ? B("{\"role\":\"user\",\"content\":")
						  : B("{\"role\":\"assistant\",\"content\":"));
		blocks(p, m->content, m->len);
		pen_lit(p, "}");
	}
	pen_close(p, ']');
}

void native_put_messages(struct pen *p, const struct inference *inf)
{
	put_messages(p, inf, put_sent_blocks);
}

void native_put_input(struct pen *p, const struct inference *inf, size_t *messages)
{
	pen_open(p, '{');
	if (inf->system_template)
		pen_json(p, "system", inf->system_template->text);
	else
		pen_set(p, "system", inf->system);
	pen_key(p, "messages");
	*messages = p->b->len;
	put_messages(p, inf, native_put_blocks);
	pen_close(p, '}');
}

/* ---- checked output ---- */

static const struct tool *tool_of(const struct tool_config *t, struct bytes name)
{
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return &t->tools[i];
	return NULL;
}

static bool is_json(struct bytes text)
{
	yyjson_doc *doc = yyjson_read(text.p, text.n, YYJSON_READ_NUMBER_AS_RAW);
	bool ok = doc != NULL;

	yyjson_doc_free(doc);
	return ok;
}

static void put_checked_call(struct pen *p, const struct block *b, const struct tool *t,
			     native_valid_fn *valid, void *ctx)
{
	block_begin(p, b);
	pen_text(p, "id", b->id);
	pen_text(p, "raw_name", b->name);
	pen_text(p, "raw_arguments", b->arguments);
	pen_key(p, "name");
	pen_string_or_null(p, t ? b->name : (struct bytes){ NULL, 0 });
	pen_key(p, "arguments");
	if (!t || t->custom || b->arguments.n == 0 || !is_json(b->arguments) ||
	    (valid && !valid(ctx, t, b->arguments)))
		pen_lit(p, "null");
	else if (json_compact(b->arguments, p->b))
		p->failed = true;
	pen_close(p, '}');
}

void native_put_output(struct pen *p, const struct block *b, size_t n,
		       const struct tool_config *tools, native_valid_fn *valid, void *ctx)
{
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		if (b[i].type == BLOCK_TOOL_CALL)
			put_checked_call(p, &b[i], tool_of(tools, b[i].name), valid, ctx);
		else
			put_block(p, &b[i]);
	}
	pen_close(p, ']');
}

/* ---- tool columns ---- */

static void put_function(struct pen *p, const struct tool *t)
{
	pen_text(p, "description", t->description);
	pen_json(p, "parameters", t->parameters);
	pen_text(p, "name", t->name);
	pen_json(p, "strict", t->strict ? B("true") : B("false"));
}

static void put_custom(struct pen *p, const struct tool *t)
{
	pen_text(p, "name", t->name);
	if (t->described)
		pen_set(p, "description", t->description);
	pen_json(p, "format", t->format);
}

static void put_tools(struct pen *p, const struct tool_config *t, bool custom)
{
	for (size_t i = 0; i < t->len; i++) {
		const struct tool *one = &t->tools[i];

		if (one->custom != custom)
			continue;
		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "type", custom ? B("openai_custom") : B("function"));
		if (custom)
			put_custom(p, one);
		else
			put_function(p, one);
		pen_close(p, '}');
	}
}

/* TensorZero keeps the two kinds apart: functions come first. */
void native_put_dynamic_tools(struct pen *p, const struct tool_config *t)
{
	pen_open(p, '[');
	put_tools(p, t, false);
	put_tools(p, t, true);
	pen_close(p, ']');
}

void native_put_dynamic_provider_tools(struct pen *p, const struct tool_config *t)
{
	pen_open(p, '[');
	for (size_t i = 0; i < t->nprovider_tools; i++) {
		const struct provider_tool *one = &t->provider_tools[i];

		pen_item(p);
		pen_lit(p, "{\"scope\":");
		if (bytes_set(one->model_name)) {
			pen_open(p, '{');
			pen_text(p, "model_name", one->model_name);
			pen_set(p, "provider_name", one->provider_name);
			pen_close(p, '}');
		} else {
			pen_lit(p, "null");
		}
		pen_json(p, "tool", one->tool);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

void native_put_allowed_tools(struct pen *p, const struct tool_config *t)
{
	size_t n = t->allowed_explicit ? t->nallowed : t->len;

	pen_lit(p, "{\"tools\":");
	pen_open(p, '[');
	for (size_t i = 0; i < n; i++) {
		pen_item(p);
		pen_string(p, t->allowed_explicit ? t->allowed[i] : t->tools[i].name);
	}
	pen_close(p, ']');
	pen_text(p, "choice", t->allowed_explicit ? B("explicit") : B("function_default"));
	pen_close(p, '}');
}

void native_put_tool_choice(struct pen *p, const struct tool_config *t)
{
	switch (t->choice) {
	case TOOL_CHOICE_NONE: pen_lit(p, "\"none\""); return;
	case TOOL_CHOICE_REQUIRED: pen_lit(p, "\"required\""); return;
	case TOOL_CHOICE_SPECIFIC:
		pen_lit(p, "{\"specific\":");
		pen_string(p, bytes_set(t->specific) ? t->specific : B(""));
		pen_lit(p, "}");
		return;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_lit(p, "\"auto\"");
	}
}

/* The older form knows functions only. */
void native_put_tool_params(struct pen *p, const struct tool_config *t)
{
	pen_lit(p, "{\"tools_available\":");
	pen_open(p, '[');
	for (size_t i = 0; i < t->len; i++) {
		if (t->tools[i].custom)
			continue;
		pen_item(p);
		pen_open(p, '{');
		put_function(p, &t->tools[i]);
		pen_close(p, '}');
	}
	pen_close(p, ']');
	pen_key(p, "tool_choice");
	native_put_tool_choice(p, t);
	pen_json(p, "parallel_tool_calls",
		 t->parallel < 0 ? B("null")
		 : t->parallel   ? B("true")
				 : B("false"));
	pen_lit(p, "}");
}

void native_put_extra_body(struct pen *p, const struct extras *e)
{
	pen_open(p, '[');
	for (size_t i = 0; i < e->len; i++) {
		const struct extra *one = &e->at[i];

		pen_item(p);
		pen_open(p, '{');
		pen_set(p, "variant_name", one->variant_name);
		pen_set(p, "model_name", one->model_name);
		if (bytes_set(one->provider_name))
			pen_text(p, "provider_name", one->provider_name);
		else if (bytes_set(one->model_name))
			pen_json(p, "provider_name", B("null"));
		pen_text(p, "pointer", one->pointer);
		if (one->remove)
			pen_lit(p, ",\"delete\":true");
		else
			pen_json(p, "value", one->value);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

/* ---- previews ---- */

/* A text on one line: what `left` characters allow of it. White space and controls are one blank. */
struct line {
	struct pen p;
	size_t left;
	bool blank; /* the last character was one, or there is none */
};

/* Whether eight characters go through as they are: printable ASCII without a blank after a blank. */
static bool plain8(const char *p, bool after_blank)
{
	const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
	uint64_t w, x, blanks;

	memcpy(&w, p, sizeof w);
	x = w ^ ones * ' ';
	blanks = ~(((x & ~highs) + ~highs) | x) & highs;
	if ((w | (w - ones * ' ') | (w + ones)) & highs)
		return false;
	return !(blanks & blanks >> 8) && !(after_blank && *p == ' ');
}

static void line_add(struct line *l, struct bytes text)
{
	size_t from = 0;

	for (size_t i = 0; i < text.n && l->left > 0; i++) {
		while (l->left > 8 && text.n - i > 8 && plain8(text.p + i, l->blank)) {
			i += 8;
			l->left -= 8;
			l->blank = text.p[i - 1] == ' ';
		}
		unsigned char c = (unsigned char)text.p[i];
		bool blank = c <= ' ' || c == 0x7f;

		if (blank) {
			if (i > from)
				pen_bytes(&l->p, bytes_slice(text, from, i - from));
			if (!l->blank) {
				pen_lit(&l->p, " ");
				l->left--;
			}
			from = i + 1;
		} else if (!utf8_continues(text.p[i])) {
			l->left--;
		}
		l->blank = blank;
		if (l->left == 0 && !blank) { /* the whole last character */
			while (i + 1 < text.n && utf8_continues(text.p[i + 1]))
				i++;
			pen_bytes(&l->p, bytes_slice(text, from, i + 1 - from));
			return;
		}
	}
	if (l->left > 0 && text.n > from)
		pen_bytes(&l->p, bytes_slice(text, from, text.n - from));
}

static int line_end(struct line *l)
{
	struct buf *b = l->p.b;

	if (b->len > 0 && b->data[b->len - 1] == ' ')
		b->len--;
	return pen_done(&l->p);
}

static bool add_texts(struct line *l, const struct block *b, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (b[i].type != BLOCK_TEXT && b[i].type != BLOCK_RAW_TEXT &&
		    b[i].type != BLOCK_REFUSAL)
			continue;
		if (any)
			line_add(l, B(" "));
		line_add(l, b[i].text);
		any = true;
	}
	return any;
}

int native_preview_input(const struct inference *inf, size_t max, struct buf *out)
{
	struct line l = { .p = { .b = out }, .left = max, .blank = true };

	for (size_t i = inf->nmessages; i-- > 0;)
		if (inf->messages[i].role == ROLE_USER &&
		    add_texts(&l, inf->messages[i].content, inf->messages[i].len))
			break;
	return line_end(&l);
}

int native_preview_output(const struct block *b, size_t n, size_t max, struct buf *out)
{
	struct line l = { .p = { .b = out }, .left = max, .blank = true };

	if (add_texts(&l, b, n))
		return line_end(&l);
	for (size_t i = 0; i < n; i++) {
		if (b[i].type != BLOCK_TOOL_CALL)
			continue;
		if (!l.blank)
			line_add(&l, B(" "));
		line_add(&l, b[i].name);
		line_add(&l, B("("));
		line_add(&l, b[i].arguments);
		line_add(&l, B(")"));
	}
	return line_end(&l);
}
