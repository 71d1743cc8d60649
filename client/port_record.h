/* SPDX-License-Identifier: MIT */
/*
 * Notes on what is attached to which vhci port: DIR/portN, one line "HOST TCP-PORT BUSID", as
 * `usbip attach` writes and `usbip port` reads them (tools/usb/usbip/src/usbip_attach.c
 * record_connection(), libsrc/vhci_driver.c read_record()). They outlive what they describe: never
 * the truth, only a name for what the port table shows.
 */
#ifndef CLIENT_PORT_RECORD_H
#define CLIENT_PORT_RECORD_H

#include "lib/endpoint.h"
#include "proto/busid.h"

#include <stdint.h>

enum { SESSION_ADDRESS_SIZE = 64 }; /* an IPv6 address with its scope */

struct record {
	char host[ENDPOINT_HOST_SIZE];
	char tcp_port[ENDPOINT_PORT_SIZE];
	char busid[BUSID_SIZE];
};

/*
 * The connection of a session, noted as "LOCAL-ADDR LOCAL-PORT PEER-ADDR PEER-PORT": by the server
 * in RUN/session.BUSID, with the name of the peer's key behind it, by the client behind the record
 * in RUN/portN. It outlives the session, too.
 */
struct session {
	int64_t since; /* when it was noted, seconds of time(2) */
	char local[SESSION_ADDRESS_SIZE], local_port[ENDPOINT_PORT_SIZE];
	char peer[SESSION_ADDRESS_SIZE], peer_port[ENDPOINT_PORT_SIZE]; /* empty: not noted */
};

/*
 * The directory (0700, as the stock tools make it) must be there. more, if not NULL, are words
 * behind the three, and anybody may read the file. 0 or -errno.
 */
int record_write(const char *dir, unsigned port, const char *host, const char *tcp_port,
		 const char *busid, const char *more);
/* False when there is none that can be understood. */
bool record_read(const char *dir, unsigned port, struct record *record);
/* Whether there is one that says just this. */
bool record_is(const char *dir, unsigned port, const char *host, const char *tcp_port,
	       const char *busid);
/* record_read(), and what is noted there of the session. */
bool record_read_session(const char *dir, unsigned port, struct record *record,
			 struct session *session);
/* The server's note. False when there is none. */
bool session_read(const char *dir, const char *busid, struct session *session);
/* None to remove is fine. */
void record_remove(const char *dir, unsigned port);

#endif
