/* SPDX-License-Identifier: MIT */
/*
 * Hooks: the executable files in CONFIG/hooks.d, run one at a time, in the byte order of their
 * names, when something has happened to a device. usbiphp-client(8), HOOKS, is the contract with
 * them: names, arguments, environment, limits. The process of loop/hook_runner.h runs them.
 *
 * Not run is a file that others than its owner may write, or that belongs to neither root nor the
 * daemon's user. No hook is run if that is so of hooks.d, which must not be a symbolic link, or of
 * CONFIG. A hook may be a symbolic link: its target is checked, and the very file that was checked
 * is run. For this it is open as descriptor 3 in the hook, and $0 of a script is not its name.
 *
 * A fault of a hook is logged once, until the hook ends well or its file changes.
 */
#ifndef LOOP_HOOKS_H
#define LOOP_HOOKS_H

#include "lib/log.h"

#include <stdint.h>

#define HOOKS_DIR "/hooks.d" /* below CONFIG */

enum {
	HOOKS_MS = 30000,
	HOOK_EVENT_SIZE = 1024, /* all variables of one event; a longer value is cut off */
	HOOK_VARIABLES_MAX = 8,
};

struct hook_event {
	char text[HOOK_EVENT_SIZE]; /* strings, each with its terminator */
	char *variable[HOOK_VARIABLES_MAX + 1]; /* in text, the first is USBIPHP_EVENT; NULL */
};

struct hooks {
	const char *config;
	uint64_t stop_by; /* from this time on no hook runs; UINT64_MAX: not known yet */
	struct log_once late;
	struct log_once_set faults; /* by the version of the file */
};

/*
 * Runs all hooks for an event; returns when the last has ended. When SIGTERM or SIGINT has come,
 * what does not end within the next HOOKS_MS is killed, and later events are lost; logged. The
 * caller has blocked these signals and SIGCHLD, as loop_open() does.
 */
void hooks_run(struct hooks *hooks, const struct hook_event *event);

#endif
