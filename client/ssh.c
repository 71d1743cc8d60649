/* SPDX-License-Identifier: MIT */
/* The process that starts ssh, and the client's way to connections through it. */
#include "client/request.h"

#include "lib/sandbox.h"
#include "lib/socket.h"
#include "lib/str.h"
#include "sysfs/vhci.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STARTER_NAME "usbiphp-ssh"

/* One for each attached device, and for each request. */
enum { SSH_MAX = 2 * VHCI_PORTS_MAX };

/* To the process. With two descriptors, one for stdin and stdout and one for stderr: starts ssh.
 * Without any: ends the ssh of that tunnel, if it still runs. */
struct ssh_order {
	uint32_t tunnel;
	uint32_t server; /* its place among the servers that the process was started with */
};

/* One that runs, in the process. */
struct ssh_process {
	pid_t pid; /* 0: this place is free */
	uint32_t tunnel;
};

/* Finds OpenSSH's or dropbear's client, which have different options. */
static const char script[] =
	"for s in ssh dbclient ssh;do command -v $s>/dev/null&&break;done;"
	"case $($s -V 2>&1) in Drop*)exec $s -K5 -B \"$@\";esac;"
	"exec $s -oBatchMode=yes -oConnectTimeout=10 -oServerAliveInterval=5 "
	"-oServerAliveCountMax=3 -Snone -W \"$@\"";

/* In the child. Without a terminal ssh asks for no password, and gets no Ctrl-C. */
static void ssh_exec(const struct endpoint *endpoint, int fd, int errors)
{
	char forward[ENDPOINT_PORT_SIZE + 10];
	const char *argv[] = { "sh", "-c", script, "sh", forward, endpoint->host, "-p",
			       endpoint->port, NULL };
	sigset_t none;

	setsid();
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(errors, 2);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	str_format(forward, sizeof(forward), "127.0.0.1:%s", endpoint->through);
	if (!strcmp(endpoint->port, ENDPOINT_SSH))
		argv[6] = NULL;
	execv("/bin/sh", (char *const *)argv);
	_exit(127); /* as a shell that finds no program */
}

static void ssh_obey(struct ssh_process *process, const struct ssh_order *order,
		     const struct endpoint *server, const int fds[2])
{
	struct ssh_process *place = NULL;

	for (struct ssh_process *p = process; p < process + SSH_MAX; p++) {
		if (!p->pid)
			place = p;
		else if (p->tunnel == order->tunnel && fds[0] < 0)
			kill(p->pid, SIGTERM);
	}
	if (!place || fds[1] < 0)
		return;
	place->tunnel = order->tunnel;
	place->pid = fork();
	if (!place->pid)
		ssh_exec(server, fds[0], fds[1]);
	if (place->pid < 0)
		place->pid = 0; /* its descriptors are closed, which the client hears */
}

static void ssh_child_ended(int number)
{
	(void)number; /* it only ends ppoll() */
}

/* The main loop of the process: it ends with the client, and ssh goes on if its connection does. */
static void ssh_serve(int client, const struct endpoint *server, unsigned servers)
{
	static struct ssh_process process[SSH_MAX];
	struct pollfd orders = { client, POLLIN, 0 };
	struct ssh_order order = { 0, 0 };
	sigset_t all, but_child;
	ssize_t n = 1;
	pid_t pid;
	int fds[2];

	sandbox_enter_ssh();
	signal(SIGCHLD, ssh_child_ended);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	but_child = all;
	sigdelset(&but_child, SIGCHLD);
	while (n > 0) {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			for (struct ssh_process *p = process; p < process + SSH_MAX; p++)
				p->pid = p->pid == pid ? 0 : p->pid;
		if (ppoll(&orders, 1, NULL, &but_child) < 0)
			continue;
		n = socket_receive_fds(client, &order, sizeof(order), fds, 2);
		if (n == sizeof(order) && order.server < servers)
			ssh_obey(process, &order, &server[order.server], fds);
		close(fds[0]);
		close(fds[1]);
	}
}

int ssh_start(struct ssh *ssh, const struct endpoint *server, unsigned servers)
{
	unsigned i = 0;
	pid_t pid;

	*ssh = (struct ssh){ .fd = -1, .server = server };
	while (i < servers && !server[i].through[0])
		i++;
	if (i == servers)
		return 0;
	pid = child_start_helper(STARTER_NAME, &(struct child_files){ 0 }, &ssh->fd);
	if (pid < 0)
		ssh->fd = -1;
	if (pid)
		return pid < 0 ? pid : 0;
	ssh_serve(ssh->fd, server, servers);
	_exit(0);
}

int ssh_tunnel_open(struct ssh *ssh, struct ssh_tunnel *tunnel, const struct endpoint *endpoint)
{
	struct ssh_order order = { ++ssh->tunnels, (uint32_t)(endpoint - ssh->server) };
	int pair[2], pipes[2], error;

	/* ssh itself does not block on its end either */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -errno;
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK)) {
		error = -errno;
	} else {
		error = socket_send_fds(ssh->fd, &order, sizeof(order),
					(int[]){ pair[1], pipes[1] }, 2);
		close(pipes[1]);
		tunnel->pipe = pipes[0];
		tunnel->number = order.tunnel;
	}
	close(pair[1]);
	if (!error)
		return pair[0];
	close(pair[0]);
	ssh_tunnel_close(ssh, tunnel);
	if (error == -EPIPE)
		log_once(&ssh->ended, LOG_LEVEL_ERROR, 0,
			 STARTER_NAME " has ended: restart the client");
	return error;
}

/* Reads all that ssh wrote. What does not fit is cut off in front: the end tells most. */
static void ssh_read_errors(struct ssh_tunnel *tunnel)
{
	char chunk[64], *text = tunnel->text;
	size_t len = 0;
	ssize_t n;

	while ((n = read(tunnel->pipe, chunk, sizeof(chunk))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (len == sizeof(tunnel->text) - 1)
				memmove(text, text + 1, --len);
			if (chunk[i] != '\r')
				text[len++] = chunk[i] == '\n' ? ' ' : chunk[i];
		}
	while (len && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
	str_printable(text);
}

void ssh_tunnel_close(const struct ssh *ssh, struct ssh_tunnel *tunnel)
{
	const struct ssh_order order = { .tunnel = tunnel->number };

	if (tunnel->pipe < 0)
		return;
	if (tunnel->number)
		socket_send_fds(ssh->fd, &order, sizeof(order), NULL, 0);
	ssh_read_errors(tunnel);
	close(tunnel->pipe);
	tunnel->pipe = -1;
}
