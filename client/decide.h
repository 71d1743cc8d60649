/* SPDX-License-Identifier: MIT */
/* Which devices are attached: the client's decisions, pure functions. */
#ifndef CLIENT_DECIDE_H
#define CLIENT_DECIDE_H

#include "sysfs/vhci.h"

/* What is known about a device that a server has, or had. */
struct client_facts {
	bool listed;	/* in the server's latest list */
	bool attached;	/* by us */
	bool elsewhere; /* by somebody else on this machine: `usbip attach` */
	bool held_back; /* it failed lately */
	bool port_free; /* a port of the half that fits */
	uint32_t speed; /* enum usb_device_speed */
	bool unwanted;	/* by the rules, or held */
};

enum client_verdict {
	CLIENT_ATTACH,
	CLIENT_LEAVE,	 /* attached already, not there, or not yet again */
	CLIENT_NO_PORT,	 /* the kernel's table is full */
	CLIENT_NO_SPEED, /* the server does not know its speed, so no hub fits */
};

enum client_verdict client_judge(const struct client_facts *facts);

/* What is known about a device that we attached to a port. Times in milliseconds. */
struct client_session {
	uint8_t state;	    /* enum vhci_state of the port now */
	bool stranger;	    /* the port names another device than the one we attached */
	uint64_t unanswered; /* for how long its server has kept the kernel waiting */
	uint64_t ended_for; /* since the connection was seen closed, 0 = it is open */
};

enum client_fate {
	CLIENT_KEEP,
	CLIENT_GONE,	   /* the port is free, or somebody else's by now */
	CLIENT_DETACH,	   /* it is no device any more, but the port is still taken */
	CLIENT_UNANSWERED, /* the server never answered: detach, as it stalls the whole hub */
};

enum {
	CLIENT_ANSWER_MS = 10000,  /* for the kernel to have the device: 0.5 s is usual */
	CLIENT_TEARDOWN_MS = 3000, /* for the kernel to free the port: 0.2 s is usual */
};

enum client_fate client_session_judge(const struct client_session *session);

#endif
