/* SPDX-License-Identifier: MIT */
/* The doctor's context, its report, and how it looks into files of the machine. */
#ifndef CMD_DOCTOR_REPORT_H
#define CMD_DOCTOR_REPORT_H

#include "loop/daemon.h"

struct doctor {
	const struct daemon_options *options;
	const char *port; /* the server's TCP port on this machine, decimal */
	struct sysfs sysfs;
	struct sysfs machine; /* only its root is set: "/", or the directory above options->sysfs */
	bool any_bad;	      /* a line with DOCTOR_BAD was printed */
};

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_BAD };

/* Prints a line: the level and a sentence, made printable. */
void doctor_report(struct doctor *doctor, enum doctor_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether a file of the machine, path below its root, has a line that contains text. */
bool doctor_file_contains(const struct doctor *doctor, const char *text, const char *path, ...)
	__attribute__((format(printf, 3, 4)));
/* Whether there is such a file or directory. */
bool doctor_file_exists(const struct doctor *doctor, const char *path, ...)
	__attribute__((format(printf, 2, 3)));

#endif
