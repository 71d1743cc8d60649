/* SPDX-License-Identifier: MIT */
/* Tests of host/judge and client/decide: the decisions, as tables of cases. */
#include "client/decide.h"
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

static const struct {
	const char *what;
	struct client_facts facts; /* listed, attached, elsewhere, held_back, port_free, speed,
				    * unwanted */
	enum client_verdict verdict;
} facts[] = {
	{ "new", { true, false, false, false, true, 3, false }, CLIENT_ATTACH },
	{ "low speed", { true, false, false, false, true, 1, false }, CLIENT_ATTACH },
	{ "super speed plus", { true, false, false, false, true, 6, false }, CLIENT_ATTACH },
	{ "no free port", { true, false, false, false, false, 3, false }, CLIENT_NO_PORT },
	{ "speed 0", { true, false, false, false, true, 0, false }, CLIENT_NO_SPEED },
	{ "speed 7", { true, false, false, false, true, 7, false }, CLIENT_NO_SPEED },
	{ "speed huge", { true, false, false, false, true, UINT32_MAX, false }, CLIENT_NO_SPEED },
	{ "speed 0, no free port", { true, false, false, false, false, 0, false }, CLIENT_NO_SPEED },
	{ "not listed", { false, false, false, false, true, 3, false }, CLIENT_LEAVE },
	{ "not listed, attached", { false, true, false, false, true, 3, false }, CLIENT_LEAVE },
	{ "attached", { true, true, false, false, true, 3, false }, CLIENT_LEAVE },
	{ "attached, no free port", { true, true, false, false, false, 3, false }, CLIENT_LEAVE },
	{ "elsewhere", { true, false, true, false, true, 3, false }, CLIENT_LEAVE },
	{ "held back", { true, false, false, true, true, 3, false }, CLIENT_LEAVE },
	{ "held back, no speed", { true, false, false, true, true, 0, false }, CLIENT_LEAVE },
	{ "held back, no free port", { true, false, false, true, false, 3, false }, CLIENT_LEAVE },
	{ "unwanted", { true, false, false, false, true, 3, true }, CLIENT_LEAVE },
	{ "unwanted, no free port", { true, false, false, false, false, 3, true }, CLIENT_LEAVE },
	{ "unwanted, no speed", { true, false, false, false, true, 0, true }, CLIENT_LEAVE },
	{ "unwanted, attached", { true, true, false, false, true, 3, true }, CLIENT_LEAVE },
	{ "all zero", { false, false, false, false, false, 0, false }, CLIENT_LEAVE },
};

static const struct {
	const char *what;
	struct client_session session; /* state, stranger, unanswered, ended_for */
	enum client_fate fate;
} sessions[] = {
	{ "in use", { VHCI_USED, false, 0, 0 }, CLIENT_KEEP },
	{ "has an address, unanswered yet", { VHCI_USED, false, CLIENT_ANSWER_MS - 1, 0 }, CLIENT_KEEP },
	{ "has an address, unanswered", { VHCI_USED, false, CLIENT_ANSWER_MS, 0 }, CLIENT_UNANSWERED },
	{ "just attached", { VHCI_ATTACHING, false, 0, 0 }, CLIENT_KEEP },
	{ "unanswered, yet", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS - 1, 0 }, CLIENT_KEEP },
	{ "unanswered", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS, 0 }, CLIENT_UNANSWERED },
	{ "unanswered and closed", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS, CLIENT_TEARDOWN_MS },
	  CLIENT_UNANSWERED },
	{ "free", { VHCI_FREE, false, 0, 0 }, CLIENT_GONE },
	{ "free for long", { VHCI_FREE, false, 100000, 100000 }, CLIENT_GONE },
	{ "no such port", { VHCI_ABSENT, false, 0, 0 }, CLIENT_GONE },
	{ "in use by another", { VHCI_USED, true, 0, 0 }, CLIENT_GONE },
	{ "in use by another, unanswered", { VHCI_ATTACHING, true, 100000, 0 }, CLIENT_GONE },
	{ "error of another", { VHCI_ERROR, true, 0, 0 }, CLIENT_GONE },
	{ "in error", { VHCI_ERROR, false, 0, 0 }, CLIENT_DETACH },
	{ "closed just now", { VHCI_USED, false, 5000, 1 }, CLIENT_KEEP },
	{ "closed, the kernel cleans up", { VHCI_USED, false, 5000, CLIENT_TEARDOWN_MS - 1 },
	  CLIENT_KEEP },
	{ "closed, the kernel does not", { VHCI_USED, false, 5000, CLIENT_TEARDOWN_MS },
	  CLIENT_DETACH },
	{ "closed before it was answered", { VHCI_ATTACHING, false, 4000, CLIENT_TEARDOWN_MS },
	  CLIENT_DETACH },
};

int main(void)
{
	for (size_t i = 0; i < LENGTH(devices); i++) {
		check_begin("t_judge: host: %s", devices[i].what);
		host(i);
		check_end();
	}
	for (size_t i = 0; i < LENGTH(facts); i++) {
		check_begin("t_judge: client: %s", facts[i].what);
		CHECK_INT(client_judge(&facts[i].facts), facts[i].verdict);
		check_end();
	}
	for (size_t i = 0; i < LENGTH(sessions); i++) {
		check_begin("t_judge: session: %s", sessions[i].what);
		CHECK_INT(client_session_judge(&sessions[i].session), sessions[i].fate);
		check_end();
	}
	return check_status();
}
