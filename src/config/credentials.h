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
	FORM_TABLE = 32, /* { default, fallback }, or a list of locations */
	FORM_SDK = 64,
};

/*
 * Reads a location and what it names: environment and files are looked at now, what is not there is
 * CREDENTIAL_MISSING and no error yet. `label` is the provider's name in messages ("OpenAI"). False:
 * the location itself is wrong, which is reported.
 */
bool credential_read(struct loader *, struct toml *, struct bytes path, unsigned forms,
		     const char *label, struct credential *out);
/* A file's contents, without the line end that an editor leaves. */
struct credential credential_file(const char *path, struct arena *);
/* The contents of the file that the environment variable names. */
struct credential credential_path_from_env(const char *name, struct arena *);
/* The environment variable's value, without white space around it; CREDENTIAL_MISSING if it is not set, or blank. */
struct credential credential_env(const char *name, struct arena *);
/* Whether it can be used at all; a fallback needs only one of its two. */
bool credential_usable(const struct credential *);
/* Of a missing one: "Environment variable `X` is missing". */
struct bytes credential_problem(const struct credential *);
/* What is there and can never be sent: nothing but white space, a line break inside. Unset: it is good, or not there. */
struct bytes credential_flaw(const struct credential *, struct arena *);
/* Tells of white space that was cut off. */
void credential_warn(struct loader *, const struct toml *, struct bytes path,
		     const struct credential *);

/* ---- secrets that may stand in the TOML themselves ---- */

struct secret_source {
	const char *key, *location; /* keys: the secret itself, or where it is */
	const char *variable;       /* where it is if neither is there */
	const char *placeholder;    /* the reference's: counts as missing wherever it comes from */
};
/* Names of missing variables, for the one message that holds them all. */
struct missing {
	struct bytes names[8];
	size_t len;
	bool blank;           /* one of them is there, but empty: no warning will do */
	struct bytes problem; /* something is there but cannot be used; unset = none */
};
/* `t` NULL: the variable. What is missing comes back in `missing`. */
void secret_read(struct loader *, struct toml *t, struct bytes path, const char *separator,
		 const struct secret_source *, const char *label, struct missing *,
		 struct credential *out);
void missing_add(struct missing *, struct bytes name);
/* Whether it is there, is not the placeholder and can go into a header. */
bool secret_is_usable(struct bytes value, const char *placeholder);
extern const struct secret_source device_id_source;

#endif
