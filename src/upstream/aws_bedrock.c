/*
 * Provider type `aws_bedrock` (config §2.5, providers-others §5): the Converse API, signed with SigV4 or with an API key of
 * Bedrock's own as a bearer token.
 */
#include <stdlib.h>

#include "upstream/aws.h"
#include "wire/bedrock/bedrock.h"

#define LABEL "AWS Bedrock"

struct bedrock_provider {
	struct aws_options aws;
	struct bedrock_options wire;
};

_Static_assert(offsetof(struct bedrock_provider, aws) == 0, "aws.c reads the beginning");

static const struct key keys[] = {
	{ "model_id", KEY_STRING, offsetof(struct provider_config, model_name), .required = true,
	  .fix = "`model_id = \"amazon.nova-lite-v1:0\"`" },
	AWS_KEY("region", region),
	{ "allow_auto_detect_region", KEY_BOOL, OWN(aws_options, find_region),
	  .warning = "`allow_auto_detect_region` is deprecated (write `region = \"sdk\"`)" },
	AWS_KEY("endpoint_url", endpoint_url),
	AWS_KEY("api_key", api_key),
	AWS_KEY("access_key_id", key_id),
	AWS_KEY("secret_access_key", secret),
	AWS_KEY("session_token", session_token),
	{ "model_family", KEY_STRING, OWN(bedrock_provider, wire.model_family) },
};

static void defaults(struct provider_config *p)
{
	struct bedrock_provider *o = p->options;

	o->aws.service = B("bedrock");
	o->aws.host = B("bedrock-runtime");
}

/* The environment's token, where the configuration names nothing. */
static void check(struct loader *l, struct toml *t, struct bytes path, struct provider_config *p)
{
	struct aws_options *o = p->options;

	if (!o->api_key.from && !o->key_id.from && !o->secret.from && !o->session_token.from) {
		o->api_key.value = credential_env("AWS_BEARER_TOKEN_BEDROCK", l->arena);
		if (o->api_key.value.kind == CREDENTIAL_STATIC)
			o->api_key.from = AWS_GIVEN;
	}
	check_aws(l, t, path, p);
}

static void set_dialect(const struct provider_config *p, struct dialect *d)
{
	d->options = &((const struct bedrock_provider *)p->options)->wire;
}

static int endpoint(const struct provider_config *p, const struct inference *inf,
		    const struct call_context *context, struct bytes *url)
{
	struct bytes base;

	if (aws_base(p, context, &base))
		return -1;
	*url = aws_url(base, B("/model/"), p->model_name,
		       inf->stream ? B("/converse-stream") : B("/converse"), context->arena);
	return bytes_set(*url) ? 0 : -1;
}

static struct bytes status_text(int status, struct bytes reason, struct bytes body,
				struct bytes request_id, bool stream, struct arena *a)
{
	(void)request_id;
	return arena_printf(a, "AWS %s returned error status %d %.*s: %.*s",
			    stream ? "Bedrock" : "bedrock", status,
			    BFMT(reason.n ? reason : B("<unknown status code>")), BFMT(body));
}

static const int client_statuses[] = { 0 };

const struct provider_type provider_aws_bedrock = {
	.kind = {
		.name = B("aws_bedrock"),
		.label = LABEL,
		.keys = keys,
		.nkeys = COUNT(keys),
		.options_size = sizeof(struct bedrock_provider),
		.defaults = defaults,
		.check = check,
	},
	.wire = &wire_bedrock,
	.set_dialect = set_dialect,
	.endpoint = endpoint,
	.headers = aws_headers,
	.sign = aws_sign,
	.sign_better = aws_sign_better,
	.framing = FRAMING_EVENT_STREAM,
	.exception_words = B("AWS Bedrock streaming exception: "),
	.read_exception = aws_read_exception,
	.request_id_header = B("x-amzn-requestid"),
	.error_code_header = B("x-amzn-errortype"),
	.stream_status_plain = true,
	.client_statuses = client_statuses,
	.status_text = status_text,
	.read_error = aws_read_error,
	.words = { .send = B("Error sending request: "), .send_kind = ERR_INFERENCE_SERVER },
	.takes_files = true,
	.ignored_warning = "the Converse API does not take all of a request",
};
