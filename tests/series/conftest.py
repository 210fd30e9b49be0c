"""The emulator that tests of other folders share serves here, too."""

from tests.emulator.conftest import aws

__all__ = ["aws"]
