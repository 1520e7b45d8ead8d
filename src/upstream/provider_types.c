/* The list of provider types, and what they share: reading a credential. */
#include "upstream/provider_type.h"

#include "base/log.h"

static const struct provider_type *const types[] = { &provider_openai, &provider_rust_proxy };

const struct provider_type *provider_type_of(enum provider_kind kind)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i]->kind == kind)
			return types[i];
	return types[0];
}

/* The client's own header, if the location names one; surfaces §1.4. */
static struct bytes client_header(struct bytes key, const struct call_context *cx)
{
	if (bytes_eq(key, B("client_authorization")))
		return cx->authorization;
	if (bytes_eq(key, B("client_x_api_key")))
		return cx->x_api_key;
	return (struct bytes){ NULL, 0 };
}

static struct bytes dynamic(struct bytes key, const struct call_context *cx)
{
	struct bytes own = client_header(key, cx);

	if (bytes_set(own))
		return own;
	for (size_t i = cx->ncredentials; i > 0; i--)
		if (bytes_eq(cx->credentials[i - 1].key, key))
			return cx->credentials[i - 1].value;
	return (struct bytes){ NULL, 0 };
}

int credential_get(const struct credential *c, const struct call_context *cx, const char *label,
		   struct bytes *out)
{
	*out = (struct bytes){ NULL, 0 };
	switch (c->kind) {
	case CREDENTIAL_NONE:
		return 0;
	case CREDENTIAL_STATIC:
		*out = c->value;
		return 0;
	case CREDENTIAL_DYNAMIC:
		*out = dynamic(c->key, cx);
		if (bytes_set(*out))
			return 0;
		return fail(ERR_API_KEY_MISSING,
			    "API key missing for provider %s: Dynamic api key `%.*s` is missing",
			    label, BFMT(c->key));
	case CREDENTIAL_FALLBACK:
		if (credential_get(c->first, cx, label, out) == 0)
			return 0;
		log_warn("upstream",
			 "the default credential is not available, the fallback is used");
		return credential_get(c->second, cx, label, out);
	case CREDENTIAL_MISSING:
		break;
	}
	return fail(ERR_API_KEY_MISSING,
		    "API key missing for provider %s: Environment variable `%.*s` is missing",
		    label, BFMT(c->key));
}
