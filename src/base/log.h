/*
 * The log: one event a line on stderr (or --log-file), pretty on a terminal, JSON elsewhere.
 * Field names are those of signet-own (i). Never give it a credential, a signature or a body.
 * Safe from any thread. The same warning (area, message, status and all texts but ids) is written once a minute with
 * a count. Warnings and errors of a request carry `request_id` and `inference_id` by themselves.
 */
#ifndef SIGNET_BASE_LOG_H
#define SIGNET_BASE_LOG_H

#include "base/bytes.h"
#include "base/ids.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_AUTO, LOG_PRETTY, LOG_JSON };

struct log_field {
	const char *key;
	enum { LOG_END, LOG_TEXT, LOG_INT, LOG_REAL } type;
	struct bytes text;
	int64_t num;
	double real;
};

#define LB(k, b) ((struct log_field){ .key = (k), .type = LOG_TEXT, .text = (b) })
#define LS(k, s) ((struct log_field){ .key = (k), .type = LOG_TEXT, .text = bytes_of(s) })
#define LI(k, v) ((struct log_field){ .key = (k), .type = LOG_INT, .num = (int64_t)(v) })
#define LR(k, v) ((struct log_field){ .key = (k), .type = LOG_REAL, .real = (v) })

/* Texts that are unset (NULL) are left out. `area` names the floor ("net", "sign", ...), which SIGNET_LOG=info,net=debug selects. */
void log_write(enum log_level, const char *area, const char *msg, const struct log_field *fields);
bool log_enabled(enum log_level, const char *area);

#define log_at(level, area, msg, ...)                                                             \
	do {                                                                                      \
		if (log_enabled((level), (area)))                                                 \
			log_write((level), (area), (msg),                                         \
				  (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } }); \
	} while (0)
#define log_error(area, msg, ...) log_at(LOG_ERROR, area, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_warn(area, msg, ...)  log_at(LOG_WARN, area, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_info(area, msg, ...)  log_at(LOG_INFO, area, msg __VA_OPT__(, ) __VA_ARGS__)
#define log_debug(area, msg, ...) log_at(LOG_DEBUG, area, msg __VA_OPT__(, ) __VA_ARGS__)

/* `filter` as SIGNET_LOG ("info", "warn,net=debug"); NULL = "info". -1: it names no level. */
int log_setup(enum log_format, const char *filter);
/* Of all areas that the filter does not name, from now on. Any thread. */
void log_level(enum log_level);
int log_open_file(const char *path); /* --log-file; -1 with errno's text in the error */
void log_reopen(void);               /* SIGUSR1 */
/* Who tells on which request's behalf the calling thread works just now; false: on nobody's. At start, before other threads. */
void log_ids_from(bool (*)(struct uuid *));
/* Every few seconds (`now` = clock_mono_ms()): writes the warnings that were held back for a minute, with their counts. */
void log_tick(uint64_t now);
void log_flush(void); /* at the end: writes the warnings that were held back, with their counts */

#endif
