/* SPDX-License-Identifier: MIT */
/*
 * Rules: which devices are exported, to whom, and which are attached. The first that matches
 * decides, without one a device is allowed. A rule is one line:
 *
 *	allow|deny [busid GLOB] [id VID:PID] [serial GLOB] [product GLOB] [class NAME|HEX]
 *		[from HOST] [to CIDR | to key NAME]
 *
 * All its conditions, each at most once and in any order, must hold; without any it matches every
 * device. Words stand apart by blanks. A value that has blanks, is empty or begins with # stands in
 * double quotes; between them every character is itself, but there are no control characters. A
 * word that begins with # begins a comment, to the end of the line; blank lines are ignored.
 *
 * In a GLOB, * is any bytes and ? is one; ASCII letters are the same in upper and lower case. It is
 * compared with the device's string as it is; "" is a device that has none. VID and PID are one to
 * four hexadecimal digits or *. class is that of the device or of any of its interfaces: one or two
 * hexadecimal digits or a word of usb_class_text() but "other". from is for a client: the server,
 * its host or endpoint.name, a GLOB. to is for a server: who asks, ADDRESS[/BITS]; bits of ADDRESS
 * beyond BITS are ignored. Who asks over IPv4 is matched only by IPv4, over IPv6 only by IPv6: it
 * takes both 0.0.0.0/0 and ::/0 to mean everybody, as no "to" does. key is the identity of the
 * key with which who asks has proved itself, a GLOB.
 */
#ifndef POLICY_RULES_H
#define POLICY_RULES_H

#include "lib/cidr.h"
#include "proto/op.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RULES_MAX = 1000,
	RULES_TEXT_SIZE = 65536, /* of all of them */
	RULE_OPTIONS_MAX = 64,	 /* given as --rule */
	RULE_GLOBS = 4,
};

enum rule_role { RULE_SERVER, RULE_CLIENT };

struct rule {
	bool deny;
	bool has_class, has_to;
	uint8_t class;
	uint16_t vendor, product, vendor_mask, product_mask; /* a mask is 0 for '*' */
	uint32_t line; /* of the file, or 0 and then order is that of --rule, from 1 */
	struct cidr to;
	const char *key; /* a glob: "to key NAME", and no network */
	union { /* globs, NULL: no such condition */
		struct {
			const char *busid, *serial, *name, *from;
		};
		const char *glob[RULE_GLOBS]; /* the same */
	};
};

struct rules {
	unsigned count;
	size_t len; /* of text */
	const char *file; /* its name, for messages */
	struct rule rule[RULES_MAX + 1]; /* the last one is only to say that it is too many */
	char text[RULES_TEXT_SIZE + 1]; /* what the rules point into */
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
 * source->file must stay valid. Only a regular file is read, and no more of it than fits. An
 * option without a rule in it is wrong, a file may well have none.
 */
bool rules_read(struct rules *rules, const struct rules_source *source);

/* Who asks a server for a device. */
struct peer_id {
	struct in6_addr address; /* IPv4 is a mapped one */
	const char *key;	 /* the identity of its key, NULL: it has none */
	uint32_t print;		 /* of that key, see psk.h */
};

/* What is known about a device. */
struct rule_facts {
	union {
		struct {
			const char *busid;
			const char *serial; /* as the device has it; NULL: name is unknown, too */
			const char *name;
			const char *from;	   /* the server's host, NULL on a server */
		};
		const char *text[RULE_GLOBS]; /* the same, in the order of a rule's globs */
	};
	const char *server;	/* where there is from: the same with its port */
	const struct peer_id *to; /* NULL: nobody yet, or on a client */
	uint16_t vendor, product;
	bool described;		/* class is known */
	uint8_t class[256 / 8]; /* a bit for each class of the device and its interfaces */
};

void rule_facts_add_class(struct rule_facts *facts, uint8_t class);
/* Those of the device and its interfaces, and no other. */
void rule_facts_add_classes(struct rule_facts *facts, const struct op_device *device,
			const struct op_interface *interface);

enum rule_verdict {
	RULE_ALLOW, /* with nobody asking: at least to somebody */
	RULE_DENY,
	RULE_UNKNOWN, /* the strings or the classes are needed to know */
};

/*
 * *which is the rule that decided, NULL: none did, or that could not be decided. While nobody asks,
 * a rule that denies to somebody is passed over.
 */
enum rule_verdict rules_judge(const struct rules *rules, const struct rule_facts *facts,
			      const struct rule **which);

/* Where a rule is, for a message: "--rule 2", "/etc/usbiphp/rules:7". */
void rule_place(const struct rules *rules, const struct rule *rule, char *buf, size_t size);
/* Whether any has a condition "to". */
bool rules_have_to(const struct rules *rules);

#endif
