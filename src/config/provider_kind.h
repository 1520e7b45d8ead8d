/*
 * What config/ knows of a provider type: its names, its keys and who reads them. The type itself stands in upstream/,
 * this is a part of its row there; the list of all of them is upstream/provider_types.c's. config/ names no type.
 */
#ifndef SIGNET_CONFIG_PROVIDER_KIND_H
#define SIGNET_CONFIG_PROVIDER_KIND_H

#include <stddef.h>

#include "config/credentials.h"
#include "config/read.h"

/* A signature that a type's protocol demands of every request. All that may be set of it is the module. */
struct signer_protocol {
	struct bytes path;    /* of the module, if none is given */
	struct bytes content; /* the fourth input: one that no other type has */
};

struct provider_kind {
	struct bytes name;  /* in TOML, errors and records */
	struct bytes alias; /* the same in other words; unset: none */
	const char *label;  /* TensorZero's name of it in messages: "OpenAI" */

	/* Its api key, if it has one: the variable that holds it unless something else is said, and the forms that may be
	 * said (enum credential_form). */
	const char *key_variable;
	unsigned key_forms;
	const char *key_name; /* its key in TOML; NULL: "api_key_location" */
	bool key_in_file; /* the variable names a file with what stands for a key, which is never sent as it is */

	/* Its own keys in [models.M.providers.P]. `into` is the provider, of rows marked `own` its options. */
	const struct key *keys;
	size_t nkeys;
	/* What [provider_types.T] has beside `defaults`; a table without lenience then, as TensorZero's. */
	const struct key *settings;
	size_t nsettings;
	size_t options_size; /* what provider_config.options points to, zeroed; 0: the type has none */
	void (*defaults)(struct provider_config *); /* before the keys are read; may be NULL */
	/* After them: what one key alone does not tell. */
	void (*check)(struct loader *, struct toml *, struct bytes path, struct provider_config *);
	/* In the place of keys and check for the model `name` that no table has ("openai::gpt-4o"): fills what the environment
	 * gives. -1: ERR_API_KEY_MISSING, ERR_CONFIG. NULL: the type has no such models. */
	int (*shorthand)(struct loader *, struct bytes name, struct provider_config *);
	const struct signer_protocol *protocol; /* NULL: a signer is the configuration's choice */
};

/* TensorZero's types in its order, Signet's own behind them: the list that messages print, too. */
struct provider_entry {
	const struct provider_kind *kind; /* NULL: this version has it not yet */
	const char *name;                 /* of one that it has not, */
	bool shorthand;                   /* and whether it has shorthand models */
	unsigned settings; /* place of its table in [provider_types], from 1; 0: none is there */
};
extern const struct provider_entry provider_entries[];
extern const size_t provider_nentries;

#define OWN(type_, member) .own = true, .offset = offsetof(struct type_, member)

/* What most types share. The key `api_key_location`: */
void read_api_key(struct loader *, struct toml *, struct bytes path, void *into);
/* ... not given, not there, empty; for `check`. */
void check_api_key(struct loader *, struct toml *, struct bytes path, struct provider_config *);
/* ... of a shorthand; for `shorthand`. */
int shorthand_api_key(struct loader *, struct bytes name, struct provider_config *);

#endif
