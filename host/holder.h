/* SPDX-License-Identifier: MIT */
/*
 * Holders: processes "usbiphp-holder", one for each device that the usbfs engine exports. A holder
 * claims the device and its port through /dev/bus/usb, carries the requests of its sessions, and
 * gives it back. It may use only what it has open then: see sandbox_enter_holder().
 *
 *	STARTING --> AVAILABLE <--> IN_USE
 *	   |             |             |
 *	   +-------------+-------------+----> RELEASED, FAILED, GONE: the process ends
 *
 * The process "usbiphp-starter" forks them: host/starter.h.
 *
 * A holder outlives a server that is killed. In the run directory it has, for the next one:
 *	holder.BUSID	struct holder_page, locked (flock(2)) as long as the process lives
 *	socket.BUSID	to connect to: SOCK_SEQPACKET, one struct holder_message each
 * Without a server and without a session it gives its device back after HOLDER_ALONE_MS.
 *
 * The kernel grants all URBs and maps of all programs usbfs_memory_mb together (a parameter of
 * usbcore, 16 MiB by default, 0: no limit). It is read when a holder starts, and left as it is.
 * Of n holders each may have the (n + 1)th part, at most USBFS_MEMORY; one part is for other
 * programs.
 */
#ifndef HOST_HOLDER_H
#define HOST_HOLDER_H

#include "host/engine.h"
#include "host/starter.h"
#include "loop/daemon.h"
#include "usbfs/session.h"

#include <sys/types.h>

enum {
	HOLDERS_MAX = 128,
	HOLDER_ALONE_MS = 30000,
	HOLDER_VERSION = 2, /* changes with struct holder_page */
};

enum holder_state {
	HOLDER_STARTING = 0,
	HOLDER_AVAILABLE,
	HOLDER_IN_USE,	 /* by a session, or being reset after one */
	HOLDER_RELEASED, /* the device has its own drivers again */
	HOLDER_FAILED,	 /* the same, as far as that was possible: see step and error */
	HOLDER_GONE,	 /* the device has left */
};

/* What failed. */
enum holder_step {
	HOLDER_STEP_NONE, /* no process could be made for it, or it was killed */
	HOLDER_STEP_PORT, /* claiming its port of the hub */
	HOLDER_STEP_OPEN, /* opening its node, or that of the hub */
	HOLDER_STEP_CLAIM, /* taking its interfaces from their drivers */
	HOLDER_STEP_SESSION, /* ending a session */
	HOLDER_STEP_RELEASE, /* giving it back to its drivers */
};

/* Shared by the holder, the server, and whoever shows it. Only the holder writes it, but for the
 * change from AVAILABLE to IN_USE, and holders. */
struct holder_page {
	uint32_t version;	/* HOLDER_VERSION; it and the messages stay in their places */
	_Atomic uint32_t state; /* enum holder_state */
	uint32_t step;		/* enum holder_step, of FAILED */
	int32_t error;		/* -errno, of FAILED */
	uint32_t devnum;	/* of the device */
	_Atomic uint32_t holders; /* of the server */
	struct urb_counters counters; /* of all sessions */
};

/* From the server to a holder. */
enum holder_message {
	HOLDER_IMPORT = 1, /* with the socket of a client (SCM_RIGHTS) */
	HOLDER_END,	   /* end the session, if there is one */
	HOLDER_RELEASE,	   /* end it, give the device back, and end */
};

/* In the server, once, before its sandbox: starts the starter, and finds the holders of an earlier
 * run. 0 or -errno. */
int holders_open(struct daemon *daemon);
/* Lets the starter end, and forgets the holders, which go on. */
void holders_close(void);
/* Tells the starter which ports are to be claimed, unless there are none, as before. A message that
 * is lost is made good by the next one. */
void holders_claim_ports(const struct starter_ports *ports);

/* For any process, of any user: reads the page of the holder that has the device, by the files in
 * the run directory. Returns false if there is none. */
bool holder_read(const char *run, const char *busid, struct holder_page *page);
/* Without a server: lets the holder give the device back, and waits for that. 0, or -errno: of the
 * holder or -ESRCH. */
int holder_release(const char *run, const char *busid);

/* The main function of a holder. control: its end of the connection with the server. claimed: the
 * claim of the device's own port, -1: it has to be claimed. */
void holder_main(const struct holder_order *order, const struct sysfs *sysfs, int control,
		 struct holder_page *page, int claimed) __attribute__((noreturn));

/* Opens a device that has that node, with the configuration that it has now. 0 or -errno. */
int holder_open_device(struct usbfs_device *device, const struct sysfs *sysfs, const char *busid,
		       unsigned bus, unsigned number);

/* The rest is for the engine. The files of a holder below run_dir. Opens that of its page, and
 * locks it; -EWOULDBLOCK: a holder has the lock, and *fd and *page are set all the same. Other
 * errors: they are not. */
int holder_open(int run_dir, const char *busid, int flags, int *fd, struct holder_page **page);
void holder_remove(int run_dir, const char *busid);
/* Connects to a holder: a descriptor or -1. */
int holder_connect(int run_dir, const char *busid);
/* Sends a message, with the descriptor *fd unless fd is NULL. 0 or -errno. */
int holder_tell(int control, enum holder_message message, const int *fd);
/* Waits at most so long for the end of the process at the other end of control. */
bool holder_has_ended(int control, int wait_ms);
void holder_wait_end(int control);
/* Waits until the holder has left the state. Returns the state then: the same if it was killed. */
enum holder_state holder_wait(int control, const struct holder_page *page, enum holder_state state);

#endif
