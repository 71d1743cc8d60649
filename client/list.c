/* SPDX-License-Identifier: MIT */
/* usbiphp list HOST: the devices a server publishes, as a table for people. */
#include "client/ask.h"
#include "client/client.h"
#include "loop/log.h"
#include "proto/text.h"

#include <string.h>
#include <unistd.h>

struct listing {
	client_show *show;
	void *ctx;
	struct ask ask;
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

static void print_device(void *ctx, const struct op_device *device,
			 const struct op_interface *interface)
{
	static const char head[] = "BUSID            ID         MBIT/S  CLASS\n";
	unsigned *devices = ctx;
	char line[256], class[128], speed[12];
	size_t len;

	if (!(*devices)++)
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
	unsigned devices = 0;

	listing.show = show ? show : print_device;
	listing.ctx = show ? ctx : &devices;
	ask->route.endpoint = server;
	if (!ask_list(ask, OP_REQ_DEVLIST, see, &listing)) {
		if (!ask->loop.stopping)
			exchange_complain(&ask->exchange, &ask->result);
		return 1;
	}
	if (!show && !devices)
		log_info("%s has no device to attach", server->name);
	return 0;
}
