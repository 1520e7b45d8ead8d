/*
 * Google says what went wrong in three places at once: an HTTP status, a word in `status`, and details of which two count
 * here: how long to wait, and that it is the key that was refused, which AI Studio calls a bad request.
 */
#include "wire/google_error.h"

#include "base/error.h"

#define RETRY_MAX_MS (INT64_C(86400) * 1000) /* nobody waits longer */

static yyjson_val *error_of(yyjson_val *document)
{
	yyjson_val *first = yyjson_is_arr(document) ? yyjson_arr_get_first(document) : document,
		   *error = json_get(first, "error");

	return yyjson_is_obj(error) ? error : NULL;
}

/* "7s", "1.5s". -1: none of these. */
static int64_t delay_ms(struct bytes text)
{
	struct bytes whole;
	int64_t ms, scale = 100;
	uint64_t n;

	if (!bytes_ends(text, B("s")))
		return -1;
	text.n--;
	whole = bytes_cut(&text, '.');
	if (!bytes_to_u64(whole, &n))
		return -1;
	ms = n < RETRY_MAX_MS / 1000 ? (int64_t)n * 1000 : RETRY_MAX_MS;
	for (size_t i = 0; i < text.n && scale; i++, scale /= 10)
		if (text.p[i] >= '0' && text.p[i] <= '9')
			ms += scale * (text.p[i] - '0');
	return ms;
}

struct details {
	int64_t wait_ms;
	struct bytes reason;
};

static struct details details_of(yyjson_val *error)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(json_get(error, "details"));
	struct details d = { .wait_ms = -1 };
	yyjson_val *one;

	while ((one = yyjson_arr_iter_next(&it))) {
		struct bytes delay = json_str(json_get(one, "retryDelay")),
			     reason = json_str(json_get(one, "reason"));

		if (delay.n)
			d.wait_ms = delay_ms(delay);
		if (reason.n)
			d.reason = reason;
	}
	return d;
}

static struct bytes code_of(yyjson_val *error, const struct details *d)
{
	static const struct bytes refused_keys[] = { B("API_KEY_INVALID"),
						     B("API_KEY_SERVICE_BLOCKED") };

	for (size_t i = 0; i < COUNT(refused_keys); i++)
		if (bytes_eq(refused_keys[i], d->reason))
			return refused_keys[i];
	return json_str(json_get(error, "status"));
}

void google_read_error(struct error *e, struct bytes body, struct arena *a)
{
	struct error kept = *e;
	yyjson_val *error = NULL;
	struct details d;

	if (body.n && *body.p != '<') {
		/* a text that cannot be parsed is an error of its own, which must not take the place of this one */
		if (e == error_last())
			e->owned = NULL;
		error = error_of(json_parse(body, a));
		if (e == error_last())
			error_clear();
		*e = kept;
	}
	if (!error) {
		wire_read_error_body(e, body, a);
		return;
	}
	d = details_of(error);
	e->upstream_body = body;
	e->upstream_code = arena_dup(a, code_of(error, &d));
	e->upstream_message = arena_dup(a, json_str(json_get(error, "message")));
	if (!e->upstream_message.n)
		e->upstream_message = body;
	if (e->retry_after_ms < 0)
		e->retry_after_ms = d.wait_ms;
}

static bool is_client_status(int status)
{
	return status == 400 || status == 401 || status == 413 || status == 429;
}

int google_fail(yyjson_val *document, struct bytes provider_type, bool stream, struct arena *a)
{
	yyjson_val *error = error_of(document);
	struct upstream_said said = { .provider_type = provider_type, .fatal = stream };
	struct details d;
	uint64_t code;

	if (!error && yyjson_is_obj(document))
		return 0;
	d = details_of(error);
	if (json_u64(json_get(error, "code"), &code) && code >= 400 && code <= 599)
		said.status = (int)code;
	said.code = arena_dup(a, code_of(error, &d));
	said.message = json_print_arena(error ? error : document, a);
	if (!bytes_set(said.message))
		return -1;
	wire_fail_said(is_client_status(said.status) ? ERR_INFERENCE_CLIENT : ERR_INFERENCE_SERVER,
		       &said);
	error_last()->retry_after_ms = d.wait_ms;
	if (json_str(json_get(error, "message")).n)
		error_last()->upstream_message = arena_dup(a, json_str(json_get(error, "message")));
	return -1;
}
