/* SPDX-License-Identifier: MIT */
/* The process that finds out which devices this host needs, and the daemon's way to it. */
#include "loop/inspector.h"

#include "lib/sandbox.h"
#include "lib/util.h"
#include "loop/child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define INSPECTOR_NAME "usbiphp-inspect" /* the longest that the kernel keeps: prctl(2) */
#define LATE_TEXT "a disk or driver does not answer"
#define ENDED_TEXT INSPECTOR_NAME " has ended"

static size_t message_size(const struct protect_survey *survey)
{
	return offsetof(struct protect_survey, item[survey->count]);
}

/* Whether the message is a well-formed survey: an attacker may have taken over the other end. */
static bool is_survey(const struct protect_survey *survey, ssize_t n)
{
	if (survey->count > PROTECT_MAX || n != (ssize_t)message_size(survey))
		return false;
	for (unsigned i = 0; i < survey->count; i++) {
		const struct protect_item *item = &survey->item[i];

		if (!memchr(item->busid, '\0', BUSID_SIZE) || !busid_is_device(item->busid) ||
		    !memchr(item->reason.text, '\0', sizeof(item->reason.text)) ||
		    item->answer > PROTECT_NEEDED)
			return false;
	}
	return true;
}

/* The main loop of the process: it ends when the daemon has closed the other end of the socket. */
static void serve_questions(int fd, const struct sysfs *sysfs, struct protect_survey *survey)
{
	ssize_t n;

	while ((n = recv(fd, survey, sizeof(*survey), 0)) > 0) {
		if (!is_survey(survey, n))
			return;
		if (survey->sync)
			sync();
		else
			protect_survey(sysfs, survey);
		send(fd, survey, message_size(survey), MSG_NOSIGNAL);
	}
}

static void inspector_set_state(struct inspector *inspector, enum inspector_state state)
{
	static const unsigned next[] = {
		[INSPECTOR_IDLE] = 1U << INSPECTOR_ASKED | 1U << INSPECTOR_ENDED,
		[INSPECTOR_ASKED] = 1U << INSPECTOR_IDLE | 1U << INSPECTOR_LATE |
				    1U << INSPECTOR_ENDED,
		[INSPECTOR_LATE] = 1U << INSPECTOR_IDLE | 1U << INSPECTOR_ENDED,
	};

	assert(next[inspector->state] & 1U << state);
	inspector->state = state;
}

/* What cannot be found out counts as needed. */
static void answer_unknown(struct inspector *inspector, const char *why)
{
	struct protect_survey *survey = &inspector->survey;

	survey->has_link = true;
	for (unsigned i = 0; i < survey->count; i++) {
		struct protect_item *item = &survey->item[i];

		item->answer = PROTECT_FREE;
		item->lasting = item->network = false;
		item->unknown = item->blocked = true;
		protect_need(item, PROTECT_UNKNOWN "%s", why);
	}
	inspector->answered(inspector);
}

static void inspector_end(struct inspector *inspector)
{
	bool asked = inspector->state == INSPECTOR_ASKED;

	inspector_set_state(inspector, INSPECTOR_ENDED);
	loop_drop(inspector->loop, &inspector->source);
	log_once(&inspector->fault, LOG_LEVEL_ERROR, 0,
		 "cannot find out which devices this host needs, until the daemon is restarted: "
		 ENDED_TEXT);
	if (asked)
		answer_unknown(inspector, ENDED_TEXT);
}

static void inspector_ready(struct loop_source *source, uint32_t events)
{
	struct inspector *inspector = container_of(source, struct inspector, source);
	bool asked = inspector->state == INSPECTOR_ASKED;
	static struct protect_survey answer;
	ssize_t n = recv(source->fd, &answer, sizeof(answer), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (!is_survey(&answer, n) || inspector->state == INSPECTOR_IDLE) {
		inspector_end(inspector);
		return;
	}
	inspector_set_state(inspector, INSPECTOR_IDLE);
	log_once_clear(&inspector->fault);
	if (!asked)
		return;
	memcpy(&inspector->survey, &answer, (size_t)n);
	inspector->answered(inspector);
}

int inspector_start(struct inspector *inspector, struct loop *loop, const struct sysfs *sysfs,
		    char *name)
{
	const struct child_files files = { { sysfs->root, sysfs->proc, sysfs->run, sysfs->dev,
					     sysfs->etc } };
	int fd, error;

	*inspector = (struct inspector){ .source = { -1, inspector_ready }, .loop = loop };
	inspector->pid = child_start_helper(INSPECTOR_NAME, name, &files, &fd);
	if (inspector->pid < 0)
		return inspector->pid;
	if (!inspector->pid) {
		sandbox_enter_inspector();
		serve_questions(fd, sysfs, &inspector->survey);
		_exit(0);
	}
	inspector->source.fd = fd;
	error = loop_watch(loop, &inspector->source, EPOLLIN);
	if (error)
		inspector_stop(inspector);
	return error;
}

void inspector_ask(struct inspector *inspector, unsigned limit_ms)
{
	struct protect_survey *survey = &inspector->survey;

	assert(inspector->state != INSPECTOR_ASKED);
	if (inspector->state == INSPECTOR_ENDED) {
		answer_unknown(inspector, ENDED_TEXT);
	} else if (inspector->state == INSPECTOR_LATE) {
		answer_unknown(inspector, LATE_TEXT);
	} else if (send(inspector->source.fd, survey, message_size(survey),
			MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		answer_unknown(inspector, strerror(errno));
	} else {
		inspector_set_state(inspector, INSPECTOR_ASKED);
		inspector->deadline = inspector->loop->now + limit_ms;
		loop_pass_by(inspector->loop, inspector->deadline);
	}
}

void inspector_pass(struct inspector *inspector)
{
	if (inspector->state != INSPECTOR_ASKED)
		return;
	loop_pass_by(inspector->loop, inspector->deadline);
	if (inspector->loop->now < inspector->deadline)
		return;
	inspector_set_state(inspector, INSPECTOR_LATE);
	log_once(&inspector->fault, LOG_LEVEL_WARNING, 0,
		 "cannot %s: " LATE_TEXT,
		 inspector->survey.sync ? "write everything to the disks"
					: "tell yet which devices this host needs");
	answer_unknown(inspector, LATE_TEXT);
}

void inspector_stop(struct inspector *inspector)
{
	if (inspector->pid <= 0 || inspector->state == INSPECTOR_ENDED)
		return;
	loop_drop(inspector->loop, &inspector->source);
	kill(inspector->pid, SIGKILL);
	inspector->pid = 0;
}
