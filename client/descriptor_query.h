/* SPDX-License-Identifier: MIT */
/*
 * What a device says of itself, asked over the connection of its import before that is the
 * kernel's: for rules and holds that need more than a server's list tells. No I/O here.
 */
#ifndef CLIENT_DESCRIPTOR_QUERY_H
#define CLIENT_DESCRIPTOR_QUERY_H

#include "proto/op.h"
#include "proto/urb.h"
#include "sysfs/device.h"

struct descriptor_query {
	struct urb_request request; /* the one that is under way */
	unsigned step;
	uint8_t index[2]; /* of the strings */
	uint16_t language;
	size_t len; /* of in */
	/* the result */
	struct device_strings strings;
	uint8_t class[256 / 8]; /* a bit for each of the device and its interfaces */
	uint8_t in[URB_SIZE + URB_DATA_MAX];
};

/* The first request is in query->request. */
void descriptor_query_start(struct descriptor_query *query, uint32_t devid);
/* Where the next bytes are to be received, and how many at most: none behind the reply. */
uint8_t *descriptor_query_room(struct descriptor_query *query, size_t *size);
/*
 * len has grown: 0 when more bytes are needed, 1 when the next request is in query->request, 2
 * when all is known, -EBADMSG when it was no reply, or the device could not tell. What it refuses
 * to tell is empty.
 */
int descriptor_query_next(struct descriptor_query *query);

#endif
