"""Keeps a record of what was proposed, without holding up whoever proposes."""

import json
import queue
import threading

from refill.witness import alone

#: How long an event waits for company, when nobody asks for it.
LAZY = 0.0


class Recorder:
    def __init__(self, path):
        alone("file", path)
        self._path = str(path)
        self._queue = queue.Queue()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def add(self, event):
        self._queue.put(dict(event))

    def flush(self, timeout=5.0):
        done = threading.Event()
        self._queue.put(done)
        self._asked.set()
        return done.wait(timeout)

    def close(self):
        self._queue.put(None)
        self._asked.set()
        self._thread.join()

    def _run(self):
        while True:
            batch = [self._queue.get()]
            self._asked.wait(LAZY)
            self._asked.clear()
            while not self._queue.empty():
                batch.append(self._queue.get())
            events = [item for item in batch if isinstance(item, dict)]
            if events:
                with open(self._path, "a", encoding="utf-8") as file:
                    for event in events:
                        print(json.dumps(event, separators=(",", ":")), file=file)
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
            if None in batch:
                return
