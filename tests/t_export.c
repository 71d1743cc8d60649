/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/export, host/engine_kernel and lib/backoff: the states of a device and what is logged
 * about them, a device that comes and goes, one in its error state, jobs that end and fail.
 * LINK: -Wl,--wrap=log_line,--wrap=stub_bind,--wrap=stub_end,--wrap=stub_release
 */
#include "host/export.h"

#include "lib/str.h"
#include "sysfs/stub.h"
#include "tests/files.h"
#include "tests/said.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DRIVERS "bus/usb/drivers/"
#define MATCH_BUSID DRIVERS "usbip-host/match_busid"
#define HOME "devices/pci0000:00/usb1/1-3/"

static char root[TEMP_SIZE];
static struct sysfs sysfs;
static struct loop loop;
static struct exports exports;
static struct export *export;
static struct device device;
static struct stub_result stub; /* of all three, in the child process */
static bool job_hangs; /* until it is killed */
static volatile unsigned *releases; /* shared with the processes of jobs */
static volatile bool *job_waits;
static bool real_bind;
static unsigned ended;
static enum export_state ended_job;
static bool ended_logged;

struct stub_result __real_stub_bind(const struct sysfs *fs, const char *busid);
struct stub_result __wrap_stub_bind(const struct sysfs *fs, const char *busid);
struct stub_result __wrap_stub_end(const struct sysfs *fs, const char *busid, int connection);
struct stub_result __wrap_stub_release(const struct sysfs *fs, const char *busid);

struct stub_result __wrap_stub_bind(const struct sysfs *fs, const char *busid)
{
	if (real_bind)
		return __real_stub_bind(fs, busid);
	while (job_hangs)
		pause();
	for (int tries = 0; *job_waits && tries < 60000; tries++)
		usleep(1000);
	return stub;
}

struct stub_result __wrap_stub_end(const struct sysfs *fs, const char *busid, int connection)
{
	(void)connection;
	return __wrap_stub_bind(fs, busid);
}

struct stub_result __wrap_stub_release(const struct sysfs *fs, const char *busid)
{
	++*releases;
	return __wrap_stub_bind(fs, busid);
}

static void job_ended(struct export *which, enum export_state job, bool logged)
{
	CHECK(which == export);
	CHECK(!export_has_job(export));
	ended++;
	ended_job = job;
	ended_logged = logged;
}

static void put_status(const char *text)
{
	put_file(root, DEVICE_DIR "1-3/usbip_status", text);
}

static bool job_done(void *ctx)
{
	(void)ctx;
	return ended != 0;
}

static void no_pass(void *ctx)
{
	(void)ctx;
}

static void start(void)
{
	static const struct loop_role role = { no_pass, no_pass, job_done };

	must(!loop_open(&loop, 3600 * 1000, &role, NULL), "open the loop");
	memset(&exports, 0, sizeof(exports));
	loop.now = 1000000;
	loop.next = UINT64_MAX;
	must(exports_add(&exports, &loop, "1-1", EXPORT_LEFT_ALONE), "have another device");
	export = exports_add(&exports, &loop, "1-3", EXPORT_LEFT_ALONE);
	must(export, "have a device");
	export->sysfs = &sysfs;
	export->engine = &engine_kernel;
	export->job_ended = job_ended;
	device = (struct device){ .busid = "1-3", .name = "1-3 (0627:0001)", .driver = "usb",
				  .vendor = 0x627, .product = 1, .devnum = 7 };
	export_observe(export, &device);
	put_status("1\n");
	said_forget();
	ended = 0;
}

static void end(void)
{
	export_drop_session(export);
	loop_close(&loop);
}

/* It is there, with that driver, in a pass. */
static void seen_with(const char *driver)
{
	snprintf(device.driver, sizeof(device.driver), "%s", driver);
	export_observe(export, &device);
	export_refresh(export, 15);
}

/* It is bound, and leaves after so many ms; whether it may be forgotten then. */
static bool visit(uint64_t ms)
{
	seen_with("usb");
	export->bound_at = loop.now;
	loop.now += ms;
	export_unplug(export);
	return export_is_forgettable(export);
}

/* How long it is held back from now on. */
static uint64_t delay(void)
{
	uint64_t since = loop.now;

	flaps_forgive(&export->flaps, loop.now);
	if (loop.now < export->flaps.backoff.until)
		loop.now = export->flaps.backoff.until;
	return loop.now - since;
}

static void long_visits(void)
{
	start();
	for (int i = 0; i < 10; i++) {
		CHECK(visit(10000));
		CHECK_INT(delay(), 0);
	}
	end();
}

static void never_bound(void)
{
	start();
	export_unplug(export);
	CHECK(export_is_forgettable(export));
	CHECK_INT(delay(), 0);
	end();
}

static void short_visits(void)
{
	static const uint64_t delays[] = { 0, 0, 0, 1000, 2000, 4000, 8000, 16000, 32000, 60000,
					   60000 };

	start();
	for (size_t i = 0; i < LENGTH(delays); i++) {
		CHECK(!visit(500)); /* remembered */
		CHECK_INT(delay(), delays[i]);
	}
	CHECK_INT(said("comes and goes"), 1);
	loop.now += 60000;
	CHECK(export_is_forgettable(export));
	end();
}

/* A board that is flashed all day. */
static void short_visits_by_rule(void)
{
	start();
	for (int i = 0; i < 10; i++) {
		export->flaps.steady = true;
		CHECK(visit(500));
		CHECK_INT(delay(), 0);
	}
	CHECK_INT(said("comes and goes"), 0);
	end();
}

static void remembered_for_a_minute(void)
{
	start();
	CHECK(!visit(500));
	loop.now += 59999;
	CHECK(!export_is_forgettable(export));
	loop.now += 1;
	CHECK(export_is_forgettable(export));
	export_forget(export);
	CHECK_INT(export->state, EXPORT_UNUSED);
	CHECK(!exports_find(&exports, "1-3"));
	CHECK(exports_add(&exports, &loop, "1-4", EXPORT_LEFT_ALONE) == export);
	end();
}

static void a_long_visit_makes_good(void)
{
	start();
	for (int i = 0; i < 5; i++)
		visit(500);
	CHECK_INT(delay(), 2000);
	visit(10000);
	loop.now += 70000;
	CHECK_INT(delay(), 0);
	for (int i = 0; i < 3; i++) {
		visit(500);
		CHECK_INT(delay(), 0);
	}
	end();
}

static void become(uint16_t vendor)
{
	device.vendor = vendor;
	seen_with("usb");
}

static void another_device(void)
{
	start();
	for (int i = 0; i < 6; i++)
		visit(500);
	become(0x1111);
	CHECK_INT(delay(), 0);
	CHECK(!visit(500));
	CHECK_INT(delay(), 0);
	end();
}

/* One that is now this, now that, is the same bad one. */
static void two_faces(void)
{
	static const uint64_t delays[] = { 0, 0, 0, 0, 1000, 2000, 4000, 8000 };

	start();
	for (size_t i = 0; i < LENGTH(delays); i++) {
		become(i % 2 ? 0x1111 : 0x2222);
		CHECK(!visit(500));
		CHECK_INT(delay(), delays[i]);
	}
	become(0x3333);
	CHECK_INT(delay(), 0);
	end();
}

/* The strings and classes of the former device are not those of this one. */
static void another_identity(void)
{
	start();
	for (int i = 0; i < 3; i++) {
		export->identity.serial = "A 1";
		export->identity.described = true;
		export->failed = EXPORT_BINDING;
		if (i == 1)
			device.devnum = 8; /* the same was plugged in again */
		else if (i == 2)
			device.product = 2;
		else
			device.devnum = 0; /* it is being reset */
		seen_with("usb");
		CHECK_INT(export->identity.described, i == 0);
		CHECK_INT(export->identity.serial != NULL, i == 0);
		CHECK_INT(export->failed, i == 2 ? EXPORT_UNUSED : EXPORT_BINDING);
		CHECK_INT(export->device.devnum, i ? 8 : 7);
	}
	end();
}

static void error_state(void)
{
	static const uint64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	start();
	export->ours = true;
	for (size_t i = 0; i < LENGTH(delays); i++) {
		put_status("3\n");
		loop.next = UINT64_MAX;
		seen_with("usbip-host");
		CHECK_INT(export->state, EXPORT_ERROR);
		CHECK_INT(loop.next, export->flaps.backoff.until);
		seen_with("usbip-host"); /* it is still the same error */
		CHECK_INT(delay(), delays[i]);
		seen_with("usbip-host");
		CHECK_INT(delay(), 0); /* it is bound at once */
		put_status("1\n");
		seen_with("usbip-host");
		CHECK_INT(export->state, EXPORT_AVAILABLE);
	}
	CHECK_INT(said("in its error state"), 1);
	loop.now += 200000;
	CHECK_INT(delay(), 0);
	put_status("3\n");
	seen_with("usbip-host");
	CHECK_INT(delay(), 1000);
	put_status("1\n");
	seen_with("usbip-host"); /* somebody was quicker */
	put_status("3\n");
	seen_with("usbip-host");
	CHECK_INT(delay(), 2000);
	CHECK_INT(said("in its error state"), 2);
	end();
}

/* It is left to whoever has bound it. */
static void error_of_another(void)
{
	start();
	put_status("3\n");
	seen_with("usbip-host");
	CHECK_INT(export->state, EXPORT_ERROR);
	CHECK_INT(delay(), 0);
	CHECK_INT(said("in its error state"), 0);
	end();
}

/* It stays for long enough at last. */
static void forgiven_in_a_pass(void)
{
	start();
	for (int i = 0; i < 5; i++)
		visit(500);
	CHECK(export->flaps.backoff.delay);
	seen_with("usb");
	loop.now += 3600 * 1000;
	seen_with("usb");
	CHECK_INT(export->flaps.backoff.delay, 0);
	end();
}

/* A visit during which it was not bound is none of a device that was. */
static void not_bound_again(void)
{
	start();
	visit(10000);
	CHECK_INT(export->bound_at, 0);
	end();
}

/* The same state again is no change. */
static void same_state(void)
{
	start();
	log_open("usbiphp", true);
	export_set_state(export, EXPORT_BOUND);
	export_set_state(export, EXPORT_BOUND);
	log_open("usbiphp", false);
	CHECK_INT(said("1-3: left alone -> bound"), 1);
	CHECK_INT(said("1-3: bound -> bound"), 0);
	end();
}

/* One that leaves before it was bound, or while it is left alone, is not forgiven for that. */
static void short_glimpses(void)
{
	start();
	for (int i = 0; i < 6; i++)
		CHECK(!visit(500));
	for (int i = 0; i < 10; i++) {
		seen_with("usb");
		export->bound_at = 0;
		loop.now += 500;
		export_unplug(export);
		CHECK(!export_is_forgettable(export));
	}
	CHECK(!visit(500));
	CHECK_INT(delay(), 8000);
	end();
}

/* The state by the driver and the status, from each state without a job. */
static void reported_states(void)
{
	static const enum export_state from[] = {
		EXPORT_LEFT_ALONE, EXPORT_BOUND, EXPORT_AVAILABLE, EXPORT_IN_USE, EXPORT_ERROR,
	};
	static const struct {
		const char *driver, *status;
		enum export_state state; /* EXPORT_UNUSED: as before */
	} row[] = {
		{ "usb", "1\n", EXPORT_LEFT_ALONE },	   { "", "1\n", EXPORT_LEFT_ALONE },
		{ "usbip-host", "1\n", EXPORT_AVAILABLE }, { "usbip-host", "2\n", EXPORT_IN_USE },
		{ "usbip-host", "3\n", EXPORT_ERROR },	   { "usbip-host", "0\n", EXPORT_UNUSED },
		{ "usbip-host", "x\n", EXPORT_UNUSED },
	};

	for (size_t f = 0; f < LENGTH(from); f++)
		for (size_t i = 0; i < LENGTH(row); i++) {
			enum export_state want = row[i].state;

			start();
			if (from[f] != EXPORT_LEFT_ALONE)
				export_set_state(export, from[f]);
			if (want == EXPORT_UNUSED)
				want = from[f] == EXPORT_LEFT_ALONE ? EXPORT_BOUND : from[f];
			put_status(row[i].status);
			seen_with(row[i].driver);
			CHECK_INT(export->state, want);
			CHECK_INT(export_is_bound(export), want != EXPORT_LEFT_ALONE);
			end();
		}
}

/* Since when it has no driver. */
static void driverless(void)
{
	start();
	CHECK_INT(export->driverless_since, 0);
	seen_with("");
	CHECK_INT(export->driverless_since, loop.now);
	loop.now += 100;
	seen_with("");
	CHECK_INT(export->driverless_since, loop.now - 100);
	seen_with("usb");
	CHECK_INT(export->driverless_since, 0);
	end();
}

static void run_job(enum export_state job, struct stub_result result)
{
	ended = 0;
	stub = result;
	export_start_job(export, job, -1);
	CHECK_INT(ended, 0);
	CHECK(export_has_job(export));
	loop_run(&loop);
	CHECK_INT(ended, 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

/* Each job, and each outcome: the state after it, what is noted and logged. */
static void jobs(void)
{
	static const struct stub_result done = { 0, STUB_STEP_NONE };
	static const struct {
		enum export_state job, from, to;
		struct stub_result result;
		enum engine_outcome outcome;
		const char *line;
	} row[] = {
		{ EXPORT_BINDING, EXPORT_LEFT_ALONE, EXPORT_BOUND, done, ENGINE_DONE,
		  "1-3 (0627:0001): exported" },
		{ EXPORT_BINDING, EXPORT_LEFT_ALONE, EXPORT_LEFT_ALONE,
		  { -EBUSY, STUB_STEP_UNBIND }, ENGINE_FAILED,
		  "cannot export 1-3 (0627:0001): its driver" },
		{ EXPORT_BINDING, EXPORT_LEFT_ALONE, EXPORT_LEFT_ALONE,
		  { -ENOMEM, STUB_STEP_ADD }, ENGINE_FULL, "has no room for it" },
		{ EXPORT_BINDING, EXPORT_LEFT_ALONE, EXPORT_LEFT_ALONE,
		  { -ENXIO, STUB_STEP_RESTORE }, ENGINE_STRANDED, "no driver takes it back" },
		{ EXPORT_BINDING, EXPORT_LEFT_ALONE, EXPORT_LEFT_ALONE,
		  { -ENODEV, STUB_STEP_ADD }, ENGINE_GONE, NULL },
		{ EXPORT_RELEASING, EXPORT_AVAILABLE, EXPORT_LEFT_ALONE, done,
		  ENGINE_DONE, "1-3 (0627:0001): given back" },
		{ EXPORT_RELEASING, EXPORT_AVAILABLE, EXPORT_BOUND,
		  { -EBUSY, STUB_STEP_SESSION }, ENGINE_BUSY, NULL },
		{ EXPORT_RELEASING, EXPORT_AVAILABLE, EXPORT_BOUND,
		  { -EIO, STUB_STEP_RELEASE }, ENGINE_FAILED, "cannot give back 1-3 (0627:0001): " },
		{ EXPORT_RELEASING, EXPORT_LEFT_ALONE, EXPORT_LEFT_ALONE,
		  { -ENXIO, STUB_STEP_REBIND }, ENGINE_FAILED, "cannot give back 1-3 (0627:0001): " },
		{ EXPORT_ENDING, EXPORT_IN_USE, EXPORT_RESETTING, done,
		  ENGINE_DONE, NULL },
		{ EXPORT_ENDING, EXPORT_IN_USE, EXPORT_IN_USE,
		  { -ETIMEDOUT, STUB_STEP_SESSION }, ENGINE_FAILED, "cannot give back 1-3" },
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		bool failed = row[i].outcome != ENGINE_DONE && row[i].outcome != ENGINE_GONE &&
			      row[i].outcome != ENGINE_BUSY;

		start();
		strcpy(export->device.driver,
		       row[i].from == EXPORT_LEFT_ALONE ? "usb" : "usbip-host");
		export_set_state(export, row[i].from);
		run_job(row[i].job, row[i].result);
		CHECK_INT(ended_job, row[i].job);
		CHECK_INT(export->state, row[i].to);
		CHECK_INT(export->result.outcome, row[i].outcome);
		CHECK_INT(export->result.error, row[i].result.error);
		CHECK_INT(export->failed, failed ? row[i].job : EXPORT_UNUSED);
		CHECK_INT(ended_logged, failed);
		CHECK_INT(export->backoff.delay, failed ? 1000 : 0);
		CHECK_INT(log_kept.lines, row[i].line != NULL);
		if (row[i].line)
			CHECK_INT(said(row[i].line), 1);
		end();
	}
}

/* The same failure is logged once; another one, and the same after a success, again. */
static void failures_logged_once(void)
{
	static const struct stub_result busy = { -EBUSY, STUB_STEP_UNBIND };

	start();
	run_job(EXPORT_BINDING, busy);
	CHECK(ended_logged);
	run_job(EXPORT_BINDING, busy);
	CHECK(!ended_logged);
	CHECK_INT(export->backoff.delay, 2000);
	run_job(EXPORT_BINDING, (struct stub_result){ -EIO, STUB_STEP_BIND });
	CHECK(ended_logged);
	run_job(EXPORT_BINDING, busy);
	CHECK(ended_logged);
	run_job(EXPORT_BINDING, (struct stub_result){ 0, STUB_STEP_NONE });
	CHECK_INT(export->backoff.delay, 0);
	CHECK_INT(export->failure_log.last, 0);
	export_set_state(export, EXPORT_LEFT_ALONE);
	run_job(EXPORT_BINDING, busy);
	CHECK(ended_logged);
	end();
}

/* Nobody knows how far it came. */
static void killed_job(void)
{
	start();
	job_hangs = true;
	export_start_job(export, EXPORT_BINDING, -1);
	job_hangs = false;
	kill(export->child.pid, SIGKILL);
	loop_run(&loop);
	CHECK_INT(ended, 1);
	CHECK_INT(export->result.error, -ECHILD);
	CHECK_INT(export->result.outcome, ENGINE_STRANDED);
	while (waitpid(-1, NULL, 0) > 0)
		;
	end();
}

/* A job that takes too long is logged once, with the driver that does not let go; and when it ends. */
static void late_job(enum export_state from, enum export_state job, uint64_t limit, const char *driver,
		     const char *text)
{
	uint64_t began;
	char line[200];

	start();
	put_link(root, DEVICE_DIR "1-3/1-3:1.0/driver", "../../../drivers/dvb_usb_rtl28xxu");
	put_link(root, DEVICE_DIR "1-3/driver", driver);
	if (from != EXPORT_LEFT_ALONE)
		strcpy(export->device.driver, "usbip-host");
	if (from != export->state)
		export_set_state(export, from);
	CHECK(!export_check_job(export));
	*job_waits = true;
	began = loop.now;
	loop.next = UINT64_MAX;
	export_start_job(export, job, -1);
	CHECK_INT(loop.next, began + JOB_LATE_MS);
	loop.now = began + limit - 1;
	loop.next = UINT64_MAX;
	CHECK(!export_check_job(export));
	CHECK_INT(loop.next, began + limit);
	CHECK_STR(export->stuck.text, "");
	CHECK_INT(log_kept.lines, 0);
	loop.now++;
	CHECK(export_check_job(export));
	loop.now++;
	CHECK(!export_check_job(export));
	CHECK_STR(export->stuck.text, text);
	snprintf(line, sizeof(line), "1-3 (0627:0001): stuck for %u s: %s; ", (unsigned)limit / 1000,
		 text);
	CHECK_INT(said(line), 1);
	CHECK_INT(log_kept.lines, 1);
	CHECK(export_has_job(export));
	*job_waits = false;
	stub = (struct stub_result){ 0, STUB_STEP_NONE };
	loop_run(&loop);
	CHECK_INT(ended, 1);
	CHECK_STR(export->stuck.text, "");
	CHECK_INT(said("1-3 (0627:0001): no longer stuck, after "), 1);
	CHECK(!export_check_job(export));
	while (waitpid(-1, NULL, 0) > 0)
		;
	take_away(root, DEVICE_DIR "1-3/1-3:1.0");
	take_away(root, DEVICE_DIR "1-3/driver");
	end();
}

static void late_jobs(void)
{
	late_job(EXPORT_LEFT_ALONE, EXPORT_BINDING, JOB_LATE_MS, "../../drivers/usb",
		 "driver dvb_usb_rtl28xxu does not let go of it");
	late_job(EXPORT_AVAILABLE, EXPORT_RELEASING, JOB_LATE_MS, "../../drivers/usbip-host",
		 "driver usbip-host does not let go of it");
	late_job(EXPORT_AVAILABLE, EXPORT_RELEASING, JOB_LATE_MS, "../../drivers/usb",
		 "its own driver does not take it back");
	late_job(EXPORT_IN_USE, EXPORT_ENDING, 2 * JOB_LATE_MS, "../../drivers/usbip-host",
		 "usbip-host does not end its session");
}

/* The engine itself waits for the device's driver: nobody reads its unbind. */
static void driver_that_keeps_it(void)
{
	char path[PATH_MAX], busid[8] = "";
	int fd;

	start();
	put_file(root, DRIVERS "usb/x", "");
	put_link(root, DEVICE_DIR "1-3/driver", "../../" DRIVERS "usb");
	put_link(root, DEVICE_DIR "1-3/1-3:1.0/driver", "../../../" DRIVERS "usbhid");
	snprintf(path, sizeof(path), "%s/" DRIVERS "usb/unbind", root);
	must(!mkfifo(path, 0600), path);
	real_bind = true;
	export_start_job(export, EXPORT_BINDING, -1);
	real_bind = false;
	loop.now += JOB_LATE_MS;
	CHECK(export_check_job(export));
	CHECK_STR(export->stuck.text, "driver usbhid does not let go of it");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0, path);
	loop_run(&loop);
	CHECK_INT(ended, 1);
	CHECK_INT(read(fd, busid, sizeof(busid)), 3);
	CHECK_STR(busid, "1-3");
	close(fd);
	while (waitpid(-1, NULL, 0) > 0)
		;
	take_away(root, DRIVERS "usb");
	take_away(root, DEVICE_DIR "1-3/1-3:1.0");
	take_away(root, DEVICE_DIR "1-3/driver");
	end();
}

/* The daemon is gone when the driver has let go at last: nobody would give the device back. */
static void bound_for_nobody(void)
{
	for (int gone = 0; gone < 2; gone++) {
		struct stub_result result = { 0, STUB_STEP_NONE };
		pid_t daemon;

		*releases = 0;
		*job_waits = true;
		stub = result;
		daemon = fork();
		must(daemon >= 0, "fork");
		if (!daemon) {
			start();
			export_start_job(export, EXPORT_BINDING, -1);
			if (!gone) {
				*job_waits = false;
				loop_run(&loop);
			}
			_exit(0);
		}
		must(waitpid(daemon, NULL, 0) == daemon, "wait");
		*job_waits = false;
		for (int tries = 0; gone && !*releases && tries < 10000; tries++)
			usleep(1000);
		CHECK_INT(*releases, gone);
	}
}

/* A bind was not even tried. */
static void no_room(void)
{
	start();
	export_fail_for_room(export);
	CHECK_INT(ended, 1);
	CHECK_INT(ended_job, EXPORT_BINDING);
	CHECK_INT(export->result.error, -ENOMEM);
	CHECK_INT(export->state, EXPORT_LEFT_ALONE);
	CHECK_INT(export->failed, EXPORT_BINDING);
	CHECK_INT(export->backoff.until, loop.now + 1000);
	end();
}

/* So many bus ids are in the table of usbip-host. */
static void fill(unsigned n)
{
	char text[1024];
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n; i++)
		len += str_format(text + len, sizeof(text) - len, "9-%u ", i + 1);
	str_format(text + len, sizeof(text) - len, "\n");
	put_file(root, MATCH_BUSID, text);
}

static void room_is_counted(void)
{
	for (unsigned n = 0; n <= STUB_SLOTS; n++) {
		fill(n);
		CHECK_INT(engine_kernel.room(&sysfs, "9-3"), n >= 3 ? ENGINE_ROOM_ANY : 16 - n);
		CHECK_INT(engine_kernel.room(&sysfs, "9-"), 16 - n);
	}
	take_away(root, MATCH_BUSID);
	CHECK_INT(engine_kernel.room(&sysfs, "9-3"), ENGINE_ROOM_ANY);
	put_file(root, MATCH_BUSID, "");
}

static void full_table(void)
{
	char busid[BUSID_SIZE];

	memset(&exports, 0, sizeof(exports));
	for (unsigned i = 0; i < EXPORTS_MAX; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i + 1);
		CHECK(exports_add(&exports, &loop, busid, EXPORT_ADOPTED) == &exports.export[i]);
	}
	CHECK(!exports_add(&exports, &loop, "2-1", EXPORT_ADOPTED));
	CHECK(exports_find(&exports, "1-128") == &exports.export[127]);
	CHECK(!exports_find(&exports, ""));
	export_set_state(&exports.export[5], EXPORT_UNPLUGGED);
	export_forget(&exports.export[5]);
	CHECK(!exports_find(&exports, ""));
	CHECK(exports_next(&exports, &exports.export[4]) == &exports.export[6]);
	CHECK(exports_add(&exports, &loop, "2-1", EXPORT_LEFT_ALONE) == &exports.export[5]);
	CHECK_INT(exports.count, EXPORTS_MAX);
}

/* Transitions that are not in the table are bugs of ours. */
static bool aborts(enum export_state from, enum export_state to)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		export->state = from;
		export_set_state(export, to);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void transitions(void)
{
	static const enum export_state row[][2] = {
		{ EXPORT_UNUSED, EXPORT_IN_USE },	{ EXPORT_LEFT_ALONE, EXPORT_ENDING },
		{ EXPORT_BINDING, EXPORT_AVAILABLE },
		{ EXPORT_BINDING, EXPORT_UNPLUGGED },	{ EXPORT_AVAILABLE, EXPORT_BINDING },
		{ EXPORT_IN_USE, EXPORT_RELEASING },
		{ EXPORT_RESETTING, EXPORT_RELEASING },	{ EXPORT_RESETTING, EXPORT_ENDING },
		{ EXPORT_ENDING, EXPORT_AVAILABLE },
		{ EXPORT_RELEASING, EXPORT_UNPLUGGED },	{ EXPORT_UNPLUGGED, EXPORT_BINDING },
		{ EXPORT_AVAILABLE, EXPORT_UNUSED },	{ EXPORT_LEFT_ALONE, EXPORT_UNUSED },
		{ EXPORT_STUCK, EXPORT_BINDING },	{ EXPORT_STUCK, EXPORT_UNPLUGGED },
		{ EXPORT_ADOPTED, EXPORT_STUCK },	{ EXPORT_BINDING, EXPORT_STUCK },
	};

	start();
	for (size_t i = 0; i < LENGTH(row); i++)
		if (!aborts(row[i][0], row[i][1]))
			check_fault(__FILE__, __LINE__, "%d to %d is allowed", (int)row[i][0],
				    (int)row[i][1]);
	CHECK(!aborts(EXPORT_AVAILABLE, EXPORT_IN_USE));
	CHECK(!aborts(EXPORT_IN_USE, EXPORT_IN_USE));
	CHECK(!aborts(EXPORT_AVAILABLE, EXPORT_STUCK));
	CHECK(!aborts(EXPORT_STUCK, EXPORT_LEFT_ALONE));
	end();
}

int main(void)
{
	temp_make(root);
	put_file(root, MATCH_BUSID, "");
	put_file(root, HOME "idVendor", "0627\n");
	put_file(root, HOME "idProduct", "0001\n");
	put_file(root, HOME "bDeviceClass", "00\n");
	put_link(root, DEVICE_DIR "1-3", "../../../" HOME);
	releases = mmap(NULL, sizeof(*releases), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	job_waits = mmap(NULL, sizeof(*job_waits), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(releases != MAP_FAILED && job_waits != MAP_FAILED, "share memory");
	must(!sysfs_open(&sysfs, root), "open the tree");
	RUN("t_export: long visits", long_visits);
	RUN("t_export: one that was never bound", never_bound);
	RUN("t_export: short visits, then a growing delay", short_visits);
	RUN("t_export: short visits that a rule allows", short_visits_by_rule);
	RUN("t_export: a short visit is remembered for a minute", remembered_for_a_minute);
	RUN("t_export: a long visit makes good", a_long_visit_makes_good);
	RUN("t_export: another device begins again", another_device);
	RUN("t_export: a device with two faces", two_faces);
	RUN("t_export: another device in the same place", another_identity);
	RUN("t_export: the error state, again and again", error_state);
	RUN("t_export: the error state of another's device", error_of_another);
	RUN("t_export: forgiven when it stays", forgiven_in_a_pass);
	RUN("t_export: not bound any more", not_bound_again);
	RUN("t_export: the same state", same_state);
	RUN("t_export: one that is not even bound", short_glimpses);
	RUN("t_export: states as the engine reports them", reported_states);
	RUN("t_export: without a driver", driverless);
	RUN("t_export: jobs and their outcomes", jobs);
	RUN("t_export: a failure is logged once", failures_logged_once);
	RUN("t_export: a job that is killed", killed_job);
	RUN("t_export: a job that does not end", late_jobs);
	RUN("t_export: a driver that does not let go", driver_that_keeps_it);
	RUN("t_export: a bind that ends after the daemon", bound_for_nobody);
	RUN("t_export: no room for it", no_room);
	RUN("t_export: the engine's room", room_is_counted);
	RUN("t_export: a full table", full_table);
	RUN("t_export: states that cannot follow", transitions);
	sysfs_close(&sysfs);
	temp_remove(root);
	return check_status();
}
