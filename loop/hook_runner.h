/* SPDX-License-Identifier: MIT */
/*
 * The process "usbiphp-hooks", which runs the hooks (loop/hooks.h): it keeps the rights that the
 * daemon drops (loop/sandbox.h), and takes orders from the daemon only. It is started where
 * CONFIG/hooks.d exists when the daemon starts, and ends with the daemon; the hook that runs then
 * has HOOKS_MS left.
 *
 * Both talk over a socket that keeps the bounds of messages, which is also the queue of events: an
 * event one way, one byte for each event that all hooks have got the other way.
 */
#ifndef LOOP_HOOK_RUNNER_H
#define LOOP_HOOK_RUNNER_H

#include "lib/log.h"
#include "loop/hooks.h"
#include "loop/loop.h"

#include <sys/types.h>

enum { HOOKS_WAITING_MAX = 64 /* events, with the one whose hooks run; more are lost, logged */ };

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
	struct loop_source source; /* fd -1: no hook is run. To drop it lets the process end, as
				    * soon as no event waits. */
	struct loop *loop;
	const char *config;
	pid_t pid;
	unsigned waiting; /* events that not all hooks have got yet */
	struct log_once disabled, late;
};

/*
 * Starts the process, with the rights and descriptors that the caller has now. name: the daemon's
 * argv[0], which is overwritten in the new process, so that it is not taken for the daemon. 0 or
 * -errno.
 */
int hook_runner_start(struct hook_runner *runner, struct loop *loop, const char *config,
		      char *name);
/* Never blocks, and copies the facts: bytes that are not printable ASCII become '?'. Events come
 * to the hooks in the order of these calls. */
void hook_runner_tell(struct hook_runner *runner, const struct hook_facts *facts);
/* HOOKS_MS after this no hook runs any more, and events that still wait are lost; logged. */
void hook_runner_stop(const struct hook_runner *runner);

/* In the process: finds the variables in the text. Returns false if there are others than ours, or
 * too many: a daemon that an attacker has taken over may send anything. */
bool hook_runner_parse(struct hook_event *event, size_t len);

#endif
