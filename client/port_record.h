/* SPDX-License-Identifier: MIT */
/*
 * Records of the devices that are attached to vhci ports: DIR/portN, one line "HOST TCP-PORT
 * BUSID", as `usbip attach` writes and `usbip port` reads them (tools/usb/usbip/src/usbip_attach.c
 * record_connection(), libsrc/vhci_driver.c read_record()). A record can outlive its session: the
 * port table decides, a record only adds names to it.
 */
#ifndef CLIENT_PORT_RECORD_H
#define CLIENT_PORT_RECORD_H

#include "lib/addr.h"
#include "proto/usb.h"

#include <stddef.h>
#include <stdint.h>

enum { CONNECTION_ADDR_SIZE = 64 }; /* an IPv6 address with its scope */

struct record {
	char host[ENDPOINT_HOST_SIZE];
	char tcp_port[ENDPOINT_PORT_SIZE];
	char busid[BUSID_SIZE];
};

/*
 * The begin and the TCP connection of a session, written by session_describe(): by the server in
 * RUN/session.BUSID, followed by the name of the peer's key, by the client behind the record in
 * RUN/portN. It can outlive the session, too.
 */
struct connection_addr {
	int64_t since; /* its begin, or when the stock tools wrote the file, seconds of time(2) */
	char local[CONNECTION_ADDR_SIZE], local_port[ENDPOINT_PORT_SIZE];
	char peer[CONNECTION_ADDR_SIZE], peer_port[ENDPOINT_PORT_SIZE]; /* empty: unknown */
};

/* The stock tools' directory: vhci_hcd beside the run directory, or, if that is a symbolic link,
 * beside the link. A path that does not fit is cut off. */
void record_stock_dir(char *dir, size_t size, const char *run);
/*
 * The directory (0700, as the stock tools make it) must exist. If more is not NULL, its words
 * follow the three. Returns 0, or -errno and no file is left.
 */
int record_write(const char *dir, unsigned port, const struct endpoint *server, const char *busid,
		 const char *more);
/* Returns false if there is none, or a malformed one. connection may be NULL. */
bool record_read(const char *dir, unsigned port, struct record *record,
		 struct connection_addr *connection);
bool record_is_from(const struct record *record, const struct endpoint *server);
/* Whether the port has the record of that device. */
bool record_matches(const char *dir, unsigned port, const struct endpoint *server,
		    const char *busid);
/* The file that the server writes. Returns false if there is none, or a malformed one. */
bool connection_read(const char *dir, const char *busid, struct connection_addr *connection);
/* Does nothing if there is no record. */
void record_remove(const char *dir, unsigned port);

#endif
