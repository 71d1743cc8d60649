/* SPDX-License-Identifier: MIT */
/* Tests of client/decide: the decisions, as tables of cases. */
#include "client/decide.h"

#include "tests/check.h"

static const struct {
	const char *what;
	struct attach_facts facts; /* listed, denied, elsewhere, backoff, port_free, speed */
	enum attach_verdict verdict;
} attaches[] = {
	{ "new", { true, false, false, false, true, 3 }, ATTACH_NOW },
	{ "low speed", { true, false, false, false, true, 1 }, ATTACH_NOW },
	{ "super speed plus", { true, false, false, false, true, 6 }, ATTACH_NOW },
	{ "no free port", { true, false, false, false, false, 3 }, ATTACH_NO_PORT },
	{ "speed 0", { true, false, false, false, true, 0 }, ATTACH_NO_SPEED },
	{ "speed 7", { true, false, false, false, true, 7 }, ATTACH_NO_SPEED },
	{ "speed huge", { true, false, false, false, true, UINT32_MAX }, ATTACH_NO_SPEED },
	{ "speed 0, no free port", { true, false, false, false, false, 0 }, ATTACH_NO_SPEED },
	{ "not listed", { false, false, false, false, true, 3 }, ATTACH_NOT },
	{ "elsewhere", { true, false, true, false, true, 3 }, ATTACH_NOT },
	{ "held back", { true, false, false, true, true, 3 }, ATTACH_NOT },
	{ "held back, no speed", { true, false, false, true, true, 0 }, ATTACH_NOT },
	{ "held back, no free port", { true, false, false, true, false, 3 }, ATTACH_NOT },
	{ "unwanted", { true, true, false, false, true, 3 }, ATTACH_NOT },
	{ "unwanted, no free port", { true, true, false, false, false, 3 }, ATTACH_NOT },
	{ "unwanted, no speed", { true, true, false, false, true, 0 }, ATTACH_NOT },
	{ "all zero", { false, false, false, false, false, 0 }, ATTACH_NOT },
};

static const struct {
	const char *what;
	struct port_facts facts; /* state, other_device, unanswered, closed_for */
	enum port_verdict verdict;
} ports[] = {
	{ "in use", { VHCI_USED, false, 0, 0 }, PORT_KEEP },
	{ "has an address, unanswered yet", { VHCI_USED, false, CLIENT_ANSWER_MS - 1, 0 }, PORT_KEEP },
	{ "has an address, unanswered", { VHCI_USED, false, CLIENT_ANSWER_MS, 0 }, PORT_UNANSWERED },
	{ "just attached", { VHCI_ATTACHING, false, 0, 0 }, PORT_KEEP },
	{ "unanswered, yet", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS - 1, 0 }, PORT_KEEP },
	{ "unanswered", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS, 0 }, PORT_UNANSWERED },
	{ "unanswered and closed", { VHCI_ATTACHING, false, CLIENT_ANSWER_MS, CLIENT_TEARDOWN_MS },
	  PORT_UNANSWERED },
	{ "free", { VHCI_FREE, false, 0, 0 }, PORT_GONE },
	{ "free for long", { VHCI_FREE, false, 100000, 100000 }, PORT_GONE },
	{ "no such port", { VHCI_ABSENT, false, 0, 0 }, PORT_GONE },
	{ "in use by another", { VHCI_USED, true, 0, 0 }, PORT_GONE },
	{ "in use by another, unanswered", { VHCI_ATTACHING, true, 100000, 0 }, PORT_GONE },
	{ "error of another", { VHCI_ERROR, true, 0, 0 }, PORT_GONE },
	{ "in error", { VHCI_ERROR, false, 0, 0 }, PORT_DETACH },
	{ "closed just now", { VHCI_USED, false, 5000, 1 }, PORT_KEEP },
	{ "closed, the kernel cleans up", { VHCI_USED, false, 5000, CLIENT_TEARDOWN_MS - 1 },
	  PORT_KEEP },
	{ "closed, the kernel does not", { VHCI_USED, false, 5000, CLIENT_TEARDOWN_MS },
	  PORT_DETACH },
	{ "closed before it was answered", { VHCI_ATTACHING, false, 4000, CLIENT_TEARDOWN_MS },
	  PORT_DETACH },
};

int main(void)
{
	for (size_t i = 0; i < LENGTH(attaches); i++) {
		check_begin("t_decide: attach: %s", attaches[i].what);
		CHECK_INT(decide_attach(&attaches[i].facts), attaches[i].verdict);
		check_end();
	}
	for (size_t i = 0; i < LENGTH(ports); i++) {
		check_begin("t_decide: port: %s", ports[i].what);
		CHECK_INT(decide_port(&ports[i].facts), ports[i].verdict);
		check_end();
	}
	return check_status();
}
