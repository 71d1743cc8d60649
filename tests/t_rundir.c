/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/rundir: one daemon of a role at a time, and its small files.
 * LINK: -Wl,--wrap=flock,--wrap=poll,--wrap=statfs,--wrap=file_each_line
 */
#include "loop/daemon.h"

#include "lib/file.h"
#include "tests/files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static char root[TEMP_SIZE], dir[TEMP_SIZE + 20];
static struct rundir state;

/* What is done between the opening and the locking of the lock file, once. */
static void (*before_flock)(void);

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation);

int __wrap_flock(int fd, int operation)
{
	void (*then)(void) = before_flock;

	before_flock = NULL;
	if (then)
		then();
	return __real_flock(fd, operation);
}

/* What happens while it waits for the lock, once; it takes no time. */
static void (*while_waiting)(void);
static unsigned waits;

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)fds;
	if (n) /* the log's look at stderr */
		return 1;
	CHECK(timeout > 0);
	if (while_waiting && ++waits == 20)
		while_waiting();
	return 0;
}

static void start(void)
{
	temp_make(root);
	snprintf(dir, sizeof(dir), "%s/run", root);
}

static void end(void)
{
	temp_remove(root);
}

static void text_is(const char *name, const char *want)
{
	char buf[64];

	file_load(state.dir, name, O_NOFOLLOW, buf, sizeof(buf));
	CHECK_STR(buf, want);
}

/* The result of rundir_open in another process, its log thrown away. */
static int open_elsewhere(const char *role)
{
	int status = 0;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		struct rundir other;

		if (!freopen("/dev/null", "w", stderr))
			_exit(99);
		_exit(-rundir_open(&other, dir, role));
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK(WIFEXITED(status));
	return -WEXITSTATUS(status);
}

static void lock(void)
{
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK_INT(open_elsewhere("server"), -EWOULDBLOCK);
	CHECK_INT(open_elsewhere("client"), 0);
	CHECK_INT(open_elsewhere("server"), -EWOULDBLOCK);
	rundir_close(&state, false);
	CHECK_INT(open_elsewhere("server"), 0);
	end();
}

/* A daemon that did not see the machine go down knew another machine. */
static void another_boot(void)
{
	static const char *const lines[] = { "0b7a9d3a-7f2c-4e7e-9f21-000000000000\n", "x" };
	char *boot = file_read("/proc/sys/kernel/random/boot_id", NULL);

	must(boot, "read the boot id");
	for (size_t i = 0; i < LENGTH(lines); i++) {
		start();
		put_file(root, "run/server.boot", lines[i]);
		CHECK_INT(rundir_open(&state, dir, "server"), 0);
		CHECK(state.stale);
		text_is("server.boot", boot);
		close(state.lock); /* killed */
		close(state.dir);
		CHECK_INT(rundir_open(&state, dir, "server"), 0);
		CHECK(!state.stale);
		rundir_close(&state, true); /* it leaves something */
		CHECK(is_there(root, "run/server.boot"));
		CHECK(!is_there(root, "run/server.lock"));
		CHECK_INT(rundir_open(&state, dir, "server"), 0);
		CHECK(!state.stale);
		text_is("server.boot", boot);
		rundir_close(&state, false);
		CHECK(!is_there(root, "run"));
		end();
	}
	free(boot);
}

/* A killed daemon's lock file is no obstacle. */
static void stale_lock(void)
{
	start();
	put_file(root, "run/server.lock", "");
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK(!state.stale); /* nobody knows */
	CHECK_INT(open_elsewhere("server"), -EWOULDBLOCK);
	rundir_close(&state, false);
	end();
}

/* A server was killed during a job, whose device never came back; another job still runs. */
static void lock_of_a_job(void)
{
	int job;

	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	close(rundir_lock_job(&state, "1-5"));
	job = rundir_lock_job(&state, "1-6");
	put_file(root, "run/holder.1-5", "");
	CHECK(is_there(root, "run/1-5.lock"));
	rundir_close(&state, false);
	CHECK(!is_there(root, "run/1-5.lock"));
	CHECK(is_there(root, "run/1-6.lock"));
	CHECK(is_there(root, "run/holder.1-5"));
	close(job);
	end();
}

static int held = -1;

static void let_go(void)
{
	close(held);
}

/* The lock of a daemon that was killed is held by its child for a moment: that is waited for. */
static void lock_of_a_child(void)
{
	struct rundir first, second;

	start();
	CHECK_INT(rundir_open(&first, dir, "server"), 0);
	held = dup(first.lock);
	close(first.lock);
	close(first.dir);
	while_waiting = let_go;
	waits = 0;
	CHECK_INT(rundir_open(&second, dir, "server"), 0);
	CHECK_INT(waits, 20);
	while_waiting = NULL;
	rundir_close(&second, false);
	end();
}

static void close_first(void)
{
	rundir_close(&state, false);
}

/*
 * The second daemon has opened the lock file when the first one lets go and takes it away: it must
 * not believe that it holds a lock which the third one cannot see, nor sit in a removed directory.
 */
static void lock_taken_away(void)
{
	struct rundir second;

	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	before_flock = close_first;
	if (!rundir_open(&second, dir, "server")) {
		CHECK_INT(open_elsewhere("server"), -EWOULDBLOCK);
		CHECK_INT(file_replace(second.dir, "bound", 0, "1-1\n", 4), 0);
		CHECK(is_there(root, "run/bound"));
		CHECK_INT(file_replace(second.dir, "bound", 0, NULL, 0), 0);
		rundir_close(&second, false);
	}
	end();
}

static void save_and_load(void)
{
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	text_is("bound", "");
	CHECK_INT(file_replace(state.dir, "bound", 0, "1-1\n1-2\n", 8), 0);
	text_is("bound", "1-1\n1-2\n");
	CHECK_INT(file_replace(state.dir, "bound", 0, "2-2\n", 4), 0);
	text_is("bound", "2-2\n");
	CHECK_INT(file_replace(state.dir, "other", 0, "x", 1), 0);
	text_is("bound", "2-2\n");
	CHECK_INT(file_replace(state.dir, "bound", 0, "", 0), 0);
	text_is("bound", "");
	CHECK(!is_there(root, "run/bound"));
	CHECK_INT(file_replace(state.dir, "bound", 0, "", 0), 0); /* none is fine */
	rundir_close(&state, false);
	CHECK(is_there(root, "run/other")); /* the directory is not empty */
	end();
}

static void cut_off(void)
{
	char *buf = block(NULL, 4);

	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK_INT(file_replace(state.dir, "bound", 0, "1-1\n1-2\n", 8), 0);
	file_load(state.dir, "bound", O_NOFOLLOW, buf, 4);
	CHECK_STR(buf, "1-1");
	file_load(state.dir, "bound", O_NOFOLLOW, buf, 1);
	CHECK_STR(buf, "");
	rundir_close(&state, false);
	end();
	block_free(buf);
}

static void left_nothing(void)
{
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK_INT(file_replace(state.dir, "bound", 0, "1-1\n", 4), 0);
	CHECK_INT(file_replace(state.dir, "bound", 0, NULL, 0), 0);
	rundir_close(&state, false);
	CHECK(!is_there(root, "run"));
	end();
}

static void survives_restart(void)
{
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK_INT(file_replace(state.dir, "bound", 0, "1-1\n", 4), 0);
	rundir_close(&state, false);
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	text_is("bound", "1-1\n");
	rundir_close(&state, false);
	end();
}

/* It cannot be replaced (also by root): it is as it was. */
static void cannot_replace(void)
{
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	put_file(root, "run/bound/file", "a directory in its place");
	CHECK(file_replace(state.dir, "bound", 0, "1-1\n", 4) < 0);
	CHECK(!is_there(root, "run/bound.new"));
	CHECK(is_there(root, "run/bound/file"));
	text_is("bound", "");
	CHECK(file_replace(state.dir, "bound", 0, NULL, 0) < 0);
	rundir_close(&state, false);
	CHECK(is_there(root, "run/bound/file"));
	end();
}

static void unwritable(void)
{
	start();
	put_file(root, "run", "a file in the directory's place");
	CHECK_INT(open_elsewhere("server"), -ENOTDIR);
	snprintf(dir, sizeof(dir), "%s/no/parent", root);
	CHECK_INT(open_elsewhere("server"), -ENOENT);
	end();
	start();
	put_file(root, "run/server.lock/file", "a directory in the lock's place");
	CHECK(open_elsewhere("server") < 0);
	end();
	start();
	put_link(root, "run/server.lock", "../victim");
	CHECK(open_elsewhere("server") < 0);
	CHECK(!is_there(root, "victim"));
	end();
	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	put_link(root, "run/bound", "../victim");
	put_file(root, "victim", "secret");
	text_is("bound", "");
	put_link(root, "run/bound.new", "../victim");
	CHECK_INT(file_replace(state.dir, "bound", 0, "1-1\n", 4), -ELOOP);
	rundir_close(&state, false);
	end();
}

/* A daemon in another process, until its pipe is closed. */
static pid_t run_elsewhere(const char *role, int *stop)
{
	int end[2], ready[2];
	char byte;
	pid_t pid;

	must(!pipe(end) && !pipe(ready), "make a pipe");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		struct rundir other;

		close(end[1]);
		if (rundir_open(&other, dir, role) || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)!read(end[0], &byte, 1);
		_exit(0); /* killed: the lock file stays */
	}
	close(end[0]);
	close(ready[1]);
	must(read(ready[0], &byte, 1) == 1, "run another daemon");
	close(ready[0]);
	*stop = end[1];
	return pid;
}

/* Asked by somebody who may take no lock. */
static void running(void)
{
	int stop;
	pid_t pid;

	start();
	CHECK(!rundir_has_daemon(dir, "server")); /* no directory */
	put_file(root, "run/other", "");
	CHECK(!rundir_has_daemon(dir, "server")); /* no file */
	put_file(root, "run/server.lock", "");
	CHECK(!rundir_has_daemon(dir, "server")); /* left by a killed one */
	pid = run_elsewhere("server", &stop);
	CHECK(rundir_has_daemon(dir, "server"));
	CHECK(rundir_has_daemon(dir, "server"));
	CHECK(!rundir_has_daemon(dir, "client"));
	put_file(root, "run/client.lock", "");
	CHECK(!rundir_has_daemon(dir, "client"));
	CHECK_INT(open_elsewhere("server"), -EWOULDBLOCK); /* the question took no lock, nor broke it */
	close(stop);
	must(waitpid(pid, NULL, 0) == pid, "wait");
	CHECK(is_there(root, "run/server.lock"));
	CHECK(!rundir_has_daemon(dir, "server"));
	CHECK_INT(rundir_open(&state, dir, "client"), 0);
	CHECK(rundir_has_daemon(dir, "client")); /* it itself */
	CHECK(!rundir_has_daemon(dir, "server"));
	rundir_close(&state, false);
	CHECK(!rundir_has_daemon(dir, "client"));
	end();
}

static void lock_it(const char *name, bool posix)
{
	char path[TEMP_SIZE + 64];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	put_file(root, name, "");
	snprintf(path, sizeof(path), "%s/%s", root, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	must(fd >= 0, path);
	if (posix)
		must(!fcntl(fd, F_SETLK, &lock), "lock");
	else
		must(!flock(fd, LOCK_EX | LOCK_NB), "lock");
	held = fd;
}

/* Locks of other files, and of another kind, are not it. */
static void other_locks(void)
{
	start();
	put_file(root, "run/server.lock", "");
	lock_it("run/other", false);
	CHECK(!rundir_has_daemon(dir, "server"));
	close(held);
	lock_it("run/server.lock", true);
	CHECK(!rundir_has_daemon(dir, "server"));
	close(held);
	lock_it("run/server.lock", false);
	CHECK(rundir_has_daemon(dir, "server"));
	close(held);
	CHECK(!rundir_has_daemon(dir, "server"));
	end();
}

static const char *locks; /* a line of /proc/locks, instead of the kernel's */
static bool on_btrfs;

int __real_statfs(const char *path, struct statfs *fs);
int __wrap_statfs(const char *path, struct statfs *fs);
int __real_file_each_line(int at, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);
int __wrap_file_each_line(int at, const char *path, bool (*visit)(void *ctx, char *line), void *ctx);

int __wrap_statfs(const char *path, struct statfs *fs)
{
	int result = __real_statfs(path, fs);

	if (locks)
		fs->f_type = on_btrfs ? BTRFS_SUPER_MAGIC : TMPFS_MAGIC;
	return result;
}

int __wrap_file_each_line(int at, const char *path, bool (*visit)(void *ctx, char *line), void *ctx)
{
	char line[100];

	if (!locks)
		return __real_file_each_line(at, path, visit, ctx);
	snprintf(line, sizeof(line), "%s", locks);
	return visit(ctx, line);
}

/* A file of another file system may have the same inode. Of tmpfs the device is known. */
static void locks_elsewhere(void)
{
	static const struct {
		const char *begin, *more; /* of the line, and of the inode */
		unsigned device;	  /* is another one */
		bool locked, exact; /* as the kernel's line tells, and where the device is known */
	} rows[] = {
		{ "1: FLOCK  ADVISORY  WRITE 612 ", "", 0, true, true },
		{ "1: FLOCK  ADVISORY  WRITE 612 ", "", 1, true, false },
		{ "1: FLOCK  ADVISORY  WRITE 612 ", "1", 0, false, false },
		{ "1: POSIX  ADVISORY  WRITE 612 ", "", 0, false, false },
	};
	char path[TEMP_SIZE + 40], line[100];
	struct stat st;

	start();
	put_file(root, "run/server.lock", "");
	snprintf(path, sizeof(path), "%s/server.lock", dir);
	must(!stat(path, &st), path);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		snprintf(line, sizeof(line), "%s%02x:%02x:%ju%s 0 EOF", rows[i].begin,
			 major(st.st_dev), minor(st.st_dev) + rows[i].device,
			 (uintmax_t)st.st_ino, rows[i].more);
		locks = line;
		on_btrfs = true;
		CHECK_INT(rundir_has_daemon(dir, "server"), rows[i].locked);
		on_btrfs = false;
		CHECK_INT(rundir_has_daemon(dir, "server"), rows[i].exact);
	}
	locks = NULL;
	end();
}

/* A job's lock is that of whoever has its descriptor, also a child that outlives the daemon. */
static void jobs(void)
{
	struct reason why = { "x" };
	int lock, child;

	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	CHECK(!rundir_job_is_stuck(dir, "1-1", &why)); /* no file */
	lock = rundir_lock_job(&state, "1-1");
	CHECK(lock >= 0);
	CHECK(is_there(root, "run/1-1.lock"));
	CHECK_INT(rundir_lock_job(&state, "1-1"), -EWOULDBLOCK);
	CHECK(!rundir_job_is_stuck(dir, "1-1", &why)); /* no reason */
	must(write(lock, "driver x waits", 14) == 14, "write the reason");
	CHECK(rundir_job_is_stuck(dir, "1-1", &why));
	CHECK_STR(why.text, "driver x waits");
	CHECK(!rundir_job_is_stuck(dir, "1-11", &why));
	CHECK_INT(rundir_lock_job(&state, "1-1"), -EWOULDBLOCK);
	text_is("1-1.lock", "driver x waits"); /* it is not emptied */
	child = dup(lock);
	close(lock);
	CHECK(rundir_job_is_stuck(dir, "1-1", &why));
	close(child);
	CHECK(!rundir_job_is_stuck(dir, "1-1", &why)); /* left by a job that has ended */
	lock = rundir_lock_job(&state, "1-1");
	CHECK(lock >= 0);
	text_is("1-1.lock", "");
	rundir_end_job(&state, "1-1", -1);
	CHECK(is_there(root, "run/1-1.lock"));
	rundir_end_job(&state, "1-1", lock);
	CHECK(!is_there(root, "run/1-1.lock"));
	rundir_close(&state, false);
	CHECK(!is_there(root, "run"));
	end();
}

/* Without a right to read the reason, or to make the file. */
static void unreadable_jobs(void)
{
	struct reason why = { "" };
	int lock;

	start();
	CHECK_INT(rundir_open(&state, dir, "server"), 0);
	lock = rundir_lock_job(&state, "1-1");
	must(lock >= 0 && write(lock, "x", 1) == 1, "begin a job");
	put_link(root, "run/1-2.lock", "1-1.lock");
	CHECK(rundir_job_is_stuck(dir, "1-2", &why));
	CHECK_STR(why.text, "its driver does not let go of it");
	CHECK_INT(rundir_lock_job(&state, "1-2"), -ELOOP);
	put_file(root, "run/1-3.lock/file", "");
	CHECK_INT(rundir_lock_job(&state, "1-3"), -EISDIR);
	CHECK(!rundir_job_is_stuck(dir, "1-3", &why));
	rundir_end_job(&state, "1-1", lock);
	rundir_close(&state, false);
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	jobs();
	unreadable_jobs();

	running();
	other_locks();

	lock();
	lock_of_a_child();
	save_and_load();
	cannot_replace();
	lock_taken_away();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_rundir: one at a time", lock);
	RUN("t_rundir: the lock file of a killed one", stale_lock);
	RUN("t_rundir: the lock of a job that a killed server has left", lock_of_a_job);
	RUN("t_rundir: the lock file of another boot", another_boot);
	RUN("t_rundir: the lock of a killed one's child", lock_of_a_child);
	RUN("t_rundir: a lock file that is taken away meanwhile", lock_taken_away);
	RUN("t_rundir: saved, replaced, removed", save_and_load);
	RUN("t_rundir: what does not fit is cut off", cut_off);
	RUN("t_rundir: an empty directory goes", left_nothing);
	RUN("t_rundir: it is there after a restart", survives_restart);
	RUN("t_rundir: it cannot be replaced", cannot_replace);
	RUN("t_rundir: a place that cannot be written", unwritable);
	RUN("t_rundir: whether one runs", running);
	RUN("t_rundir: locks of others", other_locks);
	RUN("t_rundir: locks on other file systems", locks_elsewhere);
	RUN("t_rundir: jobs", jobs);
	RUN("t_rundir: jobs that cannot be read", unreadable_jobs);
	RUN("t_rundir: no descriptor is left open", no_leak);
	return check_status();
}
