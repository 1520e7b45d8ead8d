/*
 * Pointers are looked up in the text itself: the wires have parsed it, so spans are enough, and an event without the pointer's
 * last name is not even walked. Of a stream each pointer counts with the largest of its values; one that is no number
 * makes the whole cost unknown, as in TensorZero.
 */
#include "route/cost.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"

static METRIC(dollars, METRIC_COUNTER, "signet_cost_dollars_total", "model",
	      "What answers cost, of those whose cost is known");
static METRIC(unknown, METRIC_COUNTER, "signet_cost_unknown_total", "model",
	      "Answers whose cost is not known");

enum count_state { COUNT_ABSENT, COUNT_KNOWN, COUNT_BAD };
struct counted {
	enum count_state state;
	struct decimal value;
};

int cost_admit(const struct config *c, const struct provider_config *p)
{
	struct bytes list = bytes_set(c->prices.path) ? c->prices.path : B("the list of prices");

	if (provider_is_priced(p))
		return 0;
	if (c->unpriced == UNPRICED_REFUSE)
		return fail(
			ERR_CONFIG,
			"`%.*s` of provider `%.*s` has no price, and this gateway calls none without one (add it to %.*s, or `cost` to the provider; or change `unpriced` in [store])",
			BFMT(p->model_name), BFMT(p->name), BFMT(list));
	if (c->unpriced == UNPRICED_WARN && bytes_set(c->prices.path))
		log_warn("route", "a model has no price: what its answers cost is not known",
			 LB("model", p->model->name), LB("provider", p->name),
			 LB("file", c->prices.path));
	return 0;
}

/* ---- pointers ---- */

static struct bytes without_blanks(struct bytes t)
{
	while (t.n && (*t.p == ' ' || *t.p == '\t' || *t.p == '\n' || *t.p == '\r'))
		t = bytes_slice(t, 1, t.n);
	return t;
}

static bool find_element(struct bytes list, struct bytes step, struct bytes *out)
{
	uint64_t index;
	size_t pos = 0;

	/* an index has no zero in front */
	if (!bytes_to_u64(step, &index) || (step.n > 1 && *step.p == '0'))
		return false;
	do
		if (json_next_element(list, &pos, out) <= 0)
			return false;
	while (index--);
	return true;
}

/* The value at the place, as it stands in the text. */
static bool find_value(struct bytes text, const struct json_place *place, struct bytes *out)
{
	struct json_member m;

	*out = without_blanks(text);
	for (size_t i = 0; i < place->len; i++) {
		bool found = false;

		if (bytes_starts(*out, B("{")) &&
		    (found = json_find_member(*out, place->steps[i], &m)))
			*out = m.value;
		else if (bytes_starts(*out, B("[")))
			found = find_element(*out, place->steps[i], out);
		if (!found)
			return false;
	}
	return out->n > 0;
}

static struct counted count_at(struct bytes text, const struct json_place *place)
{
	struct counted c = { COUNT_ABSENT };
	struct bytes value;

	if (!find_value(text, place, &value))
		return c;
	if (*value.p == '"') /* an escape in it is no digit */
		value = bytes_slice(value, 1, value.n - 2);
	c.state = decimal_read(value, &c.value) ? COUNT_KNOWN : COUNT_BAD;
	return c;
}

/* ---- a stream ---- */

int cost_meter_init(struct cost_meter *m, const struct provider_config *p, struct arena *a)
{
	*m = (struct cost_meter){ NULL };
	if (p->cost.len)
		m->at = arena_array(a, struct counted, p->cost.len);
	return p->cost.len && !m->at ? -1 : 0;
}

/* Whether the text may have a value there: its last name is in it. A name with an odd character may be written otherwise. */
static bool may_have(struct bytes text, const struct json_place *place)
{
	struct bytes last = place->len ? place->steps[place->len - 1] : B("");

	for (size_t i = 0; i < last.n; i++)
		if ((unsigned char)last.p[i] < ' ' || (unsigned char)last.p[i] >= 0x7f ||
		    memchr("\"\\/0123456789", last.p[i], 13))
			return true;
	return bytes_find(text, last) >= 0;
}

static void meter_one(struct counted *sum, struct counted now)
{
	if (sum->state == COUNT_BAD || now.state == COUNT_ABSENT)
		return;
	if (now.state == COUNT_BAD || sum->state == COUNT_ABSENT ||
	    decimal_cmp(now.value, sum->value) > 0)
		*sum = now;
}

void cost_meter_add(struct cost_meter *m, const struct provider_config *p, const struct delta *d)
{
	if (!m->at || d->error || (bytes_set(d->alike) && d->alike.p == m->alike))
		return;
	m->alike = d->alike.p;
	for (size_t i = 0; i < p->cost.len; i++) {
		const struct json_place *place = &p->cost.at[i].streamed;

		if (may_have(d->raw, place))
			meter_one(&m->at[i], count_at(d->raw, place));
	}
}

/* ---- the sums ---- */

/* By pointers. `whole`: what is not there is 0, else nobody knows whether it would have come. */
static struct money sum_counts(const struct cost_entries *entries, const struct counted *at,
			       bool whole)
{
	struct money sum = money_nothing();
	bool any = whole;

	for (size_t i = 0; i < entries->len; i++) {
		const struct cost_entry *e = &entries->at[i];

		if (at[i].state == COUNT_BAD || (at[i].state == COUNT_ABSENT && e->required))
			return (struct money){ 0 };
		if (at[i].state == COUNT_ABSENT)
			continue;
		any = true;
		money_add_product(&sum, at[i].value, e->price);
	}
	return any && sum.parts >= 0 ? sum : (struct money){ 0 };
}

static int64_t at_least_0(int64_t n)
{
	return n > 0 ? n : 0;
}

static int64_t at_most(int64_t n, int64_t most)
{
	return n < most ? at_least_0(n) : most;
}

/* Those that the answer's length of input asks for. */
static const struct prices *prices_of(const struct price *p, const struct usage *u)
{
	return u->input_tokens > p->over_tokens ? &p->over : &p->usual;
}

static bool is_output_free(const struct prices *p)
{
	return !p->at[PRICE_OUTPUT].digits && !p->at[PRICE_REASONING].digits;
}

/* By the list. What the provider does not count apart was no cache's and no reasoning. */
static struct money sum_prices(const struct prices *p, const struct usage *u)
{
	struct money sum = money_nothing();
	int64_t in = u->input_tokens, out = u->output_tokens, read, write, hour, reasoning;
	int64_t counts[PRICES];

	if (in == USAGE_UNKNOWN || (out == USAGE_UNKNOWN && !is_output_free(p)))
		return (struct money){ 0 };
	read = at_most(u->cache_read, in);
	write = at_most(u->cache_write, in - read);
	hour = at_most(u->cache_write_1h, write);
	out = at_least_0(out);
	reasoning = at_most(u->reasoning_tokens, out);
	counts[PRICE_INPUT] = in - read - write;
	counts[PRICE_OUTPUT] = out - reasoning;
	counts[PRICE_CACHE_READ] = read;
	counts[PRICE_CACHE_WRITE] = write - hour;
	counts[PRICE_CACHE_WRITE_1H] = hour;
	counts[PRICE_REASONING] = reasoning;
	for (enum price_kind k = 0; k < PRICES; k++)
		money_add_product(&sum, (struct decimal){ .digits = counts[k] }, p->at[k]);
	return sum;
}

/* `at`: what stands at the pointers, if there are any. */
static void set_cost(const struct provider_config *p, const struct counted *at, bool whole,
		     struct result *r)
{
	r->usage.cost = (struct money){ 0 };
	if (p->cost.set)
		r->usage.cost = sum_counts(&p->cost, at, whole);
	else if (p->price)
		r->usage.cost = sum_prices(prices_of(p->price, &r->usage), &r->usage);
	if (whole && !r->usage.cost.known && provider_is_priced(p))
		log_warn("route", "what an answer cost is not known: its counts are not there",
			 LB("model", p->model->name), LB("provider", p->name));
}

void cost_of_plain(const struct provider_config *p, struct result *r, struct arena *a)
{
	struct cost_meter m;

	if (cost_meter_init(&m, p, a)) /* without memory nothing is known */
		return;
	for (size_t i = 0; i < p->cost.len; i++)
		m.at[i] = count_at(r->raw_response, &p->cost.at[i].plain);
	set_cost(p, m.at, true, r);
}

void cost_of_stream(const struct provider_config *p, const struct cost_meter *m, bool whole,
		    struct result *r)
{
	set_cost(p, m->at, whole, r);
}

void cost_counters_begin(struct bytes model)
{
	METRIC_ADD(&dollars, 0, model);
	METRIC_ADD(&unknown, 0, model);
}

void cost_count(struct bytes model, const struct usage *u)
{
	if (u->cost.known)
		METRIC_ADD(&dollars, money_dollars(u->cost), model);
	else
		METRIC_ADD(&unknown, 1, model);
}

/* ---- the record ---- */

/* Dollars a million: as the list has it. */
static void put_per_million(struct pen *p, struct decimal price)
{
	struct money sum = money_nothing();

	money_add_product(&sum, (struct decimal){ .digits = 1000000 }, price);
	p->failed |= money_print(sum, p->b) != 0;
}

void cost_put_price(struct pen *pen, const struct config *c, const struct provider_config *p,
		    const struct usage *u)
{
	const struct prices *used = p->price ? prices_of(p->price, u) : NULL;

	if (p->cost.set) {
		pen_lit(pen, "{\"from\":\"cost\"}");
		return;
	}
	if (!used) {
		pen_lit(pen, "null");
		return;
	}
	pen_head(pen, "{\"from\":\"prices\"");
	pen_text(pen, "date", c->prices.date);
	pen_text(pen, "match", p->price->pattern);
	for (enum price_kind k = 0; k < PRICES; k++) {
		pen_item(pen);
		pen_string(pen, bytes_of(price_name(k)));
		pen_lit(pen, ":");
		put_per_million(pen, used->at[k]);
	}
	pen_close(pen, '}');
}
