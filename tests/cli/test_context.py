"""Who acts is known also where an account has no name."""

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(os.geteuid() != 0, reason="takes another account: needs root")
def test_an_account_without_a_name_is_told_by_its_number():
    # Promise: in a container whose numeric account stands in no passwd file, histories name the number.
    program = "import getpass, os, pwd; os.setuid(54321); from evershelf.cli.context import operator; print(operator())"
    environment = {
        name: value for name, value in os.environ.items() if name not in {"LOGNAME", "USER", "LNAME", "USERNAME"}
    }
    source = f"import sys; from evershelf.cli import context; {program}"
    done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "cli:54321\n", done.stderr
