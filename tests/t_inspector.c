/* SPDX-License-Identifier: MIT */
/*
 * Tests of loop/inspector and sysfs/protect_child: the process that finds out which devices the host
 * needs, as the daemon sees it. The test plays the survey in its workers; the clock is moved by the test.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=protect_survey,--wrap=fork,--wrap=sync
 */
#include "loop/inspector.h"
#include "sysfs/protect_child.h"

#include "tests/clock.h"
#include "tests/files.h"
#include "tests/said.h"
#include "tests/tree.h"
#include "loop/child.h"

#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { LIMIT_MS = 7000 };

#define LATE_REASON "this host may need it: a disk or driver does not answer"
#define ENDED_REASON "this host may need it: usbiphp-inspect has ended"
#define KILLED_REASON "this host may need it: usbiphp-inspect was killed"

static struct loop loop;
static struct inspector inspector;
static unsigned answers;
static bool fork_fails;
static void (*spoil)(struct protect_survey *survey); /* in the worker, before it answers */

/* Shared with the process and its workers. */
static struct shared {
	unsigned syncs, surveys;      /* begun */
	volatile unsigned hang;	      /* the workers with a lower number stay in open(2), or in sync(2) */
	pid_t worker[20];	      /* in the order of their start */
	unsigned marked;	      /* bits: devices of the latest question whose disk another opens */
	char name[20];		      /* of the latest worker */
} *shared;

pid_t __real_fork(void);
pid_t __wrap_fork(void);
void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *question);

pid_t __wrap_fork(void)
{
	bool full = shared && shared->surveys + shared->syncs >= LENGTH(shared->worker);

	if (!fork_fails && !full)
		return __real_fork();
	errno = EAGAIN;
	return -1;
}

static void worker_begin(void)
{
	unsigned number = shared->surveys + shared->syncs;
	int comm = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

	must(number <= LENGTH(shared->worker), "count the workers");
	must(comm >= 0 && read(comm, shared->name, sizeof(shared->name) - 1) > 0, "read its name");
	close(comm);
	shared->worker[number - 1] = getpid();
	while (number <= shared->hang)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* In the worker. Each device has its own answer. */
void __wrap_protect_survey(const struct sysfs *fs, struct protect_survey *question)
{
	CHECK(fs == &sysfs);
	shared->marked = 0;
	for (unsigned i = 0; i < question->count; i++)
		if (question->item[i].opening)
			shared->marked |= 1U << i;
	if (question->count)
		question->item[0].opening = true;
	shared->surveys++;
	worker_begin();
	question->has_link = question->count == 1;
	for (unsigned i = 0; i < question->count; i++) {
		struct protect_item *item = &question->item[i];
		bool odd = i % 2;

		item->answer = odd ? PROTECT_NEEDED : PROTECT_FREE;
		if (item->stage == PROTECT_AT_START)
			item->answer = PROTECT_LATER;
		item->lasting = item->blocked = item->network = odd;
		item->opening = false;
		str_format(item->reason.text, sizeof(item->reason.text), "%s is %u", item->busid, i);
	}
	if (spoil)
		spoil(question);
}

void __wrap_sync(void);

/* In the worker, too. */
void __wrap_sync(void)
{
	shared->syncs++;
	worker_begin();
}

static void answered(struct inspector *which)
{
	CHECK(which == &inspector);
	CHECK(which->state != INSPECTOR_ASKED);
	answers++;
}

static void pass(void *ctx)
{
	(void)ctx;
	inspector_pass(&inspector);
}

static const struct loop_role role = { pass, pass, clock_done };

static void begin(void)
{
	static char name[] = "usbiphp-server";

	child_set_origin(name, NULL);
	said_forget();
	answers = 0;
	start(NULL);
	must(!loop_open(&loop, 3600 * 1000, &role, NULL), "open the loop");
	loop.now = clock_now;
	CHECK_INT(inspector_start(&inspector, &loop, &sysfs), 0);
	inspector.answered = answered;
	CHECK_STR(name, "usbiphp-server"); /* only there it is another */
	CHECK_INT(inspector.state, INSPECTOR_IDLE);
}

static bool worker_is_gone(unsigned i)
{
	return kill(shared->worker[i], 0) && errno == ESRCH;
}

static bool nobody_left(void)
{
	siginfo_t info;

	for (unsigned i = 0; i < LENGTH(shared->worker) && shared->worker[i]; i++)
		if (!worker_is_gone(i))
			return false;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void finish(void)
{
	inspector_stop(&inspector);
	UNTIL(&loop, nobody_left);
	memset(shared, 0, sizeof(*shared));
	loop_close(&loop);
	end();
}

/* A question about so many devices: 1-1 to 1-16, 2-1 and so on. */
static void prepare(unsigned count, enum protect_stage stage)
{
	struct protect_survey *question = &inspector.survey;

	memset(question, 0, sizeof(*question));
	question->count = count;
	for (unsigned i = 0; i < count; i++) {
		question->item[i] = (struct protect_item){
			.stage = stage, .answer = PROTECT_NEEDED,
			.lasting = true, .network = true, .unseen = PROTECT_SEES_OWN,
		};
		str_format(question->item[i].busid, BUSID_SIZE, "%u-%u", i / 16 + 1, i % 16 + 1);
	}
	answers = 0;
}

static void ask(unsigned count, enum protect_stage stage)
{
	prepare(count, stage);
	inspector_ask(&inspector, LIMIT_MS);
}

static bool is_answered(void)
{
	return answers > 0;
}

static bool has_ended(void)
{
	return inspector.state == INSPECTOR_ENDED;
}

static unsigned workers; /* of the process, since its start */

static bool has_workers(void)
{
	return workers && workers == shared->surveys + shared->syncs && shared->worker[workers - 1];
}

/* Asks a worker that will hang. */
static void ask_in_vain(unsigned count)
{
	workers = shared->surveys + shared->syncs + 1;
	shared->hang = workers;
	ask(count, PROTECT_SETTLED);
	UNTIL(&loop, has_workers);
	CHECK_INT(answers, 0);
}

/* What cannot be found out counts as needed. */
static void all_needed(const char *reason)
{
	const struct protect_survey *answer = &inspector.survey;

	CHECK_INT(answers, 1);
	CHECK(answer->has_link);
	for (unsigned i = 0; i < answer->count; i++) {
		const struct protect_item *item = &answer->item[i];

		CHECK_INT(item->answer, PROTECT_NEEDED);
		CHECK_STR(item->reason.text, reason);
		CHECK(!item->lasting && item->blocked && !item->network && item->unknown);
		CHECK(!item->unseen);
	}
}

static void check_answer(unsigned count, enum protect_stage stage)
{
	const struct protect_survey *answer = &inspector.survey;

	CHECK_INT(answers, 1);
	CHECK_INT(inspector.state, INSPECTOR_IDLE);
	CHECK_INT(answer->count, count);
	CHECK_INT(answer->has_link, count == 1);
	for (unsigned i = 0; i < answer->count; i++) {
		const struct protect_item *item = &answer->item[i];
		enum protect_answer want = i % 2 ? PROTECT_NEEDED : PROTECT_FREE;
		bool odd = i % 2;
		char reason[64];

		snprintf(reason, sizeof(reason), "%u-%u is %u", i / 16 + 1, i % 16 + 1, i);
		CHECK_STR(item->reason.text, reason);
		CHECK_INT(item->answer, stage == PROTECT_AT_START ? PROTECT_LATER : want);
		CHECK(item->lasting == odd && item->blocked == odd && item->network == odd);
	}
}

static void questions(void)
{
	static const unsigned counts[] = { 1, 0, PROTECT_MAX, 2 };

	begin();
	for (size_t i = 0; i < LENGTH(counts); i++)
		for (enum protect_stage stage = PROTECT_SETTLED; stage <= PROTECT_AT_START; stage++) {
			ask(counts[i], stage);
			CHECK_INT(answers, 0);
			CHECK_INT(inspector.state, INSPECTOR_ASKED);
			UNTIL(&loop, is_answered);
			check_answer(counts[i], stage);
		}
	CHECK_INT(log_kept.lines, 0);
	finish();
}

static void ask_sync(void)
{
	prepare(0, PROTECT_SETTLED);
	inspector.survey.sync = true;
	inspector.survey.has_link = true;
	inspector_ask(&inspector, LIMIT_MS);
}

/* Instead of a survey. */
static void syncs(void)
{
	begin();
	ask(1, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	CHECK_INT(shared->syncs, 0);
	ask_sync();
	UNTIL(&loop, is_answered);
	CHECK_INT(shared->syncs, 1);
	CHECK(inspector.survey.sync && inspector.survey.has_link);
	CHECK_INT(shared->surveys, 1);
	finish();
}

/* One that hangs is enough; the devices are another matter. */
static void sync_hangs(void)
{
	begin();
	shared->hang = workers = 1;
	ask_sync();
	UNTIL(&loop, has_workers);
	run_after(&loop, LIMIT_MS);
	CHECK_INT(answers, 1);
	CHECK_INT(said("cannot write everything to the disks: a disk or driver does not answer"), 1);
	ask_sync();
	UNTIL(&loop, is_answered);
	CHECK_INT(shared->syncs, 1);
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	check_answer(2, PROTECT_SETTLED);
	CHECK_INT(log_kept.lines, 1);
	finish();
}

/* It has a name of its own, and of the daemon's descriptors only the sysfs. */
static void own_process(void)
{
	char path[64], target[8], *text;
	int other = open("/dev/null", O_RDONLY | O_CLOEXEC);
	unsigned files = 0;

	must(other >= 0, "open another file");
	begin();
	ask(0, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)inspector.pid);
	text = file_read(path, NULL);
	CHECK_STR(text, "usbiphp-inspect\n");
	free(text);
	for (int fd = 0; fd < 100; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)inspector.pid, fd);
		files += readlink(path, target, sizeof(target)) >= 0;
	}
	CHECK_INT(files, 3 + 1 + 1 + 1); /* of a test's tree there is only the root; signals */
	CHECK_STR(shared->name, "usbiphp-inspect\n");
	close(other);
	finish();
}

static void kill_it(void)
{
	must(inspector.pid > 0, "have a process");
	kill(inspector.pid, SIGKILL);
	must(waitpid(inspector.pid, NULL, 0) == inspector.pid, "wait for its end");
}

/* Every question after that is answered at once. */
static void stays_ended(void)
{
	CHECK_INT(said("cannot find out which devices this host needs, until the daemon is restarted"), 1);
	CHECK_INT(log_kept.lines, 1);
	for (int i = 0; i < 3; i++) {
		ask(3, PROTECT_SETTLED);
		all_needed(ENDED_REASON);
		CHECK_INT(inspector.survey.count, 3);
		inspector_pass(&inspector);
	}
	CHECK_INT(log_kept.lines, 1);
	CHECK_INT(inspector.source.fd, -1);
}

static void woken_for_nothing(void)
{
	begin();
	for (int asked = 0; asked < 2; asked++) {
		inspector.source.ready(&inspector.source, EPOLLIN);
		CHECK_INT(inspector.state, asked ? INSPECTOR_ASKED : INSPECTOR_IDLE);
		kill(inspector.pid, SIGSTOP);
		if (!asked)
			ask(1, PROTECT_SETTLED);
	}
	kill(inspector.pid, SIGCONT);
	UNTIL(&loop, is_answered);
	check_answer(1, PROTECT_SETTLED);
	finish();
}

static void killed_when_asked(void)
{
	begin();
	kill(inspector.pid, SIGSTOP);
	ask(2, PROTECT_SETTLED);
	kill_it();
	UNTIL(&loop, has_ended);
	all_needed(ENDED_REASON);
	stays_ended();
	finish();
}

static void killed_when_idle(void)
{
	begin();
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	answers = 0;
	kill_it();
	UNTIL(&loop, has_ended);
	CHECK_INT(answers, 0);
	stays_ended();
	finish();
}

/* The daemon asks before it sees that. */
static void killed_unseen(void)
{
	begin();
	kill_it();
	ask(2, PROTECT_SETTLED);
	all_needed("this host may need it: Broken pipe");
	CHECK_INT(log_kept.lines, 0);
	UNTIL(&loop, has_ended);
	CHECK_INT(answers, 1);
	stays_ended();
	finish();
}

static void wait_in_vain(void)
{
	CHECK_INT(loop.next, clock_now + LIMIT_MS);
	loop.next = UINT64_MAX; /* each pass asks for the next one */
	inspector_pass(&inspector);
	CHECK_INT(loop.next, clock_now + LIMIT_MS);
	run_after(&loop, LIMIT_MS - 1);
	CHECK_INT(answers, 0);
	CHECK_INT(inspector.state, INSPECTOR_ASKED);
	run_after(&loop, 1);
	CHECK_INT(inspector.state, INSPECTOR_IDLE);
	all_needed(LATE_REASON);
}

/* The process itself takes longer than the time limit: all are needed. Of the questions that wait for it
 * only the latest counts, and its answer is dropped. */
static void late(void)
{
	begin();
	for (unsigned round = 1; round <= 2; round++) {
		run_quiet(&loop);
		kill(inspector.pid, SIGSTOP);
		for (int i = 0; i < 3; i++) {
			ask(2, PROTECT_SETTLED);
			wait_in_vain();
			CHECK_INT(said("cannot tell yet which devices this host needs"), round);
		}
		answers = 0;
		workers = shared->surveys + 1;
		kill(inspector.pid, SIGCONT);
		UNTIL(&loop, has_workers);
		run_long_quiet(&loop);
		CHECK_INT(shared->surveys, workers);
		CHECK_INT(answers, 0);
		ask(2, PROTECT_SETTLED);
		UNTIL(&loop, is_answered);
		check_answer(2, PROTECT_SETTLED);
		CHECK_INT(log_kept.lines, round);
	}
	finish();
}

/* The next question gets another worker, which knows what to keep its hands off. */
static void worker_hangs(void)
{
	begin();
	ask_in_vain(2);
	wait_in_vain();
	ask(3, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	check_answer(3, PROTECT_SETTLED);
	CHECK_INT(shared->surveys, 2);
	CHECK_INT(shared->marked, 1);
	CHECK_INT(said("cannot tell yet which devices this host needs"), 1);
	answers = 0;
	shared->hang = 0; /* it ends after all, and nobody waits for its answer */
	run_long_quiet(&loop);
	CHECK_INT(answers, 0);
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	check_answer(2, PROTECT_SETTLED);
	CHECK_INT(shared->marked, 0);
	CHECK_INT(log_kept.lines, 1);
	finish();
}

static void late_answer_of_two(void)
{
	begin();
	ask_in_vain(2);
	wait_in_vain();
	ask_in_vain(3);
	kill(shared->worker[1], SIGSTOP);
	shared->hang = 0;
	run_long_quiet(&loop);
	CHECK_INT(inspector.state, INSPECTOR_ASKED);
	kill(shared->worker[1], SIGCONT);
	UNTIL(&loop, is_answered);
	check_answer(3, PROTECT_SETTLED);
	finish();
}

/* There are no more of them than that, and one that is killed makes room. */
static void all_workers_hang(void)
{
	begin();
	for (unsigned i = 0; i < PROTECT_WORKERS; i++) {
		ask_in_vain(2);
		run_after(&loop, LIMIT_MS);
	}
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	all_needed(LATE_REASON);
	CHECK_INT(inspector.state, INSPECTOR_IDLE);
	CHECK_INT(shared->surveys, PROTECT_WORKERS);
	kill(shared->worker[1], SIGKILL);
	answers = 0;
	run_long_quiet(&loop);
	CHECK_INT(answers, 0);
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	check_answer(2, PROTECT_SETTLED);
	finish();
}

/* This question is not answered; the next one is. */
static void worker_killed(void)
{
	begin();
	ask_in_vain(3);
	kill(shared->worker[0], SIGKILL);
	UNTIL(&loop, is_answered);
	all_needed(KILLED_REASON);
	CHECK_INT(inspector.state, INSPECTOR_IDLE);
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	check_answer(2, PROTECT_SETTLED);
	CHECK_INT(shared->marked, 0);
	CHECK_INT(log_kept.lines, 0);
	finish();
}

static bool first_worker_is_gone(void)
{
	return worker_is_gone(0);
}

/* With the process its workers end, and the daemon sees that at once. */
static void killed_with_worker(void)
{
	begin();
	ask_in_vain(3);
	kill_it();
	UNTIL(&loop, has_ended);
	all_needed(ENDED_REASON);
	UNTIL(&loop, first_worker_is_gone);
	stays_ended();
	finish();
}

/* The process ends with it, whatever its workers do. */
static void killed_daemon(void)
{
	begin();
	ask_in_vain(1);
	must(!shutdown(inspector.source.fd, SHUT_WR), "shut down the daemon's end");
	UNTIL(&loop, has_ended);
	UNTIL(&loop, first_worker_is_gone);
	finish();
}

static size_t size_of(unsigned count)
{
	return offsetof(struct protect_survey, item[count]);
}

/* Sent by a daemon with a hole in it: the process ends. */
static void malformed_questions(void)
{
	static const struct {
		size_t size; /* 0: that of its devices */
		unsigned count;
		char fill;	   /* without an end: 'b' the busid, 'r' the reason of the second */
		const char *busid; /* of the second */
	} row[] = {
		{ 1, 2, 0, "1-2" },
		{ sizeof(unsigned), 0, 0, "1-2" },
		{ 0, 2, 0, "" },
		{ 0, 2, 0, "usb1" },
		{ 0, 2, 0, "../1-2" },
		{ 0, 2, 0, "1-2:1.0" },
		{ 0, 2, 'b', "1-2" },
		{ 0, 2, 'r', "1-2" },
		{ sizeof(struct protect_survey), PROTECT_MAX + 1, 0, "1-2" },
		{ sizeof(struct protect_survey), UINT_MAX, 0, "1-2" },
		{ sizeof(struct protect_survey), 2, 0, "1-2" },
		{ offsetof(struct protect_survey, item[2]) - 1, 2, 0, "1-2" },
	};
	static struct protect_survey question;

	for (size_t i = 0; i < LENGTH(row); i++) {
		size_t size = row[i].size ? row[i].size : size_of(row[i].count);
		struct protect_item *item = &question.item[1];

		begin();
		prepare(PROTECT_MAX, PROTECT_SETTLED);
		question = inspector.survey;
		question.count = row[i].count;
		strcpy(item->busid, row[i].busid);
		if (row[i].fill == 'b')
			memset(item->busid, '1', sizeof(item->busid));
		if (row[i].fill == 'r')
			memset(item->reason.text, 'x', sizeof(item->reason.text));
		must(send(inspector.source.fd, &question, size, 0) == (ssize_t)size, "send it");
		inspector.state = INSPECTOR_ASKED; /* an answer would be believed */
		inspector.deadline = UINT64_MAX;
		UNTIL(&loop, is_answered);
		all_needed(ENDED_REASON);
		CHECK(has_ended());
		CHECK_INT(log_kept.lines, 1);
		finish();
	}
}

static void spoil_busid(struct protect_survey *question)
{
	strcpy(question->item[1].busid, "x");
}

static void spoil_answer(struct protect_survey *question)
{
	question->item[1].answer = (enum protect_answer)(PROTECT_NEEDED + 1);
}

static void spoil_unseen(struct protect_survey *question)
{
	question->item[1].unseen = (enum protect_sight)(PROTECT_SEES_CONTAINER + 1);
}

static void spoil_reason(struct protect_survey *question)
{
	memset(question->item[1].reason.text, 'x', sizeof(question->item[1].reason.text));
}

static void spoil_number(struct protect_survey *question)
{
	question->number--;
}

static void spoil_count(struct protect_survey *question)
{
	question->count = UINT_MAX;
}

static void spoil_nothing(struct protect_survey *question)
{
	question->has_link = true;
}

/* Sent by a process with a hole in it: then nothing is free any more. */
static void malformed_answers(void)
{
	static void (*const spoils[])(struct protect_survey *question) = {
		spoil_nothing, spoil_busid, spoil_answer, spoil_unseen, spoil_reason, spoil_count,
	};

	for (size_t i = 0; i < LENGTH(spoils); i++) {
		spoil = spoils[i];
		begin();
		ask(2, PROTECT_SETTLED);
		UNTIL(&loop, is_answered);
		CHECK_INT(inspector.survey.count, 2);
		CHECK_INT(inspector.state, i ? INSPECTOR_ENDED : INSPECTOR_IDLE);
		if (i) {
			all_needed(ENDED_REASON);
			stays_ended();
		}
		finish();
	}
	spoil = NULL;
}

/* One to another question, and one that comes unasked. */
static void other_answers(void)
{
	spoil = spoil_number;
	begin();
	ask(2, PROTECT_SETTLED);
	run_long_quiet(&loop);
	wait_in_vain();
	CHECK_INT(shared->surveys, 1);
	finish();
	spoil = NULL;
	begin();
	ask(2, PROTECT_SETTLED);
	UNTIL(&loop, is_answered);
	must(send(inspector.source.fd, &inspector.survey, size_of(2), 0) == (ssize_t)size_of(2),
	     "ask behind its back");
	run_long_quiet(&loop);
	CHECK_INT(shared->surveys, 2);
	check_answer(2, PROTECT_SETTLED);
	finish();
}

static bool ask_once(unsigned count, unsigned limit_ms)
{
	bool answer;

	prepare(count, PROTECT_SETTLED);
	answer = protect_ask_once(&sysfs, &inspector.survey, limit_ms);
	answers++;
	inspector.state = INSPECTOR_IDLE;
	return answer;
}

/* Without a process that stays. */
static void once(void)
{
	begin();
	inspector_stop(&inspector);
	for (unsigned count = 0; count <= PROTECT_MAX; count += PROTECT_MAX / 2) {
		CHECK(ask_once(count, 60000));
		check_answer(count, PROTECT_SETTLED);
	}
	inspector.survey.sync = true;
	CHECK(protect_ask_once(&sysfs, &inspector.survey, 60000));
	CHECK_INT(shared->syncs, 1);
	shared->hang = shared->surveys + 2;
	CHECK(!ask_once(2, 1));
	all_needed(LATE_REASON);
	shared->hang = 0;
	fork_fails = true;
	CHECK(!ask_once(2, 60000));
	fork_fails = false;
	all_needed(LATE_REASON);
	spoil = spoil_busid;
	CHECK(!ask_once(2, 60000));
	all_needed(LATE_REASON);
	spoil = NULL;
	CHECK_INT(log_kept.lines, 0);
	finish();
}

static void ends_with_daemon(void)
{
	int status;
	pid_t pid;

	begin();
	pid = inspector.pid;
	loop_drop(&loop, &inspector.source);
	must(waitpid(pid, &status, 0) == pid, "wait for it");
	CHECK_INT(status, 0);
	inspector.pid = 0;
	finish();
}

static void cannot_start(void)
{
	start(NULL);
	must(!loop_open(&loop, 3600 * 1000, &role, NULL), "open the loop");
	fork_fails = true;
	CHECK_INT(inspector_start(&inspector, &loop, &sysfs), -EAGAIN);
	fork_fails = false;
	inspector_stop(&inspector);
	CHECK(nobody_left());
	loop_close(&loop);
	loop.epoll = -1; /* it cannot be watched, and does not stay */
	CHECK_INT(inspector_start(&inspector, &loop, &sysfs), -EBADF);
	must(waitpid(-1, NULL, 0) > 0, "wait for it");
	end();
}

/* Also one that hangs. */
static void stopped_twice(void)
{
	begin();
	kill(inspector.pid, SIGSTOP);
	inspector_stop(&inspector);
	inspector_stop(&inspector);
	CHECK_INT(inspector.source.fd, -1);
	finish();
}

static void no_leak(void)
{
	unsigned before = open_files();

	questions();
	killed_when_asked();
	ends_with_daemon();
	cannot_start();
	CHECK_INT(open_files(), before);
	CHECK(nobody_left());
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED, "share memory");
	RUN("t_inspector: questions about none, one, some and many", questions);
	RUN("t_inspector: a sync", syncs);
	RUN("t_inspector: a sync hangs", sync_hangs);
	RUN("t_inspector: a process of its own", own_process);
	RUN("t_inspector: woken for nothing", woken_for_nothing);
	RUN("t_inspector: it is killed when a question is open", killed_when_asked);
	RUN("t_inspector: it is killed when none is open", killed_when_idle);
	RUN("t_inspector: it is killed, and asked before that is seen", killed_unseen);
	RUN("t_inspector: it is killed, and its worker with it", killed_with_worker);
	RUN("t_inspector: it ends with the daemon, and its worker with it", killed_daemon);
	RUN("t_inspector: its answer is late", late);
	RUN("t_inspector: a worker is killed", worker_killed);
	RUN("t_inspector: a worker hangs", worker_hangs);
	RUN("t_inspector: the late answer of a worker comes before that of another", late_answer_of_two);
	RUN("t_inspector: all workers hang", all_workers_hang);
	RUN("t_inspector: a question that is none", malformed_questions);
	RUN("t_inspector: an answer that is none", malformed_answers);
	RUN("t_inspector: an answer to no question", other_answers);
	RUN("t_inspector: a question of a command", once);
	RUN("t_inspector: it ends with the daemon", ends_with_daemon);
	RUN("t_inspector: there can be no process", cannot_start);
	RUN("t_inspector: it is stopped twice", stopped_twice);
	RUN("t_inspector: no process, no descriptor is left", no_leak);
	return check_status();
}
