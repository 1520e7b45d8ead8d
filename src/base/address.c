/*
 * URLs by the engines: TensorZero reads and prints them with this crate, and names of the world's scripts take
 * tables (IDNA) that nobody writes by hand.
 */
#include "base/address.h"

#include <engines.h>
#include <stdio.h>

#include "base/thread.h"

#define AUTHORITY_MAX \
	4096 /* the crate's work on a name of the world's scripts grows with its square */

struct parse {
	struct bytes text;
	struct engine_url url;
	struct engine_text error;
};

static void parse(void *arg)
{
	struct parse *p = arg;

	engine_url_parse(p->text.p, p->text.n, &p->url, &p->error);
}

/* Whether user, host and port together are longer than any that is real. */
static bool is_too_long(struct bytes text)
{
	size_t from = (size_t)(bytes_chr(text, ':') + 1), n = 0;

	while (from < text.n && (text.p[from] == '/' || text.p[from] == '\\'))
		from++;
	while (from + n < text.n && n <= AUTHORITY_MAX && !memchr("/\\?#", text.p[from + n], 4))
		n++;
	return n > AUTHORITY_MAX;
}

const char *address_parse(struct bytes text, struct arena *a, struct address *out)
{
	static _Thread_local char why[96];
	struct parse p = { .text = text };
	const struct engine_url *u = &p.url;
	struct bytes all;

	if (is_too_long(text))
		return "invalid international domain name";
	thread_own_stack(parse, &p);
	if (p.error.p) {
		snprintf(why, sizeof(why), "%.*s", BFMT(p.error));
		engine_text_free(&p.error);
		return why;
	}
	all = arena_dup(a, (struct bytes){ u->text.p, u->text.n });
	engine_text_free(&p.url.text);
	if (!bytes_set(all))
		return "out of memory";
	*out = (struct address){
		.text = all,
		.scheme = bytes_slice(all, 0, u->scheme_end),
		.user = bytes_slice(all, u->user, u->host - u->user),
		.host = bytes_slice(all, u->host, u->host_end - u->host),
		.path = bytes_slice(all, u->path, u->path_end - u->path),
		.query = bytes_slice(all, u->path_end, u->query_end - u->path_end),
	};
	return NULL;
}
