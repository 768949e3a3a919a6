"""What schemathesis must be told to speak to the platform: how JSON lines are written."""

import schemathesis


@schemathesis.serializer("application/x-ndjson")
def json_lines(_context, value):
    """The document describes an upload as text, so whatever text was made is what is sent."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", errors="surrogatepass")
