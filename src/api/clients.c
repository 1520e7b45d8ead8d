/*
 * Clients say who they are in many places: headers of their own, fields of the body, a JSON text in a field. The
 * first place that says something counts; the order is that of surfaces §1.8.
 */
#include "api/clients.h"

#include "base/error.h"
#include "base/json.h"
#include "route/keys.h"

#define USER_TAG_MAX 256
#define USER_MAX     4096 /* longer ones are not looked into */

static int add_tag(struct envelope *env, struct bytes key, struct bytes value, struct arena *a)
{
	struct tag t = { key, arena_dup(a, value) };

	if (value.n == 0)
		return 0;
	for (size_t i = 0; i < env->ntags; i++)
		if (bytes_eq(env->tags[i].key, key))
			return 0; /* the request's own comes first */
	return bytes_set(t.value) && arena_push(a, env->tags, env->ntags, env->ctags, t) ? 0 : -1;
}

/* First product token of user-agent: "OpenAI/Python 1.2" is OpenAI. */
static struct bytes product(struct bytes agent)
{
	size_t n = 0;

	while (n < agent.n && agent.p[n] != '/' && agent.p[n] != ' ')
		n++;
	return bytes_slice(agent, 0, n);
}

/* Claude Code's two forms of a user: {"device_id":…,"account_uuid":…,"session_id":…} as text, and
 * user_‹id›_account_‹id›_session_‹id›. *user is narrowed to who it is. Returns the session, if any. */
static struct bytes split_user(struct bytes *user, struct arena *a)
{
	ptrdiff_t at = bytes_find(*user, B("_session_"));
	struct bytes who;
	yyjson_val *v;

	if (at >= 0)
		return bytes_slice(*user, (size_t)at + 9, user->n);
	if (!user->n || user->n > USER_MAX || user->p[0] != '{')
		return B("");
	v = json_parse(*user, a);
	if (!v) {
		error_clear();
		return B("");
	}
	who = json_str(json_get(v, "account_uuid"));
	if (!who.n)
		who = json_str(json_get(v, "device_id"));
	if (who.n)
		*user = who;
	return json_str(json_get(v, "session_id"));
}

static struct bytes header_of(const struct exchange *x, struct bytes first, struct bytes second)
{
	struct bytes value = exchange_get(x, first);

	return value.n ? value : exchange_get(x, second);
}

static struct bytes session_of(const struct exchange *x, const struct envelope *env,
			       struct bytes *user)
{
	struct bytes session = exchange_get(x, B("x-claude-code-session-id")),
		     of_user = split_user(user, x->arena), id;

	for (size_t i = 0; i < env->ntags && !session.n; i++)
		if (bytes_eq(env->tags[i].key, B("user_id"))) {
			id = env->tags[i].value;
			session = split_user(&id, x->arena);
		}
	if (!session.n)
		session = of_user;
	if (!session.n)
		session = header_of(x, B("session-id"), B("session_id"));
	return session.n ? session : env->prompt_cache_key;
}

int clients_attribute_key(const struct exchange *x, struct envelope *env)
{
	if (!bytes_set(x->key_public_id))
		return 0;
	return add_tag(env, B("tensorzero::api_key_public_id"), x->key_public_id, x->arena);
}

int clients_attribute(const struct exchange *x, struct envelope *env, struct bytes surface)
{
	struct bytes user = bytes_set(env->safety_identifier) ? env->safety_identifier : env->user;
	struct bytes session = session_of(x, env, &user);
	struct bytes client = product(exchange_get(x, B("user-agent")));
	const struct tag tags[] = {
		{ B("signet::user"), bytes_head(user, USER_TAG_MAX) },
		{ B("signet::session"), session },
		{ B("signet::agent"),
		  header_of(x, B("x-claude-code-agent-id"), B("x-openai-subagent")) },
		{ B("signet::parent_agent"), exchange_get(x, B("x-claude-code-parent-agent-id")) },
		{ B("signet::client"), client.n ? client : exchange_get(x, B("x-app")) },
		{ B("signet::surface"), surface },
	};

	for (size_t i = 0; i < COUNT(tags); i++)
		if (add_tag(env, tags[i].key, tags[i].value, x->arena))
			return -1;
	return 0;
}

uint64_t clients_belong(const struct exchange *x, const struct config *config, struct bytes model,
			const struct envelope *env)
{
	struct bytes session = { NULL, 0 }, header = { NULL, 0 };

	for (size_t i = 0; i < env->ntags; i++)
		if (bytes_eq(env->tags[i].key, B("signet::session")))
			session = env->tags[i].value;
	if (bytes_set(config->routing.affinity_header))
		header = exchange_get(x, config->routing.affinity_header);
	return affinity_of(config, model, session, header, &env->inf);
}
