/*
 * The fields of a chat request that are more than a string or a number: tools and their choice, formats,
 * and TensorZero's own fields. Errors are in the words of TensorZero's reader, which loses the path inside
 * tagged unions ("tools[0]: missing field `name`"): WHERE_LOST steps keep it for `param` only.
 */
#include "wire/openai_chat/read_request.h"

#include <stdio.h>

#include "base/error.h"

#define MAX_METADATA       16
#define MAX_METADATA_KEY   64
#define MAX_METADATA_VALUE 512

struct tool_config *openai_tools(struct reader *r)
{
	struct tool_config **t = &r->env->inf.tools;

	if (!*t) {
		*t = arena_new(r->arena, struct tool_config);
		if (*t)
			(*t)->parallel = -1;
	}
	return *t;
}

/* `key` of an object: 0 and *out, or the error that it is missing. */
static int member(const struct where *w, yyjson_val *obj, const char *key, yyjson_val **out)
{
	*out = json_get(obj, key);
	return *out ? 0 : expect_field(w, key);
}

static int one_of(const struct where *w, struct bytes got, const struct bytes *names, size_t n,
		  const char *list)
{
	for (size_t i = 0; i < n; i++)
		if (bytes_eq(got, names[i]))
			return (int)i;
	return expect_variant(w, got, list);
}

/* The tag of an internally tagged union: its place shows in the text when the value is the wrong one. */
static int tag(const struct where *w, yyjson_val *v, const char *type, struct bytes *out)
{
	struct where at = WHERE_KEY(w, B("type"));
	yyjson_val *t;

	if (yyjson_is_arr(v) && yyjson_arr_size(v) == 0)
		return expect_field(w, "type");
	if (!yyjson_is_obj(v)) {
		char expected[96];

		snprintf(expected, sizeof expected, "internally tagged enum %s", type);
		return expect_type(w, v, expected);
	}
	if (member(w, v, "type", &t) < 0)
		return -1;
	if (!yyjson_is_str(t))
		return expect_type(&at, t, "variant identifier");
	*out = json_str(t);
	return 0;
}

/* --- tools ------------------------------------------------------------------------------------ */

static int read_description(struct tool *t, const struct where *w, yyjson_val *obj)
{
	struct where at = WHERE_LOST(w, B("description"));
	yyjson_val *v = json_get(obj, "description");

	t->description = B("");
	if (!v || yyjson_is_null(v))
		return 0;
	t->described = true;
	return expect_string(&at, v, &t->description);
}

static int read_function(struct reader *r, struct tool *t, const struct where *w, yyjson_val *obj)
{
	struct where at = WHERE_LOST(w, B("strict"));
	struct where name_at = WHERE_LOST(w, B("name"));
	yyjson_val *name, *parameters, *strict = json_get(obj, "strict");
	bool openai = r->profile == PROFILE_OPENAI;

	if (!yyjson_is_obj(obj))
		return expect_type(w, obj, "struct OpenAICompatibleFunctionTool");
	if ((name = json_get(obj, "name")) && expect_string(&name_at, name, &t->name) < 0)
		return -1;
	if (read_description(t, w, obj) < 0)
		return -1;
	if (strict && !(openai && yyjson_is_null(strict)) &&
	    expect_bool(&at, strict, &t->strict) < 0)
		return -1;
	if (!name)
		return expect_field(w, "name");
	parameters = json_get(obj, "parameters");
	if (!parameters && openai) { /* a function without parameters is legal to OpenAI */
		t->parameters = B("{\"type\":\"object\",\"properties\":{}}");
		return 0;
	}
	if (!parameters)
		return expect_field(w, "parameters");
	t->parameters = json_print_arena(parameters, r->arena);
	return bytes_set(t->parameters) ? 0 : -1;
}

static int read_grammar(struct reader *r, struct tool *t, const struct where *w, yyjson_val *format)
{
	static const struct bytes syntaxes[] = { B("lark"), B("regex") };
	struct where at = WHERE_LOST(w, B("grammar"));
	yyjson_val *grammar, *syntax, *definition;
	struct bytes name, text;
	struct buf b;

	if (member(w, format, "grammar", &grammar) < 0)
		return -1;
	if (!yyjson_is_obj(grammar))
		return expect_type(&at, grammar, "struct OpenAIGrammarDefinition");
	if (member(&at, grammar, "syntax", &syntax) < 0 || expect_string(&at, syntax, &name) < 0 ||
	    one_of(&at, name, syntaxes, 2, "`lark` or `regex`") < 0 ||
	    member(&at, grammar, "definition", &definition) < 0 ||
	    expect_string(&at, definition, &text) < 0)
		return -1;
	buf_init(&b, 100u << 20);
	if (buf_append(&b, B("{\"type\":\"grammar\",\"grammar\":{\"syntax\":")) == 0 &&
	    buf_json_string(&b, name) == 0 && buf_append(&b, B(",\"definition\":")) == 0 &&
	    buf_json_string(&b, text) == 0 && buf_append(&b, B("}}")) == 0)
		t->format = arena_dup(r->arena, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(t->format) ? 0 : -1;
}

static int read_format(struct reader *r, struct tool *t, const struct where *w, yyjson_val *format)
{
	static const struct bytes types[] = { B("text"), B("grammar") };
	struct where at = WHERE_LOST(w, B("format"));
	struct bytes type;

	if (!format || yyjson_is_null(format))
		return 0;
	if (tag(&at, format, "OpenAICustomToolFormat", &type) < 0)
		return -1;
	switch (one_of(&at, type, types, 2, "`text` or `grammar`")) {
	case 0:
		t->format = B("{\"type\":\"text\"}");
		return 0;
	case 1:
		return read_grammar(r, t, &at, format);
	default:
		return -1;
	}
}

static int read_custom(struct reader *r, struct tool *t, const struct where *w, yyjson_val *obj)
{
	static const struct bytes known[] = { B("name"), B("description"), B("format"), B("type") };
	bool openai = r->profile == PROFILE_OPENAI;
	struct where name_at = WHERE_LOST(w, B("name"));
	yyjson_obj_iter it;
	yyjson_val *key, *name;

	t->custom = true;
	if (!yyjson_is_obj(obj))
		return expect_type(w, obj, "struct OpenAICustomTool");
	it = yyjson_obj_iter_with(obj);
	while (!openai && (key = yyjson_obj_iter_next(&it))) {
		size_t i = 0;

		while (i < 3 && !bytes_eq(json_str(key), known[i]))
			i++;
		if (i == 3)
			return expect_fail(
				w, "unsupported_parameter",
				"unknown field `%.*s`, expected one of `name`, `description`, `format`",
				BFMT(json_str(key)));
	}
	if (member(w, obj, "name", &name) < 0 || expect_string(&name_at, name, &t->name) < 0 ||
	    read_description(t, w, obj) < 0)
		return -1;
	return read_format(r, t, w, json_get(obj, "format"));
}

/* A tool type that only OpenAI's servers know stays as the client wrote it, for pass-through. */
static int read_tool(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("function"), B("custom") };
	static const char *const names[] = { "function", "custom" };
	struct tool_config *config = openai_tools(r);
	struct tool t = { 0 };
	struct bytes type;
	yyjson_val *body;
	int which;

	if (!config || tag(w, v, "OpenAICompatibleTool", &type) < 0)
		return -1;
	which = bytes_eq(type, types[0]) ? 0 : bytes_eq(type, types[1]) ? 1 : -1;
	if (which < 0 && r->profile == PROFILE_OPENAI)
		return 0;
	if (which < 0) {
		struct where at = WHERE_KEY(w, B("type"));

		return expect_variant(&at, type, "`function` or `custom`");
	}
	body = json_get(v, names[which]);
	if (!body && r->profile == PROFILE_OPENAI && json_get(v, "name")) {
		body = v; /* the flat form of the Responses API */
		r->env->inf.own &= ~(unsigned)OWN_TOOLS;
	}
	if (!body)
		return expect_field(w, names[which]);
	{
		struct where at = WHERE_LOST(w, types[which]);

		if ((which ? read_custom(r, &t, &at, body) : read_function(r, &t, &at, body)) < 0)
			return -1;
	}
	if (config->len == CHAT_MAX_TOOLS)
		return expect_fail(w, "invalid_value", "more than %d tools", CHAT_MAX_TOOLS);
	return arena_push(r->arena, config->tools, config->len, config->cap, t) ? 0 : -1;
}

int openai_read_tools(struct reader *r, const struct where *w, yyjson_val *v)
{
	yyjson_arr_iter it;
	yyjson_val *tool;
	size_t i = 0;

	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	r->env->tools_given = yyjson_arr_size(v) > 0;
	r->env->inf.own |= OWN_TOOLS;
	it = yyjson_arr_iter_with(v);
	while ((tool = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(w, i++);

		if (read_tool(r, &at, tool) < 0)
			return -1;
	}
	return 0;
}

/* --- tool_choice ------------------------------------------------------------------------------ */

static int read_named(const struct where *w, yyjson_val *v, const char *key, const char *type,
		      struct bytes *out)
{
	struct where at = WHERE_LOST(w, bytes_of(key));
	struct where name_at = WHERE_LOST(&at, B("name"));
	yyjson_val *named, *name;

	if (member(w, v, key, &named) < 0)
		return -1;
	if (!yyjson_is_obj(named))
		return expect_type(&at, named, type);
	return member(&at, named, "name", &name) < 0 ? -1 : expect_string(&name_at, name, out);
}

static int read_allowed_tools(struct reader *r, struct tool_config *t, const struct where *w,
			      yyjson_val *v)
{
	static const struct bytes modes[] = { B("auto"), B("required") };
	struct where at = WHERE_LOST(w, B("allowed_tools"));
	struct where mode_at = WHERE_LOST(&at, B("mode")), tools_at = WHERE_LOST(&at, B("tools"));
	yyjson_val *allowed = json_get(v, "allowed_tools"), *tools, *mode, *tool;
	yyjson_arr_iter it;
	struct bytes name;
	size_t cap = 0, i = 0;
	int which;

	if (!allowed)
		return expect_fail(&at, NULL,
				   "Missing 'allowed_tools' field in allowed_tools type");
	if (!yyjson_is_obj(allowed))
		return expect_type(&at, allowed, "struct OpenAICompatibleAllowedTools");
	mode = json_get(allowed, "mode");
	if (mode && !yyjson_is_str(mode))
		return expect_type(&mode_at, mode, "string or map");
	if (mode && one_of(&mode_at, json_str(mode), modes, 2, "`auto` or `required`") < 0)
		return -1;
	if (member(&at, allowed, "tools", &tools) < 0)
		return -1;
	if (!yyjson_is_arr(tools))
		return expect_type(&tools_at, tools, "a sequence");
	it = yyjson_arr_iter_with(tools);
	while ((tool = yyjson_arr_iter_next(&it))) {
		struct where one = WHERE_LOST_AT(&tools_at, i++);
		const char *key = "function";
		yyjson_val *type;

		if (!yyjson_is_obj(tool))
			return expect_type(&one, tool, "struct OpenAICompatibleNamedToolChoice");
		if (t->nallowed == CHAT_MAX_TOOLS)
			return expect_fail(&tools_at, "invalid_value", "more than %d tools",
					   CHAT_MAX_TOOLS);
		if (member(&one, tool, "type", &type) < 0 || expect_string(&one, type, &name) < 0)
			return -1;
		if (r->profile == PROFILE_OPENAI && bytes_eq(name, B("custom")))
			key = "custom";
		if (read_named(&one, tool, key, "struct FunctionName", &name) < 0 ||
		    !arena_push(r->arena, t->allowed, t->nallowed, cap, name))
			return -1;
	}
	if (!mode)
		return expect_field(&at, "mode");
	which = bytes_eq(json_str(mode), modes[1]);
	t->choice = which ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
	t->allowed_explicit = true;
	r->env->allowed_given = true;
	return 0;
}

static int read_choice_object(struct reader *r, struct tool_config *t, const struct where *w,
			      yyjson_val *v)
{
	yyjson_val *type = json_get(v, "type");
	bool openai = r->profile == PROFILE_OPENAI;
	struct bytes name;

	if (!type)
		return expect_fail(w, NULL,
				   "Tool choice field must have a 'type' field if it is an object");
	if (!yyjson_is_str(type))
		return expect_fail(w, NULL, "Tool choice 'type' field must be a string");
	name = json_str(type);
	if (bytes_eq(name, B("allowed_tools")))
		return read_allowed_tools(r, t, w, v);
	t->choice = TOOL_CHOICE_SPECIFIC;
	if (openai && json_get(v, "name") && !json_get(v, "function") && !json_get(v, "custom")) {
		r->env->inf.own &= ~(unsigned)OWN_TOOL_CHOICE; /* the flat form */
		return expect_string(w, json_get(v, "name"), &t->specific);
	}
	if (bytes_eq(name, B("function")))
		return read_named(w, v, "function", "struct FunctionName", &t->specific);
	if (openai && bytes_eq(name, B("custom")))
		return read_named(w, v, "custom", "struct FunctionName", &t->specific);
	return expect_fail(w, "unsupported_value", "Invalid tool choice type: %.*s", BFMT(name));
}

int openai_read_tool_choice(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes words[] = { B("none"), B("auto"), B("required") };
	static const enum tool_choice choices[] = { TOOL_CHOICE_NONE, TOOL_CHOICE_AUTO,
						    TOOL_CHOICE_REQUIRED };
	struct tool_config *t = openai_tools(r);

	if (!t)
		return -1;
	r->env->tool_choice_given = true;
	r->env->inf.own |= OWN_TOOL_CHOICE;
	if (yyjson_is_obj(v))
		return read_choice_object(r, t, w, v);
	if (!yyjson_is_str(v))
		return expect_fail(w, "invalid_type", "Tool choice must be a string or object");
	for (size_t i = 0; i < 3; i++) {
		if (bytes_eq(json_str(v), words[i])) {
			t->choice = choices[i];
			return 0;
		}
	}
	return expect_fail(w, "unsupported_value", "Invalid tool choice string: %.*s",
			   BFMT(json_str(v)));
}

/* --- formats ---------------------------------------------------------------------------------- */

static int read_json_schema(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_LOST(w, B("json_schema"));
	struct where name_at = WHERE_LOST(&at, B("name")), strict_at = WHERE_LOST(&at, B("strict"));
	yyjson_val *info, *name, *schema, *strict;
	struct bytes ignored;
	bool flag;

	if (member(w, v, "json_schema", &info) < 0)
		return -1;
	if (!yyjson_is_obj(info))
		return expect_type(&at, info, "struct JsonSchemaInfo");
	strict = json_get(info, "strict");
	if (strict && !(r->profile == PROFILE_OPENAI && yyjson_is_null(strict)) &&
	    expect_bool(&strict_at, strict, &flag) < 0)
		return -1;
	if (member(&at, info, "name", &name) < 0 || expect_string(&name_at, name, &ignored) < 0)
		return -1;
	schema = json_get(info, "schema");
	if (!schema || yyjson_is_null(schema))
		return 0;
	r->env->inf.output_schema = json_print_arena(schema, r->arena);
	return bytes_set(r->env->inf.output_schema) ? 0 : -1;
}

int openai_read_response_format(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("text"), B("json_schema"), B("json_object") };
	struct where at = WHERE_KEY(w, B("type"));
	struct inference *inf = &r->env->inf;
	struct bytes type;

	if (tag(w, v, "OpenAICompatibleResponseFormat", &type) < 0)
		return -1;
	inf->own |= OWN_RESPONSE_FORMAT;
	switch (one_of(&at, type, types, 3, "one of `text`, `json_schema`, `json_object`")) {
	case 0:
		inf->json_mode = JSON_MODE_OFF;
		return 0;
	case 1:
		inf->json_mode = JSON_MODE_STRICT;
		return read_json_schema(r, w, v);
	case 2:
		inf->json_mode = JSON_MODE_ON;
		return 0;
	default:
		return -1;
	}
}

static int strings(struct reader *r, yyjson_val *v, struct bytes **out, size_t *n)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	size_t cap = 0;

	while ((one = yyjson_arr_iter_next(&it))) {
		if (!yyjson_is_str(one))
			return 1;
		if (!arena_push(r->arena, *out, *n, cap, json_str(one)))
			return -1;
	}
	return 0;
}

int openai_read_stop(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct inference *inf = &r->env->inf;
	int bad = 1;

	inf->stop_set = true;
	inf->own |= OWN_STOP;
	if (yyjson_is_str(v)) {
		inf->stop = arena_new(r->arena, struct bytes);
		if (!inf->stop)
			return -1;
		*inf->stop = json_str(v);
		inf->nstop = 1;
		return 0;
	}
	if (yyjson_is_arr(v))
		bad = strings(r, v, &inf->stop, &inf->nstop);
	if (bad > 0)
		return expect_fail(w, "invalid_type",
				   "data did not match any variant of untagged enum StopSequences");
	return bad;
}

int openai_read_service_tier(const struct where *w, yyjson_val *v, struct bytes *out)
{
	static const struct bytes tiers[] = { B("auto"), B("default"), B("priority"), B("flex") };

	if (!yyjson_is_str(v))
		return expect_type(w, v, "string or map");
	*out = json_str(v);
	return one_of(w, *out, tiers, 4, "one of `auto`, `default`, `priority`, `flex`") < 0 ? -1
											     : 0;
}

/* --- tensorzero::params ----------------------------------------------------------------------- */

static int read_json_mode(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes names[] = { B("off"), B("on"), B("strict"), B("implicit_tool"),
					      B("tool") };
	static const enum json_mode modes[] = { JSON_MODE_OFF, JSON_MODE_ON, JSON_MODE_STRICT,
						JSON_MODE_TOOL, JSON_MODE_TOOL };
	int i;

	if (!yyjson_is_str(v))
		return expect_type(w, v, "string or map");
	i = one_of(w, json_str(v), names, 5,
		   "one of `off`, `on`, `strict`, `implicit_tool`, `tool`");
	if (i < 0)
		return -1;
	r->params.json_mode = modes[i];
	return 0;
}

static int read_stop_sequences(struct reader *r, const struct where *w, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(w, i++);

		if (!yyjson_is_str(one))
			return expect_type(&at, one, "a string");
	}
	r->params.stop_set = true;
	return strings(r, v, &r->params.stop, &r->params.nstop);
}

static int read_param(struct reader *r, const struct where *w, struct bytes key, yyjson_val *v)
{
	struct inference *p = &r->params;
	const struct {
		struct bytes name;
		int (*read)(const struct where *, yyjson_val *, struct bytes *);
		struct bytes *to;
	} params[] = {
		{ B("temperature"), expect_f32, &p->temperature },
		{ B("max_tokens"), expect_u32, &p->max_tokens },
		{ B("seed"), expect_u32, &p->seed },
		{ B("top_p"), expect_f32, &p->top_p },
		{ B("presence_penalty"), expect_f32, &p->presence_penalty },
		{ B("frequency_penalty"), expect_f32, &p->frequency_penalty },
		{ B("reasoning_effort"), expect_string, &p->reasoning_effort },
		{ B("service_tier"), openai_read_service_tier, &p->service_tier },
		{ B("thinking_budget_tokens"), expect_i32, &p->thinking_budget_tokens },
		{ B("verbosity"), expect_string, &p->verbosity },
	};

	for (size_t i = 0; i < sizeof params / sizeof *params; i++)
		if (bytes_eq(params[i].name, key))
			return yyjson_is_null(v) ? 0 : params[i].read(w, v, params[i].to);
	if (bytes_eq(key, B("json_mode")))
		return yyjson_is_null(v) ? 0 : read_json_mode(r, w, v);
	if (bytes_eq(key, B("stop_sequences")))
		return yyjson_is_null(v) ? 0 : read_stop_sequences(r, w, v);
	return expect_fail(
		w, "unsupported_parameter",
		"unknown field `%.*s`, expected one of `temperature`, `max_tokens`, `seed`, `top_p`, `presence_penalty`, `frequency_penalty`, `json_mode`, `stop_sequences`, `reasoning_effort`, `service_tier`, `thinking_budget_tokens`, `verbosity`",
		BFMT(key));
}

int openai_read_params(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct where at = WHERE_KEY(w, B("chat_completion"));
	yyjson_val *key, *chat = json_get(v, "chat_completion");
	yyjson_obj_iter it;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct InferenceParams");
	it = yyjson_obj_iter_with(v);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where other = WHERE_KEY(w, json_str(key));

		if (!bytes_eq(json_str(key), B("chat_completion")))
			return expect_fail(&other, "unsupported_parameter",
					   "unknown field `%.*s`, expected `chat_completion`",
					   BFMT(json_str(key)));
	}
	if (!chat && r->profile == PROFILE_OPENAI)
		return 0;
	if (!chat)
		return expect_field(w, "chat_completion");
	if (!yyjson_is_obj(chat))
		return expect_type(&at, chat, "struct ChatCompletionInferenceParams");
	r->params_given = true;
	it = yyjson_obj_iter_with(chat);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where one = WHERE_KEY(&at, json_str(key));

		if (read_param(r, &one, json_str(key), yyjson_obj_iter_get_val(key)) < 0)
			return -1;
	}
	return 0;
}

/* --- extra_body, extra_headers ---------------------------------------------------------------- */

/* Whether the object is one of the forms of http-api §8; *e is filled. -1: out of memory. */
static int read_extra(struct reader *r, yyjson_val *v, const char *name, bool header,
		      struct extra *e)
{
	yyjson_obj_iter it;
	yyjson_val *key, *value = NULL;

	if (!yyjson_is_obj(v))
		return 0;
	it = yyjson_obj_iter_with(v);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct bytes k = json_str(key), text = json_str(yyjson_obj_iter_get_val(key));

		if (bytes_eq(k, B("value"))) {
			value = yyjson_obj_iter_get_val(key);
		} else if (bytes_eq(k, B("delete"))) {
			if (!yyjson_is_true(yyjson_obj_iter_get_val(key)))
				return 0;
			e->remove = true;
		} else if (!bytes_set(text)) {
			return 0;
		} else if (bytes_eq(k, bytes_of(name))) {
			e->pointer = text;
		} else if (bytes_eq(k, B("variant_name"))) {
			e->variant_name = text;
		} else if (bytes_eq(k, B("model_name"))) {
			e->model_name = text;
		} else if (bytes_eq(k, B("provider_name"))) {
			e->provider_name = text;
		} else if (!bytes_eq(k, B("model_provider_name"))) {
			return 0; /* that older filter is read and applies everywhere */
		}
	}
	if (!bytes_set(e->pointer) || !value == !e->remove ||
	    (header && value && !yyjson_is_str(value)) ||
	    (bytes_set(e->provider_name) && !bytes_set(e->model_name)) ||
	    (bytes_set(e->variant_name) && bytes_set(e->model_name)))
		return 0;
	if (!value)
		return 1;
	e->value = header ? json_str(value) : json_print_arena(value, r->arena);
	return bytes_set(e->value) ? 1 : -1;
}

static int read_extras(struct reader *r, const struct where *w, yyjson_val *v, struct extras *to,
		       bool header)
{
	yyjson_arr_iter it;
	yyjson_val *one;
	size_t i = 0;

	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	it = yyjson_arr_iter_with(v);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(w, i++), lost = at;
		struct extra e = { 0 };
		int ok = read_extra(r, one, header ? "name" : "pointer", header, &e);

		if (!header) /* TensorZero names the header's index, not the body's */
			lost.show = WHERE_HIDDEN;
		if (ok == 0)
			return expect_fail(&lost, "invalid_value",
					   "data did not match any variant of untagged enum %s",
					   header ? "ExtraHeader" : "ExtraBody");
		if (to->len == CHAT_MAX_EXTRAS)
			return expect_fail(w, "invalid_value", "more than %d entries",
					   CHAT_MAX_EXTRAS);
		if (ok < 0 || !arena_push(r->arena, to->at, to->len, to->cap, e))
			return -1;
	}
	return 0;
}

int openai_read_extra_body(struct reader *r, const struct where *w, yyjson_val *v)
{
	return read_extras(r, w, v, &r->env->inf.extra_body, false);
}

int openai_read_extra_headers(struct reader *r, const struct where *w, yyjson_val *v)
{
	return read_extras(r, w, v, &r->env->inf.extra_headers, true);
}

/* --- provider_tools --------------------------------------------------------------------------- */

static int read_provider_tool(struct reader *r, const struct where *w, yyjson_val *v,
			      struct provider_tool *t)
{
	struct where at = WHERE_KEY(w, B("scope"));
	yyjson_val *key, *tool, *scope = json_get(v, "scope");
	yyjson_obj_iter it;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct ProviderTool");
	it = yyjson_obj_iter_with(v);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where other = WHERE_KEY(w, json_str(key));

		if (!bytes_eq(json_str(key), B("scope")) && !bytes_eq(json_str(key), B("tool")))
			return expect_fail(&other, "unsupported_parameter",
					   "unknown field `%.*s`, expected `scope` or `tool`",
					   BFMT(json_str(key)));
	}
	if (scope && !yyjson_is_null(scope)) {
		t->model_name = json_str(json_get(scope, "model_name"));
		t->provider_name = json_str(json_get(scope, "provider_name"));
		if (!bytes_set(t->model_name))
			return expect_fail(
				&at, "invalid_value",
				"data did not match any variant of untagged enum ProviderToolScope");
	}
	if (member(w, v, "tool", &tool) < 0)
		return -1;
	t->tool = json_print_arena(tool, r->arena);
	return bytes_set(t->tool) ? 0 : -1;
}

int openai_read_provider_tools(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tool_config *config;
	yyjson_arr_iter it;
	yyjson_val *one;
	size_t cap = 0, i = 0;

	if (!yyjson_is_arr(v))
		return expect_type(w, v, "a sequence");
	if (yyjson_arr_size(v) == 0)
		return 0;
	config = openai_tools(r);
	if (!config)
		return -1;
	r->env->provider_tools_given = true;
	it = yyjson_arr_iter_with(v);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where at = WHERE_AT(w, i++);
		struct provider_tool t = { 0 };

		if (read_provider_tool(r, &at, one, &t) < 0 ||
		    !arena_push(r->arena, config->provider_tools, config->nprovider_tools, cap, t))
			return -1;
	}
	return 0;
}

/* --- the rest --------------------------------------------------------------------------------- */

int openai_read_cache_options(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes modes[] = { B("on"), B("off"), B("read_only"), B("write_only") };
	struct where age_at = WHERE_KEY(w, B("max_age_s")), enabled_at = WHERE_KEY(w, B("enabled"));
	yyjson_val *age = json_get(v, "max_age_s"), *enabled = json_get(v, "enabled");
	struct bytes digits;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct CacheParamsOptions");
	if (age && !yyjson_is_null(age) && expect_u32(&age_at, age, &digits) < 0)
		return -1;
	if (enabled && !yyjson_is_str(enabled))
		return expect_type(&enabled_at, enabled, "string or map");
	if (enabled && one_of(&enabled_at, json_str(enabled), modes, 4,
			      "one of `on`, `off`, `read_only`, `write_only`") < 0)
		return -1;
	r->env->cache_options = json_print_arena(v, r->arena);
	return bytes_set(r->env->cache_options) ? 0 : -1;
}

int openai_read_episode_id(struct reader *r, const struct where *w, yyjson_val *v)
{
	char canonical[UUID_TEXT + 1];
	struct bytes text = json_str(v), bare;
	struct uuid id;

	if (!yyjson_is_str(v))
		return expect_type(w, v, "a formatted UUID string");
	bare = text;
	if (bytes_istarts(bare, B("urn:uuid:")))
		bare = bytes_slice(bare, 9, bare.n);
	else if (bare.n > 2 && *bare.p == '{' && bare.p[bare.n - 1] == '}')
		bare = bytes_slice(bare, 1, bare.n - 2);
	if (uuid_parse(bare, &id)) {
		r->env->episode_id = arena_dup(r->arena, uuid_text(id, canonical));
		return bytes_set(r->env->episode_id) ? 0 : -1;
	}
	for (size_t i = 0; i < bare.n; i++) {
		size_t width = 1;

		if (hex_digit(bare.p[i]) >= 0 || bare.p[i] == '-')
			continue;
		while (i + width < bare.n && utf8_continues(bare.p[i + width]))
			width++;
		return expect_fail(w, "invalid_value",
				   "UUID parsing failed: invalid character: found `%.*s` at %zu",
				   (int)width, bare.p + i, i + 1 + (size_t)(bare.p - text.p));
	}
	return expect_fail(
		w, "invalid_value",
		"UUID parsing failed: invalid length: expected length 32 for simple format, found %zu",
		bare.n);
}

int openai_read_pairs(struct reader *r, const struct where *w, yyjson_val *v, struct tag **to,
		      size_t *len, size_t *cap)
{
	yyjson_obj_iter it;
	yyjson_val *key;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "a map");
	it = yyjson_obj_iter_with(v);
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where at = WHERE_KEY(w, json_str(key));
		struct tag t = { .key = json_str(key) };

		if (expect_string(&at, yyjson_obj_iter_get_val(key), &t.value) < 0 ||
		    !arena_push(r->arena, *to, *len, *cap, t))
			return -1;
	}
	return 0;
}

/* OpenAI's metadata become tags (surfaces §1.8). */
int openai_read_metadata(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tag *pairs = NULL;
	size_t len = 0, cap = 0;

	if (openai_read_pairs(r, w, v, &pairs, &len, &cap) < 0)
		return -1;
	if (len > MAX_METADATA)
		return openai_refuse(w, "invalid_value",
				     "`metadata` has %zu pairs, at most %d are allowed", len,
				     MAX_METADATA);
	for (size_t i = 0; i < len; i++) {
		struct where at = WHERE_KEY(w, pairs[i].key);

		if (bytes_starts(pairs[i].key, B("tensorzero::")) ||
		    bytes_starts(pairs[i].key, B("signet::")))
			return openai_refuse(&at, "invalid_value",
					     "`metadata` key is reserved: %.*s",
					     BFMT(pairs[i].key));
		if (pairs[i].key.n > MAX_METADATA_KEY || pairs[i].value.n > MAX_METADATA_VALUE)
			return openai_refuse(&at, "invalid_value",
					     "`metadata` keys have at most %d bytes, values %d",
					     MAX_METADATA_KEY, MAX_METADATA_VALUE);
		if (!arena_push(r->arena, r->env->tags, r->env->ntags, r->env->ctags, pairs[i]))
			return -1;
	}
	return 0;
}

/* functions and function_call, the forms before tools. */
int openai_read_legacy(struct reader *r)
{
	struct where at = WHERE_KEY(&r->root, B("functions"));
	struct tool_config *config;
	yyjson_arr_iter it;
	yyjson_val *one;
	size_t i = 0;

	if (!r->functions && !r->function_call)
		return 0;
	config = openai_tools(r);
	if (!config)
		return -1;
	r->req->legacy_functions = true;
	r->env->inf.own &= ~(unsigned)(OWN_TOOLS | OWN_TOOL_CHOICE);
	it = yyjson_arr_iter_with(r->functions);
	while ((one = yyjson_arr_iter_next(&it))) {
		struct where function = WHERE_AT(&at, i++);
		struct tool t = { 0 };

		if (read_function(r, &t, &function, one) < 0 ||
		    !arena_push(r->arena, config->tools, config->len, config->cap, t))
			return -1;
		r->env->tools_given = true;
	}
	if (!r->function_call)
		return 0;
	at.key = B("function_call");
	r->env->tool_choice_given = true;
	if (yyjson_is_str(r->function_call)) {
		if (openai_read_tool_choice(r, &at, r->function_call) < 0)
			return -1;
		r->env->inf.own &= ~(unsigned)OWN_TOOL_CHOICE;
		return 0;
	}
	config->choice = TOOL_CHOICE_SPECIFIC;
	if (!json_get(r->function_call, "name"))
		return expect_field(&at, "name");
	return expect_string(&at, json_get(r->function_call, "name"), &config->specific);
}
