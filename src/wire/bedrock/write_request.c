/*
 * The neutral request -> the body of POST /model/‹id›/converse (providers-others §5.1), keys in TensorZero's order.
 *
 * What Converse has no key of its own for goes to Claude in additionalModelRequestFields; what no model takes is named
 * among the ignored. Traps: a history with calls needs toolConfig even if no tool may be called; text must not be blank
 * anywhere; and of at most four cache points the last ones are worth the most.
 */
#include "wire/bedrock/bedrock.h"

#include "base/error.h"
#include "base/json.h"
#include "base/map.h"
#include "wire/call_ids.h"
#include "wire/params.h"

#define IGNORED_MAX 1024
#define SCRATCH_MAX (64u << 20)
#define MARKS_MAX   4u

struct bytes bedrock_model(const struct dialect *d)
{
	const struct bedrock_options *o = d->options;

	return o && bytes_set(o->model_family) ? o->model_family : d->model;
}

void bedrock_ignore(struct bedrock_out *o, struct bytes name)
{
	struct buf *b = o->ignored;

	if (!b || b->len + name.n + 2 > IGNORED_MAX)
		return;
	if (b->len)
		buf_append(b, B(", "));
	buf_append(b, name);
}

/* ---- cache points ---- */

static bool caches(const struct bedrock_out *o)
{
	return o->claude || bytes_ifind(bedrock_model(o->dialect), B("nova")) >= 0;
}

void bedrock_put_mark(struct bedrock_out *o, enum cache_mark mark)
{
	if (mark == CACHE_UNMARKED || !caches(o))
		return;
	if (o->marks_dropped) {
		o->marks_dropped--;
		return;
	}
	pen_item(&o->pen);
	pen_bytes(&o->pen, mark == CACHE_1H
				   ? B("{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}")
				   : B("{\"cachePoint\":{\"type\":\"default\"}}"));
}

/* How many there are in each part of the request, in the order in which the vendor reads them. */
struct marks {
	size_t tools, system, messages;
};

static struct marks count_marks(const struct inference *inf)
{
	struct marks n = { 0 };

	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		n.tools += inf->tools->tools[i].cache != CACHE_UNMARKED;
	for (size_t i = 0; i < inf->nsystem_parts; i++)
		n.system += inf->system_parts[i].cache != CACHE_UNMARKED;
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			n.messages += inf->messages[i].content[j].cache != CACHE_UNMARKED;
	return n;
}

/* Takes off *over what of it is in this part. */
static size_t take_over(size_t *over, size_t marks)
{
	size_t n = *over < marks ? *over : marks;

	*over -= n;
	return n;
}

/* Of more than four the first are dropped: in how many of each part that is. */
static struct marks marks_dropped(const struct inference *inf)
{
	struct marks n = count_marks(inf), drop;
	size_t all = n.tools + n.system + n.messages, over = all > MARKS_MAX ? all - MARKS_MAX : 0;

	drop.tools = take_over(&over, n.tools);
	drop.system = take_over(&over, n.system);
	drop.messages = take_over(&over, n.messages);
	return drop;
}

/* ---- system ---- */

bool bedrock_is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return false;
	return true;
}

static void put_system(struct bedrock_out *o)
{
	const struct inference *inf = o->inf;
	struct system_part whole = { .text = inf->system };
	const struct system_part *parts = inf->nsystem_parts ? inf->system_parts : &whole;
	size_t n = inf->nsystem_parts ? inf->nsystem_parts : 1;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (bedrock_is_blank(parts[i].text))
			continue;
		pen_list_item(&o->pen, "system", &any);
		pen_open(&o->pen, '{');
		pen_text(&o->pen, "text", parts[i].text);
		pen_close(&o->pen, '}');
		bedrock_put_mark(o, parts[i].cache);
	}
	pen_list_end(&o->pen, any);
}

/* ---- inferenceConfig ---- */

static void put_number(struct bedrock_out *o, struct bytes member, enum param p)
{
	if (!param_is_set(o->inf, p))
		return;
	pen_member(&o->pen, member);
	param_write(&o->pen, o->inf, p);
}

/* Claude refuses sequences of white space. */
static void put_stops(struct bedrock_out *o)
{
	bool any = false;

	for (size_t i = 0; i < o->inf->nstop; i++) {
		if (o->claude && bedrock_is_blank(o->inf->stop[i]))
			continue;
		pen_list_item(&o->pen, "stopSequences", &any);
		pen_string(&o->pen, o->inf->stop[i]);
	}
	pen_list_end(&o->pen, any);
}

static void put_sampling(struct bedrock_out *o, struct bytes member, enum param p)
{
	if (!o->claude || o->claude->sampling)
		put_number(o, member, p);
	else if (param_is_set(o->inf, p))
		bedrock_ignore(o, param_rows[p].name);
}

static void put_config(struct bedrock_out *o, const struct bedrock_thinking *t)
{
	pen_key(&o->pen, "inferenceConfig");
	pen_open(&o->pen, '{');
	if (t->max_tokens)
		pen_number(&o->pen, "maxTokens", t->max_tokens);
	else
		put_number(o, B(",\"maxTokens\":"), PARAM_MAX_TOKENS);
	if (t->kind == REASON_BUDGET && param_is_set(o->inf, PARAM_TEMPERATURE))
		bedrock_ignore(o, param_rows[PARAM_TEMPERATURE].name); /* only 1 goes with it */
	else
		put_sampling(o, B(",\"temperature\":"), PARAM_TEMPERATURE);
	put_sampling(o, B(",\"topP\":"), PARAM_TOP_P);
	put_stops(o);
	pen_close(&o->pen, '}');
}

/* ---- additionalModelRequestFields ---- */

static void put_thinking(struct bedrock_out *o, const struct bedrock_thinking *t)
{
	switch (t->kind) {
	case REASON_UNSAID: break;
	case REASON_OFF:
		pen_key(&o->pen, "thinking");
		pen_lit(&o->pen, "{\"type\":\"disabled\"}");
		break;
	case REASON_ADAPTIVE:
		pen_key(&o->pen, "thinking");
		pen_lit(&o->pen, "{\"type\":\"adaptive\"}");
		break;
	case REASON_BUDGET:
		pen_key(&o->pen, "thinking");
		pen_lit(&o->pen, "{\"type\":\"enabled\",\"budget_tokens\":");
		pen_u64(&o->pen, t->budget);
		pen_lit(&o->pen, "}");
	}
	if (!bytes_set(t->effort))
		return;
	pen_key(&o->pen, "output_config");
	pen_open(&o->pen, '{');
	pen_text(&o->pen, "effort", t->effort);
	pen_close(&o->pen, '}');
}

/* Converse has no place for it: the choice goes as Claude's own, whole. */
static bool says_not_parallel(const struct bedrock_out *o)
{
	const struct tool_config *t = o->inf->tools;

	return o->claude && t && t->len && t->parallel == 0 && t->choice != TOOL_CHOICE_NONE;
}

static void put_own_choice(struct bedrock_out *o)
{
	enum tool_choice choice = bedrock_choice(o);
	char out[ID_ROOM];

	pen_key(&o->pen, "tool_choice");
	pen_open(&o->pen, '{');
	pen_text(&o->pen, "type",
		 choice == TOOL_CHOICE_REQUIRED   ? B("any")
		 : choice == TOOL_CHOICE_SPECIFIC ? B("tool")
						  : B("auto"));
	if (choice == TOOL_CHOICE_SPECIFIC)
		pen_text(&o->pen, "name", id_mapped(&name_bedrock, o->inf->tools->specific, out));
	pen_lit(&o->pen, ",\"disable_parallel_tool_use\":true}");
}

static void put_fields(struct bedrock_out *o, const struct bedrock_thinking *t)
{
	bool thinks = t->kind != REASON_UNSAID || bytes_set(t->effort);

	if (!thinks && !says_not_parallel(o))
		return;
	pen_key(&o->pen, "additionalModelRequestFields");
	pen_open(&o->pen, '{');
	put_thinking(o, t);
	if (says_not_parallel(o))
		put_own_choice(o);
	pen_close(&o->pen, '}');
}

/* ---- the rest ---- */

static void put_format(struct bedrock_out *o)
{
	const struct inference *inf = o->inf;

	if (inf->json_mode != JSON_MODE_ON && inf->json_mode != JSON_MODE_STRICT)
		return;
	if (inf->json_mode == JSON_MODE_ON || !bytes_set(inf->output_schema) || !o->claude ||
	    !bedrock_takes_schema(o->claude, bedrock_model(o->dialect)))
		return bedrock_ignore(o, param_field(PARAM_RESPONSE_FORMAT));
	pen_key(&o->pen, "outputConfig");
	pen_lit(&o->pen,
		"{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"name\":\"response\",\"schema\":");
	pen_string(&o->pen, inf->output_schema);
	pen_lit(&o->pen, "}}}}");
}

static void put_tier(struct bedrock_out *o)
{
	struct bytes tier = o->inf->params[PARAM_SERVICE_TIER];

	if (!bytes_set(tier) || bytes_eq(tier, B("auto")))
		return;
	pen_key(&o->pen, "serviceTier");
	pen_open(&o->pen, '{');
	pen_text(&o->pen, "type", tier);
	pen_close(&o->pen, '}');
}

static void tell_left_out(struct bedrock_out *o)
{
	static const enum param names[] = { PARAM_SEED, PARAM_PRESENCE_PENALTY,
					    PARAM_FREQUENCY_PENALTY, PARAM_VERBOSITY };

	for (size_t i = 0; i < COUNT(names); i++)
		if (param_is_set(o->inf, names[i]))
			bedrock_ignore(o, param_rows[names[i]].name);
	if (!o->claude && param_is_set(o->inf, PARAM_REASONING_EFFORT))
		bedrock_ignore(o, param_rows[PARAM_REASONING_EFFORT].name);
	if (!o->claude && o->inf->tools && o->inf->tools->parallel == 0)
		bedrock_ignore(o, param_rows[PARAM_PARALLEL].name);
}

/* What is thought about; other models get the budget as TensorZero gives it to all. */
static int find_thinking(const struct bedrock_out *o, struct bedrock_thinking *t)
{
	uint64_t budget;

	*t = (struct bedrock_thinking){ 0 };
	if (o->claude)
		return bedrock_plan(o->claude, o->inf, t);
	if (bytes_to_u64(o->inf->params[PARAM_THINKING_BUDGET], &budget)) {
		t->kind = REASON_BUDGET;
		t->budget = budget;
	}
	return 0;
}

static int write_body(struct bedrock_out *o)
{
	struct bedrock_thinking thinking;
	struct marks drop = marks_dropped(o->inf);

	if (find_thinking(o, &thinking))
		return -1;
	o->thinks = thinking.kind == REASON_BUDGET ||
		    (o->claude && o->claude->thinks && !o->claude->disabled);
	pen_head(&o->pen, "{\"messages\":");
	o->marks_dropped = drop.messages;
	if (bedrock_put_messages(o))
		return -1;
	o->marks_dropped = drop.system;
	put_system(o);
	put_config(o, &thinking);
	o->marks_dropped = drop.tools;
	if (bedrock_put_tools(o))
		return -1;
	put_fields(o, &thinking);
	put_format(o);
	put_tier(o);
	pen_close(&o->pen, '}');
	tell_left_out(o);
	return pen_done(&o->pen);
}

static int write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	struct arena scratch;
	struct map names;
	struct bedrock_out o = { .pen = { .b = out },
				 .inf = inf,
				 .dialect = d,
				 .ignored = ignored,
				 .claude = bedrock_claude(bedrock_model(d)),
				 .scratch = &scratch,
				 .document_names = &names };
	int r;

	arena_init(&scratch, SCRATCH_MAX);
	map_init(&names);
	r = write_body(&o);
	map_deinit(&names);
	arena_deinit(&scratch);
	return r;
}

const struct wire wire_bedrock = {
	.name = B("bedrock_converse"),
	.takes_cache_marks = true,
	.write_request = write_request,
	.read_result = bedrock_read_result,
	.stream_new = bedrock_stream_new,
	.stream_free = bedrock_stream_free,
	.read_event = bedrock_read_event,
	.read_end = bedrock_read_end,
	.unknown_events = bedrock_unknown_events,
};
