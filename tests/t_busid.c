/* SPDX-License-Identifier: MIT */
/* Tests of proto/usb, bus ids: what is a device of the local kernel, and what a peer may name one. */
#include "proto/usb.h"
#include "tests/check.h"

#define LONG_28 "1-1.1.1.1.1.1.1.1.1.1.1.1.1."
#define NAME_31 "abcdefghijklmnopqrstuvwxyzABCDE"

static const struct {
	const char *text;
	bool device, name;
} table[] = {
	{ "1-1", true, true },
	{ "1-1.4", true, true },
	{ "1-1.4.2", true, true },
	{ "10-15.255", true, true },
	{ "2-9.8.7.6.5.4", true, true },
	{ "12345-67890", true, true },
	{ "123456-1", false, true },
	{ "1-123456", false, true },
	{ "1-1.123456", false, true },
	{ LONG_28 "123", true, true }, /* 31 characters */
	{ LONG_28 "1234", false, false }, /* 32 */
	{ LONG_28 "1.1", true, true },
	{ LONG_28 "1.1.1", false, false },
	{ NAME_31, false, true },
	{ NAME_31 "F", false, false },
	{ NAME_31 NAME_31, false, false },
	{ "", false, false },
	{ "1", false, true },
	{ "-", false, true },
	{ "1-", false, true },
	{ "-1", false, true },
	{ "1-1.", false, true },
	{ "1-.1", false, true },
	{ "1-1..1", false, true },
	{ "1.1", false, true },
	{ "1-1-1", false, true },
	{ "0-1", false, true },
	{ "01-1", false, true },
	{ "1-0", false, true },
	{ "1-01", false, true },
	{ "1-1.0", false, true },
	{ "1-1.01", false, true },
	{ "usb1", false, true },
	{ "1-1:1.0", false, true },
	{ "1-0:1.0", false, true },
	{ "usbip-vudc.0", false, true },
	{ ".", false, true },
	{ "..", false, true },
	{ "../x", false, false },
	{ "../1-1", false, false },
	{ "1-1/..", false, false },
	{ "/", false, false },
	{ "1-1/1-1.1", false, false },
	{ "1-1 ", false, false },
	{ " 1-1", false, false },
	{ "1-1\n", false, false },
	{ "1-1\t", false, false },
	{ "+1-1", false, false },
	{ "1-+1", false, false },
	{ "a-b", false, true },
	{ "1-a", false, true },
	{ "1-1a", false, true },
	{ "1_1", false, true },
	{ "1-1\x7f", false, false },
	{ "1-1\xc3\xa9", false, false },
	{ "\xb1-\xb1", false, false },
	{ "1-1\x1b[2J", false, false },
	{ "1-1;rm", false, false },
	{ "%s", false, false },
	{ "1-1$", false, false },
	{ "*", false, false },
};

int main(void)
{
	for (size_t i = 0; i < LENGTH(table); i++) {
		char *s = block_string(table[i].text);

		check_begin("t_busid: #%zu of %zu characters, %.33s", i, strlen(s),
			    strpbrk(s, "\n\t\x1b") ? "control characters" : s);
		CHECK_INT(busid_is_device(s), table[i].device);
		CHECK_INT(busid_is_name(s), table[i].name);
		check_end();
		block_free(s);
	}
	return check_status();
}
