/*
 * TensorZero's own fields ("tensorzero::…") but its parameters and provider tools, and OpenAI's metadata, which become
 * tags like theirs.
 */
#include "wire/openai_chat/read_request.h"

#include "base/error.h"
#include "base/words.h"

#define MAX_METADATA       16
#define MAX_METADATA_KEY   64
#define MAX_METADATA_VALUE 512

/* ---- extra_body, extra_headers ---- */

/* Where a member that is a text goes; NULL: nowhere. */
static struct bytes *extra_member(struct extra *e, struct bytes key, bool header)
{
	if (bytes_eq(key, header ? B("name") : B("pointer")))
		return &e->pointer;
	if (bytes_eq(key, B("variant_name")))
		return &e->variant_name;
	if (bytes_eq(key, B("model_name")))
		return &e->model_name;
	return bytes_eq(key, B("provider_name")) ? &e->provider_name : NULL;
}

/* The members into *e and *value; false: it is none of the forms of http-api §8. */
static bool read_members(yyjson_val *v, bool header, struct extra *e, yyjson_val **value)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	bool any_provider = false; /* "provider_name": null is a model's filter */
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		yyjson_val *member = yyjson_obj_iter_get_val(key);
		struct bytes *to = extra_member(e, json_str(key), header);

		if (bytes_eq(json_str(key), B("value"))) {
			*value = member;
		} else if (bytes_eq(json_str(key), B("delete"))) {
			if (!yyjson_is_true(member))
				return false;
			e->remove = true;
		} else if (to == &e->provider_name && yyjson_is_null(member)) {
			any_provider = true;
		} else if (!yyjson_is_str(member)) {
			return false;
		} else if (to) {
			*to = json_str(member);
		} else if (!bytes_eq(json_str(key), B("model_provider_name"))) {
			return false; /* that older filter is read and applies everywhere */
		}
	}
	return !any_provider || bytes_set(e->model_name);
}

/* The older form: whatever else it holds, it applies everywhere. */
static int read_older(const struct where *w, yyjson_val *v, struct extra *e, yyjson_val **value)
{
	e->pointer = json_str(json_get(v, "pointer"));
	*value = json_get(v, "value");
	e->remove = !*value && yyjson_is_true(json_get(v, "delete"));
	if (!bytes_set(e->pointer))
		return expect_fail(
			w, "invalid_value",
			"legacy `extra_body` entry with `model_provider_name` is missing `pointer`");
	if (!*value && !e->remove)
		return expect_fail(
			w, "invalid_value",
			"legacy `extra_body` entry with `model_provider_name` has neither `value` nor `delete: true`");
	return 0;
}

static bool is_extra(const struct extra *e, yyjson_val *value, bool header)
{
	if (!bytes_set(e->pointer) || !value == !e->remove)
		return false;
	if (header && value && !yyjson_is_str(value))
		return false;
	return bytes_set(e->model_name) ? !bytes_set(e->variant_name)
					: !bytes_set(e->provider_name);
}

static int extra_add(struct reader *r, const struct where *w, yyjson_val *v, bool header)
{
	struct extras *to = header ? &r->inf->extra_headers : &r->inf->extra_body;
	struct where at = *w;
	struct extra e = { 0 };
	yyjson_val *value = NULL;

	if (!header) /* TensorZero names the header's index, not the body's */
		at.show = WHERE_HIDDEN;
	if (!header && json_get(v, "model_provider_name")) {
		if (read_older(&at, v, &e, &value))
			return -1;
	} else if (!yyjson_is_obj(v) || !read_members(v, header, &e, &value) ||
		   (header && !r->options->lenient && json_get(v, "model_provider_name")) ||
		   !is_extra(&e, value, header)) {
		return expect_fail(&at, "invalid_value",
				   "data did not match any variant of untagged enum %s",
				   header ? "ExtraHeader" : "ExtraBody");
	}
	if (to->len == CHAT_MAX_EXTRAS)
		return expect_fail(w->up, "invalid_value", "more than %d entries", CHAT_MAX_EXTRAS);
	if (value) {
		e.value = header ? json_str(value) : json_print_arena(value, r->arena);
		if (!bytes_set(e.value))
			return -1;
	}
	return arena_push(r->arena, to->at, to->len, to->cap, e) ? 0 : -1;
}

static int extra_body_add(struct reader *r, const struct where *w, yyjson_val *v)
{
	return extra_add(r, w, v, false);
}

static int extra_header_add(struct reader *r, const struct where *w, yyjson_val *v)
{
	return extra_add(r, w, v, true);
}

int openai_read_extra_body(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, extra_body_add);
}

int openai_read_extra_headers(struct reader *r, const struct where *w, yyjson_val *v)
{
	return chat_each(r, w, v, extra_header_add);
}

/* ---- names and ids ---- */

static int is_cache_mode(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes modes[] = { B("on"), B("off"), B("read_only"), B("write_only") };

	(void)r;
	return expect_choice(w, v, modes, COUNT(modes)) < 0 ? -1 : 0;
}

static int is_age(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct bytes ignored;

	(void)r;
	return expect_u32(w, v, &ignored);
}

int openai_read_cache_options(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct chat_member members[] = { { B("enabled"), is_cache_mode },
						      { B("max_age_s"), is_age, true } };

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct CacheParamsOptions");
	if (chat_check_members(r, w, v, members, COUNT(members)))
		return -1;
	r->env->cache_options = json_print_arena(v, r->arena);
	return bytes_set(r->env->cache_options) ? 0 : -1;
}

int openai_read_namespace(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct bytes *name = &r->env->namespace_;

	if (expect_string(w, v, name))
		return -1;
	if (name->n == 0)
		return expect_fail(w, "invalid_value", "Namespace identifier cannot be empty");
	if (bytes_starts(*name, B("tensorzero::")))
		return expect_fail(w, "invalid_value",
				   "Namespace cannot start with `tensorzero::`: %.*s", BFMT(*name));
	return 0;
}

int openai_read_dynamic_variant(struct reader *r, const struct where *w, yyjson_val *v)
{
	static const struct bytes types[] = { B("chat_completion"),
					      B("experimental_best_of_n_sampling"),
					      B("experimental_dynamic_in_context_learning"),
					      B("experimental_mixture_of_n"),
					      B("experimental_chain_of_thought") };
	struct bytes type = json_str(json_get(v, "type"));

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "struct UninitializedVariantInfo");
	r->env->dynamic_variant = true;
	if (!bytes_set(type))
		return expect_field(w, "type");
	return expect_one_of(w, type, types, COUNT(types)) < 0 ? -1 : 0;
}

int openai_read_episode_id(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct bytes text = json_str(v), bare = text, fault = { NULL, 0 };
	char canonical[UUID_TEXT + 1];
	struct uuid id;

	if (!yyjson_is_str(v))
		return expect_type(w, v, "a formatted UUID string");
	if (text.n != UUID_TEXT || !uuid_parse(text, &id)) {
		fault = words_uuid_fault(text, r->arena);
		if (bytes_starts(bare, B("urn:uuid:")))
			bare = bytes_slice(bare, 9, bare.n);
		else if (bare.n > 2 && *bare.p == '{')
			bare = bytes_slice(bare, 1, bare.n - 2);
	}
	if (bytes_set(fault) || !uuid_parse(bare, &id))
		return expect_fail(w, "invalid_value", "UUID parsing failed: %.*s", BFMT(fault));
	r->env->episode_id = arena_dup(r->arena, uuid_text(id, canonical));
	return bytes_set(r->env->episode_id) ? 0 : -1;
}

/* ---- tags ---- */

static int read_pairs(struct reader *r, const struct where *w, yyjson_val *v, struct tag **to,
		      size_t *len, size_t *cap)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	yyjson_val *key;

	if (!yyjson_is_obj(v))
		return expect_type(w, v, "a map");
	while ((key = yyjson_obj_iter_next(&it))) {
		struct where at = WHERE_KEY(w, json_str(key));
		struct tag t = { .key = json_str(key) };

		if (expect_string(&at, yyjson_obj_iter_get_val(key), &t.value) ||
		    !arena_push(r->arena, *to, *len, *cap, t))
			return -1;
	}
	return 0;
}

int openai_read_tags(struct reader *r, const struct where *w, yyjson_val *v)
{
	return read_pairs(r, w, v, &r->env->tags, &r->env->ntags, &r->env->ctags);
}

int openai_read_credentials(struct reader *r, const struct where *w, yyjson_val *v)
{
	/* a credential one level too high: the error, which is recorded, must not repeat it */
	if (yyjson_is_str(v))
		return expect_fail(w, "invalid_type",
				   "invalid type: string \"[redacted]\", expected a map");
	return read_pairs(r, w, v, &r->env->credentials, &r->env->ncredentials,
			  &r->env->ccredentials);
}

/* surfaces §1.8 */
int openai_read_metadata(struct reader *r, const struct where *w, yyjson_val *v)
{
	struct tag *pairs = NULL;
	size_t len = 0, cap = 0;

	if (read_pairs(r, w, v, &pairs, &len, &cap))
		return -1;
	if (len > MAX_METADATA)
		return openai_refuse(w, "invalid_value",
				     "`metadata` has %zu pairs, at most %d are allowed", len,
				     MAX_METADATA);
	for (size_t i = 0; i < len; i++) {
		struct where at = WHERE_KEY(w, pairs[i].key);

		if (bytes_starts(pairs[i].key, B("tensorzero::")) ||
		    bytes_starts(pairs[i].key, B("signet::")))
			return openai_refuse(&at, "invalid_value",
					     "`metadata` key is reserved: %.*s",
					     BFMT(pairs[i].key));
		if (pairs[i].key.n > MAX_METADATA_KEY || pairs[i].value.n > MAX_METADATA_VALUE)
			return openai_refuse(&at, "invalid_value",
					     "`metadata` keys have at most %d bytes, values %d",
					     MAX_METADATA_KEY, MAX_METADATA_VALUE);
		if (!arena_push(r->arena, r->env->tags, r->env->ntags, r->env->ctags, pairs[i]))
			return -1;
	}
	return 0;
}
