/* SPDX-License-Identifier: MIT */
/* The port of a hub that a bus id stands for. */
#include "host/port.h"

#include "lib/str.h"

#include <string.h>

/* The name of the hub that a device is plugged into, and its port there. */
static uint16_t split_busid(const char *busid, char hub[BUSID_SIZE])
{
	size_t len = strcspn(busid, "-");
	const char *dot = strrchr(busid, '.'), *port = dot ? dot + 1 : busid + len + 1;
	uint32_t number = 0;

	if (dot)
		str_format(hub, BUSID_SIZE, "%.*s", (int)(dot - busid), busid);
	else
		str_format(hub, BUSID_SIZE, "usb%.*s", (int)len, busid);
	str_decimal(port, UINT8_MAX, &number);
	return (uint16_t)number;
}

static int port_of_hub(const struct sysfs *sysfs, const char *hub, uint16_t number,
		       struct port *port)
{
	port->number = number;
	return device_address(sysfs, hub, &port->bus, &port->hub);
}

int port_find(const struct sysfs *sysfs, const char *busid, struct port *port)
{
	char hub[BUSID_SIZE];
	uint16_t number = split_busid(busid, hub);

	return port_of_hub(sysfs, hub, number, port);
}

void port_find_companion(const struct sysfs *sysfs, const char *busid, struct port *port)
{
	char hub[BUSID_SIZE], peer[DEVICE_DRIVER_SIZE], *other;
	unsigned number = split_busid(busid, hub);
	bool root = !strncmp(hub, "usb", 3);
	uint32_t value;

	port->hub = 0;
	/* the directory of a hub's ports is that of its interface: 1-0:1.0, 1-2:1.0 */
	if (device_read_link(sysfs, sysfs_path(DEVICE_DIR "%s%s:1.0/%s-port%u/peer",
					       hub + (root ? 3 : 0), root ? "-0" : "", hub,
					       number).text, peer))
		return;
	other = strstr(peer, "-port");
	if (!other || str_decimal(other + strlen("-port"), UINT8_MAX, &value))
		return;
	*other = '\0';
	port_of_hub(sysfs, peer, (uint16_t)value, port);
}

bool port_is_virtual(const struct sysfs *sysfs, const char *busid)
{
	char driver[DEVICE_DRIVER_SIZE];
	int len = (int)strcspn(busid, "-");

	return !device_read_link(sysfs, sysfs_path(DEVICE_DIR "usb%.*s/../driver", len, busid).text,
				 driver) &&
	       !strcmp(driver, "vhci_hcd");
}

bool port_equals(const struct port *port, const struct port *other)
{
	return !memcmp(port, other, sizeof(*port));
}
