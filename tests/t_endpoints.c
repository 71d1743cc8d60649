/* SPDX-License-Identifier: MIT */
/*
 * Tests of usbfs/endpoints: devices with several configurations, gaps between interface numbers,
 * alternate settings; and descriptors that lie, which the kernel reads in a certain way.
 */
#include "usbfs/endpoints.h"

#include "tests/check.h"

enum { CONTROL, ISO, BULK, INTERRUPT };

#define LE16(n) (uint8_t)(n), (uint8_t)((n) >> 8)
#define DEVICE 18, 1, 0, 2, 0, 0, 0, 64, 0x51, 9, 0x66, 0x16, 0, 1, 1, 2, 3, 1
#define CONFIGURATION(total, value) 9, 2, LE16(total), 1, value, 0, 0x80, 50
#define INTERFACE(number, setting, endpoints) 9, 4, number, setting, endpoints, 255, 0, 0, 0
#define ENDPOINT(address, type, size, interval) 7, 5, address, type, LE16(size), interval

/* A sound card with two configurations, and interfaces 0, 2, 7. */
static const uint8_t sound[] = {
	DEVICE,
	CONFIGURATION(106, 3),
	9, 4, 0, 0, 1, 1, 1, 0, 0,
	8, 0x24, 1, 2, 3, 4, 5, 6, /* of a class */
	ENDPOINT(0x83, INTERRUPT, 8, 9),
	INTERFACE(2, 0, 0),
	INTERFACE(2, 1, 1),
	9, 5, 0x01, ISO | 4 << 2, LE16(200), 4, 0, 0x85, /* an endpoint of audio is longer */
	INTERFACE(2, 2, 2),
	ENDPOINT(0x01, ISO, 0x1000 | 1023, 1), /* three in a microframe */
	ENDPOINT(0x81, ISO, 3, 4),
	INTERFACE(7, 0, 2),
	ENDPOINT(0x0f, BULK, 512, 0),
	ENDPOINT(0x8f, BULK, 512, 0),
	CONFIGURATION(25, 9),
	INTERFACE(4, 0, 1),
	ENDPOINT(0x82, BULK, 1024, 0),
};

static struct usbfs_endpoints table;

/* From a block that ends where they end. */
static int read_bytes(const uint8_t *bytes, size_t len, uint8_t configuration)
{
	uint8_t *p = block(bytes, len);
	int error;

	memset(&table, 0xa5, sizeof(table));
	error = usbfs_endpoints_read(p, len, configuration, &table);
	block_free(p);
	return error;
}

static int set_bytes(const uint8_t *bytes, size_t len, uint8_t interface, uint8_t setting)
{
	uint8_t *p = block(bytes, len);
	int error = usbfs_endpoints_set(p, len, &table, interface, setting);

	block_free(p);
	return error;
}

#define READ(bytes, configuration) read_bytes(bytes, sizeof(bytes), configuration)
#define SET(bytes, interface, setting) set_bytes(bytes, sizeof(bytes), interface, setting)

/* How many there are beside the control endpoint. */
static unsigned endpoints(void)
{
	unsigned n = 0;

	for (unsigned i = 1; i < 16; i++)
		n += (unsigned)table.in[i].exists + table.out[i].exists;
	return n;
}

static void check_endpoint(const struct usbfs_endpoint *endpoint, unsigned type, unsigned interface,
			   unsigned max_packet, unsigned interval)
{
	CHECK(endpoint->exists);
	CHECK_INT(endpoint->type, type);
	CHECK_INT(endpoint->interface, interface);
	CHECK_INT(endpoint->max_packet, max_packet);
	CHECK_INT(endpoint->interval, interval);
}

static void check_control(unsigned max_packet)
{
	check_endpoint(&table.in[0], CONTROL, 0, max_packet, 0);
	check_endpoint(&table.out[0], CONTROL, 0, max_packet, 0);
}

static void after_set_configuration(void)
{
	CHECK_INT(READ(sound, 3), 0);
	CHECK_INT(table.configuration, 3);
	CHECK_INT(table.interfaces, 3);
	CHECK_INT(table.interface[0], 0);
	CHECK_INT(table.interface[1], 2);
	CHECK_INT(table.interface[2], 7);
	for (unsigned i = 0; i < 3; i++)
		CHECK_INT(table.setting[i], 0);
	check_control(64);
	check_endpoint(&table.in[3], INTERRUPT, 0, 8, 9);
	check_endpoint(&table.out[15], BULK, 7, 512, 0);
	check_endpoint(&table.in[15], BULK, 7, 512, 0);
	CHECK_INT(endpoints(), 3);

	CHECK_INT(READ(sound, 9), 0);
	CHECK_INT(table.configuration, 9);
	CHECK_INT(table.interfaces, 1);
	CHECK_INT(table.interface[0], 4);
	check_endpoint(&table.in[2], BULK, 4, 1024, 0);
	CHECK_INT(endpoints(), 1);
}

static void after_set_interface(void)
{
	CHECK_INT(READ(sound, 3), 0);
	CHECK_INT(SET(sound, 2, 2), 0);
	check_control(64);
	check_endpoint(&table.out[1], ISO, 2, 1023, 1);
	check_endpoint(&table.in[1], ISO, 2, 3, 4);
	CHECK_INT(endpoints(), 5);
	CHECK_INT(SET(sound, 2, 1), 0);
	check_endpoint(&table.out[1], ISO, 2, 200, 4);
	check_endpoint(&table.in[3], INTERRUPT, 0, 8, 9);
	CHECK_INT(endpoints(), 4);
	CHECK_INT(table.setting[0], 0);
	CHECK_INT(table.setting[1], 1);
	CHECK_INT(table.setting[2], 0);
	CHECK_INT(SET(sound, 7, 0), 0);
	CHECK_INT(table.setting[1], 1);
	CHECK_INT(endpoints(), 4);
	CHECK_INT(SET(sound, 2, 0), 0);
	CHECK_INT(endpoints(), 3);
}

static void no_such(void)
{
	static const uint8_t pair[][2] = { { 0, 1 }, { 1, 0 }, { 2, 3 }, { 4, 0 }, { 7, 1 }, { 255, 0 } };
	struct usbfs_endpoints before;

	CHECK_INT(READ(sound, 3), 0);
	CHECK_INT(SET(sound, 2, 1), 0);
	before = table;
	for (size_t i = 0; i < LENGTH(pair); i++) {
		CHECK_INT(SET(sound, pair[i][0], pair[i][1]), -ENOENT);
		CHECK_BYTES(&table, &before, sizeof(table));
	}
	CHECK_INT(set_bytes(sound, 18, 2, 1), -ENOENT);
	CHECK_BYTES(&table, &before, sizeof(table));
}

static void unconfigured(void)
{
	static const uint8_t value[] = { 0, 1, 2, 4, 255 };

	for (size_t i = 0; i < LENGTH(value); i++) {
		CHECK_INT(READ(sound, value[i]), -ENOENT);
		CHECK_INT(table.configuration, 0);
		CHECK_INT(table.interfaces, 0);
		check_control(64);
		CHECK_INT(endpoints(), 0);
		CHECK_INT(SET(sound, 0, 0), -ENOENT);
	}
}

static void values(void)
{
	static const uint8_t zero[] = { DEVICE, CONFIGURATION(9, 0), CONFIGURATION(9, 7) };
	uint8_t first = 77;

	CHECK_INT(usbfs_configurations(sound, sizeof(sound), &first), 2);
	CHECK_INT(first, 3);
	for (unsigned value = 0; value < 256; value++)
		CHECK_INT(usbfs_has_configuration(sound, sizeof(sound), (uint8_t)value),
			  value == 3 || value == 9);
	CHECK_INT(usbfs_configurations(zero, sizeof(zero), &first), 2);
	CHECK_INT(first, 0);
	CHECK(usbfs_has_configuration(zero, sizeof(zero), 0));
	first = 77;
	CHECK_INT(usbfs_configurations(sound, 18, &first), 0);
	CHECK_INT(usbfs_configurations(sound, 17, &first), 0);
	CHECK_INT(usbfs_configurations(NULL, 0, &first), 0);
	CHECK_INT(first, 77);
}

/* A superspeed device has a power of 2 there. */
static void control_endpoint(void)
{
	static const unsigned row[][2] = { { 8, 8 }, { 9, 512 }, { 10, 10 }, { 64, 64 }, { 255, 255 } };
	uint8_t bytes[sizeof(sound)];

	memcpy(bytes, sound, sizeof(sound));
	for (size_t i = 0; i < LENGTH(row); i++) {
		bytes[7] = (uint8_t)row[i][0];
		CHECK_INT(READ(bytes, 3), 0);
		check_control(row[i][1]);
	}
	CHECK_INT(read_bytes(sound, 18, 3), -ENOENT);
	check_control(64);
	for (size_t len = 0; len < 18; len++) {
		CHECK_INT(read_bytes(sound, len, 3), -ENOENT);
		CHECK(!table.in[0].exists);
		CHECK(!table.out[0].exists);
	}
}

/* Nothing behind the end is read, and what is before it counts. */
static void every_length(void)
{
	for (size_t len = 0; len <= sizeof(sound); len++) {
		CHECK_INT(read_bytes(sound, len, 3), len < 27 ? -ENOENT : 0);
		CHECK_INT(table.interfaces, (len >= 36) + (len >= 60) + (len >= 110));
		CHECK_INT(endpoints(), (len >= 51) + (len >= 117) + (len >= 124));
		CHECK_INT(set_bytes(sound, len, 2, 2), len < 87 ? -ENOENT : 0);
		CHECK_INT(read_bytes(sound, len, 9), len < 133 ? -ENOENT : 0);
		CHECK_INT(table.interfaces, len >= 142);
	}
}

/* What the kernel makes of descriptors that lie: the configuration 1 of bytes. */
static void total_lengths(void)
{
	uint8_t bytes[] = {
		DEVICE,
		CONFIGURATION(25, 1),
		INTERFACE(0, 0, 1),
		ENDPOINT(0x81, INTERRUPT, 64, 0),
		CONFIGURATION(9, 2),
	};
	uint8_t first;

	/* of the first one less than there is: the rest of it is no configuration */
	for (uint8_t total = 0; total < 25; total++) {
		bytes[18 + 2] = total;
		CHECK_INT(READ(bytes, 1), total < 9 ? -ENOENT : 0);
		CHECK_INT(table.interfaces, total >= 18);
		CHECK_INT(endpoints(), 0);
		CHECK_INT(usbfs_configurations(bytes, sizeof(bytes), &first), total >= 9);
		CHECK(!usbfs_has_configuration(bytes, sizeof(bytes), 2));
	}
	/* more: the next one is thought to be a part of it */
	bytes[18 + 2] = 26;
	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(endpoints(), 1);
	CHECK_INT(usbfs_configurations(bytes, sizeof(bytes), &first), 1);
	bytes[18 + 3] = 0xff;
	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(endpoints(), 1);
	CHECK_INT(usbfs_configurations(bytes, sizeof(bytes), &first), 1);
}

static void configuration_heads(void)
{
	static const struct {
		unsigned at;
		uint8_t value;
		unsigned configurations, endpoints;
	} row[] = {
		{ 18, 8, 0, 0 }, { 18, 10, 1, 0 }, /* its second descriptor begins in its first */
		{ 18, 0, 0, 0 }, { 18, 255, 1, 0 }, { 19, 4, 0, 0 }, { 19, 7, 0, 0 },
		{ 18, 9, 1, 1 }, { 0, 0, 1, 1 }, { 1, 0, 1, 1 }, { 17, 0, 1, 1 },
	};
	static const uint8_t good[] = {
		DEVICE, CONFIGURATION(25, 1), INTERFACE(0, 0, 1), ENDPOINT(0x81, BULK, 64, 0),
	};
	uint8_t bytes[sizeof(good)], first;

	for (size_t i = 0; i < LENGTH(row); i++) {
		memcpy(bytes, good, sizeof(good));
		bytes[row[i].at] = row[i].value;
		CHECK_INT(usbfs_configurations(bytes, sizeof(bytes), &first),
			  row[i].configurations);
		READ(bytes, 1);
		CHECK_INT(endpoints(), row[i].endpoints);
	}
}

static void part_lengths(void)
{
	static const uint8_t good[] = {
		DEVICE, CONFIGURATION(41, 1),
		INTERFACE(0, 0, 2), /* at 27 */
		ENDPOINT(0x81, BULK, 64, 0), /* 36 */
		ENDPOINT(0x02, BULK, 64, 0), /* 43 */
		INTERFACE(1, 0, 0), /* 50 */
	};
	static const struct {
		unsigned at;
		uint8_t value;
		unsigned interfaces, endpoints;
	} row[] = {
		{ 27, 9, 2, 2 },
		{ 36, 0, 1, 0 }, { 36, 1, 1, 0 }, /* ends it */
		{ 36, 23, 1, 1 }, { 36, 24, 1, 0 }, /* up to the end, and beyond */
		{ 36, 14, 2, 1 }, /* one that is longer hides the next */
		{ 43, 0, 1, 1 }, { 43, 7, 2, 2 }, { 43, 16, 1, 2 }, { 43, 17, 1, 1 },
		{ 50, 10, 1, 2 }, { 50, 8, 1, 2 }, { 50, 1, 1, 2 },
		{ 28, 2, 1, 0 }, /* no interface, so its endpoints are nobody's */
		{ 37, 4, 2, 0 }, /* an interface that is too short is none, but ends one */
	};

	for (size_t i = 0; i < LENGTH(row); i++) {
		uint8_t bytes[sizeof(good)];

		memcpy(bytes, good, sizeof(good));
		bytes[row[i].at] = row[i].value;
		CHECK_INT(READ(bytes, 1), 0);
		CHECK_INT(table.interfaces, row[i].interfaces);
		CHECK_INT(endpoints(), row[i].endpoints);
	}
}

static void short_parts(void)
{
	static const uint8_t bytes[] = {
		DEVICE, CONFIGURATION(50, 1),
		8, 4, 0, 0, 1, 255, 0, 0, /* an interface that is too short */
		ENDPOINT(0x81, BULK, 64, 0),
		INTERFACE(1, 0, 2),
		6, 5, 0x82, BULK, LE16(64), /* and an endpoint */
		2, 5,
		ENDPOINT(0x83, BULK, 64, 0),
		2, 4,
	};

	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, 1);
	CHECK_INT(table.interface[0], 1);
	CHECK_INT(endpoints(), 1);
	check_endpoint(&table.in[3], BULK, 1, 64, 0);
}

/* The rest of the configuration is not looked at. */
static void no_part(void)
{
	static const uint8_t bytes[] = {
		DEVICE, CONFIGURATION(35, 1),
		INTERFACE(0, 0, 1), 1, INTERFACE(1, 0, 1), ENDPOINT(0x81, BULK, 64, 0),
	};

	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, 1);
	CHECK_INT(endpoints(), 0);
}

/* bNumEndpoints counts those that are used. */
static void endpoint_counts(void)
{
	uint8_t bytes[] = {
		DEVICE, CONFIGURATION(55, 1),
		INTERFACE(0, 0, 0),
		ENDPOINT(0x81, BULK, 64, 0),
		ENDPOINT(0x81, ISO, 65, 1), /* twice */
		ENDPOINT(0x80, BULK, 64, 0), /* the control endpoint */
		ENDPOINT(0x02, BULK, 64, 0),
		INTERFACE(1, 0, 0),
	};

	for (uint8_t count = 0; count < 5; count++) {
		bytes[27 + 4] = count;
		CHECK_INT(READ(bytes, 1), 0);
		CHECK_INT(table.interfaces, 2);
		CHECK_INT(endpoints(), count < 2 ? count : 2);
		check_control(64);
		if (count)
			check_endpoint(&table.in[1], BULK, 0, 64, 0);
	}
}

static void addresses(void)
{
	uint8_t bytes[] = {
		DEVICE, CONFIGURATION(25, 1), INTERFACE(6, 0, 1), ENDPOINT(0, BULK, 0xffff, 0xfe),
	};

	for (unsigned address = 0; address < 256; address++) {
		unsigned number = address & 15; /* the kernel clears the three bits between */

		bytes[36 + 2] = (uint8_t)address;
		for (uint8_t attributes = 0; attributes < 8; attributes++) {
			bytes[36 + 3] = attributes;
			CHECK_INT(READ(bytes, 1), 0);
			check_control(64);
			CHECK_INT(endpoints(), !number ? 0 : attributes % 4 ? 1 : 2);
			if (number && (address & 0x80 || !(attributes % 4)))
				check_endpoint(&table.in[number], attributes % 4, 6, 0x7ff, 0xfe);
			if (number && (!(address & 0x80) || !(attributes % 4)))
				check_endpoint(&table.out[number], attributes % 4, 6, 0x7ff, 0xfe);
		}
	}
}

/* Of two that have one number the first counts; a control endpoint needs both directions. */
static void same_number(void)
{
	static const uint8_t bytes[] = {
		DEVICE, CONFIGURATION(92, 1),
		INTERFACE(0, 0, 5),
		ENDPOINT(0x81, BULK, 64, 0),
		ENDPOINT(0x01, CONTROL, 8, 0),
		ENDPOINT(0x02, CONTROL, 16, 0),
		ENDPOINT(0x03, BULK, 64, 0),
		ENDPOINT(0x03, CONTROL, 8, 0),
		INTERFACE(1, 0, 3),
		ENDPOINT(0x81, ISO, 65, 1),
		ENDPOINT(0x82, ISO, 66, 1),
		ENDPOINT(0x01, INTERRUPT, 67, 1),
		INTERFACE(1, 0, 9), /* again, and too late */
	};

	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, 2);
	check_endpoint(&table.in[1], BULK, 0, 64, 0);
	check_endpoint(&table.in[2], CONTROL, 0, 16, 0);
	check_endpoint(&table.out[2], CONTROL, 0, 16, 0);
	check_endpoint(&table.out[1], INTERRUPT, 1, 67, 1);
	check_endpoint(&table.out[3], BULK, 0, 64, 0);
	CHECK_INT(endpoints(), 5);
}

static void same_setting(void)
{
	static const uint8_t bytes[] = {
		DEVICE, CONFIGURATION(57, 1),
		INTERFACE(0, 0, 1), ENDPOINT(0x81, BULK, 64, 0),
		INTERFACE(0, 0, 1), ENDPOINT(0x82, BULK, 64, 0),
		INTERFACE(0, 1, 1), ENDPOINT(0x83, BULK, 64, 0),
	};

	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, 1);
	CHECK_INT(endpoints(), 1);
	CHECK(table.in[1].exists);
	CHECK_INT(SET(bytes, 0, 1), 0);
	CHECK_INT(endpoints(), 1);
	CHECK(table.in[3].exists);
}

/* drivers/usb/core/message.c usb_set_configuration(): the first one then. */
static void no_setting_0(void)
{
	static const uint8_t bytes[] = {
		DEVICE, CONFIGURATION(73, 1),
		INTERFACE(0, 2, 1), ENDPOINT(0x81, BULK, 64, 0),
		INTERFACE(0, 1, 1), ENDPOINT(0x82, BULK, 64, 0),
		INTERFACE(1, 3, 1), ENDPOINT(0x83, BULK, 64, 0),
		INTERFACE(1, 0, 1), ENDPOINT(0x84, BULK, 64, 0),
	};

	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, 2);
	CHECK_INT(table.setting[0], 2);
	CHECK_INT(table.setting[1], 0);
	CHECK_INT(endpoints(), 2);
	CHECK(table.in[1].exists);
	CHECK(table.in[4].exists);
	CHECK_INT(SET(bytes, 0, 0), -ENOENT);
	CHECK_INT(SET(bytes, 0, 1), 0);
	CHECK(table.in[2].exists);
}

/* More of them than there is room for. */
static void many_interfaces(void)
{
	uint8_t bytes[18 + 9 + 40 * 16] = { DEVICE, CONFIGURATION(9 + 40 * 16, 1) };

	for (uint8_t i = 0; i < 40; i++) {
		const uint8_t part[] = {
			INTERFACE(0, 0, 1), ENDPOINT(0x80, BULK, 64, 0),
		};

		memcpy(bytes + 27 + 16 * i, part, sizeof(part));
		bytes[27 + 16 * i + 2] = (uint8_t)(250 - 2 * i);
		bytes[27 + 16 * i + 9 + 2] = (uint8_t)(0x80 + i % 16);
	}
	CHECK_INT(READ(bytes, 1), 0);
	CHECK_INT(table.interfaces, USBFS_INTERFACES_MAX);
	for (unsigned i = 0; i < USBFS_INTERFACES_MAX; i++)
		CHECK_INT(table.interface[i], 250 - 2 * i);
	CHECK_INT(endpoints(), 15);
	CHECK_INT(SET(bytes, 250 - 2 * 31, 0), 0);
	CHECK_INT(SET(bytes, 250 - 2 * 32, 0), -ENOENT);
	CHECK_INT(table.in[1].interface, 248);
}

int main(void)
{
	RUN("t_endpoints: after SET_CONFIGURATION", after_set_configuration);
	RUN("t_endpoints: after SET_INTERFACE", after_set_interface);
	RUN("t_endpoints: no such interface or setting", no_such);
	RUN("t_endpoints: no configuration", unconfigured);
	RUN("t_endpoints: the values of configurations", values);
	RUN("t_endpoints: the control endpoint", control_endpoint);
	RUN("t_endpoints: every length", every_length);
	RUN("t_endpoints: wTotalLength", total_lengths);
	RUN("t_endpoints: heads of configurations", configuration_heads);
	RUN("t_endpoints: lengths of parts", part_lengths);
	RUN("t_endpoints: parts that are too short", short_parts);
	RUN("t_endpoints: no part", no_part);
	RUN("t_endpoints: bNumEndpoints", endpoint_counts);
	RUN("t_endpoints: every address and type", addresses);
	RUN("t_endpoints: one number twice", same_number);
	RUN("t_endpoints: one setting twice", same_setting);
	RUN("t_endpoints: no setting 0", no_setting_0);
	RUN("t_endpoints: more interfaces than fit", many_interfaces);
	return check_status();
}
