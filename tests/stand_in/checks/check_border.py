"""The stand-in's own behaviour, where CuPy's differs from NumPy's. What CuPy does is in its source, version 14.2."""

import copy
import math
import pickle

import cupy
import numpy as np
import pytest
from cupy.stand_in import watch

HOST = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def a():
    return cupy.asarray(HOST)


class TestNoWayToTheHostUnseen:
    def test_array_is_no_numpy_array(self, a):
        assert not isinstance(a, np.ndarray)
        assert not hasattr(a, "__array_interface__")
        assert not hasattr(a, "__array_struct__")
        assert not hasattr(a, "__buffer__")

    @pytest.mark.parametrize("convert", [np.asarray, np.array, np.asanyarray, np.ascontiguousarray, memoryview])
    def test_never_becomes_one_implicitly(self, a, convert):
        with pytest.raises(TypeError):
            convert(a)

    def test_nor_inside_a_list(self, a):
        with pytest.raises(TypeError, match="Implicit conversion"):
            np.array([a, a])

    @pytest.mark.parametrize(
        "read", [float, int, bool, complex, str, repr, "{}".format, math.sqrt, lambda a: a.item(), lambda a: a.get()]
    )
    def test_each_reading_of_a_value_is_counted(self, a, read):
        with watch() as seen:
            read(a[1, 2])
        assert (seen.uploads, seen.downloads, seen.waits, seen.synchronisations) == (0, 1, 0, 1)

    def test_no_whole_number_for_a_list_or_range(self, a):
        index = cupy.asarray(1)
        with watch() as seen:
            for use in (range, [0, 1].__getitem__, lambda i: HOST[i], lambda i: a.reshape(i, -1), lambda i: a[i:]):
                with pytest.raises(TypeError):
                    use(index)
        assert seen.synchronisations == 0

    def test_what_the_host_knows_is_free(self, a):
        with watch() as seen:
            assert (a.shape, a.size, a.ndim, len(a), a.nbytes, a.itemsize) == ((3, 4), 12, 2, 3, 96, 8)
            assert (a.dtype, a.strides, a.flags.c_contiguous) == (np.float64, (32, 8), True)
        assert str(seen) == "0 uploads, 0 downloads, 0 other waits"

    def test_upload_copies_and_is_counted(self):
        host = HOST.copy()
        with watch() as seen:
            a = cupy.asarray(host)
        host[:] = -1
        np.testing.assert_array_equal(a.get(), HOST)
        assert (seen.uploads, seen.downloads) == (1, 0)
        (event,) = seen.events
        assert event.startswith("upload: float64 (3, 4), ")
        assert __file__ in event

    def test_download_copies(self, a):
        a.get()[:] = -1
        np.testing.assert_array_equal(cupy.asnumpy(a), HOST)

    def test_device_array_passes_through_uncounted(self, a):
        with watch() as seen:
            assert cupy.asarray(a) is a
            assert cupy.ascontiguousarray(a) is a
            assert cupy.asarray(a, dtype="float32").dtype == "float32"
            assert copy.deepcopy(a) is not a
        assert seen.uploads == 0

    def test_synchronising_is_counted(self):
        with watch() as seen:
            cupy.cuda.get_current_stream().synchronize()
            cupy.cuda.Device().synchronize()
        assert (seen.waits, seen.synchronisations) == (2, 2)

    def test_pickle_goes_over_the_host(self, a):
        with watch() as seen:
            b = pickle.loads(pickle.dumps(a))
        assert (seen.downloads, seen.uploads) == (1, 1)
        np.testing.assert_array_equal(b.get(), HOST)


class TestMixing:
    @pytest.mark.parametrize(
        "mix",
        [
            lambda a: a + HOST,
            lambda a: HOST + a,
            lambda a: a * np.array(2.0),
            lambda a: a == HOST,
            lambda a: np.less(HOST, a),
            lambda a: a @ HOST.T,
            lambda a: HOST.T @ a,
            lambda a: a.__iadd__(HOST),
            lambda a: HOST.copy().__iadd__(a),
            lambda a: a * [1, 2, 3, 4],
            lambda a: np.exp(a),
            lambda a: np.maximum(a, 0),
            lambda a: np.sum(a),
            lambda a: np.concatenate([a, a]),
            lambda a: np.isfinite(a),
            lambda a: cupy.exp(HOST),
            lambda a: cupy.maximum(a, HOST),
            lambda a: cupy.exp(a, out=HOST.copy()),
            lambda a: cupy.sum(HOST),
            lambda a: cupy.sum([1.0, 2.0]),
            lambda a: cupy.zeros_like(HOST),
            lambda a: cupy.concatenate([a, HOST]),
            lambda a: cupy.stack([HOST, HOST]),
            lambda a: cupy.where(a > 0, a, HOST),
            lambda a: cupy.where(HOST > 0, a, 0),
            lambda a: cupy.einsum("ij,ij", a, HOST),
            lambda a: cupy.matmul(a, HOST.T),
            lambda a: cupy.clip(a, 0, HOST),
            lambda a: cupy.take(a, np.array([0])),
            lambda a: a.dot(HOST.T),
            lambda a: a.take([0, 1]),
            lambda a: a.clip(0, HOST),
            lambda a: a[np.array([0, 1])],
            lambda a: a[[0, 1]],
            lambda a: a[HOST[:, 0] > 0],
            lambda a: a[:, np.array(1)],
            lambda a: a.__setitem__(np.array([0]), 0.0),
            lambda a: a.__setitem__(0, HOST[0]),
            lambda a: a.__setitem__(0, [1, 2, 3, 4]),
            lambda a: a.fill(HOST),
        ],
    )
    def test_with_host_data_raises(self, a, mix):
        with watch() as seen, pytest.raises(TypeError):
            mix(a)
        assert seen.uploads + seen.synchronisations == 0
        np.testing.assert_array_equal(a.get(), HOST)

    @pytest.mark.parametrize("number", [2, 2.0, True, np.float32(2), np.int64(2), np.bool_(True)])
    def test_numbers_travel_with_the_kernel(self, a, number):
        with watch() as seen:
            results = a * number, number * a, cupy.maximum(a, number), cupy.where(a > number, a, number)
            a[0] = number
        assert seen.uploads + seen.synchronisations == 0
        expected = HOST * number, number * HOST, np.maximum(HOST, number), np.where(number < HOST, HOST, number)
        for result, want in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result.get(), want)
            assert result.dtype == want.dtype

    def test_nothing_equals_none(self, a):
        assert not (a == None).any()  # noqa: E711
        assert (a != None).all()  # noqa: E711


class TestZeroDimensions:
    @pytest.mark.parametrize(
        "reduce",
        [
            lambda a: a.sum(), lambda a: a.max(), lambda a: a.mean(), lambda a: a.argmax(), lambda a: (a > 0).all(),
            cupy.sum, cupy.min, cupy.std, cupy.linalg.norm, lambda a: cupy.allclose(a, a), cupy.count_nonzero,
            lambda a: a[0] @ a[0], lambda a: cupy.exp(0.0), lambda a: a[1, 2], lambda a: next(iter(a[0])),
        ],
    )  # fmt: skip
    def test_scalars_stay_on_the_device(self, a, reduce):
        with watch() as seen:
            result = reduce(a)
        assert isinstance(result, cupy.ndarray)
        assert result.shape == ()
        assert seen.synchronisations == 0

    def test_an_element_is_a_view(self, a):
        element = a[1, 2]
        assert element.base is a
        element += 100
        assert float(a[1, 2]) == 106

    def test_truth_of_many_is_ambiguous(self, a):
        with pytest.raises(ValueError, match="ambiguous"):
            bool(a > 0)


class TestRefusedAsByCupy:
    @pytest.mark.parametrize(
        "call",
        [
            lambda a: cupy.exp(a, where=a > 0),
            lambda a: cupy.add(a, a, order="F"),
            lambda a: cupy.sum(a, where=a > 0),
            lambda a: cupy.max(a, initial=0),
            lambda a: a.sum(initial=0),
            lambda a: a.mean(where=a > 0),
            lambda a: cupy.clip(a, min=0, max=1),
            lambda a: cupy.take_along_axis(a, a.argmax(1, keepdims=True)),
            lambda a: cupy.lib.stride_tricks.as_strided(a, (2, 2), (8, 8), writeable=False),
            lambda a: cupy.zeros_like(a, device="cpu"),
            lambda a: cupy.zeros(3, device="cpu"),
            lambda a: a.astype("float32", device="cpu"),
            lambda a: a.item(0),
            lambda a: cupy.arange(0, 4, 1, "float32", "cpu"),
        ],
    )
    def test_keyword(self, a, call):
        with pytest.raises(TypeError):
            call(a)

    @pytest.mark.parametrize(
        "name", ["errstate", "block", "insert", "vecdot", "einsum_path", "float128", "testing", "random", "nditer"]
    )
    def test_name(self, name):
        with pytest.raises(AttributeError, match=name):
            getattr(cupy, name)

    @pytest.mark.parametrize("name", ["ptp_", "tofile_", "itemset", "newbyteorder", "setflags", "ctypes", "resize"])
    def test_attribute(self, a, name):
        with pytest.raises(AttributeError, match=name):
            getattr(a, name)
        with pytest.raises(AttributeError):
            setattr(a, name, 0)

    def test_linalg_has_no_vector_norm(self):
        assert not hasattr(cupy.linalg, "vector_norm")

    @pytest.mark.parametrize("name", ["maximum", "minimum", "logical_and"])
    def test_reduce_is_for_add_and_multiply(self, a, name):
        with pytest.raises(NotImplementedError):
            getattr(cupy, name).reduce(a)
        np.testing.assert_array_equal(cupy.add.reduce(a).get(), HOST.sum(0))
        np.testing.assert_array_equal(cupy.multiply.reduce(a, axis=1).get(), HOST.prod(1))

    def test_matmul_in_place_makes_a_new_array(self, a):
        square = kept = cupy.eye(3)
        square @= cupy.ones((3, 3))
        assert square is not kept
        np.testing.assert_array_equal(kept.get(), np.eye(3))

    @pytest.mark.parametrize("data", ["text", [None], [{}], np.zeros(2, "longdouble")])
    def test_dtype(self, data):
        with pytest.raises(ValueError, match="Unsupported dtype"):
            cupy.asarray(data)

    @pytest.mark.parametrize(
        "make",
        [
            lambda dtype: cupy.empty(3, dtype),
            lambda dtype: cupy.arange(3, dtype=dtype),
            lambda dtype: cupy.ndarray(3, dtype),
            lambda dtype: cupy.asarray(HOST).astype(dtype),
        ],
    )
    def test_the_other_byte_order_but_from_the_host(self, make):
        for dtype in (">i4", ">f8"):
            with pytest.raises(ValueError, match="with big-endian byte-order"):
                make(dtype)
        assert cupy.asarray(np.arange(3, dtype=">i4")).dtype.isnative

    def test_array_is_unhashable_and_has_no_room_for_attributes(self, a):
        with pytest.raises(TypeError, match="unhashable"):
            hash(a)
        with pytest.raises(AttributeError):
            a.name = "a"


class TestIndexing:
    def test_out_of_range_arrays_wrap_silently(self, a):
        index = cupy.asarray([3, -4, 7])
        np.testing.assert_array_equal(a[index].get(), HOST[[0, 2, 1]])
        np.testing.assert_array_equal(a.take(index, axis=0).get(), HOST[[0, 2, 1]])
        np.testing.assert_array_equal(a[:, index % 4, None].get(), HOST[:, [3, 0, 3], None])
        np.testing.assert_array_equal(a[..., cupy.asarray(5)].get(), HOST[..., 1])
        columns = cupy.take_along_axis(a, cupy.asarray([[9], [-5], [0]]), axis=1)
        np.testing.assert_array_equal(columns.get(), [[1], [7], [8]])
        a[index] = cupy.zeros((3, 4))
        assert float(a.sum()) == 0

    def test_out_of_range_numbers_raise(self, a):
        for index in (3, -4, np.int64(3)):
            with pytest.raises(IndexError):
                a[index]

    def test_selecting_copies_slicing_does_not(self, a):
        assert a[cupy.asarray([0])].base is None
        assert a[1:, ::2].base is a
        a[1:][0] = 0
        assert float(a[1].sum()) == 0

    def test_a_mask_waits_for_its_size(self, a):
        for use in (lambda: a[a > 3], lambda: a.__setitem__(a > 3, a[a > 3]), lambda: cupy.nonzero(a), a.nonzero,
                    lambda: cupy.where(a > 3), lambda: cupy.unique(a)):  # fmt: skip
            with watch() as seen:
                use()
            assert seen.waits >= 1
        with watch() as seen:
            cupy.where(a > 3, a, 0)
        assert seen.synchronisations == 0

    def test_a_number_put_at_indexed_places_is_uploaded(self, a):
        with watch() as seen:
            a[cupy.asarray([0, 2])] = 1.0
        assert seen.uploads == 2  # the index made here, and the number
        np.testing.assert_array_equal(a.get(), [[1] * 4, [4, 5, 6, 7], [1] * 4])

    def test_one_place_assigned_twice_is_refused(self, a):
        index = cupy.asarray([1, 1])
        with pytest.raises(ValueError, match="undefined on a device"):
            a[index] = cupy.zeros((2, 4))
        with pytest.raises(ValueError, match="undefined on a device"):
            a[index] += 1
        a[cupy.asarray([1, 2])] += 1
        np.testing.assert_array_equal(a.get()[1:], HOST[1:] + 1)


class TestMemory:
    @pytest.mark.parametrize(
        "view",
        [
            lambda a: a.T, lambda a: a.transpose(1, 0), lambda a: a.reshape(4, 3), lambda a: a.reshape((2, -1)),
            lambda a: a.ravel(), lambda a: a.swapaxes(0, 1), lambda a: a[None], lambda a: a[0][1:], lambda a: a.view(),
            lambda a: a.T[1:].T, lambda a: cupy.expand_dims(a, 0), lambda a: cupy.split(a, 3)[1],
            lambda a: cupy.moveaxis(a, 0, 1), lambda a: a.diagonal(),
        ],
    )  # fmt: skip
    def test_views_share_it_and_name_the_array_at_its_root(self, a, view):
        part = view(a)
        assert part.base is a
        assert cupy.shares_memory(part, a)
        assert not part.flags.owndata
        assert a.base is None

    @pytest.mark.parametrize(
        "make", [lambda a: a.copy(), lambda a: a.T.reshape(-1), lambda a: a + 0, lambda a: a.astype("f4")]
    )
    def test_copies_do_not(self, a, make):
        assert make(a).base is None
        assert not cupy.shares_memory(make(a), a)

    def test_strides(self, a):
        assert a.T.strides == (8, 32)
        windows = cupy.lib.stride_tricks.as_strided(a, (3, 3, 2), (32, 8, 8))
        np.testing.assert_array_equal(windows.get()[:, :, 1], HOST[:, 1:])
        assert windows.base is None  # pointer arithmetic in CuPy
        a += 1
        assert float(windows[0, 0, 0]) == 1

    def test_out_is_filled_and_returned(self, a):
        out = cupy.empty((3, 4))
        assert cupy.exp(a, out=out) is out
        assert cupy.matmul(a, cupy.eye(4), out=out) is out
        np.testing.assert_array_equal(out.get(), HOST)
        row = out[0]
        cupy.sqrt(row, out=row)
        np.testing.assert_array_equal(out.get()[0], np.sqrt(HOST[0]))
        total = cupy.empty(4)
        assert a.sum(0, out=total) is total

    def test_joining_more_than_8_small_arrays_uploads_their_addresses(self, a):
        for count, uploads in ((8, 0), (9, 1)):
            with watch() as seen:
                cupy.stack([a] * count)
            assert seen.uploads == uploads

    def test_sliding_windows_wait_once_an_axis(self, a):
        with watch() as seen:
            windows = cupy.lib.stride_tricks.sliding_window_view(a, (2, 2))
        assert windows.shape == (2, 3, 2, 2)
        assert (seen.uploads, seen.downloads) == (1, 2)


class TestNumbers:
    @pytest.mark.parametrize("name", list(cupy._functions.UFUNCS))
    def test_ufuncs_are_numpys(self, name):
        function = getattr(np, name)
        whole = name.startswith(("bitwise", "invert", "left", "right"))
        host = np.arange(12).reshape(3, 4) if whole else np.linspace(0.1, 1.9, 12).reshape(3, 4)
        inputs = [host] * function.nin
        with np.errstate(invalid="ignore"):  # arcsin and others of what is above 1
            expected = function(*inputs)
        result = getattr(cupy, name)(*map(cupy.asarray, inputs))
        np.testing.assert_array_equal(result.get(), expected)
        assert result.dtype == expected.dtype

    def test_overflow_and_invalid_values_give_no_warning(self, a):
        with np.errstate(all="raise"):
            assert float(cupy.exp(cupy.asarray(1e9))) == math.inf
            assert math.isnan(float((a / 0)[0, 0]))
            assert float(cupy.log(a)[0, 0]) == -math.inf

    def test_promotion_is_numpys(self):
        single = cupy.zeros(2, dtype="float32")
        assert (single * 2.0).dtype == "float32"
        assert (single * np.float64(2)).dtype == "float64"
        assert (single * cupy.ones((), dtype="float64")).dtype == "float64"
        assert (cupy.zeros(2, dtype="int64") == 0).mean().dtype == "float64"
        with pytest.raises(TypeError, match="Cannot cast"):
            cupy.add(cupy.zeros(2), 0.5, out=cupy.zeros(2, dtype="int64"))
