/* [models] and [provider_types] (config §2.4-2.7, rust-proxy.md). */
#ifndef SIGNET_CONFIG_MODELS_H
#define SIGNET_CONFIG_MODELS_H

#include "config/read.h"

void read_models(struct loader *, struct toml *, struct bytes path, void *into);
void read_provider_types(struct loader *, struct toml *, struct bytes path, void *into);

/* The provider table's own file: provider.c. `out` is zeroed but for name and model. */
void read_provider(struct loader *, struct toml *, struct bytes path, struct provider_config *out);
void read_timeouts(struct loader *, struct toml *, struct bytes path,
		   void *into); /* struct timeouts */
void provider_defaults(struct provider_config *);

extern const char *const provider_type_names[]; /* TensorZero's, in its order; ends with NULL */

/* ---- api_base and other addresses ---- */

/* What url::ParseError says of a text that is no http(s) URL; NULL: it is one. */
const char *url_problem(struct bytes);
/* api_base with a '/' at the end of its path, query and fragment cut off. */
struct bytes url_base(struct bytes, struct arena *);
/* The base's path + "chat/completions", its query kept (providers-openai §2.2). */
struct bytes url_endpoint(struct bytes api_base, struct arena *);

/* ---- rust-proxy: rust_proxy.c ---- */

/* Names of missing variables, for the one message that holds them all. */
struct missing {
	struct bytes names[8];
	size_t len;
	struct bytes problem; /* something is there but cannot be used; unset = none */
};
/* What stands in [models.M.providers.P] but for the common keys; `t` NULL: the environment alone, for
 * the shorthand. What is missing comes back in `missing`. */
void read_rust_proxy(struct loader *, struct toml *t, struct bytes path,
		     struct provider_config *out, struct missing *missing);
/* "Failed to create DevApiClient: A, B and C are not set (‹path›)". */
struct bytes missing_text(const struct missing *, struct bytes path, struct arena *);
/* `device_id`, `device_id_location` or DEVICE_ID, as the table `t` says; also of signer tables. */
void read_device_id(struct loader *, struct toml *t, struct bytes path, const char *separator,
		    struct missing *, struct credential *out);
extern const struct table rust_proxy_table;

/* ---- signer tables: signing.c ---- */

/* `t` NULL: the defaults of rust-proxy. `dir`: where relative paths begin if `t` has none. Does not load. */
void read_signer(struct loader *, struct toml *t, struct bytes dir, struct bytes path,
		 struct provider_config *);
/* Loads the module of each provider that has a signer; errors are issues. */
void load_signers(struct loader *);
struct signer_cache *signer_cache_new(void);
void signer_cache_free(struct signer_cache *);
/* The signer of these settings, loaded once; the cache owns it. NULL: error set. Any thread; not on a
 * fiber. */
struct signer *signer_cache_get(struct signer_cache *, const struct signer_config *,
				struct bytes id, const char *cache_dir);
/* Beside `dir` if it is there, else as it is if it is there, else beside `dir`; absolute: as it is. */
struct bytes path_beside(struct bytes path, struct bytes dir, struct arena *);
/* Where compiled modules go; unset: nowhere. */
struct bytes module_cache_dir(const struct config *, struct arena *);
void make_cache_dir(const struct config *, struct bytes dir);

#endif
