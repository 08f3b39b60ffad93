"""Plugins that are broken, each in its own way, and the folders that make them distributions to Python."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import NamedTuple

HEADER = "from gankit.plug.hookspecs import Entry, hookimpl\n"
GOOD = """
    @hookimpl
    def gankit_losses():
        yield Entry(name="good", target="good_parts:Good", api=1, summary="works")
"""


class Site:
    """A `site-packages`: folders with METADATA and entry_points.txt, and modules beside them. No pip is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, module: str, code: str) -> None:
        (self.folder / f"{module}.py").write_text(HEADER + textwrap.dedent(code))

    def metadata(self, dist: str, points: str, version: str = "1.0", suffix: str = "dist-info") -> Path:
        info = self.folder / f"{dist.replace('-', '_')}-{version}.{suffix}"
        info.mkdir()
        file = "METADATA" if suffix == "dist-info" else "PKG-INFO"
        (info / file).write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(points)
        return info

    def install(self, dist: str, code: str, *, point: str = "plug", attribute: str = "", version: str = "1.0") -> None:
        module = dist.replace("-", "_") + "_plugin"
        self.write(module, code)
        self.metadata(dist, f"[gankit]\n{point} = {module}{attribute}\n", version)


def loss(name: str = "mine", target: str = "good_parts:Good") -> str:
    return f'@hookimpl\ndef gankit_losses():\n    yield Entry(name="{name}", target="{target}", api=1)\n'


NO_PARTS = "@hookimpl\ndef gankit_losses(): return []\n"
BROKEN = {
    "import-error": ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
    "syntax-error": ("def (:", "SyntaxError: invalid syntax"),
    "system-exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "base-exception": ("raise GeneratorExit", "GeneratorExit"),
    "multi-line-error": ("raise ValueError('one\\n two\\x1b[2J')", "ValueError: one two?[2J"),
    "error-without-str": (
        "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad",
        "Bad: (its message cannot be read)",
    ),
    "no-hooks": ("x = 1", "no function in it is marked with @gankit.hookimpl"),
    "no-marker": ("def gankit_losses(): return []", "gankit_losses lacks the marker @gankit.hookimpl"),
    "unknown-hook": (
        "@hookimpl\ndef gankit_lossess(): return []",
        "there is no hook 'gankit_lossess'. Did you mean 'gankit_losses'?",
    ),
    "wrong-signature": ("@hookimpl\ndef gankit_losses(config): return []", "Argument(s) {'config'} are declared"),
    "wrapper": ("@hookimpl(wrapper=True)\ndef gankit_losses(): return (yield)", "a hook wrapper cannot provide parts"),
    "hook-raises": ("@hookimpl\ndef gankit_losses(): 1 / 0", "gankit_losses is dropped: ZeroDivisionError: division"),
    "hook-exits": ("@hookimpl\ndef gankit_losses(): raise SystemExit", "gankit_losses is dropped: SystemExit"),
    "raises-after-a-record": (loss("half") + "    1 / 0", "gankit_losses is dropped: ZeroDivisionError: division"),
    "endless": (
        "@hookimpl\ndef gankit_losses():\n    while True: yield 1",
        "gankit_losses is dropped: it yields more than 10,000 records",
    ),
    "recursive": (
        "from gankit.plug import registry\n@hookimpl\ndef gankit_losses(): return registry.names('losses')",
        "it asks for gankit's parts while gankit looks for plugins",
    ),
    "nothing-returned": ("@hookimpl\ndef gankit_losses(): pass", "it returns NoneType, not an iterable of Entry"),
    "string-returned": ("@hookimpl\ndef gankit_losses(): return 'r1'", "it returns str, not an iterable of Entry"),
    "single-entry": (
        "@hookimpl\ndef gankit_losses(): return Entry(name='mine', target='a:b', api=1)",
        "it returns a single Entry; yield it, or return it in a list",
    ),
    "wrong-record": ("@hookimpl\ndef gankit_losses(): yield ('mine', 'a:b')", "a record is tuple, not gankit.Entry"),
    "record-without-repr": (
        "class Bad:\n    def __repr__(self): raise ValueError\n    __str__ = __repr__\n"
        "@hookimpl\ndef gankit_losses(): yield Bad()",
        "a record is Bad, not gankit.Entry",
    ),
    "name-without-repr": (
        "class Bad:\n    def __repr__(self): raise SystemExit\n"
        "@hookimpl\ndef gankit_losses(): yield Entry(name=Bad(), target='a:b', api=1)",
        "the name <Bad, whose repr fails> must be a string",
    ),
    "name-not-a-string": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name=7, target='a:b', api=1)",
        "the name 7 must be a string of a-z, 0-9 and '-'",
    ),
    "name-malformed": (loss("Hinge_2"), "the name 'Hinge_2' must be a string of a-z, 0-9 and '-'"),
    "name-with-newline": (loss("mine\\n"), "the name 'mine\\n' must be a string of a-z, 0-9 and '-'"),
    "target-without-colon": (loss(target="a.b"), "the target 'a.b' of 'mine' must read 'package.module:attribute'"),
    "summary-not-a-string": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b', api=1, summary=None)",
        "the summary None of 'mine' must be a string",
    ),
    "api-not-an-integer": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b', api='1')",
        "the api '1' of 'mine' must be an integer such as 2",
    ),
    "api-a-boolean": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b', api=True)",
        "the api True of 'mine' must be an integer such as 2",
    ),
    "newer-api": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b', api=3)",
        "'mine' is for plugin API 3, but this gankit has 2: upgrade gankit",
    ),
    "older-api": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b', api=0)",
        "'mine' is for plugin API 0, but this gankit has 2: upgrade ",
    ),
    "built-in-name": (loss("hinge"), "gankit_losses: 'hinge' is the name of a built-in part"),
    "constructor-fails": (
        "class Plugin:\n    def __init__(self, needed): pass\nimport sys; sys.modules[__name__] = Plugin",
        "TypeError: ",
    ),
    "plugin-without-repr": (
        "import sys\nclass Bad:\n    def __repr__(self): raise ValueError\n    __eq__ = __hash__ = __repr__\n"
        "    @hookimpl\n    def gankit_losses(self): 1 / 0\nsys.modules[__name__] = Bad()",
        "gankit_losses is dropped: ZeroDivisionError",
    ),
    # what it does to the process while it is found
    "prints-and-fails": ("print('Welcome!\\n' * 3)\nraise RuntimeError('no licence')", "RuntimeError: no licence"),
    "recursion": ("def again(): return again()\nagain()", "RecursionError: maximum recursion depth exceeded"),
    "recursion-in-the-hook": (
        "@hookimpl\ndef gankit_losses(): return gankit_losses()",
        "gankit_losses is dropped: RecursionError: maximum recursion depth exceeded",
    ),
    "warning-made-an-error": (
        "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('losses are to be named anew')",
        "UserWarning: losses are to be named anew",
    ),
    "gone-from-sys-modules": ("import sys\ndel sys.modules[__name__]", "KeyError: "),
    "takes-stdout": ("import io, sys\nsys.stdout = io.StringIO()\n1 / 0", "ZeroDivisionError: division by zero"),
    "takes-stderr": ("import io, sys\nsys.stderr = io.StringIO()\n1 / 0", "ZeroDivisionError: division by zero"),
    "closes-stdout": ("import sys\nsys.stdout.close()\n1 / 0", "ZeroDivisionError: division by zero"),
    "lists-while-found": (
        "import gankit\n@hookimpl\ndef gankit_losses(): return gankit.plugins().rows",
        "gankit_losses is dropped: it asks for gankit's parts while gankit looks for plugins",
    ),
    "memory": ("raise MemoryError", "MemoryError"),
    # what it says
    "ansi": ("raise OSError('\\x1b[2J\\x1b[31mred\\x07')", "OSError: ?[2J?[31mred?"),
    "turned-round": ("raise ValueError('\\u202eevil\\u2028two\\rthree')", "ValueError: ?evil two three"),
    "a-book": ("raise ValueError('word ' * 200_000)", "ValueError: word word"),
    "type-with-newline": ("raise type('Bad\\nName\\x1b[2J', (Exception,), {})('oh')", "Bad Name?[2J: oh"),
    "two-at-once": (
        "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
        "ExceptionGroup: two (2 sub-exceptions)",
    ),
    "message-no-string": (
        "class Bad(Exception):\n    def __str__(self): return 7\nraise Bad",
        "Bad: (its message cannot be read)",
    ),
    # what it answers
    "old-wrapper": ("@hookimpl(hookwrapper=True)\ndef gankit_losses(): yield", "a hook wrapper cannot provide parts"),
    "marker-of-another": (
        "import pluggy\n@pluggy.HookimplMarker('pytest')\ndef gankit_losses(): return []",
        "gankit_losses lacks the marker @gankit.hookimpl",
    ),
    "coroutine": ("@hookimpl\nasync def gankit_losses(): return []", "it returns coroutine, not an iterable of Entry"),
    "asynchronous-generator": (
        "@hookimpl\nasync def gankit_losses(): yield 1",
        "it returns async_generator, not an iterable of Entry",
    ),
    "class-returned": ("@hookimpl\ndef gankit_losses(): return Entry", "it returns type, not an iterable of Entry"),
    "endless-iterator": (
        "import itertools\n@hookimpl\ndef gankit_losses(): return itertools.count()",
        "it yields more than 10,000 records",
    ),
    "iterator-fails": (
        "class Bad:\n    def __iter__(self): return self\n    def __next__(self): raise OSError('disk')\n"
        "@hookimpl\ndef gankit_losses(): return Bad()",
        "gankit_losses is dropped: OSError: disk",
    ),
    "name-of-bytes": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name=b'mine', target='a:b', api=1)",
        "the name b'mine' must be a string of a-z, 0-9 and '-'",
    ),
    "record-fails-when-read": (
        "class Lazy(Entry):\n    @property\n    def api(self): raise LookupError('later')\n"
        "    def __init__(self): pass\n    name, target = 'mine', 'a:b'\n"
        "@hookimpl\ndef gankit_losses(): yield Lazy()",
        "gankit_losses: LookupError: later",
    ),
    "target-of-a-path": (loss(target="good_parts/loss.py:Good"), "must read 'package.module:attribute'"),
    "record-without-api": (
        "@hookimpl\ndef gankit_losses(): yield Entry(name='mine', target='a:b')",
        "TypeError: Entry.__init__() missing 1 required keyword-only argument: 'api'",
    ),
    # what it does to others while it is imported
    "empties-the-path": ("import sys\nsys.path.clear()\n" + NO_PARTS, "being imported it empties sys.path, which was"),
    "shortens-the-path": ("import sys\ndel sys.path[0]\n" + NO_PARTS, "off sys.path, which was undone"),
    "takes-finders": ("import sys\nsys.meta_path.clear()\n" + NO_PARTS, "takes finders off sys.meta_path, which was"),
    "moves": ("import os\nos.chdir('/')\n" + NO_PARTS, "changes the working directory, which was undone"),
    "replaces-open": ("import builtins\nbuiltins.open = print\n" + NO_PARTS, "it replaces builtins.open, which was"),
    "takes-json": ("import sys, json\ndel sys.modules['json']\n" + NO_PARTS, "takes json out of sys.modules, which"),
    "attributes-fail": (
        "def __getattr__(name): raise RuntimeError(f'no {name}')",
        "RuntimeError: no gankit_",
    ),
}
"""Name: (the code of a plugin, part of what is said of it)."""


WRONG = """
    seven = 7
    def integer(): return 7
    def nothing(): return None
    def fails(): raise RuntimeError("no licence")
    class Half:
        def generator(self, ops, real, fake): return 0
    class Shut:
        def __getattribute__(self, name): raise RuntimeError(f"no {name}")
    class Property:
        generator_needs_real = False
        @property
        def conditional(self): raise LookupError("later")
        def discriminator(self, ops, real, fake): return 0
        generator = discriminator
"""
NO_LOSSES = {
    "integer-itself": (
        "seven",
        "'wrong_parts:seven' of used-integer-itself 0.3, which cannot be used: TypeError: 7 is not",
    ),
    "integer": ("integer", "of used-integer 0.3, which makes an int, 7: it has no discriminator()"),
    "nothing": ("nothing", "of used-nothing 0.3, which makes a NoneType, None: it has no discriminator()"),
    "fails": ("fails", "of used-fails 0.3, which cannot be used: RuntimeError: no licence"),
    "half": ("Half", "it has no discriminator(), and is none of them"),
    "shut": ("Shut", "of used-shut 0.3, whose 'discriminator' raises RuntimeError: no discriminator"),
    "property": ("Property", "of used-property 0.3, whose 'conditional' raises LookupError: later"),
}
"""Targets that are found and make no loss: (attribute, part of what is said of it)."""


class Told(NamedTuple):
    """How a distribution is named in its line, and part of what is said of it."""

    distribution: str
    error: str
    version: str = "1.0"
    point: str = "plug"


def damaged(site: Site) -> list[Told]:
    """Install distributions whose own files are broken; what must be said of each."""
    site.write("fine", loss("mine"))
    point = "[gankit]\nplug = fine\n"
    (site.metadata("damaged-nowhere", point) / "entry_points.txt").write_text("[gankit]\nplug = no_such_plugin\n")
    (site.metadata("damaged-attribute", point) / "entry_points.txt").write_text("[gankit]\nplug = fine:Plugin\n")
    (site.metadata("damaged-value", point) / "entry_points.txt").write_text("[gankit]\nplug = not a module!\n")
    (site.metadata("damaged-empty", point) / "entry_points.txt").write_text("[gankit]\nplug =\n")
    (site.metadata("damaged-elsewhere", point) / "entry_points.txt").write_text("[gankit]\nplug = json\n")
    (site.metadata("damaged-builtin", point) / "entry_points.txt").write_text("[gankit]\nplug = gankit.plug.builtin\n")
    (site.metadata("damaged-terminal", point) / "entry_points.txt").write_text("[gankit]\n\x1b[2Jplug = nowhere\n")
    unsaid = site.metadata("damaged-without-metadata", "[gankit]\nplug = nowhere\n", version="2.0")
    (unsaid / "METADATA").unlink()
    nameless = site.metadata("damaged-without-version", "[gankit]\nplug = nowhere\n")
    (nameless / "METADATA").write_text("Metadata-Version: 2.1\nName: damaged-without-version\n")
    painted = site.metadata("damaged-name", "[gankit]\nplug = nowhere\n")
    (painted / "METADATA").write_text("Metadata-Version: 2.1\nName: dam\x1b[31maged\nVersion: 1.0\x07\n")
    site.install("damaged-builds", "import gankit\ngankit.build(data='ring')")
    missing = "ModuleNotFoundError: No module named 'nowhere'"
    return [
        Told("damaged-nowhere", "ModuleNotFoundError: No module named 'no_such_plugin'"),
        Told("damaged-attribute", "AttributeError: module 'fine' has no attribute 'Plugin'"),
        Told("damaged-value", "Error: "),
        Told("damaged-empty", "Error: "),
        Told("damaged-elsewhere", "no function in it is marked with @gankit.hookimpl"),
        Told("damaged-builtin", "is the name of a built-in part"),
        Told("damaged-builds", "it asks for gankit's parts while gankit looks for plugins"),
        Told("damaged-terminal", missing, point="?[2Jplug"),
        Told("damaged-without-metadata", missing, version="2.0"),
        Told("damaged-without-version", missing, version="1.0"),
        Told("dam?[31maged", missing, version="1.0?"),
    ]


def unreadable(site: Site) -> list[Told]:
    """Install distributions whose entry points Python itself cannot read; what must be said of each.

    `importlib.metadata.entry_points` raises wherever one of them is, and so does what calls it, JAX among others.
    """
    (site.metadata("unreadable-points", "") / "entry_points.txt").write_text("[gankit]\nno equals sign\n")
    (site.metadata("unreadable-bytes", "") / "entry_points.txt").write_bytes(b"[gankit]\nplug = fi\xffne\n")
    return [
        Told("unreadable-points", "Error: ", point="entry_points.txt"),
        Told("unreadable-bytes", "UnicodeDecodeError: ", point="entry_points.txt"),
    ]


def failing_when_used(site: Site) -> list[Told]:
    """Install distributions that are found whole, and whose one part then fails; what must be said of each."""
    targets = {
        "used-missing-module": ("no_such_parts:Loss", "ModuleNotFoundError: No module named 'no_such_parts'"),
        "used-missing-attribute": ("good_parts:Loss", "AttributeError: module 'good_parts' has no attribute 'Loss'"),
        "used-exits": ("exiting_parts:Loss", "SystemExit: bye"),
        "used-loud": ("loud_parts:Loss", "AttributeError: module 'loud_parts' has no attribute 'Loss'"),
    }
    site.write("exiting_parts", "raise SystemExit('bye')")
    site.write("loud_parts", "print('Welcome!')")
    site.write("wrong_parts", WRONG)
    site.write("harmful_parts", "import sys\nsys.path.clear()\nfrom gankit.parts.losses import Minimax as Loss")
    targets["used-harmful"] = (
        "harmful_parts:Loss",
        "importing 'used-harmful' among the losses empties sys.path, which",
    )
    for name, (target, error) in NO_LOSSES.items():
        targets[f"used-{name}"] = (f"wrong_parts:{target}", error)
    told = []
    for dist, (target, error) in targets.items():
        site.install(dist, loss(dist, target), point="parts", version="0.3")
        told.append(Told(dist, error, "0.3", "parts"))
    site.install("used-twice-one", loss("used-twice"), version="0.1")
    site.install("used-twice-two", loss("used-twice", "collections:deque"), version="0.2")
    site.install("used-own-twice", loss("own-twice") + "    yield Entry(name='own-twice', target='os:abc', api=1)")
    told.append(Told("used-twice-one", "GANKIT_DISABLE_PLUGINS=used-twice-two", "0.1"))
    told.append(Told("used-twice-two", "GANKIT_DISABLE_PLUGINS=used-twice-two", "0.2"))
    told.append(Told("used-own-twice", "Its author must rename one of them"))
    return told


def harming_numpy(site: Site) -> list[Told]:
    """Install distributions that break NumPy, seen where it was imported before, and one that takes its time."""
    site.install("harm-errors", "import numpy\nnumpy.seterr(all='raise')\n" + NO_PARTS)
    site.install("harm-mean", "import numpy\nnumpy.mean = numpy.linalg.norm = sum\n" + NO_PARTS)
    site.install("harm-by-part", loss("harm-by-part", "numpy_parts:Loss"))
    site.write("numpy_parts", "import numpy\nnumpy.exp = abs\nfrom gankit.parts.losses import Minimax as Loss")
    return [
        Told("harm-errors", "it calls numpy.seterr(divide='raise', over='raise', under='raise', invalid='raise')"),
        Told("harm-mean", "it replaces numpy.mean, which was undone; being imported it replaces numpy.linalg.norm"),
        Told("harm-by-part", "importing 'harm-by-part' among the losses replaces numpy.exp, which was undone"),
    ]


def taking_their_time(site: Site) -> list[str]:
    """Install distributions of which one takes more than a second to be imported, and one whose part does; what must
    be said of each."""
    site.install("slow-plugin", "import time\ntime.sleep(1.1)\n" + NO_PARTS)
    site.install("slow-part", loss("slow-part", "slow_parts:Loss"))
    site.write("slow_parts", "import time\ntime.sleep(1.1)\nfrom gankit.parts.losses import Minimax as Loss")
    return [
        "slow-plugin 1.0 (entry point 'plug'): importing it took 1.",
        "slow-part 1.0 (entry point 'plug'): importing 'slow-part' among the losses took 1.",
    ]


def install_broken(site: Site) -> list[Told]:
    """Install all of `BROKEN`, but the one whose name is a built-in's only in the tests of the registry."""
    names = [name for name in BROKEN if name != "built-in-name"]
    for name in names:
        site.install(f"broken-{name}", BROKEN[name][0], version="0.3", point="parts")
    return [Told(f"broken-{name}", BROKEN[name][1], "0.3", "parts") for name in names]


def install_good(site: Site) -> None:
    """Install a plugin that works: the loss `good`."""
    site.write("good_parts", "from gankit.parts.losses import NonSaturating\nclass Good(NonSaturating): pass")
    site.install("gankit-good", GOOD)
