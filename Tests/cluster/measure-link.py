#!/usr/bin/env python3
"""Measures the link between two hosts: half a round trip, and the bytes that arrive per second.

usage: measure-link.py serve [CLIENTS]                on one host, until so many clients (1) have come and gone
       measure-link.py measure ADDRESS [MEGABYTES]    on the other; prints "MS milliseconds, RATE bytes per second"
"""
import errno
import socket
import sys
import threading
import time

PORT = 29170


def receive(connection, size):
    left = size
    while left:
        part = connection.recv(min(left, 1 << 16))
        if not part:
            sys.exit("measure-link: the connection ended early")
        left -= len(part)


def serve(clients):
    with socket.create_server(("", PORT)) as server:
        threads = [threading.Thread(target=answer, args=(server.accept()[0],)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def answer(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(10):
        receive(connection, 1)
        connection.sendall(b"x")
    size = int.from_bytes(connection.recv(8), "big")
    # The first part fills the sender's buffers and the burst that a limited link lets through.
    receive(connection, size // 4)
    start = time.monotonic()
    receive(connection, size - size // 4)
    rate = (size - size // 4) / (time.monotonic() - start)
    connection.sendall(int(rate).to_bytes(8, "big"))


def measure(address, megabytes):
    for _ in range(50):
        try:
            connection = socket.create_connection((address, PORT), timeout=20)
            break
        except OSError as error:
            # Nobody serves yet; or, just after a cut, the host still takes the other for gone.
            if error.errno not in (errno.ECONNREFUSED, errno.EHOSTUNREACH):
                raise
            time.sleep(0.1)
    else:
        sys.exit(f"measure-link: nobody serves on {address}")
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    trips = []
    for _ in range(10):
        start = time.monotonic()
        connection.sendall(b"x")
        receive(connection, 1)
        trips.append(time.monotonic() - start)
    size = megabytes << 20
    connection.sendall(size.to_bytes(8, "big"))
    block = bytes(1 << 16)
    for _ in range(size // len(block)):
        connection.sendall(block)
    rate = int.from_bytes(connection.recv(8), "big")
    print(f"{sorted(trips)[len(trips) // 2] / 2 * 1e3:.3f} milliseconds, {rate} bytes per second")


if sys.argv[1:2] == ["serve"]:
    serve(int((sys.argv + ["1"])[2]))
elif sys.argv[1:2] == ["measure"] and len(sys.argv) in (3, 4):
    measure(sys.argv[2], int((sys.argv + ["8"])[3]))
else:
    sys.exit(__doc__)
