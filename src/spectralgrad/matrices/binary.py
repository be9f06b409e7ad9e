"""NumPy's own files. What a header promises is looked at before any of it is believed.

NumPy reads the header; nothing is unpickled. ``numpy.load`` would map a stack into memory, where a
file that becomes shorter, or a disk that fails, ends the process; and it waits for a header of any
length, and leaves out what follows the array.
"""

import math
import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from spectralgrad.matrices.checks import check_kind, check_size, damaged, fault, place_of, settle
from spectralgrad.system.errors import one_line
from spectralgrad.theory.arrays import Array, MatrixError

# A header is at most 10000 bytes, whatever length it states.
_HEAD = 2**14
# Bytes of the list of members of an archive, which takes ten times that in memory.
_LONGEST_LIST = 2**20
# Of the members that SciPy writes, what they hold.
_WHOLE = ("shape", "indices", "indptr", "row", "col", "coords", "offsets")
_KINDS = {"data": "biufc", "format": "SU", "_is_array": "b"} | dict.fromkeys(_WHOLE, "iu")
_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    # It differs in the names of fields only, which are refused anyway.
    (3, 0): np.lib.format.read_array_header_2_0,
}


class _Header(NamedTuple):
    """What an array is, and where its data start."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]
    start: int

    def check_length(self, length: int) -> None:
        """Refuse a file that ends too early, or has a second array, say, behind the first."""
        missing = self.start + math.prod(self.shape) * self.dtype.itemsize - length
        if missing:
            less = f"{missing} bytes fewer than the header promises"
            more = "more data than the header promises"
            raise damaged(".npy", less if missing > 0 else more, "numpy.save")


def _read_header(head: IO[bytes]) -> _Header:
    head = BytesIO(head.read(_HEAD))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            version = np.lib.format.read_magic(head)
            if version not in _READERS:
                raise ValueError(f"of version {version[0]}.{version[1]}")
            shape, is_fortran, dtype = _READERS[version](head)
        if len(shape) > 64 or not all(0 <= size < 2**63 for size in shape):
            raise ValueError("of an impossible shape")
    # The header is Python source: parsing garbage raises SyntaxError, TypeError and others.
    except Exception as error:
        raise damaged(".npy", error, "numpy.save") from None
    # The name of a sparse format is a text without dimensions.
    if shape or dtype.kind not in "SU":
        check_kind(dtype)
    return _Header(shape, "F" if is_fortran else "C", dtype, head.tell())


def _read_array(file: IO[bytes], least: int = 0) -> Array:
    header = _read_header(file)
    check_size([max(size, least) for size in header.shape])
    file.seek(0)
    number = math.prod(header.shape)
    # One byte more, because at its end the check sum of a member of an archive is looked at.
    content = file.read(header.start + number * header.dtype.itemsize + 1)
    header.check_length(len(content))
    data = np.frombuffer(content, header.dtype, number, header.start)
    return data.reshape(header.shape, order=header.order)


def read_npy(path: Path) -> Array:
    """One array, with nothing behind it."""
    with path.open("rb") as file:
        return _read_array(file)


def _read_whole_header(file: IO[bytes]) -> _Header:
    """Read the header of any number of matrices, all of which are there."""
    header = _read_header(file)
    check_size([min(size, 1) for size in header.shape])
    header.check_length(os.fstat(file.fileno()).st_size)
    return header


def count_npy(path: Path) -> int:
    """How many matrices there are."""
    with path.open("rb") as file:
        return math.prod(_read_whole_header(file).shape[:-2])


def each_npy(path: Path) -> Array | Iterator[tuple[str, Array]]:
    """One array, or the matrices of a stack one after another, none before it is asked for."""
    with path.open("rb") as file:
        header = _read_whole_header(file)
    is_stack = len(header.shape) > 2 and header.order == "C"
    return _read_each(path, header) if is_stack else read_npy(path)


def _read_each(path: Path, header: _Header) -> Iterator[tuple[str, Array]]:
    one = header.shape[-2:]
    check_size(one)
    size = math.prod(one) * header.dtype.itemsize
    with path.open("rb") as file:
        file.seek(header.start)
        for index in np.ndindex(header.shape[:-2]):
            data = file.read(size)
            if len(data) < size:
                raise damaged(".npy", "it became shorter while it was read", "numpy.save")
            yield place_of(index, len(header.shape)), np.frombuffer(data, header.dtype).reshape(one)


def read_npz(path: Path) -> Any:
    """The only array of an archive, or the sparse matrix that SciPy has saved in it."""
    with path.open("rb") as file:
        try:
            archive, names = _open_archive(file)
            if len(names) > 1:
                return _read_sparse(file, archive, names)
            return _read_array(archive.open(names[0]))
        except MatrixError:
            raise
        # A damaged archive makes zipfile raise BadZipFile, zlib.error, OSError and others.
        except Exception as error:
            raise damaged(".npz", error, "numpy.savez") from None


def _read_sparse(file: IO[bytes], archive: Any, names: list[str]) -> Any:
    from scipy.sparse import load_npz

    for name in names:
        # Of a matrix that is zero, some have no entries.
        part = _read_array(archive.open(name), least=1)
        if part.dtype.kind not in _KINDS[name.removesuffix(".npy")]:
            raise ValueError(f"no whole numbers in {name}")
        # Which SciPy would take for other ones, of 32 bits.
        if name == "offsets.npy" and np.any(part != part.astype("i4")):
            raise ValueError("diagonals outside of any matrix")
    # It pickles nothing, and believes the headers, which hold by now.
    file.seek(0)
    return settle(load_npz(file))


def _open_archive(file: IO[bytes]) -> tuple[Any, list[str]]:
    """The members that are arrays: one, or the parts of a sparse matrix."""
    import zipfile

    alone = "save one matrix alone, with numpy.save"
    # The list of members is read as a whole; that of one member is short.
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end and end[zipfile._ECD_SIZE] > _LONGEST_LIST:  # type: ignore[attr-defined]
        raise fault("holds too many members", alone)
    archive = zipfile.ZipFile(file)
    arrays = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    names = [m.filename.removesuffix(".npy") for m in arrays]
    # Of two members of one name, NumPy might read that which was not looked at.
    known = len({*names}) == len(archive.infolist()) and {"data", "format", "shape"} <= {*names}
    if len(arrays) != 1 and not (known and {*names} <= {*_KINDS}):
        listed = ", ".join([*(one_line(x, 40) for x in names[:10]), "…"][: len(names)])
        raise fault(f"holds {len(arrays)} arrays ({listed})" if names else "holds no arrays", alone)
    # Other methods unpack without bound before the first byte can be looked at.
    if any(m.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for m in arrays):
        raise fault("compressed by an unusual method", "save it with numpy.savez")
    return archive, [m.filename for m in arrays]
