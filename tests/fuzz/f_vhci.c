/* SPDX-License-Identifier: MIT */
/* Fuzz entry: vhci_parse(). The table stays within its bounds and holds only possible ports. */
#include "sysfs/vhci.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t last[VHCI_PORTS_MAX] = { 1 };
	static struct vhci vhci;
	char *text = fuzz_string(data, size);
	int error;

	memset(vhci.port, 0, vhci.ports * sizeof(*vhci.port));
	vhci.ports = 0;
	error = vhci_parse(&vhci, text);
	HOLDS(error == 0 || error == -EPROTO);
	HOLDS(vhci.ports <= VHCI_PORTS_MAX);
	HOLDS(!vhci.ports || vhci.port[vhci.ports - 1].state != VHCI_ABSENT);
	for (unsigned i = 0; i < vhci.ports; i++) {
		const struct vhci_port *port = &vhci.port[i];

		HOLDS(port->state == VHCI_ABSENT ||
		      (port->state >= VHCI_FREE && port->state <= VHCI_ERROR));
		HOLDS(port->hub <= VHCI_SUPER);
		HOLDS(!port->devid || port->state == VHCI_USED);
	}
	for (uint32_t speed = 1; speed <= 6; speed++) {
		int port = vhci_free_port(&vhci, speed, last, 2);

		HOLDS(port == -ENOSPC || (port >= 0 && (unsigned)port < vhci.ports &&
					  vhci.port[port].state == VHCI_FREE));
	}
	free(text);
	return 0;
}
