"""Files in and out: one module per format, a table by suffix.

Importing this package loads no format; each module is imported when its suffix is asked for.
"""

from layerstudio.io.files import FORMATS, Format, open_document, save

__all__ = ["FORMATS", "Format", "open_document", "save"]
