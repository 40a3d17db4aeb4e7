"""The only way to Spyne in this package: import its names from here, never from ``spyne`` itself.

Spyne 2.14.0, the newest release, does not import on Python 3.12 and newer; importing this module first
makes it work on 3.11 to 3.13, and takes away two habits that a server handling passwords cannot have. The
same is done on every interpreter, so that all of them run the same code. ``cgi``, which left the standard
library in 3.13, needs nothing here: the dependency legacy-cgi brings it back under its own name.

The names are ``Any`` to the type checker, Spyne has no annotations. A Spyne name that is missing is added
here: a module that imports it directly would be sorted, and so run, before this one.
"""

import importlib.util
import logging
import math
import operator
import sys
import warnings
from typing import Any

# Spyne carries six 1.14, whose importer for six.moves has only find_module(), which Python 3.12 no longer
# calls. The source of the six we depend on, loaded under the name of that copy, takes its place and serves
# spyne.util.six.moves by itself. A second module rather than the shared one, because Spyne calls a function
# that it had added to its copy.
_spec = importlib.util.spec_from_file_location("spyne.util.six", importlib.import_module("six").__file__)
assert _spec is not None
assert _spec.loader is not None
_six: Any = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = _six
_spec.loader.exec_module(_six)
_six.get_function_name = operator.attrgetter("__name__")

# Spyne logs a malformed request as a whole, passwords included. The level makes its loggers refuse before a
# record exists; no propagation keeps the rest of the way shut if somebody lowers the level of a child; the
# handler keeps logging's last resort, stderr, from stepping in.
_logger = logging.getLogger("spyne")
_logger.setLevel(logging.CRITICAL + 1)
_logger.propagate = False
_logger.addHandler(logging.NullHandler())

with warnings.catch_warnings():
    # cgi announces its end on 3.11 and 3.12, and one regular expression in Spyne has an invalid escape: a
    # SyntaxWarning on stderr at the first start, and neither is for an operator to mend.
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.simplefilter("ignore", SyntaxWarning)
    from spyne import (
        Application,
        Array,
        Boolean,
        ComplexModel,
        Decimal,
        Fault,
        Integer,
        Integer32,
        MethodContext,
        ServerBase,
        Service,
        Unicode,
        const,
        rpc,
    )
    from spyne.protocol.soap import Soap11

# MethodContext.close() runs a full gc.collect() whenever the last one is older than this many seconds, to
# get open files back: tens of milliseconds in the middle of a request, and none of ours opens a file.
const.MIN_GC_INTERVAL = math.inf

__all__ = [
    "Application",
    "Array",
    "Boolean",
    "ComplexModel",
    "Decimal",
    "Fault",
    "Integer",
    "Integer32",
    "MethodContext",
    "ServerBase",
    "Service",
    "Soap11",
    "Unicode",
    "rpc",
]
