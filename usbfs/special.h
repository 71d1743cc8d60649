/* SPDX-License-Identifier: MIT */
/*
 * Control requests that the kernel must know of, as it keeps the device's state: each is an ioctl
 * in place of the transfer (USB 2.0 specification 9.4). They block, and kill the URBs in flight
 * that they concern.
 */
#ifndef USBFS_SPECIAL_H
#define USBFS_SPECIAL_H

#include "usbfs/device.h"

/* What tells that a client has reset its side of the device: it reads the device descriptor and
 * sets the configuration again. Its own reset never goes over the wire. */
struct usbfs_special {
	bool configured; /* it has set the configuration in this session */
	bool described;	 /* since then it has read the device descriptor, by endpoint 0 alone */
	/* Endpoints whose URBs the latest request of those below has killed: 1 << number, of IN
	 * 1 << (16 + number). */
	uint32_t killed;
};

/*
 * Carries a request out if it is one of those: SET_CONFIGURATION, SET_INTERFACE,
 * CLEAR_FEATURE(ENDPOINT_HALT) of another endpoint than 0, and SET_FEATURE(PORT_RESET), by which
 * some clients tell of a reset. Returns whether it was; then *status is 0 or -errno of the
 * transfer: -EPIPE where the device would not have accepted it, -ENODEV if it is gone.
 */
bool usbfs_special(struct usbfs_special *special, struct usbfs_device *device,
		   const uint8_t setup[8], int *status);

#endif
