/* SPDX-License-Identifier: MIT */
/*
 * The server role: every device that may be exported is bound to usbip-host, and kept so; what was
 * bound is given back at the end.
 */
#ifndef HOST_HOST_H
#define HOST_HOST_H

#include "loop/daemon.h"

/* Runs until told to stop. Returns the exit status: 0, or 1 when it could not do its work. */
int host_run(const struct daemon_options *options);

#endif
