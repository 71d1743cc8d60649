/* SPDX-License-Identifier: MIT */
/*
 * The messages of a session: a client submits and unlinks URBs, a server replies. Each has URB_SIZE
 * bytes. Behind a URB_CMD_SUBMIT with direction OUT follow length bytes of data, behind a
 * URB_RET_SUBMIT of a URB with direction IN as many; then URB_PACKET_SIZE bytes for each packet of
 * an isochronous URB, in both messages and in both directions. Every number is taken as it was
 * sent, but for what a decoder refuses: a caller bounds length and packets before it uses them.
 *
 * Sources: the kernel's Documentation/usb/usbip_protocol.rst, drivers/usb/usbip/usbip_common.[ch],
 * vhci_tx.c, vhci_rx.c, stub_tx.c, stub_rx.c.
 */
#ifndef PROTO_URB_H
#define PROTO_URB_H

#include <stdbool.h>
#include <stdint.h>

enum {
	URB_SIZE = 48,
	URB_PACKET_SIZE = 16,
	URB_PACKETS_MAX = 1024, /* of one URB: USBIP_MAX_ISO_PACKETS */
};

enum urb_code {
	URB_CMD_SUBMIT = 1,
	URB_CMD_UNLINK = 2,
	URB_RET_SUBMIT = 3,
	URB_RET_UNLINK = 4,
};

/* What is of use in a URB_CMD_SUBMIT's flags. vhci-hcd sends others as well, for DMA. */
enum {
	URB_SHORT_NOT_OK = 1,
	URB_ISO_ASAP = 2,
	URB_ZERO_PACKET = 0x40,
	URB_NO_INTERRUPT = 0x80,
	URB_DIR_IN = 0x200,
};

/* From a client. A URB_CMD_UNLINK has code, seqnum, devid and victim, and all else is 0. */
struct urb_command {
	uint32_t code; /* URB_CMD_SUBMIT or URB_CMD_UNLINK */
	uint32_t seqnum, devid;
	bool in;
	uint8_t endpoint; /* 0 to 15 */
	uint32_t flags;
	uint32_t length;      /* of the transfer buffer, at most INT32_MAX */
	uint32_t start_frame; /* of an isochronous URB */
	uint32_t packets;     /* of an isochronous URB; of another it may be anything */
	uint32_t interval;
	uint8_t setup[8]; /* of a control URB */
	uint32_t victim;  /* of URB_CMD_UNLINK: the seqnum of the URB to unlink */
};

/* From a server. A URB_RET_UNLINK has code, seqnum and status, and all else is 0. */
struct urb_reply {
	uint32_t code; /* URB_RET_SUBMIT or URB_RET_UNLINK */
	uint32_t seqnum;
	int32_t status;	      /* 0, or -errno in the numbers of the wire: urb_status_to_wire() */
	uint32_t length;      /* of the data that were transferred, at most INT32_MAX */
	uint32_t start_frame; /* of an isochronous URB, as the next two */
	uint32_t packets;
	uint32_t errors; /* so many packets failed */
};

/* A packet of an isochronous URB. Data of IN follow a reply without the gaps between packets. */
struct urb_packet {
	uint32_t offset, length; /* in the transfer buffer, as the client asked */
	uint32_t actual;	 /* of a reply: bytes that were transferred */
	int32_t status;		 /* of a reply, as urb_reply's */
};

/* Of a session, for people. */
struct urb_counters {
	uint64_t urbs, bytes_in, bytes_out; /* of URBs that were answered */
	uint64_t errors; /* those whose status was neither 0 nor that of an unlink */
	uint64_t in_flight; /* requests that have no answer yet */
};

/* Decodes URB_SIZE bytes. Returns 0, or -EBADMSG: the code is another one; or, of URB_CMD_SUBMIT,
 * the direction is not 0 or 1, the endpoint is above 15 or the length above INT32_MAX. Some clients
 * do not set direction and endpoint of URB_CMD_UNLINK, so there they may be anything. */
int urb_command_decode(const uint8_t *buf, struct urb_command *command);
/* Writes URB_SIZE bytes. */
void urb_command_encode(uint8_t *buf, const struct urb_command *command);

/* Decodes URB_SIZE bytes. Returns 0, or -EBADMSG: the code is another one, or the length is above
 * INT32_MAX. devid, direction and endpoint of a reply mean nothing: usbip-host sends 0. */
int urb_reply_decode(const uint8_t *buf, struct urb_reply *reply);
/* Writes URB_SIZE bytes. */
void urb_reply_encode(uint8_t *buf, const struct urb_reply *reply);

/* URB_PACKET_SIZE bytes each. */
void urb_packet_decode(const uint8_t *buf, struct urb_packet *packet);
void urb_packet_encode(uint8_t *buf, const struct urb_packet *packet);

/* Whether a URB of the first seqnum was submitted after that of the other: they wrap. */
bool urb_is_after(uint32_t seqnum, uint32_t other);

/* Of the packets of a URB one after the other: whether the packet lies in a transfer buffer of
 * length bytes, and all of them so far fit into one that has no gaps between them. *left is length
 * at first, and then what is left of that one. There may be gaps, and any order. */
bool urb_packet_fits(const struct urb_packet *packet, uint32_t length, uint32_t *left);

/*
 * A status is an errno number of x86 and most others (include/uapi/asm-generic/errno.h): the wire
 * has no other names for errors. Some processors, such as mips, number them otherwise. These
 * convert between 0 or -errno of this machine and the wire; the status of a URB that is not known
 * becomes -EPROTO. usbip-host and vhci-hcd send and take their own machine's numbers.
 */
int32_t urb_status_to_wire(int status);
int urb_status_from_wire(int32_t status);

#endif
