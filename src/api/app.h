/*
 * What a running Signet consists of. One `struct app` a process; one `struct worker` a thread, reached
 * from a handler through exchange->user.
 */
#ifndef SIGNET_API_APP_H
#define SIGNET_API_APP_H

#include <stdatomic.h>

#include "config/shorthand.h"
#include "fiber/loop.h"
#include "inference/inference.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "store/keys.h"
#include "store/read.h"
#include "store/store.h"

struct worker;

struct app {
	struct config *config;     /* the one it was started with, for what is read at start only */
	struct in_force *in_force; /* the one in force (in_force.h) */
	struct store *store;       /* NULL: no record (gateway.observability.enabled = false) */
	struct keys *keys;         /* NULL: nothing asks for any */
	struct sign_in *sign_in;
	struct bytes admin_hash; /* of SIGNET_UI_PASSWORD; unset: there is none */
	struct reads *reads;     /* of the store; NULL with it */
	struct worker *workers;
	int nworkers;
	uint64_t started_unix_s, started_mono_ms;
	atomic_bool draining;
};

struct worker {
	struct app *app;
	int number;
	struct loop *loop;
	struct http_server *server;
	struct http_server *pages; /* of [ui] bind_address; NULL: there is none */
	struct http_client *client;
	struct config *config; /* in force here; changes between two requests (in_force.h) */
	struct config_swap {
		struct loop_task task;
		struct config *next;
	} swap;
};

#endif
