/* SPDX-License-Identifier: MIT */
/*
 * Which USB devices this host itself needs: to export one would cut the host off, or take the device
 * away from a program or a person. A survey answers for several devices at once, as it reads files
 * of the whole host. It may block for as long as a driver or disk does, so a daemon lets a process of
 * its own make it: loop/inspector.h.
 *
 * A device is needed if
 * - it is a disk that something holds: a mount or swap space, also in another namespace, a device
 *   mapper, md or loop device above it, a program that has opened it exclusively
 * - it is a disk that /etc/fstab, crypttab or mdadm.conf names, though it is not in use now
 * - it has a network interface that is up, is part of another (a bridge), is in another network
 *   namespace, or that is the only way to a network
 * - it is a keyboard, a pointer or a display while somebody is, or can log in, at the console
 * - it is the kernel's console
 * - a program has claimed it through usbfs, plays or records sound with it, or has its device file
 *   open
 *
 * It fails closed: what cannot be found out counts as needed, and the reason names the file. A file
 * that this kernel does not have (-ENOENT: /proc/swaps without swap, no logind) is no failure, unless
 * the whole of /proc is hidden: not mounted, or mounted with subset=pid or hidepid. On a test's tree
 * (sysfs->fake) no device is needed.
 */
#ifndef SYSFS_PROTECT_H
#define SYSFS_PROTECT_H

#include "lib/str.h"
#include "proto/usb.h"
#include "sysfs/sysfs.h"

enum { PROTECT_MAX = 128 };

/* How long a device has been here: what it is for may not be known yet. */
enum protect_stage {
	PROTECT_SETTLED = 0, /* long enough: what has not come will not come */
	PROTECT_PLUGGED_IN,  /* a disk that a file names is waited for */
	PROTECT_AT_START,    /* here since the daemon's start, as at boot: its drivers may come */
};

enum protect_answer {
	PROTECT_FREE = 0, /* this host does not need it */
	PROTECT_LATER,	  /* cannot be told yet, ask again */
	PROTECT_NEEDED,
};

struct protect_item {
	char busid[BUSID_SIZE]; /* of the device in question */
	enum protect_stage stage;
	/* The rest is the answer. */
	enum protect_answer answer;
	bool lasting;	/* needed until it is unplugged, though the reason may go away: a network card */
	bool blocked;	/* not authorized, or not known to be: needed whatever the policy says */
	bool network;	/* it has a network interface */
	bool unknown;	/* needed only because it cannot be found out */
	struct reason reason; /* empty with PROTECT_FREE */
};

/* The reason for a network card that is the only way to a network. */
#define PROTECT_NO_LINK "this host has no other network card with a link"

struct protect_survey {
	unsigned count;
	/* The question: only a disk that something holds is needed, as on a client, where nothing
	 * else is lost when the device goes. */
	bool disks_only;
	/* The question: this host has just started, its way to a network may still come. */
	bool starting;
	bool sync; /* a question to the inspector only: loop/inspector.h */
	/* A network card that is none of these devices has a link, or the default route has one; true
	 * also if that cannot be found out. */
	bool has_link;
	struct protect_item item[PROTECT_MAX];
};

/* Answers for each device; there may be none. */
void protect_survey(const struct sysfs *sysfs, struct protect_survey *survey);
/* Whether an answer with disks_only means that a disk of the device is in use. What is unknown
 * counts for mass storage only: no keyboard is kept because /proc cannot be read. Never blocks. */
bool protect_disk_in_use(const struct sysfs *sysfs, const struct protect_item *item);

/*
 * The rest is only for sysfs/protect*.c. A part looks at files of the host, finds the devices that
 * they lead to, and tells why each is needed. The first reason of a device is kept, so the best come
 * first.
 */
struct protect {
	const struct sysfs *sysfs;
	struct protect_survey *survey;
	struct reason unknown; /* what could not be found out, for all devices; empty: nothing */
	bool screen; /* a display is connected, so that somebody can sit at the console */
	/* What the parts tell each other of a device, by its place in survey->item. */
	struct protect_traits {
		bool storage; /* an interface of it is mass storage */
		bool disk;    /* it has a block device */
		bool claimed; /* a program has claimed an interface of it */
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
void protect_people(struct protect *protect);	 /* protect_people.c */
void protect_programs(struct protect *protect);	 /* protect_program.c */

#define EACH_PROTECT_ITEM(protect, item)                                                           \
	for (struct protect_item *item = (protect)->survey->item,                                  \
				 *end_##item = item + (protect)->survey->count;                    \
	     item < end_##item; item++)

/* The device in question that a path in sysfs leads through, the last one of several; NULL: none. */
struct protect_item *protect_find(struct protect *protect, const char *path);
/* The same for a link in sysfs, such as "class/net/eth1"; NULL also if it cannot be read, which
 * counts unless it is gone. place: NULL, or gets the path, of PATH_MAX bytes, empty if there is none. */
struct protect_item *protect_find_link(struct protect *protect, const char *link, char *place);
struct protect_traits *protect_traits(struct protect *protect, const struct protect_item *item);

/* Sets answer and reason, unless there is a reason to need it already. */
void protect_need(struct protect_item *item, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void protect_later(struct protect_item *item, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
#define PROTECT_UNKNOWN "this host may need it: " /* begins a reason */
/* Something could not be found out: all devices are needed that are not needed anyway. */
void protect_unknown(struct protect *protect, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for a file that cannot be read; dir: "sys", "proc", "run", "dev", "etc". False for results
 * that are no error, and that tell that there is no such file, or not any more. */
bool protect_failed(struct protect *protect, const char *dir, const char *path, ssize_t result);
/* file_each_line() below /proc, sysfs_each_entry() below the sysfs; visitors return whether they have
 * found what they look for. Returns whether one did; failures count. The entries do not begin with a
 * dot. */
bool protect_each_line(struct protect *protect, const char *path,
		       bool (*visit)(void *ctx, char *line), void *ctx);
bool protect_each_entry(struct protect *protect, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx);
/* Whether a file of sysfs exists; failures count. */
bool protect_exists(struct protect *protect, const char *path);

/* protect_login.c: why this host needs its keyboards now: somebody is, or can log in, at the console;
 * NULL: nobody. Failures count. */
const char *protect_find_login(struct protect *protect);

/* protect_process.c: a process of this host, of proc(5) stat. */
struct protect_process {
	char name[16]; /* at most 15 bytes, with blanks and brackets: "(udev-worker)" */
	uint32_t parent;
	uint32_t terminal; /* a device number, major << 8 | minor; 0: none */
};
/* Calls visit with the number of each process, as text, until it returns true; returns whether it
 * did. Failures count. */
bool protect_each_process(struct protect *protect, bool (*visit)(void *ctx, const char *pid),
			  void *ctx);
/* False if the process has ended, or if it cannot be read, which counts. */
bool protect_read_process(struct protect *protect, const char *pid,
			  struct protect_process *process);
/* Whether it has one of the names; NULL ends them. */
bool protect_process_is(const struct protect_process *process, const char *const *names);

/* protect_disk.c, for all parts. Calls visit, until it returns true, for each line of mountinfo
 * (proc_pid_mountinfo(5)) of process 1, then of this one. One of both must be readable. */
void protect_each_mount(struct protect *protect, bool (*visit)(void *ctx, char *line), void *ctx);
/* Sets link to that of a block device file in sysfs, such as "dev/block/8:1"; path: below /dev.
 * Returns 0, -ENOTBLK if it is another kind of file, or -errno. */
int protect_node_link(struct protect *protect, const char *path, struct sysfs_path *link);

#endif
