"""Keeps a record of what was proposed, without holding up whoever proposes."""

import json
import os
import pathlib
import threading
import time


class Recorder:
    """Appends events to a file, one JSON object a line, from a thread of its own."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = pathlib.Path(path)
        self._waiting: list[dict[str, object]] = []
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def add(self, event: dict[str, object]) -> None:
        """Takes an event and returns at once. It reaches the file a little later."""
        with self._changed:
            self._waiting.append(event)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until all that was added is in the file. False if that takes too long."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def close(self) -> None:
        """Writes what is left, and ends the thread."""
        self._closing = True
        self._thread.join()

    def _work(self) -> None:
        while True:
            last_round = self._closing
            with self._changed:
                if self._waiting:
                    with self._path.open("a") as file:
                        file.writelines(json.dumps(event) + "\n" for event in self._waiting)
                    self._waiting.clear()
                self._changed.notify_all()
            if last_round:
                return
            time.sleep(0.02)
