/* SPDX-License-Identifier: MIT */
/* usbiphp list HOST: the devices a server publishes, as a table for people. */
#include "client/ask.h"
#include "client/client.h"
#include "loop/log.h"
#include "proto/text.h"

#include <string.h>
#include <unistd.h>

struct listing {
	struct ask ask;
	unsigned devices;
	client_show *show;
	void *ctx;
};

static void print(const char *line, size_t len)
{
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* nobody reads it */
}

static void see(struct exchange *exchange, const struct op_device *device,
		const struct op_interface *interface)
{
	struct listing *listing = exchange->ctx;

	listing->show(listing->ctx, device, interface);
}

static void print_device(struct exchange *exchange, const struct op_device *device,
			 const struct op_interface *interface)
{
	static const char head[] = "BUSID            ID         MBIT/S  CLASS\n";
	struct listing *listing = exchange->ctx;
	char line[256], class[128], speed[12];
	size_t len;

	if (!listing->devices++)
		print(head, sizeof(head) - 1);
	op_class_words(device, interface, class, sizeof(class));
	text_format(speed, sizeof(speed), "%u", op_speed_mbits(device->speed));
	len = text_format(line, sizeof(line), "%-16s %04x:%04x  %-6s  %s\n", device->busid,
			  device->vendor, device->product, speed, class[0] ? class : "-");
	print(line, len);
}

int client_list(const struct endpoint *server, client_show *show, void *ctx)
{
	static struct listing listing;
	struct ask *ask = &listing.ask;

	listing.show = show;
	listing.ctx = ctx;
	ask->route.endpoint = server;
	if (!ask_list(ask, OP_REQ_DEVLIST, show ? see : print_device, &listing)) {
		if (!ask->stopped)
			exchange_complain(&ask->exchange, &ask->result);
		return 1;
	}
	if (!show && !listing.devices)
		log_info("%s has no device to attach", server->name);
	return 0;
}
