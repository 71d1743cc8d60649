/* SPDX-License-Identifier: MIT */
/*
 * The messages of a session, on their way through the guard: those of vhci-hcd up to the server,
 * the answers down. They come as bytes, in parts of any size; what may go on is marked. Nothing
 * here touches a socket.
 *
 * A message has a header, data, and packets of an isochronous URB. Up, all of it goes on as it is,
 * but for unlinks that are held back, or that are answered here.
 * Down, a header and each packet go on if they fit what was asked for, written anew, so that no
 * other byte of them reaches the kernel. The data of an answer are not looked at.
 */
#ifndef CLIENT_FLOW_H
#define CLIENT_FLOW_H

#include "client/guard.h"
#include "client/pending.h"

#include <stddef.h>

enum { FLOW_WINDOW = 65536 /* bytes in each direction */ };

/* bytes[] has what was checked and is to be sent, from begin, and what was received and was not
 * checked yet, from checked to end. */
struct flow {
	size_t begin, checked, end;
	bool stalled; /* up: a request waits until another one is answered */
	struct pending_request *request; /* of the message; NULL: its header is to come */
	uint32_t seqnum;
	uint32_t data;		  /* bytes that are to come */
	uint32_t packets, packet; /* how many it has, and which is next */
	uint32_t length, sum;	  /* down: of the data, and of the packets so far */
	size_t unfinished;	  /* bytes of the message that were checked, until it is whole */
	uint8_t bytes[FLOW_WINDOW];
};

struct flows {
	struct guard_page *page;
	uint32_t now;	   /* us, set by the caller */
	struct flow up, down;
	/* An unlink to be sent up, behind bytes[], before anything else is; it has so many bytes,
	 * the last ones of unlink[]. */
	size_t unlink_left;
	uint8_t unlink[URB_SIZE];
	struct pending pending;
	const char *wrong; /* why the session must end; NULL: nothing is */
};

/* Goes through what was received, as far as it is complete, and moves checked; that of down as well
 * if an unlink from up was answered. Not while an unlink is to be sent. Sets wrong; what was
 * checked before may still be sent. */
void flow_check(struct flows *flows, struct flow *flow);
/* How many bytes are to be sent, from begin on: whole messages, so that the kernel does not wait
 * amid one. But of one that fills the window, or was begun, all that was checked. */
size_t flow_passable(const struct flow *flow);
/* Whether the server has begun an answer, has so many requests that no other goes up, or has not
 * answered an unlink for that time, in us. */
bool flows_wait(const struct flows *flows, uint32_t us);

#endif
