/* SPDX-License-Identifier: MIT */
/*
 * What is written to standard output: tables for people or JSON for programs. A page is made twice:
 * first it is only measured, for the width of the columns and to know whether it is another one
 * than before, then written.
 */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "cmd/item.h"

enum { PAGE_COLUMNS = 23 };

/* Which columns a table has. */
enum page_table { PAGE_LIST, PAGE_REMOTE, PAGE_EXPORTED, PAGE_IMPORTED, PAGE_TABLES };

struct page {
	bool json;
	bool measuring;
	bool failed;   /* nobody reads it, or it is to end */
	uint32_t hash; /* of what was measured, but for counters and ages */
	int stop;      /* a descriptor; when it is readable, nothing more is written */
	unsigned width[PAGE_TABLES][PAGE_COLUMNS];
	size_t len;
	char buf[4096]; /* as much as a pipe takes without blocking, once it takes any: PIPE_BUF */
};

void page_begin(struct page *page, bool measuring);
/* Writes what is left of it. */
void page_end(struct page *page);
/* Text as it is. */
void page_put(struct page *page, const char *text);
void page_format(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Of what a device or person said, what can be printed. */
void page_text(struct page *page, const char *text);
/* A string of JSON; text may be NULL. */
void page_string(struct page *page, const char *text);

/* Those of the items for which wanted (NULL: all) is true; in JSON an array, which has all that is
 * known, in a table nothing when there are none. */
void page_items(struct page *page, enum page_table table, const struct items *items,
		bool (*wanted)(const struct item *item));

#endif
