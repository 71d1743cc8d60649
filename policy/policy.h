/* SPDX-License-Identifier: MIT */
/*
 * The policy: may a device be shared, and what has to be done with it now. policy_decide() is the
 * only place where a server decides that: the daemon, "usbiphp list" and --dry-run call it. Facts
 * that cost system calls are gathered only when a verdict asks for them, then it is called again.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "lib/str.h"
#include "policy/holds.h"
#include "policy/rules.h"

/* For a device without a driver: by then the kernel has looked for one and found none. */
enum { POLICY_DRIVERLESS_MS = 2000 };

/* What the administrator of this machine has set. */
struct policy {
	struct rules rules;
	struct holds holds;
	bool take_all; /* also devices that this machine itself needs, as if rules named them all */
	bool on_demand; /* only while a client uses a device, or waits for it */
};

/* POLICY_LATER: it has been asked, and cannot be told yet. */
enum policy_answer { POLICY_UNKNOWN, POLICY_NO, POLICY_YES, POLICY_LATER };

struct policy_fact {
	enum policy_answer answer;
	struct reason reason; /* why a device is needed, why there is no room */
};

/* How the device is used by the engine that exports it. */
enum device_use {
	DEVICE_LOCAL = 0, /* no engine has it: it has a driver of its own, or none */
	DEVICE_IDLE,	  /* exported, without a session; also if its status cannot be read */
	DEVICE_IN_USE,	  /* exported, a client's session uses it */
	DEVICE_ERROR,	  /* exported, in its error state: clients cannot use it */
};

struct device_facts {
	struct rule_facts identity; /* its strings: NULL until a verdict asks for them */
	bool is_hub;
	bool is_imported; /* over USB/IP, from another server */
	bool has_driver;  /* also that of an engine */
	enum device_use use;
	bool ours;		/* this server has bound it, or an earlier run of it */
	uint64_t driverless_ms; /* for how long it has been seen without a driver */
	bool retry_later;	/* a bind, a release, or reading its strings failed a moment ago */
	bool damped;		/* it comes and goes, or was in its error state a moment ago */
	bool wanted;		/* a client waits for it */
	bool session_denied;	/* a rule or key that its client needs has changed */
	bool session_ending;	/* of any device of the same engine, and that holds it up */
	bool others_binding;	/* other devices are about to take room */
	const char *unserved;	/* why no client may have it from this server now; NULL: they may */
	struct policy_fact need; /* this machine needs it; "yes" if that cannot be found out */
	bool blocked;		 /* it is not authorized: nothing lifts that need */
	struct policy_fact room; /* the engine can take it */
};

enum policy_verdict {
	POLICY_LEAVE = 0,   /* it stays with its own driver */
	POLICY_WAIT,	    /* nothing for now; decide again later */
	POLICY_KEEP,	    /* it is exported, and stays so */
	POLICY_OFFER,	    /* it stays with its own driver until a client asks for it */
	POLICY_BIND,	    /* export it */
	POLICY_NO_ROOM,	    /* it would be exported, but the engine cannot take it */
	POLICY_END_SESSION, /* of a client that may not use it, or not any more */
	POLICY_RELEASE,	    /* give it back to its own driver */
	/* more facts are needed: */
	POLICY_ASK_STRINGS, /* identity.serial and product_name */
	POLICY_ASK_CLASSES, /* identity.class */
	POLICY_ASK_NEED,
	POLICY_ASK_ROOM,
};

struct policy_decision {
	enum policy_verdict verdict;
	/* by holds and rules alone: clients may use and see it. RULE_UNKNOWN counts as no */
	enum rule_verdict allowed;
	/* why it is not to be exported, or not exported any more; empty if it may be */
	struct reason reason;
};

/* What has to be done with a device of this machine. Total: each combination of facts has a
 * verdict. It binds only a device of which all facts are known and in favour; it changes only what
 * is ours. While another session is being ended that holds it up no device is released: see
 * stub_release(). */
struct policy_decision policy_decide(const struct policy *policy, const struct device_facts *facts);

/* Whether the port of that bus id is to be claimed before anything is plugged in there, as whatever
 * comes would be exported without a question: no driver of this machine shall touch it. */
bool policy_claims_port(const struct policy *policy, const char *busid);

/* Why a device can never be exported, whatever the policy says. NULL: it may be. */
const char *policy_excludes(const struct device_facts *facts);

/* Holds and rules alone, for either role: a held device is denied, else rules_judge() decides. *why
 * is set with RULE_DENY. */
enum rule_verdict policy_judge(const struct rules *rules, const struct holds *holds,
			       const struct rule_facts *facts, struct reason *why);

#endif
