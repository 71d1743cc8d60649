/* SPDX-License-Identifier: MIT */
/*
 * sysfs/vhci: any status file of up to a sysfs attribute's length; a free port of any table.
 * SOURCES: sysfs/vhci.c lib/str.c proto/usb.c
 * EVA: -eva-precision 1 -eva-plevel 5000 -eva-split-return-function number_parse:0,str_decimal:0,str_hex:0,str_words:0:1:2:3:4:5:6:7
 * EVA: -eva-slevel-function str_words:5000,vhci_parse_header:5000,vhci_parse_row:5000 -eva-auto-loop-unroll 20 -eva-interprocedural-history -eva-partition-history 1
 */
#include "sysfs/vhci.h"

#include "tests/prove/prove.h"

#include <errno.h>

static struct vhci vhci;
static char text[SYSFS_ATTRIBUTE_SIZE + 1];
static uint32_t last[VHCI_PORTS_MAX];

/* Into a table that another file has filled, whatever was in that. */
void prove_vhci_parse(void)
{
	int error;

	vhci.ports = (unsigned)any_size(0, VHCI_PORTS_MAX);
	error = vhci_parse(&vhci, any_string(text, sizeof(text)));
	/*@ assert result: error == 0 || error == -EPROTO; */
	/*@ assert ports: vhci.ports <= VHCI_PORTS_MAX; */
	END();
}

void prove_vhci_free_port(void)
{
	int port;
	unsigned controller;

	any_bytes(&vhci, sizeof(vhci));
	vhci.ports = (unsigned)any_size(0, VHCI_PORTS_MAX);
	vhci.controllers = (unsigned)any_size(0, VHCI_CONTROLLERS_MAX);
	any_bytes(last, sizeof(last));
	port = vhci_free_port(&vhci, (uint32_t)any_size(0, UINT32_MAX), last,
			      (uint32_t)any_size(0, UINT32_MAX));
	/*@ assert result: -ENOSPC <= port < VHCI_PORTS_MAX; */
	controller = vhci_controller(&vhci, (unsigned)any_size(0, VHCI_PORTS_MAX - 1));
	/*@ assert controller: controller < VHCI_PORTS_MAX; */
	END();
}
