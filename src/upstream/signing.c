/*
 * The signature covers the bytes that are sent: this runs after extra_body and extra_headers, and again
 * for every attempt, every retry and every repeat on a fresh connection. Each signer input is a row of the
 * table below; where a type's protocol fixes them, config/ has filled them in.
 */
#include "upstream/call.h"

#include <time.h>

#include "base/base64.h"
#include "base/ids.h"
#include "base/pen.h"
#include "fiber/fiber.h"
#include "sign/signer.h"
#include "sign/sigv4.h"
#include "upstream/aws.h"

#define HMAC_ROOM (128u << 10) /* of all inputs but the body */
#define NAMES_MAX (64u << 10)  /* of the four headers, for the record */

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

/* Nonce and time of this attempt, which the inputs may name and the headers tell. */
static int fresh_inputs(const struct call *c, struct bytes method, struct inputs *in)
{
	struct arena *a = c->context->arena;
	char nonce[UUID_TEXT + 1];

	*in = (struct inputs){ .body = c->body,
			       .method = method,
			       .url = c->endpoint,
			       .target = c->url.target,
			       .arena = a };
	in->nonce = arena_dup(a, uuid_text(uuid_v4(), nonce));
	in->timestamp = arena_printf(a, "%lld", (long long)time(NULL));
	return bytes_set(in->nonce) && bytes_set(in->timestamp) ? 0 : -1;
}

static int sign_by_module(const struct call *c, struct bytes method, struct header_list *l)
{
	const struct signer_config *s = &c->provider->signer;
	struct arena *a = c->context->arena;
	struct signature sig;
	struct inputs in;
	struct bytes args[SIGNER_INPUTS];
	size_t signed_bytes = 0;

	if (fresh_inputs(c, method, &in) ||
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

/* ---- SigV4 ---- */

static int sign_sigv4(const struct call *c, struct bytes method, struct header_list *l)
{
	const struct signer_config *s = &c->provider->signer;
	const struct http_send send = { .url = &c->url, .method = method, .body = c->body };
	struct aws_keys keys = { 0 };

	if (s->key_id.kind == CREDENTIAL_NONE) {
		if (aws_keys_find(c->context, s->region, &keys))
			return -1;
	} else if (credential_get(&s->key_id, c->context, "signer", &keys.id) ||
		   credential_get(&s->secret, c->context, "signer", &keys.secret) ||
		   credential_get(&s->session_token, c->context, "signer", &keys.token)) {
		return -1;
	}
	return aws_sign_request(&keys, s->region, s->service, &send, l, c->context->arena);
}

/* ---- HMAC ---- */

/* The inputs that are named, one behind the other. */
struct hmac_job {
	const struct call *call;
	const struct inputs *in;
	struct bytes secret, text; /* text: the signature; unset: no memory */
};

static struct bytes printed(const struct signer_config *s, const unsigned char *digest,
			    struct arena *a)
{
	struct bytes text = { NULL, 0 };
	char hex[65];
	struct buf out;

	buf_init(&out, 1024);
	hex_print(digest, 32, hex);
	if (!buf_append(&out, s->prefix) &&
	    !(s->base64 ? buf_base64(&out, (struct bytes){ (const char *)digest, 32 })
			: buf_append(&out, bytes_of(hex))))
		text = arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return text;
}

static void hmac_here(void *arg)
{
	struct hmac_job *job = arg;
	const struct call *c = job->call;
	const struct signer_config *s = &c->provider->signer;
	unsigned char digest[32];
	struct buf message;
	bool any = false;
	int r = 0;

	buf_init(&message, c->body.n + HMAC_ROOM);
	for (int i = 0; i < SIGNER_INPUTS && !r; i++) {
		if (!s->inputs[i].n)
			continue;
		r = (any && buf_append(&message, s->separator)) ||
		    buf_append(&message, signer_input(c->type, s->inputs[i], job->in));
		any = true;
	}
	if (!r) {
		hmac_sha256(job->secret, buf_bytes(&message), digest);
		job->text = printed(s, digest, c->context->arena);
	}
	buf_deinit(&message);
}

static int sign_hmac(const struct call *c, struct bytes method, struct header_list *l)
{
	const struct signer_config *s = &c->provider->signer;
	struct arena *a = c->context->arena;
	struct inputs in;
	struct hmac_job job = { .call = c, .in = &in };

	if (fresh_inputs(c, method, &in) ||
	    credential_get(&s->secret, c->context, "signer", &job.secret) ||
	    offload_if_big(c->body.n, hmac_here, &job) || !bytes_set(job.text))
		return -1;
	return set_given(l, s->nonce_header, in.nonce, a) ||
			       set_given(l, s->timestamp_header, in.timestamp, a) ||
			       set_given(l, s->header, job.text, a)
		       ? -1
		       : 0;
}

int sign_attempt(const struct call *c, struct bytes method, struct header_list *l)
{
	static int (*const kinds[])(const struct call *, struct bytes, struct header_list *) = {
		[SIGNER_WASM] = sign_by_module,
		[SIGNER_SIGV4] = sign_sigv4,
		[SIGNER_HMAC] = sign_hmac,
	};
	const struct signer_config *s = &c->provider->signer;

	return s->set ? kinds[s->kind](c, method, l) : 0;
}
