"""`install` puts arriero under the name `ollama`, whatever was imported before, and back."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pickle
import sys
import warnings
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

import arriero
from arriero import compat

from .conftest import run_python

# Other test modules of the same run may have imported the official package.
pytestmark = pytest.mark.filterwarnings("ignore::arriero.compat.LateInstallWarning")

ABSENT = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        return None
    def find_distributions(self, context=None):
        return ()
from importlib.machinery import PathFinder
real_spec, real_found = PathFinder.find_spec, PathFinder.find_distributions
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] == "ollama" else real_spec(name, path, target)
def find_distributions(context=None):
    return (d for d in real_found(context) if d.name != "ollama")
PathFinder.find_spec, PathFinder.find_distributions = find_spec, find_distributions
"""
"""Hides the official package, as if it were not installed."""


def test_import_ollama_gives_arriero(shim: ModuleType) -> None:
    """The package, its three modules and every form of import are the shim's."""
    namespace: dict[str, Any] = {}
    exec(
        "import ollama, ollama._client, ollama._types, ollama._utils\n"
        "from ollama import *\n"
        "from ollama import chat\n"
        "from ollama._client import Client as C, BaseClient, CONNECTION_ERROR_MESSAGE\n"
        "from ollama._types import ChatRequest, SubscriptableBaseModel\n"
        "from ollama._utils import convert_function_to_tool\n",
        namespace,
    )
    assert namespace["ollama"] is shim
    assert namespace["ChatResponse"] is arriero.ChatResponse
    assert issubclass(namespace["C"], arriero.Client)
    assert issubclass(namespace["C"], namespace["BaseClient"])
    assert issubclass(namespace["ChatRequest"], namespace["SubscriptableBaseModel"])


def test_the_private_name_is_an_instance_and_a_module(shim: ModuleType) -> None:
    """The attribute is the default client, the entry of sys.modules is the module."""
    assert isinstance(shim._client, shim.Client)
    assert isinstance(sys.modules["ollama._client"], ModuleType)
    assert shim.chat.__self__ is shim._client
    namespace: dict[str, Any] = {}
    exec("import ollama._client as instance", namespace)
    assert namespace["instance"] is shim._client


def test_a_second_install_changes_nothing(shim: ModuleType) -> None:
    """The same modules stay in place."""
    compat.install()
    assert sys.modules["ollama"] is shim


def test_uninstall_gives_back_what_was_there(official: dict[str, ModuleType]) -> None:
    """Modules that had the names have them again, even when asked twice."""
    with compat.install():
        assert sys.modules["ollama"] is not official["ollama"]
    compat.uninstall()
    assert {name: sys.modules[name] for name in official} == official
    assert compat.active().implementation == "ollama"


def test_uninstall_gives_back_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test suite put into sys.modules is kept, and told of."""
    stand_in = ModuleType("ollama")
    compat.uninstall()
    monkeypatch.setitem(sys.modules, "ollama", stand_in)
    assert "ollama" in compat.active().implementation
    with compat.install():
        assert compat.active().is_arriero
    assert sys.modules["ollama"] is stand_in


def test_late_install_names_who_keeps_the_official_one(
    official: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names taken before cannot be changed; the warning and `active` tell whose."""
    early = ModuleType("early_bird")
    early.Client = official["ollama"].Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "early_bird", early)
    with pytest.warns(compat.LateInstallWarning, match="early_bird"):
        compat.install()
    with compat.install():
        assert "early_bird" in compat.active().still_official
        assert "early_bird" in str(compat.active())


def test_a_refused_late_install_is_undone(
    official: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where warnings are errors, the official package stays what it was."""
    early = ModuleType("early_bird")
    early.Client = official["ollama"].Client  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "early_bird", early)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(compat.LateInstallWarning, match="early_bird"):
            compat.install()
    assert sys.modules["ollama"] is official["ollama"]
    assert not compat.active().is_arriero


def test_a_module_removed_from_sys_modules_comes_back_as_ours(shim: ModuleType) -> None:
    """Test suites drop and import `ollama` anew; that does not bring the official one."""
    for name in ("ollama", "ollama._client", "ollama._types", "ollama._utils"):
        del sys.modules[name]
    again = importlib.import_module("ollama")
    assert again is not shim
    assert isinstance(again._client, again.Client)
    assert again.ChatResponse is arriero.ChatResponse


def test_find_spec_finds_the_shim(shim: ModuleType) -> None:
    """Packages that ask whether `ollama` is there get a yes, and nothing beyond it."""
    assert importlib.util.find_spec("ollama") is shim.__spec__
    assert importlib.util.find_spec("ollama._types") is not None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ollama.nothing")


def test_functions_can_be_patched(shim: ModuleType) -> None:
    """Names are plain attributes, as test suites everywhere expect."""
    before = shim.chat
    with patch("ollama.chat", return_value="patched"), patch("ollama.Client") as client:
        assert shim.chat() == "patched"
        assert shim.Client is client
    assert shim.chat is before
    with patch("ollama._client.Client._request", return_value="patched"):
        assert shim.chat("m") == "patched"


def test_functions_of_arriero_can_be_patched() -> None:
    """The same for ``import arriero as ollama``."""
    with patch("arriero.chat", return_value="patched"), patch("arriero.Client") as client:
        assert arriero.chat() == "patched"  # type: ignore[call-overload]
        assert arriero.Client is client
    assert arriero.chat.__name__ == "chat"


def test_nothing_is_read_before_the_first_call(
    shim: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad address fails the first call and not the import."""
    monkeypatch.setenv("OLLAMA_HOST", "host:notaport")
    for name in ("ollama", "ollama._client", "ollama._types", "ollama._utils"):
        del sys.modules[name]
    again = importlib.import_module("ollama")
    with pytest.raises(arriero.RequestError, match="port"):
        again.list()
    monkeypatch.setenv("OLLAMA_HOST", "there:1234")
    assert again._client.host == "http://there:1234"


def test_clients_of_the_shim_are_pickled(shim: ModuleType) -> None:
    """They come back as what they were, the default one too."""
    made = pickle.loads(pickle.dumps(shim.Client("there:1")))
    assert (type(made), made.host) == (shim.Client, "http://there:1")
    assert type(pickle.loads(pickle.dumps(shim._client))) is type(shim._client)


def test_it_works_where_the_official_package_is_absent() -> None:
    """Nothing of it is needed; the distribution is shown if asked for."""
    out = run_python(
        "-c",
        ABSENT
        + """
import importlib.metadata as m
from arriero import compat
print(compat.active().implementation, compat.active().official)
with compat.install():
    import ollama
    print(compat.active().implementation, ollama.Client.__module__)
    try:
        m.version("ollama")
    except m.PackageNotFoundError:
        print("no metadata")
with compat.install(metadata=True):
    print(m.version("ollama"), [d.name for d in m.distributions()].count("ollama"))
    print(m.metadata("ollama")["Name"], m.files("ollama"), m.requires("ollama"))
try:
    m.version("ollama")
except m.PackageNotFoundError:
    print("no metadata")
print(compat.active().implementation)
""",
    )
    assert out.splitlines() == [
        "none None",
        "arriero arriero.compat.client",
        "no metadata",
        "0.6.3 1",
        "ollama None None",
        "no metadata",
        "none",
    ]


def test_metadata_of_the_official_distribution_is_left_alone(
    official: dict[str, ModuleType],
) -> None:
    """Where it is installed its own version is what is told."""
    installed = importlib.metadata.version("ollama")
    with compat.install(metadata=True):
        assert importlib.metadata.version("ollama") == installed
        assert compat.active().metadata is False


def test_installing_imports_no_optional_package() -> None:
    """httpx, pydantic and the transports come when they are needed."""
    out = run_python(
        "-c",
        "import sys\nfrom arriero import compat\ncompat.install()\nimport ollama\n"
        "print(sorted({'httpx', 'pydantic', 'numpy', 'aiohttp', 'urllib3'} & set(sys.modules)))",
    )
    assert out.strip() == "[]"
