/* SPDX-License-Identifier: MIT */
/* The device list that clients get: encoded records, ready to be sent. */
#ifndef HOST_DEVLIST_H
#define HOST_DEVLIST_H

#include "proto/op.h"

enum {
	/*
	 * Room for the 16 devices that usbip-host can hold, each with as many interfaces as there
	 * can be, and for some more. The whole list goes out in one send(2), so conn_list.c sizes
	 * the send buffer by it.
	 */
	DEVLIST_SIZE = 32768,
};

struct devlist {
	uint32_t devices;
	size_t len; /* of bytes: the head and the records */
	uint8_t bytes[DEVLIST_SIZE];
};

/* Makes the list empty. */
void devlist_clear(struct devlist *devlist);
/* Appends a device with device->interfaces interfaces. Returns false if there is no room for it. */
bool devlist_add(struct devlist *devlist, const struct op_device *device,
		 const struct op_interface *interface);
/* Copies the devices for which allowed() returns true to part, in their order. */
void devlist_filter(const struct devlist *devlist, struct devlist *part,
		    bool (*allowed)(void *ctx, const char *busid), void *ctx);
/* Encodes the head. The bytes are a whole reply then; code is OP_REP_DEVLIST or OP_REP_WATCH. */
void devlist_set_head(struct devlist *devlist, enum op_code code);

#endif
