/* SPDX-License-Identifier: MIT */
/* What a server sends, decoded as it arrives in pieces of any size. */
#include "client/reply.h"

#include "proto/wire.h"

#include <errno.h>
#include <string.h>

enum {
	DEVICE_LENGTH = 18,
	STRING_LENGTH = 255,
	VENDOR_AT = 8, /* idVendor in the device descriptor; idProduct follows */
	PRODUCT_AT = 15, /* iProduct in the device descriptor; iSerialNumber follows */
	ENGLISH = 0x0409, /* the language if the device lists none, as in the kernel */
};

void reply_start(struct reply *reply, enum op_code request)
{
	reply->code = request & 0x7fff; /* the top bit marks a request */
	reply->in_list = reply->mark_due = reply->marked = false;
	reply->identity = 0;
	reply->used = reply->len = 0;
}

bool reply_is_empty_list(const struct reply *reply)
{
	return reply->in_list && !reply->records;
}

static void reply_take_mark(struct reply *reply, const uint8_t *mark)
{
	if (reply->mark_due)
		reply->marked = op_mark_decode(mark, &reply->identity);
	reply->mark_due = false;
}

uint8_t *reply_room(struct reply *reply, size_t *size)
{
	size_t end = sizeof(reply->buf);

	assert(reply->used <= reply->len && reply->len <= sizeof(reply->buf));
	reply->len -= reply->used;
	memmove(reply->buf, reply->buf + reply->used, reply->len);
	reply->used = 0;
	if (reply->code == OP_REP_IMPORT)
		end = reply->len < OP_COMMON_SIZE ? OP_COMMON_SIZE : OP_REP_IMPORT_SIZE;
	*size = end - reply->len;
	return reply->buf + reply->len;
}

int reply_next(struct reply *reply, struct reply_item *item)
{
	const uint8_t *buf = reply->buf + reply->used;
	size_t len = reply->len - reply->used;
	int n, event = REPLY_RECORD;

	if (reply->code == OP_REP_IMPORT) {
		n = op_rep_import_decode(buf, len, &item->status, &item->device);
		event = REPLY_IMPORT;
	} else if (!reply->in_list) {
		n = op_devlist_head_decode(buf, len, reply->code, &reply->records);
		if (n <= 0)
			return n;
		reply->in_list = true;
		reply->mark_due = reply->code == OP_REP_DEVLIST;
		reply->used += (size_t)n;
		return reply_next(reply, item);
	} else if (!reply->records) {
		if (reply->mark_due && len < OP_MARK_SIZE)
			return REPLY_MORE;
		reply_take_mark(reply, buf);
		reply->in_list = false;
		return REPLY_END;
	} else {
		n = op_record_decode(buf, len, &item->device, item->interface);
		reply->records -= n > 0;
		if (n > 0)
			reply_take_mark(reply, buf + OP_MARK_AT);
	}
	if (n <= 0)
		return n;
	reply->used += (size_t)n;
	return event;
}

static void set_request(struct descriptor_query *query, uint8_t type, uint8_t index,
			uint16_t length)
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
	set_request(query, URB_QUERY_DEVICE, 0, DEVICE_LENGTH);
}

uint8_t *descriptor_query_room(struct descriptor_query *query, size_t *size)
{
	int32_t status;
	uint16_t data = 0;

	assert(query->len <= sizeof(query->in));
	urb_query_decode(query->in, query->len, &query->request, &status, &data);
	*size = URB_SIZE + (size_t)data - query->len;
	return query->in + query->len;
}

static void add_class(struct descriptor_query *query, uint8_t class)
{
	query->class[class / 8] |= (uint8_t)(1 << class % 8);
}

/* The configuration may be cut off: only complete interface descriptors count. */
static void add_interface_classes(struct descriptor_query *query, const uint8_t *data, size_t len)
{
	struct op_interface interface[OP_INTERFACES_MAX];
	uint8_t descriptors[DEVICE_LENGTH + URB_QUERY_MAX] = { DEVICE_LENGTH, URB_QUERY_DEVICE };
	struct op_device device;

	memcpy(descriptors + DEVICE_LENGTH, data, len);
	descriptors_parse(descriptors, DEVICE_LENGTH + len, &device, interface);
	for (unsigned i = 0; i < device.interfaces; i++)
		add_class(query, interface[i].class);
}

static void store_descriptor(struct descriptor_query *query, const uint8_t *data, size_t len)
{
	switch (query->step) {
	case DESCRIPTOR_STEP_DEVICE:
		if (len < DEVICE_LENGTH)
			break;
		add_class(query, data[4]);
		query->vendor = wire_load_le16(data + VENDOR_AT);
		query->product = wire_load_le16(data + VENDOR_AT + 2);
		memcpy(query->index, data + PRODUCT_AT, sizeof(query->index));
		break;
	case DESCRIPTOR_STEP_CONFIGURATION:
		add_interface_classes(query, data, len);
		break;
	case DESCRIPTOR_STEP_LANGUAGES:
		if (len >= 4)
			query->language = wire_load_le16(data + 2);
		break;
	case DESCRIPTOR_STEP_PRODUCT:
		urb_string_decode(data, len, query->strings.product, DEVICE_STRING_SIZE);
		break;
	case DESCRIPTOR_STEP_SERIAL:
		urb_string_decode(data, len, query->strings.serial, DEVICE_STRING_SIZE);
		break;
	case DESCRIPTOR_STEP_END:
		break; /* it has ended */
	}
}

/* The next descriptor that the device has. Returns false if that was the last one. */
static bool set_next_request(struct descriptor_query *query)
{
	uint8_t product = query->index[0], serial = query->index[1];

	for (query->step++; query->step < DESCRIPTOR_STEP_END; query->step++) {
		if (query->step == DESCRIPTOR_STEP_CONFIGURATION)
			set_request(query, URB_QUERY_CONFIGURATION, 0, URB_QUERY_MAX);
		else if (query->step == DESCRIPTOR_STEP_LANGUAGES && (product || serial))
			set_request(query, URB_QUERY_STRING, 0, STRING_LENGTH);
		else if (query->step == DESCRIPTOR_STEP_PRODUCT && product)
			set_request(query, URB_QUERY_STRING, product, STRING_LENGTH);
		else if (query->step == DESCRIPTOR_STEP_SERIAL && serial)
			set_request(query, URB_QUERY_STRING, serial, STRING_LENGTH);
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
	int n = urb_query_decode(query->in, query->len, &query->request, &status, &data);

	if (n <= 0)
		return n;
	/* a device may stall for a string that it does not have, but not for the first two */
	if (status && (status != -EPIPE || query->step <= DESCRIPTOR_STEP_CONFIGURATION))
		return -EBADMSG;
	if (!status)
		store_descriptor(query, query->in + URB_SIZE, data);
	return set_next_request(query) ? DESCRIPTOR_QUERY_SEND : DESCRIPTOR_QUERY_DONE;
}
