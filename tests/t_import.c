/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/import: the states and the transitions between them, failures that are logged
 * once, and the decisions as tables of cases: whether a device is requested, and what is done with
 * its port.
 * LINK: -Wl,--wrap=log_line,--wrap=vhci_usable,--wrap=vhci_detach,--wrap=record_matches
 * LINK: -Wl,--wrap=device_describe,--wrap=hook_runner_tell
 */
#include "client/import.h"

#include "client/port_record.h"
#include "tests/said.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATES = IMPORT_DETACHING + 1, NOW = 1000000, DEVID = 1 << 16 | 2 };

static struct hook_runner runner = { .source.fd = -1, .config = "." };
static struct loop loop;
static struct import_context context; /* big */
static struct endpoint endpoint;
static struct import *import;

/* The kernel, and the stock tools' records. */
static bool usable, recorded;
static uint32_t usable_ports; /* if not all of them are */
static unsigned detached;
static int detach_result;
static const char *lingering = "gone"; /* the busid of a device that the kernel still has */

/* The events that hooks are told. */
static char events[80];

void __wrap_hook_runner_tell(struct hook_runner *told, const struct hook_facts *facts);

void __wrap_hook_runner_tell(struct hook_runner *told, const struct hook_facts *facts)
{
	size_t len = strlen(events);

	CHECK(told == context.hooks);
	snprintf(events + len, sizeof(events) - len, "%s %04x:%04x,", facts->event, facts->vendor,
		 facts->product);
}

bool __wrap_vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port);
int __wrap_vhci_detach(const struct sysfs *sysfs, unsigned port);
bool __wrap_record_matches(const char *dir, unsigned port, const char *host, const char *tcp_port,
			   const char *busid);

bool __wrap_vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port)
{
	(void)sysfs;
	if (port < context.vhci.port || port >= context.vhci.port + VHCI_PORTS_MAX)
		return !strcmp(port->busid, lingering); /* as it was when it answered */
	return usable || usable_ports >> (port - context.vhci.port) & 1;
}

static bool import_find_port(unsigned port)
{
	struct import *each = NULL;

	while ((each = import_next(&context, NULL, each)) && each->port != (int)port)
		;
	return each;
}

int __wrap_vhci_detach(const struct sysfs *sysfs, unsigned port)
{
	(void)sysfs;
	CHECK(import_find_port(port)); /* never what is another program's */
	detached++;
	return detach_result;
}

bool __wrap_record_matches(const char *dir, unsigned port, const char *host, const char *tcp_port,
			   const char *busid)
{
	(void)dir;
	(void)port;
	(void)host;
	(void)tcp_port;
	(void)busid;
	return recorded;
}

int __wrap_device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
			   struct op_interface *interface);

/* What it tells of itself here. */
int __wrap_device_describe(const struct sysfs *sysfs, const char *busid, struct op_device *device,
			   struct op_interface *interface)
{
	(void)sysfs;
	(void)busid;
	*device = (struct op_device){ .vendor = 0x951, .product = 0x1667, .interfaces = 1 };
	interface[0] = (struct op_interface){ .class = DEVICE_CLASS_STORAGE };
	return usable ? 0 : -ENODEV;
}

/* The place in the table. */
static struct import *add(const char *busid)
{
	struct import *added = import_add(&context, &endpoint, busid);

	must(added, "add an import");
	added->facts.vendor = 0x951;
	added->facts.product = 0x1666;
	return added;
}

static void start(void)
{
	memset(&loop, 0, sizeof(loop));
	memset(&context, 0, sizeof(context));
	loop.now = NOW;
	loop.next = UINT64_MAX;
	context.loop = &loop;
	context.hooks = &runner;
	context.own_dir = context.record_dir = "/nonexistent";
	usable = recorded = false;
	usable_ports = 0;
	detached = 0;
	events[0] = '\0';
	detach_result = 0;
	must(!endpoint_parse(&endpoint, "pi.lan", "3240"), "parse the name");
	import = add("1-1.4");
	said_forget();
}

/* Which states may follow each, by their first two letters; in the order of the enum. */
static const char *const follows[STATES] = { "id", "un re at", "id", "id le de",
					     "id at ke de", "id at le de", "id" };
static const char letters[STATES][3] = { "un", "id", "re", "at", "le", "ke", "de" };

/* Whether the assertion lets it pass. */
static bool may_follow(enum import_state from, enum import_state to, int port)
{
	int status;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (!pid) {
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		import->state = from;
		import->port = port;
		import_set_state(import, to);
		_exit(import->state == to ? 0 : 2);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK(WIFSIGNALED(status) ? WTERMSIG(status) == SIGABRT : !WEXITSTATUS(status));
	return !WIFSIGNALED(status);
}

static bool has_port(unsigned state)
{
	return state >= IMPORT_ATTACHED; /* in the order of this test's tables */
}

static void transitions(void)
{
	start();
	for (unsigned from = 0; from < STATES; from++)
		for (unsigned to = 0; to < STATES; to++) {
			bool allowed = strstr(follows[from], letters[to]);

			if (may_follow(from, to, has_port(to) ? 7 : -1) != allowed)
				check_fault(__FILE__, __LINE__, "%s to %s", letters[from],
					    letters[to]);
		}
	CHECK(!may_follow(IMPORT_ATTACHED, IMPORT_IDLE, 7)); /* it has the port still */
	CHECK(!may_follow(IMPORT_IDLE, IMPORT_ATTACHED, -1));
}

static void questions(void)
{
	start();
	CHECK_STR(import_name(import).text, "1-1.4 (0951:1666) at pi.lan:3240");
	for (unsigned state = 0; state < STATES; state++) {
		import->state = state;
		CHECK_INT(import_has_port(import), has_port(state));
		/* only what is idle, without a past and not listed is forgotten */
		import->flaps.remember = loop.now + 1;
		import_list_complete(import);
		CHECK_INT(import->state, state);
		import->flaps.remember = loop.now;
		import->listed_next = true;
		import_list_complete(import);
		CHECK_INT(import->state, state);
		import_list_complete(import);
		CHECK_INT(import->state, state == IMPORT_IDLE ? IMPORT_UNUSED : state);
	}
}

/* A log line for each. */
static void states_are_logged(void)
{
	start();
	log_open("t_import", true);
	import_set_state(import, IMPORT_REQUESTING);
	log_open("t_import", false);
	CHECK_INT(said("1-1.4 (0951:1666) at pi.lan:3240: idle -> requesting"), 1);
	import_set_state(import, IMPORT_IDLE);
	CHECK_INT(log_kept.lines, 1);
}

/* The table: a place is used again, and each server has its own imports. */
static void places(void)
{
	static struct endpoint other;
	struct import *second, *third;

	start();
	must(!endpoint_parse(&other, "pi.lan", "3241"), "parse the name");
	second = import_add(&context, &other, "1-1.4");
	third = add("1-2");
	CHECK(import_next(&context, &endpoint, NULL) == import);
	CHECK(import_next(&context, &endpoint, import) == third);
	CHECK(!import_next(&context, &endpoint, third));
	CHECK(import_next(&context, &other, NULL) == second);
	CHECK(!import_next(&context, &other, second));
	CHECK(import_next(&context, NULL, import) == second);
	import_set_state(second, IMPORT_UNUSED);
	CHECK(!import_next(&context, &other, NULL));
	CHECK(import_next(&context, NULL, import) == third);
	CHECK(import_add(&context, &other, "1-3") == second);
	CHECK_STR(second->busid, "1-3");
	for (unsigned i = 3; i < IMPORTS_MAX; i++)
		CHECK(import_add(&context, &other, "1-4") == &context.import[i]);
	CHECK(!import_add(&context, &other, "1-5"));
	import_set_state(third, IMPORT_UNUSED);
	CHECK(import_add(&context, &other, "1-5") == third);
	CHECK(!import_add(&context, &other, "1-5"));
}

/* The reason may come in a buffer that is used again: its text counts, not its address. */
static void failures_by_text(void)
{
	char one[40] = "Connection refused", two[40] = "Connection refused";

	start();
	import_fail(import, one);
	CHECK_INT(said("cannot attach 1-1.4 (0951:1666) at pi.lan:3240: Connection refused"), 1);
	import_fail(import, two); /* the same from another address */
	CHECK_INT(log_kept.lines, 1);
	strcpy(one, "Permission denied (publickey)."); /* another one at the same address */
	import_fail(import, one);
	CHECK_INT(said("cannot attach 1-1.4 (0951:1666) at pi.lan:3240: Permission denied"), 1);
	CHECK_INT(log_kept.lines, 2);
	import_fail(import, one);
	CHECK_INT(log_kept.lines, 2);
	CHECK(log_once_active(&import->failure));
}

/* Each failure counts, logged or not; another device in its place starts without them. */
static void another_device(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .busnum = 1, .devnum = 2,
				    .speed = 3 };

	start();
	import_list_entry(import, &device, NULL);
	import_list_complete(import);
	for (unsigned i = 1; i <= 3; i++) {
		import_fail(import, "no answer");
		CHECK_INT(import->flaps.backoff.delay, 500u << i);
		CHECK_INT(import->flaps.remember, loop.now + FLAP_REMEMBER_MS);
	}
	CHECK_INT(log_kept.lines, 1);
	import_list_entry(import, &device, NULL); /* the same one */
	import_list_complete(import);
	CHECK(log_once_active(&import->failure));
	device.devnum = 3; /* or plugged again */
	import_list_entry(import, &device, NULL);
	import_list_complete(import);
	CHECK(log_once_active(&import->failure));
	CHECK_INT(import->flaps.backoff.delay, 4000);
	device.product = 2;
	import_list_entry(import, &device, NULL);
	CHECK_INT(import->flaps.backoff.until, 0);
	CHECK(!log_once_active(&import->failure));
	import_fail(import, "no answer");
	CHECK_INT(log_kept.lines, 2);
	device.vendor = 0x951;
	import_list_entry(import, &device, NULL);
	CHECK(!log_once_active(&import->failure));
}

/* One that starts again and again, with two ids in turn: the delay belongs to its place. */
static void two_ids_in_turn(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .speed = 3 };

	start();
	for (unsigned i = 1; i <= 6; i++) {
		device.product = 1 + i % 2;
		import_list_entry(import, &device, NULL);
		import_list_complete(import);
		CHECK_INT(import->flaps.backoff.until > loop.now, i > 4);
		import_fail(import, "no answer");
		CHECK_INT(import->flaps.backoff.delay, 500u << i);
	}
	loop.now = import->flaps.remember; /* long ago */
	device.product = 3;
	import_list_entry(import, &device, NULL);
	CHECK_INT(import->flaps.backoff.delay, 0);
	CHECK_INT(import->flaps.short_stays, 0);
}

/* A refusal is no reason to wait once the server lists it again, a few times. */
static void refused_and_listed_again(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .speed = 3 };

	start();
	import_list_entry(import, &device, NULL);
	import_list_complete(import);
	import->flaps.remember = UINT64_MAX; /* or it would be forgotten */
	for (unsigned i = 1; i <= 5; i++) {
		import_list_complete(import); /* not in this list */
		CHECK(!import->listed);
		import_list_entry(import, &device, NULL);
		import_list_complete(import);
		CHECK(import->listed);
		CHECK(!import->refused);
		if (i > 1)
			CHECK_INT(import->flaps.backoff.until != 0, i - 1 > FLAP_FREE);
		import_fail(import, "it is in use");
		import->refused = true;
		CHECK(import->flaps.backoff.until > loop.now);
		import_list_entry(import, &device, NULL); /* it was never away */
		import_list_complete(import);
		CHECK(import->refused);
	}
	device.product = 2;
	import_list_entry(import, &device, NULL);
	CHECK(!import->refused);
}

/* An entry counts only with its whole list. */
static void lists(void)
{
	struct op_device device = { .vendor = 0x627, .product = 1, .speed = 3 };

	start();
	import_list_entry(import, &device, NULL);
	CHECK(!import->listed);
	import_list_complete(import);
	CHECK(import->listed);
	import_list_entry(import, &device, NULL);
	import_list_complete(import);
	CHECK(import->listed);
	import_list_complete(import);
	CHECK(!import->listed);
	CHECK_INT(import->state, IMPORT_UNUSED);
}

static const char no_port[] = "every port of vhci-hcd for its speed is in use";

static const struct {
	const char *what;
	bool listed, denied, elsewhere, backoff, port_free;
	uint32_t speed;
	bool due;
	const char *failure;
} reviews[] = {
	{ "new", true, false, false, false, true, 3, true, NULL },
	{ "low speed", true, false, false, false, true, 1, true, NULL },
	{ "super speed plus", true, false, false, false, true, 6, true, NULL },
	{ "no free port", true, false, false, false, false, 3, false, no_port },
	{ "not listed", false, false, false, false, true, 3, false, NULL },
	{ "elsewhere", true, false, true, false, true, 3, false, NULL },
	{ "elsewhere, no free port", true, false, true, false, false, 3, false, NULL },
	{ "held back", true, false, false, true, true, 3, false, NULL },
	{ "held back, no speed", true, false, false, true, true, 0, false, NULL },
	{ "held back, no free port", true, false, false, true, false, 3, false, NULL },
	{ "unwanted", true, true, false, false, true, 3, false, NULL },
	{ "unwanted, no free port", true, true, false, false, false, 3, false, NULL },
	{ "unwanted, no speed", true, true, false, false, true, 0, false, NULL },
	{ "all zero", false, false, false, false, false, 0, false, NULL },
};

static void review(size_t i)
{
	char line[120];

	start();
	import->listed = reviews[i].listed;
	import->identified = true;
	import->speed = reviews[i].speed;
	context.rules.count = reviews[i].denied;
	context.rules.rule[0].deny = true;
	context.rules.file = "rules";
	recorded = reviews[i].elsewhere;
	import->flaps.backoff.until = loop.now + reviews[i].backoff;
	context.vhci.ports = 2;
	context.vhci.port[0].state = VHCI_USED;
	context.vhci.port[1].state = reviews[i].port_free ? VHCI_FREE : VHCI_USED;
	CHECK_INT(import_review(import), reviews[i].due);
	CHECK_INT(import->state, IMPORT_IDLE);
	CHECK_INT(log_once_active(&import->failure), reviews[i].failure != NULL);
	snprintf(line, sizeof(line), "cannot attach 1-1.4 (0951:1666) at pi.lan:3240: %s",
		 reviews[i].failure ? reviews[i].failure : "");
	CHECK_INT(said(line), reviews[i].failure != NULL);
	CHECK_INT(said("left alone: denied by"), reviews[i].denied);
	CHECK_INT(loop.next, reviews[i].backoff && !reviews[i].denied ? NOW + 1 : UINT64_MAX);
}

static void steady(void)
{
	for (int i = 0; i < 2; i++) {
		start();
		import->identified = true;
		context.rules.count = 1;
		context.rules.rule[0].steady = i;
		CHECK_INT(import_check_policy(import), RULE_ALLOW);
		CHECK_INT(import->flaps.steady, i);
		context.rules = (struct rules){ 0 };
	}
}

/* What is done with the port of a device. */
enum done { KEPT, GONE, DETACHED, UNANSWERED };

static const struct {
	const char *what;
	uint8_t state;
	bool other_device, answered;
	uint64_t attached_for, closed_for; /* in ms, closed_for 0: it is open */
	enum done done;
} checks[] = {
	{ "in use", VHCI_USED, false, true, 100000, 0, KEPT },
	{ "has an address, unanswered yet", VHCI_USED, false, false, IMPORT_ANSWER_MS - 1, 0,
	  KEPT },
	{ "has an address, unanswered", VHCI_USED, false, false, IMPORT_ANSWER_MS, 0, UNANSWERED },
	{ "just attached", VHCI_ATTACHING, false, false, 0, 0, KEPT },
	{ "unanswered, yet", VHCI_ATTACHING, false, false, IMPORT_ANSWER_MS - 1, 0, KEPT },
	{ "unanswered", VHCI_ATTACHING, false, false, IMPORT_ANSWER_MS, 0, UNANSWERED },
	{ "unanswered and closed", VHCI_ATTACHING, false, false, IMPORT_ANSWER_MS,
	  IMPORT_TEARDOWN_MS, UNANSWERED },
	{ "free", VHCI_FREE, false, true, 0, 0, GONE },
	{ "free for long", VHCI_FREE, false, false, 100000, 100000, GONE },
	{ "no such port", VHCI_ABSENT, false, true, 0, 0, GONE },
	{ "in use by another", VHCI_USED, true, true, 0, 0, GONE },
	{ "in use by another, unanswered", VHCI_ATTACHING, true, false, 100000, 0, GONE },
	{ "error of another", VHCI_ERROR, true, true, 0, 0, GONE },
	{ "in error", VHCI_ERROR, false, true, 0, 0, DETACHED },
	{ "closed just now", VHCI_USED, false, true, 5000, 1, KEPT },
	{ "closed, the kernel cleans up", VHCI_USED, false, true, 5000, IMPORT_TEARDOWN_MS - 1,
	  KEPT },
	{ "closed, the kernel does not", VHCI_USED, false, true, 5000, IMPORT_TEARDOWN_MS,
	  DETACHED },
	{ "closed before it was answered", VHCI_ATTACHING, false, false, 4000, IMPORT_TEARDOWN_MS,
	  DETACHED },
};

/* The next device is attached to that port now. */
static void attach(struct import *which, unsigned port)
{
	context.vhci.port[port].state = VHCI_ATTACHING;
	context.vhci.ports = context.vhci.ports > port ? context.vhci.ports : port + 1;
	import_adopt(which, port);
}

static void check_port(size_t i)
{
	start();
	attach(import, 0);
	import->row.devid = DEVID;
	import->answered = checks[i].answered;
	loop.now += checks[i].attached_for;
	import->session.ended = checks[i].closed_for ? loop.now - checks[i].closed_for : 0;
	context.vhci.port[0].state = checks[i].state;
	context.vhci.port[0].devid = DEVID + checks[i].other_device;
	CHECK_INT(import_check(import), checks[i].done == GONE);
	CHECK_INT(import->port, checks[i].done == GONE ? -1 : 0);
	CHECK_INT(detached, checks[i].done == DETACHED || checks[i].done == UNANSWERED);
	CHECK_INT(import->state, checks[i].done == GONE ? IMPORT_IDLE
				 : detached		? IMPORT_DETACHING
							: IMPORT_ATTACHED);
	CHECK_INT(said("gone from port 0"), checks[i].done == GONE);
	CHECK_INT(said("its server took it but never answered"), checks[i].done == UNANSWERED);
	CHECK_INT(loop.next, checks[i].done == GONE				? UINT64_MAX
			     : detached || checks[i].closed_for			? loop.now + 50
			     : !checks[i].answered ? NOW + IMPORT_ANSWER_MS
						   : UINT64_MAX);
}

/* A port is not used again before the kernel has let go of what was there, if that does not take too long. */
static void lingers(void)
{
	start();
	usable = true;
	str_copy(context.vhci.port[0].busid, sizeof(context.vhci.port[0].busid), "3-1");
	attach(import, 0);
	CHECK(import->answered);
	usable = false;
	loop.now += 5000;
	import->session.ended = loop.now;
	context.vhci.port[0] = (struct vhci_port){ .state = VHCI_FREE };
	lingering = "3-1";
	for (unsigned i = 0; i < IMPORT_TEARDOWN_MS / 50; i++) {
		loop.next = UINT64_MAX;
		CHECK(!import_check(import));
		CHECK_INT(import->port, 0);
		CHECK_INT(loop.next, loop.now + 50);
		loop.now += 50;
	}
	CHECK(import_check(import));
	CHECK_INT(import->port, -1);
	/* it goes; and one that was detached here is not waited for */
	for (unsigned told = 0; told < 2; told++) {
		start();
		context.vhci.port[0] = (struct vhci_port){ .busid = "3-1" };
		usable = true;
		attach(import, 0);
		usable = false;
		import->session.ended = loop.now;
		import->state = told ? IMPORT_DETACHING : IMPORT_ATTACHED;
		context.vhci.port[0] = (struct vhci_port){ .state = VHCI_FREE };
		if (!told) {
			CHECK(!import_check(import));
			lingering = "gone";
		}
		CHECK(import_check(import));
		lingering = "3-1";
	}
	/* another device has come there */
	start();
	context.vhci.port[0] = (struct vhci_port){ .busid = "3-1", .devid = DEVID };
	usable = true;
	attach(import, 0);
	import->session.ended = loop.now;
	context.vhci.port[0] = (struct vhci_port){ .state = VHCI_USED, .busid = "3-1", .devid = DEVID + 1 };
	CHECK(import_check(import));
	lingering = "gone";
}

/* The kernel may wait for an answer that never comes. */
static void ended_unanswered(void)
{
	for (unsigned guarded = 0; guarded < 2; guarded++) {
		start();
		attach(import, 0);
		import->guarded = guarded;
		context.vhci.port[0].state = VHCI_FREE;
		CHECK(import_check(import));
		CHECK_INT(context.port_owner[0] == IMPORT_NOBODY, !guarded);
	}
}

/* The kernel may be busy with what was at that controller before. */
static void avoided_controller(void)
{
	static const unsigned busy[] = { 0, 4, 5 }; /* as many at the other one, or more */

	start();
	context.vhci.ports = 6;
	context.vhci.controllers = 2;
	for (unsigned i = 0; i < 6; i++)
		context.vhci.port[i] = (struct vhci_port){ .state = VHCI_FREE, .hub = VHCI_ANY };
	context.port_owner[2] = context.port_owner[4] = 7;
	attach(import, 0);
	loop.now += IMPORT_ANSWER_MS;
	import_check(import);
	CHECK_INT(context.port_owner[0], IMPORT_NOBODY);
	CHECK_INT(context.port_owner[1], IMPORT_NOBODY);
	CHECK_INT(context.port_owner[2], 7);
	CHECK_INT(context.port_owner[3], 0);
	CHECK_INT(context.port_owner[4], 7);
	for (unsigned i = 0; i < LENGTH(busy); i++)
		context.vhci.port[busy[i]].state = VHCI_USED;
	CHECK_INT(vhci_free_port(&context.vhci, 3, context.port_owner, 9), 3);
}

/* A port that is another device's by now is let go of, also by a device that was adopted before it
 * had answered, or after; what has come there is not taken for its answer. */
static void port_replaced(void)
{
	for (unsigned answered = 0; answered < 2; answered++) {
		start();
		usable = answered;
		context.vhci.port[0].devid = answered ? DEVID : 0;
		attach(import, 0);
		context.vhci.port[0].devid = DEVID;
		usable = true;
		import_check(import);
		CHECK(import->answered);
		CHECK_INT(import->port, 0);
		context.vhci.port[0].devid = DEVID + 1;
		import_check(import);
		CHECK_INT(import->port, -1);
	}
	start();
	attach(import, 0);
	import->row.devid = DEVID;
	context.vhci.port[0].devid = DEVID + 1;
	usable = true;
	import_check(import);
	CHECK_INT(import->port, -1);
	CHECK(!import->answered);
	CHECK_INT(detached, 0);
}

/* One that an earlier daemon attached tells its ids and classes, once it is here. */
static void adopted_describes_itself(void)
{
	start();
	attach(import, 0);
	CHECK(!import->identified && !import->answered);
	CHECK_INT(import->facts.product, 0x1666);
	start();
	usable = true;
	attach(import, 0);
	CHECK(import->identified && import->facts.described && import->answered);
	CHECK_STR(import_name(import).text, "1-1.4 (0951:1667) at pi.lan:3240");
	CHECK_INT(import->facts.class[1], 1); /* the bit of storage */
}

/* What a server grants in place of what it lists, and goes on to list, is what the device tells. */
static void granted_another(void)
{
	struct op_device device = { .vendor = 0x951, .product = 0x1666, .busnum = 1, .devnum = 2 };
	struct descriptor_query query = { .vendor = 0x627, .product = 1 };

	start();
	import_list_entry(import, &device, NULL);
	CHECK(import->identified);
	import_granted(import, &device);
	CHECK(import->identified);
	device.bcd_device++;
	import_granted(import, &device);
	device.bcd_device--;
	import_list_entry(import, &device, NULL);
	CHECK(!import->identified);
	import_set_descriptors(import, &query);
	import_list_entry(import, &device, NULL);
	CHECK(import->identified);
	CHECK_INT(import->facts.vendor, 0x627);
	device.devnum++; /* another plug */
	import_list_entry(import, &device, NULL);
	CHECK_INT(import->facts.vendor, 0x951);
	/* one that is asked for another reason, too */
	import_set_descriptors(import, &query);
	import_list_entry(import, &device, NULL);
	CHECK_INT(import->facts.vendor, 0x627);
}

/* As with a full file system, and a kernel that takes nothing either. */
static void record_said_once(void)
{
	static const struct sysfs nothing = { .root = -1 };
	struct request_target target = { .endpoint = &endpoint };
	struct request request = { .target = &target,
				   .device = { .busnum = 1, .devnum = 2 } };

	start();
	context.sysfs = &nothing;
	context.vhci.ports = 1;
	context.vhci.port[0].state = VHCI_FREE;
	for (int i = 0; i < 3; i++) {
		int pair[2];

		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "make a connection");
		request.fd = request.connection = pair[0];
		import->state = IMPORT_REQUESTING;
		import_attach(import, &request);
		CHECK_INT(import->port, -1);
		CHECK_INT(recv(pair[1], pair, 1, MSG_DONTWAIT), 0);
		close(pair[1]);
	}
	CHECK_INT(said("cannot write /nonexistent/port0"), 1);
	CHECK_INT(said("cannot attach 1-1.4 (0951:1666) at pi.lan:3240: "), 1);
}

/* No event "detached" without "attached", and both have the ids that it has told by then. */
static void pairs_of_events(void)
{
	for (int answers = 0; answers < 2; answers++) {
		start();
		import->facts.vendor = import->facts.product = 0; /* an earlier daemon's */
		attach(import, 0);
		usable = answers;
		import_check(import);
		context.vhci.port[0].state = VHCI_FREE;
		CHECK(import_check(import));
		CHECK_STR(events, answers ? "attached 0951:1667,detached 0951:1667," : "");
	}
}

/* A detach that fails, or that does not free the port, is tried again each second. */
static void detach_fails(void)
{
	start();
	attach(import, 0);
	detach_result = -EMFILE;
	import_detach(import);
	CHECK_INT(import->state, IMPORT_ATTACHED);
	CHECK_INT(loop.next, NOW + 1000);
	detach_result = -EAGAIN;
	for (unsigned i = 0; i < 3; i++) {
		loop.now += 1000;
		import_detach(import);
		CHECK_INT(import->state, IMPORT_ATTACHED);
		CHECK_INT(detached, 2 + i);
	}
	CHECK_INT(said("cannot detach port 0"), 2); /* each reason once */
	CHECK_INT(log_kept.lines, 2);
	detach_result = 0;
	loop.next = UINT64_MAX;
	import_detach(import);
	CHECK_INT(import->state, IMPORT_DETACHING);
	CHECK_INT(detached, 5);
	CHECK_INT(loop.next, loop.now + 50);
	import_check(import);
	CHECK_INT(detached, 5);
	for (unsigned i = 0; i < 3; i++) { /* the port does not become free */
		loop.now += 1000;
		loop.next = UINT64_MAX;
		import_check(import); /* whatever the reason was to detach it */
		CHECK_INT(detached, 6 + i);
		CHECK_INT(loop.next, loop.now + 1000);
	}
	CHECK_INT(log_kept.lines, 2);
	context.vhci.port[0].state = VHCI_FREE;
	CHECK(import_check(import));
}

/* The session ends by its connection, and only if that is not enough by the kernel's port. */
static void detach_by_connection(void)
{
	int pair[2];

	start();
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
	attach(import, 0);
	import->session.socket.fd = pair[0];
	import_detach(import);
	CHECK_INT(import->state, IMPORT_DETACHING);
	CHECK_INT(recv(pair[1], &(char){ 0 }, 1, MSG_DONTWAIT), 0);
	CHECK_INT(loop.next, loop.now + 50);
	loop.now += IMPORT_TEARDOWN_MS - 1;
	import_check(import);
	CHECK_INT(detached, 0);
	loop.now++;
	import_check(import);
	CHECK_INT(detached, 1);
	import->session.socket.fd = -1;
	context.vhci.port[0].state = VHCI_FREE;
	CHECK(import_check(import));
	close(pair[0]);
	close(pair[1]);
}

/* Passes, each with a check of the three imports in the order of the table. */
static void pass_at(uint64_t now)
{
	loop.now = now;
	loop.next = UINT64_MAX;
	for (unsigned i = 0; i < context.imports; i++)
		import_check(&context.import[i]);
}

/*
 * At one controller only the oldest attach that waits is timed, wherever it stands in the table,
 * since its attach or since the one before it was through.
 */
static void oldest_is_timed(void)
{
	struct import *second, *third;

	start();
	second = add("1-2");
	third = add("1-3");
	attach(third, 5);
	loop.now += 1000;
	attach(import, 0);
	attach(second, 3);
	pass_at(NOW + IMPORT_ANSWER_MS - 1);
	CHECK_INT(detached, 0);
	CHECK_INT(loop.next, NOW + IMPORT_ANSWER_MS);
	pass_at(NOW + IMPORT_ANSWER_MS);
	CHECK_INT(third->state, IMPORT_DETACHING);
	CHECK_INT(detached, 1);
	pass_at(NOW + IMPORT_ANSWER_MS + 500); /* it still blocks the others */
	CHECK_INT(detached, 1);
	pass_at(NOW + IMPORT_ANSWER_MS + 5000);
	CHECK_INT(detached, 2); /* it is told again */
	detached = 1;
	context.vhci.port[5].state = VHCI_FREE;
	pass_at(NOW + 20000);
	CHECK_INT(third->port, -1);
	pass_at(NOW + 20000 + IMPORT_ANSWER_MS - 1);
	CHECK_INT(detached, 1);
	pass_at(NOW + 20000 + IMPORT_ANSWER_MS);
	CHECK_INT(import->state, IMPORT_DETACHING);
	CHECK_INT(second->state, IMPORT_ATTACHED);
	/* one that answers makes way for the next, too */
	usable_ports = 1 << 0 | 1 << 3;
	pass_at(NOW + 40000);
	CHECK(import->answered && second->answered);
	CHECK_INT(context.progress[0], NOW + 40000);
	loop.now += 5000;
	attach(third, 5); /* it waits since its own attach, which is later than the progress */
	pass_at(NOW + 40000 + IMPORT_ANSWER_MS);
	CHECK_INT(third->state, IMPORT_ATTACHED);
	pass_at(NOW + 45000 + IMPORT_ANSWER_MS);
	CHECK_INT(third->state, IMPORT_DETACHING);
	CHECK_INT(second->state, IMPORT_ATTACHED);
}

/* What waits at one controller is nothing to the devices at another. */
static void controllers_apart(void)
{
	struct import *second;

	start();
	second = add("1-2");
	context.vhci.controllers = 2;
	context.vhci.ports = 32;
	attach(import, 3);
	loop.now += 1000;
	attach(second, 16);
	context.progress[1] = NOW + 2000;
	pass_at(NOW + IMPORT_ANSWER_MS);
	CHECK_INT(import->state, IMPORT_DETACHING);
	pass_at(NOW + 2000 + IMPORT_ANSWER_MS - 1);
	CHECK_INT(second->state, IMPORT_ATTACHED);
	pass_at(NOW + 2000 + IMPORT_ANSWER_MS);
	CHECK_INT(second->state, IMPORT_DETACHING);
}

/* A port that another program's device has, as the kernel shows it. */
static void foreign(unsigned port, uint8_t state)
{
	context.vhci.port[port].state = state;
	context.vhci.ports = context.vhci.ports > port ? context.vhci.ports : port + 1;
}

/* What another program attached before and has no answer from stalls the controller: that is not
 * the fault of a server of ours, and that port is not ours to detach. */
static void foreign_port_ahead(void)
{
	static const uint8_t states[] = { VHCI_ATTACHING, VHCI_USED };

	for (size_t i = 0; i < LENGTH(states); i++) {
		start();
		foreign(7, states[i]);
		attach(import, 0);
		pass_at(NOW + IMPORT_ANSWER_MS);
		CHECK_INT(import->state, IMPORT_ATTACHED);
		CHECK_INT(loop.next, NOW + IMPORT_AHEAD_MS);
		pass_at(NOW + 30000);
		CHECK_INT(import->state, IMPORT_ATTACHED);
		if (i)
			usable_ports = 1 << 7; /* it answers, or is gone */
		else
			context.vhci.port[7].state = VHCI_FREE;
		pass_at(NOW + 35000);
		CHECK_INT(loop.next, NOW + 35000 + IMPORT_ANSWER_MS);
		context.vhci.port[7].state = VHCI_ATTACHING; /* another one, which is behind it */
		usable_ports = 0;
		pass_at(NOW + 35000 + IMPORT_ANSWER_MS - 1);
		CHECK_INT(import->state, IMPORT_ATTACHED);
		CHECK_INT(log_kept.lines, 0);
		pass_at(NOW + 35000 + IMPORT_ANSWER_MS);
		CHECK_INT(import->state, IMPORT_DETACHING);
		CHECK_INT(said("its server took it but never answered"), 1);
	}
}

/* It may be that nothing waits for it, as the kernel has given it up: then ours is the fault. */
static void foreign_port_for_long(void)
{
	start();
	foreign(7, VHCI_ATTACHING);
	attach(import, 0);
	pass_at(NOW + IMPORT_AHEAD_MS - 1);
	CHECK_INT(detached, 0);
	pass_at(NOW + IMPORT_AHEAD_MS);
	CHECK_INT(import->state, IMPORT_DETACHING);
	CHECK_INT(said("one that was attached before never answered"), 1);
	CHECK_INT(said("its server took it"), 0);
}

/* These are not in its way. */
static void foreign_port_not_ahead(void)
{
	for (unsigned i = 0; i < 4; i++) {
		start();
		context.vhci.ports = 32;
		context.vhci.controllers = 2;
		if (i == 0)
			foreign(16, VHCI_ATTACHING); /* at the other controller */
		else if (i == 1)
			foreign(7, VHCI_ERROR);
		else if (i == 2)
			foreign(7, VHCI_USED);
		usable_ports = 1 << 7;
		attach(import, 0);
		if (i == 3)
			foreign(8, VHCI_ATTACHING); /* later than ours */
		pass_at(NOW + IMPORT_ANSWER_MS - 1);
		CHECK_INT(import->state, IMPORT_ATTACHED);
		pass_at(NOW + IMPORT_ANSWER_MS);
		CHECK_INT(import->state, IMPORT_DETACHING);
		CHECK_INT(said("its server took it but never answered"), 1);
	}
}

/* The same server at two addresses has each device once: the second request is refused, which is no
 * failure, and waits as one. */
static void refused_as_it_is_ours(void)
{
	static const struct {
		const char *what, *busid;
		bool refused, attached, requesting;
		uint32_t devid;
		bool failure;
	} rows[] = {
		{ "attached", "1-1.4", true, true, false, DEVID, false },
		{ "requested", "1-1.4", true, false, true, DEVID, false },
		{ "neither", "1-1.4", true, false, false, DEVID, true },
		{ "another place", "1-1.3", true, true, false, DEVID, true },
		{ "another device", "1-1.4", true, true, false, DEVID + 1, true },
		{ "not refused", "1-1.4", false, true, false, DEVID, true },
	};
	static struct endpoint other;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct import *twin;

		start();
		must(!endpoint_parse(&other, "10.0.0.7", "3240"), "parse the address");
		twin = import_add(&context, &other, rows[i].busid);
		must(twin, "have a twin");
		import->listing.devid = DEVID;
		twin->listing.devid = rows[i].devid;
		if (rows[i].attached)
			attach(twin, 3);
		else if (rows[i].requesting)
			import_set_state(twin, IMPORT_REQUESTING);
		said_forget();
		import->refused = rows[i].refused;
		import_fail(import, "device busy (exported)");
		if (said("device busy (exported)") != rows[i].failure)
			check_fault(__FILE__, __LINE__, "%s", rows[i].what);
		CHECK_INT(log_once_active(&import->failure), rows[i].failure);
		CHECK_STR(events, rows[i].failure ? "failed 0951:1666," : "");
		CHECK_INT(import->flaps.backoff.delay, 1000);
	}
}

int main(void)
{
	RUN("t_import: transitions", transitions);
	RUN("t_import: questions about the state", questions);
	RUN("t_import: states are logged", states_are_logged);
	RUN("t_import: places of the table", places);
	RUN("t_import: a failure is logged once, by its text", failures_by_text);
	RUN("t_import: another device", another_device);
	RUN("t_import: a device with two ids in turn", two_ids_in_turn);
	RUN("t_import: refused, and listed again", refused_and_listed_again);
	RUN("t_import: entries and lists", lists);
	RUN("t_import: a device that may come and go", steady);
	for (size_t i = 0; i < LENGTH(reviews); i++) {
		check_begin("t_import: review: %s", reviews[i].what);
		review(i);
		check_end();
	}
	for (size_t i = 0; i < LENGTH(checks); i++) {
		check_begin("t_import: port: %s", checks[i].what);
		check_port(i);
		check_end();
	}
	RUN("t_import: a port that is another device's", port_replaced);
	RUN("t_import: a device that lingers", lingers);
	RUN("t_import: a session that ends before the device has answered", ended_unanswered);
	RUN("t_import: a controller that is avoided", avoided_controller);
	RUN("t_import: an adopted one describes itself", adopted_describes_itself);
	RUN("t_import: another device than was listed", granted_another);
	RUN("t_import: pairs of events", pairs_of_events);
	RUN("t_import: a detach that fails", detach_fails);
	RUN("t_import: a detach by its connection", detach_by_connection);
	RUN("t_import: the oldest attach is timed", oldest_is_timed);
	RUN("t_import: controllers apart", controllers_apart);
	RUN("t_import: another program's port is waited for", foreign_port_ahead);
	RUN("t_import: another program's port, for a minute", foreign_port_for_long);
	RUN("t_import: another program's port that is not ahead", foreign_port_not_ahead);
	RUN("t_import: no record can be written", record_said_once);
	RUN("t_import: refused, as another import of ours has it", refused_as_it_is_ours);
	return check_status();
}
