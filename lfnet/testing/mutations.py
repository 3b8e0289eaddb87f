"""Damage files for tests of readers: seeded changes of bytes, text, CSV, JSON, YAML and arrays."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

__all__ = ["WORDS", "damage", "mutate"]

WORDS = (
    *("", " ", "-", "0", "-1", "1.5", "1e999", "1e20", "-1e308", "9" * 25, "1" + "0" * 400, "0x10", "1_000", "1,5"),
    *("nan", "NaN", "inf", "-inf", "null", "None", "true", "[]", "{}", "[[", "}", "~", "~noone/x", "../..", "/", "."),
    *("\N{ARABIC-INDIC DIGIT THREE}", "\N{SUPERSCRIPT TWO}", "\N{VULGAR FRACTION ONE HALF}", "caf\u00e9", "\u202e"),
    *("a" * 300, "x" * 70_000, "=1+1", "'", '"', '"""', "${x}", "${now:%Y}", "${", "%s", "*x", "&x", "!!binary x"),
    *(
        "a\nb",
        "a,b",
        "a;b",
        "a\tb",
        "\x0b",
        "\x1b[2J",
        "2026-01-01",
        "12:30:45",
        "_target_",
        "test",
        "train",
        "unlabelled",
    ),
)
"""Values that readers tend to mistake."""

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, float("nan"), float("inf"), 10**30, 10**400, "", "text", "x" * 5000),
    *([], {}, [None], [[]], {"": None}, {"_target_": "os.system"}, [1, "a"], "1", "nan", "${x}"),
)
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_Content = Callable[[bytes, Random], bytes]


def mutate(content: bytes, name: str, random: Random) -> bytes:
    """Change the content of a file in one to three ways.

    Parameters
    ----------
    content : bytes
        The content.
    name : str
        The file's name; its suffix chooses the changes that know the format (.csv, .json, .yaml, .npy, .npz,
        .safetensors). A change of bytes is possible in every file.
    random : Random
        Source of all choices: the same state gives the same change.

    Examples
    --------
    >>> mutate(b"a,b\\n1,2\\n", "t.csv", Random(1)) == mutate(b"a,b\\n1,2\\n", "t.csv", Random(1))
    True
    """
    own = _FORMATS.get(Path(name).suffix.lower())
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        way = random.random()
        if own is None or way < 0.25:
            content = random.choice(_BYTES)(content, random)
        elif way < 0.45 and _is_text(content):
            content = _text(content, random)
        else:
            content = own(content, random)
    return content


def damage(path: Path, random: Random) -> Path:
    """Change a file, or a random file of a folder, in place, and return it. Some are removed, or become a folder."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    file = random.choice(files)
    way = random.random()
    if way < 0.03:
        file.unlink()
        if way < 0.015:
            file.mkdir()
        return file
    file.write_bytes(mutate(file.read_bytes(), file.name, random))
    return file


# Changes of bytes.


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8, 64)) if content else 0):
        changed[_place(content, random)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(content: bytes, random: Random) -> bytes:
    return content[: _place(content, random)]


def _remove(content: bytes, random: Random) -> bytes:
    start = _place(content, random)
    return content[:start] + content[start + random.choice((1, 2, 16, 512)) :]


def _insert(content: bytes, random: Random) -> bytes:
    start = _place(content, random)
    new = random.choice((random.randbytes(random.choice((1, 4, 64))), b"\0" * 8, b"\xff" * 4, b"\xef\xbb\xbf", b"\r"))
    return content[:start] + new + content[start:]


def _repeat(content: bytes, random: Random) -> bytes:
    start = _place(content, random)
    part = content[start : start + random.choice((1, 16, 1024))]
    return content[:start] + part * random.choice((2, 50)) + content[start:]


def _number(content: bytes, random: Random) -> bytes:
    """Overwrite a 2-, 4- or 8-byte number by an extreme one."""
    start, size = _place(content, random), random.choice((2, 4, 8))
    value = random.choice((0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size - 1), 2 ** (8 * size) - 1))
    return content[:start] + value.to_bytes(size, random.choice(("little", "big"))) + content[start + size :]


def _whole(content: bytes, random: Random) -> bytes:
    others = (b"", b"\0" * 100, b"\n", b"{}", b"[]", b"null", b"PK\3\4", b"\x93NUMPY")
    return random.choice((*others, content + content, random.randbytes(200)))


def _place(content: bytes, random: Random) -> int:
    """A place in the content; every other time in its first 200 bytes, where headers are."""
    end = min(len(content), 200) if random.random() < 0.5 else len(content)
    return random.randrange(end) if end else 0


_BYTES: tuple[_Content, ...] = (_flip, _flip, _cut, _remove, _insert, _repeat, _number, _whole)


# Changes of text.


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(content: bytes, random: Random) -> bytes:
    text = content.decode()
    way = random.randrange(7)
    if way == 0:  # another encoding
        return (text + "\u00e9").encode(
            random.choice(("latin-1", "utf-16", "utf-8-sig", "cp1252", "utf-32")), "replace"
        )
    if way == 1:  # line ends
        return text.replace("\n", random.choice(("\r\n", "\r", "\n\n", "\u2028", "\0"))).encode()
    if way == 2 and (numbers := [*_NUMBER.finditer(text)]):
        number = random.choice(numbers)
        return (text[: number.start()] + random.choice(WORDS) + text[number.end() :]).encode("utf-8", "replace")
    parts = re.split(r"(\W)", text)
    one, two = random.randrange(len(parts)), random.randrange(len(parts))
    if way in (3, 4):
        parts[one] = random.choice(WORDS)
    elif way == 5:
        parts[one], parts[two] = parts[two], parts[one]
    else:
        del parts[min(one, two) : min(one, two) + random.choice((1, 2, 10))]
    return "".join(parts).encode("utf-8", "replace")


def _csv(content: bytes, random: Random) -> bytes:
    try:
        rows = [*csv.reader(io.StringIO(content.decode(), newline=""))]
    except (UnicodeDecodeError, csv.Error):  # it is damaged already
        return _flip(content, random)
    if not rows or not rows[0]:
        return _whole(content, random)
    row, column = random.randrange(len(rows)), random.randrange(len(rows[0]))
    way = random.randrange(9)
    if way in (0, 1, 2):
        if column < len(rows[row]):
            rows[row][column] = random.choice(WORDS)
    elif way == 3:  # a column goes, or is there twice
        twice = random.random() < 0.3
        rows = [[*line[:column], *line[column : column + 1] * 2 * twice, *line[column + 1 :]] for line in rows]
    elif way == 4:
        rows.insert(row, list(random.choice(rows)))
    elif way == 5:
        rows = random.choice((rows[:1], rows[1:], rows[::-1], rows[:row]))
    elif way == 6:
        rows[row] = random.choice((rows[row] + ["more"], rows[row][:column], [], [""] * len(rows[row])))
    elif way == 7:  # the whole column
        word = random.choice(WORDS)
        rows = [[*line[:column], word, *line[column + 1 :]] if number else line for number, line in enumerate(rows)]
    else:
        other = random.randrange(len(rows))
        if column < min(len(rows[row]), len(rows[other])):
            rows[row][column], rows[other][column] = rows[other][column], rows[row][column]
    out = io.StringIO()
    csv.writer(out, delimiter=random.choice(",,,;\t|"), lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _json(content: bytes, random: Random) -> bytes:
    try:
        value = json.loads(content)
        if random.random() < 0.02:
            return random.choice((b"[" * 100_000, b'{"a":' * 20_000))
        return json.dumps(_changed(value, random)).encode()
    except (ValueError, RecursionError):
        return _flip(content, random)


def _changed(value: Any, random: Random) -> Any:
    """The value with one node replaced, removed, renamed or repeated."""
    nodes = [*_nodes(value)]
    if not nodes:
        return random.choice(_VALUES)
    # Deep nodes outnumber the others, so that the depth is drawn first.
    depth = random.choice(sorted({level for level, _, _ in nodes}))
    _, parent, key = random.choice([node for node in nodes if node[0] == depth])
    way = random.random()
    if way < 0.6:
        parent[key] = random.choice(_VALUES)
    elif way < 0.8:
        del parent[key]
    elif way < 0.9 and isinstance(parent, dict):
        parent[random.choice(WORDS)] = parent.pop(key)
    elif way < 0.95:
        parent[key] = [parent[key]]
    else:
        nested: Any = []
        for _ in range(random.choice((20, 300))):
            nested = [nested]
        parent[key] = nested
    return value


def _nodes(value: Any, depth: int = 0) -> Any:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in list(children):
        yield depth, value, key
        yield from _nodes(child, depth + 1)


def _yaml(content: bytes, random: Random) -> bytes:
    if not _is_text(content):
        return _flip(content, random)
    lines = content.decode().split("\n")
    number = random.choice([n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")] or [0])
    line = lines[number]
    key, colon, _ = line.partition(":")
    way = random.randrange(9)
    if way in (0, 1, 2) and colon:
        lines[number] = f"{key}: {random.choice(WORDS)}"
    elif way == 3 and colon:
        text = json.dumps(random.choice(_VALUES))
        lines[number] = f"{key}: {text}"
    elif way == 4:
        del lines[number]
    elif way == 5:
        lines[number] = random.choice((" ", "\t", "    ", "- ", "? ", "<<: ", "# ")) + line
    elif way == 6:
        lines.insert(number, line)
    elif way == 7 and colon:
        lines[number] = f"{random.choice(WORDS)}:{line[len(key) + 1 :]}"
    else:
        lines.insert(
            number, random.choice(("%YAML 9", "---", "...", "<<: *a", "a: &a [*a]", "[" * 300, "x: !!set {a}"))
        )
    return "\n".join(lines).encode("utf-8", "replace")


# Changes of arrays.


def _array(value: np.ndarray, random: Random) -> np.ndarray:
    if value.dtype.kind not in "biuf":
        return value
    way = random.randrange(9) if value.ndim else 7
    if way == 0:
        return value.astype(
            random.choice(("float16", "float64", "int8", "uint8", "bool", "complex64", ">f4", "S3", "U4"))
        )
    if way == 1:
        return value.reshape(random.choice(((-1,), (1, *value.shape), (*value.shape, 1), value.shape[::-1])))
    if way == 2:
        return value[: random.choice((0, 1, 2))]
    if way == 3:
        return value[..., :0]
    if way == 4:
        return np.zeros((), value.dtype)
    if way == 5:
        return np.asarray(value[::-1], order="F")
    if way == 6:
        return np.concatenate([value, value])
    changed = np.array(value, np.float64)
    fill = random.choice((np.nan, np.inf, -np.inf, -1.0, 1e300, 0.0))
    if way == 7 or not changed.size:
        changed[...] = fill
    else:
        changed.flat[random.randrange(changed.size)] = fill
    return changed


def _npy(content: bytes, random: Random) -> bytes:
    try:
        value = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # of many kinds: it is damaged already
        return _flip(content, random)
    out = io.BytesIO()
    np.save(out, _array(value, random))
    return out.getvalue()


def _npz(content: bytes, random: Random) -> bytes:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = dict(archive)
    except Exception:
        return _flip(content, random)
    out = io.BytesIO()
    np.savez(out, **_arrays(arrays, random))  # type: ignore[arg-type]
    return out.getvalue()


def _safetensors(content: bytes, random: Random) -> bytes:
    from safetensors.numpy import load, save

    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        arrays = load(content)
    except Exception:
        return _flip(content, random)
    if random.random() < 0.4:  # the header alone
        text = json.dumps(_changed(header, random)).encode()
        return len(text).to_bytes(8, "little") + text + content[8 + size :]
    try:
        return save(_arrays(arrays, random), header.get("__metadata__"))
    except Exception:  # types that the format does not have
        return _flip(content, random)


def _arrays(arrays: dict[str, np.ndarray], random: Random) -> dict[str, np.ndarray]:
    name = random.choice(sorted(arrays)) if arrays else "x"
    way = random.random()
    if way < 0.15:
        arrays.pop(name, None)
    elif way < 0.3:
        arrays[random.choice(("x", "time", "valid", "features"))] = arrays.pop(name, np.zeros(3))
    elif arrays:
        arrays[name] = _array(arrays[name], random)
    return {key: np.ascontiguousarray(value) for key, value in arrays.items()}


_FORMATS: dict[str, _Content] = {
    ".csv": _csv,
    ".json": _json,
    ".yaml": _yaml,
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
}
