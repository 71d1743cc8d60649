# SPDX-License-Identifier: MIT
# A stand-in for what install/nixos uses of nixpkgs: a derivation is built by this machine's compiler, a NixOS
# configuration is a module's options with what was set, and what its config comes to.
let
  inherit (builtins) all attrNames concatLists concatMap concatStringsSep elemAt filter functionArgs head intersectAttrs
    isAttrs isBool isList isString length listToAttrs mapAttrs match removeAttrs replaceStrings split stringLength
    substring toString zipAttrsWith;
  kind = value: if isAttrs value then value._type or "" else "";
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  fits = check: name: { inherit check name; };

  lib = {
    inherit hasPrefix replaceStrings;
    inherit (builtins) any concatMap;
    removePrefix = prefix: text:
      if hasPrefix prefix text then substring (stringLength prefix) (stringLength text) text else text;
    findFirst = is: default: list: let found = filter is list; in if found == [ ] then default else head found;
    splitString = mark: text: filter isString (split mark text);
    optional = yes: value: if yes then [ value ] else [ ];
    optionals = yes: list: if yes then list else [ ];
    concatMapStringsSep = mark: make: list: concatStringsSep mark (map make list);
    genAttrs = names: make: listToAttrs (map (name: { inherit name; value = make name; }) names);
    cleanSource = path: path;
    cleanSourceWith = { src, filter }: builtins.path {
      path = src;
      name = "source";
      filter = path: type: baseNameOf path != ".git" && filter path type;
    };
    licenses.mit.spdxId = "MIT";
    platforms.linux = [ "x86_64-linux" "aarch64-linux" ];
    literalExpression = text: text;
    mkOption = option: option // { _type = "option"; };
    mkEnableOption = text: lib.mkOption { type = types.bool; default = false; description = text; };
    mkIf = condition: content: { _type = "if"; inherit condition content; };
    mkMerge = contents: { _type = "merge"; inherit contents; };
    inherit types;
  };
  types = {
    bool = fits isBool "a boolean";
    str = fits isString "a string";
    lines = fits isString "lines";
    package = fits (value: value ? outPath) "a package";
    listOf = type: fits (value: isList value && all type.check value) "a list, each ${type.name}";
  };

  # The values of options: what was given, else the default.
  fill = where: options: given:
    let
      strangers = filter (name: !(options ? ${name})) (attrNames given);
      value = name: option:
        if kind option != "option" then fill "${where}.${name}" option (given.${name} or { })
        else
          let it = given.${name} or option.default;
          in if option.type.check it then it else throw "${where}.${name} is not ${option.type.name}";
    in
    if strangers != [ ] then throw "no option ${where}.${head strangers}" else mapAttrs value options;

  # What definitions come to: those whose condition holds; lists are joined, sets too, name by name.
  definitions = value:
    if kind value == "merge" then concatMap definitions value.contents
    else if kind value == "if" then (if value.condition then definitions value.content else [ ])
    else [ value ];
  isSet = value: isAttrs value && !(value ? outPath);
  merge = where: values:
    let found = concatMap definitions values;
    in
    if all isSet found then
      zipAttrsWith (name: merge "${where}.${name}")
        (map (set: removeAttrs set (filter (name: definitions set.${name} == [ ]) (attrNames set))) found)
    else if all isList found then concatLists found
    else if length found == 1 then head found
    else throw "${where} is set twice";
in
rec {
  inherit lib;
  pkgs = {
    inherit lib pkgs;
    coreutils = "/standin/coreutils";
    kmod = "/standin/kmod";
    systemd = "/standin/systemd";
    runtimeShell = "/standin/shell";
    testers.runNixOSTest = test: test;
    runCommand = name: _: _: "/standin/${name}";
    writeText = builtins.toFile;
    callPackage = path: more: let make = import path; in make (intersectAttrs (functionArgs make) pkgs // more);
    # The phases in the order of stdenv, which makes $out before the installation.
    stdenv.mkDerivation = given: derivation (removeAttrs given [ "meta" ] // {
      name = "${given.pname}-${given.version}";
      system = builtins.currentSystem;
      builder = "/bin/sh";
      PATH = "/usr/bin:/bin";
      CC = "gcc";
      args = [
        "-ec"
        ''
          runHook() { :; }
          cp -r "$src" source
          chmod -R u+w source
          cd source
          make -s $makeFlags
          mkdir -p "$out"
          make -s $makeFlags $installFlags $installTargets
          eval "$postInstall"
          eval "$installCheckPhase"
        ''
      ];
    }) // { inherit (given) meta version; };
  };

  # The config of a machine that sets SETTINGS, for one module.
  machine = module: settings:
    let
      made = import module {
        inherit lib pkgs;
        config = fill "" made.options settings;
      };
    in
    merge "" [ made.config ];
}
