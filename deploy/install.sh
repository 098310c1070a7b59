#!/bin/sh
# Installs pasprobe from the folder that bundle.sh made, without network: a venv in
# /opt/pasprobe-RELEASE, the link /opt/pasprobe, units, user, directories. May be run again at any
# time. Earlier releases stay, rollback.sh goes back to them.
set -eu
umask 022

usage() {
    cat <<'END'
usage: sh install.sh [options] FOLDER
  --root DIR       install below DIR (an image, a staging tree) instead of this system
  --python PYTHON  interpreter, of the bundle's version (default: /usr/bin/python3)
  --restart        restart the services that run; otherwise they go on as they are until told
END
}

die() {
    printf 'install.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

root='' python=/usr/bin/python3 restart='' folder=''
while [ $# -gt 0 ]; do
    case $1 in
        --root | --python)
            [ $# -ge 2 ] || die "$1 needs a value; see --help" 2
            case $1 in
                --root) root=$2 ;;
                --python) python=$2 ;;
            esac
            shift
            ;;
        --restart) restart=--restart ;;
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
[ -f "$folder/BUNDLE" ] || die "$folder is no bundle: make one with deploy/bundle.sh" 2
folder=$(cd "$folder" && pwd)
if [ -n "$root" ]; then
    [ -d "$root" ] || die "--root $root: there is no such folder" 2
    root=$(cd "$root" && pwd)
    [ "$root" != / ] || root=''
fi
[ -n "$root" ] || [ "$(id -u)" = 0 ] || die "installing needs root: use sudo, or say --root DIR" 2

(cd "$folder" && sha256sum --check --quiet --strict SHA256SUMS) ||
    die "$folder is damaged (above): copy it again"
value() {
    sed -n "s/^$1=//p" "$folder/BUNDLE"
}
release=$(value release)
has=$("$python" -c 'import sys, venv; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) ||
    die "$python does not run: install Python $(value python), or say --python PYTHON" 2
[ "$has" = "$(value python)" ] ||
    die "$folder is for Python $(value python), $python is $has: say --python PYTHON, or make a bundle with Python $has" 2
[ "$(uname -m)" = "$(value machine)" ] ||
    die "$folder is for $(value machine), this is $(uname -m): make a bundle with --machine $(uname -m)" 2
case $("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))') in
    /home/* | /root/* | /run/user/*)
        die "$python lies in a home directory, which the service cannot see: say --python /usr/bin/python3" 2
        ;;
esac

final=/opt/pasprobe-$release
target=$root$final
if [ -e "$target" ]; then
    cmp -s "$folder/SHA256SUMS" "$target/SHA256SUMS" ||
        die "$target was installed from another bundle: make this one with another --release" 2
    echo "$target is installed already"
else
    partial=$root/opt/.pasprobe-$release.partial
    rm -rf "$partial"
    mkdir -p "$root/opt"
    trap 'rm -rf "$partial"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    "$python" -m venv --without-pip "$partial"
    pip() {
        command=$1
        shift
        PYTHONPATH=$(echo "$folder"/pip/pip-*.whl) PYTHONDONTWRITEBYTECODE=1 \
            "$partial/bin/python" -P -m pip --isolated --quiet --disable-pip-version-check \
            --no-cache-dir "$command" "$@"
    }
    pip install --no-index --find-links "$folder/wheels" --no-deps --require-hashes --no-compile \
        --no-warn-script-location --requirement "$folder/requirements.txt" ||
        die "the wheels of $folder do not fit this system (above); they need glibc, not musl"
    pip check || die "$folder is not complete (above): make it again"
    # The environment was made aside; its scripts shall name the place where it is going to be.
    find "$partial/bin" "$partial/pyvenv.cfg" -type f -exec sed -i "s|$partial|$final|g" {} +
    # The service may not write there. A module for other versions of Python does not compile, and
    # nobody imports it here.
    "$partial/bin/python" -P -m compileall -q -q -j 0 -s "$partial" -p "$final" "$partial/lib" || :
    cp -R "$folder/deploy" "$partial/deploy"
    cp "$folder/BUNDLE" "$folder/SHA256SUMS" "$partial"
    "$partial/bin/python" -P -m pasprobe --help >/dev/null ||
        die "what was installed does not start (above)"
    # An edge host may lose its power now.
    sync -f "$partial"
    mv "$partial" "$target"
    trap - EXIT
    echo "installed $target"
fi
sh "$target/deploy/activate.sh" ${root:+--root "$root"} $restart
