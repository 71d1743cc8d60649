/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/hooks: programs that are run for events, with a clock that only the test moves. The
 * test itself is the program that tells how it was started.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=fork
 * LINK: -Wl,--wrap=sigtimedwait,--wrap=__sigtimedwait_time64
 */
#include "loop/hooks.h"

#include "lib/log.h"
#include "tests/hook_event.h"
#include "tests/clock.h"
#include "tests/files.h"

#include <signal.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LATE "usbiphp: hooks took too long: events are lost\n"
#define ZIGBEE "install/hooks/restart-zigbee2mqtt"

static struct hooks hooks;
static char root[TEMP_SIZE], config[TEMP_SIZE + 10];
static int was_stderr;
static unsigned forks;
static void (*before_fork)(void);
static bool fork_fails;

pid_t __real_fork(void);
pid_t __wrap_fork(void);

pid_t __wrap_fork(void)
{
	forks++;
	if (before_fork)
		before_fork();
	errno = EAGAIN;
	return fork_fails ? -1 : __real_fork();
}

/*
 * hooks_run() waits nowhere else. When the hook goes on for a while in real time, on_wait may move
 * the clock; ms: at most so long it would have waited.
 */
static void (*on_wait)(uint64_t ms);

/* musl calls it so where a long has 32 bits. */
#if __LONG_MAX__ > INT32_MAX || defined(__GLIBC__)
#define REAL_WAIT __real_sigtimedwait
#else
#define REAL_WAIT __real___sigtimedwait_time64
#endif
typedef int wait_function(const sigset_t *set, siginfo_t *info, const struct timespec *timeout);
wait_function REAL_WAIT, __wrap_sigtimedwait, __wrap___sigtimedwait_time64;

int __wrap_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	static const struct timespec at_once = { 0, 0 }, look = { 0, 2000000 };
	uint64_t ms = (uint64_t)timeout->tv_sec * 1000 + (uint64_t)timeout->tv_nsec / 1000000;
	int number = REAL_WAIT(set, info, ms ? &look : &at_once);

	if (number < 0 && ms && on_wait)
		on_wait(ms);
	errno = EAGAIN;
	return number;
}

int __wrap___sigtimedwait_time64(const sigset_t *set, siginfo_t *info,
				 const struct timespec *timeout)
{
	return __wrap_sigtimedwait(set, info, timeout);
}

static char *name_in(const char *path)
{
	static char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%s", root, path);
	return name;
}

/* What the daemon and its hooks say is kept. */
static void begin(void)
{
	sigset_t signals;
	int log;

	temp_make(root);
	snprintf(config, sizeof(config), "%s/cfg", root);
	must(!mkdir(config, 0755) && !mkdir(name_in("cfg/hooks.d"), 0755), "make hooks.d");
	log = open(name_in("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	was_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	must(log >= 0 && was_stderr >= 0 && dup2(log, STDERR_FILENO) >= 0, "keep the log");
	close(log);
	hooks = (struct hooks){ .config = config, .stop_by = UINT64_MAX };
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	on_wait = NULL;
	forks = 0;
}

/* One that was killed may still be there. */
static void end(void)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
	must(dup2(was_stderr, STDERR_FILENO) >= 0, "give stderr back");
	close(was_stderr);
	temp_remove(root);
}

static void set_mode(const char *path, mode_t mode)
{
	must(!chmod(name_in(path), mode), path);
}

/* A new file each time. $T is the test's directory. */
static void put_hook(const char *name, const char *script)
{
	char path[300], text[2000];

	snprintf(path, sizeof(path), "cfg/hooks.d/%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\nT=%s\n%s\n", root, script);
	put_file(root, "fresh", text);
	set_mode("fresh", 0755);
	snprintf(text, sizeof(text), "%s/fresh", root);
	must(!rename(text, name_in(path)), path);
}

/* One that tells its name and the event. */
static void put_teller(const char *name)
{
	char script[400];

	snprintf(script, sizeof(script), "echo '%s' \"$@\" >>$T/out", name);
	put_hook(name, script);
}

static void holds(const char *path, const char *want)
{
	char *text = file_read(name_in(path), NULL);

	CHECK_STR(text ? text : "", want);
	free(text);
	unlink(name_in(path));
}

#define OUT(want) holds("out", want)

/* What was said since the last look. */
static void said(const char *want)
{
	char *text = file_read(name_in("log"), NULL);

	CHECK_STR(text, want);
	free(text);
	must(!truncate(name_in("log"), 0), "clear the log");
}

static void run_hooks(const struct hook_facts *facts)
{
	struct hook_event event;

	CHECK(hook_runner_parse(&event, event_make(event.text, facts)));
	hooks_run(&hooks, &event);
}

static void told(const char *event)
{
	const struct hook_facts facts = { .event = event, .busid = "1-2", .port = -1 };

	run_hooks(&facts);
}

static void in_order(void)
{
	static const char *const name[] = {
		"a", "B", "9-b", "10-a", "a.sh", "z_",
		".hidden", "x~", "x.bak", "x.dpkg-old", "x.dpkg-dist", "x.orig", "x.rpmsave",
		"x.sh.swp", "x y", "x:", "#x#", "\xc3\xa4", "@", "[", "`", "{", "/../../away",
	};

	begin();
	for (size_t i = 0; i < LENGTH(name); i++)
		put_teller(name[i]);
	put_file(root, "cfg/hooks.d/plain", "#!/bin/sh\necho plain >>out");
	put_file(root, "cfg/hooks.d/dir/file", "");
	put_link(root, "cfg/hooks.d/dangling", "nowhere");
	put_link(root, "cfg/hooks.d/circle", "circle");
	told("attached");
	CHECK_INT(forks, 6);
	told("detached");
	OUT("10-a attached\n9-b attached\nB attached\na attached\na.sh attached\nz_ attached\n"
	    "10-a detached\n9-b detached\nB detached\na detached\na.sh detached\nz_ detached\n");
	CHECK_INT(forks, 12);
	told("bound");
	OUT("10-a bound\n9-b bound\nB bound\na bound\na.sh bound\nz_ bound\n");
	said("");
	end();
}

/* Not one begins before the one before it has ended, also of another event. */
static void one_at_a_time(void)
{
	static const char script[] = "mkdir $T/lock || echo both >>$T/out\nsleep 0.02\n"
				     "rmdir $T/lock\necho . >>$T/out";

	begin();
	put_hook("a", script);
	put_hook("b", script);
	told("bound");
	told("released");
	told("bound");
	OUT(".\n.\n.\n.\n.\n.\n");
	end();
}

static void has_environment(const struct hook_facts *facts, const char *want)
{
	char text[3000];

	run_hooks(facts);
	snprintf(text, sizeof(text),
		 "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
		 "USBIPHP_HOOK=%s/cfg/hooks.d/env.sh\n%s",
		 root, want);
	OUT(text);
}

static void environment(void)
{
	struct hook_facts server = { "bound", "1-1.4", 0x0951, 0x1, NULL, NULL, -1, NULL, NULL };
	struct hook_facts client = { "attached", "3-2", 0x10c4, 0xea60, "[fe80::1%eth0]:3240",
				     "fe80::1%eth0", 0, "7-1", NULL };
	struct hook_facts failed = { "failed", NULL, 1, 2, "pi.lan:3240", "pi.lan", -1, NULL,
				     "a reason" };

	begin();
	put_hook("env.sh", "tr '\\0' '\\n' </proc/$$/environ >>$T/out");
	has_environment(&server, "USBIPHP_EVENT=bound\nUSBIPHP_BUSID=1-1.4\n"
				 "USBIPHP_ID=0951:0001\nUSBIPHP_NAME=0951:0001@1-1.4\n");
	has_environment(&client, "USBIPHP_EVENT=attached\nUSBIPHP_BUSID=3-2\n"
				 "USBIPHP_ID=10c4:ea60\nUSBIPHP_NAME=10c4:ea60@fe80::1%eth0/3-2\n"
				 "USBIPHP_PORT=0\nUSBIPHP_DEVICE=7-1\n"
				 "USBIPHP_SERVER=[fe80::1%eth0]:3240\n");
	has_environment(&failed, "USBIPHP_EVENT=failed\nUSBIPHP_SERVER=pi.lan:3240\n"
				 "USBIPHP_REASON=a reason\n");
	said("");
	end();
}

static void hostile_values(void)
{
	char path[TEMP_SIZE + 40], *text, huge[3000];
	struct hook_facts facts = { "failed", "1-2\nLD_PRELOAD=x", 1, 2, "h\x1b[31m", "h\x7f", 119,
				    "\xff", "$(touch x)\n'\"`;\r\t\x01 \xc3\xa4" };

	begin();
	put_hook("env.sh", "tr '\\0' '\\n' </proc/$$/environ >>$T/out");
	has_environment(&facts, "USBIPHP_EVENT=failed\nUSBIPHP_BUSID=1-2?LD_PRELOAD=x\n"
				"USBIPHP_ID=0001:0002\n"
				"USBIPHP_NAME=0001:0002@h?/1-2?LD_PRELOAD=x\nUSBIPHP_PORT=119\n"
				"USBIPHP_DEVICE=?\nUSBIPHP_SERVER=h?[31m\n"
				"USBIPHP_REASON=$(touch x)?'\"`;??? ??\n");
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	put_hook("env.sh", "tr '\\0' '\\n' </proc/$$/environ >>$T/out");
	facts.reason = facts.busid = huge;
	run_hooks(&facts);
	snprintf(path, sizeof(path), "%s/out", root);
	text = file_read(path, NULL);
	CHECK(text && strstr(text, "\nUSBIPHP_EVENT=failed\nUSBIPHP_BUSID=xxx"));
	free(text);
	end();
}

/* The test as a hook: tells how it was started, in its own words. */
static int be_hook(int argc, char **argv)
{
	char path[PATH_MAX], target[PATH_MAX], line[256];
	FILE *status = fopen("/proc/self/status", "re");
	ssize_t n;

	printf("%s %d %s\n", argv[0] == strstr(argv[0], "/") ? strrchr(argv[0], '/') : argv[0],
	       argc, argv[1]);
	printf("%d %d\n", getsid(0) == getpid(), getpgrp() == getpid());
	while (status && fgets(line, sizeof(line), status))
		if (!strncmp(line, "SigBlk", 6) || !strncmp(line, "SigIgn", 6))
			fputs(line, stdout);
	if (status)
		fclose(status);
	n = readlink("/proc/self/cwd", target, sizeof(target));
	printf("cwd %.*s\n", (int)n, target);
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		n = readlink(path, target, sizeof(target));
		if (n > 0)
			printf("%d %.*s\n", i, (int)n, target);
	}
	return 0;
}

static void copy_myself(const char *path)
{
	size_t len;
	char *text = file_read("/proc/self/exe", &len);

	must(text, "read the test");
	put_bytes(root, path, text, len);
	set_mode(path, 0755);
	free(text);
}

/* What a parent of the tests ignores of the signals that libc keeps for itself stays ignored: its
 * sigaction(2) takes none of them. */
static void reset_libc_signals(void)
{
	static const uint8_t zeros[64];

	for (int number = 32; number < SIGRTMIN; number++)
		syscall(SYS_rt_sigaction, number, zeros, NULL, _NSIG / 8);
}

static void how_it_is_started(void)
{
	int extra = open("/dev/zero", O_RDONLY), far = dup2(extra, 77), input = dup(STDIN_FILENO);
	char want[4 * PATH_MAX];

	begin();
	copy_myself("cfg/hooks.d/x");
	reset_libc_signals();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	must(input >= 0 && dup2(extra, STDIN_FILENO) >= 0, "change the input");
	told("attached");
	must(dup2(input, STDIN_FILENO) >= 0, "give the input back");
	close(input);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	signal(SIGUSR2, SIG_DFL);
	snprintf(want, sizeof(want),
		 "/x 2 attached\n1 1\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
		 "cwd /\n0 /dev/null\n1 %s/log\n2 %s/log\n3 %s/cfg/hooks.d/x\n",
		 root, root, root);
	said(want);
	close(extra);
	close(far);
	end();
}

static void input_and_output(void)
{
	begin();
	put_hook("a", "read x; echo $? \"$x\" >>$T/out; cat >>$T/out; exec <&-; echo a >>$T/out");
	put_hook("b", "head -c 1000000 /dev/zero | tr '\\0' x >&2; echo; echo b >>$T/out");
	put_hook("c", "exec <&- >&- 2>&-; echo c >>$T/out");
	told("attached");
	OUT("1 \na\nb\nc\n");
	{
		size_t len;
		char *text = file_read(name_in("log"), &len);

		CHECK_INT(len, 1000001);
		free(text);
	}
	end();
}

static void failures(void)
{
	begin();
	put_hook("a", "exit 3");
	put_hook("b", "kill -SEGV $$");
	put_hook("c", "kill -KILL 0");
	put_teller("d");
	told("bound");
	OUT("d bound\n");
	said("usbiphp: hook a failed: exit status 3\nusbiphp: hook b failed: signal 11\n"
	     "usbiphp: hook c failed: signal 9\n");
	told("bound");
	told("released");
	OUT("d bound\nd released\n");
	said("");
	put_hook("a", "exit 3"); /* another file */
	put_hook("b", "[ -e $T/good ] || exit 1");
	told("bound");
	said("usbiphp: hook a failed: exit status 3\nusbiphp: hook b failed: exit status 1\n");
	put_file(root, "good", "");
	told("bound");
	said("");
	take_away(root, "good");
	told("bound");
	told("bound");
	said("usbiphp: hook b failed: exit status 1\n");
	end();
}

/* Two names of one file are two hooks. */
static void failure_of_each(void)
{
	begin();
	put_hook("a", "exit 3");
	put_link(root, "cfg/hooks.d/b", "a");
	told("bound");
	told("bound");
	said("usbiphp: hook a failed: exit status 3\nusbiphp: hook b failed: exit status 3\n");
	end();
}

/* More than are remembered: some may be said again. */
static void many_failures(void)
{
	char name[20];

	begin();
	for (int i = 0; i < LOG_ONCE_SET_MAX + 4; i++) {
		snprintf(name, sizeof(name), "h%02d", i);
		put_hook(name, "exit 1");
	}
	for (int i = 0; i < 3; i++)
		told("bound");
	CHECK_INT(forks, 3 * (LOG_ONCE_SET_MAX + 4));
	end();
	begin();
	for (int i = 0; i < LOG_ONCE_SET_MAX; i++) {
		snprintf(name, sizeof(name), "h%02d", i);
		put_hook(name, "exit 1");
	}
	told("bound");
	must(!truncate(name_in("log"), 0), "clear the log");
	told("bound");
	said("");
	end();
}

static void cannot_start(void)
{
	begin();
	put_hook("b", "");
	put_file(root, "cfg/hooks.d/a", "#!/nonexistent\n");
	set_mode("cfg/hooks.d/a", 0755);
	put_file(root, "cfg/hooks.d/b", "echo no first line\n");
	put_teller("c");
	told("bound");
	said("usbiphp: cannot run hook a: No such file or directory\n"
	     "usbiphp: hook a failed: exit status 127\n"
	     "usbiphp: cannot run hook b: Exec format error\n"
	     "usbiphp: hook b failed: exit status 127\n");
	told("bound");
	said("");
	OUT("c bound\nc bound\n");
	end();
}

static pid_t read_pid(const char *path)
{
	char *text = file_read(name_in(path), NULL);
	int pid = text && strchr(text, '\n') ? atoi(text) : 0;

	free(text);
	return pid;
}

static pid_t hung[2], killed[2];

static bool hangs(void)
{
	hung[0] = read_pid("pid0");
	hung[1] = read_pid("pid1");
	return hung[0] && hung[1];
}

/* Nobody may be there to bury them. */
static bool is_dead(pid_t pid)
{
	char path[40], *text, state = 'X';

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	text = file_read(path, NULL);
	if (text && strrchr(text, ')'))
		state = strrchr(text, ')')[2];
	free(text);
	return state == 'X' || state == 'Z';
}

static bool are_dead(void)
{
	return is_dead(killed[0]) && is_dead(killed[1]);
}

#define HANG                                                                                       \
	"trap '' TERM HUP INT; sleep 1000 & echo $! >$T/pid1; echo $$ >$T/pid0\n"                  \
	"while :; do sleep 1000; done"

static uint64_t began;

/* When the hook hangs: it lives one millisecond before its time is over, and then it is killed. */
static void let_it_hang(uint64_t ms)
{
	if (!hangs())
		return;
	CHECK(!is_dead(hung[0]) && !is_dead(hung[1]));
	clock_now += ms > 1 ? ms - 1 : 1;
	if (ms > 1)
		return;
	memcpy(killed, hung, sizeof(killed));
	unlink(name_in("pid0")); /* the next one does not hang */
}

static void killed_in_time(void)
{
	begin();
	put_hook("a", "[ -e $T/good ] && exit 0\n" HANG);
	put_teller("b");
	for (int round = 0; round < 4; round++) {
		unlink(name_in("pid0"));
		unlink(name_in("pid1"));
		if (round == 2) { /* once it ends well */
			put_file(root, "good", "");
			on_wait = NULL;
			told("bound");
			take_away(root, "good");
			OUT("b bound\n");
			said("");
			continue;
		}
		on_wait = let_it_hang;
		began = clock_now;
		told("bound");
		CHECK_INT(clock_now - began, HOOKS_MS);
		while (!are_dead())
			usleep(1000);
		OUT("b bound\n");
		said(round == 1 ? "" : "usbiphp: hook a took too long: killed\n");
	}
	end();
}

/* Lets it end one millisecond before its time is over. */
static void let_it_end(uint64_t ms)
{
	if (ms == HOOKS_MS) {
		clock_now += ms - 1;
		put_file(root, "go", "");
	}
}

/* Each has the whole time for itself. */
static void time_for_each(void)
{
	begin();
	put_hook("a", "while ! [ -e $T/go ]; do sleep 0.01; done\nrm $T/go; echo $1 >>$T/out");
	on_wait = let_it_end;
	began = clock_now;
	told("bound");
	told("released");
	CHECK_INT(clock_now - began, 2 * (HOOKS_MS - 1));
	OUT("bound\nreleased\n");
	said("");
	end();
}

/* What a hook leaves behind on purpose is its own affair. */
static void left_behind(void)
{
	begin();
	put_hook("a", "sleep 1000 >/dev/null 2>&1 & echo $! >$T/pid0; echo $! >$T/pid1");
	told("bound");
	CHECK(hangs());
	clock_now += 2 * HOOKS_MS;
	take_away(root, "cfg/hooks.d/a");
	told("bound");
	CHECK(!is_dead(hung[0]));
	kill(hung[0], SIGKILL);
	said("");
	end();
}

/* Not run, and said once, until it is right. */
static void is_refused(const char *what, const char *remedy)
{
	const char *others = "others may write ", *belongs = "";
	char want[3 * PATH_MAX];

	if (!strcmp(remedy, "chown root")) {
		others = "";
		belongs = "belongs to another user ";
	}

	told("bound");
	told("bound");
	OUT("");
	snprintf(want, sizeof(want),
		 "usbiphp: hook not run: %s%s/%s %s(%s %s/%s)\n", others, root, what, belongs,
		 remedy, root, what);
	said(want);
}

static void is_run(void)
{
	told("bound");
	OUT("a bound\n");
	said("");
}

static void refused(void)
{
	static const char *const place[] = { "cfg/hooks.d/a", "cfg/hooks.d", "cfg" };
	static const mode_t mode[] = { 0775, 0757, 0777, 01777, 02775, 0722 };

	begin();
	put_teller("a");
	for (size_t i = 0; i < LENGTH(place); i++) {
		for (size_t j = 0; j < LENGTH(mode); j++) {
			set_mode(place[i], mode[j]);
			is_refused(place[i], "chmod go-w");
			set_mode(place[i], 0755);
			is_run();
		}
		if (geteuid())
			continue;
		must(!chown(name_in(place[i]), 12345, 0), "give a file away");
		is_refused(place[i], "chown root");
		must(!chown(name_in(place[i]), 0, 12345), "give a file away");
		is_run();
	}
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	end();
}

static void links(void)
{
	char want[PATH_MAX];

	begin();
	put_hook("a", "echo $(basename $USBIPHP_HOOK) $1 >>$T/out");
	snprintf(want, sizeof(want), "%s/elsewhere", root);
	must(!rename(name_in("cfg/hooks.d/a"), want), "move the hook");
	put_link(root, "cfg/hooks.d/a", "../../elsewhere");
	is_run();
	set_mode("elsewhere", 0775);
	is_refused("cfg/hooks.d/a", "chmod go-w");
	set_mode("elsewhere", 0755);
	is_run();
	/* the directory itself may be none, what it is in may */
	snprintf(want, sizeof(want), "%s/hooks.real", root);
	must(!rename(name_in("cfg/hooks.d"), want), "move the hooks");
	put_link(root, "cfg/hooks.d", "../hooks.real");
	told("bound");
	told("bound");
	OUT("");
	snprintf(want, sizeof(want), "usbiphp: cannot open %s/cfg/hooks.d: Not a directory\n",
		 root);
	said(want);
	take_away(root, "cfg");
	must(!mkdir(name_in("real"), 0755), "make a directory");
	snprintf(want, sizeof(want), "%s/real/hooks.d", root);
	must(!rename(name_in("hooks.real"), want), "move the hooks");
	put_link(root, "cfg", "real");
	put_link(root, "real/hooks.d/a", "../../elsewhere");
	is_run();
	set_mode("real", 0777);
	told("bound");
	OUT("");
	end();
}

static void swap_it(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/evil", root);
	must(!rename(path, name_in("cfg/hooks.d/a")), "swap the hook");
}

/* Somebody puts another in its place after it was checked. */
static void swapped(void)
{
	char path[PATH_MAX];

	begin();
	put_hook("a", "echo evil >>$T/out");
	snprintf(path, sizeof(path), "%s/evil", root);
	must(!rename(name_in("cfg/hooks.d/a"), path), "move the hook");
	set_mode("evil", 0777);
	put_teller("a");
	before_fork = swap_it;
	told("bound");
	before_fork = NULL;
	OUT("a bound\n");
	end();
}

static void removed_meanwhile(void)
{
	begin();
	put_hook("a", "rm $T/cfg/hooks.d/b $T/cfg/hooks.d/a; echo a >>$T/out");
	put_teller("b");
	put_teller("c");
	put_hook("d", "rm -r $T/cfg/hooks.d");
	put_teller("e");
	told("bound");
	told("released");
	OUT("a\nc bound\n");
	said("");
	end();
}

static void none(void)
{
	char want[PATH_MAX];

	begin();
	told("bound");
	take_away(root, "cfg/hooks.d");
	told("bound");
	take_away(root, "cfg");
	told("bound");
	CHECK_INT(forks, 0);
	put_file(root, "cfg/hooks.d", "");
	told("bound");
	told("bound");
	snprintf(want, sizeof(want), "usbiphp: cannot open %s/cfg/hooks.d: Not a directory\n",
		 root);
	said(want);
	end();
}

static void no_process(void)
{
	begin();
	put_teller("a");
	put_teller("b");
	fork_fails = true;
	told("bound");
	told("bound");
	fork_fails = false;
	said("usbiphp: cannot run hook a: Resource temporarily unavailable\n"
	     "usbiphp: cannot run hook b: Resource temporarily unavailable\n");
	told("bound");
	OUT("a bound\nb bound\n");
	end();
}

static unsigned waits;

static void spare_later(uint64_t ms)
{
	if (forks)
		return;
	CHECK_INT(ms, 1000);
	if (++waits == 3)
		spare_files(-1);
	clock_now += ms;
}

/* Out of descriptors: it waits, and looks again after a second. */
static void no_descriptor(void)
{
	const struct hook_facts facts = { .event = "bound", .busid = "1-2", .port = -1 };
	struct hook_event event;

	CHECK(hook_runner_parse(&event, event_make(event.text, &facts)));
	begin();
	put_teller("a");
	on_wait = spare_later;
	for (int spare = 0; spare < 2; spare++) {
		forks = waits = 0;
		began = clock_now;
		spare_files(spare);
		hooks_run(&hooks, &event);
		CHECK_INT(waits, 3);
		CHECK_INT(forks, 1);
		OUT("a bound\n");
	}
	said("");
	end();
}

static void stop_when_it_hangs(uint64_t ms)
{
	if (!hangs())
		return;
	if (ms != HOOKS_MS) {
		let_it_hang(ms);
		return;
	}
	clock_now += HOOKS_MS - 5000; /* the stop comes when 5 s of its own time are left */
	began = clock_now;
	raise(SIGTERM);
}

/* From the stop on the time is for all hooks together. */
static void stopped(void)
{
	begin();
	put_hook("a", "echo $1 >>$T/out; [ $1 = released ] || exit 0\n" HANG);
	raise(SIGTERM);
	began = clock_now;
	told("bound");
	told("detached");
	OUT("bound\ndetached\n");
	clock_now += HOOKS_MS - 10000;
	on_wait = let_it_hang;
	told("released");
	CHECK_INT(clock_now - began, HOOKS_MS);
	while (!are_dead())
		usleep(1000);
	OUT("released\n");
	put_teller("b");
	forks = 0;
	told("bound");
	told("bound");
	CHECK_INT(forks, 0);
	said("usbiphp: hook a took too long: killed\n" LATE);
	end();
}

/* One hook hangs when the stop comes: it has no more than its own time. */
static void stopped_while_one_hangs(void)
{
	begin();
	put_hook("a", HANG);
	put_teller("b");
	on_wait = stop_when_it_hangs;
	told("bound");
	CHECK_INT(clock_now - began, 5000);
	OUT("b bound\n");
	said("usbiphp: hook a took too long: killed\n");
	on_wait = let_it_hang;
	told("released");
	CHECK_INT(clock_now - began, HOOKS_MS);
	while (!are_dead())
		usleep(1000);
	OUT("");
	said(LATE);
	end();
}

/* SIGINT is a stop as well, and a second signal changes nothing. */
static void stopped_twice(void)
{
	begin();
	raise(SIGINT);
	told("bound"); /* no hook is there yet: nothing waits */
	put_teller("a");
	clock_now += HOOKS_MS - 1;
	raise(SIGTERM);
	raise(SIGINT);
	told("bound");
	OUT("a bound\n");
	clock_now++;
	told("bound");
	OUT("");
	said(LATE);
	end();
}

/* Children of others end at the same time. */
static void others_children(void)
{
	begin();
	put_hook("a", "sleep 0.2; exit 5");
	for (int i = 0; i < 3; i++) {
		pid_t pid = __real_fork();

		must(pid >= 0, "fork");
		if (!pid)
			_exit(9);
	}
	told("bound");
	said("usbiphp: hook a failed: exit status 5\n");
	end();
}

/* Tools that only tell how they were called. */
static void put_stub(const char *name, const char *script)
{
	char path[60], text[1000];

	snprintf(path, sizeof(path), "bin/%s", name);
	snprintf(text, sizeof(text), "#!/bin/sh\nT=%s\necho %s \"$@\" >>$T/out\n%s\n", root, name,
		 script);
	put_file(root, path, text);
	set_mode(path, 0755);
}

static void zigbee(const char *event, const char *id, const char *name, const char *want)
{
	char command[2000];

	snprintf(command, sizeof(command),
		 "/usr/bin/env -i PATH=%s/bin USBIPHP_EVENT=%s USBIPHP_ID=%s USBIPHP_NAME=%s "
		 "/bin/sh " ZIGBEE " %s",
		 root, event, id, name, event);
	CHECK_INT(system(command), 0);
	OUT(want);
}

static void example(void)
{
	static const char id[] = "10c4:ea60", name[] = "10c4:ea60@pi.lan/1-1";

	begin();
	CHECK_INT(system("test -x " ZIGBEE), 0);
	put_stub("systemctl", "");
	zigbee("attached", id, name, "systemctl restart zigbee2mqtt\n");
	put_stub("docker", "[ $1 != container ]");
	zigbee("attached", id, name,
	       "docker container inspect zigbee2mqtt\nsystemctl restart zigbee2mqtt\n");
	put_stub("docker", "");
	zigbee("attached", id, name,
	       "docker container inspect zigbee2mqtt\ndocker restart zigbee2mqtt\n");
	zigbee("detached", id, name, "");
	zigbee("failed", id, name, "");
	zigbee("attached", "10c4:ea61", name, "");
	zigbee("attached", "1234:5678", id, "docker container inspect zigbee2mqtt\n"
					    "docker restart zigbee2mqtt\n");
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	in_order();
	refused();
	links();
	none();
	no_process();
	CHECK_INT(open_files(), before);
}

int main(int argc, char **argv)
{
	const char *temp = getenv("TMPDIR");
	struct statvfs fs;

	if (getenv("USBIPHP_EVENT"))
		return be_hook(argc, argv);
	if (temp && !statvfs(temp, &fs) && fs.f_flag & ST_NOEXEC)
		unsetenv("TMPDIR"); /* hooks are programs */
	RUN("t_hooks: in the order of names and events", in_order);
	RUN("t_hooks: one at a time", one_at_a_time);
	RUN("t_hooks: the environment", environment);
	RUN("t_hooks: hostile values", hostile_values);
	RUN("t_hooks: signals, descriptors, session, directory", how_it_is_started);
	RUN("t_hooks: input and output", input_and_output);
	RUN("t_hooks: failures are said once", failures);
	RUN("t_hooks: failures of each name", failure_of_each);
	RUN("t_hooks: many failures", many_failures);
	RUN("t_hooks: what cannot be started", cannot_start);
	RUN("t_hooks: killed in time, with its children", killed_in_time);
	RUN("t_hooks: each has its own time", time_for_each);
	RUN("t_hooks: a child left behind", left_behind);
	RUN("t_hooks: what others may write is not run", refused);
	RUN("t_hooks: links", links);
	RUN("t_hooks: swapped after the check", swapped);
	RUN("t_hooks: removed meanwhile", removed_meanwhile);
	RUN("t_hooks: no hooks", none);
	RUN("t_hooks: no process", no_process);
	RUN("t_hooks: no descriptor", no_descriptor);
	RUN("t_hooks: stopped", stopped);
	RUN("t_hooks: stopped while one hangs", stopped_while_one_hangs);
	RUN("t_hooks: stopped twice", stopped_twice);
	RUN("t_hooks: children of others", others_children);
	RUN("t_hooks: the example", example);
	RUN("t_hooks: no descriptor is left open", no_leak);
	return check_status();
}
