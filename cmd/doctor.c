/* SPDX-License-Identifier: MIT */
/* usbiphp doctor: the report, and the checks of programs, files and servers. */
#include "cmd/doctor.h"

#include "client/request.h"
#include "cmd/cmd.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/str.h"
#include "lib/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
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

#define MASK "systemctl mask --now %s"
#define KEEP_UPS "usbiphp release BUSID, or remove the UPS from /etc/nut/ups.conf"

/* Programs that get in the way, by their comm in proc(5). */
static const struct program {
	char comm[16], effect[27], units[20];
	bool only_server; /* it reaches into devices that this machine exports, through usbfs */
	const char *remedy; /* a format, for units or, if they are empty, for the server's port */
} programs[] = {
	{ "ModemManager", "probes serial adapters", "ModemManager", false, MASK },
	{ "usbguard-daemon", "may block devices", "", false, "usbguard list-devices -b" },
	{ "udisksd", "may mount disks", "udisks2", false, MASK },
	{ "firewalld", "filters packets", "", false,
	  "firewall-cmd --permanent --add-port=%s/tcp; firewall-cmd --reload" },
	{ "usbmuxd", "configures exported phones", "usbmuxd", true, MASK },
	{ "pcscd", "uses exported card readers", "pcscd.socket pcscd", true, MASK },
	{ "fwupd", "may reset exported devices", "fwupd", true, MASK },
	{ "brltty", "takes serial adapters", "brltty", true, MASK },
	{ "ipp-usb", "uses exported printers", "ipp-usb", true, MASK },
	{ "usbhid-ups", "uses an exported UPS", "", true, KEEP_UPS },
	{ "upsd", "may read an exported UPS", "", true, KEEP_UPS },
};

/* A line of /proc/net/tcp or tcp6: the 2nd word is the local address, the 4th the state, the 10th
 * the inode. "0: 00000000:0CA8 00000000:0000 0A 0:0 0:0 0 0 0 4711 ..." */
static bool listener_read_socket(void *ctx, char *line)
{
	struct doctor *doctor = ctx;
	char *word[10], *colon;
	uint32_t port, wanted;

	if (str_words(line, word, 10) < 10 || str_decimal(doctor->port, 65535, &wanted))
		return false;
	colon = strrchr(word[1], ':');
	if (!colon || str_hex(colon + 1, 65535, &port) || port != wanted ||
	    strcmp(word[3], "0A") != 0) /* TCP_LISTEN, include/net/tcp_states.h */
		return false;
	str_format(doctor->socket, sizeof(doctor->socket), "socket:[%s]", word[9]);
	return true;
}

/* Whether the file descriptor fd of the process is the listening socket. */
static bool listener_is_file(void *ctx, const char *fd)
{
	const struct doctor *doctor = ctx;
	struct sysfs_path path = sysfs_path("proc/%s/fd/%s", doctor->pid, fd);
	char target[64];

	return sysfs_read_link(&doctor->machine, target, sizeof(target), path.text) > 0 &&
	       !strcmp(target, doctor->socket);
}

/* An entry of /proc. */
static bool doctor_check_process(void *ctx, const char *pid)
{
	struct doctor *doctor = ctx;
	struct sysfs_path path = sysfs_path("proc/%s/comm", pid);
	char comm[DOCTOR_COMM_SIZE], remedy[96];

	if (sysfs_read(&doctor->machine, comm, sizeof(comm), path.text) <= 0)
		return false;
	for (const struct program *p = programs; p < programs + ARRAY_SIZE(programs); p++)
		if (!strcmp(p->comm, comm) && (doctor->is_server || !p->only_server)) {
			str_format(remedy, sizeof(remedy), p->remedy,
				   *p->units ? p->units : doctor->port);
			doctor_warn(doctor, "%s %s: %s", comm, p->effect, remedy);
		}
	doctor->pid = pid;
	path = sysfs_path("proc/%s/fd", pid);
	if (sysfs_each_entry(doctor->machine.root, path.text, listener_is_file, doctor) > 0)
		memcpy(doctor->program, comm, sizeof(comm));
	return false;
}

/* Only root sees which program has the socket; while our server runs, it should be that. */
static void doctor_check_programs(struct doctor *doctor)
{
	bool server_runs = rundir_has_daemon(doctor->options->run, "server");
	const char *program = doctor->program, *port = doctor->port;
	int root = doctor->machine.root;

	if (file_each_line(root, "proc/net/tcp", listener_read_socket, doctor) <= 0)
		file_each_line(root, "proc/net/tcp6", listener_read_socket, doctor);
	sysfs_each_entry(root, "proc", doctor_check_process, doctor);
	if (!*program)
		program = server_runs ? "usbiphp" : "another program";
	if (!doctor->socket[0] && server_runs)
		doctor_bad(doctor, "nothing listens on TCP %s: systemctl restart usbip-bind", port);
	else if (doctor->socket[0] && !strncmp(program, "usbiphp", 7))
		doctor_ok(doctor, "%s listens on TCP %s", program, port);
	else if (doctor->socket[0])
		doctor_report(doctor, server_runs ? DOCTOR_BAD : DOCTOR_WARN,
			      "%s listens on TCP %s: stop it, or use --listen ADDR:PORT", program,
			      port);
}

static void doctor_check_filters(struct doctor *doctor)
{
	int users = sysfs_read_number(&doctor->sysfs, false, INT32_MAX, "module/nf_tables/refcnt");
	const char *port = doctor->port;

	if (users > 0 || file_contains(doctor->machine.root, "proc/net/ip_tables_names", ""))
		doctor_warn(doctor,
			    "a packet filter is active, it must let TCP %s through: "
			    "ufw allow %s/tcp, or see nft list ruleset", port, port);
}

/* An entry of the directory; "." is the directory itself. Anybody may connect to a socket. */
static bool doctor_check_owner(void *ctx, const char *name)
{
	struct doctor *doctor = ctx;
	char path[PATH_MAX];
	struct stat st;

	str_format(path, sizeof(path), "%s/%s", doctor->dir, name);
	if (!strcmp(name, "..") || stat(path, &st) || S_ISSOCK(st.st_mode))
		return false;
	if (st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid()))
		doctor_bad(doctor, "others may change %s: chown root %s; chmod go-w %s", path, path,
			   path);
	return false;
}

/* Files that others than root may change. */
static void doctor_check_owners(struct doctor *doctor)
{
	char hooks[PATH_MAX];
	const char *const dirs[] = { doctor->options->config, hooks, doctor->options->run };

	str_format(hooks, sizeof(hooks), "%s/hooks.d", doctor->options->config);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		doctor->dir = dirs[i];
		sysfs_each_entry(AT_FDCWD, doctor->dir, doctor_check_owner, doctor);
	}
}

/* One key for both roles: whoever leads a connection of this machine back to it is let in. */
static void doctor_check_keys(struct doctor *doctor)
{
	static struct keys role[2];
	static const char file[][5] = { "keys", "key" }; /* of the server, of the client */
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(file); i++) {
		str_format(path, sizeof(path), "%s/%s", doctor->options->config, file[i]);
		if (access(path, R_OK) || !keys_read(&role[i], path))
			return;
	}
	for (unsigned i = 0; i < role[1].count; i++)
		for (unsigned j = 0; j < role[0].count; j++)
			if (role[0].key[j].print == role[1].key[i].print)
				doctor_bad(doctor, "%s is a key of the server and of the client: "
						   "make another one: usbiphp psk",
					   role[0].key[j].identity);
}

/* Returns false if a signal told the doctor to stop. */
static bool doctor_check_server(struct doctor *doctor, struct ssh *ssh,
				const struct endpoint *server)
{
	static struct query query;
	const struct request *request = &query.request;
	const char *remedy = " (on the server: usbiphp doctor)";
	unsigned devices;
	bool listed;

	query.target = (struct request_target){ /* without the addresses of the server before */
		.endpoint = server,
		.key = keys_for(doctor->options->keys, server->host),
		.ssh = ssh,
	};
	listed = query_count(&query, &devices);
	if (query.loop.stopping)
		return false;
	if (request->outcome == REQUEST_UNRESOLVED)
		remedy = ": see the servers of this network: usbiphp find";
	else if (request->outcome == REQUEST_UNREACHABLE)
		remedy = ": is it running? On the server: usbiphp doctor";
	if (listed)
		doctor_ok(doctor, "%s: exports %u device%s, %s", server->name, devices,
			  devices == 1 ? "" : "s",
			  request->reply.marked ? "reports changes" : "has to be polled");
	else
		doctor_bad(doctor, "%s: %s%s", server->name, request->reason, remedy);
	return true;
}

int cmd_doctor(const struct daemon_options *options, const char *port,
	       const struct endpoint *server, unsigned servers)
{
	struct doctor doctor = { .options = options, .port = port };
	struct ssh ssh;
	int error = sysfs_open(&doctor.sysfs, options->sysfs);

	if (error) {
		log_error_errno(error, "cannot open %s", options->sysfs);
		return 1;
	}
	doctor.machine.root = openat(doctor.sysfs.root, "..", O_PATH | O_CLOEXEC);
	doctor.machine.proc = openat(doctor.machine.root, "proc", O_PATH | O_CLOEXEC);
	doctor_check_roles(&doctor, servers != 0);
	doctor_check_programs(&doctor);
	doctor_check_filters(&doctor);
	doctor_check_owners(&doctor);
	doctor_check_keys(&doctor);
	if (!sandbox_has_landlock())
		doctor_warn(&doctor, "this kernel has no Landlock: a daemon that is taken over may "
				     "write to root's files");
	if (time(NULL) < CLOCK_MIN)
		doctor_warn(&doctor, "the clock is not set: timedatectl set-ntp true");
	if (geteuid())
		doctor_warn(&doctor, "not run as root: some checks are incomplete");
	close(doctor.machine.proc);
	close(doctor.machine.root);
	sysfs_close(&doctor.sysfs);
	if (servers)
		query_confine(&ssh, keys_for(options->keys, ""), server, servers);
	for (unsigned i = 0; i < servers; i++)
		if (!doctor_check_server(&doctor, &ssh, &server[i]))
			return 1;
	return doctor.any_bad;
}
