/* SPDX-License-Identifier: MIT */
/*
 * The devices that are exported, or may be: each with its state, its binding and release, which are
 * jobs in a child process, and the session of the client that uses it.
 *
 *	LEFT_ALONE --> BINDING --> BOUND --> AVAILABLE --> IN_USE --> RESETTING --> AVAILABLE
 *	     ^                                   |            |           ^
 *	     |                                   v            v           |
 *	     +---------- RELEASING <---------- ERROR        ENDING -------+
 *
 * BOUND, AVAILABLE, IN_USE, RESETTING and ERROR can follow each other, as the engine reports them.
 * A device enters as LEFT_ALONE, or as ADOPTED. Where a job would begin, it may be STUCK instead,
 * and is LEFT_ALONE after that. In any state but those of a job it may become UNPLUGGED, and from
 * there UNUSED, or it is seen again. The table is in export.c.
 */
#ifndef HOST_EXPORT_H
#define HOST_EXPORT_H

#include "host/engine.h"
#include "lib/addr.h"
#include "lib/log.h"
#include "lib/backoff.h"
#include "loop/child.h"
#include "loop/session.h"
#include "policy/policy.h"
#include "sysfs/protect.h"
#include "tls/keys.h"

/* A device as clients see it in a device list. The reply to an import describes it anew. */
struct device_record {
	struct op_device device;
	struct op_interface interface[OP_INTERFACES_MAX];
};

/* An engine may hold fewer; the rest is for devices that wait or fail. */
enum { EXPORTS_MAX = 128 };

enum export_state {
	EXPORT_UNUSED = 0, /* this place in the table is free */
	EXPORT_ADOPTED,	   /* bound by an earlier run, not seen yet */
	EXPORT_LEFT_ALONE, /* no engine has it: it has its own driver, or none */
	EXPORT_BINDING,	   /* job: the engine takes it from its driver */
	EXPORT_BOUND,	   /* the engine has it; its status is not known */
	EXPORT_AVAILABLE,  /* clients may import it */
	EXPORT_IN_USE,	   /* a session uses it */
	EXPORT_RESETTING,  /* its session has ended, the engine has yet to reset it */
	EXPORT_ERROR,	   /* the engine cannot use it any more: to be released */
	EXPORT_ENDING,	   /* job: its session is being ended */
	EXPORT_RELEASING,  /* job: it goes back to its own driver */
	EXPORT_STUCK,	   /* job: an earlier run of the server began it, and it has not ended */
	EXPORT_UNPLUGGED,  /* remembered, because it may come and go */
};

/* Whether this host needs the device itself: see host_need.c. All zeros: not asked yet. */
struct export_need {
	struct protect_item item; /* the latest answer */
	uint64_t asked_at; /* of the latest question */
	uint64_t demanded; /* answers to earlier questions do not count */
	uint64_t until;	  /* the answer counts until then; 0: there is none */
	uint64_t settled; /* from then on the device is PROTECT_SETTLED; 0: not set yet */
	bool at_start;	  /* the device was here when the server started */
	bool wanted;	  /* the inspector is to be asked in this pass */
	bool asked;	  /* the inspector has been asked, and has not answered */
};

struct export {
	enum export_state state;
	enum export_state failed; /* the job that failed last, not succeeded since; or UNUSED */
	bool seen;    /* in the scan that is under way */
	bool ours;    /* bound by us, or about to be: to be given back */
	bool allowed; /* by holds and rules, as far as they could be judged */
	bool offered; /* on demand: no engine has it, and clients may have it */
	bool listed;  /* in the list that clients get */
	bool noted;   /* there may be a file of its session in the run directory */
	bool was_used; /* its session was ended to give it back */
	bool port_claimed; /* it shall have no drivers: host_claim_ports() */
	/* A holder has had this place since a device was given back there. What comes before the
	 * kernel is told that it has ended gets no configuration, and so no drivers. */
	bool held;
	struct loop *loop;
	const struct sysfs *sysfs;
	const struct engine *engine;

	struct device device;	    /* as last seen; busid empty: the place is free */
	uint32_t id, former_id;	    /* vendor << 16 | product: now, and of the device before */
	uint64_t driverless_since;  /* 0: it has a driver */
	struct rule_facts identity;
	struct device_record record; /* valid if identity.described, and while listed */
	struct strings_reader reader;

	/* What a client is told that asks for it while no engine has it: OP_NODEV, or on demand
	 * EXPORT_WAIT while that is being found out, then why it cannot have it. */
	uint32_t answer;
	struct reason reason; /* why it is not exported, empty: no reason of policy */
	struct export_need need;
	uint64_t bound_at;    /* when it was bound since it was plugged in, 0: it was not */
	struct flaps flaps;

	struct child child;	     /* the process of a job */
	uint64_t job_began;
	int lock;		     /* of the job: rundir_lock_job(); negative: none */
	char drivers[64];	     /* of the device, when its bind began */
	struct reason stuck;	     /* why the job is late; empty: it is not */
	struct engine_result result; /* of the latest job */
	struct backoff backoff;	     /* after a job that failed, or strings that did not come */
	struct log_once failure_log, reset_log;
	/* Called when a job has ended; logged: it failed, and that was logged. */
	void (*job_ended)(struct export *export, enum export_state job, bool logged);
	void *ctx;

	/* The session, in the states IN_USE, RESETTING and ENDING. */
	struct session_watch session; /* its end is forgotten when the device is free again */
	char peer[ADDR_TEXT_SIZE];   /* the client's address, empty: not known */
	struct in6_addr from;	     /* the same; IPv4 as a mapped address */
	char key[PSK_IDENTITY_SIZE]; /* identity of the client's key, empty: it has none */
	uint32_t print;		     /* of that key */
	/* After it: only that address may begin another one until then, as a connection that was
	 * cut comes back. */
	uint64_t kept_until;
};

struct exports {
	unsigned count; /* places that are or were in use */
	struct export export[EXPORTS_MAX];
};

#define EACH_EXPORT(exports, each)                                                                 \
	for (struct export *each = NULL; (each = exports_next(exports, each));)

/* The place in use behind that one, the first for NULL; NULL: there is none. */
struct export *exports_next(struct exports *exports, struct export *export);
/* NULL: there is none of that busid. */
struct export *exports_find(struct exports *exports, const char *busid);
/* Whether there is no free place. */
bool exports_are_full(struct exports *exports);
/* A free place, now for a device of that busid in that state; NULL: the table is full. The caller
 * fills in sysfs, engine, job_ended and ctx. */
struct export *exports_add(struct exports *exports, struct loop *loop, const char *busid,
			   enum export_state state);

/* Every change of state goes through here. Only the transitions of the table are allowed. */
void export_set_state(struct export *export, enum export_state state);
/* The process of a job is running, ours or that of an earlier run. */
bool export_has_job(const struct export *export);
/* The engine has it, and no job is changing that. */
bool export_is_bound(const struct export *export);
/* Its session has ended just now: the engine may still reset it, and must be left to that. */
bool export_is_resetting(const struct export *export);
/* It has no session, or the engine has reset it since, which is later than the connection's end. */
bool export_is_free(const struct export *export);

/* In a pass: the scan has seen the device. Another one than before in the same place has no history
 * of failures, unless it turns into the former one and back, as one that crashes into its
 * bootloader does. */
void export_observe(struct export *export, const struct device *device);
/* In a pass, after the scan, for a device that was seen: its state as the engine reports it. Ends a
 * session whose client has been silent for dead_after seconds. */
void export_refresh(struct export *export, uint32_t dead_after);
/* In a tick: a device that is being reset gets a pass as soon as that has ended. */
void export_tick(const struct export *export);
/* In a pass, after the scan, for a device that was not seen and has no job. */
void export_unplug(struct export *export);
/* An unplugged device of which nothing has to be remembered. */
bool export_is_forgettable(const struct export *export);
/* Its place is free again. */
void export_forget(struct export *export);

/* Starts to read its strings; a pass follows. Strings that do not come are tried again later. */
void export_read_strings(struct export *export);
/* Starts a job, BINDING, ENDING or RELEASING. lock may be negative; the child has it, and
 * export->lock until job_ended is called, which happens even if there can be no child. */
void export_start_job(struct export *export, enum export_state job, int lock);
/* In a pass: a job that takes longer than JOB_LATE_MS, or twice that for ENDING, is stuck. That is
 * logged, and no other device waits for it. Returns whether it has just become stuck. */
bool export_check_job(struct export *export);
enum { JOB_LATE_MS = 5000 };
/* The engine has no room for it: the same as a bind that fails, but nothing is tried. */
void export_fail_for_room(struct export *export);

/* A client begins to ask for it, and no other waits for it. On demand, whether this host needs the
 * device is then found out anew. */
void export_want(struct export *export);
/* The status for the client at that address that asks for it, OP_OK: it may be imported now.
 * EXPORT_WAIT: the device may be free in a moment, ask again. */
uint32_t export_ask(const struct export *export, const struct in6_addr *client);
#define EXPORT_WAIT UINT32_MAX
enum { EXPORT_KEPT_MS = 1500 /* shorter than CONN_IMPORT_MS */ };
/* Gives fd to the engine and keeps the connection, as the session of that client. Both are the same
 * but behind a relay: then fd stays the caller's. 0, or -errno: both are still the caller's. */
int export_import(struct export *export, int fd, int connection, uint32_t dead_after,
		  const struct peer_id *who);
/* Forgets the session, and closes its socket here: the engine has its own reference. */
void export_drop_session(struct export *export);

/*
 * The facts about a device for policy_decide(). The daemon, "usbiphp list" and --dry-run use the
 * same functions, so that they come to the same decision.
 *
 * The facts that rules ask for. Reads the device's descriptors once, for rules and for clients;
 * identity->described is false if that failed, and *record is not valid then. device and strings
 * must outlive identity; strings is NULL while they are not known.
 */
void facts_identify(const struct sysfs *sysfs, const struct device *device,
		    const struct device_strings *strings, struct rule_facts *identity,
		    struct device_record *record);
/* The facts that the scan tells; the others, with the identity, are zeros. No system calls. */
void facts_begin(const struct device *device, struct device_facts *facts);
/* Sets the facts that POLICY_ASK_NEED asks for, from the answer of a survey. */
void facts_set_need(const struct protect_item *item, struct device_facts *facts);

#endif
