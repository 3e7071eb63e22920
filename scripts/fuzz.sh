#!/usr/bin/env bash
# Runs every fuzz target for an equal share of SECONDS (at least two each): fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=$1
targets=()
while IFS=: read -r file line; do
	name=${line#func }
	targets+=("./$(dirname "$file") ${name%%(*}")
done < <(grep -rE --include='*_test.go' -o '^func Fuzz[A-Za-z0-9_]*\(' pkg scripts functions 2>/dev/null | sort)

if [ ${#targets[@]} -eq 0 ]; then
	echo "fuzz.sh: no fuzz target in pkg, scripts or functions" >&2
	exit 1
fi
share=$((seconds / ${#targets[@]}))
[ "$share" -ge 2 ] || share=2
for target in "${targets[@]}"; do
	read -r package name <<<"$target"
	echo "$package $name for ${share}s"
	said=$(mktemp)
	if ! go test -run '^$' -fuzz "^$name\$" -fuzztime "${share}s" "$package" 2>&1 | tee "$said"; then
		# Before Go 1.27 the end of the time itself may be reported as a failure that has no input: go.dev/issue/75804.
		if grep -q 'Failing input written' "$said" || [ "$(grep -A1 -- "^--- FAIL: $name" "$said" | tail -1 | tr -d ' ')" != contextdeadlineexceeded ]; then
			rm -f "$said"
			exit 1
		fi
		echo "$name: its time was over, and no input failed"
	fi
	rm -f "$said"
done
