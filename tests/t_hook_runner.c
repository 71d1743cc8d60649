/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/hook_runner: the process that runs the hooks, as the daemon sees it.
 * LINK: -Wl,--wrap=log_line,--wrap=kill
 */
#include "loop/hooks.h"

#include "tests/files.h"
#include "tests/said.h"
#include "loop/child.h"

#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 60000, LOOK_MS = 5 };

static struct loop loop;
static struct hook_runner runner;
static char root[TEMP_SIZE], config[TEMP_SIZE + 10];
static bool (*until)(void);
static bool with_hooks = true;
static int looks;
static char *called_as; /* the test itself */
static unsigned terms; /* that were sent to the process */

int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);

int __wrap_kill(pid_t pid, int sig)
{
	terms += pid == runner.pid && sig == SIGTERM;
	return __real_kill(pid, sig);
}

static void pass(void *ctx)
{
	(void)ctx;
	loop.next = loop.now + LOOK_MS;
	looks++;
}

static bool done(void *ctx)
{
	(void)ctx;
	return until() || looks > PATIENCE_MS / LOOK_MS;
}

static const struct loop_role role = { pass, pass, done };

static void wait_until(bool (*condition)(void))
{
	until = condition;
	looks = 0;
	if (!condition())
		loop_run(&loop);
	CHECK(condition());
}

static bool idle(void)
{
	return !runner.waiting;
}

static bool gone(void)
{
	return runner.source.fd < 0;
}

static bool nobody_left(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static bool hangs(void)
{
	return is_there(root, "hangs");
}

static void put_hook(const char *name, const char *script)
{
	char path[300], text[2000];

	snprintf(path, sizeof(path), "cfg/hooks.d/%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\nT=%s\n%s\n", root, script);
	put_file(root, path, text);
	snprintf(text, sizeof(text), "%s/%s", root, path);
	must(!chmod(text, 0755), path);
}

static void begin_as(char *name)
{
	char called[PATH_MAX];

	snprintf(called, sizeof(called), "%s", name);
	said_forget();
	temp_make(root);
	snprintf(config, sizeof(config), "%s/cfg", root);
	must(!mkdir(config, 0755), "make the configuration");
	if (with_hooks)
		put_file(root, "cfg/hooks.d/.x", "");
	must(!loop_open(&loop, LOOK_MS, &role, NULL), "open the loop");
	child_set_origin(name, NULL);
	must(!hook_runner_start(&runner, &loop, config), "start it");
	CHECK_STR(name, called); /* only there it is another */
}

static void begin(const char *called)
{
	static char name[100];

	snprintf(name, sizeof(name), "%s", called);
	begin_as(name);
}

/* It ends by itself. */
static void end(void)
{
	loop_drop(&loop, &runner.source);
	wait_until(nobody_left);
	loop_close(&loop);
	temp_remove(root);
}

static void tell(const char *event)
{
	const struct hook_facts facts = { .event = event, .busid = "1-2", .port = -1 };

	hook_runner_tell(&runner, &facts);
}

/* Also hooks that came after it has begun, and each event for all of them. */
static void tells(void)
{
	begin("usbiphp-server");
	CHECK_INT(runner.waiting, 0);
	tell("bound");
	CHECK(runner.waiting);
	wait_until(idle);
	put_hook("b", "echo b $1 $USBIPHP_BUSID >>$T/out");
	put_hook("a", "echo a $1 >>$T/out");
	for (int i = 0; i < 3; i++) {
		tell("bound");
		tell("released");
	}
	wait_until(idle);
	file_is(root, "out", "a bound\nb bound 1-2\na released\nb released 1-2\n"
		     "a bound\nb bound 1-2\na released\nb released 1-2\n"
		     "a bound\nb bound 1-2\na released\nb released 1-2\n");
	CHECK_INT(log_kept.lines, 0);
	end();
}

/* So that who looks for the daemon by its name does not find two. */
static void has_its_own_name(void)
{
	static const char *const called[] = { "/opt/usbip/usbiphp-client", "usbiphp-server",
					      "usbiphp", "u", "" };

	for (size_t i = 0; i < LENGTH(called); i++) {
		char path[64], *text;

		begin(called[i]);
		tell("bound");
		wait_until(idle); /* it has begun */
		snprintf(path, sizeof(path), "/proc/%d/comm", (int)runner.pid);
		text = file_read(path, NULL);
		CHECK_STR(text, "usbiphp-hooks\n");
		free(text);
		end();
	}
}

/* Nothing of the daemon's is left behind it. */
static void has_its_own_line(void)
{
	size_t room = strlen(called_as), len;
	char path[64], want[PATH_MAX] = { 0 }, *text;

	snprintf(want, room + 1, "usbiphp-hooks");
	begin_as(called_as);
	tell("bound");
	wait_until(idle);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)runner.pid);
	text = file_read(path, &len);
	CHECK(len > room && !memcmp(text, want, room));
	free(text);
	end();
}

/* Not of those that only the inspector needs. */
static void has_no_rights_of_inspector(void)
{
	const uint64_t rights = 1U << CAP_SYS_PTRACE | 1U << CAP_DAC_READ_SEARCH;
	char path[64], *text, *line;

	begin("usbiphp-server");
	tell("bound");
	wait_until(idle);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)runner.pid);
	text = file_read(path, NULL);
	line = text ? strstr(text, "\nCapPrm:") : NULL;
	must(line, path);
	CHECK_INT(strtoull(line + strlen("\nCapPrm:"), NULL, 16) & rights, 0);
	free(text);
	end();
}

static void has_ended(void)
{
	begin("usbiphp-server");
	put_hook("a", "touch $T/hangs; while [ -e $T/hangs ]; do sleep 0.01; done");
	tell("bound");
	tell("bound");
	wait_until(hangs);
	kill(runner.pid, SIGKILL);
	wait_until(gone);
	CHECK_INT(runner.waiting, 0);
	CHECK_INT(log_kept.lines, 1);
	tell("bound");
	CHECK_INT(runner.waiting, 0);
	CHECK_INT(log_kept.lines, 1);
	end();
}

/* No process without hooks.d, and one line when that is new. */
static void none(void)
{
	with_hooks = false;
	begin("usbiphp-server");
	with_hooks = true;
	CHECK(nobody_left());
	tell("bound");
	CHECK_INT(runner.waiting, 0);
	CHECK_INT(log_kept.lines, 0);
	put_hook("a", "exit 0");
	for (int i = 0; i < 3; i++)
		tell("bound");
	CHECK_INT(runner.waiting, 0);
	CHECK_INT(log_kept.lines, 1);
	CHECK_INT(said("was created after startup: restart the daemon to enable hooks"), 1);
	hook_runner_stop(&runner); /* nobody, above all not its own group */
	end();
}

/* With the daemon it does not go on for ever: told to stop, or left alone. */
static void stops(void)
{
	for (int killed = 0; killed < 2; killed++) {
		begin("usbiphp-server");
		put_hook("a", "touch $T/hangs; while [ -e $T/hangs ]; do sleep 0.01; done\n"
			      "echo $1 >>$T/out");
		tell("bound");
		tell("released");
		wait_until(hangs);
		if (killed)
			loop_drop(&loop, &runner.source);
		else
			hook_runner_stop(&runner);
		CHECK_INT(terms, !killed);
		terms = 0;
		take_away(root, "hangs");
		wait_until(hangs);
		take_away(root, "hangs");
		wait_until(killed ? nobody_left : idle);
		file_is(root, "out", "bound\nreleased\n");
		end();
	}
}

/* Some are lost, which is logged once, and the daemon does not wait. */
static void too_many(void)
{
	char want[20 * HOOKS_WAITING_MAX];

	begin("usbiphp-server");
	put_hook("a", "while ! [ -e $T/go ]; do sleep 0.01; done\necho $1 >>$T/out");
	for (unsigned round = 0; round < 2; round++) {
		*want = '\0';
		for (int i = 0; i < HOOKS_WAITING_MAX + 3; i++) {
			char event[20];

			snprintf(event, sizeof(event), "e%d", i);
			tell(event);
			if (i < HOOKS_WAITING_MAX)
				snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s\n",
					 event);
			if (i == HOOKS_WAITING_MAX - 1)
				CHECK_INT(log_kept.lines, round);
		}
		CHECK_INT(log_kept.lines, round + 1);
		CHECK_INT(runner.waiting, HOOKS_WAITING_MAX);
		put_file(root, "go", "");
		wait_until(idle);
		file_is(root, "out", want);
		take_away(root, "out");
		take_away(root, "go");
	}
	end();
}

/* Its process does not read: the socket must hold the largest events, too. */
static void too_many_for_stopped(void)
{
	static char huge[3000];
	const struct hook_facts facts = { .event = "failed", .reason = huge, .port = -1 };

	begin("usbiphp-server");
	memset(huge, 'x', sizeof(huge) - 1);
	kill(runner.pid, SIGSTOP);
	for (int i = 0; i < 5000; i++)
		hook_runner_tell(&runner, &facts);
	CHECK_INT(runner.waiting, HOOKS_WAITING_MAX);
	CHECK_INT(log_kept.lines, 1);
	kill(runner.pid, SIGCONT);
	wait_until(idle);
	end();
}

static bool one_is_told(void)
{
	return runner.waiting < 20;
}

/* One ends, one comes, long after the first. */
static void without_end(void)
{
	char want[4000] = "", event[20];

	begin("usbiphp-server");
	put_hook("a", "echo $1 >>$T/out");
	for (int i = 0; i < 150; i++) {
		snprintf(event, sizeof(event), "e%d", i);
		snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s\n", event);
		tell(event);
		wait_until(one_is_told);
	}
	wait_until(idle);
	file_is(root, "out", want);
	CHECK_INT(log_kept.lines, 0);
	end();
}

/* A daemon with a hole in it: answered, but nothing is run. */
static void malformed(void)
{
	static const char other[] = "USBIPHP_EVENT=other\0LD_PRELOAD=x";

	begin("usbiphp-server");
	put_hook("a", "echo $1 >>$T/out");
	tell("bound");
	wait_until(idle);
	runner.waiting++;
	must(send(runner.source.fd, other, sizeof(other), 0) == sizeof(other), "send something else");
	tell("released");
	wait_until(idle);
	file_is(root, "out", "bound\nreleased\n");
	end();
}

static bool is_told(void)
{
	return is_there(root, "out");
}

/* The daemon dies with an answer unread and an event unhandled: its hooks are run. */
static void left_with_answers(void)
{
	begin("usbiphp-server");
	put_hook("a", "echo $1 >>$T/out");
	tell("bound");
	while (!is_told())
		usleep(1000);
	while (recv(runner.source.fd, &(char){ 0 }, 1, MSG_PEEK) != 1)
		;
	kill(runner.pid, SIGSTOP); /* it waits for the next one */
	tell("released");
	loop_drop(&loop, &runner.source);
	kill(runner.pid, SIGCONT);
	wait_until(nobody_left);
	file_is(root, "out", "bound\nreleased\n");
	end();
}

/* With no event under way. */
static void has_ended_idle(void)
{
	begin("usbiphp-server");
	put_hook("a", "exit 0");
	tell("bound");
	wait_until(idle);
	kill(runner.pid, SIGKILL);
	wait_until(gone);
	CHECK_INT(said("the process that runs hooks has ended"), 1);
	tell("bound");
	CHECK_INT(runner.waiting, 0);
	CHECK_INT(log_kept.lines, 1);
	end();
}

int main(int argc, char **argv)
{
	(void)argc;
	called_as = argv[0];
	RUN("t_hook_runner: the hooks hear of each event", tells);
	RUN("t_hook_runner: it has a name of its own", has_its_own_name);
	RUN("t_hook_runner: and a command line", has_its_own_line);
	RUN("t_hook_runner: no rights of the inspector", has_no_rights_of_inspector);
	RUN("t_hook_runner: one that is killed: said, and the daemon goes on", has_ended);
	RUN("t_hook_runner: one that is killed when it is idle", has_ended_idle);
	RUN("t_hook_runner: none where there are no hooks", none);
	RUN("t_hook_runner: it ends with the daemon", stops);
	RUN("t_hook_runner: more events than it takes", too_many);
	RUN("t_hook_runner: more events than it takes, while it does not read", too_many_for_stopped);
	RUN("t_hook_runner: events without end", without_end);
	RUN("t_hook_runner: an event that is none", malformed);
	RUN("t_hook_runner: the daemon leaves answers behind", left_with_answers);
	return check_status();
}
