"""~/.telemetry_metadata.json: what is kept, for whom, and when it is not believed."""

import datetime
import json
import os
import stat

import pytest
from teltest import clouds, platforms
from teltest.where import look


@pytest.fixture
def ec2(tmp_path):
    with platforms.running("ec2", tmp_path) as platform:
        yield platform


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "home/.telemetry_metadata.json"


def asked(platform):
    count = len(platform.requests())
    platform.servers[0].requests.clear()
    return count > 0


def test_what_is_in_it(tmp_path, ec2, cache):
    seen = look(tmp_path, ec2.settings())
    document = json.loads(cache.read_text())
    assert document["cloud"] == seen.cloud and document["host"] == seen.blocks["host"]
    assert document["k8s"] == {} and document["resource"]["os_type"] == "linux"
    assert not any("runtime" in key for key in document["resource"]) and "service" not in document
    written = datetime.datetime.fromisoformat(document["cached_at"])
    assert abs((datetime.datetime.now(datetime.timezone.utc) - written).total_seconds()) < 600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_deleting_it_refreshes(tmp_path, ec2, cache):
    look(tmp_path, ec2.settings())
    assert asked(ec2)
    look(tmp_path, ec2.settings())
    assert not asked(ec2)
    cache.unlink()
    look(tmp_path, ec2.settings())
    assert asked(ec2) and cache.exists()


def test_it_can_be_switched_off(tmp_path, ec2, cache):
    for _ in range(2):
        assert look(tmp_path, ec2.settings(DISABLE_METADATA_CACHE="true")).cloud == ec2.cloud
        assert asked(ec2) and not cache.exists()


def test_without_a_home(tmp_path, ec2, cache):
    for home in ("", "relative", "/nonexistent/home"):
        seen = look(tmp_path, ec2.settings(HOME=home))
        assert seen.cloud == ec2.cloud and not cache.exists()
        assert len(seen.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"proc/sys/kernel/random/boot_id": "11111111-2222-3333-4444-555555555555\n"},
        {"proc/self/cgroup": "0::/docker/" + "cd" * 32 + "\n"},
        {clouds.DMI + "board_asset_tag": "i-0fffffffffffffff\n"},
    ],
)
def test_a_copied_image_does_not_lie(tmp_path, ec2, cache, change):
    """Another boot, container or machine."""
    look(tmp_path, ec2.settings())
    assert asked(ec2)
    for name, text in change.items():
        (ec2.root / name).write_text(text)
    seen = look(tmp_path, ec2.settings())
    assert asked(ec2) and len(seen.stderr.splitlines()) == 1
    look(tmp_path, ec2.settings())
    assert not asked(ec2)


def edit(cache, **changes):
    cache.write_text(json.dumps(json.loads(cache.read_text()) | changes))


def minutes_ago(minutes):
    moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    "complete, age, believed",
    [
        (True, 60, True),
        (True, 23 * 60, True),
        (True, 25 * 60, False),
        (True, -60, False),
        (False, 2, True),
        (False, 10, False),
    ],
)
def test_its_age(tmp_path, ec2, cache, complete, age, believed):
    look(tmp_path, ec2.settings())
    asked(ec2)
    edit(cache, cached_at=minutes_ago(age), complete=complete)
    look(tmp_path, ec2.settings())
    assert asked(ec2) != believed


BAD = {
    "empty": b"",
    "torn": b'{"cloud": {"provider": "aws"',
    "binary": bytes(range(256)),
    "list": b"[]",
    "foreign": b'{"cloud": {"provider": "aws", "region": "mars-1"}, "cached_at": "2026-11-21T12:00:00Z"}',
    "large": b" " * (1 << 20),
    "deep": b"[" * 100000,
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_cache(tmp_path, ec2, cache, name):
    cache.parent.mkdir()
    cache.write_bytes(BAD[name])
    seen = look(tmp_path, ec2.settings())
    assert seen.cloud == ec2.cloud
    lines = [line for line in seen.stderr.splitlines() if line not in seen.diagnostics]
    assert len(lines) == 1 and str(cache) in lines[0]
    assert json.loads(cache.read_text())["cloud"] == ec2.cloud
    assert look(tmp_path, ec2.settings()).cloud == ec2.cloud


def test_values_that_the_schema_would_not_have(tmp_path, ec2, cache):
    look(tmp_path, ec2.settings())
    asked(ec2)
    edit(cache, cloud=ec2.cloud | {"platform": "gce"})
    assert look(tmp_path, ec2.settings()).cloud == ec2.cloud
    assert asked(ec2)


def test_a_symbolic_link_is_not_followed(tmp_path, ec2, cache):
    look(tmp_path, ec2.settings())
    elsewhere = tmp_path / "elsewhere"
    cache.rename(elsewhere)
    before = elsewhere.read_text()
    cache.symlink_to(elsewhere)
    asked(ec2)
    seen = look(tmp_path, ec2.settings())
    assert asked(ec2) and "symbolic link" in seen.stderr
    assert not cache.is_symlink() and elsewhere.read_text() == before


def test_a_fifo_is_not_waited_for(tmp_path, ec2, cache):
    cache.parent.mkdir()
    os.mkfifo(cache)
    seen = look(tmp_path, ec2.settings())
    assert seen.cloud == ec2.cloud and "no regular file" in seen.stderr


@pytest.mark.parametrize("mode", [0o666, 0o620])
def test_a_file_that_others_can_write(tmp_path, ec2, cache, mode):
    look(tmp_path, ec2.settings())
    asked(ec2)
    cache.chmod(mode)
    seen = look(tmp_path, ec2.settings())
    assert asked(ec2) and "can be written by others" in seen.stderr
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600


def test_a_file_of_another_user(tmp_path, ec2, cache):
    if os.geteuid() != 0:
        pytest.fail("needs root, to give a file away")
    look(tmp_path, ec2.settings())
    asked(ec2)
    os.chown(cache, 65534, 65534)
    seen = look(tmp_path, ec2.settings())
    assert asked(ec2) and "another user" in seen.stderr
    assert cache.stat().st_uid == 0


def test_a_folder_that_cannot_be_written(tmp_path, ec2, cache):
    cache.mkdir(parents=True)
    (cache / "x").write_text("")
    seen = look(tmp_path, ec2.settings())
    assert seen.cloud == ec2.cloud
    assert "cannot be written" in seen.diagnostics[0]


def test_the_environment_is_read_anew(tmp_path):
    """What is kept is what others said; the user's own words are not."""
    with platforms.running("gke", tmp_path) as platform:
        look(tmp_path, platform.settings(K8S_CLUSTER_NAME="first"))
        count = len(platform.requests())
        assert look(tmp_path, platform.settings(K8S_CLUSTER_NAME="second")).k8s["cluster_name"] == "second"
        assert look(tmp_path, platform.settings()).k8s["cluster_name"] == "prod-gke"
        assert len(platform.requests()) == count


def test_other_switches_other_answers(tmp_path):
    with platforms.running("gke", tmp_path) as platform:
        assert look(tmp_path, platform.settings(ENABLE_K8S_METADATA="false")).k8s is None
        assert look(tmp_path, platform.settings()).k8s == platform.k8s


def test_many_at_once(tmp_path, ec2, cache):
    """Programs that start together: each reads a whole file or none."""
    import subprocess

    from teltest.run import tool
    from teltest.where import bare_environment, program

    cache.parent.mkdir()
    variables = (
        bare_environment(cache.parent)
        | ec2.settings(XDG_RUNTIME_DIR=str(tmp_path))
        | {"TELEMETRY_OUTPUT": "file", "TELEMETRY_SUMMARY": "never"}
    )
    errors = open(tmp_path / "errors", "wb")
    running = [
        subprocess.Popen(
            [tool("telrun"), program()],
            stderr=errors,
            env=variables | {"TELEMETRY_FILE": str(tmp_path / f"{i}.jsonl")},
        )
        for i in range(12)
    ]
    assert [process.wait(120) for process in running] == [0] * len(running)
    for i in range(len(running)):
        for line in (tmp_path / f"{i}.jsonl").read_text().splitlines():
            assert json.loads(line)["cloud"] == ec2.cloud
    assert all("metadata: aws/ec2" in line for line in (tmp_path / "errors").read_text().splitlines())
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]
