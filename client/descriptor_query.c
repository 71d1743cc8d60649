/* SPDX-License-Identifier: MIT */
/* What a device says of itself, asked over the connection of its import. */
#include "client/descriptor_query.h"

#include "proto/wire.h"
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

static void ask(struct descriptor_query *query, uint8_t type, uint8_t index, uint16_t length)
{
	query->request.seqnum++;
	query->request.type = type;
	query->request.index = index;
	query->request.language = index ? query->language : 0;
	query->request.length = length;
	query->len = 0;
}

void descriptor_query_start(struct descriptor_query *query, uint32_t devid)
{
	memset(query, 0, sizeof(*query));
	query->request.devid = devid;
	query->language = ENGLISH;
	ask(query, URB_DEVICE, 0, DEVICE_LENGTH);
}

uint8_t *descriptor_query_room(struct descriptor_query *query, size_t *size)
{
	int32_t status;
	uint16_t data = 0;

	urb_reply_decode(query->in, query->len, &query->request, &status, &data);
	*size = URB_SIZE + (size_t)data - query->len;
	return query->in + query->len;
}

static void add_class(struct descriptor_query *query, uint8_t class)
{
	query->class[class / 8] |= (uint8_t)(1 << class % 8);
}

/* The class of each interface descriptor that came whole, and the device's. */
static void take_classes(struct descriptor_query *query, const uint8_t *data, size_t len)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	uint8_t both[DEVICE_LENGTH + URB_DATA_MAX] = { DEVICE_LENGTH, URB_DEVICE };
	struct op_device device;

	memcpy(both + DEVICE_LENGTH, data, len);
	descriptors_parse(both, DEVICE_LENGTH + len, &device, interface);
	for (unsigned i = 0; i < device.interfaces; i++)
		add_class(query, interface[i].class);
}

static void take(struct descriptor_query *query, const uint8_t *data, size_t len)
{
	switch (query->step) {
	case DEVICE:
		if (len < DEVICE_LENGTH)
			break;
		add_class(query, data[4]);
		memcpy(query->index, data + PRODUCT_AT, sizeof(query->index));
		break;
	case CONFIGURATION:
		take_classes(query, data, len);
		break;
	case LANGUAGES:
		if (len >= 4)
			query->language = wire_load_le16(data + 2);
		break;
	case PRODUCT:
		urb_string_decode(data, len, query->strings.product, DEVICE_STRING_SIZE);
		break;
	case SERIAL:
		urb_string_decode(data, len, query->strings.serial, DEVICE_STRING_SIZE);
		break;
	}
}

/* Strings that a device does not have are not asked for. */
static bool ask_next(struct descriptor_query *query)
{
	const uint8_t *index = query->index;

	while (++query->step < END) {
		uint8_t string = query->step < PRODUCT ? 0 : index[query->step - PRODUCT];

		if (query->step == CONFIGURATION)
			ask(query, URB_CONFIGURATION, 0, URB_DATA_MAX);
		else if (string || (query->step == LANGUAGES && (index[0] || index[1])))
			ask(query, URB_STRING, string, STRING_LENGTH);
		else
			continue;
		return true;
	}
	return false;
}

int descriptor_query_next(struct descriptor_query *query)
{
	int32_t status;
	uint16_t data;
	int n = urb_reply_decode(query->in, query->len, &query->request, &status, &data);

	if (n <= 0)
		return n;
	/* a stall is its "no"; it must have said what it is */
	if (status && (status != -EPIPE || query->step <= CONFIGURATION))
		return -EBADMSG;
	if (!status)
		take(query, query->in + URB_SIZE, data);
	return ask_next(query) ? 1 : 2;
}
