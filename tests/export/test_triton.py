"""The repository for Triton: configurations by Triton's own schema, warm-up data, batches. Triton itself is not run."""

import numpy as np
import onnxruntime as ort
import pytest

from export.__main__ import main
from export.triton import write_repository
from mam.model.contract import GRAPHS
from tests.conftest import ROOT

pytest.importorskip("tritonclient.grpc", reason='needs pip install "tritonclient[grpc,http]"')

MODELS = ("mam_image_encoder", "mam_mask_decoder", "mam_matte")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    out = tmp_path_factory.mktemp("repository")
    assert main(["triton", "--out", str(out)]) == 0
    return out


def test_configurations_follow_the_schema(repository) -> None:
    from tests.triton_server import read_config

    assert sorted(folder.name for folder in repository.iterdir()) == list(MODELS)
    encoder, decoder, matte = (read_config(repository / name) for name in MODELS)
    assert [config.name for config in (encoder, decoder, matte)] == list(MODELS)
    assert {config.backend for config in (encoder, decoder, matte)} == {"onnxruntime"}
    assert encoder.max_batch_size == 8 and encoder.dynamic_batching.max_queue_delay_microseconds == 2000
    assert list(encoder.input[0].dims) == [3, 1024, 1024] and list(encoder.output[0].dims) == [256, 64, 64]
    assert not decoder.max_batch_size and not decoder.HasField("dynamic_batching")
    dims = {tensor.name: list(tensor.dims) for tensor in decoder.input}
    assert dims["image_embeddings"] == [1, 256, 64, 64] and dims["point_coords"] == [-1, -1, 2]
    guidance = matte.input[-1]
    assert guidance.name == "mask_guidance" and list(guidance.dims) == [1] and list(guidance.reshape.shape) == []
    assert matte.instance_group[0].count == 2 and matte.parameters["mam_variant"].string_value == "tiny"


@pytest.mark.parametrize("name", MODELS)
def test_the_warm_up_runs(repository, name) -> None:
    from tests.triton_server import Model, schema, triton_to_np_dtype

    model = Model(repository / name)
    (warmup,) = model.config.model_warmup
    assert warmup.batch_size == 1 and set(warmup.inputs) == {tensor.name for tensor in model.config.input}
    feeds = {}
    for key, sent in warmup.inputs.items():
        dtype = triton_to_np_dtype(schema.DataType.Name(sent.data_type).removeprefix("TYPE_"))
        shape = [*([1] if model.config.max_batch_size else []), *sent.dims]
        feeds[key] = np.zeros(shape, dtype)
        if sent.input_data_file:
            file = repository / name / "warmup" / sent.input_data_file
            feeds[key] = np.frombuffer(file.read_bytes(), dtype).reshape(shape)
    assert all(np.isfinite(values).all() for values in model.infer(feeds).values())


def test_a_batch_of_images_is_encoded_as_one_by_one(repository) -> None:
    one = ort.InferenceSession(ROOT / "mam" / "bundle" / "image_encoder.onnx", providers=["CPUExecutionProvider"])
    several = ort.InferenceSession(repository / MODELS[0] / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).standard_normal((3, 3, 1024, 1024), np.float32)
    for k, (expected, *_) in enumerate(one.run(None, {"image": images[k : k + 1]}) for k in range(3)):
        found = several.run(None, {"image": images})[0][k]
        # Rounding, as the batch changes the order of sums.
        assert np.abs(found - expected[0]).max() < 1e-5 * np.abs(expected).max() + 1e-5


def test_an_encoder_that_cannot_batch_gets_single_images(small_sam_folder, tmp_path) -> None:
    from tests.triton_server import read_config

    write_repository(small_sam_folder, tmp_path)
    config = read_config(tmp_path / MODELS[0])
    assert config.max_batch_size == 0 and list(config.input[0].dims) == [1, 3, 1024, 1024]
    session = ort.InferenceSession(tmp_path / MODELS[0] / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[0] == 1
    assert len(list(tmp_path.iterdir())) == len(GRAPHS)
