/* SPDX-License-Identifier: MIT */
/* The doctor's check of the running kernel: faults of it that concern USB/IP. */
#include "cmd/doctor.h"

#include "lib/util.h"

#include <stdlib.h>
#include <string.h>

#define VERSION_OF(major, minor, patch) ((major) << 20 | (minor) << 10 | (patch))
enum { SERIES_SHIFT = 10, VERSION_PARTS = 3, PART_MAX = 1023, FIXES_MAX = 2 };

/* Faults, and the first versions without them, one for each series, the newest last. Kernels of a
 * series that is not named are judged by the next newer one. */
static const struct kernel_fault {
	uint32_t fixed[FIXES_MAX];
	char text[112];
} faults[] = {
	[DOCTOR_FAULT_VHCI] = {
		/* CVE-2026-31607: 6.1.176, 6.12.85; then 1897852293fa, 591c1d972d8f and
		 * 74a2287209a8, which neither 6.1.192 nor 6.12.117 has */
		{ VERSION_OF(7, 3, 0), VERSION_OF(7, 3, 0) },
		"a malicious server may write in its memory (vhci-hcd, until 7.3): "
		"use servers that you trust, and keys: --psk",
	},
	[DOCTOR_FAULT_TLS] = {
		/* CVE-2026-74611; a reader out of step: 6.1.190, 6.12.111 */
		{ VERSION_OF(6, 1, 192), VERSION_OF(6, 12, 115) },
		"sessions with a key may fail (tls, until 6.1.192 and 6.12.115): update the kernel",
	},
};

/* "6.1.192-1"; what is missing is 0. */
static uint32_t parse_version(const char *text)
{
	uint32_t version = 0;

	for (int i = 0; i < VERSION_PARTS; i++) {
		char *end;
		unsigned long part = strtoul(text, &end, 10);

		version = version << SERIES_SHIFT | (part < PART_MAX ? (uint32_t)part : PART_MAX);
		text = *end == '.' ? end + 1 : "";
	}
	return version;
}

/* Debian's and Raspberry Pi OS's releases are named after the interface, "6.1.0-50-amd64"; the
 * version is in what comes before the date: "#1 SMP Debian 1:6.1.192-1 (2026-11-02)". */
static uint32_t find_version(const struct sysfs *machine)
{
	char text[256];
	char *debian = NULL;

	if (sysfs_read(machine, text, sizeof(text), "proc/sys/kernel/version") > 0)
		debian = strstr(text, "Debian ");
	if (debian) {
		debian += strlen("Debian ");
		return parse_version(debian[1] == ':' ? debian + 2 : debian);
	}
	sysfs_read(machine, text, sizeof(text), "proc/sys/kernel/osrelease");
	return parse_version(text);
}

static bool is_fixed(uint32_t version, const uint32_t fixed[FIXES_MAX])
{
	int i = 0;

	while (i < FIXES_MAX - 1 && version >> SERIES_SHIFT > fixed[i] >> SERIES_SHIFT)
		i++;
	return version >= fixed[i];
}

void doctor_check_kernel(struct doctor *doctor, enum doctor_fault fault)
{
	uint32_t version = find_version(&doctor->machine);

	if (!is_fixed(version, faults[fault].fixed))
		doctor_warn(doctor, "Linux %u.%u.%u: %s", version >> 20, version >> 10 & PART_MAX,
			    version & PART_MAX, faults[fault].text);
}
