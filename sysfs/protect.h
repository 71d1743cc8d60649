/* SPDX-License-Identifier: MIT */
/*
 * Which USB devices this host itself needs: to export one would cut the host off, or take the
 * device away from a program or a person. A survey answers for several devices at once, as it reads
 * files of the whole host. It may block for as long as a driver or disk does, so a process of its
 * own makes it: protect_child.h.
 *
 * A device is needed if
 * - it is a disk that something holds: a mount or swap space, also in another namespace, a device
 *   mapper, md, bcache or loop device above it, a btrfs, a program that has opened it exclusively
 * - it is a disk that /etc/fstab, crypttab, mdadm.conf or a unit of systemd in /etc names, though
 *   it is not in use now
 * - it has a network interface that is up, is a port of another one (a bridge), or has been moved
 *   to another network namespace, or if no network card has a link
 * - it is a keyboard, a pointer, a display or their Bluetooth adapter, while somebody is logged in,
 *   or can log in on a login screen, at the console; if a display is connected, also while a
 *   program draws on it
 * - it has a console of the kernel
 * - a program has claimed it through usbfs, plays or records sound with it, or has its device file
 *   open
 * - it is not authorized
 *
 * It fails closed: if a file cannot be read, all devices that it may concern are needed, and the
 * reason names the file. It is no failure that a file does not exist (-ENOENT: /proc/swaps without
 * swap, no logind), unless /proc is not mounted, or mounted with subset=pid. If not all programs
 * can be seen, the devices are needed that one may have open: those with a device file other than
 * a disk's, as an exclusive open(2) tells whether a disk is in use. On a test's tree (sysfs->fake)
 * no device is needed.
 */
#ifndef SYSFS_PROTECT_H
#define SYSFS_PROTECT_H

#include "lib/str.h"
#include "proto/usb.h"
#include "sysfs/device.h"
#include "sysfs/sysfs.h"

enum { PROTECT_MAX = 128 };

/* How long a device has been here. Its use may not be known at first: then the answer is
 * PROTECT_LATER. */
enum protect_stage {
	PROTECT_SETTLED = 0, /* long enough: never PROTECT_LATER for its own sake */
	PROTECT_PLUGGED_IN,  /* its disk or driver may not be there yet */
	PROTECT_AT_START,    /* maybe at boot: logins may not be there either */
};

enum protect_answer {
	PROTECT_FREE = 0, /* this host does not need it */
	PROTECT_LATER,	  /* cannot be told yet, ask again */
	PROTECT_NEEDED,
};

/* Which programs of this host a survey sees. */
enum protect_sight {
	PROTECT_SEES_ALL = 0,
	PROTECT_SEES_OWN,	/* those of its user: without CAP_SYS_PTRACE, or by hidepid */
	PROTECT_SEES_CONTAINER, /* those of a process namespace that is not the host's */
};

struct protect_item {
	char busid[BUSID_SIZE]; /* of the device in question */
	enum protect_stage stage;
	bool opening; /* another survey still opens its disk; while this one does, it is set, too */
	/* The rest is the answer. */
	enum protect_answer answer;
	bool lasting;	/* a network card or modem: needed until it is unplugged */
	bool blocked;	/* not authorized, or that is not known: no policy lifts this need */
	bool network;	/* it has a network interface */
	bool unknown;	/* needed only because something cannot be found out */
	/* The same, as not all programs are seen, and one may use it; else PROTECT_SEES_ALL. */
	enum protect_sight unseen;
	bool open;	/* needed because a program has it open, maybe only for a moment */
	struct reason reason; /* empty with PROTECT_FREE */
};

/* What follows if not all programs are seen, and then how they could be. */
#define PROTECT_UNSEEN                                                                             \
	"left alone, unless a rule names it, is each device that a program may have open: %s"
/* Not for PROTECT_SEES_ALL. */
const char *protect_sight_text(enum protect_sight sight);

/* The reason for a device that is not authorized. */
#define PROTECT_BLOCKED "it is not authorized, by USBGuard for example"
/* The reason for a network card that is the only way to a network. */
#define PROTECT_NO_LINK "this host has no other network card with a link"

struct protect_survey {
	unsigned count;
	/* For a client, which loses data only if a disk goes: devices are needed only if something
	 * holds a disk of theirs, or has it open. */
	bool disks_only;
	bool starting; /* this host has just started: its network may not be there yet */
	bool sync; /* only for protect_serve() */
	uint32_t number; /* of the question, and of its answer */
	/* The answer: a network card other than these devices has a link, or the interface of the
	 * default route has one; true also if that cannot be found out. */
	bool has_link;
	struct protect_item item[PROTECT_MAX];
};

/* Which programs can be seen, before a look at each of them. It needs only sysfs->proc. */
enum protect_sight protect_find_sight(const struct sysfs *sysfs);
/* Answers for each device. With no device at all it finds out has_link. */
void protect_survey(const struct sysfs *sysfs, struct protect_survey *survey);
/* Whether an answer with disks_only means that a disk of the device is in use. An unknown answer
 * counts only for a device that has a disk, or if that is unknown, too: no keyboard is kept because
 * /proc cannot be read. Never blocks. */
bool protect_disk_in_use(const struct sysfs *sysfs, const struct protect_item *item);

/*
 * The rest is only for sysfs/protect*.c. Each part reads files of the host, finds the devices that
 * they lead to, and sets the reasons. The first reason of a device is kept, so the parts with the
 * clearest reasons come first. Every function notes files that cannot be read: protect_failed().
 */
struct protect {
	const struct sysfs *sysfs;
	struct protect_survey *survey;
	struct reason unknown; /* which file cannot be read that concerns all devices; or empty */
	bool screen; /* a display is connected, so that somebody can sit at the console */
	enum protect_sight sight;
	/* Facts about a device that the parts share, by its index in survey->item. */
	struct protect_traits {
		bool storage; /* it has an interface for mass storage */
		bool disk;    /* it has a block device */
		bool claimed; /* a program has claimed an interface of it */
		bool card; /* it has one that certainly is */
		bool modem;   /* only while the host starts */
		bool driverless; /* an interface without a driver may be that of a network card */
		bool input;   /* a person types or points with it */
		bool display;
		bool bluetooth; /* it is an adapter */
	} traits[PROTECT_MAX];
};

void protect_disks(struct protect *protect);	 /* protect_disk.c */
void protect_disks_held(struct protect *protect); /* protect_held.c: opens them, the last part */
void protect_config(struct protect *protect);	 /* protect_config.c */
void protect_networks(struct protect *protect);	 /* protect_net.c */
/* The same file, before that, of each USB interface. driver: empty if there is none. */
void protect_network_of(struct protect *protect, struct protect_item *item, const char *interface,
			const char *driver);
void protect_people(struct protect *protect);	 /* protect_people.c */
void protect_programs(struct protect *protect);	 /* protect_program.c */
void protect_unseen(struct protect *protect);	  /* after the programs */
/* Sets the reason, unless the device has one: what may be, and how one could see that. */
void protect_need_unseen(const struct protect *protect, struct protect_item *item,
			 const char *what);
#define PROTECT_DISK_OPEN "a program may have its disk open"

#define EACH_PROTECT_ITEM(protect, item)                                                           \
	for (struct protect_item *item = (protect)->survey->item,                                  \
				 *end_##item = item + (protect)->survey->count;                    \
	     item < end_##item; item++)

/* The device of the survey that a path in sysfs leads through, the last one of several; or NULL. */
struct protect_item *protect_find(struct protect *protect, const char *path);
/* The same for a link in sysfs, such as "class/net/eth1"; NULL also if it cannot be read, which is
 * a failure unless it does not exist. place may be NULL; else it has PATH_MAX bytes and gets the
 * target, or becomes empty. */
struct protect_item *protect_find_link(struct protect *protect, const char *link, char *place);
struct protect_traits *protect_traits(struct protect *protect, const struct protect_item *item);
/* Reads the driver of a USB interface, such as "1-1:1.0". 0, or -errno, and then driver is empty:
 * -ENOENT if there is no driver. */
int protect_read_driver(struct protect *protect, const char *interface,
			char driver[DEVICE_DRIVER_SIZE]);

/* Sets answer and reason, unless there is a reason to need it already. unknown: as it cannot be
 * found out; the format is why, and the reason has more words before it. */
void protect_set(struct protect_item *item, enum protect_answer answer, bool unknown,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
#define protect_need(item, ...) protect_set(item, PROTECT_NEEDED, false, __VA_ARGS__)
#define protect_doubt(item, ...) protect_set(item, PROTECT_NEEDED, true, __VA_ARGS__)
#define protect_later(item, ...) protect_set(item, PROTECT_LATER, false, __VA_ARGS__)
/* A failure: path below dir, which is "sys", "proc", "run", "dev" or "etc", cannot be read. All
 * devices become needed that are not anyway. */
void protect_unknown(struct protect *protect, const char *dir, const char *path, int error);
/* The same, and true, if result is an error; but false for those that mean that there is no such
 * file, or not any more. */
bool protect_failed(struct protect *protect, const char *dir, const char *path, ssize_t result);
/* file_each_line() below /proc; and sysfs_each_entry() below the sysfs, without entries that begin
 * with a dot. They end when visit returns true, and return whether it did. */
bool protect_each_line(struct protect *protect, const char *path,
		       bool (*visit)(void *ctx, char *line), void *ctx);
bool protect_each_entry(struct protect *protect, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx);
/* Whether a file of sysfs exists. */
bool protect_exists(struct protect *protect, const char *path);

/* protect_login.c: why this host needs its keyboards now: somebody is logged in, or can log in, at
 * the console. NULL if nobody is. */
const char *protect_find_login(struct protect *protect);

/* protect_process.c: a process of this host, of proc(5) stat. */
struct protect_process {
	char name[16]; /* at most 15 bytes, with blanks and brackets: "(udev-worker)" */
	uint32_t parent;
	uint32_t terminal; /* a device number, major << 8 | minor; 0: none */
};
/* Calls visit with the number of each process, as text, until it returns true; returns whether it
 * did. */
bool protect_each_process(struct protect *protect, bool (*visit)(void *ctx, const char *pid),
			  void *ctx);
/* False if the process has ended, or if its file cannot be read, which is a failure. */
bool protect_read_process(struct protect *protect, const char *pid,
			  struct protect_process *process);

/* protect_disk.c, for all parts. Calls visit, until it returns true, for each line of mountinfo
 * (proc_pid_mountinfo(5)) of process 1, then of this one. One of both must be readable. */
void protect_each_mount(struct protect *protect, bool (*visit)(void *ctx, char *line), void *ctx);
/* Sets link to that of a block device file in sysfs, such as "dev/block/8:1"; path: below /dev.
 * Returns 0, -ENOTBLK if it is another kind of file, or -errno. */
int protect_node_link(struct protect *protect, const char *path, struct sysfs_path *link);

#endif
