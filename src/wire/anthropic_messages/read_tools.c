/*
 * Tools and their choice (surfaces §5.5). A tool that the client runs but the API defines becomes a function of the
 * published schema; one that runs at the provider is that provider's alone.
 */
#include "wire/anthropic_messages/read_request.h"

#include "base/error.h"

/* ---- tools that the API defines ---- */

static const struct {
	struct bytes prefix, description, parameters;
} published[] = {
	{ B("bash_"), B("Run commands in a bash shell."),
	  B("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"description\":\"The command to run.\"},\"restart\":{\"type\":\"boolean\",\"description\":\"Restart the shell.\"}}}") },
	{ B("text_editor_"), B("View, create and edit files."),
	  B("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"enum\":[\"view\",\"create\",\"str_replace\",\"insert\"]},\"path\":{\"type\":\"string\"},\"file_text\":{\"type\":\"string\"},\"old_str\":{\"type\":\"string\"},\"new_str\":{\"type\":\"string\"},\"insert_line\":{\"type\":\"integer\"},\"insert_text\":{\"type\":\"string\"},\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},\"required\":[\"command\",\"path\"]}") },
	{ B("memory_"), B("Read and write files of the memory directory."),
	  B("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"enum\":[\"view\",\"create\",\"str_replace\",\"insert\",\"delete\",\"rename\"]},\"path\":{\"type\":\"string\"},\"old_path\":{\"type\":\"string\"},\"new_path\":{\"type\":\"string\"},\"file_text\":{\"type\":\"string\"},\"old_str\":{\"type\":\"string\"},\"new_str\":{\"type\":\"string\"},\"insert_line\":{\"type\":\"integer\"},\"insert_text\":{\"type\":\"string\"},\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}},\"required\":[\"command\"]}") },
};

static int published_of(struct bytes type)
{
	for (size_t i = 0; i < COUNT(published); i++)
		if (bytes_starts(type, published[i].prefix))
			return (int)i;
	return -1;
}

static bool is_custom(struct bytes type)
{
	return !bytes_set(type) || bytes_eq(type, B("custom"));
}

bool messages_tool_is_hosted(struct bytes type)
{
	return !is_custom(type) && published_of(type) < 0;
}

/* ---- a tool ---- */

static struct tool_config *tools_of(struct messages_reader *r)
{
	struct tool_config **t = &r->inf->tools;

	if (!*t) {
		*t = arena_new(r->arena, struct tool_config);
		if (*t)
			(*t)->parallel = -1;
	}
	return *t;
}

/* Of the client's own: its schema, with the properties that an object must have. */
static int read_schema(struct messages_reader *r, const struct where *w, yyjson_val *v,
		       struct tool *t)
{
	yyjson_val *schema = json_get(v, "input_schema");
	struct bytes bare = B("{\"type\":\"object\"}");

	if (!yyjson_is_obj(schema))
		return messages_refuse(&WHERE_KEY(w, B("input_schema")),
				       schema ? "Input should be a valid dictionary"
					      : "Field required");
	t->parameters = json_print_arena(schema, r->arena);
	if (bytes_set(t->parameters) && bytes_eq(t->parameters, bare))
		t->parameters = B("{\"type\":\"object\",\"properties\":{}}");
	return bytes_set(t->parameters) ? 0 : -1;
}

static int read_tool(struct messages_reader *r, const struct where *w, yyjson_val *v)
{
	struct tool_config *config = tools_of(r);
	struct bytes type = json_str(json_get(v, "type"));
	int defined = published_of(type);
	struct tool t = { .cache = messages_cache(v),
			  .strict = yyjson_is_true(json_get(v, "strict")) };

	if (!config)
		return -1;
	if (!yyjson_is_obj(v))
		return messages_refuse(w, "Input should be a valid dictionary");
	if (messages_tool_is_hosted(type))
		return 0; /* foreign_fields() tells of it */
	if (messages_string(w, v, "name", &t.name))
		return -1;
	t.description = json_str(json_get(v, "description"));
	t.described = bytes_set(t.description);
	if (defined >= 0) {
		t.parameters = published[defined].parameters;
		t.description = t.described ? t.description : published[defined].description;
	} else if (read_schema(r, w, v, &t)) {
		return -1;
	}
	if (!bytes_set(t.description))
		t.description = B("");
	t.source = json_print_arena(v, r->arena);
	return bytes_set(t.source) &&
			       arena_push(r->arena, config->tools, config->len, config->cap, t)
		       ? 0
		       : -1;
}

int messages_read_tools(struct messages_reader *r, yyjson_val *list)
{
	struct where at = WHERE_KEY(&r->root, B("tools"));
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t i = 0;

	if (!list || yyjson_is_null(list))
		return 0;
	if (!yyjson_is_arr(list))
		return messages_refuse(&at, "Input should be a valid list");
	if (yyjson_arr_size(list) > MESSAGES_MAX_TOOLS)
		return messages_refuse(&at, "more than %d tools", MESSAGES_MAX_TOOLS);
	r->env->tools_given = true;
	while ((one = yyjson_arr_iter_next(&it)))
		if (read_tool(r, &WHERE_AT(&at, i++), one))
			return -1;
	return 0;
}

/* ---- the choice ---- */

static bool is_declared(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return true;
	return false;
}

int messages_read_choice(struct messages_reader *r, yyjson_val *v)
{
	static const struct {
		struct bytes word;
		enum tool_choice choice;
	} types[] = {
		{ B("auto"), TOOL_CHOICE_AUTO },
		{ B("any"), TOOL_CHOICE_REQUIRED },
		{ B("tool"), TOOL_CHOICE_SPECIFIC },
		{ B("none"), TOOL_CHOICE_NONE },
	};
	struct where at = WHERE_KEY(&r->root, B("tool_choice")), inner = WHERE_KEY(&at, B("type"));
	yyjson_val *single = json_get(v, "disable_parallel_tool_use");
	struct tool_config *t;
	struct bytes type;
	size_t i = 0;

	if (!v || yyjson_is_null(v))
		return 0;
	t = tools_of(r);
	if (!t || messages_string(&at, v, "type", &type))
		return -1;
	while (i < COUNT(types) && !bytes_eq(types[i].word, type))
		i++;
	if (i == COUNT(types))
		return messages_refuse(&inner, "Input should be 'auto', 'any', 'tool' or 'none'");
	r->env->tool_choice_given = true;
	t->choice = types[i].choice;
	if (yyjson_is_bool(single)) {
		r->env->parallel_given = true;
		t->parallel = !yyjson_is_true(single);
	}
	if (t->choice != TOOL_CHOICE_SPECIFIC)
		return 0;
	if (messages_string(&at, v, "name", &t->specific))
		return -1;
	if (is_declared(t, t->specific))
		return 0;
	t->choice = TOOL_CHOICE_AUTO; /* of a tool that only the client's own family has */
	return messages_only_here(r, &at, "the tool that is chosen is not one of `tools`");
}
