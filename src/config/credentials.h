/* Credential locations (config §2.6, surfaces §1.4). */
#ifndef SIGNET_CONFIG_CREDENTIALS_H
#define SIGNET_CONFIG_CREDENTIALS_H

#include "config/read.h"

enum credential_form {
	FORM_ENV = 1,
	FORM_PATH = 2,
	FORM_PATH_FROM_ENV = 4,
	FORM_DYNAMIC = 8,
	FORM_NONE = 16,
	FORM_TABLE = 32, /* { default, fallback } */
};

/*
 * Reads a location and what it names: environment and files are looked at now, what is not there is
 * CREDENTIAL_MISSING and no error yet. `label` is the provider's name in messages ("OpenAI"). False:
 * the location itself is wrong, which is reported.
 */
bool credential_read(struct loader *, struct toml *, struct bytes path, unsigned forms,
		     const char *label, struct credential *out);
/* The environment variable's value; CREDENTIAL_MISSING if it is not set. */
struct credential credential_env(const char *name, struct arena *);
/* Whether it can be used at all; a fallback needs only one of its two. */
bool credential_usable(const struct credential *);
/* Of a missing one: "Environment variable `X` is missing". */
struct bytes credential_problem(const struct credential *, struct arena *);

#endif
