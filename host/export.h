/* SPDX-License-Identifier: MIT */
/*
 * The devices that are exported, or are to be: each with its binding and release, which are steps
 * in a child, and with the session of the client that uses it.
 */
#ifndef HOST_EXPORT_H
#define HOST_EXPORT_H

#include "lib/addr.h"
#include "loop/backoff.h"
#include "loop/child.h"
#include "loop/session.h"
#include "policy/name.h"
#include "policy/rules.h"
#include "proto/op.h"
#include "sysfs/protect.h"
#include "sysfs/stub.h"
#include "tls/psk.h"

/* usbip-host holds 16; the rest is for devices that wait or fail. */
enum { EXPORTS_MAX = 128 };

enum export_job { EXPORT_IDLE, EXPORT_READING, EXPORT_BINDING, EXPORT_ENDING, EXPORT_RELEASING };

struct export {
	enum export_job job;
	enum export_job failed; /* the job that failed last, EXPORT_IDLE = none since */
	bool seen;	      /* in the scan that is under way */
	bool present;	      /* in the latest scan */
	bool away;	      /* it has left, and is remembered */
	bool ours;	      /* bound by us, or about to be: to be given back */
	bool offered;	      /* in the list that clients get */
	bool error;	      /* in its error state, until it is released */
	bool wanted;	      /* by what a person has set, as far as that is known */
	bool news;	      /* a failure was said just now */
	bool noted; /* its session is in the run directory, or an earlier run may have done that */
	struct loop *loop;
	const struct sysfs *sysfs;
	struct backoff backoff; /* of a job that failed */
	/* One that comes and goes, or ends up in its error state, is exported again after a growing
	 * delay, also when it has been away in the meantime. */
	struct backoff calm;
	struct session_watch session; /* of usbip-host; its end is forgotten when the device is
				       * free again */
	struct stub_result result;
	struct device device; /* as last seen; busid empty: the slot is free */
	uint64_t driverless;  /* since when it has no driver, 0 = it has one */
	struct reason use;	      /* why it is left alone, empty: it is not */
	uint64_t use_again;   /* when that is looked at again */
	struct child child; /* the job's process */
	struct stub_result said; /* the failure that was logged, so that it is said once */
	uint64_t read_by;	 /* strings must have come */
	uint32_t id, former_id; /* vendor << 16 | product, of it and of what was there before */
	uint64_t bound_at;	/* when that began; 0: it did not, or it is away */
	uint64_t remember;	/* what was seen of it, until then */
	unsigned quickly_gone;	/* so many times in a row soon after it was bound */
	/* called when a job has ended */
	void (*ended)(struct export *export, enum export_job job);
	void *ctx;
	char peer[ADDR_TEXT_SIZE]; /* whose session it is, empty: not known */
	struct in6_addr from; /* the same; an IPv4 address is a mapped one */
	char key[PSK_IDENTITY_SIZE]; /* with which it has proved itself, empty: with none */
	uint32_t print;		     /* of that key */
	struct rule_facts facts;
	struct device_strings strings;
};

struct exports {
	unsigned count; /* of places that are or were in use */
	struct export export[EXPORTS_MAX];
};

#define EACH_EXPORT(exports, i) for (struct export *i = NULL; (i = exports_next(exports, i));)

/* The place in use behind that one, the first for NULL; NULL: there is none. */
struct export *exports_next(struct exports *exports, struct export *export);
/* NULL when there is none; that of an empty busid is a free place. */
struct export *exports_find(struct exports *exports, const char *busid);

/* Whether usbip-host has it and no job of ours is changing that. */
bool export_bound(const struct export *export);

/* Starts to read its strings; a pass follows. What takes too long is tried again later. */
void export_read(struct export *export);
/* In a pass, with a job that is under way: ends one that reads and takes too long. */
void export_await(struct export *export);
/* Starts the job. The result comes with ended, also if no child could be made. */
void export_bind(struct export *export);
void export_end(struct export *export); /* its session */
void export_release(struct export *export);
/* No job: what would come of one is known. Said once, as if it had been tried. */
void export_fail(struct export *export, enum export_job job, enum stub_step step, int error);

/* In a pass: it has left; whether it may be forgotten. */
bool export_left(struct export *export);
/*
 * It is there, maybe as another device than before: that one begins anew. Not so one that turns
 * into the other and back, as a device that crashes into its bootloader does.
 */
void export_identify(struct export *export, const struct device *device);
/* Whether it is to be left in peace for now. */
bool export_held_back(struct export *export);
/*
 * In a pass, whether it is in its error state: true when it has been so for as long as that is
 * left alone, and is to be released, and then bound anew at once.
 */
bool export_recover(struct export *export, bool error);

/* What export_ask() says when the device may be free in a moment: ask again. */
#define EXPORT_WAIT UINT32_MAX
/* The status for a client that asks for it: OP_OK when it may have it. */
uint32_t export_ask(const struct export *export);
/*
 * Gives the connection fd to usbip-host and keeps it, as the session of that peer. -errno: fd is
 * still the caller's.
 */
int export_import(struct export *export, int fd, uint32_t dead_after, const struct peer_id *who);
/* In every pass: ends a session whose peer is silent, looks whether the device is free after it. */
void export_look(struct export *export, uint32_t dead_after);
/* Its device is gone, or was given back: nothing is kept open. */
void export_drop_session(struct export *export);

#endif
