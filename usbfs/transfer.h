/* SPDX-License-Identifier: MIT */
/*
 * The URBs of a session, from the client's whole request to the reply that is to be sent:
 * submitted to the kernel, reaped, unlinked. Each has exactly one reply, and no memory is
 * allocated for one in the long run. Sources: drivers/usb/core/devio.c,
 * drivers/usb/usbip/stub_tx.c, vhci_rx.c.
 *
 *	FREE -> RECEIVING -> FLYING -> DONE -> FREE
 *	            |           ^
 *	            +-> WAITING -+
 */
#ifndef USBFS_TRANSFER_H
#define USBFS_TRANSFER_H

#include "proto/urb.h"
#include "usbfs/buffers.h"
#include "usbfs/node.h"
#include "usbfs/special.h"

#include <stdalign.h>
#include <sys/uio.h>

enum {
	TRANSFERS_MAX = 1024,	/* URBs of a client at a time */
	TRANSFER_REPLIES = 32,	/* and replies to unlinks of URBs that have completed before */
	TRANSFER_PARTS = 4,	/* of a reply: header, data, packets; header of an unlink's */
};

enum transfer_state {
	TRANSFER_FREE,
	TRANSFER_RECEIVING, /* its data and packets are on their way from the client */
	TRANSFER_WAITING,   /* for memory; some of its pieces may be in flight */
	TRANSFER_FLYING,
	TRANSFER_DONE, /* its reply waits to be sent */
};

struct transfer {
	struct transfer *next; /* in the list of its state */
	enum transfer_state state;
	bool stale; /* free for some time */
	struct urb_command command;
	bool exists;	  /* the device has its endpoint now */
	uint8_t type;	  /* USB_ENDPOINT_XFER_*; control, if it does not exist */
	uint32_t packets; /* of an isochronous one, else 0 */
	bool scattered;	  /* a packet lies before the end of those before it, closed up */
	uint32_t received; /* bytes of what follows the request */
	struct usbfs_buffer buffer; /* the data; of a control transfer behind its setup */
	struct usbfs_buffer extra;  /* packets as on the wire; usbfs's URBs, if one is too few */
	/* usbfs's URBs, and how many were submitted, and not reaped yet */
	unsigned pieces, submitted, flying;
	unsigned waited; /* so many ticks */
	int error;	 /* that ended it before all pieces were submitted; -ENOENT: killed */
	bool unlinked;
	uint32_t unlink; /* seqnum of the request to unlink it */
	unsigned parts;	 /* of its reply */
	struct iovec part[TRANSFER_PARTS];
	uint8_t reply[2][URB_SIZE]; /* small data are behind the first, in place of the second */
	alignas(struct usbdevfs_urb) uint8_t urb[sizeof(struct usbdevfs_urb)]; /* if one does */
};

struct transfer_list {
	struct transfer *first, **end;
};

/* May be in memory that another process reads. */
struct transfers {
	struct usbfs_device *device;
	struct urb_counters *counters;
	struct usbfs_special special;
	struct usbfs_buffers buffers;
	bool gone;	 /* the device */
	bool starved;	 /* URBs were ended for want of memory */
	bool ticks;	 /* transfers_tick() is wanted: something waits for the kernel's memory */
	unsigned flying; /* usbfs's URBs */
	size_t bytes;	 /* in buffers of transfers that are not free */
	size_t idle;	 /* in buffers of free ones */
	unsigned taken;	 /* slots that are not free */
	unsigned used;	 /* slots that were ever taken */
	struct transfer *bare; /* free, without a buffer */
	struct transfer *free[USBFS_CLASSES]; /* free, with a buffer of that class */
	struct transfer_list waiting, done;
	size_t sent; /* bytes of the first reply */
	struct transfer slot[TRANSFERS_MAX + TRANSFER_REPLIES];
};

void transfers_begin(struct transfers *transfers, struct usbfs_device *device,
		     struct urb_counters *counters);
/* Kills and reaps all URBs, and frees all memory. */
void transfers_end(struct transfers *transfers);

/* The seqnum's transfer, done ones included, or NULL. */
struct transfer *transfers_find(struct transfers *transfers, uint32_t seqnum);

/*
 * A transfer for a URB_CMD_SUBMIT, whose length is at most USBFS_LENGTH_MAX. 0; -EAGAIN if there
 * must be room first: replies must be sent, or URBs complete. Or the session must end: -EBADMSG:
 * more than URB_PACKETS_MAX packets; -ENOMEM.
 */
int transfer_take(struct transfers *transfers, const struct urb_command *command,
		  struct transfer **transfer);
/* Where what follows the request belongs: up to two parts. Returns the bytes that are missing. */
size_t transfer_missing(const struct transfer *transfer, struct iovec part[2], int *parts);
/* All of it is there. False if its packets are malformed. */
bool transfer_submit(struct transfers *transfers, struct transfer *transfer);

/* Something has completed, or may have. */
void transfers_reap(struct transfers *transfers);
/* Tries again what waits for memory; those of an endpoint stay in their order. */
void transfers_start_waiting(struct transfers *transfers);
/* Some time has passed: what has waited for many ticks is given up when it is tried again. */
void transfers_tick(struct transfers *transfers);
/* Frees the memory of free slots: all of it, or of those that were free the last time and have been
 * since. Returns whether there was a map. */
bool transfers_free_idle(struct transfers *transfers, bool all);

/* Kills a transfer that is waiting or in flight; seqnum is the request's. */
void transfer_unlink(struct transfers *transfers, struct transfer *transfer, uint32_t seqnum);
/* The same for one that was received and is not submitted. */
void transfer_refuse(struct transfers *transfers, struct transfer *transfer, uint32_t seqnum);
/* The reply for one that has completed before. 0, or -EAGAIN as transfer_take(). */
int transfers_reply_unlink(struct transfers *transfers, uint32_t seqnum);

#endif
