/* SPDX-License-Identifier: MIT */
/* The doctor and what else is on the machine: programs, sockets, filters, files. */
#include "cmd/doctor_report.h"
#include "lib/file.h"
#include "lib/str.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "0: 00000000:0CA8 00000000:0000 0A 0:0 0:0 0 0 0 4711 ...": the local address is the second word,
 * the state the fourth, the inode the tenth. */
static bool see_socket(void *ctx, char *line)
{
	struct doctor *doctor = ctx;
	char *word[10], *colon;
	uint32_t port;

	if (str_words(line, word, 10) < 10)
		return false;
	colon = strrchr(word[1], ':');
	if (!colon || str_hex(colon + 1, 65535, &port) || port != doctor->number ||
	    strcmp(word[3], "0A") != 0) /* TCP_LISTEN, include/net/tcp_states.h */
		return false;
	str_format(doctor->socket, sizeof(doctor->socket), "socket:[%s]", word[9]);
	return true;
}

static bool see_file(void *ctx, const char *name)
{
	const struct doctor *doctor = ctx;
	char target[64];

	return sysfs_read_link(&doctor->machine, target, sizeof(target), "proc/%s/fd/%s",
			  doctor->now, name) > 0 &&
	       !strcmp(target, doctor->socket);
}

static bool see_process(void *ctx, const char *name)
{
	/* formats with the port; they begin with the name of a program */
	const char *line =
		"ModemManager probes serial adapters: systemctl mask --now ModemManager\0"
		"usbguard-daemon may block devices: usbguard list-devices -b\0"
		"udisksd may mount disks: systemctl mask --now udisks2\0"
		"firewalld filters packets: firewall-cmd --permanent --add-port=%s/tcp; "
		"firewall-cmd --reload\0";
	struct doctor *doctor = ctx;
	char comm[sizeof(doctor->listener)], path[32];
	ssize_t len = sysfs_read(&doctor->machine, comm, sizeof(comm), "proc/%s/comm", name);

	if (len <= 0)
		return false;
	for (; *line; line += strlen(line) + 1)
		if (!strncmp(line, comm, (size_t)len) && line[len] == ' ')
			doctor_say(doctor, WARN, line, doctor->port);
	doctor->now = name;
	str_format(path, sizeof(path), "proc/%s/fd", name);
	if (sysfs_each_entry(doctor->machine.root, path, see_file, doctor) > 0)
		memcpy(doctor->listener, comm, sizeof(comm));
	return false;
}

static bool is_filtered(const struct doctor *doctor)
{
	uint32_t users = 0;

	sysfs_read_number(&doctor->sysfs, false, UINT32_MAX, &users, "module/nf_tables/refcnt");
	return users || doctor_has(doctor, "", "proc/net/ip_tables_names", NULL);
}

void doctor_programs(struct doctor *doctor)
{
	bool running = rundir_has_daemon(doctor->options->run, "server"), ours;
	const char *who = "nobody", *remedy = ": systemctl restart usbip-bind";
	int root = doctor->machine.root;

	str_decimal(doctor->port, 65535, &doctor->number);
	if (file_each_line(root, "proc/net/tcp", see_socket, doctor) ||
	    file_each_line(root, "proc/net/tcp6", see_socket, doctor)) {
		/* not everybody may see who it is */
		who = running ? "usbiphp" : "somebody";
		remedy = ": stop that, or --listen ADDR:PORT";
	}
	sysfs_each_entry(root, "proc", see_process, doctor);
	if (doctor->listener[0])
		who = doctor->listener;
	ours = !strncmp(who, "usbiphp", 7);
	if (running || doctor->socket[0])
		doctor_say(doctor, ours ? OK : running ? BAD : WARN, "%s listens on TCP %s%s", who,
			   doctor->port, ours ? "" : remedy);
	if (is_filtered(doctor))
		doctor_say(doctor, WARN,
			   "packets are filtered: ufw allow %s/tcp; nft list ruleset",
			   doctor->port);
}

static bool see_place(void *ctx, const char *name)
{
	struct doctor *doctor = ctx;
	char path[PATH_MAX];
	struct stat st;

	str_format(path, sizeof(path), "%s/%s", doctor->now, name);
	if (strcmp(name, "..") != 0 && !stat(path, &st) && !S_ISSOCK(st.st_mode) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid())))
		doctor_say(doctor, BAD, "others may change %s: chown root %s; chmod go-w %s",
			   path, path, path);
	return false;
}

void doctor_places(struct doctor *doctor)
{
	char hooks[PATH_MAX];
	const char *const paths[] = { doctor->options->config, hooks, doctor->options->run };

	str_format(hooks, sizeof(hooks), "%s/hooks.d", doctor->options->config);
	for (unsigned i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		doctor->now = paths[i];
		sysfs_each_entry(AT_FDCWD, paths[i], see_place, doctor);
	}
}
