/* SPDX-License-Identifier: MIT */
/* The list of devices that clients get, as it goes over the wire. */
#ifndef HOST_DEVLIST_H
#define HOST_DEVLIST_H

#include "proto/op.h"

enum {
	/* the 16 devices that usbip-host can hold, with the most interfaces they can have, and
	 * more; a list always goes out in one send(2), see peer.c */
	LISTING_SIZE = 32768,
};

struct listing {
	uint32_t devices;
	size_t len; /* of bytes */
	uint8_t bytes[LISTING_SIZE];
};

/* An empty list. */
void listing_begin(struct listing *listing);
/* False when it does not fit any more. */
bool listing_add(struct listing *listing, const struct op_device *device,
		 const struct op_interface *interface);
/* What of it is allowed, into part. */
void listing_select(const struct listing *listing, struct listing *part,
		    bool (*allowed)(void *ctx, const char *busid), void *ctx);
/* Makes it the reply of that code: OP_REP_DEVLIST or OP_REP_WATCH. */
void listing_head(struct listing *listing, enum op_code code);

#endif
