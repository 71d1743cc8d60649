/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/client: the whole client, with its inspector, on a tree of files where the test plays
 * vhci-hcd. What an earlier client attached is adopted, detached, or kept as its disk is in use; and what is
 * left at the end. Each case is a process of its own.
 * LINK: -Wl,--wrap=sysfs_write,--wrap=protect_survey,--wrap=sync,--wrap=sandbox_enter
 * LINK: -Wl,--wrap=sandbox_enter_inspector,--wrap=clock_gettime
 */
#include "client/client.h"

#include "client/places.h"
#include "lib/sandbox.h"
#include "lib/str.h"
#include "tests/files.h"
#include "tests/list_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VHCI "devices/platform/vhci_hcd.0/"
#define HERE "127.0.0.1 1" /* a server, as records name it */
#define GONE "old.lan 3240"

enum { PORTS = 80 };

static char root[TEMP_SIZE], run_dir[TEMP_SIZE + 8];
static struct endpoint server[2];
static unsigned servers;
static bool used[PORTS];
static bool stuck; /* no port becomes free */
static uint64_t wait_until; /* of --wait */
static struct endpoint *accept_at; /* of --accept; NULL: not given */
static char in_use[40]; /* bus ids here, each with a blank behind it, of devices whose disk is in use */

int __wrap_sysfs_write(const struct sysfs *sysfs, const char *value, const char *path);
void __wrap_protect_survey(const struct sysfs *sysfs, struct protect_survey *survey);
void __wrap_sync(void);
void __wrap_sandbox_enter(int sysfs, const char *run, const char *records,
			  const struct endpoint *to, unsigned count);
void __wrap_sandbox_enter_inspector(void);

static void show_ports(void)
{
	char text[SYSFS_ATTRIBUTE_SIZE];
	size_t len = (size_t)snprintf(text, sizeof(text),
				      "hub port sta spd dev      sockfd local_busid\n");

	for (unsigned i = 0; i < PORTS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					used[i] ? "hs %04u 006 003 00010002 3 3-%u\n"
						: "hs %04u 004 000 0 0 0-0\n",
					i, i + 1);
	put_file(root, VHCI "status", text);
}

int __wrap_sysfs_write(const struct sysfs *sysfs, const char *value, const char *path)
{
	(void)sysfs;
	must(!strcmp(path, VHCI "detach"), path);
	if (!stuck)
		used[atoi(value)] = false;
	show_ports();
	return 0;
}

/* In the inspector. */
void __wrap_protect_survey(const struct sysfs *sysfs, struct protect_survey *survey)
{
	char busid[BUSID_SIZE + 1];

	(void)sysfs;
	must(survey->disks_only, "ask for disks");
	for (unsigned i = 0; i < survey->count; i++) {
		snprintf(busid, sizeof(busid), "%s ", survey->item[i].busid);
		if (strstr(in_use, busid))
			protect_need(&survey->item[i], "it holds the file system at /mnt");
	}
}

/* In the inspector, too. It is waited for. */
void __wrap_sync(void)
{
	poll(NULL, 0, 300);
	put_file(root, "synced", "");
}

void __wrap_sandbox_enter(int sysfs, const char *run, const char *records,
			  const struct endpoint *to, unsigned count)
{
	(void)sysfs;
	(void)run;
	(void)records;
	(void)to;
	(void)count;
}

void __wrap_sandbox_enter_inspector(void)
{
}

/* A device that an earlier client has attached; its record in both directories. */
static void attached(unsigned port, const char *record)
{
	char path[80];

	used[port] = true;
	snprintf(path, sizeof(path), "bus/usb/devices/3-%u/uevent", port + 1);
	put_file(root, path, "");
	for (unsigned stock = 0; stock < 2; stock++) {
		snprintf(path, sizeof(path), "%s/port%u", stock ? "vhci_hcd" : "run", port);
		put_file(root, path, record);
	}
	show_ports();
}

static bool has_record(const char *dir, unsigned port)
{
	char path[40];

	snprintf(path, sizeof(path), "%s/port%u", dir, port);
	return is_there(root, path);
}

/* Whether it is attached, with its records, or not, without them. */
#define ATTACHED(port, want)                                                                       \
	do {                                                                                       \
		CHECK_INT(used[port], want);                                                       \
		CHECK_INT(has_record("run", port), want);                                          \
		CHECK_INT(has_record("vhci_hcd", port), want);                                     \
	} while (0)

static void start(void)
{
	temp_make(root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	put_file(root, VHCI "attach", "");
	put_file(root, VHCI "detach", "");
	put_file(root, "bus/platform/drivers/vhci_hcd/uevent", "");
	put_link(root, VHCI "driver", "../../../bus/platform/drivers/vhci_hcd");
	show_ports();
	must(!endpoint_parse(&server[0], "127.0.0.1:1", "3240"), "parse the name");
	servers = 1;
}

/* What it writes to its log is kept in a file. */
static int run(bool once)
{
	struct daemon_options options = {
		.sysfs = root, .run = run_dir, .config = root, .interval = 10,
		.dead_after = 15, .once = once, .wait_until = wait_until,
		.rules = { .role = RULE_CLIENT },
	};
	static struct keys keys;
	char log[TEMP_SIZE + 8], path[TEMP_SIZE + 8];

	if (accept_at) {
		snprintf(path, sizeof(path), "%s/keys", root);
		must(!chmod(path, 0600), path);
		options.keys = &keys;
		options.psk = path;
	}
	snprintf(log, sizeof(log), "%s/log", root);
	must(freopen(log, "w", stderr), log);
	return client_run(&options, GUARD_OFF, accept_at, server, servers);
}

/* Asked to stop before its first pass. */
static int run_and_stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	return run(false);
}

static bool logged(const char *line)
{
	char path[TEMP_SIZE + 8], *text;
	bool found;

	snprintf(path, sizeof(path), "%s/log", root);
	text = file_read(path, NULL);
	found = text && strstr(text, line);
	free(text);
	return found;
}

static void stop_with_disk(void)
{
	attached(0, HERE " 1-1\n");
	attached(1, HERE " 1-2\n");
	attached(2, "pi.lan 3240 1-3\n");
	take_away(root, "run/port2"); /* somebody else's */
	strcpy(in_use, "3-1 ");
	CHECK_INT(run_and_stop(), 0);
	ATTACHED(0, true);
	ATTACHED(1, false);
	CHECK(used[2] && has_record("vhci_hcd", 2));
	CHECK(logged("1-1 (0000:0000) at 127.0.0.1:1: stays attached: it holds the file system"));
	CHECK(!logged("still attached"));
	CHECK(is_there(root, "synced"));
	CHECK(is_there(root, "run/client.boot") && !is_there(root, "run/client.lock"));
}

static void stop_without_disk(void)
{
	attached(0, HERE " 1-1\n");
	attached(1, HERE " 1-2\n");
	CHECK_INT(run_and_stop(), 0);
	ATTACHED(0, false);
	ATTACHED(1, false);
	CHECK(!logged("stays attached") && !is_there(root, "synced"));
	CHECK(!is_there(root, "run/client.boot") && is_there(root, "run/places"));
	CHECK(!is_there(root, "vhci_hcd"));
}

/* The kernel does not free the port: that is a failure. */
static void stop_in_vain(void)
{
	attached(0, HERE " 1-1\n");
	attached(1, HERE " 1-2\n");
	stuck = true;
	CHECK_INT(run_and_stop(), 1);
	CHECK(logged("2 devices are still attached"));
	CHECK(is_there(root, "run/client.boot"));
}

/* The devices of a server that is not configured any more leave, but for the disk that is in use. */
static void server_removed(void)
{
	attached(0, GONE " 1-1\n");
	attached(1, GONE " 1-2\n");
	attached(2, HERE " 1-3\n");
	attached(3, "fe80::1 3240 1-4\n");
	strcpy(in_use, "3-2 3-3 ");
	CHECK_INT(run(true), 1); /* the other one cannot be reached */
	CHECK(!used[0] && used[1] && used[2] && !used[3]);
	CHECK(has_record("run", 1) && has_record("run", 2));
	CHECK(logged("old.lan:3240: is no longer configured: its devices are detached"));
	CHECK(logged("[fe80::1]:3240: is no longer configured"));
	CHECK(logged("1-2 (0000:0000) at old.lan:3240: stays attached: it holds the file system"));
	CHECK(!logged("1-3 (0000:0000) at 127.0.0.1:1: stays attached"));
	CHECK(is_there(root, "synced"));
}

/* Of more removed servers than there is room for the devices stay. */
static void many_removed(void)
{
	char record[40];

	for (unsigned i = 0; i <= CLIENT_SERVERS_MAX; i++) {
		snprintf(record, sizeof(record), "old%u.lan 3240 1-1\n", i);
		attached(i, record);
	}
	CHECK_INT(run_and_stop(), 0);
	for (unsigned i = 0; i <= CLIENT_SERVERS_MAX; i++)
		ATTACHED(i, i == CLIENT_SERVERS_MAX);
}

/* Servers that connect here are those that have a key: another one with the same port is one that is removed. */
static void accepts(void)
{
	struct endpoint endpoint;

	put_file(root, "keys", "client@attic:00112233445566778899aabbccddeeff\n"
			       "cellar:000102030405060708090a0b0c0d0e0f\n");
	must(!endpoint_parse(&endpoint, "127.0.0.1:3240", ""), "parse the address");
	accept_at = &endpoint;
	attached(0, "attic 3240 1-1\n");
	attached(1, "cellar 3240 1-1\n");
	attached(2, "client 3240 1-1\n");
	attached(3, "attic 3241 1-1\n");
	attached(4, GONE " 1-1\n");
	wait_until = loop_clock() + 1000;
	CHECK_INT(run(true), 1);
	ATTACHED(0, true);
	ATTACHED(1, true);
	ATTACHED(2, false);
	ATTACHED(3, false);
	ATTACHED(4, false);
	CHECK(logged("old.lan:3240: is no longer configured: its devices are detached"));
	CHECK(!logged("attic:3240: is no longer configured"));
}

static pid_t start_server(char port[LIST_SERVER_PORT_SIZE])
{
	pid_t pid = list_server_start(port);

	must(!endpoint_parse(&server[0], "127.0.0.1", port), "parse the address");
	return pid;
}

/* "127.1" is looked up, as a name. */
static void two_names(void)
{
	char port[LIST_SERVER_PORT_SIZE], want[80];
	pid_t pid = start_server(port);

	must(!endpoint_parse(&server[1], "127.1", port), "parse the name");
	servers = 2;
	CHECK_INT(run(true), 0);
	snprintf(want, sizeof(want), "127.1:%s: is the same server as 127.0.0.1:%s, which is used",
		 port, port);
	CHECK(logged(want));
	kill(pid, SIGKILL);
}

/* Whether ports have been noted for the next client. */
static bool has_places(void)
{
	char path[TEMP_SIZE + 20];
	struct stat st;

	snprintf(path, sizeof(path), "%s/places", run_dir);
	return !stat(path, &st) && st.st_size == VHCI_PORTS_MAX * sizeof(uint32_t);
}

/* With --wait it is attached by an earlier client, and the server answers. */
static void waits(void)
{
	char port[LIST_SERVER_PORT_SIZE], record[40];
	pid_t pid = start_server(port);

	snprintf(record, sizeof(record), "127.0.0.1 %s 1-1\n", port);
	attached(0, record);
	wait_until = loop_clock() + 600000; /* not reached */
	CHECK_INT(run(true), 0);
	ATTACHED(0, true);
	CHECK(has_places());
	kill(pid, SIGKILL);
}

/* Nothing is attached then, which is not what was wanted. */
static void waits_and_stops(void)
{
	wait_until = loop_clock() + 600000;
	CHECK_INT(run_and_stop(), 1);
	CHECK(logged("what was waited for is not there: no list of devices from 127.0.0.1:1"));
}

static void waits_in_vain(void)
{
	char port[LIST_SERVER_PORT_SIZE];
	pid_t pid = start_server(port);

	wait_until = loop_clock() + 500;
	CHECK_INT(run(true), 1);
	CHECK(logged("what was waited for is not there: no server has a device that is allowed"));
	kill(pid, SIGKILL);
}

/* In another process: SIGHUP to the client when the hook runs; once it was read, the hook may end. */
static void let_hook_end(pid_t client)
{
	for (unsigned i = 0; i < 6000 && !is_there(root, "began"); i++)
		poll(NULL, 0, 10);
	kill(client, SIGHUP);
	for (unsigned i = 0; i < 6000 && !logged("rules and keys reloaded"); i++)
		poll(NULL, 0, 10);
	put_file(root, "go", "");
	_exit(0);
}

/* When hooks run, the time for the ports is over by far: that of hooks is not. */
int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int result = __real_clock_gettime(id, t);

	t->tv_sec += is_there(root, "began") ? 15 : 0;
	return result;
}

static void stop_with_hook(void)
{
	char path[TEMP_SIZE + 20], script[5 * TEMP_SIZE + 100];
	pid_t client = getpid();

	attached(0, HERE " 1-1\n");
	snprintf(script, sizeof(script), "#!/bin/sh\n: >%s/began\nwhile ! [ -e %s/go ]; do "
		 "sleep 0.05; done\nrmdir %s/vhci_hcd || : >%s/kept\n: >%s/done\n", root,
		 root, root, root, root);
	put_file(root, "hooks.d/slow", script);
	snprintf(path, sizeof(path), "%s/hooks.d/slow", root);
	must(!chmod(path, 0755), path);
	if (!fork())
		let_hook_end(client);
	CHECK_INT(run_and_stop(), 0);
	ATTACHED(0, false);
	CHECK(is_there(root, "done"));
	CHECK(is_there(root, "kept")); /* the stock tool cannot remove the directory of records */
	CHECK(!is_there(root, "vhci_hcd"));
}

static void in_process(const char *case_name, void (*function)(void))
{
	int status;
	pid_t pid;

	check_begin("t_client: %s", case_name);
	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		start();
		function();
		temp_remove(root);
		exit(check.faults != 0);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	if (!WIFEXITED(status))
		CHECK_INT(WTERMSIG(status), 0);
	else if (WEXITSTATUS(status))
		check.failed += ++check.faults;
	check_end();
}

int main(void)
{
	in_process("stop, a disk is in use", stop_with_disk);
	in_process("stop, no disk is in use", stop_without_disk);
	in_process("stop, a port does not become free", stop_in_vain);
	in_process("stop, a hook takes its time", stop_with_hook);
	in_process("a server that is removed", server_removed);
	in_process("servers that connect here", accepts);
	in_process("two names of one server", two_names);
	in_process("it waits for what is attached", waits);
	in_process("it waits, and is stopped", waits_and_stops);
	in_process("it waits in vain", waits_in_vain);
	in_process("more servers that are removed than there is room for", many_removed);
	return check_status();
}
