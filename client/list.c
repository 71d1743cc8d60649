/* SPDX-License-Identifier: MIT */
/* usbiphp list HOST: asks for the devices that a server publishes. */
#include "client/client.h"
#include "client/query.h"

struct listing {
	struct query query;
	client_show *show;
	void *ctx;
};

static void see(struct request *request, const struct op_device *device,
		const struct op_interface *interface)
{
	struct listing *listing = request->ctx;

	listing->show(listing->ctx, device, interface);
}

int client_list(const struct endpoint *server, const struct psk *key, client_show *show, void *ctx)
{
	static struct listing listing;
	struct query *query = &listing.query;

	listing.show = show;
	listing.ctx = ctx;
	query->target.endpoint = server;
	query->target.key = key;
	if (query_list(query, OP_REQ_DEVLIST, see, &listing))
		return 0;
	if (!query->loop.stopping)
		request_log_failure(&query->request, &query->result);
	return 1;
}
