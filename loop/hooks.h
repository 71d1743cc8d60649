/* SPDX-License-Identifier: MIT */
/*
 * Hooks: the executables in CONFIG/hooks.d, each run in the order of their names when something has
 * happened to a device, with the facts in its environment:
 *	USBIPHP_EVENT	bound, released (server), attached, detached (client), failed (both)
 *	USBIPHP_BUSID	at the server
 *	USBIPHP_ID	VID:PID
 *	USBIPHP_NAME	of sysfs/name.h, by the place
 *	USBIPHP_SERVER	client: HOST:PORT
 *	USBIPHP_PORT	client, attached and detached: the vhci port
 *	USBIPHP_DEVICE	client, attached: the device's busid here
 *	USBIPHP_REASON	failed: why
 * Their first argument is the event. They never hold up the daemon; what runs longer than
 * HOOKS_MS is killed with all it started in its process group.
 */
#ifndef LOOP_HOOKS_H
#define LOOP_HOOKS_H

#include "loop/loop.h"
#include "sysfs/name.h"

enum {
	HOOKS_MS = 30000,
	HOOKS_WAITING_MAX = 64, /* events that wait for the hooks of one before; more are lost, said */
};

struct hook_facts {
	const char *event;
	const char *busid;
	uint16_t vendor, product;
	const char *server; /* the rest is NULL, and port negative, where it does not apply */
	const char *host;
	int port;
	const char *device;
	const char *reason;
};

struct hooks {
	struct loop *loop;
	const char *config;
	/* the rest is hooks.c's */
};

void hooks_init(struct hooks *hooks, struct loop *loop, const char *config);
/* Events happen one after the other, in the order of these calls, each for all hooks. Never
 * blocks. */
void hooks_run(struct hooks *hooks, const struct hook_facts *facts);
/* In every pass. */
void hooks_pass(struct hooks *hooks);
/* Whether events wait, or one is being told. */
bool hooks_busy(const struct hooks *hooks);

#endif
