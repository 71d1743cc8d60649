/* SPDX-License-Identifier: MIT */
/*
 * What the server tells those who ask on this machine, as small files in the run directory that
 * anybody may read:
 *	session.BUSID	"LOCAL-ADDRESS PORT PEER-ADDRESS PORT", since when is the file's time
 *	left		"BUSID REASON", a line for each device that is left alone
 */
#ifndef HOST_STATUS_FILES_H
#define HOST_STATUS_FILES_H

#include "host/export.h"
#include "loop/rundir.h"

struct status_files {
	uint32_t left; /* a hash of the file as it is, 0: not known */
};

/* In every pass, and at the end: then those of sessions that go on stay. */
void status_files_update(struct status_files *files, const struct rundir *state,
			 struct exports *exports, bool end);
/* The device is gone. */
void status_files_forget_session(const struct rundir *state, struct export *export);
/* What an earlier run has noted, it may still hold. */
void status_files_load_session(const struct rundir *state, struct export *export);

#endif
