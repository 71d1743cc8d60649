/* SPDX-License-Identifier: MIT */
/* The version of the running kernel, and its faults that concern USB/IP. */
#include "sysfs/kernel.h"

#include "lib/file.h"

#include <stdlib.h>
#include <string.h>

#define VERSION_OF(major, minor, patch)                                                            \
	((major) << 2 * KERNEL_PART_BITS | (minor) << KERNEL_PART_BITS | (patch))
enum { VERSION_PARTS = 3, FIXES_MAX = 2 };

/* The first versions without a fault, one for each series, the newest last. Kernels of a series
 * that is not named are judged by the next newer one. */
static const uint32_t fixed_in[][FIXES_MAX] = {
	/* CVE-2026-31607: 6.1.176, 6.12.85; then 1897852293fa, 591c1d972d8f and
	 * 74a2287209a8, which neither 6.1.192 nor 6.12.117 has */
	[KERNEL_FAULT_VHCI] = { VERSION_OF(7, 3, 0), VERSION_OF(7, 3, 0) },
	/* CVE-2026-74611; a reader out of step: 6.1.190, 6.12.111 */
	[KERNEL_FAULT_TLS] = { VERSION_OF(6, 1, 192), VERSION_OF(6, 12, 115) },
};

/* "6.1.192-1"; what is missing is 0. */
static uint32_t parse_version(const char *text)
{
	uint32_t version = 0;

	for (int i = 0; i < VERSION_PARTS; i++) {
		char *end;
		unsigned long part = strtoul(text, &end, 10);

		if (part > KERNEL_PART_MAX)
			part = KERNEL_PART_MAX;
		version = version << KERNEL_PART_BITS | (uint32_t)part;
		text = *end == '.' ? end + 1 : "";
	}
	return version;
}

/* Debian's and Raspberry Pi OS's releases are named after the interface, "6.1.0-50-amd64"; the
 * version is in what comes before the date: "#1 SMP Debian 1:6.1.192-1 (2026-11-02)". */
uint32_t kernel_version(const struct sysfs *sysfs)
{
	char text[256];
	char *debian = NULL;

	if (file_load(sysfs->proc, "sys/kernel/version", 0, text, sizeof(text)) > 0)
		debian = strstr(text, "Debian ");
	if (debian) {
		debian += strlen("Debian ");
		return parse_version(debian[1] == ':' ? debian + 2 : debian);
	}
	if (file_load(sysfs->proc, "sys/kernel/osrelease", 0, text, sizeof(text)) <= 0)
		return 0;
	return parse_version(text);
}

bool kernel_has_fault(uint32_t version, enum kernel_fault fault)
{
	const uint32_t *fixed = fixed_in[fault];
	int i = 0;

	while (i < FIXES_MAX - 1 && version >> KERNEL_PART_BITS > fixed[i] >> KERNEL_PART_BITS)
		i++;
	return version < fixed[i];
}
