"""No secret of a program leaves the drain, whatever carries it: not in events, recordings or the spool."""

import signal
import subprocess

import pytest

from teltest import schema
from teltest.recorded import pieces_of
from teltest.run import APPS, build, convert, run

SECRET = "s3cr3tV4lu3xQ"
SOURCE = APPS / "errors/secrets.cpp"

# What errors say, and what is left of it.
TEXTS = {
    f"connect to postgres://admin:{SECRET}@db/x": "connect to postgres://REDACTED:REDACTED@db/x",
    f"Authorization: Bearer {SECRET}": "Authorization: REDACTED",
    f"login failed: password={SECRET}, user=bob": "login failed: password=REDACTED, user=bob",
    f'{{"user": "bob", "api_key": "{SECRET}"}}': '{"user": "bob", "api_key": "REDACTED"}',
    f"GET https://h/?a=1&token={SECRET} failed": "GET https://h/?a=1&token=REDACTED failed",
    f"cannot execute: mysql -uroot -p{SECRET} db": "cannot execute: mysql -uroot -pREDACTED db",
    f"Server=h;Password={SECRET};Database=d": "Server=h;Password=REDACTED;Database=d",
    f"token ghp_{SECRET}0123456789 rejected": "token REDACTED rejected",
    "vector::_M_range_check: __n (which is 5)": "vector::_M_range_check: __n (which is 5)",
}


@pytest.fixture(scope="module")
def program():
    return build("secrets", [SOURCE], "gcc", ("-O1", "-w"), ("-lpthread",))


def messages_of(events):
    return [event["error"]["message"] for event in events if event.get("error")]


def check_file(path):
    data = path.read_bytes()
    assert SECRET.encode() not in data
    assert not schema.check_file(path).problems


def test_exceptions(program, tmp_path):
    into = tmp_path / "events.jsonl"
    done = run([program, "throw", *TEXTS], into)
    assert done.status == 0
    check_file(into)
    said = messages_of(list(done.events()))
    for text in TEXTS.values():
        assert text in said


def test_assertions(program, tmp_path):
    into = tmp_path / "events.jsonl"
    done = run([program, "assert"], into)
    assert done.status in (-signal.SIGABRT, 128 + signal.SIGABRT)
    check_file(into)
    said = messages_of(list(done.events()))
    assert any('strcmp(password, "REDACTED") == 0' in text for text in said)


def test_names_of_threads(program, tmp_path):
    into = tmp_path / "events.jsonl"
    run([program, "thread", "pw=" + SECRET[:12]], into)
    assert SECRET[:8].encode() not in into.read_bytes()
    assert b'"pw=REDACTED"' in into.read_bytes()


def test_paths(program, tmp_path):
    folder = tmp_path / f"token={SECRET}"
    folder.mkdir()
    moved = folder / "secrets"
    moved.write_bytes(program.read_bytes())
    moved.chmod(0o755)
    into = tmp_path / "events.jsonl"
    run([moved, "throw", "nothing"], into)
    check_file(into)


def test_command_lines(program, tmp_path):
    into = tmp_path / "events.jsonl"
    url = f"https://u:{SECRET}@h/?sig={SECRET}"
    run([program, "none", "--password", SECRET, url, f"DB_PASS={SECRET}"], into)
    check_file(into)
    assert b"none --password REDACTED https://REDACTED:REDACTED@h/?sig=REDACTED DB_PASS=REDACTED" \
        in into.read_bytes()


def test_recordings(program, tmp_path):
    folder, into = tmp_path / "recording", tmp_path / "converted.jsonl"
    run([program, "throw", *TEXTS], tmp_path / "none", settings={"TELEMETRY_RECORD": str(folder)})
    run([program, "assert"], tmp_path / "none", settings={"TELEMETRY_RECORD": str(folder)})
    data = b"".join(path.read_bytes() for path in folder.iterdir())
    assert SECRET.encode() not in pieces_of(data)
    assert b"password=REDACTED, user=bob" in pieces_of(data)  # the search finds what is there
    convert(folder, into)
    check_file(into)
    assert "login failed: password=REDACTED, user=bob" in into.read_text()


def test_names_of_the_user_apply_everywhere(program, tmp_path):
    into = tmp_path / "events.jsonl"
    settings = {"TELEMETRY_REDACT_HEADERS": "x-tenant", "TELEMETRY_REDACT_QUERY": "ring*"}
    done = run([program, "throw", "ringnumber=77 of /?x-tenant=88"], into, settings=settings)
    assert "ringnumber=REDACTED of /?x-tenant=REDACTED" in messages_of(list(done.events()))
    assert "77" not in next(iter(done.events()))["process"]["command_line"]


def test_the_program_says_it_all_the_same(program, tmp_path):
    into = tmp_path / "events.jsonl"
    done = run([program, "assert"], into)
    assert SECRET.encode() in done.stderr
    plain = subprocess.run([program, "assert"], capture_output=True, check=False)
    assert SECRET.encode() in plain.stderr
