#!/bin/sh
# Print what a page says once its script has run; with a second name, make a picture of it too.
set -eu
page=$(realpath "$1")
common="--disable-gpu --user-data-dir=$(mktemp -d)"
[ $# -lt 2 ] || chromium-headless-shell $common --screenshot="$2" "file://$page" 2>/dev/null
chromium-headless-shell $common --dump-dom "file://$page" 2>/dev/null | sed -n 's/.*<p id="sum">\(.*\)<\/p>.*/\1/p'
