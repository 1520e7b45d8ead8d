/*
 * Amounts of dollars, exact: a price has up to 18 digits, a sum counts 10^-24 of a dollar in whole numbers, up to some
 * hundred trillion dollars. So a million small amounts come to what the bill says, in whatever order they were added.
 */
#ifndef SIGNET_BASE_MONEY_H
#define SIGNET_BASE_MONEY_H

#include "base/bytes.h"

/* digits × 10^-scale: a price, or what it is multiplied with. Zeroed it is 0. */
struct decimal {
	int64_t digits;
	int scale;
};
/* As TensorZero reads one from a text: "-1.25", "3e-7", "+1_000", ".5". Digits behind the 18th that counts are cut. false: no
 * number, or beyond 10^±30. */
bool decimal_read(struct bytes, struct decimal *);
int decimal_cmp(struct decimal, struct decimal); /* as memcmp */

/* Zeroed: unknown. */
struct money {
	__int128 parts; /* dollars × 10^24 */
	bool known;
};
static inline struct money money_nothing(void)
{
	return (struct money){ .known = true };
}
/* One unknown makes the sum unknown; so does one that is too large. */
void money_add(struct money *sum, struct money part);
/* Adds amount × price; what is less than 10^-24 is cut. */
void money_add_product(struct money *sum, struct decimal amount, struct decimal price);
/* Billionths of a dollar, further digits cut, as stores keep them; money that is known. */
int64_t money_nano(struct money);
double money_dollars(struct money); /* for a counter */

/* As TensorZero writes it into JSON: the nearest double in its shortest form ("0.0000345", "3e-6", "0.0"), null if unknown. */
int money_print(struct money, struct buf *out);

#endif
