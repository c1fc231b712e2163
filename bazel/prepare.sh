# Sourced by ./quickstart and ./test: installs what is missing, and names the
# cache.  Asks for nothing; says what it does.

mailvane_cache=${MAILVANE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mailvane}

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
if [ ! -t 2 ] || [ -n "${NO_COLOR:-}" ]; then say() { printf '%s\n' "$*" >&2; }; fi
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

# as_root COMMAND…: as root, or through sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "needs root for: $* (run it as root, or install sudo)"
  fi
}

# install_packages: the packages of debian_packages.txt that are not installed.
install_packages() {
  command -v apt-get >/dev/null || die "needs Debian 12: there is no apt-get here"
  local wanted installed missing
  wanted=$(grep -v '^#' bazel/debian_packages.txt | sort)
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null |
    sed -n 's/^installed //p' | sort)
  missing=$(comm -23 <(echo "$wanted") <(echo "$installed"))
  [ -n "$missing" ] || return 0
  say "Installing $(echo "$missing" | wc -w) Debian packages: $(echo $missing)"
  as_root apt-get update -qq || die "apt-get update failed: is the network there?"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null ||
    die "could not install: $(echo $missing)"
}

# build ARGUMENTS…: bazel build, with a cache that outlives this clone.
run_bazel() {
  local command=$1
  shift
  mkdir -p "$mailvane_cache"
  bazel "$command" --disk_cache="$mailvane_cache/bazel" "$@"
}

# The programs as they are shipped, into the folder "$1": the agent static, so
# that it runs on any Debian 12 host; the others against shared libraries.
build_programs() {
  mkdir -p "$1"
  # What fails to build must not be tested in its old state.
  rm -f "$1"/mailvane-*
  run_bazel build --config=static //agent:mailvane-agent
  install -s -m 755 "$(bazel info --config=static bazel-bin 2>/dev/null)/agent/mailvane-agent" "$1/"
  run_bazel build --config=opt //collector:mailvane-collector
  install -m 755 \
    "$(bazel info --config=opt bazel-bin 2>/dev/null)/collector/mailvane-collector" "$1/"
}
