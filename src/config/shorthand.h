/* Models that no table names: "openai::gpt-4o", "rust-proxy::X" (config §3.3). */
#ifndef SIGNET_CONFIG_SHORTHAND_H
#define SIGNET_CONFIG_SHORTHAND_H

struct shorthands;

struct shorthands *shorthands_new(void); /* NULL: out of memory */
void shorthands_free(struct shorthands *);

#endif
