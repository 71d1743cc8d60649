/* SPDX-License-Identifier: MIT */
/* From what the doctor saw to what is said about it, each with what mends it. */
#include "proto/text.h"
#include "show/doctor_facts.h"

#include <errno.h>
#include <string.h>

enum level { OK, WARN, BAD };

enum { SLOTS_FEW = 2 };

static void say(struct doctor_report *report, enum level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct doctor_report *report, enum level level, const char *format, ...)
{
	static const char word[][5] = { "ok", "warn", "BAD" };
	size_t room = sizeof(report->text) - report->len;
	char *line = report->text + report->len;
	size_t len = text_format(line, room, "%-8s", word[level]);
	va_list args;

	va_start(args, format);
	len += text_vformat(line + len, room - len, format, args);
	va_end(args);
	text_printable(line);
	if (len + 1 < room) {
		line[len++] = '\n';
		report->len += len;
	}
	report->bad = report->bad || level == BAD;
}

/* A driver that is not there. */
static void judge_missing(struct doctor_report *report, const struct doctor_facts *facts,
			  enum doctor_role role)
{
	const struct doctor_part *part = &facts->part[role];
	const char *module = doctor_role_name[role].module;
	enum level level = part->wanted ? BAD : WARN;
	char remedy[128];

	text_format(remedy, sizeof(remedy),
		    facts->remedy ? facts->remedy : "install the package with its modules",
		    doctor_role_name[role].word);
	switch (part->module) {
	case MODULE_LOADABLE:
		say(report, OK, "%s can be loaded: modprobe %s, as the %s does at its start",
		    module, module, doctor_role_name[role].word);
		break;
	case MODULE_MISSING:
		say(report, level, "%s cannot be loaded: no such module in Linux %s: %s", module,
		    facts->release, remedy);
		break;
	case MODULE_UNBUILT:
		say(report, level, "%s cannot be loaded: Linux %s is built without; another has "
				   "it: %s",
		    module, facts->release, remedy);
		break;
	case MODULE_GONE:
		say(report, level, "%s cannot be loaded: the modules of Linux %s are gone, "
				   "others are here: reboot",
		    module, facts->release);
		break;
	case MODULE_NOWHERE:
		say(report, level, "%s cannot be loaded: no modules here. In a container, where "
				   "it runs: modprobe %s",
		    module, module);
	}
}

static void judge_driver(struct doctor_report *report, const struct doctor_facts *facts,
			 enum doctor_role role)
{
	const struct doctor_part *part = &facts->part[role];
	const char *module = doctor_role_name[role].module;

	if (part->driver == -ENOENT)
		judge_missing(report, facts, role);
	else if (part->driver == -EAGAIN)
		say(report, WARN, "%s is being set up: look again", module);
	else if (part->driver == -EROFS)
		say(report, BAD, "%s: /sys cannot be written: mount -o remount,rw /sys", module);
	else if (part->driver && part->driver != -EACCES)
		say(report, BAD, "%s: %s", module, strerror(-part->driver));
	else
		say(report, OK, "%s is loaded", module);
}

static void judge_daemon(struct doctor_report *report, const struct doctor_part *part,
			 const struct doctor_role_name *name)
{
	if (part->running)
		say(report, OK, "usbiphp-%s runs", name->word);
	else if (part->installed)
		say(report, BAD, "usbiphp-%s does not run: systemctl restart %s; journalctl -u %s",
		    name->word, name->service, name->service);
	else if (part->wanted)
		say(report, WARN, "usbiphp-%s does not run here: ./install.sh %s", name->word,
		    name->install);
	if (part->script)
		say(report, WARN, "%s starts a shell script: ./install.sh %s", name->service,
		    name->install);
	if (part->held)
		say(report, OK, "%u devices are switched off at the %s", part->held, name->word);
}

static void judge_slots(struct doctor_report *report, const struct doctor_facts *facts)
{
	if (facts->slots >= STUB_SLOTS)
		say(report, BAD, "usbip-host has no slot free of %u: put back into its socket what "
				 "was unplugged, or reboot",
		    STUB_SLOTS);
	else if (facts->slots >= 0)
		say(report, facts->slots >= STUB_SLOTS - SLOTS_FEW ? WARN : OK,
		    "usbip-host has %u slots free of %u", (unsigned)(STUB_SLOTS - facts->slots),
		    STUB_SLOTS);
	if (facts->slots >= 0)
		say(report, OK, "%u USB devices at this machine, %u with usbip-host",
		    facts->devices, facts->bound);
	if (facts->failed)
		say(report, BAD, "%u in error, as %s: replug it, or systemctl restart usbip-bind",
		    facts->failed, facts->failed_name);
}

static void judge_ports(struct doctor_report *report, const struct doctor_facts *facts)
{
	static const char *const speed[] = { "high", "super" };

	for (unsigned i = 0; i < 2; i++)
		if (!facts->ports[i])
			say(report, WARN, "vhci-hcd has no port for %s speed: Linux 4.13 or later "
					  "has",
			    speed[i]);
		else
			say(report, facts->free[i] ? OK : BAD,
			    "vhci-hcd has %u ports free of %u for %s speed%s", facts->free[i],
			    facts->ports[i], speed[i],
			    facts->free[i] ? "" : ": detach something, see usbiphp status");
	if (facts->failed_port >= 0)
		say(report, BAD, "port %u of vhci-hcd is in error: echo %u "
				 ">/sys/devices/platform/vhci_hcd.0/detach",
		    (unsigned)facts->failed_port, (unsigned)facts->failed_port);
}

static void judge_listener(struct doctor_report *report, const struct doctor_facts *facts)
{
	const char *who = facts->listener[0] ? facts->listener : "somebody";

	if (!facts->listening) {
		if (facts->part[DOCTOR_SERVER].running)
			say(report, BAD, "nobody listens on TCP %s: systemctl restart usbip-bind; "
					 "for another --listen: usbiphp doctor -p PORT",
			    facts->port);
	} else if (!strncmp(who, "usbiphp", 7) || (who != facts->listener &&
						   facts->part[DOCTOR_SERVER].running)) {
		say(report, OK, "%s listens on TCP %s", who, facts->port);
	} else if (who != facts->listener) {
		say(report, WARN, "somebody listens on TCP %s: ss -ltnp", facts->port);
	} else if (!strcmp(who, "usbipd")) {
		say(report, WARN, "the stock usbipd serves on TCP %s, so clients are told nothing: "
				  "systemctl disable --now usbipd",
		    facts->port);
	} else {
		say(report, BAD, "%s listens on TCP %s: stop it, or usbiphp-server --listen "
				 "ADDR:PORT",
		    who, facts->port);
	}
}

static bool runs(const struct doctor_facts *facts, enum doctor_program program)
{
	return facts->programs >> program & 1;
}

static void judge_firewall(struct doctor_report *report, const struct doctor_facts *facts)
{
	if (facts->ufw)
		say(report, facts->ufw_lets ? OK : WARN, "ufw is on: ufw allow %s/tcp",
		    facts->port);
	if (runs(facts, PROGRAM_FIREWALLD))
		say(report, WARN, "firewalld is on: firewall-cmd --permanent --add-port=%s/tcp; "
				  "firewall-cmd --reload",
		    facts->port);
	else if (facts->netfilter && !facts->ufw)
		say(report, WARN, "the kernel filters packets; TCP %s must pass: nft list ruleset",
		    facts->port);
}

static void judge_programs(struct doctor_report *report, const struct doctor_facts *facts)
{
	if (runs(facts, PROGRAM_MODEM_MANAGER))
		say(report, WARN, "ModemManager probes serial adapters: systemctl mask --now "
				  "ModemManager");
	if (runs(facts, PROGRAM_USBGUARD))
		say(report, WARN, "usbguard blocks devices that it does not know: usbguard "
				  "list-devices -b; usbguard allow-device ID");
	if (runs(facts, PROGRAM_UDISKS))
		say(report, WARN, "udisks2 may mount disks%s: systemctl mask --now udisks2",
		    facts->part[DOCTOR_SERVER].looked_at ? ", which are not exported then" :
							   " that were attached");
}

static void judge_places(struct doctor_report *report, const struct doctor_facts *facts)
{
	const char *const place[] = { facts->config, facts->run };

	for (unsigned i = 0; i < 2; i++)
		if (facts->loose[i][0])
			say(report, BAD, "others may write %s: chown -R root %s; chmod -R go-w %s",
			    facts->loose[i], place[i], place[i]);
		else
			say(report, OK, "nobody else may write to %s", place[i]);
}

void doctor_judge(struct doctor_report *report, const struct doctor_facts *facts)
{
	if (!facts->root)
		say(report, WARN, "not all can be seen: run it as root");
	for (unsigned i = 0; i < DOCTOR_ROLES; i++) {
		const struct doctor_part *part = &facts->part[i];

		if (!part->looked_at)
			continue;
		judge_driver(report, facts, i);
		judge_daemon(report, part, &doctor_role_name[i]);
		if (i == DOCTOR_SERVER) {
			judge_slots(report, facts);
			judge_listener(report, facts);
			judge_firewall(report, facts);
		} else if (facts->ports[0]) {
			judge_ports(report, facts);
		}
	}
	judge_programs(report, facts);
	judge_places(report, facts);
	if (facts->clock_unset)
		say(report, WARN, "the clock is not set: timedatectl set-ntp true");
}

void doctor_judge_host(struct doctor_report *report, const struct doctor_host *host)
{
	const char *remedy = "";

	if (host->list.outcome == EXCHANGE_OK) {
		say(report, OK, "%s exports %u devices and %s", host->name, host->devices,
		    host->watch ? "tells changes at once" : "is to be asked every 10 s: no usbiphp");
		return;
	}
	if (host->list.outcome == EXCHANGE_UNRESOLVED)
		remedy = ": give its address";
	else if (host->list.outcome == EXCHANGE_SILENT)
		remedy = ": restart its server";
	else if (host->list.error == -ECONNREFUSED)
		remedy = ": no server runs there: ./install.sh server";
	else if (host->list.error == -ETIMEDOUT)
		remedy = ": it is off, or a firewall drops it";
	say(report, BAD, "%s: %s%s", host->name, host->reason, remedy);
}
