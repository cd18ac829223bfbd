"""No secret of a program leaves the drain, whatever carries it: not in events, recordings or the spool."""

import shlex
import signal
import subprocess
from collections import Counter

import pytest

from teltest import schema
from teltest.events import read_events
from teltest.recorded import pieces_of
from teltest.run import APPS, REPOSITORY, build, clean_environment, convert, run, tool

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
    assert f"{tmp_path}/token=REDACTED throw nothing".encode() in into.read_bytes()


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


# The list that was written without a look at the rules, and ordinary command lines.

DATA = REPOSITORY / "tests/unit/redaction/data"
LETTERS = "opensesame"


def listed(carrier):
    lines = (DATA / "independent.txt").read_text().splitlines()
    texts = [line.split(": ", 1)[1] for line in lines if line.startswith(f"{carrier}: ")]
    assert texts
    return [text.replace("~", SECRET).replace("^", LETTERS) for text in texts]


def plain_words(line):
    """As the list's other readers have it: quotes, but no backslashes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    return list(lexer)


def script_of(program, lines):
    """Runs the program under the names and with the arguments of all these."""
    for line in lines:
        name, *words = plain_words(line)
        yield f"(exec -a {shlex.quote(name)} {shlex.quote(str(program))} " + " ".join(
            shlex.quote(word) for word in words) + ")\n"


def no_secret(data):
    found = [secret for secret in (SECRET, LETTERS) if secret.encode() in data]
    assert not found, [line for line in data.splitlines() if found[0].encode() in line][:5]


def run_all(program, tmp_path, **settings):
    """What is listed for commands, texts and names, in one session; returns what telrun said."""
    script = tmp_path / "script"
    script.write_text("".join(script_of(program, listed("command"))))
    folders = []
    for path in listed("path"):
        folder = tmp_path / "folders" / path.strip("/")
        folder.mkdir(parents=True)
        folders.append(folder / "program")
        folders[-1].write_bytes(program.read_bytes())
        folders[-1].chmod(0o755)
    with open(script, "a", encoding="utf-8") as file:
        file.writelines(f"{shlex.quote(str(path))} none\n" for path in folders)
        file.write(f"{shlex.quote(str(program))} throw " + " ".join(map(shlex.quote, listed("text"))) + "\n")
    done = run(["bash", script], tmp_path / "events.jsonl",
               settings={"TELEMETRY_SUMMARY": "always", **settings})
    assert done.status == 0
    return done.stderr


def all_carriers_are_in(path, folders):
    """Each command line, path and text that had a secret is there without it."""
    events = list(read_events(path))
    lines = {event["process"]["pid"]: event["process"]["command_line"] for event in events}.values()
    names = Counter(line.split(" ")[0].split("=")[0] for line in lines)
    assert not Counter(plain_words(line)[0].split("=")[0] for line in listed("command")) - names
    assert sum(line.startswith(str(folders)) for line in lines) == len(listed("path"))
    assert sum("REDACTED" in line for line in lines) > len(lines) * 9 / 10
    assert len(messages_of(events)) >= len(listed("text"))
    assert all("REDACTED" in text for text in messages_of(events))


def test_listed_secrets_in_events_and_on_the_terminal(program, tmp_path):
    said = run_all(program, tmp_path, TELEMETRY_TOTALS_FILE=str(tmp_path / "totals.json"))
    data = (tmp_path / "events.jsonl").read_bytes()
    totals = (tmp_path / "totals.json").read_bytes()
    all_carriers_are_in(tmp_path / "events.jsonl", tmp_path / "folders")
    assert b'"main"' in totals and b"spans in" in said
    for each in (data, said, totals):
        no_secret(each)


def test_listed_secrets_in_recordings(program, tmp_path):
    folder = tmp_path / "recording"
    said = run_all(program, tmp_path, TELEMETRY_RECORD=str(folder))
    done = subprocess.run([tool("telinject"), "convert", "-q", "-o", tmp_path / "converted.jsonl", folder],
                          env=clean_environment(), capture_output=True, check=True)
    for each in (said, done.stderr, *(pieces_of(path.read_bytes()) for path in folder.iterdir())):
        no_secret(each)
    all_carriers_are_in(tmp_path / "converted.jsonl", tmp_path / "folders")


def test_ordinary_command_lines_stay(program, tmp_path):
    lines = [line for line in (DATA / "sampled.txt").read_text().splitlines() if line and line[0] != "#"]
    wanted = []
    for line in lines:
        try:
            words = plain_words(line)
        except ValueError:
            continue
        if words and "/" not in words[0] and "=" not in words[0] and len(wanted) < 300:
            wanted.append(words)
    script = tmp_path / "script"
    script.write_text("".join(script_of(program, [shlex.join(words) for words in wanted])))
    done = run(["bash", script], tmp_path / "events.jsonl")
    told = {event["process"]["command_line"] for event in done.events()}
    changed = [words for words in wanted if " ".join(words) not in told]
    assert len(changed) * 100 <= len(wanted), changed
