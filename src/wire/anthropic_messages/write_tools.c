/* Tools and their choice (providers-others §2.4): only those that are allowed are declared. */
#include "wire/anthropic_messages/write_request.h"

#include "base/error.h"
#include "wire/call_ids.h"

static bool is_allowed(const struct tool_config *t, struct bytes name)
{
	if (!t->allowed_explicit)
		return true;
	for (size_t i = 0; i < t->nallowed; i++)
		if (bytes_eq(t->allowed[i], name))
			return true;
	return false;
}

static bool is_meant(const struct claude_out *o, const struct provider_tool *t)
{
	return (!bytes_set(t->model_name) || bytes_eq(t->model_name, o->dialect->of_model)) &&
	       (!bytes_set(t->provider_name) ||
		bytes_eq(t->provider_name, o->dialect->of_provider));
}

static void put_name(struct claude_out *o, struct bytes name)
{
	char out[ID_ROOM];

	pen_text(&o->pen, "name", id_mapped(&name_anthropic, name, out));
}

static void put_tool(struct claude_out *o, const struct tool *t, bool *any)
{
	struct pen *p = &o->pen;

	pen_list_item(p, "tools", any);
	pen_open(p, '{');
	put_name(o, t->name);
	pen_text(p, "description", t->description);
	pen_key(p, "input_schema");
	claude_put_tool_schema(p, t->parameters);
	if (!o->options->no_strict)
		pen_bytes(p, t->strict ? B(",\"strict\":true") : B(",\"strict\":false"));
	claude_put_cache(p, t->cache, &o->skip_tools);
	pen_close(p, '}');
}

/* ---- what must be declared although nobody did ---- */

/* The API wants the tools of a history, which then need no more than a name. */
static int put_called(struct claude_out *o, bool *any)
{
	struct map seen;
	int r = 0;

	map_init(&seen);
	for (size_t i = 0; i < o->inf->nmessages && !r; i++)
		for (size_t j = 0; j < o->inf->messages[i].len && !r; j++) {
			struct block *b = &o->inf->messages[i].content[j];
			const struct tool open = { .name = b->name,
						   .description = B(""),
						   .parameters = B("{\"type\":\"object\"}") };

			if (b->type != BLOCK_TOOL_CALL || map_get(&seen, b->name))
				continue;
			put_tool(o, &open, any);
			r = map_put(&seen, b->name, b);
		}
	map_deinit(&seen);
	return r;
}

/* ---- the choice ---- */

static bool declares(const struct tool_config *t)
{
	for (size_t i = 0; t && i < t->len; i++)
		if (is_allowed(t, t->tools[i].name))
			return true;
	return false;
}

/* Whether the call of a tool may not be forced beside what else is asked for. */
static enum tool_choice choice_of(struct claude_out *o)
{
	enum tool_choice choice = o->inf->tools->choice;

	if (!o->thinks || (choice != TOOL_CHOICE_REQUIRED && choice != TOOL_CHOICE_SPECIFIC))
		return choice;
	claude_ignored(o->ignored, param_rows[PARAM_TOOL_CHOICE].name);
	return TOOL_CHOICE_AUTO;
}

static void put_choice(struct claude_out *o)
{
	const struct tool_config *t = o->inf->tools;
	struct pen *p = &o->pen;

	pen_key(p, "tool_choice");
	switch (choice_of(o)) {
	case TOOL_CHOICE_NONE: pen_lit(p, "{\"type\":\"none\"}"); return;
	case TOOL_CHOICE_REQUIRED: pen_head(p, "{\"type\":\"any\""); break;
	case TOOL_CHOICE_SPECIFIC:
		pen_head(p, "{\"type\":\"tool\"");
		put_name(o, t->specific);
		break;
	case TOOL_CHOICE_UNSET:
	case TOOL_CHOICE_AUTO: pen_head(p, "{\"type\":\"auto\"");
	}
	pen_key(p, "disable_parallel_tool_use");
	pen_bytes(p, t->parallel == 0 ? B("true") : B("false"));
	pen_close(p, '}');
}

/* ---- both ---- */

/* The schema of the answer as a tool. */
static void put_respond(struct claude_out *o)
{
	const struct tool respond = {
		.name = CLAUDE_RESPOND,
		.description = B("Respond to the user using the output schema provided."),
		.parameters = o->inf->output_schema
	};
	bool any = false;

	pen_key(&o->pen, "tool_choice");
	pen_head(&o->pen, "{\"type\":\"tool\"");
	put_name(o, respond.name);
	pen_lit(&o->pen, ",\"disable_parallel_tool_use\":true}");
	put_tool(o, &respond, &any);
	pen_list_end(&o->pen, any);
}

static int put_functions(struct claude_out *o, const struct tool_config *t, bool *any)
{
	for (size_t i = 0; t && i < t->len; i++) {
		if (t->tools[i].custom)
			return fail(ERR_INVALID_REQUEST,
				    "OpenAI custom tools are not supported by this provider");
		if (is_allowed(t, t->tools[i].name))
			put_tool(o, &t->tools[i], any);
	}
	return 0;
}

int claude_put_tools(struct claude_out *o)
{
	const struct tool_config *t = o->inf->tools;
	bool any = false, none = t && t->choice == TOOL_CHOICE_NONE;

	if (o->json == CLAUDE_JSON_TOOL) {
		put_respond(o);
		return 0;
	}
	if (none && !claude_has_calls(o->inf))
		return 0;
	if (declares(t))
		put_choice(o);
	if (put_functions(o, t, &any))
		return -1;
	for (size_t i = 0; i < o->options->nprovider_tools; i++) {
		pen_list_item(&o->pen, "tools", &any);
		pen_bytes(&o->pen, o->options->provider_tools[i]);
	}
	for (size_t i = 0; t && i < t->nprovider_tools; i++) {
		if (!is_meant(o, &t->provider_tools[i]))
			continue;
		pen_list_item(&o->pen, "tools", &any);
		pen_bytes(&o->pen, t->provider_tools[i].tool);
	}
	if (!any && o->inf->options->fill_results && put_called(o, &any))
		return -1;
	pen_list_end(&o->pen, any);
	return 0;
}
