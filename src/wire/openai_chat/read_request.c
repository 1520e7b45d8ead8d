/*
 * A client's chat request -> struct chat_request (http-api §12, surfaces §3.1).
 *
 * TensorZero reads in passes, and which error comes first is part of the contract: syntax; types of all
 * known fields in the order of the document; missing fields; then the checks of §12.2; then the messages.
 * So the members are first sorted into slots by a table of fields (the last of duplicates wins, in the place of
 * the first), each slot is read as its row says, and what needs several fields comes after.
 */
#include "wire/openai_chat/read_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json_last.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/write_request.h"

#define PREFIX      "Invalid request to OpenAI-compatible endpoint: "
#define MAX_MESSAGE (64u << 10)
#define MAX_COMPARE 64 /* names that are looked for among those before them */

int openai_refuse(const struct where *w, const char *code, const char *fmt, ...)
{
	struct buf b;
	va_list args;

	buf_init(&b, MAX_MESSAGE);
	va_start(args, fmt);
	buf_vprintf(&b, fmt, args);
	va_end(args);
	fail_param(ERR_INVALID_OPENAI_REQUEST, where_param(w), code, PREFIX "%.*s",
		   BFMT(buf_bytes(&b)));
	buf_deinit(&b);
	return -1;
}

int chat_each(struct reader *r, const struct where *w, yyjson_val *list, chat_read_fn *each)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(list))
		return expect_type(w, list, "a sequence");
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = { .up = w, .index = i++, .show = w->show };

		if (each(r, &at, one))
			return -1;
	}
	return 0;
}

int chat_check_members(struct reader *r, const struct where *w, yyjson_val *obj,
		       const struct chat_member *members, size_t n)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		struct where at = { .up = w, .key = json_str(key), .show = w->show };
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		size_t i = 0;

		while (i < n && !bytes_eq(members[i].name, at.key))
			i++;
		if (i == n ||
		    (yyjson_is_null(v) && (members[i].null_is_absent ||
					   (members[i].null_is_lenient && r->options->lenient))))
			continue;
		if (members[i].check(r, &at, v))
			return -1;
	}
	return 0;
}

int chat_is_string(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct bytes ignored;

	(void)r;
	return expect_string(w, v, &ignored);
}

int chat_is_bool(struct reader *r, const struct where *w, yyjson_val *v)
{
	bool ignored;

	(void)r;
	return expect_bool(w, v, &ignored);
}

/* ---- the fields ---- */

static int read_stream_options(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("include_usage"));
	yyjson_val *usage = json_get(v, "include_usage");
	bool include;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct OpenAICompatibleStreamOptions");
	if (chat_is_absent(r, usage))
		return 0;
	if (expect_bool(&at, usage, &include))
		return -1;
	r->env->include_usage = include;
	return 0;
}

static int read_functions(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->functions = v;
	return yyjson_is_arr(v) ? 0 : expect_type(w, v, "a sequence");
}

static int read_function_call(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->function_call = v;
	return yyjson_is_str(v) || yyjson_is_obj(v) ? 0 : expect_type(w, v, "string or map");
}

/* All but those that are parameters (inference/params.h). */
static const struct field {
	struct bytes name;
	enum { FIELD_TEXT, FIELD_BOOL, FIELD_U32, FIELD_LIMIT, FIELD_OWN } type;
	size_t at;          /* where in struct chat_request the value goes */
	chat_read_fn *read; /* FIELD_OWN */
	/* null is absence but where it is refused: by TensorZero's reader, by both */
	enum { NULL_ABSENT, NULL_REFUSED, NULL_NEVER } null;
	bool lenient; /* unknown to TensorZero's reader */
} fields[] = {
#define TEXT(member)  FIELD_TEXT, offsetof(struct chat_request, member), NULL
#define FLAG(member)  FIELD_BOOL, offsetof(struct chat_request, member), NULL
#define U32(member)   FIELD_U32, offsetof(struct chat_request, member), NULL
#define LIMIT(member) FIELD_LIMIT, offsetof(struct chat_request, member), NULL
#define OWN(read)     FIELD_OWN, 0, read
	{ B("messages"), OWN(openai_check_messages), NULL_NEVER },
	{ B("model"), TEXT(env.model), NULL_NEVER },
	{ B("stream"), FLAG(env.stream) },
	{ B("stream_options"), OWN(read_stream_options) },
	{ B("max_completion_tokens"), LIMIT(max_completion_tokens) },
	{ B("n"), U32(n) },
	{ B("tensorzero::variant_name"), TEXT(env.variant_name) },
	{ B("tensorzero::dryrun"), FLAG(env.dryrun) },
	{ B("tensorzero::episode_id"), OWN(openai_read_episode_id) },
	{ B("tensorzero::namespace"), OWN(openai_read_namespace) },
	{ B("tensorzero::cache_options"), OWN(openai_read_cache_options) },
	{ B("tensorzero::extra_body"), OWN(openai_read_extra_body), NULL_REFUSED },
	{ B("tensorzero::extra_headers"), OWN(openai_read_extra_headers), NULL_REFUSED },
	{ B("tensorzero::tags"), OWN(openai_read_tags), NULL_REFUSED },
	{ B("tensorzero::credentials"), OWN(openai_read_credentials), NULL_REFUSED },
	{ B("tensorzero::internal_dynamic_variant_config"), OWN(openai_read_dynamic_variant) },
	{ B("tensorzero::provider_tools"), OWN(openai_read_provider_tools), NULL_REFUSED },
	{ B("tensorzero::params"), OWN(openai_read_params) },
	{ B("tensorzero::include_raw_usage"), FLAG(env.include_raw_usage), NULL_REFUSED },
	{ B("tensorzero::include_raw_response"), FLAG(env.include_raw_response), NULL_REFUSED },
	{ B("tensorzero::include_original_response"), FLAG(env.include_original_response),
	  NULL_REFUSED },
	{ B("tensorzero::deny_unknown_fields"), FLAG(deny_unknown), NULL_REFUSED },
	{ B("user"), TEXT(env.user), .lenient = true },
	{ B("safety_identifier"), TEXT(env.safety_identifier), .lenient = true },
	{ B("prompt_cache_key"), TEXT(env.prompt_cache_key), .lenient = true },
	{ B("metadata"), OWN(openai_read_metadata), .lenient = true },
	{ B("functions"), OWN(read_functions), .lenient = true },
	{ B("function_call"), OWN(read_function_call), .lenient = true },
#undef TEXT
#undef FLAG
#undef U32
#undef LIMIT
#undef OWN
};

/* A slot is a field, behind these a parameter. */
#define NFIELDS COUNT(fields)
#define SLOTS   (NFIELDS + PARAMS)

static struct bytes slot_name(size_t slot)
{
	return slot < NFIELDS ? fields[slot].name : param_field((enum param)(slot - NFIELDS));
}

/* SLOTS: unknown. */
static size_t slot_of(struct bytes name, bool lenient)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct bytes known = slot_name(i);

		if (known.n != name.n || name.n == 0 || *known.p != *name.p ||
		    !bytes_eq(known, name))
			continue;
		return i < NFIELDS && fields[i].lenient && !lenient ? SLOTS : i;
	}
	return SLOTS;
}

static int read_field(struct reader *r, const struct where *w, yyjson_val *v, const struct field *f)
{
	void *to = (char *)r->req + f->at;

	switch (f->type) {
	case FIELD_TEXT: return expect_string(w, v, to);
	case FIELD_BOOL: return expect_bool(w, v, to);
	case FIELD_LIMIT: return r->options->lenient ? expect_i64(w, v, to) : expect_u32(w, v, to);
	case FIELD_U32: return expect_u32(w, v, to);
	case FIELD_OWN: break;
	}
	return f->read(r, w, v);
}

static bool null_is_absent(const struct reader *r, size_t slot)
{
	return slot >= NFIELDS || fields[slot].null == NULL_ABSENT ||
	       (fields[slot].null == NULL_REFUSED && r->options->lenient);
}

static int read_slot(struct reader *r, size_t slot, yyjson_val *v)
{
	struct where at = WHERE_KEY(&r->root, slot_name(slot));

	if (yyjson_is_null(v) && null_is_absent(r, slot))
		return 0;
	return slot < NFIELDS ? read_field(r, &at, v, &fields[slot])
			      : chat_read_param(r, &at, v, (enum param)(slot - NFIELDS));
}

/* ---- the members of the document ---- */

/* Members in their slots; `order` keeps where each first stood. */
struct members {
	yyjson_val *slots[SLOTS];
	size_t order[SLOTS], norder;
	struct bytes *unknown; /* each name once */
	size_t nunknown, cunknown;
	bool has_input;
};

static int unknown_add(struct reader *r, struct members *m, struct bytes name)
{
	size_t n = m->nunknown < MAX_COMPARE ? m->nunknown
					     : 0; /* beyond that a name may stand twice */

	for (size_t i = 0; i < n; i++)
		if (bytes_eq(m->unknown[i], name))
			return 0;
	return arena_push(r->arena, m->unknown, m->nunknown, m->cunknown, name) ? 0 : -1;
}

static int sort_members(struct reader *r, yyjson_val *root, struct members *m)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		struct bytes name = json_str(key);
		size_t slot = slot_of(name, r->options->lenient);

		if (slot == SLOTS) {
			m->has_input |= bytes_eq(name, B("input"));
			if (unknown_add(r, m, name))
				return -1;
			continue;
		}
		if (!m->slots[slot])
			m->order[m->norder++] = slot;
		else
			r->inf->source_repeats = true;
		m->slots[slot] = yyjson_obj_iter_get_val(key);
	}
	return 0;
}

static int read_members(struct reader *r, const struct members *m)
{
	struct where input = WHERE_KEY(&r->root, B("input"));

	for (size_t i = 0; i < m->norder; i++)
		if (read_slot(r, m->order[i], m->slots[m->order[i]]))
			return -1;
	if (!r->messages && r->options->lenient && m->has_input)
		return openai_refuse(
			&input, "unsupported_parameter",
			"`input` in the place of `messages` (a Responses body) is not built yet");
	if (!r->messages)
		return expect_field(&r->root, "messages");
	return bytes_set(r->env->model) ? 0 : expect_field(&r->root, "model");
}

static int by_name(const void *a, const void *b)
{
	return bytes_cmp(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* "a, b" of the unknown fields, in order of name. */
static struct bytes join_unknown(struct reader *r, const struct members *m)
{
	struct bytes text = B("");
	size_t n = 0;
	char *out;

	if (m->nunknown == 0)
		return text;
	qsort(m->unknown, m->nunknown, sizeof *m->unknown, by_name);
	for (size_t i = 0; i < m->nunknown; i++)
		n += m->unknown[i].n + 2;
	out = arena_alloc_raw(r->arena, n);
	if (!out)
		return (struct bytes){ NULL, 0 };
	text.p = out;
	for (size_t i = 0; i < m->nunknown; i++) {
		memcpy(out + text.n, m->unknown[i].p, m->unknown[i].n);
		text.n += m->unknown[i].n;
		memcpy(out + text.n, ", ", 2);
		text.n += 2;
	}
	text.n -= 2;
	return text;
}

/* Names that nobody knows. They go on in the client's own body, where that goes on. */
static int check_unknown(struct reader *r, const struct members *m)
{
	struct bytes names;

	if (m->nunknown == 0)
		return 0;
	names = join_unknown(r, m);
	if (!bytes_set(names))
		return -1;
	if (r->req->deny_unknown)
		return openai_refuse(
			&r->root, "unsupported_parameter",
			"`tensorzero::deny_unknown_fields` is set to true, but found unknown fields in the request: [%.*s]",
			BFMT(names));
	if (!r->options->keeps_source) {
		r->env->ignored = names;
		return 0;
	}
	for (size_t i = 0; i < m->nunknown; i++) {
		struct where at = WHERE_KEY(&r->root, m->unknown[i]);

		if (bytes_starts(m->unknown[i], B("tensorzero::")))
			return openai_refuse(&at, "unsupported_parameter", "unknown field `%.*s`",
					     BFMT(m->unknown[i]));
	}
	return 0;
}

static int64_t number_of(struct bytes digits)
{
	bool minus = digits.n && *digits.p == '-';
	uint64_t n = 0;

	bytes_to_u64(bytes_slice(digits, minus, digits.n), &n);
	return (int64_t)(minus ? 0 - n : n);
}

static int check_n(struct reader *r)
{
	struct where at = WHERE_KEY(&r->root, B("n"));
	int64_t n = bytes_set(r->req->n) ? number_of(r->req->n) : 1;

	r->inf->n = (unsigned)n;
	if (n == 1 || (r->options->lenient && n > 0 && n <= CHOICES_MAX))
		return 0;
	if (r->options->lenient)
		return openai_refuse(&at, "unsupported_value", "`n` must be from 1 to %d",
				     CHOICES_MAX);
	return openai_refuse(
		&at, "unsupported_value",
		"TensorZero does not support `n` other than 1. Please omit this parameter or set it to 1.");
}

static int check_raw_usage(struct reader *r)
{
	const struct envelope *env = r->env;

	if (!env->stream || !env->include_raw_usage || env->include_usage != 0)
		return 0;
	return openai_refuse(
		&WHERE_KEY(&r->root, B("stream_options")), "invalid_value",
		"`tensorzero::include_raw_usage` requires `stream_options.include_usage` to be true (or omitted) for streaming requests");
}

static int check_model(struct reader *r)
{
	static const struct {
		struct bytes prefix;
		const char *what;
	} forms[] = {
		{ B("tensorzero::function_name::"), "function_name" },
		{ B("tensorzero::model_name::"), "model_name" },
	};
	struct where at = WHERE_KEY(&r->root, B("model"));
	struct bytes model = r->env->model;

	for (size_t i = 0; i < 2; i++) {
		if (!bytes_starts(model, forms[i].prefix))
			continue;
		if (model.n > forms[i].prefix.n)
			return 0;
		return openai_refuse(&at, "invalid_value",
				     "%s (passed in model field after \"%.*s\") cannot be empty",
				     forms[i].what, BFMT(forms[i].prefix));
	}
	if (!r->options->prefixed_names)
		return model.n > 0 ? 0
				   : openai_refuse(&at, "missing_required_parameter",
						   "`model` cannot be empty");
	return openai_refuse(
		&at, "invalid_value",
		"`model` field must start with `tensorzero::function_name::` or `tensorzero::model_name::`. For example, `tensorzero::function_name::my_function` for a function `my_function` defined in your config, `tensorzero::model_name::my_model` for a model `my_model` defined in your config, or default functions like `tensorzero::model_name::openai::gpt-4o-mini`.");
}

/* Of the two names the smaller value counts; where the client's body goes on, both do, each under its own. 0 asks for
 * nothing; below it some servers see no limit, which other formats have no words for. */
static int join_max_tokens(struct reader *r)
{
	struct bytes *max = &r->inf->params[PARAM_MAX_TOKENS], name = param_field(PARAM_MAX_TOKENS),
		     other = r->req->max_completion_tokens;

	if (bytes_set(other)) {
		r->inf->own |= PARAM_BIT(PARAM_MAX_TOKENS);
		if (!bytes_set(*max) || number_of(*max) > number_of(other)) {
			*max = other;
			name = B("max_completion_tokens");
		}
	}
	if (!r->options->lenient || !bytes_set(*max) || number_of(*max) > 0)
		return 0;
	if (number_of(*max) == 0)
		return openai_refuse(&WHERE_KEY(&r->root, name), "invalid_value",
				     "`%.*s` must be at least 1", BFMT(name));
	r->inf->unsayable_param = name;
	r->inf->unsayable = arena_printf(r->arena, "`%.*s` must be at least 1", BFMT(name));
	return bytes_set(r->inf->unsayable) ? 0 : -1;
}

/* tensorzero::params win. */
static void overlay_params(struct reader *r)
{
	if (!r->params)
		return;
	params_overlay(r->inf, r->params);
	if (param_is_set(r->params, PARAM_MAX_TOKENS))
		r->inf->unsayable = (struct bytes){ NULL, 0 };
}

static int check_tags(struct reader *r)
{
	struct where at = WHERE_KEY(&r->root, B("tensorzero::tags"));

	for (size_t i = 0; i < r->env->ntags; i++)
		if (bytes_starts(r->env->tags[i].key, B("tensorzero::")))
			return fail_param(ERR_INVALID_REQUEST, where_param(&at), "invalid_value",
					  "Tag name cannot start with 'tensorzero::': %.*s",
					  BFMT(r->env->tags[i].key));
	return 0;
}

static yyjson_val *parse_body(struct bytes body, struct arena *a)
{
	struct bytes path = B("");
	yyjson_val *root = json_parse_path(body, a, &path);

	if (root || error_last()->kind != ERR_JSON_REQUEST)
		return root;
	return fail_null(ERR_JSON_REQUEST,
			 "Failed to parse the request body as JSON: %.*s%s%.*s (400 Bad Request)",
			 BFMT(path), path.n ? ": " : "", BFMT(error_last()->message));
}

int openai_check_keys(yyjson_val *root, const struct surface_options *options, struct arena *a)
{
	struct bytes path;
	int r = options->unique_keys ? json_repeated_key(root, a, &path) : 0;

	return r > 0 ? fail_param(ERR_INVALID_REQUEST, path, "invalid_request",
				  "The request body has the key `%.*s` twice (leave one of them)",
				  BFMT(path))
		     : r;
}

static int read_all(struct reader *r, yyjson_val *root)
{
	struct members m = { 0 };

	if (!yyjson_is_obj(root))
		return expect_type(&r->root, root, "struct OpenAICompatibleParams");
	if (sort_members(r, root, &m) || read_members(r, &m) || check_n(r) ||
	    check_unknown(r, &m) || check_raw_usage(r) || check_model(r) || join_max_tokens(r))
		return -1;
	overlay_params(r);
	r->inf->stream = r->env->stream;
	return openai_read_legacy(r) || openai_read_messages(r) || check_tags(r) ? -1 : 0;
}

struct envelope *openai_chat_read_request(struct bytes body, const struct surface_options *options,
					  struct arena *a)
{
	struct chat_request *req = arena_new(a, struct chat_request);
	struct reader r = { .arena = a, .options = options, .req = req, .root = { .arena = a } };
	yyjson_val *root;
	int bad;

	if (!req)
		return NULL;
	r.env = &req->env;
	r.inf = &req->env.inf;
	r.env->include_usage = -1;
	r.inf->options = options;
	if (options->keeps_source) {
		r.inf->source = body;
		r.inf->source_wire = &wire_openai_chat;
		r.inf->source_intact = true; /* until a message says otherwise */
	}
	root = parse_body(body, a);
	if (root && !options->lenient)
		root = json_last_of_keys(root, a);
	bad = !root || openai_check_keys(root, options, a) || read_all(&r, root);
	map_deinit(&r.calls);
	map_deinit(&r.legacy_calls);
	return bad ? NULL : r.env;
}

/* ---- what only OpenAI's family understands ---- */

static void foreign_tools(struct bytes list, struct buf *ignored)
{
	struct bytes one;
	struct json_member m;
	size_t pos = 0;

	for (size_t i = 0; json_next_element(list, &pos, &one) > 0; i++) {
		char path[128]; /* a type is cut to 64 bytes */
		int n;

		if (!json_find_member(one, B("type"), &m) || m.value.n < 2 || *m.value.p != '"' ||
		    bytes_eq(m.value, B("\"function\"")) || bytes_eq(m.value, B("\"custom\"")))
			continue;
		n = snprintf(path, sizeof path, "tools[%zu]:%.*s", i,
			     (int)(m.value.n < 66 ? m.value.n - 2 : 64), m.value.p + 1);
		chat_ignored(ignored, (struct bytes){ path, (size_t)n });
	}
}

/* A value that is the client's own and none of those that Signet has words for. */
static bool is_open_value(const struct inference *inf, size_t slot)
{
	return slot >= NFIELDS && slot < SLOTS && inf->own & PARAM_BIT(slot - NFIELDS) &&
	       !param_is_set(inf, (enum param)(slot - NFIELDS));
}

int openai_chat_foreign_fields(const struct inference *inf, struct buf *ignored)
{
	struct bytes source = inf->source;
	struct json_member m;
	size_t pos = 0;

	if (bytes_set(inf->unsayable))
		return fail_param(ERR_INVALID_REQUEST, inf->unsayable_param, "unsupported_value",
				  "%.*s", BFMT(inf->unsayable));

	while (bytes_set(source) && json_next_member(source, &pos, &m) > 0) {
		bool tools = json_key_is(m.key, B("tools"));
		size_t slot = slot_of(m.key, true);

		if (tools && *m.value.p == '[')
			foreign_tools(m.value, ignored);
		else if ((slot == SLOTS && !json_key_is(m.key, B("store"))) ||
			 json_key_is(m.key, B("prompt_cache_key")) || is_open_value(inf, slot))
			chat_ignored(ignored, m.key);
	}
	return 0;
}
