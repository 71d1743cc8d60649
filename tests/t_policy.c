/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/choose: which devices are left alone, and why, as a table of cases.
 * LINK: -Wl,--wrap=rules_judge,--wrap=protect_check
 */
#include "host/choose.h"

#include "lib/str.h"
#include "tests/tree.h"

/* What the rules say, to whom they are asked. */
static struct {
	enum rule_verdict verdict, without_strings;
	bool in_use;
	struct rule rule;
	struct rule_facts facts; /* as they were asked about */
	unsigned rules, uses;	 /* so often asked */
} t;

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     const struct rule **which);

enum rule_verdict __wrap_rules_judge(const struct rules *rules, const struct rule_facts *facts,
				     const struct rule **which)
{
	(void)rules;
	t.rules++;
	t.facts = *facts;
	*which = t.verdict == RULE_DENY ? &t.rule : NULL;
	return facts->serial ? t.verdict : t.without_strings;
}

bool __wrap_protect_check(const struct sysfs *fs, const char *busid, struct reason *use);

bool __wrap_protect_check(const struct sysfs *fs, const char *busid, struct reason *use)
{
	CHECK(fs == &sysfs);
	CHECK_STR(busid, "1-1.4");
	t.uses++;
	if (t.in_use)
		str_format(use->text, sizeof(use->text), "it holds the root");
	return t.in_use;
}

static struct host_wishes wishes; /* big */

#define HELD "it is held, until 'usbiphp bind 1-1.4'"
#define DENIED "denied by /etc/rules:7"

/* The device is 0951:1666 at 1-1.4; its serial number is "A 1", where it is known. */
static const struct {
	const char *what, *held;
	enum rule_verdict without, with; /* of the rules */
	uint8_t class;
	bool on_vhci, in_use, take_all;
	enum rule_verdict unread, read; /* while its strings are unknown, and then */
	const char *why;	       /* of RULE_DENY */
} table[] = {
	{ "nothing is said", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0, RULE_ALLOW, RULE_ALLOW, "" },
	{ "held by its place", "0951:1666@1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_DENY, RULE_DENY, HELD },
	{ "held by its serial number", "0951:1666/A_1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_UNKNOWN, RULE_DENY, HELD },
	{ "another of its kind is held", "0951:1666/B", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_UNKNOWN, RULE_ALLOW, "" },
	{ "another kind is held", "0951:1667/A_1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_ALLOW, RULE_ALLOW, "" },
	{ "another place is held", "0951:1666@1-1", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_ALLOW, RULE_ALLOW, "" },
	{ "one of a server is held", "0951:1666@pi/1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_ALLOW, RULE_ALLOW, "" },
	{ "denied", "", RULE_DENY, RULE_DENY, 0, 0, 0, 0, RULE_DENY, RULE_DENY, DENIED },
	{ "denied by its strings", "", RULE_UNKNOWN, RULE_DENY, 0, 0, 0, 0,
	  RULE_UNKNOWN, RULE_DENY, DENIED },
	{ "allowed by its strings", "", RULE_UNKNOWN, RULE_ALLOW, 0, 0, 0, 0,
	  RULE_UNKNOWN, RULE_ALLOW, "" },
	{ "held and denied", "0951:1666@1-1.4", RULE_DENY, RULE_DENY, 0, 0, 0, 0,
	  RULE_DENY, RULE_DENY, HELD },
	{ "in use", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 0, RULE_DENY, RULE_DENY,
	  "it holds the root" },
	{ "in use, take all", "", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 1, RULE_ALLOW, RULE_ALLOW, "" },
	{ "in use and denied", "", RULE_DENY, RULE_DENY, 0, 0, 1, 0, RULE_DENY, RULE_DENY,
	  DENIED },
	{ "denied, take all", "", RULE_DENY, RULE_DENY, 0, 0, 1, 1, RULE_DENY, RULE_DENY,
	  DENIED },
	{ "held, take all", "0951:1666@1-1.4", RULE_ALLOW, RULE_ALLOW, 0, 0, 1, 1,
	  RULE_DENY, RULE_DENY, HELD },
	{ "in use, strings unknown", "", RULE_UNKNOWN, RULE_ALLOW, 0, 0, 1, 0,
	  RULE_UNKNOWN, RULE_DENY, "it holds the root" },
	{ "a hub", "", RULE_ALLOW, RULE_ALLOW, 9, 0, 0, 1, RULE_DENY, RULE_DENY,
	  "it is a hub" },
	{ "a hub that is held", "0951:1666@1-1.4", RULE_DENY, RULE_DENY, 9, 0, 1, 0, RULE_DENY,
	  RULE_DENY, "it is a hub" },
	{ "a hub, strings unknown", "", RULE_UNKNOWN, RULE_ALLOW, 9, 0, 0, 0, RULE_DENY,
	  RULE_DENY, "it is a hub" },
	{ "imported", "", RULE_UNKNOWN, RULE_ALLOW, 0, 1, 1, 1, RULE_DENY, RULE_DENY,
	  "it came over USB/IP" },
};

static struct device device;

static void make_device(uint8_t class, bool on_vhci)
{
	device = (struct device){ .busid = "1-1.4", .driver = "usb", .vendor = 0x951,
				  .product = 0x1666, .class = class, .on_vhci = on_vhci };
}

static void choose(size_t i, const struct device_strings *strings, enum rule_verdict want)
{
	struct reason why = { "" };

	t.rules = t.uses = 0;
	CHECK_INT(host_choose(&sysfs, &device, &wishes, strings, &why), want);
	CHECK_STR(why.text, want == RULE_DENY ? table[i].why : "");
	if (table[i].take_all || want == RULE_UNKNOWN)
		CHECK_INT(t.uses, 0); /* looking for it costs much */
}

static void row(size_t i)
{
	static const struct device_strings strings = { "A 1", "Stick", "Maker" };

	check_begin("t_policy: %s", table[i].what);
	start(NULL);
	memset(&t, 0, sizeof(t));
	memset(&wishes, 0, sizeof(wishes));
	wishes.rules.file = "/etc/rules";
	wishes.take_all = table[i].take_all;
	t.rule.line = 7;
	t.without_strings = table[i].without;
	t.verdict = table[i].with;
	t.in_use = table[i].in_use;
	if (table[i].held[0])
		must(!holds_add(&wishes.held, table[i].held), "hold");
	make_device(table[i].class, table[i].on_vhci);
	choose(i, NULL, table[i].unread);
	choose(i, &strings, table[i].read);
	end();
	check_end();
}

/* With strings that are empty it is known that it has none. */
static void without_serial(void)
{
	static const struct device_strings strings;
	struct reason why = { "" };

	start(NULL);
	memset(&t, 0, sizeof(t));
	memset(&wishes, 0, sizeof(wishes));
	must(!holds_add(&wishes.held, "0951:1666/A_1"), "hold");
	make_device(0, false);
	CHECK_INT(host_choose(&sysfs, &device, &wishes, NULL, &why), RULE_UNKNOWN);
	CHECK_INT(host_choose(&sysfs, &device, &wishes, &strings, &why), RULE_ALLOW);
	end();
}

/* A client is told to attach it by its name, a server to bind it by its place. */
static void of_a_client(void)
{
	struct rule_facts facts = { .busid = "1-1.4", .vendor = 0x951, .product = 0x1666 };
	struct reason why = { "" };

	memset(&t, 0, sizeof(t));
	memset(&wishes, 0, sizeof(wishes));
	facts.serial = "A 1";
	facts.from = "pi";
	must(!holds_add(&wishes.held, "0951:1666/A_1"), "hold");
	CHECK_INT(policy_judge(&wishes.rules, &wishes.held, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "it is held, until 'usbiphp attach 0951:1666/A_1'");
	facts.from = NULL;
	CHECK_INT(policy_judge(&wishes.rules, &wishes.held, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, HELD);
	CHECK_INT(t.rules, 0);
	/* by its place at that server, and no other */
	memset(&wishes, 0, sizeof(wishes));
	must(!holds_add(&wishes.held, "0951:1666@pi/1-1.4"), "hold");
	CHECK_INT(policy_judge(&wishes.rules, &wishes.held, &facts, &why), RULE_ALLOW);
	facts.from = "pi";
	CHECK_INT(policy_judge(&wishes.rules, &wishes.held, &facts, &why), RULE_DENY);
	CHECK_STR(why.text, "it is held, until 'usbiphp attach 0951:1666@pi/1-1.4'");
}

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
static void facts(void)
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
	host_facts(&sysfs, &device, NULL, &facts);
	CHECK(!facts.described); /* it cannot be read */
	CHECK(!facts.serial && !facts.name && !facts.from && !facts.to);
	CHECK(has_class(&facts, 0xef) && classes(&facts) == 1);
	put_link(root, DEVICE_DIR "1-1.4", "../../../devices/there");
	put_file(root, "devices/there/busnum", "1\n");
	put_file(root, "devices/there/devnum", "4\n");
	put_file(root, "devices/there/speed", "480\n");
	put_bytes(root, "devices/there/descriptors", descriptors, sizeof(descriptors));
	host_facts(&sysfs, &device, &strings, &facts);
	CHECK(facts.described);
	CHECK_STR(facts.busid, "1-1.4");
	CHECK_INT(facts.vendor, 0x951);
	CHECK_INT(facts.product, 0x1666);
	CHECK_STR(facts.serial, "A 1");
	CHECK_STR(facts.name, "Stick");
	CHECK(has_class(&facts, 0xef) && has_class(&facts, 8) && has_class(&facts, 3));
	CHECK_INT(classes(&facts), 3);
	/* these very facts are the rules' */
	memset(&wishes, 0, sizeof(wishes));
	t.rules = 0;
	host_choose(&sysfs, &device, &wishes, &strings, &(struct reason){ "" });
	CHECK_INT(t.rules, 1);
	CHECK_BYTES(t.facts.class, facts.class, sizeof(facts.class));
	CHECK(t.facts.serial == strings.serial && t.facts.described);
	end();
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(table); i++)
		row(i);
	RUN("t_policy: a device without serial number", without_serial);
	RUN("t_policy: one that a client holds", of_a_client);
	RUN("t_policy: what the rules are asked about", facts);
	return check_status();
}
