/*
 * base/json.c on any bytes: the fast parser and the one that words errors agree on what is JSON, what is printed
 * reads back as itself, and the scanners stay inside of their text.
 */
#include <engines.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void require(bool what, const char *text)
{
	if (!what) {
		fprintf(stderr, "broken: %s\n", text);
		abort();
	}
}

/* Printed, read and printed again, nothing changes. */
static void check_print(yyjson_val *v, struct arena *a)
{
	struct bytes once = json_print_arena(v, a), twice;
	yyjson_val *again;

	require(once.p, "it prints");
	again = json_parse_lenient(once, a);
	require(again, "what was printed is JSON");
	twice = json_print_arena(again, a);
	require(bytes_eq(once, twice), "printing is stable");
	require(bytes_is_utf8(once), "what is printed is UTF-8");
}

static void check_members(struct bytes text, yyjson_val *v)
{
	struct json_member m;
	size_t pos = 0, members = 0;
	int r;

	while ((r = json_next_member(text, &pos, &m)) > 0) {
		members++;
		require(m.from < m.to && m.to <= text.n, "a member lies in its text");
	}
	if (v)
		require(yyjson_is_obj(v) ? r == 0 && members == yyjson_obj_size(v) : r < 0,
			"the scanner counts what the parser counts");
}

static void check_elements(struct bytes text, yyjson_val *v)
{
	struct bytes element;
	size_t pos = 0, elements = 0;
	char out[4096];
	int r;

	while ((r = json_next_element(text, &pos, &element)) > 0) {
		elements++;
		require(element.p >= text.p && element.p + element.n <= text.p + text.n,
			"an element lies in its text");
		if (element.n <= sizeof(out))
			require(json_unescape(element, out) <= element.n, "an escape never grows");
	}
	if (v)
		require(yyjson_is_arr(v) ? r == 0 && elements == yyjson_arr_size(v) : r < 0,
			"the scanner counts what the parser counts");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes text = { (const char *)data, n };
	yyjson_val *strict, *lenient;
	struct arena a;
	struct buf out;
	uint64_t number;

	arena_init(&a, 64u << 20);
	buf_init(&out, 64u << 20);
	strict = json_parse(text, &a);
	require((engine_json_check(text.p, text.n, NULL, NULL) == 0) == (strict != NULL),
		"both readers agree");
	lenient = json_parse_lenient(text, &a);
	require(!strict || lenient, "lenient takes what strict takes");
	if (lenient) {
		check_print(lenient, &a);
		json_u64(lenient, &number);
		require(!json_compact(text, &out), "it compacts");
		require(json_parse_lenient(buf_bytes(&out), &a), "compacted it is JSON");
		buf_reset(&out);
	}
	check_members(text, strict);
	check_elements(text, strict);
	json_compact(text, &out);
	buf_deinit(&out);
	arena_deinit(&a);
	return 0;
}
