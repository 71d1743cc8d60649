/* SPDX-License-Identifier: MIT */
/*
 * Tests of policy/policy and host/facts: the decision about a device as tables of cases, and its
 * promises over all combinations of facts.
 * LINK: -Wl,--wrap=rules_judge,--wrap=rules_name_device
 */
#include "host/export.h"

#include "lib/str.h"
#include "tests/tree.h"

/* What the rules and the survey of needs say, and how often they are asked. */
static struct {
	enum rule_verdict verdict, without_strings;
	bool named;
	struct protect_item need;
	struct rule_facts facts; /* as they were asked about */
	unsigned rules, uses;	 /* so often asked */
} t;

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     struct reason *why);

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     struct reason *why)
{
	enum rule_verdict verdict = facts->serial ? t.verdict : t.without_strings;

	(void)rules;
	t.rules++;
	t.facts = *facts;
	if (verdict == RULE_DENY)
		str_format(why->text, sizeof(why->text), "denied by /etc/rules:7");
	return verdict;
}

bool __wrap_rules_name_device(const struct rules *rules, const struct rule_facts *facts);

bool __wrap_rules_name_device(const struct rules *rules, const struct rule_facts *facts)
{
	(void)rules;
	(void)facts;
	return t.named;
}

static struct policy policy; /* big */
static struct device device;
static struct device_record record;

static void reset(bool take_all)
{
	memset(&t, 0, sizeof(t));
	memset(&policy, 0, sizeof(policy));
	policy.take_all = take_all;
}

static void make_device(uint8_t class, bool on_vhci)
{
	device = (struct device){ .busid = "1-1.4", .driver = "usb", .vendor = 0x951,
				  .product = 0x1666, .class = class, .on_vhci = on_vhci };
}

/* As a server decides that has seen the device for a while, and has room for it. */
static struct policy_decision decide(const struct device_strings *strings, uint64_t driverless_ms)
{
	struct policy_decision decision;
	struct device_facts facts;

	memset(&facts, 0xa5, sizeof(facts));
	facts_begin(&device, &facts);
	facts_identify(&sysfs, &device, strings, &facts.identity, &record);
	facts.driverless_ms = driverless_ms;
	facts.room.answer = POLICY_YES;
	decision = policy_decide(&policy, &facts);
	if (decision.verdict == POLICY_ASK_NEED) {
		CHECK_INT(decision.allowed, RULE_ALLOW);
		t.uses++;
		facts_set_need(&t.need, &facts);
		decision = policy_decide(&policy, &facts);
	}
	return decision;
}

#define HELD "it is held, until 'usbiphp bind 1-1.4'"
#define DENIED "denied by /etc/rules:7"
#define ASK POLICY_ASK_STRINGS
#define LEAVE POLICY_LEAVE
#define BIND POLICY_BIND

/* The device is 0951:1666 at 1-1.4; its serial number is "A 1", where it is known. */
static const struct {
	const char *what, *held;
	enum rule_verdict without, with; /* of the rules */
	uint8_t class;
	bool on_vhci;
	enum { FREE, NEEDED, BLOCKED, LATER } need;
	enum { NOT_LIFTED, ALL_LIFTED, LIFTED_BY_RULE } lifted;
	enum policy_verdict unread, read; /* while its strings are unknown, and then */
	const char *why;		  /* of LEAVE */
} permission[] = {
	{ "no rule, no hold", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, BIND, BIND, "" },
	{ "held by its place", "0951:1666@1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, LEAVE, LEAVE,
	  HELD },
	{ "held by its serial number", "0951:1666/A_1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, ASK,
	  LEAVE, HELD },
	{ "another of its kind is held", "0951:1666/B", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, ASK,
	  BIND, "" },
	{ "another kind is held", "0951:1667/A_1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, BIND, BIND,
	  "" },
	{ "another place is held", "0951:1666@1-1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, BIND, BIND,
	  "" },
	{ "one of a server is held", "0951:1666@pi/1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, BIND,
	  BIND, "" },
	{ "denied", "", RULE_DENY, RULE_DENY, 0, 0, 0, 0, LEAVE, LEAVE, DENIED },
	{ "denied by its strings", "", RULE_UNKNOWN, RULE_DENY, 0, 0, 0, 0, ASK, LEAVE, DENIED },
	{ "allowed by its strings", "", RULE_UNKNOWN, RULE_ALLOW, 0, 0, 0, 0, ASK, BIND, "" },
	{ "depends on its classes", "", RULE_UNKNOWN, RULE_UNKNOWN, 0, 0, 0, 0, ASK,
	  POLICY_ASK_CLASSES, "" },
	{ "held and denied", "0951:1666@1-1.4", RULE_DENY, RULE_DENY, 0, 0, 0, 0, LEAVE, LEAVE,
	  HELD },
	{ "needed", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 0, LEAVE, LEAVE, "it holds the root" },
	{ "needed, take all", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 1, BIND, BIND, "" },
	{ "needed, a rule names it", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 2, BIND, BIND, "" },
	{ "not authorized, take all", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 2, 1, LEAVE, LEAVE,
	  "it holds the root" },
	{ "not authorized, a rule names it", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 2, 2, LEAVE, LEAVE,
	  "it holds the root" },
	{ "perhaps needed", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 3, 0, POLICY_WAIT, POLICY_WAIT, "" },
	{ "perhaps needed, take all", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 3, 1, BIND, BIND, "" },
	{ "perhaps needed, a rule names it", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 3, 2, BIND, BIND, "" },
	{ "needed and denied", "", RULE_DENY, RULE_DENY, 0, 0, 1, 0, LEAVE, LEAVE, DENIED },
	{ "denied, take all", "", RULE_DENY, RULE_DENY, 0, 0, 1, 1, LEAVE, LEAVE, DENIED },
	{ "held, take all", "0951:1666@1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 1, LEAVE, LEAVE,
	  HELD },
	{ "needed, strings unknown", "", RULE_UNKNOWN, RULE_ALLOW, 0, 0, 1, 0, ASK, LEAVE,
	  "it holds the root" },
	{ "a hub", "", RULE_ALLOW, RULE_ALLOW, 9, 0, 0, 1, LEAVE, LEAVE, "it is a hub" },
	{ "a hub that is held", "0951:1666@1-1.4", RULE_DENY, RULE_DENY, 9, 0, 1, 0, LEAVE, LEAVE,
	  "it is a hub" },
	{ "a hub, strings unknown", "", RULE_UNKNOWN, RULE_ALLOW, 9, 0, 0, 0, LEAVE, LEAVE,
	  "it is a hub" },
	{ "imported", "", RULE_UNKNOWN, RULE_ALLOW, 0, 1, 1, 1, LEAVE, LEAVE,
	  "it came over USB/IP" },
};

static void permission_is(size_t i, const struct device_strings *strings, enum policy_verdict want)
{
	struct policy_decision decision;

	t.rules = t.uses = 0;
	decision = decide(strings, 0);
	CHECK_INT(decision.verdict, want);
	CHECK_STR(decision.reason.text, want == LEAVE ? permission[i].why : "");
	if (want == ASK || decision.allowed != RULE_ALLOW)
		CHECK_INT(t.uses, 0); /* it costs much */
}

static void permission_row(size_t i)
{
	static const struct device_strings strings = { "A 1", "Stick", "Maker" };

	check_begin("t_policy: %s", permission[i].what);
	start(NULL);
	reset(permission[i].lifted == ALL_LIFTED);
	t.named = permission[i].lifted == LIFTED_BY_RULE;
	t.without_strings = permission[i].without;
	t.verdict = permission[i].with;
	if (permission[i].need == LATER)
		protect_later(&t.need, "its disks are not there yet");
	else if (permission[i].need != FREE)
		protect_need(&t.need, "it holds the root");
	t.need.blocked = permission[i].need == BLOCKED;
	if (permission[i].held[0])
		must(!holds_add(&policy.holds, permission[i].held), "hold");
	make_device(permission[i].class, permission[i].on_vhci);
	permission_is(i, NULL, permission[i].unread);
	permission_is(i, &strings, permission[i].read);
	end();
	check_end();
}

/* What the device is and which driver it has. */
static const struct {
	const char *what;
	uint8_t class;
	bool on_vhci;
	const char *driver;
	uint64_t driverless_ms;
	enum policy_verdict verdict;
} kind[] = {
	{ "an ordinary device", 0, false, "usb", 0, BIND },
	{ "one with a class", 0xef, false, "usb", 0, BIND },
	{ "one with a driver of its own kind", 0, false, "apple-mfi-fastcharge", 0, BIND },
	{ "one with a driver since long", 0, false, "usb", 100000, BIND },
	{ "one that is exported", 0, false, "usbip-host", 0, POLICY_KEEP },
	{ "a hub", 9, false, "usb", 0, LEAVE },
	{ "a hub without driver", 9, false, "", 100000, LEAVE },
	{ "a hub on usbip-host", 9, false, "usbip-host", 0, LEAVE },
	{ "an imported device", 0, true, "usb", 0, LEAVE },
	{ "an imported device without driver", 0, true, "", 100000, LEAVE },
	{ "an imported device that somebody exports", 0, true, "usbip-host", 0, LEAVE },
	{ "an imported hub", 9, true, "usb", 0, LEAVE },
	{ "no driver, just seen", 0, false, "", 0, POLICY_WAIT },
	{ "no driver, for a while", 0, false, "", POLICY_DRIVERLESS_MS - 1, POLICY_WAIT },
	{ "no driver, for long enough", 0, false, "", POLICY_DRIVERLESS_MS, BIND },
	{ "no driver, for ever", 0, false, "", UINT64_MAX, BIND },
	{ "a driver that begins like it", 0, false, "usbip-host2", 0, BIND },
	{ "the driver of gadgets", 0, false, "usbip-vudc", 0, BIND },
};

static void kind_row(size_t i)
{
	struct policy_decision decision;

	check_begin("t_policy: kind: %s", kind[i].what);
	start(NULL);
	reset(false);
	make_device(kind[i].class, kind[i].on_vhci);
	strcpy(device.driver, kind[i].driver);
	decision = decide(NULL, kind[i].driverless_ms);
	CHECK_INT(decision.verdict, kind[i].verdict);
	if (kind[i].verdict == LEAVE)
		CHECK_STR(decision.reason.text,
			  kind[i].class == 9 ? "it is a hub" : "it came over USB/IP");
	end();
	check_end();
}

enum { /* facts as bits, for the tables below */
	OURS = 1, DRIVER = 2, RETRY = 4, DAMPED = 8, SESSION_DENIED = 16, ENDING = 32,
	BINDING = 64, HUB = 128, IMPORTED = 256, TAKE_ALL = 512, NAMED = 1024, NOT_AUTHORIZED = 2048,
	ON_DEMAND = 4096, WANTED = 8192, FACTS = 16384, UNSERVED = FACTS,
};

static struct device_facts make_facts(unsigned bits, enum device_use use, uint64_t driverless_ms)
{
	return (struct device_facts){
		.identity = { .busid = "1-1.4", .serial = "A 1", .product_name = "Stick",
			      .described = true },
		.is_hub = bits & HUB, .is_imported = bits & IMPORTED, .has_driver = bits & DRIVER,
		.use = use, .ours = bits & OURS, .driverless_ms = driverless_ms,
		.retry_later = bits & RETRY, .damped = bits & DAMPED,
		.session_denied = bits & SESSION_DENIED, .session_ending = bits & ENDING,
		.others_binding = bits & BINDING,
		.blocked = bits & NOT_AUTHORIZED, .wanted = bits & WANTED, .need = { POLICY_NO, { "" } }, .room = { POLICY_YES, { "" } },
	};
}

/* A device that an engine has, or had. */
static const struct {
	const char *what;
	enum device_use use;
	unsigned facts;
	enum rule_verdict rules;
	enum policy_verdict verdict;
} exported[] = {
	{ "free", DEVICE_IDLE, OURS | DRIVER, RULE_ALLOW, POLICY_KEEP },
	{ "in use", DEVICE_IN_USE, OURS | DRIVER, RULE_ALLOW, POLICY_KEEP },
	{ "of somebody else", DEVICE_IDLE, DRIVER, RULE_ALLOW, POLICY_KEEP },
	{ "of somebody else, in use", DEVICE_IN_USE, DRIVER, RULE_ALLOW, POLICY_KEEP },
	{ "of somebody else, its client is denied", DEVICE_IN_USE, DRIVER | SESSION_DENIED,
	  RULE_ALLOW, POLICY_END_SESSION },
	{ "of somebody else, its client was denied", DEVICE_IDLE, DRIVER | SESSION_DENIED,
	  RULE_ALLOW, POLICY_KEEP },
	{ "of somebody else, denied with its client", DEVICE_IN_USE, DRIVER | SESSION_DENIED,
	  RULE_DENY, POLICY_END_SESSION },
	{ "of somebody else, its client is denied, a session is being ended", DEVICE_IN_USE,
	  DRIVER | SESSION_DENIED | ENDING, RULE_ALLOW, POLICY_END_SESSION },
	{ "of somebody else, in error", DEVICE_ERROR, DRIVER, RULE_ALLOW, POLICY_KEEP },
	{ "of somebody else, denied", DEVICE_IDLE, DRIVER, RULE_DENY, LEAVE },
	{ "of somebody else, in use, denied", DEVICE_IN_USE, DRIVER, RULE_DENY, LEAVE },
	{ "denied", DEVICE_IDLE, OURS | DRIVER, RULE_DENY, POLICY_RELEASE },
	{ "denied, a session is being ended", DEVICE_IDLE, OURS | DRIVER | ENDING, RULE_DENY,
	  POLICY_WAIT },
	{ "denied, its release failed", DEVICE_IDLE, OURS | DRIVER | RETRY, RULE_DENY,
	  POLICY_WAIT },
	{ "denied, comes and goes", DEVICE_IDLE, OURS | DRIVER | DAMPED, RULE_DENY,
	  POLICY_RELEASE },
	{ "denied in use", DEVICE_IN_USE, OURS | DRIVER, RULE_DENY, POLICY_END_SESSION },
	{ "denied in use, a session is being ended", DEVICE_IN_USE, OURS | DRIVER | ENDING,
	  RULE_DENY, POLICY_END_SESSION },
	{ "denied in use, its end failed", DEVICE_IN_USE, OURS | DRIVER | RETRY, RULE_DENY,
	  POLICY_WAIT },
	{ "its client is denied", DEVICE_IN_USE, OURS | DRIVER | SESSION_DENIED, RULE_ALLOW,
	  POLICY_END_SESSION },
	{ "in error", DEVICE_ERROR, OURS | DRIVER, RULE_ALLOW, POLICY_RELEASE },
	{ "in error, just now", DEVICE_ERROR, OURS | DRIVER | DAMPED, RULE_ALLOW, POLICY_WAIT },
	{ "in error, its release failed", DEVICE_ERROR, OURS | DRIVER | RETRY, RULE_ALLOW,
	  POLICY_WAIT },
	{ "in error, a session is being ended", DEVICE_ERROR, OURS | DRIVER | ENDING, RULE_ALLOW,
	  POLICY_WAIT },
	{ "in error and denied", DEVICE_ERROR, OURS | DRIVER | DAMPED, RULE_DENY, POLICY_RELEASE },
	{ "rules need more", DEVICE_IDLE, OURS | DRIVER, RULE_UNKNOWN, POLICY_ASK_CLASSES },
	{ "without driver after us, denied", DEVICE_LOCAL, OURS, RULE_DENY, POLICY_RELEASE },
	{ "without driver after us, denied, a session is being ended", DEVICE_LOCAL, OURS | ENDING,
	  RULE_DENY, POLICY_WAIT },
	{ "without driver after us, denied, that failed", DEVICE_LOCAL, OURS | RETRY, RULE_DENY,
	  POLICY_WAIT },
	{ "without driver after us, allowed", DEVICE_LOCAL, OURS, RULE_ALLOW, POLICY_BIND },
	{ "without driver, denied", DEVICE_LOCAL, 0, RULE_DENY, LEAVE },
	{ "taken from us, denied", DEVICE_LOCAL, OURS | DRIVER, RULE_DENY, LEAVE },
	{ "taken from us, allowed", DEVICE_LOCAL, OURS | DRIVER, RULE_ALLOW, POLICY_BIND },
	{ "its bind failed", DEVICE_LOCAL, DRIVER | RETRY, RULE_ALLOW, POLICY_WAIT },
	{ "comes and goes", DEVICE_LOCAL, DRIVER | DAMPED, RULE_ALLOW, POLICY_WAIT },
	{ "others are being bound", DEVICE_LOCAL, DRIVER | BINDING | ENDING, RULE_ALLOW,
	  POLICY_BIND },
	{ "unserved", DEVICE_LOCAL, DRIVER | UNSERVED, RULE_ALLOW, LEAVE },
	{ "unserved, exported", DEVICE_IDLE, OURS | DRIVER | UNSERVED, RULE_ALLOW,
	  POLICY_RELEASE },
	{ "unserved, in use", DEVICE_IN_USE, OURS | DRIVER | UNSERVED, RULE_ALLOW, POLICY_KEEP },
	{ "unserved, of somebody else", DEVICE_IDLE, DRIVER | UNSERVED, RULE_ALLOW, POLICY_KEEP },
	{ "unserved and denied", DEVICE_IDLE, OURS | DRIVER | UNSERVED, RULE_DENY, POLICY_RELEASE },
	{ "on demand", DEVICE_LOCAL, DRIVER | ON_DEMAND, RULE_ALLOW, POLICY_OFFER },
	{ "on demand, wanted", DEVICE_LOCAL, DRIVER | ON_DEMAND | WANTED, RULE_ALLOW, POLICY_BIND },
	{ "on demand, denied", DEVICE_LOCAL, DRIVER | ON_DEMAND | WANTED, RULE_DENY, LEAVE },
	{ "on demand, its bind failed", DEVICE_LOCAL, DRIVER | ON_DEMAND | WANTED | RETRY, RULE_ALLOW,
	  POLICY_WAIT },
	{ "on demand, for a client that waits", DEVICE_IDLE, OURS | DRIVER | ON_DEMAND | WANTED,
	  RULE_ALLOW, POLICY_KEEP },
	{ "on demand, its client has left", DEVICE_IDLE, OURS | DRIVER | ON_DEMAND, RULE_ALLOW,
	  POLICY_RELEASE },
	{ "on demand, its client has left, comes and goes", DEVICE_IDLE,
	  OURS | DRIVER | ON_DEMAND | DAMPED, RULE_ALLOW, POLICY_RELEASE },
	{ "on demand, its client has left, another session is being ended", DEVICE_IDLE,
	  OURS | DRIVER | ON_DEMAND | ENDING, RULE_ALLOW, POLICY_WAIT },
	{ "on demand, its release failed", DEVICE_IDLE, OURS | DRIVER | ON_DEMAND | RETRY,
	  RULE_ALLOW, POLICY_WAIT },
	{ "on demand, in use", DEVICE_IN_USE, OURS | DRIVER | ON_DEMAND, RULE_ALLOW, POLICY_KEEP },
	{ "on demand, of somebody else", DEVICE_IDLE, DRIVER | ON_DEMAND, RULE_ALLOW, POLICY_KEEP },
	{ "on demand, in error, just now", DEVICE_ERROR, OURS | DRIVER | ON_DEMAND | DAMPED,
	  RULE_ALLOW, POLICY_WAIT },
};

static void exported_row(size_t i)
{
	struct device_facts facts = make_facts(exported[i].facts, exported[i].use, 60000);
	struct policy_decision decision;

	check_begin("t_policy: exported: %s", exported[i].what);
	reset(false);
	policy.on_demand = exported[i].facts & ON_DEMAND;
	facts.unserved = exported[i].facts & UNSERVED ? "unserved" : NULL;
	t.verdict = exported[i].rules;
	decision = policy_decide(&policy, &facts);
	CHECK_INT(decision.verdict, exported[i].verdict);
	CHECK_INT(decision.allowed, exported[i].rules);
	CHECK_STR(decision.reason.text, exported[i].rules == RULE_DENY	      ? DENIED :
					facts.unserved && decision.verdict != POLICY_KEEP ?
									       "unserved" :
									       "");
	check_end();
}

/* A device of ours that this machine has come to need. */
static const struct {
	const char *what;
	enum policy_answer need;
	enum device_use use;
	unsigned facts;
	enum policy_verdict verdict;
	const char *why;
	enum rule_verdict rules;
} needed[] = {
	{ "free", POLICY_YES, DEVICE_IDLE, OURS, POLICY_RELEASE, "needed", RULE_ALLOW },
	{ "not any more", POLICY_NO, DEVICE_IDLE, OURS, POLICY_KEEP, "", RULE_ALLOW },
	{ "perhaps", POLICY_LATER, DEVICE_IDLE, OURS, POLICY_KEEP, "", RULE_ALLOW },
	{ "nobody has asked", POLICY_UNKNOWN, DEVICE_IDLE, OURS, POLICY_KEEP, "", RULE_ALLOW },
	{ "in use", POLICY_YES, DEVICE_IN_USE, OURS, POLICY_KEEP, "", RULE_ALLOW },
	{ "not authorized, in use", POLICY_YES, DEVICE_IN_USE, OURS | TAKE_ALL | NAMED | NOT_AUTHORIZED,
	  POLICY_END_SESSION, "needed", RULE_ALLOW },
	{ "not authorized, in use, another session is being ended", POLICY_YES, DEVICE_IN_USE,
	  OURS | NOT_AUTHORIZED | ENDING, POLICY_END_SESSION, "needed", RULE_ALLOW },
	{ "not authorized, of somebody else, in use", POLICY_YES, DEVICE_IN_USE, NOT_AUTHORIZED, POLICY_KEEP,
	  "", RULE_ALLOW },
	{ "in error, just now", POLICY_YES, DEVICE_ERROR, OURS | DAMPED, POLICY_RELEASE, "needed",
	  RULE_ALLOW },
	{ "of somebody else", POLICY_YES, DEVICE_IDLE, 0, POLICY_KEEP, "", RULE_ALLOW },
	{ "a rule names it", POLICY_YES, DEVICE_IDLE, OURS | NAMED, POLICY_KEEP, "", RULE_ALLOW },
	{ "take all", POLICY_YES, DEVICE_IDLE, OURS | TAKE_ALL, POLICY_KEEP, "", RULE_ALLOW },
	{ "not authorized, take all", POLICY_YES, DEVICE_IDLE,
	  OURS | TAKE_ALL | NAMED | NOT_AUTHORIZED, POLICY_RELEASE, "needed", RULE_ALLOW },
	{ "its release failed", POLICY_YES, DEVICE_IDLE, OURS | RETRY, POLICY_WAIT, "", RULE_ALLOW },
	{ "a session is being ended", POLICY_YES, DEVICE_IDLE, OURS | ENDING, POLICY_WAIT, "needed",
	  RULE_ALLOW },
	{ "comes and goes", POLICY_YES, DEVICE_IDLE, OURS | DAMPED, POLICY_RELEASE, "needed",
	  RULE_ALLOW },
	{ "denied, too", POLICY_YES, DEVICE_IDLE, OURS, POLICY_RELEASE, DENIED, RULE_DENY },
	{ "given back", POLICY_YES, DEVICE_LOCAL, OURS, POLICY_LEAVE, "needed", RULE_ALLOW },
};

static void needed_row(size_t i)
{
	struct device_facts facts = make_facts(needed[i].facts | DRIVER, needed[i].use, 0);
	struct policy_decision decision;

	check_begin("t_policy: needed again: %s", needed[i].what);
	reset(needed[i].facts & TAKE_ALL);
	t.named = needed[i].facts & NAMED;
	t.verdict = needed[i].rules;
	facts.need = (struct policy_fact){ needed[i].need, { "needed" } };
	decision = policy_decide(&policy, &facts);
	CHECK_INT(decision.verdict, needed[i].verdict);
	CHECK_INT(decision.allowed, needed[i].rules);
	CHECK_STR(decision.reason.text, needed[i].why);
	check_end();
}

/* The facts that are asked for, in their order. */
static const struct {
	const char *what;
	enum policy_answer need, room;
	unsigned facts;
	enum policy_verdict verdict;
	const char *why;
} asked[] = {
	{ "nothing", POLICY_UNKNOWN, POLICY_UNKNOWN, 0, POLICY_ASK_NEED, "" },
	{ "room alone", POLICY_UNKNOWN, POLICY_YES, 0, POLICY_ASK_NEED, "" },
	{ "no room alone", POLICY_UNKNOWN, POLICY_NO, 0, POLICY_ASK_NEED, "" },
	{ "need", POLICY_YES, POLICY_UNKNOWN, 0, LEAVE, "needed" },
	{ "need and no room", POLICY_YES, POLICY_NO, 0, LEAVE, "needed" },
	{ "no need", POLICY_NO, POLICY_UNKNOWN, 0, POLICY_ASK_ROOM, "" },
	{ "no need, room", POLICY_NO, POLICY_YES, 0, POLICY_BIND, "" },
	{ "no need, no room", POLICY_NO, POLICY_NO, 0, POLICY_NO_ROOM, "full" },
	{ "no need, no room beside others", POLICY_NO, POLICY_NO, BINDING, POLICY_WAIT, "" },
	{ "cannot be told yet", POLICY_LATER, POLICY_UNKNOWN, 0, POLICY_WAIT, "" },
	{ "nothing, take all", POLICY_UNKNOWN, POLICY_UNKNOWN, TAKE_ALL, POLICY_ASK_NEED, "" },
	{ "cannot be told yet, take all", POLICY_LATER, POLICY_UNKNOWN, TAKE_ALL, POLICY_ASK_ROOM,
	  "" },
	{ "need, a rule names it", POLICY_YES, POLICY_YES, NAMED, POLICY_BIND, "" },
	{ "not authorized, take all", POLICY_YES, POLICY_YES, TAKE_ALL | NOT_AUTHORIZED | NAMED, LEAVE,
	  "needed" },
	{ "need, take all", POLICY_YES, POLICY_YES, TAKE_ALL, POLICY_BIND, "" },
	{ "need and no room, take all", POLICY_YES, POLICY_NO, TAKE_ALL, POLICY_NO_ROOM, "full" },
	{ "nothing, it failed a moment ago", POLICY_UNKNOWN, POLICY_UNKNOWN, RETRY, POLICY_WAIT,
	  "" },
	{ "nothing, on demand", POLICY_UNKNOWN, POLICY_UNKNOWN, ON_DEMAND, POLICY_ASK_NEED, "" },
	{ "no need, on demand", POLICY_NO, POLICY_UNKNOWN, ON_DEMAND, POLICY_OFFER, "" },
	{ "need, on demand", POLICY_YES, POLICY_UNKNOWN, ON_DEMAND | WANTED, LEAVE, "needed" },
	{ "cannot be told yet, on demand", POLICY_LATER, POLICY_UNKNOWN, ON_DEMAND | WANTED,
	  POLICY_WAIT, "" },
	{ "no need, on demand, wanted", POLICY_NO, POLICY_UNKNOWN, ON_DEMAND | WANTED,
	  POLICY_ASK_ROOM, "" },
};

static void asked_row(size_t i)
{
	struct device_facts facts = make_facts(asked[i].facts | DRIVER, DEVICE_LOCAL, 0);
	struct policy_decision decision;

	check_begin("t_policy: asked: %s", asked[i].what);
	reset(asked[i].facts & TAKE_ALL);
	policy.on_demand = asked[i].facts & ON_DEMAND;
	t.named = asked[i].facts & NAMED;
	facts.need = (struct policy_fact){ asked[i].need, { "needed" } };
	facts.room = (struct policy_fact){ asked[i].room, { "full" } };
	decision = policy_decide(&policy, &facts);
	CHECK_INT(decision.verdict, asked[i].verdict);
	CHECK_STR(decision.reason.text, asked[i].why);
	check_end();
}

/* The promises of policy_decide(), for one combination of facts. */
static bool keeps_promises(const struct device_facts *facts, const struct policy_decision *decision)
{
	bool allowed = decision->allowed == RULE_ALLOW, never = facts->is_hub || facts->is_imported;
	bool lifted = policy.take_all || t.named;
	bool is_needed = facts->need.answer == POLICY_YES && (facts->blocked || !lifted);
	bool may_be_needed = is_needed || facts->need.answer == POLICY_UNKNOWN ||
			     (facts->need.answer == POLICY_LATER && (facts->blocked || !lifted));
	bool unwanted = policy.on_demand && !facts->wanted;
	bool given_back = !allowed || facts->use == DEVICE_ERROR ||
			  ((is_needed || unwanted) && facts->use == DEVICE_IDLE);

	switch (decision->verdict) {
	case POLICY_BIND:
		return allowed && !never && !may_be_needed && !unwanted &&
		       facts->room.answer == POLICY_YES && facts->use == DEVICE_LOCAL && !facts->retry_later && !facts->damped &&
		       (facts->has_driver || facts->driverless_ms >= POLICY_DRIVERLESS_MS);
	case POLICY_NO_ROOM:
		return allowed && !never && !may_be_needed && facts->room.answer == POLICY_NO &&
		       facts->use == DEVICE_LOCAL && decision->reason.text[0];
	case POLICY_RELEASE:
		return facts->ours && given_back && facts->use != DEVICE_IN_USE &&
		       !facts->session_ending && !facts->retry_later &&
		       (!allowed || facts->use == DEVICE_ERROR || unwanted ||
			decision->reason.text[0]) &&
		       (facts->use != DEVICE_LOCAL || !facts->has_driver);
	case POLICY_END_SESSION:
		return facts->use == DEVICE_IN_USE &&
		       (facts->session_denied ||
			(facts->ours && (!allowed || (is_needed && facts->blocked))));
	case POLICY_LEAVE:
		return decision->reason.text[0] && (!facts->ours || facts->use == DEVICE_LOCAL ||
						    never);
	case POLICY_KEEP:
		return allowed && !never && facts->use != DEVICE_LOCAL &&
		       !(facts->ours && unwanted && facts->use == DEVICE_IDLE) &&
		       !(facts->ours && is_needed && (facts->use == DEVICE_IDLE || facts->blocked)) &&
		       !(facts->use == DEVICE_IN_USE && facts->session_denied);
	case POLICY_OFFER:
		return allowed && !never && !may_be_needed && unwanted &&
		       facts->use == DEVICE_LOCAL;
	case POLICY_ASK_NEED:
		return allowed && facts->need.answer == POLICY_UNKNOWN;
	case POLICY_ASK_ROOM:
		return allowed && !may_be_needed && facts->room.answer == POLICY_UNKNOWN;
	case POLICY_ASK_STRINGS:
		return decision->allowed == RULE_UNKNOWN && !facts->identity.serial;
	case POLICY_ASK_CLASSES:
		return decision->allowed == RULE_UNKNOWN && facts->identity.serial;
	default:
		return decision->verdict == POLICY_WAIT &&
		       (facts->retry_later || facts->damped || facts->session_ending ||
			facts->others_binding || !facts->has_driver ||
			facts->need.answer == POLICY_LATER);
	}
}

/* One combination of answers: the needs, the room, the rules, whether the strings are known. */
static void try_answers(struct device_facts *facts, unsigned n)
{
	struct policy_decision decision;

	facts->need = (struct policy_fact){ n % 4, { "needed" } };
	facts->room = (struct policy_fact){ n / 4 % 3, { "full" } };
	t.verdict = t.without_strings = n / 12 % 3;
	facts->identity.serial = n / 36 % 2 ? "A 1" : NULL;
	decision = policy_decide(&policy, facts);
	if (!keeps_promises(facts, &decision))
		check_fault(__FILE__, __LINE__, "verdict %d, answers %u, use %d", decision.verdict,
			    n, facts->use);
}

static void all_facts(void)
{
	static const uint64_t driverless[] = { 0, POLICY_DRIVERLESS_MS };

	reset(false);
	for (unsigned bits = 0; bits < FACTS; bits++) {
		if ((bits & (ON_DEMAND | WANTED)) == WANTED) /* asked by nobody */
			continue;
		for (unsigned use = DEVICE_LOCAL; use <= DEVICE_ERROR; use++)
			for (unsigned i = 0; i < LENGTH(driverless); i++) {
				struct device_facts facts = make_facts(bits, use, driverless[i]);

				policy.take_all = bits & TAKE_ALL;
				policy.on_demand = bits & ON_DEMAND;
				t.named = bits & NAMED;
				for (unsigned n = 0; n < 72; n++)
					try_answers(&facts, n);
			}
	}
}

/* With strings that are empty it is known that it has none. */
static void without_serial(void)
{
	static const struct device_strings strings;

	start(NULL);
	reset(false);
	must(!holds_add(&policy.holds, "0951:1666/A_1"), "hold");
	make_device(0, false);
	CHECK_INT(decide(NULL, 0).verdict, POLICY_ASK_STRINGS);
	CHECK_INT(decide(&strings, 0).verdict, POLICY_BIND);
	end();
}

/* Strings that could not be read are asked for again after a while. */
static void unreadable_strings(void)
{
	struct device_facts facts = make_facts(RETRY, DEVICE_IDLE, 0);

	reset(false);
	t.without_strings = RULE_UNKNOWN;
	facts.identity.serial = NULL;
	CHECK_INT(policy_decide(&policy, &facts).verdict, POLICY_WAIT);
	facts.retry_later = false;
	CHECK_INT(policy_decide(&policy, &facts).verdict, POLICY_ASK_STRINGS);
}

/* A client is told to attach it by its name, a server to bind it by its place. */
static void of_a_client(void)
{
	struct rule_facts facts = { .busid = "1-1.4", .vendor = 0x951, .product = 0x1666 };
	struct reason why = { "" };

	reset(false);
	facts.serial = "A 1";
	facts.from = "pi";
	must(!holds_add(&policy.holds, "0951:1666/A_1"), "hold");
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "it is held, until 'usbiphp attach 0951:1666/A_1'");
	facts.from = NULL;
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, HELD);
	CHECK_INT(t.rules, 0);
	/* by its place at that server, and no other */
	reset(false);
	must(!holds_add(&policy.holds, "0951:1666@pi/1-1.4"), "hold");
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_ALLOW);
	facts.from = "pi";
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "it is held, until 'usbiphp attach 0951:1666@pi/1-1.4'");
	/* and under another name of that server */
	facts.from = "10.0.0.7";
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_ALLOW);
	facts.also = "pi";
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "it is held, until 'usbiphp attach 0951:1666@pi/1-1.4'");
	facts.busid = "1-1";
	CHECK_INT(policy_judge(&policy.rules, &policy.holds, &facts, &why), RULE_ALLOW);}

static unsigned classes(const struct rule_facts *facts)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 256; i++)
		n += facts->class[i / 8] >> i % 8 & 1;
	return n;
}

static bool has_class(const struct rule_facts *facts, unsigned class)
{
	return facts->class[class / 8] >> class % 8 & 1;
}

/* What the rules are asked about. */
static void identity(void)
{
	static const uint8_t descriptors[] = {
		18, 1, 0, 2, 0xef, 2, 1, 64, 0x51, 9, 0x66, 0x16, 0, 1, 1, 2, 3, 1,
		9, 2, 27, 0, 2, 1, 0, 0x80, 50,
		9, 4, 0, 0, 2, 8, 6, 0x50, 0,
		9, 4, 1, 0, 0, 3, 1, 1, 0,
	};
	static const struct device_strings strings = { "A 1", "Stick", "Maker" };
	struct rule_facts facts;

	start(NULL);
	make_device(0xef, false);
	memset(&facts, 0xa5, sizeof(facts));
	facts_identify(&sysfs, &device, NULL, &facts, &record);
	CHECK(!facts.described); /* it cannot be read */
	CHECK(!facts.serial && !facts.product_name && !facts.from && !facts.to);
	CHECK(has_class(&facts, 0xef) && classes(&facts) == 1);
	put_link(root, DEVICE_DIR "1-1.4", "../../../devices/there");
	put_file(root, "devices/there/busnum", "1\n");
	put_file(root, "devices/there/devnum", "4\n");
	put_file(root, "devices/there/speed", "480\n");
	put_bytes(root, "devices/there/descriptors", descriptors, sizeof(descriptors));
	facts_identify(&sysfs, &device, &strings, &facts, &record);
	CHECK(facts.described);
	CHECK_STR(facts.busid, "1-1.4");
	CHECK_INT(facts.vendor, 0x951);
	CHECK_INT(facts.product, 0x1666);
	CHECK_STR(facts.serial, "A 1");
	CHECK_STR(facts.product_name, "Stick");
	CHECK(has_class(&facts, 0xef) && has_class(&facts, 8) && has_class(&facts, 3));
	CHECK_INT(classes(&facts), 3);
	CHECK_INT(record.device.devnum, 4);
	CHECK_INT(record.device.interfaces, 2);
	CHECK_INT(record.interface[1].class, 3);
	put_file(root, "devices/there/devnum", "0\n"); /* the kernel is resetting it */
	facts_identify(&sysfs, &device, &strings, &facts, &record);
	CHECK(!facts.described);
	put_file(root, "devices/there/devnum", "4\n");
	facts_identify(&sysfs, &device, &strings, &facts, &record);
	/* these very facts are the rules' */
	reset(false);
	decide(&strings, 0);
	CHECK_INT(t.rules, 2); /* and once more when it is known that it is not needed */
	CHECK_BYTES(t.facts.class, facts.class, sizeof(facts.class));
	CHECK(t.facts.serial == strings.serial && t.facts.described);
	end();
}

/* The port of 1-1.4, before anything is plugged in there. */
static const struct {
	const char *rules[4], *held;
	bool take_all, claimed;
} port[] = {
	{ { NULL }, "", false, false },
	{ { "allow busid 1-1.4" }, "", false, true },
	{ { "allow busid 1-1.5" }, "", false, false },
	{ { "allow busid 1-1.*" }, "", false, false },
	{ { "allow busid 1-1.?" }, "", false, false },
	{ { "allow busid 1-1.4 id *:*" }, "", false, true },
	{ { "allow busid 1-1.4 id 0951:*" }, "", false, false },
	{ { "allow busid 1-1.4 id *:1666" }, "", false, false },
	{ { "allow busid 1-1.4 serial A" }, "", false, false },
	{ { "allow busid 1-1.4 product A" }, "", false, false },
	{ { "allow busid 1-1.4 class storage" }, "", false, false },
	{ { "allow busid 1-1.4 to 10.0.0.2" }, "", false, true },
	{ { "allow busid 1-1.4 to key laptop" }, "", false, true },
	{ { "allow serial A" }, "", false, false },
	{ { "deny busid 1-1.4" }, "", false, false },
	{ { "deny", "allow busid 1-1.4" }, "", false, false },
	{ { "allow", "allow busid 1-1.4" }, "", false, false },
	{ { "allow busid 1-1.4", "deny" }, "", false, true },
	{ { "deny busid 1-1.5", "allow busid 1-1.4" }, "", false, true },
	{ { "allow busid 1-1.5", "allow busid 1-1.4", "deny" }, "", false, true },
	{ { "deny id 0951:1666", "allow busid 1-1.4" }, "", false, false },
	{ { "deny serial A", "allow busid 1-1.4" }, "", false, false },
	{ { "deny class hid", "allow busid 1-1.4" }, "", false, false },
	{ { "allow id 0951:1666", "allow busid 1-1.4" }, "", false, false },
	{ { "deny busid 1-1.5 class hid", "allow busid 1-1.4" }, "", false, true },
	{ { "deny to 10.0.0.2", "allow busid 1-1.4" }, "", false, true },
	{ { "allow to 10.0.0.2", "allow busid 1-1.4" }, "", false, false },
	/* held devices that may be plugged in there, or not */
	{ { "allow busid 1-1.4" }, "0951:1666@1-1.4", false, false },
	{ { "allow busid 1-1.4" }, "0951:1666@1-1.5", false, true },
	{ { "allow busid 1-1.4" }, "0951:1666@1-1", false, true },
	{ { "allow busid 1-1.4" }, "0951:1666/A_1", false, false },
	/* take all */
	{ { NULL }, "", true, true },
	{ { "allow busid 1-1.*" }, "", true, true },
	{ { "allow to 10.0.0.2" }, "", true, true },
	{ { "deny busid 1-1.5" }, "", true, true },
	{ { "deny busid 1-1.*" }, "", true, false },
	{ { "deny class hid" }, "", true, false },
	{ { "allow class hid", "deny" }, "", true, false },
	{ { NULL }, "0951:1666@1-1.4", true, false },
};

static void ports(void)
{
	struct rules_source source = { .role = RULE_SERVER };

	for (size_t i = 0; i < LENGTH(port); i++) {
		reset(port[i].take_all);
		for (source.options = 0; port[i].rules[source.options]; source.options++)
			source.option[source.options] = port[i].rules[source.options];
		must(rules_read(&policy.rules, &source), "read the rules");
		must(!*port[i].held || !holds_add(&policy.holds, port[i].held), "hold");
		if (policy_claims_port(&policy, "1-1.4") != port[i].claimed)
			check_fault(__FILE__, __LINE__, "row %zu: it is %sclaimed", i,
				    port[i].claimed ? "not " : "");
		policy.on_demand = true; /* it has its own driver until a client asks for it */
		CHECK(!policy_claims_port(&policy, "1-1.4"));
	}
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(permission); i++)
		permission_row(i);
	for (size_t i = 0; i < LENGTH(kind); i++)
		kind_row(i);
	for (size_t i = 0; i < LENGTH(exported); i++)
		exported_row(i);
	for (size_t i = 0; i < LENGTH(needed); i++)
		needed_row(i);
	for (size_t i = 0; i < LENGTH(asked); i++)
		asked_row(i);
	RUN("t_policy: all combinations of facts", all_facts);
	RUN("t_policy: a device without serial number", without_serial);
	RUN("t_policy: strings that cannot be read", unreadable_strings);
	RUN("t_policy: one that a client holds", of_a_client);
	RUN("t_policy: what the rules are asked about", identity);
	RUN("t_policy: which ports are claimed before anything is plugged in", ports);
	return check_status();
}
