/* SPDX-License-Identifier: MIT */
/* The session of an exported device: a connection that the engine has, from import to end. */
#include "host/export.h"

#include "lib/log.h"
#include "lib/str.h"
#include "proto/op.h"

uint32_t export_ask(const struct export *export)
{
	if (!export_is_bound(export))
		return OP_NODEV;
	switch (export->engine->status(export->sysfs, export->device.busid)) {
	case ENGINE_AVAILABLE:
		return OP_OK;
	case ENGINE_IN_USE:
		/* a session that another process began may have ended: only the status tells */
		return session_watch_is_open(&export->session) ? OP_BUSY : EXPORT_WAIT;
	case ENGINE_ERROR:
		return OP_DEV_ERR;
	default:
		return OP_NA;
	}
}

int export_import(struct export *export, int fd, uint32_t dead_after, const struct peer_id *who)
{
	int error = session_set_timeouts(fd, dead_after);

	if (!error)
		error = export->engine->import(export->sysfs, export->device.busid, fd);
	if (error)
		return error;
	export_drop_session(export);
	export_set_state(export, EXPORT_IN_USE);
	session_watch_start(&export->session, fd);
	export->noted = false;
	export->from = who->address;
	str_format(export->key, sizeof(export->key), "%s", who->key ? who->key : "");
	export->print = who->print;
	addr_text(&export->from, export->peer);
	if (*export->key)
		log_info("%s: imported by %s (%s)", export->device.name, export->key, export->peer);
	else
		log_info("%s: imported by %s", export->device.name, export->peer);
	loop_pass_now(export->loop); /* it leaves the list */
	return 0;
}

void export_drop_session(struct export *export)
{
	session_watch_drop(&export->session);
	export->peer[0] = '\0';
	export->key[0] = '\0';
	export->print = 0;
}
