"""The blocking client against the running system: arrays in, arrays out."""

import numpy as np
import pytest

import ntkd
from contracts.jobs import Job, State

# Theory values for β = 0.1 of x₀ = (1, 0) against (1, 0), (0, 1), (−1, 0), to ten decimals.
CROSS = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
THETA_4 = [0.2825, 0.0927021102, 0.0643537701]
SIGMA_4 = [0.08125, 0.0557602776, 0.0480965898]
HALF_A_DECIMAL = 5e-11


def test_a_local_array_becomes_kernels_in_one_call(client: ntkd.Client) -> None:
    result = client.kernel(CROSS, architecture="mlp", depth=4)
    np.testing.assert_allclose(result.ntk[0], THETA_4, rtol=0, atol=HALF_A_DECIMAL)
    np.testing.assert_allclose(result.nngp[0], SIGMA_4, rtol=0, atol=HALF_A_DECIMAL)
    assert result.ntk is result.ntk
    assert result.job.state is State.SUCCEEDED


def test_a_cross_matrix_of_two_arrays_is_a_block_of_the_gram_matrix(client: ntkd.Client) -> None:
    x = np.random.default_rng(1).standard_normal((9, 3))
    whole = client.kernel(x, depth=3, kernels=("ntk",)).ntk
    block = client.kernel(x[:4], x[4:], depth=3, kernels=("ntk",)).ntk
    assert block.shape == (4, 5)
    # Blocks of other shapes are summed in another order; the contract is 1e-12 for each entry.
    np.testing.assert_allclose(block, whole[:4, 4:], rtol=1e-12)


def test_a_result_says_how_far_off_it_may_be(client: ntkd.Client) -> None:
    x = np.random.default_rng(3).standard_normal((7, 3))
    tanh = client.kernel(x, depth=3, activation="tanh")
    bound = {name: tanh.error_bound(name) for name in ("ntk", "nngp")}
    assert all(0.0 < value <= 1e-12 for value in bound.values())
    assert {array.name: array.error_bound for array in tanh.job.arrays} == bound
    assert client.kernel(x, depth=3).error_bound() == 0.0
    drawn = client.kernel(x, depth=2, method={"type": "monte_carlo", "draws": 2, "width": 3})
    assert drawn.error_bound("ntk_standard_error") is None


def test_a_dataset_its_id_and_its_array_name_the_same_job(client: ntkd.Client) -> None:
    x = np.random.default_rng(2).standard_normal((6, 2))
    dataset = client.dataset(x, name="six points")
    results = [client.kernel(given, depth=2, activation="erf") for given in (x, dataset, dataset.id)]
    assert len({result.id for result in results}) == 1
    assert client.dataset_by_id(dataset.id).info == dataset.info


def test_an_architecture_can_be_given_as_json(client: ntkd.Client) -> None:
    network = {"type": "mlp", "depth": 2, "activation": {"type": "relu"}, "beta": 0.1, "sigma_w": 1.0}
    assert client.kernel(CROSS, architecture=network).id == client.kernel(CROSS, depth=np.int64(2)).id
    assert client.kernel(CROSS, architecture=["dense", "relu", "dense"]).id == client.kernel(CROSS, depth=2).id


def test_a_fault_of_a_layer_points_at_it(client: ntkd.Client) -> None:
    with pytest.raises(ntkd.ProblemError) as caught:
        client.kernel(CROSS, architecture=["dense", "relu", "relu"])
    assert [fault.pointer for fault in caught.value.errors] == ["/architecture/2"]


def test_datasets_keep_inputs_and_encoded_labels(client: ntkd.Client) -> None:
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    dataset = client.dataset(x, [3, 1, 3, 1], labels="one_hot")
    np.testing.assert_array_equal(dataset.x, x)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.y, [[0, 1], [1, 0], [0, 1], [1, 0]])


def test_a_large_array_is_sent_from_a_file_on_disk(client: ntkd.Client) -> None:
    x = np.random.default_rng(3).standard_normal((1100, 1000))  # 8.8 MB
    np.testing.assert_array_equal(client.dataset(x).array("x", rows=(1000, 1100)), x[1000:])


def test_a_generated_dataset_has_its_targets(client: ntkd.Client) -> None:
    circle = client.dataset_from({"type": "circle", "points": 100}, targets={"type": "x1*x2"})
    np.testing.assert_array_equal(circle.y[:, 0], circle.x[:, 0] * circle.x[:, 1])


def test_listings_go_on_from_page_to_page(client: ntkd.Client) -> None:
    made = [client.dataset([[float(i)]]).id for i in range(25)]  # a page holds 20
    listed = [dataset.id for dataset in client.datasets()]
    assert listed[:25] == made[::-1]
    assert len(set(listed)) == len(listed)


def test_a_spectrum_decomposes_the_gram_matrix(client: ntkd.Client) -> None:
    kernel = client.kernel(np.random.default_rng(4).standard_normal((30, 5)), depth=3)
    spectrum = client.spectrum(kernel, vectors=True)
    v, values = spectrum.eigenvectors, spectrum.eigenvalues
    # The largest eigenvalue is below 1, so that 30 products in float64 stay within 1e-13.
    np.testing.assert_allclose(v * values @ v.T, kernel.ntk / 30, atol=1e-13)
    assert spectrum.residuals.max() < 1e-13
    top = client.spectrum(kernel.id, top=2)
    np.testing.assert_allclose(top.eigenvalues, values[:2], rtol=1e-10)


def test_a_spectrum_may_be_asked_of_a_job_that_goes_on(client: ntkd.Client) -> None:
    kernel = client.submit_kernel(np.random.default_rng(5).standard_normal((700, 4)), kernels=["nngp"])
    assert client.spectrum(kernel, "nngp", top=1).eigenvalues.shape == (1,)


def test_progress_is_told_from_the_start_to_the_end(client: ntkd.Client) -> None:
    heard: list[Job] = []
    result = client.kernel(np.random.default_rng(6).standard_normal((800, 3)), progress=heard.append)
    assert heard[-1].state is State.SUCCEEDED
    assert heard[-1].progress.done == heard[-1].progress.total
    versions = [job.version for job in heard]
    assert versions == sorted(versions)
    assert result.ntk.shape == (800, 800)


def test_without_waiting_the_arrays_wait_when_they_are_looked_at(client: ntkd.Client) -> None:
    result = client.kernel(np.random.default_rng(7).standard_normal((600, 2)), wait=False)
    assert result.nngp.shape == (600, 600)
    assert result.job.state is State.SUCCEEDED


def test_blocks_are_slices_of_the_array(client: ntkd.Client, tmp_path) -> None:
    handle = client.kernel(np.random.default_rng(8).standard_normal((20, 2))).handle
    whole = handle.array("ntk")
    np.testing.assert_array_equal(handle.array("ntk", rows=slice(3, 7), cols=(0, 2)), whole[3:7, :2])
    np.testing.assert_array_equal(handle.array("ntk", rows=slice(15, None)), whole[15:])
    path = handle.save("ntk", tmp_path / "theta.npy")
    np.testing.assert_array_equal(np.load(path), whole)
    assert [file.name for file in tmp_path.iterdir()] == ["theta.npy"]
    with pytest.raises(ValueError, match="blocks"):
        handle.array("ntk", rows=slice(None, -1))


def test_events_tell_the_whole_story(client: ntkd.Client) -> None:
    handle = client.submit_kernel(np.random.default_rng(9).standard_normal((500, 2)), depth=7)
    events = list(handle.events())
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert events[-1].state is State.SUCCEEDED
    assert list(handle.events(after=events[-2].id)) == events[-1:]
    assert list(handle.events(after=events[-1].id)) == []


def test_a_job_is_found_listed_and_deleted(client: ntkd.Client) -> None:
    handle = client.kernel(CROSS, depth=9).handle
    assert client.job(handle.id).job == handle.refresh()
    assert handle.id in [job.id for job in client.jobs(kind="kernels", state="succeeded")]
    handle.delete()
    with pytest.raises(ntkd.ProblemError) as caught:
        handle.refresh()
    assert caught.value.status == 404


def test_a_cancelled_job_says_so_to_who_waits(client: ntkd.Client) -> None:
    handle = client.submit_kernel(np.random.default_rng(10).standard_normal((3000, 2)), depth=20)
    assert handle.cancel().state is State.CANCELLED
    with pytest.raises(ntkd.JobCancelled):
        handle.wait()
    # It can be asked again.
    assert handle.cancel().state is State.CANCELLED


def test_a_job_whose_kernel_is_cancelled_fails_with_its_problem(client: ntkd.Client) -> None:
    kernel = client.submit_kernel(np.random.default_rng(11).standard_normal((3000, 2)), depth=21)
    spectrum = client.submit_spectrum(kernel, top=1)
    kernel.cancel()
    with pytest.raises(ntkd.JobFailed) as caught:
        spectrum.wait(timeout=30)
    assert caught.value.type == "/problems/dependency-failed"
    assert caught.value.job.id == spectrum.job.id


def test_waiting_ends_with_its_timeout(client: ntkd.Client) -> None:
    handle = client.submit_kernel(np.random.default_rng(12).standard_normal((4000, 2)), depth=22)
    with pytest.raises(TimeoutError):
        handle.wait(timeout=0.05)
    handle.cancel()


def test_a_refusal_names_every_field_at_fault(client: ntkd.Client) -> None:
    with pytest.raises(ntkd.ProblemError) as caught:
        client.kernel(CROSS, depth=0, beta=-1.0)
    assert caught.value.status == 422
    assert caught.value.type == "/problems/invalid-request"
    assert {fault.pointer for fault in caught.value.errors} == {"/architecture/depth", "/architecture/beta"}


def test_what_is_no_array_of_numbers_is_not_sent(client: ntkd.Client) -> None:
    with pytest.raises(TypeError, match="real numbers"):
        client.dataset(np.array([[object()]]))
    with pytest.raises(ntkd.ProblemError) as caught:
        client.dataset([[float("nan")]])
    assert caught.value.type == "/problems/unreadable-upload"


def test_an_unknown_option_is_a_type_error(client: ntkd.Client) -> None:
    with pytest.raises(TypeError, match="deth"):
        client.kernel(CROSS, deth=3)  # type: ignore[call-arg]


def test_the_address_needs_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTKD_URL", "localhost:8000")
    with pytest.raises(ValueError, match="http://"):
        ntkd.Client()
