"""What a case is."""

from dataclasses import dataclass


@dataclass
class Case:
    reader: str
    name: str
    # The bytes of the reader's one file, or the files of its folder that differ from the valid ones.
    files: object
    # Words of the error.
    says: list
    # Why the file is read all the same; empty: it is refused.
    why: str = ""


def refused(reader, name, files, *says):
    return Case(reader, name, files, list(says))


def accepted(reader, name, files, why):
    return Case(reader, name, files, [], why)
