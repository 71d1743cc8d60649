/* SPDX-License-Identifier: MIT */
/*
 * Tests of sysfs/stub against a model of usbip-host (drivers/usb/usbip/stub_main.c): it keeps the
 * order of the writes, changes the tree like the real one, and tells which write would crash the real
 * one. Every write is made to fail in every way, and the device to vanish before and after each.
 * LINK: -Wl,--wrap=sysfs_write,--wrap=poll,--wrap=shutdown
 */
#include "sysfs/stub.h"

#include "lib/str.h"
#include "tests/files.h"

#include <poll.h>
#include <sys/socket.h>

#define BUSID "1-3"
#define HOME "devices/pci0000:00/usb1/" BUSID
#define LINK DEVICE_DIR BUSID
#define DRIVERS "bus/usb/drivers/"
#define STUB DRIVERS "usbip-host/"
#define NODE "001/007"

enum { WRITES_MAX = 16, NEVER = -1, FOREVER = 1000000 };

enum slot { SLOT_NONE, SLOT_REMOVED, SLOT_ADDED, SLOT_BOUND };

/* Called when a connection is shut down. */
static void (*at_shutdown)(void);

int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);

int __wrap_shutdown(int fd, int how)
{
	if (at_shutdown)
		at_shutdown();
	return __real_shutdown(fd, how);
}

/* The fault at a write. */
enum fault { FAULT_NONE, FAULT_ERROR, FAULT_GONE_BEFORE, FAULT_GONE_AFTER };

static char root[TEMP_SIZE];
static struct sysfs sysfs;

static struct kernel {
	unsigned writes;
	char line[WRITES_MAX][160]; /* "FILE=VALUE", FILE below bus/usb/ or the device */
	bool present;
	char driver[16];
	enum slot slot;
	bool slot_was_bound; /* its record of the device is set */
	bool slots_full;
	int status;
	int polls;	   /* calls of poll() after the -1 until the session has ended */
	bool session_ends; /* -1 was written */
	bool session_begins; /* during a wait */
	bool bind_is_void;   /* bind succeeds without effect */
	bool autoprobe;	   /* there is a driver for the device */
	bool node_held;    /* the device's node was open at the rebind */
	int fault_at;	   /* the write that fails, or NEVER */
	enum fault fault;
	int error;
	const char *crash; /* the write that would have crashed the real one */
} kernel;

static void set_status(int status)
{
	char text[4];

	kernel.status = status;
	snprintf(text, sizeof(text), "%d\n", status);
	put_file(root, HOME "/usbip_status", text);
}

static void set_driver(const char *driver)
{
	char target[80];

	snprintf(kernel.driver, sizeof(kernel.driver), "%s", driver);
	take_away(root, HOME "/driver");
	take_away(root, HOME "/usbip_status");
	take_away(root, HOME "/usbip_sockfd");
	if (!*driver)
		return;
	snprintf(target, sizeof(target), "../../../../bus/usb/drivers/%s", driver);
	put_link(root, HOME "/driver", target);
	if (!strcmp(driver, "usbip-host")) {
		set_status(STUB_AVAILABLE);
		put_file(root, HOME "/usbip_sockfd", "");
	}
}

static void vanish(void)
{
	kernel.present = false;
	if (kernel.slot == SLOT_BOUND)
		kernel.slot = SLOT_ADDED;
	kernel.driver[0] = '\0';
	take_away(root, LINK);
	take_away(root, HOME);
}

static int kernel_unbind(const char *driver)
{
	if (!kernel.present || strcmp(kernel.driver, driver))
		return -ENODEV;
	if (!strcmp(driver, "usbip-host")) {
		if (kernel.status == STUB_USED && !kernel.crash)
			kernel.crash = "unbound with a session";
		if (kernel.slot == SLOT_BOUND)
			kernel.slot = SLOT_ADDED;
	}
	set_driver("");
	return 0;
}

static int kernel_match(const char *value)
{
	if (strlen(value) < 5)
		return -EINVAL;
	if (!strcmp(value, "add " BUSID)) {
		if (kernel.slots_full && !kernel.slot)
			return -ENOMEM;
		if (!kernel.slot)
			kernel.slot = SLOT_ADDED;
		return 0;
	}
	if (strcmp(value, "del " BUSID))
		return -EINVAL;
	if (!kernel.slot)
		return -ENODEV;
	if (!strcmp(kernel.driver, "usbip-host"))
		kernel.crash = "del before unbind";
	if (kernel.slot == SLOT_BOUND)
		kernel.slot = SLOT_REMOVED;
	return 0;
}

static int kernel_bind(void)
{
	if (!kernel.present || kernel.driver[0] || kernel.slot != SLOT_ADDED)
		return -ENODEV;
	if (kernel.bind_is_void)
		return 0;
	kernel.slot = SLOT_BOUND;
	kernel.slot_was_bound = true;
	set_driver("usbip-host");
	return 0;
}

/*
 * do_rebind() uses the slot's device without a check. A device that is unplugged in the moment of the
 * write cannot be noticed before; for that case its node is held open.
 */
static int kernel_rebind(void)
{
	if (!kernel.slot)
		return -ENODEV;
	if (!kernel.slot_was_bound)
		kernel.crash = "rebind of what was never bound";
	else if (!kernel.present && !(kernel.fault == FAULT_GONE_BEFORE && kernel.node_held))
		kernel.crash = "rebind of what is gone";
	else if (!strcmp(kernel.driver, "usbip-host"))
		kernel.crash = "rebind of what is bound";
	else if (kernel.autoprobe && !kernel.driver[0])
		set_driver("usb");
	kernel.slot = SLOT_NONE;
	return 0;
}

static int kernel_probe(void)
{
	if (!kernel.present)
		return -ENODEV;
	if (kernel.autoprobe && !kernel.driver[0])
		set_driver("usb");
	return 0;
}

static int kernel_sockfd(const char *value)
{
	if (strcmp(kernel.driver, "usbip-host"))
		return -ENOENT;
	if (strcmp(value, "-1") && kernel.status == STUB_AVAILABLE) {
		set_status(STUB_USED);
		return 0;
	}
	if (strcmp(value, "-1") || kernel.status != STUB_USED)
		return -EINVAL;
	kernel.session_ends = true;
	if (!kernel.polls)
		set_status(STUB_AVAILABLE);
	return 0;
}

static int kernel_write(const char *path, const char *value)
{
	if (strncmp(path, LINK "/usbip_sockfd", sizeof(LINK "/usbip_sockfd"))) {
		if (strchr(value, '\n'))
			kernel.crash = "a newline";
		if (!strstr(path, "match_busid") && strcmp(value, BUSID))
			return -ENODEV;
	}
	if (!strcmp(path, DRIVERS "usb/unbind"))
		return kernel_unbind("usb");
	if (!strcmp(path, STUB "unbind"))
		return kernel_unbind("usbip-host");
	if (!strcmp(path, STUB "match_busid"))
		return kernel_match(value);
	if (!strcmp(path, STUB "bind"))
		return kernel_bind();
	if (!strcmp(path, STUB "rebind"))
		return kernel_rebind();
	if (!strcmp(path, "bus/usb/drivers_probe"))
		return kernel_probe();
	if (!strcmp(path, LINK "/usbip_sockfd"))
		return kernel_sockfd(value);
	return -ENOENT;
}

static void note_node(void)
{
	char target[PATH_MAX];

	for (int fd = 3; fd < 64; fd++) {
		char path[32];
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		if (strstr(target, "nodes/" NODE))
			kernel.node_held = true;
	}
}

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *name);

int __wrap_sysfs_write(const struct sysfs *fs, const char *value, const char *name)
{
	enum fault fault = (int)kernel.writes == kernel.fault_at ? kernel.fault : FAULT_NONE;
	int error;

	must(fs == &sysfs && kernel.writes < WRITES_MAX, "play the kernel");
	snprintf(kernel.line[kernel.writes++], 160, "%s=%s",
		 strncmp(name, "bus/usb/", 8) ? name : name + 8, value);
	if (strstr(name, "rebind"))
		note_node();
	if (fault == FAULT_ERROR)
		return kernel.error;
	if (fault == FAULT_GONE_BEFORE)
		vanish();
	error = kernel_write(name, value);
	if (fault == FAULT_GONE_AFTER)
		vanish();
	return error;
}

int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

/* Time passes for the kernel, not for the test. */
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	(void)fds;
	(void)timeout;
	must(!n, "poll nothing");
	if (kernel.session_begins)
		set_status(STUB_USED);
	if (kernel.session_ends && kernel.polls && kernel.present && !--kernel.polls)
		set_status(STUB_AVAILABLE);
	return 0;
}

/* The device with a driver: "", "usb" or "usbip-host". */
static void start(const char *driver)
{
	kernel = (struct kernel){
		.present = true, .autoprobe = true, .fault_at = NEVER,
	};
	temp_make(root);
	put_file(root, HOME "/idVendor", "0627\n");
	put_file(root, HOME "/idProduct", "0001\n");
	put_file(root, HOME "/bDeviceClass", "00\n");
	put_file(root, HOME "/busnum", "1\n");
	put_file(root, HOME "/devnum", "7\n");
	put_link(root, LINK, "../../../" HOME);
	put_file(root, STUB "match_busid", "");
	put_file(root, "nodes/" NODE, "");
	if (!strcmp(driver, "usbip-host")) {
		kernel.slot = SLOT_BOUND;
		kernel.slot_was_bound = true;
	}
	set_driver(driver);
	must(!sysfs_open(&sysfs, root), "open the tree");
}

static void end(void)
{
	if (kernel.crash)
		check_fault(__FILE__, __LINE__, "%s", kernel.crash);
	sysfs_close(&sysfs);
	temp_remove(root);
}

static void wrote(const char *const *want)
{
	unsigned n = 0;

	for (; want[n]; n++)
		if (n < kernel.writes)
			CHECK_STR(kernel.line[n], want[n]);
	CHECK_INT(kernel.writes, n);
}

#define WROTE(...) wrote((const char *const[]){ __VA_ARGS__, NULL })
#define WROTE_NOTHING() CHECK_INT(kernel.writes, 0)

static void result_is(struct stub_result result, int error, enum stub_step step)
{
	CHECK_INT(result.error, error);
	CHECK_INT(result.step, step);
}

#define UNBIND_USB "drivers/usb/unbind=" BUSID
#define ADD "drivers/usbip-host/match_busid=add " BUSID
#define DEL "drivers/usbip-host/match_busid=del " BUSID
#define BIND "drivers/usbip-host/bind=" BUSID
#define UNBIND "drivers/usbip-host/unbind=" BUSID
#define REBIND "drivers/usbip-host/rebind=" BUSID
#define PROBE "drivers_probe=" BUSID
#define END_SESSION "devices/" BUSID "/usbip_sockfd=-1"

static void bind_usb(void)
{
	start("usb");
	result_is(stub_bind(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(UNBIND_USB, ADD, BIND);
	CHECK_STR(kernel.driver, "usbip-host");
	end();
}

static void bind_driverless(void)
{
	start("");
	result_is(stub_bind(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(ADD, BIND);
	CHECK_STR(kernel.driver, "usbip-host");
	end();
}

static void bind_bound(void)
{
	start("usbip-host");
	result_is(stub_bind(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE_NOTHING();
	end();
}

static void bind_nothing(void)
{
	start("usb");
	vanish();
	CHECK_INT(stub_bind(&sysfs, BUSID).error, -ENODEV);
	CHECK_INT(stub_release(&sysfs, BUSID).error, -ENODEV);
	CHECK(stub_bind(&sysfs, "../../x").error < 0);
	CHECK(stub_release(&sysfs, "usb1").error < 0);
	CHECK(stub_release(&sysfs, "1-1:1.0").error < 0);
	WROTE_NOTHING();
	end();
}

/* Other busids in use and one slot for ours: the slot is used again after a replug. */
static void bind_again(void)
{
	start("");
	kernel.slot = SLOT_ADDED;
	kernel.slot_was_bound = true;
	kernel.slots_full = true;
	result_is(stub_bind(&sysfs, BUSID), 0, STUB_STEP_NONE);
	end();
}

static void bind_no_slot(void)
{
	start("usb");
	kernel.slots_full = true;
	result_is(stub_bind(&sysfs, BUSID), -ENOMEM, STUB_STEP_ADD);
	WROTE(UNBIND_USB, ADD, PROBE);
	CHECK_STR(kernel.driver, "usb");
	end();
}

static void bind_fails(int at, int error, enum stub_step step)
{
	start("usb");
	kernel.fault_at = at;
	kernel.fault = FAULT_ERROR;
	kernel.error = error;
	/* the device exists: it must not count as unplugged */
	if (at && error == -ENODEV)
		error = -ENXIO;
	result_is(stub_bind(&sysfs, BUSID), error, step);
	CHECK_STR(kernel.driver, "usb");
	if (at)
		CHECK_STR(kernel.line[kernel.writes - 1], PROBE);
	else
		CHECK_INT(kernel.writes, 1);
	end();
}

static void bind_steps_fail(void)
{
	static const int errors[] = { -EBUSY, -ENOMEM, -ENODEV, -EIO, -EINVAL };

	for (size_t i = 0; i < LENGTH(errors); i++) {
		bind_fails(0, errors[i], STUB_STEP_UNBIND);
		bind_fails(1, errors[i], STUB_STEP_ADD);
		bind_fails(2, errors[i], STUB_STEP_BIND);
	}
}

static void bind_stranded(void)
{
	start("usb");
	kernel.autoprobe = false;
	kernel.slots_full = true;
	CHECK_INT(stub_bind(&sysfs, BUSID).step, STUB_STEP_RESTORE);
	CHECK_STR(kernel.driver, "");
	end();
	start("usb");
	kernel.fault_at = 2; /* drivers_probe itself */
	kernel.fault = FAULT_ERROR;
	kernel.error = -EIO;
	kernel.slots_full = true;
	result_is(stub_bind(&sysfs, BUSID), -EIO, STUB_STEP_RESTORE);
	end();
}

static void release_available(void)
{
	start("usbip-host");
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(UNBIND, DEL, REBIND);
	CHECK_STR(kernel.driver, "usb");
	CHECK_INT(kernel.slot, SLOT_NONE);
	end();
}

static void release_in_error(void)
{
	start("usbip-host");
	set_status(STUB_ERROR);
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(UNBIND, DEL, REBIND);
	end();
}

/* Unbinding it then would free the session's memory while the kernel's event handler uses it. */
static void release_in_session(void)
{
	start("usbip-host");
	set_status(STUB_USED);
	result_is(stub_release(&sysfs, BUSID), -EBUSY, STUB_STEP_SESSION);
	WROTE_NOTHING();
	CHECK_STR(kernel.driver, "usbip-host");
	end();
	start("usbip-host");
	kernel.session_begins = true;
	result_is(stub_release(&sysfs, BUSID), -EBUSY, STUB_STEP_SESSION);
	WROTE_NOTHING();
	end();
}

static void end_used(void)
{
	for (int polls = 0; polls < 20; polls += 5) {
		start("usbip-host");
		set_status(STUB_USED);
		kernel.polls = polls;
		result_is(stub_end(&sysfs, BUSID, -1), 0, STUB_STEP_NONE);
		WROTE(END_SESSION);
		CHECK_INT(stub_status(&sysfs, BUSID), STUB_AVAILABLE);
		result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
		WROTE(END_SESSION, UNBIND, DEL, REBIND);
		end();
	}
}

static void shut_down(void)
{
	kernel.session_ends = true;
}

/* The connection of the session is known: it is shut down, and nothing is written. */
static void end_known(void)
{
	int pair[2];
	char byte;

	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "make a connection");
	start("usbip-host");
	set_status(STUB_USED);
	kernel.polls = 2;
	at_shutdown = shut_down;
	result_is(stub_end(&sysfs, BUSID, pair[0]), 0, STUB_STEP_NONE);
	at_shutdown = NULL;
	WROTE_NOTHING();
	CHECK_INT(read(pair[1], &byte, 1), 0);
	end();
	close(pair[0]);
	close(pair[1]);
}

/* The kernel reports success, but it is not bound: its own driver must get it back. */
static void bind_without_effect(void)
{
	start("usb");
	kernel.bind_is_void = true;
	result_is(stub_bind(&sysfs, BUSID), -EBUSY, STUB_STEP_BIND);
	CHECK_STR(kernel.driver, "usb");
	end();
}

static void import_writes_the_descriptor(void)
{
	start("usbip-host");
	CHECK_INT(stub_import(&sysfs, BUSID, 1023), 0);
	WROTE("devices/" BUSID "/usbip_sockfd=1023");
	CHECK_INT(stub_status(&sysfs, BUSID), STUB_USED);
	CHECK_INT(stub_import(&sysfs, BUSID, 1023), -EINVAL);
	vanish();
	CHECK(stub_import(&sysfs, BUSID, 1023) < 0);
	end();
}

static void end_none(void)
{
	static const char *const drivers[] = { "usbip-host", "usb", "" };

	for (size_t i = 0; i < LENGTH(drivers); i++) {
		start(drivers[i]);
		result_is(stub_end(&sysfs, BUSID, -1), 0, STUB_STEP_NONE);
		vanish();
		result_is(stub_end(&sysfs, BUSID, -1), 0, STUB_STEP_NONE);
		WROTE_NOTHING();
		end();
	}
}

static void end_never(void)
{
	struct stub_result result;

	start("usbip-host");
	set_status(STUB_USED);
	kernel.polls = FOREVER;
	result = stub_end(&sysfs, BUSID, -1);
	CHECK(result.error < 0);
	CHECK_INT(result.step, STUB_STEP_SESSION);
	WROTE(END_SESSION);
	end();
}

/* The session ended after its status was read and before the write. */
static void end_just_over(void)
{
	start("usbip-host");
	set_status(STUB_USED);
	kernel.session_ends = true;
	kernel.polls = 3;
	kernel.fault_at = 0;
	kernel.fault = FAULT_ERROR;
	kernel.error = -EINVAL;
	result_is(stub_end(&sysfs, BUSID, -1), 0, STUB_STEP_NONE);
	WROTE(END_SESSION);
	end();
}

/* As a daemon does it that stops. */
static struct stub_result end_and_release(const struct sysfs *fs, const char *busid)
{
	struct stub_result result = stub_end(fs, busid, -1);

	return result.error ? result : stub_release(fs, busid);
}

static void release_driverless(void)
{
	start("");
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(PROBE);
	CHECK_STR(kernel.driver, "usb");
	end();
	start("");
	kernel.autoprobe = false;
	CHECK_INT(stub_release(&sysfs, BUSID).step, STUB_STEP_REBIND);
	end();
}

static void release_foreign(void)
{
	start("usb");
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE_NOTHING();
	CHECK_STR(kernel.driver, "usb");
	end();
}

static void release_unbind_fails(void)
{
	start("usbip-host");
	kernel.fault_at = 0;
	kernel.fault = FAULT_ERROR;
	kernel.error = -EIO;
	result_is(stub_release(&sysfs, BUSID), -EIO, STUB_STEP_RELEASE);
	WROTE(UNBIND);
	end();
}

static void release_rebind_fails(void)
{
	start("usbip-host");
	kernel.fault_at = 2;
	kernel.fault = FAULT_ERROR;
	kernel.error = -EIO;
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	WROTE(UNBIND, DEL, REBIND, PROBE);
	CHECK_STR(kernel.driver, "usb");
	end();
	start("usbip-host");
	kernel.autoprobe = false;
	CHECK(stub_release(&sysfs, BUSID).error < 0);
	end();
}

static void open_nodes(void)
{
	sysfs.usb_nodes = openat(sysfs.root, "nodes", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(sysfs.usb_nodes >= 0, "open the nodes");
}

/* During a release the device node is open, if there are nodes. */
static void release_holds_node(void)
{
	unsigned before;

	start("usbip-host");
	open_nodes();
	before = open_files();
	result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
	CHECK(kernel.node_held);
	CHECK_INT(open_files(), before);
	end();
}

/* After a bind that must have left the device usable. */
static void bind_invariant(struct stub_result result)
{
	CHECK(!result.error == (result.step == STUB_STEP_NONE));
	if (!kernel.present) {
		CHECK(!result.error || result.error == -ENODEV);
	} else if (!result.error) {
		CHECK_STR(kernel.driver, "usbip-host");
	} else if (result.step != STUB_STEP_RESTORE) {
		CHECK_STR(kernel.driver, "usb");
	}
}

static void release_invariant(struct stub_result result)
{
	CHECK(!result.error == (result.step == STUB_STEP_NONE));
	if (!kernel.present)
		CHECK(!result.error || result.error == -ENODEV);
	else if (!result.error)
		CHECK_STR(kernel.driver, "usb");
}

/* Every fault at every write, from every state. */
static void everything(struct stub_result (*act)(const struct sysfs *, const char *),
		       void (*invariant)(struct stub_result), const char *const *states)
{
	static const int errors[] = { -EBUSY, -ENOMEM, -ENODEV, -EINVAL, -EACCES };
	unsigned tried = 0;

	for (; *states; states++)
		for (int at = 0; at < 6; at++)
			for (int fault = FAULT_ERROR; fault <= FAULT_GONE_AFTER; fault++)
				for (size_t e = 0; e < LENGTH(errors); e++) {
					bool used = !strcmp(*states, "used");

					if (fault != FAULT_ERROR && e)
						continue;
					start(used ? "usbip-host" : *states);
					if (used)
						set_status(STUB_USED);
					kernel.polls = 2;
					kernel.fault_at = at;
					kernel.fault = (enum fault)fault;
					kernel.error = errors[e];
					open_nodes();
					invariant(act(&sysfs, BUSID));
					end();
					if (check.faults == 1)
						check_fault(__FILE__, __LINE__,
							    "from %s, fault %d at write %d",
							    *states, fault, at);
					tried++;
				}
	CHECK(tried > 40);
}

static void bind_everything(void)
{
	everything(stub_bind, bind_invariant, (const char *const[]){ "usb", "", NULL });
}

static void release_everything(void)
{
	everything(end_and_release, release_invariant,
		   (const char *const[]){ "usbip-host", "used", "", "usb", NULL });
}

static void there_and_back(void)
{
	start("usb");
	for (int i = 0; i < 2; i++) {
		result_is(stub_bind(&sysfs, BUSID), 0, STUB_STEP_NONE);
		CHECK_INT(stub_status(&sysfs, BUSID), STUB_AVAILABLE);
		result_is(stub_release(&sysfs, BUSID), 0, STUB_STEP_NONE);
		CHECK_STR(kernel.driver, "usb");
		CHECK_INT(kernel.slot, SLOT_NONE);
	}
	end();
}

static void status(void)
{
	start("usbip-host");
	for (int i = STUB_AVAILABLE; i <= STUB_ERROR; i++) {
		set_status(i);
		CHECK_INT(stub_status(&sysfs, BUSID), i);
	}
	put_file(root, HOME "/usbip_status", "rubbish\n");
	CHECK(stub_status(&sysfs, BUSID) < 0);
	set_driver("usb");
	CHECK_INT(stub_status(&sysfs, BUSID), -ENOENT);
	end();
}

static void check_module(void)
{
	start("usb");
	CHECK_INT(stub_check(&sysfs), 0);
	take_away(root, STUB "match_busid");
	CHECK_INT(stub_check(&sysfs), -ENOENT);
	WROTE_NOTHING();
	end();
}

static void step_texts(void)
{
	for (int i = STUB_STEP_UNBIND; i <= STUB_STEP_RESTORE; i++)
		CHECK(*stub_step_text((enum stub_step)i));
}

int main(void)
{
	RUN("t_stub: bind takes from usb, adds, binds", bind_usb);
	RUN("t_stub: bind of a device without driver", bind_driverless);
	RUN("t_stub: bind of a bound device writes nothing", bind_bound);
	RUN("t_stub: what is no device is left alone", bind_nothing);
	RUN("t_stub: bind uses the slot of an earlier bind", bind_again);
	RUN("t_stub: bind with all slots taken gives it back", bind_no_slot);
	RUN("t_stub: each step of bind fails, the device is back", bind_steps_fail);
	RUN("t_stub: bind fails and nothing takes it back", bind_stranded);
	RUN("t_stub: release unbinds, dels, rebinds", release_available);
	RUN("t_stub: release of a device in error", release_in_error);
	RUN("t_stub: release of a device in use is refused", release_in_session);
	RUN("t_stub: end of a session, then release", end_used);
	RUN("t_stub: end of a session whose connection is known", end_known);
	RUN("t_stub: a bind without effect is undone", bind_without_effect);
	RUN("t_stub: an import hands the descriptor over", import_writes_the_descriptor);
	RUN("t_stub: end of no session", end_none);
	RUN("t_stub: end of a session that stays", end_never);
	RUN("t_stub: end of a session that ends by itself", end_just_over);
	RUN("t_stub: release of a device without driver", release_driverless);
	RUN("t_stub: release of somebody else's device writes nothing", release_foreign);
	RUN("t_stub: release fails at unbind", release_unbind_fails);
	RUN("t_stub: release fails at rebind", release_rebind_fails);
	RUN("t_stub: release holds the device's node", release_holds_node);
	RUN("t_stub: every fault at every write of bind", bind_everything);
	RUN("t_stub: every fault at every write of release", release_everything);
	RUN("t_stub: there and back again", there_and_back);
	RUN("t_stub: status", status);
	RUN("t_stub: check", check_module);
	RUN("t_stub: step texts", step_texts);
	return check_status();
}
