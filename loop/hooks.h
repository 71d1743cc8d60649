/* SPDX-License-Identifier: MIT */
/*
 * Hooks: the executable files in CONFIG/hooks.d, each run in the byte order of their names when
 * something has happened to a device, with the facts in its environment:
 *	USBIPHP_EVENT	bound, released (server), attached, detached (client), failed (both)
 *	USBIPHP_BUSID	at the server
 *	USBIPHP_ID	VID:PID
 *	USBIPHP_NAME	of policy/name.h, by the place
 *	USBIPHP_SERVER	client: HOST:PORT
 *	USBIPHP_PORT	client, attached and detached: the vhci port
 *	USBIPHP_DEVICE	client, attached: the device's busid here
 *	USBIPHP_REASON	failed: why
 * and beside them only USBIPHP_HOOK, the hook's own path, and PATH. What is not printable ASCII in
 * a value is a '?'. The first argument is the event. Standard input is empty, output goes to the
 * daemon's log, the directory is /. Hooks never hold up the daemon; what runs longer than HOOKS_MS
 * is killed with all it started in its process group.
 *
 * hooks.d must be there when the daemon starts, see loop/hook_runner.h; what is in it may come and go.
 *
 * A name consists of letters, digits, '-', '_' and '.', and does not begin with '.'; what editors
 * and package managers leave behind (.bak, .dpkg-old, ...) is no hook.
 *
 * A file that others than its owner may write, or that is neither root's nor the daemon's user's,
 * is not run, nor is any when that is so of hooks.d, which is no symbolic link, or of CONFIG. A
 * hook may be a link: what it leads to is checked, and the very file that was checked is run. For
 * this it is open as descriptor 3 there, and a script's own $0 is not its name.
 *
 * What goes wrong with a hook is said once, until it ends well or is another file.
 */
#ifndef LOOP_HOOKS_H
#define LOOP_HOOKS_H

#include "loop/loop.h"
#include "policy/name.h"

#define HOOKS_DIR "/hooks.d" /* below CONFIG */

enum {
	HOOKS_MS = 30000,
	/* Events, with the one that is being told; more are lost, which is said once until there is
	 * none. */
	HOOKS_WAITING_MAX = 64,
	HOOKS_SAID_MAX = 16,	/* complaints that are remembered */
	HOOK_TEXT_SIZE = 1024,	/* of an event's facts; what is longer is cut off */
};

struct hook_facts {
	const char *event;
	const char *busid; /* or NULL: then there is neither ID nor NAME */
	uint16_t vendor, product;
	const char *server; /* the rest is NULL, and port negative, where it does not apply */
	const char *host;
	int port;
	const char *device;
	const char *reason;
};

/* An event's facts as the hooks get them: "NAME=VALUE" strings, each with its terminator. */
struct hook_event {
	size_t len;
	char text[HOOK_TEXT_SIZE];
};

/* Its last member takes memory only while events wait: one that is static does not cost it. */
struct hooks {
	struct loop *loop;
	const char *config;
	uint32_t limit; /* HOOKS_MS, for tests to change */
	/* the rest is hooks.c's */
	struct loop_wait wait; /* for the one that runs */
	uint64_t by;	       /* it is killed then */
	uint64_t stop_by;      /* when stopping: nothing runs from then on */
	bool lost;
	unsigned first, waiting; /* of event[], a ring; the first is being told */
	uint32_t file;		 /* which version of which file runs */
	unsigned next_said;
	char name[256]; /* of the one that runs or ran last for this event */
	uint32_t said[HOOKS_SAID_MAX]; /* such as were complained about */
	char next[256]; /* while the next one is looked for */
	struct hook_event event[HOOKS_WAITING_MAX];
};

void hook_event_make(struct hook_event *event, const struct hook_facts *facts);
void hooks_init(struct hooks *hooks, struct loop *loop, const char *config);
/* Events happen one after the other, in the order of these calls, each for all hooks. Never
 * blocks. What hook_event_make() cannot have made is dropped. */
void hooks_take(struct hooks *hooks, const struct hook_event *event);
/* In every pass. When the loop is stopping, what does not end within HOOKS_MS from the first such
 * pass is killed, and what waits then is lost, said. */
void hooks_pass(struct hooks *hooks);
/* Whether events wait, or one is being told. */
bool hooks_busy(const struct hooks *hooks);

#endif
