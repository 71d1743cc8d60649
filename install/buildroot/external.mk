# SPDX-License-Identifier: MIT
include $(sort $(wildcard $(BR2_EXTERNAL_USBIPHP_PATH)/package/*/*.mk))
