/* SPDX-License-Identifier: MIT */
/* The doctor's checks of programs, sockets, packet filters and files. */
#include "cmd/doctor.h"

#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMM_SIZE = 17 }; /* proc(5): TASK_COMM_LEN with a newline */

/* Programs that get in the way, by their comm in proc(5). */
static const struct program {
	const char *comm, *effect, *remedy;
	const char *more; /* of the remedy, behind the server's port; NULL: it has no port in it */
} programs[] = {
	{ "ModemManager", "probes serial adapters", "systemctl mask --now ModemManager", NULL },
	{ "usbguard-daemon", "may block devices", "usbguard list-devices -b", NULL },
	{ "udisksd", "may mount disks", "systemctl mask --now udisks2", NULL },
	{ "firewalld", "filters packets", "firewall-cmd --permanent --add-port=",
	  "/tcp; firewall-cmd --reload" },
};

/* The search for the program that listens at the server's port. */
struct listener_search {
	struct doctor *doctor;
	uint32_t port;
	char socket[32];	 /* target of its /proc/PID/fd link; empty: nothing listens */
	char program[COMM_SIZE]; /* empty: not known */
	const char *pid;	 /* whose files are looked at */
};

/* A line of /proc/net/tcp or tcp6: the 2nd word is the local address, the 4th the state, the 10th
 * the inode. "0: 00000000:0CA8 00000000:0000 0A 0:0 0:0 0 0 0 4711 ..." */
static bool listener_read_socket(void *ctx, char *line)
{
	struct listener_search *search = ctx;
	char *word[10], *colon;
	uint32_t port;

	if (str_words(line, word, 10) < 10)
		return false;
	colon = strrchr(word[1], ':');
	if (!colon || str_hex(colon + 1, 65535, &port) || port != search->port ||
	    strcmp(word[3], "0A") != 0) /* TCP_LISTEN, include/net/tcp_states.h */
		return false;
	str_format(search->socket, sizeof(search->socket), "socket:[%s]", word[9]);
	return true;
}

/* Whether the file descriptor fd of the process is the listening socket. */
static bool listener_is_file(void *ctx, const char *fd)
{
	const struct listener_search *search = ctx;
	struct sysfs_path path = sysfs_path("proc/%s/fd/%s", search->pid, fd);
	char target[64];

	return sysfs_read_link(&search->doctor->machine, target, sizeof(target), path.text) > 0 &&
	       !strcmp(target, search->socket);
}

static void doctor_check_program(struct doctor *doctor, const char *comm)
{
	for (const struct program *p = programs; p < programs + ARRAY_SIZE(programs); p++)
		if (!strcmp(p->comm, comm))
			doctor_report(doctor, DOCTOR_WARN, "%s %s: %s%s%s", comm, p->effect,
				      p->remedy, p->more ? doctor->port : "",
				      p->more ? p->more : "");
}

/* An entry of /proc. */
static bool doctor_check_process(void *ctx, const char *pid)
{
	struct listener_search *search = ctx;
	char comm[COMM_SIZE], path[32];
	ssize_t len = sysfs_read(&search->doctor->machine, comm, sizeof(comm),
				 sysfs_path("proc/%s/comm", pid).text);

	if (len <= 0)
		return false;
	doctor_check_program(search->doctor, comm);
	search->pid = pid;
	str_format(path, sizeof(path), "proc/%s/fd", pid);
	if (sysfs_each_entry(search->doctor->machine.root, path, listener_is_file, search) > 0)
		memcpy(search->program, comm, sizeof(comm));
	return false;
}

/* Only root sees which program has the socket; while our server runs, it should be that. */
static void doctor_report_listener(struct doctor *doctor, const struct listener_search *search)
{
	bool server_runs = rundir_has_daemon(doctor->options->run, "server");
	const char *program = search->program;

	if (!*program)
		program = server_runs ? "usbiphp" : "another program";
	if (!search->socket[0]) {
		if (server_runs)
			doctor_report(doctor, DOCTOR_BAD,
				      "nothing listens on TCP %s: systemctl restart usbip-bind",
				      doctor->port);
	} else if (!strncmp(program, "usbiphp", 7)) {
		doctor_report(doctor, DOCTOR_OK, "%s listens on TCP %s", program, doctor->port);
	} else {
		doctor_report(doctor, server_runs ? DOCTOR_BAD : DOCTOR_WARN,
			      "%s listens on TCP %s: stop it, or use --listen ADDR:PORT", program,
			      doctor->port);
	}
}

void doctor_check_programs(struct doctor *doctor)
{
	struct listener_search search = { .doctor = doctor };
	int root = doctor->machine.root;

	str_decimal(doctor->port, 65535, &search.port);
	if (file_each_line(root, "proc/net/tcp", listener_read_socket, &search) <= 0)
		file_each_line(root, "proc/net/tcp6", listener_read_socket, &search);
	sysfs_each_entry(root, "proc", doctor_check_process, &search);
	doctor_report_listener(doctor, &search);
}

void doctor_check_filters(struct doctor *doctor)
{
	int users = sysfs_read_number(&doctor->sysfs, false, INT32_MAX, "module/nf_tables/refcnt");

	if (users > 0 || doctor_file_contains(doctor->machine.root, "", "proc/net/ip_tables_names"))
		doctor_report(doctor, DOCTOR_WARN,
			      "a packet filter is active, it must let TCP %s through: "
			      "ufw allow %s/tcp, or see nft list ruleset",
			      doctor->port, doctor->port);
}

struct owners_check {
	struct doctor *doctor;
	const char *dir;
};

/* An entry of the directory; "." is the directory itself. Anybody may connect to a socket. */
static bool doctor_check_owner(void *ctx, const char *name)
{
	struct owners_check *check = ctx;
	char path[PATH_MAX];
	struct stat st;

	str_format(path, sizeof(path), "%s/%s", check->dir, name);
	if (!strcmp(name, "..") || stat(path, &st) || S_ISSOCK(st.st_mode))
		return false;
	if (st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid()))
		doctor_report(check->doctor, DOCTOR_BAD,
			      "others may change %s: chown root %s; chmod go-w %s", path, path,
			      path);
	return false;
}

void doctor_check_owners(struct doctor *doctor)
{
	char hooks[PATH_MAX];
	const char *const dirs[] = { doctor->options->config, hooks, doctor->options->run };

	str_format(hooks, sizeof(hooks), "%s/hooks.d", doctor->options->config);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct owners_check check = { doctor, dirs[i] };

		sysfs_each_entry(AT_FDCWD, dirs[i], doctor_check_owner, &check);
	}
}
