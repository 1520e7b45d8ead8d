/*
 * The fields that are parameters (inference/params.h): OpenAI's own, and TensorZero's object of them, which wins.
 */
#include "wire/openai_chat/read_request.h"
#include "wire/params.h"

/* ---- formats ---- */

static int read_json_schema(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct chat_member members[] = { { B("name"), chat_is_string },
						      { B("description"), chat_is_string, true },
						      { B("strict"), chat_is_bool,
							.null_is_lenient = true } };
	struct where at = WHERE_LOST(w, B("json_schema"));
	yyjson_val *info, *name, *schema;

	if (expect_member(w, v, "json_schema", &info))
		return -1;
	if (!yyjson_is_obj(info))
		return expect_type(&at, info, "struct JsonSchemaInfo");
	if (chat_check_members(r, &at, info, members, COUNT(members)) ||
	    expect_member(&at, info, "name", &name))
		return -1;
	schema = json_get(info, "schema");
	if (!schema || yyjson_is_null(schema))
		return 0;
	r->inf->output_schema = json_print_arena(schema, r->arena);
	return bytes_set(r->inf->output_schema) ? 0 : -1;
}

/* A form that only some upstreams know: it goes out in the client's own body or not at all. */
static bool is_open_format(yyjson_val *v, struct bytes type)
{
	if (bytes_eq(type, B("json_schema")))
		return !json_get(v, "json_schema") && yyjson_obj_size(v) > 1;
	return !bytes_eq(type, B("text")) && !bytes_eq(type, B("json_object"));
}

static int read_response_format(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("text"), B("json_schema"), B("json_object") };
	static const enum json_mode modes[] = { JSON_MODE_OFF, JSON_MODE_STRICT, JSON_MODE_ON };
	struct where at = WHERE_KEY(w, B("type"));
	struct bytes type;
	int which;

	if (chat_read_tag(w, v, "OpenAICompatibleResponseFormat", &type))
		return -1;
	if (r->options->lenient && is_open_format(v, type))
		return 0;
	which = expect_one_of(&at, type, types, 3);
	if (which < 0)
		return -1;
	r->inf->json_mode = modes[which];
	return modes[which] == JSON_MODE_STRICT ? read_json_schema(r, w, v) : 0;
}

/* ---- stop ---- */

/* A list of strings; 1: something else is in it. */
static int read_strings(struct reader *r, yyjson_val *v, struct inference *to)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one;
	size_t cap = 0;

	while ((one = yyjson_arr_iter_next(&it))) {
		if (!yyjson_is_str(one))
			return 1;
		if (!arena_push(r->arena, to->stop, to->nstop, cap, json_str(one)))
			return -1;
	}
	return 0;
}

static int read_stop(struct reader *r, const struct where *w, yyjson_val *v)
{
	size_t cap = 0;
	int bad = 1;

	r->inf->stop_set = true;
	if (yyjson_is_str(v))
		return arena_push(r->arena, r->inf->stop, r->inf->nstop, cap, json_str(v)) ? 0 : -1;
	if (yyjson_is_arr(v))
		bad = read_strings(r, v, r->inf);
	if (bad > 0)
		return expect_fail(w, "invalid_type",
				   "data did not match any variant of untagged enum StopSequences");
	return bad;
}

/* ---- the fields ---- */

int chat_read_param(struct reader *r, const struct where *w, yyjson_val *v, enum param p)
{
	r->inf->own |= PARAM_BIT(p);
	switch (param_rows[p].kind) {
	case PARAM_JSON_MODE: return read_response_format(r, w, v);
	case PARAM_TEXT_LIST: return read_stop(r, w, v);
	case PARAM_TOOL_LIST: return openai_read_tools(r, w, v);
	case PARAM_TOOL_NAME: return openai_read_tool_choice(r, w, v);
	case PARAM_BOOL: return openai_read_parallel(r, w, v);
	default: /* tiers of other vendors are their servers' matter */
		return param_read(w, p, v, r->options->lenient, &r->inf->params[p]);
	}
}

/* ---- tensorzero::params ---- */

static int read_json_mode(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes names[] = { B("off"), B("on"), B("strict"), B("implicit_tool"),
					      B("tool") };
	static const enum json_mode modes[] = { JSON_MODE_OFF, JSON_MODE_ON, JSON_MODE_STRICT,
						JSON_MODE_TOOL, JSON_MODE_TOOL };
	int which = expect_choice(w, v, names, 5);

	if (which < 0)
		return -1;
	r->params->json_mode = modes[which];
	return 0;
}

static int read_own_param(struct reader *r, const struct where *w, yyjson_val *v, enum param p)
{
	if (yyjson_is_null(v))
		return 0;
	if (param_is_text(p))
		return param_read(w, p, v, false, &r->params->params[p]);
	if (param_rows[p].kind == PARAM_JSON_MODE)
		return read_json_mode(r, w, v);
	if (chat_each(r, w, v, chat_is_string))
		return -1;
	r->params->stop_set = true;
	return read_strings(r, v, r->params);
}

static enum param param_named(struct bytes name)
{
	enum param p = 0;

	while (p < PARAMS && !(param_is_recorded(p) && bytes_eq(param_rows[p].name, name)))
		p++;
	return p;
}

/* A name that is none, told with the list of those that are. */
static int refuse_name(const struct where *w, yyjson_val *chat)
{
	struct bytes names[PARAMS];
	size_t n = 0;

	for (enum param p = 0; p < PARAMS; p++)
		if (param_is_recorded(p))
			names[n++] = param_rows[p].name;
	return expect_only(w, chat, names, n, false);
}

int openai_read_params(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes members[] = { B("chat_completion") };
	struct where at = WHERE_KEY(w, members[0]);
	yyjson_val *key, *chat = json_get(v, "chat_completion");
	yyjson_obj_iter it = yyjson_obj_iter_with(chat);

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct InferenceParams");
	if (expect_only(w, v, members, 1, false))
		return -1;
	if (!chat)
		return r->options->lenient ? 0 : expect_field(w, "chat_completion");
	if (!yyjson_is_obj(chat))
		return expect_type(&at, chat, "struct ChatCompletionInferenceParams");
	r->params = arena_new(r->arena, struct inference); /* too large for a fiber's stack */
	if (!r->params)
		return -1;
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where one = WHERE_KEY(&at, json_str(key));
		enum param p = param_named(json_str(key));

		if (p == PARAMS)
			return refuse_name(&at, chat);
		if (read_own_param(r, &one, yyjson_obj_iter_get_val(key), p))
			return -1;
	}
	return 0;
}
