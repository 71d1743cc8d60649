/* SPDX-License-Identifier: MIT */
/*
 * The endpoints of a device's active configuration, from its descriptors: USB/IP tells a URB's
 * endpoint but not its type, which usbfs wants to be told. Pure functions over any bytes.
 *
 * descriptors are what a read of the device's node gives (drivers/usb/core/devio.c usbdev_read()):
 * the device descriptor, then each configuration at its wTotalLength. The kernel changes no byte
 * where a configuration claims more than the device sent, so read into zeroed memory. The 16-bit
 * numbers of the device descriptor are in this machine's byte order there, and are not looked at.
 *
 * The descriptors may be malformed. Then these do as drivers/usb/core/config.c: a part whose length
 * is below 2 or beyond the end ends the configuration; what is too short, an endpoint number 0 and
 * endpoints above bNumEndpoints are left out; of two with one number the first counts.
 */
#ifndef USBFS_ENDPOINTS_H
#define USBFS_ENDPOINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { USBFS_INTERFACES_MAX = 32 }; /* USB_MAXINTERFACES of include/linux/usb.h */

struct usbfs_endpoint {
	uint16_t max_packet; /* bytes, without the additional transactions of high speed */
	bool exists;
	uint8_t type;	   /* USB_ENDPOINT_XFER_* of linux/usb/ch9.h */
	uint8_t interface; /* bInterfaceNumber; 0 for the control endpoint 0 */
	uint8_t interval;  /* bInterval */
};

struct usbfs_endpoints {
	uint8_t configuration; /* bConfigurationValue; 0: the device has no configuration now */
	uint8_t interfaces;    /* how many of the next two are set */
	/* bInterfaceNumber of each, in the order of the descriptors: any numbers. usbfs can claim
	 * those up to 63, or 31 where long has 32 bits. */
	uint8_t interface[USBFS_INTERFACES_MAX];
	uint8_t setting[USBFS_INTERFACES_MAX]; /* bAlternateSetting that each has now */
	/* By number. [0] always exists. A control endpoint is in both. */
	struct usbfs_endpoint in[16], out[16];
};

/*
 * The endpoints right after SET_CONFIGURATION: each interface has the alternate setting 0, or its
 * first if it has no 0. Returns 0; or -ENOENT if there is no such configuration, and *endpoints has
 * only the endpoint 0, as those of a device without a configuration.
 */
int usbfs_endpoints_read(const uint8_t *descriptors, size_t len, uint8_t configuration,
			 struct usbfs_endpoints *endpoints);

/* The endpoints after SET_INTERFACE. Returns 0; or -ENOENT if the configuration has no such
 * interface or that no such setting, and *endpoints is unchanged. */
int usbfs_endpoints_set(const uint8_t *descriptors, size_t len, struct usbfs_endpoints *endpoints,
			uint8_t interface, uint8_t setting);

/* How many configurations there are. *first is set to the value of the first, if there is one. */
unsigned usbfs_configurations(const uint8_t *descriptors, size_t len, uint8_t *first);
bool usbfs_has_configuration(const uint8_t *descriptors, size_t len, uint8_t configuration);

#endif
