/* SPDX-License-Identifier: MIT */
/*
 * The control messages of USB/IP: device list and import, to bytes and back. No I/O, no allocation.
 *
 * Sources: the kernel's Documentation/usb/usbip_protocol.rst and, in tools/usb/usbip,
 * src/usbip_network.h and libsrc/usbip_common.h. All integers are big-endian, all records packed.
 * Where the document's offsets after bcdDevice in OP_REP_IMPORT disagree with the tools (they are
 * off by one), the tools are right.
 *
 * Every decoder looks at len bytes from buf and returns
 *	> 0		complete: the length of what it decoded; it has read no byte beyond it
 *	0		incomplete: more bytes are needed, nothing was decoded
 *	-errno		malformed: no further byte can mend it, see op_strerror()
 * Every encoder returns the length written, or -ENOSPC when it does not fit into size bytes or a
 * string not into its field. Padding is zero.
 */
#ifndef PROTO_OP_H
#define PROTO_OP_H

#include "proto/busid.h"

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
	 * Not of the standard: a list that never ends. The request is the header alone; the reply,
	 * which is OP_REP_DEVLIST but for the code, comes again whenever the list has changed, and
	 * at least every 10 s. Other servers close on it.
	 */
	OP_REQ_WATCH = 0x8060,
	OP_REP_WATCH = 0x0060,
};

/* The status of a reply. The document knows 0 and 1 only, as do old servers. */
enum op_status {
	OP_OK = 0,
	OP_NA = 1,	/* the request failed */
	OP_BUSY = 2,	/* the device is exported to somebody */
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
	OP_INTERFACES_MAX = 255, /* bNumInterfaces is a byte */
	/* a device with the most interfaces it can have: what a buffer must hold for progress */
	OP_RECORD_MAX = OP_DEVICE_SIZE + OP_INTERFACES_MAX * OP_INTERFACE_SIZE,
};

struct op_common {
	uint16_t code;	 /* enum op_code */
	uint32_t status; /* enum op_status; 0 in requests, where it is ignored */
};

struct op_device {
	uint32_t busnum;
	uint32_t devnum;
	uint32_t speed; /* enum usb_device_speed of linux/usb/ch9.h: 1 low .. 6 super plus */
	uint16_t vendor;
	uint16_t product;
	uint16_t bcd_device;
	uint8_t class;
	uint8_t subclass;
	uint8_t protocol;
	uint8_t configuration; /* bConfigurationValue; 0 = not configured, usual after a bind */
	uint8_t configurations;
	uint8_t interfaces; /* how many interface records follow in a list */
	char busid[BUSID_SIZE];	 /* decoded only if busid_is_name() */
	char path[OP_PATH_SIZE]; /* the server's sysfs path; informational */
};

struct op_interface {
	uint8_t class;
	uint8_t subclass;
	uint8_t protocol;
};

/* The number that vhci-hcd and USB requests have for it (struct usbip_header_basic, devid). */
static inline uint32_t op_devid(const struct op_device *device)
{
	return device->busnum << 16 | device->devnum;
}

/* The header of every message. Its version must be OP_VERSION: -EPROTONOSUPPORT. */
int op_common_decode(const uint8_t *buf, size_t len, struct op_common *common);
int op_common_encode(uint8_t *buf, size_t size, const struct op_common *common);

/*
 * What a client may ask: OP_REQ_DEVLIST, OP_REQ_WATCH, or OP_REQ_IMPORT with the busid it wants.
 * Another code is -ENOSYS, a busid without terminator or that is no name -EILSEQ. busid is empty
 * for a list.
 */
struct op_request {
	enum op_code code;
	char busid[BUSID_SIZE];
};
int op_request_decode(const uint8_t *buf, size_t len, struct op_request *request);
int op_request_encode(uint8_t *buf, size_t size, const struct op_request *request);

/*
 * code, OP_REP_DEVLIST or OP_REP_WATCH: a head with the number of devices, then so many records.
 * The head's decoder refuses another code with -EBADMSG, a status other than OP_OK with -EREMOTEIO,
 * more than OP_DEVLIST_MAX devices with -EMSGSIZE.
 */
int op_devlist_head_decode(const uint8_t *buf, size_t len, enum op_code code, uint32_t *devices);
int op_devlist_head_encode(uint8_t *buf, size_t size, enum op_code code, uint32_t devices);

/*
 * One record of a list: a device, and its interfaces into interface[OP_INTERFACES_MAX]. Decoded
 * and encoded are as many as device->interfaces says. An unterminated string, or a busid that is
 * no name, is -EILSEQ.
 */
int op_record_decode(const uint8_t *buf, size_t len, struct op_device *device,
		     struct op_interface *interface);
/* The length of a record that was encoded: its last byte but the interfaces is their number. */
size_t op_record_size(const uint8_t *record);
int op_record_encode(uint8_t *buf, size_t size, const struct op_device *device,
		     const struct op_interface *interface);

/*
 * OP_REP_IMPORT: *status, and the device where *status is OP_OK (a refusal ends after the header).
 * Another code is -EBADMSG, a bad string -EILSEQ. After OP_OK the connection carries USB requests:
 * whoever receives must read no byte beyond OP_REP_IMPORT_SIZE.
 */
int op_rep_import_decode(const uint8_t *buf, size_t len, uint32_t *status,
			 struct op_device *device);
int op_rep_import_encode(uint8_t *buf, size_t size, uint32_t status,
			 const struct op_device *device);

/* What the -errno of a reply's decoder says about the peer. */
const char *op_strerror(int error);
/* What a refusal's status says, in the words of the stock tools. */
const char *op_status_text(uint32_t status);

#endif
