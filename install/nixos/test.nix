# SPDX-License-Identifier: MIT
# Two machines of NixOS: a stick at the server can be read at the client, and goes back when the server stops.
# `nix flake check` runs it. It has never run: nixpkgs was not there. tests/standins evaluates it.
{ lib, runCommand, testers }:

let
  stick = runCommand "stick" { } ''
    head -c 16M < <(yes stick) >$out
  '';
  disk = "/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_STICK-0:0";
in
testers.runNixOSTest {
  name = "usbiphp";

  nodes.server = {
    imports = [ ./module.nix ];
    services.usbiphp.server = {
      enable = true;
      openFirewall = true;
    };
    virtualisation.qemu.options = [
      "-device qemu-xhci,id=usb3"
      "-drive if=none,id=stick,format=raw,readonly=on,file=${stick}"
      "-device usb-storage,bus=usb3.0,drive=stick,serial=STICK"
    ];
  };

  nodes.client = {
    imports = [ ./module.nix ];
    services.usbiphp.client = {
      enable = true;
      servers = [ "server" ];
    };
  };

  testScript = ''
    start_all()
    server.wait_for_unit("usbip-bind.service")
    client.wait_for_unit("usbip-attach.service")
    client.wait_for_file("${disk}")
    client.succeed("cmp -n 16777216 ${disk} <(yes stick)")
    server.succeed("systemctl stop usbip-bind")
    client.wait_until_fails("test -e ${disk}")
    server.wait_for_file("${disk}")
  '';
}
