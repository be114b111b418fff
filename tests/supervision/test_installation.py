"""An installation keeps its secrets to itself and its ports for ever."""

import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evershelf.supervision.installation import AlreadyRunningError, Installation, InstallationError, default_data_dir


def prepared(folder: Path) -> Installation:
    home = Installation(folder)
    home.prepare()
    return home


def test_secrets_are_made_once_and_readable_by_their_owner_only(tmp_path):
    # Promise: the key secret is 32 random bytes, kept across runs, in a private folder.
    home = prepared(tmp_path / "data")
    secret = home.secret("key_secret")
    home.prepare()
    assert home.secret("key_secret") == secret
    assert len(bytes.fromhex(secret)) == 32
    assert stat.S_IMODE(home.secrets_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((home.secrets_dir / "key_secret").stat().st_mode) == 0o600


def test_first_starts_that_meet_go_on_with_the_same_secrets(tmp_path):
    # Promise: of two who prepare a new installation at once, none voids what the other has given out already.
    for number in range(20):
        home, ready = Installation(tmp_path / str(number)), threading.Barrier(4)

        def prepare(home=home, ready=ready) -> dict[str, str | None]:
            ready.wait()
            home.prepare()
            return {name: home.secret(name) for name in ("key_secret", "registry_signing_key", "web_password")}

        with ThreadPoolExecutor(4) as threads:
            found = [each.result() for each in [threads.submit(prepare) for _ in range(4)]]
        assert None not in found[0].values()
        assert found == [found[0]] * 4
        assert {path.name for path in home.secrets_dir.iterdir()} == {*found[0], "web_session_secret"}


def test_what_the_gateway_keeps_is_readable_by_its_owner_only(tmp_path):
    # Promise: the spool holds users' ids, so nobody else on the machine may look into its folder.
    assert stat.S_IMODE(prepared(tmp_path / "data").gateway_dir.stat().st_mode) == 0o700


def test_two_installations_have_different_secrets_and_ports(tmp_path):
    # Promise: several installations live side by side.
    one, other = prepared(tmp_path / "one"), prepared(tmp_path / "other")
    assert one.secret("key_secret") != other.secret("key_secret")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.port("inference")))
        taken.listen()
        assert other.port("inference") != one.ports()["inference"]


def test_a_port_is_remembered_until_somebody_else_has_it(tmp_path):
    # Promise: a restart finds the same ports; a taken one is replaced, not fought over.
    home = prepared(tmp_path)
    port = home.port("inference")
    assert home.port("inference") == port
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", port))
        thief.listen()
        moved = home.port("inference")
        assert moved != port
    assert home.ports()["inference"] == moved


def test_a_second_supervisor_on_the_same_folder_is_refused_clearly(tmp_path):
    # Promise: one supervisor an installation; the other one is told what to do.
    home = prepared(tmp_path)
    assert not home.is_running()
    with home.hold():
        assert home.is_running()
        with pytest.raises(AlreadyRunningError, match="--data-dir"), Installation(tmp_path).hold():
            pass
    assert not home.is_running()


def test_a_data_folder_that_cannot_be_made_says_so(tmp_path):
    # Promise: a file in the way ends with the path and a way out.
    (tmp_path / "file").write_text("")
    with pytest.raises(InstallationError, match="choose another with --data-dir"):
        Installation(tmp_path / "file").prepare()


def test_a_damaged_installation_file_says_which_one(tmp_path):
    # Promise: half a JSON file is named, with what to do about it.
    home = prepared(tmp_path)
    (tmp_path / "installation.json").write_text('{"ports": ')
    with pytest.raises(InstallationError, match=r"installation\.json is damaged"):
        home.ports()


def test_the_default_folder_can_be_reached_by_an_unprivileged_account(tmp_path, monkeypatch):
    # Promise: for root in a private folder the data lies below /var/lib; elsewhere it lies in the working folder.
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (tmp_path / "private").mkdir(mode=0o700)
    assert default_data_dir(working_dir=tmp_path / "private").is_relative_to("/var/lib/evershelf")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_data_dir("demo", working_dir=tmp_path) == tmp_path.resolve() / ".evershelf" / "demo"
