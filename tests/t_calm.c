/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/export's patience and of host/slots: a device that comes and goes is exported after
 * a growing delay, one in its error state too, and the table of usbip-host is never overfilled.
 */
#include "host/slots.h"

#include "lib/str.h"
#include "tests/files.h"

static char root[TEMP_SIZE];
static struct sysfs sysfs;
static struct loop loop;
static struct exports exports;
static struct export *export;
static unsigned ended;

static void job_ended(struct export *which, enum export_job job)
{
	CHECK(which == export);
	CHECK_INT(job, EXPORT_BINDING);
	ended++;
}

static void start(void)
{
	memset(&loop, 0, sizeof(loop));
	memset(&exports, 0, sizeof(exports));
	loop.now = 1000000;
	loop.next = UINT64_MAX;
	exports.count = 4;
	strcpy(exports.export[0].device.busid, "1-1");
	export = &exports.export[3];
	strcpy(export->device.busid, "1-3");
	strcpy(export->device.name, "1-3 (0627:0001)");
	export->present = true;
	export->child.pipe.fd = -1;
	session_watch_init(&export->session, &loop);
	export->sysfs = &sysfs;
	export->loop = &loop;
	export->ended = job_ended;
	ended = 0;
}

/* It is bound, and leaves after so many ms; whether it may be forgotten then. */
static bool visit(uint64_t ms)
{
	export->away = false;
	export->bound_at = loop.now;
	loop.now += ms;
	return export_left(export);
}

/* How long it is held back from now on. */
static uint64_t delay(void)
{
	uint64_t since = loop.now;

	while (export_held_back(export) && loop.now < since + 3600 * 1000) {
		CHECK(loop.next > loop.now);
		loop.now = loop.next;
		loop.next = UINT64_MAX;
	}
	return loop.now - since;
}

static void long_visits(void)
{
	start();
	for (int i = 0; i < 10; i++) {
		CHECK(visit(10000));
		CHECK_INT(delay(), 0);
	}
}

static void never_bound(void)
{
	start();
	CHECK(export_left(export));
	CHECK_INT(delay(), 0);
}

static void short_visits(void)
{
	static const uint64_t delays[] = { 0, 0, 0, 1000, 2000, 4000, 8000, 16000, 32000, 60000,
					   60000 };

	start();
	for (size_t i = 0; i < LENGTH(delays); i++) {
		CHECK(!visit(500)); /* remembered */
		CHECK(!export_left(export));
		CHECK_INT(delay(), delays[i]);
	}
	loop.now += 60000;
	CHECK(export_left(export));
}

static void remembered_for_a_minute(void)
{
	start();
	CHECK(!visit(500));
	loop.now += 59999;
	CHECK(!export_left(export));
	loop.now += 1;
	CHECK(export_left(export));
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
}

static void become(uint16_t vendor)
{
	export->device.vendor = vendor;
	export_identify(export, &export->device);
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
}

static void error_state(void)
{
	static const uint64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	start();
	for (size_t i = 0; i < LENGTH(delays); i++) {
		CHECK(!export_recover(export, true));
		CHECK(!export_recover(export, true)); /* not before its time */
		CHECK_INT(delay(), delays[i]);
		CHECK(export_recover(export, true));
		CHECK_INT(delay(), 0); /* it is bound at once */
		CHECK(!export_recover(export, false));
	}
	loop.now += 200000;
	CHECK_INT(delay(), 0);
	CHECK(!export_recover(export, true));
	CHECK_INT(delay(), 1000);
	CHECK(!export_recover(export, false)); /* somebody was quicker */
	CHECK(!export_recover(export, true));
	CHECK_INT(delay(), 2000);
}

/* One that leaves before it was bound, or while it is left in peace, is not forgiven for that. */
static void short_glimpses(void)
{
	start();
	for (int i = 0; i < 6; i++)
		CHECK(!visit(500));
	for (int i = 0; i < 10; i++) {
		export->away = false;
		export->bound_at = 0;
		loop.now += 500;
		CHECK(!export_left(export));
	}
	CHECK(!visit(500));
	CHECK_INT(delay(), 8000);
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
	put_file(root, "bus/usb/drivers/usbip-host/match_busid", text);
}

static void slots_are_counted(void)
{
	bool held;

	start();
	for (unsigned n = 0; n <= STUB_SLOTS; n++) {
		fill(n);
		CHECK_INT(stub_slots(&sysfs, "9-3", &held), n);
		CHECK_INT(held, n >= 3);
		CHECK_INT(stub_slots(&sysfs, "9-", &held), n);
		CHECK(!held);
	}
	take_away(root, "bus/usb/drivers/usbip-host/match_busid");
	CHECK_INT(stub_slots(&sysfs, "9-3", &held), -ENOENT);
	CHECK(slots_have_room(&exports, export)); /* let it be tried */
}

static void room(void)
{
	start();
	fill(STUB_SLOTS - 1);
	CHECK(slots_have_room(&exports, export));
	exports.export[0].job = EXPORT_BINDING;
	CHECK(!slots_have_room(&exports, export)); /* the last place is being taken */
	CHECK_INT(ended, 0);
	CHECK_INT(delay(), 0);
	exports.export[0].job = EXPORT_IDLE;
	fill(STUB_SLOTS);
	CHECK(!slots_have_room(&exports, export));
	CHECK_INT(ended, 1);
	CHECK_INT(export->result.error, -ENOMEM);
	CHECK_INT(export->failed, EXPORT_BINDING);
	CHECK_INT(delay(), 1000);
	strcpy(export->device.busid, "9-16");
	CHECK(slots_have_room(&exports, export)); /* it has a place of its own */
}

static void nearly_full(void)
{
	int said = 0;

	start();
	fill(13);
	slots_look(&sysfs, &said);
	CHECK_INT(said, 13);
	fill(16);
	slots_look(&sysfs, &said);
	slots_look(&sysfs, &said);
	CHECK_INT(said, 16);
}

int main(void)
{
	must(freopen("/dev/null", "w", stderr) != NULL, "quiet the log");
	temp_make(root);
	put_file(root, "bus/usb/drivers/usbip-host/match_busid", "");
	must(!sysfs_open(&sysfs, root), "open the tree");
	RUN("t_calm: long visits", long_visits);
	RUN("t_calm: one that was never bound", never_bound);
	RUN("t_calm: short visits, then a growing delay", short_visits);
	RUN("t_calm: a short visit is remembered for a minute", remembered_for_a_minute);
	RUN("t_calm: a long visit makes good", a_long_visit_makes_good);
	RUN("t_calm: another device begins anew", another_device);
	RUN("t_calm: a device with two faces", two_faces);
	RUN("t_calm: the error state, again and again", error_state);
	RUN("t_calm: one that is not even bound", short_glimpses);
	RUN("t_calm: slots are counted", slots_are_counted);
	RUN("t_calm: room for one more, or none", room);
	RUN("t_calm: nearly full", nearly_full);
	sysfs_close(&sysfs);
	temp_remove(root);
	return check_status();
}
