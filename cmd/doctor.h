/* SPDX-License-Identifier: MIT */
/* The doctor's report, and its checks of this machine. */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include "loop/daemon.h"

enum { DOCTOR_COMM_SIZE = 17 }; /* proc(5): TASK_COMM_LEN with a newline */

struct doctor {
	const struct daemon_options *options;
	const char *port; /* the server's TCP port on this machine, decimal */
	struct sysfs sysfs;
	/* Only two are set: root, "/" or the directory above options->sysfs, and proc. */
	struct sysfs machine;
	bool any_bad;	      /* a line with DOCTOR_BAD was printed */
	bool is_server;	      /* this machine is to export devices, or may be */
	bool has_usbfs;	      /* it can do so without usbip-host */
	unsigned exported[2]; /* devices: by usbip-host, by usbfs */

	/* the program that listens at the port */
	char socket[32]; /* target of its /proc/PID/fd link; empty: nothing listens */
	char program[DOCTOR_COMM_SIZE]; /* empty: not known */
	/* the directory whose entries are being checked */
	const char *pid, *dir; /* in /proc, else its path */
};

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

/* Prints a line: the level and a sentence, made printable. */
void doctor_report(struct doctor *doctor, enum doctor_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define doctor_ok(doctor, ...) doctor_report(doctor, DOCTOR_OK, __VA_ARGS__)
#define doctor_warn(doctor, ...) doctor_report(doctor, DOCTOR_WARN, __VA_ARGS__)
#define doctor_bad(doctor, ...) doctor_report(doctor, DOCTOR_BAD, __VA_ARGS__)

/* Modules, daemons and holds of the roles that this machine has; asked_as_client: it is to have the
 * client's. */
void doctor_check_roles(struct doctor *doctor, bool asked_as_client);

#endif
