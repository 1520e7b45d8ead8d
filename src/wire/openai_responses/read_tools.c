/*
 * Tools of a Responses request (surfaces §4.2). What a client runs itself (a shell, a patch, a search among its tools) is a
 * function to a model of another family and comes back as what it was; what OpenAI's servers run goes to them alone.
 */
#include "wire/openai_responses/read_request.h"

#include "base/error.h"
#include "base/pen.h"
#include "wire/openai_chat/read_request.h"

#define FORMAT_MAX    (100u << 20)
#define NO_PARAMETERS B("{\"type\":\"object\",\"properties\":{}}")

/* Tools without fields of their own, as functions. */
static const struct built_in {
	struct bytes type, description, parameters;
	enum responses_call call;
} built_in[] = {
	{ B("local_shell"), B("Runs a command in the user's local shell."),
	  B("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"workdir\":{\"type\":\"string\"},\"timeout_ms\":{\"type\":\"number\"}},\"required\":[\"command\"]}"),
	  RESPONSES_LOCAL_SHELL },
	{ B("shell"), B("Runs commands in the user's shell."),
	  B("{\"type\":\"object\",\"properties\":{\"commands\":{\"type\":\"array\",\"items\":{\"type\":\"string\"}},\"timeout_ms\":{\"type\":\"number\"},\"max_output_length\":{\"type\":\"number\"}},\"required\":[\"commands\"]}"),
	  RESPONSES_SHELL },
	{ B("apply_patch"), B("Creates, updates or deletes a file. `diff` is in the V4A format."),
	  B("{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\",\"enum\":[\"create_file\",\"update_file\",\"delete_file\"]},\"path\":{\"type\":\"string\"},\"diff\":{\"type\":\"string\"}},\"required\":[\"type\",\"path\"]}"),
	  RESPONSES_APPLY_PATCH },
	{ B("tool_search"), B("Searches the tools that are available."),
	  B("{\"type\":\"object\",\"properties\":{\"query\":{\"type\":\"string\"}},\"required\":[\"query\"]}"),
	  RESPONSES_TOOL_SEARCH },
};

static const struct built_in *built_in_of(struct bytes type)
{
	for (size_t i = 0; i < COUNT(built_in); i++)
		if (bytes_eq(built_in[i].type, type))
			return &built_in[i];
	return NULL;
}

bool responses_knows_tool(struct bytes type)
{
	return bytes_eq(type, B("function")) || bytes_eq(type, B("custom")) ||
	       bytes_eq(type, B("namespace")) || built_in_of(type);
}

struct bytes responses_space_name(struct responses_reader *r, struct bytes space, struct bytes name)
{
	return space.n ? arena_printf(r->arena, "%.*s__%.*s", BFMT(space), BFMT(name)) : name;
}

static struct tool_config *tools_of(struct responses_reader *r)
{
	struct tool_config **t = &r->inf->tools;

	if (!*t) {
		*t = arena_new(r->arena, struct tool_config);
		if (*t)
			(*t)->parallel = -1;
	}
	return *t;
}

/* A tool that comes twice, in the history and in the request, counts once. */
static bool is_there(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return true;
	return false;
}

static int tool_add(struct responses_reader *r, const struct where *w, struct tool t,
		    struct responses_tool shown)
{
	struct tool_config *config = tools_of(r);

	if (!config)
		return -1;
	if (config->len == RESPONSES_MAX_TOOLS)
		return expect_fail(w, "invalid_value", "more than %d tools", RESPONSES_MAX_TOOLS);
	if (is_there(config, t.name))
		return 0;
	r->env->tools_given = true;
	shown.name = t.name;
	if ((shown.call != RESPONSES_FUNCTION || bytes_set(shown.space)) &&
	    !arena_push(r->arena, r->req->tools, r->req->ntools, r->req->ctools, shown))
		return -1;
	return arena_push(r->arena, config->tools, config->len, config->cap, t) ? 0 : -1;
}

/* A text that may be absent or null. */
static int read_text(const struct where *w, yyjson_val *obj, const char *key, struct bytes *out)
{
	yyjson_val *v = json_get(obj, key);

	if (!v || yyjson_is_null(v))
		return 0;
	return expect_string(&WHERE_KEY(w, bytes_of(key)), v, out);
}

/* Flat here; the grammar's own object is what the neutral model has. */
static int read_format(struct responses_reader *r, struct tool *t, yyjson_val *format)
{
	struct bytes syntax = json_str(json_get(format, "syntax")),
		     definition = json_str(json_get(format, "definition"));
	struct buf b;
	struct pen p = { .b = &b };

	if (!format || yyjson_is_null(format))
		return 0;
	if (!bytes_eq(json_str(json_get(format, "type")), B("grammar")) || !bytes_set(syntax) ||
	    !bytes_set(definition)) {
		t->format = json_print_arena(format, r->arena);
		return bytes_set(t->format) ? 0 : -1;
	}
	buf_init(&b, FORMAT_MAX);
	pen_lit(&p, "{\"type\":\"grammar\",\"grammar\":{\"syntax\":");
	pen_string(&p, syntax);
	pen_lit(&p, ",\"definition\":");
	pen_string(&p, definition);
	pen_lit(&p, "}}");
	if (!pen_done(&p))
		t->format = arena_dup(r->arena, buf_bytes(&b));
	buf_deinit(&b);
	return bytes_set(t->format) ? 0 : -1;
}

static int read_function(struct responses_reader *r, const struct where *w, yyjson_val *v,
			 bool custom, struct bytes space)
{
	struct tool t = { .custom = custom, .description = B("") };
	struct responses_tool shown = { .call = custom ? RESPONSES_CUSTOM : RESPONSES_FUNCTION,
					.space = space };
	yyjson_val *nested = json_get(v, custom ? "custom" : "function"), *strict, *parameters;

	if (yyjson_is_obj(nested)) /* as chat completions has it */
		v = nested;
	if (!json_get(v, "name"))
		return expect_field(w, "name");
	if (read_text(w, v, "name", &t.name) || read_text(w, v, "description", &t.description))
		return -1;
	t.described = yyjson_is_str(json_get(v, "description"));
	shown.own_name = t.name;
	t.name = responses_space_name(r, space, t.name);
	if (!bytes_set(t.name))
		return -1;
	if (custom)
		return read_format(r, &t, json_get(v, "format")) ? -1 : tool_add(r, w, t, shown);
	strict = json_get(v, "strict");
	if (strict && !yyjson_is_null(strict) &&
	    expect_bool(&WHERE_KEY(w, B("strict")), strict, &t.strict))
		return -1;
	parameters = json_get(v, "parameters");
	t.parameters = parameters && !yyjson_is_null(parameters)
			       ? json_print_arena(parameters, r->arena)
			       : NO_PARAMETERS;
	return bytes_set(t.parameters) ? tool_add(r, w, t, shown) : -1;
}

static int read_space(struct responses_reader *r, const struct where *w, yyjson_val *v)
{
	struct where tools_at = WHERE_KEY(w, B("tools"));
	yyjson_val *one, *list = json_get(v, "tools");
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	struct bytes space = { NULL, 0 };

	if (read_text(w, v, "name", &space))
		return -1;
	for (size_t i = 0; (one = yyjson_arr_iter_next(&it)); i++) {
		struct where at = WHERE_AT(&tools_at, i);
		struct bytes type = json_str(json_get(one, "type"));
		bool custom = bytes_eq(type, B("custom"));

		if ((custom || bytes_eq(type, B("function"))) &&
		    read_function(r, &at, one, custom, space))
			return -1;
	}
	return 0;
}

/* Whether the server is to run it: then it is no function of the client's. */
static bool runs_there(yyjson_val *v, const struct built_in *b)
{
	struct bytes environment = json_str(json_get(json_get(v, "environment"), "type"));

	if (b->call == RESPONSES_TOOL_SEARCH)
		return !bytes_eq(json_str(json_get(v, "execution")), B("client"));
	return b->call == RESPONSES_SHELL && bytes_set(environment) &&
	       !bytes_eq(environment, B("local"));
}

static int read_built_in(struct responses_reader *r, const struct where *w, yyjson_val *v,
			 const struct built_in *b)
{
	struct tool t = { .name = b->type,
			  .description = b->description,
			  .described = true,
			  .parameters = b->parameters };
	yyjson_val *own = json_get(v, "parameters");

	if (yyjson_is_str(json_get(v, "description")))
		t.description = json_str(json_get(v, "description"));
	if (yyjson_is_obj(own))
		t.parameters = json_print_arena(own, r->arena);
	return bytes_set(t.parameters)
		       ? tool_add(r, w, t, (struct responses_tool){ .call = b->call })
		       : -1;
}

static int read_tool(struct responses_reader *r, const struct where *w, yyjson_val *v)
{
	struct bytes type = json_str(json_get(v, "type"));
	const struct built_in *b = built_in_of(type);
	bool custom = bytes_eq(type, B("custom"));

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "a tool");
	if (!bytes_set(type))
		return expect_field(w, "type");
	if (custom || bytes_eq(type, B("function")))
		return read_function(r, w, v, custom, (struct bytes){ NULL, 0 });
	if (bytes_eq(type, B("namespace")))
		return read_space(r, w, v);
	if (b && !runs_there(v, b))
		return read_built_in(r, w, v, b);
	r->req->dropped_tools = true;
	return 0;
}

int responses_read_tools(struct responses_reader *r, const struct where *w, yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	if (!list || yyjson_is_null(list))
		return 0;
	if (!yyjson_is_arr(list))
		return expect_type(w, list, "a sequence");
	for (size_t i = 0; (one = yyjson_arr_iter_next(&it)); i++) {
		struct where at = WHERE_AT(w, i);

		if (read_tool(r, &at, one))
			return -1;
	}
	return 0;
}

/* ---- the tools as they come back in the response object ---- */

/* Members that a tool always has there, with what holds where the client sent none, or null. */
static const struct shown {
	struct bytes type, key, otherwise;
} shown[] = {
	{ B("function"), B("description"), B("null") },
	{ B("function"), B("parameters"), NO_PARAMETERS },
	{ B("function"), B("strict"), B("false") },
};

static const struct shown *shown_of(struct bytes type, struct bytes key)
{
	for (size_t i = 0; i < COUNT(shown); i++)
		if (bytes_eq(shown[i].type, type) && bytes_eq(shown[i].key, key))
			return &shown[i];
	return NULL;
}

static void put_member(struct pen *p, struct bytes key, yyjson_val *v)
{
	pen_item(p);
	pen_string(p, key);
	pen_lit(p, ":");
	p->failed |= json_print(v, p->b) != 0;
}

static void put_shown(struct pen *p, yyjson_val *tool)
{
	struct bytes type = json_str(json_get(tool, "type"));
	yyjson_val *key, *nested = json_get_n(tool, type.p ? type.p : "", type.n),
			 *members = yyjson_is_obj(nested) ? nested : tool;
	yyjson_obj_iter it = yyjson_obj_iter_with(members);

	pen_item(p);
	pen_open(p, '{');
	if (members == nested)
		pen_text(p, "type", type);
	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *v = yyjson_obj_iter_get_val(key);

		if (!yyjson_is_null(v) || !shown_of(type, json_str(key)))
			put_member(p, json_str(key), v);
	}
	for (size_t i = 0; i < COUNT(shown); i++) {
		yyjson_val *v = json_get_n(members, shown[i].key.p, shown[i].key.n);

		if (!bytes_eq(shown[i].type, type) || (v && !yyjson_is_null(v)))
			continue;
		pen_item(p);
		pen_string(p, shown[i].key);
		pen_lit(p, ":");
		pen_bytes(p, shown[i].otherwise);
	}
	pen_close(p, '}');
}

struct bytes responses_tools_shown(yyjson_val *list, struct arena *a)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	struct bytes text = { NULL, 0 };
	yyjson_val *one;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, FORMAT_MAX);
	pen_open(&p, '[');
	while ((one = yyjson_arr_iter_next(&it)))
		put_shown(&p, one);
	pen_close(&p, ']');
	if (pen_done(&p) == 0)
		text = arena_adopt(a, &out);
	buf_deinit(&out);
	return text;
}

/* ---- tool_choice ---- */

static bool has_tool(const struct responses_reader *r, struct bytes name)
{
	return r->inf->tools && is_there(r->inf->tools, name);
}

/* The tool that a choice names; unset: it is none that other formats know. */
static struct bytes chosen(struct responses_reader *r, yyjson_val *v)
{
	struct bytes type = json_str(json_get(v, "type")), name = json_str(json_get(v, "name"));
	yyjson_val *nested = json_get_n(v, type.p ? type.p : "", type.n);

	if (bytes_eq(type, B("function")) || bytes_eq(type, B("custom"))) {
		if (!bytes_set(name))
			name = json_str(json_get(nested, "name"));
		return responses_space_name(r, json_str(json_get(v, "namespace")), name);
	}
	return built_in_of(type) ? type : (struct bytes){ NULL, 0 };
}

static int read_allowed(struct responses_reader *r, struct tool_config *t, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(v, "tools"));
	yyjson_val *one;

	t->choice = bytes_eq(json_str(json_get(v, "mode")), B("required")) ? TOOL_CHOICE_REQUIRED
									   : TOOL_CHOICE_AUTO;
	t->allowed_explicit = true;
	r->env->allowed_given = true;
	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes name = chosen(r, one);

		if (t->nallowed == RESPONSES_MAX_TOOLS)
			return expect_fail(&r->root, "invalid_value", "more than %d tools",
					   RESPONSES_MAX_TOOLS);
		if (bytes_set(name) && has_tool(r, name) &&
		    !arena_push(r->arena, t->allowed, t->nallowed, t->callowed, name))
			return -1;
	}
	return 0;
}

static int read_choice_object(struct responses_reader *r, struct tool_config *t,
			      const struct where *w, yyjson_val *v)
{
	struct bytes type = json_str(json_get(v, "type")), name;

	if (bytes_eq(type, B("allowed_tools")))
		return read_allowed(r, t, v);
	name = chosen(r, v);
	if (bytes_set(name) && has_tool(r, name)) {
		t->choice = TOOL_CHOICE_SPECIFIC;
		t->specific = name;
		return 0;
	}
	return responses_unsayable(r, w, "`tool_choice` names a tool that is not there: %.*s",
				   BFMT(bytes_set(name) ? name : type));
}

int responses_read_tool_choice(struct responses_reader *r, yyjson_val *v)
{
	static const struct {
		struct bytes word;
		enum tool_choice choice;
	} words[] = {
		{ B("none"), TOOL_CHOICE_NONE },
		{ B("auto"), TOOL_CHOICE_AUTO },
		{ B("required"), TOOL_CHOICE_REQUIRED },
	};
	struct where at = WHERE_KEY(&r->root, B("tool_choice"));
	struct tool_config *t;

	if (!v || yyjson_is_null(v))
		return 0;
	t = tools_of(r);
	if (!t)
		return -1;
	r->env->tool_choice_given = true;
	r->inf->own |= PARAM_BIT(PARAM_TOOL_CHOICE);
	if (yyjson_is_obj(v))
		return read_choice_object(r, t, &at, v);
	if (!yyjson_is_str(v))
		return expect_fail(&at, "invalid_type", "Tool choice must be a string or object");
	for (size_t i = 0; i < COUNT(words); i++)
		if (bytes_eq(json_str(v), words[i].word))
			t->choice = words[i].choice;
	if (t->choice == TOOL_CHOICE_REQUIRED && !t->len)
		return responses_unsayable(
			r, &at,
			"`tool_choice` is `required`, but none of the tools is one that the provider can call");
	return 0;
}
