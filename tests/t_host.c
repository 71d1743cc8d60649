/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/host, host_observe and host_act: passes over several devices, from the start to the
 * end of a server. The test plays the kernel with a tree of files, and the engine in the processes
 * of its jobs; the clock is moved by the test.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line,--wrap=daemon_run,--wrap=uevent_open,--wrap=stub_bind,--wrap=stub_end,--wrap=stub_release
 */
#include "host/host.h"

#include "sysfs/stub.h"
#include "tests/clock.h"
#include "tests/files.h"
#include "tests/said.h"

#include <signal.h>

#define HOME "devices/pci0000:00/usb1/"
#define SLOTS "bus/usb/drivers/usbip-host/match_busid"
#define JOBS "jobs" /* what the engine was told to do, in this order */
#define RULES "rules"

static char root[TEMP_SIZE], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8], rules[TEMP_SIZE + 8];

static struct {
	struct host *host;
	struct daemon *daemon;
	void (*scene)(void);
	/* in the processes of jobs */
	const char *fails; /* busid; NULL: none */
	struct stub_result failure;
	const char *slow; /* verb of a job that waits until there is a file "go" */
	bool resets;	  /* a session that was ended leaves the device in its reset */
} t;

int __wrap_uevent_open(void);
void __wrap_daemon_run(struct daemon *daemon, const char *records, bool programs);
struct stub_result __wrap_stub_bind(const struct sysfs *fs, const char *busid);
struct stub_result __wrap_stub_end(const struct sysfs *fs, const char *busid, int connection);
struct stub_result __wrap_stub_release(const struct sysfs *fs, const char *busid);

/* No event of this machine counts. */
int __wrap_uevent_open(void)
{
	return -EPERM;
}

static void put_attribute(const char *busid, const char *name, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), HOME "%s/%s", busid, name);
	put_file(root, path, text);
}

/* NULL: it has none. */
static void put_driver(const char *busid, const char *driver)
{
	char path[100], target[100];

	snprintf(path, sizeof(path), HOME "%s/driver", busid);
	if (!driver) {
		take_away(root, path);
		return;
	}
	snprintf(target, sizeof(target), "../../../../bus/usb/drivers/%s", driver);
	put_link(root, path, target);
}

static void plug(const char *busid, const char *driver)
{
	static const uint8_t descriptors[] = {
		18, 1, 0, 3, 0, 0, 0, 9, 0xf4, 0x46, 1, 0, 2, 0, 0, 0, 0, 1,
		9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 80, 0,
	};
	static unsigned plugs;
	char path[100], target[100], devnum[12];

	snprintf(devnum, sizeof(devnum), "%u\n", ++plugs);
	put_attribute(busid, "idVendor", "46f4\n");
	put_attribute(busid, "idProduct", "0001\n");
	put_attribute(busid, "bDeviceClass", "00\n");
	put_attribute(busid, "busnum", "1\n");
	put_attribute(busid, "devnum", devnum);
	put_attribute(busid, "speed", "480\n");
	put_attribute(busid, "usbip_status", "1\n");
	snprintf(path, sizeof(path), HOME "%s/descriptors", busid);
	put_bytes(root, path, descriptors, sizeof(descriptors));
	put_driver(busid, driver);
	snprintf(path, sizeof(path), DEVICE_DIR "%s", busid);
	snprintf(target, sizeof(target), "../../../" HOME "%s", busid);
	put_link(root, path, target);
}

static void unplug(const char *busid)
{
	char path[100];

	snprintf(path, sizeof(path), DEVICE_DIR "%s", busid);
	take_away(root, path);
	snprintf(path, sizeof(path), HOME "%s", busid);
	take_away(root, path);
}

/* Appended at once, as jobs run side by side. */
static void append(const char *path, const char *format, const char *busid)
{
	char name[PATH_MAX], line[100];
	int fd, len = snprintf(line, sizeof(line), format, busid);

	snprintf(name, sizeof(name), "%s/%s", root, path);
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	must(fd >= 0 && write(fd, line, (size_t)len) == len, name);
	close(fd);
}

static bool has_word(const char *path, const char *word)
{
	char name[PATH_MAX], *text;
	bool found = false;

	snprintf(name, sizeof(name), "%s/%s", root, path);
	text = file_read(name, NULL);
	for (char *cursor = text, *next; text && (next = str_word(&cursor));)
		found = found || !strcmp(next, word);
	free(text);
	return found;
}

/* In the process of a job. Returns whether it succeeds. */
static bool work(const char *verb, const char *busid)
{
	char format[40];

	snprintf(format, sizeof(format), "%s %%s\n", verb);
	append(JOBS, format, busid);
	if (!has_word("run/bound", busid)) /* a killed server would not know it again */
		append(JOBS, "%s is not noted\n", busid);
	while (t.slow && !strcmp(t.slow, verb) && !is_there(root, "go"))
		usleep(1000);
	return !t.fails || strcmp(t.fails, busid) != 0;
}

struct stub_result __wrap_stub_bind(const struct sysfs *fs, const char *busid)
{
	(void)fs;
	if (!work("bind", busid))
		return t.failure;
	if (!has_word(SLOTS, busid))
		append(SLOTS, "%s ", busid);
	put_driver(busid, STUB_DRIVER);
	return (struct stub_result){ 0, STUB_STEP_NONE };
}

struct stub_result __wrap_stub_end(const struct sysfs *fs, const char *busid, int connection)
{
	(void)fs;
	(void)connection;
	if (!work("end", busid))
		return t.failure;
	if (!t.resets)
		put_attribute(busid, "usbip_status", "1\n");
	return (struct stub_result){ 0, STUB_STEP_NONE };
}

struct stub_result __wrap_stub_release(const struct sysfs *fs, const char *busid)
{
	(void)fs;
	if (!work("release", busid))
		return t.failure;
	put_driver(busid, "usb");
	return (struct stub_result){ 0, STUB_STEP_NONE };
}

static const struct loop_role *server_role;

static void pass(void *ctx)
{
	server_role->pass(ctx);
}

static void stop(void *ctx)
{
	server_role->stop(ctx);
}

/* The scene in place of the loop, without the sandbox. */
void __wrap_daemon_run(struct daemon *daemon, const char *records, bool programs)
{
	static const struct loop_role role = { pass, stop, clock_done };

	CHECK(!records && !programs);
	t.daemon = daemon;
	t.host = daemon->ctx;
	server_role = daemon->loop.role;
	daemon->loop.role = &role;
	t.scene();
}

static void start(void)
{
	memset(&t, 0, sizeof(t));
	said_forget();
	temp_make(root);
	snprintf(run_dir, sizeof(run_dir), "%s/run", root);
	snprintf(config, sizeof(config), "%s/etc", root);
	snprintf(rules, sizeof(rules), "%s/" RULES, root);
	put_file(root, SLOTS, "");
	put_file(root, JOBS, "");
	put_file(root, RULES, "");
	make_parents(root, DEVICE_DIR);
}

/* A server from its start to its end, during which the scene is played. */
static void serve(void (*scene)(void), bool once, int want)
{
	static char name[] = "t_host";
	struct daemon_options options = {
		.name = name, .sysfs = root, .run = run_dir, .config = config,
		.rules = { .role = RULE_SERVER, .file = rules },
		.interval = 3600, .dead_after = 15, .once = once,
	};

	t.scene = scene;
	CHECK_INT(host_run(&options, NULL, 0, NULL, false), want);
	memset(t.host, 0, sizeof(*t.host)); /* the next one is another process */
}

static void end(void)
{
	temp_remove(root);
}

/* By an earlier run. */
static void was_bound(const char *busids)
{
	put_file(root, "run/bound", busids);
}

/* A device that an earlier run has bound, and that a client uses since then. */
static void plug_in_use(const char *busid)
{
	char path[100];

	plug(busid, STUB_DRIVER);
	put_attribute(busid, "usbip_status", "2\n");
	snprintf(path, sizeof(path), "run/session.%s", busid);
	put_file(root, path, "10.0.0.1 3240 10.0.0.2 40000\n");
}

static bool is_over(void)
{
	return server_role->done(t.daemon);
}

static bool is_idle(void)
{
	EACH_EXPORT(&t.host->exports, export)
		if (export_has_job(export) || export->reader.child.pid)
			return false;
	return t.host->passed && t.daemon->loop.next > t.daemon->loop.now;
}

static unsigned jobs_running(void)
{
	unsigned n = 0;

	EACH_EXPORT(&t.host->exports, export)
		n += export_has_job(export);
	return n;
}

/* A job is running, and its process has come so far that it is written down. */
static bool job_has_begun(void)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" JOBS, root);
	return jobs_running() && !stat(path, &st) && st.st_size;
}

/* Until all that can be done now is done. */
static void settle(void)
{
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_idle);
}

/* The same so much later. */
static void later(uint64_t ms)
{
	run_after(&t.daemon->loop, ms);
	UNTIL(&t.daemon->loop, is_idle);
}

static void stop_server(void)
{
	kill(getpid(), SIGTERM);
	UNTIL(&t.daemon->loop, is_over);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_lines(char *text, char *sorted)
{
	char *line[64], *cursor = text, *next;
	size_t n = 0;

	while (n < LENGTH(line) && (next = str_line(&cursor)))
		if (*next)
			line[n++] = next;
	qsort(line, n, sizeof(*line), compare_lines);
	*sorted = '\0';
	for (size_t i = 0; i < n; i++)
		sorted += sprintf(sorted, "%s\n", line[i]);
}

/* Since the last call: so many jobs were begun, in any order. */
#define JOBS_WERE(want) jobs_were(want, __LINE__)

static void jobs_were(const char *want, int line)
{
	char path[PATH_MAX], got[4000], *text;

	snprintf(path, sizeof(path), "%s/" JOBS, root);
	text = file_read(path, NULL);
	must(text && strlen(text) < sizeof(got), "read the jobs");
	sort_lines(text, got);
	if (strcmp(got, want) != 0)
		check_fault(__FILE__, line, "the jobs were \"%s\", not \"%s\"", got, want);
	free(text);
	put_file(root, JOBS, "");
}

static struct export *find(const char *busid)
{
	struct export *export = exports_find(&t.host->exports, busid);

	must(export, busid);
	return export;
}

static void change_rules(const char *text)
{
	put_file(root, RULES, text);
	t.daemon->loop.hup = true;
	loop_pass_now(&t.daemon->loop);
}

static void whole_life_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\nbind 1-2\n");
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK_INT(find("1-2")->state, EXPORT_AVAILABLE);
	CHECK(find("1-1")->listed);
	CHECK(!exports_find(&t.host->exports, "1-3")); /* a hub takes no place */
	CHECK(has_word("run/bound", "1-1") && has_word("run/bound", "1-2"));
	CHECK_INT(said("1-1 (46f4:0001): exported"), 1);
	plug("1-4", "usb");
	settle();
	JOBS_WERE("bind 1-4\n");
	unplug("1-2");
	settle();
	CHECK_INT(said("1-2 (46f4:0001): unplugged"), 1);
	CHECK_INT(find("1-2")->state, EXPORT_UNPLUGGED);
	CHECK(!find("1-2")->listed);
	CHECK(!has_word("run/bound", "1-2"));
	JOBS_WERE("");
	stop_server();
	JOBS_WERE("release 1-1\nrelease 1-4\n");
	CHECK_INT(said("given back"), 2);
}

static void whole_life(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	plug("1-3", "hub");
	put_attribute("1-3", "bDeviceClass", "09\n");
	serve(whole_life_scene, false, 0);
	CHECK(!is_there(root, "run")); /* with all files in it */
	end();
}

static void once_scene(void)
{
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("bind 1-1\nbind 1-2\n");
}

static void adopted_scene(void)
{
	settle();
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(!exports_find(&t.host->exports, "1-2"));
	CHECK(find("1-3")->listed && !find("1-3")->ours);
	CHECK(!has_word("run/bound", "1-2") && !has_word("run/bound", "1-3"));
	change_rules("deny busid 1-3\n");
	settle();
	CHECK(!find("1-3")->listed);
	stop_server();
	JOBS_WERE("release 1-1\n");
}

/* What --once has done stays. The next run knows what is ours; what another has bound is not. */
static void once_and_again(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	serve(once_scene, true, 0);
	CHECK(has_word("run/bound", "1-1") && has_word("run/bound", "1-2"));
	unplug("1-2");
	plug("1-3", STUB_DRIVER);
	serve(adopted_scene, false, 0);
	end();
}

/* Without a driver it may only be too early for one. */
static void driverless_scene(void)
{
	settle();
	later(1999);
	JOBS_WERE("");
	later(1);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

static void driverless(void)
{
	start();
	plug("1-1", NULL);
	serve(driverless_scene, false, 0);
	end();
}

static void failed_bind_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\nbind 1-2\n");
	CHECK_INT(said("cannot export 1-1 (46f4:0001): its driver does not let go"), 1);
	CHECK(!has_word("run/bound", "1-1") && has_word("run/bound", "1-2"));
	file_is(root, "run/left", "1-1 its driver does not let go\n");
	later(1000);
	JOBS_WERE("bind 1-1\n");
	later(1000);
	JOBS_WERE("");
	t.fails = NULL;
	later(1000);
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(has_word("run/bound", "1-1"));
	CHECK_INT(said("cannot export"), 1);
	stop_server();
}

static void failed_bind(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	t.fails = "1-1";
	t.failure = (struct stub_result){ -EBUSY, STUB_STEP_UNBIND };
	serve(failed_bind_scene, false, 0);
	end();
}

static void stranded_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK(has_word("run/bound", "1-1"));
	t.fails = NULL;
	stop_server();
	JOBS_WERE("release 1-1\n");
}

/* Nobody knows how far the bind came: it is given back at the end. */
static void stranded(void)
{
	start();
	plug("1-1", "usb");
	t.fails = "1-1";
	t.failure = (struct stub_result){ -ENXIO, STUB_STEP_RESTORE };
	serve(stranded_scene, false, 0);
	end();
}

static void failed_once_scene(void)
{
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("bind 1-1\n");
}

static void failed_once(void)
{
	start();
	plug("1-1", "usb");
	t.fails = "1-1";
	t.failure = (struct stub_result){ -EBUSY, STUB_STEP_UNBIND };
	serve(failed_once_scene, true, 1);
	end();
}

static void fill_slots(unsigned n)
{
	put_file(root, SLOTS, "");
	while (n--)
		append(SLOTS, "9-%s ", (char[]){ (char)('a' + n), '\0' });
}

/* The last place is taken while another device waits for it, and is free again later. */
static void no_room_scene(void)
{
	UNTIL(&t.daemon->loop, job_has_begun);
	plug("1-2", "usb");
	loop_pass_now(&t.daemon->loop);
	run_after(&t.daemon->loop, 5000);
	CHECK_INT(jobs_running(), 1);
	CHECK_INT(find("1-2")->state, EXPORT_LEFT_ALONE);
	CHECK_INT(said("has no room for it"), 0); /* the bind of 1-1 may fail */
	put_file(root, "go", "");
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(said("cannot export 1-2 (46f4:0001): usbip-host has no room for it"), 1);
	CHECK_INT(said("usbip-host holds 16 of at most 16 bus ids"), 1);
	file_is(root, "run/left", "1-2 usbip-host knows at most 16 bus ids\n");
	CHECK(!has_word("run/bound", "1-2"));
	later(1000);
	later(2000);
	JOBS_WERE("");
	CHECK_INT(said("has no room for it"), 1);
	fill_slots(14);
	append(SLOTS, "%s ", "1-1");
	later(4000);
	JOBS_WERE("bind 1-2\n");
	CHECK_INT(find("1-2")->state, EXPORT_AVAILABLE);
	CHECK(!is_there(root, "run/left"));
	stop_server();
}

static void no_room(void)
{
	start();
	fill_slots(15);
	plug("1-1", "usb");
	t.slow = "bind";
	serve(no_room_scene, false, 0);
	end();
}

static void strings_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK(!find("1-2")->allowed);
	stop_server();
}

/* A rule about serial numbers: they are read first. */
static void strings(void)
{
	start();
	put_file(root, RULES, "deny serial X\n");
	plug("1-1", "usb");
	put_attribute("1-1", "serial", "A\n");
	plug("1-2", "usb");
	put_attribute("1-2", "serial", "X\n");
	serve(strings_scene, false, 0);
	end();
}

static void session_scene(void)
{
	settle();
	later(60000);
	JOBS_WERE(""); /* it is allowed to that client */
	CHECK_INT(find("1-1")->state, EXPORT_IN_USE);
	change_rules("deny to 10.0.0.2\n");
	settle();
	JOBS_WERE("end 1-1\n");
	CHECK_INT(said("1-1 (46f4:0001): ending the session of 10.0.0.2, which is no longer allowed"),
		  1);
	CHECK_INT(said("1-1 (46f4:0001): session with 10.0.0.2 ended"), 1);
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(find("1-1")->listed); /* for others */
	CHECK(!is_there(root, "run/session.1-1"));
	change_rules("deny\n");
	settle();
	JOBS_WERE("release 1-1\n");
	CHECK(!find("1-1")->ours && !find("1-1")->listed);
	CHECK_INT(said("1-1 (46f4:0001): to be given back: denied by"), 1);
	stop_server();
	JOBS_WERE("");
}

/* The session of an earlier run goes on, as long as rules about its client allow it. */
static void session(void)
{
	start();
	put_file(root, RULES, "allow to 10.0.0.0/8\ndeny\n");
	was_bound("1-1\n");
	plug_in_use("1-1");
	serve(session_scene, false, 0);
	end();
}

/* The same where the device's strings must be read first, and again after a change. */
static void session_and_strings_scene(void)
{
	settle();
	JOBS_WERE("");
	CHECK_INT(find("1-1")->state, EXPORT_IN_USE);
	CHECK(find("1-1")->allowed);
	change_rules("allow serial A to 10.0.0.2\ndeny\n");
	settle();
	JOBS_WERE("");
	stop_server();
	JOBS_WERE("end 1-1\nrelease 1-1\n");
}

static void session_and_strings(void)
{
	start();
	put_file(root, RULES, "allow serial A to 10.0.0.0/8\ndeny\n");
	was_bound("1-1\n");
	plug_in_use("1-1");
	put_attribute("1-1", "serial", "A\n");
	serve(session_and_strings_scene, false, 0);
	end();
}

static void end_first_scene(void)
{
	settle();
	change_rules("deny\n");
	UNTIL(&t.daemon->loop, job_has_begun);
	run_after(&t.daemon->loop, 1000);
	CHECK_INT(jobs_running(), 1);
	JOBS_WERE("end 1-1\n");
	put_file(root, "go", "");
	settle();
	JOBS_WERE("release 1-1\nrelease 1-2\n");
	stop_server();
}

/* No device is released while a session is being ended. */
static void end_first(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.slow = "end";
	serve(end_first_scene, false, 0);
	end();
}

static void release_first_scene(void)
{
	settle();
	change_rules("deny busid 1-2\n");
	UNTIL(&t.daemon->loop, job_has_begun);
	change_rules("deny\n");
	run_after(&t.daemon->loop, 1000);
	CHECK_INT(jobs_running(), 1);
	JOBS_WERE("release 1-2\n");
	put_file(root, "go", "");
	settle();
	JOBS_WERE("end 1-1\nrelease 1-1\n");
	stop_server();
}

/* No session is ended while a device is being released. */
static void release_first(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.slow = "release";
	serve(release_first_scene, false, 0);
	end();
}

static void give_back_scene(void)
{
	settle();
	kill(getpid(), SIGTERM);
	UNTIL(&t.daemon->loop, job_has_begun);
	run_after(&t.daemon->loop, 1000);
	CHECK_INT(jobs_running(), 1);
	JOBS_WERE("end 1-1\n");
	put_file(root, "go", "");
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-1\nrelease 1-2\nrelease 1-3\n");
}

/* At the end all sessions end before the first release; a device that stays is logged. */
static void give_back(void)
{
	start();
	was_bound("1-1\n1-2\n1-3\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	plug("1-3", STUB_DRIVER);
	t.slow = "end";
	t.fails = "1-3";
	t.failure = (struct stub_result){ -EIO, STUB_STEP_RELEASE };
	serve(give_back_scene, false, 1);
	CHECK_INT(said("not given back"), 1);
	CHECK_INT(said("1-3: not given back"), 1);
	file_is(root, "run/bound", "1-3\n");
	CHECK(is_there(root, "run/server.boot")); /* so the next run believes that */
	end();
}

/* Its session has ended, and the engine resets it. */
static void reset_begins(void)
{
	settle();
	change_rules("deny busid 1-1\n");
	settle();
	JOBS_WERE("end 1-1\n");
	CHECK_INT(find("1-1")->state, EXPORT_RESETTING);
	kill(getpid(), SIGTERM);
	run_after(&t.daemon->loop, 1000);
	JOBS_WERE("");
	CHECK(!is_over());
}

static void reset_scene(void)
{
	reset_begins();
	put_attribute("1-1", "usbip_status", "1\n");
	run_after(&t.daemon->loop, 100);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-1\nrelease 1-2\n");
}

/* At the end nothing is done to a device that is being reset, and no other is released. */
static void reset(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.resets = true;
	serve(reset_scene, false, 0);
	end();
}

static void reset_stays_scene(void)
{
	reset_begins();
	run_after(&t.daemon->loop, 10000);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-2\n");
}

/* A reset that does not end does not keep the other devices. */
static void reset_stays(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.resets = true;
	serve(reset_stays_scene, false, 1);
	CHECK_INT(said("1-1: not given back"), 1);
	end();
}

static void session_stays_scene(void)
{
	settle();
	stop_server();
	JOBS_WERE("end 1-1\nrelease 1-2\n");
}

/* One session that does not end does not keep the other devices. */
static void session_stays(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.fails = "1-1";
	t.failure = (struct stub_result){ -ETIMEDOUT, STUB_STEP_SESSION };
	serve(session_stays_scene, false, 1);
	CHECK_INT(said("1-1: not given back"), 1);
	file_is(root, "run/bound", "1-1\n");
	CHECK(is_there(root, "run/session.1-1"));
	end();
}

static void retried_at_end_scene(void)
{
	settle();
	change_rules("deny\n");
	settle();
	JOBS_WERE("release 1-1\n");
	CHECK_INT(said("cannot give back 1-1 (46f4:0001): usbip-host does not let go"), 1);
	CHECK(find("1-1")->ours);
	t.fails = NULL;
	stop_server();
	JOBS_WERE("release 1-1\n");
}

/* A release that failed before is tried again at the end, and only that counts. */
static void retried_at_end(void)
{
	start();
	was_bound("1-1\n");
	plug("1-1", STUB_DRIVER);
	t.fails = "1-1";
	t.failure = (struct stub_result){ -EIO, STUB_STEP_RELEASE };
	serve(retried_at_end_scene, false, 0);
	end();
}

int main(void)
{
	RUN("t_host: from the start to the end", whole_life);
	RUN("t_host: one pass, and the next run", once_and_again);
	RUN("t_host: a device without a driver", driverless);
	RUN("t_host: a bind that fails", failed_bind);
	RUN("t_host: a bind that leaves the device without a driver", stranded);
	RUN("t_host: one pass with a bind that fails", failed_once);
	RUN("t_host: no room", no_room);
	RUN("t_host: a rule about strings", strings);
	RUN("t_host: a session and the rules", session);
	RUN("t_host: a session, and a rule about strings", session_and_strings);
	RUN("t_host: sessions end before a release", end_first);
	RUN("t_host: a release ends before sessions do", release_first);
	RUN("t_host: all is given back", give_back);
	RUN("t_host: a reset at the end", reset);
	RUN("t_host: a reset that does not end", reset_stays);
	RUN("t_host: a session that does not end", session_stays);
	RUN("t_host: a release that is tried again at the end", retried_at_end);
	return check_status();
}
