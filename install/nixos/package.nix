# SPDX-License-Identifier: MIT
# The package: pkgs.callPackage ./package.nix { }. With nixpkgs' libc, not static, as names are found by glibc there.
{ lib, stdenv, coreutils, kmod, runtimeShell, systemd }:

let
  # What begins with TEXT in the Makefile's lines, without it.
  setting = text: lib.removePrefix text
    (lib.findFirst (lib.hasPrefix text) (throw "no ${text}in the Makefile")
      (lib.splitString "\n" (builtins.readFile ../../Makefile)));
in
stdenv.mkDerivation {
  pname = "usbiphp";
  version = setting "VERSION := ";

  src = lib.cleanSourceWith {
    src = lib.cleanSource ../..;
    filter = path: _: path != toString ../../build;
  };

  enableParallelBuilding = true;
  makeFlags = [ "PREFIX=${placeholder "out"}" ];

  # The units in the paths of PREFIX, but nothing in /etc: the options are the module's.
  installTargets = [ "install-systemd" ];
  installFlags = [ "DESTDIR=$(NIX_BUILD_TOP)/staged" ];
  postInstall = ''
    mkdir -p "$out"
    cp -a "$NIX_BUILD_TOP/staged$out/." "$out/"
    sed -i -e 's|/sbin/modprobe|${kmod}/bin/modprobe|' -e 's|/bin/systemctl|${systemd}/bin/systemctl|' \
      -e 's|/bin/true|${coreutils}/bin/true|' -e 's|/bin/sh |${runtimeShell} |' \
      "$out"/lib/systemd/system/*.service "$out"/lib/udev/rules.d/*.rules
    sed -i '/^# Wrong usage/,/^ExecStopPost=/d' "$out"/lib/systemd/system/usbip-attach.service
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    [ "$("$out/bin/usbiphp" --version)" = "usbiphp $version" ]
    runHook postInstallCheck
  '';

  meta = {
    description = "USB devices of one machine on another, by themselves (USB/IP)";
    homepage = "https://usbiphp.example";
    license = lib.licenses.mit;
    platforms = lib.platforms.linux;
    mainProgram = "usbiphp";
  };
}
