/* SPDX-License-Identifier: MIT */
/*
 * Small files in the run directory, for `usbiphp status` and for the next run of the server: facts
 * that are not in sysfs. All users may read them:
 *	session.BUSID	"LOCAL-ADDRESS PORT PEER-ADDRESS PORT[ KEY PRINT]", one line. The file's
 *			time is the begin of the session. KEY is the identity of the key that the
 *			peer has proved, PRINT (hexadecimal) tells it from others of that name.
 *	left		"BUSID REASON", one line for each device that is left alone
 */
#ifndef HOST_STATUS_FILES_H
#define HOST_STATUS_FILES_H

#include "host/export.h"
#include "loop/rundir.h"

/*
 * Called in every pass: writes the files that have changed. A write that fails is tried again in
 * the next pass. *left_hash is that of the file "left", 0 at first: not known.
 * stopping: for the last time; the files of sessions that go on stay.
 */
void status_files_update(uint32_t *left_hash, const struct rundir *rundir, struct exports *exports,
			 bool stopping);
/* The device is gone: removes the file of its session, if there is one. */
void status_files_remove_session(const struct rundir *rundir, struct export *export);
/* Reads which peer uses the device, as an earlier run has written it: peer, from, key and print. */
void status_files_load_session(const struct rundir *rundir, struct export *export);

#endif
