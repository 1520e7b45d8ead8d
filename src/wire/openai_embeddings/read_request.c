/*
 * A client's request. The input goes on as it came, so it is looked at only as far as its errors are the client's: what it
 * is, that there is some, how many vectors it asks for. Its texts stand in the neutral model as one message, too: that is
 * what the record shows.
 */
#include "wire/openai_embeddings/openai_embeddings.h"

#include "base/error.h"
#include "wire/expect.h"
#include "wire/openai_chat/openai_chat.h"
#include "wire/openai_chat/read_request.h"

#define SHOWN_MAX 64 /* inputs that the record's message has */

const struct surface_options openai_embeddings_options = {
	.lenient = true,
	.unique_keys = true,
	.embeddings = true,
	.client_headers = true,
};

const struct surface_options tensorzero_embeddings_options = {
	.prefixed_names = true,
	.embeddings = true,
	.tensorzero_shape = true,
};

struct field {
	struct bytes name;
	int (*read)(struct reader *, const struct where *, yyjson_val *,
		    struct embedding_request *);
};

static bool is_number(yyjson_val *v)
{
	return bytes_set(json_raw(v));
}

static bool is_numbers(yyjson_val *list)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it)))
		if (!is_number(one))
			return false;
	return yyjson_is_arr(list);
}

/* A list is strings, token ids, or lists of these; the first element says which. */
static bool is_input(yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *one, *first = yyjson_arr_get_first(v);

	if (yyjson_is_str(v) || (yyjson_is_arr(v) && !first))
		return true;
	while ((one = yyjson_arr_iter_next(&it)))
		if (yyjson_is_str(first)   ? !yyjson_is_str(one)
		    : yyjson_is_arr(first) ? !is_numbers(one)
					   : !is_number(one))
			return false;
	return yyjson_is_arr(v);
}

static int read_input(struct reader *r, const struct where *w, yyjson_val *v,
		      struct embedding_request *e)
{
	yyjson_val *first = yyjson_arr_get_first(v);

	if (!is_input(v))
		return expect_fail(
			w, "invalid_type",
			"data did not match any variant of untagged enum EmbeddingInput");
	e->input = json_print_arena(v, r->arena);
	e->inputs = yyjson_is_arr(v) && !(first && is_number(first)) ? yyjson_arr_size(v) : 1;
	return bytes_set(e->input) ? 0 : -1;
}

static int read_model(struct reader *r, const struct where *w, yyjson_val *v,
		      struct embedding_request *e)
{
	(void)e;
	return expect_string(w, v, &r->env->model);
}

static int read_dimensions(struct reader *r, const struct where *w, yyjson_val *v,
			   struct embedding_request *e)
{
	(void)r;
	return expect_u32(w, v, &e->dimensions);
}

static int read_encoding(struct reader *r, const struct where *w, yyjson_val *v,
			 struct embedding_request *e)
{
	static const struct bytes names[] = { B("float"), B("base64") };
	int i = expect_choice(w, v, names, COUNT(names));

	(void)r;
	e->base64 = i == 1;
	return i < 0 ? -1 : 0;
}

static int read_user(struct reader *r, const struct where *w, yyjson_val *v,
		     struct embedding_request *e)
{
	if (!r->options->lenient)
		return 0;
	r->env->user = e->user = json_str(v);
	return yyjson_is_str(v) ? 0 : expect_type(w, v, "a string");
}

static int read_credentials(struct reader *r, const struct where *w, yyjson_val *v,
			    struct embedding_request *e)
{
	(void)e;
	return openai_read_credentials(r, w, v);
}

static int read_cache(struct reader *r, const struct where *w, yyjson_val *v,
		      struct embedding_request *e)
{
	(void)e;
	return openai_read_cache_options(r, w, v);
}

static int read_dryrun(struct reader *r, const struct where *w, yyjson_val *v,
		       struct embedding_request *e)
{
	(void)e;
	return expect_bool(w, v, &r->env->dryrun);
}

static int read_raw(struct reader *r, const struct where *w, yyjson_val *v,
		    struct embedding_request *e)
{
	(void)e;
	return expect_bool(w, v, &r->env->include_raw_response);
}

static const struct field fields[] = {
	{ B("input"), read_input },
	{ B("model"), read_model },
	{ B("dimensions"), read_dimensions },
	{ B("encoding_format"), read_encoding },
	{ B("user"), read_user },
	{ B("tensorzero::credentials"), read_credentials },
	{ B("tensorzero::dryrun"), read_dryrun },
	{ B("tensorzero::cache_options"), read_cache },
	{ B("tensorzero::include_raw_response"), read_raw },
};

static const struct field *field_of(struct bytes name)
{
	for (size_t i = 0; i < COUNT(fields); i++)
		if (bytes_eq(fields[i].name, name))
			return &fields[i];
	return NULL;
}

/* Fields that nobody knows are named, as on every surface of ours. */
static int note_ignored(struct reader *r, struct bytes name)
{
	struct bytes *ignored = &r->env->ignored;

	if (!r->options->lenient)
		return 0;
	*ignored = ignored->n ? arena_printf(r->arena, "%.*s, %.*s", BFMT(*ignored), BFMT(name))
			      : name;
	return bytes_set(*ignored) ? 0 : -1;
}

static int read_fields(struct reader *r, yyjson_val *root, struct embedding_request *e)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	yyjson_val *key;

	if (!yyjson_is_obj(root))
		return expect_type(&r->root, root, "struct OpenAICompatibleEmbeddingParams");
	while ((key = yyjson_obj_iter_next(&it))) {
		const struct field *f = field_of(json_str(key));
		struct where at = WHERE_KEY(&r->root, json_str(key));
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		bool required = f == &fields[0] || f == &fields[1];

		if (!f ? note_ignored(r, json_str(key))
		       : !(yyjson_is_null(v) && !required) && f->read(r, &at, v, e))
			return -1;
	}
	for (size_t i = 0; i < 2; i++)
		if (!json_get_n(root, fields[i].name.p, fields[i].name.n))
			return expect_field(&r->root, fields[i].name.p);
	return 0;
}

static int check(struct reader *r, const struct embedding_request *e)
{
	struct where model = WHERE_KEY(&r->root, B("model")),
		     input = WHERE_KEY(&r->root, B("input"));

	if (r->options->lenient && r->env->model.n == 0)
		return openai_refuse(&model, "invalid_value", "`model` is empty: name a model");
	if (e->inputs > 0 && !bytes_eq(e->input, B("[]")))
		return 0;
	fail_param(ERR_INVALID_REQUEST, where_param(&input), "invalid_value",
		   "Input cannot be empty");
	return -1;
}

static int add_text(struct reader *r, struct message *m, struct bytes text)
{
	struct block b = { .type = BLOCK_TEXT, .text = text };

	return bytes_set(text) && arena_push(r->arena, m->content, m->len, m->cap, b) ? 0 : -1;
}

/* The input as a user's message: what previews and the record's input are made of. */
static int show(struct reader *r, yyjson_val *input)
{
	struct message m = { .role = ROLE_USER };
	yyjson_arr_iter it = yyjson_arr_iter_with(input);
	yyjson_val *one;

	if (yyjson_is_str(input) && add_text(r, &m, json_str(input)))
		return -1;
	while (m.len < SHOWN_MAX && (one = yyjson_arr_iter_next(&it))) {
		if (is_number(one)) /* one list of tokens */
			return add_text(r, &m, r->req->env.inf.embedding->input) ||
					       !arena_push(r->arena, r->inf->messages,
							   r->inf->nmessages, r->inf->cmessages, m)
				       ? -1
				       : 0;
		if (add_text(r, &m,
			     yyjson_is_str(one) ? json_str(one) : json_print_arena(one, r->arena)))
			return -1;
	}
	return arena_push(r->arena, r->inf->messages, r->inf->nmessages, r->inf->cmessages, m) ? 0
											       : -1;
}

struct envelope *openai_embeddings_read_request(struct bytes body,
						const struct surface_options *options,
						struct arena *a)
{
	struct chat_request *req = arena_new(a, struct chat_request);
	struct embedding_request *e = arena_new(a, struct embedding_request);
	struct reader r = { .arena = a, .options = options, .req = req };
	yyjson_val *root;

	if (!req || !e)
		return NULL;
	r.env = &req->env;
	r.inf = &req->env.inf;
	r.root.arena = a;
	r.env->include_usage = -1;
	r.inf->options = options;
	r.inf->embedding = e;
	root = json_parse(body, a);
	if (!root) { /* the chat reader finds the same fault, and has the words for it */
		openai_chat_read_request(body, options, a);
		return NULL;
	}
	if (openai_check_keys(root, options, a) || read_fields(&r, root, e) || check(&r, e) ||
	    show(&r, json_get(root, "input")))
		return NULL;
	return r.env;
}
