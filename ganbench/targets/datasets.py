"""Image sets that lie outside of the package: a person's own files, and the named sets that papers use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

from ganbench.fields import FieldError, ranged
from ganbench.registry import shown
from ganbench.targets.imagefiles import load_images
from ganbench.targets.images import FiniteImages, Images
from ganbench.targets.imageset import ImageSet
from ganbench.targets.online import Found, load_named
from ganbench.targets.pictures import LARGEST_SIDE, ImageFileError, harmless
from ganbench.targets.stacked import Stacked

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class ImageFiles(FiniteImages):
    """Your own images: `path` is a .npz (`images` uint8, `labels` if you like) or a folder of PNG and JPEG.

    An array is (N, height, width) or (N, height, width, 1 or 3). In a folder, classes are the names of its sub-folders
    where all images lie in such. Resolution 0 leaves images as they are; else they become squares of that side, their
    centre cut out. `sha256` is the digest of what was found; given, it must be that.
    """

    path: str = ranged("", local=True)
    resolution: int = ranged(0, at_least=0, at_most=LARGEST_SIDE, unit="pixels")
    sha256: str = ranged("")

    source: ClassVar[str] = "files of the user"

    def __post_init__(self) -> None:
        if not self.path:
            raise FieldError("path", "found none, expected a .npz or a folder of images: images[path=my/images.npz]")
        path, absolute = _or_field_error("path", lambda: _places(self.path))
        content = _or_field_error("path", lambda: load_images(path, self.resolution))
        object.__setattr__(self, "resolution", self.resolution or content.side)
        _take(self, content, self.sha256, self.path)
        # absolute: stored with its replicas, it is read again from other folders
        object.__setattr__(self, "path", str(absolute))

    @property
    def data_name(self) -> str:
        """By the digest, for a path is no part of what images are: a classifier of equal ones has one name."""
        return f"images-{self.sha256[:8]}"


@dataclass(frozen=True)
class Named(Images):
    """A set that papers name, found in the data folder or in the cache, else fetched from the Hugging Face hub once.

    `split` "" is that of the file at hand, or "train", and "all" all of them; `resolution` 0 is the usual one. `sha256`
    is the digest of what was found; given, it must be that. `channels` and `classes`, 0 without labels, are those that
    the set was published with.
    """

    resolution: int = ranged(0, at_least=0, at_most=LARGEST_SIDE, unit="pixels")
    split: str = ranged("", choices=("", "train", "test", "all"))
    sha256: str = ranged("")

    name: ClassVar[str]
    channels: ClassVar[int]
    classes: ClassVar[int]

    def __post_init__(self) -> None:
        found = _or_field_error("data", lambda: load_named(self.name, self.split, self.resolution))
        self._check(found)
        object.__setattr__(self, "split", found.split)
        object.__setattr__(self, "resolution", found.resolution)
        _take(self, found.content, self.sha256, self.name)

    def _check(self, found: Found) -> None:
        """Raises FieldError where a file has other channels or classes than the set that it is named after."""
        content = found.content
        channels = content.images.shape[1]
        if (channels, content.classes) != (self.channels, self.classes):
            raise FieldError(
                "data",
                f"{harmless(str(found.path))}: found {_kind(channels, content.classes)}, expected {self.name}, "
                f"which has {_kind(self.channels, self.classes)}; remove or replace the file, "
                "or give it by images[path=...]",
            )

    @property
    def data_name(self) -> str:
        return self.name


@dataclass(frozen=True)
class MNIST(Named, FiniteImages):
    """Handwritten digits, 28x28, grey, ten classes; the file mnist10k.npz holds the 10,000 of the test split."""

    name: ClassVar[str] = "mnist"
    channels: ClassVar[int] = 1
    classes: ClassVar[int] = 10
    source: ClassVar[str] = "LeCun, Bottou, Bengio & Haffner 1998; ylecun/mnist"


@dataclass(frozen=True)
class StackedMNIST(Named, Stacked):
    """Three random digits of MNIST as the three channels of an image, 28x28: 1,000 modes."""

    name: ClassVar[str] = "mnist"
    channels: ClassVar[int] = 1
    classes: ClassVar[int] = 10
    source: ClassVar[str] = "Metz et al. 2017, arXiv:1611.02163; ylecun/mnist"


@dataclass(frozen=True)
class FashionMNIST(Named, FiniteImages):
    """Pictures of clothes, 28x28, grey, ten classes."""

    name: ClassVar[str] = "fashion-mnist"
    channels: ClassVar[int] = 1
    classes: ClassVar[int] = 10
    source: ClassVar[str] = "Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747; zalando-datasets/fashion_mnist"


@dataclass(frozen=True)
class CIFAR10(Named, FiniteImages):
    """Photographs of animals and vehicles, 32x32, RGB, ten classes."""

    name: ClassVar[str] = "cifar10"
    channels: ClassVar[int] = 3
    classes: ClassVar[int] = 10
    source: ClassVar[str] = "Krizhevsky 2009, Learning Multiple Layers of Features from Tiny Images; uoft-cs/cifar10"


@dataclass(frozen=True)
class CelebA(Named, FiniteImages):
    """Faces, RGB, without classes: the central square of the aligned photographs, at 64x64 unless asked otherwise."""

    name: ClassVar[str] = "celeba"
    channels: ClassVar[int] = 3
    classes: ClassVar[int] = 0
    source: ClassVar[str] = "Liu, Luo, Wang & Tang 2015, arXiv:1411.7766; flwrlabs/celeba"


def _kind(channels: int, classes: int) -> str:
    return f"{channels} channel{'s'[: channels > 1]} and {f'labels of {classes} classes' if classes else 'no labels'}"


def _places(path: str) -> tuple[Path, Path]:
    """A path without "~" as it was given, and absolute. Raises ImageFileError where there is no such person's home."""
    try:
        expanded = Path(path).expanduser()
        return expanded, expanded.absolute()
    except (RuntimeError, ValueError, OSError) as error:  # OSError: the folder that we are in was removed
        raise ImageFileError(
            f"{path}: found no such place ({error}), expected a file or folder; give its path"
        ) from None


def _or_field_error(field: str, load: Callable[[], Loaded]) -> Loaded:
    """What a function loads. Raises FieldError where it finds no images that can be used."""
    try:
        return load()
    except ImageFileError as error:
        raise FieldError(field, str(error)) from error


def _take(target: Images, content: ImageSet, expected: str, place: str) -> None:
    """Gives a target its images and records their digest. Raises FieldError where another one is expected."""
    if expected and expected != content.sha256:
        raise FieldError(
            "sha256",
            f"{harmless(place)}: found images of digest {content.sha256}, expected {shown(expected)}; give the images "
            "that have it, or remove sha256 to take these",
        )
    object.__setattr__(target, "sha256", content.sha256)
    target.hold(content)
