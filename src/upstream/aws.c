/*
 * Calls to AWS: where they go, what they are signed with, what their errors say.
 *
 * A signature holds for five minutes of AWS's clock and for the bytes as they are sent, so it is made last and anew at
 * each attempt. Where AWS says that ours is of another time, its own time is believed from then on.
 */
#include "upstream/aws.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "fiber/fiber.h"
#include "sign/sigv4.h"
#include "upstream/call.h"

#define SKEW_SEEN_MS (4 * 60 * 1000) /* from here on the clocks differ */
#define URL_MAX      8192u

/* How far AWS's clock is ahead of ours: one for the process. */
static atomic_llong clock_ahead_ms;

/* ---- values ---- */

static int value_get(const struct provider_config *p, const struct aws_value *v,
		     const struct call_context *context, struct bytes *out)
{
	*out = (struct bytes){ NULL, 0 };
	return v->from == AWS_GIVEN ? credential_get(&v->value, context, p->kind->label, out) : 0;
}

static int find_region(const struct provider_config *p, const struct call_context *context,
		       struct bytes *out)
{
	const struct aws_options *o = p->options;

	if (o->region.from == AWS_SDK)
		return aws_region_find(context, out);
	if (value_get(p, &o->region, context, out))
		return -1;
	for (size_t i = 0; i < out->n; i++) /* it becomes a part of a host's name */
		if (!((out->p[i] >= 'a' && out->p[i] <= 'z') ||
		      (out->p[i] >= '0' && out->p[i] <= '9') || out->p[i] == '-'))
			return fail(ERR_INVALID_REQUEST, "`%.*s` is no AWS region", BFMT(*out));
	return 0;
}

int aws_base(const struct provider_config *p, const struct call_context *context,
	     struct bytes *base)
{
	const struct aws_options *o = p->options;
	struct bytes region;

	if (value_get(p, &o->endpoint_url, context, base))
		return -1;
	if (bytes_set(*base)) {
		while (bytes_ends(*base, B("/")))
			base->n--;
		return 0;
	}
	if (find_region(p, context, &region))
		return -1;
	*base = arena_printf(context->arena, "https://%.*s.%.*s.amazonaws.com%s", BFMT(o->host),
			     BFMT(region), bytes_starts(region, B("cn-")) ? ".cn" : "");
	return bytes_set(*base) ? 0 : -1;
}

struct bytes aws_url(struct bytes base, struct bytes before, struct bytes id, struct bytes behind,
		     struct arena *a)
{
	struct bytes url = { NULL, 0 };
	struct buf out;

	buf_init(&out, URL_MAX);
	if (!buf_append(&out, base) && !buf_append(&out, before) && !sigv4_segment(&out, id) &&
	    !buf_append(&out, behind))
		url = arena_dup(a, buf_bytes(&out));
	buf_deinit(&out);
	return url;
}

/* ---- headers ---- */

/* The token that stands in for a signature: the provider's, else the environment's where nothing else is configured. */
static int bearer(const struct provider_config *p, const struct call_context *context,
		  struct bytes *out)
{
	const struct aws_options *o = p->options;

	return value_get(p, &o->api_key, context, out);
}

int aws_headers(const struct provider_config *p, const struct inference *inf,
		const struct call_context *context, struct header_list *l)
{
	struct arena *a = context->arena;
	struct bytes token;

	if (bearer(p, context, &token) ||
	    (!inf->stream && header_set(l, B("accept"), B("application/json"), a)) ||
	    header_set(l, B("content-type"), B("application/json"), a))
		return -1;
	if (!bytes_set(token))
		return 0;
	token = arena_cat(a, B("Bearer "), token);
	return bytes_set(token) ? header_set(l, B("authorization"), token, a) : -1;
}

/* ---- the signature ---- */

static int find_keys(const struct provider_config *p, const struct call_context *context,
		     struct bytes region, struct aws_keys *keys)
{
	const struct aws_options *o = p->options;

	*keys = (struct aws_keys){ 0 };
	if (o->key_id.from != AWS_GIVEN)
		return aws_keys_find(context, region, keys);
	return value_get(p, &o->key_id, context, &keys->id) ||
			       value_get(p, &o->secret, context, &keys->secret) ||
			       value_get(p, &o->session_token, context, &keys->token)
		       ? -1
		       : 0;
}

struct signing {
	struct sigv4 request;
	struct arena *arena;
	struct bytes authorization;
};

static void sign_here(void *arg)
{
	struct signing *s = arg;

	s->authorization = sigv4_authorization(&s->request, s->arena);
}

/* The list as the signature wants it, with the host that will be sent. */
static int signed_headers(const struct http_send *s, const struct header_list *l, struct arena *a,
			  struct sigv4 *out)
{
	struct sigv4_header *headers = arena_array(a, struct sigv4_header, l->len + 1);

	if (!headers)
		return -1;
	for (size_t i = 0; i < l->len; i++)
		headers[i] = (struct sigv4_header){ l->at[i].name, l->at[i].value };
	headers[l->len] = (struct sigv4_header){ B("host"), s->url->authority };
	out->headers = headers;
	out->nheaders = l->len + 1;
	return 0;
}

static uint64_t clock_of_aws(void)
{
	return clock_unix_ms() +
	       (uint64_t)atomic_load_explicit(&clock_ahead_ms, memory_order_relaxed);
}

int aws_sign_request(const struct aws_keys *keys, struct bytes region, struct bytes service,
		     const struct http_send *s, struct header_list *l, struct arena *a)
{
	char time[SIGV4_TIME];
	struct signing job = { .arena = a };
	struct sigv4 *r = &job.request;

	*r = (struct sigv4){ .key_id = keys->id,
			     .secret = keys->secret,
			     .region = region,
			     .service = service,
			     .time = arena_dup(a, sigv4_time(clock_of_aws(), time)),
			     .method = s->method,
			     .target = s->url->target,
			     .body = s->body };
	if (!bytes_set(r->time) || header_set(l, B("x-amz-date"), r->time, a))
		return -1;
	if (bytes_set(keys->token) &&
	    !bytes_set(http_header_get(l->at, l->len, B("x-amz-security-token"))) &&
	    header_set(l, B("x-amz-security-token"), keys->token, a))
		return -1;
	if (signed_headers(s, l, a, r) || offload_if_big(s->body.n, sign_here, &job) ||
	    !bytes_set(job.authorization))
		return -1;
	return header_set(l, B("authorization"), job.authorization, a);
}

int aws_sign(const struct provider_config *p, const struct call_context *context,
	     const struct http_send *s, struct header_list *l)
{
	const struct aws_options *o = p->options;
	struct bytes region, token;
	struct aws_keys keys;

	if (bearer(p, context, &token))
		return -1;
	if (bytes_set(token))
		return 0;
	if (find_region(p, context, &region) || find_keys(p, context, region, &keys))
		return -1;
	return aws_sign_request(&keys, region, o->service, s, l, context->arena);
}

/* ---- what AWS refuses ---- */

/* Believes AWS's clock if ours is far from it. */
static bool mend_clock(const struct http_call *http)
{
	struct bytes date = http_call_header(http, B("date"));
	char text[64];
	struct tm tm = { 0 };
	long long ahead;

	if (!date.n || date.n >= sizeof text)
		return false;
	memcpy(text, date.p, date.n);
	text[date.n] = '\0';
	if (!strptime(text, "%a, %d %b %Y %H:%M:%S", &tm))
		return false;
	ahead = (long long)timegm(&tm) * 1000 - (long long)clock_unix_ms();
	if (llabs(ahead - atomic_load(&clock_ahead_ms)) < SKEW_SEEN_MS)
		return false;
	atomic_store(&clock_ahead_ms, ahead);
	log_warn("upstream", "this machine's clock differs from that of AWS, whose time is used",
		 LI("ms", ahead));
	return true;
}

bool aws_sign_better(const struct provider_config *p, const struct call_context *context,
		     const struct http_call *http)
{
	static const struct bytes expired[] = { B("ExpiredTokenException"), B("ExpiredToken"),
						B("UnrecognizedClientException") };
	const struct aws_options *o = p->options;
	struct bytes error = http_call_header(http, B("x-amzn-errortype")), region, token;

	if (bearer(p, context, &token) || bytes_set(token))
		return false;
	error = error_code_name(error);
	if (bytes_eq(error, B("InvalidSignatureException")) ||
	    bytes_eq(error, B("RequestExpired")) || bytes_eq(error, B("RequestTimeTooSkewed")))
		return mend_clock(http);
	if (o->key_id.from == AWS_GIVEN || find_region(p, context, &region))
		return false;
	for (size_t i = 0; i < COUNT(expired); i++)
		if (bytes_eq(error, expired[i]))
			return aws_keys_drop(region);
	return false;
}

/* ---- errors ---- */

static struct bytes text_of(yyjson_val *v, const char *key, struct arena *a)
{
	return arena_dup(a, json_str(json_get(v, key)));
}

/* {"message"}, {"Message"}, {"__type":"ns#Name"}, and SageMaker's {"OriginalStatusCode","OriginalMessage"}. */
static void read_body(struct error *e, yyjson_val *root, struct arena *a)
{
	struct bytes code = error_code_name(json_str(json_get(root, "__type"))),
		     message = text_of(root, "message", a);
	uint64_t original;

	if (!bytes_set(message))
		message = text_of(root, "Message", a);
	if (!bytes_set(e->upstream_code) && code.n)
		e->upstream_code = arena_dup(a, code);
	if (bytes_set(message))
		e->upstream_message = message;
	if ((json_u64(json_get(root, "OriginalStatusCode"), &original) ||
	     json_u64(json_get(root, "originalStatusCode"), &original)) &&
	    original >= 400 && original <= 599)
		e->upstream_status = (int)original;
}

void aws_read_error(struct error *e, struct bytes body, struct arena *a)
{
	e->upstream_message = body;
	read_body(e, json_parse_lenient(body, a), a);
	error_clear();
}

/* Statuses of what has none in a stream. */
void aws_read_exception(struct error *e, const struct frame *f, struct arena *a)
{
	static const struct {
		struct bytes name;
		int status;
	} statuses[] = {
		{ B("throttlingException"), 429 },         { B("validationException"), 400 },
		{ B("serviceUnavailableException"), 503 }, { B("internalServerException"), 500 },
		{ B("modelStreamErrorException"), 424 },   { B("modelTimeoutException"), 408 },
	};

	e->upstream_status = 500;
	for (size_t i = 0; i < COUNT(statuses); i++)
		if (bytes_ieq(statuses[i].name, f->name))
			e->upstream_status = statuses[i].status;
	e->upstream_message = arena_dup(a, f->message.n ? f->message : f->payload);
	if (f->payload.n)
		read_body(e, json_parse_lenient(f->payload, a), a);
}
