/* SPDX-License-Identifier: MIT */
/* The list of devices that clients get, as it goes over the wire. */
#ifndef HOST_DEVLIST_H
#define HOST_DEVLIST_H

#include "proto/op.h"

enum {
	/* the 16 devices that usbip-host can hold, with the most interfaces they can have, and
	 * more; a list always goes out in one send(2), see conn.c */
	DEVLIST_SIZE = 32768,
};

struct devlist {
	uint32_t devices;
	size_t len; /* of bytes */
	uint8_t bytes[DEVLIST_SIZE];
};

/* An empty list. */
void devlist_clear(struct devlist *devlist);
/* False when it does not fit any more. */
bool devlist_add(struct devlist *devlist, const struct op_device *device,
		 const struct op_interface *interface);
/* What of it is allowed, into part. */
void devlist_filter(const struct devlist *devlist, struct devlist *part,
		    bool (*allowed)(void *ctx, const char *busid), void *ctx);
/* Makes it the reply of that code: OP_REP_DEVLIST or OP_REP_WATCH. */
void devlist_set_head(struct devlist *devlist, enum op_code code);

#endif
