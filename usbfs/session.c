/* SPDX-License-Identifier: MIT */
/* A client's session with a device: its requests, from the socket, and the replies to them. */
#include "usbfs/session.h"

#include "usbfs/replies.h"

#include <errno.h>
#include <linux/usb/ch9.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TICK_MS = 50,		/* while something waits for memory */
	IDLE_MS = 3000,		/* memory is given back that is not used so long, or twice */
};

const char *usbfs_end_text(enum usbfs_end end)
{
	static const char *const text[] = {
		[USBFS_RUNNING] = "it goes on",
		[USBFS_CLOSED] = "the client has closed the connection",
		[USBFS_CUT] = "the connection ended within a request",
		[USBFS_CONNECTION] = "the connection failed",
		[USBFS_DEVICE_GONE] = "the device is gone",
		[USBFS_NO_MEMORY] = "there is not enough memory",
		[USBFS_BAD_REQUEST] = "the client sent a malformed request",
		[USBFS_BAD_DEVID] = "the client sent a request for another device",
		[USBFS_BAD_SEQNUM] = "the client sent the same sequence number twice",
		[USBFS_BAD_PACKETS] = "the client sent malformed isochronous packets",
		[USBFS_BAD_UNLINKS] = "the client unlinked too many URBs that it never sent",
	};

	return text[end];
}

static void end_session(struct usbfs_session *session, enum usbfs_end why)
{
	if (!session->end)
		session->end = why;
}

static void fail_connection(struct usbfs_session *session, int error)
{
	if (!session->end)
		session->error = error;
	end_session(session, USBFS_CONNECTION);
}

int usbfs_session_begin(struct usbfs_session *session, struct usbfs_device *device, int socket,
			uint32_t devid, int epoll, struct urb_counters *counters)
{
	/* each time all that is complete is reaped */
	struct epoll_event node = { .events = EPOLLOUT | EPOLLET, .data.fd = device->fd };
	struct epoll_event client = { .events = EPOLLIN, .data.fd = socket };
	int error = 0;

	memset(session, 0, offsetof(struct usbfs_session, in));
	transfers_begin(&session->transfers, device, counters);
	session->socket = socket;
	session->epoll = epoll;
	session->devid = devid;
	session->events = EPOLLIN;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &client) ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, device->fd, &node))
		error = -errno;
	device->used |= !error;
	if (error) {
		close(socket);
		session->socket = -1;
	}
	return error;
}

/* vhci-hcd sends all URBs that wait before all unlinks that wait, so that of a URB that is unlinked
 * at once may come first (drivers/usb/usbip/vhci_tx.c vhci_tx_loop()). But an unlink before any URB
 * is of one of its port's session before, and vhci-hcd waits for the answer. */
static void keep_early(struct usbfs_session *session, const struct urb_command *command)
{
	if (session->earlies == USBFS_EARLY_MAX) {
		end_session(session, USBFS_BAD_UNLINKS);
		return;
	}
	session->early[session->earlies].victim = command->victim;
	session->early[session->earlies++].seqnum = command->seqnum;
}

/* Whether an unlink of it has come before; then *seqnum is that of the unlink. */
static bool take_early(struct usbfs_session *session, uint32_t victim, uint32_t *seqnum)
{
	for (unsigned i = 0; i < session->earlies; i++) {
		if (session->early[i].victim != victim)
			continue;
		*seqnum = session->early[i].seqnum;
		session->early[i] = session->early[--session->earlies];
		return true;
	}
	return false;
}

/* These return whether the request was taken: else it waits for room. */
static bool take_unlink(struct usbfs_session *session, const struct urb_command *command)
{
	struct transfer *victim = transfers_find(&session->transfers, command->victim);

	if (!victim && session->begun && urb_is_after(command->victim, session->latest))
		keep_early(session, command);
	else if (!victim || victim->state == TRANSFER_DONE)
		return !transfers_reply_unlink(&session->transfers, command->seqnum);
	else if (victim->unlinked)
		end_session(session, USBFS_BAD_SEQNUM);
	else
		transfer_unlink(&session->transfers, victim, command->seqnum);
	return true;
}

static bool take_submit(struct usbfs_session *session, const struct urb_command *command)
{
	bool newer = !session->begun || urb_is_after(command->seqnum, session->latest);
	int error;

	if (command->length > USBFS_LENGTH_MAX) {
		end_session(session, USBFS_BAD_REQUEST);
		return true;
	}
	if (!newer && transfers_find(&session->transfers, command->seqnum)) {
		end_session(session, USBFS_BAD_SEQNUM);
		return true;
	}
	error = transfer_take(&session->transfers, command, &session->receiving);
	if (error == -EAGAIN)
		return false;
	if (error) {
		end_session(session, error == -ENOMEM ? USBFS_NO_MEMORY : USBFS_BAD_PACKETS);
		return true;
	}
	session->begun = true;
	if (newer)
		session->latest = command->seqnum;
	return true;
}

static bool take_request(struct usbfs_session *session, const uint8_t *bytes)
{
	struct urb_command command;

	if (urb_command_decode(bytes, &command))
		end_session(session, USBFS_BAD_REQUEST);
	else if (command.devid != session->devid)
		end_session(session, USBFS_BAD_DEVID);
	else if (command.code == URB_CMD_UNLINK)
		return take_unlink(session, &command);
	else
		return take_submit(session, &command);
	return true;
}

static void submit_received(struct usbfs_session *session)
{
	struct transfer *transfer = session->receiving;
	uint32_t unlink;

	session->receiving = NULL;
	if (take_early(session, transfer->command.seqnum, &unlink))
		transfer_refuse(&session->transfers, transfer, unlink);
	else if (!transfer_submit(&session->transfers, transfer))
		end_session(session, USBFS_BAD_PACKETS);
}

/* Fills in what follows a request from bytes that came with it, which begin at *at. Returns whether
 * that is all. */
static bool copy_received(struct usbfs_session *session, size_t *at)
{
	struct iovec part[2];
	size_t missing, n, copied = 0, len = session->len - *at;
	int parts;

	missing = transfer_missing(session->receiving, part, &parts);
	for (int i = 0; i < parts; i++) {
		n = part[i].iov_len < len - copied ? part[i].iov_len : len - copied;
		memcpy(part[i].iov_base, session->in + *at + copied, n);
		copied += n;
	}
	session->receiving->received += (uint32_t)copied;
	*at += copied;
	return copied == missing;
}

/* Takes what was received apart, as far as it is complete and there is room. What was blocked is
 * tried again. */
static void take_received(struct usbfs_session *session)
{
	size_t at = 0;

	while (!session->end) {
		if (session->receiving) {
			if (!copy_received(session, &at))
				break;
			submit_received(session);
			continue;
		}
		if (session->len - at < URB_SIZE)
			break;
		session->blocked = !take_request(session, session->in + at);
		if (session->blocked)
			break;
		at += URB_SIZE;
	}
	session->len -= at;
	memmove(session->in, session->in + at, session->len);
}

static ssize_t receive_parts(int socket, struct iovec *part, int parts)
{
	struct msghdr message = { .msg_iov = part };

	if (parts == 1) /* for a third of the cost */
		return recv(socket, part->iov_base, part->iov_len, MSG_DONTWAIT);
	message.msg_iovlen = (uint16_t)parts; /* an int in musl, a size_t in glibc */
	return recvmsg(socket, &message, MSG_DONTWAIT);
}

/* Data go to their buffer at once, and requests behind them come along. */
static void receive_requests(struct usbfs_session *session)
{
	struct iovec part[3];
	size_t missing = 0, taken;
	int parts = 0;
	ssize_t n;

	if (session->receiving)
		missing = transfer_missing(session->receiving, part, &parts);
	part[parts++] = (struct iovec){ session->in + session->len,
					sizeof(session->in) - session->len };
	n = receive_parts(session->socket, part, parts);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		fail_connection(session, errno);
		return;
	}
	if (!n) {
		end_session(session, session->receiving || session->len ? USBFS_CUT : USBFS_CLOSED);
		return;
	}
	taken = (size_t)n < missing ? (size_t)n : missing;
	if (session->receiving)
		session->receiving->received += (uint32_t)taken;
	session->len += (size_t)n - taken;
	take_received(session);
}

/* Requests that waited for room may have it, as long as the socket takes replies. Returns whether
 * it took all. */
static bool advance_session(struct usbfs_session *session)
{
	int error;

	do {
		error = replies_send(&session->transfers, session->socket);
		if (error && error != -EAGAIN)
			fail_connection(session, -error);
		transfers_start_waiting(&session->transfers);
		if (session->blocked && !session->end)
			take_received(session);
	} while (!error && session->transfers.done.first);
	return !error;
}

static void wait_for(struct usbfs_session *session, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = session->socket };

	if (events == session->events)
		return;
	if (epoll_ctl(session->epoll, EPOLL_CTL_MOD, session->socket, &event))
		fail_connection(session, errno);
	session->events = events;
}

enum usbfs_end usbfs_session_ready(struct usbfs_session *session, int fd, uint32_t events)
{
	struct transfers *transfers = &session->transfers;
	bool sent;

	if (fd < 0) {
		if (transfers->ticks)
			transfers_tick(transfers);
		else
			transfers_free_idle(transfers, false);
	} else if (fd == session->socket && session->blocked) {
		if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			end_session(session, USBFS_CLOSED); /* whatever it sent last */
	} else if (fd == session->socket) {
		if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			receive_requests(session);
	} else {
		transfers_reap(transfers);
		transfers->gone |= (events & (EPOLLHUP | EPOLLERR)) != 0;
	}
	sent = advance_session(session);
	if (transfers->gone)
		end_session(session, USBFS_DEVICE_GONE);
	wait_for(session, (session->blocked ? EPOLLRDHUP : EPOLLIN) | (sent ? 0 : EPOLLOUT));
	return session->end;
}

int usbfs_session_timeout(const struct usbfs_session *session)
{
	return session->transfers.ticks ? TICK_MS : session->transfers.idle ? IDLE_MS : -1;
}

int usbfs_session_end(struct usbfs_session *session)
{
	struct usbfs_device *device = session->transfers.device;

	epoll_ctl(session->epoll, EPOLL_CTL_DEL, session->socket, NULL);
	epoll_ctl(session->epoll, EPOLL_CTL_DEL, device->fd, NULL);
	close(session->socket);
	session->socket = -1;
	transfers_end(&session->transfers);
	return session->transfers.gone ? -ENODEV : usbfs_reset(device);
}
