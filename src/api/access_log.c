/*
 * Paths and user agents are what clients write: both are cut at 200 bytes, and the query, where keys may stand, is never
 * shown. Unknown routes are kept in a small table under one lock: whoever looks for holes asks for thousands of paths, and
 * gets a line for the first of them and a count for the others.
 */
#include "api/access_log.h"

#include <pthread.h>

#include "base/log.h"
#include "base/map.h"
#include "base/time.h"
#include "inference/inference.h"
#include "net/socket.h"

#define SHOWN      200 /* bytes of a path, of a user agent */
#define ROUTES_MAX 64  /* unknown routes of one minute */
#define MINUTE_MS  60000

void access_note(struct exchange *ex, const char *state, bool stream, const struct result *result)
{
	ex->told.state = state;
	ex->told.stream = stream;
	ex->told.known = result != NULL;
	if (!result)
		return;
	ex->told.finish = finish_reason_name(result->finish);
	ex->told.tokens_in = result->usage.input_tokens;
	ex->told.tokens_out = result->usage.output_tokens;
}

/* A number that is known, or a field that ends nothing and is left out. */
static struct log_field known(const char *key, int64_t number)
{
	return number >= 0 ? LI(key, number) : LB(key, ((struct bytes){ NULL, 0 }));
}

static struct bytes peer(const struct exchange *ex, char out[SOCK_ADDRESS_TEXT])
{
	struct sockaddr_storage addr;

	if (!exchange_peer(ex, &addr))
		return (struct bytes){ NULL, 0 };
	sock_ip_text((const struct sockaddr *)&addr, out);
	return bytes_of(out);
}

void access_write(const struct exchange *ex, bool api, struct bytes profile, uint64_t took_ns)
{
	int which = api_config(ex)->server.access_log;
	bool told = ex->told.state != NULL;
	char client[SOCK_ADDRESS_TEXT];

	if (which == ACCESS_LOG_OFF || (which == ACCESS_LOG_API && !api))
		return;
	log_info("access", "request", LB("request_id", api_request_id(ex)),
		 LB("method", bytes_slice(ex->method, 0, SHOWN)),
		 LB("path", bytes_slice(ex->path, 0, SHOWN)),
		 LS("route", ex->route ? ex->route : "other"), LB("profile", profile),
		 LI("status", ex->status), LR("ms", (double)took_ns / 1e6),
		 known("ttft_ms",
		       ex->first_ms ? (int64_t)(ex->first_ms - ex->started_ns / 1000000) : -1),
		 LB("client", peer(ex, client)),
		 LB("user_agent", bytes_slice(exchange_get(ex, B("user-agent")), 0, SHOWN)),
		 LI("bytes_in", ex->bytes_received), LI("bytes_out", ex->bytes_sent),
		 LB("inference_id", api_header_set(ex, B("x-signet-inference-id"))),
		 LB("model", api_header_set(ex, B("x-signet-model"))),
		 LB("provider", api_header_set(ex, B("x-signet-provider"))),
		 known("stream", told ? ex->told.stream : -1), LS("state", ex->told.state),
		 LB("finish", ex->told.finish),
		 known("in_tokens", ex->told.known ? ex->told.tokens_in : -1),
		 known("out_tokens", ex->told.known ? ex->told.tokens_out : -1),
		 LI("worker", ((struct worker *)ex->user)->number));
}

/* ---- routes that are not there ---- */

static struct {
	pthread_mutex_t lock;
	struct {
		uint64_t hash, since_ms;
	} at[ROUTES_MAX];
	uint64_t unsaid; /* since the last line: repeats, and paths that found no place */
} unknown = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Under the lock. */
static bool is_due(uint64_t hash, uint64_t now)
{
	size_t place = ROUTES_MAX;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		bool over = now - unknown.at[i].since_ms >= MINUTE_MS;

		if (unknown.at[i].hash == hash && !over)
			return false;
		if (!unknown.at[i].hash || over)
			place = i;
	}
	if (place == ROUTES_MAX)
		return false;
	unknown.at[place].hash = hash;
	unknown.at[place].since_ms = now;
	return true;
}

void access_no_route(const struct exchange *ex)
{
	uint64_t hash = (hash_bytes(ex->path) ^ hash_bytes(ex->method) * 3) | 1;
	uint64_t unsaid = 0;
	char client[SOCK_ADDRESS_TEXT];
	bool due;

	pthread_mutex_lock(&unknown.lock);
	due = is_due(hash, clock_mono_ms());
	if (due)
		unsaid = unknown.unsaid;
	unknown.unsaid = due ? 0 : unknown.unsaid + 1;
	pthread_mutex_unlock(&unknown.lock);
	if (!due)
		return;
	log_info("access", "no such route", LB("request_id", api_request_id(ex)),
		 LB("method", bytes_slice(ex->method, 0, SHOWN)),
		 LB("path", bytes_slice(ex->path, 0, SHOWN)), LI("status", ex->status),
		 LB("client", peer(ex, client)), known("others", unsaid ? (int64_t)unsaid : -1));
}
