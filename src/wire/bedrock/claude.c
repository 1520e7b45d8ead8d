/*
 * A request asks for an effort, or for a budget of tokens; a generation takes the one, the other, or both. What it does not
 * take becomes what is nearest to it, so that a configuration survives a newer model.
 */
#include "wire/bedrock/claude.h"

#include "base/error.h"

#define LEAST_BUDGET 1024u
#define DEFAULT_MAX \
	32000u /* where an effort becomes a budget and nothing bounds the answer: all that think allow it */
#define BUDGET_OF_LOW    4096u
#define BUDGET_OF_MEDIUM 16384u

/* The first row whose name is a part of the model's. */
static const struct claude rows[] = {
	{ .name = B("claude-3"), .manual = true, .sampling = true },
	{ .name = B("claude-2"), .sampling = true },
	{ .name = B("claude-v"), .sampling = true },
	{ .name = B("claude-instant"), .sampling = true },
	{ .name = B("opus-4-5"),
	  .manual = true,
	  .efforts = { EFFORT_HIGH },
	  .sampling = true,
	  .schemas = true },
	{ .name = B("-4-5"), .manual = true, .sampling = true, .schemas = true },
	{ .name = B("-4-6"),
	  .manual = true,
	  .adaptive = true,
	  .efforts = { EFFORT_HIGH, EFFORT_MAX },
	  .sampling = true,
	  .schemas = true },
	{ .name = B("-4-7"),
	  .adaptive = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
	{ .name = B("-4-8"),
	  .adaptive = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
	{ .name = B("opus-4"), .manual = true, .sampling = true },
	{ .name = B("sonnet-4"), .manual = true, .sampling = true },
	{ .name = B("haiku-4"), .manual = true, .sampling = true },
	{ .name = B("opus-5-5"),
	  .adaptive = true,
	  .always = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
	{ .name = B("fable-5"),
	  .adaptive = true,
	  .always = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
	{ .name = B("mythos-5"),
	  .adaptive = true,
	  .always = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
	{ .name = B("claude"),
	  .adaptive = true,
	  .efforts = { EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX },
	  .schemas = true },
};

const struct claude *claude_of(struct bytes model)
{
	if (bytes_ifind(model, B("claude")) < 0)
		return NULL;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (bytes_ifind(model, rows[i].name) >= 0)
			return &rows[i];
	return NULL;
}

static const struct {
	struct bytes name;
	enum claude_effort effort;
	unsigned share; /* of max_tokens, in tenths, where it becomes a budget */
} levels[] = {
	{ B("minimal"), EFFORT_LOW, 2 },   { B("low"), EFFORT_LOW, 2 },
	{ B("medium"), EFFORT_MEDIUM, 5 }, { B("high"), EFFORT_HIGH, 8 },
	{ B("xhigh"), EFFORT_XHIGH, 8 },   { B("max"), EFFORT_MAX, 8 },
};

struct bytes claude_effort_name(enum claude_effort effort)
{
	for (size_t i = 1; i < COUNT(levels); i++)
		if (levels[i].effort == effort)
			return levels[i].name;
	return (struct bytes){ NULL, 0 };
}

/* The highest level that it takes, up to the one that was asked for; xhigh may become max. */
static enum claude_effort taken(const struct claude *c, enum claude_effort asked)
{
	enum claude_effort best = EFFORT_HIGH;

	if (c->efforts[0] == EFFORT_NONE)
		return EFFORT_NONE;
	if (asked <= EFFORT_HIGH)
		return asked;
	for (size_t i = 0; i < COUNT(c->efforts); i++)
		if (c->efforts[i] == asked)
			return asked;
		else if (c->efforts[i] > best)
			best = c->efforts[i];
	return best;
}

static uint64_t max_tokens_of(const struct inference *inf)
{
	uint64_t n = 0;

	bytes_to_u64(inf->params[PARAM_MAX_TOKENS], &n);
	return n;
}

static int by_budget(const struct claude *c, const struct inference *inf, uint64_t budget,
		     struct claude_thinking *out)
{
	uint64_t max = max_tokens_of(inf);

	if (budget == 0)
		return 0;
	if (!c->manual) {
		out->kind = c->adaptive ? THINKING_ADAPTIVE : THINKING_UNSAID;
		out->effort = taken(c, budget < BUDGET_OF_LOW      ? EFFORT_LOW
				       : budget < BUDGET_OF_MEDIUM ? EFFORT_MEDIUM
								   : EFFORT_HIGH);
		return 0;
	}
	if (max && budget >= max)
		return fail(ERR_INVALID_REQUEST, "`%.*s` (%llu) must be below `%.*s` (%llu)",
			    BFMT(param_rows[PARAM_THINKING_BUDGET].name),
			    (unsigned long long)budget, BFMT(param_rows[PARAM_MAX_TOKENS].name),
			    (unsigned long long)max);
	out->kind = THINKING_BUDGET;
	out->budget = budget;
	return 0;
}

static int by_effort(const struct claude *c, const struct inference *inf, struct bytes asked,
		     struct claude_thinking *out)
{
	uint64_t max = max_tokens_of(inf);
	size_t i = 0;

	if (bytes_eq(asked, B("none"))) {
		if (c->always)
			out->effort = EFFORT_LOW;
		else if (c->adaptive)
			out->kind = THINKING_OFF;
		return 0;
	}
	while (i < COUNT(levels) && !bytes_eq(levels[i].name, asked))
		i++;
	i = i < COUNT(levels) ? i : COUNT(levels) - 3; /* a level of tomorrow: high */
	out->effort = taken(c, levels[i].effort);
	if (c->adaptive) {
		out->kind = THINKING_ADAPTIVE;
		return 0;
	}
	if (!c->manual)
		return 0;
	out->max_tokens = max ? 0 : DEFAULT_MAX;
	max = max ? max : DEFAULT_MAX;
	out->budget = max * levels[i].share / 10;
	if (out->budget < LEAST_BUDGET)
		out->budget = LEAST_BUDGET;
	if (out->budget < max)
		out->kind = THINKING_BUDGET;
	return 0;
}

int claude_thinking(const struct claude *c, const struct inference *inf,
		    struct claude_thinking *out)
{
	struct bytes effort = inf->params[PARAM_REASONING_EFFORT],
		     text = inf->params[PARAM_THINKING_BUDGET];
	uint64_t budget = 0;

	*out = (struct claude_thinking){ 0 };
	if (bytes_set(text))
		return bytes_to_u64(text, &budget) ? by_budget(c, inf, budget, out) : 0;
	return bytes_set(effort) ? by_effort(c, inf, effort, out) : 0;
}
