/* SPDX-License-Identifier: MIT */
/*
 * The surveys of protect.h in processes of their own, as they may block: for a daemon one that
 * stays, for a command a child.
 *
 * The one that stays forks a worker for each question, and never waits for it. A worker that was
 * killed, or that hangs in the kernel as a disk does not answer, costs one answer: the next
 * question gets a worker of its own, in which a disk that still hangs is not opened again. While
 * PROTECT_WORKERS hang, each question is answered at once: nothing can be found out.
 *
 * A message, question or answer, is a survey up to its last item.
 */
#ifndef SYSFS_PROTECT_CHILD_H
#define SYSFS_PROTECT_CHILD_H

#include "sysfs/protect.h"

#include <sys/types.h>

enum { PROTECT_WORKERS = 4 };
#define PROTECT_PROCESS "usbiphp-inspect" /* the longest that the kernel keeps: prctl(2) */
#define PROTECT_LATE "a disk or driver does not answer"

/* Of its message, in bytes. */
size_t protect_message_size(const struct protect_survey *survey);
/* Whether a message of n bytes is a well-formed survey: an attacker may have taken over the other
 * end. */
bool protect_is_survey(const struct protect_survey *survey, ssize_t n);
/* Makes it an answer that could not be found out: all devices count as needed. */
void protect_survey_fail(struct protect_survey *survey, const char *why);

/* Answers the questions that come from the socket, until its other end is closed or sends what is
 * no question. If survey.sync is set, the worker makes no survey, but calls sync(2) and then
 * answers. */
void protect_serve(int fd, const struct sysfs *sysfs);

/* For a command: asks a child, which has the rights of the caller, and waits for its answer. If
 * none comes within limit_ms, or if there can be no child, all devices count as needed: unknown and
 * blocked are set. Returns whether there is an answer. */
bool protect_ask_once(const struct sysfs *sysfs, struct protect_survey *survey, unsigned limit_ms);

#endif
