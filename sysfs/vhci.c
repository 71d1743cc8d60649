/* SPDX-License-Identifier: MIT */
/* vhci-hcd, the kernel's importing driver: its table of ports, attach and detach. */
#include "sysfs/vhci.h"

#include "lib/str.h"
#include "sysfs/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define PLATFORM "devices/platform/"

enum { WORDS_MAX = 8 /* the longest line has seven */ };

/* The format of a status file, as its header line announces it. */
struct vhci_format {
	bool has_hub; /* there is a column with hs or ss */
	bool bus_dev; /* bus and dev are two words, but in a row that is in use they are one */
};

static int vhci_parse_header(char *line, struct vhci_format *format)
{
	char *words[WORDS_MAX], **word = words;
	unsigned n = str_words(line, words, WORDS_MAX);

	format->has_hub = n && !strcmp(*word, "hub");
	word += format->has_hub;
	if (n < 5 || (strcmp(word[0], "port") != 0 && strcmp(word[0], "prt") != 0))
		return -EPROTO;
	format->bus_dev = !strcmp(word[3], "bus");
	return 0;
}

static int vhci_parse_row(struct vhci *vhci, char *line, const struct vhci_format *format)
{
	char *words[WORDS_MAX], **word = words;
	unsigned n = str_words(line, words, WORDS_MAX);
	uint32_t number, state, devid = 0;
	enum vhci_hub hub = VHCI_ANY;
	struct vhci_port *port;

	if (!n)
		return 0;
	if (format->has_hub) {
		hub = strcmp(*word, "ss") ? VHCI_HIGH : VHCI_SUPER;
		if (hub == VHCI_HIGH && strcmp(*word, "hs") != 0)
			return -EPROTO;
		word++;
		n--;
	}
	/* port, state, speed, devid, socket, busid */
	if (n < 6 || str_decimal(word[0], VHCI_PORTS_MAX - 1, &number) ||
	    str_decimal(word[1], VHCI_ERROR, &state) || state < VHCI_FREE ||
	    (state == VHCI_USED && str_hex(word[3], UINT32_MAX, &devid)))
		return -EPROTO;
	if (format->bus_dev && state != VHCI_USED && n < 7)
		return -EPROTO;
	port = &vhci->port[number];
	str_copy(port->busid, sizeof(port->busid),
		 state == VHCI_USED && busid_is_device(word[5]) ? word[5] : "");
	port->devid = devid;
	port->state = (uint8_t)state;
	port->hub = (uint8_t)hub;
	if (number >= vhci->ports)
		vhci->ports = number + 1;
	return 0;
}

int vhci_parse(struct vhci *vhci, char *text)
{
	struct vhci_format format;
	char *line = str_line(&text);
	int error = line ? vhci_parse_header(line, &format) : -EPROTO;

	while (!error && (line = str_line(&text)))
		error = vhci_parse_row(vhci, line, &format);
	return error;
}

/* Finds the directory of the control files: controller 0, or the only one of older kernels. */
static int vhci_find_dir(const struct sysfs *sysfs, const char **dir)
{
	int error;

	*dir = PLATFORM "vhci_hcd.0";
	error = sysfs_can_open(sysfs, O_PATH, PLATFORM "vhci_hcd.0/status");
	if (error == -ENOENT) {
		*dir = PLATFORM "vhci_hcd";
		error = sysfs_can_open(sysfs, O_PATH, PLATFORM "vhci_hcd/status");
	}
	return error;
}

/* Whether the module has set up all its controllers. Its files exist before that, and the devices
 * even have their driver link; reading a status file at that time crashes the kernel. */
static int vhci_check_live(const struct sysfs *sysfs)
{
	char state[16];
	int n = (int)sysfs_read(sysfs, state, sizeof(state), "module/vhci_hcd/initstate");

	if (n < 0) /* a driver that is built in has no such file */
		return error_is_resource(n) ? n : 0;
	return strcmp(state, "live") != 0 ? -EAGAIN : 0;
}

/* Checks all controllers and, unless vhci is NULL, reads their ports. The status files of all are
 * in *dir, the directory of the first. */
static int vhci_visit_controllers(const struct sysfs *sysfs, const char **dir, struct vhci *vhci)
{
	char text[SYSFS_ATTRIBUTE_SIZE + 1];
	struct sysfs_path status, driver;
	int error = vhci_find_dir(sysfs, dir);

	if (!error)
		error = vhci_check_live(sysfs);
	for (unsigned i = 0; !error && i < VHCI_CONTROLLERS_MAX; i++) {
		status = i ? sysfs_path("%s/status.%u", *dir, i) : sysfs_path("%s/status", *dir);
		driver = i ? sysfs_path(PLATFORM "vhci_hcd.%u/driver", i)
			   : sysfs_path("%s/driver", *dir);
		error = sysfs_can_open(sysfs, O_PATH, status.text);
		if (error == -ENOENT)
			return 0;
		if (!error)
			error = sysfs_can_open(sysfs, O_PATH, driver.text);
		if (error == -ENOENT) /* platform devices exist before they are probed */
			error = -EAGAIN;
		if (error || !vhci)
			continue;
		vhci->controllers++;
		error = (int)sysfs_read(sysfs, text, sizeof(text), status.text);
		if (error >= 0)
			error = vhci_parse(vhci, text);
	}
	return error;
}

int vhci_check(const struct sysfs *sysfs)
{
	const char *dir;
	int error = vhci_visit_controllers(sysfs, &dir, NULL);

	if (!error)
		error = sysfs_can_open(sysfs, O_WRONLY, sysfs_path("%s/attach", dir).text);
	return error ? error : sysfs_can_open(sysfs, O_WRONLY, sysfs_path("%s/detach", dir).text);
}

int vhci_read(const struct sysfs *sysfs, struct vhci *vhci)
{
	const char *dir;

	/* only the part that was in use, so that the rest of the table never takes memory */
	memset(vhci->port, 0, vhci->ports * sizeof(vhci->port[0]));
	vhci->ports = vhci->controllers = 0;
	return vhci_visit_controllers(sysfs, &dir, vhci);
}

bool vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port)
{
	return port->busid[0] &&
	       sysfs_can_open(sysfs, O_PATH, sysfs_path(DEVICE_DIR "%s", port->busid).text) !=
		       -ENOENT;
}

static unsigned vhci_ports_each(const struct vhci *vhci)
{
	unsigned n = vhci->controllers ? vhci->ports / vhci->controllers : 0;

	return n ? n : VHCI_PORTS_MAX;
}

unsigned vhci_controller(const struct vhci *vhci, unsigned port)
{
	return port / vhci_ports_each(vhci);
}

/* The devices on the controller of a port. */
static unsigned vhci_count_devices(const struct vhci *vhci, unsigned port)
{
	unsigned each = vhci_ports_each(vhci), first = port - port % each, n = 0;

	for (unsigned i = first; i < first + each && i < vhci->ports; i++)
		n += vhci->port[i].state > VHCI_FREE;
	return n;
}

int vhci_free_port(const struct vhci *vhci, uint32_t speed, const uint32_t *last, uint32_t device)
{
	enum vhci_hub wanted = speed >= VHCI_SPEED_SUPER ? VHCI_SUPER : VHCI_HIGH;
	unsigned least = UINT_MAX;
	int best = -ENOSPC;

	for (unsigned i = 0; i < vhci->ports; i++) {
		const struct vhci_port *port = &vhci->port[i];
		unsigned cost;

		if (port->state != VHCI_FREE || (port->hub != wanted && port->hub != VHCI_ANY))
			continue;
		if (last[i] == device)
			return (int)i;
		cost = vhci_count_devices(vhci, i) + (last[i] ? VHCI_PORTS_MAX : 0);
		if (cost < least) {
			best = (int)i;
			least = cost;
		}
	}
	return best;
}

static int vhci_write_control(const struct sysfs *sysfs, const char *name, const char *value)
{
	const char *dir;
	int error = vhci_find_dir(sysfs, &dir);

	return error ? error : sysfs_write(sysfs, value, sysfs_path("%s/%s", dir, name).text);
}

int vhci_attach(const struct sysfs *sysfs, unsigned port, int fd, uint32_t devid, uint32_t speed)
{
	char value[64];
	int error;

	str_format(value, sizeof(value), "%u %d %u %u", port, fd, devid, speed);
	error = vhci_write_control(sysfs, "attach", value);
	if (error == -EINVAL && speed == VHCI_SPEED_SUPER_PLUS)
		return vhci_attach(sysfs, port, fd, devid, VHCI_SPEED_SUPER);
	return error;
}

int vhci_detach(const struct sysfs *sysfs, unsigned port)
{
	char value[16];

	str_format(value, sizeof(value), "%u", port);
	return vhci_write_control(sysfs, "detach", value);
}
