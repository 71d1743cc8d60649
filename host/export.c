/* SPDX-License-Identifier: MIT */
/* The devices that are exported: their table, their states, their sessions. */
#include "host/export.h"

#include "lib/log.h"
#include "lib/state.h"
#include "lib/str.h"
#include "lib/util.h"
#include "proto/op.h"

#include <string.h>
#include <sys/socket.h>

enum { RESET_MS = 5000, RESET_POLL_MS = 20 }; /* for a device to be reset: 0.2 s are usual */

#define BIT(state) (1U << EXPORT_##state)
#define BITS_BOUND (BIT(BOUND) | BIT(AVAILABLE) | BIT(IN_USE) | BIT(RESETTING) | BIT(ERROR))
/* As a scan and the engine tell. */
#define BITS_OBSERVED (BITS_BOUND | BIT(LEFT_ALONE) | BIT(UNPLUGGED))

static const struct state export_states[] = {
	[EXPORT_UNUSED] = { "unused", BIT(ADOPTED) | BIT(LEFT_ALONE) },
	[EXPORT_ADOPTED] = { "adopted", BITS_OBSERVED },
	[EXPORT_LEFT_ALONE] = { "left alone",
				BITS_OBSERVED | BIT(STUCK) | BIT(BINDING) | BIT(RELEASING) },
	[EXPORT_BINDING] = { "binding", BIT(BOUND) | BIT(LEFT_ALONE) },
	[EXPORT_BOUND] = { "bound", BITS_OBSERVED | BIT(STUCK) | BIT(RELEASING) },
	[EXPORT_AVAILABLE] = { "available", BITS_OBSERVED | BIT(STUCK) | BIT(RELEASING) },
	[EXPORT_IN_USE] = { "in use", BITS_OBSERVED | BIT(STUCK) | BIT(ENDING) },
	[EXPORT_RESETTING] = { "resetting", BITS_OBSERVED | BIT(STUCK) },
	[EXPORT_ERROR] = { "error", BITS_OBSERVED | BIT(STUCK) | BIT(RELEASING) },
	[EXPORT_ENDING] = { "ending", BIT(IN_USE) | BIT(RESETTING) },
	[EXPORT_RELEASING] = { "releasing", BIT(LEFT_ALONE) | BIT(BOUND) },
	[EXPORT_STUCK] = { "stuck", BIT(LEFT_ALONE) },
	[EXPORT_UNPLUGGED] = { "unplugged", BITS_OBSERVED | BIT(UNUSED) },
};

void export_set_state(struct export *export, enum export_state state)
{
	if (export->state == state)
		return;
	state_enter(export_states, export->state, state, export->device.busid, "");
	export->state = state;
}

struct export *exports_next(struct exports *exports, struct export *export)
{
	export = export ? export + 1 : exports->export;
	for (; export < exports->export + exports->count; export++)
		if (export->state != EXPORT_UNUSED)
			return export;
	return NULL;
}

struct export *exports_find(struct exports *exports, const char *busid)
{
	EACH_EXPORT(exports, export)
		if (!strcmp(export->device.busid, busid))
			return export;
	return NULL;
}

bool exports_are_full(struct exports *exports)
{
	unsigned n = 0;

	EACH_EXPORT(exports, export)
		n++;
	return n == EXPORTS_MAX;
}

struct export *exports_add(struct exports *exports, struct loop *loop, const char *busid,
			   enum export_state state)
{
	struct export *export = exports->export;

	while (export < exports->export + exports->count && export->state != EXPORT_UNUSED)
		export++;
	if (export == exports->export + EXPORTS_MAX)
		return NULL;
	if (export == exports->export + exports->count)
		exports->count++;
	memset(export, 0, sizeof(*export));
	str_copy(export->device.busid, sizeof(export->device.busid), busid);
	export->loop = loop;
	export->lock = -1;
	export->answer = OP_NODEV;
	session_watch_init(&export->session, loop);
	export_set_state(export, state);
	return export;
}

bool export_has_job(const struct export *export)
{
	return (BIT(BINDING) | BIT(ENDING) | BIT(RELEASING) | BIT(STUCK)) & 1U << export->state;
}

bool export_is_bound(const struct export *export)
{
	return BITS_BOUND & 1U << export->state;
}

bool export_is_resetting(const struct export *export)
{
	return export->state == EXPORT_RESETTING &&
	       export->loop->now - export->session.ended < RESET_MS;
}

bool export_is_free(const struct export *export)
{
	return export->session.socket.fd < 0 &&
	       (BIT(AVAILABLE) | BIT(ERROR) | BIT(LEFT_ALONE)) & 1U << export->state;
}

static void export_strings_read(struct child *child, bool whole)
{
	struct export *export = container_of(child, struct export, reader.child);

	export->identity.serial = whole ? export->reader.strings.serial : NULL;
	export->identity.product_name = export->reader.strings.product;
	if (!whole)
		backoff_fail(&export->backoff, export->loop->now, RETRY_LIMIT_MS);
	loop_pass_now(export->loop);
}

void export_read_strings(struct export *export)
{
	strings_reader_start(&export->reader, export->loop, export->sysfs, export->device.busid,
			     export_strings_read);
}

/* The facts about the former device in this place do not hold any more. */
static void export_identify(struct export *export, const struct device *device)
{
	uint32_t id = (uint32_t)device->vendor << 16 | device->product;

	/* it has no number while the kernel resets it */
	if ((device->devnum && device->devnum != export->device.devnum) || id != export->id) {
		child_kill(&export->reader.child);
		export->offered = false;
		export->identity.serial = NULL;
		export->identity.described = false;
		if (export->device.devnum)
			export->need = (struct export_need){ 0 };
	}
	if (id == export->id)
		return;
	export->failed = EXPORT_UNUSED;
	log_once_clear(&export->failure_log);
	export->backoff = (struct backoff){ 0 };
	if (id != export->former_id)
		export->flaps = (struct flaps){ 0 };
	export->former_id = export->id;
	export->id = id;
}

void export_observe(struct export *export, const struct device *device)
{
	uint32_t devnum = export->device.devnum;

	export->seen = true;
	export_identify(export, device);
	if (export_has_job(export))
		return;
	export->device = *device;
	if (!device->devnum)
		export->device.devnum = devnum;
	if (device->driver[0])
		export->driverless_since = 0;
	else if (!export->driverless_since)
		export->driverless_since = export->loop->now;
}

static enum export_state export_reported_state(const struct export *export)
{
	if (!export->engine->has(&export->device))
		return EXPORT_LEFT_ALONE;
	switch (export->engine->status(export->sysfs, export->device.busid)) {
	case ENGINE_AVAILABLE:
		return EXPORT_AVAILABLE;
	case ENGINE_IN_USE:
		return export->session.ended ? EXPORT_RESETTING : EXPORT_IN_USE;
	case ENGINE_ERROR:
		return EXPORT_ERROR;
	default:
		return export_is_bound(export) ? export->state : EXPORT_BOUND;
	}
}

void export_tick(const struct export *export)
{
	struct loop *loop = export->loop;

	if (export->state != EXPORT_RESETTING)
		return;
	if (!export_is_resetting(export) || export_reported_state(export) != EXPORT_RESETTING)
		loop_pass_now(loop);
	else
		loop_tick_by(loop, loop->now + RESET_POLL_MS);
}

void export_refresh(struct export *export, uint32_t dead_after)
{
	enum export_state before = export->state, now;
	struct loop *loop = export->loop;

	flaps_forgive(&export->flaps, loop->now);
	session_watch_check(&export->session, dead_after);
	if (export_has_job(export))
		return;
	now = export_reported_state(export);
	export_set_state(export, now);
	if (now == EXPORT_RESETTING && !export_is_resetting(export))
		log_once(&export->reset_log, LOG_LEVEL_WARNING, 0,
			 "%s: still being reset after its session; until then %s gives no device "
			 "back",
			 export->device.name, export->engine->name);
	if (export_is_resetting(export))
		loop_tick_by(loop, loop->now + RESET_POLL_MS);
	if (export->peer[0] && export_is_free(export)) {
		log_info("%s: session with %s ended", export->device.name, export->peer);
		log_once_clear(&export->reset_log);
		export_drop_session(export);
		loop_pass_now(loop); /* others may have waited for that */
	}
	/* the engine may have left the connection open */
	if (now == EXPORT_ERROR && export->session.socket.fd >= 0)
		shutdown(export->session.socket.fd, SHUT_RDWR);
	if (now == EXPORT_ERROR && before != EXPORT_ERROR && export->ours) {
		if (!export->flaps.backoff.delay)
			log_warning("%s: in its error state, releasing it", export->device.name);
		/* released and bound again after the delay of devices that come and go */
		flaps_fail(&export->flaps, loop->now);
		loop_pass_by(loop, export->flaps.backoff.until);
	}
}

void export_unplug(struct export *export)
{
	uint64_t now = export->loop->now;
	bool damped = export->flaps.backoff.delay;

	child_kill(&export->reader.child);
	export_drop_session(export);
	if (export->engine->forget)
		export->engine->forget(export->device.busid);
	export_set_state(export, EXPORT_UNPLUGGED);
	export->failed = EXPORT_UNUSED;
	export->offered = false;
	export->answer = OP_NODEV;
	export->driverless_since = 0;
	export->need = (struct export_need){ 0 };
	if (export->held)
		export->flaps.remember = now + FLAP_REMEMBER_MS;
	if (!export->bound_at) {
		if (damped)
			export->flaps.remember = now + FLAP_REMEMBER_MS;
	} else if (flaps_stay_ended(&export->flaps, now, now - export->bound_at) && !damped) {
		log_warning("%s: comes and goes; it will be exported after a growing delay",
			    export->device.name);
	}
	export->bound_at = 0;
}

bool export_is_forgettable(const struct export *export)
{
	return export->state == EXPORT_UNPLUGGED && export->loop->now >= export->flaps.remember;
}

void export_forget(struct export *export)
{
	export_set_state(export, EXPORT_UNUSED);
	memset(export, 0, sizeof(*export));
}

void export_want(struct export *export)
{
	if (export_is_bound(export) || export->answer == OP_NODEV)
		return;
	export->answer = EXPORT_WAIT;
	export->need.demanded = export->loop->now;
	export->need.until = 0;
}

/* For the client that had it just now. */
static bool export_is_kept(const struct export *export, const struct in6_addr *client)
{
	return export->loop->now < export->kept_until &&
	       memcmp(&export->from, client, sizeof(*client)) != 0;
}

uint32_t export_ask(const struct export *export, const struct in6_addr *client)
{
	if (!export_is_bound(export))
		return export->answer;
	switch (export->engine->status(export->sysfs, export->device.busid)) {
	case ENGINE_AVAILABLE:
		return export_is_kept(export, client) ? EXPORT_WAIT : OP_OK;
	case ENGINE_IN_USE:
		/* a session that another process began may have ended: only the status tells */
		return export->session.socket.fd >= 0 ? OP_BUSY : EXPORT_WAIT;
	case ENGINE_ERROR:
		return OP_DEV_ERR;
	default:
		return OP_NA;
	}
}

int export_import(struct export *export, int fd, int connection, uint32_t dead_after,
		  const struct peer_id *who)
{
	int error = session_set_timeouts(connection, dead_after);

	if (!error)
		error = export->engine->import(export->sysfs, export->device.busid, fd);
	if (error)
		return error;
	export_drop_session(export);
	export_set_state(export, EXPORT_IN_USE);
	session_watch_start(&export->session, connection);
	export->noted = false;
	export->from = who->address;
	str_copy(export->key, sizeof(export->key), who->key ? who->key : "");
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
	if (export->peer[0])
		export->kept_until = export->loop->now + EXPORT_KEPT_MS;
	export->peer[0] = '\0';
	export->key[0] = '\0';
	export->print = 0;
}
