"""tools/install.sh refuses what it cannot do in one line; the pins cover what setup.py asks for."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def install(*options, **env):
    return subprocess.run(
        ["bash", str(ROOT / "tools/install.sh"), *options],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **env},
        check=False,
    )


PYTHONS = {"202511": ["3.11"], "202611": ["3.12", "3.13"]}


def pins(espnet: str):
    names = ("requirements.txt", f"requirements_{espnet}.txt")
    lines = [line for n in names for line in (ROOT / "tools" / n).read_text().splitlines()]
    pinned = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(r.name): r for r in pinned}


def setup_requirements():
    """What setup.py declares, as setuptools understands it; all extras."""
    code = (
        "import setuptools, runpy, json; kept = {};"
        "setuptools.setup = lambda **kw: kept.update(kw);"
        "runpy.run_path('setup.py');"
        "print(json.dumps([kept['install_requires'], *kept['extras_require'].values()]))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [Requirement(text) for group in json.loads(out.stdout) for text in group]


# Packages of extras that tools/install.sh leaves out: they need a package that has no wheel.
LEFT_OUT = {"tinysoundfont"}  # PyAudio needs a compiler and PortAudio


@pytest.mark.parametrize("espnet", PYTHONS)
def test_every_requirement_of_setup_py_is_pinned_to_a_version_that_satisfies_it(espnet):
    pinned = pins(espnet)
    assert str(pinned["espnet"]) == f"espnet=={espnet}"
    for requirement in setup_requirements():
        asked = {
            requirement.marker is None or requirement.marker.evaluate({"python_version": python})
            for python in PYTHONS[espnet]
        }
        assert len(asked) == 1
        if asked == {False}:
            continue
        if requirement.name in LEFT_OUT:
            assert canonicalize_name(requirement.name) not in pinned
            continue
        pin = pinned[canonicalize_name(requirement.name)]
        (spec,) = pin.specifier
        assert spec.operator == "=="
        assert requirement.specifier.contains(spec.version), (requirement, pin)


def test_no_pin_names_a_cuda_package_or_an_index():
    text = "\n".join(path.read_text() for path in (ROOT / "tools").glob("requirements*.txt"))
    assert not re.search(r"^(nvidia|cuda|triton)", text, re.M)
    assert "://" not in text and "--index" not in text


@pytest.mark.parametrize(
    ("options", "env", "named"),
    [
        (["--frobnicate"], {}, "--frobnicate"),
        (["--venv"], {}, "--venv needs a directory"),
        (
            ["--venv", "{tmp}/v", "--python", "{tmp}/no_such_python"],
            {},
            "no_such_python does not run",
        ),
        (["--venv", "{tmp}/v"], {"TORCH_BACKEND": "abacus"}, "abacus"),
        (["--venv", "/dev/null/v"], {}, "cannot make /dev/null/v"),
    ],
)
def test_a_mistake_ends_in_one_line(tmp_path, options, env, named):
    done = install(*[o.format(tmp=tmp_path) for o in options], **env)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("install: ") and named in done.stderr


def test_a_python_of_another_version_is_named(tmp_path):
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *platform*) echo 3.9.18 ;; *) exit 1 ;; esac\n')
    old.chmod(0o755)
    done = install("--venv", str(tmp_path / "v"), "--python", str(old))
    assert done.returncode == 1
    assert "is Python 3.9.18: name a Python 3.11, 3.12 or 3.13" in done.stderr
