/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: which checks are made, in which order, and the check of servers. */
#include "client/query.h"
#include "cmd/cmd.h"
#include "cmd/doctor_checks.h"
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

enum { CLOCK_MIN = 1704067200 /* 2024-01-01: an earlier time is a clock that was never set */ };

static const struct doctor_role {
	const char *name;
	const char *service;
	struct doctor_module module;
	int (*check_module)(const struct sysfs *sysfs);
	void (*check_state)(struct doctor *doctor);
} server_role = {
	.name = "server",
	.service = "usbip-bind",
	.module = { STUB_MODULE, "kmod-usbip-server",
		    { "CONFIG_USBIP_CORE", "CONFIG_USBIP_HOST" } },
	.check_module = stub_check,
	.check_state = doctor_check_slots,
}, client_role = {
	.name = "client",
	.service = "usbip-attach",
	.module = { VHCI_MODULE, "kmod-usbip-client",
		    { "CONFIG_USBIP_CORE", "CONFIG_USBIP_VHCI_HCD" } },
	.check_module = vhci_check,
	.check_state = doctor_check_ports,
};

static const struct doctor_module tls_module = { "tls", "kmod-tls", { "CONFIG_TLS" } };

static bool role_is_running(const struct doctor *doctor, const struct doctor_role *role)
{
	return rundir_has_daemon(doctor->options->run, role->name);
}

static bool role_is_enabled(const struct doctor *doctor, const struct doctor_role *role)
{
	return doctor_file_exists(doctor, "etc/systemd/system/multi-user.target.wants/%s.service",
				  role->service);
}

static void doctor_check_service(struct doctor *doctor, const struct doctor_role *role)
{
	if (role_is_running(doctor, role))
		doctor_report(doctor, DOCTOR_OK, "usbiphp-%s is running", role->name);
	else
		doctor_report(doctor, role_is_enabled(doctor, role) ? DOCTOR_BAD : DOCTOR_WARN,
			      "usbiphp-%s is not running: systemctl restart %s, or "
			      "./install.sh %s",
			      role->name, role->service, role->name);
}

static bool line_is_any(void *ctx, char *line)
{
	(void)ctx;
	(void)line;
	return true;
}

static void doctor_check_holds(struct doctor *doctor, const struct doctor_role *role)
{
	char path[PATH_MAX];

	str_format(path, sizeof(path), "%s/held.%s", doctor->options->config, role->name);
	if (file_each_line(AT_FDCWD, path, line_is_any, NULL) > 0)
		doctor_report(doctor, DOCTOR_OK,
			      "the %s leaves held devices alone: usbiphp status lists them",
			      role->name);
}

/* missing: level if the module cannot be loaded. */
static void doctor_check_role(struct doctor *doctor, const struct doctor_role *role,
			      enum doctor_level missing)
{
	doctor_check_module(doctor, &role->module, role->check_module(&doctor->sysfs), missing);
	role->check_state(doctor);
	doctor_check_service(doctor, role);
	doctor_check_holds(doctor, role);
}

/* Checks the roles that this machine has; both, if nothing tells which it is to have. */
static void doctor_check_roles(struct doctor *doctor, bool asked_as_client)
{
	bool server = role_is_running(doctor, &server_role) ||
		      role_is_enabled(doctor, &server_role);
	bool client = asked_as_client || role_is_running(doctor, &client_role) ||
		      role_is_enabled(doctor, &client_role);

	if (server || !client)
		doctor_check_role(doctor, &server_role, DOCTOR_BAD);
	if (client || !server)
		doctor_check_role(doctor, &client_role, client ? DOCTOR_BAD : DOCTOR_WARN);
}

/* The kernel lists "tls" also if it is built in. */
static void doctor_check_tls(struct doctor *doctor)
{
	bool loaded = doctor_file_contains(doctor, "tls", "proc/sys/net/ipv4/tcp_available_ulp");

	doctor_check_module(doctor, &tls_module, loaded ? 0 : -ENOENT, DOCTOR_BAD);
}

static void doctor_check_machine(struct doctor *doctor, bool asked_as_client)
{
	doctor_check_roles(doctor, asked_as_client);
	if (doctor->options->keys)
		doctor_check_tls(doctor);
	doctor_check_programs(doctor);
	doctor_check_filters(doctor);
	doctor_check_owners(doctor);
	if (time(NULL) < CLOCK_MIN)
		doctor_report(doctor, DOCTOR_WARN,
			      "the clock is not set: timedatectl set-ntp true");
	if (geteuid())
		doctor_report(doctor, DOCTOR_WARN, "not run as root: some checks are incomplete");
}

static void count_device(struct request *request, const struct op_device *device,
			 const struct op_interface *interface)
{
	unsigned *devices = request->ctx;

	(void)device;
	(void)interface;
	++*devices;
}

static void doctor_report_failure(struct doctor *doctor, const struct query *query,
				  const char *server)
{
	const char *reason = request_reason(&query->request, &query->result);

	if (query->result.outcome <= REQUEST_UNREACHABLE)
		doctor_report(doctor, DOCTOR_BAD,
			      "%s: %s: is it running? On the server: usbiphp doctor", server,
			      reason);
	else
		doctor_report(doctor, DOCTOR_BAD, "%s: %s (on the server: usbiphp doctor)", server,
			      reason);
}

/* Returns false if a signal told the doctor to stop. */
static bool doctor_check_server(struct doctor *doctor, const struct endpoint *server)
{
	static struct query query;
	unsigned devices = 0, again = 0;
	bool listed, pushes = false;

	query.target = (struct request_target){
		.endpoint = server,
		.key = keys_own(doctor->options->keys),
	};
	listed = query_list(&query, OP_REQ_DEVLIST, count_device, &devices);
	if (listed)
		pushes = query_list(&query, OP_REQ_WATCH, count_device, &again);
	if (query.loop.stopping)
		return false;
	if (listed)
		doctor_report(doctor, DOCTOR_OK, "%s: exports %u device%s, %s", server->name,
			      devices, devices == 1 ? "" : "s",
			      pushes ? "reports changes" : "has to be polled");
	else
		doctor_report_failure(doctor, &query, server->name);
	return true;
}

int cmd_doctor(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers)
{
	struct doctor doctor = { .options = options, .port = port };
	int error = sysfs_open(&doctor.sysfs, options->sysfs);

	if (error) {
		log_error_errno(error, "cannot open %s", options->sysfs);
		return 1;
	}
	doctor.machine.root = openat(doctor.sysfs.root, "..", O_PATH | O_CLOEXEC);
	doctor_check_machine(&doctor, servers != 0);
	close(doctor.machine.root);
	sysfs_close(&doctor.sysfs);
	for (unsigned i = 0; i < servers; i++)
		if (!doctor_check_server(&doctor, &server[i]))
			return 1;
	return doctor.any_bad;
}
