"""The errors that are planted in what reads files and streams: in ``data``, ``cli`` and ``training/files/saving.py``.

Each names the tests that find it, by their file and by a part of their names.
"""

from planted.planting import Mutation

IDX = "data/test_idx.py"
IMAGES = "data/test_images.py"
FOLDERS = "data/test_folders.py"
TABLE = "data/test_table.py"
AUGMENT = "data/test_augment.py"
TEXT = "data/test_text.py"
PICTURES = "data/test_pictures.py"
CHECKPOINT = "training/files/test_saving.py"
RECIPE = "cli/test_recipe.py"
SOURCES = "cli/test_sources.py"
STREAMS = "cli/test_streams.py"
PROGRESS = "training/test_progress.py"

READERS = [
    Mutation(
        "data.table._with_points",
        '.str.replace(".", "")',
        "",
        "takes a point between thousands for a decimal one",
        f"{TABLE}::decimal",
    ),
    Mutation(
        "data.encoder._codes", "place.get(str(value), ", "place.get(_plain(value), ", "007 as 7", f"{TABLE}::written"
    ),
    Mutation("data.folders._parts", "path.name.lower()", "path.name", "Training as a class", f"{FOLDERS}::archive"),
    Mutation(
        "models.architecture._Reader",
        "if self.left < 0:",
        "if False:",
        "builds networks of any size",
        "models/test_architecture.py::without_its_elements",
    ),
    Mutation(
        "training.files.about.read_own",
        "version > VERSION",
        "False",
        "reads a newer format as its own",
        "training/files/test_load_model.py::newer",
    ),
    Mutation("data.idx.read_idx", "gzip.BadGzipFile, ", "", "no word on a wrong checksum", f"{IDX}::corrupt"),
    Mutation("data.idx.read_idx", ", zlib.error", "", "no word on what zlib cannot read", f"{IDX}::corrupt"),
    Mutation("data.idx.read_idx", "EOFError, ", "", "no word on a gzip file that is cut off", f"{IDX}::corrupt"),
    Mutation("data.idx._read", "expected + 1", "expected", "no look at what follows", f"{IDX}::corrupt or memory"),
    Mutation("data.idx._read", "min(_CHUNK, expected + 1 - len(data))", "", "read whole", f"{IDX}::memory"),
    Mutation("data.idx._read", "data = bytearray()", "data = b''", "an array that is read-only", f"{IDX}::in_place"),
    Mutation("data.images._pair", " or len(images) == 0", "", "no images", f"{IMAGES}::no_images"),
    Mutation("data.images._pair", "images.size == 0", "False", "images without pixels", f"{IMAGES}::no_pixels"),
    Mutation("data.images._find", '"-idx", "[-.]idx"', '"", ""', "no names with a dot", f"{IMAGES}::with_a_dot"),
    Mutation("data.images.load_folder", "if test_only", "if False", "all four files", f"{IMAGES}::test_part_alone"),
    Mutation("data.download.download", ", downloader=fetch", "", "a download without end", f"{IMAGES}::bound"),
    Mutation(
        "data.split.split", ", len(own) - 1)", ", len(own))", "a class without training", f"{FOLDERS}::test_split"
    ),
    Mutation("data.encoder.TableEncoder", "np.nan_to_num(", "(", "missing values are NaN", f"{TABLE}::becomes_of_each"),
    Mutation("data.images._load_npz", "allow_pickle=False", "allow_pickle=True", "runs code", f"{FOLDERS}::an_npz"),
    Mutation("data.table.load_table", "fit(train,", "fit(rows,", "the test part tells", f"{TABLE}::tells_nothing"),
    Mutation("data.augment.bilinear", "v * at(below, right)", "u * at(below, right)", "weights", f"{AUGMENT}::border"),
    Mutation("data.augment.Augmented", "(1 - scale) * half", "half", "windows beyond the picture", f"{AUGMENT}::plane"),
    Mutation("data.augment.Augmented", "mirror * (", "(", "none is mirrored", f"{AUGMENT}::mirrored"),
    Mutation("data.text.load_text", "if not 0 < held_out < 1", "if False", "any share", f"{TEXT}::share"),
    Mutation(
        "data.text.load_text", '.removeprefix("\\ufeff")', "", "the mark is a character", f"{TEXT}::the_same_text"
    ),
    Mutation("data.text.load_text", "except LookupError", "except KeyError", "any encoding", f"{TEXT}::no_encoding"),
    Mutation("data.text.encode", "_CHUNK)", "len(text))", "only the first of several chunks", f"{TEXT}::indices"),
    Mutation("data.pictures._decoded", ", formats=_FORMATS", "", "programs are run", f"{PICTURES}::program"),
    Mutation("data.pictures._decoded", "> _PIXELS", "< 0", "any size", f"{PICTURES}::too_many"),
    Mutation("data.pictures.read_picture", "except Exception", "except OSError", "errors", f"{PICTURES}::whatever"),
    Mutation("data.pictures._decoded", "file.load()", "pass", "a TIFF is turned twice", f"{PICTURES}::upright"),
    Mutation("data.pictures._scaled", "values.min()", "0", "the range begins at 0", f"{PICTURES}::own_range"),
    Mutation("data.pictures._scaled", "np.isfinite(high - low)", "True", "NaN is black", f"{PICTURES}::not_finite"),
    Mutation(
        "training.files.saving.opened", "TypeError, ", "", "a dtype that NumPy lacks", f"{CHECKPOINT}::reader_raises"
    ),
    Mutation("training.files.saving.opened", ", AttributeError", "", "another", f"{CHECKPOINT}::reader_raises"),
    Mutation(
        "training.files.saving._problems",
        "(dtype, shape) != expected",
        "shape != expected[1]",
        "any dtype",
        f"{CHECKPOINT}::another_dtype",
    ),
    Mutation("cli.recipe.Recipe", "not in (*MODELS, OWN)", "is None", "any model name", f"{RECIPE}::wrong_types"),
    Mutation("cli.recipe.Recipe", "0 <= side <= longest", "True", "any size", f"{RECIPE}::wrong_types"),
    Mutation("cli.recipe.Recipe", " or self.std < 1e-9", "", "no deviation", f"{RECIPE}::wrong_types"),
    Mutation("cli.sources._test_table", "if file_digest", "if not file_digest", "learnt", f"{SOURCES}::held_out_r"),
    Mutation("cli.sources._renumbered", "place[images.y_test]", "images.y_test", "labels", f"{SOURCES}::by_their_n"),
    Mutation("cli.saved.read_run", ", RecursionError", "", "any depth", f"{RECIPE}::no_recipe"),
    Mutation(
        "cli.streams.Output", "escaped(text, self._keep)", "text", "commands for a terminal", f"{STREAMS}::escaped"
    ),
    Mutation("cli.streams.Output", '"backslashreplace"', '"strict"', "an error", f"{STREAMS}::encoded"),
    Mutation("cli.streams.Output", ", False\n", ", True\n", "it is tried again", f"{STREAMS}::after_an_error"),
    Mutation("training.progress.say", "(OSError, ValueError)", "OSError", "a closed stream", f"{PROGRESS}::goes_on"),
    Mutation("training.progress.bar_of", "sys.stderr is None or ", "", "no stream", f"{PROGRESS}::goes_on"),
]
