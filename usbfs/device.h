/* SPDX-License-Identifier: MIT */
/*
 * A USB device in user space, through its node in /dev/bus/usb (linux/usbdevice_fs.h). Sources:
 * drivers/usb/core/devio.c, hub.c, driver.c, message.c of the kernel.
 *
 * Whatever talks to the device blocks as long as the device, or the drivers of its interfaces,
 * take: 0.3 s for a reset, and 5 s and more if it does not answer. So each device has a process of
 * its own. If that is killed, the kernel gives up all it had of the device, but looks for no
 * drivers: the interfaces have none until somebody asks for them, as usbfs_give_back() does.
 */
#ifndef USBFS_DEVICE_H
#define USBFS_DEVICE_H

#include "usbfs/endpoints.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Of the device and all of its configurations. Those of cameras have some 4 KiB. */
	USBFS_DESCRIPTORS_MAX = 32 << 10,
	/* Bytes of URBs in flight, unless a caller sets less: half of what usbfs grants all devices
	 * of a machine together, by default. */
	USBFS_MEMORY = 8 << 20,
};

struct usbfs_device {
	int fd; /* of its node; -1: not open */
	/* Bytes that URBs may have in flight, and maps as many; one may always have what it needs.
	 * It may change at any time. */
	uint32_t memory;
	bool maps_are_cheap;
	bool never_reset; /* a reset breaks it */
	bool used;	  /* a session has used it since the last reset */
	/* bConfigurationValue; that of usbfs_configure() if it had none */
	uint8_t configuration_at_start;
	struct usbfs_endpoints endpoints; /* of the configuration and settings that it has now */
	size_t len;
	uint8_t descriptors[USBFS_DESCRIPTORS_MAX];
};

/*
 * Opens the device number of that bus. nodes is a handle of /dev/bus/usb. configuration is the
 * value of its attribute bConfigurationValue now, 0 if that is empty. Returns 0 or -errno: -ENODEV
 * or -ENOENT if there is no such device, -EFBIG if its descriptors are too long.
 */
int usbfs_open(struct usbfs_device *device, int nodes, unsigned bus, unsigned number,
	       uint8_t configuration);

/*
 * Claims a port of a hub, by the hub's device number: as long as the claim lasts the kernel
 * neither configures what arrives there nor looks for drivers. Those that are bound stay. A
 * SuperSpeed socket has two ports, on two hubs. It blocks while the hub deals with any of its
 * devices. Returns the claim, a descriptor, or -errno: -EBUSY if somebody, such as usbip-host, has
 * it. The hub may sleep, and wakes when something is plugged in (Linux 5.6).
 */
int usbfs_claim_port(int nodes, unsigned bus, unsigned hub, unsigned port);

/* A claim. */
struct usbfs_port {
	int fd;		 /* -1: there is none */
	unsigned number; /* of the port */
};

/* Gives up a claim, for all processes that have its descriptor, and closes that here. The kernel
 * does not look for drivers then. */
void usbfs_release_port(struct usbfs_port *port);

/* Chooses the first configuration if it has none. The kernel looks for drivers then, unless the
 * port is claimed. 0 or -errno. */
int usbfs_configure(struct usbfs_device *device);

/*
 * Takes the device from its drivers: claims all interfaces of its configuration, after choosing the
 * first one if it has none. Returns 0 or -errno: -EBUSY if another program uses an interface over
 * usbfs. After a failure usbfs_give_back() gives back what was taken.
 */
int usbfs_claim(struct usbfs_device *device);

/* For the session: each of these kills the URBs in flight that it concerns, which are reaped as
 * usual, with -ENOENT. */
/* Resets the device and claims it again. -ENODEV if it came back as another one, or not at all. */
int usbfs_reset(struct usbfs_device *device);
/* -EINVAL if there is no such configuration. 0 is none. After an error the device has the one
 * before, or none: device->endpoints tells. */
int usbfs_set_configuration(struct usbfs_device *device, uint8_t configuration);
/* -EINVAL or -ENOENT if there is no such setting or interface. */
int usbfs_set_interface(struct usbfs_device *device, uint8_t interface, uint8_t setting);

/*
 * Gives the device back to the drivers of this machine: resets it if it was used, releases its
 * ports, as drivers are not found before, and restores the configuration that it had at the start.
 * There must be no session. Returns 0 or -errno, -ENODEV if it is not there any more; the
 * ports are released in any case.
 */
int usbfs_give_back(struct usbfs_device *device, struct usbfs_port *port, size_t ports);

void usbfs_close(struct usbfs_device *device);

#endif
