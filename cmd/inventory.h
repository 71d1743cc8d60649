/* SPDX-License-Identifier: MIT */
/*
 * The inventory: the USB devices that a command shows, each with everything known about it. A
 * command keeps one of local devices, one of imported devices, or one of a server's.
 */
#ifndef CMD_INVENTORY_H
#define CMD_INVENTORY_H

#include "client/port_record.h"
#include "cmd/tcp_info.h"
#include "policy/name.h"
#include "proto/op.h"
#include "sysfs/device.h"
#include "sysfs/protect.h"

enum {
	INVENTORY_MAX = OP_DEVLIST_MAX,
	INVENTORY_LABEL_SIZE = 2 * DEVICE_STRING_SIZE,
	INVENTORY_STRINGS_MS = 2000, /* how long inventory_scan() waits for strings */
};

#define INVENTORY_UNKNOWN UINT64_MAX /* a number that is not known */

/* One device. A string that is not known is empty, a number is INVENTORY_UNKNOWN. */
struct inventory_entry {
	struct device device;
	bool present;	       /* found by the latest scan */
	bool strings_requested;
	bool has_strings;      /* they were read in time */
	bool usb_ids_searched; /* for the label; done once */
	bool wants_label;      /* usb.ids is being searched for it */
	int reader;	       /* process that reads the strings; not positive: none */
	struct device_strings strings;
	char id[10];			  /* "0951:1666" */
	char speed[8];			  /* Mbit/s, decimal: "480", "1.5" */
	char class[128];		  /* words of usb_class_words() */
	char name[DEVICE_NAME_SIZE];	  /* as of policy/name.h */
	char label[INVENTORY_LABEL_SIZE]; /* for people: manufacturer and product, or the class */

	/* From here on: cleared by entry_reset(). */
	char status[16];      /* "in use", "left alone", ...; one of few constants */
	char state[16 + sizeof(struct reason)]; /* status with its details, for people */
	struct reason reason; /* of status */
	/* the session of a device in use */
	struct connection_addr session;
	uint64_t since; /* seconds since the epoch */
	struct tcp_counters tcp;
	/* an imported device */
	uint64_t port;	      /* of vhci-hcd */
	struct record record; /* the server it comes from */
};

struct inventory {
	unsigned count;
	struct inventory_entry entry[INVENTORY_MAX];
};

/* A process runs one command, so all commands share these. Several MB: never on the stack. */
struct inventories {
	struct inventory local, imported;
};

#define INVENTORY_EACH(inventory, e)                                                               \
	for (struct inventory_entry *e = (inventory)->entry;                                       \
	     e < (inventory)->entry + (inventory)->count; e++)

/*
 * Reads the local devices, in the order of their bus ids. inventory is all zeros, or from an
 * earlier scan, whose strings are kept. 0 or -errno; a kernel without USB has no devices. Strings
 * are read for new devices only, which takes at most INVENTORY_STRINGS_MS.
 */
int inventory_scan(struct inventory *inventory, const struct sysfs *sysfs);
/* Opens sysfs at root, and scans. 0, or -errno after an error message. */
int inventory_open(struct inventory *inventory, struct sysfs *sysfs, const char *root);
/* NULL: no device has that bus id. */
struct inventory_entry *inventory_find(struct inventory *inventory, const char *busid);
/* Sets the labels of devices that have none: their own strings, else usb.ids, else their class. */
void inventory_set_labels(struct inventory *inventory);

/*
 * Reads the imported devices, by port: from the port table of vhci-hcd, the latest scan of local
 * devices, and the record files of our client or else of the stock tools. run is the client's run
 * directory. 0 or an error of vhci_read(); then devices may be missing.
 */
int imported_read(struct inventory *imported, struct inventory *local, const struct sysfs *sysfs,
		  const char *run);

/* Clears everything that is not the device's own: state, session, import. */
void entry_reset(struct inventory_entry *entry);
/* Sets status, and state to "STATUS" or, if detail is not empty, "STATUS<separator>DETAIL". */
void entry_set_state(struct inventory_entry *entry, const char *status, const char *separator,
		     const char *detail);
/* Whether usbip-host has the device. */
bool entry_is_exported(const struct inventory_entry *entry);
/* Sets the state of an exported device, and its session from the server's status file in run.
 * available is the status of one that no client uses. */
void entry_read_export(struct inventory_entry *entry, const struct sysfs *sysfs, const char *run,
		       const char *available);
/* entry->session was just read: sets since and tcp. */
void entry_read_session(struct inventory_entry *entry);
/* Sets id, speed and class from the device's record, local or sent by a server. */
void entry_describe(struct inventory_entry *entry, const struct op_device *device,
		    const struct op_interface *interface);

/* strings.c: reads the strings of devices for which that was not tried yet. Each is read by a child
 * process, as the kernel may never answer (sysfs/device.h). */
void inventory_read_strings(struct inventory *inventory, const struct sysfs *sysfs);
/* usb_ids.c: sets the labels of entries with wants_label from the system's usb.ids, if it has one
 * (http://www.linux-usb.org/usb.ids). */
void usb_ids_set_labels(struct inventory *inventory);

#endif
