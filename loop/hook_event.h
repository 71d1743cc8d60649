/* SPDX-License-Identifier: MIT */
/* An event as hooks get it: facts about a device as environment variables. See loop/hooks.h. */
#ifndef LOOP_HOOK_EVENT_H
#define LOOP_HOOK_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
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

/* "NAME=VALUE" strings, each with its terminator; the first is USBIPHP_EVENT. */
struct hook_event {
	size_t len;
	char text[HOOK_EVENT_SIZE];
};

/* Bytes of a value that are not printable ASCII become '?'. */
void hook_event_make(struct hook_event *event, const struct hook_facts *facts);
/* True if hook_event_make() can have made it: no other variables than ours, and not too many. */
bool hook_event_is_valid(const struct hook_event *event);
/* Appends its variables to a list of at least HOOK_VARIABLES_MAX; returns the end of the list. */
char **hook_event_variables(struct hook_event *event, char **variable);
/* The name of the event: "bound", "attached", ... */
char *hook_event_name(struct hook_event *event);

#endif
