"""Reads the setters out of a Java class file, so that no JDK is needed to compare with a jar."""

import struct
import zipfile
from pathlib import Path

_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_PUBLIC, _STATIC = 0x0001, 0x0008


def bean_properties(jar: Path, class_name: str) -> set[str]:
    """Return the properties that a class has public setters for, by the rules of JavaBeans."""
    with zipfile.ZipFile(jar) as archive:
        data = archive.read(class_name.replace(".", "/") + ".class")
    texts, at = _texts(data)
    (interfaces,) = struct.unpack_from(">H", data, at + 6)
    at = _skip_members(data, at + 8 + 2 * interfaces)
    (count,) = struct.unpack_from(">H", data, at)
    at += 2
    found = set()
    for _ in range(count):
        flags, name, descriptor, attributes = struct.unpack_from(">HHHH", data, at)
        at = _skip_attributes(data, at + 8, attributes)
        method, signature = texts[name], texts[descriptor]
        one_argument = (
            signature.endswith(")V") and signature.count(";") + signature.count("(") <= 2 and len(signature) > 3
        )
        if flags & _PUBLIC and not flags & _STATIC and method.startswith("set") and one_argument:
            found.add(method[3].lower() + method[4:])
    return found


def _texts(data: bytes) -> tuple[dict[int, str], int]:
    (count,) = struct.unpack_from(">H", data, 8)
    texts: dict[int, str] = {}
    at, index = 10, 1
    while index < count:
        tag = data[at]
        if tag == 1:
            (length,) = struct.unpack_from(">H", data, at + 1)
            texts[index] = data[at + 3 : at + 3 + length].decode()
            at += 3 + length
        else:
            at += 1 + _SIZES[tag]
        index += 2 if tag in {5, 6} else 1
    return texts, at


def _skip_members(data: bytes, at: int) -> int:
    (count,) = struct.unpack_from(">H", data, at)
    at += 2
    for _ in range(count):
        (attributes,) = struct.unpack_from(">H", data, at + 6)
        at = _skip_attributes(data, at + 8, attributes)
    return at


def _skip_attributes(data: bytes, at: int, count: int) -> int:
    for _ in range(count):
        (length,) = struct.unpack_from(">I", data, at + 2)
        at += 6 + length
    return at
