/* SPDX-License-Identifier: MIT */
/* The doctor and the kernel's modules: usbip-host with its slots, vhci-hcd with its ports. */
#include "cmd/doctor_report.h"
#include "lib/str.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* By the first name that os-release(5) has: a distribution comes before those it is like. */
static const char *find_remedy(const struct doctor *doctor)
{
	const char *name =
		"raspbian\0apt-get full-upgrade\0"
		"ubuntu\0apt-get install linux-modules-extra-$(uname -r)\0"
		"debian\0apt-get install linux-image-$(dpkg --print-architecture)\0"
		"fedora\0dnf install kernel-modules-extra-$(uname -r)\0"
		"alpine\0apk add linux-lts\0"
		"openwrt\0opkg install kmod-usbip-server kmod-usbip-client kmod-tls\0"
		"\0install the kernel's modules";
	const char *remedy = name + strlen(name) + 1;

	while (*name && !doctor_has(doctor, name, "etc/os-release", NULL)) {
		name = remedy + strlen(remedy) + 1;
		remedy = name + strlen(name) + 1;
	}
	return remedy;
}

static bool can_load(const struct doctor *doctor, const char *module, const char *release)
{
	return doctor_has(doctor, module, "lib/modules/%s/modules.dep", release) ||
	       /* OpenWrt has no such file */
	       !sysfs_can_open(&doctor->machine, O_PATH, "lib/modules/%s/%s.ko", release, module);
}

/* Where the kernel's configuration can be read. */
static bool is_left_out(const struct doctor *doctor, const char *module, const char *release)
{
	static const char config[] = "boot/config-%s";

	return doctor_has(doctor, "CONFIG_USBIP_CORE is not set", config, release) ||
	       doctor_has(doctor, strchr(module, '\0') + 1, config, release);
}

void doctor_driver(struct doctor *doctor, enum doctor_level level, const char *module, int error)
{
	const char *format = "%s: %s", *what = module;
	char release[80];

	release[0] = '\0';
	sysfs_read(&doctor->machine, release, sizeof(release), "proc/sys/kernel/osrelease");
	if (!error || error == -EACCES) {
		level = OK;
		format = "%s is loaded";
	} else if (error != -ENOENT) {
		what = strerror(-error);
	} else if (can_load(doctor, module, release)) {
		level = OK;
		format = "%s is not loaded: modprobe %s";
	} else if (sysfs_can_open(&doctor->machine, O_PATH, "lib/modules/%s", release)) {
		format = "%s: no modules of Linux %s: reboot, or in a container modprobe outside";
		what = release;
	} else {
		format = is_left_out(doctor, module, release) ?
				 "%s is not configured in this kernel: %s; reboot" :
				 "%s is missing: %s; reboot";
		what = find_remedy(doctor);
	}
	doctor_say(doctor, level, format, module, what);
}

static void see_device(void *ctx, const struct device *device)
{
	struct doctor *doctor = ctx;

	if (stub_status(&doctor->sysfs, device->busid) == STUB_ERROR)
		doctor_say(doctor, BAD, "%s is in error: systemctl restart usbip-bind",
			   device->name);
}

void doctor_slots(struct doctor *doctor)
{
	bool held;
	int used = stub_slots(&doctor->sysfs, "", &held);

	if (used >= 0)
		doctor_say(doctor, used < STUB_SLOTS ? OK : BAD, "%u of %u slots are used%s",
			   (unsigned)used, STUB_SLOTS,
			   used < STUB_SLOTS ? "" : ": replug in the same sockets, or reboot");
	device_scan(&doctor->sysfs, see_device, doctor);
}

void doctor_ports(struct doctor *doctor)
{
	static struct vhci vhci;
	unsigned free[VHCI_SUPER + 1] = { 0 }, slow;
	enum doctor_level level = OK;

	if (vhci_read(&doctor->sysfs, &vhci))
		return;
	for (unsigned i = 0; i < vhci.ports; i++) {
		free[vhci.port[i].hub] += vhci.port[i].state == VHCI_FREE;
		if (vhci.port[i].state == VHCI_ERROR)
			doctor_say(doctor, BAD,
				   "port %u is in error: "
				   "echo %u >/sys/devices/platform/vhci_hcd.0/detach",
				   i, i);
	}
	slow = free[VHCI_ANY] + free[VHCI_HIGH];
	if (!slow || !free[VHCI_SUPER])
		level = slow ? WARN : BAD;
	doctor_say(doctor, level, "%u high-speed, %u super-speed ports are free%s", slow,
		   free[VHCI_SUPER], level ? ": usbiphp detach PORT" : "");
}
