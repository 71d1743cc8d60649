/* SPDX-License-Identifier: MIT */
/*
 * Holds: the names of devices that an administrator has switched off, until they are switched on
 * again. They are in CONFIG/held.server and CONFIG/held.client, one name a line.
 *
 * A name survives a replug. A device has one by its serial number, if it has that, and one by its
 * place; a list shows the first where it is unique:
 *	0951:1666/60A44C413F4EE2C0	VID:PID/SERIAL
 *	0627:0001@1-1.4			VID:PID@BUSID, of this machine
 *	0627:0001@pi.lan/1-1.4		VID:PID@HOST/BUSID, of a server
 */
#ifndef POLICY_HOLDS_H
#define POLICY_HOLDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_DIR "/etc/usbiphp"

enum {
	DEVICE_NAME_SIZE = 320, /* with the longest host */
	HOLDS_MAX = 64,
	HOLDS_TEXT_SIZE = HOLDS_MAX * DEVICE_NAME_SIZE,
};

/* Write a name, which has DEVICE_NAME_SIZE bytes. Each byte of the serial number that is not a
 * letter, a digit or one of "-._+" becomes '_'. host is NULL for a device of this machine. */
void name_of_serial(char *name, uint16_t vendor, uint16_t product, const char *serial);
void name_of_place(char *name, uint16_t vendor, uint16_t product, const char *host,
		   const char *busid);

struct holds {
	size_t len;
	char text[HOLDS_TEXT_SIZE]; /* names, each with its terminator */
};

/* Reads the file of a role, "server" or "client"; a missing file is an empty one. Returns 0 or
 * -errno, and then holds is unchanged. */
int holds_read(struct holds *holds, const char *config, const char *role);
/* Makes the directory, and waits for the lock of both files, for those who read and then write one.
 * Returns a descriptor, which has the lock until it is closed; negative if there is none. */
int holds_lock(const char *config);
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
/* Whether a device that may be plugged in at that bus id of this machine could be a held one. */
bool holds_concern_place(const struct holds *holds, const char *busid);
/* Does nothing if the name is there already. 0, or -ENOSPC when there are too many. */
int holds_add(struct holds *holds, const char *name);
/* Does nothing if the name is not there. */
void holds_remove(struct holds *holds, const char *name);

#endif
