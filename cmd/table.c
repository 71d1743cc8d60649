/* SPDX-License-Identifier: MIT */
/* What is written to standard output: tables for people or JSON for programs. */
#include "cmd/table.h"

#include "lib/json.h"
#include "lib/str.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELL_SIZE = 384, LINE_SIZE = CELL_SIZE + 256, NUMBER_SIZE = 24 };

enum kind {
	TEXT,	/* char [] */
	DIGITS, /* char [], a number */
	PORT,	/* char [], what somebody says is one */
	NUMBER, /* uint64_t, as are those that follow */
	BYTES,	/* of a counter */
	DELAY,	/* microseconds */
	SINCE,	/* seconds since the epoch */
};

enum { L = 1 << PAGE_LIST, R = 1 << PAGE_REMOTE, E = 1 << PAGE_EXPORTED, I = 1 << PAGE_IMPORTED };

#define AT(member) offsetof(struct item, member)

static const struct column {
	char key[13]; /* in JSON; empty: not there */
	char head[8];
	uint8_t tables; /* it is in these */
	uint8_t kind;
	uint16_t offset; /* of its value in struct item */
} columns[] = {
	{ "port", "PORT", I, NUMBER, AT(port) },
	{ "server", "SERVER", I, TEXT, AT(record.host) },
	{ "server_port", "", 0, PORT, AT(record.tcp_port) },
	{ "remote_busid", "REMOTE", I, TEXT, AT(record.busid) },
	{ "busid", "BUSID", L | R | E | I, TEXT, AT(device.busid) },
	{ "id", "ID", L | R | E | I, TEXT, AT(id) },
	{ "speed", "MBIT/S", L | R, DIGITS, AT(speed) },
	{ "class", "CLASS", R, TEXT, AT(class) },
	{ "description", "PRODUCT", L | E | I, TEXT, AT(label) },
	{ "manufacturer", "", 0, TEXT, AT(strings.maker) },
	{ "product", "", 0, TEXT, AT(strings.product) },
	{ "serial", "", 0, TEXT, AT(strings.serial) },
	{ "name", "NAME", E | I, TEXT, AT(name) },
	{ "driver", "", 0, TEXT, AT(device.driver) },
	{ "", "STATE", L | E | I, TEXT, AT(state) },
	{ "state", "", 0, TEXT, AT(status) },
	{ "reason", "", 0, TEXT, AT(why.text) },
	{ "peer", "", 0, TEXT, AT(session.peer) },
	{ "peer_port", "", 0, PORT, AT(session.peer_port) },
	{ "since", "FOR", E | I, SINCE, AT(since) },
	{ "bytes_in", "IN", E | I, BYTES, AT(in) },
	{ "bytes_out", "OUT", E | I, BYTES, AT(out) },
	{ "rtt_us", "RTT", E | I, DELAY, AT(rtt) },
};
enum { COLUMNS = sizeof(columns) / sizeof(*columns) };

static_assert((int)COLUMNS <= (int)PAGE_COLUMNS, "a width for each");
static_assert(CELL_SIZE > sizeof(((struct item *)0)->name), "room for every cell");

void page_begin(struct page *page, bool measuring)
{
	page->measuring = measuring;
	if (!measuring)
		return;
	page->hash = STR_HASH;
	memset(page->width, 0, sizeof(page->width));
	page->width[PAGE_REMOTE][0] = 15; /* as it always was */
}

static void flush(struct page *page)
{
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { page->stop, POLLIN, 0 } };
	size_t at = 0;
	ssize_t n;

	while (at < page->len && !page->failed) {
		poll(fds, page->stop > 0 ? 2 : 1, -1);
		n = fds[1].revents ? -1 : write(STDOUT_FILENO, page->buf + at, page->len - at);
		if (n < 0)
			page->failed = true;
		else
			at += (size_t)n;
	}
	page->len = 0;
}

void page_end(struct page *page)
{
	flush(page);
}

/* What changes by itself is not measured. */
static void put(struct page *page, const char *text, bool changes)
{
	if (page->measuring) {
		if (!changes)
			page->hash = str_hash(page->hash, text);
		return;
	}
	for (; *text; text++) {
		page->buf[page->len++] = *text;
		if (page->len == sizeof(page->buf))
			flush(page);
	}
}

void page_put(struct page *page, const char *text)
{
	put(page, text, false);
}

void page_format(struct page *page, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	str_vformat(line, sizeof(line), format, args);
	va_end(args);
	page_put(page, line);
}

static unsigned put_printable(struct page *page, const char *text, bool changes)
{
	char cell[CELL_SIZE];
	size_t len = str_format(cell, sizeof(cell), "%s", text ? text : "-");

	str_printable(cell);
	put(page, cell, changes);
	return (unsigned)len;
}

void page_text(struct page *page, const char *text)
{
	put_printable(page, text, false);
}

void page_string(struct page *page, const char *text)
{
	char buf[CELL_SIZE * JSON_BYTE_MAX] = "null";

	if (text)
		json_string(buf, sizeof(buf), text);
	page_put(page, buf);
}

static void decimal(char *buf, uint64_t n)
{
	char digits[NUMBER_SIZE], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	str_format(buf, NUMBER_SIZE, "%s", p);
}

/* For people: "640 B", "1.2 MB", "3.5 h". */
static void in_units(char *buf, uint64_t n, enum kind kind)
{
	static const struct unit {
		char name[4];
		uint16_t next; /* so many are one of the next; 0: there is none */
	} units[] = {
		{ "B", 1000 },	{ "kB", 1000 }, { "MB", 1000 }, { "GB", 1000 }, { "TB", 0 },
		{ "us", 1000 }, { "ms", 1000 }, { "s", 0 },	{ "s", 60 },	{ "min", 60 },
		{ "h", 24 },	{ "d", 0 },
	};
	const struct unit *unit = units + (kind == BYTES ? 0 : kind == DELAY ? 5 : 8);
	unsigned tenths = UINT32_MAX;

	for (; unit->next && n >= unit->next; unit++) {
		tenths = (unsigned)(n % unit->next) * 10 / unit->next;
		n /= unit->next;
	}
	if (tenths < 10 && n < 10)
		str_format(buf, NUMBER_SIZE, "%u.%u %s", (unsigned)n, tenths, unit->name);
	else
		str_format(buf, NUMBER_SIZE, "%u %s", (unsigned)n, unit->name);
}

/* A value as text, for people or not; NULL: unknown. */
static const char *value(const struct page *page, const struct item *item,
			 const struct column *column, char *buf)
{
	const char *at = (const char *)item + column->offset;
	struct timespec now;
	uint32_t port;
	uint64_t n;

	if (column->kind <= DIGITS)
		return *at ? at : NULL;
	if (column->kind == PORT)
		n = str_decimal(at, 65535, &port) ? UNKNOWN : port;
	else
		memcpy(&n, at, sizeof(n));
	if (n == UNKNOWN)
		return NULL;
	if (page->json || column->kind <= NUMBER) {
		decimal(buf, n);
		return buf;
	}
	if (column->kind == SINCE) {
		clock_gettime(CLOCK_REALTIME, &now);
		n = (uint64_t)now.tv_sec > n ? (uint64_t)now.tv_sec - n : 0;
	}
	in_units(buf, n, column->kind);
	return buf;
}

/* One device in JSON. */
static void put_object(struct page *page, const struct item *item)
{
	const char *before = "{", *text;
	char buf[NUMBER_SIZE];

	for (const struct column *i = columns; i < columns + COLUMNS; i++) {
		if (!i->key[0])
			continue;
		text = value(page, item, i, buf);
		page_format(page, "%s\"%s\":", before, i->key);
		before = ",";
		if (text && i->kind != TEXT)
			put(page, text, i->kind == BYTES || i->kind == DELAY);
		else
			page_string(page, text);
	}
	page_put(page, "}");
}

/* One row of a table: the heads, if item is NULL. */
static void put_row(struct page *page, const struct item *item, enum page_table table)
{
	unsigned *width = page->width[table], blanks = 0;
	char buf[NUMBER_SIZE];

	for (const struct column *i = columns; i < columns + COLUMNS; i++) {
		const char *text = i->head;
		unsigned len;

		if (!(i->tables & 1 << table))
			continue;
		if (item)
			text = value(page, item, i, buf);
		while (blanks--)
			put(page, " ", blanks != 0);
		len = put_printable(page, text, item && i->kind >= BYTES);
		if (*width < len)
			*width = len;
		blanks = *width++ - len + 2;
	}
	page_put(page, "\n");
}

void page_items(struct page *page, enum page_table table, const struct items *items,
		bool (*wanted)(const struct item *item))
{
	const char *before = "[";

	for (unsigned i = 0; i < items->count; i++) {
		const struct item *item = &items->item[i];

		if (wanted && !wanted(item))
			continue;
		if (!page->json && *before == '[')
			put_row(page, NULL, table);
		if (page->json) {
			page_put(page, before);
			put_object(page, item);
		} else {
			put_row(page, item, table);
		}
		before = ",";
	}
	if (page->json)
		page_put(page, *before == '[' ? "[]" : "]");
}
