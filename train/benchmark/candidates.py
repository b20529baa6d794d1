"""What was tried to make captioning faster, each measured against the way it would replace: `benchmark --candidates`."""

import copy
import importlib.util
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from captioner import checkpoint
from captioner.checkpoint.weights import load_model
from captioner.inference import generate
from captioner.predict import Captioner, PreparedPhoto
from train.benchmark.ours import OPTIONS, describe

HANDFUL = 4


def encoders(photos: Sequence[PreparedPhoto]) -> dict[str, float]:
    """Photos a second of each way to encode a handful of photos, all threads on it; taken in turns, the best of them."""
    read = checkpoint.read()
    plain = load_model(read).encoder
    model = Captioner.load(read, device="cpu")
    images = model._images(photos[:HANDFUL])
    ways = dict(_ways(plain, model._model.encoder, images))
    found = dict.fromkeys(ways, 0.0)
    with torch.inference_mode():
        for _ in range(12):
            for name, encode in ways.items():
                begun = time.perf_counter()
                encode()
                found[name] = max(found[name], len(images) / (time.perf_counter() - begun))
    return found


def _ways(plain: nn.Module, folded: Any, images: Tensor) -> Iterator[tuple[str, Callable[[], object]]]:
    """Names and ways; each is called once to warm up."""
    first = copy.deepcopy(folded)
    first.network.to(memory_format=torch.contiguous_format)
    floats = ((images.float() / 255 - folded.mean) / folded.std).contiguous()
    compiled: Any = torch.compile(folded.network)
    ways: list[tuple[str, Callable[[], object]]] = [
        ("plain", lambda: plain(images)),
        ("batch norms folded", lambda: folded(images)),
        ("folded, channels first", lambda: first.network(floats)),
        ("folded, bfloat16", lambda: _in_half(folded, images)),
        ("folded, torch.compile", lambda: compiled(floats.contiguous(memory_format=torch.channels_last))),
    ]
    if importlib.util.find_spec("onnxruntime") and importlib.util.find_spec("onnx"):
        session = _onnx(first.network, floats)
        ways.append(("folded, ONNX Runtime", lambda: session.run(None, {"images": floats.numpy()})))
    else:
        print("folded, ONNX Runtime: not measured; pip install onnx onnxruntime", file=sys.stderr)
    for name, encode in ways:
        try:
            with torch.inference_mode():
                encode()
        except Exception as problem:  # a compiler that is missing, say
            print(f"{name}: not measured ({type(problem).__name__})", file=sys.stderr)
        else:
            yield name, encode


def _in_half(encoder: nn.Module, images: Tensor) -> object:
    with torch.autocast("cpu", torch.bfloat16):
        return encoder(images)


def _onnx(network: nn.Module, images: Tensor) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as scratch:
        file = str(Path(scratch) / "encoder.onnx")
        torch.onnx.export(network, (images,), file, dynamo=False, input_names=["images"])
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def layers(photos: Sequence[PreparedPhoto]) -> dict[str, float]:
    """What stops the encoder: milliseconds a photo by kind of layer, and GFLOP/s of its convolutions, in a handful on all threads."""
    model = Captioner.load(device="cpu")
    images = model._images(photos[:HANDFUL])
    times: dict[nn.Module, list[float]] = {}

    def begin(layer: nn.Module, _: object) -> None:
        times.setdefault(layer, []).append(-time.perf_counter())

    def end(layer: nn.Module, _: object, output: Tensor) -> None:
        times[layer][-1] += time.perf_counter()
        if isinstance(layer, nn.Conv2d):
            work[layer] = 2 * output.numel() * layer.weight[0].numel() / 1e9

    work: dict[nn.Module, float] = {}
    for layer in model._model.encoder.modules():
        if not any(layer.children()) and not isinstance(layer, nn.Identity):
            layer.register_forward_pre_hook(begin)
            layer.register_forward_hook(end)
    with torch.inference_mode():
        for _ in range(12):
            model._model.encoder(images)
    found: dict[str, float] = {}
    flops: dict[str, float] = {}
    for layer, taken in times.items():
        kind = type(layer).__name__
        if isinstance(layer, nn.Conv2d):
            kind = "convolutions, " + (
                "depthwise" if layer.groups > 1 else f"{layer.kernel_size[0]} × {layer.kernel_size[1]}"
            )
            flops[kind] = flops.get(kind, 0.0) + work[layer]
        found[f"{kind}, ms"] = found.get(f"{kind}, ms", 0.0) + 1e3 * min(taken) / len(images)
    return found | {
        f"{kind}, GFLOP/s": value / (found[f"{kind}, ms"] * len(images) / 1e3) for kind, value in flops.items()
    }


def decoders(photos: Sequence[PreparedPhoto]) -> dict[str, float]:
    """Photos a second of the search, all threads on one photo or on all photos; and how many captions int8 weights change."""
    model = Captioner.load(device="cpu")
    plain = load_model(model.checkpoint).decoder
    quantize: Any = torch.ao.quantization.quantize_dynamic
    small = quantize(plain, {nn.Linear, nn.LSTMCell})
    ways = {"as in the file": plain, "packed": model._model.decoder, "int8 weights": small}
    found: dict[str, float] = {}
    sentences = {}
    with torch.inference_mode():
        for some in (photos[:1], photos):
            vectors = model._encode(some)
            for _, (name, decoder) in itertools.product(range(4), ways.items()):
                begun = time.perf_counter()
                hypotheses = generate(decoder, vectors, OPTIONS)
                key = f"{name}, photos at once: {len(some)}"
                found[key] = max(found.get(key, 0.0), len(some) / (time.perf_counter() - begun))
                sentences[name] = [one[0].tokens for one in hypotheses]
    pairs = zip(sentences["packed"], sentences["int8 weights"], strict=True)
    return found | {"int8: captions that differ, of all": sum(one != two for one, two in pairs) / len(photos)}


def divisions(photos: Sequence[Path]) -> dict[str, float]:
    """Photos a second from files to captions: one worker with all threads, or a worker a thread; by batch size."""
    model = Captioner.load(device="cpu")
    threads = torch.get_num_threads()
    ways = {
        f"{workers} worker(s), batches of {size}": (workers, size)
        for workers in sorted({1, threads, 2 * threads})
        for size in (16, 32, 64)
    }
    found = dict.fromkeys(ways, 0.0)
    for _ in range(3):
        for name, (workers, size) in ways.items():
            found[name] = max(found[name], describe(model, photos, batch_size=size, workers=workers)[0])
    return found


def measure(photos: Sequence[Path]) -> dict[str, dict[str, float]]:
    """All candidates, on these photos (256 are enough)."""
    model = Captioner.load(device="cpu")
    prepared = [model.prepare(path) for path in photos[:64]]
    return {
        "encoder": encoders(prepared),
        "layers": layers(prepared),
        "decoder": decoders(prepared),
        "division": divisions(photos[:256]),
    }
