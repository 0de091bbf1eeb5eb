#!/usr/bin/env bash
# powerloss.sh: does an acknowledged entry survive a power cut? Needs root, loop devices and ext4.
#
# Each round makes an ext4 in a file, lets a writer commit in it for 1 to 2 seconds, stops the writer, copies the
# device as it is at that moment (nothing is flushed first), kills the writer, and opens the copy: what the
# kernel had not written is gone, as after a power cut. Three writers: sled with flush alone (the control, which must
# lose: otherwise this script proves nothing), sled with our fdatasync, and the log as designed.
#
#   ROUNDS=50 tests/scripts/powerloss.sh [mode...]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-50}
modes=("$@")
[ ${#modes[@]} -gt 0 ] || modes=(flush synced log)
[ "$(id -u)" = 0 ] || { echo "needs root to mount" >&2; exit 2; }

cargo build --locked --quiet -p audit --example powerloss_writer
work=$(mktemp -d)
tool=$work/powerloss_writer
writer=
cleanup() {
    if [ -n "$writer" ]; then kill -KILL "$writer" 2>/dev/null || true; wait "$writer" 2>/dev/null || true; fi
    for at in "$work/disk" "$work/after"; do
        if mountpoint -q "$at"; then umount "$at" || umount -l "$at"; fi
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$work/disk" "$work/after"
# A copy of its own: a build that goes on meanwhile must not change the tool between rounds.
cp "${CARGO_TARGET_DIR:-target}/debug/examples/powerloss_writer" "$tool"

# From now on nothing reaches the device, and every call fails.
cut_power() {
    python3 - "$1" <<'END'
import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
END
}

# Waits until no thread of the writer runs: a sync that was under way when the file system went down may
# return without an error, and what it acknowledged then no power cut could have let it acknowledge.
stands_still() {
    local _
    for _ in $(seq 1 500); do
        if ! awk '{ sub(/.*\) /, ""); print $1 }' /proc/"$1"/task/*/stat | grep -qv T; then return; fi
        sleep 0.01
    done
    echo "the writer does not stand still" >&2
    return 1
}

one_round() { # mode -> one line of the checker on stdout
    local mode=$1 verdict
    rm -f "$work"/{image,acks}
    truncate -s 512M "$work/image"
    mkfs.ext4 -q -F "$work/image"
    mount -o loop "$work/image" "$work/disk"
    : >"$work/acks"
    "$tool" write "$mode" "$work/disk/log" "$work/acks" 2>>"$work/writer.err" &
    writer=$!
    sleep "1.$(printf '%03d' $((RANDOM % 1000)))"
    if ! kill -STOP "$writer" 2>/dev/null; then
        echo "the writer ended by itself: $(tail -n 1 "$work/writer.err")" >&2
        return 1
    fi
    stands_still "$writer"
    cut_power "$work/disk"
    kill -KILL "$writer" 2>/dev/null || true
    wait "$writer" 2>/dev/null || true
    writer=
    umount "$work/disk"
    mount -o loop "$work/image" "$work/after"
    verdict=$(timeout 120 "$tool" check "$mode" "$work/after/log" "$work/acks" 2>"$work/check.err" | tail -n 1) || true
    umount "$work/after"
    if [ -z "$verdict" ]; then
        verdict="refused $(($(stat -c %s "$work/acks") / 40)) $(($(stat -c %s "$work/acks") / 40)) the checker died"
    fi
    printf '%s\n' "$verdict"
}

failed=0
printf '| writer | rounds | acknowledged | all kept | some lost | opened empty | did not open | entries lost |\n'
printf '|---|---|---|---|---|---|---|---|\n'
for mode in "${modes[@]}"; do
    acked=0 missing=0 kept=0 lost=0 empty=0 refused=0
    for ((round = 1; round <= rounds; round++)); do
        one_round "$mode" >"$work/verdict"
        read -r word a m why <"$work/verdict"
        acked=$((acked + a)) missing=$((missing + m))
        case $word in
            kept) kept=$((kept + 1)) ;;
            lost) lost=$((lost + 1)) ;;
            empty) empty=$((empty + 1)) ;;
            *) refused=$((refused + 1)) ;;
        esac
        printf '%s %d: %s %d of %d missing %s\n' "$mode" "$round" "$word" "$m" "$a" "$why" >&2
    done
    printf '| %s | %d | %d | %d | %d | %d | %d | %d |\n' \
        "$mode" "$rounds" "$acked" "$kept" "$lost" "$empty" "$refused" "$missing"
    case $mode in
        flush) if [ "$missing" = 0 ]; then echo "the control lost nothing: this run proves nothing" >&2; failed=1; fi ;;
        log) if [ "$missing" != 0 ]; then failed=1; fi ;;
    esac
    if [ "$acked" = 0 ]; then echo "$mode acknowledged nothing" >&2; failed=1; fi
done
exit "$failed"
