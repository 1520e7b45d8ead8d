/*
 * What a call has sent that nobody may read, and texts without it. Credentials leave in headers (whoever put them there:
 * the type, a signer, extra_headers, the client) or in the URL's query, so that is where they are taken from.
 */
#include "base/error.h"
#include "fiber/fiber.h"
#include "upstream/call.h"

#define PASSES 32u /* of redact(): its work a byte, against that of what else goes to a thread */

static void take_query(struct call *c)
{
	struct arena *a = c->context->arena;
	struct bytes query = c->url.target, name;

	bytes_cut(&query, '?');
	while (query.n) {
		struct bytes value = bytes_cut(&query, '&');
		char *plain;

		name = bytes_cut(&value, '=');
		secrets_add_named(c->secrets, name, value, a);
		plain = arena_alloc_raw(a, value.n + 1);
		if (plain)
			secrets_add_named(
				c->secrets, name,
				(struct bytes){ plain, bytes_percent_decode(value, plain) }, a);
	}
}

int call_take_secrets(struct call *c, const struct header_list *sent)
{
	const struct signer_config *s = &c->provider->signer;
	struct arena *a = c->context->arena;
	struct bytes device;

	if (!c->secrets) {
		c->secrets = arena_new(a, struct secrets);
		if (!c->secrets)
			return -1;
		take_query(c);
		secrets_add(c->secrets, http_client_proxy_secret(c->context->client, &c->url), a);
		if (s->set && credential_get(&s->device_id, c->context, "signer", &device) == 0)
			secrets_add(c->secrets, device, a);
	}
	for (size_t i = 0; i < sent->len; i++) {
		struct http_header h = sent->at[i];

		secrets_add_named(c->secrets, h.name, h.value, a);
		if (s->set &&
		    (bytes_ieq(h.name, s->header) || bytes_ieq(h.name, s->device_id_header)))
			secrets_add(c->secrets, h.value, a);
	}
	return 0;
}

struct redaction {
	const struct call *call;
	struct bytes text;
};

static void redact_here(void *arg)
{
	struct redaction *r = arg;

	r->text = redact(r->text, r->call->secrets, r->call->context->arena);
}

struct bytes call_redact_good(const struct call *c, struct bytes text)
{
	struct redaction r = { c, text };
	size_t n = text.n < REDACT_MAX ? text.n : REDACT_MAX;

	if (c->secrets && text.n && offload_if_big(n * PASSES, redact_here, &r))
		return (struct bytes){ NULL, 0 };
	return r.text;
}

struct bytes call_redact(const struct call *c, struct bytes text)
{
	struct bytes out = call_redact_good(c, text);

	return bytes_set(text) && !bytes_set(out) ? B("[redacted]") : out;
}

void call_redact_error(const struct call *c, struct error *e)
{
	struct bytes *texts[] = { &e->message,       &e->upstream_code, &e->upstream_message,
				  &e->upstream_body, &e->request_id,    &e->param,
				  &e->code };

	for (size_t i = 0; i < COUNT(texts); i++)
		*texts[i] = call_redact(c, *texts[i]);
}
