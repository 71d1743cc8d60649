/* SPDX-License-Identifier: MIT */
/*
 * A reply, decoded as it arrives in pieces of any size: bytes in, devices out. No I/O, no
 * allocation. It never asks for a byte behind the reply to an import, which is for the kernel.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "proto/op.h"

#include <assert.h>
#include <stdbool.h>

struct reply {
	enum op_code code; /* of the reply */
	bool in_list;	   /* the head of a list is decoded, its end not yet */
	uint32_t records;  /* of the list that are still to come */
	size_t used;	   /* bytes of buf that are decoded */
	size_t len;	   /* bytes in buf; the caller adds those that it received */
	uint8_t buf[2048];
};

static_assert(sizeof(((struct reply *)0)->buf) >= OP_RECORD_MAX, "room for every record");

enum reply_event {
	REPLY_MORE = 0, /* more bytes are needed */
	REPLY_RECORD,	/* item: a device of a list, and its interfaces */
	REPLY_END,	/* the list is complete; another one may follow if it is a watch */
	REPLY_IMPORT,	/* item: the status of an import, and the device if that is OP_OK */
};

struct reply_item {
	uint32_t status;
	struct op_device device;
	struct op_interface interface[OP_INTERFACES_MAX];
};

/* Expects the reply to a request with that code. */
void reply_start(struct reply *reply, enum op_code request);
/* The place for the next bytes; *size is their greatest number, at least 1. Call reply_next() until
 * REPLY_MORE first. */
uint8_t *reply_room(struct reply *reply, size_t *size);
/* The next event, to be called until REPLY_MORE; or -errno for op_strerror(): the reply is
 * malformed, and more bytes would not help. */
int reply_next(struct reply *reply, struct reply_item *item);

#endif
