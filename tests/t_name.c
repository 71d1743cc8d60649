/* SPDX-License-Identifier: MIT */
/* Tests of names in policy/holds: what a device says of itself, and the names that are made of it. */
#include "policy/holds.h"

#include "sysfs/device.h"
#include "tests/tree.h"

#include <ctype.h>

static struct device_strings strings;

static void put(const char *attribute, const void *bytes, size_t len)
{
	char path[100];

	snprintf(path, sizeof(path), DEVICE_DIR "1-1.4/%s", attribute);
	put_bytes(root, path, bytes, len);
}

static void read_them(void)
{
	memset(&strings, 0xa5, sizeof(strings));
	device_strings_read(&sysfs, "1-1.4", &strings);
}

static void as_they_are(void)
{
	start(NULL);
	put("serial", "60A4 4C\n", 8);
	put("product", "Stick\n\x1b[2J \xc3\xa9\xff\n", 15);
	put("manufacturer", "\xe2\x82\xac\n", 4);
	read_them();
	CHECK_STR(strings.serial, "60A4 4C");
	CHECK_STR(strings.product, "Stick\n\x1b[2J \xc3\xa9\xff");
	CHECK_STR(strings.maker, "\xe2\x82\xac");
	put("serial", "a\n\n", 3); /* only the kernel's own newline goes */
	read_them();
	CHECK_STR(strings.serial, "a\n");
	end();
}

/* Absent, empty, or not what the kernel writes. */
static void nothing(void)
{
	start(NULL);
	put("serial", "\n", 1);
	put("product", "", 0);
	read_them();
	CHECK_STR(strings.serial, "");
	CHECK_STR(strings.product, "");
	CHECK_STR(strings.maker, "");
	put("manufacturer", "cut off", 7);
	put_file(root, DEVICE_DIR "1-1.4/serial.d/file", "");
	read_them();
	CHECK_STR(strings.maker, "");
	device_strings_read(&sysfs, "1-2", &strings);
	CHECK_STR(strings.serial, "");
	end();
}

/* Of each length around the most that is kept. */
static void lengths(void)
{
	char text[SYSFS_ATTRIBUTE_SIZE + 2];

	start(NULL);
	for (size_t len = DEVICE_STRING_SIZE - 3; len <= DEVICE_STRING_SIZE + 1; len++) {
		memset(text, 's', len);
		text[len] = '\n';
		put("serial", text, len + 1);
		read_them();
		CHECK_INT(strlen(strings.serial),
			  len < DEVICE_STRING_SIZE ? len : DEVICE_STRING_SIZE - 1);
		CHECK_INT(strings.product[0], '\0'); /* nothing ran over */
	}
	memset(text, 's', sizeof(text));
	text[SYSFS_ATTRIBUTE_SIZE - 1] = '\n'; /* as long as an attribute can be */
	put("serial", text, SYSFS_ATTRIBUTE_SIZE);
	read_them();
	CHECK_INT(strlen(strings.serial), DEVICE_STRING_SIZE - 1);
	end();
}

/* What is cut off is cut off between characters, as proto/urb_query does it: one device, one name. */
static void cut_between_characters(void)
{
	static const char *const character[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };
	char text[DEVICE_STRING_SIZE + 8];

	start(NULL);
	for (size_t c = 0; c < LENGTH(character); c++) {
		size_t more = strlen(character[c]);

		for (size_t len = DEVICE_STRING_SIZE - 5; len < DEVICE_STRING_SIZE; len++) {
			memset(text, 's', len);
			memcpy(text + len, character[c], more);
			text[len + more] = '\n';
			put("serial", text, len + more + 1);
			read_them();
			CHECK_INT(strlen(strings.serial),
				  len + more < DEVICE_STRING_SIZE ? len + more : len);
		}
	}
	memset(text, 0x80, sizeof(text)); /* no character at all */
	text[sizeof(text) - 1] = '\n';
	put("serial", text, sizeof(text));
	read_them();
	CHECK(strlen(strings.serial) < DEVICE_STRING_SIZE);
	end();
}

static void no_leak(void)
{
	unsigned before = open_files();

	as_they_are();
	nothing();
	CHECK_INT(open_files(), before);
}

static void serial_is(const char *serial, const char *want)
{
	char name[DEVICE_NAME_SIZE];

	name_of_serial(name, 0x951, 0xff0a, serial);
	CHECK_STR(name, want);
}

static void by_serial(void)
{
	serial_is("60A44C413F4EE2C0", "0951:ff0a/60A44C413F4EE2C0");
	serial_is("", "0951:ff0a/");
	serial_is("a-z.A_Z+09", "0951:ff0a/a-z.A_Z+09");
	serial_is("a b\tc\nd/e:f@g", "0951:ff0a/a_b_c_d_e_f_g");
	serial_is("\x01\x7f\x80\xff`{[^,*%'\"\\", "0951:ff0a/______________");
	for (unsigned c = 1; c < 256; c++) {
		char serial[2] = { (char)c, '\0' }, want[] = "0951:ff0a/?";

		want[10] = isalnum((int)c) || strchr("-._+", (int)c) ? (char)c : '_';
		serial_is(serial, want);
	}
}

static void by_place(void)
{
	char name[DEVICE_NAME_SIZE];

	name_of_place(name, 0x627, 1, NULL, "1-1.4");
	CHECK_STR(name, "0627:0001@1-1.4");
	name_of_place(name, 0xffff, 0, "pi.lan", "1-1.4");
	CHECK_STR(name, "ffff:0000@pi.lan/1-1.4");
	name_of_place(name, 0, 0xabcd, "fe80::1%eth0", "2-1");
	CHECK_STR(name, "0000:abcd@fe80::1%eth0/2-1");
}

/* The longest of each fits. */
static void longest(void)
{
	char name[DEVICE_NAME_SIZE], serial[DEVICE_STRING_SIZE], host[254];

	memset(serial, 's', sizeof(serial) - 1);
	serial[sizeof(serial) - 1] = '\0';
	name_of_serial(name, 1, 2, serial);
	CHECK_INT(strlen(name), 10 + strlen(serial));
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	name_of_place(name, 1, 2, host, "1-1.2.3.4.5.6");
	CHECK_STR(strchr(name, '/'), "/1-1.2.3.4.5.6");
}

/* What does not fit is cut off. */
static void too_long(void)
{
	char *name = block(NULL, DEVICE_NAME_SIZE), text[2 * DEVICE_NAME_SIZE];

	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	name_of_serial(name, 0x951, 0x1666, text);
	CHECK_INT(strlen(name), DEVICE_NAME_SIZE - 1);
	CHECK_BYTES(name, "0951:1666/ttt", 13);
	name_of_place(name, 0x951, 0x1666, text, "1-1");
	CHECK_INT(strlen(name), DEVICE_NAME_SIZE - 1);
	CHECK_BYTES(name, "0951:1666@ttt", 13);
	block_free(name);
}

int main(void)
{
	RUN("t_name: strings as they are", as_they_are);
	RUN("t_name: a device that says nothing", nothing);
	RUN("t_name: long strings", lengths);
	RUN("t_name: a long string ends with a whole character", cut_between_characters);
	RUN("t_name: no descriptor is left open", no_leak);
	RUN("t_name: by the serial number", by_serial);
	RUN("t_name: by the place", by_place);
	RUN("t_name: the longest", longest);
	RUN("t_name: longer than fits", too_long);
	return check_status();
}
