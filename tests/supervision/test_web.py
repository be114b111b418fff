"""The web part as a process: what it needs, and what it is told."""

import socket

import pytest
from pydantic import SecretStr

from evershelf.supervision.installation import Installation, free_port
from evershelf.supervision.settings import WebSettings
from evershelf.supervision.web import NoWebError, choose_port, find_build, web_command


def test_without_a_build_it_says_how_to_make_one(tmp_path):
    # Promise: a missing build is an expected failure that names the command.
    with pytest.raises(NoWebError, match="make web"):
        find_build(WebSettings(web_build_dir=tmp_path))


def test_a_later_build_leaves_the_running_one_where_it_lies(tmp_path):
    # Promise: what is started is the build that the link names now, by its own path: moving the link moves nothing.
    build, link = tmp_path / "first", tmp_path / "current"
    build.mkdir()
    (build / "server.js").touch()
    link.symlink_to("first")
    assert find_build(WebSettings(web_build_dir=link)) == build / "server.js"


def test_a_port_is_kept_and_a_taken_one_is_left_alone(tmp_path):
    # Promise: the port of last time comes back; where another program has it, a free one is found and remembered.
    home = Installation(tmp_path)
    home.prepare()
    first = choose_port(home, WebSettings(web_port=free_port()))
    assert choose_port(home, WebSettings()) == first
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first))
        taken.listen()
        second = choose_port(home, WebSettings())
    assert second not in {first, None}
    assert home.ports()["web"] == second


def test_secrets_travel_in_the_environment_only(tmp_path):
    # Promise: no secret stands on the command line, where every account of the machine can read it.
    settings = WebSettings(
        web_password=SecretStr("a password of a test"), web_data_dir=tmp_path, web_build_dir=tmp_path
    )
    command = web_command(tmp_path / "node", tmp_path / "server.js", settings, 3_333)
    assert command.environment["EVERSHELF_WEB_PASSWORD"] == "a password of a test"
    assert command.environment["PORT"] == "3333"
    assert "EVERSHELF_WEB_BUILD_DIR" not in command.environment
    assert not any("password of a test" in part for part in command.arguments)
