/*
 * The response object (surfaces §4.6): members in one order, all of them always there, as the API writes them. Official clients
 * validate it, so what the client did not send has the value that holds then, and counts are integers or there is no usage.
 */
#include "wire/openai_responses/write_response.h"

#include "wire/json_edit.h"

/* What a member is made of. */
struct writing {
	const struct answer *a;
	const struct response *r;
	const struct responses_request *req;
	bool brief; /* without the long ones that the client has sent itself */
};

static struct bytes echo_or(const struct writing *w, enum responses_echo e, struct bytes otherwise)
{
	return bytes_set(w->req->echo[e]) ? w->req->echo[e] : otherwise;
}

/* Of an object that the client sent; unset: it sent none, or one without this member. */
static struct bytes echo_part(const struct writing *w, enum responses_echo e, struct bytes key)
{
	struct bytes json = w->req->echo[e];
	struct json_member m;

	return bytes_set(json) && json_find_member(json, key, &m) ? m.value
								  : (struct bytes){ NULL, 0 };
}

static void put_or(struct pen *p, struct bytes json, struct bytes otherwise)
{
	pen_bytes(p, bytes_set(json) ? json : otherwise);
}

/* ---- members that are more than what the client sent ---- */

static void put_id(struct pen *p, const struct writing *w)
{
	char hex[33];

	uuid_hex(w->a->inference_id, hex);
	pen_lit(p, "\"resp_");
	pen_bytes(p, (struct bytes){ hex, 32 });
	pen_lit(p, "\"");
}

static void put_created(struct pen *p, const struct writing *w)
{
	pen_u64(p, (uint64_t)w->a->created);
}

static void put_status(struct pen *p, const struct writing *w)
{
	static const struct bytes statuses[] = { [RESPONSE_IN_PROGRESS] = B("\"in_progress\""),
						 [RESPONSE_COMPLETED] = B("\"completed\""),
						 [RESPONSE_INCOMPLETE] = B("\"incomplete\""),
						 [RESPONSE_FAILED] = B("\"failed\"") };

	pen_bytes(p, statuses[w->r->status]);
}

static void put_completed(struct pen *p, const struct writing *w)
{
	if (w->r->status == RESPONSE_COMPLETED && w->a->ended)
		pen_u64(p, (uint64_t)w->a->ended);
	else
		pen_lit(p, "null");
}

static void put_error(struct pen *p, const struct writing *w)
{
	if (w->r->status != RESPONSE_FAILED) {
		pen_lit(p, "null");
		return;
	}
	pen_lit(p, "{\"code\":");
	pen_string(p, w->r->error_code);
	pen_lit(p, ",\"message\":");
	pen_string(p, w->r->error_message);
	pen_lit(p, "}");
}

static void put_incomplete(struct pen *p, const struct writing *w)
{
	if (w->r->status != RESPONSE_INCOMPLETE)
		pen_lit(p, "null");
	else
		pen_bytes(p, w->r->finish == FINISH_LENGTH ? B("{\"reason\":\"max_output_tokens\"}")
							   : B("{\"reason\":\"content_filter\"}"));
}

static void put_instructions(struct pen *p, const struct writing *w)
{
	pen_bytes(p, w->brief ? B("null") : echo_or(w, ECHO_INSTRUCTIONS, B("null")));
}

static void put_model(struct pen *p, const struct writing *w)
{
	pen_string(p, w->a->model);
}

static void put_output(struct pen *p, const struct writing *w)
{
	pen_lit(p, "[");
	pen_bytes(p, w->r->output);
	pen_lit(p, "]");
}

/* Effort and summary, whatever else the client said of it. */
static void put_reasoning_echo(struct pen *p, const struct writing *w)
{
	pen_lit(p, "{\"effort\":");
	put_or(p, echo_part(w, ECHO_REASONING, B("effort")), B("null"));
	pen_lit(p, ",\"summary\":");
	put_or(p, echo_part(w, ECHO_REASONING, B("summary")), B("null"));
	pen_lit(p, "}");
}

static void put_tier(struct pen *p, const struct writing *w)
{
	if (bytes_set(w->r->service_tier))
		pen_string(p, w->r->service_tier);
	else
		pen_bytes(p, echo_or(w, ECHO_TIER, B("\"default\"")));
}

static void put_store(struct pen *p, const struct writing *w)
{
	pen_bytes(p, w->req->kept ? B("true") : B("false"));
}

static void put_text(struct pen *p, const struct writing *w)
{
	struct bytes verbosity = echo_part(w, ECHO_TEXT, param_field(PARAM_VERBOSITY));

	pen_lit(p, "{\"format\":");
	put_or(p, echo_part(w, ECHO_TEXT, B("format")), B("{\"type\":\"text\"}"));
	if (bytes_set(verbosity)) {
		pen_lit(p, ",");
		pen_string(p, param_field(PARAM_VERBOSITY));
		pen_lit(p, ":");
		pen_bytes(p, verbosity);
	}
	pen_lit(p, "}");
}

static void put_tools(struct pen *p, const struct writing *w)
{
	pen_bytes(p, w->brief ? B("[]") : echo_or(w, ECHO_TOOLS, B("[]")));
}

static uint64_t known(int64_t n)
{
	return n == USAGE_UNKNOWN ? 0 : (uint64_t)n;
}

static void put_usage(struct pen *p, const struct writing *w)
{
	const struct usage *u = w->r->usage;

	if (!u || (u->input_tokens == USAGE_UNKNOWN && u->output_tokens == USAGE_UNKNOWN)) {
		pen_lit(p, "null");
		return;
	}
	pen_lit(p, "{\"input_tokens\":");
	pen_u64(p, known(u->input_tokens));
	pen_lit(p, ",\"input_tokens_details\":{\"cached_tokens\":");
	pen_u64(p, known(u->cache_read));
	pen_lit(p, ",\"cache_write_tokens\":");
	pen_u64(p, known(u->cache_write));
	pen_lit(p, "},\"output_tokens\":");
	pen_u64(p, known(u->output_tokens));
	pen_lit(p, ",\"output_tokens_details\":{\"reasoning_tokens\":");
	pen_u64(p, known(u->reasoning_tokens));
	pen_lit(p, "},\"total_tokens\":");
	pen_u64(p, known(u->input_tokens) + known(u->output_tokens));
	pen_lit(p, "}");
}

/* ---- all of them ---- */

/* Its name is written in the parameters' own row alone. */
static void put_presence(struct pen *p, const struct writing *w)
{
	(void)w;
	pen_item(p);
	pen_string(p, param_rows[PARAM_PRESENCE_PENALTY].name);
	pen_lit(p, ":0.0");
}

/* Written by `put`; or what the client sent as `echo`, else `otherwise`. */
static const struct member {
	struct bytes key; /* unset: `put` writes it */
	void (*put)(struct pen *, const struct writing *);
	enum responses_echo echo;
	struct bytes otherwise;
} members[] = {
	{ .key = B("\"id\":"), .put = put_id },
	{ B("\"object\":"), NULL, ECHO_NONE, B("\"response\"") },
	{ .key = B("\"created_at\":"), .put = put_created },
	{ .key = B("\"status\":"), .put = put_status },
	{ B("\"background\":"), NULL, ECHO_NONE, B("false") },
	{ .key = B("\"completed_at\":"), .put = put_completed },
	{ .key = B("\"error\":"), .put = put_error },
	{ B("\"frequency_penalty\":"), NULL, ECHO_NONE, B("0.0") },
	{ .key = B("\"incomplete_details\":"), .put = put_incomplete },
	{ .key = B("\"instructions\":"), .put = put_instructions },
	{ B("\"max_output_tokens\":"), NULL, ECHO_MAX_OUTPUT_TOKENS, B("null") },
	{ B("\"max_tool_calls\":"), NULL, ECHO_MAX_TOOL_CALLS, B("null") },
	{ B("\"metadata\":"), NULL, ECHO_METADATA, B("{}") },
	{ .key = B("\"model\":"), .put = put_model },
	{ .key = B("\"output\":"), .put = put_output },
	{ B("\"parallel_tool_calls\":"), NULL, ECHO_PARALLEL, B("true") },
	{ .put = put_presence },
	{ B("\"previous_response_id\":"), NULL, ECHO_PREVIOUS, B("null") },
	{ B("\"prompt_cache_key\":"), NULL, ECHO_CACHE_KEY, B("null") },
	{ .key = B("\"reasoning\":"), .put = put_reasoning_echo },
	{ B("\"safety_identifier\":"), NULL, ECHO_SAFETY, B("null") },
	{ .key = B("\"service_tier\":"), .put = put_tier },
	{ .key = B("\"store\":"), .put = put_store },
	{ B("\"temperature\":"), NULL, ECHO_TEMPERATURE, B("1.0") },
	{ .key = B("\"text\":"), .put = put_text },
	{ B("\"tool_choice\":"), NULL, ECHO_TOOL_CHOICE, B("\"auto\"") },
	{ .key = B("\"tools\":"), .put = put_tools },
	{ B("\"top_logprobs\":"), NULL, ECHO_TOP_LOGPROBS, B("0") },
	{ B("\"top_p\":"), NULL, ECHO_TOP_P, B("1.0") },
	{ B("\"truncation\":"), NULL, ECHO_TRUNCATION, B("\"disabled\"") },
	{ .key = B("\"usage\":"), .put = put_usage },
	{ B("\"user\":"), NULL, ECHO_USER, B("null") },
};

static void put_members(struct pen *p, const struct writing *w)
{
	pen_open(p, '{');
	for (size_t i = 0; i < COUNT(members); i++) {
		const struct member *m = &members[i];

		if (bytes_set(m->key)) {
			pen_item(p);
			pen_bytes(p, m->key);
		}
		if (m->put)
			m->put(p, w);
		else
			pen_bytes(p, echo_or(w, m->echo, m->otherwise));
	}
	pen_close(p, '}');
}

void response_put(struct pen *p, const struct answer *a, const struct response *r)
{
	const struct writing w = { .a = a, .r = r, .req = responses_request_of(a) };

	put_members(p, &w);
}

void response_put_begun(struct pen *p, const struct answer *a)
{
	const struct response begun = { .status = RESPONSE_IN_PROGRESS, .output = B("") };
	const struct responses_request *req = responses_request_of(a);
	const struct writing w = { .a = a, .r = &begun, .req = req, .brief = req->short_echo };

	put_members(p, &w);
}
