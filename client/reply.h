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

struct reader {
	enum op_code code; /* of the reply */
	bool in_list;	   /* its head has been read */
	uint32_t records;  /* of the list, still to come */
	size_t used;	   /* of buf, decoded */
	size_t len;	   /* of buf */
	uint8_t buf[2048];
};

static_assert(sizeof(((struct reader *)0)->buf) >= OP_RECORD_MAX, "room for every record");

enum reader_event {
	READER_MORE = 0, /* bytes are needed */
	READER_RECORD,	 /* a device of a list, and its interfaces */
	READER_WHOLE,	 /* the list is complete; the next may follow if it is a watch */
	READER_IMPORT,	 /* the reply to an import: status, and the device if that is OP_OK */
};

struct reader_reply {
	uint32_t status;
	struct op_device device;
	struct op_interface interface[OP_INTERFACES_MAX];
};

/* For the reply to a request of that code. */
void reader_start(struct reader *reader, enum op_code request);
/* Where the next bytes go, and how many at most; then reader->len grows by what came. */
uint8_t *reader_room(struct reader *reader, size_t *size);
/* The next event, until READER_MORE; -errno of op_strerror() when no byte can mend it. */
int reader_next(struct reader *reader, struct reader_reply *reply);

#endif
