"""Blobs and manifests on disk."""

from __future__ import annotations

import json
import logging
import os
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arriero.names import InvalidName, ModelName, parse_name
from arriero.server.store import (
    CorruptManifest,
    InvalidDigest,
    Layer,
    Manifest,
    MissingBlob,
    Store,
    StoreError,
    layer_of,
)
from arriero.server.store import manifests as kinds
from arriero.server.store import store as store_module
from arriero.server.store.digests import digest_of, file_name
from arriero.server.store.manifests import decode_config, decode_manifest, encode_config

HOUR_AGO_S = 3700


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "models")


@pytest.fixture
def private() -> Iterator[Store]:
    """A store in a folder of its own."""
    store = Store()
    yield store
    store.close()


def put(store: Store, name: str, *texts: str) -> Manifest:
    """Write a model made of texts."""
    config, _ = layer_of(store, kinds.CONFIG, encode_config({"model_format": "gguf"}))
    layers = tuple(layer_of(store, kinds.SYSTEM, text.encode())[0] for text in texts)
    manifest = Manifest(config, layers)
    with store.adding():
        store.write(parse_name(name), manifest)
    return manifest


def age(path: Path, seconds: float) -> None:
    """Make a file look old."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_manifest_and_config_are_ollamas_to_the_byte() -> None:
    """The digest of a recorded model comes out, and it hangs on every byte."""
    config = encode_config({
        "model_format": "gguf",
        "model_family": "llama",
        "model_families": ["llama"],
        "model_type": "2.21M",
        "file_type": "Q8_0",
    })  # fmt: skip
    layer = Layer(
        kinds.MODEL,
        "sha256:7b1d3c4dc831b9583d827f7c030b7917ca6dc03d5982883bfb3a9f11c09b4a0a",
        2398592,
    )
    manifest = Manifest(Layer(kinds.CONFIG, digest_of(config), len(config)), (layer,))
    assert digest_of(manifest.encode()) == (
        "sha256:a0bf168ad8008fea837989a4267a982c41483e8d9398063929b976e7d67e23f7"
    )
    assert manifest.size_bytes == 2398742


def test_a_manifest_reads_back_as_written() -> None:
    """Origin and name of a layer included."""
    layer = Layer(kinds.MODEL, digest_of(b"x"), 1, "mini:latest", "a.gguf")
    manifest = Manifest(Layer(kinds.CONFIG, digest_of(b"y"), 1), (layer,))
    assert decode_manifest(manifest.encode()) == manifest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"config":',
        b'{"config":{"digest":"sha256:../../../../etc/passwd"},"layers":[]}',
        b'{"config":{"digest":"sha256:' + b"0" * 64 + b'"},"layers":[{"digest":1}]}',
        b'{"config":{"digest":"sha256:' + b"0" * 64 + b'"},"layers":{}}',
        b'{"config":{"digest":"sha256:' + b"0" * 64 + b'","size":"big"}}',
    ],
)
def test_a_damaged_manifest_is_corrupt(data: bytes) -> None:
    """And nothing else is raised, whatever is in it."""
    with pytest.raises(CorruptManifest):
        decode_manifest(data)


def test_a_config_drops_values_of_the_wrong_type() -> None:
    """They come from other programs."""
    data = json.dumps({
        "model_format": 1, "model_family": "llama", "model_families": [1], "context_length": True,
        "renderer": "x", "other": 1,
    }).encode()  # fmt: skip
    assert decode_config(data) == {"model_family": "llama", "renderer": "x"}


def test_blobs_are_kept_under_their_digest(store: Store, tmp_path: Path) -> None:
    """Once; the file has Ollama's name and place."""
    digest, is_new = store.add_blob(b"hello")
    assert is_new
    assert store.add_blob(b"hello") == (digest, False)
    path = tmp_path / "models" / "blobs" / digest.replace(":", "-")
    assert path.read_bytes() == b"hello" == store.read_blob(digest)
    assert store.blob_path(digest) == path
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if os.name == "posix":
        assert path.stat().st_mode & 0o444 == 0o444


def test_a_file_is_copied_in(store: Store, tmp_path: Path) -> None:
    """The original stays."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)
    digest, is_new = store.add_file(source)
    assert is_new
    assert source.exists()
    assert store.add_file(source) == (digest, False)
    assert store.verify_blob(digest)


def test_verifying_finds_changed_bytes(store: Store) -> None:
    """And tells missing blobs apart."""
    digest, _ = store.add_blob(b"hello")
    assert store.verify_blob(digest)
    store.blob_path(digest).write_bytes(b"hullo")
    assert not store.verify_blob(digest)
    with pytest.raises(MissingBlob, match="no such file or directory"):
        store.verify_blob(digest_of(b"never"))
    with pytest.raises(MissingBlob):
        store.read_blob(digest_of(b"never"))


def test_a_broken_off_upload_leaves_nothing(store: Store) -> None:
    """Neither a blob nor a part of one."""
    with store.upload() as upload:
        upload.write(b"half")
        assert len(list(store.blob_path(digest_of(b"")).parent.iterdir())) == 1
    assert list(store.blob_path(digest_of(b"")).parent.iterdir()) == []


def test_models_are_found_in_any_case(store: Store) -> None:
    """And written over, not beside each other."""
    put(store, "User/Name:Tag", "one")
    put(store, "user/NAME:tag", "two")
    (entry,) = store.entries()
    assert entry.name == parse_name("User/Name:Tag") or os.name == "nt"
    assert store.entry(parse_name("USER/name:TAG")) == entry
    assert store.entry(parse_name("user/other")) is None


@pytest.fixture
def respelling(store: Store) -> Store:
    """A store with a model whose name has capitals."""
    put(store, "Ab/Cd:Ef", "x")
    return store


def test_a_name_takes_the_spelling_on_disk_part_by_part(respelling: Store) -> None:
    """As far as its folders are there."""
    assert respelling.spelt(parse_name("ab/cd:ef")) == parse_name("Ab/Cd:Ef")
    assert respelling.spelt(parse_name("ab/cd:new")) == parse_name("Ab/Cd:new")
    assert respelling.spelt(parse_name("other/cd:ef")) == parse_name("other/cd:ef")


def test_deleting_removes_the_blobs_only_this_model_needed(store: Store) -> None:
    """And the folders it leaves empty."""
    put(store, "a", "shared", "alone")
    put(store, "b", "shared")
    assert store.delete(parse_name("a"))
    assert not store.delete(parse_name("a"))
    assert store.has_blob(digest_of(b"shared"))
    assert not store.has_blob(digest_of(b"alone"))
    assert [entry.name.model for entry in store.entries()] == ["b"]
    assert store.delete(parse_name("b"))
    root = store.root
    assert root is not None
    assert list((root / "manifests").iterdir()) == []
    assert list((root / "blobs").iterdir()) == []


def test_a_corrupt_manifest_keeps_all_blobs(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can tell what it needs; the log says so."""
    put(store, "a", "text")
    put(store, "b", "other")
    entry = store.entry(parse_name("b"))
    assert entry is not None
    entry.path.write_bytes(b"{")
    with caplog.at_level(logging.WARNING, "arriero.server"):
        assert store.delete(parse_name("a"))
    assert store.has_blob(digest_of(b"text"))
    assert "cannot be read" in caplog.text
    assert store.delete(parse_name("b"))
    assert store.entries() == []


def test_a_copy_shares_everything(store: Store) -> None:
    """The bytes of the manifest too, so the digest."""
    put(store, "a", "text")
    entry = store.entry(parse_name("a"))
    assert entry is not None
    store.copy(entry, parse_name("host.example:8080/user/b:v1"))
    copied = store.entry(parse_name("host.example:8080/user/b:v1"))
    assert copied is not None
    assert store.read(copied) == store.read(entry)
    assert store.delete(parse_name("a"))
    assert store.has_blob(digest_of(b"text"))


def test_no_manifest_without_its_blobs(store: Store) -> None:
    """A model must be there whole."""
    missing = Manifest(Layer(kinds.CONFIG, digest_of(b"never"), 5), ())
    with store.adding(), pytest.raises(MissingBlob):
        store.write(parse_name("a"), missing)
    assert store.entries() == []


def test_a_start_removes_leftovers_and_old_unused_blobs(store: Store) -> None:
    """Young ones and the drafts of living writers stay."""
    put(store, "a", "used")
    young, _ = store.add_blob(b"young")
    old, _ = store.add_blob(b"old")
    age(store.blob_path(old), HOUR_AGO_S)
    age(store.blob_path(digest_of(b"used")), HOUR_AGO_S)
    folder = store.blob_path(old).parent
    dead = folder / f"sha256-arriero-{'0' * 16}"
    dead.write_bytes(b"half")
    entry = store.entry(parse_name("a"))
    assert entry is not None
    dead_manifest = entry.path.parent / f".manifest-arriero-{'0' * 16}"
    dead_manifest.write_bytes(b"{")
    with store.upload() as upload:
        upload.write(b"alive")
        store.clean()
        alive = upload.finish()
    assert not dead.exists()
    assert not dead_manifest.exists()
    assert store.has_blob(alive)
    assert store.has_blob(young)
    assert store.has_blob(digest_of(b"used"))
    assert not store.has_blob(old)


@pytest.mark.parametrize("reason", ["told", "corrupt", "download"])
def test_a_start_keeps_unused_blobs_where_it_must(store: Store, reason: str) -> None:
    """When told to, when a manifest is corrupt, while somebody downloads."""
    put(store, "a", "used")
    old, _ = store.add_blob(b"old")
    age(store.blob_path(old), HOUR_AGO_S)
    entry = store.entry(parse_name("a"))
    assert entry is not None
    if reason == "corrupt":
        entry.path.write_bytes(b"[]")
    if reason == "download":
        (store.blob_path(old).parent / f"sha256-{'1' * 64}-partial-0").write_bytes(b"{}")
    store.clean(prune=reason != "told")
    assert store.has_blob(old)


def test_foreign_files_are_neither_models_nor_removed(store: Store) -> None:
    """Whoever put them there knows why."""
    put(store, "a", "text")
    root = store.root
    assert root is not None
    strange = [
        root / "manifests" / "README",
        root / "manifests" / "registry.ollama.ai" / "library" / "a" / ".DS_Store",
        root / "manifests" / "registry.ollama.ai" / "library" / "a" / "dir" / "file",
        root / "manifests" / "-bad" / "library" / "x" / "latest",
        root / "blobs" / "notes.txt",
        root / "blobs" / f"sha256-{'2' * 64}-partial",
    ]
    for path in strange:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
        age(path, HOUR_AGO_S)
    store.clean()
    assert [entry.name.model for entry in store.entries()] == ["a"]
    assert all(path.exists() for path in strange)


def test_a_manifest_under_a_strange_name_keeps_its_blobs(store: Store) -> None:
    """Another program may know names that are none here."""
    put(store, "a", "text")
    entry, root = store.entry(parse_name("a")), store.root
    assert entry is not None
    assert root is not None
    strange = root / "manifests" / "a host" / "b" / "c" / "d"
    strange.parent.mkdir(parents=True)
    strange.write_bytes(entry.path.read_bytes())
    assert store.delete(parse_name("a"))
    assert store.has_blob(digest_of(b"text"))


def test_a_private_store_comes_at_the_first_write_and_goes(private: Store) -> None:
    """Reading needs no folder."""
    assert private.entries() == []
    assert private.entry(parse_name("a")) is None
    assert not private.delete(parse_name("a"))
    assert not private.has_blob(digest_of(b"x"))
    with pytest.raises(MissingBlob):
        private.read_blob(digest_of(b"x"))
    private.clean()
    assert private.root is None
    put(private, "a", "text")
    root = private.root
    assert root is not None
    assert root.is_dir()
    private.close()
    assert not root.exists()
    assert private.entries() == []


def test_a_store_that_is_a_file_is_an_error_of_ours(tmp_path: Path) -> None:
    """Not one of the operating system's."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(StoreError):
        Store(path).add_blob(b"x")


def test_waiting_for_a_lock_ends(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing waits for those who add, but not for good; adding waits for nobody who adds."""
    put(store, "a", "text")
    monkeypatch.setattr(store_module, "_LOCK_WAIT_S", 0.02)
    with store.adding(), store.adding(), pytest.raises(StoreError, match="locked"):
        store.delete(parse_name("a"))
    assert store.delete(parse_name("a"))


names = st.text(st.sampled_from(string.ascii_letters + "._-:/\\ \0~%é@"), min_size=1, max_size=12)


@given(text=names | st.text(max_size=20))
@settings(max_examples=300)
def test_no_name_leads_out_of_the_store(text: str) -> None:
    """What is a name is a path of four plain parts; the rest is refused."""
    try:
        name = parse_name(text)
    except InvalidName:
        return
    for part in (name.host, name.namespace, name.model, name.tag):
        assert part not in ("", ".", "..")
        assert "/" not in part
        assert "\\" not in part
        assert "\0" not in part
    assert ModelName.checked(name.host, name.namespace, name.model, name.tag) == name


@given(
    text=st.text(max_size=90)
    | st.from_regex(r"\Asha256[:-][0-9a-fA-F./]{64}\Z")
    | st.from_regex(r"\Asha256[:-][0-9a-fA-F]{64}\n?\Z")
)
def test_no_digest_leads_out_of_the_store(text: str) -> None:
    """What is a digest is one plain file name; the rest is refused."""
    try:
        name = file_name(text)
    except InvalidDigest:
        return
    assert name == Path(name).name
    assert len(name) == 71
    assert set(name) <= set(string.hexdigits + "sha-")


def test_a_name_too_long_for_the_file_system_is_not_there(store: Store) -> None:
    """Ollama's names may have hosts of 350 characters, files have 255."""
    put(store, "a", "text")
    name = parse_name(f"{'h' * 350}/user/model:tag")
    assert store.entry(name) is None
    assert not store.delete(name)
    entry = store.entry(parse_name("a"))
    assert entry is not None
    with pytest.raises(StoreError):
        store.copy(entry, name)
