/* SPDX-License-Identifier: MIT */
/* Tests of policy/holds: what a person has switched off, and the file it is kept in. */
#include "policy/holds.h"

#include "tests/files.h"

#include <sys/wait.h>

static char root[TEMP_SIZE], config[TEMP_SIZE + 20];
static struct holds held, other; /* big */

static void start(void)
{
	temp_make(root);
	snprintf(config, sizeof(config), "%s/etc", root);
	memset(&held, 0, sizeof(held));
	memset(&other, 0, sizeof(other));
}

static void end(void)
{
	temp_remove(root);
}

static unsigned names(const struct holds *of)
{
	unsigned n = 0;

	for (const char *i = holds_next(of, NULL); i; i = holds_next(of, i))
		n++;
	return n;
}

static void text_is(const char *role, const char *want)
{
	char name[32], path[TEMP_SIZE + 64];
	struct stat st;

	snprintf(name, sizeof(name), "held.%s", role);
	file_is(config, name, want);
	snprintf(path, sizeof(path), "%s/%s", config, name);
	CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0644);
	snprintf(path, sizeof(path), "etc/held.%s.new", role);
	CHECK(!is_there(root, path));
}

/* Into a directory that is not there yet. */
static void there_and_back(void)
{
	const char *name;

	start();
	CHECK_INT(holds_write(&held, config, "server"), 0); /* nothing to write, nothing is made */
	CHECK(!is_there(root, "etc"));
	close(holds_lock(config));
	CHECK_INT(holds_add(&held, "0951:1666/60A4"), 0);
	CHECK_INT(holds_add(&held, "0627:0001@1-1.4"), 0);
	CHECK_INT(holds_add(&held, "0951:1666/60A4"), 0); /* it is there already */
	CHECK_INT(names(&held), 2);
	CHECK_INT(holds_write(&held, config, "server"), 0);
	text_is("server", "0951:1666/60A4\n0627:0001@1-1.4\n");
	CHECK_INT(holds_read(&other, config, "server"), 0);
	name = holds_next(&other, NULL);
	CHECK_STR(name, "0951:1666/60A4");
	name = holds_next(&other, name);
	CHECK_STR(name, "0627:0001@1-1.4");
	CHECK(!holds_next(&other, name));
	/* the other role has a file of its own */
	CHECK_INT(holds_read(&other, config, "client"), 0);
	CHECK(!holds_next(&other, NULL));
	holds_remove(&held, "0951:1666/60A4");
	CHECK_INT(holds_write(&held, config, "server"), 0);
	text_is("server", "0627:0001@1-1.4\n");
	holds_remove(&held, "0627:0001@1-1.4");
	CHECK_INT(holds_write(&held, config, "server"), 0);
	CHECK(!is_there(root, "etc/held.server"));
	CHECK_INT(holds_write(&held, config, "server"), 0); /* none to remove is fine */
	end();
}

static void removed(void)
{
	static const char *const name[] = { "1:1/a", "1:1/ab", "1:1/abc" };

	for (size_t i = 0; i < LENGTH(name); i++) {
		const char *left = NULL;

		start();
		for (size_t j = 0; j < LENGTH(name); j++)
			CHECK_INT(holds_add(&held, name[j]), 0);
		holds_remove(&held, "1:1/");
		holds_remove(&held, "b");
		CHECK_INT(names(&held), 3);
		holds_remove(&held, name[i]);
		holds_remove(&held, name[i]);
		CHECK_INT(names(&held), 2);
		for (size_t j = 0; j < LENGTH(name); j++)
			if (j != i) {
				left = holds_next(&held, left);
				CHECK_STR(left, name[j]);
			}
		end();
	}
}

/* What is held stays so when that cannot be read, and is nothing when there is no file. */
static void not_read(void)
{
	char path[TEMP_SIZE + 64];

	start();
	CHECK_INT(holds_add(&held, "1:1/a"), 0);
	CHECK_INT(holds_add(&other, "1:1/a"), 0);
	put_file(root, "etc/held.server/file", "a directory in its place");
	CHECK_INT(holds_read(&held, config, "server"), -EISDIR);
	CHECK_INT(names(&held), 1);
	CHECK(holds_write(&held, config, "server") < 0);
	CHECK(!is_there(root, "etc/held.server.new"));
	CHECK(is_there(root, "etc/held.server/file"));
	put_link(root, "etc/held.client", "held.client");
	CHECK_INT(holds_read(&held, config, "client"), -ELOOP);
	CHECK_INT(names(&held), 1);
	put_file(root, "file", "");
	snprintf(path, sizeof(path), "%s/file", root);
	CHECK_INT(holds_read(&held, path, "client"), -ENOTDIR);
	CHECK_INT(names(&held), 1);
	CHECK_INT(holds_read(&held, config, "none"), 0);
	CHECK_INT(names(&held), 0);
	CHECK_INT(holds_read(&other, "/nonexistent/etc", "server"), 0);
	CHECK_INT(names(&other), 0);
	end();
}

/* Nobody may be kept waiting by it. */
static void fifo(void)
{
	char path[TEMP_SIZE + 64];
	int fd;

	start();
	CHECK_INT(holds_add(&held, "1:1/a"), 0);
	must(!mkdir(config, 0755), config);
	snprintf(path, sizeof(path), "%s/held.server", config);
	must(!mkfifo(path, 0600), path);
	alarm(20);
	CHECK_INT(holds_read(&held, config, "server"), -ENOTSUP);
	CHECK_INT(names(&held), 1);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0, path);
	CHECK_INT(holds_read(&held, config, "server"), -ENOTSUP);
	CHECK_INT(names(&held), 1);
	CHECK_INT(holds_write(&held, config, "server"), 0); /* a file replaces it */
	alarm(0);
	close(fd);
	text_is("server", "1:1/a\n");
	end();
}

/* As somebody else than root, in another process: the result of what. */
static int as_nobody(int (*what)(void))
{
	int status = 0;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		strcpy(config, "etc"); /* the way there may be barred */
		if (chdir(root) || (!geteuid() && (setgid(65534) || setuid(65534))))
			_exit(99);
		_exit(-what());
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static int read_it(void)
{
	return holds_read(&held, config, "server");
}

static int write_it(void)
{
	return holds_write(&held, config, "server");
}

static void forbidden(void)
{
	char path[TEMP_SIZE + 64];

	start();
	must(!chmod(root, 0755), root);
	CHECK_INT(holds_add(&held, "1:1/a"), 0);
	CHECK_INT(as_nobody(write_it), -ENOENT); /* there is no directory */
	close(holds_lock(config));
	CHECK_INT(holds_write(&held, config, "server"), 0);
	CHECK_INT(as_nobody(read_it), 0);
	snprintf(path, sizeof(path), "%s/held.server", config);
	must(!chmod(path, 0) && !chmod(config, 0555), path);
	CHECK_INT(as_nobody(read_it), -EACCES);
	CHECK_INT(as_nobody(write_it), -EACCES);
	held.len = 0;
	CHECK_INT(as_nobody(write_it), -EACCES); /* nor is it removed */
	CHECK(is_there(root, "etc/held.server"));
	must(!chmod(config, 0755), config);
	end();
}

/* No file that a link leads to is written. */
static void link_in_its_place(void)
{
	char path[TEMP_SIZE + 64], *text;

	start();
	put_file(root, "victim", "secret");
	put_link(root, "etc/held.server.new", "../victim");
	CHECK_INT(holds_add(&held, "1:1/a"), 0);
	CHECK_INT(holds_write(&held, config, "server"), -ELOOP);
	put_link(root, "etc/held.client", "../victim");
	CHECK_INT(holds_write(&held, config, "client"), 0); /* the link is replaced */
	text_is("client", "1:1/a\n");
	snprintf(path, sizeof(path), "%s/victim", root);
	text = file_read(path, NULL);
	CHECK_STR(text, "secret");
	free(text);
	end();
}

static void full(void)
{
	char name[DEVICE_NAME_SIZE], left[HOLDS_TEXT_SIZE];
	size_t room = sizeof(held.text);
	unsigned n = 0;

	start();
	/* the longest names: as many as there may be */
	for (; n < HOLDS_MAX; n++) {
		snprintf(name, sizeof(name), "%0*u", DEVICE_NAME_SIZE - 1, n);
		CHECK_INT(holds_add(&held, name), 0);
	}
	CHECK_INT(held.len, room);
	CHECK_INT(holds_add(&held, "x"), -ENOSPC);
	CHECK_INT(holds_add(&held, name), 0); /* that is there */
	CHECK_INT(names(&held), HOLDS_MAX);
	/* all of it comes back */
	close(holds_lock(config));
	CHECK_INT(holds_write(&held, config, "server"), 0);
	CHECK_INT(holds_read(&other, config, "server"), 0);
	CHECK_INT(other.len, held.len);
	CHECK_BYTES(other.text, held.text, held.len);
	holds_remove(&held, name);
	memset(left, 'l', DEVICE_NAME_SIZE);
	left[DEVICE_NAME_SIZE] = '\0';
	CHECK_INT(holds_add(&held, left), -ENOSPC);
	left[DEVICE_NAME_SIZE - 1] = '\0';
	CHECK_INT(holds_add(&held, left), 0); /* to the last byte */
	CHECK(!holds_find(&held, 1, 1, "s", NULL, "1-1"));
	end();
}

static void junk(void)
{
	enum { SIZE = 100 * 1024 };
	static char text[SIZE];
	uint32_t seed = 1;

	for (unsigned round = 0; round < 30; round++) {
		start();
		for (size_t i = 0; i < SIZE; i++) {
			seed = seed * 1664525 + 1013904223;
			text[i] = (char)(seed >> 24);
			if (round % 3 == 1) /* no end of a word, and no end of the text */
				text[i] = 'x';
			else if (round % 3 == 2 && !text[i])
				text[i] = ' ';
		}
		put_bytes(root, "etc/held.server", text, SIZE);
		CHECK_INT(holds_read(&held, config, "server"), 0);
		CHECK(held.len <= sizeof(held.text) && (!held.len || !held.text[held.len - 1]));
		for (const char *i = holds_next(&held, NULL); i; i = holds_next(&held, i))
			CHECK(*i && !strpbrk(i, " \t\r\n"));
		CHECK(!holds_find(&held, 0xffff, 0xffff, "s", "h", "1-1"));
		CHECK(!holds_need_serial(&held, 0xffff, 0xffff));
		end();
	}
}

/* As a person may have written it. */
static void by_hand(void)
{
	start();
	put_file(root, "etc/held.client",
		 "\n\n  0951:1666/A\r\n\t0627:0001@pi/1-1   0627:0002@1-1\n0951:1666/A");
	CHECK_INT(holds_read(&held, config, "client"), 0);
	CHECK_INT(names(&held), 3);
	CHECK_STR(holds_find(&held, 0x951, 0x1666, "A", "pi", "9-9"), "0951:1666/A");
	CHECK_STR(holds_find(&held, 0x627, 1, NULL, "pi", "1-1"), "0627:0001@pi/1-1");
	end();
}

static void found(void)
{
	start();
	CHECK(!holds_find(&held, 0x951, 0x1666, "A", NULL, "1-1"));
	CHECK_INT(holds_add(&held, "0951:1666/A_B"), 0);
	CHECK_INT(holds_add(&held, "0627:0001@1-1"), 0);
	CHECK_INT(holds_add(&held, "0627:0001@pi/1-2"), 0);
	CHECK_INT(holds_add(&held, "abcd:00ef/"), 0); /* never a name */
	CHECK_STR(holds_find(&held, 0x951, 0x1666, "A B", NULL, "1-1"), "0951:1666/A_B");
	CHECK_STR(holds_find(&held, 0x951, 0x1666, "A_B", "pi", "1-1"), "0951:1666/A_B");
	CHECK(!holds_find(&held, 0x951, 0x1666, NULL, NULL, "1-1"));
	CHECK(!holds_find(&held, 0x951, 0x1666, "", NULL, "1-1"));
	CHECK(!holds_find(&held, 0x951, 0x1666, "A", NULL, "1-1"));
	CHECK(!holds_find(&held, 0x951, 0x1666, "A_BC", NULL, "1-1"));
	CHECK(!holds_find(&held, 0x951, 0x1667, "A_B", NULL, "1-1"));
	CHECK(!holds_find(&held, 0x952, 0x1666, "A_B", NULL, "1-1"));
	CHECK_STR(holds_find(&held, 0x627, 1, NULL, NULL, "1-1"), "0627:0001@1-1");
	CHECK_STR(holds_find(&held, 0x627, 1, "", NULL, "1-1"), "0627:0001@1-1");
	CHECK_STR(holds_find(&held, 0x627, 1, "else", NULL, "1-1"), "0627:0001@1-1");
	CHECK(!holds_find(&held, 0x627, 1, NULL, "pi", "1-1"));
	CHECK(!holds_find(&held, 0x627, 1, NULL, NULL, "1-1.1"));
	CHECK_STR(holds_find(&held, 0x627, 1, NULL, "pi", "1-2"), "0627:0001@pi/1-2");
	CHECK(!holds_find(&held, 0x627, 1, NULL, "pa", "1-2"));
	CHECK(!holds_find(&held, 0x627, 1, NULL, NULL, "1-2"));
	CHECK(!holds_find(&held, 0xabcd, 0xef, "", NULL, "1-1"));
	/* both: the serial number's */
	CHECK_INT(holds_add(&held, "0951:1666@1-1"), 0);
	CHECK_STR(holds_find(&held, 0x951, 0x1666, "A B", NULL, "1-1"), "0951:1666/A_B");
	end();
}

static void serial_needed(void)
{
	start();
	CHECK(!holds_need_serial(&held, 0x951, 0x1666));
	CHECK_INT(holds_add(&held, "0627:0001@pi/1-2"), 0);
	CHECK_INT(holds_add(&held, "0627:0001@1-1"), 0);
	CHECK(!holds_need_serial(&held, 0x627, 1));
	CHECK_INT(holds_add(&held, "0951:1666/A"), 0);
	CHECK(holds_need_serial(&held, 0x951, 0x1666));
	CHECK(!holds_need_serial(&held, 0x951, 0x1667));
	CHECK(!holds_need_serial(&held, 0x9510, 0x1666));
	CHECK(!holds_need_serial(&held, 0x627, 1));
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	there_and_back();
	not_read();
	fifo();
	link_in_its_place();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_holds: there and back", there_and_back);
	RUN("t_holds: removed", removed);
	RUN("t_holds: it cannot be read, or is not there", not_read);
	RUN("t_holds: a FIFO in its place", fifo);
	RUN("t_holds: without the right", forbidden);
	RUN("t_holds: a link in its place", link_in_its_place);
	RUN("t_holds: full", full);
	RUN("t_holds: 100 kB of junk", junk);
	RUN("t_holds: by hand", by_hand);
	RUN("t_holds: found by either name", found);
	RUN("t_holds: whether the serial number is needed", serial_needed);
	RUN("t_holds: no descriptor is left open", no_leak);
	return check_status();
}
