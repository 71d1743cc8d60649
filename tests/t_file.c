/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/file: small files, also when they come in pieces or cannot be written whole.
 * LINK: -Wl,--wrap=read,--wrap=write
 */
#include "lib/file.h"

#include "tests/files.h"

static char root[TEMP_SIZE];
static size_t piece, room; /* so much in one read(); so much is written, SIZE_MAX: all */
static int dir;

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	return __real_read(fd, buf, piece && n > piece ? piece : n);
}

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	return __real_write(fd, buf, n > room ? room : n);
}

static void start(void)
{
	temp_make(root);
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0, "open the directory");
	piece = 0;
	room = SIZE_MAX;
}

static void end(void)
{
	close(dir);
	temp_remove(root);
}

/* What fits is loaded, whatever the pieces, and is terminated. */
static void loaded(void)
{
	static const char text[] = "0123456789";

	start();
	put_file(root, "file", text);
	for (piece = 0; piece <= 4; piece++)
		for (size_t size = 1; size <= sizeof(text) + 1; size++) {
			char *buf = block(NULL, size);
			size_t len = size < sizeof(text) ? size - 1 : sizeof(text) - 1;

			CHECK_INT(file_load(dir, "file", 0, buf, size), len);
			CHECK_INT(strlen(buf), len);
			CHECK_BYTES(buf, text, len);
			block_free(buf);
		}
	end();
}

static void not_loaded(void)
{
	char path[TEMP_SIZE + 8], buf[8] = "before";
	unsigned before;

	start();
	before = open_files();
	CHECK_INT(file_load(dir, "none", 0, buf, sizeof(buf)), -ENOENT);
	CHECK_STR(buf, "");
	snprintf(path, sizeof(path), "%s/fifo", root);
	must(!mkfifo(path, 0600), "make a fifo");
	CHECK_INT(file_load(dir, "fifo", 0, buf, sizeof(buf)), -ENOTSUP);
	put_file(root, "there/file", "x");
	CHECK_INT(file_load(dir, "there", 0, buf, sizeof(buf)), -EISDIR);
	put_link(root, "link", "there/file");
	CHECK_INT(file_load(dir, "link", O_NOFOLLOW, buf, sizeof(buf)), -ELOOP);
	CHECK_INT(file_load(dir, "link", 0, buf, sizeof(buf)), 1);
	CHECK_STR(buf, "x");
	CHECK_INT(open_files(), before);
	end();
}

static void contains(const char *want)
{
	char buf[32];

	CHECK_INT(file_load(dir, "file", 0, buf, sizeof(buf)), strlen(want));
	CHECK_STR(buf, want);
	CHECK(!is_there(root, "fresh"));
}

static int replace(const char *text)
{
	return file_replace(dir, "file", "fresh", 0, text, strlen(text));
}

static void replaced(void)
{
	unsigned before;
	struct stat st;

	start();
	before = open_files();
	put_file(root, "fresh", "left behind by one that was killed");
	CHECK_INT(replace("one"), 0);
	contains("one");
	CHECK_INT(replace("another"), 0);
	contains("another");
	CHECK(!fstatat(dir, "file", &st, 0) && (st.st_mode & 0777) == 0644);
	CHECK_INT(replace(""), 0);
	CHECK(!is_there(root, "file"));
	CHECK_INT(replace(""), 0); /* none to remove is fine */
	CHECK_INT(open_files(), before);
	end();
}

/* The file stays as it was. */
static void not_replaced(void)
{
	start();
	put_file(root, "file", "old");
	room = 2;
	CHECK_INT(replace("fresh"), -ENOSPC);
	contains("old");
	room = SIZE_MAX;
	put_file(root, "target", "target");
	put_link(root, "fresh", "target");
	CHECK_INT(replace("fresh"), -ELOOP);
	CHECK(is_there(root, "target"));
	must(!unlinkat(dir, "fresh", 0), "remove the link");
	contains("old");
	put_file(root, "directory/file", "");
	CHECK_INT(file_replace(dir, "directory", "fresh", 0, "x", 1), -EISDIR);
	CHECK(!is_there(root, "fresh"));
	CHECK_INT(file_replace(dir, "directory", "fresh", 0, "", 0), -EISDIR);
	end();
}

int main(void)
{
	RUN("t_file: loaded in pieces, into every size", loaded);
	RUN("t_file: what is not loaded", not_loaded);
	RUN("t_file: replaced", replaced);
	RUN("t_file: not replaced", not_replaced);
	return check_status();
}
