/* SPDX-License-Identifier: MIT */
/*
 * lib/str, proto/busid: any string of up to the length of a sysfs attribute; formats into every size
 * up to 48, whatever vsnprintf(3) returns.
 * SOURCES: lib/str.c proto/usb.c
 * EVA: -eva-precision 1 -eva-plevel 5000 -eva-split-limit 5000 -eva-split-return-function number_parse:0,str_decimal:0,str_hex:0,str_hex_bytes:0:1:2:3:4
 * EVA: -eva-slevel-function prove_str_numbers:200,prove_str_hex_bytes:1000,str_hex_bytes:1000,prove_str_format:1000,busid_is_name:5000
 */
#include "lib/str.h"

#include "proto/usb.h"
#include "tests/prove/prove.h"

#include <errno.h>

enum { MAX = 4096, FORMATTED_MAX = 48, HEX_MAX = 4 };

static char block[MAX + 1];

static const uint32_t limits[] = { 0, 9, 255, 3839, 65535, UINT32_MAX };

void prove_str_numbers(void)
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

/* More digits than there is room for. */
void prove_str_hex_bytes(void)
{
	uint8_t bytes[HEX_MAX];
	const char *s = any_string(block, 2 * HEX_MAX + 3);
	size_t n = str_hex_bytes(s, bytes, HEX_MAX);

	/*@ assert length: n <= HEX_MAX; */
	if (n) {
		/*@ assert set: \initialized(&bytes[0 .. n - 1]); */
	}
	END();
}

void prove_str_printable(void)
{
	str_printable(any_string(block, sizeof(block)));
	/*@ assert terminated: block[MAX] == 0; */
	END();
}

/* Until the end, and once more. */
void prove_str_word(void)
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

void prove_str_line(void)
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
void prove_str_format(void)
{
	/*@ loop unroll FORMATTED_MAX + 1; */
	for (size_t size = 1; size <= FORMATTED_MAX; size++) {
		char *buf = formatted + FORMATTED_MAX - size;
		size_t len = str_format(buf, size, "%s %u", block, (unsigned)any_size(0, UINT32_MAX));

		/*@ assert length: len < size; */
		/*@ assert terminated: valid_read_string(buf); */
	}
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
