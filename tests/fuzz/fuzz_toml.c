/*
 * Arbitrary bytes as a configuration: the engines' TOML reader and everything that types the tree,
 * offline, so that no module, file or variable matters. What loads must print, hash and free.
 */
#include <stdlib.h>

#include "config/config.h"
#include "sign/signer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool ready;
	struct config_options options = { .text = { (const char *)data, n }, .offline = true };
	struct config_issues issues;
	struct config *c;
	struct buf out;

	if (!ready) {
		clearenv();
		if (signing_init() != 0)
			abort();
		ready = true;
	}
	if (n == 0)
		options.text = B("");
	c = config_load(&options, &issues);
	buf_init(&out, 1 << 26);
	for (size_t i = 0; i < issues.len; i++) {
		if (config_issue_print(&issues.at[i], &out) != 0)
			abort();
	}
	if (!c && issues.len == 0)
		abort();
	if (c && (c->hash[63] == '\0' || !bytes_is_utf8(c->snapshot)))
		abort();
	buf_deinit(&out);
	config_unref(c);
	config_issues_deinit(&issues);
	return 0;
}
