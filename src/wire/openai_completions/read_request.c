/*
 * The body is edited into that of a chat request and handed to the chat format's reader. Three fields are this format's
 * own and do not go on; `prompt` becomes `messages`. Everything else keeps its bytes, so an upstream of OpenAI's family
 * gets fields that Signet has never heard of.
 */
#include "wire/openai_completions/openai_completions.h"

#include "base/error.h"
#include "wire/expect.h"
#include "wire/json_edit.h"

#define BODY_MAX (160u << 20) /* the chat body: the client's, and the frame around the prompt */

struct completion {
	struct where root;
	struct bytes prompt; /* the JSON string as it stands in the body, or as printed from it */
	struct bytes echo;
	bool logprobs;
};

static int refuse(const struct completion *c, struct bytes field, const char *why)
{
	fail(ERR_INVALID_OPENAI_REQUEST, "Invalid request to OpenAI-compatible endpoint: `%.*s` %s",
	     BFMT(field), why);
	where_mark(&WHERE_KEY(&c->root, field), "unsupported_parameter");
	return -1;
}

/* A string, or a list that holds one. */
static int read_prompt(struct completion *c, yyjson_val *v)
{
	yyjson_val *first = yyjson_arr_get_first(v); /* NULL: no list, or an empty one */

	if (yyjson_is_arr(v) && !first)
		return refuse(c, B("prompt"), "is an empty list: send text");
	if (first && !yyjson_is_str(first))
		return refuse(
			c, B("prompt"),
			"holds token ids, which only the model's own tokenizer reads: send text");
	if (first && yyjson_arr_size(v) > 1)
		return refuse(
			c, B("prompt"),
			"holds several prompts, of which one can be answered: send a request for each");
	v = first ? first : v;
	if (!yyjson_is_str(v))
		return expect_type(&WHERE_KEY(&c->root, B("prompt")), v, "a string");
	c->echo = json_str(v);
	c->prompt = json_print_arena(v, c->root.arena);
	return bytes_set(c->prompt) ? 0 : -1;
}

static bool is_given(yyjson_val *v)
{
	return v && !yyjson_is_null(v);
}

/* Of `n` and `best_of`: one answer is what there is. */
static bool is_one(yyjson_val *v)
{
	return !is_given(v) || bytes_eq(json_raw(v), B("1"));
}

static int read_own_fields(struct completion *c, yyjson_val *root)
{
	yyjson_val *prompt = json_get(root, "prompt"), *echo = json_get(root, "echo");
	bool echoes = false;

	if (!yyjson_is_obj(root))
		return expect_type(&c->root, root, "struct OpenAICompletionsParams");
	if (!is_given(prompt))
		return expect_field(&c->root, "prompt");
	if (read_prompt(c, prompt))
		return -1;
	if (json_str(json_get(root, "suffix")).n)
		return refuse(c, B("suffix"),
			      "is not supported: a chat model does not fill in text");
	if (!is_one(json_get(root, "best_of")))
		return refuse(c, B("best_of"), "other than 1 is not supported");
	if (!is_one(json_get(root, "n")))
		return refuse(c, B("n"), "other than 1 is not supported");
	c->logprobs = is_given(json_get(root, "logprobs"));
	if (is_given(echo) && expect_bool(&WHERE_KEY(&c->root, B("echo")), echo, &echoes))
		return -1;
	if (!echoes)
		c->echo = (struct bytes){ NULL, 0 };
	return 0;
}

static bool is_own(const struct json_member *m)
{
	static const struct bytes names[] = { B("prompt"),  B("suffix"),   B("echo"),
					      B("best_of"), B("logprobs"), B("messages") };

	for (size_t i = 0; i < COUNT(names); i++)
		if (json_key_is(m->key, names[i]))
			return true;
	return false;
}

/* The chat request's body, in the arena. */
static struct bytes chat_body(const struct completion *c, struct bytes body, struct arena *a)
{
	struct bytes chat = { NULL, 0 };
	struct json_member m;
	struct json_edit e;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, BODY_MAX);
	edit_begin(&e, body, &p);
	while (edit_next(&e, &m) > 0)
		if (!is_own(&m))
			edit_keep(&e, &m);
	edit_add(&e, B("\"messages\":"));
	pen_lit(&p, "[{\"role\":\"user\",\"content\":");
	pen_bytes(&p, c->prompt);
	pen_lit(&p, "}]");
	edit_end(&e);
	if (pen_done(&p) == 0)
		chat = arena_adopt(a, &out);
	buf_deinit(&out);
	return chat;
}

static struct bytes with_logprobs(struct bytes ignored, struct arena *a)
{
	return ignored.n ? arena_cat(a, ignored, B(", logprobs")) : B("logprobs");
}

struct envelope *openai_completions_read_request(struct bytes body,
						 const struct surface_options *options,
						 struct arena *a)
{
	struct completions_request *req = arena_new(a, struct completions_request);
	struct completion c = { .root = { .arena = a } };
	yyjson_val *root = json_parse(body, a);
	struct envelope *chat;
	struct bytes edited;

	if (!req)
		return NULL;
	if (!root) { /* the chat reader finds the same fault, and has the words for it */
		openai_chat_read_request(body, options, a);
		return NULL;
	}
	if (openai_check_keys(root, options, a) || read_own_fields(&c, root))
		return NULL;
	edited = chat_body(&c, body, a);
	chat = bytes_set(edited) ? openai_chat_read_request(edited, options, a) : NULL;
	if (!chat)
		return NULL;
	req->chat = *(const struct chat_request *)(const void *)chat;
	req->echo = c.echo;
	if (c.logprobs)
		req->chat.env.ignored = with_logprobs(chat->ignored, a);
	return &req->chat.env;
}
