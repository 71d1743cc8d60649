/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_config and protect_names: disks that files in /etc name.
 * LINK: -Wl,--wrap=openat,--wrap=fstatat,--wrap=__fstatat_time64
 */
#include "tests/disks.h"

#define MAY "this host may need it: "
#define UUID "3e6be9de-8139-4d2a-9106-a43f08d823a6"

/* The device has mass storage, and a host with udev has looked at its disk. */
static void begin_config(void)
{
	begin_disks();
	put_usb_interface("1-2", "08\n", "usb-storage");
	put_usb_interface("1-22", "03\n", "usbhid");
	put_disk(USB, "sda", 8);
	put_disk(ELSEWHERE, "sdb", 9);
	put_file(root, "run/udev/control", "");
	put_file(root, "run/udev/data/b8:0", "S:disk/by-id/usb-x\nE:ID_FS_TYPE=\n");
	put_file(root, "run/udev/data/b8:1", "E:ID_FS_TYPE=ext4\nE:ID_FS_UUID=" UUID "\n");
	put_file(root, "dev/disk/x", "");
}

/* The same before the disk is there. */
static void begin_early(void)
{
	begin_config();
	take_away(root, USB "block");
	take_away(root, "class/block/sda");
	take_away(root, "class/block/sdap1");
}

static void spellings(void)
{
	static const struct {
		const char *name, *link, *printed;
	} row[] = {
		{ "UUID=" UUID, "disk/by-uuid/" UUID, NULL },
		{ "UUID=\"ABCD-1234\"", "disk/by-uuid/ABCD-1234", NULL },
		{ "UUID='ABCD-1234'", "disk/by-uuid/ABCD-1234", NULL },
		{ "LABEL=backup", "disk/by-label/backup", NULL },
		{ "LABEL=my\\040disk", "disk/by-label/my\\x20disk", "LABEL=my disk" },
		{ "LABEL=\"my\\040disk\"", "disk/by-label/my\\x20disk", "LABEL=\"my disk\"" },
		{ "LABEL=a/b\\134c\\011", "disk/by-label/a\\x2fb\\x5cc\\x09", "LABEL=a/b\\c?" },
		{ "LABEL=#+-.:=@_0aZ", "disk/by-label/#+-.:=@_0aZ", NULL },
		{ "LABEL=\\303\\274ber", "disk/by-label/\303\274ber", "LABEL=??ber" },
		{ "LABEL=\"", "disk/by-label/\\x22", NULL },
		{ "LABEL=\"a'", "disk/by-label/\\x22a\\x27", NULL },
		{ "LABEL=\\040\\477", "disk/by-label/\\x20\\x5c477", "LABEL= \\477" },
		{ "LABEL=\\08\\008", "disk/by-label/\\x5c08\\x5c008", NULL },
		{ "PARTUUID=1234abcd-01", "disk/by-partuuid/1234abcd-01", NULL },
		{ "PARTLABEL=a\\040b", "disk/by-partlabel/a\\x20b", "PARTLABEL=a b" },
		{ "ID=usb-Maker_0:0-part1", "disk/by-id/usb-Maker_0:0-part1", NULL },
		{ "/dev/sdap1", "sdap1", NULL },
		{ "/dev/disk/by-path/usb-0:1", "disk/by-path/usb-0:1", NULL },
		{ "/dev/my\\040disk", "my disk", "/dev/my disk" },
	};
	char path[200], line[200], reason[200];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_config();
		snprintf(line, sizeof(line), "# the backup\n%s /mnt/backup ext4 noauto 0 2\n",
			 row[i].name);
		snprintf(path, sizeof(path), "dev/%s", row[i].link);
		snprintf(reason, sizeof(reason), "/etc/fstab names it: %s, for /mnt/backup",
			 row[i].printed ? row[i].printed : row[i].name);
		put_file(root, "etc/fstab", line);
		put_file(root, path, "9:1");
		NOT_NEEDED();
		put_file(root, path, "8:1");
		NEEDED(reason);
		CHECK_INT(disks_opened, 1);
		end();
	}
	begin_config(); /* a link, as udev makes it */
	put_link(root, "dev/disk/by-label/a", "../../sdap1");
	put_file(root, "etc/fstab", "LABEL=a\t/mnt\text4");
	NEEDED("/etc/fstab names it: LABEL=a, for /mnt");
	put_file(root, "etc/fstab", "LABEL=a none swap sw 0 0\n");
	NEEDED("/etc/fstab names it: LABEL=a, for swap");
	put_file(root, "etc/fstab", "LABEL=a\n"); /* half-written */
	NEEDED("/etc/fstab names it: LABEL=a");
	end();
}

static void not_named(void)
{
	static const char *const lines[] = {
		"", "#UUID=" UUID " /mnt ext4\n", "# /dev/sda /mnt ext4\n", "nas:/srv /mnt nfs\n",
		"//nas/x /mnt cifs\n", "tmpfs /tmp tmpfs\n", "/srv /mnt none bind\n", "\n\n",
		"/sdap1 /mnt ext4\n", "/dev/shm /mnt none bind\n", "UUID /mnt ext4\n", "  \n",
		"LABELSx /mnt ext4\n",
		"/dev/disk /mnt none bind\n", "LABEL= /mnt ext4\n", "UUID= /mnt ext4\n",
		"sdap1 /mnt ext4\n", "uuid=1 /mnt ext4\n", "/dev/sdb /mnt ext4\n", "UU", "#",
	};

	for (size_t i = 0; i < LENGTH(lines); i++) {
		begin_early();
		put_file(root, "dev/shm/x", "");
		put_file(root, "dev/disk/by-label/x", "");
		put_file(root, "dev/disk/by-uuid/x", "");
		put_file(root, "etc/fstab", lines[i]);
		ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
		end();
	}
}

/* A mount at the mount point is in use, by whatever name. An automount is only a promise. */
static void mounted(void)
{
	static const struct {
		const char *fstab, *mounts;
		bool pending;
	} row[] = {
		{ "UUID=1 /mnt x", "1 1 9:1 / /mnt rw - ext4 x rw\n", false },
		{ "UUID=1 /mnt/ x", "1 1 9:1 / /mnt rw shared:1 - ext4 x rw\n", false },
		{ "UUID=1 / x", "1 1 9:1 / / rw - ext4 x rw\n", false },
		{ "UUID=1 /a\\040b x", "1 1 9:1 / /a\\040b rw - ext4 x rw\n", false },
		{ "UUID=1 /mnt x", "1 1 0:9 / /mnt rw - autofs systemd-1 rw\n", true },
		{ "UUID=1 /mnt x", "1 1 0:9 / /mnt rw - autofsx systemd-1 rw\n", false },
		{ "UUID=1 /mnt x", "1 1 0:9 / /mnt rw - autofs systemd-1 rw\n"
				   "1 1 9:1 / /mnt rw - ext4 x rw\n", false },
		{ "UUID=1 /mnt x", "1 1 9:1 /mnt /mnt2 rw - ext4 /mnt rw\n", true },
		{ "UUID=1 /mnt x", "1 1 9:1 / /mnt rw\n", true },
		{ "UUID=1 /mnt x", "1 1 - ext4\n", true },
		{ "UUID=1 /mnt x\nUUID=1 /mnt2 x\n", "1 1 9:1 / /mnt rw - ext4 x rw\n", true },
		{ "UUID=1 /mnt x\nUUID=1 /mnt2 x\n", "1 1 9:1 / /mnt rw - ext4 x rw\n"
						     "1 1 9:1 / /mnt2 rw - ext4 x rw\n", false },
		{ "UUID=1 none swap", "1 1 9:1 / /mnt rw - ext4 x rw\n", true },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_config();
		put_file(root, "dev/disk/by-uuid/1", "8:1");
		put_file(root, "etc/fstab", row[i].fstab);
		put_file(root, i % 2 ? "proc/1/mountinfo" : "proc/self/mountinfo", row[i].mounts);
		ask(PROTECT_SETTLED);
		CHECK_INT(survey.item[0].answer, row[i].pending ? PROTECT_NEEDED : PROTECT_FREE);
		end();
	}
}

/* The disk 8:1 is UUID 1. */
static void units(void)
{
	static const struct {
		const char *file, *text, *reason; /* NULL: not needed */
	} row[] = {
		{ "mnt-a.mount", "[Unit]\nDescription=What\n[Mount]\nWhat=UUID=1\nWhere=/mnt/a\nType=ext4\n",
		  "/etc/systemd/system names it: UUID=1, for /mnt/a" },
		{ "mnt-a.mount", "[Mount]\nWhere = /mnt/a\t \nWhat\t=  /dev/disk/by-uuid/1 \t\n",
		  "/etc/systemd/system names it: /dev/disk/by-uuid/1, for /mnt/a" },
		{ "mnt-a.mount", "What=UUID=1", "/etc/systemd/system names it: UUID=1" },
		{ "mnt-a.mount", "What=UUID=2\nWhat=UUID=1\n", "/etc/systemd/system names it: UUID=1" },
		{ "x.swap", "[Swap]\nWhat=UUID=1\n", "/etc/systemd/system names it: UUID=1, for swap" },
		{ "mnt-a.mount", "[Mount]\nWhatever=UUID=1\nXWhat=UUID=1\nWhat UUID=1\n#What=UUID=1\n", NULL },
		{ "mnt-a.mount", "[Mount]\nWhat=nas:/export\nWhere=/mnt/a\n", NULL },
		{ "mnt-a.mount", "[Mount]\nWhat=UUID=1\nWhere=/mnt/used\n", NULL },
		{ "mnt-a.mount", "", NULL },
		{ "x.service", "What=UUID=1\n", NULL },
		{ "mount", "What=UUID=1\n", NULL },
		{ "a.mount.wants/x", "What=UUID=1\n", NULL },
	};
	char path[100];

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_config();
		put_file(root, "dev/disk/by-uuid/1", "8:1");
		put_file(root, "proc/self/mountinfo", "1 1 9:1 / /mnt/used rw - ext4 x rw\n");
		snprintf(path, sizeof(path), "etc/systemd/system/%s", row[i].file);
		put_file(root, path, row[i].text);
		if (row[i].reason)
			NEEDED(row[i].reason);
		else
			NOT_NEEDED();
		take_away(root, path);
		put_link(root, "etc/systemd/system/gone.mount", "/usr/lib/systemd/system/gone.mount.x");
		NOT_NEEDED();
		end();
	}
	begin_config();
	for (unsigned n = 0; n < 70; n++) {
		snprintf(path, sizeof(path), "etc/systemd/system/%u.mount", n);
		put_file(root, path, "What=UUID=2\n");
	}
	NEEDED(MAY "files in /etc name more than 64 disks that are not in use");
	end();
	begin_config();
	put_file(root, "etc/systemd/system", "");
	NEEDED_BY_ALL(MAY "cannot read /etc/systemd/system: Not a directory");
	end();
	begin_config();
	put_file(root, "etc/systemd/system/x.mount/y", "");
	NEEDED_BY_ALL(MAY "cannot read /etc/systemd/system/x.mount: Is a directory");
	end();
}

static void crypttab(void)
{
	static const char *const lines[] = {
		"home LABEL=k", "home LABEL=k none luks\n",
		"x LABEL=none\nhome /dev/disk/by-label/k none\n",
		"home LABEL=none /key:LABEL=k luks\n", "home LABEL=none LABEL=k:/key:5 luks\n",
		"home LABEL=none none luks,header=/dev/disk/by-label/k,discard\n",
		"home LABEL=none none header=/h.img:LABEL=k\n",
		"home LABEL=none /dev/disk/by-label/k\n",
	};
	char reason[200];

	for (size_t i = 0; i < LENGTH(lines); i++) {
		begin_config();
		put_file(root, "etc/crypttab", lines[i]);
		put_file(root, "dev/disk/by-label/none", "9:1");
		put_file(root, "dev/disk/by-label/k", "8:1");
		snprintf(reason, sizeof(reason), "/etc/crypttab names it: %s, for home",
			 strstr(lines[i], "by-label") ? "/dev/disk/by-label/k" : "LABEL=k");
		NEEDED(reason);
		put_file(root, "dev/mapper/home", "252:0");
		NOT_NEEDED();
		end();
	}
	begin_config();
	put_file(root, "dev/disk/by-label/k", "8:1");
	put_file(root, "etc/crypttab", "# home LABEL=k none luks\n\nhome\n#home LABEL=k\n"
				       "swap /dev/sdb /dev/urandom swap,cipher=x\n"
				       "img /srv/image /srv/key:7\n");
	NOT_NEEDED();
	end();
}

/* Before its block device is there. */
static void early(void)
{
	begin_early();
	ANSWER(PROTECT_AT_START, PROTECT_LATER, "its disks are not there yet");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, ""); /* no file names anything */
	NOT_NEEDED();
	put_file(root, "dev/disk/by-uuid/1", "9:1"); /* this is there already */
	put_file(root, "etc/fstab", "UUID=1 /srv ext4\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "its disks are not there yet");
	ANSWER(PROTECT_AT_START, PROTECT_LATER, "its disks are not there yet");
	NOT_NEEDED();
	put_file(root, "proc/1/mountinfo", "1 1 9:1 / /srv rw - ext4 x rw\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	put_usb_interface("1-2", "03\n", "usbhid"); /* no mass storage */
	put_file(root, "proc/1/mountinfo", "");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
	end();
}

/* While udev has not looked at the disk, its names are not known. */
static void before_udev(void)
{
	begin_config();
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	take_away(root, "run/udev/data/b8:1");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "udev has not looked at its disk sdap1 yet");
	ANSWER(PROTECT_AT_START, PROTECT_LATER, "udev has not looked at its disk sdap1 yet");
	NOT_NEEDED();
	put_file(root, "run/udev/data/b8:1", "");
	take_away(root, "run/udev/data/b8:0");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "udev has not looked at its disk sda yet");
	take_away(root, "etc/fstab"); /* no file names anything */
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	ANSWER(PROTECT_AT_START, PROTECT_FREE, "");
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	take_away(root, "run/udev/control"); /* no udev runs, something else makes links */
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	take_away(root, "class/block/sda/dev"); /* it is just going */
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_NEEDED,
	       MAY "cannot open /dev/sda: No such file or directory");
	end();
}

/* Udev makes the link while its data are looked for. */
static int make_link(int dir, const char *path, int flags)
{
	(void)dir;
	(void)flags;
	if (!strcmp(path, "udev/data/b8:1"))
		put_file(root, "dev/disk/by-uuid/2", "8:1");
	return 0;
}

/* The volume becomes active meanwhile. */
static int make_volume(int dir, const char *path, int flags)
{
	(void)dir;
	(void)flags;
	if (!strcmp(path, "udev/data/b8:1"))
		put_file(root, "dev/vg/data", "9:1");
	return 0;
}

static void link_comes(void)
{
	begin_config();
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	open_refuse = make_link;
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_NEEDED, "/etc/fstab names it: UUID=2, for /srv");
	end();
	begin_config();
	take_away(root, "run/udev/control");
	put_file(root, "etc/fstab", "/dev/vg/data /srv ext4\n");
	open_refuse = make_volume;
	NOT_NEEDED();
	end();
}

#define ARRAY_UUID "f1e2d3c4:00aa1122:33445566:778899ff"

static void arrays(void)
{
	static const struct {
		const char *line;
		bool needed;
	} row[] = {
		{ "ARRAY /dev/md0 metadata=1.2 UUID=" ARRAY_UUID " name=x\n", true },
		{ "  array UUID=" ARRAY_UUID, true },
		{ "ARRAY /dev/md0 uuid=F1E2D3C4:00AA1122:33445566:778899FF\n", true },
		{ "ARRAY /dev/md0 name=host:0\n", true }, /* any array */
		{ "ARRAY /dev/md0 uuid=0:0:0:0\n", false },
		{ "ARRAY /dev/md0\n   UUID=0:0:0:0\n", true },
		{ "ARRAY /dev/md0 UUID=f1e2d3c4:00aa1122:33445566:778899f\n", false },
		{ "ARRAY /dev/md0 UUID=f1e2d3c4:00aa1122:33445566:778899ff0\n", false },
		{ "ARRAY /dev/md0 UUID=01e2d3c4:00aa1122:33445566:778899ff\n", false },
		{ "ARRAY /dev/md0 UUID=\n", false },
		{ "ARRAY <ignore> UUID=" ARRAY_UUID "\n", false },
		{ "#ARRAY /dev/md0 UUID=" ARRAY_UUID "\n", false },
		{ "MAILADDR root\nDEVICE partitions\nHOMEHOST <system>\n\nARRAY\n", false },
	};

	for (size_t i = 0; i < 2 * LENGTH(row); i++) {
		const char *path = i % 2 ? "mdadm.conf" : "mdadm/mdadm.conf";
		char name[40], reason[100];

		begin_config();
		put_file(root, "run/udev/data/b8:1",
			 "E:ID_FS_UUID=f1e2d3c4-00aa-1122-3344-5566778899ff\n"
			 "E:ID_FS_UUID_ENC=x\nE:ID_FS_TYPE=linux_raid_member\nE:ID_FS_TYPE_X=y\n");
		NOT_NEEDED();
		snprintf(name, sizeof(name), "etc/%s", path);
		put_file(root, name, row[i / 2].line);
		snprintf(reason, sizeof(reason), "/etc/%s names the array of its disk sdap1", path);
		ask(PROTECT_SETTLED);
		CHECK_INT(survey.item[0].answer, row[i / 2].needed ? PROTECT_NEEDED : PROTECT_FREE);
		CHECK_STR(survey.item[0].reason.text, row[i / 2].needed ? reason : "");
		CHECK_INT(survey.item[1].answer, PROTECT_FREE);
		put_file(root, "run/udev/data/b8:1", "E:ID_FS_TYPE=ext4\n");
		NOT_NEEDED();
		end();
	}
}

/* An array that has all its disks waits for none. */
static void complete_array(void)
{
	begin_early();
	put_file(root, "etc/mdadm.conf", "ARRAY /dev/md/0 UUID=" ARRAY_UUID "\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "its disks are not there yet");
	put_disk("devices/virtual/", "md0", 253);
	put_file(root, "dev/md/0", "253:0");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "its disks are not there yet");
	put_disk_file("md0", "md/degraded", "1\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "its disks are not there yet");
	put_disk_file("md0", "md/degraded", "0\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_FREE, "");
	put_file(root, "etc/mdadm.conf", "ARRAY /sys/md/0 UUID=" ARRAY_UUID "\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "its disks are not there yet");
	end();
}

static void volumes(void)
{
	begin_config();
	put_file(root, "run/udev/data/b8:1", "E:ID_FS_UUID=x\nE:ID_FS_TYPE=LVM2_member\n");
	NOT_NEEDED();
	put_file(root, "etc/fstab", "/dev/mapper/vg-data /srv ext4\n");
	NEEDED("/etc/fstab names /dev/mapper/vg-data, which its disk sdap1 may hold");
	put_file(root, "etc/fstab", "/dev/vg/data /srv ext4\n");
	NEEDED("/etc/fstab names /dev/vg/data, which its disk sdap1 may hold");
	put_file(root, "dev/vg/data", "252:0"); /* it is there */
	NOT_NEEDED();
	take_away(root, "dev/vg");
	put_file(root, "run/udev/data/b8:1", "E:ID_FS_TYPE=LVM1_member\n");
	NOT_NEEDED();
	put_file(root, "run/udev/data/b8:1", "E:ID_FS_TYPE=LVM2_member\n");
	put_file(root, "etc/fstab", "/dev/sdx /srv ext4\nUUID=2 /srv2 ext4\n");
	NOT_NEEDED();
	end();
}

/* Without udev, and without anything else that makes links. */
static void no_udev(void)
{
	static const char by_uuid[] = MAY "/etc/fstab names UUID=2, and there is no udev to find it";

	begin_config();
	take_away(root, "run/udev");
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	NOT_NEEDED(); /* there are links */
	take_away(root, "dev/disk");
	NEEDED(by_uuid);
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_NEEDED, by_uuid);
	put_file(root, "proc/1/mountinfo", "1 1 9:1 / /srv rw - ext4 x rw\n");
	NOT_NEEDED();
	put_file(root, "etc/fstab", "/dev/sdx /srv2 ext4\n"); /* a name of the kernel */
	NOT_NEEDED();
	put_file(root, "etc/fstab", "/dev/vg/x /srv2 ext4\n");
	NEEDED(MAY "/etc/fstab names /dev/vg/x, and there is no udev to find it");
	put_file(root, "dev/disk/x", "");
	NEEDED(MAY "/etc/fstab names /dev/vg/x, and there is no udev to find it");
	take_away(root, "etc/fstab");
	put_file(root, "etc/mdadm.conf", "ARRAY /dev/md0 name=x\n");
	NEEDED(MAY "/etc/mdadm.conf names an array, and there is no udev to find its disks");
	take_away(root, "bus/usb/devices/1-2"); /* no mass storage, but a disk */
	NEEDED(MAY "/etc/mdadm.conf names an array, and there is no udev to find its disks");
	end();
	begin_early();
	take_away(root, "run/udev");
	take_away(root, "dev/disk");
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	NEEDED(by_uuid);
	put_file(root, "etc/crypttab", "x UUID=3\n");
	put_file(root, "proc/1/mountinfo", "1 1 9:1 / /srv rw - ext4 x rw\n");
	NEEDED(MAY "/etc/crypttab names UUID=3, and there is no udev to find it");
	end();
}

/* Which swap space of fstab is active is not known without links; their number is. */
static void swap_without_links(void)
{
	static const char missing[] = MAY "/etc/fstab names UUID=2, and there is no udev to find it";

	begin_config();
	take_away(root, "run/udev");
	take_away(root, "dev/disk");
	put_file(root, "etc/fstab", "UUID=2 none swap sw\n");
	put_file(root, "proc/swaps", "Filename Type\n/swapfile file 1 0 -2\n/dev/sdb\n"
				     "/dev/zram0 partition 1 0 -2\n");
	NEEDED(missing);
	put_file(root, "proc/swaps", "Filename Type\n/dev/sdb partition 1 0 -2\n");
	NOT_NEEDED();
	put_file(root, "etc/fstab", "UUID=2 none swap sw\nUUID=2 none swap sw\n");
	NEEDED(missing);
	put_file(root, "etc/fstab", "UUID=2 x swap\nUUID=2 y swap\nUUID=2 z swap\n");
	put_file(root, "proc/swaps", "/dev/sdb partition 1 0 -2\n/dev/sdb partition 1 0 -2\n");
	NEEDED(missing);
	put_file(root, "etc/fstab", "UUID=2 /swap ext4 sw\n");
	NEEDED(missing);
	put_file(root, "etc/fstab", "/dev/vg/swap none swap sw\n");
	NEEDED(MAY "/etc/fstab names /dev/vg/swap, and there is no udev to find it");
	put_file(root, "dev/disk/x", ""); /* with links, it is another one */
	put_file(root, "run/udev/control", "");
	put_file(root, "run/udev/data/b8:1", "");
	put_file(root, "etc/fstab", "UUID=2 none swap sw\n");
	ANSWER(PROTECT_PLUGGED_IN, PROTECT_LATER, "udev has not looked at its disk sda yet");
	end();
}

/* More names than there is room for: those left out may be of this disk. */
static void too_many(void)
{
	size_t size = 1000000, len = 0;
	char *text = malloc(size);

	begin_config();
	for (unsigned i = 0; i < 10000; i++) { /* all there, elsewhere */
		len += (size_t)snprintf(text + len, size - len, "UUID=1 /mnt/%u ext4\n", i);
		if (i % 1000 == 0)
			put_file(root, "etc/fstab", text);
	}
	put_file(root, "etc/fstab", text);
	put_file(root, "dev/disk/by-uuid/1", "9:1");
	NOT_NEEDED();
	len = 0;
	for (unsigned i = 0; i < 65; i++) {
		if (i == 64) {
			put_file(root, "etc/fstab", text);
			NOT_NEEDED();
		}
		len += (size_t)snprintf(text + len, size - len, "UUID=2 /mnt/%u ext4\n", i);
	}
	put_file(root, "etc/fstab", text);
	NEEDED(MAY "files in /etc name more than 64 disks that are not in use");
	snprintf(text + len, size - len, "/dev/sda /mnt/last ext4\n");
	put_file(root, "etc/fstab", text);
	NEEDED(MAY "files in /etc name more than 64 disks that are not in use");
	end();
	free(text);
}

/* Lines and words of all lengths, and bytes of all kinds. */
static void long_lines(void)
{
	size_t size = 200000;
	char *text = malloc(size);

	begin_config();
	memset(text, 'a', size);
	memcpy(text, "LABEL=", 6);
	memcpy(text + 100000, " /mnt ext4\nLABEL=", 17);
	memcpy(text + 103000, " /mnt ext4\nLABEL=", 17);
	memcpy(text + 103300, " /mnt ext4\nLABEL=", 17);
	memset(text + 103317, 1, 250);
	memcpy(text + 103700, " /mnt\n/dev/sda /mnt/", 20);
	memcpy(text + 104500, "/ ext4\n", 7);
	memset(text + 104507, '\\', 3000);
	for (size_t i = 0; i < 255 * 20; i++)
		text[110000 + i] = (char)(i % 255 + 1);
	text[size - 1] = '\0';
	put_file(root, "etc/fstab", text);
	put_file(root, "etc/crypttab", text);
	put_file(root, "etc/mdadm.conf", text);
	put_file(root, "run/udev/data/b8:1", text);
	put_file(root, "dev/disk/by-label/x", "9:1");
	ask(PROTECT_SETTLED);
	CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
	CHECK(strstr(survey.item[0].reason.text, "/etc/fstab names it: /dev/sda, for /mnt/aaa"));
	CHECK_INT(survey.item[1].answer, PROTECT_FREE);
	memset(text, ':', 5000); /* a key's file */
	memcpy(text, "x LABEL=x ", 10);
	strcpy(text + 4000, "\nx LABEL=x ,,,:,header=,,\n");
	put_file(root, "etc/crypttab", text);
	take_away(root, "etc/fstab");
	NOT_NEEDED();
	end();
	free(text);
}

static void unreadable(void)
{
	static const char *const files[] = { "fstab", "crypttab", "mdadm/mdadm.conf",
					     "mdadm.conf" };
	char path[100], reason[100];

	for (size_t i = 0; i < LENGTH(files); i++) {
		begin_config();
		snprintf(path, sizeof(path), "etc/%s/x", files[i]);
		make_parents(root, path);
		snprintf(reason, sizeof(reason), MAY "cannot read /etc/%s: Is a directory",
			 files[i]);
		NEEDED_BY_ALL(reason);
		end();
	}
	begin_config();
	close(sysfs.etc);
	sysfs.etc = -ENOENT; /* no /etc */
	NOT_NEEDED();
	sysfs.etc = -EACCES;
	NEEDED_BY_ALL(MAY "cannot read /etc/mdadm/mdadm.conf: Permission denied");
	end();
	begin_config();
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	take_away(root, "run/udev/data/b8:1");
	make_parents(root, "run/udev/data/b8:1/x");
	NEEDED_BY_ALL(MAY "cannot read /run/udev/data/b8:1: Is a directory");
	take_away(root, "run/udev/data/b8:1");
	close(sysfs.run);
	sysfs.run = -ENOENT; /* no /run */
	NOT_NEEDED();
	take_away(root, "class/block/sdap1");
	sysfs.run = -EACCES;
	NEEDED_BY_ALL(MAY "cannot read /run/udev/data/b8:0: Permission denied");
	end();
	begin_config(); /* a circle of links */
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\nUUID=3/x /srv ext4\n");
	put_link(root, "dev/disk/by-uuid/2", "2");
	snprintf(reason, sizeof(reason), MAY "cannot read /dev/disk/by-uuid/2: %s",
		 strerror(ELOOP));
	NEEDED_BY_ALL(reason);
	put_link(root, "dev/disk/by-uuid/2", "../x/y"); /* no directory */
	NOT_NEEDED();
	take_away(root, USB "block/sda/dev");
	make_parents(root, USB "block/sda/dev/x");
	NEEDED_BY_ALL(MAY "cannot read /sys/class/block/sda/dev: Is a directory");
	end();
}

/* If any open(2) finds no free descriptor, the device is needed. */
static void no_descriptor(void)
{
	begin_config();
	put_file(root, "etc/fstab", "UUID=2 /srv ext4\n");
	put_file(root, "etc/crypttab", "x UUID=2\n");
	put_file(root, "etc/mdadm.conf", "ARRAY /dev/md0 UUID=1\n");
	put_file(root, "run/udev/data/b8:1", "E:ID_FS_TYPE=linux_raid_member\nE:ID_FS_UUID=2\n");
	NOT_NEEDED();
	refuse_each_open(40, "", "");
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	spellings();
	crypttab();
	arrays();
	no_udev();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect_config: names in fstab", spellings);
	RUN("t_protect_config: other lines of fstab", not_named);
	RUN("t_protect_config: what is mounted", mounted);
	RUN("t_protect_config: units of systemd", units);
	RUN("t_protect_config: crypttab", crypttab);
	RUN("t_protect_config: a disk that is not there yet", early);
	RUN("t_protect_config: before udev has looked at it", before_udev);
	RUN("t_protect_config: a link comes meanwhile", link_comes);
	RUN("t_protect_config: arrays", arrays);
	RUN("t_protect_config: an array with all its disks", complete_array);
	RUN("t_protect_config: volumes", volumes);
	RUN("t_protect_config: no udev", no_udev);
	RUN("t_protect_config: swap without links", swap_without_links);
	RUN("t_protect_config: more than there is room for", too_many);
	RUN("t_protect_config: long lines, any bytes", long_lines);
	RUN("t_protect_config: a file that cannot be read", unreadable);
	RUN("t_protect_config: no free descriptor", no_descriptor);
	RUN("t_protect_config: no descriptor is left open", no_leak);
	return check_status();
}
