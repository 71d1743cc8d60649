/* SPDX-License-Identifier: MIT */
/* Tests of loop/child: work in a process of its own, whose result comes back. */
#include "loop/child.h"

#include "tests/check.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 40, BIG = PIPE_BUF };

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
	CHECK_INT(child_start(&t.loop, &job->child, work, arg, job->result, size, ended), 0);
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
	ended(child, whole);
	if (t.job[0].ended < 5) {
		t.running++;
		CHECK_INT(child_start(&t.loop, child, nothing_set, NULL, t.job[0].result, 4, again),
			  0);
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
	RUN("t_child: no zombie, no descriptor is left", no_leak);
	return check_status();
}
