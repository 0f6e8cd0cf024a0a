"""The official client's own tests, run against the shim.

Its source distribution is fetched, because its tests are not ours to copy. Tests that cannot
pass are listed with the reason; one that fails without being listed, or passes although it
is, fails this.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from arriero.compat.names import SURFACE

pytestmark = pytest.mark.slow

SHA256 = "41fc49a8095c4a75939c4c1f8582e4d0671692fb6eac2a5a7ede8c9872b67096"
"""Of the source distribution: nothing else is run."""

PAGE = Path(__file__).resolve().parents[2] / "docs" / "differences-from-ollama-python.md"

DELIBERATE = {
    "a stream without a record that says done is StreamIncomplete": [
        "test_client::test_client_chat_stream",
        "test_client::test_client_generate_stream",
        "test_client::test_async_client_chat_stream",
        "test_client::test_async_client_generate_stream",
    ],
    "create_blob asks first whether the server has the file": [
        "test_client::test_client_create_blob",
        "test_client::test_client_create_blob_exists",
        "test_client::test_async_client_create_blob",
        "test_client::test_async_client_create_blob_exists",
    ],
    "OLLAMA_API_KEY goes to ollama.com only": [
        "test_client::test_client_bearer_header_from_env",
    ],
    "a token given for another host does not go to ollama.com": [
        "test_client::test_client_web_search_with_explicit_bearer_header",
        "test_client::test_client_web_fetch_with_explicit_bearer_header",
    ],
    "User-Agent says arriero, and a Content-Type that is given wins": [
        "test_client::test_headers",
    ],
    "the text of a refused connection also says what was asked of which host": [
        "test_client::test_async_client_connection_error",
    ],
    "a text with blanks is no base64: the server refuses it": [
        "test_type_serialization::test_image_serialization_plain_string",
    ],
    "a union is an anyOf, and required unless it has a default": [
        "test_utils::test_function_with_all_types",
    ],
    "a parameter without annotation takes anything, not just a text": [
        "test_utils::test_function_with_no_types",
    ],
    "a field that is None is absent": [
        "test_docstrings::test_docstring[_types.SubscriptableBaseModel.__contains__]",
    ],
}
"""Tests that fail, by the reason."""

TESTS, DOCSTRINGS = 115, 5
"""How many there are."""

CONFTEST = """
from arriero import compat
compat.install()
"""

DOCTESTS = """
import ast
import doctest
import importlib
import pathlib
import sys

import pytest

SOURCES = pathlib.Path(__file__).with_name("sources")


def examples(name, node, outer):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, ast.FunctionDef)):
            text = ast.get_docstring(child) or ""
            if ">>>" in text:
                yield f"{outer}.{child.name}", text
            yield from examples(name, child, f"{outer}.{child.name}")


FOUND = {}
for path in sorted(SOURCES.glob("*.py")):
    FOUND.update(examples(path.stem, ast.parse(path.read_text("utf-8")), path.stem))


@pytest.mark.parametrize("name", FOUND)
def test_docstring(name):
    importlib.import_module("ollama")
    space = dict(vars(sys.modules[f"ollama.{name.partition('.')[0]}"]))
    test = doctest.DocTestParser().get_doctest(FOUND[name], space, name, None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0
"""
"""Runs the examples in the official modules' docstrings with the names of ours."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the official tests, ready to run against the shim."""
    for needed in ("anyio", "httpx", "pip", "pydantic", "pytest_httpserver"):
        pytest.importorskip(needed, reason=f"the official client's tests need {needed}")
    home = tmp_path_factory.mktemp("upstream")
    _unpack(_fetched(home), home)
    (home / "conftest.py").write_text(CONFTEST, "utf-8")
    (home / "test_docstrings.py").write_text(DOCTESTS, "utf-8")
    (home / "pytest.ini").write_text("[pytest]\n", "utf-8")
    return home


def _fetched(home: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    wanted = ["--no-deps", "--no-binary", "ollama", f"ollama=={SURFACE}"]
    try:
        done = subprocess.run(
            [*pip, "download", "--retries", "1", "--timeout", "5", "--dest", str(home), *wanted],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the package index does not answer")
    if done.returncode:
        pytest.skip(f"pip cannot fetch the official tests: {done.stderr.strip()[-200:]}")
    (archive,) = home.glob("*.tar.gz")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    return archive


def _unpack(archive: Path, home: Path) -> None:
    """Put the tests into `home`, and the package where it cannot be imported from."""
    (home / "sources").mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            found = re.fullmatch(r"[^/]+/(tests|ollama)/(\w+\.py)", member.name)
            data = tar.extractfile(member) if found else None
            if found and data:
                place = home if found[1] == "tests" else home / "sources"
                (place / found[2]).write_bytes(data.read())


@pytest.fixture(scope="module")
def outcomes(suite: Path) -> dict[str, bool]:
    """Whether each test passed."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OLLAMA_", "PYTEST_")) and not name.upper().endswith("_PROXY")
    }
    plugins = ("anyio.pytest_plugin", "pytest_httpserver.pytest_plugin", "pytest_timeout")
    chosen = [part for name in plugins for part in ("-p", name)]
    how = ["-q", *chosen, "-p", "no:cacheprovider", "--timeout", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *how, "--junit-xml", "outcomes.xml"],
        cwd=suite,
        env={**environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    root = ElementTree.parse(suite / "outcomes.xml").getroot()
    return {
        f"{case.get('classname')}::{case.get('name')}": len(case) == 0
        for case in root.iter("testcase")
    }


def test_exactly_the_listed_tests_fail(outcomes: dict[str, bool]) -> None:
    """What differs does so on purpose."""
    listed = {name for names in DELIBERATE.values() for name in names}
    failed = {name for name, passed in outcomes.items() if not passed}
    assert not failed - listed, "these fail, and no reason is given"
    assert not listed - failed, "these pass, or are gone: take them off the list"


def test_every_official_test_was_run(outcomes: dict[str, bool]) -> None:
    """All that the source distribution holds, and the docstrings' examples."""
    assert len(outcomes) == TESTS + DOCSTRINGS


def test_the_page_says_how_many_pass() -> None:
    """In figures, and with every reason."""
    failing = [name for names in DELIBERATE.values() for name in names]
    of_tests = [name for name in failing if not name.startswith("test_docstrings")]
    page = " ".join(PAGE.read_text("utf-8").split())
    assert f"{TESTS - len(of_tests)} of its {TESTS} tests" in page
    of_docstrings = len(failing) - len(of_tests)
    assert f"{DOCSTRINGS - of_docstrings} of its {DOCSTRINGS} docstrings" in page
