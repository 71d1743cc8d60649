/* SPDX-License-Identifier: MIT */
/* usbiphp list HOST: asks for the devices that a server publishes. */
#include "client/client.h"
#include "client/exchange.h"
#include "loop/log.h"

struct listing {
	struct loop loop;
	struct route route;
	struct exchange exchange;
	bool ended;
	bool failed;
	client_show *show;
	void *ctx;
};

static void see(struct exchange *exchange, const struct op_device *device,
		const struct op_interface *interface)
{
	struct listing *listing = exchange->ctx;

	listing->show(listing->ctx, device, interface);
}

static void end(struct exchange *exchange, const struct exchange_result *result, int fd,
		const struct op_device *device)
{
	struct listing *listing = exchange->ctx;

	(void)fd;
	(void)device;
	listing->ended = true;
	listing->failed = result->outcome != EXCHANGE_OK;
	if (listing->failed)
		exchange_complain(exchange, result);
}

static void pass(void *ctx)
{
	struct listing *listing = ctx;

	if (!exchange_running(&listing->exchange) && !listing->ended)
		exchange_start(&listing->exchange, OP_REQ_DEVLIST, NULL);
	exchange_pass(&listing->exchange);
}

static void stop(void *ctx)
{
	struct listing *listing = ctx;

	exchange_cancel(&listing->exchange);
	listing->ended = listing->failed = true;
}

static bool done(void *ctx)
{
	struct listing *listing = ctx;

	return listing->ended;
}

int client_list(const struct endpoint *server, client_show *show, void *ctx)
{
	static const struct loop_role role = { pass, stop, done };
	static struct listing listing;
	int error = loop_open(&listing.loop, EXCHANGE_REPLY_MS, &role, &listing);

	if (error) {
		log_warn(error, "cannot start");
		return 1;
	}
	listing.route.endpoint = server;
	listing.show = show;
	listing.ctx = ctx;
	exchange_init(&listing.exchange, &listing.loop, &listing.route, &listing);
	listing.exchange.record = see;
	listing.exchange.done = end;
	loop_run(&listing.loop);
	loop_close(&listing.loop);
	return listing.failed;
}
