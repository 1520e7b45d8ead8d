/*
 * The journal's format on disk (storage §7.1): segment headers, records, the parts of a payload, and the
 * reader that survives whatever it meets. Pure but for the reader's pread(). Little-endian, records begin
 * at multiples of 8.
 */
#ifndef SIGNET_STORE_SEGMENT_H
#define SIGNET_STORE_SEGMENT_H

#include "base/bytes.h"

#define SEGMENT_HEADER 64
#define RECORD_HEADER  24
#define RECORD_MAX     (256u << 20)
#define SEGMENT_FORMAT 2 /* 1 had no texts beside rows; it is read too */
/*
 * What a header says stands once more elsewhere, so that a damaged one costs nothing: its number in the file's name, all of
 * it behind the counts in the end record's payload (older versions left it out), and its format in each record: the sums of a
 * later format's records begin from its number, so that they do not hold for a version that does not know it.
 */
#define SEGMENT_COUNTS 16 /* of an end record: u64 records, u64 their bytes */
#define SEGMENT_END    (SEGMENT_COUNTS + SEGMENT_HEADER)

enum record_type { RECORD_GROUP = 1, RECORD_FEEDBACK = 2, RECORD_CONTROL = 3, RECORD_END = 4 };
enum record_flag { RECORD_ZSTD = 1, RECORD_CUT = 2, RECORD_REPLAYED = 4 };

struct segment_header {
	uint32_t format;
	uint64_t first, unix_ms;
	uint8_t node[16];
};

enum segment_state {
	SEGMENT_OK,
	SEGMENT_BAD,   /* not a segment, or its header's sum does not hold */
	SEGMENT_NEWER, /* a later format: must not be touched */
	SEGMENT_EMPTY  /* nothing but zeros */
};

void segment_header_write(const struct segment_header *, uint8_t out[SEGMENT_HEADER]);
enum segment_state segment_header_read(const void *, size_t n, struct segment_header *out);

/* `payload_crc` is crc32c(0, payload). */
struct record_head {
	uint64_t number;
	uint32_t len;
	uint32_t payload_crc;
	uint8_t type, flags;
	uint16_t parts;
};
void record_head_write(const struct record_head *, uint8_t out[RECORD_HEADER]);
/* Bytes of the record on disk, with header and padding. */
static inline uint64_t record_size(uint64_t len)
{
	return (RECORD_HEADER + len + 7) & ~(uint64_t)7;
}

struct record_view {
	uint64_t number, offset, size;
	uint8_t type, flags;
	uint16_t parts;
	struct bytes payload; /* valid until the next call on the reader */
};

enum segment_found {
	FOUND_RECORD,
	FOUND_DAMAGE,  /* `from`..`to` is no record; what follows is */
	FOUND_TORN,    /* `from` to the end of the file is no record */
	FOUND_ZEROS,   /* `from` to the end is zeros (power was lost after the file grew) */
	FOUND_END,     /* the end of what there is */
	FOUND_IO_ERROR /* errno in `err` */
};

/*
 * Reads records of one segment forward. Of numbers that it has seen (or that are <= `last` as the caller
 * set it) it takes none again. From memory when fd is -1.
 */
struct segment_reader {
	int fd;
	const uint8_t *mem;
	uint64_t limit;  /* where the file ends, for now; may grow between calls */
	uint64_t offset; /* of the next record */
	uint64_t last;   /* greatest number seen */
	uint64_t from, to;
	uint64_t seen_again; /* records skipped because of their number */
	int err;
	struct buf window;
	uint64_t window_at;
};

/* limit: bytes to read at most. */
void segment_reader_init(struct segment_reader *, int fd, uint64_t limit, uint64_t last);
void segment_reader_init_mem(struct segment_reader *, const void *, size_t n, uint64_t last);
void segment_reader_deinit(struct segment_reader *);
enum segment_found segment_next(struct segment_reader *, struct record_view *out);
/* The bytes `from`..`to` of the reader's file, at most `max`, appended to `out`. */
int segment_copy_range(struct segment_reader *, uint64_t from, uint64_t to, size_t max,
		       struct buf *out);

/*
 * A part of a payload is a row (its first byte is the table's number, below 128), or a text: the value of a
 * column of the next row that follows, as it is, without quotes and escapes (decision 0005). A text of which
 * the same bytes stand in the payload already is eight bytes: their offset and length there.
 */
enum row_text {
	TEXT_RAW_REQUEST,
	TEXT_RAW_RESPONSE,
	TEXT_SYSTEM,
	TEXT_INPUT_MESSAGES,
	TEXT_OUTPUT,
	ROW_TEXTS
};
#define TEXT_PART 128 /* | enum row_text */
#define SAME_PART 64  /* | TEXT_PART | enum row_text */
extern const struct bytes row_text_names[ROW_TEXTS];

struct record_part {
	uint8_t table;
	struct bytes json;
	struct bytes texts[ROW_TEXTS]; /* unset: stands in the row itself, or nowhere */
};
/* Walks the rows of a payload: *pos starts at 0. 1: a row; 0: no more; -1: framing broken. */
int record_next_part(struct bytes payload, size_t *pos, struct record_part *out);
/* The row as one JSON object with its texts in it. */
int record_print_row(const struct record_part *, struct buf *out);
/* The record's payload, if it is packed unpacked into `unpacked`. -1: damaged or over RECORD_MAX; then it is empty. */
int record_payload(const struct record_view *, struct buf *unpacked, struct bytes *out);

#endif
