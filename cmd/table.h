/* SPDX-License-Identifier: MIT */
/* Output on stdout: for people text with tables, for programs JSON. */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "cmd/inventory.h"

/* Which columns a table has. TABLE_HELD: with those of holders, beside others. */
enum table_layout {
	TABLE_LIST = 1,
	TABLE_REMOTE = 2,
	TABLE_EXPORTED = 4,
	TABLE_IMPORTED = 8,
	TABLE_HELD = 16,
};

/* Starts as zeros; the caller sets the first three. */
struct table {
	bool json;
	int stop;     /* no more is written when this descriptor is readable; 0: none */
	bool hashing; /* nothing is written, only added to hash */
	uint32_t hash;	/* of everything but counters, which change all the time */
	bool failed;  /* the reader is gone, or stop was readable: nothing more is written */
	size_t len;
	char buf[4096]; /* PIPE_BUF: a pipe that polls writable takes this much without blocking */
};

/* Writes whatever is still in the buffer. */
void table_flush(struct table *table);
/* Puts text as it is. */
void table_put(struct table *table, const char *text);
/* line: bytes that are not printable become '?', and '\n' is added. */
void table_put_format(struct table *table, bool line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define table_format(table, ...) table_put_format(table, false, __VA_ARGS__)
#define table_put_line(table, ...) table_put_format(table, true, __VA_ARGS__)
/* Puts a JSON string, or null if text is NULL or empty. */
void table_put_json_string(struct table *table, const char *text);
/* Puts two members of an object, each behind a comma, in JSON; else a line, if a server runs. */
void table_put_engine(struct table *table, const struct engine_note *note);
/* Puts an array of objects with every known value in JSON; else a table with the columns of its
 * layout and a header, or nothing without entries. */
void table_put_devices(struct table *table, enum table_layout layout,
		       const struct selection *devices);

#endif
