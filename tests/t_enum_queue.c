/* SPDX-License-Identifier: MIT */
/* Tests of client/enum_queue: whose turn it is at each controller, and since when. */
#include "client/enum_queue.h"

#include "tests/check.h"

static struct enum_queue queue;

static void tickets(void)
{
	uint32_t last = 0;

	memset(&queue, 0, sizeof(queue));
	for (int i = 0; i < 1000; i++) {
		uint32_t ticket = enum_queue_ticket(&queue);

		CHECK(ticket > last);
		last = ticket;
	}
}

/* Each row adds tickets in that order; the lowest is the first, whatever the order. */
static void oldest_first(void)
{
	static const uint32_t rows[][3] = { { 1, 2, 3 }, { 3, 2, 1 }, { 2, 1, 3 }, { 2, 3, 1 } };

	memset(&queue, 0, sizeof(queue));
	for (size_t i = 0; i < LENGTH(rows); i++) {
		enum_queue_clear(&queue);
		for (unsigned k = 0; k < 3; k++)
			enum_queue_add(&queue, 5, rows[i][k]);
		CHECK(enum_queue_is_first(&queue, 5, 1));
		CHECK(!enum_queue_is_first(&queue, 5, 2));
		CHECK(!enum_queue_is_first(&queue, 5, 3));
	}
}

/* One that was not added in this pass is not the first, alone or not. */
static void cleared(void)
{
	memset(&queue, 0, sizeof(queue));
	enum_queue_add(&queue, 0, 1);
	enum_queue_add(&queue, VHCI_CONTROLLERS_MAX - 1, 2);
	CHECK(enum_queue_is_first(&queue, 0, 1));
	CHECK(enum_queue_is_first(&queue, VHCI_CONTROLLERS_MAX - 1, 2));
	enum_queue_clear(&queue);
	CHECK(!enum_queue_is_first(&queue, 0, 1));
	CHECK(!enum_queue_is_first(&queue, VHCI_CONTROLLERS_MAX - 1, 2));
	enum_queue_add(&queue, 0, 3);
	CHECK(enum_queue_is_first(&queue, 0, 3));
	CHECK(!enum_queue_is_first(&queue, 0, 1));
}

static void controllers_apart(void)
{
	memset(&queue, 0, sizeof(queue));
	enum_queue_add(&queue, 0, 7);
	enum_queue_add(&queue, 1, 9);
	CHECK(enum_queue_is_first(&queue, 0, 7) && enum_queue_is_first(&queue, 1, 9));
	CHECK(!enum_queue_is_first(&queue, 0, 9) && !enum_queue_is_first(&queue, 1, 7));
	enum_queue_progress(&queue, 0, 5000);
	CHECK_INT(enum_queue_since(&queue, 0, 1000), 5000);
	CHECK_INT(enum_queue_since(&queue, 1, 1000), 1000);
}

/* The kernel turns to the first when the one before it is through, or when it is attached. */
static void since(void)
{
	memset(&queue, 0, sizeof(queue));
	CHECK_INT(enum_queue_since(&queue, 0, 1000), 1000);
	enum_queue_progress(&queue, 0, 3000);
	CHECK_INT(enum_queue_since(&queue, 0, 1000), 3000);
	CHECK_INT(enum_queue_since(&queue, 0, 2999), 3000);
	CHECK_INT(enum_queue_since(&queue, 0, 3000), 3000);
	CHECK_INT(enum_queue_since(&queue, 0, 3001), 3001);
	enum_queue_clear(&queue); /* of a pass: the progress stays */
	CHECK_INT(enum_queue_since(&queue, 0, 1000), 3000);
}

int main(void)
{
	RUN("t_enum_queue: tickets grow", tickets);
	RUN("t_enum_queue: the oldest is the first", oldest_first);
	RUN("t_enum_queue: each pass begins without any", cleared);
	RUN("t_enum_queue: controllers have a queue each", controllers_apart);
	RUN("t_enum_queue: since when the kernel waits", since);
	return check_status();
}
