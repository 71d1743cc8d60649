/* SPDX-License-Identifier: MIT */
/*
 * The one URB that a client submits itself: it reads a descriptor of an imported device before the
 * connection goes to the kernel. USB 2.0 specification 9.4.3 (GET_DESCRIPTOR) and 9.6.
 */
#ifndef PROTO_URB_QUERY_H
#define PROTO_URB_QUERY_H

#include "proto/urb.h"

#include <stddef.h>
#include <stdint.h>

enum {
	/* cameras have long configurations; some devices of QEMU refuse more */
	URB_QUERY_MAX = 4096,
	URB_QUERY_DEVICE = 1, /* descriptor types */
	URB_QUERY_CONFIGURATION = 2,
	URB_QUERY_STRING = 3,
};

/* The descriptor to read. seqnum is not 0; devid is that of op_devid(). */
struct urb_query {
	uint32_t seqnum, devid;
	uint8_t type, index;
	uint16_t language; /* of a string, else 0 */
	uint16_t length;   /* of the data, at most; not more than URB_QUERY_MAX */
};

/* Writes URB_SIZE bytes. */
void urb_query_encode(uint8_t *buf, const struct urb_query *query);

/*
 * Decodes the reply to query. Returns its length, data included; 0 if it is incomplete; -EBADMSG
 * if it is no reply to this one. *status is that of struct urb_reply. *data is the length
 * of the data, which follows the first URB_SIZE bytes; it is set as soon as those are there.
 */
int urb_query_decode(const uint8_t *buf, size_t len, const struct urb_query *query,
		     int32_t *status, uint16_t *data);

/*
 * A string descriptor as UTF-8, in the way of the kernel (drivers/usb/core/message.c usb_string(),
 * fs/nls/nls_base.c utf16s_to_utf8s()): units that are no character are left out. The text ends
 * before the first character that does not fit into size - 1 bytes.
 */
void urb_string_decode(const uint8_t *buf, size_t len, char *text, size_t size);

#endif
