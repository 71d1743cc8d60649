/* SPDX-License-Identifier: MIT */
/*
 * Disks that /etc/fstab, /etc/crypttab, mdadm.conf or a unit of systemd names, though they are not
 * in use now. A disk that was just plugged in has its block devices after a second or more, and its
 * names once udev has looked at these. Until then it waits, if one of the files names a disk that
 * is not there.
 */
#include "sysfs/protect_names.h"

#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char array_files[][18] = { "mdadm/mdadm.conf", "mdadm.conf" };

struct config {
	struct protect *protect;
	bool udev_runs;
	struct names names;
	/* Names without a block device now, of any kind or of one; NULL: all have one. */
	const struct name *missing, *missing_link, *missing_volume;
	const char *array_file; /* it names an array that misses disks; NULL: there is none */
};

/* From the udev database: the content of a disk or partition. */
struct udev_data {
	char type[32], uuid[64];
};

/* It cannot be found out which disk a file means: it may be any. */
static void config_need_all(struct config *config, const char *why)
{
	EACH_PROTECT_ITEM(config->protect, item) {
		const struct protect_traits *traits = protect_traits(config->protect, item);

		if (traits->storage || traits->disk)
			protect_doubt(item, "%s", why);
	}
}

static bool same_hex_digits(const char *a, const char *b)
{
	static const char digits[] = "0123456789abcdefABCDEF";

	for (;; a++, b++) {
		a += strcspn(a, digits);
		b += strcspn(b, digits);
		if (!*a || strncasecmp(a, b, 1) != 0)
			return !*a && !*b;
	}
}

struct array_search {
	struct protect *protect;
	const char *uuid; /* of the array that is looked for; NULL: any that is not complete */
};

static bool array_is_complete(struct protect *protect, const char *file)
{
	struct sysfs_path link;

	return !strncmp(file, "/dev/", 5) && !protect_node_link(protect, file + 5, &link) &&
	       !sysfs_read_number(protect->sysfs, false, INT_MAX,
				  sysfs_path("%s/md/degraded", link.text).text);
}

/* "ARRAY /dev/md0 metadata=1.2 UUID=3aaa0122:29827cfa:5331ad66:ca767371" (mdadm.conf(5)). A line
 * without a UUID may stand for any array. */
static bool array_visit_line(void *ctx, char *line)
{
	const struct array_search *search = ctx;
	const char *word = str_word(&line), *file;

	if (!word || strncasecmp(word, "ARRAY", sizeof("ARRAY")) != 0)
		return false;
	file = word = str_word(&line);
	if (!file || !strcmp(file, "<ignore>"))
		return false;
	if (!search->uuid)
		return !array_is_complete(search->protect, file);
	for (; word; word = str_word(&line))
		if (!strncasecmp(word, "UUID=", 5))
			return same_hex_digits(word + 5, search->uuid);
	return true;
}

/* The file that names the array; NULL: none. */
static const char *array_find(struct protect *protect, const char *uuid)
{
	struct array_search search = { protect, uuid };
	int etc = protect->sysfs->etc;

	for (size_t i = 0; i < ARRAY_SIZE(array_files); i++) {
		const char *path = array_files[i];
		int found = etc < 0 ? etc : file_each_line(etc, path, array_visit_line, &search);

		protect_failed(protect, "etc", path, found);
		if (found > 0)
			return path;
	}
	return NULL;
}

static void config_read(struct config *config)
{
	struct stat st;

	config->udev_runs = !fstatat(config->protect->sysfs->run, "udev/control", &st, 0);
	config->array_file = array_find(config->protect, NULL);
	config->missing = config->missing_link = config->missing_volume = NULL;
	names_read(&config->names, config->protect);
	EACH_NAME(&config->names, name) {
		if (name->item)
			continue;
		config->missing = name;
		if (name->kind == NAME_LINK)
			config->missing_link = name;
		if (name->kind == NAME_VOLUME)
			config->missing_volume = name;
	}
}

static bool config_is_complete(const struct config *config)
{
	return !config->missing && !config->array_file;
}

/* Without udev there are no links for names, and no data about the content of a disk. */
static void config_judge_missing(struct config *config)
{
	const struct name *name = config->missing_volume;
	struct reason why = { "" };

	if (!name && !names_have_links(config->protect))
		name = config->missing_link;
	if (config->names.too_many)
		str_format(why.text, sizeof(why.text),
			   "files in /etc name more than %d disks that are not in use",
			   NAMES_MAX);
	else if (!config->udev_runs && name)
		str_format(why.text, sizeof(why.text),
			   "/etc/%s names %s, and there is no udev to find it", name->file,
			   name->text);
	else if (!config->udev_runs && config->array_file)
		str_format(why.text, sizeof(why.text),
			   "/etc/%s names an array, and there is no udev to find its disks",
			   config->array_file);
	if (why.text[0])
		config_need_all(config, why.text);
}

static void config_judge_names(struct config *config)
{
	EACH_NAME(&config->names, name) {
		const char *purpose = name->swap ? "swap" : name->purpose;

		if (name->item)
			protect_need(name->item, "/etc/%s names it: %s%s%s", name->file,
				     name->text, *purpose ? ", for " : "", purpose);
	}
}

static bool data_visit_line(void *ctx, char *line)
{
	static const char type[] = "E:ID_FS_TYPE=", uuid[] = "E:ID_FS_UUID=";
	struct udev_data *data = ctx;

	if (!strncmp(line, type, sizeof(type) - 1))
		str_copy(data->type, sizeof(data->type), line + sizeof(type) - 1);
	if (!strncmp(line, uuid, sizeof(uuid) - 1))
		str_copy(data->uuid, sizeof(data->uuid), line + sizeof(uuid) - 1);
	return false;
}

/* The files name arrays and logical volumes, but not the disks that these are made of. */
static void config_judge_data(struct config *config, struct protect_item *item, const char *disk,
			      const struct udev_data *data)
{
	const struct name *volume = config->missing_volume;
	const char *file;

	if (!strcmp(data->type, "linux_raid_member")) {
		file = array_find(config->protect, data->uuid);
		if (file)
			protect_need(item, "/etc/%s names the array of its disk %s", file, disk);
	}
	if (!strcmp(data->type, "LVM2_member") && volume)
		protect_need(item, "/etc/%s names %s, which its disk %s may hold", volume->file,
			     volume->text, disk);
}

static bool config_visit_disk(void *ctx, const char *name)
{
	struct config *config = ctx;
	struct protect *protect = config->protect;
	int run = protect->sysfs->run;
	struct sysfs_path link = sysfs_path("class/block/%s", name), path;
	struct protect_item *item = protect_find_link(protect, link.text, NULL);
	struct udev_data data = { "", "" };
	char number[24]; /* "8:1" */
	ssize_t n;

	if (!item)
		return false;
	path = sysfs_path("%s/dev", link.text);
	n = sysfs_read(protect->sysfs, number, sizeof(number), path.text);
	if (n < 0) {
		protect_failed(protect, "sys", path.text, n);
		return false;
	}
	path = sysfs_path("udev/data/b%s", number);
	n = run < 0 ? run : file_each_line(run, path.text, data_visit_line, &data);
	protect_failed(protect, "run", path.text, n);
	if (n == -ENOENT && config->udev_runs && item->stage != PROTECT_SETTLED)
		protect_later(item, "udev has not looked at its disk %s yet", name);
	config_judge_data(config, item, name, &data);
	return false;
}

/* A disk that is not there yet may be one that a file names. At the start, something else may also
 * mount it as soon as it is there. */
static void config_wait_for_disks(struct config *config)
{
	EACH_PROTECT_ITEM(config->protect, item) {
		const struct protect_traits *traits = protect_traits(config->protect, item);
		bool waits = item->stage == PROTECT_AT_START ||
			     (item->stage == PROTECT_PLUGGED_IN && !config_is_complete(config));

		if (traits->storage && !traits->disk && waits)
			protect_later(item, "its disks are not there yet");
	}
}

void protect_config(struct protect *protect)
{
	struct config config = { .protect = protect };

	config_read(&config);
	config_wait_for_disks(&config);
	if (!config_is_complete(&config)) {
		protect_each_entry(protect, "class/block", config_visit_disk, &config);
		config_read(&config); /* links that udev has made before it wrote its data */
	}
	config_judge_names(&config);
	config_judge_missing(&config);
}
