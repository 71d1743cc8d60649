# SPDX-License-Identifier: MIT
"""A gadget of dummy_hcd at the host, which is a source and sink of data, for usbtest and the bench."""

# Seconds. A device without a driver may be a network card that the host waits for in its first minute.
START = 240
# Shell commands for the client: its node, and $d, its directory.
NODE = ("d=$(dirname $(grep -l 0525 /sys/devices/platform/vhci_hcd.*/usb*/*-*/idVendor)) && "
        "printf '/dev/bus/usb/%03d/%03d' $(cat $d/busnum) $(cat $d/devnum)")


def plug(host, pattern):
    """pattern: what its data are, as usbtest numbers it; 0: zeros, 1: compared byte for byte."""
    host.must(f"""
modprobe -a dummy_hcd libcomposite usb_f_ss_lb
mount -t configfs none /sys/kernel/config; cd /sys/kernel/config/usb_gadget
mkdir g && cd g
echo 0x0525 >idVendor; echo 0xa4a0 >idProduct
mkdir functions/SourceSink.0 configs/c.3
echo {pattern} >functions/SourceSink.0/pattern
ln -s functions/SourceSink.0 configs/c.3
ls /sys/class/udc >UDC
""", 120)
