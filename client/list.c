/* SPDX-License-Identifier: MIT */
/* usbiphp list HOST: asks for the devices that a server publishes. */
#include "client/client.h"
#include "client/query.h"

struct listing {
	struct ask ask;
	client_show *show;
	void *ctx;
};

static void see(struct exchange *exchange, const struct op_device *device,
		const struct op_interface *interface)
{
	struct listing *listing = exchange->ctx;

	listing->show(listing->ctx, device, interface);
}

int client_list(const struct endpoint *server, const struct psk *key, client_show *show, void *ctx)
{
	static struct listing listing;
	struct ask *ask = &listing.ask;

	listing.show = show;
	listing.ctx = ctx;
	ask->route.endpoint = server;
	ask->route.key = key;
	if (ask_list(ask, OP_REQ_DEVLIST, see, &listing))
		return 0;
	if (!ask->loop.stopping)
		exchange_complain(&ask->exchange, &ask->result);
	return 1;
}
