#!/bin/sh
# Goes back to the release that was in use before (or to another one that is installed). Run twice,
# it goes forth again.
set -eu
umask 022

usage() {
    cat <<'END'
usage: sh rollback.sh [options]
  --to RELEASE       the release to use, as in /opt/pasprobe-RELEASE (default: the one before)
  --root DIR         work below DIR instead of on this system
  --data-dir DIR     the agent's data_dir (default: /var/lib/pasprobe)
  --set-spool-aside  when the older release cannot read the newer one's spool: keep that spool in a
                     folder beside it and begin a new one
END
}

die() {
    printf 'rollback.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

root='' data_dir=/var/lib/pasprobe to='' aside=''
while [ $# -gt 0 ]; do
    case $1 in
        --to | --root | --data-dir)
            [ $# -ge 2 ] || die "$1 needs a value; see --help" 2
            case $1 in
                --to) to=pasprobe-$2 ;;
                --root) root=$2 ;;
                --data-dir) data_dir=$2 ;;
            esac
            shift
            ;;
        --set-spool-aside) aside=yes ;;
        -h | --help) usage; exit 0 ;;
        *) die "unknown option $1; see --help" 2 ;;
    esac
    shift
done
current=$(readlink "$root/opt/pasprobe") || die "$root/opt/pasprobe: nothing is installed" 2
to=${to:-$(readlink "$root/opt/pasprobe.previous" || :)}
[ -n "$to" ] || die "no release was in use before $current: say --to RELEASE" 2
[ -x "$root/opt/$to/bin/python" ] ||
    die "$root/opt/$to is not installed; there are: $(cd "$root/opt" && echo pasprobe-*)" 2
[ "$to" != "$current" ] || { echo "$to is in use already"; exit 0; }

# A key that the older release does not know would stop its agent.
if [ -d "$root/etc/pasprobe" ] && [ -n "$(find "$root/etc/pasprobe" -maxdepth 1 -name '*.toml')" ]; then
    "$root/opt/$to/bin/python" -I - "$root/etc/pasprobe" <<'END' ||
import pathlib, sys
from inventory.errors import ConfigurationError
from inventory.load import load
try:
    load(pathlib.Path(sys.argv[1]), environ={}, resolve_secrets=False)
except ConfigurationError as error:
    sys.exit(str(error))
END
        die "$to refuses the configuration (above): take out what is new, then run this again"
fi

# The older release itself says which layout it knows, and reads which one the spool has.
spool=$root$data_dir/spool.sqlite
layouts=$("$root/opt/$to/bin/python" -I - "$spool" <<'END'
import pathlib, sqlite3, sys
from timeseries.spool_file import LAYOUT
spool = pathlib.Path(sys.argv[1])
if not spool.exists():
    found = 0
else:
    connection = sqlite3.connect(f"{spool.resolve().as_uri()}?mode=ro", uri=True)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
print(LAYOUT, found)
END
) || die "$spool cannot be read by $to (above): is it the right --data-dir?"
known=${layouts% *} found=${layouts#* }
if [ "$found" -gt "$known" ] && [ -z "$aside" ]; then
    die "$spool has layout $found, $to knows $known and would refuse it. Nothing was changed. \
Read \"Rollback\" in deployment.md, then say --set-spool-aside" 1
fi

# Whatever happens from here on, what ran runs again.
running=''
start_again() {
    for unit in $running; do
        systemctl start "$unit"
    done
}
trap start_again EXIT
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    for unit in pasprobe-agent.service pasprobe-reflector.service; do
        if systemctl is-active --quiet "$unit"; then
            running="$running $unit"
            systemctl stop "$unit"
        fi
    done
fi
if [ "$found" -gt "$known" ]; then
    "$root/opt/$to/bin/python" -I - "$root$data_dir" <<'END' ||
import fcntl, os, sys
folder = sys.argv[1]
for name in ("agent.lock", "spool.lock"):
    try:
        descriptor = os.open(os.path.join(folder, name), os.O_RDWR)
    except FileNotFoundError:
        continue
    lock = fcntl.lockf if name == "agent.lock" else fcntl.flock
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(1)
END
        die "an agent works on $root$data_dir: stop it, then run this again"
    kept=$root$data_dir/spool-layout-$found-$(date -u +%Y%m%dT%H%M%SZ)
    # Its owner stays: the newer release reads it in place (--store).
    mkdir -m 750 "$kept"
    chown --reference="$root$data_dir" "$kept" 2>/dev/null || :
    for suffix in '' -wal -shm; do
        [ ! -e "$spool$suffix" ] || mv "$spool$suffix" "$kept/"
    done
    echo "the spool is kept in $kept: $root/opt/$current/bin/pasprobe export trains --store $kept"
fi
sh "$root/opt/$to/deploy/activate.sh" ${root:+--root "$root"}
