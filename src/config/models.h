/* [models] and [provider_types] (config §2.4-2.7). */
#ifndef SIGNET_CONFIG_MODELS_H
#define SIGNET_CONFIG_MODELS_H

#include "config/provider_kind.h"

void read_models(struct loader *, struct toml *, struct bytes path, void *into);
void read_embedding_models(struct loader *, struct toml *, struct bytes path, void *into);

/* ---- providers: provider.c ---- */

/* `out` is zeroed but for name, model and embeds. */
void read_provider(struct loader *, struct toml *, struct bytes path, struct provider_config *out);
void read_provider_types(struct loader *, struct toml *, struct bytes path, void *into);
/* Before read_provider_types: every type's own variable. */
void provider_types_defaults(struct loader *);
/* Fills a struct timeouts. */
void read_timeouts(struct loader *, struct toml *, struct bytes path, void *into);
/* A provider of that kind, before its keys are read; `embeds` is set. False: out of memory. */
bool provider_begin(struct provider_config *, const struct provider_kind *, const struct config *,
		    struct arena *);
/* The same, after its keys are read. */
void provider_end(struct provider_config *, struct arena *);
/* Whether a model of that name could become a shorthand one day. */
bool is_shorthand_name(struct bytes name);
/* The kind whose shorthand the name is, and what stands behind its colons. NULL: no built one's. */
const struct provider_kind *shorthand_kind(struct bytes name, struct bytes *model_name);

/* ---- api_base and other addresses ---- */

/* What url::ParseError says of a text that is no http(s) URL; NULL: it is one. */
const char *url_problem(struct bytes);
/* The same of an api_base, as far as TensorZero minds: blanks around it, a user and a password are fine. */
const char *api_base_problem(struct bytes);
/* "Basic …" of the user and password in a URL; unset: it has none. */
struct bytes url_authorization(struct bytes, struct arena *);
/* api_base with `path` ("chat/completions") behind its own, its query kept (providers-openai §2.2). */
struct bytes url_endpoint(struct bytes api_base, struct bytes path, struct arena *);

/* The text for a message: empty if it may hold a password; and in quotes, as Rust's {:?} prints it. */
struct bytes url_shown(struct bytes);
struct bytes url_quoted(struct bytes, struct arena *);

/* ---- signer tables: signing.c ---- */

/* `t` NULL: the defaults of the type's protocol. `dir`: where relative paths begin if `t` has none. Does not load. */
void read_signer(struct loader *, struct toml *t, struct bytes dir, struct bytes path,
		 struct provider_config *);
/* Loads the module of each provider that has a signer; errors are issues. */
void load_signers(struct loader *);
struct signer_cache *signer_cache_new(void);
void signer_cache_free(struct signer_cache *);
/* The signer of these settings, loaded once; the configuration owns it. What was compiled of it is kept on disk for the
 * next start, or not. NULL: error set. Any thread; not on a fiber. */
struct signer *signer_get(const struct config *, const struct signer_config *, struct bytes id,
			  bool keep_compiled, struct arena *);
/* Beside `dir` if it is there, else as it is if it is there, else beside `dir`; absolute: as it is. */
struct bytes path_beside(struct bytes path, struct bytes dir, struct arena *);

#endif
