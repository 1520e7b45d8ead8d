/*
 * The signature covers the bytes that are sent: this runs after extra_body and extra_headers, and again
 * for every attempt, every retry and every repeat on a fresh connection. Each signer input is a row of the
 * table below; where a type's protocol fixes them, config/ has filled them in.
 */
#include "upstream/call.h"

#include <time.h>

#include "base/ids.h"
#include "base/pen.h"
#include "sign/signer.h"

#define NAMES_MAX (64u << 10) /* of the four headers, for the record */

struct inputs {
	struct bytes nonce, timestamp, device_id, body, method, url, target;
	struct arena *arena;
};

static struct bytes signer_input(const struct provider_type *type, struct bytes name,
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
	struct bytes value = { NULL, 0 };

	for (size_t i = 0; i < COUNT(table); i++)
		if (bytes_eq(table[i].name, name))
			value = table[i].value;
	if (protocol && bytes_eq(name, protocol->content))
		value = type->signed_content(in->body, in->arena);
	return bytes_set(value) ? value : B("");
}

static int set_given(struct header_list *l, struct bytes name, struct bytes value, struct arena *a)
{
	return name.n && bytes_set(value) ? header_set(l, name, value, a) : 0;
}

/* ["nonce","timestamp","sign"]: the names of what was added, for the record. */
static struct bytes header_names(const struct signer_config *s, bool device, struct arena *a)
{
	struct bytes names[] = { s->nonce_header, s->timestamp_header,
				 device ? s->device_id_header : B(""), s->header };
	struct bytes list;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, NAMES_MAX);
	pen_open(&p, '[');
	for (size_t i = 0; i < COUNT(names); i++) {
		if (!names[i].n)
			continue;
		pen_item(&p);
		pen_string(&p, names[i]);
	}
	pen_close(&p, ']');
	list = arena_adopt(a, &out);
	buf_deinit(&out);
	return list;
}

int sign_attempt(const struct call *c, struct bytes method, struct header_list *l)
{
	const struct signer_config *s = &c->provider->signer;
	struct arena *a = c->context->arena;
	struct inputs in = { .body = c->body,
			     .method = method,
			     .url = c->endpoint,
			     .target = c->url.target,
			     .arena = a };
	struct signature sig;
	struct bytes args[SIGNER_INPUTS];
	size_t signed_bytes = 0;
	char nonce[UUID_TEXT + 1];

	if (!s->set)
		return 0;
	in.nonce = arena_dup(a, uuid_text(uuid_v4(), nonce));
	in.timestamp = arena_printf(a, "%lld", (long long)time(NULL));
	if (!bytes_set(in.nonce) || !bytes_set(in.timestamp) ||
	    credential_get(&s->device_id, c->context, "signer", &in.device_id))
		return -1;
	for (int i = 0; i < SIGNER_INPUTS; i++) {
		args[i] = signer_input(c->type, s->inputs[i], &in);
		signed_bytes += args[i].n;
	}
	if (signer_sign(s->signer, args, a, &sig))
		return -1;
	if (set_given(l, s->nonce_header, in.nonce, a) ||
	    set_given(l, s->timestamp_header, in.timestamp, a) ||
	    set_given(l, s->device_id_header, in.device_id, a) ||
	    set_given(l, s->header, sig.text, a))
		return -1;
	c->attempt->signature = (struct sign_facts){
		.set = true,
		.signer = signer_id(s->signer),
		.module_sha256 = signer_sha256(s->signer),
		.abi = signer_abi(s->signer),
		.nonce = in.nonce,
		.timestamp = in.timestamp,
		.headers = header_names(s, bytes_set(in.device_id), a),
		.head = bytes_slice(sig.text, 0, 8),
		.us = sig.us,
		.bytes = signed_bytes,
	};
	return 0;
}
