/* SPDX-License-Identifier: MIT */
/* What tests share about files: fixtures, temporary directories, and trees unpacked into them. */
#ifndef TESTS_FILES_H
#define TESTS_FILES_H

#include "tests/check.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURES "tests/fixtures/"

/* From now on so many more descriptors can be opened than there are; -1: as before. */
static inline void spare_files(int spare)
{
	static struct rlimit was;
	struct rlimit limit;
	int next;

	if (spare < 0) {
		must(!setrlimit(RLIMIT_NOFILE, &was), "lift the limit");
		return;
	}
	next = dup(0);
	must(next >= 0 && !close(next) && !getrlimit(RLIMIT_NOFILE, &was), "read the limit");
	limit = was;
	limit.rlim_cur = (rlim_t)(next + spare);
	must(!setrlimit(RLIMIT_NOFILE, &limit), "set the limit");
}

/* A file as a whole, terminated; *len may be NULL. NULL when there is none. */
static inline char *file_read(const char *path, size_t *len)
{
	FILE *file = fopen(path, "rbe");
	char *text = NULL;
	size_t size = 0, got;

	if (!file)
		return NULL;
	do {
		text = realloc(text, size + 65536);
		must(text, "allocate");
		got = fread(text + size, 1, 65535, file);
		size += got;
	} while (got);
	fclose(file);
	text[size] = '\0';
	if (len)
		*len = size;
	return text;
}

/* What the file dir/name holds; want NULL: there is none. */
static inline void file_is(const char *dir, const char *name, const char *want)
{
	char path[PATH_MAX], *text;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = file_read(path, NULL);
	if (want)
		CHECK_STR(text, want);
	else
		CHECK(!text);
	free(text);
}

/* Calls each(dir, name) for every entry that ends in suffix, in the order of the names. */
static inline unsigned each_file(const char *dir, const char *suffix,
				 void (*each)(const char *path, const char *name))
{
	struct dirent **entry;
	char path[PATH_MAX];
	unsigned found = 0;
	int n = scandir(dir, &entry, NULL, alphasort);

	must(n >= 0, dir);
	for (int i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;
		size_t len = strlen(name), end = strlen(suffix);

		if (len > end && !strcmp(name + len - end, suffix)) {
			snprintf(path, sizeof(path), "%s/%s", dir, name);
			each(path, name);
			found++;
		}
		free(entry[i]);
	}
	free(entry);
	return found;
}

/* The name of a temporary directory; leaves room for names in it. */
enum { TEMP_SIZE = 200 };

/* A new directory; path has TEMP_SIZE bytes. */
static inline void temp_make(char *path)
{
	const char *parent = getenv("TMPDIR");

	snprintf(path, TEMP_SIZE, "%s/usbiphp-test.XXXXXX", parent ? parent : "/tmp");
	must(mkdtemp(path), "make a temporary directory");
}

static inline int temp_remove_entry(const char *path, const struct stat *st, int type,
				    struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void temp_remove(const char *path)
{
	nftw(path, temp_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes the directories above root/path. */
static inline void make_parents(const char *root, const char *path)
{
	char name[PATH_MAX];

	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(name, sizeof(name), "%s/%.*s", root, (int)(slash - path), path);
		must(!mkdir(name, 0755) || errno == EEXIST, name);
	}
}

static inline void put_bytes(const char *root, const char *path, const void *bytes, size_t len)
{
	char name[PATH_MAX];
	int fd;

	make_parents(root, path);
	snprintf(name, sizeof(name), "%s/%s", root, path);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && write(fd, bytes, len) == (ssize_t)len, name);
	close(fd);
}

static inline void put_file(const char *root, const char *path, const char *text)
{
	put_bytes(root, path, text, strlen(text));
}

/* A symbolic link in the place of whatever was there. */
static inline void put_link(const char *root, const char *path, const char *target)
{
	char name[PATH_MAX];

	make_parents(root, path);
	snprintf(name, sizeof(name), "%s/%s", root, path);
	unlink(name);
	must(!symlink(target, name), name);
}

static inline bool is_there(const char *root, const char *path)
{
	char name[PATH_MAX];
	struct stat st;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	return !lstat(name, &st);
}

static inline void take_away(const char *root, const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	temp_remove(name);
}

/* Undoes \n, \\ and \xNN in place; returns the length. */
static inline size_t unescape(char *s)
{
	char *to = s;

	for (const char *from = s; *from; from++) {
		unsigned byte;

		if (*from != '\\') {
			*to++ = *from;
		} else if (from[1] == 'x' && sscanf(from + 2, "%2x", &byte) == 1) {
			*to++ = (char)byte;
			from += 3;
		} else {
			*to++ = *++from == 'n' ? '\n' : *from;
		}
	}
	*to = '\0';
	return (size_t)(to - s);
}

/* One line of a .tree fixture. */
static inline void tree_line(const char *root, char *line)
{
	char name[PATH_MAX], *path = line + 2, *content = NULL;
	size_t len = 0;

	if (*line == '#' || !*line)
		return;
	if (*line == 'l') {
		content = strstr(path, " -> ");
		must(content, line);
		*content = '\0';
		put_link(root, path, content + 4);
		return;
	}
	if (*line == 'f') {
		path = strchr(path, ' ') + 1;
		content = strstr(path, " = ");
	}
	if (content) {
		*content = '\0';
		content += 3;
		len = unescape(content);
	}
	snprintf(name, sizeof(name), "%s/%s", root, path);
	if (*line == 'd')
		must(!mkdir(name, 0755), name);
	else
		put_bytes(root, path, content ? content : "", len);
}

/* Unpacks a .tree fixture (tests/fixtures/README.md) below root, all of it writable. */
static inline void tree_unpack(const char *root, const char *tree)
{
	char *text = file_read(tree, NULL), *next;

	must(text, tree);
	for (char *line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		tree_line(root, line);
	}
	free(text);
}

/*
 * The message of a .hex fixture in a block() of its exact size; *comment, if not NULL, becomes the
 * whole text, to be freed.
 */
static inline uint8_t *hex_read(const char *path, size_t *len, char **comment)
{
	char *text = file_read(path, NULL);
	uint8_t *bytes, *exact;
	size_t n = 0;

	must(text, path);
	bytes = malloc(strlen(text) / 2 + 1);
	must(bytes, "allocate");
	for (const char *p = text; *p;) {
		unsigned byte;

		if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (strchr(" \t\r\n", *p)) {
			p++;
		} else {
			must(sscanf(p, "%2x", &byte) == 1, path);
			bytes[n++] = (uint8_t)byte;
			p += 2;
		}
	}
	exact = block(bytes, n);
	free(bytes);
	if (comment)
		*comment = text;
	else
		free(text);
	*len = n;
	return exact;
}

#endif
