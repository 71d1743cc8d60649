/* SPDX-License-Identifier: MIT */
/* What the doctor looks at: files of /sys, /proc, /etc, /lib and /run. */
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
	PID_SIZE = 12,
};

struct look {
	struct doctor_facts *facts;
	const struct sysfs *sysfs;
	struct sysfs machine; /* only its root: "/" */
	const char *pid;
	uint32_t port;
	unsigned listeners;
	uint32_t listener[LISTENERS]; /* inodes of their sockets */
};

static bool see_word(void *ctx, char *line)
{
	return strstr(line, ctx) != NULL;
}

/* Whether a line of the file has that in it. */
static bool has(const struct look *look, const char *word, const char *format, const char *name)
{
	char path[160];

	text_format(path, sizeof(path), format, name);
	return use_each_line(look->machine.root, path, see_word, (void *)word);
}

/* By the first name that os-release(5) has: a distribution comes before those it is like. */
static const char *find_remedy(const struct look *look)
{
	static const char remedies[] =
		"raspbian\0apt-get full-upgrade, reboot\0"
		"ubuntu\0apt-get install linux-modules-extra-$(uname -r)\0"
		"debian\0apt-get install linux-image-$(dpkg --print-architecture), reboot\0"
		"fedora\0dnf install kernel-modules-extra-$(uname -r)\0"
		"alpine\0apk add linux-lts, reboot\0"
		"openwrt\0opkg install kmod-usbip-server kmod-usbip-client\0"
		"\0install the kernel's package of modules";
	const char *name = remedies;

	while (*name && !has(look, name, "etc/os-release", NULL)) {
		name += strlen(name) + 1;
		name += strlen(name) + 1;
	}
	return name + strlen(name) + 1;
}

static uint8_t find_module(const struct look *look, const char *module)
{
	const char *release = look->facts->release;

	if (has(look, module, "lib/modules/%s/modules.dep", release) ||
	    has(look, module, "lib/modules/%s/modules.builtin", release) ||
	    /* OpenWrt has neither */
	    !sysfs_try(&look->machine, O_PATH, "lib/modules/%s/%s.ko", release, module))
		return MODULE_LOADABLE;
	return sysfs_try(&look->machine, O_PATH, "lib/modules/%s", release) ? MODULE_GONE :
									      MODULE_MISSING;
}

static bool count_name(void *ctx, char *line)
{
	*(unsigned *)ctx += *line != '\0';
	return false;
}

static void look_part(const struct look *look, enum doctor_role role)
{
	/* what is enabled, not only there */
	static const char unit[] = "etc/systemd/system/multi-user.target.wants/%s.service";
	struct doctor_part *part = &look->facts->part[role];
	const struct doctor_role_words *words = &doctor_role_words[role];
	char path[PATH_MAX];

	part->driver = role == DOCTOR_SERVER ? stub_check(look->sysfs) : vhci_check(look->sysfs);
	part->module = find_module(look, words->module);
	part->script = has(look, ".sh", unit, words->service);
	part->installed = has(look, "", unit, words->service) ||
			  has(look, "", "etc/init.d/%s", words->service);
	part->running = state_running(look->facts->run, words->role);
	part->wanted = part->installed || part->running;
	text_format(path, sizeof(path), "%s/held.%s", look->facts->config, words->role);
	use_each_line(AT_FDCWD, path, count_name, &part->held);
}

/* A role of which there is no sign is wanted when it is asked for; both are looked at when there is
 * a sign of neither. */
static void decide_roles(struct doctor_part *part, bool client)
{
	bool sign = client || part[DOCTOR_SERVER].wanted || part[DOCTOR_CLIENT].wanted;

	part[DOCTOR_CLIENT].wanted |= client;
	part[DOCTOR_SERVER].wanted |= !sign;
	for (unsigned i = 0; i < DOCTOR_ROLES; i++)
		part[i].looked_at = part[i].wanted || !sign;
}

static void see_device(void *ctx, const struct device *device)
{
	const struct look *look = ctx;
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

static void look_ports(const struct look *look)
{
	static struct vhci vhci;
	struct doctor_facts *facts = look->facts;

	facts->failed_port = -1;
	if (vhci_read(look->sysfs, &vhci))
		return;
	for (unsigned i = 0; i < vhci.ports; i++) {
		const struct vhci_port *port = &vhci.port[i];
		bool super = port->hub == VHCI_SUPER;

		facts->ports[super] += port->state != VHCI_ABSENT;
		facts->free[super] += port->state == VHCI_FREE;
		if (port->state == VHCI_ERROR)
			facts->failed_port = (int)i;
	}
}

/* "0: 00000000:0CA8 00000000:0000 0A 0:0 0:0 0 0 0 4711 ...": the local address is the second word,
 * the state the fourth, the inode the tenth. */
static bool see_socket(void *ctx, char *line)
{
	struct look *look = ctx;
	const char *word[10], *colon;
	uint32_t port, state;

	for (unsigned i = 0; i < 10; i++)
		if (!(word[i] = text_word(&line)))
			return false;
	colon = strrchr(word[1], ':');
	if (colon && !text_hex(colon + 1, 65535, &port) && port == look->port &&
	    !text_hex(word[3], 255, &state) && state == LISTENING && look->listeners < LISTENERS &&
	    !text_decimal(word[9], UINT32_MAX, &look->listener[look->listeners]))
		look->listeners++;
	return false;
}

/* "socket:[4711]" */
static bool see_file(void *ctx, const char *name)
{
	const struct look *look = ctx;
	char target[64], wanted[32];

	if (sysfs_link(&look->machine, target, sizeof(target), "proc/%s/fd/%s", look->pid, name) <
	    0)
		return false;
	for (unsigned i = 0; i < look->listeners; i++) {
		text_format(wanted, sizeof(wanted), "socket:[%u]", look->listener[i]);
		if (!strcmp(target, wanted))
			return true;
	}
	return false;
}

static bool see_process(void *ctx, const char *name)
{
	/* enum doctor_sign; proc(5) comm has at most 15 characters */
	static const char programs[][16] = { "ModemManager", "usbguard-daemon", "udisksd",
					     "firewalld" };
	struct look *look = ctx;
	struct doctor_facts *facts = look->facts;
	char comm[sizeof(facts->listener)], path[16 + PID_SIZE];

	if (strlen(name) >= PID_SIZE ||
	    sysfs_read(&look->machine, comm, sizeof(comm), "proc/%s/comm", name) < 0)
		return false;
	for (unsigned i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (!strcmp(comm, programs[i]))
			facts->signs |= 1U << i;
	look->pid = name;
	text_format(path, sizeof(path), "proc/%s/fd", name);
	if (sysfs_entries(look->machine.root, path, see_file, look) > 0)
		memcpy(facts->listener, comm, sizeof(comm));
	return false;
}

static void look_network(struct look *look)
{
	struct doctor_facts *facts = look->facts;
	uint32_t users = 0;

	text_decimal(facts->port, 65535, &look->port);
	use_each_line(look->machine.root, "proc/net/tcp", see_socket, look);
	use_each_line(look->machine.root, "proc/net/tcp6", see_socket, look);
	facts->listening = look->listeners;
	sysfs_entries(look->machine.root, "proc", see_process, look);
	sysfs_read_number(look->sysfs, false, UINT32_MAX, &users, "module/nf_tables/refcnt");
	if (has(look, "ENABLED=yes", "etc/ufw/ufw.conf", NULL))
		facts->signs |= 1U << SIGN_UFW;
	else if (users || has(look, "", "proc/net/ip_tables_names", NULL))
		facts->signs |= 1U << SIGN_NETFILTER;
}

struct place {
	const char *path;
	char *loose;
	size_t size;
};

static bool see_place(void *ctx, const char *name)
{
	const struct place *place = ctx;
	char path[PATH_MAX];
	struct stat st;

	text_format(path, sizeof(path), "%s/%s", place->path, name);
	if (!strcmp(name, "..") || stat(path, &st) || S_ISSOCK(st.st_mode) ||
	    !(st.st_mode & (S_IWGRP | S_IWOTH) || (st.st_uid && st.st_uid != geteuid())))
		return false;
	text_format(place->loose, place->size, "%s", path);
	return true;
}

static void look_place(struct doctor_facts *facts, const char *path)
{
	struct place place = { path, facts->loose, sizeof(facts->loose) };

	sysfs_entries(AT_FDCWD, path, see_place, &place);
}

int doctor_look(struct doctor_facts *facts, const struct sysfs *sysfs,
		const struct daemon_options *options, bool client)
{
	struct look look = { .facts = facts, .sysfs = sysfs };
	char hooks[PATH_MAX];
	bool held;

	look.machine.root = openat(sysfs->root, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (look.machine.root < 0)
		return -errno;
	facts->config = options->config;
	facts->run = options->run;
	facts->signs = (unsigned)(geteuid() != 0) << SIGN_UNSEEN |
		       (unsigned)(time(NULL) < CLOCK_LEAST) << SIGN_CLOCK;
	sysfs_read(&look.machine, facts->release, sizeof(facts->release),
		   "proc/sys/kernel/osrelease");
	facts->remedy = find_remedy(&look);
	look_part(&look, DOCTOR_SERVER);
	look_part(&look, DOCTOR_CLIENT);
	decide_roles(facts->part, client);
	facts->slots = stub_slots(sysfs, "", &held);
	device_scan(sysfs, see_device, &look);
	look_ports(&look);
	look_network(&look);
	text_format(hooks, sizeof(hooks), "%s/hooks.d", facts->config);
	look_place(facts, facts->config);
	look_place(facts, hooks);
	look_place(facts, facts->run);
	close(look.machine.root);
	return 0;
}
