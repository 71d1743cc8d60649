/* SPDX-License-Identifier: MIT */
/* Tests of proto/usb: class codes and speeds, as numbers and as words. */
#include "proto/op.h"
#include "proto/usb.h"

#include "tests/check.h"

static void class_texts(void)
{
	CHECK_STR(usb_class_text(0x08), "storage");
	CHECK_STR(usb_class_text(0x03), "hid");
	CHECK_STR(usb_class_text(0xff), "vendor");
	CHECK_STR(usb_class_text(0x00), "other");
	for (unsigned i = 0; i < 256; i++)
		CHECK(*usb_class_text((uint8_t)i));
	CHECK_INT(usb_class_code("hid"), 0x03);
	CHECK_INT(usb_class_code("vendor"), 0xff);
	CHECK_INT(usb_class_code("other"), -EINVAL);
	CHECK_INT(usb_class_code("hidd"), -EINVAL);
	CHECK_INT(usb_class_code("HID"), -EINVAL);
	CHECK_INT(usb_class_code(""), -EINVAL);
	for (unsigned i = 0; i < 256; i++) {
		const char *text = usb_class_text((uint8_t)i);

		if (strcmp(text, "other"))
			CHECK_INT(usb_class_code(text), i);
		CHECK(strlen(text) > 2 || strspn(text, "0123456789abcdefABCDEF") != strlen(text));
	}
}

static void words_are(const char *want, uint8_t class, size_t n, const uint8_t *classes)
{
	struct op_interface interface[OP_INTERFACES_MAX] = { { .class = 0 } };
	struct op_device device = { .class = class, .interfaces = (uint8_t)n };
	char words[100];

	for (size_t i = 0; i < n; i++)
		interface[i].class = classes[i];
	usb_class_words(&device, interface, words, sizeof(words));
	CHECK_STR(words, want);
	/* what does not fit is left out, word by word */
	for (size_t size = 1; size <= strlen(want) + 1; size++) {
		char *small = block(NULL, size);

		usb_class_words(&device, interface, small, size);
		CHECK(strlen(small) < size);
		CHECK(!*small || small[strlen(small) - 1] != ',');
		if (size == strlen(want) + 1)
			CHECK_STR(small, want);
		block_free(small);
	}
}

/* Those of the interfaces, each once; the device's own while there are none. */
static void class_words(void)
{
	static const uint8_t mixed[] = { 0x03, 0x08, 0x03, 0xff, 0x08 };
	uint8_t every[OP_INTERFACES_MAX];

	words_are("", 0, 0, NULL);
	words_are("hub", 9, 0, NULL);
	words_are("other", 0xef, 0, NULL);
	words_are("other", 9, 1, (const uint8_t[]){ 0 });
	words_are("hid", 9, 1, mixed);
	words_are("hid,storage,vendor", 0, LENGTH(mixed), mixed);
	for (size_t i = 0; i < sizeof(every); i++)
		every[i] = (uint8_t)(i + 1);
	words_are("audio,comm,hid,other,image,printer,storage,hub,chipcard,video,wireless,vendor", 0,
		  LENGTH(every), every);
}

static void speeds(void)
{
	/* drivers/usb/core/sysfs.c speed_show(), include/uapi/linux/usb/ch9.h */
	static const struct {
		const char *text;
		uint32_t speed;
	} table[] = {
		{ "1.5", 1 },	 { "12", 2 },	 { "480", 3 },	  { "53.3-480", 4 },
		{ "5000", 5 },	 { "10000", 6 }, { "20000", 6 },  { "unknown", 0 },
		{ "", 0 },	 { "1", 0 },	 { "1.50", 0 },	  { "12 ", 0 },
		{ " 12", 0 },	 { "120", 0 },	 { "4800", 0 },	  { "53.3", 0 },
		{ "53.3-4800", 0 }, { "0", 0 },	 { "40000", 0 },  { "5000\n", 0 },
	};

	for (size_t i = 0; i < LENGTH(table); i++) {
		char *text = block_string(table[i].text);

		CHECK_INT(usb_speed_parse(text), table[i].speed);
		block_free(text);
	}
}

static void speeds_in_mbits(void)
{
	static const unsigned mbits[] = { 0, 1, 12, 480, 480, 5000, 10000, 0 };

	for (uint32_t i = 0; i < LENGTH(mbits); i++)
		CHECK_INT(usb_speed_mbits(i), mbits[i]);
	CHECK_INT(usb_speed_mbits(UINT32_MAX), 0);
}

int main(void)
{
	RUN("t_usb: words for classes and back", class_texts);
	RUN("t_usb: the classes of a device", class_words);
	RUN("t_usb: speeds of sysfs", speeds);
	RUN("t_usb: speeds in Mbit/s", speeds_in_mbits);
	return check_status();
}
