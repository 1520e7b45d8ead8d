/*
 * Refusals at the door and their rows. A stranger who is refused costs nothing but an answer; a row is a write to the disk,
 * so rows are rationed by the minute: some for each address, that one who floods does not hide the others, and some
 * for all together, since a network has more addresses than a table has places.
 */
#include "api/door.h"

#include <netinet/in.h>
#include <pthread.h>

#include "api/api.h"
#include "base/map.h"
#include "base/metrics.h"
#include "base/time.h"

#define ROWS_OF_PEER 30 /* a minute; docs/access.md says both */
#define ROWS_OF_ALL  120
#define PLACES       1024 /* addresses that fall on the same one share it */
#define MINUTE_MS    60000

static METRIC(unrecorded, METRIC_COUNTER, "signet_refused_unrecorded_total", NULL,
	      "Requests refused at the door that left no row, because of too many in that minute");

static struct {
	pthread_mutex_t lock;
	uint64_t minute;
	unsigned of_all;
	unsigned char of_place[PLACES];
} ration = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Of an IPv6 address the network: who has one address there has them all. */
static size_t place_of(const struct exchange *ex)
{
	struct sockaddr_storage peer;
	const struct sockaddr_in *v4 = (const void *)&peer;
	const struct sockaddr_in6 *v6 = (const void *)&peer;
	struct bytes address = { 0 };

	if (!exchange_peer(ex, &peer))
		return 0;
	if (peer.ss_family == AF_INET)
		address = (struct bytes){ (const char *)&v4->sin_addr, sizeof(v4->sin_addr) };
	else if (peer.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		address = (struct bytes){ (const char *)&v6->sin6_addr.s6_addr[12], 4 };
	else if (peer.ss_family == AF_INET6)
		address = (struct bytes){ (const char *)&v6->sin6_addr, 8 };
	return (size_t)(hash_bytes(address) % PLACES);
}

static bool may_leave_row(const struct exchange *ex)
{
	uint64_t minute = clock_mono_ms() / MINUTE_MS;
	size_t place = place_of(ex);
	bool may;

	pthread_mutex_lock(&ration.lock);
	if (ration.minute != minute) {
		ration.minute = minute;
		ration.of_all = 0;
		memset(ration.of_place, 0, sizeof(ration.of_place));
	}
	may = ration.of_all < ROWS_OF_ALL && ration.of_place[place] < ROWS_OF_PEER;
	if (may) {
		ration.of_all++;
		ration.of_place[place]++;
	}
	pthread_mutex_unlock(&ration.lock);
	return may;
}

bool door_refuse(struct exchange *ex, const struct door *door, int status)
{
	status = status ? status : error_kind_status(error_last()->kind);
	if (door->surface && api_app(ex)->store) {
		if (may_leave_row(ex))
			answer_refused(ex, door->surface, status);
		else
			METRIC_ADD(&unrecorded, 1);
	}
	api_respond_error(ex, door->write_error, status, B(""));
	return false;
}
