/* SPDX-License-Identifier: MIT */
/*
 * What a person has switched off: the names of devices that are not taken until that is undone, a
 * line each in CONFIG/held.server and CONFIG/held.client. Names: policy/name.h.
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

/* Reads the role's file, "server" or "client"; none is an empty one. 0 or -errno, and then
 * held is as it was. */
int holds_read(struct holds *held, const char *config, const char *role);
/* Writes it as a whole, or removes it when it is empty. 0 or -errno. */
int holds_write(const struct holds *held, const char *config, const char *role);

/* The first name, or the one after a name; NULL: none. */
const char *holds_next(const struct holds *held, const char *name);
/* The name there that is the device's, by its serial number (NULL: not known) or its place; NULL:
 * none. */
const char *holds_find(const struct holds *held, uint16_t vendor, uint16_t product,
		      const char *serial, const char *host, const char *busid);
/* Whether the serial number is needed to know. */
bool holds_need_serial(const struct holds *held, uint16_t vendor, uint16_t product);
/* -ENOSPC: full. Nothing when it is there already. */
int holds_add(struct holds *held, const char *name);
void holds_remove(struct holds *held, const char *name);

#endif
