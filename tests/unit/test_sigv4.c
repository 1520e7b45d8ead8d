/* sign/sigv4.c: AWS's published signing test suite, and the vectors of providers-others §11.4. */
#include "unit.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/error.h"
#include "sign/sigv4.h"

#define KEY_ID B("AKIDEXAMPLE")
#define SECRET B("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
#define HOST                                          \
	{                                             \
		B("Host"), B("example.amazonaws.com") \
	}
#define DATE                                           \
	{                                              \
		B("X-Amz-Date"), B("20150830T123600Z") \
	}
#define LETTERS "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

struct vector {
	const char *name;
	struct bytes method, target, body;
	struct sigv4_header headers[8];
	const char *names, *signature;
};

/* AWS's suite (region us-east-1, service "service"), its own names. */
static const struct vector vectors[] = {
	{ "get-vanilla",
	  B("GET"),
	  B("/"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "post-vanilla",
	  B("POST"),
	  B("/"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-x-www-form-urlencoded",
	  B("POST"),
	  B("/"),
	  B("Param1=value1"),
	  { { B("Content-Type"), B("application/x-www-form-urlencoded") }, HOST, DATE },
	  "content-type;host;x-amz-date",
	  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
	{ "get-header-key-duplicate",
	  B("GET"),
	  B("/"),
	  B(""),
	  { HOST,
	    { B("My-Header1"), B("value2") },
	    { B("My-Header1"), B("value2") },
	    { B("My-Header1"), B("value1") },
	    DATE },
	  "host;my-header1;x-amz-date",
	  "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-order",
	  B("GET"),
	  B("/"),
	  B(""),
	  { HOST,
	    { B("My-Header1"), B("value4") },
	    { B("My-Header1"), B("value1") },
	    { B("My-Header1"), B("value3") },
	    { B("My-Header1"), B("value2") },
	    DATE },
	  "host;my-header1;x-amz-date",
	  "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01" },
	{ "get-header-value-trim",
	  B("GET"),
	  B("/"),
	  B(""),
	  { HOST,
	    { B("My-Header1"), B(" value1") },
	    { B("My-Header2"), B(" \"a   b   c\"") },
	    DATE },
	  "host;my-header1;my-header2;x-amz-date",
	  "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "get-relative-normalized",
	  B("GET"),
	  B("/example/.."),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-slash-dot-slash-normalized",
	  B("GET"),
	  B("/./"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-slash-pointless-dot-normalized",
	  B("GET"),
	  B("/./example"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5" },
	{ "get-slashes-normalized",
	  B("GET"),
	  B("//example//"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84" },
	{ "get-space-normalized",
	  B("GET"),
	  B("/example space/"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-unreserved",
	  B("GET"),
	  B("/" LETTERS),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8",
	  B("GET"),
	  B("/\xe1\x88\xb4"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-vanilla-empty-query-key",
	  B("GET"),
	  B("/?Param1=value1"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
	{ "get-vanilla-query-order-key-case",
	  B("GET"),
	  B("/?Param2=value2&Param1=value1"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-order-encoded",
	  B("GET"),
	  B("/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
	{ "get-vanilla-query-unreserved",
	  B("GET"),
	  B("/?" LETTERS "=" LETTERS),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query",
	  B("GET"),
	  B("/?\xe1\x88\xb4=bar"),
	  B(""),
	  { HOST, DATE },
	  "host;x-amz-date",
	  "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "get-vanilla-with-session-token",
	  B("GET"),
	  B("/"),
	  B(""),
	  { HOST,
	    DATE,
	    { B("X-Amz-Security-Token"),
	      B("6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267") } },
	  "host;x-amz-date;x-amz-security-token",
	  "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
};

static size_t count_headers(const struct sigv4_header *h)
{
	size_t n = 0;

	while (bytes_set(h[n].name))
		n++;
	return n;
}

static void test_the_published_suite(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < COUNT(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct sigv4_parts parts;
		struct sigv4 s = { .key_id = KEY_ID,
				   .secret = SECRET,
				   .region = B("us-east-1"),
				   .service = B("service"),
				   .time = B("20150830T123600Z"),
				   .method = v->method,
				   .target = v->target,
				   .headers = v->headers,
				   .nheaders = count_headers(v->headers),
				   .body = v->body };

		assert_int_equal(sigv4_sign(&s, &a, &parts), 0);
		if (strcmp(parts.signature, v->signature) != 0)
			fail_msg("%s:\n%.*s", v->name, BFMT(parts.canonical));
		assert_bytes(parts.signed_headers, v->names);
	}
	arena_deinit(&a);
}

/* ---- providers-others §11.4 ---- */

#define ACCEPT                                     \
	{                                          \
		B("accept"), B("application/json") \
	}
#define JSON                                             \
	{                                                \
		B("content-type"), B("application/json") \
	}
#define AT                                             \
	{                                              \
		B("x-amz-date"), B("20260102T030405Z") \
	}
#define BEDROCK                                                         \
	{                                                               \
		B("host"), B("bedrock-runtime.us-east-1.amazonaws.com") \
	}

static struct sigv4 bedrock(const struct sigv4_header *headers)
{
	return (struct sigv4){
		.key_id = KEY_ID,
		.secret = SECRET,
		.region = B("us-east-1"),
		.service = B("bedrock"),
		.time = B("20260102T030405Z"),
		.method = B("POST"),
		.target = B("/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"),
		.headers = headers,
		.nheaders = count_headers(headers),
		.body = B(
			"{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"Hi\"}]}],\"inferenceConfig\":{\"maxTokens\":16}}"),
	};
}

/* providers-others §13 S1: sent %3A, signed %253A. */
static void test_bedrock(void **state)
{
	static const struct sigv4_header headers[] = { ACCEPT, JSON, BEDROCK, AT, { { 0 } } };
	struct sigv4 s = bedrock(headers);
	struct sigv4_parts parts;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	assert_int_equal(s.body.n, 91);
	assert_int_equal(sigv4_sign(&s, &a, &parts), 0);
	assert_bytes(parts.canonical,
		     "POST\n"
		     "/model/anthropic.claude-3-haiku-20240307-v1%253A0/converse\n"
		     "\n"
		     "accept:application/json\n"
		     "content-type:application/json\n"
		     "host:bedrock-runtime.us-east-1.amazonaws.com\n"
		     "x-amz-date:20260102T030405Z\n"
		     "\n"
		     "accept;content-type;host;x-amz-date\n"
		     "9086f5ed72696dae888c64846e3db151bb80e2483eba722648ee71231780c823");
	assert_bytes(parts.to_sign,
		     "AWS4-HMAC-SHA256\n20260102T030405Z\n20260102/us-east-1/bedrock/aws4_request\n"
		     "6b1779a5248f392ce8c8d8ac1e345d684f40798a648acb0db01238b208b401c0");
	assert_bytes(
		sigv4_authorization(&s, &a),
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, SignedHeaders=accept;content-type;host;x-amz-date, Signature=5ae1f0ba5253590182248aa4d9f0ca15f3f12fb3d8c01deb7987fb386204cd86");
	arena_deinit(&a);
}

static void assert_signature(const struct sigv4 *s, const char *signature)
{
	struct sigv4_parts parts;
	struct arena a;

	arena_init(&a, 1 << 20);
	assert_int_equal(sigv4_sign(s, &a, &parts), 0);
	assert_string_equal(parts.signature, signature);
	arena_deinit(&a);
}

static void test_a_session_token(void **state)
{
	static const struct sigv4_header headers[] = {
		ACCEPT,
		JSON,
		BEDROCK,
		AT,
		{ B("x-amz-security-token"), B("SESSIONTOKEN/EXAMPLE==") },
		{ { 0 } }
	};
	struct sigv4 s = bedrock(headers);

	(void)state;
	assert_signature(&s, "a1bfdf3d6cad69f17d05d6c9094fed299296bd844f0c7bb065be626f767251b8");
}

/* providers-others §13 S2: an ARN is one segment, %2F sent, %252F signed. */
static void test_an_arn(void **state)
{
	static const struct sigv4_header headers[] = { JSON, BEDROCK, AT, { { 0 } } };
	struct sigv4 s = bedrock(headers);
	struct buf target;

	(void)state;
	buf_init(&target, 4096);
	buf_append(&target, B("/model/"));
	sigv4_segment(
		&target,
		B("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"));
	buf_append(&target, B("/converse-stream"));
	assert_bytes(
		buf_bytes(&target),
		"/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/converse-stream");
	s.target = buf_bytes(&target);
	s.body = B("{}");
	assert_signature(&s, "799347fd69a05f3cae6c267c223d4e62da09f707a2f36e5f7cdf26bc2beed085");
	buf_deinit(&target);
}

static void test_sagemaker(void **state)
{
	static const struct sigv4_header headers[] = {
		ACCEPT,
		JSON,
		{ B("host"), B("runtime.sagemaker.us-east-1.amazonaws.com") },
		AT,
		{ { 0 } }
	};
	struct sigv4 s = bedrock(headers);

	(void)state;
	s.service = B("sagemaker");
	s.target = B("/endpoints/my-endpoint/invocations");
	s.body = B("{}");
	assert_signature(&s, "11450864d8f46b2a77026c34f53f903d3391bb050d303729babced351f9b7f64");
}

/* providers-others §13 S3: signed with single spaces, whatever is sent; and what proxies change is not signed at all. */
static void test_what_is_signed_of_headers(void **state)
{
	static const struct sigv4_header headers[] = { { B("X-Custom"), B("  a  b ") },
						       { B("User-Agent"), B("x") },
						       { B("traceparent"), B("00-1") },
						       { B("Proxy-Authorization"), B("x") },
						       { B("Content-Length"), B("2") },
						       BEDROCK,
						       AT,
						       { { 0 } } };
	struct sigv4 s = bedrock(headers);
	struct sigv4_parts parts;
	struct arena a;

	(void)state;
	arena_init(&a, 1 << 20);
	assert_int_equal(sigv4_sign(&s, &a, &parts), 0);
	assert_bytes(parts.signed_headers, "host;x-amz-date;x-custom");
	assert_true(bytes_find(parts.canonical, B("\nx-custom:a b\n")) > 0);
	arena_deinit(&a);
}

/* providers-others §13 S6: another second is another signature. */
static void test_time(void **state)
{
	char out[SIGV4_TIME];

	(void)state;
	assert_bytes(sigv4_time(1767323045000, out), "20260102T030405Z");
	assert_bytes(sigv4_time(1767323045999, out), "20260102T030405Z");
	assert_bytes(sigv4_time(1440938160000, out), "20150830T123600Z");
}

static void test_what_does_not_fit_fails(void **state)
{
	static const struct sigv4_header headers[] = { BEDROCK, AT, { { 0 } } };
	struct sigv4 s = bedrock(headers);
	char *path = malloc(300 << 10);
	struct sigv4_parts parts;
	struct arena a;

	(void)state;
	memset(path, '/', 1);
	memset(path + 1, 'a', (300 << 10) - 1);
	arena_init(&a, 4 << 20);
	s.target = (struct bytes){ path, 300 << 10 };
	assert_int_equal(sigv4_sign(&s, &a, &parts), -1);
	assert_int_equal(error_last()->kind, ERR_TOO_LARGE);
	arena_deinit(&a);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_published_suite),
		cmocka_unit_test(test_bedrock),
		cmocka_unit_test(test_a_session_token),
		cmocka_unit_test(test_an_arn),
		cmocka_unit_test(test_sagemaker),
		cmocka_unit_test(test_what_is_signed_of_headers),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_what_does_not_fit_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
