"""Programs whose files are made to keep the drain busy for ever, to fill its memory, or to change while it
reads them: it takes little of both, the functions still have the names that can be had, and one line says
what was left out.
"""

import os
import shutil
import struct
import subprocess
import threading
import time
import zlib

import pytest
from teltest import elf_edit
from teltest.events import read_events
from teltest.run import build, clean_environment, kept, tool
from teltest.usage import run_measured

SECONDS = 300       # a busy machine; some 10 s of the processor's time
MEGABYTES = 1200
SOURCE = """
__attribute__((noinline)) int work(int n) { return n * 3; }
int main(void) { return work(1) == 3 ? 7 : 1; }
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    source = tmp_path_factory.mktemp("source") / "hostile.c"
    source.write_text(SOURCE)
    return build("hostile", [source], link_flags=("-Wl,--build-id=none",))


@pytest.fixture
def copy(program, tmp_path):
    path = tmp_path / "app"
    shutil.copy(program, path)
    return path


def traced(path, *words, by_symbol=True, said=1):
    """Runs it; the drain's time and memory are in bounds. Returns the lines that were said."""
    into, err = path.with_name("events.jsonl"), path.with_name("stderr")
    into.unlink(missing_ok=True)
    with open(err, "wb") as file:
        usage = run_measured([tool("telrun"), "-q", "-o", into, path, *words], SECONDS, stderr=file,
                             env=clean_environment() | {"TELEMETRY_SPOOL_DIR": str(path.parent)})
    assert usage.status == 7, (usage, err.read_bytes())
    assert usage.kilobytes < MEGABYTES * 1024, usage
    lines = err.read_text().splitlines()
    assert len(lines) <= said, lines
    names = [event["function_name"] for event in read_events(into)]
    assert len(names) == 4, names
    assert not by_symbol or {"main", "work"} == set(names), (names, lines)
    return lines


def separate(copy, *flags):
    """Leaves a stripped program with a debug link."""
    debug = copy.with_name("app.debug")
    for command in (["objcopy", "--only-keep-debug", copy, debug],
                    ["objcopy", *flags, f"--add-gnu-debuglink={debug}", copy]):
        subprocess.run(command, check=True)
    return debug


# A debug file that is no debug file.

@pytest.mark.long
@pytest.mark.parametrize("size", [1 << 30, 40 << 30, 1 << 40])
def test_sparse_debug_file(copy, size):
    debug = separate(copy, "--strip-debug")
    os.truncate(debug, size)
    lines = traced(copy)
    assert "app.debug" in lines[0]


def make_other(kind, path, copy):
    path.unlink()
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "itself":
            path.symlink_to(copy)
        case "hard link":
            path.hardlink_to(copy)
        case "loop":
            path.symlink_to(path)


@pytest.mark.parametrize("kind", ["FIFO", "folder", "device", "itself", "hard link", "loop"])
def test_other_things_as_debug_file(copy, kind):
    debug = separate(copy, "--strip-debug")
    make_other(kind, debug, copy)
    assert traced(copy) == []


def test_debug_link_is_a_name(copy):
    """One with a path would have any file of the machine read."""
    debug = separate(copy, "--strip-debug")
    elf = elf_edit.Elf(copy)
    link = elf.content(".gnu_debuglink")
    name = b"../" + debug.parent.name.encode() + b"/app.debug\0"
    elf.replace(".gnu_debuglink", name + b"\0" * (-len(name) % 4) + link[-4:])
    elf.save()
    assert traced(copy) == []
    assert not any(event["attributes"].get("function_file") for event in
                   read_events(copy.with_name("events.jsonl")))


# Bombs.

BOMB = 8 << 30


def zstd_zeros(size):
    return packed_zeros(size, "zstd -q -c -9").read_bytes()


def zlib_zeros(size):
    return kept(f"{size}.zlib", lambda path: path.write_bytes(elf_edit.zeros_by_zlib(size))).read_bytes()


def packed_zeros(size, packer):
    """A file; it takes seconds to make."""
    return kept(f"{size}.{packer.split()[0]}", lambda path: subprocess.run(
        ["sh", "-c", f"head -c {size} /dev/zero | {packer} > {path}"], check=True), packer)


@pytest.mark.long
@pytest.mark.parametrize("section", [".debug_info", ".debug_str", ".debug_line"])
@pytest.mark.parametrize("way", ["zlib", "zstd", "gnu"])
def test_compressed_bombs(copy, section, way):
    elf = elf_edit.Elf(copy)
    size = BOMB if way != "zlib" else 1 << 30
    if way == "zstd":
        elf.replace(section, elf_edit.compressed(zstd_zeros(size), size, elf_edit.ZSTD),
                    flags=elf_edit.SHF_COMPRESSED)
    elif way == "zlib":
        elf.replace(section, elf_edit.compressed(zlib_zeros(size), size),
                    flags=elf_edit.SHF_COMPRESSED)
    else:
        packed = zlib_zeros(1 << 28)
        elf.replace(section, elf_edit.compressed_gnu(packed * 32, size), ".z" + section[1:])
    elf.save()
    lines = traced(copy)
    assert "debug information" in lines[0] and "symbol table" in lines[0]


@pytest.mark.parametrize("claim", [0, 1, 1 << 40, (1 << 64) - 1])
def test_claims_of_compressed_sections(copy, claim):
    elf = elf_edit.Elf(copy)
    packed = zlib_zeros(1 << 24)
    elf.replace(".debug_info", elf_edit.compressed(packed, claim), flags=elf_edit.SHF_COMPRESSED)
    elf.save()
    assert "debug information" in traced(copy)[0]


@pytest.mark.long
def test_mini_debug_information(copy):
    bomb = packed_zeros(4 << 30, "xz -0")
    subprocess.run(["objcopy", "--strip-all", f"--add-section=.gnu_debugdata={bomb}", copy], check=True)
    traced(copy, by_symbol=False)


# Headers.

@pytest.mark.parametrize("sections", [1 << 22, 1 << 40, (1 << 64) - 1])
def test_sections_without_end(copy, sections):
    elf = elf_edit.Elf(copy)
    first = elf.header(0)
    first[5] = sections
    elf.set_header(0, first)
    struct.pack_into("<H", elf.data, 0x3c, 0)
    elf.save()
    os.truncate(copy, 8 << 30)
    traced(copy, by_symbol=False)


def test_notes_without_end(copy):
    elf = elf_edit.Elf(copy)
    number = next(i for i in range(1, elf.count) if elf.header(i)[1] == 7)
    note = elf.header(number)
    note[4:6] = 1 << 20, 30 << 30
    elf.set_header(number, note)
    elf.save()
    os.truncate(copy, 40 << 30)
    traced(copy, by_symbol=False)


@pytest.mark.long
def test_symbols_with_one_long_name(copy):
    """Each name is an end of the others: to compare two takes as long as the table is."""
    elf = elf_edit.Elf(copy)
    table = elf.number(".symtab")
    strings = elf.name(elf.header(table)[6])
    names = elf.content(strings)
    work = next(struct.unpack_from("<IBBHQQ", elf.content(".symtab"), at)
                for at in range(0, len(elf.content(".symtab")), 24)
                if names[struct.unpack_from("<I", elf.content(".symtab"), at)[0]:].startswith(b"work\0"))
    begin, count, length = len(names), 300000, 1000000
    more = b"".join(struct.pack("<IBBHQQ", begin + i, 0x12, 0, work[3], work[4], work[5])
                    for i in range(count))
    elf.replace(strings, names + b"a" * length + b"\0")
    elf.replace(".symtab", elf.content(".symtab") + more)
    elf.save()
    traced(copy)


# DWARF.

def with_dwarf(copy, abbreviations, information):
    elf = elf_edit.Elf(copy)
    elf.replace(".debug_abbrev", abbreviations)
    elf.replace(".debug_info", information)
    elf.save()


COMPILE_UNIT, INLINED, SUBPROGRAM, NAMESPACE = 0x11, 0x1d, 0x2e, 0x39
LOW_PC, HIGH_PC, NAME, ABSTRACT_ORIGIN = 0x11, 0x12, 0x03, 0x31
ADDRESS, DATA8, STRING, FLAG, REF_ADDR = 0x01, 0x07, 0x08, 0x19, 0x10
ALL_CODE = struct.pack("<QQ", 0x1000, 1 << 40)


def abbreviation(code, tag, children, *attributes):
    return (elf_edit.uleb(code) + elf_edit.uleb(tag) + bytes([children])
            + b"".join(elf_edit.uleb(each) for each in attributes) + b"\0\0")


@pytest.mark.long
def test_units_that_all_claim_the_code(copy):
    """None of them has the function: for each question all would be read."""
    table = (abbreviation(1, COMPILE_UNIT, 1, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + abbreviation(2, NAMESPACE, 0) + b"\0")
    body = elf_edit.uleb(1) + ALL_CODE + elf_edit.uleb(2) * 20000 + b"\0"
    with_dwarf(copy, table, elf_edit.unit(body) * 3000)
    lines = traced(copy)
    assert not lines or "debug information" in lines[0]


@pytest.mark.long
def test_abbreviations_that_many_units_share(copy):
    """libdw keeps a copy of the table for each of them."""
    count = 400000
    table = b"".join(abbreviation(code, NAMESPACE, 0) for code in range(2, count))
    table += abbreviation(count, COMPILE_UNIT, 1, LOW_PC, ADDRESS, HIGH_PC, DATA8) + b"\0"
    body = elf_edit.uleb(count) + ALL_CODE + b"\0"
    with_dwarf(copy, table, elf_edit.unit(body) * 20000)
    lines = traced(copy)
    assert "debug information" in lines[0]


def test_references_to_units_with_many_abbreviations(copy):
    """Each leads to another unit, of which libdw reads all."""
    count, units = 400000, 64
    table = (abbreviation(1, COMPILE_UNIT, 1, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + abbreviation(2, SUBPROGRAM, 1, NAME, STRING, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + abbreviation(3, INLINED, 1, ABSTRACT_ORIGIN, REF_ADDR, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + b"\0")
    large = (abbreviation(1, COMPILE_UNIT, 1)
             + b"".join(abbreviation(code, NAMESPACE, 0) for code in range(2, count))
             + abbreviation(count, SUBPROGRAM, 0, NAME, STRING) + b"\0")
    other = elf_edit.unit(elf_edit.uleb(1) + elf_edit.uleb(count) + b"f\0\0", len(table))
    first = 11 + 1 + 16 + 1 + 2 + 16 + units * (1 + 4 + 16 + 1) + 2
    inlined = b"".join(b"\3" + struct.pack("<I", first + i * len(other) + 12) + ALL_CODE
                       for i in range(units)) + b"\0" * units
    main = elf_edit.unit(b"\1" + ALL_CODE + b"\2f\0" + ALL_CODE + inlined + b"\0\0")
    assert len(main) == first
    with_dwarf(copy, table + large, main + other * units)
    assert "debug information" in traced(copy, by_symbol=False)[0]


def test_entries_in_entries(copy):
    table = (abbreviation(1, COMPILE_UNIT, 1, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + abbreviation(2, NAMESPACE, 1) + b"\0")
    depth = 5000000
    with_dwarf(copy, table, elf_edit.unit(elf_edit.uleb(1) + ALL_CODE + b"\2" * depth + b"\0" * (depth + 1)))
    traced(copy)


@pytest.mark.parametrize("attribute", [0x31, 0x47])  # abstract_origin, specification
def test_entries_that_refer_to_each_other(copy, attribute):
    table = (abbreviation(1, COMPILE_UNIT, 1, LOW_PC, ADDRESS, HIGH_PC, DATA8)
             + abbreviation(2, SUBPROGRAM, 0, attribute, REF_ADDR, LOW_PC, ADDRESS, HIGH_PC, DATA8) + b"\0")
    first = 11 + 1 + 16
    entries = b"".join(b"\2" + struct.pack("<I", to) + ALL_CODE for to in (first + 21, first))
    with_dwarf(copy, table, elf_edit.unit(elf_edit.uleb(1) + ALL_CODE + entries + b"\0"))
    traced(copy, by_symbol=False)  # they claim all code, and have no name


# .dwo files, which libdw opens.

@pytest.fixture
def split(tmp_path):
    source = tmp_path / "split.c"
    source.write_text(SOURCE)
    subprocess.run([tool("telcc"), "-g", "-gsplit-dwarf", "-O0", "-c", "split.c", "-o", "split.o"],
                   cwd=tmp_path, check=True)
    subprocess.run([tool("telcc"), "split.o", "-o", "app"], cwd=tmp_path, check=True)
    return tmp_path / "app", tmp_path / "split.dwo"


@pytest.mark.parametrize("kind", ["FIFO", "folder", "device", "loop"])
def test_other_things_as_split_file(split, kind):
    app, dwo = split
    make_other(kind, dwo, app)
    assert "split.dwo" in traced(app)[0]


def test_bomb_in_split_file(split):
    app, dwo = split
    elf = elf_edit.Elf(dwo)
    size = 4 << 30
    elf.replace(".debug_str.dwo", elf_edit.compressed(zlib_zeros(1 << 28) * 16, size),
                flags=elf_edit.SHF_COMPRESSED)
    elf.save()
    assert "split.dwo" in traced(app)[0]


@pytest.mark.parametrize("how", ["plain", "compressed"])
def test_abbreviations_in_split_file(split, how):
    """libdw reads those of each unit while it looks for the one that it wants."""
    app, dwo = split
    count = 400000
    table = (b"".join(abbreviation(code, NAMESPACE, 0) for code in range(2, count))
             + abbreviation(count, COMPILE_UNIT, 0) + b"\0")
    elf = elf_edit.Elf(dwo)
    if how == "plain":
        elf.replace(".debug_abbrev.dwo", table)
    else:
        elf.replace(".debug_abbrev.dwo", elf_edit.compressed(zlib.compress(table), len(table)),
                    flags=elf_edit.SHF_COMPRESSED)
    elf.replace(".debug_info.dwo", elf_edit.unit(elf_edit.uleb(count)) * 1000)
    elf.save()
    assert "debug information" in traced(app)[0]


# Files that change while they are read.

MANY = 4000


@pytest.mark.long
@pytest.mark.parametrize("way", ["debug file", "split file"])
def test_cut_short_while_read(tmp_path, way):
    source = tmp_path / "many.c"
    functions = "".join(f"__attribute__((noinline)) int f{i}(int n) {{ return n + {i}; }}\n"
                        for i in range(MANY))
    calls = "".join(f"  s += f{i}(s);\n" for i in range(MANY))
    source.write_text(f"{functions}int main(void) {{ int s = 0;\n{calls}  return s == 0 ? 1 : 7; }}\n")
    flags = ["-gsplit-dwarf"] if way == "split file" else []
    subprocess.run([tool("telcc"), "-g", *flags, "-O0", "-c", "many.c", "-o", "many.o"], cwd=tmp_path,
                   check=True)
    subprocess.run([tool("telcc"), "many.o", "-o", "app"], cwd=tmp_path, check=True)
    app = tmp_path / "app"
    victim = tmp_path / "many.dwo" if flags else separate(app, "--strip-debug")
    whole, over = victim.read_bytes(), threading.Event()

    def cut():
        while not over.is_set():
            time.sleep(0.01)
            os.truncate(victim, 5000)
            time.sleep(0.01)
            with open(victim, "r+b") as file:
                file.write(whole)

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        for _ in range(5):
            events = tmp_path / "events.jsonl"
            events.unlink(missing_ok=True)
            done = subprocess.run([tool("telrun"), "-q", "-o", events, app], capture_output=True,
                                  timeout=SECONDS, env=clean_environment(), check=False)
            assert done.returncode == 7 and b"ended early" not in done.stderr, done
            assert sum(1 for _ in read_events(events)) == 2 * MANY + 2
    finally:
        over.set()
        cutter.join()
