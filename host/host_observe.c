/* SPDX-License-Identifier: MIT */
/* The server role: observes the devices of this machine, and remembers which are ours. */
#include "host/host.h"

#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* In the run directory: the bus ids of devices that are ours, one on each line. The word "network"
 * follows the bus id of a network card; versions that do not know the word skip it. */
#define BOUND_FILE "bound"
#define BOUND_CARD "network"
enum { HOLDER_END_MS = 500 };
enum { BOUND_SIZE = EXPORTS_MAX * (BUSID_SIZE + sizeof(BOUND_CARD)) + 1 };

static struct export *add_export(struct host *host, const char *busid, enum export_state state)
{
	struct export *export = exports_add(&host->exports, &host->daemon.loop, busid, state);

	if (!export) {
		log_once(&host->full_log, LOG_LEVEL_WARNING, 0,
			 "more than %u devices: the others are left alone", EXPORTS_MAX);
		return NULL;
	}
	export->sysfs = &host->daemon.sysfs;
	export->engine = engine_find(&export->device);
	if (!export->engine)
		export->engine = &engine_kernel;
	export->job_ended = host_job_ended;
	export->ctx = host;
	export->need.at_start = !host->passed;
	if (!host->passed)
		status_files_load_session(&host->daemon.rundir, export);
	return export;
}

void host_adopt_bound(struct host *host)
{
	char text[BOUND_SIZE], *cursor = text;
	const struct rundir *rundir = &host->daemon.rundir;
	struct export *export = NULL;
	const char *busid;

	if (rundir->stale)
		file_replace(rundir->dir, BOUND_FILE, 0, NULL, 0);
	file_load(rundir->dir, BOUND_FILE, O_NOFOLLOW, text, sizeof(text));
	while ((busid = str_word(&cursor))) {
		if (export && !strcmp(busid, BOUND_CARD))
			export->need.item.network = true;
		if (!busid_is_device(busid) || exports_find(&host->exports, busid))
			continue;
		export = add_export(host, busid, EXPORT_ADOPTED);
		if (export)
			export->ours = true;
	}
}

void host_set_ours(struct host *host, struct export *changed, bool ours)
{
	const struct rundir *rundir = &host->daemon.rundir;
	char text[BOUND_SIZE];
	size_t len = 0;
	int error;

	if (changed->ours == ours)
		return;
	changed->ours = ours;
	EACH_EXPORT(&host->exports, export)
		if (export->ours)
			len += str_format(text + len, sizeof(text) - len, "%s%s\n",
					  export->device.busid,
					  export->need.item.network ? " " BOUND_CARD : "");
	error = file_replace(rundir->dir, BOUND_FILE, 0, text, len);
	if (error)
		log_once(&host->save_log, LOG_LEVEL_WARNING, error, "cannot write %s/%s",
			 rundir->path, BOUND_FILE);
	else if (len) /* else it was removed, for which there is always room */
		log_once_clear(&host->save_log);
}

/* By what is known without asking the device. */
static bool host_denies(const struct host *host, const struct device *device)
{
	struct device_record record;
	struct rule_facts identity;
	struct reason why;

	facts_identify(&host->daemon.sysfs, device, NULL, &identity, &record);
	return policy_judge(&host->policy.rules, &host->policy.holds, &identity, &why) == RULE_DENY;
}

/* Of one device, which has its place for nothing. */
static void host_forget_denied(struct host *host)
{
	EACH_EXPORT(&host->exports, export) {
		if (export->state == EXPORT_LEFT_ALONE && !export->ours &&
		    host_denies(host, &export->device)) {
			host->list_changed |= export->listed;
			export_unplug(export);
			export_forget(export);
			return;
		}
	}
}

/* NULL: there is no place for it. */
static struct export *host_add_device(struct host *host, const struct device *device)
{
	if (exports_are_full(&host->exports)) {
		if (host_denies(host, device))
			return NULL;
		host_forget_denied(host);
	}
	return add_export(host, device->busid, EXPORT_LEFT_ALONE);
}

/* For device_scan(). Devices that can never be exported take no place. */
static void host_observe_device(void *ctx, const struct device *device)
{
	struct host *host = ctx;
	struct export *export = exports_find(&host->exports, device->busid);
	const struct engine *engine = engine_find(device);
	struct device_facts facts;
	const char *why;

	facts_begin(device, &facts);
	why = policy_excludes(&facts);
	if (why) {
		if (!host->passed)
			log_debug("%s: left alone: %s", device->name, why);
		return;
	}
	if (!export)
		export = host_add_device(host, device);
	if (!export)
		return;
	if (engine && !export_has_job(export)) {
		export->engine = engine;
		export->held = engine == &engine_usbfs;
	}
	export_observe(export, device);
	if (export->listed && !export->identity.described) /* its record was another device's */
		host->list_changed = true;
}

static void host_observe_unplugged(struct host *host, struct export *export)
{
	if (export->state != EXPORT_UNPLUGGED) {
		if (host->passed && (export->bound_at || !export->flaps.backoff.delay))
			log_info("%s: unplugged", export->device.name);
		host_set_ours(host, export, false);
		status_files_remove_session(&host->daemon.rundir, export);
		host->list_changed |= export->listed;
		export->listed = false;
		if (export->port_claimed) /* again, when its holder has ended */
			loop_pass_by(&host->daemon.loop, host->daemon.loop.now + HOLDER_END_MS);
		export_unplug(export);
	}
	if (export_is_forgettable(export)) {
		export_forget(export);
		log_once_clear(&host->full_log);
	}
}

bool host_observe(struct host *host)
{
	unsigned coming = 0;
	int error;

	engine_choose(&host->engines, &host->daemon.sysfs, "", &coming, &host->choice);
	error = host->choice.error;
	/* bound devices go on, and a bind that fails is logged */
	if (error == -EROFS || error == -ENOSPC)
		error = 0;
	EACH_EXPORT(&host->exports, export)
		export->seen = false;
	if (!error)
		error = device_scan(&host->daemon.sysfs, host_observe_device, host);
	if (!daemon_check_driver(&host->daemon, error))
		return false;
	EACH_EXPORT(&host->exports, export) {
		strings_reader_pass(&export->reader);
		host_check_job(host, export);
		if (export->seen)
			export_refresh(export, host->daemon.options->dead_after);
		else if (!export_has_job(export))
			host_observe_unplugged(host, export);
	}
	host->passed = true;
	return true;
}
