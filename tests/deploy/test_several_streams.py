"""A run on several streams is no bundle, and that is said before anything is written."""

import json

import pytest

from lfnet.deploy.export import Run
from lfnet.errors import LfnetError


def test_a_run_on_several_streams_is_refused(tmp_path):
    result = {"kind": "head", "features": {"stream": "webface + expression"}, "config": {"streams": {"valid": "any"}}}
    (tmp_path / "result.json").write_text(json.dumps(result))
    with pytest.raises(LfnetError, match=r"several streams \(webface \+ expression\), and a bundle has one encoder"):
        Run(tmp_path)
