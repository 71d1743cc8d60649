# SPDX-License-Identifier: MIT
# The source is the last commit of the clone that this layer is in, as `make dist` packs it. In a layer of its own
# it would be the release: https://usbiphp.example/releases/${BP}.tar.gz, with SRC_URI[sha256sum].
SUMMARY = "USB devices of one machine on another, by themselves"
DESCRIPTION = "USB devices that are plugged into one machine appear on another over the network, and come back by \
               themselves. The server exports the devices of a machine, but never what that machine needs itself; \
               the client attaches the devices that other machines export. Both speak the USB/IP protocol and work \
               together with the stock usbip and usbipd."
HOMEPAGE = "https://usbiphp.example"
SECTION = "console/network"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=6aff1d400508fb0ade2aa88f03d6023e"

SRC_URI = "file://${THISDIR}/../../../../build/${BP}.tar.gz"

inherit bash-completion systemd update-rc.d

EXTRA_OEMAKE = "DESTDIR=${D} PREFIX=${prefix} LIB_DIR=${libexecdir}/${BPN} \
                UNIT_DIR=${D}${systemd_system_unitdir} \
                UDEV_DIR=${D}${nonarch_base_libdir}/udev/rules.d"

# Installed, but neither enabled nor started.
SYSTEMD_PACKAGES = "${PN}-server ${PN}-client"
SYSTEMD_SERVICE:${PN}-server = "usbip-bind.service"
SYSTEMD_SERVICE:${PN}-client = "usbip-attach.service usbip-sleep.service usbip-unmount.service"
SYSTEMD_AUTO_ENABLE = "disable"
INITSCRIPT_PACKAGES = "${PN}-server ${PN}-client"
INITSCRIPT_NAME:${PN}-server = "usbip-bind"
INITSCRIPT_NAME:${PN}-client = "usbip-attach"
INITSCRIPT_PARAMS = "stop 20 0 1 6 ."

do_install() {
    oe_runmake install
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        oe_runmake install-systemd
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        oe_runmake install-sysvinit
    fi
}

PACKAGES =+ "${PN}-server ${PN}-client"

FILES:${PN} += "${datadir}/fish ${datadir}/zsh"
FILES:${PN}-server = "${bindir}/usbiphp-server \
                      ${sysconfdir}/default/usbip-bind \
                      ${sysconfdir}/init.d/usbip-bind \
                      ${nonarch_base_libdir}/udev/rules.d/72-usbiphp.rules"
FILES:${PN}-client = "${bindir}/usbiphp-client \
                      ${sysconfdir}/default/usbip-attach \
                      ${sysconfdir}/init.d/usbip-attach \
                      ${libexecdir}/${BPN}/unmount.sh \
                      ${nonarch_base_libdir}/udev/rules.d/73-usbiphp-client.rules"
CONFFILES:${PN}-server = "${sysconfdir}/default/usbip-bind"
CONFFILES:${PN}-client = "${sysconfdir}/default/usbip-attach"

RDEPENDS:${PN}-server = "${PN}"
RDEPENDS:${PN}-client = "${PN}"

RRECOMMENDS:${PN} = "kernel-module-tls"
RRECOMMENDS:${PN}-server = "kernel-module-usbip-host"
RRECOMMENDS:${PN}-client = "kernel-module-vhci-hcd"
