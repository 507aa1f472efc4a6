"""One function for each peer that runs in Python: loads the network and returns how to run it.

Each takes the folder of the network, the pictures [B, 3, H, W] and the number of threads, and returns the forward pass
over these pictures and the precision it computes in. A forward takes its input from the array and ends with the outputs
as arrays, [B, C, H, W] where they are maps. Imports are inside, so that a cold start pays only for its own. Settings are those that a user who wants
speed would choose, and the defaults otherwise; in particular each library's threads wait for work as they please.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

Forward = Callable[[], list[np.ndarray]]


def pytorch(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    import torch
    from export import load_network

    torch.set_num_threads(threads)
    model = load_network(folder).to(memory_format=torch.channels_last)
    tensor = torch.from_numpy(images).to(memory_format=torch.channels_last)

    def forward() -> list[np.ndarray]:
        with torch.inference_mode():
            found = model(tensor)
        return [found.numpy()] if isinstance(found, torch.Tensor) else [output.numpy() for output in found]

    return forward, "f32"


def pytorch_cuda(folder: Path, images: np.ndarray, threads: int, how: str, precision: str) -> tuple[Forward, str]:
    """On the first GPU, where the pictures are before; the scores come back as f32."""
    import torch
    from export import load_network

    torch.set_num_threads(threads)
    # f32 is f32 for everybody here: by default cuDNN would round to TF32.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    layout = torch.contiguous_format if how == "eager" else torch.channels_last
    dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[precision]
    model = load_network(folder).to("cuda", dtype, memory_format=layout)
    tensor = torch.from_numpy(images).to("cuda", dtype, memory_format=layout)
    if how == "compiled":
        model = torch.compile(model, mode="reduce-overhead")  # with CUDA graphs

    def forward() -> list[np.ndarray]:
        with torch.inference_mode():
            return [model(tensor).float().cpu().numpy()]

    return forward, precision


def onnxruntime(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    file = folder / f"b{len(images)}" / "model.onnx"
    session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"input": images}), "f32"


def _openvino(folder: Path, images: np.ndarray, threads: int, **properties: str) -> tuple[Forward, str]:
    import openvino

    model = openvino.Core().compile_model(
        folder / f"b{len(images)}" / "model.xml",
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", **properties},
    )
    request = model.create_infer_request()
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))

    def forward() -> list[np.ndarray]:
        request.infer()
        return [tensor.data for tensor in request.output_tensors]

    return forward, _openvino_precision(model)


def _openvino_precision(model) -> str:
    name = model.get_property("INFERENCE_PRECISION_HINT").to_string()
    return {"float": "f32"}.get(name, name)


def openvino_f32(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _openvino(folder, images, threads, INFERENCE_PRECISION_HINT="f32")


def openvino_default(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _openvino(folder, images, threads)


def openvino_throughput(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    """For networks of one output: the pictures as requests of one each, as many at a time as OpenVINO finds best."""
    import openvino

    model = openvino.Core().compile_model(
        folder / "b1" / "model.xml",
        "CPU",
        {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"},
    )
    logits = [None] * len(images)
    queue = openvino.AsyncInferQueue(model)
    queue.set_callback(lambda request, index: logits.__setitem__(index, request.get_output_tensor().data.copy()))
    requests = [{0: openvino.Tensor(images[index : index + 1], shared_memory=True)} for index in range(len(images))]

    def forward() -> list[np.ndarray]:
        for index, request in enumerate(requests):
            queue.start_async(request, index)
        queue.wait_all()
        return [np.concatenate(logits)]

    return forward, _openvino_precision(model)


def _ncnn(folder: Path, images: np.ndarray, threads: int, bf16: bool) -> tuple[Forward, str]:
    """ncnn has no batches: the pictures one after the other, each with all threads."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_storage = bf16
    for load, name in ((net.load_param, "model.ncnn.param"), (net.load_model, "model.ncnn.bin")):
        if load(str(folder / "b1" / name)) != 0:
            raise RuntimeError(f"ncnn does not load {name}")
    inputs = [ncnn.Mat(image) for image in images]
    outputs = json.loads((folder / "b1" / "outputs.json").read_text(encoding="ascii"))
    names = [f"out{index}" for index in range(len(outputs))]

    def one(image: ncnn.Mat) -> list[np.ndarray]:
        extractor = net.create_extractor()
        extractor.input("in0", image)
        return [np.array(extractor.extract(name)[1]) for name in names]

    def forward() -> list[np.ndarray]:
        return [np.stack(output) for output in zip(*map(one, inputs), strict=True)]

    return forward, "bf16" if bf16 else "f32"


def ncnn_f32(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _ncnn(folder, images, threads, bf16=False)


def ncnn_bf16(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _ncnn(folder, images, threads, bf16=True)


def _litert(file: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(file), num_threads=threads)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    targets = [detail["index"] for detail in interpreter.get_output_details()]
    channels_last = np.ascontiguousarray(images.transpose(0, 2, 3, 1))

    def forward() -> list[np.ndarray]:
        interpreter.set_tensor(source, channels_last)
        interpreter.invoke()
        outputs = [interpreter.get_tensor(target) for target in targets]
        # Seen as the others' maps; nothing is moved.
        return [output.transpose(0, 3, 1, 2) if output.ndim == 4 else output for output in outputs]

    return forward, "f32"


def litert(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _litert(folder / f"b{len(images)}" / "model.tflite", images, threads)


def litert_repaired(folder: Path, images: np.ndarray, threads: int) -> tuple[Forward, str]:
    return _litert(folder / f"b{len(images)}" / "repaired.tflite", images, threads)
