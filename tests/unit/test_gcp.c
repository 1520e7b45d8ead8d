/* sign/gcp.c and the times of upstream/token_cache.c (providers-others §8, §11.5) */
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "unit.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/error.h"
#include "sign/gcp.h"
#include "upstream/gcp_sources.h"
#include "upstream/token_cache.h"

#define EMAIL B("sa@proj.iam.gserviceaccount.com")
#define NOW   1767323045u
#define SIGNED \
	"eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiIsImtpZCI6ImtleTEifQ.eyJpc3MiOiJzYUBwcm9qLmlhbS5nc2VydmljZWFjY291bnQuY29tIiwic3ViIjoic2FAcHJvai5pYW0uZ3NlcnZpY2VhY2NvdW50LmNvbSIsImF1ZCI6Imh0dHBzOi8vdXMtY2VudHJhbDEtYWlwbGF0Zm9ybS5nb29nbGVhcGlzLmNvbS8iLCJpYXQiOjE3NjczMjMwNDUsImV4cCI6MTc2NzMyNjY0NX0"

static EVP_PKEY *key;
static struct bytes pem;
static struct buf pem_room;

static int make_key(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	(void)state;
	key = EVP_RSA_gen(2048);
	if (!key || !bio || !PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
		return -1;
	n = BIO_get_mem_data(bio, &text);
	buf_init(&pem_room, 1 << 16);
	if (buf_append(&pem_room, (struct bytes){ text, (size_t)n }))
		return -1;
	pem = buf_bytes(&pem_room);
	BIO_free(bio);
	return 0;
}

static int drop_key(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	buf_deinit(&pem_room);
	return 0;
}

static void assert_signed(struct bytes token)
{
	struct arena a;
	struct bytes head = token, signature;
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	while (head.n && head.p[head.n - 1] != '.')
		head.n--;
	signature = bytes_slice(token, head.n, token.n);
	head.n--;
	assert_int_equal(signature.n, 342);
	arena_init(&a, 1 << 20);
	signature = base64_read(signature, &a);
	assert_int_equal(signature.n, 256);
	assert_int_equal(EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestVerify(context, (const unsigned char *)signature.p, signature.n,
					  (const unsigned char *)head.p, head.n),
			 1);
	EVP_MD_CTX_free(context);
	arena_deinit(&a);
}

static void test_the_golden_token(void **state)
{
	const struct gcp_claims claims = {
		.key_id = B("key1"),
		.email = EMAIL,
		.audience = B("https://us-central1-aiplatform.googleapis.com/"),
		.subject = true,
		.now_s = NOW,
	};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 16);
	assert_int_equal(gcp_jwt(pem, &claims, &out), 0);
	assert_true(bytes_starts(buf_bytes(&out), B(SIGNED ".")));
	assert_signed(buf_bytes(&out));
	buf_deinit(&out);
}

static void test_the_key_in_other_line_ends(void **state)
{
	const struct gcp_claims claims = { .key_id = B("k"), .email = EMAIL, .now_s = NOW };
	struct buf escaped, crlf, out;

	(void)state;
	buf_init(&escaped, 1 << 16);
	buf_init(&crlf, 1 << 16);
	buf_init(&out, 1 << 16);
	for (size_t i = 0; i < pem.n; i++) {
		bool end = pem.p[i] == '\n';

		assert_int_equal(buf_append(&escaped, end ? B("\\n") : bytes_slice(pem, i, 1)), 0);
		assert_int_equal(buf_append(&crlf, end ? B("\r\n") : bytes_slice(pem, i, 1)), 0);
	}
	assert_int_equal(gcp_jwt(buf_bytes(&escaped), &claims, &out), 0);
	assert_signed(buf_bytes(&out));
	buf_reset(&out);
	assert_int_equal(gcp_jwt(buf_bytes(&crlf), &claims, &out), 0);
	assert_signed(buf_bytes(&out));
	buf_deinit(&escaped);
	buf_deinit(&crlf);
	buf_deinit(&out);
}

static void test_what_is_no_key(void **state)
{
	static const struct bytes texts[] = {
		B(""),
		B("x"),
		B("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
	};
	EVP_PKEY *other = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(gcp_key_check(texts[i]), -1);
		assert_bytes(error_last()->message, "private_key failed to parse as RSA");
	}
	assert_true(PEM_write_bio_PrivateKey(bio, other, NULL, NULL, 0, NULL, NULL));
	n = BIO_get_mem_data(bio, &text);
	assert_int_equal(gcp_key_check((struct bytes){ text, (size_t)n }), -1);
	BIO_free(bio);
	EVP_PKEY_free(other);
}

/* providers-others §13 C5: by its own end, whatever a token's usual life is */
static void test_the_times_of_a_token(void **state)
{
	struct token_times t = token_times_of(1200000, 1000);

	(void)state;
	assert_int_equal(t.ends, 1201000);
	assert_int_equal(t.refresh, 1201000 - 300000);
	t = token_times_of(100000, 0);
	assert_int_equal(t.refresh, 50000);
	t = token_times_of(0, 7);
	assert_int_equal(t.ends, 7);
}

static void test_documents(void **state)
{
	static const struct {
		struct bytes document;
		const char *problem; /* NULL: none */
	} cases[] = {
		{ B("[]"), "the credentials are no JSON object" },
		{ B("{"), "the credentials are no JSON object" },
		{ B("{}"), "missing private_key_id" },
		{ B("{\"private_key_id\":\"a\",\"private_key\":\"b\"}"), "missing client_email" },
		{ B("{\"type\":\"x\"}"), "credentials of type `x` are not supported" },
		{ B("{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"b\"}"),
		  "missing refresh_token" },
		{ B("{\"type\":\"authorized_user\",\"client_id\":\"a\",\"client_secret\":\"b\",\"refresh_token\":\"c\"}"),
		  NULL },
		{ B("{\"type\":\"external_account\",\"audience\":\"a\",\"subject_token_type\":\"b\",\"credential_source\":{\"environment_id\":\"aws1\"}}"),
		  "credential_source has neither `file` nor `url`" },
		{ B("{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"a\",\"source_credentials\":{}}"),
		  "missing private_key_id" },
		{ B("{\"type\":\"impersonated_service_account\",\"service_account_impersonation_url\":\"a\",\"source_credentials\":7}"),
		  "the credentials are no JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(gcp_document_check(cases[i].document), cases[i].problem ? -1 : 0);
		if (cases[i].problem)
			assert_bytes(error_last()->message, cases[i].problem);
	}
	error_clear();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_golden_token),
		cmocka_unit_test(test_the_key_in_other_line_ends),
		cmocka_unit_test(test_what_is_no_key),
		cmocka_unit_test(test_the_times_of_a_token),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, make_key, drop_key);
}
