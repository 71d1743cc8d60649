/* SPDX-License-Identifier: MIT */
/*
 * What this machine's vhci-hcd has asked a server for, until it is answered, and whether an answer
 * fits what was asked. No more than that is known of the device.
 *
 * Sources: drivers/usb/usbip/vhci_tx.c, vhci_rx.c, usbip_common.c usbip_recv_iso().
 */
#ifndef CLIENT_PENDING_H
#define CLIENT_PENDING_H

#include "proto/urb.h"

enum {
	/* At a time. vhci-hcd has no limit of its own: what is more waits. */
	PENDING_MAX = 4096,
	PENDING_ISO_MAX = 128, /* isochronous ones among them */
	PENDING_CHAINS = 1024,
	PENDING_ERRNO_MAX = 4095, /* include/linux/err.h MAX_ERRNO */
};

enum pending_kind { PENDING_NONE, PENDING_SUBMIT, PENDING_UNLINK, PENDING_HELD };

struct pending_request {
	uint32_t seqnum;
	uint32_t victim; /* UNLINK, HELD: the seqnum of what is to be unlinked */
	uint32_t length; /* of the transfer buffer */
	uint32_t since;	 /* when it was sent; the unit is the caller's */
	uint16_t next;	 /* in its chain, or among the free: the place + 1, 0: the last */
	uint16_t packets; /* isochronous: how many; 0: it is not */
	uint8_t iso;	  /* isochronous: its row of packet */
	uint8_t kind;	  /* enum pending_kind */
	uint8_t endpoint;
	bool in;
};

struct pending {
	bool begun;	 /* a URB was sent, and the latest one is: */
	uint32_t latest;
	uint32_t devid;	 /* of that URB */
	unsigned used;	 /* places that are or were in use */
	unsigned count, held;
	uint16_t free;	 /* the first of the places that were in use, as next */
	uint16_t chain[PENDING_CHAINS]; /* by seqnum, as next */
	bool iso_used[PENDING_ISO_MAX];
	struct pending_request request[PENDING_MAX];
	struct {
		uint32_t offset, length;
	} packet[PENDING_ISO_MAX][URB_PACKETS_MAX];
};

/*
 * A request is about to be sent. Returns 0 and *request; -EAGAIN: there is no room before another
 * one was answered; -EPROTO: vhci-hcd sends no such request. If it is HELD, which is an unlink of a
 * URB that has not been sent, it is not to be sent before that: vhci-hcd sends all URBs that wait,
 * then all unlinks that wait, and in between a URB may be made and unlinked. A server would say
 * that there is no such URB, and vhci-hcd would end the session when it is answered later. Not for
 * an unlink before any URB: see client/flow.c answer_stale().
 */
int pending_add(struct pending *pending, const struct urb_command *command, uint32_t now,
		struct pending_request **request);
/* Of an isochronous one, each of its packets, before it is sent. */
void pending_add_packet(struct pending *pending, const struct pending_request *request,
			uint32_t index, const struct urb_packet *packet);
/* That URB was sent. Returns the unlink of it that is HELD, which is to be sent now, or NULL. */
struct pending_request *pending_release(struct pending *pending, uint32_t seqnum);

/* Before the name of a field. */
#define PENDING_WRONG "an answer of the server has a wrong "

/* Returns NULL if the answer fits, and *request is what it answers; else a sentence that names the
 * field that does not. */
const char *pending_check(struct pending *pending, const struct urb_reply *reply,
			  struct pending_request **request);
/* The same for each packet of an isochronous answer of length bytes. *sum is 0 for the first. */
const char *pending_check_packet(const struct pending *pending,
				 const struct pending_request *request, uint32_t index,
				 const struct urb_packet *packet, uint32_t length, uint32_t *sum);
/* The whole answer has come: the request is forgotten. An answer to an unlink answers the URB, too,
 * unless that was answered before. */
void pending_end(struct pending *pending, struct pending_request *request);
/* Whether an unlink was sent so long ago, or longer, and has no answer. */
bool pending_has_unlink(const struct pending *pending, uint32_t now, uint32_t ago);

#endif
