/* SPDX-License-Identifier: MIT */
/* What a device says of itself, asked over the connection of its import. */
#include "client/descriptor_query.h"

#include "sysfs/descriptors.h"

#include <errno.h>
#include <string.h>

enum step { DEVICE, CONFIGURATION, LANGUAGES, PRODUCT, SERIAL, END };

enum {
	DEVICE_LENGTH = 18,
	STRING_LENGTH = 255,
	PRODUCT_AT = 15, /* in the device descriptor; the serial number's follows */
	ENGLISH = 0x0409, /* where a device does not say, as the kernel does */
};

static void ask(struct probe *probe, uint8_t type, uint8_t index, uint16_t length)
{
	probe->request.seqnum++;
	probe->request.type = type;
	probe->request.index = index;
	probe->request.language = index ? probe->language : 0;
	probe->request.length = length;
	probe->len = 0;
}

void probe_start(struct probe *probe, uint32_t devid)
{
	memset(probe, 0, sizeof(*probe));
	probe->request.devid = devid;
	probe->language = ENGLISH;
	ask(probe, URB_DEVICE, 0, DEVICE_LENGTH);
}

uint8_t *probe_room(struct probe *probe, size_t *size)
{
	int32_t status;
	uint16_t data = 0;

	urb_reply_decode(probe->in, probe->len, &probe->request, &status, &data);
	*size = URB_SIZE + (size_t)data - probe->len;
	return probe->in + probe->len;
}

static void add_class(struct probe *probe, uint8_t class)
{
	probe->class[class / 8] |= (uint8_t)(1 << class % 8);
}

/* The class of each interface descriptor that came whole, and the device's. */
static void take_classes(struct probe *probe, const uint8_t *data, size_t len)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	uint8_t both[DEVICE_LENGTH + URB_DATA_MAX] = { DEVICE_LENGTH, URB_DEVICE };
	struct op_device device;

	memcpy(both + DEVICE_LENGTH, data, len);
	descriptors_parse(both, DEVICE_LENGTH + len, &device, interface);
	for (unsigned i = 0; i < device.interfaces; i++)
		add_class(probe, interface[i].class);
}

static void take(struct probe *probe, const uint8_t *data, size_t len)
{
	switch (probe->step) {
	case DEVICE:
		if (len < DEVICE_LENGTH)
			break;
		add_class(probe, data[4]);
		memcpy(probe->index, data + PRODUCT_AT, sizeof(probe->index));
		break;
	case CONFIGURATION:
		take_classes(probe, data, len);
		break;
	case LANGUAGES:
		if (len >= 4)
			probe->language = (uint16_t)(data[2] | data[3] << 8);
		break;
	case PRODUCT:
		urb_string_decode(data, len, probe->strings.product, DEVICE_STRING_SIZE);
		break;
	case SERIAL:
		urb_string_decode(data, len, probe->strings.serial, DEVICE_STRING_SIZE);
		break;
	}
}

/* Strings that a device does not have are not asked for. */
static bool ask_next(struct probe *probe)
{
	const uint8_t *index = probe->index;

	while (++probe->step < END) {
		uint8_t string = probe->step < PRODUCT ? 0 : index[probe->step - PRODUCT];

		if (probe->step == CONFIGURATION)
			ask(probe, URB_CONFIGURATION, 0, URB_DATA_MAX);
		else if (string || (probe->step == LANGUAGES && (index[0] || index[1])))
			ask(probe, URB_STRING, string, STRING_LENGTH);
		else
			continue;
		return true;
	}
	return false;
}

int probe_next(struct probe *probe)
{
	int32_t status;
	uint16_t data;
	int n = urb_reply_decode(probe->in, probe->len, &probe->request, &status, &data);

	if (n <= 0)
		return n;
	/* a stall is its "no"; it must have said what it is */
	if (status && (status != -EPIPE || probe->step <= CONFIGURATION))
		return -EBADMSG;
	if (!status)
		take(probe, probe->in + URB_SIZE, data);
	return ask_next(probe) ? 1 : 2;
}
