/* SPDX-License-Identifier: MIT */
/* The version of the running kernel, and its faults that concern USB/IP. */
#ifndef SYSFS_KERNEL_H
#define SYSFS_KERNEL_H

#include "sysfs/sysfs.h"

enum {
	KERNEL_PART_BITS = 10,
	KERNEL_PART_MAX = (1 << KERNEL_PART_BITS) - 1,
};

enum kernel_fault {
	KERNEL_FAULT_VHCI, /* a server may write in the client's memory, until 7.3 */
	KERNEL_FAULT_TLS,  /* sessions with a key may fail, until 6.1.192 and 6.12.115 */
};

/* Major, minor and patch, of KERNEL_PART_BITS each, the patch last; 0: it cannot be found out. */
uint32_t kernel_version(const struct sysfs *sysfs);
/* Whether a kernel has that fault; true if its version is 0. */
bool kernel_has_fault(uint32_t version, enum kernel_fault fault);

#endif
