/* SPDX-License-Identifier: MIT */
/* What both daemons have: the kernel's files, driver and events, the run directory, the loop. */
#include "loop/daemon.h"

#include "lib/log.h"
#include "lib/util.h"
#include "sysfs/modprobe.h"
#include "sysfs/uevent.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/utsname.h>
#include <unistd.h>

enum {
	SETUP_MS = 5000, /* for a module's devices to be set up after modprobe came back */
	SETUP_POLL_MS = 20,
	BLIND_MS = 1000, /* until the next look after one that failed */
	SAY_AGAIN_MS = 60000,
};

/* One line: what is wrong, and what to do. */
static void complain(const char *module, int error)
{
	struct utsname system;

	if (geteuid())
		log_warning("cannot use kernel module %s: run as root", module);
	else if (error == -ENOENT && !uname(&system))
		log_warning("cannot load kernel module %s: Linux %s has none here, install the "
			  "package with its modules",
			  module, system.release);
	else
		log_warning_errno(error, "cannot use kernel module %s", module);
}

/* Loads the driver when it is missing. */
static int open_driver(const struct sysfs *sysfs, const struct daemon_role *role)
{
	int error = role->check(sysfs), waited = 0;

	if (error == -ENOENT && !modprobe(role->module))
		error = role->check(sysfs);
	for (; error == -EAGAIN && waited < SETUP_MS; waited += SETUP_POLL_MS) {
		poll(NULL, 0, SETUP_POLL_MS);
		error = role->check(sysfs);
	}
	if (error)
		complain(role->module, error);
	return error;
}

static const struct daemon_role *role_of(const struct daemon *daemon)
{
	return (const struct daemon_role *)(const void *)((const char *)daemon->loop.role -
							  offsetof(struct daemon_role, loop));
}

/* An event only asks for a look; a lost one does, too. */
static void uevents_ready(struct loop_source *source, uint32_t events)
{
	struct daemon *daemon = container_of(source, struct daemon, uevents);
	struct uevent event;
	int n = uevent_receive(source->fd, &event);

	(void)events;
	if (n == -ENOBUFS || (n > 0 && event.on_vhci == role_of(daemon)->vhci_events))
		loop_pass_now(&daemon->loop);
}

static int hear(struct loop *loop, struct loop_source *source, int fd,
		void (*ready)(struct loop_source *source, uint32_t events))
{
	source->fd = fd;
	source->ready = ready;
	return fd < 0 ? fd : loop_watch(loop, source, EPOLLIN);
}

/* What changed there, a pass finds out. The watch ends with the directory. */
static void settings_ready(struct loop_source *source, uint32_t events)
{
	struct daemon *daemon = container_of(source, struct daemon, settings);
	char changes[4096];

	(void)events;
	if (read(source->fd, changes, sizeof(changes)) > 0)
		loop_pass_now(&daemon->loop);
}

/* Without them only the interval counts. */
static void listen_all(struct daemon *daemon)
{
	int error = hear(&daemon->loop, &daemon->uevents, uevent_open(), uevents_ready);

	if (error < 0)
		log_warning_errno(error, "cannot hear the kernel's events");
	hear(&daemon->loop, &daemon->settings, inotify_init1(IN_NONBLOCK | IN_CLOEXEC),
	     settings_ready);
}

bool daemon_reload(struct daemon *daemon, struct rules *rules, struct holds *held)
{
	const struct daemon_options *options = daemon->options;
	bool hup = daemon->loop.hup, changed;
	int error;

	/* to watch again what is watched does no harm */
	inotify_add_watch(daemon->settings.fd, options->config,
			  IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |
				  IN_MOVE_SELF | IN_ONLYDIR);
	error = holds_read(held, options->config, role_of(daemon)->name);
	if (error && error != daemon->holds_error)
		log_warning_errno(error, "cannot read %s/held.%s", options->config, role_of(daemon)->name);
	daemon->holds_error = error;
	daemon->loop.hup = false;
	if (!hup)
		return false;
	/* each counts, though the other may be malformed now */
	changed = rules_read(rules, &options->rules);
	return (options->keys && keys_read(options->keys, options->psk)) || changed;
}

int daemon_open(struct daemon *daemon, const struct daemon_options *options,
		const struct daemon_role *role, void *ctx)
{
	int error = sysfs_open(&daemon->sysfs, options->sysfs);

	daemon->options = options;
	if (error) {
		log_warning_errno(error, "cannot open %s", options->sysfs);
		return error;
	}
	error = open_driver(&daemon->sysfs, role);
	if (error)
		goto close_sysfs;
	/* the kernel loads it by itself only for who may administer the network: nobody, later */
	if (options->keys)
		modprobe("tls");
	error = hook_runner_start(&daemon->runner, options->config, options->name);
	if (error)
		goto cannot_start;
	error = rundir_open(&daemon->state, options->run, role->name);
	if (error)
		goto close_sysfs;
	error = loop_open(&daemon->loop, options->interval * 1000, &role->loop, ctx);
	if (!error)
		error = hook_runner_watch(&daemon->runner, &daemon->loop);
	if (!error) {
		if (!options->once)
			sd_notify_open(&daemon->loop.notify);
		listen_all(daemon);
		return 0;
	}
	rundir_close(&daemon->state, true);
cannot_start:
	log_warning_errno(error, "cannot start");
close_sysfs:
	sysfs_close(&daemon->sysfs);
	return error;
}

void daemon_close(struct daemon *daemon, bool notes)
{
	loop_drop(&daemon->loop, &daemon->uevents);
	loop_drop(&daemon->loop, &daemon->settings);
	hook_runner_close(&daemon->runner);
	loop_close(&daemon->loop);
	rundir_close(&daemon->state, notes);
	sysfs_close(&daemon->sysfs);
}

bool daemon_check_driver(struct daemon *daemon, int error)
{
	const char *module = role_of(daemon)->module;
	uint64_t now = daemon->loop.now;

	if (!error)
		return true;
	if (!error_is_resource(error) && error != -EAGAIN) {
		log_warning_errno(error, "cannot go on without kernel module %s", module);
		daemon->lost = true;
		return false;
	}
	if (!daemon->said || now - daemon->said >= SAY_AGAIN_MS) {
		log_warning_errno(error, "cannot look at kernel module %s now", module);
		daemon->said = now;
	}
	loop_pass_by(&daemon->loop, now + BLIND_MS);
	return false;
}

void daemon_stop(struct daemon *daemon)
{
	daemon->stop_by = daemon->loop.now + role_of(daemon)->stop_ms;
	hook_runner_stop(&daemon->runner);
}

bool daemon_finished(const struct daemon *daemon)
{
	return daemon->lost || (daemon->loop.stopping && daemon->loop.now >= daemon->stop_by);
}
