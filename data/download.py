"""Data sets that are downloaded once, verified and cached."""

import io
from pathlib import Path
from typing import Any

from .extras import needed

SOURCES = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": (
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        {
            "train-images-idx3-ubyte.gz": "sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
}
_LARGEST = 32 << 20  # bytes of a download; the largest of these files has 26,421,880


class _Bounded(io.FileIO):
    """A file that refuses to grow beyond _LARGEST bytes, whatever a server sends."""

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > _LARGEST:
            raise OSError(f"it is larger than {_LARGEST:,} bytes")
        return super().write(data)


def download(name: str) -> Path:
    """The cache folder with the data set's files, which are downloaded if missing."""
    pooch = needed("pooch", f"downloading {name} needs pooch", "data")

    def fetch(url: str, path: str, store: Any) -> None:
        with _Bounded(path, "w") as file:
            pooch.HTTPDownloader()(url, file, store)

    base_url, registry = SOURCES[name]
    store = pooch.create(path=pooch.os_cache("xpnn") / name, base_url=base_url, registry=registry)
    for file in registry:
        try:
            store.fetch(file, downloader=fetch)
        except Exception as error:  # whatever the error, the remedies are the same
            debian = f", or install Debian's package dataset-{name}" if name == "fashion-mnist" else ""
            raise OSError(
                f"{name}: {base_url}{file} cannot be downloaded ({error}): try again with a network, or put the four "
                f"IDX files into a folder and give its path{debian}"
            ) from error
    return Path(store.path)
