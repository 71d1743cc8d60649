/* SPDX-License-Identifier: MIT */
/*
 * Rules: which devices are exported, to whom, and which are attached. The first that matches
 * decides, without one a device is allowed. A rule is one line:
 *
 *	allow|deny [busid GLOB] [id VID:PID] [serial GLOB] [product GLOB] [class NAME|HEX]
 *		[from HOST] [to CIDR]
 *
 * All its conditions must hold; without any it matches every device. A value with blanks stands in
 * double quotes. In a GLOB, * is any characters and ? is one; upper and lower case are the same.
 * VID and PID are hexadecimal or *. class is that of the device or of any of its interfaces: two
 * hexadecimal digits or a word of op_class_text(). from is for a client: the server as its command
 * line names it, a GLOB. to is for a server: who asks, ADDRESS[/BITS], IPv4 or IPv6.
 */
#ifndef LOOP_RULES_H
#define LOOP_RULES_H

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

struct rule {
	bool deny;
	bool has_class, has_to;
	uint8_t class;
	uint8_t to_bits; /* of to, which is a mapped address for IPv4 */
	uint16_t vendor, product, vendor_mask, product_mask; /* a mask is 0 for '*' */
	uint32_t line; /* of the file, or 0 and then order is that of --rule, from 1 */
	struct in6_addr to;
	const char *busid, *serial, *name, *from; /* globs, NULL: no such condition */
};

struct rules {
	unsigned count;
	size_t len; /* of text */
	const char *file; /* its name, for messages */
	struct rule rule[RULES_MAX];
	char text[RULES_TEXT_SIZE]; /* what the rules point into */
};

/* Where they come from: first the options in their order, then the file. */
struct rules_source {
	enum rule_role role;
	unsigned options;
	const char *option[RULE_OPTIONS_MAX];
	const char *file; /* NULL: none */
};

/*
 * Reads all of them anew. False after one line in the log that says what is wrong and where
 * ("/etc/usbiphp/rules:7: unknown class 'hidd'"); the rules in force are then as they were.
 */
bool rules_read(struct rules *rules, const struct rules_source *source);

/* What is known about a device. */
struct rule_facts {
	const char *busid;
	uint16_t vendor, product;
	bool described;		  /* class is known */
	uint8_t class[256 / 8];	  /* a bit for each class of the device and its interfaces */
	const char *serial, *name; /* as the device has them; serial is NULL: both are unknown */
	const char *from;	  /* the server, NULL on a server */
	const struct in6_addr *to; /* who asks; NULL: nobody yet, or on a client */
};

void rule_facts_class(struct rule_facts *facts, uint8_t class);

enum rule_verdict {
	RULE_ALLOW, /* with nobody asking: at least to somebody */
	RULE_DENY,
	RULE_UNKNOWN, /* the strings or the classes are needed to know */
};

/* *which is the rule that decided, NULL: none did. */
enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      const struct rule **which);

/* Where a rule is, for a message: "--rule 2", "/etc/usbiphp/rules:7". */
void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size);
/* Whether any has a condition "to". */
bool rules_have_to(const struct rules *rules);

#endif
