/* SPDX-License-Identifier: MIT */
/*
 * The switch that stays off: usbiphp detach, attach (client), release, bind (server). What is off
 * is noted by name in the configuration directory (policy/holds.h); a daemon that runs sees to the
 * rest, without one it is done here.
 */
#ifndef CMD_HOLD_H
#define CMD_HOLD_H

#include "loop/daemon.h"

/*
 * Switches a device off, or on again. what is its name, whole or without VID:PID, its busid or that
 * at its server, or its port. At the client, one that is not there may be switched off by its whole
 * name. The exit status: 0, or 1 after a line that says why.
 */
int show_hold(const struct daemon_options *options, bool client, bool off, const char *what);

#endif
