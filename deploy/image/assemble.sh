#!/bin/sh
# Lays out the files of the images: assemble.sh FOLDER BASE [IMAGE]. Needs Debian's apt-get and dpkg-deb, and `make build`.
# With the BASE scratch the C libraries come along, out of the same Debian packages of which a distroless base is made.
# ARCH is amd64 or arm64; by default that of this machine.
set -eu
# What these files are must not depend on who lays them out: the user of the image reads them.
umask 022

folder=$1
base=$2
root=$(cd "$(dirname "$0")/../.." && pwd)
node=$root/node_modules/.bin/node
own=$(dpkg --print-architecture)
arch=${ARCH:-$own}
case $arch in
  amd64) cpu=x64 triplet=x86_64-linux-gnu ;;
  arm64) cpu=arm64 triplet=aarch64-linux-gnu ;;
  *) echo "assemble.sh: ARCH: '$arch' is neither amd64 nor arm64" >&2 && exit 2 ;;
esac

# $1: folder, then packages: their files, without what nobody reads in an image.
unpack() {
  target=$1
  shift
  download "$@"
  mkdir -p "$target/var/lib/dpkg/status.d"
  for package in "$@"; do
    file=$(find "$packages" -name "${package}_*.deb")
    dpkg-deb --fsys-tarfile "$file" |
      tar -x -C "$target" --exclude='./usr/share/man' --exclude='./usr/share/locale' --exclude='./usr/share/lintian' \
        --exclude='./usr/lib/*/gconv' --exclude='./usr/share/info' --exclude='./usr/share/bug'
    # By this scanners know what is in it.
    dpkg-deb --field "$file" >"$target/var/lib/dpkg/status.d/$package"
  done
  find "$target/usr/share/doc" -type f ! -name copyright -delete
}

# Those that are not there yet, all at once.
download() {
  mkdir -p "$packages"
  missing=''
  for package in "$@"; do
    [ -n "$(find "$packages" -name "${package}_*.deb")" ] || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  [ "$arch" = "$own" ] || [ -d "$folder/apt/lists" ] || list_foreign
  # shellcheck disable=SC2086
  (cd "$packages" && run_apt download -qq $missing)
}

# Lists of their own for another architecture: those of this machine stay as they are.
list_foreign() {
  mkdir -p "$folder/apt/lists/partial"
  run_apt update -qq || { rm -rf "$folder/apt" && return 1; }
}

run_apt() {
  set -- -o APT::Sandbox::User=root -o Acquire::http::Timeout=30 -o Acquire::Retries=2 "$@"
  if [ "$arch" != "$own" ]; then
    set -- -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State::lists="$folder/apt/lists" \
      -o Dir::State::status=/dev/null -o Dir::Cache="$folder/apt" "$@"
  fi
  apt-get "$@"
}

# $1: folder
add_users() {
  mkdir -p "$1/etc" "$1/tmp"
  chmod 1777 "$1/tmp"
  echo 'root:x:0:0:root:/:/sbin/nologin
onbehalf:x:15000:15000:onbehalf:/:/sbin/nologin' >"$1/etc/passwd"
  echo 'root:x:0:
onbehalf:x:15000:' >"$1/etc/group"
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
}

# What a package's own script would do after its installation.
bundle_authorities() {
  mkdir -p "$1/etc/ssl/certs"
  cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"
}

# Node of this architecture, as package-lock.json pins it: $1 is the name of its package. Prints the folder.
find_node() {
  if [ -f "$root/node_modules/$1/bin/node" ]; then
    echo "$root/node_modules/$1"
    return
  fi
  [ -d "$packages/package" ] || fetch_node "$1"
  echo "$packages/package"
}

fetch_node() {
  version=$(locked "$1" version)
  (cd "$packages" && timeout 300 npm pack --silent "$1@$version" >/dev/null)
  archive=$packages/$1-$version.tgz
  read_hash='"sha512-" + crypto.hash("sha512", fs.readFileSync(process.argv[1]), "base64")'
  if [ "$("$node" -p "$read_hash" "$archive")" != "$(locked "$1" integrity)" ]; then
    rm "$archive"
    echo "assemble.sh: $1 is not what package-lock.json pins" >&2
    return 1
  fi
  tar -xzf "$archive" -C "$packages" package/bin/node package/LICENSE
}

# $1: package, $2: what of it
locked() {
  "$node" -p 'require(process.argv[1]).packages["node_modules/" + process.argv[2]][process.argv[3]]' \
    "$root/package-lock.json" "$1" "$2"
}

sidecar() {
  target=$folder/sidecar
  if [ "$base" = scratch ]; then
    unpack "$target" base-files libc6 libgcc-s1 libstdc++6 ca-certificates tzdata netbase
    bundle_authorities "$target"
    add_users "$target"
  fi
  # No distroless base has it, and Node needs it.
  unpack "$target" libatomic1
  # Where the licence of GCC's libraries stands: gcc-12-base, by the name that this Debian gives it.
  unpack "$target" "$(basename "$(readlink "$target/usr/share/doc/libatomic1")")"
  mkdir -p "$target/nodejs/bin" "$target/onbehalf"
  from=$(find_node "node-linux-$cpu")
  strip=$triplet-strip
  # 143 MiB, of which 32 are names that only a debugger reads.
  "$strip" --strip-all -o "$target/nodejs/bin/node" "$from/bin/node"
  install -m 0644 "$from/LICENSE" "$target/nodejs/LICENSE"
  install -m 0644 "$root/LICENSE" "$target/onbehalf/"
  for part in onbehalf commands opentelemetry preload; do install -m 0644 "$root/dist/$part.cjs" "$target/onbehalf/"; done
}

redirect() {
  target=$folder/redirect
  unpack "$target" base-files busybox-static libc6 iptables libip4tc2 libip6tc2 libxtables12 libnftnl11 libmnl0 \
    libnfnetlink0 libnetfilter-conntrack3
  add_users "$target"
  for applet in sh tr xargs; do ln -sf busybox "$target/bin/$applet"; done
  mkdir -p "$target/usr/libexec/iptables-legacy"
  for command in iptables iptables-restore ip6tables ip6tables-restore; do
    ln -sf xtables-nft-multi "$target/usr/sbin/$command"
    ln -sf ../../sbin/xtables-legacy-multi "$target/usr/libexec/iptables-legacy/$command"
  done
  install -m 0755 "$root/deploy/interception/redirect.sh" "$root/deploy/image/entry.sh" "$target/"
}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
packages=$folder/packages/$arch
# For an engine that sends the whole folder.
printf '%s\n' '*' '!sidecar' '!redirect' >"$folder/.dockerignore"
case ${3:-both} in onbehalf | both) rm -rf "$folder/sidecar" && sidecar ;; esac
case ${3:-both} in onbehalf-redirect | both) rm -rf "$folder/redirect" && redirect ;; esac
