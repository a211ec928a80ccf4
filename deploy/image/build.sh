#!/bin/sh
# Builds both images into OCI layouts below FOLDER, without an engine: build.sh FOLDER VERSION [BASE [IMAGE]].
set -eu

folder=$1
version=$2
here=$(cd "$(dirname "$0")" && pwd)
base=${3:-$(sed -n 's/^ARG BASE=//p' "$here/Dockerfile")}

buildah() {
  command buildah --root "$folder/storage" --runroot "$folder/run" --storage-driver vfs "$@"
}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
if [ "$base" != scratch ] && ! buildah pull -q "$base" >/dev/null 2>"$folder/pull.log"; then
  echo "the base cannot be had: $base" >&2
  echo 'built instead on scratch with the C libraries of this Debian (BASE=scratch says so without asking)' >&2
  base=scratch
fi
image=${4:-both}
sh "$here/assemble.sh" "$folder" "$base" "$image"
# The time of the commit: what is built of it again has the same digest.
time=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct)}

# $1: image, $2: Dockerfile
build() {
  rm -rf "${folder:?}/$1"
  # Of the folder with the files nothing but these is sent.
  buildah bud -q --isolation chroot --format oci --timestamp "$time" --build-arg BASE="$base" \
    --label org.opencontainers.image.version="$version" --file "$here/$2" --tag "$1:$version" "$folder" >/dev/null
  buildah push -q --compression-format zstd --compression-level 3 "$1:$version" "oci:$folder/$1:$version"
  layers=$(find "$folder/$1/blobs" -type f -size +64k -exec wc -c {} + | awk 'END { print $1 }')
  echo "$1:$version  $((layers / 1048576)) MiB compressed  $folder/$1"
}

case $image in onbehalf | both) build onbehalf Dockerfile ;; esac
case $image in onbehalf-redirect | both) build onbehalf-redirect Dockerfile.redirect ;; esac
rm -rf "$folder/storage" "$folder/run"
