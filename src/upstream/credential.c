/* The secret that a call sends: a configured one, or one that came with the request (config §2.6, surfaces §1.4). */
#include "base/error.h"
#include "base/log.h"
#include "upstream/provider_type.h"

/* The client's own header, if the location names one (surfaces §1.4), else what the request brought. */
static struct bytes dynamic_value(struct bytes key, const struct call_context *context)
{
	struct bytes value = { NULL, 0 };

	if (bytes_eq(key, B("client_authorization")))
		value = context->authorization;
	else if (bytes_eq(key, B("client_x_api_key")))
		value = context->x_api_key;
	for (size_t i = context->ncredentials; i > 0 && !bytes_set(value); i--)
		if (bytes_eq(context->credentials[i - 1].key, key))
			value = context->credentials[i - 1].value;
	return value;
}

bool credential_is_clients(const struct credential *c)
{
	return c->kind == CREDENTIAL_DYNAMIC && bytes_starts(c->key, B("client_"));
}

int credential_get(const struct credential *c, const struct call_context *context,
		   const char *label, struct bytes *out)
{
	*out = (struct bytes){ NULL, 0 };
	switch (c->kind) {
	case CREDENTIAL_NONE: return 0;
	case CREDENTIAL_STATIC: *out = c->value; return 0;
	case CREDENTIAL_DYNAMIC:
		*out = dynamic_value(c->key, context);
		if (bytes_set(*out))
			return 0;
		return fail(ERR_API_KEY_MISSING,
			    "API key missing for provider %s: Dynamic api key `%.*s` is missing",
			    label, BFMT(c->key));
	case CREDENTIAL_FALLBACK:
		if (credential_get(c->first, context, label, out) == 0)
			return 0;
		log_warn("upstream",
			 "the default credential is not available, the fallback is used");
		return credential_get(c->second, context, label, out);
	case CREDENTIAL_SEVERAL: /* whoever asks without having chosen */
		return credential_get(&c->ring->keys[0], context, label, out);
	case CREDENTIAL_SDK: /* its type has the chain, and asks here for what is no part of it */
	case CREDENTIAL_MISSING: break;
	}
	return fail(ERR_API_KEY_MISSING, "API key missing for provider %s: %.*s", label,
		    BFMT(c->value));
}
