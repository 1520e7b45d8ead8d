/*
 * The check of the configuration's files as they are on disk now: what is wrong in them, and what differs from what runs
 * (ui §4.14, §5). They are loaded whole, as a start would, with the command line and environment of this process, and
 * thrown away again; what runs is not touched.
 * The trap: loading compiles signers and reads files, so all of it, the printing too, is done on another thread, one check
 * at a time.
 */
#include <pthread.h>

#include "api/internal.h"
#include "config/entries.h"

static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER;

struct check {
	struct app *app;
	struct arena *arena;
	struct pen *pen;
	bool busy, failed;
};

/* ---- what is wrong ---- */

static void put_issue(struct pen *p, const struct config_issue *issue)
{
	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "file", issue->file);
	pen_number(p, "line", issue->line);
	pen_text(p, "key", issue->key);
	pen_text(p, "text", issue->text);
	pen_close(p, '}');
}

static void put_issues(struct pen *p, struct bytes key, const struct config_issues *issues,
		       bool warnings)
{
	pen_member(p, key);
	pen_open(p, '[');
	for (size_t i = 0; i < issues->len; i++)
		if (issues->at[i].warning == warnings)
			put_issue(p, &issues->at[i]);
	pen_close(p, ']');
}

/* ---- what differs ---- */

static void put_value(struct pen *p, struct bytes key, const struct config_entry *e)
{
	pen_member(p, key);
	pen_bytes(p, e ? e->value : B("null"));
}

/* `old` or `now` NULL: it is not there. */
static void put_difference(struct pen *p, const struct config_entry *old,
			   const struct config_entry *now)
{
	const struct config_entry *known = now ? now : old;

	pen_item(p);
	pen_open(p, '{');
	pen_text(p, "key", known->key);
	put_value(p, B(",\"old\":"), old);
	put_value(p, B(",\"new\":"), now);
	pen_key(p, "file");
	pen_string_or_null(p, known->file);
	pen_key(p, "line");
	if (bytes_set(known->file))
		pen_u64(p, known->line);
	else
		pen_lit(p, "null");
	pen_text(p, "when", B("restart")); /* there is no reload in this version */
	pen_close(p, '}');
}

/* Both are sorted by key, so one walk finds all. */
static void put_differences(struct pen *p, const struct config_entries *old,
			    const struct config_entries *now)
{
	size_t i = 0, k = 0;

	while (i < old->len || k < now->len) {
		int order = i == old->len   ? 1
			    : k == now->len ? -1
					    : bytes_cmp(old->at[i].key, now->at[k].key);

		if (order < 0)
			put_difference(p, &old->at[i++], NULL);
		else if (order > 0)
			put_difference(p, NULL, &now->at[k++]);
		else if (bytes_eq(old->at[i].value, now->at[k].value))
			i++, k++;
		else
			put_difference(p, &old->at[i++], &now->at[k++]);
	}
}

/* ---- the check ---- */

static int compare(struct check *check, const struct config *now)
{
	struct config_entries old_entries = { .arena = check->arena },
			      new_entries = { .arena = check->arena };
	struct pen *p = check->pen;

	if (config_entries(check->app->config, &old_entries) ||
	    (now && config_entries(now, &new_entries)))
		return -1;
	pen_key(p, "diff");
	pen_open(p, '[');
	if (now)
		put_differences(p, &old_entries, &new_entries);
	pen_close(p, ']');
	return 0;
}

static void load_and_compare(struct check *check)
{
	struct config_issues issues = { 0 };
	struct config *now = config_load(&check->app->options, &issues);
	struct pen *p = check->pen;

	pen_key(p, "ok");
	pen_bytes(p, now ? B("true") : B("false"));
	pen_key(p, "hash");
	pen_string_or_null(p, now ? bytes_of(now->hash) : (struct bytes){ 0 });
	put_issues(p, B(",\"errors\":"), &issues, false);
	put_issues(p, B(",\"warnings\":"), &issues, true);
	check->failed = compare(check, now) != 0;
	config_issues_deinit(&issues);
	config_unref(now);
}

static void run_check(void *arg)
{
	struct check *check = arg;

	check->busy = pthread_mutex_trylock(&checking) != 0;
	if (check->busy)
		return;
	load_and_compare(check);
	pthread_mutex_unlock(&checking);
}

static void post_check(struct exchange *ex, const struct bytes params[INTERNAL_PARAMS])
{
	struct reply reply;
	struct check check = { .app = api_app(ex), .arena = ex->arena, .pen = &reply.pen };
	int bad;

	(void)params;
	reply_begin(&reply, ex);
	bad = offload(run_check, &check);
	if (!bad && check.busy)
		bad = fail(ERR_BUSY, "Another check is under way (try again in a moment)");
	if (!bad && check.failed)
		bad = fail(ERR_OUT_OF_MEMORY, "no memory to compare the configurations");
	reply_end(&reply, bad);
}

const struct internal_route internal_config_routes[] = {
	{ "POST", "/internal/signet/config/check", ROLE_ADMIN, post_check },
	{ 0 },
};
