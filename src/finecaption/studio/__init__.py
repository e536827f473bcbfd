"""The studio: a web UI in which a click on an object describes it.

`create_studio` puts it on the server's application. Importing this package is cheap; the page needs
the extra `finecaption[demo]`.
"""

from __future__ import annotations

from typing import Any


def create_studio(*args: Any, **kwargs: Any) -> Any:
    """See `finecaption.studio.app.create_studio`.

    Raises:
        InputError: the extra is not installed.
    """
    from finecaption.errors import InputError

    try:
        from finecaption.studio.app import create_studio as create
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("finecaption"):
            raise
        raise InputError(
            f"the studio needs {error.name}, which is not installed: pip install "
            "'finecaption[demo]'"
        ) from error
    return create(*args, **kwargs)


__all__ = ["create_studio"]
