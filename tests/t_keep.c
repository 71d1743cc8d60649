/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/import_keep: which devices are detached when they shall leave, and which are kept because
 * a disk of theirs is in use.
 * LINK: -Wl,--wrap=log_line,--wrap=vhci_detach,--wrap=protect_disk_in_use,--wrap=inspector_ask
 */
#include "client/import.h"

#include "tests/said.h"

#include <errno.h>

enum { NOW = 1000000, INTERVAL_MS = 10000, CLOSE_MS = 3000 };

#define MOUNTED "it holds the file system at /mnt"
#define NAME "1-1.4 (0951:1666) at pi.lan:3240"

static struct hook_runner runner = { .source.fd = -1, .config = "." };
static struct loop loop;
static struct inspector inspector;
static struct import_context context; /* big */
static struct endpoint endpoint;
static struct import *import; /* at port 0, whose device is 3-1 */

static unsigned detached, questions, syncs;
static int detach_result;
static bool has_disk; /* or that is not known either */

int __wrap_vhci_detach(const struct sysfs *sysfs, unsigned port);
bool __wrap_protect_disk_in_use(const struct sysfs *sysfs, const struct protect_item *item);
void __wrap_inspector_ask(struct inspector *asked, unsigned limit_ms);

int __wrap_vhci_detach(const struct sysfs *sysfs, unsigned port)
{
	(void)sysfs;
	(void)port;
	detached++;
	return detach_result;
}

bool __wrap_protect_disk_in_use(const struct sysfs *sysfs, const struct protect_item *item)
{
	(void)sysfs;
	CHECK(!strncmp(item->busid, "3-", 2));
	return item->answer == PROTECT_NEEDED && (!item->unknown || has_disk);
}

/* The answer comes later. */
void __wrap_inspector_ask(struct inspector *asked, unsigned limit_ms)
{
	CHECK(asked == &inspector && inspector.state != INSPECTOR_ASKED);
	CHECK_INT(limit_ms, !asked->survey.sync ? 3000 : loop.stopping ? 30000 : 5000);
	CHECK(asked->survey.disks_only);
	CHECK_INT(asked->survey.count != 0, !asked->survey.sync);
	questions += !asked->survey.sync;
	syncs += asked->survey.sync;
	inspector.state = INSPECTOR_ASKED;
	inspector.deadline = loop.now + limit_ms;
}

static void answered(struct inspector *asked)
{
	CHECK(asked == &inspector);
	import_context_answered(&context);
}

static struct import *attach(const char *busid, unsigned port)
{
	struct import *added = import_add(&context, &endpoint, busid);

	must(added, "add an import");
	context.vhci.ports = port + 1 > context.vhci.ports ? port + 1 : context.vhci.ports;
	context.vhci.port[port].state = VHCI_USED;
	snprintf(context.vhci.port[port].busid, sizeof(context.vhci.port[0].busid), "3-%u", port + 1);
	added->port = (int)port;
	import_set_state(added, IMPORT_ATTACHED);
	added->answered = added->identified = true;
	added->facts.vendor = 0x951;
	added->facts.product = 0x1666;
	return added;
}

static void start(void)
{
	memset(&loop, 0, sizeof(loop));
	memset(&context, 0, sizeof(context));
	memset(&inspector, 0, sizeof(inspector));
	loop.now = NOW;
	loop.next = UINT64_MAX;
	loop.interval = INTERVAL_MS;
	inspector.loop = context.loop = &loop;
	inspector.answered = answered;
	context.inspector = &inspector;
	context.hooks = &runner;
	context.own_dir = context.record_dir = "/nonexistent";
	detached = questions = syncs = 0;
	detach_result = 0;
	has_disk = false;
	must(!endpoint_parse(&endpoint, "pi.lan", "3240"), "parse the name");
	import = attach("1-1.4", 0);
	said_forget();
}

/* As in a pass. */
static void leave(struct import *which)
{
	loop.next = UINT64_MAX;
	import_leave(which);
	import_context_end_pass(&context);
}

static void answer(enum protect_answer answer, bool unknown)
{
	struct protect_item *item = &inspector.survey.item[0];

	CHECK_INT(inspector.state, INSPECTOR_ASKED);
	inspector.state = INSPECTOR_IDLE;
	if (!inspector.survey.sync) {
		CHECK_STR(item->busid, "3-1");
		CHECK_INT(item->stage, PROTECT_SETTLED);
		item->answer = answer;
		item->unknown = unknown;
		snprintf(item->reason.text, sizeof(item->reason.text), "%s",
			 unknown ? "this host may need it: why" : MOUNTED);
	}
	import_context_answered(&context);
}

static const struct {
	const char *what;
	enum import_state state;
	bool unanswered, ended, stopping;
	uint64_t again; /* ask_again, after now */
	enum import_state becomes;
	bool detached;
} leaves[] = {
	{ "attached", IMPORT_ATTACHED, false, false, false, 0, IMPORT_LEAVING, false },
	{ "attached, at the end", IMPORT_ATTACHED, false, false, true, 0, IMPORT_LEAVING, false },
	{ "not here yet", IMPORT_ATTACHED, true, false, false, 0, IMPORT_DETACHING, true },
	{ "its connection ended", IMPORT_ATTACHED, false, true, false, 0, IMPORT_DETACHING, true },
	{ "leaving", IMPORT_LEAVING, false, false, false, 0, IMPORT_LEAVING, false },
	{ "leaving, its connection ended", IMPORT_LEAVING, false, true, false, 0, IMPORT_DETACHING,
	  true },
	{ "kept", IMPORT_KEPT, false, false, false, 1, IMPORT_KEPT, false },
	{ "kept for an interval", IMPORT_KEPT, false, false, false, 0, IMPORT_LEAVING, false },
	{ "kept, its connection ended", IMPORT_KEPT, false, true, false, 1, IMPORT_DETACHING, true },
	{ "kept at the end", IMPORT_KEPT, false, false, true, 0, IMPORT_KEPT, false },
	{ "detaching", IMPORT_DETACHING, false, false, false, 1, IMPORT_DETACHING, false },
};

static void leave_state(size_t i)
{
	start();
	import->state = leaves[i].state;
	import->answered = !leaves[i].unanswered;
	import->session.ended = leaves[i].ended ? NOW : 0;
	import->ask_again = NOW + leaves[i].again;
	loop.stopping = leaves[i].stopping;
	leave(import);
	CHECK_INT(import->state, leaves[i].becomes);
	CHECK_INT(detached, leaves[i].detached);
	CHECK_INT(questions, import->state == IMPORT_LEAVING);
	CHECK_INT(loop.next, import->state == IMPORT_DETACHING ? NOW + 50
			     : leaves[i].again && !leaves[i].detached ? NOW + 1
			     : leaves[i].state == IMPORT_KEPT && !loop.stopping ? NOW : UINT64_MAX);
}

static const struct {
	const char *what;
	enum protect_answer answer;
	bool unknown, has_disk;
	bool was_kept, ended;
	bool kept;
} answers[] = {
	{ "a disk in use", PROTECT_NEEDED, false, true, false, false, true },
	{ "in use, its connection ended", PROTECT_NEEDED, false, true, false, true, false },
	{ "a disk that is free", PROTECT_FREE, false, true, false, false, false },
	{ "one that is free by now", PROTECT_FREE, false, true, true, false, false },
	{ "a disk without its block device", PROTECT_LATER, false, false, true, false, false },
	{ "a disk, unknown", PROTECT_NEEDED, true, true, false, false, true },
	{ "a keyboard, unknown", PROTECT_NEEDED, true, false, false, false, false },
	{ "one that was in use, unknown", PROTECT_NEEDED, true, false, true, false, true },
};

static void take_answer(size_t i)
{
	const char *reason = answers[i].unknown ? "this host may need it: why" : MOUNTED;
	char line[200];

	start();
	has_disk = answers[i].has_disk;
	if (answers[i].was_kept)
		log_once(&import->kept, LOG_LEVEL_WARNING, 0, "once");
	leave(import);
	import->session.ended = answers[i].ended ? NOW : 0;
	answer(answers[i].answer, answers[i].unknown);
	CHECK_INT(import->state, answers[i].kept ? IMPORT_KEPT : IMPORT_DETACHING);
	CHECK_INT(detached, !answers[i].kept);
	snprintf(line, sizeof(line), NAME ": stays attached: %s", reason);
	CHECK_INT(said(line), answers[i].kept);
	CHECK_INT(context.sync, answers[i].kept ? IMPORT_SYNC_WANTED : IMPORT_SYNC_DONE);
	CHECK_INT(loop.next, answers[i].kept ? NOW : NOW + 50);
	CHECK_INT(import->ask_again, NOW + (answers[i].kept ? INTERVAL_MS : 1000));
}

/* A program has its disk open: it is asked again for a while, at a stop once more. */
static void waits_for_a_program(bool closes, bool stops)
{
	start();
	leave(import);
	for (unsigned i = 0; i < 2; i++) {
		inspector.survey.item[0].open = true;
		loop.next = UINT64_MAX;
		answer(PROTECT_NEEDED, false);
		CHECK_INT(import->state, IMPORT_LEAVING);
		CHECK_INT(loop.next, loop.now + 200);
		CHECK_INT(context.sync, IMPORT_SYNC_DONE);
		CHECK_INT(said("stays attached"), 0);
		loop.now += i ? 1 : CLOSE_MS - 1;
		leave(import);
		CHECK_INT(questions, i + 2);
	}
	inspector.survey.item[0].open = !closes;
	answer(closes ? PROTECT_FREE : PROTECT_NEEDED, false);
	CHECK_INT(import->state, closes ? IMPORT_DETACHING : IMPORT_KEPT);
	if (closes || !stops)
		return;
	loop.now++;
	import_context_stop(&context);
	loop.stopping = true;
	context.sync = IMPORT_SYNC_DONE;
	leave(import);
	inspector.survey.item[0].open = true;
	answer(PROTECT_NEEDED, false);
	CHECK_INT(import->state, IMPORT_LEAVING);
}

static void programs(void)
{
	waits_for_a_program(true, false);
	waits_for_a_program(false, false);
	waits_for_a_program(false, true);
	start(); /* it was kept: from then on it is asked every interval */
	import->state = IMPORT_KEPT;
	leave(import);
	inspector.survey.item[0].open = true;
	answer(PROTECT_NEEDED, false);
	CHECK_INT(import->state, IMPORT_KEPT);
	CHECK_INT(import->ask_again, NOW + INTERVAL_MS);
}

/* It may stay: an answer that is still to come counts no longer. */
static void may_stay(void)
{
	start();
	import_stay(import);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	leave(import);
	import_stay(import);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	answer(PROTECT_FREE, false);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	leave(import);
	answer(PROTECT_NEEDED, false);
	CHECK_INT(import->state, IMPORT_KEPT);
	import_stay(import);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	CHECK(!log_once_active(&import->kept));
	import_detach(import);
	import_stay(import);
	CHECK_INT(import->state, IMPORT_DETACHING);
}

/* What went while it was kept is not kept before it is in use again. */
static void goes(void)
{
	start();
	leave(import);
	answer(PROTECT_NEEDED, false);
	context.vhci.port[0].state = VHCI_FREE;
	import_check(import);
	CHECK_INT(import->state, IMPORT_IDLE);
	CHECK(!log_once_active(&import->kept));
	CHECK_INT(said(NAME ": gone from port 0"), 1);
}

/* Two questions, as one has no room for all; none while one is open. */
static void many(void)
{
	char busid[BUSID_SIZE];

	start();
	for (unsigned i = 1; i < PROTECT_MAX + 3; i++) {
		snprintf(busid, sizeof(busid), "1-1.4.%u", i);
		attach(busid, i);
	}
	attach("1-2", PROTECT_MAX + 3); /* it stays */
	for (unsigned i = 0; i < PROTECT_MAX + 3; i++)
		import_leave(&context.import[i]);
	import_context_end_pass(&context);
	import_context_end_pass(&context);
	CHECK_INT(questions, 1);
	CHECK_INT(inspector.survey.count, PROTECT_MAX);
	loop.next = UINT64_MAX;
	answer(PROTECT_FREE, false);
	CHECK_INT(loop.next, NOW);
	CHECK_INT(detached, PROTECT_MAX);
	import_context_end_pass(&context);
	CHECK_INT(inspector.survey.count, 3);
	inspector.state = INSPECTOR_IDLE;
	import_context_answered(&context);
	CHECK_INT(detached, PROTECT_MAX + 3);
	CHECK_INT(context.import[PROTECT_MAX + 3].state, IMPORT_ATTACHED);
	import_context_end_pass(&context);
	CHECK_INT(questions, 2);
}

/* Each has its own answer, whatever went or came back meanwhile. */
static void own_answers(void)
{
	struct import *second, *third;

	start();
	second = attach("1-2", 1);
	third = attach("1-3", 2);
	import_leave(import);
	import_leave(second);
	import_leave(third);
	import_context_end_pass(&context);
	import_stay(import);
	inspector.state = INSPECTOR_IDLE;
	CHECK_INT(inspector.survey.count, 3);
	inspector.survey.item[1].answer = PROTECT_NEEDED;
	import_context_answered(&context);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	CHECK_INT(second->state, IMPORT_KEPT);
	CHECK_INT(third->state, IMPORT_DETACHING);
}

/* It is synced when it is kept, and again if another one is kept meanwhile, or at the end. */
static void syncs_what_is_kept(void)
{
	start();
	leave(import);
	answer(PROTECT_NEEDED, false);
	import_context_end_pass(&context);
	CHECK_INT(syncs, 1);
	CHECK_INT(context.sync, IMPORT_SYNC_RUNNING);
	import_context_end_pass(&context);
	CHECK_INT(syncs, 1);
	context.sync = IMPORT_SYNC_WANTED;
	answer(0, false);
	CHECK_INT(context.sync, IMPORT_SYNC_WANTED);
	import_context_end_pass(&context);
	CHECK_INT(syncs, 2);
	answer(0, false);
	CHECK_INT(context.sync, IMPORT_SYNC_DONE);
	loop.now += INTERVAL_MS;
	leave(import);
	answer(PROTECT_NEEDED, false); /* still */
	CHECK_INT(import->state, IMPORT_KEPT);
	CHECK_INT(context.sync, IMPORT_SYNC_DONE);
	loop.stopping = true;
	import_context_stop(&context);
	leave(import);
	answer(PROTECT_NEEDED, false);
	CHECK_INT(context.sync, IMPORT_SYNC_WANTED);
	CHECK_INT(said("stays attached"), 1);
}

/* Before a stop only what was kept changes its state. */
static void stop(void)
{
	struct import *second, *third;

	start();
	second = attach("1-2", 1);
	third = attach("1-3", 2);
	import_set_state(second, IMPORT_LEAVING);
	import_set_state(second, IMPORT_KEPT);
	import_set_state(third, IMPORT_DETACHING);
	import_context_stop(&context);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	CHECK_INT(second->state, IMPORT_LEAVING);
	CHECK_INT(third->state, IMPORT_DETACHING);
}

/* No answer comes in time, and none to the sync. */
static void too_late(void)
{
	start();
	has_disk = true;
	leave(import);
	loop.now += 2999;
	leave(import);
	CHECK_INT(import->state, IMPORT_LEAVING);
	CHECK_INT(loop.next, NOW + 3000);
	loop.now++;
	leave(import);
	CHECK_INT(import->state, IMPORT_KEPT);
	CHECK_INT(said(NAME ": stays attached: this host may need it: a disk or driver does not"), 1);
	CHECK_INT(syncs, 1);
	CHECK_INT(context.sync, IMPORT_SYNC_RUNNING);
	loop.now += 5000;
	import_context_end_pass(&context);
	CHECK_INT(context.sync, IMPORT_SYNC_DONE);
	CHECK_INT(said("cannot write everything to the disks: a disk or driver does not answer"), 1);
}

/* Another device has come to its port before the answer. */
static void another_in_its_place(void)
{
	struct import *second;

	start();
	leave(import);
	context.vhci.port[0].state = VHCI_FREE;
	import_check(import);
	second = attach("1-2", 0);
	leave(second);
	CHECK_INT(questions, 1);
	answer(PROTECT_FREE, false);
	CHECK_INT(second->state, IMPORT_LEAVING);
	CHECK_INT(detached, 0);
	leave(second);
	CHECK_INT(questions, 2);
	answer(PROTECT_FREE, false);
	CHECK_INT(second->state, IMPORT_DETACHING);
	start(); /* the first one again */
	leave(import);
	context.vhci.port[0].state = VHCI_FREE;
	import_check(import);
	import->port = 0;
	import_set_state(import, IMPORT_ATTACHED);
	import->answered = true;
	leave(import);
	answer(PROTECT_FREE, false);
	CHECK_INT(import->state, IMPORT_LEAVING);
}

/* It has no bus id here at the moment: the inspector would end at such a question. */
static void no_busid(void)
{
	start();
	*context.vhci.port[0].busid = '\0';
	leave(import);
	CHECK_INT(import->state, IMPORT_LEAVING);
	CHECK_INT(questions, 0);
	strcpy(context.vhci.port[0].busid, "3-1");
	leave(import);
	CHECK_INT(questions, 1);
}

/* A detach that fails for want of a descriptor is tried again, but not at once. */
static void detach_fails(void)
{
	start();
	leave(import);
	detach_result = -EMFILE;
	answer(PROTECT_FREE, false);
	CHECK_INT(import->state, IMPORT_LEAVING);
	CHECK_INT(loop.next, NOW + 1000);
	detach_result = 0;
	leave(import);
	answer(PROTECT_FREE, false);
	CHECK_INT(import->state, IMPORT_DETACHING);
	CHECK_INT(questions, 2);
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(leaves); i++) {
		check_begin("t_keep: leave: %s", leaves[i].what);
		leave_state(i);
		check_end();
	}
	for (size_t i = 0; i < LENGTH(answers); i++) {
		check_begin("t_keep: answer: %s", answers[i].what);
		take_answer(i);
		check_end();
	}
	RUN("t_keep: a program has its disk open", programs);
	RUN("t_keep: it may stay", may_stay);
	RUN("t_keep: it goes while it is kept", goes);
	RUN("t_keep: more than a question has room for", many);
	RUN("t_keep: each has its own answer", own_answers);
	RUN("t_keep: what is kept is synced", syncs_what_is_kept);
	RUN("t_keep: before a stop", stop);
	RUN("t_keep: no answer in time", too_late);
	RUN("t_keep: another one in its place", another_in_its_place);
	RUN("t_keep: no bus id", no_busid);
	RUN("t_keep: a detach that fails", detach_fails);
	return check_status();
}
