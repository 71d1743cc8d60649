/* SPDX-License-Identifier: MIT */
/* Messages of multicast DNS. */
#include "lib/mdns.h"

#include <string.h>

enum {
	HEADER_SIZE = 12,  /* RFC 1035 4.1.1: id, flags, four counts */
	QUESTION_SIZE = 4, /* behind the name: type, class */
	RECORD_SIZE = 10,  /* type, class, TTL, length of the data */
	SRV_SIZE = 6,	   /* RFC 2782: priority, weight, port */
	POINTER = 0xc0, /* 4.1.4: two bytes instead of a label */
	POINTER_BITS = 0x3fff,
	FLAGS_CHECKED = 0xf80f, /* answer or query, opcode, error: RFC 6762 18 */
	FLAGS_ANSWER = 0x8000,
	CLASS_IN = 1,
	CLASS_BITS = 0x7fff, /* above: a unicast answer is wanted, or RFC 6762 10.2 */
	WANT_UNICAST = 0x8000,
};

static unsigned load_be16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool mdns_name_parse(struct mdns_name *name, const char *text)
{
	size_t at = 0, len;

	do {
		len = strcspn(text, ".");
		if (!len || len > MDNS_LABEL_MAX || at + len + 2 > MDNS_NAME_MAX)
			return false;
		name->bytes[at++] = (uint8_t)len;
		memcpy(name->bytes + at, text, len);
		at += len;
		text += len + (text[len] == '.');
	} while (*text);
	name->bytes[at++] = 0;
	name->len = (uint8_t)at;
	return true;
}

/* The length of a label is no letter. */
bool mdns_name_equal(const struct mdns_name *a, const struct mdns_name *b)
{
	if (a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (lower(a->bytes[i]) != lower(b->bytes[i]))
			return false;
	return true;
}

void mdns_name_text(const struct mdns_name *name, bool first, char *text)
{
	size_t dot = name->bytes[0] + 1U, i = 1;

	memcpy(text, name->bytes + 1, MDNS_NAME_MAX - 1);
	for (; i < name->len && (i < dot || (!first && name->bytes[i])); i++) {
		if (i == dot) {
			dot += name->bytes[i] + 1U;
			text[i - 1] = '.';
		} else if (!name->bytes[i]) {
			text[i - 1] = '?';
		}
	}
	text[i - 1] = '\0';
}

void mdns_query_begin(struct mdns_query *query)
{
	memset(query->bytes, 0, HEADER_SIZE);
	query->len = HEADER_SIZE;
}

void mdns_query_add(struct mdns_query *query, const struct mdns_name *name, enum mdns_type type)
{
	const uint8_t rest[QUESTION_SIZE] = { 0, (uint8_t)type, WANT_UNICAST >> 8, CLASS_IN };

	if (sizeof(query->bytes) - query->len < name->len + sizeof(rest))
		return;
	memcpy(query->bytes + query->len, name->bytes, name->len);
	memcpy(query->bytes + query->len + name->len, rest, sizeof(rest));
	query->len += name->len + sizeof(rest);
	query->bytes[5]++; /* how many: each has more than 5 bytes */
}

/* Reads the name at *at, and moves *at behind it. A pointer leads to before the part of the name
 * that it ends, so that there is an end. */
static bool answer_read_name(const struct mdns_answer *answer, size_t *at, struct mdns_name *name)
{
	const uint8_t *message = answer->message;
	size_t from = *at, begin = from, end = 0, len = 0, n;

	do {
		if (from >= answer->size)
			return false;
		n = message[from];
		if (n >= POINTER) {
			if (answer->size - from < 2)
				return false;
			if (!end)
				end = from + 2;
			from = load_be16(message + from) & POINTER_BITS;
			if (from >= begin)
				return false;
			begin = from;
			continue;
		}
		if (n > MDNS_LABEL_MAX || answer->size - from <= n || len + n >= MDNS_NAME_MAX)
			return false;
		memcpy(name->bytes + len, message + from, n + 1);
		len += n + 1;
		from += n + 1;
	} while (n);
	name->len = (uint8_t)len;
	*at = end ? end : from;
	return true;
}

bool mdns_answer_begin(struct mdns_answer *answer, const uint8_t *message, size_t size)
{
	struct mdns_name name;
	unsigned questions;

	*answer = (struct mdns_answer){ .message = message, .size = size, .at = HEADER_SIZE };
	if (size < HEADER_SIZE || (load_be16(message + 2) & FLAGS_CHECKED) != FLAGS_ANSWER)
		return false;
	questions = load_be16(message + 4);
	for (; questions && answer_read_name(answer, &answer->at, &name); questions--)
		answer->at += QUESTION_SIZE;
	for (size_t i = 6; i < HEADER_SIZE; i += 2)
		answer->records += load_be16(message + i);
	if (answer->records > MDNS_RECORDS_MAX)
		answer->records = MDNS_RECORDS_MAX;
	return !questions && answer->at <= size;
}

/* The data of a record of that type. Returns false if it is malformed, or of another type. */
static bool answer_read_data(const struct mdns_answer *answer, size_t at, size_t len,
			     struct mdns_record *record)
{
	size_t end = at + len;

	record->address = answer->message + at;
	switch (record->type) {
	case MDNS_A:
		return len == 4;
	case MDNS_AAAA:
		return len == 16;
	case MDNS_SRV:
		if (len < SRV_SIZE)
			return false;
		record->port = (uint16_t)load_be16(answer->message + at + SRV_SIZE - 2);
		at += SRV_SIZE;
		/* fall through */
	case MDNS_PTR:
		return answer_read_name(answer, &at, &record->target) && at == end;
	}
	return false;
}

bool mdns_answer_next(struct mdns_answer *answer, struct mdns_record *record)
{
	static const uint8_t goodbye[4]; /* RFC 6762 10.1: no time to live */

	while (answer->records) {
		const uint8_t *head;
		size_t at, len;

		if (!answer_read_name(answer, &answer->at, &record->name) ||
		    answer->size - answer->at < RECORD_SIZE)
			break;
		head = answer->message + answer->at;
		at = answer->at + RECORD_SIZE;
		len = load_be16(head + 8);
		if (answer->size - at < len)
			break;
		answer->at = at + len;
		answer->records--;
		record->type = (enum mdns_type)load_be16(head);
		if ((load_be16(head + 2) & CLASS_BITS) == CLASS_IN &&
		    memcmp(head + 4, goodbye, sizeof(goodbye)) != 0 &&
		    answer_read_data(answer, at, len, record))
			return true;
	}
	answer->records = 0;
	return false;
}
