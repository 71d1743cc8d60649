/* SPDX-License-Identifier: MIT */
/* Output on stdout: text with tables, or JSON. */
#include "cmd/table.h"

#include "lib/str.h"
#include "lib/util.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELL_SIZE = 384, LINE_SIZE = CELL_SIZE + 256 };

enum column_kind {
	/* char [] */
	TEXT,	/* a JSON string */
	WORDS,	/* a JSON array of strings */
	DIGITS, /* a JSON number, as it is */
	PORT,	/* a JSON number if it is a TCP port, else null */
	STATE,	/* const char *, a JSON string; for people with its details */
	/* uint64_t; for people the middle three have a unit */
	NUMBER,
	SINCE, /* seconds since the epoch, 0: not known; for people the time that has passed */
	BYTES,
	MICROSECONDS,
	COUNT, /* a number that changes all the time */
};

/* Layouts that have a column. */
enum {
	REMOTE = TABLE_REMOTE,
	IMPORTED = TABLE_IMPORTED,
	IN_USE = IMPORTED | TABLE_EXPORTED,
	LOCAL = IN_USE | TABLE_LIST,
	ALL = LOCAL | REMOTE,
	JSON_ONLY = 0,
};

#define FIELD(member) offsetof(struct inventory_entry, member)

static const struct column {
	char key[15];	 /* in JSON */
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
	{ "speed", "MBIT/S", TABLE_LIST | REMOTE, DIGITS, FIELD(speed) },
	{ "class", "CLASS", REMOTE, TEXT, FIELD(class) },
	{ "description", "PRODUCT", LOCAL, TEXT, FIELD(label) },
	{ "manufacturer", "", JSON_ONLY, TEXT, FIELD(strings.maker) },
	{ "product", "", JSON_ONLY, TEXT, FIELD(strings.product) },
	{ "serial", "", JSON_ONLY, TEXT, FIELD(strings.serial) },
	{ "name", "NAME", IN_USE, TEXT, FIELD(name) },
	{ "driver", "DRIVER", TABLE_LIST | TABLE_EXPORTED, TEXT, FIELD(device.driver) },
	{ "state", "STATE", LOCAL, STATE, FIELD(state) },
	{ "reason", "", JSON_ONLY, TEXT, FIELD(reason.text) },
	{ "peer", "", JSON_ONLY, TEXT, FIELD(session.peer) },
	{ "peer_port", "", JSON_ONLY, PORT, FIELD(session.peer_port) },
	{ "since", "FOR", IN_USE, SINCE, FIELD(session.since) },
	{ "bytes_in", "IN", IN_USE, BYTES, FIELD(bytes_in) },
	{ "bytes_out", "OUT", IN_USE, BYTES, FIELD(bytes_out) },
	{ "rtt_us", "RTT", IN_USE, MICROSECONDS, FIELD(rtt_us) },
	{ "guard", "GUARD", IMPORTED, TEXT, FIELD(guard) },
	{ "urbs", "URBS", TABLE_HELD, COUNT, FIELD(holder.counters.urbs) },
	{ "urb_errors", "ERRORS", TABLE_HELD, COUNT, FIELD(holder.counters.errors) },
	{ "urbs_in_flight", "", JSON_ONLY, COUNT, FIELD(holder.counters.in_flight) },
	{ "urb_bytes_in", "", JSON_ONLY, COUNT, FIELD(holder.counters.bytes_in) },
	{ "urb_bytes_out", "", JSON_ONLY, COUNT, FIELD(holder.counters.bytes_out) },
	{ "drivers", "", JSON_ONLY, WORDS, FIELD(drivers) },
	{ "nodes", "", JSON_ONLY, WORDS, FIELD(nodes) },
};

static_assert(CELL_SIZE > sizeof(((struct inventory_entry *)0)->name), "every value fits a cell");

/* A pipe is polled before each write(2), so that table->stop can end the wait. */
void table_flush(struct table *table)
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

static void table_put_value(struct table *table, const char *text, bool counter)
{
	if (table->hashing) {
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

void table_put_format(struct table *table, bool line, const char *format, ...)
{
	char text[LINE_SIZE];
	va_list args;

	va_start(args, format);
	str_vformat(text, sizeof(text), format, args);
	va_end(args);
	if (line)
		str_printable(text);
	table_put(table, text);
	if (line)
		table_put(table, "\n");
}

void table_put_json_string(struct table *table, const char *text)
{
	char buf[CELL_SIZE * STR_JSON_BYTE_MAX] = "null";

	if (text && *text)
		str_json(buf, sizeof(buf), text);
	table_put(table, buf);
}

/* For people: "640 B", "1.2 MB", "3.5 h". One digit after the point, for numbers below 10. */
static void format_with_unit(char *buf, uint64_t n, enum column_kind kind)
{
	static const struct unit {
		char name[4];
		uint16_t next; /* how many make one of the next unit; 0: the last */
	} units[][5] = {
		{ { "s", 60 }, { "min", 60 }, { "h", 24 }, { "d", 0 } },
		{ { "B", 1000 }, { "kB", 1000 }, { "MB", 1000 }, { "GB", 1000 }, { "TB", 0 } },
		{ { "us", 1000 }, { "ms", 1000 }, { "s", 0 } },
	};
	const struct unit *first = units[kind - SINCE], *unit = first;
	unsigned tenths = 0;

	for (; unit->next && n >= unit->next; unit++) {
		tenths = (unsigned)(n % unit->next) * 10 / unit->next;
		n /= unit->next;
	}
	if (unit > first && n < 10)
		str_format(buf, CELL_SIZE, "%u.%u %s", (unsigned)n, tenths, unit->name);
	else
		str_format(buf, CELL_SIZE, "%ju %s", (uintmax_t)n, unit->name);
}

/* The value as text, in buf (CELL_SIZE bytes) or elsewhere; NULL: not known. */
static const char *column_text(const struct column *column, const struct inventory_entry *entry,
			       bool json, char *buf)
{
	const char *at = (const char *)entry + column->offset;
	uint64_t n = INVENTORY_UNKNOWN, now;
	uint32_t port;

	if (column->kind <= DIGITS)
		return *at ? at : NULL;
	if (column->kind == STATE) {
		if (json || !*entry->detail)
			return entry->state;
		str_format(buf, CELL_SIZE, entry->format, entry->state, entry->detail);
		return buf;
	}
	if (column->kind != PORT)
		memcpy(&n, at, sizeof(n));
	else if (!str_decimal(at, 65535, &port))
		n = port;
	if (n == INVENTORY_UNKNOWN || (column->kind == SINCE && (int64_t)n <= 0))
		return NULL;
	if (column->kind == SINCE && !json) {
		now = (uint64_t)time(NULL);
		n = now > n ? now - n : 0;
	}
	if (json || column->kind <= NUMBER || column->kind == COUNT)
		str_format(buf, CELL_SIZE, "%ju", (uintmax_t)n);
	else
		format_with_unit(buf, n, column->kind);
	return buf;
}

static void table_put_words(struct table *table, const char *text)
{
	char words[CELL_SIZE], *rest = words, *word;
	const char *before = "";

	str_copy(words, sizeof(words), text ? text : "");
	table_put(table, "[");
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		table_put(table, before);
		table_put_json_string(table, word);
		before = ",";
	}
	table_put(table, "]");
}

static void table_put_object(struct table *table, const struct inventory_entry *entry)
{
	const char *before = "{", *text;
	char buf[CELL_SIZE];

	for (const struct column *c = columns; c < columns + ARRAY_SIZE(columns); c++) {
		text = column_text(c, entry, true, buf);
		table_format(table, "%s\"%s\":", before, c->key);
		before = ",";
		if (c->kind == WORDS)
			table_put_words(table, text);
		else if (text && c->kind != TEXT && c->kind != STATE)
			table_put_value(table, text, c->kind > SINCE);
		else
			table_put_json_string(table, text);
	}
	table_put(table, "}");
}

/* One row of a table; the header if entry is NULL. Nothing is padded at the end of the row.
 * measuring: only widens the columns. */
static void table_put_row(struct table *table, enum table_layout layout,
			  const struct inventory_entry *entry, unsigned *width, bool measuring)
{
	char cell[CELL_SIZE], buf[CELL_SIZE];
	unsigned blanks = 0, len;
	const char *text;

	for (const struct column *c = columns; c < columns + ARRAY_SIZE(columns); c++) {
		if (!(c->layouts & layout))
			continue;
		text = entry ? column_text(c, entry, false, buf) : c->head;
		len = (unsigned)str_copy(cell, sizeof(cell), text ? text : "-");
		str_printable(cell);
		if (*width < len)
			*width = len;
		if (!measuring) {
			table_format(table, "%*s", (int)blanks, "");
			table_put_value(table, cell, entry && c->kind >= SINCE);
		}
		blanks = table->hashing ? 1 : *width - len + 2; /* a counter may widen its column */
		width++;
	}
	if (!measuring)
		table_put(table, "\n");
}

void table_put_engine(struct table *table, const struct engine_note *note)
{
	if (table->json) {
		table_put(table, ",\"engine\":");
		table_put_json_string(table, note->name);
		table_put(table, ",\"engine_reason\":");
		table_put_json_string(table, note->why.text);
	} else if (*note->name) {
		table_put_line(table, ENGINE_FORMAT, note->name, *note->why.text ? ": " : "",
			       note->why.text);
	}
}

void table_put_devices(struct table *table, enum table_layout layout,
		       const struct selection *devices)
{
	unsigned width[ARRAY_SIZE(columns)] = { 0 };
	const char *before = "[";

	if (layout == TABLE_REMOTE)
		width[0] = 15; /* as the first release printed it */
	for (int measuring = 1; !table->json && devices->count && measuring >= 0; measuring--) {
		table_put_row(table, layout, NULL, width, measuring);
		SELECTION_EACH(devices, e)
			table_put_row(table, layout, *e, width, measuring);
	}
	if (!table->json)
		return;
	SELECTION_EACH(devices, e) {
		table_put(table, before);
		table_put_object(table, *e);
		before = ",";
	}
	table_put(table, devices->count ? "]" : "[]");
}
