#!/usr/bin/env python3
"""Runs a command on a terminal, presses Ctrl-C once its output matches, and ends with the command's exit code.

usage: press-ctrl-c.py TIMES PATTERN COMMAND …       PATTERN: a regular expression of Python's
"""
import os
import pty
import re
import sys
import time

times, pattern, command = int(sys.argv[1]), re.compile(sys.argv[2].encode()), sys.argv[3:]
pressed = False
child, terminal = pty.fork()
if child == 0:
    os.execvp(command[0], command)
seen = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:  # how Linux says that nobody has the terminal open any more
        break
    if not part:
        break
    sys.stdout.buffer.write(part)
    sys.stdout.flush()
    seen += part
    if not pressed and pattern.search(seen):
        pressed = True
        for _ in range(times):
            os.write(terminal, b"\x03")
            time.sleep(0.5)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) % 256)
