/* SPDX-License-Identifier: MIT */
/*
 * The control messages of USB/IP, device list and import, to bytes and back. No I/O, no allocation.
 *
 * Sources: the kernel's Documentation/usb/usbip_protocol.rst and, in tools/usb/usbip,
 * src/usbip_network.h and libsrc/usbip_common.h. All integers are big-endian, all records packed.
 * The document's offsets after bcdDevice in OP_REP_IMPORT are off by one; the tools are right.
 *
 * Every decoder reads len bytes from buf and returns
 *	> 0		complete: the length of the message; no byte behind it was read
 *	0		incomplete: more bytes are needed, nothing was decoded
 *	-errno		malformed: more bytes would not help, see op_strerror();
 *			-EPROTONOSUPPORT: a version other than OP_VERSION
 * Every encoder returns the length of the message, or -ENOSPC if it does not fit into size bytes or
 * a string does not fit into its field. Padding is zero.
 */
#ifndef PROTO_OP_H
#define PROTO_OP_H

#include "proto/usb.h"

#include <stddef.h>
#include <stdint.h>

#define OP_PORT "3240"	  /* TCP, registered with IANA */
#define OP_VERSION 0x0111 /* USBIP_VERSION of the stock tools, "1.1.1" */
/* A longer device list is malformed: no host has as many devices (128 buses of 127 could). */
#define OP_DEVLIST_MAX 1024

enum op_code {
	OP_REQ_DEVLIST = 0x8005,
	OP_REP_DEVLIST = 0x0005,
	OP_REQ_IMPORT = 0x8003,
	OP_REP_IMPORT = 0x0003,
	/*
	 * Our extension, a watch: the request is the header alone. The reply is OP_REP_DEVLIST with
	 * another code; it is sent again whenever the list has changed, and at least every 10 s. A
	 * server that does not know it may close the connection, log an error, or crash: only one
	 * whose list has a mark is asked.
	 */
	OP_REQ_WATCH = 0x8060,
	OP_REP_WATCH = 0x0060,
	/* Our extension: a server that has connected to a client, see op_call_decode(). */
	OP_CALL = 0x8061,
};

/* The status of a reply. The document, and old servers, have 0 and 1 only. */
enum op_status {
	OP_OK = 0,
	OP_NA = 1,	/* the request failed */
	OP_BUSY = 2,	/* the device is in use by another client */
	OP_DEV_ERR = 3, /* the device is in its error state */
	OP_NODEV = 4,	/* no such device */
	OP_ERROR = 5,	/* never sent by the stock server */
};

enum {
	OP_COMMON_SIZE = 8,
	OP_DEVICE_SIZE = 312,
	OP_INTERFACE_SIZE = 4,
	OP_PATH_SIZE = 256,
	OP_REQ_IMPORT_SIZE = OP_COMMON_SIZE + BUSID_SIZE,     /* 40 */
	OP_REP_IMPORT_SIZE = OP_COMMON_SIZE + OP_DEVICE_SIZE, /* 320 */
	OP_DEVLIST_HEAD_SIZE = OP_COMMON_SIZE + 4,
	OP_IDENTITY_SIZE = 72,
	OP_CALL_SIZE = OP_COMMON_SIZE + OP_IDENTITY_SIZE,
	OP_INTERFACES_MAX = 255, /* bNumInterfaces is a byte */
	/* a device with as many interfaces as possible: the least size of a receive buffer */
	OP_RECORD_MAX = OP_DEVICE_SIZE + OP_INTERFACES_MAX * OP_INTERFACE_SIZE,
};

struct op_device {
	uint32_t busnum, devnum;
	uint32_t speed; /* enum usb_device_speed of linux/usb/ch9.h: 1 low .. 6 super plus */
	uint16_t vendor, product, bcd_device;
	uint8_t class, subclass, protocol;
	uint8_t configuration; /* bConfigurationValue; 0 = not configured, usual after a bind */
	uint8_t configurations;
	uint8_t interfaces; /* the number of interface records that follow in a list */
	char busid[BUSID_SIZE];	 /* decoded: busid_is_name() holds, but see op_record_decode() */
	char path[OP_PATH_SIZE]; /* the server's sysfs path; informational, empty if malformed */
};

struct op_interface {
	uint8_t class, subclass, protocol;
};

/* The number of a device for vhci-hcd and in USB requests (struct usbip_header_basic, devid). */
static inline uint32_t op_devid(const struct op_device *device)
{
	return device->busnum << 16 | device->devnum;
}

/*
 * A client's request: OP_REQ_DEVLIST, OP_REQ_WATCH, or OP_REQ_IMPORT with a busid, which is empty
 * for the others. Another code is -ENOSYS; a busid without terminator, or for which busid_is_name()
 * does not hold, is -EILSEQ.
 */
struct op_request {
	enum op_code code;
	char busid[BUSID_SIZE];
};
int op_request_decode(const uint8_t *buf, size_t len, struct op_request *request);
int op_request_encode(uint8_t *buf, size_t size, const struct op_request *request);

/*
 * Our extension, OP_CALL: what a server sends at once where it is the one that connects. identity
 * is that of the key that the client shall prove, as it does when it is the one that connects; it
 * has OP_IDENTITY_SIZE bytes, and is empty if it has no terminator. Whatever follows is as usual:
 * the client begins. Another code is -ENOSYS.
 */
int op_call_decode(const uint8_t *buf, size_t len, char *identity);
int op_call_encode(uint8_t *buf, size_t size, const char *identity);

/*
 * A device list, of code OP_REP_DEVLIST or OP_REP_WATCH, is a head with the number of devices, then
 * as many records. The decoder of the head returns -EBADMSG for another code, -EREMOTEIO for a
 * status other than OP_OK, and -EMSGSIZE for more than OP_DEVLIST_MAX devices.
 */
int op_devlist_head_decode(const uint8_t *buf, size_t len, enum op_code code, uint32_t *devices);
int op_devlist_head_encode(uint8_t *buf, size_t size, enum op_code code, uint32_t devices);

/*
 * Our extension, a mark in OP_REP_DEVLIST: the server knows OP_REQ_WATCH. Other clients ignore it.
 * It is the end of the path in the first record, behind the terminator, or follows the head of a
 * list without devices: the bytes "\0usbiphp", and 8 that tell this run of the server from others,
 * or zeros.
 */
enum {
	OP_MARK_SIZE = 16,
	OP_MARK_AT = OP_PATH_SIZE - OP_MARK_SIZE, /* in a record */
};
/* Marks a whole list of len bytes, with room for OP_MARK_SIZE more. A path that leaves no room for
 * it is cut. Returns the new length. */
size_t op_devlist_mark(uint8_t *list, size_t len, uint64_t identity);
/* Returns whether these OP_MARK_SIZE bytes are a mark, and sets *identity if they are. */
bool op_mark_decode(const uint8_t *mark, uint64_t *identity);

/*
 * One record of a list: a device, and device->interfaces interfaces; interface has room for
 * OP_INTERFACES_MAX of them. A busid for which busid_is_name() does not hold becomes the empty
 * string: other records may be well-formed.
 */
int op_record_decode(const uint8_t *buf, size_t len, struct op_device *device,
		     struct op_interface *interface);
int op_record_encode(uint8_t *buf, size_t size, const struct op_device *device,
		     const struct op_interface *interface);

/*
 * OP_REP_IMPORT: *status, and the device where *status is OP_OK (a refusal ends after the header).
 * Another code is -EBADMSG, an invalid busid -EILSEQ. After OP_OK the connection carries USB
 * requests, so no byte beyond OP_REP_IMPORT_SIZE may be received.
 */
int op_rep_import_decode(const uint8_t *buf, size_t len, uint32_t *status,
			 struct op_device *device);
int op_rep_import_encode(uint8_t *buf, size_t size, uint32_t status,
			 const struct op_device *device);

/* The text for a reply's decoder's -errno, with the peer as its subject. */
const char *op_strerror(int error);
/* The text for the status of a refusal, in the words of the stock tools. */
const char *op_status_text(uint32_t status);

#endif
