/* SPDX-License-Identifier: MIT */
/*
 * Tests of the reader of strings in loop/child: strings that come, a device that blocks, a reader
 * that is cancelled.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=fork
 */
#include "loop/child.h"

#include "tests/clock.h"
#include "tests/tree.h"

#include <sys/stat.h>
#include <unistd.h>

static struct {
	struct loop loop;
	struct strings_reader reader;
	unsigned done, complete;
	bool no_fork;
} t;

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	if (!t.no_fork)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

static void pass(void *ctx)
{
	(void)ctx;
	strings_reader_pass(&t.reader);
}

static void reader_done(struct child *child, bool whole)
{
	CHECK(child == &t.reader.child);
	CHECK(!child->pid);
	t.done++;
	t.complete += whole;
}

static bool is_done(void)
{
	return t.done != 0;
}

static void begin(void)
{
	static const struct loop_role role = { pass, pass, clock_done };

	memset(&t, 0, sizeof(t));
	start(NULL);
	put_file(root, DEVICE_DIR "1-1/serial", "A 1\n");
	put_file(root, DEVICE_DIR "1-1/product", "Stick\n");
	must(!loop_open(&t.loop, 3600 * 1000, &role, NULL), "open the loop");
	run_quiet(&t.loop);
}

static void read_them(void)
{
	strings_reader_start(&t.reader, &t.loop, &sysfs, "1-1", reader_done);
}

static void finish(void)
{
	child_kill(&t.reader.child);
	loop_close(&t.loop);
	end();
}

/* The file of the serial number is a FIFO that nobody writes to. */
static void block_device(void)
{
	char path[TEMP_SIZE + 40];

	take_away(root, DEVICE_DIR "1-1/serial");
	snprintf(path, sizeof(path), "%s/" DEVICE_DIR "1-1/serial", root);
	must(!mkfifo(path, 0600), "make a FIFO");
}

static void strings_come(void)
{
	begin();
	CHECK(!t.reader.child.pid);
	read_them();
	CHECK(t.reader.child.pid);
	UNTIL(&t.loop, is_done);
	CHECK_INT(t.complete, 1);
	CHECK_STR(t.reader.strings.serial, "A 1");
	CHECK_STR(t.reader.strings.product, "Stick");
	CHECK_STR(t.reader.strings.maker, "");
	/* and once more: nothing of the first is left */
	take_away(root, DEVICE_DIR "1-1/serial");
	t.done = 0;
	read_them();
	UNTIL(&t.loop, is_done);
	CHECK_INT(t.complete, 2);
	CHECK_STR(t.reader.strings.serial, "");
	finish();
}

static void time_limit(void)
{
	begin();
	block_device();
	read_them();
	CHECK_INT(t.loop.next, t.loop.now + STRINGS_READ_MS);
	clock_now += STRINGS_READ_MS - 1;
	run_quiet(&t.loop);
	CHECK_INT(t.done, 0);
	CHECK(t.reader.child.pid);
	clock_now++;
	run_quiet(&t.loop);
	CHECK_INT(t.done, 1);
	CHECK_INT(t.complete, 0);
	CHECK(!t.reader.child.pid);
	run_quiet(&t.loop);
	CHECK_INT(t.done, 1);
	finish();
}

/* Another pass asks for the one at the time limit again. */
static void other_passes(void)
{
	begin();
	block_device();
	read_them();
	clock_now += 500;
	loop_pass_by(&t.loop, clock_now);
	run_quiet(&t.loop);
	CHECK_INT(t.loop.next, t.reader.deadline);
	finish();
}

static void cancelled(void)
{
	begin();
	block_device();
	read_them();
	child_kill(&t.reader.child);
	CHECK(!t.reader.child.pid);
	clock_now += STRINGS_READ_MS;
	run_quiet(&t.loop);
	CHECK_INT(t.done, 0);
	child_kill(&t.reader.child);
	finish();
}

static void no_child(void)
{
	unsigned before = open_files();

	begin();
	t.no_fork = true;
	read_them();
	CHECK_INT(t.done, 1);
	CHECK_INT(t.complete, 0);
	CHECK(!t.reader.child.pid);
	finish();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_strings_reader: strings come", strings_come);
	RUN("t_strings_reader: a device that blocks", time_limit);
	RUN("t_strings_reader: other passes in the meantime", other_passes);
	RUN("t_strings_reader: cancelled", cancelled);
	RUN("t_strings_reader: no child", no_child);
	return check_status();
}
