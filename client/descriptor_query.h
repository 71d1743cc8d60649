/* SPDX-License-Identifier: MIT */
/*
 * The descriptors of a device, queried over the connection of its import before that goes to the
 * kernel: for rules and holds that need more than a server's list tells. No I/O here.
 */
#ifndef CLIENT_DESCRIPTOR_QUERY_H
#define CLIENT_DESCRIPTOR_QUERY_H

#include "proto/op.h"
#include "proto/urb.h"
#include "sysfs/device.h"

/* The descriptors, in the order in which they are requested. */
enum descriptor_step {
	DESCRIPTOR_STEP_DEVICE,
	DESCRIPTOR_STEP_CONFIGURATION,
	DESCRIPTOR_STEP_LANGUAGES,
	DESCRIPTOR_STEP_PRODUCT,
	DESCRIPTOR_STEP_SERIAL,
	DESCRIPTOR_STEP_END,
};

enum descriptor_query_event {
	DESCRIPTOR_QUERY_MORE = 0, /* more bytes are needed */
	DESCRIPTOR_QUERY_SEND,	   /* query->request is to be sent */
	DESCRIPTOR_QUERY_DONE,	   /* strings and class are complete */
};

struct descriptor_query {
	struct urb_request request; /* the one under way */
	enum descriptor_step step;
	uint8_t index[2]; /* of the strings for product and serial number, 0: there is none */
	uint16_t language;
	size_t len; /* bytes in in; the caller adds those that it received */
	/* the result */
	struct device_strings strings;
	uint8_t class[256 / 8]; /* a bit for each class of the device and its interfaces */
	uint8_t in[URB_SIZE + URB_DATA_MAX];
};

/* Begins: query->request is to be sent. devid is that of op_devid(). */
void descriptor_query_start(struct descriptor_query *query, uint32_t devid);
/* The place for the next bytes; *size is their greatest number, so that none behind the reply is
 * received. */
uint8_t *descriptor_query_room(struct descriptor_query *query, size_t *size);
/*
 * Call it when len has grown. Returns an event, or -EBADMSG: that was no reply to the request, or
 * the device failed to send its device or configuration descriptor. A string that the device does
 * not send is empty.
 */
int descriptor_query_next(struct descriptor_query *query);

#endif
