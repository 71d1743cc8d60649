/* SPDX-License-Identifier: MIT */
/*
 * lib/str, proto/busid: any string of up to a sysfs attribute's length; every format that the
 * product uses, with arguments of up to
 * 300 characters, into every size up to 48.
 * SOURCES: lib/str.c proto/busid.c
 * EVA: -eva-precision 1 -eva-plevel 5000 -eva-split-limit 5000 -eva-split-return-function number:0,str_decimal:0,str_hex:0
 * EVA: -eva-slevel-function prove_text_numbers:200,str_vformat:500,put_number:100,prove_text_format:1000,any_format:100,busid_is_name:5000
 */
#include "lib/str.h"

#include "proto/busid.h"
#include "tests/prove/prove.h"

#include <errno.h>

enum { MAX = 4096, FORMATTED_MAX = 48, ARGUMENT_MAX = 300 };

static char block[MAX + 1];

static const uint32_t limits[] = { 0, 9, 255, 3839, 65535, UINT32_MAX };

void prove_text_numbers(void)
{
	/*@ loop unroll 6; */
	for (unsigned i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		const char *s = any_string(block, sizeof(block));
		uint32_t value, max = limits[i];
		int error = any_int(0, 1) ? str_decimal(s, max, &value) : str_hex(s, max, &value);

		/*@ assert result: error == 0 || error == -EINVAL || error == -ERANGE; */
		if (!error) {
			/*@ assert value: value <= max; */
		}
	}
	END();
}

void prove_text_printable(void)
{
	str_printable(any_string(block, sizeof(block)));
	/*@ assert terminated: block[MAX] == 0; */
	END();
}

/* Until the end, and once more. */
void prove_text_word(void)
{
	char *cursor = any_string(block, sizeof(block)), *word;

	do {
		word = str_word(&cursor);
		/*@ assert inside: &block[0] <= cursor <= &block[MAX]; */
		if (word) {
			/*@ assert word: &block[0] <= word < &block[MAX]; */
		}
		/*@ assert terminated: block[MAX] == 0; */
	} while (word);
	word = str_word(&cursor);
	/*@ assert inside_still: &block[0] <= cursor <= &block[MAX]; */
	END();
}

void prove_text_line(void)
{
	char *cursor = any_string(block, sizeof(block)), *line;

	do {
		line = str_line(&cursor);
		/*@ assert inside: &block[0] <= cursor <= &block[MAX]; */
		if (line) {
			/*@ assert line: &block[0] <= line < &block[MAX]; */
		}
		/*@ assert terminated: block[MAX] == 0; */
	} while (line);
	END();
}

static char formatted[FORMATTED_MAX];
static char argument[2][ARGUMENT_MAX + 1];

/* Any call that the product makes; buf is the last size bytes of its block. */
static size_t any_format(char *buf, size_t size)
{
	const char *s = any_string(argument[0], ARGUMENT_MAX + 1);
	const char *t = any_string(argument[1], ARGUMENT_MAX + 1);
	unsigned u = (unsigned)any_size(0, UINT32_MAX), v = (unsigned)any_size(0, UINT32_MAX);

	switch (any_int(0, 9)) {
	case 0:
		return str_format(buf, size, "%s", s);
	case 1:
		return str_format(buf, size, "%u", u);
	case 2:
		return str_format(buf, size, "%s/port%u", s, u);
	case 3:
		return str_format(buf, size, "%s %s %s\n", s, t, s);
	case 4:
		return str_format(buf, size, "[%s]:%s", s, t);
	case 5:
		return str_format(buf, size, "%s (%04x:%04x)", s, u, v);
	case 6:
		return str_format(buf, size, "%u %u %u %u", u, v, u, v);
	case 7:
		return str_format(buf, size, "%-8s|%-40s", s, t);
	case 8:
		return str_format(buf, size, "%010u%08x%%", u, v);
	default:
		return str_format(buf, size, "devices/platform/vhci_hcd.%u/driver", u);
	}
}

void prove_text_format(void)
{
	size_t size = any_size(1, FORMATTED_MAX), len;

	/*@ split size; */
	len = any_format(formatted + FORMATTED_MAX - size, size);
	/*@ assert length: len < size; */
	END();
}

void prove_busid_is_device(void)
{
	bool is = busid_is_device(any_string(block, sizeof(block)));

	/*@ assert result: is == 0 || is == 1; */
	END();
}

void prove_busid_is_name(void)
{
	size_t len = any_size(0, BUSID_SIZE);
	bool is;

	any_bytes(block, sizeof(block));
	block[MAX] = '\0';
	is = busid_is_name(block + any_size(0, MAX - BUSID_SIZE)); /* it ends anywhere, or not soon */
	/*@ assert result: is == 0 || is == 1; */
	/*@ split len; */
	is = busid_is_name(block + MAX - len);
	/*@ assert result_at_end: is == 0 || is == 1; */
	END();
}
