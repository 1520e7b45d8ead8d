/*
 * The conversation of a chat request -> messages of blocks (http-api §12.3, surfaces §3.1, §6.1-6.4).
 *
 * Two passes, as TensorZero has them: openai_check_messages() looks at types while the fields are read,
 * openai_read_messages() translates when everything else was found good (the parts of content: openai_chat/read_parts.c).
 *
 * Surfaces differ in what a model will see (inference/options.h): TensorZero moves all system texts to the front and
 * encodes the content of tool messages as JSON once more; OpenAI's own keeps late system texts in place, inside
 * <system> tags, passes tool texts on as they are, and reads the reasoning fields that clients send back.
 */
#include "wire/openai_chat/read_request.h"

#include "base/error.h"
#include "wire/call_ids.h"

#define MAX_SAID (16u << 10) /* of a wrong value */

/* ---- first pass: types ---- */

static int check_string(const struct where *w, yyjson_val *obj, const char *key)
{
	yyjson_val *v = json_get(obj, key);
	struct bytes ignored;

	return v ? expect_string(&WHERE_KEY(w, bytes_of(key)), v, &ignored) : 0;
}

static int check_function(struct reader *r, const struct where *w, yyjson_val *f)
{
	static const struct chat_member members[] = { { B("name"), chat_is_string },
						      { B("arguments"), chat_is_string } };

	if (!yyjson_is_obj(f))
		return expect_type(w, f, "struct OpenAICompatibleFunctionCall");
	if (chat_check_members(r, w, f, members, COUNT(members)))
		return -1;
	if (!json_get(f, "name"))
		return expect_field(w, "name");
	return json_get(f, "arguments") || r->options->lenient ? 0 : expect_field(w, "arguments");
}

/* A call of a kind that only the server which made it knows: it goes back in the client's own body. */
static bool is_open_call(yyjson_val *v)
{
	struct bytes type = json_str(json_get(v, "type"));

	return type.n > 0 && !bytes_eq(type, B("function")) && !bytes_eq(type, B("custom"));
}

static int check_call(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct chat_member members[] = { { B("id"), chat_is_string },
						      { B("type"), chat_is_string },
						      { B("function"), check_function } };
	yyjson_val *f = json_get(v, "function");
	bool lenient = r->options->lenient;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct OpenAICompatibleToolCall");
	if (chat_check_members(r, w, v, members, COUNT(members)))
		return -1;
	if (!json_get(v, "id"))
		return expect_field(w, "id");
	if (!json_get(v, "type") && !lenient)
		return expect_field(w, "type");
	if (lenient && yyjson_is_str(json_get(json_get(v, "custom"), "name")))
		return 0;
	if (lenient && !f && is_open_call(v))
		return 0;
	return f ? 0 : expect_field(w, "function");
}

static int check_summary(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes kinds[] = { B("summary_text") };
	yyjson_val *kind = json_get(v, "type"), *text = json_get(v, "text");
	struct buf said;

	(void)r;
	if (bytes_set(json_raw(v)))
		return expect_fail(w, "invalid_type", "invalid type: number, expected object");
	if (!yyjson_is_obj(v))
		return expect_type(w, v, "object");
	if (!yyjson_is_str(kind))
		return expect_fail(w, "missing_required_parameter",
				   "TensorZeroDerive: missing tag field `type`");
	if (expect_one_of(w, json_str(kind), kinds, 1) < 0)
		return -1;
	if (!text)
		return expect_field(w, "text");
	if (yyjson_is_str(text))
		return 0;
	buf_init(&said, MAX_SAID); /* of a path that is lost the last step shows all the same */
	expect_print(text, &said);
	expect_fail(w, "invalid_type", "text: invalid type: %.*s, expected a string",
		    BFMT(buf_bytes(&said)));
	buf_deinit(&said);
	return -1;
}

static int check_index(struct reader *r, const struct where *w, yyjson_val *v)
{
	(void)r;
	return expect_usize(w, v);
}

static int check_summaries(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, check_summary);
}

/* A member of a thought or an unknown block, whose place TensorZero loses. */
static int check_extra_member(struct reader *r, const struct where *w, yyjson_val *key,
			      bool thought)
{
	static const struct {
		struct bytes name;
		chat_read_fn *check;
		bool thought, unknown;
	} members[] = {
		{ B("insert_index"), check_index, true, true },
		{ B("text"), chat_is_string, true, false },
		{ B("signature"), chat_is_string, true, false },
		{ B("provider_type"), chat_is_string, true, false },
		{ B("_internal_provider_type"), chat_is_string, true, false },
		{ B("summary"), check_summaries, true, false },
		{ B("model_name"), chat_is_string, false, true },
		{ B("provider_name"), chat_is_string, false, true },
	};
	yyjson_val *v = yyjson_obj_iter_get_val(key);
	struct where at = WHERE_LOST(w, json_str(key));

	for (size_t i = 0; i < COUNT(members) && !yyjson_is_null(v); i++)
		if (bytes_eq(members[i].name, at.key) &&
		    (thought ? members[i].thought : members[i].unknown))
			return members[i].check(r, &at, v);
	return 0;
}

static int check_extra(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("thought"), B("unknown") };
	struct where at = WHERE_KEY(w, B("type"));
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	yyjson_val *key;
	struct bytes type;
	int which;

	if (chat_read_tag(w, v, "ExtraContentBlock", &type))
		return -1;
	which = expect_one_of(&at, type, types, 2);
	if (which < 0)
		return -1;
	while ((key = yyjson_obj_iter_next(&it)))
		if (check_extra_member(r, w, key, which == 0))
			return -1;
	return which == 1 && !json_get(v, "data") ? expect_field(w, "data") : 0;
}

static int check_calls(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, check_call);
}

static int check_extras(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, check_extra);
}

static const struct bytes role_names[CHAT_ROLES] = {
	B("developer"), B("system"), B("user"), B("assistant"), B("tool"), B("function"),
};

static enum chat_role role_of(yyjson_val *message)
{
	struct bytes name = json_str(json_get(message, "role"));
	size_t i = 0;

	while (i < CHAT_ROLES && !bytes_eq(name, role_names[i]))
		i++;
	return (enum chat_role)i;
}

static int check_message(struct reader *r, const struct where *place, yyjson_val *v)
{
	static const struct chat_member of_assistant[] = {
		{ B("tool_calls"), check_calls, true },
		{ B("tensorzero_extra_content"), check_extras, true },
	};
	struct where inner = *place, *w = &inner;
	yyjson_val *role = json_get(v, "role");

	inner.inner = true;
	if (bytes_set(json_raw(v)))
		return expect_fail(w, "invalid_type", "invalid type: number, expected object");
	if (!yyjson_is_obj(v))
		return expect_type(w, v, "object");
	if (!yyjson_is_str(role))
		return expect_fail(w, "missing_required_parameter",
				   "TensorZeroDerive: missing tag field `role`");
	switch (role_of(v)) {
	case CHAT_ASSISTANT: return chat_check_members(r, w, v, of_assistant, COUNT(of_assistant));
	case CHAT_TOOL:
		if (!json_get(v, "tool_call_id"))
			return expect_field(w, "tool_call_id");
		return check_string(w, v, "tool_call_id");
	case CHAT_FUNCTION:
		if (r->options->lenient)
			return json_get(v, "name") ? 0 : expect_field(w, "name");
		break;
	case CHAT_DEVELOPER:
	case CHAT_SYSTEM:
	case CHAT_USER: return json_get(v, "content") ? 0 : expect_field(w, "content");
	case CHAT_ROLES: break;
	}
	expect_one_of(w, json_str(role), role_names, CHAT_FUNCTION); /* those before it */
	return -1;
}

int openai_check_messages(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->messages = v;
	return chat_each(r, w, v, check_message);
}

/* ---- second pass: messages ---- */

static bool is_text(const struct block *b)
{
	return b->type == BLOCK_TEXT || b->type == BLOCK_RAW_TEXT;
}

static int message_add(struct reader *r, enum role role, struct draft *d)
{
	struct inference *inf = r->inf;

	d->m.role = role;
	return arena_push(r->arena, inf->messages, inf->nmessages, inf->cmessages, d->m) ? 0 : -1;
}

/* Texts, a line each, between two others. p == NULL: out of memory. */
static struct bytes join_lines(struct reader *r, struct bytes open, const struct bytes *texts,
			       size_t ntexts, struct bytes close)
{
	size_t n = open.n + close.n;
	char *out, *at;

	if (ntexts == 1 && n == 0)
		return *texts;
	for (size_t i = 0; i < ntexts; i++)
		n += texts[i].n + 1;
	out = arena_alloc_raw(r->arena, n + 1);
	if (!out)
		return (struct bytes){ NULL, 0 };
	at = mempcpy(out, open.p, open.n);
	for (size_t i = 0; i < ntexts; i++) {
		if (i > 0)
			*at++ = '\n';
		at = mempcpy(at, texts[i].p, texts[i].n);
	}
	at = mempcpy(at, close.p, close.n);
	return (struct bytes){ out, (size_t)(at - out) };
}

/* A system message in its place: between tags. */
static int late_system(struct reader *r, struct draft *d)
{
	struct bytes *texts = NULL, text;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < d->m.len; i++) {
		if (d->m.content[i].type == BLOCK_TEMPLATE)
			return message_add(r, ROLE_USER, d);
		if (!arena_push(r->arena, texts, n, cap, d->m.content[i].text))
			return -1;
	}
	if (n == 0)
		return 0;
	text = join_lines(r, B("<system>"), texts, n, B("</system>"));
	if (!bytes_set(text))
		return -1;
	d->m.content[0] = (struct block){ .type = BLOCK_TEXT, .text = text };
	d->m.len = 1;
	return message_add(r, ROLE_USER, d);
}

static int read_system(struct reader *r, struct draft *d, yyjson_val *v)
{
	struct inference *inf = r->inf;

	if (chat_read_content(r, d, json_get(v, "content")))
		return -1;
	for (size_t i = 0; i < d->m.len; i++) {
		const struct block *b = &d->m.content[i];

		if (!is_text(b) && b->type != BLOCK_TEMPLATE)
			return openai_refuse(
				d->at, "invalid_value",
				"System message must contain only text or template content blocks");
	}
	if (r->options->system_in_place && inf->nmessages > 0)
		return late_system(r, d);
	for (size_t i = 0; i < d->m.len; i++) {
		const struct block *b = &d->m.content[i];

		if (b->type == BLOCK_TEMPLATE) {
			if (r->nsystem > 0 || inf->system_template)
				return openai_refuse(
					d->at, "invalid_value",
					"System message cannot contain template with other content");
			inf->system_template = &d->m.content[i];
		} else if (inf->system_template) {
			return openai_refuse(d->at, "invalid_value",
					     "Cannot add text after template system message");
		} else if (!arena_push(r->arena, r->system, r->nsystem, r->csystem, b->text)) {
			return -1;
		}
	}
	return 0;
}

static int join_system(struct reader *r)
{
	if (r->nsystem == 0)
		return 0;
	r->inf->system = join_lines(r, B(""), r->system, r->nsystem, B(""));
	return bytes_set(r->inf->system) ? 0 : -1;
}

/* A call of the history; `call` holds its name and its arguments. */
static int call_add(struct reader *r, struct draft *d, struct bytes id, yyjson_val *call,
		    bool custom)
{
	struct known_call *known = arena_new(r->arena, struct known_call);
	struct block b = {
		.type = BLOCK_TOOL_CALL,
		.id = id,
		.name = json_str(json_get(call, "name")),
		.arguments = json_str(json_get(call, custom ? "input" : "arguments")),
		.custom = custom,
	};

	if (!known)
		return -1;
	*known = (struct known_call){ b.id, b.name };
	if (!bytes_set(b.arguments))
		b.arguments = B("");
	if (!id_fits(&id_openai_chat, b.id) || !id_fits(&name_openai, b.name) ||
	    (b.arguments.n == 0 && !custom))
		r->inf->source_edit = true;
	r->ncalls++;
	return map_put(&r->calls, b.id, known) || chat_block_add(r, d, b) ? -1 : 0;
}

/* Its result finds it by its id. */
static int open_call_add(struct reader *r, struct draft *d, yyjson_val *one)
{
	struct known_call *known = arena_new(r->arena, struct known_call);
	struct block b = { .type = BLOCK_UNKNOWN, .text = json_print_arena(one, r->arena) };

	if (!known || !bytes_set(b.text))
		return -1;
	*known = (struct known_call){ json_str(json_get(one, "id")),
				      json_str(json_get(one, "type")) };
	r->ncalls++;
	return map_put(&r->calls, known->id, known) || chat_block_add(r, d, b) ? -1 : 0;
}

static int read_calls(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(v, "tool_calls"));
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it))) {
		yyjson_val *f = json_get(one, "function"), *custom = json_get(one, "custom");

		if (!f && !yyjson_is_str(json_get(custom, "name"))) {
			if (open_call_add(r, d, one))
				return -1;
			continue;
		}
		if (call_add(r, d, json_str(json_get(one, "id")), f ? f : custom, !f && custom))
			return -1;
	}
	return 0;
}

/* The form before tools; its results name the function instead of an id. */
static int read_function_call(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_val *call = json_get(v, "function_call"), *name = json_get(call, "name");
	struct bytes id;

	if (!yyjson_is_obj(call) || !yyjson_is_str(name))
		return 0;
	r->inf->source_intact = false;
	id = arena_printf(r->arena, "call_fn_%zu", r->ncalls);
	if (!bytes_set(id) || call_add(r, d, id, call, false))
		return -1;
	return map_put(&r->legacy_calls, json_str(name), map_get(&r->calls, id));
}

static int read_thought(struct reader *r, yyjson_val *v, struct block *b)
{
	yyjson_val *provider = json_get(v, "provider_type"), *extra = json_get(v, "extra_data"),
		   *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(v, "summary"));
	size_t cap = 0;

	*b = (struct block){ .type = BLOCK_THOUGHT, .text = json_str(json_get(v, "text")) };
	b->signature = json_str(json_get(v, "signature"));
	b->provider_type = json_str(provider ? provider : json_get(v, "_internal_provider_type"));
	if (extra && !yyjson_is_null(extra)) {
		b->extra_data = json_print_arena(extra, r->arena);
		if (!bytes_set(b->extra_data))
			return -1;
	}
	while ((one = yyjson_arr_iter_next(&it))) {
		struct summary s = { .text = json_str(json_get(one, "text")) };

		if (bytes_set(s.text) && !arena_push(r->arena, b->summaries, b->nsummaries, cap, s))
			return -1;
	}
	return 0;
}

static int block_insert(struct reader *r, struct draft *d, struct block b, size_t at)
{
	if (d->ninserted++ == CHAT_MAX_INSERTED)
		return openai_refuse(d->at, "invalid_value",
				     "A message has more than %d thoughts and unknown blocks",
				     CHAT_MAX_INSERTED);
	if (chat_block_add(r, d, b))
		return -1;
	at = at < d->m.len - 1 ? at : d->m.len - 1;
	memmove(d->m.content + at + 1, d->m.content + at, (d->m.len - 1 - at) * sizeof b);
	d->m.content[at] = b;
	return 0;
}

static int read_extra(struct reader *r, yyjson_val *v, struct block *b)
{
	if (bytes_eq(json_str(json_get(v, "type")), B("thought")))
		return read_thought(r, v, b);
	*b = (struct block){
		.type = BLOCK_UNKNOWN,
		.text = json_print_arena(json_get(v, "data"), r->arena),
		.model_name = json_str(json_get(v, "model_name")),
		.provider_name = json_str(json_get(v, "provider_name")),
	};
	return bytes_set(b->text) ? 0 : -1;
}

/* The one of lowest rank, which is its index; without one it comes last. The first of equals. */
static yyjson_val *next_extra(yyjson_val *list, bool *done, uint64_t *rank)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *v, *best = NULL;
	size_t chosen = 0;

	for (size_t i = 0; (v = yyjson_arr_iter_next(&it)); i++) {
		uint64_t mine;

		if (done[i])
			continue;
		if (!json_u64(json_get(v, "insert_index"), &mine))
			mine = UINT64_MAX;
		if (best && mine >= *rank)
			continue;
		best = v;
		*rank = mine;
		chosen = i;
	}
	done[chosen] = true;
	return best;
}

/* A stream gives a thought's text as reasoning_content and its signature alone as extra content. Where a single thought
 * came back so, that text is its own: without it the signature would be taken for a thought that was never shown. */
static struct bytes text_apart(yyjson_val *message, yyjson_val *list)
{
	yyjson_val *only = yyjson_arr_get_first(list);

	if (yyjson_arr_size(list) != 1 || bytes_set(json_str(json_get(only, "text"))))
		return (struct bytes){ 0 };
	return json_str(json_get(message, "reasoning_content"));
}

/* By ascending index first; then those without one go to the front, in their order. `text`: of a thought that has but a
 * signature; may be unset. */
static int read_extra_content(struct reader *r, struct draft *d, yyjson_val *list,
			      struct bytes text)
{
	size_t n = yyjson_arr_size(list), front = 0;
	bool done[CHAT_MAX_INSERTED] = { false };

	if (n > CHAT_MAX_INSERTED)
		return openai_refuse(d->at, "invalid_value",
				     "`tensorzero_extra_content` has more than %d blocks",
				     CHAT_MAX_INSERTED);
	for (size_t round = 0; round < n; round++) {
		struct block b;
		uint64_t rank = 0;

		if (read_extra(r, next_extra(list, done, &rank), &b))
			return -1;
		if (b.type == BLOCK_THOUGHT && bytes_set(b.signature) && text.n > 0)
			b.text = text;
		if (block_insert(r, d, b, rank == UINT64_MAX ? front++ : (size_t)rank))
			return -1;
	}
	return 0;
}

/* Reasoning that a client sends back; the last of these that is there wins. */
static int read_reasoning(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_val *details = json_get(v, "reasoning_details"), *one;
	yyjson_arr_iter it = yyjson_arr_iter_with(details);
	struct block b = { .type = BLOCK_THOUGHT, .text = json_str(json_get(v, "reasoning")) };
	size_t front = 0;

	if (yyjson_arr_size(json_get(v, "tensorzero_extra_content")) > 0)
		return 0;
	if (yyjson_arr_size(details) == 0) {
		if (!bytes_set(b.text))
			b.text = json_str(json_get(v, "reasoning_content"));
		return b.text.n > 0 ? block_insert(r, d, b, 0) : 0;
	}
	while ((one = yyjson_arr_iter_next(&it))) {
		if (read_thought(r, one, &b))
			return -1;
		if ((bytes_set(b.text) || bytes_set(b.signature)) && block_insert(r, d, b, front++))
			return -1;
	}
	return 0;
}

/* What only lenient surfaces read. */
static int read_further(struct reader *r, struct draft *d, yyjson_val *v)
{
	return read_function_call(r, d, v) || read_reasoning(r, d, v) ? -1 : 0;
}

static int read_assistant(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_val *content = json_get(v, "content"),
		   *extra = json_get(v, "tensorzero_extra_content");
	struct bytes refusal = json_str(json_get(v, "refusal")), text = { 0 };
	struct block said = { .type = BLOCK_TEXT, .text = refusal };
	bool lenient = r->options->lenient;
	bool no_text = lenient && yyjson_is_str(content) && json_str(content).n == 0 &&
		       yyjson_arr_size(json_get(v, "tool_calls")) > 0;

	if (content && !yyjson_is_null(content) && !no_text && chat_read_content(r, d, content))
		return -1;
	if (lenient && refusal.n > 0 && chat_block_add(r, d, said))
		return -1;
	if (read_calls(r, d, v) || (lenient && read_further(r, d, v)))
		return -1;
	if (extra)
		r->inf->source_edit = true;
	if (lenient)
		text = text_apart(v, extra);
	if (yyjson_arr_size(extra) > 0 && read_extra_content(r, d, extra, text))
		return -1;
	return message_add(r, ROLE_ASSISTANT, d);
}

/* Texts of the parts, a line each; with files the parts themselves as well (surfaces §6.4). */
static int read_result_parts(struct reader *r, struct draft *d, yyjson_val *list, struct block *b)
{
	struct draft parts = { .at = d->at, .role = CHAT_USER };
	struct bytes *texts = NULL;
	size_t n = 0, cap = 0;

	if (chat_read_content(r, &parts, list))
		return -1;
	for (size_t i = 0; i < parts.m.len; i++) {
		const struct block *part = &parts.m.content[i];

		if (!is_text(part)) {
			b->parts = parts.m.content;
			b->nparts = parts.m.len;
		} else if ((n > 0 || part->text.n > 0) && /* no empty lines in front */
			   !arena_push(r->arena, texts, n, cap, part->text)) {
			return -1;
		}
	}
	b->text = join_lines(r, B(""), texts, n, B(""));
	return bytes_set(b->text) ? 0 : -1;
}

static int read_result(struct reader *r, struct draft *d, yyjson_val *content, struct block *b)
{
	if (r->options->results_as_sent) {
		if (!content || yyjson_is_null(content)) {
			b->text = B("");
			return 0;
		}
		if (yyjson_is_arr(content))
			return read_result_parts(r, d, content, b);
	}
	if (r->options->results_as_sent && yyjson_is_str(content))
		b->text = json_str(content);
	else
		b->text = content ? json_print_arena(content, r->arena) : B("null");
	return bytes_set(b->text) ? 0 : -1;
}

/* Consecutive tool messages are the results of one user message. */
static int read_tool(struct reader *r, struct draft *d, yyjson_val *v, bool follows)
{
	struct inference *inf = r->inf;
	struct bytes id = json_str(json_get(v, "tool_call_id")), function = { NULL, 0 };
	struct block b = { .type = BLOCK_TOOL_RESULT };
	const struct known_call *call;

	if (d->role == CHAT_FUNCTION) {
		inf->source_intact = false;
		function = json_str(json_get(v, "name"));
	}
	call = bytes_set(function) ? map_get(&r->legacy_calls, function) : map_get(&r->calls, id);
	if (!call)
		return openai_refuse(d->at, "invalid_value", "tool call id not found");
	b.id = call->id;
	b.name = call->name;
	if (!id_fits(&id_openai_chat, b.id))
		inf->source_edit = true;
	if (read_result(r, d, json_get(v, "content"), &b))
		return -1;
	if (!follows)
		return chat_block_add(r, d, b) ? -1 : message_add(r, ROLE_USER, d);
	d->m = inf->messages[inf->nmessages - 1];
	if (chat_block_add(r, d, b))
		return -1;
	inf->messages[inf->nmessages - 1] = d->m;
	return 0;
}

static int read_user(struct reader *r, struct draft *d, yyjson_val *v)
{
	return chat_read_content(r, d, json_get(v, "content")) ? -1 : message_add(r, ROLE_USER, d);
}

int openai_read_messages(struct reader *r)
{
	struct where list = WHERE_LOST(&r->root, B("messages"));
	yyjson_arr_iter it = yyjson_arr_iter_with(r->messages);
	bool follows = false; /* the message before was a tool's */
	yyjson_val *v;

	for (size_t i = 0; (v = yyjson_arr_iter_next(&it)); i++) {
		struct where at = WHERE_LOST_AT(&list, i);
		struct draft d = { .at = &at, .role = role_of(v) };
		bool tool = d.role == CHAT_TOOL || d.role == CHAT_FUNCTION;
		int bad;

		if (tool)
			bad = read_tool(r, &d, v, follows);
		else if (d.role == CHAT_USER)
			bad = read_user(r, &d, v);
		else if (d.role == CHAT_ASSISTANT)
			bad = read_assistant(r, &d, v);
		else
			bad = read_system(r, &d, v);
		if (bad)
			return -1;
		follows = tool;
	}
	return join_system(r);
}
