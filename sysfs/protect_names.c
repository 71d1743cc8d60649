/* SPDX-License-Identifier: MIT */
/* The block devices that /etc/fstab, /etc/crypttab and units of systemd name, though they are not
 * in use now. */
#include "sysfs/protect_names.h"

#include "lib/file.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define UNITS_DIR "systemd/system" /* below /etc */

enum {
	PATH_SIZE = 600, /* more than a name in a directory can have */
	ESCAPE_LEN = 4,	 /* of "\\040" and "\\x20" */
};

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Replaces "\040" by a blank, and so on, as in fstab(5) and mountinfo. */
static void decode_octal(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) &&
		    is_octal(s[3])) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += ESCAPE_LEN;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* As udev writes a value into the name of a link (libblkid, blkid_encode_string()). */
static void encode_value(char *to, size_t size, const char *value, size_t len)
{
	size_t at = 0;

	for (; len && size - at > ESCAPE_LEN; len--, value++) {
		char c = *value;

		if (str_is_plain(c) || strchr("#+:=@", c) || (unsigned char)c >= 0x80)
			to[at++] = c;
		else
			at += str_format(to + at, size - at, "\\x%02x", (unsigned)c);
	}
	to[at] = '\0';
}

/* The path below /dev that a word of one of the files stands for. False if it cannot be a block
 * device: an address of NFS, a kind of file system, a directory, a regular file. */
static bool name_path(const char *text, char *path, size_t size)
{
	static const char dev[] = "/dev/";
	static const char tags[][10] = { "UUID", "LABEL", "PARTUUID", "PARTLABEL", "ID" };

	if (!strncmp(text, dev, sizeof(dev) - 1)) {
		str_copy(path, size, text + sizeof(dev) - 1);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		size_t n = strlen(tags[i]), len;

		if (strncmp(text, tags[i], n) != 0 || text[n] != '=')
			continue;
		text += n + 1;
		len = strlen(text);
		if (len > 1 && (*text == '"' || *text == '\'') && text[len - 1] == *text) {
			text++;
			len -= 2;
		}
		n = str_format(path, size, "disk/by-%s/", tags[i]);
		for (char *c = path; *c; c++)
			*c |= 0x20; /* to a small letter; '-' and '/' are as they were */
		encode_value(path + n, size - n, text, len);
		return true;
	}
	return false;
}

static enum name_kind path_kind(const char *path)
{
	if (!strncmp(path, "disk/", 5))
		return NAME_LINK;
	return strchr(path, '/') ? NAME_VOLUME : NAME_NODE;
}

static void names_add(struct names *names, const char *file, const char *text, const char *purpose)
{
	struct protect *protect = names->protect;
	struct protect_item *item = NULL;
	struct sysfs_path link;
	char path[PATH_SIZE];
	struct name *name;
	int error;

	if (!name_path(text, path, sizeof(path)))
		return;
	error = protect_node_link(protect, path, &link);
	if (!error)
		item = protect_find_link(protect, link.text, NULL);
	if (error == -ENOTBLK || (!error && !item))
		return;
	if (error != -ENAMETOOLONG && error != -ENOTDIR)
		protect_failed(protect, "dev", path, error);
	if (names->count == NAMES_MAX) {
		names->too_many = true;
		return;
	}
	name = &names->name[names->count++];
	*name = (struct name){ .kind = path_kind(path), .file = file, .item = item };
	str_copy(name->text, sizeof(name->text), text);
	str_copy(name->purpose, sizeof(name->purpose), purpose);
}

/* "UUID=0c8e5a3f-... /mnt/my\040disk ext4 noauto 0 2"; a line that is half-written has less */
static bool names_visit_fstab(void *ctx, char *line)
{
	struct names *names = ctx;
	char *word[3], none[] = "";
	unsigned count = names->count, n = str_words(line, word, 3);
	char *point = n > 1 ? word[1] : none;
	size_t len;

	if (!n)
		return false;
	decode_octal(word[0]);
	decode_octal(point);
	len = strlen(point);
	if (len > 1 && point[len - 1] == '/')
		point[len - 1] = '\0';
	names_add(names, "fstab", word[0], point);
	if (names->count > count)
		names->name[count].swap = n > 2 && !strcmp(word[2], "swap");
	return false;
}

/* A mount or swap unit of systemd (systemd.mount(5)): the directory, and what was read of it. */
struct unit {
	struct names *names;
	char what[sizeof(((struct name *)0)->text)], where[sizeof(((struct name *)0)->purpose)];
};

/* Copies the value of "KEY = VALUE", without blanks at its ends. Nothing if the line has another
 * key. */
static void unit_read_value(const char *line, const char *key, char *value, size_t size)
{
	static const char blanks[] = " \t";
	size_t n = strlen(key);

	if (strncmp(line, key, n) != 0)
		return;
	line += n + strspn(line + n, blanks);
	if (*line++ != '=')
		return;
	n = str_copy(value, size, line + strspn(line, blanks));
	while (n && strchr(blanks, value[n - 1]))
		value[--n] = '\0';
}

static bool unit_visit_line(void *ctx, char *line)
{
	struct unit *unit = ctx;

	unit_read_value(line, "What", unit->what, sizeof(unit->what));
	unit_read_value(line, "Where", unit->where, sizeof(unit->where));
	return false;
}

/* Generators make units of fstab and crypttab elsewhere: those are read anyway. */
static bool names_visit_unit(void *ctx, const char *name)
{
	struct unit unit = { .names = ctx };
	struct sysfs_path path = sysfs_path(UNITS_DIR "/%s", name);
	const char *end = strrchr(name, '.');
	unsigned count = unit.names->count;
	bool swap = end && !strcmp(end, ".swap");

	if (!swap && (!end || strcmp(end, ".mount") != 0))
		return false;
	protect_failed(unit.names->protect, "etc", path.text,
		       file_each_line(unit.names->protect->sysfs->etc, path.text, unit_visit_line,
				      &unit));
	names_add(unit.names, UNITS_DIR, unit.what, unit.where);
	if (unit.names->count > count)
		unit.names->name[count].swap = swap;
	return unit.names->too_many;
}

/* A key file, or options, of which one may be a file: "PATH", "PATH:DEVICE" (crypttab(5) of
 * systemd), "DEVICE:PATH:SECONDS" (Debian's passdev). Every part that may name a device counts. */
static void names_add_files(struct names *names, char *words, const char *mapping)
{
	char *next;

	for (char *word = words; word; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		if (!strncmp(word, "header=", 7))
			word += 7;
		names_add(names, "crypttab", word, mapping);
		for (char *colon; (colon = strrchr(word, ':'));) {
			names_add(names, "crypttab", colon + 1, mapping);
			*colon = '\0';
			names_add(names, "crypttab", word, mapping);
		}
	}
}

/* "NAME DEVICE [KEY [OPTIONS]]" */
static bool names_visit_crypttab(void *ctx, char *line)
{
	struct names *names = ctx;
	struct sysfs_path link;
	char *word[4];
	unsigned n = str_words(line, word, 4);

	if (n < 2 || word[0][0] == '#' ||
	    !protect_node_link(names->protect, sysfs_path("mapper/%s", word[0]).text, &link))
		return false;
	names_add(names, "crypttab", word[1], word[0]);
	for (unsigned i = 2; i < n; i++)
		names_add_files(names, word[i], word[0]);
	return false;
}

/* A name does not count while something, be it that disk, is mounted at its mount point. */
static bool names_visit_mount(void *ctx, char *line)
{
	struct names *names = ctx;
	char *type = strstr(line, " - "), *word[5];

	if (!type || !strncmp(type, " - autofs ", 10) || str_words(line, word, 5) < 5)
		return false;
	decode_octal(word[4]);
	for (unsigned i = names->count; i-- > 0;)
		if (!strcmp(names->name[i].purpose, word[4]))
			names->name[i] = names->name[--names->count];
	return false;
}

/* Without links in /dev/disk nothing tells which name an active swap space has: one name less
 * counts for each of them. */
static bool names_visit_swap(void *ctx, char *line)
{
	struct names *names = ctx;
	char *word[2];

	if (str_words(line, word, 2) < 2 || strcmp(word[1], "partition") != 0 ||
	    !strncmp(word[0], "/dev/zram", 9))
		return false;
	for (unsigned i = 0; i < names->count; i++)
		if (names->name[i].swap && names->name[i].kind == NAME_LINK) {
			names->name[i] = names->name[--names->count];
			break;
		}
	return false;
}

bool names_have_links(const struct protect *protect)
{
	struct stat st;

	return !fstatat(protect->sysfs->dev, "disk", &st, 0);
}

static void names_read_file(struct names *names, const char *path,
			    bool (*visit)(void *ctx, char *line))
{
	int etc = names->protect->sysfs->etc;

	protect_failed(names->protect, "etc", path,
		       etc < 0 ? etc : file_each_line(etc, path, visit, names));
}

void names_read(struct names *names, struct protect *protect)
{
	names->protect = protect;
	names->count = 0;
	names->too_many = false;
	names_read_file(names, "fstab", names_visit_fstab);
	names_read_file(names, "crypttab", names_visit_crypttab);
	if (protect->sysfs->etc >= 0)
		protect_failed(protect, "etc", UNITS_DIR,
			       sysfs_each_entry(protect->sysfs->etc, UNITS_DIR, names_visit_unit,
						names));
	if (names->count)
		protect_each_mount(protect, names_visit_mount, names);
	if (names->count && !names_have_links(protect))
		protect_each_line(protect, "swaps", names_visit_swap, names);
}
