#!/usr/bin/env bash
# Finds or installs what opens the HTML report in tests and screenshots: Chromium, and the driver and accessibility checker that
# scripts/browser/package-lock.json pins by hash. Prints the browser's path.
#
#   scripts/browser.sh        finds Chromium, or installs Debian's package where it may, and prints its path
#   CHROMIUM=PATH scripts/browser.sh   takes that browser
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/rotationguard

die() {
	echo "browser.sh: $*" >&2
	exit 1
}

find_browser() {
	local candidate
	for candidate in ${CHROMIUM:+"$CHROMIUM"} chromium chromium-browser google-chrome-stable google-chrome \
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" "/Applications/Chromium.app/Contents/MacOS/Chromium"; do
		if command -v "$candidate"; then
			return
		fi
		[ "$candidate" != "${CHROMIUM:-}" ] || die "CHROMIUM=$CHROMIUM is no program"
	done
	return 1
}

# locked runs a command while no other process runs one: two test binaries may want the same at once.
locked() {
	mkdir -p "$cache"
	exec 9>"$cache/browser.lock"
	python3 -c 'import fcntl; fcntl.flock(9, fcntl.LOCK_EX)' 2>/dev/null || true
	"$@"
	exec 9>&-
}

install_browser() {
	if find_browser >/dev/null; then
		return # another process was first
	fi
	local ask="the tests of the HTML report need Chromium: install it (Debian: apt-get install chromium), or name it with CHROMIUM=PATH"
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$ask"
	echo "installing Debian's chromium" >&2
	local log=$cache/chromium-install.log wait="-o DPkg::Lock::Timeout=300"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086 # two words
	{
		apt-get install -y $wait --no-install-recommends chromium ||
			{ apt-get update && apt-get install -y $wait --no-install-recommends chromium; }
	} >"$log" 2>&1 </dev/null || die "$ask; apt-get could not: $(grep -m1 '^E: ' "$log" || tail -n1 "$log")"
}

install_driver() {
	local modules=$here/browser/node_modules
	if [ "$modules/complete" -nt "$here/browser/package-lock.json" ]; then
		return
	fi
	npm --prefix "$here/browser" ci --no-audit --no-fund --silent >&2 </dev/null ||
		die "the driver of the tests of the HTML report needs Node 20, npm and its registry: npm --prefix scripts/browser ci says what is wrong"
	touch "$modules/complete"
}

find_browser >/dev/null || locked install_browser
locked install_driver
find_browser || die "Chromium was installed and is not in PATH"
