/* SPDX-License-Identifier: MIT */
/* The server role: every device that may be exported is bound to an engine, and kept so. */
#include "host/host.h"

#include "host/holder.h"
#include "lib/log.h"

#include <errno.h>

enum {
	STOP_MS = 30000,	 /* for all devices to be given back */
	ONCE_PATIENCE_MS = 1000, /* --once waits so long for a device in its error state */
};

/* Which devices clients get in their list: those without a record have to wait for it. */
static void host_update_list(struct host *host)
{
	EACH_EXPORT(&host->exports, export) {
		bool free = export->state == EXPORT_AVAILABLE ||
			    (export->state == EXPORT_LEFT_ALONE && export->offered);
		bool listed = free && export->allowed && export->identity.described;

		host->list_changed |= listed != export->listed;
		export->listed = listed;
	}
}

/* Changes of rules, holds and keys count at once. */
static void host_reload(struct host *host)
{
	if (!daemon_reload(&host->daemon, &host->policy.rules, &host->policy.holds))
		return;
	host_server_keys_changed(&host->server);
	host->list_changed = true;
	EACH_EXPORT(&host->exports, export)
		export->need.until = 0;
}

static void host_pass(void *ctx)
{
	struct host *host = ctx;
	bool stopping = host->daemon.loop.stopping;

	host_reload(host);
	host->server.alone = host->alone || rules_have_to(&host->policy.rules);
	host->unserved = !stopping && !host_server_listen(&host->server) && host->server.alone;
	if (!host_observe(host)) {
		host_server_pass(&host->server, false);
		return;
	}
	if (stopping) {
		host_give_back(host);
		return;
	}
	host_claim_ports(host);
	EACH_EXPORT(&host->exports, export)
		if (export->seen && !export_has_job(export) &&
		    !export->reader.child.pid)
			host_act(host, export);
	host_ask_needs(host);
	host_update_list(host);
	status_files_update(host, false);
	host_server_pass(&host->server, host->list_changed);
	host->list_changed = false;
}

static void host_tick(void *ctx)
{
	struct host *host = ctx;

	EACH_EXPORT(&host->exports, export)
		export_tick(export);
	host_server_tick(&host->server);
}

static void host_stop(void *ctx)
{
	struct host *host = ctx;

	host_server_close(&host->server);
	host_claim_ports(host);
	host->stopped = host->daemon.loop.now;
	EACH_EXPORT(&host->exports, export)
		export->failed = EXPORT_UNUSED; /* from now on only giving it back counts */
}

/* A job that is stuck is not waited for, unless it was begun in order to stop: then only the limit
 * for stopping ends the wait. */
static bool export_is_busy(const struct export *export, bool stopping, uint64_t stopped)
{
	return export->reader.child.pid ||
	       (export->child.pid &&
		(!export->stuck.text[0] || (stopping && export->job_began >= stopped)));
}

static bool host_is_busy(struct host *host)
{
	bool stopping = host->daemon.loop.stopping;

	EACH_EXPORT(&host->exports, export) {
		/* about to be released and bound again, for the first time */
		bool recovers = export->state == EXPORT_ERROR && export->ours && export->allowed &&
				export->flaps.backoff.delay <= ONCE_PATIENCE_MS;

		if (export_is_busy(export, stopping, host->stopped) ||
		    (stopping ? export->ours && export_is_resetting(export) :
				host_need_is_open(export) || recovers))
			return true;
	}
	return stopping && host->held_back;
}

static bool host_is_done(void *ctx)
{
	struct host *host = ctx;
	const struct loop *loop = &host->daemon.loop;

	return (loop->stopping || host->daemon.options->once) &&
	       loop->next > loop->now && /* a pass that is due may have more to do */
	       host->passed && !host->daemon.runner.waiting && !host_is_busy(host);
}

/* 1 when something that should have been done was not. */
static int host_exit_status(struct host *host)
{
	int status = host->daemon.lost;

	EACH_EXPORT(&host->exports, export) {
		bool kept = host->daemon.loop.stopping && export->ours;
		const char *why = export->stuck.text;

		if (host->held_back && !*why && export->was_used)
			why = "a device is still being reset";
		if (kept)
			log_warning(*why ? "%s: not given back: %s" : "%s: not given back",
				    export->device.busid, why);
		if (kept || *export->stuck.text || export->failed != EXPORT_UNUSED)
			status = 1;
	}
	return status;
}

/* The holders of an earlier run keep their devices, whatever is used for further ones. Returns the
 * exit status. */
static int host_open_engines(struct host *host, const struct engine *only)
{
	const struct sysfs *sysfs = &host->daemon.sysfs;
	unsigned coming = 0;
	int error = 0;

	host->engines.only = only;
	engine_choose(&host->engines, sysfs, "", &coming, &host->choice);
	if (host->choice.error && host->choice.error != -ENOSPC) {
		log_error("cannot use kernel module %s, nor /dev/bus/usb: run as root, in a "
			  "container with the USB devices of its host", engine_kernel.name);
		return 1;
	}
	if (!engine_usbfs.check(sysfs))
		error = holders_open(&host->daemon);
	if (error)
		log_error_errno(error, "cannot start");
	return error != 0;
}

int host_run(const struct daemon_options *options, const struct host_options *host_options)
{
	const struct engine *engine = host_options->engine;
	const bool usbfs = engine == &engine_usbfs;
	const struct daemon_role role = {
		.driver = { usbfs ? NULL : engine_kernel.name,
			    usbfs ? engine_usbfs.check : engine_kernel.check, !engine },
		.name = "server",
		.uevents = UEVENT_LOCAL,
		.stop_ms = STOP_MS,
		.loop = { host_pass, host_stop, host_is_done },
	};
	static struct host host;
	bool has_bound = false;
	int status, error = 0;

	status = daemon_open(&host.daemon, options, &role, &host.policy.rules, &host);
	if (status)
		return status;
	status = host_open_engines(&host, engine);
	if (status) {
		daemon_close(&host.daemon, true);
		return status;
	}
	host.daemon.inspector.answered = host_needs_answered;
	host.daemon.loop.tick = host_tick;
	host.daemon.loop.tick_ctx = &host;
	host.policy.take_all = host_options->take_all;
	host.policy.on_demand = host_options->on_demand;
	host.access.rules = &host.policy.rules;
	host.access.networks = &host_options->networks;
	host.access.named = host_options->alone;
	host.access.keys = options->keys;
	host_adopt_bound(&host);
	if (!options->once) {
		host_server_init(&host.server, &host.daemon.loop, &host.exports, &host.access,
				 options->dead_after, host_options->listen,
				 host_options->listeners);
		error = host_server_dial(&host.server, host_options->client, host_options->clients);
	}
	if (error)
		log_error_errno(error, "cannot connect to clients");
	host.alone = host_options->alone || host_options->on_demand || options->keys;
	daemon_run(&host.daemon, NULL, NULL, 0);
	status = host_exit_status(&host);
	host_server_close(&host.server);
	status_files_update(&host, true);
	EACH_EXPORT(&host.exports, export)
		has_bound |= export->ours;
	holders_close();
	daemon_close(&host.daemon, has_bound);
	return status;
}
