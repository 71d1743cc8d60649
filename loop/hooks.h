/* SPDX-License-Identifier: MIT */
/*
 * Hooks: the executable files in CONFIG/hooks.d, run one at a time, in the byte order of their
 * names, when something has happened to a device. usbiphp-client(8), HOOKS, is the contract with
 * them: names, owners, arguments, environment, limits.
 *
 * The very file whose owner and mode were checked is run: for this it is open as descriptor 3 in
 * the hook, and $0 of a script is not its name.
 *
 * The process "usbiphp-hooks" runs the hooks: it keeps the rights that the daemon drops
 * (sandbox_enter()), and takes orders from the daemon only. The daemon starts it if hooks.d exists
 * then. Both talk over a socket that keeps the bounds of messages, which is also the queue of
 * events: an event one way, one byte for each event that all hooks have got the other way.
 */
#ifndef LOOP_HOOKS_H
#define LOOP_HOOKS_H

#include "lib/log.h"
#include "loop/loop.h"

#include <stddef.h>
#include <sys/types.h>

#define HOOKS_DIR "/hooks.d" /* below CONFIG */

enum {
	HOOKS_MS = 30000,
	HOOKS_WAITING_MAX = 64, /* events, with the one whose hooks run; more are lost, logged */
	HOOK_EVENT_SIZE = 1024, /* all variables of one event; a longer value is cut off */
	HOOK_VARIABLES_MAX = 8,
};

struct hook_facts {
	const char *event;
	const char *busid; /* NULL: the event has neither BUSID, ID nor NAME */
	uint16_t vendor, product;
	/* NULL where it does not apply, and port negative. */
	const char *server;
	const char *host;
	int port;
	const char *device;
	const char *reason;
};

/* In the daemon. */
struct hook_runner {
	struct loop_source source; /* fd -1: no hook is run; the process ends when it is dropped */
	struct loop *loop;
	const char *config;
	pid_t pid;
	unsigned waiting; /* events that not all hooks have got yet */
	struct log_once disabled, late;
};

/* Starts the process, with the rights that the caller has now. 0 or -errno. */
int hook_runner_start(struct hook_runner *runner, struct loop *loop, const char *config);
/* Never blocks, and copies the facts. Events come to the hooks in the order of these calls. */
void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts);
/* HOOKS_MS after this no hook runs any more, and events that still wait are lost; logged. */
void hook_runner_stop(const struct hook_runner *runner);

/* In the process. */
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

/* Finds the variables in the text: ours, in their order, each at most once, the event's first.
 * Other bytes than printable ASCII become '?'. Returns false if there is anything else: a daemon
 * that an attacker has taken over may send anything. */
bool hook_runner_parse(struct hook_event *event, size_t len);
/* Runs all hooks for an event, until the last has ended. HOOKS_MS after SIGTERM or SIGINT they are
 * killed, and later events are lost; logged. The caller has blocked these signals and SIGCHLD. */
void hooks_run(struct hooks *hooks, const struct hook_event *event);

#endif
