/* SPDX-License-Identifier: MIT */
/*
 * usbfs/endpoints: any descriptors of every length up to MAX, or SHORT where the descriptors of a configuration are
 * looked at, in a block that ends with them; and any table that a read can have left.
 * SOURCES: usbfs/endpoints.c
 * HINT: usbfs/endpoints.c:	configuration->p = p;:	//@ split total;
 * HINT: usbfs/endpoints.c:		if (!is_interface(d)):		//@ dynamic_split at;
 * HINT: usbfs/endpoints.c:		if (d[1] == USB_DT_INTERFACE) {:		//@ dynamic_split at;
 * HINT: usbfs/endpoints.c:		if (is_interface(d) && d[2] == interface && d[3] == setting):		//@ dynamic_split at;
 * EVA: -eva-precision 2 -eva-slevel 10000 -eva-split-limit 10000 -eva-split-return full
 * EVA: -eva-slevel-function endpoints_read:100,interface_find:100,endpoint_add:20
 */
#include "usbfs/endpoints.h"

#include "tests/prove/prove.h"

#include <errno.h>

/* The device, its configuration, and the begin of a part; an interface with its endpoint. */
enum { SHORT = 18 + 9 + 2, MAX = 18 + 9 + 9 + 7 };

static uint8_t block[MAX];
static struct usbfs_endpoints table;

static void endpoints_read(size_t len)
{
	int error;

	any_bytes(block, sizeof(block));
	error = usbfs_endpoints_read(block + MAX - len, len, (uint8_t)any_int(0, 255), &table);
	/*@ assert result: error == 0 || error == -ENOENT; */
	/*@ assert interfaces: table.interfaces <= USBFS_INTERFACES_MAX; */
	/*@ assert control: len >= 18 ==> table.in[0].exists == 1 && table.out[0].exists == 1; */
}

void prove_usbfs_endpoints_read(void)
{
	size_t len = any_size(0, SHORT);

	/*@ split len; */
	endpoints_read(len);
	END();
}

static void any_table(void)
{
	any_bytes(&table, sizeof(table));
	table.interfaces = (uint8_t)any_int(0, USBFS_INTERFACES_MAX);
	for (unsigned i = 0; i < 16; i++) {
		table.in[i].exists = any_int(0, 1);
		table.out[i].exists = any_int(0, 1);
	}
}

static void endpoints_set(size_t len)
{
	int error;

	any_bytes(block, sizeof(block));
	any_table();
	error = usbfs_endpoints_set(block + MAX - len, len, &table, (uint8_t)any_int(0, 255),
				    (uint8_t)any_int(0, 255));
	/*@ assert result: error == 0 || error == -ENOENT; */
	/*@ assert interfaces: table.interfaces <= USBFS_INTERFACES_MAX; */
}

void prove_usbfs_endpoints_set(void)
{
	size_t len = any_size(0, SHORT);

	/*@ split len; */
	endpoints_set(len);
	END();
}

void prove_usbfs_configurations(void)
{
	size_t len = any_size(0, MAX);
	uint8_t first;
	unsigned n;

	any_bytes(block, sizeof(block));
	/*@ split len; */
	n = usbfs_configurations(block + MAX - len, len, &first);
	/*@ assert count: n <= len / 9; */
	/*@ assert first: n > 0 ==> \initialized(&first); */
	if (n) {
		/*@ assert some: len >= 27; */
	}
	END();
}

void prove_usbfs_has_configuration(void)
{
	size_t len = any_size(0, MAX);
	bool has;

	any_bytes(block, sizeof(block));
	/*@ split len; */
	has = usbfs_has_configuration(block + MAX - len, len, (uint8_t)any_int(0, 255));
	/*@ assert short: len < 27 ==> !has; */
	END();
}
