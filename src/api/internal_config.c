/*
 * The configuration as pages see it: in force key by key, what the files on disk would change, reload and return
 * (ui §4.14, §5). No secret is printed: of a credential its place and whether something is there.
 */
#include "api/internal.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <unistd.h>
#include <yyjson.h>

#include "api/in_force.h"

#define FILE_MAX (16u << 20)
#define BODY_MAX 4096

static void pen_null_or_text(struct pen *p, struct bytes key, struct bytes value)
{
	pen_member(p, key);
	pen_string_or_null(p, value);
}

static void pen_json_or_null(struct pen *p, struct bytes member, struct bytes json)
{
	pen_member(p, member);
	pen_bytes(p, bytes_set(json) ? json : B("null"));
}

/* ---- in force ---- */

struct config_page {
	struct app *app;
	const struct config *config;
	struct config_entries entries;
	struct config_changes waiting; /* for a restart */
	struct bytes *sums;            /* of the files, as they are now */
	struct kept_config kept[CONFIGS_KEPT];
	size_t nkept;
	int bad;
};

static struct bytes sum_of(struct bytes path, struct arena *a)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1], name[4096];
	struct buf text;
	FILE *f;
	int bad;

	snprintf(name, sizeof(name), "%.*s", BFMT(path));
	f = fopen(name, "re");
	if (!f)
		return (struct bytes){ 0 };
	buf_init(&text, FILE_MAX);
	bad = buf_read(&text, fileno(f));
	fclose(f);
	if (!bad)
		SHA256((const unsigned char *)buf_bytes(&text).p, text.len, digest);
	buf_deinit(&text);
	hex_print(digest, sizeof(digest), hex);
	return bad ? (struct bytes){ 0 } : arena_dup(a, bytes_of(hex));
}

static void make_config_page(void *arg)
{
	struct config_page *page = arg;
	struct arena *a = page->entries.arena;

	page->bad = config_entries(page->config, &page->entries) ||
		    config_changes(page->app->config, page->config, &page->waiting, a);
	page->nkept = configs_kept(page->app, page->kept);
	page->sums = arena_array(a, struct bytes, page->entries.nfiles + 1);
	for (size_t i = 0; page->sums && i < page->entries.nfiles; i++)
		page->sums[i] = sum_of(page->entries.files[i], a);
	if (!page->sums)
		page->bad = -1;
}

static void put_true(struct pen *p, struct bytes member, bool is)
{
	if (!is)
		return;
	pen_member(p, member);
	pen_lit(p, "true");
}

/* What the process runs with, where that is another value than the entry's. */
static void put_running(struct pen *p, const struct config_page *page, struct bytes key)
{
	for (size_t i = 0; i < page->waiting.len; i++)
		if (page->waiting.at[i].restart && bytes_eq(page->waiting.at[i].key, key)) {
			put_true(p, B(",\"needs_restart\":"), true);
			pen_json_or_null(p, B(",\"running\":"), page->waiting.at[i].old);
		}
}

static void put_entry(struct pen *p, const struct config_page *page, const struct config_entry *e)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "key", e->key);
	pen_key(p, "value");
	pen_bytes(p, e->value);
	pen_text(p, "from", bytes_of(entry_origin_name(e->from)));
	if (bytes_set(e->file)) {
		pen_text(p, "file", e->file);
		pen_number(p, "line", e->line);
	}
	put_true(p, B(",\"deprecated\":"), e->deprecated);
	put_true(p, B(",\"ignored\":"), e->ignored);
	put_running(p, page, e->key);
	pen_close(p, '}');
}

static void put_history(struct pen *p, const struct config_page *page)
{
	pen_key(p, "history");
	pen_open(p, '[');
	for (size_t i = 0; i < page->nkept; i++) {
		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "hash", bytes_of(page->kept[i].hash));
		pen_key(p, "loaded_at");
		pen_time(p, page->kept[i].loaded_unix_ms);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static void put_config(struct pen *p, const struct config_page *page)
{
	pen_text(p, "hash", bytes_of(page->config->hash));
	pen_key(p, "loaded_at");
	pen_time(p, page->config->loaded_unix_ms);
	pen_key(p, "files");
	pen_open(p, '[');
	for (size_t i = 0; i < page->entries.nfiles; i++) {
		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "path", page->entries.files[i]);
		pen_null_or_text(p, B(",\"sha256\":"), page->sums[i]);
		pen_close(p, '}');
	}
	pen_close(p, ']');
	pen_key(p, "entries");
	pen_open(p, '[');
	for (size_t i = 0; i < page->entries.len; i++)
		put_entry(p, page, &page->entries.at[i]);
	pen_close(p, ']');
	put_history(p, page);
}

static void get_config(struct exchange *ex, const struct bytes *params)
{
	struct config_page page = { .app = api_app(ex),
				    .config = api_config(ex),
				    .entries.arena = ex->arena };
	struct bytes hash = query_get(ex, B("hash"));
	struct reply reply;

	(void)params;
	if (hash.n && !bytes_eq(hash, bytes_of(page.config->hash))) {
		fail(ERR_NOT_FOUND, "hash=%.*s is not the configuration in force",
		     BFMT(bytes_head(hash, 100)));
		reply_error(ex, 404);
		return;
	}
	if (offload(make_config_page, &page) || page.bad) {
		reply_error(ex, 500);
		return;
	}
	reply_begin(&reply, ex);
	put_config(&reply.pen, &page);
	reply_end(&reply, 0);
}

/* ---- another one ---- */

struct config_work {
	struct app *app;
	enum { CHECK, RELOAD, ACTIVATE } what;
	struct bytes hash; /* unset: whatever the files say */
	struct actor actor;
	struct config_report report;
	struct error *error;
	struct arena *arena;
};

static void work_on_config(void *arg)
{
	struct config_work *w = arg;

	error_clear();
	switch (w->what) {
	case CHECK: config_check(w->app, &w->report); break;
	case RELOAD: config_reload(w->app, w->hash, &w->report); break;
	case ACTIVATE: config_activate(w->app, w->hash, &w->report); break;
	}
	if (w->report.verdict == CONFIG_NO_ROOM)
		w->error = error_save(w->arena);
	else if (w->what != CHECK && w->report.verdict == CONFIG_GOOD && w->app->keys)
		(void)audit_add(w->app->keys, &w->actor,
				w->what == RELOAD ? B("config.reload") : B("config.activate"),
				bytes_of(w->report.hash));
}

static void put_issues(struct pen *p, struct bytes member, const struct config_issues *issues,
		       bool warnings)
{
	pen_member(p, member);
	pen_open(p, '[');
	for (size_t i = 0; i < issues->len; i++) {
		const struct config_issue *issue = &issues->at[i];

		if (issue->warning != warnings)
			continue;
		pen_item(p);
		pen_open(p, '{');
		pen_null_or_text(p, B(",\"file\":"),
				 issue->file.n ? issue->file : (struct bytes){ 0 });
		pen_number(p, "line", issue->line);
		pen_text(p, "key", issue->key);
		pen_text(p, "text", issue->text);
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static void put_changes(struct pen *p, const struct config_changes *changes)
{
	pen_key(p, "diff");
	pen_open(p, '[');
	for (size_t i = 0; i < changes->len; i++) {
		const struct config_change *c = &changes->at[i];

		pen_item(p);
		pen_open(p, '{');
		pen_text(p, "key", c->key);
		pen_json_or_null(p, B(",\"old\":"), c->old);
		pen_json_or_null(p, B(",\"new\":"), c->new);
		if (bytes_set(c->file)) {
			pen_text(p, "file", c->file);
			pen_number(p, "line", c->line);
		}
		pen_text(p, "when", c->restart ? B("restart") : B("now"));
		pen_close(p, '}');
	}
	pen_close(p, ']');
}

static void put_report(struct pen *p, const struct config_report *r)
{
	pen_key(p, "ok");
	pen_bytes(p, r->verdict == CONFIG_GOOD ? B("true") : B("false"));
	pen_key(p, "hash");
	pen_string_or_null(p, *r->hash ? bytes_of(r->hash) : (struct bytes){ 0 });
	put_issues(p, B(",\"errors\":"), &r->issues, false);
	put_issues(p, B(",\"warnings\":"), &r->issues, true);
	put_changes(p, &r->changes);
}

/* The report, with an error in it where something was to be done and was not. */
static void answer_report(struct exchange *ex, const struct config_work *w)
{
	static const struct {
		int status;
		struct bytes error;
	} refusals[] = {
		[CONFIG_WRONG] = { 422, B("The files have errors: nothing has changed") },
		[CONFIG_MOVED] = { 409,
				   B("The files are no longer those that were checked: check them again") },
	};
	const struct config_report *r = &w->report;
	bool refused = w->what != CHECK && r->verdict != CONFIG_GOOD;
	struct buf out;
	struct pen p = { .b = &out };

	buf_init(&out, INTERNAL_ANSWER);
	pen_open(&p, '{');
	if (refused)
		pen_text(&p, "error",
			 w->what == ACTIVATE ? B("No configuration of that hash is kept")
					     : refusals[r->verdict].error);
	put_report(&p, r);
	pen_close(&p, '}');
	if (pen_done(&p))
		reply_error(ex, 503);
	else
		exchange_respond(ex, refused ? refusals[r->verdict].status : 200,
				 B("application/json"), buf_bytes(&out));
	buf_deinit(&out);
}

static void run_work(struct exchange *ex, struct config_work *w)
{
	struct caller caller;

	guard_caller(ex, &caller);
	w->actor = guard_actor(ex, &caller);
	w->app = api_app(ex);
	w->arena = ex->arena;
	if (offload(work_on_config, w)) {
		reply_error(ex, 503);
		return;
	}
	if (w->error) {
		fail_with(w->error);
		reply_error(ex, w->error->kind == ERR_CONFIG ? 422 : 503);
	} else {
		answer_report(ex, w);
	}
	config_report_deinit(&w->report);
}

/* {"hash": "…"} of the body; unset: there is none. -1: ERR_INVALID_REQUEST. */
static int read_hash(struct exchange *ex, struct bytes *hash)
{
	struct bytes body;
	yyjson_doc *doc;
	yyjson_val *value;
	int bad = 0;

	*hash = (struct bytes){ 0 };
	if (exchange_body(ex, &body))
		return -1;
	if (!bytes_trim(body).n)
		return 0;
	doc = body.n <= BODY_MAX ? yyjson_read(body.p, body.n, 0) : NULL;
	value = yyjson_obj_get(yyjson_doc_get_root(doc), "hash");
	if (yyjson_is_str(value))
		*hash = arena_dup(ex->arena,
				  (struct bytes){ yyjson_get_str(value), yyjson_get_len(value) });
	else if (!yyjson_is_obj(yyjson_doc_get_root(doc)) || value)
		bad = fail(ERR_INVALID_REQUEST, "The body is {\"hash\": \"…\"}, or nothing");
	yyjson_doc_free(doc);
	return bad;
}

/* 0: asked for and done, -1: a refusal of the body was answered. */
static int begin_work(struct exchange *ex, struct config_work *w)
{
	if (!read_hash(ex, &w->hash))
		return 0;
	reply_error(ex, error_last()->kind == ERR_INVALID_REQUEST ? 400 : 0);
	return -1;
}

static void post_check(struct exchange *ex, const struct bytes *params)
{
	struct config_work w = { .what = CHECK };

	(void)params;
	run_work(ex, &w);
}

/* Any valid key may, beside admins; and, where no keys are asked for, this machine (ui §7). */
static bool may_reload(struct exchange *ex)
{
	struct caller caller;

	guard_caller(ex, &caller);
	if (caller.method && (caller.role == ROLE_ADMIN || *caller.key_public_id))
		return true;
	if (!api_config(ex)->gateway.auth && guard_is_near(ex))
		return true;
	fail(ERR_AUTH,
	     "This takes an API key, or the role admin; without gateway.auth a process of this machine may, too");
	reply_error(ex, 403);
	return false;
}

static void post_reload(struct exchange *ex, const struct bytes *params)
{
	struct config_work w = { .what = RELOAD };

	(void)params;
	if (may_reload(ex) && !begin_work(ex, &w))
		run_work(ex, &w);
}

static void post_activate(struct exchange *ex, const struct bytes *params)
{
	struct config_work w = { .what = ACTIVATE };

	(void)params;
	if (begin_work(ex, &w))
		return;
	if (bytes_set(w.hash)) {
		run_work(ex, &w);
		return;
	}
	fail(ERR_INVALID_REQUEST, "The body is {\"hash\": \"…\"}: one of `history`");
	reply_error(ex, 400);
}

const struct internal_route internal_config_routes[] = {
	{ "GET", "/internal/signet/config", ROLE_VIEWER, get_config },
	{ "POST", "/internal/signet/config/check", ROLE_ADMIN, post_check },
	{ "POST", "/internal/signet/config/reload", ROLE_NONE, post_reload },
	{ "POST", "/internal/signet/config/activate", ROLE_ADMIN, post_activate },
	{ 0 },
};
