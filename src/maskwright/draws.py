"""Random draws as arithmetic: a stream is named by a seed and an address, never by its past.

`generator(seed, "shuffle", epoch)` is the same stream in every process, after every
restart, whatever was drawn before it. No generator outlives the piece of work it was made for, so
there is no random state to save and none to restore.

The bits come from Philox4x64 (Salmon et al., *Parallel random numbers: as easy as 1, 2, 3*, 2011),
keyed with a hash of the address.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


def key(seed: int, *address: int | str) -> int:
    """The 128-bit key of the stream at `address`.

    >>> key(0, "masks", 7) == key(0, "masks", 7), key(0, "masks", 7) == key(0, "masks", 8)
    (True, False)
    """
    name = repr((int(seed), *(part if isinstance(part, str) else int(part) for part in address)))
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")


def generator(seed: int, *address: int | str) -> np.random.Generator:
    """A fresh numpy generator for the stream at `address`.

    >>> int(generator(1, "shuffle", 0).integers(1000)) == int(generator(1, "shuffle", 0).integers(1000))
    True
    """
    return np.random.Generator(np.random.Philox(key=key(seed, *address)))


def words(count: int, seed: int, *address: int | str) -> Words:
    """The first `count` words of 64 random bits of the stream at `address`: keys, say, for the examples of a step.

    >>> words(2, 1, "masks", 0).tolist() == words(5, 1, "masks", 0)[:2].tolist()
    True
    """
    return np.random.Philox(key=key(seed, *address)).random_raw(count)


def mixed(numbers: Words) -> Words:
    """SplitMix64's output function (Steele, Lea, Flood, *Fast splittable pseudorandom number generators*, 2014).

    Every bit of a number moves every bit of the outcome; different numbers have different outcomes.

    >>> f"{int(mixed(np.array([0], np.uint64))[0]):x}"  # the first number of java.util.SplittableRandom(0)
    'e220a8397b1dcdaf'
    """
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
