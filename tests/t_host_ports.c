/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/host_ports: the ports of which the server tells its starter that they are to be claimed.
 * Devices are bound by the engine that tests/host.h plays.
 * LINK: -Wl,--wrap=clock_gettime,--wrap=__clock_gettime64,--wrap=epoll_wait,--wrap=log_line
 * LINK: -Wl,--wrap=daemon_run,--wrap=uevent_open,--wrap=protect_survey,--wrap=stub_bind
 * LINK: -Wl,--wrap=stub_end,--wrap=stub_release,--wrap=engine_choose,--wrap=holders_claim_ports
 */
#include "tests/host.h"

#include "host/holder.h"

enum { HOLDER_END_MS = 500 };

static struct {
	const struct engine *engine; /* of the next device */
	bool full; /* no device can be bound */
	unsigned told; /* so often */
	char text[STARTER_PORTS_MAX * BUSID_SIZE]; /* "1-2 1-3=": where it is not empty */
	struct port port; /* of the latest one */
} p;

void __wrap_engine_choose(const struct engines *engines, const struct sysfs *sysfs, const char *busid,
			  unsigned *coming, struct engine_choice *choice);
void __wrap_holders_claim_ports(const struct starter_ports *ports);

static bool is_of_export(const char *busid)
{
	const char *exports = t.host ? (const char *)&t.host->exports : NULL;

	return exports && busid >= exports && busid < exports + sizeof(t.host->exports);
}

void __wrap_engine_choose(const struct engines *engines, const struct sysfs *sysfs, const char *busid,
			  unsigned *coming, struct engine_choice *choice)
{
	bool binds = is_of_export(busid);

	(void)engines;
	(void)sysfs;
	(void)coming;
	memset(choice, 0, sizeof(*choice));
	choice->engine = binds ? &engine_kernel : p.engine;
	choice->error = binds && p.full ? -ENOSPC : 0;
}

void __wrap_holders_claim_ports(const struct starter_ports *ports)
{
	p.told++;
	*p.text = '\0';
	for (unsigned i = 0; i < ports->count; i++)
		sprintf(p.text + strlen(p.text), "%s%s%s", i ? " " : "", ports->port[i].busid,
			ports->port[i].empty ? "" : "=");
	if (ports->count)
		p.port = ports->port[ports->count - 1].port;
}

static void put_hub(const char *name, const char *bus, const char *devnum, const char *ports)
{
	put_file(root, sysfs_path(DEVICE_DIR "%s/busnum", name).text, bus);
	put_file(root, sysfs_path(DEVICE_DIR "%s/devnum", name).text, devnum);
	put_file(root, sysfs_path(DEVICE_DIR "%s/maxchild", name).text, ports);
}

static void begin(void)
{
	start();
	memset(&p, 0, sizeof(p));
	p.engine = &engine_usbfs;
	put_hub("usb1", "1\n", "1\n", "3\n");
}

static void pass_once(void)
{
	pass(t.daemon);
}

/* From its claim to its unplug. */
static void life_scene(void)
{
	settle();
	CHECK_STR(p.text, "");
	change_rules("allow busid 1-2\nallow busid usb1\nallow busid 1-9.1\nallow busid 1-*\n");
	settle();
	CHECK_STR(p.text, "1-2");
	CHECK_INT(p.port.bus * 100 + p.port.hub * 10 + p.port.number, 112);
	plug("1-2", "usb");
	pass_once();
	CHECK_STR(p.text, "1-2=");
	settle();
	JOBS_WERE("bind 1-2\n");
	pass_once();
	CHECK_STR(p.text, "1-2=");
	unplug("1-2");
	pass_once();
	CHECK_STR(p.text, "1-2");
	/* its holder may just be ending */
	CHECK(t.daemon->loop.next <= t.daemon->loop.now + HOLDER_END_MS);
	change_rules("");
	settle();
	CHECK_STR(p.text, "");
}

static void life(void)
{
	begin();
	serve(life_scene, false, 0);
	end();
}

/* The engine that would get the device, and holds. */
static void conditions_scene(void)
{
	change_rules("allow busid 1-2\n");
	settle();
	CHECK_STR(p.text, "1-2");
	p.engine = &engine_kernel;
	pass_once();
	CHECK_STR(p.text, "");
	p.engine = &engine_usbfs;
	/* a port may be that of a device that usbip-host remembers */
	t.host->engines.only = NULL;
	pass_once();
	CHECK_STR(p.text, "");
	take_away(root, SLOTS);
	pass_once();
	CHECK_STR(p.text, "1-2");
	put_file(root, "etc/held.server", "0951:1666@1-2\n");
	pass_once();
	CHECK_STR(p.text, "");
	take_away(root, "etc/held.server");
	pass_once();
	CHECK_STR(p.text, "1-2");
	/* what is plugged in and has to have its drivers: a hub */
	plug("1-2", "usb");
	put_attribute("1-2", "bDeviceClass", "09\n");
	pass_once();
	CHECK_STR(p.text, "");
	unplug("1-2");
	pass_once();
	CHECK_STR(p.text, "1-2");
	/* and what comes over USB/IP */
	put_hub("usb5", "5\n", "1\n", "1\n");
	change_rules("allow busid 5-1\n");
	pass_once();
	CHECK_STR(p.text, "5-1");
	put_link(root, DEVICE_DIR "driver", "../../platform/drivers/vhci_hcd");
	pass_once();
	CHECK_STR(p.text, "");
}

static void conditions(void)
{
	begin();
	serve(conditions_scene, false, 0);
	end();
}

/* While there is that file. */
static void block_device(struct protect_survey *survey)
{
	for (unsigned i = 0; i < survey->count && is_there(root, "blocks"); i++) {
		survey->item[i].answer = PROTECT_NEEDED;
		survey->item[i].blocked = true;
		str_copy(survey->item[i].reason.text, sizeof(survey->item[i].reason.text), "blocked");
	}
}

/* A device that is not bound after all. */
static void refused_scene(void)
{
	change_rules("allow busid 1-2\n");
	settle();
	plug("1-2", "usb");
	put_file(root, "blocks", "");
	settle();
	pass_once();
	CHECK_STR(p.text, "");
	take_away(root, "blocks");
	unplug("1-2");
	settle();
	CHECK_STR(p.text, "1-2");
	p.full = true;
	plug("1-2", "usb");
	settle();
	pass_once();
	CHECK_STR(p.text, "");
	CHECK_INT(find("1-2")->failed, EXPORT_BINDING);
	/* as its drivers come only now */
	CHECK_INT(find("1-2")->backoff.until, t.daemon->loop.now + POLICY_DRIVERLESS_MS);
	JOBS_WERE("");
}

static void refused(void)
{
	begin();
	t.play_survey = block_device;
	serve(refused_scene, false, 1);
	end();
}

/* A device that was plugged in before the kernel knew that the holder of the one before had ended has no
 * drivers: it is given back if it is not exported. */
static void behind_scene(void)
{
	change_rules("allow busid 1-2\n");
	plug("1-2", "usb");
	settle();
	JOBS_WERE("bind 1-2\n");
	find("1-2")->held = true;
	later(3600 * 1000); /* it has not come and gone */
	unplug("1-2");
	pass_once();
	plug("1-2", "usb");
	settle();
	JOBS_WERE("bind 1-2\n");
	find("1-2")->held = true;
	unplug("1-2");
	pass_once();
	change_rules("deny busid 1-2\n");
	put_file(root, "run/bound", "1-2\n"); /* for the test; it is not ours */
	plug("1-2", "usb");
	settle();
	pass_once();
	JOBS_WERE("release 1-2\n");
	CHECK_INT(find("1-2")->state, EXPORT_LEFT_ALONE);
}

static void behind(void)
{
	begin();
	serve(behind_scene, false, 0);
	end();
}

/* What was plugged into a port that is not claimed any more is as if it had come just now. */
static void lost_scene(void)
{
	change_rules("allow busid 1-2\n");
	settle();
	plug("1-2", "usb");
	pass_once();
	CHECK_STR(p.text, "1-2=");
	change_rules("");
	find("1-2")->need.settled = 1;
	find("1-2")->backoff.until = t.daemon->loop.now + 60000;
	pass_once();
	CHECK_STR(p.text, "");
	CHECK(find("1-2")->need.settled != 1);
	CHECK_INT(find("1-2")->backoff.until, t.daemon->loop.now + 60000);
	later(60000);
	JOBS_WERE("bind 1-2\n");
	change_rules("allow busid 1-2\n");
	settle();
	change_rules("");
	pass_once();
	CHECK(find("1-2")->backoff.until <= t.daemon->loop.now); /* it is bound, and stays so */
}

static void lost(void)
{
	begin();
	serve(lost_scene, false, 0);
	end();
}

static void stopped_scene(void)
{
	change_rules("allow busid 1-2\n");
	settle();
	CHECK_STR(p.text, "1-2");
	p.told = 0;
	stop_server();
	CHECK(p.told);
	CHECK_STR(p.text, "");
}

static void once_scene(void)
{
	change_rules("allow busid 1-2\n");
	settle();
	CHECK_STR(p.text, "");
}

static void ends(void)
{
	begin();
	serve(stopped_scene, false, 0);
	serve(once_scene, true, 0);
	end();
}

/* All ports of all hubs, but that one. */
static void all_scene(void)
{
	char sorted[200];

	plug("1-3", "usb");
	put_attribute("1-3", "bDeviceClass", "09\n");
	put_attribute("1-3", "maxchild", "2\n");
	change_rules("deny busid 1-1\nallow busid 1-2\n"); /* which is there once */
	settle();
	for (char *c = p.text; *c; c++)
		*c = *c == ' ' ? '\n' : *c;
	sort_lines(p.text, sorted);
	CHECK_STR(sorted, "1-2\n1-3.1\n1-3.2\n");
}

static void all(void)
{
	begin();
	t.take_all = true;
	serve(all_scene, false, 0);
	end();
}

static void many_scene(void)
{
	char text[6000] = "";
	unsigned words = 1;

	for (unsigned i = 1; i <= STARTER_PORTS_MAX + 2; i++)
		sprintf(text + strlen(text), "allow busid 1-%u\n", i);
	change_rules(text);
	settle();
	for (const char *c = p.text; *c; c++)
		words += *c == ' ';
	CHECK_INT(words, STARTER_PORTS_MAX);
}

static void many(void)
{
	begin();
	serve(many_scene, false, 0);
	end();
}

int main(void)
{
	RUN("t_host_ports: a port that a rule names, and the device there", life);
	RUN("t_host_ports: engines, holds, hubs, what comes over USB/IP", conditions);
	RUN("t_host_ports: a device that is not bound after all", refused);
	RUN("t_host_ports: a device that comes before a holder has ended", behind);
	RUN("t_host_ports: a rule that is taken back", lost);
	RUN("t_host_ports: at the end, and with --once", ends);
	RUN("t_host_ports: take all", all);
	RUN("t_host_ports: many ports", many);
	return check_status();
}
