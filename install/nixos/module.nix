# SPDX-License-Identifier: MIT
# The services on NixOS. They are the units of install/systemd, as the package has them: here is only which are
# started, and with which options.
{ config, lib, pkgs, ... }:

let
  inherit (lib) types;
  cfg = config.services.usbiphp;

  # What both roles can be told.
  role = name: example: {
    enable = lib.mkEnableOption name;
    options = lib.mkOption {
      type = types.listOf types.str;
      default = [ ];
      inherit example;
      description = "Options of ${name}, one word each: see ${name}(8).";
    };
    rules = lib.mkOption {
      type = types.lines;
      default = "";
      example = "deny class hid";
      description = "Rules, see usbiphp.rules(5). They come after those of `options`. A change needs no restart.";
    };
  };

  # systemd splits $OPTIONS into words, in which '\' escapes, also between quotes, and '%' is expanded before that.
  quote = word: "\"${lib.replaceStrings [ "\\" "\"" "%" ] [ "\\\\" "\\\"" "%%" ] word}\"";

  # Both daemons, from the name of the role and the words that come last.
  daemon = name: words:
    let
      told = cfg.${name};
      rules = pkgs.writeText "usbiphp-${name}.rules" told.rules;
      hasRules = told.rules != "";
    in
    {
      environment.etc = lib.mkIf hasRules { "usbiphp/${name}.rules".source = rules; };
      service = {
        environment.OPTIONS = lib.concatMapStringsSep " " quote
          (told.options ++ lib.optionals hasRules [ "--rules" "/etc/usbiphp/${name}.rules" ] ++ words);
        reloadTriggers = lib.optional hasRules rules;
        # Programs of hooks, ssh, and what unmount.sh needs.
        path = [ "/run/current-system/sw" ];
        wantedBy = [ "multi-user.target" ];
        stopIfChanged = false;
      };
    };

  server = daemon "server" [ ];
  client = daemon "client" cfg.client.servers;
in
{
  options.services.usbiphp = {
    package = lib.mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./package.nix { }";
      description = "The package with the program and the units.";
    };
    server = role "usbiphp-server" [ "--allow" "10.0.7.0/24" ] // {
      openFirewall = lib.mkOption {
        type = types.bool;
        default = false;
        description = "Whether to open TCP port 3240 in the firewall.";
      };
    };
    client = role "usbiphp-client" [ "--dead-after" "30" ] // {
      servers = lib.mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "pi.lan" ];
        description = "The machines whose devices are attached to this one.";
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (cfg.server.enable || cfg.client.enable) {
      environment.systemPackages = [ cfg.package ];
      systemd.packages = [ cfg.package ];
      services.udev.packages = [ cfg.package ];
    })
    (lib.mkIf cfg.server.enable {
      inherit (server) environment;
      systemd.services.usbip-bind = server.service;
      networking.firewall.allowedTCPPorts = lib.mkIf cfg.server.openFirewall [ 3240 ];
    })
    (lib.mkIf cfg.client.enable {
      assertions = [{
        assertion = cfg.client.servers != [ ] || lib.any (lib.hasPrefix "--accept") cfg.client.options;
        message = "services.usbiphp.client.servers: name the machine that has the devices";
      }];
      inherit (client) environment;
      systemd.services.usbip-attach = client.service;
      # The first has no [Install], as usbip-attach starts it; NixOS leaves that section of the other aside.
      systemd.services.usbip-unmount.path = [ "/run/current-system/sw" ];
      systemd.services.usbip-sleep.wantedBy = [ "sleep.target" ];
    })
  ];
}
