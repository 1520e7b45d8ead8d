/*
 * Who may call: API keys in TensorZero's format, sessions of the pages, and the list of who changed what (storage §4.1,
 * ui §7). They are tables of signet.db and live in memory as a whole: a look-up waits for nothing, a change by this
 * process is in force when the call returns, one by another (`signet keys`) within half a second. What is stored of a
 * secret is its SHA-256. keys.json beside the database is a copy of the keys, for the day on which it is damaged.
 *
 * Look-ups are for any thread. Everything else blocks (a commit is synced): offload() it.
 */
#ifndef SIGNET_STORE_KEYS_H
#define SIGNET_STORE_KEYS_H

#include "base/arena.h"
#include "base/pen.h"
#include "config/config.h"

#define KEY_PUBLIC_ID 12
#define KEY_SECRET    48
#define KEY_TEXT      (6 + KEY_PUBLIC_ID + 1 + KEY_SECRET) /* "sk-t0-", the two and a dash */

struct keys;

/* Opens the keys of a data directory; makes signet.db if it is not there. What cannot be opened now is tried again by
 * the watching thread, which `watch` starts: until then look-ups say KEY_UNREADABLE. NULL: no memory, no thread, or,
 * without `watch`, the database cannot be opened. */
struct keys *keys_open(const char *data_dir, bool watch);
void keys_close(struct keys *);

/* ---- keys ---- */

/* The two parts of a key's text. NULL, or what is wrong with it in TensorZero's words. */
const char *key_parse(struct bytes text, struct bytes *public_id, struct bytes *secret);
/* A new one from the system's random numbers. */
void key_make(char text[KEY_TEXT + 1]);

enum key_state { KEY_GOOD, KEY_UNKNOWN, KEY_DISABLED, KEY_EXPIRED, KEY_UNREADABLE };
struct key_found {
	char public_id[KEY_PUBLIC_ID + 1];
	int role;       /* enum guard_role; -1: none of its own */
	uint64_t at_ms; /* when it was disabled or has expired */
};
enum key_state keys_find(struct keys *, struct bytes public_id, struct bytes secret,
			 struct key_found *);
/* The same for whoever is known already: a session that a key has opened. */
enum key_state keys_state(struct keys *, struct bytes public_id, struct key_found *);

/* Who makes a change, for the audit. */
struct actor {
	struct bytes user, address;
};
struct key_facts {
	struct bytes public_id, description;                               /* unset: none */
	uint64_t created_ms, updated_ms, expires_ms, disabled_ms, used_ms; /* 0: never */
	struct bytes created_by;
	int role; /* -1: none of its own */
};
/* Members of a JSON object, for lists: all but the last use, up to `role`. A time: in RFC 3339, or null for never. */
void key_put_facts(struct pen *, const struct key_facts *);
void key_put_time(struct pen *, uint64_t unix_ms);
/* What a change sets; the rest stays. */
struct key_change {
	bool set_description, set_expires, set_role, set_disabled;
	struct bytes description; /* unset: none */
	uint64_t expires_ms;      /* 0: never */
	int role;                 /* -1: none of its own */
	bool disabled;
};

/* -1: ERR_STORE. When it returns 0, the key survives whatever happens to this process. */
int keys_create(struct keys *, const struct key_change *, const struct actor *,
		char text[KEY_TEXT + 1]);
/* -1: ERR_STORE; ERR_NOT_FOUND, no such key. */
int keys_change(struct keys *, struct bytes public_id, const struct key_change *,
		const struct actor *);
/* A new key like the old one, which stays valid for so long, 0: not at all. -1: as above; ERR_INVALID_REQUEST: the old
 * one is disabled or has expired. */
int keys_rotate(struct keys *, struct bytes public_id, uint64_t keep_ms, const struct actor *,
		char text[KEY_TEXT + 1]);
/* All of them, the newest first; texts are in the arena. -1: ERR_STORE. */
int keys_list(struct keys *, struct arena *, struct key_facts **, size_t *n);

/* ---- sessions ---- */

#define SESSION_SECRET  64 /* hex digits in the cookie */
#define SESSION_IDLE_MS (12ull * 3600 * 1000)
#define SESSION_LIFE_MS (30ull * 24 * 3600 * 1000)
#define SESSION_USER    64
#define LINK_LIFE_MS    (15ull * 60 * 1000)
#define LINK_SECRET     32 /* hex digits */

struct session {
	char id[37]; /* what lists and DELETE call it; opens nothing */
	char user[SESSION_USER + 1];
	char method[9];                        /* password, key, link */
	char key_public_id[KEY_PUBLIC_ID + 1]; /* of method key */
	char proof[33]; /* of the password it was opened with; of another one, it has ended */
	char address[64];
	enum guard_role role;
	uint64_t created_ms, seen_ms, ends_ms; /* ends_ms: at the latest */
};

/* The session of a cookie's value that has not ended; it counts as seen. */
bool sessions_find(struct keys *, struct bytes secret, struct session *);
/* Makes one of what `s` says but id, times; they and the cookie's value are filled. -1: ERR_STORE; ERR_BUSY: too many. */
int sessions_create(struct keys *, struct session *s, char secret[SESSION_SECRET + 1]);
/* Ends it. -1: ERR_STORE, ERR_NOT_FOUND. */
int sessions_end(struct keys *, struct bytes id, const struct actor *);
/* Those that have not ended, the newest first, in the arena. */
int sessions_list(struct keys *, struct arena *, struct session **, size_t *n);

/* A link that opens one session within LINK_LIFE_MS. */
int links_create(struct keys *, char secret[LINK_SECRET + 1]);
/* 1: it was good, and is no longer; 0: it is not. -1: ERR_STORE. */
int links_use(struct keys *, struct bytes secret);

/* ---- audit ---- */

struct audit_event {
	uint64_t id, at_ms;
	struct bytes user, address, action, target;
};
int audit_add(struct keys *, const struct actor *, struct bytes action, struct bytes target);
/* At most `limit` events before `before` (0: the newest), newest first, in the arena. */
int audit_list(struct keys *, uint64_t before, size_t limit, struct arena *, struct audit_event **,
	       size_t *n);

#endif
