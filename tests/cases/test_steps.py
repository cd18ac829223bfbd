"""scripts/steps.bash: a step that fails is told, whatever is behind it in a function."""

import subprocess

from teltest.run import REPOSITORY


def run_script(tmp_path, text):
    script = tmp_path / "script"
    script.write_text(f"set -euo pipefail\n. {REPOSITORY}/scripts/steps.bash\n{text}\necho after\n")
    done = subprocess.run(["bash", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60)
    return done.returncode, done.stdout


def test_a_good_step_is_quiet(tmp_path):
    status, text = run_script(tmp_path, "step 'the work' echo loud")
    assert status == 0
    assert text.startswith("== the work: ") and text.endswith(" s\nafter\n") and "loud" not in text


def test_a_failing_step_ends_the_script_and_shows_why(tmp_path):
    status, text = run_script(tmp_path, "step 'the work' sh -c 'echo why; exit 7'")
    assert status == 7
    assert "== the work: failed after" in text and "why\n" in text and "after\n" not in text


def test_a_function_ends_at_its_first_failure(tmp_path):
    status, text = run_script(tmp_path, "work() { echo begun; false; echo went on; }\nstep 'the work' work")
    assert status == 1
    assert "begun\n" in text and "went on" not in text


def test_a_step_gets_no_input(tmp_path):
    assert run_script(tmp_path, "step 'the work' sh -c '! read line'")[0] == 0
