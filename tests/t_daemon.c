/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/daemon: what a person changes is seen at once, SIGHUP reads the rules again, and a
 * start waits for what it needs.
 * LINK: -Wl,--wrap=log_line,--wrap=rules_read,--wrap=keys_read,--wrap=poll
 */
#include "loop/daemon.h"

#include "lib/str.h"
#include "tests/files.h"
#include "tests/said.h"
#include "loop/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { HOUR_S = 3600, DEADLINE_MS = 20000 };

static char root[TEMP_SIZE], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8];

static struct {
	struct daemon daemon;
	struct daemon_options options;
	struct rules rules;
	struct holds held;
	unsigned passes, last; /* the last one to be made */
	uint64_t deadline;
	unsigned reads; /* of the rules */
	bool wrong;	/* they are */
	unsigned keys_reads;
	bool keys_wrong;
	bool others;	/* what daemon_reload() returned last */
} t;

bool __wrap_rules_read(struct rules *rules, const struct rules_source *source);

bool __wrap_rules_read(struct rules *rules, const struct rules_source *source)
{
	CHECK(rules == &t.rules && source == &t.options.rules);
	t.reads++;
	return !t.wrong;
}

static struct keys keys;

bool __wrap_keys_read(struct keys *read, const char *path);

bool __wrap_keys_read(struct keys *read, const char *path)
{
	CHECK(read == &keys && path == t.options.psk);
	t.keys_reads++;
	return !t.keys_wrong;
}

static int driver_error;
static unsigned fails; /* so often it fails; 0: each time, if there is an error */

static int is_there_driver(const struct sysfs *sysfs)
{
	(void)sysfs;
	if (fails && !--fails)
		driver_error = 0;
	return driver_error;
}

/* No time passes: how long was it to wait? */
static struct {
	unsigned count;
	int ms[16];
	int notify; /* the supervisor's socket */
	char told[32];
	int lock; /* another daemon's; it ends after so many delays */
	unsigned ends;
	const char *file; /* comes after so many delays, wrong or not */
	unsigned comes;
	bool comes_wrong;
	bool reload; /* SIGHUP comes in each of them */
} delays;

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (n)
		return __real_poll(fds, n, timeout);
	if (timeout < 1000)
		return 0;
	must(delays.count < LENGTH(delays.ms), "wait for so long only");
	delays.ms[delays.count++] = timeout;
	if (delays.count == 1 && delays.notify >= 0 &&
	    recv(delays.notify, delays.told, sizeof(delays.told) - 1, MSG_DONTWAIT) < 0)
		delays.told[0] = '\0';
	if (delays.reload)
		kill(getpid(), SIGHUP);
	if (delays.count == delays.ends)
		close(delays.lock);
	if (delays.count == delays.comes) {
		put_file(root, delays.file, "");
		t.wrong = t.keys_wrong = delays.comes_wrong;
	}
	return 0;
}

static void pass(void *ctx)
{
	CHECK(ctx == &t);
	t.passes++;
	t.others = daemon_reload(&t.daemon, &t.rules, &t.held);
	/* no event of this machine's kernel counts */
	t.daemon.loop.next = t.daemon.loop.now + HOUR_S * 1000ull;
	loop_pass_by(&t.daemon.loop, t.deadline);
}

static unsigned stops;

static void stop(void *ctx)
{
	CHECK(ctx == &t);
	CHECK(t.daemon.loop.stopping);
	stops++;
}

static bool done(void *ctx)
{
	(void)ctx;
	return t.passes >= t.last || t.daemon.loop.now >= t.deadline;
}

static const struct daemon_role role = {
	.driver = { "none", is_there_driver }, .name = "client", .uevents = UEVENT_IMPORTED,
	.stop_ms = 200, .loop = { pass, stop, done },
};

/* Until there was another pass, which is a fault if it does not come. */
static void next_pass(int line)
{
	t.last = t.passes + 1;
	t.deadline = loop_clock() + DEADLINE_MS;
	loop_run(&t.daemon.loop);
	if (t.daemon.loop.now >= t.deadline)
		check_fault(__FILE__, line, "nothing woke it");
}

#define NEXT_PASS() next_pass(__LINE__)

/* Passes until so many names are held: a change may wake it more than once. */
static void until_held(size_t len, int line)
{
	unsigned passes = t.passes;

	while (t.held.len != len && t.passes < passes + 20 && t.daemon.loop.now < t.deadline + 1)
		next_pass(line);
	if (t.held.len != len)
		check_fault(__FILE__, line, "%zu bytes are held, not %zu", t.held.len, len);
}

#define UNTIL_HELD(name) until_held(sizeof(name) - (sizeof(name) == 1), __LINE__)

/* The interval is over. */
static void interval(void)
{
	loop_pass_now(&t.daemon.loop);
	NEXT_PASS();
}

static void hold(const char *name)
{
	static struct holds held;

	held.len = 0;
	if (*name)
		must(!holds_add(&held, name), "hold");
	close(holds_lock(config));
	must(!holds_write(&held, config, "client"), "write what is held");
}

static void start(void)
{
	static char name[] = "t_daemon";

	memset(&t, 0, sizeof(t));
	said_forget();
	temp_make(root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	snprintf(config, sizeof(config), "%s/etc", root);
	put_file(root, "sys/x", "");
	child_set_origin(name, NULL);
	t.options.sysfs = root;
	t.options.run = run_dir;
	t.options.config = config;
	t.options.interval = HOUR_S;
	must(!daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), "open the daemon");
	CHECK_INT(t.reads, 2); /* before, and when the driver was there */
	t.reads = 0;
	loop_drop(&t.daemon.loop, &t.daemon.uevents); /* of this machine */
}

static void end(void)
{
	daemon_close(&t.daemon, false);
	temp_remove(root);
}

static void changes(void)
{
	char from[TEMP_SIZE + 40], to[TEMP_SIZE + 40];

	start();
	hold("1:1/a"); /* before the first pass, and the directory with it */
	NEXT_PASS();
	CHECK_INT(t.held.len, 6);
	CHECK(t.daemon.loop.next > t.daemon.loop.now);
	hold("1:1/abc");
	UNTIL_HELD("1:1/abc");
	hold("");
	UNTIL_HELD("");
	put_file(root, "etc/held.client", "1:1/ab\n"); /* as an editor does it, in place */
	UNTIL_HELD("1:1/ab");
	for (int i = 0; i < 3 && t.daemon.loop.next <= t.daemon.loop.now; i++)
		NEXT_PASS();
	/* moved there, and away */
	put_file(root, "elsewhere", "1:1/abcde\n");
	snprintf(from, sizeof(from), "%s/elsewhere", root);
	snprintf(to, sizeof(to), "%s/held.client", config);
	must(!rename(from, to), "move it there");
	UNTIL_HELD("1:1/abcde");
	must(!unlink(to), "remove it");
	UNTIL_HELD("");
	CHECK_INT(log_kept.lines, 0);
	CHECK_INT(t.reads, 0);
	end();
}

/* The other role's file wakes it, which does no harm, but is not obeyed. */
static void of_the_other_role(void)
{
	start();
	put_file(root, "etc/held.server", "1:1/server\n");
	NEXT_PASS();
	CHECK_INT(t.held.len, 0);
	put_file(root, "etc/held.server", "1:1/other\n");
	NEXT_PASS();
	CHECK_INT(t.held.len, 0);
	end();
}

/* A directory that is made later is seen by the interval, and watched from then on. */
static void made_later(void)
{
	start();
	NEXT_PASS();
	CHECK_INT(log_kept.lines, 0); /* none is fine */
	hold("1:1/a");
	interval();
	CHECK_INT(t.held.len, 6);
	hold("1:1/abc");
	UNTIL_HELD("1:1/abc");
	/* removed */
	take_away(root, "etc");
	UNTIL_HELD("");
	/* and made again */
	hold("1:1/ab");
	interval();
	CHECK_INT(t.held.len, 7);
	hold("1:1/abcd");
	UNTIL_HELD("1:1/abcd");
	end();
}

/* Renamed, and another one in its place. */
static void exchanged(void)
{
	char away[TEMP_SIZE + 8];

	start();
	hold("1:1/a");
	NEXT_PASS();
	snprintf(away, sizeof(away), "%s/away", root);
	must(!rename(config, away), "rename it");
	UNTIL_HELD("");
	hold("1:1/abc");
	interval();
	CHECK_INT(t.held.len, 8);
	hold("1:1/ab");
	UNTIL_HELD("1:1/ab");
	end();
}

/* What cannot be read is said once, what is held stays so; a file in its place is no directory. */
static void unreadable(void)
{
	start();
	hold("1:1/a");
	NEXT_PASS();
	take_away(root, "etc/held.client");
	put_file(root, "etc/held.client/file", "");
	for (int i = 0; i < 3; i++)
		interval();
	CHECK(said("cannot read") == 1 && said("held.client") == 1);
	take_away(root, "etc/held.client");
	interval();
	CHECK_INT(t.held.len, 0);
	put_file(root, "etc/held.client/file", "");
	interval();
	CHECK_INT(said("cannot read"), 2); /* that is news */
	end();
}

static void hup(void)
{
	start();
	NEXT_PASS();
	CHECK(!t.others);
	CHECK_INT(t.reads, 0);
	kill(getpid(), SIGHUP);
	NEXT_PASS();
	CHECK(t.others);
	CHECK_INT(t.reads, 1);
	interval();
	CHECK(!t.others);
	CHECK_INT(t.reads, 1);
	t.wrong = true;
	kill(getpid(), SIGHUP);
	NEXT_PASS();
	CHECK(!t.others); /* those in force are as they were */
	CHECK_INT(t.reads, 2);
	interval();
	CHECK_INT(t.reads, 2);
	end();
}

/* What is not given back in time is left, and no longer waited for. */
static void stopped(void)
{
	uint64_t began;

	for (int with_stop = 0; with_stop < 2; with_stop++) {
		struct daemon_role other = role;

		start();
		if (!with_stop)
			other.loop.stop = NULL;
		t.daemon.role = &other;
		NEXT_PASS();
		stops = 0;
		t.last = UINT_MAX;
		t.deadline = loop_clock() + DEADLINE_MS;
		kill(getpid(), SIGTERM);
		kill(getpid(), SIGINT);
		began = loop_clock();
		loop_run(&t.daemon.loop);
		CHECK(t.daemon.loop.now - began >= 200);
		CHECK(t.daemon.loop.now < t.deadline);
		CHECK_INT(stops, with_stop);
		end();
	}
}

/* For want of memory it tries again, and logs that once; else the driver is gone. */
static void driver_fails(void)
{
	start();
	NEXT_PASS();
	for (int round = 1; round < 3; round++) {
		for (int i = 0; i < 3; i++) {
			t.daemon.loop.next = UINT64_MAX;
			CHECK(!daemon_check_driver(&t.daemon, i < 2 ? -ENOMEM : -EAGAIN));
			CHECK_INT(t.daemon.loop.next, t.daemon.loop.now + 1000);
		}
		CHECK_INT(said("cannot read the files of kernel module none"), 2 * round);
		CHECK(daemon_check_driver(&t.daemon, 0));
	}
	CHECK(!t.daemon.lost);
	CHECK(!daemon_check_driver(&t.daemon, -ENOENT));
	CHECK(t.daemon.lost);
	CHECK_INT(said("cannot go on without kernel module none"), 1);
	t.last = UINT_MAX;
	t.deadline = loop_clock() + DEADLINE_MS;
	loop_run(&t.daemon.loop);
	CHECK(t.daemon.loop.now < t.deadline);
	end();
}

static void cannot_open(void)
{
	start();
	daemon_close(&t.daemon, false);
	t.wrong = true;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 2);
	CHECK_INT(log_kept.lines, 0); /* rules_read() logs it */
	t.options.sysfs = "/nonexistent";
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 2);
	CHECK_INT(log_kept.lines, 0);
	t.wrong = false;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 1);
	CHECK_INT(said("cannot open /nonexistent"), 1);
	t.options.sysfs = root;
	t.options.once = true;
	driver_error = -EACCES;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 1);
	CHECK_INT(said("cannot use none"), 1);
	driver_error = 0;
	put_file(root, "etc/hooks.d/.x", ""); /* its process ends */
	put_file(root, "run", "");
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 1);
	CHECK_INT(said("cannot use "), 2);
	CHECK_INT(log_kept.lines, 3);
	must(wait(NULL) > 0, "wait for the process of the hooks");
	temp_remove(root);
}

/* To end would mean to be started again every two seconds. */
static void waits_for_driver(void)
{
	static const int growing[] = { 1000, 2000, 4000, 8000, 15000, 15000 };
	struct sockaddr_un supervisor = { .sun_family = AF_UNIX };

	start();
	daemon_close(&t.daemon, false);
	said_forget();
	memset(&delays, 0, sizeof(delays));
	must(str_format(supervisor.sun_path, sizeof(supervisor.sun_path), "%s/notify", root),
	     "name the socket");
	delays.notify = socket(AF_UNIX, SOCK_DGRAM, 0);
	must(!bind(delays.notify, (struct sockaddr *)&supervisor, sizeof(supervisor)), "bind");
	setenv("NOTIFY_SOCKET", supervisor.sun_path, 1);
	driver_error = -EROFS;
	fails = LENGTH(growing) + 1;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 0);
	CHECK_INT(delays.count, LENGTH(growing));
	for (size_t i = 0; i < LENGTH(growing); i++)
		CHECK_INT(delays.ms[i], growing[i]);
	CHECK_STR(delays.told, "READY=1"); /* nothing that comes after it is held up */
	CHECK_INT(said("cannot use none"), 1);
	CHECK_INT(log_kept.lines, 1);
	unsetenv("NOTIFY_SOCKET");
	close(delays.notify);
	end();
}

/* A reload that comes too early does not end it, and is not forgotten. */
static void reloaded_while_it_waits(void)
{
	sigset_t hup;

	start();
	daemon_close(&t.daemon, false);
	memset(&delays, 0, sizeof(delays));
	delays.notify = -1;
	delays.reload = true;
	sigemptyset(&hup);
	sigaddset(&hup, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &hup, NULL); /* as in a new process */
	driver_error = -EROFS;
	fails = 2;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 0);
	CHECK_INT(delays.count, 1);
	t.reads = 0;
	NEXT_PASS();
	CHECK_INT(t.reads, 1);
	CHECK(t.others);
	end();
}

static void waits_for_another(void)
{
	char name[TEMP_SIZE + 32];

	start();
	daemon_close(&t.daemon, false);
	said_forget();
	memset(&delays, 0, sizeof(delays));
	delays.notify = -1;
	delays.ends = 3;
	put_file(root, "run/client.lock", "");
	snprintf(name, sizeof(name), "%s/client.lock", run_dir);
	delays.lock = open(name, O_RDWR | O_CLOEXEC);
	must(!flock(delays.lock, LOCK_EX), "take the lock");
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 0);
	CHECK_INT(delays.count, 3);
	CHECK_INT(said("/run: another one runs"), 1);
	CHECK_INT(log_kept.lines, 1);
	end();
}

/* Its file of rules, or of keys, may be on a file system that comes later: without it nothing is
 * exported or attached, but it is not to be started again and again, nor never. */
static void waits_for_file(bool rules, bool wrong)
{
	static const int growing[] = { 1000, 2000, 4000 };
	char name[TEMP_SIZE + 8];

	start();
	daemon_close(&t.daemon, false);
	said_forget();
	memset(&t.daemon, 0, sizeof(t.daemon));
	memset(&delays, 0, sizeof(delays));
	delays.notify = -1;
	delays.file = rules ? "later" : "keys";
	snprintf(name, sizeof(name), "%s/%s", root, delays.file);
	if (rules) {
		t.options.rules.file = name;
	} else {
		t.options.psk = name;
		t.options.keys = &keys;
	}
	t.reads = t.keys_reads = 0;
	t.options.once = true;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 1);
	CHECK_INT(delays.count, 0);
	CHECK_INT(t.reads, 0);
	CHECK_INT(said("cannot read"), 1);
	t.options.once = false;
	memset(&t.daemon, 0, sizeof(t.daemon));
	delays.comes = LENGTH(growing);
	delays.comes_wrong = wrong;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), wrong ? 2 : 0);
	CHECK_INT(delays.count, LENGTH(growing));
	for (size_t i = 0; i < LENGTH(growing); i++)
		CHECK_INT(delays.ms[i], growing[i]);
	CHECK_INT(t.reads, 1);
	CHECK_INT(t.keys_reads, !rules && !wrong);
	CHECK_INT(said("cannot read"), 2); /* once in each start */
	CHECK_INT(log_kept.lines, 2);
	if (wrong)
		temp_remove(root);
	else
		end();
}

static void waits_for_rules(void)
{
	waits_for_file(true, false);
	waits_for_file(true, true);
}

static void waits_for_keys(void)
{
	waits_for_file(false, false);
	waits_for_file(false, true);
}

/* Keys that are wrong are no reason to wait. */
static void wrong_keys(void)
{
	char name[TEMP_SIZE + 8];

	start();
	daemon_close(&t.daemon, false);
	put_file(root, "keys", "");
	snprintf(name, sizeof(name), "%s/keys", root);
	t.options.psk = name;
	t.options.keys = &keys;
	t.keys_wrong = true;
	CHECK_INT(daemon_open(&t.daemon, &t.options, &role, &t.rules, &t), 2);
	CHECK_INT(t.keys_reads, 1);
	CHECK_INT(log_kept.lines, 0); /* keys_read() logs it */
	temp_remove(root);
}

static void no_leak(void)
{
	unsigned before = open_files();

	made_later();
	cannot_open();
	waits_for_driver();
	reloaded_while_it_waits();
	waits_for_another();
	waits_for_rules();
	wrong_keys();
	CHECK_INT(open_files(), before);
}

int main(void)
{
	RUN("t_daemon: what is held changes", changes);
	RUN("t_daemon: what the other role holds", of_the_other_role);
	RUN("t_daemon: a directory made later, removed, and made again", made_later);
	RUN("t_daemon: another directory in its place", exchanged);
	RUN("t_daemon: what cannot be read", unreadable);
	RUN("t_daemon: SIGHUP", hup);
	RUN("t_daemon: told to stop, with a limit", stopped);
	RUN("t_daemon: the driver fails", driver_fails);
	RUN("t_daemon: what cannot be opened", cannot_open);
	RUN("t_daemon: waits for the driver", waits_for_driver);
	RUN("t_daemon: waits for another daemon", waits_for_another);
	RUN("t_daemon: waits for the file of rules", waits_for_rules);
	RUN("t_daemon: waits for the file of keys", waits_for_keys);
	RUN("t_daemon: keys that are wrong", wrong_keys);
	RUN("t_daemon: no descriptor is left open", no_leak);
	return check_status();
}
