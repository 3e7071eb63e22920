#!/usr/bin/env bash
# Records the independent judge's answers anew: pkg/policy/testdata/judge/answers.txt. Needs Go, Node and npm.
set -euo pipefail
cd "$(dirname "$0")/../.."

npm --prefix scripts/judge ci --no-audit --no-fund --silent
requests=$(mktemp)
trap 'rm -f "$requests"' EXIT
go test ./pkg/policy -count=1 -run '^TestJudge$' -judge-requests "$requests" >/dev/null
version=$(node -p "require('./scripts/judge/package-lock.json').packages['node_modules/@cloud-copilot/iam-simulate'].version")
answers=pkg/policy/testdata/judge/answers.txt
mkdir -p "$(dirname "$answers")"
{
	echo "# Answers of @cloud-copilot/iam-simulate $version, one letter a request: A allowed, I implicitly denied, E explicitly denied."
	echo "requests $(wc -l <"$requests") sha256 $(sha256sum <"$requests" | cut -d' ' -f1)"
	node scripts/judge/judge.mjs <"$requests"
} >"$answers.new"
mv "$answers.new" "$answers"
echo "recorded $(wc -l <"$requests") answers of iam-simulate $version"
