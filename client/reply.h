/* SPDX-License-Identifier: MIT */
/*
 * A reply as it comes in, in pieces of any size: bytes in, devices out. No I/O, no allocation; it
 * never asks for a byte that belongs to the kernel.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "proto/op.h"

#include <assert.h>
#include <stdbool.h>

struct reply {
	enum op_code code; /* of the reply */
	bool in_list;	   /* its head has been read */
	uint32_t records;  /* of the list, still to come */
	size_t used;	   /* of buf, decoded */
	size_t len;	   /* of buf */
	uint8_t buf[2048];
};

static_assert(sizeof(((struct reply *)0)->buf) >= OP_RECORD_MAX, "room for every record");

enum reply_event {
	REPLY_MORE = 0, /* bytes are needed */
	REPLY_RECORD,	 /* a device of a list, and its interfaces */
	REPLY_END,	 /* the list is complete; the next may follow if it is a watch */
	REPLY_IMPORT,	 /* the reply to an import: status, and the device if that is OP_OK */
};

struct reply_item {
	uint32_t status;
	struct op_device device;
	struct op_interface interface[OP_INTERFACES_MAX];
};

/* For the reply to a request of that code. */
void reply_start(struct reply *reply, enum op_code request);
/* Where the next bytes go, and how many at most; then reply->len grows by what came. */
uint8_t *reply_room(struct reply *reply, size_t *size);
/* The next event, until REPLY_MORE; -errno of op_strerror() when no byte can mend it. */
int reply_next(struct reply *reply, struct reply_item *item);

#endif
