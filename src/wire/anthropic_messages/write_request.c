/*
 * The neutral request -> the body of POST messages (providers-others §2.2-2.7), keys in TensorZero's order. What a model's
 * generation would refuse is sent as the generation has it, or left out and named (§2.5); a client that speaks this
 * format itself gets none of that, its own body goes out (edit_request.c).
 */
#include "wire/anthropic_messages/write_request.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "wire/anthropic_messages/read_answer.h"
#include "wire/params.h"

#define IGNORED_MAX  1024
#define BUDGET_LEAST 1024
#define TOP_P_LEAST  0.95 /* beside a budget */

void claude_ignored(struct buf *ignored, struct bytes path)
{
	if (!ignored || ignored->len + path.n + 2 > IGNORED_MAX)
		return;
	if (ignored->len > 0)
		buf_append(ignored, B(", "));
	buf_append(ignored, path);
}

const struct anthropic_options *claude_options(const struct dialect *d)
{
	static const struct anthropic_options none = { 0 };

	return d->options ? d->options : &none;
}

static double decimal_of(struct bytes digits)
{
	char text[64];

	snprintf(text, sizeof text, "%.*s", BFMT(digits));
	return strtod(text, NULL);
}

/* ---- JSON ---- */

enum claude_json claude_json_of(const struct inference *inf)
{
	if ((inf->json_mode != JSON_MODE_STRICT && inf->json_mode != JSON_MODE_ON) ||
	    !bytes_set(inf->output_schema))
		return CLAUDE_JSON_UNSAID;
	if (claude_put_format(NULL, inf->output_schema) || (inf->tools && inf->tools->len))
		return CLAUDE_JSON_SCHEMA;
	return CLAUDE_JSON_TOOL;
}

/* ---- thinking ---- */

static int find_max_tokens(struct claude_out *o)
{
	struct bytes given = o->inf->params[PARAM_MAX_TOKENS];

	if (bytes_set(given)) {
		bytes_to_u64(given, &o->max_tokens);
		return 0;
	}
	o->max_tokens = claude_max_tokens(o->dialect->model);
	if (o->max_tokens || o->dialect->counts)
		return 0;
	fail(ERR_INFERENCE_CLIENT,
	     "Error from %.*s client: Signet doesn't know the output token limit for `%.*s` and Anthropic requires you to provide a `max_tokens` value. Please set `max_tokens` in your configuration or inference request.",
	     BFMT(o->dialect->type), BFMT(o->dialect->model));
	error_last()->upstream_status =
		400; /* it is the request's to mend: no client tries it again */
	return -1;
}

static int plan_budget(struct claude_out *o, uint64_t budget)
{
	if (budget == 0) {
		o->thinking =
			o->claude->thinks && o->claude->disabled ? THINKING_OFF : THINKING_UNSAID;
		return 0;
	}
	if (!o->claude->manual) {
		claude_ignored(o->ignored, param_rows[PARAM_THINKING_BUDGET].name);
		o->thinking = THINKING_ADAPTIVE;
		if (!bytes_set(o->effort))
			o->effort = claude_effort(
				o->claude, effort_of_budget(o->inf->params[PARAM_THINKING_BUDGET]));
		return 0;
	}
	if (budget >= o->max_tokens && !o->dialect->counts)
		return wire_fail(
			ERR_INFERENCE_CLIENT, 400, o->dialect->type,
			"The budget of thinking, %llu tokens, must be less than `max_tokens`, %llu",
			(unsigned long long)budget, (unsigned long long)o->max_tokens);
	o->thinking = THINKING_BUDGET;
	o->budget = budget;
	return 0;
}

/* A share of max_tokens, for generations that take no effort. */
static void budget_of_effort(struct claude_out *o, struct bytes effort)
{
	bool low = bytes_eq(effort, B("minimal")) || bytes_eq(effort, B("low"));
	uint64_t tenths = low ? 2 : bytes_eq(effort, B("medium")) ? 5 : 8;
	uint64_t budget = o->max_tokens / 10 * tenths + o->max_tokens % 10 * tenths / 10;

	claude_ignored(o->ignored, param_rows[PARAM_REASONING_EFFORT].name);
	budget = budget < BUDGET_LEAST ? BUDGET_LEAST : budget;
	if (budget >= o->max_tokens)
		return;
	o->thinking = THINKING_BUDGET;
	o->budget = budget;
}

static void plan_effort(struct claude_out *o, struct bytes effort)
{
	if (bytes_eq(effort, B("none"))) {
		if (o->claude->adaptive && o->claude->disabled)
			o->thinking = THINKING_OFF;
		else if (o->claude->thinks)
			o->effort = B("low");
		return;
	}
	o->effort = claude_effort(o->claude, effort);
	if (bytes_set(o->effort) && !bytes_eq(o->effort, effort))
		claude_ignored(o->ignored, param_rows[PARAM_REASONING_EFFORT].name);
	if (o->claude->adaptive)
		o->thinking = THINKING_ADAPTIVE;
	else
		budget_of_effort(o, effort);
}

static int plan_thinking(struct claude_out *o)
{
	struct bytes effort = o->inf->params[PARAM_REASONING_EFFORT],
		     budget = o->inf->params[PARAM_THINKING_BUDGET];
	uint64_t tokens = 0;
	bool under_way;

	if (bytes_set(effort) && bytes_set(budget) && !o->inf->options->lenient)
		return fail(
			ERR_INVALID_REQUEST,
			"Cannot specify both `%.*s` and `%.*s` for %.*s. Use `%.*s` for adaptive thinking or `%.*s` for manual thinking.",
			BFMT(param_rows[PARAM_REASONING_EFFORT].name),
			BFMT(param_rows[PARAM_THINKING_BUDGET].name), BFMT(o->dialect->label),
			BFMT(param_rows[PARAM_REASONING_EFFORT].name),
			BFMT(param_rows[PARAM_THINKING_BUDGET].name));
	if (bytes_set(effort))
		plan_effort(o, effort);
	bytes_to_u64(budget, &tokens);
	if (bytes_set(budget) && plan_budget(o, tokens))
		return -1;
	if (o->thinking == THINKING_BUDGET && !claude_turn_has_thought(o->inf, &under_way) &&
	    under_way) {
		claude_ignored(o->ignored, B("thinking"));
		o->thinking = THINKING_UNSAID;
	}
	o->thinks = o->thinking >= THINKING_ADAPTIVE ||
		    (o->claude->thinks && o->thinking != THINKING_OFF);
	return 0;
}

static void put_display(struct claude_out *o)
{
	struct bytes display = o->options->thinking_display;

	if (!bytes_set(display) && o->claude->hides && bytes_set(o->inf->reasoning_summary))
		display = B("summarized");
	pen_set(&o->pen, "display", display);
}

static void put_thinking(struct claude_out *o)
{
	struct pen *p = &o->pen;

	switch (o->thinking) {
	case THINKING_UNSAID: return;
	case THINKING_OFF: pen_lit(p, ",\"thinking\":{\"type\":\"disabled\"}"); return;
	case THINKING_ADAPTIVE: pen_head(p, ",\"thinking\":{\"type\":\"adaptive\""); break;
	case THINKING_BUDGET:
		pen_head(p, ",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":");
		pen_u64(p, o->budget);
	}
	put_display(o);
	pen_close(p, '}');
}

/* ---- the members ---- */

static void put_output_config(struct claude_out *o)
{
	struct pen *p = &o->pen;
	bool format = o->json == CLAUDE_JSON_SCHEMA;

	if (!format && !bytes_set(o->effort))
		return;
	pen_key(p, "output_config");
	pen_open(p, '{');
	if (format) {
		pen_key(p, "format");
		pen_lit(p, "{\"type\":\"json_schema\",\"schema\":");
		if (!claude_put_format(p, o->inf->output_schema))
			pen_bytes(p, o->inf->output_schema);
		pen_lit(p, "}");
	}
	pen_set(p, "effort", o->effort);
	pen_close(p, '}');
}

static bool is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] > ' ')
			return false;
	return true;
}

static void put_system_part(struct claude_out *o, struct bytes text, enum cache_mark cache)
{
	pen_item(&o->pen);
	pen_head(&o->pen, "{\"type\":\"text\"");
	pen_text(&o->pen, "text", text);
	claude_put_cache(&o->pen, cache, &o->skip_system);
	pen_close(&o->pen, '}');
}

static void put_system(struct claude_out *o)
{
	const struct inference *inf = o->inf;

	if (is_blank(inf->system))
		return;
	pen_key(&o->pen, "system");
	pen_open(&o->pen, '[');
	if (!inf->system_parts)
		put_system_part(o, inf->system, CACHE_UNMARKED);
	for (size_t i = 0; inf->system_parts && i < inf->nsystem_parts; i++)
		if (!is_blank(inf->system_parts[i].text))
			put_system_part(o, inf->system_parts[i].text, inf->system_parts[i].cache);
	pen_close(&o->pen, ']');
}

static void put_number(struct claude_out *o, enum param param, bool fits, double most)
{
	struct bytes value = o->inf->params[param], key = param_rows[param].name;

	if (!bytes_set(value))
		return;
	if (!fits) {
		claude_ignored(o->ignored, key);
		return;
	}
	pen_item(&o->pen);
	pen_string(&o->pen, key);
	pen_lit(&o->pen, ":");
	if (decimal_of(value) > most) {
		claude_ignored(o->ignored, key);
		pen_lit(&o->pen, "1");
	} else {
		param_write(&o->pen, o->inf, param);
	}
}

static void put_temperature(struct claude_out *o)
{
	bool budget = o->thinking == THINKING_BUDGET;
	struct bytes value = o->inf->params[PARAM_TEMPERATURE];
	bool one = bytes_set(value) && decimal_of(value) >= 1;

	put_number(o, PARAM_TEMPERATURE, o->claude->sampling && (!budget || one), 1);
}

static void put_top_p(struct claude_out *o)
{
	bool budget = o->thinking == THINKING_BUDGET;
	struct bytes value = o->inf->params[PARAM_TOP_P];
	bool high = bytes_set(value) && decimal_of(value) >= TOP_P_LEAST;

	put_number(o, PARAM_TOP_P, o->claude->sampling && (!budget || high), 1);
}

static void put_tier(struct claude_out *o)
{
	struct bytes tier = o->inf->params[PARAM_SERVICE_TIER];
	bool any = bytes_eq(tier, B("auto")) || bytes_eq(tier, B("priority"));

	if (!bytes_set(tier))
		return;
	if (o->options->no_service_tier || (!any && !bytes_eq(tier, B("default"))))
		claude_ignored(o->ignored, param_rows[PARAM_SERVICE_TIER].name);
	else
		pen_text(&o->pen, "service_tier", any ? B("auto") : B("standard_only"));
}

static void put_stops(struct claude_out *o)
{
	bool any = false;

	for (size_t i = 0; i < o->inf->nstop; i++) {
		if (is_blank(o->inf->stop[i])) {
			claude_ignored(o->ignored, param_rows[PARAM_STOP].name);
			continue;
		}
		pen_list_item(&o->pen, "stop_sequences", &any);
		pen_string(&o->pen, o->inf->stop[i]);
	}
	pen_list_end(&o->pen, any);
}

static void put_sampling(struct claude_out *o)
{
	static const enum param none[] = { PARAM_SEED, PARAM_PRESENCE_PENALTY,
					   PARAM_FREQUENCY_PENALTY, PARAM_VERBOSITY };

	put_temperature(o);
	put_thinking(o);
	if (o->options->stops_first)
		put_stops(o);
	put_top_p(o);
	put_tier(o);
	if (!o->options->stops_first)
		put_stops(o);
	for (size_t i = 0; i < COUNT(none); i++)
		if (param_is_set(o->inf, none[i]))
			claude_ignored(o->ignored, param_rows[none[i]].name);
}

/* ---- the body ---- */

/* Marks that the API would refuse: the earliest ones, as it reads them, go. */
static void count_marks(struct claude_out *o)
{
	const struct inference *inf = o->inf;
	size_t tools = 0, system = 0, messages = 0, over;

	for (size_t i = 0; inf->tools && i < inf->tools->len; i++)
		tools += inf->tools->tools[i].cache != CACHE_UNMARKED;
	for (size_t i = 0; inf->system_parts && i < inf->nsystem_parts; i++)
		system += inf->system_parts[i].cache != CACHE_UNMARKED;
	for (size_t i = 0; i < inf->nmessages; i++)
		for (size_t j = 0; j < inf->messages[i].len; j++)
			messages += inf->messages[i].content[j].cache != CACHE_UNMARKED;
	over = tools + system + messages;
	over = over > CLAUDE_MARKS ? over - CLAUDE_MARKS : 0;
	if (over)
		claude_ignored(o->ignored, B("cache_control"));
	o->skip_tools = over < tools ? over : tools;
	over -= o->skip_tools;
	o->skip_system = over < system ? over : system;
	o->skip_messages = over - o->skip_system;
}

static int write_neutral(struct claude_out *o)
{
	struct pen *p = &o->pen;

	if (o->inf->nmessages == 0)
		return fail(ERR_INVALID_REQUEST, "Anthropic requires at least one message");
	o->json = claude_json_of(o->inf);
	if (find_max_tokens(o) || plan_thinking(o))
		return -1;
	if (o->json == CLAUDE_JSON_TOOL && o->thinks)
		o->json = CLAUDE_JSON_SCHEMA;
	count_marks(o);
	pen_open(p, '{');
	pen_set(p, "anthropic_version", o->options->body_version);
	if (!bytes_set(o->options->body_version))
		pen_text(p, "model", o->dialect->model);
	pen_key(p, "messages");
	if (claude_put_messages(o))
		return -1;
	if (!o->dialect->counts) {
		pen_number(p, "max_tokens", o->max_tokens);
		pen_key(p, "stream");
		pen_bytes(p, o->inf->stream ? B("true") : B("false"));
	}
	put_output_config(o);
	put_system(o);
	if (o->dialect->counts)
		put_thinking(o);
	else
		put_sampling(o);
	if (claude_put_tools(o))
		return -1;
	pen_close(p, '}');
	return pen_done(p);
}

static int write_request(const struct inference *inf, const struct dialect *d, struct buf *out,
			 struct buf *ignored)
{
	struct arena scratch;
	struct claude_out o = { .pen = { .b = out },
				.inf = inf,
				.dialect = d,
				.options = claude_options(d),
				.claude = claude_of(d->model),
				.ignored = ignored,
				.scratch = &scratch };
	int r;

	arena_init(&scratch, CLAUDE_SCRATCH);
	r = claude_passes(inf) ? claude_write_edited(&o) : write_neutral(&o);
	arena_deinit(&scratch);
	return r;
}

const struct wire wire_anthropic_messages = {
	.name = B("anthropic_messages"),
	.takes_cache_marks = true,
	.takes_provider_tools = true,
	.foreign_fields = anthropic_foreign_fields,
	.write_request = write_request,
	.read_result = claude_read_result,
	.stream_new = claude_stream_new,
	.stream_free = claude_stream_free,
	.read_event = claude_read_event,
	.read_end = claude_read_end,
	.unknown_events = claude_unknown_events,
};
