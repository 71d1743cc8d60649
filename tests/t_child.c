/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/child: work in a process of its own, whose result comes back.
 * LINK: -Wl,--wrap=syscall,--wrap=fork
 */
#include "loop/child.h"

#include "tests/check.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 40, BIG = PIPE_BUF };

static bool old_kernel; /* without close_range(2) */
static bool fork_fails;

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	if (!fork_fails)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

long __wrap_syscall(long number, ...)
{
	va_list args;
	long arg[3];

#ifdef SYS_close_range
	if (old_kernel && number == SYS_close_range) {
		errno = ENOSYS;
		return -1;
	}
#endif
	va_start(args, number);
	for (size_t i = 0; i < LENGTH(arg); i++)
		arg[i] = va_arg(args, long);
	va_end(args);
	return __real_syscall(number, arg[0], arg[1], arg[2]);
}

struct job {
	struct child child;
	unsigned char *result;
	size_t size;
	int ended;
	bool whole;
};

static struct {
	struct loop loop;
	struct job job[MANY];
	int running;
} t;

static void pass(void *ctx)
{
	(void)ctx;
}

/* Nothing runs any more, and nobody is left to be buried. */
static bool done(void *ctx)
{
	siginfo_t info;

	(void)ctx;
	return !t.running && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 &&
	       errno == ECHILD;
}

static const struct loop_role role = { pass, pass, done };

static void start(void)
{
	memset(&t, 0, sizeof(t));
	must(!loop_open(&t.loop, 3600 * 1000, &role, NULL), "open the loop");
}

static void end(void)
{
	for (int i = 0; i < MANY; i++)
		free(t.job[i].result);
	loop_close(&t.loop);
}

static void ended(struct child *child, bool whole)
{
	struct job *job = (struct job *)(void *)child;

	CHECK(!child->pid);
	job->ended++;
	job->whole = whole;
	t.running--;
}

static struct job *run(int i, void (*work)(const void *, void *), const void *arg, size_t size)
{
	struct job *job = &t.job[i];

	job->size = size;
	job->result = malloc(size);
	must(job->result, "allocate");
	memset(job->result, 0xee, size);
	CHECK_INT(child_start(&t.loop, &job->child,
			      &(struct child_work){ work, arg, job->result, size, { { 0 } } }, ended), 0);
	CHECK(job->child.pid);
	t.running++;
	return job;
}

static void square(const void *arg, void *result)
{
	int n;

	memcpy(&n, arg, sizeof(n));
	n *= n;
	memcpy(result, &n, sizeof(n));
}

static int value(const struct job *job)
{
	int n;

	memcpy(&n, job->result, sizeof(n));
	return n;
}

static void result_arrives(void)
{
	int arg = 12;
	struct job *job;

	start();
	job = run(0, square, &arg, sizeof(int));
	loop_run(&t.loop);
	CHECK_INT(job->ended, 1);
	CHECK(job->whole);
	CHECK_INT(value(job), 144);
	end();
}

static void nothing_set(const void *arg, void *result)
{
	(void)arg;
	(void)result;
}

static void result_is_zeroed(void)
{
	struct job *job;

	start();
	job = run(0, nothing_set, NULL, sizeof(int));
	loop_run(&t.loop);
	CHECK(job->whole);
	CHECK_INT(value(job), 0);
	end();
}

static void fill(const void *arg, void *result)
{
	(void)arg;
	for (size_t i = 0; i < BIG; i++)
		((unsigned char *)result)[i] = (unsigned char)(i % 251);
}

/* As much as a pipe takes at once. */
static void big_result(void)
{
	struct job *job;
	size_t wrong = 0;

	start();
	job = run(0, fill, NULL, BIG);
	loop_run(&t.loop);
	CHECK(job->whole);
	for (size_t i = 0; i < BIG; i++)
		wrong += job->result[i] != i % 251;
	CHECK_INT(wrong, 0);
	end();
}

static void killed(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	raise(SIGKILL);
}

static void left(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	_exit(0);
}

static void not_whole(void)
{
	start();
	run(0, killed, NULL, 100);
	run(1, left, NULL, 100);
	loop_run(&t.loop);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(t.job[i].ended, 1);
		CHECK(!t.job[i].whole);
	}
	end();
}

/* What stops the daemon does not stop its work. */
static void stop_me(const void *arg, void *result)
{
	int n = 7;

	(void)arg;
	kill(getpid(), SIGTERM);
	kill(getpid(), SIGINT);
	kill(getpid(), SIGHUP);
	memcpy(result, &n, sizeof(n));
}

static void survives_signals(void)
{
	struct job *job;

	start();
	job = run(0, stop_me, NULL, sizeof(int));
	loop_run(&t.loop);
	CHECK(job->whole);
	CHECK_INT(value(job), 7);
	end();
}

static void hang(const void *arg, void *result)
{
	(void)arg;
	(void)result;
	for (;;)
		pause();
}

static void cancelled(void)
{
	struct job *job;
	int arg = 3;

	start();
	child_kill(&t.job[0].child); /* it does not run: nothing */
	job = run(0, hang, NULL, 8);
	child_kill(&job->child);
	CHECK(!job->child.pid);
	child_kill(&job->child);
	t.running--;
	run(1, square, &arg, sizeof(int));
	loop_run(&t.loop);
	CHECK_INT(job->ended, 0);
	CHECK_INT(t.job[1].ended, 1);
	end();
}

static void many(void)
{
	int args[MANY];

	start();
	for (int i = 0; i < MANY; i++) {
		args[i] = i;
		run(i, i % 4 ? square : killed, &args[i], sizeof(int));
	}
	loop_run(&t.loop);
	for (int i = 0; i < MANY; i++) {
		CHECK_INT(t.job[i].ended, 1);
		CHECK_INT(t.job[i].whole, i % 4 != 0);
		if (i % 4)
			CHECK_INT(value(&t.job[i]), i * i);
	}
	end();
}

static void again(struct child *child, bool whole)
{
	const struct child_work work = { nothing_set, NULL, t.job[0].result, 4, { { 0 } } };

	ended(child, whole);
	if (t.job[0].ended < 5) {
		t.running++;
		CHECK_INT(child_start(&t.loop, child, &work, again), 0);
	}
}

static void restarted_in_done(void)
{
	start();
	run(0, nothing_set, NULL, 4);
	t.job[0].child.done = again;
	loop_run(&t.loop);
	CHECK_INT(t.job[0].ended, 5);
	end();
}

enum { FILES = 200 };

/* Which of the first descriptors are open. */
static void find_open(const void *arg, void *result)
{
	char *open = result;

	(void)arg;
	for (int fd = 0; fd < FILES; fd++)
		open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* But for what it shall keep, it has no descriptor of ours. */
static void files_are(const char *open, const int *kept, size_t count)
{
	unsigned others = 0;

	for (int fd = 0; fd < FILES; fd++) {
		bool keeps = fd <= STDERR_FILENO;

		for (size_t i = 0; i < count; i++)
			keeps |= fd == kept[i];
		CHECK(open[fd] || !keeps);
		others += open[fd] && !keeps;
	}
	CHECK_INT(others, 1); /* its end of the pipe or socket */
}

static void keeps_files(void)
{
	/* in no order, with gaps, next to each other, one that is not open: all that there are */
	static const int kept[] = { 150, 20, 21, -ENOENT, 199 };
	struct job *job = &t.job[0];
	struct child_work work = { find_open, NULL, NULL, FILES, { { 0 } } };
	int first = open("/dev/null", O_RDONLY | O_CLOEXEC);

	must(first >= 0, "open a file");
	for (int fd = first + 1; fd < FILES; fd += fd == 19 || fd > 148 ? 1 : 5)
		must(dup2(first, fd) == fd, "open many");
	for (size_t i = 0; i < LENGTH(kept); i++)
		must(kept[i] < 0 || dup2(first, kept[i]) >= 0, "open what is kept");
	for (int round = 0; round < 4; round++) {
		bool keep = round & 1;

		start();
		old_kernel = round & 2;
		memset(&work.files, 0, sizeof(work.files));
		if (keep)
			memcpy(work.files.fd, kept, sizeof(kept));
		work.result = job->result = malloc(FILES);
		must(job->result, "allocate");
		CHECK_INT(child_start(&t.loop, &job->child, &work, ended), 0);
		t.running++;
		loop_run(&t.loop);
		CHECK(job->whole);
		files_are(work.result, kept, keep ? LENGTH(kept) : 0);
		end();
	}
	old_kernel = false;
	for (int fd = first; fd < FILES; fd++)
		close(fd);
}

/* A process that lives on: the same, over its socket, and it ends with ours. */
static void helper_keeps_files(void)
{
	char name[] = "t_child", open_files_of_it[FILES];
	static struct keys keys = { .count = 1 };
	struct child_files files = { { 0 } };
	int kept[] = { -1, -1 }, others[] = { -1, -1 }, fd;
	pid_t pid;

	must(!pipe2(kept, O_CLOEXEC) && !pipe2(others, O_CLOEXEC), "open four");
	files.fd[0] = kept[1];
	files.fd[1] = kept[0];
	child_set_origin(name, &keys);
	pid = child_start_helper("t-helper", &files, &fd);
	must(pid >= 0, "start it");
	if (!pid) {
		find_open(NULL, open_files_of_it);
		if (keys.count || strcmp(name, "t-helpe") != 0) /* as much as fits */
			_exit(2);
		if (send(fd, open_files_of_it, FILES, 0) != FILES)
			_exit(1);
		_exit(recv(fd, name, 1, 0) != 0); /* until the end */
	}
	CHECK_STR(name, "t_child"); /* only there it is another */
	CHECK_INT(keys.count, 1);
	CHECK_INT(recv(fd, open_files_of_it, FILES, 0), FILES);
	files_are(open_files_of_it, kept, LENGTH(kept));
	close(fd);
	CHECK_INT(waitpid(pid, &fd, 0), pid);
	CHECK_INT(fd, 0);
	for (int i = 0; i < 2; i++) {
		close(kept[i]);
		close(others[i]);
	}
}

/* There can be no process, and nothing is left of the attempt. */
static void no_helper(void)
{
	unsigned before = open_files();
	struct rlimit was, limit;
	int fd, highest = dup(0);

	must(highest >= 0 && !getrlimit(RLIMIT_NOFILE, &was), "read the limit");
	limit = was;
	limit.rlim_cur = (rlim_t)highest + 1;
	must(!setrlimit(RLIMIT_NOFILE, &limit), "set the limit");
	CHECK_INT(child_start_helper("t-helper", &(struct child_files){ 0 }, &fd), -EMFILE);
	must(!setrlimit(RLIMIT_NOFILE, &was), "set the limit");
	close(highest);
	fork_fails = true;
	CHECK_INT(child_start_helper("t-helper", &(struct child_files){ 0 }, &fd), -EAGAIN);
	fork_fails = false;
	CHECK_INT(open_files(), before);
}

static void no_child(void)
{
	const struct child_work work = { nothing_set, NULL, &t, 4, { { 0 } } };
	unsigned before = open_files();

	start();
	fork_fails = true;
	CHECK_INT(child_start(&t.loop, &t.job[0].child, &work, ended), -EAGAIN);
	fork_fails = false;
	CHECK(!t.job[0].child.pid);
	CHECK_INT(t.job[0].ended, 0);
	end();
	CHECK_INT(open_files(), before);
}

static void no_leak(void)
{
	unsigned before = open_files();

	many();
	cancelled();
	not_whole();
	CHECK_INT(open_files(), before);
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

int main(void)
{
	RUN("t_child: its result arrives", result_arrives);
	RUN("t_child: what it does not set is zero", result_is_zeroed);
	RUN("t_child: the largest result", big_result);
	RUN("t_child: killed, or gone without a result", not_whole);
	RUN("t_child: it finishes whatever signal comes", survives_signals);
	RUN("t_child: killed by us", cancelled);
	RUN("t_child: many at once", many);
	RUN("t_child: the next begins where one ends", restarted_in_done);
	RUN("t_child: it keeps no other descriptor", keeps_files);
	RUN("t_child: a process that lives on keeps no other descriptor", helper_keeps_files);
	RUN("t_child: a process that lives on cannot be made", no_helper);
	RUN("t_child: it cannot be made", no_child);
	RUN("t_child: no zombie, no descriptor is left", no_leak);
	return check_status();
}
