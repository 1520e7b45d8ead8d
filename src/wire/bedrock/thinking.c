/*
 * A generation takes an effort, a budget of tokens, or both. What it does not take becomes what is nearest to it, so that
 * a configuration survives a newer model.
 */
#include "wire/bedrock/thinking.h"

#include "base/error.h"

#define LEAST_BUDGET 1024u
#define DEFAULT_MAX \
	32000u /* where an effort becomes a budget and nothing bounds the answer: all that think allow it */
#define BUDGET_OF_LOW    4096u
#define BUDGET_OF_MEDIUM 16384u

static const struct bytes family = B("claude");

static struct bytes claude_name(struct bytes model)
{
	ptrdiff_t at = bytes_ifind(model, family);

	return at < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(model, (size_t)at, model.n);
}

/* The id ends in a version ("-v1:0"), which the table's whole names do not have. */
static struct bytes without_version(struct bytes name)
{
	size_t n = name.n;

	while (n > 2 && (name.p[n - 1] != 'v' || name.p[n - 2] != '-'))
		n--;
	return n > 2 && n < name.n ? bytes_slice(name, 0, n - 2) : name;
}

const struct claude *bedrock_claude(struct bytes model)
{
	struct bytes name = claude_name(model);

	return bytes_set(name) ? claude_of(without_version(name)) : NULL;
}

bool bedrock_takes_schema(const struct claude *c, struct bytes model)
{
	return c->adaptive || bytes_ifind(model, B("-4-5")) >= 0;
}

static bool is_always_on(const struct claude *c)
{
	return c->thinks && !c->disabled;
}

static uint64_t max_tokens_of(const struct inference *inf)
{
	uint64_t n = 0;

	bytes_to_u64(inf->params[PARAM_MAX_TOKENS], &n);
	return n;
}

static int by_budget(const struct claude *c, const struct inference *inf, uint64_t budget,
		     struct bedrock_thinking *out)
{
	uint64_t max = max_tokens_of(inf);

	if (budget == 0)
		return 0;
	if (!c->manual) {
		out->kind = c->adaptive ? REASON_ADAPTIVE : REASON_UNSAID;
		out->effort = claude_effort(c, budget < BUDGET_OF_LOW      ? B("low")
					       : budget < BUDGET_OF_MEDIUM ? B("medium")
									   : B("high"));
		return 0;
	}
	if (max && budget >= max)
		return fail(ERR_INVALID_REQUEST, "`%.*s` (%llu) must be below `%.*s` (%llu)",
			    BFMT(param_rows[PARAM_THINKING_BUDGET].name),
			    (unsigned long long)budget, BFMT(param_rows[PARAM_MAX_TOKENS].name),
			    (unsigned long long)max);
	out->kind = REASON_BUDGET;
	out->budget = budget;
	return 0;
}

/* Tenths of max_tokens that an effort is worth where it becomes a budget. */
static unsigned share_of(struct bytes effort)
{
	if (bytes_eq(effort, B("minimal")) || bytes_eq(effort, B("low")))
		return 2;
	return bytes_eq(effort, B("medium")) ? 5 : 8;
}

static void by_effort(const struct claude *c, const struct inference *inf, struct bytes asked,
		      struct bedrock_thinking *out)
{
	uint64_t max = max_tokens_of(inf);

	if (bytes_eq(asked, B("none"))) {
		if (is_always_on(c))
			out->effort = claude_effort(c, B("low"));
		else if (c->adaptive && c->disabled)
			out->kind = REASON_OFF;
		return;
	}
	out->effort = claude_effort(c, asked);
	if (c->adaptive) {
		out->kind = REASON_ADAPTIVE;
		return;
	}
	if (!c->manual)
		return;
	out->max_tokens = max ? 0 : DEFAULT_MAX;
	max = max ? max : DEFAULT_MAX;
	out->budget = max * share_of(asked) / 10;
	if (out->budget < LEAST_BUDGET)
		out->budget = LEAST_BUDGET;
	if (out->budget < max)
		out->kind = REASON_BUDGET;
}

int bedrock_plan(const struct claude *c, const struct inference *inf, struct bedrock_thinking *out)
{
	struct bytes effort = inf->params[PARAM_REASONING_EFFORT],
		     text = inf->params[PARAM_THINKING_BUDGET];
	uint64_t budget = 0;

	*out = (struct bedrock_thinking){ 0 };
	if (bytes_set(text))
		return bytes_to_u64(text, &budget) ? by_budget(c, inf, budget, out) : 0;
	if (bytes_set(effort))
		by_effort(c, inf, effort, out);
	return 0;
}
