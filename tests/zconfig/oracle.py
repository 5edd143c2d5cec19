"""The real ZConfig's verdicts, one line of JSON for each line of JSON.

In: {"schema": "zdaemon" | "zeo" | "zeoctl", "file": PATH, "overrides": [TEXT, ...]}
Out: {"ok": true, "values": ...} or {"ok": false, "error": {...}}, as in the corpus.
"""
import json
import math
import os
import socket
import sys

import ZConfig
import ZEO
import zdaemon
from ZConfig.datatypes import SocketAddress
from ZConfig.matcher import SectionValue

FAMILIES = {socket.AF_UNIX: "AF_UNIX", socket.AF_INET: "AF_INET", socket.AF_INET6: "AF_INET6"}


def checked(datatype):
    """The datatype of a section, for its checks only: the section itself stays the value."""

    def convert(section):
        datatype(section)
        return section

    return convert


def schema_of(package, name):
    schema = ZConfig.loadSchema(os.path.join(os.path.dirname(package.__file__), name))
    for name in schema.gettypenames():
        kind = schema.gettype(name)
        if not kind.isabstract():
            kind.datatype = checked(kind.datatype)
    return schema


SCHEMAS = {
    "zdaemon": schema_of(zdaemon, "schema.xml"),
    "zeo": schema_of(ZEO, "schema.xml"),
    "zeoctl": schema_of(ZEO, "zeoctl.xml"),
}


def number(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if -(2**63) <= value < 2**63 else str(value)


def simple(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, SocketAddress):
        if value.family == socket.AF_UNIX:
            return ["AF_UNIX", value.address, None]
        return [FAMILIES[value.family], *value.address]
    if isinstance(value, SectionValue):
        return dict(members(value), **{"@type": value.getSectionType(), "@name": value.getSectionName()})
    if isinstance(value, dict):
        return {key: simple(item) for key, item in value.items()}
    return [simple(item) for item in value]


def members(section):
    out = {}
    for _, info in section.getSectionDefinition():
        value = simple(getattr(section, info.attribute))
        if info.name == "smtp-server":
            value = [None, *value]
        named = info.issection() or info.name == "+"
        out[info.attribute if named else info.name] = value
    return out


def verdict(request):
    try:
        config, _ = ZConfig.loadConfig(SCHEMAS[request["schema"]], request["file"], request["overrides"])
    except ZConfig.ConfigurationError as error:
        line = getattr(error, "lineno", None)
        line = line if isinstance(line, int) and line >= 0 else None
        url = getattr(error, "url", None)
        told = {"message": error.message, "line": line, "url": url, "text": str(error), "crash": False}
        return {"ok": False, "error": told}
    except Exception as error:
        return {"ok": False, "error": {"text": repr(error), "crash": True}}
    return {"ok": True, "values": members(config)}


for line in sys.stdin:
    print(json.dumps(verdict(json.loads(line))), flush=True)
