#!/bin/sh
# Collects into one folder all that install.sh needs on a host without network: the wheel of this
# tree, the wheels of requirements.lock that it depends on, units, scripts, and their SHA-256.
set -eu
umask 022

usage() {
    cat <<'END'
usage: sh deploy/bundle.sh [options] FOLDER      (FOLDER must not exist yet)
  --python PYTHON    interpreter of the version that the edge hosts have (default: python3)
  --machine MACHINE  x86_64 or aarch64 (default: this host's)
  --release NAME     name of the release (default: pasprobe's version); needed when the same version
                     goes out again with other contents
  --wheels DIR       no network: take the dependencies from this folder, at the locked versions.
                     Hashes of requirements.lock are not asked for; those of the wheels go into the
                     bundle. For wheels that were built at the site.
END
}

die() {
    printf 'bundle.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

tree=$(cd "$(dirname "$0")/.." && pwd)
python=python3 machine=$(uname -m) release='' wheels='' folder=''
while [ $# -gt 0 ]; do
    case $1 in
        --python | --machine | --release | --wheels)
            [ $# -ge 2 ] || die "$1 needs a value; see --help" 2
            case $1 in
                --python) python=$2 ;;
                --machine) machine=$2 ;;
                --release) release=$2 ;;
                --wheels) wheels=$2 ;;
            esac
            shift
            ;;
        -h | --help) usage; exit 0 ;;
        -*) die "unknown option $1; see --help" 2 ;;
        *)
            [ -z "$folder" ] || die "one folder, not $folder and $1; see --help" 2
            folder=$1
            ;;
    esac
    shift
done
[ -n "$folder" ] || { usage >&2; exit 2; }
[ ! -e "$folder" ] || die "$folder exists: remove it, or name another one" 2
[ -z "$wheels" ] || [ -d "$wheels" ] || die "--wheels $wheels: there is no such folder" 2
case $machine in
    x86_64 | aarch64) ;;
    *) die "machine $machine: there are wheels for x86_64 and aarch64" 2 ;;
esac
"$python" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    die "$python is not Python 3.11 or later with ensurepip: install python3-venv, or say --python" 2

work=$(mktemp -d)
trap 'rm -rf "$work" "$folder.partial"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
rm -rf "$folder.partial"
mkdir -p "$work/locked" "$work/ours" "$folder.partial/wheels"

"$python" -m venv "$work/venv"
pip() {
    command=$1
    shift
    # What it says is of interest where it fails: that names the wheel.
    "$work/venv/bin/python" -P -m pip --disable-pip-version-check "$command" "$@" >"$work/said" 2>&1 ||
        { tail -n 20 "$work/said" >&2; return 1; }
}
# Asked for by name, each glibc by itself: otherwise a recent host collects what older ones cannot
# run. What was built at the site fits the site.
set -- --only-binary :all:
if [ -z "$wheels" ] || [ "$machine" != "$(uname -m)" ]; then
    for glibc in 17 24 26 27 28; do
        set -- "$@" --platform "manylinux_2_${glibc}_$machine"
    done
    set -- "$@" --platform "manylinux2014_$machine"
fi

if [ -n "$wheels" ]; then
    find "$wheels" -maxdepth 1 -name '*.whl' -exec cp {} "$work/locked" \;
else
    pip download "$@" --require-hashes --no-deps --dest "$work/locked" -r "$tree/requirements.lock" ||
        die "not all of requirements.lock could be fetched (above); is there a wheel for $machine?"
fi
sed -n 's/^\([A-Za-z0-9._-]*==.*[^ ]\) *\\$/\1/p' "$tree/requirements.lock" >"$work/pins"

# hatchling, which builds the wheel, is locked like everything else.
pip install --no-index --find-links "$work/locked" --constraint "$work/pins" hatchling ||
    die "hatchling, which builds the wheel of this tree, is not among the wheels"
pip wheel --no-deps --no-index --no-build-isolation --wheel-dir "$work/ours" "$tree"
ours=$(basename "$work/ours"/pasprobe-*.whl)
version=${ours#pasprobe-}
version=${version%%-*}
release=${release:-$version}
case $release in
    *[!A-Za-z0-9.+_-]* | .* | -*) die "--release $release: letters, digits and . + _ - only" 2 ;;
esac

# What pasprobe itself depends on; the lock also holds what the checks need.
pip download "$@" --no-index --find-links "$work/locked" --constraint "$work/pins" \
    --dest "$folder.partial/wheels" "$work/ours/$ours" ||
    die "the wheels are not complete (above)"
"$work/venv/bin/python" - "$folder.partial/wheels" >"$folder.partial/requirements.txt" <<'END'
import hashlib, pathlib, sys
for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
    name, version = wheel.name.split("-")[:2]
    print(f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
END

# pip comes along as Python brings it, so that the edge host needs no python3-venv.
mkdir "$folder.partial/pip"
"$work/venv/bin/python" - "$folder.partial/pip" <<'END' || die "the ensurepip of $python brings no pip"
import ensurepip, pathlib, shutil, sys, sysconfig
places = [pathlib.Path(ensurepip.__file__).parent / "_bundled"]
for place in (sysconfig.get_config_var("WHEEL_PKG_DIR"), "/usr/share/python-wheels"):
    if place:
        places.append(pathlib.Path(place))
found = [wheel for place in places for wheel in place.glob(f"pip-{ensurepip.version()}-*.whl")]
shutil.copy(found[0], sys.argv[1]) if found else sys.exit(1)
END

cp -R "$tree/deploy" "$folder.partial/deploy"
cp "$tree/docs/deployment.md" "$folder.partial/deploy/"
find "$folder.partial/deploy" -name __pycache__ -prune -exec rm -rf {} +
commit=$(git -C "$tree" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
cat >"$folder.partial/BUNDLE" <<END
release=$release
version=$version
python=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
machine=$machine
commit=$commit
made=$(date -u +%Y-%m-%dT%H:%M:%SZ)
END
(
    cd "$folder.partial"
    find . -type f ! -name SHA256SUMS | LC_ALL=C sort | while read -r file; do
        sha256sum "$file"
    done >SHA256SUMS
)
mv "$folder.partial" "$folder"
count=$(find "$folder/wheels" -name '*.whl' | wc -l)
echo "$folder: pasprobe $version as release $release, $count wheels for Python" \
    "$(sed -n 's/^python=//p' "$folder/BUNDLE") on $machine; on the edge host:" \
    "sh $(basename "$folder")/deploy/install.sh $(basename "$folder")"
