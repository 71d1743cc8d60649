/* SPDX-License-Identifier: MIT */
/* The session of an exported device: a connection that usbip-host has, from import to end. */
#include "host/export.h"

#include "lib/log.h"
#include "lib/str.h"


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
		return session_watch_is_open(&export->session) ? OP_BUSY : EXPORT_WAIT;
	case STUB_ERROR:
		return OP_DEV_ERR;
	default:
		return OP_NA;
	}
}

int export_import(struct export *export, int fd, uint32_t dead_after, const struct peer_id *who)
{
	int error = session_set_timeouts(fd, dead_after);

	if (!error)
		error = stub_import(export->sysfs, export->device.busid, fd);
	if (error)
		return error;
	session_watch_start(&export->session, fd);
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

	session_watch_check(&export->session, dead_after);
	if (!export->session.ended)
		return;
	if (stub_status(export->sysfs, export->device.busid) == STUB_USED) {
		if (now - export->session.ended < RESET_MS)
			loop_pass_by(export->loop, now + RESET_POLL_MS);
		return;
	}
	log_info("%s is back from %s", export->device.name, export->peer);
	export_drop_session(export);
	loop_pass_now(export->loop); /* what waited for it can go on */
}

void export_drop_session(struct export *export)
{
	session_watch_drop(&export->session);
}
