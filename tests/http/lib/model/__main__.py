"""The model as a program: prints its port and serves."""
import threading

from . import Model

with Model() as model:
    print(model.mock.port, flush=True)
    threading.Event().wait()
