/* SPDX-License-Identifier: MIT */
/* The slots in which transfers live, and their memory, which they keep for the next one. */
#ifndef USBFS_SLOTS_H
#define USBFS_SLOTS_H

#include "usbfs/transfer.h"

void list_clear(struct transfer_list *list);
void list_push(struct transfer_list *list, struct transfer *transfer);
void list_remove(struct transfer_list *list, struct transfer *transfer);

/* An empty slot, or NULL. Its extra memory is that of the transfer before. */
struct transfer *slot_take(struct transfers *transfers);
void slot_free(struct transfers *transfers, struct transfer *transfer);
/* Gives it a buffer for its command, that of a free slot or a new one, in place of what it has,
 * which is the caller's then. False: no memory. */
bool slot_take_buffer(struct transfers *transfers, struct transfer *transfer);
/* The same for extra memory of that size at least, whose contents are lost. */
bool slot_grow_extra(struct transfers *transfers, struct transfer *transfer, size_t size);

#endif
