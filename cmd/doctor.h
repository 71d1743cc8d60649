/* SPDX-License-Identifier: MIT */
/*
 * usbiphp doctor: what is wrong with this machine, and what mends it. It looks only: it loads no
 * module, changes nothing, and waits for nothing but the servers it is to ask.
 */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include "lib/endpoint.h"
#include "loop/daemon.h"

/*
 * Prints a line for each check: "ok", "warn" or "BAD", and what. /proc, /etc, /lib, /boot and /run
 * are those beside the directory options->sysfs. port is where the server of this machine listens,
 * decimal. Returns the exit status: 0, or 1 when something is BAD or nothing could be looked at.
 */
int doctor_run(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers);

#endif
