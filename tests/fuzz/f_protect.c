/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: protect_survey() of a disk, a network card and a keyboard on a tree whose files are the
 * input, split at zero bytes: fstab, crypttab, mdadm.conf and so on. The bits of the first byte
 * choose what is asked for. Only root can make a device file, so a table plays those in /dev.
 * LINK: -Wl,--wrap=fstatat,--wrap=__fstatat_time64
 */
#include "sysfs/protect.h"
#include "tests/fstatat.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { DISK, CARD, KEYBOARD, DEVICES };

/* Those of an input, in its order. */
enum {
	FSTAB,
	CRYPTTAB,
	MDADM,
	UDEV,
	MOUNTS,
	SWAPS,
	ROUTES,
	ROUTES6,
	INPUTS,
	SESSION,
	PROCESS,
	CONSOLES,
	FLAGS,
	OPERSTATE,
	CONNECTOR,
	LOOP,
	SOUND,
	UNIT, /* of systemd */
	FILES
};

static const char *const file_path[FILES] = {
	[FSTAB] = "etc/fstab",
	[CRYPTTAB] = "etc/crypttab",
	[MDADM] = "etc/mdadm/mdadm.conf",
	[UDEV] = "run/udev/data/b8:0",
	[MOUNTS] = "proc/1/mountinfo",
	[SWAPS] = "proc/swaps",
	[ROUTES] = "proc/net/route",
	[ROUTES6] = "proc/net/ipv6_route",
	[INPUTS] = "proc/bus/input/devices",
	[SESSION] = "run/systemd/sessions/c1",
	[PROCESS] = "proc/7/stat",
	[CONSOLES] = "proc/consoles",
	[FLAGS] = "devices/usb1/1-3/1-3:1.0/net/eth1/flags",
	[OPERSTATE] = "devices/usb1/1-3/1-3:1.0/net/eth1/operstate",
	[CONNECTOR] = "class/drm/card0-DP-1/status",
	[LOOP] = "devices/virtual/block/loop0/loop/backing_file",
	[SOUND] = "proc/asound/card1/pcm0p/sub0/status",
	[UNIT] = "etc/systemd/system/a.mount",
};

/* Files with a text, and links, which begin with "../". */
static const char *const rest[][2] = {
	{ "proc/version", "Linux" },
	{ "proc/self/mountinfo", "" },
	{ "proc/1/stat", "1 (init) S 0 1 1 0 -1 4194560\n" },
	{ "run/udev/control", "" },
	{ "dev/sda", "" },
	{ "devices/usb1/1-2/1-2:1.0/bInterfaceClass", "08\n" },
	{ "devices/usb1/1-2/1-2:1.0/block/sda/dev", "8:0\n" },
	{ "devices/usb1/1-3/1-3:1.0/bInterfaceClass", "02\n" },
	{ "devices/usb1/1-4/1-4:1.0/bInterfaceClass", "03\n" },
	{ "devices/usb1/1-4/1-4:1.0/tty/ttyUSB0/dev", "188:0\n" },
	{ "bus/usb/devices/1-2", "../../../devices/usb1/1-2" },
	{ "bus/usb/devices/1-3", "../../../devices/usb1/1-3" },
	{ "bus/usb/devices/1-4", "../../../devices/usb1/1-4" },
	{ "bus/usb/devices/1-2:1.0", "../../../devices/usb1/1-2/1-2:1.0" },
	{ "bus/usb/devices/1-3:1.0", "../../../devices/usb1/1-3/1-3:1.0" },
	{ "bus/usb/devices/1-4:1.0", "../../../devices/usb1/1-4/1-4:1.0" },
	{ "class/block/sda", "../../devices/usb1/1-2/1-2:1.0/block/sda" },
	{ "class/block/loop0", "../../devices/virtual/block/loop0" },
	{ "class/net/eth1", "../../devices/usb1/1-3/1-3:1.0/net/eth1" },
	{ "class/sound/pcmC1D0p", "../../devices/usb1/1-4/1-4:1.0/sound/card1/pcmC1D0p" },
	{ "dev/block/8:0", "../../devices/usb1/1-2/1-2:1.0/block/sda" },
	{ "dev/char/188:0", "../../devices/usb1/1-4/1-4:1.0/tty/ttyUSB0" },
};

static struct sysfs sysfs;
static int file[FILES];
static char root[64], content[FILES][8200];

int __wrap_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	static const struct {
		const char *path;
		unsigned major;
	} nodes[] = { { "sda", 8 },
		      { "disk/by-uuid/1-2", 8 },
		      { "disk/by-label/a\\x20b", 8 },
		      { "dm-0", 253 },
		      { "v/l", 253 },
		      { "disk", 0 } };

	if (sysfs.dev <= 0 || dir != sysfs.dev)
		return __real_fstatat(dir, path, st, flags);
	memset(st, 0, sizeof(*st));
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++)
		if (!strcmp(path, nodes[i].path)) {
			st->st_mode = nodes[i].major ? S_IFBLK | 0660 : S_IFDIR | 0755;
			st->st_rdev = makedev(nodes[i].major, 0);
			return 0;
		}
	errno = ENOENT;
	return -1;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void clean(void)
{
	nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Its directories as well. */
static int create(const char *path, const char *text)
{
	char parent[200];
	int fd;

	strcpy(parent, path);
	for (char *slash = parent; (slash = strchr(slash, '/')); *slash++ = '/') {
		*slash = '\0';
		HOLDS(!mkdirat(sysfs.root, parent, 0755) || errno == EEXIST);
	}
	if (!strncmp(text, "../", 3))
		return symlinkat(text, sysfs.root, path);
	fd = openat(sysfs.root, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	HOLDS(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	return fd;
}

static int open_directory(const char *name)
{
	int fd = openat(sysfs.root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	HOLDS(fd > 0);
	return fd;
}

static void make_tree(void)
{
	/* in memory, if there is such a directory: it is written in every run */
	snprintf(root, sizeof(root), "%s/usbiphp-fuzz.XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	HOLDS(mkdtemp(root) && !sysfs_open(&sysfs, root));
	atexit(clean);
	for (int i = 0; i < FILES; i++)
		file[i] = create(file_path[i], "");
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
		int fd = create(rest[i][0], rest[i][1]);

		HOLDS(fd >= 0);
		if (fd > 0)
			close(fd);
	}
	sysfs.fake = false;
	sysfs.proc = open_directory("proc");
	sysfs.run = open_directory("run");
	sysfs.etc = open_directory("etc");
	sysfs.dev = open_directory("dev");
}

static void set_files(const uint8_t *data, size_t size)
{
	for (int i = 0; i < FILES; i++) {
		size_t len = strnlen((const char *)data, size), used = len < 8192 ? len : 8192;

		memcpy(content[i], data, used);
		content[i][used] = '\0';
		HOLDS(!ftruncate(file[i], 0) && pwrite(file[i], data, used, 0) == (ssize_t)used);
		data += len + (len < size);
		size -= len + (len < size);
	}
}

static struct protect_survey *ask(int options, int dirt)
{
	static const char *const busid[DEVICES] = { "1-2", "1-3", "1-4" };
	struct protect_survey *survey = malloc(sizeof(*survey));

	HOLDS(survey);
	memset(survey, dirt, sizeof(*survey));
	survey->count = DEVICES;
	survey->starting = options & 4;
	survey->disks_only = options & 8;
	for (int i = 0; i < DEVICES; i++) {
		survey->item[i].stage = (enum protect_stage)(options % 4 % 3);
		survey->item[i].opening = options & 16;
		strcpy(survey->item[i].busid, busid[i]);
	}
	protect_survey(&sysfs, survey);
	return survey;
}

static void see_item(const struct protect_item *item, const struct protect_item *again)
{
	const char *text = item->reason.text;

	HOLDS(memchr(text, '\0', sizeof(item->reason.text)));
	HOLDS(item->answer == PROTECT_FREE || item->answer == PROTECT_LATER ||
	      item->answer == PROTECT_NEEDED);
	HOLDS(!*text == (item->answer == PROTECT_FREE));
	for (; *text; text++)
		HOLDS(*text >= ' ' && *text <= '~');
	HOLDS(!item->unknown || item->answer == PROTECT_NEEDED);
	HOLDS(!item->lasting || item->answer != PROTECT_LATER);
	HOLDS(item->answer == again->answer && !strcmp(item->reason.text, again->reason.text));
	HOLDS(item->lasting == again->lasting && item->blocked == again->blocked &&
	      item->network == again->network && item->unknown == again->unknown &&
	      item->open == again->open);
}

/* Whether that word, counted from 0, of a line of a file is the text; by other code than the
 * product's. */
static int has_word(int which, int number, const char *text)
{
	static const char blanks[] = " \t\r";

	for (const char *line = content[which]; line; line = strchr(line, '\n')) {
		const char *word = line + (*line == '\n'), *start = word;

		line = word;
		word += strspn(word, blanks);
		for (int i = 0; i < number; i++) {
			word += strcspn(word, " \t\r\n");
			word += strspn(word, blanks);
		}
		/* what is behind the 4095th byte of a line is not read */
		if (word + strlen(text) - start < 4000 && !strncmp(word, text, strlen(text)) &&
		    strchr(" \t\r\n", word[strlen(text)]))
			return 1;
	}
	return 0;
}

/* Each is a sufficient condition. */
static int disk_is_needed(int disks_only)
{
	int named = has_word(FSTAB, 0, "/dev/sda") || has_word(FSTAB, 0, "UUID=1-2") ||
		    has_word(FSTAB, 0, "LABEL=a\\040b");

	if (has_word(SWAPS, 0, "/dev/sda"))
		return 1;
	return !disks_only && named && !content[MOUNTS][0];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct protect_survey *survey, *again;
	int options = size ? data[0] : 0;

	if (!root[0])
		make_tree();
	set_files(data + !!size, size - !!size);
	survey = ask(options, 0xa5);
	again = ask(options, 0x5a);
	for (int i = 0; i < DEVICES; i++)
		see_item(&survey->item[i], &again->item[i]);
	HOLDS(survey->has_link == again->has_link);
	if (disk_is_needed(options & 8))
		HOLDS(survey->item[DISK].answer == PROTECT_NEEDED);
	if (!(options & 8) &&
	    (!strcmp(content[FLAGS], "0x1003\n") || !strcmp(content[OPERSTATE], "up\n")))
		HOLDS(survey->item[CARD].answer == PROTECT_NEEDED && survey->item[CARD].lasting);
	free(survey);
	free(again);
	return 0;
}
