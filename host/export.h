/* SPDX-License-Identifier: MIT */
/* One exported device, or one that is to be: its binding and release, each step in a child. */
#ifndef HOST_EXPORT_H
#define HOST_EXPORT_H

#include "loop/child.h"
#include "sysfs/stub.h"

enum export_job { EXPORT_IDLE, EXPORT_BINDING, EXPORT_ENDING, EXPORT_RELEASING };

struct export {
	struct device device; /* as last seen; busid empty: the slot is free */
	bool present;	      /* seen in this pass */
	bool ours;	      /* bound by us, or about to be: to be given back */
	uint64_t driverless;  /* since when it has no driver, 0 = it has one */
	enum export_job job;
	struct child child; /* the job's process */
	const struct sysfs *sysfs;
	struct stub_result result;
	struct stub_result said; /* the failure that was logged, so that it is said once */
	struct backoff backoff;
	enum export_job failed; /* the job that failed last, EXPORT_IDLE = none since */
	/* called when a job has ended */
	void (*ended)(struct export *export, enum export_job job);
	void *ctx;
};

/* Starts the job. The result comes with ended, also if no child could be made. */
void export_bind(struct export *export, struct loop *loop);
void export_end(struct export *export, struct loop *loop); /* its session */
void export_release(struct export *export, struct loop *loop);

#endif
