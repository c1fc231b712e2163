"""What the scripts of this folder share: a test case with a directory of its
own, and a last line that says how it went."""

import pathlib
import signal
import sys
import tempfile
import time
import unittest


class RealTest(unittest.TestCase):
    """A directory of its own, as `self.directory`."""

    def setUp(self):
        keep = tempfile.TemporaryDirectory(prefix="mailvane-")
        self.addCleanup(keep.cleanup)
        self.directory = pathlib.Path(keep.name)


class _TimedResult(unittest.TextTestResult):

    def startTest(self, test):
        self._began = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.stream.writeln(f"        {time.monotonic() - self._began:.1f} s")


def main() -> int:
    """Runs the tests of the calling script; the exit status is 1 when any
    failed. The last line is "N passed, N failed"."""
    # A terminated test cleans up as a failed one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runner = unittest.TextTestRunner(verbosity=2, resultclass=_TimedResult)
    result = unittest.main(testRunner=runner, exit=False).result
    # One test may fail several times, by its subtests.
    bad = {getattr(test, "test_case", test)
           for test, _ in result.failures + result.errors}
    print(f"{max(result.testsRun - len(bad), 0)} passed, {len(bad)} failed")
    return 1 if bad or not result.testsRun else 0
