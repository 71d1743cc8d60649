/* SPDX-License-Identifier: MIT */
/* The server role: starts jobs with their locks, and tells hooks and log when they end. */
#include "host/host.h"

#include "lib/str.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void host_start_job(struct host *host, struct export *export, enum export_state job)
{
	const struct rundir *rundir = &host->daemon.rundir;
	const char *busid = export->device.busid;
	int lock = rundir_lock_job(rundir, busid);

	/* if there can be no file for the lock, such as on a full disk, the job runs without one */
	if (lock != -EWOULDBLOCK) {
		export_start_job(export, job, lock);
		return;
	}
	export_set_state(export, EXPORT_STUCK);
	if (!rundir_job_is_stuck(rundir->path, busid, &export->stuck))
		str_copy(export->stuck.text, sizeof(export->stuck.text), "it has not ended");
	log_warning("%s: left alone, as an earlier run of the server still waits for it: %s",
		    export->device.name, export->stuck.text);
}

void host_check_job(struct host *host, struct export *export)
{
	const struct rundir *rundir = &host->daemon.rundir;
	int lock;

	if (export_check_job(export) && export->lock >= 0 &&
	    write(export->lock, export->stuck.text, strlen(export->stuck.text)) < 0)
		log_debug("%s: cannot write the reason to its lock file", export->device.name);
	if (export->state != EXPORT_STUCK)
		return;
	lock = rundir_lock_job(rundir, export->device.busid);
	if (lock < 0)
		return;
	rundir_end_job(rundir, export->device.busid, lock);
	log_info("%s: no longer stuck: the earlier run of the server has ended",
		 export->device.name);
	export->stuck.text[0] = '\0';
	export_set_state(export, EXPORT_LEFT_ALONE);
}

static void host_tell_hooks(struct host *host, const struct export *export, enum export_state job)
{
	int error = export->result.error;
	const struct hook_facts facts = {
		.event = error ? "failed" : job == EXPORT_BINDING ? "bound" : "released",
		.busid = export->device.busid,
		.vendor = export->device.vendor,
		.product = export->device.product,
		.port = -1,
		.reason = error ? export->engine->step_text(export->result.step) : NULL,
	};

	hook_runner_tell(&host->daemon.runner, &facts);
}

void host_job_ended(struct export *export, enum export_state job, bool logged)
{
	struct host *host = export->ctx;
	bool done = export->result.outcome == ENGINE_DONE;
	bool stranded = export->result.outcome == ENGINE_STRANDED;

	rundir_end_job(&host->daemon.rundir, export->device.busid, export->lock);
	export->lock = -1;
	export->held &= job != EXPORT_RELEASING;
	/* where a device is stranded, sysfs tells how far it came, and it is given back */
	if (job == EXPORT_BINDING ? !done && !stranded : job == EXPORT_RELEASING && done)
		host_set_ours(host, export, false);
	if (logged || (done && job != EXPORT_ENDING))
		host_tell_hooks(host, export, job);
	loop_pass_now(&host->daemon.loop);
}
