#!/usr/bin/env python3
"""Times torch.distributed's all-reduce (gloo), as DistributedDataParallel sends a dense gradient. Rank 0 prints JSON.

usage: torch_allreduce.py --rank R --size P --master ADDRESS --interface NAME [--values N] [--steps N] [--bucket-mb N]

Start it once per rank, on its host. --values is the length of the fp32 gradient (default: all of SmolLM2-135M). The
gradient goes in buckets of --bucket-mb (default 25, as DistributedDataParallel cuts it), all of them under way at once.
`seconds` is the median over the steps of what the slowest rank took; the first step is not counted. `sentBytes` is what
rank 0's interface counted per step. Needs torch.
"""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("--rank", type=int, required=True)
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--master", required=True)
parser.add_argument("--interface", required=True)
parser.add_argument("--port", default="29511")
parser.add_argument("--values", type=int, default=134_515_008)
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--bucket-mb", type=float, default=25)
options = parser.parse_args()
os.environ.update(
    MASTER_ADDR=options.master, MASTER_PORT=options.port, GLOO_SOCKET_IFNAME=options.interface, OMP_NUM_THREADS="1")

import torch
import torch.distributed


def sent():
    with open("/proc/self/net/dev") as lines:
        for line in lines:
            name, _, counters = line.partition(":")
            if name.strip() == options.interface:
                return int(counters.split()[8])
    raise SystemExit(f"no interface {options.interface}")


torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", rank=options.rank, world_size=options.size)
gradient = torch.full((options.values,), 1.0 / options.size)
buckets = gradient.split(int(options.bucket_mb * 2**20 / 4))
seconds = []
for step in range(options.steps + 1):
    if step == 1:
        before = sent()
    torch.distributed.barrier()
    start = time.perf_counter()
    for work in [torch.distributed.all_reduce(bucket, async_op=True) for bucket in buckets]:
        work.wait()
    slowest = torch.tensor([time.perf_counter() - start])
    torch.distributed.all_reduce(slowest, op=torch.distributed.ReduceOp.MAX)
    seconds.append(slowest.item())
if options.rank == 0:
    print(json.dumps({
        "values": options.values, "ranks": options.size, "seconds": statistics.median(seconds[1:]),
        "sentBytes": (sent() - before) / options.steps, "torch": torch.__version__}))
torch.distributed.destroy_process_group()
