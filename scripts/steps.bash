# shellcheck shell=bash
# For scripts that run one step after another: each is quiet while it succeeds, says what it is and
# how long it took, and shows its output when it fails. To be sourced; sets $repository and $build.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for the script that sources this
build=$(realpath -m "${TELINJECT_BUILD:-$repository/build}")

fail() {
  echo "${0##*/}: $*" >&2
  exit 1
}

# How long ago $1, which is a value of $EPOCHREALTIME, was, as "12.3 s".
since() {
  local end=$EPOCHREALTIME
  local tenths=$(((${end/./} - ${1/./}) / 100000))
  echo "$((tenths / 10)).$((tenths % 10)) s"
}

# step TEXT COMMAND...: ends the script with the command's status if it fails. A command that is a
# function ends at its first failure.
step() {
  local text=$1 start=$EPOCHREALTIME log status
  shift
  log=$(mktemp)
  printf '== %s: ' "$text"
  # Not `"$@" || status=$?`: there bash goes on after a failure within a function, set -e or not.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  set -e
  if [ "$status" != 0 ]; then
    echo "failed after $(since "$start"): $*"
    tail -n 60 "$log"
    rm -f "$log"
    exit "$status"
  fi
  rm -f "$log"
  since "$start"
}
