/* SPDX-License-Identifier: MIT */
/* Bus ids: the names of USB devices, "1-1.4", in sysfs and on the wire. Pure functions. */
#ifndef PROTO_BUSID_H
#define PROTO_BUSID_H

#include <stdbool.h>

/* The size of a busid on the wire and in the drivers, with its terminator
 * (usbip_common.h SYSFS_BUS_ID_SIZE in tools/usb/usbip/libsrc, stub.h BUSID_SIZE). */
#define BUSID_SIZE 32

/*
 * Whether s is a bus id of the local kernel: BUS-PORT, then .PORT for each hub in between; decimal,
 * no leading zero, at most 31 characters. Root hubs (usb1) and interfaces (1-1:1.0) have none. No
 * other string may become part of a sysfs path.
 */
bool busid_is_device(const char *s);

/*
 * Whether s is a bus id that a peer may use: 1 to 31 letters, digits and "-._:". Servers that are
 * not Linux hosts have bus ids of other forms; they are only compared, logged and sent back.
 */
bool busid_is_name(const char *s);

#endif
