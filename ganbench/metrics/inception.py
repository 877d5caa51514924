"""The weights of torch-fidelity's Inception v3: found, or downloaded whole, and checked before they are loaded."""

from __future__ import annotations

import hashlib
import re
import socket
import threading
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlparse

import torch
from torch import Tensor, nn

from ganbench.metrics.torchvision_guard import import_torch_fidelity

FILE = "weights-inception-2015-12-05-6726825d.pth"
SHA256_PREFIX = "6726825d"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"
CONNECT_S = 1.5
"""Seconds in which the server must answer: a name that cannot be resolved would block much longer."""

REMEDY = "name a copy of the file in evaluation.weights, or run once with a network"


class WeightsError(ValueError):
    """Weights that are missing or cannot be used: which, why and what to do."""


def inception_weights(given: str = "") -> Path:
    """The file of the weights: the given one, else torch's own cache folder, into which it is downloaded once.

    Raises WeightsError within seconds where it is missing and the server does not answer.
    """
    if given:
        path = Path(given)
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; evaluation.weights expects the path of {FILE}")
        return path
    path = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not path.is_file():
        _download(path)
    return path


def _download(path: Path) -> None:
    """Fetches the file under another name and renames it once its SHA-256 is right. Raises WeightsError."""
    missing = f"{path}: the weights of the extractor inception-v3-compat are not here"
    if not _connects(URL):
        raise WeightsError(f"{missing} and {urlparse(URL).hostname} cannot be reached; {REMEDY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(URL, str(path), hash_prefix=SHA256_PREFIX, progress=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: another SHA-256
        raise WeightsError(f"{missing} and their download failed ({error}); {REMEDY}") from None


def _connects(url: str) -> bool:
    """Whether the server of an address, or the proxy on the way to it, answers within `CONNECT_S`."""
    proxy = urlparse(urllib.request.getproxies().get("https", ""))
    place = (proxy.hostname, proxy.port or 80) if proxy.hostname else (urlparse(url).hostname, 443)
    over = threading.Event()
    connections = []

    def connect() -> None:
        try:
            socket.create_connection(place, timeout=CONNECT_S).close()
            connections.append(place)
        except OSError:
            pass  # the event says that it is over, the empty list that it failed
        over.set()

    # a daemon: resolving a name has no time limit, and must not hold up the end of the process
    threading.Thread(target=connect, daemon=True).start()
    over.wait(CONNECT_S)
    return bool(connections)


def inception_network(path: Path) -> tuple[nn.Module, str]:
    """The network in a file of weights, and the file's SHA-256. Raises WeightsError where the file is damaged."""
    digest = checked(path)
    torch_fidelity = import_torch_fidelity()
    try:
        # torch-fidelity reads the file as a full pickle, which could run code: `checked` has read the same file as
        # weights only, which refuses all but tensors and plain containers
        layers = ["2048", "logits_unbiased"]
        network = torch_fidelity.FeatureExtractorInceptionV3(
            "inception-v3-compat", layers, feature_extractor_weights_path=str(path)
        )
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{path}: holds other weights than {FILE} ({first}); {REMEDY}") from None
    return Coloured(network), digest


def checked(path: Path) -> str:
    """The SHA-256 of a file of weights that can be read whole and holds nothing but tensors. Raises WeightsError.

    Something must vouch for its content: a name that carries the first digits of its SHA-256, or the checksums of a
    zip archive, which files of torch before 1.6 lack.
    """
    try:
        digest, named = _named_digest(path)
        zipped = zipfile.is_zipfile(path)
        if zipped:
            with zipfile.ZipFile(path) as archive:
                if broken := archive.testzip():
                    raise WeightsError(f"{path}: damaged, the checksum of its part {broken} is wrong; {REMEDY}")
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        # torch.load and zipfile raise a dozen kinds on what is no file of weights; torch's text advises to trust it
        raise WeightsError(f"{path}: truncated, or no file of weights ({type(error).__name__}); {REMEDY}") from None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise WeightsError(f"{path}: found no dictionary of tensors, expected {FILE}; {REMEDY}")
    if not zipped and not named:
        raise WeightsError(
            f"{path}: found the format of torch before 1.6, which has no checksum, under a name that carries none; "
            f"rename it to {FILE} if it is that file, or write its weights anew with torch.save"
        )
    return digest


def _named_digest(path: Path) -> tuple[str, bool]:
    """A file's SHA-256, and whether its name carries the first digits of one, as torch.hub's do: name-6726825d.pth.

    Raises WeightsError where those are others.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    carried = re.search(r"-([0-9a-f]{8,64})\.\w+$", path.name)
    if carried and not digest.startswith(carried[1]):
        raise WeightsError(
            f"{path}: found content of SHA-256 {digest[: len(carried[1])]}, expected {carried[1]} as the name says; "
            "remove the damaged file and fetch it again, or rename it if it is meant to be another one"
        )
    return digest, carried is not None


class Coloured(nn.Module):
    """Inception for grey images too, which it sees in three equal channels."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.network(images.expand(-1, 3, -1, -1))
        return features, logits
