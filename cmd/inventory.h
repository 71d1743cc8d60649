/* SPDX-License-Identifier: MIT */
/* All devices of this machine, with what they say of themselves. */
#ifndef CMD_INVENTORY_H
#define CMD_INVENTORY_H

#include "cmd/item.h"

/*
 * Looks at them; items is all zeros, or from the latest look. They come in the order of their
 * busids. 0, also when the kernel has no USB, or -errno. It takes at most STRINGS_MS, and that for
 * new devices only.
 */
int devices_look(struct items *items, const struct sysfs *sysfs);
/* Opens sysfs at root for that, and does; says what fails. */
int devices_open(struct items *items, struct sysfs *sysfs, const char *root);
struct item *devices_find(struct items *items, const char *busid);

/*
 * What is attached here, from the table of vhci-hcd, the devices of the latest look, and the notes
 * of the daemon, else of the stock tools. 0 or an error of vhci_read(): then some may be missing.
 */
int imported_look(struct items *imported, struct items *devices, const struct sysfs *sysfs,
		  const char *run);
/* The directory of the stock tools' notes, beside the run directory, which may be missing; dir has
 * PATH_MAX bytes. */
void stock_records(char *dir, const char *run);

/* Forgets all that is not the device's own: its state and session, and what it is imported from. */
void item_reset(struct item *item);
/* "STATUS", or "STATUS: DETAIL" if there is one; between is ": " or the like. */
void item_state(struct item *item, const char *status, const char *between, const char *detail);
/* Whether usbip-host has it; its state then, and its session by the note in the run directory. */
bool item_exported(const struct item *item);
void item_see_export(struct item *item, const struct sysfs *sysfs, const char *run,
		     const char *available);
/* With the session: since when, and what the kernel knows about its connection. */
void item_see_session(struct item *item);
/* For a device of whatever origin: id, speed, class. */
void item_describe(struct item *item, const struct op_device *device,
		   const struct op_interface *interface);
/* The labels of those that have none. */
void items_label(struct items *items);

enum { STRINGS_MS = 2000 };

/* Reads the strings of those that were not asked yet, each in a process of its own, as that may
 * block for ever. */
void strings_look(struct items *items, const struct sysfs *sysfs);
/* Fills in labels from the system's list of vendors and products, where it has one. */
void usb_ids_look(struct items *items);

#endif
