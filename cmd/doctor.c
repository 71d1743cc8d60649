/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: what is wrong with this machine, and what mends it. */
#include "cmd/doctor.h"

#include "client/query.h"
#include "cmd/doctor_report.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_LEAST = 1704067200 /* 2024-01-01 */ };

enum { SERVER, CLIENT };

static const struct role {
	const char *name;
	const char *service;
	const char *module;
	int (*check)(const struct sysfs *sysfs);
} roles[] = {
	{ "server", "usbip-bind", STUB_MODULE "\0CONFIG_USBIP_HOST is not set", stub_check },
	{ "client", "usbip-attach", VHCI_MODULE "\0CONFIG_USBIP_VHCI_HCD is not set", vhci_check },
};

void doctor_say(struct doctor *doctor, enum doctor_level level, const char *format, ...)
{
	static const char word[][8] = { "ok      ", "warn    ", "BAD     " };
	char line[1024];
	size_t len = sizeof(*word);
	va_list args;

	if (level == BAD)
		doctor->bad = true;
	memcpy(line, word[level], sizeof(*word));
	va_start(args, format);
	len += str_vformat(line + len, sizeof(line) - len, format, args);
	va_end(args);
	str_printable(line);
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* nobody reads it */
}

static bool see_word(void *ctx, char *line)
{
	return strstr(line, ctx) != NULL;
}

bool doctor_has(const struct doctor *doctor, const char *word, const char *format,
		const char *name)
{
	char path[PATH_MAX];

	str_format(path, sizeof(path), format, name);
	return file_each_line(doctor->machine.root, path, see_word, (void *)word);
}

/* level: of a module that is missing, BAD where there is a sign of the role; OK: without one the
 * role is not looked at, and false is returned. */
static bool look_role(struct doctor *doctor, const struct role *role, enum doctor_level level)
{
	bool running = rundir_has_daemon(doctor->options->run, role->name);
	bool enabled = doctor_has(
		doctor, "", "etc/systemd/system/multi-user.target.wants/%s.service", role->service);
	char path[PATH_MAX];

	if (running | enabled)
		level = BAD;
	if (level == OK)
		return false;
	doctor_driver(doctor, level, role->module, role->check(&doctor->sysfs));
	if (role == &roles[SERVER])
		doctor_slots(doctor);
	else
		doctor_ports(doctor);
	doctor_say(doctor, running ? OK : enabled ? BAD : WARN,
		   running ? "usbiphp-%s runs" :
			     "usbiphp-%s is down: systemctl restart %s or ./install.sh %s",
		   role->name, role->service, role->name);
	str_format(path, sizeof(path), "%s/held.%s", doctor->options->config, role->name);
	if (file_each_line(AT_FDCWD, path, see_word, (void *)""))
		doctor_say(doctor, OK, "devices are held: usbiphp status");
	return true;
}

/* Also where it is built in: 0 or -errno. */
static int find_tls(const struct doctor *doctor)
{
	const char *list = "proc/sys/net/ipv4/tcp_available_ulp";

	return doctor_has(doctor, "tls", list, NULL) ? 0 : -ENOENT;
}

static void look(struct doctor *doctor, bool client)
{
	bool server = look_role(doctor, &roles[SERVER], OK);

	if (!look_role(doctor, &roles[CLIENT], client ? BAD : OK) && !server) {
		look_role(doctor, &roles[SERVER], BAD);
		look_role(doctor, &roles[CLIENT], WARN);
	}
	if (doctor->options->keys)
		doctor_driver(doctor, BAD, "tls\0CONFIG_TLS is not set", find_tls(doctor));
	doctor_programs(doctor);
	doctor_places(doctor);
	if (time(NULL) < CLOCK_LEAST)
		doctor_say(doctor, WARN, "the clock is wrong: timedatectl set-ntp true");
	if (geteuid())
		doctor_say(doctor, WARN, "run as root to see all");
}

static void count(struct request *request, const struct op_device *device,
		  const struct op_interface *interface)
{
	unsigned *devices = request->ctx;

	(void)device;
	(void)interface;
	++*devices;
}

/* False: it was told to stop. */
static bool ask(struct doctor *doctor, const struct endpoint *server)
{
	static struct query query;
	unsigned devices = 0, again = 0;
	const char *what = "must be asked";
	bool listed;

	query.target = (struct request_target){
		.endpoint = server,
		.key = keys_own(doctor->options->keys),
	};
	listed = query_list(&query, OP_REQ_DEVLIST, count, &devices);
	if (!listed)
		what = request_reason(&query.request, &query.result);
	else if (query_list(&query, OP_REQ_WATCH, count, &again))
		what = "tells changes";
	if (!query.loop.stopping)
		doctor_say(doctor, listed ? OK : BAD,
			   listed ? "%s %s, devices: %u" :
			   query.result.outcome <= REQUEST_UNREACHABLE ?
				    "%s: %s: is it on? There: usbiphp doctor" :
				    "%s: %s (there: usbiphp doctor)",
			   server->name, what, devices);
	return !query.loop.stopping;
}

int doctor_run(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers)
{
	struct doctor doctor = { .options = options, .port = port };
	int error = sysfs_open(&doctor.sysfs, options->sysfs);

	if (error) {
		log_warning_errno(error, "cannot open %s", options->sysfs);
		return 1;
	}
	doctor.machine.root = openat(doctor.sysfs.root, "..", O_PATH | O_CLOEXEC);
	look(&doctor, servers);
	close(doctor.machine.root);
	sysfs_close(&doctor.sysfs);
	for (; servers; servers--, server++)
		if (!ask(&doctor, server))
			return 1;
	return doctor.bad;
}
