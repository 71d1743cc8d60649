/* SPDX-License-Identifier: MIT */
/*
 * The state of the server role, and the three parts of its pass. Only for host/host*.c: observe,
 * decide and act run in this order, each on the result of the one before.
 */
#ifndef HOST_HOST_STATE_H
#define HOST_HOST_STATE_H

#include "host/access.h"
#include "host/export.h"
#include "host/server.h"
#include "host/status_files.h"
#include "lib/log.h"
#include "loop/daemon.h"
#include "policy/policy.h"

struct host {
	bool list_changed; /* the list that clients get has to be made again */
	bool passed;	   /* at least one pass has observed the devices */
	struct daemon daemon;
	const struct engine *engine;
	struct log_once full_log, room_log, save_log;
	struct exports exports;
	struct access access;
	struct host_server server;
	struct status_files status_files;
	struct policy policy;
};

/* Observe: the devices and their states. False: they could not be observed. */
bool host_observe(struct host *host);
/* At the start: the devices that an earlier run has bound are ours. The first pass drops those that
 * are not there any more. */
void host_adopt_bound(struct host *host);

/* Decide: gathers the facts about a device, and the decision of the policy about it. */
struct policy_decision host_decide(struct host *host, struct export *export);

/* Act: carries out a decision. */
void host_act(struct host *host, struct export *export, const struct policy_decision *decision);
/* When stopping: all devices of ours go back, after all sessions have ended: see stub_release(). */
void host_give_back(struct host *host);
/* For export.job_ended. */
void host_job_ended(struct export *export, enum export_state job, bool logged);
/* Whether the device is to be given back at the end; kept in the run directory. */
void host_set_ours(struct host *host, struct export *export, bool ours);
#define HOST_BOUND_FILE "bound" /* in the run directory: the bus ids of devices that are ours */

#endif
