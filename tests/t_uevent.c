/* SPDX-License-Identifier: MIT */
/* Tests of sysfs/uevent: messages as kernels send them, and others. LINK: -Wl,--wrap=recvfrom */
#include "sysfs/device.h"

#include "tests/check.h"

#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

/* A message in a string: '|' stands for each terminator but the last. */
#define DEVICE(action, path, more)                                                                 \
	action "@" path "|ACTION=" action "|DEVPATH=" path                                         \
	       "|SUBSYSTEM=usb|MAJOR=189|MINOR=1|DEVNAME=bus/usb/001/002|DEVTYPE=usb_device|" more \
	       "PRODUCT=627/1/0|TYPE=0/0/0|BUSNUM=001|DEVNUM=002|SEQNUM=2345|"
#define INTERFACE(action, path, more)                                                              \
	action "@" path "|ACTION=" action "|DEVPATH=" path                                         \
	       "|SUBSYSTEM=usb|DEVTYPE=usb_interface|" more                                        \
	       "PRODUCT=627/1/0|TYPE=0/0/0|INTERFACE=3/1/1|MODALIAS=usb:v0627p0001|SEQNUM=2346|"
#define LOCAL "/devices/pci0000:00/0000:00:02.0/usb1/1-3"
#define VHCI "/devices/platform/vhci_hcd.0/usb3/3-1"

static const struct {
	const char *what;
	const char *text;
	enum uevent event;
} table[] = {
	{ "a device got its driver", DEVICE("bind", LOCAL, "DRIVER=usb|"), UEVENT_LOCAL },
	{ "a device got usbip-host", DEVICE("bind", LOCAL, "DRIVER=usbip-host|"), UEVENT_LOCAL },
	{ "a device went", DEVICE("remove", LOCAL, ""), UEVENT_LOCAL },
	{ "an imported device came", DEVICE("bind", VHCI, "DRIVER=usb|"), UEVENT_IMPORTED },
	{ "an imported device went", DEVICE("remove", VHCI, ""), UEVENT_IMPORTED },
	{ "an imported device of an old kernel went",
	  DEVICE("remove", "/devices/platform/vhci_hcd/usb3/3-1", ""), UEVENT_IMPORTED },
	{ "a device came, its driver is yet to come", DEVICE("add", LOCAL, ""), UEVENT_OTHER },
	{ "a device lost its driver", DEVICE("unbind", LOCAL, ""), UEVENT_OTHER },
	{ "a device changed", DEVICE("change", LOCAL, "DRIVER=usb|"), UEVENT_OTHER },
	{ "an interface got its driver", INTERFACE("bind", LOCAL "/1-3:1.0", "DRIVER=usbhid|"),
	  UEVENT_OTHER },
	{ "an interface went", INTERFACE("remove", LOCAL "/1-3:1.0", ""), UEVENT_OTHER },
	{ "a module came",
	  "add@/module/usbip_host|ACTION=add|DEVPATH=/module/usbip_host|SUBSYSTEM=module|SEQNUM=9|",
	  UEVENT_OTHER },
	{ "another subsystem",
	  "remove@/devices/x|ACTION=remove|DEVPATH=/devices/x|SUBSYSTEM=block|DEVTYPE=disk|"
	  "SEQNUM=9|",
	  UEVENT_OTHER },
	{ "keys that only begin so",
	  "bind@/x|ACTION=bindx|DEVPATH=/x|DEVTYPE=usb_devices|DRIVER=usbip-hostx|", UEVENT_OTHER },
	{ "keys that only end so", "bind@/x|XACTION=bind|XDEVTYPE=usb_device|", UEVENT_OTHER },
	{ "a key that only begins as the path's",
	  DEVICE("bind", LOCAL, "DEVPATHS=" VHCI "|DRIVER=usb|"), UEVENT_LOCAL },
	{ "no terminator but the last", "ACTION=bind DEVTYPE=usb_device|", UEVENT_OTHER },
	{ "terminators only", "||||||", UEVENT_OTHER },
};

/* A block of the message's exact size. */
static char *message(const char *text, size_t *len)
{
	char *p = block(text, strlen(text));

	*len = strlen(text);
	for (size_t i = 0; i < *len; i++)
		if (p[i] == '|')
			p[i] = '\0';
	return p;
}

static void row(size_t i)
{
	size_t len;
	char *p = message(table[i].text, &len);

	CHECK_INT(uevent_parse(p, len), table[i].event);
	block_free(p);
	/* cut off anywhere: without its terminator it does not count */
	for (size_t cut = 0; cut < len; cut++) {
		char *part = message(table[i].text, &len);
		char *exact = block(part, cut);
		enum uevent event = uevent_parse(exact, cut);

		if (cut && exact[cut - 1])
			CHECK_INT(event, UEVENT_OTHER);
		CHECK(event == UEVENT_OTHER || event == table[i].event);
		block_free(exact);
		block_free(part);
	}
}

static void no_terminator(void)
{
	size_t len;
	char *p = message(table[0].text, &len);
	char *exact = block(p, len - 1);

	CHECK(!uevent_parse(exact, len - 1));
	block_free(exact);
	block_free(p);
}

/* A message as udev forwards it: a header with its magic number, then the same keys. */
static void of_udev(void)
{
	static const uint8_t head[] = { 'l', 'i', 'b', 'u', 'd', 'e', 'v', 0, 0xfe, 0xed,
					0xca, 0xfe, 40, 0, 0, 0, 40, 0, 0, 0,
					200, 0, 0, 0, 0x81, 0x72, 0x63, 0x54, 0x01, 0xff,
					0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0 };
	size_t len;
	char *p = message(table[8].text, &len), *exact = block(NULL, sizeof(head) + len);

	memcpy(exact, head, sizeof(head));
	memcpy(exact + sizeof(head), p, len);
	CHECK(!uevent_parse(exact, sizeof(head) + len));
	for (size_t cut = 0; cut < sizeof(head); cut++) {
		char *part = block(head, cut);

		CHECK(!uevent_parse(part, cut));
		block_free(part);
	}
	block_free(exact);
	block_free(p);
}

/* The next message of the socket. */
static struct {
	const char *text;
	size_t longer; /* bytes that do not fit */
	uint32_t sender;
	int error;
} next;

ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *sender,
			socklen_t *len);

ssize_t __wrap_recvfrom(int fd, void *buf, size_t size, int flags, struct sockaddr *sender,
			socklen_t *len)
{
	struct sockaddr_nl from = { .nl_family = AF_NETLINK, .nl_pid = next.sender };
	size_t n;
	char *p;

	CHECK_INT(fd, 77);
	if (next.error) {
		errno = next.error;
		return -1;
	}
	p = message(next.text, &n);
	memset(buf, 0, size);
	memcpy(buf, p, n < size ? n : size);
	block_free(p);
	memcpy(sender, &from, *len < sizeof(from) ? *len : sizeof(from));
	*len = sizeof(from);
	if (next.longer)
		return (ssize_t)(flags & MSG_TRUNC ? size + next.longer : size);
	return (ssize_t)n;
}

static void received(void)
{
	memset(&next, 0, sizeof(next));
	next.text = table[3].text;
	CHECK_INT(uevent_receive(77), UEVENT_IMPORTED);
	next.text = table[6].text;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
	next.text = "";
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
}

static void received_from_others(void)
{
	memset(&next, 0, sizeof(next));
	next.text = table[0].text;
	next.sender = 4711;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
	next.sender = UINT32_MAX;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
}

static void received_cut(void)
{
	memset(&next, 0, sizeof(next));
	next.text = table[0].text;
	next.longer = 1;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
	next.longer = 1 << 20;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
}

static void received_errors(void)
{
	memset(&next, 0, sizeof(next));
	next.error = EINTR;
	CHECK_INT(uevent_receive(77), UEVENT_OTHER);
	next.error = EAGAIN;
	CHECK_INT(uevent_receive(77), -EAGAIN);
	next.error = ENOBUFS;
	CHECK_INT(uevent_receive(77), -ENOBUFS);
}

static void open_socket(void)
{
	struct sockaddr_nl addr = { 0 };
	socklen_t len = sizeof(addr);
	int fd = uevent_open();

	if (fd == -EPROTONOSUPPORT || fd == -EPERM || fd == -EACCES || fd == -EAFNOSUPPORT)
		return; /* a sandbox without netlink */
	CHECK(fd >= 0);
	CHECK(!getsockname(fd, (struct sockaddr *)&addr, &len));
	CHECK_INT(addr.nl_groups, 1);
	close(fd);
}

int main(void)
{
	for (size_t i = 0; i < LENGTH(table); i++) {
		check_begin("t_uevent: %s", table[i].what);
		row(i);
		check_end();
	}
	RUN("t_uevent: a message without its last terminator", no_terminator);
	RUN("t_uevent: a message of udev", of_udev);
	RUN("t_uevent: received", received);
	RUN("t_uevent: received from another process", received_from_others);
	RUN("t_uevent: received cut off", received_cut);
	RUN("t_uevent: errors of the socket", received_errors);
	RUN("t_uevent: the kernel's group", open_socket);
	return check_status();
}
