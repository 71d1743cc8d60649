/* SPDX-License-Identifier: MIT */
/*
 * What is written to standard output: tables for people or JSON for programs, from one description.
 * A page is made twice: first it is only measured, for the width of the columns and to know whether
 * it is another one than before, then written.
 */
#ifndef SHOW_PAGE_H
#define SHOW_PAGE_H

#include "show/item.h"

enum { PAGE_TABLES = 2, PAGE_COLUMNS = 17 };

struct page {
	bool json;
	bool measuring;
	bool failed;	  /* nobody reads it */
	bool comma;	  /* before the next value */
	uint32_t hash;	  /* of what was measured, but for counters and ages */
	unsigned table;	  /* the one that comes, from 0 */
	int64_t now;	  /* seconds of time(2) */
	unsigned width[PAGE_TABLES][PAGE_COLUMNS];
	size_t len;
	char buf[16384];
};

enum column_kind {
	COLUMN_TEXT,  /* char [] */
	COLUMN_WORD,  /* const char * */
	COLUMN_DIGITS, /* char [], a number */
	COLUMN_NUMBER, /* uint64_t, as are the others */
	COLUMN_BYTES,  /* of a counter */
	COLUMN_DELAY,  /* microseconds */
	COLUMN_SINCE,  /* seconds since the epoch */
};

struct column {
	const char *key;  /* in JSON, or NULL: not there */
	const char *head; /* in a table, or NULL: not there */
	uint16_t offset;  /* of its value in struct item */
	uint8_t kind;
};

#define COLUMN(key, head, member, kind) { key, head, offsetof(struct item, member), COLUMN_##kind }

void page_begin(struct page *page, bool measuring);
/* Writes what is left of it. */
void page_end(struct page *page);
/* As it is; and a line of text, made printable. */
void page_put(struct page *page, const char *text);
void page_line(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Those of items for which wanted (NULL: all) is true; in JSON an array. Nothing when there are no
 * items in a table. */
void page_items(struct page *page, const struct column *column, unsigned columns,
		const struct items *items, bool (*wanted)(const struct item *item));

/* Of JSON. text may be NULL. */
void page_key(struct page *page, const char *key);
void page_string(struct page *page, const char *text);
void page_word(struct page *page, const char *word);
/* The beginning, '{' or '[', and the end of an object or array. */
void page_open(struct page *page, const char *bracket);
void page_close(struct page *page, const char *bracket);

#endif
