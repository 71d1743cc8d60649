/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: the order of the checks, the check of servers, and the report. */
#include "cmd/doctor.h"

#include "client/query.h"
#include "cmd/cmd.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/str.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_MIN = 1704067200 /* 2024-01-01: an earlier time is a clock that was never set */ };

void doctor_report(struct doctor *doctor, enum doctor_level level, const char *format, ...)
{
	static const char word[][8] = { "ok", "warn", "BAD" };
	char line[1024];
	size_t len = str_format(line, sizeof(line), "%-8s", word[level]);
	va_list args;

	doctor->any_bad = doctor->any_bad || level == DOCTOR_BAD;
	va_start(args, format);
	len += str_vformat(line + len, sizeof(line) - len, format, args);
	va_end(args);
	str_printable(line);
	line[len++] = '\n';
	if (write(STDOUT_FILENO, line, len) < 0)
		return; /* the reader is gone */
}

static bool line_contains(void *ctx, char *line)
{
	return strstr(line, ctx) != NULL;
}

bool doctor_file_contains(int dir, const char *text, const char *path, ...)
{
	char buf[PATH_MAX];
	va_list args;

	va_start(args, path);
	str_vformat(buf, sizeof(buf), path, args);
	va_end(args);
	return file_each_line(dir, buf, line_contains, (void *)text) > 0;
}

static void doctor_check_machine(struct doctor *doctor, bool asked_as_client)
{
	doctor_check_roles(doctor, asked_as_client);
	doctor_check_programs(doctor);
	doctor_check_filters(doctor);
	doctor_check_owners(doctor);
	if (time(NULL) < CLOCK_MIN)
		doctor_report(doctor, DOCTOR_WARN,
			      "the clock is not set: timedatectl set-ntp true");
	if (geteuid())
		doctor_report(doctor, DOCTOR_WARN, "not run as root: some checks are incomplete");
}

static void count_device(struct request *request, const struct reply_item *item)
{
	unsigned *devices = request->ctx;

	(void)item;
	++*devices;
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
		doctor_report(doctor, DOCTOR_BAD, "%s: %s%s", server->name, query.request.reason,
			      query.request.outcome == REQUEST_UNRESOLVED ||
					      query.request.outcome == REQUEST_UNREACHABLE ?
				      ": is it running? On the server: usbiphp doctor" :
				      " (on the server: usbiphp doctor)");
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
