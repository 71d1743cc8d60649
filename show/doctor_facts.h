/* SPDX-License-Identifier: MIT */
/* What the doctor sees, and what it says about that. */
#ifndef SHOW_DOCTOR_FACTS_H
#define SHOW_DOCTOR_FACTS_H

#include "client/exchange.h"
#include "loop/daemon.h"
#include "sysfs/stub.h"

enum doctor_role { DOCTOR_SERVER, DOCTOR_CLIENT, DOCTOR_ROLES };

struct doctor_role_name {
	const char *module;
	const char *config; /* of the kernel, with "=" or " is not set" behind it */
	const char *word;
	const char *service;
	const char *install; /* the installer's arguments */
};

extern const struct doctor_role_name doctor_role_name[DOCTOR_ROLES];

enum doctor_module {
	MODULE_MISSING,
	MODULE_LOADABLE, /* or built in */
	MODULE_UNBUILT,	 /* the kernel's configuration is without it */
	MODULE_GONE,	 /* only other kernels have modules here */
	MODULE_NOWHERE,	 /* no kernel has */
};

/* Programs that are in the way, by the bit; proc(5) comm, cut off at 15 characters. */
enum doctor_program {
	PROGRAM_MODEM_MANAGER,
	PROGRAM_USBGUARD,
	PROGRAM_UDISKS,
	PROGRAM_FIREWALLD,
	PROGRAMS,
};

enum { DOCTOR_WORD_SIZE = 16, DOCTOR_RELEASE_SIZE = 80 };

struct doctor_facts {
	bool root;	    /* everything can be seen */
	bool clock_unset;
	const char *port;   /* of the server of this machine */
	const char *config, *run; /* directories */
	char release[DOCTOR_RELEASE_SIZE]; /* of the kernel; printable or not */
	const char *remedy; /* for a missing module, a format with the role's word; NULL: unknown */
	struct doctor_part {
		bool wanted;	 /* this machine has or is to have that role */
		bool looked_at;	 /* it may have */
		bool installed;	 /* there is a service */
		bool script;	 /* which starts a shell script */
		bool running;
		int driver; /* stub_check(), vhci_check() */
		enum doctor_module module;
		unsigned held; /* devices that are switched off */
	} part[DOCTOR_ROLES];

	int slots; /* of usbip-host in use, or -errno */
	unsigned devices, bound, failed; /* at sockets of this machine; failed: in their error state */
	char failed_name[48];
	unsigned ports[2], free[2]; /* for high and super speed */
	int failed_port;	    /* -1: none */

	bool listening;	 /* somebody does, on the port */
	char listener[DOCTOR_WORD_SIZE]; /* his name; empty: unknown */
	uint32_t programs;		 /* bits of enum doctor_program */
	bool ufw, ufw_lets, netfilter;
	char loose[2][256]; /* what others may change, in config and run; empty: nothing */
};

struct doctor_host {
	const char *name; /* HOST:PORT */
	struct exchange_result list;
	const char *reason; /* of a list that failed */
	unsigned devices;
	bool watch; /* it pushes its list */
};

struct doctor_report {
	bool bad;
	size_t len;
	char text[8192]; /* lines; what does not fit is left out */
};

/*
 * All of it but port; a role that the machine has no sign of is wanted when it is the one that
 * client says. 0, or -errno when there is no machine.
 */
int doctor_look(struct doctor_facts *facts, const struct sysfs *sysfs,
		const struct daemon_options *options, bool client);

/* Pure: lines about what was seen. */
void doctor_judge(struct doctor_report *report, const struct doctor_facts *facts);
void doctor_judge_host(struct doctor_report *report, const struct doctor_host *host);

#endif
