/* SPDX-License-Identifier: MIT */
/* The endpoints of a device's active configuration, from its descriptors. */
#include "usbfs/endpoints.h"

#include "proto/wire.h"

#include <errno.h>
#include <linux/usb/ch9.h>
#include <string.h>

/* The descriptors of one configuration. */
struct configuration {
	const uint8_t *p;
	size_t len;
};

/* Finds the configuration at *at, and moves *at behind it. */
static bool configuration_next(const uint8_t *descriptors, size_t len, size_t *at,
			       struct configuration *configuration)
{
	const uint8_t *p = descriptors + *at;
	size_t left = len - *at, total;

	if (left < USB_DT_CONFIG_SIZE || p[0] < USB_DT_CONFIG_SIZE || p[1] != USB_DT_CONFIG)
		return false;
	total = wire_load_le16(p + 2);
	if (total < USB_DT_CONFIG_SIZE)
		return false;
	if (total > left)
		total = left;
	configuration->p = p;
	configuration->len = total;
	*at += total;
	return true;
}

static bool configuration_find(const uint8_t *descriptors, size_t len, uint8_t value,
			       struct configuration *configuration)
{
	size_t at = USB_DT_DEVICE_SIZE;

	while (len > at && configuration_next(descriptors, len, &at, configuration))
		if (configuration->p[5] == value)
			return true;
	return false;
}

/* The descriptor at that place, or NULL if the configuration ends there. */
static const uint8_t *descriptor_at(const struct configuration *configuration, size_t at)
{
	const uint8_t *d = configuration->p + at;

	return at < configuration->len && d[0] >= 2 && at + d[0] <= configuration->len ? d : NULL;
}

static bool is_interface(const uint8_t *d)
{
	return d[1] == USB_DT_INTERFACE && d[0] >= USB_DT_INTERFACE_SIZE;
}

/* The place of an interface in the table; the number of interfaces if it has none. */
static unsigned interface_find(const struct usbfs_endpoints *endpoints, uint8_t interface)
{
	unsigned i = 0;

	while (i < endpoints->interfaces && endpoints->interface[i] != interface)
		i++;
	return i;
}

/* Lists the interfaces, each with its setting 0, or else its first. */
static void interfaces_read(const struct configuration *configuration,
			    struct usbfs_endpoints *endpoints)
{
	const uint8_t *d;
	unsigned i;

	for (size_t at = 0; (d = descriptor_at(configuration, at)); at += d[0]) {
		if (!is_interface(d))
			continue;
		i = interface_find(endpoints, d[2]);
		if (i == USBFS_INTERFACES_MAX || (i < endpoints->interfaces && d[3]))
			continue;
		endpoints->interface[i] = d[2];
		endpoints->setting[i] = d[3];
		if (i == endpoints->interfaces)
			endpoints->interfaces++;
	}
}

static void control_endpoint_set(const uint8_t *descriptors, struct usbfs_endpoints *endpoints)
{
	uint8_t size = descriptors[7]; /* bMaxPacketSize0; 9 is SuperSpeed's, 2 to the power of 9 */

	endpoints->in[0] = endpoints->out[0] = (struct usbfs_endpoint){
		.exists = true, .type = USB_ENDPOINT_XFER_CONTROL,
		.max_packet = size == 9 ? 512 : size,
	};
}

/* Returns whether it counts as one of the interface's. */
static bool endpoint_add(const uint8_t *d, uint8_t interface, struct usbfs_endpoints *endpoints)
{
	unsigned number = d[2] & USB_ENDPOINT_NUMBER_MASK;
	struct usbfs_endpoint *in = &endpoints->in[number], *out = &endpoints->out[number];
	const struct usbfs_endpoint endpoint = {
		.exists = true, .type = d[3] & USB_ENDPOINT_XFERTYPE_MASK, .interface = interface,
		.max_packet = wire_load_le16(d + 4) & USB_ENDPOINT_MAXP_MASK, .interval = d[6],
	};

	if (endpoint.type != USB_ENDPOINT_XFER_CONTROL) {
		if (d[2] & USB_DIR_IN)
			out = in;
		else
			in = out;
	}
	if (in->exists || out->exists)
		return false;
	*in = *out = endpoint;
	return true;
}

/* Sets all endpoints but 0 to those of the current settings. */
static void endpoints_read(const struct configuration *configuration,
			   struct usbfs_endpoints *endpoints)
{
	bool seen[USBFS_INTERFACES_MAX] = { false };
	uint8_t interface = 0, left = 0; /* endpoints of the interface */
	const uint8_t *d;

	memset(endpoints->in + 1, 0, sizeof(endpoints->in) - sizeof(*endpoints->in));
	memset(endpoints->out + 1, 0, sizeof(endpoints->out) - sizeof(*endpoints->out));
	for (size_t at = 0; (d = descriptor_at(configuration, at)); at += d[0]) {
		if (d[1] == USB_DT_INTERFACE) {
			unsigned i = is_interface(d) ? interface_find(endpoints, d[2]) : 0;

			left = 0;
			if (is_interface(d) && i < endpoints->interfaces && !seen[i] &&
			    d[3] == endpoints->setting[i]) {
				seen[i] = true;
				interface = d[2];
				left = d[4];
			}
		} else if (left && d[1] == USB_DT_ENDPOINT && d[0] >= USB_DT_ENDPOINT_SIZE) {
			left -= endpoint_add(d, interface, endpoints);
		}
	}
}

int usbfs_endpoints_read(const uint8_t *descriptors, size_t len, uint8_t configuration,
			 struct usbfs_endpoints *endpoints)
{
	struct configuration found;

	memset(endpoints, 0, sizeof(*endpoints));
	if (len >= USB_DT_DEVICE_SIZE)
		control_endpoint_set(descriptors, endpoints);
	if (!configuration_find(descriptors, len, configuration, &found))
		return -ENOENT;
	endpoints->configuration = configuration;
	interfaces_read(&found, endpoints);
	endpoints_read(&found, endpoints);
	return 0;
}

static bool setting_exists(const struct configuration *configuration, uint8_t interface,
			   uint8_t setting)
{
	const uint8_t *d;

	for (size_t at = 0; (d = descriptor_at(configuration, at)); at += d[0])
		if (is_interface(d) && d[2] == interface && d[3] == setting)
			return true;
	return false;
}

int usbfs_endpoints_set(const uint8_t *descriptors, size_t len, struct usbfs_endpoints *endpoints,
			uint8_t interface, uint8_t setting)
{
	unsigned i = interface_find(endpoints, interface);
	struct configuration found;

	if (i >= endpoints->interfaces ||
	    !configuration_find(descriptors, len, endpoints->configuration, &found) ||
	    !setting_exists(&found, interface, setting))
		return -ENOENT;
	endpoints->setting[i] = setting;
	endpoints_read(&found, endpoints);
	return 0;
}

unsigned usbfs_configurations(const uint8_t *descriptors, size_t len, uint8_t *first)
{
	struct configuration configuration;
	size_t at = USB_DT_DEVICE_SIZE;
	unsigned n = 0;

	while (len > at && configuration_next(descriptors, len, &at, &configuration))
		if (!n++)
			*first = configuration.p[5];
	return n;
}

bool usbfs_has_configuration(const uint8_t *descriptors, size_t len, uint8_t configuration)
{
	struct configuration found;

	return configuration_find(descriptors, len, configuration, &found);
}
