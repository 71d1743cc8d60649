/* SPDX-License-Identifier: MIT */
/*
 * Fuzz entry: the endpoints of any descriptors, in every configuration and after every SET_INTERFACE. Each is where
 * its number says, and belongs to an interface of the table; and one setting after the other ends as the last alone.
 */
#include "tests/fuzz/fuzz.h"
#include "usbfs/endpoints.h"

#include <errno.h>

static const struct usbfs_endpoints nothing;

static bool has_interface(const struct usbfs_endpoints *table, uint8_t interface)
{
	for (unsigned i = 0; i < table->interfaces; i++)
		if (table->interface[i] == interface)
			return true;
	return false;
}

static void check_endpoint(const struct usbfs_endpoints *table, const struct usbfs_endpoint *e)
{
	if (!e->exists) {
		HOLDS(!memcmp(e, &nothing.in[0], sizeof(*e)));
		return;
	}
	HOLDS(e->type < 4 && e->max_packet <= 0x7ff && has_interface(table, e->interface));
}

static void check_table(const struct usbfs_endpoints *table)
{
	HOLDS(table->interfaces <= USBFS_INTERFACES_MAX);
	for (unsigned i = 0; i < table->interfaces; i++)
		for (unsigned j = 0; j < i; j++)
			HOLDS(table->interface[i] != table->interface[j]);
	for (unsigned i = 1; i < 16; i++) {
		check_endpoint(table, &table->in[i]);
		check_endpoint(table, &table->out[i]);
		if (table->in[i].exists && !table->in[i].type)
			HOLDS(!memcmp(&table->in[i], &table->out[i], sizeof(table->in[i])));
	}
	HOLDS(table->in[0].exists && table->out[0].exists && !table->in[0].type);
}

/* Every setting that there is, of each interface of the table. */
static void check_settings(const uint8_t *data, size_t size, const struct usbfs_endpoints *first)
{
	struct usbfs_endpoints table = *first, alone;

	for (unsigned i = 0; i < table.interfaces && i < 3; i++) {
		uint8_t interface = table.interface[i], setting = table.setting[i];

		for (unsigned other = 0; other < 4; other++) {
			struct usbfs_endpoints before = table;

			if (usbfs_endpoints_set(data, size, &table, interface, (uint8_t)other)) {
				HOLDS(!memcmp(&table, &before, sizeof(table)));
				continue;
			}
			check_table(&table);
			alone = *first;
			HOLDS(!usbfs_endpoints_set(data, size, &alone, interface, (uint8_t)other));
			HOLDS(!memcmp(&table, &alone, sizeof(table)));
		}
		/* back to where it was */
		HOLDS(!usbfs_endpoints_set(data, size, &table, interface, setting));
		HOLDS(!memcmp(&table, first, sizeof(table)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size + 1), first = 0; /* its last byte is the block's last */
	unsigned configurations, values = 0;

	HOLDS(exact);
	memcpy(exact + 1, data, size);
	configurations = usbfs_configurations(exact + 1, size, &first);
	HOLDS(configurations <= size / 9);
	HOLDS(!configurations || usbfs_has_configuration(exact + 1, size, first));
	for (unsigned value = 0; value < 256; value++) {
		bool has = usbfs_has_configuration(exact + 1, size, (uint8_t)value);
		struct usbfs_endpoints table;

		values += has;
		if (!has && value % 50)
			continue;
		HOLDS(usbfs_endpoints_read(exact + 1, size, (uint8_t)value, &table) ==
		      (has ? 0 : -ENOENT));
		if (has) {
			HOLDS(table.configuration == value);
			check_table(&table);
			check_settings(exact + 1, size, &table);
		} else {
			HOLDS(!table.configuration && !table.interfaces);
		}
	}
	HOLDS(values <= configurations && (!configurations || values));
	free(exact);
	return 0;
}
