/* SPDX-License-Identifier: MIT */
/* The devices that are exported: their binding and release. */
#include "host/export.h"

#include "host/judge.h"
#include "loop/log.h"

#include <errno.h>
#include <string.h>

enum { RETRY_LIMIT_MS = 60000 };

struct export *exports_find(struct exports *exports, const char *busid)
{
	for (unsigned i = 0; i < EXPORTS_MAX; i++)
		if (!strcmp(exports->export[i].device.busid, busid))
			return &exports->export[i];
	return NULL;
}

bool export_bound(const struct export *export)
{
	return export->present && export->job == EXPORT_IDLE &&
	       host_judge(&export->device, 0) == HOST_EXPORTED;
}

static void work(const void *arg, void *result)
{
	const struct export *export = arg;
	const char *busid = export->device.busid;
	struct stub_result *out = result;

	if (export->job == EXPORT_BINDING)
		*out = stub_bind(export->sysfs, busid);
	else if (export->job == EXPORT_ENDING)
		*out = stub_end(export->sysfs, busid, export->session.fd);
	else
		*out = stub_release(export->sysfs, busid);
}

static void say_failure(struct export *export, enum export_job job)
{
	const struct device *device = &export->device;
	const char *verb = job == EXPORT_BINDING ? "export" : "give back";

	if (export->result.error == export->said.error && export->result.step == export->said.step)
		return;
	export->said = export->result;
	if (export->result.step == STUB_STEP_ADD && export->result.error == -ENOMEM)
		log_warnx("cannot export %s: usbip-host has no free slot, it keeps %u bus ids "
			  "until the next boot",
			  device->name, STUB_SLOTS);
	else
		log_warn(export->result.error, "cannot %s %s: %s", verb, device->name,
			 stub_step_text(export->result.step));
}

/* It left meanwhile, or a new session was quicker than its release: the next pass sees. */
static bool transient(const struct stub_result *result)
{
	return result->error == -ENODEV ||
	       (result->error == -EBUSY && result->step == STUB_STEP_SESSION);
}

static void end_job(struct export *export)
{
	const struct device *device = &export->device;
	enum export_job job = export->job;

	export->job = EXPORT_IDLE;
	export->failed = EXPORT_IDLE;
	if (!export->result.error) {
		if (job != EXPORT_ENDING)
			log_info("%s %s", job == EXPORT_BINDING ? "exporting" : "gave back",
				 device->name);
		export->said = export->result;
		backoff_clear(&export->backoff);
	} else if (!transient(&export->result)) {
		export->failed = job;
		say_failure(export, job);
		backoff_fail(&export->backoff, export->loop->now, RETRY_LIMIT_MS);
	}
	export->ended(export, job);
}

static void child_ended(struct child *child, bool whole)
{
	struct export *export =
		(struct export *)(void *)((char *)child - offsetof(struct export, child));

	if (!whole)
		export->result.error = -ECHILD; /* somebody killed it */
	end_job(export);
}

static void start(struct export *export, enum export_job job)
{
	int error;

	export->job = job;
	memset(&export->result, 0, sizeof(export->result));
	error = child_start(export->loop, &export->child, work, export, &export->result,
			    sizeof(export->result), child_ended);
	if (error) {
		export->result.error = error;
		end_job(export);
	}
}

void export_bind(struct export *export)
{
	start(export, EXPORT_BINDING);
}

void export_end(struct export *export)
{
	start(export, EXPORT_ENDING);
}

void export_release(struct export *export)
{
	start(export, EXPORT_RELEASING);
}
