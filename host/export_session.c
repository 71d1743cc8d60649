/* SPDX-License-Identifier: MIT */
/* The session of an exported device: a connection that usbip-host has, from import to end. */
#include "host/export.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "loop/session.h"

#include <sys/epoll.h>
#include <unistd.h>

enum {
	RESET_MS = 5000, /* for the kernel to reset a device after its session: 0.2 s are usual */
	RESET_POLL_MS = 20,
};

uint32_t export_ask(const struct export *export)
{
	if (!export_bound(export))
		return OP_NODEV;
	switch (stub_status(export->sysfs, export->device.busid)) {
	case STUB_AVAILABLE:
		return OP_OK;
	case STUB_USED:
		/* of a session that somebody else began nobody knows whether it has ended */
		return export->session.fd >= 0 ? OP_BUSY : EXPORT_WAIT;
	case STUB_ERROR:
		return OP_DEV_ERR;
	default:
		return OP_NA;
	}
}

static void session_ended(struct loop_source *source, uint32_t events)
{
	struct export *export = container_of(source, struct export, session);

	(void)events;
	loop_drop(export->loop, source);
	export->session_ended = export->loop->now;
	loop_pass_now(export->loop);
}

int export_import(struct export *export, int fd, uint32_t dead_after, const struct peer_id *who)
{
	int error = session_set_timeouts(fd, dead_after);

	if (!error)
		error = stub_import(export->sysfs, export->device.busid, fd);
	if (error)
		return error;
	export_drop_session(export);
	/* kept only to hear it end: its bytes are the kernel's */
	export->session.fd = fd;
	export->session.ready = session_ended;
	loop_watch(export->loop, &export->session, EPOLLRDHUP); /* usbip_status tells, too */
	export->noted = false;
	export->from = who->address;
	str_format(export->key, sizeof(export->key), "%s", who->key ? who->key : "");
	export->print = who->print;
	addr_text(&export->from, export->peer);
	log_info("%s%s%s takes %s", export->key, *export->key ? " at " : "", export->peer,
		 export->device.name);
	loop_pass_now(export->loop); /* it is not on offer any more */
	return 0;
}

void export_look(struct export *export, uint32_t dead_after)
{
	uint64_t now = export->loop->now;

	session_check(export->loop, &export->session, dead_after);
	if (!export->session_ended)
		return;
	if (stub_status(export->sysfs, export->device.busid) == STUB_USED) {
		if (now - export->session_ended < RESET_MS)
			loop_pass_by(export->loop, now + RESET_POLL_MS);
		return;
	}
	log_info("%s is back from %s", export->device.name, export->peer);
	export->session_ended = 0;
	loop_pass_now(export->loop); /* what waited for it can go on */
}

void export_drop_session(struct export *export)
{
	loop_drop(export->loop, &export->session);
	export->session_ended = 0;
}
