/*
 * A client's Messages request -> struct envelope (surfaces §5.2). What is wrong is told as the API tells it, by dots and
 * indexes: "messages.3.content.0.type: Field required". What Signet does not know is no error: a provider of this same
 * family gets the client's own body, others get what can be said to them and the rest is named (foreign.c).
 */
#include "wire/anthropic_messages/read_request.h"

#include "base/error.h"
#include "wire/params.h"

#define MAX_MESSAGE (64u << 10)

const struct surface_options messages_options = {
	.lenient = true,
	.unique_keys = true,
	.keeps_source = true,
	.system_in_place = true,
	.results_as_sent = true,
	.strict_inner = true,
	.short_ids = true,
	.custom_choice = true,
	.fill_results = true,
	.client_headers = true,
	.error_ends_stream = true,
};

/* ---- refusing ---- */

/* "messages.0.content", in the arena. */
static struct bytes place_of(const struct where *w, struct arena *a)
{
	struct bytes up;

	if (!w->up)
		return B("");
	up = place_of(w->up, a);
	if (bytes_set(w->key))
		return arena_printf(a, "%.*s%s%.*s", BFMT(up), up.n ? "." : "", BFMT(w->key));
	return arena_printf(a, "%.*s.%zu", BFMT(up), w->index);
}

static struct arena *arena_of(const struct where *w)
{
	while (w->up)
		w = w->up;
	return w->arena;
}

int messages_refuse(const struct where *w, const char *fmt, ...)
{
	struct bytes place = place_of(w, arena_of(w));
	struct buf b;
	va_list args;

	buf_init(&b, MAX_MESSAGE);
	va_start(args, fmt);
	buf_vprintf(&b, fmt, args);
	va_end(args);
	fail_param(ERR_INVALID_REQUEST, place, "invalid_request", "%.*s%s%.*s", BFMT(place),
		   place.n ? ": " : "", BFMT(buf_bytes(&b)));
	buf_deinit(&b);
	return -1;
}

int messages_only_here(struct messages_reader *r, const struct where *w, const char *what)
{
	struct inference *inf = r->inf;

	if (bytes_set(inf->unsayable))
		return 0;
	inf->unsayable_param = place_of(w, r->arena);
	inf->unsayable =
		arena_printf(r->arena, "%.*s: %s, which the model that answers here cannot take",
			     BFMT(inf->unsayable_param), what);
	return bytes_set(inf->unsayable) ? 0 : -1;
}

int messages_string(const struct where *w, yyjson_val *obj, const char *key, struct bytes *out)
{
	struct where at = WHERE_KEY(w, bytes_of(key));
	yyjson_val *v = json_get(obj, key);

	if (!yyjson_is_obj(obj))
		return messages_refuse(w, "Input should be a valid dictionary");
	if (!yyjson_is_str(v))
		return messages_refuse(&at,
				       v ? "Input should be a valid string" : "Field required");
	*out = json_str(v);
	return 0;
}

enum cache_mark messages_cache(yyjson_val *block)
{
	yyjson_val *mark = json_get(block, "cache_control");

	if (!yyjson_is_obj(mark))
		return CACHE_UNMARKED;
	return bytes_eq(json_str(json_get(mark, "ttl")), B("1h")) ? CACHE_1H : CACHE_5M;
}

/* ---- parameters ---- */

static int read_param(struct messages_reader *r, enum param p, yyjson_val *v)
{
	struct where at = WHERE_KEY(&r->root, param_rows[p].name);

	if (!v || yyjson_is_null(v))
		return 0;
	if (param_read(&at, p, v, false, &r->inf->params[p]))
		return messages_refuse(&at, param_rows[p].kind == PARAM_F32
						    ? "Input should be a valid number"
						    : "Input should be a valid integer");
	r->inf->own |= PARAM_BIT(p);
	return 0;
}

static int read_stops(struct messages_reader *r, yyjson_val *list)
{
	struct where at = WHERE_KEY(&r->root, B("stop_sequences"));
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;
	size_t cap = 0;

	if (!list || yyjson_is_null(list))
		return 0;
	if (!yyjson_is_arr(list))
		return messages_refuse(&at, "Input should be a valid list");
	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes text = json_str(one);

		if (!bytes_set(text))
			return messages_refuse(&at, "Input should be a list of strings");
		if (!bytes_trim(text).n)
			continue;
		if (!arena_push(r->arena, r->inf->stop, r->inf->nstop, cap, text))
			return -1;
	}
	r->inf->stop_set = r->inf->nstop > 0;
	r->inf->own |= PARAM_BIT(PARAM_STOP);
	return 0;
}

static int read_thinking(struct messages_reader *r, yyjson_val *v)
{
	struct where at = WHERE_KEY(&r->root, B("thinking")),
		     budget = WHERE_KEY(&at, B("budget_tokens"));
	struct bytes type, display = json_str(json_get(v, "display"));

	if (!v || yyjson_is_null(v))
		return 0;
	if (messages_string(&at, v, "type", &type))
		return -1;
	/* The models that take a budget show their thoughts unless told otherwise. */
	if (bytes_eq(display, B("summarized")) ||
	    (bytes_eq(type, B("enabled")) && !bytes_set(display)))
		r->inf->reasoning_summary = B("auto");
	r->inf->wants_seals = !bytes_eq(type, B("disabled")); /* its clients send thoughts back */
	if (!bytes_eq(type, B("enabled")))
		return 0; /* adaptive, between_tools: the model's own measure; disabled: none is asked for */
	if (!json_get(v, "budget_tokens"))
		return messages_refuse(&budget, "Field required");
	if (param_read(&budget, PARAM_THINKING_BUDGET, json_get(v, "budget_tokens"), false,
		       &r->inf->params[PARAM_THINKING_BUDGET]))
		return messages_refuse(&budget, "Input should be a valid integer");
	return 0;
}

/* output_config.format, and output_format as it was called before. */
static int read_format(struct messages_reader *r, yyjson_val *v)
{
	yyjson_val *schema = json_get(v, "schema");

	if (!bytes_eq(json_str(json_get(v, "type")), B("json_schema")) || !yyjson_is_obj(schema))
		return 0;
	r->inf->json_mode = JSON_MODE_STRICT;
	r->inf->output_schema = json_print_arena(schema, r->arena);
	return bytes_set(r->inf->output_schema) ? 0 : -1;
}

static int read_config(struct messages_reader *r, yyjson_val *root)
{
	yyjson_val *config = json_get(root, "output_config");
	struct bytes effort = json_str(json_get(config, "effort"));

	if (bytes_set(effort))
		r->inf->params[PARAM_REASONING_EFFORT] = effort;
	return read_format(r, json_get(config, "format")) ||
			       read_format(r, json_get(root, "output_format"))
		       ? -1
		       : 0;
}

static void read_tier(struct messages_reader *r, yyjson_val *v)
{
	struct bytes tier = json_str(v);

	if (bytes_eq(tier, B("auto")))
		r->inf->params[PARAM_SERVICE_TIER] = tier;
	else if (bytes_eq(tier, B("standard_only")))
		r->inf->params[PARAM_SERVICE_TIER] = B("default");
}

/* ---- TensorZero's keys ---- */

static int read_tags(struct messages_reader *r, yyjson_val *v, bool credentials)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	struct envelope *env = r->env;
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		struct tag t = { json_str(key), json_str(yyjson_obj_iter_get_val(key)) };

		if (!bytes_set(t.value))
			return messages_refuse(&r->root, "tensorzero::%s: Input should be strings",
					       credentials ? "credentials" : "tags");
		if (!credentials && bytes_starts(t.key, B("tensorzero::")))
			return messages_refuse(&r->root,
					       "Tag name cannot start with 'tensorzero::': %.*s",
					       BFMT(t.key));
		if (credentials ? !arena_push(r->arena, env->credentials, env->ncredentials,
					      env->ccredentials, t)
				: !arena_push(r->arena, env->tags, env->ntags, env->ctags, t))
			return -1;
	}
	return 0;
}

static int read_own_key(struct messages_reader *r, struct bytes key, yyjson_val *v)
{
	struct envelope *env = r->env;
	struct bytes name = bytes_slice(key, strlen("tensorzero::"), key.n);
	static const struct {
		struct bytes name;
		size_t at;
	} texts[] = { { B("episode_id"), offsetof(struct envelope, episode_id) },
		      { B("variant_name"), offsetof(struct envelope, variant_name) },
		      { B("namespace"), offsetof(struct envelope, namespace_) } };

	for (size_t i = 0; i < COUNT(texts); i++)
		if (bytes_eq(texts[i].name, name) && yyjson_is_str(v)) {
			*(struct bytes *)(void *)((char *)env + texts[i].at) = json_str(v);
			return 0;
		}
	if (bytes_eq(name, B("tags")))
		return read_tags(r, v, false);
	if (bytes_eq(name, B("credentials")))
		return read_tags(r, v, true);
	if (bytes_eq(name, B("dryrun")) && yyjson_is_bool(v)) {
		env->dryrun = yyjson_is_true(v);
		return 0;
	}
	return yyjson_is_null(v)
		       ? 0
		       : messages_refuse(&r->root, "%.*s: this key is not known on this route",
					 BFMT(key));
}

static int read_own_keys(struct messages_reader *r, yyjson_val *root)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it)))
		if (bytes_starts(json_str(key), B("tensorzero::")) &&
		    read_own_key(r, json_str(key), yyjson_obj_iter_get_val(key)))
			return -1;
	return 0;
}

/* ---- the whole ---- */

static int read_max_tokens(struct messages_reader *r, yyjson_val *root, bool counts)
{
	struct where at = WHERE_KEY(&r->root, B("max_tokens"));
	yyjson_val *v = json_get(root, "max_tokens");
	uint64_t n;

	if (counts)
		return 0;
	if (!v)
		return messages_refuse(&at, "Field required");
	if (!json_u64(v, &n))
		return messages_refuse(&at, "Input should be a valid integer, at least 0");
	if (n == 0)
		return messages_only_here(r, &at, "0 warms a cache of Anthropic's up");
	return read_param(r, PARAM_MAX_TOKENS, v);
}

static int read_others(struct messages_reader *r, yyjson_val *root)
{
	yyjson_val *servers = json_get(root, "mcp_servers"), *thread = json_get(root, "thread"),
		   *stream = json_get(root, "stream");
	struct where at = WHERE_KEY(&r->root, B("stream"));

	if (stream && !yyjson_is_bool(stream) && !yyjson_is_null(stream))
		return messages_refuse(&at, "Input should be a valid boolean");
	r->env->stream = r->inf->stream = yyjson_is_true(stream);
	r->env->user = json_str(json_get(json_get(root, "metadata"), "user_id"));
	read_tier(r, json_get(root, "service_tier"));
	if (yyjson_arr_size(servers) &&
	    messages_only_here(r, &WHERE_KEY(&r->root, B("mcp_servers")), "servers of MCP"))
		return -1;
	return thread && !yyjson_is_null(thread)
		       ? messages_only_here(r, &WHERE_KEY(&r->root, B("thread")), "a thread")
		       : 0;
}

static int read_all(struct messages_reader *r, yyjson_val *root, bool counts)
{
	if (!yyjson_is_obj(root))
		return messages_refuse(&r->root, "Input should be a valid dictionary");
	if (messages_string(&r->root, root, "model", &r->env->model))
		return -1;
	if (!r->env->model.n)
		return messages_refuse(&WHERE_KEY(&r->root, B("model")),
				       "String should have at least 1 character");
	if (read_max_tokens(r, root, counts) ||
	    read_param(r, PARAM_TEMPERATURE, json_get(root, "temperature")) ||
	    read_param(r, PARAM_TOP_P, json_get(root, "top_p")) ||
	    read_stops(r, json_get(root, "stop_sequences")) ||
	    messages_read_tools(r, json_get(root, "tools")) ||
	    messages_read_choice(r, json_get(root, "tool_choice")) ||
	    read_thinking(r, json_get(root, "thinking")) || read_config(r, root) ||
	    read_others(r, root) || read_own_keys(r, root) ||
	    messages_read_system(r, json_get(root, "system")) ||
	    messages_read_messages(r, json_get(root, "messages")))
		return -1;
	r->inf->own |= PARAM_BIT(PARAM_TOOLS) | PARAM_BIT(PARAM_TOOL_CHOICE);
	return 0;
}

static int check_keys(yyjson_val *root, const struct surface_options *options, struct arena *a)
{
	struct bytes path;
	int r = options->unique_keys ? json_repeated_key(root, a, &path) : 0;

	return r > 0 ? fail_param(ERR_INVALID_REQUEST, path, "invalid_request",
				  "The request body has the key `%.*s` twice (leave one of them)",
				  BFMT(path))
		     : r;
}

static struct envelope *read_body(struct bytes body, const struct surface_options *options,
				  struct arena *a, bool counts)
{
	struct messages_request *req = arena_new(a, struct messages_request);
	struct messages_reader r = {
		.arena = a, .options = options, .req = req, .root = { .arena = a }
	};
	yyjson_val *root;
	bool bad;

	if (!req)
		return NULL;
	r.env = &req->env;
	r.inf = &req->env.inf;
	r.env->include_usage = 1;
	r.inf->options = options;
	r.inf->source = body;
	r.inf->source_wire = &wire_anthropic_messages;
	r.inf->source_intact = true;
	root = json_parse(body, a);
	if (!root && error_last()->kind == ERR_JSON_REQUEST)
		return fail_null(ERR_INVALID_REQUEST, "The request body is not valid JSON: %.*s",
				 BFMT(error_last()->message));
	bad = !root || check_keys(root, options, a) || read_all(&r, root, counts);
	map_deinit(&r.calls);
	return bad ? NULL : r.env;
}

struct envelope *anthropic_read_request(struct bytes body, const struct surface_options *options,
					struct arena *a)
{
	return read_body(body, options, a, false);
}

struct envelope *anthropic_read_count(struct bytes body, const struct surface_options *options,
				      struct arena *a)
{
	return read_body(body, options, a, true);
}
