#!/usr/bin/env bash
# Runs the tests at the same time in four processes that take about as long: single contracts, scripts, attacks with the
# other scenarios, each on a chain of its own, and model and state machines in Python alone. The first shows its progress,
# the reports of the others follow. What it is called with goes to all. Exits 1 when a test failed; that one of them has
# none is no failure.
set -uo pipefail

readonly NOTHING_COLLECTED=5
reports=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$reports"' EXIT
failed=0

# Notes whether a process with this exit code passed.
note() {
    [ "$1" -eq 0 ] || [ "$1" -eq "$NOTHING_COLLECTED" ] || failed=1
}

# Waits for a process and prints its report.
report() {
    wait "$1"
    note $?
    echo "$2, run at the same time:"
    cat "$reports/$2"
}

# Compiled once, before several chains ask for it.
python tools/build.py || exit 1
scripts=(tests/scenario/test_scripts*.py)
others=()
for file in tests/scenario/test_*.py; do
    [[ " ${scripts[*]} " == *" $file "* ]] || others+=("$file")
done
ape test -p no:boa_test "${scripts[@]}" "$@" > "$reports/scripts" 2>&1 &
of_scripts=$!
ape test -p no:boa_test tests/attacks "${others[@]}" "$@" > "$reports/attacks and scenarios" 2>&1 &
of_attacks=$!
pytest -p no:ape_test tests/model tests/stateful "$@" > "$reports/model and state machines" 2>&1 &
of_models=$!

ape test -p no:boa_test tests/unit "$@"
note $?
report "$of_scripts" scripts
report "$of_attacks" "attacks and scenarios"
report "$of_models" "model and state machines"
exit "$failed"
