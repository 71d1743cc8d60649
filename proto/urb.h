/* SPDX-License-Identifier: MIT */
/*
 * The one USB request that is made here and not in the kernel: to ask an imported device for a
 * descriptor, before its connection is the kernel's.
 *
 * Sources: the kernel's Documentation/usb/usbip_protocol.rst, USBIP_CMD_SUBMIT and
 * USBIP_RET_SUBMIT; USB 2.0 specification 9.4.3 (GET_DESCRIPTOR) and 9.6.
 */
#ifndef PROTO_URB_H
#define PROTO_URB_H

#include <stddef.h>
#include <stdint.h>

enum {
	URB_SIZE = 48, /* of a request or a reply, without data */
	URB_DATA_MAX = 4096, /* cameras have long configurations; more than QEMU's devices refuse */
	URB_DEVICE = 1, /* descriptor types */
	URB_CONFIGURATION = 2,
	URB_STRING = 3,
};

/* What to ask for. seqnum is any number but 0; devid is busnum << 16 | devnum at the server. */
struct urb_request {
	uint32_t seqnum;
	uint32_t devid;
	uint8_t type;
	uint8_t index;
	uint16_t language; /* of a string, else 0 */
	uint16_t length;   /* at most so many bytes of it, URB_DATA_MAX at most */
};

/* buf has URB_SIZE bytes. */
void urb_request_encode(uint8_t *buf, const struct urb_request *request);

/*
 * The reply to it: its length with its data, 0 when it is incomplete, -EBADMSG when it is none.
 * *status is 0 or what went wrong, as a number below 0; the *data bytes follow the first URB_SIZE.
 */
int urb_reply_decode(const uint8_t *buf, size_t len, const struct urb_request *request,
		     int32_t *status, uint16_t *data);

/*
 * A string descriptor as UTF-8, as the kernel shows it (drivers/usb/core/message.c usb_string(),
 * fs/nls/nls_base.c utf16s_to_utf8s()): what is no character is left out. It ends before the first
 * that does not fit into size - 1 bytes.
 */
void urb_string_decode(const uint8_t *buf, size_t len, char *text, size_t size);

#endif
