/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/loop, sd_notify(3): what a supervisor is told, and that it does no harm when there is
 * none, or it does not listen. Then the program in $USBIPHP (build/usbiphp) tells it as a daemon.
 */
#include "loop/loop.h"

#include "tests/program.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { HOUR_MS = 3600 * 1000, DEADLINE_MS = 20000, NOW = 70000 };

static char root[TEMP_SIZE];

/* A supervisor's socket at a path or, with '@', in the abstract; NOTIFY_SOCKET names it. */
static int supervise(const char *format)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[sizeof(address.sun_path)];
	int len = snprintf(name, sizeof(name), format, root);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, (size_t)len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
	     "listen as a supervisor");
	must(!setenv("NOTIFY_SOCKET", name, 1), "name it");
	return fd;
}

/* The next that comes within that time, or "". */
static const char *heard(int fd, int ms)
{
	static char text[64];
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&ready, 1, ms) > 0 ? recv(fd, text, sizeof(text) - 1, 0) : 0;

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void forget(void)
{
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void set(const char *name, const char *value)
{
	if (value)
		must(!setenv(name, value, 1), "set a variable");
	else
		unsetenv(name);
}

#define OWN "(own)"

static const struct {
	const char *usec, *pid;
	uint64_t every; /* 0: no sign of life is wanted */
} watchdogs[] = {
	{ NULL, NULL, 0 },
	{ NULL, OWN, 0 },
	{ "30000000", NULL, 10000 },
	{ "30000000", OWN, 10000 },
	{ "30000000", "1", 0 },
	{ "30000000", "0", 0 },
	{ "30000000", "", 0 },
	{ "30000000", "x", 0 },
	{ "30000000", "-1", 0 },
	{ "30000000", "99999999999999999999", 0 },
	{ "3000", NULL, 1 },
	{ "2000000", NULL, 666 },
	{ "4294967295", NULL, 1431655 },
	/* two hours and more: more often than is wanted */
	{ "7200000000", NULL, 1431655 },
	{ "18446744073709551615", NULL, 1431655 },
	{ "99999999999999999999", NULL, 1431655 },
	{ "0", NULL, 0 },
	{ "1", NULL, 0 },
	{ "", NULL, 0 },
	{ "x", NULL, 0 },
	{ "30000000x", NULL, 0 },
	{ " 30000000", NULL, 0 },
	{ "-1", NULL, 0 },
	{ "3e7", NULL, 0 },
};

static void watchdog(void)
{
	char own[16];
	int fd = supervise("%s/notify");

	snprintf(own, sizeof(own), "%d", getpid());
	for (size_t i = 0; i < LENGTH(watchdogs); i++) {
		const char *pid = watchdogs[i].pid;
		struct loop_notify notify;

		set("WATCHDOG_USEC", watchdogs[i].usec);
		set("WATCHDOG_PID", pid && !strcmp(pid, OWN) ? own : pid);
		check_begin("t_sd_notify: watchdog of '%s' for '%s'",
			    watchdogs[i].usec ? watchdogs[i].usec : "(none)", pid ? pid : "(any)");
		loop_notify_open(&notify);
		CHECK_STR(heard(fd, 0), "");
		loop_notify_alive(&notify, NOW);
		CHECK_STR(heard(fd, 0), "READY=1");
		if (watchdogs[i].every)
			CHECK_INT(notify.next, NOW + watchdogs[i].every);
		else
			CHECK(notify.next > NOW + 1000000ull * HOUR_MS);
		loop_notify_alive(&notify, NOW + HOUR_MS);
		CHECK_STR(heard(fd, 0), watchdogs[i].every ? "WATCHDOG=1" : "");
		CHECK_STR(heard(fd, 0), "");
		close(notify.fd);
		check_end();
	}
	close(fd);
	forget();
	take_away(root, "notify");
}

/* In time, neither sooner nor again, and there is the end. */
static void tell_all(const char *format)
{
	struct loop_notify notify;
	int fd = supervise(format);

	set("WATCHDOG_USEC", "3000000");
	loop_notify_open(&notify);
	for (uint64_t now = NOW; now <= NOW + 3000; now += 500) {
		loop_notify_alive(&notify, now);
		CHECK_STR(heard(fd, 0), now == NOW ? "READY=1" :
					now % 1000 ? "" : "WATCHDOG=1");
	}
	loop_notify_send(&notify, "STOPPING=1");
	CHECK_STR(heard(fd, 0), "STOPPING=1");
	loop_notify_alive(&notify, NOW + 4000); /* it still has to give everything back */
	CHECK_STR(heard(fd, 0), "WATCHDOG=1");
	CHECK_STR(heard(fd, 0), "");
	close(notify.fd);
	close(fd);
	forget();
}

static void by_path(void)
{
	tell_all("%s/notify");
	take_away(root, "notify");
}

static void abstract(void)
{
	tell_all("@%s/notify");
}

/* Another one whose name begins alike is not meant. */
static void abstract_is_exact(void)
{
	int other = supervise("@%s/notify-other"), fd = supervise("@%s/notify");
	struct loop_notify notify;

	loop_notify_open(&notify);
	loop_notify_alive(&notify, NOW);
	CHECK_STR(heard(other, 0), "");
	CHECK_STR(heard(fd, 0), "READY=1");
	close(notify.fd);
	close(other);
	close(fd);
	forget();
}

/* Who is not there, or has no name that can be one: nothing is said, and nothing is left open. */
static void nobody(void)
{
	static char longer[200];
	static const char *const names[] = { NULL, "", "@", "/nonexistent/notify", "/dev/null",
					     "notify", longer };
	unsigned before = open_files();

	memset(longer, 'l', sizeof(longer) - 1);
	longer[0] = '/';
	for (size_t i = 0; i < LENGTH(names); i++) {
		struct loop_notify notify;

		set("NOTIFY_SOCKET", names[i]);
		set("WATCHDOG_USEC", "3000000");
		loop_notify_open(&notify);
		for (uint64_t now = NOW; now <= NOW + 3000; now += 500)
			loop_notify_alive(&notify, now);
		loop_notify_send(&notify, "STOPPING=1");
		CHECK(!notify.ready && notify.next > NOW + 1000000ull * HOUR_MS);
		close(notify.fd);
	}
	CHECK_INT(open_files(), before);
	forget();
}

/* The longest names that there are. */
static void long_names(void)
{
	for (unsigned abstract_too = 0; abstract_too < 2; abstract_too++) {
		char format[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1] = "%s/";
		size_t used = strlen(root) + 1 + abstract_too;
		struct loop_notify notify;
		int fd;

		if (abstract_too)
			snprintf(format, sizeof(format), "@%%s/");
		memset(format + strlen(format), 'n', 107 - used);
		fd = supervise(format);
		CHECK_INT(strlen(getenv("NOTIFY_SOCKET")), 107);
		loop_notify_open(&notify);
		loop_notify_alive(&notify, NOW);
		CHECK_STR(heard(fd, 0), "READY=1");
		close(notify.fd);
		close(fd);
	}
	forget();
}

/* What it does not take now, it is told when it does. */
static void full(void)
{
	struct loop_notify notify;
	int fd = supervise("%s/notify"), filled = 0;

	loop_notify_open(&notify);
	while (send(notify.fd, "x", 1, MSG_DONTWAIT) == 1)
		filled++;
	CHECK(filled > 0 && errno == EAGAIN);
	loop_notify_alive(&notify, NOW);
	CHECK(!notify.ready);
	CHECK_INT(notify.next, NOW + 1000);
	for (int i = 0; i < filled; i++)
		CHECK_STR(heard(fd, 0), "x");
	loop_notify_alive(&notify, NOW + 999);
	CHECK_STR(heard(fd, 0), "");
	loop_notify_alive(&notify, NOW + 1000);
	CHECK_STR(heard(fd, 0), "READY=1");
	CHECK(notify.ready);
	close(notify.fd);
	close(fd);
	forget();
	take_away(root, "notify");
}

static void gone(void)
{
	struct loop_notify notify;
	int fd = supervise("%s/notify");

	set("WATCHDOG_USEC", "3000000");
	loop_notify_open(&notify);
	loop_notify_alive(&notify, NOW);
	CHECK_STR(heard(fd, 0), "READY=1");
	close(fd);
	take_away(root, "notify");
	loop_notify_alive(&notify, NOW + 1000);
	CHECK_INT(notify.next, NOW + 2000);
	loop_notify_send(&notify, "STOPPING=1");
	close(notify.fd);
	forget();
}

/* A loop whose pass looks whether something was said that is not true. */
static struct {
	struct loop loop;
	struct loop_source early; /* ready before the first pass */
	int fd;
	unsigned passes, alive;
} t;

static void early(struct loop_source *source, uint32_t events)
{
	(void)events;
	CHECK(!t.passes);
	loop_drop(&t.loop, source);
}

static void pass(void *ctx)
{
	(void)ctx;
	if (!t.passes++) {
		CHECK_STR(heard(t.fd, 0), "");
		return;
	}
	/* As long as this one hangs nobody hears a sign of life; a thousandth is wanted. */
	while (*heard(t.fd, 0))
		;
	CHECK_STR(heard(t.fd, 50), "");
}

static void stop(void *ctx)
{
	(void)ctx;
}

static bool done(void *ctx)
{
	const char *text;

	(void)ctx;
	while (*(text = heard(t.fd, 0))) {
		CHECK_STR(text, t.alive++ ? "WATCHDOG=1" : "READY=1");
		CHECK(t.passes);
	}
	if (t.alive == 10)
		loop_pass_now(&t.loop);
	return t.alive >= 20;
}

static void in_the_loop(void)
{
	static const struct loop_role role = { pass, stop, done };

	memset(&t, 0, sizeof(t));
	t.fd = supervise("%s/notify");
	set("WATCHDOG_USEC", "3000");
	must(!loop_open(&t.loop, HOUR_MS, &role, &t), "open the loop");
	loop_notify_open(&t.loop.notify);
	t.early.fd = eventfd(1, EFD_CLOEXEC);
	t.early.ready = early;
	must(!loop_watch(&t.loop, &t.early, EPOLLIN), "watch");
	loop_run(&t.loop);
	CHECK(t.passes >= 2 && t.early.fd < 0);
	loop_close(&t.loop);
	close(t.fd);
	forget();
	take_away(root, "notify");
}

static pid_t start(const char *const *argv)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid)
		return pid;
	alarm(TIMEOUT_S);
	execv(program, (char **)(uintptr_t)argv);
	_exit(99);
}

/* Ready, alive for a while though its next look is far away, stopping, and ended. */
static void daemon_lives(const char *const *argv)
{
	int fd = supervise("%s/notify"), status;
	const char *text;
	pid_t pid;

	set("WATCHDOG_USEC", "90000");
	pid = start(argv);
	CHECK_STR(heard(fd, DEADLINE_MS), "READY=1");
	for (int i = 0; i < 3; i++)
		CHECK_STR(heard(fd, DEADLINE_MS), "WATCHDOG=1");
	kill(pid, SIGTERM);
	while (!strcmp(text = heard(fd, DEADLINE_MS), "WATCHDOG=1"))
		;
	CHECK_STR(text, "STOPPING=1");
	must(waitpid(pid, &status, 0) == pid, "wait for it");
	CHECK_INT(status, 0);
	close(fd);
	forget();
	take_away(root, "notify");
}

static void server_daemon(void)
{
	char sys[TEMP_SIZE + 8], run_dir[TEMP_SIZE + 8];

	snprintf(sys, sizeof(sys), "%s/host", root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	put_file(root, "host/bus/usb/drivers/usbip-host/match_busid", "");
	put_file(root, "host/bus/usb/devices/none", "");
	daemon_lives((const char *const[]){ "usbiphp-server", "--sysfs", sys, "--run", run_dir,
					    "--config", run_dir, "-i", "3600", "-l",
					    "127.0.0.1:34240", NULL });
}

/* Its server takes connections, and never says a word. */
static void client_daemon(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	char sys[TEMP_SIZE + 8], run_dir[TEMP_SIZE + 8], name[32];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) && !listen(fd, 8) &&
		     !getsockname(fd, (struct sockaddr *)&address, &len),
	     "listen");
	snprintf(name, sizeof(name), "127.0.0.1:%u", ntohs(address.sin_port));
	snprintf(sys, sizeof(sys), "%s/client", root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	must(!mkdir(sys, 0755), "make /sys");
	tree_unpack(sys, FIXTURES "sysfs/client-6.12.tree");
	daemon_lives((const char *const[]){ "usbiphp-client", "--sysfs", sys, "--run", run_dir,
					    "--config", run_dir, "-i", "3600", name, NULL });
	close(fd);
}

int main(void)
{
	program_begin();
	forget();
	temp_make(root);
	watchdog();
	RUN("t_sd_notify: a socket in the file system", by_path);
	RUN("t_sd_notify: an abstract socket", abstract);
	RUN("t_sd_notify: an abstract name is exact", abstract_is_exact);
	RUN("t_sd_notify: the longest names", long_names);
	RUN("t_sd_notify: nobody wants to know", nobody);
	RUN("t_sd_notify: a supervisor whose socket is full", full);
	RUN("t_sd_notify: a supervisor that is gone", gone);
	RUN("t_sd_notify: in the loop", in_the_loop);
	RUN("t_sd_notify: usbiphp-server", server_daemon);
	RUN("t_sd_notify: usbiphp-client", client_daemon);
	temp_remove(root);
	return program_end();
}
