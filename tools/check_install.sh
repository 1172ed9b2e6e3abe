#!/usr/bin/env bash
# Installs the wheel with each extra into an environment of its own and tries one command of each.
#
#     tools/check_install.sh                  all extras
#     tools/check_install.sh video onnx       some of them; "core" is the wheel without any
#
# torch is installed once, into an environment of its own that the others see by a .pth file, since
# it takes longest; nothing else of it is shared. All environments are deleted in the end. Needs the
# package index that pip is set up for, and about 3 GB in TMPDIR for as long as it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
PYTHON=${PYTHON:-python3}
BASE=$(mktemp -d "${TMPDIR:-/tmp}/bauta-install.XXXXXX")
trap 'rm -rf "$BASE"' EXIT
export XDG_DATA_HOME=$BASE/data PIP_DISABLE_PIP_VERSION_CHECK=1
unset BAUTA_WEIGHTS BAUTA_PLUGINS PYTHONPATH || true
read -ra EXTRAS <<< "${*:-core heif onnx train views video ray web bench docs}"

echo "== torch"
"$PYTHON" -m venv "$BASE/torch"
"$BASE/torch/bin/python" -m pip install --quiet -c constraints.txt torch
TORCH=$("$BASE/torch/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

echo "== wheel"
"$PYTHON" -m venv "$BASE/build"
"$BASE/build/bin/python" -m pip install --quiet -c constraints.txt build 'setuptools>=77' wheel
"$BASE/build/bin/python" -m build --no-isolation --outdir "$BASE/dist" . > "$BASE/build.log"
WHEEL=$(ls "$BASE"/dist/*.whl)
ls -l "$BASE/dist"
rm -rf "$BASE/build"

# Things to try the commands on: a photo, a HEIC file, an album; twelve "people", who are the two
# portraits in other colours, and pairs of them in ten folds, as many as thresholds need.
mkdir -p "$BASE/try/album"
cp src/bauta/data/sample.jpg "$BASE/try/me.jpg"
cp src/bauta/data/sample.jpg tests/data/hopper.jpg "$BASE/try/album/"
cp tests/media/portrait.heic "$BASE/try/me.heic"
cat > "$BASE/try/people.py" <<'PY'
import sys
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

for who, file in (("Eileen", "src/bauta/data/sample.jpg"), ("Grace", "tests/data/hopper.jpg")):
    photo = Image.open(Path(sys.argv[1], file)).convert("RGB")
    looks = {
        "": photo,
        "Mirrored": ImageOps.mirror(photo),
        "Grey": photo.convert("L").convert("RGB"),
        "Dark": ImageEnhance.Brightness(photo).enhance(0.6),
        "Warm": ImageEnhance.Color(photo).enhance(2.0),
        "Flat": ImageEnhance.Contrast(photo).enhance(0.5),
    }
    for look, made in looks.items():
        folder = Path("people", who + look)
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 9):
            brighter = ImageEnhance.Brightness(made).enhance(0.9 + number / 40)
            brighter.save(folder / f"{who}{look}_{number:04d}.jpg", quality=92)
fold = ["Eileen\t1\t2"] * 100 + ["Eileen\t1\tGrace\t1"] * 100
Path("pairs.txt").write_text("\n".join(["10\t100", *fold * 10]))
PY

try() {  # What an extra is for, in the folder of things to try on.
    case $1 in
    core) bauta verify me.jpg me-protected.jpg --surrogate none --judge tight-judge --json > verify.json || [ $? = 1 ] ;;
    heif)  # It is decoded, and nobody is in it.
        bauta protect me.heic --preset fast -o from-heic.jpg > heic.log 2>&1 || true
        cat heic.log
        grep "no face was found" heic.log ;;
    onnx)
        python - <<'PY'
import onnx
from onnx import TensorProto, helper, numpy_helper
import numpy as np

weights = np.random.default_rng(0).normal(0, 0.1, (3 * 16 * 16, 32)).astype(np.float32)
nodes = [
    helper.make_node("AveragePool", ["in"], ["small"], kernel_shape=[7, 7], strides=[7, 7]),
    helper.make_node("Flatten", ["small"], ["flat"]),
    helper.make_node("MatMul", ["flat", "weights"], ["out"]),
]
graph = helper.make_graph(
    nodes, "tiny",
    [helper.make_tensor_value_info("in", TensorProto.FLOAT, [1, 3, 112, 112])],
    [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 32])],
    [numpy_helper.from_array(weights, "weights")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "tiny.onnx")
PY
        bauta recognizers add tiny.onnx --name tiny --size 112 --mean 127.5 --std 127.5
        bauta recognizers remove tiny ;;
    train) python people.py "$ROOT" && bauta private train ahm-small --data people --epochs 1 --out runs ;;
    views)
        python -c 'import diffusers, transformers; print("diffusers", diffusers.__version__)'
        bauta views sheet me.jpg -o views.jpg --overwrite > /dev/null ;;
    video)
        python - <<'PY'
import av
import numpy as np
from PIL import Image

photo = np.asarray(Image.open("me.jpg").convert("RGB").resize((256, 256)))
with av.open("clip.mp4", "w") as file:
    stream = file.add_stream("libx264", rate=10)
    stream.width = stream.height = 256
    stream.pix_fmt = "yuv420p"
    for _ in range(4):
        file.mux(stream.encode(av.VideoFrame.from_ndarray(photo, format="rgb24")))
    file.mux(stream.encode())
PY
        bauta protect clip.mp4 --preset fast --overwrite ;;
    ray) bauta protect album -o by-ray --engine ray --jobs 1 --preset fast ;;
    web)
        bauta serve --no-browser --port 0 > serve.log 2>&1 &
        server=$!
        for _ in $(seq 60); do grep -q http:// serve.log && break; sleep 1; done
        cat serve.log
        python - <<'PY'
import re, urllib.request

link = re.search(r"http://\S+", open("serve.log").read()).group(0)
print(urllib.request.urlopen(link).status)
PY
        kill "$server" ;;
    bench)
        python people.py "$ROOT"
        bauta bench list > /dev/null
        bauta recognizers evaluate dlib-native --data people --pairs pairs.txt --plot roc.png --save limits.json ;;
    docs) (cd "$ROOT" && python -m mkdocs build --quiet --strict --site-dir "$BASE/site") ;;
    *) echo "no extra $1" >&2; return 2 ;;
    esac
}

FAILED=()
for extra in "${EXTRAS[@]}"; do
    started=$SECONDS
    "$PYTHON" -m venv "$BASE/env"
    echo "$TORCH" > "$("$BASE/env/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/torch-of-its-own.pth"
    wanted=$WHEEL; [ "$extra" = core ] || wanted="$WHEEL[$extra]"
    # face_recognition_models is a source archive, which is built with the setuptools that is here.
    "$BASE/env/bin/python" -m pip install --quiet -c constraints.txt 'setuptools>=77' wheel
    # Not "( ... ) || status=$?", in which nothing that fails would end it.
    set +e
    (
        set -e
        "$BASE/env/bin/python" -m pip install --quiet --no-build-isolation -c constraints.txt "$wanted"
        "$BASE/env/bin/python" -m pip check
        export PATH=$BASE/env/bin:$PATH
        cd "$BASE/try"
        bauta --version
        bauta protect me.jpg --preset fast --overwrite --json > report.json
        try "$extra"
    ) > "$BASE/log" 2>&1
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        echo "== $extra: works ($((SECONDS - started)) s)"
    else
        echo "== $extra: FAILED with $status"; tail -25 "$BASE/log"; FAILED+=("$extra")
    fi
    rm -rf "$BASE/env"
done
[ ${#FAILED[@]} = 0 ] || { echo "failed: ${FAILED[*]}"; exit 1; }
