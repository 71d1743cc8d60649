/* SPDX-License-Identifier: MIT */
/*
 * Messages of multicast DNS (RFC 6762), in the format of RFC 1035 4.1: queries, and the records of
 * an answer. Bytes in, bytes out: no I/O, no allocation.
 */
#ifndef LIB_MDNS_H
#define LIB_MDNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MDNS_PORT = 5353,
	MDNS_LABEL_MAX = 63,
	MDNS_NAME_MAX = 255,	 /* RFC 1035 2.3.4 */
	MDNS_QUERY_MAX = 1400,	 /* fits in a frame of Ethernet */
	MDNS_MESSAGE_MAX = 9000, /* RFC 6762 17 */
	MDNS_RECORDS_MAX = 128,	 /* of an answer; any further are ignored */
};

#define MDNS_GROUP_V4 0xe00000fbU /* 224.0.0.251 */
#define MDNS_GROUP_V6 { { { 0xff, 0x02, [15] = 0xfb } } }

enum mdns_type { MDNS_A = 1, MDNS_PTR = 12, MDNS_AAAA = 28, MDNS_SRV = 33 };

/* A name as it is on the wire, without compression: labels, each behind its length, up to the empty
 * one. len 0: none. */
struct mdns_name {
	uint8_t len;
	uint8_t bytes[MDNS_NAME_MAX];
};

/* From "pi.local" or "pi.local.". Returns false if text is no name. */
bool mdns_name_parse(struct mdns_name *name, const char *text);
/* Upper and lower case letters of ASCII are the same. */
bool mdns_name_equal(const struct mdns_name *a, const struct mdns_name *b);
/* Writes the name, or only its first label, to text, which has MDNS_NAME_MAX bytes. Whatever the
 * bytes of the name are, it is terminated; a zero byte becomes '?'. */
void mdns_name_text(const struct mdns_name *name, bool first, char *text);

/* A query with as many questions as fit. */
struct mdns_query {
	size_t len;
	uint8_t bytes[MDNS_QUERY_MAX];
};

/* Without a question. */
void mdns_query_begin(struct mdns_query *query);
/* Adds a question that asks for a unicast answer (RFC 6762 5.4), unless it does not fit. */
void mdns_query_add(struct mdns_query *query, const struct mdns_name *name, enum mdns_type type);

/* The rest of an answer, which is read from the message. */
struct mdns_answer {
	const uint8_t *message;
	size_t size, at;
	unsigned records;
};

struct mdns_record {
	enum mdns_type type;
	struct mdns_name name;
	const uint8_t *address;	 /* of A and AAAA: 4 and 16 bytes, in the message */
	struct mdns_name target; /* of PTR and SRV */
	uint16_t port;		 /* of SRV */
};

/* Returns false if the message is no answer. */
bool mdns_answer_begin(struct mdns_answer *answer, const uint8_t *message, size_t size);
/* Reads the next record of one of our types, which its owner does not take back, in any section.
 * Returns false at the end, which is also where the message is malformed. */
bool mdns_answer_next(struct mdns_answer *answer, struct mdns_record *record);

#endif
