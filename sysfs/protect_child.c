/* SPDX-License-Identifier: MIT */
/* Surveys in processes of their own. */
#include "sysfs/protect_child.h"

#include "lib/socket.h"
#include "lib/util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED_TEXT PROTECT_PROCESS " was killed"

struct worker {
	pid_t pid;		       /* 0: there is none */
	uint32_t number;	       /* of its question */
	struct protect_survey *survey; /* shared with it: the question, then the answer */
};

/* What the process has. */
struct workers {
	int fd; /* the way to the daemon */
	const struct sysfs *sysfs;
	struct protect_survey question; /* the latest one: the daemon waits for no other answer */
	struct worker worker[PROTECT_WORKERS];
};

#define EACH_WORKER(workers, w)                                                                    \
	for (struct worker *w = (workers)->worker, *end_##w = w + PROTECT_WORKERS; w < end_##w;    \
	     w++)

size_t protect_message_size(const struct protect_survey *survey)
{
	return offsetof(struct protect_survey, item[survey->count]);
}

bool protect_is_survey(const struct protect_survey *survey, ssize_t n)
{
	if (survey->count > PROTECT_MAX || n != (ssize_t)protect_message_size(survey))
		return false;
	for (unsigned i = 0; i < survey->count; i++) {
		const struct protect_item *item = &survey->item[i];

		if (!memchr(item->busid, '\0', BUSID_SIZE) || !busid_is_device(item->busid) ||
		    !memchr(item->reason.text, '\0', sizeof(item->reason.text)) ||
		    item->answer > PROTECT_NEEDED || item->unseen > PROTECT_SEES_CONTAINER)
			return false;
	}
	return true;
}

void protect_survey_fail(struct protect_survey *survey, const char *why)
{
	survey->has_link = true;
	for (unsigned i = 0; i < survey->count; i++) {
		struct protect_item *item = &survey->item[i];

		item->answer = PROTECT_FREE;
		item->unseen = PROTECT_SEES_ALL;
		item->lasting = item->network = item->open = false;
		item->blocked = true;
		protect_doubt(item, "%s", why);
	}
}

static void workers_answer(const struct workers *workers, const struct protect_survey *answer)
{
	send(workers->fd, answer, protect_message_size(&workers->question), MSG_NOSIGNAL);
}

static void workers_fail(struct workers *workers, const char *why)
{
	protect_survey_fail(&workers->question, why);
	workers_answer(workers, &workers->question);
}

/* Marks the devices of which a worker still opens the disk. */
static void question_mark(struct protect_survey *question, const struct protect_survey *running)
{
	for (unsigned i = 0; i < question->count; i++)
		for (unsigned j = 0; j < PROTECT_MAX && j < running->count; j++)
			if (running->item[j].opening &&
			    !strcmp(running->item[j].busid, question->item[i].busid))
				question->item[i].opening = true;
}

/* A place for a worker. NULL: all hang, or one hangs in sync(2), as another one would. */
static struct worker *workers_find_place(struct workers *workers)
{
	struct protect_survey *question = &workers->question;
	struct worker *place = NULL;

	EACH_WORKER(workers, worker) {
		if (!worker->pid)
			place = worker;
		else if (question->sync && worker->survey->sync)
			return NULL;
		else
			question_mark(question, worker->survey);
	}
	return place;
}

/* Ends with its parent, unless it hangs in the kernel. */
static void survey_make(const struct sysfs *sysfs, struct protect_survey *survey)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (survey->sync)
		sync();
	else
		protect_survey(sysfs, survey);
}

static void workers_start(struct workers *workers)
{
	const struct protect_survey *question = &workers->question;
	struct worker *worker = workers_find_place(workers);

	if (!worker) {
		workers_fail(workers, PROTECT_LATE);
		return;
	}
	worker->number = question->number;
	memcpy(worker->survey, question, protect_message_size(question));
	worker->pid = fork();
	if (!worker->pid) {
		close(workers->fd); /* the daemon must see when the process has closed it */
		survey_make(workers->sysfs, worker->survey);
		_exit(0);
	}
	if (worker->pid < 0) {
		worker->pid = 0;
		workers_fail(workers, strerror(errno));
	}
}

static void workers_reap(struct workers *workers)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		EACH_WORKER(workers, worker) {
			if (worker->pid != pid)
				continue;
			worker->pid = 0;
			if (worker->number != workers->question.number) /* it was late */
				continue;
			if (status)
				workers_fail(workers, KILLED_TEXT);
			else
				workers_answer(workers, worker->survey);
		}
}

/* False: the daemon has closed the other end of the socket, or sends what is no question. */
static bool workers_ask(struct workers *workers)
{
	struct protect_survey *question = &workers->question;
	ssize_t n;

	while ((n = recv(workers->fd, question, sizeof(*question), MSG_DONTWAIT)) > 0)
		if (!protect_is_survey(question, n))
			return false;
	if (!n || errno != EAGAIN)
		return false;
	workers_start(workers);
	return true;
}

void protect_serve(int fd, const struct sysfs *sysfs)
{
	static struct workers workers;
	const size_t size = PROTECT_WORKERS * sizeof(struct protect_survey);
	struct protect_survey *survey = mmap(NULL, size, PROT_READ | PROT_WRITE,
					     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct pollfd poll_fd[] = { { .fd = fd, .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	poll_fd[1].fd = signalfd(-1, &signals, 0);
	if (survey == MAP_FAILED || poll_fd[1].fd < 0)
		return;
	workers.fd = fd;
	workers.sysfs = sysfs;
	EACH_WORKER(&workers, worker)
		worker->survey = survey++;
	while (poll(poll_fd, ARRAY_SIZE(poll_fd), -1) > 0) {
		if (poll_fd[1].revents && read(poll_fd[1].fd, &info, sizeof(info)) > 0)
			workers_reap(&workers);
		if (poll_fd[0].revents && !workers_ask(&workers))
			return;
	}
}

bool protect_ask_once(const struct sysfs *sysfs, struct protect_survey *survey, unsigned limit_ms)
{
	static struct protect_survey answer;
	ssize_t n = -1;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		protect_survey_fail(survey, strerror(errno));
		return false;
	}
	if (!fork()) {
		/* if it hangs, nobody shall wait for the end of the command's output */
		for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
			close(fd);
		survey_make(sysfs, survey);
		_exit(send(pair[1], survey, protect_message_size(survey), MSG_NOSIGNAL) < 0);
	}
	close(pair[1]);
	if (socket_wait(pair[0], POLLIN, (int)limit_ms))
		n = recv(pair[0], &answer, sizeof(answer), MSG_DONTWAIT);
	close(pair[0]);
	if (!protect_is_survey(&answer, n)) {
		protect_survey_fail(survey, PROTECT_LATE);
		return false;
	}
	memcpy(survey, &answer, (size_t)n);
	return true;
}
