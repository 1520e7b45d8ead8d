/*
 * A client's chat request -> struct chat_request (http-api §12, surfaces §3.1).
 *
 * TensorZero reads in passes, and which error comes first is part of the contract: syntax; types of all
 * known fields in the order of the document; missing fields; then the checks of §12.2; then the messages.
 * So the members are first sorted into slots by a table of fields (the last of duplicates wins, in the place of
 * the first), each slot is read with its row's function, and what needs several fields comes after.
 */
#include "wire/openai_chat/read_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/json_edit.h"
#include "wire/openai_chat/write_request.h"

#define PREFIX "Invalid request to OpenAI-compatible endpoint: "

int openai_refuse(const struct where *w, const char *code, const char *fmt, ...)
{
	struct buf b;
	va_list args;

	buf_init(&b, 64u << 10);
	va_start(args, fmt);
	buf_vprintf(&b, fmt, args);
	va_end(args);
	fail(ERR_INVALID_OPENAI_REQUEST, PREFIX "%.*s", BFMT(buf_bytes(&b)));
	buf_deinit(&b);
	where_mark(w, code);
	return -1;
}

typedef int read_fn(struct reader *, const struct where *, yyjson_val *);

static int read_model(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_string(w, v, &r->env->model);
}

static int read_max_tokens(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_u32(w, v, &r->max_tokens);
}

static int read_max_completion_tokens(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_u32(w, v, &r->max_completion_tokens);
}

static int read_seed(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_SEED;
	return expect_u32(w, v, &r->env->inf.seed);
}

static int read_temperature(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_TEMPERATURE;
	return expect_f32(w, v, &r->env->inf.temperature);
}

static int read_top_p(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_TOP_P;
	return expect_f32(w, v, &r->env->inf.top_p);
}

static int read_presence_penalty(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_PRESENCE_PENALTY;
	return expect_f32(w, v, &r->env->inf.presence_penalty);
}

static int read_frequency_penalty(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_FREQUENCY_PENALTY;
	return expect_f32(w, v, &r->env->inf.frequency_penalty);
}

static int read_reasoning_effort(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_REASONING_EFFORT;
	return expect_string(w, v, &r->env->inf.reasoning_effort);
}

static int read_verbosity(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_VERBOSITY;
	return expect_string(w, v, &r->env->inf.verbosity);
}

static int read_service_tier(struct reader *r, const struct where *w, yyjson_val *v)
{
	r->env->inf.own |= OWN_SERVICE_TIER;
	if (r->profile == PROFILE_OPENAI) /* tiers of other vendors are their servers' matter */
		return expect_string(w, v, &r->env->inf.service_tier);
	return openai_read_service_tier(w, v, &r->env->inf.service_tier);
}

static int read_parallel(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tool_config *t = openai_tools(r);
	bool parallel;

	if (!t)
		return -1;
	if (expect_bool(w, v, &parallel) < 0)
		return -1;
	t->parallel = parallel;
	r->env->parallel_given = true;
	r->env->inf.own |= OWN_PARALLEL;
	return 0;
}

static int read_stream(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->env->stream);
}

static int read_stream_options(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("include_usage"));
	yyjson_val *usage;
	bool include;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct OpenAICompatibleStreamOptions");
	usage = json_get(v, "include_usage");
	if (!usage || (r->profile == PROFILE_OPENAI && yyjson_is_null(usage)))
		return 0;
	if (expect_bool(&at, usage, &include) < 0)
		return -1;
	r->env->include_usage = include;
	return 0;
}

static int read_n(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_u32(w, v, &r->n);
}

static int read_variant_name(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_string(w, v, &r->env->variant_name);
}

static int read_dryrun(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->env->dryrun);
}

static int read_namespace(struct reader *r, const struct where *w, yyjson_val *v)
{
	if (expect_string(w, v, &r->env->namespace_) < 0)
		return -1;
	if (r->env->namespace_.n == 0)
		return expect_fail(w, "invalid_value", "Namespace identifier cannot be empty");
	if (bytes_starts(r->env->namespace_, B("tensorzero::")))
		return expect_fail(w, "invalid_value",
				   "Namespace cannot start with `tensorzero::`: %.*s",
				   BFMT(r->env->namespace_));
	return 0;
}

static int read_tags(struct reader *r, const struct where *w, yyjson_val *v)
{
	return openai_read_pairs(r, w, v, &r->env->tags, &r->env->ntags, &r->env->ctags);
}

static int read_credentials(struct reader *r, const struct where *w, yyjson_val *v)
{
	return openai_read_pairs(r, w, v, &r->env->credentials, &r->env->ncredentials,
				 &r->env->ccredentials);
}

static int read_dynamic_variant(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("chat_completion"),
					      B("experimental_best_of_n_sampling"),
					      B("experimental_dynamic_in_context_learning"),
					      B("experimental_mixture_of_n"),
					      B("experimental_chain_of_thought") };
	struct bytes type = json_str(json_get(v, "type"));

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct UninitializedVariantInfo");
	r->env->dynamic_variant = true;
	if (!bytes_set(type))
		return expect_field(w, "type");
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (bytes_eq(types[i], type))
			return 0;
	return expect_variant(
		w, type,
		"one of `chat_completion`, `experimental_best_of_n_sampling`, `experimental_dynamic_in_context_learning`, `experimental_mixture_of_n`, `experimental_chain_of_thought`");
}

static int read_include_raw_usage(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->env->include_raw_usage);
}

static int read_include_raw_response(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->env->include_raw_response);
}

static int read_include_original(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->env->include_original_response);
}

static int read_deny_unknown(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_bool(w, v, &r->deny_unknown);
}

static int read_user(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_string(w, v, &r->env->user);
}

static int read_safety_identifier(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_string(w, v, &r->env->safety_identifier);
}

static int read_prompt_cache_key(struct reader *r, const struct where *w, yyjson_val *v)
{
	return expect_string(w, v, &r->env->prompt_cache_key);
}

static int read_functions(struct reader *r, const struct where *w, yyjson_val *v)
{
	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	r->functions = v;
	return 0;
}

static int read_function_call(struct reader *r, const struct where *w, yyjson_val *v)
{
	if (!yyjson_is_str(v) && !yyjson_is_obj(v))
		return expect_type(w, v, "string or map");
	r->function_call = v;
	return 0;
}

struct field {
	struct bytes name;
	read_fn *read;
	bool optional; /* null counts as absent; profile openai: everywhere */
	bool openai;   /* known to that profile only */
};

#define F(name, read, optional)                                  \
	{                                                        \
		{ name, sizeof name - 1 }, read, optional, false \
	}
#define O(name, read)                                       \
	{                                                   \
		{ name, sizeof name - 1 }, read, true, true \
	}
static const struct field fields[] = {
	F("messages", openai_check_messages, false),
	F("model", read_model, false),
	F("stream", read_stream, true),
	F("max_tokens", read_max_tokens, true),
	F("temperature", read_temperature, true),
	F("tools", openai_read_tools, true),
	F("tool_choice", openai_read_tool_choice, true),
	F("stream_options", read_stream_options, true),
	F("max_completion_tokens", read_max_completion_tokens, true),
	F("top_p", read_top_p, true),
	F("seed", read_seed, true),
	F("presence_penalty", read_presence_penalty, true),
	F("frequency_penalty", read_frequency_penalty, true),
	F("reasoning_effort", read_reasoning_effort, true),
	F("service_tier", read_service_tier, true),
	F("verbosity", read_verbosity, true),
	F("stop", openai_read_stop, true),
	F("response_format", openai_read_response_format, true),
	F("parallel_tool_calls", read_parallel, true),
	F("n", read_n, true),
	F("tensorzero::variant_name", read_variant_name, true),
	F("tensorzero::dryrun", read_dryrun, true),
	F("tensorzero::episode_id", openai_read_episode_id, true),
	F("tensorzero::namespace", read_namespace, true),
	F("tensorzero::cache_options", openai_read_cache_options, true),
	F("tensorzero::extra_body", openai_read_extra_body, false),
	F("tensorzero::extra_headers", openai_read_extra_headers, false),
	F("tensorzero::tags", read_tags, false),
	F("tensorzero::credentials", read_credentials, false),
	F("tensorzero::internal_dynamic_variant_config", read_dynamic_variant, true),
	F("tensorzero::provider_tools", openai_read_provider_tools, false),
	F("tensorzero::params", openai_read_params, true),
	F("tensorzero::include_raw_usage", read_include_raw_usage, false),
	F("tensorzero::include_raw_response", read_include_raw_response, false),
	F("tensorzero::include_original_response", read_include_original, false),
	F("tensorzero::deny_unknown_fields", read_deny_unknown, false),
	O("user", read_user),
	O("safety_identifier", read_safety_identifier),
	O("prompt_cache_key", read_prompt_cache_key),
	O("metadata", openai_read_metadata),
	O("functions", read_functions),
	O("function_call", read_function_call),
};
#undef F
#undef O
#define NFIELDS (sizeof fields / sizeof *fields)

static const struct field *field_of(struct bytes name, enum profile profile)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		const struct field *f = &fields[i];

		if (f->name.n == name.n && f->name.p[0] == name.p[0] && bytes_eq(f->name, name))
			return f->openai && profile != PROFILE_OPENAI ? NULL : f;
	}
	return NULL;
}

/* Members sorted into the table's slots; `order` keeps where each first stood. */
struct members {
	yyjson_val *slots[NFIELDS];
	const struct field *order[NFIELDS];
	size_t norder;
	struct bytes *unknown; /* each name once */
	size_t nunknown, cunknown;
	bool has_input;
};

static int unknown_add(struct reader *r, struct members *m, struct bytes name)
{
	if (m->nunknown < 64) /* beyond that a name may stand twice in a list that nobody reads */
		for (size_t i = 0; i < m->nunknown; i++)
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
		const struct field *f = name.n > 0 ? field_of(name, r->profile) : NULL;

		if (!f) {
			m->has_input |= bytes_eq(name, B("input"));
			if (unknown_add(r, m, name) < 0)
				return -1;
			continue;
		}
		if (!m->slots[f - fields])
			m->order[m->norder++] = f;
		else
			r->env->inf.source_repeats = true;
		m->slots[f - fields] = yyjson_obj_iter_get_val(key);
	}
	return 0;
}

static int read_fields(struct reader *r, const struct members *m)
{
	for (size_t i = 0; i < m->norder; i++) {
		const struct field *f = m->order[i];
		yyjson_val *v = m->slots[f - fields];
		struct where at = WHERE_KEY(&r->root, f->name);
		bool required = f->read == openai_check_messages || f->read == read_model;

		if (yyjson_is_null(v) &&
		    (f->optional || (r->profile == PROFILE_OPENAI && !required)))
			continue;
		if (f->read(r, &at, v) < 0)
			return -1;
	}
	if (!r->messages && r->profile == PROFILE_OPENAI && m->has_input) {
		struct where at = WHERE_KEY(&r->root, B("input"));

		return openai_refuse(
			&at, "unsupported_parameter",
			"`input` in the place of `messages` (a Responses body) is not built yet");
	}
	if (!r->messages)
		return expect_field(&r->root, "messages");
	if (!bytes_set(r->env->model))
		return expect_field(&r->root, "model");
	return 0;
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

static int check_unknown(struct reader *r, const struct members *m)
{
	struct bytes names;

	if (m->nunknown == 0)
		return 0;
	names = join_unknown(r, m);
	if (!bytes_set(names))
		return -1;
	if (r->deny_unknown)
		return openai_refuse(
			&r->root, "unsupported_parameter",
			"`tensorzero::deny_unknown_fields` is set to true, but found unknown fields in the request: [%.*s]",
			BFMT(names));
	for (size_t i = 0; r->profile == PROFILE_OPENAI && i < m->nunknown; i++) {
		struct where at = WHERE_KEY(&r->root, m->unknown[i]);

		if (bytes_starts(m->unknown[i], B("tensorzero::")))
			return openai_refuse(&at, "unsupported_parameter", "unknown field `%.*s`",
					     BFMT(m->unknown[i]));
	}
	if (r->profile == PROFILE_TENSORZERO)
		r->env->ignored = names;
	return 0;
}

static int check_n(struct reader *r)
{
	struct where at = WHERE_KEY(&r->root, B("n"));

	if (!bytes_set(r->n) || bytes_eq(r->n, B("1")))
		return 0;
	if (r->profile == PROFILE_OPENAI)
		return openai_refuse(
			&at, "unsupported_value",
			"`n` other than 1 is not supported. Please omit this parameter or set it to 1.");
	return openai_refuse(
		&at, "unsupported_value",
		"TensorZero does not support `n` other than 1. Please omit this parameter or set it to 1.");
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
	if (r->profile == PROFILE_OPENAI && model.n > 0)
		return 0;
	if (r->profile == PROFILE_OPENAI)
		return openai_refuse(&at, "missing_required_parameter", "`model` cannot be empty");
	return openai_refuse(
		&at, "invalid_value",
		"`model` field must start with `tensorzero::function_name::` or `tensorzero::model_name::`. For example, `tensorzero::function_name::my_function` for a function `my_function` defined in your config, `tensorzero::model_name::my_model` for a model `my_model` defined in your config, or default functions like `tensorzero::model_name::openai::gpt-4o-mini`.");
}

static uint64_t number_of(struct bytes digits)
{
	uint64_t n = 0;

	bytes_to_u64(digits, &n);
	return n;
}

static int join_max_tokens(struct reader *r)
{
	struct inference *inf = &r->env->inf;
	bool both = bytes_set(r->max_tokens) && bytes_set(r->max_completion_tokens);
	bool first = both ? number_of(r->max_tokens) <= number_of(r->max_completion_tokens)
			  : bytes_set(r->max_tokens);

	inf->max_tokens = first ? r->max_tokens : r->max_completion_tokens;
	if (!bytes_set(inf->max_tokens))
		return 0;
	if (!both)
		inf->own |= OWN_MAX_TOKENS;
	if (r->profile == PROFILE_OPENAI && number_of(inf->max_tokens) == 0) {
		struct where at =
			WHERE_KEY(&r->root, first ? B("max_tokens") : B("max_completion_tokens"));

		return openai_refuse(&at, "invalid_value", "`%.*s` must be at least 1",
				     BFMT(at.key));
	}
	return 0;
}

/* tensorzero::params win over OpenAI's fields. */
static void overlay(struct reader *r)
{
	struct inference *to = &r->env->inf;
	const struct inference *from = &r->params;
	const struct {
		struct bytes *to;
		const struct bytes *from;
		unsigned own;
	} values[] = {
		{ &to->temperature, &from->temperature, OWN_TEMPERATURE },
		{ &to->max_tokens, &from->max_tokens, OWN_MAX_TOKENS },
		{ &to->seed, &from->seed, OWN_SEED },
		{ &to->top_p, &from->top_p, OWN_TOP_P },
		{ &to->presence_penalty, &from->presence_penalty, OWN_PRESENCE_PENALTY },
		{ &to->frequency_penalty, &from->frequency_penalty, OWN_FREQUENCY_PENALTY },
		{ &to->reasoning_effort, &from->reasoning_effort, OWN_REASONING_EFFORT },
		{ &to->verbosity, &from->verbosity, OWN_VERBOSITY },
		{ &to->service_tier, &from->service_tier, OWN_SERVICE_TIER },
		{ &to->thinking_budget_tokens, &from->thinking_budget_tokens, 0 },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (bytes_set(*values[i].from)) {
			*values[i].to = *values[i].from;
			to->own &= ~values[i].own;
		}
	}
	if (from->stop_set) {
		to->stop = from->stop;
		to->nstop = from->nstop;
		to->stop_set = true;
		to->own &= ~(unsigned)OWN_STOP;
	}
	if (from->json_mode != JSON_MODE_UNSET) {
		to->json_mode = from->json_mode;
		to->own &= ~(unsigned)OWN_RESPONSE_FORMAT;
	}
}

static struct bytes json_mode_name(enum json_mode m)
{
	switch (m) {
	case JSON_MODE_UNSET:
		break;
	case JSON_MODE_OFF:
		return B("off");
	case JSON_MODE_ON:
		return B("on");
	case JSON_MODE_STRICT:
		return B("strict");
	case JSON_MODE_TOOL:
		return B("tool");
	}
	return (struct bytes){ NULL, 0 };
}

static void param_key(struct buf *b, const char *key)
{
	buf_append(b, b->len > 1 ? B(",\"") : B("\""));
	buf_append(b, bytes_of(key));
	buf_append(b, B("\":"));
}

static void param_number(struct buf *b, const char *key, struct bytes digits)
{
	if (!bytes_set(digits))
		return;
	param_key(b, key);
	buf_append(b, digits);
}

static void param_string(struct buf *b, const char *key, struct bytes text)
{
	if (!bytes_set(text))
		return;
	param_key(b, key);
	buf_json_string(b, text);
}

static bool no_params(const struct inference *i)
{
	return !bytes_set(i->temperature) && !bytes_set(i->max_tokens) && !bytes_set(i->seed) &&
	       !bytes_set(i->top_p) && !bytes_set(i->presence_penalty) &&
	       !bytes_set(i->frequency_penalty) && i->json_mode == JSON_MODE_UNSET &&
	       !i->stop_set && !bytes_set(i->reasoning_effort) && !bytes_set(i->service_tier) &&
	       !bytes_set(i->thinking_budget_tokens) && !bytes_set(i->verbosity);
}

static int print_params(struct reader *r)
{
	const struct inference *i = &r->env->inf;
	struct buf b;

	r->env->inference_params = B("{}");
	if (no_params(i))
		return 0;
	buf_init(&b, 1u << 20);
	buf_putc(&b, '{');
	param_number(&b, "temperature", i->temperature);
	param_number(&b, "max_tokens", i->max_tokens);
	param_number(&b, "seed", i->seed);
	param_number(&b, "top_p", i->top_p);
	param_number(&b, "presence_penalty", i->presence_penalty);
	param_number(&b, "frequency_penalty", i->frequency_penalty);
	param_string(&b, "json_mode", json_mode_name(i->json_mode));
	if (i->stop_set) {
		param_key(&b, "stop_sequences");
		buf_putc(&b, '[');
		for (size_t k = 0; k < i->nstop; k++) {
			if (k > 0)
				buf_putc(&b, ',');
			buf_json_string(&b, i->stop[k]);
		}
		buf_putc(&b, ']');
	}
	param_string(&b, "reasoning_effort", i->reasoning_effort);
	param_string(&b, "service_tier", i->service_tier);
	param_number(&b, "thinking_budget_tokens", i->thinking_budget_tokens);
	param_string(&b, "verbosity", i->verbosity);
	if (buf_putc(&b, '}') == 0)
		r->env->inference_params = arena_dup(r->arena, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(r->env->inference_params) ? 0 : -1;
}

static int check_tags(struct reader *r)
{
	for (size_t i = 0; i < r->env->ntags; i++) {
		struct bytes key = r->env->tags[i].key;

		if (!bytes_starts(key, B("tensorzero::")))
			continue;
		fail(ERR_INVALID_REQUEST, "Tag name cannot start with 'tensorzero::': %.*s",
		     BFMT(key));
		where_mark(&WHERE_KEY(&r->root, B("tensorzero::tags")), "invalid_value");
		return -1;
	}
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

static int read_all(struct reader *r, yyjson_val *root)
{
	struct members m = { 0 };
	struct envelope *env = r->env;

	if (!yyjson_is_obj(root))
		return expect_type(&r->root, root, "struct OpenAICompatibleParams");
	if (sort_members(r, root, &m) < 0 || read_fields(r, &m) < 0 || check_n(r) < 0 ||
	    check_unknown(r, &m) < 0)
		return -1;
	if (env->stream && env->include_raw_usage && env->include_usage == 0)
		return openai_refuse(
			&WHERE_KEY(&r->root, B("stream_options")), "invalid_value",
			"`tensorzero::include_raw_usage` requires `stream_options.include_usage` to be true (or omitted) for streaming requests");
	if (check_model(r) < 0 || join_max_tokens(r) < 0)
		return -1;
	if (r->params_given)
		overlay(r);
	if (openai_read_legacy(r) < 0 || openai_read_messages(r) < 0 || check_tags(r) < 0)
		return -1;
	env->inf.stream = env->stream;
	return print_params(r);
}

struct envelope *openai_chat_read_request(struct bytes body, enum profile profile, struct arena *a)
{
	struct chat_request *req = arena_new(a, struct chat_request);
	struct reader r = { .arena = a, .profile = profile, .req = req, .root = { .arena = a } };
	struct envelope *env;
	yyjson_val *root;

	if (!req)
		return NULL;
	env = r.env = &req->env;
	env->include_usage = -1;
	env->inf.profile = profile;
	if (profile == PROFILE_OPENAI) {
		env->inf.source = body;
		env->inf.source_wire = &wire_openai_chat;
		env->inf.source_intact = true; /* until a message says otherwise */
	}
	root = parse_body(body, a);
	if (!root || read_all(&r, root) < 0)
		env = NULL;
	map_deinit(&r.calls);
	map_deinit(&r.legacy_calls);
	return env;
}

/* --- what only OpenAI's family understands ------------------------------------------------------ */

static void foreign_tools(struct bytes list, struct buf *ignored)
{
	struct bytes one;
	struct json_member m;
	size_t pos = 0;

	for (size_t i = 0; json_next_element(list, &pos, &one) > 0; i++) {
		char path[128];
		int n;

		if (!json_find_member(one, B("type"), &m) || m.value.n < 2 || *m.value.p != '"' ||
		    bytes_eq(m.value, B("\"function\"")) || bytes_eq(m.value, B("\"custom\"")))
			continue;
		n = snprintf(path, sizeof path, "tools[%zu]:%.*s", i,
			     (int)(m.value.n < 66 ? m.value.n - 2 : 64), m.value.p + 1);
		chat_ignored(ignored, (struct bytes){ path, (size_t)n });
	}
}

void openai_chat_foreign_fields(const struct inference *inf, struct buf *ignored)
{
	struct bytes source = inf->source;
	struct json_member m;
	size_t pos = 0;

	while (source.n > 0 && *source.p != '{')
		source = bytes_slice(source, 1, source.n);
	while (bytes_set(source) && json_next_member(source, &pos, &m) > 0) {
		bool tools = json_key_is(m.key, B("tools")),
		     known = m.key.n > 0 && field_of(m.key, PROFILE_OPENAI);

		if (tools && *m.value.p == '[')
			foreign_tools(m.value, ignored);
		else if ((!known && !json_key_is(m.key, B("store"))) ||
			 json_key_is(m.key, B("prompt_cache_key")))
			chat_ignored(ignored, m.key);
	}
}
