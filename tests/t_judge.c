/* SPDX-License-Identifier: MIT */
/* Tests of host/judge: the decision, as a table of cases. */
#include "host/judge.h"
#include "tests/check.h"

static const struct {
	const char *what;
	uint8_t class;
	bool on_vhci;
	const char *driver;
	uint64_t driverless_ms;
	enum host_verdict verdict;
} devices[] = {
	{ "an ordinary device", 0, false, "usb", 0, HOST_BIND },
	{ "one with a class", 0xef, false, "usb", 0, HOST_BIND },
	{ "one with a driver of its own kind", 0, false, "apple-mfi-fastcharge", 0, HOST_BIND },
	{ "one with a driver since long", 0, false, "usb", 100000, HOST_BIND },
	{ "one that is exported", 0, false, "usbip-host", 0, HOST_EXPORTED },
	{ "a hub", 9, false, "usb", 0, HOST_HUB },
	{ "a hub without driver", 9, false, "", 100000, HOST_HUB },
	{ "a hub on usbip-host", 9, false, "usbip-host", 0, HOST_HUB },
	{ "an imported device", 0, true, "usb", 0, HOST_IMPORTED },
	{ "an imported device without driver", 0, true, "", 100000, HOST_IMPORTED },
	{ "an imported device that somebody exports", 0, true, "usbip-host", 0, HOST_IMPORTED },
	{ "an imported hub", 9, true, "usb", 0, HOST_HUB },
	{ "no driver, just seen", 0, false, "", 0, HOST_WAIT },
	{ "no driver, for a while", 0, false, "", HOST_DRIVERLESS_MS - 1, HOST_WAIT },
	{ "no driver, for long enough", 0, false, "", HOST_DRIVERLESS_MS, HOST_BIND },
	{ "no driver, for ever", 0, false, "", UINT64_MAX, HOST_BIND },
	{ "a driver that begins like it", 0, false, "usbip-host2", 0, HOST_BIND },
	{ "the driver of gadgets", 0, false, "usbip-vudc", 0, HOST_BIND },
};

static void host(size_t i)
{
	struct device device = { .busid = "1-1", .class = devices[i].class };

	device.on_vhci = devices[i].on_vhci;
	strcpy(device.driver, devices[i].driver);
	CHECK_INT(host_judge(&device, devices[i].driverless_ms), devices[i].verdict);
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(devices); i++) {
		check_begin("t_judge: host: %s", devices[i].what);
		host(i);
		check_end();
	}
	return check_status();
}
