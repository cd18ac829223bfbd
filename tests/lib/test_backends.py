"""Parts of scripts/backends, without a backend: when something is built again, and docs/backends.md."""

from teltest.backends import table
from teltest.backends.service import Service


def service(cache, folder, *words, sources=None):
    class Made(Service):
        NAME, VERSION, TITLE, PROGRAM, COUNTS = "made", "1", "Made", "program", "things"
        SOURCES = sources
        STEPS = (("sh", "-c", " ".join(("echo built >>log; touch program;", *words))),)

    return Made(cache, folder)


def test_it_is_built_again_if_steps_or_sources_differ(tmp_path):
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    (sources / "main").write_text("one")

    def builds(*words):
        service(cache, tmp_path, *words, sources=sources).build()
        return len((cache / "log").read_text().splitlines())

    assert (builds(), builds()) == (1, 1)
    assert builds("true") == 2
    (sources / "main").write_text("two")
    assert (builds("true"), builds("true")) == (3, 3)
    assert (cache / "main").read_text() == "two"
    (cache / "program").unlink()
    assert builds("true") == 4


def test_a_build_that_failed_is_tried_again(tmp_path):
    made = service(tmp_path / "cache", tmp_path, "false")
    for _ in range(2):
        try:
            made.build()
        except Exception as problem:  # noqa: BLE001
            assert "non-zero" in str(problem)
        else:
            raise AssertionError("it was built")


def test_sections_of_backends_that_were_not_run_stay(tmp_path):
    path, order = tmp_path / "backends.md", ("first", "second")

    def write(name, problems):
        made = service(tmp_path, tmp_path)
        made.NAME, made.TITLE = name, name.title()
        rows = [("gzip", "sqlite", 1234, []), ("gzip", "crash", 5, problems), ("none", "sqlite", 6, [])]
        table.write(path, {name: (made, rows, 10.4, 99.6)}, order)

    write("second", ["a", "b"])
    write("first", [])
    text = path.read_text()
    assert text.index("## First 1") < text.index("## Second 1")
    assert text.count("| gzip | 1,234 equal | 5 equal |\n| none | 6 equal |") == 1
    assert text.count("5, **2 problems**") == 1
    write("second", [])
    assert path.read_text().count("## Second 1") == 1 and "problems" not in path.read_text()
