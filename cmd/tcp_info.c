/* SPDX-License-Identifier: MIT */
/*
 * TCP counters of a session, from the kernel's socket diagnostics over netlink: sock_diag(7),
 * net/ipv4/inet_diag.c, include/uapi/linux/tcp.h struct tcp_info.
 */
#include "cmd/inventory.h"
#include "lib/addr.h"
#include "lib/str.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* struct tcp_info grows with the kernel. These bytes have all the fields that are read here; Linux
 * 4.1 and later send them. */
#define TCP_INFO_SIZE offsetof(struct tcp_info, tcpi_segs_out)

struct diag_request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

struct diag_reply {
	struct nlmsghdr head;
	struct inet_diag_msg body;
	char attributes[2048];
};

/* Parses one end of the connection, and puts it in network order where the request has it. The
 * kernel finds an IPv4 connection by IPv4 addresses, even if its socket is an IPv6 one. */
static bool diag_set_end(struct diag_request *request, const char *text, const char *port,
			 uint32_t *address, uint16_t *number)
{
	struct in6_addr end;
	uint32_t n;
	bool v4;

	if (!addr_parse(text, &end) || str_decimal(port, 65535, &n) || !n)
		return false;
	v4 = IN6_IS_ADDR_V4MAPPED(&end);
	*number = htons((uint16_t)n);
	request->body.sdiag_family = v4 ? AF_INET : AF_INET6;
	if (v4)
		memcpy(address, end.s6_addr + 12, 4);
	else
		memcpy(address, &end, sizeof(end));
	return true;
}

/* The kernel answers before send() returns, if at all. If there is no such connection, the answer
 * may be the listening socket. */
static void diag_query(int fd, const struct diag_request *request, struct inventory_entry *entry)
{
	struct nlattr attribute;
	struct diag_reply reply;
	struct tcp_info info;
	size_t len;
	ssize_t n;

	if (send(fd, request, sizeof(*request), 0) < 0)
		return;
	n = recv(fd, &reply, sizeof(reply), MSG_DONTWAIT);
	if (n < (ssize_t)offsetof(struct diag_reply, attributes) ||
	    reply.head.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    reply.body.id.idiag_dport != request->body.id.idiag_dport)
		return;
	len = (size_t)n - offsetof(struct diag_reply, attributes);
	for (size_t at = 0; at + sizeof(attribute) <= len; at += (attribute.nla_len + 3u) & ~3u) {
		memcpy(&attribute, reply.attributes + at, sizeof(attribute));
		if (attribute.nla_len < sizeof(attribute) || attribute.nla_len > len - at)
			return;
		if (attribute.nla_type != INET_DIAG_INFO ||
		    attribute.nla_len < sizeof(attribute) + TCP_INFO_SIZE)
			continue;
		memcpy(&info, reply.attributes + at + sizeof(attribute), TCP_INFO_SIZE);
		entry->bytes_in = info.tcpi_bytes_received;
		entry->bytes_out = info.tcpi_bytes_acked;
		entry->rtt_us = info.tcpi_rtt;
	}
}

void entry_read_tcp_info(struct inventory_entry *entry)
{
	const struct connection_addr *session = &entry->session;
	struct diag_request request = {
		.head = { .nlmsg_len = sizeof(request), .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST },
		.body = { .sdiag_protocol = IPPROTO_TCP, .idiag_ext = 1 << (INET_DIAG_INFO - 1),
			  .idiag_states = UINT32_MAX,
			  .id.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	struct inet_diag_sockid *id = &request.body.id;
	int fd;

	if (!diag_set_end(&request, session->local, session->local_port, id->idiag_src,
			  &id->idiag_sport) ||
	    !diag_set_end(&request, session->peer, session->peer_port, id->idiag_dst,
			  &id->idiag_dport))
		return;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return;
	diag_query(fd, &request, entry);
	close(fd);
}
