/* SPDX-License-Identifier: MIT */
/* Hooks: what a person wants to be run when something has happened to a device. */
#include "loop/hooks.h"

#include "lib/log.h"
#include "lib/str.h"
#include "lib/util.h"
#include "sysfs/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX "USBIPHP_"
#define HOOK_VARIABLE PREFIX "HOOK="
#define EVENT_VARIABLE PREFIX "EVENT="

enum {
	FACTS_MAX = 8,
	LEAST_ROOM = 32, /* no fact begins where there is less */
	RETRY_MS = 1000, /* when there was no descriptor or memory to look for hooks */
	HOOK_FD = 3,
	STATUS_NOT_RUN = 127, /* as a shell's */
};

static const char search_path[] =
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

void hooks_init(struct hooks *hooks, struct loop *loop, const char *config)
{
	memset(hooks, 0, offsetof(struct hooks, event));
	hooks->loop = loop;
	hooks->config = config;
	hooks->limit = HOOKS_MS;
	hooks->stop_by = UINT64_MAX;
}

bool hooks_busy(const struct hooks *hooks)
{
	return hooks->waiting != 0;
}

/* The event comes first, and what may be long last. */
void hook_event_make(struct hook_event *event, const struct hook_facts *facts)
{
	static const char variable[FACTS_MAX][7] = { "EVENT", "BUSID", "ID", "NAME", "PORT",
						     "DEVICE", "SERVER", "REASON" };
	char id[10], name[DEVICE_NAME_SIZE], port[11];
	const char *const value[FACTS_MAX] = {
		facts->event,
		facts->busid,
		facts->busid ? id : NULL,
		facts->busid ? name : NULL,
		facts->port < 0 ? NULL : port,
		facts->device,
		facts->server,
		facts->reason,
	};

	str_format(port, sizeof(port), "%u", (unsigned)facts->port);
	name_of_place(name, sizeof(name), facts->vendor, facts->product, facts->host,
		      facts->busid ? facts->busid : "");
	str_format(id, sizeof(id), "%s", name); /* it begins so */
	event->len = 0;
	for (unsigned i = 0; i < FACTS_MAX; i++) {
		char *text = event->text + event->len;
		size_t room = sizeof(event->text) - event->len;

		if (!value[i] || room < LEAST_ROOM)
			continue;
		event->len += str_format(text, room, PREFIX "%s=%s", variable[i], value[i]) + 1;
		str_printable(text);
	}
}

/* A change of the file makes it another one. */
static uint32_t version(const char *path, const struct stat *st)
{
	uint32_t hash = (uint32_t)st->st_ino * 31 + (uint32_t)st->st_ctim.tv_sec * 1000000007 +
			(uint32_t)st->st_ctim.tv_nsec;

	while (*path)
		hash = hash * 16777619 ^ (uint8_t)*path++;
	return hash | 1; /* 0 is none */
}

static uint32_t *find_said(struct hooks *hooks)
{
	for (unsigned i = 0; i < HOOKS_SAID_MAX; i++)
		if (hooks->said[i] == hooks->file)
			return &hooks->said[i];
	return NULL;
}

/* Whether there is something to be said of hooks->file that was not, yet. */
static bool is_news(struct hooks *hooks)
{
	if (find_said(hooks))
		return false;
	hooks->said[hooks->next_said++ % HOOKS_SAID_MAX] = hooks->file;
	return true;
}

static bool is_safe(struct hooks *hooks, const struct stat *st, const char *path)
{
	const char *remedy = NULL;

	if (st->st_mode & (S_IWGRP | S_IWOTH))
		remedy = "chmod go-w";
	if (st->st_uid && st->st_uid != geteuid())
		remedy = "chown root";
	hooks->file = version(path, st);
	if (remedy && is_news(hooks))
		log_warning("hook not run: others may write %s (%s %s)", path, remedy, path);
	return !remedy;
}

/* The directory, when it and the one it is in are safe. */
static int open_hooks(struct hooks *hooks)
{
	char path[PATH_MAX];
	struct stat st;
	int dir, error;

	str_format(path, sizeof(path), "%s" HOOKS_DIR, hooks->config);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0) {
		error = -errno;
		hooks->file = 1;
		if (error != -ENOENT && !error_is_resource(error) && is_news(hooks))
			log_warning_errno(error, "cannot open %s", path);
		return error;
	}
	if (!fstat(dir, &st) && is_safe(hooks, &st, path) &&
	    !fstatat(dir, "..", &st, 0) && is_safe(hooks, &st, hooks->config))
		return dir;
	close(dir);
	return -EPERM;
}

static bool is_hook_name(const char *name)
{
	static const char left_behind[][7] = { ".bak", ".dpkg-", ".new", ".old", ".orig", ".rpm",
					       ".save", ".swp", ".tmp", ".ucf-" };

	if (*name == '.')
		return false;
	for (const char *c = name; *c; c++)
		if (!(*c >= '0' && *c <= '9') && !((*c | 32) >= 'a' && (*c | 32) <= 'z') &&
		    !strchr("-_.", *c))
			return false;
	for (size_t i = 0; i < sizeof(left_behind) / sizeof(*left_behind); i++)
		if (strstr(name, left_behind[i]))
			return false;
	return true;
}

static bool see_name(void *ctx, const char *name)
{
	struct hooks *hooks = ctx;

	if (strcmp(name, hooks->name) > 0 &&
	    (!hooks->next[0] || strcmp(name, hooks->next) < 0) && is_hook_name(name))
		str_format(hooks->next, sizeof(hooks->next), "%s", name);
	return false;
}

static bool may_run(struct hooks *hooks, int file, const char *path)
{
	struct stat st;

	return !fstat(file, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111 &&
	       is_safe(hooks, &st, path);
}

/* The next one that may be run: its descriptor, and its path behind HOOK_VARIABLE in own, which is
 * of PATH_MAX bytes; -ENOENT: there is none. */
static int open_next(struct hooks *hooks, int dir, char *own)
{
	for (;;) {
		int file, error;

		hooks->next[0] = '\0';
		error = sysfs_each_entry(dir, ".", see_name, hooks);
		if (error || !hooks->next[0])
			return error ? error : -ENOENT;
		memcpy(hooks->name, hooks->next, sizeof(hooks->name));
		str_format(own, PATH_MAX, HOOK_VARIABLE "%s" HOOKS_DIR "/%s", hooks->config,
			    hooks->name);
		file = openat(dir, hooks->name, O_PATH | O_CLOEXEC);
		if (file >= 0 && may_run(hooks, file, own + strlen(HOOK_VARIABLE)))
			return file;
		if (file >= 0)
			close(file);
	}
}

/* The loop has some blocked, a supervisor may have had some ignored. Without libc's code for
 * handlers, of which there are none here. */
static void reset_signals(void)
{
	const long zero[8] = { 0 }; /* the kernel's struct sigaction and more, or no signal */

	for (int i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, zero, NULL, NSIG / 8);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, zero, NULL, NSIG / 8);
}

/* Only these four: an interpreter opens the script by its descriptor. */
static void set_descriptors(int file)
{
	dup2(dup(file), HOOK_FD); /* never itself, which would stay close-on-exec */
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
#ifdef SYS_close_range
	/* before Linux 5.9 there is only that second one, and what the daemon's parent left open */
	syscall(SYS_close_range, HOOK_FD + 1, ~0U, 0);
#endif
}

static void cannot_run(struct hooks *hooks)
{
	if (is_news(hooks))
		log_warning_errno(errno, "cannot run hook %s", hooks->name);
}

/* In the child. */
static void become(struct hooks *hooks, int file, char *own)
{
	struct hook_event *event = &hooks->event[hooks->first];
	char *argv[] = { own + strlen(HOOK_VARIABLE), event->text + strlen(EVENT_VARIABLE),
			 NULL };
	char *envp[FACTS_MAX + 3] = { (char *)search_path, own }, **variable = envp + 2;

	for (char *text = event->text; text < event->text + event->len; text += strlen(text) + 1)
		*variable++ = text;
	setsid();
	reset_signals();
	set_descriptors(file);
	if (!chdir("/"))
		execve("/proc/self/fd/3", argv, envp);
	cannot_run(hooks);
	_exit(STATUS_NOT_RUN);
}

static void complain(struct hooks *hooks, const char *what, int number)
{
	if (is_news(hooks))
		log_warning("hook %s %s %u", hooks->name, what, (unsigned)number);
}

static void go_on(struct hooks *hooks);

static void hook_ended(struct loop_wait *wait, int status)
{
	struct hooks *hooks = container_of(wait, struct hooks, wait);
	uint32_t *said = find_said(hooks);

	wait->pid = 0;
	if (WIFSIGNALED(status))
		complain(hooks, "failed: signal", WTERMSIG(status));
	else if (status)
		complain(hooks, "failed: exit status", WEXITSTATUS(status));
	else if (said)
		*said = 0;
	go_on(hooks);
}

static void start(struct hooks *hooks, int file, char *own)
{
	pid_t pid = fork();

	if (!pid)
		become(hooks, file, own);
	if (pid < 0) {
		cannot_run(hooks);
		return;
	}
	hooks->wait.pid = pid;
	hooks->wait.ended = hook_ended;
	hooks->loop->wait = &hooks->wait;
	hooks->by = hooks->loop->now + hooks->limit;
}

static int start_next(struct hooks *hooks)
{
	char own[PATH_MAX];
	int dir = open_hooks(hooks), file;

	if (dir < 0)
		return dir;
	file = open_next(hooks, dir, own);
	close(dir);
	if (file < 0)
		return file;
	start(hooks, file, own);
	close(file);
	return 0;
}

/* The first event is told. */
static void drop_first(struct hooks *hooks)
{
	hooks->name[0] = '\0';
	hooks->first = (hooks->first + 1) % HOOKS_WAITING_MAX;
	if (--hooks->waiting)
		return;
	hooks->first = 0; /* so that the others' memory stays untouched */
	hooks->lost = false;
}

static void go_on(struct hooks *hooks)
{
	while (hooks->waiting && !hooks->wait.pid) {
		int error = start_next(hooks);

		if (error_is_resource(error)) {
			hooks->by = hooks->loop->now + RETRY_MS;
			break;
		}
		if (error)
			drop_first(hooks);
	}
	if (hooks->waiting) {
		loop_pass_by(hooks->loop, hooks->by);
		loop_pass_by(hooks->loop, hooks->stop_by);
	}
}

static bool too_late(const struct hooks *hooks)
{
	return hooks->loop->now >= hooks->stop_by;
}

static void lose(struct hooks *hooks)
{
	if (!hooks->lost)
		log_warning("hooks take too long: they miss events");
	hooks->lost = true;
}

/* No other variables than ours, and no more of them than there is room for. */
static bool is_event(const struct hook_event *event)
{
	const char *text = event->text, *end = text + event->len;
	unsigned n = 0;

	if (!event->len || end[-1] || strncmp(text, EVENT_VARIABLE, strlen(EVENT_VARIABLE)) != 0)
		return false;
	for (; text < end && !strncmp(text, PREFIX, strlen(PREFIX)); text += strlen(text) + 1)
		n++;
	return text == end && n <= FACTS_MAX;
}

void hooks_take(struct hooks *hooks, const struct hook_event *event)
{
	if (!is_event(event))
		return;
	if (hooks->waiting == HOOKS_WAITING_MAX || too_late(hooks)) {
		lose(hooks);
		return;
	}
	hooks->event[(hooks->first + hooks->waiting++) % HOOKS_WAITING_MAX] = *event;
	go_on(hooks);
}

/* Who does not die, as the kernel holds him up, is not waited for. */
static void kill_running(struct hooks *hooks)
{
	kill(-hooks->wait.pid, SIGKILL);
	kill(hooks->wait.pid, SIGKILL); /* if it has no group of its own, yet */
	hooks->wait.pid = 0;
}

void hooks_pass(struct hooks *hooks)
{
	uint64_t now = hooks->loop->now;

	if (hooks->loop->stopping && hooks->stop_by == UINT64_MAX)
		hooks->stop_by = now + hooks->limit;
	if (hooks->wait.pid && now >= hooks->by) {
		kill_running(hooks);
		complain(hooks, "took too long: signal", SIGKILL);
	}
	if (hooks->waiting && too_late(hooks)) {
		if (hooks->wait.pid)
			kill_running(hooks);
		lose(hooks);
		hooks->waiting = 0;
	}
	go_on(hooks);
}
