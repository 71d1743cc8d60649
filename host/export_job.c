/* SPDX-License-Identifier: MIT */
/* The jobs of an exported device, which may block: bind, release, end its session. */
#include "host/export.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <unistd.h>

/* In the child process of a job. */
static void export_child_main(const void *arg, void *result)
{
	const struct export *export = arg;
	const char *busid = export->device.busid;
	struct engine_result *out = result;

	if (export->state == EXPORT_BINDING) {
		*out = export->engine->bind(export->sysfs, busid);
		/* the daemon has ended meanwhile, and would not give it back */
		if (out->outcome == ENGINE_DONE && getppid() != export->child.parent)
			*out = export->engine->release(export->sysfs, busid);
	} else if (export->state == EXPORT_ENDING) {
		*out = export->engine->end(export->sysfs, busid, export->session.socket.fd);
	} else {
		*out = export->engine->release(export->sysfs, busid);
	}
}

/* Returns whether it was logged: the same failure is logged once. */
static bool export_log_failure(struct export *export, enum export_state job)
{
	const char *name = export->device.name;
	const struct engine *engine = export->engine;

	if (export->result.outcome == ENGINE_FULL)
		return log_once(&export->failure_log, LOG_LEVEL_WARNING, 0,
				"cannot export %s: %s has no room for it; plug a device that was "
				"exported back into its old port, or reboot", name, engine->name);
	return log_once(&export->failure_log, LOG_LEVEL_WARNING, export->result.error,
			"cannot %s %s: %s", job == EXPORT_BINDING ? "export" : "give back", name,
			engine->step_text(export->result.step));
}

/* Until the next pass observes the device. */
static enum export_state export_state_after(const struct export *export, enum export_state job)
{
	bool done = export->result.outcome == ENGINE_DONE;

	if (job == EXPORT_ENDING)
		return done || export->session.ended ? EXPORT_RESETTING : EXPORT_IN_USE;
	if (job == EXPORT_BINDING)
		return done ? EXPORT_BOUND : EXPORT_LEFT_ALONE;
	return done || !export->engine->has(&export->device) ? EXPORT_LEFT_ALONE : EXPORT_BOUND;
}

/* Why the job has not ended: that depends on which driver has the device now. */
static void export_set_stuck(struct export *export)
{
	const char *driver = export->drivers;
	struct reason *why = &export->stuck;
	struct device device;

	if (export->state == EXPORT_RELEASING) {
		driver = export->engine->name;
		if (!device_read(export->sysfs, export->device.busid, &device) &&
		    !export->engine->has(&device))
			driver = NULL;
	}
	if (export->state == EXPORT_ENDING)
		str_format(why->text, sizeof(why->text), "%s does not end its session",
			   export->engine->name);
	else if (driver)
		str_format(why->text, sizeof(why->text), "driver %s does not let go of it", driver);
	else
		str_copy(why->text, sizeof(why->text), "its own driver does not take it back");
}

bool export_check_job(struct export *export)
{
	uint64_t now = export->loop->now, late = export->job_began + JOB_LATE_MS;

	if (export->state == EXPORT_ENDING)
		late += JOB_LATE_MS; /* the engine itself gives up at that time */
	if (!export->child.pid || export->stuck.text[0])
		return false;
	loop_pass_by(export->loop, late);
	if (now < late)
		return false;
	export_set_stuck(export);
	log_warning("%s: stuck for %u s: %s; %s", export->device.name,
		    (unsigned)(now - export->job_began) / 1000, export->stuck.text,
		    export->state == EXPORT_ENDING ? "until it does, no device is given back" :
						     "other devices are not held up");
	return true;
}

/* When the engine has no part in the device any more. */
static void export_forget_binding(struct export *export, enum export_state job)
{
	bool done = export->result.outcome == ENGINE_DONE;

	if (export->engine->forget &&
	    (job == EXPORT_RELEASING ? done : job == EXPORT_BINDING && !done))
		export->engine->forget(export->device.busid);
}

static void export_finish_job(struct export *export)
{
	enum export_state job = export->state;
	bool logged = false;

	if (export->stuck.text[0])
		log_info("%s: no longer stuck, after %u s", export->device.name,
			 (unsigned)(export->loop->now - export->job_began) / 1000);
	export->stuck.text[0] = '\0';
	export->failed = EXPORT_UNUSED;
	switch (export->result.outcome) {
	case ENGINE_DONE:
		/* the device is reset: if it is in use again, another session has begun */
		if (job == EXPORT_ENDING)
			session_watch_drop(&export->session);
		else
			log_info("%s: %s", export->device.name,
				 job == EXPORT_BINDING ? "exported" : "given back");
		log_once_clear(&export->failure_log);
		export->backoff = (struct backoff){ 0 };
		break;
	case ENGINE_GONE:
	case ENGINE_BUSY: /* a new session was quicker: the next pass will see */
		break;
	default:
		export->failed = job;
		logged = export_log_failure(export, job);
		backoff_fail(&export->backoff, export->loop->now, RETRY_LIMIT_MS);
	}
	export_forget_binding(export, job);
	export_set_state(export, export_state_after(export, job));
	export->job_ended(export, job, logged);
}

static void export_child_ended(struct child *child, bool whole)
{
	struct export *export = container_of(child, struct export, child);

	if (!whole) /* it was killed */
		export->result = (struct engine_result){ -ECHILD, ENGINE_STRANDED, 0 };
	export_finish_job(export);
}

void export_start_job(struct export *export, enum export_state job, int lock)
{
	const struct sysfs *sysfs = export->sysfs;
	struct child_work work = {
		.run = export_child_main,
		.arg = export,
		.result = &export->result,
		.size = sizeof(export->result),
		.files = { { sysfs->root, sysfs->usb_nodes, export->session.socket.fd, lock } },
	};
	int error = 0;

	export_set_state(export, job);
	export->lock = lock;
	export->job_began = export->loop->now;
	loop_pass_by(export->loop, export->job_began + JOB_LATE_MS);
	if (job == EXPORT_BINDING) {
		export->bound_at = export->loop->now;
		device_read_drivers(sysfs, export->device.busid, export->drivers,
				    sizeof(export->drivers));
	}
	if (job == EXPORT_BINDING && export->engine->begin)
		error = export->engine->begin(sysfs, export->device.busid);
	if (export->engine->files)
		export->engine->files(export->device.busid, work.files.fd + 4);
	if (!error)
		error = child_start(export->loop, &export->child, &work, export_child_ended);
	if (!error)
		return;
	export->result = (struct engine_result){ error, ENGINE_FAILED, 0 };
	export_finish_job(export);
}

void export_fail_for_room(struct export *export)
{
	export_set_state(export, EXPORT_BINDING);
	export->result = (struct engine_result){ -ENOMEM, ENGINE_FULL, 0 };
	export_finish_job(export);
}
