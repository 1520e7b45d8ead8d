/* Segments: their bytes (storage §7.1) and what the reader makes of damage (§7.5). */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "store/crc32c.h"
#include "store/segment.h"
#include "store/store.h"

static void test_crc32c_known_answers(void **state)
{
	uint8_t zeros[32] = { 0 };

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* RFC 3720 B.4 */
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);
	assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
}

static void test_crc32c_ways_agree(void **state)
{
	uint8_t data[5000]; /* several times three lanes */

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 13);
	for (size_t n = 0; n < sizeof(data); n += 37) {
		uint32_t a = crc32c(0, data, n), b = crc32c(0, data + n, sizeof(data) - n);

		assert_int_equal(a, crc32c_table(0, data, n));
		assert_int_equal(crc32c(a, data + n, sizeof(data) - n),
				 crc32c(0, data, sizeof(data)));
		assert_int_equal(crc32c_join(a, b, sizeof(data) - n),
				 crc32c(0, data, sizeof(data)));
	}
}

static void test_header_is_as_written_in_the_page(void **state)
{
	struct segment_header h = { .format = SEGMENT_FORMAT,
				    .first = 0x1122334455667788,
				    .unix_ms = 7 },
			      back;
	uint8_t out[SEGMENT_HEADER];

	(void)state;
	memset(h.node, 0xab, 16);
	segment_header_write(&h, out);
	assert_memory_equal(
		out, "SIGNETJ1\2\0\0\0\x40\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\7\0\0\0\0\0\0\0",
		32);
	assert_int_equal(out[32], 0xab);
	assert_int_equal(out[48] | out[59], 0);
	assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_OK);
	assert_true(back.first == h.first);
	assert_int_equal(segment_header_read(out, 63, &back), SEGMENT_BAD);
	memset(out, 0, 64);
	assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_EMPTY);
}

static void test_header_with_any_bit_flipped_is_bad_and_never_newer(void **state)
{
	struct segment_header h = { .format = SEGMENT_FORMAT, .first = 5, .unix_ms = 7 }, back;
	uint8_t out[SEGMENT_HEADER];

	(void)state;
	segment_header_write(&h, out);
	for (size_t bit = 0; bit < 8 * SEGMENT_HEADER; bit++) {
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_BAD);
		out[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	h.format = SEGMENT_FORMAT + 1;
	segment_header_write(&h, out);
	assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_NEWER);
	h.format = 1; /* had rows only: they are read as they were */
	segment_header_write(&h, out);
	assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_OK);
	assert_int_equal(back.format, 1);
	h.format = 0;
	segment_header_write(&h, out);
	assert_int_equal(segment_header_read(out, 64, &back), SEGMENT_BAD);
}

/* ---- the reader ---- */

static void put_record(struct buf *b, uint64_t number, struct bytes payload)
{
	struct record_head h = { .number = number,
				 .len = (uint32_t)payload.n,
				 .payload_crc = crc32c(0, payload.p, payload.n),
				 .type = RECORD_GROUP,
				 .parts = 1 };
	uint8_t head[RECORD_HEADER];

	record_head_write(&h, head);
	assert_int_equal(buf_append(b, (struct bytes){ (char *)head, RECORD_HEADER }), 0);
	assert_int_equal(buf_append(b, payload), 0);
	while (b->len % 8)
		assert_int_equal(buf_putc(b, 0), 0);
}

/* A header's room and records 1..n with the payloads "record ‹i›" of growing length. */
static void make_segment(struct buf *b, uint64_t first, int n)
{
	struct segment_header h = { .format = 1, .first = first };
	uint8_t head[SEGMENT_HEADER];

	buf_init(b, 1 << 20);
	segment_header_write(&h, head);
	assert_int_equal(buf_append(b, (struct bytes){ (char *)head, SEGMENT_HEADER }), 0);
	for (int i = 0; i < n; i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "record %d%.*s", i, i, "................");

		put_record(b, first + (uint64_t)i, (struct bytes){ text, (size_t)len });
	}
}

struct seen {
	uint64_t numbers[32];
	size_t n, damage;
	enum segment_found end;
	uint64_t from, to;
};

static struct seen read_all(const void *data, size_t n, uint64_t last)
{
	struct segment_reader r;
	struct record_view v;
	struct seen s = { 0 };

	segment_reader_init_mem(&r, data, n, last);
	for (;;) {
		s.end = segment_next(&r, &v);
		if (s.end == FOUND_DAMAGE) {
			assert_true(r.to > r.from);
			s.damage++;
		} else if (s.end != FOUND_RECORD) {
			break;
		} else {
			assert_true(s.n < 32);
			assert_true(!s.n || v.number > s.numbers[s.n - 1]);
			s.numbers[s.n++] = v.number;
		}
	}
	s.from = r.from;
	s.to = r.to;
	segment_reader_deinit(&r);
	return s;
}

static void test_records_come_back(void **state)
{
	struct buf b;
	struct seen s;

	(void)state;
	make_segment(&b, 10, 5);
	s = read_all(b.data, b.len, 9);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.numbers[0], 10);
	assert_int_equal(s.numbers[4], 14);
	assert_int_equal(s.end, FOUND_END);
	buf_deinit(&b);
}

static void test_tail_torn_at_every_byte(void **state)
{
	struct buf b, whole;

	(void)state;
	make_segment(&whole, 1, 3);
	make_segment(&b, 1, 4);
	for (size_t n = whole.len; n < b.len; n++) {
		struct seen s = read_all(b.data, n, 0);

		/* the padding of the last record may be missing */
		size_t want = n >= whole.len + RECORD_HEADER + 11 ? 4 : 3;

		assert_int_equal(s.n, want);
		if (want == 3) {
			assert_int_equal(s.end, n == whole.len ? FOUND_END : FOUND_TORN);
			if (n > whole.len) {
				assert_int_equal(s.from, whole.len);
				assert_int_equal(s.to, n);
			}
		}
	}
	buf_deinit(&b);
	buf_deinit(&whole);
}

static void test_bit_flipped_at_every_byte_costs_one_record(void **state)
{
	struct buf b;
	struct seen clean;

	(void)state;
	make_segment(&b, 1, 6);
	clean = read_all(b.data, b.len, 0);
	assert_int_equal(clean.n, 6);
	for (size_t at = SEGMENT_HEADER; at < b.len; at++)
		for (int bit = 0; bit < 8; bit++) {
			struct seen s;

			b.data[at] ^= (char)(1 << bit);
			s = read_all(b.data, b.len, 0);
			b.data[at] ^= (char)(1 << bit);
			/* in padding: none; elsewhere: that one, and no other */
			assert_true(s.n == 6 || s.n == 5);
			if (s.n == 5)
				assert_true(s.damage == 1 || s.end == FOUND_TORN);
		}
	buf_deinit(&b);
}

static void test_zeros_at_the_end(void **state)
{
	struct buf b;
	struct seen s;
	size_t len;

	(void)state;
	make_segment(&b, 1, 2);
	len = b.len;
	for (int i = 0; i < 10000; i++)
		buf_putc(&b, 0);
	s = read_all(b.data, b.len, 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.end, FOUND_ZEROS);
	assert_int_equal(s.from, len);
	buf_deinit(&b);
}

static void test_zeros_in_the_middle_are_passed_over(void **state)
{
	struct buf b;
	struct seen s;

	(void)state;
	make_segment(&b, 1, 2);
	for (int i = 0; i < 4096; i++)
		buf_putc(&b, 0);
	put_record(&b, 5, B("later"));
	s = read_all(b.data, b.len, 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.numbers[2], 5);
	assert_int_equal(s.damage, 1);
	buf_deinit(&b);
}

static void test_absurd_length_is_searched_past(void **state)
{
	struct buf b;
	struct seen s;
	uint32_t absurd[] = { 0xffffffff, RECORD_MAX, 0x7fffffff, 1 << 20, 3 };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		make_segment(&b, 1, 4);
		memcpy(b.data + SEGMENT_HEADER, &absurd[i], 4);
		s = read_all(b.data, b.len, 0);
		assert_int_equal(s.n, 3);
		assert_int_equal(s.numbers[0], 2);
		assert_int_equal(s.damage, 1);
		buf_deinit(&b);
	}
}

static void test_rewritten_group_is_taken_once(void **state)
{
	struct buf b;
	struct seen s;

	(void)state;
	make_segment(&b, 1, 3);
	put_record(&b, 2, B("again"));
	put_record(&b, 3, B("again"));
	put_record(&b, 4, B("new"));
	s = read_all(b.data, b.len, 0);
	assert_int_equal(s.n, 4);
	assert_int_equal(s.numbers[3], 4);
	/* and a reader that has been further takes none of the old */
	s = read_all(b.data, b.len, 3);
	assert_int_equal(s.n, 1);
	buf_deinit(&b);
}

/* From a file, over the ends of the reader's window; at most so many bytes, and none behind the end. */
static void test_a_range_is_copied_as_it_stands(void **state)
{
	enum { N = 600000 };
	static const struct {
		uint64_t from, to, limit;
		size_t max, n;
	} cases[] = {
		{ 64, 64, N, N, 0 },
		{ 64, 65, N, N, 1 },
		{ 100, N, N, N, N - 100 },
		{ 100, N, N, N - 100, N - 100 },
		{ 100, N, N, N - 101, N - 101 },
		{ 100, N + 1, N, N, N - 100 },
		{ 100, N, 200, N, 100 },
		{ 1, 262145, N, N, 262144 },
		{ 1, 262146, N, N, 262145 },
	};
	char *data = malloc(N);
	FILE *f = tmpfile();
	struct segment_reader r;
	struct buf out;

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < N; i++)
		data[i] = (char)(i * 7 + i / 251);
	assert_int_equal(fwrite(data, 1, N, f), N);
	assert_int_equal(fflush(f), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		segment_reader_init(&r, fileno(f), cases[i].limit, 0);
		buf_init(&out, N);
		assert_int_equal(
			segment_copy_range(&r, cases[i].from, cases[i].to, cases[i].max, &out), 0);
		assert_int_equal(out.len, cases[i].n);
		if (out.len)
			assert_memory_equal(out.data, data + cases[i].from, out.len);
		buf_deinit(&out);
		segment_reader_deinit(&r);
	}
	segment_reader_init(&r, fileno(f), N, 0);
	buf_init(&out, 300000);
	assert_int_equal(segment_copy_range(&r, 0, N, N, &out), -1); /* no room */
	buf_deinit(&out);
	segment_reader_deinit(&r);
	segment_reader_init(&r, fileno(f), N + 100, 0); /* the file is shorter than was said */
	buf_init(&out, N * 2);
	assert_int_equal(segment_copy_range(&r, 0, N + 100, N * 2, &out), -1);
	buf_deinit(&out);
	segment_reader_deinit(&r);
	fclose(f);
	free(data);
}

static void test_parts_of_a_payload(void **state)
{
	struct record r;
	struct record_part p;
	size_t pos = 0;

	(void)state;
	record_init(&r);
	assert_int_equal(record_add(&r, ROW_CHAT_INFERENCE, B("{\"a\":1}")), 0);
	assert_int_equal(record_add(&r, ROW_INFERENCE_BY_ID, B("{}")), 0);
	assert_int_equal(r.parts, 2);
	assert_int_equal(r.payload.len, 16 + 12);
	assert_memory_equal(r.payload.data, "\1\0\0\0\7\0\0\0{\"a\":1}\0\x40\0\0\0\2\0\0\0{}\0\0",
			    28);
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 1);
	assert_int_equal(p.table, 1);
	assert_int_equal(p.json.n, 7);
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 1);
	assert_int_equal(p.table, 64);
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 0);
	pos = 0;
	assert_int_equal(record_next_part(B("\1\0\0\0\xff\0\0\0{}"), &pos, &p), -1);
	record_deinit(&r);
}

/* Texts beside a row (decision 0005): as they are, or pointed at; printed they are members of the row. */
static void test_texts_beside_a_row(void **state)
{
	struct record r;
	struct record_part p;
	struct buf *b, out;
	size_t pos = 0;

	(void)state;
	buf_init(&out, 1000);
	record_init(&r);
	assert_int_equal(record_add(&r, ROW_CHAT_INFERENCE, B("{\"a\":[1]}")), 0);
	b = record_open_part(&r, TEXT_PART | TEXT_RAW_REQUEST);
	assert_int_equal(buf_append(b, B("{\"x\"\n}")), 0);
	assert_int_equal(record_close_part(&r), 0);
	b = record_open_part(&r, TEXT_PART | TEXT_SYSTEM);
	assert_int_equal(record_close_part(&r), 0);
	assert_int_equal(record_add_same(&r, TEXT_INPUT_MESSAGES, 8 + 5, 3), 0);
	assert_int_equal(record_add(&r, ROW_MODEL_INFERENCE, B("{\"id\":1}")), 0);
	assert_int_equal(record_add(&r, ROW_MODEL_INFERENCE, B("{}")), 0);
	assert_int_equal(r.parts, 3);
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 1);
	assert_int_equal(p.table, ROW_CHAT_INFERENCE);
	assert_false(bytes_set(p.texts[TEXT_RAW_REQUEST]));
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 1);
	assert_int_equal(p.table, ROW_MODEL_INFERENCE);
	assert_true(bytes_eq(p.texts[TEXT_RAW_REQUEST], B("{\"x\"\n}")));
	assert_true(bytes_set(p.texts[TEXT_SYSTEM]));
	assert_int_equal(p.texts[TEXT_SYSTEM].n, 0);
	assert_true(bytes_eq(p.texts[TEXT_INPUT_MESSAGES], B("[1]")));
	assert_false(bytes_set(p.texts[TEXT_OUTPUT]));
	assert_int_equal(record_print_row(&p, &out), 0);
	assert_true(bytes_eq(
		buf_bytes(&out),
		B("{\"id\":1,\"raw_request\":\"{\\\"x\\\"\\n}\",\"system\":\"\",\"input_messages\":\"[1]\"}")));
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 1);
	assert_false(bytes_set(p.texts[TEXT_RAW_REQUEST]));
	assert_int_equal(record_next_part(buf_bytes(&r.payload), &pos, &p), 0);
	p.texts[TEXT_OUTPUT] = B("o");
	buf_reset(&out);
	assert_int_equal(record_print_row(&p, &out), 0);
	assert_true(bytes_eq(buf_bytes(&out), B("{\"output\":\"o\"}")));
	record_deinit(&r);
	buf_deinit(&out);
}

static void test_texts_that_do_not_hold(void **state)
{
#define ROW "\3\0\0\0\2\0\0\0{}\0\0"
	static const struct {
		struct bytes payload;
		int result;
	} cases[] = {
		{ B("\x80\0\0\0\1\0\0\0a\0\0\0" ROW), 1 },
		{ B("\x80\0\0\0\1\0\0\0a\0\0\0"), -1 },     /* of no row */
		{ B("\x85\0\0\0\1\0\0\0a\0\0\0" ROW), -1 }, /* no such column */
		{ B("\xff\0\0\0\1\0\0\0a\0\0\0" ROW), -1 },
		{ B("\x80\1\0\0\1\0\0\0a\0\0\0" ROW), -1 },
		{ B("\x80\0\0\0\xff\xff\xff\xff" ROW), -1 },
		{ B("\xc3\0\0\0\x8\0\0\0\0\0\0\0\0\0\0\0" ROW), 1 },  /* nothing of it */
		{ B("\xc3\0\0\0\x8\0\0\0\0\0\0\0\1\0\0\0" ROW), -1 }, /* itself */
		{ B(ROW "\xc3\0\0\0\x8\0\0\0\x8\0\0\0\2\0\0\0" ROW), 1 },
		{ B(ROW "\xc3\0\0\0\x8\0\0\0\x8\0\0\0\5\0\0\0" ROW), -1 },
		{ B(ROW "\xc3\0\0\0\x8\0\0\0\xff\xff\xff\xff\2\0\0\0" ROW), -1 },
		{ B(ROW "\xc3\0\0\0\4\0\0\0\x8\0\0\0" ROW), -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct record_part p;
		size_t pos = 0;
		int r, last = 0;

		while ((r = record_next_part(cases[i].payload, &pos, &p)) > 0)
			last = r;
		assert_int_equal(r < 0 ? r : last, cases[i].result);
	}
#undef ROW
}

static void test_too_many_parts_are_refused(void **state)
{
	struct record r;

	(void)state;
	record_init(&r);
	for (int i = 0; i < UINT16_MAX; i++)
		assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, B("{}")), 0);
	assert_int_equal(record_add(&r, ROW_REQUEST_ERROR, B("{}")), -1);
	assert_true(r.too_large);
	record_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crc32c_known_answers),
		cmocka_unit_test(test_crc32c_ways_agree),
		cmocka_unit_test(test_header_is_as_written_in_the_page),
		cmocka_unit_test(test_header_with_any_bit_flipped_is_bad_and_never_newer),
		cmocka_unit_test(test_records_come_back),
		cmocka_unit_test(test_tail_torn_at_every_byte),
		cmocka_unit_test(test_bit_flipped_at_every_byte_costs_one_record),
		cmocka_unit_test(test_zeros_at_the_end),
		cmocka_unit_test(test_zeros_in_the_middle_are_passed_over),
		cmocka_unit_test(test_absurd_length_is_searched_past),
		cmocka_unit_test(test_rewritten_group_is_taken_once),
		cmocka_unit_test(test_a_range_is_copied_as_it_stands),
		cmocka_unit_test(test_parts_of_a_payload),
		cmocka_unit_test(test_texts_beside_a_row),
		cmocka_unit_test(test_texts_that_do_not_hold),
		cmocka_unit_test(test_too_many_parts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
