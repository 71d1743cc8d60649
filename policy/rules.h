/* SPDX-License-Identifier: MIT */
/*
 * Rules: which devices are exported, to which clients, and which are attached. The first rule that
 * matches decides; a device that none matches is allowed. usbiphp.rules(5) describes the language:
 *
 *	allow [steady]|deny [busid GLOB] [id VID:PID] [serial GLOB] [product GLOB]
 *		[class NAME|HEX] [from HOST] [to CIDR | to key GLOB]
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "lib/addr.h"
#include "lib/str.h"
#include "proto/op.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RULES_MAX = 1000,
	RULES_TEXT_SIZE = 65536, /* of all of them */
	RULE_OPTIONS_MAX = 64,	 /* given as --rule */
};

enum rule_role { RULE_SERVER, RULE_CLIENT };

/* The strings that a rule can have a glob for. */
enum rule_string { RULE_BUSID, RULE_SERIAL, RULE_PRODUCT, RULE_FROM, RULE_STRINGS };

struct rule {
	bool deny;
	bool steady; /* a device may come and go, without a delay */
	bool has_class, has_to;
	uint8_t class;
	uint16_t vendor, product, vendor_mask, product_mask; /* a mask is 0 for '*' */
	uint32_t line;	 /* of the file; 0: the rule is an option, numbered by its place */
	struct cidr to;
	const char *key; /* the glob of "to key NAME", which has no address; else NULL */
	const char *glob[RULE_STRINGS]; /* NULL: no such condition */
};

struct rules {
	unsigned count;
	size_t len;			 /* of text */
	const char *file;		 /* its name, for messages */
	struct rule rule[RULES_MAX + 1]; /* the last one is only used to find that it is too many */
	char text[RULES_TEXT_SIZE + 2];	 /* the rules point into it; one more shows a longer file */
};

/* Where the rules come from: first the options in their order, then the file. */
struct rules_source {
	enum rule_role role;
	unsigned options;
	const char *option[RULE_OPTIONS_MAX];
	const char *file; /* NULL: none */
};

/* Reads the rules of all sources again. Returns false after one line in the log that tells the
 * fault and its place ("/etc/usbiphp/rules:7: unknown class 'hidd'"); the rules in force are then
 * unchanged. source->file must stay valid. Only a regular file is read, and no more of it than
 * fits. An option that contains no rule is a fault, an empty file is not. */
bool rules_read(struct rules *rules, const struct rules_source *source);

/* Parses one line, without its newline, in place: the rule points into it. Returns NULL, or the
 * fault, a text ("unknown class") to be followed by the word of the line that it is about: *word,
 * which is NULL if the line is blank or a comment. *rule is valid only if there is a word and no
 * fault; its line number is 0. */
const char *rule_parse(struct rule *rule, char *line, enum rule_role role, const char **word);

/* A client that asks a server for a device. */
struct peer_id {
	struct in6_addr address; /* IPv4 as a mapped address */
	const char *key;	 /* the identity of its key, NULL: it has none */
	uint32_t print;		 /* of that key, see psk.h */
};

/* The facts about a device that rules ask for. */
struct rule_facts {
	const char *busid;
	const char *serial;	  /* as the device has it; NULL: not known */
	const char *product_name; /* known if the serial number is */
	const char *from;	  /* the server's host, NULL on a server */
	const char *server;	  /* where from is set: the same with its port */
	const char *also;	  /* another name of that host, for holds only; NULL: none */
	const struct peer_id *to; /* NULL: no particular client, or on a client */
	uint16_t vendor, product;
	bool described;		/* the classes are known */
	uint8_t class[256 / 8]; /* a bit for each class of the device and its interfaces */
};

void rule_facts_add_class(struct rule_facts *facts, uint8_t class);
/* Sets the classes to those of the device and its interfaces. */
void rule_facts_set_classes(struct rule_facts *facts, const struct op_device *device,
			    const struct op_interface *interface);

enum rule_match { RULE_DIFFERS, RULE_MATCHES, RULE_NEEDS_MORE };

/* Whether all conditions of a rule hold. RULE_NEEDS_MORE: all that can be checked do, and one on
 * strings or class cannot be. Without a particular client, "to" counts as unmet by a rule that
 * denies and as met by one that allows, because some client may be allowed. */
enum rule_match rule_match(const struct rule *rule, const struct rule_facts *facts);

/* Whether text matches glob; takes at most as many steps as the product of their lengths. */
bool rule_glob(const char *glob, const char *text);

enum rule_verdict {
	RULE_ALLOW, /* without a particular client: to some client at least */
	RULE_DENY,
	RULE_UNKNOWN, /* depends on the strings or the classes, which are not known */
};

/* *why becomes the place of the rule that denies ("denied by --rule 2", "denied by FILE:7"), with
 * RULE_DENY only. */
enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      struct reason *why);

/* Whether a rule tells clients apart. */
bool rules_have_to(const struct rules *rules);

/* Whether the rule that allows a device names it: by a bus id or a serial number that is not empty
 * and has neither '*' nor '?'. Such a rule also lifts the protection of a device that this host
 * needs. */
bool rules_name_device(const struct rules *rules, const struct rule_facts *facts);
/* Whether the rule that allows a device says that it may come and go. */
bool rules_are_steady(const struct rules *rules, const struct rule_facts *facts);

/* Whether the rules of a server allow, to some client at least, whatever may be plugged in at that
 * bus id: the first rule that could match allows it, and has no condition on the device itself.
 * *named becomes whether that rule names the bus id. */
bool rules_allow_place(const struct rules *rules, const char *busid, bool *named);
/* The bus id that a rule names and allows, NULL if it does not. i is less than rules->count. */
const char *rules_place(const struct rules *rules, unsigned i);

#endif
