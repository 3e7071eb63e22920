#!/usr/bin/env bash
# Records the solver's answers anew: pkg/policy/testdata/smt/answers.txt. Needs Go and Python 3.11; takes minutes.
set -euo pipefail
cd "$(dirname "$0")/../../.."

env=$(scripts/emulators.sh install z3)
pairs=$(mktemp)
trap 'rm -f "$pairs"' EXIT
go test ./pkg/policy -count=1 -run '^TestPairsAgainstTheSolver$' -smt-pairs "$pairs" >/dev/null
version=$("$env/bin/python" -c 'import z3; print(z3.get_version_string())')
answers=pkg/policy/testdata/smt/answers.txt
mkdir -p "$(dirname "$answers")"
{
	echo "# Answers of Z3 $version, one letter a pair: E equivalent, M missing, X excess, B both, U not decided in time."
	echo "pairs $(wc -l <"$pairs") sha256 $(sha256sum <"$pairs" | cut -d' ' -f1)"
	"$env/bin/python" scripts/judge/smt/smt.py <"$pairs"
} >"$answers.new"
mv "$answers.new" "$answers"
echo "recorded $(sed 1,2d "$answers" | tr -d '\n' | wc -c) answers of Z3 $version"
