/* SPDX-License-Identifier: MIT */
/*
 * The only USB request that is made in user space: it reads a descriptor of an imported device
 * before the connection goes to the kernel.
 *
 * Sources: the kernel's Documentation/usb/usbip_protocol.rst, USBIP_CMD_SUBMIT and
 * USBIP_RET_SUBMIT; USB 2.0 specification 9.4.3 (GET_DESCRIPTOR) and 9.6.
 */
#ifndef PROTO_URB_H
#define PROTO_URB_H

#include <stddef.h>
#include <stdint.h>

enum {
	URB_SIZE = 48, /* a request or a reply, without data */
	URB_DATA_MAX = 4096, /* cameras have long configurations; more than QEMU's devices refuse */
	URB_DEVICE = 1, /* descriptor types */
	URB_CONFIGURATION = 2,
	URB_STRING = 3,
};

/* The descriptor to read. seqnum is not 0; devid is that of op_devid(). */
struct urb_request {
	uint32_t seqnum, devid;
	uint8_t type, index;
	uint16_t language; /* of a string, else 0 */
	uint16_t length;   /* of the data, at most; not more than URB_DATA_MAX */
};

/* buf has URB_SIZE bytes. */
void urb_request_encode(uint8_t *buf, const struct urb_request *request);

/*
 * Decodes the reply to request. Returns its length, data included; 0 if it is incomplete; -EBADMSG
 * if it is no reply to this request. *status is 0, or the server's -errno. *data is the length of
 * the data, which follows the first URB_SIZE bytes; it is set as soon as those are there.
 */
int urb_reply_decode(const uint8_t *buf, size_t len, const struct urb_request *request,
		     int32_t *status, uint16_t *data);

/*
 * A string descriptor as UTF-8, in the way of the kernel (drivers/usb/core/message.c usb_string(),
 * fs/nls/nls_base.c utf16s_to_utf8s()): units that are no character are left out. The text ends
 * before the first character that does not fit into size - 1 bytes.
 */
void urb_string_decode(const uint8_t *buf, size_t len, char *text, size_t size);

#endif
