#!/usr/bin/env bash
# Check and time on a GPU all that a GPU is for. Needs no network and installs nothing; see README.md beside this file.
#
#     bash benchmarks/gpu/run.sh                                   # everything, at most some 6 minutes on an H100
#     bash benchmarks/gpu/run.sh --only graphs speed --out results # some stages
#     bash benchmarks/gpu/run.sh --device cpu --quick              # the same road without a GPU, in minutes
set -euo pipefail
cd "$(dirname "$0")/../.."
carried=benchmarks/gpu/carried
path=$PWD:$PWD/backends/torch:$PWD/backends/jax
for plugin in plugins/*/; do
    path=$path:$PWD/${plugin%/}
done
if [ -d "$carried/site" ]; then
    path=$path:$PWD/$carried/site
fi
export PYTHONPATH=$path${PYTHONPATH:+:$PYTHONPATH}
if [ -d "$carried/data" ]; then
    export GANKIT_DATA=${GANKIT_DATA:-$PWD/$carried/data}
fi
export PYTHONUNBUFFERED=1
# Two frameworks and several processes share the card: JAX must not take three quarters of it at once.
export XLA_PYTHON_CLIENT_PREALLOCATE=${XLA_PYTHON_CLIENT_PREALLOCATE:-false}
exec python3 -m benchmarks.gpu "$@"
