/* SPDX-License-Identifier: MIT */
/* What is written to standard output: tables for people or JSON for programs. */
#include "show/page.h"

#include "proto/json.h"
#include "proto/text.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CELL_SIZE = 384, NUMBER_SIZE = 24 };

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
#define HASH_START 2166136261u
#define HASH_PRIME 16777619u

static_assert(CELL_SIZE > sizeof(((struct item *)0)->state), "room for every cell");
static_assert(CELL_SIZE > sizeof(((struct item *)0)->name), "room for every cell");

void page_begin(struct page *page, bool measuring)
{
	page->measuring = measuring;
	page->table = 0;
	page->comma = false;
	if (!measuring)
		return;
	page->hash = HASH_START;
	page->now = time(NULL);
	memset(page->width, 0, sizeof(page->width));
}

static void flush(struct page *page)
{
	size_t at = 0;

	while (at < page->len && !page->failed) {
		ssize_t n = write(STDOUT_FILENO, page->buf + at, page->len - at);

		if (n > 0)
			at += (size_t)n;
		else
			page->failed = n < 0 && errno != EINTR;
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
	for (; *text; text++) {
		if (!page->measuring) {
			page->buf[page->len++] = *text;
			if (page->len == sizeof(page->buf))
				flush(page);
		} else if (!changes) {
			page->hash = (page->hash ^ (uint8_t)*text) * HASH_PRIME;
		}
	}
}

void page_put(struct page *page, const char *text)
{
	put(page, text, false);
}

void page_line(struct page *page, const char *format, ...)
{
	char line[CELL_SIZE + 256];
	va_list args;

	va_start(args, format);
	text_vformat(line, sizeof(line), format, args);
	va_end(args);
	text_printable(line);
	page_put(page, line);
	page_put(page, "\n");
}

static void decimal(char *buf, uint64_t n)
{
	char digits[NUMBER_SIZE], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + n % 10);
	while (n /= 10);
	text_format(buf, NUMBER_SIZE, "%s", p);
}

/* "640 B", "1.2 MB". unit are names, each for a thousand of the one before. */
static void in_units(char *buf, uint64_t n, const char (*unit)[3], unsigned units)
{
	unsigned i = 0, rest = 0;

	for (; n >= 1000 && i + 1 < units; i++) {
		rest = (unsigned)(n % 1000);
		n /= 1000;
	}
	if (i && n < 10)
		text_format(buf, NUMBER_SIZE, "%u.%u %s", (unsigned)n, rest / 100, unit[i]);
	else
		text_format(buf, NUMBER_SIZE, "%u %s", (unsigned)n, unit[i]);
}

/* "42s", "7m", "3h05m", "2d13h" */
static void age(char *buf, uint64_t seconds)
{
	unsigned minutes = (unsigned)(seconds / 60), hours = minutes / 60;

	if (!minutes)
		text_format(buf, NUMBER_SIZE, "%us", (unsigned)seconds);
	else if (!hours)
		text_format(buf, NUMBER_SIZE, "%um", minutes);
	else if (hours < 24)
		text_format(buf, NUMBER_SIZE, "%uh%02um", hours, minutes % 60);
	else
		text_format(buf, NUMBER_SIZE, "%ud%uh", hours / 24, hours % 24);
}

/* A value as text, for people or not; NULL: unknown. */
static const char *value(const struct page *page, const struct item *item,
			 const struct column *column, char *buf)
{
	static const char bytes[][3] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
	static const char delay[][3] = { "us", "ms", "s" };
	const void *at = (const char *)item + column->offset;
	const char *text = at;
	uint64_t n;

	if (column->kind == COLUMN_WORD)
		memcpy(&text, at, sizeof(text));
	if (column->kind <= COLUMN_DIGITS)
		return text && *text ? text : NULL;
	memcpy(&n, at, sizeof(n));
	if (n == UNKNOWN)
		return NULL;
	if (page->json || column->kind == COLUMN_NUMBER)
		decimal(buf, n);
	else if (column->kind == COLUMN_BYTES)
		in_units(buf, n, bytes, sizeof(bytes) / sizeof(*bytes));
	else if (column->kind == COLUMN_DELAY)
		in_units(buf, n, delay, sizeof(delay) / sizeof(*delay));
	else
		age(buf, (uint64_t)page->now > n ? (uint64_t)page->now - n : 0);
	return buf;
}

static void cell(struct page *page, unsigned i, const char *text, bool changes, bool last)
{
	unsigned *width = &page->width[page->table][i], len;
	char plain[CELL_SIZE];

	len = (unsigned)text_format(plain, sizeof(plain), "%s", text);
	text_printable(plain);
	if (page->measuring && len > *width)
		*width = len;
	put(page, plain, changes);
	if (last) {
		page_put(page, "\n");
		return;
	}
	put(page, "  ", false);
	for (; !page->measuring && len < *width; len++)
		put(page, " ", true);
}

/* The heads, if item is NULL. */
static void row(struct page *page, const struct item *item, const struct column *column,
		unsigned columns)
{
	char buf[NUMBER_SIZE];

	for (unsigned i = 0; i < columns; i++, column++) {
		const char *text = column->head;

		if (item && text)
			text = value(page, item, column, buf);
		if (column->head)
			cell(page, i, text ? text : "-", item && column->kind >= COLUMN_BYTES,
			     i + 1 == columns);
	}
}

static void object(struct page *page, const struct item *item, const struct column *column,
		   unsigned columns)
{
	char buf[NUMBER_SIZE];

	page_open(page, "{");
	for (unsigned i = 0; i < columns; i++, column++) {
		const char *text;

		if (!column->key)
			continue;
		text = value(page, item, column, buf);
		page_key(page, column->key);
		if (!text || column->kind <= COLUMN_WORD) {
			page_string(page, text);
			continue;
		}
		put(page, text, column->kind == COLUMN_BYTES || column->kind == COLUMN_DELAY);
		page->comma = true;
	}
	page_close(page, "}");
}

void page_items(struct page *page, const struct column *column, unsigned columns,
		const struct items *items, bool (*wanted)(const struct item *item))
{
	const struct item *item = items->item;
	bool any = false;

	if (page->json)
		page_open(page, "[");
	for (unsigned i = 0; i < items->count; i++, item++) {
		if (wanted && !wanted(item))
			continue;
		if (page->json) {
			object(page, item, column, columns);
			continue;
		}
		if (!any)
			row(page, NULL, column, columns);
		any = true;
		row(page, item, column, columns);
	}
	if (page->json)
		page_close(page, "]");
	page->table++;
}

/* Before a value. */
static void comma(struct page *page)
{
	if (page->comma)
		page_put(page, ",");
	page->comma = true;
}

void page_key(struct page *page, const char *key)
{
	page_string(page, key);
	page_put(page, ":");
	page->comma = false;
}

void page_string(struct page *page, const char *text)
{
	char buf[CELL_SIZE * JSON_BYTE_MAX];

	if (!text) {
		page_word(page, "null");
		return;
	}
	comma(page);
	json_string(buf, sizeof(buf), text);
	page_put(page, buf);
}

void page_word(struct page *page, const char *word)
{
	comma(page);
	page_put(page, word);
}

void page_open(struct page *page, const char *bracket)
{
	page_word(page, bracket);
	page->comma = false;
}

void page_close(struct page *page, const char *bracket)
{
	page_put(page, bracket);
	page->comma = true;
}
