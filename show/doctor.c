/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: what is wrong with this machine, and what mends it. */
#include "show/doctor.h"

#include "client/ask.h"
#include "loop/log.h"
#include "show/doctor_facts.h"

#include <string.h>
#include <unistd.h>

static void print(struct doctor_report *report)
{
	if (write(STDOUT_FILENO, report->text, report->len) < 0)
		return; /* nobody reads it */
	report->len = 0;
}

static void count(struct exchange *exchange, const struct op_device *device,
		  const struct op_interface *interface)
{
	unsigned *devices = exchange->ctx;

	(void)device;
	(void)interface;
	++*devices;
}

/* False: it was told to stop. */
static bool ask(struct doctor_report *report, const struct endpoint *server)
{
	static struct ask ask;
	struct doctor_host host = { .name = server->name };
	unsigned again = 0;

	memset(&ask, 0, sizeof(ask));
	ask.route.endpoint = server;
	if (ask_list(&ask, OP_REQ_DEVLIST, count, &host.devices))
		host.watch = ask_list(&ask, OP_REQ_WATCH, count, &again);
	else
		host.list = ask.result;
	host.reason = exchange_reason(&ask.exchange, &host.list);
	if (!ask.stopped)
		doctor_judge_host(report, &host);
	return !ask.stopped;
}

int doctor_run(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers)
{
	static struct doctor_facts facts;
	static struct doctor_report report;
	struct sysfs sysfs;
	int error = sysfs_open(&sysfs, options->sysfs);

	facts.port = port;
	if (!error)
		error = doctor_look(&facts, &sysfs, options, servers > 0);
	if (error) {
		log_warn(error, "cannot open %s", options->sysfs);
		return 1;
	}
	sysfs_close(&sysfs);
	doctor_judge(&report, &facts);
	print(&report);
	for (; servers; servers--, server++) {
		if (!ask(&report, server))
			return 1;
		print(&report);
	}
	return report.bad;
}
