/* SPDX-License-Identifier: MIT */
/* Devices that the kernel's console or a program of this host uses. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Documentation/admin-guide/devices.txt */
enum {
	MAJOR_INPUT = 13,
	MAJOR_SOUND = 116,
	MAJOR_USB = 189, /* /dev/bus/usb/BUS/DEVICE */
};

/* "ttyUSB0   -W- (EC  p a)  188:0", or without a number: fs/proc/consoles.c */
static bool console_visit_line(void *ctx, char *line)
{
	struct protect *protect = ctx;
	char *rest = strrchr(line, ')');
	const char *name = str_word(&line), *number;
	struct protect_item *item;

	if (!rest)
		return false;
	rest++;
	number = str_word(&rest);
	if (!number)
		return false;
	item = protect_find_link(protect, sysfs_path("dev/char/%s", number).text, NULL);
	if (item)
		protect_need(item, "the kernel's console is on its %s", name);
	return false;
}

struct sound_visit {
	struct protect *protect;
	struct protect_item *item;
	char card[12];
	struct sysfs_path pcm; /* below /proc */
};

/* The status of a substream is "closed", or tells how it runs: sound/core/pcm.c. */
static bool sound_visit_substream(void *ctx, const char *name)
{
	struct sound_visit *sound = ctx;
	struct sysfs_path path = sysfs_path("%s/%s/status", sound->pcm.text, name);
	int proc = sound->protect->sysfs->proc;
	char status[16];
	ssize_t n;

	if (strncmp(name, "sub", 3) != 0)
		return false;
	n = file_load(proc, path.text, 0, status, sizeof(status));
	if (!protect_failed(sound->protect, "proc", path.text, n) && n > 0 &&
	    strcmp(status, "closed\n") != 0)
		protect_need(sound->item, "sound card %s plays or records", sound->card);
	return false;
}

/* "pcmC1D0p" is the playback of device 0 of card 1: /proc/asound/card1/pcm0p */
static bool sound_visit_pcm(void *ctx, const char *name)
{
	struct sound_visit sound = { .protect = ctx };
	const char *device = strchr(name, 'D');
	int found;

	if (strncmp(name, "pcmC", 4) != 0 || !device)
		return false;
	sound.item = protect_find_link(ctx, sysfs_path("class/sound/%s", name).text, NULL);
	if (!sound.item)
		return false;
	str_format(sound.card, sizeof(sound.card), "%.*s", (int)(device - name - 4), name + 4);
	sound.pcm = sysfs_path("asound/card%s/pcm%s", sound.card, device + 1);
	found = sysfs_each_entry(sound.protect->sysfs->proc, sound.pcm.text, sound_visit_substream,
				 &sound);
	protect_failed(sound.protect, "proc", sound.pcm.text, found);
	return false;
}

/* The device file that a descriptor of a process leads to. */
struct open_file {
	struct protect *protect;
	const char *pid;
	unsigned major;	      /* 0: a block device */
	char name[64];	      /* "/dev/ttyUSB0" */
	char place[PATH_MAX]; /* of its device in sysfs */
};

/* With disks_only only a disk or tape matters. It has no block device if a virtual machine has
 * claimed it. */
static bool use_matters(struct protect *protect, const struct protect_item *item)
{
	const struct protect_traits *traits = protect_traits(protect, item);

	return !protect->survey->disks_only || traits->disk || traits->storage;
}

/* Whether an open file means that the program uses the device. A mixer or a file of the whole USB
 * device does not mean that. */
static bool file_is_use(const struct open_file *file, const struct protect_item *item)
{
	const struct protect_traits *traits = protect_traits(file->protect, item);

	if (!use_matters(file->protect, item))
		return false;
	if (file->protect->survey->disks_only && file->major && file->major != MAJOR_USB)
		return strstr(file->place, "/target"); /* of a SCSI device: /dev/sg0, /dev/st0 */
	switch (file->major) {
	case MAJOR_USB:
		return traits->claimed;
	case MAJOR_SOUND: /* beside the mixer */
		return !strncmp(strrchr(file->place, '/'), "/pcm", 4);
	case MAJOR_INPUT:
		return traits->input && file->protect->screen;
	}
	return true;
}

/* Whether the program draws on a display that is connected: somebody may sit there, and type. */
static bool file_is_screen(const struct open_file *file)
{
	return file->protect->screen && (!strncmp(file->name, "/dev/dri/card", 13) ||
					 !strncmp(file->name, "/dev/fb", 7));
}

/* udev and the programs that it runs open each new device for a moment. */
static bool program_is_udev(const struct protect_process *process)
{
	return str_is_listed("(udev-worker) systemd-udevd udevd mdev", process->name);
}

/* These programs have all keyboards open, to see power buttons and the like; logind also the
 * displays of its sessions. */
static bool program_is_listener(const struct protect_process *process)
{
	return str_is_listed("systemd-logind elogind elogind-daemon acpid upowerd thermald thd",
			     process->name);
}

/* While udev has a disk open, the kernel does not write what the last program has written to it: so
 * that counts with disks_only. */
static bool program_only_looks(const struct open_file *file, const struct protect_process *process)
{
	struct protect_process parent;
	char pid[12];

	if (!strncmp(process->name, "usbiphp", 7))
		return true;
	if (file->protect->survey->disks_only)
		return false;
	str_format(pid, sizeof(pid), "%u", (unsigned)process->parent);
	return program_is_udev(process) ||
	       ((file->major == MAJOR_INPUT || file_is_screen(file)) &&
		program_is_listener(process)) ||
	       (protect_read_process(file->protect, pid, &parent) && program_is_udev(&parent));
}

/* A modem has no network interface of its own then, and may be dialled again. */
static bool program_is_dialer(const struct protect_process *process)
{
	return str_is_listed("pppd slattach", process->name);
}

static void file_need(const struct open_file *file, struct protect_item *item)
{
	struct protect_process process;

	if (item->lasting || !file_is_use(file, item) ||
	    !protect_read_process(file->protect, file->pid, &process) ||
	    program_only_looks(file, &process))
		return;
	item->open |= item->answer != PROTECT_NEEDED;
	if (file->major == MAJOR_USB)
		protect_need(item, "%s has claimed it", process.name);
	else
		protect_need(item, "%s has %s open", process.name, file->name);
	item->lasting = program_is_dialer(&process);
}

static void file_find_devices(struct open_file *file, const struct stat *st)
{
	struct sysfs_path link = sysfs_path("dev/%s/%u:%u", S_ISCHR(st->st_mode) ? "char" : "block",
					    major(st->st_rdev), minor(st->st_rdev));
	struct protect_item *found = protect_find_link(file->protect, link.text, file->place);
	bool uhid = strstr(file->place, "/virtual/misc/uhid/"); /* of some Bluetooth adapter */

	file->major = S_ISCHR(st->st_mode) ? major(st->st_rdev) : 0;
	EACH_PROTECT_ITEM(file->protect, item) {
		const struct protect_traits *traits = protect_traits(file->protect, item);

		if (item == found || (uhid && traits->bluetooth) ||
		    (traits->input && file_is_screen(file)))
			file_need(file, item);
	}
}

static void program_failed(struct protect *protect, const char *path, int error)
{
	if (error != -EACCES && error != -EPERM)
		protect_failed(protect, "proc", path, error);
	else if (protect->sight == PROTECT_SEES_ALL)
		protect->sight = PROTECT_SEES_OWN;
}

static bool program_visit_descriptor(void *ctx, const char *name)
{
	struct open_file *file = ctx;
	struct sysfs_path path = sysfs_path("%s/fd/%s", file->pid, name);
	int proc = file->protect->sysfs->proc;
	struct stat st;
	bool is_in_dev;
	ssize_t n;

	if (name[0] == '.')
		return false;
	n = readlinkat(proc, path.text, file->name, sizeof(file->name) - 1);
	file->name[n > 0 ? n : 0] = '\0';
	is_in_dev = !strncmp(file->name, "/dev/", 5);
	if (n < 0 || (is_in_dev && fstatat(proc, path.text, &st, 0)))
		program_failed(file->protect, path.text, -errno);
	else if (is_in_dev && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		file_find_devices(file, &st);
	return false;
}

static bool program_visit_process(void *ctx, const char *pid)
{
	struct open_file file = { .protect = ctx, .pid = pid };
	struct sysfs_path path = sysfs_path("%s/fd", pid);
	int found = sysfs_each_entry(file.protect->sysfs->proc, path.text, program_visit_descriptor,
				     &file);

	if (found < 0)
		program_failed(ctx, path.text, found);
	return false;
}

static bool has_question(struct protect *protect)
{
	EACH_PROTECT_ITEM(protect, item)
		if (item->answer != PROTECT_NEEDED && use_matters(protect, item))
			return true;
	return false;
}

void protect_programs(struct protect *protect)
{
	if (!protect->survey->disks_only) {
		protect_each_line(protect, "consoles", console_visit_line, protect);
		protect_each_entry(protect, "class/sound", sound_visit_pcm, protect);
	}
	if (!has_question(protect))
		return;
	protect_each_process(protect, program_visit_process, protect);
	EACH_PROTECT_ITEM(protect, item)
		if (protect_traits(protect, item)->claimed && use_matters(protect, item))
			protect_need(item, "a program has claimed it");
}
