/* SPDX-License-Identifier: MIT */
/*
 * A client's session with a device: its requests come over a socket, are carried out, and replied
 * to (Documentation/usb/usbip_protocol.rst). The client is not trusted: whatever it sends costs at
 * most its session, TRANSFERS_MAX URBs, and the memory that the device may have in flight.
 *
 * System calls: ioctl, mmap, munmap, recvfrom, recvmsg, sendto, sendmsg, epoll_ctl, close.
 */
#ifndef USBFS_SESSION_H
#define USBFS_SESSION_H

#include "usbfs/transfer.h"

enum {
	USBFS_RECEIVE_SIZE = 2048, /* for requests; data go to where they belong */
	USBFS_EARLY_MAX = 32,	   /* unlinks that came before what they unlink */
};

/* Why a session has ended. */
enum usbfs_end {
	USBFS_RUNNING = 0,
	USBFS_CLOSED,	    /* by the client, between two requests */
	USBFS_CUT,	    /* within one */
	USBFS_CONNECTION,   /* an error of the socket: session->error */
	USBFS_DEVICE_GONE,
	USBFS_NO_MEMORY,
	USBFS_BAD_REQUEST,  /* its code, direction, endpoint or length */
	USBFS_BAD_DEVID,
	USBFS_BAD_SEQNUM,   /* that of a URB in flight, or unlinked twice */
	USBFS_BAD_PACKETS,
	USBFS_BAD_UNLINKS,  /* more than USBFS_EARLY_MAX of URBs that never came */
};
const char *usbfs_end_text(enum usbfs_end end);

struct usbfs_session {
	int socket, epoll;
	uint32_t devid;
	enum usbfs_end end;
	int error; /* errno of the socket */
	uint32_t events; /* of the socket, that are waited for */
	bool blocked; /* a request waits for room */
	struct transfer *receiving; /* or NULL */
	bool begun; /* a URB has come, whose seqnum is: */
	uint32_t latest; /* the highest */
	unsigned earlies;
	struct {
		uint32_t victim, seqnum;
	} early[USBFS_EARLY_MAX];
	size_t len;
	uint8_t in[USBFS_RECEIVE_SIZE];
	struct transfers transfers;
};

/*
 * Begins a session with a device that is claimed. socket is a connected stream socket, which is the
 * session's from now on; devid is what its requests must have. epoll gets the socket and the device
 * with data.fd. counters may be shared. 0 or -errno: the socket is closed, and session->socket -1.
 */
int usbfs_session_begin(struct usbfs_session *session, struct usbfs_device *device, int socket,
			uint32_t devid, int epoll, struct urb_counters *counters);

/* For epoll_wait(): after so many ms without an event usbfs_session_ready() shall be called with
 * the fd -1; -1: never. */
int usbfs_session_timeout(const struct usbfs_session *session);

/* fd, the socket or the device's, has these events. Returns why the session has ended, if it
 * has. It never blocks, but for requests that are ioctls: usbfs/special.h. */
enum usbfs_end usbfs_session_ready(struct usbfs_session *session, int fd, uint32_t events);

/* Kills all URBs, closes the socket, resets the device and claims it again: it blocks, some 0.3
 * s. 0 or -errno: -ENODEV if the device is gone. */
int usbfs_session_end(struct usbfs_session *session);

#endif
