from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from dashboard import embedded
from dashboard.embedded import ServerDidNotStart, start_redis


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / 'a "folder" with spaces'


class TestStartRedis:
    def test_it_persists_and_never_evicts(self, folder: Path) -> None:
        server = start_redis(folder)
        try:
            with redis.Redis.from_url(server.url) as connection:
                settings = connection.config_get("*")
            assert settings["appendonly"] == "yes"
            assert settings["appendfsync"] == "everysec"
            assert settings["maxmemory-policy"] == "noeviction"
            assert settings["save"] == ""
            assert settings["dir"] == str(folder)
        finally:
            server.stop()

    def test_what_was_written_is_there_after_a_stop(self, folder: Path) -> None:
        server = start_redis(folder)
        with redis.Redis.from_url(server.url) as connection:
            connection.set("name", "value")
        server.stop()
        again = start_redis(folder)
        try:
            with redis.Redis.from_url(again.url) as connection:
                assert connection.get("name") == b"value"
        finally:
            again.stop()

    def test_a_server_that_a_dead_parent_left_is_ended(self, folder: Path) -> None:
        left_over = start_redis(folder)
        server = start_redis(folder)
        try:
            assert left_over.process.wait(5) == 0
            with redis.Redis.from_url(server.url) as connection:
                assert connection.ping()
        finally:
            server.stop()

    def test_where_socket_paths_are_too_long_it_takes_a_port_with_a_password(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(embedded, "LONGEST_SOCKET_PATH", 10)
        server = start_redis(folder)
        try:
            assert server.url.startswith("redis://:")
            with redis.Redis.from_url(server.url) as connection:
                assert connection.ping()
            stranger = redis.Redis(port=int(server.url.rpartition(":")[2].partition("/")[0]))
            with pytest.raises(redis.AuthenticationError):
                stranger.ping()
            stranger.close()
        finally:
            server.stop()

    def test_data_it_cannot_read_is_said_in_one_sentence(self, folder: Path) -> None:
        data = folder / "appendonlydir"
        data.mkdir(parents=True)
        (data / "appendonly.aof.manifest").write_text("this is no manifest\n")
        with pytest.raises(ServerDidNotStart, match=r"its last words are in .*redis\.log"):
            start_redis(folder)


class TestStop:
    def test_it_leaves_neither_process_nor_socket(self, folder: Path) -> None:
        server = start_redis(folder)
        assert server.socket_folder is not None
        server.stop()
        assert server.process.poll() == 0
        assert not server.socket_folder.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tell a child that we died")
class TestDyingParent:
    def test_the_server_ends_when_its_parent_is_killed(self, tmp_path: Path) -> None:
        script = (
            "import sys, time; from pathlib import Path\n"
            "from dashboard.embedded import start_redis\n"
            "server = start_redis(Path(sys.argv[1]))\n"
            "print(server.process.pid, server.url, flush=True)\n"
            "time.sleep(60)\n"
        )
        parent = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout is not None
        with parent.stdout as out:
            pid, url = out.readline().split()
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 10
        while _is_alive(int(pid)):
            assert time.monotonic() < deadline, "the server outlived its parent"
            time.sleep(0.02)
        # Clean up as the next start would: the killed parent could not.
        start_redis(tmp_path).stop()
        assert not Path(url.removeprefix("unix://").partition("?")[0]).exists()


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
