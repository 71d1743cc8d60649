/* SPDX-License-Identifier: MIT */
/*
 * One-shot questions to the machines on the links of this one: multicast DNS (RFC 6762 5.1), over
 * IPv4 and IPv6. Blocking work for a process of its own. Works inside the client's sandbox.
 */
#ifndef LOOP_MULTICAST_H
#define LOOP_MULTICAST_H

#include "lib/mdns.h"
#include "loop/resolve.h"

enum {
	MULTICAST_LINKS_MAX = 64,  /* interfaces; any further are left out */
	MULTICAST_GATHER_MS = 200, /* from the first answer that is enough to the end */
};

struct multicast {
	void *ctx;
	unsigned tries;
	unsigned try_ms; /* how long answers are waited for in each */
	/* Adds the questions of the next try. */
	void (*ask)(void *ctx, struct mdns_query *query);
	/* Takes a record of an answer, which came by the interface of that number. Returns whether
	 * there are answers enough now. */
	bool (*take)(void *ctx, const struct mdns_record *record, unsigned interface);
};

/* Asks by every interface that is up and can multicast. Only answers from the same link count: from
 * an address that is on it, and from the port 5353 (RFC 6762 11). */
void multicast_ask(const struct multicast *multicast);

/* Adds the address of a record A or AAAA, unless it is known or there is no room for it. */
void multicast_add_address(struct addresses *addresses, const struct mdns_record *record,
			   unsigned interface, uint16_t port);

#endif
