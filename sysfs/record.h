/* SPDX-License-Identifier: MIT */
/*
 * Notes on what is attached to which vhci port: DIR/portN, one line "HOST TCP-PORT BUSID", as
 * `usbip attach` writes and `usbip port` reads them (tools/usb/usbip/src/usbip_attach.c
 * record_connection(), libsrc/vhci_driver.c read_record()). They outlive what they describe: never
 * the truth, only a name for what the port table shows.
 */
#ifndef SYSFS_RECORD_H
#define SYSFS_RECORD_H

#include "proto/busid.h"
#include "proto/endpoint.h"

enum { RECORD_MORE_SIZE = 96 };

struct record {
	char host[ENDPOINT_HOST_SIZE];
	char tcp_port[ENDPOINT_PORT_SIZE];
	char busid[BUSID_SIZE];
};

/*
 * Makes the directory when needed (0700, as the stock tools do). more, if not NULL, are words
 * behind the three, and anybody may read the file. 0 or -errno.
 */
int record_write(const char *dir, unsigned port, const char *host, const char *tcp_port,
		 const char *busid, const char *more);
/* False when there is none that can be understood. */
bool record_read(const char *dir, unsigned port, struct record *record);
/* Whether there is one that says just this. */
bool record_is(const char *dir, unsigned port, const char *host, const char *tcp_port,
	       const char *busid);
/* Removes the record, and the directory with the last one. None to remove is fine. */
void record_remove(const char *dir, unsigned port);

#endif
