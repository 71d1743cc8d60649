/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/host_need: which devices the host needs is asked, waited for and remembered. The test
 * plays the survey in the inspector's process.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=daemon_run,--wrap=uevent_open,--wrap=protect_survey,--wrap=stub_bind
 * LINK: -Wl,--wrap=stub_end,--wrap=stub_release
 */
#include "tests/host.h"


enum { FREE_MS = 1000, LATER_MS = 500, SETTLE_MS = 10000, SETTLE_START_MS = 60000,
       ASK_MS = 10000 };

/* Of the devices 1-1, 1-2 and 1-3, shared with the process. */
static struct played {
	volatile bool hangs; /* it does not answer */
	volatile unsigned questions;
	volatile bool starting; /* in the latest one */
	struct {
		unsigned asked; /* so often */
		enum protect_stage stage; /* in the latest question */
		struct protect_item answer;
	} device[3];
} *played;

/* In the process. */
static void play_survey(struct protect_survey *question)
{
	for (unsigned i = 0; i < question->count; i++) {
		struct protect_item *item = &question->item[i];
		unsigned n = (unsigned)(item->busid[2] - '1');

		played->device[n].asked++;
		played->device[n].stage = item->stage;
		item->answer = played->device[n].answer.answer;
		item->lasting = played->device[n].answer.lasting;
		item->blocked = played->device[n].answer.blocked;
		item->unseen = played->device[n].answer.unseen;
		if (item->answer != PROTECT_FREE)
			str_format(item->reason.text, sizeof(item->reason.text), "%s has a reason",
				   item->busid);
	}
	played->starting = question->starting;
	played->questions++;
	while (played->hangs)
		usleep(1000);
}

static void begin(void)
{
	start();
	played = share_memory(played, sizeof(*played));
	t.play_survey = play_survey;
	plug("1-1", "usb");
}

static void answer(enum protect_answer of_first)
{
	played->device[0].answer.answer = of_first;
}

#define ASKED(n) CHECK_INT(played->device[0].asked, n)

/* All questions are answered, and what can be done now is done: a device may still have to wait. */
static bool is_waiting(void)
{
	EACH_EXPORT(&t.host->exports, export)
		if (export->need.asked || export->need.wanted || export_has_job(export))
			return false;
	return t.host->passed && t.daemon->loop.next > t.daemon->loop.now;
}

static void wait_for(uint64_t ms)
{
	run_after(&t.daemon->loop, ms);
	UNTIL(&t.daemon->loop, is_waiting);
}

static bool is_asked(void)
{
	return played->questions > 0;
}

/* A question is under way, and not answered. */
static void ask_in_vain(void)
{
	played->hangs = true;
	played->questions = 0;
	loop_pass_now(&t.daemon->loop);
	UNTIL(&t.daemon->loop, is_asked);
	CHECK_INT(t.daemon->inspector.state, INSPECTOR_ASKED);
}

static void free_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	ASKED(1);
	CHECK_INT(played->device[0].stage, PROTECT_AT_START);
	later(INTERVAL_MS);
	ASKED(1); /* as long as it is exported */
	change_rules("deny\n");
	settle();
	JOBS_WERE("release 1-1\n");
	later(INTERVAL_MS);
	ASKED(1); /* nobody wants it */
	change_rules("");
	settle();
	JOBS_WERE("bind 1-1\n");
	ASKED(2);
	stop_server();
}

static void is_free(void)
{
	begin();
	serve(free_scene, false, 0);
	end();
}

static void several_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\nbind 1-3\n");
	CHECK_INT(played->questions, 1); /* one for all */
	file_is(root, "run/left", "1-2 1-2 has a reason\n");
	stop_server();
}

static void several(void)
{
	begin();
	plug("1-2", "usb");
	plug("1-3", "usb");
	played->device[1].answer.answer = PROTECT_NEEDED;
	serve(several_scene, false, 0);
	end();
}

/* An answer is for the moment: after a while it is asked again before a bind. */
static void fresh_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	ASKED(1);
	later(1000); /* a bind that failed is tried again */
	JOBS_WERE("bind 1-1\n");
	ASKED(2);
	answer(PROTECT_NEEDED);
	later(2000);
	JOBS_WERE("");
	ASKED(3);
	stop_server();
}

static void fresh(void)
{
	begin();
	t.fails = "1-1";
	t.failure = (struct stub_result){ -EBUSY, STUB_STEP_UNBIND };
	serve(fresh_scene, false, 0);
	end();
}

static void needed_scene(void)
{
	settle();
	ASKED(1);
	CHECK_INT(said("1-1 (46f4:0001): left alone: 1-1 has a reason"), 1);
	file_is(root, "run/left", "1-1 1-1 has a reason\n");
	later(5000);
	settle(); /* an event, for example */
	ASKED(1);
	later(INTERVAL_MS - 5001);
	ASKED(1);
	for (unsigned i = 2; i < 5; i++) {
		later(i == 2 ? 1 : INTERVAL_MS);
		ASKED(i);
	}
	CHECK_INT(said("left alone"), 1);
	JOBS_WERE("");
	answer(PROTECT_FREE);
	later(INTERVAL_MS);
	JOBS_WERE("bind 1-1\n");
	CHECK(!is_there(root, "run/left"));
	stop_server();
}

static void needed(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(needed_scene, false, 0);
	end();
}

static void later_scene(void)
{
	wait_for(0);
	ASKED(1);
	wait_for(LATER_MS - 1);
	ASKED(1);
	for (unsigned i = 2; i < 6; i++) {
		wait_for(i == 2 ? 1 : LATER_MS);
		ASKED(i);
	}
	CHECK(host_need_is_open(find("1-1")));
	JOBS_WERE("");
	CHECK_INT(said("left alone"), 0); /* it is no reason yet */
	CHECK(!is_there(root, "run/left"));
	change_rules("deny\n");
	settle(); /* nobody waits for it any more */
	CHECK(!host_need_is_open(find("1-1")));
	change_rules("");
	wait_for(0);
	answer(PROTECT_FREE);
	later(LATER_MS);
	JOBS_WERE("bind 1-1\n");
	CHECK(!host_need_is_open(find("1-1")));
	stop_server();
}

static void cannot_tell_yet(void)
{
	begin();
	answer(PROTECT_LATER);
	serve(later_scene, false, 0);
	end();
}

static void once_scene(void)
{
	wait_for(0);
	CHECK(!is_over());
	wait_for(LATER_MS);
	CHECK(!is_over());
	ASKED(2);
	answer(PROTECT_FREE);
	run_after(&t.daemon->loop, LATER_MS);
	UNTIL(&t.daemon->loop, is_over);
	JOBS_WERE("bind 1-1\n");
}

/* --once waits until it is known, and no longer. */
static void once(void)
{
	begin();
	answer(PROTECT_LATER);
	serve(once_scene, true, 0);
	end();
}

static void once_needed_scene(void)
{
	UNTIL(&t.daemon->loop, is_over);
	ASKED(1);
	JOBS_WERE("");
}

static void once_needed(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(once_needed_scene, true, 0);
	end();
}

static void once_denied_scene(void)
{
	UNTIL(&t.daemon->loop, is_over);
	ASKED(0);
	JOBS_WERE("");
}

/* One that rules deny is not waited for. */
static void once_denied(void)
{
	begin();
	answer(PROTECT_LATER);
	put_file(root, RULES, "deny\n");
	serve(once_denied_scene, true, 0);
	end();
}

static void lasting_scene(void)
{
	settle();
	ASKED(1);
	answer(PROTECT_FREE); /* the reason has gone away */
	later(INTERVAL_MS);
	later(INTERVAL_MS);
	change_rules("allow\n");
	settle();
	ASKED(1);
	JOBS_WERE("");
	unplug("1-1");
	settle();
	plug("1-1", "usb");
	settle();
	ASKED(2);
	CHECK_INT(played->device[0].stage, PROTECT_PLUGGED_IN);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

static void serve_lasting(void (*scene)(void))
{
	begin();
	answer(PROTECT_NEEDED);
	played->device[0].answer.lasting = true;
	serve(scene, false, 0);
	end();
}

static void lasting(void)
{
	serve_lasting(lasting_scene);
}

/* Between two passes: only its number tells. */
static void swapped_scene(void)
{
	settle();
	ASKED(1);
	answer(PROTECT_FREE);
	plug("1-1", "usb");
	settle();
	ASKED(2);
	CHECK_INT(played->device[0].stage, PROTECT_PLUGGED_IN);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

static void swapped(void)
{
	serve_lasting(swapped_scene);
}

static void replugged_scene(void)
{
	ask_in_vain();
	answer(PROTECT_FREE);
	plug("1-1", "usb");
	run_quiet(&t.daemon->loop);
	loop_pass_now(&t.daemon->loop);
	run_quiet(&t.daemon->loop);
	played->hangs = false;
	settle();
	ASKED(2);
	CHECK_INT(said("left alone"), 0);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

/* The answer is about the former device in this place. */
static void replugged_meanwhile(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(replugged_scene, false, 0);
	end();
}

static void unplugged_scene(void)
{
	ask_in_vain();
	unplug("1-1");
	loop_pass_now(&t.daemon->loop);
	run_quiet(&t.daemon->loop);
	CHECK(!exports_find(&t.host->exports, "1-1"));
	played->hangs = false;
	settle();
	JOBS_WERE("");
	stop_server();
}

static void unplugged_meanwhile(void)
{
	begin();
	serve(unplugged_scene, false, 0);
	end();
}

/* Passes while a question is open ask nothing more. */
static void asked_once_scene(void)
{
	ask_in_vain();
	for (int i = 0; i < 5; i++) {
		loop_pass_now(&t.daemon->loop);
		run_quiet(&t.daemon->loop);
	}
	played->hangs = false;
	settle();
	run_quiet(&t.daemon->loop);
	ASKED(1);
	JOBS_WERE("");
	stop_server();
}

static void asked_once(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(asked_once_scene, false, 0);
	end();
}

static void wait_settling(uint64_t ms, enum protect_stage stage)
{
	for (uint64_t at = LATER_MS; at < ms; at += LATER_MS) {
		wait_for(LATER_MS);
		CHECK_INT(played->device[0].stage, stage);
	}
	wait_for(LATER_MS);
	CHECK_INT(played->device[0].stage, PROTECT_SETTLED);
}

/* It is asked with the time that has passed. */
static void stages_scene(void)
{
	wait_for(0);
	CHECK_INT(played->device[0].stage, PROTECT_AT_START);
	wait_settling(SETTLE_START_MS, PROTECT_AT_START);
	unplug("1-1");
	wait_for(0);
	plug("1-1", "usb");
	loop_pass_now(&t.daemon->loop);
	wait_for(0);
	CHECK_INT(played->device[0].stage, PROTECT_PLUGGED_IN);
	wait_settling(SETTLE_MS, PROTECT_PLUGGED_IN);
	stop_server();
}

static void stages(void)
{
	begin();
	answer(PROTECT_LATER);
	serve(stages_scene, false, 0);
	end();
}

static void reload_scene(void)
{
	settle();
	ASKED(1);
	later(1000);
	ASKED(1);
	change_rules("allow\n");
	settle();
	ASKED(2);
	answer(PROTECT_FREE);
	change_rules("");
	settle();
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

static void reload(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(reload_scene, false, 0);
	end();
}

static void named_scene(void)
{
	settle();
	JOBS_WERE("");
	change_rules("allow busid 1-*\n");
	settle();
	JOBS_WERE("");
	change_rules("allow busid 1-1\n");
	settle();
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

/* A rule that names it lifts the protection, one that matches it does not. */
static void named(void)
{
	begin();
	answer(PROTECT_NEEDED);
	serve(named_scene, false, 0);
	end();
}

static void blocked_scene(void)
{
	settle();
	JOBS_WERE("");
	CHECK_INT(said("1-1 (46f4:0001): left alone: 1-1 has a reason"), 1);
	later(INTERVAL_MS);
	CHECK_INT(said("left alone"), 1);
	played->device[0].answer.blocked = false; /* there is no event for that */
	answer(PROTECT_FREE);
	later(INTERVAL_MS);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

/* One that is not authorized is not taken, whatever the policy says, until it is. */
static void blocked(void)
{
	for (int named_too = 0; named_too < 2; named_too++) {
		begin();
		answer(PROTECT_NEEDED);
		played->device[0].answer.blocked = true;
		if (named_too)
			put_file(root, RULES, "allow busid 1-1\n");
		t.take_all = true;
		serve(blocked_scene, false, 0);
		end();
	}
}

static void blocked_later_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	put_attribute("1-1", "authorized", "0\n");
	answer(PROTECT_NEEDED);
	played->device[0].answer.blocked = true;
	later(INTERVAL_MS);
	JOBS_WERE("release 1-1\n");
	CHECK_INT(said("1-1 (46f4:0001): to be given back: it is not authorized, by USBGuard for example"), 1);
	later(INTERVAL_MS);
	JOBS_WERE("");
	put_attribute("1-1", "authorized", "1\n");
	answer(PROTECT_FREE);
	played->device[0].answer.blocked = false;
	later(INTERVAL_MS);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

/* USBGuard may block what is exported. */
static void blocked_later(void)
{
	begin();
	t.take_all = true;
	serve(blocked_later_scene, false, 0);
	end();
}

static void unseen_scene(void)
{
	settle();
	JOBS_WERE("bind 1-3\n");
	CHECK_INT(said("left alone, unless a rule names it, is each device that a program may have open: "
		       "a container can see that only with --pid=host"), 1);
	CHECK_INT(said(": left alone: "), 0);
	later(INTERVAL_MS);
	CHECK_INT(said("left alone"), 1);
	change_rules("allow busid 1-1\n");
	settle();
	JOBS_WERE("bind 1-1\n");
	CHECK_INT(said("left alone"), 1);
	stop_server();
}

/* One line for all of them; the status files have each, with its reason. */
static void unseen(void)
{
	begin();
	plug("1-2", "usb");
	plug("1-3", "usb");
	for (int i = 0; i < 2; i++) {
		played->device[i].answer.answer = PROTECT_NEEDED;
		played->device[i].answer.unseen = PROTECT_SEES_CONTAINER;
	}
	serve(unseen_scene, false, 0);
	end();
}

static void take_all_scene(void)
{
	settle();
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

static void take_all(void)
{
	static const enum protect_answer answers[] = { PROTECT_NEEDED, PROTECT_LATER };

	for (size_t i = 0; i < LENGTH(answers); i++) {
		begin();
		answer(answers[i]);
		t.take_all = true;
		serve(take_all_scene, false, 0);
		end();
	}
}

static bool is_asked_twice(void)
{
	return played->questions == 2;
}

static void no_answer_scene(void)
{
	ask_in_vain();
	run_after(&t.daemon->loop, ASK_MS);
	CHECK_INT(said("1-1 (46f4:0001): left alone: this host may need it: "
		       "a disk or driver does not answer"), 1);
	run_after(&t.daemon->loop, INTERVAL_MS); /* it is asked again */
	UNTIL(&t.daemon->loop, is_asked_twice);
	run_after(&t.daemon->loop, ASK_MS);
	CHECK_INT(said("left alone"), 1);
	played->hangs = false;
	run_long_quiet(&t.daemon->loop);
	later(INTERVAL_MS);
	JOBS_WERE("bind 1-1\n");
	stop_server();
}

/* Nothing is bound as long as it cannot be found out, whatever the policy says. */
static void no_answer(void)
{
	for (int lifted = 0; lifted < 3; lifted++) {
		begin();
		t.take_all = lifted == 1;
		if (lifted == 2)
			put_file(root, RULES, "allow busid 1-1\n");
		serve(no_answer_scene, false, 0);
		end();
	}
}

static void starting_scene(void)
{
	wait_for(0);
	CHECK(played->starting);
	wait_for(SETTLE_START_MS - LATER_MS);
	CHECK(played->starting);
	unplug("1-1");
	wait_for(0);
	plug("1-1", "usb");
	loop_pass_now(&t.daemon->loop);
	wait_for(0);
	wait_for(LATER_MS - 1);
	CHECK(played->starting);
	CHECK_INT(played->device[0].stage, PROTECT_PLUGGED_IN);
	wait_for(1);
	CHECK(!played->starting);
	CHECK_INT(played->device[0].stage, PROTECT_PLUGGED_IN);
	stop_server();
}

/* Since the server's start, also for a device that comes later. */
static void starting(void)
{
	begin();
	answer(PROTECT_LATER);
	serve(starting_scene, false, 0);
	end();
}

static void stop_scene(void)
{
	ask_in_vain();
	stop_server();
	JOBS_WERE("");
}

/* Nobody waits for an answer any more. */
static void stopped_meanwhile(void)
{
	begin();
	serve(stop_scene, false, 0);
	end();
}

int main(void)
{
	RUN("t_host_need: not needed, so it is bound", is_free);
	RUN("t_host_need: one question about several devices", several);
	RUN("t_host_need: an answer does not count for long", fresh);
	RUN("t_host_need: needed, until it is not", needed);
	RUN("t_host_need: it cannot be told yet", cannot_tell_yet);
	RUN("t_host_need: --once waits for it", once);
	RUN("t_host_need: --once, and it is needed", once_needed);
	RUN("t_host_need: --once, and rules deny it", once_denied);
	RUN("t_host_need: needed until it is unplugged", lasting);
	RUN("t_host_need: another device in its place", swapped);
	RUN("t_host_need: another device in its place while it is asked", replugged_meanwhile);
	RUN("t_host_need: unplugged while it is asked", unplugged_meanwhile);
	RUN("t_host_need: asked once, whatever the passes", asked_once);
	RUN("t_host_need: asked with the time that has passed", stages);
	RUN("t_host_need: asked while the server starts", starting);
	RUN("t_host_need: asked again after a reload", reload);
	RUN("t_host_need: a rule that names it", named);
	RUN("t_host_need: not authorized", blocked);
	RUN("t_host_need: not authorized any more", blocked_later);
	RUN("t_host_need: programs cannot be seen", unseen);
	RUN("t_host_need: --take-all", take_all);
	RUN("t_host_need: no answer comes", no_answer);
	RUN("t_host_need: stopped while it is asked", stopped_meanwhile);
	return check_status();
}
