/* SPDX-License-Identifier: MIT */
/* One device as it is shown, with all that is known about it. */
#ifndef CMD_ITEM_H
#define CMD_ITEM_H

#include "client/port_record.h"
#include "policy/name.h"
#include "proto/op.h"
#include "sysfs/device.h"
#include "sysfs/protect.h"

enum { ITEMS_MAX = OP_DEVLIST_MAX, LABEL_SIZE = 2 * DEVICE_STRING_SIZE };

#define UNKNOWN UINT64_MAX /* of a number */

/* Of strings, an empty one is not known. */
struct item {
	struct device device;
	bool seen;	/* in the latest look */
	bool asked;	/* for its strings */
	bool heard;	/* they came */
	bool looked_up; /* in usb.ids, which is to tell the label if it has none */
	bool labelless;
	int child; /* the process that reads its strings, or not positive */
	struct device_strings strings;
	char id[10];		     /* "0951:1666" */
	char speed[8];		     /* Mbit/s */
	char class[128];	     /* of usb_class_words() */
	char name[DEVICE_NAME_SIZE]; /* of policy/name.h */
	char label[LABEL_SIZE];	     /* what it is, for people */
	char status[16];	     /* a constant word or two */
	char state[256];	     /* the same with the details */
	struct reason why;
	/* of a session */
	struct session session;
	uint64_t since, in, out, rtt; /* seconds since the epoch; bytes; microseconds */
	/* of an imported one */
	uint64_t port;
	struct record record;
};

struct items {
	unsigned count;
	struct item item[ITEMS_MAX];
};

#define EACH_ITEM(items, i)                                                                        \
	for (struct item *i = (items)->item; i < (items)->item + (items)->count; i++)

#endif
