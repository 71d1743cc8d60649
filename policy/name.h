/* SPDX-License-Identifier: MIT */
/*
 * Names of devices that survive a replug. A device has one by its serial number, if it has that,
 * and one by its place; a list shows the first where it is unique:
 *	0951:1666/60A44C413F4EE2C0	VID:PID/SERIAL
 *	0627:0001@1-1.4			VID:PID@BUSID, of this machine
 *	0627:0001@pi.lan/1-1.4		VID:PID@HOST/BUSID, of a server
 */
#ifndef POLICY_NAME_H
#define POLICY_NAME_H

#include <stddef.h>
#include <stdint.h>

enum { DEVICE_NAME_SIZE = 320 }; /* with the longest host */

/*
 * Write a name of at most size - 1 bytes. Each byte of the serial number that is not a letter, a
 * digit or one of "-._+" becomes '_'. host is NULL for a device of this machine.
 */
void name_of_serial(char *name, size_t size, uint16_t vendor, uint16_t product, const char *serial);
void name_of_place(char *name, size_t size, uint16_t vendor, uint16_t product, const char *host,
		   const char *busid);

#endif
