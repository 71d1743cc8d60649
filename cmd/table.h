/* SPDX-License-Identifier: MIT */
/*
 * Output on stdout, for people as text with tables, for programs as JSON. The same calls are made
 * twice: first measured, which finds the widths of the columns and whether anything changed since
 * the last time, then written.
 */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "cmd/inventory.h"

enum { TABLE_COLUMNS_MAX = 23 };

/* Which columns a table has. */
enum table_layout { TABLE_LIST, TABLE_REMOTE, TABLE_EXPORTED, TABLE_IMPORTED, TABLE_LAYOUTS };

struct table {
	/* set by the caller */
	bool json;
	int stop; /* no more is written when this descriptor is readable; 0: none */

	bool measuring;
	bool failed;   /* the reader is gone, or stop was readable: nothing more is written */
	uint32_t hash; /* of everything that was measured, except counters */
	unsigned width[TABLE_LAYOUTS][TABLE_COLUMNS_MAX];
	size_t len;
	char buf[4096]; /* PIPE_BUF: a pipe that polls writable takes this much without blocking */
};

/* Begins measuring, or writing. */
void table_begin(struct table *table, bool measuring);
/* Writes whatever is still in the buffer. */
void table_end(struct table *table);
/* Puts text as it is. */
void table_put(struct table *table, const char *text);
void table_format(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Puts text from a device, peer or file; bytes that are not printable become '?'. NULL: "-". */
void table_put_printable(struct table *table, const char *text);
/* Puts a JSON string, or null if text is NULL. */
void table_put_json_string(struct table *table, const char *text);
/*
 * Puts the entries for which filter is true (NULL: all). JSON is an array, of objects with every
 * known value; a table has the columns of its layout and a header, or is empty without entries.
 */
void table_put_inventory(struct table *table, enum table_layout layout,
			 const struct inventory *inventory,
			 bool (*filter)(const struct inventory_entry *entry));

#endif
