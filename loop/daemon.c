/* SPDX-License-Identifier: MIT */
/* What both daemons are made of: kernel driver and events, run directory, hooks, reload. */
#include "loop/daemon.h"

#include "lib/backoff.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	DRIVER_RETRY_MS = 1000,
	START_RETRY_MS = 15000, /* the longest delay: less than a watchdog's time */
	MALFORMED = 2,		/* the exit status for rules or keys that are wrong */
};

/* An event only asks for a pass; so do lost events. */
static void uevents_ready(struct loop_source *source, uint32_t events)
{
	struct daemon *daemon = container_of(source, struct daemon, uevents);
	int event = uevent_receive(source->fd);

	(void)events;
	if (event == -ENOBUFS || event == (int)daemon->role->uevents)
		loop_pass_now(&daemon->loop);
}

/* The pass finds out what changed. The watch ends with the directory, and daemon_reload() renews
 * it. */
static void settings_ready(struct loop_source *source, uint32_t events)
{
	struct daemon *daemon = container_of(source, struct daemon, settings);
	char changes[4096];

	(void)events;
	if (read(source->fd, changes, sizeof(changes)) > 0)
		loop_pass_now(&daemon->loop);
}

/* Without these events the interval alone brings passes. */
static void daemon_watch_events(struct daemon *daemon)
{
	int uevents = uevent_open(), settings = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	int error = uevents;

	daemon->uevents = (struct loop_source){ uevents, uevents_ready };
	daemon->settings = (struct loop_source){ settings, settings_ready };
	if (uevents >= 0)
		error = loop_watch(&daemon->loop, &daemon->uevents, EPOLLIN);
	if (error)
		log_warning_errno(error, "cannot receive kernel events");
	loop_watch(&daemon->loop, &daemon->settings, EPOLLIN);
}

static void daemon_pass(void *ctx)
{
	struct daemon *daemon = ctx;

	daemon->role->loop.pass(daemon->ctx);
	if (daemon->loop.stopping)
		loop_pass_by(&daemon->loop, daemon->stop_by);
}

static void daemon_stop(void *ctx)
{
	struct daemon *daemon = ctx;

	daemon->stop_by = daemon->loop.now + daemon->role->stop_ms;
	hook_runner_stop(&daemon->runner);
	if (daemon->role->loop.stop)
		daemon->role->loop.stop(daemon->ctx);
}

static bool daemon_done(void *ctx)
{
	struct daemon *daemon = ctx;

	return daemon->lost || (daemon->loop.stopping && daemon->loop.now >= daemon->stop_by) ||
	       daemon->role->loop.done(daemon->ctx);
}

static int daemon_check_file(struct daemon *daemon, const char *path)
{
	if (!path || !access(path, R_OK))
		return 0;
	log_once(&daemon->driver_fault, LOG_LEVEL_ERROR, errno, "cannot read %s", path);
	return -errno;
}

/* 0 or MALFORMED; -errno: a file cannot be read, which may be on a file system that comes later. */
static int daemon_read_files(struct daemon *daemon, struct rules *rules)
{
	const struct daemon_options *options = daemon->options;
	int error = daemon_check_file(daemon, options->rules.file);

	if (!error)
		error = daemon_check_file(daemon, options->psk);
	if (error)
		return error;
	return rules_read(rules, &options->rules) &&
	       (!options->keys || keys_read(options->keys, options->psk)) ? 0 : MALFORMED;
}

static int daemon_try_to_start(struct daemon *daemon, struct rules *rules)
{
	struct log_once *fault = &daemon->driver_fault;
	const char *run = daemon->options->run;
	int error = daemon_read_files(daemon, rules);

	if (!error)
		error = driver_load(&daemon->sysfs, &daemon->role->driver, fault);
	if (error)
		return error;
	error = rundir_open(&daemon->rundir, run, daemon->role->name);
	if (error)
		log_once(fault, LOG_LEVEL_ERROR, 0, "cannot use %s: %s", run,
			 error == -EWOULDBLOCK ? "another one runs" : strerror(-error));
	return error;
}

/* A daemon that ended for want of its module would be started again every two seconds for ever; for
 * want of its rules, never. A signal ends it, but a reload waits for the loop. */
static int daemon_start(struct daemon *daemon, struct rules *rules)
{
	struct backoff delay = { 0 };
	struct loop_notify notify;
	sigset_t reload;
	int error;

	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	sigprocmask(SIG_BLOCK, &reload, NULL);
	loop_notify_open(&notify);
	while ((error = daemon_try_to_start(daemon, rules)) < 0 && !daemon->options->once) {
		loop_notify_alive(&notify, loop_clock());
		backoff_fail(&delay, 0, START_RETRY_MS);
		poll(NULL, 0, (int)delay.delay);
	}
	close(notify.fd);
	return error;
}

int daemon_open(struct daemon *daemon, const struct daemon_options *options,
		const struct daemon_role *role, struct rules *rules, void *ctx)
{
	static const struct loop_role loop_role = { daemon_pass, daemon_stop, daemon_done };
	int error;

	daemon->options = options;
	daemon->role = role;
	daemon->ctx = ctx;
	/* before sysfs: what checks settings only names one that is not there */
	if (daemon_read_files(daemon, rules) == MALFORMED)
		return MALFORMED;
	error = sysfs_open(&daemon->sysfs, options->sysfs);
	if (error) {
		log_error_errno(error, "cannot open %s", options->sysfs);
		return 1;
	}
	error = daemon_start(daemon, rules);
	if (error)
		goto close_sysfs;
	/* later the kernel would load it only for processes with CAP_NET_ADMIN */
	if (options->keys)
		modprobe("tls");
	error = loop_open(&daemon->loop, options->interval * 1000, &loop_role, daemon);
	if (error)
		goto close_rundir;
	/* before sockets and devices are open, and before the sandbox */
	error = hook_runner_start(&daemon->runner, &daemon->loop, options->config);
	if (!error)
		error = inspector_start(&daemon->inspector, &daemon->loop, &daemon->sysfs);
	if (error)
		goto close_loop;
	if (!options->once)
		loop_notify_open(&daemon->loop.notify);
	daemon_watch_events(daemon);
	return 0;
close_loop:
	loop_drop(&daemon->loop, &daemon->runner.source);
	inspector_stop(&daemon->inspector);
	loop_close(&daemon->loop);
close_rundir:
	rundir_close(&daemon->rundir, true);
	log_error_errno(error, "cannot start");
close_sysfs:
	sysfs_close(&daemon->sysfs);
	return error == MALFORMED ? MALFORMED : 1;
}

void daemon_run(struct daemon *daemon, const char *records, const struct endpoint *server,
		unsigned servers)
{
	sandbox_enter(daemon->sysfs.root, daemon->options->run, records, server, servers);
	loop_run(&daemon->loop);
}

void daemon_close(struct daemon *daemon, bool keep_notes)
{
	loop_drop(&daemon->loop, &daemon->uevents);
	loop_drop(&daemon->loop, &daemon->settings);
	loop_drop(&daemon->loop, &daemon->runner.source);
	inspector_stop(&daemon->inspector);
	loop_close(&daemon->loop);
	rundir_close(&daemon->rundir, keep_notes);
	sysfs_close(&daemon->sysfs);
}

bool daemon_check_driver(struct daemon *daemon, int error)
{
	const char *module = daemon->role->driver.module;

	if (!error) {
		log_once_clear(&daemon->driver_fault);
		return true;
	}
	if (!error_is_resource(error) && error != -EAGAIN) {
		log_error_errno(error, "cannot go on without kernel module %s", module);
		daemon->lost = true;
		return false;
	}
	log_once(&daemon->driver_fault, LOG_LEVEL_WARNING, error,
		 "cannot read the files of kernel module %s", module);
	loop_pass_by(&daemon->loop, daemon->loop.now + DRIVER_RETRY_MS);
	return false;
}

static void daemon_read_holds(struct daemon *daemon, struct holds *holds)
{
	const char *config = daemon->options->config, *role = daemon->role->name;
	int error;

	/* a watch that is there already stays */
	inotify_add_watch(daemon->settings.fd, config,
			  IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |
				  IN_MOVE_SELF | IN_ONLYDIR);
	error = holds_read(holds, config, role);
	if (error)
		log_once(&daemon->holds_fault, LOG_LEVEL_WARNING, error, "cannot read %s/held.%s",
			 config, role);
	else
		log_once_clear(&daemon->holds_fault);
}

bool daemon_reload(struct daemon *daemon, struct rules *rules, struct holds *holds)
{
	const struct daemon_options *options = daemon->options;
	bool hup = daemon->loop.hup, rules_changed, keys_changed;

	daemon_read_holds(daemon, holds);
	daemon->loop.hup = false;
	if (!hup)
		return false;
	/* one of the files may be malformed: the other one counts */
	rules_changed = rules_read(rules, &options->rules);
	keys_changed = options->keys && keys_read(options->keys, options->psk);
	if (!rules_changed && !keys_changed)
		return false;
	log_info("rules and keys reloaded");
	return true;
}
