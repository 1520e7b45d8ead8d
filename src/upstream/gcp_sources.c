/*
 * A credentials file says by its `type` what to do with it; some of them lead to another: an impersonated account begins with
 * a source's token, an external identity may end in an impersonation. So a source is a function from a document to a
 * token, and the table of kinds has one for each.
 *
 * Where no file is named and none lies where gcloud leaves it, the metadata server of the machine is asked, without a proxy:
 * what answers under its name is on this machine's own link.
 */
#include "upstream/gcp_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/error.h"
#include "base/json.h"
#include "config/files.h"
#include "fiber/offload.h"
#include "sign/gcp.h"
#include "upstream/files.h"

#define SCOPE           "https://www.googleapis.com/auth/cloud-platform"
#define TOKEN_URI       "https://oauth2.googleapis.com/token"
#define METADATA_HOST   "metadata.google.internal"
#define METADATA_PATH   "/computeMetadata/v1/instance/service-accounts/default/token"
#define METADATA_MS     3000
#define ANSWER_MAX      (1u << 20)
#define FORM_MAX        (256u << 10)
#define FILE_MAX        65536
#define LIFE_UNKNOWN_MS 300000 /* of a token that does not say */
#define NESTED_MAX      3      /* documents inside of each other */

struct source {
	struct http_client *client;
	struct arena *arena;
	struct bytes audience;
	bool exchange;
	unsigned nested;
};

static int fetch_document(struct source *, yyjson_val *document, struct token *);

static struct bytes member(yyjson_val *v, const char *key, const char *otherwise)
{
	struct bytes text = json_str(json_get(v, key));

	return text.n ? text : bytes_of(otherwise);
}

/* ---- asking servers ---- */

/* What the answer says is wrong, in the members that OAuth and Google's APIs have for it. */
static int refused(yyjson_val *root, int status, const struct url *url)
{
	yyjson_val *error = json_get(root, "error");
	struct bytes code = json_str(error), text = json_str(json_get(root, "error_description"));

	if (!text.n)
		text = json_str(json_get(error, "message"));
	return fail(ERR_INFERENCE_CLIENT, "%.*s answered %d%s%.*s%s%.*s", BFMT(url->authority),
		    status, code.n ? " " : "", BFMT(bytes_slice(code, 0, 200)), text.n ? ": " : "",
		    BFMT(bytes_slice(text, 0, 500)));
}

/* The answer's JSON. NULL: error set. */
static yyjson_val *ask(struct source *s, struct bytes address, const struct http_send *given,
		       bool direct, struct bytes *body)
{
	struct http_send send = *given;
	struct http_call *call;
	struct bytes text = { NULL, 0 };
	yyjson_val *root = NULL;
	struct url url;
	int status, r;

	if (url_parse(address, s->arena, &url))
		return NULL;
	url.direct = direct;
	send.url = &url;
	send.arena = s->arena;
	send.head_deadline = fiber_deadline();
	call = send_unsigned(s->client, &send);
	if (!call) {
		fail_context("%.*s: ", BFMT(url.authority));
		return NULL;
	}
	status = http_call_status(call);
	r = http_call_read_all(call, ANSWER_MAX, &text);
	http_call_close(call);
	if (r) {
		fail_context("%.*s: ", BFMT(url.authority));
		return NULL;
	}
	if (body && status == 200)
		*body = text;
	root = json_parse(text, s->arena);
	if (status != 200) {
		refused(root, status, &url);
		return NULL;
	}
	if (!root && !body)
		fail_context("%.*s: ", BFMT(url.authority));
	return root;
}

struct pair {
	const char *name;
	struct bytes value;
};

static int put_form(struct buf *b, const struct pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf_printf(b, "%s%s=", i ? "&" : "", pairs[i].name))
			return -1;
		for (size_t j = 0; j < pairs[i].value.n; j++) {
			char c = pairs[i].value.p[j];
			bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';

			if (plain ? buf_putc(b, c)
				  : buf_printf(b, "%%%02X", (unsigned)(unsigned char)c))
				return -1;
		}
	}
	return 0;
}

static yyjson_val *post_form(struct source *s, struct bytes address, const struct pair *pairs,
			     size_t n)
{
	static const struct http_header headers[] = {
		{ B("content-type"), B("application/x-www-form-urlencoded") },
		{ B("accept"), B("application/json") },
	};
	struct http_send send = { .method = B("POST"),
				  .headers = headers,
				  .nheaders = COUNT(headers) };
	struct buf form;

	buf_init(&form, FORM_MAX);
	if (put_form(&form, pairs, n) == 0)
		send.body = arena_adopt(s->arena, &form);
	buf_deinit(&form);
	return bytes_set(send.body) ? ask(s, address, &send, false, NULL) : NULL;
}

/* {"access_token","expires_in"} */
static int take_token(yyjson_val *root, struct token *out)
{
	uint64_t seconds;

	if (!root)
		return -1;
	out->text = json_str(json_get(root, "access_token"));
	out->lifetime_ms = json_u64(json_get(root, "expires_in"), &seconds) && seconds < 1u << 30
				   ? seconds * 1000
				   : LIFE_UNKNOWN_MS;
	return out->text.n ? 0 : fail(ERR_INFERENCE_CLIENT, "the answer has no access_token");
}

/* ---- service accounts ---- */

struct signing {
	struct bytes key;
	struct gcp_claims claims;
	struct buf out;
	int r;
};

static void sign_here(void *arg)
{
	struct signing *s = arg;

	s->r = gcp_jwt(s->key, &s->claims, &s->out);
}

static int sign(struct source *s, yyjson_val *document, struct gcp_claims claims, struct bytes *jwt)
{
	struct signing signing = { .key = json_str(json_get(document, "private_key")),
				   .claims = claims,
				   .r = -1 };

	signing.claims.key_id = member(document, "private_key_id", "");
	signing.claims.email = member(document, "client_email", "");
	signing.claims.now_s = clock_unix_ms() / 1000;
	buf_init(&signing.out, FILE_MAX);
	*jwt = (struct bytes){ NULL, 0 };
	if (offload_to(OFFLOAD_BODIES, sign_here, &signing) == 0 && signing.r == 0)
		*jwt = arena_adopt(s->arena, &signing.out);
	buf_deinit(&signing.out);
	return bytes_set(*jwt) ? 0 : -1;
}

static int from_service_account(struct source *s, yyjson_val *document, struct token *out)
{
	struct bytes server = member(document, "token_uri", TOKEN_URI);
	struct pair form[] = {
		{ "grant_type", B("urn:ietf:params:oauth:grant-type:jwt-bearer") },
		{ "assertion", { NULL, 0 } },
	};

	if (s->exchange) {
		if (sign(s, document, (struct gcp_claims){ .audience = server, .scope = B(SCOPE) },
			 &form[1].value))
			return -1;
		return take_token(post_form(s, server, form, COUNT(form)), out);
	}
	out->lifetime_ms = GCP_JWT_S * UINT64_C(1000);
	return sign(s, document,
		    (struct gcp_claims){ .audience = s->audience,
					 .scope = bytes_set(s->audience) ? (struct bytes){ NULL, 0 }
									 : B(SCOPE),
					 .subject = true },
		    &out->text);
}

/* ---- users, impersonation, external identities ---- */

static int from_user(struct source *s, yyjson_val *document, struct token *out)
{
	const struct pair form[] = {
		{ "grant_type", B("refresh_token") },
		{ "client_id", member(document, "client_id", "") },
		{ "client_secret", member(document, "client_secret", "") },
		{ "refresh_token", member(document, "refresh_token", "") },
	};

	return take_token(post_form(s, member(document, "token_uri", TOKEN_URI), form, COUNT(form)),
			  out);
}

/* The token of another account, for which `own` may speak. */
static int impersonate(struct source *s, yyjson_val *document, struct bytes own, struct token *out)
{
	yyjson_val *list = json_get(document, "delegates");
	struct bytes delegates = yyjson_is_arr(list) ? json_print_arena(list, s->arena) : B("[]"),
		     expires;
	struct http_header headers[] = {
		{ B("authorization"), arena_cat(s->arena, B("Bearer "), own) },
		{ B("content-type"), B("application/json") },
	};
	struct http_send send = {
		.method = B("POST"),
		.headers = headers,
		.nheaders = COUNT(headers),
		.body = arena_printf(s->arena,
				     "{\"scope\":[\"" SCOPE
				     "\"],\"lifetime\":\"3600s\",\"delegates\":%.*s}",
				     BFMT(delegates)),
	};
	yyjson_val *root;
	uint64_t ends, now = clock_unix_ms();

	if (!bytes_set(headers[0].value) || !bytes_set(send.body))
		return -1;
	root = ask(s, member(document, "service_account_impersonation_url", ""), &send, false,
		   NULL);
	if (!root)
		return -1;
	out->text = json_str(json_get(root, "accessToken"));
	expires = json_str(json_get(root, "expireTime"));
	out->lifetime_ms =
		time_parse_rfc3339(expires, &ends) ? ends > now ? ends - now : 0 : LIFE_UNKNOWN_MS;
	return out->text.n ? 0 : fail(ERR_INFERENCE_CLIENT, "the answer has no accessToken");
}

static int from_impersonated(struct source *s, yyjson_val *document, struct token *out)
{
	struct source inner = *s;
	struct token own = { .lifetime_ms = 0 };

	inner.audience =
		(struct bytes){ NULL, 0 }; /* it goes to another host: a scope in its stead */
	if (fetch_document(&inner, json_get(document, "source_credentials"), &own))
		return -1;
	return impersonate(s, document, own.text, out);
}

struct reading {
	struct bytes path, text;
	struct arena *arena;
	int error; /* errno; 0: it was read */
};

static void read_here(void *arg)
{
	struct reading *r = arg;
	int fd = open(r->path.p, O_RDONLY | O_CLOEXEC);

	r->error = fd < 0 || !file_read(fd, FILE_MAX, &r->text, r->arena) ? errno : 0;
	if (fd >= 0)
		close(fd);
}

/* The path ends with a zero byte. `optional`: unset if it is not there. -1: error set. */
static int read_file(struct source *s, struct bytes path, bool optional, struct bytes *text)
{
	struct reading r = { .path = path, .arena = s->arena };

	*text = (struct bytes){ NULL, 0 };
	if (offload(read_here, &r))
		return -1;
	if (optional && (r.error == ENOENT || r.error == ENOTDIR || r.error == EACCES))
		return 0;
	if (r.error)
		return fail(ERR_CONFIG, "%.*s cannot be read: %s", BFMT(path), strerror(r.error));
	if (r.text.n > FILE_MAX)
		return fail(ERR_CONFIG, "%.*s is larger than 64 KiB", BFMT(path));
	*text = bytes_trim(r.text);
	return 0;
}

static int subject_by_url(struct source *s, yyjson_val *from, struct bytes *text)
{
	struct http_send send = { .method = B("GET") };
	yyjson_obj_iter it = yyjson_obj_iter_with(json_get(from, "headers"));
	struct http_header *headers = NULL;
	size_t cap = 0;
	yyjson_val *key;

	while ((key = yyjson_obj_iter_next(&it))) {
		struct http_header h = { json_str(key), json_str(yyjson_obj_iter_get_val(key)) };

		if (bytes_set(h.value) && !arena_push(s->arena, headers, send.nheaders, cap, h))
			return -1;
	}
	send.headers = headers;
	*text = (struct bytes){ NULL, 0 };
	(void)ask(s, json_str(json_get(from, "url")), &send, true, text);
	return bytes_set(*text) ? 0 : -1;
}

/* What the identity provider says of this machine: a file's or an answer's text, or a member of it. */
static int subject_token(struct source *s, yyjson_val *from, struct bytes *token)
{
	yyjson_val *format = json_get(from, "format");
	struct bytes path = json_str(json_get(from, "file"));

	if (path.n ? read_file(s, arena_dup(s->arena, path), false, token)
		   : subject_by_url(s, from, token))
		return -1;
	while (token->n && (token->p[token->n - 1] == '\n' || token->p[token->n - 1] == '\r'))
		token->n--;
	if (bytes_eq(json_str(json_get(format, "type")), B("json")))
		*token = json_str(json_get(json_parse(*token, s->arena),
					   member(format, "subject_token_field_name", "").p));
	return token->n ? 0 : fail(ERR_CONFIG, "the credential_source holds no subject token");
}

static int from_external(struct source *s, yyjson_val *document, struct token *out)
{
	struct pair form[] = {
		{ "grant_type", B("urn:ietf:params:oauth:grant-type:token-exchange") },
		{ "audience", member(document, "audience", "") },
		{ "scope", B(SCOPE) },
		{ "requested_token_type", B("urn:ietf:params:oauth:token-type:access_token") },
		{ "subject_token_type", member(document, "subject_token_type", "") },
		{ "subject_token", { NULL, 0 } },
	};
	struct bytes own;

	if (subject_token(s, json_get(document, "credential_source"), &form[5].value) ||
	    take_token(
		    post_form(s,
			      member(document, "token_url", "https://sts.googleapis.com/v1/token"),
			      form, COUNT(form)),
		    out))
		return -1;
	own = out->text;
	return json_get(document, "service_account_impersonation_url")
		       ? impersonate(s, document, own, out)
		       : 0;
}

/* ---- documents ---- */

static const struct {
	struct bytes type;
	int (*fetch)(struct source *, yyjson_val *, struct token *);
	const char *members[4]; /* that must be there */
} kinds[] = {
	{ B("service_account"),
	  from_service_account,
	  { "private_key_id", "private_key", "client_email" } },
	{ B("authorized_user"), from_user, { "client_id", "client_secret", "refresh_token" } },
	{ B("impersonated_service_account"),
	  from_impersonated,
	  { "service_account_impersonation_url", "source_credentials" } },
	{ B("external_account"),
	  from_external,
	  { "audience", "subject_token_type", "credential_source" } },
};

/* The place of its kind; COUNT(kinds): it is none. */
static size_t kind_of(yyjson_val *document)
{
	struct bytes type = member(document, "type", "service_account");
	size_t i = 0;

	while (i < COUNT(kinds) && !bytes_eq(kinds[i].type, type))
		i++;
	return i;
}

static int check_members(yyjson_val *document, size_t kind)
{
	for (size_t i = 0; i < COUNT(kinds[kind].members) && kinds[kind].members[i]; i++)
		if (!json_get(document, kinds[kind].members[i]))
			return fail(ERR_CONFIG, "missing %s", kinds[kind].members[i]);
	return 0;
}

static int check_document(yyjson_val *document, unsigned nested)
{
	size_t kind = kind_of(document);
	yyjson_val *from = json_get(document, "credential_source"),
		   *source = json_get(document, "source_credentials");

	if (!yyjson_is_obj(document) || nested == NESTED_MAX)
		return fail(ERR_CONFIG, "the credentials are no JSON object");
	if (kind == COUNT(kinds))
		return fail(ERR_CONFIG, "credentials of type `%.*s` are not supported",
			    BFMT(member(document, "type", "")));
	if (check_members(document, kind))
		return -1;
	if (json_get(document, "private_key") &&
	    gcp_key_check(json_str(json_get(document, "private_key"))))
		return -1;
	if (from && !json_get(from, "file") && !json_get(from, "url"))
		return fail(ERR_CONFIG, "credential_source has neither `file` nor `url`");
	return source ? check_document(source, nested + 1) : 0;
}

int gcp_document_check(struct bytes document)
{
	struct arena a;
	yyjson_val *root;
	int r;

	arena_init(&a, 64 * FILE_MAX);
	root = json_parse(document, &a);
	r = root ? check_document(root, 0) : fail(ERR_CONFIG, "the credentials are no JSON object");
	arena_deinit(&a);
	return r;
}

static int fetch_document(struct source *s, yyjson_val *document, struct token *out)
{
	if (check_document(document, s->nested++))
		return -1;
	return kinds[kind_of(document)].fetch(s, document, out);
}

/* ---- application default credentials ---- */

static int from_metadata(struct source *s, struct token *out)
{
	static const struct http_header headers[] = { { B("metadata-flavor"), B("Google") } };
	struct http_send send = { .method = B("GET"),
				  .headers = headers,
				  .nheaders = COUNT(headers) };
	const char *host = getenv("GCE_METADATA_HOST");
	uint64_t before = fiber_deadline_narrow(clock_mono_ms() + METADATA_MS);
	struct bytes address = arena_printf(s->arena, "http://%s" METADATA_PATH,
					    host && *host ? host : METADATA_HOST);
	int r = bytes_set(address) ? take_token(ask(s, address, &send, true, NULL), out) : -1;

	fiber_deadline_restore(before);
	return r ? fail_context(
			   "no Google credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no application_default_credentials.json, and the metadata server has none: ")
		 : 0;
}

/* Where gcloud leaves them; unset: no home. */
static struct bytes gcloud_path(struct arena *a)
{
	const char *folder = getenv("CLOUDSDK_CONFIG"), *home = getenv("HOME");

	if (folder && *folder)
		return arena_printf(a, "%s/application_default_credentials.json", folder);
	return home && *home
		       ? arena_printf(a, "%s/.config/gcloud/application_default_credentials.json",
				      home)
		       : (struct bytes){ NULL, 0 };
}

/* The document of the environment; unset: there is none. -1: there is one that cannot be read. */
static int find_document(struct source *s, struct bytes *text)
{
	struct bytes path = bytes_of(getenv("GOOGLE_APPLICATION_CREDENTIALS"));

	if (path.n)
		return read_file(s, path, false, text);
	path = gcloud_path(s->arena);
	*text = (struct bytes){ NULL, 0 };
	return path.n ? read_file(s, path, true, text) : 0;
}

/* ---- the text of what is wanted: a line each for audience, exchange, and whether a document follows ---- */

struct bytes gcp_wanted_text(const struct gcp_wanted *w, struct arena *a)
{
	bool document = bytes_set(w->document);

	return arena_printf(a, "%.*s\n%s\n%s\n%.*s", BFMT(w->audience),
			    w->exchange ? "exchange" : "", document ? "document" : "",
			    BFMT(document ? w->document : B("")));
}

static struct bytes quota_project(yyjson_val *document)
{
	struct bytes own = json_str(json_get(document, "quota_project_id")),
		     given = bytes_of(getenv("GOOGLE_CLOUD_QUOTA_PROJECT"));

	return given.n ? given : own.n ? own : (struct bytes){ NULL, 0 };
}

int gcp_fetch(struct bytes what, struct http_client *client, struct arena *a, struct token *out)
{
	struct source s = { .client = client, .arena = a };
	yyjson_val *document;
	bool given;

	s.audience = bytes_cut(&what, '\n');
	s.exchange = bytes_cut(&what, '\n').n;
	given = bytes_cut(&what, '\n').n;
	if (!given && find_document(&s, &what))
		return -1;
	if (!bytes_set(what))
		return from_metadata(&s, out);
	document = json_parse(what, a);
	if (!document)
		return fail(ERR_CONFIG, "the credentials are no JSON object");
	if (!given)
		out->beside = quota_project(document);
	return fetch_document(&s, document, out);
}
