/* SPDX-License-Identifier: MIT */
/*
 * Tests of client/ssh: what the process "usbiphp-ssh" starts and ends, and what it does not. ssh is
 * a script of the test's.
 * LINK: -Wl,--wrap=log_line
 */
#include "client/request.h"

#include "lib/sandbox.h"
#include "lib/socket.h"
#include "tests/files.h"
#include "tests/said.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { DEADLINE_S = 60, SERVERS = 3 };

static char root[TEMP_SIZE];
static char *search_path;
static struct endpoint server[SERVERS];
static struct ssh ssh;
static struct ssh_tunnel tunnel;

/* The process, and an ssh that is this script. */
static void begin(const char *script)
{
	static const char *const name[] = { "pi.lan", "ssh://me@attic:2222", "ssh://cellar" };
	static char argv0[] = "a name that is long enough";
	char text[1024];

	temp_make(root);
	snprintf(text, sizeof(text), "#!/bin/sh\n[ \"$1\" != -V ] || exit\ncd %s\n%s\n", root,
		 script);
	put_file(root, "ssh", text);
	snprintf(text, sizeof(text), "%s/ssh", root);
	must(!chmod(text, 0755), "make it a program");
	search_path = strdup(getenv("PATH"));
	snprintf(text, sizeof(text), "%s:%s", root, search_path);
	setenv("PATH", text, 1);
	for (unsigned i = 0; i < SERVERS; i++)
		must(!endpoint_parse(&server[i], name[i], "3240"), "parse");
	tunnel = (struct ssh_tunnel){ .pipe = -1 };
	alarm(DEADLINE_S);
	child_set_origin(argv0, NULL);
	must(!ssh_start(&ssh, server, SERVERS), "start the process");
}

/* The process ends with its client. */
static void end(void)
{
	int status;

	ssh_tunnel_close(&ssh, &tunnel);
	close(ssh.fd);
	CHECK(wait(&status) > 0);
	CHECK_INT(status, 0);
	CHECK(wait(&status) < 0); /* it alone was started by this one */
	alarm(0);
	setenv("PATH", search_path, 1);
	free(search_path);
	temp_remove(root);
}

/* The next byte of the connection: 0 at its end. */
static char next_byte(int fd)
{
	struct pollfd ready = { fd, POLLIN, 0 };
	char byte = 0;

	must(poll(&ready, 1, -1) == 1, "wait");
	return recv(fd, &byte, 1, 0) == 1 ? byte : 0;
}

/* The script tells its pid as a byte that says it is there, and a file. */
static pid_t its_pid(int fd)
{
	char path[TEMP_SIZE + 8], *text;
	pid_t pid;

	CHECK_INT(next_byte(fd), '+');
	snprintf(path, sizeof(path), "%s/pid", root);
	text = file_read(path, NULL);
	must(text, "know its pid");
	pid = (pid_t)atoi(text);
	free(text);
	return pid;
}

#define TELL_PID "echo $$ > pid; printf +\n"
#define WAIT_FOR_INPUT "until [ \"$(dd bs=1 count=1 2>/dev/null)\" ]; do sleep 0.01; done\n"

/* Both ways, through the client's sandbox. */
static void in_the_sandbox(void)
{
	int status;
	pid_t pid;

	begin("case \"$*\" in *'-W 127.0.0.1:3240 me@attic -p 2222') printf 'a';; esac\n"
	      WAIT_FOR_INPUT "printf 'b'\n");
	pid = fork();
	must(pid >= 0, "fork");
	if (!pid) {
		int fd;

		alarm(DEADLINE_S);
		sandbox_enter(-1, "", "", server, SERVERS);
		fd = ssh_tunnel_open(&ssh, &tunnel, &server[1]);
		if (fd < 0 || next_byte(fd) != 'a' || send(fd, "x", 1, 0) != 1 ||
		    next_byte(fd) != 'b' || next_byte(fd) != 0)
			_exit(1);
		execl("/bin/true", "true", (char *)NULL);
		_exit(errno == EPERM ? 0 : 2);
	}
	must(waitpid(pid, &status, 0) == pid, "wait");
	CHECK_INT(status, 0);
	end();
}

/* What is said last is the reason; and one after the other. */
static void its_words(void)
{
	begin("printf 'a banner\\r\\nno %s\\n' \"$8\" >&2\nexit 255\n");
	for (unsigned i = 1; i < SERVERS; i++) {
		int fd = ssh_tunnel_open(&ssh, &tunnel, &server[i]);

		CHECK(fd >= 0);
		CHECK_INT(next_byte(fd), 0);
		close(fd);
		ssh_tunnel_close(&ssh, &tunnel);
		CHECK_STR(tunnel.text, i == 1 ? "a banner no me@attic" : "a banner no cellar");
		CHECK_INT(tunnel.pipe, -1);
	}
	end();
}

static bool lives(pid_t pid)
{
	return !kill(pid, 0);
}

/* Whoever hears nothing of its connection is ended, and only that one. */
static void ended(void)
{
	struct ssh_tunnel other = { .pipe = -1 };
	int fd, other_fd;
	pid_t pid, other_pid;

	begin(TELL_PID "exec sleep 60\n");
	fd = ssh_tunnel_open(&ssh, &tunnel, &server[1]);
	pid = its_pid(fd);
	other_fd = ssh_tunnel_open(&ssh, &other, &server[1]);
	other_pid = its_pid(other_fd);
	CHECK(pid != other_pid && lives(pid) && lives(other_pid));
	ssh_tunnel_close(&ssh, &tunnel);
	while (lives(pid)) /* nor is a zombie left */
		usleep(1000);
	CHECK(lives(other_pid));
	CHECK_INT(next_byte(fd), 0); /* nobody else has the other end */
	ssh_tunnel_close(&ssh, &other);
	while (lives(other_pid))
		usleep(1000);
	close(fd);
	close(other_fd);
	end();
}

/* That of an attached device goes on when its request, and the client, have ended. */
static void left_alone(void)
{
	int fd;
	pid_t pid;

	begin(TELL_PID WAIT_FOR_INPUT "printf 'b'\n");
	fd = ssh_tunnel_open(&ssh, &tunnel, &server[2]);
	pid = its_pid(fd);
	tunnel.number = 0;
	must(!prctl(PR_SET_CHILD_SUBREAPER, 1), "bury it");
	ssh_tunnel_close(&ssh, &tunnel);
	close(ssh.fd);
	CHECK(wait(NULL) > 0);
	CHECK(lives(pid));
	CHECK_INT(send(fd, "x", 1, 0), 1);
	CHECK_INT(next_byte(fd), 'b');
	close(fd);
	CHECK_INT(waitpid(pid, NULL, 0), pid);
	must(!prctl(PR_SET_CHILD_SUBREAPER, 0), "be as before");
	alarm(0);
	setenv("PATH", search_path, 1);
	free(search_path);
	temp_remove(root);
}

/* A client that an attacker has taken over can have ssh run for its own servers only. */
static void orders_that_are_none(void)
{
	static const struct {
		uint32_t order[2];
		size_t len;
		unsigned fds;
	} row[] = {
		{ { 1, SERVERS }, 8, 2 }, { { 1, UINT32_MAX }, 8, 2 }, { { 1, 1 }, 4, 2 },
		{ { 1, 1 }, 8, 1 }, { { 9, 1 }, 8, 0 },
	};
	int fd[2];

	begin("printf '-'\n");
	for (size_t i = 0; i < LENGTH(row); i++) {
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), "have a pair");
		CHECK_INT(socket_send_fds(ssh.fd, row[i].order, row[i].len,
					  (int[]){ fd[1], fd[1] }, row[i].fds), 0);
		close(fd[1]);
		CHECK_INT(next_byte(fd[0]), 0);
		close(fd[0]);
	}
	fd[0] = ssh_tunnel_open(&ssh, &tunnel, &server[1]);
	CHECK_INT(next_byte(fd[0]), '-'); /* it goes on */
	close(fd[0]);
	end();
}

/* It has a name of its own, no capability, and no way to one. */
static void its_rights(void)
{
	char *status, path[TEMP_SIZE + 8];
	int fd, pid = 0, session = -1;

	begin("cat /proc/$PPID/status > parent\ncat /proc/self/status > own\n"
	      "cut -d ' ' -f 1,6 /proc/$$/stat > session\nprintf '+'\n");
	fd = ssh_tunnel_open(&ssh, &tunnel, &server[1]);
	CHECK_INT(next_byte(fd), '+');
	close(fd);
	snprintf(path, sizeof(path), "%s/session", root);
	status = file_read(path, NULL);
	CHECK(status && sscanf(status, "%d %d", &pid, &session) == 2 && pid == session);
	free(status);
	for (unsigned own = 0; own < 2; own++) {
		snprintf(path, sizeof(path), "%s/%s", root, own ? "own" : "parent");
		status = file_read(path, NULL);
		must(status, "read the status");
		CHECK(own || strstr(status, "Name:\tusbiphp-ssh\n") == status);
		CHECK(strstr(status, "\nCapPrm:\t0000000000000000\n"));
		CHECK(strstr(status, "\nNoNewPrivs:\t1\n"));
		CHECK(!own || strstr(status, "\nSigBlk:\t0000000000000000\n"));
		free(status);
	}
	end();
}

static void no_process(void)
{
	unsigned before = open_files();
	int fd[2];

	begin("exit\n");
	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), "have a pair");
	close(fd[1]);
	fd[1] = ssh.fd;
	ssh.fd = fd[0];
	said_forget();
	for (unsigned i = 0; i < 2; i++) {
		CHECK_INT(ssh_tunnel_open(&ssh, &tunnel, &server[1]), -EPIPE);
		CHECK_INT(tunnel.pipe, -1);
	}
	CHECK_INT(said("usbiphp-ssh has ended: restart the client"), 1);
	CHECK_INT(log_kept.lines, 1);
	close(fd[0]);
	ssh.fd = fd[1];
	spare_files(3); /* not enough for a pair and a pipe */
	CHECK_INT(ssh_tunnel_open(&ssh, &tunnel, &server[1]), -EMFILE);
	spare_files(1);
	CHECK_INT(ssh_tunnel_open(&ssh, &tunnel, &server[1]), -EMFILE);
	spare_files(-1);
	end();
	CHECK_INT(open_files(), before);
}

/* None is started where no server needs it. */
static void no_need(void)
{
	server[0].through[0] = '\0';
	CHECK_INT(ssh_start(&ssh, server, 1), 0);
	CHECK_INT(ssh.fd, -1);
	CHECK_INT(ssh_start(&ssh, NULL, 0), 0);
	CHECK(wait(NULL) < 0);
	tunnel = (struct ssh_tunnel){ .pipe = -1 };
	ssh_tunnel_close(&ssh, &tunnel);
}

int main(void)
{
	RUN("t_ssh: through the client's sandbox", in_the_sandbox);
	RUN("t_ssh: its last words", its_words);
	RUN("t_ssh: ended with its tunnel", ended);
	RUN("t_ssh: that of a device goes on", left_alone);
	RUN("t_ssh: orders that are none", orders_that_are_none);
	RUN("t_ssh: its rights", its_rights);
	RUN("t_ssh: no process, no descriptor", no_process);
	RUN("t_ssh: no server behind ssh", no_need);
	return check_status();
}
