/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_disk and protect_held: disks that this host holds, and files that cannot
 * be read.
 * LINK: -Wl,--wrap=openat,--wrap=fstatat,--wrap=__fstatat_time64
 */
#include "tests/disks.h"

#define SCSI USB "host6/target6:0:0/6:0:0:0/"
#define MAY "this host may need it: cannot read "

static void put_mount(const char *file, const char *number, const char *point)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "20 1 0:19 / /sys rw - sysfs sysfs rw\n"
		 "36 35 %s / %s rw,noatime master:1 - ext4 /dev/root rw\n"
		 "41 1 0:30 / /tmp rw - tmpfs none rw\n",
		 number, point);
	put_file(root, file, text);
}

static void mounted(void)
{
	static const char *const files[] = { "proc/1/mountinfo", "proc/self/mountinfo" };

	for (size_t i = 0; i < 2; i++) {
		begin_disks();
		put_disk(USB, "sda", 8);
		NOT_NEEDED();
		put_mount(files[i], "8:1", "/boot");
		NEEDED("it holds the file system at /boot");
		put_mount(files[i], "8:0", "/a\033[31m\\040b");
		NEEDED("it holds the file system at /a?[31m\\040b");
		put_mount(files[i], "8:7", "/boot"); /* no such disk */
		NOT_NEEDED();
		put_disk(ELSEWHERE, "sdb", 9);
		put_mount(files[i], "9:1", "/");
		NOT_NEEDED();
		put_file(root, files[i], "36 35 8:1 /\n"); /* cut off */
		NOT_NEEDED();
		end();
	}
}

/* Each device gets its own reason, in one survey. */
static void mounted_on_several(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk("devices/usb1/1-22/1-22:1.0/", "sdb", 9);
	put_disk("devices/usb2/2-2/", "sdc", 10);
	put_file(root, "proc/1/mountinfo", "36 35 9:1 / /b rw - ext4 x rw\n"
					   "36 35 8:1 / /a rw - ext4 x rw\n"
					   "36 35 8:0 / /a2 rw - ext4 x rw\n");
	put_file(root, "proc/swaps", "/dev/sdc partition 1 0 -2\n/dev/sdb partition 1 0 -2\n");
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, "it holds the file system at /a");
	CHECK_STR(survey.item[1].reason.text, "it holds the file system at /b");
	CHECK_INT(survey.item[2].answer, PROTECT_FREE);
	CHECK_STR(survey.item[3].reason.text, "it holds swap space");
	CHECK_INT(disks_opened, 0);
	end();
}

/* Many mounts, and lines that are longer than any buffer. */
static void many_mounts(void)
{
	size_t size = 2000000, len = 0;
	char *text = malloc(size);

	begin_disks();
	put_disk(USB, "sda", 8);
	for (unsigned i = 0; i < 10000; i++)
		len += (size_t)snprintf(text + len, size - len,
					"%u 1 0:%u / /run/%u rw - overlay overlay rw\n", i, i, i);
	len += (size_t)snprintf(text + len, size - len, "1 1 0:5 / /x rw,lowerdir=");
	memset(text + len, 'a', 50000);
	len += 50000;
	snprintf(text + len, size - len, " 8:1 8:1 8:1 8:1\n36 35 8:1 / /last rw - ext4 x rw");
	put_file(root, "proc/1/mountinfo", text);
	NEEDED("it holds the file system at /last");
	end();
	free(text);
}

static void swapped(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/srv/swapfile file 1 0 -2\n\n/dev/sdb partition 1 0 -2\n"
				     "/dev/sdc partition 1 0 -2\n/srv/sdap1 partition 1 0 -2\n");
	NOT_NEEDED();
	put_file(root, "proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"
				     "/dev/sdap1 partition 1048572 0 -2\n");
	NEEDED("it holds swap space");
	put_link(root, "dev/disk/by-uuid/1", "../../sdap1");
	put_file(root, "proc/swaps", "/dev/disk/by-uuid/1 partition 1048572 0 -2\n");
	NEEDED("it holds swap space");
	take_away(root, "dev/sdap1"); /* no node: by the kernel's name */
	put_file(root, "proc/swaps", "/dev/sdap1 partition 1048572 0 -2\n");
	NEEDED("it holds swap space");
	close(sysfs.dev);
	sysfs.dev = -ENOENT;
	NEEDED("it holds swap space");
	end();
}

/* Device mapper, md, bcache: the kernel links them from the disks that they stand on. */
static void held_by_others(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_disk("devices/virtual/", "md0", 253);
	put_disk("devices/virtual/", "dm-0", 252);
	put_link(root, "class/block/sdb/holders/dm-0", "../../../../virtual/block/dm-0");
	NOT_NEEDED();
	put_link(root, "class/block/sdap1/holders/dm-0", "../../../../../virtual/block/dm-0");
	NEEDED("its disk sdap1 is a part of dm-0");
	put_disk_file("dm-0", "dm/name", "vg-lv\n");
	NEEDED("its disk sdap1 is a part of dm-0 (vg-lv)");
	put_disk_file("dm-0", "dm/name", "");
	NEEDED("its disk sdap1 is a part of dm-0");
	put_link(root, "class/block/sdap1/holders/md0", "x"); /* one is enough */
	take_away(root, "class/block/sdap1/holders/dm-0");
	NEEDED("its disk sdap1 is a part of md0");
	take_away(root, "class/block/sdap1/holders/md0");
	put_link(root, "class/block/sda/holders/bcache0", "x");
	NEEDED("its disk sda is a part of bcache0");
	put_mount("proc/1/mountinfo", "8:1", "/boot"); /* which tells more */
	NEEDED("it holds the file system at /boot");
	end();
}

static void superblocks(void)
{
	static const char *const kinds[] = { "ext4", "xfs", "f2fs" };
	char path[100], reason[100];

	for (size_t i = 0; i < LENGTH(kinds); i++) {
		begin_disks();
		put_disk(USB, "sda", 8);
		put_disk(ELSEWHERE, "sdb", 9);
		snprintf(path, sizeof(path), "fs/%s/sdbp1/x", kinds[i]);
		put_file(root, path, "");
		snprintf(path, sizeof(path), "fs/%s/features/x", kinds[i]);
		put_file(root, path, "");
		NOT_NEEDED();
		snprintf(path, sizeof(path), "fs/%s/sdap1/x", kinds[i]);
		put_file(root, path, "");
		snprintf(reason, sizeof(reason), "its disk sdap1 holds a file system in use (%s)",
			 kinds[i]);
		NEEDED(reason);
		end();
	}
}

static void btrfs(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_file(root, "fs/btrfs/features/x", "");
	put_link(root, "fs/btrfs/0f1e/devices/sdbp1", "../../../../class/block/sdbp1");
	NOT_NEEDED();
	put_link(root, "fs/btrfs/0f1e/devices/sdap1", "../../../../class/block/sdap1");
	NEEDED("it holds a part of the btrfs 0f1e");
	end();
}

/* A loop device holds no lock on what it stands on, and is in nobody's holders. */
static void looped(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_disk("devices/virtual/", "loop0", 7);
	NOT_NEEDED();
	put_disk_file("loop0", "loop/backing_file", "/srv/dev/sdap1\n");
	NOT_NEEDED();
	put_disk_file("loop0", "loop/backing_file", "/dev/sdb\n");
	NOT_NEEDED();
	put_disk_file("loop0", "loop/backing_file", "\n");
	NOT_NEEDED();
	put_disk_file("loop0", "loop/backing_file", "/dev/sdap1\n");
	NEEDED("its disk /dev/sdap1 is a part of loop0");
	put_file(root, "dev/other/name", "8:0");
	put_disk_file("loop0", "loop/backing_file", "/dev/other/name\n");
	NEEDED("its disk /dev/other/name is a part of loop0");
	take_away(root, "dev/sda");
	put_disk_file("loop0", "loop/backing_file", "/dev/sda\n");
	NEEDED("its disk /dev/sda is a part of loop0");
	end();
}

/* 500 loop devices and 500 disks elsewhere, names of all lengths. */
static void many_disks(void)
{
	char path[200], target[200];

	begin_disks();
	for (unsigned i = 0; i < 500; i++) {
		snprintf(path, sizeof(path), "class/block/sd%.*s%u", (int)(i % 60),
			 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij", i);
		put_link(root, path, "../../" ELSEWHERE "block/sd");
		snprintf(target, sizeof(target), "devices/virtual/loop%u/loop/backing_file", i);
		put_file(root, target, "/dev/sdx\n");
		snprintf(path, sizeof(path), "class/block/loop%u", i);
		snprintf(target, sizeof(target), "../../devices/virtual/loop%u", i);
		put_link(root, path, target);
	}
	NOT_NEEDED();
	put_disk(USB, "sdx", 8);
	put_disk_file("loop0", "loop/backing_file", "/srv/image\n");
	ask(PROTECT_SETTLED);
	CHECK(strstr(survey.item[0].reason.text, "its disk /dev/sdx is a part of loop"));
	end();
}

/* A test's tree: nothing here depends on it. */
static void fake(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_mount("proc/1/mountinfo", "8:1", "/");
	sysfs.fake = true;
	NOT_NEEDED();
	close(sysfs.proc);
	sysfs.proc = -ENOENT;
	NOT_NEEDED();
	end();
}

static void opened_exclusively(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_disk(USB, "sdb", 9);
	put_disk(ELSEWHERE, "sdc", 10);
	disk_refused = "sdc";
	NOT_NEEDED();
	CHECK_INT(disks_opened, 2); /* each whole disk of it, once */
	disk_refused = "sdb";
	NEEDED("its disk sdb is in use");
	disk_errno = ENOMEDIUM;
	NOT_NEEDED();
	disk_errno = ENXIO;
	NOT_NEEDED();
	disk_errno = EPERM;
	NEEDED("this host may need it: cannot open /dev/sdb: Operation not permitted");
	end();
}

static void lose_disk(void)
{
	take_away(root, "class/block/sda");
}

/* Files of sysfs and /dev that do not fit together. */
static void nodes(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_file(root, "dev/sda", "8:1");
	NEEDED("this host may need it: cannot open /dev/sda: No such device");
	put_file(root, "dev/sda", "no device");
	NEEDED("this host may need it: cannot open /dev/sda: Block device required");
	take_away(root, "dev/sda");
	NEEDED("this host may need it: cannot open /dev/sda: No such file or directory");
	CHECK(!survey.item[0].unseen);
	put_link(root, "proc/self/ns/pid", "pid:[4026532199]"); /* of a container */
	NEEDED("this host may need it: a program may have its disk open; a container can see that "
	       "only with --pid=host -v /dev:/dev");
	CHECK_INT(survey.item[0].unseen, PROTECT_SEES_CONTAINER);
	take_away(root, "proc/self/ns");
	close(sysfs.dev);
	sysfs.dev = -EACCES;
	NEEDED("this host may need it: cannot open /dev/sda: Permission denied");
	CHECK_INT(disks_opened, 0);
	end();
	begin_disks();
	put_disk(USB, "sda", 8);
	take_away(root, "class/block/sda/dev");
	NEEDED("this host may need it: cannot open /dev/sda: No such file or directory");
	end();
	begin_disks(); /* it is unplugged meanwhile */
	put_disk(USB, "sda", 8);
	disk_refused = "sda";
	disk_errno = EIO;
	disk_is_opened = lose_disk;
	NOT_NEEDED();
	CHECK_INT(disks_opened, 1);
	end();
}

/* While somebody else has a say, or it is too early, nothing is opened. */
static void not_opened(void)
{
	begin_disks();
	put_disk(USB, "sda", 8);
	put_mount("proc/1/mountinfo", "8:1", "/");
	NEEDED("it holds the file system at /");
	put_mount("proc/1/mountinfo", "9:1", "/");
	take_away(root, "proc/swaps");
	make_parents(root, "proc/swaps/x");
	NEEDED_BY_ALL(MAY "/proc/swaps: Is a directory");
	take_away(root, "proc/swaps");
	put_file(root, "etc/fstab", "UUID=1 /mnt ext4\n");
	put_file(root, "run/udev/control", "");
	put_file(root, "run/udev/data/b8:1", "");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "udev has not looked at its disk sda yet");
	CHECK_INT(disks_opened, 0);
	end();
}

static void put_scsi_disk(void)
{
	put_disk(SCSI, "sda", 8);
	put_link(root, SCSI "block/sda/device", "../../../6:0:0:0");
	put_file(root, SCSI "state", "running\n");
	put_file(root, "class/scsi_host/host6/state", "running\n");
}

static void is_opening(void)
{
	for (size_t i = 0; i < survey.count; i++)
		CHECK_INT(survey.item[i].opening, !i);
}

/* Whoever looks meanwhile sees of which device it is. */
static void opening(void)
{
	begin_disks();
	put_scsi_disk();
	disk_is_opened = is_opening;
	NOT_NEEDED();
	CHECK_INT(disks_opened, 1);
	for (size_t i = 0; i < survey.count; i++)
		CHECK(!survey.item[i].opening);
	end();
}

/* open(2) of a SCSI disk waits while its adapter recovers. */
static void scsi_states(void)
{
	begin_disks();
	put_scsi_disk();
	NOT_NEEDED();
	CHECK_INT(disks_opened, 1);
	put_file(root, "class/scsi_host/host6/state", "recovery\n");
	NEEDED("this host may need it: the state of its disk sda is recovery");
	put_file(root, "class/scsi_host/host6/state", "running\n");
	put_file(root, SCSI "state", "offline\n");
	NEEDED("this host may need it: the state of its disk sda is offline");
	CHECK_INT(disks_opened, 1);
	put_file(root, SCSI "state", "running\n");
	take_away(root, "class/scsi_host"); /* it is gone */
	NOT_NEEDED();
	CHECK_INT(disks_opened, 2);
	make_parents(root, "class/scsi_host/host6/state/x");
	NEEDED_BY_ALL(MAY "/sys/class/scsi_host/host6/state: Is a directory");
	CHECK_INT(disks_opened, 2);
	end();
}

/* Other disks have no such states, or others. */
static void not_scsi(void)
{
	static const char *const targets[] = { "../../mmc0:0001", "../../nvme0", "../../60", "60" };

	begin_disks();
	put_disk(USB, "sda", 8);
	for (size_t i = 0; i < LENGTH(targets); i++) {
		put_link(root, USB "block/sda/device", targets[i]);
		put_file(root, USB "mmc0:0001/state", "live\n");
		put_file(root, USB "nvme0/state", "live\n");
		put_file(root, USB "60/state", "live\n");
		put_file(root, USB "block/sda/60/state", "live\n");
		NOT_NEEDED();
	}
	CHECK_INT(disks_opened, LENGTH(targets));
	take_away(root, USB "block/sda/device");
	put_file(root, USB "block/sda/device", ""); /* which no kernel has */
	NEEDED_BY_ALL(MAY "/sys/class/block/sda/device: Invalid argument");
	end();
}

/* A machine on which the device is not needed, though every file and directory is read. */
static void begin_all(void)
{
	begin_disks();
	put_scsi_disk();
	put_disk(ELSEWHERE, "sdb", 9);
	put_disk("devices/virtual/", "loop0", 7);
	put_disk_file("loop0", "loop/backing_file", "/dev/sdbp1\n");
	put_file(root, "proc/1/mountinfo", "36 35 252:0 / / rw - ext4 x rw\n"
					   "37 35 7:0 / /mnt rw - ext4 x rw\n");
	put_file(root, "proc/swaps", "Filename\tType\n/dev/sdb partition 1 0 -2\n");
	put_file(root, "fs/btrfs/features/x", "");
	put_link(root, "fs/btrfs/0f1e/devices/sdbp1", "../../../../class/block/sdbp1");
}

static void unreadable(void)
{
	static const struct {
		const char *path, *reason;
	} row[] = {
		{ "proc/swaps", MAY "/proc/swaps: Is a directory" },
		{ "class/block", MAY "/sys/class/block/sdbp1: Not a directory" },
		{ SCSI "block/sda/holders", MAY "/sys/class/block/sda/holders: Not a directory" },
		{ "fs/btrfs", MAY "/sys/fs/btrfs: Not a directory" },
		{ "fs/btrfs/0f1e/devices", MAY "/sys/fs/btrfs/0f1e/devices: Not a directory" },
		{ "devices/virtual/block/loop0/loop/backing_file",
		  MAY "/sys/class/block/loop0/loop/backing_file: Is a directory" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_all();
		if (i == 1) { /* swap is found by name */
			take_away(root, "dev/sdb");
			put_file(root, "proc/swaps", "/dev/sdbp1 partition 1 0 -2\n");
			take_away(root, "dev/sdbp1");
		}
		NOT_NEEDED();
		make_unreadable(row[i].path);
		NEEDED_BY_ALL(row[i].reason);
		end();
	}
}

/* The mounts are known as long as one of the two views can be read. */
static void unreadable_mounts(void)
{
	begin_all();
	make_unreadable("proc/self/mountinfo");
	NOT_NEEDED();
	make_unreadable("proc/1/mountinfo");
	NEEDED_BY_ALL(MAY "/proc/self/mountinfo: Is a directory");
	end();
	begin_all();
	make_unreadable("proc/1/mountinfo");
	NOT_NEEDED();
	take_away(root, "proc/1/mountinfo");
	NOT_NEEDED();
	take_away(root, "proc/self/mountinfo");
	NEEDED_BY_ALL(MAY "/proc/self/mountinfo: No such file or directory");
	end();
}

/* Files that some kernels and hosts do not have: their absence is an answer. */
static void absent(void)
{
	static const char *const paths[] = {
		"proc/swaps", "class/block", "dev/block", "fs/btrfs", "fs", "class/scsi_host",
		"devices/virtual/block/loop0/loop", SCSI "block/sda/holders", SCSI "state",
		SCSI "block/sda/device", "run", "etc",
	};

	for (size_t i = 0; i < LENGTH(paths); i++) {
		begin_all();
		take_away(root, paths[i]);
		NOT_NEEDED();
		end();
	}
}

/* If any open(2) finds no free descriptor, the device is needed. */
static void no_descriptor(void)
{
	begin_all();
	refuse_each_open(30, "", strerror(EMFILE));
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	mounted();
	looped();
	opened_exclusively();
	nodes();
	many_mounts();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect_disk: mounted", mounted);
	RUN("t_protect_disk: several devices", mounted_on_several);
	RUN("t_protect_disk: many mounts, long lines", many_mounts);
	RUN("t_protect_disk: swap", swapped);
	RUN("t_protect_disk: mapped, mirrored, cached", held_by_others);
	RUN("t_protect_disk: while it is opened", opening);
	RUN("t_protect_disk: a file system that is mounted out of sight", superblocks);
	RUN("t_protect_disk: btrfs", btrfs);
	RUN("t_protect_disk: a loop device on a disk", looped);
	RUN("t_protect_disk: many disks and loop devices", many_disks);
	RUN("t_protect_disk: a test's tree", fake);
	RUN("t_protect_disk: opened exclusively", opened_exclusively);
	RUN("t_protect_disk: nodes that are missing or wrong", nodes);
	RUN("t_protect_disk: what is not opened", not_opened);
	RUN("t_protect_disk: a SCSI disk that does not run", scsi_states);
	RUN("t_protect_disk: other disks", not_scsi);
	RUN("t_protect_disk: a file that cannot be read", unreadable);
	RUN("t_protect_disk: mounts that cannot be read", unreadable_mounts);
	RUN("t_protect_disk: files that do not exist", absent);
	RUN("t_protect_disk: no free descriptor", no_descriptor);
	RUN("t_protect_disk: no descriptor is left open", no_leak);
	return check_status();
}
