/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/protect_program and sysfs/protect_process: devices that the kernel's console or a
 * program uses. The test answers what a descriptor of a process is, and what may not be looked at.
 * LINK: -Wl,--wrap=openat,--wrap=readlinkat,--wrap=fstatat,--wrap=__fstatat_time64
 */
#include "tests/fstatat.h"
#include "tests/protect.h"

#include <stdarg.h>
#include <sys/sysmacros.h>

#define MAY "this host may need it: cannot read "
#define UNSEEN                                                                                     \
	"this host may need it: a program may have its ttyUSB0 open; "                             \
	"only root with CAP_SYS_PTRACE can see that"

/* A path below /proc with which a call fails; NULL: none. */
static struct {
	const char *open, *link, *stat;
	int error;
} fails;
static unsigned links_read;

static bool has_to_fail(const char *path, const char *fault)
{
	if (!fault || strcmp(path, fault) != 0)
		return false;
	errno = fails.error;
	return true;
}

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size);

int __wrap_openat(int dir, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	return has_to_fail(path, fails.open) ? -1 : __real_openat(dir, path, flags, mode);
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	links_read += strstr(path, "/fd/") != NULL;
	return has_to_fail(path, fails.link) ? -1 : __real_readlinkat(dir, path, buf, size);
}

/* The files that this host is said to have. */
static const struct {
	const char *path;
	mode_t mode;
	unsigned major, minor;
} file[] = {
	{ "/dev/ttyUSB0", S_IFCHR, 188, 0 },
	{ "/dev/ttyUSB0 (deleted)", S_IFCHR, 188, 0 },
	{ "/dev/ttyUSB9", S_IFCHR, 188, 9 },
	{ "/dev/null", S_IFCHR, 1, 3 },
	{ "/dev/sda1", S_IFBLK, 8, 1 },
	{ "/dev/block13", S_IFBLK, 13, 69 },
	{ "/dev/loop1", S_IFBLK, 188, 0 },
	{ "/dev/sg8", S_IFCHR, 8, 1 },
	{ "/dev/shm/x", S_IFREG, 13, 69 },
	{ "/dev/log", S_IFSOCK, 188, 0 },
	{ "/home/ttyUSB0", S_IFCHR, 188, 0 },
	{ "/dev/sg0", S_IFCHR, 21, 0 },
	{ "/dev/st0", S_IFCHR, 9, 0 },
	{ "/dev/bus/usb/001/002", S_IFCHR, 189, 1 },
	{ "/dev/snd/controlC1", S_IFCHR, 116, 10 },
	{ "/dev/snd/pcmC1D0p", S_IFCHR, 116, 11 },
	{ "/dev/input/event5", S_IFCHR, 13, 69 },
	{ "/dev/input/event6", S_IFCHR, 13, 70 },
	{ "/dev/dri/card0", S_IFCHR, 226, 0 },
	{ "/dev/dri/renderD128", S_IFCHR, 226, 128 },
	{ "/dev/fb0", S_IFCHR, 29, 0 },
};

int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	char target[100];
	ssize_t n;

	if (has_to_fail(path, fails.stat))
		return -1;
	n = __real_readlinkat(dir, path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < LENGTH(file); i++) {
		if (strcmp(target, file[i].path) != 0)
			continue;
		st->st_mode = file[i].mode;
		st->st_rdev = makedev(file[i].major, file[i].minor);
		return 0;
	}
	return __real_fstatat(dir, path, st, flags);
}

static void put_number(const char *number, const char *place)
{
	char path[100], link[200];

	snprintf(path, sizeof(path), "dev/%s", number);
	snprintf(link, sizeof(link), "../../%s", place);
	put_link(root, path, link);
}

/* A process that has a file open. */
static void put_process(unsigned pid, const char *name, unsigned parent, const char *target)
{
	char path[100], text[200];

	snprintf(path, sizeof(path), "proc/%u/stat", pid);
	snprintf(text, sizeof(text), "%u (%s) S %u 7 7 0 -1 4194304\n", pid, name, parent);
	put_file(root, path, text);
	snprintf(path, sizeof(path), "proc/%u/fd/0", pid);
	put_link(root, path, "/dev/null");
	snprintf(path, sizeof(path), "proc/%u/fd/13", pid);
	put_link(root, path, target);
}

static void begin_serial(void)
{
	memset(&fails, 0, sizeof(fails));
	begin();
	put_number("char/1:3", "devices/virtual/mem/null");
	put_number("char/188:0", USB "ttyUSB0/tty/ttyUSB0");
	put_number("char/188:9", ELSEWHERE "ttyUSB9/tty/ttyUSB9");
}

static void console(void)
{
	begin_serial();
	put_file(root, "proc/consoles", "tty0                 -WU (EC  p  )    4:7\n"
					"ttyUSB9              -W- (E   p a)  188:9\n"
					"netcon0              -W- (E      )\n");
	NOT_NEEDED();
	put_file(root, "proc/consoles", "tty0                 -WU (E   p  )    4:7\n"
					"ttyUSB0              -W- (EC  p a)  188:0\n");
	NEEDED("the kernel's console is on its ttyUSB0");
	put_file(root, "proc/consoles", "ttyUSB0              -W- ( C  p a)  188:0\n");
	NEEDED("the kernel's console is on its ttyUSB0"); /* stopped for a while */
	put_file(root, "proc/consoles", "ttyUSB0\n\n)\n188:0\n");
	NOT_NEEDED();
	end();
}

static void open_files_of_programs(void)
{
	static const struct {
		const char *target, *reason; /* NULL: not needed */
	} row[] = {
		{ "/dev/ttyUSB0", "nut (driver) has /dev/ttyUSB0 open" },
		{ "/dev/ttyUSB0 (deleted)", "nut (driver) has /dev/ttyUSB0 (deleted) open" },
		{ "/dev/sda1", "nut (driver) has /dev/sda1 open" },
		{ "/dev/block13", "nut (driver) has /dev/block13 open" },
		{ "/dev/ttyUSB9", NULL },
		{ "/dev/loop1", NULL },
		{ "/dev/sg8", NULL },
		{ "/dev/null", NULL },
		{ "/dev/shm/x", NULL },
		{ "/dev/log", NULL },
		{ "/dev/gone", NULL },
		{ "/home/ttyUSB0", NULL },
		{ "socket:[1234]", NULL },
		{ "/dev/bus/usb/001/002", NULL },
		{ "/dev/snd/controlC1", NULL },
		{ "/dev/snd/pcmC1D0p", "nut (driver) has /dev/snd/pcmC1D0p open" },
		{ "/dev/input/event5", NULL },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_serial();
		put_number("block/8:1", USB "host6/target6:0:0/6:0:0:0/block/sda/sda1");
		put_number("block/13:69", USB "block/x");
		put_number("char/189:1", "devices/pci0000:00/usb1/1-2");
		put_number("char/116:10", USB "sound/card1/controlC1");
		put_number("char/116:11", USB "sound/card1/pcmC1D0p");
		put_number("char/13:69", USB "input/input5/event5");
		put_process(7, "nut (driver)", 1, row[i].target);
		if (row[i].reason)
			NEEDED(row[i].reason);
		else
			NOT_NEEDED();
		end();
	}
}

static void names(void)
{
	static const struct {
		const char *name, *reason; /* NULL: not needed */
	} row[] = {
		{ "(udev-worker)", NULL },
		{ "systemd-udevd", NULL },
		{ "udevd", NULL },
		{ "mdev", NULL },
		{ "usbiphp", NULL },
		{ "usbiphp-inspect", NULL },
		{ "usbipd", "usbipd has /dev/ttyUSB0 open" },
		{ "systemd-logind", "systemd-logind has /dev/ttyUSB0 open" },
		{ "a\033[31m b)", "a?[31m b) has /dev/ttyUSB0 open" },
		{ "", " has /dev/ttyUSB0 open" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_serial();
		put_process(7, row[i].name, 1, "/dev/ttyUSB0");
		if (row[i].reason)
			NEEDED(row[i].reason);
		else
			NOT_NEEDED();
		end();
	}
}

/* A modem's port is needed until it is unplugged, also if another program has it open, too. */
static void dialers(void)
{
	static const struct {
		const char *name;
		bool lasting;
	} row[] = {
		{ "pppd", true }, { "slattach", true }, { "ModemManager", false }, { "pppd2", false },
	};

	for (size_t i = 0; i < 2 * LENGTH(row); i++) {
		begin_serial();
		put_process(7, row[i / 2].name, 1, "/dev/ttyUSB0");
		for (unsigned pid = 5; i % 2 && pid < 10; pid += 4)
			put_process(pid, "gpsd", 1, "/dev/ttyUSB0");
		ask(PROTECT_SETTLED);
		CHECK_INT(survey.item[0].answer, PROTECT_NEEDED);
		CHECK_INT(survey.item[0].lasting, row[i / 2].lasting);
		end();
	}
}

/* Programs that udev runs for a device look at it as well. */
static void children(void)
{
	begin_serial();
	put_process(7, "(udev-worker)", 1, "/dev/ttyUSB9");
	put_process(8, "v4l_id", 7, "/dev/ttyUSB0");
	NOT_NEEDED();
	put_process(7, "bash", 1, "/dev/ttyUSB9");
	NEEDED("v4l_id has /dev/ttyUSB0 open");
	put_process(8, "v4l_id", 0, "/dev/ttyUSB0");
	NEEDED("v4l_id has /dev/ttyUSB0 open");
	end();
}

#define SCSI USB "host6/target6:0:0/6:0:0:0/"

/* At a client only the use of a disk matters, in any way, by any program. */
static void disks_only(void)
{
	static const struct {
		const char *class, *driver, *name, *target, *reason; /* NULL: not needed */
	} row[] = {
		{ "08\n", "usb-storage", "dd", "/dev/sda1", "dd has /dev/sda1 open" },
		{ "08\n", "usb-storage", "(udev-worker)", "/dev/sda1",
		  "(udev-worker) has /dev/sda1 open" },
		{ "08\n", "usb-storage", "usbiphp-inspect", "/dev/sda1", NULL },
		{ "08\n", "usb-storage", "smartd", "/dev/sg0", "smartd has /dev/sg0 open" },
		{ "08\n", "usb-storage", "tar", "/dev/st0", "tar has /dev/st0 open" },
		{ "08\n", "usb-storage", "lsusb", "/dev/bus/usb/001/002", NULL },
		{ "08\n", "usb-storage", "cat", "/dev/input/event5", NULL },
		{ "08\n", "usb-storage", "mpv", "/dev/snd/pcmC1D0p", NULL },
		{ "08\n", "usb-storage", "minicom", "/dev/ttyUSB0", NULL },
		{ "08\n", "usbfs", "qemu", "/dev/bus/usb/001/002", "qemu has claimed it" },
		{ "08\n", "usbfs", "cat", "/dev/null", "a program has claimed it" },
		{ "ff\n", "usbfs", "nut", "/dev/bus/usb/001/002", NULL },
		{ "ff\n", "ftdi_sio", "minicom", "/dev/ttyUSB0", NULL },
		{ "ff\n", "rtsx_usb", "dd", "/dev/sda1", "dd has /dev/sda1 open" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		begin_serial();
		survey.disks_only = true;
		put_file(root, "proc/consoles", "ttyUSB0 -W- (EC  p a)  188:0\n");
		put_usb_interface("1-2", row[i].class, row[i].driver);
		put_number("block/8:1", SCSI "block/sda/sda1");
		if (!strcmp(row[i].driver, "rtsx_usb")) { /* no SCSI disk */
			put_link(root, "class/block/sda1", "../../" USB "mmc_host/mmc0/block/sda1");
			take_away(root, "dev/block/8:1");
			put_number("block/8:1", USB "mmc_host/mmc0/block/sda1");
		}
		put_number("char/21:0", SCSI "scsi_generic/sg0");
		put_number("char/9:0", SCSI "scsi_tape/st0");
		put_number("char/189:1", "devices/pci0000:00/usb1/1-2");
		put_number("char/116:11", USB "sound/card1/pcmC1D0p");
		put_number("char/13:69", USB "input/input5/event5");
		put_process(7, row[i].name, 1, row[i].target);
		if (row[i].reason)
			NEEDED(row[i].reason);
		else
			NOT_NEEDED();
		CHECK_INT(survey.item[0].open, row[i].reason && strcmp(row[i].target, "/dev/null") != 0);
		survey.disks_only = false;
		end();
	}
}

/* Without a disk in question nothing is looked at, and what cannot be read does not matter. */
static void no_disks(void)
{
	begin_serial();
	survey.disks_only = true;
	put_process(7, "dd", 1, "/dev/sda1");
	links_read = 0;
	NOT_NEEDED();
	CHECK_INT(links_read, 0);
	put_usb_interface("1-2", "08\n", "usb-storage");
	NOT_NEEDED();
	CHECK(links_read);
	survey.disks_only = false;
	end();
}

/* Beside a disk in question, a program has claimed another device. */
static void another_claimed(void)
{
	begin_serial();
	survey.disks_only = true;
	put_usb_interface("1-2", "08\n", "usb-storage");
	put_usb_interface("1-22", "ff\n", "usbfs");
	NOT_NEEDED();
	put_number("char/189:1", "devices/pci0000:00/usb1/1-22");
	put_process(7, "nut", 1, "/dev/bus/usb/001/002");
	NOT_NEEDED();
	survey.disks_only = false;
	end();
}

/* Two programs have it open; another reason than that lasts longer. */
static void open_by_two(void)
{
	begin_serial();
	survey.disks_only = true;
	put_usb_interface("1-2", "08\n", "usb-storage");
	put_number("block/8:1", SCSI "block/sda/sda1");
	put_process(7, "dd", 1, "/dev/sda1");
	put_process(8, "dd", 1, "/dev/sda1");
	NEEDED("dd has /dev/sda1 open");
	CHECK(survey.item[0].open);
	put_file(root, "proc/1/mountinfo", "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n");
	put_usb_interface("1-22", "08\n", "usb-storage"); /* so that it looks at the programs */
	NEEDED("it holds the file system at /mnt");
	CHECK(!survey.item[0].open);
	survey.disks_only = false;
	end();
}

static void claimed(void)
{
	begin_serial();
	put_file(root, "bus/usb/devices/1-2/descriptors", "");
	put_usb_interface("1-2", "ff\n", "usbfs");
	NEEDED("a program has claimed it");
	put_number("char/189:1", "devices/pci0000:00/usb1/1-2");
	put_process(7, "systemd-udevd", 1, "/dev/bus/usb/001/002");
	NEEDED("a program has claimed it");
	put_process(8, "qemu-system-x86", 1, "/dev/bus/usb/001/002");
	NEEDED("qemu-system-x86 has claimed it");
	put_usb_interface("1-2", "ff\n", "ftdi_sio");
	NOT_NEEDED();
	end();
}

static void put_sound(const char *name, const char *status)
{
	char path[100];

	snprintf(path, sizeof(path), "class/sound/%s", name);
	put_link(root, path, "../../" USB "sound/card12/x");
	snprintf(path, sizeof(path), "proc/asound/card12/%s/sub0/status", "pcm3p");
	put_file(root, path, "closed\n");
	snprintf(path, sizeof(path), "proc/asound/card12/%s/sub1/status", "pcm3p");
	put_file(root, path, status);
	put_file(root, "proc/asound/card12/pcm3p/info", "card: 12\n");
}

static void sound(void)
{
	begin_serial();
	put_sound("pcmC12D3p", "closed\n");
	put_link(root, "class/sound/timer", "../../devices/virtual/sound/timer");
	NOT_NEEDED();
	put_sound("pcmC12D3p", "state: RUNNING\nowner_pid   : 7\n");
	NEEDED("sound card 12 plays or records");
	put_sound("pcmC12D3p", "error -19\n");
	NEEDED("sound card 12 plays or records");
	put_sound("pcmC12D3p", "");
	NOT_NEEDED(); /* it has just gone */
	put_sound("pcmC12D3p", "state: RUNNING\n");
	put_link(root, "class/sound/pcmC12D3p", "../../" ELSEWHERE "sound/card12/pcmC12D3p");
	NOT_NEEDED();
	take_away(root, "class/sound/pcmC12D3p");
	put_sound("controlC12", "state: RUNNING\n");
	put_link(root, "class/sound/pcmC12", "../../" USB "sound/card12/x");
	put_link(root, "class/sound/xxxx12D3p", "../../" USB "sound/card12/x");
	NOT_NEEDED();
	put_sound("pcmC12D3p", "state: RUNNING\n");
	take_away(root, "proc/asound");
	NOT_NEEDED(); /* a kernel without it: its device file tells */
	end();
}

#define KEYBOARD(bus, path)                                                                        \
	"I: Bus=" bus " Vendor=0627 Product=0001 Version=0111\nN: Name=\"x\"\nP: Phys=x\n"         \
	"S: Sysfs=/" path "input/input5\nU: Uniq=1\nH: Handlers=sysrq kbd event5 \n\n"
#define UHID "devices/virtual/misc/uhid/0005:046D:B342.0007/"

static const char *const listeners[] = { "systemd-logind", "elogind",  "elogind-daemon", "acpid",
					 "upowerd",	   "thermald", "thd",		 "udevd" };

/* A program that reads a keyboard where a display is. */
static void kiosk(void)
{
	begin_serial();
	put_file(root, "proc/bus/input/devices", KEYBOARD("0003", USB));
	put_number("char/13:69", USB "input/input5/event5");
	put_process(7, "weston", 1, "/dev/input/event5");
	NOT_NEEDED(); /* nobody can see anything */
	put_file(root, "class/drm/card0-DP-1/status", "connected\n");
	NEEDED("weston has /dev/input/event5 open");
	for (size_t i = 0; i < LENGTH(listeners); i++) {
		put_process(7, listeners[i], 1, "/dev/input/event5");
		NOT_NEEDED();
	}
	put_process(7, "weston", 1, "/dev/input/event5");
	put_file(root, "proc/bus/input/devices",
		 KEYBOARD("0003", "devices/pci0000:00/usb2/2-2/2-2:1.0/"));
	NOT_NEEDED(); /* the volume keys of a headset, and a keyboard that nothing reads */
	end();
}

/* A program that draws on a display will read the keyboard that is just plugged in. */
static void kiosk_draws(void)
{
	static const char *const screens[] = { "/dev/dri/card0", "/dev/fb0" };

	for (size_t i = 0; i < LENGTH(screens); i++) {
		char reason[64];

		snprintf(reason, sizeof(reason), "mpv has %s open", screens[i]);
		begin_serial();
		put_file(root, "proc/bus/input/devices", KEYBOARD("0003", USB));
		put_number("char/226:0", ELSEWHERE "drm/card0");
		put_process(7, "mpv", 1, screens[i]);
		NOT_NEEDED(); /* nobody can see anything */
		put_file(root, "class/drm/card0-DP-1/status", "connected\n");
		NEEDED(reason);
		for (size_t j = 0; j < LENGTH(listeners); j++) {
			put_process(7, listeners[j], 1, screens[i]);
			NOT_NEEDED();
		}
		put_process(7, "mpv", 1, "/dev/dri/renderD128");
		NOT_NEEDED(); /* it only computes */
		end();
	}
}

static void kiosk_over_bluetooth(void)
{
	begin_serial();
	put_file(root, "class/graphics/fb0/name", "EFI VGA\n");
	put_file(root, "proc/bus/input/devices", KEYBOARD("0005", UHID) KEYBOARD("0003", USB));
	put_number("char/13:70", UHID "input/input5/event6");
	put_process(7, "cage", 1, "/dev/input/event6");
	NOT_NEEDED(); /* of an adapter elsewhere */
	put_link(root, "class/bluetooth/hci0", "../../" USB "bluetooth/hci0");
	NEEDED("cage has /dev/input/event6 open");
	put_number("char/13:70", "devices/virtual/input/input5/event6");
	NOT_NEEDED();
	end();
}

/* The first reason is kept, and nothing is read for devices that have one. */
static void only_if_asked(void)
{
	begin_serial();
	put_process(7, "gpsd", 1, "/dev/ttyUSB9");
	links_read = 0;
	NOT_NEEDED();
	CHECK_INT(links_read, 2);
	put_process(7, "gpsd", 1, "/dev/ttyUSB0");
	put_process(8, "screen", 1, "/dev/ttyUSB0");
	ask(PROTECT_SETTLED);
	CHECK(strstr(survey.item[0].reason.text, " has /dev/ttyUSB0 open"));
	links_read = 0;
	for (const char *const *busid = (const char *const[]){ "1-2", "1-22", "1-2.1", "2-2", NULL };
	     *busid; busid++) {
		char path[100];

		snprintf(path, sizeof(path), "bus/usb/devices/%s/authorized", *busid);
		put_file(root, path, "0\n");
	}
	ask(PROTECT_SETTLED);
	CHECK_STR(survey.item[0].reason.text, "it is not authorized, by USBGuard for example");
	CHECK_INT(links_read, 0);
	end();
}

/* As it is for an ordinary user, who may see some processes. */
static void forbidden(void)
{
	static const int errors[] = { EACCES, EPERM };

	for (size_t i = 0; i < LENGTH(errors); i++) {
		begin_serial();
		put_process(7, "gpsd", 1, "/dev/ttyUSB9");
		NOT_NEEDED();
		fails.error = errors[i];
		fails.open = "7/fd";
		NEEDED(UNSEEN);
		CHECK_INT(survey.item[0].unseen, PROTECT_SEES_OWN);
		fails.open = NULL;
		fails.link = "7/fd/13";
		NEEDED(UNSEEN);
		fails.link = NULL;
		fails.stat = "7/fd/13";
		NEEDED(UNSEEN);
		put_process(8, "screen", 1, "/dev/ttyUSB0");
		NEEDED("screen has /dev/ttyUSB0 open");
		CHECK_INT(survey.item[0].unseen, PROTECT_SEES_ALL);
		end();
	}
}

static void ended(void)
{
	static const int errors[] = { ENOENT, ESRCH };

	for (size_t i = 0; i < LENGTH(errors); i++) {
		begin_serial();
		put_process(7, "gpsd", 1, "/dev/ttyUSB0");
		fails.error = errors[i];
		fails.open = "7/fd";
		NOT_NEEDED();
		fails.open = "7/stat";
		NOT_NEEDED();
		fails.open = "1/stat"; /* its parent */
		NEEDED("gpsd has /dev/ttyUSB0 open");
		fails.open = NULL;
		fails.link = "7/fd/13";
		NOT_NEEDED();
		fails.link = NULL;
		fails.stat = "7/fd/13";
		NOT_NEEDED();
		end();
	}
}

static void unreadable(void)
{
	static const struct {
		const char *open, *link, *stat, *path;
	} row[] = {
		{ .open = "7/fd", .path = "/proc/7/fd" },
		{ .open = "7/stat", .path = "/proc/7/stat" },
		{ .open = ".", .path = "/proc/." },
		{ .open = "consoles", .path = "/proc/consoles" },
		{ .open = "class/sound", .path = "/sys/class/sound" },
		{ .open = "asound/card12/pcm3p", .path = "/proc/asound/card12/pcm3p" },
		{ .open = "asound/card12/pcm3p/sub1/status", .path = "/proc/asound/card12/pcm3p/sub1/status" },
		{ .link = "7/fd/13", .path = "/proc/7/fd/13" },
		{ .stat = "7/fd/13", .path = "/proc/7/fd/13" },
		{ .link = "dev/char/188:0", .path = "/sys/dev/char/188:0" },
		{ .link = "class/sound/pcmC12D3p", .path = "/sys/class/sound/pcmC12D3p" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		char reason[120];

		begin_serial();
		put_file(root, "proc/consoles", "tty0                 -WU (EC  p  )    4:7\n");
		put_sound("pcmC12D3p", "closed\n");
		put_process(7, "udevd", 1, "/dev/ttyUSB0");
		NOT_NEEDED();
		fails.error = EMFILE;
		fails.open = row[i].open;
		fails.link = row[i].link;
		fails.stat = row[i].stat;
		snprintf(reason, sizeof(reason), MAY "%s: %s", row[i].path, strerror(EMFILE));
		NEEDED_BY_ALL(reason);
		memset(&fails, 0, sizeof(fails));
		end();
	}
}

static void many(void)
{
	char path[100];

	begin_serial();
	for (unsigned pid = 100; pid < 150; pid++)
		put_process(pid, "sleep", 1, "/dev/ttyUSB9");
	for (unsigned fd = 100; fd < 400; fd++) {
		snprintf(path, sizeof(path), "proc/120/fd/%u", fd);
		put_link(root, path, "socket:[1]");
	}
	put_process(149, "gpsd", 1, "/dev/ttyUSB0");
	links_read = 0;
	NEEDED("gpsd has /dev/ttyUSB0 open");
	CHECK_INT(links_read, 50 * 2 + 300);
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	sound();
	claimed();
	forbidden();
	unreadable();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_protect_program: the kernel's console", console);
	RUN("t_protect_program: open files", open_files_of_programs);
	RUN("t_protect_program: programs that only look", names);
	RUN("t_protect_program: programs that dial", dialers);
	RUN("t_protect_program: programs that udev runs", children);
	RUN("t_protect_program: a client's disks", disks_only);
	RUN("t_protect_program: a client without disks", no_disks);
	RUN("t_protect_program: a disk that is open twice", open_by_two);
	RUN("t_protect_program: another device of a client is claimed", another_claimed);
	RUN("t_protect_program: claimed", claimed);
	RUN("t_protect_program: sound", sound);
	RUN("t_protect_program: a kiosk", kiosk);
	RUN("t_protect_program: programs that draw on a display", kiosk_draws);
	RUN("t_protect_program: a kiosk with a Bluetooth keyboard", kiosk_over_bluetooth);
	RUN("t_protect_program: processes are read if a device is in question", only_if_asked);
	RUN("t_protect_program: another user's processes", forbidden);
	RUN("t_protect_program: processes that end meanwhile", ended);
	RUN("t_protect_program: files that cannot be read", unreadable);
	RUN("t_protect_program: many processes and descriptors", many);
	RUN("t_protect_program: no descriptor is left open", no_leak);
	return check_status();
}
