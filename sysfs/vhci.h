/* SPDX-License-Identifier: MIT */
/*
 * vhci-hcd, the kernel's importing driver: its table of ports, attach and detach.
 * Sources: drivers/usb/usbip/vhci_sysfs.c, vhci_hcd.c, include/uapi/linux/usbip.h.
 *
 * Everything is written to and read from controller 0, whose numbers cover all controllers. Each
 * controller has a high-speed half and a super-speed half of as many ports (since Linux 4.13);
 * which half an attach lands in is decided by the speed alone, so a port is only ever chosen from
 * the half that fits.
 */
#ifndef SYSFS_VHCI_H
#define SYSFS_VHCI_H

#include "proto/busid.h"
#include "sysfs/sysfs.h"

#define VHCI_MODULE "vhci-hcd"

enum {
	/* Kconfig: at most 128 controllers of twice 15 ports */
	VHCI_CONTROLLERS_MAX = 128,
	VHCI_PORTS_MAX = VHCI_CONTROLLERS_MAX * 30,
	VHCI_SPEED_SUPER = 5, /* enum usb_device_speed; from here on the super-speed half */
	VHCI_SPEED_SUPER_PLUS = 6,
};

enum vhci_state {
	VHCI_ABSENT = 0, /* the table has no such port */
	VHCI_FREE = 4,
	VHCI_ATTACHING = 5, /* attached, no address yet: the peer has yet to answer */
	VHCI_USED = 6, /* it got an address; at super-speed that needs no answer of the peer */
	VHCI_ERROR = 7,
};

enum vhci_hub { VHCI_ANY = 0 /* one hub for all speeds, before 4.13 */, VHCI_HIGH, VHCI_SUPER };

struct vhci_port {
	uint32_t devid; /* busnum << 16 | devnum at the server; 0 unless VHCI_USED */
	uint8_t state;	/* enum vhci_state */
	uint8_t hub;	/* enum vhci_hub */
	char busid[10]; /* of the device here; empty unless VHCI_USED */
};

struct vhci {
	unsigned ports;	      /* one more than the highest port of the table */
	unsigned controllers; /* that share them evenly */
	struct vhci_port port[VHCI_PORTS_MAX];
};

/*
 * Adds what one status file says to the table. The formats of all kernels are understood (by words
 * and by the header line, never by column): -EPROTO for a text that is none of them; then the table
 * holds what came before the fault. text is cut into words.
 */
int vhci_parse(struct vhci *vhci, char *text);

/* Whether the driver is there, ready and may be written: 0, -ENOENT, -EAGAIN (its controllers are
 * still being set up; reading their status would crash the kernel), -EACCES, -EROFS. */
int vhci_check(const struct sysfs *sysfs);

/* Reads the whole table as it is now: 0, or an error of vhci_check() or vhci_parse(). */
int vhci_read(const struct sysfs *sysfs, struct vhci *vhci);

/* Whether the port's device has answered the kernel: it is in sysfs. */
bool vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port);

/* The controller of a port. The kernel gives addresses to its devices one after the other
 * (address0_mutex in drivers/usb/core/hub.c), to those of different controllers at once. */
unsigned vhci_controller(const struct vhci *vhci, unsigned port);

/*
 * A free port for a device of that speed, or -ENOSPC: the one it had, else the lowest on the
 * controller with the fewest devices, among those that nobody had where there are such. last says
 * of each port who had it last (0: nobody), as numbers of the caller's; it may be NULL.
 */
int vhci_free_port(const struct vhci *vhci, uint32_t speed, const uint32_t *last, uint32_t who);

/*
 * Hands the connected stream socket fd of this process to the kernel, which keeps a reference of
 * its own. -EBUSY: somebody took the port; read the table again. Success is not yet a device: the
 * port goes from VHCI_ATTACHING to VHCI_USED when the peer has answered.
 * A super-speed-plus device becomes super-speed where the kernel (before 6.12) knows no more.
 */
int vhci_attach(const struct sysfs *sysfs, unsigned port, int fd, uint32_t devid, uint32_t speed);

/* Ends what is attached there; the port is free a moment later. -EINVAL: it was free already. */
int vhci_detach(const struct sysfs *sysfs, unsigned port);

#endif
