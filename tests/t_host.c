/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/host, host_observe and host_act: passes over several devices, from the start to the
 * end of a server.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=daemon_run,--wrap=uevent_open,--wrap=protect_survey,--wrap=stub_bind
 * LINK: -Wl,--wrap=stub_end,--wrap=stub_release,--wrap=engine_find
 */
#include "tests/host.h"

#include <arpa/inet.h>
#include <sys/wait.h>

static struct engine other_engine;
static const char *of_other_engine; /* the device that it has; NULL: none */

const struct engine *__real_engine_find(const struct device *device);
const struct engine *__wrap_engine_find(const struct device *device);

const struct engine *__wrap_engine_find(const struct device *device)
{
	if (of_other_engine && !strcmp(device->busid, of_other_engine))
		return &other_engine;
	return __real_engine_find(device);
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
	CHECK(!find("1-1")->flaps.steady);
	change_rules("deny busid 1-3\nallow steady busid 1-1\n");
	settle();
	CHECK(!find("1-3")->listed && !find("1-3")->flaps.steady);
	CHECK(find("1-1")->flaps.steady);
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

/* It is said once that what is ours cannot be noted, though that nothing is can be. */
static void unnoted_scene(void)
{
	put_file(root, "run/bound.new/in", "");
	plug("1-1", "usb");
	settle();
	later(1000);
	later(2000);
	CHECK(find("1-1")->backoff.delay > 1000); /* it was tried more than once */
	CHECK_INT(said("run/bound"), 1);
	put_file(root, JOBS, "");
	stop_server();
}

static void unnoted(void)
{
	start();
	t.fails = "1-1";
	t.failure = (struct stub_result){ -EBUSY, STUB_STEP_UNBIND };
	serve(unnoted_scene, false, 0);
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
	run_after(&t.daemon->loop, JOB_LATE_MS - 1);
	CHECK_INT(jobs_running(), 1);
	CHECK_INT(find("1-2")->state, EXPORT_LEFT_ALONE);
	CHECK_INT(said("has no room for it"), 0); /* the bind of 1-1 may fail */
	put_file(root, "go", "");
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(said("cannot export 1-2 (46f4:0001): usbip-host has no room for it"), 1);
	file_is(root, "run/left", "1-2 usbip-host knows at most 16 bus ids, none of a bus newer than the server\n");
	file_is(root, "run/engine", "none usbip-host knows at most 16 bus ids, none of a bus newer than the server\n");
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

static void session_unknown_scene(void)
{
	settle();
	JOBS_WERE("");
	CHECK_INT(find("1-1")->state, EXPORT_IN_USE);
	stop_server();
	JOBS_WERE("end 1-1\nrelease 1-1\n");
}

/* Nobody knows whose session it is: no rule about clients ends it. */
static void session_unknown(void)
{
	start();
	put_file(root, RULES, "allow to 10.0.0.0/8\ndeny\n");
	was_bound("1-1\n");
	plug("1-1", STUB_DRIVER);
	put_attribute("1-1", "usbip_status", "2\n");
	serve(session_unknown_scene, false, 0);
	end();
}

static void session_of_others_scene(void)
{
	settle();
	JOBS_WERE("");
	CHECK_INT(find("1-1")->state, EXPORT_IN_USE);
	change_rules("deny busid 1-1 to 10.0.0.2\n");
	settle();
	JOBS_WERE("1-1 is not noted\nend 1-1\n");
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(!find("1-1")->ours);
	change_rules("deny\n");
	settle();
	stop_server();
	JOBS_WERE("");
}

/* What another has bound is never given back, but its session ends like any other. */
static void session_of_others(void)
{
	start();
	plug_in_use("1-1");
	serve(session_of_others_scene, false, 0);
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

static bool only_end_runs(void)
{
	return jobs_running() == 1 && has_word(JOBS, "end") && has_word(JOBS, "release");
}

static void end_apart_scene(void)
{
	settle();
	change_rules("deny\n");
	UNTIL(&t.daemon->loop, only_end_runs);
	JOBS_WERE("end 1-1\nrelease 1-2\n");
	put_file(root, "go", "");
	settle();
	JOBS_WERE("release 1-1\n");
	stop_server();
}

/* Devices hold each other up only in usbip-host: not that of an engine that works in the same way. */
static void end_apart(void)
{
	static const char *const busid[] = { "1-1", "1-2" };

	for (size_t i = 0; i < LENGTH(busid); i++) {
		start();
		was_bound("1-1\n1-2\n");
		plug_in_use("1-1");
		plug("1-2", STUB_DRIVER);
		other_engine = engine_kernel;
		of_other_engine = busid[i];
		t.slow = "end";
		serve(end_apart_scene, false, 0);
		of_other_engine = NULL;
		end();
	}
}

static bool end_has_begun(void)
{
	return has_word(JOBS, "end");
}

static void end_at_once_scene(void)
{
	settle();
	change_rules("deny busid 1-2\n");
	UNTIL(&t.daemon->loop, job_has_begun);
	change_rules("deny\n");
	UNTIL(&t.daemon->loop, end_has_begun);
	CHECK(jobs_running() > 0);
	put_file(root, "go", "");
	settle();
	JOBS_WERE("end 1-1\nrelease 1-1\nrelease 1-2\n");
	stop_server();
}

/* A session is ended though another device is being released. */
static void end_at_once(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	t.slow = "release";
	serve(end_at_once_scene, false, 0);
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
	find("1-1")->session.ended = t.daemon->loop.now;
	kill(getpid(), SIGTERM);
	run_after(&t.daemon->loop, 1000);
	JOBS_WERE("");
	CHECK_INT(find("1-1")->state, EXPORT_RESETTING);
	CHECK(!is_over());
}

static void reset_ends_scene(void)
{
	reset_begins();
	put_attribute("1-1", "usbip_status", "1\n");
	run_after(&t.daemon->loop, 100);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-1\nrelease 1-2\n");
}

static void reset_stays_scene(void)
{
	reset_begins();
	run_after(&t.daemon->loop, 10000);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-2\n");
}

/* At the end nothing is done to a device that is being reset, and no other is released until it is
 * reset, or that takes too long. */
static void reset_at_end(void)
{
	for (int stays = 0; stays < 2; stays++) {
		start();
		was_bound("1-1\n1-2\n");
		plug_in_use("1-1");
		plug("1-2", STUB_DRIVER);
		serve(stays ? reset_stays_scene : reset_ends_scene, false, stays);
		CHECK_INT(said("1-1: not given back"), stays);
		end();
	}
}

static void used_again_scene(void)
{
	settle();
	put_file(root, "again", "");
	stop_server();
	JOBS_WERE("end 1-1\nend 1-1\nrelease 1-1\nrelease 1-2\n");
}

/* Through another program that listens, such as usbipd, a client may have the device again at once. */
static void used_again(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug_in_use("1-1");
	plug("1-2", STUB_DRIVER);
	serve(used_again_scene, false, 0);
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

static void links_lost_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\nbind 1-2\nbind 1-3\n");
	bound_is("1-1 network\n1-2\n1-3 network\n");
	put_attribute("1-3", "usbip_status", "2\n");
	settle();
	take_away(root, LINK);
	later(10000); /* it is noticed */
	later(50000);
	put_file(root, LINK, ""); /* a break */
	later(10000);
	take_away(root, LINK);
	later(10000);
	later(50000);
	later(9999);
	JOBS_WERE("");
	later(1);
	JOBS_WERE("release 1-1\n");
	CHECK_INT(said("1-1 (46f4:0001): to be given back: this host has no other network card with "
		       "a link"), 1);
	bound_is("1-2\n1-3 network\n");
	put_file(root, LINK, "");
	later(60000);
	JOBS_WERE(""); /* it is not taken again */
	file_is(root, "run/left", "1-1 this host has no other network card with a link\n");
	unplug("1-1");
	settle();
	plug("1-1", "usb");
	settle();
	JOBS_WERE("bind 1-1\n");
	stop_server();
	JOBS_WERE("end 1-3\nrelease 1-1\nrelease 1-2\nrelease 1-3\n");
}

/* The host gets its card back, but none that a client uses. */
static void links_lost(void)
{
	start();
	put_file(root, CARDS, "1-1 1-3");
	plug("1-1", "usb");
	plug("1-2", "usb");
	plug("1-3", "usb");
	serve(links_lost_scene, false, 0);
	end();
}

static void links_lost_again_scene(void)
{
	settle();
	later(50000);
	later(9999);
	JOBS_WERE("");
	later(1);
	JOBS_WERE("release 1-1\n");
	later(3600000);
	CHECK_INT(find("1-3")->state, EXPORT_IN_USE);
	put_attribute("1-3", "usbip_status", "1\n"); /* its session ends: now that one, too */
	settle();
	later(50000);
	later(9999);
	JOBS_WERE("");
	later(1);
	JOBS_WERE("release 1-3\n");
	stop_server();
	JOBS_WERE("release 1-2\n");
}

/* The next run knows the cards that an earlier one has bound; what another has bound stays. */
static void links_lost_again(void)
{
	start();
	was_bound("1-1 network\n1-2\n1-3 network\n");
	put_file(root, CARDS, "1-4");
	take_away(root, LINK);
	plug("1-1", STUB_DRIVER);
	plug("1-2", STUB_DRIVER);
	plug_in_use("1-3");
	plug("1-4", STUB_DRIVER);
	serve(links_lost_again_scene, false, 0);
	end();
}

static void link_in_time_scene(void)
{
	unsigned passes = 0;

	settle();
	JOBS_WERE("bind 1-1\n");
	for (; passes < 20; passes++) {
		later(10000);
		if (passes % 6 == 5)
			put_file(root, LINK, "");
		else if (passes % 6 == 0)
			take_away(root, LINK);
	}
	JOBS_WERE("");
	stop_server();
	JOBS_WERE("release 1-1\n");
}

/* A link that comes and goes is none that is lost; it is asked for without other passes. */
static void link_in_time(void)
{
	start();
	put_file(root, CARDS, "1-1");
	plug("1-1", "usb");
	serve(link_in_time_scene, false, 0);
	end();
}

static void named_card_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\nbind 1-2\n");
	later(10000);
	later(60000);
	JOBS_WERE("release 1-2\n");
	change_rules("allow\n");
	settle();
	JOBS_WERE("release 1-1\n");
	stop_server();
}

/* A rule that names a card lifts that, as long as there is one. */
static void named_card(void)
{
	start();
	put_file(root, RULES, "allow busid 1-1\n");
	put_file(root, CARDS, "1-1 1-2");
	take_away(root, LINK);
	plug("1-1", "usb");
	plug("1-2", "usb");
	serve(named_card_scene, false, 0);
	end();
}

#define STUCK "driver usb does not let go of it"
enum { STOP_MS = 30000 };

/* All other jobs are done, and what can be done now is done. */
static bool only_one_job(void)
{
	EACH_EXPORT(&t.host->exports, export)
		if (host_need_is_open(export) || export->reader.child.pid)
			return false;
	return t.host->passed && jobs_running() == 1 &&
	       t.daemon->inspector.state != INSPECTOR_ASKED &&
	       t.daemon->loop.next > t.daemon->loop.now;
}

/* The process of its job runs. */
static bool first_has_begun(void)
{
	return has_word(JOBS, "1-1");
}

static void settle_but_one(void)
{
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, only_one_job);
}

/* One that waits for the former one's room is not kept waiting by a bind that is stuck. */
static void stuck_bind_scene(void)
{
	settle_but_one();
	CHECK_INT(find("1-2")->state, EXPORT_AVAILABLE);
	CHECK(is_there(root, "run/1-1.lock") && !is_there(root, "run/1-2.lock"));
	run_after(&t.daemon->loop, JOB_LATE_MS - 1);
	CHECK_INT(said("stuck for"), 0);
	file_is(root, "run/1-1.lock", "");
	run_after(&t.daemon->loop, 1);
	CHECK_INT(said("1-1 (46f4:0001): stuck for 5 s: " STUCK "; other devices are not held up"),
		  1);
	file_is(root, "run/1-1.lock", STUCK);
	fill_slots(15);
	append(SLOTS, "%s ", "1-2");
	plug("1-3", "usb");
	settle_but_one();
	CHECK_INT(said("cannot export 1-3 (46f4:0001): usbip-host has no room for it"), 1);
	fill_slots(3);
	append(SLOTS, "%s ", "1-2");
	run_after(&t.daemon->loop, 1000);
	settle_but_one();
	CHECK_INT(find("1-3")->state, EXPORT_AVAILABLE);
	change_rules("deny busid 1-2\n");
	settle_but_one();
	JOBS_WERE("bind 1-1\nbind 1-2\nbind 1-3\nrelease 1-2\n");
	run_after(&t.daemon->loop, 60000);
	CHECK_INT(said("stuck for"), 1);
	put_file(root, "go", "");
	settle();
	CHECK_INT(said("1-1 (46f4:0001): no longer stuck, after 66 s"), 1);
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(!is_there(root, "run/1-1.lock"));
	stop_server();
	JOBS_WERE("release 1-1\nrelease 1-3\n");
}

static void stuck_bind(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	t.slow = "bind";
	t.slow_busid = "1-1";
	serve(stuck_bind_scene, false, 0);
	CHECK(!is_there(root, "run"));
	end();
}

static void stuck_release_scene(void)
{
	settle();
	change_rules("deny busid 1-1\n");
	settle_but_one();
	run_after(&t.daemon->loop, 1000);
	change_rules("deny busid 1-1\ndeny busid 1-2\n");
	settle_but_one();
	JOBS_WERE("end 1-2\nrelease 1-1\nrelease 1-2\n");
	run_after(&t.daemon->loop, JOB_LATE_MS - 1000);
	CHECK_INT(said("1-1 (46f4:0001): stuck for 5 s: driver usbip-host does not let go of it; "
		       "other devices are not held up"), 1);
	put_file(root, "go", "");
	settle();
	CHECK_INT(said("1-1 (46f4:0001): no longer stuck, after "), 1);
	stop_server();
}

static void stuck_release(void)
{
	start();
	was_bound("1-1\n1-2\n");
	plug("1-1", STUB_DRIVER);
	plug_in_use("1-2");
	t.slow = "release";
	t.slow_busid = "1-1";
	serve(stuck_release_scene, false, 0);
	end();
}

static void stop_stuck_scene(void)
{
	settle_but_one();
	UNTIL(&t.daemon->loop, first_has_begun);
	run_after(&t.daemon->loop, JOB_LATE_MS);
	JOBS_WERE("bind 1-1\nbind 1-2\n");
	stop_server(); /* at once */
	JOBS_WERE("release 1-2\n");
	CHECK_INT(jobs_running(), 1);
	close(find("1-1")->lock); /* as the end of the process does */
}

static bool has_stuck(void)
{
	return find("1-1")->state == EXPORT_STUCK;
}

static void next_run_scene(void)
{
	struct reason why;

	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, has_stuck);
	CHECK_INT(said("1-1 (46f4:0001): left alone, as an earlier run of the server still waits for "
		       "it: " STUCK), 1);
	UNTIL(&t.daemon->loop, only_one_job);
	CHECK_INT(find("1-2")->state, EXPORT_AVAILABLE);
	for (int i = 0; i < 3; i++)
		run_after(&t.daemon->loop, INTERVAL_MS);
	CHECK_INT(said("left alone, as an earlier run"), 1);
	CHECK(has_stuck());
	CHECK(find("1-1")->ours && !find("1-1")->listed);
	file_is(root, "run/1-1.lock", STUCK);
	JOBS_WERE("bind 1-2\n");
	put_file(root, "go", "");
	while (rundir_job_is_stuck(run_dir, "1-1", &why))
		usleep(1000);
	later(INTERVAL_MS);
	CHECK_INT(said("1-1 (46f4:0001): no longer stuck: the earlier run of the server has ended"),
		  1);
	CHECK_STR(find("1-1")->stuck.text, "");
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	CHECK(!is_there(root, "run/1-1.lock"));
	stop_server();
	JOBS_WERE("release 1-1\nrelease 1-2\n");
}

static void next_stop_scene(void)
{
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, has_stuck);
	stop_server();
}

static void next_once_scene(void)
{
	UNTIL(&t.daemon->loop, is_over);
	CHECK(has_stuck());
}

/* It is not waited for at the end, and the next run leaves just that device alone. */
static void stop_stuck(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	t.slow = "bind";
	t.slow_busid = "1-1";
	serve(stop_stuck_scene, false, 1);
	CHECK_INT(said("1-1: not given back: " STUCK), 1);
	CHECK_INT(said("not given back"), 1);
	file_is(root, "run/bound", "1-1\n");
	file_is(root, "run/1-1.lock", STUCK);
	unplug("1-2");
	serve(next_stop_scene, false, 1);
	CHECK_INT(said("1-1: not given back: " STUCK), 2);
	serve(next_once_scene, true, 1);
	plug("1-2", "usb");
	said_forget();
	serve(next_run_scene, false, 0);
	CHECK(!is_there(root, "run"));
	end();
}

static void once_stuck_scene(void)
{
	settle_but_one();
	CHECK(!is_over());
	run_after(&t.daemon->loop, JOB_LATE_MS);
	UNTIL(&t.daemon->loop, is_over);
	put_file(root, "go", "");
}

/* --once does not wait for ever. */
static void once_stuck(void)
{
	start();
	plug("1-1", "usb");
	plug("1-2", "usb");
	t.slow = "bind";
	t.slow_busid = "1-1";
	serve(once_stuck_scene, true, 1);
	while (waitpid(-1, NULL, 0) > 0)
		;
	end();
}

static void slow_stop_scene(void)
{
	settle();
	kill(getpid(), SIGTERM);
	UNTIL(&t.daemon->loop, job_has_begun);
	run_after(&t.daemon->loop, JOB_LATE_MS);
	CHECK_INT(said("1-1 (46f4:0001): stuck for 5 s: driver usbip-host does not let go of it"), 1);
	CHECK(!is_over());
	run_after(&t.daemon->loop, 20000);
	CHECK(!is_over());
	put_file(root, "go", "");
	UNTIL(&t.daemon->loop, is_over);
}

static void too_slow_stop_scene(void)
{
	settle();
	kill(getpid(), SIGTERM);
	UNTIL(&t.daemon->loop, job_has_begun);
	clock_now += STOP_MS;
	UNTIL(&t.daemon->loop, is_over);
	put_file(root, "go", "");
}

/* A release that was begun to stop has some more time, as a driver may load firmware. */
static void slow_stop(void)
{
	for (int too_slow = 0; too_slow < 2; too_slow++) {
		start();
		was_bound("1-1\n");
		plug("1-1", STUB_DRIVER);
		t.slow = "release";
		serve(too_slow ? too_slow_stop_scene : slow_stop_scene, false, too_slow);
		CHECK_INT(said("1-1: not given back: driver usbip-host does not let go of it"),
			  too_slow);
		while (waitpid(-1, NULL, 0) > 0)
			;
		end();
	}
}

static void reset_scene(void)
{
	settle();
	kill(getpid(), SIGTERM);
	loop_pass_now(&t.daemon->loop);
	run_long_quiet(&t.daemon->loop);
	JOBS_WERE("end 1-1\nend 1-2\nrelease 1-3\n");
	CHECK(!is_over());
	run_after(&t.daemon->loop, 10000);
	CHECK(!is_over());
	JOBS_WERE("");
	put_attribute("1-1", "usbip_status", "1\n"); /* it was reset at last */
	run_after(&t.daemon->loop, 1000);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("release 1-1\nrelease 1-2\n");
}

static void endless_reset_scene(void)
{
	settle();
	kill(getpid(), SIGTERM);
	loop_pass_now(&t.daemon->loop);
	run_long_quiet(&t.daemon->loop);
	clock_now += STOP_MS;
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("end 1-1\nend 1-2\nrelease 1-3\n");
}

/*
 * A device that is still being reset keeps those whose sessions ended at the same time: the kernel may
 * have them in its queue. One that was idle goes back.
 */
static void slow_reset(void)
{
	for (int endless = 0; endless < 2; endless++) {
		start();
		was_bound("1-1\n1-2\n1-3\n");
		plug_in_use("1-1");
		plug_in_use("1-2");
		plug("1-3", STUB_DRIVER);
		t.end_fails = "1-1";
		t.failure = (struct stub_result){ -ETIMEDOUT, STUB_STEP_SESSION };
		serve(endless ? endless_reset_scene : reset_scene, false, endless);
		CHECK_INT(said("not given back"), endless ? 2 : 0);
		CHECK_INT(said("1-2: not given back: a device is still being reset"), endless);
		end();
	}
}

static void no_lock_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(find("1-1")->state, EXPORT_AVAILABLE);
	stop_server();
	JOBS_WERE("release 1-1\n");
}

/* Without a file for its lock a job is done all the same. */
static void no_lock(void)
{
	start();
	plug("1-1", "usb");
	put_file(root, "run/1-1.lock/file", "");
	serve(no_lock_scene, false, 0);
	end();
}

static int other_server;

/* A process that is about to end may have a copy of the other one's socket: it is tried again. */
static bool is_served(void)
{
	if (t.host->unserved)
		loop_pass_now(&t.daemon->loop);
	return !t.host->unserved;
}

static void other_server_scene(void)
{
	settle();
	JOBS_WERE("release 1-1\n"); /* of an earlier run */
	CHECK_INT(said("until it ends, no device is exported"), 1);
	file_is(root, "run/left", "1-1 this server does not listen on all its addresses\n"
				  "1-2 this server does not listen on all its addresses\n");
	close(other_server);
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_served);
	settle();
	JOBS_WERE("bind 1-1\nbind 1-2\n");
	change_rules("");
	settle();
	JOBS_WERE("");
	stop_server();
}

/* It would serve devices to clients that this one does not let in. */
static void other_server_listens(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned port = (unsigned)getpid();
	char listen_on[40];

	for (unsigned by_rule = 0; by_rule < 2; by_rule++) {
		start();
		other_server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		/* below those that connections get, which other programs make */
		do
			here.sin_port = htons((uint16_t)(10000 + port++ % 20000));
		while (bind(other_server, (struct sockaddr *)&here, sizeof(here)));
		must(!listen(other_server, 1), "listen");
		snprintf(listen_on, sizeof(listen_on), "127.0.0.1:%u", ntohs(here.sin_port));
		t.listen = listen_on;
		t.alone = !by_rule;
		if (by_rule)
			put_file(root, RULES, "deny busid 7-7 to 10.0.0.0/8\n");
		was_bound("1-1\n");
		plug("1-1", STUB_DRIVER);
		plug("1-2", "usb");
		serve(other_server_scene, false, 0);
		end();
	}
}

/* What the rules deny keeps no place from what they allow. */
static void rack_scene(void)
{
	settle();
	JOBS_WERE("bind 1-201\nbind 1-202\nbind 1-203\nbind 1-204\nbind 1-205\nbind 1-206\n");
	CHECK_INT(said("devices: the others are left alone"), 0);
	said_forget();
	plug("1-207", "usb");
	settle();
	JOBS_WERE("bind 1-207\n");
	loop_pass_now(&t.daemon->loop);
	settle();
	CHECK_INT(said("denied"), 0); /* those without a place are not new in each pass */
	change_rules("deny busid 1-207\nallow busid 1-20*\n"); /* now too many are allowed */
	settle();
	CHECK(log_once_active(&t.host->full_log));
	stop_server();
}

static void rack(void)
{
	char busid[20];

	start();
	for (unsigned i = 1; i <= 200; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i % 5 ? i : 300 + i);
		plug(busid, "usb");
	}
	for (unsigned i = 201; i <= 206; i++) {
		snprintf(busid, sizeof(busid), "1-%u", i);
		plug(busid, "usb");
	}
	put_file(root, RULES, "allow busid 1-20?\ndeny\n");
	serve(rack_scene, false, 0);
	end();
}

int main(void)
{
	RUN("t_host: from the start to the end", whole_life);
	RUN("t_host: one pass, and the next run", once_and_again);
	RUN("t_host: a device without a driver", driverless);
	RUN("t_host: a bind that fails", failed_bind);
	RUN("t_host: a bind that fails, and cannot be noted", unnoted);
	RUN("t_host: a bind that leaves the device without a driver", stranded);
	RUN("t_host: one pass with a bind that fails", failed_once);
	RUN("t_host: no room", no_room);
	RUN("t_host: a rule about strings", strings);
	RUN("t_host: a session and the rules", session);
	RUN("t_host: a session of a client that is not known", session_unknown);
	RUN("t_host: a session of a device that another has bound", session_of_others);
	RUN("t_host: a session, and a rule about strings", session_and_strings);
	RUN("t_host: sessions end before a release", end_first);
	RUN("t_host: a release while another engine ends a session", end_apart);
	RUN("t_host: a session is ended at once", end_at_once);
	RUN("t_host: all is given back", give_back);
	RUN("t_host: a reset at the end", reset_at_end);
	RUN("t_host: a client that is quick to have a device again", used_again);
	RUN("t_host: a session that does not end", session_stays);
	RUN("t_host: a release that is tried again at the end", retried_at_end);
	RUN("t_host: a bind that does not end", stuck_bind);
	RUN("t_host: a release that does not end", stuck_release);
	RUN("t_host: stopped while a bind does not end, and the next run", stop_stuck);
	RUN("t_host: one pass with a bind that does not end", once_stuck);
	RUN("t_host: a release at the end that takes long", slow_stop);
	RUN("t_host: a reset at the end that takes long", slow_reset);
	RUN("t_host: no lock for a job", no_lock);
	RUN("t_host: all links are lost", links_lost);
	RUN("t_host: all links are lost, in the next run", links_lost_again);
	RUN("t_host: a link that comes and goes", link_in_time);
	RUN("t_host: all links are lost, and a rule names the card", named_card);
	RUN("t_host: more devices than there are places", rack);
	RUN("t_host: another server listens", other_server_listens);
	return check_status();
}
