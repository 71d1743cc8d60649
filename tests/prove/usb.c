/* SPDX-License-Identifier: MIT */
/*
 * proto/usb: any codes, any text, and the classes of a device into any room.
 * SOURCES: proto/usb.c
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 */
#include "proto/op.h"
#include "proto/usb.h"

#include "tests/prove/prove.h"

enum { TEXT = 12, INTERFACES = 3 };

static char text[4096];

void prove_usb_texts(void)
{
	const char *word = usb_class_text((uint8_t)any_size(0, UINT8_MAX));
	unsigned mbits = usb_speed_mbits((uint32_t)any_size(0, UINT32_MAX));

	/*@ assert class: \valid_read(word) && word[0] != 0; */
	/*@ assert speed: mbits <= 10000; */
	END();
}

void prove_usb_speed_parse(void)
{
	uint32_t speed = usb_speed_parse(any_string(text, sizeof(text)));

	/*@ assert speed: speed <= 6; */
	END();
}

void prove_usb_class_code(void)
{
	int code = usb_class_code(any_string(text, sizeof(text)));

	/*@ assert code: code <= 255; */
	END();
}

void prove_usb_class_words(void)
{
	struct op_interface interface[INTERFACES];
	struct op_device device;
	char buf[TEXT];
	size_t size = any_size(1, TEXT);

	any_bytes(&device, sizeof(device));
	any_bytes(interface, sizeof(interface));
	device.interfaces = (uint8_t)any_size(0, INTERFACES);
	/*@ split size; */
	usb_class_words(&device, interface, buf + TEXT - size, size);
	/*@ assert begun: \initialized(&buf[TEXT - size]); */
	END();
}
