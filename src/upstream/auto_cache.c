/* Four marks, which is all that an API takes. Arrays that hold a mark are copied: other providers get the request unmarked. */
#include "upstream/auto_cache.h"

#include "wire/estimate.h"

#define LEAST_TOKENS 1024 /* below it no provider keeps a prompt */
#define TURNS        2    /* of the user, from the end */

static bool blocks_marked(const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].cache != CACHE_UNMARKED)
			return true;
	return false;
}

static bool is_marked(const struct inference *inf)
{
	for (size_t i = 0; i < inf->nsystem_parts; i++)
		if (inf->system_parts[i].cache != CACHE_UNMARKED)
			return true;
	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		if (inf->tools->tools[i].cache != CACHE_UNMARKED)
			return true;
	for (size_t i = 0; i < inf->nmessages; i++)
		if (blocks_marked(&inf->messages[i]))
			return true;
	return false;
}

static bool mark_system(struct inference *to, struct arena *a)
{
	size_t n = to->nsystem_parts ? to->nsystem_parts : 1;
	struct system_part *parts;

	if (!to->system.n)
		return true;
	parts = arena_array(a, struct system_part, n);
	if (!parts)
		return false;
	if (to->nsystem_parts)
		memcpy(parts, to->system_parts, n * sizeof(*parts));
	else
		parts[0].text = to->system;
	parts[n - 1].cache = CACHE_5M;
	to->system_parts = parts;
	to->nsystem_parts = n;
	return true;
}

static bool mark_tools(struct inference *to, struct arena *a)
{
	struct tool_config *tools;

	if (!to->tools || !to->tools->len)
		return true;
	tools = arena_new(a, struct tool_config);
	if (!tools)
		return false;
	*tools = *to->tools;
	tools->tools = arena_array(a, struct tool, tools->len);
	if (!tools->tools)
		return false;
	memcpy(tools->tools, to->tools->tools, tools->len * sizeof(*tools->tools));
	tools->cap = tools->len;
	tools->tools[tools->len - 1].cache = CACHE_5M;
	to->tools = tools;
	return true;
}

static bool mark_message(struct message *m, struct arena *a)
{
	struct block *content = arena_array(a, struct block, m->len);

	if (!content)
		return false;
	memcpy(content, m->content, m->len * sizeof(*content));
	content[m->len - 1].cache = CACHE_5M;
	m->content = content;
	m->cap = m->len;
	return true;
}

static bool mark_turns(struct inference *to, struct arena *a)
{
	struct message *messages = arena_array(a, struct message, to->nmessages);
	unsigned marked = 0;

	if (!messages)
		return to->nmessages == 0;
	memcpy(messages, to->messages, to->nmessages * sizeof(*messages));
	for (size_t i = to->nmessages; i-- > 0 && marked < TURNS;) {
		if (messages[i].role != ROLE_USER || !messages[i].len)
			continue;
		if (!mark_message(&messages[i], a))
			return false;
		marked++;
	}
	to->messages = messages;
	to->cmessages = to->nmessages;
	return true;
}

const struct inference *auto_cached(const struct inference *inf, struct arena *a)
{
	struct inference *to;

	if (is_marked(inf) || estimate_input(inf) < LEAST_TOKENS)
		return inf;
	to = arena_new(a, struct inference);
	if (!to)
		return NULL;
	*to = *inf;
	return mark_system(to, a) && mark_tools(to, a) && mark_turns(to, a) ? to : NULL;
}
