"""The HTTP server: an OpenAI-compatible `/v1`, many regions in one call, clicks to masks.

`create_app` makes the FastAPI application, `Settings` says how it behaves, `serve` runs it.
Importing this package needs the extra `finecaption[server]`; it does not import torch.
"""

from __future__ import annotations

from finecaption.errors import InputError

try:
    from finecaption.server.app import create_app
    from finecaption.server.running import serve
    from finecaption.server.settings import Settings, load_settings
except ModuleNotFoundError as error:
    if (error.name or "").startswith("finecaption"):
        raise
    raise InputError(
        f"the server needs {error.name}, which is not installed: pip install 'finecaption[server]'"
    ) from error

__all__ = ["Settings", "create_app", "load_settings", "serve"]
