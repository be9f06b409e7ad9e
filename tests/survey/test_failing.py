"""Whatever call to the system fails, or is the last one, the results of a survey are whole."""

import ast
import os
import subprocess
import sys

import failing
import pytest
import surveying

from spectralgrad import frameworks


@pytest.mark.slow
@pytest.mark.parametrize("earlier", ["before", "nothing"])
def test_a_survey_loses_nothing_and_goes_on(earlier, tmp_path):
    done = subprocess.run(
        [sys.executable, surveying.__file__, earlier],
        cwd=tmp_path,
        env=os.environ | frameworks.ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ended = ast.literal_eval(done.stdout)
    # Every call was tried in each way, and none ended in anything else.
    assert ended.keys() <= {failing.DONE, failing.SURVIVED, failing.FAILED, failing.KILLED}
    assert ended[failing.DONE] == 2
    assert ended[failing.KILLED] >= 20
