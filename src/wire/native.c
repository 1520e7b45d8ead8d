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
#include "base/pen.h"
#include "engines.h"
#include "wire/media.h"

static void put_field_json(struct pen *p, struct bytes key, struct bytes json)
{
	if (!bytes_set(json))
		return;
	pen_bytes(p, key);
	pen_bytes(p, json);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void put_thought(struct pen *p, const struct block *b)
{
	pen_lit(p, "{\"type\":\"thought\",\"text\":");
	pen_string_or_null(p, b->text);
	pen_field(p, ",\"signature\":", b->signature);
	for (size_t i = 0; i < b->nsummaries; i++) {
		pen_bytes(p, i ? B(",") : B(",\"summary\":["));
		pen_lit(p, "{\"type\":\"summary_text\",\"text\":");
		pen_string(p, b->summaries[i].text);
		pen_lit(p, "}");
	}
	if (b->nsummaries > 0)
		pen_lit(p, "]");
	pen_field(p, ",\"provider_type\":", b->provider_type);
	put_field_json(p, B(",\"extra_data\":"), b->extra_data);
	pen_lit(p, "}");
}

static void put_unknown(struct pen *p, const struct block *b)
{
	pen_lit(p, "{\"type\":\"unknown\",\"data\":");
	pen_bytes(p, bytes_set(b->text) ? b->text : B("null"));
	pen_field(p, ",\"model_name\":", b->model_name);
	pen_field(p, ",\"provider_name\":", b->provider_name);
	pen_lit(p, "}");
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
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (bytes_ends(url, types[i].end))
			return types[i].mime;
	return B("application/octet-stream");
}

/* TensorZero's path in the object store: BLAKE3 of the base64 text. */
static void put_storage_path(struct pen *p, const struct file *f)
{
	struct bytes extension = media_extension(f->mime_type);
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
	pen_lit(p, "{\"type\":\"file\",\"source_url\":");
	pen_string_or_null(p, f->is_url ? f->url : (struct bytes){ NULL, 0 });
	pen_lit(p, ",\"mime_type\":");
	pen_string(p, bytes_set(f->mime_type) ? f->mime_type : type_by_name(f->url));
	pen_lit(p, ",\"storage_path\":{\"kind\":{\"type\":\"disabled\"},\"path\":\"");
	if (bytes_set(f->data))
		put_storage_path(p, f);
	pen_lit(p, "\"}");
	pen_field(p, ",\"detail\":", f->detail);
	pen_field(p, ",\"filename\":", f->filename);
	pen_lit(p, "}");
}

static void put_named_text(struct pen *p, struct bytes head, struct bytes text)
{
	pen_bytes(p, head);
	pen_string(p, bytes_set(text) ? text : B(""));
	pen_lit(p, "}");
}

static void put_call(struct pen *p, const struct block *b)
{
	pen_lit(p, "{\"type\":\"tool_call\",\"id\":");
	pen_string(p, b->id);
	pen_lit(p, ",\"name\":");
	pen_string(p, b->name);
	put_named_text(p, B(",\"arguments\":"), b->arguments);
}

static void put_result(struct pen *p, const struct block *b)
{
	pen_lit(p, "{\"type\":\"tool_result\",\"name\":");
	pen_string(p, b->name);
	pen_lit(p, ",\"result\":");
	pen_string(p, b->text);
	put_named_text(p, B(",\"id\":"), b->id);
}

/* The form that input at rest and raw output share. */
static void put_block(struct pen *p, const struct block *b)
{
	switch (b->type) {
	case BLOCK_TEXT:
		put_named_text(p, B("{\"type\":\"text\",\"text\":"), b->text);
		break;
	case BLOCK_RAW_TEXT:
		put_named_text(p, B("{\"type\":\"raw_text\",\"value\":"), b->text);
		break;
	case BLOCK_TEMPLATE:
		pen_lit(p, "{\"type\":\"template\",\"name\":");
		pen_string(p, b->name);
		put_field_json(p, B(",\"arguments\":"), b->text);
		pen_lit(p, "}");
		break;
	case BLOCK_TOOL_CALL:
		put_call(p, b);
		break;
	case BLOCK_TOOL_RESULT:
		put_result(p, b);
		break;
	case BLOCK_THOUGHT:
		put_thought(p, b);
		break;
	case BLOCK_FILE:
		put_file(p, b->file);
		break;
	case BLOCK_UNKNOWN:
		put_unknown(p, b);
		break;
	case BLOCK_REFUSAL:
		put_named_text(
			p, B("{\"type\":\"unknown\",\"data\":{\"type\":\"refusal\",\"refusal\":"),
			b->text);
		pen_lit(p, "}");
		break;
	case BLOCK_AUDIO:
		pen_lit(p, "{\"type\":\"unknown\",\"data\":{\"type\":\"audio\",\"audio\":");
		pen_bytes(p, b->text);
		pen_lit(p, "}}");
		break;
	}
}

static void put_blocks(struct pen *p, const struct block *b, size_t n)
{
	pen_lit(p, "[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			pen_lit(p, ",");
		put_block(p, &b[i]);
	}
	pen_lit(p, "]");
}

/* --- input ------------------------------------------------------------------------------------ */

static void put_messages(struct pen *p, const struct inference *inf)
{
	pen_lit(p, "[");
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *m = &inf->messages[i];

		if (i > 0)
			pen_lit(p, ",");
		pen_bytes(p, m->role == ROLE_USER ? B("{\"role\":\"user\",\"content\":")
						  : B("{\"role\":\"assistant\",\"content\":"));
		put_blocks(p, m->content, m->len);
		pen_lit(p, "}");
	}
	pen_lit(p, "]");
}

int native_write_input(const struct inference *inf, struct buf *out, size_t *messages)
{
	struct pen p = { .b = out };

	pen_lit(&p, "{");
	if (inf->system_template)
		put_field_json(&p, B("\"system\":"), inf->system_template->text);
	else
		pen_field(&p, "\"system\":", inf->system);
	if (inf->system_template || bytes_set(inf->system))
		pen_lit(&p, ",");
	pen_lit(&p, "\"messages\":");
	*messages = out->len;
	put_messages(&p, inf);
	pen_lit(&p, "}");
	return pen_done(&p);
}

int native_write_messages(const struct inference *inf, struct buf *out)
{
	struct pen p = { .b = out };

	put_messages(&p, inf);
	return pen_done(&p);
}

int native_write_raw_output(const struct block *b, size_t n, struct buf *out)
{
	struct pen p = { .b = out };

	put_blocks(&p, b, n);
	return pen_done(&p);
}

/* --- checked output --------------------------------------------------------------------------- */

static const struct tool *tool_of(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; t && i < t->len; i++)
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
	pen_lit(p, "{\"type\":\"tool_call\",\"id\":");
	pen_string(p, b->id);
	pen_lit(p, ",\"raw_name\":");
	pen_string(p, b->name);
	pen_lit(p, ",\"raw_arguments\":");
	pen_string(p, b->arguments);
	pen_lit(p, ",\"name\":");
	pen_string_or_null(p, t ? b->name : (struct bytes){ NULL, 0 });
	pen_lit(p, ",\"arguments\":");
	if (t && !t->custom && b->arguments.n > 0 && is_json(b->arguments) &&
	    (!valid || valid(ctx, t, b->arguments))) {
		if (json_compact(b->arguments, p->b) < 0)
			p->failed = true;
	} else {
		pen_lit(p, "null");
	}
	pen_lit(p, "}");
}

int native_write_output(const struct block *b, size_t n, const struct tool_config *tools,
			native_valid_fn *valid, void *ctx, struct buf *out)
{
	struct pen p = { .b = out };

	pen_lit(&p, "[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			pen_lit(&p, ",");
		if (b[i].type == BLOCK_TOOL_CALL)
			put_checked_call(&p, &b[i], tool_of(tools, b[i].name), valid, ctx);
		else
			put_block(&p, &b[i]);
	}
	pen_lit(&p, "]");
	return pen_done(&p);
}

/* --- tool columns ----------------------------------------------------------------------------- */

static void put_function(struct pen *p, const struct tool *t)
{
	pen_lit(p, "\"description\":");
	pen_string(p, t->description);
	put_field_json(p, B(",\"parameters\":"), t->parameters);
	pen_lit(p, ",\"name\":");
	pen_string(p, t->name);
	pen_bytes(p, t->strict ? B(",\"strict\":true}") : B(",\"strict\":false}"));
}

int native_write_dynamic_tools(const struct tool_config *t, struct buf *out)
{
	struct pen p = { .b = out };

	pen_lit(&p, "[");
	for (size_t i = 0; i < t->len; i++) {
		const struct tool *one = &t->tools[i];

		if (i > 0)
			pen_lit(&p, ",");
		if (!one->custom) {
			pen_lit(&p, "{\"type\":\"function\",");
			put_function(&p, one);
			continue;
		}
		pen_lit(&p, "{\"type\":\"openai_custom\",\"name\":");
		pen_string(&p, one->name);
		if (one->described)
			pen_field(&p, ",\"description\":", one->description);
		put_field_json(&p, B(",\"format\":"), one->format);
		pen_lit(&p, "}");
	}
	pen_lit(&p, "]");
	return pen_done(&p);
}

int native_write_dynamic_provider_tools(const struct tool_config *t, struct buf *out)
{
	struct pen p = { .b = out };

	pen_lit(&p, "[");
	for (size_t i = 0; i < t->nprovider_tools; i++) {
		const struct provider_tool *one = &t->provider_tools[i];

		pen_bytes(&p, i ? B(",{\"scope\":") : B("{\"scope\":"));
		if (bytes_set(one->model_name)) {
			pen_lit(&p, "{\"model_name\":");
			pen_string(&p, one->model_name);
			pen_field(&p, ",\"provider_name\":", one->provider_name);
			pen_lit(&p, "}");
		} else {
			pen_lit(&p, "null");
		}
		put_field_json(&p, B(",\"tool\":"), one->tool);
		pen_lit(&p, "}");
	}
	pen_lit(&p, "]");
	return pen_done(&p);
}

int native_write_allowed_tools(const struct tool_config *t, struct buf *out)
{
	size_t n = t->allowed_explicit ? t->nallowed : t->len;
	struct pen p = { .b = out };

	pen_lit(&p, "{\"tools\":[");
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			pen_lit(&p, ",");
		pen_string(&p, t->allowed_explicit ? t->allowed[i] : t->tools[i].name);
	}
	pen_bytes(&p, t->allowed_explicit ? B("],\"choice\":\"explicit\"}")
					  : B("],\"choice\":\"function_default\"}"));
	return pen_done(&p);
}

static void put_choice(struct pen *p, const struct tool_config *t)
{
	switch (t->choice) {
	case TOOL_CHOICE_NONE:
		pen_lit(p, "\"none\"");
		return;
	case TOOL_CHOICE_REQUIRED:
		pen_lit(p, "\"required\"");
		return;
	case TOOL_CHOICE_SPECIFIC:
		put_named_text(p, B("{\"specific\":"), t->specific);
		return;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO:
		pen_lit(p, "\"auto\"");
	}
}

int native_write_tool_choice(const struct tool_config *t, struct buf *out)
{
	struct pen p = { .b = out };

	put_choice(&p, t);
	return pen_done(&p);
}

/* The older form knows functions only. */
int native_write_tool_params(const struct tool_config *t, struct buf *out)
{
	struct pen p = { .b = out };
	bool first = true;

	pen_lit(&p, "{\"tools_available\":[");
	for (size_t i = 0; i < t->len; i++) {
		if (t->tools[i].custom)
			continue;
		pen_bytes(&p, first ? B("{") : B(",{"));
		first = false;
		put_function(&p, &t->tools[i]);
	}
	pen_lit(&p, "],\"tool_choice\":");
	put_choice(&p, t);
	pen_bytes(&p, t->parallel < 0 ? B(",\"parallel_tool_calls\":null}")
		      : t->parallel   ? B(",\"parallel_tool_calls\":true}")
				      : B(",\"parallel_tool_calls\":false}"));
	return pen_done(&p);
}

int native_write_extra_body(const struct extras *e, struct buf *out)
{
	struct pen p = { .b = out };

	pen_lit(&p, "[");
	for (size_t i = 0; i < e->len; i++) {
		const struct extra *one = &e->at[i];

		pen_bytes(&p, i ? B(",{") : B("{"));
		if (bytes_set(one->variant_name)) {
			pen_lit(&p, "\"variant_name\":");
			pen_string(&p, one->variant_name);
			pen_lit(&p, ",");
		}
		if (bytes_set(one->model_name)) {
			pen_lit(&p, "\"model_name\":");
			pen_string(&p, one->model_name);
			pen_field(&p, ",\"provider_name\":", one->provider_name);
			pen_lit(&p, ",");
		}
		pen_lit(&p, "\"pointer\":");
		pen_string(&p, one->pointer);
		if (one->remove)
			pen_lit(&p, ",\"delete\":true}");
		else
			put_field_json(&p, B(",\"value\":"), one->value);
		if (!one->remove)
			pen_lit(&p, "}");
	}
	pen_lit(&p, "]");
	return pen_done(&p);
}

/* --- previews --------------------------------------------------------------------------------- */

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
