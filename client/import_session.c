/* SPDX-License-Identifier: MIT */
/* An import that has a port: from the attach until the port is free. */
#include "client/decide.h"
#include "client/import.h"
#include "client/port_record.h"
#include "lib/log.h"

#include <assert.h>
#include <errno.h>

enum {
	POLL_MS = 50,		 /* between looks at a port that is about to become free */
	DETACH_RETRY_MS = 1000,	 /* after a detach that failed for want of a descriptor */
};

static unsigned import_controller(const struct import *import)
{
	return vhci_controller(&import->context->vhci, (unsigned)import->port) %
	       VHCI_CONTROLLERS_MAX;
}

void import_queue(const struct import *import)
{
	if (import_has_port(import) && !import->answered_at)
		enum_queue_add(&import->context->queue, import_controller(import), import->ticket);
}

/* A short session may be a replug; many of them, or one without an answer, are a fault. */
static void import_judge_session(struct import *import, uint64_t now)
{
	uint64_t lasted = now - import->attached_at;

	if (import->answered_at && lasted >= FLAP_SETTLED_MS)
		backoff_clear(&import->flaps.backoff);
	else
		import->flaps.remember = now + FLAP_REMEMBER_MS;
	if (now < import->flaps.backoff.until)
		return; /* this failure was counted before */
	if (import->answered_at)
		flaps_stay_ended(&import->flaps, now, lasted);
	else
		flaps_fail(&import->flaps, now);
}

static void import_release_port(struct import *import)
{
	struct import_context *context = import->context;
	uint64_t now = context->loop->now;
	unsigned port = (unsigned)import->port;

	log_info("%s: %s port %u", import_name(import).text,
		 import->state == IMPORT_DETACHING ? "detached from" : "gone from", port);
	import_run_hooks(import, "detached", NULL, NULL);
	import_cancel_identity(import);
	session_watch_drop(&import->session);
	record_remove(context->own_dir, port);
	if (record_matches(context->record_dir, port, import->endpoint->host,
			   import->endpoint->port, import->busid))
		record_remove(context->record_dir, port);
	enum_queue_progress(&context->queue, import_controller(import), now);
	import->port = -1;
	import_set_state(import, import_is_failing(import) ? IMPORT_FAILED : IMPORT_IDLE);
	import_forget_identity(import);
	import_judge_session(import, now);
}

void import_detach(struct import *import)
{
	struct loop *loop = import->context->loop;
	int error;

	assert(import_has_port(import));
	if (import->state != IMPORT_DETACHING) {
		error = vhci_detach(import->context->sysfs, (unsigned)import->port);
		if (error_is_resource(error)) {
			loop_pass_by(loop, loop->now + DETACH_RETRY_MS);
			return;
		}
		if (error && error != -EINVAL) /* -EINVAL: it is free already */
			log_warning_errno(error, "cannot detach port %u", (unsigned)import->port);
		import_set_state(import, IMPORT_DETACHING);
	}
	loop_pass_by(loop, loop->now + POLL_MS);
}

/* For how long it has kept the kernel waiting; 0 while it waits for others before it. */
static uint64_t import_unanswered(const struct import *import)
{
	const struct import_context *context = import->context;
	unsigned controller = import_controller(import);

	if (import->answered_at ||
	    !enum_queue_is_first(&context->queue, controller, import->ticket))
		return 0;
	return context->loop->now -
	       enum_queue_since(&context->queue, controller, import->attached_at);
}

/* Notices the first answer of the device, and the end of the connection. */
static void import_update(struct import *import, const struct vhci_port *row)
{
	struct import_context *context = import->context;

	session_watch_check(&import->session, context->dead_after);
	if (!import->answered_at && vhci_usable(context->sysfs, row)) {
		import->answered_at = context->loop->now;
		if (import->state == IMPORT_ENUMERATING)
			import_set_state(import, IMPORT_ATTACHED);
		log_once_clear(&import->failure);
		import_run_hooks(import, "attached", row->busid, NULL);
		enum_queue_progress(&context->queue, import_controller(import),
				    context->loop->now);
	}
	if (import->session.ended &&
	    (import->state == IMPORT_ENUMERATING || import->state == IMPORT_ATTACHED))
		import_set_state(import, IMPORT_CLOSING);
}

/* Its server does not answer, so that the kernel cannot go on to the devices behind it. */
static void import_give_up(struct import *import)
{
	if (import->state != IMPORT_DETACHING) {
		/* the kernel goes by port: leave it time for those behind this one */
		if (import->flaps.backoff.delay < CLIENT_ANSWER_MS)
			import->flaps.backoff.delay = CLIENT_ANSWER_MS;
		import_record_failure(import, "its server took it but never answered");
	}
	import_detach(import);
}

void import_check(struct import *import)
{
	struct loop *loop = import->context->loop;
	const struct vhci_port *row;
	struct port_facts facts;

	if (!import_has_port(import))
		return;
	row = &import->context->vhci.port[import->port];
	import_update(import, row);
	facts = (struct port_facts){
		.state = row->state,
		.other_device = row->devid && import->devid && row->devid != import->devid,
		.unanswered = import_unanswered(import),
		.closed_for = import->session.ended ? loop->now - import->session.ended : 0,
	};
	if (import->state == IMPORT_ENUMERATING && facts.unanswered < CLIENT_ANSWER_MS)
		loop_pass_by(loop, loop->now + CLIENT_ANSWER_MS - facts.unanswered);
	switch (decide_port(&facts)) {
	case PORT_GONE:
		import_release_port(import);
		break;
	case PORT_UNANSWERED:
		import_give_up(import);
		break;
	case PORT_DETACH:
		import_detach(import);
		break;
	case PORT_KEEP:
		if (import->session.ended)
			loop_pass_by(loop, loop->now + POLL_MS);
		break;
	}
}
