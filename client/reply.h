/* SPDX-License-Identifier: MIT */
/*
 * What a server sends, decoded as it arrives in pieces of any size: the reply to a request, and
 * the descriptors of a device, queried over the connection of its import before that goes to the
 * kernel. No I/O, no allocation. What follows an import or a query is the kernel's: no byte behind
 * their replies is asked for.
 */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include "proto/op.h"
#include "proto/urb_query.h"
#include "sysfs/device.h"

#include <assert.h>
#include <stdbool.h>

struct reply {
	enum op_code code; /* of the reply */
	bool in_list;	   /* the head of a list is decoded, its end not yet */
	uint32_t records;  /* of the list that are still to come */
	bool mark_due;	   /* a mark may follow, in the first record or behind the head */
	bool marked;	   /* op_mark_decode() */
	uint64_t identity; /* from the mark; 0: not known */
	size_t used;	   /* bytes of buf that are decoded */
	size_t len;	   /* bytes in buf; the caller adds those that it received */
	uint8_t buf[2048];
};

static_assert(sizeof(((struct reply *)0)->buf) >= OP_RECORD_MAX, "room for every record");

enum reply_event {
	REPLY_MORE = 0, /* more bytes are needed */
	REPLY_RECORD,	/* item: a device of a list, its busid may be empty; and its interfaces */
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
/* After REPLY_MORE: whether a list without devices is complete, but for the mark, which only our
 * servers send. There is no REPLY_END until as many bytes have come. */
bool reply_is_empty_list(const struct reply *reply);
/* The place for the next bytes; *size is their greatest number, at least 1. Call reply_next() until
 * REPLY_MORE first. */
uint8_t *reply_room(struct reply *reply, size_t *size);
/* The next event, to be called until REPLY_MORE; or -errno for op_strerror(): the reply is
 * malformed, and more bytes would not help. */
int reply_next(struct reply *reply, struct reply_item *item);

/* The descriptors, in the order in which they are requested: for rules and holds that need more
 * than a server's list tells. */
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
	struct urb_query request; /* the one under way */
	enum descriptor_step step;
	uint8_t index[2]; /* of the strings for product and serial number, 0: there is none */
	uint16_t language;
	size_t len; /* bytes in in; the caller adds those that it received */
	/* the result */
	uint16_t vendor, product;
	struct device_strings strings;
	uint8_t class[256 / 8]; /* a bit for each class of the device and its interfaces */
	uint8_t in[URB_SIZE + URB_QUERY_MAX];
};

/* Begins: query->request is to be sent. devid is that of op_devid(). */
void descriptor_query_start(struct descriptor_query *query, uint32_t devid);
/* As reply_room(), for descriptor_query_next(). */
uint8_t *descriptor_query_room(struct descriptor_query *query, size_t *size);
/*
 * Call it when len has grown. Returns an event, or -EBADMSG: that was no reply to the request, or
 * the device failed to send its device or configuration descriptor. A string that the device does
 * not send is empty.
 */
int descriptor_query_next(struct descriptor_query *query);

#endif
