/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: what is wrong with this machine, and what mends it. */
#include "show/doctor.h"

#include "client/ask.h"
#include "loop/log.h"
#include "show/doctor_facts.h"

#include <string.h>
#include <unistd.h>

const struct doctor_role_name doctor_role_name[DOCTOR_ROLES] = {
	{ "usbip-host", "CONFIG_USBIP_HOST", "server", "usbip-bind", "server" },
	{ "vhci-hcd", "CONFIG_USBIP_VHCI_HCD", "client", "usbip-attach", "client HOST" },
};

static void print(struct doctor_report *report)
{
	size_t at = 0;
	ssize_t n = 1;

	for (; n > 0 && at < report->len; at += n > 0 ? (size_t)n : 0)
		n = write(STDOUT_FILENO, report->text + at, report->len - at);
	report->len = 0;
}

static void count(struct exchange *exchange, const struct op_device *device,
		  const struct op_interface *interface)
{
	struct doctor_host *host = exchange->ctx;

	(void)device;
	(void)interface;
	host->devices++;
}

static void count_no_more(struct exchange *exchange, const struct op_device *device,
			  const struct op_interface *interface)
{
	(void)exchange;
	(void)device;
	(void)interface;
}

/* False: it was told to stop. */
static bool ask(struct doctor_report *report, const struct endpoint *server)
{
	static struct ask ask;
	struct doctor_host host = { .name = server->name };

	memset(&ask.route, 0, sizeof(ask.route));
	ask.route.endpoint = server;
	if (ask_list(&ask, OP_REQ_DEVLIST, count, &host)) {
		host.list = ask.result;
		host.watch = ask_list(&ask, OP_REQ_WATCH, count_no_more, NULL);
	} else {
		host.list = ask.result;
		host.reason = exchange_reason(&ask.exchange, &ask.result);
	}
	if (ask.stopped)
		return false;
	doctor_judge_host(report, &host);
	return true;
}

int doctor_run(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers)
{
	static struct doctor_facts facts;
	static struct doctor_report report;
	struct sysfs sysfs;
	int error = sysfs_open(&sysfs, options->sysfs);

	if (!error) {
		facts.port = port;
		error = doctor_look(&facts, &sysfs, options, servers > 0);
		sysfs_close(&sysfs);
	}
	if (error) {
		log_warn(error, "cannot open %s", options->sysfs);
		return 1;
	}
	doctor_judge(&report, &facts);
	print(&report);
	for (unsigned i = 0; i < servers; i++) {
		if (!ask(&report, &server[i]))
			return 1;
		print(&report);
	}
	return report.bad;
}
