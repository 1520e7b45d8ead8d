/*
 * The tables of generations and of lengths. Names age: what is newer than the tables is taken for the newest of its family,
 * and a configuration overrides every entry (max_tokens, extra_body). Vertex writes "@" where Anthropic writes "-".
 */
#include "wire/anthropic_messages/claude.h"

#define UP_TO_HIGH (EFFORT_LOW | EFFORT_MEDIUM | EFFORT_HIGH)
#define ALL        (UP_TO_HIGH | EFFORT_XHIGH | EFFORT_MAX)

/* ---- generations ---- */

static const struct claude
	up_to_4_5 = { .manual = true, .disabled = true, .sampling = true, .prefill = true },
	opus_4_5 = { .manual = true,
		     .disabled = true,
		     .sampling = true,
		     .prefill = true,
		     .efforts = UP_TO_HIGH },
	v4_6 = { .manual = true,
		 .adaptive = true,
		 .disabled = true,
		 .sampling = true,
		 .efforts = UP_TO_HIGH | EFFORT_MAX },
	v4_7 = { .adaptive = true, .hides = true, .efforts = ALL },
	v4_8 = { .adaptive = true, .disabled = true, .hides = true, .efforts = ALL },
	v5 = { .adaptive = true, .disabled = true, .hides = true, .efforts = ALL },
	opus_5 = { .adaptive = true,
		   .disabled = true,
		   .thinks = true,
		   .hides = true,
		   .efforts = ALL },
	always = { .adaptive = true, .thinks = true, .hides = true, .efforts = ALL },
	unknown = { .manual = true,
		    .adaptive = true,
		    .disabled = true,
		    .sampling = true,
		    .prefill = true,
		    .efforts = ALL };

/* The first that fits. `whole`: the name is that and no more. */
static const struct {
	struct bytes name;
	bool whole;
	const struct claude *claude;
} generations[] = {
	{ B("claude-opus-4-5"), false, &opus_4_5 },
	{ B("claude-opus-4-6"), false, &v4_6 },
	{ B("claude-sonnet-4-6"), false, &v4_6 },
	{ B("claude-opus-4-7"), false, &v4_7 },
	{ B("claude-opus-4-8"), false, &v4_8 },
	{ B("claude-opus-4"), true, &up_to_4_5 },
	{ B("claude-opus-4-0"), false, &up_to_4_5 },
	{ B("claude-opus-4-1"), false, &up_to_4_5 },
	{ B("claude-opus-4-2"), false, &up_to_4_5 }, /* a date */
	{ B("claude-sonnet-4"), true, &up_to_4_5 },
	{ B("claude-sonnet-4-0"), false, &up_to_4_5 },
	{ B("claude-sonnet-4-2"), false, &up_to_4_5 },
	{ B("claude-sonnet-4-5"), false, &up_to_4_5 },
	{ B("claude-haiku-4"), false, &up_to_4_5 },
	{ B("claude-1"), false, &up_to_4_5 },
	{ B("claude-2"), false, &up_to_4_5 },
	{ B("claude-3"), false, &up_to_4_5 },
	{ B("claude-instant"), false, &up_to_4_5 },
	{ B("claude-opus-5-5"), false, &always },
	{ B("claude-opus-5"), false, &opus_5 },
	{ B("claude-sonnet-"), false, &v5 },
	{ B("claude-haiku-"), false, &v5 },
	{ B("claude-"), false, &always },
};

/* ---- lengths ---- */

static const struct {
	struct bytes name;
	bool whole;
	uint64_t tokens;
} lengths[] = {
	{ B("claude-3-haiku"), false, 4096 },       { B("claude-3-opus"), false, 4096 },
	{ B("claude-3-5-haiku"), false, 8192 },     { B("claude-3-5-sonnet"), false, 8192 },
	{ B("claude-3-7-sonnet"), false, 64000 },   { B("claude-opus-4"), true, 32000 },
	{ B("claude-opus-4-0"), true, 32000 },      { B("claude-opus-4-1"), true, 32000 },
	{ B("claude-opus-4-202"), false, 32000 },   { B("claude-opus-4-1-202"), false, 32000 },
	{ B("claude-sonnet-4"), true, 64000 },      { B("claude-sonnet-4-0"), true, 64000 },
	{ B("claude-sonnet-4-202"), false, 64000 }, { B("claude-sonnet-4-5"), false, 64000 },
	{ B("claude-sonnet-4-6"), false, 64000 },   { B("claude-haiku-4-5"), false, 64000 },
	{ B("claude-opus-4-5"), false, 64000 },     { B("claude-opus-4"), false, 128000 },
	{ B("claude-opus-"), false, 128000 },       { B("claude-sonnet-"), false, 128000 },
	{ B("claude-haiku-"), false, 128000 },      { B("claude-fable-"), false, 128000 },
	{ B("claude-mythos-"), false, 128000 },
};

/* ---- looking up ---- */

static bool fits(struct bytes model, struct bytes name, bool whole)
{
	if (model.n < name.n || (whole && model.n != name.n))
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (model.p[i] != name.p[i] && !(model.p[i] == '@' && name.p[i] == '-'))
			return false;
	return true;
}

const struct claude *claude_of(struct bytes model)
{
	for (size_t i = 0; i < COUNT(generations); i++)
		if (fits(model, generations[i].name, generations[i].whole))
			return generations[i].claude;
	return &unknown;
}

/* Proxies put a vendor before the name: "anthropic/claude-…", "us.anthropic.claude-…". */
static struct bytes without_vendor(struct bytes model)
{
	ptrdiff_t at = bytes_ifind(model, B("claude-"));

	return at > 0 && (model.p[at - 1] == '/' || model.p[at - 1] == '.' ||
			  model.p[at - 1] == ':')
		       ? bytes_slice(model, (size_t)at, model.n)
		       : model;
}

uint64_t claude_max_tokens(struct bytes model)
{
	model = without_vendor(model);
	for (size_t i = 0; i < COUNT(lengths); i++)
		if (fits(model, lengths[i].name, lengths[i].whole))
			return lengths[i].tokens;
	return 0;
}

struct bytes claude_effort(const struct claude *c, struct bytes effort)
{
	static const struct bytes names[] = { B("low"), B("medium"), B("high"), B("xhigh"),
					      B("max") };
	size_t i = 0, top = COUNT(names);

	if (!c->efforts)
		return (struct bytes){ NULL, 0 };
	if (bytes_eq(effort, B("minimal")))
		return names[0];
	while (i < COUNT(names) && !bytes_eq(names[i], effort))
		i++;
	if (i == COUNT(names) || c->efforts & 1u << i)
		return effort;
	while (top > 1 && !(c->efforts & 1u << (top - 1)))
		top--;
	return names[top - 1];
}
