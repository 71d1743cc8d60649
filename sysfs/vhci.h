/* SPDX-License-Identifier: MIT */
/*
 * vhci-hcd, the kernel's importing driver: its table of ports, attach and detach.
 * Sources: drivers/usb/usbip/vhci_sysfs.c, vhci_hcd.c, include/uapi/linux/usbip.h.
 *
 * All files are those of controller 0, whose port numbers cover all controllers. Since Linux 4.13
 * each controller has a high-speed half and a super-speed half with the same number of ports. The
 * kernel picks the half by the speed alone, so a port must be chosen from the half that fits.
 */
#ifndef SYSFS_VHCI_H
#define SYSFS_VHCI_H

#include "proto/usb.h"
#include "sysfs/sysfs.h"

#define VHCI_MODULE "vhci-hcd"

enum {
	VHCI_CONTROLLERS_MAX = 128, /* Kconfig, as the number of ports: twice 15 each */
	VHCI_PORTS_MAX = VHCI_CONTROLLERS_MAX * 30,
	VHCI_SPEED_SUPER = 5, /* enum usb_device_speed; this and above: the super-speed half */
	VHCI_SPEED_SUPER_PLUS = 6,
};

enum vhci_state {
	VHCI_ABSENT = 0, /* the table has no such port */
	VHCI_FREE = 4,
	VHCI_ATTACHING = 5, /* attached, without an address: the server has not answered yet */
	VHCI_USED = 6, /* with an address; at super-speed that needs no answer from the server */
	VHCI_ERROR = 7,
};

enum vhci_hub { VHCI_ANY = 0 /* one hub for all speeds, before 4.13 */, VHCI_HIGH, VHCI_SUPER };

struct vhci_port {
	uint32_t devid; /* busnum << 16 | devnum on the server; 0 unless VHCI_USED */
	uint8_t state;	/* enum vhci_state */
	uint8_t hub;	/* enum vhci_hub */
	char busid[10]; /* of the local device; empty unless VHCI_USED */
};

struct vhci {
	unsigned ports;	      /* one more than the highest port number of the table */
	unsigned controllers; /* the ports are shared evenly among them */
	struct vhci_port port[VHCI_PORTS_MAX];
};

/* Adds the ports of a status file of any kernel, by the words of its header line. 0, or -EPROTO
 * and the table holds the rows before the fault. text is modified. */
int vhci_parse(struct vhci *vhci, char *text);
/* Whether the driver is loaded and ready and its files may be written: 0, -ENOENT, -EAGAIN (its
 * controllers are being set up; reading their status would crash the kernel), -EACCES, -EROFS. */
int vhci_check(const struct sysfs *sysfs);
/* Reads the whole table: 0, or an error as of vhci_check() or vhci_parse(). */
int vhci_read(const struct sysfs *sysfs, struct vhci *vhci);
/* Whether the device at the port has answered the kernel: then it is in sysfs. True also if that
 * cannot be found out, as a disk of it may be in use. */
bool vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port);
/* The controller of a port. Devices at one controller get their addresses one after the other
 * (address0_mutex in drivers/usb/core/hub.c), those at different controllers at the same time. */
unsigned vhci_controller(const struct vhci *vhci, unsigned port);

/*
 * Picks a free port for a device of that speed, or -ENOSPC. last has for each port the caller's
 * number of the device that used it last, 0 for none; device is such a number, or 0. First choice
 * is its last port, then an unused one; among several the lowest on the least busy controller.
 */
int vhci_free_port(const struct vhci *vhci, uint32_t speed, const uint32_t *last, uint32_t device);

/*
 * Hands fd, a connected stream socket, to the kernel, which keeps a reference of its own. 0 or
 * -errno; -EBUSY means that another program took the port: read the table again. The port is
 * VHCI_ATTACHING then. A kernel before 6.12 gets a super-speed-plus device as super-speed.
 */
int vhci_attach(const struct sysfs *sysfs, unsigned port, int fd, uint32_t devid, uint32_t speed);
/* Detaches the device at the port, which is free a moment later: 0 or -errno, -EINVAL if it was
 * free already. */
int vhci_detach(const struct sysfs *sysfs, unsigned port);

#endif
