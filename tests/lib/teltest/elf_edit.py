"""Changes ELF files for x86-64: sections that are replaced or added, and headers that claim anything."""

import struct
import zlib

SHF_COMPRESSED = 0x800
ZLIB, ZSTD = 1, 2


class Elf:
    """A file in memory. Sections are changed by adding their new bytes at the end."""

    def __init__(self, path):
        self.path = path
        self.data = bytearray(path.read_bytes())
        (self.section_offset,) = struct.unpack_from("<Q", self.data, 0x28)
        self.count, self.names = struct.unpack_from("<HH", self.data, 0x3c)

    def header(self, number):
        return list(struct.unpack_from("<IIQQQQIIQQ", self.data, self.section_offset + 64 * number))

    def set_header(self, number, fields):
        struct.pack_into("<IIQQQQIIQQ", self.data, self.section_offset + 64 * number, *fields)

    def name(self, number):
        start = self.header(self.names)[4] + self.header(number)[0]
        return self.data[start:self.data.index(0, start)].decode()

    def number(self, name):
        return next(i for i in range(1, self.count) if self.name(i) == name)

    def content(self, name):
        header = self.header(self.number(name))
        return bytes(self.data[header[4]:header[4] + header[5]])

    def append(self, content):
        self.data += b"\0" * (-len(self.data) % 16)
        start = len(self.data)
        self.data += content
        return start

    def replace(self, name, content, new_name=None, flags=0):
        """Gives the section other content, and perhaps another name."""
        number = self.number(name)
        start = self.append(content)
        if new_name is not None:
            names = self.content(self.name(self.names))
            names_start = self.append(names + new_name.encode() + b"\0")
            header = self.header(self.names)
            header[4:6] = names_start, len(names) + len(new_name) + 1
            self.set_header(self.names, header)
        header = self.header(number)
        header[2] |= flags
        header[4:6] = start, len(content)
        if new_name is not None:
            header[0] = len(names)
        self.set_header(number, header)

    def save(self, path=None):
        (path or self.path).write_bytes(self.data)


def zeros_by_zlib(size):
    """So many zeros, compressed."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 24)
    packed = b"".join(packer.compress(piece) for _ in range(size >> 24))
    return packed + packer.flush()


def compressed(packed, size, kind=ZLIB):
    """A section's content with the header that says what it is unpacked."""
    return struct.pack("<IIQQ", kind, 0, size, 1) + packed


def compressed_gnu(packed, size):
    return b"ZLIB" + struct.pack(">Q", size) + packed


def uleb(value):
    out = bytearray()
    while True:
        out.append(value & 0x7f | (0x80 if value > 0x7f else 0))
        value >>= 7
        if value == 0:
            return bytes(out)


def unit(body, abbreviations=0):
    """A unit of 32-bit DWARF 4."""
    rest = struct.pack("<HIB", 4, abbreviations, 8) + body
    return struct.pack("<I", len(rest)) + rest
