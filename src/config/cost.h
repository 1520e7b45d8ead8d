/*
 * What an answer costs: where a provider's own answer counts what is paid for (`cost`, config §2.18), else the list of
 * prices ([store] prices). Both are data; route/cost.h computes.
 */
#ifndef SIGNET_CONFIG_COST_H
#define SIGNET_CONFIG_COST_H

#include "base/money.h"

struct config;
struct loader;
struct provider_config;
struct toml;

/* A place in a JSON document: the names on the way, without escapes. None: the document itself. */
struct json_place {
	struct bytes *steps;
	size_t len, cap;
};

/* A count in the provider's answer, and what one of it costs. */
struct cost_entry {
	struct json_place plain, streamed; /* in the body; in each event */
	struct decimal price;
	bool required;
};
struct cost_entries {
	bool set; /* also an empty list: then an answer costs nothing */
	struct cost_entry *at;
	size_t len, cap;
};

/* What is paid for apart, in dollars a million tokens. */
enum price_kind {
	PRICE_INPUT,  /* neither read from a cache nor written to one */
	PRICE_OUTPUT, /* without reasoning, if that has a price of its own */
	PRICE_CACHE_READ,
	PRICE_CACHE_WRITE,
	PRICE_CACHE_WRITE_1H,
	PRICE_REASONING,
	PRICES
};
struct prices {
	struct decimal at[PRICES]; /* all of them: one that the list leaves out is another's */
};
struct price {
	struct bytes type, pattern; /* of a provider, "*" is any; of its models: "*" is any text */
	struct prices usual, over;  /* over: of an answer to more than over_tokens of input */
	int64_t over_tokens;        /* INT64_MAX: there is no such bound */
};
struct price_list {
	struct bytes path; /* unset: there is no list */
	struct bytes date; /* of the prices, "2026-11-30" */
	int64_t age_days;  /* when it was read */
	struct price *at;
	size_t len, cap;
};
enum unpriced { UNPRICED_IGNORE, UNPRICED_WARN, UNPRICED_REFUSE };

/* The key `cost` of a provider: a struct cost_entries. And `batch_cost`, which is checked only. */
void read_cost(struct loader *, struct toml *, struct bytes path, void *into);
void read_batch_cost(struct loader *, struct toml *, struct bytes path, void *into);

/* The key [store] prices: the list's file is read, anew with each load. */
void read_prices(struct loader *, struct toml *, struct bytes path, void *into);
/* The price of a model at a provider of this type: the provider's own type goes before "*", then the pattern with more letters
 * counts. NULL: it has none. */
const struct price *price_find(const struct price_list *, struct bytes type, struct bytes model);
const char *price_name(enum price_kind); /* "input", "cache_write_1h" */

/* After models and prices are read: gives each configured provider its price, and says which has none, as `unpriced` wants it. */
void prices_apply(struct loader *);
void provider_price(const struct config *, struct provider_config *);
/* Whether it can be known what its answers cost. */
bool provider_is_priced(const struct provider_config *);

#endif
