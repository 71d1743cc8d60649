/* SPDX-License-Identifier: MIT */
/*
 * Holds: the names of devices that an administrator has switched off, until they are switched on
 * again. They are in CONFIG/held.server and CONFIG/held.client, one name a line. Names: see
 * policy/name.h.
 */
#ifndef POLICY_HOLDS_H
#define POLICY_HOLDS_H

#include "policy/name.h"

#include <stdbool.h>

#define CONFIG_DIR "/etc/usbiphp"

enum { HOLDS_MAX = 64, HOLDS_TEXT_SIZE = HOLDS_MAX * DEVICE_NAME_SIZE };

struct holds {
	size_t len;
	char text[HOLDS_TEXT_SIZE]; /* names, each with its terminator */
};

/* Reads the file of a role, "server" or "client"; a missing file is an empty one. Returns 0 or
 * -errno, and then holds is unchanged. */
int holds_read(struct holds *holds, const char *config, const char *role);
/* Replaces the file as a whole, or removes it when there are no holds. 0 or -errno. */
int holds_write(const struct holds *holds, const char *config, const char *role);

/* The name that follows name, the first one for NULL; NULL: there is none. */
const char *holds_next(const struct holds *holds, const char *name);
/* The name by which a device is held, that of its serial number (NULL: not known) or of its place;
 * NULL: it is not held. host is the server it is on, NULL for a device of this machine. */
const char *holds_find(const struct holds *holds, uint16_t vendor, uint16_t product,
		       const char *serial, const char *host, const char *busid);
/* Whether a device's serial number must be known to tell whether it is held. */
bool holds_need_serial(const struct holds *holds, uint16_t vendor, uint16_t product);
/* Does nothing if the name is there already. 0, or -ENOSPC when there are too many. */
int holds_add(struct holds *holds, const char *name);
/* Does nothing if the name is not there. */
void holds_remove(struct holds *holds, const char *name);

#endif
