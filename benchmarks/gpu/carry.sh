#!/usr/bin/env bash
# Fill benchmarks/gpu/carried/ with what a bare GPU machine lacks: run this where there is a network, then take the
# checkout and that folder along. The machine brings Python, torch, jax, flax and optax, and the packages in their train.
#
#     bash benchmarks/gpu/carry.sh            # GANKIT_DATA names the folder that holds mnist/, and perhaps cifar10/ and orl_faces/
set -euo pipefail
cd "$(dirname "$0")/../.."
carried=benchmarks/gpu/carried
rm -rf "$carried"
mkdir -p "$carried/site" "$carried/data"

# Of gankit's own distributions only the metadata, which holds the entry points: the code comes from the checkout.
wheels=$(mktemp -d)
python3 -m pip wheel --quiet --no-deps --wheel-dir "$wheels" . backends/torch backends/jax plugins/*/
for wheel in "$wheels"/*.whl; do
    python3 -m zipfile -e "$wheel" "$wheels/whole"
done
cp -r "$wheels"/whole/*.dist-info "$carried/site"
rm -rf "$wheels"
python3 -m pip install --quiet --no-deps --no-compile --target "$carried/site" \
    array-api-compat array-api-strict platformdirs filelock

# What the stages play on.
for path in mnist cifar10/cifar10_lossless4k.npz orl_faces/orl_faces.npz; do
    if [ -e "${GANKIT_DATA:-nowhere}/$path" ]; then
        mkdir -p "$carried/data/$(dirname "$path")"
        cp -r "$GANKIT_DATA/$path" "$carried/data/$path"
    else
        echo "carry.sh: no $path in GANKIT_DATA=${GANKIT_DATA:-}; stages that need it will say so" >&2
    fi
done
chmod -R u+w "$carried"
git rev-parse --short HEAD > "$carried/commit"
du -sh "$carried"
