/* SPDX-License-Identifier: MIT */
/* What the doctor sees, and what it says about that. */
#ifndef SHOW_DOCTOR_FACTS_H
#define SHOW_DOCTOR_FACTS_H

#include "client/exchange.h"
#include "loop/daemon.h"

enum doctor_role { DOCTOR_SERVER, DOCTOR_CLIENT, DOCTOR_ROLES };

/* The words that differ. */
struct doctor_role_words {
	const char *module;
	const char *role;
	const char *service;
	const char *install; /* the installer's arguments */
};

extern const struct doctor_role_words doctor_role_words[DOCTOR_ROLES];

/* Bits of doctor_facts.signs, in the order of their lines in doctor_judge.c; the first ones are
 * programs, in the order of their names in doctor_look.c. */
enum doctor_sign {
	SIGN_MODEM_MANAGER,
	SIGN_USBGUARD,
	SIGN_UDISKS,
	SIGN_FIREWALLD,
	SIGN_UFW,
	SIGN_NETFILTER, /* the kernel has rules for packets */
	SIGN_UNSEEN,	/* not all can be seen by this user */
	SIGN_CLOCK,	/* it is not set */
	SIGNS,
};

enum doctor_module {
	MODULE_LOADABLE, /* or built in */
	MODULE_MISSING,
	MODULE_GONE, /* this kernel has no modules here at all */
};

struct doctor_facts {
	uint32_t signs;
	int slots; /* of usbip-host in use, or -errno */
	unsigned devices, bound, failed; /* in sockets of this machine; failed: in error */
	unsigned ports[2], free[2];	 /* of vhci-hcd, for high and super speed */
	int failed_port;		 /* one in error, or -1 */
	bool listening;		  /* somebody does, on port */
	const char *port;	  /* where the server of this machine is to listen */
	const char *config, *run; /* directories */
	const char *remedy; /* for a module that is not there */
	struct doctor_part {
		bool wanted;	/* this machine has or is to have that role */
		bool looked_at; /* it may have */
		bool installed; /* there is a service for it, which is enabled */
		bool script;	/* which starts a shell script */
		bool running;
		uint8_t module; /* enum doctor_module, when driver is -ENOENT */
		int driver;	/* stub_check(), vhci_check() */
		unsigned held;	/* devices that are switched off */
	} part[DOCTOR_ROLES];
	char listener[17];    /* who it is; empty: unknown */
	char failed_name[48]; /* a device in error */
	char release[80];     /* of the kernel */
	char loose[256];      /* a file of config or run that others may change; empty: none */
};

/*
 * Fills it, which is zero but for port. client: what is asked for is a client's. 0, or -errno when
 * nothing can be looked at.
 */
int doctor_look(struct doctor_facts *facts, const struct sysfs *sysfs,
		const struct daemon_options *options, bool client);

struct doctor_report {
	bool bad;
	size_t len;
	char text[8192]; /* lines; what does not fit is left out */
};

struct doctor_host {
	const char *name; /* HOST:PORT */
	struct exchange_result list;
	const char *reason; /* of a list that failed */
	unsigned devices;
	bool watch; /* it pushes its list */
};

/* Pure: add the lines about what was seen. */
void doctor_judge(struct doctor_report *report, const struct doctor_facts *facts);
void doctor_judge_host(struct doctor_report *report, const struct doctor_host *host);

#endif
