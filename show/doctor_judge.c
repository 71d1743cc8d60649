/* SPDX-License-Identifier: MIT */
/* From what the doctor saw to what is said about it, each with what mends it. */
#include "proto/text.h"
#include "show/doctor_facts.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <string.h>

enum level { OK, WARN, BAD };

enum { SLOTS_FEW = 2 };

const struct doctor_role_words doctor_role_words[DOCTOR_ROLES] = {
	{ STUB_MODULE, "server", "usbip-bind", "server" },
	{ VHCI_MODULE, "client", "usbip-attach", "client HOST" },
};

static void say(struct doctor_report *report, enum level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct doctor_report *report, enum level level, const char *format, ...)
{
	static const char word[][5] = { "ok", "warn", "BAD" };
	char *line = report->text + report->len;
	size_t room = sizeof(report->text) - report->len, len;
	va_list args;

	report->bad = report->bad || level == BAD;
	len = text_format(line, room, "%-8s", word[level]);
	va_start(args, format);
	len += text_vformat(line + len, room - len, format, args);
	va_end(args);
	if (len + 1 == room)
		return;
	text_printable(line);
	line[len++] = '\n';
	report->len += len;
}

static void judge_driver(struct doctor_report *report, const struct doctor_facts *facts,
			 const struct doctor_part *part, const char *module)
{
	static const char *const format[] = {
		[MODULE_LOADABLE] = "%s is not loaded yet: modprobe %s",
		[MODULE_MISSING] = "%s does not exist here: %s",
		[MODULE_GONE] = ("%s: Linux %s has no modules here: reboot; for a container, "
				 "outside: modprobe %s"),
	};
	const char *what[] = { module, facts->remedy, facts->release };
	enum level level = part->wanted ? BAD : WARN;

	if (part->driver == -ENOENT)
		say(report, part->module == MODULE_LOADABLE ? OK : level, format[part->module],
		    module, what[part->module], module);
	else if (part->driver && part->driver != -EACCES)
		say(report, level, "%s: %s", module, strerror(-part->driver));
	else
		say(report, OK, "%s is loaded", module);
}

static void judge_daemon(struct doctor_report *report, const struct doctor_part *part,
			 const struct doctor_role_words *words)
{
	if (part->running)
		say(report, OK, "usbiphp-%s runs", words->role);
	else if (part->installed)
		say(report, BAD, "usbiphp-%s does not run: systemctl restart %s", words->role,
		    words->service);
	else if (part->wanted)
		say(report, WARN, "no usbiphp-%s here: ./install.sh %s", words->role,
		    words->install);
	if (part->script)
		say(report, WARN, "%s is a shell script: ./install.sh %s", words->service,
		    words->install);
	if (part->held)
		say(report, OK, "%u devices are switched off", part->held);
}

static void judge_stub(struct doctor_report *report, const struct doctor_facts *facts)
{
	unsigned left = (unsigned)(STUB_SLOTS - facts->slots);

	if (facts->slots >= 0)
		say(report, !left ? BAD : left <= SLOTS_FEW ? WARN : OK,
		    "%u of %u slots free, %u of %u devices bound%s", left, STUB_SLOTS,
		    facts->bound, facts->devices,
		    left > SLOTS_FEW ? "" : ": replug in the same sockets, or reboot");
	if (facts->failed)
		say(report, BAD, "%s is in error: replug it, or systemctl restart usbip-bind",
		    facts->failed_name);
}

static void judge_vhci(struct doctor_report *report, const struct doctor_facts *facts)
{
	static const char speed[][6] = { "high", "super" };

	for (unsigned i = 0; facts->ports[0] && i < 2; i++)
		say(report, facts->free[i] ? OK : facts->ports[i] ? BAD : WARN,
		    "%u of %u %s-speed ports free%s", facts->free[i], facts->ports[i], speed[i],
		    facts->free[i]  ? "" :
		    facts->ports[i] ? ": detach something" :
				      ": Linux 4.13 is needed");
	if (facts->failed_port >= 0)
		say(report, BAD,
		    "port %u is in error: echo %u >/sys/devices/platform/vhci_hcd.0/detach",
		    (unsigned)facts->failed_port, (unsigned)facts->failed_port);
}

static void judge_listener(struct doctor_report *report, const struct doctor_facts *facts)
{
	const char *who = facts->listener, *remedy = "";
	bool running = facts->part[DOCTOR_SERVER].running;
	enum level level = OK;

	if (!facts->listening) {
		if (!running)
			return;
		who = "nobody";
		remedy = ": systemctl restart usbip-bind, or give -p PORT";
		level = BAD;
	} else if (!strcmp(who, "usbipd")) {
		remedy = ": systemctl disable --now usbipd";
		level = WARN;
	} else if (strncmp(who, "usbiphp", 7) != 0 && (*who || !running)) {
		remedy = ": stop that, or --listen ADDR:PORT";
		level = *who ? BAD : WARN;
	}
	say(report, level, "%s listens on TCP %s%s", *who ? who : "somebody", facts->port, remedy);
}

/* The line of each sign, a format with the port. */
static void judge_signs(struct doctor_report *report, const struct doctor_facts *facts)
{
	static const char lines[] =
		"ModemManager probes serial adapters: systemctl mask --now ModemManager\0"
		"usbguard may block devices: usbguard list-devices -b\0"
		"udisks2 may mount disks: systemctl mask --now udisks2\0"
		"firewalld: firewall-cmd --permanent --add-port=%s/tcp; firewall-cmd --reload\0"
		"ufw: ufw allow %s/tcp\0"
		"packets are filtered, TCP %s must pass: nft list ruleset\0"
		"not all can be seen: run as root\0"
		"the clock is wrong: timedatectl set-ntp true";
	const char *line = lines;

	for (unsigned i = 0; i < SIGNS; i++, line += strlen(line) + 1)
		if (facts->signs >> i & 1)
			say(report, WARN, line, facts->port);
}

void doctor_judge(struct doctor_report *report, const struct doctor_facts *facts)
{
	for (unsigned i = 0; i < DOCTOR_ROLES; i++) {
		const struct doctor_part *part = &facts->part[i];

		if (!part->looked_at)
			continue;
		judge_driver(report, facts, part, doctor_role_words[i].module);
		judge_daemon(report, part, &doctor_role_words[i]);
		if (i == DOCTOR_SERVER) {
			judge_stub(report, facts);
			judge_listener(report, facts);
		} else {
			judge_vhci(report, facts);
		}
	}
	judge_signs(report, facts);
	if (facts->loose[0])
		say(report, BAD, "others may change %s: chown -R root %s %s; chmod -R go-w %s %s",
		    facts->loose, facts->config, facts->run, facts->config, facts->run);
	else
		say(report, OK, "only root may change %s and %s", facts->config, facts->run);
}

void doctor_judge_host(struct doctor_report *report, const struct doctor_host *host)
{
	const char *remedy = "";

	if (host->list.outcome == EXCHANGE_OK) {
		say(report, OK, "%s has %u devices and %s", host->name, host->devices,
		    host->watch ? "tells changes" : "must be asked: no usbiphp");
		return;
	}
	if (host->list.outcome == EXCHANGE_UNRESOLVED)
		remedy = ": give its address";
	else if (host->list.outcome == EXCHANGE_SILENT)
		remedy = ": systemctl restart usbip-bind there";
	else if (host->list.error == -ECONNREFUSED)
		remedy = ": no server there, ./install.sh server";
	else if (host->list.error == -ETIMEDOUT)
		remedy = ": it is off, or a firewall drops it";
	say(report, BAD, "%s: %s%s", host->name, host->reason, remedy);
}
