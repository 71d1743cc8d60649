/* SPDX-License-Identifier: MIT */
/* What the kernel knows about the TCP connection of a session. */
#include "show/socket.h"

#include "host/listener.h"
#include "proto/text.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

enum { ATTRIBUTE_HEAD = NLA_HDRLEN };

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

/* An end of the connection: its address, of 4 bytes or 16, and port in network order. */
static bool parse_end(const char *text, const char *port, uint32_t *address, uint16_t *number,
		      struct inet_diag_req_v2 *request)
{
	struct listener_address end;
	char name[SESSION_ADDRESS_SIZE + ENDPOINT_PORT_SIZE + 3];
	bool v6 = strchr(text, ':') != NULL;

	text_format(name, sizeof(name), v6 ? "[%s]:%s" : "%s:%s", text, port);
	if (!listener_parse(&end, name))
		return false;
	*number = end.at.sa.v4.sin_port;
	request->sdiag_family = v6 ? AF_INET6 : AF_INET;
	if (v6) {
		memcpy(address, &end.at.sa.v6.sin6_addr, 16);
		request->id.idiag_if = end.at.sa.v6.sin6_scope_id;
	} else {
		memcpy(address, &end.at.sa.v4.sin_addr, 4);
	}
	return true;
}

/* An IPv4 connection on an IPv6 socket is one of mapped addresses. */
static void map(uint32_t *address)
{
	address[3] = address[0];
	address[0] = address[1] = 0;
	address[2] = htonl(0xffff);
}

static bool parse_reply(struct item *item, const char *buf, size_t len)
{
	size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct inet_diag_msg));
	struct nlmsghdr head;
	struct nlattr attribute;
	struct tcp_info info;

	if (len < NLMSG_HDRLEN)
		return false;
	memcpy(&head, buf, sizeof(head));
	if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return false;
	for (; at + ATTRIBUTE_HEAD <= len; at += (attribute.nla_len + 3u) & ~3u) {
		memcpy(&attribute, buf + at, sizeof(attribute));
		if (attribute.nla_len < ATTRIBUTE_HEAD || attribute.nla_len > len - at)
			return false;
		if (attribute.nla_type != INET_DIAG_INFO ||
		    attribute.nla_len < ATTRIBUTE_HEAD + offsetof(struct tcp_info, tcpi_segs_out))
			continue;
		memcpy(&info, buf + at + ATTRIBUTE_HEAD, offsetof(struct tcp_info, tcpi_segs_out));
		item->in = info.tcpi_bytes_received;
		item->out = info.tcpi_bytes_acked;
		item->rtt = info.tcpi_rtt;
		return true;
	}
	return false;
}

/* The kernel answers before send() returns, if at all. */
static bool ask(int fd, const struct request *request, struct item *item)
{
	_Alignas(struct nlmsghdr) char buf[2048];
	ssize_t n;

	if (send(fd, request, sizeof(*request), 0) < 0)
		return false;
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	return n > 0 && parse_reply(item, buf, (size_t)n);
}

void socket_look(struct item *item)
{
	const struct session *session = &item->session;
	struct request request = {
		.head = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.body = {
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_ext = 1 << (INET_DIAG_INFO - 1),
			.idiag_states = UINT32_MAX,
		},
	};
	struct inet_diag_sockid *id = &request.body.id;
	int fd;

	memset(id->idiag_cookie, 0xff, sizeof(id->idiag_cookie)); /* INET_DIAG_NOCOOKIE */
	if (!session->peer[0] ||
	    !parse_end(session->local, session->local_port, id->idiag_src, &id->idiag_sport,
		       &request.body) ||
	    !parse_end(session->peer, session->peer_port, id->idiag_dst, &id->idiag_dport,
		       &request.body))
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return;
	if (!ask(fd, &request, item) && request.body.sdiag_family == AF_INET) {
		request.body.sdiag_family = AF_INET6;
		map(id->idiag_src);
		map(id->idiag_dst);
		ask(fd, &request, item);
	}
	close(fd);
}
