/* CRC-32C (Castagnoli), with the CPU's instruction where it has one. Safe from any thread. */
#ifndef SIGNET_STORE_CRC32C_H
#define SIGNET_STORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from `crc`, which is 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/* The same without the instruction: for machines that lack it, and for the test that compares both. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t n);
/* The sum of A followed by B from the sums of both, in the time of a few hundred shifts. */
uint32_t crc32c_join(uint32_t a, uint32_t b, uint64_t b_len);

#endif
