/* SPDX-License-Identifier: MIT */
/* Where the imported devices are on this machine: the drivers of their interfaces, and their nodes
 * below /dev and network interfaces. All by links in sysfs, which have the path of the device. */
#include "cmd/inventory.h"

#include "lib/file.h"
#include "lib/util.h"

#include <string.h>

/* The directory of sysfs whose entries are looked at. */
struct place {
	struct inventory *inventory;
	const char *dir;
};

/* In their order, each behind a blank. One that does not fit is left out. */
static void put_word(char *words, size_t size, const char *word)
{
	size_t at = 0, len = strlen(words), more = strlen(word) + 1;

	if (len + more >= size)
		return;
	while (at < len && strcmp(word, words + at + 1) > 0)
		at += 1 + strcspn(words + at + 1, " ");
	memmove(words + at + more, words + at, len - at + 1);
	words[at] = ' ';
	memcpy(words + at + 1, word, more - 1);
}

/* NULL: no imported device has that bus id. */
static struct inventory_entry *find_imported(struct inventory *inventory, const char *busid)
{
	struct inventory_entry *entry = inventory_find(inventory, busid);

	return entry && entry->port != INVENTORY_UNKNOWN ? entry : NULL;
}

/* The imported device that a path leads through, by the last interface in it: ".../3-1/3-1:1.0/..".
 * It is cut into pieces. */
static struct inventory_entry *find_entry(struct inventory *inventory, char *path)
{
	struct inventory_entry *found = NULL;
	char *colon;

	for (char *word; (word = strsep(&path, "/"));) {
		colon = strchr(word, ':');
		if (!colon)
			continue;
		*colon = '\0';
		if (busid_is_device(word))
			found = find_imported(inventory, word);
	}
	return found;
}

/* An interface: "3-1:1.0" with its driver, "1.0:usbhid". */
static bool visit_interface(void *ctx, const char *name)
{
	struct inventory *inventory = ((struct place *)ctx)->inventory;
	const char *colon = strchr(name, ':');
	char busid[BUSID_SIZE], driver[DEVICE_DRIVER_SIZE] = "-", word[64];
	struct inventory_entry *entry;

	if (!colon || (size_t)(colon - name) >= sizeof(busid))
		return false;
	str_format(busid, sizeof(busid), "%.*s", (int)(colon - name), name);
	entry = find_imported(inventory, busid);
	if (!entry)
		return false;
	device_read_link(&inventory->sysfs, sysfs_path(DEVICE_DIR "%s/driver", name).text, driver);
	str_format(word, sizeof(word), "%s:%s", colon + 1, driver);
	put_word(entry->drivers, sizeof(entry->drivers), word);
	return false;
}

struct node {
	char name[64];
	bool disk, partition;
};

static bool read_event(void *ctx, char *line)
{
	struct node *node = ctx;

	if (!strncmp(line, "DEVNAME=", 8))
		str_format(node->name, sizeof(node->name), "/dev/%s", line + 8);
	node->disk |= !strcmp(line, "DEVTYPE=disk");
	node->partition |= !strcmp(line, "DEVTYPE=partition");
	return false;
}

/* A link of dev/block or dev/char, "8:0", or of class/net, "eth1". */
static bool visit_link(void *ctx, const char *name)
{
	const struct place *place = ctx;
	const struct sysfs *sysfs = &place->inventory->sysfs;
	struct sysfs_path link = sysfs_path("%s/%s", place->dir, name);
	struct inventory_entry *entry;
	struct node node = { 0 };
	char path[512];

	if (sysfs_read_link(sysfs, path, sizeof(path), link.text) < 0)
		return false;
	entry = find_entry(place->inventory, path);
	if (!entry)
		return false;
	file_each_line(sysfs->root, sysfs_path("%s/uevent", link.text).text, read_event, &node);
	if (!node.name[0])
		str_copy(node.name, sizeof(node.name), name);
	entry->disk |= node.disk;
	if (!node.partition)
		put_word(entry->nodes, sizeof(entry->nodes), node.name);
	return false;
}

void inventory_read_nodes(struct inventory *inventory)
{
	static const char *const dirs[] = { "dev/block", "dev/char", "class/net" };
	struct place place = { inventory, NULL };

	sysfs_each_entry(inventory->sysfs.root, DEVICE_DIR, visit_interface, &place);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		place.dir = dirs[i];
		sysfs_each_entry(inventory->sysfs.root, place.dir, visit_link, &place);
	}
}
