/* SPDX-License-Identifier: MIT */
/* The doctor's parts: each looks at something and says what it finds, and what mends that. */
#ifndef CMD_DOCTOR_REPORT_H
#define CMD_DOCTOR_REPORT_H

#include "loop/daemon.h"

struct doctor {
	struct sysfs sysfs;
	struct sysfs machine; /* only its root: "/" */
	const struct daemon_options *options;
	const char *port; /* where the server of this machine is to listen */
	bool bad;	  /* something is */
	uint32_t number;  /* of the port */
	const char *now;  /* the process or directory that is looked at */
	char socket[32];  /* that listens at the port, as a link; empty: none */
	char listener[17]; /* whose it is, proc(5) comm; empty: unknown */
};

enum doctor_level { OK, WARN, BAD };

/* Prints a line: a str_format() format with its arguments, made printable. */
void doctor_say(struct doctor *doctor, enum doctor_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether a file of the machine has a line with that in it; the path is a format with the name. */
bool doctor_has(const struct doctor *doctor, const char *word, const char *format,
		const char *name);

/*
 * A module whose files were found so: 0 or -errno; level: of one that is missing. Behind its name
 * and a NUL stands what the configuration of a kernel without it says.
 */
void doctor_driver(struct doctor *doctor, enum doctor_level level, const char *module, int error);
/* Of usbip-host, of vhci-hcd; nothing when it is not loaded. */
void doctor_slots(struct doctor *doctor);
void doctor_ports(struct doctor *doctor);

/* Programs that get in the way, who listens where the server should, what filters packets. */
void doctor_programs(struct doctor *doctor);

/* What others than root may change. */
void doctor_places(struct doctor *doctor);

#endif
