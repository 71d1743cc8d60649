/* SPDX-License-Identifier: MIT */
/* A USB device in user space: opened, taken from its drivers, and given back to them. */
#include "usbfs/device.h"

#include "usbfs/buffers.h"
#include "usbfs/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USBFS_DRIVER "usbfs" /* of claimed interfaces */

/* Devices that do not come back from a reset, known from usbredir. */
static const uint16_t never_reset[][2] = { { 0x1210, 0x001c } };

static int open_node(int nodes, unsigned bus, unsigned number)
{
	char path[24];
	int fd;

	snprintf(path, sizeof(path), "%03u/%03u", bus, number);
	fd = openat(nodes, path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int read_descriptors(struct usbfs_device *device)
{
	ssize_t n;

	do {
		n = read(device->fd, device->descriptors + device->len,
			 sizeof(device->descriptors) - device->len);
		if (n < 0)
			return -errno;
		device->len += (size_t)n;
	} while (n && device->len < sizeof(device->descriptors));
	return n ? -EFBIG : device->len < 18 ? -EPROTO : 0;
}

/* The kernel has put idVendor and idProduct into this machine's byte order. */
static bool is_never_reset(const uint8_t *descriptors)
{
	for (size_t i = 0; i < sizeof(never_reset) / sizeof(*never_reset); i++)
		if (!memcmp(descriptors + 8, never_reset[i], sizeof(*never_reset)))
			return true;
	return false;
}

int usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
	       uint8_t configuration)
{
	uint32_t capabilities;
	int error;

	memset(device, 0, sizeof(*device));
	device->memory = USBFS_MEMORY;
	device->configuration_at_start = configuration;
	device->fd = open_node(nodes, bus, number);
	if (device->fd < 0)
		return device->fd;
	error = read_descriptors(device);
	if (error) {
		usbfs_close(device);
		return error;
	}
	device->never_reset = is_never_reset(device->descriptors);
	usbfs_endpoints_read(device->descriptors, device->len, configuration, &device->endpoints);
	device->maps_are_cheap =
		usbfs_ioctl(device->fd, USBDEVFS_GET_CAPABILITIES, &capabilities) >= 0 &&
		capabilities & USBDEVFS_CAP_MMAP && usbfs_maps_are_cheap(device->fd);
	return 0;
}

int usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port)
{
	int error, fd = open_node(nodes, bus, hub);

	if (fd < 0)
		return fd;
	error = usbfs_ioctl(fd, USBDEVFS_CLAIM_PORT, &port);
	if (error < 0) {
		close(fd);
		return error;
	}
#ifdef USBDEVFS_ALLOW_SUSPEND
	usbfs_ioctl(fd, USBDEVFS_ALLOW_SUSPEND, NULL);
#endif
	return fd;
}

void usbfs_release_port(struct usbfs_port *port)
{
	if (port->fd < 0)
		return;
	usbfs_ioctl(port->fd, USBDEVFS_RELEASE_PORT, &port->number);
	close(port->fd);
	port->fd = -1;
}

static bool is_used_by_program(const struct usbfs_device *device, unsigned interface)
{
	struct usbdevfs_getdriver driver = { .interface = interface };

	return usbfs_ioctl(device->fd, USBDEVFS_GETDRIVER, &driver) >= 0 &&
	       !strcmp(driver.driver, USBFS_DRIVER);
}

/* All before any: so nothing was taken when another program is found. */
static int claim_all(struct usbfs_device *device)
{
	const struct usbfs_endpoints *endpoints = &device->endpoints;
	struct usbdevfs_disconnect_claim claim = { .flags = USBDEVFS_DISCONNECT_CLAIM_EXCEPT_DRIVER,
						   .driver = USBFS_DRIVER };
	int error;

	for (unsigned i = 0; i < endpoints->interfaces; i++)
		if (is_used_by_program(device, endpoints->interface[i]))
			return -EBUSY;
	for (unsigned i = 0; i < endpoints->interfaces; i++) {
		claim.interface = endpoints->interface[i];
		error = usbfs_ioctl(device->fd, USBDEVFS_DISCONNECT_CLAIM, &claim);
		if (error < 0)
			return error;
	}
	return 0;
}

/* Interfaces that are not claimed do not mind. */
static void release_all(struct usbfs_device *device)
{
	for (unsigned i = 0; i < device->endpoints.interfaces; i++) {
		unsigned interface = device->endpoints.interface[i];

		usbfs_ioctl(device->fd, USBDEVFS_RELEASEINTERFACE, &interface);
	}
}

/* Nothing may be claimed. Where a port is not claimed the machine's drivers come at once. */
static int configure_device(struct usbfs_device *device, uint8_t configuration)
{
	unsigned value = configuration;
	int error = usbfs_ioctl(device->fd, USBDEVFS_SETCONFIGURATION, &value);

	if (error >= 0)
		usbfs_endpoints_read(device->descriptors, device->len, configuration,
				     &device->endpoints);
	return error < 0 ? error : 0;
}

int usbfs_configure(struct usbfs_device *device)
{
	uint8_t first = 0;

	if (device->endpoints.configuration ||
	    !usbfs_configurations(device->descriptors, device->len, &first))
		return 0;
	if (!device->configuration_at_start)
		device->configuration_at_start = first;
	return configure_device(device, first);
}

int usbfs_claim(struct usbfs_device *device)
{
	int error = usbfs_configure(device);

	return error ? error : claim_all(device);
}

/* Leaves nothing claimed: usbfs does not survive a reset as a driver. */
static int reset_device(struct usbfs_device *device)
{
	int error = 0;

	if (!device->never_reset)
		error = usbfs_ioctl(device->fd, USBDEVFS_RESET, NULL);
	if (error < 0)
		return error == -EINVAL ? -ENODEV : error; /* it came back as another device */
	release_all(device);
	device->used = false;
	return 0;
}

int usbfs_reset(struct usbfs_device *device)
{
	int error = reset_device(device);

	if (error)
		return error;
	usbfs_endpoints_read(device->descriptors, device->len, device->endpoints.configuration,
			     &device->endpoints);
	return usbfs_claim(device);
}

int usbfs_set_configuration(struct usbfs_device *device, uint8_t configuration)
{
	int error, claimed;

	release_all(device);
	error = configure_device(device, configuration);
	claimed = claim_all(device);
	if (error && claimed == -EINVAL) /* it has none now: set_configuration() of message.c */
		usbfs_endpoints_read(device->descriptors, device->len, 0, &device->endpoints);
	return error ? error : claimed;
}

int usbfs_set_interface(struct usbfs_device *device, uint8_t interface, uint8_t setting)
{
	struct usbdevfs_setinterface set = { interface, setting };
	int error = usbfs_ioctl(device->fd, USBDEVFS_SETINTERFACE, &set);

	if (error < 0)
		return error;
	return usbfs_endpoints_set(device->descriptors, device->len, &device->endpoints, interface,
				   setting);
}

/* All interfaces must be free before: some drivers claim their neighbours. */
static void connect_all(struct usbfs_device *device)
{
	for (unsigned i = 0; i < device->endpoints.interfaces; i++) {
		struct usbdevfs_ioctl connect = { device->endpoints.interface[i],
						  USBDEVFS_CONNECT, NULL };

		usbfs_ioctl(device->fd, USBDEVFS_IOCTL, &connect);
	}
}

int usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t ports)
{
	uint8_t before = device->configuration_at_start;
	int error;

	release_all(device);
	error = device->used ? reset_device(device) : 0;
	for (size_t i = 0; i < ports; i++)
		usbfs_release_port(&port[i]);
	if (before != device->endpoints.configuration && error != -ENODEV)
		error = configure_device(device, before);
	connect_all(device);
	return error;
}

void usbfs_close(struct usbfs_device *device)
{
	if (device->fd >= 0)
		close(device->fd);
	device->fd = -1;
}
