/* SPDX-License-Identifier: MIT */
/* Which devices are attached and detached: the client's decisions, pure functions. */
#ifndef CLIENT_DECIDE_H
#define CLIENT_DECIDE_H

#include "sysfs/vhci.h"

/* A device that a server has or had, and that is not attached by us. */
struct attach_facts {
	bool listed;	/* in the server's latest list */
	bool denied;	/* by a rule or a hold */
	bool elsewhere; /* attached by somebody else on this machine: `usbip attach` */
	bool backoff;	/* a failure is too recent for another attempt */
	bool port_free; /* vhci-hcd has a free port for its speed */
	uint32_t speed; /* enum usb_device_speed */
};

enum attach_verdict {
	ATTACH_NOW,
	ATTACH_NOT,
	ATTACH_NO_PORT,	 /* all ports for its speed are in use */
	ATTACH_NO_SPEED, /* the server does not know its speed, so no hub fits */
};

enum attach_verdict decide_attach(const struct attach_facts *facts);

/* A port to which we attached a device. Times in milliseconds. */
struct port_facts {
	uint8_t state;	     /* enum vhci_state now */
	bool other_device;   /* it names another device than the one that we attached */
	uint64_t unanswered; /* for how long the server has kept the kernel waiting */
	uint64_t closed_for; /* since the connection was closed, 0 = it is open */
};

enum port_verdict {
	PORT_KEEP,
	PORT_GONE,	 /* it is free, or somebody else's by now */
	PORT_DETACH,	 /* the device is gone, but the kernel does not free the port */
	PORT_UNANSWERED, /* the server never answered: detach, because it blocks the whole hub */
};

enum {
	CLIENT_ANSWER_MS = 10000,  /* for the kernel to enumerate the device: 0.5 s is usual */
	CLIENT_TEARDOWN_MS = 3000, /* for the kernel to free the port: 0.2 s is usual */
};

enum port_verdict decide_port(const struct port_facts *facts);

#endif
