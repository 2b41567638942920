#!/usr/bin/env python3
"""Unpacks a screenshot for ReportPageTests: width, height and bytes per pixel on standard output, and the PNG's
filtered lines into a file.

    python3 inflate.py PICTURE.png LINES
"""
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
packed, position = b"", 8
while position < len(data):
    length, kind = struct.unpack(">I4s", data[position:position + 8])
    body = data[position + 8:position + 8 + length]
    if kind == b"IHDR":
        width, height, depth, colours = struct.unpack(">IIBB", body[:10])
        assert depth == 8 and colours in (2, 6), "8 bits, RGB or RGBA"
    elif kind == b"IDAT":
        packed += body
    position += length + 12
open(sys.argv[2], "wb").write(zlib.decompress(packed))
print(width, height, 3 if colours == 2 else 4)
