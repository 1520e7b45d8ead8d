/* The order of header and claims is TensorZero's, so that the signed text can be compared to the byte. */
#include "sign/gcp.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/pen.h"

#define KEY_MAX       (64u << 10)
#define JSON_MAX      (64u << 10)
#define SIGNATURE_MAX 2048 /* of a key of 16384 bits */

/* ---- the key ---- */

/* PEM with the line ends that a copy through JSON or a variable may have left as two characters. */
static int put_pem(struct bytes key, struct buf *out)
{
	for (size_t i = 0; i < key.n; i++) {
		bool escape = key.p[i] == '\\' && i + 1 < key.n;

		if (escape && (key.p[i + 1] == 'n' || key.p[i + 1] == 'r')) {
			i++;
			if (key.p[i] == 'n' && buf_putc(out, '\n'))
				return -1;
		} else if (key.p[i] != '\r' && buf_putc(out, key.p[i])) {
			return -1;
		}
	}
	return buf_putc(out, '\n');
}

/* NULL: error set. */
static EVP_PKEY *read_key(struct bytes text)
{
	EVP_PKEY *key = NULL;
	struct buf pem;
	BIO *bio = NULL;

	buf_init(&pem, KEY_MAX);
	if (put_pem(text, &pem) == 0)
		bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	OPENSSL_cleanse(pem.data, pem.len);
	buf_deinit(&pem);
	if (key && EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	return key ? key : fail_null(ERR_CONFIG, "private_key failed to parse as RSA");
}

int gcp_key_check(struct bytes text)
{
	EVP_PKEY *key = read_key(text);

	EVP_PKEY_free(key);
	return key ? 0 : -1;
}

/* ---- the token ---- */

static void put_header(struct pen *p, const struct gcp_claims *c)
{
	pen_head(p, "{\"typ\":\"JWT\",\"alg\":\"RS256\"");
	pen_text(p, "kid", c->key_id);
	pen_close(p, '}');
}

static void put_claims(struct pen *p, const struct gcp_claims *c)
{
	pen_open(p, '{');
	pen_text(p, "iss", c->email);
	if (c->subject)
		pen_text(p, "sub", c->email);
	pen_set(p, "scope", c->scope);
	pen_set(p, "aud", c->audience);
	pen_number(p, "iat", c->now_s);
	pen_number(p, "exp", c->now_s + GCP_JWT_S);
	pen_close(p, '}');
}

/* One of the two objects, in base64url. */
static int put_part(void (*put)(struct pen *, const struct gcp_claims *),
		    const struct gcp_claims *c, struct buf *out)
{
	struct buf json;
	struct pen p = { .b = &json };
	int r;

	buf_init(&json, JSON_MAX);
	put(&p, c);
	r = pen_done(&p) || buf_base64url(out, buf_bytes(&json)) ? -1 : 0;
	buf_deinit(&json);
	return r;
}

static int put_signature(EVP_PKEY *key, struct bytes text, struct buf *out)
{
	unsigned char signature[SIGNATURE_MAX];
	size_t n = sizeof signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good =
		context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(context, signature, &n, (const unsigned char *)text.p, text.n) == 1;

	EVP_MD_CTX_free(context);
	if (!good)
		return fail(ERR_CONFIG, "private_key cannot sign");
	return buf_putc(out, '.') || buf_base64url(out, (struct bytes){ (char *)signature, n }) ? -1
												: 0;
}

int gcp_jwt(struct bytes private_key, const struct gcp_claims *c, struct buf *out)
{
	EVP_PKEY *key = read_key(private_key);
	size_t from = out->len;
	int r;

	if (!key)
		return -1;
	r = put_part(put_header, c, out) || buf_putc(out, '.') || put_part(put_claims, c, out) ? -1
											       : 0;
	if (r == 0)
		r = put_signature(key, bytes_slice(buf_bytes(out), from, out->len), out);
	EVP_PKEY_free(key);
	return r;
}
