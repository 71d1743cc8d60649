/* SPDX-License-Identifier: MIT */
/*
 * Tests of lib/file: small files, also when they come in pieces or cannot be written whole.
 * LINK: -Wl,--wrap=read,--wrap=write
 */
#include "lib/file.h"

#include "tests/files.h"

static char root[TEMP_SIZE];
static size_t piece, room; /* bytes that one read() returns; that one write() takes, SIZE_MAX: all */
static int read_fails = -1; /* the number of read() calls before the one that fails; -1: none */
static int dir;

ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __wrap_read(int fd, void *buf, size_t n);

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	if (read_fails >= 0 && !read_fails--) {
		errno = EIO;
		return -1;
	}
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

/* As much as fits is loaded, whatever the pieces, and is terminated. */
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
	read_fails = 0;
	CHECK_INT(file_load(dir, "link", 0, buf, sizeof(buf)), -EIO);
	CHECK_STR(buf, "");
	CHECK_INT(open_files(), before);
	end();
}

static struct {
	unsigned count;
	const char *stop; /* the line that ends the search */
	char text[200]; /* of all lines, each in brackets */
} lines;

static bool add_line(void *ctx, char *line)
{
	size_t len = strlen(lines.text);

	CHECK(ctx == &lines);
	lines.count++;
	snprintf(lines.text + len, sizeof(lines.text) - len, "[%s]", line);
	return lines.stop && !strcmp(line, lines.stop);
}

static int each_line(const char *stop)
{
	memset(&lines, 0, sizeof(lines));
	lines.stop = stop;
	return file_each_line(dir, "file", add_line, &lines);
}

static void each_line_of_it(void)
{
	static const struct {
		const char *text, *lines;
	} row[] = {
		{ "", "" },	       { "\n", "[]" },	    { "a", "[a]" },
		{ "a\n", "[a]" },      { "a\n\nb", "[a][][b]" }, { "a b\nc\n", "[a b][c]" },
	};

	start();
	for (size_t i = 0; i < LENGTH(row); i++)
		for (piece = 0; piece <= 3; piece++) {
			put_file(root, "file", row[i].text);
			CHECK_INT(each_line(NULL), 0);
			CHECK_STR(lines.text, row[i].lines);
		}
	piece = 0;
	put_file(root, "file", "a\nb\nc\nd");
	CHECK_INT(each_line("b"), 1);
	CHECK_STR(lines.text, "[a][b]");
	CHECK_INT(each_line("d"), 1);
	CHECK_INT(each_line("e"), 0);
	end();
}

/* "no line matched" and "it could not be read" are not the same. */
static void each_line_fails(void)
{
	unsigned before;

	start();
	before = open_files();
	CHECK_INT(each_line(NULL), -ENOENT);
	put_file(root, "file/in", "");
	CHECK_INT(each_line(NULL), -EISDIR);
	take_away(root, "file");
	put_file(root, "file", "a\nbc");
	piece = 3;
	read_fails = 0;
	CHECK_INT(each_line(NULL), -EIO);
	CHECK_INT(lines.count, 0);
	read_fails = 1;
	CHECK_INT(each_line(NULL), -EIO);
	CHECK_STR(lines.text, "[a]"); /* and not the piece of the next one */
	read_fails = 1;
	CHECK_INT(each_line("a"), 1); /* the rest does not matter */
	read_fails = -1;
	CHECK_INT(open_files(), before);
	end();
}

static bool is_cut_off(void *ctx, char *line)
{
	size_t *len = ctx;

	CHECK_INT(strlen(line), *len < 4095 ? *len : 4095);
	CHECK_INT(strspn(line, "x"), strlen(line));
	(*len)++;
	return false;
}

static void long_lines(void)
{
	static char text[4 * 5000];
	size_t len = 0, n = 4093;

	start();
	for (size_t line = 4093; line < 4097; line++) {
		memset(text + len, 'x', line);
		len += line;
		text[len++] = '\n';
	}
	put_bytes(root, "file", text, len);
	CHECK_INT(file_each_line(dir, "file", is_cut_off, &n), 0);
	CHECK_INT(n, 4097);
	end();
}

static void contains(const char *want)
{
	char buf[32];

	CHECK_INT(file_load(dir, "file", 0, buf, sizeof(buf)), strlen(want));
	CHECK_STR(buf, want);
	CHECK(!is_there(root, "file.new"));
}

static int replace(const char *text)
{
	return file_replace(dir, "file", 0, text, strlen(text));
}

static void replaced(void)
{
	unsigned before;
	struct stat st;

	start();
	before = open_files();
	put_file(root, "file.new", "left behind by one that was killed");
	CHECK_INT(replace("one"), 0);
	contains("one");
	CHECK_INT(replace("another"), 0);
	contains("another");
	CHECK(!fstatat(dir, "file", &st, 0) && (st.st_mode & 0777) == 0644);
	put_file(root, "file.new", "left behind by one that was killed");
	CHECK_INT(replace(""), 0);
	CHECK(!is_there(root, "file") && !is_there(root, "file.new"));
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
	put_link(root, "file.new", "target");
	CHECK_INT(replace("fresh"), -ELOOP);
	CHECK(is_there(root, "target"));
	must(!unlinkat(dir, "file.new", 0), "remove the link");
	contains("old");
	put_file(root, "directory/file", "");
	CHECK_INT(file_replace(dir, "directory", 0, "x", 1), -EISDIR);
	CHECK(!is_there(root, "directory.new"));
	CHECK_INT(file_replace(dir, "directory", 0, "", 0), -EISDIR);
	end();
}

int main(void)
{
	RUN("t_file: loaded in pieces, into every size", loaded);
	RUN("t_file: not loaded", not_loaded);
	RUN("t_file: each line", each_line_of_it);
	RUN("t_file: each line of a file that cannot be read", each_line_fails);
	RUN("t_file: lines longer than any buffer", long_lines);
	RUN("t_file: replaced", replaced);
	RUN("t_file: not replaced", not_replaced);
	return check_status();
}
