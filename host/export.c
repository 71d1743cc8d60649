/* SPDX-License-Identifier: MIT */
/* The devices that are exported: their binding and release. */
#include "host/export.h"

#include "host/judge.h"
#include "lib/log.h"
#include "lib/util.h"

#include <errno.h>
#include <string.h>

enum {
	RETRY_LIMIT_MS = 60000,
	SETTLED_MS = 10000,  /* who stays so long after it was bound has come to stay */
	READ_MS = 2000, /* for a device to tell its strings; the kernel remembers them */
	QUICK_FREE = 3,	     /* so many short visits in a row are somebody who replugs it */
	REMEMBER_MS = 60000, /* more than that is a bad contact */
};

struct export *exports_find(struct exports *exports, const char *busid)
{
	unsigned i;

	for (i = 0; i < exports->count; i++)
		if (!strcmp(exports->export[i].device.busid, busid))
			return &exports->export[i];
	if (*busid || i == EXPORTS_MAX)
		return NULL;
	exports->count++;
	return &exports->export[i];
}

struct export *exports_next(struct exports *exports, struct export *export)
{
	export = export ? export + 1 : exports->export;
	for (; export < exports->export + exports->count; export++)
		if (export->device.busid[0])
			return export;
	return NULL;
}

bool export_bound(const struct export *export)
{
	return export->present && export->job <= EXPORT_READING &&
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
		*out = stub_end(export->sysfs, busid, export->session.socket.fd);
	else
		*out = stub_release(export->sysfs, busid);
}

static void say_failure(struct export *export, enum export_job job)
{
	const struct device *device = &export->device;
	const char *verb = job == EXPORT_BINDING ? "export" : "give back";

	if (export->result.error == export->said.error && export->result.step == export->said.step)
		return;
	export->news = true;
	export->said = export->result;
	if (export->result.step == STUB_STEP_ADD && export->result.error == -ENOMEM)
		log_warning("cannot export %s: usbip-host holds %u bus ids, until the next boot",
			  device->name, STUB_SLOTS);
	else
		log_warning_errno(export->result.error, "cannot %s %s: %s", verb, device->name,
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
	export->news = false;
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
	struct export *export = container_of(child, struct export, child);

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

static void read_strings(const void *arg, void *result)
{
	const struct export *export = arg;

	device_strings_read(export->sysfs, export->device.busid, result);
}

static void end_reading(struct export *export, bool whole)
{
	export->job = EXPORT_IDLE;
	export->facts.serial = whole ? export->strings.serial : NULL;
	export->facts.name = export->strings.product;
	if (!whole)
		backoff_fail(&export->backoff, export->loop->now, RETRY_LIMIT_MS);
	loop_pass_now(export->loop);
}

static void strings_came(struct child *child, bool whole)
{
	end_reading(container_of(child, struct export, child),
		    whole);
}

void export_read(struct export *export)
{
	export->job = EXPORT_READING;
	export->read_by = export->loop->now + READ_MS;
	loop_pass_by(export->loop, export->read_by);
	if (child_start(export->loop, &export->child, read_strings, export, &export->strings,
			sizeof(export->strings), strings_came))
		end_reading(export, false);
}

void export_await(struct export *export)
{
	if (export->job != EXPORT_READING)
		return;
	if (export->loop->now < export->read_by) {
		loop_pass_by(export->loop, export->read_by);
		return;
	}
	child_kill(&export->child);
	end_reading(export, false);
}

void export_bind(struct export *export)
{
	export->bound_at = export->loop->now;
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

void export_fail(struct export *export, enum export_job job, enum stub_step step, int error)
{
	export->job = job;
	export->result = (struct stub_result){ error, step };
	end_job(export);
}

static void calm_down(struct export *export)
{
	export->remember = export->loop->now + REMEMBER_MS;
	backoff_fail(&export->calm, export->loop->now, RETRY_LIMIT_MS);
}

bool export_left(struct export *export)
{
	uint64_t now = export->loop->now;

	if (export->away)
		return now >= export->remember;
	export->away = true;
	export->failed = EXPORT_IDLE;
	export->error = false;
	if (export->bound_at && now - export->bound_at >= SETTLED_MS) {
		export->quickly_gone = 0;
	} else if (export->bound_at && ++export->quickly_gone > QUICK_FREE) {
		if (!export->calm.delay)
			log_warning("%s comes and goes: it is exported after a growing delay",
				  export->device.name);
		calm_down(export);
	} else if (export->bound_at || export->calm.delay) {
		export->remember = now + REMEMBER_MS;
	}
	export->bound_at = 0;
	return now >= export->remember;
}

void export_identify(struct export *export, const struct device *device)
{
	uint32_t id = (uint32_t)device->vendor << 16 | device->product;

	/* it has no number while the kernel resets it */
	if ((device->devnum && device->devnum != export->device.devnum) || id != export->id) {
		export->facts.serial = NULL;
		export->facts.described = false;
	}
	if (id == export->id)
		return;
	export->offered = false;
	export->failed = EXPORT_IDLE;
	memset(&export->said, 0, sizeof(export->said));
	backoff_clear(&export->backoff);
	if (id != export->former_id) {
		export->quickly_gone = 0;
		backoff_clear(&export->calm);
	}
	export->former_id = export->id;
	export->id = id;
}

bool export_held_back(struct export *export)
{
	uint64_t until = export->backoff.until;

	if (export->calm.delay && export->loop->now >= export->remember + export->calm.delay)
		backoff_clear(&export->calm); /* it has been good for long */
	if (until < export->calm.until)
		until = export->calm.until;
	if (export->loop->now >= until)
		return false;
	loop_pass_by(export->loop, until);
	return true;
}

bool export_recover(struct export *export, bool error)
{
	bool again = export->error;

	export->error = error;
	if (!error)
		return false;
	if (again) {
		export->error = export_held_back(export);
		return !export->error;
	}
	if (!export->calm.delay)
		log_warning("%s is in its error state: it is bound anew", export->device.name);
	calm_down(export);
	loop_pass_by(export->loop, export->calm.until);
	return false;
}
