/* A text is cut at the same byte however it comes in pieces (surfaces §5.2). */
#include "unit.h"

#include "base/error.h"
#include "upstream/stop_cut.h"

#define SEQUENCES(...) (struct bytes[]){ __VA_ARGS__ }, COUNT(((struct bytes[]){ __VA_ARGS__ }))

static struct arena arena;
static struct buf shown;

static struct stop_cut *cut_at(struct bytes *stops, size_t n)
{
	struct inference inf = { .stop = stops, .nstop = n };
	struct stop_cut *s = stop_cut_new(&inf, &arena);

	assert_non_null(s);
	return s;
}

/* What is shown, in pieces of `piece` bytes; *stop: the sequence that was met. */
static struct bytes in_pieces(struct stop_cut *s, struct bytes text, size_t first, size_t piece,
			      struct bytes *stop)
{
	int finishes = 0;

	*stop = (struct bytes){ NULL, 0 };
	buf_reset(&shown);
	for (size_t at = 0, n = first; at <= text.n; at += n, n = piece) {
		struct part part = { .type = PART_TEXT,
				     .id = B("0"),
				     .text = bytes_slice(text, at, n) };
		struct delta d = { .parts = &part, .len = 1 };

		assert_int_equal(stop_cut_take(s, &d, at + n > text.n), 0);
		for (size_t i = 0; i < d.len; i++)
			buf_append(&shown, d.parts[i].text);
		finishes += d.finish == FINISH_STOP_SEQUENCE;
		if (bytes_set(d.stop_sequence))
			*stop = d.stop_sequence;
	}
	assert_int_equal(finishes, stop_cut_met(s));
	return buf_bytes(&shown);
}

static void check(struct bytes *stops, size_t n, struct bytes text, struct bytes wanted,
		  struct bytes met)
{
	struct block block = { .type = BLOCK_TEXT, .text = text };
	struct result whole = { .content = &block, .len = 1, .finish = FINISH_STOP };
	struct stop_cut *s = cut_at(stops, n);
	struct bytes stop;

	stop_cut_result(s, &whole);
	stop_cut_free(s);
	assert_true(bytes_eq(block.text, wanted) && bytes_eq(whole.stop_sequence, met));
	assert_int_equal(whole.finish, met.n ? FINISH_STOP_SEQUENCE : FINISH_STOP);
	for (size_t first = 1; first <= text.n; first++)
		for (size_t piece = 1; piece <= text.n + 1; piece++) {
			s = cut_at(stops, n);
			assert_true(bytes_eq(in_pieces(s, text, first, piece, &stop), wanted));
			assert_true(bytes_eq(stop, met));
			stop_cut_free(s);
		}
}

static void test_wherever_the_pieces_end(void **state)
{
	struct bytes none = { NULL, 0 };

	(void)state;
	check(SEQUENCES(B("beta")), B("alpha beta gamma"), B("alpha "), B("beta"));
	check(SEQUENCES(B("beta")), B("alpha bet"), B("alpha bet"), none);
	check(SEQUENCES(B("beta")), B("beta"), B(""), B("beta"));
	check(SEQUENCES(B("aab")), B("aaaab"), B("aa"), B("aab"));
	check(SEQUENCES(B("abacab")), B("abacabacab"), B(""), B("abacab"));
	check(SEQUENCES(B("\n\n"), B("END")), B("one\ntwo END\n\n"), B("one\ntwo "), B("END"));
	/* whole first, though the other begins before it */
	check(SEQUENCES(B("xabc"), B("ab")), B("-xabc"), B("-x"), B("ab"));
	/* whole with the same byte: the longer one */
	check(SEQUENCES(B("c"), B("abc")), B("-abc"), B("-"), B("abc"));
	check(SEQUENCES(B("\xc3\xa8")), B("\xc3\xa9\xc3\xa8!"), B("\xc3\xa9"), B("\xc3\xa8"));
	check(SEQUENCES(B("")), B("text"), B("text"), none);
}

static void test_what_comes_between_ends_a_run(void **state)
{
	struct bytes stops[] = { B("beta") };
	struct stop_cut *s = cut_at(stops, 1);
	struct part parts[] = {
		{ .type = PART_TEXT, .id = B("0"), .text = B("a be") },
		{ .type = PART_TOOL_CALL, .id = B("c"), .name = B("f"), .begins = true },
		{ .type = PART_TEXT, .id = B("1"), .text = B("ta be") },
		{ .type = PART_TEXT, .id = B("2"), .text = B("ta") },
	};
	static const struct bytes texts[] = { B("a "), B("be"), B(""), B("ta "), B("be"), B("ta") };
	struct delta d = { .parts = parts, .len = COUNT(parts) };

	(void)state;
	assert_int_equal(stop_cut_take(s, &d, true), 0);
	assert_int_equal(d.len, COUNT(texts));
	for (size_t i = 0; i < d.len; i++)
		assert_true(bytes_eq(d.parts[i].text, texts[i]));
	assert_true(bytes_eq(d.parts[1].id, B("0")) && d.parts[2].type == PART_TOOL_CALL);
	assert_true(bytes_eq(d.parts[4].id, B("1")) && bytes_eq(d.parts[5].id, B("2")));
	assert_false(stop_cut_met(s));
	stop_cut_free(s);
}

static void test_behind_it_only_usage_counts(void **state)
{
	struct bytes stops[] = { B("X") };
	struct stop_cut *s = cut_at(stops, 1);
	struct part text = { .type = PART_TEXT, .id = B("0"), .text = B("aXb") },
		    call = { .type = PART_TOOL_CALL, .id = B("c"), .name = B("f") };
	struct delta d = { .parts = &text, .len = 1 };

	(void)state;
	assert_int_equal(stop_cut_take(s, &d, false), 0);
	assert_true(d.len == 1 && bytes_eq(d.parts[0].text, B("a")));
	d = (struct delta){
		.parts = &call, .len = 1, .finish = FINISH_TOOL_CALL, .has_usage = true
	};
	d.usage.input_tokens = 7;
	assert_int_equal(stop_cut_take(s, &d, true), 0);
	assert_true(!d.len && d.finish == FINISH_UNSET && d.has_usage && d.usage.input_tokens == 7);
	stop_cut_free(s);
}

static void test_too_many_are_refused(void **state)
{
	struct bytes stops[STOP_CUT_SEQUENCES + 1];
	struct inference inf = { .stop = stops, .nstop = COUNT(stops) };

	(void)state;
	for (size_t i = 0; i < COUNT(stops); i++)
		stops[i] = B("x");
	assert_null(stop_cut_new(&inf, &arena));
	assert_int_equal(error_last()->kind, ERR_INVALID_REQUEST);
	inf.nstop--;
	stop_cut_free(stop_cut_new(&inf, &arena));
}

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, 256u << 20);
	buf_init(&shown, 4096);
	return 0;
}

static int end(void **state)
{
	(void)state;
	buf_deinit(&shown);
	arena_deinit(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wherever_the_pieces_end),
		cmocka_unit_test(test_what_comes_between_ends_a_run),
		cmocka_unit_test(test_behind_it_only_usage_counts),
		cmocka_unit_test(test_too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
