/* SPDX-License-Identifier: MIT */
/* What the doctor looks at: files of /sys, /proc, /etc, /lib, /boot and /run. */
#include "proto/text.h"
#include "show/doctor_facts.h"
#include "sysfs/stub.h"
#include "sysfs/use.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	CLOCK_LEAST = 1704067200, /* 2024-01-01 */
	LISTENERS = 8,		  /* on one port */
	LISTENING = 10,		  /* include/net/tcp_states.h */
	ID_SIZE = 16,		  /* a process's number, and the like */
};

struct look {
	struct doctor_facts *facts;
	const struct sysfs *sysfs;
	struct sysfs machine; /* only its root: "/" */
	const char *word;     /* that is looked for, by what needs one */
	const char *process;
	uint32_t port;
	unsigned listeners;
	uint32_t listener[LISTENERS]; /* inodes of their sockets */
};

static bool see_word(void *ctx, char *line)
{
	return strstr(line, ((const struct look *)ctx)->word) != NULL;
}

static bool has_word(struct look *look, const char *path, const char *word)
{
	look->word = word;
	return use_each_line(look->machine.root, path, see_word, look);
}

static bool is_there(const struct look *look, const char *path)
{
	return !sysfs_try(&look->machine, O_PATH, "%s", path);
}

/* A line "ID=debian" or "ID_LIKE="ubuntu debian"" (os-release(5)). */
static bool see_distribution(void *ctx, char *line)
{
	static const struct {
		const char *id, *remedy;
	} row[] = {
		{ "raspbian", "apt-get full-upgrade; reboot" },
		{ "ubuntu", "apt-get install linux-modules-extra-$(uname -r)" },
		{ "debian", "apt-get install linux-image-$(dpkg --print-architecture); reboot" },
		{ "fedora", "dnf install kernel-modules-extra-$(uname -r)" },
		{ "arch", "pacman -Syu linux; reboot" },
		{ "alpine", "apk add linux-lts; reboot" },
		{ "openwrt", "opkg install kmod-usbip-%s" },
	};
	struct look *look = ctx;
	size_t len = strlen(look->word);
	const char *id;

	if (strncmp(line, look->word, len) != 0)
		return false;
	for (char *c = line; *c; c++)
		if (*c == '"' || *c == '\'' || *c == '=')
			*c = ' ';
	for (line += len; (id = text_word(&line));)
		for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
			if (!strcmp(id, row[i].id)) {
				look->facts->remedy = row[i].remedy;
				return true;
			}
	return false;
}

static void look_distribution(struct look *look)
{
	static const char *const keys[] = { "ID=", "ID_LIKE=" };

	for (size_t i = 0; i < 2 && !look->facts->remedy; i++) {
		look->word = keys[i];
		use_each_line(look->machine.root, "etc/os-release", see_distribution, look);
	}
}

static bool see_any(void *ctx, const char *name)
{
	(void)ctx;
	return name[0] != '.';
}

static enum doctor_module look_module(struct look *look, const struct doctor_role_name *name)
{
	static const char *const files[] = { "dep", "builtin" };
	const char *release = look->facts->release;
	char path[PATH_MAX], word[64];
	int others = sysfs_entries(look->machine.root, "lib/modules", see_any, NULL);

	text_format(word, sizeof(word), "%s.ko", name->module);
	for (size_t i = 0; i < 2; i++) {
		text_format(path, sizeof(path), "lib/modules/%s/modules.%s", release, files[i]);
		if (has_word(look, path, word))
			return MODULE_LOADABLE;
	}
	/* OpenWrt has neither */
	text_format(path, sizeof(path), "lib/modules/%s/%s", release, word);
	if (is_there(look, path))
		return MODULE_LOADABLE;
	text_format(path, sizeof(path), "boot/config-%s", release);
	text_format(word, sizeof(word), "%s is not set", name->config);
	if (has_word(look, path, word))
		return MODULE_UNBUILT;
	if (others <= 0)
		return MODULE_NOWHERE;
	text_format(path, sizeof(path), "lib/modules/%s", release);
	return is_there(look, path) ? MODULE_MISSING : MODULE_GONE;
}

/* Its service, of systemd or not. */
static void look_service(struct look *look, struct doctor_part *part, const char *service)
{
	static const char *const places[] = { "etc/systemd/system/%s.service",
					      "lib/systemd/system/%s.service", "etc/init.d/%s" };
	char path[80];

	for (size_t i = 0; i < 3 && !part->installed; i++) {
		text_format(path, sizeof(path), places[i], service);
		part->installed = is_there(look, path);
		part->script = has_word(look, path, ".sh");
	}
}

static bool count_name(void *ctx, char *line)
{
	*(unsigned *)ctx += *line != '\0';
	return false;
}

static void see_device(void *ctx, const struct device *device)
{
	struct look *look = ctx;
	struct doctor_facts *facts = look->facts;

	if (device->on_vhci || device->class == DEVICE_CLASS_HUB)
		return;
	facts->devices++;
	if (strcmp(device->driver, STUB_DRIVER) != 0)
		return;
	facts->bound++;
	if (stub_status(look->sysfs, device->busid) == STUB_ERROR && !facts->failed++)
		text_format(facts->failed_name, sizeof(facts->failed_name), "%s", device->name);
}

static void look_ports(struct look *look)
{
	static struct vhci vhci;
	struct doctor_facts *facts = look->facts;

	facts->failed_port = -1;
	if (vhci_read(look->sysfs, &vhci))
		return;
	for (unsigned i = 0; i < vhci.ports; i++) {
		unsigned super = vhci.port[i].hub == VHCI_SUPER;

		facts->ports[super] += vhci.port[i].state != VHCI_ABSENT;
		facts->free[super] += vhci.port[i].state == VHCI_FREE;
		if (vhci.port[i].state == VHCI_ERROR)
			facts->failed_port = (int)i;
	}
}

/* "0: 00000000:0CA8 00000000:0000 0A 0:0 0:0 0 0 0 4711 ...": local is the second word, then the
 * state the fourth, the inode the tenth. */
static bool see_socket(void *ctx, char *line)
{
	struct look *look = ctx;
	uint32_t port = 0, state = 0, inode = 0;

	for (unsigned i = 0; i < 10; i++) {
		const char *word = text_word(&line), *colon = word ? strrchr(word, ':') : NULL;

		if (!word)
			return false;
		if (i == 1 && colon)
			text_hex(colon + 1, 65535, &port);
		else if (i == 3)
			text_hex(word, 255, &state);
		else if (i == 9)
			text_decimal(word, UINT32_MAX, &inode);
	}
	if (port == look->port && state == LISTENING && look->listeners < LISTENERS)
		look->listener[look->listeners++] = inode;
	return look->listeners == LISTENERS;
}

/* "socket:[4711]" */
static bool see_file(void *ctx, const char *name)
{
	struct look *look = ctx;
	char target[64], *end;
	uint32_t inode;

	if (sysfs_link(&look->machine, target, sizeof(target), "proc/%s/fd/%s", look->process,
		       name) < 0 ||
	    strncmp(target, "socket:[", 8) != 0 || !(end = strchr(target, ']')))
		return false;
	*end = '\0';
	if (text_decimal(target + 8, UINT32_MAX, &inode))
		return false;
	for (unsigned i = 0; i < look->listeners; i++)
		if (look->listener[i] == inode)
			return true;
	return false;
}

static bool see_process(void *ctx, const char *name)
{
	static const char *const programs[PROGRAMS] = { "ModemManager", "usbguard-daemon",
							"udisksd", "firewalld" };
	struct look *look = ctx;
	char comm[DOCTOR_WORD_SIZE + 1], path[32];

	if (name[0] < '1' || name[0] > '9' || strlen(name) >= ID_SIZE ||
	    sysfs_read(&look->machine, comm, sizeof(comm), "proc/%s/comm", name) < 0)
		return false;
	for (unsigned i = 0; i < PROGRAMS; i++)
		if (!strcmp(comm, programs[i]))
			look->facts->programs |= 1U << i;
	look->process = name;
	text_format(path, sizeof(path), "proc/%s/fd", name);
	if (look->listeners && !look->facts->listener[0] &&
	    sysfs_entries(look->machine.root, path, see_file, look) > 0)
		text_format(look->facts->listener, sizeof(look->facts->listener), "%s", comm);
	return false;
}

static void look_network(struct look *look)
{
	struct doctor_facts *facts = look->facts;
	char line[64];
	uint32_t users;

	text_decimal(facts->port, 65535, &look->port);
	use_each_line(look->machine.root, "proc/net/tcp", see_socket, look);
	use_each_line(look->machine.root, "proc/net/tcp6", see_socket, look);
	facts->listening = look->listeners;
	sysfs_entries(look->machine.root, "proc", see_process, look);
	facts->ufw = has_word(look, "etc/ufw/ufw.conf", "ENABLED=yes");
	text_format(line, sizeof(line), "allow tcp %s ", facts->port);
	facts->ufw_lets = has_word(look, "etc/ufw/user.rules", line);
	facts->netfilter = has_word(look, "proc/net/ip_tables_names", "") ||
			   (!sysfs_read_number(look->sysfs, false, UINT32_MAX, &users,
					       "module/nf_tables/refcnt") &&
			    users);
}

/* Whether somebody else may change it. What is not there nobody can. */
static bool is_loose(const char *path)
{
	struct stat st;

	return !stat(path, &st) &&
	       (st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid()));
}

struct place {
	const char *path;
	char *loose;
};

static bool see_place(void *ctx, const char *name)
{
	const struct place *place = ctx;
	char path[PATH_MAX];

	text_format(path, sizeof(path), "%s/%s", place->path, name);
	if (!strcmp(name, "..") || !is_loose(path))
		return false;
	text_format(place->loose, sizeof(((struct doctor_facts *)0)->loose[0]), "%s", path);
	return true;
}

static void look_places(struct look *look)
{
	struct doctor_facts *facts = look->facts;
	char hooks[PATH_MAX];
	struct place place[] = { { facts->config, facts->loose[0] },
				 { hooks, facts->loose[0] },
				 { facts->run, facts->loose[1] } };

	text_format(hooks, sizeof(hooks), "%s/hooks.d", facts->config);
	for (size_t i = 0; i < sizeof(place) / sizeof(*place); i++)
		if (!place[i].loose[0])
			sysfs_entries(AT_FDCWD, place[i].path, see_place, &place[i]);
}

static void look_part(struct look *look, enum doctor_role role)
{
	struct doctor_part *part = &look->facts->part[role];
	const struct doctor_role_name *name = &doctor_role_name[role];
	char path[PATH_MAX];

	part->driver = role == DOCTOR_SERVER ? stub_check(look->sysfs) : vhci_check(look->sysfs);
	if (part->driver == -ENOENT)
		part->module = look_module(look, name);
	look_service(look, part, name->service);
	part->running = state_running(look->facts->run, name->word);
	text_format(path, sizeof(path), "%s/held.%s", look->facts->config, name->word);
	use_each_line(AT_FDCWD, path, count_name, &part->held);
}

/* Which roles this machine has: those of which there is a sign, or the one that is asked for. */
static void decide_roles(struct doctor_facts *facts, bool client)
{
	struct doctor_part *part = facts->part;
	bool sign = client;

	for (unsigned i = 0; i < DOCTOR_ROLES; i++) {
		part[i].wanted = part[i].installed || part[i].running;
		sign = sign || part[i].wanted;
	}
	if (client)
		part[DOCTOR_CLIENT].wanted = true;
	else if (!sign)
		part[DOCTOR_SERVER].wanted = true;
	for (unsigned i = 0; i < DOCTOR_ROLES; i++)
		part[i].looked_at = part[i].wanted || !sign;
}

int doctor_look(struct doctor_facts *facts, const struct sysfs *sysfs,
		const struct daemon_options *options, bool client)
{
	struct look look = { .facts = facts, .sysfs = sysfs };
	bool held;

	look.machine.root = openat(sysfs->root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (look.machine.root < 0)
		return -errno;
	facts->root = !geteuid();
	facts->clock_unset = time(NULL) < CLOCK_LEAST;
	facts->config = options->config;
	facts->run = options->run;
	sysfs_read(&look.machine, facts->release, sizeof(facts->release),
		   "proc/sys/kernel/osrelease");
	look_distribution(&look);
	for (unsigned i = 0; i < DOCTOR_ROLES; i++)
		look_part(&look, i);
	decide_roles(facts, client);
	facts->slots = stub_slots(sysfs, "", &held);
	device_scan(sysfs, see_device, &look);
	look_ports(&look);
	look_network(&look);
	look_places(&look);
	close(look.machine.root);
	return 0;
}
