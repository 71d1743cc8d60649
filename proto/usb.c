/* SPDX-License-Identifier: MIT */
/* Bus ids, class codes and speeds of USB devices. */
#include "proto/usb.h"

#include "proto/op.h"

#include <errno.h>
#include <string.h>

/* Skips a decimal number of 1 to 5 digits without a leading zero; NULL if s begins with none. */
static const char *skip_number(const char *s)
{
	const char *end = s;

	while (*end >= '0' && *end <= '9')
		end++;
	return end > s && end - s <= 5 && *s != '0' ? end : NULL;
}

bool busid_is_device(const char *s)
{
	const char *p = skip_number(s);

	if (!p || *p != '-')
		return false;
	do
		p = skip_number(p + 1);
	while (p && *p == '.');
	return p && !*p && p - s < BUSID_SIZE;
}

static bool is_name_character(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '-' || c == '.' || c == '_' || c == ':';
}

bool busid_is_name(const char *s)
{
	for (unsigned i = 0; i < BUSID_SIZE; i++) {
		if (!s[i])
			return i > 0;
		if (!is_name_character(s[i]))
			return false;
	}
	return false;
}

static const struct {
	uint8_t class;
	char text[9];
} class_name[] = {
	{ 0x01, "audio" },    { 0x02, "comm" },	    { 0x03, "hid" },   { 0x06, "image" },
	{ 0x07, "printer" },  { 0x08, "storage" },  { 0x09, "hub" },   { 0x0b, "chipcard" },
	{ 0x0e, "video" },    { 0xe0, "wireless" }, { 0xff, "vendor" },
};

enum { CLASS_NAMES = sizeof(class_name) / sizeof(*class_name) };

const char *usb_class_text(uint8_t class)
{
	for (unsigned i = 0; i < CLASS_NAMES; i++)
		if (class_name[i].class == class)
			return class_name[i].text;
	return "other";
}

int usb_class_code(const char *text)
{
	for (unsigned i = 0; i < CLASS_NAMES; i++)
		if (!strcmp(class_name[i].text, text))
			return class_name[i].class;
	return -EINVAL;
}

static void append_word(char *buf, size_t size, const char *word)
{
	size_t len = strlen(buf), comma = len ? 1 : 0, more = strlen(word);

	if (len + comma + more >= size)
		return;
	memcpy(buf + len, ",", comma);
	memcpy(buf + len + comma, word, more + 1);
}

void usb_class_words(const struct op_device *device, const struct op_interface *interface,
		     char *buf, size_t size)
{
	buf[0] = '\0';
	if (!device->interfaces && device->class)
		append_word(buf, size, usb_class_text(device->class));
	for (unsigned i = 0; i < device->interfaces; i++) {
		const char *text = usb_class_text(interface[i].class);

		if (!strstr(buf, text))
			append_word(buf, size, text);
	}
}

static const struct {
	char text[9]; /* drivers/usb/core/sysfs.c speed_show() */
	uint8_t speed;
	uint16_t mbits;
} speed_name[] = {
	{ "1.5", 1, 1 },	{ "12", 2, 12 },     { "480", 3, 480 },
	{ "53.3-480", 4, 480 }, { "5000", 5, 5000 }, { "10000", 6, 10000 },
	{ "20000", 6, 10000 },
};

enum { SPEED_NAMES = sizeof(speed_name) / sizeof(*speed_name) };

uint32_t usb_speed_parse(const char *text)
{
	for (unsigned i = 0; i < SPEED_NAMES; i++)
		if (!strcmp(text, speed_name[i].text))
			return speed_name[i].speed;
	return 0;
}

unsigned usb_speed_mbits(uint32_t speed)
{
	for (unsigned i = 0; i < SPEED_NAMES; i++)
		if (speed_name[i].speed == speed)
			return speed_name[i].mbits;
	return 0;
}
