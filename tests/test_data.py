"""The data: what `get_data` promises, and what it does when files or servers do not.

Everything is served from 127.0.0.1 and cached below a temporary folder. Tests that need the real
MNIST files look for them in EXP_DATA_DIR/mnist.
"""
import contextlib
import gzip
import hashlib
import json
import math
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.datasets import load_digits

from exp.data import MNIST, get_data, normalize, read_idx, set_seed, show_images

REAL = Path(os.environ["EXP_DATA_DIR"]).resolve() if os.environ.get("EXP_DATA_DIR") else None
T10K = {"images": "t10k-images-idx3-ubyte.gz", "labels": "t10k-labels-idx1-ubyte.gz"}
there = REAL and all((REAL / "mnist" / name).is_file() for name in T10K.values())
needs_mnist = pytest.mark.skipif(not there, reason="no t10k files of MNIST in EXP_DATA_DIR/mnist")
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array):
    "An IDX file's content, written from the format's description."
    kind = array.dtype.kind + str(array.dtype.itemsize)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    header = bytes([0, 0, CODES[kind], array.ndim]) + sizes
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(autouse=True)
def own_world(monkeypatch, tmp_path):
    "No test sees the user's cache, data or proxies."
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("no_proxy", "*")
    for name in ("EXP_DATA_DIR", "EXP_DATASET"): monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cache(tmp_path): return tmp_path / "xdg" / "exp" / "mnist"


def files_in(folder): return sorted(p.name for p in folder.rglob("*") if p.is_file())


def snapshot(folder):
    "Everything that would tell that somebody wrote into a folder."
    return {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in [folder, *folder.rglob("*")]}


# The digits

def test_digits_are_the_published_ones_split_once():
    x_train, y_train, x_valid, y_valid = get_data()
    x, y = load_digits(return_X_y=True)
    assert x_train.dtype == x_valid.dtype == torch.float32
    assert y_train.dtype == y_valid.dtype == torch.int64
    assert len(x_valid) == len(y_valid) == math.ceil(len(x) / 5)
    assert len(x_train) == len(y_train) == len(x) - len(x_valid)
    assert x_train.shape[1:] == x_valid.shape[1:] == x.shape[1:]
    ours = torch.cat([torch.cat([x_train, x_valid]), torch.cat([y_train, y_valid])[:, None]], dim=1)
    published = np.concatenate([x / 16, y[:, None]], axis=1)
    assert sorted(ours.tolist()) == sorted(published.tolist()), "every image once, with its label"
    for label in range(10):
        share = (y_valid == label).sum() / (y == label).sum()
        assert abs(share - 0.2) < 0.01, "stratified"
    assert all(torch.equal(a, b) for a, b in zip(get_data(), get_data("digits")))


def test_name_comes_from_the_argument_then_the_environment(monkeypatch, source, served):
    monkeypatch.setenv("EXP_DATASET", "mnist")
    table = {**source, "mirrors": [served.url("good")]}
    assert len(get_data(source=table)[0]) == source["train"]
    assert len(get_data("digits")[0]) == 1437
    monkeypatch.setenv("EXP_DATASET", "")
    assert len(get_data()[0]) == 1437
    monkeypatch.setenv("EXP_DATASET", "cifar")
    with pytest.raises(ValueError, match="'cifar'; choose 'digits' or 'mnist'"): get_data()
    with pytest.raises(ValueError, match="'MNIST'; choose"): get_data("MNIST")


def test_import_is_light():
    code = ("import sys, exp.data\n"
            "heavy = {'matplotlib', 'sklearn', 'fastprogress', 'pandas'} & set(sys.modules)\n"
            "sys.exit(str(heavy) if heavy else 0)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# normalize, show_images, set_seed

finite = st.floats(-1e3, 1e3)


@settings(deadline=None, max_examples=30)
@given(st.lists(finite, min_size=1, max_size=20), finite, st.floats(0.1, 100))
def test_normalize_is_undone_by_its_inverse(values, mean, std):
    x = torch.tensor(values, dtype=torch.float64)
    expected = torch.tensor([(value - mean) / std for value in values], dtype=torch.float64)
    torch.testing.assert_close(normalize(x, mean, std), expected)
    torch.testing.assert_close(normalize(x, mean, std) * std + mean, x)


def test_normalize_takes_a_statistic_per_column_and_keeps_the_type():
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1., 5, 9])
    scaled = normalize(x, x.mean(0), x.std(0))
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(scaled.std(0), torch.ones(3))
    assert normalize(x.double(), 1, 2).dtype == torch.float64
    before = x.clone()
    normalize(x, 1., 2.)
    assert torch.equal(x, before), "the input stays as it is"


@pytest.mark.parametrize("std", [0, 0., torch.tensor(0.), torch.tensor([2., 0.]), np.zeros(2)])
def test_normalize_refuses_a_deviation_of_zero(std):
    with pytest.raises(ValueError, match="holds a 0"): normalize(torch.ones(2), 1., std)


@pytest.fixture
def plt():
    import matplotlib.pyplot as plt
    plt.switch_backend("agg")
    yield plt
    plt.close("all")


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_images_stand_in_order_row_by_row(n, side, cols, flat):
    import matplotlib.pyplot as plt
    plt.switch_backend("agg")
    pixels = np.arange(n * side * side, dtype="f4").reshape(n, side, side)
    fig = show_images(torch.tensor(pixels.reshape(n, -1) if flat else pixels), range(n), cols)
    places = sorted((ax for ax in fig.axes if ax.images), key=lambda ax: ax.get_subplotspec().num1)
    assert len(places) == n and len(fig.axes) == cols * math.ceil(n / cols)
    for i, ax in enumerate(places):
        np.testing.assert_array_equal(ax.images[0].get_array(), pixels[i])
        assert ax.get_title() == str(i)
    plt.close("all")


def test_ink_is_black_whatever_the_style(plt):
    with plt.rc_context({"image.cmap": "viridis"}): fig = show_images(torch.rand(1, 4))
    assert fig.axes[0].images[0].get_cmap().name == "gray_r"


def test_images_take_what_a_training_run_has(plt):
    x = torch.rand(3, 4, requires_grad=True)
    for labels in (None, torch.tensor([3, 1, 2]), np.array([3, 1, 2]), ["3", "1", "2"]):
        titles = [ax.get_title() for ax in show_images(x, labels).axes if ax.images]
        assert titles == (["", "", ""] if labels is None else ["3", "1", "2"])
    show_images(np.random.default_rng(0).random((2, 9)))


@pytest.mark.parametrize("shape, labels, cols, message", [
    ((2, 8), None, 8, "8 pixels are not a square image"),
    ((2, 9), [1], 8, "2 images and 1 labels"),
    ((2, 9), [1, 2, 3], 8, "2 images and 3 labels"),
    ((0, 9), None, 8, r"shape \(0, 9\)"), ((2, 0), None, 8, r"shape \(2, 0\)"),
    ((9,), None, 8, r"shape \(9,\)"), ((2, 1, 3, 3), None, 8, r"shape \(2, 1, 3, 3\)"),
    ((2, 9), None, 0, "cols is 0")])
def test_images_that_cannot_be_drawn_are_refused(plt, shape, labels, cols, message):
    with pytest.raises(ValueError, match=message): show_images(torch.ones(shape), labels, cols)


def test_seed_governs_three_libraries():
    def draw(): return random.random(), np.random.rand(), torch.rand(3).tolist()
    set_seed(3)
    first = draw()
    set_seed(3)
    assert draw() == first
    set_seed(4)
    assert all(a != b for a, b in zip(draw(), first))


# read_idx

values = st.sampled_from(list(CODES)).flatmap(lambda kind: arrays.arrays(
    kind, arrays.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))


@pytest.fixture(scope="module")
def file():
    "One path, written to over and over."
    with tempfile.TemporaryDirectory() as folder: yield Path(folder) / "some-idx"


@settings(deadline=None, max_examples=60)
@given(array=values, packed=st.booleans())
def test_idx_comes_back_as_written(file, array, packed):
    file.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    for path in (file, str(file)):
        tensor = read_idx(path)
        assert tensor.shape == array.shape and tensor.numpy().dtype == array.dtype
        np.testing.assert_array_equal(tensor.numpy(), array)


def read_or_refuse(path):
    "The tensor, or None for a ValueError that names the file; any other error surfaces."
    try: return read_idx(path)
    except ValueError as error: assert str(path) in str(error)


@settings(deadline=None, max_examples=200)
@given(content=st.binary(max_size=60), packed=st.booleans(), magic=st.booleans())
@example(content=b"\0" + b"\0" * 3 + b"\xff" * 12, packed=False, magic=True)
def test_any_bytes_are_read_or_refused(file, content, packed, magic):
    if magic: content = b"\0\0\x08\x04" + content
    file.write_bytes(gzip.compress(content) if packed else content)
    tensor = read_or_refuse(file)
    assert tensor is None or tensor.numel() <= len(content)


@settings(deadline=None, max_examples=200)
@given(array=values, packed=st.booleans(), seed=st.integers(0, 2**32 - 1))
def test_spoilt_small_files_are_read_or_refused(file, array, packed, seed):
    content = idx_bytes(array)
    content = gzip.compress(content) if packed else content
    file.write_bytes(spoilt(content, random.Random(seed), headers=True))
    tensor = read_or_refuse(file)
    assert tensor is None or tensor.nbytes <= 1032 * file.stat().st_size


def spoilt(content, chance, headers=False):
    "`content` with bytes flipped, its end cut off, or numbers of its header replaced."
    content = bytearray(content)
    kind = chance.choice(["flip", "cut", "header"])
    if kind == "cut": return bytes(content[:chance.randrange(len(content))])
    reach = min(16, len(content)) if headers or kind == "header" else len(content)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(reach)
        content[place] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
    return bytes(content)


@needs_mnist
def test_real_files_are_read_as_numpy_reads_them():
    paths = [REAL / "mnist" / name for name in T10K.values()]
    images, labels = (gzip.decompress(path.read_bytes()) for path in paths)
    x, y = (read_idx(path) for path in paths)
    assert x.shape == (10_000, 28, 28) and y.shape == (10_000,)
    assert x.dtype == y.dtype == torch.uint8
    np.testing.assert_array_equal(x.numpy().ravel(), np.frombuffer(images, "u1")[16:])
    np.testing.assert_array_equal(y.numpy(), np.frombuffer(labels, "u1")[8:])
    assert y.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


@needs_mnist
def test_a_thousand_spoilt_versions_of_real_files(file):
    "Only a ValueError that names the file may come, and memory stays bounded."
    chance = random.Random(0)
    packed = {part: (REAL / "mnist" / name).read_bytes() for part, name in T10K.items()}
    plain = {part: gzip.decompress(content) for part, content in packed.items()}
    refused = 0
    tracemalloc.start()
    for i in range(1000):
        part = "images" if i % 20 == 0 else "labels"
        how = ("packed", "plain", "plain, then packed")[i % 3]
        content = spoilt((packed if how == "packed" else plain)[part], chance, headers=i % 2)
        file.write_bytes(gzip.compress(content, 1) if how == "plain, then packed" else content)
        tensor = read_or_refuse(file)
        refused += tensor is None
        if tensor is None: continue
        if how == "packed": assert tensor.numpy().tobytes() == plain[part][-tensor.nbytes:]
        else: assert tensor.nbytes == len(content) - 4 - 4 * content[3]
        assert tensor.ndim <= 8
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > 500, "most versions are spoilt beyond use"
    assert peak < 64 * 2**20, f"{peak:,} bytes"


@needs_mnist
def test_real_file_that_claims_much_costs_little(file):
    labels = bytearray(gzip.decompress((REAL / "mnist" / T10K["labels"]).read_bytes()))
    labels[4:8] = (1032 * len(labels) - 5).to_bytes(4, "big")       # just within what is possible
    for content in (bytes(labels), gzip.compress(bytes(labels))):
        file.write_bytes(content)
        tracemalloc.start()
        assert read_or_refuse(file) is None
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        tracemalloc.stop()


def test_missing_file_is_not_called_spoilt(tmp_path):
    with pytest.raises(FileNotFoundError): read_idx(tmp_path / "nothing")


# The table

def test_table_is_consistent():
    assert MNIST["name"] == "mnist"
    assert set(MNIST["files"]) == {MNIST["images"], MNIST["labels"]}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for _, sha256 in MNIST["files"].values())
    assert len({mirror.split("/")[2] for mirror in MNIST["mirrors"]}) >= 2
    assert all(mirror.startswith("https://") for mirror in MNIST["mirrors"])


@pytest.mark.skipif(not (REAL and (REAL / "README.md").is_file()),
                    reason="no README.md in EXP_DATA_DIR")
def test_table_agrees_with_the_notes_beside_the_data():
    notes = (REAL / "README.md").read_text(encoding="utf-8")
    for name, (size, sha256) in MNIST["files"].items():
        assert re.search(rf"{re.escape(name)}[^|]*\| {size:,} \| {sha256} \|", notes), name
    for mirror in MNIST["mirrors"]: assert f"`{mirror}`" in notes


# Downloads: a server on 127.0.0.1 with every fault

class Handler(BaseHTTPRequestHandler):
    "Answers /kind/file: each kind is one way for a server to behave."

    def do_GET(self):
        _, kind, name = self.path.split("/")
        self.server.asked.append(self.path)
        with contextlib.suppress(OSError): getattr(self, kind)(self.server.files[name])

    def log_message(self, *args): pass

    def send(self, content, length=None, media="application/gzip"):
        self.send_response(200)
        self.send_header("Content-Type", media)
        if length is not False: self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def good(self, content): self.send(content)
    def missing(self, content): self.send_error(404)
    def page(self, content): self.send(b"\n<!DOCTYPE html><p>Please log in</p>", media="text/html")
    def wrong(self, content): self.send(content[:-1] + bytes([content[-1] ^ 1]))
    def truncated(self, content): self.send(content[:-20])
    def cut(self, content): self.send(content[:len(content) // 2], len(content))
    def garbage(self, content): self.wfile.write(b"this is not HTTP\r\n\r\n")

    def flaky(self, content):
        (self.cut if self.server.asked.count(self.path) == 1 else self.good)(content)

    def endless(self, content):
        self.send(content, length=False)
        while not self.server.over.is_set(): self.server.sent += self.wfile.write(bytes(2**16))

    def silent(self, content): self.server.over.wait(30)

    def stalled(self, content):
        self.send(content[:len(content) // 2], len(content))
        self.server.over.wait(30)

    def slow(self, content):
        self.send(content[:100], len(content))
        for start in range(100, len(content), 2**18):
            time.sleep(0.05)
            self.wfile.write(content[start:start + 2**18])


@pytest.fixture(scope="module")
def contents():
    "The two files to serve: the real t10k files or, where they are absent, small ones of our own."
    if there: return {name: (REAL / "mnist" / name).read_bytes() for name in T10K.values()}
    chance = np.random.default_rng(0)
    images, labels = (chance.integers(0, n, shape) for n, shape in ((256, (600, 9, 9)), (10, 600)))
    return {name: gzip.compress(idx_bytes(part.astype("u1")), mtime=0)
            for name, part in zip(T10K.values(), (images, labels))}


@pytest.fixture(scope="module")
def expected(contents):
    "Images and labels, decoded without the code under test."
    raw = [np.frombuffer(gzip.decompress(content), "u1") for content in contents.values()]
    return raw[0][16:].reshape(len(raw[1]) - 8, -1) / np.float32(255), raw[1][8:].astype("i8")


@pytest.fixture(scope="module")
def source(contents, expected):
    "A table like MNIST's for those two files, without mirrors."
    n = len(expected[1])
    sums = {name: (len(b), hashlib.sha256(b).hexdigest()) for name, b in contents.items()}
    return {**T10K, "name": "mnist", "mirrors": [], "files": sums,
            "train": n * 4 // 5, "valid": n // 10}


@pytest.fixture
def served(contents):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.files, server.asked, server.sent = contents, [], 0
    server.over = threading.Event()
    server.url = lambda kind: f"http://127.0.0.1:{server.server_address[1]}/{kind}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def dead():
    "An address where nobody listens."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/mnist/"


def check(data, expected, source):
    "The four tensors are the files' content, cut as the table says."
    cut, end = source["train"], source["train"] + source["valid"]
    images, labels = expected
    for tensor, right in zip(data, (images[:cut], labels[:cut], images[cut:end], labels[cut:end])):
        torch.testing.assert_close(tensor, torch.tensor(right))


def refused(error, source, **changes):
    "The message of the error that a call of get_data ends in."
    with pytest.raises(error) as caught: get_data("mnist", source={**source, **changes})
    assert type(caught.value) is error
    return str(caught.value)


def test_download_fills_the_cache_once(served, source, expected, cache):
    for slash in ("", "/"):
        check(get_data("mnist", source={**source, "mirrors": [served.url("good") + slash]}),
              expected, source)
    assert files_in(cache) == sorted(T10K.values())
    assert sorted(served.asked) == sorted(f"/good/{name}" for name in T10K.values())
    check(get_data("mnist", source=source), expected, source)


@pytest.mark.parametrize(
    "first", ["dead", "missing", "page", "wrong", "truncated", "cut", "garbage", "silent"])
def test_the_next_mirror_is_tried(first, dead, served, source, expected, cache):
    mirrors = [dead if first == "dead" else served.url(first), served.url("good")]
    table = {**source, "mirrors": mirrors, "timeout": 0.5}
    check(get_data("mnist", source=table), expected, source)
    assert files_in(cache.parent) == sorted(T10K.values())


def test_a_download_that_was_cut_is_started_again(served, source, expected, cache):
    table = {**source, "mirrors": [served.url("flaky")]}
    check(get_data("mnist", source=table), expected, source)
    assert len(served.asked) == 4 and files_in(cache) == sorted(T10K.values())


@pytest.mark.parametrize("kind, error, words", [
    ("missing", ConnectionError, "404"), ("page", ValueError, "web page (HTML)"),
    ("wrong", ValueError, "SHA-256"), ("truncated", ValueError, "should have"),
    ("cut", ValueError, "should have"), ("endless", ValueError, "should have"),
    ("garbage", ConnectionError, "not HTTP"), ("silent", ConnectionError, "timed out"),
    ("stalled", ConnectionError, "timed out")])
def test_a_bad_server_leaves_nothing_behind(kind, error, words, served, source, cache):
    start = time.perf_counter()
    message = refused(error, source, mirrors=[served.url(kind)], timeout=0.3)
    assert words in message and served.url(kind) in message and T10K["images"] in message
    assert files_in(cache.parent) == []
    assert time.perf_counter() - start < 10
    assert len(served.asked) == 2, "asked twice, then given up"


def test_an_endless_answer_is_left_early(served, source):
    refused(ValueError, source, mirrors=[served.url("endless")])
    assert served.sent < 64 * 2**20


def test_no_network_is_one_clear_sentence(dead, source, cache):
    other = dead.replace("/mnist/", "/other/")
    message = refused(ConnectionError, source, mirrors=[dead, other])
    for part in (dead + T10K["images"], other + T10K["images"], str(cache), "by hand", "'digits'"):
        assert part in message
    assert "\n" not in message and files_in(cache.parent) == []
    assert len(get_data("digits")[0]) == 1437


def test_files_put_by_hand_into_the_cache_are_used(contents, source, expected, cache):
    cache.mkdir(parents=True)
    for name, content in contents.items(): (cache / name).write_bytes(content)
    check(get_data("mnist", source=source), expected, source)


@pytest.mark.parametrize("place", ["folder", "EXP_DATA_DIR", "cache"])
@pytest.mark.parametrize("content, word", [
    (b"<html>not found", "HTML"), (b"", "0 bytes"), (b"short", "5 bytes"), (None, "SHA-256")])
def test_a_bad_file_put_by_hand_is_named_and_left(place, content, word, served, source, contents,
                                                  cache, tmp_path, monkeypatch):
    name = T10K["labels"]
    folder = {"folder": tmp_path / "mine", "EXP_DATA_DIR": tmp_path / "own" / "mnist",
              "cache": cache}[place]
    shutil.rmtree(tmp_path / "own", ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / T10K["images"]).write_bytes(contents[T10K["images"]])
    (folder / name).write_bytes(contents[name][:-1] + b"!" if content is None else content)
    if place == "EXP_DATA_DIR": monkeypatch.setenv("EXP_DATA_DIR", str(tmp_path / "own"))
    before = snapshot(folder)
    with pytest.raises(ValueError) as caught:
        get_data("mnist", folder if place == "folder" else None,
                 {**source, "mirrors": [served.url("good")]})
    assert str(folder / name) in str(caught.value) and word in str(caught.value)
    assert snapshot(folder) == before and served.asked == []


@pytest.mark.parametrize("place", ["folder", "EXP_DATA_DIR"])
def test_your_folders_are_only_read(place, served, source, contents, expected, cache, tmp_path,
                                    monkeypatch):
    "One file is at hand, the other has to be downloaded: it goes to the cache."
    own = tmp_path / "own"
    folder = own / "mnist" if place == "EXP_DATA_DIR" else own
    folder.mkdir(parents=True)
    (folder / T10K["images"]).write_bytes(contents[T10K["images"]])
    if place == "EXP_DATA_DIR": monkeypatch.setenv("EXP_DATA_DIR", str(own))
    before = snapshot(own)
    table = {**source, "mirrors": [served.url("good")]}
    check(get_data("mnist", own if place == "folder" else None, table), expected, source)
    assert snapshot(own) == before
    assert files_in(cache) == [T10K["labels"]] and served.asked == [f"/good/{T10K['labels']}"]


def test_another_table_has_folders_of_its_own(served, source, expected, contents, cache, tmp_path,
                                              monkeypatch):
    "EXP_DATA_DIR/mnist and the cache's mnist are nobody's business but MNIST's."
    own, table = tmp_path / "own", {**source, "name": "other"}
    for folder, right in ((own / "other", True), (own / "mnist", False), (cache, False)):
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content if right else b"never read")
    monkeypatch.setenv("EXP_DATA_DIR", str(own))
    check(get_data("mnist", source=table), expected, source)
    monkeypatch.delenv("EXP_DATA_DIR")
    check(get_data("mnist", source={**table, "mirrors": [served.url("good")]}), expected, source)
    assert files_in(cache.parent / "other") == sorted(T10K.values())


def test_folder_comes_before_the_environment_and_the_cache(source, contents, expected, cache,
                                                           tmp_path, monkeypatch):
    own, mine = tmp_path / "own", tmp_path / "mine"
    for folder, right in ((mine, True), (own / "mnist", False), (cache, False)):
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content if right else b"never read")
    monkeypatch.setenv("EXP_DATA_DIR", str(own))
    check(get_data("mnist", mine, source), expected, source)
    check(get_data("mnist", str(mine), source), expected, source)
    with pytest.raises(ValueError, match=re.escape(str(own))): get_data("mnist", None, source)


def test_files_that_do_not_fit_together(source, contents, tmp_path):
    n = source["train"] + source["valid"]
    files = {"few.gz": gzip.compress(idx_bytes(np.ones(n - 1, "u1"))),
             "cut.gz": contents[T10K["labels"]][:-9], "page.gz": gzip.compress(b"<html>"),
             **contents}
    sums = {name: (len(b), hashlib.sha256(b).hexdigest()) for name, b in files.items()}
    for name, content in files.items(): (tmp_path / name).write_bytes(content)
    table = {**source, "files": sums}
    for changes, words in [({"labels": "few.gz"}, f"{n - 1} labels"),
                           ({"labels": "cut.gz"}, str(tmp_path / "cut.gz")),
                           ({"images": "page.gz"}, str(tmp_path / "page.gz")),
                           ({"train": 10**6}, "are needed")]:
        with pytest.raises(ValueError) as caught: get_data("mnist", tmp_path, {**table, **changes})
        assert words in str(caught.value)


def test_an_interrupted_download_leaves_nothing(served, source, cache, monkeypatch):
    class Interrupted:
        def __enter__(self): return self
        def __exit__(self, *args): pass
        def read(self, n): raise KeyboardInterrupt
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **kw: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        get_data("mnist", source={**source, "mirrors": [served.url("good")]})
    assert files_in(cache.parent) == []


def test_a_file_where_the_cache_should_be(served, source, tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    with pytest.raises(OSError, match="cannot be written") as caught:
        get_data("mnist", source={**source, "mirrors": [served.url("good")]})
    assert str(tmp_path / "taken") in str(caught.value) and "XDG_CACHE_HOME" in str(caught.value)
    assert (tmp_path / "taken").read_text() == "not a folder"


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no such permissions on this system")
def test_a_read_only_cache(served, source, monkeypatch):
    with tempfile.TemporaryDirectory() as folder:       # not below pytest's own, which are private
        monkeypatch.setenv("XDG_CACHE_HOME", folder)
        os.chmod(folder, 0o555)
        root = os.geteuid() == 0                        # root may write anywhere, so become nobody
        if root: os.seteuid(65534)
        try:
            with pytest.raises(OSError, match="cannot be written") as caught:
                get_data("mnist", source={**source, "mirrors": [served.url("good")]})
        finally:
            if root: os.seteuid(0)
            os.chmod(folder, 0o755)
        assert folder in str(caught.value) and files_in(Path(folder)) == []


CHILD = """
import hashlib, json, sys
from exp.data import get_data
print("ready", flush=True)
source = json.loads(sys.stdin.readline())
data = get_data("mnist", source=source)
print("\\n" + hashlib.sha256(b"".join(part.numpy().tobytes() for part in data)).hexdigest())
"""


def child():
    "A process that waits for a table and then asks for its data."
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def test_four_processes_start_at_once(served, source, cache):
    processes = [child() for _ in range(4)]
    table = {**source, "mirrors": [served.url("slow")]}
    for process in processes:
        process.stdin.write(json.dumps(table) + "\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, answers
    data = get_data("mnist", source=source)
    right = hashlib.sha256(b"".join(part.numpy().tobytes() for part in data))
    assert {out.split()[-1] for out, _ in answers} == {right.hexdigest()}
    assert files_in(cache.parent) == sorted(T10K.values())
    assert served.asked.count(f"/slow/{T10K['images']}") > 1, "they did not meet"


def test_a_killed_process_does_no_harm(served, source, expected, cache):
    process = child()
    process.stdin.write(json.dumps({**source, "mirrors": [served.url("stalled")]}) + "\n")
    process.stdin.flush()
    deadline = time.perf_counter() + 20
    while not served.asked and time.perf_counter() < deadline: time.sleep(0.02)
    time.sleep(0.2)
    process.kill()
    process.communicate()
    assert not set(files_in(cache)) & set(T10K.values()), "half a file under its final name"
    check(get_data("mnist", source={**source, "mirrors": [served.url("good")]}), expected, source)
