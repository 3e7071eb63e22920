#!/usr/bin/env bash
# Builds Lambda functions for provided.al2023: build.sh "ARCHITECTURE..." FUNCTION...
# writes dist/FUNCTION/ARCHITECTURE/bootstrap. The same source gives the same bytes on every machine: no paths, no
# build id, no C. lambda.norpc leaves out the RPC server that only the retired go1.x runtime used.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

architectures=$1
shift
if [ $# -eq 0 ]; then
	echo "build.sh: no function to build: functions/*/main.go is missing" >&2
	exit 1
fi
for function in "$@"; do
	for architecture in $architectures; do
		out=dist/$function/$architecture/bootstrap
		CGO_ENABLED=0 GOOS=linux GOARCH=$architecture GOFLAGS= go build -trimpath -buildvcs=false -tags lambda.norpc \
			-ldflags="-s -w -buildid=" -o "$out" "./functions/$function"
		echo "$out $(wc -c <"$out" | tr -d ' ') bytes"
	done
done
