/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect: the survey of the devices that this host needs, and what its parts share.
 * The parts have tests of their own.
 * LINK: -Wl,--wrap=openat
 */
#include "tests/openat.h"
#include "tests/protect.h"

#define FAILED "cannot read "
#define MAY "this host may need it: " FAILED

static void paths(void)
{
	struct protect protect = { .sysfs = &sysfs, .survey = &survey };
	struct protect_item *item = survey.item;

	start(NULL);
	ask(PROTECT_SETTLED);
	CHECK(protect_find(&protect, "../../devices/usb1/1-2/1-2:1.0/net/eth0") == item);
	CHECK(protect_find(&protect, "/usb1/1-2") == item);
	CHECK(protect_find(&protect, "/usb1/1-2/") == item);
	CHECK(protect_find(&protect, "/usb1/1-2/1-2.1/1-2.1:1.0") == item + 2);
	CHECK(protect_find(&protect, "/usb1/1-2.1/1-2/x") == item);
	CHECK(protect_find(&protect, "/usb2/2-2/2-2:1.0") == item + 3);
	CHECK(!protect_find(&protect, "../usb1/1-2.2/x"));
	CHECK(!protect_find(&protect, "../usb1/1-2:1.0/x"));
	CHECK(!protect_find(&protect, "../usb1/11-2/x"));
	CHECK(!protect_find(&protect, "../usb1/1-/x"));
	CHECK(!protect_find(&protect, "1-2/x"));
	CHECK(!protect_find(&protect, "//"));
	CHECK(!protect_find(&protect, ""));
	survey.count = 2;
	CHECK(!protect_find(&protect, "/usb2/2-2/2-2:1.0"));
	end();
}

static void links(void)
{
	struct protect protect = { .sysfs = &sysfs, .survey = &survey };
	char place[PATH_MAX];

	start(NULL);
	ask(PROTECT_SETTLED);
	put_link(root, "class/net/eth1", "../../" USB "net/eth1");
	put_link(root, "class/net/eth0", "../../" ELSEWHERE "net/eth0");
	put_file(root, "class/net/bonding_masters", "");
	CHECK(protect_find_link(&protect, "class/net/eth1", place) == survey.item);
	CHECK_STR(place, "../../" USB "net/eth1");
	CHECK(protect_find_link(&protect, "class/net/eth1", NULL) == survey.item);
	CHECK(!protect_find_link(&protect, "class/net/eth0", place));
	CHECK_STR(place, "../../" ELSEWHERE "net/eth0");
	CHECK(!protect_find_link(&protect, "class/net/gone", place));
	CHECK_STR(place, "");
	CHECK(!protect_find_link(&protect, "class/net/bonding_masters", place));
	CHECK_STR(protect.unknown.text, "");
	CHECK(!protect_find_link(&protect, "class/net/bonding_masters/x", NULL));
	CHECK_STR(protect.unknown.text,
		  FAILED "/sys/class/net/bonding_masters/x: Not a directory");
	end();
}

static bool visit_entry(void *ctx, const char *name)
{
	strcat(ctx, name);
	return !strcmp(name, "b");
}

static void entries(void)
{
	struct protect protect = { .sysfs = &sysfs, .survey = &survey };
	char names[20] = "";

	start(NULL);
	put_file(root, "class/net/a", "");
	CHECK(!protect_each_entry(&protect, "class/net", visit_entry, names));
	CHECK_STR(names, "a");
	put_file(root, "class/net/b", "");
	take_away(root, "class/net/a");
	CHECK(protect_each_entry(&protect, "class/net", visit_entry, names));
	CHECK(!protect_each_entry(&protect, "class/gone", visit_entry, names));
	CHECK_STR(names, "ab");
	CHECK(protect_exists(&protect, "class/net/b"));
	CHECK(!protect_exists(&protect, "class/net/a"));
	CHECK_STR(protect.unknown.text, "");
	CHECK(!protect_exists(&protect, "class/net/b/x"));
	CHECK_STR(protect.unknown.text, FAILED "/sys/class/net/b/x: Not a directory");
	end();
}

static void reasons(void)
{
	struct protect protect = { .survey = &survey };
	struct protect_item item = { "1-2", .answer = PROTECT_FREE };

	protect_later(&item, "the %s is not there", "disk");
	CHECK_INT(item.answer, PROTECT_LATER);
	protect_later(&item, "another");
	CHECK_STR(item.reason.text, "the disk is not there");
	protect_need(&item, "it is \033[31m %d", 1);
	CHECK_INT(item.answer, PROTECT_NEEDED);
	CHECK_STR(item.reason.text, "it is ?[31m 1");
	protect_later(&item, "another");
	protect_need(&item, "another");
	CHECK_INT(item.answer, PROTECT_NEEDED);
	CHECK_STR(item.reason.text, "it is ?[31m 1");
	protect_unknown(&protect, "proc", "first", -EACCES);
	protect_unknown(&protect, "proc", "second", -EACCES);
	CHECK_STR(protect.unknown.text, "cannot read /proc/first: Permission denied");
}

static void failures(void)
{
	static const int none[] = { 0, 1, -ENOENT, -ENODEV, -ESRCH };
	struct protect protect = { .survey = &survey };

	for (size_t i = 0; i < LENGTH(none); i++)
		CHECK(!protect_failed(&protect, "proc", "x", none[i]));
	CHECK_STR(protect.unknown.text, "");
	CHECK(protect_failed(&protect, "proc", "x", -EACCES));
	CHECK(protect_failed(&protect, "sys", "y", -EIO));
	CHECK_STR(protect.unknown.text, FAILED "/proc/x: Permission denied");
}

/* A network card that is in use. */
static void put_card(void)
{
	put_file(root, USB "net/eth1/flags", "0x1003\n");
	put_file(root, USB "net/eth1/operstate", "up\n");
	put_link(root, "class/net/eth1", "../../" USB "net/eth1");
}

/* A test's tree: nothing here depends on it. */
static void fake(void)
{
	begin();
	put_card();
	ask(PROTECT_SETTLED);
	CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
	sysfs.fake = true;
	NOT_NEEDED();
	close(sysfs.proc);
	sysfs.proc = -ENOENT;
	NOT_NEEDED();
	put_file(root, "bus/usb/devices/1-2/authorized", "0\n");
	NEEDED("it is not authorized, by USBGuard for example");
	end();
}

static void authorized(void)
{
	static const char *const yes[] = { "1\n", "2\n" };

	begin();
	put_file(root, "bus/usb/devices/1-22/authorized", "1\n");
	put_file(root, "bus/usb/devices/1-2/authorized", "0\n");
	NEEDED("it is not authorized, by USBGuard for example");
	CHECK(survey.item[0].blocked && !survey.item[1].blocked);
	put_card();
	NEEDED("it is not authorized, by USBGuard for example");
	take_away(root, "class/net");
	for (size_t i = 0; i < LENGTH(yes); i++) {
		put_file(root, "bus/usb/devices/1-2/authorized", yes[i]);
		NOT_NEEDED();
		CHECK(!survey.item[0].blocked);
	}
	put_file(root, "bus/usb/devices/1-2/authorized", "x\n");
	NEEDED_BY_ALL(MAY "/sys/bus/usb/devices/1-2/authorized: Invalid argument");
	CHECK(survey.item[0].blocked && !survey.item[1].blocked);
	open_fails = 0;
	ask(PROTECT_SETTLED);
	CHECK(survey.item[0].blocked && survey.item[0].unknown);
	end();
}

static void hidden_proc(void)
{
	static const int errors[] = { EACCES, ENOENT, EMFILE };
	char reason[100];

	for (size_t i = 0; i < LENGTH(errors); i++) {
		begin();
		close(sysfs.proc);
		sysfs.proc = -errors[i];
		snprintf(reason, sizeof(reason), MAY "/proc/.: %s", strerror(errors[i]));
		NEEDED_BY_ALL(reason);
		end();
	}
	begin(); /* mounted with subset=pid */
	take_away(root, "proc/version");
	NEEDED_BY_ALL(MAY "/proc/version: No such file or directory");
	end();
}

/* The drivers of its interfaces tell whether a program has claimed it. */
static void interfaces(void)
{
	begin();
	put_usb_interface("1-2", "ff\n", "ftdi_sio");
	put_usb_interface("2-2", "ff\n", "ftdi_sio");
	put_file(root, "bus/usb/devices/1-2/1-2:1.1/bInterfaceClass", "ff\n");
	put_link(root, "bus/usb/devices/1-2:1.1/driver", "../../drivers/xusbfs");
	put_file(root, "bus/usb/devices/1-2/power/control", "on\n");
	put_link(root, "bus/usb/devices/power/driver", "../../drivers/usbfs"); /* no interface */
	NOT_NEEDED();
	put_link(root, "bus/usb/devices/1-2:1.1/driver", "../../drivers/usbfs");
	NEEDED("a program has claimed it");
	put_link(root, "bus/usb/devices/1-2:1.1/driver", "usbfs");
	NEEDED("a program has claimed it");
	take_away(root, "bus/usb/devices/1-2:1.1/driver");
	NOT_NEEDED();
	end();
}

static void begin_all(void)
{
	begin();
	put_file(root, "bus/usb/devices/1-2/authorized", "1\n");
	put_usb_interface("1-2", "03\n", "usbhid");
	put_file(root, "proc/bus/input/devices",
		 "S: Sysfs=/" USB "input/input5\nH: Handlers=sysrq kbd event3 leds \n\n");
	put_file(root, "proc/7/stat", "7 (sh) S 1 7 7 0 -1 4194304\n");
	put_link(root, "proc/7/fd/0", "/dev/null");
	put_file(root, "run/systemd/sessions/1", "UID=0\nCLASS=user\nSTATE=active\nREMOTE=1\n");
	put_file(root, "class/sound/x", "");
}

static void unreadable(void)
{
	static const struct {
		const char *path, *reason;
	} row[] = {
		{ "bus/usb/devices/1-2/authorized",
		  MAY "/sys/bus/usb/devices/1-2/authorized: Is a directory" },
		{ "bus/usb/devices/1-2",
		  MAY "/sys/bus/usb/devices/1-2/authorized: Not a directory" },
		{ "bus/usb/devices/1-2:1.0/bInterfaceClass",
		  MAY "/sys/bus/usb/devices/1-2:1.0/bInterfaceClass: Is a directory" },
		{ "class/sound", MAY "/sys/class/sound: Not a directory" },
		{ "proc/bus/input/devices", MAY "/proc/bus/input/devices: Is a directory" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_all();
		NOT_NEEDED();
		make_unreadable(row[i].path);
		NEEDED_BY_ALL(row[i].reason);
		CHECK(survey.item[0].unknown);
		end();
	}
	begin_all();
	make_unreadable("bus/usb/devices/1-2:1.0/driver");
	NEEDED_BY_ALL(MAY "/sys/bus/usb/devices/1-2:1.0/driver: Invalid argument");
	put_card();
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, "its network interface eth1 is up");
	CHECK(!survey.item[0].unknown && survey.item[1].unknown);
	end();
}

/* Files that some kernels and hosts do not have: their absence is an answer. */
static void absent(void)
{
	static const char *const paths[] = { "bus",	"proc/bus",    "proc/7",
					     "proc/7/fd", "run/systemd", "class" };

	for (size_t i = 0; i < LENGTH(paths); i++) {
		begin_all();
		take_away(root, paths[i]);
		NOT_NEEDED();
		CHECK(!survey.item[0].unknown);
		end();
	}
}

/* If any open(2) finds no free descriptor, the device is needed. */
static void no_descriptor(void)
{
	begin_all();
	refuse_each_open(25, MAY, strerror(EMFILE));
	end();
}

int main(void)
{
	RUN("t_protect: paths", paths);
	RUN("t_protect: links", links);
	RUN("t_protect: entries of a directory", entries);
	RUN("t_protect: the first reason is kept", reasons);
	RUN("t_protect: failures", failures);
	RUN("t_protect: a test's tree", fake);
	RUN("t_protect: devices that are not authorized", authorized);
	RUN("t_protect: interfaces", interfaces);
	RUN("t_protect: a hidden /proc", hidden_proc);
	RUN("t_protect: a file that cannot be read", unreadable);
	RUN("t_protect: files that do not exist", absent);
	RUN("t_protect: no free descriptor", no_descriptor);
	return check_status();
}
