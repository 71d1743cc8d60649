/* SPDX-License-Identifier: MIT */
/* The inventory: the USB devices that a command shows, of this machine or of a server, each with
 * everything known about it. */
#ifndef CMD_INVENTORY_H
#define CMD_INVENTORY_H

#include "client/port_record.h"
#include "host/holder.h"
#include "lib/str.h"
#include "policy/holds.h"
#include "proto/op.h"
#include "sysfs/device.h"
#include "sysfs/protect.h"

enum {
	ENGINE_NAME_SIZE = 12,
	INVENTORY_MAX = OP_DEVLIST_MAX,
	INVENTORY_LABEL_SIZE = 2 * DEVICE_STRING_SIZE,
};

#define INVENTORY_UNKNOWN UINT64_MAX /* a number that is not known */

/* One device. A string that is not known is empty, a number is INVENTORY_UNKNOWN. */
struct inventory_entry {
	struct device device;
	enum { ENTRY_ABSENT, ENTRY_KNOWN, ENTRY_NEW } found; /* in the latest scan */
	bool has_strings; /* they were read in time */
	struct device_strings strings;
	char id[10];			  /* "0951:1666" */
	char speed[8];			  /* Mbit/s, decimal: "480", "1.5" */
	char class[128];		  /* words of usb_class_words() */
	char name[DEVICE_NAME_SIZE];	  /* as of policy/holds.h */
	char label[INVENTORY_LABEL_SIZE]; /* for people: manufacturer and product, or the class */

	bool held; /* our own engine has it; holder_read() */
	struct holder_page holder; /* if it has; its counters are cleared by entry_reset(), too */

	/* From here on: cleared by entry_reset(). */
	const char *state;		      /* "in use", "left alone", ...: a constant */
	const char *format, *detail; /* more of it, for people; until the next scan */
	struct reason reason;		      /* why it is left alone, or cannot be used */
	bool offered; /* on demand: the server would take it for a client */
	bool stuck; /* a job of the server's does not end: inventory_read_stuck() */
	struct protect_item need;	      /* whether this host needs it; of "list" */
	struct connection_addr session; /* of a device in use; since is 0 if it is not known */
	uint64_t bytes_in, bytes_out, rtt_us;
	/* an imported device */
	uint64_t port;	      /* of vhci-hcd */
	struct record record; /* the server it comes from */
	bool guarded;	      /* it has a guard: its counters are known */
	char guard[4];	      /* the same: "on", "off" */
	/* words in their order, each behind a blank */
	char drivers[96]; /* of its interfaces: "1.0:usbhid", "1.1:-" has none */
	char nodes[192];  /* "/dev/sda", "eth1" */
	bool disk;	  /* one of them is that of a whole disk */
};

/* 2 MB: never on the stack. */
struct inventory {
	struct sysfs sysfs;
	unsigned count;
	struct inventory_entry entry[INVENTORY_MAX];
};

/* Some of the entries, in the order in which they are shown; until the next scan. */
struct selection {
	unsigned count;
	struct inventory_entry *entry[INVENTORY_MAX];
};

#define INVENTORY_EACH(inventory, e)                                                               \
	for (struct inventory_entry *e = (inventory)->entry;                                       \
	     e < (inventory)->entry + (inventory)->count; e++)

#define SELECTION_EACH(selection, e)                                                               \
	for (struct inventory_entry *const *e = (selection)->entry;                                \
	     e < (selection)->entry + (selection)->count; e++)

/* Opens sysfs at root, and scans. inventory is all zeros. 0, or -errno after an error message. */
int inventory_open(struct inventory *inventory, const char *root);
/* Reads the local devices, in the order of their bus ids, and the strings of new ones. 0 or -errno;
 * a kernel without USB has no devices. */
int inventory_scan(struct inventory *inventory);
/* NULL: no device has that bus id. */
struct inventory_entry *inventory_find(struct inventory *inventory, const char *busid);
/* Finds the devices whose bind or release does not end, by the files of their jobs in run. */
void inventory_read_stuck(struct inventory *inventory, const char *run);
/* Finds the devices that our own engine has, by the files of its holders in run. */
void inventory_read_holders(struct inventory *inventory, const char *run);
/* Finds the devices that a server that runs offers, by its file in run. */
void inventory_read_offered(struct inventory *inventory, const char *run);
/* Selects all entries, or only those that are shared. */
void inventory_select(struct inventory *inventory, struct selection *selection, bool shared);
/* Selects the imported devices, by port, and sets their state, session and record: from the port
 * table of vhci-hcd, and the record files of our client in run or else of the stock tools. A device
 * that is not here yet gets an entry behind the others, until the next scan. 0 or an error of
 * vhci_read(); then devices may be missing. */
int inventory_select_imported(struct inventory *inventory, struct selection *selection,
			      const char *run);

/* nodes.c: finds out where those are that were selected so. */
void inventory_read_nodes(struct inventory *inventory);

/* Clears everything that is not the device's own: state, session, import. */
void entry_reset(struct inventory_entry *entry);
/* format is for people, of state and detail; without detail they see the state alone. detail is in
 * the entry, or constant. */
void entry_set_state(struct inventory_entry *entry, const char *state, const char *format,
		     const char *detail);
/* Whether an engine has the device. */
bool entry_is_exported(const struct inventory_entry *entry);
/* The same, or it is offered, or stuck. */
bool entry_is_shared(const struct inventory_entry *entry);
/* Writes its name by place, DEVICE_NAME_SIZE bytes: that at its server, if its record is known. */
void entry_name_place(const struct inventory_entry *entry, char *name);
/* The name by which the local device is held; NULL: it is not. */
const char *entry_find_hold(const struct inventory_entry *entry, const struct holds *holds);
/* Sets the state of a shared device, and its session from the server's status file in run.
 * available is the state of one that no client uses. */
void entry_read_export(struct inventory_entry *entry, const struct sysfs *sysfs, const char *run,
		       const char *available);
/* Sets id, speed and class from the device's record. */
void entry_describe(struct inventory_entry *entry, const struct op_device *device,
		    const struct op_interface *interface);

/* engine.c: the engine that a further device gets, as the server that runs has noted. */
struct engine_note {
	char name[ENGINE_NAME_SIZE]; /* or ENGINE_NONE; empty: no server runs */
	struct reason why;	     /* it is not the first choice; empty: it is */
};
void engine_note_read(struct engine_note *note, const char *run);
/* Of name, ": " or nothing, and why. */
#define ENGINE_FORMAT "further devices are exported by %s%s%s"
/* Whether /lib/modules, beside that sysfs, has the module for the Linux of that release. */
bool module_is_installed(const struct sysfs *sysfs, const char *release, const char *name);

/* hold_disk.c: returns 1, after an error message, if a disk of an imported device is in use here;
 * else 0. With force it calls sync(2) instead, and always returns 0. As a disk may not answer any
 * more, it waits at most 5 s for either. */
int entry_check_disk(const struct inventory_entry *entry, const struct sysfs *sysfs, bool force);

/* strings.c: reads the strings of new devices. Each is read by a child process, as the kernel may
 * never answer (sysfs/device.h). */
void inventory_read_strings(struct inventory *inventory);
/* strings.c: sets the labels of new devices: their own strings, else usb.ids, else their class. */
void inventory_set_labels(struct inventory *inventory);
/* tcp_info.c: sets bytes_in, bytes_out and rtt_us if the kernel has the connection of the session,
 * whichever process has its socket, and is Linux 4.1 or newer. */
void entry_read_tcp_info(struct inventory_entry *entry);

#endif
