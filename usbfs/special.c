/* SPDX-License-Identifier: MIT */
/* Control requests that the kernel must know of. */
#include "usbfs/special.h"

#include "proto/wire.h"
#include "usbfs/node.h"

#include <errno.h>
#include <linux/usb/ch9.h>

enum {
	TO_PORT = USB_TYPE_CLASS | USB_RECIP_OTHER, /* USB 2.0 specification 11.24.2.13 */
	PORT_RESET = 4,
};

static int special_configuration(struct usbfs_special *special, struct usbfs_device *device,
			     uint8_t configuration)
{
	bool again = special->configured && special->described &&
		     configuration == device->endpoints.configuration;
	int error = again ? usbfs_reset(device) : 0;

	special->configured = true;
	special->described = false;
	return error ? error : usbfs_set_configuration(device, configuration);
}

static int special_clear_halt(const struct usbfs_device *device, unsigned endpoint)
{
	int error = usbfs_ioctl(device->fd, USBDEVFS_CLEAR_HALT, &endpoint);

	return error < 0 ? error : 0;
}

static uint32_t interface_endpoints(const struct usbfs_endpoints *endpoints, uint8_t interface)
{
	uint32_t bits = 0;

	for (unsigned i = 1; i < 16; i++) {
		bits |= (uint32_t)(endpoints->out[i].interface == interface) << i;
		bits |= (uint32_t)(endpoints->in[i].interface == interface) << (16 + i);
	}
	return bits;
}

/* What the kernel says of numbers that the device does not have. */
static int stall_status(int error)
{
	return error == -EINVAL || error == -ENOENT ? -EPIPE : error;
}

bool usbfs_special(struct usbfs_special *special, struct usbfs_device *device,
		   const uint8_t setup[8], int *status)
{
	unsigned request = (unsigned)setup[0] << 8 | setup[1];
	uint16_t value = wire_load_le16(setup + 2), index = wire_load_le16(setup + 4);

	special->killed = UINT32_MAX;
	switch (request) {
	case USB_RECIP_DEVICE << 8 | USB_REQ_SET_CONFIGURATION:
		*status = stall_status(special_configuration(special, device, (uint8_t)value));
		return true;
	case USB_RECIP_INTERFACE << 8 | USB_REQ_SET_INTERFACE:
		special->killed = interface_endpoints(&device->endpoints, (uint8_t)index);
		*status = stall_status(usbfs_set_interface(device, (uint8_t)index, (uint8_t)value));
		return true;
	case USB_RECIP_ENDPOINT << 8 | USB_REQ_CLEAR_FEATURE:
		if (value != USB_ENDPOINT_HALT || !(index & USB_ENDPOINT_NUMBER_MASK))
			return false;
		special->killed = 0;
		*status = stall_status(special_clear_halt(device, (uint8_t)index));
		return true;
	case TO_PORT << 8 | USB_REQ_SET_FEATURE:
		if (value != PORT_RESET)
			return false;
		*status = usbfs_reset(device);
		return true;
	case (unsigned)USB_DIR_IN << 8 | USB_REQ_GET_DESCRIPTOR:
		special->described |= value >> 8 == USB_DT_DEVICE;
		return false;
	default:
		return false;
	}
}
