/* Segments, records, parts and rows from any bytes: nothing may crash, loop or read past the end. */
#include <stdint.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/json.h"
#include "store/columns.h"
#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_rows(struct bytes payload)
{
	struct cell cells[M_CELLS + L_CELLS];
	struct record_part part;
	struct bytes key, value;
	struct buf scratch, printed;
	size_t pos = 0;

	buf_init(&scratch, 1 << 20);
	buf_init(&printed, 1 << 20);
	while (record_next_part(payload, &pos, &part) > 0) {
		size_t at = 0;

		buf_reset(&scratch);
		if (buf_reserve(&scratch, part.json.n * 3 + 64))
			break;
		row_read_part(&part, model_columns, M_CELLS, cells, &scratch);
		row_read_part(&part, list_columns, L_CELLS, cells, &scratch);
		buf_reset(&printed);
		record_print_row(&part, &printed);
		while (row_next_string(part.json, &at, &key, &value, &scratch) > 0)
			;
		at = 0;
		while (json_next_element(part.json, &at, &value) > 0)
			row_text(value, &scratch);
	}
	buf_deinit(&scratch);
	buf_deinit(&printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct segment_header h;
	struct segment_reader r;
	struct record_view v;
	struct buf copy;
	enum segment_found found;
	uint64_t last = 0, offset = SEGMENT_HEADER;
	/* exactly as large as the input, so that a sanitizer sees a step past it */
	uint8_t *exact = malloc(size ? size : 1);

	memcpy(exact, data, size);
	segment_header_read(exact, size, &h);
	segment_reader_init_mem(&r, exact, size, 0);
	buf_init(&copy, 1 << 20);
	for (;;) {
		found = segment_next(&r, &v);
		if (found == FOUND_RECORD) {
			if (v.number <= last)
				abort();
			last = v.number;
			read_rows(v.payload);
		} else if (found == FOUND_DAMAGE) {
			buf_reset(&copy);
			segment_copy_range(&r, r.from, r.to, 1 << 16, &copy);
		} else {
			break;
		}
		if (r.offset <= offset)
			abort(); /* it must move on */
		offset = r.offset;
	}
	segment_reader_deinit(&r);
	buf_deinit(&copy);
	/* rows and framing without the sums, which a fuzzer does not guess */
	read_rows((struct bytes){ (const char *)exact, size });
	free(exact);
	return 0;
}
