/* SPDX-License-Identifier: MIT */
/* The daemon's way to the process that finds out which devices this host needs. */
#include "loop/inspector.h"

#include "lib/sandbox.h"
#include "lib/util.h"
#include "loop/child.h"
#include "sysfs/protect_child.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ENDED_TEXT PROTECT_PROCESS " has ended"

static void inspector_set_state(struct inspector *inspector, enum inspector_state state)
{
	static const unsigned next[] = {
		[INSPECTOR_IDLE] = 1U << INSPECTOR_ASKED | 1U << INSPECTOR_ENDED,
		[INSPECTOR_ASKED] = 1U << INSPECTOR_IDLE | 1U << INSPECTOR_ENDED,
	};

	assert(next[inspector->state] & 1U << state);
	inspector->state = state;
}

static void answer_unknown(struct inspector *inspector, const char *why)
{
	protect_survey_fail(&inspector->survey, why);
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
	static struct protect_survey answer;
	ssize_t n = recv(source->fd, &answer, sizeof(answer), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (!protect_is_survey(&answer, n)) {
		inspector_end(inspector);
		return;
	}
	if (inspector->state != INSPECTOR_ASKED || answer.number != inspector->number)
		return; /* it comes too late */
	inspector_set_state(inspector, INSPECTOR_IDLE);
	log_once_clear(&inspector->fault);
	memcpy(&inspector->survey, &answer, (size_t)n);
	inspector->answered(inspector);
}

int inspector_start(struct inspector *inspector, struct loop *loop, const struct sysfs *sysfs)
{
	const struct child_files files = { { sysfs->root, sysfs->proc, sysfs->run, sysfs->dev,
					     sysfs->etc } };
	int fd, error;

	*inspector = (struct inspector){ .source = { -1, inspector_ready }, .loop = loop };
	inspector->pid = child_start_helper(PROTECT_PROCESS, &files, &fd);
	if (inspector->pid < 0)
		return inspector->pid;
	if (!inspector->pid) {
		sandbox_enter_inspector();
		protect_serve(fd, sysfs);
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

	survey->number = ++inspector->number;
	if (inspector->state == INSPECTOR_ENDED) {
		answer_unknown(inspector, ENDED_TEXT);
	} else if (send(inspector->source.fd, survey, protect_message_size(survey),
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
	inspector_set_state(inspector, INSPECTOR_IDLE);
	log_once(&inspector->fault, LOG_LEVEL_WARNING, 0,
		 "cannot %s: " PROTECT_LATE,
		 inspector->survey.sync ? "write everything to the disks"
					: "tell yet which devices this host needs");
	answer_unknown(inspector, PROTECT_LATE);
}

void inspector_stop(struct inspector *inspector)
{
	if (inspector->pid <= 0 || inspector->state == INSPECTOR_ENDED)
		return;
	loop_drop(inspector->loop, &inspector->source);
	kill(inspector->pid, SIGKILL);
	inspector->pid = 0;
}
