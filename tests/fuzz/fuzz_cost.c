/*
 * Any bytes as what an upstream sent, and any as a pointer into it: counted or not, nothing is read past the end, no cost is
 * below 0, and what is printed is a number or null. Input: a pointer, a line end, an answer; its events are cut at NULs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "route/cost.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

static void check(const struct usage *u, struct arena *a)
{
	struct buf out;

	buf_init(&out, 256);
	require(!u->cost.known || u->cost.parts >= 0, "a cost is 0 at least");
	require(money_print(u->cost, &out) == 0, "a cost is printed");
	require(json_parse(buf_bytes(&out), a) != NULL, "a cost is JSON");
	require(!u->cost.known || money_nano(u->cost) >= 0, "so are its billionths");
	buf_deinit(&out);
}

/* The steps of a pointer, as they stand there. */
static struct json_place place_of(struct bytes pointer, struct arena *a)
{
	struct json_place place = { 0 };

	while (pointer.n && place.len < 16) {
		struct bytes step = bytes_cut(&pointer, '/');

		(void)arena_push(a, place.steps, place.len, place.cap, step);
	}
	return place;
}

static void run(struct bytes pointer, struct bytes body, struct arena *a)
{
	struct cost_entry entries[] = { { .price = { 25, 7 } }, { .price = { -125, 8 } } };
	struct model_config model = { .name = B("m") };
	struct provider_config p = { .name = B("p"), .model = &model };
	struct result result = { .raw_response = body };
	struct cost_meter meter;

	entries[0].plain = entries[0].streamed = place_of(pointer, a);
	entries[1].plain = entries[1].streamed = place_of(B("usage/cached"), a);
	p.cost = (struct cost_entries){ .set = true, .at = entries, .len = COUNT(entries) };
	usage_init(&result.usage);
	cost_of_plain(&p, &result, a);
	check(&result.usage, a);
	if (cost_meter_init(&meter, &p, a))
		return;
	while (body.n) {
		struct delta d = { .raw = bytes_cut(&body, '\0') };

		cost_meter_add(&meter, &p, &d);
	}
	cost_of_stream(&p, &meter, true, &result);
	check(&result.usage, a);
	cost_of_stream(&p, &meter, false, &result);
	check(&result.usage, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes body = { (const char *)data, n }, pointer = bytes_cut(&body, '\n');
	struct arena a;

	arena_init(&a, 64u << 20);
	error_clear();
	run(pointer, body, &a);
	arena_deinit(&a);
	return 0;
}
