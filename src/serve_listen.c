/*
 * Sockets that the service manager has opened go before the addresses of the configuration, which then are only said to
 * be others: who sets up a .socket unit wants its sockets. All workers accept from each of them; the kernel
 * spreads connections over workers only where each has a socket of its own (SO_REUSEPORT).
 */
#include "serve_listen.h"

#include "base/error.h"
#include "base/log.h"
#include "net/socket.h"

static void use_given(struct listener *l, const char *key)
{
	char configured[SOCK_ADDRESS_TEXT], given[SOCK_ADDRESS_TEXT];

	if (!l->given.n)
		return;
	sock_address_text((struct sockaddr *)&l->addr, configured);
	sock_address_text((struct sockaddr *)&l->given.addr, given);
	if (strcmp(configured, given))
		log_info("serve", "sockets of the service manager (LISTEN_FDS) go before the file",
			 LS("key", key), LS("file", configured), LS("running", given));
	l->addr = l->given.addr;
	l->addr_n = l->given.addr_n;
}

int listeners_find(const struct config *c, struct listener at[LISTENERS])
{
	struct listener *api = &at[LISTENER_API], *pages = &at[LISTENER_PAGES];

	if (!sock_address_parse(c->gateway.bind_address, &api->addr, &api->addr_n) ||
	    (c->ui.enabled && bytes_set(c->ui.bind_address) &&
	     !sock_address_parse(c->ui.bind_address, &pages->addr, &pages->addr_n)))
		return fail(ERR_INTERNAL, "an address that config/ has checked");
	if (listen_fds_take(&api->given, &pages->given))
		return -1;
	if (pages->given.n && !pages->addr_n)
		return fail(
			ERR_CONFIG,
			"a socket named `pages` (LISTEN_FDNAMES) needs `[ui] bind_address`: without it the pages are at the address of the API");
	use_given(api, "gateway.bind_address");
	use_given(pages, "ui.bind_address");
	return 0;
}

int listeners_test(struct listener at[LISTENERS])
{
	for (int i = 0; i < LISTENERS; i++)
		if (at[i].addr_n && !at[i].given.n &&
		    http_bind_test((struct sockaddr *)&at[i].addr, at[i].addr_n))
			return -1;
	return 0;
}

struct http_server *listener_open(const struct listener *l, void *user)
{
	struct http_server_options options = l->options;

	options.user = user;
	if (l->given.n)
		return http_server_share(l->given.fd, l->given.n, &options);
	return http_server_listen((const struct sockaddr *)&l->addr, l->addr_n, &options);
}

void listeners_close(struct listener at[LISTENERS])
{
	for (int i = 0; i < LISTENERS; i++)
		listen_fds_close(&at[i].given);
}
