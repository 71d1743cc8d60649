/* SPDX-License-Identifier: MIT */
/*
 * Access control of the server: which addresses may connect, which peers have proved that they
 * have a key, and which devices a peer may see and import. Refusals are logged at a limited rate,
 * so that peers cannot fill the log.
 */
#ifndef HOST_ACCESS_H
#define HOST_ACCESS_H

#include "lib/addr.h"
#include "policy/rules.h"
#include "tls/keys.h"

enum {
	ACCESS_LOG_INTERVAL_MS = 60000, /* between two lines about the same kind of refusal */
	ACCESS_STRANGERS_MAX = 32,	/* addresses logged in that time as not allowed */
};

/* Kinds of refusals; each has a rate limit of its own. */
enum access_refusal {
	ACCESS_TOO_MANY,    /* too many connections */
	ACCESS_BAD_REQUEST, /* not a USB/IP request */
	ACCESS_NO_KEY,	    /* no key, or the handshake failed */
	ACCESS_NO_DEVICE,   /* the rules deny the device to this peer */
	ACCESS_REFUSALS
};

/* The pointers are set by the owner and stay its own; the rest is all zeros at first. */
struct access {
	const struct cidr_list *networks; /* which may connect; NULL: all */
	bool named;			  /* somebody has asked for these networks: not NULL */
	const struct keys *keys;	  /* a peer must have one of them; NULL: none is needed */
	const struct rules *rules;	  /* which devices a peer may use */
	uint64_t logged[ACCESS_REFUSALS]; /* when a refusal was logged last, ms; 0: never */
	struct {
		struct in6_addr address;
		uint64_t logged; /* 0: the place is free */
	} stranger[ACCESS_STRANGERS_MAX];
};

/* Whether a connection from this address is accepted. */
bool access_allows_address(const struct access *access, const struct in6_addr *address);
/* Whether the peer may send requests: it has proved that it has one of the keys, which is still the
 * same key; or it has none, and none is needed, as for a peer on this machine if somebody has
 * asked for a range of loopback addresses: programs here may pass on what comes from elsewhere. */
bool access_allows_peer(const struct access *access, const struct peer_id *peer);
/* Whether the rules let the peer see and import the device, which must be allowed as such, too. */
bool access_allows_device(const struct access *access, const struct rule_facts *identity,
			  const struct peer_id *peer);

/* Logs "ADDRESS: ...", but a kind once in ACCESS_LOG_INTERVAL_MS. now: ms of the loop's clock. */
void access_log_refusal(struct access *access, enum access_refusal kind, uint64_t now,
			const struct in6_addr *address, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* The same for an address that may not connect: once, until ACCESS_STRANGERS_MAX others were. */
void access_log_stranger(struct access *access, uint64_t now, const struct in6_addr *address);

#endif
