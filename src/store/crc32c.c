/*
 * CRC-32C. Three ways to one number: the SSE 4.2 or ARMv8 instruction, tables of eight bytes a step, and the
 * join of two sums. The join lets a worker sum a payload of megabytes while the journal's writer, which
 * alone knows the record's number, adds the header's sixteen bytes in front without reading the payload.
 */
#include "store/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define POLY 0x82f63b78u /* reflected */
/* The instruction takes three cycles but can begin one each cycle: three lanes of this many bytes run side by side,
 * and their sums are joined by table. 6 KiB took 0.8 us in one lane. */
#define LANE 512

static uint32_t tables[8][256];
static uint32_t
	x_pow[8]
	     [256]; /* x^(8 * i * 256^k) mod P, reflected: one product for each byte of a length */
static uint32_t skip[4][256]; /* what LANE zero bytes behind it make of a sum, by byte */
static bool have_instruction;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The product of two polynomials mod P, both reflected: bit 31 is x^0. */
static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
		if (a & bit)
			product ^= b;
		b = b & 1 ? b >> 1 ^ POLY : b >> 1;
	}
	return product;
}

static void setup(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ POLY : c >> 1;
		tables[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int t = 1; t < 8; t++)
			tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
	for (int k = 0; k < 8; k++) {
		uint32_t one =
			k ? multiply(x_pow[k - 1][255], x_pow[k - 1][1]) : 1u << 23; /* x^8 */

		x_pow[k][0] = 1u << 31;
		for (int i = 1; i < 256; i++)
			x_pow[k][i] = multiply(x_pow[k][i - 1], one);
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int b = 0; b < 4; b++)
			skip[b][i] = multiply(x_pow[1][LANE / 256], i << (8 * b));
#if defined(__x86_64__)
	have_instruction = __builtin_cpu_supports("sse4.2");
#elif defined(__ARM_FEATURE_CRC32)
	have_instruction = true;
#endif
}

uint32_t crc32c_table(uint32_t crc, const void *data, size_t n)
{
	const uint8_t *p = data;

	pthread_once(&once, setup);
	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint32_t lo = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				     (uint32_t)p[3] << 24);

		crc = tables[7][lo & 255] ^ tables[6][lo >> 8 & 255] ^ tables[5][lo >> 16 & 255] ^
		      tables[4][lo >> 24] ^ tables[3][p[4]] ^ tables[2][p[5]] ^ tables[1][p[6]] ^
		      tables[0][p[7]];
	}
	while (n--)
		crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 255];
	return ~crc;
}

#if defined(__x86_64__)
static uint32_t skip_lane(uint64_t c)
{
	return skip[0][c & 255] ^ skip[1][c >> 8 & 255] ^ skip[2][c >> 16 & 255] ^
	       skip[3][c >> 24 & 255];
}

__attribute__((target("sse4.2"))) static uint64_t three_lanes(uint64_t c, const uint8_t *p)
{
	uint64_t second = 0, third = 0;

	for (size_t i = 0; i < LANE; i += 8) {
		uint64_t w[3];

		memcpy(&w[0], p + i, 8);
		memcpy(&w[1], p + LANE + i, 8);
		memcpy(&w[2], p + 2 * LANE + i, 8);
		c = __builtin_ia32_crc32di(c, w[0]);
		second = __builtin_ia32_crc32di(second, w[1]);
		third = __builtin_ia32_crc32di(third, w[2]);
	}
	return skip_lane(skip_lane(c) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const uint8_t *p,
								 size_t n)
{
	uint64_t c = ~crc;

	for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE)
		c = three_lanes(c & 0xffffffff, p);
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		c = __builtin_ia32_crc32di(c, word);
	}
	while (n--)
		c = __builtin_ia32_crc32qi((uint32_t)c, *p++);
	return ~(uint32_t)c;
}
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	uint32_t c = ~crc;

	for (; n >= 8; n -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		c = __crc32cd(c, word);
	}
	while (n--)
		c = __crc32cb(c, *p++);
	return ~c;
}
#else
static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t n)
{
	return crc32c_table(crc, p, n);
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t n)
{
	pthread_once(&once, setup);
	return have_instruction ? by_instruction(crc, data, n) : crc32c_table(crc, data, n);
}

uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t b_len)
{
	pthread_once(&once, setup);
	for (int k = 0; b_len; k++, b_len >>= 8)
		if (b_len & 255)
			a = multiply(x_pow[k][b_len & 255], a);
	return a ^ b;
}
