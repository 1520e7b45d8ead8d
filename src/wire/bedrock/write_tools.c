/*
 * toolConfig (providers-others §5.1, §13 B1-B3). The service wants it wherever a history has calls: without tools that
 * may be called it declares those that were.
 */
#include "base/error.h"
#include "base/map.h"
#include "wire/bedrock/bedrock.h"
#include "wire/call_ids.h"

bool bedrock_has_calls(const struct inference *inf)
{
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			enum block_type type = inf->messages[i].content[j].type;

			if (type == BLOCK_TOOL_CALL || type == BLOCK_TOOL_RESULT)
				return true;
		}
	return false;
}

static void put_name(struct bedrock_out *o, struct bytes name)
{
	char out[ID_ROOM];

	pen_lit(&o->pen, "{\"toolSpec\":{\"name\":");
	pen_string(&o->pen, id_mapped(&name_bedrock, name, out));
}

static int put_tool(struct bedrock_out *o, const struct tool *t)
{
	if (t->custom)
		return fail(ERR_INVALID_REQUEST,
			    "OpenAI custom tools are not supported by this provider");
	pen_item(&o->pen);
	put_name(o, t->name);
	if (!bedrock_is_blank(t->description)) {
		pen_lit(&o->pen, ",\"description\":");
		pen_string(&o->pen, t->description);
	}
	pen_lit(&o->pen, ",\"inputSchema\":{\"json\":");
	pen_bytes(&o->pen, bytes_set(t->parameters) ? t->parameters : B("{\"type\":\"object\"}"));
	pen_lit(&o->pen, "}");
	if (t->strict && o->claude && bedrock_takes_schema(o->claude, bedrock_model(o->dialect)))
		pen_lit(&o->pen, ",\"strict\":true");
	pen_lit(&o->pen, "}}");
	bedrock_put_mark(o, t->cache);
	return 0;
}

static bool is_allowed(const struct tool_config *t, struct bytes name)
{
	for (size_t i = 0; i < t->nallowed; i++)
		if (bytes_eq(t->allowed[i], name))
			return true;
	return !t->allowed_explicit;
}

/* Tools that may be called. */
static size_t count_allowed(const struct tool_config *t)
{
	size_t n = 0;

	for (size_t i = 0; t && i < t->len; i++)
		n += is_allowed(t, t->tools[i].name);
	return n;
}

enum tool_choice bedrock_choice(const struct bedrock_out *o)
{
	enum tool_choice choice = o->inf->tools->choice;
	bool forced = choice == TOOL_CHOICE_REQUIRED || choice == TOOL_CHOICE_SPECIFIC;

	return forced && o->thinks ? TOOL_CHOICE_AUTO : choice;
}

/* `auto` is what the service does unasked, and some models refuse the key. */
static void put_choice(struct bedrock_out *o)
{
	char out[ID_ROOM];

	if (o->claude && o->inf->tools->parallel == 0) /* it goes as Claude's own */
		return;
	switch (bedrock_choice(o)) {
	case TOOL_CHOICE_REQUIRED: pen_lit(&o->pen, ",\"toolChoice\":{\"any\":{}}"); break;
	case TOOL_CHOICE_SPECIFIC:
		pen_lit(&o->pen, ",\"toolChoice\":{\"tool\":{\"name\":");
		pen_string(&o->pen, id_mapped(&name_bedrock, o->inf->tools->specific, out));
		pen_lit(&o->pen, "}}");
		break;
	default: break;
	}
}

/* The names that the history calls, each with an open schema. */
static int put_called(struct bedrock_out *o, struct map *names)
{
	const struct inference *inf = o->inf;

	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++) {
			const struct block *b = &inf->messages[i].content[j];

			if ((b->type != BLOCK_TOOL_CALL && b->type != BLOCK_TOOL_RESULT) ||
			    !b->name.n || map_get(names, b->name))
				continue;
			if (map_put(names, b->name, (void *)b))
				return -1;
			pen_item(&o->pen);
			put_name(o, b->name);
			pen_lit(&o->pen, ",\"inputSchema\":{\"json\":{\"type\":\"object\"}}}}");
		}
	return 0;
}

static void begin(struct bedrock_out *o)
{
	pen_key(&o->pen, "toolConfig");
	pen_lit(&o->pen, "{\"tools\":");
	pen_open(&o->pen, '[');
}

static int put_history(struct bedrock_out *o)
{
	struct map names;
	int r;

	begin(o);
	map_init(&names);
	r = put_called(o, &names);
	map_deinit(&names);
	pen_close(&o->pen, ']');
	pen_close(&o->pen, '}');
	return r;
}

int bedrock_put_tools(struct bedrock_out *o)
{
	const struct tool_config *t = o->inf->tools;

	if (count_allowed(t) == 0 || t->choice == TOOL_CHOICE_NONE)
		return bedrock_has_calls(o->inf) ? put_history(o) : 0;
	begin(o);
	for (size_t i = 0; i < t->len; i++)
		if (is_allowed(t, t->tools[i].name) && put_tool(o, &t->tools[i]))
			return -1;
	pen_close(&o->pen, ']');
	put_choice(o);
	pen_lit(&o->pen, "}");
	o->pen.comma = true;
	return 0;
}
