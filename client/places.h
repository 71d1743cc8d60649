/* SPDX-License-Identifier: MIT */
/*
 * Which port of vhci-hcd a device had last, over restarts and reboots: two equal adapters without a
 * serial number keep their names in /dev/serial/by-path then, which have the port in them. The file
 * has a number for each port, as in memory. Nothing depends on it: what is wrong in it only makes a
 * port look taken before.
 */
#ifndef CLIENT_PLACES_H
#define CLIENT_PLACES_H

#include "sysfs/vhci.h"

struct places {
	int fd;
	uint32_t saved[VHCI_PORTS_MAX];
};

/* Opens the file "places" in /var/lib/usbiphp, or in the run directory if that is not the default
 * one, and fills owner from it (struct import_context). Without the file, said in one line, nothing
 * is kept. */
void places_open(struct places *places, const char *run, uint32_t owner[VHCI_PORTS_MAX]);
/* In every pass. */
void places_save(struct places *places, const uint32_t owner[VHCI_PORTS_MAX]);

#endif
