# SPDX-License-Identifier: MIT
# A stand-in for OpenWrt's file of this name, see t_openwrt.py.
INCLUDE_DIR := $(TOPDIR)
STAGING_DIR := $(TOPDIR)/staging
TARGET_CC := $(TOPDIR)/musl-target-gcc
TARGET_CFLAGS := -O2
TARGET_LDFLAGS :=
INSTALL_DIR := install -d -m 755
INSTALL_BIN := install -m 755
INSTALL_CONF := install -m 600
INSTALL_DATA := install -m 644
CP := cp -fpR
SED := sed -i -e
