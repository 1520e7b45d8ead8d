/*
 * The developer API's format, the provider's side (spec/rust-proxy.md "The request", "The answer").
 *
 * Going out, a conversation becomes one text: a line a message, each with its speaker's name in front.
 * What that text cannot hold is refused (images, files) or left out and named for x-signet-ignored
 * (parameters, tools). Coming back, events of ten names become text, thought, annotations or nothing.
 *
 * Traps. The raw response is the body as it came, event names included, and also of events that mean
 * nothing to a client; so what such an event was is kept in `raw` until the next delta carries it. Events
 * before the first text must not become a delta: an error after them still falls through to the next
 * provider, which is only possible while nothing was shown. A body without a single event of this
 * protocol (a proxy's HTML page with status 200), or one that breaks off before it said anything, is an error, not an
 * empty answer.
 */
#include "wire/developer_api/developer_api.h"

#include "base/json.h"
#include "base/pen.h"

#define TEXT_ID          B("0")
#define THOUGHT_ID       B("1")
#define ANNOTATIONS_MAX  (1u << 20)
#define ERROR_TEXT_SHOWN 4096
#define BYTES_A_TOKEN    4
#define PARSE_MAX        (64u << 20)

static const struct developer_api_options *options_of(const struct dialect *d)
{
	static const struct developer_api_options none = { 0 };

	return d->options ? d->options : &none;
}

/* ---- the request: a conversation as one text ---- */

struct flat {
	struct pen pen;
	const struct dialect *dialect;
	bool begun;       /* a line stands there already */
	const char *open; /* the speaker whose line may go on with another text, NULL: none */
};

/* Begins a line, or goes on with the one that the same speaker's last text began. */
static void speak(struct flat *f, const char *speaker, bool goes_on)
{
	if (goes_on && f->open == speaker)
		return pen_lit(&f->pen, " ");
	pen_bytes(&f->pen, f->begun ? B("\n") : B(""));
	pen_bytes(&f->pen, bytes_of(speaker));
	pen_bytes(&f->pen, *speaker ? B(": ") : B(""));
	f->begun = true;
	f->open = goes_on ? speaker : NULL;
}

static int say(struct flat *f, const char *speaker, struct bytes text)
{
	speak(f, speaker, true);
	pen_bytes(&f->pen, text);
	return pen_done(&f->pen);
}

static const char *unsupported_name(const struct block *b)
{
	if (b->type == BLOCK_FILE)
		return b->file && bytes_istarts(b->file->mime_type, B("image/")) ? "image" : "file";
	return b->type == BLOCK_AUDIO ? "audio" : "unknown";
}

static int unsupported(struct flat *f, const char *speaker, const struct block *b)
{
	if (f->dialect->unsupported_as_placeholder)
		return say(f, speaker, B("[Non-text content]"));
	return fail(ERR_UNSUPPORTED_CONTENT,
		    "Unsupported content block type `%s` for provider `%.*s`", unsupported_name(b),
		    BFMT(f->dialect->type));
}

static int tool_result(struct flat *f, const struct block *b)
{
	speak(f, "Tool", false);
	if (!b->parts)
		pen_bytes(&f->pen, b->text);
	for (size_t i = 0; b->parts && i < b->nparts; i++) {
		const struct block *part = &b->parts[i];
		bool text = part->type == BLOCK_TEXT || part->type == BLOCK_RAW_TEXT;

		if (!text && !f->dialect->unsupported_as_placeholder)
			return unsupported(f, "Tool", part);
		pen_bytes(&f->pen, i ? B(" ") : B(""));
		pen_bytes(&f->pen, text ? part->text : B("[Non-text content]"));
	}
	return pen_done(&f->pen);
}

static int flatten_block(struct flat *f, const char *speaker, const struct block *b)
{
	switch (b->type) {
	case BLOCK_TEXT:
	case BLOCK_RAW_TEXT:
	case BLOCK_REFUSAL: return say(f, speaker, b->text);
	case BLOCK_THOUGHT: return 0;
	case BLOCK_TOOL_CALL:
		speak(f, "Assistant", false);
		pen_bytes(&f->pen, b->name);
		pen_lit(&f->pen, " ");
		pen_bytes(&f->pen, b->arguments);
		return pen_done(&f->pen);
	case BLOCK_TOOL_RESULT: return tool_result(f, b);
	default: return unsupported(f, speaker, b);
	}
}

static int flatten(const struct inference *inf, const struct dialect *d, struct buf *out)
{
	struct flat f = { .pen = { .b = out }, .dialect = d };
	bool bare = options_of(d)->last_user && !inf->system.n && inf->nmessages == 1 &&
		    inf->messages[0].role == ROLE_USER;

	if (inf->system.n && say(&f, "System", inf->system))
		return -1;
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *m = &inf->messages[i];
		const char *speaker = bare ? "" : m->role == ROLE_USER ? "User" : "Assistant";

		f.open = NULL; /* two messages of one role are two lines */
		for (size_t j = 0; j < m->len; j++)
			if (flatten_block(&f, speaker, &m->content[j]))
				return -1;
	}
	return 0;
}

/* ---- the request: what cannot be carried ---- */

/* The list is bounded (x-signet-ignored: 1 KiB); what does not fit is not worth failing for. */
static void ignore_parameter(void *arg, struct bytes name)
{
	struct buf *ignored = arg;

	if (ignored)
		(void)buf_printf(ignored, "%s%.*s", ignored->len ? ", " : "", BFMT(name));
}

/* Nothing where there is no text. */
static void put_member(struct pen *p, struct bytes member, struct bytes value)
{
	if (value.n == 0)
		return;
	pen_member(p, member);
	pen_string(p, value);
}

static int write_body(const struct dialect *d, struct bytes content, struct buf *out)
{
	const struct developer_api_options *o = options_of(d);
	struct pen p = { .b = out };

	pen_open(&p, '{');
	pen_text(&p, "content", content);
	pen_key(&p, "extra");
	pen_open(&p, '{');
	put_member(&p, B(",\"searchMode\":"), o->search_mode);
	pen_text(&p, "model", d->model);
	pen_key(&p, "isExpert");
	pen_bytes(&p, o->is_expert ? B("true") : B("false"));
	put_member(&p, B(",\"pluginFor\":"), o->plugin_for);
	put_member(&p, B(",\"language\":"), o->language);
	pen_lit(&p, "}}");
	return pen_done(&p);
}

static int write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	struct buf content;
	int rc;

	if (inf->tools && (inf->tools->choice == TOOL_CHOICE_REQUIRED ||
			   inf->tools->choice == TOOL_CHOICE_SPECIFIC))
		return fail(ERR_INVALID_REQUEST, "%.*s provider cannot call tools", BFMT(d->label));
	buf_init(&content, DEVELOPER_API_MAX_CONTENT);
	rc = flatten(inf, d, &content) || write_body(d, buf_bytes(&content), out) ? -1 : 0;
	buf_deinit(&content);
	if (rc == 0)
		params_left_out(inf, ignore_parameter, ignored);
	return rc;
}

struct bytes developer_api_content(struct bytes body, struct arena *arena)
{
	struct json_member m;

	if (!json_find_member(body, B("content"), &m) || m.value.n < 2 || m.value.p[0] != '"')
		return (struct bytes){ 0 };
	if (bytes_chr(m.value, '\\') < 0)
		return (struct bytes){ m.value.p + 1, m.value.n - 2 };
	return json_str(json_parse_lenient(m.value, arena));
}

/* ---- the answer ---- */

enum meaning { TEXT, THOUGHT, SOURCES, METADATA, FAILURE, FINISH, UNKNOWN };

static const struct {
	struct bytes name;
	enum meaning meaning;
} events[] = {
	{ B("c"), TEXT },
	{ B(""), TEXT }, /* no name: `message` */
	{ B("message"), TEXT },
	{ B("content"), TEXT },
	{ B("r"), THOUGHT },
	{ B("sources"), SOURCES },
	{ B("repoSources"), SOURCES },
	{ B("rlq"), METADATA },
	{ B("q"), METADATA },
	{ B("action"), METADATA },
	{ B("threadId"), METADATA },
	{ B("queryMessageId"), METADATA },
	{ B("answerMessageId"), METADATA },
	{ B("threadTitle"), METADATA },
	{ B("error"), FAILURE },
	{ B("finish"), FINISH },
};

struct wire_stream {
	const struct dialect *dialect;
	struct arena *arena;
	struct part part;
	struct buf raw;         /* events since the last delta, and that delta's own */
	struct buf text;        /* a text that had to be mended or taken out of JSON */
	struct buf annotations; /* "{…},{…}" */
	bool raw_given;         /* `raw` was in the last delta: it begins anew */
	bool known, finish, ended;
	uint64_t unknown, in_bytes, out_bytes;
};

static void stream_free(struct wire_stream *s)
{
	if (!s)
		return;
	buf_deinit(&s->raw);
	buf_deinit(&s->text);
	buf_deinit(&s->annotations);
}

static struct wire_stream *stream_new(const struct inference *inf, const struct dialect *d,
				      struct arena *arena)
{
	struct wire_stream *s = arena_new(arena, struct wire_stream);
	struct buf content;

	if (!s)
		return NULL;
	s->dialect = d;
	s->arena = arena;
	buf_init(&s->raw, 2 * SSE_MAX_EVENT);
	buf_init(&s->text, 2 * SSE_MAX_EVENT);
	buf_init(&s->annotations, ANNOTATIONS_MAX);
	if (!options_of(d)->estimate_usage)
		return s;
	buf_init(&content, DEVELOPER_API_MAX_CONTENT);
	if (flatten(inf, d, &content) == 0)
		s->in_bytes = content.len;
	buf_deinit(&content);
	return s;
}

static uint64_t unknown_events(const struct wire_stream *s)
{
	return s->unknown;
}

static enum meaning meaning_of(struct bytes name)
{
	for (size_t i = 0; i < COUNT(events); i++)
		if (bytes_eq(events[i].name, name))
			return events[i].meaning;
	return UNKNOWN;
}

/* Writes an event as it came, its last blank line left out: the lines of a delta's raw text are joined
 * by LF. Raw text that does not fit is left out. */
static void keep_raw(struct wire_stream *s, const struct sse_event *event)
{
	struct bytes rest = event->data;
	struct pen p = { .b = &s->raw };
	bool more = true;
	size_t before;

	if (s->raw_given)
		buf_reset(&s->raw);
	s->raw_given = false;
	before = s->raw.len;
	pen_bytes(&p, before ? B("\n") : B(""));
	if (event->event.n) {
		pen_lit(&p, "event: ");
		pen_bytes(&p, event->event);
		pen_lit(&p, "\n");
	}
	while (more) {
		more = bytes_chr(rest, '\n') >= 0;
		pen_lit(&p, "data: ");
		pen_bytes(&p, bytes_cut(&rest, '\n'));
		pen_lit(&p, "\n");
	}
	if (p.failed)
		s->raw.len = before;
}

static struct bytes give_raw(struct wire_stream *s)
{
	if (s->raw_given)
		buf_reset(&s->raw);
	s->raw_given = true;
	return buf_bytes(&s->raw);
}

/* What is no UTF-8 becomes U+FFFD: a body may end in the middle of a character. */
static int mend_utf8(struct bytes b, struct buf *out)
{
	while (b.n) {
		size_t n = utf8_length(b);

		if (buf_append(out, n ? bytes_slice(b, 0, n) : B("\xef\xbf\xbd")))
			return -1;
		b = bytes_slice(b, n ? n : 1, b.n);
		while (!n && b.n && utf8_continues(*b.p))
			b = bytes_slice(b, 1, b.n);
	}
	return 0;
}

/* A thought's text: plain, or {"text": "…"}. */
static struct bytes thought_text(struct wire_stream *s, struct bytes data)
{
	struct arena arena;
	struct bytes text;

	if (!data.n || data.p[0] != '{')
		return data;
	arena_init(&arena, PARSE_MAX);
	text = json_str(json_get(json_parse(data, &arena), "text"));
	buf_reset(&s->text);
	if (bytes_set(text) && buf_append(&s->text, text) == 0)
		data = buf_bytes(&s->text);
	arena_deinit(&arena);
	return data;
}

/* The API says of no source where in the text it belongs. */
static int write_annotation(struct buf *out, yyjson_val *item)
{
	struct bytes url = json_str(json_get(item, "url")),
		     title = json_str(json_get(item, "title"));
	struct pen p = { .b = out, .comma = out->len };

	if (!url.n)
		return 0;
	pen_item(&p);
	pen_head(&p, "{\"type\":\"url_citation\"");
	pen_text(&p, "url", url);
	pen_text(&p, "title", bytes_set(title) ? title : url);
	pen_lit(&p, ",\"start_index\":0,\"end_index\":0}");
	return pen_done(&p);
}

static void take_sources(struct wire_stream *s, struct bytes data)
{
	size_t before = s->annotations.len;
	struct arena arena;
	yyjson_val *item;
	yyjson_arr_iter it;

	arena_init(&arena, PARSE_MAX);
	it = yyjson_arr_iter_with(json_parse(data, &arena));
	while ((item = yyjson_arr_iter_next(&it)) && !write_annotation(&s->annotations, item))
		before = s->annotations.len;
	s->annotations.len = before; /* full: the ones before stand */
	arena_deinit(&arena);
}

static int fail_upstream(struct bytes type, struct bytes text)
{
	if (!bytes_trim(text).n)
		text = B("the developer API reports an error without a text");
	return wire_fail(ERR_INFERENCE_SERVER, 0, type, "%.*s",
			 BFMT(bytes_slice(text, 0, ERROR_TEXT_SHOWN)));
}

/* The last error as a delta. 1, or -1 without memory. */
static int error_delta(struct wire_stream *s, struct bytes message, struct delta *out)
{
	struct error *e = error_save(s->arena);

	if (!e)
		return -1;
	e->fatal = true;
	if (message.n)
		e->upstream_message =
			arena_dup(s->arena, bytes_slice(message, 0, ERROR_TEXT_SHOWN));
	s->ended = true;
	*out = (struct delta){ .error = e, .raw = give_raw(s) };
	return 1;
}

static int piece(struct wire_stream *s, enum meaning meaning, struct bytes text, struct delta *out)
{
	if (meaning == THOUGHT)
		text = thought_text(s, text);
	if (!text.n)
		return 0;
	if (!bytes_is_utf8(text)) {
		buf_reset(&s->text);
		if (mend_utf8(text, &s->text))
			return -1;
		text = buf_bytes(&s->text);
	}
	s->out_bytes += text.n;
	s->part = (struct part){ .type = PART_TEXT, .id = TEXT_ID, .text = text };
	if (meaning == THOUGHT) {
		s->part.type = PART_THOUGHT;
		s->part.id = THOUGHT_ID;
		s->part.provider_type = s->dialect->type;
	}
	*out = (struct delta){ .parts = &s->part, .len = 1, .raw = give_raw(s) };
	usage_init(&out->usage);
	return 1;
}

static int read_event(struct wire_stream *s, const struct sse_event *event, struct delta *out)
{
	enum meaning meaning = meaning_of(event->event);

	keep_raw(s, event);
	s->known |= meaning != UNKNOWN;
	switch (meaning) {
	case TEXT:
	case THOUGHT: return piece(s, meaning, event->data, out);
	case SOURCES: take_sources(s, event->data); return 0;
	case FAILURE:
		fail_upstream(s->dialect->type, event->data);
		return error_delta(s, event->data, out);
	case FINISH: s->finish = true; return 2;
	case UNKNOWN: s->unknown++; return 0;
	case METADATA: break;
	}
	return 0;
}

static int64_t tokens_of(uint64_t bytes)
{
	return (int64_t)((bytes + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN);
}

static int read_end(struct wire_stream *s, struct delta *out)
{
	if (s->ended)
		return 0;
	s->ended = true;
	if (!s->known) {
		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "Request failed: the answer has no events of the developer API");
		return error_delta(s, (struct bytes){ 0 }, out);
	}
	if (!s->finish && !s->out_bytes && !s->annotations.len) {
		wire_fail(ERR_INFERENCE_SERVER, 0, s->dialect->type,
			  "Request failed: the answer ended before its first text");
		return error_delta(s, (struct bytes){ 0 }, out);
	}
	*out = (struct delta){ .finish = FINISH_STOP, .raw = give_raw(s) };
	usage_init(&out->usage);
	if (options_of(s->dialect)->estimate_usage) {
		out->has_usage = true;
		out->usage.estimated = true;
		out->usage.input_tokens = tokens_of(s->in_bytes);
		out->usage.output_tokens = tokens_of(s->out_bytes);
	}
	if (s->annotations.len) {
		out->annotations =
			arena_printf(s->arena, "[%.*s]", BFMT(buf_bytes(&s->annotations)));
		if (!bytes_set(out->annotations))
			return -1;
	}
	return 1;
}

/* ---- a plain answer: the same stream, collected ---- */

static struct result *read_result(struct bytes body, const struct inference *inf,
				  const struct dialect *dialect, struct arena *arena)
{
	return wire_collect(&wire_developer_api, body, inf, dialect, arena);
}

/* ---- the list of models ---- */

static bool read_model(yyjson_val *item, struct developer_api_model *m)
{
	uint64_t left;

	m->name = json_str(json_get(item, "modelName"));
	if (!m->name.n)
		return false;
	m->display_name = json_str(json_get(item, "displayName"));
	m->type = json_str(json_get(item, "modelType"));
	m->is_new = yyjson_is_true(json_get(item, "isNew"));
	m->usage_left = json_u64(json_get(item, "usageLeft"), &left) && left <= INT64_MAX
				? (int64_t)left
				: -1;
	return true;
}

int developer_api_read_models(struct bytes body, struct arena *arena,
			      struct developer_api_model **out, size_t *n)
{
	yyjson_val *list = json_parse(body, arena), *item;
	yyjson_arr_iter it;

	*out = NULL;
	*n = 0;
	if (!list)
		return -1;
	if (!yyjson_is_arr(list))
		list = json_get(list, "data");
	if (!yyjson_is_arr(list))
		return fail(
			ERR_INFERENCE_SERVER,
			"the list of models is neither an array nor an object with one under `data`");
	if (!yyjson_arr_size(list))
		return 0;
	*out = arena_array(arena, struct developer_api_model, yyjson_arr_size(list));
	if (!*out)
		return -1;
	yyjson_arr_iter_init(list, &it);
	while ((item = yyjson_arr_iter_next(&it)))
		if (read_model(item, &(*out)[*n]))
			(*n)++;
	return 0;
}

const struct wire wire_developer_api = {
	.name = B("developer_api"),
	.write_request = write_request,
	.read_result = read_result,
	.stream_new = stream_new,
	.stream_free = stream_free,
	.read_event = read_event,
	.read_end = read_end,
	.unknown_events = unknown_events,
};
