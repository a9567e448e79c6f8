#!/usr/bin/env bash
# Counts the instructions of the hot kernels under valgrind, for a guard that does not depend on the clock.
#
# Prints for each shape the instructions of one run of the product, and thousandths of an instruction for each
# multiplication. With a limit as argument, fails where a shape of many channels takes more thousandths than that.
# Without valgrind there is nothing to count: says so and passes.
set -euo pipefail

limit=${1:-}
if ! command -v valgrind >/dev/null; then
    echo "no valgrind: nothing counted"
    exit 0
fi
cd "$(dirname "$0")/.."
cargo build --quiet --release -p vairun-numeric --example product
program=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release/examples/product

count() {
    RAYON_NUM_THREADS=1 valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

failed=0
while read -r kind channels out side kernel stride; do
    shape="$kind $channels $out $side $kernel $stride"
    # The second and third run: what the first prepares is not counted.
    # shellcheck disable=SC2086 # words of a shape
    instructions=$(($(count $shape 3) - $(count $shape 2)))
    pixels=$((((side + kernel / 2 * 2 - kernel) / stride + 1) ** 2))
    multiplications=$((pixels * out * channels * kernel * kernel))
    rate=$((1000 * instructions / multiplications))
    echo "$shape: $instructions instructions, $rate thousandths for a multiplication"
    if [ -n "$limit" ] && [ "$channels" -ge 64 ] && [ "$rate" -gt "$limit" ]; then
        failed=1
    fi
done <<'SHAPES'
bytes 64 64 28 3 1
bytes 256 64 28 1 1
per_channel 64 64 28 3 1
words 64 64 28 3 1
bytes 3 32 64 3 2
SHAPES
exit "$failed"
