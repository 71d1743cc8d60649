/* SPDX-License-Identifier: MIT */
/*
 * The process "usbiphp-starter". It forks the holders, as it has rights that the server gives up
 * (sandbox_enter()), and claims ports before anything is plugged in there: see usbfs_claim_port().
 * It knows no keys, and ends with the server.
 *
 * A holder gets the claim of its device's port, which so lasts without a gap. When any other claim
 * is given up, and a device is there, the starter lets the machine's drivers have that.
 */
#ifndef HOST_STARTER_H
#define HOST_STARTER_H

#include "host/port.h"

enum {
	HOLDER_PORTS = 2, /* a socket for SuperSpeed has one on each of two buses */
	STARTER_PORTS_MAX = 128,
};

/* From the server, with two descriptors: the holder's end of their connection, and the file of its
 * page, locked. With the first alone, a process only gives back the device of that busid, and then
 * ends; it resets the device unless number is 0: a holder had it, which has ended. */
struct holder_order {
	char busid[BUSID_SIZE];
	uint16_t bus, number; /* of the device */
	struct port port[HOLDER_PORTS];
};

struct starter_port {
	char busid[BUSID_SIZE];
	struct port port;
	bool empty; /* nothing is plugged in there: it is to be claimed, unless it is */
};

/* From the server: the ports whose claims are wanted; all others are given up. */
struct starter_ports {
	uint32_t count;
	struct starter_port port[STARTER_PORTS_MAX]; /* only so many are sent */
};

/* Its main function: returns when its socket is closed at the other end. */
void starter_main(int server, const struct sysfs *sysfs, int run_dir);

#endif
