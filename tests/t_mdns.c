/* SPDX-License-Identifier: MIT */
/* Tests of lib/mdns: names, queries, and answers that are right, cut off, and malformed. */
#include "lib/mdns.h"

#include "tests/check.h"

/* An answer of Avahi to "pi.local" by A and AAAA from a port other than 5353: with the question. */
static const uint8_t avahi[] =
	"\0\0\x84\0\0\1\0\2\0\0\0\0"
	"\2pi\5local\0\0\1\0\1"
	"\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\x0a\0\0\7"
	"\2PI\xc0\x0f\0\x1c\x80\1\0\0\0\x0a\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\7";
enum { AVAHI_SIZE = sizeof(avahi) - 1 };

/* An answer to "_usbip._tcp.local" by PTR, with the rest of what a client needs. */
static const uint8_t service[] =
	"\0\0\x84\0\0\0\0\1\0\0\0\3"
	"\6_usbip\4_tcp\5local\0\0\x0c\0\1\0\0\x11\x94\0\5\2Pi\xc0\x0c"
	"\xc0\x29\0\x21\x80\1\0\0\0\x78\0\x0b\0\0\0\0\x0c\xa8\2pi\xc0\x18"
	"\xc0\x29\0\x10\x80\1\0\0\0\x78\0\1\0"
	"\xc0\x40\0\1\x80\1\0\0\0\x78\0\4\x0a\0\0\7";
enum { SERVICE_SIZE = sizeof(service) - 1 };

static struct mdns_name name_of(const char *text)
{
	struct mdns_name name;

	must(mdns_name_parse(&name, text), text);
	return name;
}

static void is_named(const struct mdns_name *name, const char *text)
{
	char got[MDNS_NAME_MAX];

	mdns_name_text(name, false, got);
	CHECK_STR(got, text);
}

static void names(void)
{
	static char longest[256], longer[256], label[66];
	const char *const wrong[] = { "", ".", "..", ".pi", "pi..local", "pi.local..", longer,
				      label };
	struct mdns_name name = name_of("pi.local"), other = name_of("PI.Local.");
	char text[MDNS_NAME_MAX];

	CHECK_INT(name.len, 10);
	CHECK_BYTES(name.bytes, "\2pi\5local", 10);
	CHECK(mdns_name_equal(&name, &other));
	name = name_of("AZ.local");
	other = name_of("az.local");
	CHECK(mdns_name_equal(&name, &other));
	name = (struct mdns_name){ 0 };
	other = (struct mdns_name){ .len = 1 };
	CHECK(!mdns_name_equal(&name, &other));
	name = name_of("pi.local");
	other = name_of("pj.local");
	CHECK(!mdns_name_equal(&name, &other));
	other = name_of("pi.local.local");
	CHECK(!mdns_name_equal(&name, &other));
	other = name_of("p\xc9.local");
	name = name_of("p\xe9.local");
	CHECK(!mdns_name_equal(&name, &other)); /* not ASCII */
	other = name_of("p@.local");
	name = name_of("p`.local");
	CHECK(!mdns_name_equal(&name, &other));
	other = name_of("p[.local");
	name = name_of("p{.local");
	CHECK(!mdns_name_equal(&name, &other));
	memset(label, 'a', 64);
	memset(longest, 'a', 253);
	memset(longer, 'a', 254);
	for (size_t i = 49; i < 253; i += 50)
		longest[i] = longer[i] = '.';
	for (size_t i = 0; i < LENGTH(wrong); i++)
		if (mdns_name_parse(&name, wrong[i]))
			check_fault(__FILE__, __LINE__, "'%s' is a name", wrong[i]);
	name = name_of(longest);
	CHECK_INT(name.len, MDNS_NAME_MAX);
	is_named(&name, longest);
	name = name_of(label + 1);
	is_named(&name, label + 1);
	name = name_of("Pi 4.local");
	name.bytes[3] = 0;
	mdns_name_text(&name, true, text);
	CHECK_STR(text, "Pi?4");
	is_named(&name, "Pi?4.local");
	name.len = 0;
	is_named(&name, "");
	memset(&name, 0xff, sizeof(name)); /* none that was ever read */
	mdns_name_text(&name, false, text);
	CHECK_INT(strlen(text), MDNS_NAME_MAX - 1);
}

static void queries(void)
{
	static const char want[] = "\0\0\0\0\0\2\0\0\0\0\0\0"
				   "\2pi\5local\0\0\1\x80\1\2pi\5local\0\0\x1c\x80\1";
	struct mdns_query *query = malloc(sizeof(*query));
	struct mdns_name name = name_of("pi.local");
	struct mdns_answer answer;
	unsigned fit = 0;

	must(query, "allocate");
	memset(query, 0xa5, sizeof(*query));
	mdns_query_begin(query);
	mdns_query_add(query, &name, MDNS_A);
	mdns_query_add(query, &name, MDNS_AAAA);
	CHECK_INT(query->len, sizeof(want) - 1);
	CHECK_BYTES(query->bytes, want, sizeof(want) - 1);
	CHECK(!mdns_answer_begin(&answer, query->bytes, query->len));
	mdns_query_begin(query);
	for (unsigned i = 0; i < MDNS_QUERY_MAX; i++) {
		size_t before = query->len;

		mdns_query_add(query, &name, MDNS_A);
		fit += query->len > before;
	}
	CHECK_INT(fit, (MDNS_QUERY_MAX - 12) / 14);
	CHECK_INT(query->bytes[5], fit);
	for (char text[] = "01234567890123456789.local", *t = text + 19; t > text; t--) {
		name = name_of(t); /* with each rest of the room */
		mdns_query_begin(query);
		for (unsigned i = 0; i < MDNS_QUERY_MAX; i++)
			mdns_query_add(query, &name, MDNS_A);
		CHECK_INT(query->bytes[5], (MDNS_QUERY_MAX - 12) / (name.len + 4));
	}
	free(query);
}

static void answers(void)
{
	struct mdns_name pi = name_of("pi.local");
	struct mdns_answer answer;
	struct mdns_record record;

	CHECK(mdns_answer_begin(&answer, avahi, AVAHI_SIZE));
	CHECK(mdns_answer_next(&answer, &record));
	CHECK_INT(record.type, MDNS_A);
	CHECK(mdns_name_equal(&record.name, &pi));
	CHECK_BYTES(record.address, "\x0a\0\0\7", 4);
	CHECK(mdns_answer_next(&answer, &record));
	CHECK_INT(record.type, MDNS_AAAA);
	CHECK(mdns_name_equal(&record.name, &pi));
	CHECK_BYTES(record.address, avahi + AVAHI_SIZE - 16, 16);
	CHECK(!mdns_answer_next(&answer, &record));
	CHECK(!mdns_answer_next(&answer, &record));
}

static void services(void)
{
	struct mdns_answer answer;
	struct mdns_record record;

	CHECK(mdns_answer_begin(&answer, service, SERVICE_SIZE));
	CHECK(mdns_answer_next(&answer, &record));
	CHECK_INT(record.type, MDNS_PTR);
	is_named(&record.name, "_usbip._tcp.local");
	is_named(&record.target, "Pi._usbip._tcp.local");
	CHECK(mdns_answer_next(&answer, &record));
	CHECK_INT(record.type, MDNS_SRV);
	is_named(&record.name, "Pi._usbip._tcp.local");
	is_named(&record.target, "pi.local");
	CHECK_INT(record.port, 3240);
	CHECK(mdns_answer_next(&answer, &record)); /* TXT is passed over */
	CHECK_INT(record.type, MDNS_A);
	is_named(&record.name, "pi.local");
	CHECK(!mdns_answer_next(&answer, &record));
}

/* How many records there are in a message, on a block of its own size. */
static unsigned count_records(const uint8_t *message, size_t size)
{
	uint8_t *block = malloc(size ? size : 1);
	struct mdns_answer answer;
	struct mdns_record record;
	unsigned count = 0;

	must(block, "allocate");
	memcpy(block, message, size);
	if (mdns_answer_begin(&answer, block, size))
		while (mdns_answer_next(&answer, &record))
			count++;
	free(block);
	return count;
}

static void truncations(void)
{
	for (size_t size = 0; size < AVAHI_SIZE; size++)
		CHECK_INT(count_records(avahi, size), size >= 42 ? 1 : 0);
	for (size_t size = 0; size < SERVICE_SIZE; size++)
		CHECK(count_records(service, size) < 3);
}

static void flips(void)
{
	uint8_t message[SERVICE_SIZE];

	for (size_t i = 0; i < SERVICE_SIZE * 8; i++) {
		memcpy(message, service, SERVICE_SIZE);
		message[i / 8] ^= (uint8_t)(1 << i % 8);
		CHECK(count_records(message, SERVICE_SIZE) <= 4);
	}
}

/* Behind a head with the count of answers. */
#define HEAD(answers) "\0\0\x84\0\0\0\0" answers "\0\0\0\0"
#define TAIL "\0\0\0\x0a\0\4\x0a\0\0\7" /* of a record A: TTL, length, data */
#define GOOD "\1a\0\0\1\0\1" TAIL

static void malformed(void)
{
	static const struct {
		const char *what, *message;
		size_t size;
		unsigned records;
	} row[] = {
#define ROW(what, message, records) { what, message, sizeof(message) - 1, records }
		ROW("one record", HEAD("\1") GOOD, 1),
		ROW("more than it says", HEAD("\1") GOOD GOOD, 1),
		ROW("less than it says", HEAD("\3") GOOD GOOD, 2),
		ROW("a query", "\0\0\0\0\0\0\0\1\0\0\0\0" GOOD, 0),
		ROW("another opcode", "\0\0\x8c\0\0\0\0\1\0\0\0\0" GOOD, 0),
		ROW("an error", "\0\0\x84\3\0\0\0\1\0\0\0\0" GOOD, 0),
		ROW("cut off, it says", "\0\0\x86\0\0\0\0\1\0\0\0\0" GOOD, 1),
		ROW("another id", "\x12\x34\x84\0\0\0\0\1\0\0\0\0" GOOD, 1),
		ROW("in the second section", "\0\0\x84\0\0\0\0\0\0\1\0\0" GOOD, 1),
		ROW("in the last section", "\0\0\x84\0\0\0\0\0\0\0\0\1" GOOD, 1),
		ROW("questions that are not there", "\0\0\x84\0\xff\xff\0\1\0\0\0\0" GOOD, 0),
		ROW("half a question", "\0\0\x84\0\0\1\0\1\0\0\0\0" "\1a\0\0\1", 0),
		ROW("a pointer to itself", HEAD("\1") "\xc0\x0c\0\1\0\1" TAIL, 0),
		ROW("a pointer forwards", HEAD("\1") "\xc0\x0e\1a\0\0\1\0\1" TAIL, 0),
		ROW("a pointer behind the end", HEAD("\1") "\xff\xff\0\1\0\1" TAIL, 0),
		ROW("a pointer that loops by a label", HEAD("\1") "\1a\xc0\x0c\0\1\0\1" TAIL, 0),
		ROW("two pointers in a circle",
		    HEAD("\2") "\1a\0\0\x0c\0\1\0\0\0\x0a\0\4\xc0\x1b\xc0\x19"
		    "\xc0\x1b\0\1\0\1" TAIL, 0),
		ROW("half a pointer", HEAD("\1") "\xc0", 0),
		ROW("a pointer into the head", HEAD("\1") "\xc0\0\0\1\0\1" TAIL, 1),
		ROW("a label of 64 bytes", HEAD("\1") "\x40"
		    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		    "\0\0\1\0\1" TAIL, 0),
		ROW("a reserved label", HEAD("\1") "\x80" "a\0\0\1\0\1" TAIL, 0),
		ROW("a label behind the end", HEAD("\1") "\x05" "a", 0),
		ROW("the flag of the cache", HEAD("\1") "\1a\0\0\1\x80\1" TAIL, 1),
		ROW("another class", HEAD("\2") "\1a\0\0\1\0\3" TAIL GOOD, 1),
		ROW("no class", HEAD("\1") "\1a\0\0\1\x80\0" TAIL, 0),
		ROW("another type", HEAD("\2") "\1a\0\0\x10\0\1" TAIL GOOD, 1),
		ROW("a type beyond one byte", HEAD("\1") "\1a\0\1\1\0\1" TAIL, 0),
		ROW("an address that is taken back",
		    HEAD("\2") "\1a\0\0\1\0\1\0\0\0\0\0\4\x0a\0\0\7" GOOD, 1),
		ROW("A of 5 bytes", HEAD("\2") "\1a\0\0\1\0\1\0\0\0\x0a\0\5\x0a\0\0\7\0" GOOD, 1),
		ROW("A of 3 bytes", HEAD("\2") "\1a\0\0\1\0\1\0\0\0\x0a\0\3\x0a\0\0" GOOD, 1),
		ROW("AAAA of 4 bytes", HEAD("\2") "\1a\0\0\x1c\0\1" TAIL GOOD, 1),
		ROW("data behind the end",
		    HEAD("\1") "\1a\0\0\1\0\1\0\0\0\x0a\xff\xff\x0a\0\0\7", 0),
		ROW("PTR", HEAD("\1") "\1a\0\0\x0c\0\1\0\0\0\x0a\0\3\1b\0", 1),
		ROW("PTR with more", HEAD("\1") "\1a\0\0\x0c\0\1\0\0\0\x0a\0\4\1b\0\0", 0),
		ROW("PTR that leaves its data",
		    HEAD("\2") "\1a\0\0\x0c\0\1\0\0\0\x0a\0\2\1b" GOOD, 1),
		ROW("SRV without a name",
		    HEAD("\1") "\1a\0\0\x21\0\1\0\0\0\x0a\0\6\0\0\0\0\x0c\xa8", 0),
		ROW("SRV of 5 bytes", HEAD("\1") "\1a\0\0\x21\0\1\0\0\0\x0a\0\5\0\0\0\0\x0c", 0),
		ROW("SRV", HEAD("\1") "\1a\0\0\x21\0\1\0\0\0\x0a\0\x09\0\0\0\0\x0c\xa8\1b\0", 1),
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		unsigned got = count_records((const uint8_t *)row[i].message, row[i].size);

		if (got != row[i].records)
			check_fault(__FILE__, __LINE__, "%s: %u, not %u", row[i].what, got,
				    row[i].records);
	}
}

static void questions(void)
{
	static const uint8_t few[] = "\0\0\x84\0\0\2\0\1\0\0\0\0\1a\0\0\1\0\1";
	static const uint8_t half[] = "\0\0\x84\0\0\1\0\1\0\0\0\0\1a\0\0\1";
	struct mdns_answer answer;

	CHECK(!mdns_answer_begin(&answer, few, sizeof(few) - 1));
	CHECK(!mdns_answer_begin(&answer, half, sizeof(half) - 1));
}

/* Each pointer leads to the one before it: an end, but labels beyond any name. */
static void bounds(void)
{
	static uint8_t message[MDNS_MESSAGE_MAX] = { [2] = 0x84, [6] = 0xff, [7] = 0xff };
	size_t at = 12, before = 0;

	for (; at < 1000; at += 4) {
		memcpy(message + at, "\1a\0\0", 4);
		if (before) {
			message[at + 2] = (uint8_t)(0xc0 | before >> 8);
			message[at + 3] = (uint8_t)before;
		}
		before = at;
		message[5] = 0;
		memcpy(message + at + 4, "\0\1\0\1" TAIL, 14);
	}
	CHECK_INT(count_records(message, at + 14), 0);
	memset(message + 12, 0, sizeof(message) - 12);
	for (at = 12; at + 15 <= sizeof(message); at += 15)
		memcpy(message + at, "\0\0\1\0\1" TAIL, 15);
	CHECK_INT(count_records(message, at), MDNS_RECORDS_MAX);
	memset(message + 12, 0, sizeof(message) - 12);
	for (at = 12; at < 12 + 254; at += 2)
		memcpy(message + at, "\1a", 2);
	memcpy(message + at, "\0\0\1\0\1" TAIL, 15);
	CHECK_INT(count_records(message, at + 15), 1); /* of 255 bytes */
	memcpy(message + at, "\1a\0\0\1\0\1" TAIL, 17);
	CHECK_INT(count_records(message, at + 17), 0);
	for (at = 15; at < 15 + 252; at += 2)
		memcpy(message + at, "\1a", 2);
	memcpy(message + 12, "\2bb", 3);
	memcpy(message + at, "\0\0\1\0\1" TAIL, 15);
	CHECK_INT(count_records(message, at + 15), 0); /* of 256 bytes */
}

int main(void)
{
	RUN("t_mdns: names", names);
	RUN("t_mdns: queries", queries);
	RUN("t_mdns: addresses", answers);
	RUN("t_mdns: services", services);
	RUN("t_mdns: every truncation", truncations);
	RUN("t_mdns: every bit flip", flips);
	RUN("t_mdns: malformed answers", malformed);
	RUN("t_mdns: questions that are cut off", questions);
	RUN("t_mdns: bounds", bounds);
	return check_status();
}
