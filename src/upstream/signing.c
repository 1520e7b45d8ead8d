/*
 * The signature covers the bytes that are sent: this runs after extra_body and extra_headers, and again
 * for every attempt, every retry and every repeat on a fresh connection. Each signer input is a row of the
 * table below; where a type's protocol fixes them, config/ has filled them in.
 */
#include "upstream/signing.h"

#include <time.h>

#include "base/ids.h"
#include "sign/signer.h"
#include "upstream/provider_type.h"

#define NAMES_MAX (64u << 10) /* of the four headers, for the record */

struct inputs {
	struct bytes nonce, timestamp, device_id, body, method, url, target;
	struct arena *arena;
};

static struct bytes input(const struct provider_type *type, struct bytes name,
			  const struct inputs *in)
{
	const struct signer_protocol *protocol = type->kind.protocol;

	const struct {
		struct bytes name, value;
	} table[] = {
		{ B("nonce"), in->nonce },   { B("timestamp"), in->timestamp },
		{ B("body"), in->body },     { B("device_id"), in->device_id },
		{ B("method"), in->method }, { B("url"), in->url },
		{ B("path"), in->target },
	};

	for (size_t i = 0; i < COUNT(table); i++)
		if (bytes_eq(table[i].name, name))
			return bytes_set(table[i].value) ? table[i].value : B("");
	if (protocol && bytes_eq(name, protocol->content)) {
		struct bytes content = type->signed_content(in->body, in->arena);

		return bytes_set(content) ? content : B("");
	}
	return B("");
}

static int set(struct header_list *l, struct bytes name, struct bytes value, struct arena *a)
{
	return name.n && bytes_set(value) ? header_set(l, name, value, a) : 0;
}

/* Device id only where an input asks for it; then its header goes, too (spec/rust-proxy.md). */
static int device(const struct provider_config *p, const struct call_context *context,
		  struct bytes *out)
{
	const struct signer_config *s = &p->signer;
	bool wanted = false;

	for (int i = 0; i < SIGNER_INPUTS; i++)
		wanted |= bytes_eq(s->inputs[i], B("device_id"));
	*out = (struct bytes){ NULL, 0 };
	if (!wanted)
		return 0;
	return credential_get(&s->device_id, context, "signer", out);
}

/* ["nonce","timestamp","sign"]: the names of what was added, for the record. */
static struct bytes header_names(const struct signer_config *s, bool device, struct arena *a)
{
	struct bytes names[] = { s->nonce_header, s->timestamp_header,
				 device ? s->device_id_header : B(""), s->header };
	struct bytes list;
	struct buf out;

	buf_init(&out, NAMES_MAX);
	for (size_t i = 0; i < COUNT(names); i++)
		if (names[i].n && (buf_append(&out, out.len ? B(",") : B("[")) ||
				   buf_json_string(&out, names[i])))
			break;
	buf_append(&out, out.len ? B("]") : B("[]"));
	list = arena_adopt(a, &out);
	buf_deinit(&out);
	return list;
}

int sign_attempt(const struct provider_config *p, const struct call_context *context,
		 struct bytes method, struct bytes url, struct bytes target, struct bytes body,
		 struct header_list *l, struct sign_facts *facts)
{
	const struct signer_config *s = &p->signer;
	struct arena *a = context->arena;
	struct inputs in = {
		.body = body, .method = method, .url = url, .target = target, .arena = a
	};
	struct signature sig;
	struct bytes args[SIGNER_INPUTS];
	char nonce[UUID_TEXT + 1];

	if (!s->set)
		return 0;
	in.nonce = arena_dup(a, uuid_text(uuid_v4(), nonce));
	in.timestamp = arena_printf(a, "%lld", (long long)time(NULL));
	if (!bytes_set(in.nonce) || !bytes_set(in.timestamp) || device(p, context, &in.device_id))
		return -1;
	for (int i = 0; i < SIGNER_INPUTS; i++)
		args[i] = input(provider_type_of(p), s->inputs[i], &in);
	if (signer_sign(s->signer, args, a, &sig))
		return -1;
	if (set(l, s->nonce_header, in.nonce, a) || set(l, s->timestamp_header, in.timestamp, a) ||
	    set(l, s->device_id_header, in.device_id, a) || set(l, s->header, sig.text, a))
		return -1;
	*facts = (struct sign_facts){
		.set = true,
		.signer = signer_id(s->signer),
		.module_sha256 = signer_sha256(s->signer),
		.abi = signer_abi(s->signer),
		.nonce = in.nonce,
		.timestamp = in.timestamp,
		.headers = header_names(s, bytes_set(in.device_id), a),
		.head = bytes_slice(sig.text, 0, 8),
		.us = sig.us,
		.bytes = args[0].n + args[1].n + args[2].n + args[3].n,
	};
	return 0;
}
