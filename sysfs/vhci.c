/* SPDX-License-Identifier: MIT */
/* vhci-hcd, the kernel's importing driver: its table of ports, attach and detach. */
#include "sysfs/vhci.h"

#include "lib/str.h"
#include "sysfs/device.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

enum { NAME_SIZE = 16, WORDS_MAX = 8 /* the longest line has seven */ };

/* The format of a status file, as its header line announces it. */
struct vhci_format {
	bool has_hub; /* there is a column with hs or ss */
	bool bus_dev; /* the header has "bus dev": a row that is in use has one word less */
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
	unsigned n = str_words(line, words, WORDS_MAX), busid = 5;
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
	/* the other words are the speed and the socket, which nobody needs */
	if (n < 6 || str_decimal(word[0], VHCI_PORTS_MAX - 1, &number) ||
	    str_decimal(word[1], VHCI_ERROR, &state) || state < VHCI_FREE ||
	    (state == VHCI_USED && str_hex(word[3], UINT32_MAX, &devid)))
		return -EPROTO;
	/* in the oldest format a free row has bus and dev as two words, a row in use as one */
	if (format->bus_dev && state != VHCI_USED)
		busid++;
	if (n <= busid)
		return -EPROTO;
	port = &vhci->port[number];
	str_format(port->busid, sizeof(port->busid), "%s",
		   state == VHCI_USED && busid_is_device(word[busid]) ? word[busid] : "");
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

	*dir = "devices/platform/vhci_hcd.0";
	error = sysfs_can_open(sysfs, O_PATH, "%s/status", *dir);
	if (error != -ENOENT)
		return error;
	*dir = "devices/platform/vhci_hcd";
	return sysfs_can_open(sysfs, O_PATH, "%s/status", *dir);
}

/*
 * Whether the module has set up all its controllers. Its files exist before that, and the devices
 * even have their driver link; reading a status file at that time crashes the kernel.
 */
static int vhci_check_live(const struct sysfs *sysfs)
{
	char state[16];
	ssize_t n = sysfs_read(sysfs, state, sizeof(state), "module/vhci_hcd/initstate");

	if (n < 0) /* a driver that is built in has no such file */
		return error_is_resource((int)n) ? (int)n : 0;
	return strcmp(state, "live") != 0 ? -EAGAIN : 0;
}

/*
 * Returns 1 if the controller exists, 0 if not, or -errno: -EAGAIN while it has no driver yet, as
 * platform devices exist before they are probed. name is set to the name of its status file; those
 * of all controllers are in the directory of the first.
 */
static int vhci_find_controller(const struct sysfs *sysfs, const char *dir, unsigned controller,
				char *name)
{
	size_t len = str_format(name, NAME_SIZE, "status");
	int error;

	if (controller >= VHCI_CONTROLLERS_MAX)
		return 0;
	if (controller)
		str_format(name + len, NAME_SIZE - len, ".%u", controller);
	error = sysfs_can_open(sysfs, O_PATH, "%s/%s", dir, name);
	if (error)
		return error == -ENOENT ? 0 : error;
	if (controller)
		error = sysfs_can_open(sysfs, O_PATH, "devices/platform/vhci_hcd.%u/driver",
				       controller);
	else
		error = sysfs_can_open(sysfs, O_PATH, "%s/driver", dir);
	if (error)
		return error == -ENOENT ? -EAGAIN : error;
	return 1;
}

/* vhci_find_dir(), but an error while its files must not be read. */
static int vhci_find_live_dir(const struct sysfs *sysfs, const char **dir)
{
	int error = vhci_find_dir(sysfs, dir);

	return error ? error : vhci_check_live(sysfs);
}

int vhci_check(const struct sysfs *sysfs)
{
	char name[NAME_SIZE];
	const char *dir;
	int error = vhci_find_live_dir(sysfs, &dir), found = 1;

	for (unsigned i = 0; !error && found; i++) {
		found = vhci_find_controller(sysfs, dir, i, name);
		error = found < 0 ? found : 0;
	}
	if (!error)
		error = sysfs_can_open(sysfs, O_WRONLY, "%s/attach", dir);
	return error ? error : sysfs_can_open(sysfs, O_WRONLY, "%s/detach", dir);
}

int vhci_read(const struct sysfs *sysfs, struct vhci *vhci)
{
	char name[NAME_SIZE], text[SYSFS_ATTRIBUTE_SIZE + 1];
	const char *dir;
	int error = vhci_find_live_dir(sysfs, &dir);

	/* only the part that was in use, so that the rest of the table never takes memory */
	memset(vhci->port, 0, vhci->ports * sizeof(vhci->port[0]));
	vhci->ports = vhci->controllers = 0;
	while (!error) {
		int found = vhci_find_controller(sysfs, dir, vhci->controllers, name);
		ssize_t n;

		if (found <= 0)
			return found;
		n = sysfs_read(sysfs, text, sizeof(text), "%s/%s", dir, name);
		error = n < 0 ? (int)n : vhci_parse(vhci, text);
		vhci->controllers++;
	}
	return error;
}

bool vhci_usable(const struct sysfs *sysfs, const struct vhci_port *port)
{
	return port->busid[0] && !sysfs_can_open(sysfs, O_PATH, DEVICE_DIR "%s", port->busid);
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

static bool port_is_free(const struct vhci_port *port, uint32_t speed)
{
	enum vhci_hub wanted = speed >= VHCI_SPEED_SUPER ? VHCI_SUPER : VHCI_HIGH;

	return port->state == VHCI_FREE && (port->hub == wanted || port->hub == VHCI_ANY);
}

/* The lowest free port on the controller with the fewest devices; unused: that no device used. */
static int vhci_lowest_port(const struct vhci *vhci, uint32_t speed, const uint32_t *last,
			    bool unused)
{
	unsigned each = vhci_ports_each(vhci), least = UINT_MAX;
	int best = -ENOSPC;

	for (unsigned first = 0; first < vhci->ports; first += each) {
		unsigned used = 0;
		int free = -1;

		for (unsigned i = first; i < first + each && i < vhci->ports; i++) {
			if (vhci->port[i].state > VHCI_FREE)
				used++;
			else if (free < 0 && port_is_free(&vhci->port[i], speed) &&
				 !(unused && last[i]))
				free = (int)i;
		}
		if (free >= 0 && used < least) {
			best = free;
			least = used;
		}
	}
	return best;
}

int vhci_free_port(const struct vhci *vhci, uint32_t speed, const uint32_t *last, uint32_t device)
{
	int port = -ENOSPC;

	for (unsigned i = 0; last && i < vhci->ports; i++)
		if (last[i] == device && port_is_free(&vhci->port[i], speed))
			return (int)i;
	if (last)
		port = vhci_lowest_port(vhci, speed, last, true);
	return port < 0 ? vhci_lowest_port(vhci, speed, NULL, false) : port;
}

static int vhci_write_control(const struct sysfs *sysfs, const char *name, const char *value)
{
	const char *dir;
	int error = vhci_find_dir(sysfs, &dir);

	return error ? error : sysfs_write(sysfs, value, "%s/%s", dir, name);
}

int vhci_attach(const struct sysfs *sysfs, unsigned port, int fd, uint32_t devid, uint32_t speed)
{
	char value[64];
	int error;

	str_format(value, sizeof(value), "%u %u %u %u", port, (unsigned)fd, (unsigned)devid,
		   (unsigned)speed);
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
