/* SPDX-License-Identifier: MIT */
/* Whether somebody is logged in, or can log in, at the console: by sessions, and by processes. */
#include "sysfs/protect.h"

#include "lib/file.h"

#include <errno.h>
#include <string.h>

enum {
	TTY0 = 4 << 8, /* a device number; the consoles are 1 to 63 (include/uapi/linux/vt.h) */
	TTY63 = TTY0 + 63,
};

struct login {
	struct protect *protect;
	bool greeter;		   /* there is a login screen */
	uint64_t greeter_consoles; /* bits 1 << number: the consoles of login screens */
};

static void login_add_greeter(struct login *login, char *session)
{
	char *console = strstr(session, "\nVTNR=");
	uint32_t number;

	login->greeter = true;
	if (!console)
		return;
	console += strlen("\nVTNR=");
	if (!str_decimal(str_line(&console), 63, &number))
		login->greeter_consoles |= UINT64_C(1) << number;
}

/*
 * A session file of systemd-logind (src/login/logind-session.c, session_save()) or elogind. True if
 * a person has the session, and at a seat of this host. The classes of people begin with "user", or
 * are "lock-screen"; others are "background", "manager" and "none" (pam_systemd(8)).
 */
static bool login_visit_session(void *ctx, const char *name)
{
	struct login *login = ctx;
	struct sysfs_path path = sysfs_path("systemd/sessions/%s", name);
	char text[4096] = "\n"; /* some 500 bytes are usual */
	ssize_t n;

	if (name[0] == '.' || strstr(name, ".ref")) /* the latter is a pipe */
		return false;
	n = file_load(login->protect->sysfs->run, path.text, 0, text + 1, sizeof(text) - 1);
	if (n == sizeof(text) - 2)
		n = -EFBIG; /* there may be more */
	if (protect_failed(login->protect, "run", path.text, n) || !strstr(text, "\nSEAT=") ||
	    strstr(text, "\nSTATE=closing\n"))
		return false;
	if (strstr(text, "\nCLASS=greeter\n"))
		login_add_greeter(login, text);
	return strstr(text, "\nCLASS=user") || strstr(text, "\nCLASS=lock-screen\n");
}

/* Whether it is a login prompt. */
static bool process_is_prompt(const struct protect_process *process)
{
	return str_is_listed("getty agetty mingetty fgetty login init askfirst", process->name);
}

/* Such a process also runs for a login screen. */
static bool process_is_display_server(const struct protect_process *process)
{
	return str_is_listed("X Xorg", process->name);
}

/* True for a process at a virtual console that means that somebody is logged in there. */
static bool login_visit_process(void *ctx, const char *pid)
{
	struct login *login = ctx;
	struct protect_process process;

	if (!protect_read_process(login->protect, pid, &process) || process.terminal <= TTY0 ||
	    process.terminal > TTY63 ||
	    login->greeter_consoles & UINT64_C(1) << (process.terminal - TTY0))
		return false;
	return !process_is_prompt(&process) &&
	       (login->protect->screen || !process_is_display_server(&process));
}

const char *protect_find_login(struct protect *protect)
{
	struct login login = { .protect = protect };
	int run = protect->sysfs->run, found = run;

	if (run >= 0)
		found = sysfs_each_entry(run, "systemd/sessions", login_visit_session, &login);
	protect_failed(protect, "run", "systemd/sessions", found);
	if (found > 0 || protect_each_process(protect, login_visit_process, &login))
		return "somebody is logged in at the console";
	if (login.greeter && protect->screen)
		return "somebody can log in at the console";
	return NULL;
}
