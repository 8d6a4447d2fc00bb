"""Which packages are not installed: `lacks.py NAME NAME>=1.2.3 ...` prints those that are missing or older. No import."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version


def numbers(text: str) -> list:
    """The release's numbers: 1.0.31.dev0 and 2.15.0+cu132 are 1.0.31 and 2.15.0."""
    return [int(part) for part in re.match(r"[0-9.]*[0-9]", text)[0].split(".")]


def is_here(package: str) -> bool:
    """Whether it is installed and new enough."""
    name, _, least = package.partition(">=")
    try:
        return numbers(version(name)) >= numbers(least or "0")
    except PackageNotFoundError:
        return False


def main() -> None:
    print(*(package for package in sys.argv[1:] if not is_here(package)))


main()
