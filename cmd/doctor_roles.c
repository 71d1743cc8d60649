/* SPDX-License-Identifier: MIT */
/* The doctor's checks of both roles: kernel modules and their state, services, held devices. */
#include "cmd/doctor.h"

#include "cmd/inventory.h"
#include "lib/file.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/kernel.h"
#include "sysfs/stub.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { REMEDY_SIZE = 128 };

/* A kernel module, and how a machine gets it. */
enum { MODULE_STUB, MODULE_VHCI, MODULE_TLS };
static const struct doctor_module {
	char name[11];
	char openwrt_package[18];
	char config[2][15]; /* its options of the kernel */
	const char *instead; /* what happens without it, if it need not be there */
} modules[] = {
	{ STUB_DRIVER, "kmod-usbip-server", { "USBIP_CORE", "USBIP_HOST" },
	  "devices are exported through /dev/bus/usb" },
	{ VHCI_MODULE, "kmod-usbip-client", { "USBIP_CORE", "USBIP_VHCI_HCD" }, NULL },
	{ "tls", "", { "" }, "a process for each connection encrypts, which takes longer" },
};

/* How to install the kernel's modules, by distribution: an ID or ID_LIKE of os-release(5).
 * install/kernel.sh has the same table; tests/install compares them. */
static const struct remedy {
	char id[10];
	const char *command;
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
	char *value = strchr(line, '=');

	if (!value)
		return false;
	*value++ = '\0';
	for (char *c = value; *c; c++)
		if (*c == '"' || *c == '\'')
			*c = ' ';
	if (!strcmp(line, "ID"))
		str_copy(os->id, sizeof(os->id), value);
	else if (!strcmp(line, "ID_LIKE"))
		str_copy(os->id_like, sizeof(os->id_like), value);
	return false;
}

/* remedy has REMEDY_SIZE bytes. */
static void find_remedy(const struct sysfs *machine, const char *openwrt_package, char *remedy)
{
	bool is_raspberry = !sysfs_can_open(machine, O_PATH, "etc/rpi-issue"); /* ID=debian */
	char names[sizeof(struct os_release)], *cursor = names;
	const char *command = NULL, *package = "", *id;
	struct os_release os = { 0 };
	bool has_apk;

	file_each_line(machine->root, "etc/os-release", os_release_read_line, &os);
	str_format(names, sizeof(names), "%s %s", is_raspberry ? "raspbian" : os.id, os.id_like);
	while (!command && (id = str_word(&cursor))) {
		for (size_t i = 0; i < ARRAY_SIZE(remedies); i++)
			if (!strcmp(remedies[i].id, id))
				command = remedies[i].command;
		if (!strcmp(id, "openwrt")) {
			has_apk = !sysfs_can_open(machine, O_PATH, "usr/bin/apk");
			command = has_apk ? "apk add " : "opkg update && opkg install ";
			package = openwrt_package;
		}
	}
	if (!command)
		command = "install your distribution's package of kernel modules";
	str_format(remedy, REMEDY_SIZE, "%s%s", command, package);
}

/* Whether the kernel was built without it. False also if its configuration cannot be read. */
static bool module_is_disabled(int root, const struct doctor_module *module, const char *release)
{
	struct sysfs_path path = sysfs_path("boot/config-%s", release);
	char line[48];

	for (size_t i = 0; i < ARRAY_SIZE(module->config) && *module->config[i]; i++) {
		str_format(line, sizeof(line), "CONFIG_%s is not set", module->config[i]);
		if (file_contains(root, path.text, line))
			return true;
	}
	return false;
}

/* error: of the look for its files in /sys or /proc. missing: the level if it cannot be loaded. */
static void doctor_check_module(struct doctor *doctor, const struct doctor_module *module,
				int error, enum doctor_level missing)
{
	const char *name = module->name;
	const struct sysfs *machine = &doctor->machine;
	char release[80], remedy[REMEDY_SIZE];
	int root = machine->root;

	sysfs_read(machine, release, sizeof(release), "proc/sys/kernel/osrelease");
	if (!error || error == -EACCES) {
		doctor_ok(doctor, "%s is loaded", name);
	} else if (error == -ENOENT && module_is_installed(&doctor->sysfs, release, name)) {
		doctor_ok(doctor, "%s is not loaded: modprobe %s", name, name);
	} else if (missing == DOCTOR_OK) {
		doctor_ok(doctor, "%s cannot be used: %s", name, module->instead);
	} else if (error != -ENOENT) {
		doctor_report(doctor, missing, "%s: %s", name, strerror(-error));
	} else if (sysfs_can_open(machine, O_PATH, sysfs_path("lib/modules/%s", release).text)) {
		doctor_report(doctor, missing,
			      "%s: no modules are installed for the running Linux %s: reboot; "
			      "in a container, run modprobe %s on its host",
			      name, release, name);
	} else {
		find_remedy(machine, module->openwrt_package, remedy);
		doctor_report(doctor, missing, "%s is %s: %s", name,
			      module_is_disabled(root, module, release) ?
				      "disabled in this kernel's configuration" :
				      "not installed",
			      remedy);
	}
}

/* An exported or attached device that is not authorized: nobody can use it. */
static void doctor_check_device(void *ctx, const struct device *device)
{
	struct doctor *doctor = ctx;
	bool by_stub = !strcmp(device->driver, STUB_DRIVER);
	struct holder_page page;
	bool exported = by_stub || holder_read(doctor->options->run, device->busid, &page);
	struct reason why;

	doctor->exported[!by_stub] += exported;
	if (rundir_job_is_stuck(doctor->options->run, device->busid, &why))
		doctor_bad(doctor, "%s: %s: stop the program that uses it, or unplug it",
			   device->name, why.text);
	if (stub_status(&doctor->sysfs, device->busid) == STUB_ERROR)
		doctor_bad(doctor, "%s is in an error state: systemctl restart usbip-bind",
			   device->name);
	if ((exported || device->on_vhci) && !device_is_authorized(&doctor->sysfs, device->busid))
		doctor_bad(doctor,
			   "%s is %s, but not authorized by this host: usbguard list-devices -b, "
			   "or echo 1 >/sys/bus/usb/devices/%s/authorized", device->name,
			   exported ? "exported" : "attached", device->busid);
}

/* No report if usbip-host is not loaded. */
static void doctor_check_slots(struct doctor *doctor)
{
	bool has_slot;
	int used = stub_slots(&doctor->sysfs, "", &has_slot);
	const char *more = "";

	if (used >= STUB_SLOTS)
		more = doctor->has_usbfs ?
			       ": further devices are exported through /dev/bus/usb" :
			       ": replug absent devices into their old ports, or reboot";
	if (used >= 0)
		doctor_report(doctor, *more && !doctor->has_usbfs ? DOCTOR_BAD : DOCTOR_OK,
			      "usbip-host: %d of %u slots are used%s", used, STUB_SLOTS, more);
}

/* All devices, and how many each engine has. */
static void doctor_check_devices(struct doctor *doctor)
{
	device_scan(&doctor->sysfs, doctor_check_device, doctor);
	if (doctor->exported[0] || doctor->exported[1])
		doctor_ok(doctor, "exported by usbip-host: %u, by usbfs: %u", doctor->exported[0],
			  doctor->exported[1]);
}

/* The node of the first root hub: a container may have it, and not be let open it. */
static void doctor_check_usbfs(struct doctor *doctor)
{
	const struct sysfs *machine = &doctor->machine;
	int error = sysfs_can_open(machine, O_RDWR, "dev/bus/usb/001/001");

	if (error == -ENOENT)
		error = sysfs_can_open(machine, O_PATH, "dev/bus/usb");
	doctor->has_usbfs = !error || (error == -EACCES && geteuid());
	if (doctor->has_usbfs)
		doctor_ok(doctor, "/dev/bus/usb can be used");
	else
		doctor_report(doctor, stub_check(&doctor->sysfs) ? DOCTOR_BAD : DOCTOR_WARN,
			      "/dev/bus/usb: %s: in a container, let it use the USB devices of "
			      "its host", strerror(-error));
}

/* The driver of the older Raspberry Pis' only controller. */
static void doctor_check_controller(struct doctor *doctor)
{
	if (!sysfs_can_open(&doctor->sysfs, O_PATH, "bus/platform/drivers/dwc_otg"))
		doctor_warn(doctor, "the USB controller's driver dwc_otg may lock up: write "
				    "dtoverlay=dwc2 into /boot/firmware/config.txt, then reboot");
}

static void doctor_check_sight(struct doctor *doctor)
{
	enum protect_sight sight = protect_find_sight(&doctor->machine);

	if (sight && !geteuid())
		doctor_warn(doctor, PROTECT_UNSEEN, protect_sight_text(sight));
}

/* No report if vhci-hcd is not loaded. */
static void doctor_check_ports(struct doctor *doctor)
{
	static struct vhci vhci;
	unsigned free[VHCI_SUPER + 1] = { 0 }, high;
	enum doctor_level level = DOCTOR_OK;

	if (vhci_read(&doctor->sysfs, &vhci))
		return;
	for (unsigned i = 0; i < vhci.ports; i++) {
		free[vhci.port[i].hub] += vhci.port[i].state == VHCI_FREE;
		if (vhci.port[i].state == VHCI_ERROR)
			doctor_bad(doctor,
				   "vhci-hcd: port %u is in an error state: "
				   "echo %u >/sys/devices/platform/vhci_hcd.0/detach", i, i);
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

static bool service_is_enabled(const struct doctor *doctor, const char *service)
{
	struct sysfs_path path =
		sysfs_path("etc/systemd/system/multi-user.target.wants/%s.service", service);

	return !sysfs_can_open(&doctor->machine, O_PATH, path.text);
}

static void doctor_check_daemon(struct doctor *doctor, const char *role, const char *service)
{
	char held[PATH_MAX];

	if (rundir_has_daemon(doctor->options->run, role))
		doctor_ok(doctor, "usbiphp-%s is running", role);
	else
		doctor_report(doctor,
			      service_is_enabled(doctor, service) ? DOCTOR_BAD : DOCTOR_WARN,
			      "usbiphp-%s is not running: systemctl restart %s, or ./install.sh %s",
			      role, service, role);
	str_format(held, sizeof(held), "%s/held.%s", doctor->options->config, role);
	if (file_contains(AT_FDCWD, held, ""))
		doctor_ok(doctor, "the %s leaves held devices alone: usbiphp status lists them",
			  role);
}

static void doctor_check_kernel(struct doctor *doctor, enum kernel_fault fault, const char *text)
{
	uint32_t version = kernel_version(&doctor->machine);

	if (kernel_has_fault(version, fault))
		doctor_warn(doctor, "Linux %u.%u.%u: %s", version >> 2 * KERNEL_PART_BITS,
			    version >> KERNEL_PART_BITS & KERNEL_PART_MAX,
			    version & KERNEL_PART_MAX, text);
}

/* Both roles, if nothing tells which this machine is to have. */
void doctor_check_roles(struct doctor *doctor, bool asked_as_client)
{
	const struct sysfs *sysfs = &doctor->sysfs;
	const char *attach = "usbip-attach", *bind = "usbip-bind";
	const char *run = doctor->options->run;
	bool server = rundir_has_daemon(run, "server") || service_is_enabled(doctor, bind);
	bool client = asked_as_client || rundir_has_daemon(run, "client") ||
		      service_is_enabled(doctor, attach);
	int machine = doctor->machine.root;
	bool has_tls;

	doctor->is_server = server || !client;
	if (doctor->is_server) {
		doctor_check_usbfs(doctor);
		doctor_check_module(doctor, &modules[MODULE_STUB], stub_check(sysfs),
				    doctor->has_usbfs ? DOCTOR_OK : DOCTOR_BAD);
		doctor_check_slots(doctor);
		doctor_check_controller(doctor);
		doctor_check_sight(doctor);
		doctor_check_daemon(doctor, "server", bind);
	}
	if (client || !server) {
		doctor_check_module(doctor, &modules[MODULE_VHCI], vhci_check(sysfs),
				    client ? DOCTOR_BAD : DOCTOR_WARN);
		doctor_check_kernel(doctor, KERNEL_FAULT_VHCI,
				    "a malicious server may write in its memory (vhci-hcd, until "
				    "7.3): leave --guard on auto, and use keys: --psk");
		doctor_check_ports(doctor);
		doctor_check_daemon(doctor, "client", attach);
	}
	doctor_check_devices(doctor);
	if (doctor->options->keys) {
		/* where the kernel lists "tls" also if it is built in */
		has_tls = file_contains(machine, "proc/sys/net/ipv4/tcp_available_ulp",
					       "tls");
		doctor_check_module(doctor, &modules[MODULE_TLS], has_tls ? 0 : -ENOENT,
				    DOCTOR_OK);
		doctor_check_kernel(doctor, KERNEL_FAULT_TLS,
				    "sessions with a key may fail (tls, until 6.1.192 and "
				    "6.12.115): update the kernel");
	}
}
