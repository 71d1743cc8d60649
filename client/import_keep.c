/* SPDX-License-Identifier: MIT */
/*
 * A device that is to leave is detached only when none of its disks is in use, as data that is not
 * written yet would be lost. A disk that nothing holds needs no sync before a detach: the kernel
 * has written everything at the last close of the block device (block/bdev.c).
 */
#include "client/import.h"
#include "lib/str.h"

#include <string.h>

enum {
	/* Limits for an answer. ASK_MS is less than the limit for a stop. */
	ASK_MS = 3000,
	SYNC_MS = 5000,
	/* For a program, such as udev, to close a disk that nothing else holds. */
	CLOSE_MS = 3000,
	CLOSE_POLL_MS = 200,
};

static void import_begin_to_leave(struct import *import)
{
	import_set_state(import, IMPORT_LEAVING);
	import->ask_again = import->context->loop->now + CLOSE_MS;
}

void import_leave(struct import *import)
{
	struct loop *loop = import->context->loop;

	/* it has no disk yet, or the connection to its disk has ended */
	if (import->state == IMPORT_DETACHING || !import->answered || import->session.ended) {
		import_detach(import);
		return;
	}
	if (import->state == IMPORT_KEPT && !loop->stopping) {
		loop_pass_by(loop, import->ask_again);
		if (loop->now >= import->ask_again)
			import_set_state(import, IMPORT_LEAVING);
	}
	if (import->state == IMPORT_ATTACHED)
		import_begin_to_leave(import);
}

void import_stay(struct import *import)
{
	if (import->state != IMPORT_LEAVING && import->state != IMPORT_KEPT)
		return;
	import_set_state(import, IMPORT_ATTACHED);
	log_once_clear(&import->kept);
}

void import_context_stop(struct import_context *context)
{
	struct import *import = NULL;

	while ((import = import_next(context, NULL, import)))
		if (import->state == IMPORT_KEPT)
			import_begin_to_leave(import);
}

/* A device that was in use stays so while that cannot be found out. */
static bool import_is_in_use(const struct import *import, const struct protect_item *need)
{
	return protect_disk_in_use(import->context->sysfs, need) ||
	       (need->answer == PROTECT_NEEDED && log_once_active(&import->kept));
}

static void import_keep(struct import *import, const char *reason)
{
	struct import_context *context = import->context;

	import_set_state(import, IMPORT_KEPT);
	import->ask_again = context->loop->now + context->loop->interval;
	if (log_once(&import->kept, LOG_LEVEL_WARNING, 0, "%s: stays attached: %s",
		     import_name(import).text, reason) ||
	    context->loop->stopping) {
		context->sync = IMPORT_SYNC_WANTED;
		loop_pass_now(context->loop);
	}
}

/* The one that was asked about. Another device may have its place by now. */
static struct import *import_find_leaving(struct import_context *context, const char *busid)
{
	struct import *import = NULL;

	while ((import = import_next(context, NULL, import)))
		if (import->state == IMPORT_LEAVING && import->asked &&
		    !strcmp(context->vhci.port[import->port].busid, busid))
			break;
	return import;
}

void import_context_answered(struct import_context *context)
{
	const struct protect_survey *survey = &context->inspector->survey;
	struct import *left = NULL;

	if (survey->sync && context->sync == IMPORT_SYNC_RUNNING)
		context->sync = IMPORT_SYNC_DONE;
	for (unsigned i = 0; i < survey->count; i++) {
		const struct protect_item *need = &survey->item[i];
		struct import *import = import_find_leaving(context, need->busid);

		if (!import) /* it may stay, or is gone meanwhile */
			continue;
		if (need->open && context->loop->now < import->ask_again)
			loop_pass_by(context->loop, context->loop->now + CLOSE_POLL_MS);
		else if (import_is_in_use(import, need) && !import->session.ended)
			import_keep(import, need->reason.text);
		else
			import_detach(import);
	}
	while ((left = import_next(context, NULL, left)))
		left->asked = false;
	if (survey->count == PROTECT_MAX) /* there may be more */
		loop_pass_now(context->loop);
}

/* Fills in those that leave, as many as fit. Returns whether there are any. */
static bool import_context_question(struct import_context *context)
{
	struct protect_survey *survey = &context->inspector->survey;
	struct import *import = NULL;

	survey->count = 0;
	survey->disks_only = true;
	survey->sync = false;
	while (survey->count < PROTECT_MAX && (import = import_next(context, NULL, import))) {
		struct protect_item *item = &survey->item[survey->count];
		const char *busid;

		if (import->state != IMPORT_LEAVING)
			continue;
		busid = context->vhci.port[import->port].busid;
		if (!*busid) /* its port is not in use any more, or not yet again */
			continue;
		*item = (struct protect_item){ .stage = PROTECT_SETTLED };
		str_copy(item->busid, sizeof(item->busid), busid);
		import->asked = true;
		survey->count++;
	}
	return survey->count;
}

void import_context_end_pass(struct import_context *context)
{
	struct inspector *inspector = context->inspector;
	struct loop *loop = context->loop;

	inspector_pass(inspector);
	if (inspector->state == INSPECTOR_ASKED)
		return;
	if (import_context_question(context)) {
		inspector_ask(inspector, ASK_MS);
	} else if (context->sync == IMPORT_SYNC_WANTED) {
		context->sync = IMPORT_SYNC_RUNNING;
		inspector->survey.sync = true;
		inspector_ask(inspector, loop->stopping ? IMPORT_LAST_SYNC_MS : SYNC_MS);
	}
}
