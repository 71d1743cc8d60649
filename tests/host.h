/* SPDX-License-Identifier: MIT */
/*
 * A server from its start to its end. The test plays the kernel with a tree of files, the engine in the
 * processes of its jobs, and the survey in that of the inspector; the clock is moved by the test.
 *
 * Its test says
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=daemon_run,--wrap=uevent_open,--wrap=protect_survey,--wrap=stub_bind
 * LINK: -Wl,--wrap=stub_end,--wrap=stub_release
 */
#ifndef TESTS_HOST_H
#define TESTS_HOST_H

#include "host/host.h"

#include "sysfs/stub.h"
#include "tests/clock.h"
#include "tests/files.h"
#include "tests/said.h"

#include <signal.h>
#include <sys/mman.h>

#define HOME "devices/pci0000:00/usb1/"
#define SLOTS "bus/usb/drivers/usbip-host/match_busid"
#define JOBS "jobs" /* what the engine was told to do, in this order */
#define RULES "rules"
#define CARDS "cards" /* the bus ids of network cards */
#define LINK "link"   /* a file that is there while this host has a link */

enum { INTERVAL_MS = 3600 * 1000 };

static char root[TEMP_SIZE], run_dir[TEMP_SIZE + 8], config[TEMP_SIZE + 8], rules[TEMP_SIZE + 8];

static struct {
	struct host *host;
	struct daemon *daemon;
	void (*scene)(void);
	/* in the processes of jobs */
	const char *fails, *end_fails; /* busid, of any job or only that; NULL: none */
	struct stub_result failure;
	const char *slow; /* verb of a job that waits until there is a file "go" */
	const char *slow_busid; /* only of that device; NULL: of all */
	/* in the process of the inspector; NULL: no device is needed */
	void (*play_survey)(struct protect_survey *survey);
	bool take_all, on_demand;
	bool alone;
	const char *listen; /* NULL: it does not */
} t;

int __wrap_uevent_open(void);
void __wrap_daemon_run(struct daemon *daemon, const char *records, bool programs);
void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *survey);
struct stub_result __wrap_stub_bind(const struct sysfs *fs, const char *busid);
struct stub_result __wrap_stub_end(const struct sysfs *fs, const char *busid, int connection);
struct stub_result __wrap_stub_release(const struct sysfs *fs, const char *busid);

/* Memory that the processes of a server share with the test, all zeros in each test. */
static inline void *share_memory(void *memory, size_t size)
{
	if (!memory)
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(memory != MAP_FAILED, "share memory");
	return memset(memory, 0, size);
}

/* No event of this machine counts. */
int __wrap_uevent_open(void)
{
	return -EPERM;
}

static inline void put_attribute(const char *busid, const char *name, const char *text)
{
	char path[100];

	snprintf(path, sizeof(path), HOME "%s/%s", busid, name);
	put_file(root, path, text);
}

/* NULL: it has none. */
static inline void put_driver(const char *busid, const char *driver)
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

static inline void plug(const char *busid, const char *driver)
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

static inline void unplug(const char *busid)
{
	char path[100];

	snprintf(path, sizeof(path), DEVICE_DIR "%s", busid);
	take_away(root, path);
	snprintf(path, sizeof(path), HOME "%s", busid);
	take_away(root, path);
}

/* Appended at once, as jobs run side by side. */
static inline void append(const char *path, const char *format, const char *busid)
{
	char name[PATH_MAX], line[100];
	int fd, len = snprintf(line, sizeof(line), format, busid);

	snprintf(name, sizeof(name), "%s/%s", root, path);
	fd = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	must(fd >= 0 && write(fd, line, (size_t)len) == len, name);
	close(fd);
}

static inline bool has_word(const char *path, const char *word)
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
static inline bool work(const char *verb, const char *busid)
{
	pid_t test = getppid();
	char format[40];

	snprintf(format, sizeof(format), "%s %%s\n", verb);
	append(JOBS, format, busid);
	if (!has_word("run/bound", busid)) /* a killed server would not know it again */
		append(JOBS, "%s is not noted\n", busid);
	while (t.slow && !strcmp(t.slow, verb) &&
	       (!t.slow_busid || !strcmp(t.slow_busid, busid)) && !is_there(root, "go")) {
		usleep(1000);
		if (getppid() != test)
			_exit(1); /* it was killed */
	}
	return !t.fails || strcmp(t.fails, busid) != 0;
}

/* In the process of the inspector. */
void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *survey)
{
	(void)fs;
	survey->has_link = is_there(root, LINK);
	for (unsigned i = 0; i < survey->count; i++)
		survey->item[i].network = has_word(CARDS, survey->item[i].busid);
	if (t.play_survey)
		t.play_survey(survey);
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
	if (!work("end", busid) || (t.end_fails && !strcmp(t.end_fails, busid)))
		return t.failure;
	if (is_there(root, "again")) /* another program has begun the next session */
		take_away(root, "again");
	else
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

static inline void pass(void *ctx)
{
	server_role->pass(ctx);
}

static inline void stop(void *ctx)
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

static inline void start(void)
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
	put_file(root, CARDS, "");
	put_file(root, LINK, "");
	make_parents(root, DEVICE_DIR);
}

/* A server from its start to its end, during which the scene is played. */
static inline void serve(void (*scene)(void), bool once, int want)
{
	struct daemon_options options = {
		.sysfs = root, .run = run_dir, .config = config,
		.rules = { .role = RULE_SERVER, .file = rules },
		.interval = INTERVAL_MS / 1000, .dead_after = 15, .once = once,
	};
	struct host_options host_options = {
		.take_all = t.take_all, .on_demand = t.on_demand, .alone = t.alone,
		.engine = &engine_kernel, .listeners = t.listen != NULL,
	};

	if (t.listen)
		must(listener_parse(&host_options.listen[0], t.listen), t.listen);
	t.scene = scene;
	CHECK_INT(host_run(&options, &host_options), want);
	memset(t.host, 0, sizeof(*t.host)); /* the next one is another process */
}

static inline void end(void)
{
	temp_remove(root);
}

/* By an earlier run. */
static inline void was_bound(const char *busids)
{
	put_file(root, "run/bound", busids);
}

/* A device that an earlier run has bound, and that a client uses since then. */
static inline void plug_in_use(const char *busid)
{
	char path[100];

	plug(busid, STUB_DRIVER);
	put_attribute(busid, "usbip_status", "2\n");
	snprintf(path, sizeof(path), "run/session.%s", busid);
	put_file(root, path, "1 10.0.0.1 3240 10.0.0.2 40000\n");
}

static inline bool is_over(void)
{
	return server_role->done(t.daemon);
}

static inline bool is_idle(void)
{
	EACH_EXPORT(&t.host->exports, export)
		if (export_has_job(export) || export->reader.child.pid || host_need_is_open(export))
			return false;
	return t.daemon->inspector.state != INSPECTOR_ASKED && t.host->passed &&
	       t.daemon->loop.next > t.daemon->loop.now;
}

static inline unsigned jobs_running(void)
{
	unsigned n = 0;

	EACH_EXPORT(&t.host->exports, export)
		n += export_has_job(export);
	return n;
}

/* A job is running, and its process has come so far that it is written down. */
static inline bool job_has_begun(void)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/" JOBS, root);
	return jobs_running() && !stat(path, &st) && st.st_size;
}

/* Until all that can be done now is done. */
static inline void settle(void)
{
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_idle);
}

/* The same so much later. */
static inline void later(uint64_t ms)
{
	run_after(&t.daemon->loop, ms);
	UNTIL(&t.daemon->loop, is_idle);
}

static inline void stop_server(void)
{
	kill(getpid(), SIGTERM);
	UNTIL(&t.daemon->loop, is_over);
}

static inline int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void sort_lines(char *text, char *sorted)
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

static inline void jobs_were(const char *want, int line)
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

/* Its lines in any order. */
static inline void bound_is(const char *want)
{
	char path[PATH_MAX], got[4000], *text;

	snprintf(path, sizeof(path), "%s/run/bound", root);
	text = file_read(path, NULL);
	must(text && strlen(text) < sizeof(got), "read the notes");
	sort_lines(text, got);
	CHECK_STR(got, want);
	free(text);
}

static inline struct export *find(const char *busid)
{
	struct export *export = exports_find(&t.host->exports, busid);

	must(export, busid);
	return export;
}

static inline void change_rules(const char *text)
{
	put_file(root, RULES, text);
	t.daemon->loop.hup = true;
	loop_pass_now(&t.daemon->loop);
}

#endif
