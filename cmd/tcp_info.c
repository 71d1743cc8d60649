/* SPDX-License-Identifier: MIT */
/* What the kernel knows about the TCP connection of a session. */
#include "cmd/tcp_info.h"

#include "lib/addr.h"
#include "lib/str.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Of struct tcp_info, which grows, what is needed (since Linux 4.1). */
#define INFO_SIZE offsetof(struct tcp_info, tcpi_segs_out)

struct diag_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

struct diag_reply {
	struct nlmsghdr head;
	struct inet_diag_msg body;
	char attributes[2048];
};

/* An end of the connection: its address, and port in network order. An IPv4 connection is found by
 * its own addresses, also when its socket is an IPv6 one. */
static bool parse_end(const char *text, const char *port, uint32_t *address, uint16_t *number,
		      struct inet_diag_req_v2 *request)
{
	struct in6_addr end;
	uint32_t n;
	bool v4;

	if (!addr_parse(text, &end) || str_decimal(port, 65535, &n) || !n)
		return false;
	v4 = addr_is_v4(&end);
	*number = htons((uint16_t)n);
	request->sdiag_family = v4 ? AF_INET : AF_INET6;
	if (v4)
		memcpy(address, end.s6_addr + 12, 4);
	else
		memcpy(address, &end, sizeof(end));
	return true;
}

static void take(struct item *item, const struct diag_reply *reply, size_t len)
{
	struct nlattr attribute;
	struct tcp_info info;
	size_t at = 0;

	for (; at + sizeof(attribute) <= len; at += (attribute.nla_len + 3u) & ~3u) {
		memcpy(&attribute, reply->attributes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > len - at)
			return;
		if (attribute.nla_type != INET_DIAG_INFO ||
		    attribute.nla_len < sizeof(attribute) + INFO_SIZE)
			continue;
		memcpy(&info, reply->attributes + at + sizeof(attribute), INFO_SIZE);
		item->in = info.tcpi_bytes_received;
		item->out = info.tcpi_bytes_acked;
		item->rtt = info.tcpi_rtt;
	}
}

/* The kernel answers before send() returns, if at all. Without such a connection it may do so with
 * the socket that listens for it. */
static void ask(int fd, const struct diag_request *request, struct item *item)
{
	struct diag_reply reply;
	ssize_t n;

	if (send(fd, request, sizeof(*request), 0) < 0)
		return;
	n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (n >= (ssize_t)offsetof(struct diag_reply, attributes) &&
	    reply.head.nlmsg_type == SOCK_DIAG_BY_FAMILY &&
	    reply.body.id.idiag_dport == request->body.id.idiag_dport)
		take(item, &reply, (size_t)n - offsetof(struct diag_reply, attributes));
}

void socket_look(struct item *item)
{
	const struct session *session = &item->session;
	struct diag_request request = {
		.head = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.body = {
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = UINT32_MAX,
			.id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE },
		},
	};
	struct inet_diag_sockid *id = &request.body.id;
	int fd;

	if (!session->peer[0] ||
	    !parse_end(session->local, session->local_port, id->idiag_src, &id->idiag_sport,
		       &request.body) ||
	    !parse_end(session->peer, session->peer_port, id->idiag_dst, &id->idiag_dport,
		       &request.body))
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return;
	ask(fd, &request, item);
	close(fd);
}
