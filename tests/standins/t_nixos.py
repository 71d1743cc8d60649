#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The recipes for systems that are not here, with stand-ins: NixOS (install/nixos) and Home Assistant
(install/homeassistant).

Nix is Debian's, but nixpkgs is not here: nixpkgs.nix takes its place. The package is built by this machine's compiler,
in Nix' own sandbox, and the module's configuration is looked at; test.nix is evaluated, but has never run. Of Home
Assistant there is nothing: config.yaml is compared with the written rules, and the image is built on a stand-in for
Alpine, in which its script runs. So this is no proof that they work there.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/vm"))
sys.dont_write_bytecode = True
import image  # noqa: E402
from lab import case, check, finish  # noqa: E402

TOOLS = "make gcc libc6-dev linux-libc-dev nix-bin jq yq yamllint busybox-static buildah"
NIX = [ROOT / "flake.nix", *sorted((ROOT / "install/nixos").glob("*.nix"))]
STANDIN = f"(import {ROOT}/tests/standins/nixpkgs.nix)"
PACKAGE = f"{STANDIN}.pkgs.callPackage {ROOT}/install/nixos/package.nix {{ }}"
SYSTEMS = '[ "x86_64-linux" "i686-linux" "aarch64-linux" "armv7l-linux" "riscv64-linux" ]'
MODULE = f"{ROOT}/install/nixos/module.nix"
# What the module may set; the first are attributes of a service.
SERVICE = {"environment", "path", "reloadTriggers", "stopIfChanged", "wantedBy"}
CONFIG = {"assertions", "environment.etc", "environment.systemPackages", "networking.firewall", "services.udev",
          "systemd.packages", "systemd.services"}
NASTY = """allow serial "50%" a\\b 'c' $HOME"""

APP = ROOT / "install/homeassistant/usbiphp-server"
# The keys of config.yaml and their types, as Home Assistant's documentation for developers has them.
REQUIRED = {"name", "version", "slug", "description", "arch"}
TYPES = {
    str: "name version slug description url startup webui boot homeassistant hassio_role image backup backup_pre "
         "backup_post panel_icon panel_title ingress_entry stage watchdog",
    bool: "host_network host_ipc host_dbus host_pid host_uts hassio_api homeassistant_api docker_api full_access audio "
          "video gpio usb uart udev devicetree kernel_modules stdin legacy tmpfs auth_api ingress ingress_stream "
          "panel_admin init realtime journald apparmor",
    int: "timeout ingress_port",
    list: "arch machine devices privileged map discovery services backup_exclude breaking_versions",
    dict: "ports ports_description environment options schema ulimits"}
KEYS = {key: kind for kind, keys in TYPES.items() for key in keys.split()}
ARCH = {"aarch64": "aarch64", "amd64": "x86_64"}  # and what a release calls it
CHOICES = {"startup": {"initialize", "system", "services", "application", "once"},
           "stage": {"stable", "experimental", "deprecated"}}
# Rights that an app should do without.
RIGHTS = {"full_access", "privileged", "host_pid", "host_ipc", "host_dbus", "docker_api", "kernel_modules",
          "hassio_api", "homeassistant_api", "auth_api", "map"}
USER = {"rules": [NASTY, "deny"], "allow": ["10.0.7.0/24", "fd00::/8"], "keys": ["laptop:" + 64 * "a"],
        "on_demand": True, "verbose": True}
WORDS = ["--rule", NASTY, "--rule", "deny", "--allow", "10.0.7.0/24", "--allow", "fd00::/8", "--on-demand", "--verbose",
         "--psk", "/var/lib/usbiphp/keys"]


def version():
    return re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]


class Nix:
    """Nix with a store of its own."""

    def __init__(self, work):
        self.work, self.environment = work, {
            **os.environ, "HOME": str(work), "NIX_STORE_DIR": f"{work}/store", "NIX_STATE_DIR": f"{work}/state",
            "NIX_LOG_DIR": f"{work}/log", "NIX_CONF_DIR": f"{work}/conf", "NIX_LOCALSTATE_DIR": f"{work}/var",
            "NIX_CONFIG": "substituters =\nbuild-users-group =\nsandbox = true\nsandbox-fallback = false\n"
                          "sandbox-paths = /bin /usr /lib /lib64\n"}

    def run(self, *argv):
        return subprocess.run(argv, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=900)

    def evaluate(self, expression):
        return self.run("nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "-E", expression)

    def value(self, expression):
        done = self.evaluate(expression)
        check(not done.returncode, done.stderr)
        return json.loads(done.stdout)

    def machine(self, settings):
        """The config of a machine with these settings of services.usbiphp."""
        text = self.work / "settings.json"
        text.write_text(json.dumps({"services": {"usbiphp": settings}}))
        return f"{STANDIN}.machine {MODULE} (builtins.fromJSON (builtins.readFile {text}))"


def files(root):
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def lines(path):
    """A unit's lines, without comments."""
    return [x for x in path.read_text().splitlines() if x and x[0] != "#"]


def test_package(nix, work):
    with case("NixOS: every file can be parsed"):
        for path in NIX:
            done = nix.run("nix-instantiate", "--parse", str(path))
            check(not done.returncode, done.stderr)

    with case("NixOS: the package is built, and its program runs"):
        done = nix.run("nix-build", "--no-out-link", "-E", PACKAGE)
        check(not done.returncode, done.stderr[-500:])
        out = pathlib.Path(done.stdout.strip())
        for role in ("usbiphp", "usbiphp-server", "usbiphp-client"):
            said = image.run(str(out / "bin" / role), "--version")
            check(said == f"usbiphp {version()}\n", said)
    with case("NixOS: what nixpkgs is told"):
        meta = nix.value(f"let p = {PACKAGE}; in p.meta // {{ inherit (p) version; }}")
        check(meta["version"] == version() and meta["license"] == {"spdxId": "MIT"}, f"{meta}")
        check("x86_64-linux" in meta["platforms"] and os.access(out / "bin" / meta["mainProgram"], os.X_OK), f"{meta}")

    with case("NixOS: the files of make install-systemd, and none in /etc"):
        image.run("make", "-s", "install-systemd", f"DESTDIR={work}/plain", "PREFIX=/usr", cwd=ROOT)
        plain = files(work / "plain/usr")
        check(files(out) == plain, f"{sorted(files(out) ^ plain)}")
    with case("NixOS: the units of install/systemd, in its own paths"):
        units = sorted((ROOT / "install/systemd").glob("*.service"))
        for unit in units:
            theirs = "\n".join(lines(out / "lib/systemd/system" / unit.name)) + "\n"
            for path, ours in ((f"{out}/lib/usbiphp", "/opt/usbip/install"), (f"{out}/bin", "/opt/usbip"),
                               ("/standin/kmod/bin/", "/sbin/"), ("/standin/systemd/bin/", "/bin/"),
                               ("/standin/coreutils/bin/", "/bin/"), ("/standin/shell ", "/bin/sh ")):
                theirs = theirs.replace(path, ours)
            theirs = theirs.splitlines()
            check(theirs == lines(unit), f"{unit.name}: {sorted(set(theirs) ^ set(lines(unit)))}")
        check(len(units) == 4, f"{units}")
    with case("NixOS: no program by a path that is not there"):
        for path in [*(out / "lib/systemd/system").iterdir(), *(out / "lib/udev/rules.d").iterdir()]:
            for line in lines(path):
                for found in re.findall(r"(?<![\w.-])/(?!dev/|etc/|proc/|run/|sys/|tmp|var)[\w./-]+", line):
                    check(found.startswith((f"{out}/", "/standin/", "/devices/")), f"{path.name}: {found}")


def options(config, service):
    """The words that systemd makes of $OPTIONS: it expands '%', and '\\' escapes between quotes as well."""
    text = config["systemd"]["services"][service]["environment"]["OPTIONS"]
    check("%" not in text.replace("%%", ""), f"expanded: {text}")
    word = r'"((?:[^"\\]|\\.)*)"'
    check(re.fullmatch(f"({word}( {word})*)?", text), f"not words: {text}")
    return [re.sub(r"\\(.)", r"\1", x) for x in re.findall(word, text.replace("%%", "%"))]


def known(config):
    """Nothing is set that NixOS does not have."""
    names = {name if isinstance(value, list) else f"{name}.{below}"
             for name, value in config.items() for below in (value if isinstance(value, dict) else [""])}
    check(names <= CONFIG, f"{sorted(names - CONFIG)}")
    for name, service in config["systemd"]["services"].items():
        check(set(service) <= SERVICE, f"{name}: {sorted(set(service) - SERVICE)}")
    return config


def wanted(config):
    return {name: service["wantedBy"] for name, service in config["systemd"]["services"].items()
            if "wantedBy" in service}


def has_package(config):
    places = (config["environment"]["systemPackages"], config["systemd"]["packages"],
              config["services"]["udev"]["packages"])
    check(all(len(x) == 1 and "usbiphp" in x[0] for x in places), f"{places}")


def test_module(nix):
    with case("NixOS: nothing is there unless a role is enabled"):
        check(nix.value(nix.machine({})) == {}, "something is set")
        rest = {"server": {"rules": "deny", "options": ["-v"], "openFirewall": True}, "client": {"servers": ["pi.lan"]}}
        check(nix.value(nix.machine(rest)) == {}, "something is set")

    with case("NixOS: a server"):
        config = known(nix.value(nix.machine({"server": {"enable": True}})))
        has_package(config)
        check(wanted(config) == {"usbip-bind": ["multi-user.target"]}, f"{wanted(config)}")
        check(options(config, "usbip-bind") == [], f"{options(config, 'usbip-bind')}")
        check(not config["networking"]["firewall"] and "etc" not in config["environment"], f"{config}")
    with case("NixOS: a server's options reach it as they are"):
        config = nix.value(nix.machine({"server": {"enable": True, "options": ["-r", NASTY], "openFirewall": True}}))
        check(options(config, "usbip-bind") == ["-r", NASTY], f"{options(config, 'usbip-bind')}")
        check(config["networking"]["firewall"] == {"allowedTCPPorts": [3240]}, f"{config['networking']}")
    with case("NixOS: rules are a file, and a change is a reload"):
        config = known(nix.value(nix.machine({"server": {"enable": True, "rules": "deny class hid\n"}})))
        source = config["environment"]["etc"]["usbiphp/server.rules"]["source"]
        check(pathlib.Path(source).read_text() == "deny class hid\n", source)
        check(options(config, "usbip-bind") == ["--rules", "/etc/usbiphp/server.rules"], f"{config}")
        check(config["systemd"]["services"]["usbip-bind"]["reloadTriggers"] == [source], f"{config}")

    with case("NixOS: a client"):
        config = known(nix.value(nix.machine({"client": {"enable": True, "servers": ["pi.lan", "attic"],
                                                         "options": ["-i", "5"]}})))
        has_package(config)
        check(wanted(config) == {"usbip-attach": ["multi-user.target"], "usbip-sleep": ["sleep.target"]},
              f"{wanted(config)}")
        check(options(config, "usbip-attach") == ["-i", "5", "pi.lan", "attic"], f"{config}")
        check([x["assertion"] for x in config["assertions"]] == [True], f"{config['assertions']}")
    with case("NixOS: a client without a server is refused, unless servers come to it"):
        for more, good in (({}, False), ({"options": ["--accept", "3241"]}, True)):
            config = nix.value(nix.machine({"client": {"enable": True, **more}}))
            check([x["assertion"] for x in config["assertions"]] == [good], f"{config['assertions']}")
    with case("NixOS: both roles"):
        config = known(nix.value(nix.machine({"server": {"enable": True},
                                              "client": {"enable": True, "servers": ["pi.lan"]}})))
        has_package(config)
        check(len(wanted(config)) == 3, f"{wanted(config)}")
    with case("NixOS: a wrong option is an error"):
        for wrong, why in (({"sever": {}}, "no option .services.usbiphp.sever"),
                           ({"server": {"enable": "yes"}}, "enable is not a boolean"),
                           ({"client": {"enable": True, "servers": "pi.lan"}}, "servers is not a list, each a string")):
            done = nix.evaluate(nix.machine(wrong))
            check(done.returncode and why in done.stderr, f"{wrong}: {done}")


def test_flake(nix):
    with case("NixOS: the flake has the same package, module and test"):
        flake = (f"let s = {STANDIN}; legacyPackages = s.lib.genAttrs {SYSTEMS} (_: s.pkgs); "
                 f"f = (import {ROOT}/flake.nix).outputs {{ self = f; nixpkgs = {{ inherit legacyPackages; "
                 "inherit (s) lib; }; }; "
                 f"p = {PACKAGE}; t = f.checks.x86_64-linux.default; in ")
        same = nix.value(f"{flake} map (x: x.default == p) (builtins.attrValues f.packages)")
        check(same == 5 * [True], f"another package: {same}")
        check(nix.value(f"{flake} toString f.nixosModules.default") == MODULE, "another module")
        test = nix.value(f"{flake} {{ inherit (t) name testScript; }} // builtins.mapAttrs (_: n: "
                         "{ modules = map toString n.imports; services = n.services.usbiphp; }) t.nodes")
    with case("NixOS: the test's machines are a server and its client, and its script is Python"):
        for node in ("server", "client"):
            check(test[node]["modules"] == [MODULE], f"{test}")
            config = known(nix.value(nix.machine(test[node]["services"])))
            check(all(x["assertion"] for x in config.get("assertions", [])), f"{config}")
        check(options(config, "usbip-attach") == ["server"], f"{config}")
        check("usbip-bind" in nix.value(nix.machine(test["server"]["services"]))["systemd"]["services"], f"{test}")
        compile(test["testScript"], "test.nix", "exec")


def yaml(path):
    return json.loads(image.run("yq", ".", str(path)))


def is_typed(value, kind):
    """Whether an option's value is what the schema wants."""
    if isinstance(kind, list):
        return len(kind) == 1 and isinstance(value, list) and all(is_typed(x, kind[0]) for x in value)
    if kind.startswith("match("):
        return isinstance(value, str) and bool(re.match(kind[6:-1], value))
    return isinstance(value, {"str": str, "password": str, "bool": bool}[kind])


def test_config():
    with case("Home Assistant: a repository"):
        repository = yaml(APP.parent / "repository.yaml")
        check("name" in repository and set(repository) <= {"name", "url", "maintainer"}, f"{repository}")
    with case("Home Assistant: yamllint"):
        rules = "{extends: relaxed, rules: {line-length: disable, truthy: disable}}"
        image.run("yamllint", "-s", "-d", rules, *map(str, APP.parent.rglob("*.yaml")))
    config = yaml(APP / "config.yaml")
    with case("Home Assistant: config.yaml has known keys, with values of their types"):
        check(REQUIRED <= set(config) <= set(KEYS), f"{sorted(set(config) - set(KEYS))}, {REQUIRED - set(config)}")
        for key, value in config.items():
            check(type(value) is KEYS[key], f"{key}: {value!r}")
        for key, choices in CHOICES.items():
            check(config.get(key) in choices, f"{key}: {config.get(key)}")
        check(config["version"] == version(), f"version {config['version']}")
        check(re.fullmatch(r"[-_.A-Za-z0-9]+", config["slug"]) and config["slug"] == APP.name, config["slug"])
        check(config["arch"] and set(config["arch"]) <= set(ARCH), f"{config['arch']}")
        releases = image.run("install/release/musl", "--list", cwd=ROOT).split()
        check({ARCH[x] for x in config["arch"]} <= set(releases), f"{config['arch']}, {releases}")
    with case("Home Assistant: the rights that the server needs, and no more"):
        check(config.get("usb") is True and config.get("host_network") is True, "usb, host_network")
        check(not RIGHTS & set(config) and config.get("apparmor", True), f"{RIGHTS & set(config)}")
        check(30 < config["timeout"] <= 300, f"timeout: {config['timeout']}")
    with case("Home Assistant: each option has a schema, a default that fits, and a line in DOCS.md"):
        told = dict(re.findall(r"(?m)^\| `(\w+)` \| (.+) \|$", (APP / "DOCS.md").read_text()))
        check(set(config["options"]) == set(config["schema"]) == set(told) == set(USER), f"{config}, {sorted(told)}")
        for values in (config["options"], USER):
            for key, value in values.items():
                check(is_typed(value, config["schema"][key]), f"{key}: {value}")
        check(not is_typed(["allwo busid 1-1"], config["schema"]["rules"]), "any text is a rule")
    return config


def make_base(buildah, work, name):
    """An image in Alpine's place: busybox, jq, and an apk that installs nothing."""
    root = work / "alpine"
    (root / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    for word in ("sh", "mkdir", "chmod"):
        (root / "bin" / word).symlink_to("busybox")
    (root / "bin/apk").write_text("#!/bin/sh\n[ \"$*\" = 'add --no-cache jq' ]\n")
    (root / "bin/apk").chmod(0o755)
    jq = shutil.which("jq")
    for file in {jq, *re.findall(r"(/\S+) \(", image.run("ldd", jq))}:
        (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / file[1:])
    container = image.run(*buildah, "from", "scratch").strip()
    image.run(*buildah, "copy", "-q", container, str(root), "/")
    image.run(*buildah, "commit", "-q", container, name)
    image.run(*buildah, "rm", container)


def test_app(config, work):
    buildah = ["buildah", "--root", str(work / "storage"), "--runroot", str(work / "run"), "--storage-driver", "vfs"]
    context = work / "app"
    shutil.copytree(APP, context)
    with case("Home Assistant: the image is built for each processor, with that one's binary"):
        make_base(buildah, work, re.search(r"(?m)^FROM (\S+)$", (APP / "Dockerfile").read_text())[1])
        for arch in config["arch"]:
            program = context / f"usbiphp-{arch}"
            program.write_text(f"#!/bin/sh\n# {arch}\nfor word; do printf '%s\\n' \"$word\"; done\n")
            image.run(*buildah, "bud", "-q", "--isolation", "chroot", "--pull-never", "-t", arch,
                      "--build-arg", f"BUILD_ARCH={arch}", "--build-arg", f"BUILD_VERSION={config['version']}",
                      str(context))
            container = image.run(*buildah, "from", "--pull-never", arch).strip()
            root = pathlib.Path(image.run(*buildah, "mount", container).strip())
            check(f"# {arch}\n" in (root / "bin/usbiphp").read_text(), "another binary")
            told = image.run(*buildah, "inspect", "--format", "{{.OCIv1.Config.Cmd}} {{.OCIv1.Config.Entrypoint}}",
                             container)
            check(told.strip() == "[/run.sh] []", told)

    def start(text):
        (root / "data").mkdir(exist_ok=True)
        (root / "data/options.json").write_text(text)
        return subprocess.run(["chroot", root, "/run.sh"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60)

    server = ["server", "--engine", "usbfs"]
    with case("Home Assistant: the script hands over all options as they are"):
        for values, words in ((config["options"], []), (USER, WORDS)):
            done = start(json.dumps(values))
            check(not done.returncode and done.stdout.splitlines() == server + words, f"{done}")
        keys = root / "var/lib/usbiphp/keys"
        check(keys.read_text() == USER["keys"][0] + "\n" and keys.stat().st_mode & 0o777 == 0o600, f"{keys.stat()}")
    with case("Home Assistant: keys that were removed are gone"):
        check(start(json.dumps({**USER, "keys": []})).stdout.splitlines() == server + WORDS[:-2], "--psk")
        check(keys.read_text() == "", "a key is left")
    with case("Home Assistant: without options that can be read, the server does not start"):
        for text in ("", "{", "{}", json.dumps({**USER, "rules": "deny"}), json.dumps({**USER, "keys": None})):
            done = start(text)
            check(done.returncode and not done.stdout, f"{text}: {done}")
    with case("Home Assistant: the server knows these options"):
        (work / "keys").write_text(USER["keys"][0] + "\n")
        (work / "keys").chmod(0o600)
        (work / "sys/bus/usb/devices").mkdir(parents=True)
        words = [x.replace("/var/lib/usbiphp/keys", f"{work}/keys").replace(NASTY, "allow busid 1-1.4") for x in WORDS]
        image.run("make", "-s", "all", cwd=ROOT)
        image.run(str(ROOT / "build/usbiphp"), *server, *words, "--dry-run", "--sysfs", str(work / "sys"),
                  "--run", str(work / "notes"))
    image.run(*buildah, "rm", "--all")
    image.run(*buildah, "rmi", "--all", "--force")


def main():
    if subprocess.run([ROOT / "tests/packages", *TOOLS.split()]).returncode:
        sys.exit(1)
    with tempfile.TemporaryDirectory() as directory, case("the test ran to its end"):
        work = pathlib.Path(directory)
        nix = Nix(work / "nix")
        nix.work.mkdir()
        test_package(nix, work)
        test_module(nix)
        test_flake(nix)
        test_app(test_config(), work)
    finish()


main()
