/* SPDX-License-Identifier: MIT */
/* The doctor's checks of kernel modules, and of usbip-host and vhci-hcd in particular. */
#include "cmd/doctor_checks.h"
#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

enum { REMEDY_SIZE = 128 };

/* How to install the kernel's modules, by distribution: an ID or ID_LIKE of os-release(5).
 * install/kernel.sh has the same table; tests/install compares them. */
static const struct remedy {
	const char *id, *command;
} remedies[] = {
	{ "raspbian", "apt-get full-upgrade, then reboot" },
	{ "debian", "apt-get install linux-image-$(dpkg --print-architecture), then reboot "
		    "(-cloud kernels lack it)" },
	{ "ubuntu", "apt-get install linux-modules-extra-$(uname -r)" },
	{ "fedora", "dnf install kernel-modules-extra-$(uname -r)" },
	{ "ol", "dnf install kernel-uek-modules-extra-$(uname -r)" },
	{ "rhel", "install kmod-usbip from ELRepo (elrepo.org)" },
	{ "centos", "install kmod-usbip from ELRepo (elrepo.org)" },
	{ "rocky", "install kmod-usbip from ELRepo (elrepo.org)" },
	{ "almalinux", "install kmod-usbip from ELRepo (elrepo.org)" },
	{ "arch", "pacman -Syu linux, then reboot" },
	{ "alpine", "apk add linux-lts, then reboot (linux-virt lacks it)" },
};

/* Names of the distribution: its own, then those it is like, the nearest first. */
struct os_release {
	char id[32];
	char id_like[96];
};

static bool os_release_read_line(void *ctx, char *line)
{
	struct os_release *os = ctx;
	char *value = strchr(line, '='), *end;

	if (!value)
		return false;
	*value++ = '\0';
	value += strspn(value, "\"'");
	end = value + strcspn(value, "\"'\n");
	*end = '\0';
	if (!strcmp(line, "ID"))
		str_format(os->id, sizeof(os->id), "%s", value);
	else if (!strcmp(line, "ID_LIKE"))
		str_format(os->id_like, sizeof(os->id_like), "%s", value);
	return false;
}

static const char *remedy_find(const char *id)
{
	for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
		if (!strcmp(remedies[i].id, id))
			return remedies[i].command;
	return NULL;
}

static void remedy_format_openwrt(const struct doctor *doctor, const char *package, char *remedy)
{
	str_format(remedy, REMEDY_SIZE, "%s %s",
		   doctor_file_exists(doctor, "usr/bin/apk") ? "apk add" :
							       "opkg update && opkg install",
		   package);
}

/* remedy has REMEDY_SIZE bytes. */
static void doctor_find_remedy(const struct doctor *doctor, const struct doctor_module *module,
			       char *remedy)
{
	char names[sizeof(struct os_release)], *cursor = names;
	struct os_release os = { 0 };
	const char *id, *command;

	file_each_line(doctor->machine.root, "etc/os-release", os_release_read_line, &os);
	/* the 64-bit Raspberry Pi OS has ID=debian */
	str_format(names, sizeof(names), "%s %s",
		   doctor_file_exists(doctor, "etc/rpi-issue") ? "raspbian" : os.id, os.id_like);
	while ((id = str_word(&cursor))) {
		command = remedy_find(id);
		if (command) {
			str_format(remedy, REMEDY_SIZE, "%s", command);
			return;
		}
		if (!strcmp(id, "openwrt")) {
			remedy_format_openwrt(doctor, module->openwrt_package, remedy);
			return;
		}
	}
	str_format(remedy, REMEDY_SIZE, "install your distribution's package of kernel modules");
}

static bool module_is_installed(const struct doctor *doctor, const char *name, const char *release)
{
	return doctor_file_contains(doctor, name, "lib/modules/%s/modules.dep", release) ||
	       /* OpenWrt has no modules.dep */
	       doctor_file_exists(doctor, "lib/modules/%s/%s.ko", release, name);
}

/* Whether the kernel was built without it. False also if its configuration cannot be read. */
static bool module_is_disabled(const struct doctor *doctor, const struct doctor_module *module,
			       const char *release)
{
	char line[64];

	for (size_t i = 0; i < ARRAY_SIZE(module->config) && module->config[i]; i++) {
		str_format(line, sizeof(line), "%s is not set", module->config[i]);
		if (doctor_file_contains(doctor, line, "boot/config-%s", release))
			return true;
	}
	return false;
}

void doctor_check_module(struct doctor *doctor, const struct doctor_module *module, int error,
			 enum doctor_level missing)
{
	const char *name = module->name;
	char release[80] = "", remedy[REMEDY_SIZE];

	sysfs_read(&doctor->machine, release, sizeof(release), "proc/sys/kernel/osrelease");
	if (!error || error == -EACCES) {
		doctor_report(doctor, DOCTOR_OK, "%s is loaded", name);
	} else if (error != -ENOENT) {
		doctor_report(doctor, missing, "%s: %s", name, strerror(-error));
	} else if (module_is_installed(doctor, name, release)) {
		doctor_report(doctor, DOCTOR_OK, "%s is not loaded: modprobe %s", name, name);
	} else if (!doctor_file_exists(doctor, "lib/modules/%s", release)) {
		doctor_report(doctor, missing,
			      "%s: no modules are installed for the running Linux %s: reboot; "
			      "in a container, run modprobe %s on its host",
			      name, release, name);
	} else {
		doctor_find_remedy(doctor, module, remedy);
		doctor_report(doctor, missing, "%s is %s: %s", name,
			      module_is_disabled(doctor, module, release) ?
				      "disabled in this kernel's configuration" :
				      "not installed",
			      remedy);
	}
}

static void doctor_check_device(void *ctx, const struct device *device)
{
	struct doctor *doctor = ctx;

	if (stub_status(&doctor->sysfs, device->busid) == STUB_ERROR)
		doctor_report(doctor, DOCTOR_BAD,
			      "%s is in an error state: systemctl restart usbip-bind",
			      device->name);
}

void doctor_check_slots(struct doctor *doctor)
{
	bool held;
	int used = stub_slots(&doctor->sysfs, "", &held);

	if (used >= STUB_SLOTS)
		doctor_report(doctor, DOCTOR_BAD,
			      "usbip-host: all %u slots are used: replug absent devices into their "
			      "old ports, or reboot",
			      STUB_SLOTS);
	else if (used >= 0)
		doctor_report(doctor, DOCTOR_OK, "usbip-host: %d of %u slots are used", used,
			      STUB_SLOTS);
	device_scan(&doctor->sysfs, doctor_check_device, doctor);
}

void doctor_check_ports(struct doctor *doctor)
{
	static struct vhci vhci;
	unsigned free[VHCI_SUPER + 1] = { 0 }, high;
	enum doctor_level level = DOCTOR_OK;

	if (vhci_read(&doctor->sysfs, &vhci))
		return;
	for (unsigned i = 0; i < vhci.ports; i++) {
		free[vhci.port[i].hub] += vhci.port[i].state == VHCI_FREE;
		if (vhci.port[i].state == VHCI_ERROR)
			doctor_report(doctor, DOCTOR_BAD,
				      "vhci-hcd: port %u is in an error state: "
				      "echo %u >/sys/devices/platform/vhci_hcd.0/detach",
				      i, i);
	}
	high = free[VHCI_ANY] + free[VHCI_HIGH];
	if (!high)
		level = DOCTOR_BAD;
	else if (!free[VHCI_SUPER])
		level = DOCTOR_WARN;
	doctor_report(doctor, level, "vhci-hcd: %u high-speed and %u super-speed ports are free%s",
		      high, free[VHCI_SUPER],
		      level == DOCTOR_OK ? "" : ": usbiphp detach PORT");
}
