/*
 * Profiles (providers-others §4.1 #2): ~/.aws/config and ~/.aws/credentials, and what a profile may name in the place of
 * keys: a command, a role of another profile, a session of single sign-on.
 *
 * Files are read anew at each search, by a thread; nothing of them is kept. The trap: profiles may name each other in a
 * ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "fiber/offload.h"
#include "sign/sigv4.h"
#include "upstream/aws_credentials.h"

#define FILE_BYTES  (1u << 20)
#define CHAIN_MAX   8 /* profiles that name each other */
#define COMMAND_MS  60000u
#define SSO_WAIT_MS 10000u

static struct bytes env(const char *name)
{
	const char *text = getenv(name);

	return text && *text ? bytes_of(text) : (struct bytes){ NULL, 0 };
}

/* ---- files ---- */

struct reading {
	const char *path;
	struct arena *arena;
	struct bytes text;
	int result;
};

static void read_here(void *arg)
{
	struct reading *r = arg;
	int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct buf text;

	if (fd < 0) {
		r->result = errno == ENOENT || errno == ENOTDIR
				    ? 0
				    : fail(ERR_API_KEY_MISSING, "%s cannot be read: %s", r->path,
					   strerror(errno));
		return;
	}
	buf_init(&text, FILE_BYTES + BUF_READ_ROOM);
	r->result = buf_read(&text, fd) ? -1 : 1;
	close(fd);
	if (r->result == 1) {
		r->text = arena_dup(r->arena, buf_bytes(&text));
		r->result = bytes_set(r->text) ? 1 : -1;
	}
	buf_deinit(&text);
}

int aws_file(struct aws_search *s, struct bytes path, struct bytes *out)
{
	struct reading r = { .path = arena_dup(s->arena, path).p, .arena = s->arena };

	if (!r.path || offload(read_here, &r))
		return -1;
	*out = r.text;
	return r.result;
}

static struct bytes home_file(struct aws_search *s, const char *variable, const char *name)
{
	struct bytes path = env(variable), home = env("HOME");

	if (bytes_set(path))
		return path;
	return arena_printf(s->arena, "%.*s/.aws/%s", BFMT(home), name);
}

/* ---- their format ---- */

struct profiles {
	struct bytes config, credentials; /* texts; "" if the file is not there */
};

static int read_profiles(struct aws_search *s, struct profiles *p)
{
	*p = (struct profiles){ 0 };
	if (aws_file(s, home_file(s, "AWS_CONFIG_FILE", "config"), &p->config) < 0 ||
	    aws_file(s, home_file(s, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
		     &p->credentials) < 0)
		return -1;
	return 0;
}

/* "[profile a]" -> "a", "[sso-session a]" -> "a" for its own prefix; unset: another section. */
static struct bytes section_name(struct bytes line, struct bytes prefix)
{
	ptrdiff_t end = bytes_chr(line, ']');
	struct bytes name;

	if (end < 0)
		return (struct bytes){ NULL, 0 };
	name = bytes_trim(bytes_slice(line, 1, (size_t)end - 1));
	if (!prefix.n)
		return name;
	if (bytes_starts(name, prefix))
		return bytes_trim(bytes_slice(name, prefix.n, name.n));
	return bytes_eq(prefix, B("profile ")) && bytes_eq(name, B("default"))
		       ? name
		       : (struct bytes){ NULL, 0 };
}

/* The value of a key in a section; unset: none. With an unset key: the section itself is there. */
static struct bytes lookup(struct bytes text, struct bytes prefix, struct bytes section,
			   struct bytes key)
{
	struct bytes found = { NULL, 0 };
	bool inside = false;

	while (text.n) {
		struct bytes line = bytes_cut(&text, '\n'), name;

		line = bytes_trim(bytes_ends(line, B("\r")) ? bytes_slice(line, 0, line.n - 1)
							    : line);
		if (bytes_starts(line, B("["))) {
			inside = bytes_eq(section_name(line, prefix), section);
			if (inside && !bytes_set(key))
				return section;
			continue;
		}
		if (!inside || !bytes_set(key) || bytes_starts(line, B("#")) ||
		    bytes_starts(line, B(";")))
			continue;
		name = bytes_trim(bytes_cut(&line, '='));
		if (bytes_eq(name, key))
			found = bytes_trim(line);
	}
	return found;
}

/* The credentials file wins. */
static struct bytes get(const struct profiles *p, struct bytes profile, struct bytes key)
{
	struct bytes value = lookup(p->credentials, B(""), profile, key);

	return bytes_set(value) ? value : lookup(p->config, B("profile "), profile, key);
}

static struct bytes profile_name(void)
{
	struct bytes name = env("AWS_PROFILE");

	return bytes_set(name) ? name : B("default");
}

struct bytes aws_profile_region(struct aws_search *s)
{
	struct profiles p;

	if (read_profiles(s, &p))
		return (struct bytes){ NULL, 0 };
	return get(&p, profile_name(), B("region"));
}

/* ---- a command ---- */

struct command {
	const char *line;
	struct buf out;
	int result; /* exit status; -1: error set */
};

/* Reads what it prints until it ends, or its time is over. */
static bool read_output(int fd, struct buf *out)
{
	uint64_t end = clock_mono_ms() + COMMAND_MS;
	char piece[4096];
	ssize_t n = 1;

	while (n > 0) {
		uint64_t now = clock_mono_ms();
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (now >= end || poll(&p, 1, (int)(end - now)) <= 0)
			return false;
		n = read(fd, piece, sizeof piece);
		if (n > 0 && buf_append(out, (struct bytes){ piece, (size_t)n }))
			return false;
	}
	return true;
}

static void run_here(void *arg)
{
	struct command *c = arg;
	char *argv[] = { "sh", "-c", (char *)c->line, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], status = 0;
	pid_t pid;
	bool whole;

	c->result = -1;
	if (pipe2(ends, O_CLOEXEC)) {
		fail(ERR_IO, "credential_process: %s", strerror(errno));
		return;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	status = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (status) {
		close(ends[0]);
		fail(ERR_IO, "credential_process: %s", strerror(status));
		return;
	}
	whole = read_output(ends[0], &c->out);
	close(ends[0]);
	if (!whole)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	c->result = whole && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (c->result)
		fail(ERR_API_KEY_MISSING, "credential_process did not end well (%s %d)",
		     whole ? "status" : "not within a minute, or too long an answer; status",
		     WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static int from_command(struct aws_search *s, struct bytes line, struct aws_keys *out)
{
	struct command c = { .line = arena_dup(s->arena, line).p };
	struct bytes text;

	if (!c.line)
		return -1;
	buf_init(&c.out, FILE_BYTES);
	if (offload(run_here, &c))
		c.result = -1;
	text = arena_dup(s->arena, buf_bytes(&c.out));
	buf_deinit(&c.out);
	if (c.result || !bytes_set(text))
		return -1;
	return aws_read_keys(s, "credential_process", text, out) ? -1 : 1;
}

/* ---- single sign-on ---- */

/* The file of a token that somebody's login left: named by the hash of the session, or of the old form's URL. */
static struct bytes sso_file(struct aws_search *s, struct bytes session)
{
	unsigned char digest[SHA_DIGEST_LENGTH];
	char hex[2 * SHA_DIGEST_LENGTH + 1];

	SHA1((const unsigned char *)session.p, session.n, digest);
	hex_print(digest, sizeof digest, hex);
	return arena_printf(s->arena, "%.*s/.aws/sso/cache/%s.json", BFMT(env("HOME")), hex);
}

static int sso_token(struct aws_search *s, struct bytes session, struct bytes *token)
{
	struct bytes text, end;
	yyjson_val *root;
	uint64_t ends = 0;
	int r = aws_file(s, sso_file(s, session), &text);

	if (r < 0)
		return -1;
	root = r ? json_parse(text, s->arena) : NULL;
	*token = json_str(json_get(root, "accessToken"));
	end = json_str(json_get(root, "expiresAt"));
	if (!token->n ||
	    (bytes_set(end) && (!time_parse_rfc3339(end, &ends) || ends <= clock_unix_ms())))
		return fail(ERR_API_KEY_MISSING,
			    "the login of `%.*s` is over or was never made (run `aws sso login`)",
			    BFMT(session));
	return 0;
}

static struct bytes sso_url(struct aws_search *s, struct bytes region, struct bytes account,
			    struct bytes role)
{
	struct bytes base = env("AWS_ENDPOINT_URL_SSO"), url = { NULL, 0 };
	struct buf out;

	if (!bytes_set(base))
		base = arena_printf(s->arena, "https://portal.sso.%.*s.amazonaws.com",
				    BFMT(region));
	buf_init(&out, 8192);
	if (!buf_printf(&out, "%.*s/federation/credentials?role_name=", BFMT(base)) &&
	    !sigv4_segment(&out, role) && !buf_append(&out, B("&account_id=")) &&
	    !sigv4_segment(&out, account))
		url = arena_dup(s->arena, buf_bytes(&out));
	buf_deinit(&out);
	return url;
}

/* {"roleCredentials":{"accessKeyId","secretAccessKey","sessionToken","expiration": ms}} */
static int read_sso(struct bytes body, struct aws_search *s, struct aws_keys *out)
{
	yyjson_val *keys = json_get(json_parse(body, s->arena), "roleCredentials");

	*out = (struct aws_keys){ .id = json_str(json_get(keys, "accessKeyId")),
				  .secret = json_str(json_get(keys, "secretAccessKey")),
				  .token = json_str(json_get(keys, "sessionToken")),
				  .source = "single sign-on" };
	json_u64(json_get(keys, "expiration"), &out->expires_unix_ms);
	return out->id.n && out->secret.n
		       ? 1
		       : fail(ERR_API_KEY_MISSING, "single sign-on gave no credentials");
}

static int from_sso(struct aws_search *s, const struct profiles *p, struct bytes profile,
		    struct aws_keys *out)
{
	struct bytes session = get(p, profile, B("sso_session")),
		     url = get(p, profile, B("sso_start_url")),
		     region = get(p, profile, B("sso_region")), token, body;
	struct aws_get g = {
		.what = "single sign-on", .method = B("GET"), .wait_ms = SSO_WAIT_MS, .nheaders = 1
	};
	int status;

	if (bytes_set(session))
		region = lookup(p->config, B("sso-session "), session, B("sso_region"));
	if (sso_token(s, bytes_set(session) ? session : url, &token))
		return -1;
	g.url = sso_url(s, region, get(p, profile, B("sso_account_id")),
			get(p, profile, B("sso_role_name")));
	g.headers[0] = (struct http_header){ B("x-amz-sso_bearer_token"), token };
	if (!bytes_set(g.url) || aws_get(s, &g, &status, &body))
		return -1;
	if (status != 200)
		return fail(ERR_API_KEY_MISSING, "single sign-on answered %d", status);
	return read_sso(body, s, out);
}

/* ---- profiles ---- */

static int from_named(struct aws_search *s, const struct profiles *p, struct bytes profile,
		      int depth, struct aws_keys *out);

/* What a role is assumed with: another profile, or a source by its name. */
static int role_base(struct aws_search *s, const struct profiles *p, struct bytes profile,
		     int depth, struct aws_keys *out)
{
	static const struct {
		struct bytes name;
		int (*from)(struct aws_search *, struct aws_keys *);
	} named[] = {
		{ B("Environment"), aws_from_environment },
		{ B("Ec2InstanceMetadata"), aws_from_instance },
		{ B("EcsContainer"), aws_from_container },
	};
	struct bytes other = get(p, profile, B("source_profile")),
		     source = get(p, profile, B("credential_source"));

	if (bytes_set(other) && !bytes_eq(other, profile))
		return from_named(s, p, other, depth + 1, out);
	if (bytes_set(other)) { /* its own keys */
		out->id = get(p, profile, B("aws_access_key_id"));
		out->secret = get(p, profile, B("aws_secret_access_key"));
		out->token = get(p, profile, B("aws_session_token"));
		return bytes_set(out->id) && bytes_set(out->secret);
	}
	for (size_t i = 0; i < COUNT(named); i++)
		if (bytes_eq(named[i].name, source))
			return named[i].from(s, out);
	return fail(
		ERR_API_KEY_MISSING,
		"profile `%.*s` has a `role_arn`, but neither `source_profile` nor a `credential_source` that is known",
		BFMT(profile));
}

static int from_role(struct aws_search *s, const struct profiles *p, struct bytes profile,
		     int depth, struct aws_keys *out)
{
	struct aws_role role = { .arn = get(p, profile, B("role_arn")),
				 .session = get(p, profile, B("role_session_name")),
				 .external_id = get(p, profile, B("external_id")),
				 .duration = get(p, profile, B("duration_seconds")) };
	struct aws_keys base = { 0 };
	int r = role_base(s, p, profile, depth, &base);

	if (r < 1)
		return r ? -1
			 : fail(ERR_API_KEY_MISSING,
				"profile `%.*s`: there is nothing to assume its role with",
				BFMT(profile));
	return aws_assume_role(s, &base, &role, out) ? -1 : 1;
}

static int from_keys(const struct profiles *p, struct bytes profile, struct aws_keys *out)
{
	*out = (struct aws_keys){ .id = get(p, profile, B("aws_access_key_id")),
				  .secret = get(p, profile, B("aws_secret_access_key")),
				  .token = get(p, profile, B("aws_session_token")),
				  .source = "a profile" };
	if (bytes_set(out->id) != bytes_set(out->secret))
		return fail(
			ERR_API_KEY_MISSING,
			"profile `%.*s` has only one of `aws_access_key_id` and `aws_secret_access_key`",
			BFMT(profile));
	return bytes_set(out->id);
}

/* 1; 0: the profile says nothing of credentials; -1. */
static int from_named(struct aws_search *s, const struct profiles *p, struct bytes profile,
		      int depth, struct aws_keys *out)
{
	struct bytes command = get(p, profile, B("credential_process"));
	int r;

	if (depth > CHAIN_MAX)
		return fail(ERR_API_KEY_MISSING, "profiles name each other in a ring (`%.*s`)",
			    BFMT(profile));
	if (bytes_set(get(p, profile, B("role_arn"))))
		return from_role(s, p, profile, depth, out);
	r = from_keys(p, profile, out);
	if (r)
		return r;
	if (bytes_set(get(p, profile, B("sso_session"))) ||
	    bytes_set(get(p, profile, B("sso_start_url"))))
		return from_sso(s, p, profile, out);
	return bytes_set(command) ? from_command(s, command, out) : 0;
}

int aws_from_profile(struct aws_search *s, struct aws_keys *out)
{
	struct bytes profile = profile_name(), none = { NULL, 0 };
	struct profiles p;
	bool there;
	int r;

	if (read_profiles(s, &p))
		return -1;
	there = bytes_set(lookup(p.credentials, B(""), profile, none)) ||
		bytes_set(lookup(p.config, B("profile "), profile, none));
	if (!there && bytes_set(env("AWS_PROFILE")))
		return fail(ERR_API_KEY_MISSING,
			    "AWS_PROFILE names `%.*s`, which no file of profiles has",
			    BFMT(profile));
	r = from_named(s, &p, profile, 0, out);
	if (r == 0)
		aws_not_there(s, arena_printf(s->arena, "profile `%.*s`: %s", BFMT(profile),
					      there ? "it has no credentials"
						    : "no file of profiles has it"));
	return r;
}
