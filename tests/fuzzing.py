"""Garbage for everything that reads a matrix, and a judge of what comes of it.

Usage: python tests/fuzzing.py NUMBER [SEED]

The inputs are divided among the formats, each in a process of its own whose memory is limited. For
each format it prints the number of inputs, how many were accepted, the slowest, the peak of the
memory, and what was found: anything but a sound array that says what the file says, or one line.
"""

import io
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np

from spectralgrad import matrices
from spectralgrad.matrices import MatrixError

SECONDS = 60
MEMORY = 1500 * 2**20
LONGEST_MESSAGE = 3000

# Texts


def pick(rng, *items):
    return rng.choice(items)


ODD_NUMBERS = (
    *("nan", "-inf", "infinity", "1e999", "-1e-999", "5e-324", "1e308", "1e-160", "1e151", "-0"),
    *("1_0", "٣", "１２", "0x10", "1e+-5", "- 5", "+ 5", "(5)", "(-5)", "1,5", "1 000", "1'000"),
    *("1+2j", "(1-2i)", "1 - 2I", "-j", "i", "j5", "1+2", "1+j2", "1+-2j", "nanj", "1e999j", "--1"),
    *("", " ", ".", "-", "e5", "1e", "1.", ".5", "+.5E+3", "1d5", "1f", "true", "None", "x", "é"),
    *('"1"', '"', '"1"2', "'1'", '"1,2"', '"1""2"', "\0", "1\0", "\x1b[1m", "\u202e1", "\ufeff1"),
    *("<script>", "{{7*7}}", "9" * 400, "0." + "0" * 400 + "1", "1" + " " * 300 + "2", "#", "%"),
)


def number(rng, odd=0.05):
    if rng.random() < odd:
        return pick(rng, *ODD_NUMBERS)
    x = rng.choice([rng.gauss(0, 1), float(rng.randint(-9, 9)), 10 ** rng.uniform(-20, 20)])
    return pick(rng, repr, "{:.3e}".format, "{:+g}".format)(x)


def shape(rng):
    return rng.randint(1, 5), rng.randint(1, 5)


def text(rng, separators):
    m, n = shape(rng)
    odd = rng.choice([0, 0, 0.02, 0.2])
    rows = []
    for _ in range(m):
        if rng.random() < 0.03:
            n = rng.randint(1, 6)
        cells = [number(rng, odd) for _ in range(n)]
        rows.append("".join(c + rng.choice(separators) for c in cells[:-1]) + cells[-1])
        if rng.random() < 0.05:
            rows.append(pick(rng, "", "# c", "% c", "  ", "\x0c", "\x85", "\u2028", "a" * 300))
    return pick(rng, "\n", "\r\n", "\r").join(rows) + pick(rng, "", "\n", "\n\n", "\x1a")


def encoded(rng, content):
    encoding = rng.choice(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp037"])
    return content.encode(encoding, "replace")


def csv(rng):
    return encoded(rng, text(rng, [",", ",", ",", ", ", " ,", ";", ",,"]))


def tsv(rng):
    return encoded(rng, text(rng, ["\t", "\t", "\t", " \t ", " ", "\t\t"]))


def txt(rng):
    separators = rng.choice([[" "], [" ", "  ", "\t"], [","], [", ", ","], [" ", ","], [" , "]])
    return encoded(rng, text(rng, separators))


# JSON and nested lists


def nested(rng, entry, depth=0):
    if depth > 6 or (depth > 1 and rng.random() < 0.8):
        return entry(rng)
    length = rng.choice([1, 2, 2, 2, 3, 0] if depth else [1, 2, 3])
    if depth == 1 and rng.random() < 0.9:
        length = 2
    return [nested(rng, entry, depth + 1) for _ in range(length)]


def json_text(rng):
    special = (
        *("NaN", "-Infinity", "1e999", "-1E-999", "9" * 5000, "01", "1.", "-", "null", "{}"),
        *('"1+2i"', '"x"', '"\\ud800"', '"\\u0000"', '"<script>"', '{"a": 1, "a": 2}', "[]", '"'),
        *("[" * 50 + "]" * 50, "[" * 2000, "1e" + "9" * 500, '"1' + " " * 300 + '2"', "[[1], 2]"),
    )

    def entry(rng):
        return rng.choice(special) if rng.random() < 0.05 else number(rng, 0)

    def write(item):
        if isinstance(item, str):
            return item
        return "[" + pick(rng, ",", ", ", ",\n").join(map(write, item)) + "]"

    return write(nested(rng, entry))


def json_file(rng):
    return encoded(rng, json_text(rng))


def inline(rng):
    """A JSON string, which may be spoilt; as `load` takes it for JSON, it has no other meaning."""
    content = spoilt(rng, json_text(rng).encode()) if rng.random() < 0.5 else json_file(rng)
    return "[" * (rng.random() < 0.1) + content.decode("utf-8", "replace")


class Broken:
    """An array-like that is none."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no\nluck")


def objects(rng):
    entries = (
        *(None, True, np.True_, 10**400, -(10**5000), 2**64, "1+2i", "x", "", b"1", {}, object()),
        *(float("nan"), float("inf"), 1e308, 5e-324, complex(0, float("nan")), 1j, np.float16(3)),
        *(np.longdouble("1e4000"), np.longdouble("1e-4000"), np.int8(3), np.datetime64("2020")),
        *(np.ones(2), np.ones((2, 2)), np.ones((0, 2)), np.str_("1"), Broken(), "\ud800", range(2)),
        *(np.ma.masked, np.array(1.0), memoryview(b"ab"), (), [[]], "9" * 400, "\0"),
    )

    def entry(rng):
        return rng.choice(entries) if rng.random() < 0.1 else rng.gauss(0, 1)

    kind = rng.random()
    if kind < 0.5:
        found = nested(rng, entry)
        return tuple(found) if rng.random() < 0.2 else found
    if kind < 0.6:
        return rng.choice(entries)
    plain = rng.choice([*"?bQefdgFDGO", ">f4", ">c16", "S3", "U2", "V4", "M8[s]", "m8"])
    dtype = np.dtype(rng.choice([plain] * 9 + [[("a", "f8")]]))
    sizes = [rng.randint(0, 4) for _ in range(rng.choice([0, 1, 2, 2, 2, 3, 5]))]
    data = rng.randbytes(dtype.itemsize * int(np.prod(sizes, dtype=int)))
    if dtype.hasobject:
        return np.full(sizes, rng.choice(entries[:10]), dtype=object)
    array = np.frombuffer(data or b"", dtype=dtype)
    array = array.reshape([*sizes, *array.shape[1:]]) if array.size else np.zeros(sizes, dtype)
    return rng.choice([array, array.T, array[..., ::-1] if array.ndim else array])


# Arrays


DTYPES = (
    *("<f8", "<f8", "<f4", "<c16", "<c8", ">f8", ">c8", "<f2", "<f16", "<c32", "|b1", "|i1", "<i8"),
    *(">u2", "<u8", "|O", "<U3", "|S3", "|V8", "<M8[s]", "<m8[D]", "(2,3)f8", "f8,f8", "float64"),
    *("d", "", "x", "<f3", "<f1000", "|S0", "|V0", "<U0", "\\x00", "f8" * 40, "<i8,(3)f4", "=f8"),
)


def sizes(rng):
    if rng.random() < 0.6:
        return repr(tuple(shape(rng)))
    odd = ("0", "-1", "-2", "True", "10**9", "1e9", "4294967296", "9223372036854775807", "'a'")
    odd += ("16777217", "1000000", "9" * 30, "9" * 4400, "0x" + "f" * 4000, "None", "1.0", "1j")
    some = [rng.choice(odd) if rng.random() < 0.4 else str(rng.randint(1, 3)) for _ in range(3)]
    wrong = ("()", "(3,)", f"({'1,' * 70})", f"({'2,' * 70})", some[0], "(" * 200, "-" * 5000)
    listed = f"({', '.join(some[: rng.randint(1, 3)])},)"
    return rng.choice([listed, listed, "(2, 1, 2)", "(1, 2, 1, 2)", f"[{some[0]}, 2]", *wrong])


def npy(rng):
    if rng.random() < 0.4:
        return mutated_array(rng)[0]
    descr = rng.choice(DTYPES)
    listed = ("[('a', '<f8')]", "[('a', '<f8', (2,)), ('b', 'O')]", "None", "3", "{'names': []}")
    quoted = rng.choice([f"'{descr}'"] * 8 + [*listed, "[('', '<f8')]", "[[[[1]]]]", f"b'{descr}'"])
    order = rng.choice(["False"] * 4 + ["True"] * 4 + ["0", "None", "'yes'"])
    head = f"{{'descr': {quoted}, 'fortran_order': {order}, 'shape': {sizes(rng)}, }}"
    if rng.random() < 0.1:
        head = spoilt(rng, head.encode()).decode("latin-1")
    head = head.encode("latin-1", "replace")
    head += b" " * (-len(head) % 64) + b"\n"
    version = rng.choice([(1, 0)] * 4 + [(2, 0), (3, 0), (0, 0), (1, 1), (4, 0), (255, 255)])
    length = len(head) if rng.random() < 0.9 else rng.choice([0, 1, 2**16 - 1, 2**32 - 1])
    packed = struct.pack("<H", length % 2**16) if version[0] == 1 else struct.pack("<I", length)
    data = rng.choice([rng.randbytes, bytes])(rng.choice([0, 7, 8, 64, 128, 400, 2000]))
    return b"\x93NUMPY" + bytes(version) + packed + head + data


def sound_array(rng):
    dtype = np.dtype(rng.choice(DTYPES[:15]))
    lead = rng.choice([(), (), (), (2,), (1,), (2, 3)])
    size = (*lead, *shape(rng))
    values = [rng.randint(0, 1) if dtype.kind in "bu" else rng.gauss(0, 9) for _ in range(400)]
    array = np.array(values[: int(np.prod(size))]).reshape(size).astype(dtype)
    return np.asfortranarray(array) if rng.random() < 0.3 else array


def saved(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def mutated_array(rng):
    array = sound_array(rng)
    content = saved(array)
    return (spoilt(rng, content), None) if rng.random() < 0.7 else (content, array)


def npz(rng):
    file = io.BytesIO()
    names = ("a.npy", "arr_0.npy", "../x.npy", "/etc/x.npy", "a/b.npy", ".npy", "a.txt", "<b>.npy")
    names += ("x" * 60000 + ".npy", "\n.npy", "\u202e.npy", "a.NPY", "é.npy", "$(touch x).npy")
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    number = rng.choice([0, 1, 1, 1, 1, 1, 1, 2, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(file, "w") as archive:
            for _ in range(number):
                name = names[rng.choice([0, 0, 0, rng.randrange(len(names))])]
                content = rng.choice([npy, lambda r: mutated_array(r)[0], bomb])(rng)
                archive.writestr(zipfile.ZipInfo(name), content, compress_type=rng.choice(methods))
            archive.comment = rng.choice([b"", b"", b"c" * 60000, b"PK\5\6" * 20])
    content = bytearray(file.getvalue())
    if rng.random() < 0.2:
        # As if it were encrypted, of another size, or packed in another way.
        for signature, at in ((b"PK\1\2", rng.choice([8, 10, 16, 20, 24, 42])), (b"PK\3\4", 6)):
            start = content.find(signature)
            if start >= 0 and rng.random() < 0.8:
                content[start + at] ^= rng.choice([1, 8, 255])
    return spoilt(rng, bytes(content)) if rng.random() < 0.4 else bytes(content)


BOMB = bytes(2**20)


def bomb(rng):
    """A member that unpacks to a thousand times its size."""
    head = saved(np.zeros((1, 1)))[:128]
    claim = rng.choice([b"(4096, 4096)", b"(4097, 4096)", b"(2, 2)", b"(99999, 99999)"])
    return head.replace(b"(1, 1)", claim)[:118].ljust(127) + b"\n" + BOMB[: rng.choice([32, 2**20])]


# Matrix Market


def mtx(rng):
    layout = rng.choice(["coordinate", "coordinate", "array", "Array", "dense"])
    field = rng.choice(["real", "integer", "complex", "pattern", "double", "REAL", "quaternion"])
    symmetry = rng.choice(["general", "general", "symmetric", "skew-symmetric", "hermitian", "odd"])
    m, n = shape(rng)
    n = m if symmetry != "general" and rng.random() < 0.9 else n
    lines = [f"%%MatrixMarket matrix {layout} {field} {symmetry}"] + ["% c"] * rng.randint(0, 2)
    width = {"pattern": 0, "complex": 2}.get(field, 1)
    odd = rng.choice([0, 0, 0, 0.1])
    is_coordinate = layout == "coordinate"
    places = [(i, j) for j in range(1, n + 1) for i in range(1, m + 1)]
    if symmetry != "general":
        places = [(i, j) for i, j in places if i >= j + (symmetry == "skew-symmetric")]
    if is_coordinate:
        places = rng.sample(places, rng.randint(0, len(places)))
    huge = ["16777217", "99999999", "-1", "0", "1" * 25, "٣", "1.5", "+2", "x"]
    claim = [str(m), str(n), *([str(len(places))] if is_coordinate else [])]
    if rng.random() < 0.15:
        claim[rng.randrange(len(claim))] = rng.choice(huge)
    lines.append(" ".join(claim))
    for i, j in places:
        place = [str(i), str(j)] if is_coordinate else []
        if place and rng.random() < odd:
            place[0] = rng.choice(huge)
        values = [number(rng, odd) for _ in range(width)]
        if symmetry == "hermitian" and i == j and width == 2:
            values[1] = "0"
        lines.append(" ".join([*place, *values]))
        if rng.random() < 0.02:
            lines.append(pick(rng, "", "% c", "%", " ", "1 1 1 1 1", lines[-1]))
    return encoded(rng, pick(rng, "\n", "\r\n").join(lines) + pick(rng, "", "\n"))


# Names of files


def name(rng, folder):
    """A path to something that is no file with a matrix, and may not be there."""
    suffix = rng.choice([*matrices.SUFFIXES, ".CSV", ".x", "", ".csv.gz", ".", ".\0csv"])
    stem = "".join(rng.choice("ab\0\n\ud800\udcffé/\\.*?<>&;$`'\"\x1b\u202e -~") for _ in range(3))
    odd = ("", ".", "..", "/", "~", "-", "/dev/zero", "/dev/full", "/dev/tty", "/proc/self/mem")
    odd += ("x" * 300, "x/" * 3000, "blog-rank-2\0", "blog", "../" * 40 + "etc/passwd", "\ud800")
    special = rng.choice(("fifo", "socket", "folder", "zero", "loop", "broken", "mem", "empty"))
    return rng.choice([stem + suffix, f"{folder}/{stem}{suffix}", rng.choice(odd) + suffix,
                       f"{folder}/{special}{suffix}", f"{folder}/fifo.csv/x{suffix}"])  # fmt: skip


def lay_out(folder):
    """Make one of each kind that is no plain file, under every suffix."""
    for suffix in (*matrices.SUFFIXES, ".CSV", ""):
        place = Path(folder)
        os.mkfifo(place / f"fifo{suffix}")
        (place / f"folder{suffix}").mkdir()
        for link, target in (("zero", "/dev/zero"), ("loop", f"loop{suffix}"), ("broken", "no"),
                             ("mem", "/proc/self/mem")):  # fmt: skip
            (place / f"{link}{suffix}").symlink_to(target)
        (place / f"empty{suffix}").touch()
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(place / f"socket{suffix}"))


# Mutation


TOKENS = (
    *(b"\0", b"\xff", b"\n", b",", b"[", b"]", b"9" * 400, b"1e999", b"NaN", b"\xef\xbb\xbf"),
    *(b'"', b"-1", b"PK\3\4", b"PK\1\2", b"PK\5\6", b"<f8", b"|O", b"True", b"(" * 300, b"0x7f"),
    # Patterns that look at each space from each other one take minutes.
    b" " * 100_000,
)


def spoilt(rng, content):
    """Change a few places."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        at, to = sorted(rng.randint(0, len(content)) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0 and at < len(content):
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(content):
            content[at] = rng.randrange(256)
        elif kind == 2:
            content[at:at] = rng.choice(TOKENS)
        elif kind == 3:
            del content[at : min(to, at + rng.choice([1, 4, 999]))]
        elif kind == 4:
            del content[to:]
        else:
            content[to:to] = content[at : at + 40]
    return bytes(content)


FILES = {
    ".csv": csv,
    ".tsv": tsv,
    ".txt": txt,
    ".npy": npy,
    ".npz": npz,
    ".json": json_file,
    ".mtx": mtx,
}
KINDS = (*FILES, "string", "object", "name")


# The judge


class Finding(AssertionError):
    """What should not be."""


def demand(holds, what):
    if not holds:
        raise Finding(what)


def one_line(error):
    message = str(error)
    demand(message.isprintable() and "; " in message, f"no plain line: {message[:200]!r}")
    demand(len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message[:200]!r}")


def judge(source):
    """Load a source in every way, and hold what comes back against the contract.

    Returns
    -------
    numpy.ndarray or None
        What `load` returned, if it did.
    """
    loaded = None
    try:
        loaded = matrices.load(source, stack=True)
        demand(isinstance(loaded, np.ndarray) and loaded.dtype.char in "fdFD", "no plain array")
        demand(loaded.ndim >= 2 and 0 < loaded.size <= matrices.MAX_ENTRIES, "of no good shape")
        demand(loaded.flags.c_contiguous and loaded.flags.writeable, "of no good layout")
        demand(np.isfinite(loaded).all(), "not finite")
        again = sum(1 for _ in matrices.members(loaded))
        demand(again == np.prod(loaded.shape[:-2], dtype=int), f"members: {again}")
    except MatrixError as error:
        one_line(error)
    said = matrices.describe(source)
    demand(said.isprintable() and len(said) <= LONGEST_MESSAGE, f"described as {said[:200]!r}")
    if isinstance(source, str | os.PathLike) and not matrices._is_inline(source):
        judge_each(source, loaded)
    return loaded


def judge_each(path, loaded):
    number = matrices.count(path)
    demand(isinstance(number, int) and 0 <= number < 2**40, f"count: {str(number)[:50]}")
    met = 0
    try:
        for place, matrix in matrices.each(path):
            met += 1
            demand(place.isprintable() and matrix.ndim == 2 and matrix.size, "each: no matrix")
            demand(matrix.dtype.kind in "biufc", "each: no numbers")
    except MatrixError as error:
        one_line(error)
        demand(loaded is None or str(path) in PUBLISHED, f"load takes what each refuses: {error}")
    else:
        # A name of the published matrices is that of a file only to each.
        demand(loaded is None or number in (met, 1), f"count {number}, where each has {met}")


PUBLISHED = ("blog-rank-2", "blog-full-rank", "stack-overflow", "article-2x2")

_SIZE = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_REAL = re.compile(rf"[+-]?{_SIZE}")
_IMAGINARY = re.compile(rf"(\+\s*-|[+-]|)\s*({_SIZE}|)[ijIJ]")
_COMPLEX = re.compile(rf"([+-]?\s*{_SIZE})\s*(\+\s*-|[+-])\s*({_SIZE}|)[ijIJ]")


def plain(cell):
    """The number that a text denotes, read by another rule than the package's; or None."""
    cell = cell.strip()
    if _REAL.fullmatch(cell):
        return float(cell)
    cell = re.sub(r"^\((.*)\)$", r"\1", cell)
    if found := _IMAGINARY.fullmatch(cell):
        return complex(0, float(f"{found[1][-1:]}{found[2] or 1}"))
    if found := _COMPLEX.fullmatch(cell):
        real = float(re.sub(r"\s", "", found[1]))
        return complex(real, float(f"{found[2][-1]}{found[3] or 1}"))
    return None


def same(kind, content, loaded):
    """Hold what was loaded against what another program finds in the file, where one can tell."""
    if kind in (".csv", ".tsv", ".txt") and b'"' not in content:
        lines = [x for x in re.split("\r\n|\r|\n", content.decode("utf-8-sig")) if x.strip()]
        lines = [line for line in lines if line.strip()[0] not in "#%"]
        split = {".csv": ",", ".tsv": "\t", ".txt": r"\s*,\s*|\s+"}[kind]
        cells = [re.split(split, line.strip() if kind == ".txt" else line) for line in lines]
        found = np.array([[plain(cell) for cell in row] for row in cells])
    elif kind in (".npy", ".npz"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == ".npz":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    (member,) = (m for m in archive.infolist() if m.filename.endswith(".npy"))
                    content = archive.read(member)
            found = np.load(io.BytesIO(content), allow_pickle=False)
    elif kind in (".json", "string"):
        text = content if kind == "string" else content.decode("utf-8-sig")
        if '"' in text:
            return
        found = np.array(json.loads(text))
    else:
        return
    demand(found.dtype != object, "takes what is no matrix of numbers")
    demand(found.shape == loaded.shape, f"of shape {loaded.shape}, where it is {found.shape}")
    with np.errstate(all="ignore"):
        demand(np.array_equal(found.astype(loaded.dtype), loaded), "of other numbers")


def sound(rng, suffix):
    """A good file, and the array in it."""
    if suffix in (".npy", ".npz"):
        array = sound_array(rng)
        if suffix == ".npy":
            return saved(array), array
        file = io.BytesIO()
        rng.choice([np.savez, np.savez_compressed])(file, array)
        content = bytearray(file.getvalue())
        if rng.random() < 0.5:
            # The check sum finds what is wrong with one bit of the data.
            info = zipfile.ZipFile(file).infolist()[0]
            start = 30 + sum(struct.unpack("<HH", content[26:30]))
            content[start + rng.randrange(info.compress_size)] ^= 1 << rng.randrange(8)
            return bytes(content), array
        return bytes(content), array
    m, n = shape(rng)
    numbers = [[number(rng, 0) for _ in range(n)] for _ in range(m)]
    array = np.array([[float(x) for x in row] for row in numbers])
    if suffix == ".json":
        return json.dumps(array.tolist()).encode(), array
    if suffix == ".mtx":
        columns = (x for column in zip(*numbers, strict=True) for x in column)
        head = f"%%MatrixMarket matrix array real general\n{m} {n}\n"
        return (head + "\n".join(columns)).encode(), array
    separator = {".csv": ",", ".tsv": "\t", ".txt": " "}[suffix]
    end = rng.choice(["\n", "\r\n", "\r"])
    return end.join(map(separator.join, numbers)).encode(), array


def one(rng, kind, folder):
    """Make one input and judge what comes of it; return whether it was accepted."""
    if kind == "object":
        return judge(objects(rng)) is not None
    if kind == "name":
        return judge(name(rng, folder)) is not None
    if kind == "string":
        content = source = inline(rng)
        expected = None
    else:
        source = f"{folder}/input{kind}"
        content, expected = FILES[kind](rng), None
        if rng.random() < 0.2:
            content, expected = sound(rng, kind)
        elif kind not in (".npz", ".npy") and rng.random() < 0.4:
            content = spoilt(rng, content)
        with open(source, "wb") as file:
            file.write(content)
    loaded = judge(source)
    if loaded is not None:
        same(kind, content, loaded)
        if expected is not None and kind == ".npz":
            with np.errstate(all="ignore"):
                demand(np.array_equal(loaded, expected.astype(loaded.dtype)), "damage unnoticed")
    elif expected is not None and kind != ".npz" and not np.any(expected.dtype.char in "eGgM"):
        with np.errstate(all="ignore"):
            largest = float(np.abs(expected.astype(complex)).max())
        demand(not 1e-150 < largest < 1e150, "refuses a sound file")
    return loaded is not None


def fuzz(kind, number, seed, folder):
    """Try many inputs of one kind; return what is to be told of them."""
    slowest, accepted, findings = (0.0, 0), 0, {}
    for i in range(number):
        rng = random.Random(f"{seed} {kind} {i}")
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                accepted += one(rng, kind, folder)
        except Exception as error:
            what = f"{type(error).__name__}: {str(error)[:160]}"
            findings.setdefault(re.sub(r"\d+", "N", what)[:90], f"{seed} {kind} {i}: {what}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        slowest = max(slowest, (time.perf_counter() - started, i))
    return {
        "kind": kind,
        "inputs": number,
        "accepted": accepted,
        "slowest": slowest,
        "findings": list(findings.values()),
    }


def replay(key, folder):
    """Make the input again that a finding names, as "0 .csv 17", and let its exception through."""
    one(random.Random(key), key.split()[1], folder)


def _too_slow(*_):
    raise TimeoutError(f"took more than {SECONDS} s")


def _limited(kind, number, seed):
    """Do it in this process, whose memory is limited from here on."""
    signal.signal(signal.SIGALRM, _too_slow)
    with tempfile.TemporaryDirectory() as folder:
        lay_out(folder)
        fuzz(kind, 20, "warm-up", folder)
        status = dict(re.findall(r"(\w+):\s*(\d+) kB", Path("/proc/self/status").read_text()))
        limit = int(status["VmSize"]) * 1024 + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = fuzz(kind, number, seed, folder)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(result | {"memory": (after - before) / 1024}))


def main(number, seed="0"):
    """Print what is found; the status is 1 if anything is."""
    found = 0
    for kind in KINDS:
        command = [sys.executable, __file__, "--limited", kind, str(number // len(KINDS)), seed]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            print(f"{kind}: ended with status {done.returncode}\n{done.stderr}")
            found += 1
            continue
        told = json.loads(done.stdout)
        print(
            f"{kind}: {told['inputs']} inputs, {told['accepted']} accepted; the slowest took "
            f"{told['slowest'][0]:.3f} s; {told['memory']:.0f} MB more than before; "
            f"{len(told['findings'])} found"
        )
        for line in told["findings"]:
            print(f"    {line}")
        found += len(told["findings"])
    return int(found > 0)


if __name__ == "__main__":
    if sys.argv[1] == "--limited":
        _limited(sys.argv[2], int(sys.argv[3]), sys.argv[4])
    else:
        sys.exit(main(int(sys.argv[1]), *sys.argv[2:]))
