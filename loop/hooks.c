/* SPDX-License-Identifier: MIT */
/* Hooks: what a person wants to be run when something has happened to a device. */
#include "loop/hooks.h"

#include "loop/log.h"
#include "proto/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOOKS_DIR "%s/hooks.d"

enum {
	RING = 1 + HOOKS_WAITING_MAX,
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
}

bool hooks_busy(const struct hooks *hooks)
{
	return hooks->waiting != 0;
}

static void put(struct hook_event *event, const char *name, const char *value)
{
	char *text = event->text + event->len;
	size_t room = sizeof(event->text) - event->len;

	if (!value || room < LEAST_ROOM)
		return;
	event->len += text_format(text, room, "USBIPHP_%s=%s", name, value) + 1;
	text_printable(text);
}

/* The event comes first, and what may be long last. */
static void put_facts(struct hook_event *event, const struct hook_facts *facts)
{
	char name[DEVICE_NAME_SIZE], number[16];

	event->len = 0;
	put(event, "EVENT", facts->event);
	put(event, "BUSID", facts->busid);
	if (facts->busid) {
		text_format(number, sizeof(number), "%04x:%04x", (unsigned)facts->vendor,
			    (unsigned)facts->product);
		put(event, "ID", number);
		name_of_place(name, sizeof(name), facts->vendor, facts->product, facts->host,
			      facts->busid);
		put(event, "NAME", name);
	}
	if (facts->port >= 0) {
		text_format(number, sizeof(number), "%u", (unsigned)facts->port);
		put(event, "PORT", number);
	}
	put(event, "DEVICE", facts->device);
	put(event, "SERVER", facts->server);
	put(event, "REASON", facts->reason);
}

/* So that a change of the file makes it another one. */
static uint32_t version(const char *name, const struct stat *st)
{
	const uint64_t mark[] = { st->st_ino, (uint64_t)st->st_ctim.tv_sec,
				  (uint64_t)st->st_ctim.tv_nsec };
	uint32_t hash = 1;

	while (*name)
		hash = hash * 16777619 ^ (uint8_t)*name++;
	for (size_t i = 0; i < sizeof(mark) / sizeof(*mark); i++)
		hash = hash * 16777619 ^ (uint32_t)mark[i];
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

/* path is of the file or directory of that status. */
static bool is_safe(struct hooks *hooks, const struct stat *st, const char *path)
{
	bool foreign = st->st_uid && st->st_uid != geteuid();

	if (!foreign && !(st->st_mode & (S_IWGRP | S_IWOTH)))
		return true;
	if (is_news(hooks))
		log_warnx("hook %s is not run: others may write it (%s %s)", path,
			  foreign ? "chown root" : "chmod go-w", path);
	return false;
}

static void path_of(const struct hooks *hooks, char *path, const char *name)
{
	text_format(path, PATH_MAX, HOOKS_DIR "%s%s", hooks->config, *name ? "/" : "", name);
}

/* The directory, when it and the one it is in are safe. */
static int open_directory(struct hooks *hooks)
{
	struct stat st = { 0 }, above;
	char path[PATH_MAX];
	int dir, error;

	path_of(hooks, path, "");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir >= 0 && !fstat(dir, &st) && !fstatat(dir, "..", &above, 0)) {
		hooks->file = version("", &st);
		if (is_safe(hooks, &st, path)) {
			hooks->file = version("..", &above);
			if (is_safe(hooks, &above, hooks->config))
				return dir;
		}
		close(dir);
		return -EPERM;
	}
	error = -errno;
	hooks->file = version("", &st);
	if (error != -ENOENT && !sysfs_short(error) && is_news(hooks))
		log_warn(error, "cannot open %s", path);
	if (dir >= 0)
		close(dir);
	return error;
}

static bool is_hook_name(const char *name)
{
	static const char left_behind[][8] = { ".bak", ".dpkg-", ".new", ".old", ".orig", ".rej",
					       ".rpm", ".save", ".swp", ".tmp", ".ucf-" };

	for (const char *c = name; *c; c++)
		if (!(*c >= '0' && *c <= '9') && !((*c | 32) >= 'a' && (*c | 32) <= 'z') &&
		    *c != '-' && *c != '_' && (*c != '.' || c == name))
			return false;
	for (size_t i = 0; i < sizeof(left_behind) / sizeof(*left_behind); i++)
		if (strstr(name, left_behind[i]))
			return false;
	return true;
}

struct search {
	const char *after;
	char best[256]; /* NAME_MAX and the end; empty: none yet */
};

static bool see_name(void *ctx, const char *name)
{
	struct search *search = ctx;

	if (strcmp(name, search->after) > 0 && (!search->best[0] || strcmp(name, search->best) < 0) &&
	    is_hook_name(name))
		text_format(search->best, sizeof(search->best), "%s", name);
	return false;
}

static bool may_run(struct hooks *hooks, int file)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstat(file, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return false;
	path_of(hooks, path, hooks->name);
	hooks->file = version(hooks->name, &st);
	return is_safe(hooks, &st, path);
}

/* The next one that may be run: its descriptor; -ENOENT: there is none. */
static int open_next(struct hooks *hooks, int dir)
{
	for (;;) {
		struct search search = { .after = hooks->name };
		int file, error = sysfs_entries(dir, ".", see_name, &search);

		if (error || !search.best[0])
			return error ? error : -ENOENT;
		file = openat(dir, search.best, O_PATH | O_CLOEXEC);
		if (file < 0 && sysfs_short(-errno))
			return -errno;
		text_format(hooks->name, sizeof(hooks->name), "%s", search.best);
		if (file >= 0 && may_run(hooks, file))
			return file;
		if (file >= 0)
			close(file);
	}
}

/* A supervisor may have had some ignored, the loop has some blocked. */
static void reset_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Only these four: an interpreter opens the script by its descriptor. */
static void set_descriptors(int file)
{
	if (dup2(file, HOOK_FD) >= 0)
		fcntl(HOOK_FD, F_SETFD, 0);
	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
#ifdef SYS_close_range
	/* ours are all closed by execve(2), not what a parent may have left open */
	syscall(SYS_close_range, HOOK_FD + 1, ~0U, 0);
#endif
}

/* In the child. */
static void become(struct hooks *hooks, struct hook_event *event, int file)
{
	char own[PATH_MAX + 16] = "USBIPHP_HOOK=", *path = own + strlen(own);
	char *argv[] = { path, event->text + strlen("USBIPHP_EVENT="), NULL };
	char *envp[FACTS_MAX + 3] = { (char *)search_path, own }, **variable = envp + 2;

	path_of(hooks, path, hooks->name);
	for (char *text = event->text; text < event->text + event->len; text += strlen(text) + 1)
		*variable++ = text;
	setsid();
	reset_signals();
	set_descriptors(file);
	if (!chdir("/"))
		execve("/proc/self/fd/3", argv, envp);
	if (!find_said(hooks))
		log_warn(errno, "cannot run hook %s", path);
	_exit(STATUS_NOT_RUN);
}

static void complain(struct hooks *hooks, const char *what, unsigned number, const char *unit)
{
	if (is_news(hooks))
		log_warnx("hook %s %s %u%s", hooks->name, what, number, unit);
}

static void go_on(struct hooks *hooks);

static void hook_ended(struct loop_wait *wait, int status)
{
	struct hooks *hooks = (struct hooks *)(void *)((char *)wait - offsetof(struct hooks, wait));
	uint32_t *said = find_said(hooks);

	wait->pid = 0;
	if (WIFSIGNALED(status))
		complain(hooks, "failed: signal", (unsigned)WTERMSIG(status), "");
	else if (status)
		complain(hooks, "failed: exit status", (unsigned)WEXITSTATUS(status), "");
	else if (said)
		*said = 0;
	go_on(hooks);
}

static void start(struct hooks *hooks, int file)
{
	pid_t pid = fork();

	if (!pid)
		become(hooks, &hooks->event[hooks->first], file);
	if (pid < 0) {
		if (is_news(hooks))
			log_warn(errno, "cannot run hook %s", hooks->name);
		return;
	}
	hooks->wait.pid = pid;
	hooks->wait.ended = hook_ended;
	hooks->loop->wait = &hooks->wait;
	hooks->by = hooks->loop->now + hooks->limit;
	if (hooks->stop_by && hooks->by > hooks->stop_by)
		hooks->by = hooks->stop_by;
	loop_pass_by(hooks->loop, hooks->by);
}

static int start_next(struct hooks *hooks)
{
	int dir = open_directory(hooks), file;

	if (dir < 0)
		return dir;
	file = open_next(hooks, dir);
	close(dir);
	if (file < 0)
		return file;
	start(hooks, file);
	close(file);
	return 0;
}

/* The first event is told. */
static void drop_first(struct hooks *hooks)
{
	hooks->name[0] = '\0';
	hooks->first = (hooks->first + 1) % RING;
	if (--hooks->waiting)
		return;
	hooks->first = 0; /* so that the others' memory stays untouched */
	hooks->lost = false;
}

static void go_on(struct hooks *hooks)
{
	while (hooks->waiting && !hooks->wait.pid) {
		int error = start_next(hooks);

		if (sysfs_short(error)) {
			loop_pass_by(hooks->loop, hooks->loop->now + RETRY_MS);
			return;
		}
		if (error)
			drop_first(hooks);
	}
}

static bool too_late(const struct hooks *hooks)
{
	return hooks->stop_by && hooks->loop->now >= hooks->stop_by;
}

static void lose(struct hooks *hooks)
{
	if (!hooks->lost)
		log_warnx("hooks take too long: they miss events");
	hooks->lost = true;
}

void hooks_run(struct hooks *hooks, const struct hook_facts *facts)
{
	if (hooks->waiting == RING || too_late(hooks)) {
		lose(hooks);
		return;
	}
	put_facts(&hooks->event[(hooks->first + hooks->waiting++) % RING], facts);
	go_on(hooks);
}

/* Who does not die, as the kernel holds him up, is not waited for. */
static void kill_running(struct hooks *hooks)
{
	kill(-hooks->wait.pid, SIGKILL);
	kill(hooks->wait.pid, SIGKILL); /* if it has no group of its own, yet */
	hooks->wait.pid = 0;
	if (!too_late(hooks))
		complain(hooks, "was killed: it ran longer than", hooks->limit / 1000, " s");
}

void hooks_pass(struct hooks *hooks)
{
	uint64_t now = hooks->loop->now;

	if (hooks->loop->stopping && !hooks->stop_by) {
		hooks->stop_by = now + hooks->limit;
		if (hooks->by > hooks->stop_by)
			hooks->by = hooks->stop_by;
	}
	if (hooks->wait.pid && now >= hooks->by)
		kill_running(hooks);
	if (hooks->waiting && too_late(hooks)) {
		lose(hooks);
		hooks->waiting = 0;
	}
	go_on(hooks);
	if (hooks->wait.pid)
		loop_pass_by(hooks->loop, hooks->by);
}
