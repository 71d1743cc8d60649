/* SPDX-License-Identifier: MIT */
/* The doctor's checks. Each looks at one thing of this machine and reports its findings. */
#ifndef CMD_DOCTOR_CHECKS_H
#define CMD_DOCTOR_CHECKS_H

#include "cmd/doctor_report.h"

/* A kernel module, and how a machine gets it. */
struct doctor_module {
	const char *name;
	const char *openwrt_package;
	/* Symbols of the kernel's configuration: without one of them there is no module. */
	const char *config[2];
};

/*
 * Reports on a module. error is 0 if its files were found in /sys or /proc, else -errno of the look
 * for them; missing is the level if the module cannot be loaded.
 */
void doctor_check_module(struct doctor *doctor, const struct doctor_module *module, int error,
			 enum doctor_level missing);
/* usbip-host: its slots, and devices in an error state. No report if it is not loaded. */
void doctor_check_slots(struct doctor *doctor);
/* vhci-hcd: its free ports, and ports in an error state. No report if it is not loaded. */
void doctor_check_ports(struct doctor *doctor);

/* Running programs that get in the way, and the listener at the server's port. */
void doctor_check_programs(struct doctor *doctor);
/* Packet filters. */
void doctor_check_filters(struct doctor *doctor);
/* The run and configuration directories: files that others than root may change. */
void doctor_check_owners(struct doctor *doctor);

#endif
