/*
 * Provider type `aws_sagemaker` (config §2.5, providers-others §7): a container behind an endpoint of SageMaker, which speaks the
 * format of another type. Its answers come as they are, its streams in pieces within frames.
 */
#include <stdlib.h>

#include "upstream/aws.h"
#include "upstream/openai.h"

#define LABEL "AWS Sagemaker"

extern const struct provider_type provider_openai, provider_tgi;

/* What the container speaks: that type's form of chat. */
enum hosted { HOSTED_OPENAI = 1, HOSTED_TGI };
static const char *const hosts[] = { "openai", "tgi", NULL };

struct sagemaker_provider {
	struct aws_options aws;
	struct bytes endpoint_name;
	int hosted;
};

_Static_assert(offsetof(struct sagemaker_provider, aws) == 0, "aws.c reads the beginning");

static const struct key keys[] = {
	{ "endpoint_name", KEY_STRING, OWN(sagemaker_provider, endpoint_name), .required = true,
	  .fix = "`endpoint_name = \"my-endpoint\"`" },
	{ "model_name", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_name = \"llama\"`" },
	{ "hosted_provider", KEY_CHOICE, OWN(sagemaker_provider, hosted), .required = true,
	  .choices = hosts, .min = HOSTED_OPENAI, .fix = "`hosted_provider = \"openai\"`" },
	AWS_KEY("region", region),
	{ "allow_auto_detect_region", KEY_BOOL, OWN(aws_options, find_region),
	  .warning = "`allow_auto_detect_region` is deprecated (write `region = \"sdk\"`)" },
	AWS_KEY("endpoint_url", endpoint_url),
	AWS_KEY("access_key_id", key_id),
	AWS_KEY("secret_access_key", secret),
	AWS_KEY("session_token", session_token),
};

static void defaults(struct provider_config *p)
{
	struct sagemaker_provider *o = p->options;

	o->aws.service = B("sagemaker");
	o->aws.host = B("runtime.sagemaker");
}

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	const struct sagemaker_provider *o = p->options;
	bool tgi = o->hosted == HOSTED_TGI;
	const struct dialect *of = tgi ? &provider_tgi.dialect : &provider_openai.dialect;

	d->max_tokens_key = of->max_tokens_key;
	d->chat = of->chat;
	if (tgi)
		d->model = B("tgi");
}

/* What one container thought means nothing to another that speaks otherwise. */
static struct bytes thoughts_of(const struct provider_config *p)
{
	const struct sagemaker_provider *o = p->options;

	return o->hosted == HOSTED_TGI ? B("aws_sagemaker::tgi") : B("aws_sagemaker::openai");
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	const struct sagemaker_provider *o = p->options;
	struct bytes base;

	if (aws_base(p, context, &base))
		return -1;
	*url = aws_url(base, B("/endpoints/"), o->endpoint_name,
		       inf->stream ? B("/invocations-response-stream") : B("/invocations"),
		       context->arena);
	return bytes_set(*url) ? 0 : -1;
}

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)request_id;
	return arena_printf(a, "AWS %s returned error status %d %.*s: %.*s",
			    stream ? "Sagemaker" : "sagemaker", status,
			    BFMT(reason.n ? reason : B("<unknown status code>")), BFMT(body));
}

static const int client_statuses[] = { 0 };

const struct provider_type provider_aws_sagemaker = {
	.kind = {
		.name = B("aws_sagemaker"),
		.label = LABEL,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct sagemaker_provider),
		.defaults = defaults,
		.check = check_aws,
	},
	.wire = &wire_openai_chat,
	.set_dialect = set_dialect,
	.thoughts_of = thoughts_of,
	.endpoint = endpoint,
	.headers = aws_headers,
	.sign = aws_sign,
	.sign_better = aws_sign_better,
	.framing = FRAMING_SSE_IN_EVENT_STREAM,
	.exception_words = B("AWS Sagemaker streaming exception: "),
	.read_exception = aws_read_exception,
	.request_id_header = B("x-amzn-requestid"),
	.error_code_header = B("x-amzn-errortype"),
	.stream_status_plain = true,
	.client_statuses = client_statuses,
	.status_text = status_text,
	.read_error = aws_read_error,
	.words = { .send = B("Error sending request: "), .send_kind = ERR_INFERENCE_SERVER },
	.takes_files = true,
	.takes_url = openai_takes_url,
};
