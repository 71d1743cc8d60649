#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packages of Buildroot and Yocto: install/buildroot and install/yocto.

Neither is here, so this is no proof that they build the packages. The files are held against what both projects have
written down, and their commands are run: those of usbiphp.mk by buildroot.mk beside this file, a stand-in for
Buildroot's generic-package, those of the recipe by a small reader of recipes in this file. Both build the program
with a compiler of this machine. What then is in the target's directory is compared with what make installs.

What is held against, from Buildroot's manual:
- Keeping customizations outside of Buildroot: a tree has external.desc, external.mk and Config.in; the name in
  external.desc has only letters, digits and _; the description has 40 characters or less.
- Config files, Coding style: attributes are indented with a tab; the order is type, default, depends on, select,
  help; the text of a help with a tab and two spaces, and has 62 characters or less in a line; it ends with the URL of
  the project after an empty line; no "default n"; a dependency on the toolchain has a comment, "NAME needs a toolchain
  w/ ...", which appears where the package would; MMU and atomic operations have none, but the comment depends on them.
- The .mk file, Coding style: a header of five lines, 80 hashes, the name, then an empty line; " = " around a value, not
  aligned; tabs in definitions; names begin with that of the package; $() around a name; no default values; the call of
  generic-package is the last line.
- The .hash file: the type, the sum and the name, two spaces between them; each license file has one.
- generic-package reference: scripts of BusyBox and SysV init are /etc/init.d/SNN*, and those that need the network
  come after S40; systemd's units are enabled but for those that a preset disables; options of the kernel are forced
  only where the package cannot do without them.
From Yocto's manuals:
- Recipe Style Guide: recipes-CATEGORY/NAME/NAME_VERSION.bb; spaces around an operator, double quotes, no tabs;
  continued lines begin below the first character after the quote; the order of variables; SUMMARY, HOMEPAGE, LICENSE
  and LIC_FILES_CHKSUM are there.
- Reference manual: PACKAGES are filled in their order, each with what its FILES match (FILES, bitbake.conf); what
  do_install leaves in no package is an error (QA check installed-vs-shipped); one script of /etc/init.d for each
  package (update-rc.d.bbclass); units belong to the package that SYSTEMD_SERVICE names (systemd.bbclass).
- Board support and layers: conf/layer.conf names its collection, its pattern, its priority, the layers that it needs
  and the releases that it is for; a README tells who maintains the layer (yocto-check-layer).
"""

import fnmatch
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import types

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "tests" / "vm"), str(ROOT / "tests")]
sys.dont_write_bytecode = True

import image  # noqa: E402
from fixture import unpack  # noqa: E402
from lab import case, check, finish  # noqa: E402

TREE, LAYER = ROOT / "install/buildroot", ROOT / "install/yocto"
PACKAGE = TREE / "package/usbiphp"
LICENSE = (ROOT / "LICENSE").read_bytes()
VERSION = re.search(r"^VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.M)[1]
URL = "https://usbiphp.example"
SERVICES = ("usbip-bind", "usbip-attach")
LTS = {"kirkstone", "scarthgap", "wrynose"}

# Yocto's variables as its bitbake.conf and classes have them, without a merged /usr.
BITBAKE = {
    "PN": "usbiphp", "BPN": "usbiphp", "PV": VERSION, "BP": "${BPN}-${PV}", "prefix": "/usr", "sysconfdir": "/etc",
    "bindir": "${prefix}/bin", "sbindir": "${prefix}/sbin", "libdir": "${prefix}/lib64", "datadir": "${prefix}/share",
    "libexecdir": "${prefix}/libexec", "mandir": "${datadir}/man", "docdir": "${datadir}/doc",
    "nonarch_base_libdir": "/lib", "systemd_system_unitdir": "${nonarch_base_libdir}/systemd/system",
    "PACKAGES": "${PN}-dbg ${PN}-dev ${PN}-doc ${PN}",
    "FILES:${PN}": "${bindir}/* ${sbindir}/* ${libexecdir}/* ${sysconfdir} ${nonarch_base_libdir}/udev "
                   "${prefix}/lib/udev ${datadir}/${BPN} ${libdir}/${BPN}/*",
    "FILES:${PN}-doc": "${docdir} ${mandir}",
}
CLASSES = {
    "bash-completion": {"PACKAGES": "${PN}-bash-completion",
                        "FILES:${PN}-bash-completion": "${datadir}/bash-completion"},
    "systemd": {}, "update-rc.d": {},
}
ORDER = ("SUMMARY DESCRIPTION HOMEPAGE BUGTRACKER SECTION LICENSE LIC_FILES_CHKSUM DEPENDS PROVIDES PV SRC_URI "
         "SRCREV S inherit PACKAGECONFIG EXTRA_OEMAKE do_configure do_compile do_install PACKAGE_ARCH PACKAGES FILES "
         "RDEPENDS RRECOMMENDS RSUGGESTS RPROVIDES RCONFLICTS BBCLASSEXTEND").split()


def files(root):
    return {"/" + str(path.relative_to(root)) for path in root.rglob("*")
            if path.is_symlink() or not path.is_dir()}


def staged(what, work):
    """What make installs; the same as Buildroot and Yocto get, but for directories."""
    root = work / f"staged-{what}"
    image.run("make", "-s", f"install-{what}", f"DESTDIR={root}", "PREFIX=/usr", cwd=ROOT)
    return files(root)


def same(found, wanted):
    check(found == wanted, f"missing {sorted(wanted - found)}, too much {sorted(found - wanted)}")


def works(root):
    """The program runs, and its services have no path of install.sh, or of a file that is not there."""
    for role in ("usbiphp", "usbiphp-server", "usbiphp-client"):
        said = image.run(str(root / "usr/bin" / role), "--version")
        check(said == f"usbiphp {VERSION}\n", said)
    texts = {name: (root / name[1:]).read_text() for name in files(root)
             if re.match(r"/etc/|(/usr)?/lib/systemd|/usr/lib(exec)?/usbiphp/", name) and (root / name[1:]).is_file()}
    for name, text in texts.items():
        check("/opt/usbip" not in text, f"a path of install.sh in {name}")
        for path in re.findall(r"/usr/(?:bin|lib|libexec)/usbiphp[\w./-]*\w", text):
            check((root / path[1:]).exists(), f"{name}: no {path}")
    for path in [*root.glob("etc/init.d/*"), *root.glob("usr/lib*/usbiphp/**/*.sh")]:
        check(os.access(path, os.X_OK) or path.name == "service.sh", f"{path} cannot be run")


def lines_of(path):
    """The lines of a file that ends as every file here has to."""
    text = path.read_text()
    check(text.endswith("\n") and not text.endswith("\n\n"), f"{path.name}: its end")
    check(not re.search(r"[ \t]\n|\n\n\n", text), f"{path.name}: spaces at an end, or several empty lines")
    check(text.isascii(), f"{path.name}: not ASCII")
    return text.splitlines()


# Buildroot.

def external():
    """The three files of a tree."""
    desc = dict(re.fullmatch(r"(name|desc): +(.+)", line).groups() for line in lines_of(TREE / "external.desc"))
    check(re.fullmatch(r"\w+", desc["name"], re.A), desc["name"])
    check(len(desc["desc"]) <= 40, desc["desc"])
    path = f"BR2_EXTERNAL_{desc['name']}_PATH"
    check(f'source "${path}/package/usbiphp/Config.in"' in lines_of(TREE / "Config.in"), "Config.in")
    check(f"include $(sort $(wildcard $({path})/package/*/*.mk))" in lines_of(TREE / "external.mk"), "external.mk")


def entries(lines):
    """[(kind, name, [(attribute, rest)], [lines of the help])] of a Config.in."""
    found, helping = [], False
    for line in "\n".join(lines).replace("\\\n\t\t", "").split("\n"):
        if helping and (not line or line.startswith("\t  ")):
            found[-1][3].append(line)
        elif line.startswith("\t"):
            check(not line.startswith(("\t ", "\t\t")), f"indent: {line!r}")
            name, _, rest = line[1:].partition(" ")
            found[-1][2].append((name, rest))
            helping = name == "help"
        elif line and line[0] != "#":
            check(line[0] != " ", f"indent: {line!r}")
            kind, _, rest = line.partition(" ")
            found.append((kind, rest, [], []))
            helping = False
    return found


def config():
    order = ("bool", "default", "depends", "select", "help")
    found = entries(lines_of(PACKAGE / "Config.in"))
    configs = [entry for entry in found if entry[0] == "config"]
    check([entry[1] for entry in configs] == [f"BR2_PACKAGE_USBIPHP{x}" for x in ("", "_SERVER", "_CLIENT")], configs)
    check([entry[0] for entry in found] == ["config", "if", "config", "config", "endif", "comment"], found)
    for _, name, attributes, text in configs:
        places = [order.index(attribute) for attribute, _ in attributes]
        check(places == sorted(places) and places[0] == 0 and places[-1] == 4, f"{name}: order of {attributes}")
        check(("default", "n") not in attributes, f"{name}: default n")
        for line in text:
            check(not line or re.fullmatch(r"\t  \S.{,61}", line), f"{name}: {line!r}")
    while not configs[0][3][-1]:
        configs[0][3].pop()
    check(configs[0][3][-2:] == ["", f"\t  {URL}"], "its help does not end with the URL")


def dependencies():
    """The comment says what the toolchain lacks, and depends on the rest."""
    found = entries(lines_of(PACKAGE / "Config.in"))
    needs = [rest.removeprefix("on ").split(" #")[0] for name, rest in found[0][2] if name == "depends"]
    kind, text, attributes, _ = found[-1]
    unmet = [rest.removeprefix("on ") for _, rest in attributes]
    toolchain = [x for x in needs if "_AT_LEAST_" in x]
    check(set(unmet[:-1]) == set(needs) - set(toolchain), f"{unmet} against {needs}")
    check(unmet[-1] == " || ".join(f"!{x}" for x in toolchain), unmet[-1])
    words = [re.sub(r".*_(HEADERS|GCC)_AT_LEAST_(.*)", lambda m: f"{m[1].lower()} >= {m[2].replace('_', '.')}", x)
             for x in toolchain]
    check(text == f'"usbiphp needs a toolchain w/ {", ".join(words)}"', text)
    check("BR2_USE_MMU" in needs, "fork() needs an MMU")


def makefile():
    lines = lines_of(PACKAGE / "usbiphp.mk")
    hashes = "#" * 80
    check(lines[:6] == [hashes, "#", "# usbiphp", "#", hashes, ""], lines[:6])
    check(lines[-1] == "$(eval $(generic-package))", lines[-1])
    inside, more, values = False, False, {}
    for line in lines[6:-1]:
        if line.startswith("#"):
            continue
        check("${" not in line and not re.search(r"(  |\t) ?\\$", line), line)
        if line == "endef":
            inside = False
        elif inside or more:
            check(line.startswith("\t"), f"no tab: {line!r}")
        elif line:
            check(re.match(r"(define )?USBIPHP_[A-Z_]+( \+?= \S| \+?= \\$|$)|(ifn?eq \(.*\)|else|endif)$", line), line)
            inside = line.startswith("define ")
            name, _, value = line.partition(" = ")
            if value and value != "\\":
                check(name not in values, f"{name} is set twice")
                values[name] = value
        more = line.endswith("\\")
    check(values["USBIPHP_VERSION"] == VERSION, f"{values['USBIPHP_VERSION']}, not {VERSION}")
    check(values["USBIPHP_LICENSE"] == "MIT" and values["USBIPHP_LICENSE_FILES"] == "LICENSE", "license")
    for name, default in (("SOURCE", None), ("INSTALL_TARGET", "YES"), ("INSTALL_STAGING", "NO")):
        check(f"USBIPHP_{name}" not in values or default, f"USBIPHP_{name} is the default")
        check(values.get(f"USBIPHP_{name}", "") != default, f"USBIPHP_{name} is the default")


def sums():
    found = {}
    for line in lines_of(PACKAGE / "usbiphp.hash"):
        if not line.startswith("#"):
            kind, value, name = re.fullmatch(r"(sha256)  ([0-9a-f]{64})  (\S+)", line).groups()
            found[name] = value
    check(found == {"LICENSE": hashlib.sha256(LICENSE).hexdigest()}, found)


class Buildroot:
    """The stand-in, with a compiler whose libc is musl, and several outputs of one build."""

    def __init__(self, work):
        self.work, self.compiler = work, work / "musl-target-gcc"
        self.compiler.write_text("#!/bin/sh\nexec musl-gcc \"$@\" -idirafter /usr/include "
                                 f"-idirafter /usr/include/{os.uname().machine}-linux-gnu\n")
        self.compiler.chmod(0o755)

    def make(self, target, *options):
        return image.run("make", "-s", "-j2", "-f", str(HERE / "buildroot.mk"), f"TREE={TREE}", f"O={self.work / 'o'}",
                         f"CC={self.compiler}", *(f"BR2_{x}=y" for x in options), target)

    def install(self, *options):
        shutil.rmtree(self.work / "o/target", ignore_errors=True)
        self.make("all", *options)
        works(self.work / "o/target")
        return self.work / "o/target"


def moved(names, *pairs):
    """The names with other places."""
    for old, new in (("/usr/lib/udev/", "/lib/udev/"), *pairs):
        names = {new + name[len(old):] if name.startswith(old) else name for name in names}
    return names


def numbered(*services):
    return tuple((f"/etc/init.d/{x}", f"/etc/init.d/S60{x}") for x in services)


def test_buildroot(work):
    for title, rule in (("the files of a br2-external tree", external), ("Config.in: its form", config),
                        ("Config.in: what the toolchain lacks is told", dependencies),
                        ("usbiphp.mk: its form, and the version", makefile), ("usbiphp.hash", sums)):
        with case(f"buildroot: {title}"):
            rule()
    buildroot = Buildroot(work)
    with case("buildroot: the source is the clone, without what was built there"):
        staged("sysvinit", work)
        buildroot.make("source")
        source = work / "o/build/usbiphp"
        check((source / "usbiphp.c").exists() and (ROOT / "build").exists(), "no source")
        check(not (source / "build").exists() and (source / "tests/build").exists(), "another exclusion")
    with case("buildroot: BusyBox and SysV init: what make installs; nothing is started at boot"):
        root = buildroot.install("INIT_BUSYBOX")
        same(files(root), moved(staged("sysvinit", work)))
        check(not list(root.glob("etc/init.d/S*")), "a script has a number")
    with case("buildroot: with musl and without BR2_PIC_PIE the program is static, and no PIE"):
        header = image.run("readelf", "-hl", str(root / "usr/bin/usbiphp"))
        check("INTERP" not in header and "EXEC (" in header, header)
        check("-no-pie" in buildroot.make("print") and "-no-pie" not in buildroot.make("print", "PIC_PIE"), "-no-pie")
    with case("buildroot: SysV init: a selected role has a number behind the network's, as often as it is installed"):
        root = buildroot.install("INIT_SYSV", "PACKAGE_USBIPHP_SERVER", "PACKAGE_USBIPHP_CLIENT")
        wanted = moved(staged("sysvinit", work), *numbered(*SERVICES))
        same(files(root), wanted)
        buildroot.make("all", "INIT_SYSV", "PACKAGE_USBIPHP_SERVER", "PACKAGE_USBIPHP_CLIENT")
        same(files(root), wanted)
    test_scripts(root)
    with case("buildroot: systemd: units in their place, and a preset that enables only a selected role"):
        for options, enabled in (((), []), (("SERVER",), ["bind"]), (("CLIENT",), ["attach", "sleep"])):
            root = buildroot.install("INIT_SYSTEMD", *(f"PACKAGE_USBIPHP_{x}" for x in options))
            preset = "/usr/lib/systemd/system-preset/50-usbiphp.preset"
            same(files(root), moved(staged("systemd", work)) | {preset})
            lines = [f"enable usbip-{x}.service" for x in enabled]
            lines += [f"disable usbip-{x}.service" for x in ("bind", "attach", "sleep")]
            check((root / preset[1:]).read_text().splitlines() == lines, (root / preset[1:]).read_text())
            check(all((root / f"usr/lib/systemd/system/usbip-{x}.service").exists() for x in enabled), "no such unit")
    with case("buildroot: OpenRC: scripts in their place, and a selected role in the runlevel"):
        root = buildroot.install("INIT_OPENRC", "PACKAGE_USBIPHP_CLIENT")
        links = {f"/etc/runlevels/default/{x}" for x in ("usbip-attach", "usbip-unmount")}
        same(files(root), moved(staged("openrc", work)) | links)
        check(all((root / os.readlink(root / x[1:])[1:]).exists() for x in links), "a link leads nowhere")
    with case("buildroot: the kernel's options: the client cannot do without vhci-hcd, the server needs no module"):
        plain = {"CONFIG_NET", "CONFIG_USB_SUPPORT", "CONFIG_USB"}
        same(set(buildroot.make("kernel", "PACKAGE_USBIPHP_SERVER").split()), plain)
        same(set(buildroot.make("kernel", "PACKAGE_USBIPHP_CLIENT").split()),
             plain | {"CONFIG_USBIP_CORE", "CONFIG_USBIP_VHCI_HCD"})


def alive(pid):
    """Not if nobody has waited for its end yet."""
    path = pathlib.Path(f"/proc/{pid}/cmdline")
    return path.exists() and path.read_bytes()


def test_scripts(root):
    """The target's root directory with busybox: what init would do."""
    for name in ("bin", "proc", "dev", "sys", "run", "tmp", "var/run", "var/lib"):
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin")
    for applet in subprocess.check_output(["/bin/busybox", "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    unpack("host-6.1.tree", root / "sys")
    (root / "etc/init.d/rcK").write_text("#!/bin/sh\nfor i in $(ls -r /etc/init.d/S??*); do $i stop; done\n")
    (root / "etc/init.d/rcK").chmod(0o755)
    (root / "usr/lib/usbiphp/unmount.sh").write_text('#!/bin/sh\necho "unmount $1"\n')
    for name in ("null", "urandom"):
        (root / "dev" / name).touch()

    def sh(command):
        """Each in a mount namespace of its own, so that nothing stays mounted."""
        inside = 'cd "$1" && mount -t proc proc proc && for i in dev/null dev/urandom; do mount --bind /$i $i; done'
        done = subprocess.run(["unshare", "-m", "sh", "-c", f'{inside} && exec chroot . /bin/sh -c "$2"', "sh", root,
                               command], stdin=subprocess.DEVNULL, timeout=180, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        return done.returncode, done.stdout

    try:
        with case("buildroot: S60usbip-bind starts the server; rcK stops it, and unmounts at that"):
            status, text = sh("/etc/init.d/S60usbip-bind start && /etc/init.d/S60usbip-bind status")
            check(status == 0 and "usbip-bind is running\n" in text, text)
            pid = (root / "var/run/usbip-bind-supervisor.pid").read_text().strip()
            check(pathlib.Path(f"/proc/{pid}/root/usr/bin/usbiphp").exists(), f"process {pid} is not of it")
            status, text = sh("/etc/init.d/rcK")
            check("unmount 5\n" in text and text.count("unmount") == 1, text)
            check(not alive(pid), "its supervisor still runs")
            check(sh("/etc/init.d/S60usbip-bind status")[0] == 3, "it still runs")
        with case("buildroot: S60usbip-attach without a machine is not started, and unmounts nothing when stopped"):
            status, text = sh("/etc/init.d/S60usbip-attach start")
            check(status == 6, f"status {status}: {text}")
            status, text = sh("/etc/init.d/S60usbip-attach stop")
            check("unmount" not in text, text)
    finally:
        sh("/etc/init.d/S60usbip-bind stop")


# Yocto.

class Recipe:
    """What a recipe says, as far as this one needs it."""

    def __init__(self, path, **more):
        self.values = BITBAKE | {"THISDIR": str(path.parent), "FILE": str(path)} | more
        self.functions, self.names = {}, []
        lines = iter(re.sub(r"\\\n", "\\\\ ", path.read_text()).splitlines())
        for line in lines:
            if not line or line[0] == "#":
                continue
            if function := re.fullmatch(r"(\w+)\(\) \{", line):
                self.names.append(function[1])
                self.functions[function[1]] = "\n".join(iter(lines.__next__, "}"))
            elif line.startswith("inherit "):
                self.names.append("inherit")
                for name in line.split()[1:]:
                    for variable, value in CLASSES[name].items():
                        self.values[variable] = self.values.get(variable, "") + " " + value
            else:
                self.assign(*re.fullmatch(r'([\w:${}\[\]-]+) (=|\+=|=\+) "([^"]*)"', line).groups())

    def assign(self, name, operator, value):
        self.names.append(name)
        value, old = re.sub(r"\\ ", "", value), self.values.get(name, "")
        self.values[name] = {"=": value, "+=": f"{old} {value}", "=+": f"{value} {old}"}[operator]

    def expand(self, text):
        contains = types.SimpleNamespace(contains=lambda name, word, yes, no, d: (
            yes if word in self.values[name].split() else no))
        text = re.sub(r"\$\{@(.*?)\}", lambda m: eval(m[1], {"bb": types.SimpleNamespace(utils=contains), "d": None}),
                      text)
        while (found := re.search(r"\$\{(\w+)\}", text)):
            text = text.replace(found[0], self.values[found[1]])
        return text

    def get(self, name):
        return " ".join(self.expand(self.values.get(name, "")).split())

    def of(self, name, package):
        """A variable of a package."""
        suffix = package.removeprefix("usbiphp")
        return self.get(f"{name}:${{PN}}{suffix}").split()

    def run(self, task):
        """As base.bbclass, whose do_compile is one call of oe_runmake."""
        body = self.functions.get(task) or {"do_compile": "oe_runmake"}[task]
        script = f"set -e\noe_runmake() {{ make -s -j2 {self.get('EXTRA_OEMAKE')} \"$@\" || exit 1; }}\n"
        env = os.environ | {"CC": "gcc", "CFLAGS": "-O0 -g0", "LDFLAGS": "-Wl,-O1 -Wl,--hash-style=gnu"}
        image.run("sh", "-c", script + self.expand(body), cwd=self.values["S"], env=env)

    def packages(self):
        """{package: its files}, and what is in none."""
        left, found = files(pathlib.Path(self.values["D"])), {}
        for package in self.get("PACKAGES").split():
            units = [f"{self.get('systemd_system_unitdir')}/{x}" for x in self.of("SYSTEMD_SERVICE", package)]
            patterns = self.of("FILES", package) + units
            found[package] = {name for name in left for x in patterns
                              if fnmatch.fnmatchcase(name, x) or name.startswith(x + "/")}
            left -= found[package]
        return found, left


def layer():
    text = "\n".join(lines_of(LAYER / "conf/layer.conf"))
    values = dict(re.findall(r'^(\w+) (?:=|\.=|\+=) "(.*)"$', text, re.M))
    name = values["BBFILE_COLLECTIONS"]
    check(values["BBPATH"] == ":${LAYERDIR}" and values["BBFILES"] == "${LAYERDIR}/recipes-*/*/*.bb", values)
    check(values[f"BBFILE_PATTERN_{name}"] == "^${LAYERDIR}/" and values[f"BBFILE_PRIORITY_{name}"].isdigit(), values)
    check(values[f"LAYERDEPENDS_{name}"] == "core", values)
    check(LTS <= set(values[f"LAYERSERIES_COMPAT_{name}"].split()), values[f"LAYERSERIES_COMPAT_{name}"])
    readme = (LAYER / "README.md").read_text()
    check("Maintainer: " in readme and "@" in readme and "patches" in readme, "README.md")


def recipe_path():
    found = list(LAYER.glob("recipes-*/*/*.bb"))
    check([x.relative_to(LAYER).as_posix() for x in found] ==
          [f"recipes-connectivity/usbiphp/usbiphp_{VERSION}.bb"], found)
    return found[0]


def recipe_form():
    path = recipe_path()
    begin = None
    for line in lines_of(path):
        check("\t" not in line, f"a tab: {line!r}")
        if begin is not None:
            check(re.match(rf" {{{begin}}}\S", line), f"not below the quote: {line!r}")
        elif "=" in line and line[0] not in "# ":
            check(re.match(r'[^ ]+ (=|\+=|=\+) "', line), line)
        if line.endswith("\\"):
            begin = line.index('"') + 1 if begin is None else begin
        else:
            begin = None
    recipe = Recipe(path)
    places = [ORDER.index(x) for name in recipe.names if (x := name.partition(":")[0].partition("[")[0]) in ORDER]
    check(places == sorted(places), f"order: {[ORDER[x] for x in places]}")
    for name in ("SUMMARY", "DESCRIPTION", "HOMEPAGE", "SECTION", "LICENSE", "LIC_FILES_CHKSUM", "SRC_URI"):
        check(recipe.get(name), f"no {name}")
    check(recipe.get("HOMEPAGE") == URL and recipe.get("LICENSE") == "MIT", "homepage, license")


def recipe_source():
    """What make dist writes, and its license."""
    recipe = Recipe(recipe_path())
    kind, _, path = recipe.get("SRC_URI").partition("://")
    written = image.run("make", "-n", "dist", cwd=ROOT).split(" -o ")[1].split()[0]
    check(kind == "file" and os.path.normpath(path) == str(ROOT / written), f"{path}, not {written}")
    check(recipe.get("LIC_FILES_CHKSUM") == f"file://LICENSE;md5={hashlib.md5(LICENSE).hexdigest()}", "md5 of LICENSE")


def recipe_services():
    recipe = Recipe(recipe_path())
    check(recipe.get("SYSTEMD_AUTO_ENABLE") == "disable", "enabled by systemd")
    check(recipe.get("INITSCRIPT_PARAMS").startswith("stop ") and "start" not in recipe.get("INITSCRIPT_PARAMS"),
          "started by sysvinit")
    for role, service, module in (("server", "usbip-bind", "usbip-host"), ("client", "usbip-attach", "vhci-hcd")):
        package = f"usbiphp-{role}"
        for name in ("SYSTEMD_PACKAGES", "INITSCRIPT_PACKAGES", "PACKAGES"):
            check(package in recipe.get(name).split(), f"no {package} in {name}")
        check(recipe.of("INITSCRIPT_NAME", package) == [service], package)
        check(f"{service}.service" in recipe.of("SYSTEMD_SERVICE", package), package)
        check(recipe.of("RDEPENDS", package) == ["usbiphp"], package)
        check(recipe.of("RRECOMMENDS", package) == [f"kernel-module-{module}"], package)
        check(recipe.of("CONFFILES", package) == [f"/etc/default/{service}"], package)
    check(recipe.of("RRECOMMENDS", "usbiphp") == ["kernel-module-tls"], "usbiphp")
    check(not [x for x in recipe.values if x.startswith(("SYSTEMD_SERVICE", "INITSCRIPT_NAME")) and ":" not in x],
          "a service of no package")


def placed(names, *pairs):
    """Where Yocto has them: scripts in libexec, what udev and systemd read in /lib."""
    for old, new in (("/usr/lib/usbiphp/", "/usr/libexec/usbiphp/"), ("/usr/lib/udev/", "/lib/udev/"),
                     ("/usr/lib/systemd/", "/lib/systemd/"), *pairs):
        names = {new + name[len(old):] if name.startswith(old) else name for name in names}
    return names


def test_yocto(work):
    for title, rule in (("the layer", layer), ("the recipe: its form", recipe_form),
                        ("the recipe: its source and license", recipe_source),
                        ("the recipe: a package for each role, its service disabled", recipe_services)):
        with case(f"yocto: {title}"):
            rule()
    source = work / f"usbiphp-{VERSION}"
    shutil.copytree(ROOT, source, ignore=lambda top, names: [
        x for x in names if x[0] == "." or top == str(ROOT) and x in ("build", "tests")])
    wanted = {what: placed(staged(what, work)) for what in ("systemd", "sysvinit")}
    for features in ("systemd", "sysvinit", "systemd sysvinit"):
        with case(f"yocto: with {features}: what make installs, and each file is in a package"):
            root = work / features.replace(" ", "-")
            recipe = Recipe(recipe_path(), D=str(root), S=str(source), DISTRO_FEATURES=features)
            recipe.run("do_compile")
            recipe.run("do_install")
            same(files(root), set().union(*(wanted[x] for x in features.split())))
            works(root)
            found, left = recipe.packages()
            check(not left, f"in no package: {sorted(left)}")
            for role, service, rule in (("server", "usbip-bind", "72-usbiphp"),
                                        ("client", "usbip-attach", "73-usbiphp-client")):
                named = {f"/usr/bin/usbiphp-{role}", f"/etc/default/{service}", f"/lib/udev/rules.d/{rule}.rules"}
                named |= {f"/lib/systemd/system/{service}.service"} if "systemd" in features else set()
                named |= {f"/etc/init.d/{service}"} if "sysvinit" in features else set()
                check(named <= found[f"usbiphp-{role}"], f"not in usbiphp-{role}: {named - found[f'usbiphp-{role}']}")
            check("/usr/bin/usbiphp" in found["usbiphp"], found["usbiphp"])
            check(all("/man/" in x for x in found["usbiphp-doc"]) and found["usbiphp-doc"], found["usbiphp-doc"])
            check(found["usbiphp-bash-completion"], "no completion")
    with case("yocto: with glibc the program is linked with it, as a PIE"):
        header = image.run("readelf", "-hl", str(work / "systemd/usr/bin/usbiphp"))
        check("INTERP" in header and "DYN (" in header, header)


def main():
    for test in (test_buildroot, test_yocto):
        with tempfile.TemporaryDirectory() as directory, case(f"{test.__name__} ran to its end"):
            test(pathlib.Path(directory).resolve())
    finish()


if __name__ == "__main__":
    main()
