/* SPDX-License-Identifier: MIT */
/* The port of a hub that a bus id stands for: "1-2.3" is port 3 of the hub 1-2, "1-2" port 2 of the
 * root hub usb1. */
#ifndef HOST_PORT_H
#define HOST_PORT_H

#include "sysfs/device.h"

struct port {
	uint16_t bus, hub; /* the hub's node: 001/004. hub 0: there is no such port */
	uint16_t number;
};

/* Finds it. The bus id must be that of a device, which need not be there. 0 or -errno. */
int port_find(const struct sysfs *sysfs, const char *busid, struct port *port);
/* A socket for SuperSpeed has a second port, on another bus; port->hub is 0 if there is none. */
void port_find_companion(const struct sysfs *sysfs, const char *busid, struct port *port);
/* Whether only devices that this machine imports over USB/IP are plugged in there. */
bool port_is_virtual(const struct sysfs *sysfs, const char *busid);
bool port_equals(const struct port *port, const struct port *other);

#endif
