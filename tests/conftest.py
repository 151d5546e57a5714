import os
import signal

import structlog
from hypothesis import settings

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
# `./dev check` is to take less than a minute; `./dev test` draws as many as ever.
settings.register_profile(
    "check", deadline=None, derandomize=bool(os.environ.get("CI")), max_examples=30
)
settings.load_profile("ci" if os.environ.get("CI") else "default")

structlog.configure(
    processors=[
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    ]
)

# A shell starts what runs in its background with SIGINT ignored, and children inherit that:
# programs that are to be interrupted here would not notice.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
