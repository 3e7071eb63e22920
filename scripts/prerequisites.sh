#!/usr/bin/env bash
# Says everything that is missing for a deployment, each with how to get it, and ends with 1 if anything is.
set -euo pipefail

missing=0
lacks() {
	echo "missing: $*" >&2
	missing=1
}

command -v go >/dev/null || lacks "go: install Go 1.26 or newer"
if ! command -v node >/dev/null; then
	lacks "node: install Node.js 20 or newer (the CDK runs on it)"
elif [ "$(node --print 'process.versions.node.split(".")[0]')" -lt 20 ]; then
	lacks "node 20: this is $(node --version)"
fi
command -v npm >/dev/null || lacks "npm: it comes with Node.js"

aws=${AWS_CONFIG_FILE:-$HOME/.aws/config}
credentials=${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}
if [ -z "${AWS_ACCESS_KEY_ID:-}${AWS_PROFILE:-}${AWS_WEB_IDENTITY_TOKEN_FILE:-}${AWS_CONTAINER_CREDENTIALS_RELATIVE_URI:-}${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ] &&
	[ ! -s "$aws" ] && [ ! -s "$credentials" ]; then
	lacks "AWS credentials: set AWS_PROFILE, or run 'aws configure'"
fi
if [ -z "${AWS_REGION:-}${AWS_DEFAULT_REGION:-}" ] && ! grep -qs '^[[:space:]]*region[[:space:]]*=' "$aws"; then
	lacks "a Region: set AWS_REGION"
fi
exit "$missing"
