/* SPDX-License-Identifier: MIT */
/*
 * The switch that stays off: usbiphp detach, attach (client), release, bind (server). What is off is
 * noted by name in the configuration directory (loop/held.h); a daemon that runs sees to the rest,
 * without one it is done here.
 */
#ifndef SHOW_HOLD_H
#define SHOW_HOLD_H

#include "loop/daemon.h"

/* Each returns the exit status: 0, or 1 after a line that says why. */
int show_detach(const struct daemon_options *options, const char *what); /* a port or name */
int show_attach(const struct daemon_options *options, const char *name);
int show_release(const struct daemon_options *options, const char *what); /* a busid or name */
int show_bind(const struct daemon_options *options, const char *what);

#endif
