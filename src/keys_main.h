/* `signet keys`: API keys in the store, beside a running gateway or without one. */
#ifndef SIGNET_KEYS_MAIN_H
#define SIGNET_KEYS_MAIN_H

int keys_main(int argc, char **argv); /* without the program and "keys"; the exit status */

/* TensorZero's `--create-api-key` and `--disable-api-key`. The data directory NULL: the environment's, or the default.
 * The exit status. */
int keys_create_main(const char *data_dir, const char *expiration);
int keys_disable_main(const char *data_dir, const char *public_id);

#endif
