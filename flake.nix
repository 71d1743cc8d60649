# SPDX-License-Identifier: MIT
# For Nix and NixOS: the package, the services, and their test. All of it is in install/nixos.
{
  description = "USB devices of one machine on another, by themselves (USB/IP)";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "i686-linux" "aarch64-linux" "armv7l-linux" "riscv64-linux" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: { default = pkgs.callPackage ./install/nixos/package.nix { }; });
      nixosModules.default = ./install/nixos/module.nix;
      checks = each (pkgs: { default = pkgs.callPackage ./install/nixos/test.nix { }; });
    };
}
