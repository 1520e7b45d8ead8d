/*
 * Headers that pass between a client and an upstream of one family (surfaces §1.6, §5.8): those of the request on, and what the
 * upstream tells of its limits back. Which ones is in the type's row.
 */
#include "base/error.h"
#include "upstream/call.h"

#define RETURNED_MAX   32 /* headers; no vendor has as many limits */
#define NAME_MAX_BYTES 128

/* Whether the list names it, the first entry that does: "x-codex-*" names all that begin so, "!x-codex-a" keeps one back. */
static bool is_passed(const struct bytes *names, struct bytes name)
{
	for (; names->n; names++) {
		bool back = bytes_starts(*names, B("!"));
		struct bytes one = bytes_slice(*names, back, names->n);

		if (name.n == 0 || ((*one.p ^ *name.p) & ~0x20)) /* nearly always */
			continue;
		if (bytes_ends(one, B("*")) ? bytes_istarts(name, bytes_slice(one, 0, one.n - 1))
					    : bytes_ieq(one, name))
			return !back;
	}
	return false;
}

/* A list may come in several headers of one name: they go on as one. Unset: header i was with one before it, or no memory. */
static struct bytes header_values(const struct exchange *x, size_t i, struct arena *a)
{
	struct bytes all = x->headers[i].value;

	for (size_t j = 0; j < x->nheaders && bytes_set(all); j++) {
		if (j == i || !bytes_ieq(x->headers[j].name, x->headers[i].name))
			continue;
		if (j < i)
			return (struct bytes){ NULL, 0 };
		all = arena_printf(a, "%.*s,%.*s", BFMT(all), BFMT(x->headers[j].value));
	}
	return all;
}

static bool is_family(const struct call *c)
{
	return c->inf->options->client_headers && c->inf->source_wire == c->wire;
}

/* Headers of a client that speaks the upstream's own format go on (surfaces §1.6). */
int call_pass_headers(struct call *c)
{
	const struct exchange *x = c->context->exchange;

	if (!x || !c->type->passed_headers || !is_family(c))
		return 0;
	for (size_t i = 0; i < x->nheaders; i++) {
		struct bytes value = { NULL, 0 };

		if (is_passed(c->type->passed_headers, x->headers[i].name))
			value = header_values(x, i, c->context->arena);
		if (bytes_set(value) &&
		    header_set(&c->headers, x->headers[i].name, value, c->context->arena))
			return -1;
	}
	return 0;
}

int call_take_returned(struct call *c)
{
	struct attempt *t = c->attempt;
	struct arena *a = c->context->arena;
	const struct bytes *names =
		credential_is_clients(&c->provider->api_key) && c->type->returned_to_owner
			? c->type->returned_to_owner
			: c->type->returned_headers;
	const struct http_header *came;
	size_t n, cap = 0;

	t->returned = NULL;
	t->nreturned = 0;
	if (!names || !is_family(c) || (t->status != 200 && t->status != 429))
		return 0;
	came = http_call_headers(c->http, &n);
	for (size_t i = 0; i < n && t->nreturned < RETURNED_MAX; i++) {
		struct http_header one;

		if (came[i].name.n > NAME_MAX_BYTES || !is_passed(names, came[i].name))
			continue;
		one = (struct http_header){ arena_dup(a, came[i].name),
					    call_redact_good(c, arena_dup(a, came[i].value)) };
		if (!bytes_set(one.name) || !bytes_set(one.value) ||
		    !arena_push(a, t->returned, t->nreturned, cap, one))
			return -1;
	}
	return 0;
}
