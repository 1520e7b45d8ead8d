/*
 * Tools, their choice, and the forms of both before there were tools. Errors are in the words of TensorZero's reader,
 * which loses the path inside tagged unions ("tools[0]: missing field `name`"): WHERE_LOST steps keep it for `param`.
 *
 * A lenient surface also takes the flat forms of the Responses API, which go out in the nested ones, and tool types
 * that only OpenAI's own servers know, which go out in the client's own body or not at all.
 */
#include "wire/openai_chat/read_request.h"

#include <stdio.h>

#include "base/error.h"

#define MAX_FORMAT (100u << 20)

static struct tool_config *tools_of(struct reader *r)
{
	struct tool_config **t = &r->inf->tools;

	if (!*t) {
		*t = arena_new(r->arena, struct tool_config);
		if (*t)
			(*t)->parallel = -1;
	}
	return *t;
}

int chat_read_tag(const struct where *w, yyjson_val *v, const char *type, struct bytes *out)
{
	struct where at = { .up = w, .key = B("type"), .show = w->show };
	yyjson_val *tag;

	if (yyjson_is_arr(v) && yyjson_arr_size(v) == 0)
		return expect_field(w, "type");
	if (!yyjson_is_obj(v)) {
		char expected[96];

		snprintf(expected, sizeof expected, "internally tagged enum %s", type);
		return expect_type(w, v, expected);
	}
	if (expect_member(w, v, "type", &tag))
		return -1;
	if (!yyjson_is_str(tag))
		return expect_type(&at, tag, "variant identifier");
	*out = json_str(tag);
	return 0;
}

bool chat_is_absent(const struct reader *r, yyjson_val *v)
{
	return !v || (r->options->lenient && yyjson_is_null(v));
}

/* ---- a tool ---- */

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
	static const struct chat_member members[] = { { B("name"), chat_is_string },
						      { B("description"), chat_is_string, true },
						      { B("strict"), chat_is_bool } };
	struct where at = WHERE_LOST(w, B("strict")), name_at = WHERE_LOST(w, B("name"));
	yyjson_val *name = json_get(obj, "name"), *strict = json_get(obj, "strict"), *parameters;

	if (!yyjson_is_obj(obj))
		return expect_type(w, obj, "struct OpenAICompatibleFunctionTool");
	if (!r->options->lenient && chat_check_members(r, w, obj, members, COUNT(members)))
		return -1;
	if (name && expect_string(&name_at, name, &t->name))
		return -1;
	if (read_description(t, w, obj))
		return -1;
	if (!chat_is_absent(r, strict) && expect_bool(&at, strict, &t->strict))
		return -1;
	if (!name)
		return expect_field(w, "name");
	parameters = json_get(obj, "parameters");
	if (!parameters && r->options->lenient) { /* legal to OpenAI */
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
	int which;

	if (r->options->lenient && !json_get(format, "grammar") && json_get(format, "syntax")) {
		grammar = format; /* the flat form */
		r->inf->own &= ~PARAM_BIT(PARAM_TOOLS);
	} else if (expect_member(w, format, "grammar", &grammar)) {
		return -1;
	}
	if (!yyjson_is_obj(grammar))
		return expect_type(&at, grammar, "struct OpenAIGrammarDefinition");
	if (expect_member(&at, grammar, "syntax", &syntax))
		return -1;
	name = json_str(syntax);
	which = r->options->lenient && bytes_set(name) ? 0
						       : expect_choice(&at, syntax, syntaxes, 2);
	if (which < 0 || expect_member(&at, grammar, "definition", &definition) ||
	    expect_string(&at, definition, &text))
		return -1;
	name = r->options->lenient && bytes_set(name) ? name : syntaxes[which];
	buf_init(&b, MAX_FORMAT);
	if (!buf_append(&b, B("{\"type\":\"grammar\",\"grammar\":{\"syntax\":")) &&
	    !buf_json_string(&b, name) && !buf_append(&b, B(",\"definition\":")) &&
	    !buf_json_string(&b, text) && !buf_append(&b, B("}}")))
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
	if (chat_read_tag(&at, format, "OpenAICustomToolFormat", &type))
		return -1;
	if (r->options->lenient && !bytes_eq(type, types[0]) && !bytes_eq(type, types[1])) {
		t->format = json_print_arena(format, r->arena);
		return bytes_set(t->format) ? 0 : -1;
	}
	switch (expect_one_of(&at, type, types, 2)) {
	case 0: t->format = B("{\"type\":\"text\"}"); return 0;
	case 1: return read_grammar(r, t, &at, format);
	default: return -1;
	}
}

static int read_custom(struct reader *r, struct tool *t, const struct where *w, yyjson_val *obj)
{
	struct where name_at = WHERE_LOST(w, B("name"));
	yyjson_obj_iter it = yyjson_obj_iter_with(obj);
	yyjson_val *key, *name;

	t->custom = true;
	if (!yyjson_is_obj(obj))
		return expect_type(w, obj, "struct OpenAICustomTool");
	while (!r->options->lenient && (key = yyjson_obj_iter_next(&it))) {
		struct bytes k = json_str(key);

		if (!bytes_eq(k, B("name")) && !bytes_eq(k, B("description")) &&
		    !bytes_eq(k, B("format")))
			return expect_fail(
				w, "unsupported_parameter",
				"unknown field `%.*s`, expected one of `name`, `description`, `format`",
				BFMT(k));
	}
	if (expect_member(w, obj, "name", &name) || expect_string(&name_at, name, &t->name) ||
	    read_description(t, w, obj))
		return -1;
	return read_format(r, t, w, json_get(obj, "format"));
}

static int tool_add(struct reader *r, const struct where *w, struct tool t)
{
	struct tool_config *config = tools_of(r);

	if (!config)
		return -1;
	if (config->len == CHAT_MAX_TOOLS)
		return expect_fail(w, "invalid_value", "more than %d tools", CHAT_MAX_TOOLS);
	r->env->tools_given = true;
	return arena_push(r->arena, config->tools, config->len, config->cap, t) ? 0 : -1;
}

static int read_tool(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("function"), B("custom") };
	struct where at = WHERE_KEY(w, B("type"));
	struct tool t = { 0 };
	struct bytes type = { NULL, 0 };
	bool custom;
	yyjson_val *body;

	if (!tools_of(r) || chat_read_tag(w, v, "OpenAICompatibleTool", &type))
		return -1;
	r->env->tools_given = true;
	custom = bytes_eq(type, types[1]);
	if (!custom && !bytes_eq(type, types[0]))
		return r->options->lenient || expect_one_of(&at, type, types, 2) >= 0 ? 0 : -1;
	body = json_get_n(v, types[custom].p, types[custom].n);
	if (!body && r->options->lenient && json_get(v, "name")) {
		body = v; /* the flat form */
		r->inf->own &= ~PARAM_BIT(PARAM_TOOLS);
	}
	if (!body)
		return expect_field(w, types[custom].p);
	at = WHERE_LOST(w, types[custom]);
	if (custom ? read_custom(r, &t, &at, body) : read_function(r, &t, &at, body))
		return -1;
	return tool_add(r, w, t);
}

int openai_read_tools(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, read_tool);
}

int openai_read_parallel(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tool_config *t = tools_of(r);
	bool parallel;

	if (!t || expect_bool(w, v, &parallel))
		return -1;
	t->parallel = parallel;
	r->env->parallel_given = true;
	return 0;
}

/* ---- tool_choice ---- */

static int read_named(const struct where *w, yyjson_val *v, const char *key, struct bytes *out)
{
	struct where at = WHERE_LOST(w, bytes_of(key)), name_at = WHERE_LOST(&at, B("name"));
	yyjson_val *named, *name;

	if (expect_member(w, v, key, &named))
		return -1;
	if (!yyjson_is_obj(named))
		return expect_type(&at, named, "struct FunctionName");
	return expect_member(&at, named, "name", &name) || expect_string(&name_at, name, out) ? -1
											      : 0;
}

/* The key under which a choice of this type has its name; NULL: no such type. */
static const char *named_by(const struct reader *r, struct bytes type)
{
	if (r->options->lenient && bytes_eq(type, B("custom")))
		return "custom";
	return bytes_eq(type, B("function")) ? "function" : NULL;
}

static int read_allowed(struct reader *r, const struct where *w, yyjson_val *tool)
{
	struct tool_config *t = r->inf->tools;
	const char *key;
	struct bytes name;
	yyjson_val *type;

	if (!yyjson_is_obj(tool))
		return expect_type(w, tool, "struct OpenAICompatibleNamedToolChoice");
	if (t->nallowed == CHAT_MAX_TOOLS)
		return expect_fail(w->up, "invalid_value", "more than %d tools", CHAT_MAX_TOOLS);
	if (expect_member(w, tool, "type", &type) || expect_string(w, type, &name))
		return -1;
	key = named_by(r, name);
	if (r->options->lenient && !key) /* of a kind that only OpenAI's own servers know */
		return 0;
	if (read_named(w, tool, key ? key : "function", &name))
		return -1;
	return arena_push(r->arena, t->allowed, t->nallowed, t->callowed, name) ? 0 : -1;
}

static int read_allowed_tools(struct reader *r, struct tool_config *t, const struct where *w,
			      yyjson_val *v)
{
	static const struct bytes modes[] = { B("auto"), B("required") };
	struct where at = WHERE_LOST(w, B("allowed_tools"));
	struct where mode_at = WHERE_LOST(&at, B("mode")), tools_at = WHERE_LOST(&at, B("tools"));
	yyjson_val *allowed = json_get(v, "allowed_tools"), *tools, *mode;
	int which = 0;

	if (!allowed)
		return expect_fail(&at, NULL,
				   "Missing 'allowed_tools' field in allowed_tools type");
	if (!yyjson_is_obj(allowed))
		return expect_type(&at, allowed, "struct OpenAICompatibleAllowedTools");
	mode = json_get(allowed, "mode");
	if (mode && r->options->lenient && yyjson_is_str(mode))
		which = bytes_eq(json_str(mode), modes[1]);
	else if (mode)
		which = expect_choice(&mode_at, mode, modes, 2);
	if (which < 0)
		return -1;
	if (expect_member(&at, allowed, "tools", &tools) ||
	    chat_each(r, &tools_at, tools, read_allowed))
		return -1;
	if (!mode)
		return expect_field(&at, "mode");
	t->choice = which ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
	t->allowed_explicit = true;
	r->env->allowed_given = true;
	return 0;
}

static int read_choice_object(struct reader *r, struct tool_config *t, const struct where *w,
			      yyjson_val *v)
{
	yyjson_val *type = json_get(v, "type"), *name = json_get(v, "name");
	const char *key;

	if (!type)
		return expect_fail(w, NULL,
				   "Tool choice field must have a 'type' field if it is an object");
	if (!yyjson_is_str(type))
		return expect_fail(w, NULL, "Tool choice 'type' field must be a string");
	if (bytes_eq(json_str(type), B("allowed_tools")))
		return read_allowed_tools(r, t, w, v);
	key = named_by(r, json_str(type));
	if (r->options->lenient && !key)
		return 0; /* as in read_allowed */
	t->choice = TOOL_CHOICE_SPECIFIC;
	if (r->options->lenient && name && !json_get(v, "function") && !json_get(v, "custom")) {
		r->inf->own &= ~PARAM_BIT(PARAM_TOOL_CHOICE); /* the flat form */
		return expect_string(w, name, &t->specific);
	}
	if (key)
		return read_named(w, v, key, &t->specific);
	return expect_fail(w, "unsupported_value", "Invalid tool choice type: %.*s",
			   BFMT(json_str(type)));
}

int openai_read_tool_choice(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct {
		struct bytes word;
		enum tool_choice choice;
	} words[] = {
		{ B("none"), TOOL_CHOICE_NONE },
		{ B("auto"), TOOL_CHOICE_AUTO },
		{ B("required"), TOOL_CHOICE_REQUIRED },
	};
	struct tool_config *t = tools_of(r);

	if (!t)
		return -1;
	r->env->tool_choice_given = true;
	if (yyjson_is_obj(v))
		return read_choice_object(r, t, w, v);
	if (!yyjson_is_str(v))
		return expect_fail(w, "invalid_type", "Tool choice must be a string or object");
	for (size_t i = 0; i < COUNT(words); i++) {
		if (bytes_eq(json_str(v), words[i].word)) {
			t->choice = words[i].choice;
			return 0;
		}
	}
	if (r->options->lenient)
		return 0; /* another server's word: it goes out in the client's own body */
	return expect_fail(w, "unsupported_value", "Invalid tool choice string: %.*s",
			   BFMT(json_str(v)));
}

/* ---- functions, function_call ---- */

static int read_old_function(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tool t = { 0 };

	return read_function(r, &t, w, v) || tool_add(r, w, t) ? -1 : 0;
}

int openai_read_legacy(struct reader *r)
{
	struct where list = WHERE_KEY(&r->root, B("functions")),
		     at = WHERE_KEY(&r->root, B("function_call"));
	struct tool_config *config;
	yyjson_val *name = json_get(r->function_call, "name");

	if (!r->functions && !r->function_call)
		return 0;
	config = tools_of(r);
	if (!config)
		return -1;
	r->req->legacy_functions = true;
	r->inf->own &= ~(PARAM_BIT(PARAM_TOOLS) | PARAM_BIT(PARAM_TOOL_CHOICE));
	if (r->functions && chat_each(r, &list, r->functions, read_old_function))
		return -1;
	if (!r->function_call)
		return 0;
	if (yyjson_is_str(r->function_call))
		return openai_read_tool_choice(r, &at, r->function_call);
	r->env->tool_choice_given = true;
	config->choice = TOOL_CHOICE_SPECIFIC;
	return name ? expect_string(&at, name, &config->specific) : expect_field(&at, "name");
}

/* ---- tensorzero::provider_tools ---- */

static int read_provider_tool(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes keys[] = { B("scope"), B("tool") };
	struct tool_config *config = tools_of(r);
	struct where at = WHERE_KEY(w, keys[0]);
	yyjson_val *tool, *scope = json_get(v, "scope");
	struct provider_tool t = { 0 };

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct ProviderTool");
	if (!config || expect_only(w, v, keys, 2, false))
		return -1;
	if (scope && !yyjson_is_null(scope)) {
		yyjson_val *provider = json_get(scope, "provider_name");

		t.model_name = json_str(json_get(scope, "model_name"));
		t.provider_name = json_str(provider);
		if (!bytes_set(t.model_name) ||
		    (provider && !yyjson_is_null(provider) && !yyjson_is_str(provider)))
			return expect_fail(
				&at, "invalid_value",
				"data did not match any variant of untagged enum ProviderToolScope");
	}
	if (expect_member(w, v, "tool", &tool))
		return -1;
	t.tool = json_print_arena(tool, r->arena);
	r->env->provider_tools_given = true;
	return bytes_set(t.tool) && arena_push(r->arena, config->provider_tools,
					       config->nprovider_tools, config->cprovider_tools, t)
		       ? 0
		       : -1;
}

int openai_read_provider_tools(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, read_provider_tool);
}
