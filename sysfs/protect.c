/* SPDX-License-Identifier: MIT */
/* Which USB devices this host itself needs: the survey, and what its parts share. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define USBFS_DRIVER "usbfs" /* a program has claimed the interface: drivers/usb/core/devio.c */

void protect_set(struct protect_item *item, enum protect_answer answer, bool unknown,
		 const char *format, ...)
{
	char *text = item->reason.text;
	size_t size = sizeof(item->reason.text), len;
	va_list args;

	if (item->answer == PROTECT_NEEDED || item->answer == answer)
		return;
	item->answer = answer;
	item->unknown = unknown;
	len = str_copy(text, size, unknown ? "this host may need it: " : "");
	va_start(args, format);
	str_vformat(text + len, size - len, format, args);
	va_end(args);
	str_printable(text);
}

void protect_unknown(struct protect *protect, const char *dir, const char *path, int error)
{
	if (!protect->unknown.text[0])
		str_format(protect->unknown.text, sizeof(protect->unknown.text),
			   "cannot read /%s/%s: %s", dir, path, strerror(-error));
}

bool protect_failed(struct protect *protect, const char *dir, const char *path, ssize_t result)
{
	/* -ESRCH: a process that ended between open(2) and read(2) */
	if (result >= 0 || result == -ENOENT || result == -ENODEV || result == -ESRCH)
		return false;
	protect_unknown(protect, dir, path, (int)result);
	return true;
}

bool protect_each_line(struct protect *protect, const char *path,
		       bool (*visit)(void *ctx, char *line), void *ctx)
{
	int found = file_each_line(protect->sysfs->proc, path, visit, ctx);

	protect_failed(protect, "proc", path, found);
	return found > 0;
}

struct entry_visit {
	bool (*visit)(void *ctx, const char *name);
	void *ctx;
};

static bool visit_entry(void *ctx, const char *name)
{
	const struct entry_visit *entry = ctx;

	return name[0] != '.' && entry->visit(entry->ctx, name);
}

bool protect_each_entry(struct protect *protect, const char *path,
			bool (*visit)(void *ctx, const char *name), void *ctx)
{
	struct entry_visit entry = { visit, ctx };
	int found = sysfs_each_entry(protect->sysfs->root, path, visit_entry, &entry);

	protect_failed(protect, "sys", path, found);
	return found > 0;
}

bool protect_exists(struct protect *protect, const char *path)
{
	int error = sysfs_can_open(protect->sysfs, O_PATH, path);

	protect_failed(protect, "sys", path, error);
	return !error;
}

struct protect_item *protect_find(struct protect *protect, const char *path)
{
	struct protect_item *found = NULL;

	while ((path = strchr(path, '/'))) {
		size_t len = strcspn(++path, "/");

		if (!memchr(path, '-', len)) /* no bus id, so 10,000 mounts stay cheap */
			continue;
		EACH_PROTECT_ITEM(protect, item)
			if (!strncmp(path, item->busid, len) && !item->busid[len])
				found = item;
	}
	return found;
}

struct protect_item *protect_find_link(struct protect *protect, const char *link, char *place)
{
	char target[PATH_MAX];
	ssize_t n = sysfs_read_link(protect->sysfs, target, sizeof(target), link);

	if (place)
		str_copy(place, PATH_MAX, n < 0 ? "" : target);
	/* -EINVAL: an entry that is no link, such as class/net/bonding_masters */
	if (n != -EINVAL)
		protect_failed(protect, "sys", link, n);
	return n < 0 ? NULL : protect_find(protect, target);
}

struct protect_traits *protect_traits(struct protect *protect, const struct protect_item *item)
{
	return &protect->traits[item - protect->survey->item];
}

int protect_read_driver(struct protect *protect, const char *interface,
			char driver[DEVICE_DRIVER_SIZE])
{
	struct sysfs_path link = sysfs_path(DEVICE_DIR "%s/driver", interface);
	int error = device_read_link(protect->sysfs, link.text, driver);

	protect_failed(protect, "sys", link.text, error);
	if (error)
		*driver = '\0';
	return error;
}

/* /proc always has this file, unless it is mounted with subset=pid. */
static bool proc_is_whole(struct protect *protect)
{
	struct stat st;

	if (!fstatat(protect->sysfs->proc, "version", &st, 0))
		return true;
	protect_unknown(protect, "proc", "version", -errno);
	return false;
}

struct interface_visit {
	struct protect *protect;
	struct protect_item *item;
};

/* The classes of network cards and modems: communications, wireless, miscellaneous, vendor-specific
 * (https://www.usb.org/defined-class-codes). */
static bool class_may_be_network(int class)
{
	return class == 0x02 || class == 0xe0 || class == 0xef || class == 0xff;
}

static int interface_number(struct protect *protect, const char *interface, const char *attribute)
{
	struct sysfs_path path = sysfs_path(DEVICE_DIR "%s/%s", interface, attribute);
	int number = sysfs_read_number(protect->sysfs, true, 255, path.text);

	protect_failed(protect, "sys", path.text, number);
	return number;
}

/* Whether an interface without a driver is that of a network card by its class: ECM, NCM, EEM,
 * MBIM, RNDIS. The driver of other cards knows them by their ids alone. */
static bool interface_is_card(struct protect *protect, const char *interface, int class)
{
	/* drivers/net/usb/: cdc_ether.c, cdc_ncm.c, cdc_eem.c, cdc_mbim.c, rndis_host.c */
	static const char classes[] = " 0206 020d 020c 020e 0202ff e00103 ef0401 ef0101 ";
	char text[12];

	str_format(text, sizeof(text), " %02x%02x%02x ", class,
		   interface_number(protect, interface, "bInterfaceSubClass"),
		   interface_number(protect, interface, "bInterfaceProtocol"));
	if (strstr(classes, text))
		return true;
	text[5] = ' '; /* whatever the protocol */
	text[6] = '\0';
	return strstr(classes, text);
}

/* Of the entries of a device, "1-1:1.0" is an interface. */
static bool visit_interface(void *ctx, const char *name)
{
	const struct interface_visit *visit = ctx;
	struct protect *protect = visit->protect;
	struct protect_traits *traits = protect_traits(protect, visit->item);
	char driver[DEVICE_DRIVER_SIZE];
	int class, error;

	if (!strchr(name, ':'))
		return false;
	class = interface_number(protect, name, "bInterfaceClass");
	if (class == DEVICE_CLASS_STORAGE)
		traits->storage = true;
	error = protect_read_driver(protect, name, driver);
	if (error == -ENOENT && class_may_be_network(class)) {
		traits->driverless = true;
		traits->card |= interface_is_card(protect, name, class);
	}
	if (!strcmp(driver, USBFS_DRIVER))
		traits->claimed = true;
	if (!protect->survey->disks_only)
		protect_network_of(protect, visit->item, name, driver);
	return false;
}

static void find_traits(struct protect *protect)
{
	EACH_PROTECT_ITEM(protect, item) {
		struct interface_visit visit = { protect, item };

		protect_each_entry(protect, sysfs_path(DEVICE_DIR "%s", item->busid).text,
				   visit_interface, &visit);
	}
}

/* It is also blocked if it cannot be found out whether it is authorized. */
static void judge_authorized(struct protect *protect, struct protect_item *item)
{
	struct sysfs_path path = sysfs_path(DEVICE_DIR "%s/authorized", item->busid);
	int value = sysfs_read_number(protect->sysfs, false, INT_MAX, path.text);

	if (!value)
		protect_need(item, PROTECT_BLOCKED);
	item->blocked = !value || protect_failed(protect, "sys", path.text, value);
}

/* All parts but the networks, which answer also if there is no device: has_link. */
static void survey_others(struct protect *protect)
{
	protect_disks(protect);
	if (!protect->survey->disks_only)
		protect_people(protect);
	protect_programs(protect);
	protect_unseen(protect);
	if (!protect->survey->disks_only)
		protect_config(protect);
	protect_disks_held(protect);
}

void protect_survey(const struct sysfs *sysfs, struct protect_survey *survey)
{
	struct protect protect = { .sysfs = sysfs, .survey = survey };

	EACH_PROTECT_ITEM(&protect, item) {
		struct protect_item question = *item;

		*item = (struct protect_item){ .stage = question.stage };
		str_copy(item->busid, sizeof(item->busid), question.busid);
		if (!survey->disks_only)
			judge_authorized(&protect, item);
		if (question.opening)
			protect_doubt(item, "its disk does not answer");
	}
	survey->has_link = true;
	if (sysfs->fake)
		return;
	if (sysfs->proc < 0)
		protect_unknown(&protect, "proc", ".", sysfs->proc);
	else if (proc_is_whole(&protect)) {
		protect.sight = protect_find_sight(sysfs);
		find_traits(&protect);
		if (!survey->disks_only)
			protect_networks(&protect);
		if (survey->count)
			survey_others(&protect);
	}
	if (protect.unknown.text[0])
		EACH_PROTECT_ITEM(&protect, item)
			protect_doubt(item, "%s", protect.unknown.text);
}

struct disk_search {
	const struct sysfs *sysfs;
	char component[BUSID_SIZE + 2]; /* "/1-1.4/", in the path of each disk of the device */
};

static bool visit_block_device(void *ctx, const char *name)
{
	const struct disk_search *search = ctx;
	char target[PATH_MAX];
	ssize_t n;

	if (name[0] == '.')
		return false;
	n = sysfs_read_link(search->sysfs, target, sizeof(target),
			    sysfs_path("class/block/%s", name).text);
	return n < 0 ? n != -ENOENT : strstr(target, search->component) != NULL;
}

bool protect_disk_in_use(const struct sysfs *sysfs, const struct protect_item *item)
{
	struct disk_search search = { .sysfs = sysfs };
	int found;

	if (item->answer != PROTECT_NEEDED || !item->unknown)
		return item->answer == PROTECT_NEEDED;
	str_format(search.component, sizeof(search.component), "/%s/", item->busid);
	found = sysfs_each_entry(sysfs->root, "class/block", visit_block_device, &search);
	return found && found != -ENOENT;
}
