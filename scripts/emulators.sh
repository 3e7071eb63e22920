#!/usr/bin/env bash
# Installs the local AWS emulators, what reads the formats that others define, and the tools that `make bench-peers` runs beside ours: Python environments in
# the user's cache, each named by the hash of its lock file, so that every clone with the same lock shares one. Everything is pinned and hash-checked.
#
#   scripts/emulators.sh install NAME        installs moto, ministack, z3, formats, custodian or prowler unless that is done, and prints the environment's folder
#   scripts/emulators.sh managed-policies    prints the folder with the AWS managed policies that moto carries, one NAME.json each
#   scripts/emulators.sh lock                writes the lock files anew from the requirements-*.in files
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rotationguard

die() {
	echo "emulators.sh: $*" >&2
	exit 1
}

# python311 prints the Python that the lock files were made for.
python311() {
	local candidate
	for candidate in python3.11 python3; do
		if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
			command -v "$candidate"
			return
		fi
	done
	die "the emulators need Python 3.11 with venv, and neither python3.11 nor python3 is that: install it (Debian: python3.11-venv) and run this again"
}

# install NAME prints the environment's folder, making it first where it is missing or half made.
install() {
	local name=$1 lock=$here/requirements-$1.txt python version env
	[ -f "$lock" ] || die "unknown environment $name (there are moto, ministack, z3, formats, checkov, custodian and prowler)"
	python=$(python311)
	version=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:12])' "$lock")
	env=$cache/$name-$version
	if [ ! -f "$env/complete" ]; then
		mkdir -p "$cache"
		# Two test binaries may want it at once: the lock lives as long as this shell holds descriptor 9.
		exec 9>"$cache/$name.lock"
		"$python" -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)'
		if [ ! -f "$env/complete" ]; then
			echo "installing $name into $env" >&2
			rm -rf "$env"
			"$python" -m venv "$env" >&2 || die "making a Python environment in $env"
			pip_install() {
				"$env/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@" >&2 || die "installing $name from $lock: see the lines above"
			}
			case $name in
			# Some clients of other clouds that prowler depends on are published as source alone: they are built with the setuptools of a lock file too.
			prowler) pip_install --only-binary :all: -r "$here/requirements-build.txt" && pip_install --no-build-isolation --prefer-binary -r "$lock" ;;
			*) pip_install --only-binary :all: -r "$lock" ;;
			esac
			touch "$env/complete"
		fi
		exec 9>&-
	fi
	echo "$env"
}

managed_policies() {
	local env
	env=$(install moto)
	if [ ! -d "$env/managed-policies" ]; then
		"$env/bin/python" - "$env/managed-policies" >&2 <<-'PY'
			import json, os, shutil, sys, tempfile
			from moto.iam.aws_managed_policies import aws_managed_policies_data

			target = sys.argv[1]
			made = tempfile.mkdtemp(dir=os.path.dirname(target))
			for name, policy in json.loads(aws_managed_policies_data).items():
			    with open(os.path.join(made, name + ".json"), "w") as f:
			        json.dump(policy["Document"], f, indent=1)
			os.chmod(made, 0o755)
			try:
			    os.rename(made, target)
			except OSError:  # another process was first
			    shutil.rmtree(made)
		PY
	fi
	echo "$env/managed-policies"
}

lock() {
	local tools=$cache/pip-tools name
	[ -d "$tools" ] || "$(python311)" -m venv "$tools"
	"$tools/bin/python" -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	for name in moto ministack z3 formats checkov custodian build prowler; do
		(cd "$here" && "$tools/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --no-header --strip-extras \
			--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file "requirements-$name.txt" "requirements-$name.in")
	done
}

case "${1:-} ${2:-}" in
"install moto" | "install ministack" | "install z3" | "install formats" | "install checkov" | "install custodian" | "install prowler") install "$2" ;;
"managed-policies ") managed_policies ;;
"lock ") lock ;;
*) die "usage: emulators.sh install moto|ministack|z3|formats|checkov|custodian|prowler, managed-policies, or lock" ;;
esac
