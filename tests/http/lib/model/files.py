"""What a file in a request is: the mock looks at its bytes, so that a test sees whether they came whole."""
import base64
import binascii

from .turn import Wrong

MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF", "application/pdf": b"%PDF-"}


def file_of(media_type, data, where):
    """(media type, how many bytes) of base64."""
    try:
        found = base64.b64decode(data, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Wrong(f"{where}: invalid base64 data", where) from None
    magic = MAGIC.get(media_type)
    if magic and not found.startswith(magic):
        raise Wrong(f"{where}: the data is no {media_type}", where)
    return media_type, len(found)


def url_of(url, where):
    """Of a URL, which may be a data URL."""
    if not isinstance(url, str):
        raise Wrong(f"{where}: expected a string", where)
    if not url.startswith("data:"):
        return "url", url
    head, _, data = url[5:].partition(",")
    if not head.endswith(";base64"):
        raise Wrong(f"{where}: expected base64", where)
    return file_of(head[:-7], data, where)
