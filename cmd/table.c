/* SPDX-License-Identifier: MIT */
/* Output on stdout: text with tables, or JSON. */
#include "cmd/table.h"

#include "lib/json.h"
#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELL_SIZE = 384, LINE_SIZE = CELL_SIZE + 256, NUMBER_SIZE = 24 };

enum column_kind {
	/* char [] */
	TEXT,	/* a JSON string */
	DIGITS, /* a JSON number, as it is */
	PORT,	/* a JSON number if it is a TCP port, else null */
	/* uint64_t; for people all but NUMBER have a unit */
	NUMBER,
	BYTES,
	MICROSECONDS,
	SINCE, /* seconds since the epoch; for people the time that has passed */
};

/* Layouts that have a column. */
enum {
	LIST = 1 << TABLE_LIST,
	REMOTE = 1 << TABLE_REMOTE,
	EXPORTED = 1 << TABLE_EXPORTED,
	IMPORTED = 1 << TABLE_IMPORTED,
	LOCAL = LIST | EXPORTED | IMPORTED,
	ALL = LOCAL | REMOTE,
	IN_USE = EXPORTED | IMPORTED,
	JSON_ONLY = 0,
};

#define FIELD(member) offsetof(struct inventory_entry, member)

static const struct column {
	char key[13];	 /* in JSON; empty: not in JSON */
	char head[8];	 /* in a table */
	uint8_t layouts; /* tables that have it */
	uint8_t kind;	 /* enum column_kind */
	uint16_t offset; /* of the value in struct inventory_entry */
} columns[] = {
	{ "port", "PORT", IMPORTED, NUMBER, FIELD(port) },
	{ "server", "SERVER", IMPORTED, TEXT, FIELD(record.host) },
	{ "server_port", "", JSON_ONLY, PORT, FIELD(record.tcp_port) },
	{ "remote_busid", "REMOTE", IMPORTED, TEXT, FIELD(record.busid) },
	{ "busid", "BUSID", ALL, TEXT, FIELD(device.busid) },
	{ "id", "ID", ALL, TEXT, FIELD(id) },
	{ "speed", "MBIT/S", LIST | REMOTE, DIGITS, FIELD(speed) },
	{ "class", "CLASS", REMOTE, TEXT, FIELD(class) },
	{ "description", "PRODUCT", LOCAL, TEXT, FIELD(label) },
	{ "manufacturer", "", JSON_ONLY, TEXT, FIELD(strings.maker) },
	{ "product", "", JSON_ONLY, TEXT, FIELD(strings.product) },
	{ "serial", "", JSON_ONLY, TEXT, FIELD(strings.serial) },
	{ "name", "NAME", IN_USE, TEXT, FIELD(name) },
	{ "driver", "", JSON_ONLY, TEXT, FIELD(device.driver) },
	{ "", "STATE", LOCAL, TEXT, FIELD(state) },
	{ "state", "", JSON_ONLY, TEXT, FIELD(status) },
	{ "reason", "", JSON_ONLY, TEXT, FIELD(reason.text) },
	{ "peer", "", JSON_ONLY, TEXT, FIELD(session.peer) },
	{ "peer_port", "", JSON_ONLY, PORT, FIELD(session.peer_port) },
	{ "since", "FOR", IN_USE, SINCE, FIELD(since) },
	{ "bytes_in", "IN", IN_USE, BYTES, FIELD(tcp.bytes_in) },
	{ "bytes_out", "OUT", IN_USE, BYTES, FIELD(tcp.bytes_out) },
	{ "rtt_us", "RTT", IN_USE, MICROSECONDS, FIELD(tcp.rtt_us) },
};

static_assert(ARRAY_SIZE(columns) <= TABLE_COLUMNS_MAX, "each column has a width");
static_assert(CELL_SIZE > sizeof(((struct inventory_entry *)0)->name), "every value fits a cell");

void table_begin(struct table *table, bool measuring)
{
	table->measuring = measuring;
	if (!measuring)
		return;
	table->hash = STR_HASH;
	memset(table->width, 0, sizeof(table->width));
	table->width[TABLE_REMOTE][0] = 15; /* as the first release printed it */
}

/* A pipe is polled before each write(2), so that table->stop can end the wait. */
static void table_flush(struct table *table)
{
	struct pollfd fds[] = { { STDOUT_FILENO, POLLOUT, 0 }, { table->stop, POLLIN, 0 } };
	size_t at = 0;
	ssize_t n;

	while (at < table->len && !table->failed) {
		poll(fds, table->stop > 0 ? 2 : 1, -1);
		n = fds[1].revents ? -1 : write(STDOUT_FILENO, table->buf + at, table->len - at);
		if (n < 0)
			table->failed = true;
		else
			at += (size_t)n;
	}
	table->len = 0;
}

void table_end(struct table *table)
{
	table_flush(table);
}

/* counter: the value changes all the time, which is not a change of the output. */
static void table_put_value(struct table *table, const char *text, bool counter)
{
	if (table->measuring) {
		if (!counter)
			table->hash = str_hash(table->hash, text);
		return;
	}
	for (; *text; text++) {
		table->buf[table->len++] = *text;
		if (table->len == sizeof(table->buf))
			table_flush(table);
	}
}

void table_put(struct table *table, const char *text)
{
	table_put_value(table, text, false);
}

void table_format(struct table *table, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	va_start(args, format);
	str_vformat(line, sizeof(line), format, args);
	va_end(args);
	table_put(table, line);
}

/* Returns the number of characters. */
static unsigned table_put_cell(struct table *table, const char *text, bool counter)
{
	char cell[CELL_SIZE];
	size_t len = str_format(cell, sizeof(cell), "%s", text ? text : "-");

	str_printable(cell);
	table_put_value(table, cell, counter);
	return (unsigned)len;
}

void table_put_printable(struct table *table, const char *text)
{
	table_put_cell(table, text, false);
}

void table_put_json_string(struct table *table, const char *text)
{
	char buf[CELL_SIZE * JSON_BYTE_MAX] = "null";

	if (text)
		json_string(buf, sizeof(buf), text);
	table_put(table, buf);
}

/* For people: "640 B", "1.2 MB", "3.5 h". One digit after the point, for numbers below 10. */
static void number_with_unit(char *buf, uint64_t n, enum column_kind kind)
{
	static const struct unit {
		char name[4];
		uint16_t next; /* how many make one of the next unit; 0: the last */
	} bytes[] = { { "B", 1000 }, { "kB", 1000 }, { "MB", 1000 }, { "GB", 1000 }, { "TB", 0 } },
	  microseconds[] = { { "us", 1000 }, { "ms", 1000 }, { "s", 0 } },
	  seconds[] = { { "s", 60 }, { "min", 60 }, { "h", 24 }, { "d", 0 } };
	const struct unit *unit = kind == BYTES	       ? bytes :
				  kind == MICROSECONDS ? microseconds :
							 seconds;
	bool divided = false;
	unsigned tenths = 0;

	for (; unit->next && n >= unit->next; unit++) {
		tenths = (unsigned)(n % unit->next) * 10 / unit->next;
		n /= unit->next;
		divided = true;
	}
	if (divided && n < 10)
		str_format(buf, NUMBER_SIZE, "%u.%u %s", (unsigned)n, tenths, unit->name);
	else
		str_format(buf, NUMBER_SIZE, "%ju %s", (uintmax_t)n, unit->name);
}

static uint64_t seconds_since(uint64_t start)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec > start ? (uint64_t)now.tv_sec - start : 0;
}

/* The value as text, in buf or in the entry; NULL: not known. */
static const char *column_text(const struct table *table, const struct column *column,
			       const struct inventory_entry *entry, char *buf)
{
	const char *at = (const char *)entry + column->offset;
	uint32_t port;
	uint64_t n;

	if (column->kind <= DIGITS)
		return *at ? at : NULL;
	if (column->kind == PORT)
		n = str_decimal(at, 65535, &port) ? INVENTORY_UNKNOWN : port;
	else
		memcpy(&n, at, sizeof(n));
	if (n == INVENTORY_UNKNOWN)
		return NULL;
	if (table->json || column->kind <= NUMBER)
		str_format(buf, NUMBER_SIZE, "%ju", (uintmax_t)n);
	else
		number_with_unit(buf, column->kind == SINCE ? seconds_since(n) : n, column->kind);
	return buf;
}

/* One device in JSON. */
static void table_put_object(struct table *table, const struct inventory_entry *entry)
{
	const char *before = "{", *text;
	char buf[NUMBER_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const struct column *column = &columns[i];

		if (!column->key[0])
			continue;
		text = column_text(table, column, entry, buf);
		table_format(table, "%s\"%s\":", before, column->key);
		before = ",";
		if (text && column->kind != TEXT)
			table_put_value(table, text,
					column->kind == BYTES || column->kind == MICROSECONDS);
		else
			table_put_json_string(table, text);
	}
	table_put(table, "}");
}

/* One row of a table; the header if entry is NULL. Nothing is padded at the end of the row. */
static void table_put_row(struct table *table, const struct inventory_entry *entry,
			  enum table_layout layout)
{
	unsigned *width = table->width[layout], blanks = 0;
	char buf[NUMBER_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const struct column *column = &columns[i];
		const char *text = column->head;
		unsigned len;

		if (!(column->layouts & 1 << layout))
			continue;
		if (entry)
			text = column_text(table, column, entry, buf);
		for (; blanks; blanks--) /* their number depends on other rows: hash just one */
			table_put_value(table, " ", blanks > 1);
		len = table_put_cell(table, text, entry && column->kind >= BYTES);
		if (*width < len)
			*width = len;
		blanks = *width++ - len + 2;
	}
	table_put(table, "\n");
}

void table_put_inventory(struct table *table, enum table_layout layout,
			 const struct inventory *inventory,
			 bool (*filter)(const struct inventory_entry *entry))
{
	bool first = true;

	for (unsigned i = 0; i < inventory->count; i++) {
		const struct inventory_entry *entry = &inventory->entry[i];

		if (filter && !filter(entry))
			continue;
		if (table->json) {
			table_put(table, first ? "[" : ",");
			table_put_object(table, entry);
		} else {
			if (first)
				table_put_row(table, NULL, layout);
			table_put_row(table, entry, layout);
		}
		first = false;
	}
	if (table->json)
		table_put(table, first ? "[]" : "]");
}
