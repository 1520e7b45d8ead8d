/*
 * Where credentials are asked for: environment, STS, container, instance. Each is one exchange or a few; what a source is
 * named by stands in the environment, read when it is asked for.
 *
 * The traps: the metadata service of a machine that is none never answers, so it gets one second; a container's URI
 * must not lead anywhere but to this machine or its link, for a token goes there.
 */
#include <stdlib.h>

#include "base/error.h"
#include "base/json.h"
#include "fiber/fiber.h"
#include "sign/sigv4.h"
#include "upstream/aws_credentials.h"
#include "upstream/files.h"

#define ANSWER_MAX   (1u << 20)
#define STS_WAIT_MS  10000u
#define LINK_WAIT_MS 1000u
#define SESSION      B("signet")

static struct bytes env(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? bytes_of(text) : (struct bytes){ NULL, 0 };
}

/* ---- asking ---- */

int aws_get(struct aws_search *s, const struct aws_get *g, int *status, struct bytes *body)
{
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + g->wait_ms);
	struct url url;
	struct http_send send = { .url = &url,
				  .method = g->method,
				  .headers = g->headers,
				  .nheaders = g->nheaders,
				  .body = g->body,
				  .arena = s->arena,
				  .head_deadline = clock_mono_ms() + g->wait_ms,
				  .read_idle_ms = g->wait_ms };
	struct http_call *call = NULL;
	int r = url_parse(g->url, s->arena, &url);

	*status = 0;
	*body = (struct bytes){ NULL, 0 };
	if (r == 0) {
		url.direct = g->direct;
		call = send_unsigned(s->client, &send);
		r = call ? http_call_read_all(call, ANSWER_MAX, body) : -1;
	}
	if (r == 0)
		*status = http_call_status(call);
	if (call)
		http_call_close(call);
	fiber_deadline_restore(before);
	return r ? fail_context("%s: ", g->what) : 0;
}

static int refused(const char *what, int status, struct bytes body)
{
	return fail(ERR_API_KEY_MISSING, "%s answered %d: %.*s", what, status,
		    BFMT(bytes_slice(body, 0, 300)));
}

int aws_read_keys(struct aws_search *s, const char *what, struct bytes json, struct aws_keys *out)
{
	yyjson_val *root = json_parse(json, s->arena);
	struct bytes end = json_str(json_get(root, "Expiration"));

	out->id = json_str(json_get(root, "AccessKeyId"));
	out->secret = json_str(json_get(root, "SecretAccessKey"));
	out->token = json_str(json_get(root, "Token"));
	if (!bytes_set(out->token))
		out->token = json_str(json_get(root, "SessionToken"));
	out->source = what;
	if (!out->id.n || !out->secret.n)
		return fail(ERR_API_KEY_MISSING,
			    "%s gave no credentials (`AccessKeyId` and `SecretAccessKey`)", what);
	if (bytes_set(end) && !time_parse_rfc3339(end, &out->expires_unix_ms))
		return fail(ERR_API_KEY_MISSING, "%s: `%.*s` is no time (`Expiration`)", what,
			    BFMT(end));
	return 0;
}

/* ---- environment ---- */

int aws_from_environment(struct aws_search *s, struct aws_keys *out)
{
	out->id = env("AWS_ACCESS_KEY_ID");
	out->secret = env("AWS_SECRET_ACCESS_KEY");
	out->token = env("AWS_SESSION_TOKEN");
	out->source = "the environment";
	if (bytes_set(out->id) && bytes_set(out->secret))
		return 1;
	if (bytes_set(out->id) || bytes_set(out->secret))
		return fail(ERR_API_KEY_MISSING,
			    "of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set");
	aws_not_there(s, B("environment: AWS_ACCESS_KEY_ID is not set"));
	return 0;
}

/* ---- STS ---- */

/* The text of the first <name>…</name>. Credentials have nothing to be unescaped. */
static struct bytes xml_text(struct bytes xml, struct bytes name, struct arena *a)
{
	struct bytes open = arena_printf(a, "<%.*s>", BFMT(name)),
		     close = arena_printf(a, "</%.*s>", BFMT(name));
	ptrdiff_t from = bytes_find(xml, open), to;

	if (from < 0)
		return (struct bytes){ NULL, 0 };
	xml = bytes_slice(xml, (size_t)from + open.n, xml.n);
	to = bytes_find(xml, close);
	return to < 0 ? (struct bytes){ NULL, 0 } : bytes_slice(xml, 0, (size_t)to);
}

static int read_sts(struct aws_search *s, const char *what, struct bytes xml, struct aws_keys *out)
{
	struct bytes end = xml_text(xml, B("Expiration"), s->arena);

	*out = (struct aws_keys){ .id = xml_text(xml, B("AccessKeyId"), s->arena),
				  .secret = xml_text(xml, B("SecretAccessKey"), s->arena),
				  .token = xml_text(xml, B("SessionToken"), s->arena),
				  .source = what };
	if (!out->id.n || !out->secret.n || !time_parse_rfc3339(end, &out->expires_unix_ms))
		return fail(ERR_API_KEY_MISSING, "%s gave no credentials", what);
	return 0;
}

static struct bytes sts_url(struct aws_search *s)
{
	struct bytes url = env("AWS_ENDPOINT_URL_STS");

	if (!bytes_set(url))
		url = env("AWS_ENDPOINT_URL");
	if (bytes_set(url))
		return url;
	if (!s->region.n)
		return B("https://sts.amazonaws.com/");
	return arena_printf(s->arena, "https://sts.%.*s.amazonaws.com%s/", BFMT(s->region),
			    bytes_starts(s->region, B("cn-")) ? ".cn" : "");
}

static int put_field(struct buf *form, struct bytes name, struct bytes value)
{
	if (!value.n)
		return 0;
	return buf_printf(form, "&%.*s=", BFMT(name)) || sigv4_segment(form, value) ? -1 : 0;
}

/* Signed by `with`; NULL: it needs no signature. */
static int ask_sts(struct aws_search *s, const char *what, struct bytes form,
		   const struct aws_keys *with, struct aws_keys *out)
{
	struct aws_get g = { .what = what,
			     .method = B("POST"),
			     .url = sts_url(s),
			     .headers = { { B("content-type"),
					    B("application/x-www-form-urlencoded") } },
			     .nheaders = 1,
			     .body = form,
			     .wait_ms = STS_WAIT_MS };
	struct bytes body = { NULL, 0 };
	int status = 0;

	if (with && aws_sign_get(s, &g, with, B("sts")))
		return -1;
	if (aws_get(s, &g, &status, &body))
		return -1;
	if (status != 200)
		return refused(what, status, body);
	return read_sts(s, what, body, out);
}

int aws_sign_get(struct aws_search *s, struct aws_get *g, const struct aws_keys *with,
		 struct bytes service)
{
	struct sigv4_header headers[COUNT(g->headers) + 1];
	char time[SIGV4_TIME];
	struct sigv4 r = { .key_id = with->id,
			   .secret = with->secret,
			   .region = s->region.n ? s->region : B("us-east-1"),
			   .service = service,
			   .method = g->method,
			   .headers = headers,
			   .body = g->body };
	struct url url;

	if (url_parse(g->url, s->arena, &url))
		return -1;
	r.target = url.target;
	r.time = arena_dup(s->arena, sigv4_time(clock_unix_ms(), time));
	g->headers[g->nheaders++] = (struct http_header){ B("x-amz-date"), r.time };
	if (with->token.n)
		g->headers[g->nheaders++] =
			(struct http_header){ B("x-amz-security-token"), with->token };
	for (size_t i = 0; i < g->nheaders; i++)
		headers[r.nheaders++] =
			(struct sigv4_header){ g->headers[i].name, g->headers[i].value };
	headers[r.nheaders++] = (struct sigv4_header){ B("host"), url.authority };
	g->headers[g->nheaders] =
		(struct http_header){ B("authorization"), sigv4_authorization(&r, s->arena) };
	return bytes_set(g->headers[g->nheaders++].value) ? 0 : -1;
}

int aws_assume_role(struct aws_search *s, const struct aws_keys *with, const struct aws_role *role,
		    struct aws_keys *out)
{
	struct bytes body = { NULL, 0 };
	struct buf form;
	int r;

	buf_init(&form, 65536);
	r = buf_append(&form, B("Action=AssumeRole&Version=2011-06-15")) ||
	    put_field(&form, B("RoleArn"), role->arn) ||
	    put_field(&form, B("RoleSessionName"), role->session.n ? role->session : SESSION) ||
	    put_field(&form, B("ExternalId"), role->external_id) ||
	    put_field(&form, B("DurationSeconds"), role->duration);
	body = arena_dup(s->arena, buf_bytes(&form));
	buf_deinit(&form);
	return r || !bytes_set(body) ? -1 : ask_sts(s, "STS AssumeRole", body, with, out);
}

int aws_from_web_identity(struct aws_search *s, struct aws_keys *out)
{
	struct bytes path = env("AWS_WEB_IDENTITY_TOKEN_FILE"), role = env("AWS_ROLE_ARN"),
		     session = env("AWS_ROLE_SESSION_NAME"), token, body;
	struct buf form;
	int r;

	if (!bytes_set(path) || !bytes_set(role)) {
		aws_not_there(
			s,
			B("web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set"));
		return 0;
	}
	r = aws_file(s, path, &token);
	if (r < 1)
		return r ? -1
			 : fail(ERR_API_KEY_MISSING,
				"AWS_WEB_IDENTITY_TOKEN_FILE names %.*s, which is not there",
				BFMT(path));
	buf_init(&form, 1 << 20);
	r = buf_append(&form, B("Action=AssumeRoleWithWebIdentity&Version=2011-06-15")) ||
	    put_field(&form, B("RoleArn"), role) ||
	    put_field(&form, B("RoleSessionName"), bytes_set(session) ? session : SESSION) ||
	    put_field(&form, B("WebIdentityToken"), bytes_trim(token));
	body = arena_dup(s->arena, buf_bytes(&form));
	buf_deinit(&form);
	if (r || !bytes_set(body))
		return -1;
	return ask_sts(s, "STS AssumeRoleWithWebIdentity", body, NULL, out) ? -1 : 1;
}

/* ---- container ---- */

static bool may_be_asked(const struct url *u)
{
	static const struct bytes hosts[] = { B("169.254.170.2"), B("169.254.170.23"),
					      B("fd00:ec2::23"), B("localhost"), B("::1") };

	for (size_t i = 0; i < COUNT(hosts); i++)
		if (bytes_ieq(hosts[i], u->host))
			return true;
	return u->tls || bytes_starts(u->host, B("127."));
}

static int container_url(struct aws_search *s, struct bytes *out)
{
	struct bytes relative = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	struct url url;

	*out = env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	if (bytes_set(relative))
		*out = arena_printf(s->arena, "http://169.254.170.2%.*s", BFMT(relative));
	if (!bytes_set(*out)) {
		aws_not_there(s, B("container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not set"));
		return 0;
	}
	if (url_parse(*out, s->arena, &url))
		return fail_context("AWS_CONTAINER_CREDENTIALS_FULL_URI: ");
	if (!may_be_asked(&url))
		return fail(
			ERR_API_KEY_MISSING,
			"AWS_CONTAINER_CREDENTIALS_FULL_URI names `%.*s`, which is neither https nor this machine",
			BFMT(url.host));
	return 1;
}

int aws_from_container(struct aws_search *s, struct aws_keys *out)
{
	struct aws_get g = { .what = "the container's credentials",
			     .method = B("GET"),
			     .wait_ms = LINK_WAIT_MS,
			     .direct = true };
	struct bytes path = env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
		     token = env("AWS_CONTAINER_AUTHORIZATION_TOKEN"), body;
	int status = 0, r = container_url(s, &g.url);

	if (r < 1)
		return r;
	if (bytes_set(path) && aws_file(s, path, &token) < 1)
		return fail(
			ERR_API_KEY_MISSING,
			"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names %.*s, which cannot be read",
			BFMT(path));
	token = bytes_set(token) ? bytes_trim(bytes_cut(&token, '\n')) : token;
	if (bytes_set(token))
		g.headers[g.nheaders++] = (struct http_header){ B("authorization"), token };
	if (aws_get(s, &g, &status, &body))
		return -1;
	if (status != 200)
		return refused(g.what, status, body);
	return aws_read_keys(s, g.what, body, out) ? -1 : 1;
}

/* ---- instance ---- */

static struct bytes metadata_url(struct aws_search *s, struct bytes path)
{
	struct bytes base = env("AWS_EC2_METADATA_SERVICE_ENDPOINT");

	if (!bytes_set(base))
		base = B("http://169.254.169.254");
	while (bytes_ends(base, B("/")))
		base.n--;
	return arena_cat(s->arena, base, path);
}

/* A session's token. 1; 0: there is no such service. */
static int metadata_token(struct aws_search *s, struct bytes *token)
{
	struct aws_get g = { .what = "the instance's metadata service",
			     .method = B("PUT"),
			     .url = metadata_url(s, B("/latest/api/token")),
			     .headers = { { B("x-aws-ec2-metadata-token-ttl-seconds"),
					    B("21600") } },
			     .nheaders = 1,
			     .wait_ms = LINK_WAIT_MS,
			     .direct = true };
	int status = 0;

	if (bytes_ieq(env("AWS_EC2_METADATA_DISABLED"), B("true"))) {
		aws_not_there(s, B("instance: AWS_EC2_METADATA_DISABLED is true"));
		return 0;
	}
	if (aws_get(s, &g, &status, token)) {
		aws_not_there(
			s, arena_printf(s->arena, "instance: %.*s", BFMT(error_last()->message)));
		return 0;
	}
	if (status == 200)
		return 1;
	aws_not_there(s,
		      arena_printf(s->arena, "instance: its metadata service answered %d", status));
	return 0;
}

static int metadata(struct aws_search *s, struct bytes token, struct bytes path, int *status,
		    struct bytes *body)
{
	struct aws_get g = { .what = "the instance's metadata service",
			     .method = B("GET"),
			     .url = metadata_url(s, path),
			     .headers = { { B("x-aws-ec2-metadata-token"), token } },
			     .nheaders = 1,
			     .wait_ms = LINK_WAIT_MS,
			     .direct = true };

	return aws_get(s, &g, status, body);
}

#define ROLES "/latest/meta-data/iam/security-credentials/"

int aws_from_instance(struct aws_search *s, struct aws_keys *out)
{
	struct bytes token, role, body;
	int status = 0, r = metadata_token(s, &token);

	if (r < 1)
		return r;
	if (metadata(s, token, B(ROLES), &status, &role))
		return -1;
	role = bytes_trim(bytes_cut(&role, '\n'));
	if (status == 404 || !role.n) {
		aws_not_there(s, B("instance: it has no role"));
		return 0;
	}
	if (status != 200)
		return refused("the instance's metadata service", status, role);
	if (metadata(s, token, arena_cat(s->arena, B(ROLES), role), &status, &body))
		return -1;
	if (status != 200)
		return refused("the instance's metadata service", status, body);
	return aws_read_keys(s, "the instance's role", body, out) ? -1 : 1;
}

int aws_instance_region(struct aws_search *s, struct bytes *out)
{
	struct bytes token;
	int status = 0, r = metadata_token(s, &token);

	if (r < 1)
		return r;
	if (metadata(s, token, B("/latest/meta-data/placement/region"), &status, out))
		return -1;
	return status == 200 && out->n ? 1 : 0;
}
