/*
 * The conversation of a chat request -> messages of blocks (http-api §12.3, surfaces §3.1, §6.1-6.4).
 *
 * Two passes, as TensorZero has them: openai_check_messages() looks at types while the fields are read,
 * openai_read_messages() translates when everything else was found good (the parts of content: openai_chat/read_parts.c).
 *
 * The profiles differ in what a model will see: `tensorzero` moves all system texts to the front and encodes
 * the content of tool messages as JSON once more; `openai` keeps late system texts in place, inside <system>
 * tags, passes tool texts on as they are, and reads the reasoning fields that clients send back.
 */
#include "wire/openai_chat/read_request.h"

#include "base/error.h"
#include "wire/openai_chat/ids.h"

/* --- first pass: types ------------------------------------------------------------------------ */

static int check_call(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("function"));
	yyjson_val *id = json_get(v, "id"), *type = json_get(v, "type"),
		   *f = json_get(v, "function"), *one;
	bool openai = r->profile == PROFILE_OPENAI;
	struct bytes ignored;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct OpenAICompatibleToolCall");
	if (id && expect_string(&WHERE_KEY(w, B("id")), id, &ignored) < 0)
		return -1;
	if (type && expect_string(&WHERE_KEY(w, B("type")), type, &ignored) < 0)
		return -1;
	if (f && !yyjson_is_obj(f))
		return expect_type(&at, f, "struct OpenAICompatibleFunctionCall");
	for (size_t i = 0; f && i < 2; i++) {
		const char *key = i ? "arguments" : "name";

		one = json_get(f, key);
		if (!one && !(openai && i))
			return expect_field(&at, key);
		if (one && expect_string(&WHERE_KEY(&at, bytes_of(key)), one, &ignored) < 0)
			return -1;
	}
	if (!id)
		return expect_field(w, "id");
	if (!type && !openai)
		return expect_field(w, "type");
	if (openai && yyjson_is_str(json_get(json_get(v, "custom"), "name")))
		return 0;
	return f ? 0 : expect_field(w, "function");
}

static int check_extra(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("type"));
	yyjson_val *type = json_get(v, "type"), *index = json_get(v, "insert_index");
	uint64_t n;

	(void)r;
	if (!yyjson_is_obj(v))
		return expect_type(w, v, "internally tagged enum OpenAICompatibleExtraContent");
	if (!type)
		return expect_field(w, "type");
	if (!yyjson_is_str(type))
		return expect_type(&at, type, "variant identifier");
	if (index && !yyjson_is_null(index) && !bytes_set(json_raw(index)))
		return expect_type(w, index, "usize");
	if (index && !yyjson_is_null(index) && !json_u64(index, &n))
		return expect_value(w, index, "usize");
	if (bytes_eq(json_str(type), B("unknown")))
		return json_get(v, "data") ? 0 : expect_field(w, "data");
	if (!bytes_eq(json_str(type), B("thought")))
		return expect_variant(&at, json_str(type), "`thought` or `unknown`");
	for (size_t i = 0; i < 3; i++) {
		static const char *const keys[] = { "text", "signature", "provider_type" };
		yyjson_val *one = json_get(v, keys[i]);

		if (one && !yyjson_is_null(one) && !yyjson_is_str(one))
			return expect_type(w, one, "a string");
	}
	return 0;
}

typedef int check_fn(struct reader *, const struct where *, yyjson_val *);

static int check_list(struct reader *r, const struct where *w, struct bytes key, yyjson_val *v,
		      check_fn *check)
{
	struct where list = WHERE_KEY(w, key);
	yyjson_arr_iter it;
	yyjson_val *one;
	size_t i = 0;

	if (!v || yyjson_is_null(v))
		return 0;
	if (!yyjson_is_arr(v))
		return expect_type(&list, v, "a sequence");
	it = yyjson_arr_iter_with(v);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(&list, i++);

		if (check(r, &at, one) < 0)
			return -1;
	}
	return 0;
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

static const char *kind_of(yyjson_val *v)
{
	return bytes_set(json_raw(v)) ? "number" : NULL;
}

static int check_message(struct reader *r, const struct where *w, yyjson_val *v)
{
	bool openai = r->profile == PROFILE_OPENAI;
	yyjson_val *role = json_get(v, "role"), *id;
	struct bytes ignored;

	if (kind_of(v))
		return expect_fail(w, "invalid_type", "invalid type: number, expected object");
	if (!yyjson_is_obj(v))
		return expect_type(w, v, "object");
	if (!yyjson_is_str(role))
		return expect_fail(w, "missing_required_parameter",
				   "TensorZeroDerive: missing tag field `role`");
	switch (role_of(v)) {
	case CHAT_ASSISTANT:
		if (check_list(r, w, B("tool_calls"), json_get(v, "tool_calls"), check_call) < 0)
			return -1;
		return check_list(r, w, B("tensorzero_extra_content"),
				  json_get(v, "tensorzero_extra_content"), check_extra);
	case CHAT_TOOL:
		id = json_get(v, "tool_call_id");
		if (!id)
			return expect_field(w, "tool_call_id");
		return expect_string(&WHERE_KEY(w, B("tool_call_id")), id, &ignored);
	case CHAT_FUNCTION:
		if (openai)
			return json_get(v, "name") ? 0 : expect_field(w, "name");
		break;
	case CHAT_DEVELOPER:
	case CHAT_SYSTEM:
	case CHAT_USER:
		return json_get(v, "content") ? 0 : expect_field(w, "content");
	case CHAT_ROLES:
		break;
	}
	return expect_variant(w, json_str(role),
			      "one of `developer`, `system`, `user`, `assistant`, `tool`");
}

int openai_check_messages(struct reader *r, const struct where *w, yyjson_val *v)
{
	yyjson_arr_iter it;
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	it = yyjson_arr_iter_with(v);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(w, i++);

		at.inner = true;
		if (check_message(r, &at, one) < 0)
			return -1;
	}
	r->messages = v;
	return 0;
}

/* --- second pass: messages -------------------------------------------------------------------- */

static int message_add(struct reader *r, enum role role, struct draft *d)
{
	struct inference *inf = &r->env->inf;

	d->m.role = role;
	return arena_push(r->arena, inf->messages, inf->nmessages, inf->cmessages, d->m) ? 0 : -1;
}

/* The texts of a system message, joined by LF, between tags. */
static int late_system(struct reader *r, struct draft *d)
{
	struct bytes open = B("<system>"), close = B("</system>");
	size_t n = open.n + close.n, at = 0;
	char *text;

	for (size_t i = 0; i < d->m.len; i++) {
		if (d->m.content[i].type == BLOCK_TEMPLATE)
			return message_add(r, ROLE_USER, d);
		n += d->m.content[i].text.n + 1;
	}
	if (d->m.len == 0)
		return 0;
	text = arena_alloc_raw(r->arena, n);
	if (!text)
		return -1;
	memcpy(text, open.p, at = open.n);
	for (size_t i = 0; i < d->m.len; i++) {
		struct bytes t = d->m.content[i].text;

		if (i > 0)
			text[at++] = '\n';
		memcpy(text + at, t.p, t.n);
		at += t.n;
	}
	memcpy(text + at, close.p, close.n);
	d->m.content[0] = (struct block){ .type = BLOCK_TEXT, .text = { text, at + close.n } };
	d->m.len = 1;
	return message_add(r, ROLE_USER, d);
}

static int read_system(struct reader *r, struct draft *d, yyjson_val *v)
{
	struct inference *inf = &r->env->inf;

	if (chat_read_content(r, d, json_get(v, "content")) < 0)
		return -1;
	for (size_t i = 0; i < d->m.len; i++) {
		enum block_type t = d->m.content[i].type;

		if (t != BLOCK_TEXT && t != BLOCK_RAW_TEXT && t != BLOCK_TEMPLATE)
			return openai_refuse(
				d->at, "invalid_value",
				"System message must contain only text or template content blocks");
	}
	if (r->profile == PROFILE_OPENAI && inf->nmessages > 0)
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
	size_t n = 0;
	char *text;

	if (r->nsystem == 0)
		return 0;
	if (r->nsystem == 1) {
		r->env->inf.system = r->system[0];
		return 0;
	}
	for (size_t i = 0; i < r->nsystem; i++)
		n += r->system[i].n + 1;
	text = arena_alloc_raw(r->arena, n);
	if (!text)
		return -1;
	r->env->inf.system.p = text;
	for (size_t i = 0; i < r->nsystem; i++) {
		memcpy(text, r->system[i].p, r->system[i].n);
		text += r->system[i].n;
		*text++ = '\n';
	}
	r->env->inf.system.n = n - 1;
	return 0;
}

static int call_add(struct reader *r, struct draft *d, struct block b, bool legacy)
{
	struct known_call *known = arena_new(r->arena, struct known_call);

	if (!known)
		return -1;
	*known = (struct known_call){ b.id, b.name };
	if (b.id.n > CHAT_ID_MAX || !chat_name_fits(b.name) || (b.arguments.n == 0 && !b.custom) ||
	    legacy)
		r->env->inf.source_edit = true;
	if (legacy)
		r->env->inf.source_intact = false;
	if (map_put(&r->calls, b.id, known) || (legacy && map_put(&r->legacy_calls, b.name, known)))
		return -1;
	r->ncalls++;
	return chat_block_add(r, d, b);
}

static int read_calls(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(v, "tool_calls"));
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it))) {
		struct block b = { .type = BLOCK_TOOL_CALL, .id = json_str(json_get(one, "id")) };
		yyjson_val *f = json_get(one, "function"),
			   *custom = f ? NULL : json_get(one, "custom");

		b.custom = custom != NULL;
		b.name = json_str(json_get(custom ? custom : f, "name"));
		b.arguments =
			json_str(json_get(custom ? custom : f, custom ? "input" : "arguments"));
		if (!bytes_set(b.arguments))
			b.arguments = B("");
		if (call_add(r, d, b, false) < 0)
			return -1;
	}
	return 0;
}

/* The form before tools; its results name the function instead of an id. */
static int read_function_call(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_val *call = json_get(v, "function_call");
	struct block b = { .type = BLOCK_TOOL_CALL };

	if (!yyjson_is_obj(call) || !yyjson_is_str(json_get(call, "name")))
		return 0;
	b.id = arena_printf(r->arena, "call_fn_%zu", r->ncalls);
	b.name = json_str(json_get(call, "name"));
	b.arguments = json_str(json_get(call, "arguments"));
	if (!bytes_set(b.arguments))
		b.arguments = B("");
	return bytes_set(b.id) ? call_add(r, d, b, true) : -1;
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
	if (chat_block_add(r, d, b) < 0)
		return -1;
	at = at < d->m.len - 1 ? at : d->m.len - 1;
	memmove(d->m.content + at + 1, d->m.content + at, (d->m.len - 1 - at) * sizeof b);
	d->m.content[at] = b;
	return 0;
}

/* Those without an index go to the front in their order, then the others by ascending index. */
static int read_extra_content(struct reader *r, struct draft *d, yyjson_val *list)
{
	size_t n = yyjson_arr_size(list), front = 0;
	bool done[CHAT_MAX_INSERTED] = { false };

	if (n > CHAT_MAX_INSERTED)
		return openai_refuse(d->at, "invalid_value",
				     "`tensorzero_extra_content` has more than %d blocks",
				     CHAT_MAX_INSERTED);
	for (size_t round = 0; round < n; round++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(list);
		yyjson_val *v, *best = NULL;
		uint64_t index, lowest = UINT64_MAX;
		size_t i = 0, chosen = 0;
		struct block b;

		for (; (v = yyjson_arr_iter_next(&it)); i++) {
			bool placed = json_u64(json_get(v, "insert_index"), &index);

			if (done[i])
				continue;
			if (!placed) {
				best = v;
				chosen = i;
				lowest = UINT64_MAX;
				break;
			}
			if (!best || index < lowest) {
				best = v;
				chosen = i;
				lowest = index;
			}
		}
		done[chosen] = true;
		if (bytes_eq(json_str(json_get(best, "type")), B("thought"))) {
			if (read_thought(r, best, &b) < 0)
				return -1;
		} else {
			b = (struct block){ .type = BLOCK_UNKNOWN };
			b.text = json_print_arena(json_get(best, "data"), r->arena);
			b.model_name = json_str(json_get(best, "model_name"));
			b.provider_name = json_str(json_get(best, "provider_name"));
			if (!bytes_set(b.text))
				return -1;
		}
		if (block_insert(r, d, b, lowest == UINT64_MAX ? front++ : (size_t)lowest) < 0)
			return -1;
	}
	return 0;
}

/* Reasoning that a client sends back (profile openai); the last of these that is there wins. */
static int read_reasoning(struct reader *r, struct draft *d, yyjson_val *v)
{
	struct block b = { .type = BLOCK_THOUGHT };
	yyjson_val *details = json_get(v, "reasoning_details"), *one;
	yyjson_arr_iter it;

	if (yyjson_arr_size(json_get(v, "tensorzero_extra_content")) > 0)
		return 0;
	if (yyjson_arr_size(details) > 0) {
		size_t front = 0;

		it = yyjson_arr_iter_with(details);
		while ((one = yyjson_arr_iter_next(&it))) {
			if (read_thought(r, one, &b) < 0)
				return -1;
			if (!bytes_set(b.text) && !bytes_set(b.signature))
				continue;
			if (block_insert(r, d, b, front++) < 0)
				return -1;
		}
		return 0;
	}
	b.text = json_str(json_get(v, "reasoning"));
	if (!bytes_set(b.text))
		b.text = json_str(json_get(v, "reasoning_content"));
	return b.text.n > 0 ? block_insert(r, d, b, 0) : 0;
}

static int read_assistant(struct reader *r, struct draft *d, yyjson_val *v)
{
	yyjson_val *content = json_get(v, "content"), *refusal = json_get(v, "refusal");
	yyjson_val *extra = json_get(v, "tensorzero_extra_content");
	bool openai = r->profile == PROFILE_OPENAI;

	if (content && !yyjson_is_null(content) &&
	    !(openai && yyjson_is_str(content) && json_str(content).n == 0 &&
	      yyjson_arr_size(json_get(v, "tool_calls")) > 0) &&
	    chat_read_content(r, d, content) < 0)
		return -1;
	if (openai && json_str(refusal).n > 0 &&
	    chat_block_add(r, d, (struct block){ .type = BLOCK_TEXT, .text = json_str(refusal) }) <
		    0)
		return -1;
	if (read_calls(r, d, v) < 0 || (openai && read_function_call(r, d, v) < 0) ||
	    (openai && read_reasoning(r, d, v) < 0))
		return -1;
	if (extra && openai)
		r->env->inf.source_edit = true;
	if (yyjson_arr_size(extra) > 0 && read_extra_content(r, d, extra) < 0)
		return -1;
	return message_add(r, ROLE_ASSISTANT, d);
}

static const struct known_call *call_of(const struct reader *r, struct bytes id,
					struct bytes function)
{
	return bytes_set(function) ? map_get(&r->legacy_calls, function) : map_get(&r->calls, id);
}

/* Texts of the parts joined by LF; with files the parts themselves as well (surfaces §6.4). */
static int read_result_parts(struct reader *r, struct draft *d, yyjson_val *list, struct block *b)
{
	struct draft parts_of = { .at = d->at, .role = CHAT_USER };
	size_t n = 0, at = 0;
	bool files = false;
	char *text;

	if (chat_read_content(r, &parts_of, list) < 0)
		return -1;
	for (size_t i = 0; i < parts_of.m.len; i++) {
		struct block *p = &parts_of.m.content[i];

		if (p->type == BLOCK_TEXT || p->type == BLOCK_RAW_TEXT)
			n += p->text.n + 1;
		else
			files = true;
	}
	text = arena_alloc_raw(r->arena, n + 1);
	if (!text)
		return -1;
	for (size_t i = 0; i < parts_of.m.len; i++) {
		struct block *p = &parts_of.m.content[i];

		if (p->type != BLOCK_TEXT && p->type != BLOCK_RAW_TEXT)
			continue;
		if (at > 0)
			text[at++] = '\n';
		memcpy(text + at, p->text.p, p->text.n);
		at += p->text.n;
	}
	b->text = (struct bytes){ text, at };
	if (files) {
		b->parts = parts_of.m.content;
		b->nparts = parts_of.m.len;
	}
	return 0;
}

static int read_result(struct reader *r, struct draft *d, yyjson_val *v, struct block *b)
{
	yyjson_val *content = json_get(v, "content");

	if (r->profile == PROFILE_OPENAI) {
		b->text = json_str(content);
		if (!content || yyjson_is_null(content))
			b->text = B("");
		if (yyjson_is_arr(content))
			return read_result_parts(r, d, content, b);
		if (bytes_set(b->text))
			return 0;
	}
	b->text = content ? json_print_arena(content, r->arena) : B("null");
	return bytes_set(b->text) ? 0 : -1;
}

/* Consecutive tool messages are the results of one user message. */
static int read_tool(struct reader *r, struct draft *d, yyjson_val *v, bool follows)
{
	struct inference *inf = &r->env->inf;
	struct bytes id = json_str(json_get(v, "tool_call_id")), function = { NULL, 0 };
	struct block b = { .type = BLOCK_TOOL_RESULT };
	const struct known_call *call;

	if (d->role == CHAT_FUNCTION) {
		function = json_str(json_get(v, "name"));
		inf->source_intact = false;
	}
	call = call_of(r, id, function);
	if (!call)
		return openai_refuse(d->at, "invalid_value", "tool call id not found");
	b.id = call->id;
	b.name = call->name;
	if (b.id.n > CHAT_ID_MAX)
		inf->source_edit = true;
	if (read_result(r, d, v, &b) < 0)
		return -1;
	if (follows) {
		d->m = inf->messages[inf->nmessages - 1];
		if (chat_block_add(r, d, b) < 0)
			return -1;
		inf->messages[inf->nmessages - 1] = d->m;
		return 0;
	}
	return chat_block_add(r, d, b) < 0 ? -1 : message_add(r, ROLE_USER, d);
}

int openai_read_messages(struct reader *r)
{
	struct where list = WHERE_LOST(&r->root, B("messages"));
	yyjson_arr_iter it = yyjson_arr_iter_with(r->messages);
	bool follows = false;
	yyjson_val *v;
	int bad;

	for (size_t i = 0; (v = yyjson_arr_iter_next(&it)); i++) {
		struct where at = WHERE_LOST_AT(&list, i);
		struct draft d = { .at = &at, .role = role_of(v) };
		bool tool = d.role == CHAT_TOOL || d.role == CHAT_FUNCTION;

		if (tool)
			bad = read_tool(r, &d, v, follows);
		else if (d.role == CHAT_USER)
			bad = chat_read_content(r, &d, json_get(v, "content")) < 0
				      ? -1
				      : message_add(r, ROLE_USER, &d);
		else if (d.role == CHAT_ASSISTANT)
			bad = read_assistant(r, &d, v);
		else
			bad = read_system(r, &d, v);
		if (bad < 0)
			return -1;
		follows = tool;
	}
	return join_system(r);
}
