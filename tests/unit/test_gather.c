/* Joining deltas (providers-openai §1.5), and the cut in the middle of raw texts. */
#include "unit.h"

#include "inference/inference.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 64u << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_deinit(&arena);
	return 0;
}

static void add(struct gather *g, struct part p)
{
	struct delta d = { .parts = &p, .len = 1 };

	usage_init(&d.usage);
	assert_int_equal(0, gather_add(g, &d));
}

static void add_raw(struct gather *g, struct bytes raw)
{
	struct delta d = { .raw = raw };

	usage_init(&d.usage);
	assert_int_equal(0, gather_add(g, &d));
}

static void same(struct bytes got, struct bytes want)
{
	if (!bytes_eq(got, want))
		fail_msg("want %.*s, got %.*s", BFMT(want), BFMT(got));
}

#define TEXT(i, t)                                          \
	(struct part)                                       \
	{                                                   \
		.type = PART_TEXT, .id = B(i), .text = B(t) \
	}

static void test_blocks_stand_where_they_began(void **state)
{
	struct gather *g = gather_new(&arena, 100);
	struct result r = { 0 };

	(void)state;
	add(g, TEXT("0", ""));
	assert_false(gather_has_content(g));
	add(g,
	    (struct part){
		    .type = PART_THOUGHT, .id = B("1"), .text = B(""), .provider_type = B("p") });
	add(g,
	    (struct part){
		    .type = PART_THOUGHT, .id = B("1"), .text = B("th"), .provider_type = B("p") });
	add(g, TEXT("0", "a"));
	add(g, (struct part){
		       .type = PART_TOOL_CALL, .id = B("c"), .name = B("f"), .arguments = B("") });
	add(g, TEXT("2", "other"));
	add(g, TEXT("0", "b"));
	add(g,
	    (struct part){
		    .type = PART_TOOL_CALL, .id = B("c"), .name = B("g"), .arguments = B("{}") });
	add(g, (struct part){ .type = PART_THOUGHT, .id = B("1"), .signature = B("s") });
	add(g, (struct part){ .type = PART_UNKNOWN, .id = B("u"), .text = B("1") });
	add(g, (struct part){ .type = PART_UNKNOWN, .id = B("u"), .text = B("2") });
	assert_true(gather_has_content(g));
	assert_int_equal(0, gather_finish(g, &r));
	assert_int_equal(5, r.len);
	same(r.content[0].text, B("th"));
	same(r.content[0].signature, B("s"));
	same(r.content[0].provider_type, B("p"));
	same(r.content[1].text, B("ab"));
	same(r.content[2].name, B("fg"));
	same(r.content[2].arguments, B("{}"));
	same(r.content[3].text, B("other"));
	same(r.content[4].text, B("2"));
	gather_free(g);
}

static void test_summaries_by_id(void **state)
{
	struct gather *g = gather_new(&arena, 100);
	struct result r = { 0 };

	(void)state;
	add(g, (struct part){ .type = PART_THOUGHT,
			      .id = B("1"),
			      .summary_id = B("0"),
			      .summary_text = B("a") });
	add(g, (struct part){ .type = PART_THOUGHT,
			      .id = B("1"),
			      .summary_id = B("1"),
			      .summary_text = B("b") });
	add(g, (struct part){ .type = PART_THOUGHT,
			      .id = B("1"),
			      .summary_id = B("0"),
			      .summary_text = B("c") });
	assert_int_equal(0, gather_finish(g, &r));
	assert_int_equal(1, r.len);
	assert_false(bytes_set(
		r.content[0].text)); /* a thought without text is not one with an empty text */
	assert_int_equal(2, r.content[0].nsummaries);
	same(r.content[0].summaries[0].text, B("ac"));
	same(r.content[0].summaries[1].text, B("b"));
	gather_free(g);
}

/* providers-openai §8 #22, #23, #24 */
static void test_usage_and_finish(void **state)
{
	struct gather *g = gather_new(&arena, 100);
	struct delta d = { .has_usage = true,
			   .finish = FINISH_LENGTH,
			   .raw_usage = B("{\"a\":1}") };
	struct result r = { 0 };

	(void)state;
	usage_init(&d.usage);
	d.usage.input_tokens = 5;
	d.usage.output_tokens = 3;
	gather_add(g, &d);
	d.usage.output_tokens = 2;
	d.usage.cache_read = 0;
	d.raw_usage = B("{\"a\":2}");
	d.finish = FINISH_STOP;
	gather_add(g, &d);
	d = (struct delta){ 0 };
	usage_init(&d.usage);
	gather_add(g, &d);
	assert_int_equal(0, gather_finish(g, &r));
	assert_int_equal(5, r.usage.input_tokens);
	assert_int_equal(3, r.usage.output_tokens);
	assert_int_equal(0, r.usage.cache_read);
	assert_int_equal(USAGE_UNKNOWN, r.usage.reasoning_tokens);
	assert_int_equal(FINISH_STOP, r.finish);
	assert_false(r.usage.estimated);
	same(r.raw_usage, B("{\"a\":2}"));
	gather_free(g);
}

/* One estimate among what was counted makes the sum one. */
static void test_an_estimate_stays_one(void **state)
{
	struct usage counted, guessed;

	(void)state;
	usage_init(&counted);
	usage_init(&guessed);
	guessed.estimated = true;
	usage_max(&counted, &guessed);
	assert_true(counted.estimated);
	usage_init(&counted);
	usage_max(&guessed, &counted);
	assert_true(guessed.estimated);
}

static void test_raw_text_is_joined_by_line_feeds(void **state)
{
	struct gather *g = gather_new(&arena, 11);
	struct result r = { 0 };

	(void)state;
	add_raw(g, B("abc"));
	add_raw(g, B("def"));
	add_raw(g, B("ghi"));
	assert_false(gather_raw_cut(g));
	assert_int_equal(0, gather_finish(g, &r));
	same(r.raw_response, B("abc\ndef\nghi"));
	gather_free(g);
}

static void test_raw_text_is_cut_in_the_middle(void **state)
{
	struct gather *g = gather_new(&arena, 10);
	struct result r = { 0 };

	(void)state;
	add_raw(g, B("0123456789"));
	add_raw(g, B("abcdefghij"));
	add_raw(g, B("xy"));
	assert_true(gather_raw_cut(g));
	assert_int_equal(0, gather_finish(g, &r));
	same(r.raw_response, B("01234ij\nxy"));
	assert_int_equal(r.raw_missing, 14);
	assert_int_equal(r.raw_gap, 5);
	gather_free(g);
}

/* In pieces of every size, over every limit: what is kept are the two ends of the whole. */
static void test_raw_text_is_cut_alike_however_it_came(void **state)
{
	char whole[121];

	(void)state;
	for (size_t i = 0; i < sizeof whole; i++)
		whole[i] = (char)('0' + i % 75);
	for (size_t max = 2; max < sizeof whole + 2; max++)
		for (size_t piece = 1; piece <= sizeof whole; piece += 3) {
			struct gather *g = gather_new(&arena, max);
			struct result r = { 0 };
			size_t lines = (sizeof whole + piece - 1) / piece,
			       all = sizeof whole + lines - 1;

			for (size_t at = 0; at < sizeof whole; at += piece)
				add_raw(g, bytes_slice((struct bytes){ whole, sizeof whole }, at,
						       piece));
			assert_int_equal(0, gather_finish(g, &r));
			assert_int_equal(gather_raw_cut(g), all > max);
			assert_int_equal(r.raw_response.n + r.raw_missing, all);
			assert_int_equal(r.raw_missing, all > max ? all - max : 0);
			assert_int_equal(r.raw_response.p[0], whole[0]);
			assert_int_equal(r.raw_response.p[r.raw_response.n - 1],
					 whole[sizeof whole - 1]);
			gather_free(g);
		}
}

static void test_no_character_is_cut_in_two(void **state)
{
	for (size_t max = 2; max < 40; max++) {
		struct gather *g = gather_new(&arena, max);
		struct result r = { 0 };

		for (int i = 0; i < 20; i++)
			add_raw(g, B("\xc3\xa9\xf0\x9f\x98\x80x\xe2\x82\xac"));
		assert_int_equal(0, gather_finish(g, &r));
		assert_true(bytes_is_utf8(r.raw_response));
		gather_free(g);
	}
	(void)state;
}

/* For an answer that leaves no record: neither texts nor raw events take memory, the end is the same. */
static void test_an_outline_keeps_no_text(void **state)
{
	struct gather *g = gather_new(&arena, 1000);
	struct part p = TEXT("0", "some text");
	struct delta d = { .parts = &p,
			   .len = 1,
			   .raw = B("{\"some\":\"event\"}"),
			   .has_usage = true,
			   .raw_usage = B("{}"),
			   .finish = FINISH_LENGTH };
	struct result r = { 0 };

	(void)state;
	usage_init(&d.usage);
	d.usage.output_tokens = 7;
	gather_outline(g);
	assert_false(gather_has_content(g));
	for (int i = 0; i < 1000; i++)
		assert_int_equal(0, gather_add(g, &d));
	assert_true(gather_has_content(g));
	assert_int_equal(0, gather_finish(g, &r));
	assert_int_equal(1, r.len);
	same(r.content[0].text, B(""));
	same(r.raw_response, B(""));
	same(r.raw_usage, B("{}"));
	assert_int_equal(7, r.usage.output_tokens);
	assert_int_equal(FINISH_LENGTH, r.finish);
	gather_free(g);
}

/* What events of one kind have in common is taken once, and again when another event stood between. */
static void test_events_of_one_kind(void **state)
{
	struct gather *g = gather_new(&arena, 0);
	struct part p = TEXT("0", "a");
	struct delta one = {
		.parts = &p, .len = 1, .provider_id = B("id-1"), .alike = B("common")
	};
	struct delta other = { .provider_id = B("id-2") };
	struct result r = { 0 };

	(void)state;
	usage_init(&one.usage);
	usage_init(&other.usage);
	assert_int_equal(0, gather_add(g, &one));
	assert_int_equal(0, gather_add(g, &one));
	assert_int_equal(0, gather_add(g, &other));
	assert_int_equal(0, gather_finish(g, &r));
	same(r.provider_id, B("id-2"));
	assert_int_equal(0, gather_add(g, &one));
	assert_int_equal(0, gather_finish(g, &r));
	same(r.provider_id, B("id-1"));
	same(r.content[0].text, B("aaa"));
	gather_free(g);
}

static void test_annotations_stand_on_the_text(void **state)
{
	struct gather *g = gather_new(&arena, 10);
	struct delta d = { .annotations = B("[1]") };
	struct result r = { 0 };

	(void)state;
	add(g, TEXT("0", "a"));
	usage_init(&d.usage);
	gather_add(g, &d);
	assert_int_equal(0, gather_finish(g, &r));
	same(r.annotations, B("[1]"));
	same(r.content[0].annotations, B("[1]"));
	gather_free(g);
}

static void test_json_tool_calls_become_texts(void **state)
{
	struct block blocks[] = { { .type = BLOCK_TEXT, .text = B("a") },
				  { .type = BLOCK_TOOL_CALL,
				    .id = B("c"),
				    .name = B("respond"),
				    .arguments = B("{}") } };
	struct result r = { .content = blocks, .len = 2 };

	(void)state;
	result_json_tool_to_text(&r);
	assert_int_equal(BLOCK_TEXT, blocks[1].type);
	same(blocks[1].text, B("{}"));
}

static void test_names_of_finish_reasons(void **state)
{
	(void)state;
	assert_false(bytes_set(finish_reason_name(FINISH_UNSET)));
	same(finish_reason_name(FINISH_TOOL_CALL), B("tool_call"));
	same(finish_reason_name(FINISH_STOP_SEQUENCE), B("stop_sequence"));
	same(finish_reason_name(FINISH_UNKNOWN), B("unknown"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_blocks_stand_where_they_began),
		TEST(test_summaries_by_id),
		TEST(test_usage_and_finish),
		TEST(test_an_estimate_stays_one),
		TEST(test_raw_text_is_joined_by_line_feeds),
		TEST(test_raw_text_is_cut_in_the_middle),
		TEST(test_raw_text_is_cut_alike_however_it_came),
		TEST(test_no_character_is_cut_in_two),
		TEST(test_an_outline_keeps_no_text),
		TEST(test_events_of_one_kind),
		TEST(test_annotations_stand_on_the_text),
		TEST(test_json_tool_calls_become_texts),
		TEST(test_names_of_finish_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
