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
};

static void print(const char *line, size_t len)
{
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* nobody reads it */
}

/* The classes of all interfaces, each once; of the device itself if it is not configured. */
static void class_words(const struct op_device *device, const struct op_interface *interface,
			char *buf, size_t size)
{
	bool named[256] = { false };
	size_t len = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < device->interfaces; i++) {
		uint8_t class = interface[i].class;

		if (!named[class])
			len += text_format(buf + len, size - len, "%s%s", len ? "," : "",
					   op_class_text(class));
		named[class] = true;
	}
	if (!device->interfaces)
		text_format(buf, size, "%s", device->class ? op_class_text(device->class) : "-");
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
	class_words(device, interface, class, sizeof(class));
	text_format(speed, sizeof(speed), "%u", op_speed_mbits(device->speed));
	len = text_format(line, sizeof(line), "%-16s %04x:%04x  %-6s  %s\n", device->busid,
			  device->vendor, device->product, speed, class);
	print(line, len);
}

int client_list(const struct endpoint *server)
{
	static struct listing listing;
	struct ask *ask = &listing.ask;

	ask->route.endpoint = server;
	if (!ask_list(ask, OP_REQ_DEVLIST, print_device, &listing)) {
		if (!ask->stopped)
			exchange_complain(&ask->exchange, &ask->result);
		return 1;
	}
	if (!listing.devices)
		log_info("%s has no device to attach", server->name);
	return 0;
}
