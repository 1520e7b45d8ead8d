/*
 * What TensorZero checks of a request once it knows that the target is a model (http-api §6.3, §7, §9): the
 * callers place these between the resolution of the name and the filters.
 */
#include "route/check.h"

#include "base/error.h"

/* JSON mode `tool`: the schema becomes the parameters of the only tool, whose call is the answer. */
static int json_tool(struct envelope *r, struct arena *a)
{
	struct inference *inf = &r->inf;
	const struct {
		bool given;
		struct bytes name;
	} refused[] = {
		{ r->allowed_given, B("allowed_tools") },
		{ r->tools_given, B("additional_tools") },
		{ r->parallel_given, param_rows[PARAM_PARALLEL].name },
		{ r->provider_tools_given, B("provider_tools") },
		{ r->tool_choice_given, param_rows[PARAM_TOOL_CHOICE].name },
	};
	struct tool_config *t;

	if (!bytes_set(inf->output_schema))
		return fail(ERR_INVALID_REQUEST, "JSON mode `tool` requires `output_schema`.");
	for (size_t i = 0; i < COUNT(refused); i++)
		if (refused[i].given)
			return fail(ERR_INVALID_REQUEST,
				    "Cannot pass `%.*s` when using JSON mode `tool`.",
				    BFMT(refused[i].name));
	t = arena_new(a, struct tool_config);
	if (!t || !(t->tools = arena_new(a, struct tool)))
		return -1;
	t->len = t->cap = 1;
	t->parallel = -1;
	t->choice = TOOL_CHOICE_SPECIFIC;
	t->specific = B("respond");
	*t->tools = (struct tool){
		.name = B("respond"),
		.description = B("Respond to the user using the output schema provided."),
		.described = true,
		.parameters = inf->output_schema,
	};
	inf->tools = t;
	inf->json_mode = JSON_MODE_OFF;
	inf->json_tool = true;
	inf->own &= ~(PARAM_BIT(PARAM_TOOLS) | PARAM_BIT(PARAM_TOOL_CHOICE) |
		      PARAM_BIT(PARAM_RESPONSE_FORMAT) | PARAM_BIT(PARAM_PARALLEL));
	return 0;
}

/* A model has no templates. */
static int templates(const struct inference *inf)
{
	if (inf->system_template)
		return fail(
			ERR_INVALID_REQUEST,
			"System message has non-string content but there is no template `system` in any variant");
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			if (inf->messages[i].content[j].type == BLOCK_TEMPLATE)
				return fail(
					ERR_INVALID_REQUEST,
					"Message at index %zu has non-string content but there is no template `%.*s` in any variant",
					i, BFMT(inf->messages[i].content[j].name));
	return 0;
}

int check_input(struct envelope *r, struct arena *a)
{
	if (r->inf.json_mode == JSON_MODE_TOOL && json_tool(r, a))
		return -1;
	return templates(&r->inf);
}

static bool has_tool(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->len; i++)
		if (bytes_eq(t->tools[i].name, name))
			return true;
	return false;
}

int check_tools(struct envelope *r)
{
	const struct tool_config *t = r->inf.tools;

	if (!t)
		return 0;
	for (size_t i = 0; i < t->nallowed; i++)
		if (!has_tool(t, t->allowed[i]))
			return fail(ERR_TOOL_NOT_FOUND, "Tool not found: %.*s",
				    BFMT(t->allowed[i]));
	for (size_t i = 0; i < t->len; i++)
		for (size_t j = 0; j < i; j++)
			if (bytes_eq(t->tools[i].name, t->tools[j].name))
				return fail(ERR_DUPLICATE_TOOL,
					    "Duplicate tool name: %.*s. Tool names must be unique.",
					    BFMT(t->tools[i].name));
	if (t->choice == TOOL_CHOICE_SPECIFIC && !has_tool(t, t->specific))
		return fail(ERR_TOOL_NOT_FOUND, "Tool not found: %.*s", BFMT(t->specific));
	if (t->len == 0 && t->nprovider_tools == 0)
		r->inf.tools = NULL; /* a choice among no tools is none */
	return 0;
}

int check_namespace(const struct envelope *env, const struct model_config *model)
{
	struct bytes have = env->namespace_, want = model->namespace_;

	if (!bytes_set(want) || (bytes_set(have) && bytes_eq(have, want)))
		return 0;
	return fail(
		ERR_INVALID_REQUEST,
		"Model `%.*s` has namespace `%.*s`, but the request namespace is `%.*s`. Namespaced models can only be used with a matching namespace.",
		BFMT(model->name), BFMT(want), BFMT(bytes_set(have) ? have : B("None")));
}
