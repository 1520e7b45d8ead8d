/*
 * What the dialects of other servers change in a request's body (dialect.h): which keys it has, under which name, in
 * which order, and the forms of their values. What a dialect has no place for is named, never dropped in silence.
 */
#include "wire/openai_chat/write_request.h"

#include "base/error.h"
#include "wire/call_ids.h"

static const struct chat_dialect *chat(const struct chat_out *o)
{
	return &o->dialect->chat;
}

/* ---- keys ---- */

static bool has_key(const struct chat_out *o, unsigned key)
{
	const unsigned char *at = chat(o)->keys;

	if (!at)
		return key < CHAT_REASONING;
	while (*at != CHAT_KEYS_END && *at != key)
		at++;
	return *at == key;
}

bool chat_takes_key(const struct chat_out *o, enum chat_key key)
{
	return has_key(o, key);
}

/* Effort and budget of reasoning may stand in an object of their own. */
bool chat_takes(const struct chat_out *o, enum param p)
{
	if (p == PARAM_REASONING_EFFORT || p == PARAM_THINKING_BUDGET)
		return has_key(o, CHAT_REASONING) || (p == PARAM_REASONING_EFFORT && has_key(o, p));
	if (p == PARAM_RESPONSE_FORMAT)
		return chat(o)->json != CHAT_JSON_NONE;
	return has_key(o, p);
}

struct bytes openai_chat_key(const struct chat_out *o, enum param p)
{
	if (p == PARAM_MAX_TOKENS)
		return o->dialect->max_tokens_key;
	return p == PARAM_SEED && bytes_set(chat(o)->seed_key) ? chat(o)->seed_key : param_field(p);
}

static bool takes_tier(const struct chat_out *o)
{
	const struct bytes *tier = chat(o)->tiers;

	while (tier && bytes_set(*tier) && !bytes_eq(*tier, o->inf->params[PARAM_SERVICE_TIER]))
		tier++;
	return !tier || bytes_set(*tier);
}

static bool is_o1(const struct chat_out *o)
{
	return !chat(o)->no_o1 && bytes_istarts(o->dialect->model, B("o1"));
}

static bool sends_tools(const struct chat_out *o)
{
	return param_is_set(o->inf, PARAM_TOOLS) && has_key(o, PARAM_TOOLS) &&
	       !(chat(o)->none_without_tools && o->inf->tools->choice == TOOL_CHOICE_NONE);
}

struct bytes chat_budget_effort(const struct inference *inf)
{
	struct bytes none = { NULL, 0 };

	return inf->options->lenient ? effort_of_budget(inf->params[PARAM_THINKING_BUDGET]) : none;
}

/* A budget of thinking is said as an effort where it has no place of its own. */
static bool has_effort(const struct chat_out *o)
{
	return param_is_set(o->inf, PARAM_REASONING_EFFORT) ||
	       (!has_key(o, CHAT_REASONING) && bytes_set(chat_budget_effort(o->inf)));
}

static bool asks_for_json(const struct inference *inf)
{
	return inf->json_mode == JSON_MODE_ON || inf->json_mode == JSON_MODE_STRICT;
}

bool openai_chat_sends(const struct chat_out *o, enum param p)
{
	const struct inference *inf = o->inf;

	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE:
		return (asks_for_json(inf) || chat(o)->text_format) &&
		       chat(o)->json != CHAT_JSON_NONE && chat(o)->json != CHAT_JSON_GUIDED &&
		       has_key(o, p);
	case PARAM_TOOL_LIST:
	case PARAM_TOOL_NAME: return sends_tools(o);
	case PARAM_BOOL: /* models named o1 refuse `false` */
		return sends_tools(o) && param_is_set(inf, p) && has_key(o, p) &&
		       (inf->tools->parallel || !is_o1(o));
	case PARAM_TIER: return param_is_set(inf, p) && has_key(o, p) && takes_tier(o);
	default:
		return (p == PARAM_REASONING_EFFORT ? has_effort(o) : param_is_set(inf, p)) &&
		       has_key(o, p);
	}
}

bool chat_takes_as_is(const struct chat_out *o, enum param p)
{
	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE: return chat(o)->json == CHAT_JSON_OPENAI;
	case PARAM_TOOL_NAME:
		return !o->inf->tools ||
		       !(bytes_set(chat(o)->required_as) ||
			 (chat(o)->only_allowed && o->inf->tools->allowed_explicit));
	case PARAM_TOOL_LIST:
		return !chat(o)->never_strict &&
		       !(chat(o)->only_allowed && o->inf->tools && o->inf->tools->allowed_explicit);
	default: return true;
	}
}

void chat_name_ignored(struct chat_out *o)
{
	for (enum param p = 0; p < PARAMS; p++) {
		bool there = p == PARAM_RESPONSE_FORMAT ? asks_for_json(o->inf)
							: param_is_set(o->inf, p);

		if (p == PARAM_TOOL_CHOICE || !there)
			continue;
		if (p == PARAM_THINKING_BUDGET && bytes_set(chat_budget_effort(o->inf)) &&
		    chat_takes(o, PARAM_REASONING_EFFORT))
			continue;
		if (!chat_takes(o, p) || (p == PARAM_SERVICE_TIER && !takes_tier(o)))
			chat_ignored(o->ignored, param_rows[p].name);
	}
}

int chat_check(const struct chat_out *o)
{
	const struct tool_config *t = o->inf->tools;

	for (size_t i = 0; chat(o)->no_custom && has_key(o, PARAM_TOOLS) && t && i < t->len; i++)
		if (t->tools[i].custom)
			return fail(ERR_INVALID_REQUEST,
				    "OpenAI custom tools are not supported by this provider");
	if (chat(o)->json == CHAT_JSON_SCHEMA && asks_for_json(o->inf) &&
	    !bytes_set(o->inf->output_schema))
		return fail(ERR_INVALID_REQUEST,
			    "The SGL models requires a schema to be provided in json mode");
	return 0;
}

static void put_reasoning(struct chat_out *o)
{
	bool effort = param_is_set(o->inf, PARAM_REASONING_EFFORT);

	if (!effort && !param_is_set(o->inf, PARAM_THINKING_BUDGET))
		return;
	pen_lit(&o->pen, ",\"reasoning\":{");
	if (effort) {
		pen_lit(&o->pen, "\"effort\":");
		openai_chat_put_param(o, PARAM_REASONING_EFFORT);
	}
	if (param_is_set(o->inf, PARAM_THINKING_BUDGET)) {
		pen_bytes(&o->pen, effort ? B(",\"max_tokens\":") : B("\"max_tokens\":"));
		openai_chat_put_param(o, PARAM_THINKING_BUDGET);
	}
	pen_lit(&o->pen, "}");
}

void chat_put_key(struct chat_out *o, enum chat_key key)
{
	struct pen *p = &o->pen;

	switch (key) {
	case CHAT_MODEL: pen_text(p, "model", o->dialect->model); return;
	case CHAT_STREAM:
		pen_bytes(p, o->inf->stream ? B(",\"stream\":true") : B(",\"stream\":false"));
		return;
	case CHAT_STREAM_OPTIONS:
		if (o->inf->stream)
			pen_lit(p, ",\"stream_options\":{\"include_usage\":true}");
		return;
	case CHAT_REASONING: put_reasoning(o); return;
	case CHAT_REASONING_FORMAT:
		pen_set(p, "reasoning_format", chat(o)->reasoning_format);
		return;
	case CHAT_GUIDED_JSON:
		if (chat(o)->json == CHAT_JSON_GUIDED && asks_for_json(o->inf))
			pen_json(p, "guided_json", o->inf->output_schema);
		return;
	case CHAT_PROMPT_MODE: pen_set(p, "prompt_mode", chat(o)->prompt_mode); return;
	case CHAT_KEYS_END: break;
	}
}

/* ---- JSON ---- */

/* For which the API wants the word in the prompt. */
bool chat_sends_json_object(const struct chat_out *o)
{
	bool old = !chat(o)->no_old_models && bytes_find(o->dialect->model, B("3.5")) >= 0;

	if (!asks_for_json(o->inf))
		return false;
	switch (chat(o)->json) {
	case CHAT_JSON_OBJECT:
	case CHAT_JSON_WITH_SCHEMA: return true;
	case CHAT_JSON_OPENAI:
		return o->inf->json_mode == JSON_MODE_ON || !bytes_set(o->inf->output_schema) ||
		       old;
	case CHAT_JSON_SCHEMA:
	case CHAT_JSON_GUIDED:
	case CHAT_JSON_NONE: break;
	}
	return false;
}

void chat_put_response_format(struct chat_out *o)
{
	struct pen *p = &o->pen;

	if (!asks_for_json(o->inf)) {
		pen_lit(p, "{\"type\":\"text\"}");
	} else if (chat_sends_json_object(o)) {
		pen_lit(p, "{\"type\":\"json_object\"");
		p->comma = true;
		if (chat(o)->json == CHAT_JSON_WITH_SCHEMA)
			pen_json(p, "schema", o->inf->output_schema);
		pen_lit(p, "}");
	} else {
		pen_lit(p,
			"{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"response\",\"strict\":true,\"schema\":");
		pen_bytes(p, o->inf->output_schema);
		pen_lit(p, "}}");
	}
}

/* ---- messages ---- */

struct bytes chat_call_id(const struct chat_out *o, struct bytes id, char out[ID_ROOM])
{
	if (chat(o)->call_ids)
		return id_mapped(chat(o)->call_ids, id, out);
	return o->inf->options->short_ids ? id_mapped(&id_openai_chat, id, out) : id;
}

bool chat_plain_roles(const struct chat_out *o)
{
	struct bytes name = chat(o)->plain_roles_for;

	return bytes_set(name) && bytes_find(o->dialect->model, name) >= 0;
}

static bool has_results(const struct message *m)
{
	for (size_t i = 0; i < m->len; i++)
		if (m->content[i].type == BLOCK_TOOL_RESULT)
			return true;
	return false;
}

static bool append(struct message *to, const struct block *blocks, size_t n, struct arena *a)
{
	for (size_t i = 0; i < n; i++)
		if (!arena_push(a, to->content, to->len, to->cap, blocks[i]))
			return false;
	return true;
}

/* A result begins anew: what stands before it must stay there. */
bool chat_take_turns(const struct chat_out *o, struct arena *a, struct message **out, size_t *n)
{
	const struct inference *inf = o->inf;
	struct message *list = arena_array(a, struct message, inf->nmessages + 1);
	struct block system = { .type = BLOCK_TEXT, .text = inf->system };

	*n = 0;
	*out = list;
	if (!list)
		return false;
	if (chat_plain_roles(o) && bytes_set(inf->system) && !append(&list[(*n)++], &system, 1, a))
		return false;
	for (size_t i = 0; i < inf->nmessages; i++) {
		const struct message *m = &inf->messages[i];

		if (m->len == 0) /* it says nothing */
			continue;
		if (*n == 0 || list[*n - 1].role != m->role || has_results(m))
			list[(*n)++].role = m->role;
		if (!append(&list[*n - 1], m->content, m->len, a))
			return false;
	}
	return true;
}
