/* SPDX-License-Identifier: MIT */
/*
 * sysfs/uevent: any message of every length up to SHORT and of some longer, up to the size of the
 * buffer they are received in, in a block that ends with them.
 * SOURCES: sysfs/uevent.c
 * EVA: -eva-precision 1 -eva-plevel 5000 -eva-split-limit 5000
 */
#include "sysfs/device.h"

#include "tests/prove/prove.h"

enum { SHORT = 40, LONGEST = 4096 };

static char block[LONGEST];

static void parsed(char *message, size_t len)
{
	enum uevent event;

	any_bytes(block, sizeof(block));
	event = uevent_parse(message, len);
	/*@ assert result: event == UEVENT_OTHER || event == UEVENT_LOCAL ||
	        event == UEVENT_IMPORTED; */
}

void prove_uevent_parse(void)
{
	size_t len = any_size(0, SHORT);

	/*@ split len; */
	parsed(block + sizeof(block) - len, len);
	END();
}

/* There is nothing before them, either. */
void prove_uevent_parse_at_begin(void)
{
	size_t len = any_size(0, SHORT);

	/*@ split len; */
	parsed(block, len);
	END();
}

void prove_uevent_parse_long(void)
{
	parsed(block + sizeof(block) - 255, 255);
	parsed(block + sizeof(block) - 1024, 1024);
	parsed(block + 1, LONGEST - 1);
	parsed(block, LONGEST);
	END();
}
